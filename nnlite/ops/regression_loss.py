"""Losses of predicted numbers and distributions: errors, likelihoods, divergence.

Prediction and target must have the same shape: nothing is broadcast silently.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops import arithmetic, choose, exponential, reduce
from nnlite.ops.loss import bad_reduction, pair_of, paired, reduced, reduction_of, spread
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = [
    "gaussian_nll_loss", "huber_loss", "kl_div", "l1_loss", "mse_loss", "poisson_nll_loss",
    "smooth_l1_loss",
]  # fmt: skip


class MseLossBackward0(Node):
    """l = (x - y)²:   ∂x = 2 g (x - y),   ∂y = -2 g (x - y)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        to_x, to_y = self.edges
        grad = spread(g, *self.meta) * (2 * (x - y))
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
    x, y = pair_of("mse_loss", input, target)
    if weight is not None:
        apart = arithmetic.sub(input, target if y is target.array else wrap(y))
        return _weighted("mse_loss", apart * apart, weight, reduction)
    difference = x - y
    out = reduction_of("mse_loss", difference * difference, reduction)
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
    raise ValueError(bad_reduction(function, reduction))


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
    target = paired("l1_loss", input, target)
    loss = arithmetic.abs(arithmetic.sub(input, target))
    if weight is not None:
        return _weighted("l1_loss", loss, weight, reduction)
    return reduced("l1_loss", loss, reduction)


