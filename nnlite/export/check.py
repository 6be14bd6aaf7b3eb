"""What was exported, compared with the model, for batches of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.export.batch import Array, Axes, resized
from nnlite.export.errors import ExportError
from nnlite.export.trace import copied_state, evaluating
from nnlite.nn.module import Module
from nnlite.tensor import Tensor, wrap
from nnlite.tracing.calls import walk

__all__ = ["check_sizes", "flat", "outputs_of"]


def outputs_of(model: Module, arrays: Sequence[Array]) -> Any:
    """What the model itself returns in evaluation mode, with arrays in place of tensors."""
    with evaluating(model), copied_state(model), no_grad():
        result = model(*(wrap(array.copy()) for array in arrays))
    return walk(result, lambda part: part.array if isinstance(part, Tensor) else part)


def flat(value: Any) -> list[Array]:
    """The arrays of nested tuples, lists and dicts, in order."""
    if hasattr(value, "items"):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in flat(part)]
    return [value] if isinstance(value, np.ndarray) else []


def differ(actual: Any, expected: Any) -> str:
    """How outputs differ, in words; empty where they agree."""
    found, wanted = flat(actual), flat(expected)
    if [array.shape for array in found] != [array.shape for array in wanted]:
        return f"shapes {[a.shape for a in found]} instead of {[a.shape for a in wanted]}"
    for a, b in zip(found, wanted):
        if a.dtype != b.dtype:
            return f"{a.dtype} instead of {b.dtype}"
        scale = float(np.abs(b[np.isfinite(b)]).max(initial=0.0)) if b.dtype.kind == "f" else 0.0
        if not np.allclose(a, b, rtol=1e-5, atol=1e-5 * scale, equal_nan=True):
            return f"values by up to {np.nanmax(np.abs(a.astype(float) - b)):g}"
    return ""


def check_sizes(model: Module, arrays: Sequence[Array], axes: Axes, predict: Any) -> None:
    """Compare with the model for batches of several sizes; ``ExportError`` where they differ."""
    samples = {array.shape[axis] for array, axis in zip(arrays, axes) if axis is not None}
    for n in sorted({*samples, 1, 5}) if samples else [0]:
        given = resized(arrays, axes, n)
        size = f" for {n} samples" if samples else ""
        try:
            result = predict(*given)
        except ValueError as error:
            raise ExportError(
                f"export: what was exported fails{size} ({error}): the model looks at values of "
                "the input and takes another branch; give batch_axis=None, or another example"
            ) from error
        difference = differ(result, outputs_of(model, given))
        if difference:
            raise ExportError(
                f"export: what was exported differs from the model{size} ({difference}): the model "
                "depends on something that a trace does not see; give batch_axis=None, or report it"
            )
