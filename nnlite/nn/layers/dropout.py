"""Dropout."""

from __future__ import annotations

from nnlite.nn.module import Module
from nnlite.ops.dropout import dropout
from nnlite.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training: each element set to 0 with probability p, the rest scaled by 1 / (1 - p).

    The random numbers come from the default generator. Freezing has no effect on it, since it has
    no state; ``eval()`` turns it off. Source: Srivastava et al. 2014, "Dropout".

    Args:
        p: the probability, in [0, 1].
        inplace: write the result over the input.

    Raises:
        ValueError: when p is no probability.

    >>> import nnlite
    >>> nnlite.nn.Dropout(0.5).eval()(nnlite.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p must be a probability in [0, 1], got {p!r}")
        self.p = p
        self.inplace = bool(inplace)

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
