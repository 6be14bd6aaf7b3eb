"""Reading and writing at indices along one dimension: gather, scatter and their relatives."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.index import IndexBackward0, along
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import broadcast_to, reshape
from nnlite.tensor import Tensor


def _indices(function: str, index: Any, a: Array) -> Array:
    """The array of an index, of a's kind; a copy: its owner may change it before backward reads."""
    array = array_of(function, index)
    if array.dtype.kind != "i":
        raise RuntimeError(f"{function}: index must be int64, got {array.dtype}; use index.long()")
    return array.copy() if type(array) is type(a) else np.asarray(array, like=a)


def _dim(function: str, a: Array, dim: int) -> int:
    ndim = max(a.ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"{function}: dimension {dim} is out of range for {a.ndim} dimensions")
    return int(dim % ndim)


def _read(function: str, a: Array, places: Any) -> Array:
    try:
        return a[places]
    except IndexError as error:
        raise IndexError(f"{function}: {error} (shape {list(a.shape)})") from None


class IndexSelectBackward0(IndexBackward0):
    """y = the slices of x at i:   ∂x = zeros with g added at i"""

    __slots__ = ()


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of ``input`` along ``dim`` at the positions in ``index``, a vector.

    >>> import nnlite
    >>> nnlite.index_select(nnlite.tensor([1.0, 2.0, 3.0]), 0, nnlite.tensor([2, 0]))
    tensor([3., 1.])
    """
    a = array_of("index_select", input)
    places = _indices("index_select", index, a)
    if places.ndim > 1:
        raise IndexError(f"index_select: index must be a vector, got shape {list(places.shape)}")
    dim = _dim("index_select", a, dim)
    where = (*(slice(None),) * dim, places.reshape((-1,)))
    y = _read("index_select", a, where)
    return record(y, IndexSelectBackward0, (input._node,), (), (a.shape, where))


class GatherBackward0(IndexBackward0):
    """yᵢ = x at index i of its line:   ∂x = zeros with g added there"""

    __slots__ = ()


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """For each place of ``index`` the element that it names along ``dim``, at the same place else.

    Args:
        index: integers, of as many dimensions as ``input``, none longer but ``dim``.

    >>> import nnlite
    >>> x = nnlite.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> nnlite.gather(x, 1, nnlite.tensor([[0], [1]]))
    tensor([[1.],
            [4.]])
    """
    a = array_of("gather", input)
    chosen = _indices("gather", index, a)
    _same_dims("gather", a, chosen)
    where = along(chosen, _dim("gather", a, dim))
    y = _read("gather", a, where)
    return record(y, GatherBackward0, (input._node,), (), (a.shape, where))


def _same_dims(function: str, a: Array, index: Array) -> None:
    if a.ndim != index.ndim:
        raise RuntimeError(
            f"{function}: index must have the {a.ndim} dimensions of input, got {index.ndim}"
        )


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """``gather`` that broadcasts ``indices``; without ``dim`` into the flat tensor.

    >>> import nnlite
    >>> nnlite.take_along_dim(nnlite.tensor([[1, 2], [3, 4]]), nnlite.tensor([3, 0]))
    tensor([4, 1])
    """
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    a, chosen = array_of("take_along_dim", input), array_of("take_along_dim", indices)
    dim = _dim("take_along_dim", a, dim)
    _same_dims("take_along_dim", a, chosen)
    pairs = list(zip(a.shape, chosen.shape))
    wide = [m if n == 1 else n for m, n in pairs]
    of_input = [m if axis == dim else w for axis, (w, (m, _)) in enumerate(zip(wide, pairs))]
    of_index = [n if axis == dim else w for axis, (w, (_, n)) in enumerate(zip(wide, pairs))]
    if tuple(of_input) != a.shape:
        input = broadcast_to(input, of_input)
    return gather(input, dim, broadcast_to(indices, of_index))


class ScatterBackward0(Node):
    """y = x with v written at i:   ∂x = g, 0 at i,   ∂v = g[i]"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_x, to_v = self.edges
        where, replaced, shape = self.meta
        return (
            np.where(replaced, 0, g) if to_x else None,
            _padded(g[where], shape) if to_v else None,
        )


class ScatterBackward1(ScatterBackward0):
    """y = x with a number written at i:   ∂x = g, 0 at i"""

    __slots__ = ()


def _padded(g: Any, shape: tuple[int, ...]) -> Any:
    """``g`` with zeros behind it, up to ``shape``: what was not written has no gradient."""
    if g.shape == shape:
        return g
    whole = np.zeros_like(g, shape=shape)
    whole[tuple(slice(0, n) for n in g.shape)] = g
    return whole


