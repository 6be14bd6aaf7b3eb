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
_PRODUCT = re.compile(
    r"each element of (\S+) acts on (\d+) elements of (\S+), over which the product sums: "
    rf"{_SHAPE} times {_SHAPE} is {_SHAPE}, the shape of (\S+)"
)
_SOFTENED = re.compile(
    r"each element of (\S+) enters the sum Σ e\^(\S+) of all (\d+) along its axis, so its gradient "
    r"sums over these (\d+)"
)
_NORMED = re.compile(
    r"(the scale|the mean and the scale) of (\d+) elements of (\S+) are made from all of them, so "
    r"each acts on all (\d+): its gradient sums over them"
)
_REACHED = re.compile(
    r"each element of (\S+) meets up to (\d+) places? of the kernel in each of (\d+) channels? of "
    r"(\S+), so its gradient sums over them"
)
_REPEATED = re.compile(
    r"the same (\S+) is used at (\d+) steps? of each of (\d+) sequences?, so its gradient sums "
    r"over all of them"
)
_SEVERAL = re.compile(
    r"an element of (\S+) can act on several elements of (\S+), so its gradient sums over what "
    r"they bring"
)
_WINDOWS = re.compile(
    r"the sum goes over all windows, and an element of (\S+) gets something from those that it "
    r"(is the maximum of|lies in)"
)
_TAKEN = re.compile(
    r"the sum goes over all elements of (\S+), and an element of (\S+) gets something from those "
    r"that were taken from it"
)
_MOVED = re.compile(
    r"each element of (\S+) went to at most one element of (\S+), the one that the sum finds"
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

    # 1 - σ(x) stays as it is: it is not rounded to 0.
    text = re.sub(r"(?<![\w.])(?!1 - σ)\d+\.?\d*(?:e[-+]?\d+)?", letter, numbers)
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
    if found := _PRODUCT.fullmatch(sentence):
        shapes = [given.value.shape for given in step.inputs]
        a, b, c = (_shape(found[place]) for place in (4, 5, 6))
        return (
            (found[1], found[3], found[7]) == (symbol, step.output.symbol, symbol)
            and (a, c) == (y[-2:], x[-2:])
            and a[1] == b[0] == int(found[2])
            and any(b == shape[-2:] for shape in shapes)
            and "ᵀ" not in right
        )
    if "Σ" in right and (is_so := _several(sentence, step, symbol, right)) is not None:
        return is_so
    if found := _MEAN.fullmatch(sentence):
        return found[1] == found[2] and right.endswith(f"/ {found[1]}")
    return False


def _several(sentence: str, step: Step, symbol: str, right: str) -> bool | None:
    """Whether a sentence about an element that acts in several places holds; None for others."""
    x, y = step.inputs[0].value.shape, step.output.gradient.shape
    if found := _SOFTENED.fullmatch(sentence):
        count = len(np.moveaxis(step.output.gradient, step.derivative.meta, 0)) if y else 1
        return found.groups() == (symbol, symbol, str(count), str(count))
    if found := _NORMED.fullmatch(sentence):
        what = "the scale" if step.name == "RmsNorm" else "the mean and the scale"
        size = prod(x) // int(found[2])
        known = (what, found[2], symbol, found[2])
        return (
            found.groups() == known
            and size * int(found[2]) == prod(x)
            and (f" / {found[2]}" in right)
        )
    if found := _REACHED.fullmatch(sentence):
        kernel = step.inputs[1].value.shape
        groups = (y if step.name.startswith("Transposed") else x)[1] // kernel[1]
        reached = prod(kernel[2:]), y[1] // groups
        return (found[1], found[4]) == (symbol, step.output.symbol) and (
            int(found[2]),
            int(found[3]),
        ) == reached
    if found := _REPEATED.fullmatch(sentence):
        return (found[1], int(found[2]), int(found[3])) == (symbol, y[0], y[1])
    if found := _WINDOWS.fullmatch(sentence):
        return found[1] == symbol and (found[2] == "lies in") == ("Avg" in step.name)
    if found := _TAKEN.fullmatch(sentence):
        return found.groups() == (step.output.symbol, symbol)
    if found := _SEVERAL.fullmatch(sentence) or _MOVED.fullmatch(sentence):
        return found.groups() == (symbol, step.output.symbol)
    return None


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
