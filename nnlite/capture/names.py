"""Names: how the text of a replay speaks of values, numbers and functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.capture.lower import Lowered
from nnlite.tracing.calls import Call, Ref, refs

__all__ = ["BY_NAME", "SIGNS", "Names"]

SIGNS = {
    "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==",
    "not_equal": "!=",
}  # fmt: skip
BY_NAME = {"maximum", "minimum"}  # NumPy wants their out= by name

_WEAK = {"add", "subtract", "multiply", "divide", "maximum", "minimum", *SIGNS}
_SMALL = 1 << 14  # elements
_RESERVED = {"slice", "pass"}


class Names:
    """Gives names to the objects that a text uses, and writes expressions with them.

    Args:
        lowered: what is to be computed.
        label: what the function is called.

    Attributes:
        names: the objects that the text uses, by name.
    """

    def __init__(self, lowered: Lowered, label: str) -> None:
        self.lowered = lowered
        self.label = label if label.isidentifier() else "step"
        self.names: dict[str, Any] = {}
        self._by_id: dict[int, str] = {}
        self._counts: dict[str, int] = {}
        self._repeats: dict[Any, Any] = {}

    def _operands(self, call: Call) -> list[str]:
        """The operands of a ufunc; numbers beside an array of floats as 0-d arrays of its dtype."""
        trace = self.lowered.trace
        dtypes = {trace.arrays[ref.id].dtype for ref in refs(call.args)}
        if len(dtypes) != 1 or call.target.__name__ not in _WEAK or call.kwargs.get("dtype"):
            return [self._value(value) for value in call.args]
        (dtype,) = dtypes
        names = []
        for value in call.args:
            if type(value) in (int, float) and dtype in (np.float32, np.float64):
                value = np.asarray(value, dtype)
            names.append(self._value(self._repeated(call, value)))
        return names

    def _repeated(self, call: Call, value: Any) -> Any:
        """One number beside a small array as many, where NumPy has a faster loop for that."""
        array = self.lowered.arrays.get(value.id) if isinstance(value, Ref) else value
        if call.target.__name__ not in BY_NAME or not isinstance(array, np.ndarray) or array.ndim:
            return value
        if isinstance(value, Ref) and value.id not in self.lowered.is_constant:
            return value
        result = self.lowered.trace.arrays[call.results[0]] if call.results else array
        if not 0 < result.size <= _SMALL:
            return value
        key = (result.shape, result.strides, result.dtype, array.tobytes())
        if key not in self._repeats:
            self._repeats[key] = np.full_like(result, array)
        return self._repeats[key]

    def _list(self, args: Any, more: list[str], options: dict[str, Any]) -> str:
        named = [f"{name}={self._value(value)}" for name, value in options.items()]
        return ", ".join([*args, *more, *named])

    def _is_fixed(self, value: Any) -> bool:
        return isinstance(value, Ref) and value.id in self.lowered.arrays

    def _array(self, value: Any) -> Any:
        return self.lowered.arrays[value.id]

    def _name(self, number: int) -> str:
        if number in self.lowered.arrays:
            return self._bound(self.lowered.arrays[number], "a")
        return f"v{number}"

    def _key(self, key: Any) -> str:
        return self._value(key)

    def _value(self, value: Any) -> str:
        if isinstance(value, Ref):
            return self._name(value.id)
        if value is None or value is True or value is False or type(value) is int:
            return repr(value)
        if refs(value):
            if isinstance(value, slice):
                parts = (value.start, value.stop, value.step)
                return f"slice({', '.join(map(self._value, parts))})"
            if isinstance(value, tuple):
                return f"({''.join(f'{self._value(part)}, ' for part in value)})"
            if isinstance(value, list):
                return f"[{', '.join(map(self._value, value))}]"
            if isinstance(value, dict):
                parts_of = (f"{k!r}: {self._value(part)}" for k, part in value.items())
                return f"{{{', '.join(parts_of)}}}"
        return self._bound(value, "c")

    def _bound(self, value: Any, hint: str) -> str:
        """The name under which the text finds an object."""
        name = self._by_id.get(id(value))
        if name is None:
            name = hint
            while name == self.label or name in self.names or name in _RESERVED:
                self._counts[hint] = self._counts.get(hint, 0) + 1
                name = f"{hint}{self._counts[hint]}"
            self.names[name] = value
            self._by_id[id(value)] = name
        return name
