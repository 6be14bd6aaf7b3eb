"""What an explanation consists of: values, steps, rules, terms, checks. Plain data, no output.

Everything that is shown (text, page, pictures) is made from these objects, so that all of them
show the same equations and the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Addend", "Check", "Input", "Place", "Rule", "Term", "Update", "UpdateLine", "Value"]

Array = Any
Index = tuple[int, ...]


@dataclass(eq=False)
class Place:
    """Where in the user's code an operation was called."""

    file: str
    line: int
    function: str
    text: str  # the source line, stripped; may be empty


@dataclass(eq=False)
class Value:
    """A parameter, an input, or what an operation computed.

    Attributes:
        symbol: how equations call it: ``z₁``, ``W₂``, ``x``, ``L``; a number stands for itself.
        name: the dotted name of a parameter, or the name that the user gave; else empty.
        kind: "output" of an operation, "leaf" (its gradient is kept), "constant" (no gradient).
        shape, dtype: of the array.
        array: the numbers; None where neither a derivative nor a recording has kept them.
        gradient: ∂L/∂value, of the same shape, as the engine has summed it; None for constants.
        made_by: the number of the step of the operation that computed it; None for others.
        used_by: the numbers of the steps that send it a gradient, in the order of backward.
        uses: how often it was used: one step may use it twice (w · w).
        origin: where a recording has seen it computed, for a constant; else None.
        about: what a constant is, in words; may be empty.
    """

    symbol: str
    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: Any
    array: Array = None
    gradient: Array = None
    made_by: int | None = None
    used_by: list[int] = field(default_factory=list)
    uses: int = 0
    origin: Any = None
    about: str = ""

    @property
    def what(self) -> str:
        """The name where it says more than the symbol, and what it is where that is known."""
        about = self.about or ("data" if self.kind == "constant" else "a leaf")
        if self.name in ("", self.symbol):
            return about
        return f"{self.name}, {about}" if self.about else self.name

    @property
    def label(self) -> str:
        """The symbol, and the name where there is one: ``W₁ (0.weight)``."""
        return f"{self.symbol} ({self.name})" if self.name not in ("", self.symbol) else self.symbol


@dataclass(eq=False)
class Input:
    """One input of an operation: what its equation calls it, and the value that stood there."""

    role: str
    value: Value
    wanted: bool  # whether a gradient goes there


@dataclass(eq=False)
class Addend:
    """What one use of a value contributes to its gradient."""

    step: int  # the number of the step that sends it; 0: the start of the pass, ∂L/∂L = 1
    symbol: str  # ``∂L/∂a₁ via z₂``
    array: Array


@dataclass(eq=False)
class Term:
    """One product of the chain rule for one element: upstream · local."""

    output: Value
    output_index: Index
    upstream: float  # ∂L/∂y[j]
    local: float  # ∂y[j]/∂x[i]

    @property
    def product(self) -> float:
        """What this path of one step contributes."""
        return self.upstream * self.local


@dataclass(eq=False)
class Check:
    """How far a printed line is from the engine's gradient and from a finite difference.

    Attributes:
        status: "right" (the formula, the engine and a finite difference agree); "wrong"; "kink" (a
            convention: no derivative exists at this point, and the line has that of a side or a
            value between); "words" (the line is a sentence: only its numbers were checked);
            "unverified" (nothing disagrees, but something could not be worked out: ``note`` says
            what, why, and what to do).
        engine_error: the largest absolute difference between the engine's gradient and the
            derivative run again; and of the sum of the printed terms.
        difference_error: the same against a central difference in float64 of the operation alone,
            for the chosen element and for the whole gradient along one direction; None without.
        tolerance: up to what is right: the rounding of the dtype.
        note: a sentence, or empty.
        formula_error: the largest absolute difference between the engine's gradient and the value
            of the printed formula, worked out anew; None where it is in words, or lacks a value.
        elements: how many elements the formula was worked out for.
    """

    status: str
    engine_error: float
    difference_error: float | None
    tolerance: float
    note: str = ""
    formula_error: float | None = None
    elements: int = 0

    @property
    def mark(self) -> str:
        """✓, ✗, ≈ at a kink, or ~ for what could not be decided by a difference."""
        return {"right": "✓", "wrong": "✗", "kink": "≈"}.get(self.status, "~")


@dataclass(eq=False)
class Rule:
    """The gradient that one step sends to one of its inputs.

    Attributes:
        value: the input.
        role: what the operation's equation calls it.
        left, right: the two sides of the rule in the symbols of this pass:
            ``∂L/∂W₁`` and ``(∂L/∂z₁)ᵀ x``.
        places: the indices of the left side of a rule in index notation: ``[i, j]``; else empty.
        where: equations for symbols that stand in the right side and are none of the values.
        data: arrays that stand in it: the symbol, what it is, and its numbers.
        via: where the value is used more than once, which use this is: ``via z₂``; else empty.
        latex: both sides in LaTeX.
        reasons: why something is transposed or summed, a sentence each.
        gradient: the contribution of this step, of the input's shape.
        index: the element that is worked out.
        terms: the products whose sum is that element.
        total: the sum of the terms.
        numbers: the right side with the numbers of that element in it, for a rule that works
            element by element (``0.25 · 0.6225 · (1 - 0.6225)``); else empty.
        check: what became of the check.
    """

    value: Value
    role: str
    left: str
    via: str
    right: str
    latex: str
    reasons: list[str]
    gradient: Array
    index: Index
    terms: list[Term]
    total: float
    numbers: str
    check: Check
    places: str = ""
    where: tuple[str, ...] = ()
    data: list[tuple[str, str, Array]] = field(default_factory=list)

    @property
    def text(self) -> str:
        """``∂L/∂W₁ = (∂L/∂z₁)ᵀ x``"""
        return f"{self.left}{self.places}{self.via and ' ' + self.via} = {self.right}"


@dataclass(eq=False)
class UpdateLine:
    """One line of an optimizer's step: in symbols, with numbers, and its result.

    ``mark`` is ✓ for what has been worked out again, ✗ for what is wrong, ~ for neither.
    """

    formula: str
    numbers: str
    value: Any
    symbol: str
    mark: str = "✓"


@dataclass(eq=False)
class Update:
    """What the optimizer's next step does to one element of a parameter.

    Attributes:
        optimizer: its class's name.
        index: the element.
        lines: in the order of the computation; empty for an optimizer that is not spelt out.
        before, after: the element.
        error: the largest difference, over all elements, to a step of the optimizer on a copy.
        note: a sentence, or empty.
        mark: ✓, ✗ where a line is wrong, ~ where nothing could be compared.
        options: what the letters of the optimizer's options stand for.
    """

    optimizer: str
    index: Index
    lines: list[UpdateLine]
    before: float
    after: float
    error: float
    note: str = ""
    mark: str = "✓"
    options: dict[str, float] = field(default_factory=dict)
