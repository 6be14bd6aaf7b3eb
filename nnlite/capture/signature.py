"""Arguments: which of them are arrays, and what a captured step expects of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.capture.recording import CaptureError
from nnlite.tensor import Tensor

__all__ = ["Signature"]


class Signature:
    """The arrays among arguments, and all that is said about the arguments but the arrays' values.

    Args:
        args, kwargs: as the function was called.

    Attributes:
        inputs: the tensors and arrays, in order.
        names: of each, as people would say it.
        statics: the other arguments, each with its name.
    """

    def __init__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        self.inputs: list[Any] = []
        self.names: list[str] = []
        self.statics: list[tuple[Any, str]] = []
        self.count = len(args)
        self.keys = tuple(kwargs)
        self.is_flat = not kwargs and all(type(arg) is Tensor for arg in args)
        labels = [names[i] if i < len(names) else f"argument {i}" for i in range(len(args))]
        self.tree = tuple(
            self._noted(value, label)
            for value, label in zip((*args, *kwargs.values()), (*labels, *kwargs))
        )
        arrays = [array_of(value) for value in self.inputs]
        self.kinds = [type(value) for value in self.inputs]
        self.shapes = [array.shape for array in arrays]
        self.strides = [array.strides for array in arrays]
        self.dtypes = [array.dtype for array in arrays]
        for value, name in zip(self.inputs, self.names):
            if isinstance(value, Tensor) and value._node:
                raise CaptureError(
                    f"not captured: the argument {name} requires a gradient or is part of a graph; "
                    "give detached data, or make it a parameter that the function uses by name"
                )

    def _noted(self, value: Any, name: str) -> Any:
        if isinstance(value, (Tensor, np.ndarray)):
            self.inputs.append(value)
            self.names.append(name)
            return Place(len(self.inputs) - 1)
        if type(value) in (tuple, list):
            return type(value)(self._noted(part, f"{name}_{i}") for i, part in enumerate(value))
        if type(value) is dict:
            return {key: self._noted(part, f"{name}_{key}") for key, part in value.items()}
        self.statics.append((value, name))
        return value

    def fits(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any] | None:
        """The arrays of the arguments, if those are as they were."""
        if self.is_flat:
            if kwargs or len(args) != self.count:
                return None
            inputs: Any = args
        else:
            if len(args) != self.count or tuple(kwargs) != self.keys:
                return None
            inputs = []
            for value, noted in zip((*args, *kwargs.values()), self.tree):
                if not _collect(value, noted, inputs):
                    return None
        arrays = []
        for value, kind, shape, strides, dtype in zip(
            inputs, self.kinds, self.shapes, self.strides, self.dtypes
        ):
            if type(value) is not kind:
                return None
            array = value
            if kind is not np.ndarray:
                if value._node:
                    return None
                array = value.array
            if array.shape != shape or array.strides != strides or array.dtype != dtype:
                return None
            arrays.append(array)
        return arrays

    def filled(self, values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other values in place of the arrays."""
        tree = _filled(self.tree, values)
        return tree[: self.count], dict(zip(self.keys, tree[self.count :]))


class Place:
    """Where the array with this number stands."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def _filled(noted: Any, values: list[Any]) -> Any:
    if type(noted) is Place:
        return values[noted.number]
    if type(noted) in (tuple, list):
        return type(noted)(_filled(part, values) for part in noted)
    if type(noted) is dict:
        return {key: _filled(part, values) for key, part in noted.items()}
    return noted


def array_of(value: Any) -> Any:
    """The array of a tensor, or the array."""
    return value.array if isinstance(value, Tensor) else value


def _collect(value: Any, noted: Any, inputs: list[Any]) -> bool:
    """Add the arrays in ``value`` to ``inputs``; False where it is built in another way."""
    if type(noted) is Place:
        inputs.append(value)
        return isinstance(value, (Tensor, np.ndarray))
    if type(value) is not type(noted):
        return False
    if type(noted) in (tuple, list):
        return len(value) == len(noted) and all(
            _collect(part, other, inputs) for part, other in zip(value, noted)
        )
    if type(noted) is dict:
        return list(value) == list(noted) and all(
            _collect(part, other, inputs) for part, other in zip(value.values(), noted.values())
        )
    if value is noted:
        return True
    plain = isinstance(noted, (bool, int, float, complex, str, bytes))
    return plain and value == noted and repr(value) == repr(noted)
