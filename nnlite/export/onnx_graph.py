"""From the live calls of a trace to the nodes of a graph in which nothing is written into.

ONNX knows values only. What NumPy writes into memory becomes a new value of that memory, and a view
of it is made anew when it is read after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlite.export.batch import Size
from nnlite.export.errors import ExportError
from nnlite.export.plan import Plan
from nnlite.tracing.calls import Call, Ref, refs

__all__ = ["Graph", "GraphNode"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class GraphNode:
    """One operator of ONNX."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """The nodes and constants that compute what a plan computes.

    Args:
        plan: the calls.
        input_names: the names of the inputs, in order.
        axes: the axis of the batch in each; None where there is none.

    Attributes:
        nodes: in order.
        constants: name → array.
    """

    def __init__(self, plan: Plan, input_names: Sequence[str], axes: Sequence[int | None]) -> None:
        self.plan = plan
        self.trace = plan.trace
        self.nodes: list[GraphNode] = []
        self.constants: dict[str, Array] = {}
        self.module = ""
        self._input_names = list(input_names)
        self._axes = list(axes)
        self._names: dict[int, str] = dict(zip(self.trace.inputs, input_names))
        self._views: dict[int, Call] = {}
        self._made_at: dict[int, int] = {}
        self._changes: dict[int, int] = {}
        self._equal: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._size: str | None = None

    # ---- building -------------------------------------------------------------------------------

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add an operator; returns the name of its output, or the names of several."""
        number = len(self.nodes)
        made = [f"{op.lower()}_{number}" + (f"_{i}" if i else "") for i in range(outputs)]
        name = f"{self.module}/{op}_{number}" if self.module else f"{op}_{number}"
        self.nodes.append(GraphNode(op, name, list(inputs), made, attributes))
        return made[0] if outputs == 1 else tuple(made)

    def constant(self, values: Any, dtype: Any = None, name: str = "") -> str:
        """The name of a constant; equal ones have one name."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._equal:
            label = name or f"constant_{len(self.constants)}"
            while label in self.constants or label in self._input_names:
                label += "_"
            self.constants[label] = array
            self._equal[key] = label
        return self._equal[key]

    def ints(self, values: Sequence[int | Size]) -> str:
        """A vector of int64, which may depend on the size of the batch."""
        if not any(isinstance(value, Size) for value in values):
            return self.constant(list(values), np.int64)
        parts = [
            self._computed_size(value) if isinstance(value, Size) else self.ints([value])
            for value in values
        ]
        return parts[0] if len(parts) == 1 else str(self.node("Concat", *parts, axis=0))

    def shape(self, sizes: Sequence[int | Size]) -> str:
        """A shape for Reshape: -1 where a single size depends on the batch."""
        unknown = sum(isinstance(size, Size) or size == -1 for size in sizes)
        if unknown == 1 and 0 not in sizes:
            return self.ints([-1 if isinstance(size, Size) else size for size in sizes])
        return self.ints(sizes)

    def _computed_size(self, size: Size) -> str:
        if self._size is None:
            index = next(i for i, axis in enumerate(self._axes) if axis is not None)
            axis = self._axes[index]
            self._size = self.node(
                "Shape", self._input_names[index], start=axis, end=(axis or 0) + 1
            )
        name = self._size
        if size.factor != 1:
            name = self.node("Mul", name, self.ints([size.factor]))
        return str(self.node("Add", name, self.ints([size.offset]))) if size.offset else name

    # ---- values ---------------------------------------------------------------------------------

    def dtype(self, ref: Ref) -> np.dtype[Any]:
        """The dtype of a value."""
        dtype: np.dtype[Any] = self.trace.arrays[ref.id].dtype
        return dtype

    def sizes(self, ref: Ref) -> tuple[Any, ...]:
        """The shape of a value, with `Size` in it where it depends on the batch."""
        return self.trace.shapes[ref.id]

    def cast(self, name: str, given: Any, wanted: Any) -> str:
        """A value in another dtype."""
        if np.dtype(given) == np.dtype(wanted):
            return name
        return str(self.node("Cast", name, to=np.dtype(wanted)))

    def operand(self, value: Any, dtype: Any) -> str:
        """An argument of a call, an array or a number, in a dtype."""
        if isinstance(value, Ref):
            if self.plan.is_constant(value.id) and self.trace.arrays[value.id].ndim == 0:
                return self.constant(self.trace.arrays[value.id].astype(dtype))
            return self.cast(self.read(value), self.dtype(value), dtype)
        if isinstance(value, Size):
            name = self.node("Squeeze", self.ints([value]), self.ints([0]))
            return self.cast(name, np.int64, dtype)
        return self.constant(value, dtype)

    def read(self, ref: Ref) -> str:
        """The name of a value as it is now."""
        number = ref.id
        root = self.trace.roots[number]
        if number in self._names and self._made_at.get(number, 0) == self._changes.get(root, 0):
            return self._names[number]
        if number in self._views:
            self._names[number] = self.lowered(self._views[number])[0]
        elif number not in self._names:
            name = self.trace.names.get(number, "")
            self._names[number] = self.constant(self.trace.arrays[number], name=name)
            if root in self.plan.written:
                return self._names[number]
        self._made_at[number] = self._changes.get(root, 0)
        return self._names[number]

    def write(self, number: int, name: str) -> None:
        """The memory of a value now holds what ``name`` is."""
        if number in self._views:
            from nnlite.export.onnx_index import put_back

            call = self._views[number]
            whole = refs(call.args)[0]
            self.write(whole.id, put_back(self, call, whole, name))
        else:
            root = self.trace.roots[number]
            self._changes[root] = self._changes.get(root, 0) + 1
        self._names[number] = name
        self._made_at[number] = self._changes[self.trace.roots[number]]

    def run(self) -> None:
        """Add the nodes of all calls."""
        for call in self.plan.calls:
            self.module = call.module
            if call.kind == "setitem":
                from nnlite.export.onnx_index import put

                array, key, value = call.args
                self.write(array.id, put(self, array, key, value))
                continue
            names = self.lowered(call)
            if call.writes:
                into = Ref(call.writes[0])
                name = self.cast(names[0], self._result_dtype(call), self.dtype(into))
                self.write(into.id, self.spread(name, call, into))
                continue
            for number, name in zip(call.results, names):
                self._names[number] = name
                root = self.trace.roots[number]
                self._made_at[number] = self._changes.get(root, 0)
                if root in self.plan.written and root != number:
                    self._views[number] = call
        self.module = ""

    def rename_output(self, ref: Ref, name: str) -> None:
        """Let an output have its name."""
        self.nodes.append(GraphNode("Identity", f"output_{name}", [self.read(ref)], [name], {}))

    def _result_dtype(self, call: Call) -> Any:
        """The dtype that a call which writes into an array has computed in."""
        if call.kind == "ufunc" and call.name != "at":
            from nnlite.export.onnx_ufuncs import loop_of

            return loop_of(self, call)[-1]
        return self.dtype(Ref(call.writes[0]))

    def spread(self, name: str, call: Call, into: Ref) -> str:
        """What a call computed, in the shape of what it is written into."""
        given = call.args[1:] if call.name == "copyto" else call.args
        shapes = [self.sizes(value) for value in given if isinstance(value, Ref)]
        if self.sizes(into) in shapes:
            return name
        return str(self.node("Expand", name, self.ints(self.sizes(into))))

    def lowered(self, call: Call) -> list[str]:
        """Add the nodes of a call; the names of its results."""
        from nnlite.export.onnx_calls import FUNCTIONS
        from nnlite.export.onnx_index import take
        from nnlite.export.onnx_kernels import KERNELS
        from nnlite.export.onnx_ufuncs import ufunc

        if call.kind == "getitem":
            return [take(self, call.args[0], call.args[1])]
        if call.kind == "ufunc":
            return [ufunc(self, call)]
        table = KERNELS if call.kind == "kernel" else FUNCTIONS
        if call.name not in table:
            raise unmapped(call, f"numpy's {call.name}")
        result = table[call.name](self, call, *call.args, **call.kwargs)
        return list(result) if isinstance(result, tuple) else [result]


def unmapped(call: Call, what: str) -> ExportError:
    """The error for a call that has no counterpart in ONNX here."""
    within = f" in {call.module!r}" if call.module else ""
    return ExportError(
        f"to_onnx: {what}{within} has no counterpart in ONNX that nnlite knows; compute it of "
        "other operators, move it out of the model, or use nnlite.export.to_numpy"
    )
