"""Elementwise operators: arithmetic, powers, exponentials, activations, comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import (
    Array,
    array_of,
    constant,
    float_array,
    operands,
    unbroadcast,
)
from nnlite.tensor import Tensor, wrap

# ---- arithmetic ---------------------------------------------------------------------------------


class AddBackward0(Node):
    """y = a + b:   ∂a = g,   ∂b = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        if self.meta is None:
            return g, g
        return unbroadcast(g, self.meta[0]), unbroadcast(g, self.meta[1])


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``, with broadcasting.

    >>> import nnlite
    >>> nnlite.add(nnlite.tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    a, b, edges, shapes = operands("add", input, other)
    return record(a + b, AddBackward0, edges, (), shapes)


class SubBackward0(Node):
    """y = a - b:   ∂a = g,   ∂b = -g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g, shape_a) if to_a else None,
            unbroadcast(-g, shape_b) if to_b else None,
        )


class RsubBackward1(SubBackward0):
    """y = c - x:   ∂x = -g"""

    __slots__ = ()


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``input - alpha * other``, with broadcasting.

    >>> import nnlite
    >>> nnlite.sub(nnlite.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    a, b, edges, shapes = operands("sub", input, other)
    if all(getattr(v, "dtype", np.float32) == np.bool_ for v in (a, b)):
        raise TypeError("sub: bool tensors cannot be subtracted; use logical_xor (^), or convert")
    return record(a - b, SubBackward0, edges, (), shapes)


def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input``.

    >>> import nnlite
    >>> nnlite.rsub(nnlite.tensor([1.0, 2.0]), 3)
    tensor([2., 1.])
    """
    if alpha != 1:
        input = mul(input, alpha)
    a, b, edges, shapes = operands("rsub", other, input)
    return record(a - b, RsubBackward1, edges, (), shapes)


class MulBackward0(Node):
    """y = a b:   ∂a = g b,   ∂b = g a"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g * b, shape_a) if to_a else None,
            unbroadcast(g * a, shape_b) if to_b else None,
        )


def mul(input: Any, other: Any) -> Tensor:
    """``input * other``, with broadcasting.

    >>> import nnlite
    >>> nnlite.mul(nnlite.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """
    a, b, edges, shapes = operands("mul", input, other)
    saved = (a if edges[1] else None, b if edges[0] else None)
    return record(a * b, MulBackward0, edges, saved, shapes)


class DivBackward0(Node):
    """y = a / b:   ∂a = g / b,   ∂b = -g a / b²"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g / b, shape_a) if to_a else None,
            unbroadcast(-g * ((a / b) / b), shape_b) if to_b else None,
        )


class DivBackward2(Node):
    """y = a / b, rounded:   ∂a = 0,   ∂b = 0"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return np.zeros_like(g, shape=shape_a), np.zeros_like(g, shape=shape_b)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """``input / other``, with broadcasting; integers give floats.

    Args:
        rounding_mode: None; ``"floor"`` or ``"trunc"`` round the quotient (its derivative is 0).

    >>> import nnlite
    >>> nnlite.div(nnlite.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    a, b, edges, shapes = operands("div", input, other)
    if rounding_mode is not None:
        if rounding_mode not in ("floor", "trunc"):
            raise ValueError(
                f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}"
            )
        _no_bools("div", a, b)
        y = np.floor_divide(a, b) if rounding_mode == "floor" else _trunc_divide(a, b)
        return record(y, DivBackward2, edges, (), shapes)
    if getattr(a, "dtype", getattr(b, "dtype", None)).kind != "f":  # type: ignore[union-attr]
        a, b = (v.astype(np.float32) if hasattr(v, "dtype") else v for v in (a, b))
    saved = (a if edges[1] else None, b if edges[1] or edges[0] else None)
    return record(a / b, DivBackward0, edges, saved, shapes)


def _no_bools(function: str, *values: Any) -> None:
    """Refuse bools, which NumPy would make small numbers of."""
    if all(getattr(value, "dtype", np.bool_) == np.bool_ for value in values):
        raise TypeError(f"{function}: not defined for bool tensors; convert first: tensor.int()")


def _trunc_divide(a: Array, b: Array) -> Array:
    quotient = np.trunc(a / b)
    return quotient.astype(a.dtype) if a.dtype.kind in "iu" else quotient


def floor_divide(input: Any, other: Any) -> Tensor:
    """The quotient rounded towards minus infinity, as Python's ``//``; its derivative is 0.

    >>> import nnlite
    >>> nnlite.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return div(input, other, rounding_mode="floor")


class RemainderBackward0(Node):
    """y = a mod c:   ∂a = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g,)


