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
from typing import Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.export.array import Traced, bare, caller
from nnlite.export.calls import Call, ExportError, Ref, refs, walk
from nnlite.nn.module import Module
from nnlite.ops.random import default_generator
from nnlite.tensor import Tensor, wrap

__all__ = ["Trace", "copied_state", "evaluating", "run"]


@dataclass
class Trace:
    """What one run of a model noted down.

    Attributes:
        calls: in order.
        arrays: the value of each `Ref`, as it was in the end.
        roots: for each value the first one in the same memory.
        names: of the constants: dotted names of parameters and buffers, or "" for other arrays.
        inputs: the values that stand for the inputs.
        outputs: what the model returned, nested as it was, with a `Ref` in place of each tensor.
        varying: the values (first ones in their memory) that depend on the inputs.
        modules: dotted name → how the module prints in one line.
        shapes: the shape of each value, with `batch.Size` in it where it depends on the batch.
    """

    calls: list[Call] = field(default_factory=list)
    arrays: list[np.ndarray[Any, Any]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: Any = None
    varying: set[int] = field(default_factory=set)
    modules: dict[str, str] = field(default_factory=dict)
    shapes: list[tuple[Any, ...]] = field(default_factory=list)
    _memory: dict[int, int] = field(default_factory=dict)
    _constants: dict[int, int] = field(default_factory=dict)
    _stack: list[str] = field(default_factory=list)

    # ---- values ----

    def add(self, array: np.ndarray[Any, Any], name: str | None = None) -> Traced:
        """A new value; with a name, a constant."""
        number = len(self.arrays)
        owner: Any = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        self.arrays.append(array)
        self.roots.append(self._memory.setdefault(id(owner), number))
        if name is not None:
            self.names[number] = name
        return Traced(array, self, number)

    def ref(self, value: Any) -> Ref:
        """The `Ref` of a traced array, or of a plain one, which becomes a constant."""
        if isinstance(value, Traced):
            return Ref(value.id)
        if id(value) not in self._constants:
            self._constants[id(value)] = self.add(value, "").id
        return Ref(self._constants[id(value)])

    def depends(self, number: int) -> bool:
        """Whether a value depends on the inputs."""
        return self.roots[number] in self.varying

    # ---- calls ----

    def call(
        self,
        kind: str,
        name: str,
        target: Any,
        function: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        written: Sequence[Any] = (),
    ) -> Any:
        """Compute ``function(*args, **kwargs)`` on plain arrays and note it down."""
        result = function(*bare(args), **bare(kwargs))
        noted = walk((tuple(args), kwargs), self._noted)
        made: list[int] = []
        dressed = self._dressed(result, written, made)
        call = Call(
            kind, name, target, noted[0], noted[1], tuple(made),
            tuple(self.ref(array).id for array in written), self._stack[-1] if self._stack else "",
        )  # fmt: skip
        self.calls.append(call)
        if any(self.depends(ref.id) for ref in refs((noted[0], noted[1]))):
            self.varying.update(self.roots[number] for number in (*call.results, *call.writes))
        return dressed

    def _noted(self, value: Any) -> Any:
        return self.ref(value) if isinstance(value, (Traced, np.ndarray)) else value

    def _dressed(self, result: Any, written: Sequence[Any], made: list[int]) -> Any:
        if isinstance(result, (tuple, list)):
            return type(result)(self._dressed(part, written, made) for part in result)
        for array in written:
            if result is bare(array):
                return array
        if isinstance(result, (np.ndarray, np.generic)):
            value = self.add(np.asarray(result))
            made.append(value.id)
            return value
        return result

    def look(self, value: Traced, convert: Callable[[Any], Any], what: str) -> Any:
        """Python wants to know a value, by what is called so."""
        result = convert(value._array)
        if not self.depends(value.id):
            return result
        where, ours = caller()
        if convert is bool and ours:
            module = self._stack[-1] if self._stack else ""
            expected = {"expected": result}
            self.calls.append(Call("bool", where, bool, (Ref(value.id),), expected, (), (), module))
            return result
        raise ExportError(
            f"export: {where} asks for the value of an array that depends on the input "
            f"({what}), and what follows from it would be fixed to the example: "
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
