"""EMA: an average of the weights over the latest steps, often better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.tensor import Tensor, wrap
from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer

__all__ = ["EMA"]


class EMA(Callback):
    """Keep an exponential moving average of the parameters, a ← β a + (1 − β) θ after each step.

    Buffers (the running statistics of BatchNorm) are not averaged: those of the model are used. A
    frozen parameter has no average, and stays what it is while averages are in use.

    Source: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging"; with
    exponential weights as in Tarvainen and Valpola 2017, "Mean teachers are better role models".

    Args:
        decay: β, in [0, 1).
        warmup: use min(β, (1 + n) / (10 + n)) in step n, so that the first steps, which are far
            from good, are soon forgotten.
        evaluate: validate with the averages, and keep them as the best weights (`EarlyStopping`).

    Attributes:
        weights: the averages by the parameters' names; empty before the first step.

    Raises:
        ValueError: a decay outside of [0, 1).

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.train import EMA, Trainer
    >>> model = nn.Linear(1, 1)
    >>> ema = EMA(0.9, evaluate=True)
    >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = Trainer(model, optimizer, nn.MSELoss(), callbacks=[ema])
    >>> data = nnlite.ones(8, 1), nnlite.zeros(8, 1)
    >>> history = trainer.fit(data, data, epochs=5)
    >>> with ema.applied(model):
    ...     averaged = trainer.evaluate(data)["loss"]
    >>> averaged == history[-1]["valid_loss"] != trainer.evaluate(data)["loss"]
    True
    """

    def __init__(self, decay: float = 0.999, *, warmup: bool = False, evaluate: bool = False):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be at least 0 and below 1, got {decay!r}")
        self.decay = decay
        self.warmup = warmup
        self.evaluate = evaluate
        self._forget()

    def _forget(self) -> None:
        self.weights: dict[str, Tensor] = {}
        self.steps = 0
        self._own: dict[str, Any] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self._forget()

    def on_step_end(self, trainer: Trainer) -> None:
        """Take the step's weights into the average."""
        decay = self.decay
        if self.warmup:
            decay = min(decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        weights = self.weights
        for name, parameter in trainer.model.named_parameters():
            theta = parameter.array
            if not parameter.requires_grad:
                weights.pop(name, None)
            elif name in weights:
                average = weights[name].array
                average -= (1 - decay) * (average - theta)
            else:
                weights[name] = wrap(theta.copy())

    def on_validation_start(self, trainer: Trainer) -> None:
        """Put the averages in the model's place, if that was asked for."""
        if self.evaluate:
            self._swap_in(trainer.model)

    def on_validation_end(self, trainer: Trainer) -> None:
        """Put the model's own weights back."""
        if self.evaluate:
            self._swap_out(trainer.model)

    @contextmanager
    def applied(self, model: Module) -> Iterator[None]:
        """The averages in the place of the model's parameters, for the time of a block.

        Args:
            model: the one that was trained, or another with parameters of these names.

        Raises:
            RuntimeError: there are no averages yet, or they are in use already.
        """
        self._check("applied")
        if self._own:
            raise RuntimeError("EMA.applied: the averages are in the model already")
        self._swap_in(model)
        try:
            yield
        finally:
            self._swap_out(model)

    def apply_to(self, model: Module) -> None:
        """Write the averages into the model's parameters for good, except frozen ones.

        Raises:
            RuntimeError: there are no averages yet.
        """
        self._check("apply_to")
        for name, parameter in model.named_parameters():
            if name in self.weights and parameter.requires_grad:
                _write(parameter, self.weights[name].array)

    def _check(self, function: str) -> None:
        if not self.weights:
            raise RuntimeError(f"EMA.{function}: there are no averages before the first step")

    def _swap_in(self, model: Module) -> None:
        for name, parameter in model.named_parameters():
            if name in self.weights and parameter.requires_grad:
                self._own[name] = parameter.array.copy()
                _write(parameter, self.weights[name].array)

    def _swap_out(self, model: Module) -> None:
        for name, parameter in model.named_parameters():
            if name in self._own:
                _write(parameter, self._own[name])
        self._own = {}

    def state_dict(self) -> dict[str, Any]:
        """The averages, and the number of steps."""
        weights = {name: wrap(average.array.copy()) for name, average in self.weights.items()}
        return {"weights": weights, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        self.weights = {name: wrap(a.array.copy()) for name, a in state["weights"].items()}
        self.steps = state["steps"]


def _write(parameter: Tensor, values: Any) -> None:
    np.copyto(parameter.array, values)
    note_write(parameter.array, "EMA")
