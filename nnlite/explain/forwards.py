"""The forward line of an operation: what it computes, as a formula, worked out and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnlite.explain.facts import Formula
from nnlite.explain.forwards_facts import Result
from nnlite.explain.forwards_layers import LAYERS
from nnlite.explain.forwards_shape import SHAPES
from nnlite.explain.forwards_values import VALUES
from nnlite.explain.forwards_words import words_of
from nnlite.explain.numbers import number
from nnlite.explain.parse import NotAFormula, definition_texts
from nnlite.explain.recheck import Line, Recheck, recheck_forward
from nnlite.explain.stated import kept

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["ForwardLine", "formula_of", "forward_lines"]

Array = Any
_FORMULAS = {**SHAPES, **VALUES, **LAYERS}
_WORDS = "a sentence: only the numbers were checked"


@dataclass(eq=False)
class ForwardLine:
    """What an operation computes, as it is printed.

    Attributes:
        text: ``y[i, j] = x[j, i]``.
        words: the same in words, where the formula is in index notation; else empty.
        where: equations for symbols on the way.
        data: arrays that stand in it: the symbol, what it is, and its numbers.
        check: whether it gives what was computed.
    """

    text: str
    words: str
    where: tuple[str, ...]
    data: list[tuple[str, str, Array]]
    check: Recheck

    @property
    def mark(self) -> str:
        """✓, ✗, ≈ for a convention, or ~ for what was not worked out."""
        return {"right": "✓", "wrong": "✗", "convention": "≈"}.get(self.check.status, "~")

    @property
    def note(self) -> str:
        """What the check has found; empty for a line that is right."""
        if self.check.status == "right":
            return ""
        if self.check.status == "wrong":
            off = number(self.check.error or 0.0)
            return f"wrong: {off} off{self.check.note and '; ' + self.check.note}"
        return self.check.note or _WORDS


def formula_of(step: Step, which: int) -> Formula | None:
    """The forward formula for one output; None where the equation is in words.

    Args:
        step: the operation.
        which: the output.
    """
    maker = _FORMULAS.get(type(step.derivative).__name__)
    if maker is not None:
        return maker(Result(step, which))
    text = re.sub(r",\s+(in place|copied)$", "", step.equation.forward)
    try:
        (_, right), *others = definition_texts(text)
    except NotAFormula:
        return None
    return Formula(right, where=tuple(f"{c} = {inner}" for c, inner in reversed(others)),
                   data=kept(step))  # fmt: skip


def forward_lines(step: Step) -> list[ForwardLine]:
    """A line for each output of an operation."""
    lines = []
    for which, value in sorted(step.outputs.items()):
        if 0 in value.shape:
            nothing = Recheck("right", 0.0, 0)
            lines.append(ForwardLine(f"{value.symbol} has no elements", "", (), [], nothing))
            continue
        formula = formula_of(step, which)
        if formula is None:
            lines.append(ForwardLine(step.forward, "", (), [], Recheck("words", None, 0, _WORDS)))
            continue
        where = tuple(map(step.written, formula.where))
        data = {letter: array for letter, (_, array) in formula.data.items()}
        line = Line(step.written(formula.right), formula.places, where, data)
        check = recheck_forward(step, line, which)
        is_plain = type(step.derivative).__name__ not in _FORMULAS
        lines.append(ForwardLine(
            step.forward if is_plain else f"{value.symbol}{line.places} = {line.right}",
            "" if is_plain or not line.places else words_of(step, value.symbol),
            () if is_plain else where,
            [(letter, step.about(about), array) for letter, (about, array) in formula.data.items()],
            check,
        ))  # fmt: skip
    return lines
