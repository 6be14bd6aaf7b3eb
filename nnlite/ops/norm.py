"""Normalisation: of batches, layers, groups of channels, instances; by the root mean square.

They differ in the axes of the mean and variance and in the shape of γ and β; the rest is shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.mutation import note_write
from nnlite.autograd.node import Node, record
from nnlite.ops.layout import channel_sums, per_channel
from nnlite.ops.operands import Array, array_of, float_array
from nnlite.ops.shape import broadcast_to, reshape, unsqueeze
from nnlite.tensor import Tensor, wrap

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]

Axes = tuple[int, ...]


def _standard(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """x̂, with mean 0 and variance 1 over ``axes``, and r = 1/√(σ² + ε)."""
    centred = x - x.mean(axis=axes, keepdims=True)
    r = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    return centred * r, r


def _through(g: Array, normed: Array, r: Array, axes: Axes) -> Array:
    """The gradient of x, given that of x̂:   ∂x = r (g - mean(g) - x̂ mean(g x̂))"""
    inner = g - g.mean(axis=axes, keepdims=True)
    return (inner - normed * (g * normed).mean(axis=axes, keepdims=True)) * r


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
            normed, r = _standard(x, axes, eps)
        else:
            r = 1 / np.sqrt(running_var.reshape(along) + eps)
            normed = (x - running_mean.reshape(along)) * r
        grad_x = None
        if to_x:
            inner = g if weight is None else g * weight.reshape(along)
            grad_x = _through(inner, normed, r, axes) if training else inner * r
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


def _sum(g: Array, axes: Axes) -> Array:
    """The sum over ``axes``, of which there may be none."""
    return g.sum(axis=axes) if axes else g


def _affine(y: Array, weight: Tensor | None, bias: Tensor | None, along: tuple[int, ...]) -> None:
    """y ← γ y + β, in place."""
    if weight is not None:
        y *= weight.array.reshape(along)
    if bias is not None:
        y += bias.array.reshape(along)


def _fits(function: str, shape: tuple[int, ...], given: dict[str, Tensor | None], why: str) -> None:
    """Raise when one of the tensors has another shape."""
    for label, value in given.items():
        if value is not None and array_of(function, value).shape != shape:
            raise RuntimeError(
                f"{function}: {label} needs the shape {list(shape)} ({why}), got "
                f"{list(value.array.shape)}"
            )


# ---- over the last dimensions -------------------------------------------------------------------


class NativeLayerNormBackward0(Node):
    """y = γ x̂ + β,  x̂ = (x - μ) r over the last dimensions:   ∂β = Σ g,   ∂γ = Σ g x̂,
    ∂x = r (γ g - mean(γ g) - x̂ mean(γ g x̂))"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, weight = self.saved
        to_x, to_weight, to_bias = self.edges
        dims, eps = self.meta
        axes = tuple(range(x.ndim - dims, x.ndim))
        lead = tuple(range(x.ndim - dims))
        normed: Any = None
        r = grad_x = None
        if to_x or to_weight:
            normed, r = _standard(x, axes, eps)
        if to_x:
            grad_x = _through(g if weight is None else g * weight, normed, r, axes)
        return (
            grad_x,
            _sum(g * normed, lead) if to_weight else None,
            _sum(g, lead) if to_bias else None,
        )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each sample brought to mean 0 and variance 1 over its last dimensions, scaled and shifted.

    Source: Ba, Kiros and Hinton 2016, "Layer Normalization", arXiv:1607.06450.

    Args:
        input: shape (…, *normalized_shape).
        normalized_shape: the sizes of the last dimensions.
        weight, bias: γ and β, of that shape.
        eps: added to the variance.

    Raises:
        RuntimeError: when the shapes do not fit.

    >>> import nnlite
    >>> nnlite.nn.functional.layer_norm(nnlite.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    x, axes, shape = _last(input, "layer_norm", normalized_shape)
    _fits("layer_norm", shape, {"weight": weight, "bias": bias}, "normalized_shape")
    y, _ = _standard(x, axes, eps)
    _affine(y, weight, bias, shape)
    edges = (
        input._node,
        None if weight is None else weight._node,
        None if bias is None else bias._node,
    )
    saved = (x, None if weight is None else weight.array)
    return record(y, NativeLayerNormBackward0, edges, saved, (len(shape), eps))


def _last(
    input: Tensor, function: str, normalized_shape: Sequence[int]
) -> tuple[Array, Axes, tuple[int, ...]]:
    """The array, its last axes, and their sizes, which must be the given ones."""
    x = array_of(function, input)
    shape = tuple(normalized_shape)
    if not shape or x.dtype.kind != "f" or x.shape[x.ndim - len(shape) :] != shape:
        raise RuntimeError(
            f"{function}: normalized_shape {list(shape)} must be the last sizes of a floating "
            f"point input, got {x.dtype} of shape {list(x.shape)}"
        )
    return x, tuple(range(x.ndim - len(shape), x.ndim)), shape


class RmsNormBackward0(Node):
    """y = γ x̂,  x̂ = x r,  r = 1/√(mean(x²) + ε):   ∂γ = Σ g x̂,   ∂x = r (γ g - x̂ mean(γ g x̂))"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, weight = self.saved
        to_x, to_weight = self.edges
        dims, eps = self.meta
        axes = tuple(range(x.ndim - dims, x.ndim))
        r = 1 / np.sqrt((x * x).mean(axis=axes, keepdims=True) + eps)
        normed = x * r
        grad_x = None
        if to_x:
            inner = g if weight is None else g * weight
            grad_x = (inner - normed * (inner * normed).mean(axis=axes, keepdims=True)) * r
        lead = tuple(range(x.ndim - dims))
        return grad_x, _sum(g * normed, lead) if to_weight else None

    def name(self) -> str:
        return "MulBackward0"  # torch composes it of single operations


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Each sample divided by its root mean square over the last dimensions, then scaled.

    Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467.

    Args:
        input: shape (…, *normalized_shape).
        normalized_shape: the sizes of the last dimensions.
        weight: γ, of that shape.
        eps: added to the mean square; default: the machine epsilon of the dtype.

    Raises:
        RuntimeError: when the shapes do not fit.

    >>> import nnlite
    >>> nnlite.nn.functional.rms_norm(nnlite.tensor([[1.0, 7.0]]), (2,))
    tensor([[0.2000, 1.4000]])
    """
    x, axes, shape = _last(input, "rms_norm", normalized_shape)
    _fits("rms_norm", shape, {"weight": weight}, "normalized_shape")
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    y = x * (1 / np.sqrt((x * x).mean(axis=axes, keepdims=True) + eps))
    _affine(y, weight, None, shape)
    edges = (input._node, None if weight is None else weight._node)
    saved = (x, None if weight is None else weight.array)
    return record(y, RmsNormBackward0, edges, saved, (len(shape), eps))


# ---- over groups of channels --------------------------------------------------------------------


class NativeGroupNormBackward0(Node):
    """y = γ x̂ + β,  x̂ = (x - μ) r over groups of channels:   ∂β = Σ g,   ∂γ = Σ g x̂,
    ∂x = r (γ g - mean(γ g) - x̂ mean(γ g x̂))"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, weight = self.saved
        to_x, to_weight, to_bias = self.edges
        groups, eps = self.meta
        axes = (0, *range(2, x.ndim))
        normed: Any = None
        r = grad_x = None
        if to_x or to_weight:
            normed, r = _standard(_grouped(x, groups), (2,), eps)
        if to_x:
            inner = g if weight is None else g * weight.reshape(1, -1, *(1,) * (x.ndim - 2))
            grad_x = _through(_grouped(inner, groups), normed, r, (2,)).reshape(x.shape)
        return (
            grad_x,
            (g * normed.reshape(x.shape)).sum(axis=axes) if to_weight else None,
            g.sum(axis=axes) if to_bias else None,
        )


def _grouped(x: Array, groups: int) -> Array:
    """(N, C, …) as (N, groups, elements of a group)."""
    return x.reshape(x.shape[0], groups, math.prod(x.shape[1:]) // groups)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each group of channels of each sample brought to mean 0 and variance 1, scaled and shifted.

    Source: Wu and He 2018, "Group Normalization", arXiv:1803.08494.

    Args:
        input: shape (N, C, …).
        num_groups: into how many groups of equal size the channels are split.
        weight, bias: γ and β of each channel, shape (C,).
        eps: added to the variance.

    Raises:
        RuntimeError: when the shapes do not fit, or the channels cannot be split evenly.

    >>> import nnlite
    >>> nnlite.nn.functional.group_norm(nnlite.tensor([[1.0, 3.0, 5.0, 5.0]]), 2)
    tensor([[-1.0000,  1.0000,  0.0000,  0.0000]])
    """
    x = array_of("group_norm", input)
    if x.ndim < 2 or x.dtype.kind != "f" or num_groups < 1 or x.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm: expected floating point values of shape (N, C, …) with C divisible by "
            f"num_groups {num_groups}, got {x.dtype} of shape {list(x.shape)}"
        )
    channels = x.shape[1]
    _fits("group_norm", (channels,), {"weight": weight, "bias": bias}, "the channels")
    normed, _ = _standard(_grouped(x, num_groups), (2,), eps)
    y = normed.reshape(x.shape)
    _affine(y, weight, bias, (1, channels) + (1,) * (x.ndim - 2))
    edges = (
        input._node,
        None if weight is None else weight._node,
        None if bias is None else bias._node,
    )
    saved = (x, None if weight is None else weight.array)
    return record(y, NativeGroupNormBackward0, edges, saved, (num_groups, eps))


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
    _fits(
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
