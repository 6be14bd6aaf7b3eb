"""Losses of several classes: the negative log-likelihood and the cross-entropy."""

from __future__ import annotations

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import arithmetic, reduce, softmax
from nnlite.ops.loss import bad_reduction
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap

__all__ = ["cross_entropy", "nll_loss"]


class NllLossBackward0(Node):
    """l = -Σₙ w[yₙ] xₙ[yₙ] / Σₙ w[yₙ]:   ∂xₙ[c] = -g w[c] / Σ w  where c = yₙ, else 0"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (pull,) = self.saved
        spread, _ = self.meta
        if spread:
            g = np.expand_dims(g, 1)
        return (g * pull,)

    def name(self) -> str:
        spread, ndim = self.meta
        if ndim < 3:
            return "NllLossBackward0"
        return "ViewBackward0" if spread and ndim != 4 else "NllLoss2DBackward0"


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of integer classes under log-probabilities.

    Args:
        input: log-probabilities, shape (N, C), (C,) or (N, C, …).
        target: class indices, shape (N,), () or (N, …).
        weight: a weight for each class, shape (C,).
        ignore_index: a target that does not count.
        reduction: ``"mean"`` (weighted by class), ``"sum"`` or ``"none"``.

    >>> import nnlite
    >>> x = nnlite.tensor([[0.0, 0.0]]).log_softmax(dim=1)
    >>> nnlite.nn.functional.nll_loss(x, nnlite.tensor([1]))
    tensor(0.6931)
    """
    x, y = array_of("nll_loss", input), array_of("nll_loss", target)
    classes = 0 if x.ndim == 1 else 1
    expected = x.shape[:classes] + x.shape[classes + 1 :]
    if x.ndim == 0 or y.shape != expected:
        raise ValueError(
            f"nll_loss: for input of shape {list(x.shape)} the target needs the shape "
            f"{list(expected)}, got {list(y.shape)}"
        )
    if y.dtype.kind not in "iu":
        raise TypeError(
            f"nll_loss: target must hold class indices as integers, got {y.dtype}; use "
            "target.long()"
        )
    count = x.shape[classes]
    counted = y != ignore_index
    safe = np.where(counted, y, 0)
    if safe.size and (safe.min() < 0 or safe.max() >= count):
        raise IndexError(
            f"nll_loss: target {int(safe.min() if safe.min() < 0 else safe.max())} is out of range "
            f"for {count} classes (0 to {count - 1})"
        )
    w = np.ones_like(x, shape=(count,)) if weight is None else weight.array.astype(x.dtype)
    if w.shape != (count,):
        raise ValueError(f"nll_loss: weight needs the shape [{count}], got {list(w.shape)}")
    of_target = np.where(counted, w[safe], 0).astype(x.dtype)
    places = np.arange(count, like=x).reshape((-1,) + (1,) * (x.ndim - 1 - classes))
    hit = places == np.expand_dims(safe, classes)
    pull = np.where(hit, np.expand_dims(-of_target, classes), 0).astype(x.dtype)
    if reduction == "mean":
        total = of_target.sum()
        pull = pull / total if total else pull  # where nothing counts the mean is NaN, its slope 0
    # Where the pull is 0 the log-probability may be -inf, and 0 times that would be NaN.
    picked = np.where(pull != 0, x, 0) * pull
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(bad_reduction("nll_loss", reduction))
    out = picked.sum(axis=classes) if reduction == "none" else picked.sum()
    if reduction == "mean" and not total:
        out = out * np.nan
    spread = reduction == "none" and classes == 1
    return record(out, NllLossBackward0, (input._node,), (pull,), (spread, x.ndim))


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of classes and softmax probabilities, from logits.

    Args:
        input: logits, shape (N, C), (C,) or (N, C, …).
        target: class indices, shape (N,), () or (N, …); or probabilities of the input's shape.
        weight: a weight for each class, shape (C,).
        ignore_index: an index that does not count.
        reduction: ``"mean"`` (weighted by class), ``"sum"`` or ``"none"``.
        label_smoothing: how much of each target is spread evenly over the classes, in [0, 1].

    >>> import nnlite
    >>> nnlite.nn.functional.cross_entropy(nnlite.zeros(2, 4), nnlite.tensor([0, 3]))
    tensor(1.3863)
    """
    x = array_of("cross_entropy", input)
    y = array_of("cross_entropy", target)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing lies in [0, 1], got {label_smoothing}")
    classes = 0 if x.ndim == 1 else 1
    log_p = softmax.log_softmax(input, classes)
    if y.dtype.kind != "f" and label_smoothing == 0:
        return nll_loss(log_p, target, weight, ignore_index, reduction)
    return _soft_cross_entropy(
        log_p, target, weight, ignore_index, reduction, label_smoothing, classes
    )


class DivBackward1(Node):
    """y = x / c:   ∂x = g / c"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g / self.meta,)


def _soft_cross_entropy(
    log_p: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    classes: int,
) -> Tensor:
    """Cross-entropy with probabilities as targets, or with smoothed classes."""
    x, y = log_p.array, target.array
    count = x.shape[classes]
    along = (-1,) + (1,) * (x.ndim - 1 - classes)
    w = np.ones_like(x, shape=(count,)) if weight is None else weight.array.astype(x.dtype)
    if y.dtype.kind == "f":
        if x.shape != y.shape:
            raise ValueError(
                f"cross_entropy: probabilities as targets need the input's shape {list(x.shape)}, "
                f"got {list(y.shape)}; class indices must be integers (target.long())"
            )
        share = (1 - smoothing) * target + smoothing / count
        terms = reduce.sum(log_p * share * wrap(w.reshape(along)), classes)
        if reduction == "none":
            return arithmetic.neg(terms)
        total = arithmetic.neg(reduce.sum(terms))
        if reduction == "sum":
            return total
        count = terms.array.size
        return record(total.array / count, DivBackward1, (total._node,), (), count)
    hard = nll_loss(log_p, target, weight, ignore_index, reduction)
    counted = (y != ignore_index).astype(x.dtype)
    even = reduce.sum(log_p * wrap(w.reshape(along)), classes) * wrap(-counted / count)
    if reduction != "none":
        even = reduce.sum(even)
    if reduction == "mean":
        weights = np.where(counted != 0, w[np.where(counted != 0, y, 0)], 0).sum()
        even = arithmetic.div(even, wrap(weights)) if weights else even * 0
    return (1 - smoothing) * hard + smoothing * even
