"""What recurrent layers share: their operands, the parts of a sequence, the weights' gradients.

The same loops over time run on arrays, where each step is written into its place, and on tensors
for higher derivatives, where nothing is written and the steps are put together in the end: see
``room``.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from nnlite.ops.operands import array_of, sum_of_rows
from nnlite.tensor import Tensor, ndarray

__all__ = [
    "across", "added", "affine", "joined", "layer_operands", "parts_of", "room", "start",
    "states_after", "states_before", "weight_gradients",
]  # fmt: skip

Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None]  # w_ih, w_hh, b_ih, b_hh


def room(
    like: Any, *shape: int, axis: int = 0, reverse: bool = False, scratch: str = ""
) -> tuple[Any, list[Any]]:
    """An array to be filled, and its parts along ``axis`` in the order in which they come.

    With tensors, and in traces (nnlite.export), which are not written into: None, and a list of
    None. With the name of a ``scratch`` memory that was used before is used again: fresh pages cost
    more than what is written to them. Nothing of it may be kept.
    """
    if isinstance(like, Tensor) or hasattr(like, "is_traced"):
        return None, [None] * shape[axis]
    if scratch and type(like) is ndarray:
        whole = _scratch(scratch, like.dtype, shape)
    else:
        whole = np.empty_like(like, order="C", shape=shape)
    return whole, parts_of(whole, axis, reverse)


_KEPT = threading.local()
_LARGEST = 8 << 20  # bytes of a scratch memory that is kept


def _scratch(name: str, dtype: Any, shape: tuple[int, ...]) -> Any:
    """An array in the scratch memory of that name, of this thread."""
    size = math.prod(shape)
    if size * dtype.itemsize > _LARGEST:
        return np.empty(shape, dtype)
    kept = _KEPT.__dict__
    key = f"{name} {dtype}"
    if key not in kept or kept[key].size < size:
        kept[key] = np.empty(size, dtype)
    return kept[key][:size].reshape(shape)


def parts_of(whole: Any, axis: int = 0, reverse: bool = False) -> list[Any]:
    """The parts of an array along an axis."""
    order = range(whole.shape[axis])
    before = (slice(None),) * axis
    return [whole[(*before, i)] for i in (reversed(order) if reverse else order)]


def joined(whole: Any, parts: list[Any], axis: int = 0, reverse: bool = False) -> Any:
    """What ``room`` gave, once all its parts have been computed."""
    return np.stack(parts[::-1] if reverse else parts, axis=axis) if whole is None else whole


def start(states: list[Any], first: Any) -> None:
    """Put the initial state before the others."""
    if states[0] is None:
        states[0] = first
    else:
        states[0][...] = first


def states_before(states: Any, reverse: bool) -> Any:
    """Of T + 1 states those before each of the T steps."""
    return states[1:] if reverse else states[:-1]


def states_after(states: Any, reverse: bool) -> Any:
    """Of T + 1 states those after each of the T steps."""
    return states[:-1] if reverse else states[1:]


def across(weight: Any) -> Any:
    """Wᵀ, of several matrices each; laid out anew where that is possible, since every step
    multiplies with it."""
    turned = weight.swapaxes(-1, -2)
    return turned if isinstance(weight, Tensor) else turned.copy()


def added(a: Any, b: Any) -> Any:
    """a + b, where either may be None."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def affine(rows: Any, weight: Any, bias: Any) -> Any:
    """X Wᵀ + b in scratch memory."""
    _, (out,) = room(rows, 1, len(rows), len(weight), scratch="sums")
    y = np.matmul(rows, weight.T, out=out)
    return y if bias is None else np.add(y, bias, out=out)


def weight_gradients(
    edges: tuple[Any, ...], d_in: Any, d_state: Any, rows: Any, before: Any
) -> tuple[Any, ...]:
    """The gradients of w_ih, w_hh, b_ih and b_hh, whose edges are given.

    Args:
        d_in: the gradient of W x + b, a row for each step and sample.
        d_state: the gradient of W h + b; the same array where the two are only added.
        rows: x, a row for each step and sample.
        before: the state before each step.
    """
    to_w_ih, to_w_hh, to_b_ih, to_b_hh = edges
    b_ih: Any = sum_of_rows(d_in) if to_b_ih else None
    b_hh: Any = None
    if to_b_hh:
        known = b_ih is not None and d_state is d_in
        b_hh = b_ih + 0 if known else sum_of_rows(d_state)  # an array of its own
    return (
        np.dot(d_in.T, rows) if to_w_ih else None,
        np.dot(d_state.T, before.reshape(-1, before.shape[-1])) if to_w_hh else None,
        b_ih,
        b_hh,
    )


def layer_operands(
    name: str, gates: int, input: Tensor, weights: Weights, **states: Tensor
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The arrays and edges of the input, the states and the weights, whose shapes must fit.

    Args:
        gates: how many blocks of rows the weights have.
    """
    x, w_ih, w_hh = (array_of(name, tensor) for tensor in (input, *weights[:2]))
    if w_hh.ndim != 2 or w_hh.shape[0] != gates * w_hh.shape[1]:
        blocks = f"{gates} H" if gates > 1 else "H"
        raise RuntimeError(f"{name}: w_hh must have the shape ({blocks}, H), got {w_hh.shape}")
    rows, size = w_hh.shape
    if x.ndim != 3 or w_ih.shape != (rows, x.shape[2]):
        raise RuntimeError(
            f"{name}: expected an input (T, N, I) and w_ih of shape ({rows}, I), got {x.shape} and "
            f"{w_ih.shape}"
        )
    if not x.shape[0]:
        raise RuntimeError(f"{name}: the sequence must have a step at least, got {x.shape}")
    needed: dict[str, Any] = dict.fromkeys(states, (x.shape[1], size))
    needed |= {"b_ih": (rows,), "b_hh": (rows,)}
    given = {**states, "b_ih": weights[2], "b_hh": weights[3]}
    for label, tensor in given.items():
        if tensor is not None and array_of(name, tensor).shape != needed[label]:
            raise RuntimeError(
                f"{name}: {label} must have the shape {needed[label]}, got {tensor.array.shape}"
            )
    tensors = (input, *states.values(), *weights)
    arrays = tuple(None if tensor is None else tensor.array for tensor in tensors)
    dtypes = {array.dtype for array in arrays if array is not None}
    if len(dtypes) > 1 or x.dtype.kind != "f":
        raise RuntimeError(
            f"{name}: all tensors must have one floating point dtype, got "
            f"{', '.join(sorted(map(str, dtypes)))}"
        )
    return arrays, tuple(None if tensor is None else tensor._node for tensor in tensors)
