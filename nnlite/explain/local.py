"""The local derivatives of one operation, ∂yⱼ/∂xᵢ, from its own ``backward``.

``backward`` computes Jᵀ g and is linear in g, so J v is the derivative of ⟨Jᵀ g, v⟩ with respect
to g: the same code, run on tensors, gives a column of the Jacobian at the price of two passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd import engine
from nnlite.autograd.modes import enable_grad
from nnlite.autograd.node import Cotangents, Node
from nnlite.explain.walk import copy_of
from nnlite.tensor import Tensor, wrap

__all__ = ["forwards", "outputs_of", "run_again"]

Array = Any
_MOST = 4096  # outputs, where each needs a pass of its own


def outputs_of(g: Any) -> dict[int, Array]:
    """The gradients of an operation's outputs by index."""
    return dict(g) if isinstance(g, Cotangents) else {0: g}


def run_again(node: Node, saved: tuple[Any, ...], g: Any, only: int | None = None) -> Any:
    """What the derivative returns when it is run on copies.

    Args:
        node: the derivative.
        saved: what it reads.
        g: the gradient of its output.
        only: the one input that a gradient is wanted for.
    """
    probe = node.copy()
    probe.saved = tuple(map(copy_of, saved))
    if only is not None:
        probe.edges = tuple(e if i == only else None for i, e in enumerate(node.edges))
    return probe.backward(copy_of(g))


def forwards(node: Node, saved: tuple[Any, ...], g: Any, position: int, v: Array) -> Any:
    """J v: how the outputs change with the input at ``position`` along ``v``.

    Returns:
        An array of the output's shape, or a dictionary of them by output index, in float64.
    """
    try:
        return _twice(node, saved, g, position, v)
    except (TypeError, RuntimeError, AttributeError, NotImplementedError, ValueError):
        return _one_by_one(node, saved, g, position, v)


def _twice(node: Node, saved: tuple[Any, ...], g: Any, position: int, v: Array) -> Any:
    probe = node.copy()
    probe.edges = tuple(e if i == position else None for i, e in enumerate(node.edges))
    lifts = node.lifts
    probe.saved = tuple(
        None if lift == "cache" else _constant(value) if lift is not None else value
        for value, lift in zip(saved, lifts)
    )
    given = {i: wrap(a.copy()).requires_grad_() for i, a in outputs_of(g).items()}
    start: Any = given[0] if not isinstance(g, Cotangents) else _cotangents(given, g)
    with enable_grad():
        back = probe.backward(start)[position]
    if isinstance(back, Cotangents):
        raise TypeError("the input is an operation with several outputs")
    if not isinstance(back, Tensor) or not back.requires_grad:
        zeros = {i: np.zeros(a.shape) for i, a in outputs_of(g).items()}
        return zeros if isinstance(g, Cotangents) else zeros[0]
    direction = wrap(np.broadcast_to(v, back.array.shape).astype(back.array.dtype))
    found = engine.grad(back, list(given.values()), direction, allow_unused=True)
    columns = {
        i: np.zeros(given[i].array.shape) if t is None else t.array.astype(np.float64)
        for i, t in zip(given, found)
    }
    return columns if isinstance(g, Cotangents) else columns[0]


def _constant(value: Any) -> Any:
    return wrap(value.copy()) if hasattr(value, "dtype") else value


def _one_by_one(node: Node, saved: tuple[Any, ...], g: Any, position: int, v: Array) -> Any:
    given = outputs_of(g)
    columns = {}
    for index, array in given.items():
        if array.size > _MOST:
            raise RuntimeError(f"{node.name()} has {array.size} outputs and is differentiated once")
        column = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            unit = np.zeros_like(array)
            unit[place] = 1
            start = unit if not isinstance(g, Cotangents) else _cotangents({index: unit}, g)
            back = run_again(node, saved, start, position)[position]
            column[place] = float(np.sum(np.asarray(back, dtype=np.float64) * v))
        columns[index] = column
    return columns if isinstance(g, Cotangents) else columns[0]


def _cotangents(arrays: dict[int, Any], like: Cotangents) -> Cotangents:
    made = Cotangents(arrays)
    made.count = getattr(like, "count", len(like))
    return made
