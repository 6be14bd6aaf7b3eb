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
        index = self.meta[1]
        steps = [i for i in (index if isinstance(index, tuple) else (index,)) if i is not Ellipsis]
        if len(steps) > 1:
            steps = [i for i in steps if i != slice(None)]
        if not steps:
            return "AliasBackward0"
        last = steps[-1]
        step = "Unsqueeze" if last is None else "Slice" if isinstance(last, slice) else "Select"
        return f"{step}Backward0"


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
    return index, not isinstance(index, (bool, np.bool_))


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
        index, replaced, shape_v = self.meta
        return (
            np.where(replaced, 0, g) if to_x else None,
            unbroadcast(g[index], shape_v) if to_v else None,
        )

    def name(self) -> str:
        index = self.meta[0]
        parts = index if isinstance(index, tuple) else (index,)
        arrays = any(hasattr(part, "dtype") for part in parts)
        return "IndexPutBackward0" if arrays else "CopySlices"


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

    index, _ = _arrays_in(index, input.array)
    source = value if isinstance(value, Tensor) else None
    if source is not None and source.array.size == 1 and source.array.ndim:
        source = reshape(source, ())  # one element fits everywhere, but only without dimensions
    records = claim("__setitem__", input, source)
    a = input.array
    new = source.array if source is not None else value
    if not records:
        a[index] = new
        change(input, "__setitem__")
        return
    replaced = np.zeros_like(a, dtype=bool)
    replaced[index] = True
    edges = (input._node, None if source is None else source._node)
    result = record(a, CopySlices, edges, (), (index, replaced, np.shape(new)))
    a[index] = new
    change(input, "__setitem__", result)


def add_at(target: Tensor, index: Any, value: Tensor) -> None:
    """``np.add.at`` on tensors: what the derivative of indexing is made of."""
    from nnlite.ops.inplace import change, claim

    index, _ = _arrays_in(index, target.array)
    records = claim("add_at", target, value)
    edges = (target._node, value._node)
    result = record(target.array, AddAtBackward, edges, (), index) if records else None
    np.add.at(target.array, index, value.array)
    change(target, "add_at", result)
