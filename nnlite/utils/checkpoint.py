"""Checkpoints: give up what the derivatives of a part will read, and compute it again when needed.

A part that runs under ``checkpoint`` builds its graph as usual. Then what its nodes have saved is
dropped, and the first node that needs it again has the part run once more: memory for time. The
graph stays the same one, so hooks, ``grad``, higher derivatives and the order in which gradients
are added up are what they are without a checkpoint, and the gradients the same bytes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nnlite.autograd.hooks import need_extras
from nnlite.autograd.modes import enable_grad, is_grad_enabled
from nnlite.autograd.mutation import Write, log
from nnlite.autograd.node import Edge, Node, next_seq
from nnlite.ops.random import default_generator
from nnlite.tensor import AccumulateGrad, Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]

Operation = tuple[Any, ...]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    determinism_check: str = "default",
    **kwargs: Any,
) -> Any:
    """Run ``function`` without keeping what its derivatives read; it is run again in backward.

    Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174.

    Args:
        function: a module, or a function of tensors; it must compute the same again. It may be
            nested, and use what it finds around it. What it writes into buffers (the running
            statistics of a batch norm) is written once, as without a checkpoint.
        args, kwargs: its arguments.
        use_reentrant: accepted as torch has it; the result is that of ``False``.
        preserve_rng_state: give the default generator the same state again, so that dropout drops
            the same elements; needless where nothing is random.
        determinism_check: "default": raise when something else is computed the second time; "none".

    Returns:
        What ``function`` returns.

    Raises:
        RuntimeError: when ``function`` changes an argument in place; in backward, when it computes
            something else than before, or what it reads has been overwritten since.

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.utils.checkpoint import checkpoint
    >>> block = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    >>> x = nnlite.ones(2, 4, requires_grad=True)
    >>> checkpoint(block, x).sum().backward()
    >>> x.grad.shape
    nnlite.Size([2, 4])
    """
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f'checkpoint: determinism_check must be "default" or "none", got {determinism_check!r}'
        )
    if not is_grad_enabled():
        return function(*args, **kwargs)
    state = default_generator.get_state() if preserve_rng_state else None
    part = Part(function, args, kwargs, state, determinism_check == "default")
    started = next_seq()
    result = function(*args, **kwargs)
    part.take(started, result)
    return result


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Run functions one after the other, in ``segments`` parts with a checkpoint each.

    The last part has none: it would be run again at once.

    Args:
        functions: an ``nn.Sequential``, or a list of modules or functions of one argument.
        segments: into how many parts to divide them; their square root is a good number.
        input: the argument of the first.
        use_reentrant: as for ``checkpoint``.
        kwargs: ``preserve_rng_state`` and ``determinism_check``, as for ``checkpoint``.

    Raises:
        ValueError: when there are fewer functions than segments.

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.utils.checkpoint import checkpoint_sequential
    >>> model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(9)])
    >>> checkpoint_sequential(model, 3, nnlite.ones(2, 4)).shape
    nnlite.Size([2, 4])
    """
    unknown = set(kwargs) - {"preserve_rng_state", "determinism_check"}
    if unknown:
        raise ValueError(f"checkpoint_sequential: unexpected arguments {sorted(unknown)}")
    parts = list(functions)
    if not 1 <= segments <= len(parts):
        raise ValueError(
            f"checkpoint_sequential: segments must be from 1 to the {len(parts)} functions, "
            f"got {segments}"
        )
    size = len(parts) // segments
    first_of_last = size * (segments - 1)
    for start in range(0, first_of_last, size):
        input = checkpoint(_chain(parts[start : start + size]), input, **kwargs)
    return _chain(parts[first_of_last:])(input)


