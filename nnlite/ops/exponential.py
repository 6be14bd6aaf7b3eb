"""Exponentials and logarithms, the logistic and the error function, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import (
    Array,
    float_array,
    floats,
    in_blocks,
    number,
    operands,
    unbroadcast,
)
from nnlite.tensor import Tensor

_LN_2 = math.log(2)
_LN_10 = math.log(10)


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


class Exp2Backward0(Node):
    """y = 2ˣ:   ∂x = g y ln 2"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (y * _LN_2),)


def exp2(input: Tensor) -> Tensor:
    """2 to the power of ``input``.

    >>> import nnlite
    >>> nnlite.exp2(nnlite.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """
    y = np.exp2(float_array("exp2", input))
    return record(y, Exp2Backward0, (input._node,), (y,))


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


class Log2Backward0(Node):
    """y = log₂ x:   ∂x = g / (x ln 2)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / (x * _LN_2),)


def log2(input: Tensor) -> Tensor:
    """The logarithm to base 2; -inf at 0, NaN below.

    >>> import nnlite
    >>> nnlite.log2(nnlite.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """
    a = float_array("log2", input)
    return record(np.log2(a), Log2Backward0, (input._node,), (a,))


class Log10Backward0(Node):
    """y = log₁₀ x:   ∂x = g / (x ln 10)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / (x * _LN_10),)


def log10(input: Tensor) -> Tensor:
    """The logarithm to base 10; -inf at 0, NaN below.

    >>> import nnlite
    >>> nnlite.log10(nnlite.tensor([1.0, 50.0]))
    tensor([0.0000, 1.6990])
    """
    a = float_array("log10", input)
    return record(np.log10(a), Log10Backward0, (input._node,), (a,))


class LogaddexpBackward0(Node):
    """y = ln(eᵃ + eᵇ):   ∂a = g σ(a - b),   ∂b = g σ(b - a)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        return (
            unbroadcast(g * sigmoid_of(a - b), shape_a) if to_a else None,
            unbroadcast(g * sigmoid_of(b - a), shape_b) if to_b else None,
        )


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow, with broadcasting.

    >>> import nnlite
    >>> nnlite.logaddexp(nnlite.tensor([1000.0]), nnlite.tensor([1000.0]))
    tensor([1000.6932])
    """
    a, b, edges, shapes = operands("logaddexp", input, other)
    if a.dtype.kind != "f":
        raise RuntimeError(f"logaddexp: needs floats, got {a.dtype}; convert first: tensor.float()")
    return record(np.logaddexp(a, b), LogaddexpBackward0, edges, (a, b), shapes)


class XlogyBackward0(Node):
    """z = x ln y, 0 where x = 0:   ∂x = g ln y,   ∂y = g x / y   (∂x = 0 where x = 0 and y ≤ 0)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        to_x, to_y = self.edges
        shape_x, shape_y = self.meta or (g.shape, g.shape)
        grad_x = None
        if to_x:
            flat = ((x == 0) | (g == 0)) & (y <= 0)
            grad_x = unbroadcast(np.where(flat, 0, g * np.log(np.where(flat, 1, y))), shape_x)
        return grad_x, unbroadcast(g * (x / y), shape_y) if to_y else None


class XlogyBackward1(XlogyBackward0):
    """z = c ln y:   ∂y = g c / y"""

    __slots__ = ()


class XlogyBackward2(XlogyBackward0):
    """z = x ln c:   ∂x = g ln c"""

    __slots__ = ()


def xlogy(input: Any, other: Any) -> Tensor:
    """``input * log(other)``, 0 where ``input`` is 0; one of them may be a number.

    >>> import nnlite
    >>> nnlite.xlogy(nnlite.tensor([0.0, 2.0]), nnlite.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    a, b, edges, shapes = operands("xlogy", *floats("xlogy", input, other))
    node: type[Node] = XlogyBackward0
    if not hasattr(a, "dtype"):
        node, a = XlogyBackward1, np.full_like(b, a)
    elif not hasattr(b, "dtype"):
        node, b = XlogyBackward2, np.full_like(a, b)
    y = a * np.log(np.where((a == 0) & ~np.isnan(b), 1, b))
    return record(y, node, edges, (a, b), shapes)


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
    return np.exp(np.minimum(x, number(0, x))) / (number(1, e) + e)


def sigmoid(input: Tensor) -> Tensor:
    """The logistic function 1 / (1 + e⁻ˣ).

    >>> import nnlite
    >>> nnlite.sigmoid(nnlite.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    y = sigmoid_of(float_array("sigmoid", input))
    return record(y, SigmoidBackward0, (input._node,), (y,))


_DENSITY_0 = 1 / math.sqrt(2 * math.pi)
_ROOT_2 = math.sqrt(2)
_ERF_SLOPE = 2 / math.sqrt(math.pi)
_ERF_SERIES = [_ERF_SLOPE * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(13)]

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


class NormalCdfBackward(Node):
    """y = Φ(x):   ∂x = g φ(x),   φ(x) = e^(-x²/2) / √(2π)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * normal_density(x),)


def normal_density(x: Any) -> Any:
    """φ(x) = e^(-x²/2) / √(2π), of an array or a tensor."""
    return _DENSITY_0 * np.exp(-0.5 * (x * x))


def normal_cdf(x: Any) -> Any:
    """Φ(x) of an array, or of a tensor (when GELU's derivative is differentiated again).

    NumPy has no error function. For a = |x| and t = 1 / (1 + k a), Φ(-a) is t e^(-a²/2) times a
    function that is smooth in t on the whole of (0, 1]; here by its Chebyshev expansion, written
    in powers of u = 2t - 1. The relative error stays below 1e-14 in float64 (|x| < 5).
    """
    if isinstance(x, Tensor):
        y = normal_cdf(x.array)
        return record(y, NormalCdfBackward, (x._node,), (x.array,))
    return in_blocks(_normal_cdf, x)


def _normal_cdf(x: Array) -> Array:
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
    return np.absolute((x >= 0) - tail)  # 1 - tail or tail, without a branch at each element


class ErfBackward0(Node):
    """y = 2/√π ∫₀ˣ e^(-t²) dt:   ∂x = g 2/√π e^(-x²)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * (_ERF_SLOPE * np.exp(-(x * x))),)


def erf(input: Tensor) -> Tensor:
    """The error function 2/√π ∫₀ˣ e^(-t²) dt.

    Near 0 by its power series, elsewhere as 2 Φ(x √2) - 1.

    >>> import nnlite
    >>> nnlite.erf(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """
    a = float_array("erf", input)
    near = np.clip(a, -0.5, 0.5)
    square = near * near
    series = _ERF_SERIES[-1] * square
    for coefficient in _ERF_SERIES[-2:0:-1]:
        series = (series + coefficient) * square
    y = np.where(
        np.absolute(a) < 0.5, near * (series + _ERF_SERIES[0]), 2 * normal_cdf(a * _ROOT_2) - 1
    )
    return record(y, ErfBackward0, (input._node,), (a,))
