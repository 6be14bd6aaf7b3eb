"""Parameters that are computed: a module's weight as a function of other parameters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from nnlite.autograd.modes import no_grad
from nnlite.nn.layers.containers import ModuleDict, ModuleList
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.inplace import copy_
from nnlite.tensor import Tensor

__all__ = [
    "ParametrizationList", "is_parametrized", "register_parametrization",
    "remove_parametrizations",
]  # fmt: skip


class ParametrizationList(ModuleList):
    """The functions that a parameter goes through, and what it starts from.

    Attributes:
        original: the parameter that the first function takes; ``original0``, ``original1`` … where
            its ``right_inverse`` returns several.
    """

    def __init__(self, function: Module, original: Tensor) -> None:
        super().__init__([function])
        sources = self._inverted(original)
        self._names = ["original"]
        if isinstance(sources, tuple):
            self._names = [f"original{i}" for i in range(len(sources))]
        for name, source in zip(self._names, sources if isinstance(sources, tuple) else [sources]):
            is_parameter = isinstance(source, Parameter)
            wanted = original.requires_grad
            setattr(self, name, source if is_parameter else Parameter(source.detach(), wanted))

    def _inverted(self, value: Tensor) -> Any:
        """What the functions make ``value`` of, where they say it."""
        inverse = getattr(self[0], "right_inverse", None)
        if inverse is None:
            return value
        with no_grad():
            return inverse(value)

    def forward(self) -> Any:
        value = self[0](*(getattr(self, name) for name in self._names))
        for function in list(self)[1:]:
            value = function(value)
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parameter becomes ``value``."""
        later: list[Any] = list(self)[1:]
        for function in reversed(later):
            with no_grad():
                value = function.right_inverse(value)
        sources = self._inverted(value)
        with no_grad():
            for name, source in zip(
                self._names, sources if isinstance(sources, tuple) else [sources]
            ):
                copy_(getattr(self, name), source)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have a parameter computed by a module from another parameter, at every use.

    Args:
        module: has the parameter.
        tensor_name: its name.
        parametrization: computes it; its ``right_inverse``, if it has one, makes of the present
            value what it starts from (a tensor, or a tuple for several). On a parameter that is
            computed already it is applied to that.
        unsafe: without effect: dtypes and shapes may change.

    Returns:
        The module.

    Raises:
        ValueError: when there is no such parameter.

    >>> import nnlite
    >>> from nnlite import nn
    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = nn.Linear(3, 3)
    >>> _ = nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> nnlite.equal(layer.weight, layer.weight.T)
    True
    """
    if is_parametrized(module, tensor_name):
        parts: Any = module.parametrizations  # type: ignore[attr-defined]
        parts[tensor_name].append(parametrization)
        return module
    original = module.__dict__.get(tensor_name)
    if not isinstance(original, Parameter):
        names = ", ".join(name for name, _ in module.named_parameters(recurse=False))
        raise ValueError(
            f"register_parametrization: {type(module).__name__} has no parameter {tensor_name!r}; "
            f"it has {names or 'none'}"
        )
    computed = ParametrizationList(parametrization, original)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.add_module("parametrizations", ModuleDict())
    parts = module.parametrizations  # type: ignore[attr-defined]
    parts[tensor_name] = computed
    module.__class__ = _class_with(_plain(module), tuple(parts))
    return module


def _plain(module: Module) -> Any:
    """The class that a module had before any of its parameters was computed."""
    return getattr(type(module), "_plain", type(module))


@lru_cache(maxsize=256)
def _class_with(kind: Any, names: tuple[str, ...]) -> Any:
    """``kind`` with some of its parameters computed: the same class for all modules of that sort.

    A module changes its class when another of its parameters is computed; no class ever changes,
    for a copy of the module has it too.
    """

    def reduced(self: Any, protocol: Any) -> Any:
        # The class is no attribute of this file: a pickle says how to make it.
        return _empty, (kind, names), *super(made, self).__reduce_ex__(protocol)[2:]

    members = {name: _computed(name) for name in names}
    made: Any = type(
        f"Parametrized{kind.__name__}", (kind,),
        {"_plain": kind, "__reduce_ex__": reduced, **members},
    )  # fmt: skip
    return made


def _empty(kind: Any, names: tuple[str, ...]) -> Any:
    """What a copy or a pickle is filled into."""
    made = _class_with(kind, names)
    return made.__new__(made)


def _computed(name: str) -> property:
    def get(module: Any) -> Any:
        return module.parametrizations[name]()

    def put(module: Any, value: Tensor) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a parameter of the module, or any, is computed.

    Args:
        module: any.
        tensor_name: the parameter's name; None: any of them.

    >>> from nnlite import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))
    >>> nn.utils.parametrize.is_parametrized(layer, "bias")
    False
    """
    parts = module.__dict__.get("parametrizations")
    if not isinstance(parts, ModuleDict):
        return False
    return tensor_name in parts if tensor_name is not None else len(parts) > 0


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make a computed parameter a plain one again.

    Args:
        module: has the parameter.
        tensor_name: its name.
        leave_parametrized: it keeps the computed value; else it takes the original one back, which
            there must be one of.

    Returns:
        The module.

    Raises:
        ValueError: when it is not computed, or there are several originals to go back to.

    >>> from nnlite import nn
    >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))
    >>> nn.utils.parametrize.remove_parametrizations(layer, "weight")
    Linear(in_features=2, out_features=1, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: {type(module).__name__}.{tensor_name} is not computed by a "
            "parametrization"
        )
    parts: Any = module.parametrizations  # type: ignore[attr-defined]
    found = parts[tensor_name]
    if not leave_parametrized and len(found._names) > 1:
        raise ValueError(
            f"remove_parametrizations: {tensor_name} is computed of {len(found._names)} parameters;"
            " give leave_parametrized=True to keep the computed value"
        )
    value = getattr(found, found._names[0])
    if leave_parametrized:
        value = Parameter(getattr(module, tensor_name).detach(), value.requires_grad)
    del parts[tensor_name]
    kind = _plain(module)
    if len(parts):
        module.__class__ = _class_with(kind, tuple(parts))
    else:
        del module.parametrizations  # type: ignore[attr-defined]
        module.__class__ = kind
    setattr(module, tensor_name, value)
    return module
