"""How a tensor is written out: the same characters that torch prints for the same values.

The text is built in three steps: keep the elements that are shown, write each one with a format
that suits all of them, then join them axis by axis from the innermost outwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

LIBRARY = "nnlite"
"""Stands before the name of a dtype: ``dtype=nnlite.float64``."""


class PrintOptions(NamedTuple):
    """What `set_printoptions` sets; the field defaults are the profile ``"default"``."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

_options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed from now on, in the whole process.

    What is not given stays as it is, save `sci_mode`, which every call sets (as in torch).

    Args:
        precision: digits after the point of a float that is not whole (at first 4).
        threshold: a tensor of more elements than this is summarised (at first 1000).
        edgeitems: elements kept at each end of an axis in a summary (at first 3).
        linewidth: characters in a line (at first 80).
        profile: ``"default"``, ``"short"`` or ``"full"``: sets the four above, and whichever of
            them is given too overrides it. ``"full"`` never summarises.
        sci_mode: whether floats are written like ``1.0000e-05``; None lets the values decide.

    Raises:
        ValueError: a number is negative or not whole, or there is no such profile.

    Example:
        >>> set_printoptions(precision=2)
        >>> format_array(np.array([1.12345], np.float32))
        'tensor([1.12])'
        >>> set_printoptions(profile="default")
        >>> format_array(np.array([1.12345], np.float32))
        'tensor([1.1235])'
    """
    global _options
    if profile is not None and profile not in PROFILES:
        names = ", ".join(map(repr, PROFILES))
        raise ValueError(f"set_printoptions: no profile {profile!r}; choose one of {names}")
    whole: dict[str, Any] = {"precision": precision, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in whole.items():
        if value is not None and not (isinstance(value, (int, np.integer)) and value >= 0):
            raise ValueError(f"set_printoptions: {name} is {value!r}; give an integer from 0 up")
    if threshold is not None and not threshold >= 0:
        raise ValueError(f"set_printoptions: threshold is {threshold!r}; give a number from 0 up")
    given = {**whole, "threshold": threshold}
    base = _options if profile is None else PROFILES[profile]
    base = base._replace(**{name: value for name, value in given.items() if value is not None})
    _options = base._replace(sci_mode=sci_mode)


def format_array(
    array: np.ndarray[Any, Any],
    *,
    prefix: str = "tensor(",
    suffixes: Sequence[str] = (),
    default_float: Any = np.float32,
) -> str:
    """Write an array as torch's ``repr`` writes a CPU tensor of the same values.

    The shape of an empty array and a dtype that the text does not show are added behind the values.

    Args:
        array: real numbers or bools of any shape and memory layout.
        prefix: what opens the text; later lines are indented by its length.
        suffixes: further remarks to go last, such as ``"requires_grad=True"``.
        default_float: the float dtype that needs no remark; int64 and bool need none either.

    Raises:
        NotImplementedError: the dtype is none of bool, integer and float.

    Example:
        >>> print(format_array(np.array([[0.3303, -1.2], [0, 4]], np.float32)))
        tensor([[ 0.3303, -1.2000],
                [ 0.0000,  4.0000]])
        >>> format_array(np.array([1.0, 2.0]), suffixes=["requires_grad=True"])
        'tensor([1., 2.], dtype=nnlite.float64, requires_grad=True)'
        >>> format_array(np.zeros((0, 3), np.float32))
        'tensor([], size=(0, 3))'
    """
    dtype = array.dtype
    if dtype.kind not in "biuf":
        cure = "print .real and .imag" if dtype.kind == "c" else "convert it to numbers first"
        raise NotImplementedError(f"format_array: cannot print dtype {dtype}; {cure}")
    options = _options
    filled = array.size > 0
    remarks = []
    if options.edgeitems == 0 if filled else array.ndim != 1:
        remarks.append(f"size={tuple(array.shape)}")
    obvious = {np.dtype(default_float).name}
    if filled:
        obvious |= {"int64", "bool"}
    if dtype.name not in obvious:
        remarks.append(f"dtype={LIBRARY}.{dtype.name}")
    body = _lay_out(array, len(prefix), options) if filled else "[]"
    return _append(prefix + body, [*remarks, *suffixes], len(prefix), options.linewidth) + ")"


def _lay_out(array: np.ndarray[Any, Any], indent: int, options: PrintOptions) -> str:
    """Join the elements of a non-empty array into nested brackets that begin at column `indent`."""
    edge = options.edgeitems
    shown = array
    if array.ndim and array.size > options.threshold:
        if edge == 0:
            return "[...]"
        shown = array[np.ix_(*(_kept(length, edge) for length in array.shape))]
    parts, width = _element_texts(shown, options)
    innermost = array.ndim - 1
    for axis in range(innermost, -1, -1):
        column = indent + axis
        per_line = max(1, (options.linewidth - column) // (width + 2))
        gap = "," + "\n" * max(1, innermost - axis) + " " * (column + 1)
        joined = []
        for items in _chunks(parts, shown.shape[axis]):
            if shown.shape[axis] < array.shape[axis]:
                items.insert(edge, " ..." if axis == innermost else "...")
            if axis == innermost:
                items = [", ".join(line) for line in _chunks(items, per_line)]
            joined.append("[" + gap.join(items) + "]")
        parts = joined
    return parts[0]


def _kept(length: int, edge: int) -> list[int]:
    """The indices that a summary keeps along an axis."""
    if length <= 2 * edge:
        return list(range(length))
    return [*range(edge), *range(length - edge, length)]


def _chunks(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _element_texts(shown: np.ndarray[Any, Any], options: PrintOptions) -> tuple[list[str], int]:
    """Each element as text in C order, padded on the left, and the width they are padded to."""
    if shown.dtype.kind == "f":
        values = [float(value) for value in shown.reshape(-1).tolist()]
        # Zero, nan and inf do not count for the width, so they may stand out by a character.
        measured = [value for value in values if value != 0 and math.isfinite(value)]
        spec = _float_spec(measured, options)
        texts = [format(value, spec) for value in values]
        width = max((len(format(value, spec)) for value in measured), default=1)
    else:
        texts = [str(value) for value in shown.reshape(-1).tolist()]
        width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _float_spec(measured: list[float], options: PrintOptions) -> str:
    """The format for floats among which `measured` are the finite ones other than zero."""
    whole = "#.0f"  # "#" keeps the point of 2. and adds none to nan and inf
    if not measured:
        return whole
    scientific = options.sci_mode
    if scientific is None:
        smallest = min(map(abs, measured))
        largest = max(map(abs, measured))
        scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if scientific:
        return f".{options.precision}e"
    return whole if all(map(float.is_integer, measured)) else f".{options.precision}f"


def _append(text: str, remarks: list[str], indent: int, linewidth: int) -> str:
    """Add remarks behind commas, each on a line of its own where it would pass `linewidth`."""
    used = len(text.rpartition("\n")[2]) + 2  # torch leaves two characters more on this line alone
    for remark in remarks:
        if used + 2 + len(remark) > linewidth:
            text += ",\n" + " " * indent + remark
            used = indent + len(remark)
        else:
            text += ", " + remark
            used += 2 + len(remark)
    return text
