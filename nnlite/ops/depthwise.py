"""Convolution of each channel by a kernel of its own: groups as many as channels.

There is nothing to multiply as matrices. Each output is a sum of as few products as the kernel has
positions, and each of these sums runs along all channels of several samples at once: images are
(H, W, N, C) here. The windows are a view of the image, nothing is gathered.
"""

from __future__ import annotations

import numpy as np

from nnlite.ops.layout import is_one_piece, pixels_first, pixels_last
from nnlite.ops.operands import Array
from nnlite.ops.windows import Sizes, Windows

__all__ = ["convolve", "kernel_gradient"]

# Loops over so many numbers are no slower than longer ones.
_LOOP = 512


def _together(x: Array) -> int:
    """Of how many samples of ``x`` (…, N, C) the channels are computed in one loop."""
    samples, channels = x.shape[-2:]
    if is_one_piece(x):
        return 1
    return next((n for n in range(-(-_LOOP // channels), samples) if samples % n == 0), samples)


def _joined(x: Array, some: int) -> Array:
    """(…, N / some, some · C) of (…, N, C)."""
    samples, channels = x.shape[-2:]
    return x.reshape(*x.shape[:-2], samples // max(some, 1), some * channels)


def _under(x: Array, kernel: Sizes, windows: Windows) -> Array:
    """(places, N, C, kernel): what is under the kernel at each place, a view of ``x``."""
    reach = windows.extent(kernel, (1,) * len(kernel))
    seen: Array = np.lib.stride_tricks.sliding_window_view(x, reach, tuple(range(len(kernel))))
    steps = [slice(None, None, step) for step in windows.stride]
    holes = [slice(None, None, step) for step in windows.dilation]
    return seen[(*steps, ..., *holes)]


def convolve(x: Array, w: Array, windows: Windows, bias: Array | None = None) -> Array:
    """The outputs (places, N, C) of ``x`` (H, W, N, C), padding included.

    Args:
        w: shape (C, 1, kernel).
        bias: shape (C,).
    """
    kernel, channels, some = w.shape[2:], x.shape[-1], _together(x)
    rows = pixels_first(w.swapaxes(0, 1))
    rows = np.broadcast_to(rows, (*kernel, some, channels)).copy()
    at = "uv"[: len(kernel)]
    seen = _under(_joined(x, some), kernel, windows)
    weights = rows.reshape(*kernel, some * channels)
    y = np.einsum(f"...c{at},{at}c->...c", seen, weights)
    y = y.reshape(*y.shape[:-2], *x.shape[-2:])
    if bias is not None:
        y += bias
    return y


def kernel_gradient(x: Array, g: Array, kernel: Sizes, windows: Windows) -> Array:
    """The gradient (C, 1, kernel) of the kernel from ``x`` and from ``g`` (places, N, C)."""
    channels, some = x.shape[-1], _together(x)
    places, at = "hw"[: len(kernel)], "uv"[: len(kernel)]
    # Sums of rows, or samples of sequences, first: rounding errors stay small.
    kept = "h" if len(kernel) > 1 else "n"
    seen = _under(_joined(x, some), kernel, windows)
    sums = np.einsum(f"{places}nc{at},{places}nc->{kept}{at}c", seen, _joined(g, some))
    total = sums.sum(axis=0).reshape(*kernel, some, channels).sum(axis=-2, keepdims=True)
    return pixels_last(total).swapaxes(0, 1).copy()
