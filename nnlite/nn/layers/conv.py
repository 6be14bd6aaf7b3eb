"""Convolutions and transposed convolutions, of sequences and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from nnlite.nn.checks import one_of, whole_number, whole_numbers
from nnlite.nn.layers.linear import uniform_by_fan_in
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from nnlite.ops.create import empty
from nnlite.ops.pad import pad
from nnlite.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Kernels(Module):
    """What convolutions and transposed ones of any dimension have in common (abstract)."""

    dims: ClassVar[int]
    transposed: ClassVar[bool] = False

    weight: Parameter
    bias: Parameter | None
    padding: str | tuple[int, ...]

    def _prepare(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        """Check and keep the arguments, make the parameters and draw them."""
        name, dims = self._get_name(), self.dims
        self.in_channels = whole_number(name, "in_channels", in_channels)
        self.out_channels = whole_number(name, "out_channels", out_channels)
        self.kernel_size = whole_numbers(name, "kernel_size", kernel_size, dims)
        self.stride = whole_numbers(name, "stride", stride, dims)
        if isinstance(padding, str):
            self.padding = one_of(name, "padding", padding, ("same", "valid"))
            if padding == "same" and self.stride != (1,) * dims:
                raise ValueError(
                    f"{name}: padding='same' keeps the size of the input, which stride {stride!r} "
                    "does not; give padding as whole numbers"
                )
        else:
            self.padding = whole_numbers(name, "padding", padding, dims, 0)
        self.dilation = whole_numbers(name, "dilation", dilation, dims)
        self.output_padding = whole_numbers(name, "output_padding", output_padding, dims, 0)
        self.groups = whole_number(name, "groups", groups)
        ends = (self.in_channels, self.out_channels)
        for label, channels in zip(("in_channels", "out_channels"), ends):
            if channels % self.groups:
                raise ValueError(
                    f"{name}: {label} must be divisible by groups, got {channels} and {groups}"
                )
        self.padding_mode = one_of(name, "padding_mode", padding_mode, _PADDING_MODES)
        first, second = ends if self.transposed else ends[::-1]
        self.weight = Parameter(
            empty(first, second // self.groups, *self.kernel_size, dtype=dtype, device=device)
        )
        self.bias = Parameter(empty(self.out_channels, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        uniform_by_fan_in(self.weight, self.bias)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        ]
        usual = (0,) * self.dims
        if self.padding != usual:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.dims:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != usual:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_Kernels):
    """A convolution (abstract)."""

    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._prepare(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = pad(input, self._sides(), self.padding_mode)
            padding = 0
        return self._function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _sides(self) -> list[int]:
        """The padding at both ends of each dimension, from the last on, as ``pad`` takes it."""
        sides: list[int] = []
        for axis in reversed(range(self.dims)):
            if isinstance(self.padding, str):
                reach = self.dilation[axis] * (self.kernel_size[axis] - 1)
                total = reach if self.padding == "same" else 0
                sides += [total // 2, total - total // 2]
            else:
                sides += [self.padding[axis]] * 2
        return sides


class Conv1d(_Conv):
    """The cross-correlation of sequences with kernels to be learnt; see ``Conv2d``.

    An input of shape (N, in_channels, L) gives (N, out_channels, M) with
    M = (L + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1; without N it works, too.
    Source: Dumoulin and Visin 2016, arXiv:1603.07285.

    Args:
        in_channels, out_channels: numbers of channels.
        kernel_size, stride, padding, dilation: a whole number or a tuple of one.
        groups, bias, padding_mode, device, dtype: as for ``Conv2d``.

    Attributes:
        weight: shape (out_channels, in_channels / groups, kernel_size).
        bias: shape (out_channels,), or None.

    Raises:
        TypeError, ValueError: for arguments as for ``Conv2d``.

    >>> import nnlite
    >>> layer = nnlite.nn.Conv1d(2, 3, kernel_size=5, padding=2)
    >>> layer(nnlite.zeros(8, 2, 20)).shape
    nnlite.Size([8, 3, 20])
    """

    dims = 1
    _function = staticmethod(conv1d)


class Conv2d(_Conv):
    """The cross-correlation of images with kernels to be learnt, and a bias.

    An input of shape (N, in_channels, H, W) gives (N, out_channels, OH, OW) with
    OH = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, and OW likewise; without N
    it works, too. Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep
    learning", arXiv:1603.07285.

    Args:
        in_channels, out_channels: numbers of channels; ``groups`` must divide both.
        kernel_size: height and width of the kernels, one whole number or two; the same for stride,
            padding and dilation.
        stride: the distance from window to window.
        padding: how much is added on every side, or ``"valid"`` for nothing, or ``"same"`` for an
            output of the input's size (with stride 1).
        dilation: the distance between the elements of a kernel.
        groups: into how many groups, which do not see each other, the channels are split.
        bias: whether there is a bias.
        padding_mode: ``"zeros"``, ``"reflect"`` (mirrored at the outermost element),
            ``"replicate"`` (the outermost element) or ``"circular"`` (from the other end).
        device: ``"cpu"`` or None.
        dtype: of the parameters; default: the default dtype.

    Attributes:
        weight: shape (out_channels, in_channels / groups, height, width); starts as
            U(-1/√n, 1/√n), where n = in_channels / groups · height · width.
        bias: shape (out_channels,), from the same distribution; None without.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range, groups that do
            not divide the channels, an unknown padding.

    >>> import nnlite
    >>> layer = nnlite.nn.Conv2d(1, 4, kernel_size=3, stride=2, padding=1)
    >>> layer
    Conv2d(1, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> layer(nnlite.zeros(8, 1, 28, 28)).shape
    nnlite.Size([8, 4, 14, 14])
    """

    dims = 2
    _function = staticmethod(conv2d)


class _ConvTranspose(_Kernels):
    """A transposed convolution (abstract)."""

    transposed = True
    _function: ClassVar[Callable[..., Tensor]]
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        if padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode must be 'zeros', got {padding_mode!r}")
        if isinstance(padding, str):
            raise TypeError(f"{name}: padding must be a whole number, got {padding!r}")
        self._prepare(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip
        for more, step, apart in zip(self.output_padding, self.stride, self.dilation):
            if more >= max(step, apart):
                raise ValueError(
                    f"{name}: output_padding must be less than stride or dilation, got "
                    f"{output_padding!r} with stride {stride!r} and dilation {dilation!r}"
                )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        more = self.output_padding if output_size is None else self._missing(input, output_size)
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, more, self.groups,
            self.dilation,
        )  # fmt: skip

    def _missing(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that gives the wanted size."""
        size = input.array.shape[-self.dims :]
        wanted = tuple(output_size)[-self.dims :]
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                size, self.stride, self.padding, self.dilation, self.kernel_size
            )
        )
        more = tuple(want - low for want, low in zip(wanted, least))
        if len(wanted) != self.dims or any(not 0 <= m < s for m, s in zip(more, self.stride)):
            most = [low + s - 1 for low, s in zip(least, self.stride)]
            raise ValueError(
                f"{self._get_name()}: output_size must lie between {list(least)} and {most} for an "
                f"input of {list(size)}, got {list(output_size)}"
            )
        return more


class ConvTranspose1d(_ConvTranspose):
    """Each element of a sequence spread by a kernel to be learnt; see ``ConvTranspose2d``.

    An input of shape (N, in_channels, L) gives (N, out_channels, M) with
    M = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1; without N it
    works, too. Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.

    Args:
        in_channels, out_channels: numbers of channels.
        kernel_size, stride, padding, output_padding, dilation: a whole number or a tuple of one.
        groups, bias, padding_mode, device, dtype: as for ``ConvTranspose2d``.

    Attributes:
        weight: shape (in_channels, out_channels / groups, kernel_size).
        bias: shape (out_channels,), or None.

    Raises:
        TypeError, ValueError: for arguments as for ``ConvTranspose2d``.

    >>> import nnlite
    >>> layer = nnlite.nn.ConvTranspose1d(3, 2, kernel_size=4, stride=2, padding=1)
    >>> layer(nnlite.zeros(8, 3, 10)).shape
    nnlite.Size([8, 2, 20])
    """

    dims = 1
    _function = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """Each element of an image spread over the output by a kernel to be learnt.

    It is the derivative of ``Conv2d`` by its input, and makes images larger where that makes them
    smaller: (N, in_channels, H, W) gives (N, out_channels, OH, OW) with
    OH = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, and OW
    likewise; without N it works, too. Called with ``output_size``, it takes the ``output_padding``
    that gives this size. Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.

    Args:
        in_channels, out_channels: numbers of channels; ``groups`` must divide both.
        kernel_size: height and width of the kernels, one whole number or two; the same for stride,
            padding, output_padding and dilation.
        stride, padding, dilation: those of the convolution that it is the derivative of.
        output_padding: rows and columns added at the high end, less than stride or dilation.
        groups: into how many groups, which do not see each other, the channels are split.
        bias: whether there is a bias.
        padding_mode: ``"zeros"``.
        device: ``"cpu"`` or None.
        dtype: of the parameters; default: the default dtype.

    Attributes:
        weight: shape (in_channels, out_channels / groups, height, width); starts as
            U(-1/√n, 1/√n), where n = out_channels / groups · height · width.
        bias: shape (out_channels,), from the same distribution; None without.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range, groups that do
            not divide the channels, an unknown padding.

    >>> import nnlite
    >>> layer = nnlite.nn.ConvTranspose2d(4, 1, kernel_size=2, stride=2)
    >>> layer(nnlite.zeros(8, 4, 7, 7)).shape
    nnlite.Size([8, 1, 14, 14])
    """

    dims = 2
    _function = staticmethod(conv_transpose2d)
