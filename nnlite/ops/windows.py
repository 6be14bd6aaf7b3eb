"""Windows that slide over the spatial dimensions: what convolution, pooling and unfold share.

Everything here loops over the positions within a window, never over the windows: the elements at
one position of all windows are one strided slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from nnlite.ops.operands import Array

__all__ = ["Windows", "per_dim"]

Sizes = tuple[int, ...]


class Windows(NamedTuple):
    """Where windows stand: input index = stride · window + dilation · position - padding.

    Attributes:
        stride, padding, dilation: for each spatial dimension; padding is that at the low end, what
            is needed at the high end follows from the number of windows.
    """

    stride: Sizes
    padding: Sizes
    dilation: Sizes

    def places(self, size: Sizes, kernel: Sizes, high: Sizes | None = None) -> Sizes:
        """How many windows fit; ``high`` is the padding at the high end where it differs."""
        return tuple(
            (n + low + end - d * (k - 1) - 1) // s + 1
            for n, low, end, d, k, s in zip(
                size, self.padding, high or self.padding, self.dilation, kernel, self.stride
            )
        )

    def extent(self, kernel: Sizes, places: Sizes) -> Sizes:
        """How many elements ``places`` windows reach over, padding included."""
        return tuple(
            s * (o - 1) + d * (k - 1) + 1
            for s, o, d, k in zip(self.stride, places, self.dilation, kernel)
        )

    def positions(self, kernel: Sizes, places: Sizes) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
        """Each position in the window, and the slice of padded input that stands there."""
        for position in product(*map(range, kernel)):
            yield (
                position,
                tuple(
                    slice(d * k, d * k + s * (o - 1) + 1, s)
                    for k, d, s, o in zip(position, self.dilation, self.stride, places)
                ),
            )

    def overlaps(
        self, size: Sizes, kernel: Sizes, places: Sizes
    ) -> Iterator[tuple[Sizes, tuple[slice, ...], tuple[slice, ...]]]:
        """Each position in the window, the windows whose element there lies in the input (not in
        the padding), and the slice of the input where these elements lie."""
        along = [
            [_overlap(n, s, p, d * i, o) for i in range(k)]
            for n, s, p, d, k, o in zip(
                size, self.stride, self.padding, self.dilation, kernel, places
            )
        ]
        for position in product(*map(range, kernel)):
            pairs = [along[axis][i] for axis, i in enumerate(position)]
            yield position, tuple(to for to, _ in pairs), tuple(of for _, of in pairs)

    def inside(self, size: Sizes, extent: Sizes) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Where the input lies in the padded input, and what part of the input lies there."""
        length = [max(min(n, e - low), 0) for n, e, low in zip(size, extent, self.padding)]
        return (
            tuple(slice(low, low + n) for low, n in zip(self.padding, length)),
            tuple(slice(0, n) for n in length),
        )

    def fits(self, size: Sizes, extent: Sizes) -> bool:
        """Whether the windows stay inside of the input, so that no padding is needed."""
        return not any(self.padding) and all(e <= n for e, n in zip(extent, size))

    def pad(self, x: Array, kernel: Sizes, places: Sizes, value: float = 0) -> Array:
        """``x`` with as much padding as ``places`` windows need in its last dimensions."""
        lead = x.ndim - len(kernel)
        size, extent = x.shape[lead:], self.extent(kernel, places)
        if self.fits(size, extent):
            return x
        padded: Array = np.full_like(x, value, shape=(*x.shape[:lead], *extent))
        there, here = self.inside(size, extent)
        padded[(..., *there)] = x[(..., *here)]
        return padded

    def crop(self, padded: Array, size: Sizes) -> Array:
        """The inverse of ``pad``: the part that is input, of the given size."""
        lead = padded.ndim - len(size)
        extent = padded.shape[lead:]
        if extent == size and not any(self.padding):
            return padded
        x: Array = np.zeros_like(padded, shape=(*padded.shape[:lead], *size))
        there, here = self.inside(size, extent)
        x[(..., *here)] = padded[(..., *there)]
        return x


def _overlap(size: int, stride: int, padding: int, offset: int, places: int) -> tuple[slice, slice]:
    """Which windows have the element at ``offset`` in the input, and where it lies there."""
    low = max(-((offset - padding) // stride), 0)
    high = max(min((size - 1 + padding - offset) // stride + 1, places), low)
    start = stride * low + offset - padding
    return slice(low, high), slice(start, start + stride * (high - low), stride)


def per_dim(function: str, label: str, value: Any, dims: int) -> Sizes:
    """An option as one integer for each spatial dimension.

    Raises:
        ValueError: when it is neither an integer nor as many integers as there are dimensions.

    >>> per_dim("conv2d", "stride", 2, 2)
    (2, 2)
    """
    try:
        sizes = tuple(value)
    except TypeError:
        sizes = (value,) * dims
    if len(sizes) == 1:
        sizes *= dims
    if len(sizes) != dims or not all(hasattr(size, "__index__") for size in sizes):
        raise ValueError(f"{function}: {label} must be an integer or {dims} of them, got {value!r}")
    return tuple(size.__index__() for size in sizes)


def steps_of(function: str, dims: int, stride: Any, dilation: Any) -> tuple[Sizes, Sizes]:
    strides = per_dim(function, "stride", stride, dims)
    dilations = per_dim(function, "dilation", dilation, dims)
    if min(strides) < 1 or min(dilations) < 1:
        raise RuntimeError(
            f"{function}: stride and dilation must be at least 1, got {list(strides)} and "
            f"{list(dilations)}"
        )
    return strides, dilations
