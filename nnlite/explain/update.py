"""What the optimizer's next step does to a parameter: its lines, with the numbers of one element.

Every line is a formula that is evaluated as it is printed, for all elements; what is printed of it
is read and worked out again. Results are compared with a step of the optimizer on a copy: the new
parameter, and what the optimizer keeps (momentum, averages).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from nnlite.explain.model import Index, Update, UpdateLine
from nnlite.explain.parse import evaluate, parse
from nnlite.explain.reread import says
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
    name = type(plan.optimizer).__name__
    before = float(plan.array[index])
    stepped = _stepped(plan, gradient)
    spelt = _SPELT.get(name)
    if spelt is None:
        note = f"{name} is not spelt out here: this is what a step of it on a copy gives"
        if stepped is None:
            note = f"{name} is not spelt out here, and could not be tried on a copy"
        after = before if stepped is None else float(stepped[0][index])
        return Update(name, index, [], before, after, 0.0, note, "~")
    lines = _Lines(before, float(gradient[index]), plan.group, _element(plan.state, index))
    whole = _Lines(_double(plan.array), _double(gradient), plan.group, _element(plan.state, ...))
    spelt(lines)
    spelt(whole)
    given = {letter: lines.values[letter] for letter in lines.options}
    exact = [v for v in (*given.values(), lines.values.get("t")) if v == float(f"{v or 0:.6g}")]
    error = _mark(lines.lines, whole.lines, plan, stepped, exact)
    marks = {line.mark for line in lines.lines}
    mark = next(mark for mark in "✗~✓" if mark in marks)
    note = "" if stepped is not None else "the optimizer could not be tried on a copy"
    after = lines.values["w"]
    return Update(name, index, lines.lines, before, after, error, note, mark, given)


def _mark(
    lines: list[UpdateLine],
    whole: list[UpdateLine],
    plan: Plan,
    stepped: _Stepped | None,
    exact: Collection[float],
) -> float:
    """Mark each line; returns how far the new parameter is from that of the optimizer itself."""
    kept = dict(_KEPT.get(type(plan.optimizer).__name__, {}))
    for line, same in zip(lines, whole):
        key = kept.pop(line.formula, None) or kept.pop(line.symbol, None)
        known = None if stepped is None or key is None else stepped[1].get(key)
        literals = map(float, re.findall(r"\d+\.?\d*", line.formula))
        if not says(line.numbers, line.value, {*literals, *exact}):
            line.mark = "✗"
        elif known is not None:
            size = float(np.max(np.abs(same.value), initial=0.0))
            apart = np.abs(_double(known) - same.value)
            line.mark = "✗" if (apart > 1e-5 * size + _TINY).any() else "✓"
    if stepped is None:
        for line in lines:
            line.mark = "~" if line.mark == "✓" else line.mark
        return float("nan")
    with np.errstate(invalid="ignore"):
        apart = np.abs(whole[-1].value - stepped[0])
        moved = np.abs(_double(stepped[0]) - plan.array)
        eps = float(np.finfo(plan.array.dtype).eps)
        allowed = 1e-4 * moved + 2 * eps * np.abs(_double(plan.array)) + _TINY
        agrees = (apart <= allowed) | (~np.isfinite(whole[-1].value) & ~np.isfinite(stepped[0]))
    if not agrees.all():
        lines[-1].mark = "✗"
    return float(np.max(apart, initial=0.0))


_TINY = 1e-30
_Stepped = tuple[Array, dict[str, Array]]


def _stepped(plan: Plan, gradient: Array) -> _Stepped | None:
    """The parameter and its state after a step on a copy; None where that does not work."""
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
    return same.array, _element(twin.state[same], ...)


def _double(array: Array) -> Array:
    return np.asarray(array, dtype=np.float64)


def _element(state: dict[str, Any], index: Any) -> dict[str, Any]:
    """One element of what an optimizer keeps, or with ``...`` all."""
    found: dict[str, Any] = {}
    for key, value in state.items():
        array = value.array if isinstance(value, Tensor) else value
        if isinstance(array, (int, float)):
            found[key] = float(array)
        elif hasattr(array, "ndim"):
            part = _double(array[index] if array.ndim else array)
            found[key] = part if part.ndim else float(part)
    return found


class _Lines:
    """The lines of one step, computed one after the other, for one element or for all.

    ``options`` are the letters that stand for options of the optimizer.
    """

    def __init__(self, w: Array, g: Array, group: Group, state: dict[str, Any]) -> None:
        self.lines: list[UpdateLine] = []
        self.values: dict[str, Any] = {"w": w, "g": g}
        self.options: list[str] = []
        self.group = group
        self.state = state
        self.option("η", "lr")

    def __call__(self, symbol: str, formula: str) -> None:
        """Compute a line: ``symbol ← formula``."""
        tree = parse(formula)
        with np.errstate(all="ignore"):
            value = evaluate(tree, self.values)
        value = value if np.ndim(value) else float(value)
        numbers = "" if np.ndim(self.values["w"]) else show(tree, self.values)
        self.lines.append(UpdateLine(f"{symbol} ← {formula}", numbers, value, symbol))
        self.values[symbol] = value

    def option(self, letter: str, name: str) -> None:
        """Let a letter stand for an option."""
        self.values[letter] = float(self.group[name])
        self.options.append(letter)

    def betas(self) -> None:
        """The options of moving averages."""
        beta1, beta2 = self.group["betas"]
        self.values.update({"β₁": float(beta1), "β₂": float(beta2)})
        self.options += ["β₁", "β₂"]

    def decay(self) -> None:
        """Weight decay, and the direction."""
        if self.group.get("maximize"):
            self("g", "-g")
        if not self.group.get("weight_decay"):
            return
        self.option("λ", "weight_decay")
        if self.group.get("decoupled_weight_decay"):
            self("w", "w - η λ w")
        else:
            self("g", "g + λ w")

    def moments(self) -> None:
        """The moments of the family of Adam, and the number of the step."""
        self.decay()
        self.betas()
        self.option("ε", "eps")
        self.values.update({
            "t": self.state.get("step", 0.0) + 1, "m": self.state.get("exp_avg", 0.0),
            "v": self.state.get("exp_avg_sq", 0.0), "u": self.state.get("exp_inf", 0.0),
        })  # fmt: skip
        self("m", "β₁ m + (1 - β₁) g")


def _sgd(lines: _Lines) -> None:
    lines.decay()
    group = lines.group
    if group["momentum"]:
        lines.option("μ", "momentum")
        if "momentum_buffer" not in lines.state:
            lines("v", "g")
        else:
            lines.values["v"] = lines.state["momentum_buffer"]
            if group["dampening"]:
                lines.option("τ", "dampening")
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
    lines.option("ψ", "momentum_decay")
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


def _rmsprop(lines: _Lines) -> None:
    lines.decay()
    lines.option("α", "alpha")
    lines.option("ε", "eps")
    state = lines.state
    lines.values.update(v=state.get("square_avg", 0.0), a=state.get("grad_avg", 0.0))
    lines.values["b"] = state.get("momentum_buffer", 0.0)
    lines("v", "α v + (1 - α) g²")
    root = "√v"
    if lines.group["centered"]:
        lines("a", "α a + (1 - α) g")
        lines("v̂", "max(v - a², 0)")
        root = "√v̂"
    if lines.group["momentum"]:
        lines.option("μ", "momentum")
        lines("b", f"μ b + g / ({root} + ε)")
        lines("w", "w - η b")
    else:
        lines("w", f"w - η g / ({root} + ε)")


def _adagrad(lines: _Lines) -> None:
    lines.decay()
    lines.option("ε", "eps")
    initial = float(lines.group.get("initial_accumulator_value", 0.0))
    lines.values.update(v=lines.state.get("sum", initial), t=lines.state.get("step", 0.0) + 1)
    lines("v", "v + g²")
    if lines.group["lr_decay"]:
        lines.option("κ", "lr_decay")
        lines("r", "η / (1 + (t - 1) κ)")
        lines("w", "w - r g / (√v + ε)")
    else:
        lines("w", "w - η g / (√v + ε)")


def _adadelta(lines: _Lines) -> None:
    lines.decay()
    lines.option("ρ", "rho")
    lines.option("ε", "eps")
    state = lines.state
    lines.values.update(v=state.get("square_avg", 0.0), u=state.get("acc_delta", 0.0))
    lines("v", "ρ v + (1 - ρ) g²")
    lines("δ", "√(u + ε) / √(v + ε) g")
    lines("u", "ρ u + (1 - ρ) δ²")
    lines("w", "w - η δ")


def _lion(lines: _Lines) -> None:
    lines.decay()
    lines.betas()
    lines.values["m"] = lines.state.get("exp_avg", 0.0)
    lines("c", "β₁ m + (1 - β₁) g")
    lines("m", "β₂ m + (1 - β₂) g")
    lines("w", "w - η sign(c)")


_SPELT: dict[str, Callable[[_Lines], None]] = {
    "Adadelta": _adadelta,
    "Adagrad": _adagrad,
    "Adam": _adam,
    "AdamW": _adam,
    "Adamax": _adamax,
    "Lion": _lion,
    "NAdam": _nadam,
    "RAdam": _radam,
    "RMSprop": _rmsprop,
    "SGD": _sgd,
}

_MOMENTS = {"m": "exp_avg", "v ← max(s, v)": "max_exp_avg_sq", "v": "exp_avg_sq"}
# What an optimizer keeps, by the letter (or the line) that it comes from.
_KEPT: dict[str, dict[str, str]] = {
    "Adadelta": {"v": "square_avg", "u": "acc_delta"},
    "Adagrad": {"v": "sum"},
    "Adam": _MOMENTS,
    "AdamW": _MOMENTS,
    "Adamax": {"m": "exp_avg", "u": "exp_inf"},
    "Lion": {"m": "exp_avg"},
    "NAdam": {**_MOMENTS, "p": "mu_product"},
    "RAdam": _MOMENTS,
    "RMSprop": {"v": "square_avg", "a": "grad_avg", "b": "momentum_buffer"},
    "SGD": {"v": "momentum_buffer"},
}
