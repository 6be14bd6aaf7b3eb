"""Low-rank adapters: what is trained, what stays, and what is left when they go."""

import copy
import pickle

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.nn import lora


def network():
    nnlite.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh()),
        nn.Linear(8, 8, bias=False),
        nn.Linear(8, 1),
    )


X = nnlite.tensor(np.random.default_rng(1).standard_normal((16, 6)), dtype=nnlite.float32)
Y = (X[:, :1] > 0).float()


def train(model, steps=5, weight_decay=0.1):
    optimizer = nnlite.optim.SGD(
        model.parameters(), lr=0.5, momentum=0.9, weight_decay=weight_decay
    )
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(X), Y).backward()
        optimizer.step()


def test_an_adapter_starts_as_nothing_and_is_all_that_is_trained():
    model = network()
    before = copy.deepcopy(model.state_dict())
    outputs = model.eval()(X)
    assert lora.add(model, "0", "1", rank=3, alpha=6) == ["0.0", "1"]
    assert model[1].scaling == 2.0
    assert np.array_equal(model(X).detach().numpy(), outputs.detach().numpy())
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained == ["0.0.lora_A", "0.0.lora_B", "1.lora_A", "1.lora_B"]
    adapters = copy.deepcopy(lora.state_dict(model))
    assert list(adapters) == trained
    train(model.train())
    after = model.state_dict()
    for name, value in before.items():
        assert after[name].numpy().tobytes() == value.numpy().tobytes(), name
    for name, value in adapters.items():
        assert not np.array_equal(after[name].numpy(), value.numpy()), name


def test_the_formula():
    layer = nn.Linear(4, 3)
    lora.add(layer, rank=2, alpha=3)
    layer.lora_B.data = nnlite.randn(3, 2)
    x = nnlite.randn(5, 4)
    w, a, b = (p.detach().numpy() for p in (layer.weight, layer.lora_A, layer.lora_B))
    expected = x.numpy() @ (w + 1.5 * b @ a).T + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [nnlite.float32, nnlite.float64])
def test_merged_the_outputs_stay(dtype):
    model = network().to(dtype).eval()
    lora.add(model, rank=2)
    x = X.to(dtype)
    for layer in (model[0][0], model[1], model[2]):
        layer.lora_B.data = nnlite.randn(*layer.lora_B.shape, dtype=dtype)
    frozen = model.frozen
    outputs = model(x).detach().numpy()
    assert lora.merge(model) == ["0.0", "1", "2"]
    assert type(model[1]) is nn.Linear
    assert "lora" not in repr(model).lower()
    assert list(model.state_dict()) == list(network().state_dict())
    assert model.frozen == frozen
    tolerance = 1e-5 if dtype == nnlite.float32 else 1e-13
    np.testing.assert_allclose(model(x).detach().numpy(), outputs, rtol=tolerance, atol=tolerance)


def test_removed_the_weights_are_what_they_were():
    model = network()
    before = pickle.dumps([v.numpy() for v in model.state_dict().values()])
    lora.add(model, "1", "2")
    train(model)
    assert lora.remove(model) == ["1", "2"]
    assert pickle.dumps([v.numpy() for v in model.state_dict().values()]) == before
    assert lora.remove(model) == lora.merge(model) == []


def test_adapters_in_a_file_of_their_own(tmp_path):
    model = network()
    lora.add(model, "1", rank=2)
    train(model)
    nnlite.save(lora.state_dict(model), tmp_path / "task.safetensors")
    other = network()
    lora.add(other, "1", rank=2)
    other.load_state_dict(nnlite.load(tmp_path / "task.safetensors"), strict=False)
    assert np.array_equal(other.eval()(X).detach().numpy(), model.eval()(X).detach().numpy())
    plain = network()
    lora.add(plain, "1", rank=2)
    plain.load_state_dict(network().state_dict(), strict=False)  # weights without adapters


