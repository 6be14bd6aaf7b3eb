"""Trying things out before a long run, and leaving no trace: what `Trainer.check`,
`overfit_one_batch` and `lr_find` do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.tensor import Tensor
from nnlite.train import checks, metrics, modes, setup, state
from nnlite.train.feed import batch_count
from nnlite.train.history import History

if TYPE_CHECKING:
    import os

    from matplotlib.figure import Figure

    from nnlite.train.trainer import Trainer

__all__ = ["Check", "RateTest", "check", "lr_find", "overfit"]

_SMOOTHING = 0.9  # how much of the smoothed loss comes from the steps before
_TOO_HIGH = 4.0  # times the least smoothed loss: it has diverged
_FEWEST = 10  # steps of a test


class Check(NamedTuple):
    """What one batch of a training looks like.

    Attributes:
        inputs, target, output: their shapes and dtypes, in words.
        loss: of the first batch.
        trained, frozen: how many numbers the model learns, and how many it keeps.
        batches: of an epoch; None where the data do not know.
        notes: what looks wrong.
    """

    inputs: str
    target: str
    output: str
    loss: float
    trained: int
    frozen: int
    batches: int | None
    notes: tuple[str, ...]

    def __str__(self) -> str:
        batches = "an unknown number of batches" if self.batches is None else f"{self.batches}"
        plural = "" if self.batches is None else f" batch{'es' * (self.batches != 1)}"
        lines = [
            f"inputs {self.inputs}, target {self.target}, output {self.output}",
            f"{self.trained} weights are trained, {self.frozen} are frozen; "
            f"{batches}{plural} in an epoch",
            f"the first loss is {self.loss:.4g}",
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


class RateTest(NamedTuple):
    """What a learning-rate range test found.

    Attributes:
        rates: the learning rates, in the order of the steps.
        losses: the loss of the batch before the step with each.
        suggestion: where the smoothed loss falls fastest; None where it never falls.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float | None

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, title: str | None = None
    ) -> Figure:
        """Draw the losses against the rates, and mark the suggestion.

        Args:
            path: where to save the figure too: a name that ends in .png or .svg.
            title: a line above it.

        Raises:
            OSError: the file cannot be written.
        """
        from nnlite.train.plot import plot_lr_find

        return plot_lr_find(self.rates, self.losses, self.suggestion, path, title=title)


def check(
    trainer: Trainer,
    train: Any,
    valid: Any = None,
    *,
    batch_size: int = 32,
    shuffle: bool = True,
    sample_weight: Any = None,
) -> Check:
    """One batch forward and backward, see `Trainer.check`."""
    named = dict(trainer.model.named_parameters())
    with _trial(trainer, train, batch_size, sample_weight, valid=valid, shuffle=shuffle):
        checks.check_model(trainer.model, trainer.optimizer)
        objective = trainer.objectives[0]
        inputs, rest = _first_batch(trainer)
        output = trainer.model(*inputs)
        loss = objective.loss(output, *rest)
        loss.backward()
        notes = []
        if not math.isfinite(loss.item()):
            notes.append(checks.why_not_finite(trainer, inputs, rest[0]))
        idle = [name for name, p in named.items() if p.requires_grad and p.grad is None]
        if idle:
            notes.append(
                f"no gradient reaches {', '.join(idle[:3])}{' …' * (len(idle) > 3)}: forward does "
                "not use them, or detaches what it makes of them"
            )
        held = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
        left = [name for name, p in named.items() if p.requires_grad and id(p) not in held]
        if left:
            notes.append(f"the optimizer does not hold {', '.join(left[:3])}: give it to it")
        if trainer.metrics:
            metrics.evaluate(trainer.metrics, output.array, rest[0].array)
        if trainer.validates:
            checks.check_validation(trainer)
        batches = batch_count(trainer.loaders[0])
    return Check(
        inputs=" and ".join(map(_described, inputs)),
        target=_described(rest[0]),
        output=_described(output),
        loss=loss.item(),
        trained=sum(p.numel() for p in named.values() if p.requires_grad),
        frozen=sum(p.numel() for p in named.values() if not p.requires_grad),
        batches=batches,
        notes=tuple(notes),
    )