class SmoothL1LossBackward0(Node):
    """l = d²/(2β) where |d| < β, else |d| - β/2,  d = x - y:   ∂x = g max(-1, min(d/β, 1)),
    ∂y = -∂x"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        to_x, to_y = self.edges
        low, high, reduction, count = self.meta
        grad = spread(g, reduction, count) * (high * np.clip((x - y) / (high * low), -1, 1))
        return grad if to_x else None, -grad if to_y else None


class HuberLossBackward0(SmoothL1LossBackward0):
    """l = d²/2 where |d| ≤ δ, else δ (|d| - δ/2),  d = x - y:   ∂x = g max(-δ, min(d, δ)),
    ∂y = -∂x"""

    __slots__ = ()


def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """The absolute error, rounded off to a square below ``beta``.

    Source: Girshick 2015, "Fast R-CNN", arXiv:1504.08083.

    Args:
        input, target: equal shapes.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: where the square ends; 0 gives ``l1_loss``.

    Raises:
        ValueError: when the shapes differ; for a negative ``beta``.

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.smooth_l1_loss(nnlite.tensor([0.5, 3.0]), nnlite.zeros(2), reduction="none")
    tensor([0.1250, 2.5000])
    """
    name = "smooth_l1_loss"
    if beta < 0:
        raise ValueError(f"{name}: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    x, y = pair_of(name, input, target)
    size = np.absolute(x - y)
    loss = np.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)
    edges, meta = (input._node, target._node), (beta, 1.0, reduction, x.size)
    return record(reduction_of(name, loss, reduction), SmoothL1LossBackward0, edges, (x, y), meta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """The squared error / 2, going on as a straight line from ``delta`` on.

    Source: Huber 1964, "Robust Estimation of a Location Parameter".

    Args:
        input, target: equal shapes.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: where the line begins.
        weight: a factor for each element, of the same shape.

    Raises:
        ValueError: when the shapes differ; unless ``delta`` is positive.

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.huber_loss(nnlite.tensor([1.0, 3.0]), nnlite.zeros(2), reduction="none", delta=2.0)
    tensor([0.5000, 4.0000])
    """
    name = "huber_loss"
    if delta <= 0:
        raise ValueError(f"{name}: delta must be positive, got {delta}")
    if weight is not None:
        if weight.array.shape != input.array.shape:
            raise ValueError(
                f"{name}: weight needs the input's shape {list(input.array.shape)}, got "
                f"{list(weight.array.shape)}"
            )
        return reduced(name, huber_loss(input, target, "none", delta) * weight, reduction)
    x, y = pair_of(name, input, target)
    size = np.absolute(x - y)
    loss = np.where(size <= delta, size * size * 0.5, delta * (size - 0.5 * delta))
    edges, meta = (input._node, target._node), (1.0, delta, reduction, x.size)
    return record(reduction_of(name, loss, reduction), HuberLossBackward0, edges, (x, y), meta)


def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """The Kullback-Leibler divergence of distributions: t (ln t - x), from log-probabilities x.

    Source: Kullback and Leibler 1951, "On Information and Sufficiency".

    Args:
        input: log-probabilities.
        target: probabilities of the same shape, or log-probabilities with ``log_target``.
        reduction: ``"batchmean"`` (divided by the first size: the divergence by its definition),
            ``"mean"`` (divided by the number of elements), ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> x, t = nnlite.tensor([[0.5, 0.5]]).log(), nnlite.tensor([[1.0, 0.0]])
    >>> nnlite.nn.functional.kl_div(x, t, reduction="batchmean")
    tensor(0.6931)
    """
    target = paired("kl_div", input, target)
    if log_target:
        loss = arithmetic.mul(exponential.exp(target), arithmetic.sub(target, input))
    else:
        loss = arithmetic.sub(exponential.xlogy(target, target), arithmetic.mul(target, input))
    if reduction != "batchmean":
        return reduced("kl_div", loss, reduction)
    total = reduce.sum(loss)
    return total if loss.array.ndim == 0 else arithmetic.div(total, loss.array.shape[0])


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of normal distributions: (ln v + (x - t)² / v) / 2.

    Source: Nix and Weigend 1994, "Estimating the mean and variance of the target probability
    distribution".

    Args:
        input: means x.
        target: t, of the same shape.
        var: variances v, of the same shape, one size 1, or without the last dimension; or a number.
        full: add the constant ln(2π) / 2.
        eps: the least that a variance counts as.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes do not fit, or a variance is negative.

    >>> import nnlite
    >>> F = nnlite.nn.functional
    >>> F.gaussian_nll_loss(nnlite.tensor([1.0]), nnlite.tensor([3.0]), 1.0)
    tensor(2.)
    """
    name = "gaussian_nll_loss"
    target = paired(name, input, target)
    x = input.array
    if not isinstance(var, Tensor):
        var = wrap(np.full_like(x, var))
    shape = array_of(name, var).shape
    if shape != x.shape:
        if shape == x.shape[:-1]:
            var = unsqueeze(var, -1)
        elif (
            len(shape) != x.ndim
            or sum(n for n, v in zip(x.shape, shape) if n != v) == 0
            or any(n != v and v != 1 for n, v in zip(x.shape, shape))
        ):
            raise ValueError(
                f"{name}: var of shape {list(shape)} does not fit the input's {list(x.shape)}"
            )
    if (var.array < 0).any():
        raise ValueError(
            f"{name}: variances must not be negative, found {var.array.min()}; predict their "
            "logarithm and take exp()"
        )
    # The value is bounded, the derivative is not, as in torch.
    safe = arithmetic.add(var, wrap(np.maximum(var.array, eps) - var.array))
    error = arithmetic.sub(input, target)
    loss = 0.5 * (exponential.log(safe) + arithmetic.div(error**2, safe))
    if full:
        loss = arithmetic.add(loss, 0.5 * math.log(2 * math.pi))
    return reduced(name, loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of Poisson distributions: e^x - t x, or x - t ln(x + ε).

    Args:
        input: logarithms of the expected counts, or the counts without ``log_input``.
        target: observed counts t, of the same shape.
        full: add Stirling's approximation of ln t! for t > 1.
        eps: keeps the logarithm finite.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: when the shapes differ.

    >>> import nnlite
    >>> nnlite.nn.functional.poisson_nll_loss(nnlite.tensor([0.0]), nnlite.tensor([2]))
    tensor(1.)
    """
    name = "poisson_nll_loss"
    target = paired(name, input, target)
    if log_input:
        loss = arithmetic.sub(exponential.exp(input), arithmetic.mul(target, input))
    else:
        shifted = arithmetic.add(input, eps)
        loss = arithmetic.sub(input, arithmetic.mul(target, exponential.log(shifted)))
    if full:
        many = target.array > 1
        # Where t ≤ 1 the term is 0; ln is taken of 1 there, so that nothing is infinite.
        t: Any = choose.where(wrap(many), target, 1.0)
        stirling = t * exponential.log(t) - t + 0.5 * exponential.log(2 * math.pi * t)
        loss = arithmetic.add(loss, choose.where(wrap(many), stirling, 0.0))
    return reduced(name, loss, reduction)
