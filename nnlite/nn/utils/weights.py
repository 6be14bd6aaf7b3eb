"""Weight normalisation: w = g v / ‖v‖, the length of each weight vector apart from its direction.

Source: Salimans and Kingma 2016, "Weight Normalization", arXiv:1602.07868.
"""

from __future__ import annotations

from typing import Any

from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.arithmetic import abs, div, mul
from nnlite.ops.vector_norm import vector_norm
from nnlite.tensor import Tensor

__all__ = ["remove_weight_norm", "weight_norm"]


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norm of each slice of ``v`` along ``dim``; for None or -1 the norm of all of it."""
    if dim is None or dim == -1:
        return vector_norm(v)
    others = tuple(axis for axis in range(v.array.ndim) if axis != dim % v.array.ndim)
    return vector_norm(v, 2, others, True) if others else abs(v)


def weighted(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    """g v / ‖v‖."""
    return mul(v, div(g, norm_except(v, dim)))


def check_parameter(function: str, module: Module, name: str) -> Parameter:
    """The module's parameter of that name.

    Raises:
        ValueError: when there is none.
    """
    parameter = module.__dict__.get(name)
    if not isinstance(parameter, Parameter):
        names = ", ".join(label for label, _ in module.named_parameters(recurse=False))
        raise ValueError(
            f"{function}: {type(module).__name__} has no parameter {name!r}; it has "
            f"{names or 'none'}"
        )
    return parameter


class WeightNorm:
    """Computes a module's weight before each forward; the hook of ``weight_norm``."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = dim
        self.handle: Any = None

    def compute(self, module: Module) -> Tensor:
        """The weight as it is now."""
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return weighted(g, v, self.dim)

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Have a module learn its weight as w = g v / ‖v‖, with the parameters g and v.

    The older of two forms, whose parameters are ``weight_g`` and ``weight_v``; the newer one is
    ``nn.utils.parametrizations.weight_norm``. w is computed before each forward.

    Args:
        module: a layer.
        name: the name of its weight.
        dim: along which g has a length for each slice; None: one for all.

    Returns:
        The module.

    Raises:
        ValueError: when there is no such parameter.

    >>> from nnlite import nn
    >>> layer = nn.utils.weight_norm(nn.Linear(20, 40))
    >>> list(layer.state_dict()), layer.weight_g.shape
    (['bias', 'weight_g', 'weight_v'], nnlite.Size([40, 1]))
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(
            f"weight_norm: {name!r} of {type(module).__name__} is normalised already"
        )
    weight = check_parameter("weight_norm", module, name)
    trained = weight.requires_grad
    delattr(module, name)
    length = norm_except(weight.detach(), dim)
    setattr(module, f"{name}_g", Parameter(length, trained))
    setattr(module, f"{name}_v", Parameter(weight.detach().clone(), trained))
    hook = WeightNorm(name, dim)
    setattr(module, name, hook.compute(module))
    hook.handle = module.register_forward_pre_hook(hook)
    return module


def _hook_of(module: Module, name: str) -> WeightNorm | None:
    hooks = () if module._hooks is None else module._hooks.before.values()
    found = (hook for hook, _ in hooks if isinstance(hook, WeightNorm) and hook.name == name)
    return next(found, None)


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight a plain parameter again, of its present value.

    Args:
        module: a layer that ``weight_norm`` has been applied to.
        name: the name of its weight.

    Returns:
        The module.

    Raises:
        ValueError: when ``weight_norm`` has not been applied to it.

    >>> from nnlite import nn
    >>> layer = nn.utils.remove_weight_norm(nn.utils.weight_norm(nn.Linear(2, 1)))
    >>> list(layer.state_dict())
    ['bias', 'weight']
    """
    hook = _hook_of(module, name)
    if hook is None:
        raise ValueError(f"remove_weight_norm: weight_norm of {name!r} not found in {module}")
    weight = Parameter(hook.compute(module).detach(), getattr(module, f"{name}_v").requires_grad)
    hook.handle.remove()
    for part in (name, f"{name}_g", f"{name}_v"):
        delattr(module, part)
    setattr(module, name, weight)
    return module
