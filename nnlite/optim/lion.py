"""Lion: steps by the sign of a momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nnlite.optim.elementwise import Elementwise, Group, descent, move
from nnlite.optim.plan import Chunk, Plan

__all__ = ["Lion"]

_MOMENTUM = {"exp_avg": 0.0}


class Lion(Elementwise):
    """Lion: every element moves by the learning rate, in the direction of a momentum's sign.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, a step is

        θ ← θ - γ λ θ                        weight decay λ, decoupled
        c = β₁ m + (1 - β₁) g
        θ ← θ - γ sign(c)
        m ← β₂ m + (1 - β₂) g

    It remembers half of what Adam does, and wants a learning rate that is 3 to 10 times smaller
    and a weight decay larger in proportion. torch has no Lion; the state is named as in its Adam.

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675,
    algorithm 2.

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        weight_decay: λ, at least 0.
        maximize: ascend instead of descending.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.Lion([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9000, -19.9000], requires_grad=True)
    """

    _numbers: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "weight_decay": weight_decay,
            "decoupled_weight_decay": True, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return _MOMENTUM

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        s, c = chunk.update, chunk.spare
        beta1, beta2 = group["betas"]
        g = descent(chunk, plan, group)
        (m,) = chunk.states
        np.subtract(g, m, c)
        np.multiply(c, float(1 - beta1), c)
        np.add(m, c, c)
        np.sign(c, c)
        move(m, g, float(1 - beta2), s)
        np.multiply(c, float(group["lr"]), s)
