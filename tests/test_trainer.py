"""The Trainer: its loop, validation, checks, callbacks, and how it ends."""

import gc
import signal
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.nn import functional as F
from nnlite.train import (
    EMA,
    Callback,
    CallbackError,
    Checkpoint,
    ClipGradNorm,
    EarlyStopping,
    NonFiniteLossError,
    ProgressBar,
    Trainer,
    metrics,
)
from nnlite.utils.data import DataLoader, Dataset, TensorDataset

DRAWN = np.random.default_rng(0)
X = DRAWN.standard_normal((60, 4), dtype=np.float32)
Y = (X[:, :1] + 0.5 * X[:, 1:2] > 0).astype(np.float32)
LABELS = Y[:, 0].astype(np.int64)


def tensors(part=slice(None)):
    return nnlite.tensor(X[part]), nnlite.tensor(Y[part])


def network(outputs=1):
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs))


def trainer_of(model=None, loss=None, lr=0.1, **options):
    model = network() if model is None else model
    optimizer = nnlite.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Trainer(model, optimizer, loss or nn.BCEWithLogitsLoss(), **options)


def values(model):
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def without_time(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


class At(Callback):
    """Do something after a given step of a given epoch."""

    def __init__(self, epoch, batch, action):
        self.place = (epoch, batch)
        self.action = action

    def on_step_end(self, trainer):
        if (trainer.epoch, trainer.batch) == self.place:
            self.action(trainer)


# ---- the loop -----------------------------------------------------------------------------------


def test_training_is_the_plain_loop():
    model = network()
    start = values(model)
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss_fn = nn.BCEWithLogitsLoss()
    loader = DataLoader(
        TensorDataset(*tensors()), 16, shuffle=True, generator=nnlite.Generator().manual_seed(3)
    )
    losses = []
    for _ in range(3):
        total = 0.0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(xb)
        losses.append(total / 60)
    expected = values(model)

    model.load_state_dict(start)
    loader.generator.manual_seed(3)
    trainer = trainer_of(model)
    history = trainer.fit(loader, epochs=3)
    assert same(values(model), expected)
    assert history["train_loss"] == losses
    assert history["epoch"] == [1, 2, 3]
    assert history["lr"] == [0.1] * 3
    assert all(seconds > 0 for seconds in history["seconds"])
    assert trainer.history is history


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_are_means_over_samples(reduction):
    """A last batch of 4 among batches of 14 must count 4/60."""
    trainer = trainer_of(loss=nn.BCEWithLogitsLoss(reduction=reduction), lr=0.0)
    history = trainer.fit(tensors(), tensors(), epochs=1, batch_size=14)
    x, y = tensors()
    expected = F.binary_cross_entropy_with_logits(trainer.predict(x), y).item()
    assert history["train_loss"] == pytest.approx([expected], rel=1e-6)
    assert history["valid_loss"] == pytest.approx([expected], rel=1e-6)
    assert trainer.evaluate((x, y), batch_size=7)["loss"] == pytest.approx(expected, rel=1e-6)


WEIGHTS = nnlite.tensor([0.5, 4.0, 0.0])
CLASSES = DRAWN.integers(0, 3, 60)
CLASSES[:9] = 1
CLASSES[52:] = -1


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(WEIGHTS, ignore_index=-1),
        nn.CrossEntropyLoss(ignore_index=-1, label_smoothing=0.1),
        nn.NLLLoss(WEIGHTS, ignore_index=-1),
        partial(F.cross_entropy, weight=WEIGHTS, ignore_index=-1),
        partial(F.nll_loss, ignore_index=-1),
    ],
)
def test_losses_of_classes_are_means_over_what_counts(loss):
    """Batches of 8: one counts more than others, and the last does not count at all."""
    x, y = nnlite.tensor(X), nnlite.tensor(CLASSES)
    model = network(3)
    if isinstance(loss, nn.NLLLoss) or getattr(loss, "func", None) is F.nll_loss:
        model.append(nn.LogSoftmax(1))
    trainer = trainer_of(model, loss=loss, lr=0.0)
    expected = pytest.approx(loss(trainer.predict(x), y).item(), rel=1e-5)
    assert trainer.evaluate((x, y), batch_size=50)["loss"] == expected
    with np.errstate(invalid="ignore"):  # the last batch is 0/0
        assert trainer.evaluate((x, y), batch_size=4)["loss"] == expected
    counted = (x[:52], y[:52])
    assert trainer.fit(counted, epochs=1, batch_size=8)["train_loss"] == [expected]
    with np.errstate(invalid="ignore"):
        assert np.isnan(trainer.evaluate((x[52:], y[52:]))["loss"])


def test_losses_of_classes_per_place_are_means_over_the_places_that_count():
    g = np.random.default_rng(1)
    x = nnlite.tensor(g.standard_normal((12, 3, 5), dtype=np.float32))
    y = g.integers(0, 3, (12, 5))
    y[:5, 1:] = 2
    y[7:, :4] = 0
    loss = nn.CrossEntropyLoss(ignore_index=2)
    trainer = trainer_of(nn.BatchNorm1d(3), loss=loss)  # gives the shape that it gets
    expected = loss(trainer.predict(x), nnlite.tensor(y)).item()
    assert trainer.evaluate((x, y), batch_size=5)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(WEIGHTS), nn.CrossEntropyLoss(WEIGHTS, reduction="sum")]
)
def test_losses_of_class_probabilities_are_means_over_samples(loss):
    x, y = nnlite.tensor(X), nnlite.tensor(np.abs(X[:, :3]))
    trainer = trainer_of(network(3), loss=loss)
    expected = F.cross_entropy(trainer.predict(x), y, WEIGHTS).item()
    assert trainer.evaluate((x, y), batch_size=50)["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_own_loss_of_classes_is_weighted_by_its_samples():
    class Focal(nn.CrossEntropyLoss):
        def forward(self, output, target):
            return F.cross_entropy(output, target, self.weight, reduction="none").mean()

    x, y = nnlite.tensor(X), nnlite.tensor(LABELS)
    trainer = trainer_of(network(3), loss=Focal(WEIGHTS))
    expected = trainer.loss(trainer.predict(x), y).item()
    assert trainer.evaluate((x, y), batch_size=50)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "first"),
    [(nn.CrossEntropyLoss(ignore_index=-1), -1), (nn.CrossEntropyLoss(WEIGHTS), 2)],
)
def test_a_batch_in_which_no_target_counts_is_named(loss, first):
    y = LABELS.copy()
    y[20:40] = first
    trainer = trainer_of(network(3), loss=loss)
    with pytest.raises(
        NonFiniteLossError, match=r"epoch 1, batch 2\. No target of this batch counts.*ignore_index"
    ) as caught:
        trainer.fit((X, y), epochs=1, batch_size=20, shuffle=False)
    assert "learning rate" not in str(caught.value)


