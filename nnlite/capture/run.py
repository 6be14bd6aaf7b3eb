"""One run of a function on traced arrays, after which everything is as it was before."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nnlite.autograd.node import Node
from nnlite.capture.guards import Guards
from nnlite.capture.kernels import noted_kernels
from nnlite.capture.memory import twin
from nnlite.capture.recording import CaptureError, Draws, StepRecording
from nnlite.capture.signature import Signature, array_of
from nnlite.tensor import AccumulateGrad, Size, Tensor, wrap
from nnlite.tracing.array import Traced
from nnlite.tracing.calls import refs, walk

__all__ = ["Given", "Kept", "record", "shadowed"]


class Kept:
    """In place of an output that is a tensor that was there before: the tensor itself."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Given:
    """In place of an output that is one of the inputs."""

    def __init__(self, number: int) -> None:
        self.number = number


def record(
    function: Callable[..., Any], signature: Signature, values: list[Any], guards: Guards
) -> StepRecording:
    """Run a function on traced arrays and note down what it computes.

    Args:
        function: the function.
        signature: of its arguments.
        values: the tensors and arrays among its arguments.
        guards: what it can read, and how that is now.

    Raises:
        CaptureError: it does something that cannot be captured.
    """
    reach = guards.reach
    trace = StepRecording()
    with ExitStack() as stack:
        for generator in reach.generators:
            stack.enter_context(_drawing(trace, generator))
        stack.enter_context(_traced_tensors(trace, reach.tensors))
        stack.enter_context(_same_state(guards))
        noted = [(item, trace.opaque) for item in (*reach.optimizers, *reach.schedulers)]
        for item, note in noted:
            stack.enter_context(shadowed(item, note))
        given = [_traced_input(trace, value) for value in values]
        args, kwargs = signature.filled(given)
        stack.enter_context(noted_kernels(trace))
        outside = _outside_randomness()
        result = function(*args, **kwargs)
        if trace.refused is not None:
            raise trace.refused
        if _outside_randomness() != outside:
            raise CaptureError(
                "not captured: it draws from the random numbers of Python or NumPy; use nnlite's, "
                "or give what was drawn as an argument"
            )
        if not _is_same_tree(signature.filled(given), (args, kwargs)):
            raise CaptureError(
                "not captured: it changes a list or a dict among its arguments; return the value "
                "and put it there outside of the function"
            )
        _refuse_containers(result)
        trace.outputs = walk(result, lambda part: _output(trace, part, given, reach.tensors))
        trace.final = trace.held_gradients()
        held = {trace.roots[ref.id] for ref in refs(trace.final)}
        if any(trace.roots[ref.id] in held for ref in refs(trace.outputs)):
            raise CaptureError("not captured: the function returns a gradient; return a clone()")
        _refuse_hidden(trace, result)
    return trace


def _is_same_tree(a: Any, b: Any) -> bool:
    """Whether nested tuples, lists and dicts have the same objects in them."""
    if type(a) is not type(b) or not isinstance(a, (tuple, list, dict)):
        return a is b
    if isinstance(a, dict):
        return list(a) == list(b) and all(_is_same_tree(a[key], b[key]) for key in a)
    return len(a) == len(b) and all(map(_is_same_tree, a, b))


def _refuse_containers(value: Any) -> None:
    """Refuse results in containers of which a replay would make plain ones."""
    if not isinstance(value, (tuple, list, dict)) or type(value) is Size:
        return
    if type(value) not in (tuple, list, dict) and not hasattr(value, "_fields"):
        raise CaptureError(
            f"not captured: the function returns a {type(value).__name__}; return tensors and "
            "plain values, in tuples, lists or dicts"
        )
    for part in value.values() if isinstance(value, dict) else value:
        _refuse_containers(part)


def _refuse_hidden(trace: StepRecording, result: Any) -> None:
    """Refuse constants that are the memory of a tensor which was not found: it may change."""
    outputs: list[Any] = []
    walk(result, outputs.append)
    suspects = trace.shared_constants()
    for holder in gc.get_referrers(*suspects) if suspects else ():
        if isinstance(holder, Tensor) and not any(holder is output for output in outputs):
            raise CaptureError(
                f"not captured: it uses a tensor of shape {list(holder.array.shape)} in a way in "
                "which it cannot be watched; give it as an argument, or name it in the function"
            )


def _traced_input(trace: StepRecording, value: Any) -> Any:
    traced = trace.add(twin(array_of(value)))
    trace.inputs.append(traced.id)
    trace.varying.add(traced.id)
    if not isinstance(value, Tensor):
        return traced
    tensor = wrap(traced)
    tensor._node = value._node
    return tensor


