"""Layers that only change the shape."""

from __future__ import annotations

from collections.abc import Sequence

from nnlite.nn.checks import whole_number
from nnlite.nn.module import Module
from nnlite.ops.rearrange import unflatten
from nnlite.ops.shape import flatten
from nnlite.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Dimensions ``start_dim`` to ``end_dim`` joined into one; by default all but the first.

    (N, C, H, W) gives (N, C H W).

    Args:
        start_dim, end_dim: the first and the last of the dimensions; from the end if negative.

    Raises:
        TypeError: when one is no whole number.

    >>> import nnlite
    >>> nnlite.nn.Flatten()(nnlite.zeros(2, 3, 4)).shape
    nnlite.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = whole_number("Flatten", "start_dim", start_dim, None)
        self.end_dim = whole_number("Flatten", "end_dim", end_dim, None)

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Dimension ``dim`` split into several: (N, C H W) gives (N, C, H, W).

    Args:
        dim: the dimension.
        unflattened_size: the sizes of the new dimensions; one of them may be -1.

    Raises:
        TypeError, ValueError: when a size is no whole number of at least -1.

    >>> import nnlite
    >>> nnlite.nn.Unflatten(1, (3, 4))(nnlite.zeros(2, 12)).shape
    nnlite.Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if isinstance(unflattened_size, (str, bytes)) or not isinstance(unflattened_size, Sequence):
            raise TypeError(
                "Unflatten: unflattened_size must be a tuple or list of whole numbers, got "
                f"{unflattened_size!r}"
            )
        self.dim = whole_number("Unflatten", "dim", dim, None)
        self.unflattened_size = tuple(
            whole_number("Unflatten", "unflattened_size", size, -1) for size in unflattened_size
        )

    def forward(self, input: Tensor) -> Tensor:
        return unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
