"""Padding, and rearranging channels into pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor

__all__ = ["pad", "pixel_shuffle", "pixel_unshuffle"]

Sides = tuple[tuple[int, int], ...]


class ConstantPadNdBackward0(Node):
    """y = x with constants around it:   ∂x = g without its borders"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        sides, _ = self.meta
        return (_constant(g, tuple((-low, -high) for low, high in sides), 0),)


def _constant(x: Any, sides: Sides, value: float) -> Any:
    """``x`` with constants added, or with elements cut off where a side is negative."""
    if isinstance(x, Tensor):
        y = _constant(x.array, sides, value)
        return record(y, ConstantPadNdBackward0, (x._node,), (), (sides, value))
    shape = tuple(n + low + high for n, (low, high) in zip(x.shape, sides))
    y = np.full_like(x, value, shape=shape)
    there = tuple(slice(max(low, 0), n - max(high, 0)) for n, (low, high) in zip(shape, sides))
    here = tuple(slice(max(-low, 0), n - max(-high, 0)) for n, (low, high) in zip(x.shape, sides))
    y[there] = x[here]
    return y


class PadBackward0(Node):
    """y = x[i], i where the mode takes each element from:   ∂x = zeros with g added at i"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape, taken, ends, _ = self.meta
        for axis in range(len(shape) - len(ends), len(shape)):
            n, (low, high) = shape[axis], ends[axis - len(shape)]
            size = g.shape[axis]
            # The middle is the input as it was; only the borders came from elsewhere.
            middle = slice(max(low, 0), size - max(high, 0))
            grad = np.zeros_like(g, shape=(*g.shape[:axis], n, *g.shape[axis + 1 :]))
            grad[_at(axis, slice(max(-low, 0), n - max(-high, 0)))] = g[_at(axis, middle)]
            for border in (slice(0, middle.start), slice(middle.stop, size)):
                index = taken[axis - len(shape)][border]
                if len(index):
                    np.add.at(grad, _at(axis, index), g[_at(axis, border)])
            g = grad
        return (g,)

    def name(self) -> str:
        _, _, ends, mode = self.meta
        if mode == "circular":
            return "CopySlices"
        kind = "Reflection" if mode == "reflect" else "Replication"
        return f"{kind}Pad{len(ends)}DBackward0"


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Elements added around a tensor, or cut off where a number is negative.

    Args:
        input: any shape; for the modes other than ``"constant"`` (N, C, …) or (C, …) with one to
            three dimensions to pad.
        pad: how many elements at the low and at the high end of the last dimension, then of the
            last but one, and so on.
        mode: ``"constant"``; ``"reflect"`` (mirrored at the outermost element), ``"replicate"``
            (the outermost element) or ``"circular"`` (from the other end).
        value: for the constant mode, default 0.

    Raises:
        ValueError: for an odd number of sides or more of them than dimensions.
        RuntimeError: for a border that is wider than the mode allows.

    >>> import nnlite
    >>> x = nnlite.tensor([[1, 2, 3]])
    >>> nnlite.nn.functional.pad(x, (1, 1)), nnlite.nn.functional.pad(x, (2, 0), "reflect")
    (tensor([[0, 1, 2, 3, 0]]), tensor([[3, 2, 1, 2, 3]]))
    """
    x = array_of("pad", input)
    sides = tuple(pad)
    if len(sides) % 2 or len(sides) > 2 * x.ndim:
        raise ValueError(
            f"pad: pad needs two numbers for each dimension, from the last on, got {list(sides)} "
            f"for the shape {list(x.shape)}"
        )
    ends = tuple(zip(sides[::2], sides[1::2]))[::-1]
    size = x.shape[x.ndim - len(ends) :]
    if any(n + low + high < 0 for n, (low, high) in zip(size, ends)):
        raise RuntimeError(f"pad: {list(sides)} cuts off more than the shape {list(x.shape)} has")
    if mode == "constant":
        every = ((0, 0),) * (x.ndim - len(ends)) + ends
        y = _constant(x, every, 0 if value is None else value)
        return record(y, ConstantPadNdBackward0, (input._node,), (), (every, value))
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    if value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value")
    if x.ndim not in (len(ends) + 1, len(ends) + 2) or not 1 <= len(ends) <= 3:
        raise NotImplementedError(
            f"pad: mode {mode!r} pads the last one, two or three dimensions of (N, C, …) or "
            f"(C, …), got {list(sides)} for the shape {list(x.shape)}"
        )
    lists = [_taken(mode, n, low, high) for n, (low, high) in zip(size, ends)]
    taken = tuple(np.asarray(i, dtype=np.int64, like=x) for i in lists)
    y = x
    for axis, index in enumerate(taken, x.ndim - len(taken)):
        y = y[_at(axis, index)]
    return record(y, PadBackward0, (input._node,), (), (x.shape, taken, ends, mode))


