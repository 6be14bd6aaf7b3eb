"""Activations that are bounded, gated or shrink. Their equations: ``nnlite.ops``."""

from __future__ import annotations

from nnlite.nn.checks import real_number, whole_number
from nnlite.nn.layers.rectifier import _InPlace
from nnlite.nn.module import Module
from nnlite.ops.activation import glu, logsigmoid
from nnlite.ops.exponential import sigmoid
from nnlite.ops.piecewise import hardshrink, hardsigmoid, hardtanh, softshrink, softsign, tanhshrink
from nnlite.ops.trigonometric import tanh
from nnlite.tensor import Tensor

__all__ = [
    "GLU", "Hardshrink", "Hardsigmoid", "Hardtanh", "LogSigmoid", "Sigmoid", "Softshrink",
    "Softsign", "Tanh", "Tanhshrink",
]  # fmt: skip


class Tanh(Module):
    """The hyperbolic tangent.

    It takes any shape.

    >>> import nnlite
    >>> nnlite.nn.Tanh()(nnlite.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Sigmoid(Module):
    """The logistic function ``σ(x) = 1 / (1 + e⁻ˣ)``.

    It takes any shape.

    >>> import nnlite
    >>> nnlite.nn.Sigmoid()(nnlite.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Hardsigmoid(_InPlace):
    """``min(max(x + 3, 0), 6) / 6``, an approximation of the logistic function.

    It takes any shape. Source: Courbariaux et al. 2015, "BinaryConnect", arXiv:1511.00363.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.Hardsigmoid()(nnlite.tensor([-1.0, 2.0]))
    tensor([0.3333, 0.8333])
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as torch prints it


class Hardtanh(_InPlace):
    """``x`` brought into [min_val, max_val].

    It takes any shape.

    Args:
        min_val, max_val: the bounds.
        inplace: write the result over the input.
        min_value, max_value: must be None (torch has replaced them by the others).

    Raises:
        TypeError, ValueError: when a bound is no number, or the lower is not below the upper.

    >>> import nnlite
    >>> nnlite.nn.Hardtanh()(nnlite.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        if min_value is not None or max_value is not None:
            raise ValueError(
                "Hardtanh: min_value and max_value have been replaced by min_val and max_val"
            )
        self.min_val = real_number("Hardtanh", "min_val", min_val)
        self.max_val = real_number("Hardtanh", "max_val", max_val)
        if not min_val < max_val:
            raise ValueError(
                f"Hardtanh: min_val must be less than max_val, got {min_val} and {max_val}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class Softsign(Module):
    """``x / (1 + |x|)``.

    It takes any shape.

    >>> import nnlite
    >>> nnlite.nn.Softsign()(nnlite.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return softsign(input)


class LogSigmoid(Module):
    """The logarithm of ``Sigmoid``.

    It takes any shape.

    >>> import nnlite
    >>> nnlite.nn.LogSigmoid()(nnlite.tensor([0.0, 2.0]))
    tensor([-0.6931, -0.1269])
    """

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)


class GLU(Module):
    """``a σ(b)``, with a and b the two halves of the input, and σ the logistic function.

    An input of shape (…, 2 n, …) gives (…, n, …). Source: Dauphin et al. 2016, "Language Modeling
    with Gated Convolutional Networks", arXiv:1612.08083.

    Args:
        dim: the dimension that is halved.

    Raises:
        TypeError: when ``dim`` is no whole number.

    >>> import nnlite
    >>> nnlite.nn.GLU()(nnlite.tensor([3.0, 0.0]))
    tensor([1.5000])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = whole_number("GLU", "dim", dim, None)

    def forward(self, input: Tensor) -> Tensor:
        return glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Tanhshrink(Module):
    """``x - tanh(x)``.

    It takes any shape.

    >>> import nnlite
    >>> nnlite.nn.Tanhshrink()(nnlite.tensor([0.0, 2.0]))
    tensor([0.0000, 1.0360])
    """

    def forward(self, input: Tensor) -> Tensor:
        return tanhshrink(input)


class Softshrink(Module):
    """``x`` moved towards 0 by λ, 0 where it is smaller than that.

    It takes any shape.

    Args:
        lambd: λ.

    Raises:
        TypeError, ValueError: when ``lambd`` is no number or negative.

    >>> import nnlite
    >>> nnlite.nn.Softshrink()(nnlite.tensor([-2.0, 0.25]))
    tensor([-1.5000,  0.0000])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = real_number("Softshrink", "lambd", lambd, 0)

    def forward(self, input: Tensor) -> Tensor:
        return softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Hardshrink(Module):
    """``x`` where its absolute value is larger than λ, 0 elsewhere.

    It takes any shape.

    Args:
        lambd: λ.

    Raises:
        TypeError: when ``lambd`` is no number.

    >>> import nnlite
    >>> nnlite.nn.Hardshrink()(nnlite.tensor([-2.0, 0.25]))
    tensor([-2.,  0.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = real_number("Hardshrink", "lambd", lambd)

    def forward(self, input: Tensor) -> Tensor:
        return hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"
