"""The checks of what is printed: against the engine, and against finite differences in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.node import Cotangents, Node, Output
from nnlite.explain import forward, local
from nnlite.explain.model import Check, Index, Term

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["of_rule"]

Array = Any
_STEP = 1e-6


def of_rule(
    step: Step,
    node: Node,
    saved: tuple[Any, ...],
    g: Any,
    position: int,
    index: Index,
    gradient: Array,
    terms: list[Term] | None,
    value: float | None,
) -> Check:
    """Check the gradient that a step sends to an input.

    Args:
        step, node, saved, g, position: the operation, its derivative, and which input.
        index: the element that is worked out.
        gradient: what the engine sends.
        terms: the products that are printed for the element; None where there are none.
        value: what the printed formula gives for it; None where it is in words.
    """
    again = _again(node, saved, g, position)
    engine_error = _distance(again, gradient)
    eps = float(np.finfo(gradient.dtype).eps) if gradient.dtype.kind == "f" else 1e-16
    upstream = local.outputs_of(g)
    weight = float(sum(np.abs(a, dtype=np.float64).sum() for a in upstream.values()))
    size = sum(abs(t.product) + abs(t.upstream) for t in terms) if terms else weight
    tolerance = 64 * eps * size + 1e-300
    if not gradient.size:
        return Check("right", engine_error, 0.0, tolerance, "there are no elements")
    notes = []
    at = float(gradient[index])
    if terms is not None:
        engine_error = max(engine_error, _apart(sum(t.product for t in terms), at))
    if value is not None:
        engine_error = max(engine_error, _apart(value, at))
    is_right = engine_error <= tolerance or (np.isnan(at) and engine_error == 0)
    difference, status = None, "unverified"
    found = forward.of_step(step)
    if isinstance(found, str):
        notes.append(found)
    else:
        unit = np.zeros(gradient.shape)
        unit[index] = 1
        wave = np.cos(1.0 + np.arange(gradient.size)).reshape(gradient.shape)
        status, difference = "right", 0.0
        for direction, slack in ((unit, tolerance), (wave, 64 * eps * (weight + 1e-30))):
            measured = _differences(found, position, direction, upstream)
            if measured is None:
                status, difference = "unverified", None
                notes.append("the function is not finite beside this point")
                break
            middle, left, right = measured
            claimed = float(np.sum(gradient.astype(np.float64) * direction))
            allowed = slack + 1e-6 * (abs(claimed) + _reach(found, position, direction, upstream))
            error = abs(claimed - middle)
            if error > allowed and abs(left - right) > 1e-3 * (abs(left) + abs(right)):
                status = "kink" if status == "right" else status
                lo, hi = sorted((left, right))
                if direction is unit and not lo - allowed <= claimed <= hi + allowed:
                    status = "wrong"
                notes.append("no derivative exists here (a kink): this is the convention")
            elif error > allowed:
                status = "wrong"
            if status != "kink":
                difference = max(difference, error)
            tolerance = max(tolerance, allowed) if direction is unit else tolerance
    if not is_right:
        status = "wrong"
    return Check(status, engine_error, difference, tolerance, "; ".join(dict.fromkeys(notes)))


def _again(node: Node, saved: tuple[Any, ...], g: Any, position: int) -> Array:
    result = local.run_again(node, saved, g)[position]
    edge = node.edges[position]
    if isinstance(result, Cotangents):
        result = result[edge.index if type(edge) is Output else 0]
    return np.asarray(result)


def _distance(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return float("inf")
    if not a.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float(np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, apart).max())


def _apart(a: float, b: float) -> float:
    return 0.0 if a == b or (np.isnan(a) and np.isnan(b)) else abs(a - b)


def _differences(
    function: forward.Forward, position: int, v: Array, upstream: dict[int, Array]
) -> tuple[float, float, float] | None:
    """The central, left and right differences of ⟨g, f⟩ along ``v``."""
    step = _STEP
    with np.errstate(all="ignore"):
        plus = _weighted(function.moved(position, step * v), upstream)
        minus = _weighted(function.moved(position, -step * v), upstream)
        here = _weighted(function.moved(position, None), upstream)
    if not all(map(np.isfinite, (plus, minus, here))):
        return None
    return (plus - minus) / (2 * step), (here - minus) / step, (plus - here) / step


def _weighted(outputs: dict[int, Array], upstream: dict[int, Array]) -> float:
    return float(sum(np.sum(g.astype(np.float64) * outputs[i]) for i, g in upstream.items()))


def _reach(function: forward.Forward, position: int, v: Array, upstream: dict[int, Array]) -> float:
    """The size of what a difference is taken of: its rounding is relative to that."""
    outputs = function.moved(position, None)
    total = sum(np.sum(np.abs(g.astype(np.float64) * outputs[i])) for i, g in upstream.items())
    return float(total) * 1e-3