def test_a_sum_given_by_functools_is_known():
    loss = partial(F.binary_cross_entropy_with_logits, reduction="sum")
    trainer = trainer_of(loss=loss, lr=0.0)
    history = trainer.fit(tensors(), epochs=1)
    assert history["train_loss"][0] == pytest.approx(trainer.evaluate(tensors())["loss"])
    assert trainer.predict_proba(X[:3]).shape == (3, 1)
    assert history["train_loss"][0] < 2


def test_training_goes_on_where_the_model_is_but_counts_anew():
    trainer = trainer_of()
    first = trainer.fit(tensors(), epochs=5)
    second = trainer.fit(tensors(), epochs=2)
    assert second["train_loss"][0] < first["train_loss"][0]
    assert second["epoch"] == [1, 2]
    assert trainer.step == 4
    assert len(first) == 5


@pytest.mark.parametrize("epochs", [-1, 2.5, True, "3"])
def test_epochs_are_a_whole_number(epochs):
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        trainer_of().fit(tensors(), epochs=epochs)


def test_no_epochs_train_nothing():
    trainer = trainer_of()
    before = values(trainer.model)
    assert len(trainer.fit(tensors(), epochs=0)) == 0
    assert same(values(trainer.model), before)


def test_it_learns():
    trainer = trainer_of(metrics=["accuracy", "roc_auc"])
    history = trainer.fit(tensors(slice(0, 45)), tensors(slice(45, 60)), epochs=40)
    assert history[-1]["valid_accuracy"] >= 0.9
    assert history["train_loss"][-1] < 0.1


# ---- data ---------------------------------------------------------------------------------------


class OwnLoader:
    def __len__(self):
        return 4

    def __iter__(self):
        x, y = tensors()
        return ((x[i : i + 15], y[i : i + 15]) for i in range(0, 60, 15))


class Samples(Dataset):
    def __len__(self):
        return 60

    def __getitem__(self, index):
        return X[index], Y[index]


@pytest.mark.parametrize(
    "data",
    [
        tensors(),
        (X, Y),
        (X.astype(np.float64), Y.astype(np.float64)),
        (X.tolist(), Y.tolist()),
        (X, Y.astype(bool)),
        (X, Y.astype(int)),
        TensorDataset(*tensors()),
        Samples(),
        list(zip(X, Y)),
        DataLoader(TensorDataset(*tensors()), batch_size=15),
        OwnLoader(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_data_of_every_kind_train_alike(data):
    nnlite.manual_seed(1)
    model = network()
    expected = trainer_of(model)
    expected.fit(tensors(), epochs=2, batch_size=15, shuffle=False)
    expected = values(model)
    nnlite.manual_seed(1)
    model = network()
    trainer = trainer_of(model)
    history = trainer.fit(data, data, epochs=2, batch_size=15, shuffle=False)
    assert same(values(model), expected)
    assert history[-1]["valid_loss"] == pytest.approx(trainer.evaluate(data)["loss"], rel=1e-6)
    assert all(p.dtype == np.float32 for p in model.parameters())


def test_a_built_in_data_set_can_be_given_as_it_is():
    bundle = nnlite.datasets.moons(50)
    model = nn.Linear(2, 2)
    history = trainer_of(model, nn.CrossEntropyLoss(), metrics="accuracy").fit(
        bundle, bundle, epochs=20
    )
    assert history[-1]["valid_accuracy"] > 0.7


def test_arrays_take_the_dtype_of_the_model():
    model = network().double()
    trainer = trainer_of(model)
    trainer.fit((X, Y), epochs=1)
    assert trainer.predict(X).dtype == np.float64


def test_several_inputs():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, x, z):
            return self.a(x) + self.b(z)

    trainer = trainer_of(Sum())
    history = trainer.fit((X, -X, Y), (X, -X, Y), epochs=3)
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert trainer.predict((X, -X)).shape == (60, 1)


def test_shuffling_takes_another_order_each_time_from_the_default_generator():
    seen = []

    class Watch(nn.Linear):
        def forward(self, x):
            seen.append(x.numpy()[:, 0].tolist())
            return super().forward(x)

    for _ in range(2):
        nnlite.manual_seed(4)
        trainer_of(Watch(4, 1)).fit((X, Y), epochs=2, batch_size=60)
    assert seen[0] != seen[1]
    assert seen[:2] == seen[2:]
    trainer_of(Watch(4, 1)).fit((X, Y), epochs=1, batch_size=60, shuffle=False)
    assert seen[-1] == X[:, 0].tolist()


def test_a_loader_that_can_be_gone_through_only_once():
    class Once(OwnLoader):
        def __init__(self):
            self.batches = super().__iter__()

        def __iter__(self):
            return self.batches

    with pytest.raises(ValueError, match="no samples in this pass; its __iter__ must start anew"):
        trainer_of().fit(Once(), epochs=2)


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (X, TypeError, "fit: train cannot be ndarray; give a DataLoader, a Dataset, or a tuple"),
        (3, TypeError, "cannot be int"),
        ("data.csv", TypeError, "cannot be str"),
        ([X, Y], TypeError, "a list of this kind"),
        (iter([(X, Y)]), TypeError, "iterator"),
        ((X,), ValueError, "has 1 parts, inputs and target are two"),
        ((X, Y[:50]), ValueError, "train: the tensors must have the same first size.*60 and 50"),
        ((X[:0], Y[:0]), ValueError, "fit: train has no samples"),
        ((np.array([["a"]]), Y[:1]), TypeError, "part 0, must hold numbers, got ndarray of <U1"),
        (([[1.0], [1.0, 2.0]], Y[:2]), TypeError, "no array of numbers"),
        (TensorDataset(nnlite.zeros(0, 4), nnlite.zeros(0, 1)), ValueError, "no samples"),
        (TensorDataset(nnlite.zeros(3, 4)), TypeError, r"must be inputs and target.*list of 1"),
        (DataLoader(nnlite.zeros(3, 4)), TypeError, "must be inputs and target.*Tensor"),
        (
            DataLoader(TensorDataset(*tensors()), batch_size=64, drop_last=True),
            ValueError,
            "60 samples, fewer than one batch of 64",
        ),
    ],
)
def test_data_that_cannot_be_trained_on(data, error, text):
    trainer = trainer_of()
    before = values(trainer.model)
    with pytest.raises(error, match=text):
        trainer.fit(data, epochs=1)
    assert same(values(trainer.model), before)


