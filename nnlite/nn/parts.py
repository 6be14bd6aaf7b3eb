"""The parts of a module: how parameters, buffers and modules become attributes, and are found.

There is no registry: parameters and modules are found by walking a module's attributes in the order
of their assignment, and the lists, tuples and dicts among them. Only what the walk cannot know is
written down: the names of buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from nnlite.nn.loading import nearest
from nnlite.nn.parameter import Parameter
from nnlite.tensor import Tensor

if TYPE_CHECKING:
    from nnlite.nn.module import Module

__all__ = ["Parts"]

T = TypeVar("T")


class Parts:
    """What a ``Module`` is made of: its attributes, walked by name."""

    # Class attributes stand for "none yet", so that a module whose __init__ forgets super() works.
    _buffer_names: Mapping[str, bool] = MappingProxyType({})  # to whether each is persistent

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; what is a parameter, module or buffer stays one (or becomes None).

        Raises:
            TypeError: where the part would be lost: a tensor in place of a parameter, for example.
        """
        own = self.__dict__
        is_part = isinstance(value, (Parameter, Parts))
        if not is_part and value is not None and name in own:
            self._refuse_loss(name, own[name], value)
        if is_part and not isinstance(own.get(name), (Parameter, Parts)):
            # A part takes its place in the order when it becomes one, as in torch.
            own.pop(name, None)
        object.__setattr__(self, name, value)

    def _refuse_loss(self, name: str, before: Any, value: Any) -> None:
        expected = None
        if isinstance(before, Parameter):
            expected = f"nn.Parameter (wrap it: nn.Parameter({name}), or write p.data = …)"
        elif isinstance(before, Parts):
            expected = "nn.Module"
        elif name in self._buffer_names and not isinstance(value, Tensor):
            expected = "Tensor"
        if expected is not None:
            kind = "buffer" if expected == "Tensor" else "parameter or module"
            raise TypeError(
                f"cannot assign {type(value).__name__} to {type(self).__name__}.{name}, which is a "
                f"{kind}: expected {expected} or None; to make it something else, del it first"
            )

    # ---- finding the parts ----------------------------------------------------------------------

    def _own(self, kind: type[T]) -> Iterator[tuple[str, T]]:
        """Own parts of a kind with their names, in the order of assignment.

        Of a list, tuple or dict only what has no name without it: ``self.layers = [self.fc1, …]``
        is a second way to say ``fc1``, and names nothing.
        """
        named: set[Any] | None = None
        for name, value in self.__dict__.items():
            if isinstance(value, kind):
                yield name, value
            elif isinstance(value, (list, tuple, dict)):
                for path, part in _inside(name, value, kind, ()):
                    if named is None:
                        named = _named_by_attributes(self)
                    if part not in named:
                        yield path, part

    def _own_modules(self) -> Iterator[tuple[str, Module]]:
        kind: Any = Parts
        return self._own(kind)

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        for name in self._buffer_names:
            value = self.__dict__.get(name)
            if value is not None:
                yield name, value

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each with its dotted name; a module before its children.

        Args:
            memo: modules that are left out; those found are added to it.
            prefix: put before every name.
            remove_duplicate: name a module once that is reached by several paths. (A path that
                leads back to one of its own beginnings is never followed.)

        >>> from nnlite import nn
        >>> [name for name, _ in nn.Sequential(nn.Linear(2, 2), nn.ReLU()).named_modules()]
        ['', '0', '1']
        """
        seen = set() if memo is None else memo
        # Each with the modules above it, where those are needed to notice a path that leads back.
        stack: list[tuple[str, Any, tuple[Any, ...]]] = [(prefix, self, ())]
        while stack:
            path, module, above = stack.pop()
            if remove_duplicate and module in seen:
                continue
            seen.add(module)
            yield path, module
            children = list(module._own_modules())
            if not children:
                continue
            if not remove_duplicate:
                above = (*above, module)
                children = [item for item in children if item[1] not in above]
            lead = f"{path}." if path else ""
            stack += [(lead + name, child, above) for name, child in reversed(children)]

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, with their names, each once."""
        seen: set[Module] = set()
        for name, module in self._own_modules():
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, each once.

        Args:
            prefix: put before every name.
            recurse: those of the modules below too.
            remove_duplicate: name a shared parameter once, by the first path that leads to it.

        >>> from nnlite import nn
        >>> [name for name, _ in nn.Sequential(nn.Linear(2, 1)).named_parameters()]
        ['0.weight', '0.bias']
        """
        return self._members(lambda m: m._own(Parameter), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers (state that is not trained) with their dotted names, each once."""
        return self._members(Parts._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _members(
        self,
        own: Callable[[Module], Iterable[tuple[str, T]]],
        prefix: str,
        recurse: bool,
        remove_duplicate: bool,
    ) -> Iterator[tuple[str, T]]:
        seen: set[T] = set()
        modules: Iterable[tuple[str, Any]] = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in modules:
            for name, value in own(module):
                if remove_duplicate:
                    if value in seen:
                        continue
                    seen.add(value)
                yield f"{path}.{name}" if path else name, value

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; ``""`` is this one.

        Raises:
            AttributeError: when there is none, with the nearest names.
        """
        return self._get("module", target, self.named_modules(remove_duplicate=False))

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` in the place of a dotted name.

        Args:
            target: the name; what leads to its last part must be there.
            module: takes the place.
            strict: whether there must be a module in that place already.

        Raises:
            ValueError: when ``target`` is empty.
            AttributeError: when there is no such place, with the nearest names.
            TypeError: when ``module`` is no module.

        >>> from nnlite import nn
        >>> model = nn.Sequential(nn.Sequential(nn.Linear(3, 1)), nn.ReLU())
        >>> model.set_submodule("0.0", nn.Identity())
        >>> model[0][0]
        Identity()
        """
        if not target:
            raise ValueError("set_submodule: target must be a dotted name, got ''")
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict:
            self.get_submodule(target)
        owner.add_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name.

        Raises:
            AttributeError: when there is none, with the nearest names.

        >>> from nnlite import nn
        >>> nn.Sequential(nn.Linear(3, 1)).get_parameter("0.weight").shape
        nnlite.Size([1, 3])
        """
        return self._get("parameter", target, self.named_parameters(remove_duplicate=False))

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name.

        Raises:
            AttributeError: when there is none, with the nearest names.
        """
        return self._get("buffer", target, self.named_buffers(remove_duplicate=False))

    def _get(self, kind: str, target: str, found: Iterable[tuple[str, T]]) -> T:
        by_name = dict(found)
        if target not in by_name:
            near = nearest(target, by_name)
            raise AttributeError(f"{type(self).__name__} has no {kind} {target!r}{near}")
        return by_name[target]

    # ---- adding parts by name -------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make ``tensor`` an attribute that belongs to the module's state but is not trained.

        Args:
            name: the attribute's name.
            tensor: its value; None for a buffer that is not in use.
            persistent: whether it belongs to the ``state_dict``.

        >>> import nnlite
        >>> from nnlite import nn
        >>> counter = nn.Module()
        >>> counter.register_buffer("seen", nnlite.zeros(()))
        >>> counter.state_dict()["seen"]
        tensor(0.)
        """
        self._check_name("register_buffer", name, name in self._buffer_names)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: {name!r} must be a Tensor or None, got {type(tensor).__name__}"
            )
        self._buffer_names = {**self._buffer_names, name: persistent}
        object.__setattr__(self, name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make ``param`` an attribute; None for a parameter that is not in use."""
        self._check_name("register_parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name!r} must be an nn.Parameter or None, got "
                f"{type(param).__name__}"
            )
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make ``module`` an attribute.

        Raises:
            KeyError: when the name is empty, has a dot, or is taken by something else.

        >>> from nnlite import nn
        >>> model = nn.Sequential()
        >>> model.add_module("fc", nn.Linear(2, 1))
        >>> model.fc
        Linear(in_features=2, out_features=1, bias=True)
        """
        before = self.__dict__.get(name)
        self._check_name("add_module", name, isinstance(before, Parts))
        if module is not None and not isinstance(module, Parts):
            raise TypeError(
                f"add_module: {name!r} must be an nn.Module or None, got {type(module).__name__}"
            )
        setattr(self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as ``add_module``."""
        self.add_module(name, module)

    def _check_name(self, function: str, name: str, may_exist: bool = False) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{function}: the name must be a string, got {name!r}")
        if not name or "." in name:
            raise KeyError(f"{function}: a name must not be empty nor have a dot, got {name!r}")
        exists = hasattr(self, name) and self.__dict__.get(name, self) is not None
        if exists and not may_exist:
            raise KeyError(f"{function}: {type(self).__name__} has an attribute {name!r} already")


def _inside(name: str, container: Any, kind: type[T], above: tuple[int, ...]) -> Iterator[Any]:
    """The parts of a kind in a list, tuple or dict, named by index or key."""
    if id(container) in above:
        return
    above = (*above, id(container))
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        if isinstance(value, kind):
            yield f"{name}.{key}", value
        elif isinstance(value, (list, tuple, dict)):
            yield from _inside(f"{name}.{key}", value, kind, above)


def _named_by_attributes(root: Parts) -> set[Any]:
    """``root`` and all modules and parameters that a path of attributes alone leads to."""
    found: set[Any] = {root}
    stack = [root]
    while stack:
        for value in stack.pop().__dict__.values():
            if isinstance(value, (Parts, Parameter)) and value not in found:
                found.add(value)
                if isinstance(value, Parts):
                    stack.append(value)
    return found
