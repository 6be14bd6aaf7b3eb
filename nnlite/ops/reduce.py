"""Reductions: sums, means, variances, extremes, and the softmax family.

``dim`` (torch) and ``axis`` (NumPy), ``keepdim`` and ``keepdims`` are both taken.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.node import Node, record, record_outputs
from nnlite.ops.operands import Array, array_of, float_array, kept
from nnlite.tensor import Tensor, as_array, wrap

Dim = int | tuple[int, ...] | list[int] | None


class ValuesIndices(NamedTuple):
    """What ``max`` and ``min`` over one dimension return."""

    values: Tensor
    indices: Tensor


def _axes(dim: Dim, axis: Dim) -> int | tuple[int, ...] | None:
    dim = axis if dim is None else dim
    return tuple(dim) if isinstance(dim, list) else dim


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
    axes, keep = _axes(dim, axis), keepdim or keepdims
    if axes == ():
        axes = None
    total = np.int64 if a.dtype.kind in "biu" else None
    y = a.sum(axis=axes, keepdims=keep, dtype=total)
    node = SumBackward0 if axes is None else SumBackward1
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
    axes, keep = _axes(dim, axis), keepdim or keepdims
    if axes == ():
        axes = None
    total = a.sum(axis=axes, keepdims=keep)
    count = a.size // total.size if total.size else _count(a.shape, axes)
    # 0 / 0 is NaN, as the mean of nothing is in torch, but Python's division would raise.
    y = total / count if count else total * math.nan
    node = MeanBackward0 if axes is None else MeanBackward1
    return record(y, node, (input._node,), (), (a.shape, axes, keep, count or 1))


def _count(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements are reduced to one."""
    if axis is None:
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
    a, y, meta = _variance("var", input, _axes(dim, axis), keepdim or keepdims, correction)
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
    if axes == ():
        axes = None
    divisor = max_of(_count(a.shape, axes) - correction, 0) or math.nan
    centred = a - a.mean(axis=axes, keepdims=True)
    y = (centred * centred).sum(axis=axes, keepdims=keep) / divisor
    return a, y, (a.shape, axes, keep, divisor)


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
    a, squared, meta = _variance("std", input, _axes(dim, axis), keepdim or keepdims, correction)
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
            total = total + restore(g[1] / _count(shape, axis), shape, axis, keepdim)
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
    a, squared, meta = _variance(function, input, _axes(dim, None), keepdim, correction)
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


# ---- extremes -----------------------------------------------------------------------------------


class AmaxBackward0(Node):
    """y = max x:   ∂x = g [x = y] / (number of such x)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        shape, axis, keepdim = self.meta
        hit = x == restore(y, shape, axis, keepdim)
        count = hit.sum(axis=axis, keepdims=True)
        return (restore(g, shape, axis, keepdim) * hit / count.astype(g.dtype),)


class AminBackward0(AmaxBackward0):
    """y = min x:   ∂x = g [x = y] / (number of such x)"""

    __slots__ = ()


class MaxBackward1(AmaxBackward0):
    """y = max x:   ∂x = g [x = y] / (number of such x)   (of NaNs, where there are any)"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        hit = (x == y) | np.isnan(x)
        return (kept(np.broadcast_to(g / hit.sum().astype(g.dtype), x.shape), hit),)


class MinBackward1(MaxBackward1):
    """y = min x:   ∂x = g [x = y] / (number of such x)   (of NaNs, where there are any)"""

    __slots__ = ()


class MaxBackward0(Node):
    """y = max x over a dimension:   ∂x = g at the place of the maximum, 0 elsewhere"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (indices,) = self.saved
        shape, axis, keepdim = self.meta
        if not shape:
            return (g,)
        places = np.arange(shape[axis], like=indices).reshape(
            tuple(-1 if i == axis % len(shape) else 1 for i in range(len(shape)))
        )
        hit = places == np.expand_dims(indices, axis)
        return (kept(restore(g, shape, axis, keepdim), hit),)


class MinBackward0(MaxBackward0):
    """y = min x over a dimension:   ∂x = g at the place of the minimum, 0 elsewhere"""

    __slots__ = ()


def amax(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The largest element, of all or along dimensions; equal ones share the gradient.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).amax(dim=1)
    tensor([5., 4.])
    """
    return _extreme("amax", np.max, AmaxBackward0, input, _axes(dim, axis), keepdim or keepdims)


