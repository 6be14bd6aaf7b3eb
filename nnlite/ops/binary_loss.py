"""Losses of two classes: the cross-entropy, from logits and from probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.activation import softplus_of
from nnlite.ops.exponential import sigmoid_of
from nnlite.ops.loss import pair_of, reduction_of, spread
from nnlite.ops.operands import Array, array_of, number
from nnlite.tensor import Tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


class BinaryCrossEntropyWithLogitsBackward0(Node):
    """l = -w (p y ln σ(x) + (1 - y) ln(1 - σ(x))):   ∂x = g w ((1 - y + p y) σ(x) - p y)
    (without weights: ∂x = g (σ(x) - y)),   ∂y = g w (ln(1 - σ(x)) - p ln σ(x))"""

    __slots__ = ()
    lifts = (0, 1, None, None, "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y, weight, pos_weight, e = self.saved
        to_x, to_y = self.edges
        g = spread(g, *self.meta)
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
    x, y = pair_of(name, input, target)
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
    out = reduction_of(name, loss, reduction)
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
        g = spread(g, *self.meta)
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
    p, y = pair_of(name, input, target)
    w = _weight_array(name, "weight", weight, p)
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ValueError(
            f"{name}: input must be probabilities in [0, 1], found values from {p.min():g} to "
            f"{p.max():g}; for logits use binary_cross_entropy_with_logits"
        )
    loss = -(y * _log_of(p) + (1 - y) * _log_of(1 - p))
    if w is not None:
        loss = loss * w
    out = reduction_of(name, loss, reduction)
    if reduction != "none" and out < 0:
        _check_probabilities(name, y)
    edges = (input._node, target._node)
    return record(out, BinaryCrossEntropyBackward0, edges, (p, y, w), (reduction, p.size))
