"""The windows of an image as columns, and columns put back in their places (unfold, fold)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.columns import Geometry
from nnlite.ops.operands import Array, array_of
from nnlite.ops.windows import Windows, per_dim, steps_of
from nnlite.tensor import Tensor


def _columns(x: Array, how: Geometry) -> Array:
    """(N, C · kernel, windows) of ``x`` (N, C, size)."""
    padded = how.windows.pad(x, how.kernel, how.places)
    columns: Array = np.empty_like(x, shape=(*x.shape[:2], *how.kernel, *how.places))
    for position, window in how.windows.positions(how.kernel, how.places):
        columns[(slice(None), slice(None), *position)] = padded[(..., *window)]
    rows = x.shape[1] * math.prod(how.kernel)
    return columns.reshape(x.shape[0], rows, math.prod(how.places))


def _image(columns: Array, how: Geometry) -> Array:
    """The sum of columns (N, C · kernel, windows) at their places, (N, C, size)."""
    samples = columns.shape[0]
    channels = columns.shape[1] // math.prod(how.kernel)
    columns = columns.reshape(samples, channels, *how.kernel, *how.places)
    x: Array = np.zeros_like(columns, shape=(samples, channels, *how.size))
    for position, inside, source in how.windows.overlaps(how.size, how.kernel, how.places):
        x[(..., *source)] += columns[(slice(None), slice(None), *position, *inside)]
    return x


def _linear(
    compute: Callable[[Array, Geometry], Array], node: type[Node], x: Any, how: Geometry
) -> Any:
    """One of the two maps, of an array, or of a tensor in a backward that records itself."""
    if isinstance(x, Tensor):
        return record(_linear(compute, node, x.array, how), node, (x._node,), (), how)
    lead = len(how.kernel) if compute is _image else 1 + len(how.kernel)
    if x.ndim == (2 if compute is _image else lead):
        return compute(x[None], how)[0]
    return compute(x, how)


class Im2ColBackward0(Node):
    """y = the windows of x as columns:   ∂x = the sum of the columns of g at their places"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (_linear(_image, Col2ImBackward0, g, self.meta),)


class Col2ImBackward0(Node):
    """y = the sum of the columns of x at their places:   ∂x = the windows of g as columns"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (_linear(_columns, Im2ColBackward0, g, self.meta),)


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows of images as columns (im2col).

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        kernel_size, dilation, padding, stride: as in ``conv2d``.

    Returns:
        Shape (N, C KH KW, L) for L windows.

    Raises:
        RuntimeError: for another number of dimensions, or where no window fits.

    >>> import nnlite
    >>> nnlite.nn.functional.unfold(nnlite.arange(4.0).reshape(1, 1, 2, 2), (1, 2))
    tensor([[[0., 2.],
             [1., 3.]]])
    """
    x = array_of("unfold", input)
    if x.ndim not in (3, 4):
        raise RuntimeError(
            f"unfold: expected the shape (N, C, H, W) or (C, H, W), got {list(x.shape)}"
        )
    kernel = per_dim("unfold", "kernel_size", kernel_size, 2)
    strides, dilations = steps_of("unfold", 2, stride, dilation)
    windows = Windows(strides, per_dim("unfold", "padding", padding, 2), dilations)
    size = x.shape[-2:]
    how = Geometry(windows, 1, size, kernel, windows.places(size, kernel))
    if min(how.places) < 1:
        raise RuntimeError(
            f"unfold: a kernel of {list(kernel)} does not fit into an input of {list(size)} with "
            f"padding {list(windows.padding)}"
        )
    return _linear(_columns, Im2ColBackward0, input, how)  # type: ignore[no-any-return]


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Images as the sum of columns at the places of their windows: the transpose of ``unfold``.

    Args:
        input: shape (N, C KH KW, L) or (C KH KW, L) for L windows.
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as in ``conv2d``.

    Returns:
        Shape (N, C, H, W).

    Raises:
        RuntimeError: when the numbers of rows and columns do not fit the windows.

    >>> import nnlite
    >>> nnlite.nn.functional.fold(nnlite.ones(1, 2, 2), (1, 3), (1, 2))
    tensor([[[[1., 2., 1.]]]])
    """
    x = array_of("fold", input)
    size = per_dim("fold", "output_size", output_size, 2)
    kernel = per_dim("fold", "kernel_size", kernel_size, 2)
    strides, dilations = steps_of("fold", 2, stride, dilation)
    windows = Windows(strides, per_dim("fold", "padding", padding, 2), dilations)
    places = windows.places(size, kernel)
    per_window, total = math.prod(kernel), math.prod(places)
    if x.ndim not in (2, 3) or x.shape[-2] % per_window or x.shape[-1] != total or min(places) < 1:
        raise RuntimeError(
            f"fold: an output of {list(size)} with kernels of {list(kernel)} needs the input "
            f"(N, C · {per_window}, {total}), got {list(x.shape)}"
        )
    how = Geometry(windows, 1, size, kernel, places)
    return _linear(_image, Col2ImBackward0, input, how)  # type: ignore[no-any-return]
