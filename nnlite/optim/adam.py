"""Adam and its family: AdamW, Adamax, NAdam, RAdam. One pair of moments, and what each does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nnlite.optim.checks import check_number
from nnlite.optim.elementwise import Elementwise, Group, descent, move, move_square
from nnlite.optim.plan import Array, Chunk, Plan

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]

_MOMENTS = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
_MOMENTS_AND_LARGEST = {**_MOMENTS, "max_exp_avg_sq": 0.0}
_MOMENT_AND_NORM = {"exp_avg": 0.0, "exp_inf": 0.0}


class _AdamFamily(Elementwise):
    """What the family has in common (abstract): the moments m and v, and the number t of a step.

    A subclass makes of them what is subtracted from the parameters (``_divide``).
    """

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return _MOMENTS

    def _update(self, chunk: Chunk, plan: Plan, group: Group) -> None:
        beta1, beta2 = group["betas"]
        g = descent(chunk, plan, group)
        m, v = chunk.states[:2]
        move(m, g, float(1 - beta1), chunk.spare)
        self._move_second(v, g, float(beta2), chunk.spare, group)
        self._divide(chunk, g, plan, group, plan.step(chunk))

    def _move_second(self, v: Array, g: Array, beta2: float, scratch: Array, group: Group) -> None:
        move_square(v, g, 1 - beta2, scratch)

    def _divide(self, chunk: Chunk, g: Array, plan: Plan, group: Group, t: float) -> None:
        """Leave the step in ``chunk.update``, where ``g`` may still lie."""
        raise NotImplementedError


class Adam(_AdamFamily):
    """Adam: steps of a size that the first two moments of the gradient determine.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, step t is

        g ← g + λ θ                                weight decay λ
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        θ ← θ - γ m̂ / (√v̂ + ε)                     m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    computed as θ ← θ - (γ √(1 - β₂ᵗ) / (1 - β₁ᵗ)) m / (√v + ε √(1 - β₂ᵗ)), which the paper gives
    as the same thing at less cost. With ``amsgrad`` the largest v so far takes the place of v.

    Sources: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980;
    Reddi et al. 2018, "On the Convergence of Adam and Beyond", arXiv:1904.09237 (``amsgrad``).

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        amsgrad: divide by the largest second moment so far.
        foreach, fused: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.
        capturable, differentiable: not available.
        decoupled_weight_decay: θ ← θ - γ λ θ in place of g ← g + λ θ, as `AdamW` has it.

    Raises:
        TypeError, ValueError: for an option of another type or out of its range.
        NotImplementedError: for ``capturable`` and ``differentiable``.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9000, -19.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable, "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return _MOMENTS_AND_LARGEST if group["amsgrad"] else _MOMENTS

    def _divide(self, chunk: Chunk, g: Array, plan: Plan, group: Group, t: float) -> None:
        s, denominator = chunk.update, chunk.spare
        beta1, beta2 = group["betas"]
        m, v = chunk.states[:2]
        if group["amsgrad"]:
            largest = chunk.states[2]
            np.maximum(largest, v, out=largest)
            v = largest
        root = (1 - beta2**t) ** 0.5
        np.sqrt(v, denominator)
        np.add(denominator, float(group["eps"] * root), denominator)
        np.multiply(m, float(group["lr"] * root / (1 - beta1**t)), s)
        np.divide(s, denominator, s)


