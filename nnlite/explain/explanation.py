"""Explanation: every equation of one backward pass, in the order in which it runs."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from functools import cached_property, partial
from typing import Any, cast

import numpy as np

from nnlite.explain import forward, reasons, table
from nnlite.explain.fold import Fold, folded
from nnlite.explain.leaf import Leaf
from nnlite.explain.model import Value
from nnlite.explain.names import Symbols
from nnlite.explain.numbers import counted
from nnlite.explain.output import Outputs
from nnlite.explain.path import Paths, paths_from
from nnlite.explain.places import Modules, place_of
from nnlite.explain.record import record_of
from nnlite.explain.step import Step, chosen_element
from nnlite.explain.update import plans_of
from nnlite.explain.values import Values
from nnlite.explain.walk import Pass
from nnlite.tensor import AccumulateGrad, Tensor

__all__ = ["Explanation", "Leaf"]

Array = Any


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
        self.worked_out: set[str] = set()
        self._symbols = Symbols(model, names)
        self.steps = [Step(self, node, i + 1) for i, node in enumerate(self.run.order)]
        self._values = Values(self.run, self.steps, self._symbols, loss)
        self.values, self.constants = self._values.all, self._values.constants
        self.loss = cast(Value, self._values.at(loss._node))
        if self.loss.array is None:
            self.loss.array = loss.array
        self._place_steps()
        self.leaves = [self._leaf(leaf) for leaf in self.run.leaves]
        self._plan_updates()

    def _place_steps(self) -> None:
        """Note for each step where it was called: the user's line, and the module."""
        modules = Modules(self.model)
        for step in self.steps:
            record = record_of(step._node)
            if record is not None:
                modules.has_recording = True
                step.place = place_of(record.site)
                step.module_path, step.module = modules.around(record.site)
            else:
                step.module_path, step.module = modules.of_parameters(step.inputs)
        for value in self.constants:
            value.about = modules.about(value)

    def _leaf(self, leaf: AccumulateGrad) -> Leaf:
        value = cast(Value, self._values.at(leaf))
        held = None if leaf.grad is None else leaf.grad.array.copy()
        found = Leaf(value, self._values.addends(leaf, value), held)
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
            ✓ step 2: ∂u₁/∂w[1] = [0, 2]
            ✓ step 1: ∂L/∂w[1] = 2
            contributes 2
          path 2: w[1] → u₁ → L
            ✓ step 2: ∂u₁/∂w[1] = [0, 2]
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
            value = self._values.at(target._node)
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
        steps = counted(len(self.steps), "operation")
        return f"<Explanation of {steps} and {counted(len(self.leaves), 'leaf', 'leaves')}>"

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
            if isinstance(found, str) or (
                found.source == "table" and table.is_partial(step.derivative)
            ):
                continue
            with np.errstate(all="ignore"):
                outputs = found.moved(0, None)
            for index, output in step.outputs.items():
                if output.array is None and index in outputs:
                    output.array = np.asarray(outputs[index]).astype(output.dtype)
