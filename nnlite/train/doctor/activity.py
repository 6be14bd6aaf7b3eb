"""Units that never do anything."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.node import Node
from nnlite.train.doctor.check import Check, listed
from nnlite.train.doctor.patient import source

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Operation, Patient

__all__ = ["DeadReLU"]

_WINDOW = 6  # visits
_SHARE = 0.9  # of the units of a layer


class DeadReLU(Check):
    """Almost all units of a ReLU are 0 for every sample."""

    name = "dead-relu"

    def __init__(self) -> None:
        self._now: dict[str, Any] = {}  # which units were active in this step
        self._labels: dict[str | None, str] = {}  # how a ReLU after a layer is called
        self._known: dict[str, deque[Any]] = {}

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Note which units are active for some sample."""
        if operation.kind != "ReluBackward0":
            return None
        y = operation.out.array
        axis = _unit_axis(operation)
        if axis is None:
            return None
        others = tuple(i for i in range(y.ndim) if i != axis)
        active = (y > 0).any(axis=others)
        layer = patient.layer_of(operation.edges[0])
        label = self._labels.get(layer) if layer is not None else None
        if label is None:
            place = patient.place(operation)
            label = f"{place}, after layer {layer!r}" if layer is not None else place
            self._labels[layer] = label
        before = self._now.get(label)
        if before is None or before.shape != active.shape:
            self._now[label] = active
        else:
            self._now[label] = before | active
        return None

    def after_step(self, patient: Patient) -> str | None:
        """See which units have not been active for some visits."""
        found = []
        for label, active in self._now.items():
            window = self._known.setdefault(label, deque(maxlen=_WINDOW))
            if window and window[-1].shape != active.shape:
                window.clear()
            window.append(active)
            if len(window) < _WINDOW:
                continue
            ever = np.logical_or.reduce(list(window))
            dead, units = int(ever.size - np.count_nonzero(ever)), int(ever.size)
            if dead == units or (units >= 8 and dead >= _SHARE * units):
                found.append(f"{label}: {dead} of {units}")
        self._now.clear()
        if not found:
            return None
        return (
            f"units that were 0 for every sample at the last {_WINDOW} visits, up to step "
            f"{patient.step}: {listed(found)}. They get no gradient and stay so; lower the "
            "learning rate, scale the inputs (mean 0, variance 1), or use LeakyReLU or GELU"
        )


def _unit_axis(operation: Operation) -> int | None:
    """The axis of units or channels, where it is known."""
    y = operation.out.array
    if y.ndim == 2 or y.ndim >= 4:
        return 1
    if y.ndim < 2:
        return None
    made_by = source(operation.edges[0])
    if isinstance(made_by, Node) and type(made_by).__name__.startswith("Convolution"):
        return 1
    return None
