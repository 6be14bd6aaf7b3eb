"""Schedules along a cosine."""

from __future__ import annotations

import math
from typing import Any

from nnlite.optim.checks import check_number
from nnlite.optim.lr_scheduler.base import LRScheduler, check_whole
from nnlite.optim.optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Let the learning rates fall along half a cosine: γₜ = η + (γ₀ - η)(1 + cos(π t / T)) / 2.

    Computed from the rate before, so that other schedules may change it too. After T epochs
    the rates rise again, on the other half of the cosine.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arXiv:1608.03983 (without restarts).

    Args:
        optimizer: see `LRScheduler`.
        T_max: T, not 0.
        eta_min: η, the lowest rate.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError, ValueError: for a ``T_max`` of 0, and for what is no number.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=2)
    >>> for epoch in range(3):
    ...     print(f"{scheduler.get_last_lr()[0]:.2f}")
    ...     optimizer.step()
    ...     scheduler.step()
    8.00
    4.00
    0.00
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        check_number("CosineAnnealingLR", "T_max", T_max)
        check_number("CosineAnnealingLR", "eta_min", eta_min)
        if T_max == 0:
            raise ValueError("CosineAnnealingLR: T_max must not be 0: it is the number of epochs")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, moved by this epoch's part of the cosine."""
        self._warn_outside_step()
        epoch, length, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._rates()
        if self._step_count == 1 and epoch > 0:
            height = 1 + math.cos(epoch * math.pi / length)
            return [low + (rate - low) * height / 2 for rate in self.base_lrs]
        if (epoch - 1 - length) % (2 * length) == 0:
            # The quotient below would be that of two zeros.
            height = 1 - math.cos(math.pi / length)
            return [
                rate + (base - low) * height / 2 for base, rate in zip(self.base_lrs, self._rates())
            ]
        height = 1 + math.cos(math.pi * epoch / length)
        before = 1 + math.cos(math.pi * (epoch - 1) / length)
        return [height / before * (rate - low) + low for rate in self._rates()]

    def _get_closed_form_lr(self) -> list[Any]:
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (rate - self.eta_min) * height / 2 for rate in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Let the learning rates fall along half a cosine, again and again.

    γ = η + (γ₀ - η)(1 + cos(π T_cur / T_i)) / 2, T_cur epochs after the last restart; the first
    period T_i has T_0 epochs, and each further one is T_mult times as long.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    arXiv:1608.03983, equation 5.

    Args:
        optimizer: see `LRScheduler`.
        T_0: epochs until the first restart, an int of at least 1.
        T_mult: an int of at least 1.
        eta_min: η, the lowest rate.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: for an argument out of its range.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for epoch in range(3):
    ...     print(f"{scheduler.get_last_lr()[0]:.2f}")
    ...     optimizer.step()
    ...     scheduler.step()
    8.00
    4.00
    8.00
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        name = "CosineAnnealingWarmRestarts"
        check_whole(name, "T_0", T_0)
        check_whole(name, "T_mult", T_mult)
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"{name}: eta_min must be a number, got {eta_min!r}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at this place of the period."""
        self._warn_outside_step()
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (rate - self.eta_min) * height / 2 for rate in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by an epoch, or to any place.

        Args:
            epoch: the place, for steps within an epoch: ``epoch + batch / batches``; at least 0.

        Raises:
            ValueError: for a negative ``epoch``.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur = self.T_cur % self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(
                f"CosineAnnealingWarmRestarts.step: epoch must be at least 0, got {epoch!r}"
            )
        elif epoch < self.T_0:
            self.T_i = self.T_0
            self.T_cur = epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            # All periods until the n-th restart have T_0 (T_multⁿ - 1) / (T_mult - 1) epochs.
            mult = self.T_mult
            restarts = int(math.log(epoch / self.T_0 * (mult - 1) + 1, mult))
            self.T_cur = epoch - self.T_0 * (mult**restarts - 1) / (mult - 1)
            self.T_i = self.T_0 * mult**restarts
        self.last_epoch = math.floor(epoch)
        self._set()
