"""Images and sequences in another size, and channels rearranged into pixels."""

from __future__ import annotations

from typing import Any

from nnlite.nn.checks import one_of, real_number, whole_number, whole_numbers
from nnlite.nn.module import Module
from nnlite.ops.fold import fold, unfold
from nnlite.ops.pad import pixel_shuffle, pixel_unshuffle
from nnlite.ops.resample import interpolate
from nnlite.tensor import Tensor

__all__ = ["Fold", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample"]

_MODES = ("nearest", "nearest-exact", "linear", "bilinear", "area")


class Upsample(Module):
    """Images, shape (N, C, H, W), or sequences, (N, C, L), resampled to another size.

    Args:
        size: the size of the output, one whole number or one for each dimension.
        scale_factor: what the size is multiplied by, one number or one for each dimension; instead
            of ``size``.
        mode: ``"nearest"``, ``"nearest-exact"`` (the centre of the pixel decides), ``"linear"`` (of
            sequences), ``"bilinear"`` (of images) or ``"area"`` (means).
        align_corners: for the linear modes: the centres of the corner pixels stay where they are;
            else the corners of the corner pixels do.
        recompute_scale_factor: use the ratio of the sizes instead of ``scale_factor``.

    Raises:
        TypeError, ValueError: unless one of ``size`` and ``scale_factor`` is given; for an unknown
            mode.

    >>> import nnlite
    >>> nnlite.nn.Upsample(scale_factor=2)(nnlite.tensor([[[1.0, 3.0]]]))
    tensor([[[1., 1., 3., 3.]]])
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ValueError(
                f"Upsample: give one of size and scale_factor, got {size!r} and {scale_factor!r}"
            )
        if size is not None:
            count = len(size) if isinstance(size, (tuple, list)) else 1
            whole_numbers("Upsample", "size", size, count)
        elif isinstance(scale_factor, (tuple, list)):
            scale_factor = tuple(self._factor(factor) for factor in scale_factor)
        else:
            scale_factor = self._factor(scale_factor)
        self.size = size
        self.scale_factor = scale_factor
        self.mode = one_of("Upsample", "mode", mode, _MODES)
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    @staticmethod
    def _factor(value: Any) -> float:
        return float(real_number("Upsample", "scale_factor", value, 0, open_low=True))

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        if self.size is not None:
            return f"size={self.size!r}, mode={self.mode!r}"
        return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"


class PixelShuffle(Module):
    """Channels rearranged into pixels: (…, C r², H, W) becomes (…, C, H r, W r).

    Source: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", arXiv:1609.05158.

    Args:
        upscale_factor: r.

    Raises:
        TypeError, ValueError: when r is no whole number of at least 1.

    >>> import nnlite
    >>> nnlite.nn.PixelShuffle(2)(nnlite.arange(4).reshape(4, 1, 1))
    tensor([[[0, 1],
             [2, 3]]])
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = whole_number("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, input: Tensor) -> Tensor:
        return pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Pixels rearranged into channels: (…, C, H r, W r) becomes (…, C r², H, W).

    Source: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution", arXiv:1609.05158.

    Args:
        downscale_factor: r.

    Raises:
        TypeError, ValueError: when r is no whole number of at least 1.

    >>> import nnlite
    >>> nnlite.nn.PixelUnshuffle(2)(nnlite.arange(4).reshape(1, 2, 2)).shape
    nnlite.Size([4, 1, 1])
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = whole_number("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, input: Tensor) -> Tensor:
        return pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class Unfold(Module):
    """The windows of images as columns: (N, C, H, W) gives (N, C KH KW, windows); also without N.

    Args:
        kernel_size: height KH and width KW of the windows, one whole number or two; the same for
            dilation, padding and stride.
        dilation: the distance between the elements of a window.
        padding: zeros added on every side.
        stride: the distance from window to window.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range.

    >>> import nnlite
    >>> nnlite.nn.Unfold((1, 2))(nnlite.arange(4.0).reshape(1, 1, 2, 2))
    tensor([[[0., 2.],
             [1., 3.]]])
    """

    def __init__(
        self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        _check_windows("Unfold", kernel_size, dilation, padding, stride)
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Images as the sum of columns at the places of their windows: the transpose of ``Unfold``.

    (N, C KH KW, windows) gives (N, C, *output_size); also without N.

    Args:
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as for ``Unfold``.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range.

    >>> import nnlite
    >>> nnlite.nn.Fold((1, 3), (1, 2))(nnlite.ones(1, 2, 2))
    tensor([[[[1., 2., 1.]]]])
    """

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ) -> None:
        super().__init__()
        whole_numbers("Fold", "output_size", output_size, 2)
        _check_windows("Fold", kernel_size, dilation, padding, stride)
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


def _check_windows(name: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> None:
    whole_numbers(name, "kernel_size", kernel_size, 2)
    whole_numbers(name, "dilation", dilation, 2)
    whole_numbers(name, "padding", padding, 2, 0)
    whole_numbers(name, "stride", stride, 2)
