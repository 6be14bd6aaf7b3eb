"""Clipping gradients, by their norm or element by element."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.tensor import Tensor, wrap

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The p-norm of tensors as one vector.

    Args:
        tensors: a tensor, or several; gradients mostly.
        norm_type: p; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise when the norm is infinite or NaN.
        foreach: without effect.

    Returns:
        The norm, a 0-d tensor.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.

    >>> import nnlite
    >>> nnlite.nn.utils.get_total_norm([nnlite.tensor([3.0]), nnlite.tensor([4.0])])
    tensor(5.)
    """
    several = [tensors] if isinstance(tensors, Tensor) else tensors
    arrays = [tensor.array for tensor in several]
    norm = _norm("get_total_norm", arrays, norm_type, error_if_nonfinite)
    return _as_tensor(norm, arrays)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale the gradients of all parameters by max_norm / total_norm, if that is less than 1.

    Args:
        parameters: a tensor, or several.
        max_norm: the largest norm.
        total_norm: the norm of the gradients, from ``get_total_norm``.
        foreach: without effect.

    >>> import nnlite
    >>> w = nnlite.zeros(2, requires_grad=True)
    >>> (w * nnlite.tensor([3.0, 4.0])).sum().backward()
    >>> nnlite.nn.utils.clip_grads_with_norm_([w], 1.0, nnlite.tensor(5.0))
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    _check_limit("clip_grads_with_norm_", "max_norm", max_norm)
    _scale(_gradients(parameters), max_norm, float(total_norm.item()), "clip_grads_with_norm_")


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of all parameters, as one vector, down to a norm of at most ``max_norm``.

    What is frozen (``requires_grad=False``) or has no gradient takes no part.

    Args:
        parameters: a tensor, or several.
        max_norm: the largest norm.
        norm_type: the p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise when the norm is infinite or NaN.
        foreach: without effect.

    Returns:
        The norm before clipping, a 0-d tensor.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.
        ValueError: when ``max_norm`` is negative or NaN.

    >>> import nnlite
    >>> w = nnlite.zeros(2, requires_grad=True)
    >>> (w * nnlite.tensor([3.0, 4.0])).sum().backward()
    >>> nnlite.nn.utils.clip_grad_norm_([w], max_norm=1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    _check_limit("clip_grad_norm_", "max_norm", max_norm)
    gradients = _gradients(parameters)
    norm = _norm("clip_grad_norm_", gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, norm, "clip_grad_norm_")
    return _as_tensor(norm, gradients)


def _scale(gradients: list[Any], max_norm: float, norm: float, what: str) -> None:
    """Scale arrays of the given norm, in place, down to ``max_norm``."""
    # torch's formula: the 1e-6 keeps the division from overflowing.
    factor = float(max_norm) / (norm + 1e-6)
    if not factor >= 1:
        for array in gradients:
            array *= factor
            note_write(array, what)


def _as_tensor(norm: float, arrays: list[Any]) -> Tensor:
    """The norm in the dtype of the arrays."""
    dtype = arrays[0].dtype if arrays else np.float32
    with np.errstate(over="ignore"):  # a norm beyond float16 is infinite there, the factor is not
        return wrap(np.array(norm).astype(dtype))


def _norm(function: str, arrays: list[Any], norm_type: float, error_if_nonfinite: bool) -> float:
    p = float(norm_type)
    if math.isnan(p) or p <= 0:
        raise ValueError(f"{function}: norm_type must be positive, got {p}")
    # The squares and sums of half precision overflow long before the norm does.
    arrays = [a.astype(np.float32) if a.itemsize < 4 else a for a in arrays]
    if p == math.inf:
        norm = max((float(np.absolute(a).max()) for a in arrays if a.size), default=0.0)
    elif p == 2:
        norm = math.sqrt(sum(float(np.vdot(a, a)) for a in arrays))
    else:
        norm = math.pow(sum(float((np.absolute(a) ** p).sum()) for a in arrays), 1 / p)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"{function}: the norm of the gradients is {norm}: one of them is infinite or NaN"
        )
    return norm


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value].

    Args:
        parameters: a tensor, or several.
        clip_value: the largest absolute value.
        foreach: without effect.

    >>> import nnlite
    >>> w = nnlite.zeros(2, requires_grad=True)
    >>> (w * nnlite.tensor([3.0, -0.5])).sum().backward()
    >>> nnlite.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = _check_limit("clip_grad_value_", "clip_value", clip_value)
    for array in _gradients(parameters):
        np.clip(array, -limit, limit, out=array)
        note_write(array, "clip_grad_value_")


def _check_limit(function: str, name: str, value: Any) -> float:
    """``value`` as a float; a negative one would turn the gradients round."""
    limit = float(value)
    if not limit >= 0:
        raise ValueError(f"{function}: {name} must be at least 0, got {limit}")
    return limit


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients' arrays of the parameters that are trained, each once."""
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    found = {id(p): p.grad.array for p in tensors if p.requires_grad and p.grad is not None}
    return list(found.values())