class AdamW(Adam):
    """Adam with weight decay that is decoupled from the gradient: first θ ← θ - γ λ θ.

    Weights then decay at the same rate whatever the size of their gradients; the rest is `Adam`.

    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101
    (without its schedule multiplier, as in torch).

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        amsgrad: divide by the largest second moment so far.
        maximize: ascend instead of descending.
        foreach, fused: accepted for torch's sake; there is one implementation.
        capturable, differentiable: not available.

    Raises:
        TypeError, ValueError, NotImplementedError: as `Adam`.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.AdamW([w], lr=0.1, weight_decay=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.8500, -18.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``, of `Adam` too: the weight decay stays decoupled."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


class Adamax(_AdamFamily):
    """Adam with a maximum in place of the second moment.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, step t is

        g ← g + λ θ                          weight decay λ
        m ← β₁ m + (1 - β₁) g
        u ← max(β₂ u, |g| + ε)
        θ ← θ - γ / (1 - β₁ᵗ) m / u

    Source: Kingma and Ba 2015, section 7.1, arXiv:1412.6980 (ε is torch's).

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        foreach: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.
        differentiable, capturable: not available.

    Raises:
        TypeError, ValueError, NotImplementedError: as `Adam`.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.9000, -19.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach,
            "maximize": maximize, "differentiable": differentiable, "capturable": capturable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _arrays(self, group: Group) -> Mapping[str, float]:
        return _MOMENT_AND_NORM

    def _move_second(self, v: Array, g: Array, beta2: float, scratch: Array, group: Group) -> None:
        np.absolute(g, scratch)
        np.add(scratch, float(group["eps"]), scratch)
        np.multiply(v, beta2, v)
        np.maximum(v, scratch, out=v)

    def _divide(self, chunk: Chunk, g: Array, plan: Plan, group: Group, t: float) -> None:
        m, u = chunk.states
        s = chunk.update
        np.multiply(m, float(group["lr"] / (1 - group["betas"][0] ** t)), s)
        np.divide(s, u, s)


class NAdam(_AdamFamily):
    """Adam with Nesterov's momentum, on a schedule of its own.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, step t is

        g ← g + λ θ                          weight decay λ
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        θ ← θ - γ ((1 - μₜ) / (1 - Πₜ) g + μₜ₊₁ / (1 - Πₜ₊₁) m) / (√v̂ + ε)

    with v̂ = v / (1 - β₂ᵗ), μₜ = β₁ (1 - ½ 0.96^(t ψ)) and Πₜ = μ₁ μ₂ … μₜ.

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        momentum_decay: ψ, at least 0.
        decoupled_weight_decay: θ ← θ - γ λ θ in place of g ← g + λ θ, as `AdamW` has it.
        foreach: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.
        capturable, differentiable: not available.

    Raises:
        TypeError, ValueError, NotImplementedError: as `Adam`.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.8944, -19.8944], requires_grad=True)
    """

    _numbers: ClassVar[Mapping[str, float]] = {"step": 0.0, "mu_product": 1.0}

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check_options(self, options: dict[str, Any]) -> None:
        super()._check_options(options)
        check_number("NAdam", "momentum_decay", options["momentum_decay"], least=0)

    def _divide(self, chunk: Chunk, g: Array, plan: Plan, group: Group, t: float) -> None:
        s, r = chunk.update, chunk.spare
        lr, decay = group["lr"], group["momentum_decay"]
        beta1, beta2 = group["betas"]
        m, v = chunk.states
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * decay))
        products = plan.numbers["mu_product"]
        products[chunk.first : chunk.first + chunk.count] *= float(mu)
        product = products.item(chunk.first)
        np.multiply(g, float(lr * (1 - mu) / (1 - product)), s)
        np.multiply(m, float(lr * mu_next / (1 - product * mu_next)), r)
        np.add(s, r, s)
        np.divide(v, float(1 - beta2**t), r)
        np.sqrt(r, r)
        np.add(r, float(group["eps"]), r)
        np.divide(s, r, s)


class RAdam(_AdamFamily):
    """Adam that waits with dividing until the second moment is known well enough.

    For a gradient g (with ``maximize`` its negative) of a parameter θ, step t is

        g ← g + λ θ                          weight decay λ
        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        ρ ← ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)          ρ∞ = 2 / (1 - β₂) - 1
        θ ← θ - γ m̂ r √(1 - β₂ᵗ) / (√v + ε)   if ρ > 5,  else  θ ← θ - γ m̂

    with m̂ = m / (1 - β₁ᵗ) and r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ)).

    Source: Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond",
    arXiv:1908.03265 (5 in place of its 4, and ε, are torch's).

    Args:
        params: see ``Optimizer``.
        lr: γ, at least 0.
        betas: β₁ and β₂, in [0, 1).
        eps: ε, at least 0.
        weight_decay: λ, at least 0.
        decoupled_weight_decay: θ ← θ - γ λ θ in place of g ← g + λ θ, as `AdamW` has it.
        foreach: accepted for torch's sake; there is one implementation.
        maximize: ascend instead of descending.
        capturable, differentiable: not available.

    Raises:
        TypeError, ValueError, NotImplementedError: as `Adam`.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, -20.0], requires_grad=True)
    >>> optimizer = nnlite.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([  0.8000, -16.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "maximize": maximize, "foreach": foreach, "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _divide(self, chunk: Chunk, g: Array, plan: Plan, group: Group, t: float) -> None:
        s, denominator = chunk.update, chunk.spare
        beta1, beta2 = group["betas"]
        m, v = chunk.states
        size = group["lr"] / (1 - beta1**t)
        correction = 1 - beta2**t
        rho_end = 2 / (1 - beta2) - 1
        rho = rho_end - 2 * t * beta2**t / correction
        if rho <= 5:
            np.multiply(m, float(size), s)
            return
        rectification = (rho - 4) * (rho - 2) * rho_end / ((rho_end - 4) * (rho_end - 2) * rho)
        np.sqrt(v, denominator)
        np.add(denominator, float(group["eps"]), denominator)
        np.multiply(m, float(size * (rectification * correction) ** 0.5), s)
        np.divide(s, denominator, s)
