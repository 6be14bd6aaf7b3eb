"""Schedules of learning rate and momentum together, stepped after every batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

from nnlite.optim.checks import check_choice, check_number
from nnlite.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    check_whole,
    of_each_group,
)
from nnlite.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]

Rates = float | Sequence[float]
_MODES = ("triangular", "triangular2", "exp_range")


class _WithMomentum(LRScheduler):
    """A schedule that may move the momentum against the learning rate (abstract)."""

    cycle_momentum: bool
    use_beta1: bool

    def _prepare_momentum(
        self, base_momentum: Rates, max_momentum: Rates, is_new: bool
    ) -> tuple[list[Any], list[Any]]:
        """Set the momenta to the highest, where the schedule starts; returns both bounds."""
        name, defaults = type(self).__name__, self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{name}: cycle_momentum=True needs an optimizer with a momentum or betas, which "
                f"{type(self.optimizer).__name__} has not; set cycle_momentum=False"
            )
        self.use_beta1 = "betas" in defaults
        lowest = of_each_group(name, "base_momentum", self.optimizer, base_momentum)
        highest = of_each_group(name, "max_momentum", self.optimizer, max_momentum)
        if is_new:
            for group, low, high in zip(self.optimizer.param_groups, lowest, highest):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return lowest, highest

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """Let the learning rates rise and fall in a line between two bounds, in cycles.

    At step t of a cycle c with x on its rising (falling) side going from 0 to 1 (1 to 0),
    γ = base_lr + (max_lr - base_lr) x s, with the scale s = 1 (``triangular``), 1 / 2^(c - 1)
    (``triangular2``) or gammaᵗ (``exp_range``). The momentum mirrors that.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186.

    Args:
        optimizer: see `LRScheduler`.
        base_lr: the lower bound, or one for each group.
        max_lr: the upper bound, or one for each group.
        step_size_up: steps of the rising side, at least 1.
        step_size_down: steps of the falling side; default: as many.
        mode: see above.
        gamma: see above.
        scale_fn: a function that gives s in place of ``mode``.
        scale_mode: whether it is called with the number of the ``cycle`` or of ``iterations``.
        cycle_momentum: move the momentum (the first of betas) too.
        base_momentum: the lower bound of the momentum, or one for each group.
        max_momentum: the upper bound of the momentum, or one for each group.
        last_epoch: see `LRScheduler`; counts steps.

    Raises:
        TypeError, ValueError: for an argument out of its range; an optimizer without momentum.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = CyclicLR(optimizer, base_lr=1.0, max_lr=3.0, step_size_up=2)
    >>> for step in range(4):
    ...     print(scheduler.get_last_lr(), round(optimizer.param_groups[0]["momentum"], 2))
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] 0.9
    [2.0] 0.85
    [3.0] 0.8
    [2.0] 0.85
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Rates,
        max_lr: Rates,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.8,
        max_momentum: Rates = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        check_number("CyclicLR", "gamma", gamma)
        check_number("CyclicLR", "step_size_up", step_size_up, least=1)
        if step_size_down is not None:
            check_number("CyclicLR", "step_size_down", step_size_down, least=1)
        if scale_fn is None:
            check_choice("CyclicLR", "mode", mode, _MODES)
        check_choice("CyclicLR", "scale_mode", scale_mode, ("cycle", "iterations"))
        self.optimizer = optimizer
        base_lrs = of_each_group("CyclicLR", "base_lr", optimizer, base_lr)
        self.max_lrs = of_each_group("CyclicLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, base_lrs):
                group["lr"] = rate
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            bounds = self._prepare_momentum(base_momentum, max_momentum, last_epoch == -1)
            self.base_momentums, self.max_momentums = bounds
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The scale s of a cycle, or of a step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return float(1 / 2.0 ** (x - 1))
        return float(self.gamma**x)

    def get_lr(self) -> list[Any]:
        """The rates at this place of the cycle; sets the momenta as well."""
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums)
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [
            low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs)
        ]

    def state_dict(self) -> dict[str, Any]:
        """The state; of a callable object as ``scale_fn`` its attributes, of a function nothing."""
        state = super().state_dict()
        function = state["_scale_fn_custom"]
        if function is not None:
            is_function = isinstance(function, FunctionType)
            state["_scale_fn_custom"] = None if is_function else vars(function).copy()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, with the ``scale_fn`` that the scheduler was made with."""
        function = self._scale_fn_custom
        super().load_state_dict(state_dict)
        self._scale_fn_custom = function
        attributes = state_dict["_scale_fn_custom"]
        if attributes is not None:
            vars(function).update(attributes)


class OneCycleLR(_WithMomentum):
    """Let the learning rates rise to a maximum and then fall far below the start, in one cycle.

    From max_lr / div_factor to max_lr in the first ``pct_start`` of the steps, then to
    1 / final_div_factor of the start; the momentum falls and rises against it.

    Source: Smith and Topin 2018, "Super-Convergence: Very Fast Training of Neural Networks Using
    Large Learning Rates", arXiv:1708.07120; two phases, as in the fast.ai library, and cosines are
    the defaults of torch.

    Args:
        optimizer: see `LRScheduler`.
        max_lr: the highest rate, or one for each group.
        total_steps: how many steps there will be; or
        epochs, steps_per_epoch: their product will be.
        pct_start: the part of the steps in which the rates rise, in [0, 1].
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: move the momentum (the first of betas) too.
        base_momentum: the lowest momentum, or one for each group.
        max_momentum: the highest momentum, or one for each group.
        div_factor: by what the highest rate is divided for the first.
        final_div_factor: by what the first rate is divided for the last.
        three_phase: fall back to the first rate in as many steps as the rise took, then to the last
            (the paper's way).
        last_epoch: see `LRScheduler`; counts steps.

    Raises:
        TypeError, ValueError: for an argument out of its range; an optimizer without momentum; a
            step after the last.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=1.0, momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.4)
    >>> for step in range(5):
    ...     print(f"{scheduler.get_last_lr()[0]:.6f}")
    ...     optimizer.step()
    ...     if step < 4:
    ...         scheduler.step()
    0.040000
    1.000000
    0.750001
    0.250003
    0.000004
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Rates,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Rates = 0.85,
        max_momentum: Rates = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if total_steps is not None:
            check_whole("OneCycleLR", "total_steps", total_steps)
            self.total_steps = total_steps
        elif epochs is not None and steps_per_epoch is not None:
            check_whole("OneCycleLR", "epochs", epochs)
            check_whole("OneCycleLR", "steps_per_epoch", steps_per_epoch)
            self.total_steps = epochs * steps_per_epoch
        else:
            raise ValueError(
                "OneCycleLR: give total_steps, or epochs and steps_per_epoch: the schedule ends "
                "with the last step"
            )
        check_number("OneCycleLR", "pct_start", pct_start, least=0, most=1)
        check_choice("OneCycleLR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            highest = of_each_group("OneCycleLR", "max_lr", optimizer, max_lr)
            for group, rate in zip(optimizer.param_groups, highest):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._prepare_momentum(base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates at this step; sets the momenta as well.

        Raises:
            ValueError: for a step after the last.
        """
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR.step: called for step {step}, but the schedule ends with step "
                f"{self.total_steps}: total_steps (epochs × steps_per_epoch) must count every call"
            )
        start = 0.0
        *earlier, phase = self._schedule_phases
        for candidate in earlier:
            if step <= candidate["end_step"]:
                phase = candidate
                break
            start = candidate["end_step"]
        part = (step - start) / (phase["end_step"] - start)
        anneal = _along_cosine if self._anneal_func_type == "cos" else _along_line
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                first, last = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, anneal(first, last, part))
        return rates


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """The last step of each phase, and between which values of a group it goes."""
    top = float(pct_start * total_steps) - 1
    rise = _phase(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    end = total_steps - 1
    if not three_phase:
        return [rise, _phase(end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    back = float(2 * pct_start * total_steps) - 2
    return [
        rise,
        _phase(back, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        _phase(end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]


def _phase(end: float, *names: str) -> dict[str, Any]:
    keys = ("start_lr", "end_lr", "start_momentum", "end_momentum")
    return {"end_step": end, **dict(zip(keys, names))}


def _along_cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _along_line(start: float, end: float, part: float) -> float:
    return (end - start) * part + start