def _chain(functions: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run


class Part:
    """One call of a function under a checkpoint: all that is needed to run it again.

    Attributes:
        nodes: the nodes that gave up what they had saved, with the shapes and dtypes of that.
        leaves: the leaves that it uses.
        buffers: the memory that it wrote into and that was there before.
        seq: the number of the last node made before it.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        random_state: dict[str, Any] | None,
        check: bool,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.random_state = random_state
        self.check = check
        self.nodes: list[tuple[weakref.ref[Node], Operation]] = []
        self.leaves: set[AccumulateGrad] = set()
        self.buffers: list[Write] = []
        self.seq = 0

    def take(self, started: int, result: Any) -> None:
        """Take what the nodes of the graph of ``result`` have saved away from them."""
        self._refuse_written(started, "the function changes it in place")
        self.buffers = [w for w in log.writes.values() if w.seq > started]
        for node in _made_since(started, result):
            self.nodes.append((weakref.ref(node), _operation(node)))
            self.leaves.update(e for e in node.edges if type(e) is AccumulateGrad)
            if node.saved is None or node.saved:
                need_extras(node).replay = self
                node.saved = None
        self.seq = next_seq()

    def run(self) -> dict[Node, Node]:
        """Run the function again; returns the new node of each node of before."""
        self._refuse_written(self.seq, "it was changed in place between forward and backward")
        buffers = [(write, owner) for write in self.buffers if (owner := write.owner()) is not None]
        before = [(owner.copy(), w.count, w.seq, w.what) for w, owner in buffers]
        state = default_generator.get_state()
        started = next_seq()
        try:
            if self.random_state is not None:
                default_generator.set_state(self.random_state)
            with enable_grad():
                result = self.function(*self.args, **self.kwargs)
        finally:
            if self.random_state is not None:
                default_generator.set_state(state)
            for (write, owner), entry in zip(buffers, before):
                owner[...], write.count, write.seq, write.what = entry
        return self._matched(_made_since(started, result), started)

    def _refuse_written(self, since: int, why: str) -> None:
        """Refuse when an argument or a leaf that the function reads has been written to."""
        tensors = [*_tensors((self.args, self.kwargs)), *(leaf.tensor() for leaf in self.leaves)]
        for tensor in tensors:
            write = None if tensor is None else log.after(since, tensor.array)
            if tensor is not None and write is not None:
                raise RuntimeError(
                    f"checkpoint: a tensor of shape {list(tensor.shape)} that the function reads "
                    f"must stay as it is until backward has run the function again, but {why}: "
                    f"{write.what}. Change a clone(), or make the change after backward()"
                )

    def _matched(self, again: list[Node], started: int) -> dict[Node, Node]:
        found = [_operation(node) for node in again]
        expected = [operation for _, operation in self.nodes]
        if (found if self.check else [name for name, *_ in found]) != (
            expected if self.check else [name for name, *_ in expected]
        ):
            pairs = zip([*expected, ("nothing",)], [*found, ("nothing",)])
            first, second = next(pair for pair in pairs if pair[0] != pair[1])
            raise RuntimeError(
                "checkpoint: the function computed something else when it was run again in "
                f"backward: {_described(second)} instead of {_described(first)}. It must not "
                "depend on what changes between forward and backward; random numbers must come "
                "from the default generator (with preserve_rng_state=True)"
            )
        matched = {}
        for (reference, _), new in zip(self.nodes, again):
            old = reference()
            if old is None:
                continue
            matched[old] = new
            for value in new.saved or ():
                write = log.after(old.seq, value) if hasattr(value, "dtype") else None
                if write is not None and write.seq < started:
                    raise RuntimeError(
                        f"checkpoint: {old.name()} needs a value of shape {list(value.shape)} as "
                        "it was in the forward pass, but it has been modified by an in-place "
                        f"operation since: {write.what}"
                    )
        return matched


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def _made_since(started: int, result: Any) -> list[Node]:
    """The nodes below ``result`` that were made after the number ``started``, in order."""
    seen: set[Edge] = set()
    stack: list[Edge] = [tensor._node for tensor in _tensors(result)]
    while stack:
        edge = stack.pop()
        if edge and edge.seq > started and edge not in seen:
            seen.add(edge)
            stack.extend(edge.edges)
    return sorted(seen, key=lambda node: node.seq)


def _operation(node: Node) -> Operation:
    """The name of the operation, and the shape and dtype of each array that it has saved."""
    return node.name(), *((x.shape, x.dtype) for x in node.saved or () if hasattr(x, "dtype"))


def _described(operation: Operation) -> str:
    name, *saved = operation
    return f"{name} ({', '.join(f'{list(shape)} {dtype}' for shape, dtype in saved)})"
