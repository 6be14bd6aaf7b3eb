"""Affine layers, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

from nnlite.nn import init
from nnlite.nn.checks import whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.attention import bilinear
from nnlite.ops.create import empty
from nnlite.ops.linalg import linear
from nnlite.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


def uniform_by_fan_in(weight: Parameter, bias: Parameter | None) -> None:
    """Draw both from U(-1/√n, 1/√n), n being the number of inputs of each output.

    It is ``kaiming_uniform_`` with a = √5, whose bound is √(2 / (1 + 5)) √(3 / n) = 1/√n.
    """
    bound = 1 / math.sqrt(math.prod(weight.array.shape[1:]))
    init.uniform_(weight, -bound, bound)
    if bias is not None:
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """``y = x Wᵀ + b``, with W and b to be learnt.

    An input of shape (…, in_features) gives (…, out_features).

    Args:
        in_features: the last size of the input.
        out_features: the last size of the output.
        bias: whether there is a b.
        device: ``"cpu"`` or None.
        dtype: of the parameters; default: the default dtype.

    Attributes:
        weight: shape (out_features, in_features); starts as U(-1/√in_features, 1/√in_features).
        bias: shape (out_features,), from the same distribution; None without.

    Raises:
        TypeError, ValueError: when a size is no whole number of at least 1.

    >>> import nnlite
    >>> layer = nnlite.nn.Linear(3, 2)
    >>> layer(nnlite.zeros(5, 3)).shape
    nnlite.Size([5, 2])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = whole_number("Linear", "in_features", in_features)
        self.out_features = whole_number("Linear", "out_features", out_features)
        self.weight = Parameter(
            empty(self.out_features, self.in_features, dtype=dtype, device=device)
        )
        self.bias = Parameter(empty(self.out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        uniform_by_fan_in(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """``y[o] = Σ x1[i] W[o, i, j] x2[j] + b[o]``, with W and b to be learnt.

    Inputs of shapes (…, in1_features) and (…, in2_features) give (…, out_features).

    Args:
        in1_features, in2_features: the last sizes of the two inputs.
        out_features: the last size of the output.
        bias: whether there is a b.
        device: ``"cpu"`` or None.
        dtype: of the parameters; default: the default dtype.

    Attributes:
        weight: shape (out_features, in1_features, in2_features); starts as
            U(-1/√in1_features, 1/√in1_features).
        bias: shape (out_features,), from the same distribution; None without.

    Raises:
        TypeError, ValueError: when a size is no whole number of at least 1.

    >>> import nnlite
    >>> layer = nnlite.nn.Bilinear(3, 4, 2)
    >>> layer(nnlite.zeros(5, 3), nnlite.zeros(5, 4)).shape
    nnlite.Size([5, 2])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = whole_number("Bilinear", "in1_features", in1_features)
        self.in2_features = whole_number("Bilinear", "in2_features", in2_features)
        self.out_features = whole_number("Bilinear", "out_features", out_features)
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = Parameter(empty(*shape, dtype=dtype, device=device))
        self.bias = Parameter(empty(self.out_features, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new parameters."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """Its input, of any shape; takes any arguments, so that it can stand in for any layer.

    Args:
        args, kwargs: not used.

    >>> import nnlite
    >>> nnlite.nn.Identity(54, unused=0.1)(nnlite.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input
