"""Trials: a captured step beside the ordinary run, compared as the backend promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from nnlite.capture.code import Changed
from nnlite.capture.program import Program
from nnlite.capture.recording import CaptureError
from nnlite.capture.signature import Signature
from nnlite.tensor import Tensor
from nnlite.tracing.calls import walk

__all__ = ["try_out"]


class _Snapshot:
    """The bytes of tensors and gradients, and where the random generators are."""

    def __init__(self, program: Program) -> None:
        reach = program.guards.reach
        self.tensors = [(t, t.array, t.array.copy(order="K")) for t in reach.tensors]
        leaves = [t._leaf for t in reach.tensors if t._leaf is not None]
        self.gradients = [
            (leaf, leaf.grad, None if leaf.grad is None else leaf.grad.array.copy(order="K"))
            for leaf in leaves
        ]
        self.generators = [(g, g.rng, g.rng.bit_generator.state) for g in reach.generators]

    def restore_tensors(self) -> None:
        """Put the tensors' bytes back."""
        for tensor, array, copy in self.tensors:
            tensor.array = array
            if array.flags.writeable and array.tobytes() != copy.tobytes():
                array[...] = copy

    def restore(self) -> None:
        """Put everything back."""
        self.restore_tensors()
        for leaf, grad, copy in self.gradients:
            leaf.grad = grad
            if grad is not None:
                grad.array[...] = copy
        for _, rng, state in self.generators:
            rng.bit_generator.state = state

    def difference(self, program: Program) -> str:
        """The name of something that is not as it was then; empty when all is."""
        names = program.guards.reach.tensors
        for tensor, array, copy in self.tensors:
            if tensor.array is not array:
                return f"the place of {names[tensor]}"
            if not program.code.same(array, copy):
                return names[tensor]
        beside = [held for _, _, held in self.gradients if held is not None]
        for leaf, _, held in self.gradients:
            now = None if leaf.grad is None else leaf.grad.array
            if not program.code.same(now, held, beside):
                return next(f"the gradient of {names[t]}" for t in names if t._leaf is leaf)
        for generator, rng, state in self.generators:
            if generator.rng is not rng or repr(rng.bit_generator.state) != repr(state):
                return "random numbers"
        return ""


def try_out(
    program: Program,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, str | None]:
    """Run the function as ever, and the program beside it.

    Returns:
        What the function returned; and None when the program gave the same, bytes for bytes, empty
        when it could not be tried with these values, or else what differed.
    """
    before = _Snapshot(program)
    steps: list[tuple[Any, _Snapshot, _Snapshot]] = []
    items = [*program.guards.reach.optimizers, *program.guards.reach.schedulers]
    with ExitStack() as stack:
        for item in items:
            stack.enter_context(_witnessed(item, steps, program))
        result = function(*args, **kwargs)
    arrays = program.signature.fits(args, kwargs)
    if arrays is None:
        return result, "the arguments, which the function changes"
    after = _Snapshot(program)
    before.restore()
    left = list(steps)
    try:
        with ExitStack() as stack:
            for item in items:
                stack.enter_context(_answered(item, left, program))
            replayed = program.replay(arrays, lambda: Signature(args, kwargs, ()).inputs)
        difference: str | None = "the number of steps" if left else after.difference(program)
        difference = difference or _different(result, replayed, program.code.same) or None
    except Changed as change:
        error = change.__cause__
        difference = "" if isinstance(error, Changed) else f"everything: it raised {error!r}"
    except CaptureError as error:
        difference = str(error)
    finally:
        after.restore()
    return result, difference


def _different(expected: Any, got: Any, same: Callable[[Any, Any], bool]) -> str:
    found: list[str] = []
    wanted = _leaves(expected)
    given = _leaves(got)
    if len(wanted) != len(given):
        return "what it returns"
    for number, (a, b) in enumerate(zip(wanted, given)):
        if isinstance(a, Tensor):
            if not isinstance(b, Tensor) or not same(a.array, b.array):
                found.append(f"result {number}")
        elif type(a) is not type(b) or a != b:
            found.append(f"result {number}")
    return ", ".join(found)


def _leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    walk(value, found.append)
    return found


@contextmanager
def _witnessed(item: Any, steps: list[Any], program: Program) -> Iterator[None]:
    """Its steps are taken, and what was before and after each is noted."""
    own = item.__dict__
    before = own.get("step")

    def step() -> Any:
        asked = _Snapshot(program)
        result = type(item).step(item) if before is None else before()
        steps.append((item, asked, _Snapshot(program)))
        return result

    step._is_watched = True  # type: ignore[attr-defined]
    own["step"] = step
    try:
        yield
    finally:
        _put_back(own, before)


@contextmanager
def _answered(item: Any, steps: list[Any], program: Program) -> Iterator[None]:
    """Its steps are compared with those noted, and their results are put in place."""
    own = item.__dict__
    before = own.get("step")

    def step() -> None:
        if not steps or steps[0][0] is not item:
            raise CaptureError("the order of the steps")
        _, asked, answer = steps.pop(0)
        difference = asked.difference(program)
        if difference:
            raise CaptureError(difference)
        answer.restore_tensors()

    own["step"] = step
    try:
        yield
    finally:
        _put_back(own, before)


def _put_back(own: dict[str, Any], before: Any) -> None:
    if before is None:
        del own["step"]
    else:
        own["step"] = before
