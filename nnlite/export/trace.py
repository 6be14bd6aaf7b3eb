"""A trace: every NumPy call that a model makes for one input, in order.

The model runs as it is, in evaluation mode, on `Traced` arrays (NEP 13, NEP 18), which compute and
note down what was computed. Nothing but array calls is seen: the branches that Python takes are
those of the example, so a branch that depends on the values of the input is refused, or, where it
is a check within nnlite, noted down as a condition for the result to hold.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnlite.autograd.modes import no_grad
from nnlite.nn.module import Module
from nnlite.ops.random import default_generator
from nnlite.tensor import Tensor, wrap

__all__ = ["Call", "ExportError", "Ref", "Trace", "Traced", "run", "walk"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_HERE = os.path.dirname(os.path.abspath(__file__))
_TENSOR = os.path.join(_PACKAGE, "tensor.py")


class ExportError(RuntimeError):
    """What a model does that cannot be exported, and what to do about it."""


@dataclass(frozen=True)
class Ref:
    """A value of the trace, by its number."""

    id: int


@dataclass
class Call:
    """One call.

    Attributes:
        kind: ``"ufunc"`` (``target`` is the ufunc, ``name`` its method), ``"function"`` (``target``
            is NumPy's function), ``"method"`` (``name``), ``"getitem"``, ``"setitem"``, ``"bool"``
            (a condition: ``kwargs["expected"]``) or ``"kernel"`` (``name``: several calls that were
            noted down as one).
        args, kwargs: as given, with a `Ref` in place of every array.
        results: the values that were made; what was written into is among ``writes`` instead.
        writes: the values that were written into.
        module: the dotted name of the module whose forward made the call.
    """

    kind: str
    name: str
    target: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int, ...]
    writes: tuple[int, ...]
    module: str


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
        result = function(*_bare(args), **_bare(kwargs))
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
            if result is _bare(array):
                return array
        if isinstance(result, (np.ndarray, np.generic)):
            value = self.add(np.asarray(result))
            made.append(value.id)
            return value
        return result

    def look(self, value: Traced, convert: Callable[[Any], Any]) -> Any:
        """Python wants to know a value."""
        result = convert(value._array)
        if not self.depends(value.id):
            return result
        where, ours = _caller()
        if convert is bool and ours:
            module = self._stack[-1] if self._stack else ""
            expected = {"expected": result}
            self.calls.append(Call("bool", where, bool, (Ref(value.id),), expected, (), (), module))
            return result
        raise ExportError(
            f"export: {where} asks for the value of an array that depends on the input "
            f"({convert.__name__}), and what follows from it would be fixed to the example: "
            "compute with tensors instead (nnlite.where, masks), or export the parts before and "
            "behind it"
        )


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that notes down what is computed with it."""

    # With it, operators that have a choice do not write into memory: ``sequence.room``.
    is_traced = True

    def __init__(self, array: np.ndarray[Any, Any], trace: Trace, number: int) -> None:
        self._array = array
        self._trace = trace
        self.id = number

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if "out" in options:
            written: Any = tuple(out for out in options["out"] if out is not None)
            if not written:
                del options["out"]
            elif len(written) == 1:
                options["out"] = written[0]
        else:
            written = inputs[:1] if method == "at" else ()
        _check_written(ufunc.__name__, written)
        function = getattr(ufunc, method)
        return self._trace.call("ufunc", method, ufunc, function, inputs, options, written)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        name = function.__name__
        if name in _OF_VALUES:
            raise ExportError(
                f"export: the shape of the result of numpy.{name} depends on the values of the "
                "input, and would be fixed to the example; use masks (nnlite.where) instead"
            )
        written = args[:1] if name in _WRITERS else ()
        _check_written(name, written)
        if name in _LIKE and options.get("shape") is not None:
            return self._made(name.removesuffix("_like"), function, args, options)
        return self._trace.call("function", name, function, function, args, options, written)

    def _made(self, name: str, function: Any, args: Any, options: dict[str, Any]) -> Any:
        """A new array of a shape: of its example counts the dtype alone."""
        made = function(*_bare(args), **options)
        if not made.flags.c_contiguous:
            return self._trace.call("function", function.__name__, function, function, args, options)
        given = (options["shape"], *_bare(args[1:]))  # of full_like there is a value
        maker = getattr(np, name)
        return self._trace.call("function", name, maker, maker, given, {"dtype": made.dtype})

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: self._array.flags)
    T = property(lambda self: self.transpose())  # type: ignore[attr-defined]

    def __getitem__(self, index: Any) -> Any:
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, Traced) and part.dtype == np.bool_:
                if self._trace.depends(part.id):
                    raise ExportError(
                        "export: the shape of x[mask] depends on the values of the input, and "
                        "would be fixed to the example; use nnlite.where or masked_fill instead"
                    )
        return self._trace.call(
            "getitem", "", None, lambda array, key: array[key], (self, index), {}
        )

    def __setitem__(self, index: Any, value: Any) -> None:
        def put(array: Any, key: Any, what: Any) -> None:
            array[key] = what

        self._trace.call("setitem", "", None, put, (self, index, value), {}, (self,))

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self._array)))

    def __bool__(self) -> bool:
        return bool(self._trace.look(self, bool))

    def __float__(self) -> float:
        return float(self._trace.look(self, float))

    def __int__(self) -> int:
        return int(self._trace.look(self, int))

    def __index__(self) -> int:
        return int(self._trace.look(self, int))

    def __format__(self, spec: str) -> str:
        return format(self._trace.look(self, np.ndarray.item), spec)

    def item(self, *args: Any) -> Any:
        """The value, which may not depend on the input."""
        return self._trace.look(self, lambda array: array.item(*args))

    def tolist(self) -> Any:
        """The values, which may not depend on the input."""
        return self._trace.look(self, np.ndarray.tolist)

    def __array__(self, *args: Any, **options: Any) -> Any:
        where, _ = _caller()
        raise ExportError(
            f"export: {where} makes a NumPy array of a tensor, where calls are no longer seen, or "
            "combines it with an array that is no part of the model; use nnlite's functions, and "
            "self.register_buffer(name, tensor) for constants"
        )


