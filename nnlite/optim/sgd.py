"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.modes import enable_grad
from nnlite.autograd.mutation import note_write
from nnlite.optim.optimizer import Optimizer
from nnlite.tensor import wrap

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum."""

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

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient and is not frozen."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum = float(group["lr"]), float(group["momentum"])
            weight_decay = float(group["weight_decay"])
            for p in group["params"]:
                grad = p.grad
                if grad is None or not p.requires_grad:
                    continue
                g = grad.array
                if group["maximize"]:
                    g = -g
                if weight_decay:
                    g = g + weight_decay * p.array
                if momentum:
                    state = self.state[p]
                    b = state.get("momentum_buffer")
                    if b is None:
                        b = state["momentum_buffer"] = wrap(g.copy())
                    else:
                        b.array *= momentum
                        b.array += (1 - float(group["dampening"])) * g
                    g = g + momentum * b.array if group["nesterov"] else b.array
                p.array -= lr * g
                note_write(p.array, "SGD.step")
        return loss
