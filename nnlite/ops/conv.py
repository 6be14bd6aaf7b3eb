"""Convolution, transposed convolution, and the windows of an image as columns (unfold, fold).

A convolution is linear in its input and in its weight, so three maps suffice for derivatives of
any order: output from input and weight, input gradient from output gradient and weight, weight
gradient from input and output gradient. The derivative of each consists of the other two, and the
second one is the transposed convolution.

All three gather windows of a few samples at a time as the columns of a matrix and leave the rest to
matrix products. Either every element of the windows is gathered, and there is one product (im2col);
or only the elements of one kernel row, and there is a product for each row, over columns that begin
further on: fewer elements to copy, more products to add up.
Source of the second: Cho and Brand 2017, "MEC: Memory-efficient Convolution", arXiv:1706.06873.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.windows import Sizes, Windows, per_dim
from nnlite.tensor import Tensor

__all__ = [
    "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold",
]  # fmt: skip

# Columns are gathered for so many samples at a time that they take about this many bytes, because
# they should still be in the cache when the product reads them; more where there would be less than
# the second number for each position in the kernel, because a call costs what a few kB cost.
_BLOCK_BYTES = 1 << 18
_POSITION_BYTES = 1 << 14


class _Geometry(NamedTuple):
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
        """(groups, O/groups, columns) of ``y`` (N, O, places); see ``_Columns``."""
        return _across(y).reshape(self.groups, y.shape[1] // self.groups, -1)


def _across(x: Array) -> Array:
    """(N, C, H, …) as (C, H, N, …): columns of one row of the image stand together."""
    return x.transpose(1, 2, 0, *range(3, x.ndim))


class _Columns:
    """Windows of a few samples as the columns of a matrix, in memory that is used again.

    Its elements are (C, kernel, rows, N, other places). With ``by_row`` the kernel has one row only
    and the rows are those of the padded image: row i of the kernel reads ``spans(…)[i]``.

    Attributes:
        step: how many samples are gathered at a time.
    """

    def __init__(self, how: _Geometry, channels: int, itemsize: int, by_row: bool) -> None:
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
        image = _across(x)
        for there, here in self.moves:
            self.memory[there] = image[here]
        return self.memory.reshape(self.how.groups, -1, math.prod(shape[-len(self.places) - 1 :]))

    def scatter(self, columns: Array, x: Array) -> None:
        """Add columns to ``x`` at the places that ``gather`` takes them from."""
        shape = (self.channels, *self.kernel, self.places[0], x.shape[0], *self.places[1:])
        columns, image = columns.reshape(shape), _across(x)
        for there, here in self.moves:
            image[here] += columns[there]


# ---- the three maps, on arrays ------------------------------------------------------------------


def _output(x: Array, w: Array, how: _Geometry, bias: Array | None = None) -> Array:
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
    columns = _Columns(how, channels, x.dtype.itemsize, by_row)
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
        _across(y[part])[...] = total.reshape(
            outs, how.places[0], part.stop - part.start, *how.places[1:]
        )
    return y


def _input(g: Array, w: Array, how: _Geometry, bias: Array | None = None) -> Array:
    """The input gradient (N, C, size) from the output gradient and the weight."""
    windows, groups = how.windows, how.groups
    if all(stride == 1 for stride in windows.stride):
        # It is a convolution itself, with the weight turned round.
        turned = w[(slice(None), slice(None), *(slice(None, None, -1),) * len(how.kernel))]
        split = turned.reshape(groups, -1, *w.shape[1:]).swapaxes(1, 2)
        padding = tuple(
            d * (k - 1) - p for d, k, p in zip(windows.dilation, how.kernel, windows.padding)
        )
        back = _Geometry(
            Windows(windows.stride, padding, windows.dilation), groups, how.places, how.kernel,
            how.size,
        )  # fmt: skip
        return _output(g, split.reshape(-1, w.shape[0] // groups, *how.kernel), back, bias)
    samples, channels = g.shape[0], w.shape[1] * groups
    columns = _Columns(how, channels, g.dtype.itemsize, False)
    matrix = how.matrix(w).swapaxes(1, 2)
    x = np.zeros_like(g, shape=(samples, channels, *how.size))
    for part in columns.parts(samples):
        columns.scatter(np.matmul(matrix, how.rows(g[part])), x[part])
    if bias is not None:
        x += bias.reshape(-1, *(1,) * len(how.kernel))
    return x


def _weight(x: Array, g: Array, how: _Geometry) -> Array:
    """The weight gradient (O, C/groups, kernel) from the input and the output gradient."""
    (samples, channels), outs = x.shape[:2], g.shape[1]
    inner = channels // how.groups
    in_row = inner * math.prod(how.kernel[1:])
    by_row = how.windows.stride[0] == 1 and how.kernel[0] > 1 and in_row >= 16
    columns = _Columns(how, channels, x.dtype.itemsize, by_row)
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


def _apply(
    compute: Callable[..., Array],
    node: type[Node],
    a: Any,
    b: Any,
    how: _Geometry,
) -> Any:
    """One of the three maps, of arrays, or of tensors in a backward that records itself."""
    if isinstance(a, Tensor):
        edges = (a._node, b._node, None)
        return record(_exact(compute, a.array, b.array, how), node, edges, (a.array, b.array), how)
    return _exact(compute, a, b, how)


def _exact(
    compute: Callable[..., Array], a: Array, b: Array, how: _Geometry, *bias: Array | None
) -> Array:
    """Half precision is summed up in single precision."""
    if a.dtype.itemsize > 2:
        return compute(a, b, how, *bias)
    single = [None if t is None else t.astype(np.float32) for t in (a, b, *bias)]
    return compute(*single[:2], how, *single[2:]).astype(a.dtype)


class ConvolutionBackward0(Node):
    """y = x ⋆ w + b:   ∂x = g spread by w (the transposed convolution),   ∂w = x ⋆ g,
    ∂b = Σ g over samples and places"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, w = self.saved
        to_x, to_w, to_b = self.edges
        return (
            _apply(_input, TransposedConvolutionBackward0, g, w, self.meta) if to_x else None,
            _apply(_weight, WeightOfConvolutionBackward0, x, g, self.meta) if to_w else None,
            g.sum(axis=(0, *range(2, g.ndim))) if to_b else None,
        )


