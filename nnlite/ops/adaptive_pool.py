"""Pooling into as many parts as wanted: the maximum or the mean of each.

Pooling of sequences is that of images of height 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import reduce
from nnlite.ops.operands import Array
from nnlite.ops.pool import MaxPool2DWithIndicesBackward0, as_wide, flat_index, image_of
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.windows import Sizes, per_dim
from nnlite.tensor import Tensor, wrap

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d",
]  # fmt: skip


def _parts(size: int, count: int) -> list[tuple[int, int]]:
    """Start and end of ``count`` parts of nearly equal length that cover ``size`` elements."""
    return [(i * size // count, -((i + 1) * size // -count)) for i in range(count)]


def _output_size(name: str, output_size: Any, size: Sizes) -> Sizes:
    wanted = (output_size,) * 2 if output_size is None else output_size
    if isinstance(wanted, (tuple, list)):
        wanted = [n if w is None else w for w, n in zip(wanted, size)]
    sizes = per_dim(name, "output_size", wanted, 2)
    if min(sizes) < 1 or min(size) < 1:
        raise RuntimeError(
            f"{name}: output_size and input must not be empty, got {list(sizes)} and {list(size)}"
        )
    return sizes


class AdaptiveAvgPool2DBackward0(Node):
    """y = A x Bᵀ, the rows of A and B being means over parts:   ∂x = Aᵀ g B"""

    __slots__ = ()
    lifts = (None, None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        rows, columns = self.saved
        return (np.matmul(np.matmul(rows.T, g), columns),)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of as many parts as wanted, of nearly equal size.

    Part i of n covers the elements from floor(i H / n) up to ceil((i + 1) H / n).

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        output_size: height and width of the output, one integer or two; None: that of the input.

    Raises:
        RuntimeError: for another number of dimensions, or an empty output.

    >>> import nnlite
    >>> nnlite.nn.functional.adaptive_avg_pool2d(nnlite.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[2., 3.]]])
    """
    name = "adaptive_avg_pool2d"
    x = image_of(name, input)
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected floating point values, got {x.dtype}; use float()")
    sizes = _output_size(name, output_size, x.shape[-2:])
    if sizes == (1, 1):
        return reduce.mean(input, (-2, -1), keepdim=True)
    rows, columns = (
        np.asarray(
            [
                [(start <= i < end) / (end - start) for i in range(size)]
                for start, end in _parts(size, count)
            ],
            dtype=x.dtype,
            like=x,
        )
        for size, count in zip(x.shape[-2:], sizes)
    )
    y = np.matmul(np.matmul(rows, x), columns.T)
    return record(y, AdaptiveAvgPool2DBackward0, (input._node,), (rows, columns))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` parts of sequences, shape (N, C, L) or (C, L).

    >>> import nnlite
    >>> nnlite.nn.functional.adaptive_avg_pool1d(nnlite.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[2.0000, 2.5000]])
    """
    image_of("adaptive_avg_pool1d", input, 1)
    sizes = as_wide("adaptive_avg_pool1d", "output_size", output_size, 1)
    return squeeze(adaptive_avg_pool2d(unsqueeze(input, -2), sizes), -2)


class AdaptiveMaxPool2DBackward0(MaxPool2DWithIndicesBackward0):
    """y = x[i], i the place of the maximum of each part:   ∂x = zeros with g added at i"""

    __slots__ = ()


def _higher(best: Array, index: Array, x: Array, places: Array) -> tuple[Array, Array]:
    """The maxima so far and their places; the first of equal values stays, NaN wins."""
    take = (x > best) | (x != x)
    return np.where(take, x, best), np.where(take, places, index)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of as many parts as wanted; see ``adaptive_avg_pool2d``.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        output_size: height and width of the output, one integer or two; None: that of the input.
        return_indices: return the places of the maxima, too, as index into H x W.

    >>> import nnlite
    >>> nnlite.nn.functional.adaptive_max_pool2d(nnlite.arange(6.0).reshape(1, 2, 3), (1, 2))
    tensor([[[4., 5.]]])
    """
    name = "adaptive_max_pool2d"
    x = image_of(name, input)
    size = x.shape[-2:]
    parts = [_parts(n, k) for n, k in zip(size, _output_size(name, output_size, size))]
    height, width = (max(end - start for start, end in p) for p in parts)
    best = index = None
    for i in range(height):
        for j in range(width):
            # A part that is shorter than the longest sees its last element again.
            rows, columns = (
                [min(start + k, end - 1) for start, end in p] for k, p in zip((i, j), parts)
            )
            at = flat_index([rows, columns], size, x)
            seen = x.reshape(*x.shape[:-2], math.prod(size))[..., at]
            if best is None:
                best, index = seen, np.broadcast_to(at, seen.shape)
            else:
                best, index = _higher(best, index, seen, at)
    overlap = any(n % len(p) for n, p in zip(size, parts))
    y = record(
        best, AdaptiveMaxPool2DBackward0, (input._node,), (index, None), (x.shape, overlap, None)
    )
    return (y, wrap(index)) if return_indices else y


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The maxima of ``output_size`` parts of sequences, shape (N, C, L) or (C, L).

    >>> import nnlite
    >>> nnlite.nn.functional.adaptive_max_pool1d(nnlite.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[3., 3.]])
    """
    image_of("adaptive_max_pool1d", input, 1)
    sizes = as_wide("adaptive_max_pool1d", "output_size", output_size, 1)
    y, index = adaptive_max_pool2d(unsqueeze(input, -2), sizes, True)
    y = squeeze(y, -2)
    return (y, squeeze(index, -2)) if return_indices else y
