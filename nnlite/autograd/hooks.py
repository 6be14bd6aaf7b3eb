"""Hooks: functions that are called while a backward pass goes through a node.

Few nodes have any, so nothing of this is in the nodes: a node that gets its first hook is given
``Extras`` (in its tuple of edges) and is listed in ``marked``. While that list is empty a backward
pass takes the short way.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from nnlite.autograd.modes import GradMode
from nnlite.autograd.node import Cotangents, Edge, Node
from nnlite.tensor import AccumulateGrad, Tensor, wrap

__all__ = ["RemovableHandle"]

Hooks = dict[int, Callable[..., Any]]

next_id = itertools.count().__next__

# The nodes and leaves that have extras, by id.
marked: dict[int, Any] = {}

# Stands for "no hooks of this kind", so that extras are small; never written to.
NO_HOOKS: Hooks = {}

# What looks at every node while anomaly detection is on; it is in ``marked``, too, under 0.
inspector: Any = None


class Extras:
    """What a node has beyond its derivative.

    Attributes:
        on_gradient: what ``Tensor.register_hook`` has registered: called with the gradient.
        keep: what ``Tensor.retain_grad`` has registered: called after all of those.
        before: what ``Node.register_prehook`` has registered.
        after: what ``Node.register_hook`` has registered.
        on_accumulated: what ``Tensor.register_post_accumulate_grad_hook`` has registered.
        replay: computes the saved values again (``utils.checkpoint``), or None.
        site: where the operation was called (anomaly detection), or None.
    """

    __slots__ = ("after", "before", "keep", "on_accumulated", "on_gradient", "replay", "site")

    def __init__(self) -> None:
        self.on_gradient = NO_HOOKS
        self.keep = NO_HOOKS
        self.before = NO_HOOKS
        self.after = NO_HOOKS
        self.on_accumulated = NO_HOOKS
        self.replay: Any = None
        self.site: Any = None

    def are_empty(self) -> bool:
        """Whether nothing is left that a backward pass has to know of."""
        hooks = self.on_gradient, self.keep, self.before, self.after, self.on_accumulated
        return not any(hooks) and self.replay is None and self.site is None


class MarkedEdges(tuple[Any, ...]):
    """The edges of a node that has extras."""

    extras: Extras


def extras_of(node: Edge) -> Extras | None:
    """The extras of a node or leaf, if it has any."""
    if id(node) not in marked:
        return None
    found: Extras = node.extras if type(node) is AccumulateGrad else node.edges.extras
    return found


def need_extras(node: Edge) -> Extras:
    """The extras of a node or leaf, made if there are none yet."""
    extras = extras_of(node)
    if extras is not None:
        return extras
    extras = Extras()
    if type(node) is AccumulateGrad:
        node.extras = extras
    else:
        node.edges = MarkedEdges(node.edges)
        node.edges.extras = extras
    key = id(node)
    marked[key] = weakref.ref(node, lambda _: marked.pop(key, None))
    return extras


class RemovableHandle:
    """Takes a hook back: ``handle.remove()``, or use it in a ``with`` statement."""

    def __init__(self, hooks: dict[int, Any], node: Edge = None) -> None:
        self.id = next_id()
        self._hooks = hooks
        self._node = None if node is None else weakref.ref(node)

    def remove(self) -> None:
        """Take the hook back; again is allowed."""
        self._hooks.pop(self.id, None)
        node = None if self._node is None else self._node()
        if node is None:
            return
        extras = extras_of(node)
        if extras is not None and extras.are_empty():
            del marked[id(node)]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def add(node: Edge, kind: str, hook: Callable[..., Any]) -> RemovableHandle:
    """Add ``hook`` to one of the dictionaries of the node's extras."""
    extras = need_extras(node)
    hooks: Hooks = getattr(extras, kind)
    if hooks is NO_HOOKS:
        hooks = {}
        setattr(extras, kind, hooks)
    handle = RemovableHandle(hooks, node)
    hooks[handle.id] = hook
    return handle


# ---- what a backward pass calls -----------------------------------------------------------------


def call_on_gradient(extras: Extras, g: Any, create_graph: bool) -> Any:
    """Let each hook of the tensor see the gradient, and replace it where the hook returns one."""
    if not extras.on_gradient and not extras.keep:
        return g
    with GradMode(create_graph):
        for hook in [*extras.on_gradient.values(), *extras.keep.values()]:
            seen = _as_tensor(g)
            result = hook(seen)
            if result is not None:
                g = _replacement("hook", hook, result, seen, create_graph)
    return g


def call_before(extras: Extras, g: Any, create_graph: bool) -> Any:
    """Let each prehook of the node see the gradients of its outputs, and replace them.

    Returns:
        What goes on; None when hooks have taken all gradients away.
    """
    if not extras.before:
        return g
    with GradMode(create_graph):
        for hook in list(extras.before.values()):
            seen = _of_outputs(g)
            result = hook(seen)
            if result is None:
                continue
            _check_tuple("prehook", hook, result, len(seen))
            new = [
                None if r is None else _replacement("prehook", hook, r, s, create_graph)
                for r, s in zip(result, seen)
            ]
            if isinstance(g, Cotangents):
                g = Cotangents((i, r) for i, r in enumerate(new) if r is not None)
                g.count = len(seen)
            else:
                g = new[0]
            if g is None or (isinstance(g, Cotangents) and not g):
                return None
    return g


