"""Losses. Prediction and target must have the same shape: nothing is broadcast silently."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import arithmetic, reduce, softmax
from nnlite.ops.activation import softplus_of
from nnlite.ops.exponential import sigmoid_of
from nnlite.ops.operands import Array, array_of, number
from nnlite.tensor import Tensor, wrap

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "l1_loss",
    "mse_loss", "nll_loss",
]  # fmt: skip


def _pair(function: str, input: Tensor, target: Tensor) -> tuple[Array, Array]:
    """Prediction and target as arrays of one dtype.

    Raises:
        ValueError: when the shapes differ.
    """
    x, y = array_of(function, input), array_of(function, target)
    if x.shape != y.shape:
        raise ValueError(
            f"{function}: input has the shape {list(x.shape)}, target {list(y.shape)}; they must "
            f"be equal, because broadcasting would compare every prediction with every target. "
            f"{_reshape_hint(x.shape, y.shape)}"
        )
    if x.dtype.kind != "f":
        raise TypeError(f"{function}: input must be floating point, got {x.dtype}")
    return x, y if y.dtype is x.dtype else y.astype(x.dtype)


def _reshape_hint(input: tuple[int, ...], target: tuple[int, ...]) -> str:
    if math.prod(input) == math.prod(target):
        if input == (*target, 1):
            return "Use target.unsqueeze(-1) or output.squeeze(-1)"
        if target == (*input, 1):
            return "Use target.squeeze(-1)"
        return "Use target.reshape(output.shape) if they stand in the same order"
    return "Expand one of them on purpose if that is meant"


def _reduce(function: str, loss: Array, reduction: str) -> Array:
    if reduction == "mean":
        return loss.sum() / (loss.size or math.nan)
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(_bad_reduction(function, reduction))


def _bad_reduction(function: str, reduction: str) -> str:
    return f"{function}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}"


def _spread(g: Array, reduction: str, count: int) -> Array:
    """The gradient of each element's loss, given that of the reduced loss."""
    return g / (count or 1) if reduction == "mean" else g


# ---- binary -------------------------------------------------------------------------------------


