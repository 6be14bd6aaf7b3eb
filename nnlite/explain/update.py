"""What the optimizer's next step does to a parameter: its lines, with the numbers of one element.

SGD and the family of Adam are spelt out; every line is a formula that is evaluated as it is
printed. The result is compared with a step of the optimizer itself, taken on a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nnlite.explain.model import Index, Update, UpdateLine
from nnlite.explain.parse import evaluate, parse
from nnlite.explain.show import show
from nnlite.explain.walk import copy_of
from nnlite.optim.optimizer import Optimizer
from nnlite.tensor import Tensor, wrap

__all__ = ["Plan", "plans_of", "update_of"]

Array = Any
Group = dict[str, Any]


class Plan:
    """What an optimizer and a parameter are now: their next step can be worked out later.

    Args:
        optimizer: it is not changed.
        group: the one of its groups that has the parameter.
        parameter: a leaf.
    """

    def __init__(self, optimizer: Any, group: Group, parameter: Tensor) -> None:
        self.optimizer = optimizer
        self.defaults = dict(optimizer.defaults)
        self.group = {k: v for k, v in group.items() if k not in ("params", "param_names")}
        self.array = parameter.array.copy()
        self.state = {
            key: value.detach().clone() if isinstance(value, Tensor) else copy_of(value)
            for key, value in optimizer.state.get(parameter, {}).items()
        }


def plans_of(optimizer: Any, parameters: Iterable[Tensor]) -> dict[int, Plan]:
    """Plans for those of some parameters that an optimizer has, by the parameter's id."""
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    return {id(p): Plan(optimizer, groups[id(p)], p) for p in parameters if id(p) in groups}


def update_of(plan: Plan, gradient: Array, index: Index) -> Update:
    """The next step of an optimizer on one element of a parameter.

    Args:
        plan: the optimizer and the parameter as they were.
        gradient: what its ``grad`` will hold.
        index: the element.
    """
    group = plan.group
    name = type(plan.optimizer).__name__
    before = float(plan.array[index])
    stepped = _stepped(plan, gradient)
    state = plan.state
    spelt = _SPELT.get(name)
    if spelt is None:
        if stepped is None:
            return Update(name, index, [], before, before, 0.0, f"{name} could not be tried")
        after = float(stepped[index])
        return Update(name, index, [], before, after, 0.0, f"{name}: before and after")
    lines = _Lines(before, float(gradient[index]), group, _element(state, index))
    spelt(lines)
    after = lines.values["w"]
    error = abs(after - float(stepped[index])) if stepped is not None else float("nan")
    return Update(name, index, lines.lines, before, after, error)


def _stepped(plan: Plan, gradient: Array) -> Array | None:
    """The parameter after a step of the optimizer on a copy; None where that does not work."""
    same = wrap(plan.array.copy()).requires_grad_()
    same.grad = wrap(np.array(gradient, dtype=plan.array.dtype))
    try:
        kind: Any = type(plan.optimizer)
        twin = kind.__new__(kind)
        Optimizer.__init__(twin, [same], dict(plan.defaults))
        twin.param_groups[0].update(plan.group)
        for key, value in plan.state.items():
            twin.state[same][key] = value.clone() if isinstance(value, Tensor) else copy_of(value)
        twin.step()
    except (AttributeError, TypeError, RuntimeError, ValueError, KeyError):
        return None
    return same.array


def _element(state: dict[str, Any], index: Index) -> dict[str, float]:
    found = {}
    for key, value in state.items():
        array = value.array if isinstance(value, Tensor) else value
        if isinstance(array, (int, float)):
            found[key] = float(array)
        elif hasattr(array, "ndim"):
            found[key] = float(array[index] if array.ndim else array)
    return found


