"""The values that parameters start from. Each function fills a tensor in place and returns it.

Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
networks" (xavier); He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852 (kaiming).
"""

from __future__ import annotations

import math

from nnlite.autograd.modes import no_grad
from nnlite.ops.inplace import copy_, fill_
from nnlite.ops.random import Generator
from nnlite.ops.random import normal_ as _normal
from nnlite.ops.random import uniform_ as _uniform
from nnlite.tensor import Tensor, wrap

__all__ = [
    "calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

_LINEAR = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights are enlarged to keep the variance through a nonlinearity.

    Args:
        nonlinearity: ``"linear"``, ``"sigmoid"``, ``"tanh"``, ``"relu"``, ``"leaky_relu"``,
            ``"selu"``, or the name of a convolution.
        param: the negative slope of ``"leaky_relu"`` (default 0.01).

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"calculate_gain: the negative slope must be a number, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    raise ValueError(
        f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known are "
        f"{', '.join(_LINEAR)}, tanh, relu, leaky_relu, selu"
    )


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Values from the uniform distribution on [a, b).

    >>> import nnlite
    >>> w = nnlite.nn.init.uniform_(nnlite.empty(100), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    with no_grad():
        return _uniform(tensor, a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Values from the normal distribution of the given mean and standard deviation."""
    with no_grad():
        return _normal(tensor, mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Values from the normal distribution, those outside of [a, b] drawn again.

    Raises:
        ValueError: when [a, b] is empty or so far from the mean that hardly a draw falls into it.

    >>> import nnlite
    >>> w = nnlite.nn.init.trunc_normal_(nnlite.empty(100), std=2.0)
    >>> bool((w.abs() <= 2).all())
    True
    """
    # The part of the distribution that is kept: Φ((b - mean)/std) - Φ((a - mean)/std).
    root = std * math.sqrt(2)
    kept = 0.0
    if std > 0 and a < b:
        kept = 0.5 * (math.erf((b - mean) / root) - math.erf((a - mean) / root))
    if kept < 1e-3:
        raise ValueError(
            f"trunc_normal_: [{a}, {b}] holds {kept:.1e} of a normal distribution with mean {mean} "
            f"and standard deviation {std}; choose wider limits"
        )
    with no_grad():
        _normal(tensor, mean, std, generator=generator)
        values = tensor.array.copy()
        outside = (values < a) | (values > b)
        while outside.any():
            again = wrap(values[outside])
            values[outside] = _normal(again, mean, std, generator=generator).array
            outside = (values < a) | (values > b)
        return copy_(tensor, wrap(values))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every value ``val``."""
    with no_grad():
        return fill_(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Every value 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Every value 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.

    >>> import nnlite
    >>> nnlite.nn.init.eye_(nnlite.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.array.ndim != 2:
        raise ValueError(f"eye_: only for two dimensions, got shape {list(tensor.array.shape)}")
    constant_(tensor, 0.0)
    for i in range(min(tensor.array.shape)):
        tensor.array[i, i] = 1
    return tensor


def fans(function: str, tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of the layer has, and how many outputs an input."""
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError(
            f"{function}: fan in and fan out need a tensor of two dimensions or more "
            f"(out_features, in_features, …), got shape {list(shape)}"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """U(-a, a) with a = gain √(6 / (fan_in + fan_out))."""
    std = gain * math.sqrt(2.0 / sum(fans("xavier_uniform_", tensor)))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, std²) with std = gain √(2 / (fan_in + fan_out))."""
    std = gain * math.sqrt(2.0 / sum(fans("xavier_normal_", tensor)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """U(-bound, bound) with bound = gain √(3 / fan).

    Args:
        a: the negative slope of the leaky ReLU that follows.
        mode: ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward.
        nonlinearity: what follows; see ``calculate_gain``.

    >>> import nnlite
    >>> w = nnlite.nn.init.kaiming_uniform_(nnlite.empty(8, 3), nonlinearity="relu")
    >>> bool((w.abs() <= 2**0.5).all())
    True
    """
    std = _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """N(0, std²) with std = gain / √fan; the arguments of ``kaiming_uniform_``."""
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(function: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(function, tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)
