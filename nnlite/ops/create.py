"""Creation: tensors from data, filled with a value, or from a range."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from nnlite.ops import operands
from nnlite.ops.shape import sizes_of
from nnlite.tensor import Tensor, is_replayed, wrap

__all__ = [
    "arange", "as_tensor", "empty", "empty_like", "eye", "from_numpy", "full", "full_like",
    "linspace", "new_empty", "new_full", "new_ones", "new_tensor", "new_zeros", "ones",
    "ones_like", "tensor", "zeros", "zeros_like",
]  # fmt: skip


def _finish(array: Any, requires_grad: bool) -> Tensor:
    out = wrap(array)
    if requires_grad:
        out.requires_grad_()
    return out


def tensor(
    data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A leaf tensor with a copy of ``data``.

    Args:
        data: a number, nested lists or tuples of numbers, a NumPy array, or a tensor.
        dtype: default: float32 for Python floats, int64 for ints, bool for bools; an array, a
            NumPy scalar and a tensor keep their own, in a list too.
        requires_grad: whether ``backward`` shall compute a gradient for it.
        device: None or ``"cpu"``.

    Raises:
        ValueError: for nested lists of unequal lengths.
        TypeError: for what is no number.

    >>> import nnlite
    >>> nnlite.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    _on_cpu("tensor", device)
    if isinstance(data, Tensor):
        array = data.array.astype(dtype or data.array.dtype, copy=True)
    elif isinstance(data, (np.ndarray, np.generic)) or hasattr(data, "__array_ufunc__"):
        array = data.astype(dtype or data.dtype, copy=True)
    else:
        try:
            array = np.array(_plain(data), dtype=dtype)
        except ValueError as error:
            raise ValueError(f"tensor: the nested lists have unequal lengths ({error})") from None
        if dtype is None and array.dtype.kind in "biuf":
            with np.errstate(over="ignore"):
                array = array.astype(_dtype_of(data), copy=False)
    _numeric("tensor", array)
    return _finish(array, requires_grad)


def _plain(data: Any) -> Any:
    """``data`` with numbers in place of tensors, at any depth."""
    if isinstance(data, (list, tuple)):
        nested = any(isinstance(item, (Tensor, list, tuple)) for item in data)
        return [_plain(item) for item in data] if nested else data
    return data.tolist() if isinstance(data, Tensor) else data


def _dtype_of(data: Any) -> Any:
    """The dtype for a number or nested lists of numbers: that of all of them, promoted."""
    of_python = {bool: np.dtype(bool), int: np.dtype(np.int64), float: operands.default_float}
    if hasattr(data, "dtype"):
        return data.dtype
    if not isinstance(data, (list, tuple, range)):
        return next((of_python[kind] for kind in of_python if isinstance(data, kind)), None)
    kinds = set(map(type, data))
    found = {of_python[kind] for kind in kinds if kind in of_python}
    if not kinds <= of_python.keys():
        found |= {_dtype_of(item) for item in data if type(item) not in of_python}
    if not found:
        return operands.default_float
    return reduce(lambda a, b: operands.result_type(np.empty(1, a), np.empty(1, b)), found)


def _numeric(function: str, array: Any) -> None:
    if array.dtype.kind not in "biufc":
        raise TypeError(f"{function}: expected numbers, got elements of type {array.dtype}")


def _on_cpu(function: str, device: Any) -> None:
    if device is not None and str(device).split(":")[0] != "cpu":
        raise NotImplementedError(
            f"{function}: device {device!r} is not available; nnlite computes on the CPU"
        )


def as_tensor(data: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """``data`` as a tensor, sharing memory where it is an array or a tensor of that dtype.

    >>> import nnlite, numpy
    >>> a = numpy.zeros(2)
    >>> t = nnlite.as_tensor(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.], dtype=nnlite.float64)
    """
    if isinstance(data, Tensor) and (dtype is None or data.array.dtype == np.dtype(dtype)):
        return data
    is_array = isinstance(data, np.ndarray) or is_replayed(data)
    if is_array and (dtype is None or data.dtype == np.dtype(dtype)):
        _numeric("as_tensor", data)
        return wrap(data)
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array.

    >>> import nnlite, numpy
    >>> nnlite.from_numpy(numpy.arange(3))
    tensor([0, 1, 2])
    """
    if not isinstance(array, np.ndarray) and not is_replayed(array):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    _numeric("from_numpy", array)
    return wrap(array)


def _dtype(dtype: Any) -> Any:
    return operands.default_float if dtype is None else dtype