class _Lines:
    """The lines of one step, computed one after the other."""

    def __init__(self, w: float, g: float, group: Group, state: dict[str, float]) -> None:
        self.lines: list[UpdateLine] = []
        self.values: dict[str, float] = {"w": w, "g": g, "η": float(group["lr"])}
        self.group = group
        self.state = state

    def __call__(self, symbol: str, formula: str) -> None:
        """Compute a line: ``symbol ← formula``."""
        tree = parse(formula)
        value = float(evaluate(tree, self.values))
        numbers = show(tree, self.values)
        self.lines.append(UpdateLine(f"{symbol} ← {formula}", numbers, value, symbol))
        self.values[symbol] = value

    def decay(self) -> None:
        """Weight decay, and the direction."""
        if self.group.get("maximize"):
            self("g", "-g")
        self.values["λ"] = float(self.group.get("weight_decay", 0))
        if not self.values["λ"]:
            return
        if self.group.get("decoupled_weight_decay"):
            self("w", "w - η λ w")
        else:
            self("g", "g + λ w")

    def moments(self) -> None:
        """The moments of the family of Adam, and the number of the step."""
        self.decay()
        beta1, beta2 = self.group["betas"]
        self.values.update({
            "β₁": float(beta1), "β₂": float(beta2), "ε": float(self.group["eps"]),
            "t": self.state.get("step", 0.0) + 1, "m": self.state.get("exp_avg", 0.0),
            "v": self.state.get("exp_avg_sq", 0.0), "u": self.state.get("exp_inf", 0.0),
        })  # fmt: skip
        self("m", "β₁ m + (1 - β₁) g")


def _sgd(lines: _Lines) -> None:
    lines.decay()
    group = lines.group
    if group["momentum"]:
        lines.values.update(μ=float(group["momentum"]), τ=float(group["dampening"]))
        if "momentum_buffer" not in lines.state:
            lines("v", "g")
        else:
            lines.values["v"] = lines.state["momentum_buffer"]
            lines("v", "μ v + (1 - τ) g" if group["dampening"] else "μ v + g")
        if group["nesterov"]:
            lines("g", "g + μ v")
        lines("w", "w - η g" if group["nesterov"] else "w - η v")
    else:
        lines("w", "w - η g")


def _adam(lines: _Lines) -> None:
    lines.moments()
    lines("v", "β₂ v + (1 - β₂) g²")
    if lines.group.get("amsgrad"):
        lines.values["s"] = lines.state.get("max_exp_avg_sq", 0.0)
        lines("v", "max(s, v)")
    lines("m̂", "m / (1 - β₁^t)")
    lines("v̂", "v / (1 - β₂^t)")
    lines("w", "w - η m̂ / (√v̂ + ε)")


def _adamax(lines: _Lines) -> None:
    lines.moments()
    lines("u", "max(β₂ u, |g| + ε)")
    lines("w", "w - η / (1 - β₁^t) m / u")


def _nadam(lines: _Lines) -> None:
    lines.moments()
    lines("v", "β₂ v + (1 - β₂) g²")
    lines.values["ψ"] = float(lines.group["momentum_decay"])
    lines.values["p"] = lines.state.get("mu_product", 1.0)
    lines("μ", "β₁ (1 - 0.5 · 0.96^(t ψ))")
    lines("ν", "β₁ (1 - 0.5 · 0.96^((t + 1) ψ))")
    lines("p", "p μ")
    lines("v̂", "v / (1 - β₂^t)")
    lines("w", "w - η ((1 - μ) / (1 - p) g + ν / (1 - p ν) m) / (√v̂ + ε)")


def _radam(lines: _Lines) -> None:
    lines.moments()
    lines("v", "β₂ v + (1 - β₂) g²")
    lines("m̂", "m / (1 - β₁^t)")
    lines("r", "2 / (1 - β₂) - 1")
    lines("ρ", "r - 2 t β₂^t / (1 - β₂^t)")
    if lines.values["ρ"] <= 5:
        lines("w", "w - η m̂")
        return
    lines("c", "√((ρ - 4) (ρ - 2) r / ((r - 4) (r - 2) ρ))")
    lines("w", "w - η m̂ c √(1 - β₂^t) / (√v + ε)")


_SPELT: dict[str, Callable[[_Lines], None]] = {
    "Adam": _adam,
    "AdamW": _adam,
    "Adamax": _adamax,
    "NAdam": _nadam,
    "RAdam": _radam,
    "SGD": _sgd,
}
