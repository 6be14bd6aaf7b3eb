"""Optimizers that divide by the size of past gradients: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnlite.ops.operands import get_default_dtype
from nnlite.optim.checks import check_number
from nnlite.optim.elementwise import Elementwise, Group, descent, move, move_square
from nnlite.optim.plan import Chunk, Plan
from nnlite.tensor import wrap

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class RMSprop(Elementwise):
    """RMSprop: divides the gradient by the root of a moving average of its square.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, a step is

        g ← g + λ θ                          weight decay λ
        v ← α v + (1 - α) g²
        a ← α a + (1 - α) g;  v̂ = v - a²      centered;  else  v̂ = v
        b ← μ b + g / (√v̂ + ε)               momentum μ
        θ ← θ - γ b

    Sources: Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning";
    Graves 2013, arXiv:1308.0850 (centered). ε is added to the root, as in torch.

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        alpha: α, in [0, 1].
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        momentum: μ, at least 0.
        centered: divide by an estimate of the standard deviation.
        capturable, differentiable: not available.
        foreach: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range.
        NotImplementedError: for ``capturable`` and ``differentiable``.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.RMSprop([w], lr=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9000, -19.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check_options(self, options: dict[str, Any]) -> None:
        super()._check_options(options)
        check_number("RMSprop", "alpha", options["alpha"], least=0, most=1)
        check_number("RMSprop", "momentum", options["momentum"], least=0)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        arrays = {"square_avg": 0.0}
        if group["momentum"] > 0:
            arrays["momentum_buffer"] = 0.0
        if group["centered"]:
            arrays["grad_avg"] = 0.0
        return arrays

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        s, r = chunk.update, chunk.spare
        weight = float(1 - group["alpha"])
        g = descent(chunk, plan, group)
        v = chunk.states[0]
        move_square(v, g, weight, r)
        if group["centered"]:
            mean = chunk.states[-1]
            move(mean, g, weight, r)
            np.multiply(mean, mean, r)
            np.subtract(v, r, r)
            np.maximum(r, 0.0, out=r)  # a variance that rounding has made negative is 0
            np.sqrt(r, r)
        else:
            np.sqrt(v, r)
        np.add(r, float(group["eps"]), r)
        np.divide(g, r, s)
        if group["momentum"] > 0:
            b = chunk.states[1]
            np.multiply(b, float(group["momentum"]), b)
            np.add(b, s, b)
            np.multiply(b, float(group["lr"]), s)
        else:
            np.multiply(s, float(group["lr"]), s)


class Adagrad(Elementwise):
    """Adagrad: divides the gradient by the root of the sum of its squares so far.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, step t is

        g ← g + λ θ                                  weight decay λ
        v ← v + g²
        θ ← θ - γ / (1 + (t - 1) η) g / (√v + ε)      decay η of the learning rate

    Source: Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (η and ε are torch's).

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        lr_decay: η, at least 0.
        weight_decay: λ, at least 0.
        initial_accumulator_value: v before the first step, at least 0.
        eps: ε, at least 0.
        foreach, fused: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.
        differentiable: not available.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range.
        NotImplementedError: for ``differentiable``.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9000, -19.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "fused": fused,
        }  # fmt: skip
        super().__init__(params, defaults)
        # The state exists from the start, as in torch.
        for group in self.param_groups:
            for p in group["params"]:
                dtype = np.float64 if get_default_dtype() == np.float64 else np.float32
                total = np.full_like(p.array, group["initial_accumulator_value"])
                self.state[p] = {"step": wrap(np.zeros((), dtype)), "sum": wrap(total)}

    def _check_options(self, options: dict[str, Any]) -> None:
        super()._check_options(options)
        for name in ("lr_decay", "initial_accumulator_value"):
            check_number("Adagrad", name, options[name], least=0)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        s, r = chunk.update, chunk.spare
        rate = group["lr"] / (1 + (plan.step(chunk) - 1) * group["lr_decay"])
        g = descent(chunk, plan, group)
        (v,) = chunk.states
        np.multiply(g, g, r)
        np.add(v, r, v)
        np.sqrt(v, r)
        np.add(r, float(group["eps"]), r)
        np.multiply(g, float(rate), s)
        np.divide(s, r, s)


class Adadelta(Elementwise):
    """Adadelta: steps whose size follows the sizes of the steps before, in the parameter's unit.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, a step is

        g ← g + λ θ                          weight decay λ
        v ← ρ v + (1 - ρ) g²
        δ = √(u + ε) / √(v + ε) g
        u ← ρ u + (1 - ρ) δ²
        θ ← θ - γ δ

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701.

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0; the paper's is 1.
        rho: ρ, in [0, 1].
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        foreach: accepted for torch's sake; there is one implementation.
        capturable, differentiable: not available.
        maximize: ascend instead of descending.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range.
        NotImplementedError: for ``capturable`` and ``differentiable``.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.Adadelta([w], lr=10.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9684, -19.9684], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check_options(self, options: dict[str, Any]) -> None:
        super()._check_options(options)
        check_number("Adadelta", "rho", options["rho"], least=0, most=1)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        delta, r = chunk.update, chunk.spare
        weight, eps = float(1 - group["rho"]), float(group["eps"])
        g = descent(chunk, plan, group)
        v, u = chunk.states
        move_square(v, g, weight, r)
        np.add(u, eps, r)
        np.sqrt(r, r)
        np.multiply(r, g, delta)
        np.add(v, eps, r)
        np.sqrt(r, r)
        np.divide(delta, r, delta)
        move_square(u, delta, weight, r)
        np.multiply(delta, float(group["lr"]), delta)
