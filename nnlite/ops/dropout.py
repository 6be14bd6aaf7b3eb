"""Dropout: of elements, of whole channels, and the kind that suits selu."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnlite.autograd.node import record
from nnlite.ops.arithmetic import MulBackward0, add, mul
from nnlite.ops.operands import array_of, float_array
from nnlite.ops.random import Generator, _rng
from nnlite.tensor import Tensor, wrap

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "feature_alpha_dropout"]


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Set each element to 0 with probability ``p`` and scale the rest by 1/(1 - p), in training.

    Source: Srivastava et al. 2014, "Dropout".

    Args:
        p: the probability, in [0, 1].
        training: without it the input is returned as it is.
        generator: where the random numbers come from; default: the default generator.

    >>> import nnlite
    >>> nnlite.nn.functional.dropout(nnlite.ones(2), p=0.0)
    tensor([1., 1.])
    """
    shape = array_of("dropout", input).shape
    return _dropout("dropout", input, p, training, inplace, shape, generator)


def _dropout(
    function: str, input: Tensor, p: float, training: bool, inplace: bool,
    shape: tuple[int, ...], generator: Generator | None,
) -> Tensor:  # fmt: skip
    """Dropout with a mask of the given shape, which is broadcast."""
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: p is a probability in [0, 1], got {p}")
    if not training or p == 0:
        return input
    x = float_array(function, input)
    keep = _kept(x, p, shape, generator)
    if p < 1:
        keep *= 1 / (1 - p)
    out = record(x * keep, MulBackward0, (input._node, None), (None, keep))
    return _in_place(function, input, out) if inplace else out


def _kept(x: Any, p: float, shape: tuple[int, ...], generator: Generator | None) -> Any:
    """0 with probability ``p``, else 1, in the dtype of ``x``."""
    if p == 1:
        return np.zeros_like(x, shape=shape)
    u = np.asarray(_rng(generator).random(shape, dtype=np.float32), like=x)
    return (u >= p).astype(x.dtype)


def _in_place(function: str, input: Tensor, out: Tensor) -> Tensor:
    """``input`` as the result ``out`` of ``function``."""
    from nnlite.ops.inplace import _take_over, claim

    records = claim(function, input)
    return _take_over(input, function, out, records)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Dropout of whole channels of sequences, shape (N, C, L) or (C, L); see ``dropout``.

    Source: Tompson et al. 2015, "Efficient Object Localization Using Convolutional Networks",
    arXiv:1411.4280.

    >>> import nnlite
    >>> nnlite.nn.functional.dropout1d(nnlite.ones(1, 2), p=1.0)
    tensor([[0., 0.]])
    """
    shape = array_of("dropout1d", input).shape
    if len(shape) not in (2, 3):
        raise RuntimeError(
            f"dropout1d: expected the shape (N, C, L) or (C, L), got {list(shape)}; dropout2d is "
            "for images"
        )
    return _dropout("dropout1d", input, p, training, inplace, (*shape[:-1], 1), generator)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Dropout of whole channels of images, shape (N, C, H, W); see ``dropout1d``.

    Three dimensions are taken as (N, C, L), as torch does.

    >>> import nnlite
    >>> nnlite.nn.functional.dropout2d(nnlite.ones(1, 1, 1, 2), p=1.0)
    tensor([[[[0., 0.]]]])
    """
    shape = array_of("dropout2d", input).shape
    if len(shape) not in (3, 4):
        raise RuntimeError(f"dropout2d: expected the shape (N, C, H, W), got {list(shape)}")
    mask = (*shape[:2], *(1,) * (len(shape) - 2))
    return _dropout("dropout2d", input, p, training, inplace, mask, generator)


# What selu tends to for large negative values: -λ α.
_LOWEST = 1.7580993408473766


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Dropout for selu: sets elements to its lowest value and keeps mean 0 and variance 1.

    y = a (x m - λα (1 - m)) + a λα p,  a = 1/√((1 - p) (1 + p (λα)²)), m the mask.
    Source: Klambauer et al. 2017, "Self-Normalizing Neural Networks", arXiv:1706.02515.

    Args:
        p: the probability, in [0, 1].
        training: without it (the default here, as in torch) the input is returned as it is.
        generator: where the random numbers come from; default: the default generator.

    >>> import nnlite
    >>> nnlite.nn.functional.alpha_dropout(nnlite.ones(2), p=0.5)
    tensor([1., 1.])
    """
    shape = array_of("alpha_dropout", input).shape
    return _alpha_dropout("alpha_dropout", input, p, training, inplace, shape, generator)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False,
    *, generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """``alpha_dropout`` of whole channels, shape (N, C, …).

    >>> import nnlite
    >>> nnlite.nn.functional.feature_alpha_dropout(nnlite.ones(1, 1, 2), p=0.5)
    tensor([[[1., 1.]]])
    """
    name = "feature_alpha_dropout"
    shape = array_of(name, input).shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: expected the shape (N, C, …), got {list(shape)}")
    mask = (*shape[:2], *(1,) * (len(shape) - 2))
    return _alpha_dropout(name, input, p, training, inplace, mask, generator)


def _alpha_dropout(
    function: str, input: Tensor, p: float, training: bool, inplace: bool,
    shape: tuple[int, ...], generator: Generator | None,
) -> Tensor:  # fmt: skip
    if not 0 <= p <= 1:
        raise ValueError(f"{function}: p is a probability in [0, 1], got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return _dropout(function, input, p, training, inplace, shape, generator)
    keep = _kept(float_array(function, input), p, shape, generator)
    a = 1 / math.sqrt((1 - p) * (1 + p * _LOWEST**2))
    out = add(mul(input, wrap(keep * a)), wrap((keep - (1 - p)) * (_LOWEST * a)))
    return _in_place(function, input, out) if inplace else out