def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of zeros.

    >>> import nnlite
    >>> nnlite.zeros(3)
    tensor([0., 0., 0.])
    """
    _on_cpu("zeros", device)
    return _finish(
        np.zeros(sizes_of(sizes if size is None else (size,)), _dtype(dtype)), requires_grad
    )


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of ones.

    >>> import nnlite
    >>> nnlite.ones(2, requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    _on_cpu("ones", device)
    return _finish(
        np.ones(sizes_of(sizes if size is None else (size,)), _dtype(dtype)), requires_grad
    )


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor whose elements are whatever lies in memory."""
    _on_cpu("empty", device)
    return _finish(
        np.empty(sizes_of(sizes if size is None else (size,)), _dtype(dtype)), requires_grad
    )


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """A tensor of one value; its dtype follows the value's kind.

    >>> import nnlite
    >>> nnlite.full((2,), 7.0)
    tensor([7., 7.])
    """
    _on_cpu("full", device)
    if dtype is None:
        dtype = (
            np.bool_ if isinstance(fill_value, bool)
            else np.int64 if isinstance(fill_value, int)
            else operands.default_float
        )  # fmt: skip
    return _finish(np.full(sizes_of((size,)), fill_value, dtype), requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Zeros of the shape and dtype of ``input``."""
    _on_cpu("zeros_like", device)
    return _finish(np.zeros_like(input.array, dtype=dtype), requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Ones of the shape and dtype of ``input``."""
    _on_cpu("ones_like", device)
    return _finish(np.ones_like(input.array, dtype=dtype), requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Uninitialised memory of the shape and dtype of ``input``."""
    _on_cpu("empty_like", device)
    return _finish(np.empty_like(input.array, dtype=dtype), requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """One value in the shape and dtype of ``input``."""
    _on_cpu("full_like", device)
    return _finish(np.full_like(input.array, fill_value, dtype=dtype), requires_grad)


def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """``tensor(data)`` in the dtype of ``input``.

    >>> import nnlite
    >>> nnlite.zeros(1).new_tensor([1, 2])
    tensor([1., 2.])
    """
    dtype = input.array.dtype if dtype is None else dtype
    made = tensor(data, dtype=dtype, requires_grad=False, device=device)
    return _finish(_moved(made.array, input), requires_grad)


def _moved(array: Any, input: Tensor) -> Any:
    """``array`` as one of the kind that ``input`` holds."""
    return array if type(array) is type(input.array) else np.asarray(array, like=input.array)


def new_zeros(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Zeros of the given size, in the dtype of ``input``.

    >>> import nnlite
    >>> nnlite.arange(1).new_zeros(2)
    tensor([0, 0])
    """
    _on_cpu("new_zeros", device)
    return _finish(np.zeros_like(input.array, dtype=dtype, shape=sizes_of(size)), requires_grad)


def new_ones(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Ones of the given size, in the dtype of ``input``.

    >>> import nnlite
    >>> nnlite.arange(1).new_ones(2)
    tensor([1, 1])
    """
    _on_cpu("new_ones", device)
    return _finish(np.ones_like(input.array, dtype=dtype, shape=sizes_of(size)), requires_grad)


def new_empty(
    input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Uninitialised memory of the given size, in the dtype of ``input``."""
    _on_cpu("new_empty", device)
    return _finish(np.empty_like(input.array, dtype=dtype, shape=sizes_of(size)), requires_grad)


def new_full(
    input: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """One value in the given size, in the dtype of ``input``.

    >>> import nnlite
    >>> nnlite.zeros(1).new_full((2,), 7)
    tensor([7., 7.])
    """
    _on_cpu("new_full", device)
    sizes = sizes_of((size,))
    return _finish(np.full_like(input.array, fill_value, dtype=dtype, shape=sizes), requires_grad)


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """The numbers from ``start`` (default 0) up to, without, ``end``, in steps.

    >>> import nnlite
    >>> nnlite.arange(1, 4)
    tensor([1, 2, 3])
    """
    _on_cpu("arange", device)
    if end is None:
        start, end = 0, start
    if dtype is None:
        whole = all(isinstance(value, int) for value in (start, end, step))
        dtype = np.int64 if whole else operands.default_float
    return _finish(np.arange(start, end, step).astype(dtype), requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """``steps`` evenly spaced numbers from ``start`` to ``end``, both included.

    >>> import nnlite
    >>> nnlite.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    _on_cpu("linspace", device)
    return _finish(np.linspace(start, end, steps).astype(_dtype(dtype)), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.

    >>> import nnlite
    >>> nnlite.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    _on_cpu("eye", device)
    return _finish(np.eye(n, m, dtype=_dtype(dtype)), requires_grad)
