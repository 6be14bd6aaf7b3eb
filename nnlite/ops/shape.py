"""Shape operators: the same elements in another arrangement. Most return views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.layout import is_laid_out
from nnlite.ops.operands import Array, array_of, unbroadcast
from nnlite.tensor import Tensor


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return tuple(map(int, sizes))


class ViewBackward0(Node):
    """y = x in another shape:   ∂x = g in the shape of x"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (g.reshape(self.meta),)


class UnsafeViewBackward0(ViewBackward0):
    """y = a copy of x in another shape:   ∂x = g in the shape of x"""

    __slots__ = ()
    is_view = False


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """The same elements in row-major order in another shape; one size may be -1.

    Returns a view where the memory allows it, else a copy.

    >>> import nnlite
    >>> nnlite.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    a = array_of("reshape", input)
    y = _reshaped(a, sizes_of(sizes if shape is None else (shape,)))
    if not y.size or np.may_share_memory(a, y):
        return record(y, ViewBackward0, (input._node,), (), a.shape)
    return record(y, UnsafeViewBackward0, (input._node,), (), a.shape)


def _reshaped(a: Array, sizes: tuple[int, ...]) -> Array:
    try:
        return a.reshape(sizes)
    except ValueError:
        raise RuntimeError(
            f"reshape: {a.size} elements of shape {list(a.shape)} do not fit {list(sizes)}"
        ) from None


def unsafe_view(input: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """``reshape`` of what an operator has just computed and nobody else holds.

    Its node does not count as a view of it, so it can be changed in place.
    """
    a = array_of("reshape", input)
    return record(_reshaped(a, sizes), UnsafeViewBackward0, (input._node,), (), a.shape)


def view(input: Tensor, *shape: Any) -> Tensor:
    """``reshape`` that never copies.

    Images that a convolution has laid out in memory in an order of its own are brought into
    row-major order first.

    Raises:
        RuntimeError: when the memory layout does not allow it.

    >>> import nnlite
    >>> nnlite.arange(6).view(3, 2).shape
    nnlite.Size([3, 2])
    """
    out = reshape(input, *shape)
    if input.array.size and not np.may_share_memory(input.array, out.array):
        if is_laid_out(input.array):
            input.array = input.array.copy()
            return reshape(input, *shape)
        raise RuntimeError(
            "view: the elements do not lie in the order that this shape needs; use reshape(), "
            "which copies then"
        )
    return out


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions ``start_dim`` to ``end_dim`` joined into one.

    >>> import nnlite
    >>> nnlite.zeros(2, 3, 4).flatten(1).shape
    nnlite.Size([2, 12])
    """
    shape = array_of("flatten", input).shape
    ndim = len(shape)
    if ndim == 0:
        return reshape(input, 1)
    start, end = checked_dim("flatten", start_dim, ndim), checked_dim("flatten", end_dim, ndim)
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
    if start == end:
        return input
    joined = 1
    for length in shape[start : end + 1]:
        joined *= length
    return reshape(input, (*shape[:start], joined, *shape[end + 1 :]))


def checked_dim(function: str, dim: int, ndim: int) -> int:
    """``dim`` counted from 0; IndexError when there is no such dimension."""
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"{function}: dimension {dim} is out of range for a tensor of {ndim} dimensions"
        )
    return dim % ndim


class PermuteBackward0(Node):
    """y = x with its dimensions in another order:   ∂x = g with them back in place"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Array) -> tuple[Array, ...]:
        back = [0] * len(self.meta)
        for place, dim in enumerate(self.meta):
            back[dim] = place
        return (g.transpose(tuple(back)),)


class TransposeBackward0(PermuteBackward0):
    """y = x with two dimensions exchanged:   ∂x = g with them exchanged"""

    __slots__ = ()


class TBackward0(PermuteBackward0):
    """y = xᵀ:   ∂x = gᵀ"""

    __slots__ = ()


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order (a view).

    >>> import nnlite
    >>> nnlite.zeros(2, 3, 4).permute(2, 0, 1).shape
    nnlite.Size([4, 2, 3])
    """
    a = array_of("permute", input)
    given = sizes_of(order if dims is None else (dims,))
    order = tuple(checked_dim("permute", dim, a.ndim) for dim in given)
    if sorted(order) != list(range(a.ndim)):
        raise RuntimeError(f"permute: {list(given)} does not name each of {a.ndim} dimensions once")
    return record(a.transpose(order), PermuteBackward0, (input._node,), (), order)


