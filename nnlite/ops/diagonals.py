"""Diagonals of matrices, the triangles beside them, and traces."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.index import IndexBackward0
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import permute
from nnlite.tensor import Tensor


class TraceBackward0(Node):
    """y = Σ xᵢᵢ:   ∂x = g I"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (identity,) = self.saved
        return (g * identity,)


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    >>> import nnlite
    >>> nnlite.trace(nnlite.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    a = array_of("trace", input)
    if a.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, got {a.ndim} dimensions")
    identity = np.eye(*a.shape, dtype=a.dtype, like=a)
    total = np.int64 if a.dtype.kind in "biu" else a.dtype
    y = np.trace(a, dtype=total)
    return record(y, TraceBackward0, (input._node,), (identity,))


class TrilBackward0(Node):
    """y = x on and below a diagonal, 0 above:   ∂x = g there, 0 above"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (np.tril(g, self.meta),)


class TriuBackward0(Node):
    """y = x on and above a diagonal, 0 below:   ∂x = g there, 0 below"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (np.triu(g, self.meta),)


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, 0 elsewhere.

    Args:
        diagonal: the last one that is kept; 0 is the main one, above it they are positive.

    >>> import nnlite
    >>> nnlite.tril(nnlite.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", np.tril, TrilBackward0, input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, 0 elsewhere.

    Args:
        diagonal: the first one that is kept; 0 is the main one, above it they are positive.

    >>> import nnlite
    >>> nnlite.triu(nnlite.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triangle("triu", np.triu, TriuBackward0, input, diagonal)


def _triangle(function: str, keep: Any, node: type[Node], input: Tensor, diagonal: int) -> Tensor:
    a = array_of(function, input)
    if a.ndim < 2:
        raise RuntimeError(f"{function}: expected a matrix or more, got {a.ndim} dimensions")
    return record(keep(a, diagonal), node, (input._node,), (), diagonal)


class DiagonalBackward0(IndexBackward0):
    """y = a diagonal of x:   ∂x = zeros with g on it"""

    __slots__ = ()
    is_view = True


class DiagonalCopyBackward(DiagonalBackward0):
    """y = a diagonal of x, copied:   ∂x = zeros with g on it"""

    __slots__ = ()
    is_view = False

    def name(self) -> str:
        return "DiagonalBackward0_copy"


class DiagEmbedBackward0(Node):
    """y = a matrix with x on a diagonal:   ∂x = g there"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g[self.meta],)


def _places(a: Array, offset: int, rows: int, columns: int) -> tuple[Any, ...]:
    """The index of a diagonal of matrices that are the last two dimensions."""
    down, right = max(-offset, 0), max(offset, 0)
    steps = np.arange(max(min(rows - down, columns - right), 0), like=a)
    return (..., steps + down, steps + right)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the matrices that two dimensions make; it comes last (a view, read-only).

    Args:
        offset: 0 is the main diagonal, above it they are positive.

    >>> import nnlite
    >>> nnlite.diagonal(nnlite.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    a = array_of("diagonal", input)
    if not all(-a.ndim <= d < a.ndim for d in (dim1, dim2)) or (dim1 - dim2) % a.ndim == 0:
        raise RuntimeError(
            f"diagonal: dim1 = {dim1} and dim2 = {dim2} must be two dimensions of {list(a.shape)}"
        )
    dim1, dim2 = dim1 % a.ndim, dim2 % a.ndim
    rest = [d for d in range(a.ndim) if d not in (dim1, dim2)]
    if [*rest, dim1, dim2] != list(range(a.ndim)):
        input = permute(input, *rest, dim1, dim2)
        a = input.array
    y = np.diagonal(a, offset, -2, -1)
    meta = (a.shape, _places(a, offset, *a.shape[-2:]))
    return record(y, DiagonalBackward0, (input._node,), (), meta)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Of a vector the matrix that has it on a diagonal, of a matrix its diagonal (copied).

    >>> import nnlite
    >>> nnlite.diag(nnlite.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    a = array_of("diag", input)
    if a.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got {a.ndim} dimensions")
    y = np.diag(a, diagonal)
    if a.ndim == 1:
        places = _places(a, diagonal, *y.shape)
        return record(y, DiagEmbedBackward0, (input._node,), (), places)
    meta = (a.shape, _places(a, diagonal, *a.shape))
    return record(y.copy(), DiagonalCopyBackward, (input._node,), (), meta)
