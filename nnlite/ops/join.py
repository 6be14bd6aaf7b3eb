"""Joining tensors along a dimension, and splitting them into parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record, record_outputs
from nnlite.ops.operands import Array, array_of, result_type
from nnlite.ops.shape import checked_dim, reshape
from nnlite.tensor import Tensor


class CatBackward0(Node):
    """y = [x₁ x₂ …]:   ∂xᵢ = the part of g where xᵢ stands"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        dim, lengths = self.meta
        before = (slice(None),) * dim
        parts, start = [], 0
        for length in lengths:
            parts.append(g[(*before, slice(start, start + length))])
            start += length
        return tuple(parts)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors joined along an existing dimension.

    >>> import nnlite
    >>> nnlite.cat([nnlite.zeros(2), nnlite.ones(1)])
    tensor([0., 0., 1.])
    """
    arrays, edges = _joined("cat", tensors)
    dim = checked_dim("cat", dim, arrays[0].ndim)
    try:
        y = np.concatenate(arrays, axis=dim)
    except ValueError:
        raise RuntimeError(
            f"cat: shapes must be equal except in dimension {dim}, got "
            + ", ".join(str(list(a.shape)) for a in arrays)
        ) from None
    lengths = tuple(a.shape[dim] for a in arrays)
    return record(y, CatBackward0, edges, (), (dim, lengths))


class StackBackward0(Node):
    """y = (x₁, x₂, …):   ∂xᵢ = gᵢ"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        before = (slice(None),) * self.meta
        return tuple(g[(*before, i)] for i in range(len(self.edges)))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    >>> import nnlite
    >>> nnlite.stack([nnlite.zeros(2), nnlite.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    arrays, edges = _joined("stack", tensors)
    if any(a.shape != arrays[0].shape for a in arrays):
        raise RuntimeError(
            "stack: all shapes must be equal, got " + ", ".join(str(list(a.shape)) for a in arrays)
        )
    dim = checked_dim("stack", dim, arrays[0].ndim + 1)
    return record(np.stack(arrays, axis=dim), StackBackward0, edges, (), dim)


def _joined(function: str, tensors: Sequence[Tensor]) -> tuple[list[Array], tuple[Any, ...]]:
    """The arrays of tensors that are to be joined, in one dtype, and their edges."""
    if isinstance(tensors, Tensor) or not len(tensors):
        raise TypeError(f"{function}: expected a non-empty list or tuple of tensors")
    arrays = [array_of(function, tensor) for tensor in tensors]
    if any(a.dtype != arrays[0].dtype for a in arrays):
        dtype = arrays[0].dtype
        for a in arrays[1:]:
            dtype = result_type(np.empty(1, dtype), np.empty(1, a.dtype))
        tensors = [tensor.to(dtype) for tensor in tensors]
        arrays = [tensor.array for tensor in tensors]
    return arrays, tuple(tensor._node for tensor in tensors)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors side by side: joined along dimension 1, vectors along 0.

    >>> import nnlite
    >>> nnlite.hstack([nnlite.zeros(1), nnlite.ones(2)])
    tensor([0., 1., 1.])
    """
    parts = [reshape(x, 1) if array_of("hstack", x).ndim == 0 else x for x in tensors]
    return cat(parts, 0 if parts[0].array.ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors one below the other: joined along dimension 0, vectors as rows.

    >>> import nnlite
    >>> nnlite.vstack([nnlite.zeros(2), nnlite.ones(2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    return cat([reshape(x, 1, -1) if array_of("vstack", x).ndim < 2 else x for x in tensors], 0)


class SplitBackward0(Node):
    """(y₁, y₂, …) = parts of x:   ∂x = [g₁ g₂ …], zeros for a part that is not used"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Any) -> tuple[Array, ...]:
        dim, shapes = self.meta
        like = next(iter(g.values()))
        parts = [g[i] if i in g else np.zeros_like(like, shape=s) for i, s in enumerate(shapes)]
        return (np.concatenate(parts, axis=dim),)


class SplitWithSizesBackward0(SplitBackward0):
    """(y₁, y₂, …) = parts of x, of given sizes:   ∂x = [g₁ g₂ …], zeros for one that is not used"""

    __slots__ = ()


def split(input: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of ``split_size`` (the last may be smaller), or of the given sizes, along ``dim``.

    >>> import nnlite
    >>> nnlite.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    a = array_of("split", input)
    dim = checked_dim("split", dim, a.ndim)
    length = a.shape[dim]
    node: type[Node] = SplitBackward0
    if isinstance(split_size, int):
        if split_size <= 0:
            raise RuntimeError(f"split: split_size must be positive, got {split_size}")
        sizes = [min(split_size, length - start) for start in range(0, length, split_size)] or [0]
    else:
        node = SplitWithSizesBackward0
        sizes = list(split_size)
        if sum(sizes) != length:
            raise RuntimeError(f"split: sizes {sizes} do not add up to {length}")
    before = (slice(None),) * dim
    parts, start = [], 0
    for size in sizes:
        parts.append(a[(*before, slice(start, start + size))])
        start += size
    meta = (dim, tuple(part.shape for part in parts))
    return record_outputs(tuple(parts), node, (input._node,), (), meta)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """``input`` cut into ``chunks`` parts of equal size (the last may be smaller).

    >>> import nnlite
    >>> len(nnlite.arange(6).chunk(3))
    3
    """
    if chunks <= 0:
        raise RuntimeError(f"chunk: chunks must be positive, got {chunks}")
    length = array_of("chunk", input).shape[dim]
    return split(input, max(1, -(-length // chunks)), dim)


class UnbindBackward0(Node):
    """(y₁, y₂, …) = the slices of x:   ∂x = (g₁, g₂, …), zeros for one that is not used"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Any) -> tuple[Array, ...]:
        dim, count, shape = self.meta
        like = next(iter(g.values()))
        parts = [g[i] if i in g else np.zeros_like(like, shape=shape) for i in range(count)]
        return (np.stack(parts, axis=dim),)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along ``dim``, which goes away (views).

    >>> import nnlite
    >>> nnlite.unbind(nnlite.tensor([[1, 2], [3, 4]]))
    (tensor([1, 2]), tensor([3, 4]))
    """
    a = array_of("unbind", input)
    dim = checked_dim("unbind", dim, a.ndim)
    before = (slice(None),) * dim
    parts = tuple(a[(*before, i, ...)] for i in range(a.shape[dim]))
    if not parts:
        return ()
    meta = (dim, len(parts), parts[0].shape)
    return record_outputs(parts, UnbindBackward0, (input._node,), (), meta)
