"""Module: a part of a network, with parameters, buffers and other modules as its attributes.

How its parts are found is in nnlite/nn/parts.py, the ``state_dict`` in nnlite/nn/state.py, hooks in
nnlite/nn/hooks.py; here is what a module does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from reprlib import recursive_repr
from typing import Any, NoReturn, TypeVar

import numpy as np

from nnlite.nn import freezing
from nnlite.nn.hooks import Hooked
from nnlite.nn.state import State
from nnlite.tensor import Tensor, wrap

__all__ = ["Module"]

M = TypeVar("M", bound="Module")


def _forward_missing(self: Module, *inputs: Any) -> NoReturn:
    """Compute the output; every subclass defines it."""
    raise NotImplementedError(
        f"{type(self).__name__}.forward is missing: define forward(self, …), which computes the "
        "module's output; it runs when the module is called"
    )


class Module(State, Hooked):
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

    # A class attribute, as all of them here: a module whose __init__ forgets super() works.
    _statistics_frozen: bool = False

    def __init__(self) -> None:
        """Nothing needs to be prepared, but subclasses may call it, as in torch."""

    forward: Callable[..., Any] = _forward_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, with the hooks if there are any."""
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

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
        child_lines = [f"({name}): {indented(repr(child))}" for name, child in self._own_modules()]
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


def _children_first(module: Module, seen: set[Module]) -> Iterator[Module]:
    seen.add(module)
    for child in module.children():
        if child not in seen:
            yield from _children_first(child, seen)
    yield module
