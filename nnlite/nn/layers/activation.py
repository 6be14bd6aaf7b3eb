"""Activation functions as modules. The equations stand with the functions, in ``nnlite.ops``."""

from __future__ import annotations

from nnlite.nn.checks import one_of
from nnlite.nn.module import Module
from nnlite.ops.activation import gelu, leaky_relu, relu, softplus
from nnlite.ops.exponential import sigmoid
from nnlite.ops.reduce import log_softmax, softmax
from nnlite.ops.trigonometric import tanh
from nnlite.tensor import Tensor

__all__ = [
    "GELU", "LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh",
]  # fmt: skip


class ReLU(Module):
    """``max(x, 0)``.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.ReLU()(nnlite.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    Args:
        negative_slope: the slope below 0.
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.LeakyReLU(0.1)(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = bool(inplace)

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class Tanh(Module):
    """The hyperbolic tangent.

    >>> import nnlite
    >>> nnlite.nn.Tanh()(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Sigmoid(Module):
    """The logistic function 1 / (1 + e⁻ˣ).

    >>> import nnlite
    >>> nnlite.nn.Sigmoid()(nnlite.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class GELU(Module):
    """x Φ(x), with Φ the distribution function of the standard normal distribution.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the approximation by a hyperbolic tangent.

    >>> import nnlite
    >>> nnlite.nn.GELU()(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = one_of("GELU", "approximate", approximate, ("none", "tanh"))

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """ln(1 + e^(βx)) / β, a smooth ReLU; ``x`` itself where βx exceeds the threshold.

    Args:
        beta: β.
        threshold: of βx.

    >>> import nnlite
    >>> nnlite.nn.Softplus()(nnlite.tensor([0.0, 50.0]))
    tensor([ 0.6931, 50.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        if not beta > 0:
            raise ValueError(f"Softplus: beta must be positive, got {beta!r}")
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """Positive numbers that sum to 1 along a dimension: eˣ / Σ eˣ.

    Args:
        dim: the dimension.

    >>> import nnlite
    >>> nnlite.nn.Softmax(dim=1)(nnlite.tensor([[0.0, 0.0]]))
    tensor([[0.5000, 0.5000]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of ``Softmax``.

    Args:
        dim: the dimension.

    >>> import nnlite
    >>> nnlite.nn.LogSoftmax(dim=1)(nnlite.tensor([[0.0, 0.0]]))
    tensor([[-0.6931, -0.6931]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
