"""All parameters of a model as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.ops.join import cat
from nnlite.ops.shape import reshape
from nnlite.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters behind one another, as one vector.

    Args:
        parameters: tensors of any shapes, one at least.

    Raises:
        ValueError: when there are none.

    >>> import nnlite
    >>> nnlite.nn.utils.parameters_to_vector(nnlite.nn.Linear(3, 2).parameters()).shape
    nnlite.Size([8])
    """
    parts = [reshape(p, -1) for p in parameters]
    if not parts:
        raise ValueError("parameters_to_vector: parameters must be one tensor at least, got none")
    return cat(parts)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the parts of a vector into the parameters, in order.

    Args:
        vec: shape (all elements of the parameters,).
        parameters: tensors of any shapes; they are written to.

    Raises:
        ValueError: when the vector has more or fewer elements than the parameters.

    >>> import nnlite
    >>> layer = nnlite.nn.Linear(2, 1)
    >>> nnlite.nn.utils.vector_to_parameters(nnlite.tensor([1.0, 2.0, 3.0]), layer.parameters())
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([[1.0, 2.0]], [3.0])
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
