"""A trace: every NumPy call that a model makes for one input, in order.

The model runs as it is, in evaluation mode, on `Traced` arrays, which compute and note down what
was computed. Nothing but array calls is seen: the branches that Python takes are those of the
example, so a branch that depends on the values of the input is refused, or, where it is a check
within nnlite, noted down as a condition for the result to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.export.errors import ExportError
from nnlite.nn.module import Module
from nnlite.ops.random import default_generator
from nnlite.tensor import Tensor, wrap
from nnlite.tracing.array import Traced
from nnlite.tracing.calls import TraceError, refs, walk
from nnlite.tracing.recording import Recording

__all__ = ["Trace", "copied_state", "evaluating", "run"]


class ExportTraced(Traced):
    """A traced array for exports."""

    # With it, operators that have a choice do not write into memory: ``sequence.room``.
    is_traced = True


@dataclass
class Trace(Recording):
    """What one run of a model noted down.

    Attributes:
        modules: dotted name → how the module prints in one line.
        shapes: the shape of each value, with `batch.Size` in it where it depends on the batch.
    """

    modules: dict[str, str] = field(default_factory=dict)
    shapes: list[tuple[Any, ...]] = field(default_factory=list)

    traced: ClassVar[type[Traced]] = ExportTraced
    error: ClassVar[type[TraceError]] = ExportError
    label: ClassVar[str] = "export"
    cure: ClassVar[str] = (
        "compute with tensors instead (nnlite.where, masks), or export the parts before and "
        "behind it"
    )


# ---- running a model ----------------------------------------------------------------------------


def run(
    model: Module,
    inputs: Sequence[np.ndarray[Any, Any]],
    during: Callable[[Trace], AbstractContextManager[None]] | None = None,
) -> Trace:
    """Run a model in evaluation mode on the inputs, and note down what it computes.

    The model is afterwards as it was: its mode, its parameters, its random state.

    Args:
        during: a context in which it runs.

    Raises:
        ExportError: it does something that cannot be exported.
    """
    trace = Trace()
    before = default_generator.get_state()
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(_traced_state(model, trace))
        stack.enter_context(_named_calls(model, trace))
        stack.enter_context(no_grad())
        if during is not None:
            stack.enter_context(during(trace))
        given = [trace.add(array.copy()) for array in inputs]
        trace.inputs = [value.id for value in given]
        trace.varying.update(trace.inputs)
        result = _called(model, given)
    random = default_generator.get_state()
    if repr(random) != repr(before):
        default_generator.set_state(before)
        raise ExportError(
            "export: the model draws random numbers in evaluation mode, which would be fixed to "
            "those of the example; draw them only while self.training, or pass them as an input"
        )
    trace.outputs = walk(_plain(result), lambda part: _output(trace, part))
    if not refs(trace.outputs):
        raise ExportError("export: the model returns no tensor; return what is to be predicted")
    return trace


def _called(model: Module, given: Sequence[Traced]) -> Any:
    try:
        return model(*(wrap(value) for value in given))
    except ValueError as error:
        if "__array__" not in str(error):
            raise
        raise ExportError(
            f"export: the model makes a NumPy array of a tensor ({error}), where calls are no "
            "longer seen; use nnlite's functions on tensors"
        ) from error


def _plain(value: Any) -> Any:
    """Named tuples and other mappings as tuples and dicts."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, list):
        return list(map(_plain, value))
    if hasattr(value, "items"):
        return {name: _plain(part) for name, part in value.items()}
    return value


def _output(trace: Trace, part: Any) -> Any:
    if isinstance(part, Tensor):
        return trace.ref(part.array)
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    raise ExportError(
        f"export: the model returns a {type(part).__name__}; return tensors, in tuples, lists or "
        "dicts"
    )


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """While it lasts, the model is in evaluation mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _traced_state(model: Module, trace: Trace) -> Iterator[None]:
    """Parameters and buffers as traced arrays."""
    with copied_state(model) as held:
        for name, tensor in held.items():
            tensor.array = trace.add(tensor.array, name)  # type: ignore[assignment]
        yield


@contextmanager
def copied_state(model: Module) -> Iterator[dict[str, Tensor]]:
    """While it lasts, parameters and buffers hold copies, so that nothing can change them."""
    held: dict[str, Tensor] = dict(model.named_parameters())
    held.update(model.named_buffers())
    arrays = [(tensor, tensor.array) for tensor in held.values()]
    try:
        for tensor in held.values():
            tensor.array = tensor.array.copy()
        yield held
    finally:
        for tensor, array in arrays:
            tensor.array = array


@contextmanager
def _named_calls(model: Module, trace: Trace) -> Iterator[None]:
    """Let the trace know whose forward is running."""
    handles = []
    for name, module in model.named_modules():
        trace.modules[name] = _one_line(module)

        def enter(module: Module, args: Any, name: str = name) -> None:
            trace._stack.append(name)

        def leave(module: Module, args: Any, result: Any) -> None:
            trace._stack.pop()

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _one_line(module: Module) -> str:
    detail = module.extra_repr()
    return f"{type(module).__name__}({detail})" if "\n" not in detail else type(module).__name__
