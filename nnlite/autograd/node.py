"""Node: one recorded operation. ``record``: how an operator leaves one behind.

The graph is a tape: nodes are numbered as they are made, and an operation can only use what was
made before it, so descending numbers are an order in which gradients can be propagated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, cast

from nnlite.autograd.modes import grad_enabled
from nnlite.autograd.mutation import DataView, next_seq
from nnlite.tensor import NO_GRAD, AccumulateGrad, NoGraph, Tensor, as_array, ndarray, wrap

__all__ = ["Node", "next_seq", "record"]

Edge = Any  # Node | AccumulateGrad, or something false: no gradient is wanted there

_new = Tensor.__new__
_is_enabled = grad_enabled.get

# What is called after every operation: look(output, node_class, edges). See autograd.anomaly.
lookers: list[Callable[[Tensor, type[Any], tuple[Edge, ...]], None]] = []


class Node:
    """One recorded operation: where its inputs came from and what its derivative reads.

    A subclass is one derivative. Its name is torch's name for the operation, the first line of its
    docstring is the equation, and ``backward`` is the equation in code. ``backward`` must use only
    array calls that dispatch (ufuncs, functions, methods, operators): it is run on arrays, and on
    tensors when the gradient itself is to be differentiated. It never writes into its argument or
    into ``saved``; it returns one entry for each input: a new array, its argument, or a view.

    Attributes:
        edges: for each input the node that computed it (true), or something false when no
            gradient is wanted there. ``backward`` may skip an input whose edge is false.
        saved: the arrays that the derivative reads; None after ``backward`` has freed them.
        meta: shapes and options that the derivative reads; they are kept.
        seq: the node's number in order of creation.
    """

    __slots__ = ("__weakref__", "edges", "meta", "saved", "seq")

    # What each saved value is, for higher derivatives: the index of an input, "y" for the output,
    # None for a constant, "cache" for what backward computes anew from the others when it is None.
    lifts: ClassVar[tuple[int | str | None, ...]] = ()
    # Whether the output shares memory with the input.
    is_view: ClassVar[bool] = False

    edges: tuple[Edge, ...]
    saved: Any  # tuple[Any, ...] until it is freed
    meta: Any
    seq: int

    def backward(self, g: Any) -> tuple[Any, ...]:
        """The gradients of the inputs, given the gradient ``g`` of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def copy(self) -> Node:
        """The same node once more, to be changed for one pass."""
        same = type(self)()
        same.edges = self.edges
        same.saved = self.saved
        same.meta = self.meta
        same.seq = self.seq
        return same

    def lifted(self, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        """The saved arrays as tensors at their places in the graph, as ``lifts`` says."""
        return tuple(self._lift(value, lift) for value, lift in zip(saved, self.lifts))

    def _lift(self, value: Any, lift: int | str | None) -> Any:
        if lift == "cache":
            return None
        if lift is None or value is None or not hasattr(value, "dtype"):
            return value
        tensor = wrap(value)
        tensor._node = self if lift == "y" else (self.edges[cast(int, lift)] or None)
        return tensor

    def function(self) -> Node:
        """The node of the operation itself (an output of several has a proxy before it)."""
        return self

    @property
    def next_functions(self) -> tuple[tuple[Node | AccumulateGrad | None, int], ...]:
        """The nodes of the inputs, each with the index of the output that was used."""
        return tuple(
            (edge.node, edge.index) if isinstance(edge, Output) else (edge or None, 0)
            for edge in self.edges
        )

    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


def record(
    array: Any,
    node_class: type[Node],
    edges: tuple[Edge, ...],
    saved: tuple[Any, ...] = (),
    meta: Any = None,
) -> Tensor:
    """The result ``array`` of an operation as a tensor, and the operation as its node.

    Nothing is recorded when no edge is true or under ``no_grad``.

    Args:
        array: what the operation computed.
        node_class: its derivative.
        edges: ``tensor._node`` of each input, None for an input that is no tensor.
        saved: the arrays that ``node_class.backward`` reads, in the order of ``lifts``.
        meta: shapes and options that it reads.
    """
    out = _new(Tensor)
    out.array = array if type(array) is ndarray else as_array(array)
    out._leaf = None
    if not ((edges and edges[0]) or any(edges)):
        out._node = _cause(edges)
        if node_class.is_view and _is_enabled():
            out._node = DataView(array, out._node)
    elif not _is_enabled():
        out._node = NO_GRAD
    else:
        out._node = node = node_class()
        node.edges = edges
        node.saved = saved
        node.meta = meta
        node.seq = next_seq()
    if lookers:
        for look in lookers:
            look(out, node_class, edges)
    return out


def _cause(edges: tuple[Edge, ...]) -> NoGraph | None:
    """Why a result has no graph: the weightiest cause among its inputs."""
    cause: NoGraph | None = None
    for edge in edges:
        if type(edge) is DataView:
            if _is_enabled():
                edge.check(math.inf)
            edge = edge.origin
        if edge is not None and (cause is None or edge.rank > cause.rank):
            cause = edge
    return cause


class Output(Node):
    """One output of an operation with several: hands its gradient to the operation's node."""

    __slots__ = ("count", "index", "node")
    is_view = True  # it is what the operation is: the search for an outdated base goes on there

    node: Node
    index: int
    count: int  # of all outputs

    def copy(self) -> Output:
        same = cast(Output, super().copy())
        same.node = self.node
        same.index = self.index
        same.count = self.count
        return same

    def backward(self, g: Any) -> tuple[Any, ...]:
        arrived = Cotangents({self.index: g})
        arrived.count = self.count
        return (arrived,)

    def function(self) -> Node:
        return self.node


class Cotangents(dict[int, Any]):
    """The gradients that have arrived at a node with several outputs, by output index."""

    base = None
    count: int  # of all outputs

    def __add__(self, other: dict[int, Any]) -> Cotangents:
        total = Cotangents(self)
        total.count = self.count
        for index, g in other.items():
            total[index] = total[index] + g if index in total else g
        return total


def record_outputs(
    arrays: tuple[Any, ...],
    node_class: type[Node],
    edges: tuple[Edge, ...],
    saved: tuple[Any, ...] = (),
    meta: Any = None,
) -> tuple[Tensor, ...]:
    """``record`` for an operation with several outputs.

    ``node_class.backward`` gets a dictionary from output index to gradient; an output that the
    loss does not depend on is missing from it.
    """
    whole = record(arrays[0], node_class, edges, saved, meta)
    outs = []
    for index, array in enumerate(arrays):
        out = _new(Tensor)
        out.array = array if type(array) is ndarray else as_array(array)
        out._leaf = None
        out._node = whole._node
        if isinstance(whole._node, Node):
            proxy = Output()
            proxy.edges = (whole._node,)
            proxy.saved = ()
            proxy.meta = None
            proxy.seq = next_seq()
            proxy.node = whole._node
            proxy.index = index
            proxy.count = len(arrays)
            out._node = proxy
        outs.append(out)
    return tuple(outs)
