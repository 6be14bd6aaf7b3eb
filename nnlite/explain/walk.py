"""One pass of the engine over the graph of a loss, looked at: what arrives where.

The pass is the engine's own loop (``autograd.engine``), without hooks and without accumulating
anything, so nothing outside is changed by it.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from nnlite.autograd import engine
from nnlite.autograd.hooks import extras_of, marked
from nnlite.autograd.mutation import memory_owner
from nnlite.autograd.node import Cotangents, Edge, Node, Output
from nnlite.ops.random import default_generator
from nnlite.tensor import AccumulateGrad, NoGraph, Tensor

__all__ = ["Pass", "Sent", "copy_of"]

Array = Any


class Sent:
    """What an operation sends back to one of its inputs."""

    __slots__ = ("array", "node", "position")

    def __init__(self, node: Node, position: int, array: Array) -> None:
        self.node = node
        self.position = position
        self.array = array


class Pass:
    """The gradients of one backward pass from ``loss``.

    Args:
        loss: what to differentiate.
        gradient: ∂L/∂loss, for a loss with more than one element.

    Attributes:
        start: the gradient of the loss that the pass starts with: 1 for a number.
        root: the node that computed the loss.
        order: the operations, in the order in which backward runs.
        leaves: the leaves that are reached, in the order in which they are.
        arrived: for each node and leaf the gradient of its output (a dictionary by output index for
            an operation with several).
        sent: for each node and leaf what the operations that use it send, in order of backward.
        saved: for each operation what its derivative reads.
        values: what the leaves held.
        hooked: the nodes and leaves with hooks that can change a gradient; they are not called.

    Raises:
        RuntimeError: when there is no graph, it has been freed, or what it needs was overwritten.
    """

    def __init__(self, loss: Tensor, gradient: Tensor | None = None) -> None:
        _refuse_captured(loss)
        roots = engine._roots("explain", loss, gradient, False)
        self.start = next(iter(roots.values()))
        self.root: Edge = loss._node
        self.order: list[Node] = []
        self.leaves: list[AccumulateGrad] = []
        self.arrived: dict[Edge, Any] = {}
        self.sent: dict[Edge, list[Sent]] = {}
        self.saved: dict[Edge, tuple[Any, ...]] = {}
        self.hooked: list[Edge] = []
        # The derivative that ran: the node, or where a checkpoint has dropped its values a copy.
        self.derivatives: dict[Edge, Node] = {}
        state = default_generator.get_state()
        try:
            engine._propagate(dict(roots), True, _Look(self, roots))
        except RuntimeError as error:
            if "a second time" in str(error):
                raise RuntimeError(
                    "explain: the graph of this loss has been freed by backward(), so what its "
                    "derivatives read is gone. Call explain(loss) before loss.backward(), or "
                    "keep the graph: loss.backward(retain_graph=True)"
                ) from error
            changed = "been modified by an in-place operation"
            if changed in str(error):
                raise RuntimeError(
                    f"explain: {str(error).removeprefix('backward: ')}; for what optimizer.step() "
                    "has changed, call explain(loss) before it"
                ) from error
            raise
        finally:
            default_generator.set_state(state)
        self.values = self._keep()

    def _keep(self) -> dict[AccumulateGrad, Array]:
        """The values of the leaves as they are now: an optimizer will write over them."""
        values: dict[AccumulateGrad, Array] = {}
        copies: dict[int, Array] = {}
        owners = set()
        for leaf in self.leaves:
            tensor = leaf.tensor()
            if tensor is not None:
                copies[id(tensor.array)] = values[leaf] = tensor.array.copy()
                owners.add(id(memory_owner(tensor.array)))
        for node, saved in self.saved.items():
            if any(id(memory_owner(value)) in owners for value in saved):
                self.saved[node] = tuple(
                    copies.get(id(value), copy_of(value))
                    if id(memory_owner(value)) in owners
                    else value
                    for value in saved
                )
        return values

    def visit(self, node: Edge, g: Any) -> None:
        """Note what has arrived at a node."""
        if type(node) is Output:
            return
        self.arrived[node] = g if isinstance(g, dict) else np.asarray(g)
        extras = extras_of(node) if marked else None
        if extras is not None and (extras.on_gradient or extras.before or extras.after):
            self.hooked.append(node)
        if type(node) is AccumulateGrad:
            self.leaves.append(node)
        else:
            self.order.append(node)

    def note_sent(self, node: Node, gradients: tuple[Any, ...]) -> None:
        """Note what an operation sends back."""
        for position, (edge, g) in enumerate(zip(node.edges, gradients)):
            if not edge or g is None:
                continue
            target = edge.node if type(edge) is Output else edge
            array = Cotangents({edge.index: g}) if type(edge) is Output else np.asarray(g)
            self.sent.setdefault(target, []).append(Sent(node, position, array))


class _Look(engine.Watch):
    """Shows every step of the engine to a ``Pass``; in place of hooks and accumulation."""

    def __init__(self, seen: Pass, roots: dict[Edge, Any]) -> None:
        super().__init__(roots, None, True, False)
        self.early = []
        self.seen = seen

    def visit(self, node: Edge, g: Any) -> tuple[Any, Any]:
        self.seen.visit(node, g)
        if type(node) is AccumulateGrad:
            return g, None
        saved, seq = self._saved(node, extras_of(node) if marked else None)
        engine._check_writes(node, saved, seq)
        step = node
        if saved is not node.saved:
            step = node.copy()
            step.saved = saved
        self.seen.saved[node] = saved
        self.seen.derivatives[node] = step
        return g, _Shown(self.seen, node, step)


class _Shown:
    """A derivative whose results are noted."""

    __slots__ = ("node", "seen", "step")

    def __init__(self, seen: Pass, node: Node, step: Node) -> None:
        self.seen = seen
        self.node = node
        self.step = step

    def backward(self, g: Any) -> tuple[Any, ...]:
        """The gradients of the inputs, as ``Node.backward`` gives them."""
        gradients = self.step.backward(g)
        if type(self.node) is not Output:
            self.seen.note_sent(self.node, gradients)
        return gradients


def _refuse_captured(loss: Tensor) -> None:
    """Raise for what a captured step has returned: it has the numbers, but no graph."""
    if loss._node or getattr(loss._node, "origin", None) is None:
        return
    from nnlite.capture.code import CAPTURED

    if cast(NoGraph, loss._node).origin is CAPTURED:
        raise RuntimeError(
            "explain: this loss comes from a captured step (nnlite.compile), which replays numbers "
            "and builds no graph. Call the plain forward pass and its loss, without backward(); "
            "the plain function of a captured one is its __wrapped__: "
            "loss = step.__wrapped__(x, y)"
        )


def copy_of(value: Any) -> Any:
    """A copy of a gradient or of a saved value: an array, or a dictionary of arrays."""
    if isinstance(value, Cotangents):
        same = Cotangents((index, g.copy()) for index, g in value.items())
        same.count = getattr(value, "count", len(value))
        return same
    return value.copy() if isinstance(value, np.ndarray) else value
