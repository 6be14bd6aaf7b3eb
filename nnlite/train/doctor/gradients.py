"""What the gradients say: added up, missing, vanishing, exploding, no numbers."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from nnlite.train.doctor.check import Check, listed

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Operation, Patient

__all__ = ["ExplodingGradients", "NoGradient", "NonFinite", "VanishingGradients", "ZeroGrad"]


class ZeroGrad(Check):
    """The gradients of a step are added to those of the steps before."""

    name = "zero-grad"

    def __init__(self) -> None:
        self._times = 0

    def after_step(self, patient: Patient) -> str | None:
        """See whether the gradients were cleared between the last step and its backward passes."""
        if patient.passes == 0 or patient.step == 1:
            return None
        self._times = 0 if patient.fresh else self._times + 1
        if self._times < 2:
            return None
        name = next((name for name, p in patient.trained() if p.grad is not None), "all parameters")
        return (
            f"the gradients (of {name!r} and others) were not cleared after the step before, and "
            "grow with every step; call optimizer.zero_grad() before each loss.backward() (with "
            "gradient accumulation: after each optimizer.step())"
        )


class NoGradient(Check):
    """A parameter that the optimizer holds never gets a gradient."""

    name = "no-gradient"

    def __init__(self) -> None:
        self._never: dict[str, bool] = {}  # and whether an operation used it
        self._others = False

    def after_step(self, patient: Patient) -> str | None:
        """Look for parameters that have had no gradient at any visit."""
        if not patient.passes:
            return None
        without = {}
        for name, p in patient.trained():
            if p.grad is None or not (id(p._leaf) in patient.used or p.grad.array.any()):
                without[name] = id(p._leaf) in patient.used or self._never.get(name, False)
            else:
                self._others = True
        if patient.visits == 1:
            self._never = without
        self._never = {name: used for name, used in without.items() if name in self._never}
        if not self._others:
            return None  # no backward pass that concerns this model
        cut = [name for name, used in self._never.items() if used]
        unused = [name for name, used in self._never.items() if not used]
        if cut and patient.visits >= 5:
            return (
                f"{listed(cut)} {'are' if len(cut) > 1 else 'is'} used in the forward pass, but "
                "no gradient gets there: the path to the loss is cut, as by detach(), .data, "
                "numpy(), argmax or no_grad(); or freeze what should not learn: "
                f"model.freeze({cut[0]!r})"
            )
        if unused and patient.visits >= 9:
            return (
                f"{listed(unused)} {'have' if len(unused) > 1 else 'has'} had no gradient at any "
                f"visit up to step {patient.step}: forward does not use "
                f"{'them' if len(unused) > 1 else 'it'}, or the loss does not depend on it; "
                f"use {'them' if len(unused) > 1 else 'it'}, or take it out of the model"
            )
        return None


def _by_layer(patient: Patient) -> list[tuple[str, float, bool]]:
    """The mean size of the gradient's elements for each matrix or kernel that is trained."""
    return [
        (name, size / math.sqrt(p.array.size), size == 0)
        for name, p, size in patient.gradient_norms()
        if p.array.ndim >= 2 and p.array.size
    ]


class VanishingGradients(Check):
    """The gradients of some layers are tiny beside those of later ones."""

    name = "vanishing-gradients"
    ratio = 1e-6
    visits = 4

    def __init__(self) -> None:
        self._times: dict[str, int] = {}
        self._all_zero = 0

    def after_step(self, patient: Patient) -> str | None:
        """Compare the layers."""
        sizes = _by_layer(patient)
        if not sizes or patient.passes == 0:
            return None
        name, largest, _ = max(sizes, key=lambda item: item[1])
        if largest == 0 and patient.loss:
            self._all_zero += 1
            if self._all_zero >= self.visits + 2:
                return (
                    f"the gradients of all {len(sizes)} weights are exactly 0, though the loss is "
                    f"{patient.loss:g}: dead ReLUs, saturated sigmoids, or a loss that does not "
                    "depend on the parameters; scale the inputs, lower the learning rate"
                )
            return None
        self._all_zero = 0
        place = [other for other, _, _ in sizes].index(name)
        small = [
            other
            for other, size, is_zero in sizes[:place]
            if size < self.ratio * largest and not is_zero
        ]
        self._times = {other: self._times.get(other, 0) + 1 for other in small}
        found = [other for other, times in self._times.items() if times >= self.visits]
        if not found:
            return None
        return (
            f"the gradients of {listed(found)} are less than a millionth of those of {name}: they "
            "vanish on the way; use ReLU or GELU in place of sigmoid or tanh, normalisation "
            "(BatchNorm, LayerNorm), residual connections, or nn.init.kaiming_normal_"
        )