def overfit(
    trainer: Trainer, train: Any, steps: int, batch_size: int, sample_weight: Any
) -> History:
    """Steps on the first batch alone, see `Trainer.overfit_one_batch`."""
    if steps < 1:
        raise ValueError(f"overfit_one_batch: steps must be 1 or more, got {steps}")
    history = History()
    with _trial(trainer, train, batch_size, sample_weight):
        checks.check_model(trainer.model, trainer.optimizer)
        batch = _first_batch(trainer)
        for step in range(1, steps + 1):
            loss = _step(trainer, *batch)
            if not math.isfinite(loss):
                why = checks.why_not_finite(trainer, batch[0], batch[1][0])
                raise checks.NonFiniteLossError(
                    f"overfit_one_batch: the loss is {loss} in step {step}. {why}"
                )
            trainer.step += 1
            history.append({"epoch": step, "train_loss": loss})
    return history


def lr_find(
    trainer: Trainer,
    train: Any,
    start: float,
    end: float,
    steps: int,
    batch_size: int,
    sample_weight: Any,
) -> RateTest:
    """A learning-rate range test, see `Trainer.lr_find`."""
    if not 0 < start < end < math.inf:
        raise ValueError(
            f"lr_find: the rates must rise from start above 0 to end, got {start} and {end}"
        )
    if steps < _FEWEST:
        raise ValueError(f"lr_find: steps must be {_FEWEST} or more, got {steps}")
    rates, losses, smoothed = [], [], []
    mean = 0.0
    with _trial(trainer, train, batch_size, sample_weight), np.errstate(all="ignore"):
        checks.check_model(trainer.model, trainer.optimizer)
        groups = trainer.optimizer.param_groups
        largest = max(group["lr"] for group in groups)
        shares = [group["lr"] / largest if largest else 1.0 for group in groups]
        batches = _endless(trainer)
        for number in range(steps):
            rate = start * (end / start) ** (number / (steps - 1))
            for group, share in zip(groups, shares):
                group["lr"] = rate * share
            loss = _step(trainer, *next(batches))
            if not math.isfinite(loss):
                break
            rates.append(rate)
            losses.append(loss)
            mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
            smoothed.append(mean / (1 - _SMOOTHING ** (number + 1)))
            if number >= _FEWEST and smoothed[-1] > _TOO_HIGH * min(smoothed):
                break
    return RateTest(rates, losses, _steepest(rates, smoothed))


def _steepest(rates: list[float], smoothed: list[float]) -> float | None:
    """The rate at which the smoothed loss falls fastest per factor of the rate."""
    lowest = int(np.argmin(smoothed)) if smoothed else 0
    # The first of them are means of few losses, whose differences are those between batches.
    values, logs = np.array(smoothed[_FEWEST : lowest + 1]), np.log(rates[_FEWEST : lowest + 1])
    if len(values) < 2:
        return None
    slopes = np.gradient(values, logs)
    place = int(slopes.argmin())
    return rates[_FEWEST + place] if slopes[place] < 0 else None


@contextmanager
def _trial(
    trainer: Trainer,
    train: Any,
    batch_size: int,
    sample_weight: Any,
    valid: Any = None,
    shuffle: bool = True,
) -> Iterator[None]:
    """The trainer with these data and without callbacks; everything is put back at the end."""
    before = dict(vars(trainer))
    gradients = [(p, p.grad) for p in trainer.model.parameters()]
    try:
        trainer.callbacks, trainer.doctor, trainer.progress = [], False, False
        trainer.tally = None
        setup.prepare(trainer, train, valid, 1, batch_size, shuffle, sample_weight)
        point = state.save_point(trainer, {})
        try:
            with modes.training(trainer.model):
                yield
        finally:
            state.put_back(trainer, point)
            for parameter, gradient in gradients:
                parameter.grad = gradient
    finally:
        vars(trainer).clear()
        vars(trainer).update(before)


def _endless(trainer: Trainer) -> Iterator[tuple[list[Any], list[Any]]]:
    """The batches of the training data, pass after pass, each looked at."""
    parts = trainer.objectives[0].parts
    while True:
        count = 0
        for batch in checks.looked_at(trainer.loaders[0], parts, trainer.targets_known):
            count += 1
            yield list(batch[:-parts]), list(batch[-parts:])
        if not count:
            checks.mean("fit: train", 0.0, 0.0, 0)


def _first_batch(trainer: Trainer) -> tuple[list[Any], list[Any]]:
    return next(islice(_endless(trainer), 1))


def _step(trainer: Trainer, inputs: list[Any], rest: list[Any]) -> float:
    trainer.optimizer.zero_grad()
    loss = trainer.objectives[0].loss(trainer.model(*inputs), *rest)
    loss.backward()
    trainer.optimizer.step()
    return float(loss.item())


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{list(value.array.shape)} {value.array.dtype}"
    return type(value).__name__
