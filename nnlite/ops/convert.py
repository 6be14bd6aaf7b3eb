"""Copies of a tensor: the same values in memory of their own, in order, or in another dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of
from nnlite.tensor import Tensor, wrap


class CloneBackward0(Node):
    """y = x, copied:   ∂x = g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g,)


def clone(input: Tensor) -> Tensor:
    """A copy with memory of its own, in the graph.

    >>> import nnlite
    >>> x = nnlite.ones(2)
    >>> y = x.clone()
    >>> _ = y.add_(1)
    >>> x
    tensor([1., 1.])
    """
    return record(array_of("clone", input).copy(), CloneBackward0, (input._node,))


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its elements lie in row-major order, else a copy that does.

    >>> import nnlite
    >>> nnlite.zeros(2, 3).t().contiguous().is_contiguous()
    True
    """
    a = array_of("contiguous", input)
    if a.flags.c_contiguous:
        return input
    return record(a.copy(order="C"), CloneBackward0, (input._node,))


class ToCopyBackward0(Node):
    """y = x in another dtype:   ∂x = g in the dtype of x"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g.astype(self.meta),)


def to(input: Tensor, *args: Any, dtype: Any = None, copy: bool = False, **ignored: Any) -> Tensor:
    """``input`` in another dtype (the tensor itself when nothing changes).

    Args:
        args: a dtype, a tensor whose dtype is taken, or the device ``"cpu"``.
        dtype: the dtype.
        copy: a copy in any case.

    >>> import nnlite
    >>> nnlite.tensor([1, 2]).to(nnlite.float32)
    tensor([1., 2.])
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype = arg.array.dtype
        elif isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta"):
            ignored["device"] = arg
        elif not isinstance(arg, bool):
            dtype = arg
    if str(ignored.get("device") or "cpu") != "cpu":
        raise NotImplementedError(
            f"to: device {ignored['device']!r} is not available; nnlite computes on the CPU"
        )
    a = array_of("to", input)
    wanted = a.dtype if dtype is None else np.dtype(dtype)
    if wanted == a.dtype:
        return clone(input) if copy else input
    y = a.astype(wanted)
    if wanted.kind != "f":
        return wrap(y)
    return record(y, ToCopyBackward0, (input._node,), (), a.dtype)


def float(input: Tensor) -> Tensor:
    """``input.to(nnlite.float32)``."""
    return to(input, np.float32)


def double(input: Tensor) -> Tensor:
    """``input.to(nnlite.float64)``."""
    return to(input, np.float64)


def half(input: Tensor) -> Tensor:
    """``input.to(nnlite.float16)``."""
    return to(input, np.float16)


def long(input: Tensor) -> Tensor:
    """``input.to(nnlite.int64)``."""
    return to(input, np.int64)


def int_(input: Tensor) -> Tensor:
    """``input.to(nnlite.int32)``."""
    return to(input, np.int32)


def short(input: Tensor) -> Tensor:
    """``input.to(nnlite.int16)``."""
    return to(input, np.int16)


def bool_(input: Tensor) -> Tensor:
    """``input.to(nnlite.bool)``."""
    return to(input, np.bool_)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """``input`` in the dtype of ``other``."""
    return to(input, other.array.dtype)


def astype(input: Tensor, dtype: Any, copy: bool = True) -> Tensor:
    """NumPy's name for ``to(dtype)``, so that derivatives written for arrays run on tensors."""
    return to(input, dtype)
