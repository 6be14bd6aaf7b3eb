"""Whether what is printed holds: sentences and lines of numbers are read again and checked.

The shapes of sentences are those of the gradients that the engine has computed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.explain.evaluator import Evaluator, Result
from nnlite.explain.formula import subscript
from nnlite.explain.parse import parse

if TYPE_CHECKING:
    from nnlite.explain.model import Input
    from nnlite.explain.step import Step

__all__ = ["holds", "says"]

Shape = tuple[int, ...]
_DIGITS = 1e-5  # the rounding of numbers with six digits

_SHAPE = r"\(([\d, ]*)\)"
_BROADCAST = re.compile(
    rf"(\S+) of shape {_SHAPE} was broadcast over ([\d ×]+) (row|place)s? of {_SHAPE}, so its "
    r"gradient sums over them"
)
_TRANSPOSED = re.compile(
    r"(\S+) is transposed so that the product sums over the (\d+) terms? through which each "
    rf"element acts: {_SHAPE} times {_SHAPE} is {_SHAPE}, the shape of (\S+)"
)
_SHARED = re.compile(
    r"the same (kernel|bias) (\S+) is used at (\d+) places? of each of (\d+) samples?, so its "
    r"gradient sums over all of them"
)
_SCALES = re.compile(
    rf"(\S+) of shape {_SHAPE} scales or shifts every place of the result {_SHAPE}, so its "
    r"gradient sums over the others"
)
_SUMMED = re.compile(
    r"each of the (\d+) elements that went into a (sum|mean) moved it by (\d+)(?:/(\d+))?, so all "
    rf"get the same gradient, repeated from {_SHAPE} to {_SHAPE}"
)
_MEAN = re.compile(r"the loss is the mean of (\d+), so every element is divided by (\d+)")


def _shape(text: str) -> Shape:
    return tuple(int(n) for n in re.findall(r"\d+", text))


def says(numbers: str, value: float, exact: Collection[float] = ()) -> bool:
    """Whether a line of numbers, as it is printed, gives a value, up to its rounding to six digits.

    Args:
        numbers: the line.
        value: what it should give.
        exact: numbers that are printed as they are, without rounding.

    >>> says("0.5 · (1 - 0.25)", 0.375), says("0.5 · (1 - 0.25)", 0.3753)
    (True, False)
    """
    numbers = re.sub(r" \(\d+ smaller terms\)$", "", numbers)
    if re.search(r"\b(nan|inf)\b", numbers):
        return True  # they follow no rule that could be checked
    values: dict[str, Result] = {}

    def letter(token: re.Match[str]) -> str:
        name, known = f"x{subscript(len(values))}", float(token[0])
        values[name] = Result(known, abs(known) * (1e-9 if known in exact else 1.0))
        return name

    text = re.sub(r"(?<![\w.])\d+\.?\d*(?:e[-+]?\d+)?", letter, numbers)
    try:
        found, size, _ = Evaluator(values, {}, matrices=False).run(parse(text))
    except ValueError:
        return False
    if not np.isfinite(found) or not np.isfinite(value):
        return bool(found == value) or bool(np.isnan(found) and np.isnan(value))
    return bool(abs(found - value) <= _DIGITS * (size + abs(value) / 64) + 1e-300)


def holds(sentence: str, step: Step, given: Input, right: str) -> bool:
    """Whether all that a reason says is so.

    Args:
        sentence: the reason.
        step, given: the operation, and the input that the rule is about.
        right: the right side of the rule, which has been worked out anew.
    """
    x, y = given.value.gradient.shape, step.output.gradient.shape
    symbol = given.value.symbol
    if found := _BROADCAST.fullmatch(sentence):
        name, own, count, what, full = found.groups()
        before = (1,) * (len(y) - len(x)) + x
        new = range(len(y) - len(x))
        times = tuple(n for axis, n in enumerate(y) if axis in new or before[axis] != n)
        is_rows = what == "row" and len(y) == 2 and x in ((y[1],), (1, y[1]))
        return (
            (name, _shape(own), _shape(full)) == (symbol, x, y)
            and _shape(count) == times
            and (is_rows or what == "place")
            and ("Σ" in right)
        )
    if found := _TRANSPOSED.fullmatch(sentence):
        return _is_product(found, step, x, symbol, right)
    if found := _SHARED.fullmatch(sentence):
        what, name, places, samples = found.groups()
        counts = prod(y[2:]), y[0]
        is_kernel = len(x) > 1
        return (name, int(places), int(samples)) == (symbol, *counts) and is_kernel == (
            what == "kernel"
        )
    if found := _SCALES.fullmatch(sentence):
        return (found[1], _shape(found[2]), _shape(found[3])) == (symbol, x, y)
    if found := _SUMMED.fullmatch(sentence):
        count, what, above, below, small, whole = found.groups()
        share = (above, below) == (("1", None) if what == "sum" else ("1", count))
        return (
            share
            and (_shape(small), _shape(whole)) == (y, x)
            and int(count) * max(prod(y), 1) == prod(x)
            and what == step.name.lower()
        )
    if found := _MEAN.fullmatch(sentence):
        return found[1] == found[2] and right.endswith(f"/ {found[1]}")
    return False


def _is_product(found: re.Match[str], step: Step, x: Shape, symbol: str, right: str) -> bool:
    what, count, first, second, product, name = found.groups()
    a, b, c = _shape(first), _shape(second), _shape(product)
    shapes: dict[str, Any] = {given.value.symbol: given.value for given in step.inputs}
    shapes[f"∂L/∂{step.output.symbol}"] = step.output
    turned = shapes.get(what)
    if turned is None or len(turned.shape) < 2 or f"{what}ᵀ" not in right.replace(")", ""):
        return False
    return (
        name == symbol
        and len(a) == len(b) == 2
        and a[1] == b[0] == int(count)
        and (a[0], b[1]) == c == x[-2:]
        and tuple(reversed(turned.shape[-2:])) in (a, b)
    )
