"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from nnlite.optim.lr_scheduler.base import LRScheduler
from nnlite.optim.lr_scheduler.plateau import ReduceLROnPlateau
from nnlite.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _OfSchedulers(LRScheduler):
    """A schedule that consists of others, of one optimizer (abstract)."""

    _schedulers: Sequence[LRScheduler]

    def _check(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name}: schedulers must be at least one scheduler, got none")
        for number, scheduler in enumerate(schedulers):
            which = f"schedulers[{number}] ({type(scheduler).__name__})"
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name}: {which} is no scheduler: it has no optimizer")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name}: {which} cannot be one of several, for its step needs a metric; step "
                    "it by itself"
                )
            if scheduler.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ValueError(f"{name}: {which} belongs to another optimizer")

    def _initial_step(self) -> None:
        # As the first part of a SequentialLR: nobody has called the schedule too early.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step")
            super()._initial_step()

    def state_dict(self) -> dict[str, Any]:
        """The state, with that of each scheduler."""
        state = super().state_dict()
        state["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, of the same schedulers in the same order."""
        own = {key: value for key, value in state_dict.items() if key != "_schedulers"}
        super().load_state_dict(own)
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class SequentialLR(_OfSchedulers):
    """One schedule after the other, as a warm-up before a decay.

    Source: torch's definition.

    Args:
        optimizer: see `LRScheduler`.
        schedulers: schedulers of that optimizer.
        milestones: the epochs at which the second and the further ones begin.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError, ValueError: for schedulers that do not fit, and for milestones that are not one
            fewer than the schedulers.

    >>> import nnlite
    >>> from nnlite.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> warm_up = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> decay = ExponentialLR(optimizer, gamma=0.5)
    >>> scheduler = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> for epoch in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [4.0]
    [4.0]
    [8.0]
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: milestones must be {len(schedulers) - 1}, one fewer than the "
                f"schedulers, got {len(milestones)}"
            )
        if list(milestones) != sorted(milestones):
            raise ValueError(f"SequentialLR: milestones must rise, got {list(milestones)}")
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Making the schedulers has had each of them set the rates of its first epoch.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _undo_first_steps(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Go on by an epoch, in the schedule whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn > 0 and self._milestones[turn - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_OfSchedulers):
    """Several schedules at once: their factors multiply.

    Source: torch's definition.

    Args:
        schedulers: schedulers of one optimizer, stepped in this order.
        optimizer: that optimizer; default: that of the first.

    Raises:
        TypeError, ValueError: for schedulers that do not fit.

    >>> import nnlite
    >>> from nnlite.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> parts = [ConstantLR(optimizer, factor=0.5, total_iters=2), ExponentialLR(optimizer, 0.5)]
    >>> scheduler = ChainedScheduler(parts)
    >>> for epoch in range(3):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [4.0]
    [2.0]
    [2.0]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._check(schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = optimizer or schedulers[0].optimizer
        self._last_lr = self._rates()

    def step(self) -> None:  # type: ignore[override]
        """Go on by an epoch in all schedules."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self._rates()


def _undo_first_steps(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, _OfSchedulers):
        for part in scheduler._schedulers:
            _undo_first_steps(part)
    else:
        scheduler.last_epoch -= 1
