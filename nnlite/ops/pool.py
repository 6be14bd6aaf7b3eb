"""Pooling: the maximum or the mean of each window.

Pooling of sequences is that of images of height 1.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of, kept
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.windows import Sizes, Windows, per_dim
from nnlite.tensor import Tensor, is_replayed, ndarray, wrap

__all__ = ["avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d"]


def image_of(function: str, input: Tensor, dims: int = 2) -> Array:
    """The array of (N, C, H, W) or (C, H, W), for sequences of (N, C, L) or (C, L)."""
    x = array_of(function, input)
    if x.ndim not in (dims + 1, dims + 2):
        shapes = "(N, C, L) or (C, L)" if dims == 1 else "(N, C, H, W) or (C, H, W)"
        raise RuntimeError(f"{function}: expected the shape {shapes}, got {list(x.shape)}")
    return x


def as_wide(function: str, label: str, value: Any, other: int) -> tuple[int, int]:
    """An option of a sequence as that of an image of height 1."""
    return (other, per_dim(function, label, value, 1)[0])


def _windows(
    function: str,
    size: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> tuple[Windows, Sizes]:
    """Where the windows stand, and how many there are."""
    windows = Windows(stride, padding, dilation)
    if min(*kernel, *stride, *dilation) < 1 or min(padding) < 0:
        raise ValueError(
            f"{function}: kernel_size, stride and dilation must be at least 1, padding at least "
            f"0, got {list(kernel)}, {list(stride)}, {list(dilation)} and {list(padding)}"
        )
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise RuntimeError(
            f"{function}: padding must be at most half of kernel_size, got {list(padding)} with "
            f"{list(kernel)}; F.pad pads further"
        )
    places = windows.places(size, kernel)
    if ceil_mode:
        more = tuple(p + s - 1 for p, s in zip(padding, stride))
        # A last window that would start in the padding at the high end is left out.
        places = tuple(
            o - ((o - 1) * s >= n + p)
            for o, s, n, p in zip(windows.places(size, kernel, more), stride, size, padding)
        )
    if min(places) < 1:
        raise RuntimeError(
            f"{function}: a window of {list(kernel)} does not fit into an input of {list(size)} "
            f"with padding {list(padding)}"
        )
    return windows, places


def flat_index(places: list[list[int]], size: Sizes, like: Array) -> Array:
    """Index into H x W of each combination of a row and a column."""
    rows, columns = (np.asarray(p, dtype=np.int64, like=like) for p in places)
    return rows.reshape(-1, 1) * size[1] + columns


# ---- maximum ------------------------------------------------------------------------------------


class MaxPool2DWithIndicesBackward0(Node):
    """y = x[i], i the place of the maximum of each window:   ∂x = zeros with g added at i"""

    __slots__ = ()
    lifts = (None, None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape, overlap, how = self.meta
        if how and (type(g) is ndarray or is_replayed(g)):
            return (_spread_maxima(g, self.saved[1], shape, overlap, *how),)
        index = _index_of_maxima(self.saved, self.meta)
        planes, size = math.prod(shape[:-2]), shape[-2] * shape[-1]
        starts = size * np.arange(planes, like=index).reshape(-1, 1, 1)
        flat = (index.reshape(planes, *index.shape[-2:]) + starts).reshape(-1)
        grad = np.zeros_like(g, shape=(planes * size,))
        if overlap:
            np.add.at(grad, flat, g.reshape(-1))
        else:
            grad[flat] = g.reshape(-1)
        return (grad.reshape(shape),)


def _maxima(x: Array, windows: Windows, kernel: Sizes, places: Sizes) -> tuple[Array, Array]:
    """The maximum of each window, and its place as index into H x W."""
    best, which = _best(x, windows, kernel, places)
    return best, _index(which, windows, kernel, x.shape[-2:])


def _best(x: Array, windows: Windows, kernel: Sizes, places: Sizes) -> tuple[Array, Array]:
    """The maximum of each window, and the number of its position there, counted from 1."""
    lowest = -math.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = windows.pad(x, kernel, places, lowest)
    slices = [padded[(..., *window)] for _, window in windows.positions(kernel, places)]
    begun = padded is x and len(slices) > 1
    best = slices[0] if begun else np.full_like(x, lowest, shape=(*x.shape[:-2], *places))
    # The first position that is no padding stays where nothing is greater than minus infinity.
    first = [
        [max(-((s * o - p) // d), 0) for o in range(n)] for s, p, d, n in zip(*windows, places)
    ]
    number_of = np.min_scalar_type(len(slices)).type
    which = np.zeros_like(best, dtype=number_of)
    which += (flat_index(first, kernel, x) + 1).astype(number_of)
    for number, window in enumerate(slices[begun:], 1 + begun):
        if min(window.strides) > window.dtype.itemsize:
            window = window.copy()  # what is not contiguous is compared many times slower
        take = window > best  # the first of equal values stays
        if x.dtype.kind == "f":
            take |= window != window  # NaN wins
        best = np.maximum(best, window)
        which = np.maximum(which, take * number_of(number))
    return best, which


def _index(which: Array, windows: Windows, kernel: Sizes, size: Sizes) -> Array:
    """The index into H x W for the numbers of positions."""
    steps, low, dilations = windows
    corner = [[s * o - p for o in range(n)] for s, p, n in zip(steps, low, which.shape[-2:])]
    inside = [[d * k for k in range(n)] for d, n in zip(dilations, kernel)]
    offsets = flat_index(inside, size, which).reshape(-1)
    return flat_index(corner, size, which) + offsets[which - 1]


def _index_of_maxima(saved: tuple[Array, Array], meta: Any) -> Array:
    """The places of the maxima as index into H x W, from what max pooling has saved."""
    index, which = saved
    shape, _, how = meta
    return _index(which, how[0], how[1], shape[-2:]) if index is None else index


def _spread_maxima(
    g: Array,
    which: Array,
    shape: Sizes,
    overlap: bool,
    windows: Windows,
    kernel: Sizes,
    places: Sizes,
) -> Array:
    """``g`` added to zeros at the positions of ``which``, in the memory layout of ``which``."""
    grad: Array = np.zeros_like(which, dtype=g.dtype, shape=shape)
    aligned = np.empty_like(which, dtype=g.dtype)
    aligned[...] = g
    parts = windows.overlaps(shape[-2:], kernel, places)
    for number, (_, inside, source) in enumerate(parts, 1):
        there = (..., *inside)
        part = kept(aligned[there], which[there] == number)
        if overlap:
            part += grad[(..., *source)]
        grad[(..., *source)] = part
    return grad


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size: height and width of the windows, one integer or two; the same for the others.
        stride: from window to window; default: ``kernel_size``.
        padding: added on every side as minus infinity.
        dilation: the distance between elements of a window.
        ceil_mode: windows may reach over the end, so that no element is left out.
        return_indices: return the places of the maxima, too, as index into H x W.

    Raises:
        RuntimeError: for another number of dimensions, or where no window fits.

    >>> import nnlite
    >>> nnlite.nn.functional.max_pool2d(nnlite.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    name = "max_pool2d"
    x = image_of(name, input)
    kernel = per_dim(name, "kernel_size", kernel_size, 2)
    steps = per_dim(name, "stride", stride or kernel, 2)
    low = per_dim(name, "padding", padding, 2)
    dilations = per_dim(name, "dilation", dilation, 2)
    size = x.shape[-2:]
    windows, places = _windows(name, size, kernel, steps, low, dilations, ceil_mode)
    overlap = any(d * (k - 1) + 1 > s for d, k, s in zip(dilations, kernel, steps))
    how: Any = (x.shape, overlap, None)
    which = None
    if type(x) is ndarray or is_replayed(x):
        best, which = _best(x, windows, kernel, places)
        index = _index(which, windows, kernel, size) if return_indices else None
        how = (x.shape, overlap, (windows, kernel, places))
    else:
        best, index = _maxima(x, windows, kernel, places)
    y = record(best, MaxPool2DWithIndicesBackward0, (input._node,), (index, which), how)
    return (y, wrap(index)) if return_indices else y


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of sequences, shape (N, C, L) or (C, L); see ``max_pool2d``.

    >>> import nnlite
    >>> x = nnlite.tensor([[1.0, 3.0, 2.0, 0.0]])
    >>> nnlite.nn.functional.max_pool1d(x, 2, return_indices=True)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    name = "max_pool1d"
    image_of(name, input, 1)
    found = max_pool2d(
        unsqueeze(input, -2),
        as_wide(name, "kernel_size", kernel_size, 1),
        None if stride is None else as_wide(name, "stride", stride, 1),
        as_wide(name, "padding", padding, 0),
        as_wide(name, "dilation", dilation, 1),
        ceil_mode,
        return_indices,
    )
    if return_indices:
        return squeeze(found[0], -2), squeeze(found[1], -2)
    return squeeze(found, -2)


# ---- mean ---------------------------------------------------------------------------------------


class _Means(NamedTuple):
    """Windows, and what their sums are divided by."""

    windows: Windows
    size: Sizes
    kernel: Sizes
    places: Sizes
    divisor: Any

    def pool(self, x: Any) -> Any:
        """The mean of each window."""
        if isinstance(x, Tensor):
            return record(self.pool(x.array), AvgPool2DBackward0, (x._node,), (), self)
        padded = self.windows.pad(x, self.kernel, self.places)
        total: Array = np.zeros_like(x, shape=(*x.shape[:-2], *self.places))
        for _, window in self.windows.positions(self.kernel, self.places):
            total += padded[(..., *window)]
        total /= self.divisor
        return total

    def spread(self, g: Any) -> Any:
        """Each value shared out evenly among the elements of its window."""
        if isinstance(g, Tensor):
            return record(self.spread(g.array), SpreadBackward0, (g._node,), (), self)
        g = g / self.divisor
        extent = self.windows.extent(self.kernel, self.places)
        if self.windows.fits(self.size, extent):
            extent = self.size
        total: Array = np.zeros_like(g, shape=(*g.shape[:-2], *extent))
        for _, window in self.windows.positions(self.kernel, self.places):
            total[(..., *window)] += g
        return self.windows.crop(total, self.size)


class AvgPool2DBackward0(Node):
    """y = Σ x / n over each window:   ∂x = Σ g / n over the windows that it is in"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (self.meta.spread(g),)


