"""Products and running totals along a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.ops.reduce import restore
from nnlite.tensor import Tensor


def _total(function: str, input: Tensor, dim: int | None, dtype: Any) -> tuple[Tensor, Array]:
    """The input in the dtype of the result (sums and products of integers are int64)."""
    if dtype is not None:
        input = input.to(dtype)
    a = array_of(function, input)
    if dtype is None and a.dtype.kind in "biu":
        input = input.to(np.int64)
        a = input.array
    if dim is not None and not -max(a.ndim, 1) <= dim < max(a.ndim, 1):
        raise IndexError(f"{function}: dimension {dim} is out of range for {a.ndim} dimensions")
    return input, a


def _part(axis: int, start: int | None, stop: int | None, step: int | None = None) -> Any:
    """The index of a range along ``axis`` (which is not negative)."""
    return (*(slice(None),) * axis, slice(start, stop, step))


class CumsumBackward0(Node):
    """yₖ = Σ xᵢ over i ≤ k:   ∂xᵢ = Σ gₖ over k ≥ i"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        axis = self.meta
        if axis is None:
            return (g,)
        back = _part(axis, None, None, -1)
        return (np.cumsum(g[back], axis=axis)[back],)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of all elements so far, along ``dim``; of integers and bools in int64.

    >>> import nnlite
    >>> nnlite.cumsum(nnlite.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    input, a = _total("cumsum", input, dim, dtype)
    axis = dim % a.ndim if a.ndim else None
    y = a.copy() if axis is None else np.cumsum(a, axis=axis, dtype=a.dtype)
    return record(y, CumsumBackward0, (input._node,), (), axis)


class CumprodBackward0(Node):
    """yₖ = Π xᵢ over i ≤ k:   ∂xᵢ = (Π xⱼ over j < i) rᵢ,   rᵢ = gᵢ + xᵢ₊₁ rᵢ₊₁"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        axis = self.meta
        if axis is None or not x.shape[axis]:
            return (g,)
        # No division, so that zeros do no harm.
        before = (slice(None),) * axis
        rest = [g[(*before, -1)]]
        for i in range(x.shape[axis] - 2, -1, -1):
            rest.append(g[(*before, i)] + x[(*before, i + 1)] * rest[-1])
        return (_product_before(x, axis) * np.stack(rest[::-1], axis=axis),)


def _product_before(x: Any, axis: int) -> Any:
    """Along ``axis``, for each element the product of those before it (1 for the first)."""
    first = np.ones_like(x[_part(axis, 0, 1)])
    if x.shape[axis] == 1:
        return first
    return np.concatenate((first, np.cumprod(x[_part(axis, 0, -1)], axis=axis)), axis=axis)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of all elements so far, along ``dim``; of integers and bools in int64.

    >>> import nnlite
    >>> nnlite.cumprod(nnlite.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 2., 6.])
    """
    input, a = _total("cumprod", input, dim, dtype)
    axis = dim % a.ndim if a.ndim else None
    y = a.copy() if axis is None else np.cumprod(a, axis=axis, dtype=a.dtype)
    return record(y, CumprodBackward0, (input._node,), (a,), axis)


class ProdBackward0(Node):
    """y = Π xᵢ:   ∂xᵢ = g Π xⱼ over j ≠ i"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        shape, axis, keepdim = self.meta
        if not shape:
            return (g,)
        flat = x.reshape((-1,)) if axis is None else x
        along = 0 if axis is None else axis
        if not flat.shape[along]:
            return (np.zeros_like(x),)
        back = _part(along, None, None, -1)
        others = _product_before(flat, along) * _product_before(flat[back], along)[back]
        return (restore(g, shape, axis, keepdim) * others.reshape(shape),)


class ProdBackward1(ProdBackward0):
    """y = Π xᵢ along a dimension:   ∂xᵢ = g Π xⱼ over j ≠ i"""

    __slots__ = ()


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The product of all elements, or of those along ``dim``; of integers and bools in int64.

    >>> import nnlite
    >>> nnlite.prod(nnlite.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    input, a = _total("prod", input, dim, dtype)
    axis = dim % a.ndim if dim is not None and a.ndim else None
    y = a.prod(axis=axis, keepdims=keepdim and axis is not None, dtype=a.dtype)
    node = ProdBackward0 if dim is None else ProdBackward1
    return record(y, node, (input._node,), (a,), (a.shape, axis, keepdim))
