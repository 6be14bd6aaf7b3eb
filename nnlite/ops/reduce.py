"""Reductions: sums, means, variances, any and all.

``dim`` (torch) and ``axis`` (NumPy), ``keepdim`` and ``keepdims`` are both taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record, record_outputs
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap

Dim = int | tuple[int, ...] | list[int] | None


def axes_of(dim: Dim, axis: Dim) -> int | tuple[int, ...] | None:
    """The dimensions that torch's argument or NumPy's names."""
    dim = axis if dim is None else dim
    if isinstance(dim, (list, tuple)):
        return tuple(dim) or None  # none of them: all
    return dim


def restore(g: Array, shape: tuple[int, ...], axis: Any, keepdim: bool) -> Array:
    """``g`` of a reduced shape, repeated along the reduced dimensions up to ``shape``."""
    if axis is not None and not keepdim:
        axes = (axis,) if isinstance(axis, int) else axis
        ndim = len(shape)
        reduced = {a % ndim for a in axes} if ndim else set()
        g = g.reshape(tuple(1 if i in reduced else n for i, n in enumerate(shape)))
    elif axis is None and keepdim is False and g.ndim:
        g = g.reshape(())
    return np.broadcast_to(g, shape)


class SumBackward0(Node):
    """y = Σ x:   ∂x = g, repeated to the shape of x"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (restore(g, *self.meta),)


class SumBackward1(SumBackward0):
    """y = Σ x over dimensions:   ∂x = g, repeated along them"""

    __slots__ = ()


def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The sum over all elements or over dimensions; of integers and bools in int64.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
    tensor([4., 6.])
    """
    if dtype is not None:
        input = input.to(dtype)
    a = array_of("sum", input)
    axes, keep = axes_of(dim, axis), keepdim or keepdims
    total = np.int64 if a.dtype.kind in "biu" else None
    y = a.sum(axis=axes, keepdims=keep, dtype=total)
    node = SumBackward0 if dim is None and axis is None else SumBackward1
    return record(y, node, (input._node,), (), (a.shape, axes, keep))


class MeanBackward0(Node):
    """y = Σ x / n:   ∂x = g / n, repeated to the shape of x"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        *shape, count = self.meta
        return (restore(g / count, *shape),)


class MeanBackward1(MeanBackward0):
    """y = Σ x / n over dimensions:   ∂x = g / n, repeated along them"""

    __slots__ = ()


def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The mean over all elements or over dimensions, of a floating point tensor.

    Raises:
        RuntimeError: for integers and bools, unless ``dtype`` is given.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 2.0], [3.0, 4.0]]).mean()
    tensor(2.5000)
    """
    if dtype is not None:
        input = input.to(dtype)
    a = array_of("mean", input)
    if a.dtype.kind != "f":
        raise RuntimeError(
            f"mean: needs a floating point tensor, got {a.dtype}; convert first: tensor.float()"
        )
    axes, keep = axes_of(dim, axis), keepdim or keepdims
    total = a.sum(axis=axes, keepdims=keep)
    count = a.size // total.size if total.size else count_of(a.shape, axes)
    # 0 / 0 is NaN, as the mean of nothing is in torch, but Python's division would raise.
    y = total / count if count else total * math.nan
    node = MeanBackward0 if dim is None and axis is None else MeanBackward1
    return record(y, node, (input._node,), (), (a.shape, axes, keep, count or 1))


def count_of(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements are reduced to one."""
    if axis is None or not shape:
        return math.prod(shape)
    axes = (axis,) if isinstance(axis, int) else axis
    return math.prod(shape[a] for a in axes)