def transpose(input: Tensor, *dims: Any, dim0: Any = None, dim1: Any = None) -> Tensor:
    """Two dimensions exchanged (a view).

    Without arguments the dimensions are reversed, with one tuple brought into that order (NumPy).

    >>> import nnlite
    >>> nnlite.zeros(2, 3, 4).transpose(0, 2).shape
    nnlite.Size([4, 3, 2])
    """
    a = array_of("transpose", input)
    dims = (*dims, *(dim for dim in (dim0, dim1) if dim is not None))
    if len(dims) != 2:
        return permute(input, *(dims or range(a.ndim)[::-1]))
    first, second = (checked_dim("transpose", dim, a.ndim or 1) for dim in dims)
    order = list(range(a.ndim))
    if order:
        order[first], order[second] = second, first
    return record(a.transpose(order), TransposeBackward0, (input._node,), (), tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is.

    >>> import nnlite
    >>> nnlite.zeros(2, 3).t().shape
    nnlite.Size([3, 2])
    """
    a = array_of("t", input)
    if a.ndim > 2:
        raise RuntimeError(f"t: expected a matrix, got {a.ndim} dimensions; use transpose or mT")
    order = (1, 0) if a.ndim == 2 else tuple(range(a.ndim))
    return record(a.T, TBackward0, (input._node,), (), order)


def reverse_dims(input: Tensor) -> Tensor:
    """``tensor.T``: the dimensions in reverse order."""
    return permute(input, *range(input.array.ndim)[::-1])


def matrix_transpose(input: Tensor) -> Tensor:
    """``tensor.mT``: the last two dimensions exchanged."""
    return transpose(input, -2, -1)


class UnsqueezeBackward0(ViewBackward0):
    """y = x with a dimension of length 1 more:   ∂x = g without it"""

    __slots__ = ()


class SqueezeBackward0(ViewBackward0):
    """y = x without dimensions of length 1:   ∂x = g with them"""

    __slots__ = ()


class SqueezeBackward1(SqueezeBackward0):
    """y = x without one dimension of length 1:   ∂x = g with it"""

    __slots__ = ()


class SqueezeBackward2(SqueezeBackward0):
    """y = x without some dimensions of length 1:   ∂x = g with them"""

    __slots__ = ()


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of length 1 inserted at ``dim`` (a view).

    >>> import nnlite
    >>> nnlite.zeros(3).unsqueeze(1).shape
    nnlite.Size([3, 1])
    """
    a = array_of("unsqueeze", input)
    place = checked_dim("unsqueeze", dim, a.ndim + 1)
    y = a.reshape((*a.shape[:place], 1, *a.shape[place:]))
    return record(y, UnsqueezeBackward0, (input._node,), (), a.shape)


def squeeze(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Dimensions of length 1 removed: all, or those named by ``dim`` (a view).

    >>> import nnlite
    >>> nnlite.zeros(3, 1).squeeze(1).shape
    nnlite.Size([3])
    """
    a = array_of("squeeze", input)
    node: type[Node]
    if dim is None:
        node, named = SqueezeBackward0, set(range(a.ndim))
    elif isinstance(dim, int):
        node, named = SqueezeBackward1, {checked_dim("squeeze", dim, a.ndim or 1)}
    else:
        node, named = SqueezeBackward2, {checked_dim("squeeze", d, a.ndim) for d in dim}
    shape = tuple(n for place, n in enumerate(a.shape) if n != 1 or place not in named)
    return record(a.reshape(shape), node, (input._node,), (), a.shape)


class ExpandBackward0(Node):
    """y = x repeated to a larger shape:   ∂x = g, summed over the repetitions"""

    __slots__ = ()
    is_view = True

    def backward(self, g: Array) -> tuple[Array, ...]:
        return (unbroadcast(g, self.meta),)


def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Dimensions of length 1 repeated to ``sizes`` without copying; -1 keeps a size.

    >>> import nnlite
    >>> nnlite.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    a = array_of("expand", input)
    wanted = sizes_of(sizes if size is None else (size,))
    lead = len(wanted) - a.ndim
    if lead < 0 or -1 in wanted[:lead]:
        raise RuntimeError(f"expand: {list(a.shape)} cannot become {list(wanted)}")
    shape = tuple(a.shape[i - lead] if n == -1 else n for i, n in enumerate(wanted))
    return broadcast_to(input, shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """``input`` repeated to ``size`` by the rules of broadcasting, without copying.

    >>> import nnlite
    >>> nnlite.broadcast_to(nnlite.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    a = array_of("broadcast_to", input)
    try:
        y = np.broadcast_to(a, tuple(size))
    except ValueError:
        raise RuntimeError(
            f"broadcast_to: {list(a.shape)} cannot be repeated to {list(size)}"
        ) from None
    return record(y, ExpandBackward0, (input._node,), (), a.shape)
