"""Losses with a margin: of scores, of pairs and triplets of vectors. Equations: ``nnlite.ops``."""

from __future__ import annotations

from typing import Any

from nnlite.nn.checks import real_number
from nnlite.nn.loss import Loss
from nnlite.ops.margin_loss import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    triplet_margin_loss,
)
from nnlite.tensor import Tensor

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "TripletMarginLoss",
]  # fmt: skip


class HingeEmbeddingLoss(Loss):
    """x where the label is 1, max(0, margin - x) where it is -1; x is a distance.

    Distances and labels have the same shape.

    Args:
        margin: the distance from which on unlike pairs cost nothing.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> x, y = nnlite.tensor([0.5, 0.25]), nnlite.tensor([1, -1])
    >>> nnlite.nn.HingeEmbeddingLoss(reduction="none")(x, y)
    tensor([0.5000, 0.7500])
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = real_number("HingeEmbeddingLoss", "margin", margin)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, self.reduction)


class MarginRankingLoss(Loss):
    """max(0, margin - y (x1 - x2)): which of two scores should be larger.

    The scores x1 and x2 and the labels y, 1 where the first should be larger and -1 where the
    second, have the same shape.

    Args:
        margin: by how much.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> a, b, y = nnlite.tensor([1.0]), nnlite.tensor([3.0]), nnlite.tensor([1])
    >>> nnlite.nn.MarginRankingLoss()(a, b, y)
    tensor(2.)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = real_number("MarginRankingLoss", "margin", margin)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class TripletMarginLoss(Loss):
    """max(0, margin + ‖a - p‖ - ‖a - n‖): like is closer than unlike, by a margin.

    Anchor a, positive p and negative n have the shape (N, D) or (D,). Source: Balntas et al. 2016,
    "Learning local feature descriptors with triplets and shallow convolutional neural networks".

    Args:
        margin: by how much, more than 0.
        p: which norm.
        eps: added to the differences, so that the derivative is finite where they are 0.
        swap: use ‖p - n‖ instead of ‖a - n‖ where it is smaller.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction`` or unless the margin is positive, and when
            the shapes differ.

    >>> import nnlite
    >>> a, b, c = nnlite.tensor([0.0]), nnlite.tensor([1.0]), nnlite.tensor([1.5])
    >>> nnlite.nn.TripletMarginLoss()(a, b, c)
    tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = real_number("TripletMarginLoss", "margin", margin, 0, open_low=True)
        self.p = real_number("TripletMarginLoss", "p", p, 0)
        self.eps = real_number("TripletMarginLoss", "eps", eps)
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class CosineEmbeddingLoss(Loss):
    """1 - cos where the label is 1, max(0, cos - margin) where it is -1.

    cos is the cosine of the angle between two vectors, shape (N, D) or (D,); the labels have the
    shape (N,) or ().

    Args:
        margin: the cosine up to which unlike pairs cost nothing.
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction``, and when the shapes do not fit.

    >>> import nnlite
    >>> a, b = nnlite.tensor([[1.0, 0.0]]), nnlite.tensor([[3.0, 4.0]])
    >>> nnlite.nn.CosineEmbeddingLoss()(a, b, nnlite.tensor([1]))
    tensor(0.4000)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = real_number("CosineEmbeddingLoss", "margin", margin)

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)
