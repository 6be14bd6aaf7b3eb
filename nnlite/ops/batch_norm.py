"""Normalisation of each channel: over a batch, and over each sample on its own.

Running statistics stand in for those of the batch; instances are a batch of one sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.autograd.node import Node, record
from nnlite.ops.layout import channel_sums, per_channel
from nnlite.ops.norm import Axes, fits, standard, through
from nnlite.ops.operands import Array, array_of, float_array
from nnlite.ops.shape import broadcast_to, reshape, unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = ["batch_norm", "instance_norm"]


class NativeBatchNormBackward0(Node):
    """y = γ x̂ + β,  x̂ = (x - μ) r,  r = 1/√(σ² + ε):   ∂β = Σ g,   ∂γ = Σ g x̂,
    ∂x = γ r (g - mean(g) - x̂ mean(g x̂));   with running statistics: ∂x = γ r g"""

    __slots__ = ()
    lifts = (0, 1, None, None, "cache", "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, weight, running_mean, running_var, mean, r = self.saved
        to_x, to_weight, to_bias = self.edges
        training, eps = self.meta
        if mean is not None:
            return _through_batch(self.edges, g, x, weight, mean, r)
        axes = (0, *range(2, x.ndim))
        along = (1, -1) + (1,) * (x.ndim - 2)
        if training:
            normed, r = standard(x, axes, eps)
        else:
            r = 1 / np.sqrt(running_var.reshape(along) + eps)
            normed = (x - running_mean.reshape(along)) * r
        grad_x = None
        if to_x:
            inner = g if weight is None else g * weight.reshape(along)
            grad_x = through(inner, normed, r, axes) if training else inner * r
        return (
            grad_x,
            (g * normed).sum(axis=axes) if to_weight else None,
            g.sum(axis=axes) if to_bias else None,
        )


def _through_batch(
    edges: Axes, g: Array, x: Array, weight: Array | None, mean: Array, r: Array
) -> tuple[Array | None, ...]:
    """The gradients of ``batch_norm`` in training, from the mean and r of each channel:

    ∂x = γ r g + b (x - μ) + d,   b = -γ r³ mean(g (x - μ)),   d = -γ r mean(g)
    """
    to_x, to_weight, to_bias = edges
    centred = x - per_channel(mean, x)
    g_sum, slope = channel_sums(g), channel_sums(g * centred) * r
    if to_x:
        scale = r if weight is None else r * weight
        share = scale * (len(r) / x.size)
        centred *= per_channel(-share * r * slope, x)
        centred -= per_channel(share * g_sum, x)
        centred += g * per_channel(scale, x)
    return centred if to_x else None, slope if to_weight else None, g_sum if to_bias else None


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
    if training and not x.size:
        # As in torch: a batch of nothing teaches nothing.
        training = False
        mean = np.zeros_like(x, shape=(channels,))
        var = np.ones_like(mean)
        centred = x
    elif training:
        count = x.size // channels if channels else 0
        if count <= 1:
            raise ValueError(
                "batch_norm: training needs more than one value for each channel, got input of "
                f"shape {list(x.shape)}; use a larger batch (drop_last=True drops a last one of a "
                "single sample) or eval()"
            )
        mean = _channel_means(x)
        centred = x - per_channel(mean, x)
        var = _channel_means(centred * centred)
        _move(running_mean, mean, momentum)
        _move(running_var, var * (count / (count - 1)), momentum)
    elif running_mean is None or running_var is None:
        raise ValueError("batch_norm: without training, running_mean and running_var are needed")
    else:
        mean, var = running_mean.array, running_var.array
        centred = x - per_channel(mean, x)
    r = 1 / np.sqrt(var + eps)
    scale = r if weight is None else r * weight.array
    y = centred * per_channel(scale, x)
    if bias is not None:
        y += per_channel(bias.array, x)
    edges = (
        input._node,
        None if weight is None else weight._node,
        None if bias is None else bias._node,
    )
    statistics: tuple[Any, ...] = (mean, var, None, None)
    if training:
        # Half precision is left to means, which sum up in single precision.
        statistics = (None, None, mean, r) if x.dtype.itemsize > 2 else (None,) * 4
    saved = (x, None if weight is None else weight.array, *statistics)
    return record(y, NativeBatchNormBackward0, edges, saved, (training, eps))


def _channel_means(x: Array) -> Array:
    if x.dtype.itemsize <= 2:
        return x.mean(axis=(0, *range(2, x.ndim)))
    return channel_sums(x) * (x.shape[1] / x.size)


def _move(running: Tensor | None, batch: Array, momentum: float) -> None:
    """running ← (1 - momentum) running + momentum batch, in place."""
    if running is not None:
        running.array *= 1 - momentum
        running.array += momentum * batch
        note_write(running.array, "the update of running statistics in batch_norm")


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample brought to mean 0 and variance 1, then scaled and shifted.

    It is ``batch_norm`` of a batch of one sample that has the channels of all.
    Source: Ulyanov, Vedaldi and Lempitsky 2016, "Instance Normalization", arXiv:1607.08022.

    Args:
        input: shape (N, C, …).
        running_mean, running_var: shape (C,); used unless ``use_input_stats``, else moved in place
            towards the mean of the samples' statistics.
        weight, bias: γ and β, shape (C,).
        momentum: how far the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: with one value for each channel; for a wrong number of channels.

    >>> import nnlite
    >>> nnlite.nn.functional.instance_norm(nnlite.tensor([[[1.0, 3.0], [5.0, 5.0]]]))
    tensor([[[-1.0000,  1.0000],
             [ 0.0000,  0.0000]]])
    """
    x = array_of("instance_norm", input)
    if x.ndim < 2:
        raise ValueError(f"instance_norm: expected the shape (N, C, …), got {list(x.shape)}")
    samples, channels = x.shape[:2]
    if use_input_stats and math.prod(x.shape[2:]) == 1:
        raise ValueError(
            "instance_norm: needs more than one value for each channel of a sample, got the shape "
            f"{list(x.shape)}"
        )
    fits(
        "instance_norm", (channels,),
        {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias},
        "the channels",
    )  # fmt: skip
    gamma, beta = (
        None if t is None else reshape(broadcast_to(unsqueeze(t, 0), (samples, channels)), -1)
        for t in (weight, bias)
    )
    running = [
        None if t is None else wrap(np.tile(t.array, samples)) for t in (running_mean, running_var)
    ]
    y = batch_norm(
        reshape(input, 1, samples * channels, *x.shape[2:]), running[0], running[1], gamma, beta,
        use_input_stats, momentum, eps,
    )  # fmt: skip
    if use_input_stats and samples:
        for kept, moved in zip((running_mean, running_var), running):
            if kept is not None and moved is not None:
                kept.array[...] = moved.array.reshape(samples, channels).mean(axis=0)
                note_write(kept.array, "the update of running statistics in instance_norm")
    return reshape(y, *x.shape)
