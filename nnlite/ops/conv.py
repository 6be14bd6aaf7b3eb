"""Convolution and transposed convolution.

A convolution is linear in its input and in its weight, so three maps suffice for derivatives of
any order: output from input and weight, input gradient from output gradient and weight, weight
gradient from input and output gradient (``columns`` has them, on arrays). The derivative of each
consists of the other two, and the second one is the transposed convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.columns import Geometry, input_of, output_of, weight_of
from nnlite.ops.layout import channel_sums
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import squeeze, unsqueeze
from nnlite.ops.windows import Sizes, Windows, per_dim, steps_of
from nnlite.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


def _apply(
    compute: Callable[..., Array],
    node: type[Node],
    a: Any,
    b: Any,
    how: Geometry,
) -> Any:
    """One of the three maps, of arrays, or of tensors in a backward that records itself."""
    if isinstance(a, Tensor):
        edges = (a._node, b._node, None)
        return record(_exact(compute, a.array, b.array, how), node, edges, (a.array, b.array), how)
    return _exact(compute, a, b, how)


def _exact(
    compute: Callable[..., Array], a: Array, b: Array, how: Geometry, *bias: Array | None
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
            _apply(input_of, TransposedConvolutionBackward0, g, w, self.meta) if to_x else None,
            _apply(weight_of, WeightOfConvolutionBackward0, x, g, self.meta) if to_w else None,
            channel_sums(g) if to_b else None,
        )


class TransposedConvolutionBackward0(Node):
    """y = x spread by w, + b:   ∂x = g ⋆ w,   ∂w = g ⋆ x,   ∂b = Σ g over samples and places"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, w = self.saved
        to_x, to_w, to_b = self.edges
        return (
            _apply(output_of, ConvolutionBackward0, g, w, self.meta) if to_x else None,
            _apply(weight_of, WeightOfConvolutionBackward0, g, x, self.meta) if to_w else None,
            channel_sums(g) if to_b else None,
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
            _apply(input_of, TransposedConvolutionBackward0, y, g, self.meta) if to_x else None,
            _apply(output_of, ConvolutionBackward0, x, g, self.meta) if to_y else None,
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
    strides, dilations = steps_of(function, dims, stride, dilation)
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
    how = Geometry(windows, groups, size, kernel, places)
    return _finish(output_of, ConvolutionBackward0, input, weight, bias, how)


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


def _finish(
    compute: Callable[..., Array],
    node: type[Node],
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    how: Geometry,
) -> Tensor:
    """Compute, add the bias, record."""
    x, w = input.array, weight.array
    b = None if bias is None else bias.array
    outs = w.shape[0] if compute is output_of else w.shape[1] * how.groups
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
    strides, dilations = steps_of(function, dims, stride, dilation)
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
    how = Geometry(windows, groups, size, kernel, places)
    return _finish(input_of, TransposedConvolutionBackward0, input, weight, bias, how)
