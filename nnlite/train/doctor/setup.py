"""What is wrong before or beside the arithmetic: model, optimizer and mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.train.doctor.check import Check, listed
from nnlite.train.doctor.patient import sample

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.doctor.patient import Patient

__all__ = ["EvalMode", "NoStep", "NotInOptimizer", "NothingToTrain", "OtherModel"]


class NothingToTrain(Check):
    """All parameters are frozen, or there are none."""

    name = "nothing-to-train"

    def at_start(self, patient: Patient) -> str | None:
        """Look for a parameter that is not frozen."""
        if not patient.parameters:
            return "the model has no parameters; check that its layers are attributes of it"
        if any(p.requires_grad for _, p in patient.parameters):
            return None
        last = patient.parameters[-1][0].rpartition(".")[0]
        return (
            f"all {len(patient.parameters)} parameters of the model are frozen; unfreeze what "
            f"should learn: model.unfreeze({last!r})"
        )


class OtherModel(Check):
    """The optimizer holds parameters of another model, or of layers replaced since."""

    name = "other-model"

    def at_start(self, patient: Patient) -> str | None:
        """Compare the optimizer's parameters with the model's."""
        return self._compare(patient)

    def after_step(self, patient: Patient) -> str | None:
        """Again: a layer may be replaced while training goes on."""
        return self._compare(patient)

    def _compare(self, patient: Patient) -> str | None:
        trainable = [(name, p) for name, p in patient.parameters if p.requires_grad]
        missing = [name for name, p in trainable if id(p) not in patient.held]
        foreign = len(patient.held) - sum(id(p) in patient.held for _, p in patient.parameters)
        if not missing or not foreign:
            return None  # an optimizer may hold more than this model, or a part of it
        kind = type(patient.optimizer).__name__
        if len(missing) == len(trainable):
            return (
                f"{kind} holds no parameter of this model that could learn (it was made for "
                f"another one, or for an earlier copy); make it anew: {kind}(model.parameters(), …)"
            )
        return (
            f"{kind} does not hold {listed(missing)}, but {foreign} parameters that are not in the "
            f"model: layers were replaced after the optimizer was made; make it anew: "
            f"{kind}(model.parameters(), …)"
        )


class NotInOptimizer(Check):
    """Gradients are computed for parameters that no optimizer updates."""

    name = "not-in-optimizer"

    def __init__(self) -> None:
        self._first: dict[str, Any] = {}
        self._still: dict[str, int] = {}

    def after_step(self, patient: Patient) -> str | None:
        """Look for parameters with gradients that have not moved since the first visit."""
        if len(patient.held) > sum(id(p) in patient.held for _, p in patient.parameters):
            return None  # OtherModel says more about that
        for name, p in patient.parameters:
            if not p.requires_grad or id(p) in patient.held or p.grad is None:
                self._still.pop(name, None)
                continue
            now = sample(p.array)
            if name not in self._first or not np.array_equal(self._first[name], now):
                self._first[name] = now.copy()
                self._still[name] = 0
            elif p.grad.array.any():
                self._still[name] = self._still.get(name, 0) + 1
        still = [name for name, visits in self._still.items() if visits >= 4]
        if not still:
            return None
        kind = type(patient.optimizer).__name__
        layer = still[0].rpartition(".")[0] or still[0]
        return (
            f"{listed(still)} {'get' if len(still) > 1 else 'gets'} gradients, but no optimizer "
            f"updates {'them' if len(still) > 1 else 'it'}; give all to {kind} "
            f"(model.parameters()), or freeze what should stay, which also saves the time of its "
            f"backward pass: model.freeze({layer!r})"
        )


class NoStep(Check):
    """Backward passes were run, but never a step."""

    name = "no-step"

    def at_end(self, patient: Patient) -> str | None:
        """Compare the passes with the steps."""
        if patient.visits or not patient.passes:
            return None
        kind = type(patient.optimizer).__name__
        return (
            f"there were {patient.passes} backward passes and no step of this {kind}: call "
            "optimizer.step() after loss.backward()"
        )


class EvalMode(Check):
    """The model is trained in evaluation mode: dropout and batch statistics are off."""

    name = "eval-mode"

    def __init__(self) -> None:
        self._times = 0

    def on_backward(self, patient: Patient) -> str | None:
        """Look at the mode of the model, and whether it matters."""
        if patient.model.training:
            self._times = 0
            return None
        self._times += 1
        names = list(_depending(patient.model))
        if self._times < 2 or not names:
            return None
        return (
            f"the model is trained in eval() mode, in which {listed(names)} "
            f"{'work' if len(names) > 1 else 'works'} differently; call model.train() before the "
            "training of each epoch (evaluation usually leaves it off)"
        )


def _depending(model: Module) -> Iterator[str]:
    """The modules that work differently in evaluation mode, except in frozen parts of the model."""
    modules = dict(model.named_modules())
    frozen = {
        path
        for path, module in modules.items()
        if path and not any(p.requires_grad for p in module.parameters())
        if any(True for _ in module.parameters())
    }
    for path, module in modules.items():
        code = getattr(type(module).forward, "__code__", None)
        if module.training or code is None or "training" not in code.co_names:
            continue
        if not any(path == part or path.startswith(f"{part}.") for part in frozen):
            yield f"{path} ({type(module).__name__})" if path else type(module).__name__
