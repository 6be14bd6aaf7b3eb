"""Normalisation over a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, float_array
from nnlite.tensor import Tensor


class NativeBatchNormBackward0(Node):
    """y = γ x̂ + β,  x̂ = (x - μ) r,  r = 1/√(σ² + ε):   ∂β = Σ g,   ∂γ = Σ g x̂,
    ∂x = γ r (g - mean(g) - x̂ mean(g x̂));   with running statistics: ∂x = γ r g"""

    __slots__ = ()
    lifts = (0, 1, None, None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, weight, running_mean, running_var = self.saved
        to_x, to_weight, to_bias = self.edges
        training, eps = self.meta
        axes = (0, *range(2, x.ndim))
        along = (1, -1) + (1,) * (x.ndim - 2)
        if training:
            centred = x - x.mean(axis=axes, keepdims=True)
            r = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
        else:
            centred = x - running_mean.reshape(along)
            r = 1 / np.sqrt(running_var.reshape(along) + eps)
        normed = centred * r
        grad_x = None
        if to_x:
            inner = g if weight is None else g * weight.reshape(along)
            if training:
                inner = (
                    inner
                    - inner.mean(axis=axes, keepdims=True)
                    - normed * (inner * normed).mean(axis=axes, keepdims=True)
                )
            grad_x = inner * r
        return (
            grad_x,
            (g * normed).sum(axis=axes) if to_weight else None,
            g.sum(axis=axes) if to_bias else None,
        )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel brought to mean 0 and variance 1 over the batch, then scaled and shifted.

    Source: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167.

    Args:
        input: shape (N, C) or (N, C, …).
        running_mean, running_var: shape (C,); used instead of the batch's statistics unless
            ``training``; in training they move towards them, in place:
            running ← (1 - momentum) running + momentum batch (variance unbiased).
        weight, bias: shape (C,), γ and β.
        training: use the statistics of the batch.
        momentum: how far the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: in training with one value for each channel; for a wrong number of channels.

    >>> import nnlite
    >>> x = nnlite.tensor([[1.0], [3.0]])
    >>> nnlite.nn.functional.batch_norm(x, None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    x = float_array("batch_norm", input)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected shape (N, C) or (N, C, …), got {list(x.shape)}")
    channels = x.shape[1]
    given = (("running_mean", running_mean), ("running_var", running_var), ("weight", weight),
             ("bias", bias))  # fmt: skip
    for label, value in given:
        if value is not None and value.array.shape != (channels,):
            raise ValueError(
                f"batch_norm: input has {channels} channels, {label} has the shape "
                f"{list(value.array.shape)}"
            )
    axes = (0, *range(2, x.ndim))
    along = (1, channels) + (1,) * (x.ndim - 2)
    if training:
        count = x.size // channels if channels else 0
        if count <= 1:
            raise ValueError(
                "batch_norm: training needs more than one value for each channel, got input of "
                f"shape {list(x.shape)}; use a larger batch (drop_last=True drops a last one of a "
                "single sample) or eval()"
            )
        mean = x.mean(axis=axes)
        centred = x - mean.reshape(along)
        var = (centred * centred).mean(axis=axes)
        _move(running_mean, mean, momentum)
        _move(running_var, var * (count / (count - 1)), momentum)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: without training, running_mean and running_var are needed")
    else:
        mean, var = running_mean.array, running_var.array
        centred = x - mean.reshape(along)
    y = centred * (1 / np.sqrt(var + eps)).reshape(along)
    if weight is not None:
        y *= weight.array.reshape(along)
    if bias is not None:
        y += bias.array.reshape(along)
    edges = (
        input._node,
        None if weight is None else weight._node,
        None if bias is None else bias._node,
    )
    statistics: tuple[Any, Any] = (None, None) if training else (mean, var)
    saved = (x, None if weight is None else weight.array, *statistics)
    return record(y, NativeBatchNormBackward0, edges, saved, (training, eps))


def _move(running: Tensor | None, batch: Array, momentum: float) -> None:
    """running ← (1 - momentum) running + momentum batch, in place."""
    if running is not None:
        running.array *= 1 - momentum
        running.array += momentum * batch
        note_write(running.array, "the update of running statistics in batch_norm")
