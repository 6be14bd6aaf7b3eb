"""Order: sorting, the largest, the middle, what occurs, what is not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.extremes import ValuesIndices
from nnlite.ops.index import IndexBackward0, along
from nnlite.ops.operands import Array, array_of, kept, no_bools
from nnlite.ops.reduce import axes_of
from nnlite.tensor import Tensor, wrap


def _dim(function: str, a: Array, dim: int) -> int:
    """``dim`` counted from 0; a number may be taken for a vector of one."""
    ndim = max(a.ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"{function}: dimension {dim} is out of range for {a.ndim} dimensions")
    return int(dim % ndim)


def _ranks(a: Array, dim: int, descending: bool) -> Array:
    """The indices that sort ``a`` along ``dim``, equal ones in their order, NaN as the largest."""
    if not descending:
        return np.argsort(a, axis=dim, kind="stable")
    back = (*(slice(None),) * dim, slice(None, None, -1))
    return a.shape[dim] - 1 - np.argsort(a[back], axis=dim, kind="stable")[back]


def _taken(input: Tensor, a: Array, indices: Array, dim: int, node: Any) -> ValuesIndices:
    """The elements at ``indices`` along ``dim``, and the indices."""
    places = along(indices, dim)
    values = record(a[places], node, (input._node,), (), (a.shape, places))
    return ValuesIndices(values, wrap(indices))


def _of_number(input: Tensor, a: Array, node: Any) -> ValuesIndices:
    """A number is in order, the largest, and in the middle."""
    values = record(a.copy(), node, (input._node,), (), ((), (...,)))
    return ValuesIndices(values, wrap(np.zeros_like(a, dtype=np.int64)))


class SortBackward0(IndexBackward0):
    """y = x in order:   ∂x = g, put back in place"""

    __slots__ = ()


class SortBackward1(SortBackward0):
    """y = x in order, equal ones as they were:   ∂x = g, put back in place"""

    __slots__ = ()


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The elements along ``dim`` in order, and where they were (values, indices).

    Equal elements keep their order, also without ``stable``; NaN counts as the largest.

    >>> import nnlite
    >>> nnlite.sort(nnlite.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    a = array_of("sort", input)
    dim = _dim("sort", a, dim)
    node = SortBackward1 if stable else SortBackward0
    if not a.ndim:
        return _of_number(input, a, node)
    return _taken(input, a, _ranks(a, dim, descending), dim, node)


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that sort ``input`` along ``dim``.

    >>> import nnlite
    >>> nnlite.argsort(nnlite.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    return sort(input, dim, descending).indices


class TopkBackward0(IndexBackward0):
    """y = the k largest of x:   ∂x = g where they were, 0 elsewhere"""

    __slots__ = ()


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The ``k`` largest (or smallest) elements along ``dim`` in order, and where they were.

    >>> import nnlite
    >>> nnlite.topk(nnlite.tensor([3.0, 1.0, 2.0]), 2).values
    tensor([3., 2.])
    """
    a = array_of("topk", input)
    dim = _dim("topk", a, dim)
    if not 0 <= k <= (a.shape[dim] if a.ndim else 1):
        raise RuntimeError(f"topk: k = {k} is out of range for shape {list(a.shape)}, dim {dim}")
    if not a.ndim:
        return _of_number(input, a, TopkBackward0)
    first = (*(slice(None),) * dim, slice(None, k))
    return _taken(input, a, _ranks(a, dim, largest)[first], dim, TopkBackward0)


class MedianBackward0(Node):
    """y = the middle of x:   ∂x = g [x = y] / (number of such x)"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (hit,) = self.saved
        return (kept(np.broadcast_to(g / hit.sum(dtype=g.dtype), hit.shape), hit),)


class MedianBackward1(IndexBackward0):
    """y = the middle of x along a dimension:   ∂x = g where it was, 0 elsewhere"""

    __slots__ = ()


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The element in the middle, the lower one of two; with ``dim``: (values, indices) along it.

    NaN where there is one.

    >>> import nnlite
    >>> nnlite.median(nnlite.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    a = array_of("median", input)
    no_bools("median", a)
    flat = a.reshape((-1,)) if dim is None else a
    axis = 0 if dim is None else _dim("median", a, dim)
    if not a.ndim and dim is not None:
        return _of_number(input, a, MedianBackward1)
    if not flat.shape[axis]:
        if dim is None and a.dtype.kind == "f":
            return wrap(np.full_like(a, np.nan, shape=()))
        raise IndexError(f"median: nothing to choose from, shape {list(a.shape)}")
    ranks = _ranks(flat, axis, False)
    before = (slice(None),) * axis
    middle = ranks[(*before, slice((flat.shape[axis] - 1) // 2, (flat.shape[axis] + 1) // 2))]
    if a.dtype.kind == "f":
        # The first NaN is the largest of all.
        nan = np.isnan(flat)
        has_nan = nan.any(axis=axis, keepdims=True)
        middle = np.where(has_nan, nan.argmax(axis=axis, keepdims=True), middle)
    if dim is None:
        y = flat[along(middle, 0)].reshape(())
        hit = (a == y) | (np.isnan(a) & np.isnan(y))
        return record(y, MedianBackward0, (input._node,), (hit,))
    if keepdim:
        return _taken(input, a, middle, axis, MedianBackward1)
    places = tuple(place.reshape(_without(place.shape, axis)) for place in along(middle, axis))
    return ValuesIndices(
        record(a[places], MedianBackward1, (input._node,), (), (a.shape, places)),
        wrap(middle[(*before, 0)]),
    )


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in order (or slices along ``dim``); no gradient.

    Args:
        return_inverse: also the index of each element of ``input`` in the result.
        return_counts: also how often each occurs.

    >>> import nnlite
    >>> nnlite.unique(nnlite.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    a = array_of("unique", input)
    values, inverse, counts = np.unique(
        a, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    found = [wrap(values)]
    if return_inverse:
        found.append(wrap(inverse.reshape(a.shape if dim is None else (a.shape[dim],))))
    if return_counts:
        found.append(wrap(counts))
    return found[0] if len(found) == 1 else tuple(found)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not zero, one row each; or a tensor for each dimension.

    >>> import nnlite
    >>> nnlite.nonzero(nnlite.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    places = np.argwhere(array_of("nonzero", input))
    if not as_tuple:
        return wrap(places)
    if not places.shape[1]:
        return (wrap(np.zeros_like(places, shape=(places.shape[0],))),)
    return tuple(wrap(places[:, i]) for i in range(places.shape[1]))


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not zero, of all or along dimensions.

    >>> import nnlite
    >>> nnlite.count_nonzero(nnlite.tensor([0, 1, 2]))
    tensor(2)
    """
    return wrap((array_of("count_nonzero", input) != 0).sum(axis=axes_of(dim, None)))
