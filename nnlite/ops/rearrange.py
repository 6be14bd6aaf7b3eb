"""Rearranging whole tensors: repeated, reversed, rolled, one part of them, as grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.convert import clone
from nnlite.ops.index import getitem
from nnlite.ops.lookup import index_select
from nnlite.ops.operands import Array, array_of
from nnlite.ops.shape import (
    broadcast_to,
    checked_dim,
    permute,
    reshape,
    sizes_of,
    unsqueeze,
    view,
)
from nnlite.tensor import Tensor, wrap

# ---- other forms of reshape, permute and expand -------------------------------------------------


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.view(other.shape)``."""
    return view(input, array_of("view_as", other).shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.reshape(other.shape)``."""
    return reshape(input, array_of("reshape_as", other).shape)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``input.expand(other.shape)``."""
    return broadcast_to(input, array_of("expand_as", other).shape)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension made into several; one size may be -1.

    >>> import nnlite
    >>> nnlite.unflatten(nnlite.zeros(2, 6), 1, (3, -1)).shape
    nnlite.Size([2, 3, 2])
    """
    a = array_of("unflatten", input)
    dim = checked_dim("unflatten", dim, a.ndim)
    known, wanted = 1, list(sizes)
    for size in wanted:
        known *= 1 if size == -1 else size
    if -1 in wanted and known:
        wanted[wanted.index(-1)] = a.shape[dim] // known
    total = 1
    for size in wanted:
        total *= size
    if total != a.shape[dim]:
        raise RuntimeError(f"unflatten: {list(sizes)} do not multiply to {a.shape[dim]}")
    return reshape(input, (*a.shape[:dim], *wanted, *a.shape[dim + 1 :]))


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension, in row-major order.

    >>> import nnlite
    >>> nnlite.ravel(nnlite.zeros(2, 3)).shape
    nnlite.Size([6])
    """
    return reshape(input if array_of("ravel", input).flags.c_contiguous else clone(input), -1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in their order (a view).

    >>> import nnlite
    >>> nnlite.movedim(nnlite.zeros(2, 3, 4), 0, 2).shape
    nnlite.Size([3, 4, 2])
    """
    ndim = array_of("movedim", input).ndim
    old = [source] if isinstance(source, int) else list(source)
    new = [destination] if isinstance(destination, int) else list(destination)
    old = [checked_dim("movedim", d, ndim or 1) for d in old]
    new = [checked_dim("movedim", d, ndim or 1) for d in new]
    if len(old) != len(new) or len(set(old)) < len(old) or len(set(new)) < len(new):
        raise RuntimeError(f"movedim: {source} cannot be moved to {destination}")
    order = [d for d in range(ndim) if d not in old]
    for place, dim in sorted(zip(new, old)):
        order.insert(place, dim)
    return permute(input, *order[:ndim])


# ---- repetition ---------------------------------------------------------------------------------


class RepeatBackward0(Node):
    """y = x, several times:   ∂x = the sum of the parts of g"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        shape, repeats = self.meta
        lead = len(repeats) - len(shape)
        padded = (1,) * lead + shape
        apart = tuple(size for pair in zip(repeats, padded) for size in pair)
        total = g.reshape(apart).sum(axis=tuple(range(0, 2 * len(repeats), 2)))
        return (total.reshape(shape),)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The whole tensor repeated along each dimension; more repeats than dimensions add some before.

    >>> import nnlite
    >>> nnlite.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    a = array_of("repeat", input)
    counts = sizes_of(repeats)
    if len(counts) < a.ndim or any(count < 0 for count in counts):
        raise RuntimeError(
            f"repeat: {list(counts)} must name a count, not negative, for each dimension of "
            f"{list(a.shape)}"
        )
    y = np.tile(a, counts)
    if not counts:
        y = a.copy()
    return record(y, RepeatBackward0, (input._node,), (), (a.shape, counts))


def tile(input: Tensor, *counts: Any, dims: Any = None) -> Tensor:
    """``repeat`` that takes 1 for the counts of leading dimensions that are not named.

    >>> import nnlite
    >>> nnlite.tile(nnlite.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    counts = sizes_of(counts if dims is None else (dims,))
    return repeat(input, (1,) * (array_of("tile", input).ndim - len(counts)) + counts)


def repeat_interleave(input: Tensor, repeats: Any, dim: int | None = None) -> Tensor:
    """Each element (or slice along ``dim``) repeated.

    Args:
        repeats: how often; a number for all or a tensor with one for each.

    >>> import nnlite
    >>> nnlite.repeat_interleave(nnlite.tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if dim is None:
        input, dim = ravel(input), 0
    a = array_of("repeat_interleave", input)
    dim = checked_dim("repeat_interleave", dim, a.ndim)
    if isinstance(repeats, Tensor) and repeats.array.size == 1:
        repeats = int(repeats.item())
    if not isinstance(repeats, int):
        counts = array_of("repeat_interleave", repeats)
        if type(counts) is not type(a):
            counts = np.asarray(counts, like=a)
        indices = np.repeat(np.arange(a.shape[dim], like=a), counts)
        return index_select(input, dim, wrap(indices))
    wide = unsqueeze(input, dim + 1)
    shape = wide.array.shape
    copies = clone(broadcast_to(wide, (*shape[: dim + 1], repeats, *shape[dim + 2 :])))
    return reshape(copies, (*a.shape[:dim], a.shape[dim] * repeats, *a.shape[dim + 1 :]))


# ---- order --------------------------------------------------------------------------------------


class FlipBackward0(Node):
    """y = x, reversed along dimensions:   ∂x = g, reversed back"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g[self.meta],)


def flip(input: Tensor, *axes: Any, dims: Any = None) -> Tensor:
    """The elements in reverse order along dimensions (a copy).

    >>> import nnlite
    >>> nnlite.flip(nnlite.tensor([1, 2, 3]), (0,))
    tensor([3, 2, 1])
    """
    a = array_of("flip", input)
    given = sizes_of(axes if dims is None else (dims,))
    wanted = {checked_dim("flip", dim, a.ndim) for dim in given}
    back = (*(slice(None, None, -1 if dim in wanted else 1) for dim in range(a.ndim)), ...)
    return record(a[back].copy(), FlipBackward0, (input._node,), (), back)


class RollBackward0(Node):
    """y = x, moved on along dimensions:   ∂x = g, moved back"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        shifts, dims = self.meta
        return (np.roll(g, tuple(-s for s in shifts) if dims is not None else -shifts, dims),)


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """The elements moved on by ``shifts`` along ``dims``; those at the end come back at the start.

    >>> import nnlite
    >>> nnlite.roll(nnlite.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    a = array_of("roll", input)
    if dims is None:
        shifts = int(shifts if isinstance(shifts, int) else sum(shifts))
    else:
        shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
        dims = (dims,) if isinstance(dims, int) else tuple(dims)
        dims = tuple(checked_dim("roll", dim, a.ndim) for dim in dims)
        if len(shifts) != len(dims):
            raise RuntimeError(f"roll: {len(shifts)} shifts for {len(dims)} dimensions")
    y = np.roll(a, shifts, dims)
    return record(y, RollBackward0, (input._node,), (), (shifts, dims))


# ---- one part -----------------------------------------------------------------------------------


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` elements along ``dim`` from ``start`` on (a view).

    >>> import nnlite
    >>> nnlite.narrow(nnlite.arange(5), 0, 1, 2)
    tensor([1, 2])
    """
    a = array_of("narrow", input)
    dim = checked_dim("narrow", dim, a.ndim)
    start = start + a.shape[dim] if start < 0 else start
    if not 0 <= start <= start + length <= a.shape[dim]:
        raise RuntimeError(
            f"narrow: {length} elements from {start} on exceed {a.shape[dim]} in dimension {dim}"
        )
    part = slice(start, start + length)
    if length == a.shape[dim]:
        part = slice(-length, None)  # the same; the node's name is then a slice's, as torch's
    return getitem(input, (*(slice(None),) * dim, part))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at ``index`` along ``dim``, which goes away (a view).

    >>> import nnlite
    >>> nnlite.select(nnlite.tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    dim = checked_dim("select", dim, array_of("select", input).ndim)
    return getitem(input, (*(slice(None),) * dim, index))


# ---- grids --------------------------------------------------------------------------------------


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid: for vectors of lengths m, n, … as many tensors of shape (m, n, …).

    Args:
        indexing: ``"ij"``, or ``"xy"`` to exchange the first two dimensions.

    >>> import nnlite
    >>> nnlite.meshgrid(nnlite.tensor([1, 2]), nnlite.tensor([3, 4]))[1]
    tensor([[3, 4],
            [3, 4]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    vectors = [array_of("meshgrid", x) for x in tensors]
    if any(a.ndim > 1 for a in vectors):
        raise RuntimeError(
            f"meshgrid: expected vectors, got shapes {[list(a.shape) for a in vectors]}"
        )
    places = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        places[:2] = [1, 0]
    shape = [0] * len(vectors)
    for a, place in zip(vectors, places):
        shape[place] = a.size
    grids = []
    for x, place in zip(tensors, places):
        sizes = [-1 if i == place else 1 for i in range(len(vectors))]
        grids.append(broadcast_to(reshape(x, sizes), shape))
    return tuple(grids)
