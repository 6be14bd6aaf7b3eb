"""An array that is no NumPy array: it dispatches like one, and refuses to be turned into one.

As strict as an array on another device: it takes part in NumPy's own ufuncs and functions with
numbers and its own kind; an ndarray beside it, a conversion, or a look at a value is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Duck(np.lib.mixins.NDArrayOperatorsMixin):
    """A NumPy array in disguise (NEP 13, NEP 18); ``looks`` counts the values looked at."""

    looks = 0

    def __init__(self, array: Any) -> None:
        self._array = np.asarray(array)

    # ---- dispatch ----

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if not all(isinstance(x, known) or not hasattr(x, "__array_ufunc__") for x in inputs):
            return NotImplemented
        if getattr(np, ufunc.__name__, None) is not ufunc:
            raise TypeError(f"{ufunc.__name__} is no ufunc of NumPy's, other arrays cannot run it")
        return self._run(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if not all(issubclass(kind, known) for kind in types):
            return NotImplemented
        # np.asarray(x, like=duck) moves an array over on purpose.
        return self._run(function, args, options, strict=function is not np.asarray)

    @staticmethod
    def _run(function: Any, args: Any, options: Any, strict: bool = True) -> Any:
        result = function(*bare(args, strict), **bare(options, strict))
        if "out" in options:
            (out,) = options["out"] if isinstance(options["out"], tuple) else (options["out"],)
            return out
        return dressed(result)

    # ---- an array's methods and attributes ----

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: self._array.flags)
    T = property(lambda self: Duck(self._array.T))

    def __getitem__(self, index: Any) -> Duck:
        return Duck(self._array[bare(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[bare(index)] = bare(value)

    def __len__(self) -> int:
        return len(self._array)

    # ---- what is refused, and what is counted ----

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("a duck array was converted to an ndarray")

    def __bool__(self) -> bool:
        Duck.looks += 1
        return bool(self._array)

    def _refuse(self, *args: Any) -> Any:
        raise TypeError("a duck array was converted to Python numbers")

    __float__ = __int__ = __index__ = __iter__ = __complex__ = item = tolist = _refuse


known = (Duck, np.ndarray, np.generic)


def _method(name: str) -> Any:
    def method(self: Duck, *args: Any, **options: Any) -> Any:
        return Duck._run(getattr(self._array, name), args, options)

    return method


_METHODS = """all any argmax argmin astype clip copy fill max mean min prod ravel repeat reshape
    round squeeze std sum swapaxes take transpose var dot"""
for _name in _METHODS.split():
    setattr(Duck, _name, _method(_name))


def bare(value: Any, strict: bool = True) -> Any:
    """``value`` with plain arrays in place of ducks; an ndarray beside them is refused."""
    if isinstance(value, Duck):
        return value._array
    if strict and isinstance(value, np.ndarray):
        raise TypeError(f"an ndarray met a duck array: {value!r}")
    if isinstance(value, (tuple, list)):
        return type(value)(bare(item, strict) for item in value)
    if isinstance(value, dict):
        return {key: bare(item, strict) for key, item in value.items()}
    return value


def dressed(value: Any) -> Any:
    """``value`` with ducks in place of arrays and of NumPy's scalars."""
    if isinstance(value, (np.ndarray, np.generic)):
        return Duck(value)
    if isinstance(value, tuple):
        return tuple(map(dressed, value))
    return value
