"""Activations that grow without bound: ReLU and its kin. Their equations: ``nnlite.ops``."""

from __future__ import annotations

from typing import Any

from nnlite.nn import init as initial
from nnlite.nn.checks import one_of, real_number, whole_number
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.ops.activation import celu, elu, gelu, leaky_relu, mish, relu, selu, silu, softplus
from nnlite.ops.create import empty
from nnlite.ops.piecewise import hardswish, prelu, relu6, threshold
from nnlite.tensor import Tensor

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Hardswish", "LeakyReLU", "Mish", "PReLU", "ReLU", "ReLU6",
    "SiLU", "Softplus", "Threshold",
]  # fmt: skip


class _InPlace(Module):
    """An activation that can write its result over its input (abstract)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(_InPlace):
    """``max(x, 0)``.

    It takes any shape.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.ReLU()(nnlite.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)


class ReLU6(_InPlace):
    """``min(max(x, 0), 6)``.

    It takes any shape. Source: Krizhevsky 2010, "Convolutional Deep Belief Networks on
    CIFAR-10".

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.ReLU6()(nnlite.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return relu6(input, self.inplace)


class LeakyReLU(_InPlace):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    It takes any shape.

    Args:
        negative_slope: the slope below 0.
        inplace: write the result over the input.

    Raises:
        TypeError: when ``negative_slope`` is no number.

    >>> import nnlite
    >>> nnlite.nn.LeakyReLU(0.1)(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.1000,  2.0000])
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = real_number("LeakyReLU", "negative_slope", negative_slope)

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """``x`` where positive, ``weight * x`` elsewhere, with slopes to be learnt.

    It takes any shape; with a slope for each channel (N, num_parameters, …). Source: He et al.
    2015, "Delving Deep into Rectifiers", arXiv:1502.01852.

    Args:
        num_parameters: 1, or the number of channels.
        init: what the slopes start as.
        device: ``"cpu"`` or None.
        dtype: of the slopes; default: the default dtype.

    Attributes:
        weight: the slopes, shape (num_parameters,). Weight decay is not for them.

    Raises:
        TypeError, ValueError: when ``num_parameters`` is no whole number of at least 1.

    >>> import nnlite
    >>> nnlite.nn.PReLU()(nnlite.tensor([-1.0, 2.0])).detach()
    tensor([-0.2500,  2.0000])
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = whole_number("PReLU", "num_parameters", num_parameters)
        self.init = real_number("PReLU", "init", init)
        self.weight = Parameter(empty(self.num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all slopes to ``init``."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(_InPlace):
    """``x`` where positive, ``α (eˣ - 1)`` elsewhere.

    It takes any shape. Source: Clevert et al. 2015, "Fast and Accurate Deep Network
    Learning by Exponential Linear Units", arXiv:1511.07289.

    Args:
        alpha: α.
        inplace: write the result over the input.

    Raises:
        TypeError: when ``alpha`` is no number.

    >>> import nnlite
    >>> nnlite.nn.ELU(0.5)(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.3161,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = real_number("ELU", "alpha", alpha)

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return self._with_inplace(f"alpha={self.alpha}")


class CELU(_InPlace):
    """``max(x, 0) + min(α (e^(x/α) - 1), 0)``.

    It takes any shape. Source: Barron 2017, "Continuously Differentiable Exponential Linear
    Units", arXiv:1704.07483.

    Args:
        alpha: α.
        inplace: write the result over the input.

    Raises:
        TypeError, ValueError: when ``alpha`` is no number, or 0.

    >>> import nnlite
    >>> nnlite.nn.CELU(0.5)(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.4323,  2.0000])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = real_number("CELU", "alpha", alpha)
        if not alpha:
            raise ValueError("CELU: alpha must not be 0")

    def forward(self, input: Tensor) -> Tensor:
        return celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return self._with_inplace(f"alpha={self.alpha}")


class SELU(_InPlace):
    """``λ x`` where positive, ``λ α (eˣ - 1)`` elsewhere, with λ ≈ 1.0507 and α ≈ 1.6733.

    It takes any shape. Source: Klambauer et al. 2017, "Self-Normalizing Neural Networks",
    arXiv:1706.02515.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.SELU()(nnlite.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        return selu(input, self.inplace)


class Threshold(_InPlace):
    """``x`` where it is larger than ``threshold``, ``value`` elsewhere.

    It takes any shape.

    Args:
        threshold: the limit.
        value: what stands where x does not exceed it.
        inplace: write the result over the input.

    Raises:
        TypeError: when ``threshold`` or ``value`` is no number.

    >>> import nnlite
    >>> nnlite.nn.Threshold(1.0, 7.0)(nnlite.tensor([-1.0, 2.0]))
    tensor([7., 2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = real_number("Threshold", "threshold", threshold)
        self.value = real_number("Threshold", "value", value)

    def forward(self, input: Tensor) -> Tensor:
        return threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class Softplus(Module):
    """``ln(1 + e^(βx)) / β``, a smooth ReLU; ``x`` itself where βx exceeds the threshold.

    It takes any shape.

    Args:
        beta: β.
        threshold: of βx.

    Raises:
        TypeError, ValueError: when β is not positive.

    >>> import nnlite
    >>> nnlite.nn.Softplus()(nnlite.tensor([0.0, 50.0]))
    tensor([ 0.6931, 50.0000])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = real_number("Softplus", "beta", beta, 0, open_low=True)
        self.threshold = real_number("Softplus", "threshold", threshold)

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class GELU(Module):
    """``x Φ(x)``, with Φ the distribution function of the standard normal distribution.

    It takes any shape. Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units",
    arXiv:1606.08415.

    Args:
        approximate: ``"none"``, or ``"tanh"`` for the approximation by a hyperbolic tangent.

    Raises:
        ValueError: for another ``approximate``.

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


class SiLU(_InPlace):
    """``x σ(x)``, with σ the logistic function.

    It takes any shape. Source: Elfwing et al. 2017, "Sigmoid-Weighted Linear Units",
    arXiv:1702.03118.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.SiLU()(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return silu(input, self.inplace)


class Mish(_InPlace):
    """``x tanh(ln(1 + eˣ))``.

    It takes any shape. Source: Misra 2019, "Mish: A Self Regularized Non-Monotonic
    Activation Function", arXiv:1908.08681.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.Mish()(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """

    def forward(self, input: Tensor) -> Tensor:
        return mish(input, self.inplace)


class Hardswish(_InPlace):
    """``x min(max(x + 3, 0), 6) / 6``, an approximation of SiLU.

    It takes any shape. Source: Howard et al. 2019, "Searching for MobileNetV3",
    arXiv:1905.02244.

    Args:
        inplace: write the result over the input.

    >>> import nnlite
    >>> nnlite.nn.Hardswish()(nnlite.tensor([-1.0, 2.0]))
    tensor([-0.3333,  1.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # as torch prints it
