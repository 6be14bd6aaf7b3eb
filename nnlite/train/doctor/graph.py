"""Graphs of earlier steps that are still alive."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from nnlite.autograd.node import Node
from nnlite.train.doctor.check import Check

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Operation, Patient

__all__ = ["KeptGraph"]

_CURE = (
    "memory grows with every step; keep numbers instead of tensors: total += loss.item(), or "
    "detach() what is to be carried on (a hidden state)"
)

_ENOUGH = 1000  # nodes


class KeptGraph(Check):
    """The graph of earlier steps is kept alive, as by total += loss."""

    name = "kept-graph"

    def __init__(self) -> None:
        self._roots: list[weakref.ref[Any]] = []
        self._last = 0, 0  # the step that was examined before this one, and where it began

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Look for an input whose graph goes back to before the step before this one.

        One that goes back into that step may be meant: a generator's output is used before and
        after the step of the discriminator.
        """
        step, oldest = self._last
        if step != patient.step - 1 or not step:
            return None
        for edge in operation.edges:
            if isinstance(edge, Node) and edge.seq < patient.seq and _goes_back(edge, oldest):
                place = patient.place(operation)
                return f"{place} continues the graph of earlier steps: {_CURE}"
        return None

    def after_step(self, patient: Patient) -> str | None:
        """See whether the losses of three earlier steps are all alive."""
        self._last = patient.step, patient.seq
        alive = [root() is not None for root in self._roots]
        if patient.root is not None:
            self._roots = [*self._roots[-2:], patient.root]
        if len(alive) == 3 and all(alive):
            return f"the losses of earlier steps are kept with their graphs: {_CURE}"
        return None


def _goes_back(node: Node, oldest: int) -> bool:
    """Whether ``node`` depends on one that was made before ``oldest``, as far as is easily seen."""
    seen: set[Any] = set()
    stack: list[Any] = [node]
    while stack and len(seen) < _ENOUGH:
        youngest = stack.pop()
        if youngest in seen or not isinstance(youngest, Node):
            continue
        if youngest.seq < oldest:
            return True
        seen.add(youngest)
        stack += youngest.edges
    return False