def call_after(
    extras: Extras, edges: tuple[Edge, ...], g: Any, gradients: tuple[Any, ...], create_graph: bool
) -> tuple[Any, ...]:
    """Let each hook of the node see the gradients of its inputs and outputs, and replace the first.

    What hooks have seen may be kept by them, so nothing of it is given on as the engine's own.
    """
    with GradMode(create_graph):
        given = _of_outputs(g)
        current = [_as_tensor(r) if e and r is not None else None for e, r in zip(edges, gradients)]
        for hook in list(extras.after.values()):
            result = hook(tuple(current), given)
            if result is None:
                continue
            _check_tuple("hook", hook, result, len(current))
            for position, new in enumerate(result):
                seen = current[position]
                if new is not None:
                    _replacement("hook", hook, new, seen, create_graph)
                current[position] = new
    return tuple(r if r is None or create_graph else r.array[...] for r in current)


def call_on_accumulated(extras: Extras, leaf: AccumulateGrad) -> None:
    """Let each hook see the leaf tensor whose gradient has been accumulated."""
    tensor = leaf.tensor()
    if tensor is None:
        return
    for hook in list(extras.on_accumulated.values()):
        hook(tensor)


def _as_tensor(g: Any) -> Tensor:
    return g if isinstance(g, Tensor) else wrap(g)


def _of_outputs(g: Any) -> tuple[Tensor | None, ...]:
    """The gradients of a node's outputs, None where none has arrived."""
    if not isinstance(g, Cotangents):
        return (_as_tensor(g),)
    return tuple(_as_tensor(g[i]) if i in g else None for i in range(g.count))


def _name(hook: Callable[..., Any]) -> str:
    return getattr(hook, "__name__", type(hook).__name__)


def _check_tuple(kind: str, hook: Callable[..., Any], result: Any, count: int) -> None:
    if not isinstance(result, tuple):
        raise TypeError(
            f"{kind} {_name(hook)}: expected a tuple of {count} gradients or None, "
            f"got {type(result).__name__}"
        )
    if len(result) != count:
        raise RuntimeError(
            f"{kind} {_name(hook)}: returned {len(result)} gradients, expected {count}"
        )


def _replacement(
    kind: str, hook: Callable[..., Any], result: Any, seen: Tensor | None, create_graph: bool
) -> Any:
    """What a hook has returned, in the form that this pass works with."""
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{kind} {_name(hook)}: expected a Tensor or None, got {type(result).__name__}"
        )
    if seen is None:
        raise RuntimeError(f"{kind} {_name(hook)}: returned a gradient where there is none (None)")
    if result.array.shape != seen.array.shape:
        raise RuntimeError(
            f"{kind} {_name(hook)}: returned a gradient of shape {list(result.array.shape)} for "
            f"one of shape {list(seen.array.shape)}"
        )
    return result if create_graph else result.array


# ---- registering --------------------------------------------------------------------------------


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call ``hook(gradient)`` when this tensor's gradient has been computed; it may return another.

    Returns:
        A handle with ``remove()``.

    Raises:
        RuntimeError: when the tensor requires no gradient.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda g: g * 10)
    >>> x.sum().backward()
    >>> x.grad
    tensor([10., 10.])
    """
    if not self._node:
        raise RuntimeError("register_hook: the tensor does not require a gradient")
    return add(self._node, "on_gradient", hook)


def register_post_accumulate_grad_hook(
    self: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call ``hook(tensor)`` each time a gradient has been accumulated into this leaf's ``grad``.

    It is called as soon as the gradient is complete, while the pass goes on: an optimizer that
    steps here and sets ``grad`` to None never has more than a few gradients in memory.

    Returns:
        A handle with ``remove()``.

    Raises:
        RuntimeError: for a tensor that requires no gradient or is no leaf.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> handle = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad))
    >>> (x * 3).sum().backward()
    tensor([3., 3.])
    """
    if not self._node:
        raise RuntimeError(
            "register_post_accumulate_grad_hook: the tensor does not require a gradient"
        )
    if not self.is_leaf:
        raise RuntimeError(
            "register_post_accumulate_grad_hook: only leaf tensors accumulate gradients, and this "
            f"one was computed by {self._node!r}; use register_hook"
        )
    return add(self._node, "on_accumulated", hook)


def register_node_prehook(self: Edge, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_outputs)`` before this node's derivative is computed.

    Args:
        fn: gets the gradients of the operation's outputs (a tuple of tensors, None where none has
            arrived); returns None, or a tuple that takes their place.

    Returns:
        A handle with ``remove()``.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> y = x * 3
    >>> handle = y.grad_fn.register_prehook(lambda grads: (grads[0] * 10,))
    >>> y.sum().backward()
    >>> x.grad
    tensor([30., 30.])
    """
    return add(self, "before", fn)


def register_node_hook(self: Edge, fn: Callable[..., Any]) -> RemovableHandle:
    """Call ``fn(grad_inputs, grad_outputs)`` after this node's derivative has been computed.

    Args:
        fn: gets the gradients of the operation's inputs (None where none is wanted) and of its
            outputs, as tuples of tensors; returns None, or a tuple that takes the place of the
            first.

    Returns:
        A handle with ``remove()``.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> y = x.exp()
    >>> handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0].sign(),))
    >>> y.sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    return add(self, "after", fn)


def _bind(*kinds: Any) -> None:
    for kind in kinds:
        kind.register_prehook = register_node_prehook
        kind.register_hook = register_node_hook


_bind(Node, AccumulateGrad)
