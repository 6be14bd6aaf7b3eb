"""Activation functions, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.exponential import normal_cdf, normal_density, sigmoid_of
from nnlite.ops.operands import LARGE, Array, array_of, float_array, in_blocks, kept, number
from nnlite.tensor import Tensor, is_replayed, ndarray


def in_place(function: str, operator: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """``operator(input, *args)``, its result written into ``input``."""
    from nnlite.ops.inplace import _take_over, claim  # which need the operators of this file

    records = claim(function, input)
    return _take_over(input, function, operator(input, *args), records)


def softplus_of(x: Any, e: Array | None = None) -> Any:
    """ln(1 + eˣ) of an array, or of a tensor; e = e^-|x| as in ``sigmoid_of``."""
    if isinstance(x, Tensor):
        return softplus(x, threshold=math.inf)
    if e is None:
        e = np.exp(-np.absolute(x))
    return np.maximum(x, 0) + np.log1p(e)


class ReluBackward0(Node):
    """y = max(x, 0):   ∂x = g [y > 0]"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        mask = y != number(0, y)
        if (type(y) is ndarray or is_replayed(y)) and y.size <= LARGE:
            product = g * mask  # half the time of kept, but ∞ · 0 is NaN: looked for
            flat = product.ravel()
            if flat.dot(flat) < math.inf:
                return (product,)
        return (kept(g, mask),)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``; the derivative at 0 is 0.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.relu(nnlite.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if inplace:
        return in_place("relu_", relu, input)
    x = array_of("relu", input)
    y = np.maximum(x, number(0, x))
    return record(y, ReluBackward0, (input._node,), (y,))


class LeakyReluBackward0(Node):
    """y = x if x > 0 else s x:   ∂x = g (1 if x > 0 else s)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (np.where(x > 0, g, g * self.meta),)


class LeakyReluBackward1(LeakyReluBackward0):
    """y = x if x > 0 else s x, in place:   ∂x = g (1 if x > 0 else s)"""

    __slots__ = ()


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``negative_slope * input`` elsewhere.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.leaky_relu(nnlite.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    if inplace:
        return in_place("leaky_relu_", _leaky_relu, input, negative_slope, LeakyReluBackward1)
    return _leaky_relu(input, negative_slope, LeakyReluBackward0)


def _leaky_relu(input: Tensor, negative_slope: float, node: type[Node]) -> Tensor:
    x = float_array("leaky_relu", input)
    slope = float(negative_slope)
    return record(np.where(x > 0, x, x * slope), node, (input._node,), (x,), slope)


_TANH_SCALE = math.sqrt(2 / math.pi)
_TANH_CUBIC = 0.044715


class GeluBackward0(Node):
    """y = x Φ(x):   ∂x = g (Φ(x) + x φ(x));   Φ and φ: distribution and density of N(0, 1)"""

    __slots__ = ()
    lifts = (0, "cache")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, cdf = self.saved
        if self.meta == "tanh":
            return (in_blocks(_tanh_gelu_backward, g, x),)
        return (in_blocks(_gelu_backward, g, x, normal_cdf(x) if cdf is None else cdf),)


def _gelu_backward(g: Array, x: Array, cdf: Array) -> Array:
    return g * (cdf + x * normal_density(x))


def _tanh_gelu_backward(g: Array, x: Array) -> Array:
    # y = x (1 + t) / 2 with t = tanh(u), u = √(2/π) (x + c x³)
    t = np.tanh(_TANH_SCALE * (x + _TANH_CUBIC * (x * x * x)))
    slope = _TANH_SCALE * (1 + 3 * _TANH_CUBIC * (x * x))
    return g * (0.5 * (1 + t) + 0.5 * x * ((1 - t * t) * slope))


def _tanh_gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBIC * (x * x * x))))


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
    cdf = None
    if approximate == "tanh":
        y = in_blocks(_tanh_gelu, x)
    else:
        cdf = normal_cdf(x)
        y = x * cdf
    return record(y, GeluBackward0, (input._node,), (x, cdf), approximate)


class SoftplusBackward0(Node):
    """y = x if βx > t else ln(1 + e^(βx)) / β:   ∂x = g (1 if βx > t else σ(βx))"""

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


class EluBackward0(Node):
    """y = s x if x > 0 else s a (e^(cx) - 1):   ∂x = g (s if x > 0 else s a c e^(cx))"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        alpha, scale, rate = self.meta
        positive = x > 0
        below = np.exp(np.where(x < 0, x, 0) * rate)  # at 0 torch takes its derivative as 0
        return (g * np.where(positive, scale, below * (scale * alpha * rate)),)


class CeluBackward0(EluBackward0):
    """y = x if x > 0 else a (e^(x/a) - 1):   ∂x = g (1 if x > 0 else e^(x/a))"""

    __slots__ = ()


class EluBackward1(EluBackward0):
    """y = s x if x > 0 else s a (e^(cx) - 1), in place:   ∂x = g (s if x > 0 else s a c e^(cx))"""

    __slots__ = ()


class CeluBackward1(EluBackward0):
    """y = x if x > 0 else a (e^(x/a) - 1), in place:   ∂x = g (1 if x > 0 else e^(x/a))"""

    __slots__ = ()


def _elu(
    input: Tensor, alpha: float, scale: float, rate: float, node: type[Node] = EluBackward0
) -> Tensor:
    x = float_array("elu", input)
    y = np.where(x > 0, x * scale, np.expm1(np.minimum(x, 0) * rate) * (scale * alpha))
    return record(y, node, (input._node,), (x,), (alpha, scale, rate))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Source: Clevert, Unterthiner and Hochreiter 2015, arXiv:1511.07289.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.elu(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    if inplace:
        return in_place("elu_", _elu, input, alpha, 1.0, 1.0, EluBackward1)
    return _elu(input, alpha, 1.0, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere; smooth at 0.

    Source: Barron 2017, arXiv:1704.07483.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.celu(nnlite.tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0")
    if inplace:
        return in_place("celu_", _elu, input, alpha, 1.0, 1 / alpha, CeluBackward1)
    return _elu(input, alpha, 1.0, 1 / alpha, CeluBackward0)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` with the scale and alpha that keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer et al. 2017, "Self-Normalizing Neural Networks", arXiv:1706.02515.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.selu(nnlite.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    if inplace:
        return in_place("selu_", _elu, input, _SELU_ALPHA, _SELU_SCALE, 1.0, EluBackward1)
    return _elu(input, _SELU_ALPHA, _SELU_SCALE, 1.0)


class SiluBackward0(Node):
    """y = x σ(x):   ∂x = g σ(x) (1 + x (1 - σ(x)))"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        s = sigmoid_of(x)
        return (g * (s * (1 + x * (1 - s))),)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also called swish.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.silu(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    if inplace:
        return in_place("silu_", silu, input)
    x = float_array("silu", input)
    return record(x * sigmoid_of(x), SiluBackward0, (input._node,), (x,))


class MishBackward0(Node):
    """y = x t,  t = tanh(ln(1 + eˣ)):   ∂x = g (t + x σ(x) (1 - t²))"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        t = np.tanh(softplus_of(x))
        return (g * (t + x * sigmoid_of(x) * (1 - t * t)),)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``.

    Source: Misra 2019, arXiv:1908.08681.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.mish(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    if inplace:
        return in_place("mish_", mish, input)
    x = float_array("mish", input)
    return record(x * np.tanh(softplus_of(x)), MishBackward0, (input._node,), (x,))


class LogSigmoidBackward0(Node):
    """y = ln σ(x):   ∂x = g σ(-x)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * sigmoid_of(-x),)


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))`` without its rounding to log(0).

    >>> import nnlite
    >>> nnlite.nn.functional.logsigmoid(nnlite.tensor([-100.0, 2.0]))
    tensor([-100.0000,   -0.1269])
    """
    x = float_array("logsigmoid", input)
    return record(-softplus_of(-x), LogSigmoidBackward0, (input._node,), (x,))


class GluBackward0(Node):
    """y = a σ(b), a and b the halves of x:   ∂a = g σ(b),   ∂b = g a σ(b) (1 - σ(b))"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        a, b = _halves(x, self.meta)
        s = sigmoid_of(b)
        return (np.concatenate((g * s, g * (a * (s * (1 - s)))), axis=self.meta),)


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    before, middle = (slice(None),) * dim, x.shape[dim] // 2
    return x[(*before, slice(None, middle))], x[(*before, slice(middle, None))]


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of ``input`` along ``dim``, times the sigmoid of the second.

    Source: Dauphin et al. 2016, "Gated Convolutional Networks", arXiv:1612.08083.

    Raises:
        RuntimeError: when the length along ``dim`` is odd.

    >>> import nnlite
    >>> nnlite.nn.functional.glu(nnlite.tensor([1.0, 0.0]))
    tensor([0.5000])
    """
    x = float_array("glu", input)
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(f"glu: dimension {dim} is out of range for {x.ndim} dimensions")
    dim %= x.ndim
    if x.shape[dim] % 2:
        raise RuntimeError(
            f"glu: the length along dimension {dim} must be even, shape {list(x.shape)}"
        )
    a, b = _halves(x, dim)
    return record(a * sigmoid_of(b), GluBackward0, (input._node,), (x,), dim)
