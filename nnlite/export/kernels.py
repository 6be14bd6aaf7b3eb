"""Functions of nnlite on arrays that a trace can note down as one call instead of many."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from nnlite.export.array import Traced
from nnlite.export.trace import Trace
from nnlite.ops import columns, exponential, pool

__all__ = ["noted_as_kernels"]

_KERNELS: dict[str, Callable[..., Any]] = {
    "convolution": columns.output_of,
    "transposed convolution": columns.input_of,
    "max pool": pool._maxima,
    "sigmoid": exponential.sigmoid_of,
    "normal cdf": exponential.normal_cdf,
}


@contextmanager
def noted_as_kernels(trace: Trace) -> Iterator[None]:
    """While it lasts, calls of these functions with traced arrays are noted down as ``"kernel"``.

    Each name under which a module of ``nnlite.ops`` knows one of them leads to a function that
    notes it down; elsewhere, and for other arrays, nothing changes.
    """
    wrapped = {id(function): _wrapped(name, function, trace) for name, function in _KERNELS.items()}
    with ExitStack() as stack:
        for module_name, module in list(sys.modules.items()):
            if module_name.startswith("nnlite.ops."):
                for label, value in list(vars(module).items()):
                    if id(value) in wrapped:
                        stack.enter_context(mock.patch.object(module, label, wrapped[id(value)]))
        means = pool._Means
        averaged = _wrapped("average pool", means.pool, trace)
        stack.enter_context(mock.patch.object(means, "pool", averaged))
        yield


def _wrapped(name: str, function: Callable[..., Any], trace: Trace) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(value, Traced) for value in args):
            return function(*args, **kwargs)
        return trace.call("kernel", name, function, function, args, kwargs)

    return noted
