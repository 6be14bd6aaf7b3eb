"""Softmax and its kin: numbers that sum to 1. The equations stand in ``nnlite.ops``."""

from __future__ import annotations

from nnlite.nn.checks import whole_number
from nnlite.nn.module import Module
from nnlite.ops.arithmetic import neg
from nnlite.ops.softmax import log_softmax, softmax
from nnlite.tensor import Tensor

__all__ = ["LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class Softmax(Module):
    """Positive numbers that sum to 1 along a dimension: ``eˣ / Σ eˣ``; any shape.

    Args:
        dim: the dimension.

    >>> import nnlite
    >>> nnlite.nn.Softmax(dim=1)(nnlite.tensor([[0.0, 0.0]]))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else whole_number(self._get_name(), "dim", dim, None)

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of ``Softmax``, more exact than its parts; any shape.

    Args:
        dim: the dimension.

    >>> import nnlite
    >>> nnlite.nn.LogSoftmax(dim=1)(nnlite.tensor([[0.0, 0.0]]))
    tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else whole_number(self._get_name(), "dim", dim, None)

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """``Softmax`` of -x; any shape.

    Args:
        dim: the dimension along which the results sum to 1.

    >>> import nnlite
    >>> nnlite.nn.Softmin(dim=1)(nnlite.tensor([[0.0, 0.0]]))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else whole_number(self._get_name(), "dim", dim, None)

    def forward(self, input: Tensor) -> Tensor:
        return softmax(neg(input), self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """``Softmax`` over the channels of images, shape (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: for an input of other dimensions.

    >>> import nnlite
    >>> nnlite.nn.Softmax2d()(nnlite.zeros(2, 1, 1)).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.array.ndim not in (3, 4):
            raise ValueError(
                "Softmax2d: expected an input of shape (N, C, H, W) or (C, H, W), got "
                f"{list(input.array.shape)}"
            )
        return softmax(input, -3)