def test_a_layer_alone_a_shared_layer_and_copies():
    layer = nn.Linear(3, 3)
    assert lora.add(layer, rank=1) == [""]
    assert list(lora.state_dict(layer)) == ["lora_A", "lora_B"]
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert lora.add(model, rank=1) == ["0"]
    assert model[2] is model[0]
    again = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    assert repr(again[0]) == (
        "LoRALinear(in_features=3, out_features=3, bias=True, rank=1, scaling=1.0)"
    )


def test_adapters_that_are_there_are_trained_on():
    model = network()
    lora.add(model, "1")
    assert lora.add(model, "2") == ["2"]
    assert model[1].lora_A.requires_grad
    with pytest.raises(ValueError, match="no Linear layer without an adapter matches '1'"):
        lora.add(model, "1")


def test_the_layer_behind_the_heads_of_attention():
    model = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).eval()
    classes = [type(module) for module in model.modules()]
    assert lora.add(model, rank=2) == ["self_attn.out_proj", "linear1", "linear2"]
    model.self_attn.out_proj.lora_B.data = nnlite.randn(8, 2)
    x = nnlite.randn(2, 5, 8)
    outputs = model(x)
    outputs.square().sum().backward()
    assert model.self_attn.out_proj.lora_A.grad.abs().sum() > 0
    again = pickle.loads(pickle.dumps(model))
    assert lora.merge(again) == ["self_attn.out_proj", "linear1", "linear2"]
    assert [type(module) for module in again.modules()] == classes
    np.testing.assert_allclose(again(x).detach().numpy(), outputs.detach().numpy(), atol=1e-5)
    with pytest.raises(ValueError, match=r"matches 'self_attn\.in_proj_weight'"):
        lora.add(again, "self_attn.in_proj_weight")


def test_a_weight_that_another_layer_uses_is_refused():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 5, bias=False))
    model[2].weight = model[0].weight
    with pytest.raises(ValueError, match=r"lora\.add: '2\.weight' is '0\.weight', too"):
        lora.add(model)
    assert model.frozen == []
    assert lora.add(model, "1") == ["1"]
    model[0].weight = model[1].weight
    with pytest.raises(ValueError, match=r"lora\.merge: '1\.weight' is '0\.weight', too"):
        lora.merge(model)
    assert lora.remove(model) == ["1"]


def test_dropout_of_the_adapter():
    model = nn.Sequential(nn.Linear(6, 4))
    lora.add(model, rank=2, dropout=0.5)
    model[0].lora_B.data = nnlite.ones(4, 2)
    assert not np.array_equal(model(X).detach().numpy(), model(X).detach().numpy())
    model.eval()
    assert np.array_equal(model(X).detach().numpy(), model(X).detach().numpy())


@pytest.mark.parametrize(
    ("patterns", "options", "error", "message"),
    [
        (("3",), {}, ValueError, r"matches '3' \(near"),
        (("0.1",), {}, ValueError, "no Linear layer without an adapter matches '0.1'"),
        ((), {"rank": 0}, ValueError, "rank must be at least 1, got 0"),
        ((), {"rank": 1.5}, TypeError, "rank must be a whole number, got 1.5"),
        ((), {"alpha": 0}, ValueError, "alpha must be positive, got 0"),
        ((), {"alpha": float("nan")}, ValueError, "alpha must be positive, got nan"),
        ((), {"dropout": 1.5}, ValueError, r"dropout must be a probability in \[0, 1\], got 1.5"),
    ],
)
def test_wrong_arguments_change_nothing(patterns, options, error, message):
    model = network()
    with pytest.raises(error, match=message):
        lora.add(model, *patterns, **options)
    assert model.frozen == []
    with pytest.raises(ValueError, match="the model has no Linear layer"):
        lora.add(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize("function", [lora.add, lora.merge, lora.remove, lora.state_dict])
def test_no_module(function):
    with pytest.raises(TypeError, match="lora: expected a Module, got int"):
        function(3)
