"""Losses of predicted numbers, as modules. The equations stand in ``nnlite.ops``."""

from __future__ import annotations

from typing import Any

from nnlite.nn.checks import real_number
from nnlite.nn.loss import Loss
from nnlite.ops.regression_loss import (
    gaussian_nll_loss,
    huber_loss,
    l1_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
)
from nnlite.tensor import Tensor

__all__ = [
    "GaussianNLLLoss", "HuberLoss", "L1Loss", "MSELoss", "PoissonNLLLoss", "SmoothL1Loss",
]  # fmt: skip


class MSELoss(Loss):
    """The squared error (input - target)²; input and target have the same shape.

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> nnlite.nn.MSELoss()(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """The absolute error |input - target|; input and target have the same shape.

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for another ``reduction``, and when the shapes differ.

    >>> import nnlite
    >>> nnlite.nn.L1Loss()(nnlite.tensor([1.0, 2.0]), nnlite.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, self.reduction)


class SmoothL1Loss(Loss):
    """The absolute error, rounded off to a square below β: d²/2β where |d| < β, else |d| - β/2.

    d is input - target, which have the same shape. Source: Girshick 2015, "Fast R-CNN",
    arXiv:1504.08083.

    Args:
        size_average, reduce: must be None (torch has replaced them by ``reduction``).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: β, where the square ends; 0 gives ``L1Loss``.

    Raises:
        TypeError, ValueError: for another ``reduction`` or a negative β, and when the shapes
            differ.

    >>> import nnlite
    >>> nnlite.nn.SmoothL1Loss(reduction="none")(nnlite.tensor([0.5, 3.0]), nnlite.zeros(2))
    tensor([0.1250, 2.5000])
    """

    def __init__(
        self,
        size_average: Any = None,
        reduce: Any = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = real_number("SmoothL1Loss", "beta", beta, 0)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(input, target, self.reduction, self.beta)


class HuberLoss(Loss):
    """The squared error / 2, going on as a straight line: d²/2 where |d| ≤ δ, else δ (|d| - δ/2).

    d is input - target, which have the same shape. Source: Huber 1964, "Robust Estimation of a
    Location Parameter".

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        delta: δ, where the line begins.

    Raises:
        TypeError, ValueError: for another ``reduction`` or unless δ is positive, and when the
            shapes differ.

    >>> import nnlite
    >>> nnlite.nn.HuberLoss("none", delta=2.0)(nnlite.tensor([1.0, 3.0]), nnlite.zeros(2))
    tensor([0.5000, 4.0000])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = real_number("HuberLoss", "delta", delta, 0, open_low=True)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of normal distributions: (ln v + (x - t)² / v) / 2.

    Means x and targets t have the same shape; variances v have it, too, or one size 1, or lack the
    last dimension, or are one number. Source: Nix and Weigend 1994, "Estimating the mean and
    variance of the target probability distribution".

    Args:
        full: add the constant ln(2π) / 2.
        eps: the least that a variance counts as.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction`` or unless ``eps`` is positive, and when the
            shapes do not fit or a variance is negative.

    >>> import nnlite
    >>> nnlite.nn.GaussianNLLLoss()(nnlite.tensor([1.0]), nnlite.tensor([3.0]), 1.0)
    tensor(2.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = real_number("GaussianNLLLoss", "eps", eps, 0, open_low=True)

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of Poisson distributions: eˣ - t x, or x - t ln(x + ε).

    Input x and observed counts t have the same shape.

    Args:
        log_input: whether x is the logarithm of the expected count, or the count itself.
        full: add Stirling's approximation of ln t! for t > 1.
        size_average: must be None (torch has replaced it by ``reduction``).
        eps: ε, which keeps the logarithm finite.
        reduce: must be None, too.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError, ValueError: for another ``reduction`` or unless ``eps`` is positive, and when the
            shapes differ.

    >>> import nnlite
    >>> nnlite.nn.PoissonNLLLoss()(nnlite.tensor([0.0]), nnlite.tensor([2]))
    tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: Any = None,
        eps: float = 1e-8,
        reduce: Any = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = real_number("PoissonNLLLoss", "eps", eps, 0, open_low=True)

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )
