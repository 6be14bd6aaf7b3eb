"""Explanation: every equation of one backward pass, in the order in which it runs."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, cast

import numpy as np

from nnlite.autograd.node import Cotangents, Edge, Output
from nnlite.explain import forward, reasons, table
from nnlite.explain.fold import Fold, folded
from nnlite.explain.leaf import Leaf
from nnlite.explain.model import Addend, Input, Value
from nnlite.explain.names import Symbols, operation_name
from nnlite.explain.output import Outputs
from nnlite.explain.path import Paths, paths_from
from nnlite.explain.places import Modules, place_of
from nnlite.explain.record import Held, operand, record_of, recorded_input
from nnlite.explain.step import Step, chosen_element
from nnlite.explain.update import plans_of
from nnlite.explain.walk import Pass
from nnlite.tensor import AccumulateGrad, Tensor

__all__ = ["Explanation", "Leaf"]

Array = Any
_NUMBERS = (np.ndarray, np.generic)


class Explanation(Outputs):
    """Every equation of the backward pass from a loss, with the numbers of this pass.

    Attributes:
        loss: the value that is differentiated.
        steps: the operations in the order in which backward runs.
        leaves: where the paths end, in the order in which the gradients arrive.
        values: all values, in the order of the forward pass.
        constants: among them those that have no gradient: data.
        unkept: data that have been used, but that nothing has kept.
    """

    def __init__(
        self,
        loss: Tensor,
        gradient: Tensor | None = None,
        *,
        model: Any = None,
        optimizer: Any = None,
        names: Mapping[str, Tensor] | None = None,
        depth: int | None = None,
        quiz: bool = False,
    ) -> None:
        self.run = Pass(loss, gradient)
        self.model = model
        self.optimizer = optimizer
        self.depth = depth
        self.has_blanks = quiz
        self.opened: frozenset[str] = frozenset()
        self._symbols = Symbols(model, names)
        self._modules = Modules(model)
        self._values: dict[tuple[int, int], Value] = {}
        self._constants: dict[Any, Value] = {}
        self.worked_out: set[str] = set()
        self.values: list[Value] = []
        count = len(self.run.order)
        self.steps = [Step(self, node, i + 1) for i, node in enumerate(self.run.order)]
        self._numbers = {id(step._node): step.number for step in self.steps}
        root, root_index = _source(loss._node)
        for leaf in sorted(self.run.leaves, key=self._order_of_leaf(count)):
            self._leaf_value(leaf)
        for step in reversed(self.steps):
            self._fill(step, loss if step._node is root else None, root_index)
        self.loss = self._values[id(root), root_index]
        if self.loss.array is None:
            self.loss.array = loss.array
        for step in self.steps:
            step.all_addends = {
                index: self._addends(step._node, value, index)
                for index, value in step.outputs.items()
            }
        self.leaves = [self._leaf(leaf) for leaf in self.run.leaves]
        self._plan_updates()
        self.constants = list(self._constants.values())

    # ---- building ------------------------------------------------------------------------------

    def _order_of_leaf(self, count: int) -> Any:
        """Leaves in the order of their first use in the forward pass."""
        first: dict[int, tuple[int, int]] = {}
        for place, node in enumerate(reversed(self.run.order)):
            for position, edge in enumerate(node.edges):
                if type(edge) is AccumulateGrad:
                    first.setdefault(id(edge), (place, position))
        return lambda leaf: first.get(id(leaf), (count, 0))

    def _leaf_value(self, leaf: AccumulateGrad) -> Value:
        gradient = self.run.arrived[leaf]
        array = self.run.values.get(leaf)
        name = self._symbols.name_of(leaf)
        users = {operation_name(sent.node) for sent in self.run.sent.get(leaf, ())}
        symbol = self._symbols.of_leaf(name, gradient.ndim, users == {"Add"})
        value = Value(symbol, name, "leaf", gradient.shape, gradient.dtype, array, gradient)
        value.used_by = self._users(leaf)
        value.uses = len(self.run.sent.get(leaf, ()))
        self._values[id(leaf), 0] = value
        self.values.append(value)
        return value

    def _users(self, edge: Edge) -> list[int]:
        sent = self.run.sent.get(edge, [])
        return list(dict.fromkeys(self._numbers[id(s.node)] for s in sent))

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
            source = None
            is_product = reasons.is_matrix_product(step.name)
            if array is None and not edge and (step.name in ("Add", "Sub", "Rsub") or is_product):
                array = operand(node, position)
                if isinstance(array, Held):
                    array, source = array.array, array.source
            if array is None and edge and record is not None:
                array = recorded_input(record, position)
            value = self._input(edge, array, roles[position], source, elementwise)
            step.inputs.append(Input(roles[position], value, bool(edge)))
        arrived = self.run.arrived[node]
        arrays = arrived if isinstance(arrived, Cotangents) else {0: arrived}
        for index, g in arrays.items():
            is_loss = loss is not None and index == root_index
            name = "" if is_loss or index else self._symbols.name_of(node)
            symbol = "L" if is_loss else self._symbols.of_output(node, name)
            value = Value(symbol, name, "output", g.shape, g.dtype, None, g, step.number)
            value.used_by = self._users(node)
            value.uses = len(self.run.sent.get(node, ()))
            if is_loss and loss is not None:
                value.array = loss.array
            elif record is not None and index == 0 and type(node).__name__ not in table.WRITES:
                value.array = record.output
            elif isinstance(y := known.get("y"), _NUMBERS) and y.shape == g.shape:
                value.array = np.asarray(y)
            self._values[id(node), index] = step.outputs[index] = value
            self.values.append(value)
        if record is not None:
            step.place = place_of(record.site)
            step.module_path, step.module = self._modules.around(record.site)
        else:
            step.module_path, step.module = self._modules.of_parameters(step.inputs)

    def _input(
        self, edge: Edge, array: Any, role: str, source: int | None, elementwise: bool
    ) -> Value:
        node, index = _source(edge)
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
        symbol = self._symbols.of_constant(name if len(name) == 1 else role)
        made = Value(symbol, name, "constant", array.shape, array.dtype, array)
        self._constants[key] = made
        self.values.append(made)
        return made

    def _addends(self, target: Edge, value: Value, index: int = 0) -> list[Addend]:
        found = []
        for sent in self.run.sent.get(target, []):
            step = self.steps[self._numbers[id(sent.node)] - 1]
            array = sent.array
            if isinstance(array, Cotangents):
                if index not in array:
                    continue
                array = array[index]
            found.append(
                Addend(step.number, f"∂L/∂{value.symbol} {step.via_label(sent.position)}", array)
            )
        return found

    def _leaf(self, leaf: AccumulateGrad) -> Leaf:
        value = self._values[id(leaf), 0]
        held = None if leaf.grad is None else leaf.grad.array.copy()
        found = Leaf(value, self._addends(leaf, value), held)
        found.is_frozen = leaf.frozen
        found.hooked = leaf in self.run.hooked
        found.asked = partial(self._why, leaf, value.gradient)
        return found

    @cached_property
    def unkept(self) -> list[Value]:
        """Data whose numbers and shape neither a derivative nor a recording has kept."""
        found: dict[int, Value] = {}
        for step in reversed(self.steps):
            for given in step.inputs:
                value = given.value
                unknown = value.kind == "constant" and value.array is None and value.dtype is None
                named = reasons.is_elementwise(step.name) or reasons.is_matrix_product(step.name)
                if unknown and named:
                    symbol = re.escape(value.symbol)
                    if re.search(rf"(?<!\w){symbol}(?!\w)", step.forward):
                        found[id(value)] = value
        return list(found.values())

    @property
    def unreached(self) -> list[tuple[str, str]]:
        """The parameters of the model that get no gradient in this pass, and why each does not."""
        from nnlite.explain.why import why_here

        named = [] if self.model is None else self.model.named_parameters()
        return [
            (name, why_here(self, parameter))
            for name, parameter in named
            if parameter._node not in self.run.arrived
        ]

    def _why(self, node: AccumulateGrad, gradient: Array) -> str:
        from nnlite.explain.why import why_here

        tensor = node.tensor()
        return "" if tensor is None or gradient.all() else why_here(self, tensor)

    def _plan_updates(self) -> None:
        """Note for each leaf what its next update starts from: the optimizer will change it."""
        if self.optimizer is None:
            return
        tensors = [leaf.tensor() for leaf in self.run.leaves]
        plans = plans_of(self.optimizer, [t for t in tensors if t is not None])
        for leaf, tensor in zip(self.leaves, tensors):
            leaf.plan = plans.get(id(tensor))

    # ---- drilling down ---------------------------------------------------------------------------

    def to(self, target: Tensor | str, index: int | tuple[int, ...] | None = None) -> Paths:
        """All paths from one element of a leaf or intermediate result to the loss.

        Args:
            target: the tensor, or its symbol or name here (``"W₁"``, ``"0.weight"``).
            index: the element; default: the one with the largest gradient.

        Returns:
            The paths, grouped by the operations that they go through: for each the change of every
            value on the way, and its share. The shares add up to the gradient of the element.

        Raises:
            KeyError: when no gradient goes to the target in this pass.
            IndexError: when it has no such element.

        >>> import nnlite
        >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
        >>> print(nnlite.explain((w * w).sum(), names={"w": w}).to(w, index=1))
        Paths from w[1] to the loss, grouped by operations
          path 1: w[1] → u₁ → L
            ✓ step 2: ∂u₁/∂w[1] = through 1 of 2 elements, from 0 to 2, norm 2
            ✓ step 1: ∂L/∂w[1] = 2
            contributes 2
          path 2: w[1] → u₁ → L
            ✓ step 2: ∂u₁/∂w[1] = through 1 of 2 elements, from 0 to 2, norm 2
            ✓ step 1: ∂L/∂w[1] = 2
            contributes 2
          element by element, the product of the derivatives along each way:
            ✓ w[1] → u₁[1] → L: 2 · 1 = 2
            ✓ w[1] → u₁[1] → L: 2 · 1 = 2
          ✓ sum: 2 + 2 = 4
          ✓ ∂L/∂w[1] of the engine: 4, 0 apart
        """
        value = self.value_of(target)
        if index is None:
            index = chosen_element(value.gradient)
        place = (index,) if isinstance(index, int) else tuple(index)
        try:
            single = np.shape(value.gradient[place]) == ()
        except IndexError:
            single = False
        if not single:
            raise IndexError(
                f"explain.to: {value.label} has the shape {list(value.shape)}; index={index!r} is "
                f"no element of it, give {len(value.shape)} integers within the shape"
            )
        place = tuple(int(i) % n for i, n in zip(place, value.shape))
        return paths_from(self, value, place)

    @property
    def parts(self) -> list[Step | Fold]:
        """What is shown: the steps, and where there are many what is folded together."""
        return folded(self.steps, self.depth, self.opened)

    def open(self, *names: str) -> Explanation:
        """The same explanation with folds opened.

        Args:
            names: as the folds say them: dotted names of modules, or ``"12-480"`` for steps.

        Raises:
            KeyError: when there is no such fold.
        """
        same = copy.copy(self)
        for name in names:
            there = [part.name for part in same.parts if isinstance(part, Fold)]
            if name not in there:
                raise KeyError(
                    f"explain.open: there is no fold {name!r}; there are: {', '.join(there) or '-'}"
                )
            same.opened = same.opened | {name}
        return same

    def value_of(self, target: Tensor | str) -> Value:
        """The value that a tensor, a symbol or a name stands for in this pass.

        Raises:
            KeyError: when no gradient goes there.
        """
        if isinstance(target, Tensor):
            node, index = _source(target._node)
            value = self._values.get((id(node), index)) if node else None
        else:
            named = [
                v for v in self.values if target in (v.symbol, v.name) and v.kind != "constant"
            ]
            value = named[0] if named else None
        if value is None:
            raise KeyError(
                "explain: no gradient of this loss goes to that tensor; "
                "nnlite.explain.why(tensor, loss) tells the reason"
            )
        return value

    def __str__(self) -> str:
        if self.has_blanks:
            return str(self._blanks())
        from nnlite.explain.text import text_of

        return text_of(self)

    def markdown(self) -> str:
        """The explanation as Markdown, its formulas in LaTeX."""
        from nnlite.explain.markdown import markdown_of

        return markdown_of(self)

    def dot(self) -> str:
        """The graph in the language of Graphviz."""
        from nnlite.explain.markdown import dot_of

        return dot_of(self)

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.steps)} operations and {len(self.leaves)} leaves>"

    # ---- asked by steps ------------------------------------------------------------------------

    @property
    def symbols_in_use(self) -> set[str]:
        """The symbols of all values."""
        return self._symbols.in_use

    def array_of(self, value: Value) -> Array:
        """The numbers of a value; computed from the formulas where nothing has kept them."""
        if value.array is not None or value.made_by is None:
            return value.array
        if value.symbol not in self.worked_out:
            self.worked_out.add(value.symbol)
            self._compute(value)
        return value.array

    def _compute(self, value: Value) -> None:
        """Fill in a value from the inputs of its operation, without recursion."""
        stack = [value]
        while stack:
            current = stack[-1]
            step = self.steps[cast(int, current.made_by) - 1]
            missing = [
                i.value
                for i in step.inputs
                if i.value.made_by is not None
                and i.value.array is None
                and i.value.symbol not in self.worked_out
            ]
            if missing:
                self.worked_out.update(v.symbol for v in missing)
                stack += missing
                continue
            stack.pop()
            kind = type(step._node).__name__
            if kind in table.WRITES or any(i.value.array is None for i in step.inputs):
                continue
            found = forward.of_step(step)
            if isinstance(found, str):
                continue
            with np.errstate(all="ignore"):
                outputs = found.moved(0, None)
            for index, output in step.outputs.items():
                if output.array is None and index in outputs:
                    output.array = np.asarray(outputs[index]).astype(output.dtype)


def _source(edge: Edge) -> tuple[Edge, int]:
    """The node that computed a value, and which of its outputs it is."""
    return (edge.node, edge.index) if type(edge) is Output else (edge, 0)
