"""Averages of a model's weights over the course of its training.

>>> import nnlite
>>> from nnlite.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
>>> model = nnlite.nn.Linear(1, 1, bias=False)
>>> average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
>>> for value in (0.0, 1.0):  # as the steps of an optimizer would change it
...     nnlite.nn.init.constant_(model.weight, value)
...     average.update_parameters(model)
Parameter containing:
tensor([[0.]], requires_grad=True)
Parameter containing:
tensor([[1.]], requires_grad=True)
>>> average.module.weight
Parameter containing:
tensor([[0.1000]], requires_grad=True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.autograd.mutation import note_write
from nnlite.missing import no_attribute
from nnlite.nn.layers.batch_norm import _BatchNorm
from nnlite.nn.module import Module
from nnlite.optim.checks import check_choice, check_number
from nnlite.optim.lr_scheduler.base import (
    LRScheduler,
    check_optimizer,
    check_whole,
    of_each_group,
)
from nnlite.optim.optimizer import Optimizer
from nnlite.tensor import Tensor, wrap

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]

_WHAT = "the averaging of weights"


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """A function that moves averages of many tensors towards their values, in place.

    Exponential moving average: ā ← decay ā + (1 - decay) a.

    Args:
        decay: in [0, 1].

    Returns:
        A function of the averages, the values, and how many were averaged so far.

    Raises:
        ValueError: for a ``decay`` out of its range.

    >>> import nnlite
    >>> average = nnlite.zeros(2)
    >>> get_ema_multi_avg_fn(0.75)([average], [nnlite.ones(2)], 1)
    >>> average
    tensor([0.2500, 0.2500])
    """
    _check_decay("get_ema_multi_avg_fn", decay)

    def ema_update(averages: Sequence[Tensor], currents: Sequence[Tensor], count: Any) -> None:
        _move_all(averages, currents, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """A function that moves means of many tensors towards their values, in place.

    Stochastic weight averaging: ā ← ā + (a - ā) / (n + 1). Source: Izmailov et al. 2018,
    "Averaging Weights Leads to Wider Optima and Better Generalization", arXiv:1803.05407.

    Returns:
        A function of the averages, the values, and how many (n) were averaged so far.

    >>> import nnlite
    >>> average = nnlite.zeros(2)
    >>> get_swa_multi_avg_fn()([average], [nnlite.ones(2)], 1)
    >>> average
    tensor([0.5000, 0.5000])
    """

    def swa_update(averages: Sequence[Tensor], currents: Sequence[Tensor], count: Any) -> None:
        _move_all(averages, currents, 1 / (float(count) + 1))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """A function that gives the next exponential moving average of one tensor.

    ā' = decay ā + (1 - decay) a.

    Args:
        decay: in [0, 1].

    Returns:
        A function of the average, the value, and how many were averaged so far.

    Raises:
        ValueError: for a ``decay`` out of its range.

    >>> import nnlite
    >>> get_ema_avg_fn(0.75)(nnlite.zeros(2), nnlite.ones(2), 1)
    tensor([0.2500, 0.2500])
    """
    _check_decay("get_ema_avg_fn", decay)

    def ema_update(average: Tensor, current: Tensor, count: Any) -> Tensor:
        with no_grad():
            moved: Tensor = decay * average + (1 - decay) * current
        return moved

    return ema_update


def get_swa_avg_fn() -> Average:
    """A function that gives the next mean of one tensor: ā' = ā + (a - ā) / (n + 1).

    Source: Izmailov et al. 2018, arXiv:1803.05407.

    Returns:
        A function of the average, the value, and how many (n) were averaged so far.

    >>> import nnlite
    >>> get_swa_avg_fn()(nnlite.zeros(2), nnlite.ones(2), 1)
    tensor([0.5000, 0.5000])
    """

    def swa_update(average: Tensor, current: Tensor, count: Any) -> Tensor:
        with no_grad():
            moved: Tensor = average + (current - average) / (count + 1)
        return moved

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's, over its training.

    Call ``update_parameters`` after an epoch (for a mean, SWA) or after each step (for an
    exponential moving average, EMA), and use the copy to predict. The first call copies. What is
    frozen in the model and equal in the copy stays as it is, to the last bit.

    Sources: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better
    Generalization", arXiv:1803.05407 (SWA); Polyak and Juditsky 1992 (averaging).

    Args:
        model: it is copied.
        device: ``"cpu"`` or None.
        avg_fn: gives an average from the last one, the parameter, and how many were averaged;
            default: the mean.
        multi_avg_fn: the same for lists of all parameters, in place; one of the two at most.
        use_buffers: average the buffers too (a BatchNorm's statistics); else they are copied.

    Attributes:
        module: the copy.
        n_averaged: how many times the parameters were averaged, a 0-d tensor in the state dict.

    Raises:
        AssertionError: for both functions.
        TypeError: when ``model`` is no module.

    >>> import nnlite
    >>> model = nnlite.nn.Linear(3, 1)
    >>> average = AveragedModel(model)
    >>> average.update_parameters(model)
    >>> bool((average(nnlite.ones(2, 3)) == model(nnlite.ones(2, 3))).all())
    True
    >>> list(average.state_dict())
    ['n_averaged', 'module.weight', 'module.bias']
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError(
                "AveragedModel: avg_fn and multi_avg_fn are two ways to say the same; give one"
            )
        if not isinstance(model, Module):
            raise TypeError(
                f"AveragedModel: model must be an nn.Module, got {type(model).__name__}"
            )
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", wrap(np.zeros((), np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the copy computes."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the parameters of ``model``, which has the copy's architecture, into the average."""
        pairs: list[tuple[Tensor, Tensor]] = list(zip(self.module.parameters(), model.parameters()))
        buffers: list[tuple[Tensor, Tensor]] = list(zip(self.module.buffers(), model.buffers()))
        if self.use_buffers:
            pairs += buffers
            buffers = []
        if self.n_averaged.item() == 0:
            buffers += pairs
        else:
            self._average([(a.detach(), c.detach()) for a, c in pairs if not _is_settled(a, c)])
        for average, current in buffers:
            _write(average, current.array)
        self.n_averaged.array += 1
        note_write(self.n_averaged.array, _WHAT)

    def _average(self, pairs: list[tuple[Tensor, Tensor]]) -> None:
        if self.avg_fn is None:
            together: dict[Any, list[tuple[Tensor, Tensor]]] = {}
            for pair in pairs:
                together.setdefault(pair[0].dtype, []).append(pair)
            multi_avg_fn = self.multi_avg_fn or get_swa_multi_avg_fn()
            for of_dtype in together.values():
                multi_avg_fn([a for a, _ in of_dtype], [c for _, c in of_dtype], self.n_averaged)
            return
        for average, current in pairs:
            _write(average, self.avg_fn(average, current, self.n_averaged).array)


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the statistics of a model's BatchNorm layers anew, as means over all batches.

    An averaged model needs it, for the statistics of its layers are those of other weights.
    Statistics that are frozen stay as they are.

    Args:
        loader: batches: inputs, or tuples and lists whose first item is the input.
        model: its mode is put back at the end.
        device: ``"cpu"`` or None.

    >>> import nnlite
    >>> model = nnlite.nn.Sequential(nnlite.nn.BatchNorm1d(1))
    >>> update_bn([nnlite.tensor([[1.0], [3.0]]), nnlite.tensor([[5.0], [7.0]])], model)
    >>> model[0].running_mean
    tensor([4.])
    """
    momenta = {
        module: module.momentum
        for module in model.modules()
        if isinstance(module, _BatchNorm) and not module._statistics_frozen
    }
    if not momenta:
        return
    was_training = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        for layer in momenta:
            layer.reset_running_stats()
            layer.momentum = None
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    finally:
        for layer, momentum in momenta.items():
            layer.momentum = momentum
        for module, mode in was_training:
            module.training = mode


class SWALR(LRScheduler):
    """Bring the learning rates to a constant ``swa_lr`` in some epochs, from where they are.

    γ = α swa_lr + (1 - α) γ₀ with α = t / T (``linear``) or (1 - cos(π t / T)) / 2 (``cos``) in
    the first T = ``anneal_epochs`` epochs. Source: Izmailov et al. 2018, arXiv:1803.05407, section
    3.2, with torch's annealing.

    Args:
        optimizer: see `LRScheduler`.
        swa_lr: the rate to reach, or one for each group.
        anneal_epochs: T, an int of at least 0.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError, ValueError: for an argument out of its range.

    >>> import nnlite
    >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=8.0)
    >>> scheduler = SWALR(optimizer, swa_lr=4.0, anneal_epochs=2, anneal_strategy="linear")
    >>> for epoch in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [8.0]
    [6.0]
    [4.0]
    [4.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        rates = of_each_group("SWALR", "swa_lr", optimizer, swa_lr)
        check_choice("SWALR", "anneal_strategy", anneal_strategy, ("cos", "linear"))
        check_whole("SWALR", "anneal_epochs", anneal_epochs, least=0)
        for rate in rates:
            check_number("SWALR", "swa_lr", rate, least=0)
        for group, rate in zip(optimizer.param_groups, rates):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates, moved by this epoch's part of the way."""
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            # Where the way began, from the rate as it is.
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

    def _part(self, step: int) -> float:
        """The part of the way that is done after ``step`` steps."""
        part = max(0, min(1, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2


def _check_decay(owner: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{owner}: decay must lie in [0, 1], got {decay!r}")


def _is_settled(average: Tensor, current: Tensor) -> bool:
    """Whether averaging can only add rounding errors: a frozen value that the average has."""
    return not current.requires_grad and np.array_equal(average.array, current.array)


def _move_all(averages: Sequence[Tensor], currents: Sequence[Tensor], weight: float) -> None:
    """ā ← ā + weight (a - ā), for integers rounded towards 0."""
    for average, current in zip(averages, currents):
        a, c = average.array, current.array
        moved = np.subtract(c, a)
        if a.dtype.kind in "fc":
            moved *= weight
            np.add(a, moved, a)
            note_write(a, _WHAT)
        else:
            _write(average, a + weight * moved)


def _write(tensor: Tensor, values: Any) -> None:
    np.copyto(tensor.array, values, casting="unsafe")
    note_write(tensor.array, _WHAT)


def __getattr__(name: str) -> None:
    raise no_attribute("nnlite.optim.swa_utils", name, __all__)
