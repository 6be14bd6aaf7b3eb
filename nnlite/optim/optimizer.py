"""Optimizer: groups of parameters with their options, each parameter's state, save and load."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from nnlite.autograd.hooks import RemovableHandle
from nnlite.optim.plan import Plan
from nnlite.tensor import Tensor, wrap
from nnlite.utils.memory import keep_memory

__all__ = ["Optimizer"]


class Optimizer:
    """The base of all optimizers; a subclass defines ``step``, and gives its options as defaults.

    A tensor whose ``requires_grad`` is False is frozen: ``step`` leaves it and its state alone,
    whatever its gradient holds.

    Args:
        params: tensors, pairs of name and tensor (``model.named_parameters()``), or dicts that
            have one of those under ``"params"``, and options of their own.
        defaults: the options of a group that does not give them.

    Attributes:
        param_groups: a list of dicts, each with ``"params"`` and the options, which may be changed.
        state: for each parameter a dict of what the optimizer remembers about it.
        defaults: the default options.

    Raises:
        TypeError: when something else than tensors is given.
        ValueError: for no parameters, the same one twice, one that is not a leaf, and an option
            that is out of its range or looks like a misspelt one.

    >>> from nnlite import nn, optim
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    >>> body = {"params": model[0].parameters(), "lr": 0.01}
    >>> head = {"params": model[1].parameters()}
    >>> [group["lr"] for group in optim.SGD([body, head], lr=0.1).param_groups]
    [0.01, 0.1]
    """

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, dict)):
            raise TypeError(
                f"{self._name()}: params must be an iterable of tensors or dicts, got one "
                f"{type(params).__name__}; put it into a list"
            )
        keep_memory()
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._plans: dict[int, Plan] = {}
        self._hooks: dict[str, dict[int, Callable[..., Any]]] = {}
        self._opt_called = False  # whether ``step`` was, for schedulers; known once it is watched
        groups = list(self._ordered(params))
        if not groups:
            raise ValueError(
                f"{self._name()}: there are no parameters. Does the model have any? A generator "
                "such as model.parameters() can be used once only"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients; a subclass defines it."""
        raise NotImplementedError(f"{self._name()}.step is missing: a subclass defines it")

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

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters, as when layers are unfrozen in the course of training.

        Args:
            param_group: a dict with ``"params"`` and options of the group's own.

        Raises:
            TypeError, ValueError: as the class; nothing has been added then.
        """
        name = self._name()
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{name}: a parameter group must be a dict with 'params', got {param_group!r}"
            )
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(self._ordered(params))
        pairs = [item for item in params if isinstance(item, tuple) and len(item) == 2]
        labels = [label for label, _ in pairs if isinstance(label, str)]
        if labels and len(labels) != len(params):
            raise ValueError(f"{name}: either all parameters of a group have names, or none has")
        if labels:
            params = [item[1] for item in params]
        self._check_parameters(params, labels)
        given = {key: value for key, value in param_group.items() if key != "params"}
        self._check_spelling(given)
        group = {**self.defaults, **given}
        for key, value in group.items():
            if isinstance(value, np.generic):
                # NumPy's numbers would promote float32 parameters.
                group[key] = value.item()
        self._check_options(group)
        if labels:
            group["param_names"] = labels
        if any(("param_names" in other) != bool(labels) for other in self.param_groups):
            raise ValueError(f"{name}: either all groups have names for their parameters, or none")
        self.param_groups.append({**group, "params": params})

    def state_dict(self) -> dict[str, Any]:
        """The options and the state, with parameters numbered through all groups, as torch's.

        The tensors are the optimizer's own: copy them (``copy.deepcopy``) to keep them.

        Returns:
            ``{"state": {number: state}, "param_groups": [options and numbers]}``.
        """
        for hook in self._called("state_dict_pre"):
            hook(self)
        numbers: dict[Any, int] = {}
        groups = []
        for group in self.param_groups:
            for parameter in group["params"]:
                numbers[parameter] = len(numbers)
            options = {key: value for key, value in group.items() if key != "params"}
            groups.append({**options, "params": [numbers[p] for p in group["params"]]})
        state = {numbers.get(key, key): value for key, value in self.state.items()}
        tree: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._called("state_dict_post"):
            replaced = hook(self, tree)
            tree = tree if replaced is None else replaced
        return tree

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a ``state_dict``; its tensors are copied, in the dtypes of the parameters.

        Raises:
            TypeError: when it is no ``state_dict``.
            ValueError: when its groups have other numbers of parameters, or a state another shape.
                Nothing has been changed then.
        """
        for hook in self._called("load_state_dict_pre"):
            state_dict = dict(state_dict)
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        try:
            saved_groups = deepcopy(state_dict["param_groups"])
            saved_state = state_dict["state"]
            theirs = [len(group["params"]) for group in saved_groups]
        except (KeyError, TypeError, IndexError):
            raise TypeError(
                "load_state_dict: expected a dict with 'state' and 'param_groups', as "
                f"state_dict() returns it, got {type(state_dict).__name__}"
            ) from None
        mine = [len(group["params"]) for group in self.param_groups]
        if mine != theirs:
            raise ValueError(
                f"load_state_dict: the saved optimizer has groups of {theirs} parameters, this one "
                f"of {mine}: make it for the same parameters, in the same groups"
            )
        numbers = chain.from_iterable(group["params"] for group in saved_groups)
        parameters = chain.from_iterable(group["params"] for group in self.param_groups)
        by_number = dict(zip(numbers, parameters))
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, value in saved_state.items():
            parameter = by_number.get(number, number)
            state[parameter] = self._copied(value, parameter, number)
        groups = []
        for group, saved in zip(self.param_groups, saved_groups):
            groups.append({**group, **saved, "params": group["params"]})
            self._check_options(groups[-1])
        self.state = state
        for group, loaded in zip(self.param_groups, groups):
            group.update(loaded)
        for hook in self._called("load_state_dict_post"):
            hook(self)

    def _plan(self, number: int, arrays: Mapping[str, float], numbers: Mapping[str, float]) -> Plan:
        """How to walk through those of group ``number`` that have a gradient and are not frozen.

        Args:
            number: which group.
            arrays: the state arrays that each parameter has, with the values that fill new ones.
            numbers: the single numbers that its state has, with their first values.
        """
        params = self.param_groups[number]["params"]
        leaves = [leaf for p in params if (leaf := p._node) and leaf.grad is not None]
        plan = self._plans.get(number)
        if plan is not None and plan.arrays == arrays and plan.fits(leaves, self.state):
            return plan
        trained = [p for p in params if p._node and p._node.grad is not None]
        plan = self._plans[number] = Plan(trained, self.state, arrays, numbers)
        return plan

    # ---- hooks ----------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(optimizer, args, kwargs)`` called before each step.

        Args:
            hook: gets the arguments of ``step``, the optimizer itself first among ``args``, and may
                return others, ``(args, kwargs)``.

        Returns:
            A handle whose ``remove()`` takes the hook away.

        >>> import nnlite
        >>> optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)])
        >>> handle = optimizer.register_step_pre_hook(lambda *_: print("a step"))
        >>> optimizer.step()
        a step
        """
        self._watch_step()
        return self._add_hook("step_pre", hook)

    def register_step_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Have ``hook(optimizer, args, kwargs)`` called after each step; see the pre-hook."""
        self._watch_step()
        return self._add_hook("step_post", hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., None], prepend: bool = False
    ) -> RemovableHandle:
        """Have ``hook(optimizer)`` called before ``state_dict``; first of all with ``prepend``."""
        return self._add_hook("state_dict_pre", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Have ``hook(optimizer, state_dict)`` change or replace what ``state_dict`` returns."""
        return self._add_hook("state_dict_post", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Have ``hook(optimizer, state_dict)`` change or replace what is to be loaded."""
        return self._add_hook("load_state_dict_pre", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., None], prepend: bool = False
    ) -> RemovableHandle:
        """Have ``hook(optimizer)`` called after ``load_state_dict``."""
        return self._add_hook("load_state_dict_post", hook, prepend)

    def _add_hook(
        self, kind: str, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        hooks = self._hooks.setdefault(kind, {})
        handle = RemovableHandle(hooks)
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[handle.id] = hook
        hooks.update(others)
        return handle

    def _called(self, kind: str) -> list[Callable[..., Any]]:
        return list(self._hooks.get(kind, {}).values())

    def _watch_step(self) -> None:
        """Have ``step`` call the hooks, and note that it was called.

        Only optimizers that are watched pay for it: the wrapper is an attribute of the instance.
        """
        if getattr(self.step, "_is_watched", False):
            return
        own_step = self.__dict__.get("step")
        reference = weakref.ref(self)

        def step(*args: Any, **kwargs: Any) -> Any:
            self = reference()
            assert self is not None
            self._opt_called = True
            args = (self, *args)
            for hook in self._called("step_pre"):
                replaced = hook(self, args, kwargs)
                if replaced is None:
                    continue
                if not isinstance(replaced, tuple) or len(replaced) != 2:
                    raise RuntimeError(
                        "step pre-hook: must return None or a tuple (args, kwargs), "
                        f"got {replaced!r}"
                    )
                args, kwargs = replaced
            result = own_step(*args[1:], **kwargs) if own_step else type(self).step(*args, **kwargs)
            for hook in self._called("step_post"):
                hook(self, args, kwargs)
            return result

        step._is_watched = True  # type: ignore[attr-defined]
        self.__dict__["step"] = step

    def _copied(self, value: Any, parameter: Any, number: Any, key: str = "") -> Any:
        """A copy of a state, its float arrays in the dtype of the parameter (as torch does it)."""
        if isinstance(value, dict):
            return {n: self._copied(item, parameter, number, n) for n, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._copied(item, parameter, number, key) for item in value)
        if not isinstance(value, (Tensor, np.ndarray)):
            return deepcopy(value)
        array = value.array if isinstance(value, Tensor) else value
        if not isinstance(parameter, Tensor):
            return wrap(array.copy())
        self._check_shape(array, parameter, number, key)
        same = array.dtype.kind != "f" or key == "step"
        return wrap(array.copy() if same else array.astype(parameter.array.dtype))

    def _check_shape(self, array: Any, parameter: Tensor, number: Any, key: str) -> None:
        if array.ndim and array.shape != parameter.array.shape:
            raise ValueError(
                f"load_state_dict: {key!r} of parameter {number} has the shape "
                f"{list(array.shape)}, the parameter {list(parameter.array.shape)}; was it saved "
                "for another model?"
            )

    # ---- checks and printing --------------------------------------------------------------------

    def _check_options(self, options: dict[str, Any]) -> None:
        """Raise when an option of a group is out of its range; a subclass defines it."""

    def _check_parameters(self, params: list[Any], labels: list[str]) -> None:
        name = self._name()
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for position, parameter in enumerate(params):
            which = f"parameter {labels[position]!r}" if labels else f"parameter {position}"
            if not isinstance(parameter, Tensor):
                raise TypeError(f"{name}: {which} must be a Tensor, got {type(parameter).__name__}")
            if not parameter.is_leaf:
                raise ValueError(
                    f"{name}: {which} is not a leaf, it was computed by {parameter.grad_fn!r}: "
                    "optimize the tensors that it was computed from, or a detach()ed copy"
                )
            if id(parameter) in seen:
                raise ValueError(f"{name}: {which} has been given twice; leave one of them out")
            seen.add(id(parameter))

    def _check_spelling(self, given: dict[str, Any]) -> None:
        """Refuse a key that is nearly an option's name; others are the user's own, as in torch."""
        unknown = [key for key in given if key not in self.defaults]
        if not unknown:
            return
        from difflib import get_close_matches

        for key in unknown:
            near = get_close_matches(str(key), self.defaults, 1, 0.85)
            if near:
                raise ValueError(
                    f"{self._name()}: a parameter group has the unknown option {key!r}; "
                    f"is {near[0]!r} meant?"
                )

    def _ordered(self, params: Any) -> Iterable[Any]:
        if isinstance(params, (set, frozenset)):
            raise TypeError(
                f"{self._name()}: the order of a set differs from run to run, and with it the "
                "numbers in a state_dict; give a list"
            )
        if not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name()}: params must be an iterable of tensors or dicts, got "
                f"{type(params).__name__}"
            )
        return params

    def _name(self) -> str:
        return type(self).__name__

    def __getstate__(self) -> dict[str, Any]:
        # The plans have views of this optimizer's memory; a copy makes its own. Hooks are functions
        # that belong to this optimizer; they stay behind, as in torch.
        kept = {key: value for key, value in self.__dict__.items() if key != "step"}
        return {**kept, "_plans": {}, "_hooks": {}, "_watched": "step" in self.__dict__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self.__dict__.pop("_watched", False):
            self._watch_step()

    def __repr__(self) -> str:
        lines = [f"{self._name()} ("]
        for number, group in enumerate(self.param_groups):
            lines += [""] * (number > 0) + [f"Parameter Group {number}"]
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])
