"""A captured step that can be run."""

from __future__ import annotations

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
from nnlite.tracing.calls import Ref, walk

__all__ = ["Program"]

_grad_of = attrgetter("grad")


class Program:
    """A step for arguments of one signature, under guards.

    Args:
        label: the function's name.
        trace: what it computes.
        signature, guards: when the program may stand for the function.

    Attributes:
        code: the text of the program and what it refers to.
    """

    def __init__(
        self, label: str, trace: StepRecording, signature: Signature, guards: Guards
    ) -> None:
        self.signature = signature
        self.guards = guards
        lowered = Lowered(trace)
        self.lowered = lowered
        self.code = Code(lowered, label)
        self._run = self.code.function()
        self._began = self.code.began
        kinds = [call.kind for call in lowered.calls]
        conditions = [place for place, kind in enumerate(kinds) if kind == "bool"]
        early = kinds[: conditions[-1]] if conditions else []
        self._generators = list(guards.reach.generators) if "draw" in early else []
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

    def is_lent(self) -> bool:
        """Whether somebody keeps a gradient, whose memory the next replay would overwrite."""
        own = self._left_counts
        if not all(map(is_, map(_grad_of, self._leaves), self._left)):
            held = [id(leaf.grad) for leaf in self._leaves]
            own = [n + held.count(id(tensor)) for n, tensor in zip(self._counts, self._lent)]
        return [*map(getrefcount, self._lent)] != own or [
            *map(getrefcount, self._lent_arrays)
        ] != self._array_counts

    def _watched_presence(self, trace: StepRecording) -> list[tuple[Any, bool]]:
        """Leaves of which it counts whether they have a gradient before the step."""
        watched = []
        initial = {id(tensor): number for number, tensor in trace.gradients.items()}
        for place, tensor in enumerate(trace.leaves):
            before = initial.get(id(tensor))
            kept = trace.final[place] == (None if before is None else Ref(before))
            if kept or before in self.lowered.entering or self.guards.reach.reads_grad:
                watched.append((tensor._leaf, before is not None))
        return watched

    def may_run(self) -> bool:
        """Whether all is as it was when the step was captured."""
        return self.guards.hold() and all(
            (leaf.grad is not None) is present for leaf, present in self._presence
        )

    def may_run_again(self) -> bool:
        """``may_run``, where plain values may be equal ones instead of the same."""
        return self.guards.refresh() and self.may_run()

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
                if tensor is not None:
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


def _has(value: Any, kind: type) -> bool:
    found: list[Any] = []
    walk(value, lambda part: found.append(part) if type(part) is kind else None)
    return bool(found)