class ExplodingGradients(Check):
    """The gradients and the loss grow out of all proportion."""

    name = "exploding-gradients"

    def __init__(self) -> None:
        self._norms: list[float] = []
        self._first_loss: float | None = None
        self._times = 0

    def after_step(self, patient: Patient) -> str | None:
        """Compare the layers, and this step with those before."""
        sizes = [item for item in _by_layer(patient) if math.isfinite(item[1])]
        loss = patient.loss
        if not sizes or loss is None or not math.isfinite(loss):
            return None
        if self._first_loss is None:
            self._first_loss = abs(loss)
        name, largest, _ = max(sizes, key=lambda item: item[1])
        self._norms.append(largest)
        worse = abs(loss) > 10 * self._first_loss
        grown = len(self._norms) > 2 and largest > 1e3 * median(self._norms[:2])
        self._times = self._times + 1 if worse and grown else 0
        if self._times < 2 and not (worse and grown and largest > 1e9 * median(self._norms[:2])):
            return None
        return (
            f"the gradients explode: those of {name} are {largest / median(self._norms[:2]):.1g} "
            f"times as large as at the beginning, and the loss went from {self._first_loss:.3g} to "
            f"{abs(loss):.3g}; lower the learning rate, clip the gradients (ClipGradNorm(1.0), "
            "nn.utils.clip_grad_norm_), scale the inputs (mean 0, variance 1)"
        )


class NonFinite(Check):
    """The loss, a gradient or a parameter is nan or infinite."""

    name = "non-finite"

    def __init__(self) -> None:
        self._origin: str | None = None
        self._were_finite = True

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Keep what anomaly detection says of the first operation that makes a bad value."""
        y = operation.out.array
        if self._origin is None and y.dtype.kind == "f" and not np.isfinite(y).all():
            self._origin = patient.diagnosis(operation)
        return None

    def after_step(self, patient: Patient) -> str | None:
        """Look at the loss, the gradients and the parameters."""
        origin, self._origin = self._origin, None
        bad = _not_finite(patient, gradients=False)
        before, self._were_finite = self._were_finite, not bad
        if patient.loss is not None and not math.isfinite(patient.loss):
            if not before:
                return self._broken(patient, bad)
            where = f"\n{origin}" if origin is not None else ""
            return (
                f"the loss of step {patient.step} is {patient.loss}; the steps after it are "
                f"worthless. Lower the learning rate, scale the inputs (mean 0, variance 1), or "
                f"mend the place where it began{':' if where else ''}{where}"
            )
        gradients = _not_finite(patient, gradients=True)
        if gradients:
            return (
                f"the gradients of {listed(gradients)} are nan or infinite in step {patient.step}, "
                "though the loss is finite: a derivative has no value there (sqrt, log, a norm or "
                "a division at 0); nnlite.autograd.detect_anomaly() around such a step names the "
                "operator, the module and the line"
            )
        return self._broken(patient, bad) if bad else None

    def _broken(self, patient: Patient, bad: list[str]) -> str:
        return (
            f"{listed(bad)} hold nan or infinity, since some step before step {patient.step}; "
            "start again with a lower learning rate or with clipped gradients; "
            "nnlite.autograd.detect_anomaly() around the loop stops where it begins"
        )


def _not_finite(patient: Patient, gradients: bool) -> list[str]:
    if gradients:
        return [name for name, _, size in patient.gradient_norms() if not math.isfinite(size)]
    return [name for name, p in patient.trained() if not np.isfinite(p.array).all()]
