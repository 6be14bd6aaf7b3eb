"""Products of matrices and vectors."""

from __future__ import annotations

from math import prod
from typing import Any, cast

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of, constant, operands, sum_of_rows, unbroadcast
from nnlite.ops.shape import reshape, t, unsafe_view
from nnlite.tensor import Tensor

__all__ = ["bmm", "dot", "inner", "linear", "matmul", "mm", "mv", "outer"]


class MmBackward0(Node):
    """Y = A B:   ∂A = G Bᵀ,   ∂B = Aᵀ G"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        return g @ b.T if to_a else None, a.T @ g if to_b else None


class MvBackward0(Node):
    """y = A x:   ∂A = g xᵀ,   ∂x = Aᵀ g"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, x = self.saved
        to_a, to_x = self.edges
        return g[:, None] * x if to_a else None, a.T @ g if to_x else None


class VmBackward0(Node):
    """y = xᵀ B:   ∂x = B g,   ∂B = x gᵀ"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, b = self.saved
        to_x, to_b = self.edges
        return b @ g if to_x else None, x[:, None] * g if to_b else None

    def name(self) -> str:
        return "SqueezeBackward4"  # torch multiplies a one-row matrix and drops the row


class DotBackward0(Node):
    """y = a · b:   ∂a = g b,   ∂b = g a"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        return g * b if to_a else None, g * a if to_b else None


class BmmBackward0(Node):
    """Yₙ = Aₙ Bₙ:   ∂Aₙ = Gₙ Bₙᵀ,   ∂Bₙ = Aₙᵀ Gₙ   (summed over n where one was broadcast)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta
        return (
            unbroadcast(g @ b.swapaxes(-1, -2), shape_a) if to_a else None,
            unbroadcast(a.swapaxes(-1, -2) @ g, shape_b) if to_b else None,
        )


class BatchedMatmulBackward0(BmmBackward0):
    """Y = A B over batches:   ∂A = G Bᵀ,   ∂B = Aᵀ G   (summed where one was broadcast)"""

    __slots__ = ()

    def name(self) -> str:
        # torch folds the batch dimensions of one and unfolds the result. Where it is the second, it
        # multiplies the transpose, and sorts the elements of the result if they are not in order.
        shape_a, shape_b = self.meta
        alone = len(shape_a) == len(shape_b) == 3 and shape_a[0] == 1 < shape_b[0]
        if not (self.edges[0] and (alone or len(shape_a) == 2)):
            return "UnsafeViewBackward0"
        sorts = shape_a[-2] > 1 and shape_b[-1] > 1
        return "CloneBackward0" if sorts else "TransposeBackward0"


_NODES: dict[tuple[int, int], type[Node]] = {
    (2, 2): MmBackward0,
    (2, 1): MvBackward0,
    (1, 2): VmBackward0,
    (1, 1): DotBackward0,
}


def matmul(input: Any, other: Any) -> Tensor:
    """The product of matrices, vectors, or batches of matrices, as NumPy's and torch's ``@``.

    Args:
        input: shape (n,), (m, n) or (…, m, n).
        other: shape (n,), (n, p) or (…, n, p).

    Raises:
        RuntimeError: when the shapes do not fit; a dtype differs.

    >>> import nnlite
    >>> nnlite.ones(2, 3) @ nnlite.ones(3)
    tensor([3., 3.])
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        input, other = _as_tensor(input), _as_tensor(other)
    if input.array.dtype != other.array.dtype:
        raise RuntimeError(
            f"matmul: both must have the same dtype, got {input.array.dtype} and "
            f"{other.array.dtype}; convert one: tensor.to(other.dtype)"
        )
    a, b, edges, _ = operands("matmul", input, other)
    try:
        y = a @ b
    except ValueError:
        raise RuntimeError(
            f"matmul: shapes {list(a.shape)} and {list(b.shape)} do not fit: the last size of the "
            "first must equal the last but one (or only one) of the second, and there must be "
            "at least one dimension"
        ) from None
    saved = (a if edges[1] else None, b if edges[0] else None)
    node = _NODES.get((a.ndim, b.ndim))
    if node is not None:
        return record(y, node, edges, saved)
    if a.ndim == 1:
        return unsafe_view(matmul(reshape(input, 1, -1), other), y.shape)
    if b.ndim == 1:
        return unsafe_view(matmul(input, reshape(other, -1, 1)), y.shape)
    return record(y, BatchedMatmulBackward0, edges, saved, (a.shape, b.shape))


def rmatmul(input: Tensor, other: Any) -> Tensor:
    """``other @ input``."""
    return matmul(other, input)


def _as_tensor(value: Any) -> Tensor:
    """A tensor as it is, an array as one; TypeError for anything else."""
    found = value if isinstance(value, Tensor) else constant("matmul", value)
    array_of("matmul", found)
    return cast(Tensor, found)


