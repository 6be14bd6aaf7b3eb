"""A plot in characters: curves in braille, or in ASCII where the output cannot show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["TextCurve", "text_plot"]

_BRAILLE = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of the dots, row by row
_DECADES = 100.0  # values that span more than this ratio are drawn on a log scale
_HUGE = 1e100  # beyond this the differences may overflow
_RESET = "\x1b[0m"
_CODES = ("\x1b[34m", "\x1b[33m", "\x1b[32m", "\x1b[35m")  # blue, yellow, green, magenta
_MARKS = "o*+x"


class TextCurve(NamedTuple):
    """A curve of a text plot."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


def text_plot(
    curves: Sequence[TextCurve],
    *,
    width: int = 72,
    height: int = 10,
    braille: bool = True,
    color: bool = False,
    x_name: str = "epoch",
) -> list[str]:
    """Draw curves in characters.

    Positive values that span more than two powers of ten get a log scale; nan, infinity and
    numbers beyond 1e100 are left out.

    Args:
        curves: up to four.
        width, height: characters in all, legend and axis included.
        braille: two by four dots in a character, else ASCII with a mark for each curve.
        color: a colour for each curve, by ANSI codes.
        x_name: what the horizontal axis counts.

    Returns:
        ``height`` lines, none wider than ``width`` (the codes of colours apart).

    >>> curve = TextCurve("loss", [1, 2, 3, 4, 5], [1.0, 0.5, 0.3, 0.2, 0.15])
    >>> print("\\n".join(text_plot([curve], width=32, height=7, braille=False)))
      o loss 0.15
       1|oo
        |  ooo
        |     ooooo
        |          ooooooo
    0.15|                 oooooooooo
         1          epoch          5
    """
    drawn = [_finite(curve) for curve in curves]
    legend = _legend(curves, braille, color, width)
    values = [y for curve in drawn for _, y in curve]
    if not values:
        return [legend, *["" for _ in range(height - 2)], "no value is a finite number"[:width]]
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > _DECADES
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    labels = [f"{high:.3g}", f"{low:.3g}"]
    margin = max(map(len, labels))
    columns, rows = max(width - margin - 1, 4), max(height - 2, 1)
    scale = (math.log(low), math.log(high)) if logarithmic else (low, high)
    first = min(x for curve in drawn for x, _ in curve)
    last = max(x for curve in drawn for x, _ in curve)
    fine = (2, 4) if braille else (1, 1)
    size = (columns * fine[0], rows * fine[1])
    canvas: dict[tuple[int, int], int] = {}
    owner: dict[tuple[int, int], int] = {}
    for number, curve in enumerate(drawn):
        points = []
        for x, y in curve:
            level = math.log(y) if logarithmic else y
            across = (x - first) / ((last - first) or 1.0)
            up = (level - scale[0]) / (scale[1] - scale[0])
            points.append((round(across * (size[0] - 1)), round((1 - up) * (size[1] - 1))))
        for column, row in _line(points):
            place = (row // fine[1], column // fine[0])
            canvas[place] = canvas.get(place, 0) | _BITS[row % fine[1]][column % fine[0]]
            owner[place] = number
    lines = [legend]
    bar = "│" if braille else "|"
    for row in range(rows):
        label = {0: labels[0], rows - 1: labels[1]}.get(row, "")
        cells = []
        for column in range(columns):
            bits, number = canvas.get((row, column), 0), owner.get((row, column), 0)
            sign = chr(_BRAILLE + bits) if braille else _MARKS[number % len(_MARKS)]
            cells.append(_painted(sign, number, color) if bits else " ")
        lines.append((label.rjust(margin) + bar + "".join(cells)).rstrip())
    ends = f"{first:g}", f"{last:g}"
    name = x_name + (", values on a log scale" if logarithmic else "")
    middle = name.center(columns - sum(map(len, ends)))[: max(columns - sum(map(len, ends)), 0)]
    lines.append((" " * (margin + 1) + ends[0] + middle + ends[1])[:width])
    return lines


def _finite(curve: TextCurve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if abs(y) < _HUGE]


def _line(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The dots from point to point, as straight as dots can be."""
    dots = list(points[:1])
    for (x0, y0), (x1, y1) in pairwise(points):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(1, steps + 1):
            share = step / steps
            dots.append((x0 + round((x1 - x0) * share), y0 + round((y1 - y0) * share)))
    return dots


def _legend(curves: Sequence[TextCurve], braille: bool, color: bool, width: int) -> str:
    """The name and the last value of each curve, as many as there is room for."""
    text, used = "", 0
    for number, curve in enumerate(curves):
        last = next((y for y in reversed(curve.y) if y == y), math.nan)
        sign = "━" if braille else _MARKS[number % len(_MARKS)]
        words = f"{curve.name} {last:.4g}"
        if used + len(words) + 4 > width:
            break
        text += f"  {_painted(sign, number, color)} {words}"
        used += len(words) + 4
    return text


def _painted(sign: str, number: int, color: bool) -> str:
    return f"{_CODES[number % len(_CODES)]}{sign}{_RESET}" if color else sign
