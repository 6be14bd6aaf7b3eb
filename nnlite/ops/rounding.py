"""Steps: sign and the ways to round. Constant in pieces, so that their derivative is 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of, no_bools
from nnlite.tensor import Tensor


class SignBackward0(Node):
    """y = sign x:   ∂x = 0"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (np.zeros_like(g),)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, and 0 for NaN; its derivative is 0.

    >>> import nnlite
    >>> nnlite.sign(nnlite.tensor([3.0, 0.0, -2.0]))
    tensor([ 1.,  0., -1.])
    """
    a = array_of("sign", input)
    y = a.copy() if a.dtype == np.bool_ else np.sign(a)
    if a.dtype.kind == "f":
        y = np.where(np.isnan(a), 0, y)
    return record(y, SignBackward0, (input._node,))


class FloorBackward0(SignBackward0):
    """y = ⌊x⌋:   ∂x = 0"""

    __slots__ = ()


class CeilBackward0(SignBackward0):
    """y = ⌈x⌉:   ∂x = 0"""

    __slots__ = ()


class TruncBackward0(SignBackward0):
    """y = x without its fraction:   ∂x = 0"""

    __slots__ = ()


class RoundBackward0(SignBackward0):
    """y = x, rounded:   ∂x = 0"""

    __slots__ = ()


class RoundBackward1(SignBackward0):
    """y = x, rounded to decimals:   ∂x = 0"""

    __slots__ = ()


def _whole(rounding: Any, a: Array) -> Array:
    """``a`` rounded; integers stay as they are (before 2.1 NumPy makes floats of them)."""
    return rounding(a) if a.dtype.kind == "f" else a.copy()


def floor(input: Tensor) -> Tensor:
    """The largest whole number not above each element; its derivative is 0.

    >>> import nnlite
    >>> nnlite.floor(nnlite.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return record(_whole(np.floor, array_of("floor", input)), FloorBackward0, (input._node,))


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number not below each element; its derivative is 0.

    >>> import nnlite
    >>> nnlite.ceil(nnlite.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return record(_whole(np.ceil, array_of("ceil", input)), CeilBackward0, (input._node,))


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Each element rounded, halves to even; its derivative is 0.

    >>> import nnlite
    >>> nnlite.round(nnlite.tensor([0.5, 1.5, -1.2]))
    tensor([ 0.,  2., -1.])
    """
    a = array_of("round", input)
    no_bools("round", a)
    node = RoundBackward1 if decimals else RoundBackward0
    return record(np.round(a, decimals), node, (input._node,))


def trunc(input: Tensor) -> Tensor:
    """Each element without its fraction, rounded towards 0; its derivative is 0.

    >>> import nnlite
    >>> nnlite.trunc(nnlite.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return record(_whole(np.trunc, array_of("trunc", input)), TruncBackward0, (input._node,))


class FracBackward0(Node):
    """y = x - trunc x:   ∂x = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g,)


def frac(input: Tensor) -> Tensor:
    """The fraction of each element, with its sign.

    >>> import nnlite
    >>> nnlite.frac(nnlite.tensor([1.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """
    a = array_of("frac", input)
    if a.dtype.kind != "f":
        raise RuntimeError(f"frac: needs floats, got {a.dtype}, which has no fractions")
    return record(a - np.trunc(a), FracBackward0, (input._node,))
