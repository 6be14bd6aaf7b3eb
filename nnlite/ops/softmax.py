"""The softmax family: shares of exponentials along a dimension, and logarithms of their sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, float_array
from nnlite.ops.reduce import Dim, axes_of, restore
from nnlite.tensor import Tensor


class SoftmaxBackward0(Node):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ:   ∂x = y (g - Σⱼ gⱼ yⱼ)"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (y * (g - (g * y).sum(axis=self.meta, keepdims=True)),)


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Exponentials along ``dim``, divided by their sum.

    >>> import nnlite
    >>> nnlite.tensor([0.0, 0.0]).softmax(dim=0)
    tensor([0.5000, 0.5000])
    """
    dim = _one_dim("softmax", dim)
    if dtype is not None:
        input = input.to(dtype)
    a = float_array("softmax", input)
    e = np.exp(a - a.max(axis=dim, keepdims=True)) if a.size else a
    y = e / e.sum(axis=dim, keepdims=True)
    return record(y, SoftmaxBackward0, (input._node,), (y,), dim)


class LogSoftmaxBackward0(Node):
    """yᵢ = xᵢ - ln Σⱼ e^xⱼ:   ∂x = g - e^y Σⱼ gⱼ"""

    __slots__ = ()
    lifts = ("y",)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (y,) = self.saved
        return (g - np.exp(y) * g.sum(axis=self.meta, keepdims=True),)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``, computed without its rounding to 0.

    >>> import nnlite
    >>> nnlite.tensor([0.0, 0.0]).log_softmax(dim=0)
    tensor([-0.6931, -0.6931])
    """
    dim = _one_dim("log_softmax", dim)
    if dtype is not None:
        input = input.to(dtype)
    a = float_array("log_softmax", input)
    shifted = a - a.max(axis=dim, keepdims=True) if a.size else a
    y = shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return record(y, LogSoftmaxBackward0, (input._node,), (y,), dim)


def _one_dim(function: str, dim: int | None) -> int:
    if dim is None:
        raise TypeError(
            f"{function}: dim is missing; for scores of shape (batch, classes) it is dim=1"
        )
    return dim


class LogsumexpBackward0(Node):
    """y = ln Σ eˣ:   ∂x = g e^(x - y)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        return (restore(g, *self.meta) * np.exp(x - restore(y, *self.meta)),)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """The logarithm of the sum of exponentials along ``dim``, without overflow.

    >>> import nnlite
    >>> nnlite.tensor([1000.0, 1000.0]).logsumexp(dim=0)
    tensor(1000.6932)
    """
    a = float_array("logsumexp", input)
    axis = axes_of(dim, None)
    top = a.max(axis=axis, keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, 0)
    total = np.exp(a - top).sum(axis=axis, keepdims=keepdim)
    y = np.log(total) + top.reshape(total.shape)
    return record(y, LogsumexpBackward0, (input._node,), (a, y), (a.shape, axis, keepdim))
