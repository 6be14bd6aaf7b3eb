"""Numbers and arrays as text: short enough to read, exact enough to calculate with."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from nnlite.explain.model import Index, Rule

__all__ = [
    "array_text",
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
TERMS = 12  # sums of up to so many terms are written out


def number(value: float) -> str:
    """A number with six significant digits.

    >>> number(0.1), number(2.0), number(1e-9), number(123456789.0), number(-0.0)
    ('0.1', '2', '1e-09', '1.23457e+08', '0')
    """
    return f"{value + 0.0:.6g}"  # -0.0 + 0.0 is 0.0


def factor(value: float) -> str:
    """A number as a factor of a product: in brackets when it is negative."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


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
    return text.splitlines()


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
    if len(terms) <= TERMS:
        return " + ".join(f"{factor(t.upstream)} · {factor(t.local)}" for t in terms)
    ordered = sorted(range(len(terms)), key=lambda i: -abs(terms[i].product))
    shown = sorted(ordered[: TERMS // 2])
    rest = sum(terms[i].product for i in ordered[TERMS // 2 :])
    parts = [f"{factor(terms[i].upstream)} · {factor(terms[i].local)}" for i in shown]
    return f"{' + '.join(parts)} + {factor(rest)} ({len(terms) - len(shown)} smaller terms)"


def number_texts(rule: Rule) -> list[str]:
    """What is printed of a rule with numbers in it, each of which gives ``rule.total``."""
    if not rule.gradient.size:
        return []
    total = number(rule.total)
    return [text for text in dict.fromkeys((rule.numbers, terms_text(rule)))
            if text not in ("", total)]  # fmt: skip


def wrapped(line: str, indent: str = "    ") -> list[str]:
    """A line in lines of at most 100 columns, the later ones indented."""
    if len(line) <= WIDTH:
        return [line]
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
