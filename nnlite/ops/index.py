"""Indexing: reading and writing parts of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, unbroadcast
from nnlite.ops.shape import reshape
from nnlite.tensor import Tensor


class IndexBackward0(Node):
    """y = x[i]:   ∂x = zeros with g added at i   (an element that was read twice gets both)"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape, index = self.meta
        grad = np.zeros_like(g, shape=shape)
        np.add.at(grad, index, g)
        return (grad,)


class BasicIndexBackward0(Node):
    """y = x[i], a view of a part:   ∂x = zeros with g at i"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape, index = self.meta
        grad = np.zeros_like(g, shape=shape)
        grad[index] = g
        return (grad,)

    def name(self) -> str:
        """torch's name of the last step: it takes an index apart into single operations."""
        shape, index = self.meta
        last = "Slice" if isinstance(index, slice) else _last_step(index, shape)
        return f"{last}Backward0"


def _last_step(index: Any, shape: tuple[int, ...]) -> str:
    """The last of the operations on views that torch takes an index apart into."""
    parts = index if isinstance(index, tuple) else (index,)
    lengths = [_dims_of(part) for part in parts]
    last, axis = "Alias", 0
    for part, dims in zip(parts, lengths):
        if part is Ellipsis:
            axis += len(shape) - sum(lengths)
        elif dims == 0:  # None, or a single bool
            last = "Unsqueeze"
        elif isinstance(part, slice):
            if not _is_whole(part, shape[axis]):  # which torch passes over
                last = "Slice"
        elif type(part) is int:
            last = "Select"
        axis += dims
    return last


def _dims_of(part: Any) -> int:
    """How many dimensions of a tensor a part of an index is for."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if getattr(part, "dtype", None) == np.bool_ else 1


def _is_whole(part: slice, length: int) -> bool:
    return (
        part.start in (None, 0)
        and (part.stop is None or part.stop >= length)
        and part.step in (None, 1)
    )


def _arrays_in(index: Any, a: Array) -> tuple[Any, bool]:
    """``index`` of ``a`` with arrays of a's kind in place of tensors, arrays and lists (copies,
    because the user may change them before the derivative reads them); whether it is a basic one,
    which gives a view."""
    if type(index) is tuple:
        parts = [_arrays_in(part, a) for part in index]
        return tuple(part for part, _ in parts), all(basic for _, basic in parts)
    if isinstance(index, (Tensor, list, np.ndarray)):
        if isinstance(index, list):
            array = np.asarray(index, dtype=None if index else np.int64)
        else:
            array = index.array if isinstance(index, Tensor) else index
        if array.dtype.kind not in "ib":
            raise IndexError(
                f"index: indices must be signed integers or bools, got {array.dtype}; use "
                "index.long(), or mask.bool()"
            )
        if array.ndim == 0 and array.dtype.kind != "b":
            return int(array), True
        return array.copy() if type(array) is type(a) else np.asarray(array, like=a), False
    if isinstance(index, slice) and any(
        isinstance(bound, Tensor) for bound in (index.start, index.stop, index.step)
    ):
        bounds = (index.start, index.stop, index.step)
        return slice(*(int(b) if isinstance(b, Tensor) else b for b in bounds)), True
    if isinstance(index, (bool, np.bool_)):
        return bool(index), False
    return int(index) if isinstance(index, np.integer) else index, True


def _in_steps(index: Any, ndim: int) -> tuple[Any, ...]:
    """``index`` as torch reads it: what is to be applied one after the other.

    Beside arrays NumPy counts an integer as one of them, and an Ellipsis as something between
    them even if it stands for no dimension; either can bring their dimension to the front. torch
    takes integers and slices first, then arrays.
    """
    if type(index) is not tuple:
        return (index,)
    basic: list[Any] = []
    arrays: list[Any] = []
    for part in index:
        if isinstance(part, bool) or hasattr(part, "dtype"):
            basic.extend([slice(None)] * _dims_of(part))
            arrays.append(part)
        else:
            basic.append(part)
            if type(part) is not int:
                arrays.append(Ellipsis if part is Ellipsis else slice(None))
    if sum(map(_dims_of, index)) == ndim:
        arrays = [part for part in arrays if part is not Ellipsis]
        index = tuple(part for part in index if part is not Ellipsis)
    if all(type(part) is not int for part in index):
        return (index,)
    if all(part is not Ellipsis for part in basic):
        basic.append(Ellipsis)  # a view, even of a single element
    return tuple(basic), tuple(arrays)


def getitem(input: Tensor, index: Any) -> Tensor:
    """``input[index]``: slices and integers give views; tensors of integers or bools give copies.

    Raises:
        IndexError: for an index that is out of range, or is no integer, bool, slice, ... or None.

    >>> import nnlite
    >>> x = nnlite.arange(6).reshape(2, 3)
    >>> x[:, 1], x[x > 3]
    (tensor([1, 4]), tensor([4, 5]))
    """
    a = input.array
    basic = type(index) is int or type(index) is slice
    if not basic:
        index, basic = _arrays_in(index, a)
        if not basic:
            *first, index = _in_steps(index, a.ndim)
            for step in first:
                input = getitem(input, step)
                a = input.array
    try:
        y = a[index]
    except IndexError as error:
        raise IndexError(f"index: {error} (shape {list(a.shape)})") from None
    if basic:
        if not isinstance(y, np.ndarray) and isinstance(y, np.generic):
            y = a[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        return record(y, BasicIndexBackward0, (input._node,), (), (a.shape, index))
    return record(y, IndexBackward0, (input._node,), (), (a.shape, index))


class CopySlices(Node):
    """y = x with x[i] replaced by v:   ∂x = g, 0 at i,   ∂v = g[i]"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_x, to_v = self.edges
        steps, replaced, shape_v, _ = self.meta
        part = g
        for step in steps:
            part = part[step]
        return (
            np.where(replaced, 0, g) if to_x else None,
            unbroadcast(part, shape_v) if to_v else None,
        )

    def name(self) -> str:
        steps, replaced, _, fills = self.meta
        index = steps[0]
        if len(steps) > 1 or _last_step(index, replaced.shape) != "Alias":
            return "CopySlices"
        if any(hasattr(part, "dtype") for part in (index if type(index) is tuple else (index,))):
            return "IndexPutBackward0"
        return "FillBackward3" if fills else "CopyBackwards"


