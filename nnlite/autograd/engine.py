"""Back-propagation: the chain rule over the recorded graph, without recursion.

For a node that computed y from inputs x₁ … xₙ and for a scalar L computed from y,

    ∂L/∂xᵢ = Σⱼ (∂L/∂yⱼ) (∂yⱼ/∂xᵢ),

and where a value was used several times its gradient is the sum over the uses. ``Node.backward``
is that sum for one operation; the engine visits the nodes from the last made to the first and adds
up what arrives at each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush, heappushpop
from operator import attrgetter
from typing import Any, cast

import numpy as np

from nnlite.autograd import hooks
from nnlite.autograd.hooks import Extras, extras_of, marked
from nnlite.autograd.hooks import RemovableHandle as RemovableHandle
from nnlite.autograd.hooks import register_hook as register_hook
from nnlite.autograd.hooks import (
    register_post_accumulate_grad_hook as register_post_accumulate_grad_hook,
)
from nnlite.autograd.modes import GradMode
from nnlite.autograd.mutation import DataView, log, note_write
from nnlite.autograd.node import Edge, Node
from nnlite.tensor import AccumulateGrad, NoGraph, Tensor, ndarray, wrap

__all__ = ["backward", "grad"]

# In place of the gradient of a leaf that has been accumulated before the end of the pass.
DONE = object()


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Accumulate into ``leaf.grad`` the gradients of the sum of ``tensors``.

    Args:
        tensors: what to differentiate (torch: ``tensors``), usually one scalar loss.
        grad_tensors: for each of them the vector v of the vector-Jacobian product vᵀ J, of the
            tensor's shape; may be left out for scalars (v = 1).
        retain_graph: keep what the derivatives read, for another backward through the same graph.
            Default: the value of ``create_graph``.
        create_graph: record the backward pass too, for higher derivatives.
        inputs: accumulate into these tensors only; default: into all leaves.

    Raises:
        RuntimeError: when a tensor needs no gradient (naming the cause), has more than one element
            and no vector, when the graph has been freed, or when a value that a derivative reads
            has been overwritten in place.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    >>> nnlite.autograd.backward((w * w).sum())
    >>> w.grad
    tensor([2., 4.])
    """
    roots = _roots("backward", tensors, grad_tensors, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        _run(roots, retain, create_graph)
        return
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not wanted:
        raise RuntimeError("backward: inputs is empty; leave it out to reach all leaves")
    found = _run(roots, retain, create_graph, [_target("backward", t) for t in wanted])
    for tensor in wanted:
        g = found.get(cast(Edge, tensor._node))
        if g is not None:
            if tensor._leaf is None:
                tensor._leaf = AccumulateGrad(tensor)
            _deliver(tensor._leaf, g, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``; ``.grad`` stays as it is.

    Only what lies between ``outputs`` and ``inputs`` is computed.

    Args:
        outputs: what to differentiate.
        inputs: with respect to what; leaves or intermediate results.
        grad_outputs: the vectors of the vector-Jacobian product, as for ``backward``.
        retain_graph: keep the graph for another pass; default: the value of ``create_graph``.
        create_graph: record the computation of the gradients, so that they can be differentiated.
        only_inputs: without effect, as in torch.
        allow_unused: None for an input that the outputs do not depend on, instead of an error.
        materialize_grads: zeros instead of None there.

    Returns:
        One gradient for each input, of its shape and dtype.

    >>> import nnlite
    >>> x = nnlite.tensor(3.0, requires_grad=True)
    >>> (dx,) = nnlite.autograd.grad(x**3, x, create_graph=True)
    >>> dx, nnlite.autograd.grad(dx, x)[0]
    (tensor(27., grad_fn=<MulBackward0>), tensor(18.))
    """
    roots = _roots("grad", outputs, grad_outputs, create_graph)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    targets = [_target("grad", tensor) for tensor in wanted]
    retain = create_graph if retain_graph is None else retain_graph
    found = _run(roots, retain, create_graph, targets)
    results: list[Tensor | None] = []
    for position, (tensor, target) in enumerate(zip(wanted, targets)):
        g = found.get(target)
        if g is None and materialize_grads:
            g = np.zeros_like(tensor.array)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: input {position} was not used to compute the outputs; give "
                "allow_unused=True to get None for it, or materialize_grads=True to get zeros"
            )
        results.append(g if g is None or isinstance(g, Tensor) else wrap(g))
    return tuple(results)


def _run(
    roots: dict[Edge, Any],
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Edge] | None = None,
) -> dict[Edge, Any]:
    """Propagate gradients from ``roots``; return those that arrive at ``targets``.

    Without targets the gradients of the leaves are accumulated into ``leaf.grad``.
    """
    if targets is None and not create_graph and not marked:
        _propagate(roots, retain_graph, None)
        return {}
    watch = Watch(roots, targets, retain_graph, create_graph)
    with GradMode(create_graph):
        try:
            _propagate(roots, retain_graph, watch)
        except Exception as error:
            if hooks.inspector is not None:
                hooks.inspector.explain(error, watch.visited)
            raise
    return watch.found


def _propagate(pending: dict[Edge, Any], retain_graph: bool, watch: Watch | None) -> None:
    """Visit the nodes from the last made to the first, then the leaves.

    Args:
        pending: the gradients that have arrived so far, by node.
        watch: what else this pass has to do at each node; None for an ordinary pass.
    """
    leaves = [node for node in pending if type(node) is AccumulateGrad]
    queue = [(-node.seq, node) for node in pending if type(node) is not AccumulateGrad]
    heapify(queue)
    # Leaves whose gradient was handed on as it came, and edges whose gradient was summed up here:
    # the first is known to somebody else, into the second more can be added in place.
    shared: set[Edge] = set(pending)
    summed: set[Edge] = set()
    arrived, take = pending.get, pending.pop
    # Nodes made before this are checked; all of them when a view may have an outdated history.
    last_write = math.inf if len(log.rebased) or log.joined else log.last
    following: Edge = None  # one that waits beside the queue: mostly there is no other
    while queue or following:
        if not queue:
            node = following
        elif following is None:
            node = heappop(queue)[1]
        else:
            node = heappushpop(queue, (-following.seq, following))[1]
        following = None
        g = take(node)
        saved = node.saved
        if watch is None:
            step = node
            if saved is None:
                raise _freed(node)
            if node.seq < last_write:
                _check_writes(node, saved, node.seq)
        else:
            g, step = watch.visit(node, g)
            if step is None:
                continue
        gradients = step.backward(g)
        if saved and not retain_graph:
            node.saved = None
        for edge, r in zip(node.edges, gradients):
            if not edge or r is None:
                continue
            before = arrived(edge)
            if before is None:
                pending[edge] = r
                if type(edge) is AccumulateGrad:
                    leaves.append(edge)
                    if r is g:
                        shared.add(edge)
                elif following is None:
                    following = edge
                else:
                    heappush(queue, (-edge.seq, edge))
            elif edge in summed:
                before += r
            else:
                pending[edge] = total = before + r
                shared.discard(edge)
                if watch is None and type(total) is ndarray:
                    summed.add(edge)
    for leaf in leaves:
        g = take(leaf)
        if watch is not None:
            watch.visit(leaf, g)
        elif leaf.frozen:
            continue
        elif leaf.grad is not None or leaf in shared or getattr(g, "base", g) is not None:
            _accumulate(leaf, g)
        else:
            leaf.grad = wrap(g)  # nobody else knows this array


class Watch:
    """What a pass does beyond propagating: hooks, targets, its own recording, anomalies."""

    def __init__(
        self,
        pending: dict[Edge, Any],
        targets: Sequence[Edge] | None,
        retain_graph: bool,
        create_graph: bool,
    ) -> None:
        self.pending = pending
        self.targets = set(targets or ())
        self.leads = None if targets is None else _leading_to(pending, targets)
        self.retain_graph = retain_graph
        self.create_graph = create_graph
        self.found: dict[Edge, Any] = {}
        self.visited: Edge = None
        # Leaves with hooks and the last node that adds to each, in reverse order.
        self.early = _last_uses(pending) if targets is None and marked else []
        # What utils.checkpoint has computed again for this pass.
        self.replayed: dict[Any, dict[Node, Node]] = {}

    def visit(self, node: Edge, g: Any) -> tuple[Any, Any]:
        """The gradient that goes on from ``node``, and the node to run (None: nothing to run)."""
        if g is DONE or (self.leads is not None and node not in self.leads):
            return g, None
        self.visited = node
        while self.early and self.early[-1][0] > node.seq:
            leaf = self.early.pop()[1]
            if leaf in self.pending:
                self.visit(leaf, self.pending[leaf])
                self.pending[leaf] = DONE
        extras = extras_of(node) if marked else None
        if extras is not None:
            g = hooks.call_on_gradient(extras, g, self.create_graph)
        if node in self.targets:
            # Once found it belongs to the caller: nothing here may change it.
            self.found[node] = g if self.create_graph else g.copy()
        if type(node) is AccumulateGrad:
            if self.leads is None and not node.frozen:
                _deliver(node, g, self.create_graph)
            return g, None
        saved, seq = self._saved(node, extras)
        if seq < log.last or len(log.rebased) or log.joined:
            _check_writes(node, saved, seq)
        step: Any = node
        if saved is not node.saved or self.leads is not None or self.create_graph:
            step = _for_one_pass(node, saved, self.leads, self.create_graph)
            if not any(step.edges):
                return g, None
        if extras is not None:
            g = hooks.call_before(extras, g, self.create_graph)
            if g is None:
                return g, None
        if hooks.inspector is not None or (extras is not None and extras.after):
            step = Inspected(step, node, extras, self.create_graph)
        return g, step

    def _saved(self, node: Node, extras: Extras | None) -> tuple[tuple[Any, ...], int]:
        """What the derivative reads, computed again where a checkpoint has dropped it, and since
        when it must not have been written to."""
        if node.saved is not None:
            return node.saved, node.seq
        if extras is None or extras.replay is None:
            raise _freed(node)
        replay = extras.replay
        if replay not in self.replayed:
            self.replayed[replay] = replay.run()
        again = self.replayed[replay].pop(node)
        if not self.retain_graph:
            extras.replay = None
        # What is computed again may itself have been dropped, by a checkpoint inside.
        return self._saved(again, extras_of(again))


class Inspected:
    """A step whose result is looked at: by anomaly detection, and by the node's hooks."""

    __slots__ = ("create_graph", "extras", "node", "step")

    def __init__(self, step: Node, node: Node, extras: Extras | None, create_graph: bool) -> None:
        self.step = step
        self.node = node
        self.extras = extras
        self.create_graph = create_graph

    def backward(self, g: Any) -> tuple[Any, ...]:
        """The gradients of the inputs, as ``Node.backward`` gives them."""
        if hooks.inspector is None:
            gradients = self.step.backward(g)
        else:
            gradients = hooks.inspector.backward(self.node, self.step, g)
        if self.extras is not None and self.extras.after:
            gradients = hooks.call_after(
                self.extras, self.step.edges, g, gradients, self.create_graph
            )
        return gradients


def _check_writes(node: Node, saved: tuple[Any, ...], seq: int) -> None:
    """Refuse when what ``node`` reads, or the base of a view that it used, was written to since."""
    _check_saved(node, saved, seq)
    for edge in node.edges:
        if edge and edge.is_view:
            _check_view(edge, seq)
        elif type(edge) is DataView:
            edge.check(seq)


def _reachable(roots: Iterable[Edge]) -> list[Edge]:
    """``roots`` and all nodes and leaves below them, in the order of their making."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for edge in stack.pop().edges:
            if edge and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=attrgetter("seq"))


def _last_uses(roots: Iterable[Edge]) -> list[tuple[int, AccumulateGrad]]:
    """The leaves that have hooks, each with the number of the first node that uses it.

    After that node has run, the leaf's gradient is complete. In the order of these numbers.
    """
    uses: dict[AccumulateGrad, int] = {}
    for node in _reachable(roots):
        for edge in reversed(node.edges):
            if type(edge) is AccumulateGrad and id(edge) in marked:
                uses.setdefault(edge, node.seq)
    return [(seq, leaf) for leaf, seq in uses.items()]


def _leading_to(roots: Iterable[Edge], targets: Sequence[Edge]) -> set[Edge]:
    """The targets and the nodes below ``roots`` from which a gradient can reach one."""
    leads = set(targets)
    for node in _reachable(roots):
        if any(edge in leads for edge in node.edges if edge):
            leads.add(node)
    return leads


def _for_one_pass(
    node: Node, saved: tuple[Any, ...], leads: set[Edge] | None, create_graph: bool
) -> Node:
    """A copy of ``node`` with the edges that lead to no target switched off, and for
    ``create_graph`` with its saved values as tensors again, at their places in the graph."""
    step = node.copy()
    step.saved = node.lifted(saved) if create_graph else saved
    if leads is not None:
        step.edges = tuple(edge if edge and edge in leads else None for edge in node.edges)
    return step


def _deliver(leaf: AccumulateGrad, g: Any, create_graph: bool) -> None:
    """Add ``g`` to the leaf's gradient, with the leaf's hooks."""
    extras = extras_of(leaf)
    if extras is None:
        _accumulate(leaf, g)
        return
    g = hooks.call_before(extras, g, create_graph)
    if g is None:
        return
    _accumulate(leaf, g)
    hooks.call_on_accumulated(extras, leaf)
    hooks.call_after(extras, (), g, (), create_graph)


def _accumulate(leaf: AccumulateGrad, g: Any) -> None:
    """Add ``g`` to the leaf's gradient."""
    if isinstance(g, Tensor):  # create_graph
        leaf.grad = cast(Any, g).clone() if leaf.grad is None else cast(Any, leaf.grad) + g
    elif leaf.grad is None:
        leaf.grad = wrap(g.copy())
    elif leaf.grad._node:
        leaf.grad = cast(Any, leaf.grad) + wrap(g)
    else:
        array = leaf.grad.array
        array += g
        note_write(array, "the accumulation of a gradient")


def _roots(
    function: str,
    tensors: Tensor | Sequence[Tensor],
    vectors: Tensor | Sequence[Tensor | None] | None,
    create_graph: bool,
) -> dict[Edge, Any]:
    """The nodes where the pass starts, each with the gradient that it starts with."""
    if vectors is None and isinstance(tensors, Tensor) and not create_graph:
        root, loss = tensors._node, tensors.array
        if isinstance(root, Node) and not root.is_view and type(loss) is ndarray and not loss.ndim:
            return {root: loss.dtype.type(1)}  # the usual case, a scalar loss, without the checks
    outputs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if vectors is None or isinstance(vectors, Tensor):
        starts: list[Tensor | None] = [vectors] if len(outputs) == 1 else [None] * len(outputs)
    elif not isinstance(vectors, (list, tuple)):
        raise TypeError(f"{function}: gradient must be a Tensor, got {type(vectors).__name__}")
    else:
        starts = list(vectors)
    if len(starts) != len(outputs) or (isinstance(vectors, Tensor) and len(outputs) != 1):
        raise RuntimeError(
            f"{function}: {len(outputs)} tensors need as many gradient vectors, got {len(starts)}"
        )
    roots: dict[Edge, Any] = {}
    for tensor, start in zip(outputs, starts):
        node: Edge = tensor._node
        if not node:
            raise RuntimeError(_no_graph(function, tensor))
        array = tensor.array
        g: Any
        if start is None:
            if array.size != 1:
                raise RuntimeError(
                    f"{function}: a gradient can be created implicitly only for a scalar, this "
                    f"tensor has shape {list(array.shape)}; reduce it first (loss.mean(), "
                    "loss.sum()) or give the vector of the vector-Jacobian product: "
                    "backward(gradient=v) with v of that shape"
                )
            g = np.ones_like(array)
        else:
            if not isinstance(start, Tensor):
                raise TypeError(
                    f"{function}: gradient must be a Tensor, got {type(start).__name__}"
                )
            if start.array.shape != array.shape:
                raise RuntimeError(
                    f"{function}: the gradient has shape {list(start.array.shape)}, the tensor "
                    f"{list(array.shape)}; they must be equal"
                )
            g = start if create_graph else start.array.astype(array.dtype, copy=False)
        if create_graph and not isinstance(g, Tensor):
            g = wrap(g)
        if node.is_view and len(log.rebased):
            _check_view(node, log.last + 1)
        roots[node] = roots[node] + g if node in roots else g
    return roots


def _target(function: str, tensor: Tensor) -> Edge:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{function}: inputs must be tensors, got {type(tensor).__name__}")
    if not tensor._node:
        raise RuntimeError(
            f"{function}: one of the inputs does not require a gradient; call "
            "tensor.requires_grad_() before it is used"
        )
    return tensor._node


def _no_graph(function: str, tensor: Tensor) -> str:
    if isinstance(tensor._node, NoGraph) and tensor._node.origin is not None:
        cause = tensor._node.origin.cause
    else:
        cause = (
            "no tensor that it was computed from has requires_grad=True; make the ones to be "
            "trained with requires_grad=True or as nn.Parameter"
        )
    return f"{function}: the tensor does not require a gradient and has no grad_fn, because {cause}"


def _freed(node: Node) -> RuntimeError:
    return RuntimeError(
        f"backward: trying to go through the graph a second time: {node.name()} has already given "
        "up the values that it saved. Build the graph afresh (run the forward pass again) before "
        "each backward, or give retain_graph=True to the first backward if two are meant. In a "
        "loop, a tensor kept from the step before (a hidden state, a running loss) needs detach()"
    )


def _check_saved(node: Node, saved: tuple[Any, ...], seq: int) -> None:
    """Refuse when a value that the derivative reads has been overwritten since it was saved."""
    for position, value in enumerate(saved):
        if not hasattr(value, "dtype"):
            continue
        write = log.after(seq, value)
        if write is None:
            continue
        lift = node.lifts[position]
        which = "its output" if lift == "y" else "a constant" if lift is None else f"input {lift}"
        raise RuntimeError(
            f"backward: {node.name()} needs {which} (shape {list(value.shape)}) as it was in the "
            f"forward pass, but it has been modified by an in-place operation since: {write.what}. "
            "Use the out-of-place form (x = x + y instead of x += y), change a clone() instead, or "
            "move the change after backward()"
        )


def _check_view(view: Node, used_at: int) -> None:
    """Refuse a view that was used after what it shows had been changed in place, recorded."""
    while view.is_view:
        edge = view.edges[0]
        write = log.rebased.get(edge) if edge else None
        if write is not None and view.seq < write.seq < used_at:
            raise RuntimeError(
                f"backward: a view ({view.name()}) was used after its base had been changed in "
                f"place by {write.what}; its gradient would miss that change. Take the view again "
                "after the change, or use the out-of-place form"
            )
        view = edge


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of a non-leaf in its ``.grad`` too; without effect on a leaf.

    >>> import nnlite
    >>> x = nnlite.ones(2, requires_grad=True)
    >>> y = x * 3
    >>> y.retain_grad()
    >>> y.sum().backward()
    >>> y.grad
    tensor([1., 1.])
    """
    if not self._node:
        raise RuntimeError("retain_grad: the tensor does not require a gradient")
    if self.is_leaf or self._leaf is not None:
        return
    kept = self._leaf = AccumulateGrad(self)

    def keep(g: Tensor) -> None:
        _accumulate(kept, g if g._node else g.array)

    hooks.add(self._node, "keep", keep)


def backward_method(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Compute the gradients of this tensor with respect to the leaves, into their ``.grad``.

    Args:
        gradient: the vector v of vᵀ J, of this tensor's shape; may be left out for a scalar.
        retain_graph: keep the graph for another backward; default: the value of create_graph.
        create_graph: record the backward pass, for higher derivatives.
        inputs: accumulate into these only.

    Raises:
        RuntimeError: as ``nnlite.autograd.backward``.

    >>> import nnlite
    >>> x = nnlite.tensor(3.0, requires_grad=True)
    >>> (x * x).backward()
    >>> x.grad
    tensor(6.)
    """
    backward(self, gradient, retain_graph, create_graph, inputs)


backward_method.__name__ = "backward"
