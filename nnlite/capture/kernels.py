"""Functions of nnlite that a recording notes down as one call each: they compute in Python."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nnlite.capture.recording import StepRecording
from nnlite.nn.utils import clip
from nnlite.tensor import Tensor, wrap

__all__ = ["noted_kernels"]

_norm, _scale, _as_tensor = clip._norm, clip._scale, clip._as_tensor


def norm_of_gradients(*args: Any) -> Any:
    """The norm that gradients are clipped by, as a NumPy number."""
    return np.float64(_norm(*args))


def scale_gradients(gradients: list[Any], max_norm: float, norm: Any, what: str) -> None:
    """Scale gradients in place down to a norm; the factor is a Python number, as it always is."""
    _scale(gradients, max_norm, float(norm), what)


def norm_as_array(norm: Any, gradients: list[Any]) -> Any:
    """The norm in the dtype of the gradients."""
    return _as_tensor(float(norm), gradients).array


@contextmanager
def noted_kernels(trace: StepRecording) -> Iterator[None]:
    """While it lasts, clipping by a norm is noted down as three calls."""

    def norm(*args: Any) -> Any:
        return trace.call("kernel", "norm", norm_of_gradients, norm_of_gradients, args, {})

    def scale(gradients: list[Any], *args: Any) -> None:
        given = (gradients, *args)
        trace.call("kernel", "scale", scale_gradients, scale_gradients, given, {}, gradients)

    def as_tensor(*args: Any) -> Tensor:
        return wrap(trace.call("kernel", "tensor", norm_as_array, norm_as_array, args, {}))

    own: Any = clip
    own._norm, own._scale, own._as_tensor = norm, scale, as_tensor
    try:
        yield
    finally:
        own._norm, own._scale, own._as_tensor = _norm, _scale, _as_tensor
