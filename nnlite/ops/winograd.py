"""Convolution with kernels of 3 x 3 by Winograd's algorithm, in 4/9 of the multiplications.

Each tile of 2 x 2 outputs reads 4 x 4 inputs. A linear transform of these and of the kernel turns
the convolution into 16 products of single numbers, that is, into 16 matrix products over channels;
another one turns their results into outputs. The numbers in the transforms are 0, ±1 and ±1/2, so
rounding errors stay as small as those of the direct sums.
Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308,
F(2 x 2, 3 x 3).

Images are (H, W, N, C) here: then all sums and products run over long contiguous pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnlite.ops.layout import is_one_piece
from nnlite.ops.operands import Array

__all__ = ["convolve", "kernel_gradient"]

# From this many tiles on, all channels of them, the matrix products run at full speed; more would
# not stay in the cache.
_TILES = 512

# How the kernel is transformed along one dimension.
_KERNEL = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def _kernel_matrix(like: Array, turned: bool = False) -> Array:
    """(16, 9): the transform of a kernel, of one turned by 180° with ``turned``."""
    rows = [row[::-1] for row in _KERNEL] if turned else list(_KERNEL)
    both = [[a * b for a in up for b in across] for up in rows for across in rows]
    return np.asarray(both, dtype=like.dtype, like=like)


def _blocks(x: Array) -> Iterator[tuple[slice, slice]]:
    """Rows of tiles, and samples of ``x``, that are computed at a time."""
    tiles, samples = (x.shape[0] // 2 - 1, x.shape[1] // 2 - 1), x.shape[2]
    if is_one_piece(x):
        yield slice(0, tiles[0]), slice(None)
        return
    few = max(min(_TILES // tiles[1], samples), 1)
    rows = min(max(_TILES // (tiles[1] * few), 1), tiles[0])
    for n in range(0, samples, few):
        for t in range(0, tiles[0], rows):
            yield slice(t, min(t + rows, tiles[0])), slice(n, min(n + few, samples))


def _inputs(x: Array) -> Array:
    """(4, 4, TH, TW, N, C): the transform of all tiles of ``x`` (2 TH + 2, 2 TW + 2, N, C)."""
    height, width = x.shape[0] // 2 - 1, x.shape[1] // 2 - 1
    half = np.empty_like(x, shape=(4, height, *x.shape[1:]), order="C")
    _combine([x[i : i + 2 * height - 1 : 2] for i in range(4)], half)
    whole = np.empty_like(x, shape=(4, 4, height, width, *x.shape[2:]), order="C")
    _combine([half[:, :, i : i + 2 * width - 1 : 2] for i in range(4)], whole.swapaxes(0, 1))
    return whole


def _combine(x: list[Array], out: Array) -> None:
    """The transform of four inputs along one dimension."""
    np.subtract(x[0], x[2], out=out[0])
    np.add(x[1], x[2], out=out[1])
    np.subtract(x[2], x[1], out=out[2])
    np.subtract(x[1], x[3], out=out[3])


def _put_outputs(products: Array, y: Array) -> None:
    """The outputs ``y`` (2 TH, 2 TW, N, O) of products (4, 4, TH, TW, N, O)."""
    half = np.empty_like(products[:2], order="C")
    _reduce(products, half)
    for row in range(2):
        part = y[row::2]
        _reduce(half[row], [part[:, 0::2], part[:, 1::2]])


def _reduce(m: Array, out: Any) -> None:
    """The transform of four products along one dimension into two outputs."""
    np.add(m[1], m[2], out=out[0])
    np.add(out[0], m[0], out=out[0])
    np.subtract(m[1], m[2], out=out[1])
    np.subtract(out[1], m[3], out=out[1])


def _spread(g: Array) -> Array:
    """(4, 4, TH, TW, N, O): the transpose of ``_put_outputs`` for ``g`` (2 TH, 2 TW, N, O)."""
    height, width = g.shape[0] // 2, g.shape[1] // 2
    half = np.empty_like(g, shape=(4, height, *g.shape[1:]), order="C")
    _expand(g[0::2], g[1::2], half)
    whole = np.empty_like(g, shape=(4, 4, height, width, *g.shape[2:]), order="C")
    _expand(half[:, :, 0::2], half[:, :, 1::2], whole.swapaxes(0, 1))
    return whole


def _expand(first: Array, second: Array, out: Array) -> None:
    out[0] = first
    np.add(first, second, out=out[1])
    np.subtract(first, second, out=out[2])
    np.negative(second, out=out[3])


def convolve(x: Array, w: Array, bias: Array | None = None, turned: bool = False) -> Array:
    """The outputs (2 TH, 2 TW, N, O) of ``x`` (2 TH + 2, 2 TW + 2, N, C) and a kernel.

    Args:
        w: shape (O, C, 3, 3); with ``turned`` (C, O, 3, 3), and it is turned by 180°.
        bias: shape (O,).
    """
    outs = w.shape[1] if turned else w.shape[0]
    kernel = np.matmul(_kernel_matrix(w, turned), w.reshape(-1, 9).T).reshape(16, *w.shape[:2])
    if not turned:
        kernel = kernel.swapaxes(1, 2)
    shape = (x.shape[0] - 2, x.shape[1] - 2, x.shape[2], outs)
    y = np.empty_like(x, shape=shape, order="C")
    for rows, some in _blocks(x):
        inputs = _inputs(x[2 * rows.start : 2 * rows.stop + 2, :, some])
        products = np.matmul(inputs.reshape(16, -1, x.shape[3]), kernel)
        part = y[2 * rows.start : 2 * rows.stop, :, some]
        _put_outputs(products.reshape(*inputs.shape[:-1], outs), part)
        if bias is not None:
            part += bias
    return y


def kernel_gradient(x: Array, g: Array) -> Array:
    """The gradient (O, C, 3, 3) of the kernel from ``x`` and from ``g`` (2 TH, 2 TW, N, O)."""
    channels, outs = x.shape[3], g.shape[3]
    total: Any = None
    for rows, some in _blocks(x):
        inputs = _inputs(x[2 * rows.start : 2 * rows.stop + 2, :, some])
        spread = _spread(g[2 * rows.start : 2 * rows.stop, :, some])
        products = np.matmul(
            spread.reshape(16, -1, outs).swapaxes(1, 2), inputs.reshape(16, -1, channels)
        )
        total = products if total is None else np.add(total, products, out=total)
    if total is None:
        return np.zeros_like(x, shape=(outs, channels, 3, 3), order="C")
    flat = np.matmul(total.reshape(16, -1).T, _kernel_matrix(x))
    return flat.reshape(outs, channels, 3, 3)
