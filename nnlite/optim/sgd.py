"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.modes import enable_grad
from nnlite.optim.optimizer import Optimizer, check_number
from nnlite.optim.plan import Chunk, Plan

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's too, and weight decay.

    For a gradient g (of the loss, or with ``maximize`` its negative) of a parameter θ, a step is

        g ← g + λ θ                          weight decay λ
        b ← μ b + (1 - τ) g                  momentum μ, dampening τ; b ← g in the first step
        g ← g + μ b  (Nesterov),  else  g ← b
        θ ← θ - γ g                          learning rate γ

    Sources: Polyak 1964 (momentum), Sutskever et al. 2013, "On the importance of initialization
    and momentum in deep learning" (Nesterov's form); the order of the operations is torch's.

    A parameter without a gradient is left alone, and so is a frozen one (``requires_grad=False``),
    with its momentum and whatever its gradient holds.

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        momentum: μ, at least 0.
        dampening: τ.
        weight_decay: λ, at least 0.
        nesterov: use Nesterov's form; needs momentum, and no dampening.
        maximize: ascend instead of descending.
        foreach, fused: accepted for torch's sake; there is one implementation.
        differentiable: not available.

    Raises:
        ValueError: for an option out of its range.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = nnlite.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize, "foreach": foreach,
            "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check_options(self, options: dict[str, Any]) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_number("SGD", name, options[name], least=0)
        check_number("SGD", "dampening", options["dampening"])
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs a momentum above 0 and no dampening, got "
                f"momentum={options['momentum']}, dampening={options['dampening']}"
            )
        if options["differentiable"]:
            raise NotImplementedError(
                "SGD: differentiable=True is not available; the step of one parameter as an "
                "expression of tensors can be differentiated: w = w - lr * grad"
            )

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
            plan = self._plan(number, ("momentum_buffer",) if group["momentum"] else ())
            for chunk in plan.chunks:
                _update(chunk, plan, group)
                chunk.subtract()
            plan.finish()
        return loss


def _update(chunk: Chunk, plan: Plan, group: dict[str, Any]) -> None:
    """Leave γ g in ``chunk.update``: the lines of the class's docstring, without new arrays."""
    s, t = chunk.update, chunk.spare
    if group["weight_decay"]:
        decay = np.multiply(chunk.values(), plan.number(s, group["weight_decay"]), s)
        g = chunk.gradient(in_spare=True)
        g = np.subtract(decay, g, s) if group["maximize"] else np.add(decay, g, s)
    else:
        g = chunk.gradient()
        if group["maximize"]:
            g = np.negative(g, s)
    if group["momentum"]:
        (b,) = chunk.states
        momentum = plan.number(s, group["momentum"])
        if chunk.is_new:
            np.copyto(b, g)
            chunk.is_new = False
        else:
            np.multiply(b, momentum, b)
            if group["dampening"]:
                np.add(b, np.multiply(g, plan.number(s, 1 - group["dampening"]), t), b)
            else:
                np.add(b, g, b)
        if group["nesterov"]:
            g = np.add(np.multiply(b, momentum, t), g, t)
        else:
            g = b
    np.multiply(g, plan.number(s, group["lr"]), s)
