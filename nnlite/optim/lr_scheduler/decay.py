"""Schedules with a formula in the epoch: in steps, constant, linear, exponential, polynomial."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nnlite.optim.checks import check_number
from nnlite.optim.lr_scheduler.base import LRScheduler, check_whole
from nnlite.optim.optimizer import Optimizer

__all__ = ["ConstantLR", "ExponentialLR", "LinearLR", "MultiStepLR", "PolynomialLR", "StepLR"]


class StepLR(LRScheduler):
    """Multiply the learning rates by ``gamma`` every ``step_size`` epochs.

    γₜ = γ₀ gammaᵏ with k = ⌊t / step_size⌋, computed from the rate before, so that other schedules
    may change it too. Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        step_size: epochs between changes, at least 1.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: for a ``step_size`` that is no int above 0.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        check_whole("StepLR", "step_size", step_size)
        check_number("StepLR", "gamma", gamma)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, multiplied by ``gamma`` in every ``step_size``-th epoch."""
        self._warn_outside_step()
        is_change = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self._rates(self.gamma if is_change else None)

    def _get_closed_form_lr(self) -> list[Any]:
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [rate * factor for rate in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the learning rates by ``gamma`` at each of the ``milestones``.

    γₜ = γ₀ gammaᵏ, where k of the milestones are at most t. Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        milestones: epochs; one that is listed twice counts twice.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
    >>> for epoch in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        check_number("MultiStepLR", "gamma", gamma)
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be a list of epochs, got {milestones!r}")
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, multiplied by ``gamma`` at a milestone."""
        self._warn_outside_step()
        if self.last_epoch not in self.milestones:
            return self._rates()
        return self._rates(self.gamma ** self.milestones[self.last_epoch])

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``; a file may have made a plain dict of the milestones."""
        super().load_state_dict(state_dict)
        counts = {int(epoch): count for epoch, count in self.milestones.items()}
        self.milestones = Counter(counts)

    def _get_closed_form_lr(self) -> list[Any]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [rate * self.gamma**passed for rate in self.base_lrs]


class ConstantLR(LRScheduler):
    """Multiply the learning rates by ``factor`` until ``total_iters`` epochs are done.

    γₜ = γ₀ factor for t < total_iters, then γ₀. Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        factor: in [0, 1].
        total_iters: how many epochs it lasts.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: for a ``factor`` out of its range.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = ConstantLR(optimizer, factor=0.25, total_iters=2)
    >>> for epoch in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [2.0]
    [2.0]
    [8.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_number("ConstantLR", "factor", factor, least=0, most=1)
        self.factor = factor
        check_number(type(self).__name__, "total_iters", total_iters, least=0)
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, with ``factor`` brought in at the start and taken out at the end."""
        self._warn_outside_step()
        if self.last_epoch == 0:
            return self._rates(self.factor)
        if self.last_epoch != self.total_iters:
            return self._rates()
        # What a factor of 0 has taken away cannot be brought back by a division.
        return self._rates(1.0 / self.factor) if self.factor else list(self.base_lrs)

    def _get_closed_form_lr(self) -> list[Any]:
        factor = self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)
        return [rate * factor for rate in self.base_lrs]


class LinearLR(LRScheduler):
    """Multiply the learning rates by a factor that goes in a line from start to end: a warm-up.

    γₜ = γ₀ (start_factor + (end_factor - start_factor) min(t, T) / T), T = total_iters.
    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        start_factor: the first factor, in (0, 1].
        end_factor: the last factor, in [0, 1].
        total_iters: T, how many epochs it takes.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: for a factor out of its range.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for epoch in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [4.0]
    [6.0]
    [8.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        check_number("LinearLR", "start_factor", start_factor, least=0, most=1)
        if start_factor == 0:
            raise ValueError(
                "LinearLR: start_factor must be above 0, for each rate is computed from the one "
                "before; got 0"
            )
        check_number("LinearLR", "end_factor", end_factor, least=0, most=1)
        self.start_factor = start_factor
        self.end_factor = end_factor
        check_number(type(self).__name__, "total_iters", total_iters, least=0)
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, times the quotient of this epoch's factor and the one before."""
        self._warn_outside_step()
        if self.last_epoch == 0:
            return self._rates(self.start_factor)
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return self._rates(1.0 + rise / before)

    def _get_closed_form_lr(self) -> list[Any]:
        rise = self.end_factor - self.start_factor
        epochs = min(self.total_iters, self.last_epoch)
        factor = self.start_factor + rise * epochs / self.total_iters
        return [rate * factor for rate in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the learning rates by ``gamma`` in every epoch: γₜ = γ₀ gammaᵗ.

    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        gamma: the factor.
        last_epoch: see `LRScheduler`.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = ExponentialLR(optimizer, gamma=0.5)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        check_number("ExponentialLR", "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, multiplied by ``gamma``."""
        self._warn_outside_step()
        return self._rates(None if self._is_initial else self.gamma)

    def _get_closed_form_lr(self) -> list[Any]:
        return [rate * self.gamma**self.last_epoch for rate in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Let the learning rates fall to 0 along a polynomial: γₜ = γ₀ (1 - min(t, T) / T)ᵖ.

    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        total_iters: T, how many epochs it takes.
        power: p.
        last_epoch: see `LRScheduler`.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        check_number("PolynomialLR", "power", power)
        check_number(type(self).__name__, "total_iters", total_iters, least=0)
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, times the quotient of this epoch's factor and the one before."""
        self._warn_outside_step()
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._rates()
        left = 1.0 - self.last_epoch / self.total_iters
        before = 1.0 - (self.last_epoch - 1) / self.total_iters
        return self._rates((left / before) ** self.power)

    def _get_closed_form_lr(self) -> list[Any]:
        left = 1.0 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [rate * left**self.power for rate in self.base_lrs]
