"""Step: one operation of a pass, with its equation, its rules and their numbers."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.equation import equation, to_latex
from nnlite.autograd.node import Cotangents, Node, Output
from nnlite.explain import check, forms, forward, local, reasons
from nnlite.explain.facts import Formula
from nnlite.explain.formula import Equation, subscript, written
from nnlite.explain.forwards import ForwardLine, forward_lines
from nnlite.explain.model import Addend, Check, Index, Input, Place, Rule, Term, Value
from nnlite.explain.names import called, meaning, operation_name
from nnlite.explain.numbers import number_texts
from nnlite.explain.parse import NotAFormula, evaluate, letters, parse
from nnlite.explain.recheck import Line, recheck
from nnlite.explain.reread import holds, says
from nnlite.explain.rules import formula_of
from nnlite.explain.show import show
from nnlite.explain.stated import stated

if TYPE_CHECKING:
    from nnlite.explain.explanation import Explanation

__all__ = ["Step", "chosen_element"]

Array = Any


# Fused operations whose equations have gates and states for letters: they keep them.
_OWN_LETTERS = frozenset(("Gru", "Lstm", "Rnn"))


class Step:
    """One operation, as backward goes through it.

    Attributes:
        number: its place in the order of backward, from 1.
        name: the operation: ``Linear``; ``node_name``: its node: ``LinearBackward0``.
        module: ``1 (Linear)``; empty where it is not known.
        place: the user's line, or None without a recording.
        outputs: what it computed; most operations have one.
        inputs: what it was given, tensors and constants that its derivative reads.
        forward: ``z₁ = x W₁ᵀ + b₁``; ``forward_latex`` the same in LaTeX.
        rule: the derivative as the operation's docstring has it, in its own letters.
        remark: words that belong to the rule.
        all_addends: what has been summed up to the gradient of each output; ``addends`` of the
            first.
        hooked: whether a hook of the user's may change the gradient here; it was not called.

    ``rules``, the numbers and their checks, is computed when it is first asked for.
    """

    def __init__(self, explanation: Explanation, node: Node, number: int) -> None:
        self._explanation = explanation
        self._node = node
        self.number = number
        self.name = operation_name(node)
        self.node_name = node.name()
        self.module = ""
        self.module_path: tuple[str, ...] = ()
        self.place: Place | None = None
        self.outputs: dict[int, Value] = {}
        self.inputs: list[Input] = []
        self.all_addends: dict[int, list[Addend]] = {}
        self.hooked = node in explanation.run.hooked

    @property
    def output(self) -> Value:
        """The output, of several the first that a gradient has arrived at."""
        return next(iter(self.outputs.values()))

    @property
    def title(self) -> str:
        """The operation, and what it does where its name does not say it."""
        about = meaning(self.name)
        return called(self.name) + (f" ({about})" if about else "")

    @property
    def addends(self) -> list[Addend]:
        """What has been summed up to the gradient of the output."""
        return next(iter(self.all_addends.values()))

    @cached_property
    def equation(self) -> Equation:
        """The operation's equation, in its own letters."""
        text = forms.equation_of(self.derivative, self.saved)
        return Equation(type(self._node), len(self._node.edges), text)

    @property
    def derivative(self) -> Node:
        """The node whose ``backward`` ran (a copy, where a checkpoint had dropped its values)."""
        return self._explanation.run.derivatives[self._node]

    @property
    def saved(self) -> tuple[Any, ...]:
        """What the derivative reads."""
        return self._explanation.run.saved[self._node]

    def array_of(self, position: int) -> Array:
        """The numbers of an input, as far as anything has kept them."""
        return self._explanation.array_of(self.inputs[position].value)

    @cached_property
    def _symbols(self) -> dict[str, str]:
        symbols = {i.role: i.value.symbol for i in self.inputs}
        symbols.setdefault(self.equation.output, self.output.symbol)
        if len(self.outputs) > 1:
            for which, value in self.outputs.items():
                symbols[self.gradient_letter(which)] = f"(∂L/∂{value.symbol})"
        return symbols

    @property
    def rule(self) -> str:
        """The operation's equation in its own letters, as its docstring has it."""
        return equation(self._node)

    @property
    def remark(self) -> str:
        """What the equation says in words."""
        return self.equation.remark

    @cached_property
    def forward(self) -> str:
        """The forward formula in the symbols of this pass."""
        if self.name in _OWN_LETTERS:
            letters_ = ", ".join(f"{i.role} = {i.value.symbol}" for i in self.inputs)
            return f"{self.equation.forward}, for {letters_}, giving {self.output.symbol}"
        return written(self.equation.forward, self._symbols, self._upstream)

    @cached_property
    def forwards(self) -> list[ForwardLine]:
        """The forward line of each output, worked out and checked."""
        return forward_lines(self)

    def is_worked_out(self, value: Value) -> bool:
        """Whether a value's numbers were computed from the formulas: nothing has kept them."""
        return value.symbol in self._explanation.worked_out

    @property
    def forward_latex(self) -> str:
        """The forward formula in LaTeX."""
        return to_latex(self.forward)

    @property
    def _upstream(self) -> str:
        return f"∂L/∂{self.output.symbol}"

    @property
    def constants(self) -> dict[str, float]:
        """The numbers that letters of the equation stand for: ``{"n": 3.0}``."""
        text = self.equation.forward + " ".join(self.equation.rules.values())
        return {k: v for k, v in forms.constants(self._node).items() if k in text}

    def written(self, pattern: str) -> str:
        """A rule in the symbols of this pass."""
        return written(pattern, self._symbols, self._upstream, alone=True)

    @cached_property
    def rules(self) -> list[Rule]:
        """The gradient that goes to each input that wants one, worked out and checked."""
        return list(self._rules.values())

    @cached_property
    def _rules(self) -> dict[int, Rule]:
        return {
            position: self.rule_for(position)
            for position, edge in enumerate(self._node.edges)
            if edge and self._sent(position) is not None
        }

    def has_rule(self, position: int) -> bool:
        """Whether a gradient goes to the input at a position."""
        return position in self._rules

    def rule_at(self, position: int) -> Rule:
        """The rule of the input at a position."""
        return self._rules[position]

    def via_label(self, position: int) -> str:
        """By which way a gradient comes to a value that is used more than once."""
        edges = self._node.edges
        role = f" as {self.inputs[position].role}" if edges.count(edges[position]) > 1 else ""
        return f"via {self.output.symbol}{role}"

    def _sent(self, position: int) -> Any:
        edge = self._node.edges[position]
        target = edge.node if type(edge) is Output else edge
        for sent in self._explanation.run.sent.get(target, ()):
            if sent.node is self._node and sent.position == position:
                array = sent.array
                return array[edge.index] if isinstance(array, Cotangents) else array
        return None

    def rule_for(self, position: int, index: Index | None = None) -> Rule:
        """The rule of one input, with another element than the largest worked out.

        Args:
            position: of the input.
            index: of the element; default: the one with the largest gradient.
        """
        run = self._explanation.run
        given = self.inputs[position]
        gradient = self._sent(position)
        if index is None:
            index = chosen_element(gradient)
        node = run.derivatives[self._node]
        saved, g = run.saved[self._node], run.arrived[self._node]
        value = given.value
        kept: Array = None if self.is_worked_out(value) else value.array
        misfit = check.misfit(gradient, kept)
        left = f"∂L/∂{value.symbol}"
        via = self.via_label(position) if given.value.uses > 1 else ""
        pattern = self.equation.rule_of(given.role)
        formula, line = self.line_of(position)
        if misfit and gradient.shape != kept.shape:
            wrong = Check("wrong", float("inf"), None, 0.0, misfit)
            latex = to_latex(f"{left}{line.places} = {line.right}")
            return Rule(given.value, given.role, left, via, line.right, latex, [], gradient, index,
                        [], 0.0, "", wrong, line.places, line.where)  # fmt: skip
        terms, exact = self.terms_for(position, index)
        numbers, found = self.numbers_for(position, index, pattern)
        rule = Rule(
            value=given.value,
            role=given.role,
            left=left,
            via=via,
            right=line.right,
            latex=to_latex(f"{left}{line.places} = {line.right}"),
            reasons=[
                reason
                for reason in reasons.of(self, given, pattern, line.right, len(terms))
                if holds(reason, self, given, line.right)
            ],
            gradient=gradient,
            index=index,
            terms=terms,
            total=float(sum(term.product for term in terms)),
            numbers=numbers,
            check=check.of_rule(
                self, node, saved, g, position, index, gradient, terms if exact else None, found,
                recheck(self, line, gradient, index),
            ),
            places=line.places,
            where=line.where,
            data=[
                (letter, self.about(about), array)
                for letter, (about, array) in formula.data.items()
            ],
        )  # fmt: skip
        is_finite = np.isfinite(rule.total)
        if is_finite and not all(says(text, rule.total) for text in number_texts(rule)):
            rule.check.status = "wrong"
        if misfit:
            rule.check.status, rule.check.note = "wrong", misfit
        return rule

    @cached_property
    def silent(self) -> list[tuple[str, str]]:
        """The inputs that the derivative sends nothing to, with the mark of the check of that."""
        return [
            (self.inputs[position].value.symbol, check.of_nothing(self, position))
            for position, edge in enumerate(self._node.edges)
            if edge and self._sent(position) is None
        ]

    def about(self, text: str) -> str:
        """What is said of data, with the symbols of the input and of the output."""
        symbols = {"x": self.inputs[0].value.symbol, "y": self.output.symbol}
        return re.sub(r"\b[xy]\b", lambda found: symbols[found.group()], text)

    def line_of(self, position: int) -> tuple[Formula, Line]:
        """The rule of one input, in the letters of the equation and as it is printed."""
        given = self.inputs[position]
        formula = formula_of(self, position)
        if formula is None:
            formula = stated(self, position)
        right = self.written(formula.right)
        if not right:  # the equation has no line of its own for this input
            right = f"Σⱼ (∂L/∂{self.output.symbol})ⱼ ∂{self.output.symbol}ⱼ/∂{given.value.symbol}"
        where = tuple(map(self.written, formula.where))
        data = {letter: array for letter, (_, array) in formula.data.items()}
        return formula, Line(right, formula.places, where, data)

    @property
    def symbols_in_use(self) -> set[str]:
        """All symbols of the explanation."""
        return self._explanation.symbols_in_use

    def gradient_letter(self, which: int) -> str:
        """What rules call the gradient of an output: ``g``, or of several ``g₁``, ``g₂``."""
        return "g" if len(self.outputs) == 1 else f"g{subscript(which + 1)}"

    def numbers_for(self, position: int, index: Index, pattern: str) -> tuple[str, float | None]:
        """A rule that works element by element, with the numbers of one element in it.

        Returns:
            The right side with numbers, and its value; ("", None) for another rule.
        """
        shape, upstream = self.inputs[position].value.shape, self.output.gradient
        if not upstream.size or not all(self.inputs[position].value.shape):
            return "", None
        if len(self.outputs) > 1 or (upstream.shape != shape and upstream.ndim):
            return "", None
        try:
            tree = parse(pattern)
            arrays: dict[int, Array] = {}
            for place in range(len(self.inputs)):
                array = self.array_of(place)
                if array is not None:
                    arrays[place] = np.asarray(array, dtype=np.float64)
            values = forward.formula_values(self, arrays)
            values["g"] = upstream.astype(np.float64)
            y = self._explanation.array_of(self.output)
            if y is not None and self.equation.output not in values:
                values[self.equation.output] = y.astype(np.float64)
            with np.errstate(all="ignore"):
                for letter, definition in reversed(forward.formulas(self)[1:]):
                    values[letter] = evaluate(definition, values)
                at = {k: _element(v, index, shape) for k, v in values.items() if k in letters(tree)}
                result = float(evaluate(tree, at))
            return (show(tree, at), result) if np.isfinite(result) else ("", None)
        except NotAFormula:
            return "", None

    def terms_for(self, position: int, index: Index) -> tuple[list[Term], bool]:
        """The products ∂L/∂yⱼ · ∂yⱼ/∂xᵢ for one element i of an input, those that are not zero.

        Returns:
            The terms, and whether local derivatives could be computed.
        """
        run = self._explanation.run
        node = run.derivatives[self._node]
        saved, g = run.saved[self._node], run.arrived[self._node]
        shape = self.inputs[position].value.shape
        unit = np.zeros(shape)
        if not unit.size:
            return [], True
        unit[index] = 1
        try:
            columns = local.forwards(node, saved, g, position, unit)
        except RuntimeError:
            return [], False
        if not isinstance(columns, dict):
            columns = {0: columns}
        terms = []
        for which, column in columns.items():
            upstream = local.outputs_of(g)[which]
            for place in zip(*np.nonzero(np.atleast_1d(column))):
                at = tuple(int(i) for i in place) if column.ndim else ()
                if not upstream[at]:
                    continue
                terms.append(Term(self.outputs[which], at, float(upstream[at]), float(column[at])))
        return terms, True


def _element(value: Any, index: Index, shape: tuple[int, ...]) -> float:
    array = np.asarray(value)
    if array.ndim and array.shape != shape:
        raise NotAFormula("an array of another shape")
    return float(array[index] if array.ndim else array)


def chosen_element(array: Array) -> Index:
    """The index of the element with the largest absolute value (NaN counts as the largest)."""
    if not array.size:
        return (0,) * int(array.ndim)
    sizes = np.where(np.isnan(array), np.inf, np.abs(array))
    place = np.unravel_index(int(np.argmax(sizes)), array.shape)
    return tuple(int(i) for i in place)
