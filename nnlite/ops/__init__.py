"""The operators, and the one table that binds them to Tensor and to NumPy's functions.

``tensor.py`` knows no mathematics and the operators need Tensor; the circle is cut here. The table
also lets NumPy's ufuncs and functions run on tensors (NEP 13 and 18): that is how a derivative,
written once for arrays, is itself recorded when higher derivatives are wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd import engine, mutation
from nnlite.ops import create, elementwise, index, inplace, linalg, random, reduce, shape
from nnlite.tensor import Tensor, wrap

# Methods of the same name as their function.
_METHODS: dict[Any, str] = {
    elementwise: "abs add allclose bitwise_and bitwise_not bitwise_or bitwise_xor ceil clamp div "
    "eq equal exp expm1 floor floor_divide ge gt isfinite isinf isnan le log log1p logical_and "
    "logical_not logical_or lt maximum minimum mul ne neg pow reciprocal relu remainder round "
    "rsqrt sigmoid sign sqrt square sub tanh",
    reduce: "all amax amin any argmax argmin log_softmax logsumexp max mean min softmax std sum "
    "var",
    shape: "astype broadcast_to chunk clone contiguous double expand flatten float half long "
    "permute reshape split squeeze t to transpose type_as unsqueeze view",
    linalg: "bmm dot matmul mm mv outer",
    inplace: "add_ clamp_ copy_ detach_ div_ fill_ mul_ sub_ zero_",
    random: "bernoulli normal_ uniform_",
    engine: "register_hook retain_grad",
}

# Methods of another name, and Python's operators.
_NAMED: dict[str, Callable[..., Any]] = {
    "absolute": elementwise.abs,
    "bool": shape.bool_,
    "clip": elementwise.clamp,
    "copy": shape.clone,
    "divide": elementwise.div,
    "int": shape.int_,
    "multiply": elementwise.mul,
    "negative": elementwise.neg,
    "subtract": elementwise.sub,
    "swapaxes": shape.transpose,
    "true_divide": elementwise.div,
    "backward": engine.backward_method,
    "__abs__": elementwise.abs,
    "__add__": elementwise.add,
    "__radd__": elementwise.add,
    "__iadd__": inplace.add_,
    "__sub__": elementwise.sub,
    "__rsub__": elementwise.rsub,
    "__isub__": inplace.sub_,
    "__mul__": elementwise.mul,
    "__rmul__": elementwise.mul,
    "__imul__": inplace.mul_,
    "__truediv__": elementwise.div,
    "__rtruediv__": elementwise.rdiv,
    "__itruediv__": inplace.div_,
    "__floordiv__": elementwise.floor_divide,
    "__mod__": elementwise.remainder,
    "__pow__": elementwise.pow,
    "__rpow__": elementwise.rpow,
    "__neg__": elementwise.neg,
    "__matmul__": linalg.matmul,
    "__eq__": elementwise.eq,
    "__ne__": elementwise.ne,
    "__lt__": elementwise.lt,
    "__le__": elementwise.le,
    "__gt__": elementwise.gt,
    "__ge__": elementwise.ge,
    "__and__": elementwise.bitwise_and,
    "__rand__": elementwise.bitwise_and,
    "__or__": elementwise.bitwise_or,
    "__ror__": elementwise.bitwise_or,
    "__xor__": elementwise.bitwise_xor,
    "__rxor__": elementwise.bitwise_xor,
    "__invert__": elementwise.bitwise_not,
    "__getitem__": index.getitem,
    "__setitem__": index.setitem,
}

_PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "T": shape.reverse_dims,
    "mT": shape.matrix_transpose,
    "_version": lambda tensor: mutation.version(tensor.array),
}

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
        return target.copy_(result)  # type: ignore[attr-defined]
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
    for module, names in _METHODS.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for name, function in _NAMED.items():
        setattr(Tensor, name, function)
    for name, getter in _PROPERTIES.items():
        setattr(Tensor, name, property(getter))
    Tensor.__array_ufunc__ = _array_ufunc  # type: ignore[attr-defined]
    Tensor.__array_function__ = _array_function  # type: ignore[attr-defined]
    # Defining __eq__ on a class takes its hash away; a tensor is hashed by identity.
    Tensor.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]


_bind()
