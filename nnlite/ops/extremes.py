"""The largest and the smallest elements, and where they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.operands import Array, array_of, kept
from nnlite.ops.reduce import Dim, axes_of, count_of, restore
from nnlite.tensor import Tensor, as_array, wrap


class ValuesIndices(NamedTuple):
    """What ``max`` and ``min`` over one dimension return."""

    values: Tensor
    indices: Tensor


class AmaxBackward0(Node):
    """y = max x:   ∂x = g [x = y] / (number of such x)"""

    __slots__ = ()
    lifts = (0, "y")

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        shape, axis, keepdim = self.meta
        hit = x == restore(y, shape, axis, keepdim)
        count = hit.sum(axis=axis, keepdims=True)
        return (restore(g, shape, axis, keepdim) * hit / count.astype(g.dtype),)


class AminBackward0(AmaxBackward0):
    """y = min x:   ∂x = g [x = y] / (number of such x)"""

    __slots__ = ()


class MaxBackward1(AmaxBackward0):
    """y = max x:   ∂x = g [x = y] / (number of such x)   (of NaNs, where there are any)"""

    __slots__ = ()

    def backward(self, g: Array) -> tuple[Array, ...]:
        x, y = self.saved
        hit = (x == y) | np.isnan(x)
        return (kept(np.broadcast_to(g / hit.sum().astype(g.dtype), x.shape), hit),)


class MinBackward1(MaxBackward1):
    """y = min x:   ∂x = g [x = y] / (number of such x)   (of NaNs, where there are any)"""

    __slots__ = ()


class MaxBackward0(Node):
    """y = max x over a dimension:   ∂x = g at the place of the maximum, 0 elsewhere"""

    __slots__ = ()
    lifts = (None,)

    def backward(self, g: Array) -> tuple[Array, ...]:
        (indices,) = self.saved
        shape, axis, keepdim = self.meta
        if not shape:
            return (g,)
        places = np.arange(shape[axis], like=indices).reshape(
            tuple(-1 if i == axis % len(shape) else 1 for i in range(len(shape)))
        )
        hit = places == np.expand_dims(indices, axis)
        return (kept(restore(g, shape, axis, keepdim), hit),)


class MinBackward0(MaxBackward0):
    """y = min x over a dimension:   ∂x = g at the place of the minimum, 0 elsewhere"""

    __slots__ = ()


def amax(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The largest element, of all or along dimensions; equal ones share the gradient.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).amax(dim=1)
    tensor([5., 4.])
    """
    return _extreme("amax", np.max, AmaxBackward0, input, axes_of(dim, axis), keepdim or keepdims)


def amin(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    axis: Dim = None,
    keepdims: bool = False,
) -> Tensor:
    """The smallest element, of all or along dimensions; equal ones share the gradient.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).amin(dim=1)
    tensor([1., 3.])
    """
    return _extreme("amin", np.min, AminBackward0, input, axes_of(dim, axis), keepdim or keepdims)


def _extreme(
    function: str, find: Any, node: type[Node], input: Tensor, axis: Any, keepdim: bool
) -> Tensor:
    a = array_of(function, input)
    if a.size == 0 and count_of(a.shape, axis) == 0:
        raise RuntimeError(f"{function}: nothing to choose from, shape {list(a.shape)}")
    y = find(a, axis=axis, keepdims=keepdim)
    return record(y, node, (input._node,), (a, y), (a.shape, axis, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; with ``dim``: the largest along it and where (values, indices);
    with a second tensor: ``maximum`` of both.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).max(dim=1).indices
    tensor([1, 1])
    """
    nodes = (MaxBackward1, MaxBackward0)
    dim = dim if other is None else other
    return _choose("max", np.max, np.argmax, nodes, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; with ``dim``: the smallest along it and where (values, indices);
    with a second tensor: ``minimum`` of both.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [3.0, 4.0]]).min()
    tensor(1.)
    """
    nodes = (MinBackward1, MinBackward0)
    dim = dim if other is None else other
    return _choose("min", np.min, np.argmin, nodes, input, dim, keepdim)


def _choose(
    function: str,
    find: Any,
    where: Any,
    nodes: tuple[type[Node], type[Node]],
    input: Tensor,
    dim: Any,
    keepdim: bool,
) -> Any:
    if isinstance(dim, Tensor):
        from nnlite.ops.choose import maximum, minimum

        return (maximum if function == "max" else minimum)(input, dim)
    if dim is None:
        return _extreme(function, find, nodes[0], input, None, False)
    a = array_of(function, input)
    if a.ndim == 0 and dim in (0, -1):  # the one dimension that torch lets a number have
        values = record(a.copy(), nodes[1], (input._node,), (None,), (a.shape, dim, keepdim))
        return ValuesIndices(values, wrap(np.zeros_like(a, dtype=np.int64)))
    indices = as_array(where(a, axis=dim))
    y = np.take_along_axis(a, np.expand_dims(indices, dim), dim)
    if not keepdim:
        y = y.squeeze(dim)
    values = record(y, nodes[1], (input._node,), (indices,), (a.shape, dim, keepdim))
    return ValuesIndices(values, wrap(np.expand_dims(indices, dim) if keepdim else indices))


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element is: the index in the flat tensor, or along ``dim``.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [7.0, 4.0]]).argmax(dim=1)
    tensor([1, 0])
    """
    return wrap(array_of("argmax", input).argmax(axis=dim, keepdims=keepdim))


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element is: the index in the flat tensor, or along ``dim``.

    >>> import nnlite
    >>> nnlite.tensor([[1.0, 5.0], [7.0, 4.0]]).argmin(dim=1)
    tensor([0, 1])
    """
    return wrap(array_of("argmin", input).argmin(axis=dim, keepdims=keepdim))
