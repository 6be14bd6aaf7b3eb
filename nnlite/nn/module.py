"""Module: a part of a network, with parameters, buffers and other modules as its attributes.

There is no registry: parameters and modules are found by walking a module's attributes in the order
of their assignment, and the lists, tuples and dicts among them. Only what the walk cannot know is
written down: the names of buffers, the hooks, and whether the module's statistics are frozen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from reprlib import recursive_repr
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np

from nnlite.nn import freezing, loading
from nnlite.nn.hooks import Hooks, RemovableHandle
from nnlite.nn.parameter import Parameter
from nnlite.tensor import Tensor, wrap

__all__ = ["Module"]

M = TypeVar("M", bound="Module")
T = TypeVar("T")


def _forward_missing(self: Module, *inputs: Any) -> NoReturn:
    """Compute the output; every subclass defines it."""
    raise NotImplementedError(
        f"{type(self).__name__}.forward is missing: define forward(self, …), which computes the "
        "module's output; it runs when the module is called"
    )


class Module:
    """The base of all layers and models: define ``forward``, and assign parts as attributes.

    Parameters and modules are found in attributes, and in lists, tuples and dicts among them (in
    torch those are lost without a word, and need ``ModuleList`` or ``ModuleDict``). Their dotted
    names are the path to them: ``blocks.0.weight``. One that is reached by two paths (shared
    weights) is one parameter; ``state_dict`` has it under both names. A module that is to be used
    but not to belong (a frozen teacher, say) can be kept in a function: ``lambda: teacher``.

    Attributes:
        training: whether the module is in training mode (see ``train``).

    >>> import nnlite
    >>> from nnlite import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body = nn.Linear(3, 2)
    ...         self.heads = [nn.Linear(2, 1), nn.Linear(2, 1)]
    ...     def forward(self, x):
    ...         h = self.body(x).relu()
    ...         return [head(h) for head in self.heads]
    >>> net = Net()
    >>> [name for name, _ in net.named_parameters()][:3]
    ['body.weight', 'body.bias', 'heads.0.weight']
    >>> net(nnlite.zeros(4, 3))[0].shape
    nnlite.Size([4, 1])
    """

    training: bool = True

    # Class attributes stand for "none yet", so that a module whose __init__ forgets super() works.
    _buffer_names: Mapping[str, bool] = MappingProxyType({})  # to whether each is persistent
    _hooks: Hooks | None = None
    _statistics_frozen: bool = False

    # Buffers that files from before their invention lack, and that may be missing therefore.
    _may_be_missing: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        """Nothing needs to be prepared, but subclasses may call it, as in torch."""

    forward: Callable[..., Any] = _forward_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, with the hooks if there are any."""
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; what is a parameter, module or buffer stays one (or becomes None).

        Raises:
            TypeError: where the part would be lost: a tensor in place of a parameter, for example.
        """
        own = self.__dict__
        is_part = isinstance(value, (Parameter, Module))
        if not is_part and value is not None and name in own:
            self._refuse_loss(name, own[name], value)
        if is_part and not isinstance(own.get(name), (Parameter, Module)):
            # A part takes its place in the order when it becomes one, as in torch.
            own.pop(name, None)
        object.__setattr__(self, name, value)

    def _refuse_loss(self, name: str, before: Any, value: Any) -> None:
        expected = None
        if isinstance(before, Parameter):
            expected = f"nn.Parameter (wrap it: nn.Parameter({name}), or write p.data = …)"
        elif isinstance(before, Module):
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
        stack: list[tuple[str, Module, tuple[Module, ...]]] = [(prefix, self, ())]
        while stack:
            path, module, above = stack.pop()
            if remove_duplicate and module in seen:
                continue
            seen.add(module)
            yield path, module
            children = list(module._own(Module))
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
        for name, module in self._own(Module):
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
        return self._members(Module._own_buffers, prefix, recurse, remove_duplicate)

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
        modules: Iterable[tuple[str, Module]] = [(prefix, self)]
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
            near = loading.nearest(target, by_name)
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
        self._check_name("add_module", name, isinstance(before, Module))
        if module is not None and not isinstance(module, Module):
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

    # ---- state ----------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: OrderedDict[str, Tensor] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers by name, sharing memory with the module.

        Args:
            destination: the dictionary to fill; default: a new one.
            prefix: put before every name.
            keep_vars: the tensors themselves instead of detached ones.

        Raises:
            ValueError: when two have the same name (a dict with the keys 1 and "1", say).

        >>> from nnlite import nn
        >>> list(nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        out: OrderedDict[str, Tensor] = OrderedDict() if destination is None else destination
        for name, tensor in self._state():
            if prefix + name in out:
                raise ValueError(
                    f"state_dict: two values have the name {prefix + name!r}; rename one of them"
                )
            out[prefix + name] = tensor if keep_vars else tensor.detach()
        return out

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """What belongs to the ``state_dict``, under all its names."""
        for path, module in self.named_modules(remove_duplicate=False):
            lead = f"{path}." if path else ""
            for name, parameter in module._own(Parameter):
                yield lead + name, parameter
            for name, buffer in module._own_buffers():
                if module._buffer_names[name]:
                    yield lead + name, buffer

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,
        *,
        mismatch: str = "raise",
        rename: Mapping[str, str] | None = None,
    ) -> loading.IncompatibleKeys:
        """Copy the values of a ``state_dict`` into the parameters and buffers of the same names.

        The tensors stay the same ones (an optimizer goes on with them), and so do their dtypes
        and what is frozen: values of another real dtype are converted.

        Args:
            state_dict: tensors (or NumPy arrays) by name.
            strict: whether missing and unexpected names are an error.
            mismatch: ``"raise"``, or ``"skip"`` to leave a tensor as it is where the shapes differ
                (the head of another task); those are the result's ``mismatched_keys``.
            rename: patterns of names in ``state_dict``, and the names here that they stand for: a
                ``*`` matches anything, and the same text stands for the ``*`` of the new name.
                ``{"module.*": "*"}`` strips a prefix; ``{"bert.encoder.layer.*": "encoder.*"}``
                renames a part. The first pattern that matches a name counts; other names stay.

        Returns:
            A named tuple of ``missing_keys`` and ``unexpected_keys``, with a list
            ``mismatched_keys`` of names and both shapes beside it.

        Raises:
            RuntimeError: listing the missing and unexpected names (if ``strict``) and the shapes
                that differ. Nothing has been changed then.
            TypeError: for text, objects, complex and other values that are no real numbers;
                nothing has been changed then, either.
            ValueError: a pattern that matches nothing, or two names that become one.

        >>> from nnlite import nn
        >>> a, b = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> a.load_state_dict(b.state_dict())
        <All keys matched successfully>
        >>> model = nn.Sequential(a)
        >>> model.load_state_dict(b.state_dict(), rename={"*": "0.*"})
        <All keys matched successfully>
        """
        may_be_missing = {
            f"{path}.{name}" if path else name
            for path, module in self.named_modules(remove_duplicate=False)
            for name in module._may_be_missing
        }
        if rename is not None:
            state_dict = loading.renamed(state_dict, rename)
        return loading.load(
            type(self).__name__, dict(self._state()), state_dict, strict, may_be_missing, mismatch
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for parameter in self.parameters():
            grad = parameter.grad
            if grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = grad.detach()
                grad.zero_()

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set ``requires_grad`` of all parameters; returns the module.

        With False it leaves the running statistics of BatchNorm alone, as torch does; ``freeze``
        holds them as well. With True it is ``unfreeze()``.
        """
        if requires_grad:
            return self.unfreeze()
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        return self

    # ---- freezing -------------------------------------------------------------------------------

    def freeze(self: M, *patterns: str) -> M:
        """Hold parameters and running statistics still, byte for byte, until ``unfreeze``.

        A frozen parameter has ``requires_grad=False`` and no gradient: backward skips it, and
        optimizers leave it alone (weight decay and momentum too), whether it was frozen before
        or after the optimizer was made, before or after ``backward``. Setting ``requires_grad``
        by hand does the same. Running statistics have no ``requires_grad``: they are held by
        ``freeze`` alone. A frozen BatchNorm normalises with them in training mode too, so that
        the frozen part stays the function that it was; dropout goes on, since it changes no state
        (``eval()`` turns it off).

        Args:
            patterns: glob patterns over the dotted names of modules, parameters and buffers
                (``*`` also matches dots). A module stands for all that is below it, and one
                running statistic of a module for all of them. Without a pattern: everything.

        Returns:
            The module. Freezing again changes nothing.

        Raises:
            ValueError: when a pattern matches nothing; nothing has been frozen then.

        >>> from nnlite import nn
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> model.freeze("0").frozen
        ['0.weight', '0.bias']
        >>> model.unfreeze("*.bias").frozen
        ['0.weight']
        """
        freezing.freeze(self, patterns)
        return self

    def freeze_except(self: M, *patterns: str) -> M:
        """Freeze everything but what the patterns match, which stays frozen or not as it is.

        Args:
            patterns: as for ``freeze``; at least one.

        Returns:
            The module.

        Raises:
            ValueError: without a pattern, or when one matches nothing; nothing has been frozen
                then.

        >>> from nnlite import nn
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> model.freeze_except("2").frozen
        ['0.weight', '0.bias']
        """
        if not patterns:
            raise ValueError("freeze_except: name what is not to be frozen; freeze() freezes all")
        freezing.freeze_except(self, patterns)
        return self

    def unfreeze(self: M, *patterns: str) -> M:
        """Undo ``freeze``, with the same patterns or others; without a pattern: everything.

        Args:
            patterns: as for ``freeze``.

        Returns:
            The module.

        Raises:
            ValueError: when a pattern matches nothing; nothing has been changed then.
        """
        freezing.unfreeze(self, patterns)
        return self

    @property
    def frozen(self) -> list[str]:
        """The names of the frozen parameters and held running statistics, in order.

        Assign such a list to restore exactly that state: what it does not name is unfrozen.
        """
        return freezing.names(self)

    @frozen.setter
    def frozen(self, names: Iterable[str]) -> None:
        freezing.restore(self, names)

    # ---- modes, dtypes, functions ---------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Switch this module and all below it to training mode (Dropout drops, BatchNorm learns).

        A module below that has its own ``train`` is asked by calling it.

        Returns:
            The module.
        """
        if not isinstance(mode, (bool, np.bool_)):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        mode = bool(mode)
        seen: set[Module] = {self}
        self.training = mode
        stack: list[Module] = [self]
        while stack:
            for child in stack.pop().children():
                if child in seen:
                    continue
                seen.add(child)
                if type(child).train is not Module.train:
                    child.train(mode)
                else:
                    child.training = mode
                    stack.append(child)
        return self

    def eval(self: M) -> M:
        """Switch this module and all below it to evaluation mode: ``train(False)``."""
        return self.train(False)

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call ``fn`` with every module below and then with this one, each once; returns it.

        >>> from nnlite import nn
        >>> def start_at_zero(module):
        ...     if isinstance(module, nn.Linear):
        ...         nn.init.zeros_(module.weight)
        >>> nn.Sequential(nn.Linear(2, 1)).apply(start_at_zero)[0].weight
        Parameter containing:
        tensor([[0., 0.]], requires_grad=True)
        """
        for module in _children_first(self, set()):
            fn(module)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Convert the floating point parameters and buffers, in place; returns the module.

        Args:
            args: a floating point dtype, a tensor whose dtype is taken, or the device ``"cpu"``.
            kwargs: ``dtype``, ``device``.

        Raises:
            TypeError: for a dtype that is not floating point.
            NotImplementedError: for another device.
        """
        single, double = (
            wrap(np.zeros(0, dtype)).to(*args, **kwargs).array.dtype
            for dtype in (np.float32, np.float64)
        )
        if single != double:  # no dtype was named
            return self
        if single.kind != "f":
            raise TypeError(f"to: only floating point dtypes can be trained, got {single}")
        return self._convert(single)

    def float(self: M) -> M:
        """Convert the floating point parameters and buffers to float32."""
        return self._convert(np.dtype(np.float32))

    def double(self: M) -> M:
        """Convert the floating point parameters and buffers to float64."""
        return self._convert(np.dtype(np.float64))

    def half(self: M) -> M:
        """Convert the floating point parameters and buffers to float16."""
        return self._convert(np.dtype(np.float16))

    def cpu(self: M) -> M:
        """The module itself: it is on the CPU already."""
        return self

    def _convert(self: M, dtype: np.dtype[Any]) -> M:
        tensors: list[Tensor] = [*self.parameters(), *self.buffers()]
        for tensor in tensors:
            if tensor.array.dtype.kind != "f" or tensor.array.dtype == dtype:
                continue
            grad = tensor.grad
            tensor.array = tensor.array.astype(dtype)
            if grad is not None:
                tensor.grad = grad.detach().to(dtype)
        return self

    # ---- hooks ----------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before each forward; what it returns replaces the arguments.

        Args:
            hook: returns None, one argument, or a tuple of them.
            prepend: call it before the hooks that are there.
            with_kwargs: call ``hook(module, args, kwargs)``, which returns None or both.

        Returns:
            A handle with ``remove()``.
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(self._hooks.before, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after each forward; its result replaces the output.

        Args:
            hook: returns None or another output.
            prepend: call it before the hooks that are there.
            with_kwargs: call ``hook(module, args, kwargs, output)``.

        Returns:
            A handle with ``remove()``.

        >>> import nnlite
        >>> from nnlite import nn
        >>> layer = nn.Linear(2, 3)
        >>> seen = []
        >>> handle = layer.register_forward_hook(lambda m, args, y: seen.append(list(y.shape)))
        >>> _ = layer(nnlite.zeros(5, 2))
        >>> handle.remove()
        >>> seen
        [[5, 3]]
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(self._hooks.after, hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the output have been computed.

        Args:
            hook: gets them as a tuple, None for one that there is not; what it returns (None, or
                a tuple of as many) takes their place in the backward pass.
            prepend: call it before the hooks that are there.

        Returns:
            A handle with ``remove()``.

        >>> import nnlite
        >>> from nnlite import nn
        >>> layer = nn.Linear(2, 1)
        >>> handle = layer.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 10,))
        >>> layer(nnlite.ones(1, 2)).sum().backward()
        >>> layer.bias.grad
        tensor([10.])
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(self._hooks.before_backward, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are complete.

        Args:
            hook: gets the gradients of the positional arguments and of the output as tuples, None
                for what is no tensor; what it returns (None, or a tuple of as many as
                ``grad_input``) takes the place of the first in the backward pass. When no argument
                requires a gradient it is called with None for each as soon as those of the output
                are there.
            prepend: call it before the hooks that are there.

        Returns:
            A handle with ``remove()``.

        >>> import nnlite
        >>> from nnlite import nn
        >>> layer = nn.ReLU()
        >>> handle = layer.register_full_backward_hook(lambda m, grads, _: print(*grads))
        >>> layer(nnlite.tensor([1.0, -1.0], requires_grad=True)).sum().backward()
        tensor([1., 0.])
        """
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(self._hooks.after_backward, hook, prepend)

    # ---- printing -------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the parentheses of the printed form; subclasses define it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    @recursive_repr("...")
    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {indented(repr(child))}" for name, child in self._own(Module)]
        return printed(self._get_name(), extra_lines, child_lines)


def printed(name: str, extra_lines: list[str], child_lines: list[str]) -> str:
    """The printed form of a module, as torch lays it out."""
    if not child_lines and len(extra_lines) <= 1:
        return f"{name}({''.join(extra_lines)})"
    lines = "\n  ".join(extra_lines + child_lines)
    return f"{name}(\n  {lines}\n)"


def indented(text: str) -> str:
    """``text`` with all lines but the first moved right by two."""
    return text.replace("\n", "\n  ")


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


def _named_by_attributes(root: Module) -> set[Any]:
    """``root`` and all modules and parameters that a path of attributes alone leads to."""
    found: set[Any] = {root}
    stack = [root]
    while stack:
        for value in stack.pop().__dict__.values():
            if isinstance(value, (Module, Parameter)) and value not in found:
                found.add(value)
                if isinstance(value, Module):
                    stack.append(value)
    return found


def _children_first(module: Module, seen: set[Module]) -> Iterator[Module]:
    seen.add(module)
    for child in module.children():
        if child not in seen:
            yield from _children_first(child, seen)
    yield module