def _output(trace: StepRecording, part: Any, given: list[Any], tensors: dict[Tensor, str]) -> Any:
    for number, value in enumerate(given):
        if part is value:
            return Given(number)
    if isinstance(part, Tensor) and part in tensors:
        return Kept(part)
    if isinstance(part, Traced):
        raise CaptureError("not captured: the function returns a NumPy array; return tensors")
    if isinstance(part, Tensor):
        if isinstance(part._node, AccumulateGrad):
            raise CaptureError("not captured: the function returns a new leaf of a graph")
        if isinstance(part._node, Node) and not _is_used_up(part._node):
            raise CaptureError(
                "not captured: the function returns a tensor with its graph; call backward() in "
                "the function, or compute under no_grad, or return tensor.detach()"
            )
        ref = trace.ref(part.array)
        if trace.roots[ref.id] in {*trace.states, *trace.gradients, *trace.inputs}:
            raise CaptureError(
                "not captured: the function returns a view of a parameter, a gradient or an "
                "argument; return a clone() of it"
            )
        return ref
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    raise CaptureError(
        f"not captured: the function returns a {type(part).__name__}; return tensors and plain "
        "values, in tuples, lists or dicts"
    )


def _is_used_up(node: Node) -> bool:
    """Whether a backward pass has gone through the graph below a node."""
    seen: set[Any] = set()
    pending: list[Any] = [node]
    while pending:
        one = pending.pop()
        if one in seen or not isinstance(one, Node):
            continue
        seen.add(one)
        if one.saved is None:
            return True
        pending += [edge for edge in one.edges if edge]
    return False


def _outside_randomness() -> list[Any]:
    """Where the random generators of Python and NumPy are, if they have been imported."""
    states: list[Any] = []
    python, numpy = sys.modules.get("random"), sys.modules.get("numpy.random")
    if python is not None:
        states.append(python.getstate())
    if numpy is not None:
        _, key, *rest = numpy.get_state()
        states += [key.tobytes(), rest]
    return states


@contextmanager
def _drawing(trace: StepRecording, generator: Any) -> Iterator[None]:
    """The generator notes down what is drawn; afterwards it is where it was."""
    rng, seed = generator.rng, generator._seed
    state = rng.bit_generator.state
    draws = Draws(trace, generator, rng)
    generator._rng = draws
    try:
        yield
        if generator._rng is not draws:
            raise CaptureError("not captured: it seeds a random generator; seed it outside")
    finally:
        generator._rng, generator._seed = rng, seed
        rng.bit_generator.state = state


@contextmanager
def _traced_tensors(trace: StepRecording, tensors: dict[Tensor, str]) -> Iterator[None]:
    """Tensors hold traced copies of their arrays, and so do their gradients."""
    before = [(tensor, tensor.array, tensor._node, tensor._leaf, tensor.grad) for tensor in tensors]
    by_array: dict[int, Any] = {}
    try:
        for tensor, array, _, leaf, grad in before:
            if id(array) not in by_array:
                traced = by_array[id(array)] = trace.add(twin(array), tensors[tensor])
                trace.states[traced.id] = tensor
                trace.varying.add(traced.id)
            tensor.array = by_array[id(array)]
            if leaf is None:
                continue
            trace.leaves.append(tensor)
            if grad is not None:
                if grad._node:
                    raise CaptureError("not captured: a gradient has a graph of its own")
                value = trace.add(twin(grad.array), f"grad of {tensors[tensor]}")
                trace.gradients[value.id] = tensor
                trace.varying.add(value.id)
                leaf.grad = wrap(value)
        yield
        for tensor, array, node, leaf, _ in before:
            if tensor.array is not by_array[id(array)]:
                raise CaptureError(
                    f"not captured: it replaces the array of {tensors[tensor]}; write into it: "
                    "tensor.copy_(values)"
                )
            if tensor._node is not node or tensor._leaf is not leaf:
                raise CaptureError(
                    f"not captured: it changes requires_grad or the gradient's place of "
                    f"{tensors[tensor]}; do that outside of the function"
                )
    finally:
        for tensor, array, node, leaf, grad in before:
            tensor.array, tensor._node, tensor._leaf = array, node, leaf
            if leaf is not None:
                leaf.grad = grad


@contextmanager
def _same_state(guards: Guards) -> Iterator[None]:
    """Refuse what changes attributes, globals, lists; and put them back."""
    try:
        yield
        changed = guards.change_of_state()
        if changed:
            raise CaptureError(
                f"not captured: it changes {changed}, which a replay would not; return the value "
                "and keep it outside of the function"
            )
    finally:
        guards.restore()


@contextmanager
def shadowed(item: Any, note: Callable[[Any, str], None]) -> Iterator[None]:
    """While it lasts, ``item.step()`` only calls ``note(item, "step")``."""
    own = item.__dict__
    before = own.get("step")

    def step(*args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise CaptureError(
                f"not captured: step of {type(item).__name__} is called with arguments (a closure, "
                "a measure); call it outside of the function"
            )
        note(item, "step")

    step._is_watched = True  # type: ignore[attr-defined]
    own["step"] = step
    try:
        yield
    finally:
        if before is None:
            del own["step"]
        else:
            own["step"] = before