_OF_VALUES = {
    "nonzero", "flatnonzero", "argwhere", "unique", "compress", "extract", "trim_zeros", "union1d",
    "intersect1d", "setdiff1d", "bincount", "histogram",
}  # fmt: skip
_LIKE = {"zeros_like", "ones_like", "empty_like", "full_like"}
_WRITERS = {"copyto", "put_along_axis", "put", "putmask", "place", "fill_diagonal"}
_WRITING_METHODS = ("fill", "sort")
_METHODS = """all any argmax argmin argsort astype clip conj copy cumprod cumsum diagonal dot
    flatten max mean min prod ravel repeat reshape round squeeze std sum swapaxes take trace
    transpose var view fill sort"""


def _method(name: str) -> Any:
    def method(self: Traced, *args: Any, **options: Any) -> Any:
        written = (self,) if name in _WRITING_METHODS else ()

        def function(array: Any, *rest: Any, **more: Any) -> Any:
            return getattr(array, name)(*rest, **more)

        return self._trace.call("method", name, None, function, (self, *args), options, written)

    return method


for _name in _METHODS.split():
    setattr(Traced, _name, _method(_name))


def _check_written(name: str, written: Sequence[Any]) -> None:
    for array in written:
        if not isinstance(array, Traced):
            raise ExportError(
                f"export: {name} writes into an array that is no part of the model; use a new "
                "tensor, or self.register_buffer(name, tensor) in __init__"
            )


def _caller() -> tuple[str, bool]:
    """Who asked: file, line and function; and whether it is nnlite itself."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    file = os.path.abspath(frame.f_code.co_filename)
    ours = file.startswith(_PACKAGE + os.sep)
    place = f"{os.path.basename(file)}, line {frame.f_lineno}, in {frame.f_code.co_name}"
    return place, ours


def _is_machinery(file: str) -> bool:
    path = os.path.abspath(file)
    return path.startswith(_HERE + os.sep) or path == _TENSOR or os.sep + "numpy" + os.sep in path


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value`` with ``change`` applied to everything in its tuples, lists, dicts and slices."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(walk(part, change) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(walk(part, change) for part in value)
    if isinstance(value, dict):
        return {name: walk(part, change) for name, part in value.items()}
    if isinstance(value, slice):
        return slice(*(walk(part, change) for part in (value.start, value.stop, value.step)))
    return change(value)


def _bare(value: Any) -> Any:
    return walk(value, lambda part: part._array if isinstance(part, Traced) else part)


def refs(value: Any) -> list[Ref]:
    """Every `Ref` in nested tuples, lists, dicts and slices."""
    found: list[Ref] = []
    walk(value, lambda part: found.append(part) if isinstance(part, Ref) else None)
    return found


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
        stack.enter_context(_evaluating(model))
        stack.enter_context(_traced_state(model, trace))
        stack.enter_context(_named_calls(model, trace))
        stack.enter_context(no_grad())
        if during is not None:
            stack.enter_context(during(trace))
        given = [trace.add(array.copy()) for array in inputs]
        trace.inputs = [value.id for value in given]
        trace.varying.update(trace.inputs)
        result = model(*(wrap(value) for value in given))
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
def _evaluating(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _traced_state(model: Module, trace: Trace) -> Iterator[None]:
    """Parameters and buffers as traced arrays, of copies, so that nothing can change them."""
    held = dict(model.named_parameters())
    held.update(model.named_buffers())
    arrays = [(tensor, tensor.array) for tensor in held.values()]
    try:
        for name, tensor in held.items():
            tensor.array = trace.add(tensor.array.copy(), name)  # type: ignore[assignment]
        yield
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
