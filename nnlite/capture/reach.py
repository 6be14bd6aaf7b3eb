"""What a function can read: found by walking from its code to all that it names.

A captured step is right for as long as everything that the function reads is as it was. So all of
it is found here, each with how it is watched: entries of dictionaries (globals, attributes),
cells of closures, the contents of lists, tensors. What cannot be watched is a reason to refuse.
"""

from __future__ import annotations

import builtins
import collections
import dis
import enum
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnlite.autograd.modes import GradMode
from nnlite.capture.origin import PACKAGE, is_library, is_numpy_function, is_own, is_standard
from nnlite.capture.recording import CaptureError
from nnlite.nn.hooks import Hooks
from nnlite.nn.module import Module
from nnlite.ops.random import Generator, default_generator
from nnlite.optim.lr_scheduler import LRScheduler
from nnlite.optim.optimizer import Optimizer
from nnlite.tensor import Size, Tensor

__all__ = ["MISSING", "Reach", "Wrapper"]

MISSING = object()

_PLAIN = (
    bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented),
    np.dtype, np.generic, range, slice, frozenset, enum.Enum, Size, types.GenericAlias, GradMode,
)  # fmt: skip
_PASSIVE = (
    Hooks, types.MemberDescriptorType, types.GetSetDescriptorType,
    type(vars(collections.namedtuple("_Field", "only"))["only"]),
)  # fmt: skip
_BUILTINS = {
    "abs", "all", "any", "bool", "callable", "complex", "dict", "divmod", "enumerate", "filter",
    "float", "format", "frozenset", "getattr", "hasattr", "int", "isinstance", "issubclass", "iter",
    "len", "list", "map", "max", "min", "next", "object", "pow", "property", "range", "repr",
    "reversed", "round", "set", "setattr", "slice", "sorted", "staticmethod", "str", "sum", "super",
    "tuple", "type", "zip", "__build_class__", "__name__", "__debug__", "NotImplemented",
    "Ellipsis", "True", "False", "None",
}  # fmt: skip
_MODULES = {
    "math",
    "cmath",
    "operator",
    "typing",
    "types",
    "collections",
    "functools",
    "__future__",
}
_NUMPY_STATE = {"random", "load", "loadtxt", "genfromtxt", "fromfile", "memmap", "save", "savez"}
_GENERATOR = 0x20 | 0x80 | 0x200  # flags of a code object: generator, coroutine, both
_CALLED = {"step", "zero_grad", "optimizer", *dir(object)}  # all that a step needs of optimizers
_INNER = {"step", "optimizer", "_plans", "_hooks", "_opt_called"}  # for their own steps alone
_UNSEEN = {"_version", "data_ptr", "initial_seed"}
_MOST = 20_000  # things to watch: with more, watching them costs more than it saves


class Wrapper:
    """What stands for a function and reads what that reads.

    Attributes:
        _own: the names of its attributes that a user has not given it.
    """

    _function: Callable[..., Any]
    _own: set[str]


