"""Trigonometric and hyperbolic functions and their inverses, element by element."""

from __future__ import annotations

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, float_array
from nnlite.tensor import Tensor


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
