"""The values that parameters start from. Each function fills a tensor in place and returns it.

Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural
networks" (xavier); He et al. 2015, "Delving deep into rectifiers", arXiv:1502.01852 (kaiming); Saxe
et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
arXiv:1312.6120 (orthogonal); Martens 2010, "Deep learning via Hessian-free optimization" (sparse).
"""

from __future__ import annotations

import math

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.ops.inplace import copy_, fill_
from nnlite.ops.random import Generator
from nnlite.ops.random import normal_ as _normal
from nnlite.ops.random import uniform_ as _uniform
from nnlite.tensor import Tensor, wrap

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_",
    "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
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

    Args:
        tensor: of any shape and a floating point dtype; it is written to and returned.
        a: the lower limit.
        b: the upper limit.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: when a is more than b.

    >>> import nnlite
    >>> w = nnlite.nn.init.uniform_(nnlite.empty(100), -1, 1)
    >>> bool((w.abs() <= 1).all())
    True
    """
    if not a <= b:
        raise ValueError(f"uniform_: a must be at most b, got {a} and {b}")
    with no_grad():
        return _uniform(tensor, a, b, generator=generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Values from the normal distribution N(mean, std²).

    Args:
        tensor: of any shape and a floating point dtype; it is written to and returned.
        mean: the mean.
        std: the standard deviation.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: when ``std`` is negative.

    >>> import nnlite
    >>> w = nnlite.nn.init.normal_(nnlite.empty(1000), 5.0, 0.1)
    >>> bool((w - 5).abs().mean() < 0.1)
    True
    """
    if not std >= 0:
        raise ValueError(f"normal_: std must be at least 0, got {std}")
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

    Args:
        tensor: of any shape and a floating point dtype; it is written to and returned.
        mean: the mean of the whole distribution.
        std: its standard deviation.
        a: the smallest value.
        b: the largest value.
        generator: where the random numbers come from; default: the default generator.

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
    """Every value ``val``.

    Args:
        tensor: of any shape; it is written to and returned.
        val: the value.

    >>> import nnlite
    >>> nnlite.nn.init.constant_(nnlite.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    with no_grad():
        return fill_(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Every value 1.

    Args:
        tensor: of any shape; it is written to and returned.

    >>> import nnlite
    >>> nnlite.nn.init.ones_(nnlite.empty(2))
    tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Every value 0.

    Args:
        tensor: of any shape; it is written to and returned.

    >>> import nnlite
    >>> nnlite.nn.init.zeros_(nnlite.empty(2))
    tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix.

    Args:
        tensor: shape (rows, columns); it is written to and returned.

    Raises:
        ValueError: for other dimensions.

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


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The weight of a convolution that leaves its input as it is, channel by channel.

    Args:
        tensor: shape (C_out, C_in / groups, K, …), of one to three spatial dimensions.
        groups: in how many groups of channels; each repeats the channels from the first.

    Raises:
        ValueError: for other dimensions, or when C_out is no multiple of ``groups``.

    >>> import nnlite
    >>> nnlite.nn.init.dirac_(nnlite.empty(2, 2, 3))
    tensor([[[0., 1., 0.],
             [0., 0., 0.]],
    <BLANKLINE>
            [[0., 0., 0.],
             [0., 1., 0.]]])
    """
    shape = tensor.array.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_: only for 3, 4 or 5 dimensions, got shape {list(shape)}")
    if groups < 1 or shape[0] % groups:
        raise ValueError(
            f"dirac_: the first size, {shape[0]}, must be divisible by groups, got {groups}"
        )
    values = np.zeros(shape, tensor.array.dtype)
    outs = shape[0] // groups
    channels = np.arange(min(outs, shape[1]))
    middle = tuple(size // 2 for size in shape[2:])
    for group in range(groups):
        values[(group * outs + channels, channels, *middle)] = 1
    with no_grad():
        return copy_(tensor, wrap(values))


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random matrix whose rows or columns, the fewer of them, are orthonormal, times ``gain``.

    Args:
        tensor: of two dimensions or more; all but the first count as columns.
        gain: the factor.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: for fewer dimensions.

    >>> import nnlite
    >>> w = nnlite.nn.init.orthogonal_(nnlite.empty(3, 5))
    >>> nnlite.allclose(w @ w.T, nnlite.eye(3), atol=1e-6)
    True
    """
    shape = tensor.array.shape
    if len(shape) < 2:
        raise ValueError(f"orthogonal_: only for two dimensions or more, got shape {list(shape)}")
    if not tensor.array.size:
        return tensor
    rows, columns = shape[0], math.prod(shape[1:])
    drawn = _normal(wrap(np.empty((rows, columns))), 0.0, 1.0, generator=generator).array
    q, r = np.linalg.qr(drawn if rows >= columns else drawn.T)
    # With the signs of R's diagonal the distribution is uniform: Mezzadri, arXiv:math-ph/0609050.
    q = q * np.where(np.diagonal(r) < 0, -gain, gain)
    with no_grad():
        return copy_(tensor, wrap((q if rows >= columns else q.T).reshape(shape)))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """N(0, std²), with a part of each column set to 0.

    Args:
        tensor: shape (rows, columns).
        sparsity: the part of each column, in [0, 1]; rounded up to whole elements.
        std: the standard deviation of the rest.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: for other dimensions, or a sparsity out of its range.

    >>> import nnlite
    >>> w = nnlite.nn.init.sparse_(nnlite.empty(10, 3), sparsity=0.4)
    >>> (w == 0).sum(dim=0)
    tensor([4, 4, 4])
    """
    shape = tensor.array.shape
    if len(shape) != 2:
        raise ValueError(f"sparse_: only for two dimensions, got shape {list(shape)}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a part, in [0, 1], got {sparsity}")
    zeros = math.ceil(sparsity * shape[0])
    with no_grad():
        values = _normal(wrap(np.empty(shape)), 0.0, std, generator=generator).array
        order = _uniform(wrap(np.empty(shape)), 0.0, 1.0, generator=generator).array.argsort(axis=0)
        np.put_along_axis(values, order[:zeros], 0, axis=0)
        return copy_(tensor, wrap(values))


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


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """torch's name, which many programs use for initialisations of their own."""
    return fans("_calculate_fan_in_and_fan_out", tensor)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """U(-a, a) with a = gain √(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
    neural networks".

    Args:
        tensor: a weight, shape (outputs, inputs, …); it is written to and returned.
        gain: what ``calculate_gain`` gives for the nonlinearity that follows.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: for fewer than two dimensions.

    >>> import nnlite
    >>> w = nnlite.nn.init.xavier_uniform_(nnlite.empty(2, 4))
    >>> bool((w.abs() <= 1).all())
    True
    """
    std = gain * math.sqrt(2.0 / sum(fans("xavier_uniform_", tensor)))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """N(0, std²) with std = gain √(2 / (fan_in + fan_out)).

    Source: as of ``xavier_uniform_``.

    Args:
        tensor: a weight, shape (outputs, inputs, …); it is written to and returned.
        gain: what ``calculate_gain`` gives for the nonlinearity that follows.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: for fewer than two dimensions.

    >>> import nnlite
    >>> nnlite.nn.init.xavier_normal_(nnlite.empty(2, 4)).shape
    nnlite.Size([2, 4])
    """
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

    Source: He et al. 2015, "Delving Deep into Rectifiers", arXiv:1502.01852.

    Args:
        tensor: a weight, shape (outputs, inputs, …); it is written to and returned.
        a: the negative slope of the leaky ReLU that follows.
        mode: ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward.
        nonlinearity: what follows; see ``calculate_gain``.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: for fewer than two dimensions, another mode or an unknown nonlinearity.

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
    """N(0, std²) with std = gain / √fan.

    Source: as of ``kaiming_uniform_``.

    Args:
        tensor: a weight, shape (outputs, inputs, …); it is written to and returned.
        a: the negative slope of the leaky ReLU that follows.
        mode: ``"fan_in"`` keeps the variance of the forward pass, ``"fan_out"`` of the backward.
        nonlinearity: what follows; see ``calculate_gain``.
        generator: where the random numbers come from; default: the default generator.

    Raises:
        ValueError: as of ``kaiming_uniform_``.

    >>> import nnlite
    >>> nnlite.nn.init.kaiming_normal_(nnlite.empty(8, 3, 5), mode="fan_out").shape
    nnlite.Size([8, 3, 5])
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(function: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{function}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(function, tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)
