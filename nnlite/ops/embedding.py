"""Tables of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap

__all__ = ["embedding", "one_hot"]


class EmbeddingBackward0(Node):
    """y = W[i]:   ∂W = zeros with g added at the rows i, except at the padding row"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (index,) = self.saved
        shape, padding = self.meta
        if padding is not None:
            g = g * np.expand_dims(index != padding, -1).astype(g.dtype)
        # Element by element, not row by row: add.at is four times faster in one dimension.
        rows, width = shape
        places = np.expand_dims(index, -1) * width + np.arange(width, like=index)
        grad = np.zeros_like(g, shape=(rows * width,))
        np.add.at(grad, places.reshape(-1), g.reshape(-1))
        return (grad.reshape(shape),)


def _indices(function: str, input: Tensor) -> Array:
    index = array_of(function, input)
    if index.dtype.kind not in "iu" or index.dtype == np.uint8:
        raise RuntimeError(
            f"{function}: indices must be int64 or int32, got {index.dtype}; use input.long()"
        )
    return index


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of a table at the given indices.

    Args:
        input: indices of any shape, int64 or int32.
        weight: the table, shape (rows, width).
        padding_idx: a row that gets no gradient.
        max_norm: rows that are looked up and whose norm is larger are first scaled down to it, in
            place.
        norm_type: p of that norm.
        scale_grad_by_freq, sparse: not available, they must be False.

    Returns:
        The shape of the indices with the width behind.

    Raises:
        IndexError: for an index that the table does not have.
        RuntimeError: for a table that is no matrix, or indices that are no integers.

    >>> import nnlite
    >>> table = nnlite.tensor([[0.0, 0.0], [1.0, 2.0]])
    >>> nnlite.nn.functional.embedding(nnlite.tensor([1, 0]), table)
    tensor([[1., 2.],
            [0., 0.]])
    """
    index, table = _indices("embedding", input), array_of("embedding", weight)
    if scale_grad_by_freq or sparse:
        raise NotImplementedError(
            "embedding: scale_grad_by_freq and sparse are not available; leave them False"
        )
    if table.ndim != 2:
        raise RuntimeError(
            f"embedding: weight must be a matrix (rows, width), got {list(table.shape)}"
        )
    rows = table.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise IndexError(f"embedding: padding_idx {padding_idx} is no row of a table of {rows}")
        padding_idx %= rows
    if index.size and (index.min() < 0 or index.max() >= rows):
        raise IndexError(
            f"embedding: indices from {index.min()} to {index.max()} for a table of {rows} rows "
            f"(0 to {rows - 1})"
        )
    if max_norm is not None:
        _renormalise(table, index, max_norm, norm_type)
    y = table[index]
    return record(y, EmbeddingBackward0, (weight._node,), (index,), (table.shape, padding_idx))


def _renormalise(table: Array, index: Array, max_norm: float, p: float) -> None:
    """Scale the rows at ``index`` down to the norm ``max_norm``, in place."""
    rows = table[index].reshape(-1, table.shape[1])
    norms = (np.absolute(rows) ** p).sum(axis=1, keepdims=True) ** (1 / p)
    scale = np.where(norms > max_norm, max_norm / (norms + 1e-7), 1).astype(table.dtype)
    table[index.reshape(-1)] = rows * scale
    note_write(table, "the scaling of rows to max_norm in embedding")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Indices as rows of zeros with a one at the index.

    Args:
        tensor: indices of any shape, int64.
        num_classes: the width of the rows; -1: the largest index + 1.

    Returns:
        int64, the shape of the indices with the number of classes behind.

    Raises:
        RuntimeError: for an index below 0 or beyond the number of classes.

    >>> import nnlite
    >>> nnlite.nn.functional.one_hot(nnlite.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    index = array_of("one_hot", tensor)
    if index.dtype != np.int64:
        raise RuntimeError(f"one_hot: indices must be int64, got {index.dtype}; use tensor.long()")
    if not index.size and num_classes < 1:
        raise RuntimeError("one_hot: an empty tensor does not tell num_classes; give it")
    low, high = (index.min(), index.max()) if index.size else (0, 0)
    if low < 0 or (num_classes >= 0 and high >= num_classes):
        raise RuntimeError(
            f"one_hot: indices must lie in 0 to num_classes - 1, got {low} to {high}, num_classes "
            f"{num_classes}"
        )
    places: Any = np.arange(high + 1 if num_classes < 0 else num_classes, like=index)
    return wrap((np.expand_dims(index, -1) == places).astype(np.int64))
