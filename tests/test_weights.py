"""Accumulated gradients, clipping, and weights of samples and classes in the Trainer."""

from functools import partial

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.nn import functional as F
from nnlite.train import Callback, ClipGradNorm, ClipGradValue, Trainer
from nnlite.utils.data import DataLoader, Dataset, TensorDataset

DRAWN = np.random.default_rng(0)
X = DRAWN.standard_normal((60, 4))
Y = (X[:, :1] + 0.5 * X[:, 1:2] > 0.6).astype(np.float64)
LABELS = DRAWN.integers(0, 3, 60)
NUMBERS = X @ DRAWN.standard_normal((4, 2))
WEIGHTS = DRAWN.uniform(0, 3, 60)
WEIGHTS[::7] = 0


def trainer_of(outputs=1, loss=None, **options):
    nnlite.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs)).double()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Trainer(model, optimizer, loss or nn.BCEWithLogitsLoss(), **options)


def fitted(data, outputs=1, loss=None, fit=None, **options):
    trainer = trainer_of(outputs, loss, **options)
    fit = {"epochs": 3, "batch_size": 60, "shuffle": False, **(fit or {})}
    history = trainer.fit(data, **fit)
    weights = [p.numpy(force=True).copy() for p in trainer.model.parameters()]
    return weights, history


def alike(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one[1]["train_loss"], other[1]["train_loss"], rtol=1e-6)


# ---- accumulation -------------------------------------------------------------------------------

IGNORED = LABELS.copy()
IGNORED[5:25] = -1

TASKS = {
    "two classes": (Y, 1, nn.BCEWithLogitsLoss()),
    "sum": (Y, 1, nn.BCEWithLogitsLoss(reduction="sum")),
    "classes": (LABELS, 3, nn.CrossEntropyLoss()),
    "weights of classes": (LABELS, 3, nn.CrossEntropyLoss(nnlite.tensor([1.0, 5.0, 0.5]).double())),
    "ignored": (IGNORED, 3, nn.CrossEntropyLoss(ignore_index=-1)),
    "regression": (NUMBERS, 2, nn.MSELoss()),
}


@pytest.mark.parametrize("task", TASKS)
def test_accumulation_equals_one_large_batch(task):
    """Batches of 12, 12, 12, 12 and 12 by threes: a group of 36, and an incomplete one of 24."""
    target, outputs, loss = TASKS[task]
    if task == "ignored":
        target = np.roll(target, 8)  # no batch of which nothing counts

    class Groups(Dataset):
        """36 samples and 24, as batches."""

        def __iter__(self):
            x = nnlite.tensor(X)
            y = nnlite.tensor(target)
            yield x[:36], y[:36]
            yield x[36:], y[36:]

        def __len__(self):
            return 2

    class Loader:
        def __iter__(self):
            return iter(Groups())

        def __len__(self):
            return 2

    lr = {"sum": 0.001}.get(task, 0.1)

    def run(data, **options):
        trainer = trainer_of(outputs, loss, **options)
        trainer.optimizer.param_groups[0]["lr"] = lr
        history = trainer.fit(data, epochs=3, batch_size=12, shuffle=False)
        return [p.numpy(force=True).copy() for p in trainer.model.parameters()], history, trainer

    large = run(Loader())
    small = run((X, target), accumulate=3)
    alike(large[:2], small[:2])
    assert small[2].step == large[2].step == 6
    assert small[2].batches == 5


def test_hooks_with_accumulation():
    calls = []

    class Log(Callback):
        def on_backward_end(self, trainer):
            calls.append("backward")

        def on_step_end(self, trainer):
            calls.append(f"step {trainer.step}")

        def on_batch_end(self, trainer):
            calls.append(f"batch {trainer.batch} {trainer.stepped}")

    fitted((X, Y), accumulate=2, callbacks=[Log()], fit={"batch_size": 20, "epochs": 1})
    assert calls == [
        "batch 1 False",
        "backward",
        "step 1",
        "batch 2 True",
        "batch 3 False",
        "backward",
        "step 2",
    ]


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True, "2"])
def test_accumulate_is_a_whole_number(accumulate):
    with pytest.raises(ValueError, match="accumulate must be a whole number of batches from 1 on"):
        trainer_of(accumulate=accumulate)


