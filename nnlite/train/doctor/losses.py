"""What a loss is given: logits or probabilities, and targets of the right range and shape."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from nnlite.autograd.node import Node
from nnlite.tensor import AccumulateGrad
from nnlite.train.doctor.check import Check
from nnlite.train.doctor.patient import source

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Operation, Patient

__all__ = [
    "LogitsAsProbabilities",
    "SigmoidTwice",
    "SoftmaxTwice",
    "TargetRange",
    "TargetShape",
]

_WITH_LOGITS = "BinaryCrossEntropyWithLogitsBackward0"
_OF_PROBABILITIES = "BinaryCrossEntropyBackward0"
_SQUASHED = ("SigmoidBackward0", "SoftmaxBackward0")


def _name(edge: Any) -> str:
    """The name of the operation that computed a value, through views of it; "" for none."""
    made_by = source(edge)
    return type(made_by).__name__ if isinstance(made_by, Node) else ""


class _Remembers(Check):
    """A check that can say where the operation before the loss was called (abstract)."""

    kinds: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._places: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Remember where the operations of the kinds were called."""
        if operation.kind in self.kinds:
            self._places[operation.node] = patient.place(operation)
        return self.look(patient, operation)

    def look(self, patient: Patient, operation: Operation) -> str | None:
        """What ``on_operation`` of other checks does."""
        raise NotImplementedError

    def before(self, edge: Any) -> str:
        """Where the operation that computed a value was called."""
        return self._places.get(source(edge), "an operation before")


class SigmoidTwice(_Remembers):
    """A binary cross-entropy of logits is given probabilities."""

    name = "sigmoid-twice"
    kinds = _SQUASHED

    def look(self, patient: Patient, operation: Operation) -> str | None:
        """Look for a sigmoid right before the loss."""
        if operation.kind != _WITH_LOGITS or _name(operation.edges[0]) not in _SQUASHED:
            return None
        return (
            f"binary_cross_entropy_with_logits (BCEWithLogitsLoss) takes logits, but is given the "
            f"probabilities of {self.before(operation.edges[0])}, and applies another sigmoid; "
            "leave that one out (predict_proba and sigmoid make probabilities afterwards)"
        )


class LogitsAsProbabilities(Check):
    """A loss of probabilities is given what a linear layer returns."""

    name = "logits-as-probabilities"

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Look for a layer without an activation right before the loss."""
        kind = operation.kind
        if kind not in (_OF_PROBABILITIES, "NllLossBackward0") or not _is_layer(operation.edges[0]):
            return None
        layer = patient.layer_of(operation.edges[0])
        given = f"what layer {layer!r} returns" if layer is not None else "what a layer returns"
        if kind == _OF_PROBABILITIES:
            return (
                f"binary_cross_entropy (BCELoss) takes probabilities, but is given {given} without "
                "a sigmoid; use BCEWithLogitsLoss, which takes logits"
            )
        return (
            f"nll_loss (NLLLoss) takes log-probabilities, but is given {given}, so that the loss "
            "has no bound; use CrossEntropyLoss, which takes logits"
        )


def _is_layer(edge: Any) -> bool:
    """Whether a value is the result of a product with a parameter."""
    made_by = source(edge)
    name = _name(made_by)
    product = ("Addmm", "Mm", "Linear", "Convolution", "Baddbmm", "Bmm", "UnsafeView")
    return name.startswith(product) and any(type(e) is AccumulateGrad for e in made_by.edges)


class SoftmaxTwice(_Remembers):
    """A cross-entropy, which applies softmax itself, is given probabilities."""

    name = "softmax-twice"
    kinds = _SQUASHED

    def look(self, patient: Patient, operation: Operation) -> str | None:
        """Look for a softmax or sigmoid right before the log-softmax, or the loss."""
        if operation.kind == "LogSoftmaxBackward0":
            if _name(operation.edges[0]) == "SoftmaxBackward0":
                return self._twice(operation.edges[0])
        elif operation.kind == "NllLossBackward0":
            before = source(operation.edges[0])
            if _name(before) == "LogSoftmaxBackward0" and _name(before.edges[0]) in _SQUASHED:
                return self._twice(before.edges[0])
            if _name(before) in _SQUASHED:
                return (
                    "nll_loss (NLLLoss) takes log-probabilities, but is given the probabilities of "
                    f"{self.before(before)}; use CrossEntropyLoss without it, or log_softmax"
                )
        return None

    def _twice(self, edge: Any) -> str:
        return (
            "cross_entropy (CrossEntropyLoss) takes logits, but is given the probabilities of "
            f"{self.before(edge)}, and applies a softmax; leave that one out of training"
        )


class TargetRange(Check):
    """Targets of a binary cross-entropy lie outside of [0, 1]."""

    name = "target-range"

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Look at the targets of the losses that need it; the others refuse what does not fit."""
        if operation.kind not in (_WITH_LOGITS, _OF_PROBABILITIES):
            return None
        y = operation.node.saved[1]
        low, high = (float(y.min()), float(y.max())) if y.size else (0.0, 1.0)
        if low >= 0 and high <= 1:
            return None
        if low != low:
            return "the targets hold nan; leave these samples out"
        return (
            f"the targets of a binary cross-entropy lie in [0, 1], found values from {low:g} to "
            f"{high:g}. For labels -1 and 1 use (y + 1) / 2, for 1 and 2 use y - 1; for more than "
            "two classes use CrossEntropyLoss"
        )


class TargetShape(Check):
    """A difference of predictions (n, 1) and targets (n,) was broadcast to (n, n)."""

    name = "target-shape"

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """Look at differences that a loss by hand makes; the losses of nnlite refuse this."""
        if not operation.kind.startswith("SubBackward") or not operation.node.meta:
            return None
        shapes = operation.node.meta
        y: Any = operation.out.array
        n = y.shape[0] if y.ndim == 2 else 0
        if n < 2 or sorted(map(tuple, shapes)) != [(n,), (n, 1)]:
            return None
        computed = [isinstance(edge, Node) for edge in operation.edges]
        if sum(computed) != 1 or any(type(e) is AccumulateGrad for e in operation.edges):
            return None  # not of one prediction and one target
        if patient.is_in_model(operation):
            return None
        prediction, target = (0, 1) if computed[0] else (1, 0)
        return (
            f"{patient.place(operation)}: a prediction of shape {list(shapes[prediction])} and a "
            f"target of shape {list(shapes[target])} were broadcast to [{n}, {n}], so that every "
            f"prediction is compared with every target; give both the same shape: "
            + ("output.squeeze(-1)" if len(shapes[prediction]) == 2 else "target.squeeze(-1)")
        )
