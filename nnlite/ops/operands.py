"""What operators share: operands under torch's rules of promotion, and undoing a broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.tensor import Tensor, is_replayed, ndarray, wrap

__all__ = [
    "float_array",
    "floats",
    "kept",
    "no_bools",
    "operands",
    "result_type",
    "same_dtype",
    "unbroadcast",
]

Array = Any  # a NumPy array or one that dispatches like it
Shapes = tuple[tuple[int, ...], tuple[int, ...]]

default_float = np.dtype(np.float32)


def set_default_dtype(dtype: Any) -> None:
    """The dtype of tensors made from Python floats: float32 (default) or float64.

    >>> import nnlite
    >>> nnlite.set_default_dtype(nnlite.float64)
    >>> nnlite.tensor(1.0).dtype
    dtype('float64')
    >>> nnlite.set_default_dtype(nnlite.float32)
    """
    global default_float
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise TypeError(f"set_default_dtype: only floating point dtypes, got {chosen}")
    default_float = chosen


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of tensors made from Python floats."""
    return default_float


def array_of(function: str, value: Any) -> Array:
    """The array of a tensor argument; TypeError naming the function for anything else."""
    try:
        return value.array
    except AttributeError:
        raise TypeError(
            f"{function}: expected a Tensor, got {type(value).__name__}; wrap it with nnlite.tensor"
        ) from None


def float_array(function: str, value: Any) -> Array:
    """The array of a tensor for a function whose results are floats: integers become floats."""
    array = array_of(function, value)
    return array if array.dtype.kind == "f" else array.astype(default_float)


def same_dtype(function: str, *tensors: Any) -> tuple[list[Any], tuple[Any, ...]]:
    """Tensors of several dtypes in the one that they promote to: their arrays and edges."""
    arrays = [array_of(function, tensor) for tensor in tensors]
    dtype = arrays[0].dtype
    if any(array.dtype != dtype for array in arrays):
        first = arrays[0]
        for array in arrays[1:]:
            dtype = result_type(first, array)
            # The dimensions count, too: 0-d is weak. Beside a stronger one it says no more.
            first = np.empty((1,) * max(first.ndim, array.ndim), dtype)
        tensors = tuple(_as_dtype(tensor, dtype) for tensor in tensors)
    return [tensor.array for tensor in tensors], tuple(tensor._node for tensor in tensors)


