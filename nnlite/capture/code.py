"""From lowered calls to the text of a function that replays them, and to that function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.capture.lower import Lowered
from nnlite.capture.names import BY_NAME, SIGNS, Names
from nnlite.capture.run import Given, Kept
from nnlite.tensor import NoGraph, Size, Tensor, ndarray, wrap
from nnlite.tracing.calls import Call, Ref, refs

__all__ = ["CAPTURED", "Changed", "Code"]

CAPTURED = NoGraph(
    1,
    "it was computed by a captured step (nnlite.compile), which builds no graph; call backward() "
    "in the function that is captured",
)


class Changed(Exception):
    """A condition within nnlite's own code has another answer than when the step was captured."""


class Code(Names):
    """The text of a replay, and the objects that it names.

    Args:
        lowered: what is to be computed.
        label: what the function is called.

    Attributes:
        gradients: value → the tensor that leaves hold as their gradient.
        saves: arrays that the replay writes into, each with the copy that it makes of them first.
        left: the leaves whose gradients it sets, each with what it leaves there.
        began: whether the replay has come to something that cannot be taken back.
    """

    def __init__(self, lowered: Lowered, label: str) -> None:
        super().__init__(lowered, label)
        self.gradients: dict[int, Tensor] = {}
        self._lines: list[tuple[str, Any]] = []  # each with NumPy's treatment of errors there
        self._inlined: dict[int, Call] = {}
        self._leaf_now: dict[int, Any] = {}
        touched = {n for n in (*lowered.trace.states, *lowered.entering) if n in lowered.written}
        self.saves = [(lowered.arrays[n], lowered.arrays[n].copy("K")) for n in sorted(touched)]
        self.began: list[bool] = [False]
        for number in lowered.entering:
            self.gradients[number] = wrap(lowered.arrays[number])
        self.left: dict[Any, Tensor | None] = {
            tensor._leaf: self.gradients[number] for number, tensor in lowered.entering.items()
        }
        self._write()

    # ---- the text -------------------------------------------------------------------------------

    def _write(self) -> None:
        lowered = self.lowered
        for array, save in self.saves:
            self._add(f"{self._bound(save, 'saved')}[...] = {self._bound(array, 's')}")
        for number, name in zip(lowered.trace.inputs, self.inputs):
            if number in self._needed():
                self._add(f"{self._name(number)}[...] = {name}")
        self._compute()
        for line in self._deliver(lowered.trace.final):
            self._add(line)
        for line in self._notes():
            self._add(line)
        self._add(f"return {self._result(lowered.trace.outputs)}")

    @staticmethod
    def same(a: Any, b: Any, beside: Sequence[Any] = ()) -> bool:
        """Whether two arrays (or None) are as equal as a replay promises: to the last bit.

        Args:
            beside: what was computed with ``b``; it says which size of numbers is rounding.
        """
        if a is None or b is None:
            return a is b
        return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())

    def _compute(self) -> None:
        for call, way in zip(self.lowered.calls, self.lowered.ways):
            for line in self._statements(call, way):
                self._add(line, call.errors)

    def _needed(self) -> set[int]:
        trace = self.lowered.trace
        used = [ref.id for call in self.lowered.calls for ref in refs((call.args, call.kwargs))]
        return {trace.roots[n] for n in (*used, *(ref.id for ref in refs(trace.outputs)))}

    @property
    def inputs(self) -> list[str]:
        """The variables that hold the arguments' arrays."""
        return [f"input{i}" for i in range(len(self.lowered.trace.inputs))]

    def _add(self, line: str, errors: Any = None) -> None:
        self._lines.append((line, errors))

    def text(self) -> str:
        """The function's text."""
        body = []
        open_errors: Any = None
        for line, errors in self._lines:
            if errors != open_errors and errors is not None:
                options = ", ".join(f"{key}={value!r}" for key, value in errors.items())
                body.append(f"with errstate({options}):")
                self.names["errstate"] = np.errstate
            open_errors = errors
            body.append(f"    {line}" if errors is not None else line)
        given = ", ".join(self.inputs)
        lines = [f"def make({', '.join(self.names)}):", f"    def {self.label}({given}):"]
        lines += [f"        {line}" for line in body]
        return "\n".join([*lines, f"    return {self.label}", ""])

    def function(self) -> Callable[..., Any]:
        """The function: takes the arguments' arrays, returns what the step returns."""
        text = self.text()
        space: dict[str, Any] = {}
        exec(compile(text, f"<captured {self.label}>", "exec"), space)
        made: Callable[..., Any] = space["make"](*self.names.values())
        return made

    # ---- statements -----------------------------------------------------------------------------

    def _statements(self, call: Call, way: str) -> list[str]:
        if way == "view":
            return []
        if way == "inlined":
            self._inlined[call.results[0]] = call
            return []
        if way == "bool":
            return [self._condition(call)]
        if way == "opaque":
            method = f"{self._bound(call.target, 'object')}.{call.name}()"
            return [
                f"{self._bound(self.began, 'began')}[0] = True",
                *self._deliver(call.args[0]),
                method,
            ]
        if way == "write":
            return [self._writing(call)]
        if way == "call":
            return self._plain(call)
        return [self._into(call, way, self._name(call.results[0]))]

    def _condition(self, call: Call) -> str:
        number = call.args[0].id
        asked = self._inlined.get(number)
        if asked is None:
            text = self._name(number)
        else:
            sign = SIGNS[asked.target.__name__]
            text = f"{self._asked(asked.args[0])} {sign} {self._asked(asked.args[1])}"
        self.names.setdefault("Changed", Changed)
        answer = f"not ({text})" if call.kwargs["expected"] else text
        return f"if {answer}: raise Changed"

    def _asked(self, value: Any) -> str:
        """An operand of a comparison; of an array the number in it, which is faster to compare."""
        name = self._value(value)
        return f"{name}.item()" if self._is_fixed(value) else name

    def _into(self, call: Call, way: str, out: str) -> str:
        """A call whose result is written into memory of its own."""
        if way == "out":
            ufunc = self._bound(call.target, call.target.__name__)
            operands = self._operands(call)
            options = {k: v for k, v in call.kwargs.items() if k != "out"}
            given = [out] if call.target.__name__ not in BY_NAME else [f"out={out}"]
            return f"{ufunc}({self._list(operands, given, options)})"
        if way == "dot":
            matrix, other = call.args
            dot = f"{self._value(matrix)}.dot"
            if self._is_fixed(matrix):
                dot = self._bound(self._array(matrix).dot, "dot")
            return f"{dot}({self._value(other)}, {out})"
        if way == "assign":
            return f"{out}[...] = {self._value(call.args[0])}"
        if way == "draw":
            rng = f"{self._bound(call.target, 'generator')}.rng"
            dtype = self._bound(self.lowered.trace.arrays[call.results[0]].dtype, "dtype")
            return f"{rng}.{call.name}(None, {dtype}, {out})"
        if way == "fresh":
            return self._fresh(call, out)
        if way == "function":
            function = self._bound(call.target, call.name)
            listed = self._list(map(self._value, call.args), [f"out={out}"], call.kwargs)
            return f"{function}({listed})"
        return self._reduction(call, way, out)

    def _reduction(self, call: Call, way: str, out: str) -> str:
        if call.kind == "ufunc":
            reduce = self._bound(call.target.reduce, f"{call.target.__name__}_reduce")
            options = {k: v for k, v in call.kwargs.items() if k != "out" and not _is_unset(v)}
            return f"{reduce}({self._list(map(self._value, call.args), [], options)}, out={out})"
        axis = call.args[1] if len(call.args) > 1 else call.kwargs.get("axis")
        keepdims = bool(call.kwargs.get("keepdims", False))
        ufunc = {"sum": np.add, "mean": np.add, "prod": np.multiply, "max": np.maximum}.get(
            call.name, np.minimum
        )
        reduce = self._bound(ufunc.reduce, f"{ufunc.__name__}_reduce")
        line = f"{reduce}({self._value(call.args[0])}, {axis!r}, None, {out}, {keepdims})"
        if way == "reduce":
            return line
        # As ndarray.mean: the sum, divided by how many there are.
        source = self.lowered.trace.arrays[call.args[0].id]
        result = self.lowered.trace.arrays[call.results[0]]
        count = np.asarray(source.size // max(result.size, 1), source.dtype)
        divide = self._bound(np.divide, "divide")
        return f"{line}; {divide}({out}, {self._bound(count, 'count')}, {out})"

    def _fresh(self, call: Call, out: str) -> str:
        kind = call.target.__name__.removesuffix("_like")
        if kind == "empty":
            return "pass"
        if kind == "full":
            return f"{out}[...] = {self._value(call.args[1])}"
        return f"{out}.fill({int(kind == 'ones')})"

    def _writing(self, call: Call) -> str:
        if call.kind == "setitem":
            array, key, value = call.args
            return f"{self._value(array)}[{self._key(key)}] = {self._value(value)}"
        if (
            call.kind == "ufunc"
            and call.name == "__call__"
            and isinstance(call.kwargs.get("out"), Ref)
        ):
            ufunc = self._bound(call.target, call.target.__name__)
            options = {k: v for k, v in call.kwargs.items() if k != "out"}
            out = self._value(call.kwargs["out"])
            if len(call.args) == call.target.nin and call.target.nout == 1:
                given = [out] if call.target.__name__ not in BY_NAME else [f"out={out}"]
                return f"{ufunc}({self._list(self._operands(call), given, options)})"
        return self._made(call)

    def _plain(self, call: Call) -> list[str]:
        """A call whose results become variables."""
        made = self._made(call)
        names = [f"v{number}" for number in call.results]
        if len(names) == 1:
            result = self.lowered.trace.arrays[call.results[0]]
            lines = [f"{names[0]} = {made}"]
            if result.ndim == 0 and call.kind != "kernel" and self._is_viewed(call.results[0]):
                self.names.setdefault("asarray", np.asarray)
                lines = [f"{names[0]} = asarray({made})"]
            return lines
        return [f"{', '.join(names)} = {made}"]

    def _is_viewed(self, number: int) -> bool:
        return any(
            (call.writes and number in call.writes) or (way == "call" and call.kind != "ufunc")
            for call, way in zip(self.lowered.calls, self.lowered.ways)
            if any(ref.id == number for ref in refs((call.args, call.kwargs)))
        )

    def _made(self, call: Call) -> str:
        options = {k: v for k, v in call.kwargs.items() if not _is_unset(v)}
        if call.kind == "getitem":
            return f"{self._value(call.args[0])}[{self._key(call.args[1])}]"
        if call.kind in ("method", "draw"):
            owner = (
                f"{self._bound(call.target, 'generator')}.rng"
                if call.kind == "draw"
                else self._value(call.args[0])
            )
            args = call.args if call.kind == "draw" else call.args[1:]
            return f"{owner}.{call.name}({self._list(map(self._value, args), [], options)})"
        function = (
            call.target
            if call.name in ("__call__", "") or call.kind != "ufunc"
            else getattr(call.target, call.name)
        )
        name = getattr(call.target, "__name__", "function")
        if call.kind == "ufunc" and call.name != "__call__":
            name = f"{name}_{call.name}"
        return (
            f"{self._bound(function, name)}({self._list(map(self._value, call.args), [], options)})"
        )

    # ---- gradients, notes, results --------------------------------------------------------------

    def _deliver(self, held: dict[int, Any]) -> list[str]:
        """Give the leaves their gradients as they are at this time."""
        lines = []
        for place, ref in held.items():
            leaf = self.lowered.trace.leaves[place]._leaf
            before = self._leaf_now.get(place, self._initial(place))
            if ref == before and not self._is_copied(ref):
                continue
            self._leaf_now[place] = ref
            self.left[leaf] = None if ref is None else self._tensor_of(ref.id)
            name = self._bound(leaf, "leaf")
            if ref is None:
                lines.append(f"{name}.grad = None")
                continue
            tensor = self._gradient(ref.id, lines)
            lines.append(f"{name}.grad = {self._bound(tensor, 'grad')}")
        return lines

    def _is_copied(self, ref: Any) -> bool:
        """Whether a gradient may have changed since it was copied into the leaf's memory."""
        if not isinstance(ref, Ref) or ref.id not in self.gradients:
            return False
        root = self.lowered.trace.roots[ref.id]
        place = self.lowered.places.get(ref.id)
        return root in self.lowered.written and (place is None or place.kind != "kept")

    def _initial(self, place: int) -> Any:
        """What a leaf's gradient is known to be before the step: only what is left as it was."""
        trace = self.lowered.trace
        leaf = trace.leaves[place]
        return next((Ref(n) for n, tensor in trace.gradients.items() if tensor is leaf), _UNKNOWN)

    def _gradient(self, number: int, lines: list[str]) -> Tensor:
        """The tensor for a value that is a gradient; where it has no memory that lasts, a copy."""
        self._tensor_of(number)
        place = self.lowered.places.get(number)
        if place is None or place.kind != "kept":
            target = self._bound(self.gradients[number].array, "g")
            lines.append(f"{target}[...] = {self._name(number)}")
        return self.gradients[number]

    def _tensor_of(self, number: int) -> Tensor:
        """The tensor that a leaf holds as its gradient."""
        if number not in self.gradients:
            place = self.lowered.places.get(number)
            array = np.empty_like(self.lowered.trace.arrays[number])
            if place is not None and place.kind == "kept":
                array = place.array
            self.gradients[number] = wrap(array)
        return self.gradients[number]

    def _notes(self) -> list[str]:
        """What has been written into is told to the log of writes, as the operators do it."""
        trace = self.lowered.trace
        lines = []
        for number in sorted({n for n in trace.states if n in self.lowered.written}):
            self.names.setdefault("note_write", note_write)
            array = self._bound(self.lowered.arrays[number], "s")
            lines.append(f"note_write({array}, 'a captured step')")
        return lines

    def _result(self, value: Any) -> str:
        if isinstance(value, Ref):
            self.names.setdefault("fresh", fresh)
            place = self.lowered.places.get(self.lowered.trace.roots[value.id])
            is_own = (
                place is not None
                and place.kind == "variable"
                and (self.lowered.trace.roots[value.id] == value.id)
            )
            copied = "" if is_own and self.lowered.trace.arrays[value.id].ndim else ".copy('K')"
            return f"fresh({self._name(value.id)}{copied})"
        if isinstance(value, Kept):
            return self._bound(value.tensor, "tensor")
        if isinstance(value, Given):
            self.names.setdefault("Given", Given)
            return f"Given({value.number})"
        if type(value) is Size:
            return self._bound(value, "size")
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return f"{self._bound(type(value), 'kind')}({', '.join(map(self._result, value))})"
        if isinstance(value, tuple):
            return f"({''.join(f'{self._result(part)}, ' for part in value)})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._result, value))}]"
        if isinstance(value, dict):
            parts = (f"{self._bound(k, 'key')}: {self._result(part)}" for k, part in value.items())
            return f"{{{', '.join(parts)}}}"
        return self._bound(value, "value")


_UNKNOWN = object()
_new = Tensor.__new__


def fresh(array: Any) -> Tensor:
    """A tensor without a graph for the result of a captured step."""
    out = _new(Tensor)
    out.array = array if type(array) is ndarray else np.asarray(array)
    out._leaf = None
    out._node = CAPTURED
    return out


def _is_unset(value: Any) -> bool:
    """Whether this is NumPy's mark for an argument that was not given."""
    return type(value).__name__ == "_NoValueType"