def _of_dims(function: str, input: Tensor, dims: int, other: Tensor, other_dims: int) -> None:
    found = array_of(function, input).ndim, array_of(function, other).ndim
    if found != (dims, other_dims):
        raise RuntimeError(
            f"{function}: expected {dims} and {other_dims} dimensions, got {found[0]} and "
            f"{found[1]}; matmul takes any"
        )


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, (m, n) and (n, p)."""
    _of_dims("mm", input, 2, mat2, 2)
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix (m, n) and a vector (n,)."""
    _of_dims("mv", input, 2, vec, 1)
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The product of two vectors of equal length, a scalar."""
    _of_dims("dot", input, 1, tensor, 1)
    return matmul(input, tensor)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of matrices pair by pair, (b, m, n) and (b, n, p)."""
    _of_dims("bmm", input, 3, mat2, 3)
    a, b, edges, _ = operands("bmm", input, mat2)
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        raise RuntimeError(f"bmm: shapes {list(a.shape)} and {list(b.shape)} do not fit")
    return record(a @ b, BmmBackward0, edges, (a, b), (a.shape, b.shape))


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimension of both; of vectors their dot product.

    Args:
        input: shape (…, n).
        other: shape (…, n).

    Returns:
        Shape (…, …): the dimensions of the first, then those of the second.

    >>> import nnlite
    >>> nnlite.inner(nnlite.tensor([1.0, 2.0]), nnlite.tensor([3.0, 4.0]))
    tensor(11.)
    """
    a, b = array_of("inner", input).shape, array_of("inner", other).shape
    if not a or not b:
        return input * other
    if a[-1] != b[-1]:
        raise RuntimeError(
            f"inner: the last sizes must be equal, got the shapes {list(a)} and {list(b)}"
        )
    left, right = reshape(input, prod(a[:-1]), a[-1]), reshape(other, prod(b[:-1]), b[-1])
    rows = linear(left, right)
    return reshape(rows, (*a[:-1], *b[:-1]))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of an element of one vector and one of the other.

    >>> import nnlite
    >>> nnlite.outer(nnlite.tensor([1.0, 2.0]), nnlite.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    _of_dims("outer", input, 1, vec2, 1)
    return reshape(input, -1, 1) * vec2


class LinearBackward0(Node):
    """Y = X Wᵀ + b:   ∂X = G W,   ∂W = Gᵀ X,   ∂b = Σ G over the rows"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        # np.dot of matrices is @ with less to pay for each call: 0.4 µs, and 1.4 for one column.
        x, w = self.saved
        to_x, to_w, to_b = self.edges
        return (
            np.dot(g, w) if to_x else None,
            np.dot(g.T, x) if to_w else None,
            sum_of_rows(g) if to_b else None,
        )

    def name(self) -> str:
        return "AddmmBackward0" if self.meta else "MmBackward0"  # torch's names for the two cases


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``, the affine map of a layer.

    Args:
        input: shape (…, in_features).
        weight: shape (out_features, in_features).
        bias: shape (out_features,), or None.

    Returns:
        Shape (…, out_features).

    Raises:
        RuntimeError: when the shapes or dtypes do not fit.

    >>> import nnlite
    >>> nnlite.nn.functional.linear(nnlite.ones(2, 3), nnlite.ones(1, 3), nnlite.ones(1))
    tensor([[4.],
            [4.]])
    """
    try:
        x, w = input.array, weight.array
        b = None if bias is None else bias.array
    except AttributeError:
        given = ", ".join(type(value).__name__ for value in (input, weight, bias))
        raise TypeError(f"linear: expected tensors, got {given}") from None
    if x.ndim != 2:
        return _linear_any(input, weight, bias)
    try:
        y = x.dot(w.T)
        if b is not None:
            y += b
    except (ValueError, TypeError):
        y = None
    # Equal dtypes may be two objects (an unpickled array brings its own), but seldom are.
    fits = (
        y is not None
        and y.ndim == 2
        and ((y.dtype is w.dtype and x.dtype is w.dtype) or y.dtype == w.dtype == x.dtype)
    )
    if b is not None and fits:
        fits = b.shape == w.shape[:1] and (b.dtype is w.dtype or b.dtype == w.dtype)
    if not fits:
        raise RuntimeError(_misfit(x, w, b))
    edges = (input._node, weight._node, None if bias is None else bias._node)
    saved = (x if edges[1] else None, w if edges[0] else None)
    return record(y, LinearBackward0, edges, saved, b is not None)


def _linear_any(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``linear`` of a single vector or of more than two dimensions, by way of a matrix."""
    shape = input.array.shape
    if not shape or not weight.array.ndim == 2 or shape[-1] != weight.array.shape[1]:
        raise RuntimeError(_misfit(input.array, weight.array, None if bias is None else bias.array))
    if bias is None and len(shape) == 1:
        return matmul(input, t(weight))
    rows = linear(reshape(input, -1, shape[-1]), weight, bias)
    whole = (*shape[:-1], weight.array.shape[0])
    return unsafe_view(rows, whole) if bias is None else reshape(rows, whole)


def _misfit(x: Array, w: Array, b: Array | None) -> str:
    """Why ``linear`` cannot combine these."""
    if w.ndim != 2:
        return (
            f"linear: weight must have the shape (out_features, in_features), got {list(w.shape)}"
        )
    if x.ndim == 0 or x.shape[-1] != w.shape[1]:
        last = x.shape[-1] if x.ndim else "no"
        return (
            f"linear: input has {last} features, weight expects {w.shape[1]} "
            f"(input {list(x.shape)}, weight {list(w.shape)})"
        )
    dtypes = {str(array.dtype) for array in (x, w, b) if array is not None}
    if len(dtypes) > 1:
        return (
            f"linear: input is {x.dtype}, weight {w.dtype}"
            + ("" if b is None else f", bias {b.dtype}")
            + "; they must be equal: input.to(weight.dtype)"
        )
    shape = None if b is None else list(b.shape)
    return f"linear: bias must have the shape [{w.shape[0]}], got {shape}"
