"""What all losses share: prediction and target of one shape, and the reduction.

Nothing is broadcast silently.
"""

from __future__ import annotations

import math

from nnlite.ops import reduce
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap


def pair_of(function: str, input: Tensor, target: Tensor) -> tuple[Array, Array]:
    """Prediction and target as arrays of one dtype.

    Raises:
        ValueError: when the shapes differ.
    """
    x, y = array_of(function, input), array_of(function, target)
    if x.shape != y.shape:
        raise ValueError(
            f"{function}: input has the shape {list(x.shape)}, target {list(y.shape)}; they must "
            f"be equal, because broadcasting would compare every prediction with every target. "
            f"{_reshape_hint(x.shape, y.shape)}"
        )
    if x.dtype.kind != "f":
        raise TypeError(f"{function}: input must be floating point, got {x.dtype}")
    return x, y if y.dtype is x.dtype else y.astype(x.dtype)


def _reshape_hint(input: tuple[int, ...], target: tuple[int, ...]) -> str:
    if math.prod(input) == math.prod(target):
        if input == (*target, 1):
            return "Use target.unsqueeze(-1) or output.squeeze(-1)"
        if target == (*input, 1):
            return "Use target.squeeze(-1)"
        return "Use target.reshape(output.shape) if they stand in the same order"
    return "Expand one of them on purpose if that is meant"


def paired(function: str, input: Tensor, target: Tensor) -> Tensor:
    """The target in the input's dtype; their shapes must be equal."""
    _, y = pair_of(function, input, target)
    return target if y is target.array else wrap(y)


def reduction_of(function: str, loss: Array, reduction: str) -> Array:
    """The mean, the sum, or the losses as they are, of an array."""
    if reduction == "mean":
        return loss.sum() / (loss.size or math.nan)
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(bad_reduction(function, reduction))


def reduced(function: str, loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses as they are, in the graph."""
    if reduction == "mean":
        return reduce.mean(loss)
    if reduction == "sum":
        return reduce.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(bad_reduction(function, reduction))


def bad_reduction(function: str, reduction: str) -> str:
    """What is said of a reduction that does not exist."""
    return f"{function}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}"


def spread(g: Array, reduction: str, count: int) -> Array:
    """The gradient of each element's loss, given that of the reduced loss."""
    return g / (count or 1) if reduction == "mean" else g
