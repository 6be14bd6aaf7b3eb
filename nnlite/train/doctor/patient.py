"""The training that is examined, as the checks see it."""

from __future__ import annotations

import math
import os
import sys
import weakref
from statistics import median
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd import hooks
from nnlite.autograd.anomaly import AnomalyError, Inspector, Site
from nnlite.autograd.hooks import RemovableHandle
from nnlite.autograd.node import Edge, Node, lookers, next_seq
from nnlite.tensor import AccumulateGrad, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nnlite.nn import Module

Array = Any  # a NumPy array or one that dispatches like it

__all__ = ["Operation", "Patient", "source"]

SAMPLE = 1 << 16  # of a larger parameter so many elements stand for all


class Operation:
    """An operation that has just been recorded.

    Attributes:
        out: its result.
        node: what it has left in the graph.
        kind: the name of its derivative, "ReluBackward0".
        edges: where its inputs came from.
        frame: the operator that was called.
    """

    __slots__ = ("edges", "frame", "kind", "node", "out")

    def __init__(self, out: Tensor, node: Node, edges: tuple[Edge, ...], frame: FrameType) -> None:
        self.out = out
        self.node = node
        self.kind = type(node).__name__
        self.edges = edges
        self.frame = frame


def source(edge: Edge) -> Edge:
    """The node that computed a value, through views of it (``squeeze``, ``reshape`` …)."""
    while isinstance(edge, Node) and edge.is_view and edge.edges:
        edge = edge.edges[0]
    return edge


