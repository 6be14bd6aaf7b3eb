"""How far to go in a direction: the strong Wolfe conditions, by bracketing and zooming.

Sources: Nocedal and Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6, with the cubic
interpolation of their equation 3.59; the safeguards and constants are torch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Point", "strong_wolfe"]

_DECREASE = 1e-4  # of the loss that the slope promises, so much must come true
_FLATTER = 0.9  # of the slope at the start, so much may be left


class Point(NamedTuple):
    """A place on the line: how far it is, the loss, the gradient, and the slope along the line."""

    t: float
    loss: float
    gradient: Any
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    t: float,
    length: float,
    tolerance: float,
    limit: int,
) -> tuple[Point, int]:
    """A point with a loss that is low enough and a slope that is flat enough.

    Args:
        evaluate: makes the point at a distance.
        start: the point at distance 0.
        t: the distance to try first.
        length: the largest absolute element of the direction.
        tolerance: a bracket in which no element changes by more than this is not refined.
        limit: how many points may be evaluated after the first.

    Returns:
        The point, and how many were evaluated.
    """

    def is_too_high(point: Point) -> bool:
        return point.loss > start.loss + _DECREASE * point.t * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -_FLATTER * start.slope

    before, point = start, evaluate(t)
    count = 0  # evaluations after the first
    bracket = None
    while count < limit:
        if is_too_high(point) or (count > 1 and point.loss >= before.loss):
            bracket = [before, point]
            break
        if is_flat(point):
            return point, count + 1
        if point.slope >= 0:
            bracket = [before, point]
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        t = _cubic_minimum(before, point, bounds)
        before, point = point, evaluate(t)
        count += 1
    if bracket is None:
        bracket = [start, point]

    low = 0 if bracket[0].loss <= bracket[1].loss else 1
    is_near_end = False
    while count < limit:
        left, right = sorted((bracket[0].t, bracket[1].t))
        if (right - left) * length < tolerance:
            break
        t = _cubic_minimum(bracket[0], bracket[1], (left, right))
        # Twice near the same end, or on it: go a tenth of the bracket away from it.
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            is_near_end = False
        elif is_near_end or t >= right or t <= left:
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            is_near_end = False
        else:
            is_near_end = True
        point = evaluate(t)
        count += 1
        if is_too_high(point) or point.loss >= bracket[low].loss:
            bracket[1 - low] = point
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        is_done = is_flat(point)
        if not is_done and point.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = point
        if is_done:
            break
    return bracket[low], count + 1


def _cubic_minimum(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Where the cubic through two points with their slopes is lowest, within ``bounds``."""
    lowest, highest = bounds
    if a.t > b.t:
        a, b = b, a
    try:
        d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
        square = d1 * d1 - a.slope * b.slope
        if square >= 0:
            d2 = math.sqrt(square)
            t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
            return min(max(t, lowest), highest)
    except ZeroDivisionError:
        pass
    return (lowest + highest) / 2