class Reach:
    """Everything that a function can read.

    Args:
        function: the function.
        arguments: those of its arguments that are no arrays, each with its name.
        executed: the code that ran when it was called; other code is not looked at.

    Attributes:
        entries: (dictionary, key, value, name) of each global and attribute.
        sizes: (container, name) of each dictionary whose number of keys is watched.
        orders: (dictionary, its keys, name) of each that may be gone through in order.
        cells: (cell, contents, name).
        members: (object, attribute, value, name) of functions and classes.
        contents: (list, tuple, dict or set, its contents as a tuple, name).
        tensors: each tensor with its name.
        optimizers, schedulers, generators: with their names.
        kinds: (object, class, name) of each module and object of a user's own class.

    Raises:
        CaptureError: it reads something that cannot be watched.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: list[tuple[Any, str]],
        executed: set[types.CodeType],
    ) -> None:
        self._executed = executed
        self.entries: list[tuple[Mapping[Any, Any], Any, Any, str]] = []
        self.sizes: list[tuple[Any, str]] = []
        self.orders: list[tuple[dict[Any, Any], list[Any], str]] = []
        self.cells: list[tuple[Any, Any, str]] = []
        self.members: list[tuple[Any, str, Any, str]] = []
        self.kinds: list[tuple[Any, type, str]] = []
        self.contents: list[tuple[Any, tuple[Any, ...], str]] = []
        self.tensors: dict[Tensor, str] = {}
        self.optimizers: dict[Optimizer, str] = {}
        self.schedulers: dict[LRScheduler, str] = {}
        self.generators: dict[Generator, str] = {default_generator: "the default generator"}
        self._words: set[str] = set()
        self._seen: dict[int, Any] = {}
        self._named: set[tuple[int, Any]] = set()
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            raise CaptureError(
                f"not captured: {function.__name__} is a generator or a coroutine; capture a "
                "function that it calls"
            )
        self._pending: list[tuple[Any, str]] = [(function, getattr(function, "__name__", "it"))]
        self._pending += arguments
        # Optimizers last: a parameter is known by its name in a module.
        self._later: list[tuple[Optimizer, str]] = []
        while self._pending or self._later or self._read_steppers():
            if self._pending:
                self._visit(*self._pending.pop())
            elif self._later:
                self._optimizer(*self._later.pop())
            if len(self.entries) > _MOST:
                raise CaptureError(f"not captured: it can read more than {_MOST} things")
        asked = sorted(self._words & _UNSEEN)
        if asked:
            raise CaptureError(
                f"not captured: it asks for {asked[0]}, which changes without being seen; do that "
                "outside of the function"
            )

    @property
    def reads_grad(self) -> bool:
        """Whether a user's own code names ``grad``."""
        return "grad" in self._words

    def _read_steppers(self) -> bool:
        """Watch all of an optimizer or a scheduler of which a user's code may read something, as
        its learning rate; returns whether one was found."""
        items: list[tuple[Any, str]] = [*self.optimizers.items(), *self.schedulers.items()]
        for item, name in items:
            if id(item.__dict__) in self._seen or self._words.isdisjoint(set(dir(item)) - _CALLED):
                continue
            self._seen[id(item.__dict__)] = item.__dict__
            inner = _INNER if "state" in self._words else _INNER | {"state"}
            for key in sorted(item.__dict__.keys() - inner):
                label = f"{name}.{key}"
                self._pending.append((self._entry(item.__dict__, key, label), label))
            return True
        return False

    def _visit(self, value: Any, name: str) -> None:
        if isinstance(value, _PLAIN) or id(value) in self._seen:
            return
        self._seen[id(value)] = value  # kept, so that its id stays its own
        if isinstance(value, Tensor):
            self.tensors[value] = name
        elif isinstance(value, Module):
            self._module(value, name)
        elif isinstance(value, Optimizer):
            self._later.append((value, name))
        elif isinstance(value, LRScheduler):
            self.schedulers[value] = name
            self.sizes.append((value.__dict__, name))
            self._pending.append((value.optimizer, f"{name}.optimizer"))
        elif isinstance(value, Generator):
            self.generators[value] = name
        elif isinstance(value, (list, tuple, dict, set, types.MappingProxyType)):
            self._container(value, name)
        elif isinstance(value, types.FunctionType):
            self._function(value, name)
        elif isinstance(value, types.MethodType):
            self._pending += [(value.__self__, name), (value.__func__, name)]
        elif isinstance(value, Wrapper):
            self._pending.append((value._function, name))
            self.sizes.append((value.__dict__, name))
            for key in value.__dict__.keys() - value._own:
                label = f"{name}.{key}"
                self._pending.append((self._entry(value.__dict__, key, label), label))
        elif isinstance(value, functools.partial):
            self._pending += [(value.func, name), (value.args, name), (value.keywords, name)]
        elif isinstance(value, type):
            self._class(value, name)
        elif isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType, np.ufunc)):
            self._builtin(value, name)
        elif isinstance(value, (staticmethod, classmethod)):
            self._pending.append((value.__func__, name))
        elif isinstance(value, property):
            accessors = (value.fget, value.fset)
            self._pending += [(part, name) for part in accessors if part is not None]
        elif isinstance(value, types.ModuleType):
            self._library(value, name, bare=True)
        elif isinstance(value, _PASSIVE) or is_numpy_function(value):
            pass
        else:
            self._object(value, name)

    # ---- kinds of things ------------------------------------------------------------------------

    def _entry(self, owner: Mapping[Any, Any], key: Any, name: str) -> Any:
        """Watch an entry of a dictionary (that there is none, too); returns its value."""
        value = owner.get(key, MISSING)
        if (id(owner), key) not in self._named:
            self._named.add((id(owner), key))
            self.entries.append((owner, key, value, name))
        return value

    def _attributes(self, value: Any, name: str) -> None:
        own = value.__dict__
        self.sizes.append((own, name))
        if any(isinstance(part, Module) for part in own.values()):
            self.orders.append((own, list(own), name))
        for key in own:
            self._pending.append((self._entry(own, key, f"{name}.{key}"), f"{name}.{key}"))

    def _module(self, module: Module, name: str) -> None:
        hooks = () if module._hooks is None else vars(module._hooks).values()
        if any(hooks):
            raise CaptureError(
                f"not captured: {name} has hooks, which may do anything; remove them for captured "
                "steps"
            )
        self.sizes += [(of_a_kind, f"{name}'s hooks") for of_a_kind in hooks]
        self.kinds.append((module, type(module), name))
        self._attributes(module, name)
        self._pending.append((type(module), type(module).__name__))

    def _optimizer(self, optimizer: Optimizer, name: str) -> None:
        self.optimizers[optimizer] = name
        self.sizes.append((optimizer.__dict__, name))
        groups = optimizer.param_groups
        self._entry(optimizer.__dict__, "param_groups", f"{name}.param_groups")
        self.contents.append((groups, tuple(groups), f"{name}.param_groups"))
        for number, group in enumerate(groups):
            label = f"{name}.param_groups[{number}]['params']"
            self._pending.append((self._entry(group, "params", label), label))
        if not is_own(type(optimizer)):
            self._class(type(optimizer), type(optimizer).__name__)

    def _container(self, value: Any, name: str) -> None:
        if isinstance(value, dict):
            self.sizes.append((value, name))
            self.orders.append((value, list(value), name))
            for key in value:
                label = f"{name}[{key!r}]"
                self._pending.append((self._entry(value, key, label), label))
            return
        if isinstance(value, types.MappingProxyType):
            parts = list(value.items())
            self.contents.append((value, tuple(part for pair in parts for part in pair), name))
            self._pending += [(part, f"{name}[{key!r}]") for key, part in parts]
            return
        if not isinstance(value, tuple):
            self.contents.append((value, tuple(value), name))
        self._pending += [(part, f"{name}.{i}") for i, part in enumerate(value)]

    def _object(self, value: Any, name: str) -> None:
        """An object of a user's own class: its attributes, and the functions of its class."""
        kind = type(value)
        is_simple = kind.__module__ == "types" and kind.__name__ == "SimpleNamespace"
        has_slots = any("__slots__" in vars(base) for base in kind.__mro__[:-1])
        if not is_simple and (is_library(kind) or has_slots or not hasattr(value, "__dict__")):
            shown = f"{kind.__module__}.{kind.__qualname__}"
            raise CaptureError(
                f"not captured: it uses {name}, a {shown}, which may change without being seen; "
                "give what is needed of it as an argument"
            )
        self.kinds.append((value, kind, name))
        self._attributes(value, name)
        self._pending.append((kind, kind.__name__))

    def _class(self, kind: type, name: str) -> None:
        for base in kind.__mro__:
            if base is object or is_own(base) or is_library(base):
                if base is Module or (is_own(base) and "forward" in vars(base)):
                    self._member(base, "forward", f"{name}.forward")
                continue
            self.sizes.append((vars(base), base.__name__))
            for key, value in list(vars(base).items()):
                if key == "step" and issubclass(base, (Optimizer, LRScheduler)):
                    continue  # it is called as it is
                if key.startswith("__") and not callable(value):
                    continue
                if key in ("__weakref__", "__dict__"):
                    continue
                if isinstance(value, classmethod):  # as an attribute it is another object each time
                    self._entry(vars(base), key, f"{base.__name__}.{key}")
                else:
                    self._member(base, key, f"{base.__name__}.{key}")
                self._pending.append((value, f"{base.__name__}.{key}"))

    def _member(self, owner: Any, key: str, name: str) -> None:
        if (id(owner), key) not in self._named:
            self._named.add((id(owner), key))
            self._seen.setdefault(id(owner), owner)
            self.members.append((owner, key, getattr(owner, key), name))

    def _builtin(self, value: Any, name: str) -> None:
        owner = getattr(value, "__self__", None)
        if isinstance(owner, type) and owner.__module__ == "builtins":
            return  # dict.fromkeys, tuple.__new__ …
        if owner is None or isinstance(owner, (types.ModuleType, type)):
            module = getattr(value, "__module__", None) or getattr(owner, "__name__", "")
            if module == "builtins" and value.__name__ not in _BUILTINS:
                raise CaptureError(
                    f"not captured: it uses {name}, which has effects, or results, that a replay "
                    "would not have; do that outside of the function"
                )
            if str(module).split(".")[0] in {"numpy", "nnlite", "builtins", "None", *_MODULES}:
                return
            if isinstance(value, (types.MethodDescriptorType, np.ufunc)):
                return
        else:
            self._pending.append((owner, name))
            return
        raise CaptureError(
            f"not captured: it calls {name} of the module {module}, whose results may change from "
            "call to call; call it outside of the function"
        )

    # ---- code -----------------------------------------------------------------------------------

    def _function(self, function: types.FunctionType, name: str) -> None:
        is_own = function.__code__.co_filename.startswith(PACKAGE)
        if not is_own and function.__code__ not in self._executed:
            self._member(function, "__code__", f"{name}.__code__")
            return
        self._attributes(function, name)
        for key in ("__code__", "__defaults__", "__kwdefaults__"):
            self._member(function, key, f"{name}.{key}")
        self._pending.append((function.__defaults__, f"the defaults of {name}"))
        self._pending.append((function.__kwdefaults__, f"the defaults of {name}"))
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._pending.append((wrapped, name))
        for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:
                raise CaptureError(
                    f"not captured: {name} uses {variable}, which has no value yet"
                ) from None
            self.cells.append((cell, value, variable))
            self._pending.append((value, variable))
        if not is_own and function.__code__ in self._executed:
            self._code(function.__code__, function, name)

    def _code(self, code: types.CodeType, function: types.FunctionType, name: str) -> None:
        steps = list(dis.get_instructions(code))
        for place, step in enumerate(steps):
            if isinstance(step.argval, str) and step.opname.startswith("LOAD"):
                self._words.add(step.argval)
            if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                raise CaptureError(
                    f"not captured: {name} assigns the global {step.argval}; return the value "
                    "instead"
                )
            if step.opname == "IMPORT_NAME":
                top = step.argval.split(".")[0]
                if top not in {"nnlite", "numpy", "", *_MODULES}:
                    raise CaptureError(
                        f"not captured: {name} imports {step.argval} when it runs; import it at "
                        "the top of the file"
                    )
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                value = self._global(step.argval, function, name)
                if isinstance(value, types.ModuleType):
                    self._chain(value, step.argval, steps[place + 1 :])
                elif value is not MISSING:
                    self._pending.append((value, step.argval))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant, function, name)

    def _global(self, key: str, function: types.FunctionType, name: str) -> Any:
        value = self._entry(function.__globals__, key, key)
        if value is not MISSING:
            return value
        value = getattr(builtins, key, MISSING)
        if isinstance(value, type):
            return MISSING  # int, ValueError …
        if value is not MISSING and key not in _BUILTINS:
            raise CaptureError(
                f"not captured: {name} calls {key}, which has effects, or results, that a replay "
                "would not have; do that outside of the function"
            )
        return MISSING

    def _chain(self, module: types.ModuleType, name: str, rest: list[Any]) -> None:
        """``module.part.part``: each part is watched."""
        value: Any = module
        for step in rest:
            if not isinstance(value, types.ModuleType):
                break
            if step.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                self._library(value, name, bare=True)
                return
            self._library(value, name, bare=False)
            key = step.argval
            if value.__name__ == "numpy" and key in _NUMPY_STATE:
                raise CaptureError(
                    f"not captured: it uses {name}.{key}, whose results may change from call to "
                    "call; use nnlite's random numbers, or call it outside of the function"
                )
            self._entry(value.__dict__, key, f"{name}.{key}")
            value = getattr(value, key, None)
            name = f"{name}.{key}"
        if not isinstance(value, types.ModuleType):
            self._pending.append((value, name))

    def _library(self, module: types.ModuleType, name: str, bare: bool) -> None:
        """Refuse a module whose functions may do anything."""
        top = module.__name__.split(".")[0]
        if top in {"nnlite", "numpy", *_MODULES}:
            return
        if bare:
            raise CaptureError(
                f"not captured: it uses the module {name} as a value, so that what it reads of it "
                "is not seen"
            )
        if is_standard(module):
            raise CaptureError(
                f"not captured: it uses the module {name}, whose results may change from call to "
                "call; call it outside of the function"
            )
