"""The printed line of a rule, worked out anew from its own text and compared with the gradient."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite.explain import forward
from nnlite.explain.forms import mean_of
from nnlite.explain.indexed import Result, TooLarge, compute
from nnlite.explain.model import Index
from nnlite.explain.parse import NotAFormula
from nnlite.explain.reasons import is_matrix_product
from nnlite.explain.table import WRITES
from nnlite.explain.table import is_partial as is_unknown

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["INFINITE", "Line", "Recheck", "is_finite", "recheck", "recheck_forward"]

Array = Any
INFINITE = (
    "an infinity or a NaN comes in here, for which there are only conventions: the line could not "
    "be checked"
)
_ROUNDINGS = 64  # so many may add up
_SAMPLES = (64, 8, 1)  # elements that are worked out where all are too many


class Line(NamedTuple):
    """A rule as it is printed.

    Attributes:
        right: its right side.
        places: the indices of its left side.
        where: equations for symbols on the way.
        data: arrays that stand in it, by symbol.
    """

    right: str
    places: str
    where: tuple[str, ...]
    data: dict[str, Array]


class Recheck(NamedTuple):
    """What has come out.

    Attributes:
        status: "right", "wrong", "words" (it is no formula), "missing" (a value has not been kept),
            or "convention" (the formula has no finite value at some elements).
        error: the largest absolute difference; None where nothing could be worked out.
        elements: for how many elements it was.
        note: a sentence, or empty.
    """

    status: str
    error: float | None
    elements: int
    note: str = ""


def recheck(step: Step, line: Line, gradient: Array, index: Index) -> Recheck:
    """Work out a rule.

    Args:
        step: the operation.
        line: the rule.
        gradient: what the engine sends.
        index: the element that must be among those that are worked out.
    """
    if not gradient.size:
        return Recheck("right", 0.0, 0)
    values, numbers = _values(step)
    values.update((symbol, _float(array)) for symbol, array in line.data.items())
    try:
        with np.errstate(all="ignore"):
            found, elements = _computed(step, line, gradient.shape, index, values, numbers)
    except NotAFormula as error:
        missing = re.fullmatch(r"(\S+) is not known", str(error))
        if missing and missing[1] in _symbols(step):
            return Recheck("missing", None, 0, f"{missing[1]} has not been kept, so the formula "
                           "was not worked out: run the forward pass under "
                           "nnlite.explain.recording()")  # fmt: skip
        return Recheck("words", None, 0, _WORDS)
    except TooLarge:
        return Recheck("missing", None, 0, "the formula has too many terms to be worked out here")
    except (ValueError, IndexError, TypeError) as error:
        return Recheck("wrong", float("inf"), 0, f"the formula cannot be worked out: {error}")
    rounding = _ROUNDINGS * _eps(step, gradient) + (1e-5 if _is_rounded(line) else 0.0)
    return _told(step, _compared(found, elements, gradient, rounding, _underflow(step)))


def recheck_forward(step: Step, line: Line, which: int) -> Recheck:
    """Work out a forward formula and compare it with what was computed.

    Args:
        step: the operation.
        line: its formula.
        which: the output.
    """
    result = _computed_before(step, which)
    symbol = step.outputs[which].symbol
    if result is None:
        note = (
            f"{symbol} has not been kept, so the formula was not checked (and gave what is shown): "
            "run the forward pass under nnlite.explain.recording()"
        )
        return Recheck("missing", None, 0, note)
    if not result.size:
        return Recheck("right", 0.0, 0)
    given = [step.array_of(position) for position in range(len(step.inputs))]
    if np.isnan(result).all() and all(a is None or np.isfinite(a).all() for a in given):
        return Recheck("convention", None, 0, "a mean of no elements is NaN")
    values, numbers = _values(step)
    for value in step.outputs.values():
        values.pop(value.symbol, None)
    values.update((letter, _float(array)) for letter, array in line.data.items())
    is_loss = mean_of(step.derivative) is not None and "Nll" not in step.name
    line = line._replace(right=line.right.replace("Σ ", "", 1)) if is_loss else line
    try:
        with np.errstate(all="ignore"):
            index = (0,) * result.ndim
            found, elements = _computed(step, line, result.shape, index, values, numbers)
            if is_loss and not result.ndim:
                found = Result(np.sum(found.value), np.sum(found.size))
    except NotAFormula as error:
        unknown = [s for s in _symbols(step) if s in line.right and s not in values]
        constant = str(error) == "c is not known"
        if unknown or constant:
            note = (
                f"{', '.join(sorted(unknown)) or 'c'} has not been kept, so the formula was not "
                "checked: run the forward pass under nnlite.explain.recording()"
            )
            return Recheck("missing", None, 0, note)
        return Recheck("words", None, 0, "a sentence: only the numbers were checked")
    except TooLarge:
        return Recheck("missing", None, 0, "the formula has too many terms to be worked out here")
    except (ValueError, IndexError, TypeError) as error:
        return Recheck("wrong", float("inf"), 0, f"it cannot be worked out: {error}")
    rounding = _ROUNDINGS * _eps(step, step.output.gradient) + (1e-5 if _is_rounded(line) else 0.0)
    return _told(step, _compared(found, elements, result, rounding, _underflow(step)))


def _computed_before(step: Step, which: int) -> Array | None:
    """An output as the forward pass left it, or as the operator gives it when called again.

    What was worked out from the formulas is no witness for them.
    """
    value = step.outputs[which]
    if value.array is not None and not step.is_worked_out(value):
        return np.asarray(value.array)
    found = forward.of_step(step)
    kind = type(step.derivative).__name__
    is_partial = (kind not in WRITES and is_unknown(step.derivative)) or (
        kind in WRITES and any(given.value.dtype is None for given in step.inputs)
    )  # the table has their derivative, but not what was written
    if (
        isinstance(found, str)
        or found.source == "formula"
        or is_partial
        or step.name in ("Fill", "Zero")
    ):
        return None
    try:
        with np.errstate(all="ignore"):
            return found.moved(0, None).get(which)
    except Exception:  # an operator may refuse what is not its own dtype
        return None


_WORDS = "the rule is a sentence, no formula: only its numbers were checked"


def _computed(
    step: Step,
    line: Line,
    shape: tuple[int, ...],
    index: Index,
    values: dict[str, Any],
    numbers: dict[str, float],
) -> tuple[Result, list[Index] | None]:
    matrices = is_matrix_product(step.name) and not line.places

    def work(elements: list[Index] | None) -> Result:
        return compute(
            line.right, values, shape, places=line.places, where=line.where, elements=elements,
            matrices=matrices, numbers=numbers,
        )  # fmt: skip

    try:
        return work(None), None
    except TooLarge:
        if not line.places:
            raise
    size = int(np.prod(shape))
    for count in _SAMPLES:
        spread: Any = np.linspace(0, size - 1, count - 1).astype(int) if count > 1 else []
        elements = [index, *(tuple(map(int, np.unravel_index(n, shape))) for n in spread)]
        try:
            return work(elements), elements
        except TooLarge:
            continue
    raise TooLarge


def _compared(
    found: Result, elements: list[Index] | None, gradient: Array, rounding: float, underflow: float
) -> Recheck:
    value, size = np.asarray(found.value), np.asarray(found.size)
    if elements is not None:
        expected = gradient[tuple(np.array(elements).T)]
    else:
        expected = gradient
        if value.shape != expected.shape:
            if value.ndim and _without_ones(value.shape) != _without_ones(expected.shape):
                note = f"the formula gives the shape {value.shape}, not {expected.shape}"
                return Recheck("wrong", float("inf"), int(expected.size), note)
            if value.ndim:
                value, size = value.reshape(expected.shape), size.reshape(expected.shape)
    most = float(np.finfo(expected.dtype).max) if expected.dtype.kind == "f" else np.inf
    expected = expected.astype(np.float64)
    value, size = np.broadcast_to(value, expected.shape), np.broadcast_to(size, expected.shape)
    with np.errstate(all="ignore"):
        apart = np.where(
            (value == expected)
            | (np.isnan(value) & np.isnan(expected))
            | ((expected == np.sign(value) * np.inf) & (np.abs(value) > most)),  # too large
            0.0,
            np.abs(value - expected),
        )
        vast = np.isnan(size) & np.isfinite(value)  # numbers on the way were too large
        size = np.where(vast, np.abs(value), size)
        allowed = rounding * (size + np.abs(expected)) + underflow
        undefined = np.isnan(value) & np.isinf(expected)
        undefined |= ~np.isfinite(value) & np.isfinite(expected)
        wrong = ~undefined & ~((apart <= allowed) | (apart == 0))
    error = float(np.max(np.where(undefined, 0.0, apart), initial=0.0))
    count = int(expected.size)
    if (wrong & ~vast).any():
        return Recheck("wrong", error, count)
    if wrong.any():
        return Recheck("missing", error, count, "numbers in it are too large to be worked out")
    if undefined.any():
        some = int(undefined.sum())
        note = (
            f"the formula gives no finite number at {some} element{'s' * (some != 1)}: what stands "
            "there is a convention, or avoids an overflow"
        )
        return Recheck("convention", error, count, note)
    return Recheck("right", error, count)


def _told(step: Step, found: Recheck) -> Recheck:
    """What is said where infinities come in: comparisons and products with them follow no rule."""
    if found.status != "wrong" or is_finite(step):
        return found
    return found._replace(status="missing", note=INFINITE)


def is_finite(step: Step) -> bool:
    """Whether all that goes into an operation, forward and backward, is finite."""
    arrays = [step.array_of(position) for position in range(len(step.inputs))]
    arrays += [value.gradient for value in step.outputs.values()]
    return all(
        bool(np.isfinite(array).all())
        for array in map(np.asarray, (a for a in arrays if a is not None))
        if array.dtype.kind == "f"
    )


def _underflow(step: Step) -> float:
    """What becomes 0 in the least precise dtype that takes part."""
    dtypes = [value.dtype for value in step.outputs.values()]
    dtypes += [given.value.dtype for given in step.inputs]
    return max(2.0**20 * float(np.finfo(d).tiny) for d in dtypes if d is not None and d.kind == "f")


def _is_rounded(line: Line) -> bool:
    """Whether a number in it has six digits: more may have been cut off."""
    numbers = re.findall(r"\d+\.?\d*", " ".join((line.right, *line.where)))
    return any(len(number.replace(".", "").lstrip("0")) >= 6 for number in numbers)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _eps(step: Step, gradient: Array) -> float:
    """The rounding of the least precise dtype that takes part."""
    dtypes = [gradient.dtype, *(given.value.dtype for given in step.inputs)]
    dtypes += [value.dtype for value in step.outputs.values()]
    return max(float(np.finfo(d).eps) for d in dtypes if d is not None and d.kind == "f")


def _float(array: Array) -> Array:
    array = np.asarray(array)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _symbols(step: Step) -> set[str]:
    found = {given.value.symbol for given in step.inputs}
    return found | {value.symbol for value in step.outputs.values()}


def _values(step: Step) -> tuple[dict[str, Any], dict[str, float]]:
    """The numbers of each symbol, and those of numbers that are printed with six digits."""
    values: dict[str, Any] = dict(step.constants)
    numbers: dict[str, float] = {}
    for position, given in enumerate(step.inputs):
        array = step.array_of(position)
        symbol = given.value.symbol
        if array is None:
            continue
        if isinstance(array, (int, float, np.number)) and re.match(r"[-\d.]", symbol):
            numbers[symbol.lstrip("-")] = abs(float(array))
        else:
            values[symbol] = _float(array)
    for value in step.outputs.values():
        array = step._explanation.array_of(value)
        if array is not None:
            values[value.symbol] = _float(array)
        values[f"∂L/∂{value.symbol}"] = value.gradient.astype(np.float64)
    return values, numbers
