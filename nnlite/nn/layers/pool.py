"""Pooling: the maximum or the mean of each window, of sequences and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from nnlite.nn.checks import whole_number, whole_numbers
from nnlite.nn.module import Module
from nnlite.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)
from nnlite.ops.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from nnlite.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d",
]  # fmt: skip


class _Pool(Module):
    """Windows that move over the last dimensions (abstract)."""

    dims: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]

    def _check(self, kernel_size: Any, stride: Any, padding: Any) -> None:
        name, dims = self._get_name(), self.dims
        kernel = whole_numbers(name, "kernel_size", kernel_size, dims)
        whole_numbers(name, "stride", stride, dims)
        sides = whole_numbers(name, "padding", padding, dims, 0)
        if any(2 * side > size for side, size in zip(sides, kernel)):
            raise ValueError(
                f"{name}: padding must be at most half of kernel_size, got {padding!r} and "
                f"{kernel_size!r}; F.pad pads further"
            )


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode
        self._check(kernel_size, self.stride, padding)
        whole_numbers(self._get_name(), "dilation", dilation, self.dims)

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of each window of sequences, shape (N, C, L) or (C, L); see ``MaxPool2d``.

    Args:
        kernel_size, stride, padding, dilation: a whole number or a tuple of one.
        return_indices, ceil_mode: as for ``MaxPool2d``.

    Raises:
        TypeError, ValueError: for arguments as for ``MaxPool2d``.

    >>> import nnlite
    >>> nnlite.nn.MaxPool1d(2)(nnlite.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    dims = 1
    _function = staticmethod(max_pool1d)


class MaxPool2d(_MaxPool):
    """The maximum of each window of images.

    (N, C, H, W) gives (N, C, OH, OW) with
    OH = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, and OW likewise; without N
    it works, too.

    Args:
        kernel_size: height and width of the windows, one whole number or two; the same for stride,
            padding and dilation.
        stride: the distance from window to window; default: ``kernel_size``.
        padding: how much is added on every side, as minus infinity; at most half of the window.
        dilation: the distance between the elements of a window.
        return_indices: return the places of the maxima, too, as index into H x W.
        ceil_mode: windows may reach over the end, so that no element is left out.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range.

    >>> import nnlite
    >>> nnlite.nn.MaxPool2d(2)(nnlite.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """

    dims = 2
    _function = staticmethod(max_pool2d)


class AvgPool1d(_Pool):
    """The mean of each window of sequences, shape (N, C, L) or (C, L); see ``AvgPool2d``.

    Args:
        kernel_size, stride, padding: a whole number or a tuple of one.
        ceil_mode, count_include_pad: as for ``AvgPool2d``.

    Raises:
        TypeError, ValueError: for arguments as for ``AvgPool2d``.

    >>> import nnlite
    >>> nnlite.nn.AvgPool1d(2)(nnlite.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    dims = 1

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        name, step = "AvgPool1d", kernel_size if stride is None else stride
        self._check(kernel_size, step, padding)
        self.kernel_size = whole_numbers(name, "kernel_size", kernel_size, 1)
        self.stride = whole_numbers(name, "stride", step, 1)
        self.padding = whole_numbers(name, "padding", padding, 1, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_Pool):
    """The mean of each window of images.

    (N, C, H, W) gives (N, C, OH, OW) with OH = (H + 2 padding - kernel_size) // stride + 1, and OW
    likewise; without N it works, too.

    Args:
        kernel_size: height and width of the windows, one whole number or two; the same for stride
            and padding.
        stride: the distance from window to window; default: ``kernel_size``.
        padding: how many zeros are added on every side; at most half of the window.
        ceil_mode: windows may reach over the end, so that no element is left out.
        count_include_pad: whether the padding counts as elements.
        divisor_override: what the sums are divided by instead of the number of elements.

    Raises:
        TypeError, ValueError: for sizes that are no whole numbers in their range.

    >>> import nnlite
    >>> nnlite.nn.AvgPool2d(2)(nnlite.arange(16.0).reshape(1, 4, 4))
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """

    dims = 2

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override
        self._check(kernel_size, self.stride, padding)
        if divisor_override is not None and not whole_number(
            "AvgPool2d", "divisor_override", divisor_override, None
        ):
            raise ValueError("AvgPool2d: divisor_override must not be 0")

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptivePool(Module):
    """As many parts as wanted, of nearly equal size (abstract)."""

    dims: ClassVar[int]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        sizes = output_size if isinstance(output_size, (tuple, list)) else [output_size] * self.dims
        given = [1 if size is None else size for size in sizes]
        whole_numbers(self._get_name(), "output_size", given, self.dims)
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of ``output_size`` parts of sequences, shape (N, C, L) or (C, L).

    Part i of n covers the elements from floor(i L / n) up to ceil((i + 1) L / n).

    Args:
        output_size: the number of parts.

    Raises:
        TypeError, ValueError: when it is no whole number of at least 1.

    >>> import nnlite
    >>> nnlite.nn.AdaptiveAvgPool1d(2)(nnlite.tensor([[1.0, 3.0, 2.0]]))
    tensor([[2.0000, 2.5000]])
    """

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of parts of images, shape (N, C, H, W) or (C, H, W); 1 is global pooling.

    Row i of n of the parts covers the rows from floor(i H / n) up to ceil((i + 1) H / n).

    Args:
        output_size: numbers of rows and columns of the parts, one whole number or two; None keeps
            the size of the input.

    Raises:
        TypeError, ValueError: for numbers that are no whole numbers of at least 1.

    >>> import nnlite
    >>> nnlite.nn.AdaptiveAvgPool2d((1, 2))(nnlite.arange(6.0).reshape(1, 2, 3))
    tensor([[[2., 3.]]])
    """

    dims = 2

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool2d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptivePool):
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of ``output_size`` parts of sequences; see ``AdaptiveAvgPool1d``.

    Args:
        output_size: the number of parts of the shape (N, C, L) or (C, L).
        return_indices: return the places of the maxima, too.

    Raises:
        TypeError, ValueError: when ``output_size`` is no whole number of at least 1.

    >>> import nnlite
    >>> nnlite.nn.AdaptiveMaxPool1d(2)(nnlite.tensor([[1.0, 3.0, 2.0]]))
    tensor([[3., 3.]])
    """

    dims = 1
    _function = staticmethod(adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of parts of images, shape (N, C, H, W) or (C, H, W); see ``AdaptiveAvgPool2d``.

    Args:
        output_size: numbers of rows and columns of the parts, one whole number or two; None keeps
            the size of the input.
        return_indices: return the places of the maxima, too, as index into H x W.

    Raises:
        TypeError, ValueError: for numbers that are no whole numbers of at least 1.

    >>> import nnlite
    >>> nnlite.nn.AdaptiveMaxPool2d((1, 2))(nnlite.arange(6.0).reshape(1, 2, 3))
    tensor([[[4., 5.]]])
    """

    dims = 2
    _function = staticmethod(adaptive_max_pool2d)
