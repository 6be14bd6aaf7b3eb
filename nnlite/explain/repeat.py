"""A recorded operation called again, in float64, with one of its inputs moved a little."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.autograd.modes import enable_grad, no_grad
from nnlite.autograd.node import Node
from nnlite.explain.record import Call, Held
from nnlite.ops.random import default_generator
from nnlite.tensor import Tensor, wrap

if TYPE_CHECKING:
    from nnlite.explain.step import Step

__all__ = ["Function", "repeated"]

Array = Any
Function = Callable[[dict[int, Array]], dict[int, Array]]


def repeated(step: Step, call: Call, output: Array) -> tuple[Function, dict[int, Array]] | None:
    """The call of an operator as a function, if it computes again what it computed before."""
    inputs: dict[int, Array] = {}
    _collect((call.args, call.keywords), inputs)
    wanted = {i for i, edge in enumerate(step._node.edges) if edge}
    if not wanted <= set(inputs):
        return None
    compute = _caller(call, inputs, np.dtype(np.float64))
    try:
        outputs = _caller(call, inputs, None)(inputs)
        if not any(_same(found, output) for found in list(outputs.values())[:1]):
            return None
        first = compute({i: a.astype(np.float64) for i, a in inputs.items()})
        if first[0].shape != output.shape or not _is_same_operation(step, call, inputs):
            return None
    except Exception:  # whatever an operator does not like: it is no function then
        return None
    return compute, {i: a.astype(np.float64) for i, a in inputs.items()}


def _is_same_operation(step: Step, call: Call, inputs: dict[int, Array]) -> bool:
    """Whether the call records the very operation again, with the same things as its inputs.

    An operator that has changed an argument before it computed (``other = alpha * other``) would
    change it once more, which zeros and ones do not show.
    """
    made: dict[int, Tensor] = {}

    def tensor(array: Array, position: int | None) -> Tensor:
        if position is None or not step._node.edges[position]:
            return wrap(array.copy())
        if position not in made:
            made[position] = wrap(array.copy()).requires_grad_().clone()
        return made[position]

    nodes: dict[int, Any] = {}

    def given(value: Any) -> Any:
        if isinstance(value, Held):
            found = tensor(value.array, value.position)
            if value.position is not None and found._node:
                nodes[value.position] = found._node
            return found
        if isinstance(value, dict):
            return {key: given(item) for key, item in value.items()}
        return type(value)(map(given, value)) if isinstance(value, (tuple, list)) else value

    state = default_generator.get_state()
    try:
        with enable_grad():
            result = call.function(*given(call.args), **given(call.keywords))
    finally:
        default_generator.set_state(state)
    first = result if isinstance(result, Tensor) else result[0]
    node = first._node.function() if isinstance(first._node, Node) else None
    return type(node) is type(step._node) and all(
        node.edges[position] is nodes[position] for position in nodes
    )


def _collect(value: Any, found: dict[int, Array]) -> None:
    if isinstance(value, Held):
        if value.position is not None:
            found[value.position] = value.array
    elif isinstance(value, (tuple, list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            _collect(item, found)


def _caller(call: Call, inputs: dict[int, Array], dtype: np.dtype[Any] | None) -> Function:
    def given(value: Any, arrays: dict[int, Array]) -> Any:
        if isinstance(value, Held):
            array = value.array if value.position is None else arrays[value.position]
            array = array.copy()
            return wrap(
                array.astype(dtype) if dtype is not None and array.dtype.kind == "f" else array
            )
        if isinstance(value, dict):
            return {key: given(item, arrays) for key, item in value.items()}
        if isinstance(value, (tuple, list)):
            return type(value)(given(item, arrays) for item in value)
        return value

    def compute(arrays: dict[int, Array]) -> dict[int, Array]:
        state = default_generator.get_state()
        try:
            with no_grad():
                result = call.function(*given(call.args, arrays), **given(call.keywords, arrays))
        finally:
            default_generator.set_state(state)
        outputs = [result] if isinstance(result, Tensor) else list(result)
        return {i: np.asarray(t.array) for i, t in enumerate(outputs)}

    return compute


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=True))
