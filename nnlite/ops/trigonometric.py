"""Trigonometric and hyperbolic functions and their inverses, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, float_array, floats, operands, unbroadcast
from nnlite.tensor import Tensor


class SinBackward0(Node):
    """y = sin x:   ∂x = g cos x"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * np.cos(x),)


def sin(input: Tensor) -> Tensor:
    """The sine of an angle in radians.

    >>> import nnlite
    >>> nnlite.sin(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """
    a = float_array("sin", input)
    return record(np.sin(a), SinBackward0, (input._node,), (a,))


class CosBackward0(Node):
    """y = cos x:   ∂x = -g sin x"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (-g * np.sin(x),)


def cos(input: Tensor) -> Tensor:
    """The cosine of an angle in radians.

    >>> import nnlite
    >>> nnlite.cos(nnlite.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """
    a = float_array("cos", input)
    return record(np.cos(a), CosBackward0, (input._node,), (a,))


class TanBackward0(Node):
    """y = tan x:   ∂x = g (1 + y²)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g * (1 + y * y),)


def tan(input: Tensor) -> Tensor:
    """The tangent of an angle in radians.

    >>> import nnlite
    >>> nnlite.tan(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """
    y = np.tan(float_array("tan", input))
    return record(y, TanBackward0, (input._node,), (y,))


class AsinBackward0(Node):
    """y = arcsin x:   ∂x = g / √(1 - x²)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / np.sqrt(1 - x * x),)


def asin(input: Tensor) -> Tensor:
    """The angle in [-π/2, π/2] whose sine is ``input``; NaN outside of [-1, 1].

    >>> import nnlite
    >>> nnlite.asin(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """
    a = float_array("asin", input)
    return record(np.arcsin(a), AsinBackward0, (input._node,), (a,))


class AcosBackward0(Node):
    """y = arccos x:   ∂x = -g / √(1 - x²)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (-g / np.sqrt(1 - x * x),)


def acos(input: Tensor) -> Tensor:
    """The angle in [0, π] whose cosine is ``input``; NaN outside of [-1, 1].

    >>> import nnlite
    >>> nnlite.acos(nnlite.tensor([0.0, 1.0]))
    tensor([1.5708, 0.0000])
    """
    a = float_array("acos", input)
    return record(np.arccos(a), AcosBackward0, (input._node,), (a,))


class AtanBackward0(Node):
    """y = arctan x:   ∂x = g / (1 + x²)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / (1 + x * x),)


def atan(input: Tensor) -> Tensor:
    """The angle in (-π/2, π/2) whose tangent is ``input``.

    >>> import nnlite
    >>> nnlite.atan(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """
    a = float_array("atan", input)
    return record(np.arctan(a), AtanBackward0, (input._node,), (a,))


class Atan2Backward0(Node):
    """y = arctan(a / b), in the right quadrant:   ∂a = g b / (a² + b²),   ∂b = -g a / (a² + b²)
    (0 where a = b = 0)"""

    __slots__ = ()
    lifts = (0, 1)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_a, to_b = self.edges
        shape_a, shape_b = self.meta or (g.shape, g.shape)
        squared = a * a + b * b
        scaled = np.where(squared == 0, 0, g / np.where(squared == 0, 1, squared))
        return (
            unbroadcast(scaled * b, shape_a) if to_a else None,
            unbroadcast(-scaled * a, shape_b) if to_b else None,
        )


def atan2(input: Any, other: Any) -> Tensor:
    """The angle in [-π, π] of the points (``other``, ``input``), with broadcasting.

    >>> import nnlite
    >>> nnlite.atan2(nnlite.tensor([1.0, 1.0]), nnlite.tensor([1.0, -1.0]))
    tensor([0.7854, 2.3562])
    """
    a, b, edges, shapes = operands("atan2", *floats("atan2", input, other))
    return record(np.arctan2(a, b), Atan2Backward0, edges, (a, b), shapes)


class SinhBackward0(Node):
    """y = sinh x:   ∂x = g cosh x"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * np.cosh(x),)


def sinh(input: Tensor) -> Tensor:
    """The hyperbolic sine.

    >>> import nnlite
    >>> nnlite.sinh(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """
    a = float_array("sinh", input)
    return record(np.sinh(a), SinhBackward0, (input._node,), (a,))


class CoshBackward0(Node):
    """y = cosh x:   ∂x = g sinh x"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g * np.sinh(x),)


def cosh(input: Tensor) -> Tensor:
    """The hyperbolic cosine.

    >>> import nnlite
    >>> nnlite.cosh(nnlite.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """
    a = float_array("cosh", input)
    return record(np.cosh(a), CoshBackward0, (input._node,), (a,))


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


class AsinhBackward0(Node):
    """y = arsinh x:   ∂x = g / √(x² + 1)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / np.sqrt(x * x + 1),)


def asinh(input: Tensor) -> Tensor:
    """The inverse of ``sinh``.

    >>> import nnlite
    >>> nnlite.asinh(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """
    a = float_array("asinh", input)
    return record(np.arcsinh(a), AsinhBackward0, (input._node,), (a,))


class AcoshBackward0(Node):
    """y = arcosh x:   ∂x = g / √(x² - 1)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / np.sqrt(x * x - 1),)


def acosh(input: Tensor) -> Tensor:
    """The inverse of ``cosh`` that is not negative; NaN below 1.

    >>> import nnlite
    >>> nnlite.acosh(nnlite.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """
    a = float_array("acosh", input)
    return record(np.arccosh(a), AcoshBackward0, (input._node,), (a,))


class AtanhBackward0(Node):
    """y = artanh x:   ∂x = g / (1 - x²)"""

    __slots__ = ()
    lifts = (0,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (x,) = self.saved
        return (g / (1 - x * x),)


def atanh(input: Tensor) -> Tensor:
    """The inverse of ``tanh``; infinite at ±1, NaN beyond.

    >>> import nnlite
    >>> nnlite.atanh(nnlite.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """
    a = float_array("atanh", input)
    return record(np.arctanh(a), AtanhBackward0, (input._node,), (a,))
