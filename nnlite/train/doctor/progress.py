"""Whether training gets anywhere: the size of the steps, and the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnlite.train.doctor.check import Check

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Patient

__all__ = ["LearningRateTooLarge", "LearningRateTooSmall", "StuckLoss"]

_FEWEST = 128  # steps before the epochs' losses say something


def _rates(patient: Patient) -> list[float]:
    return [float(group.get("lr", 1.0)) for group in patient.optimizer.param_groups]


class LearningRateTooSmall(Check):
    """The steps are so small that the weights stay as they are."""

    name = "lr-too-small"

    def __init__(self) -> None:
        self._times = 0
        self._before: list[float] = []

    def after_step(self, patient: Patient) -> str | None:
        """Compare the change of the weights with the weights; rates that still rise are let be."""
        rates = _rates(patient)
        change = patient.change()
        is_tiny = change is not None and change < 1e-6 and max(rates) < 1e-5
        self._times = self._times + 1 if is_tiny and rates == self._before else 0
        self._before = rates
        if self._times < 5:
            return None
        return (
            f"the weights change by less than a millionth of themselves in a step ({change:.1g}): "
            f"with lr={max(rates):g} nothing is learnt; raise it (1e-3 for Adam, 0.01 to 0.1 for "
            "SGD are usual)"
        )


class LearningRateTooLarge(Check):
    """A step changes the weights by half of themselves, and the loss does not fall."""

    name = "lr-too-large"

    def __init__(self) -> None:
        self._times = 0
        self._first: float | None = None

    def after_step(self, patient: Patient) -> str | None:
        """Compare the change of the weights with the weights, and the loss with the first one."""
        loss, change = patient.loss, patient.change()
        if loss is None or loss != loss:
            return None
        if self._first is None:
            self._first = loss
            return None
        is_wild = change is not None and change > 0.5 and loss >= self._first
        self._times = self._times + 1 if is_wild else 0
        if self._times < 2:
            return None
        return (
            f"a step changes the weights by {change:.2g} times themselves, and the loss "
            f"({loss:.3g}) is no lower than at the beginning ({self._first:.3g}); with "
            f"lr={max(_rates(patient)):g} training leaps about: lower it by a factor of 10 or more"
        )


class StuckLoss(Check):
    """The loss does not move."""

    name = "stuck-loss"

    def __init__(self) -> None:
        self._losses: list[float] = []

    def after_step(self, patient: Patient) -> str | None:
        """See whether the loss has been the same at all visits."""
        if patient.loss is None:
            return None
        self._losses.append(patient.loss)
        low, high = min(self._losses), max(self._losses)
        if len(self._losses) < 8 or high - low > 1e-4 * abs(high):
            return None
        return self._text(f"has been {high:.4g} at every visit up to step {patient.step}", high)

    def on_epoch_end(self, patient: Patient) -> str | None:
        """See whether the epoch's mean loss has fallen at all."""
        losses = patient.epoch_losses
        if patient.step < _FEWEST or len(losses) < 10:
            return None  # epochs of one batch or two: it has hardly begun
        if not min(losses[1:]) > losses[0] * (1 - 1e-3) > 0:
            return None
        return self._text(
            f"of the training data has not fallen in {len(losses)} epochs (from {losses[0]:.4g} "
            f"to {losses[-1]:.4g})",
            losses[0],
        )

    def _text(self, what: str, loss: float) -> str | None:
        if loss == 0:
            return None
        return (
            f"the loss {what}: try another learning rate (ten times lower and higher), look "
            "whether inputs and targets belong together, and whether one batch alone can be learnt"
        )