class SpreadBackward0(Node):
    """y = Σ x / n over the windows that it is in:   ∂x = Σ g / n over each window"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (self.meta.pool(g),)

    def name(self) -> str:
        return "AvgPool2DBackwardBackward0"


def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, ceil_mode: as in ``max_pool2d``, but padded with zeros.
        count_include_pad: whether the padding counts as elements.
        divisor_override: what the sums are divided by instead of the number of elements.

    Raises:
        RuntimeError: for another number of dimensions, or where no window fits.

    >>> import nnlite
    >>> nnlite.nn.functional.avg_pool2d(nnlite.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    name = "avg_pool2d"
    x = image_of(name, input)
    if x.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected floating point values, got {x.dtype}; use float()")
    kernel = per_dim(name, "kernel_size", kernel_size, 2)
    steps = per_dim(name, "stride", stride or kernel, 2)
    low = per_dim(name, "padding", padding, 2)
    size = x.shape[-2:]
    windows, places = _windows(name, size, kernel, steps, low, (1, 1), ceil_mode)
    if divisor_override == 0:
        raise RuntimeError(f"{name}: divisor_override must not be 0")
    divisor: Any = divisor_override
    if divisor is None:
        rows, columns = (
            np.asarray(
                [
                    min(s * o - p + k, n + p * count_include_pad)
                    - max(s * o - p, -p * count_include_pad)
                    for o in range(count)
                ],
                dtype=x.dtype,
                like=x,
            )
            for s, p, k, n, count in zip(steps, low, kernel, size, places)
        )
        divisor = rows.reshape(-1, 1) * columns
    how = _Means(windows, size, kernel, places, divisor)
    return record(how.pool(x), AvgPool2DBackward0, (input._node,), (), how)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of sequences, shape (N, C, L) or (C, L); see ``avg_pool2d``.

    >>> import nnlite
    >>> nnlite.nn.functional.avg_pool1d(nnlite.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    name = "avg_pool1d"
    image_of(name, input, 1)
    y = avg_pool2d(
        unsqueeze(input, -2),
        as_wide(name, "kernel_size", kernel_size, 1),
        None if stride is None else as_wide(name, "stride", stride, 1),
        as_wide(name, "padding", padding, 0),
        ceil_mode,
        count_include_pad,
    )
    return squeeze(y, -2)
