"""Powers and roots, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.arithmetic import div, mul
from nnlite.ops.operands import Array, float_array, no_bools, operands, unbroadcast
from nnlite.tensor import Tensor


class PowBackward0(Node):
    """y = xⁿ:   ∂x = g n xⁿ⁻¹"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        n = self.meta
        if n == 0:
            return (np.zeros_like(g),)
        return (g * (n * _power(x, n - 1)),)


class PowBackward1(Node):
    """y = aᵇ:   ∂a = g b aᵇ⁻¹,   ∂b = g y ln a   (0 where a = 0 and b ≥ 0)"""

    __slots__ = ()
    lifts = (0, 1, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b, y = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        grad_a = grad_b = None
        if to_a:
            # Where b = 0 the factor b makes it 0, also for a = 0.
            slope = np.where(b == 0, 0.0, b * a ** np.where(b == 0, 1.0, b - 1))
            grad_a = unbroadcast(g * slope, shape_a)
        if to_b:
            flat = (a == 0) & (b >= 0)
            grad_b = unbroadcast(
                g * np.where(flat, 0.0, y * np.log(np.where(flat, 1.0, a))), shape_b
            )
        return grad_a, grad_b


class PowBackward2(Node):
    """y = cˣ:   ∂x = g y ln c   (0 where c = 0 and x ≥ 0)"""

    __slots__ = ()
    lifts = ("y", None)

    def backward(self, g: Array) -> tuple[Array, ...]:
        y, slope = self.saved
        c = self.meta
        if slope is not None:
            return (g * slope,)
        return (g * (y * (math.log(c) if c > 0 else math.nan)),)


def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``; one of them may be a Python number.

    >>> import nnlite
    >>> nnlite.pow(nnlite.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    a, b, edges, shapes = operands("pow", input, exponent)
    if not hasattr(b, "dtype"):
        no_bools("pow", a)
        if a.dtype.kind in "iu" and b < 0:
            raise ValueError("pow: integers to negative powers; convert first: tensor.float()")
        return record(_power(a, b), PowBackward0, edges[:1], (a,), b)
    if not hasattr(a, "dtype"):
        no_bools("pow", b)
        y = a**b
        slope = np.where(b >= 0, 0, -y) if a == 0 else None
        return record(y, PowBackward2, edges[1:], (y, slope), a)
    no_bools("pow", a, b)
    y = a**b
    return record(y, PowBackward1, edges, (a, b, y), shapes)


def _power(x: Array, n: float) -> Array:
    """xⁿ; small whole powers by multiplication, which is many times faster."""
    if n == 2:
        return x * x
    if n == 3:
        return x * x * x
    if n == -0.5:
        return 1 / np.sqrt(x)
    return x**n


def rpow(input: Tensor, base: Any) -> Tensor:
    """``base ** input``."""
    return pow(base, input)


def square(input: Tensor) -> Tensor:
    """``input ** 2``.

    >>> import nnlite
    >>> nnlite.square(nnlite.tensor([3.0]))
    tensor([9.])
    """
    return pow(input, 2)


class SqrtBackward0(Node):
    """y = √x:   ∂x = g / (2 y)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g / (2 * y),)


def sqrt(input: Tensor) -> Tensor:
    """The square root; NaN for negative numbers.

    >>> import nnlite
    >>> nnlite.sqrt(nnlite.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """
    y = np.sqrt(float_array("sqrt", input))
    return record(y, SqrtBackward0, (input._node,), (y,))


class RsqrtBackward0(Node):
    """y = 1/√x:   ∂x = -g y³ / 2"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (-0.5 * g * (y * y * y),)


def rsqrt(input: Tensor) -> Tensor:
    """One over the square root.

    >>> import nnlite
    >>> nnlite.rsqrt(nnlite.tensor([4.0]))
    tensor([0.5000])
    """
    y = 1 / np.sqrt(float_array("rsqrt", input))
    return record(y, RsqrtBackward0, (input._node,), (y,))


class ReciprocalBackward0(Node):
    """y = 1/x:   ∂x = -g y²"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (-g * (y * y),)


def reciprocal(input: Tensor) -> Tensor:
    """``1 / input``.

    >>> import nnlite
    >>> nnlite.reciprocal(nnlite.tensor([4.0]))
    tensor([0.2500])
    """
    y = 1 / float_array("reciprocal", input)
    return record(y, ReciprocalBackward0, (input._node,), (y,))


def rdiv(input: Tensor, other: Any) -> Tensor:
    """``other / input``."""
    if isinstance(other, Tensor) or hasattr(other, "__array_ufunc__"):
        return div(other, input)
    return mul(reciprocal(input), other)


class HypotBackward0(Node):
    """y = √(a² + b²):   ∂a = g a / y,   ∂b = g b / y"""

    __slots__ = ()
    lifts = (0, 1, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b, y = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g * (a / y), shape_a) if to_a else None,
            unbroadcast(g * (b / y), shape_b) if to_b else None,
        )


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """``sqrt(input² + other²)`` without overflow, with broadcasting.

    >>> import nnlite
    >>> nnlite.hypot(nnlite.tensor([3.0]), nnlite.tensor([4.0]))
    tensor([5.])
    """
    a, b, edges, shapes = operands("hypot", input, other)
    if a.dtype.kind != "f":
        raise RuntimeError(f"hypot: needs floats, got {a.dtype}; convert first: tensor.float()")
    y = np.hypot(a, b)
    return record(y, HypotBackward0, edges, (a, b, y), shapes)
