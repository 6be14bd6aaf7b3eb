"""Schedules that a function of one's own defines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from nnlite.optim.lr_scheduler.base import LRScheduler, check_optimizer, of_each_group
from nnlite.optim.optimizer import Optimizer

__all__ = ["LambdaLR", "MultiplicativeLR"]

Factor = Callable[[int], float]


class _OfFunctions(LRScheduler):
    """A schedule with a function for each group (abstract)."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        check_optimizer(optimizer)
        name = type(self).__name__
        self.lr_lambdas: list[Any] = of_each_group(name, "lr_lambda", optimizer, lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(
                    f"{name}: lr_lambda must be a function of the epoch, got {function!r}"
                )
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state; of callable objects their attributes are in it, functions are not."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(function, FunctionType) else vars(function).copy()
            for function in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, with the functions that the scheduler was made with."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for function, attributes in zip(functions, state_dict["lr_lambdas"]):
            if attributes is not None:
                vars(function).update(attributes)


class LambdaLR(_OfFunctions):
    """Set the learning rates to the first ones times a function of the epoch: γₜ = γ₀ f(t).

    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        lr_lambda: f, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError: when it is no function.
        ValueError: for another number of functions than groups.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [4.0]
    """

    def get_lr(self) -> list[Any]:
        """The first rates times the function."""
        self._warn_outside_step()
        epoch = self.last_epoch
        return [rate * f(epoch) for f, rate in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_OfFunctions):
    """Multiply the learning rates in every epoch by a function of it: γₜ = γₜ₋₁ f(t).

    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        lr_lambda: f, or one for each group.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError: when it is no function.
        ValueError: for another number of functions than groups.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> for epoch in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [2.0]
    """

    def get_lr(self) -> list[Any]:
        """The rates times the function."""
        self._warn_outside_step()
        if self._is_initial:
            return self._rates()
        epoch = self.last_epoch
        return [rate * f(epoch) for f, rate in zip(self.lr_lambdas, self._rates())]
