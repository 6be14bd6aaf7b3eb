"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nnlite.optim.checks import check_number
from nnlite.optim.elementwise import Elementwise, Group, descent
from nnlite.optim.plan import Chunk, Plan

__all__ = ["SGD"]

_WITH_MOMENTUM = {"momentum_buffer": 0.0}
_WITHOUT: dict[str, float] = {}


class SGD(Elementwise):
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

    _numbers: ClassVar[Mapping[str, float]] = {}

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
        super()._check_options(options)
        check_number("SGD", "momentum", options["momentum"], least=0)
        check_number("SGD", "dampening", options["dampening"])
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError(
                "SGD: nesterov needs a momentum above 0 and no dampening, got "
                f"momentum={options['momentum']}, dampening={options['dampening']}"
            )

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return _WITH_MOMENTUM if group["momentum"] else _WITHOUT

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        s, t = chunk.update, chunk.spare
        g = descent(chunk, plan, group)
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
