"""Activation functions, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.exponential import normal_cdf, normal_density
from nnlite.ops.operands import Array, array_of, float_array
from nnlite.tensor import Tensor


def _in_place(function: str, operator: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """``operator(input, *args)``, its result written into ``input``."""
    from nnlite.ops.inplace import _take_over, claim  # which need the operators of this file

    records = claim(function, input)
    return _take_over(input, function, operator(input, *args), records)


class SigmoidBackward0(Node):
    """y = σ(x) = 1 / (1 + e⁻ˣ):   ∂x = g y (1 - y)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (y * (1 - y)),)


def sigmoid_of(x: Any, e: Array | None = None) -> Any:
    """σ(x) of an array, or of a tensor (when a derivative that reads it is differentiated again).

    Without overflow: e = e^-|x| lies in (0, 1]; σ(x) is 1 / (1 + e) for x ≥ 0, else e / (1 + e).
    """
    if isinstance(x, Tensor):
        return sigmoid(x)
    if e is None:
        e = np.exp(-np.absolute(x))
    return np.exp(np.minimum(x, 0)) / (1 + e)


def softplus_of(x: Any, e: Array | None = None) -> Any:
    """ln(1 + eˣ) of an array, or of a tensor; e = e^-|x| as in ``sigmoid_of``."""
    if isinstance(x, Tensor):
        return softplus(x, threshold=math.inf)
    if e is None:
        e = np.exp(-np.absolute(x))
    return np.maximum(x, 0) + np.log1p(e)


def sigmoid(input: Tensor) -> Tensor:
    """The logistic function 1 / (1 + e⁻ˣ).

    >>> import nnlite
    >>> nnlite.sigmoid(nnlite.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    y = sigmoid_of(float_array("sigmoid", input))
    return record(y, SigmoidBackward0, (input._node,), (y,))


class ReluBackward0(Node):
    """y = max(x, 0):   ∂x = g [y > 0]"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (y > 0),)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.relu(nnlite.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if inplace:
        return _in_place("relu_", relu, input)
    y = np.maximum(array_of("relu", input), 0)
    return record(y, ReluBackward0, (input._node,), (y,))


class LeakyReluBackward0(Node):
    """y = x if x > 0 else s x:   ∂x = g (1 if x > 0 else s)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (np.where(x > 0, g, g * self.meta),)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``negative_slope * input`` elsewhere.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.leaky_relu(nnlite.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    if inplace:
        return _in_place("leaky_relu_", leaky_relu, input, negative_slope)
    x = float_array("leaky_relu", input)
    slope = float(negative_slope)
    return record(np.where(x > 0, x, x * slope), LeakyReluBackward0, (input._node,), (x,), slope)


_TANH_SCALE = math.sqrt(2 / math.pi)
_TANH_CUBIC = 0.044715


class GeluBackward0(Node):
    """y = x Φ(x):   ∂x = g (Φ(x) + x φ(x)),   Φ and φ: distribution and density of N(0, 1)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        if self.meta == "tanh":
            # y = x (1 + t) / 2 with t = tanh(u), u = √(2/π) (x + c x³)
            t = np.tanh(_TANH_SCALE * (x + _TANH_CUBIC * (x * x * x)))
            slope = _TANH_SCALE * (1 + 3 * _TANH_CUBIC * (x * x))
            return (g * (0.5 * (1 + t) + 0.5 * x * ((1 - t * t) * slope)),)
        return (g * (normal_cdf(x) + x * normal_density(x)),)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """The Gaussian error linear unit x Φ(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415).

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the paper's approximation, which is faster.

    >>> import nnlite
    >>> nnlite.nn.functional.gelu(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    x = float_array("gelu", input)
    if approximate == "tanh":
        y = 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBIC * (x * x * x))))
    else:
        y = x * normal_cdf(x)
    return record(y, GeluBackward0, (input._node,), (x,), approximate)


class SoftplusBackward0(Node):
    """y = ln(1 + e^(βx)) / β:   ∂x = g σ(βx)   (g where βx > threshold)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        beta, threshold = self.meta
        z = x * beta
        return (g * np.where(z > threshold, 1.0, sigmoid_of(z)),)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``, a smooth ReLU; linear above ``threshold / beta``.

    >>> import nnlite
    >>> nnlite.nn.functional.softplus(nnlite.tensor([0.0, 30.0]))
    tensor([ 0.6931, 30.0000])
    """
    x = float_array("softplus", input)
    beta, threshold = float(beta), float(threshold)
    z = x * beta
    smooth = softplus_of(z) / beta
    y = np.where(z > threshold, x, smooth)
    return record(y, SoftplusBackward0, (input._node,), (x,), (beta, threshold))
