"""Padding of sequences and images."""

from __future__ import annotations

from typing import Any, ClassVar

from nnlite.nn.checks import real_number, whole_numbers
from nnlite.nn.module import Module
from nnlite.ops.pad import pad
from nnlite.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "ConstantPad1d", "ConstantPad2d", "ReflectionPad1d",
    "ReflectionPad2d", "ReplicationPad1d", "ReplicationPad2d", "ZeroPad1d", "ZeroPad2d",
]  # fmt: skip


class _Pad(Module):
    """Padding of the last ``dims`` dimensions in a mode (abstract)."""

    dims: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = whole_numbers(self._get_name(), "padding", padding, 2 * self.dims, None)

    def forward(self, input: Tensor) -> Tensor:
        shape = input.array.shape
        if len(shape) not in (self.dims + 1, self.dims + 2):
            space = "L" if self.dims == 1 else "H, W"
            raise ValueError(
                f"{self._get_name()}: expected an input of shape (N, C, {space}) or (C, {space}), "
                f"got {list(shape)}"
            )
        return pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = real_number(self._get_name(), "value", value)

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_Pad):
    mode = "constant"

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding)


class ZeroPad1d(_ZeroPad):
    """Zeros added at both ends of sequences, shape (N, C, L), (C, L) or any other (…, L).

    Args:
        padding: how many at each end, or at the left and at the right; negative cuts off.

    Raises:
        TypeError, ValueError: when that is not one whole number or two.

    >>> import nnlite
    >>> nnlite.nn.ZeroPad1d((1, 2))(nnlite.ones(1, 2))
    tensor([[0., 1., 1., 0., 0.]])
    """

    dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros added around images, shape (N, C, H, W), (C, H, W) or any other (…, H, W).

    Args:
        padding: how many on each side, or left, right, above and below; negative cuts off.

    Raises:
        TypeError, ValueError: when that is not one whole number or four.

    >>> import nnlite
    >>> nnlite.nn.ZeroPad2d((1, 0, 0, 1))(nnlite.ones(1, 1, 2))
    tensor([[[0., 1., 1.],
             [0., 0., 0.]]])
    """

    dims = 2


class ConstantPad1d(_ConstantPad):
    """A value added at both ends of sequences, shape (N, C, L), (C, L) or any other (…, L).

    Args:
        padding: how often at each end, or at the left and at the right; negative cuts off.
        value: what is added.

    Raises:
        TypeError, ValueError: when ``padding`` is not one whole number or two, or ``value`` none.

    >>> import nnlite
    >>> nnlite.nn.ConstantPad1d((1, 0), 7.0)(nnlite.ones(1, 2))
    tensor([[7., 1., 1.]])
    """

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A value added around images, shape (N, C, H, W), (C, H, W) or any other (…, H, W).

    Args:
        padding: how often on each side, or left, right, above and below; negative cuts off.
        value: what is added.

    Raises:
        TypeError, ValueError: when ``padding`` is not one whole number or four, or ``value`` none.

    >>> import nnlite
    >>> nnlite.nn.ConstantPad2d((1, 0, 0, 1), 7.0)(nnlite.ones(1, 1, 2))
    tensor([[[7., 1., 1.],
             [7., 7., 7.]]])
    """

    dims = 2


class ReflectionPad1d(_Pad):
    """Sequences, shape (N, C, L) or (C, L), mirrored at their outermost elements.

    Args:
        padding: how many elements at each end, or at the left and at the right; less than L.

    Raises:
        TypeError, ValueError: when that is not one whole number or two.

    >>> import nnlite
    >>> nnlite.nn.ReflectionPad1d((2, 0))(nnlite.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3.]])
    """

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Images, shape (N, C, H, W) or (C, H, W), mirrored at their outermost pixels.

    Args:
        padding: how many pixels on each side, or left, right, above and below; less than the size.

    Raises:
        TypeError, ValueError: when that is not one whole number or four.

    >>> import nnlite
    >>> nnlite.nn.ReflectionPad2d((2, 0, 0, 0))(nnlite.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3.]]])
    """

    dims = 2
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Sequences, shape (N, C, L) or (C, L), with their outermost elements repeated.

    Args:
        padding: how often at each end, or at the left and at the right.

    Raises:
        TypeError, ValueError: when that is not one whole number or two.

    >>> import nnlite
    >>> nnlite.nn.ReplicationPad1d((2, 0))(nnlite.tensor([[1.0, 2.0]]))
    tensor([[1., 1., 1., 2.]])
    """

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Images, shape (N, C, H, W) or (C, H, W), with their outermost pixels repeated.

    Args:
        padding: how often on each side, or left, right, above and below.

    Raises:
        TypeError, ValueError: when that is not one whole number or four.

    >>> import nnlite
    >>> nnlite.nn.ReplicationPad2d((1, 0, 0, 1))(nnlite.tensor([[[1.0, 2.0]]]))
    tensor([[[1., 1., 2.],
             [1., 1., 2.]]])
    """

    dims = 2
    mode = "replicate"


class CircularPad1d(_Pad):
    """Sequences, shape (N, C, L) or (C, L), going on with what is at their other end.

    Args:
        padding: how many elements at each end, or at the left and at the right; at most L.

    Raises:
        TypeError, ValueError: when that is not one whole number or two.

    >>> import nnlite
    >>> nnlite.nn.CircularPad1d((2, 0))(nnlite.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 3., 1., 2., 3.]])
    """

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Images, shape (N, C, H, W) or (C, H, W), going on with what is at their other side.

    Args:
        padding: how many pixels on each side, or left, right, above and below; at most the size.

    Raises:
        TypeError, ValueError: when that is not one whole number or four.

    >>> import nnlite
    >>> nnlite.nn.CircularPad2d((1, 0, 0, 0))(nnlite.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 1., 2., 3.]]])
    """

    dims = 2
    mode = "circular"