class BinaryCrossEntropyWithLogitsBackward0(Node):
    """l = -w (p y ln σ(x) + (1 - y) ln(1 - σ(x))):   ∂x = g w ((1 - y + p y) σ(x) - p y)
    (without weights: ∂x = g (σ(x) - y)),   ∂y = g w (ln(1 - σ(x)) - p ln σ(x))"""

    __slots__ = ()
    lifts = (0, 1, None, None, "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y, weight, pos_weight, e = self.saved
        to_x, to_y = self.edges
        g = _spread(g, *self.meta)
        if weight is not None:
            g = g * weight
        grad_x = grad_y = None
        if to_x:
            if pos_weight is None:
                grad_x = g * (sigmoid_of(x, e) - y)
            else:
                py = pos_weight * y
                grad_x = g * ((1 - y + py) * sigmoid_of(x, e) - py)
        if to_y:
            # -ln σ(x) is softplus(-x), and -ln(1 - σ(x)) is softplus(x).
            positive = softplus_of(-x, e)
            if pos_weight is not None:
                positive = pos_weight * positive
            grad_y = g * (positive - softplus_of(x, e))
        return grad_x, grad_y


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The cross-entropy of targets in [0, 1] and the probabilities σ(input), from logits.

    l = -w (p y ln σ(x) + (1 - y) ln(1 - σ(x))), computed as
    max(x, 0) - x y + ln(1 + e^-|x|) (for w = p = 1), which neither overflows nor rounds to 0.

    Args:
        input: logits x, any shape.
        target: y, of the same shape; floats, ints or bools in [0, 1].
        weight: w, broadcast to that shape.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: p, the weight of the positive class, broadcast along the last dimensions.

    Raises:
        ValueError: when the shapes differ, or a target lies outside of [0, 1] (noticed when the
            loss becomes negative; the Trainer checks the whole data set).

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.binary_cross_entropy_with_logits(nnlite.tensor([0.0, 2.0]), nnlite.tensor([0, 1]))
    tensor(0.4100)
    """
    name = "binary_cross_entropy_with_logits"
    x, y = _pair(name, input, target)
    w = None if weight is None else _weight_array(name, "weight", weight, x)
    p = None if pos_weight is None else _weight_array(name, "pos_weight", pos_weight, x)
    e = np.exp(-np.absolute(x))
    if p is None:
        # In this order nothing cancels: the loss of a sure and right prediction stays exact.
        loss = np.maximum(x, number(0, x)) - x * y + np.log1p(e)
    else:
        loss = p * y * softplus_of(-x, e) + (1 - y) * softplus_of(x, e)
    if w is not None:
        loss = loss * w
    out = _reduce(name, loss, reduction)
    if reduction != "none" and out < 0:
        _check_probabilities(name, y)
    edges = (input._node, target._node)
    node = BinaryCrossEntropyWithLogitsBackward0
    return record(out, node, edges, (x, y, w, p, e), (reduction, x.size))


def _weight_array(function: str, label: str, weight: Any, x: Array) -> Array | None:
    if weight is None:
        return None
    w = array_of(function, weight).astype(x.dtype, copy=False)
    if weight._node:
        raise NotImplementedError(f"{function}: {label} cannot require a gradient; detach() it")
    try:
        fits = np.broadcast_shapes(w.shape, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{function}: {label} of shape {list(w.shape)} does not broadcast to the input's "
            f"{list(x.shape)}"
        )
    return w


def _check_probabilities(function: str, y: Array, label: str = "targets") -> None:
    """Raise when a value lies outside of [0, 1]."""
    low, high = y.min(), y.max()
    if low < 0 or high > 1:
        raise ValueError(
            f"{function}: {label} must lie in [0, 1], found values from {low:g} to {high:g}. "
            "Classes are numbered 0 and 1: for labels -1 and 1 use (y + 1) / 2, for 1 and 2 y - 1"
        )


class BinaryCrossEntropyBackward0(Node):
    """l = -w (y ln p + (1 - y) ln(1 - p)):   ∂p = g w (p - y) / (p (1 - p)),
    ∂y = g w (ln(1 - p) - ln p)"""

    __slots__ = ()
    lifts = (0, 1, None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        p, y, weight = self.saved
        to_p, to_y = self.edges
        g = _spread(g, *self.meta)
        if weight is not None:
            g = g * weight
        return (
            g * (p - y) / np.maximum((1 - p) * p, 1e-12) if to_p else None,
            g * (_log_of(1 - p) - _log_of(p)) if to_y else None,
        )


def _log_of(p: Array) -> Array:
    """ln p, limited from below by -100 as torch does."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p), -100)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """The cross-entropy of targets and probabilities, both in [0, 1].

    Prefer ``binary_cross_entropy_with_logits``: it takes the logits and cannot round to 0.
    The logarithms are limited to -100, as in torch.

    Raises:
        ValueError: when the shapes differ, or a probability or target lies outside of [0, 1].

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.binary_cross_entropy(nnlite.tensor([0.5, 0.9]), nnlite.tensor([0, 1]))
    tensor(0.3993)
    """
    name = "binary_cross_entropy"
    p, y = _pair(name, input, target)
    w = _weight_array(name, "weight", weight, p)
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ValueError(
            f"{name}: input must be probabilities in [0, 1], found values from {p.min():g} to "
            f"{p.max():g}; for logits use binary_cross_entropy_with_logits"
        )
    loss = -(y * _log_of(p) + (1 - y) * _log_of(1 - p))
    if w is not None:
        loss = loss * w
    out = _reduce(name, loss, reduction)
    if reduction != "none" and out < 0:
        _check_probabilities(name, y)
    edges = (input._node, target._node)
    return record(out, BinaryCrossEntropyBackward0, edges, (p, y, w), (reduction, p.size))


# ---- regression ---------------------------------------------------------------------------------


class MseLossBackward0(Node):
    """l = (x - y)²:   ∂x = 2 g (x - y),   ∂y = -2 g (x - y)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        to_x, to_y = self.edges
        grad = _spread(g, *self.meta) * (2 * (x - y))
        return grad if to_x else None, -grad if to_y else None


def mse_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """The squared error ``(input - target) ** 2``, of equal shapes.

    Args:
        weight: a factor for each element; the mean is divided by their sum.

    >>> import nnlite
    >>> nnlite.nn.functional.mse_loss(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(2.)
    """
    x, y = _pair("mse_loss", input, target)
    if weight is not None:
        apart = arithmetic.sub(input, target if y is target.array else wrap(y))
        return _weighted("mse_loss", apart * apart, weight, reduction)
    difference = x - y
    out = _reduce("mse_loss", difference * difference, reduction)
    return record(out, MseLossBackward0, (input._node, target._node), (x, y), (reduction, x.size))


def _weighted(function: str, loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    """Losses times weights: all, their sum, or that divided by the sum of the weights."""
    if weight.array.shape != loss.array.shape:
        raise ValueError(
            f"{function}: weight needs the input's shape {list(loss.array.shape)}, got "
            f"{list(weight.array.shape)}"
        )
    loss = loss * weight
    if reduction == "none":
        return loss
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "mean":
        return arithmetic.div(reduce.sum(loss), reduce.sum(weight))
    raise ValueError(_bad_reduction(function, reduction))


def l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """The absolute error ``|input - target|``, of equal shapes.

    Args:
        weight: a factor for each element; the mean is divided by their sum.

    >>> import nnlite
    >>> nnlite.nn.functional.l1_loss(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(1.)
    """
    _, y = _pair("l1_loss", input, target)
    if y is not target.array:
        target = wrap(y)
    loss = arithmetic.abs(arithmetic.sub(input, target))
    if weight is not None:
        return _weighted("l1_loss", loss, weight, reduction)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "mean":
        return reduce.mean(loss)
    raise ValueError(_bad_reduction("l1_loss", reduction))


# ---- several classes ----------------------------------------------------------------------------


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
        raise ValueError(_bad_reduction("nll_loss", reduction))
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
