"""Why a rule has its transposes and its sums, in sentences about the shapes of this pass."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from nnlite.explain.forms import mean_of
from nnlite.explain.model import Input

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["is_elementwise", "is_matrix_product", "of", "over", "summed", "summed_axes"]

Shape = tuple[int, ...]

_ELEMENTWISE = re.compile(
    r"(Add|Sub|Rsub|Mul|Div|Pow|Maximum|Minimum|Fmax|Fmin|Atan2|Hypot|Logaddexp|Xlogy|Lerp|Addcmul|"
    r"Addcdiv|Remainder|Fmod|Where|Clamp|MaskedFill|Copy|Copys|Expand|PreluKernel)"
)
_MATRIX = re.compile(r"(Linear|Addmm|Mm|Bmm|Baddbmm|BatchedMatmul|Mv|Addmv|Vm)")
# What takes elements to other places, none of them to two.
_MOVES = frozenset((
    "Amax", "Amin", "Max", "Min", "Sort", "Topk", "Median", "Nanmedian", "Diagonal", "DiagonalCopy",
    "MaskedSelect",
))  # fmt: skip
# What copies elements to other places, maybe to several.
_TAKES = frozenset(("Embedding", "Gather", "Im2Col", "Index", "IndexSelect", "Repeat"))
_NORMS = re.compile(r"Native(Batch|Group|Layer)Norm|RmsNorm")


def is_matrix_product(name: str) -> bool:
    """Whether two arrays side by side are a matrix product in the equations of an operation."""
    return _MATRIX.fullmatch(name) is not None


def is_elementwise(name: str) -> bool:
    """Whether an operation works element by element, on operands that it broadcasts."""
    return _ELEMENTWISE.fullmatch(name) is not None


def of(step: Step, given: Input, pattern: str, right: str = "", ways: int = 0) -> list[str]:
    """The reasons for the rule of one input.

    Args:
        step: the operation.
        given: the input.
        pattern: the rule in the letters of the operation's equation.
        right: its right side as it is printed.
        ways: on how many elements of the output the chosen element of the input acts.
    """
    found = _particular(step, given, pattern)
    if not found and "Σ" in right and all(step.output.shape) and all(given.value.shape):
        found = list(filter(None, [_several(step, given, right, ways)]))
    divided = re.search(r"\] / (\d+)$", right) if step.name == "NllLoss" else None
    if divided:
        found.append(_mean(divided[1]))
    return found


def _particular(step: Step, given: Input, pattern: str) -> list[str]:
    """The reasons that the kind of an operation has for its transposes and sums."""
    output = step.output
    name, symbol = step.name, given.value.symbol
    x, y = given.value.shape, output.shape
    found: list[str] = []
    if not all(y):
        return found
    if "ᵀ" in pattern and _MATRIX.fullmatch(name) and len(x) > 1 and len(y) > 1:
        found.append(_transpose(step, given, pattern))
    elif _MATRIX.fullmatch(name) and len(x) > 1 and len(y) > 1 and y[-1] != 1:
        found += _plain_product(step, given, pattern)
    if _ELEMENTWISE.fullmatch(name) or (_MATRIX.fullmatch(name) and "ᵀ" not in pattern):
        axes = summed_axes(x, y)
        if axes and (_ELEMENTWISE.fullmatch(name) or len(x) < 2):
            found.append(_broadcast(symbol, x, y, axes))
    if "onvolution" in name and given.role in ("w", "b"):
        places = prod(y[2:])
        what = "kernel" if given.role == "w" else "bias"
        found.append(
            f"the same {what} {symbol} is used at {_count(places, 'place')} of each of "
            f"{_count(y[0], 'sample')}, so its gradient sums over all of them"
        )
    if _NORMS.fullmatch(name) and given.role in ("γ", "β"):
        found.append(
            f"{symbol} of shape {_shape(x)} scales or shifts every place of the result "
            f"{_shape(y)}, so its gradient sums over the others"
        )
    if name in ("Sum", "Mean") and x != y:
        count = prod(x) // max(prod(y), 1)
        found.append(
            f"each of the {count} elements that went into a {name.lower()} moved it by "
            f"{'1' if name == 'Sum' else f'1/{count}'}, so all get the same gradient, "
            f"repeated from {_shape(y)} to {_shape(x)}"
        )
    mean = mean_of(step.derivative)
    if mean and mean > 1:
        found.append(_mean(mean))
    return found


def _mean(count: int | str) -> str:
    return f"the loss is the mean of {count}, so every element is divided by {count}"


def _several(step: Step, given: Input, right: str, ways: int) -> str:
    """Why there is a sum where nothing was broadcast; empty where it is within the derivative."""
    name, symbol, result = step.name, given.value.symbol, step.output.symbol
    y = step.output.shape
    if name in ("Softmax", "LogSoftmax"):
        count = softened(step)
        return (
            f"each element of {symbol} enters the sum Σ e^{symbol} of all {count} along its axis, "
            f"so its gradient sums over these {count}"
        )
    shared = re.search(r"Σ.* / (\d+)", right)
    if _NORMS.fullmatch(name) and shared:
        what = "the scale" if name == "RmsNorm" else "the mean and the scale"
        return (
            f"{what} of {shared[1]} elements of {symbol} are made from all of them, so each acts "
            f"on all {shared[1]}: its gradient sums over them"
        )
    if "onvolution" in name and given.role == "x":
        places, channels = reached(step)
        return (
            f"each element of {symbol} meets up to {_count(places, 'place')} of the kernel in each "
            f"of {_count(channels, 'channel')} of {result}, so its gradient sums over them"
        )
    if name in ("Lstm", "Gru", "Rnn") and given.role in ("W", "U", "b", "d"):
        return (
            f"the same {symbol} is used at {_count(y[0], 'step')} of each of "
            f"{_count(y[1], 'sequence')}, so its gradient sums over all of them"
        )
    if "Pool" in name:
        which = "is the maximum of" if "Max" in name else "lies in"
        return (
            f"the sum goes over all windows, and an element of {symbol} gets something from those "
            f"that it {which}"
        )
    if name in _TAKES:
        return (
            f"the sum goes over all elements of {result}, and an element of {symbol} gets "
            "something from those that were taken from it"
        )
    if name in _MOVES:
        return (
            f"each element of {symbol} went to at most one element of {result}, the one that the "
            "sum finds"
        )
    return (
        ""
        if ways < 2
        else (
            f"an element of {symbol} can act on several elements of {result}, so its gradient sums "
            "over what they bring"
        )
    )


def softened(step: Step) -> int:
    """Over how many elements a softmax is taken."""
    return step.output.shape[step.derivative.meta] if step.output.shape else 1


def reached(step: Step) -> tuple[int, int]:
    """How many places of a kernel an element can meet, and in how many channels of the result."""
    x, w, y = step.inputs[0].value.shape, step.inputs[1].value.shape, step.output.shape
    groups = y[1] // w[1] if step.name.startswith("Transposed") else x[1] // w[1]
    return prod(w[2:]), y[1] // groups


def _plain_product(step: Step, given: Input, pattern: str) -> list[str]:
    """The reason for the sum in a product in which nothing is transposed: G W."""
    other = next((i for i in step.inputs if i is not given and i.role in pattern), None)
    x, y = given.value.shape, step.output.shape
    if other is None or len(other.value.shape) < 2 or not re.fullmatch(r"G \w", pattern):
        return []
    first, second = y[-2:], other.value.shape[-2:]
    if first[1] != second[0] or (first[0], second[1]) != x[-2:]:
        return []
    return [
        f"each element of {given.value.symbol} acts on {first[1]} elements of "
        f"{step.output.symbol}, over which the product sums: {_shape(first)} times "
        f"{_shape(second)} is {_shape(x[-2:])}, the shape of {given.value.symbol}"
    ]


def _transpose(step: Step, given: Input, pattern: str) -> str:
    other = next(i for i in step.inputs if i is not given and i.role in pattern)
    y, x = step.output.shape, given.value.shape
    o = other.value.shape
    left_first = re.match(r"[αs]?\s*[G(]*(∂L|G)", pattern) is not None
    first: Shape
    second: Shape
    if re.match(r"(α\s*)?Gₙ?ᵀ", pattern):
        first, second = (y[-1], y[-2]), o[-2:]
    elif left_first:
        first, second = y[-2:], (o[-1], o[-2])
    else:
        first, second = (o[-1], o[-2]), y[-2:]
    what = (
        "∂L/∂" + step.output.symbol
        if pattern.lstrip("α ").startswith(("Gᵀ", "Gₙᵀ"))
        else (other.value.symbol)
    )
    return (
        f"{what} is transposed so that the product sums over the {_count(first[1], 'term')} "
        f"through which each element acts: {_shape(first)} times {_shape(second)} is "
        f"{_shape(x[-2:])}, the shape of {given.value.symbol}"
    )


def summed_axes(x: Shape, y: Shape) -> tuple[int, ...]:
    """The axes of ``y`` along which an ``x`` was repeated by broadcasting."""
    if len(x) > len(y):
        return ()
    padded = (1,) * (len(y) - len(x)) + x
    return tuple(
        axis for axis, (a, b) in enumerate(zip(padded, y)) if a != b or axis < len(y) - len(x)
    )


def summed(pattern: str, name: str, x: Shape, y: Shape) -> str:
    """The rule of an input that was repeated by broadcasting, with the sum that this calls for.

    Args:
        pattern: the rule for one element, in the letters of the operation's equation.
        name: the operation.
        x, y: the shapes of the input and of the output.
    """
    axes = summed_axes(x, y) if _ELEMENTWISE.fullmatch(name) else ()
    if _MATRIX.fullmatch(name) and "Σ" not in pattern:
        alone = pattern.strip(" αβ·") in ("G", "Gₙ")
        # A matrix may have been used for a batch of others.
        axes = summed_axes(x, y) if alone else summed_axes(x[:-2], y[:-2])
    if not axes or not pattern or "Σ" in pattern or pattern == "0":
        return pattern
    inner = pattern if re.fullmatch(r"[gG]", pattern.strip()) else f"({pattern})"
    return f"Σ {inner} {over(axes, y)}"


def over(axes: tuple[int, ...], y: Shape) -> str:
    """``over the rows``, ``over axis 1``, ``over axes 0, 2``"""
    if axes == (0,) and len(y) == 2:
        return "over the rows"
    return f"over ax{'es' if len(axes) > 1 else 'is'} {', '.join(map(str, axes))}"


def _broadcast(symbol: str, x: Shape, y: Shape, axes: tuple[int, ...]) -> str:
    over = " × ".join(str(y[a]) for a in axes)
    rows = "rows" if axes == (0,) and len(y) == 2 else "places"
    rows = rows[:-1] if over == "1" else rows
    return (
        f"{symbol} of shape {_shape(x)} was broadcast over {over} {rows} of {_shape(y)}, so its "
        "gradient sums over them"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shape(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
