"""What of a trace has to be computed at run time: without constants and without what is unused."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from nnlite.export.batch import depends_on_size
from nnlite.export.trace import Trace
from nnlite.tracing.calls import Call, refs

__all__ = ["Plan"]

_LONGEST = 2  # views of views in one expression


class Plan:
    """A trace, sorted into constants, live calls and dead ones.

    Attributes:
        trace: as given.
        written: the values (first ones in their memory) that something writes into; never constant.
        made_by: constant value → the call that computed it, in the trace alone.
        calls: what must be computed at run time, in order.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.written = {trace.roots[number] for call in trace.calls for number in call.writes}
        self.made_by: dict[int, Call] = {}
        rest = [call for call in trace.calls if not self._folds(call)]
        self.calls = self._live(rest)

    def is_constant(self, number: int) -> bool:
        """Whether a value is the same whatever the input is."""
        if self.trace.roots[number] in self.written:
            return False
        return number in self.trace.names or number in self.made_by

    def is_view(self, number: int) -> bool:
        """Whether a constant shares the memory of another constant."""
        call = self.made_by.get(number)
        if call is None or call.kind not in ("method", "getitem"):
            return False
        return self.trace.roots[number] == self.trace.roots[refs(call.args)[0].id]

    @cached_property
    def inlined(self) -> dict[int, Call]:
        """Views that are used once, and the calls that make them: they need no line of their own.

        A view shows what is in its memory whenever it is made, so it may be made where it is used.
        """
        uses: dict[int, int] = {}
        for call in self.calls:
            for ref in refs((call.args, call.kwargs)):
                uses[ref.id] = uses.get(ref.id, 0) + 1
            if call.kind != "setitem":
                uses.update((number, 2) for number in call.writes)
        for ref in refs(self.trace.outputs):
            uses[ref.id] = 2
        roots = self.trace.roots
        found: dict[int, Call] = {}
        depth: dict[int, int] = {}
        for call in self.calls:
            if call.kind not in ("getitem", "method") or len(call.results) != 1:
                continue
            number, base = call.results[0], refs(call.args)[0].id
            depth[number] = depth.get(base, 0) + 1 if base in found else 1
            is_view = roots[number] == roots[base]
            if is_view and uses.get(number) == 1 and depth[number] <= _LONGEST:
                found[number] = call
        return found

    def sources(self, value: Any) -> list[int]:
        """The values that an expression reads, where views are part of it."""
        found: list[int] = []
        pending = [ref.id for ref in refs(value)]
        while pending:
            number = pending.pop()
            found.append(number)
            if number in self.inlined:
                pending += [ref.id for ref in refs(self.inlined[number].args)]
        return found

    @cached_property
    def users(self) -> dict[int, int]:
        """Value → the place of the last live call that uses it; outputs are used to the end."""
        last: dict[int, int] = {}
        for place, call in enumerate(self.calls):
            if not any(number in self.inlined for number in call.results):
                for number in self.sources((call.args, call.kwargs)):
                    last[number] = place
        for number in self.sources(self.trace.outputs):
            last[number] = len(self.calls)
        return last

    def origin(self, number: int) -> str:
        """The name of the constant, or of the first one that it was computed from."""
        pending = [number]
        while pending:
            one = pending.pop()
            name = self.trace.names.get(one, "")
            if name:
                return name
            if one in self.made_by:
                pending += reversed([ref.id for ref in refs(self.made_by[one].args)])
        return ""

    def array(self, number: int) -> np.ndarray[Any, np.dtype[Any]]:
        """The value of a constant."""
        return self.trace.arrays[number]

    def _folds(self, call: Call) -> bool:
        """Whether a call only makes constants; then it is noted as their origin."""
        if call.writes or any(self.trace.roots[number] in self.written for number in call.results):
            return False
        arguments = (call.args, call.kwargs)
        if depends_on_size(arguments) or not all(self.is_constant(r.id) for r in refs(arguments)):
            return False
        for number in call.results:
            self.made_by[number] = call
        return True

    def _live(self, calls: list[Call]) -> list[Call]:
        roots = self.trace.roots
        used = {ref.id for ref in refs(self.trace.outputs)}
        used_memory = {roots[number] for number in used}
        live = []
        for call in reversed(calls):
            is_live = call.kind == "bool" or any(number in used for number in call.results)
            if is_live or any(roots[number] in used_memory for number in call.writes):
                live.append(call)
                needed = {ref.id for ref in refs((call.args, call.kwargs))}
                used |= needed
                used_memory |= {roots[number] for number in needed}
        return live[::-1]
