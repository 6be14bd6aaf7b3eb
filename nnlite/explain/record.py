"""recording: remembers of each operation where it was called, in which module, and with what.

While a ``with recording():`` block is active, ``nnlite.autograd.node.lookers`` has one entry more;
outside of such blocks nothing is remembered and nothing is paid.
"""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from nnlite.autograd.anomaly import Site, _operator_frames
from nnlite.autograd.engine import _reachable
from nnlite.autograd.function import Function
from nnlite.autograd.mutation import version
from nnlite.autograd.node import Edge, Node, lookers
from nnlite.tensor import DETACHED, NO_GRAD, AccumulateGrad, NoGraph, Tensor, detach_lookers

__all__ = [
    "Call",
    "Held",
    "Record",
    "cuts",
    "detached_at",
    "operand",
    "origin_of",
    "place_text",
    "record_of",
    "recorded_input",
    "recording",
    "uses_of",
]


class Held:
    """A tensor that an operator was given: its array, and which input of the node it was.

    ``source`` is the id of the array that ``array`` is a copy of, ``origin`` where that has been
    computed (None where it is not known).
    """

    __slots__ = ("array", "origin", "position", "source")

    def __init__(self, tensor: Tensor, position: int | None) -> None:
        self.array = _copy(tensor.array)
        self.position = position
        self.source = id(tensor.array)
        self.origin = origin_of(tensor.array)


