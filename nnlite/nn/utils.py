"""Functions on the parameters of a model: clipping their gradients, and one vector of them all."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.ops.shape import cat, reshape
from nnlite.tensor import Tensor, wrap

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters",
]  # fmt: skip


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the gradients of all parameters, as one vector, down to a norm of at most ``max_norm``.

    What is frozen (``requires_grad=False``) or has no gradient takes no part.

    Args:
        parameters: a tensor, or several.
        max_norm: the largest norm.
        norm_type: the p of the p-norm; ``inf`` for the largest absolute value.
        error_if_nonfinite: raise when the norm is infinite or NaN.

    Returns:
        The norm before clipping, a 0-d tensor.

    Raises:
        RuntimeError: see ``error_if_nonfinite``.

    >>> import nnlite
    >>> w = nnlite.zeros(2, requires_grad=True)
    >>> (w * nnlite.tensor([3.0, 4.0])).sum().backward()
    >>> nnlite.nn.utils.clip_grad_norm_([w], max_norm=1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    gradients = _gradients(parameters)
    norm = _norm(gradients, float(norm_type))
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm}: one of them is infinite or NaN"
        )
    # torch's formula: the 1e-6 keeps the division from overflowing.
    factor = float(max_norm) / (norm + 1e-6)
    if not factor >= 1:
        for array in gradients:
            array *= factor
            note_write(array, "clip_grad_norm_")
    dtype = gradients[0].dtype if gradients else np.float32
    with np.errstate(over="ignore"):  # a norm beyond float16 is infinite there, the factor is not
        return wrap(np.array(norm).astype(dtype))


def _norm(gradients: list[Any], p: float) -> float:
    if math.isnan(p) or p <= 0:
        raise ValueError(f"clip_grad_norm_: norm_type must be positive, got {p}")
    # The squares and sums of half precision overflow long before the norm does.
    gradients = [g.astype(np.float32) if g.itemsize < 4 else g for g in gradients]
    if p == math.inf:
        return max((float(np.absolute(g).max()) for g in gradients if g.size), default=0.0)
    if p == 2:
        return math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    return math.pow(sum(float((np.absolute(g) ** p).sum()) for g in gradients), 1 / p)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value].

    >>> import nnlite
    >>> w = nnlite.zeros(2, requires_grad=True)
    >>> (w * nnlite.tensor([3.0, -0.5])).sum().backward()
    >>> nnlite.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    limit = float(clip_value)
    for array in _gradients(parameters):
        np.clip(array, -limit, limit, out=array)
        note_write(array, "clip_grad_value_")


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    """The gradients' arrays of the parameters that are trained, each once."""
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    found = {id(p): p.grad.array for p in tensors if p.requires_grad and p.grad is not None}
    return list(found.values())


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters behind one another, as one vector.

    >>> import nnlite
    >>> nnlite.nn.utils.parameters_to_vector(nnlite.nn.Linear(3, 2).parameters()).shape
    nnlite.Size([8])
    """
    return cat([reshape(p, -1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the parts of a vector into the parameters, in order.

    Raises:
        ValueError: when the vector has more or fewer elements than the parameters.
    """
    tensors = list(parameters)
    total = sum(p.array.size for p in tensors)
    if vec.array.shape != (total,):
        raise ValueError(
            f"vector_to_parameters: the parameters have {total} elements, the vector has the shape "
            f"{list(vec.array.shape)}"
        )
    start = 0
    for p in tensors:
        part = vec.array[start : start + p.array.size]
        np.copyto(p.array, part.reshape(p.array.shape))
        note_write(p.array, "vector_to_parameters")
        start += p.array.size
