"""The values of a pass: leaves, data, and what operations computed, each with its symbol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.node import Cotangents, Edge, Output
from nnlite.explain import reasons, table
from nnlite.explain.model import Addend, Input, Value
from nnlite.explain.names import Symbols, operation_name
from nnlite.explain.record import Held, operand, origin_of, record_of, recorded_input
from nnlite.explain.walk import Pass, Sent
from nnlite.tensor import AccumulateGrad, Tensor

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Values", "source_of"]

Array = Any
_NUMBERS = (np.ndarray, np.generic)


class Values:
    """Finds the values of a pass, in the order of the forward pass.

    Args:
        run: the pass.
        steps: its operations; their inputs and outputs are filled in.
        symbols: gives out symbols.
        loss: what was differentiated.

    Attributes:
        all: the values.
        constants: among them those that have no gradient: data.
    """

    def __init__(self, run: Pass, steps: Sequence[Step], symbols: Symbols, loss: Tensor) -> None:
        self.run = run
        self.all: list[Value] = []
        self._steps = steps
        self._symbols = symbols
        self._numbers = {id(step._node): step.number for step in steps}
        self._values: dict[tuple[int, int], Value] = {}
        self._constants: dict[Any, Value] = {}
        root, root_index = source_of(loss._node)
        for leaf in sorted(run.leaves, key=self._order_of_leaf(len(run.order))):
            self._leaf_value(leaf)
        for step in reversed(steps):
            self._fill(step, loss if step._node is root else None, root_index)
        for step in steps:
            step.all_addends = {
                index: self.addends(step._node, value, index)
                for index, value in step.outputs.items()
            }
        self.constants = list(self._constants.values())

    def at(self, edge: Edge) -> Value | None:
        """The value that a node or a leaf has computed; None where no gradient goes."""
        node, index = source_of(edge)
        return self._values.get((id(node), index)) if node else None

    def _order_of_leaf(self, count: int) -> Any:
        """Leaves in the order of their first use in the forward pass."""
        first: dict[int, tuple[int, int]] = {}
        for place, node in enumerate(reversed(self.run.order)):
            for position, edge in enumerate(node.edges):
                if type(edge) is AccumulateGrad:
                    first.setdefault(id(edge), (place, position))
        return lambda leaf: first.get(id(leaf), (count, 0))

    def _leaf_value(self, leaf: AccumulateGrad) -> None:
        gradient = self.run.arrived[leaf]
        array = self.run.values.get(leaf)
        name = self._symbols.name_of(leaf)
        users = {operation_name(sent.node) for sent in self.run.sent.get(leaf, ())}
        symbol = self._symbols.of_leaf(name, gradient.ndim, users == {"Add"})
        value = Value(symbol, name, "leaf", gradient.shape, gradient.dtype, array, gradient)
        self._note_uses(value, leaf, 0)
        self._values[id(leaf), 0] = value
        self.all.append(value)

    def _sent(self, edge: Edge, index: int) -> list[Sent]:
        """What is sent back to one output of an operation, or to a leaf."""
        return [
            sent
            for sent in self.run.sent.get(edge, ())
            if not isinstance(sent.array, Cotangents) or index in sent.array
        ]

    def _note_uses(self, value: Value, edge: Edge, index: int) -> None:
        sent = self._sent(edge, index)
        value.used_by = list(dict.fromkeys(self._numbers[id(s.node)] for s in sent))
        value.uses = len(sent)

    def _fill(self, step: Step, loss: Tensor | None, root_index: int) -> None:
        """The inputs and outputs of a step, in the order of the forward pass."""
        node = step._node
        record = record_of(node)
        saved = self.run.saved[node]
        lifts = self.run.derivatives[node].lifts
        known = {lift: value for lift, value in zip(lifts, saved) if lift not in (None, "cache")}
        roles = step.equation.roles
        elementwise = reasons.is_elementwise(step.name)
        for position, edge in enumerate(node.edges):
            array = known.get(position)
            source = origin = None
            is_product = reasons.is_matrix_product(step.name)
            if array is None and not edge and (step.name in ("Add", "Sub", "Rsub") or is_product):
                array = operand(node, position)
                if isinstance(array, Held):
                    array, source, origin = array.array, array.source, array.origin
            if array is None and edge and record is not None:
                array = recorded_input(record, position)
            value = self._input(edge, array, roles[position], elementwise, source, origin)
            step.inputs.append(Input(roles[position], value, bool(edge)))
        arrived = self.run.arrived[node]
        arrays = arrived if isinstance(arrived, Cotangents) else {0: arrived}
        for index, g in arrays.items():
            is_loss = loss is not None and index == root_index
            name = "" if is_loss or index else self._symbols.name_of(node)
            symbol = "L" if is_loss else self._symbols.of_output(node, name)
            value = Value(symbol, name, "output", g.shape, g.dtype, None, g, step.number)
            self._note_uses(value, node, index)
            if is_loss and loss is not None:
                value.array = loss.array
            elif record is not None and index == 0 and type(node).__name__ not in table.WRITES:
                value.array = record.output
            elif isinstance(y := known.get("y"), _NUMBERS) and y.shape == g.shape:
                value.array = np.asarray(y)
            self._values[id(node), index] = step.outputs[index] = value
            self.all.append(value)

    def _input(
        self,
        edge: Edge,
        array: Any,
        role: str,
        elementwise: bool,
        source: int | None = None,
        origin: Any = None,
    ) -> Value:
        node, index = source_of(edge)
        value = self._values.get((id(node), index))
        if edge and value is None:  # it was written over: nothing goes back to it
            return Value(self._symbols.of_constant(role), "", "constant", (), None)
        if value is not None:
            if value.array is None and isinstance(array, np.ndarray) and array.shape == value.shape:
                value.array = array
            return value
        if array is None or not hasattr(array, "dtype"):
            if array is not None:
                symbol = f"{array:.6g}"
            elif elementwise:  # it is there, so it needs a symbol of its own
                symbol = self._symbols.of_constant(role)
            else:
                symbol = self._symbols.of_unknown(role)
            return Value(symbol, "", "constant", (), None, array)
        key = (array.__array_interface__["data"][0], array.shape, array.strides)
        known = self._constants.get(key)
        if known is not None:
            return known
        name = self._symbols.name_of(None, array, source)
        symbol = self._symbols.of_data(name, role, array.ndim)
        made = Value(symbol, name, "constant", array.shape, array.dtype, array)
        made.origin = origin_of(array) if origin is None else origin
        self._constants[key] = made
        self.all.append(made)
        return made

    def addends(self, target: Edge, value: Value, index: int = 0) -> list[Addend]:
        """What the uses of a value contribute to its gradient.

        Args:
            target: the operation that computed it, or the leaf.
            value: it.
            index: which output of the operation it is.
        """
        found = []
        for sent in self._sent(target, index):
            step = self._steps[self._numbers[id(sent.node)] - 1]
            array = sent.array[index] if isinstance(sent.array, Cotangents) else sent.array
            found.append(
                Addend(step.number, f"∂L/∂{value.symbol} {step.via_label(sent.position)}", array)
            )
        return found


def source_of(edge: Edge) -> tuple[Edge, int]:
    """The node that computed a value, and which of its outputs it is."""
    return (edge.node, edge.index) if type(edge) is Output else (edge, 0)