class Call:
    """A call of an operator, with which it can be called again."""

    __slots__ = ("args", "function", "keywords")

    def __init__(
        self, function: Callable[..., Any], args: list[Any], keywords: dict[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.keywords = keywords

    def argument(self, name: str) -> Any:
        """What the operator was given under a name; None where it has no such argument."""
        code = getattr(self.function, "__code__", None)
        if code is not None and name in code.co_varnames[: code.co_argcount]:
            return self.args[code.co_varnames.index(name)]
        return self.keywords.get(name)


class Record:
    """What is remembered of an operation.

    Attributes:
        site: the modules around it and the user's lines.
        output: the array that it computed (of several the first).
        calls: the operators that were running, from the innermost to the outermost.
    """

    __slots__ = ("calls", "output", "site")

    def __init__(self, site: Site, output: Any, calls: list[Call]) -> None:
        self.site = site
        self.output = output
        self.calls = calls


_records: weakref.WeakKeyDictionary[Node, Record] = weakref.WeakKeyDictionary()


# For leaves the places where they were used, and where values without a graph came in.
_uses: weakref.WeakKeyDictionary[AccumulateGrad, list[Site]] = weakref.WeakKeyDictionary()
_cuts: list[tuple[str, Site]] = []
# Where detach() was called, and the leaves from which the tensor was computed.
_detached: list[tuple[weakref.WeakSet[AccumulateGrad], Site]] = []


def uses_of(leaf: Any) -> list[Site]:
    """The places where recordings have seen a leaf used."""
    return _uses.get(leaf, [])


def detached_at(leaf: Any) -> Site | None:
    """Where the last recording has first seen a detach() of what was computed from a leaf."""
    return next((site for leaves, site in _detached if leaf in leaves), None)


def cuts() -> list[tuple[str, Site]]:
    """What the last recording has seen cut, ``relu used a detached value``, and where."""
    return _cuts


def operand(node: Node, position: int) -> Any:
    """What a recording has seen an operator given as an operand: ``Held``, a number, or None.

    It tells what needs no gradient and what no derivative reads: x in x + b, or in a layer whose
    weight is frozen.
    """
    record = _records.get(node)
    if record is None or not record.calls:
        return None
    held = [given for given in record.calls[0].args if isinstance(given, Held)]
    if len(held) == len(node.edges) > 2:
        in_order = all(given.position in (None, place) for place, given in enumerate(held))
        return held[position] if in_order else None
    if len(node.edges) != 2:
        return None
    args = record.calls[0].args[:2]
    for place, other in enumerate(args if len(args) == 2 else ()):  # rsub has them exchanged
        if isinstance(other, Held) and other.position == 1 - position:
            return args[1 - place]
    return None


def recorded_input(record: Record, position: int) -> Any:
    """The array that an operator was given as an input of its node; None where it is not known."""
    for call in record.calls:
        for given in (*call.args, *call.keywords.values()):
            if isinstance(given, Held) and given.position == position:
                return given.array
    return None


def place_text(site: Site) -> str:
    """``train.py:12: h = encoder(x).detach()``"""
    import linecache

    if not site.lines:
        return "an unknown line"
    file, line, _ = site.lines[0]
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}{text and ': ' + text}"


def _note_cut(node_class: type[Node], frame: FrameType, what: str) -> None:
    if len(_cuts) < 100:
        site = Site(node_class, frame)
        _cuts.append((f"{site.operator} {what}", site))


def record_of(node: Node) -> Record | None:
    """What has been remembered of a node's operation."""
    return _records.get(node)


class recording:
    """Within this block, operations are remembered with their module, source line and values.

    ``explain`` then shows them, has the value of every intermediate result, and can run every
    operation again for its finite differences. It costs time and memory: for explaining, not for
    training.

    >>> import nnlite
    >>> w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    >>> with nnlite.explain.recording():
    ...     loss = (w * w).sum()
    >>> explanation = nnlite.explain(loss, names={"w": w})
    """

    def __enter__(self) -> recording:
        _cuts.clear()
        _uses.clear()
        _detached.clear()
        _origins.clear()
        lookers.append(self._look)
        detach_lookers.append(self._look_at_detach)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._look in lookers:
            lookers.remove(self._look)
        if self._look_at_detach in detach_lookers:
            detach_lookers.remove(self._look_at_detach)

    def _look_at_detach(self, tensor: Tensor) -> None:
        if not tensor._node or len(_detached) >= 100:
            return
        below = _reachable([tensor._node])
        leaves = weakref.WeakSet(edge for edge in below if type(edge) is AccumulateGrad)
        kind = type(tensor._node) if isinstance(tensor._node, Node) else Node
        _detached.append((leaves, Site(kind, sys._getframe(1))))

    def _look(self, out: Tensor, node_class: type[Node], edges: tuple[Edge, ...]) -> None:
        node = out._node
        frame = sys._getframe(2)
        _note_origin(out.array, node_class, frame)
        for edge in edges:
            if type(edge) is AccumulateGrad:
                _uses.setdefault(edge, []).append(Site(node_class, frame))
            elif isinstance(edge, NoGraph) and edge.origin is DETACHED:
                _note_cut(node_class, frame, "used a detached value")
        if not isinstance(node, Node):
            if node is NO_GRAD and any(edges):
                _note_cut(node_class, frame, "ran under no_grad")
            return
        calls = [c for f in _operator_frames(frame) if (c := _call(f, edges)) is not None]
        _records[node] = Record(Site(node_class, frame), _copy(out.array), calls)


# By the id of an array that owns its memory: a weak reference to it, and where it was computed.
_origins: dict[int, tuple[weakref.ref[Any], Site]] = {}
# What only puts elements elsewhere makes no other thing of data.
_MOVES = re.compile(
    r"(View|UnsafeView|Permute|Transpose|T|Squeeze|Unsqueeze|Expand|Repeat|Flip|Roll|Index|"
    r"BasicIndex|IndexSelect|Gather|Split|SplitWithSizes|Unbind|Cat|Stack|Clone|ToCopy|Copy)"
    r"Backwards?\d*"
)


def _owner(array: Any) -> Any:
    """The array whose memory an array is, or looks at."""
    while isinstance(getattr(array, "base", None), np.ndarray):
        array = array.base
    return array


def _note_origin(array: Any, node_class: type[Node], frame: FrameType) -> None:
    owner = _owner(array)
    if isinstance(owner, np.ndarray) and not _MOVES.fullmatch(node_class.__name__):
        key = id(owner)
        gone = weakref.ref(owner, lambda _: _origins.pop(key, None))
        _origins[key] = gone, Site(node_class, frame)


def origin_of(array: Any) -> Site | None:
    """Where the last recording has seen an array computed; None for what it has not."""
    owner = _owner(array)
    found = _origins.get(id(owner))
    return found[1] if found is not None and found[0]() is owner else None


# Copies of what later operations may change in place, each once for all that use it.
_copies: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


def _copy(array: Any) -> Any:
    """The values of an array as they are now."""
    place = array.__array_interface__["data"][0] if hasattr(array, "__array_interface__") else None
    if place is None:
        return array.copy()
    key = place, array.shape, array.strides, array.dtype.str, version(array)
    known = _copies.get(key)
    if known is None or not np.array_equal(known, array, equal_nan=array.dtype.kind in "fc"):
        known = _copies[key] = array.copy()
    return known


def _call(frame: FrameType, edges: tuple[Edge, ...]) -> Call | None:
    """The call of the operator that runs in ``frame``; None for a helper or a method."""
    code = frame.f_code
    values = frame.f_locals
    free = list(enumerate(edges))
    if code is Function.apply.__func__.__code__:  # type: ignore[attr-defined]
        return Call(values["cls"].apply, [_held(value, free) for value in values["args"]], {})
    if code.co_filename == Function.apply.__func__.__code__.co_filename:  # type: ignore[attr-defined]
        return None
    function: Any = frame.f_globals.get(code.co_name)
    if getattr(function, "__code__", None) is not code:
        return None
    names = code.co_varnames
    count, only = code.co_argcount, code.co_kwonlyargcount
    args = [_held(values.get(name), free) for name in names[:count]]
    keywords = {name: _held(values.get(name), free) for name in names[count : count + only]}
    rest = count + only
    if code.co_flags & 0x04:
        args += [_held(value, free) for value in values.get(names[rest], ())]
        rest += 1
    if code.co_flags & 0x08:
        keywords.update((k, _held(v, free)) for k, v in values.get(names[rest], {}).items())
    if any(isinstance(value, np.ndarray) and value.dtype.kind == "f" for value in args):
        return None  # a helper that gets an array beside its tensor
    return Call(function, args, keywords)


def _held(value: Any, free: list[tuple[int, Edge]]) -> Any:
    """An argument without its graph: holding a tensor would keep the graph alive in a cycle.

    Args:
        free: the inputs of the node that no argument has been found for yet.
    """
    if isinstance(value, Tensor):
        node = value._node
        found = next((pair for pair in free if pair[1] and pair[1] is node), None)
        if found is not None:
            free.remove(found)
        return Held(value, None if found is None else found[0])
    if type(value) in (tuple, list):
        return type(value)(_held(item, free) for item in value)
    return value