# ---- validation ---------------------------------------------------------------------------------


class Probe(nn.Module):
    """Notes in which mode it runs."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, nnlite.is_grad_enabled()))
        return x


def test_validation_is_in_eval_mode_without_gradients_and_restores_the_modes():
    probe, held = Probe(), Probe()
    model = nn.Sequential(probe, held, network())
    held.eval()
    trainer = trainer_of(model)
    trainer.fit(tensors(), tensors(), epochs=2, batch_size=60)
    # One batch is tried before the first epoch, in the mode of validation.
    assert probe.seen == [
        (False, False),
        (True, True),
        (False, False),
        (True, True),
        (False, False),
    ]
    assert [training for training, _ in held.seen] == [False] * 5
    assert (model.training, probe.training, held.training) == (True, True, False)
    assert nnlite.is_grad_enabled()


def test_a_model_in_eval_mode_is_trained_in_training_mode_and_left_as_it_was():
    probe = Probe()
    model = nn.Sequential(probe, network()).eval()
    trainer_of(model).fit(tensors(), epochs=1, batch_size=60)
    assert probe.seen == [(True, True)]
    assert not model.training


@pytest.mark.parametrize("use", ["predict", "evaluate"])
def test_using_the_model_restores_the_modes(use):
    model = nn.Sequential(nn.Dropout(0.5), network())
    trainer = trainer_of(model)
    model[1].eval()
    first = trainer.predict(X) if use == "predict" else trainer.evaluate(tensors())
    again = trainer.predict(X) if use == "predict" else trainer.evaluate(tensors())
    assert str(first) == str(again)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_modes_are_restored_after_an_error():
    model = network()
    trainer = trainer_of(model)
    with pytest.raises((ValueError, RuntimeError)):
        trainer.predict(X[:, :3])
    assert model.training
    assert nnlite.is_grad_enabled()


def test_validation_does_not_change_the_training():
    trained = []
    for valid in (None, tensors(slice(0, 20))):
        nnlite.manual_seed(6)
        model = nn.Sequential(nn.Dropout(0.3), network(), nn.BatchNorm1d(1))
        trainer_of(model).fit(tensors(), valid, epochs=3)
        trained.append(values(model))
    assert same(*trained)


def test_metrics_are_of_the_whole_validation_set():
    """ROC AUC is no mean over batches."""
    trainer = trainer_of(metrics={"auc": "roc_auc", "f1": metrics.f1})
    valid = DataLoader(TensorDataset(*tensors()), batch_size=7)
    history = trainer.fit(tensors(), valid, epochs=1)
    logits = trainer.predict(X)
    assert history[-1]["valid_auc"] == metrics.roc_auc(logits, Y)
    assert history[-1]["valid_f1"] == metrics.f1(logits, Y)
    assert trainer.evaluate(valid)["auc"] == metrics.roc_auc(logits, Y)


def test_one_class_only_gives_nan():
    trainer = trainer_of(metrics=["roc_auc", "accuracy"])
    ones = (X, np.ones_like(Y))
    history = trainer.fit(tensors(), ones, epochs=1)
    assert np.isnan(history[-1]["valid_roc_auc"])
    assert 0 <= history[-1]["valid_accuracy"] <= 1


def test_metrics_of_probabilities_are_those_of_their_logits():
    model = nn.Sequential(network(), nn.Sigmoid())
    trainer = trainer_of(model, nn.BCELoss(), metrics=["accuracy", "log_loss", "brier"])
    found = trainer.evaluate(tensors())
    scores = trainer_of(model[0], metrics=["accuracy", "log_loss", "brier"]).evaluate(tensors())
    assert found == pytest.approx(scores, rel=1e-5)
    trainer.fit(tensors(), tensors(), epochs=30)
    assert trainer.evaluate(tensors())["accuracy"] > 0.9


def test_without_validation_there_are_no_validation_figures():
    history = trainer_of(metrics=["accuracy"]).fit(tensors(), epochs=1)
    assert history.columns == ["epoch", "train_loss", "lr", "seconds"]


# ---- prediction ---------------------------------------------------------------------------------


def test_predictions_are_the_outputs_in_order():
    trainer = trainer_of()
    x, _ = tensors()
    with nnlite.no_grad():
        expected = trainer.model(x).numpy()
    for given in (x, X, X.tolist(), X.astype(np.float64)):
        assert np.allclose(trainer.predict(given, batch_size=7).numpy(), expected, atol=1e-6)
    assert not trainer.predict(x).requires_grad
    assert trainer.predict(X[:0]).shape == (0, 1)


def test_predictions_do_not_change_what_they_are_given():
    model = nn.Sequential(nn.ReLU(inplace=True), network())
    x, _ = tensors()
    trainer_of(model).predict(x)
    assert x.numpy().tobytes() == X.tobytes()


def test_probabilities():
    x, _ = tensors()
    trainer = trainer_of()
    assert nnlite.allclose(trainer.predict_proba(x), nnlite.sigmoid(trainer.predict(x)))
    several = trainer_of(network(3), nn.CrossEntropyLoss())
    p = several.predict_proba(x)
    assert p.shape == (60, 3)
    assert nnlite.allclose(p.sum(dim=1), nnlite.ones(60))
    logs = trainer_of(nn.Sequential(several.model, nn.LogSoftmax(1)), nn.NLLLoss())
    assert nnlite.allclose(logs.predict_proba(x), p)
    ready = trainer_of(nn.Sequential(network(), nn.Sigmoid()), F.binary_cross_entropy)
    assert nnlite.equal(ready.predict_proba(x), ready.predict(x))
    with pytest.raises(ValueError, match="MSELoss makes no probabilities"):
        trainer_of(loss=nn.MSELoss()).predict_proba(x)


def test_a_model_that_returns_a_tuple_cannot_predict():
    class Two(nn.Module):
        def forward(self, x):
            return x, x

    optimizer = nnlite.optim.SGD(network().parameters(), lr=0.1)
    with pytest.raises(TypeError, match="one Tensor, it returned a tuple"):
        Trainer(Two(), optimizer, nn.MSELoss()).predict(X)


# ---- checks before training ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((lambda x: x, None, None), "is no model"),
        ((nn.Linear(1, 1), [1], None), "is no optimizer"),
        ((nn.Linear(1, 1), None, 3), "is no optimizer"),
    ],
)
def test_parts_that_are_none(arguments, text):
    with pytest.raises(TypeError, match=text):
        Trainer(*arguments)


def test_what_is_no_callback_or_metric_is_refused():
    with pytest.raises(TypeError, match="is no Callback: subclass it"):
        trainer_of(callbacks=[print])
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        trainer_of(metrics=["acuracy"])


def test_nothing_to_train():
    model = network()
    trainer = trainer_of(model)
    model.freeze()
    with pytest.raises(ValueError, match=r"all 4 parameters .* frozen.*model.unfreeze\('2'\)"):
        trainer.fit(tensors(), epochs=1)
    optimizer = trainer.optimizer
    with pytest.raises(ValueError, match="no parameters, there is nothing to train"):
        Trainer(nn.ReLU(), optimizer, nn.MSELoss()).fit(tensors(), epochs=1)


def test_an_optimizer_of_other_parameters():
    model = network()
    optimizer = nnlite.optim.SGD(network().parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss())
    with pytest.raises(ValueError, match="SGD holds no parameter of this model"):
        trainer.fit(tensors(), epochs=1)
    body = nnlite.optim.SGD(model[0].parameters(), lr=0.1)
    model.freeze("0")
    trainer = Trainer(model, body, nn.BCEWithLogitsLoss())
    with pytest.raises(ValueError, match=r"all parameters that SGD holds are frozen.*2.weight"):
        trainer.fit(tensors(), epochs=1)


def bad_targets(value, place=-1):
    y = Y.copy()
    y[place] = value
    return y


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (2 * Y - 1, r"\[0, 1\].*from -1 to 1.*\(y \+ 1\) / 2"),
        (Y + 1, "from 1 to 2.*y - 1"),
        (bad_targets(np.nan), "nan"),
        (bad_targets(-0.1), "from -0.1"),
        (bad_targets(np.inf), "inf"),
    ],
)
@pytest.mark.parametrize("role", ["train", "valid"])
def test_targets_are_checked_over_the_whole_data_before_training(target, text, role):
    trainer = trainer_of()
    before = values(trainer.model)
    good, bad = (X, Y), (X, target)
    with pytest.raises(ValueError, match=f"fit: {role}.*{text}"):
        trainer.fit(bad if role == "train" else good, good if role == "train" else bad, epochs=1)
    assert same(values(trainer.model), before)
    with pytest.raises(ValueError, match="evaluate: data"):
        trainer.evaluate(bad)


def test_targets_of_a_subset_are_those_of_its_samples():
    data = TensorDataset(nnlite.tensor(X), nnlite.tensor(bad_targets(5.0, place=0)))
    good = nnlite.utils.data.Subset(data, range(1, 60))
    trainer_of().fit(good, epochs=1)
    with pytest.raises(ValueError, match="from 0 to 5"):
        trainer_of().fit(nnlite.utils.data.Subset(data, range(59)), epochs=1)


def test_targets_of_any_dataset_are_checked_as_they_come():
    class Wrong(Samples):
        def __getitem__(self, index):
            return X[index], np.float32([-1]) if index == 40 else Y[index]

    seen = []
    trainer = trainer_of(callbacks=[At(1, 1, lambda t: seen.append(t.batch))])
    with pytest.raises(ValueError, match="found values from -1"):
        trainer.fit(Wrong(), epochs=2, shuffle=False, batch_size=20)
    assert seen == [1]


def test_other_losses_take_any_target():
    trainer_of(loss=nn.MSELoss()).fit((X, 5 * Y - 2), epochs=1)


def test_shapes_that_do_not_fit_end_before_the_first_step():
    trainer = trainer_of()
    before = values(trainer.model)
    with pytest.raises(ValueError, match=r"\[32, 1\], target \[32\].*unsqueeze\(-1\)"):
        trainer.fit((X, Y[:, 0]), epochs=1)
    with pytest.raises(ValueError, match=r"fit: valid, first batch: .*unsqueeze\(-1\)"):
        trainer.fit((X, Y), (X, Y[:, 0]), epochs=1)
    assert same(values(trainer.model), before)


def test_trying_validation_draws_no_random_numbers():
    shuffled = DataLoader(TensorDataset(*tensors()), 20, shuffle=True)
    nnlite.manual_seed(2)
    first = nnlite.rand(1).item()
    nnlite.manual_seed(2)
    trainer_of().fit(tensors(), shuffled, epochs=0)
    nnlite.manual_seed(2)
    trainer = trainer_of()
    nnlite.manual_seed(2)
    trainer.fit(tensors(), shuffled, epochs=0)
    assert nnlite.rand(1).item() == first


# ---- losses that are no numbers -----------------------------------------------------------------


def test_a_loss_that_is_no_number_goes_back_and_names_the_place():
    x = X.copy()
    trainer = trainer_of()

    def spoil(trainer):
        x[:] = np.nan

    trainer.callbacks.append(At(2, 2, spoil))
    data = TensorDataset(nnlite.from_numpy(x), nnlite.tensor(Y))
    with pytest.raises(
        NonFiniteLossError, match=r"loss is nan in epoch 2, batch 3\. The inputs .* clean the data"
    ):
        trainer.fit(DataLoader(data, batch_size=20), epochs=3)
    after = values(trainer.model)
    assert len(trainer.history) == 1
    assert not trainer.interrupted

    nnlite.manual_seed(0)
    again = trainer_of()
    again.fit(DataLoader(TensorDataset(*tensors()), batch_size=20), epochs=1)
    assert same(values(again.model), after)


def test_too_high_a_rate_is_named_as_the_cause():
    trainer = trainer_of(loss=nn.MSELoss(), lr=1e30)
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            NonFiniteLossError,
            match=r"epoch 1, batch 2\. .*lower the learning rate \(lr=1e\+30\), .*ClipGradNorm",
        ),
    ):
        trainer.fit(tensors(), epochs=5)
    assert all(np.isfinite(array).all() for array in values(trainer.model).values())


def test_an_infinite_target_is_named():
    trainer = trainer_of(loss=nn.MSELoss())
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, batch 2\. The targets"):
        trainer.fit((X, bad_targets(np.inf)), epochs=1, shuffle=False)


def test_an_overflow_in_the_loss_is_named():
    trainer = trainer_of(loss=lambda output, target: (output * 1e30).square().sum())
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            NonFiniteLossError, match=r"epoch 1, batch 1\. It overflowed before the first step"
        ),
    ):
        trainer.fit(tensors(), epochs=1)


def test_the_best_weights_survive_a_loss_that_is_no_number():
    stopping = EarlyStopping("train_loss")
    best = []

    def spoil(trainer):
        best.append(trainer.copy_weights())
        for p in trainer.model.parameters():
            p.data.fill_(np.nan)

    trainer = trainer_of(callbacks=[stopping])
    trainer.callbacks.append(At(4, 1, spoil))
    with pytest.raises(NonFiniteLossError):
        trainer.fit(tensors(), epochs=9)
    assert stopping.best_epoch == 3
    assert len(trainer.history) == 3
    assert all(np.isfinite(array).all() for array in values(trainer.model).values())


# ---- callbacks ----------------------------------------------------------------------------------


def test_hooks_are_called_in_order():
    calls = []

    class Log(Callback):
        def __init__(self, name):
            self.name = name

        def on_fit_start(self, trainer):
            calls.append(f"{self.name} fit start")

        def on_epoch_start(self, trainer):
            calls.append(f"{self.name} epoch {trainer.epoch} start {len(trainer.history)}")

        def on_backward_end(self, trainer):
            assert all(p.grad is not None for p in trainer.model.parameters())
            calls.append(f"{self.name} backward {trainer.batch}/{trainer.batches}")

        def on_step_end(self, trainer):
            assert trainer.batch_loss > 0
            calls.append(f"{self.name} step {trainer.step}")

        def on_epoch_end(self, trainer):
            calls.append(f"{self.name} epoch end {len(trainer.history)}")

        def on_checkpoint(self, trainer):
            calls.append(f"{self.name} checkpoint {trainer.epoch}")

        def on_fit_end(self, trainer):
            calls.append(f"{self.name} fit end")

    trainer_of(callbacks=[Log("a"), Log("b")]).fit(tensors(), epochs=2, batch_size=30)
    expected = ["fit start", "checkpoint 0"]
    for epoch in (1, 2):
        expected.append(f"epoch {epoch} start {epoch - 1}")
        for batch in (1, 2):
            expected += [f"backward {batch}/2", f"step {batch + 2 * (epoch - 1)}"]
        expected += [f"epoch end {epoch}", f"checkpoint {epoch}"]
    expected.append("fit end")
    assert calls == [f"{name} {call}" for call in expected for name in "ab"]


def test_only_overridden_hooks_are_bound():
    class Quiet(Callback):
        def on_epoch_end(self, trainer):
            pass

    trainer = trainer_of(callbacks=[Quiet(), Callback()], doctor=False)
    trainer.fit(tensors(), epochs=1)
    bound = {hook: len(methods) for hook, methods in trainer._hooks.items() if methods}
    assert bound == {"on_epoch_end": 1}


def test_a_misspelt_hook_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"Wrong.on_batch_begin is no hook"):
        type("Wrong", (Callback,), {"on_batch_begin": lambda self, trainer: None})


def test_a_callback_may_stop_the_training_and_add_columns():
    class Stop(Callback):
        def on_epoch_end(self, trainer):
            trainer.history[-1]["square"] = trainer.epoch**2
            trainer.stop = trainer.epoch == 3

    trainer = trainer_of(callbacks=[Stop()])
    assert trainer.fit(tensors(), epochs=10)["square"] == [1, 4, 9]
    assert len(trainer.fit(tensors(), epochs=2)) == 2


@pytest.mark.parametrize("hook", ["on_fit_start", "on_step_end", "on_epoch_end", "on_fit_end"])
def test_an_error_in_a_callback_names_it(hook):
    def fail(self, trainer):
        raise KeyError("lost")

    broken = type("Broken", (Callback,), {hook: fail})
    trainer = trainer_of(callbacks=[broken()])
    with pytest.raises(CallbackError, match=f"Broken.{hook} failed with KeyError: 'lost'") as error:
        trainer.fit(tensors(), epochs=1)
    assert isinstance(error.value.__cause__, KeyError)
    assert trainer.model.training


def test_fit_end_is_called_after_an_error():
    ended = []

    class End(Callback):
        def on_fit_end(self, trainer):
            ended.append(trainer.epoch)

    def fail(trainer):
        raise ValueError("no")

    with pytest.raises(CallbackError):
        trainer_of(callbacks=[End(), At(2, 1, fail)]).fit(tensors(), epochs=3)
    assert ended == [2]


def test_at_the_end_all_callbacks_are_called_whatever_the_others_raise():
    from nnlite.autograd import node

    ended = []

    class Fails(Callback):
        def on_validation_end(self, trainer):
            raise KeyError("first")

        def on_fit_end(self, trainer):
            ended.append(self)
            raise KeyError("last")

    ema = EMA(0.5, evaluate=True)
    trainer = trainer_of(callbacks=[Fails(), ema, Fails()])
    with pytest.raises(CallbackError, match=r"^Fails.on_fit_end failed with") as got:
        trainer.fit(tensors(), tensors(), epochs=1)
    assert ended == [trainer.callbacks[0], trainer.callbacks[2]]
    chain = []
    error = got.value
    while error is not None:
        chain.append(str(error))
        error = error.__context__
    assert sum("on_validation_end" in text for text in chain) == 2
    assert not ema._own  # the model has its own weights again
    assert node.lookers == []  # and no doctor


def test_a_doctor_that_is_forgotten_stops_looking():
    from nnlite.autograd import node
    from nnlite.train import Doctor

    trainer = trainer_of()
    doctor = Doctor()
    doctor.on_fit_start(trainer)
    assert len(node.lookers) == 1
    del doctor
    gc.collect()
    _ = trainer.model(nnlite.tensor(X))
    assert node.lookers == []


def test_clipping_limits_the_norm_of_what_trains():
    norms = []

    class Norm(Callback):
        def on_step_end(self, trainer):
            grads = [p.grad.numpy() for p in trainer.model.parameters() if p.grad is not None]
            norms.append(np.sqrt(sum((g**2).sum() for g in grads)))

    trainer_of(callbacks=[ClipGradNorm(0.05), Norm()]).fit(tensors(), epochs=1)
    assert norms == pytest.approx([0.05] * len(norms), rel=1e-3)
    with pytest.raises(ValueError, match="max_norm must be positive, got 0"):
        ClipGradNorm(0)


# ---- early stopping -----------------------------------------------------------------------------


class Scripted(Callback):
    """Puts given figures into the history, and marks the weights with the epoch."""

    def __init__(self, figures, column="valid_loss"):
        self.figures = figures
        self.column = column

    def on_epoch_end(self, trainer):
        trainer.history[-1][self.column] = self.figures[trainer.epoch - 1]
        with nnlite.no_grad():
            trainer.model[2].bias.fill_(trainer.epoch)


def stopped(figures, column="valid_loss", **options):
    stopping = EarlyStopping(column, **options)
    trainer = trainer_of(callbacks=[Scripted(figures, column), stopping])
    history = trainer.fit(tensors(), tensors(), epochs=len(figures))
    return len(history), stopping.best_epoch, trainer.model[2].bias.item()


@pytest.mark.parametrize(
    ("figures", "options", "expected"),
    [
        ([5, 4, 3, 2, 1], {"patience": 1}, (5, 5, 5)),
        ([5, 4, 6, 7, 1], {"patience": 2}, (4, 2, 2)),
        ([5, 4, 6, 3, 7, 8], {"patience": 2}, (6, 4, 4)),
        ([5, 4, 4, 4], {"patience": 2}, (4, 2, 2)),
        ([5, 4.5, 4.2, 3.9, 3.8], {"patience": 3, "min_delta": 1}, (5, 4, 4)),
        ([5, 4.5, 4.2, 4.1], {"patience": 2, "min_delta": 1}, (3, 1, 1)),
        ([float("nan"), 4, float("nan"), 3], {"patience": 2}, (4, 4, 4)),
        ([float("nan")] * 5, {"patience": 3}, (3, None, 3)),
        ([5, 4, 6, 7, 1], {"patience": 2, "restore_best": False}, (4, 2, 4)),
        ([5, 6, 4, 3], {"patience": 2, "column": "valid_accuracy"}, (4, 2, 2)),
        ([5, 6, 4, 3], {"patience": 2, "column": "mine", "mode": "max"}, (4, 2, 2)),
    ],
)
def test_early_stopping(figures, options, expected):
    assert stopped(figures, **options) == expected


def test_the_best_weights_are_restored_when_the_epochs_run_out():
    assert stopped([3, 1, 2], patience=10) == (3, 2, 2)


def test_early_stopping_forgets_an_earlier_run():
    stopping = EarlyStopping(patience=1)
    figures = Scripted([1, 2, 3])
    trainer = trainer_of(callbacks=[figures, stopping])
    trainer.fit(tensors(), tensors(), epochs=3)
    assert stopping.best == 1
    figures.figures = [7, 6, 5]
    assert len(trainer.fit(tensors(), tensors(), epochs=3)) == 3
    assert stopping.best == 5


def test_weights_unfrozen_later_are_restored_too():
    class Thaw(Callback):
        def on_epoch_start(self, trainer):
            if trainer.epoch == 3:
                trainer.model.unfreeze()

    model = network()
    model.freeze("0")
    before = values(model)
    figures = Scripted([3, 2, 4, 5])
    stopping = EarlyStopping(patience=5)
    trainer = trainer_of(model, callbacks=[Thaw(), figures, stopping])
    trainer.fit(tensors(), tensors(), epochs=4)
    assert stopping.best_epoch == 2
    assert values(model)["0.weight"].tobytes() == before["0.weight"].tobytes()


class FreezeBody(Callback):
    """Freezes the first two modules after epoch 3, and remembers their bytes."""

    def on_epoch_end(self, trainer):
        if trainer.epoch == 3:
            trainer.model.freeze("0", "1")
            self.held = values(trainer.model)


def test_best_weights_leave_what_was_frozen_since_as_it_is():
    shared = nn.Linear(4, 4)  # its weights have a second name
    model = nn.Sequential(shared, nn.BatchNorm1d(4), nn.Linear(4, 4), shared, nn.Linear(4, 1))
    freezing = FreezeBody()
    stopping = EarlyStopping(patience=5)
    trainer = trainer_of(model, callbacks=[Scripted([1, 2, 3, 4]), stopping, freezing])
    trainer.fit(tensors(), tensors(), epochs=4)
    assert stopping.best_epoch == 1
    after = values(model)
    assert after["2.bias"].tolist() == [1.0] * 4
    frozen = [name for name in after if name[0] in "013"]
    assert len(frozen) == 9
    assert same({name: after[name] for name in frozen}, {n: freezing.held[n] for n in frozen})


def test_early_stopping_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match="patience must be 1 or more"):
        EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="min_delta"):
        EarlyStopping(min_delta=-1)
    with pytest.raises(ValueError, match="min_delta"):
        EarlyStopping(min_delta=float("nan"))
    with pytest.raises(ValueError, match="mode must be"):
        EarlyStopping(mode="least")
    with pytest.raises(ValueError, match="not known whether a higher 'mine'"):
        EarlyStopping("mine")
    trainer = trainer_of(callbacks=[EarlyStopping()])
    with pytest.raises(CallbackError, match=r"without validation data; give fit valid="):
        trainer.fit(tensors(), epochs=1)
    trainer = trainer_of(callbacks=[EarlyStopping("valid_accuracy")])
    with pytest.raises(CallbackError, match=r"no column 'valid_accuracy'.*it has epoch, tr"):
        trainer.fit(tensors(), tensors(), epochs=1)


# ---- Ctrl-C -------------------------------------------------------------------------------------


def press(trainer):
    signal.raise_signal(signal.SIGINT)


def press_twice(trainer):
    press(trainer)
    press(trainer)


def interrupt(trainer):
    raise KeyboardInterrupt


def everything(trainer):
    """The state without what depends on the clock and on the callbacks that interrupt."""
    tree = trainer.state_dict()
    del tree["history"], tree["callbacks"], tree["run"], tree["random"]["global"]
    return str(tree)


@pytest.mark.parametrize("action", [press, press_twice, interrupt])
@pytest.mark.parametrize("place", [(1, 1), (3, 1), (3, 4), (4, 2)])
def test_ctrl_c_goes_back_to_the_last_finished_epoch(action, place):
    def run(epochs, *callbacks):
        nnlite.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
        trainer = trainer_of(model, callbacks=callbacks)
        loader = DataLoader(
            TensorDataset(*tensors()), 15, shuffle=True, generator=nnlite.Generator()
        )
        return trainer, trainer.fit(loader, tensors(), epochs=epochs)

    finished, expected = run(place[0] - 1)
    trainer, history = run(6, At(*place, action))
    assert trainer.interrupted
    assert not finished.interrupted
    assert without_time(history) == without_time(expected)
    assert history is trainer.history
    assert everything(trainer) == everything(finished)
    assert same(values(trainer.model), values(finished.model))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert trainer.model.training
    assert all(p.grad is None for p in trainer.model.parameters())


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_checkpoint"])
def test_ctrl_c_at_the_end_of_an_epoch_keeps_history_and_weights_together(hook):
    def stop(self, trainer):
        if trainer.epoch == 2:
            press_twice(trainer)

    trainer = trainer_of(callbacks=[type("Late", (Callback,), {hook: stop})()])
    start = values(trainer.model)
    history = trainer.fit(tensors(), epochs=4)
    assert len(history) == (1 if hook == "on_epoch_end" else 2)
    after = values(trainer.model)
    trainer = trainer_of()
    trainer.model.load_state_dict(start)
    nnlite.manual_seed(0)
    trainer_of()
    trainer.fit(tensors(), epochs=len(history))
    assert same(values(trainer.model), after)


@pytest.mark.parametrize("epoch", [2, 3])
def test_ctrl_c_brings_back_what_was_frozen(epoch):
    class Thaw(Callback):
        def on_epoch_start(self, trainer):
            if trainer.epoch == 2:
                trainer.model.unfreeze()

    model = network()
    model.freeze("0")
    before = values(model)
    trainer = trainer_of(model, callbacks=[Thaw(), At(epoch, 2, press_twice)])
    trainer.fit(tensors(), epochs=5)
    assert model.frozen == (["0.weight", "0.bias"] if epoch == 2 else [])
    assert (values(model)["0.bias"].tobytes() == before["0.bias"].tobytes()) is (epoch == 2)


def test_ctrl_c_keeps_what_a_loss_froze_before():
    """Without any callback: functions that the loop calls may freeze, too."""
    calls = []

    def loss(output, target):
        calls.append(len(target))
        if len(calls) == 3:
            model.freeze("0")
        if len(calls) == 7:
            signal.raise_signal(signal.SIGINT)
        return F.binary_cross_entropy_with_logits(output, target)

    model = network()
    trainer = trainer_of(model, loss=loss)
    trainer.fit(tensors(), epochs=5, batch_size=20)
    assert trainer.interrupted
    assert len(trainer.history) == 2
    assert model.frozen == ["0.weight", "0.bias"]


def test_a_run_that_was_interrupted_can_be_taken_up():
    def make(*callbacks):
        nnlite.manual_seed(0)
        return trainer_of(callbacks=callbacks)

    expected = make(At(9, 9, press))
    expected.fit(tensors(), epochs=5)
    trainer = make(At(3, 2, press))
    trainer.fit(tensors(), epochs=5)
    trainer.callbacks[0].place = None
    history = trainer.fit(tensors(), epochs=5, resume=trainer.state_dict())
    assert not trainer.interrupted
    assert without_time(history) == without_time(expected.history)
    assert same(values(trainer.model), values(expected.model))


def test_ctrl_c_between_the_batches_waits_for_the_epoch_end():
    class Late(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 2:
                press(trainer)

    trainer = trainer_of(callbacks=[Late()])
    assert len(trainer.fit(tensors(), epochs=4)) == 2
    assert trainer.interrupted
    # At the very end there is nothing left to stop, but it is not forgotten either.
    assert len(trainer.fit(tensors(), epochs=2)) == 2
    assert trainer.interrupted
    assert len(trainer.fit(tensors(), epochs=1)) == 1
    assert not trainer.interrupted


def test_ctrl_c_during_validation():
    pressed = []

    class Press(nn.Module):
        def forward(self, x):
            if not self.training and len(pressed) < 3:
                pressed.append(len(pressed))
                if len(pressed) == 3:
                    press(None)
            return x

    trainer = trainer_of(nn.Sequential(Press(), network()))
    valid = DataLoader(TensorDataset(*tensors()), batch_size=20)
    history = trainer.fit(tensors(), valid, epochs=3)
    assert trainer.interrupted
    assert len(history) == 0
    assert trainer.evaluate(tensors())["loss"] > 0


def test_the_model_can_be_measured_at_the_end_of_an_interrupted_run():
    class Measure(Callback):
        def on_fit_end(self, trainer):
            self.figures = trainer.evaluate(tensors())

    measure = Measure()
    trainer_of(callbacks=[measure, At(1, 1, press)]).fit(tensors(), epochs=1)
    assert measure.figures["loss"] > 0


def test_ctrl_c_before_there_is_a_start_is_raised():
    class Early(Callback):
        def on_fit_start(self, trainer):
            press_twice(trainer)

    with pytest.raises(KeyboardInterrupt):
        trainer_of(callbacks=[Early()]).fit(tensors(), epochs=1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_own_is_left_alone():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        trainer = trainer_of(callbacks=[At(1, 1, press)])
        assert len(trainer.fit(tensors(), epochs=2)) == 2
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [1]
    assert not trainer.interrupted


def test_training_in_a_thread():
    done = []
    thread = threading.Thread(target=lambda: done.append(trainer_of().fit(tensors(), epochs=1)))
    thread.start()
    thread.join()
    assert len(done[0]) == 1


# ---- the progress bar ---------------------------------------------------------------------------


def test_the_bar_shows_epochs_batches_and_figures(capsys):
    trainer = trainer_of(metrics=["accuracy"], progress=True)
    trainer.fit(tensors(), tensors(), epochs=3)
    shown = capsys.readouterr().err
    assert "epoch 3/3: 100%" in shown
    assert "6/6" in shown
    last = trainer.history[-1]
    assert f"train_loss {last['train_loss']:.4g}, valid_loss {last['valid_loss']:.4g}" in shown
    assert f"valid_accuracy {last['valid_accuracy']:.4g}" in shown
    assert trainer.callbacks == []


def test_the_bar_is_closed_after_an_error(capsys):
    trainer = trainer_of(progress=True, callbacks=[At(2, 1, interrupt)])
    trainer.fit(tensors(), epochs=3)
    assert capsys.readouterr().err.endswith("\n")
    bar = ProgressBar()
    bar.on_fit_end(trainer)  # never opened


def test_the_bar_is_off_when_the_output_is_no_terminal(capsys, monkeypatch):
    trainer_of().fit(tensors(), epochs=1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trainer_of(progress=False).fit(tensors(), epochs=1)
    assert capsys.readouterr().err == ""
    trainer_of().fit(tensors(), epochs=1)
    assert "epoch 1/1" in capsys.readouterr().err


def test_training_imports_neither_bar_nor_plot():
    code = (
        "import sys, nnlite; from nnlite import nn; from nnlite.train import Trainer\n"
        "model = nn.Linear(2, 1)\n"
        "optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)\n"
        "data = nnlite.ones(4, 2), nnlite.zeros(4, 1)\n"
        "Trainer(model, optimizer, nn.MSELoss(), ['accuracy']).fit(data, data, epochs=1)\n"
        "print({'tqdm', 'matplotlib', 'safetensors', 'json', 'csv'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_names_of_the_package():
    from nnlite import train

    assert {name for name in train.__all__ if getattr(train, name) is None} == set()
    assert train.Checkpoint is Checkpoint
    with pytest.raises(AttributeError, match=r"nnlite\.train has no 'Trainr'"):
        _ = train.Trainr
