"""The operators, one file a family; here they are bound to Tensor and to NumPy's functions.

``tensor.py`` knows no mathematics and the operators need Tensor; the circle is cut here. NumPy's
ufuncs and functions run on tensors, too (NEP 13 and 18): that is how a derivative, written once for
arrays, is itself recorded when higher derivatives are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.ops import (
    arithmetic,
    choose,
    compare,
    convert,
    create,
    diagonals,
    exponential,
    extremes,
    index,
    join,
    linalg,
    lookup,
    matrix,
    modulo,
    order,
    power,
    rearrange,
    reduce,
    rounding,
    scan,
    shape,
    trigonometric,
    vector_norm,
)
from nnlite.ops.methods import Methods
from nnlite.ops.shape import broadcast_to as to_size
from nnlite.tensor import Tensor, wrap


def _broadcast_to(array: Tensor, shape: Any) -> Tensor:
    return to_size(array, shape)


# NumPy's ufuncs and functions, and the operator that each becomes on tensors.
_NUMPY: dict[Any, Callable[..., Any]] = {
    np.absolute: arithmetic.abs,
    np.add: arithmetic.add,
    np.bitwise_and: compare.bitwise_and,
    np.bitwise_or: compare.bitwise_or,
    np.divide: arithmetic.div,
    np.equal: compare.eq,
    np.exp: exponential.exp,
    np.expm1: exponential.expm1,
    np.greater: compare.gt,
    np.greater_equal: compare.ge,
    np.isfinite: compare.isfinite,
    np.isnan: compare.isnan,
    np.less: compare.lt,
    np.less_equal: compare.le,
    np.log: exponential.log,
    np.log1p: exponential.log1p,
    np.logical_and: compare.logical_and,
    np.logical_not: compare.logical_not,
    np.logical_or: compare.logical_or,
    np.matmul: linalg.matmul,
    np.maximum: choose.maximum,
    np.minimum: choose.minimum,
    np.multiply: arithmetic.mul,
    np.negative: arithmetic.neg,
    np.not_equal: compare.ne,
    np.power: power.pow,
    np.reciprocal: power.reciprocal,
    np.sign: rounding.sign,
    np.sqrt: power.sqrt,
    np.square: power.square,
    np.subtract: arithmetic.sub,
    np.tanh: trigonometric.tanh,
    np.arccos: trigonometric.acos,
    np.arccosh: trigonometric.acosh,
    np.arcsin: trigonometric.asin,
    np.arcsinh: trigonometric.asinh,
    np.arctan: trigonometric.atan,
    np.arctan2: trigonometric.atan2,
    np.arctanh: trigonometric.atanh,
    np.bitwise_xor: compare.bitwise_xor,
    np.ceil: rounding.ceil,
    np.cos: trigonometric.cos,
    np.cosh: trigonometric.cosh,
    np.exp2: exponential.exp2,
    np.floor: rounding.floor,
    np.floor_divide: arithmetic.floor_divide,
    np.fmax: choose.fmax,
    np.fmin: choose.fmin,
    np.fmod: modulo.fmod,
    np.hypot: power.hypot,
    np.invert: compare.bitwise_not,
    np.isinf: compare.isinf,
    np.log10: exponential.log10,
    np.log2: exponential.log2,
    np.logaddexp: exponential.logaddexp,
    np.logical_xor: compare.logical_xor,
    np.remainder: modulo.remainder,
    np.sin: trigonometric.sin,
    np.sinh: trigonometric.sinh,
    np.tan: trigonometric.tan,
    np.trunc: rounding.trunc,
    np.amax: extremes.amax,
    np.amin: extremes.amin,
    np.max: extremes.amax,
    np.min: extremes.amin,
    np.broadcast_to: _broadcast_to,
    np.clip: choose.clamp,
    np.concatenate: lambda arrays, axis=0: join.cat(arrays, axis),
    np.dot: linalg.matmul,
    np.expand_dims: lambda a, axis: shape.unsqueeze(a, axis),
    np.mean: reduce.mean,
    np.ones_like: lambda a, dtype=None: create.ones_like(a, dtype=dtype),
    np.reshape: shape.reshape,
    np.squeeze: lambda a, axis=None: shape.squeeze(a, axis),
    np.stack: lambda arrays, axis=0: join.stack(arrays, axis),
    np.sum: reduce.sum,
    np.transpose: lambda a, axes=None: shape.transpose(a, *([axes] if axes else ())),
    np.cumprod: lambda a, axis=None, dtype=None: scan.cumprod(a, axis),
    np.cumsum: lambda a, axis=None, dtype=None: scan.cumsum(a, axis),
    np.prod: lambda a, axis=None, keepdims=False: scan.prod(
        a, **({} if axis is None else {"dim": axis, "keepdim": keepdims})
    ),
    np.einsum: matrix.einsum,
    np.roll: lambda a, shift, axis=None: rearrange.roll(a, shift, axis),
    np.tile: lambda a, reps: rearrange.tile(a, reps),
    np.tril: diagonals.tril,
    np.triu: diagonals.triu,
    np.where: choose.where,
    np.all: reduce.all,
    np.allclose: compare.allclose,
    np.any: reduce.any,
    np.argmax: lambda a, axis=None, keepdims=False: extremes.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, keepdims=False: extremes.argmin(a, axis, keepdims),
    np.argsort: lambda a, axis=-1: order.argsort(a, axis),
    np.array_equal: compare.equal,
    np.copy: convert.clone,
    np.count_nonzero: lambda a, axis=None: order.count_nonzero(a, axis),
    np.diag: diagonals.diag,
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: diagonals.diagonal(a, offset, axis1, axis2),
    np.empty_like: lambda a, dtype=None: create.empty_like(a, dtype=dtype),
    np.flip: lambda a, axis=None: rearrange.flip(
        a, tuple(range(a.ndim)) if axis is None else (axis if isinstance(axis, tuple) else (axis,))
    ),
    np.full_like: lambda a, fill_value, dtype=None: create.full_like(a, fill_value, dtype=dtype),
    np.hstack: join.hstack,
    np.inner: linalg.inner,
    np.isclose: compare.isclose,
    np.kron: matrix.kron,
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: vector_norm.linalg_norm(
        x, ord, axis, keepdims
    ),
    np.moveaxis: rearrange.movedim,
    np.nan_to_num: lambda x, nan=0.0, posinf=None, neginf=None: choose.nan_to_num(
        x, nan, posinf, neginf
    ),
    np.ndim: lambda a: a.ndim,
    np.nonzero: lambda a: order.nonzero(a, as_tuple=True),
    np.outer: lambda a, b: linalg.outer(a.flatten(), b.flatten()),
    np.ravel: rearrange.ravel,
    np.round: rounding.round,
    np.shape: lambda a: tuple(a.shape),
    np.size: lambda a, axis=None: a.numel() if axis is None else a.shape[axis],
    np.sort: lambda a, axis=-1: order.sort(a, axis).values,
    np.std: lambda a, axis=None, ddof=0, keepdims=False: reduce.std(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.swapaxes: shape.transpose,
    np.take_along_axis: lambda arr, indices, axis: lookup.take_along_dim(arr, indices, axis),
    np.tensordot: lambda a, b, axes=2: matrix.tensordot(a, b, axes),
    np.trace: diagonals.trace,
    np.var: lambda a, axis=None, ddof=0, keepdims=False: reduce.var(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.vstack: join.vstack,
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
