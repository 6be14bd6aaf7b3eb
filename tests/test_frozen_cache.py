"""Trainer(cache_frozen=True): the same training as without, in less time, or a word why not."""

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.train import Trainer
from nnlite.train.callbacks import EMA, Callback, Checkpoint
from nnlite.train.callbacks.fine_tuning import FreezeAudit, GradualUnfreezing
from nnlite.train.frozen_cache import constant_layers
from nnlite.utils.data import DataLoader, Dataset, TensorDataset, default_collate

SAMPLES = 70  # no multiple of the batch size


class Counting(nn.Module):
    """Counts its calls and the samples that it saw."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x


def network():
    nnlite.manual_seed(1)
    # Without bias: behind it BatchNorm takes the mean away, and Adam would blow up its rounding.
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Counting(), nn.Flatten()
    )
    body[1].running_mean.copy_(nnlite.randn(4))
    middle = nn.Sequential(nn.Linear(64, 16), nn.Tanh())
    return nn.Sequential(body, middle, nn.Linear(16, 3))


def data():
    generator = nnlite.Generator().manual_seed(2)
    x = nnlite.randn(SAMPLES, 1, 6, 6, generator=generator)
    return x, nnlite.randint(0, 3, (SAMPLES,), generator=generator)


def train(model, samples=None, epochs=4, callbacks=(), valid=0.3, cache=True, fit=(), **options):
    nnlite.manual_seed(3)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
    trainer = Trainer(
        model, optimizer, nn.CrossEntropyLoss(), metrics="accuracy", callbacks=callbacks,
        cache_frozen=cache, progress=False, **options,
    )  # fmt: skip
    samples = data() if samples is None else samples
    trainer.fit(samples, valid, epochs=epochs, batch_size=16, **dict(fit))
    return trainer


def same(one, other):
    """Two trainings came to the same; rounding may differ where a batch is the last of a pass."""
    for name, tensor in one.model.state_dict().items():
        found = other.model.state_dict()[name]
        np.testing.assert_allclose(found.numpy(), tensor.numpy(), rtol=1e-4, atol=1e-6)
    for column in ("train_loss", "valid_loss"):
        if column in one.history.columns:
            np.testing.assert_allclose(other.history[column], one.history[column], rtol=1e-4)


def both(make=network, **options):
    with_cache, without = (train(make(), cache=cache, **options) for cache in (True, False))
    same(without, with_cache)
    return with_cache, without


def frozen_network():
    return network().freeze("0")


def test_the_training_is_the_same_and_the_frozen_part_runs_once():
    with_cache, without = both(frozen_network)
    assert [type(layer).__name__ for layer in with_cache.frozen_cache.layers] == [
        "Conv2d", "BatchNorm2d", "ReLU", "Counting", "Flatten",
    ]  # fmt: skip
    assert with_cache.frozen_cache.exact is not None
    # 49 samples to train on in 4 batches, 21 in 1; each part once, and 3 times to check, and the
    # Trainer itself looks at a batch of validation first.
    assert with_cache.model[0][3].calls == 4 + 3 + 1 + 3 + 1
    assert without.model[0][3].calls == 4 * (4 + 1) + 1
    assert with_cache.history["valid_accuracy"] == without.history["valid_accuracy"]


def test_frozen_bytes_stay_and_what_is_trained_moves():
    model = frozen_network()
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    train(model, callbacks=[FreezeAudit()])
    for name, tensor in model.state_dict().items():
        assert (tensor.numpy().tobytes() == before[name].tobytes()) == name.startswith("0."), name


def test_a_loader_of_ones_own_gets_its_data_back():
    x, y = data()
    dataset = TensorDataset(x, y)
    loaders = {
        cache: DataLoader(dataset, 16, shuffle=True, drop_last=True, generator=nnlite.Generator())
        for cache in (True, False)
    }
    for cache, loader in loaders.items():
        loader.generator.manual_seed(7)
        loaders[cache] = train(frozen_network(), loader, valid=loader, cache=cache)
        assert loader.dataset is dataset
    same(loaders[False], loaders[True])
    assert loaders[True].frozen_cache.layers


def test_layers_that_are_unfrozen_are_trained():
    class Peek(Callback):
        def __init__(self):
            self.kept = []

        def on_epoch_end(self, trainer):
            cache = trainer.frozen_cache
            self.kept.append(len(cache.layers) if cache else None)

    def peeking(cache):
        peek = Peek()
        callbacks = [GradualUnfreezing({3: "1", 5: "0"}), peek]
        trainer = train(network().freeze("0", "1"), epochs=6, callbacks=callbacks, cache=cache)
        return trainer, peek.kept

    (with_cache, kept), (without, _) = peeking(True), peeking(False)
    assert kept == [7, 7, 5, 5, 0, 0]
    same(without, with_cache)
    assert not with_cache.model.frozen


def test_averages_and_checkpoints_hold_the_whole_model(tmp_path):
    def run(cache):
        path = tmp_path / f"{cache}.ckpt"
        callbacks = [EMA(0.9), Checkpoint(path)]
        return train(frozen_network(), callbacks=callbacks, cache=cache)

    same(run(False), run(True))
    saved = nnlite.io.load_checkpoint(tmp_path / "True.ckpt")
    assert set(saved["model"]) == set(network().state_dict())


def test_a_run_goes_on_with_and_without_the_cache(tmp_path):
    whole = train(frozen_network(), epochs=5, cache=False)
    for first, second in ((True, False), (False, True), (True, True)):
        path = tmp_path / f"{first}{second}.ckpt"
        limit = {"max_steps": 10}  # in the middle of the third epoch
        train(frozen_network(), epochs=5, callbacks=[Checkpoint(path)], cache=first, fit=limit)
        resumed = train(
            frozen_network(), epochs=5, callbacks=[Checkpoint(path)], cache=second,
            fit={"resume": path},
        )  # fmt: skip
        same(whole, resumed)


def test_a_state_describes_the_samples_not_the_features():
    class Take(Callback):
        def on_epoch_end(self, trainer):
            self.run = trainer.state_dict()["run"]

    takes = {True: Take(), False: Take()}
    for cache, take in takes.items():
        train(frozen_network(), epochs=1, callbacks=[take], cache=cache)
    assert takes[True].run == takes[False].run


def test_weights_of_samples_and_of_classes():
    weights = np.linspace(0.5, 2, SAMPLES)
    options = {"fit": {"sample_weight": weights}, "class_weight": "balanced"}
    with_cache, _ = both(frozen_network, **options)
    assert with_cache.frozen_cache.layers


def test_afterwards_the_whole_model_is_used():
    trainer = train(frozen_network())
    x, y = data()
    assert trainer.predict(x).shape == (SAMPLES, 3)
    assert trainer.evaluate((x, y))["loss"] > 0
    trainer.fit((x, y), epochs=1, batch_size=16)
    assert trainer.frozen_cache.layers


def test_features_beyond_the_memory_lie_in_a_file(monkeypatch, tmp_path):
    import tempfile

    monkeypatch.setattr("nnlite.train.frozen_cache._IN_MEMORY", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    class Look(Callback):
        def on_epoch_end(self, trainer):
            seen.append(len(list(tmp_path.glob("nnlite-features-*/features.npy"))))

    with_cache = train(frozen_network(), callbacks=[Look()])
    same(train(frozen_network(), cache=False), with_cache)
    assert seen == [2, 2, 2, 2]
    assert list(tmp_path.iterdir()) == []


# ---- what cannot be kept ------------------------------------------------------------------------


def constant(*layers, frozen=("*",)):
    model = nn.Sequential(*layers, nn.Linear(4, 1))
    model.freeze(*frozen)
    model[-1].unfreeze()
    return len(constant_layers(model.train())[0])


def test_what_is_constant():
    linear = nn.Linear(4, 4)
    assert constant(linear, nn.ReLU()) == 2
    assert constant(linear, nn.Dropout(0.5), linear) == 1
    assert constant(linear, nn.Dropout(0.0), linear) == 3
    assert constant(linear, nn.Dropout(0.5).eval()) == 1, "train() has set it to training mode"
    assert constant(linear, nn.BatchNorm1d(4)) == 2
    assert constant(linear, nn.BatchNorm1d(4), frozen=["0", "1.weight", "1.bias"]) == 1
    assert constant(nn.Linear(4, 4), nn.Linear(4, 4), frozen=["1"]) == 0
    assert constant(nn.GRU(4, 4, num_layers=2, dropout=0.1)) == 0
    assert constant(nn.TransformerEncoderLayer(4, 2, dropout=0.1)) == 0
    assert constant(nn.TransformerEncoderLayer(4, 2, dropout=0.0)) == 1
    hooked = nn.Linear(4, 4)
    handle = hooked.register_forward_hook(lambda *_: None)
    assert constant(hooked) == 0
    handle.remove()
    assert constant(hooked) == 1


def test_a_model_that_is_frozen_as_a_whole_keeps_its_last_layer():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).freeze()
    assert [len(part) for part in constant_layers(model)] == [1, 1]


class Noise(nn.Module):
    def forward(self, x):
        return x + nnlite.randn(*x.shape)


class OfMode(nn.Module):
    def forward(self, x):
        return x * (2.0 if self.training else 1.0)


class AcrossTheBatch(nn.Module):
    def forward(self, x):
        return x - x.mean(dim=0)


@pytest.mark.parametrize("kind", [Noise, OfMode, AcrossTheBatch])
def test_layers_of_ones_own_are_tried_out(kind):
    def make():
        nnlite.manual_seed(5)
        body = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), kind())
        return nn.Sequential(body, nn.Linear(8, 3)).freeze("0")

    with pytest.warns(RuntimeWarning, match="cache_frozen has no effect.*same for the same sample"):
        with_cache = train(make())
    assert with_cache.frozen_cache.layers == []
    without = train(make(), cache=False)
    assert with_cache.history["train_loss"] == without.history["train_loss"]


def test_nothing_frozen_is_said_once():
    with pytest.warns(RuntimeWarning, match="no layer at the front") as caught:
        train(network())
    assert len(caught) == 1


class Drawn(Dataset):
    def __len__(self):
        return 20

    def __getitem__(self, index):
        return nnlite.ones(1, 6, 6), index % 3


@pytest.mark.parametrize(
    "samples", [Drawn(), DataLoader(TensorDataset(*data()), 16, num_workers=1)]
)
def test_data_that_may_change_are_not_kept(samples):
    with pytest.warns(RuntimeWarning, match="the data must be arrays"):
        trainer = train(frozen_network(), samples, valid=None, epochs=1)
    assert len(trainer.history) == 1


def test_a_function_that_puts_batches_together_of_ones_own_gets_the_inputs():
    def doubled(batch):
        x, y = default_collate(batch)
        return x * 2, y

    def loader():
        return DataLoader(TensorDataset(*data()), 16, collate_fn=doubled)

    with pytest.warns(RuntimeWarning, match="cache_frozen has no effect.*collate_fn"):
        with_cache = train(frozen_network(), loader(), valid=None)
    without = train(frozen_network(), loader(), valid=None, cache=False)
    assert with_cache.history["train_loss"] == without.history["train_loss"]
    plain = DataLoader(TensorDataset(*data()), 16, collate_fn=default_collate)
    assert train(frozen_network(), plain, valid=None).frozen_cache.layers


def test_a_loss_that_is_not_finite_is_explained():
    model = frozen_network()
    x, y = data()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=1e38)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), cache_frozen=True, doctor=False)
    with (
        np.errstate(all="ignore"),
        pytest.raises(nnlite.train.NonFiniteLossError, match="epoch"),
    ):
        trainer.fit((x, y), epochs=3)
    assert trainer.loaders[0].dataset.tensors[0] is x


def test_data_that_are_not_finite():
    x, y = data()
    x[0] = np.nan
    x[-1] = np.nan
    with (
        pytest.warns(RuntimeWarning, match="nan or infinity"),
        pytest.raises(nnlite.train.NonFiniteLossError, match="inputs"),
    ):
        train(frozen_network(), (x, y), valid=None)
