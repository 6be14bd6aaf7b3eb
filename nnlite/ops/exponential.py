"""Exponentials and logarithms, element by element; the distribution of the normal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, float_array
from nnlite.tensor import Tensor


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


_DENSITY_0 = 1 / math.sqrt(2 * math.pi)

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
