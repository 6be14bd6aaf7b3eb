"""The checks of what is printed: against the engine, and against finite differences in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.autograd.node import Cotangents, Node, Output
from nnlite.explain import forward, local
from nnlite.explain.model import Check, Index, Term
from nnlite.explain.recheck import INFINITE, Recheck, is_finite

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["adds_up", "misfit", "of_nothing", "of_rule"]

Array = Any
_STEP = 1e-6
_MOST = 100  # parts of a gradient that are compared by themselves


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
    line: Recheck,
) -> Check:
    """Check the gradient that a step sends to an input.

    Args:
        step, node, saved, g, position: the operation, its derivative, and which input.
        index: the element that is worked out.
        gradient: what the engine sends.
        terms: the products that are printed for the element; None where there are none.
        value: what the printed formula gives for it; None where it is in words.
        line: what the printed formula gives for the whole array.
    """
    again = _again(node, saved, g, position)
    engine_error = _distance(again, gradient)
    eps = float(np.finfo(gradient.dtype).eps) if gradient.dtype.kind == "f" else 1e-16
    upstream = local.outputs_of(g)
    weight = sum(_finite_sum(a) for a in upstream.values())
    sizes = [abs(t.product) + abs(t.upstream) for t in terms or ()]
    size = sum(filter(np.isfinite, sizes)) if sizes else weight
    tolerance = 64 * eps * size + 1e-300
    if not gradient.size:
        return Check("right", engine_error, 0.0, tolerance, "there are no elements", 0.0)
    at = float(gradient[index])
    if terms is not None and np.isfinite(sizes).all():
        engine_error = max(engine_error, _apart(sum(t.product for t in terms), at))
    if value is not None:
        vast = np.isinf(at) and abs(value) > float(np.finfo(gradient.dtype).max)
        engine_error = max(engine_error, 0.0 if vast else _apart(value, at))
    found = forward.of_step(step)
    if isinstance(found, str):
        verdict = _Verdict("unverified", None, found)
    else:
        slope = _Slope(found, position, upstream)
        verdict = _compared(slope, gradient, index, eps)
        if verdict.status == "wrong" and step.name in _MIDDLES:
            verdict = _tied(slope, gradient, step.array_of(position), eps) or verdict
        if verdict.status == "wrong" and step.name == "Clamp":
            verdict = _pinned(slope, gradient, step, eps) or verdict
    is_right = engine_error <= (
        max(tolerance, verdict.tolerance) if verdict.status == "right" else tolerance
    )
    status = verdict.status if is_right else "wrong"
    note = "; ".join(dict.fromkeys(filter(None, (line.note, verdict.note))))
    if line.status == "wrong" or status == "wrong":
        status = "wrong"
        if not is_finite(step):
            status, note = "unverified", INFINITE
    elif line.status in ("words", "missing"):
        status = "words" if line.status == "words" else "unverified"
    elif line.status == "convention" and status == "right":
        status = "kink"
    tolerance = max(tolerance, verdict.tolerance)
    return Check(
        status, engine_error, verdict.difference, tolerance, note, line.error, line.elements
    )


def misfit(gradient: Array, array: Array) -> str:
    """How a gradient fails to fit the array that it is the gradient of; empty where it fits."""
    if not hasattr(array, "dtype"):
        return ""
    if gradient.shape != array.shape:
        return f"the gradient has the shape {gradient.shape}, the value {array.shape}"
    if gradient.dtype != array.dtype:
        return f"the gradient is {gradient.dtype}, the value {array.dtype}"
    return ""


def of_nothing(step: Step, position: int) -> str:
    """The mark of a derivative that sends nothing back to an input: ✓ where the input does nothing.

    Args:
        step: the operation.
        position: of the input.
    """
    found = forward.of_step(step)
    x = None if isinstance(found, str) else found.input(position)
    if x is None or isinstance(found, str):
        return "~"
    upstream = local.outputs_of(step._explanation.run.arrived[step._node])
    slope = _Slope(found, position, upstream)
    verdict = slope.compare(np.zeros(x.shape), np.cos(1.0 + np.arange(x.size)).reshape(x.shape), 0)
    return {"right": "✓", "wrong": "✗", "kink": "≈"}.get(verdict.status, "~")


def adds_up(total: Array, parts: list[Array]) -> bool:
    """Whether an array is the sum of others, up to the rounding of its dtype."""
    if not total.size or total.dtype.kind != "f":
        return True
    if any(part.shape != total.shape for part in parts):
        return False
    with np.errstate(all="ignore"):
        found = sum(part.astype(np.float64) for part in parts)
        size = sum(np.abs(part.astype(np.float64)) for part in parts)
        apart = np.abs(found - total)
        allowed = 64 * float(np.finfo(total.dtype).eps) * size
    return bool(np.all((apart <= allowed) | ~np.isfinite(size)))


class _Verdict(NamedTuple):
    """What the differences say."""

    status: str
    difference: float | None
    note: str
    tolerance: float = 0.0


_KINK = "no derivative exists here (a kink): this is the convention"


_INFINITE = "a gradient is not finite here, which no difference can tell"
_PINNED = "where both bounds equal the value it cannot move: to pass the gradient is a convention"


# Of three equal values none moves the middle by itself: every difference is 0, all together are 1.
_MIDDLES = frozenset(("Median", "Nanmedian"))


def _tied(slope: _Slope, gradient: Array, x: Array, eps: float) -> _Verdict | None:
    """The verdict where equal values share a gradient, by moving them together."""
    if x is None:
        return None
    distinct, which = np.unique(x, return_inverse=True)
    if distinct.size == x.size:
        return None
    together = np.cos(1.0 + which.reshape(x.shape))
    found = slope.compare(gradient, together, eps)
    return found._replace(status="kink", note=_KINK) if found.status == "right" else None


def _pinned(slope: _Slope, gradient: Array, step: Step, eps: float) -> _Verdict | None:
    """The verdict where both bounds of a clamp equal the value, which then cannot move at all."""
    arrays = [step.array_of(place) for place in range(len(step.inputs))]
    if len(arrays) != 3 or any(array is None for array in arrays):
        return None
    x, lo, hi = arrays
    held = np.broadcast_to((x == lo) & (x == hi), step.output.shape)
    if not held.any() or gradient.shape != held.shape:
        return None
    free = np.where(held, 0.0, np.cos(1.0 + np.arange(held.size)).reshape(held.shape))
    found = slope.compare(gradient, free, eps)
    if found.status != "right":
        found = _searched(slope, gradient, free, eps, found)
    return found._replace(status="kink", note=_PINNED) if found.status != "wrong" else None


def _compared(slope: _Slope, gradient: Array, index: Index, eps: float) -> _Verdict:
    """Compare a gradient with differences: one element, and all at once along one direction."""
    one = slope.compare(gradient, _unit(gradient.shape, index), eps)
    wave = np.cos(1.0 + np.arange(gradient.size)).reshape(gradient.shape)
    if not np.isfinite(gradient).all():
        wave = np.where(np.isfinite(gradient), wave, 0.0)
        one = slope.compare(gradient, wave, eps)
        return one._replace(status="unverified", note=_INFINITE) if one.status != "wrong" else one
    every = slope.compare(gradient, wave, eps)
    if one.status == "right" and (every.status == "wrong" or every.note == _KINK):
        every = _searched(slope, gradient, wave, eps, every)
    if one.status != "right":
        return one
    if every.status == "right":
        return one._replace(difference=max(one.difference or 0.0, every.difference or 0.0))
    if every.status == "kink":
        return one._replace(status="kink", note=_KINK)
    return every


def _searched(slope: _Slope, gradient: Array, wave: Array, eps: float, found: _Verdict) -> _Verdict:
    """Whether it is kinks that keep a whole gradient from agreeing: the elements tell.

    Those that disagree are found by halving; each must have a kink.
    """
    stack = [np.arange(gradient.size)]
    kinks = 0
    for _ in range(_MOST):
        if not stack:
            break
        places = stack.pop()
        part = np.zeros(gradient.size)
        part[places] = wave.reshape(-1)[places]
        verdict = slope.compare(gradient, part.reshape(gradient.shape), eps)
        if verdict.status == "right":
            continue
        if len(places) > 1:
            stack += [places[: len(places) // 2], places[len(places) // 2 :]]
        elif verdict.status == "wrong":
            return verdict
        else:
            kinks += 1
    if kinks:
        return found._replace(status="kink", note=_KINK)
    if found.status == "wrong" or stack:
        return found._replace(status="wrong")
    return found._replace(status="right", note="")  # each part is, together they curve too much


def _unit(shape: tuple[int, ...], index: Any) -> Array:
    unit = np.zeros(shape)
    unit[index] = 1
    return unit


class _Slope:
    """Differences of ⟨g, f⟩ with respect to one input of an operation f.

    Args:
        function: f.
        position: of the input.
        upstream: g, by output index.
    """

    def __init__(
        self, function: forward.Forward, position: int, upstream: dict[int, Array]
    ) -> None:
        self.function = function
        self.position = position
        self.upstream = {i: g.astype(np.float64) for i, g in upstream.items()}
        self.weight = sum(map(_finite_sum, self.upstream.values()))
        self.size = 0.0
        self.here = float("nan")
        with np.errstate(all="ignore"):
            here = self._moved(None)
            if here is not None:
                self.here = self._weighted(here)
                self.size = sum(_finite_sum(g * here[i]) for i, g in self.upstream.items())

    def compare(self, gradient: Array, v: Array, eps: float) -> _Verdict:
        """Compare ⟨gradient, v⟩ with the slope along ``v``."""
        products = gradient[v != 0].astype(np.float64) * v[v != 0]
        scale = float(np.sum(np.abs(products)))
        rounding = 64 * eps * (scale + self.weight)
        best: tuple[float, float, float] | None = None
        for step in self._steps(v):
            allowed = 1e-6 * scale + rounding
            allowed += (1e-15 * self.size + 1e-17 * self.weight) / step
            measured = self.along(v, step)
            if measured is None:
                continue
            claimed = self._claimed(gradient, v, step)
            error = abs(claimed - measured[0])
            if error <= allowed:
                if self._bends(v, step, measured, allowed):
                    return _Verdict("kink", error, _KINK, allowed)
                return _Verdict("right", error, "", allowed)
            best = best or measured
        if best is None:
            return _Verdict("unverified", None, "the function is not finite beside this point")
        middle, left, right = best
        allowed = 1e-6 * scale + rounding + 1e-9 * self.size + 1e-11 * self.weight
        claimed = self._claimed(gradient, v, _STEP)
        error = abs(claimed - middle)
        closer = self.along(v, _STEP / 8)
        apart = abs(left - right) + (abs(closer[0] - middle) if closer else 0.0)
        if apart <= 1e-3 * (abs(left) + abs(right) + abs(middle)):
            return _Verdict("wrong", error, "", allowed)
        low, high = sorted((left, right))
        if low - allowed <= claimed <= high + allowed:
            return _Verdict("kink", error, _KINK, allowed)
        return _Verdict("unverified", None, _KINK, allowed)

    def _bends(
        self, v: Array, step: float, measured: tuple[float, float, float], allowed: float
    ) -> bool:
        """Whether the slopes to both sides differ, and not less so closer by: as |x| does at 0."""
        gap = measured[2] - measured[1]
        if abs(gap) <= 100 * allowed:
            return False
        closer = self.along(v, step / 8)
        return closer is not None and 0.5 < (closer[2] - closer[1]) / gap < 2

    def _steps(self, v: Array) -> list[float]:
        """How far to go: further from large numbers, less far from small ones."""
        x = self.function.input(self.position)
        if x is None or x.shape != v.shape:
            return [_STEP]
        sizes = np.abs(x[(v != 0) & np.isfinite(x) & (x != 0)])
        if not sizes.size:
            return [_STEP]
        found = [_STEP, _STEP * float(sizes.max()), _STEP * float(sizes.min())]
        return [step for step in dict.fromkeys(found) if 1e-14 <= step <= 1e6]

    def _claimed(self, gradient: Array, v: Array, step: float) -> float:
        """⟨gradient, v⟩, for v as far as a step along it leads after rounding."""
        x = self.function.input(self.position)
        if x is not None and x.shape == v.shape:
            with np.errstate(all="ignore"):
                exact = ((x + step * v) - (x - step * v)) / (2 * step)
            v = np.where((v != 0) & np.isfinite(x), exact, v)
        return float(np.sum(gradient[v != 0].astype(np.float64) * v[v != 0]))

    def along(self, v: Array, step: float) -> tuple[float, float, float] | None:
        """The central, left and right differences along ``v``; None where they are not finite."""
        with np.errstate(all="ignore"):
            above, below = self._moved(step * v), self._moved(-step * v)
            if above is None or below is None:
                return None
            plus, minus = self._weighted(above), self._weighted(below)
        if not all(map(np.isfinite, (plus, minus, self.here))):
            return None
        return (plus - minus) / (2 * step), (self.here - minus) / step, (plus - self.here) / step

    def _moved(self, by: Array | None) -> dict[int, Array] | None:
        """The outputs; None where the operation refuses such inputs (a probability above 1)."""
        try:
            return self.function.moved(self.position, by)
        except (ValueError, RuntimeError, IndexError):
            return None

    def _weighted(self, outputs: dict[int, Array]) -> float:
        return float(sum(np.sum(g * outputs[i]) for i, g in self.upstream.items()))


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


def _finite_sum(array: Array) -> float:
    """The sum of the absolute values of what is finite."""
    sizes = np.abs(array, dtype=np.float64)
    return float(sizes.sum(where=np.isfinite(sizes)))


def _apart(a: float, b: float) -> float:
    return 0.0 if a == b or (np.isnan(a) and np.isnan(b)) else abs(a - b)
