"""Activation functions, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.arithmetic import abs, add, div, sub
from nnlite.ops.exponential import normal_cdf, normal_density, sigmoid_of
from nnlite.ops.operands import Array, array_of, float_array, kept, number, unbroadcast
from nnlite.ops.shape import reshape
from nnlite.ops.trigonometric import tanh
from nnlite.tensor import Tensor


def _in_place(function: str, operator: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
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
        return (kept(g, y != number(0, y)),)


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
    """y = x if x > 0 else s x, written over x:   ∂x = g (1 if x > 0 else s)"""

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
        return _in_place("leaky_relu_", _leaky_relu, input, negative_slope, LeakyReluBackward1)
    return _leaky_relu(input, negative_slope, LeakyReluBackward0)


def _leaky_relu(input: Tensor, negative_slope: float, node: type[Node]) -> Tensor:
    x = float_array("leaky_relu", input)
    slope = float(negative_slope)
    return record(np.where(x > 0, x, x * slope), node, (input._node,), (x,), slope)


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
    """y = s x if x > 0 else s a (e^(cx) - 1), written over x:   ∂x = g (s or s a c e^(cx))"""

    __slots__ = ()


class CeluBackward1(EluBackward0):
    """y = x if x > 0 else a (e^(x/a) - 1), written over x:   ∂x = g (1 or e^(x/a))"""

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
        return _in_place("elu_", _elu, input, alpha, 1.0, 1.0, EluBackward1)
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
        return _in_place("celu_", _elu, input, alpha, 1.0, 1 / alpha, CeluBackward1)
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
        return _in_place("selu_", _elu, input, _SELU_ALPHA, _SELU_SCALE, 1.0, EluBackward1)
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
        return _in_place("silu_", silu, input)
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
        return _in_place("mish_", mish, input)
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


# ---- in pieces of straight lines ----------------------------------------------------------------


class HardtanhBackward0(Node):
    """y = min(max(x, lo), hi):   ∂x = g [lo < x < hi]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        low, high = self.meta
        return (kept(g, (x > low) & (x < high)),)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``input`` limited to [``min_val``, ``max_val``]; at the bounds the derivative is 0.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.hardtanh(nnlite.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is larger than max_val {max_val}")
    if inplace:
        return _in_place("hardtanh_", hardtanh, input, min_val, max_val)
    x = float_array("hardtanh", input)
    y = np.minimum(np.maximum(x, min_val), max_val)
    return record(y, HardtanhBackward0, (input._node,), (x,), (min_val, max_val))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``input`` limited to [0, 6].

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.relu6(nnlite.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


class HardsigmoidBackward0(Node):
    """y = min(max(x + 3, 0), 6) / 6:   ∂x = g / 6 [-3 < x < 3]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (kept(g / 6, (x > -3) & (x < 3)),)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """The sigmoid in three straight pieces: 0 up to -3, ``input / 6 + 1/2``, 1 from 3.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.hardsigmoid(nnlite.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    if inplace:
        return _in_place("hardsigmoid_", hardsigmoid, input)
    x = float_array("hardsigmoid", input)
    y = np.minimum(np.maximum(x + 3, 0), 6) / 6
    return record(y, HardsigmoidBackward0, (input._node,), (x,))


class HardswishBackward0(Node):
    """y = x min(max(x + 3, 0), 6) / 6:   ∂x = g (0 if x ≤ -3, 1 if x ≥ 3, else x/3 + 1/2)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (kept(g * np.where(x >= 3, 1, x / 3 + 0.5), ~(x <= -3)),)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)``.

    Source: Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.nn.functional.hardswish(nnlite.tensor([1.0, 4.0]))
    tensor([0.6667, 4.0000])
    """
    if inplace:
        return _in_place("hardswish_", hardswish, input)
    x = float_array("hardswish", input)
    y = x * np.minimum(np.maximum(x + 3, 0), 6) / 6
    return record(y, HardswishBackward0, (input._node,), (x,))


class PreluKernelBackward0(Node):
    """y = x if x > 0 else w x:   ∂x = g (1 if x > 0 else w),   ∂w = Σ g x [x ≤ 0]"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, w = self.saved
        to_x, to_w = self.edges
        positive = x > 0
        return (
            np.where(positive, g, g * w) if to_x else None,
            unbroadcast(np.where(positive, 0, g * x), w.shape) if to_w else None,
        )


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``leaky_relu`` with a slope that is learnt, one for all or one for each channel.

    Source: He et al. 2015, "Delving Deep into Rectifiers", arXiv:1502.01852.

    Args:
        input: shape (…,), or (N, C, …) for a weight for each channel.
        weight: 0-d, shape (1,) or (C,).

    >>> import nnlite
    >>> nnlite.prelu(nnlite.tensor([-1.0, 2.0]), nnlite.tensor([0.25]))
    tensor([-0.2500,  2.0000])
    """
    x, w = array_of("prelu", input), array_of("prelu", weight)
    if x.dtype != w.dtype or x.dtype.kind != "f":
        raise RuntimeError(f"prelu: needs floats of one dtype, got {x.dtype} and {w.dtype}")
    if w.size != 1:
        channels = x.shape[1] if x.ndim > 1 else 1
        if w.ndim > 1 or w.size != channels:
            raise RuntimeError(
                f"prelu: weight must hold 1 element or one for each of {channels} channels, got "
                f"the shape {list(w.shape)}"
            )
        if x.ndim > 2:
            weight = reshape(weight, -1, *(1,) * (x.ndim - 2))
    elif x.ndim == 0:
        weight = reshape(weight, ())
    w = weight.array
    y = np.where(x > 0, x, w * x)
    return record(y, PreluKernelBackward0, (input._node, weight._node), (x, w))


class SoftshrinkBackward0(Node):
    """y = x - λ if x > λ, x + λ if x < -λ, else 0:   ∂x = g [|x| > λ]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (kept(g, (x < -self.meta) | (x > self.meta)),)


class HardshrinkBackward0(SoftshrinkBackward0):
    """y = x if |x| > λ, else 0:   ∂x = g [|x| > λ]"""

    __slots__ = ()


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``, 0 where it is smaller than that.

    >>> import nnlite
    >>> nnlite.nn.functional.softshrink(nnlite.tensor([-2.0, 0.25]))
    tensor([-1.5000,  0.0000])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambd must not be negative, got {lambd}")
    x = float_array("softshrink", input)
    y = x - np.minimum(np.maximum(x, -lambd), lambd)
    return record(y, SoftshrinkBackward0, (input._node,), (x,), lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` where its absolute value is larger than ``lambd``, 0 elsewhere.

    >>> import nnlite
    >>> nnlite.nn.functional.hardshrink(nnlite.tensor([-2.0, 0.25]))
    tensor([-2.,  0.])
    """
    x = float_array("hardshrink", input)
    y = np.where((x >= -lambd) & (x <= lambd), 0, x)
    return record(y, HardshrinkBackward0, (input._node,), (x,), lambd)


class ThresholdBackward0(Node):
    """y = x if x > t else c:   ∂x = g [x > t]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (kept(g, ~(x <= self.meta)),)


class ThresholdBackward1(ThresholdBackward0):
    """y = x if x > t else c, written over x:   ∂x = g [x > t]"""

    __slots__ = ()


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where it is larger than ``threshold``, ``value`` elsewhere.

    Args:
        inplace: write the result into ``input`` too.

    >>> import nnlite
    >>> nnlite.threshold(nnlite.tensor([0.5, 2.0]), 1, 7)
    tensor([7., 2.])
    """
    if inplace:
        return _in_place("threshold_", _threshold, input, threshold, value, ThresholdBackward1)
    return _threshold(input, threshold, value)


def _threshold(
    input: Tensor, limit: float, value: float, node: type[Node] = ThresholdBackward0
) -> Tensor:
    x = array_of("threshold", input)
    y = np.where(x <= limit, np.asarray(value, dtype=x.dtype, like=x), x)
    return record(y, node, (input._node,), (x,), limit)


# ---- made from others ---------------------------------------------------------------------------


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``.

    >>> import nnlite
    >>> nnlite.nn.functional.softsign(nnlite.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return div(input, add(abs(input), 1))


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``.

    >>> import nnlite
    >>> nnlite.nn.functional.tanhshrink(nnlite.tensor([0.0, 2.0]))
    tensor([0.0000, 1.0360])
    """
    return sub(input, tanh(input))