class TransposedConvolutionBackward0(Node):
    """y = x spread by w, + b:   ∂x = g ⋆ w,   ∂w = g ⋆ x,   ∂b = Σ g over samples and places"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, w = self.saved
        to_x, to_w, to_b = self.edges
        return (
            _apply(_output, ConvolutionBackward0, g, w, self.meta) if to_x else None,
            _apply(_weight, WeightOfConvolutionBackward0, g, x, self.meta) if to_w else None,
            g.sum(axis=(0, *range(2, g.ndim))) if to_b else None,
        )

    def name(self) -> str:
        return "ConvolutionBackward0"


class WeightOfConvolutionBackward0(Node):
    """w = x ⋆ y, as in the derivative of a convolution:   ∂x = y spread by g,   ∂y = x ⋆ g"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        to_x, to_y, _ = self.edges
        return (
            _apply(_input, TransposedConvolutionBackward0, y, g, self.meta) if to_x else None,
            _apply(_output, ConvolutionBackward0, x, g, self.meta) if to_y else None,
            None,
        )

    def name(self) -> str:
        return "ConvolutionBackwardBackward0"


# ---- convolution --------------------------------------------------------------------------------


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of sequences with learned kernels; see ``conv2d``.

    Args:
        input: shape (N, C, L) or (C, L).
        weight: shape (O, C / groups, K).
        bias: shape (O,), or None.

    Returns:
        Shape (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1).

    >>> import nnlite
    >>> x = nnlite.tensor([[[1.0, 2.0, 4.0]]])
    >>> nnlite.nn.functional.conv1d(x, nnlite.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2.]]])
    """
    return _convolution("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of images with learned kernels.

    y[n, o, i, j] = b[o] + Σ w[o, c, u, v] x[n, c, s i + d u - p, s j + d v - p] over c, u, v, with
    stride s, dilation d and padding p; x is 0 outside of the image.
    Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        weight: shape (O, C / groups, KH, KW).
        bias: shape (O,), or None.
        stride: one integer or two; the same for the others.
        padding: zeros added on every side; ``"valid"`` for none, ``"same"`` for an output of the
            size of the input (stride 1).
        dilation: the distance between elements of the kernel.
        groups: channels are split into this many groups that do not see each other.

    Returns:
        Shape (N, O, OH, OW) with OH = (H + 2 padding - dilation (KH - 1) - 1) // stride + 1.

    Raises:
        RuntimeError: when the shapes or dtypes do not fit, or the kernel is larger than the image.

    >>> import nnlite
    >>> nnlite.nn.functional.conv2d(nnlite.ones(1, 1, 3, 3), nnlite.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _convolution("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    function: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    x, w = _checked(function, dims, input, weight, bias)
    if x.ndim == dims + 1:
        whole = _convolution(
            function, dims, unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups
        )
        return squeeze(whole, 0)
    strides, dilations = _steps(function, dims, stride, dilation)
    kernel, size = w.shape[2:], x.shape[2:]
    if groups < 1 or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise RuntimeError(
            f"{function}: with groups={groups} a weight of shape {list(w.shape)} takes "
            f"{w.shape[1] * groups} channels and needs a number of outputs that {groups} divides; "
            f"the input {list(x.shape)} has {x.shape[1]} channels"
        )
    if isinstance(padding, str):
        low, high = _named_padding(function, padding, kernel, strides, dilations)
    else:
        low = high = per_dim(function, "padding", padding, dims)
    windows = Windows(strides, low, dilations)
    places = windows.places(size, kernel, high)
    if min(low) < 0 or min(places) < 1:
        raise RuntimeError(
            f"{function}: a kernel of {list(kernel)} with dilation {list(dilations)} does not fit "
            f"into an input of {list(size)} with padding {list(low)}; use a larger padding or a "
            "smaller kernel"
        )
    how = _Geometry(windows, groups, size, kernel, places)
    return _finish(_output, ConvolutionBackward0, input, weight, bias, how)


def _named_padding(
    function: str, padding: str, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> tuple[Sizes, Sizes]:
    """The padding at the low and at the high end that ``"same"`` or ``"valid"`` stands for."""
    if padding == "valid":
        return (0,) * len(kernel), (0,) * len(kernel)
    if padding != "same":
        raise ValueError(
            f"{function}: padding must be integers, 'same' or 'valid', got {padding!r}"
        )
    if any(s != 1 for s in stride):
        raise ValueError(
            f"{function}: padding='same' keeps the size, stride {list(stride)} does not; give the "
            "padding as integers"
        )
    total = [d * (k - 1) for d, k in zip(dilation, kernel)]
    return tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)


def _checked(
    function: str, dims: int, input: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Array, Array]:
    """Input and weight as arrays whose dimensions and dtypes fit."""
    x, w = array_of(function, input), array_of(function, weight)
    b = None if bias is None else array_of(function, bias)
    if w.ndim != dims + 2 or x.ndim not in (dims + 1, dims + 2):
        space = "L" if dims == 1 else "H, W"
        raise RuntimeError(
            f"{function}: expected an input of shape (N, C, {space}) or (C, {space}) and a weight "
            f"of {dims + 2} dimensions, got {list(x.shape)} and {list(w.shape)}"
        )
    dtypes = {str(array.dtype) for array in (x, w, b) if array is not None}
    if len(dtypes) > 1 or x.dtype.kind != "f":
        raise RuntimeError(
            f"{function}: input, weight and bias must have one floating point dtype, got "
            f"{', '.join(sorted(dtypes))}; convert: input.to(weight.dtype)"
        )
    return x, w


def _steps(function: str, dims: int, stride: Any, dilation: Any) -> tuple[Sizes, Sizes]:
    strides = per_dim(function, "stride", stride, dims)
    dilations = per_dim(function, "dilation", dilation, dims)
    if min(strides) < 1 or min(dilations) < 1:
        raise RuntimeError(
            f"{function}: stride and dilation must be at least 1, got {list(strides)} and "
            f"{list(dilations)}"
        )
    return strides, dilations


def _finish(
    compute: Callable[..., Array],
    node: type[Node],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    how: _Geometry,
) -> Tensor:
    """Compute, add the bias, record."""
    x, w = input.array, weight.array
    b = None if bias is None else bias.array
    outs = w.shape[0] if compute is _output else w.shape[1] * how.groups
    if b is not None and b.shape != (outs,):
        raise RuntimeError(f"conv: bias needs the shape [{outs}], got {list(b.shape)}")
    y = _exact(compute, x, w, how, b)
    edges = (input._node, weight._node, None if bias is None else bias._node)
    saved = (x if edges[1] else None, w if edges[0] else None)
    return record(y, node, edges, saved, how)


# ---- transposed convolution ---------------------------------------------------------------------


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transposed convolution of sequences; see ``conv_transpose2d``.

    Args:
        input: shape (N, C, L) or (C, L).
        weight: shape (C, O / groups, K).
        bias: shape (O,), or None.

    >>> import nnlite
    >>> x = nnlite.tensor([[[1.0, 2.0]]])
    >>> nnlite.nn.functional.conv_transpose1d(x, nnlite.tensor([[[1.0, 3.0]]]))
    tensor([[[1., 5., 6.]]])
    """
    return _transposed(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Every element of the input spread over the output by a learned kernel.

    It is the derivative of ``conv2d`` by its input: y[n, o, s i + d u - p, s j + d v - p] is the
    sum of w[c, o, u, v] x[n, c, i, j].
    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.

    Args:
        input: shape (N, C, H, W) or (C, H, W).
        weight: shape (C, O / groups, KH, KW).
        bias: shape (O,), or None.
        stride, padding, dilation: those of the convolution that it is the derivative of.
        output_padding: rows and columns added at the high end of the output; less than the stride
            or the dilation.
        groups: channels are split into this many groups that do not see each other.

    Returns:
        Shape (N, O, OH, OW), where OH is (H - 1) stride - 2 padding + dilation (KH - 1) +
        output_padding + 1.

    Raises:
        RuntimeError: when the shapes or dtypes do not fit.

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.conv_transpose2d(nnlite.ones(1, 1, 1, 2), nnlite.ones(1, 1, 1, 2), stride=2)
    tensor([[[[1., 1., 1., 1.]]]])
    """
    return _transposed(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


def _transposed(
    function: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    x, w = _checked(function, dims, input, weight, bias)
    if x.ndim == dims + 1:
        whole = _transposed(
            function, dims, unsqueeze(input, 0), weight, bias, stride, padding, output_padding,
            groups, dilation,
        )  # fmt: skip
        return squeeze(whole, 0)
    strides, dilations = _steps(function, dims, stride, dilation)
    low = per_dim(function, "padding", padding, dims)
    more = per_dim(function, "output_padding", output_padding, dims)
    if groups < 1 or x.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise RuntimeError(
            f"{function}: a weight of shape {list(w.shape)} takes {w.shape[0]} channels, which "
            f"groups={groups} must divide; the input {list(x.shape)} has {x.shape[1]} channels"
        )
    if any(m < 0 or m >= max(s, d) for m, s, d in zip(more, strides, dilations)):
        raise RuntimeError(
            f"{function}: output_padding must be less than stride or dilation, got {list(more)} "
            f"with stride {list(strides)} and dilation {list(dilations)}"
        )
    places, kernel = x.shape[2:], w.shape[2:]
    windows = Windows(strides, low, dilations)
    reach = windows.extent(kernel, places)
    size = tuple(e - 2 * p + m for e, p, m in zip(reach, low, more))
    if min(low) < 0 or min(size) < 1:
        raise RuntimeError(
            f"{function}: an input of {list(places)} with padding {list(low)} gives an output of "
            f"{list(size)}; use a smaller padding"
        )
    how = _Geometry(windows, groups, size, kernel, places)
    return _finish(_input, TransposedConvolutionBackward0, input, weight, bias, how)


# ---- unfold and fold ----------------------------------------------------------------------------


def _columns(x: Array, how: _Geometry) -> Array:
    """(N, C · kernel, windows) of ``x`` (N, C, size)."""
    padded = how.windows.pad(x, how.kernel, how.places)
    columns: Array = np.empty_like(x, shape=(*x.shape[:2], *how.kernel, *how.places))
    for position, window in how.windows.positions(how.kernel, how.places):
        columns[(slice(None), slice(None), *position)] = padded[(..., *window)]
    return columns.reshape(x.shape[0], -1, math.prod(how.places))


def _image(columns: Array, how: _Geometry) -> Array:
    """The sum of columns (N, C · kernel, windows) at their places, (N, C, size)."""
    samples = columns.shape[0]
    channels = columns.shape[1] // math.prod(how.kernel)
    columns = columns.reshape(samples, channels, *how.kernel, *how.places)
    x: Array = np.zeros_like(columns, shape=(samples, channels, *how.size))
    for position, inside, source in how.windows.overlaps(how.size, how.kernel, how.places):
        x[(..., *source)] += columns[(slice(None), slice(None), *position, *inside)]
    return x


def _linear(
    compute: Callable[[Array, _Geometry], Array], node: type[Node], x: Any, how: _Geometry
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
    strides, dilations = _steps("unfold", 2, stride, dilation)
    windows = Windows(strides, per_dim("unfold", "padding", padding, 2), dilations)
    size = x.shape[-2:]
    how = _Geometry(windows, 1, size, kernel, windows.places(size, kernel))
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
    strides, dilations = _steps("fold", 2, stride, dilation)
    windows = Windows(strides, per_dim("fold", "padding", padding, 2), dilations)
    places = windows.places(size, kernel)
    per_window, total = math.prod(kernel), math.prod(places)
    if x.ndim not in (2, 3) or x.shape[-2] % per_window or x.shape[-1] != total or min(places) < 1:
        raise RuntimeError(
            f"fold: an output of {list(size)} with kernels of {list(kernel)} needs the input "
            f"(N, C · {per_window}, {total}), got {list(x.shape)}"
        )
    how = _Geometry(windows, 1, size, kernel, places)
    return _linear(_image, Col2ImBackward0, input, how)  # type: ignore[no-any-return]
