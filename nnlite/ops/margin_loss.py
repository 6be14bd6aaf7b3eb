"""Losses with a margin: of scores, of pairs and triplets of vectors, of several labels."""

from __future__ import annotations

from typing import Any

from nnlite.autograd.node import Node, record
from nnlite.ops import arithmetic, choose, power, reduce
from nnlite.ops.activation import logsigmoid, softplus_of
from nnlite.ops.attention import pairwise_distance
from nnlite.ops.exponential import sigmoid_of
from nnlite.ops.loss import pair_of, paired, reduced, reduction_of, spread
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap

__all__ = [
    "cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss",
    "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_loss",
]  # fmt: skip


class SoftMarginLossBackward0(Node):
    """l = ln(1 + e^(-y x)):   ∂x = -g y σ(-y x)"""

    __slots__ = ()
    lifts = (0, None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        return (spread(g, *self.meta) * (-y * sigmoid_of(-y * x)),)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The logistic loss of labels -1 and 1: ln(1 + e^(-y x)).

    Args:
        input: scores x.
        target: y, -1 or 1, of the same shape; its gradient is not defined.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> nnlite.nn.functional.soft_margin_loss(nnlite.tensor([0.0, 2.0]), nnlite.tensor([1, 1]))
    tensor(0.4100)
    """
    x, y = pair_of("soft_margin_loss", input, target)
    loss = softplus_of(-y * x)
    out = reduction_of("soft_margin_loss", loss, reduction)
    return record(out, SoftMarginLossBackward0, (input._node,), (x, y), (reduction, x.size))


def _labelled(function: str, target: Tensor, *values: Any) -> tuple[Any, Any]:
    """``values`` where the target is 1 and where it is -1, zeros elsewhere."""
    y, (positive, negative) = array_of(function, target), values
    return (
        choose.where(wrap(y == 1), positive, 0.0),
        choose.where(wrap(y == -1), negative, 0.0),
    )


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """x where the label is 1, max(0, margin - x) where it is -1; x is a distance.

    Args:
        input: distances x.
        target: 1 or -1, of the same shape.
        margin: the distance from which on unlike pairs cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> x, y = nnlite.tensor([0.5, 0.25]), nnlite.tensor([1, -1])
    >>> nnlite.nn.functional.hinge_embedding_loss(x, y, reduction="none")
    tensor([0.5000, 0.7500])
    """
    name = "hinge_embedding_loss"
    y = array_of(name, paired(name, input, target))
    apart = choose.clamp_min(arithmetic.rsub(input, margin), 0)
    loss = arithmetic.add(
        choose.where(wrap(y != 1), apart, 0.0), choose.where(wrap(y != -1), input, 0.0)
    )
    return reduced(name, loss, reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - y (x1 - x2)): which of two scores should be larger.

    Args:
        input1, input2: scores of equal shapes.
        target: y, of the same shape: 1 where the first should be larger, -1 where the second.
        margin: by how much.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> a, b, y = nnlite.tensor([1.0]), nnlite.tensor([3.0]), nnlite.tensor([1])
    >>> nnlite.nn.functional.margin_ranking_loss(a, b, y)
    tensor(2.)
    """
    name = "margin_ranking_loss"
    paired(name, input1, input2)
    y = paired(name, input1, target)
    short = arithmetic.mul(arithmetic.neg(y), arithmetic.sub(input1, input2))
    return reduced(name, choose.clamp_min(arithmetic.add(short, margin), 0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + ‖a - p‖ - ‖a - n‖): like is closer than unlike, by a margin.

    Source: Balntas et al. 2016, "Learning local feature descriptors with triplets and shallow
    convolutional neural networks".

    Args:
        anchor, positive, negative: vectors, shape (N, D) or (D,), all equal.
        margin: by how much, more than 0.
        p, eps: of ``pairwise_distance``.
        swap: use ‖p - n‖ instead of ‖a - n‖ where it is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ; unless the margin is positive.

    >>> import nnlite
    >>> a, b, c = nnlite.tensor([0.0]), nnlite.tensor([1.0]), nnlite.tensor([1.5])
    >>> nnlite.nn.functional.triplet_margin_loss(a, b, c)
    tensor(0.5000)
    """
    name = "triplet_margin_loss"
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    paired(name, anchor, positive)
    paired(name, anchor, negative)
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = choose.minimum(far, pairwise_distance(positive, negative, p, eps))
    loss = choose.clamp_min(arithmetic.sub(arithmetic.add(near, margin), far), 0)
    return reduced(name, loss, reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos where the label is 1, max(0, cos - margin) where it is -1.

    Args:
        input1, input2: vectors, shape (N, D) or (D,).
        target: 1 or -1, shape (N,) or ().
        margin: the cosine up to which unlike pairs cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes do not fit.

    >>> import nnlite
    >>> a, b = nnlite.tensor([[1.0, 0.0]]), nnlite.tensor([[3.0, 4.0]])
    >>> nnlite.nn.functional.cosine_embedding_loss(a, b, nnlite.tensor([1]))
    tensor(0.4000)
    """
    name = "cosine_embedding_loss"
    paired(name, input1, input2)
    shape = input1.array.shape
    if len(shape) not in (1, 2) or array_of(name, target).shape != shape[:-1]:
        raise ValueError(
            f"{name}: expected inputs (N, D) or (D,) and targets (N,) or (), got {list(shape)} and "
            f"{list(target.array.shape)}"
        )
    dot, square1, square2 = (
        reduce.sum(arithmetic.mul(a, b), -1)
        for a, b in ((input1, input2), (input1, input1), (input2, input2))
    )
    squares = arithmetic.mul(arithmetic.add(square1, 1e-12), arithmetic.add(square2, 1e-12))
    cosine = arithmetic.div(dot, power.sqrt(squares))
    unlike = choose.clamp_min(arithmetic.sub(cosine, margin), 0)
    terms = _labelled(name, target, arithmetic.rsub(cosine, 1), unlike)
    return reduced(name, arithmetic.add(*terms), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The binary cross-entropy from logits, a mean over the classes of each sample.

    Args:
        input: logits, shape (…, C).
        target: 0 or 1 for each class, of the same shape.
        weight: a weight for each class, shape (C,).
        reduction: of the samples: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> x, y = nnlite.tensor([[0.0, 2.0]]), nnlite.tensor([[0, 1]])
    >>> nnlite.nn.functional.multilabel_soft_margin_loss(x, y)
    tensor(0.4100)
    """
    name = "multilabel_soft_margin_loss"
    y: Any = paired(name, input, target)
    loss: Any = -(y * logsigmoid(input) + (1 - y) * logsigmoid(arithmetic.neg(input)))
    if weight is not None:
        loss = loss * weight
    return reduced(name, reduce.sum(loss, -1) / input.array.shape[-1], reduction)
