"""Elementwise: what the optimizers share that treat each element of a parameter by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.modes import enable_grad
from nnlite.optim.checks import check_betas, check_number
from nnlite.optim.optimizer import Optimizer
from nnlite.optim.plan import Array, Chunk, Plan

__all__ = ["Elementwise", "move", "move_square"]

Group = dict[str, Any]


class Elementwise(Optimizer):
    """An optimizer that treats every element of a parameter by itself (abstract).

    A subclass says which state arrays it has (``_arrays``) and writes the lines of its paper into
    ``_update``, in place, in the scratch of a chunk: small parameters come gathered in one vector,
    large ones in slices, and the same lines serve both.
    """

    # The single numbers in a parameter's state, with their first values.
    _numbers: ClassVar[Mapping[str, float]] = {"step": 0.0}

    def _arrays(self, group: Group) -> Mapping[str, float]:
        """The state arrays of a parameter, with the values that fill new ones."""
        raise NotImplementedError

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        """Leave in ``chunk.update`` what is to be subtracted from the parameters."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient and is not frozen.

        Args:
            closure: a function that computes the loss anew (with ``backward``) and returns it.

        Returns:
            The closure's loss, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for number, group in enumerate(self.param_groups):
            plan = self._plan(number, self._arrays(group), self._numbers)
            if self._numbers:
                plan.advance()
            for chunk in plan.chunks:
                self._update(chunk, plan, group)
                chunk.subtract()
            plan.finish()
        return loss

    def _check_options(self, options: dict[str, Any]) -> None:
        name = self._name()
        for key in ("lr", "eps", "weight_decay"):
            if key in options:
                check_number(name, key, options[key], least=0)
        if "betas" in options:
            check_betas(name, options["betas"])
        if options.get("capturable"):
            raise NotImplementedError(
                f"{name}: capturable=True is for the graphs of a GPU, which nnlite does not have; "
                "leave it out"
            )
        if options.get("differentiable"):
            raise NotImplementedError(
                f"{name}: differentiable=True is not available; the step of one parameter as an "
                "expression of tensors can be differentiated: w = w - lr * grad"
            )


def descent(chunk: Chunk, plan: Plan, group: Group) -> Array:
    """The gradient g (with ``maximize`` its negative), after weight decay λ: not to be written to.

    Either g ← g + λ θ, or decoupled from the gradient (``decoupled_weight_decay``, Loshchilov and
    Hutter 2019, arXiv:1711.05101) θ ← θ - γ λ θ. The result may lie in ``chunk.update``.
    """
    s = chunk.update
    decay = group["weight_decay"]
    if decay and group.get("decoupled_weight_decay"):
        chunk.scale(float(1 - group["lr"] * decay))
    elif decay:
        decay = np.multiply(chunk.values(), plan.number(s, decay), s)
        g = chunk.gradient(in_spare=True)
        return np.subtract(decay, g, s) if group["maximize"] else np.add(decay, g, s)
    g = chunk.gradient()
    return np.negative(g, s) if group["maximize"] else g


def move(average: Array, towards: Array, weight: float, scratch: Array) -> None:
    """A moving average's step: m ← m + w (x - m), which is m ← (1 - w) m + w x."""
    np.subtract(towards, average, scratch)
    np.multiply(scratch, weight, scratch)
    np.add(average, scratch, average)


def move_square(average: Array, g: Array, weight: float, scratch: Array) -> None:
    """The step of a moving average of squares: v ← (1 - w) v + w g²."""
    np.multiply(average, 1 - weight, average)
    np.multiply(g, weight, scratch)
    np.multiply(scratch, g, scratch)
    np.add(average, scratch, average)
