"""TabularClassifier: what it predicts, that a file holds all of it, and what damaged files say."""

import json
import os

import numpy as np
import pytest

import nnlite
from nnlite.io import weights
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table
from nnlite.train.classifier import TabularClassifier, probabilities

TABLE = Table(
    {
        "age": [31, 47, 52, 28],
        "colour": ["red", "blue", "red", "green"],
        "ill": ["no", "yes", "yes", "no"],
    }
)


def classifier(hidden=(5, 3)):
    return TabularClassifier(Preprocessor.fit(TABLE, "ill"), hidden)


@pytest.fixture
def saved(tmp_path):
    classifier().save(tmp_path)
    return tmp_path / "model.safetensors"


def about(path):
    return json.loads(weights.read_metadata(path)["nnlite.classifier"])


def rewrite(path, state=None, **changes):
    """Save the file again with other weights or another description."""
    description = {**about(path), **changes}
    if state is None:
        state = weights.load(path)
    weights.save(state, path, metadata={"nnlite.classifier": json.dumps(description)})


def test_the_network_is_linear_layers_with_relu_between():
    model = classifier().model
    kinds = [type(module).__name__ for module in model]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [tuple(p.shape) for p in model.parameters()] == [
        (5, 4), (5,), (3, 5), (3,), (1, 3), (1,)
    ]  # fmt: skip
    assert classifier().body == ("0", "2")
    assert classifier([7]).body == ("0",)


def test_predictions_are_the_network_on_the_features():
    own = classifier()
    features = own.preprocessor.transform(TABLE)
    with nnlite.no_grad():
        expected = own.model(nnlite.tensor(features)).numpy()[:, 0]
    np.testing.assert_array_equal(own.logits(TABLE), expected)
    np.testing.assert_allclose(own.predict_proba(TABLE)[:, 1], 1 / (1 + np.exp(-expected)))
    assert own.predict(TABLE).tolist() == ["yes" if z > 0 else "no" for z in expected]


def test_a_long_table_is_predicted_in_pieces_with_the_same_result(monkeypatch):
    own = classifier()
    whole = own.logits(TABLE)
    monkeypatch.setattr("nnlite.train.classifier._ROWS", 3)
    np.testing.assert_allclose(own.logits(TABLE), whole, rtol=1e-6)


def test_predicting_leaves_the_mode_of_the_model_and_records_nothing():
    own = classifier()
    modes = []
    own.model.register_forward_pre_hook(lambda model, inputs: modes.append(model.training))
    own.logits(TABLE)
    assert modes == [False]
    assert own.model.training
    own.model.eval()
    own.logits(TABLE)
    assert not own.model.training
    assert all(p.grad is None for p in own.model.parameters())


def test_probabilities_keep_their_precision_at_both_ends():
    chances = probabilities(np.float32([-80.0, 0.0, 80.0]))
    np.testing.assert_allclose(chances[:, 1], [np.exp(-80.0), 0.5, 1.0], rtol=1e-15)
    np.testing.assert_allclose(chances[:, 0], chances[::-1, 1], rtol=1e-15)
    assert probabilities(np.float32([-1e4, 1e4])).tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("hidden", [(), (0,), (4, -1), (2.5,), (True,), ("8",)])
def test_hidden_layers_have_whole_widths(hidden):
    with pytest.raises(ValueError, match="TabularClassifier: the sizes of the layers are"):
        classifier(hidden)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    own = classifier()
    own.save(tmp_path)
    for path in (tmp_path, tmp_path / "model.safetensors", str(tmp_path)):
        other = TabularClassifier.load(path)
        assert other.preprocessor == own.preprocessor
        assert other.layers == own.layers
        assert other.classes == own.classes
        for name, tensor in own.model.state_dict().items():
            np.testing.assert_array_equal(other.model.state_dict()[name].numpy(), tensor.numpy())
        np.testing.assert_array_equal(other.logits(TABLE), own.logits(TABLE))
    other.save(tmp_path / "again.safetensors")
    again = (tmp_path / "again.safetensors").read_bytes()
    assert again == (tmp_path / "model.safetensors").read_bytes()


def test_loading_leaves_the_random_state(saved):
    before = nnlite.get_rng_state()
    TabularClassifier.load(saved)
    assert nnlite.get_rng_state() == before


def test_other_programs_find_plain_weights_in_the_file(saved):
    assert set(nnlite.load(saved)) == {
        "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"
    }  # fmt: skip


def test_save_refuses_another_ending(tmp_path):
    with pytest.raises(ValueError, match=r"no folder and does not end in \.safetensors"):
        classifier().save(tmp_path / "model.npz")


def test_load_says_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file or folder"):
        TabularClassifier.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"there is no model\.safetensors in it"):
        TabularClassifier.load(tmp_path)


def test_load_refuses_every_truncation(saved):
    whole = saved.read_bytes()
    for length in sorted({*range(0, len(whole), 37), len(whole) - 1}):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"model\.safetensors"):
            TabularClassifier.load(saved)


def test_load_refuses_weights_that_are_no_classifier(tmp_path):
    path = tmp_path / "model.safetensors"
    nnlite.save({"w": nnlite.ones(2)}, path)
    with pytest.raises(ValueError, match="no classifier that nnlite saved"):
        TabularClassifier.load(tmp_path)


def test_load_names_the_version_that_wrote_another_format(saved):
    rewrite(saved, format=2, nnlite="9.9.9")
    with pytest.raises(ValueError, match=r"in format 2, written by nnlite '9\.9\.9'.*use the ver"):
        TabularClassifier.load(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": None}, "not whole numbers"),
        ({"layers": [4, 1]}, "sizes of the layers"),
        ({"layers": [4, 5, 3, 2]}, "sizes of the layers"),
        ({"layers": [3, 5, 3, 1]}, "reads 3 features, the columns make 4"),
        ({"layers": [4, 6, 3, 1]}, r"0\.bias is float32 of shape \(5,\)"),
        ({"layers": [4, 10**12, 10**12, 1]}, r"0\.bias is float32"),
        ({"layers": [4, 5, 3, 3, 1]}, "missing or too many"),
        ({"activation": "Tanh"}, "the activation is 'Tanh'"),
        ({"preprocessing": {}}, "'target' or 'columns' is not there"),
        ({"preprocessing": 7}, "'target' or 'columns' is not there"),
    ],
)
def test_load_refuses_a_description_that_does_not_fit(saved, changes, message):
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        TabularClassifier.load(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000])
def test_load_refuses_a_description_that_is_no_object(saved, text):
    weights.save(weights.load(saved), saved, metadata={"nnlite.classifier": text})
    with pytest.raises(ValueError, match="it is damaged"):
        TabularClassifier.load(saved)


def test_load_refuses_weights_that_are_no_finite_float32(saved):
    state = weights.load(saved)
    state["2.bias"].array[1] = np.nan
    rewrite(saved, state)
    with pytest.raises(ValueError, match=r"2\.bias holds values that are no finite numbers"):
        TabularClassifier.load(saved)
    state["2.bias"] = nnlite.zeros(3, dtype=nnlite.float64)
    rewrite(saved, state)
    with pytest.raises(ValueError, match=r"2\.bias is float64"):
        TabularClassifier.load(saved)


def test_a_failed_save_leaves_the_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnlite.io.atomic._sync", full)
    with pytest.raises(OSError, match="No space left"):
        classifier((8, 8)).save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["model.safetensors"]
