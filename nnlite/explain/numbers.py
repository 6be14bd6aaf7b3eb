"""Numbers and arrays as text: short enough to read, exact enough to calculate with."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.explain.model import Index, Rule

__all__ = [
    "array_text",
    "counted",
    "digits_for",
    "factor",
    "index_text",
    "number",
    "number_texts",
    "shape_text",
    "summary",
    "terms_text",
    "wrapped",
]

Array = Any
WIDTH = 100
SMALL = 24  # arrays of up to so many elements are shown whole
_LAST_DIGIT = 5e-6  # as a share of a number of six digits
_MOST_DIGITS = 12
TERMS = 12  # sums of up to so many terms are written out


def counted(count: int, one: str, many: str = "") -> str:
    """A number of things.

    >>> counted(1, "leaf", "leaves"), counted(2, "step")
    ('1 leaf', '2 steps')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def number(value: float, digits: int = 6) -> str:
    """A number with six significant digits, or another count of them.

    >>> number(0.1), number(2.0), number(1e-9), number(123456789.0), number(-0.0)
    ('0.1', '2', '1e-09', '1.23457e+08', '0')
    """
    return f"{value + 0.0:.{digits}g}"  # -0.0 + 0.0 is 0.0


def factor(value: float, digits: int = 6) -> str:
    """A number as a factor of a product: in brackets when it is negative."""
    text = number(value, digits)
    return f"({text})" if text.startswith("-") else text


def digits_for(result: Callable[[int], float], exact: float) -> int:
    """How many digits the numbers of a calculation need, for who does it by hand to get the result.

    Six do, unless terms cancel or a difference is small (``1 - a²`` where a is near 1).

    Args:
        result: of the calculation with numbers of so many digits.
        exact: what it should be, but for its sixth digit.
    """
    if not np.isfinite(exact):
        return 6
    with np.errstate(all="ignore"):
        for digits in range(6, _MOST_DIGITS):
            if abs(result(digits) - exact) <= _LAST_DIGIT * abs(exact):
                return digits
    return _MOST_DIGITS


def shape_text(shape: tuple[int, ...]) -> str:
    """``(4, 3)``; for a single number ``number``."""
    return str(tuple(shape)) if shape else "number"


def index_text(index: Index) -> str:
    """``[2, 0]``; nothing for a single number."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def array_text(array: Array, indent: int = 0) -> list[str]:
    """A small array whole, in aligned lines."""
    if array.ndim == 0:
        return [number(float(array))]
    with np.printoptions(threshold=SMALL + 1):
        text = np.array2string(
            array,
            separator=", ",
            max_line_width=96 - indent,
            formatter={"all": lambda v: number(float(v))},  # type: ignore[arg-type]
        )
    return [line for line in text.splitlines() if line.strip()]


def summary(array: Array) -> str:
    """The range and the norm of an array."""
    if not array.size:
        return "no elements"
    values = array.astype(np.float64)
    norm = float(np.sqrt(np.sum(values * values)))
    return (
        f"from {number(float(values.min()))} to {number(float(values.max()))}, norm {number(norm)}"
    )


def terms_text(rule: Rule) -> str:
    """The sum of a rule's terms with its numbers: ``0.5 · 0.1 + 0.25 · (-2)``.

    Of a long sum the largest terms are written out, the others as what they add up to.
    """
    terms = rule.terms
    if not terms:
        return "0"
    ordered = sorted(range(len(terms)), key=lambda i: -abs(terms[i].product))
    count = len(terms) if len(terms) <= TERMS else TERMS // 2
    shown = [terms[i] for i in sorted(ordered[:count])]
    rest = float(sum(terms[i].product for i in ordered[count:]))

    def result(digits: int) -> float:
        def rounded(value: float) -> float:
            return float(number(value, digits))

        return sum(rounded(t.upstream) * rounded(t.local) for t in shown) + rounded(rest)

    digits = digits_for(result, rule.total)
    parts = [f"{factor(t.upstream, digits)} · {factor(t.local, digits)}" for t in shown]
    if count < len(terms):
        parts.append(f"{factor(rest, digits)} ({len(terms) - count} smaller terms)")
    return " + ".join(parts)


def number_texts(rule: Rule) -> list[str]:
    """What is printed of a rule with numbers in it, each of which gives ``rule.total``."""
    if not rule.gradient.size:
        return []
    texts = [
        text for text in (rule.numbers, terms_text(rule)) if text not in ("", number(rule.total))
    ]
    factors = [sorted(text.split(" · ")) for text in texts]
    return texts[:1] if factors[1:] == factors[:1] else texts  # 3 · 2 and 2 · 3 are one line


def wrapped(line: str, indent: str = "    ") -> list[str]:
    """A line in lines of at most 100 columns, the later ones indented."""
    if len(line) <= WIDTH:
        return [line]
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