class RemainderBackward1(Node):
    """y = a mod b = a - b ⌊a/b⌋:   ∂a = g,   ∂b = -g ⌊a/b⌋"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (quotient,) = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g, shape_a) if to_a else None,
            unbroadcast(-g * quotient, shape_b) if to_b else None,
        )


def remainder(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of the divisor, as Python's ``%``.

    >>> import nnlite
    >>> nnlite.remainder(nnlite.tensor([5.0, -5.0]), 3)
    tensor([2., 1.])
    """
    a, b, edges, shapes = operands("remainder", input, other)
    _no_bools("remainder", a, b)
    y = np.remainder(a, b)
    if not hasattr(b, "dtype"):
        return record(y, RemainderBackward0, edges[:1])
    quotient = np.floor_divide(a, b) if edges[1] else None
    return record(y, RemainderBackward1, edges, (quotient,), shapes)


class NegBackward0(Node):
    """y = -x:   ∂x = -g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (-g,)


def neg(input: Tensor) -> Tensor:
    """``-input``.

    >>> import nnlite
    >>> nnlite.neg(nnlite.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return record(-array_of("neg", input), NegBackward0, (input._node,))


class AbsBackward0(Node):
    """y = |x|:   ∂x = g sign(x)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * np.sign(x),)


def abs(input: Tensor) -> Tensor:
    """The absolute value; the derivative at 0 is 0.

    >>> import nnlite
    >>> nnlite.abs(nnlite.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    a = array_of("abs", input)
    return record(np.absolute(a), AbsBackward0, (input._node,), (a,))


class SignBackward0(Node):
    """y = sign x:   ∂x = 0"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (np.zeros_like(g),)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1; its derivative is 0.

    >>> import nnlite
    >>> nnlite.sign(nnlite.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    a = array_of("sign", input)
    return record(a.copy() if a.dtype == np.bool_ else np.sign(a), SignBackward0, (input._node,))


# ---- powers -------------------------------------------------------------------------------------


class PowBackward0(Node):
    """y = xⁿ:   ∂x = g n xⁿ⁻¹"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        n = self.meta
        if n == 0:
            return (g * 0.0,)
        return (g * (n * x ** (n - 1)),)


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
            slope = b * a ** np.where(b == 0, 1.0, b - 1)
            grad_a = unbroadcast(g * slope, shape_a)
        if to_b:
            flat = (a == 0) & (b >= 0)
            grad_b = unbroadcast(
                g * np.where(flat, 0.0, y * np.log(np.where(flat, 1.0, a))), shape_b
            )
        return grad_a, grad_b


class PowBackward2(Node):
    """y = cˣ:   ∂x = g y ln c"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        c = self.meta
        return (g * y * math.log(c) if c > 0 else g * (0.0 if c == 0 else math.nan),)


def pow(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent``; one of them may be a Python number.

    >>> import nnlite
    >>> nnlite.pow(nnlite.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    a, b, edges, shapes = operands("pow", input, exponent)
    if not hasattr(b, "dtype"):
        if a.dtype.kind in "iu" and b < 0:
            raise ValueError("pow: integers to negative powers; convert first: tensor.float()")
        return record(_power(a, b), PowBackward0, edges[:1], (a,), b)
    if not hasattr(a, "dtype"):
        y = a**b
        return record(y, PowBackward2, edges[1:], (y,), a)
    _no_bools("pow", a, b)
    y = a**b
    return record(y, PowBackward1, edges, (a, b, y), shapes)


def _power(x: Array, n: float) -> Array:
    """xⁿ; small whole powers by multiplication, which is many times faster."""
    if n == 2:
        return x * x
    if n == 3:
        return x * x * x
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


# ---- exponentials and logarithms ----------------------------------------------------------------


class ExpBackward0(Node):
    """y = eˣ:   ∂x = g y"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * y,)


def exp(input: Tensor) -> Tensor:
    """e to the power of ``input``.

    >>> import nnlite
    >>> nnlite.exp(nnlite.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """
    y = np.exp(float_array("exp", input))
    return record(y, ExpBackward0, (input._node,), (y,))


class Expm1Backward0(Node):
    """y = eˣ - 1:   ∂x = g (y + 1)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (y + 1),)


def expm1(input: Tensor) -> Tensor:
    """``exp(input) - 1``, exact for small inputs.

    >>> import nnlite
    >>> nnlite.expm1(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """
    y = np.expm1(float_array("expm1", input))
    return record(y, Expm1Backward0, (input._node,), (y,))


class LogBackward0(Node):
    """y = ln x:   ∂x = g / x"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / x,)


def log(input: Tensor) -> Tensor:
    """The natural logarithm; -inf at 0, NaN below.

    >>> import nnlite
    >>> nnlite.log(nnlite.tensor([1.0, 10.0]))
    tensor([0.0000, 2.3026])
    """
    a = float_array("log", input)
    return record(np.log(a), LogBackward0, (input._node,), (a,))


class Log1PBackward0(Node):
    """y = ln(1 + x):   ∂x = g / (1 + x)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / (x + 1),)


def log1p(input: Tensor) -> Tensor:
    """``log(1 + input)``, exact for small inputs.

    >>> import nnlite
    >>> nnlite.log1p(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    a = float_array("log1p", input)
    return record(np.log1p(a), Log1PBackward0, (input._node,), (a,))


# ---- activations --------------------------------------------------------------------------------


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


class TanhBackward0(Node):
    """y = tanh x:   ∂x = g (1 - y²)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (1 - y * y),)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent.

    >>> import nnlite
    >>> nnlite.tanh(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    y = np.tanh(float_array("tanh", input))
    return record(y, TanhBackward0, (input._node,), (y,))


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


_SQRT_HALF = math.sqrt(0.5)
_DENSITY_0 = 1 / math.sqrt(2 * math.pi)
_TANH_SCALE = math.sqrt(2 / math.pi)
_TANH_CUBIC = 0.044715
# k and the coefficients of ``normal_cdf``, for float32 (and smaller) and for float64.
_CDF_SINGLE = (0.3, (
    0.22197061338395965, 0.16457954685834966, 0.08654966967369, 0.027759077040442694,
    0.001816763075889976, -0.002416392570731826, -0.0005740814506512172, 0.0002653205780534929,
    8.725423553981113e-05, -2.889905542654833e-05, -8.877314092735577e-06,
))  # fmt: skip
_CDF_DOUBLE = (0.25, (
    0.18882128260393766, 0.15197416049296683, 0.09678435018560537, 0.046630464490363635,
    0.01509914372064161, 0.001885047232093465, -0.0008699230587644089, -0.00040770452103870713,
    3.333580910230286e-05, 5.7773238207402836e-05, -4.757841315873594e-07, -8.784612897115495e-06,
    1.753490805582972e-07, 1.4770563825482852e-06, -1.500712185547757e-07, -2.519962993466671e-07,
    5.87823619882722e-08, 3.678607298879385e-08, -1.4181378066017802e-08, -3.2160311094178116e-09,
    1.6949424063991744e-09,
))  # fmt: skip


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
        density = _DENSITY_0 * np.exp(-0.5 * (x * x))
        return (g * (normal_cdf(x) + x * density),)


class NormalCdfBackward(Node):
    """y = Φ(x):   ∂x = g φ(x),   φ(x) = e^(-x²/2) / √(2π)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * (_DENSITY_0 * np.exp(-0.5 * (x * x))),)


def normal_cdf(x: Any) -> Any:
    """Φ(x) of an array, or of a tensor (when GELU's derivative is differentiated again).

    NumPy has no error function. For a = |x| and t = 1 / (1 + k a), Φ(-a) is t e^(-a²/2) times a
    function that is smooth in t on the whole of (0, 1]; here by its Chebyshev expansion, written
    in powers of u = 2t - 1. The relative error stays below 1e-14 in float64 (|x| < 5).
    """
    if isinstance(x, Tensor):
        y = normal_cdf(x.array)
        return record(y, NormalCdfBackward, (x._node,), (x.array,))
    k, coefficients = _CDF_SINGLE if x.dtype.itemsize <= 4 else _CDF_DOUBLE
    a = np.absolute(x)
    t = 1 / (1 + k * a)
    u = 2 * t - 1
    tail = coefficients[-1] * u
    for coefficient in coefficients[-2:0:-1]:
        tail += coefficient
        tail *= u
    tail += coefficients[0]
    tail = tail * t * np.exp(-0.5 * (a * a))
    return np.where(x < 0, tail, 1 - tail)


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


# ---- choosing -----------------------------------------------------------------------------------


class ClampBackward1(Node):
    """y = min(max(x, lo), hi):   ∂x = g [lo ≤ x ≤ hi]"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        low, high = self.meta
        inside: Any = True
        if low is not None:
            inside = inside & (x >= low)
        if high is not None:
            inside = inside & (x <= high)
        return (np.where(inside, g, 0),)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``input`` limited to ``[min, max]``; within, bounds included, the gradient passes.

    >>> import nnlite
    >>> nnlite.clamp(nnlite.tensor([-1.0, 0.5, 3.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    a = array_of("clamp", input)
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        raise NotImplementedError(
            "clamp: bounds must be numbers; use maximum and minimum for tensors"
        )
    if isinstance(min, float) or isinstance(max, float):
        a = float_array("clamp", input)
    y = a
    if min is not None:
        min = constant("clamp", min)
        y = np.maximum(y, min)
    if max is not None:
        max = constant("clamp", max)
        y = np.minimum(y, max)
    return record(y, ClampBackward1, (input._node,), (a,), (min, max))


class MaximumBackward0(Node):
    """y = max(a, b):   ∂a = g [a > b],   ∂b = g [b > a];   half each where a = b"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        return self.share(g, a > b, a == b)

    def share(self, g: Array, to_first: Array, tie: Array) -> tuple[Array, ...]:
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        first = np.where(tie, 0.5 * g, np.where(to_first, g, 0))
        return (
            unbroadcast(first, shape_a) if to_a else None,
            unbroadcast(g - first, shape_b) if to_b else None,
        )


class MinimumBackward0(MaximumBackward0):
    """y = min(a, b):   ∂a = g [a < b],   ∂b = g [b < a];   half each where a = b"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        return self.share(g, a < b, a == b)


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of two tensors, element by element.

    >>> import nnlite
    >>> nnlite.maximum(nnlite.tensor([1.0, 5.0]), nnlite.tensor([3.0, 2.0]))
    tensor([3., 5.])
    """
    a, b, edges, shapes = operands("maximum", input, other)
    return record(np.maximum(a, b), MaximumBackward0, edges, (a, b), shapes)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of two tensors, element by element.

    >>> import nnlite
    >>> nnlite.minimum(nnlite.tensor([1.0, 5.0]), nnlite.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    a, b, edges, shapes = operands("minimum", input, other)
    return record(np.minimum(a, b), MinimumBackward0, edges, (a, b), shapes)


class WhereBackward0(Node):
    """y = a if c else b:   ∂a = g [c],   ∂b = g [not c]"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (condition,) = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta
        return (
            unbroadcast(np.where(condition, g, 0), shape_a) if to_a else None,
            unbroadcast(np.where(condition, 0, g), shape_b) if to_b else None,
        )


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """``input`` where ``condition`` holds, ``other`` elsewhere, with broadcasting.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, -2.0])
    >>> nnlite.where(x > 0, x, 0)
    tensor([1., 0.])
    """
    chosen = condition.array if isinstance(condition, Tensor) else condition
    if getattr(chosen, "dtype", np.float32) != np.bool_:
        raise TypeError(
            "where: condition must be a bool tensor, got "
            f"{getattr(chosen, 'dtype', type(chosen).__name__)}; compare first: x != 0"
        )
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        dtype = float if isinstance(input, float) or isinstance(other, float) else None
        y = np.where(chosen, input, other)
        return wrap(y.astype(np.float32) if dtype is float else y)
    a, b, edges, _ = operands("where", input, other)
    shapes = (getattr(a, "shape", ()), getattr(b, "shape", ()))
    return record(np.where(chosen, a, b), WhereBackward0, edges, (chosen,), shapes)


# ---- rounding -----------------------------------------------------------------------------------


class FloorBackward0(SignBackward0):
    """y = ⌊x⌋:   ∂x = 0"""

    __slots__ = ()


class CeilBackward0(SignBackward0):
    """y = ⌈x⌉:   ∂x = 0"""

    __slots__ = ()


class RoundBackward0(SignBackward0):
    """y = x, rounded:   ∂x = 0"""

    __slots__ = ()


class RoundBackward1(SignBackward0):
    """y = x, rounded to decimals:   ∂x = 0"""

    __slots__ = ()


def floor(input: Tensor) -> Tensor:
    """The largest whole number not above each element; its derivative is 0.

    >>> import nnlite
    >>> nnlite.floor(nnlite.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return record(np.floor(array_of("floor", input)), FloorBackward0, (input._node,))


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number not below each element; its derivative is 0.

    >>> import nnlite
    >>> nnlite.ceil(nnlite.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return record(np.ceil(array_of("ceil", input)), CeilBackward0, (input._node,))


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Each element rounded, halves to even; its derivative is 0.

    >>> import nnlite
    >>> nnlite.round(nnlite.tensor([0.5, 1.5, -1.2]))
    tensor([ 0.,  2., -1.])
    """
    a = array_of("round", input)
    _no_bools("round", a)
    node = RoundBackward1 if decimals else RoundBackward0
    return record(np.round(a, decimals), node, (input._node,))


# ---- comparisons and logic: nothing to differentiate --------------------------------------------


def eq(input: Any, other: Any) -> Tensor:
    """``input == other``, element by element, as bools."""
    a, b, _, _ = operands("eq", input, other)
    return wrap(a == b)


def ne(input: Any, other: Any) -> Tensor:
    """``input != other``, element by element, as bools."""
    a, b, _, _ = operands("ne", input, other)
    return wrap(a != b)


def lt(input: Any, other: Any) -> Tensor:
    """``input < other``, element by element, as bools."""
    a, b, _, _ = operands("lt", input, other)
    return wrap(a < b)


def le(input: Any, other: Any) -> Tensor:
    """``input <= other``, element by element, as bools."""
    a, b, _, _ = operands("le", input, other)
    return wrap(a <= b)


def gt(input: Any, other: Any) -> Tensor:
    """``input > other``, element by element, as bools."""
    a, b, _, _ = operands("gt", input, other)
    return wrap(a > b)


def ge(input: Any, other: Any) -> Tensor:
    """``input >= other``, element by element, as bools."""
    a, b, _, _ = operands("ge", input, other)
    return wrap(a >= b)


def logical_not(input: Tensor) -> Tensor:
    """Whether each element is false (zero)."""
    return wrap(np.logical_not(array_of("logical_not", input)))


def logical_and(input: Any, other: Any) -> Tensor:
    """Whether both elements are true (not zero)."""
    a, b, _, _ = operands("logical_and", input, other)
    return wrap(np.logical_and(a, b))


def logical_or(input: Any, other: Any) -> Tensor:
    """Whether one element is true (not zero)."""
    a, b, _, _ = operands("logical_or", input, other)
    return wrap(np.logical_or(a, b))


def bitwise_and(input: Any, other: Any) -> Tensor:
    """``input & other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_and", input, other)
    return wrap(a & b)


def bitwise_or(input: Any, other: Any) -> Tensor:
    """``input | other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_or", input, other)
    return wrap(a | b)


def bitwise_xor(input: Any, other: Any) -> Tensor:
    """``input ^ other`` of bools or integers."""
    a, b, _, _ = operands("bitwise_xor", input, other)
    return wrap(a ^ b)


def bitwise_not(input: Tensor) -> Tensor:
    """``~input`` of bools or integers."""
    return wrap(~array_of("bitwise_not", input))


def isnan(input: Tensor) -> Tensor:
    """Whether each element is not a number."""
    return wrap(np.isnan(array_of("isnan", input)))


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite."""
    return wrap(np.isinf(array_of("isinf", input)))


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN."""
    return wrap(np.isfinite(array_of("isfinite", input)))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether ``|input - other| <= atol + rtol * |other|`` everywhere."""
    a, b = array_of("allclose", input), array_of("allclose", other)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and the same elements."""
    return bool(np.array_equal(array_of("equal", input), array_of("equal", other)))
