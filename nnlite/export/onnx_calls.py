"""NumPy's functions and array methods as operators of ONNX.

A method and the function of the same name have one entry: both take the array first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnlite.export.batch import Size
from nnlite.export.onnx_graph import Graph, unmapped
from nnlite.tracing.calls import Call, Ref

__all__ = ["FUNCTIONS", "order_of"]


def _ndim(graph: Graph, value: Any) -> int:
    return len(graph.sizes(value)) if isinstance(value, Ref) else 0


def _result(graph: Graph, call: Call) -> np.dtype[Any]:
    return graph.dtype(Ref(call.results[0]))


# ---- shapes -------------------------------------------------------------------------------------


def _reshape(graph: Graph, call: Call, a: Ref, *shape: Any, **options: Any) -> str:
    if options:
        raise unmapped(call, "reshape with an order")
    name = graph.read(a)
    sizes = graph.sizes(Ref(call.results[0]))
    return str(graph.node("Reshape", name, graph.shape(sizes), allowzero=int(0 in sizes)))


def order_of(graph: Graph, call: Call) -> list[int]:
    """The axes of the argument in the order in which the result has them."""
    a, *given = call.args
    ndim = _ndim(graph, a)
    order = list(range(ndim))
    if call.name == "swapaxes":
        first, second = (axis % ndim for axis in given)
        order[first], order[second] = second, first
        return order
    axes = call.kwargs.get("axes", given[0] if len(given) == 1 else tuple(given) or None)
    return order[::-1] if axes is None else [axis % ndim for axis in axes]


def _transpose(graph: Graph, call: Call, a: Ref, *rest: Any, **options: Any) -> str:
    name, order = graph.read(a), order_of(graph, call)
    return str(graph.node("Transpose", name, perm=order)) if len(order) > 1 else name


def _moveaxis(graph: Graph, call: Call, a: Ref, source: Any, destination: Any) -> str:
    order = np.moveaxis(np.empty((1,) * _ndim(graph, a)), source, destination)
    numbered = np.arange(_ndim(graph, a))
    del order
    froms, tos = (
        [axis % len(numbered) for axis in np.atleast_1d(given)] for given in (source, destination)
    )
    rest = [axis for axis in numbered.tolist() if axis not in froms]
    for to, axis in sorted(zip(tos, froms)):
        rest.insert(to, axis)
    return str(graph.node("Transpose", graph.read(a), perm=rest))


def _expand_dims(graph: Graph, call: Call, a: Ref, axis: Any) -> str:
    axes = list(axis) if isinstance(axis, tuple) else [axis]
    return str(graph.node("Unsqueeze", graph.read(a), graph.ints(axes)))


def _broadcast_to(graph: Graph, call: Call, a: Ref, shape: Any, **options: Any) -> str:
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return str(graph.node("Expand", graph.read(a), graph.ints(sizes)))


def _concatenate(graph: Graph, call: Call, arrays: Any, axis: int = 0) -> str:
    dtype = _result(graph, call)
    names = [graph.operand(array, dtype) for array in arrays]
    return str(graph.node("Concat", *names, axis=axis))


def _stack(graph: Graph, call: Call, arrays: Any, axis: int = 0) -> str:
    dtype = _result(graph, call)
    at = graph.ints([axis])
    names = [graph.node("Unsqueeze", graph.operand(array, dtype), at) for array in arrays]
    return str(graph.node("Concat", *names, axis=axis))


def _tile(graph: Graph, call: Call, a: Ref, times: Any) -> str:
    given = list(times) if isinstance(times, (tuple, list)) else [times]
    sizes = [*(1,) * (len(given) - _ndim(graph, a)), *graph.sizes(a)]
    given = [1] * (len(sizes) - len(given)) + given
    name = graph.read(a)
    if len(sizes) > _ndim(graph, a):
        name = graph.node("Reshape", name, graph.shape(sizes))
    return str(graph.node("Tile", name, graph.ints(given)))


def _flip(graph: Graph, call: Call, a: Ref, axis: Any = None) -> str:
    ndim = _ndim(graph, a)
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    count = len(list(axes))
    ends = graph.ints([np.iinfo(np.int64).min + 1] * count)
    starts, steps = graph.ints([-1] * count), graph.ints([-1] * count)
    return str(graph.node("Slice", graph.read(a), starts, ends, graph.ints(list(axes)), steps))


def _roll(graph: Graph, call: Call, a: Ref, shift: Any, axis: Any = None) -> str:
    name, sizes = graph.read(a), graph.sizes(a)
    if axis is None:
        if any(isinstance(size, Size) for size in sizes):
            raise unmapped(call, "roll without an axis")
        name, sizes, axis = graph.node("Reshape", name, graph.ints([-1])), (math.prod(sizes),), 0
    shifts, axes = (v if isinstance(v, tuple) else (v,) for v in (shift, axis))
    for by, along in zip(shifts * len(axes) if len(shifts) == 1 else shifts, axes):
        if isinstance(sizes[along], Size):
            raise unmapped(call, "roll along the batch")
        at, over = -by % max(sizes[along], 1), graph.ints([along])
        end = graph.ints([np.iinfo(np.int64).max])
        cut, zero = graph.ints([at]), graph.ints([0])
        parts = (
            graph.node("Slice", name, start, stop, over)
            for start, stop in ((cut, end), (zero, cut))
        )
        name = graph.node("Concat", *parts, axis=along)
    shape = graph.sizes(a)
    return name if sizes == shape else str(graph.node("Reshape", name, graph.shape(shape)))


# ---- new arrays ---------------------------------------------------------------------------------


def _filled(value: Any) -> Callable[..., str]:
    def made(graph: Graph, call: Call, shape: Any, *given: Any, dtype: Any = None) -> str:
        sizes = list(shape) if isinstance(shape, (tuple, list)) else [shape]
        what = given[0] if given else value
        name = graph.operand(what, np.dtype(dtype or np.float64))
        return str(graph.node("Expand", name, graph.ints(sizes)))

    return made


def _arange(graph: Graph, call: Call, *bounds: Any, dtype: Any = None) -> str:
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    kind = _result(graph, call)
    return str(graph.node("Range", *(graph.operand(value, kind) for value in (start, stop, step))))


def _astype(graph: Graph, call: Call, a: Ref, dtype: Any, **options: Any) -> str:
    return graph.cast(graph.read(a), graph.dtype(a), _result(graph, call))


def _copy(graph: Graph, call: Call, a: Ref, *rest: Any, **options: Any) -> str:
    return graph.read(a)


def _copyto(graph: Graph, call: Call, into: Ref, value: Any, where: Any = True, **more: Any) -> str:
    name = graph.operand(value, graph.dtype(into))
    if where is True:
        return name
    return str(graph.node("Where", graph.operand(where, np.bool_), name, graph.read(into)))


def _fill(graph: Graph, call: Call, into: Ref, value: Any) -> str:
    name = graph.operand(value, graph.dtype(into))
    return str(graph.node("Expand", name, graph.ints(graph.sizes(into))))


# ---- choosing -----------------------------------------------------------------------------------


def _where(graph: Graph, call: Call, condition: Any, a: Any, b: Any) -> str:
    dtype = _result(graph, call)
    names = graph.operand(condition, np.bool_), graph.operand(a, dtype), graph.operand(b, dtype)
    return str(graph.node("Where", *names))


def _clip(
    graph: Graph, call: Call, a: Ref, low: Any = None, high: Any = None, *,
    min: Any = None, max: Any = None,
) -> str:  # fmt: skip
    dtype = _result(graph, call)
    name = graph.operand(a, dtype)
    for op, bound in (("Max", low if min is None else min), ("Min", high if max is None else max)):
        if bound is not None:
            name = graph.node(op, name, graph.operand(bound, dtype))
    return name


def _take(graph: Graph, call: Call, a: Ref, index: Any, axis: int | None = None) -> str:
    if axis is None:
        raise unmapped(call, "take without an axis")
    name = graph.operand(index, np.int64)
    return str(graph.node("Gather", graph.read(a), name, axis=axis))


def _take_along_axis(graph: Graph, call: Call, a: Ref, index: Ref, axis: int) -> str:
    name = graph.operand(index, np.int64)
    return str(graph.node("GatherElements", graph.read(a), name, axis=axis))


def _triangle(upper: int) -> Callable[..., str]:
    def cut(graph: Graph, call: Call, a: Ref, k: int = 0) -> str:
        return str(graph.node("Trilu", graph.read(a), graph.constant(k, np.int64), upper=upper))

    return cut


# ---- products and reductions --------------------------------------------------------------------


def _dot(graph: Graph, call: Call, a: Ref, b: Ref) -> str:
    if _ndim(graph, b) > 2 or not _ndim(graph, a) or not _ndim(graph, b):
        raise unmapped(call, f"dot with an array of {_ndim(graph, b)} dimensions")
    dtype = _result(graph, call)
    return str(graph.node("MatMul", graph.operand(a, dtype), graph.operand(b, dtype)))


def _einsum(graph: Graph, call: Call, equation: str, *operands: Any, **options: Any) -> str:
    dtype = _result(graph, call)
    names = [graph.operand(operand, dtype) for operand in operands]
    return str(graph.node("Einsum", *names, equation=equation))


def _axes(axis: Any) -> Sequence[int] | None:
    if axis is None:
        return None
    return list(axis) if isinstance(axis, (tuple, list)) else [axis]


def reduced(graph: Graph, op: str, name: str, rank: int, axis: Any, keepdims: Any) -> str:
    """A reduction over some axes, or all."""
    axes = _axes(axis) if rank else None
    if axes == []:
        return name
    over = () if axes is None else (graph.ints(axes),)
    return str(graph.node(op, name, *over, keepdims=int(keepdims is True)))


def _reduction(op: str) -> Callable[..., str]:
    def reduce(
        graph: Graph, call: Call, a: Ref, axis: Any = None, *, keepdims: Any = False,
        initial: Any = None, **options: Any,
    ) -> str:  # fmt: skip
        if set(options) - {"dtype"}:
            raise unmapped(call, f"{call.name} with {', '.join(sorted(options))}")
        dtype = _result(graph, call)
        name = reduced(graph, op, graph.operand(a, dtype), _ndim(graph, a), axis, keepdims)
        if initial is None or type(initial).__name__ == "_NoValueType":
            return name
        combine = {"ReduceMax": "Max", "ReduceMin": "Min", "ReduceSum": "Add"}[op]
        return str(graph.node(combine, name, graph.operand(initial, dtype)))

    return reduce


def _quantifier(op: str) -> Callable[..., str]:
    def reduce(graph: Graph, call: Call, a: Ref, axis: Any = None, *, keepdims: Any = False) -> str:
        name = graph.cast(graph.operand(a, np.bool_), np.bool_, np.int32)
        return graph.cast(
            reduced(graph, op, name, _ndim(graph, a), axis, keepdims), np.int32, np.bool_
        )

    return reduce


def _variance(graph: Graph, call: Call, a: Ref, axis: Any = None, **options: Any) -> str:
    dtype, rank = _result(graph, call), _ndim(graph, a)
    x = graph.operand(a, dtype)
    centred = graph.node("Sub", x, reduced(graph, "ReduceMean", x, rank, axis, True))
    squares = graph.node("Mul", centred, centred)
    keepdims, ddof = options.get("keepdims", False), options.get("ddof", 0)
    name = reduced(graph, "ReduceMean", squares, rank, axis, keepdims)
    if ddof:
        over = _axes(axis) or range(_ndim(graph, a))
        sizes = [graph.sizes(a)[i] for i in over]
        if any(isinstance(size, Size) for size in sizes):
            raise unmapped(call, f"{call.name} over the batch with ddof")
        count = int(np.prod(sizes))
        name = graph.node("Mul", name, graph.constant(count / (count - ddof), dtype))
    return str(graph.node("Sqrt", name)) if call.name == "std" else name


def _place(op: str) -> Callable[..., str]:
    def found(graph: Graph, call: Call, a: Ref, axis: Any = None, *, keepdims: Any = False) -> str:
        name = graph.read(a)
        if graph.dtype(a).kind == "b":
            name = graph.cast(name, np.bool_, np.int32)
        if axis is None:
            name = graph.node("Reshape", name, graph.ints([-1]))
        return str(graph.node(op, name, axis=axis or 0, keepdims=int(keepdims is True)))

    return found


def _like(value: Any) -> Callable[..., str]:
    def made(graph: Graph, call: Call, a: Ref, *given: Any, **options: Any) -> str:
        name = graph.operand(given[0] if given else value, _result(graph, call))
        return str(graph.node("Expand", name, graph.ints(graph.sizes(a))))

    return made


def _sorted(which: int) -> Callable[..., str]:
    """The values in ascending order (0), or their places (1)."""

    def order(graph: Graph, call: Call, a: Ref, axis: int = -1, **options: Any) -> str:
        sizes = graph.sizes(a)
        if not sizes:
            raise unmapped(call, f"{call.name} of a number")
        count = graph.ints([sizes[axis]])
        both = graph.node("TopK", graph.read(a), count, outputs=2, axis=axis, largest=0)
        return str(both[which])

    return order


def _round(graph: Graph, call: Call, a: Ref, decimals: int = 0) -> str:
    if decimals:
        raise unmapped(call, "round to decimals")
    return str(graph.node("Round", graph.read(a)))


def _cumsum(graph: Graph, call: Call, a: Ref, axis: int | None = None, **options: Any) -> str:
    if axis is None:
        raise unmapped(call, "cumsum without an axis")
    name = graph.operand(a, _result(graph, call))
    return str(graph.node("CumSum", name, graph.constant(axis, np.int64)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "reshape": _reshape, "ravel": _reshape, "squeeze": _reshape, "transpose": _transpose,
    "swapaxes": _transpose, "moveaxis": _moveaxis, "expand_dims": _expand_dims,
    "broadcast_to": _broadcast_to, "concatenate": _concatenate, "stack": _stack, "tile": _tile,
    "flip": _flip, "roll": _roll, "zeros": _filled(0), "ones": _filled(1), "empty": _filled(0),
    "full": _filled(0), "arange": _arange, "astype": _astype, "copy": _copy, "copyto": _copyto,
    "fill": _fill,
    "where": _where, "clip": _clip, "take": _take, "take_along_axis": _take_along_axis,
    "tril": _triangle(0), "triu": _triangle(1), "dot": _dot, "einsum": _einsum,
    "sum": _reduction("ReduceSum"), "mean": _reduction("ReduceMean"),
    "max": _reduction("ReduceMax"), "min": _reduction("ReduceMin"),
    "prod": _reduction("ReduceProd"), "any": _quantifier("ReduceMax"),
    "all": _quantifier("ReduceMin"), "var": _variance, "std": _variance,
    "argmax": _place("ArgMax"), "argmin": _place("ArgMin"), "cumsum": _cumsum,
    "zeros_like": _like(0), "ones_like": _like(1), "empty_like": _like(0), "full_like": _like(0),
    "sort": _sorted(0), "argsort": _sorted(1), "round": _round,
}  # fmt: skip
