"""Traced: an array that notes down what is computed with it (NEP 13, NEP 18)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.tracing.calls import walk

if TYPE_CHECKING:
    from nnlite.tracing.recording import Recording

__all__ = ["Traced", "bare", "caller"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_MACHINERY = tuple(
    os.path.join(_PACKAGE, part) + os.sep for part in ("tracing", "export", "capture")
)
_TENSOR = os.path.join(_PACKAGE, "tensor.py")


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that notes down what is computed with it."""

    def __init__(self, array: np.ndarray[Any, Any], trace: Recording, number: int) -> None:
        self._array = array
        self._trace = trace
        self.id = number

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            written: Any = tuple(out for out in options["out"] if out is not None)
            if not written:
                del options["out"]
            elif len(written) == 1:
                options["out"] = written[0]
        else:
            written = inputs[:1] if method == "at" else ()
        self._check_written(ufunc.__name__, written)
        function = getattr(ufunc, method)
        return self._trace.call("ufunc", method, ufunc, function, inputs, options, written)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        name = function.__name__
        if name in _OF_VALUES:
            raise self._trace.refusal(
                f"the shape of the result of numpy.{name} depends on the values of the "
                "input, and would be fixed to the example; use masks (nnlite.where) instead"
            )
        written = args[:1] if name in _WRITERS else _outs(options)
        self._check_written(name, written)
        if name in _LIKE and options.get("shape") is not None:
            return self._made(name.removesuffix("_like"), function, args, options)
        return self._trace.call("function", name, function, function, args, options, written)

    def _made(self, name: str, function: Any, args: Any, options: dict[str, Any]) -> Any:
        """A new array of a shape: of its example counts the dtype alone."""
        made = function(*bare(args), **options)
        if not made.flags.c_contiguous:
            return self._trace.call(
                "function", function.__name__, function, function, args, options
            )
        given = (options["shape"], *bare(args[1:]))  # of full_like there is a value
        maker = getattr(np, name)
        return self._trace.call("function", name, maker, maker, given, {"dtype": made.dtype})

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: self._array.flags)
    T = property(lambda self: self.transpose())

    def __getitem__(self, index: Any) -> Any:
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, Traced) and part.dtype == np.bool_ and self._trace.depends(part.id):
                raise self._trace.refusal(
                    "the shape of x[mask] depends on the values of the input, and would be "
                    "fixed to the example; use nnlite.where or masked_fill instead"
                )
        return self._trace.call(
            "getitem", "", None, lambda array, key: array[key], (self, index), {}
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        def put(array: Any, key: Any, what: Any) -> None:
            array[key] = what

        self._trace.call("setitem", "", None, put, (self, index, value), {}, (self,))

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self._array)))

    def __bool__(self) -> bool:
        return bool(self._trace.look(self, bool, "bool"))

    def __float__(self) -> float:
        return float(self._trace.look(self, float, "float"))

    def __int__(self) -> int:
        return int(self._trace.look(self, int, "int"))

    def __index__(self) -> int:
        return int(self._trace.look(self, int, "index"))

    def __format__(self, spec: str) -> str:
        return format(self._trace.look(self, np.ndarray.item, "format"), spec)

    def item(self, *args: Any) -> Any:
        """The value, which may not depend on the input."""
        return self._trace.look(self, lambda array: array.item(*args), "item")

    def tolist(self) -> Any:
        """The values, which may not depend on the input."""
        return self._trace.look(self, np.ndarray.tolist, "tolist")

    def __array__(self, *args: Any, **options: Any) -> Any:
        where, _ = caller()
        raise self._trace.refusal(
            f"{where} makes a NumPy array of a tensor, where calls are no longer seen, or "
            "combines it with an array that is no part of the model; use nnlite's functions, and "
            "self.register_buffer(name, tensor) for constants"
        )

    def _check_written(self, name: str, written: Sequence[Any]) -> None:
        for array in written:
            if not isinstance(array, Traced):
                raise self._trace.refusal(
                    f"{name} writes into an array that is no part of the model; use a new "
                    "tensor, or self.register_buffer(name, tensor) in __init__"
                )


_OF_VALUES = {
    "nonzero", "flatnonzero", "argwhere", "unique", "compress", "extract", "trim_zeros", "union1d",
    "intersect1d", "setdiff1d", "bincount", "histogram",
}  # fmt: skip
_LIKE = {"zeros_like", "ones_like", "empty_like", "full_like"}
_WRITERS = {"copyto", "put_along_axis", "put", "putmask", "place", "fill_diagonal"}
_WRITING_METHODS = ("fill", "sort")
_METHODS = """all any argmax argmin argsort astype clip conj copy cumprod cumsum diagonal dot
    flatten max mean min prod ravel repeat reshape round squeeze std sum swapaxes take trace
    transpose var view fill sort"""


def _method(name: str) -> Any:
    def method(self: Traced, *args: Any, **options: Any) -> Any:
        written = (self,) if name in _WRITING_METHODS else _outs(options)

        def function(array: Any, *rest: Any, **more: Any) -> Any:
            return getattr(array, name)(*rest, **more)

        return self._trace.call("method", name, None, function, (self, *args), options, written)

    return method


for _name in _METHODS.split():
    setattr(Traced, _name, _method(_name))


def _outs(options: dict[str, Any]) -> tuple[Any, ...]:
    """What a call is to write its result into."""
    out = options.get("out")
    return tuple(out) if isinstance(out, tuple) else () if out is None else (out,)


def caller() -> tuple[str, bool]:
    """Who asked: file, line and function; and whether it is nnlite itself."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    file = os.path.abspath(frame.f_code.co_filename)
    ours = file.startswith(_PACKAGE + os.sep)
    place = f"{os.path.basename(file)}, line {frame.f_lineno}, in {frame.f_code.co_name}"
    return place, ours


def _is_machinery(file: str) -> bool:
    path = os.path.abspath(file)
    return path.startswith(_MACHINERY) or path == _TENSOR or os.sep + "numpy" + os.sep in path


def bare(value: Any) -> Any:
    """``value`` with plain arrays in place of the traced ones in it."""
    return walk(value, lambda part: part._array if isinstance(part, Traced) else part)
