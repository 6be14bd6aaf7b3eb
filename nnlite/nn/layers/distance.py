"""Distances and similarities of pairs of vectors."""

from __future__ import annotations

from nnlite.nn.checks import real_number, whole_number
from nnlite.nn.module import Module
from nnlite.ops.attention import cosine_similarity, pairwise_distance
from nnlite.tensor import Tensor

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors: x1 · x2 / (max(‖x1‖, ε) max(‖x2‖, ε)).

    Two inputs whose shapes broadcast give that shape without dimension ``dim``.

    Args:
        dim: the dimension of the vectors.
        eps: ε, the least that a norm counts as.

    Raises:
        TypeError, ValueError: when ``dim`` is no whole number, or ``eps`` is negative.

    >>> import nnlite
    >>> a, b = nnlite.tensor([[1.0, 0.0]]), nnlite.tensor([[3.0, 4.0]])
    >>> nnlite.nn.CosineSimilarity()(a, b)
    tensor([0.6000])
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = whole_number("CosineSimilarity", "dim", dim, None)
        self.eps = real_number("CosineSimilarity", "eps", eps, 0)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + ε along the last dimension.

    Two inputs of shape (N, D) or (D,) give (N,) or (), with ``keepdim`` (N, 1) or (1,).

    Args:
        p: which norm.
        eps: ε, which keeps the derivative finite where the vectors are equal.
        keepdim: whether the last dimension stays, with size 1.

    Raises:
        TypeError: when ``p`` or ``eps`` is no number.

    >>> import nnlite
    >>> a, b = nnlite.tensor([[3.0, 4.0]]), nnlite.tensor([[0.0, 0.0]])
    >>> nnlite.nn.PairwiseDistance()(a, b)
    tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = real_number("PairwiseDistance", "p", p)
        self.eps = real_number("PairwiseDistance", "eps", eps)
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