# ---- clipping -----------------------------------------------------------------------------------


class Largest(Callback):
    def __init__(self):
        self.values = []

    def on_step_end(self, trainer):
        grads = [p.grad.numpy() for p in trainer.model.parameters() if p.grad is not None]
        self.values.append(max(abs(g).max() for g in grads))


def test_clipping_by_value():
    largest = Largest()
    fitted((X, Y), callbacks=[ClipGradValue(0.001), largest], accumulate=2, fit={"batch_size": 20})
    assert largest.values == pytest.approx([0.001] * 6)
    with pytest.raises(ValueError, match="clip_value must be positive, got 0"):
        ClipGradValue(0)
    with pytest.raises(ValueError, match="norm_type must be positive, got -1"):
        ClipGradNorm(1.0, -1)


def test_clipping_leaves_parameters_of_others_out():
    """A parameter that the optimizer does not hold has gradients of all steps so far."""
    trainer = trainer_of()
    clip = ClipGradNorm(1e9)
    trainer.callbacks = [clip]
    trainer.optimizer = nnlite.optim.SGD(trainer.model[2].parameters(), lr=0.0)
    norms = []

    class Note(Callback):
        def on_step_end(self, trainer):
            norms.append(clip.norm)

    trainer.callbacks.append(Note())
    trainer.fit((X, Y), epochs=4, batch_size=60)
    assert norms == pytest.approx([norms[0]] * 4)


# ---- weights of samples -------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_whole_weights_are_repetitions(task, accumulate):
    target, outputs, loss = TASKS[task]
    counts = DRAWN.integers(0, 4, 60)
    again = np.repeat(np.arange(60), counts)
    options = {"accumulate": accumulate}
    weighted = fitted((X, target), outputs, loss, {"sample_weight": counts}, **options)
    repeated = fitted((X[again], target[again]), outputs, loss, {"batch_size": 999}, **options)
    alike(weighted, repeated)


@pytest.mark.parametrize("task", TASKS)
def test_weights_of_one_change_nothing(task):
    target, outputs, loss = TASKS[task]
    fit = {"batch_size": 25}
    plain = fitted((X, target), outputs, loss, fit)
    alike(plain, fitted((X, target), outputs, loss, {**fit, "sample_weight": np.ones(60)}))


def test_weights_may_come_with_the_data():
    given = fitted((X, Y), fit={"sample_weight": WEIGHTS, "batch_size": 16})
    for data in [
        (X, Y, WEIGHTS),
        TensorDataset(*map(nnlite.tensor, (X, Y, WEIGHTS))),
        DataLoader(TensorDataset(*map(nnlite.tensor, (X, Y, WEIGHTS))), 16),
    ]:
        alike(given, fitted(data, fit={"sample_weight": True, "batch_size": 16}))

    class Samples(Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, index):
            return X[index], Y[index]

    alike(given, fitted(Samples(), fit={"sample_weight": WEIGHTS, "batch_size": 16}))


def test_weighted_figures_are_means_over_all_samples():
    trainer = trainer_of(metrics=["accuracy", "roc_auc"])
    data = (X, Y, WEIGHTS)
    history = trainer.fit(data, data, epochs=1, batch_size=7, sample_weight=True)
    z = trainer.predict(X)
    losses = F.binary_cross_entropy_with_logits(z, nnlite.tensor(Y), reduction="none").numpy()
    expected = float((losses[:, 0] * WEIGHTS).sum() / WEIGHTS.sum())
    from nnlite.train import metrics

    assert history[-1]["valid_loss"] == pytest.approx(expected)
    for name in ("accuracy", "roc_auc"):
        wanted = getattr(metrics, name)(z, Y, sample_weight=WEIGHTS)
        assert history[-1][f"valid_{name}"] == pytest.approx(wanted)
        assert trainer.evaluate(data, sample_weight=True)[name] == pytest.approx(wanted)
        assert trainer.evaluate((X, Y), sample_weight=WEIGHTS)[name] == pytest.approx(wanted)
        assert trainer.evaluate((X, Y))[name] == getattr(metrics, name)(z, Y)


