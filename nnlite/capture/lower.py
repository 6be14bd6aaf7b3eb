"""From calls to statements: which calls are needed, where each value lives, how it is computed.

What does not depend on inputs or state is computed once. A view is taken once, of memory that stays
where it is. A result is written into memory of its own (``out=``) where NumPy can do that; else a
variable of the program holds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlite.autograd.mutation import memory_owner
from nnlite.capture.memory import Memory, is_dense, twin
from nnlite.capture.recording import CaptureError, StepRecording
from nnlite.tracing.calls import Call, Ref, refs, walk

__all__ = ["Lowered", "perform"]

# Their results are the same whether or not they are written over an operand: one rounding each.
_EXACT = {
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "negative", "absolute", "fmax",
    "fmin", "sqrt", "square", "positive", "copysign", "bitwise_and", "bitwise_or", "bitwise_xor",
    "logical_and", "logical_or", "logical_not", "invert",
}  # fmt: skip
_FRESH = {"empty", "zeros", "ones", "full", "empty_like", "zeros_like", "ones_like", "full_like"}
_LIKE = {name for name in _FRESH if name.endswith("_like")}
_WITH_OUT = {"concatenate", "stack", "take"}
_REDUCTIONS = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
}  # fmt: skip
_ASSIGNED = {"copy", "astype"}


@dataclass
class Place:
    """Where a value (and all that shares its memory) is.

    Attributes:
        kind: ``"state"``, ``"input"``, ``"constant"``, ``"buffer"``, ``"kept"`` (memory of its own,
            which lasts: gradients) or ``"variable"``.
        array: the memory, but for variables.
    """

    kind: str
    array: Any = None


class Lowered:
    """A recording, ready to be written as statements.

    Attributes:
        trace: as given.
        calls: what must be computed at each replay, in order.
        ways: how each of them is computed, in the same order: ``"view"``, ``"out"``, ``"reduce"``,
            ``"mean"``, ``"dot"``, ``"assign"``, ``"fresh"``, ``"draw"``, ``"function"``,
            ``"write"``, ``"bool"``, ``"inlined"``, ``"opaque"`` or ``"call"``.
        places: first value in its memory → where that is.
        arrays: value → the array that holds it at each replay, but for variables.
        held: the values that are some leaf's gradient at some time.
        entering: of those the ones that were there before the step, with their leaves.
    """

    def __init__(self, trace: StepRecording) -> None:
        self.trace = trace
        self.written = {trace.roots[n] for call in trace.calls for n in call.writes}
        self.is_constant: set[int] = {
            n for n, name in trace.names.items()
            if not name and n not in trace.states and n not in trace.gradients
        }  # fmt: skip
        self.final = {n: r for n, r in trace.final.items() if isinstance(r, Ref)}
        self.calls = self._live([call for call in trace.calls if not self._folds(call)])
        self.used: dict[int, int] = {}
        for call in self.calls:
            for ref in refs(_read(call)):
                self.used[ref.id] = self.used.get(ref.id, 0) + 1
        self._check_order()
        self.places: dict[int, Place] = {}
        self.arrays: dict[int, Any] = {}
        self.entering: dict[int, Any] = {}
        self.held = self._held_gradients()
        following = [*self.calls[1:], None]
        self.ways = [self._way(call, after) for call, after in zip(self.calls, following)]
        self._lay_out()
        self._take_views()

    # ---- what is needed -------------------------------------------------------------------------

    def _folds(self, call: Call) -> bool:
        """Whether a call makes the same at every replay."""
        if call.kind in ("draw", "opaque", "bool") or call.writes:
            return False
        if any(self.trace.roots[n] in self.written for n in call.results):
            return False
        # Of zeros_like and its kin the shape and the dtype of the argument count, not its values.
        read = call.args[1:] if call.name in _LIKE else call.args
        if not all(ref.id in self.is_constant for ref in refs((read, call.kwargs))):
            return False
        self.is_constant.update(call.results)
        return True

    def _live(self, calls: list[Call]) -> list[Call]:
        trace = self.trace
        roots = trace.roots
        used = {ref.id for ref in refs(trace.outputs)}
        used |= {ref.id for ref in self.final.values()}
        memory = {roots[n] for n in (*used, *trace.states)}
        live = []
        for call in reversed(calls):
            needed = call.kind in ("bool", "opaque", "draw")
            needed = needed or any(n in used for n in call.results)
            if needed or any(roots[n] in memory for n in call.writes):
                live.append(call)
                read = {ref.id for ref in refs(_read(call))}
                used |= read
                memory |= {roots[n] for n in read}
        return live[::-1]

    def _check_order(self) -> None:
        """What can fail must come before what cannot be undone."""
        began = False
        for call in self.calls:
            began = began or call.kind == "opaque"
            if call.kind == "bool" and began:
                raise CaptureError(
                    "not captured: nnlite checks values after a step of an optimizer, which could "
                    "not be taken back; take all steps at the end"
                )

    def _held_gradients(self) -> dict[int, Ref]:
        """The gradients that a leaf holds at some time, by value."""
        found = {ref.id: ref for ref in self.final.values()}
        for call in self.calls:
            if call.kind == "opaque":
                found.update({r.id: r for r in call.args[0].values() if isinstance(r, Ref)})
        return found

    def overwritten_inputs(self) -> list[tuple[int, list[Any]]]:
        """The inputs that are read after states have been written, each with those states: where
        they share memory, an ordinary run reads what was written."""
        roots = self.trace.roots
        places = {number: place for place, number in enumerate(self.trace.inputs)}
        written: dict[int, Any] = {}
        found: dict[int, dict[int, Any]] = {}
        for call in self.calls:
            for ref in refs(_read(call)):
                if written and roots[ref.id] in places:
                    found[places[roots[ref.id]]] = dict(written)
            if call.kind == "opaque":
                written = {n: tensor.array for n, tensor in self.trace.states.items()}
            for number in call.writes:
                if roots[number] in self.trace.states:
                    written[roots[number]] = self.trace.states[roots[number]].array
        return [(place, list(states.values())) for place, states in found.items()]

    # ---- how it is computed ---------------------------------------------------------------------

    def _way(self, call: Call, after: Call | None) -> str:
        trace = self.trace
        roots = trace.roots
        if call.kind in ("bool", "opaque"):
            return call.kind
        if not call.results:
            return "write"
        taken = {roots[ref.id] for ref in refs((call.args, call.kwargs))}
        if all(roots[n] in taken for n in call.results):
            return "view"
        first = trace.arrays[call.results[0]]
        if len(call.results) > 1 or call.writes or roots[call.results[0]] != call.results[0]:
            return "call"
        if call.kind == "ufunc" and call.name == "__call__":
            if self._is_asked_next(call, after):
                return "inlined"
            return "out"
        if call.kind == "ufunc" and call.name == "reduce" and first.dtype != np.object_:
            return "call" if self._is_turned(call) else "reduce"
        if call.kind == "method":
            return self._way_of_method(call, first)
        if call.kind == "draw":
            plain = call.name in ("random", "standard_normal") and first.dtype.kind == "f"
            return "draw" if plain and first.flags.c_contiguous else "call"
        if call.kind == "function":
            if call.name in _FRESH or call.target.__name__ in _FRESH:
                return "fresh"
            if call.name in _REDUCTIONS:
                return self._way_of_method(call, first)
            if call.target is np.dot and first.ndim and first.flags.c_contiguous:
                return "dot"
            if call.name in _WITH_OUT and "dtype" not in call.kwargs and "out" not in call.kwargs:
                return "function"
        return "call"

    def _way_of_method(self, call: Call, first: Any) -> str:
        if call.name in _ASSIGNED:
            return "assign"
        if call.name == "dot" and first.ndim and first.flags.c_contiguous:
            return "dot"
        if self._is_turned(call):
            return "call"
        source = self.trace.arrays[call.args[0].id]
        options = {name for name, value in call.kwargs.items() if name != "dtype" or value}
        if call.name in _REDUCTIONS and options <= {"axis", "keepdims"}:
            return "reduce" if len(call.args) <= 2 else "call"
        if call.name == "mean" and source.dtype in (np.float32, np.float64):
            is_plain = set(call.kwargs) <= {"axis", "keepdims"} and len(call.args) <= 2
            return "mean" if is_plain and source.size else "call"
        return "call"

    def _is_turned(self, call: Call) -> bool:
        """Whether a call reads an array that goes backwards in memory: in which order NumPy adds up
        its elements may depend on whether there is an ``out``."""
        return any(stride < 0 for stride in self.trace.arrays[call.args[0].id].strides)

    def _is_asked_next(self, call: Call, after: Call | None) -> bool:
        """Whether a comparison's one use is the condition that follows: it needs no memory."""
        number = call.results[0]
        if call.target.__name__ not in _COMPARISONS or call.kwargs or self.used.get(number) != 1:
            return False
        return after is not None and after.kind == "bool" and after.args[0].id == number

    # ---- where it lives -------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Give every value a place."""
        trace = self.trace
        for number in self.is_constant:
            self.arrays[number] = trace.arrays[number]
        self._place_states()
        last = self._last_uses()
        memory = Memory(last)
        for number in trace.inputs:
            self.places[number] = Place("input")
            if number in self.written:
                raise CaptureError(
                    "not captured: it writes into an argument; write into a clone() of it"
                )
            if is_dense(trace.arrays[number]):
                memory.take(number, trace.arrays[number])
            else:
                self.places[number].array = twin(trace.arrays[number])
        for when, (call, way) in enumerate(zip(self.calls, self.ways)):
            for number in call.results:
                if trace.roots[number] != number or way in ("view", "inlined"):
                    continue
                if way == "call":
                    self.places[number] = Place("variable")
                elif number in self.held:
                    self.places[number] = Place("kept", np.empty_like(trace.arrays[number]))
                else:
                    over = self._operand_to_write_over(call, when, last) if way == "out" else None
                    memory.take(number, trace.arrays[number], over)
                    self.places[number] = Place("buffer")
            memory.give(when)
        for number, array in memory.arrays().items():
            self.places[number].array = array
        for number, place in self.places.items():
            if place.array is not None:
                self.arrays[number] = place.array

    def _place_states(self) -> None:
        trace = self.trace
        owners: dict[int, int] = {}
        for number, tensor in trace.states.items():
            self.places[number] = Place("state", tensor.array)
            other = owners.setdefault(id(memory_owner(tensor.array)), number)
            if other != number and self.written & {number, other}:
                raise CaptureError(
                    f"not captured: it writes into {trace.names[number]}, which shares memory with "
                    f"{trace.names[other]}"
                )
        touched = {trace.roots[n] for n in self.used} | self.written
        for number, tensor in trace.gradients.items():
            grad = tensor.grad
            if number in touched and grad is not None:
                self.entering[number] = tensor
                self.places[number] = Place("kept", twin(grad.array))

    def _last_uses(self) -> dict[int, int]:
        """First value in its memory → the place of the last call that uses that memory."""
        roots = self.trace.roots
        last = dict.fromkeys(self.trace.inputs, -1)
        for when, call in enumerate(self.calls):
            for number in (*(ref.id for ref in refs(_read(call))), *call.results, *call.writes):
                last[roots[number]] = when
        for ref in (*refs(self.trace.outputs), *self.final.values()):
            last[roots[ref.id]] = len(self.calls)
        return last

    def _operand_to_write_over(self, call: Call, when: int, last: dict[int, int]) -> int | None:
        """An operand in a buffer that nobody reads later, of the shape and layout of the result."""
        if call.target.__name__ not in _EXACT or call.kwargs:
            return None
        trace = self.trace
        result = trace.arrays[call.results[0]]
        numbers = [ref.id for ref in refs(call.args)]
        for number in numbers:
            root = trace.roots[number]
            place = self.places.get(root)
            if place is None or place.kind != "buffer" or last[root] != when or number != root:
                continue
            if any(trace.roots[n] == root and n != number for n in numbers):
                continue
            array = trace.arrays[number]
            same = array.shape == result.shape and array.strides == result.strides
            if same and array.dtype == result.dtype:
                return number
        return None

    def _take_views(self) -> None:
        """Make the views of memory that stays where it is; the others are made at each replay."""
        for place, (call, way) in enumerate(zip(self.calls, self.ways)):
            if way != "view":
                continue
            needed = [ref.id for ref in refs((call.args, call.kwargs))]
            if any(number not in self.arrays for number in needed):
                self.ways[place] = "call"
                continue
            made = perform(call, self.arrays)
            parts = made if isinstance(made, (tuple, list)) else (made,)
            sources = {id(memory_owner(self.arrays[number])) for number in needed}
            for number, part in zip(call.results, parts):
                if id(memory_owner(part)) not in sources:
                    raise CaptureError(
                        "not captured: a parameter is a part of a larger array in a layout that "
                        "cannot be viewed as the step needs it"
                    )
                self.arrays[number] = part


_COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


def _read(call: Call) -> Any:
    """What a call reads."""
    return (call.args, call.kwargs)


def perform(call: Call, arrays: dict[int, Any]) -> Any:
    """Make a call with arrays in place of the refs."""
    args, kwargs = walk(
        (call.args, call.kwargs), lambda part: arrays[part.id] if isinstance(part, Ref) else part
    )
    if call.kind == "ufunc":
        return getattr(call.target, call.name)(*args, **kwargs)
    if call.kind == "method":
        return getattr(args[0], call.name)(*args[1:], **kwargs)
    if call.kind == "getitem":
        return args[0][args[1]]
    return call.target(*args, **kwargs)
