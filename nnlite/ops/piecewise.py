"""Activation functions that are made of pieces: straight lines, steps, and what joins them."""

from __future__ import annotations

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.activation import in_place
from nnlite.ops.arithmetic import abs, add, div, sub
from nnlite.ops.operands import Array, array_of, float_array, kept, unbroadcast
from nnlite.ops.shape import reshape
from nnlite.ops.trigonometric import tanh
from nnlite.tensor import Tensor


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
        return in_place("hardtanh_", hardtanh, input, min_val, max_val)
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
        return in_place("hardsigmoid_", hardsigmoid, input)
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
        return in_place("hardswish_", hardswish, input)
    x = float_array("hardswish", input)
    y = x * np.minimum(np.maximum(x + 3, 0), 6) / 6
    return record(y, HardswishBackward0, (input._node,), (x,))


class PreluKernelBackward0(Node):
    """y = x if x > 0 else w x:   ∂x = g (1 if x > 0 else w),   ∂w = g x [x ≤ 0]"""

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
    """y = x if x > t else c, in place:   ∂x = g [x > t]"""

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
        return in_place("threshold_", _threshold, input, threshold, value, ThresholdBackward1)
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
