"""The text of a function of loops, for numba to compile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from nnlite.autograd.mutation import memory_owner
from nnlite.capture.memory import ALIGNED
from nnlite.capture.recording import CaptureError
from nnlite.tracing.calls import Call

__all__ = ["Kernel", "address", "nested"]


class Kernel:
    """The text of one function to be compiled, and the arrays that it takes.

    Handing over an array costs numba a tenth of a microsecond. So it gets the pieces of memory, of
    which there are few, and makes the arrays from them.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.calls: list[tuple[Call, str]] = []
        self.given: dict[Any, Any] = {}
        self.numbers: set[int] = set()
        self.may_change = False
        self._names: dict[Any, str] = {}
        self._made: list[str] = []
        self._constants: list[Any] = []

    def whole(self, array: Any) -> str:
        """The variable that is this array."""
        if array.ndim == 1 and array.flags.c_contiguous:
            return self.flat(array)
        key = _place(array)
        if key not in self._names:
            dense = array if array.flags.c_contiguous else array.T
            if array.ndim == 0 or not dense.flags.c_contiguous:
                return self._parameter(array)
            text = f"{self.flat(dense)}.reshape({dense.shape})"
            self._make(key, text if dense is array else f"{text}.T")
        return self._names[key]

    def flat(self, array: Any) -> str:
        """The variable that is an array without gaps as one row, in the order of its memory."""
        key = (address(array), array.size, array.dtype)
        if key not in self._names:
            self._make(key, self._row(array))
        return self._names[key]

    def at(self, array: Any, places: list[str]) -> str:
        """One element of an array."""
        return f"{self.whole(array)}[{', '.join(places) or '()'}]"

    def number(self, value: Any) -> str:
        """A constant."""
        self._constants.append(np.float64(value) if type(value) is float else value)
        return f"c{len(self._constants) - 1}"

    def function(self) -> Any:
        """The compiled function.

        It is compiled here, for the types of the arrays: at a first call numba would leave the
        arrays in cycles, and a gradient that something refers to looks as if somebody kept it.
        """
        import numba  # an extra

        parameters = ", ".join(f"p{n}" for n in range(len(self.given)))
        answer = ["return False"] if self.may_change else []
        body = [f"    {line}" for line in (*self._made, *self.lines, *answer)]
        text = "\n".join([f"def kernel({parameters}):", *body, ""])
        constants = ((type(value), value.tobytes()) for value in self._constants)
        found = _compiled(text, tuple(constants))
        try:
            found.compile(tuple(map(numba.typeof, self.given.values())))
        except numba.core.errors.NumbaError as error:
            raise CaptureError(f"not captured: numba cannot compile it: {error}") from None
        return found

    def _make(self, key: Any, text: str) -> None:
        self._names[key] = f"a{len(self._made)}"
        self._made.append(f"{self._names[key]} = {text}")

    def _row(self, array: Any) -> str:
        """An array without gaps as a part of the memory that it lies in."""
        owner = memory_owner(array)
        is_row = type(owner) is np.ndarray and owner.flags.c_contiguous and owner.ndim
        if not is_row or owner.dtype not in (array.dtype, np.uint8):
            owner = array.reshape(-1) if array.flags.c_contiguous else array.T.reshape(-1)
        lead = -address(owner) % ALIGNED
        if owner.dtype == np.uint8 and address(owner) + lead <= address(array):
            owner = owner[lead:]  # so that the text is the same wherever the memory begins
        first = (address(array) - address(owner)) // owner.itemsize
        last = first + array.nbytes // owner.itemsize
        text = self._parameter(owner)
        text = text if owner.ndim == 1 else f"{text}.reshape({owner.size})"
        text = text if last - first == owner.size else f"{text}[{first}:{last}]"
        return text if array.dtype == owner.dtype else f"{text}.view(np.{array.dtype.name})"

    def _parameter(self, array: Any) -> str:
        key = _place(array)
        self.given.setdefault(key, array)
        return f"p{list(self.given).index(key)}"


@lru_cache(maxsize=256)
def _compiled(text: str, constants: tuple[tuple[Any, bytes], ...]) -> Any:
    """A function that numba compiles; one for all kernels with this text and these constants."""
    import numba

    space: dict[str, Any] = {"np": np}
    for number, (kind, data) in enumerate(constants):
        space[f"c{number}"] = np.frombuffer(data, kind)[0]
    exec(compile(text, "<captured kernel>", "exec"), space)
    return numba.njit(error_model="numpy")(space.pop("kernel"))


def nested(letters: Sequence[str], shape: Sequence[int], *body: str) -> list[str]:
    """Lines within a loop for each letter."""
    lines = [
        f"{'    ' * depth}for {letter} in range({n}):"
        for depth, (letter, n) in enumerate(zip(letters, shape))
    ]
    return [*lines, *(f"{'    ' * len(lines)}{line}" for line in body)]


def address(array: Any) -> int:
    """Where an array's first element is."""
    return int(array.__array_interface__["data"][0])


def _place(array: Any) -> Any:
    return address(array), array.shape, array.strides, array.dtype, array.flags.writeable
