"""The three maps of a convolution on arrays: output, gradient of the input, gradient of the weight.

All three gather windows of a few samples at a time as the columns of a matrix and leave the rest to
matrix products. Either every element of the windows is gathered, and there is one product (im2col);
or only the elements of one kernel row, and there is a product for each row, over columns that begin
further on: fewer elements to copy, more products to add up.
Source of the second: Cho and Brand 2017, "MEC: Memory-efficient Convolution", arXiv:1706.06873.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.ops.operands import Array
from nnlite.ops.windows import Sizes, Windows

# Columns are gathered for so many samples at a time that they take about this many bytes, because
# they should still be in the cache when the product reads them; more where there would be less than
# the second number for each position in the kernel, because a call costs what a few kB cost.
_BLOCK_BYTES = 1 << 18
_POSITION_BYTES = 1 << 14


class Geometry(NamedTuple):
    """What a convolution is but for its numbers."""

    windows: Windows
    groups: int
    size: Sizes  # of the input
    kernel: Sizes
    places: Sizes  # the size of the output

    def matrix(self, w: Array) -> Array:
        """(groups, O/groups, C/groups · kernel) of the weight (O, C/groups, kernel)."""
        return w.reshape(self.groups, w.shape[0] // self.groups, -1)

    def rows(self, y: Array) -> Array:
        """(groups, O/groups, columns) of ``y`` (N, O, places); see ``Columns``."""
        return across(y).reshape(self.groups, y.shape[1] // self.groups, -1)


def across(x: Array) -> Array:
    """(N, C, H, …) as (C, H, N, …): columns of one row of the image stand together."""
    return x.transpose(1, 2, 0, *range(3, x.ndim))


class Columns:
    """Windows of a few samples as the columns of a matrix, in memory that is used again.

    Its elements are (C, kernel, rows, N, other places). With ``by_row`` the kernel has one row only
    and the rows are those of the padded image: row i of the kernel reads ``spans(…)[i]``.

    Attributes:
        step: how many samples are gathered at a time.
    """

    def __init__(self, how: Geometry, channels: int, itemsize: int, by_row: bool) -> None:
        self.how = how
        self.kernel, self.places = how.kernel, how.places
        windows = how.windows
        self.windows, self.offsets = windows, [0]
        if by_row:
            height = windows.extent(how.kernel, how.places)[0]
            self.kernel = (1, *how.kernel[1:])
            self.places = (height, *how.places[1:])
            self.offsets = [i * windows.dilation[0] for i in range(how.kernel[0])]
        self.channels = channels
        per_sample = channels * math.prod(self.kernel) * math.prod(self.places) * itemsize
        block = max(_BLOCK_BYTES, _POSITION_BYTES * math.prod(self.kernel))
        self.step = max(1, block // max(per_sample, 1))
        self.memory: Array = None
        self.moves = list(self._moves())

    def parts(self, samples: int) -> Iterator[slice]:
        """The samples, ``step`` at a time."""
        return (slice(i, min(i + self.step, samples)) for i in range(0, samples, self.step))

    def spans(self, samples: int) -> list[slice]:
        """The columns that belong to each row of the kernel (or to all of it)."""
        width = samples * math.prod(self.places[1:])
        length = self.how.places[0] * width
        return [slice(i * width, i * width + length) for i in self.offsets]

    def _moves(self) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """For each position in the kernel: where in the columns, and where in (C, H, N, …)."""
        every = slice(None)
        for position, inside, source in self.windows.overlaps(
            self.how.size, self.kernel, self.places
        ):
            yield (
                (every, *position, inside[0], every, *inside[1:]),
                (every, source[0], every, *source[1:]),
            )

    def gather(self, x: Array) -> Array:
        """The columns (groups, C/groups · kernel, columns) of ``x`` (N, C, size)."""
        shape = (self.channels, *self.kernel, self.places[0], x.shape[0], *self.places[1:])
        if self.memory is None or self.memory.shape != shape:
            self.memory = np.zeros_like(x, shape=shape)  # the padding is never written to
        image = across(x)
        for there, here in self.moves:
            self.memory[there] = image[here]
        return self.memory.reshape(self.how.groups, -1, math.prod(shape[-len(self.places) - 1 :]))

    def scatter(self, columns: Array, x: Array) -> None:
        """Add columns to ``x`` at the places that ``gather`` takes them from."""
        shape = (self.channels, *self.kernel, self.places[0], x.shape[0], *self.places[1:])
        columns, image = columns.reshape(shape), across(x)
        for there, here in self.moves:
            image[here] += columns[there]


def output_of(x: Array, w: Array, how: Geometry, bias: Array | None = None) -> Array:
    """The output (N, O, places) from the input (N, C, size) and weight (O, C/groups, kernel)."""
    (samples, channels), outs = x.shape[:2], w.shape[0]
    if math.prod(how.kernel) == 1 and how.places == how.size and not any(how.windows.padding):
        # A product at every place: nothing to gather.
        y = np.matmul(
            how.matrix(w), x.reshape(samples, how.groups, w.shape[1], math.prod(how.size))
        )
        if bias is not None:
            y += bias.reshape(how.groups, -1, 1)
        return y.reshape(samples, outs, *how.places)
    # By rows there is less to copy for each channel, and more to add up for each output.
    in_row = w.shape[1] * math.prod(how.kernel[1:])
    by_row = how.windows.stride[0] == 1 and how.kernel[0] > 1 and in_row * how.groups >= outs
    columns = Columns(how, channels, x.dtype.itemsize, by_row)
    heights = how.kernel[0] if by_row else 1
    matrices = [how.matrix(w[:, :, i::heights] if by_row else w) for i in range(heights)]
    y = np.empty_like(x, shape=(samples, outs, *how.places))
    for part in columns.parts(samples):
        gathered = columns.gather(x[part])
        spans = columns.spans(part.stop - part.start)
        total = np.matmul(matrices[0], gathered[..., spans[0]])
        for matrix, span in zip(matrices[1:], spans[1:]):
            total += np.matmul(matrix, gathered[..., span])
        if bias is not None:
            total += bias.reshape(how.groups, -1, 1)
        across(y[part])[...] = total.reshape(
            outs, how.places[0], part.stop - part.start, *how.places[1:]
        )
    return y


def input_of(g: Array, w: Array, how: Geometry, bias: Array | None = None) -> Array:
    """The input gradient (N, C, size) from the output gradient and the weight."""
    windows, groups = how.windows, how.groups
    if all(stride == 1 for stride in windows.stride):
        # It is a convolution itself, with the weight turned round.
        turned = w[(slice(None), slice(None), *(slice(None, None, -1),) * len(how.kernel))]
        split = turned.reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
        padding = tuple(
            d * (k - 1) - p for d, k, p in zip(windows.dilation, how.kernel, windows.padding)
        )
        back = Geometry(
            Windows(windows.stride, padding, windows.dilation), groups, how.places, how.kernel,
            how.size,
        )  # fmt: skip
        return output_of(g, split.reshape(-1, w.shape[0] // groups, *how.kernel), back, bias)
    samples, channels = g.shape[0], w.shape[1] * groups
    columns = Columns(how, channels, g.dtype.itemsize, False)
    matrix = how.matrix(w).swapaxes(1, 2)
    x = np.zeros_like(g, shape=(samples, channels, *how.size))
    for part in columns.parts(samples):
        columns.scatter(np.matmul(matrix, how.rows(g[part])), x[part])
    if bias is not None:
        x += bias.reshape(-1, *(1,) * len(how.kernel))
    return x


def weight_of(x: Array, g: Array, how: Geometry) -> Array:
    """The weight gradient (O, C/groups, kernel) from the input and the output gradient."""
    (samples, channels), outs = x.shape[:2], g.shape[1]
    inner = channels // how.groups
    in_row = inner * math.prod(how.kernel[1:])
    by_row = how.windows.stride[0] == 1 and how.kernel[0] > 1 and in_row >= 16
    columns = Columns(how, channels, x.dtype.itemsize, by_row)
    heights = how.kernel[0] if by_row else 1
    shape = (how.groups, outs // how.groups, in_row * how.kernel[0] // heights)
    totals = [np.zeros_like(x, shape=shape) for _ in range(heights)]
    for part in columns.parts(samples):
        gathered, rows = columns.gather(x[part]), how.rows(g[part])
        for total, span in zip(totals, columns.spans(part.stop - part.start)):
            total += np.matmul(rows, gathered[..., span].swapaxes(1, 2))
    kernel = (how.kernel[0] // heights, *how.kernel[1:])
    shaped = [total.reshape(outs, inner, *kernel) for total in totals]
    return shaped[0] if heights == 1 else np.concatenate(shaped, axis=2)