class Patient:
    """A model and its optimizer, and what is known of the step that is examined.

    Args:
        model, optimizer: what is trained, and by what.
        on_operation: a method, called with each `Operation` of a step that is examined.
        on_backward: a method, called where one of its backward passes begins. Neither is kept
            alive: with the object that they belong to, the looking ends.

    Attributes:
        step: the number of the step that is examined, from 1.
        visits: how many steps have been examined, with this one.
        parameters: all parameters of the model, each once, with their names.
        loss: where the last backward pass began: the value of that tensor, None if it is unknown.
        root: a reference to its node.
        passes: backward passes in this step.
        fresh: whether the gradients had been cleared before they were added to; None: not seen.
        used: the parameters that operations of this step have used, by the id of their leaf.
        epoch_losses: the mean training losses of the Trainer's epochs.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Any,
        on_operation: Callable[[Operation], None],
        on_backward: Callable[[], None],
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.step = 0
        self.visits = 0
        self.epoch_losses: list[float] = []
        self._on_operation = weakref.WeakMethod(on_operation)
        self._on_backward = weakref.WeakMethod(on_backward)
        self._thread = get_ident()
        self._handles: list[RemovableHandle] = []
        self._begin()

    def _begin(self) -> None:
        self.parameters: list[tuple[str, Tensor]] = list(self.model.named_parameters())
        self.held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        self.loss: float | None = None
        self.root: weakref.ref[Node] | None = None
        self.passes = 0
        self.fresh: bool | None = None
        self.used: set[int] = set()
        self.seq = next_seq()
        self._pass_seq = -1
        self._module_names: dict[int, str] = {}
        self._before: dict[str, Array] = {}
        self._norms: list[tuple[str, Tensor, float]] | None = None
        self._change: float | None = None

    # ---- a visit ---------------------------------------------------------------------------------

    def open(self, step: int) -> None:
        """Begin to examine a step, right after the one before it."""
        self.step = step
        self._begin()
        self._before = {n: sample(p.array).copy() for n, p in self.trained() if p.array.ndim > 1}
        if self._look not in lookers:
            lookers.append(self._look)

    def close(self) -> None:
        """Stop looking at operations."""
        if self._look in lookers:
            lookers.remove(self._look)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def trained(self) -> list[tuple[str, Tensor]]:
        """The parameters that the optimizer updates."""
        return [(name, p) for name, p in self.parameters if p._node and id(p) in self.held]

    def gradient_norms(self) -> list[tuple[str, Tensor, float]]:
        """The trained parameters that have a gradient, each with the norm of that."""
        if self._norms is None:
            self._norms = [
                (name, p, norm(grad.array))
                for name, p in self.trained()
                if (grad := p.grad) is not None
            ]
        return self._norms

    def change(self) -> float | None:
        """How much of themselves the step has changed the weights by.

        Returns:
            The median over matrices and kernels; None where all were 0 before.
        """
        if self._change is None:
            changes = []
            for name, p, _ in self.gradient_norms():
                before, now = self._before.get(name), sample(p.array)
                if before is None or before.shape != now.shape:
                    continue
                size = norm(before)
                if size:
                    changes.append(norm(now - before) / size)
            self._change = median(changes) if changes else None
        return self._change

    # ---- what an operation was -------------------------------------------------------------------

    def _look(self, out: Tensor, node_class: type[Node], edges: tuple[Edge, ...]) -> None:
        on_operation = self._on_operation()
        if on_operation is None:
            self.close()
            return
        made_by = out._node
        if not isinstance(made_by, Node) or get_ident() != self._thread:
            return
        for edge in edges:
            if type(edge) is AccumulateGrad:
                self.used.add(id(edge))
        if out.array.size == 1:
            self._await_backward(out, made_by)
        on_operation(Operation(out, made_by, edges, sys._getframe(2)))

    def _await_backward(self, out: Tensor, made_by: Node) -> None:
        """Notice when a backward pass begins at ``out``, of one element: it may be the loss."""
        tensor, root = weakref.ref(out), weakref.ref(made_by)

        def begins(gradients: Any) -> None:
            its_node = root()
            # The first node of a pass is its youngest; later ones are older.
            if its_node is None or its_node.seq <= self._pass_seq:
                return
            self._pass_seq = its_node.seq
            its_tensor = tensor()
            self.loss = None if its_tensor is None else float(its_tensor.array.item())
            self.root = root
            self.passes += 1
            self._look_at_gradients()
            on_backward = self._on_backward()
            if on_backward is not None:
                on_backward()

        self._handles.append(hooks.add(made_by, "before", begins))

    def _look_at_gradients(self) -> None:
        """Whether the gradients that this pass will add to have been cleared since the last step.

        Before a pass that finds no gradient, or zeros, they have been; a pass that adds to those of
        a pass before it changes nothing about that.
        """
        for _, p in self.trained():
            grad = p.grad
            if grad is not None and grad.array.any():
                self.fresh = bool(self.fresh)
                return
        self.fresh = True

    def layer_of(self, edge: Edge) -> str | None:
        """The name of the layer whose parameters the operation behind ``edge`` used."""
        made_by = source(edge)
        if not isinstance(made_by, Node):
            return None
        leaves = {id(e) for e in made_by.edges if type(e) is AccumulateGrad}
        for name, p in self.parameters:
            if id(p._leaf) in leaves:
                return name.rpartition(".")[0] or name
        return None

    def place(self, operation: Operation) -> str:
        """``softmax in module 'head.2'``, or ``softmax (train.py, line 12)``."""
        site = Site(type(operation.node), operation.frame)
        if not self._module_names:
            self._module_names = {id(m): name for name, m in self.model.named_modules()}
        for module in reversed(site.modules):
            name = self._module_names.get(id(module()))
            if name:
                return f"{site.operator} in module {name!r}"
        if not site.lines:
            return site.operator
        file, line, _ = site.lines[0]
        return f"{site.operator} ({os.path.basename(file)}, line {line})"

    def diagnosis(self, operation: Operation) -> str | None:
        """What anomaly detection says of an operation; None if its result is no mistake."""
        try:
            Inspector(True).forward(
                operation.out, type(operation.node), operation.edges, operation.frame
            )
        except AnomalyError as error:
            return str(error)
        return None

    def is_in_model(self, operation: Operation) -> bool:
        """Whether the operation is part of the model's forward."""
        site = Site(type(operation.node), operation.frame)
        return any(module() is self.model for module in site.modules)


def sample(array: Array) -> Array:
    """The elements of an array, or the first ones of a large one, as a view where possible."""
    return array.reshape(-1)[:SAMPLE]


def norm(array: Array) -> float:
    """The Euclidean norm of an array."""
    flat = array.reshape(-1)
    square = float(np.dot(flat, flat))
    if not math.isfinite(square):  # too large for the dtype, perhaps
        square = float(np.square(flat, dtype=np.float64).sum())
    return math.sqrt(square)
