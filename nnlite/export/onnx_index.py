"""Indexing in ONNX: reading parts of a value, and values with parts of it replaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.export.batch import Size
from nnlite.export.errors import ExportError
from nnlite.export.onnx_graph import Graph, unmapped
from nnlite.tracing.calls import Call, Ref

__all__ = ["added_at", "put", "put_back", "take"]

_END = np.iinfo(np.int64).max


def _parts(key: Any, ndim: int) -> list[Any]:
    """The entries of an index, one for each axis, and None for each new one."""
    given = list(key) if isinstance(key, tuple) else [key]
    used = sum(part is not None and part is not Ellipsis for part in given)
    rest = [slice(None)] * (ndim - used)
    for place, part in enumerate(given):
        if part is Ellipsis:
            return [*given[:place], *rest, *given[place + 1 :]]
    return given + rest


def _is_whole(part: Any, size: Any) -> bool:
    """Whether a slice is all of an axis."""
    return (
        isinstance(part, slice)
        and part.start in (None, 0)
        and part.stop in (None, size)
        and part.step in (None, 1)
    )


def take(graph: Graph, array: Ref, key: Any) -> str:
    """``array[key]``"""
    name, sizes = graph.read(array), graph.sizes(array)
    parts = _parts(key, len(sizes))
    entries = [part for part in parts if part is not None]
    for part in entries:
        if isinstance(part, bool) or (isinstance(part, Ref) and graph.dtype(part).kind == "b"):
            raise _refused("a mask")
    slices = [
        (axis, part)
        for axis, part in enumerate(entries)
        if isinstance(part, slice) and not _is_whole(part, sizes[axis])
    ]
    if slices:
        steps = [1 if part.step is None else part.step for _, part in slices]
        starts = [_bound(part.start, step, 0, -1) for (_, part), step in zip(slices, steps)]
        ends = [_bound(part.stop, step, _END, -_END) for (_, part), step in zip(slices, steps)]
        name = graph.node(
            "Slice", name, graph.ints(starts), graph.ints(ends),
            graph.ints([axis for axis, _ in slices]), graph.ints(steps),
        )  # fmt: skip
    indices = [axis for axis, part in enumerate(entries) if isinstance(part, Ref)]
    whole = [axis for axis, part in enumerate(entries) if not isinstance(part, (Ref, slice))]
    if indices:
        if whole or any(part is None for part in parts):
            raise _refused("arrays together with numbers or None")
        return _gathered(graph, name, [entries[axis] for axis in indices], indices)
    if whole:
        for axis in reversed(whole):
            at = graph.operand(entries[axis], np.int64)
            name = graph.node("Gather", name, at, axis=axis)
    new, place = [], 0
    for part in parts:
        if part is None:
            new.append(place)
        place += part is None or isinstance(part, slice)
    return str(graph.node("Unsqueeze", name, graph.ints(new))) if new else name


def _bound(value: Any, step: int, low: int, high: int) -> Any:
    if value is not None:
        return value
    return low if step > 0 else high


def _gathered(graph: Graph, name: str, index: list[Ref], axes: list[int]) -> str:
    """The elements at arrays of places along some axes."""
    if len(index) == 1:
        return str(graph.node("Gather", name, graph.operand(index[0], np.int64), axis=axes[0]))
    if axes != list(range(len(axes))):
        raise _refused("several arrays that are not the first entries")
    return str(graph.node("GatherND", name, _stacked(graph, index)[0]))


def _stacked(graph: Graph, index: list[Ref]) -> tuple[str, list[Any]]:
    """Arrays of places, broadcast and side by side; and the shape that they have in common."""
    ndim = max(len(graph.sizes(ref)) for ref in index)
    longest = next(ref for ref in index if len(graph.sizes(ref)) == ndim)
    shape: list[Any] = list(graph.sizes(longest))
    for ref in index:
        for axis, size in enumerate(reversed(graph.sizes(ref))):
            if size != 1:
                shape[ndim - 1 - axis] = size
    columns = [
        graph.node(
            "Unsqueeze",
            graph.node("Expand", graph.operand(ref, np.int64), graph.ints(shape)),
            graph.ints([-1]),
        )
        for ref in index
    ]
    return str(graph.node("Concat", *columns, axis=-1)), shape


def put(graph: Graph, array: Ref, key: Any, value: Any) -> str:
    """``array`` with ``array[key]`` replaced by ``value``."""
    is_mask = isinstance(key, Ref) and graph.dtype(key).kind == "b"
    if is_mask and isinstance(value, Ref) and graph.sizes(value):
        raise _refused("a mask, for several values,")
    return _replaced(graph, array, key, graph.operand(value, graph.dtype(array)))


def _replaced(graph: Graph, array: Ref, key: Any, value: str) -> str:
    name, sizes = graph.read(array), graph.sizes(array)
    if isinstance(key, Ref) and graph.dtype(key).kind == "b":
        return _masked(graph, array, key, value)
    parts = _parts(key, len(sizes))
    if any(isinstance(part, Ref) for part in parts):
        return _scattered(graph, name, parts, sizes, value)
    if any(part is None for part in parts):
        raise _refused("None in an assignment")
    partial = [axis for axis, part in enumerate(parts) if not _is_whole(part, sizes[axis])]
    if not partial:
        return str(graph.node("Expand", value, graph.ints(sizes)))
    places = [_places(parts[axis], sizes[axis]) for axis in partial]
    # The value in the shape of array[key], axes that a number picks included.
    shape = list(sizes)
    for axis, indices in zip(partial, places):
        shape[axis] = len(indices)
    kept = [size for size, part in zip(shape, parts) if isinstance(part, slice)]
    value = graph.node("Expand", value, graph.ints(kept))
    numbers = [axis for axis, part in enumerate(parts) if not isinstance(part, slice)]
    if numbers:
        value = graph.node("Unsqueeze", value, graph.ints(numbers))
    order = partial + [axis for axis in range(len(sizes)) if axis not in partial]
    grid = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).astype(np.int64)
    scattered = graph.node(
        "ScatterND",
        graph.node("Transpose", name, perm=order),
        graph.constant(grid),
        graph.node("Transpose", value, perm=order),
    )
    return str(graph.node("Transpose", scattered, perm=np.argsort(order).tolist()))


def _masked(graph: Graph, array: Ref, mask: Ref, value: str) -> str:
    """``array`` with ``value``, a number, where the mask holds."""
    more = len(graph.sizes(array)) - len(graph.sizes(mask))
    where = graph.read(mask)
    if more:
        where = graph.node("Unsqueeze", where, graph.ints(range(-more, 0)))
    return str(graph.node("Where", where, value, graph.read(array)))


def _places(part: Any, size: Any) -> list[int]:
    """Where a slice or number points to along an axis."""
    bounds = (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)
    if isinstance(size, Size) or any(isinstance(bound, Size) for bound in bounds):
        raise _refused("an assignment to some of the samples")
    if isinstance(part, slice):
        return list(range(*part.indices(size)))
    return [int(part) % size]


def _scattered(
    graph: Graph, name: str, parts: list[Any], sizes: Any, value: str, **options: Any
) -> str:
    """A value with what is at arrays of places replaced, or with ``reduction="add"`` added to."""
    index = [part for part in parts if isinstance(part, Ref)]
    rest = list(zip(parts, sizes))[len(index) :]
    if parts[: len(index)] != index or not all(_is_whole(part, size) for part, size in rest):
        raise _refused("arrays that are not the first entries of an assignment")
    where, shape = _stacked(graph, index)
    shaped = graph.node("Expand", value, graph.ints([*shape, *sizes[len(index) :]]))
    return str(graph.node("ScatterND", name, where, shaped, **options))


def added_at(graph: Graph, array: Ref, key: Any, value: Any) -> str:
    """``array`` after ``np.add.at(array, key, value)``."""
    sizes = graph.sizes(array)
    parts = _parts(key, len(sizes))
    if not any(isinstance(part, Ref) for part in parts):
        raise _refused("no array in numpy.add.at")
    name, added = graph.read(array), graph.operand(value, graph.dtype(array))
    return _scattered(graph, name, parts, sizes, added, reduction="add")


def put_back(graph: Graph, call: Call, whole: Ref, part: str) -> str:
    """``whole`` with the view that ``call`` makes of it replaced by ``part``."""
    if call.kind == "getitem":
        return _replaced(graph, whole, call.args[1], part)
    if call.name == "reshape":
        return str(graph.node("Reshape", part, graph.shape(graph.sizes(whole))))
    if call.name in ("transpose", "swapaxes"):
        from nnlite.export.onnx_calls import order_of

        order = order_of(graph, call)
        return str(graph.node("Transpose", part, perm=np.argsort(order).tolist()))
    raise unmapped(call, f"writing into the result of {call.name}")


def _refused(what: str) -> ExportError:
    return ExportError(
        f"to_onnx: indexing with {what} has no counterpart in ONNX that nnlite knows; use "
        "index_select, gather, where or masked_fill, or nnlite.export.to_numpy"
    )
