"""Choosing between values, element by element: limits, larger and smaller, where."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import (
    Array,
    array_of,
    constant,
    float_array,
    get_default_dtype,
    kept,
    no_bools,
    operands,
    same_dtype,
    unbroadcast,
)
from nnlite.tensor import Tensor, wrap


class ClampBackward1(Node):
    """y = min(max(x, lo), hi):   ∂x = g [lo ≤ x ≤ hi]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        low, high = self.meta
        if low is None:
            inside = x <= high
        else:
            inside = x >= low if high is None else (x >= low) & (x <= high)
        return (kept(g, inside),)


class ClampMinBackward0(ClampBackward1):
    """y = max(x, lo):   ∂x = g [x ≥ lo]"""

    __slots__ = ()


class ClampMaxBackward0(ClampBackward1):
    """y = min(x, hi):   ∂x = g [x ≤ hi]"""

    __slots__ = ()


class ClampBackward0(Node):
    """y = min(max(x, lo), hi):   ∂x = g [lo ≤ x ≤ hi],   ∂lo = g [x < lo < hi],
    ∂hi = g [x > hi or hi < lo]"""

    __slots__ = ()
    lifts = (0, 1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, low, high = self.saved
        to_x, to_low, to_high = self.edges
        shape, shape_low, shape_high = self.meta
        if high is None:
            inside, below, above = x >= low, x < low, None
        elif low is None:
            inside, below, above = x <= high, None, x > high
        else:
            inside = (x >= low) & (x <= high)
            below = (x < low) & (low < high)
            above = (x > high) | (high < low)
        return (
            unbroadcast(kept(g, inside), shape) if to_x else None,
            unbroadcast(kept(g, below), shape_low) if to_low else None,
            unbroadcast(kept(g, above), shape_high) if to_high else None,
        )


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``input`` limited to ``[min, max]``; within, bounds included, the gradient passes.

    Args:
        min, max: numbers, or tensors that broadcast; one of them may be missing.

    >>> import nnlite
    >>> nnlite.clamp(nnlite.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _clamp("clamp", ClampBackward1, input, min, max)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """``clamp`` with a lower bound only."""
    return _clamp("clamp_min", ClampMinBackward0, input, min, None)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """``clamp`` with an upper bound only."""
    return _clamp("clamp_max", ClampMaxBackward0, input, None, max)


def _clamp(function: str, node: type[Node], input: Tensor, min: Any, max: Any) -> Tensor:
    a = array_of(function, input)
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return _clamp_by_tensors(input, min, max)
    if isinstance(min, float) or isinstance(max, float):
        a = float_array(function, input)
    y = a
    if min is not None:
        min = constant(function, min)
        y = np.maximum(y, min)
    if max is not None:
        max = constant(function, max)
        y = np.minimum(y, max)
    return record(y, node, (input._node,), (a,), (min, max))


def _clamp_by_tensors(input: Tensor, min: Any, max: Any) -> Tensor:
    if not all(bound is None or isinstance(bound, Tensor) for bound in (min, max)):
        raise TypeError("clamp: min and max must both be numbers or both be tensors")
    given = [tensor for tensor in (input, min, max) if tensor is not None]
    arrays, found = same_dtype("clamp", *given)
    if len(given) == 3:
        no_bools("clamp", *arrays)
    a, rest, edges = arrays[0], iter(arrays[1:]), iter(found)
    low = None if min is None else next(rest)
    high = None if max is None else next(rest)
    edge = next(edges)
    to_low = None if min is None else next(edges)
    to_high = None if max is None else next(edges)
    y = a if low is None else np.maximum(a, low)
    y = y if high is None else np.minimum(y, high)
    shapes = tuple(getattr(bound, "shape", None) for bound in (a, low, high))
    return record(y, ClampBackward0, (edge, to_low, to_high), (a, low, high), shapes)


class MaximumBackward0(Node):
    """y = max(a, b):   ∂a = g [a ≥ b],   ∂b = g [b ≥ a];   half each where a = b"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        return self.share(g, a < b, b < a, a == b)

    def share(self, g: Array, second: Array, first: Array, tie: Array) -> tuple[Array, ...]:
        """g for the first but where the ``second`` was chosen, and vice versa; NaN is both."""
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        g = np.where(tie, 0.5 * g, g)
        return (
            unbroadcast(kept(g, ~second), shape_a) if to_a else None,
            unbroadcast(kept(g, ~first), shape_b) if to_b else None,
        )


class MinimumBackward0(MaximumBackward0):
    """y = min(a, b):   ∂a = g [a ≤ b],   ∂b = g [b ≤ a];   half each where a = b"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        return self.share(g, b < a, a < b, a == b)


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two tensors, element by element.

    >>> import nnlite
    >>> nnlite.maximum(nnlite.tensor([1.0, 5.0]), nnlite.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    a, b, edges, shapes = operands("maximum", input, other)
    return record(np.maximum(a, b), MaximumBackward0, edges, (a, b), shapes)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two tensors, element by element.

    >>> import nnlite
    >>> nnlite.minimum(nnlite.tensor([1.0, 5.0]), nnlite.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    a, b, edges, shapes = operands("minimum", input, other)
    return record(np.minimum(a, b), MinimumBackward0, edges, (a, b), shapes)


class WhereBackward0(Node):
    """y = a if c else b:   ∂a = g [c],   ∂b = g [not c]"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (condition,) = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta
        return (
            unbroadcast(kept(g, condition), shape_a) if to_a else None,
            unbroadcast(kept(g, ~condition), shape_b) if to_b else None,
        )


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` holds, ``other`` elsewhere, with broadcasting.

    With a condition alone: where it holds, as ``nonzero(condition, as_tuple=True)``.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, -2.0])
    >>> nnlite.where(x > 0, x, 0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        from nnlite.ops.order import nonzero

        return nonzero(condition, as_tuple=True)
    chosen = condition.array if isinstance(condition, Tensor) else condition
    if getattr(chosen, "dtype", np.float32) != np.bool_:
        raise TypeError(
            "where: condition must be a bool tensor, got "
            f"{getattr(chosen, 'dtype', type(chosen).__name__)}; compare first: x != 0"
        )
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        dtype = float if isinstance(input, float) or isinstance(other, float) else None
        y = np.where(chosen, input, other)
        return wrap(y.astype(get_default_dtype()) if dtype is float else y)
    a, b, edges, _ = operands("where", input, other)
    shapes = (getattr(a, "shape", ()), getattr(b, "shape", ()))
    return record(np.where(chosen, a, b), WhereBackward0, edges, (chosen,), shapes)


def where_method(input: Any, condition: Any, other: Any) -> Tensor:
    """``input.where(condition, other)``: the function's first argument comes second."""
    result: Tensor = where(condition, input, other)
    return result


class FmaxBackward0(Node):
    """y = max(a, b), NaN passed over:   ∂a = g [a ≥ b or b ≠ b],
    ∂b = g (1 - [a ≥ b or b ≠ b]);   only NaN is b ≠ b"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (first,) = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(kept(g, first), shape_a) if to_a else None,
            unbroadcast(kept(g, ~first), shape_b) if to_b else None,
        )


class FminBackward0(FmaxBackward0):
    """y = min(a, b), NaN passed over:   ∂a = g [a ≤ b or b ≠ b],
    ∂b = g (1 - [a ≤ b or b ≠ b]);   only NaN is b ≠ b"""

    __slots__ = ()


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """``maximum`` that takes the other element where one is NaN.

    >>> import nnlite
    >>> nnlite.fmax(nnlite.tensor([1.0, float("nan")]), nnlite.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    a, b, edges, shapes = operands("fmax", input, other)
    return record(np.fmax(a, b), FmaxBackward0, edges, ((a >= b) | np.isnan(b),), shapes)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """``minimum`` that takes the other element where one is NaN.

    >>> import nnlite
    >>> nnlite.fmin(nnlite.tensor([1.0, float("nan")]), nnlite.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    a, b, edges, shapes = operands("fmin", input, other)
    return record(np.fmin(a, b), FminBackward0, edges, ((a <= b) | np.isnan(b),), shapes)


class MaskedFillBackward0(Node):
    """y = c where the mask holds, else x:   ∂x = g outside of the mask"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (mask,) = self.saved
        return (unbroadcast(kept(g, ~mask), self.meta),)


class MaskedFillBackward1(Node):
    """y = v where the mask holds, else x:   ∂x = g outside of the mask,   ∂v = Σ g within"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (mask,) = self.saved
        return unbroadcast(kept(g, ~mask), self.meta), kept(g, mask).sum()


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` where ``mask`` holds, ``input`` elsewhere, with broadcasting; in its dtype.

    Args:
        mask: a bool tensor.
        value: a number or a 0-d tensor.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, -2.0])
    >>> x.masked_fill(x < 0, 0)
    tensor([1., 0.])
    """
    a, chosen = array_of("masked_fill", input), array_of("masked_fill", mask)
    if chosen.dtype != np.bool_:
        raise RuntimeError(f"masked_fill: mask must be bool, got {chosen.dtype}; use mask.bool()")
    if not isinstance(value, Tensor):
        if a.dtype.kind != "f" and value != int(value):
            raise RuntimeError(f"masked_fill: {value} cannot be written into {a.dtype}")
        y = np.where(chosen, np.asarray(value, dtype=a.dtype, like=a), a)
        return record(y, MaskedFillBackward0, (input._node,), (chosen,), a.shape)
    if value.array.ndim:
        raise RuntimeError(
            "masked_fill: value must be a number or a 0-d tensor, got the shape "
            f"{list(value.array.shape)}; where() takes any"
        )
    value = value.to(a.dtype)
    y = np.where(chosen, value.array, a)
    return record(y, MaskedFillBackward1, (input._node, value._node), (chosen,), a.shape)


class NanToNumBackward0(Node):
    """y = x, with numbers for NaN and ±∞:   ∂x = g where x is finite"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (finite,) = self.saved
        return (kept(g, finite),)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """``input`` with ``nan`` (default 0) for NaN, and other numbers for infinities.

    Args:
        posinf, neginf: default: the largest and the smallest number that the dtype holds.

    >>> import nnlite
    >>> nnlite.nan_to_num(nnlite.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    a = array_of("nan_to_num", input)
    y = np.nan_to_num(a, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)
    return record(y, NanToNumBackward0, (input._node,), (np.isfinite(a),))