def _at(axis: int, index: Any) -> tuple[Any, ...]:
    """The index that is ``index`` in dimension ``axis``."""
    return (slice(None),) * axis + (index,)


def _taken(mode: str, n: int, low: int, high: int) -> list[int]:
    """Which of ``n`` elements each element of the padded dimension is."""
    limit = {"reflect": n - 1, "circular": n}.get(mode)
    if n == 0 or (limit is not None and max(low, high) > limit):
        raise RuntimeError(
            f"pad: {max(low, high)} elements of mode {mode!r} cannot be made of {n}; the limit is "
            f"{limit}"
        )
    places = range(-low, n + high)
    if mode == "circular":
        # As in torch, what a negative side cuts off does not come back at the other end.
        start, kept = max(-low, 0), n - max(-low, 0) - max(-high, 0)
        return [start + (i - start) % kept for i in places]
    if mode == "replicate":
        return [min(max(i, 0), n - 1) for i in places]
    return [-i if i < 0 else 2 * (n - 1) - i if i >= n else i for i in places]


# ---- channels and pixels ------------------------------------------------------------------------


def _shuffled(x: Any, r: int) -> Any:
    """(…, C r², H, W) as (…, C, H r, W r)."""
    *lead, channels, height, width = x.shape
    n = len(lead)
    split = x.reshape(*lead, channels // r**2, r, r, height, width)
    mixed = split.transpose((*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return mixed.reshape(*lead, channels // r**2, height * r, width * r)


def _unshuffled(x: Any, r: int) -> Any:
    """(…, C, H r, W r) as (…, C r², H, W)."""
    *lead, channels, height, width = x.shape
    n = len(lead)
    split = x.reshape(*lead, channels, height // r, r, width // r, r)
    mixed = split.transpose((*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return mixed.reshape(*lead, channels * r**2, height // r, width // r)


class PixelShuffleBackward0(Node):
    """y = x with r² channels as r by r pixels:   ∂x = g with r by r pixels as r² channels"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (_unshuffled(g, self.meta),)


class PixelUnshuffleBackward0(Node):
    """y = x with r by r pixels as r² channels:   ∂x = g with r² channels as r by r pixels"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (_shuffled(g, self.meta),)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels rearranged into pixels: (…, C r², H, W) becomes (…, C, H r, W r).

    Source: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", arXiv:1609.05158.

    Raises:
        RuntimeError: when the number of channels is not divisible by r².

    >>> import nnlite
    >>> nnlite.nn.functional.pixel_shuffle(nnlite.arange(4).reshape(4, 1, 1), 2)
    tensor([[[0, 1],
             [2, 3]]])
    """
    x, r = array_of("pixel_shuffle", input), upscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-3] % r**2:
        raise RuntimeError(
            f"pixel_shuffle: expected the shape (…, C, H, W) with C divisible by {r}², got "
            f"{list(x.shape)}"
        )
    return record(_shuffled(x, r), PixelShuffleBackward0, (input._node,), (), r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels rearranged into channels: (…, C, H r, W r) becomes (…, C r², H, W).

    Raises:
        RuntimeError: when height or width is not divisible by r.

    >>> import nnlite
    >>> nnlite.nn.functional.pixel_unshuffle(nnlite.arange(4).reshape(1, 2, 2), 2).shape
    nnlite.Size([4, 1, 1])
    """
    x, r = array_of("pixel_unshuffle", input), downscale_factor
    if x.ndim < 3 or r < 1 or x.shape[-2] % r or x.shape[-1] % r:
        raise RuntimeError(
            f"pixel_unshuffle: expected the shape (…, C, H, W) with H and W divisible by {r}, got "
            f"{list(x.shape)}"
        )
    return record(_unshuffled(x, r), PixelUnshuffleBackward0, (input._node,), (), r)