class AddAtBackward(Node):
    """y = x with v added at x[i]:   ∂x = g,   ∂v = g[i]"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return g, g[self.meta]


def along(indices: Array, dim: int) -> tuple[Array, ...]:
    """``indices`` along ``dim`` as an index of the whole: each at its own place elsewhere."""
    shape = indices.shape
    places = []
    for axis, length in enumerate(shape):
        if axis == dim:
            places.append(indices)
        else:
            ones = (1,) * axis, (1,) * (len(shape) - axis - 1)
            steps = np.arange(length, like=indices).reshape((*ones[0], length, *ones[1]))
            places.append(np.broadcast_to(steps, shape))
    return tuple(places)


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, in place.

    Raises:
        RuntimeError: for a leaf that requires a gradient, and where it could not be differentiated.

    >>> import nnlite
    >>> x = nnlite.zeros(3)
    >>> x[1] = 5
    >>> x
    tensor([0., 5., 0.])
    """
    from nnlite.ops.inplace import change, claim

    index, basic = _arrays_in(index, input.array)
    source = value if isinstance(value, Tensor) else None
    fills = source is None or source.array.ndim == 0
    if source is not None and source.array.size == 1 and source.array.ndim:
        source = reshape(source, ())  # one element fits everywhere, but only without dimensions
    records = claim("__setitem__", input, source)
    a = input.array
    new = source.array if source is not None else value
    steps = (index,) if basic else _in_steps(index, a.ndim)
    if not records:
        _write(a, steps, new)
        change(input, "__setitem__")
        return
    replaced = np.zeros_like(a, dtype=bool)
    _write(replaced, steps, True)
    edges = (input._node, None if source is None else source._node)
    meta = (steps, replaced, np.shape(new), fills and a.ndim > 0)
    result = record(a, CopySlices, edges, (), meta)
    _write(a, steps, new)
    change(input, "__setitem__", result)


def _write(a: Array, steps: tuple[Any, ...], value: Any) -> None:
    *first, last = steps
    for step in first:
        a = a[step]
    a[last] = value


def add_at(target: Tensor, index: Any, value: Tensor) -> None:
    """``np.add.at`` on tensors: what the derivative of indexing is made of."""
    from nnlite.ops.inplace import change, claim

    index, _ = _arrays_in(index, target.array)
    records = claim("add_at", target, value)
    edges = (target._node, value._node)
    result = record(target.array, AddAtBackward, edges, (), index) if records else None
    np.add.at(target.array, index, value.array)
    change(target, "add_at", result)
