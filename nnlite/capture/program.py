"""A captured step that can be run."""

from __future__ import annotations

import weakref
from operator import attrgetter, is_
from sys import getrefcount
from typing import Any

import numpy as np

from nnlite.capture.code import Changed, Code
from nnlite.capture.guards import Guards
from nnlite.capture.lower import Lowered
from nnlite.capture.recording import StepRecording
from nnlite.capture.run import Given
from nnlite.capture.signature import Signature
from nnlite.tensor import AccumulateGrad, Tensor, wrap
from nnlite.tracing.calls import Ref, walk

__all__ = ["Program"]

_grad_of = attrgetter("grad")
_owners: weakref.WeakValueDictionary[int, Program] = weakref.WeakValueDictionary()


class Program:
    """A step for arguments of one signature, under guards.

    Args:
        label: the function's name.
        trace: what it computes.
        signature, guards: when the program may stand for the function.
        kind: how it is written: as NumPy's calls, or with functions that numba compiles.

    Attributes:
        code: the text of the program and what it refers to.
    """

    def __init__(
        self,
        label: str,
        trace: StepRecording,
        signature: Signature,
        guards: Guards,
        kind: type[Code] = Code,
    ) -> None:
        self.signature = signature
        self.guards = guards
        lowered = Lowered(trace)
        self.lowered = lowered
        self.code = kind(lowered, label)
        self._run = self.code.function()
        self._began = self.code.began
        draws = any(call.kind == "draw" for call in lowered.calls)
        self._generators = list(guards.reach.generators) if draws else []
        self._overwritten = lowered.overwritten_inputs()
        self._returns_given = _has(trace.outputs, Given)
        self._entering = [
            (tensor._leaf, self.code.gradients.get(n), lowered.arrays[n])
            for n, tensor in lowered.entering.items()
        ]
        self._presence = self._watched_presence(trace)
        for number, array in enumerate(trace.arrays):
            if number not in lowered.is_constant:  # the shapes are enough for what follows
                trace.arrays[number] = np.broadcast_to(np.zeros((), array.dtype), array.shape)
        self._lent = list(self.code.gradients.values())
        self._lent_arrays = [tensor.array for tensor in self._lent]
        self._leaves = list(self.code.left)
        self._left = list(self.code.left.values())
        # How many references there are while nobody else has one: before the first replay, and
        # while the leaves hold what a replay has left there.
        self._counts = [*map(getrefcount, self._lent)]
        ids = [*map(id, self._left)]
        self._left_counts = [n + ids.count(id(t)) for n, t in zip(self._counts, self._lent)]
        self._array_counts = [*map(getrefcount, self._lent_arrays)]
        _owners.update((id(tensor), self) for tensor in self._lent)

    def obstacle(self, arrays: list[Any]) -> str:
        """What memory a replay would write into that somebody else has; empty when none.

        Args:
            arrays: of the arguments, as ``signature.fits`` gives them.
        """
        if self._overwritten and any(
            np.may_share_memory(arrays[place], state)
            for place, states in self._overwritten
            for state in states
        ):
            return "an argument shares memory with what it writes into"
        if all(map(is_, map(_grad_of, self._leaves), self._left)):
            is_lent = [*map(getrefcount, self._lent)] != self._left_counts or [
                *map(getrefcount, self._lent_arrays)
            ] != self._array_counts
        else:
            is_lent = self._is_lent() or not all(
                leaf.grad is tensor or self._may_take(leaf, array)
                for leaf, tensor, array in self._entering
            )
        return "a gradient is kept by somebody, which it would overwrite" if is_lent else ""

    def _is_lent(self) -> bool:
        """Whether somebody but the leaves has a gradient of an earlier replay."""
        held = [id(leaf.grad) for leaf in self._leaves]
        shown = [
            id(leaf.grad.array)
            for leaf, number in zip(self._leaves, held)
            if leaf.grad is not None and _owners.get(number) is not self
        ]
        tensors = zip(self._lent, self._counts)
        arrays = zip(self._lent_arrays, self._array_counts)
        return [*map(getrefcount, self._lent)] != [
            count + held.count(id(tensor)) for tensor, count in tensors
        ] or [*map(getrefcount, self._lent_arrays)] != [
            count + shown.count(id(array)) for array, count in arrays
        ]

    def _may_take(self, leaf: AccumulateGrad, into: Any) -> bool:
        """Whether a gradient that is not the program's own may move into its memory: nobody else
        sees where it is now."""
        owner = _owners.get(id(leaf.grad))
        if owner is not None:
            return owner.code.left.get(leaf) is leaf.grad and not owner._is_lent()
        if leaf.grad is None or leaf.grad._node or getrefcount(leaf.grad) != _ALONE:
            return False
        array = leaf.grad.array
        if array is into:
            return True
        if array.dtype != into.dtype or array.strides != into.strides:
            return False
        del array
        return array_is_alone(leaf.grad)

    def _watched_presence(self, trace: StepRecording) -> list[tuple[Any, bool]]:
        """Leaves of which it counts whether they have a gradient before the step."""
        watched = []
        initial = {id(tensor): number for number, tensor in trace.gradients.items()}
        for place, tensor in enumerate(trace.leaves):
            before = initial.get(id(tensor))
            kept = trace.final[place] == (None if before is None else Ref(before))
            added = before is None or before in self.lowered.entering  # to what is there, if any is
            if kept or added or self.guards.reach.reads_grad:
                watched.append((tensor._leaf, before is not None))
        return watched

    def may_run(self) -> bool:
        """Whether all is as it was when the step was captured."""
        return self.guards.hold() and all(
            (leaf.grad is not None) is present for leaf, present in self._presence
        )

    def replay(self, arrays: list[Any], values: Any) -> Any:
        """Run the step.

        Args:
            arrays: of the arguments, as ``signature.fits`` gives them.
            values: the arguments that they came from, if one of them is returned.

        Raises:
            Changed: a condition has another answer; nothing has been changed then.
        """
        for leaf, tensor, array in self._entering:
            if leaf.grad is not tensor:
                array[...] = leaf.grad.array
                leaf.grad = tensor
        states = [(g, g.rng.bit_generator.state) for g in self._generators]
        self._began[0] = False
        try:
            result = self._run(*arrays)
        except Exception as error:
            if self._began[0]:
                raise
            for array, save in self.code.saves:
                array[...] = save
            for generator, state in states:
                generator.rng.bit_generator.state = state
            raise Changed from error
        if self._returns_given:
            return walk(result, lambda part: values()[part.number] if type(part) is Given else part)
        return result


def array_is_alone(tensor: Tensor) -> bool:
    """Whether nothing but a tensor holds its array, and that holds all of its memory."""
    if getrefcount(tensor.array) != _ARRAY_ALONE:
        return False
    base = tensor.array.base
    return base is None or (type(base) is np.ndarray and getrefcount(base) == _BASE_ALONE)


class _Leaf:
    grad: Tensor


def _counts_alone() -> tuple[int, int, int]:
    """The reference counts of a gradient, its array and what that is a view of, with no other
    references: they depend on the version of Python."""
    leaf = _Leaf()
    leaf.grad = wrap(np.empty(2)[:1])
    base = leaf.grad.array.base
    return getrefcount(leaf.grad), getrefcount(leaf.grad.array), getrefcount(base)


_ALONE, _ARRAY_ALONE, _BASE_ALONE = _counts_alone()


def _has(value: Any, kind: type) -> bool:
    found: list[Any] = []
    walk(value, lambda part: found.append(part) if type(part) is kind else None)
    return bool(found)
