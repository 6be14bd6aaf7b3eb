"""``nnlite.compile``: a function whose NumPy calls are recorded once and then replayed."""

from __future__ import annotations

import functools
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from nnlite.capture.code import Changed, Code
from nnlite.capture.guards import Guards, is_watched
from nnlite.capture.origin import Executed
from nnlite.capture.program import Program
from nnlite.capture.reach import Reach, Wrapper
from nnlite.capture.recording import CaptureError
from nnlite.capture.run import record
from nnlite.capture.signature import Signature
from nnlite.capture.source import readable
from nnlite.capture.trial import try_out
from nnlite.nn.module import Module

__all__ = ["Compiled", "compile"]

_MOST_KEPT = 8  # programs for different arguments and states; the one used longest ago goes
_MOST_SEEN = 32  # kinds of arguments that are remembered, in case that they come again
_MOST_TRIED = 16  # captures in a row, before the function is left alone for a while
_FIRST_REST = 1024  # calls without a replay until it is captured again; each rest is longer
_TORCHS_BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs")
_capturing: list[Any] = []  # those that are being captured or tried out now
_TRIALS = 2  # times that a program must give the same as the ordinary run, before it is used


class _Candidate:
    """Arguments that may come again: seen once, then captured, then tried out."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.executed: set[types.CodeType] = set()
        self.program: Program | None = None
        self.passed = 0
        self.tries = 0
        self.refused = ""
        self._pause = self._calls_left = 32
        signature.inputs = []  # the data of this call are not kept

    def is_worth_another_try(self) -> bool:
        """Whether enough calls have gone by since it was refused: the reason may have gone, too."""
        self._calls_left -= 1
        if self._calls_left > 0:
            return False
        self._pause *= 4
        self._calls_left = self._pause
        self.refused = ""
        return True


class Compiled(Wrapper):
    """A function that is run by replaying its NumPy calls, where that gives the same results.

    Attributes:
        reason: why the last call was not replayed; empty when it was.
    """

    def __init__(
        self, function: Callable[..., Any], fullgraph: bool = False, backend: str = "numpy"
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._fullgraph = fullgraph
        self._backend = backend
        self._ready: list[Program] = []
        self._candidates: list[_Candidate] = []
        self._tried = 0
        self._rest = 0
        self._next_rest = _FIRST_REST
        self._why_resting = ""
        self._busy = threading.Lock()
        self.reason = "it has not been called yet"
        self._own = {"_own", *self.__dict__} - getattr(function, "__dict__", {}).keys()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function: a replay where one is possible, else the ordinary run."""
        if _capturing:  # by another one, which captures what this function does, too
            return self._function(*args, **kwargs)
        for program in self._ready:
            arrays = program.signature.fits(args, kwargs)
            if arrays is None or not program.may_run():
                continue
            obstacle = program.obstacle(arrays)
            if obstacle:
                self.reason = obstacle
                return self._function(*args, **kwargs)
            if not self._busy.acquire(False):
                break
            try:
                if program is not self._ready[0]:
                    self._ready.remove(program)
                    self._ready.insert(0, program)
                result = program.replay(arrays, lambda: Signature(args, kwargs, ()).inputs)
                self.reason = ""
                return result
            except Changed:
                self.reason = "a check within nnlite has another answer for these values"
            finally:
                self._busy.release()
            return self._function(*args, **kwargs)
        return self._otherwise(args, kwargs)

    def _otherwise(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """No program fits: run the function, and see about a new program."""
        if self._rest:
            self._rest -= 1
            self.reason = self._why_resting
        if self._rest and all(candidate.program is None for candidate in self._candidates):
            pass
        elif not self._busy.acquire(False):
            self.reason = "another call of it is running"
        else:
            try:
                return self._with_candidate(args, kwargs)
            finally:
                self._busy.release()
        return self._function(*args, **kwargs)

    def _with_candidate(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.reason = is_watched() or _is_observed()
        if self.reason:
            return self._function(*args, **kwargs)
        changed = ""
        for program in [] if self._rest else list(self._ready):
            if program.signature.fits(args, kwargs) is not None:
                changed = program.guards.change() or "which tensors have gradients"
                break
        candidate = self._candidate_for(args, kwargs)
        if candidate is None or (self._rest and candidate.program is None):
            self.reason = self._why_resting if self._rest else self.reason
            return self._function(*args, **kwargs)
        if changed:
            self.reason = f"{changed} has changed since it was captured"
        _capturing.append(self)
        try:
            if not candidate.executed:
                with Executed() as candidate.executed:
                    return self._function(*args, **kwargs)
            if candidate.program is None:
                self._capture(candidate, args, kwargs)
            if candidate.program is None:
                return self._function(*args, **kwargs)
            return self._try_out(candidate, args, kwargs)
        finally:
            _capturing.pop()

    def _candidate_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Candidate | None:
        """The candidate for such arguments, from the second time that they come."""
        for candidate in self._candidates:
            if candidate.signature.fits(args, kwargs) is None:
                continue
            if candidate.refused:
                self.reason = candidate.refused
                if not candidate.is_worth_another_try():
                    return None
                candidate.executed = set()
            program = candidate.program
            if program is not None and not program.may_run():
                candidate.program = None  # something has changed between its trials
            return candidate
        self.reason = "such arguments have come for the first time"
        try:
            names = getattr(self._function, "__code__", compile.__code__).co_varnames
            signature = Signature(args, kwargs, names)
        except CaptureError as error:
            self.reason = _bare(error)
            return None
        candidate = _Candidate(signature)
        self._candidates.insert(0, candidate)
        del self._candidates[_MOST_SEEN:]
        return candidate

    def _capture(self, candidate: _Candidate, args: tuple[Any, ...], kwargs: Any) -> None:
        if self._tried == _MOST_TRIED:
            last = self.reason or f"its arguments are of more than {_MOST_KEPT} kinds"
            self._why_resting = self.reason = (
                f"it has been captured {_MOST_TRIED} times, and something was new each time; the "
                f"last time: {last}"
            )
            self._tried, self._rest, self._next_rest = 0, self._next_rest, 4 * self._next_rest
            return
        self._tried += 1
        try:
            function = self._function
            reach = Reach(function, candidate.signature.statics, candidate.executed)
            guards = Guards(reach)
            values = Signature(args, kwargs, ()).inputs
            with Executed() as executed:
                trace = record(function, candidate.signature, values, guards)
            candidate.executed |= executed
            if len(Reach(function, candidate.signature.statics, candidate.executed).entries) > len(
                reach.entries
            ):
                raise CaptureError("not captured: its first call ran other code than the next one")
            label = getattr(function, "__name__", type(function).__name__)
            candidate.program = Program(
                label, trace, candidate.signature, guards, _code(self._backend)
            )
            candidate.passed = candidate.tries = 0
        except CaptureError as error:
            candidate.refused = self.reason = _bare(error)
            if self._fullgraph:
                raise
        except Exception as error:
            if "__array__" in str(error):
                candidate.refused = self.reason = (
                    "it makes a NumPy array of a tensor, where calls are no longer seen; use "
                    "nnlite's functions"
                )
                return
            # Whatever the traced run raises says why it cannot be captured; if the function itself
            # is wrong, the ordinary run, which follows, raises it.
            candidate.refused = self.reason = f"on traced arrays it raises {error!r}"

    def _try_out(self, candidate: _Candidate, args: tuple[Any, ...], kwargs: Any) -> Any:
        program = candidate.program
        assert program is not None
        self.reason = "it is being tried out"
        result, difference = try_out(program, self._function, args, kwargs)
        candidate.tries += 1
        if difference:
            candidate.refused = self.reason = f"the replay gave other values for {difference}"
            candidate.program = None
        elif difference is None:
            candidate.passed += 1
        if candidate.passed == _TRIALS:
            self._candidates.remove(candidate)
            self._ready.insert(0, program)
            del self._ready[_MOST_KEPT:]
        elif candidate.tries > 3 * _TRIALS:
            candidate.refused = self.reason = "its checks within nnlite come out in many ways"
        return result

    @property
    def source(self) -> str:
        """The captured step as NumPy code to read, or the reason why there is none.

        It shows what the replayed program computes, in order, with the equations of the
        derivatives; ``optimizer.step()`` is called as it is. (The memory that the program computes
        in, it leaves out.)
        """
        if not self._ready:
            return f"# not captured: {self.reason}\n"
        program = self._ready[0]
        label = getattr(self._function, "__name__", "step")
        objects: dict[Any, str] = {
            **program.guards.reach.optimizers,
            **program.guards.reach.schedulers,
        }
        return readable(program.lowered, label, program.signature.names, objects)

    @property
    def is_captured(self) -> bool:
        """Whether there is a program that stands for the function in some state."""
        return bool(self._ready)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        place: Any = sys.modules.get(getattr(self, "__module__", ""))
        for name in getattr(self, "__qualname__", "<locals>").split("."):
            place = getattr(place, name, None)
        if place is self:
            return self.__qualname__  # as a function is pickled: by its name
        # A copy captures for itself.
        return Compiled, (self._function, self._fullgraph, self._backend)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", repr(self._function))
        if not self._ready:
            return f"<compiled {name}: not captured, because {self.reason}>"
        calls = len(self._ready[0].lowered.calls)
        return f"<compiled {name}: captured, {calls} calls>"


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: Any = None,
    backend: Any = None,
    mode: Any = None,
    options: Any = None,
    disable: bool = False,
) -> Any:
    """Capture a function: its NumPy calls are recorded once, then replayed, with equal results.

    Meant for a whole training step (zero_grad, forward, loss, backward, optimizer step), or for a
    prediction under ``no_grad``. The results are those of the ordinary run, bit for bit: the first
    replays are compared with it, what the function reads (parameters, attributes, globals …) is
    watched, and where a replay is not possible or not safe the function simply runs. Ask ``reason``
    why, and ``source`` for the step as NumPy code.

    What the function returns has no graph: call ``backward()`` in it. ``parameter.grad`` holds the
    gradient after each step; the next one uses its memory again, unless somebody keeps it.

    Not watched is what nnlite and NumPy consist of. Whoever replaces a function of theirs
    (``nnlite.nn.functional.relu = …``) does so before the first call, or compiles anew. Eight kinds
    of arguments (shapes, dtypes, layouts) and states are kept captured, those used last.

    Args:
        model: the function (torch: ``model``). Tensors may stand anywhere in its arguments and in
            what it returns.
        fullgraph: raise where it cannot be captured, instead of running it as it is.
        backend: ``"numba"`` compiles the small calls among them (``pip install '.[numba]'``): two
            thirds of the time for small networks, after some seconds at the first calls, and equal
            results but for rounding. It gives none of NumPy's warnings; errors that ``np.errstate``
            raises it raises where that held at the capture. ``"numpy"``, and the names that torch
            has: replayed as said.
        dynamic, mode, options: accepted for torch's sake.
        disable: return the function itself.

    Returns:
        A `Compiled`, to be called like the function. Without ``model``: a decorator.

    Raises:
        TypeError: when ``model`` is a module, or cannot be called.
        ValueError: an unknown backend.
        ImportError: numba or SciPy, which it needs, is not installed.

    >>> import nnlite
    >>> from nnlite import nn
    >>> _ = nnlite.manual_seed(0)
    >>> layer = nn.Linear(3, 1)
    >>> optimizer = nnlite.optim.SGD(layer.parameters(), lr=0.1)
    >>> @nnlite.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.mse_loss(layer(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = nnlite.randn(8, 3), nnlite.ones(8, 1)
    >>> losses = [step(x, y).item() for _ in range(20)]
    >>> step.reason, losses[-1] < losses[0]
    ('', True)
    """
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, backend=backend, disable=disable)
    if isinstance(model, Module):
        raise TypeError(
            f"compile: decorate a function that calls the {type(model).__name__}: the whole "
            "training step, or a prediction under no_grad; a module by itself has nothing to replay"
        )
    if not callable(model):
        raise TypeError(f"compile: expected a function, got {type(model).__name__}")
    backend = _backend(backend)
    return model if disable else Compiled(model, fullgraph, backend)


def _backend(name: Any) -> str:
    if name is None or callable(name) or name in ("numpy", *_TORCHS_BACKENDS):
        return "numpy"
    if name != "numba":
        raise ValueError(f"compile: no backend {name!r}; there are 'numpy' and 'numba'")
    from importlib.util import find_spec

    missing = [module for module in ("numba", "scipy") if find_spec(module) is None]
    if missing:
        raise ImportError(
            f"compile: backend='numba' needs {' and '.join(missing)}: pip install numba scipy"
        )
    return "numba"


def _code(backend: str) -> type[Code]:
    if backend == "numpy":
        return Code
    from nnlite.capture.compiled import CompiledCode

    return CompiledCode


def _is_observed() -> str:
    """Who else would see what a capture does, if anybody."""
    others = [t.name for t in threading.enumerate() if t is not threading.current_thread()]
    if any(name not in _HARMLESS for name in others):
        return "other threads are running, which would see the parameters being traced"
    profiler: Any = sys.getprofile()
    if profiler is not None and not callable(profiler):
        return "a profiler is running, and a capture would have to take its place"
    return ""


_HARMLESS = {"tqdm_monitor"}


def _bare(error: CaptureError) -> str:
    return str(error).removeprefix("not captured: ")
