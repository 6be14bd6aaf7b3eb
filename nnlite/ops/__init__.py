"""The operators, one file a family; here they are bound to Tensor and to NumPy's functions.

``tensor.py`` knows no mathematics and the operators need Tensor; the circle is cut here. NumPy's
ufuncs and functions run on tensors, too (NEP 13 and 18): that is how a derivative, written once for
arrays, is itself recorded when higher derivatives are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.ops import create, elementwise, index, linalg, reduce, shape
from nnlite.ops.methods import Methods
from nnlite.tensor import Tensor, wrap

# NumPy's ufuncs and functions, and the operator that each becomes on tensors.
_NUMPY: dict[Any, Callable[..., Any]] = {
    np.absolute: elementwise.abs,
    np.add: elementwise.add,
    np.bitwise_and: elementwise.bitwise_and,
    np.bitwise_or: elementwise.bitwise_or,
    np.divide: elementwise.div,
    np.equal: elementwise.eq,
    np.exp: elementwise.exp,
    np.expm1: elementwise.expm1,
    np.greater: elementwise.gt,
    np.greater_equal: elementwise.ge,
    np.isfinite: elementwise.isfinite,
    np.isnan: elementwise.isnan,
    np.less: elementwise.lt,
    np.less_equal: elementwise.le,
    np.log: elementwise.log,
    np.log1p: elementwise.log1p,
    np.logical_and: elementwise.logical_and,
    np.logical_not: elementwise.logical_not,
    np.logical_or: elementwise.logical_or,
    np.matmul: linalg.matmul,
    np.maximum: elementwise.maximum,
    np.minimum: elementwise.minimum,
    np.multiply: elementwise.mul,
    np.negative: elementwise.neg,
    np.not_equal: elementwise.ne,
    np.power: elementwise.pow,
    np.reciprocal: elementwise.reciprocal,
    np.sign: elementwise.sign,
    np.sqrt: elementwise.sqrt,
    np.square: elementwise.square,
    np.subtract: elementwise.sub,
    np.tanh: elementwise.tanh,
    np.amax: reduce.amax,
    np.amin: reduce.amin,
    np.broadcast_to: shape.broadcast_to,
    np.clip: elementwise.clamp,
    np.concatenate: lambda arrays, axis=0: shape.cat(arrays, axis),
    np.dot: linalg.matmul,
    np.expand_dims: lambda a, axis: shape.unsqueeze(a, axis),
    np.mean: reduce.mean,
    np.ones_like: lambda a, dtype=None: create.ones_like(a, dtype=dtype),
    np.reshape: shape.reshape,
    np.squeeze: lambda a, axis=None: shape.squeeze(a, axis),
    np.stack: lambda arrays, axis=0: shape.stack(arrays, axis),
    np.sum: reduce.sum,
    np.transpose: lambda a, axes=None: shape.transpose(a, *([axes] if axes else ())),
    np.where: elementwise.where,
    np.zeros_like: lambda a, dtype=None, shape=None: wrap(
        np.zeros_like(a.array, dtype=dtype, shape=shape)
    ),
}


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """NumPy's ufuncs on tensors (NEP 13)."""
    operator = _NUMPY.get(ufunc)
    if ufunc is np.add and method == "at":
        return index.add_at(*inputs)
    if operator is None or method != "__call__":
        called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise NotImplementedError(
            f"numpy.{called} is not available on tensors; use tensor.detach().numpy()"
        )
    out = options.pop("out", None)
    if options:
        raise NotImplementedError(
            f"numpy.{ufunc.__name__} on tensors takes no {', '.join(sorted(options))}"
        )
    result = operator(*inputs)
    if out is None:
        return result
    (target,) = out
    if isinstance(target, Tensor):
        return target.copy_(result)
    np.copyto(target, result.numpy(), casting="same_kind")
    return target


def _array_function(self: Tensor, function: Any, types: Any, args: Any, options: Any) -> Any:
    """NumPy's functions on tensors (NEP 18)."""
    operator = _NUMPY.get(function)
    if operator is None:
        raise NotImplementedError(
            f"numpy.{function.__name__} is not available on tensors; use tensor.detach().numpy()"
        )
    return operator(*args, **options)


def _bind() -> None:
    for name, value in vars(Methods).items():
        if name not in ("__doc__", "__module__", "__slots__", "__hash__"):
            setattr(Tensor, name, value)
    Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
    Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]


_bind()
