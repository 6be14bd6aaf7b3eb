"""Recording: the calls that are made on traced arrays, in order, with the values in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.mutation import memory_owner
from nnlite.tracing.array import Traced, bare, caller
from nnlite.tracing.calls import Call, Ref, TraceError, refs, walk

__all__ = ["Recording"]


@dataclass
class Recording:
    """What was noted down.

    Attributes:
        calls: in order.
        arrays: the value of each `Ref`, as it was in the end.
        roots: for each value the first one in the same memory.
        names: of values that were there before: a dotted name, or "" for other constants.
        inputs: the values that stand for the inputs.
        outputs: what was returned, nested as it was, with a `Ref` in place of each tensor.
        varying: the values (first ones in their memory) that depend on the inputs.
        traced: the class of the traced arrays.
        error: what is raised where something cannot be noted down.
        label, cure: how its message begins, and what it advises where values are asked for.
    """

    calls: list[Call] = field(default_factory=list)
    arrays: list[np.ndarray[Any, Any]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: Any = None
    varying: set[int] = field(default_factory=set)
    _memory: dict[int, int] = field(default_factory=dict)
    _constants: dict[int, int] = field(default_factory=dict)
    _stack: list[str] = field(default_factory=list)

    traced: ClassVar[type[Traced]] = Traced
    error: ClassVar[type[TraceError]] = TraceError
    label: ClassVar[str] = "trace"
    cure: ClassVar[str] = "compute with tensors instead (nnlite.where, masks)"

    def refusal(self, problem: str) -> TraceError:
        """The error that says what cannot be noted down."""
        return self.error(f"{self.label}: {problem}")

    # ---- values ----

    def add(self, array: np.ndarray[Any, Any], name: str | None = None) -> Traced:
        """A new value; with a name, a constant."""
        number = len(self.arrays)
        owner = memory_owner(array)
        self.arrays.append(array)
        self.roots.append(self._memory.setdefault(id(owner), number))
        if name is not None:
            self.names[number] = name
        return self.traced(array, self, number)

    def ref(self, value: Any) -> Ref:
        """The `Ref` of a traced array, or of a plain one, which becomes a constant."""
        if isinstance(value, Traced):
            return Ref(value.id)
        if id(value) not in self._constants:
            self._constants[id(value)] = self.add(value, "").id
        return Ref(self._constants[id(value)])

    def depends(self, number: int) -> bool:
        """Whether a value depends on the inputs."""
        return self.roots[number] in self.varying

    # ---- calls ----

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
        """Compute ``function(*args, **kwargs)`` on plain arrays and note it down."""
        result = function(*bare(args), **bare(kwargs))
        noted = walk((tuple(args), kwargs), self._noted)
        made: list[int] = []
        dressed = self._dressed(result, written, made)
        call = Call(
            kind, name, target, noted[0], noted[1], tuple(made),
            tuple(self.ref(array).id for array in written), self._stack[-1] if self._stack else "",
        )  # fmt: skip
        self.calls.append(call)
        if any(self.depends(ref.id) for ref in refs((noted[0], noted[1]))):
            self.varying.update(self.roots[number] for number in (*call.results, *call.writes))
        return dressed

    def _noted(self, value: Any) -> Any:
        return self.ref(value) if isinstance(value, (Traced, np.ndarray)) else value

    def _dressed(self, result: Any, written: Sequence[Any], made: list[int]) -> Any:
        if isinstance(result, (tuple, list)):
            return type(result)(self._dressed(part, written, made) for part in result)
        for array in written:
            if result is bare(array):
                return array
        if isinstance(result, (np.ndarray, np.generic)):
            value = self.add(np.asarray(result))
            made.append(value.id)
            return value
        return result

    def look(self, value: Traced, convert: Callable[[Any], Any], what: str) -> Any:
        """Python wants to know a value, by what is called so."""
        result = convert(value._array)
        if not self.depends(value.id):
            return result
        where, ours = caller()
        if convert is bool and ours:
            module = self._stack[-1] if self._stack else ""
            expected = {"expected": result}
            self.calls.append(Call("bool", where, bool, (Ref(value.id),), expected, (), (), module))
            return result
        raise self.refusal(
            f"{where} asks for the value of an array that depends on the input "
            f"({what}), and what follows from it would be fixed to the example: {self.cure}"
        )
