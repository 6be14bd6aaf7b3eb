"""The hooks of a module. A module without hooks has no ``Hooks``, and pays nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd import hooks as node_hooks
from nnlite.autograd.hooks import RemovableHandle
from nnlite.autograd.modes import is_grad_enabled
from nnlite.autograd.node import Cotangents, Node, record_outputs
from nnlite.tensor import Tensor, wrap

if TYPE_CHECKING:
    from nnlite.nn.module import Module

__all__ = ["Hooked", "Hooks", "RemovableHandle"]

Hook = tuple[Callable[..., Any], bool]  # the function, and whether it takes keyword arguments


class Hooks:
    """What runs before and after a module's forward and backward, in order."""

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}
        self.before_backward: dict[int, Hook] = {}
        self.after_backward: dict[int, Hook] = {}

    def add(
        self,
        hooks: dict[int, Hook],
        hook: Callable[..., Any],
        prepend: bool,
        with_kwargs: bool = False,
    ) -> RemovableHandle:
        """Add a hook to one of the dictionaries."""
        handle = RemovableHandle(hooks)
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[handle.id] = (hook, with_kwargs)
        hooks.update(others)
        return handle

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """``module.forward`` with all hooks."""
        for hook, with_kwargs in list(self.before.values()):
            result = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if result is None:
                continue
            if not with_kwargs:
                args = result if isinstance(result, tuple) else (result,)
            elif isinstance(result, tuple) and len(result) == 2:
                args, kwargs = result
            else:
                raise RuntimeError(
                    "forward pre-hook: with_kwargs=True means to return None or a tuple of the "
                    f"arguments and the keyword arguments, got {result!r}"
                )
        backward = None
        if self.before_backward or self.after_backward:
            backward = BackwardHooks(module, self)
            args = backward.watch_inputs(args)
        output = module.forward(*args, **kwargs)
        for hook, with_kwargs in list(self.after.values()):
            result = (
                hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
            )
            if result is not None:
                output = result
        return output if backward is None else backward.watch_output(output)


class BackwardHookFunctionBackward(Node):
    """(y₁, y₂, …) = (x₁, x₂, …):   ∂xᵢ = gᵢ; where the gradients of a module are looked at"""

    __slots__ = ()

    def backward(self, g: Cotangents) -> tuple[Any, ...]:
        # Views: whoever gets one sees that the array is not his.
        return tuple(
            None if i not in g else g[i] if isinstance(g[i], Tensor) else g[i][...]
            for i in range(len(self.edges))
        )


def _watched(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], Node | None, list[int]]:
    """The values, with those that require a gradient taken through one node.

    Returns:
        Them, the node (None where no value requires a gradient), and the places of its tensors.
    """
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value._node]
    if not places or not is_grad_enabled():
        return values, None, []
    # Views, so that a change in place raises: what it would change is not what is differentiated.
    arrays = tuple(values[i].array[...] for i in places)
    edges = tuple(values[i]._node for i in places)
    new = list(values)
    for i, tensor in zip(places, record_outputs(arrays, BackwardHookFunctionBackward, edges)):
        new[i] = tensor
    node: Any = new[places[0]]._node
    return tuple(new), node.function(), places


def _spread(gradients: Any, places: list[int], count: int) -> tuple[Any, ...]:
    """Gradients at the places of their tensors, None elsewhere."""
    found: list[Any] = [None] * count
    for i, g in zip(places, gradients):
        found[i] = g
    return tuple(found)


class BackwardHooks:
    """The backward hooks of a module during one call of it.

    The gradient of the output is seen where the output leaves the module; it is kept until the
    gradients of all inputs are complete.
    """

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module = module
        self.before = [hook for hook, _ in hooks.before_backward.values()]
        self.after = [hook for hook, _ in hooks.after_backward.values()]
        self.count = 0  # of inputs
        self.places: list[int] = []  # of inputs that require a gradient
        self.shapes: dict[int, tuple[Any, Any]] = {}  # and dtypes of inputs that are tensors
        self.grad_output: tuple[Any, ...] | None = None

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments, to be given to forward."""
        self.count = len(args)
        args, node, self.places = _watched(args)
        if node is not None:
            node_hooks.add(node, "after", self._inputs_done)
            tensors = {i: t for i, t in enumerate(args) if isinstance(t, Tensor)}
            self.shapes = {i: (t.array.shape, t.array.dtype) for i, t in tensors.items()}
        return args

    def watch_output(self, output: Any) -> Any:
        """What forward has returned, to be given to the caller."""
        if isinstance(output, dict):
            values = tuple(output.values())
        else:
            values = tuple(output) if isinstance(output, (tuple, list)) else (output,)
        new, node, places = _watched(values)
        if node is None:
            return output

        def arrived(gradients: tuple[Any, ...]) -> tuple[Any, ...]:
            return self._output_done(gradients, places, len(values))

        node_hooks.add(node, "before", arrived)
        if isinstance(output, dict):
            return type(output)(zip(output, new))
        if isinstance(output, (tuple, list)):
            return output._make(new) if hasattr(output, "_make") else type(output)(new)
        return new[0]

    def _output_done(
        self, gradients: tuple[Any, ...], places: list[int], count: int
    ) -> tuple[Any, ...]:
        """Show the gradients of the output; those that hooks return take their place."""
        seen = _spread(gradients, places, count)
        for hook in self.before:
            seen = _checked("full backward pre-hook", hook(self.module, seen), seen)
        self.grad_output = seen
        if not self.places:
            # The backward pass ends here, as far as the inputs are concerned.
            nothing = (None,) * self.count
            for hook in self.after:
                result = hook(self.module, nothing, seen)
                if result is not None and any(g is not None for g in result):
                    raise RuntimeError(
                        "full backward hook: no input requires a gradient, so it must return None"
                    )
            self.grad_output = None
        return tuple(seen[i] for i in places)

    def _inputs_done(self, gradients: tuple[Any, ...], _: Any) -> tuple[Any, ...] | None:
        """Show the gradients of the inputs; those that hooks return take their place."""
        given, self.grad_output = self.grad_output, None
        if given is None:
            return None  # they came by another way than the output
        # As in torch, a tensor that has no gradient beside one that has is shown with zeros.
        some = next(g for g in gradients if g is not None).array
        seen = tuple(
            wrap(np.zeros_like(some, shape=self.shapes[i][0], dtype=self.shapes[i][1]))
            if g is None and i in self.shapes
            else g
            for i, g in enumerate(_spread(gradients, self.places, self.count))
        )
        for hook in self.after:
            seen = _checked("full backward hook", hook(self.module, seen, given), seen)
        # The engine takes no replacement where it had no gradient.
        return tuple(seen[i] if g is not None else None for i, g in zip(self.places, gradients))


def _checked(kind: str, result: Any, before: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook has returned, as a tuple; None leaves things as they were."""
    if result is None:
        return before
    found = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    if len(found) != len(before):
        raise RuntimeError(f"{kind}: returned {len(found)} gradients, expected {len(before)}")
    return found


class Hooked:
    """What of a ``Module`` takes hooks around forward and backward."""

    _hooks: Hooks | None = None

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
