"""Remainders, element by element: with the sign of the divisor, and of the dividend."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, no_bools, operands, unbroadcast
from nnlite.tensor import Tensor


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
    no_bools("remainder", a, b)
    y = np.remainder(a, b)
    if not hasattr(b, "dtype"):
        return record(y, RemainderBackward0, edges[:1])
    quotient = np.floor_divide(a, b) if edges[1] else None
    return record(y, RemainderBackward1, edges, (quotient,), shapes)


class FmodBackward0(Node):
    """y = a - c trunc(a/c):   ∂a = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g,)


class FmodBackward1(RemainderBackward1):
    """y = a - b trunc(a/b):   ∂a = g,   ∂b = -g trunc(a/b)"""

    __slots__ = ()


def fmod(input: Any, other: Any) -> Tensor:
    """The remainder with the sign of the dividend, as C's.

    >>> import nnlite
    >>> nnlite.fmod(nnlite.tensor([5.0, -5.0]), 3)
    tensor([ 2., -2.])
    """
    a, b, edges, shapes = operands("fmod", input, other)
    no_bools("fmod", a, b)
    y = np.fmod(a, b)
    if not hasattr(b, "dtype"):
        return record(y, FmodBackward0, edges[:1])
    quotient = np.trunc(a / b) if edges[1] else None
    return record(y, FmodBackward1, edges, (quotient,), shapes)


def rremainder(input: Tensor, other: Any) -> Tensor:
    """``other % input``."""
    return remainder(other, input)
