"""The three maps of a convolution on arrays: output, gradient of the input, gradient of the weight.

All of it is left to matrix products, in one of three ways, but for kernels that see one channel:

- few channels, or groups: the windows are gathered as the columns of a matrix (im2col). Images are
  (C, H, W, N) in memory, so that what is gathered for a position in the kernel is contiguous;
- many channels: a product for every position in the kernel, with nothing gathered. Images are
  (H, W, N, C) in memory, so that all pixels of a row under a position are the rows of a matrix;
- many channels and 3 x 3 kernels that move by 1: ``winograd``, in the same layout;
- as many groups as channels: ``depthwise``, in the same layout.

The results keep their layout: their shape is (N, C, H, W), but transposed in memory, and so are
those of the elementwise operators and of pooling, which follow what they get. Sequences are images
without H.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nnlite.ops import depthwise, winograd
from nnlite.ops.layout import is_one_piece, pixels_first, pixels_last, samples_first, samples_last
from nnlite.ops.operands import Array
from nnlite.ops.windows import Sizes, Windows

# So many channels (the half of the harmonic mean of those in and out) make products per position
# worth their calls.
_MANY = 10
# What is computed at a time takes about so many bytes, and is still in the cache when it is read;
# columns take more, because the calls that gather a few of them cost more than the cache saves.
_BLOCK_BYTES = 1 << 19
_COLUMN_BYTES = 1 << 22
# Up to so many multiplications OpenBLAS takes a way without copies, twice as fast for few channels.
_SMALL_PRODUCT = 1_000_000


class Geometry(NamedTuple):
    """What a convolution is but for its numbers."""

    windows: Windows
    groups: int
    size: Sizes  # of the input
    kernel: Sizes
    places: Sizes  # the size of the output

    def turned(self) -> Geometry:
        """That of the input's gradient, where it is a convolution itself: with stride 1."""
        stride, padding, dilation = self.windows
        low = tuple(d * (k - 1) - p for d, k, p in zip(dilation, self.kernel, padding))
        windows = Windows(stride, low, dilation)
        return Geometry(windows, self.groups, self.places, self.kernel, self.size)

    def is_pointwise(self) -> bool:
        """Whether every output depends on the pixel at its own place alone."""
        return (
            math.prod(self.kernel) == 1
            and self.places == self.size
            and not any(self.windows.padding)
        )

    def by_winograd(self, channels: int, outs: int) -> bool:
        """Whether ``winograd`` can do it, and is faster than direct products."""
        stride, _, dilation = self.windows
        return (
            self.kernel == (3, 3)
            and stride == dilation == (1, 1)
            and self.by_position(channels, outs)
            and min(self.places) > 1
        )

    def by_channel(self, channels: int, outs: int) -> bool:
        """Whether ``depthwise`` can do it, and there is more than a channel or two."""
        return self.groups == channels == outs >= _MANY

    def by_position(self, channels: int, outs: int) -> bool:
        """Whether a product for every position in the kernel is faster than gathering columns."""
        return self.groups == 1 and channels * outs >= _MANY * (channels + outs)

    def matrix(self, w: Array) -> Array:
        """(groups, O/groups, C/groups · kernel) of the weight (O, C/groups, kernel)."""
        return w.reshape(self.groups, w.shape[0] // self.groups, -1)

    def extent(self) -> Sizes:
        """The size of what the windows reach over, padding included."""
        return self.windows.extent(self.kernel, self.places)

    def blocks(self, x: Array, row: int, block_bytes: int) -> Iterator[slice]:
        """Places of the first dimension, as many at a time as take so many bytes.

        Args:
            row: how many elements of the kind of ``x`` are computed for one place.
        """
        count = self.places[0] if row else 0
        step = max(block_bytes // max(row * x.dtype.itemsize, 1), 1)
        if is_one_piece(x):
            step = self.places[0]
        return (slice(i, min(i + step, count)) for i in range(0, count, step))

    def under(self, padded: Array, block: slice, lead: int) -> Iterator[tuple[Sizes, Array]]:
        """Each position in the kernel, and the part of ``padded`` under it for a block of places.

        Args:
            lead: how many dimensions come before the spatial ones.
        """
        start = block.start * self.windows.stride[0]
        before = (slice(None),) * lead
        rest = padded[(*before, slice(start, None))]
        places = (block.stop - block.start, *self.places[1:])
        for position, window in self.windows.positions(self.kernel, places):
            yield position, rest[(*before, *window)]


def _framed(x: Array, lead: int, low: Sizes, extent: Sizes) -> Array:
    """``x`` in row-major order, in a frame of zeros, its ``low`` rows and columns at the low end.

    Args:
        lead: how many dimensions come before the spatial ones.
        low: may be negative: elements that are left out.
        extent: the spatial size of the result.
    """
    size = x.shape[lead : lead + len(extent)]
    if not any(low) and size == extent and (x.flags.c_contiguous or is_one_piece(x)):
        return x
    shape = (*x.shape[:lead], *extent, *x.shape[lead + len(extent) :])
    framed: Array = np.zeros_like(x, shape=shape, order="C")
    there, here = _inside(low, size, extent)
    before = (slice(None),) * lead
    framed[(*before, *there)] = x[(*before, *here)]
    return framed


def _inside(low: Sizes, size: Sizes, extent: Sizes) -> tuple[list[slice], list[slice]]:
    """Where an image of ``size`` lies in a frame of ``extent``, and which part of it does."""
    ends = [max(min(p + n, e), 0) for p, n, e in zip(low, size, extent)]
    there = [slice(max(p, 0), end) for p, end in zip(low, ends)]
    here = [slice(max(-p, 0), max(end - p, 0)) for p, end in zip(low, ends)]
    return there, here


def _cut(framed: Array, lead: int, low: Sizes, size: Sizes) -> Array:
    """The inverse of ``_framed``: the image of the given size, in row-major order."""
    extent = framed.shape[lead : lead + len(size)]
    return _framed(framed, lead, tuple(-p for p in low), size) if extent != size else framed


def output_of(x: Array, w: Array, how: Geometry, bias: Array | None = None) -> Array:
    """The output (N, O, places) from the input (N, C, size) and weight (O, C/groups, kernel)."""
    channels, outs = x.shape[1], w.shape[0]
    if how.by_channel(channels, outs):
        return _by_channel(x, w, how, bias)
    if how.is_pointwise() and x.flags.c_contiguous:
        return _pointwise(x, w, how, bias)
    if how.by_winograd(channels, outs):
        return _by_winograd(x, w, how, bias)
    if how.by_position(channels, outs):
        return _by_position(x, _matrices(w.swapaxes(0, 1)), how, bias)
    return _by_columns(x, w, how, bias)


def input_of(g: Array, w: Array, how: Geometry, bias: Array | None = None) -> Array:
    """The input gradient (N, C, size) from the output gradient and the weight."""
    outs, channels = w.shape[0], w.shape[1] * how.groups
    if how.by_channel(channels, outs):
        return _spread_by_channel(g, w, how, bias)
    if how.by_winograd(channels, outs):
        return _by_winograd(g, w, how.turned(), bias, turned=True)
    if how.is_pointwise() and g.flags.c_contiguous:
        split = how.matrix(w).swapaxes(1, 2).reshape(channels, -1, *how.kernel)
        return _pointwise(g, split, how.turned(), bias)
    still = all(stride == 1 for stride in how.windows.stride)
    if how.by_position(channels, outs):
        if still:
            return _by_position(g, _matrices(w)[::-1], how.turned(), bias)
        return _spread_by_position(g, w, how, bias)
    if still and outs <= channels:
        split = _turned(w).reshape(how.groups, -1, *w.shape[1:]).swapaxes(1, 2)
        split = split.reshape(-1, outs // how.groups, *how.kernel)
        return _by_columns(g, split, how.turned(), bias)
    return _spread_by_columns(g, w, how, bias)


def weight_of(x: Array, g: Array, how: Geometry) -> Array:
    """The weight gradient (O, C/groups, kernel) from the input and the output gradient."""
    channels, outs = x.shape[1], g.shape[1]
    if how.by_channel(channels, outs):
        return _weight_by_channel(x, g, how)
    if how.by_winograd(channels, outs):
        even = _even(how.places)
        framed = _framed(pixels_first(x), 0, how.windows.padding, tuple(n + 2 for n in even))
        return winograd.kernel_gradient(framed, _framed(pixels_first(g), 0, (0, 0), even))
    if how.by_position(channels, outs):
        return _weight_by_position(x, g, how)
    return _weight_by_columns(x, g, how)


def _turned(w: Array) -> Array:
    """The weight with its kernels turned by 180°."""
    return w[(..., *(slice(None, None, -1),) * (w.ndim - 2))]


def _pointwise(x: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    """The output of a kernel of one pixel, with images left as (N, C, H, W)."""
    samples, pixels = x.shape[0], math.prod(how.size)
    y = np.matmul(how.matrix(w), x.reshape(samples, how.groups, w.shape[1], pixels))
    if bias is not None:
        y += bias.reshape(how.groups, -1, 1)
    return y.reshape(samples, w.shape[0], *how.places)


# ---- Winograd -----------------------------------------------------------------------------------


def _even(places: Sizes) -> Sizes:
    """The size of the tiles of ``winograd`` that cover so many places."""
    return tuple(n + n % 2 for n in places)


def _by_winograd(
    x: Array, w: Array, how: Geometry, bias: Array | None, turned: bool = False
) -> Array:
    extent = tuple(n + 2 for n in _even(how.places))
    y = winograd.convolve(_framed(pixels_first(x), 0, how.windows.padding, extent), w, bias, turned)
    return pixels_last(_cut(y, 0, (0, 0), how.places))


# ---- a kernel for every channel -----------------------------------------------------------------


def _by_channel(x: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    framed = _framed(pixels_first(x), 0, how.windows.padding, how.extent())
    return pixels_last(depthwise.convolve(framed, w, how.windows, bias))


def _spread_by_channel(g: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    """The input gradient: a convolution, too, of outputs as far apart as the kernel moves."""
    stride, still = how.windows.stride, (1,) * len(how.kernel)
    if stride != still:
        size = how.windows.extent(still, how.places)
        apart = np.zeros_like(g, shape=(*size, *g.shape[:2]), order="C")
        apart[tuple(slice(None, None, step) for step in stride)] = pixels_first(g)
        g = pixels_last(apart)
        how = how._replace(windows=how.windows._replace(stride=still), places=size)
    return _by_channel(g, _turned(w), how.turned(), bias)


def _weight_by_channel(x: Array, g: Array, how: Geometry) -> Array:
    framed = _framed(pixels_first(x), 0, how.windows.padding, how.extent())
    pixels = _framed(pixels_first(g), 0, (0,) * len(how.places), how.places)
    return depthwise.kernel_gradient(framed, pixels, how.kernel, how.windows)


# ---- a product for every position in the kernel -------------------------------------------------


def _matrices(w: Array) -> Array:
    """(positions, O, C) of the weight (O, C, kernel)."""
    return w.reshape(*w.shape[:2], -1).transpose(2, 0, 1).copy()


def _rows(pixels: Array) -> Array:
    """(rows, pixels of a row, C) of (H, W, N, C); all places of sequences are one row."""
    return pixels.reshape(pixels.shape[0] if pixels.ndim == 4 else 1, -1, pixels.shape[-1])


def _seen(x: Array, how: Geometry) -> Array:
    """(H, W, N, C) of what the windows reach over."""
    if math.prod(how.kernel) == 1 and not any(how.windows.padding):
        return pixels_first(x)  # read only once, and not all of it: not worth a copy
    return _framed(pixels_first(x), 0, how.windows.padding, how.extent())


def _by_position(x: Array, matrices: Array, how: Geometry, bias: Array | None) -> Array:
    """The output from matrices (positions, C, O)."""
    framed = _seen(x, how)
    shape = (*how.places, x.shape[0], matrices.shape[2])
    y = np.empty_like(x, shape=shape, order="C")
    row = math.prod(shape[1:])
    for block in how.blocks(x, row, _BLOCK_BYTES):
        total, product = _rows(y[block]), None
        for i, (_, part) in enumerate(how.under(framed, block, 0)):
            if product is None:
                np.matmul(_rows(part), matrices[i], out=total)
                product = np.empty_like(total, order="C")
            else:
                total += np.matmul(_rows(part), matrices[i], out=product)
        if bias is not None:
            total += bias
    return pixels_last(y)


def _spread_by_position(g: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    """The input gradient where the kernel moves by more than 1."""
    pixels, extent = _framed(pixels_first(g), 0, (0,) * len(how.places), how.places), how.extent()
    shape = (*extent, g.shape[0], w.shape[1])
    framed = np.zeros_like(g, shape=shape, order="C")
    matrices = _matrices(w)
    row = math.prod(how.places[1:]) * g.shape[0] * w.shape[1]
    for block in how.blocks(g, row, _BLOCK_BYTES):
        rows = _rows(pixels[block])
        for i, (_, part) in enumerate(how.under(framed, block, 0)):
            part += np.matmul(rows, matrices[i]).reshape(part.shape)
    x = _cut(framed, 0, how.windows.padding, how.size)
    if bias is not None:
        x += bias
    return pixels_last(x)


def _weight_by_position(x: Array, g: Array, how: Geometry) -> Array:
    framed = _seen(x, how)
    pixels = _framed(pixels_first(g), 0, (0,) * len(how.places), how.places)
    channels, outs = x.shape[1], g.shape[1]
    total = np.zeros_like(x, shape=(math.prod(how.kernel), outs, channels), order="C")
    row = math.prod(how.places[1:]) * x.shape[0] * outs
    for block in how.blocks(x, row, _BLOCK_BYTES):
        rows = pixels[block].reshape(-1, outs).T
        for i, (_, part) in enumerate(how.under(framed, block, 0)):
            total[i] += np.matmul(rows, part.reshape(-1, channels))
    return total.transpose(1, 2, 0).copy().reshape(outs, channels, *how.kernel)


# ---- windows gathered as columns ----------------------------------------------------------------


def _columns(framed: Array, how: Geometry) -> Iterator[tuple[slice, Array]]:
    """For blocks of places the columns (groups, C/groups · kernel, block · N) of what is there."""
    channels, samples = framed.shape[0], framed.shape[-1]
    before = (channels, *how.kernel)
    rows = math.prod(before) // how.groups
    memory: Array = None
    # Of pixels that are not neighbours, those of few samples are copied for one sample at a time.
    scattered = how.windows.stride[-1] > 1 and 1 < samples < 16 and not is_one_piece(framed)
    loops = [slice(i, i + 1) for i in range(samples)] if scattered else [slice(None)]
    row = math.prod((*before, *how.places[1:], samples))
    for block in how.blocks(framed, row, _COLUMN_BYTES):
        shape = (*before, block.stop - block.start, *how.places[1:], samples)
        if memory is None or memory.shape != shape:
            memory = np.empty_like(framed, shape=shape, order="C")
        for position, part in how.under(framed, block, 1):
            for some in loops:
                memory[(slice(None), *position, ..., some)] = part[..., some]
        yield block, memory.reshape(how.groups, rows, math.prod(shape[-len(how.places) - 1 :]))


def _split(rows: int, *matrices: Array) -> list[Array]:
    """(groups, parts, rows, columns of a part) of each (groups, rows, columns), for small products.

    Args:
        rows: the number of multiplications for each column.
    """
    columns = matrices[0].shape[2]
    fewest = 1 if is_one_piece(matrices[0]) else -(-columns * rows // _SMALL_PRODUCT)
    parts = next((n for n in range(fewest, 2 * fewest) if columns % n == 0), 1)
    return [m.reshape(*m.shape[:2], parts, columns // parts).swapaxes(1, 2) for m in matrices]


def _channels(x: Array, how: Geometry, block: slice) -> Array:
    """(groups, C/groups, block · N) of ``x`` (C, H, W, N)."""
    part = x[:, block]
    return part.reshape(how.groups, x.shape[0] // how.groups, math.prod(part.shape[1:]))


def _by_columns(x: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    framed = _framed(samples_last(x), 1, how.windows.padding, how.extent())
    samples, outs = x.shape[0], w.shape[0]
    matrix = how.matrix(w)
    if how.groups == 1 and outs >= 2 * _MANY:
        # Laid out as the next convolution, of many channels, wants it.
        pixels = np.empty_like(x, shape=(*how.places, samples, outs), order="C")
        y = samples_last(pixels_last(pixels))
    else:
        y = np.empty_like(x, shape=(outs, *how.places, samples), order="C")
    for block, columns in _columns(framed, how):
        total = _channels(y, how, block)
        some, result = _split(matrix[0].size, columns, total)
        np.matmul(matrix[:, None], some, out=result)
        if bias is not None:
            total += bias.reshape(how.groups, -1, 1)
    return samples_first(y)


def _spread_by_columns(g: Array, w: Array, how: Geometry, bias: Array | None) -> Array:
    samples, channels = g.shape[0], w.shape[1] * how.groups
    matrix, maps = how.matrix(w).swapaxes(1, 2), samples_last(g)
    framed = np.zeros_like(g, shape=(channels, *how.extent(), samples), order="C")
    row = math.prod((channels, *how.kernel, *how.places[1:], samples))
    for block in how.blocks(g, row, _COLUMN_BYTES):
        given = _channels(maps, how, block)
        shape = (channels, *how.kernel, block.stop - block.start, *how.places[1:], samples)
        columns = np.empty_like(g, shape=shape, order="C")
        whole = columns.reshape(how.groups, matrix.shape[1], given.shape[2])
        some, result = _split(matrix[0].size, given, whole)
        np.matmul(matrix[:, None], some, out=result)
        for position, part in how.under(framed, block, 1):
            part += columns[(slice(None), *position)]
    x = _cut(framed, 1, how.windows.padding, how.size)
    if bias is not None:
        x += bias.reshape(-1, *(1,) * (x.ndim - 1))
    return samples_first(x)


def _weight_by_columns(x: Array, g: Array, how: Geometry) -> Array:
    framed, maps = (_framed(samples_last(x), 1, how.windows.padding, how.extent()), samples_last(g))
    outs, inner = g.shape[1], x.shape[1] // how.groups
    shape = (how.groups, inner * math.prod(how.kernel), outs // how.groups)
    total: Array = np.zeros_like(x, shape=shape, order="C")
    for block, columns in _columns(framed, how):
        some, given = _split(total[0].size, columns, _channels(maps, how, block))
        total += np.matmul(some, given.swapaxes(2, 3)).sum(axis=1)
    return total.swapaxes(1, 2).copy().reshape(outs, inner, *how.kernel)