def test_a_batch_without_weight_teaches_nothing_but_does_no_harm():
    weights = WEIGHTS.copy()
    weights[:16] = 0
    found, history = fitted((X, Y), fit={"sample_weight": weights, "batch_size": 16})
    assert np.isfinite(history["train_loss"]).all()
    assert all(np.isfinite(p).all() for p in found)


@pytest.mark.parametrize(
    ("weight", "data", "error", "text"),
    [
        (WEIGHTS[:50], (X, Y), ValueError, r"one number for each of the 60 samples, got \[50\]"),
        (-WEIGHTS, (X, Y), ValueError, "finite numbers from 0 on"),
        (WEIGHTS * np.nan, (X, Y), ValueError, "finite numbers from 0 on"),
        (WEIGHTS * 0, (X, Y), ValueError, "not only zeros"),
        (["a"] * 60, (X, Y), ValueError, "one number for each"),
        (
            WEIGHTS,
            DataLoader(TensorDataset(nnlite.tensor(X), nnlite.tensor(Y))),
            TypeError,
            "say sample_weight=True",
        ),
        (True, (X, Y), TypeError, "inputs, target and weights"),
        (True, (X, Y, X), ValueError, "give one per sample"),
    ],
)
def test_weights_that_cannot_be(weight, data, error, text):
    trainer = trainer_of()
    with pytest.raises(error, match=text):
        trainer.fit(data, epochs=1, sample_weight=weight)


def test_a_loss_that_cannot_be_weighted():
    with pytest.raises(TypeError, match="gives no loss for each sample"):
        fitted((X, Y), loss=lambda output, target: output.mean(), fit={"sample_weight": WEIGHTS})

    def own(output, target, reduction="mean"):
        losses = (output - target).square()
        return losses.mean() if reduction == "mean" else losses

    alike(
        fitted((X, Y), loss=own, fit={"sample_weight": WEIGHTS}),
        fitted((X, Y), loss=nn.MSELoss(), fit={"sample_weight": WEIGHTS}),
    )


# ---- weights of classes -------------------------------------------------------------------------


def balanced(labels):
    counts = np.bincount(labels)
    return len(labels) / (len(counts) * counts)


@pytest.mark.parametrize(
    ("loss", "given"),
    [
        (nn.CrossEntropyLoss(), "balanced"),
        (nn.CrossEntropyLoss(), balanced(LABELS)),
        (nn.CrossEntropyLoss(), dict(enumerate(balanced(LABELS)))),
        (F.cross_entropy, "balanced"),
        (partial(F.cross_entropy, label_smoothing=0.0), nnlite.tensor(balanced(LABELS))),
    ],
)
def test_weights_of_classes(loss, given):
    weights = nnlite.tensor(balanced(LABELS).astype(np.float32))
    expected = fitted((X, LABELS), 3, nn.CrossEntropyLoss(weights))
    alike(expected, fitted((X, LABELS), 3, loss, class_weight=given))


def test_balanced_weights_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is missing")
    wanted = sklearn.compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(balanced(LABELS), wanted)