def amin(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The smallest element, of all or along dimensions; equal ones share the gradient.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).amin(dim=1)
    tensor([1., 3.])
    """
    return _extreme("amin", np.min, AminBackward0, input, _axes(dim, axis), keepdim or keepdims)


def _extreme(
    function: str, find: Any, node: type[Node], input: Tensor, axis: Any, keepdim: bool
) -> Tensor:
    a = array_of(function, input)
    if a.size == 0 and _count(a.shape, axis) == 0:
        raise RuntimeError(f"{function}: nothing to choose from, shape {list(a.shape)}")
    y = find(a, axis=axis, keepdims=keepdim)
    return record(y, node, (input._node,), (a, y), (a.shape, axis, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; with ``dim``: the largest along it and where (values, indices);
    with a second tensor: ``maximum`` of both.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).max(dim=1).indices
    tensor([1, 1])
    """
    nodes = (MaxBackward1, MaxBackward0)
    dim = dim if other is None else other
    return _choose("max", np.max, np.argmax, nodes, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; with ``dim``: the smallest along it and where (values, indices);
    with a second tensor: ``minimum`` of both.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).min()
    tensor(1.)
    """
    nodes = (MinBackward1, MinBackward0)
    dim = dim if other is None else other
    return _choose("min", np.min, np.argmin, nodes, input, dim, keepdim)


def _choose(
    function: str,
    find: Any,
    where: Any,
    nodes: tuple[type[Node], type[Node]],
    input: Tensor,
    dim: Any,
    keepdim: bool,
) -> Any:
    if isinstance(dim, Tensor):
        from nnlite.ops.choose import maximum, minimum

        return (maximum if function == "max" else minimum)(input, dim)
    if dim is None:
        return _extreme(function, find, nodes[0], input, None, False)
    a = array_of(function, input)
    if a.ndim == 0 and dim in (0, -1):  # the one dimension that torch lets a number have
        values = record(a.copy(), nodes[1], (input._node,), (None,), (a.shape, dim, keepdim))
        return ValuesIndices(values, wrap(np.zeros_like(a, dtype=np.int64)))
    indices = as_array(where(a, axis=dim))
    y = np.take_along_axis(a, np.expand_dims(indices, dim), dim)
    if not keepdim:
        y = y.squeeze(dim)
    values = record(y, nodes[1], (input._node,), (indices,), (a.shape, dim, keepdim))
    return ValuesIndices(values, wrap(np.expand_dims(indices, dim) if keepdim else indices))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: the index in the flat tensor, or along ``dim``.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [7.0, 4.0]]).argmax(dim=1)
    tensor([1, 0])
    """
    return wrap(array_of("argmax", input).argmax(axis=dim, keepdims=keepdim))


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is: the index in the flat tensor, or along ``dim``.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [7.0, 4.0]]).argmin(dim=1)
    tensor([0, 1])
    """
    return wrap(array_of("argmin", input).argmin(axis=dim, keepdims=keepdim))


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
    return _truth(a, a.any(axis=_axes(dim, axis), keepdims=keepdim or keepdims))


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
    return _truth(a, a.all(axis=_axes(dim, axis), keepdims=keepdim or keepdims))


def _truth(a: Array, y: Array) -> Tensor:
    """``y`` as bools; of uint8 it stays uint8, which torch had before it had bools."""
    return wrap(y.astype(a.dtype) if a.dtype == np.uint8 else y)


# ---- the softmax family -------------------------------------------------------------------------


class SoftmaxBackward0(Node):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ:   ∂x = y (g - Σⱼ gⱼ yⱼ)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (y * (g - (g * y).sum(axis=self.meta, keepdims=True)),)


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Exponentials along ``dim``, divided by their sum.

    >>> import nnlite
    >>> nnlite.tensor([0.0, 0.0]).softmax(dim=0)
    tensor([0.5000, 0.5000])
    """
    dim = _one_dim("softmax", dim)
    if dtype is not None:
        input = input.to(dtype)
    a = float_array("softmax", input)
    e = np.exp(a - a.max(axis=dim, keepdims=True)) if a.size else a
    y = e / e.sum(axis=dim, keepdims=True)
    return record(y, SoftmaxBackward0, (input._node,), (y,), dim)


class LogSoftmaxBackward0(Node):
    """yᵢ = xᵢ - ln Σⱼ e^xⱼ:   ∂x = g - e^y Σⱼ gⱼ"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g - np.exp(y) * g.sum(axis=self.meta, keepdims=True),)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``, computed without its rounding to 0.

    >>> import nnlite
    >>> nnlite.tensor([0.0, 0.0]).log_softmax(dim=0)
    tensor([-0.6931, -0.6931])
    """
    dim = _one_dim("log_softmax", dim)
    if dtype is not None:
        input = input.to(dtype)
    a = float_array("log_softmax", input)
    shifted = a - a.max(axis=dim, keepdims=True) if a.size else a
    y = shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return record(y, LogSoftmaxBackward0, (input._node,), (y,), dim)


def _one_dim(function: str, dim: int | None) -> int:
    if dim is None:
        raise TypeError(
            f"{function}: dim is missing; for scores of shape (batch, classes) it is dim=1"
        )
    return dim


class LogsumexpBackward0(Node):
    """y = ln Σ eˣ:   ∂x = g e^(x - y)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        return (restore(g, *self.meta) * np.exp(x - restore(y, *self.meta)),)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """The logarithm of the sum of exponentials along ``dim``, without overflow.

    >>> import nnlite
    >>> nnlite.tensor([1000.0, 1000.0]).logsumexp(dim=0)
    tensor(1000.6932)
    """
    a = float_array("logsumexp", input)
    axis = _axes(dim, None)
    top = a.max(axis=axis, keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.exp(a - top).sum(axis=axis, keepdims=keepdim)
    y = np.log(total) + top.reshape(total.shape)
    return record(y, LogsumexpBackward0, (input._node,), (a, y), (a.shape, axis, keepdim))
