"""Layouts of images in memory: their shape is (N, C, H, W), their order in memory may be another.

Elementwise operators follow the order of what they get, so a network stays in the one in which its
convolutions are fast, and nobody sees it. Sequences are images without H.
"""

from __future__ import annotations

import math

import numpy as np

from nnlite.ops.operands import Array
from nnlite.tensor import is_replayed, ndarray

__all__ = [
    "channel_sums", "is_laid_out", "is_one_piece", "per_channel", "pixels_first", "pixels_last",
    "samples_first", "samples_last",
]  # fmt: skip


def pixels_first(x: Array) -> Array:
    """(N, C, H, W) as (H, W, N, C)."""
    return x.transpose(*range(2, x.ndim), 0, 1)


def pixels_last(x: Array) -> Array:
    """(H, W, N, C) as (N, C, H, W)."""
    return x.transpose(x.ndim - 2, x.ndim - 1, *range(x.ndim - 2))


def samples_last(x: Array) -> Array:
    """(N, C, H, W) as (C, H, W, N)."""
    return x.transpose(*range(1, x.ndim), 0)


def samples_first(x: Array) -> Array:
    """(C, H, W, N) as (N, C, H, W)."""
    return x.transpose(x.ndim - 1, *range(x.ndim - 1))


def is_laid_out(x: Array) -> bool:
    """Whether the order in memory is one of those that convolutions choose.

    >>> import numpy as np
    >>> is_laid_out(np.ones((2, 3, 4))), is_laid_out(samples_first(np.ones((2, 3, 4))))
    (False, True)
    """
    if x.ndim < 3:
        return False
    orders = ((*range(2, x.ndim), 0, 1), (*range(1, x.ndim), 0))
    steps = [[x.strides[axis] for axis in order if x.shape[axis] > 1] for order in orders]
    return any(found == sorted(found, reverse=True) for found in steps)


def channel_sums(x: Array) -> Array:
    """The sum of each channel of (N, C, …).

    >>> import numpy as np
    >>> channel_sums(np.ones((2, 3, 4)))
    array([8., 8., 8.])
    """
    if _is_pixels_first(x):
        # Rows of pixels first, then what they add up to: rounding errors stay small.
        pixels = pixels_first(x)
        rows = pixels.reshape(len(pixels), math.prod(pixels.shape[1:-1]), x.shape[1])
        ones = np.ones_like(x, shape=rows.shape[1])
        return np.matmul(ones, rows).sum(axis=0)
    return x.sum(axis=(0, *range(2, x.ndim)))


def per_channel(v: Array, x: Array) -> Array:
    """``v`` (C,) in a shape in which it meets the channels of ``x`` (N, C, …).

    >>> import numpy as np
    >>> per_channel(np.ones(3), np.ones((2, 3, 4))).shape
    (1, 3, 1)
    """
    samples = 1
    if _is_pixels_first(x):
        samples = len(x)  # repeated, for the sake of longer loops
        v = np.broadcast_to(v, (samples, len(v))).copy()
    return v.reshape(samples, x.shape[1], *(1,) * (x.ndim - 2))


def is_one_piece(x: Array) -> bool:
    """Whether ``x`` must be computed as a whole: in an export, which serves batches of any size."""
    return hasattr(x, "is_traced")


def _is_pixels_first(x: Array) -> bool:
    plain = type(x) is ndarray or is_replayed(x)
    return plain and x.ndim > 2 and pixels_first(x).flags.c_contiguous