@pytest.mark.parametrize("shape", [(60, 1), (60,)])
def test_weights_of_two_classes(shape):
    labels = Y[:, 0].astype(int)
    trainer_loss = nn.BCEWithLogitsLoss()
    if shape == (60,):

        def trainer_loss(output, target, reduction="mean"):
            return F.binary_cross_entropy_with_logits(output[:, 0], target, reduction=reduction)

        with pytest.raises(ValueError, match="class_weight is for cross-entropies"):
            fitted((X, labels), loss=trainer_loss, class_weight="balanced")
        return
    expected = fitted((X, Y), fit={"sample_weight": balanced(labels)[labels]})
    alike(expected, fitted((X, Y), class_weight="balanced"))
    alike(expected, fitted((X, Y), class_weight=dict(enumerate(balanced(labels)))))
    both = fitted((X, Y), fit={"sample_weight": WEIGHTS * balanced(labels)[labels]})
    given = {"sample_weight": WEIGHTS}
    alike(both, fitted((X, Y), class_weight=balanced(labels), fit=given))


def test_weights_of_the_positive_class():
    ratio = (1 - Y).sum() / Y.sum()
    loss = nn.BCEWithLogitsLoss(pos_weight=nnlite.tensor(np.float32(ratio)))
    expected = fitted((X, Y), loss=loss)
    alike(expected, fitted((X, Y), pos_weight="balanced"))
    alike(expected, fitted((X, Y), pos_weight=ratio))
    several = (NUMBERS > 0.3).astype(float)
    ratios = (1 - several).sum(axis=0) / several.sum(axis=0)
    loss = nn.BCEWithLogitsLoss(pos_weight=nnlite.tensor(ratios.astype(np.float32)))
    alike(fitted((X, several), 2, loss), fitted((X, several), 2, pos_weight="balanced"))


def test_balanced_weights_are_of_the_training_data_alone():
    trainer = trainer_of(pos_weight="balanced")
    trainer.fit((X, Y), (X, np.ones_like(Y)), epochs=1)
    expected = np.float32((1 - Y).sum() / Y.sum())
    for objective in trainer.objectives:
        assert objective.given.pos_weight.item() == expected


def test_several_labels_and_regression():
    several = (NUMBERS > 0.3).astype(float)
    trainer = trainer_of(2, metrics=["accuracy", "f1", "roc_auc"])
    history = trainer.fit((X, several), (X, several), epochs=30)
    assert history[-1]["valid_f1"] > 0.8
    assert trainer.predict_proba(X).shape == (60, 2)
    trainer = trainer_of(2, nn.MSELoss(), metrics=["mae", "mse", "r2"])
    history = trainer.fit((X, NUMBERS), (X, NUMBERS), epochs=30)
    assert history[-1]["valid_r2"] > 0.7
    assert history[-1]["valid_mse"] == pytest.approx(history[-1]["valid_loss"])


@pytest.mark.parametrize(
    ("options", "target", "outputs", "loss", "text"),
    [
        ({"pos_weight": 2.0}, LABELS, 3, nn.CrossEntropyLoss(), "pos_weight=2.0 is for BCEWith"),
        ({"pos_weight": -1.0}, Y, 1, None, "finite numbers from 0 on, got -1.0"),
        ({"pos_weight": "even"}, Y, 1, None, "must be 'balanced' or numbers, got 'even'"),
        ({"pos_weight": "balanced"}, Y * 0, 1, None, "no training target is positive"),
        ({"class_weight": "balanced"}, NUMBERS, 2, nn.MSELoss(), "class_weight is for cross-ent"),
        ({"class_weight": [1.0]}, Y, 1, None, r"'balanced' or 2 weights, got \[1.0\]"),
        (
            {"class_weight": "balanced"},
            LABELS,
            3,
            nn.CrossEntropyLoss(nnlite.ones(3)),
            "class_weight is given, and the loss has its own weight",
        ),
    ],
)
def test_weights_of_classes_that_cannot_be(options, target, outputs, loss, text):
    with pytest.raises(ValueError, match=text):
        fitted((X, target), outputs, loss, **options)


def test_balanced_weights_need_to_see_the_targets():
    class Samples(Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, index):
            return X[index], Y[index]

    with pytest.raises(ValueError, match="need to see all targets"):
        fitted(Samples(), pos_weight="balanced")