class VarBackward0(Node):
    """y = Σ (x - x̄)² / (n - c):   ∂x = g 2 (x - x̄) / (n - c)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        shape, axis, keepdim, divisor = self.meta
        centred = x - x.mean(axis=axis, keepdims=True)
        return (restore(g, shape, axis, keepdim) * (centred * (2 / divisor)),)


def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The variance over all elements or over dimensions, divided by ``n - correction``.

    >>> import nnlite
    >>> nnlite.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    if unbiased is not None:
        correction = 1 if unbiased else 0
    a, y, meta = _variance("var", input, axes_of(dim, axis), keepdim or keepdims, correction)
    return record(y, VarBackward0, (input._node,), (a,), meta)


def _variance(
    function: str, input: Tensor, axes: Any, keep: bool, correction: float
) -> tuple[Array, Array, Any]:
    """The array, its variance, and what the derivative needs to know."""
    a = array_of(function, input)
    if a.dtype.kind != "f":
        raise RuntimeError(
            f"{function}: needs a floating point tensor, got {a.dtype}; convert first: "
            "tensor.float()"
        )
    if not a.ndim and axes in (0, -1):  # the one dimension that torch lets a number have
        axes = None
    divisor = max_of(count_of(a.shape, axes) - correction, 0)
    centred = a - a.mean(axis=axes, keepdims=True)
    y = (centred * centred).sum(axis=axes, keepdims=keep)
    y = y / divisor if divisor else np.where(y > 0, math.inf, math.nan).astype(a.dtype)
    return a, y, (a.shape, axes, keep, divisor or math.nan)


def max_of(a: float, b: float) -> float:
    """The larger of two numbers (the built-in ``max`` is an operator's name here)."""
    return a if a > b else b


class StdBackward0(Node):
    """y = √(Σ (x - x̄)² / (n - c)):   ∂x = g (x - x̄) / ((n - c) y)   (0 where y = 0)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        shape, axis, keepdim, divisor = self.meta
        centred = x - x.mean(axis=axis, keepdims=True)
        scale = g / np.where(y == 0, math.inf, y)
        return (restore(scale, shape, axis, keepdim) * (centred / divisor),)


def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The standard deviation, the square root of ``var``.

    >>> import nnlite
    >>> nnlite.tensor([1.0, 2.0, 3.0]).std()
    tensor(1.)
    """
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    if unbiased is not None:
        correction = 1 if unbiased else 0
    a, squared, meta = _variance("std", input, axes_of(dim, axis), keepdim or keepdims, correction)
    y = np.sqrt(squared)
    return record(y, StdBackward0, (input._node,), (a, y), meta)


class VarMeanBackward0(Node):
    """(v, m) = variance and mean of x:   ∂x = gᵥ 2 (x - m) / (n - c) + gₘ / n"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Any) -> tuple[Array, ...]:
        (x,) = self.saved
        shape, axis, keepdim, _ = self.meta
        mean = x.mean(axis=axis, keepdims=True)
        total: Any = 0
        if 0 in g:
            total = restore(self.spread(g[0], x, mean), shape, axis, keepdim) * (x - mean)
        if 1 in g:
            total = total + restore(g[1] / count_of(shape, axis), shape, axis, keepdim)
        return (total,)

    def spread(self, g: Any, x: Any, mean: Any) -> Any:
        """What the gradient of the first output is multiplied with x - m."""
        return g * (2 / self.meta[3])


class StdMeanBackward0(VarMeanBackward0):
    """(s, m) = standard deviation and mean of x:   ∂x = gₛ (x - m) / ((n - c) s) + gₘ / n"""

    __slots__ = ()

    def spread(self, g: Any, x: Any, mean: Any) -> Any:
        _, axis, keepdim, divisor = self.meta
        centred = x - mean
        squared = (centred * centred).sum(axis=axis, keepdims=keepdim) / divisor
        return g / (np.sqrt(np.where(squared == 0, math.inf, squared)) * divisor)


def _spread_and_mean(
    function: str, input: Tensor, dim: Any, unbiased: bool | None, keepdim: bool, correction: float
) -> tuple[Array, Array, Array, Any]:
    if isinstance(dim, bool):
        unbiased, dim = dim, None
    if unbiased is not None:
        correction = 1 if unbiased else 0
    a, squared, meta = _variance(function, input, axes_of(dim, None), keepdim, correction)
    return a, squared, a.mean(axis=meta[1], keepdims=keepdim), meta


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> tuple[Tensor, ...]:
    """``var`` and ``mean`` at once.

    >>> import nnlite
    >>> nnlite.var_mean(nnlite.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    a, squared, mean, meta = _spread_and_mean("var_mean", input, dim, unbiased, keepdim, correction)
    return record_outputs((squared, mean), VarMeanBackward0, (input._node,), (a,), meta)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float = 1,
) -> tuple[Tensor, ...]:
    """``std`` and ``mean`` at once.

    >>> import nnlite
    >>> nnlite.std_mean(nnlite.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    a, squared, mean, meta = _spread_and_mean("std_mean", input, dim, unbiased, keepdim, correction)
    deviation = np.sqrt(squared)
    return record_outputs((deviation, mean), StdMeanBackward0, (input._node,), (a,), meta)


def any(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether an element is true (not zero), of all or along dimensions."""
    a = array_of("any", input)
    return _truth(a, a.any(axis=_named(dim, axis), keepdims=keepdim or keepdims))


def all(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """Whether every element is true (not zero), of all or along dimensions."""
    a = array_of("all", input)
    return _truth(a, a.all(axis=_named(dim, axis), keepdims=keepdim or keepdims))


def _named(dim: Dim, axis: Dim) -> int | tuple[int, ...] | None:
    """``axes_of``, where naming none means none of them."""
    dim = axis if dim is None else dim
    return tuple(dim) if isinstance(dim, list) else dim


def _truth(a: Array, y: Array) -> Tensor:
    """``y`` as bools; of uint8 it stays uint8, which torch had before it had bools."""
    return wrap(y.astype(a.dtype) if a.dtype == np.uint8 else y)