def floats(function: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands for a function whose results are floats: tensors of integers become floats."""
    both = x, y
    if all(not isinstance(v, Tensor) or v.array.dtype.kind != "f" for v in both):
        x, y = (_as_dtype(v, default_float) if isinstance(v, Tensor) else v for v in both)
    return x, y


def operands(function: str, x: Any, y: Any) -> tuple[Array, Array, tuple[Any, Any], Shapes | None]:
    """The operands of a binary operator, of which at least one is a tensor.

    Returns:
        Both as arrays of one dtype (a Python number stays one: it adapts to the other's dtype),
        their edges, and their shapes when broadcasting will change one of them, else None.
    """
    try:
        a, b = x.array, y.array
    except AttributeError:
        return _with_constant(function, x, y)
    if a.dtype is not b.dtype:
        dtype = result_type(a, b)
        x, y = _as_dtype(x, dtype), _as_dtype(y, dtype)
        a, b = x.array, y.array
    shape, other = a.shape, b.shape
    return a, b, (x._node, y._node), None if shape == other else (shape, other)


def _with_constant(
    function: str, x: Any, y: Any
) -> tuple[Array, Array, tuple[Any, Any], Shapes | None]:
    """``operands`` where one of them is no tensor."""
    if isinstance(x, Tensor):
        y = constant(function, y)
        if isinstance(y, Tensor):
            return operands(function, x, y)
        x = _meet_number(x, y)
        return x.array, y, (x._node, None), None
    if isinstance(y, Tensor):
        x = constant(function, x)
        if isinstance(x, Tensor):
            return operands(function, x, y)
        y = _meet_number(y, x)
        return x, y.array, (None, y._node), None
    raise TypeError(f"{function}: expected a Tensor, got {type(x).__name__} and {type(y).__name__}")


def constant(function: str, value: Any) -> Any:
    """An operand that is no tensor: a Python number as it is, an array as a tensor."""
    if isinstance(value, (bool, int, float)):
        # NumPy's float64 scalar is a Python float, too, but would not adapt to float32.
        return float(value) if isinstance(value, float) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, ndarray) or hasattr(value, "__array_ufunc__"):
        return wrap(value)
    raise TypeError(f"{function}: cannot combine a Tensor with {type(value).__name__}")


def _meet_number(x: Tensor, number: Any) -> Tensor:
    """``x`` in the dtype that it takes beside a Python number of a higher kind."""
    kind = x.array.dtype.kind
    if kind == "f" or isinstance(number, bool):
        return x
    if isinstance(number, float):
        return _as_dtype(x, default_float)
    return _as_dtype(x, np.dtype(np.int64)) if kind == "b" else x


def _as_dtype(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    if x.array.dtype == dtype:
        return x
    return x.to(dtype)


def no_bools(function: str, *values: Any) -> None:
    """Refuse bools, which NumPy would make small numbers of."""
    if all(getattr(value, "dtype", np.bool_) == np.bool_ for value in values):
        raise TypeError(f"{function}: not defined for bool tensors; convert first: tensor.int()")


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def kind_rank(dtype: np.dtype[Any]) -> int:
    """The place of a dtype's kind in bool < integer < float."""
    return _RANK[dtype.kind]


def result_type(a: Any, b: Any) -> np.dtype[Any]:
    """torch's promotion of two arrays: bool < integer < float; 0-d counts within its kind only.

    Source: torch's documentation, "Tensor Attributes", type promotion.
    """
    first, second = a.dtype, b.dtype
    if first == second:
        return first  # type: ignore[no-any-return]
    rank, other = _RANK[first.kind], _RANK[second.kind]
    if (a.ndim == 0) != (b.ndim == 0):
        strong, weak = (b, a) if a.ndim == 0 else (a, b)
        if _RANK[strong.dtype.kind] >= _RANK[weak.dtype.kind]:
            return strong.dtype  # type: ignore[no-any-return]
        return weak.dtype  # type: ignore[no-any-return]
    if rank != other:
        return first if rank > other else second  # type: ignore[no-any-return]
    return np.promote_types(first, second)


_NUMBERS = {
    (np.dtype(dtype), value): np.array(value, dtype)
    for dtype in (np.float32, np.float64)
    for value in (0, 1)
}


def number(value: int, like: Array) -> Any:
    """0 or 1 to be combined with ``like``: as a 0-d array, which NumPy takes 0.5 µs faster."""
    plain = type(like) is ndarray or is_replayed(like)
    return _NUMBERS.get((like.dtype, value), value) if plain else value


LARGE = 4096  # elements, from which on it pays to mask bits
_BITS = {np.dtype(f): np.dtype(i) for f, i in ((np.float32, np.int32), (np.float64, np.int64))}


def kept(g: Array, mask: Array) -> Array:
    """``g`` where ``mask`` holds, 0 elsewhere: also where g is infinite, as a product is not.

    ``np.where`` waits for a branch at each element; in large arrays the bits are masked instead,
    which is up to eight times faster.

    >>> import numpy as np
    >>> kept(np.array([1.0, np.inf]), np.array([True, False]))
    array([1., 0.])
    """
    plain = (type(g) is ndarray and type(mask) is ndarray) or is_replayed(g) or is_replayed(mask)
    if plain and g.size > LARGE and g.shape == mask.shape:
        integers = _BITS.get(g.dtype)
        if integers is not None:
            ones = np.negative(mask.view(np.int8), dtype=integers)
            return np.bitwise_and(g.view(integers), ones, out=ones).view(g.dtype)
    return np.where(mask, g, 0)


BLOCK = 1 << 15  # elements; a few float32 arrays of this size fit the second-level cache


def in_blocks(function: Callable[..., Array], *arrays: Array) -> Array:
    """``function(*arrays)``, which works element by element, computed block by block.

    A long chain of operations on large arrays waits for memory at each of them; on a block at a
    time all but the first find their operands in the cache.

    Args:
        function: its result has the dtype of its first argument.
        arrays: of one shape.

    >>> import numpy as np
    >>> in_blocks(np.multiply, np.array([2.0, 3.0]), np.array([5.0, 7.0]))
    array([10., 21.])
    """
    first = arrays[0]
    if type(first) is not ndarray or first.size <= BLOCK:
        return function(*arrays)
    if not all(type(array) is ndarray and array.flags.c_contiguous for array in arrays):
        return function(*arrays)
    y = np.empty_like(first)
    made = y.reshape(-1)
    given = [array.reshape(-1) for array in arrays]
    for start in range(0, y.size, BLOCK):
        block = slice(start, start + BLOCK)
        made[block] = function(*(flat[block] for flat in given))
    return y


def sum_of_rows(g: Array) -> Array:
    """Σ g over the rows of a matrix; of an array as a product with ones, which is faster."""
    if type(g) is not ndarray and not is_replayed(g):
        return g.sum(axis=0)
    ones = _ONES.get(len(g))
    if ones is None or ones.dtype is not g.dtype:
        if len(_ONES) > 100:
            _ONES.clear()
        ones = _ONES[len(g)] = np.ones(len(g), g.dtype)
    return ones.dot(g) if type(g) is ndarray else np.dot(ones, g)


_ONES: dict[int, Array] = {}


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo a broadcast: sum ``g`` over the dimensions along which ``shape`` was repeated.

    Where one value was used n times, its gradient is the sum of the n gradients.

    >>> import numpy as np
    >>> unbroadcast(np.ones((4, 3)), (3,))
    array([4., 4., 4.])
    >>> unbroadcast(np.ones((4, 3)), (4, 1)).shape
    (4, 1)
    """
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    repeated = tuple(
        axis
        for axis, length in enumerate(g.shape)
        if axis < lead or (shape[axis - lead] == 1 and length != 1)
    )
    return (g.sum(axis=repeated) if repeated else g).reshape(shape)
