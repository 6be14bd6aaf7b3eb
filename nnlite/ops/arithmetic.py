"""Arithmetic, element by element: sums, products, quotients."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.modes import grad_enabled
from nnlite.autograd.node import Node, lookers, next_seq, record
from nnlite.ops.operands import (
    Array,
    array_of,
    get_default_dtype,
    no_bools,
    operands,
    same_dtype,
    unbroadcast,
)
from nnlite.tensor import Tensor, as_array, ndarray

_new = Tensor.__new__
_is_enabled = grad_enabled.get


class AddBackward0(Node):
    """y = a + b:   ∂a = g,   ∂b = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        if self.meta is None:
            return g, g
        return unbroadcast(g, self.meta[0]), unbroadcast(g, self.meta[1])


def plus(input: Any, other: Any) -> Tensor:
    """``input + other``: the most frequent operation of all, so that its plain case, two tensors of
    one dtype and shape, has ``operands`` and ``record`` written out: 15 % off a chain and back."""
    try:
        a, b = input.array, other.array
        edges: Any = (input._node, other._node)
    except AttributeError:
        edges = ()
    if (
        edges
        and a.dtype is b.dtype
        and a.shape == b.shape
        and (edges[0] or edges[1])
        and _is_enabled()
        and not lookers
    ):
        y = a + b
        out = _new(Tensor)
        out.array = y if type(y) is ndarray else as_array(y)
        out._leaf = None
        out._node = node = AddBackward0()
        node.edges = edges
        node.saved = ()
        node.meta = None
        node.seq = next_seq()
        return out
    a, b, edges, shapes = operands("add", input, other)
    return record(a + b, AddBackward0, edges, (), shapes)


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """``input + alpha * other``, with broadcasting.

    >>> import nnlite
    >>> nnlite.add(nnlite.tensor([1.0, 2.0]), 1)
    tensor([2., 3.])
    """
    if alpha != 1:
        other = mul(other, alpha) if isinstance(other, Tensor) else other * alpha
    return plus(input, other)


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
        no_bools("div", a, b)
        y = np.floor_divide(a, b) if rounding_mode == "floor" else _trunc_divide(a, b)
        return record(y, DivBackward2, edges, (), shapes)
    if getattr(a, "dtype", getattr(b, "dtype", None)).kind != "f":  # type: ignore[union-attr]
        dtype = get_default_dtype()
        a, b = (v.astype(dtype) if hasattr(v, "dtype") else v for v in (a, b))
    saved = (a if edges[1] else None, b if edges[1] or edges[0] else None)
    return record(a / b, DivBackward0, edges, saved, shapes)


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


def rfloor_divide(input: Tensor, other: Any) -> Tensor:
    """``other // input``."""
    return floor_divide(other, input)


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
        sign = np.sign(x)
        return (g * np.where(sign == sign, sign, 0),)  # of NaN it is 0, as torch has it


def abs(input: Tensor) -> Tensor:
    """The absolute value; the derivative at 0 is 0.

    >>> import nnlite
    >>> nnlite.abs(nnlite.tensor([1.0, -2.0]))
    tensor([1., 2.])
    """
    a = array_of("abs", input)
    return record(np.absolute(a), AbsBackward0, (input._node,), (a,))


# ---- several at once ----------------------------------------------------------------------------