def _source(function: str, src: Tensor, index: Array) -> tuple[Array, Array]:
    """The array of a source, and the part of it that ``index`` asks for."""
    array = array_of(function, src)
    if array.ndim != index.ndim or any(m < n for m, n in zip(array.shape, index.shape)):
        raise RuntimeError(
            f"{function}: src {list(array.shape)} is smaller than index {list(index.shape)}"
        )
    return array, array[tuple(slice(0, n) for n in index.shape)]


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None
) -> Tensor:
    """A copy of ``input`` with elements of ``src`` (or a number) at the places in ``index``.

    Where places occur several times one of the elements is written.

    >>> import nnlite
    >>> nnlite.scatter(nnlite.zeros(3), 0, nnlite.tensor([2, 0]), nnlite.tensor([5.0, 6.0]))
    tensor([6., 0., 5.])
    """
    a = array_of("scatter", input)
    chosen = _indices("scatter", index, a)
    _same_dims("scatter", a, chosen)
    where = along(chosen, _dim("scatter", a, dim))
    new = value if src is None else src
    y = a.copy()
    replaced = np.zeros_like(a, dtype=bool)
    replaced[where] = True
    if not isinstance(new, Tensor):
        y[where] = new
        return record(y, ScatterBackward1, (input._node, None), (), (where, replaced, ()))
    source, part = _source("scatter", new, chosen)
    if source.dtype != a.dtype:
        raise RuntimeError(f"scatter: input is {a.dtype}, src {source.dtype}; they must be equal")
    y[where] = part
    meta = (where, replaced, source.shape)
    return record(y, ScatterBackward0, (input._node, new._node), (), meta)


class ScatterAddBackward0(Node):
    """y = x with v added at i:   ∂x = g,   ∂v = g[i]"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_x, to_v = self.edges
        where, shape = self.meta
        return g if to_x else None, _padded(g[where], shape) if to_v else None


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy of ``input`` with ``src`` added at the places that ``index`` names along ``dim``.

    >>> import nnlite
    >>> nnlite.scatter_add(nnlite.zeros(2), 0, nnlite.tensor([1, 1]), nnlite.tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    a = array_of("scatter_add", input)
    chosen = _indices("scatter_add", index, a)
    _same_dims("scatter_add", a, chosen)
    where = along(chosen, _dim("scatter_add", a, dim))
    source, part = _source("scatter_add", src, chosen)
    if source.dtype != a.dtype:
        raise RuntimeError(f"scatter_add: input is {a.dtype}, src {source.dtype}; convert one")
    y = a.copy()
    np.add.at(y, where, part)
    edges = (input._node, src._node)
    return record(y, ScatterAddBackward0, edges, (), (where, source.shape))


class IndexAddBackward0(Node):
    """y = x with α v added at the slices i:   ∂x = g,   ∂v = α g[i]"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        to_x, to_v = self.edges
        where, alpha = self.meta
        return g if to_x else None, g[where] * alpha if to_v else None


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """A copy of ``input`` with ``alpha * source`` added to the slices that ``index`` names.

    >>> import nnlite
    >>> nnlite.index_add(nnlite.zeros(2), 0, nnlite.tensor([1, 1]), nnlite.tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    a = array_of("index_add", input)
    places = _indices("index_add", index, a)
    values = array_of("index_add", source)
    dim = _dim("index_add", a, dim)
    if values.dtype != a.dtype:
        raise RuntimeError(f"index_add: input is {a.dtype}, source {values.dtype}; convert one")
    wanted = (*a.shape[:dim], places.size, *a.shape[dim + 1 :])
    if values.shape != wanted or places.ndim > 1:
        raise RuntimeError(
            f"index_add: source must have the shape {list(wanted)}, got {list(values.shape)}"
        )
    where = (*(slice(None),) * dim, places)
    y = a.copy()
    np.add.at(y, where, values if alpha == 1 else values * alpha)
    return record(y, IndexAddBackward0, (input._node, source._node), (), (where, alpha))


class MaskedSelectBackward0(IndexBackward0):
    """y = x where the mask holds:   ∂x = g there, 0 elsewhere"""

    __slots__ = ()


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` holds, in one dimension; both broadcast.

    >>> import nnlite
    >>> x = nnlite.tensor([1.0, -2.0, 3.0])
    >>> nnlite.masked_select(x, x > 0)
    tensor([1., 3.])
    """
    a, chosen = array_of("masked_select", input), array_of("masked_select", mask)
    if chosen.dtype != np.bool_:
        raise RuntimeError(f"masked_select: mask must be bool, got {chosen.dtype}")
    shape = np.broadcast_shapes(a.shape, chosen.shape)
    if shape != a.shape:
        input = broadcast_to(input, shape)
        a = input.array
    where = (np.broadcast_to(chosen, shape).copy(),)
    return record(a[where], MaskedSelectBackward0, (input._node,), (), (a.shape, where))
