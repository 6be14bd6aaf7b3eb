"""Norms of vectors and matrices: how long, how large."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import extremes
from nnlite.ops.operands import Array, array_of
from nnlite.ops.reduce import restore
from nnlite.tensor import Tensor


class LinalgVectorNormBackward0(Node):
    """y = (Σ |x|ᵖ)^(1/p):   ∂x = g sign(x) (|x| / y)^(p-1)   (0 where y = 0; p = ∞: shared)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        p, *shape = self.meta
        if p == 0:
            return (np.zeros_like(x),)
        if p == 1:
            return (restore(g, *shape) * np.sign(x),)
        if math.isinf(p):
            hit = np.absolute(x) == restore(y, *shape)
            count = hit.sum(axis=shape[1], keepdims=True, dtype=x.dtype)
            return (restore(g, *shape) * np.sign(x) * (hit / count),)
        # A scale of 0 where y = 0: there the convention is 0.
        if p == 2:
            return (x * restore(g / np.where(y == 0, math.inf, y), *shape),)
        scale = g / np.where(y == 0, math.inf, y) ** (p - 1)
        size = np.absolute(x)
        slope = np.where(size == 0, 0, np.where(size == 0, 1, size) ** (p - 1))
        return (restore(scale, *shape) * (np.sign(x) * slope),)


class NormBackward1(LinalgVectorNormBackward0):
    """y = (Σ |x|ᵖ)^(1/p):   ∂x = g sign(x) (|x| / y)^(p-1)   (0 where y = 0; p = ∞: shared)"""

    __slots__ = ()


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The p-norm (Σ |x|ᵖ)^(1/p) over all elements or over dimensions; its derivative at 0 is 0.

    Args:
        ord: p; inf gives the largest absolute value, -inf the smallest, 0 how many are not 0.

    >>> import nnlite
    >>> nnlite.linalg.vector_norm(nnlite.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return vector_norm_of(LinalgVectorNormBackward0, x, ord, dim, keepdim, dtype)


def vector_norm_of(
    node: type[Node], x: Tensor, ord: float, dim: Any, keepdim: bool, dtype: Any = None
) -> Tensor:
    """``vector_norm`` under the name of a node."""
    if dtype is not None:
        x = x.to(dtype)
    a = array_of("vector_norm", x)
    if a.dtype.kind != "f":
        raise RuntimeError(
            f"vector_norm: needs a floating point tensor, got {a.dtype}; convert first: "
            "tensor.float()"
        )
    p = float(ord)
    axis = tuple(dim) if isinstance(dim, (list, tuple)) else dim
    if axis == ():
        axis = None
    size = np.absolute(a)
    if p == math.inf:
        y = size.max(axis=axis, keepdims=keepdim)
    elif p == -math.inf:
        y = size.min(axis=axis, keepdims=keepdim)
    elif p == 0:
        y = (size != 0).sum(axis=axis, keepdims=keepdim, dtype=a.dtype)
    elif p == 1:
        y = size.sum(axis=axis, keepdims=keepdim)
    elif p == 2:
        y = np.sqrt((a * a).sum(axis=axis, keepdims=keepdim))
    else:
        y = (size**p).sum(axis=axis, keepdims=keepdim) ** (1 / p)
    meta = (p, a.shape, axis, keepdim)
    return record(y, node, (x._node,), (a, y), meta)


def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """``linalg.vector_norm`` under its older name; ``"fro"`` is p = 2.

    >>> import nnlite
    >>> nnlite.norm(nnlite.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p == "nuc":
        raise NotImplementedError(
            "norm: the nuclear norm needs singular values, which nnlite lacks"
        )
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices: ``"fro"``, 1 and -1 (of column sums), inf and -inf (of row sums).

    Raises:
        NotImplementedError: for the orders that need singular values, 2, -2 and ``"nuc"``.

    >>> import nnlite
    >>> nnlite.linalg.matrix_norm(nnlite.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    if ord == "fro":
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if ord in ("nuc", 2, -2) or ord not in (1, -1, math.inf, -math.inf):
        raise NotImplementedError(
            f"matrix_norm: ord = {ord!r} needs singular values, which nnlite lacks; it has 'fro', "
            "1, -1, inf and -inf"
        )
    ndim = A.array.ndim
    rows, columns = (d % ndim for d in dim)
    summed, chosen = (rows, columns) if ord in (1, -1) else (columns, rows)
    sums = vector_norm(A, 1, summed, keepdim, dtype=dtype)
    choose = extremes.amax if ord > 0 else extremes.amin
    return choose(sums, chosen - (not keepdim and summed < chosen), keepdim)


def linalg_norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of a vector or of a matrix, as NumPy's ``linalg.norm``.

    Without ``ord`` the 2-norm of all elements; with it that of matrices where ``dim`` names two
    dimensions (or the tensor has two), else of vectors.

    >>> import nnlite
    >>> nnlite.linalg.norm(nnlite.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    two = len(dim) == 2 if isinstance(dim, (tuple, list)) else dim is None and A.array.ndim == 2
    if ord is not None and two:
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord in (None, "fro") else ord, dim, keepdim, dtype=dtype)
