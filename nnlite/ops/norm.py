"""Normalisation of each sample: over its last dimensions, over groups of its channels.

They differ in the axes of the mean and variance and in the shape of γ and β; the rest is shared,
with ``batch_norm.py`` too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor

__all__ = ["group_norm", "layer_norm", "rms_norm"]

Axes = tuple[int, ...]


def standard(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """x̂, with mean 0 and variance 1 over ``axes``, and r = 1/√(σ² + ε)."""
    centred = x - x.mean(axis=axes, keepdims=True)
    r = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    return centred * r, r


def through(g: Array, normed: Array, r: Array, axes: Axes) -> Array:
    """The gradient of x, given that of x̂:   ∂x = r (g - mean(g) - x̂ mean(g x̂))"""
    inner = g - g.mean(axis=axes, keepdims=True)
    return (inner - normed * (g * normed).mean(axis=axes, keepdims=True)) * r


def _sum(g: Array, axes: Axes) -> Array:
    """The sum over ``axes``, of which there may be none."""
    return g.sum(axis=axes) if axes else g


def _affine(y: Array, weight: Tensor | None, bias: Tensor | None, along: tuple[int, ...]) -> None:
    """y ← γ y + β, in place."""
    if weight is not None:
        y *= weight.array.reshape(along)
    if bias is not None:
        y += bias.array.reshape(along)


def fits(function: str, shape: tuple[int, ...], given: dict[str, Tensor | None], why: str) -> None:
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
            normed, r = standard(x, axes, eps)
        if to_x:
            grad_x = through(g if weight is None else g * weight, normed, r, axes)
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
    fits("layer_norm", shape, {"weight": weight, "bias": bias}, "normalized_shape")
    y, _ = standard(x, axes, eps)
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
    fits("rms_norm", shape, {"weight": weight}, "normalized_shape")
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
            normed, r = standard(_grouped(x, groups), (2,), eps)
        if to_x:
            inner = g if weight is None else g * weight.reshape(1, -1, *(1,) * (x.ndim - 2))
            grad_x = through(_grouped(inner, groups), normed, r, (2,)).reshape(x.shape)
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
    fits("group_norm", (channels,), {"weight": weight, "bias": bias}, "the channels")
    normed, _ = standard(_grouped(x, num_groups), (2,), eps)
    y = normed.reshape(x.shape)
    _affine(y, weight, bias, (1, channels) + (1,) * (x.ndim - 2))
    edges = (
        input._node,
        None if weight is None else weight._node,
        None if bias is None else bias._node,
    )
    saved = (x, None if weight is None else weight.array)
    return record(y, NativeGroupNormBackward0, edges, saved, (num_groups, eps))
