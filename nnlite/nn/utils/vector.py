"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.ops.shape import cat, reshape
from nnlite.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


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
