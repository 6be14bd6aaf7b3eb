"""Affine layers, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

from nnlite.nn import init
from nnlite.nn.checks import whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.create import empty
from nnlite.ops.linalg import linear
from nnlite.tensor import Tensor

__all__ = ["Identity", "Linear"]


class Linear(Module):
    """``y = x Wᵀ + b``, with W and b to be learnt.

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
        # With a = √5 the bound is √(2 / (1 + 5)) √(3 / in_features) = 1/√in_features.
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """Its input; takes any arguments, so that it can stand in for any layer.

    >>> import nnlite
    >>> nnlite.nn.Identity(54, unused=0.1)(nnlite.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input
