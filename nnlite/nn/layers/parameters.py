"""Containers that hold parameters: ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from operator import index as as_index
from typing import Any, NoReturn, overload

from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter
from nnlite.tensor import Tensor

__all__ = ["ParameterDict", "ParameterList"]


class _Container(Module):
    """Parameters, and other things if need be, as attributes with their own names (abstract)."""

    _keys: dict[str, None]  # the names, in order

    def __init__(self) -> None:
        super().__init__()
        self._keys = {}

    def _entries(self) -> dict[str, Any]:
        """What it holds, by name."""
        return {name: self.__dict__[name] for name in self._keys}

    def _put(self, name: str, value: Any) -> None:
        """Hold a value under a name; a tensor becomes a parameter."""
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        if name not in self._keys:
            self._check_name(self._get_name(), name)
        setattr(self, name, value)
        # Not changed in place: copies of the module have their own.
        self._keys = {**self._keys, name: None}

    def _take(self, name: str) -> Any:
        """Hold a value no longer, and return it."""
        value = self.__dict__[name]
        delattr(self, name)
        self._keys = {other: None for other in self._keys if other != name}
        return value

    def __len__(self) -> int:
        return len(self._keys)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not possible."""
        raise RuntimeError(
            f"{self._get_name()} holds parameters and cannot be called: use them in the forward of "
            "the module that it belongs to"
        )

    def extra_repr(self) -> str:
        return "\n".join(f"  ({name}): {_kind(value)}" for name, value in self._entries().items())


def _kind(value: Any) -> str:
    """How a value is printed: its class, and dtype and size of a tensor."""
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.shape))
    return f"{type(value).__name__} containing: [{value.dtype} of size {size}]"


class ParameterList(_Container):
    """A list of parameters, for a ``forward`` that uses them itself.

    A plain list of parameters does as well (see ``Module``); this one prints itself and is what
    torch needs. Its parameters, of any shape, have the names 0, 1, …

    Args:
        values: what it holds at first; tensors become parameters.

    Raises:
        TypeError: when ``values`` is not iterable, or a single tensor.

    >>> import nnlite
    >>> from nnlite import nn
    >>> weights = nn.ParameterList([nnlite.ones(2), nnlite.zeros(3)])
    >>> [name for name, _ in weights.named_parameters()]
    ['0', '1']
    >>> weights[0]
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries().values())

    @overload
    def __getitem__(self, idx: int) -> Any: ...
    @overload
    def __getitem__(self, idx: slice) -> ParameterList: ...
    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self)[idx])
        return self.__dict__[self._name_at(idx)]

    def __setitem__(self, idx: int, value: Any) -> None:
        self._put(self._name_at(idx), value)

    def _name_at(self, idx: int) -> str:
        place, length = as_index(idx), len(self)
        if not -length <= place < length:
            raise IndexError(f"ParameterList: index {place} is out of range, it holds {length}")
        return str(place % length)

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end; returns the list."""
        self._put(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add values at the end; returns the list.

        Raises:
            TypeError: when ``values`` is not iterable, or a single tensor.
        """
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(
                "ParameterList: values must be several, in a list for example, got "
                f"{type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)


class ParameterDict(_Container):
    """Parameters by name, for a ``forward`` that uses them itself.

    A plain dict of parameters does as well (see ``Module``); this one prints itself and is what
    torch needs. The parameters have any shape.

    Args:
        parameters: a mapping, or pairs, of names and values; tensors become parameters.

    Raises:
        TypeError: for a name that is no string.
        KeyError: for a name that is empty, has a dot, or is a method of ``ParameterDict``.

    >>> import nnlite
    >>> from nnlite import nn
    >>> sides = nn.ParameterDict({"left": nnlite.ones(2), "right": nnlite.zeros(3)})
    >>> list(sides.keys()), sides["right"].shape
    (['left', 'right'], nnlite.Size([3]))
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        entries = self._entries()
        if key not in entries:
            raise KeyError(f"ParameterDict has no {key!r}, only {', '.join(entries) or 'nothing'}")
        return entries[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __or__(self, other: Mapping[str, Any] | ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ior__(self, other: Mapping[str, Any] | ParameterDict) -> ParameterDict:
        self.update(other)
        return self

    def copy(self) -> ParameterDict:
        """Another dict with the same parameters."""
        return type(self)(self._entries().items())

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name, or ``default`` where there is none."""
        return self._entries().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of a name, after adding ``default`` where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """Another dict with these names, each with the value ``default``."""
        return type(self)((key, default) for key in keys)

    def pop(self, key: str) -> Any:
        """Take a value out and return it."""
        self[key]
        return self._take(key)

    def popitem(self) -> tuple[str, Any]:
        """Take the last name and its value out and return both."""
        if not self._keys:
            raise KeyError("popitem: the ParameterDict is empty")
        key = next(reversed(self._keys))
        return key, self._take(key)

    def clear(self) -> None:
        """Take everything out."""
        for key in self._keys:
            self._take(key)

    def keys(self) -> KeysView[str]:
        """The names, in the order of insertion."""
        return self._entries().keys()

    def values(self) -> ValuesView[Any]:
        """The values, in the order of insertion."""
        return self._entries().values()

    def items(self) -> ItemsView[str, Any]:
        """Names and values, in the order of insertion."""
        return self._entries().items()

    def update(self, parameters: Any) -> None:
        """Add values from a mapping or from pairs; a name that exists gets the new value.

        As in torch, the names of a mapping are sorted first, unless it is an ``OrderedDict`` or a
        ``ParameterDict``.

        Raises:
            TypeError: when ``parameters`` is neither.
        """
        if isinstance(parameters, (OrderedDict, ParameterDict)):
            parameters = parameters.items()
        elif isinstance(parameters, Mapping):
            parameters = sorted(parameters.items(), key=lambda item: str(item[0]))
        elif isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
            raise TypeError(
                "ParameterDict: parameters must be a mapping or pairs of names and values, got "
                f"{type(parameters).__name__}"
            )
        for key, value in list(parameters):
            self[key] = value
