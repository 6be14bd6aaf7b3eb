"""Functions of nnlite that a trace can note down as one call instead of many."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from nnlite.export.trace import Trace
from nnlite.nn.layers import recurrent
from nnlite.ops import batch_norm, columns, exponential, norm, pool, softmax
from nnlite.tensor import Tensor, wrap
from nnlite.tracing.array import Traced
from nnlite.tracing.calls import walk

__all__ = ["noted_as_kernels"]

Function = Callable[..., Any]

_OF_ARRAYS: dict[str, Function] = {
    "convolution": columns.output_of,
    "transposed convolution": columns.input_of,
    "max pool": pool._maxima,
    "sigmoid": exponential.sigmoid_of,
    "normal cdf": exponential.normal_cdf,
}

_one_way = recurrent._Layer._one_way

_OF_TENSORS: dict[str, Function] = {
    "batch norm": batch_norm.batch_norm,
    "layer norm": norm.layer_norm,
    "softmax": softmax.softmax,
    "log softmax": softmax.log_softmax,
}


@contextmanager
def noted_as_kernels(trace: Trace) -> Iterator[None]:
    """While it lasts, calls of these functions with traced arrays are noted down as ``"kernel"``.

    Each name under which a module of nnlite knows one of them leads to a function that notes it
    down; elsewhere, and for other arrays, nothing changes.
    """
    noting = {id(f): _of_arrays(name, f, trace) for name, f in _OF_ARRAYS.items()}
    noting |= {id(f): _of_tensors(name, f, trace) for name, f in _OF_TENSORS.items()}
    with ExitStack() as stack:
        for place, module in list(sys.modules.items()):
            if place.startswith(("nnlite.ops.", "nnlite.nn.")) or place == "nnlite":
                for label, value in list(vars(module).items()):
                    if id(value) in noting:
                        stack.enter_context(mock.patch.object(module, label, noting[id(value)]))
        for owner, label, function in (
            (pool._Means, "pool", _of_arrays("average pool", pool._Means.pool, trace)),
            (recurrent._Layer, "_one_way", _of_tensors("recurrent", _one_way, trace)),
            (Tensor, "softmax", noting[id(_OF_TENSORS["softmax"])]),
            (Tensor, "log_softmax", noting[id(_OF_TENSORS["log softmax"])]),
        ):
            stack.enter_context(mock.patch.object(owner, label, function))
        yield


def _of_arrays(name: str, function: Function, trace: Trace) -> Function:
    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(value, Traced) for value in args):
            return function(*args, **kwargs)
        return trace.call("kernel", name, function, function, args, kwargs)

    return noted


def _of_tensors(name: str, function: Function, trace: Trace) -> Function:
    """Tensors are noted down as their arrays; arguments by position, with defaults."""
    signature = inspect.signature(function)

    def compute(*args: Any) -> Any:
        given = walk(args, lambda value: wrap(value) if isinstance(value, np.ndarray) else value)
        result = function(**dict(zip(signature.parameters, given)))
        return walk(result, _array_of)

    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = walk(tuple(bound.arguments.values()), _array_of)
        is_traced: list[bool] = []
        walk(given, lambda value: is_traced.append(isinstance(value, Traced)))
        # Statistics of the batch, and sequences of several lengths, are left to single calls.
        left = bound.arguments.get("training") or bound.arguments.get("layout") is not None
        if left or not any(is_traced):
            return function(*args, **kwargs)
        result = trace.call("kernel", name, function, compute, given, {})
        return walk(result, lambda value: wrap(value) if isinstance(value, Traced) else value)

    return noted


def _array_of(value: Any) -> Any:
    return value.array if isinstance(value, Tensor) else value