class AddcmulBackward0(Node):
    """y = a + v b c:   ∂a = g,   ∂b = g v c,   ∂c = g v b"""

    __slots__ = ()
    lifts = (1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        b, c = self.saved
        to_a, to_b, to_c = self.edges
        value, shape_a, shape_b, shape_c = self.meta
        scaled = g * value
        return (
            unbroadcast(g, shape_a) if to_a else None,
            unbroadcast(scaled * c, shape_b) if to_b else None,
            unbroadcast(scaled * b, shape_c) if to_c else None,
        )


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 * tensor2``, with broadcasting.

    >>> import nnlite
    >>> nnlite.addcmul(nnlite.ones(2), nnlite.tensor([1.0, 2.0]), nnlite.tensor([3.0, 4.0]))
    tensor([4., 9.])
    """
    (a, b, c), edges = same_dtype("addcmul", input, tensor1, tensor2)
    no_bools("addcmul", a)
    if a.dtype.kind != "f":
        value = int(value)  # as torch does
    meta = (value, a.shape, b.shape, c.shape)
    return record(a + value * (b * c), AddcmulBackward0, edges, (b, c), meta)


class AddcdivBackward0(Node):
    """y = a + v b / c:   ∂a = g,   ∂b = g v / c,   ∂c = -g v b / c²"""

    __slots__ = ()
    lifts = (1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        b, c = self.saved
        to_a, to_b, to_c = self.edges
        value, shape_a, shape_b, shape_c = self.meta
        scaled = g * value / c
        return (
            unbroadcast(g, shape_a) if to_a else None,
            unbroadcast(scaled, shape_b) if to_b else None,
            unbroadcast(-scaled * (b / c), shape_c) if to_c else None,
        )


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """``input + value * tensor1 / tensor2``, with broadcasting, of floating point tensors.

    >>> import nnlite
    >>> nnlite.addcdiv(nnlite.ones(2), nnlite.tensor([1.0, 2.0]), nnlite.tensor([2.0, 4.0]))
    tensor([1.5000, 1.5000])
    """
    (a, b, c), edges = same_dtype("addcdiv", input, tensor1, tensor2)
    if a.dtype.kind != "f":
        raise RuntimeError(f"addcdiv: needs floats, got {a.dtype}; convert first: tensor.float()")
    meta = (value, a.shape, b.shape, c.shape)
    return record(a + value * (b / c), AddcdivBackward0, edges, (b, c), meta)


class LerpBackward0(Node):
    """y = a + w (b - a):   ∂a = g (1 - w),   ∂b = g w"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_a, to_b = self.edges
        weight, shape_a, shape_b = self.meta
        return (
            unbroadcast(g * (1 - weight), shape_a) if to_a else None,
            unbroadcast(g * weight, shape_b) if to_b else None,
        )


class LerpBackward1(Node):
    """y = a + w (b - a):   ∂a = g (1 - w),   ∂b = g w,   ∂w = g (b - a)"""

    __slots__ = ()
    lifts = (0, 1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b, w = self.saved
        to_a, to_b, to_w = self.edges
        shape_a, shape_b, shape_w = self.meta
        return (
            unbroadcast(g * (1 - w), shape_a) if to_a else None,
            unbroadcast(g * w, shape_b) if to_b else None,
            unbroadcast(g * (b - a), shape_w) if to_w else None,
        )


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """``input + weight * (end - input)``: the way from one to the other, with broadcasting.

    Args:
        weight: a number or a tensor; 0 gives ``input``, 1 gives ``end``.

    >>> import nnlite
    >>> nnlite.lerp(nnlite.tensor([0.0, 0.0]), nnlite.tensor([1.0, 10.0]), 0.5)
    tensor([0.5000, 5.0000])
    """
    tensors = (input, end, weight) if isinstance(weight, Tensor) else (input, end)
    arrays = [array_of("lerp", tensor) for tensor in tensors]
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1 or arrays[0].dtype.kind != "f":
        found = ", ".join(str(array.dtype) for array in arrays)
        raise RuntimeError(f"lerp: needs tensors of one floating point dtype, got {found}")
    edges = tuple(tensor._node for tensor in tensors)
    shapes = tuple(array.shape for array in arrays)
    a, b = arrays[:2]
    if len(arrays) == 2:
        return record(a + weight * (b - a), LerpBackward0, edges, (), (weight, *shapes))
    return record(a + arrays[2] * (b - a), LerpBackward1, edges, tuple(arrays), shapes)
