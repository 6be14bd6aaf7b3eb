"""Noting down one run of a function: forward, backward, random numbers, and what is not traced."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.mutation import memory_owner
from nnlite.autograd.node import Node
from nnlite.tensor import Tensor
from nnlite.tracing.array import Traced, caller
from nnlite.tracing.calls import Call, Ref, TraceError
from nnlite.tracing.recording import Recording

__all__ = ["CaptureError", "StepRecording", "TracedArray"]


class CaptureError(TraceError):
    """Why a function cannot be captured, and what to do about it."""


class TracedArray(Traced):
    """A traced array for which operators do exactly what they do with an ndarray."""

    is_replayed = True
    __class__ = property(lambda self: np.ndarray)  # so says isinstance to a user's code, too

    def __pow__(self, exponent: Any) -> Any:
        """As ``ndarray.__pow__``, which takes a root or a square where np.power of older versions
        of NumPy computes a power, with another last bit."""
        root = _POWERS.get(exponent) if type(exponent) in (int, float) else None
        if root is None or not self.ndim or self.dtype.kind != "f":
            return super().__pow__(exponent)
        return root(self)

    @property
    def base(self) -> Any:
        """The array whose memory this one shows, if it is a view."""
        return self._array.base


@dataclass
class StepRecording(Recording):
    """What one run of a function noted down.

    Attributes:
        states: value → the tensor whose array it is: parameters, buffers.
        gradients: value → the tensor whose gradient it was before the run.
        leaves: the tensors that may get gradients.
        final: the gradient of each leaf in the end, by its place among the leaves.
        usual: how NumPy treats floating point errors outside of the function.
        refused: the first refusal, which the function may have caught.
    """

    states: dict[int, Tensor] = field(default_factory=dict)
    gradients: dict[int, Tensor] = field(default_factory=dict)
    leaves: list[Tensor] = field(default_factory=list)
    final: dict[int, Any] = field(default_factory=dict)
    usual: dict[str, Any] = field(default_factory=lambda: dict(np.geterr()))
    refused: TraceError | None = None
    _kept: list[Any] = field(default_factory=list)

    traced: ClassVar[type[Traced]] = TracedArray
    error: ClassVar[type[TraceError]] = CaptureError
    label: ClassVar[str] = "not captured"
    cure: ClassVar[str] = (
        "compute with tensors (nnlite.where, masks), or do it outside of the function, with what "
        "the function returns"
    )

    def refusal(self, problem: str) -> TraceError:
        error = super().refusal(problem)
        self.refused = self.refused or error
        return error

    def call(
        self,
        kind: str,
        name: str,
        target: Any,
        function: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        written: Sequence[Any] = (),
    ) -> Any:
        result = super().call(kind, name, target, function, args, kwargs, written)
        call = self.calls[-1]
        if not written and kind != "setitem" and not call.results and name not in _OF_SHAPES:
            raise self.refusal(
                f"{caller()[0]} asks for the value of an array ({name}), and what follows from it "
                f"would be fixed to the example: {self.cure}"
            )
        call.note = _purpose()
        errors = np.geterr()
        if errors != self.usual:
            call.errors = {k: v for k, v in errors.items() if v != self.usual[k]}
        return result

    def ref(self, value: Any) -> Ref:
        """As in a recording; constants are copied, since others may write into their memory."""
        if not isinstance(value, Traced) and id(value) not in self._constants:
            self._kept.append(value)
            self._constants[id(value)] = self.add(value.copy(order="K"), "").id
        return super().ref(value)

    def shared_constants(self) -> list[Any]:
        """Of the arrays that became constants, or whose memory constants show, those that somebody
        else has, too."""
        views: dict[int, int] = {}
        arrays = {id(array): array for array in self._kept}
        for array in self._kept:
            owner = memory_owner(array)
            if owner is not array:
                views[id(owner)] = views.get(id(owner), 0) + 1
                arrays.setdefault(id(owner), owner)
        kept = {id(array) for array in self._kept}
        array = owner = None
        found = []
        for key in list(arrays):
            # Known: the dictionary here, the list of constants, the views, and the argument.
            known = 2 + (key in kept) + views.get(key, 0)
            if sys.getrefcount(arrays[key]) > known:
                found.append(arrays[key])
        return found

    def draw(self, generator: Any, method: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Random numbers from a generator, as a value that is drawn anew at each replay."""

        def drawn(*args: Any, **kwargs: Any) -> Any:
            return getattr(generator.rng_of_trace, method)(*args, **kwargs)

        result = self.call("draw", method, generator.generator, drawn, args, kwargs)
        self.varying.update(self.roots[number] for number in self.calls[-1].results)
        return result

    def opaque(self, target: Any, name: str) -> None:
        """A call that is made as it is at each replay, with the gradients as they are now."""
        self.calls.append(
            Call("opaque", name, target, (self.held_gradients(),), {}, (), (), "", note=name)
        )

    def held_gradients(self) -> dict[int, Any]:
        """The gradient of each leaf, by its place among the leaves."""
        return {
            place: None if leaf.grad is None else self.ref(leaf.grad.array)
            for place, leaf in enumerate(self.leaves)
        }


class Draws:
    """In place of a generator's NumPy generator: has what it draws noted down."""

    def __init__(self, recording: StepRecording, generator: Any, rng: Any) -> None:
        self._recording = recording
        self.generator = generator
        self.rng_of_trace = rng

    def __getattr__(self, name: str) -> Any:
        if name not in _DRAWS:
            raise self._recording.refusal(
                f"the function uses {name} of a random generator, which cannot be replayed; draw "
                "outside of it, and give what was drawn as an argument"
            )

        def draw(*args: Any, **kwargs: Any) -> Any:
            return self._recording.draw(self, name, args, kwargs)

        return draw


_POWERS = {1: np.positive, -1: np.reciprocal, 0.5: np.sqrt, 2: np.square}
_OPERATORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "ops")
_OF_SHAPES = {
    "shape", "ndim", "size", "result_type", "can_cast", "min_scalar_type", "iscomplexobj",
    "isrealobj", "may_share_memory", "shares_memory",
}  # fmt: skip
_DRAWS = {"random", "standard_normal", "integers", "permutation", "standard_exponential"}


def _purpose() -> str:
    """What the running code is: the name and equation of a derivative, or an operator's name."""
    frame = sys._getframe(2)
    operator = ""
    while frame.f_back is not None:
        if frame.f_code.co_filename.startswith(_OPERATORS):
            operator = frame.f_code.co_name
        elif operator:
            return operator
        if frame.f_code.co_name == "backward":
            node = frame.f_locals.get("self")
            if isinstance(node, Node):
                equation = " ".join((type(node).__doc__ or "").split())
                return f"{node.name()}: {equation}" if equation else node.name()
        frame = frame.f_back
    return operator
