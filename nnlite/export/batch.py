"""One trace for every size of the batch, from traces of two sizes.

Two runs with batches of different size make the same calls; where their numbers differ, the number
is a · n + b, n being the size of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnlite.export.errors import ExportError
from nnlite.export.trace import Trace, run
from nnlite.nn.module import Module
from nnlite.tensor import Tensor
from nnlite.tracing.calls import Call, Ref, walk

__all__ = ["Size", "arrays_of_example", "resized", "traced"]

Array = np.ndarray[Any, np.dtype[Any]]
Axes = tuple[int | None, ...]

_SIZES = (3, 5)


@dataclass(frozen=True)
class Size:
    """A number that depends on the size n of the batch: factor · n + offset."""

    factor: int
    offset: int

    def at(self, n: int) -> int:
        """The number for a batch of size n."""
        return self.factor * n + self.offset


class _DiffersError(Exception):
    """Two traces differ in more than the sizes."""


def arrays_of_example(example_input: Any) -> list[Array]:
    """The inputs as arrays: of a tensor, an array, or a tuple of several."""
    parts = example_input if isinstance(example_input, (tuple, list)) else (example_input,)
    arrays = []
    for part in parts:
        if not isinstance(part, (Tensor, np.ndarray)):
            raise TypeError(
                f"export: example_input must be a tensor, or a tuple of tensors for a model with "
                f"several inputs, got {type(part).__name__}"
            )
        array = part.numpy(force=True) if isinstance(part, Tensor) else part
        arrays.append(np.ascontiguousarray(array).reshape(array.shape))
    if not arrays:
        raise TypeError("export: example_input is empty; give what the model is called with")
    return arrays


def axes_of(arrays: Sequence[Array], batch_axis: Any) -> Axes:
    """The axis of the batch in each input; None where there is none.

    Raises:
        ValueError: an input does not have the axis, or the inputs' batches differ in size.
    """
    several = isinstance(batch_axis, (tuple, list))
    axes = tuple(batch_axis) if several else (batch_axis,) * len(arrays)
    if len(axes) != len(arrays):
        raise ValueError(
            f"export: batch_axis has {len(axes)} entries for {len(arrays)} inputs; give one for "
            "each, None for an input without a batch"
        )
    sizes = set()
    checked: list[int | None] = []
    for array, axis in zip(arrays, axes):
        if axis is not None and not -array.ndim <= axis < array.ndim:
            raise ValueError(
                f"export: batch_axis={axis} for an input of shape {list(array.shape)}; give the "
                "axis along which the samples lie, or None for a fixed shape"
            )
        checked.append(None if axis is None else axis % array.ndim)
        if axis is not None:
            sizes.add(array.shape[axis])
    if len(sizes) > 1:
        raise ValueError(
            f"export: the inputs have batches of different sizes, {sorted(sizes)}; give batch_axis "
            "for each input: (0, None) where the second one has no batch"
        )
    if 0 in sizes:
        raise ValueError("export: the example has no sample; give one at least")
    return tuple(checked)


def resized(arrays: Sequence[Array], axes: Axes, n: int) -> list[Array]:
    """The inputs with a batch of n samples: those of the example, over and over."""
    return [
        array
        if axis is None
        else np.ascontiguousarray(array.take(np.arange(n) % array.shape[axis], axis=axis))
        for array, axis in zip(arrays, axes)
    ]


def traced(
    model: Module,
    arrays: Sequence[Array],
    axes: Axes,
    during: Callable[[Trace], AbstractContextManager[None]] | None = None,
) -> Trace:
    """The trace of a model, with `Size` for what depends on the size of the batch.

    Args:
        during: a context in which the model runs.

    Raises:
        ExportError: the model cannot be traced, or treats batches of different sizes differently.
    """
    if not isinstance(model, Module):
        raise TypeError(f"export: expected a Module, got {type(model).__name__}")
    if all(axis is None for axis in axes):
        trace = run(model, arrays, during)
        trace.shapes = [array.shape for array in trace.arrays]
        return trace
    first, second = (_run_resized(model, resized(arrays, axes, n), n, during) for n in _SIZES)
    if len(first.calls) != len(second.calls):
        raise _too_different("the number of operations", "")
    for call, other in zip(first.calls, second.calls):
        try:
            _check_same(first, second, call, other)
            call.args = _merged(call.args, other.args)
            call.kwargs = _merged(call.kwargs, other.kwargs)
        except _DiffersError as difference:
            what = call.target.__name__ if call.kind == "ufunc" else call.name or call.kind
            raise _too_different(f"{what} ({difference})", call.module) from None
    first.calls[:0] = [
        _sized_constant(first, number, second.arrays[number])
        for number, name in list(first.names.items())
        if not name and not _equal(first.arrays[number], second.arrays[number])
    ]
    try:
        first.outputs = _merged(first.outputs, second.outputs)
        first.shapes = [_merged(a.shape, b.shape) for a, b in zip(first.arrays, second.arrays)]
    except _DiffersError as difference:
        raise _too_different(f"its outputs ({difference})", "") from None
    return first


def _run_resized(model: Module, arrays: Sequence[Array], n: int, during: Any) -> Trace:
    try:
        return run(model, arrays, during)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(
            f"export: the model does not run with {n} samples ({error}); give batch_axis=None to "
            "export for the example's shape alone, or the axis of the samples"
        ) from error


def _sized_constant(trace: Trace, number: int, other: Array) -> Call:
    """The call that makes a constant whose size depends on the batch: all equal, or counting."""
    array = trace.arrays[number]
    shape = tuple(_merged(*sizes) for sizes in zip(array.shape, other.shape))
    dtype = {"dtype": array.dtype}
    maker: Any = None
    if array.ndim == other.ndim and array.dtype == other.dtype and array.size and other.size:
        first = array.flat[0]
        if (array == first).all() and (other == first).all():
            maker, arguments = np.full, (shape, first.item())
        elif array.ndim == 1 and all((a == np.arange(len(a))).all() for a in (array, other)):
            maker, arguments = np.arange, shape
    if maker is None:
        raise _too_different("a constant array", "")
    del trace.names[number]
    return Call("function", maker.__name__, maker, arguments, dtype, (number,), (), "")


def _too_different(what: str, module: str) -> ExportError:
    within = f" in {module!r}" if module else ""
    return ExportError(
        f"export: {what}{within} depends on the size of the batch in a way that cannot be written "
        "down; give batch_axis=None to export for the example's shape alone"
    )


def _check_same(first: Trace, second: Trace, call: Call, other: Call) -> None:
    same = (call.kind, call.name, call.results, call.writes, call.module)
    if same != (other.kind, other.name, other.results, other.writes, other.module):
        raise _DiffersError("another operation follows")
    if call.target is not other.target:
        raise _DiffersError("another operation follows")
    for number in (*call.results, *call.writes):
        if first.roots[number] != second.roots[number]:
            raise _DiffersError("it copies in one case and not in the other")


def _merged(a: Any, b: Any) -> Any:
    if type(a) is not type(b):
        raise _DiffersError(f"{a!r} for one size and {b!r} for another")
    if isinstance(a, (tuple, list)):
        if len(a) != len(b):
            raise _DiffersError(f"{len(a)} numbers for one size and {len(b)} for another")
        parts = [_merged(x, y) for x, y in zip(a, b)]
        return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
    if isinstance(a, dict):
        if a.keys() != b.keys():
            raise _DiffersError(f"{list(a)} for one size and {list(b)} for another")
        return {name: _merged(a[name], b[name]) for name in a}
    if isinstance(a, slice):
        return slice(
            *(_merged(x, y) for x, y in ((a.start, b.start), (a.stop, b.stop), (a.step, b.step)))
        )
    if isinstance(a, (Ref, np.ndarray)):
        if isinstance(a, np.ndarray) and not _equal(a, b):
            raise _DiffersError("an array of other values")
        if isinstance(a, Ref) and a != b:
            raise _DiffersError("another array")
        return a
    if type(a) is int and a != b:
        factor = (b - a) // (_SIZES[1] - _SIZES[0])
        return Size(factor, a - factor * _SIZES[0])
    if a != b and not (a != a and b != b):
        raise _DiffersError(f"{a!r} for one size and {b!r} for another")
    return a


def _equal(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def depends_on_size(value: Any) -> bool:
    """Whether there is a `Size` in nested arguments."""
    found: list[Any] = []
    walk(value, lambda part: found.append(part) if isinstance(part, Size) else None)
    return bool(found)
