"""Function: an operation with a derivative of one's own, as torch has it.

``forward`` and ``backward`` work on tensors. When the gradient itself is to be differentiated,
``backward`` is recorded like any other computation, so its operations must be those of tensors.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

import numpy as np

from nnlite.autograd import hooks
from nnlite.autograd.modes import GradMode, is_grad_enabled
from nnlite.autograd.mutation import log, memory_owner, note_write
from nnlite.autograd.node import Cotangents, Edge, Node, Output, next_seq, record
from nnlite.tensor import NO_GRAD, AccumulateGrad, Tensor, wrap

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

F = TypeVar("F", bound=Callable[..., Any])

Spec = tuple[tuple[int, ...], Any]  # the shape and dtype of an input or output

# In FunctionNode.places: computed from the inputs, but how was not recorded.
LOST = "lost"


class FunctionCtx:
    """What ``forward`` hands to ``backward``: saved tensors, marks, and attributes set on it."""

    def __init__(self, needs: tuple[bool, ...] = ()) -> None:
        self._needs = needs
        self._saved: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._without_gradient: tuple[Tensor, ...] = ()
        self._materialize = True
        self._step: FunctionNode | None = None  # the node whose backward is running

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (or None) for ``backward``, which finds them in ``saved_tensors``.

        Inputs and outputs stay what they are, so that second derivatives reach them. What is
        neither is a constant to ``backward``; a second derivative that would have to go through
        such a value raises. An in-place change before ``backward`` is noticed.

        Raises:
            TypeError: for something that is no tensor; keep it as an attribute of ``ctx``.
        """
        for position, value in enumerate(tensors):
            if value is not None and not isinstance(value, Tensor):
                raise TypeError(
                    f"save_for_backward: argument {position} is of type {type(value).__name__}, "
                    "and only tensors can be saved; keep it as an attribute: ctx.name = value"
                )
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors of ``save_for_backward``.

        Raises:
            RuntimeError: when a backward pass has freed them.
        """
        return self._saved if self._step is None else self._step.saved_tensors

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each input whether its gradient is wanted (in ``backward``: by this very pass)."""
        return self._needs if self._step is None else tuple(map(bool, self._step.edges))

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that ``forward`` changes in place; it must return them, too."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the outputs that have no derivative; ``backward`` gets zeros for them."""
        self._without_gradient = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (default), or None, for outputs that the loss ignores."""
        self._materialize = bool(value)


class FunctionNode(Node):
    """y = f(x):   ∂x = what the Function's ``backward`` returns"""

    __slots__ = ("ctx", "lifts", "origin", "outputs", "places")
    function_class: ClassVar[type[Function]]

    ctx: FunctionCtx
    lifts: tuple[int | str | None, ...]  # type: ignore[misc]  # an instance's, not the class's
    # For each saved value that is no input: the index of the output that it is (where there are
    # several), the node that computed it, or LOST.
    places: tuple[Any, ...]
    # The nodes of the outputs, where there are several. Weak: they hold this node.
    outputs: dict[int, weakref.ref[Output]]
    # This node; a copy made for one pass still refers to the node that is in the graph.
    origin: weakref.ref[FunctionNode]

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors of ``ctx.save_for_backward``, at their places in the graph."""
        if self.saved is None:
            raise RuntimeError(
                f"{self.function_class.__name__}: the saved tensors have been freed by a backward "
                "pass; give it retain_graph=True to read them (or go through the graph) again"
            )
        return tuple(map(self._attached, self.saved, self.lifts, self.places))

    def copy(self) -> FunctionNode:
        """The same node once more, to be changed for one pass."""
        same = cast(FunctionNode, super().copy())
        same.ctx = self.ctx
        same.lifts = self.lifts
        same.places = self.places
        same.origin = self.origin
        return same

    def lifted(self, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """The saved arrays as they are: ``saved_tensors`` makes tensors of them in every pass."""
        return saved

    def _attached(self, value: Any, lift: int | str | None, place: Any) -> Any:
        if value is None:
            return None
        origin = cast(FunctionNode, self.origin())
        tensor = wrap(value)
        if lift == "y":
            tensor._node = origin._output(place)
        elif isinstance(lift, int):
            edge = origin.edges[lift]
            if type(edge) is AccumulateGrad:
                leaf = edge.tensor()
                if leaf is not None and leaf.array is value:
                    return leaf
                tensor._leaf = edge
            tensor._node = edge or None
        elif place is not LOST:
            tensor._node = place
        elif is_grad_enabled():
            return _guarded(
                value,
                origin.edges,
                f"{self.function_class.__name__}: a second derivative has to go through a value "
                "that was computed in forward and saved, but is neither input nor output, so how "
                "it was computed is not known. Compute it again in backward from saved inputs, or "
                "return it from forward as one more output; if it is to count as a constant, save "
                "value.detach(), and if there is to be no second derivative, mark backward with "
                "@once_differentiable",
            )
        return tensor

    def _output(self, index: int | None) -> Node:
        """The node that stands for an output: this one, or its proxy where there are several."""
        if index is None:
            return self
        known = self.outputs.get(index)
        proxy = None if known is None else known()
        return _proxy(self, index) if proxy is None else proxy

    def backward(self, g: Any) -> tuple[Any, ...]:
        name = self.function_class.__name__
        if self.function_class.backward is Function.backward:
            raise NotImplementedError(
                f"{name}.backward is missing: define the static method backward(ctx, …), which "
                "takes the gradient of each output and returns one for each input of forward"
            )
        values = g.values() if isinstance(g, Cotangents) else (g,)
        recording = any(isinstance(value, Tensor) for value in values)
        arguments = self._arguments(g)
        ctx, last_write = self.ctx, log.last
        before, ctx._step = ctx._step, self
        try:
            with GradMode(recording):
                result = self.function_class.backward(ctx, *arguments)
        finally:
            ctx._step = before
        if log.last > last_write:
            for argument in arguments:
                if argument is not None and log.after(last_write, argument.array):
                    raise RuntimeError(
                        f"{name}.backward: changed a gradient that it was given in place; others "
                        "read it, too: change a clone()"
                    )
        gradients = result if isinstance(result, tuple) else (result,)
        specs = self.meta[0]
        if len(gradients) < len(specs) or any(r is not None for r in gradients[len(specs) :]):
            raise RuntimeError(
                f"{name}.backward: returned {len(gradients)} gradients, expected {len(specs)}: one "
                "for each input of forward (None for one that is no tensor)"
            )
        return tuple(
            None if r is None else self._checked(position, r, recording)
            for position, r in enumerate(gradients[: len(specs)])
        )

    def _arguments(self, g: Any) -> list[Tensor | None]:
        """The gradients of the outputs as ``backward`` gets them."""
        outputs = self.meta[1]
        if not isinstance(g, Cotangents):
            return [g if isinstance(g, Tensor) else wrap(g)]
        some = next(iter(g.values()))
        like = some.array if isinstance(some, Tensor) else some
        arguments: list[Tensor | None] = []
        for index, spec in enumerate(outputs):
            value = g.get(index)
            if value is None and spec is not None and self.ctx._materialize:
                value = np.zeros(spec[0], spec[1], like=like)
            arguments.append(value if value is None or isinstance(value, Tensor) else wrap(value))
        return arguments

    def _checked(self, position: int, r: Any, recording: bool) -> Any:
        """A gradient that ``backward`` returned, in the shape and dtype of its input."""
        name, spec = self.function_class.__name__, self.meta[0][position]
        if not isinstance(r, Tensor):
            raise TypeError(
                f"{name}.backward: gradient {position} must be a Tensor or None, "
                f"got {type(r).__name__}"
            )
        if spec is None:
            raise RuntimeError(
                f"{name}.backward: returned a gradient for input {position}, which is no tensor; "
                "return None there"
            )
        if not self.edges[position]:
            return None
        shape, dtype = spec
        found = r.array.shape
        value: Any = r if recording else r.array
        if found != shape:
            lead = len(found) - len(shape)
            if lead < 0 or any(n not in (1, m) for n, m in zip(shape, found[lead:])):
                raise RuntimeError(
                    f"{name}.backward: gradient {position} has shape {list(found)}, "
                    f"its input {list(shape)}; they must be equal"
                )
            repeated = tuple(
                axis for axis, m in enumerate(found) if axis < lead or shape[axis - lead] != m
            )
            value = (value.sum(repeated) if repeated else value).reshape(shape)
        if r.array.dtype != dtype:
            value = value.to(dtype) if recording else value.astype(dtype)
        # A view: whoever gets it sees that the array is not his.
        return value if recording else value[...]

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not here: the attributes that forward has set on ctx.
        if name.startswith("_") or name in FunctionNode.__slots__:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return getattr(self.ctx, name)

    def __repr__(self) -> str:
        return f"<nnlite.autograd.function.{type(self).__name__} object at {id(self):#x}>"


class DelayedError(Node):
    """y = x, where x was computed in a way that cannot be differentiated:   ∂x is an error"""

    __slots__ = ()

    def backward(self, g: Any) -> tuple[Any, ...]:
        raise RuntimeError(self.meta)


def _guarded(array: Any, edges: tuple[Edge, ...], message: str) -> Tensor:
    """``array`` as a tensor that raises when something is differentiated through it."""
    return record(array, DelayedError, edges, (), message)


def _proxy(node: FunctionNode, index: int) -> Output:
    proxy = Output()
    proxy.edges = (node,)
    proxy.saved = ()
    proxy.meta = None
    proxy.seq = next_seq()
    proxy.node = node
    proxy.index = index
    proxy.count = len(node.meta[1])
    node.outputs[index] = weakref.ref(proxy)
    return proxy


class Function:
    """The base of operations with a derivative of one's own; used through ``apply``.

    A subclass defines two static methods: ``forward(ctx, *inputs)``, which computes the output (or
    a tuple of outputs) and keeps in ``ctx`` what the derivative reads, and ``backward(ctx, *g)``,
    which gets the gradient of each output and returns one for each input (None for an input that
    is no tensor or needs none). Instead of taking ``ctx`` in ``forward``, a subclass may define
    ``setup_context(ctx, inputs, output)``.

    In ``forward`` nothing is recorded. ``backward`` is recorded when the gradient is to be
    differentiated again, unless it is marked with ``once_differentiable``.

    >>> import nnlite
    >>> class Exp(nnlite.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (y,) = ctx.saved_tensors
    ...         return g * y
    >>> x = nnlite.tensor([0.0, 1.0], requires_grad=True)
    >>> y = Exp.apply(x)
    >>> y
    tensor([1.0000, 2.7183], grad_fn=<ExpBackward>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([1.0000, 2.7183])
    """

    _node_classes: ClassVar[dict[bool, type[FunctionNode]]]  # by whether the output is a view

    def __init_subclass__(cls) -> None:
        cls._node_classes = {
            is_view: type(
                f"{cls.__name__}Backward",
                (FunctionNode,),
                {
                    "__slots__": (),
                    "__doc__": FunctionNode.__doc__,
                    "__module__": cls.__module__,
                    "function_class": cls,
                    "is_view": is_view,
                },
            )
            for is_view in (False, True)
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            f"{type(self).__name__}: a Function is not instantiated; call "
            f"{type(self).__name__}.apply(…)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines it, as ``forward(ctx, *inputs)``."""
        raise NotImplementedError("Function.forward is missing")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what ``backward`` reads; where it is defined, ``forward`` does not take ctx."""
        raise NotImplementedError("Function.setup_context is not defined")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs; every subclass that is differentiated defines it."""
        raise NotImplementedError("Function.backward is missing")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` on the inputs, and record it so that ``backward`` is its derivative.

        Raises:
            TypeError: for keyword arguments (without ``setup_context``), and when ``forward``
                returns tensors in something else than a tuple.
            RuntimeError: when ``forward`` changes an input in place that requires a gradient and
                is not marked with ``ctx.mark_dirty``.
        """
        if cls.forward is Function.forward:
            raise NotImplementedError(
                f"{cls.__name__}.forward is missing: define the static method forward(ctx, …)"
            )
        separate = cls.setup_context is not Function.setup_context
        if separate:
            args = _all_arguments(cls, args, kwargs)
        elif kwargs:
            raise TypeError(f"{cls.__name__}.apply: takes no keyword arguments, got {list(kwargs)}")
        ctx = FunctionCtx(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
        last_write = log.last
        with GradMode(False):
            if separate:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args)
        outputs = result if isinstance(result, tuple) else (result,)
        _check_outputs(cls, args, outputs, ctx, last_write)
        recorded = _record(cls, ctx, args, outputs)
        ctx._saved = ctx._dirty = ctx._without_gradient = ()
        return recorded if isinstance(result, tuple) else recorded[0]


def _all_arguments(
    cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """The arguments of ``forward`` with its defaults, in order."""
    import inspect  # late: importing it takes longer than the rest of this package

    bound = inspect.signature(cls.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def _position(value: Any, among: tuple[Any, ...]) -> int | None:
    """Where a tensor itself (not one of equal value) is."""
    return next((i for i, other in enumerate(among) if other is value), None)


def _check_outputs(
    cls: type[Function],
    args: tuple[Any, ...],
    outputs: tuple[Any, ...],
    ctx: FunctionCtx,
    last_write: int,
) -> None:
    """Refuse what would lose a gradient without a word."""
    name = cls.__name__
    for value in outputs:
        if isinstance(value, (list, dict)) and any(
            isinstance(item, Tensor) for item in (value.values() if type(value) is dict else value)
        ):
            raise TypeError(
                f"{name}.forward: returned tensors in a {type(value).__name__}, whose gradients "
                "would be lost; return a tensor or a tuple of tensors"
            )
    for tensor in ctx._dirty:
        if _position(tensor, outputs) is None:
            raise RuntimeError(
                f"{name}.forward: an input that is marked dirty is not returned; what is changed "
                "in place must be an output, too"
            )
    if log.last == last_write:
        return
    for position, value in enumerate(args):
        if not isinstance(value, Tensor) or not value.requires_grad:
            continue
        write = log.after(last_write, value.array)
        if write is not None and _position(value, ctx._dirty) is None:
            raise RuntimeError(
                f"{name}.forward: changed its input {position} in place ({write.what}), which "
                "requires a gradient; change a clone(), or mark it: ctx.mark_dirty(input)"
            )


def _record(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The outputs as tensors of the graph; what is no tensor stays as it is."""
    owners = tuple(memory_owner(x.array) if isinstance(x, Tensor) else None for x in args)
    is_view = False
    arrays: list[Any] = []
    for value in outputs:
        array: Any = value.array if isinstance(value, Tensor) else None
        base = None if array is None else _position(memory_owner(array), owners)
        if base is not None and _position(value, ctx._dirty) is None:
            # The search for an outdated base of a view goes along the first edge.
            is_view = is_view or base == 0
            array = array[...] if base == 0 else array.copy()
        arrays.append(array)
    kept = [index for index, value in enumerate(outputs) if _is_differentiable(value, ctx)]
    if not kept:
        return tuple(
            value if array is None or _position(value, ctx._dirty) is not None else wrap(array)
            for value, array in zip(outputs, arrays)
        )
    edges = tuple(x._node if isinstance(x, Tensor) else None for x in args)
    saved = tuple(None if x is None else x.array for x in ctx._saved)
    specs = tuple(map(_spec, args)), tuple(map(_spec, outputs))
    whole = record(arrays[kept[0]], cls._node_classes[is_view], edges, saved, specs)
    node = whole._node
    if isinstance(node, FunctionNode):
        node.ctx = ctx
        node.origin = weakref.ref(node)
        node.outputs = {}
        sources = [_source(x, ctx, args, outputs, kept) for x in ctx._saved]
        node.lifts = tuple(lift for lift, _ in sources)
        node.places = tuple(place for _, place in sources)
    made: list[Any] = []
    for index, (value, array) in enumerate(zip(outputs, arrays)):
        if array is None:
            made.append(value)
            continue
        own: Any = None
        if index in kept:
            several = len(outputs) > 1 and isinstance(node, FunctionNode)
            own = _proxy(cast(FunctionNode, node), index) if several else node
        if _position(value, ctx._dirty) is not None:
            _go_on_as(cls.__name__, value, own)
            made.append(value)
        else:
            tensor = wrap(array)
            tensor._node = own
            made.append(tensor)
        if hooks.inspector is not None and index in kept[1:]:
            hooks.inspector.forward(made[-1], type(node), edges)
    return tuple(made)


def _is_differentiable(value: Any, ctx: FunctionCtx) -> bool:
    return (
        isinstance(value, Tensor)
        and value.array.dtype.kind in "fc"
        and _position(value, ctx._without_gradient) is None
    )


def _spec(value: Any) -> Spec | None:
    return (value.array.shape, value.array.dtype) if isinstance(value, Tensor) else None


def _source(
    value: Tensor | None,
    ctx: FunctionCtx,
    args: tuple[Any, ...],
    outputs: tuple[Any, ...],
    kept: list[int],
) -> tuple[int | str | None, Any]:
    """What a saved value is, as in ``Node.lifts``, and its place, as in ``FunctionNode.places``."""
    if value is None:
        return None, None
    as_input, as_output = _position(value, args), _position(value, outputs)
    if as_input is not None and _position(value, ctx._dirty) is None:
        return as_input, None
    if as_output is not None:
        if as_output not in kept:
            return None, None
        return "y", as_output if len(outputs) > 1 else None
    if value._node is NO_GRAD:
        return None, LOST
    return None, value._node or None


def _go_on_as(name: str, tensor: Tensor, node: Any) -> None:
    """Let an input that forward has changed in place go on as the output that it is now."""
    write = note_write(tensor.array, f"{name}.forward")
    if not isinstance(node, Node):
        return
    if tensor._node and tensor.is_leaf:
        raise RuntimeError(
            f"{name}.forward: changed a leaf tensor in place that requires a gradient; compute a "
            "new tensor, or call apply under `with nnlite.no_grad():`"
        )
    if getattr(tensor.array, "base", None) is not None:
        raise RuntimeError(
            f"{name}.forward: changed a view in place, which would have to be recorded in its base "
            "too and is not supported; give apply a clone()"
        )
    if isinstance(tensor._node, Node):
        log.rebased[tensor._node] = write
    else:
        log.join(write)
    node.seq = write.seq
    tensor._node = node


def once_differentiable(fn: F) -> F:
    """Mark a ``backward`` whose own computation cannot be differentiated (decorator).

    It runs unrecorded, so it may work on arrays; differentiating its result raises.

    >>> import nnlite
    >>> class Double(nnlite.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     @nnlite.autograd.function.once_differentiable
    ...     def backward(ctx, g):
    ...         return nnlite.from_numpy(g.numpy() * 2)
    >>> x = nnlite.ones(1, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor([2.])
    """

    @functools.wraps(fn)
    def once(ctx: FunctionCtx, *args: Any) -> Any:
        recording = is_grad_enabled()
        with GradMode(False):
            # Outside of the graph, so that the arrays can be had with numpy().
            result = fn(ctx, *(x.detach() if isinstance(x, Tensor) else x for x in args))
        step = ctx._step
        if not recording or step is None:
            return result
        origin = cast(FunctionNode, step.origin())
        edges = (*origin.edges, *(x._node for x in args if isinstance(x, Tensor)))
        message = (
            f"{origin.function_class.__name__}: differentiated twice, but its backward is marked "
            "with @once_differentiable; write backward with tensor operations and take the mark "
            "away to have second derivatives"
        )
        gradients = result if isinstance(result, tuple) else (result,)
        guarded = tuple(
            _guarded(r.array, edges, message) if isinstance(r, Tensor) else r for r in gradients
        )
        return guarded if isinstance(result, tuple) else guarded[0]

    return cast(F, once)
