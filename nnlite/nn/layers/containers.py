"""Modules that hold modules: Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import index as as_index
from typing import Any, TypeVar, overload

from nnlite.nn.module import Module, indented, printed

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

L = TypeVar("L", bound="_Ordered")

_call = Module.__call__


class _Ordered(Module):
    """Modules in a row, each an attribute; its number is its name unless it was given another."""

    def _items(self) -> list[tuple[str, Module]]:
        return [item for item in self.__dict__.items() if isinstance(item[1], Module)]

    def _number(self, modules: Iterable[Module]) -> None:
        """Make ``modules`` the whole row, numbered from 0."""
        for name, _ in self._items():
            delattr(self, name)
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def _place(self, position: Any) -> int:
        """A position as it counts from the front."""
        length = len(self)
        place = as_index(position)
        if not -length <= place < length:
            raise IndexError(
                f"{self._get_name()}: index {place} is out of range, there are {length} modules"
            )
        return place % length

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return iter([module for _, module in self._items()])

    def __setitem__(self, position: int, module: Module) -> None:
        name = self._items()[self._place(position)][0]
        self.add_module(name, module)

    def __delitem__(self, position: int | slice) -> None:
        modules = list(self)
        if not isinstance(position, slice):
            position = self._place(position)
        del modules[position]
        self._number(modules)

    def append(self: L, module: Module) -> L:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: L, modules: Iterable[Module]) -> L:
        """Add modules at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: L, index: int, module: Module) -> L:
        """Add a module before position ``index``; those behind it are renumbered."""
        if not isinstance(module, Module):
            raise TypeError(f"insert: expected an nn.Module, got {type(module).__name__}")
        modules = list(self)
        modules.insert(as_index(index), module)
        self._number(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take a module out and return it; those behind it are renumbered."""
        module = list(self)[self._place(index)]
        del self[index]
        return module


class Sequential(_Ordered):
    """Modules that are called one after the other, each on the output of the one before.

    Args:
        args: modules, named ``0``, ``1`` …; or one ``OrderedDict`` (or dict) of names to modules.

    >>> import nnlite
    >>> from nnlite import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> model(nnlite.zeros(4, 3)).shape
    nnlite.Size([4, 1])
    >>> model[:2]
    Sequential(
      (0): Linear(in_features=3, out_features=2, bias=True)
      (1): ReLU()
    )
    """

    @overload
    def __init__(self, *args: Module) -> None: ...
    @overload
    def __init__(self, arg: Mapping[str, Module], /) -> None: ...
    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            named: Iterable[tuple[str, Any]] = args[0].items()
        else:
            named = ((str(number), module) for number, module in enumerate(args))
        for name, module in named:
            if not isinstance(module, Module):
                raise TypeError(
                    f"Sequential: argument {name!r} must be an nn.Module, got "
                    f"{type(module).__name__}{_class_hint(module)}"
                )
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        for module in self.__dict__.values():
            if isinstance(module, Module):
                # A module that would only be passed through __call__ to its forward goes there
                # directly: that saves a tenth of a microsecond.
                if module._hooks is None and type(module).__call__ is _call:
                    input = module.forward(input)
                else:
                    input = module(input)
        return input

    @overload
    def __getitem__(self, position: int) -> Module: ...
    @overload
    def __getitem__(self, position: slice) -> Sequential: ...
    def __getitem__(self, position: int | slice) -> Module:
        if isinstance(position, slice):
            return type(self)(OrderedDict(self._items()[position]))
        return self._items()[self._place(position)][1]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)


class ModuleList(_Ordered):
    """A list of modules, for a ``forward`` that calls them itself.

    A plain list does as well (see ``Module``); this one prints itself and is what torch needs.

    Args:
        modules: what it holds at first.

    >>> from nnlite import nn
    >>> nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    ModuleList(
      (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, position: int) -> Module: ...
    @overload
    def __getitem__(self, position: slice) -> ModuleList: ...
    def __getitem__(self, position: int | slice) -> Module:
        if isinstance(position, slice):
            return type(self)(list(self)[position])
        return self._items()[self._place(position)][1]

    def __iadd__(self: L, modules: Iterable[Module]) -> L:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        runs: list[tuple[int, int, str]] = []
        for number, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][2] == text:
                runs[-1] = (runs[-1][0], number, text)
            else:
                runs.append((number, number, text))
        lines = [
            f"({first}): {indented(text)}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {indented(text)}"
            for first, last, text in runs
        ]
        return printed(self._get_name(), [], lines)


class ModuleDict(Module):
    """Modules by name, for a ``forward`` that calls them itself.

    Args:
        modules: a mapping, or pairs, of names and modules.

    >>> from nnlite import nn
    >>> heads = nn.ModuleDict({"cat": nn.Linear(2, 1), "dog": nn.Linear(2, 1)})
    >>> list(heads.keys()), heads["dog"]
    (['cat', 'dog'], Linear(in_features=2, out_features=1, bias=True))
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def _entries(self) -> dict[str, Module]:
        return {name: value for name, value in self.__dict__.items() if isinstance(value, Module)}

    def __getitem__(self, key: str) -> Module:
        entries = self._entries()
        if key not in entries:
            raise KeyError(f"ModuleDict has no {key!r}, only {', '.join(entries) or 'nothing'}")
        return entries[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        delattr(self, self._present(key))

    def _present(self, key: str) -> str:
        self[key]
        return key

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __contains__(self, key: object) -> bool:
        return key in self._entries()

    def clear(self) -> None:
        """Take all modules out."""
        for key in self._entries():
            delattr(self, key)

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        module = self[key]
        delattr(self, key)
        return module

    def keys(self) -> Iterable[str]:
        """The names, in the order of insertion."""
        return self._entries().keys()

    def values(self) -> Iterable[Module]:
        """The modules, in the order of insertion."""
        return self._entries().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules, in the order of insertion."""
        return self._entries().items()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules from a mapping or from pairs; a name that exists gets the new module."""
        pairs = modules.items() if isinstance(modules, Mapping) else modules
        for key, module in pairs:
            self.add_module(key, module)


def _class_hint(value: Any) -> str:
    if isinstance(value, type) and issubclass(value, Module):
        return f" {value.__name__} itself: make an instance, {value.__name__}(…)"
    return "; a function can be used in a forward of your own"
