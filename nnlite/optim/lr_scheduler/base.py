"""LRScheduler: what all schedules share. Counting, warnings, state, the rates of all groups."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from nnlite.optim.optimizer import Optimizer

__all__ = ["LRScheduler"]

_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
    "order, `optimizer.step()` first: otherwise the first value of the schedule is skipped"
)
_REPLACED = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization, so whether it is called before `lr_scheduler.step()`, as it must be, cannot "
    "be seen"
)
EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Use `scheduler.step()`. With an epoch, the schedule's closed form is used where it "
    "has one"
)


class LRScheduler:
    """The base of all schedules; a subclass defines ``get_lr``.

    Making a scheduler sets the optimizer's learning rates, so to go on from a file make it first
    and load the optimizer's state afterwards.

    Args:
        optimizer: the optimizer whose groups' ``"lr"`` is set.
        last_epoch: -1 for the start; the last epoch that is done when going on without a state,
            which needs ``"initial_lr"`` in all groups.

    Attributes:
        base_lrs: the learning rates of the groups before any schedule.
        last_epoch: how many steps the schedule has taken.

    Raises:
        TypeError: when ``optimizer`` is none.
        KeyError: for a ``last_epoch`` without ``"initial_lr"``.

    >>> import nnlite
    >>> class Halving(LRScheduler):
    ...     def get_lr(self):
    ...         return [lr / 2**self.last_epoch for lr in self.base_lrs]
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False
    _step_count: int
    _last_lr: list[Any]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} goes on with a schedule, but "
                    f"param_groups[{number}] has no 'initial_lr'; load the optimizer's state "
                    "first, or leave last_epoch out for a new run"
                )
        self.base_lrs: list[Any] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        optimizer._watch_step()
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """All that the schedule knows, except for the optimizer, which has a state of its own."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``; load the optimizer's as well."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The learning rate of each group, as the schedule set it last."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The learning rate of each group at ``last_epoch``; a subclass defines it.

        It may start from the rates as they are; ``get_last_lr`` is what to print.
        """
        raise NotImplementedError(
            f"{type(self).__name__}.get_lr is missing: a subclass of LRScheduler defines it"
        )

    def step(self, epoch: int | None = None) -> None:
        """Go on by an epoch (or by whatever the schedule counts), after the optimizer's step.

        Args:
            epoch: deprecated: the epoch to go to.
        """
        if self._step_count == 1:
            if not getattr(self.optimizer.step, "_is_watched", False):
                warnings.warn(_REPLACED, UserWarning, stacklevel=2)
            elif not self.optimizer._opt_called:
                warnings.warn(_ORDER, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed_form = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self._set(closed_form)

    def _set(self, closed_form: Any = None) -> None:
        """Set the rates that ``closed_form`` gives, or else ``get_lr``."""
        self._get_lr_called_within_step = True
        try:
            rates = self.get_lr() if closed_form is None else closed_form()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate
        self._last_lr = self._rates()

    # ---- for subclasses -------------------------------------------------------------------------

    def _rates(self, factor: float | None = None) -> list[Any]:
        """The learning rates of the groups as they are, or times a factor."""
        groups = self.optimizer.param_groups
        if factor is None:
            return [group["lr"] for group in groups]
        return [group["lr"] * factor for group in groups]

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )


def check_optimizer(optimizer: Any) -> None:
    """Raise unless it is an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer: {type(optimizer).__name__} is not an Optimizer; give the optimizer whose "
            "learning rate is to be scheduled"
        )


def of_each_group(owner: str, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """A value for each group: those of a list, or the same one for all."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{owner}: {name} must be one number or as many as the optimizer has parameter "
            f"groups, {count}; got {len(value)}"
        )
    return list(value)


def check_whole(owner: str, name: str, value: Any, least: int = 1) -> None:
    """Raise unless ``value`` is an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{owner}: {name} must be an int of at least {least}, got {value!r}")
