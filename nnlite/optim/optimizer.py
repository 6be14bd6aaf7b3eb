"""Optimizer: groups of parameters with their options, each parameter's state, save and load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from nnlite.optim.plan import Plan
from nnlite.tensor import Tensor, wrap

__all__ = ["Optimizer"]


class Optimizer:
    """The base of all optimizers: a subclass defines ``step``.

    A tensor whose ``requires_grad`` is False is frozen: a subclass leaves it, and its state, alone.

    Args:
        params: tensors, pairs of name and tensor (``model.named_parameters()``), or dicts that
            have one of those under ``"params"`` and options of their own.
        defaults: the options of groups that do not give them.

    Attributes:
        param_groups: a list of dicts, each with ``"params"`` and the options.
        state: a dict for each parameter.
        defaults: the default options.

    Raises:
        TypeError: when something else than tensors is given.
        ValueError: for no parameters, the same one twice, a tensor that is not a leaf, or an
            option that looks like a misspelt one.
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of tensors or dicts, got one "
                "Tensor; put it into a list"
            )
        if isinstance(params, dict):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of tensors or dicts, got one "
                "dict; put it into a list"
            )
        self.defaults = defaults
        self._plans: dict[int, Plan] = {}
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(_ordered(type(self).__name__, params))
        if not groups:
            raise ValueError(
                f"{type(self).__name__}: there are no parameters. Is the model empty, or has the "
                "generator of model.parameters() been used up before?"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _plan(self, number: int, names: tuple[str, ...]) -> Plan:
        """How to walk through group ``number``: those with a gradient that are not frozen."""
        params = self.param_groups[number]["params"]
        leaves = [leaf for p in params if (leaf := p._node) and leaf.grad is not None]
        plan = self._plans.get(number)
        if plan is None or plan.names != names or not plan.fits(leaves, self.state):
            trained = [p for p in params if p._node and p._node.grad is not None]
            plan = self._plans[number] = Plan(trained, self.state, names)
        return plan

    def __getstate__(self) -> dict[str, Any]:
        # The plans hold views of this optimizer's memory; a copy makes its own.
        return {**self.__dict__, "_plans": {}}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients."""
        raise NotImplementedError(f"{type(self).__name__}.step is missing")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or with ``set_to_none=False`` set them to 0."""
        for group in self.param_groups:
            for parameter in group["params"]:
                leaf = parameter._leaf
                if leaf is None or leaf.grad is None:
                    continue
                if set_to_none:
                    leaf.grad = None
                else:
                    leaf.grad = leaf.grad.detach()
                    leaf.grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, as when layers are unfrozen during training."""
        function = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(
                f"{function}: a parameter group must be a dict with 'params', got {param_group!r}"
            )
        if "params" not in param_group:
            raise ValueError(f"{function}: the parameter group {param_group} has no 'params'")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(_ordered(function, params))
        names = [item[0] for item in params if isinstance(item, tuple) and len(item) == 2]
        if names and len(names) != len(params):
            raise ValueError(f"{function}: either all parameters have names, or none")
        if names:
            params = [item[1] for item in params]
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for position, parameter in enumerate(params):
            label = f"parameter {names[position]!r}" if names else f"parameter {position}"
            if not isinstance(parameter, Tensor):
                raise TypeError(
                    f"{function}: {label} must be a Tensor, got {type(parameter).__name__}"
                )
            if not parameter.is_leaf:
                raise ValueError(
                    f"{function}: {label} is not a leaf: it was computed by {parameter.grad_fn!r}; "
                    "give the tensors that it was computed from, or detach() it"
                )
            if id(parameter) in seen:
                raise ValueError(f"{function}: {label} has been given twice")
            seen.add(id(parameter))
        group = {**self.defaults, **param_group, "params": params}
        if names:
            group["param_names"] = names
        self.param_groups.append(group)

    def state_dict(self) -> dict[str, Any]:
        """Options and state; parameters are numbered through all groups."""
        numbers: dict[Any, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers[parameter] = len(numbers)
            saved = {key: value for key, value in group.items() if key != "params"}
            groups.append({**saved, "params": [numbers[p] for p in group["params"]]})
        state = {numbers.get(key, key): value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state, copied."""
        saved_groups = deepcopy(state_dict["param_groups"])
        groups = self.param_groups
        mine = [len(group["params"]) for group in groups]
        theirs = [len(group["params"]) for group in saved_groups]
        if mine != theirs:
            raise ValueError(
                f"load_state_dict: the saved groups have {theirs} parameters, this optimizer's "
                f"{mine}"
            )
        numbers = chain.from_iterable(group["params"] for group in saved_groups)
        parameters = chain.from_iterable(group["params"] for group in groups)
        by_number = dict(zip(numbers, parameters))
        self.state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            parameter = by_number.get(key, key)
            self.state[parameter] = _copied(value, parameter)
        for group, saved in zip(groups, saved_groups):
            group.update({key: value for key, value in saved.items() if key != "params"})


def _ordered(function: str, params: Any) -> Iterable[Any]:
    if isinstance(params, (set, frozenset)):
        raise TypeError(f"{function}: a set has no order that is the same in every run; use a list")
    if not isinstance(params, Iterable):
        raise TypeError(
            f"{function}: params must be an iterable of tensors or dicts, got "
            f"{type(params).__name__}"
        )
    return params


def _copied(value: Any, parameter: Any) -> Any:
    if isinstance(value, Tensor):
        array = value.array
        if array.dtype.kind == "f" and isinstance(parameter, Tensor):
            return wrap(array.astype(parameter.array.dtype))
        return wrap(np.array(array))
    if isinstance(value, dict):
        return {key: _copied(item, parameter) for key, item in value.items()}
    return deepcopy(value)


def at_least_0(owner: str, name: str, value: Any) -> None:
    if not value >= 0:
        raise ValueError(f"{owner}: {name} must be at least 0, got {value!r}")
