"""Products of matrices with an addend, einsum and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnlite.autograd.node import Node, record
from nnlite.ops.arithmetic import mul
from nnlite.ops.diagonals import diagonal
from nnlite.ops.linalg import matmul
from nnlite.ops.operands import Array, array_of, same_dtype, unbroadcast
from nnlite.ops.shape import permute, reshape, unsafe_view
from nnlite.tensor import Tensor

# ---- a product added to something ---------------------------------------------------------------


class AddmmBackward0(Node):
    """Y = β C + α A B:   ∂C = β G,   ∂A = α G Bᵀ,   ∂B = α Aᵀ G"""

    __slots__ = ()
    lifts = (1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, b = self.saved
        to_c, to_a, to_b = self.edges
        shape, beta, alpha = self.meta
        scaled = g * alpha
        return (
            unbroadcast(g * beta, shape) if to_c else None,
            scaled @ b.swapaxes(-1, -2) if to_a else None,
            a.swapaxes(-1, -2) @ scaled if to_b else None,
        )


class BaddbmmBackward0(AddmmBackward0):
    """Yₙ = β Cₙ + α Aₙ Bₙ:   ∂Cₙ = β Gₙ,   ∂Aₙ = α Gₙ Bₙᵀ,   ∂Bₙ = α Aₙᵀ Gₙ"""

    __slots__ = ()


class AddmvBackward0(Node):
    """y = β c + α A x:   ∂c = β g,   ∂A = α g xᵀ,   ∂x = α Aᵀ g"""

    __slots__ = ()
    lifts = (1, 2)

    def backward(self, g: Array) -> tuple[Array, ...]:
        a, x = self.saved
        to_c, to_a, to_x = self.edges
        shape, beta, alpha = self.meta
        scaled = g * alpha
        return (
            unbroadcast(g * beta, shape) if to_c else None,
            scaled[:, None] * x if to_a else None,
            a.T @ scaled if to_x else None,
        )


def _add_product(
    function: str,
    node: type[Node],
    dims: tuple[int, int],
    tensors: tuple[Tensor, Tensor, Tensor],
    beta: float,
    alpha: float,
) -> Tensor:
    c, a, b = (array_of(function, tensor) for tensor in tensors)
    if not c.dtype == a.dtype == b.dtype:
        raise RuntimeError(
            f"{function}: all must have the same dtype, got {c.dtype}, {a.dtype} and {b.dtype}"
        )
    if (a.ndim, b.ndim) != dims or a.shape[-1] != b.shape[-2 if b.ndim > 1 else -1]:
        raise RuntimeError(
            f"{function}: shapes {list(a.shape)} and {list(b.shape)} do not fit; expected "
            f"{dims[0]} and {dims[1]} dimensions and equal inner sizes"
        )
    product = a @ b
    if a.dtype.kind != "f":
        alpha, beta = int(alpha), int(beta)
    if alpha != 1:
        product = product * alpha
    # With beta = 0 even NaN and infinity in the addend do not count.
    y = product + (c * beta if beta else np.zeros_like(c))
    if y.shape != product.shape:
        raise RuntimeError(
            f"{function}: {list(c.shape)} cannot be added to a product of the shape "
            f"{list(product.shape)}"
        )
    edges = tuple(tensor._node for tensor in tensors)
    return record(y, node, edges, (a, b), (c.shape, beta, alpha))


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``, of matrices (m, n) and (n, p).

    >>> import nnlite
    >>> nnlite.addmm(nnlite.ones(2), nnlite.ones(1, 3), nnlite.ones(3, 2))
    tensor([[4., 4.]])
    """
    return _add_product("addmm", AddmmBackward0, (2, 2), (input, mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``, of a matrix (m, n) and a vector (n,).

    >>> import nnlite
    >>> nnlite.addmv(nnlite.ones(2), nnlite.ones(2, 3), nnlite.ones(3))
    tensor([4., 4.])
    """
    return _add_product("addmv", AddmvBackward0, (2, 1), (input, mat, vec), beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)``, of (b, m, n) and (b, n, p).

    >>> import nnlite
    >>> nnlite.baddbmm(nnlite.ones(1), nnlite.ones(1, 1, 3), nnlite.ones(1, 3, 2))
    tensor([[[4., 4.]]])
    """
    tensors = (input, batch1, batch2)
    return _add_product("baddbmm", BaddbmmBackward0, (3, 3), tensors, beta, alpha)


# ---- sums of products over named indices --------------------------------------------------------


class EinsumBackward(Node):
    """y = Σ a b … over shared indices:   ∂a = Σ g b … over the indices that a does not have"""

    __slots__ = ()

    @property
    def lifts(self) -> tuple[int, ...]:  # type: ignore[override]
        return tuple(range(len(self.edges)))

    def backward(self, g: Array) -> tuple[Array, ...]:
        inputs, output = self.meta
        gradients: list[Array] = []
        for place, edge in enumerate(self.edges):
            if not edge:
                gradients.append(None)
                continue
            rest = [i for i in range(len(inputs)) if i != place]
            wanted, shape = inputs[place], self.saved[place].shape
            known = set(output).union(*(inputs[i] for i in rest))
            found = "".join(letter for letter in wanted if letter in known)
            equation = ",".join((output, *(inputs[i] for i in rest))) + "->" + found
            part = np.einsum(equation, g, *(self.saved[i] for i in rest))
            # An index of this operand alone was summed over: its gradient is repeated along it.
            sizes = iter(part.shape)
            kept = [next(sizes) if letter in known else 1 for letter in wanted]
            part = part.reshape(tuple(kept))
            full = tuple(n if k == 1 else k for k, n in zip(kept, shape))
            gradients.append(unbroadcast(np.broadcast_to(part, full), shape))
        return tuple(gradients)

    def name(self) -> str:
        """torch's name of the last step that it takes the equation apart into."""
        inputs, output = self.meta
        sums = not set("".join(inputs)) <= set(output)
        if len(inputs) > 1:
            return "ViewBackward0" if sums else "MulBackward0"  # of a product of matrices
        return "SumBackward1" if sums else "PermuteBackward0"


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products over named indices: ``einsum("ij,jk->ik", a, b)`` is ``a @ b``.

    Args:
        equation: the indices of each operand, a letter a dimension, and after ``->`` those of the
            result; without it those that occur once, in the order of the alphabet. ``...`` stands
            for dimensions that broadcast.
        operands: as many tensors, or one list of them.

    >>> import nnlite
    >>> nnlite.einsum("i,i->", nnlite.tensor([1.0, 2.0]), nnlite.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, output = _subscripts(equation, [array_of("einsum", x).ndim for x in operands])
    tensors = list(operands)
    for place, letters in enumerate(inputs):
        while len(set(letters)) < len(letters):  # an index twice: the diagonal
            letter = next(c for c in letters if letters.count(c) > 1)
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            tensors[place] = diagonal(tensors[place], 0, first, second)
            letters = letters[:first] + letters[first + 1 : second] + letters[second + 1 :] + letter
        inputs[place] = letters
    arrays, edges = same_dtype("einsum", *tensors)
    plain = ",".join(inputs) + "->" + output
    try:
        y = np.einsum(plain, *arrays)
    except ValueError as error:
        shapes = ", ".join(str(list(a.shape)) for a in arrays)
        raise RuntimeError(f"einsum: {equation!r} does not fit shapes {shapes} ({error})") from None
    if np.may_share_memory(y, arrays[0]):
        y = y.copy()
    return record(y, EinsumBackward, edges, tuple(arrays), (tuple(inputs), output))


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _subscripts(equation: str, ndims: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters in place of ``...``."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ndims):
        raise RuntimeError(
            f"einsum: {equation!r} names {len(inputs)} operands, {len(ndims)} were given"
        )
    free = [letter for letter in _LETTERS if letter not in equation]
    widest = max((ndim - len(s) + 3 for s, ndim in zip(inputs, ndims) if "..." in s), default=0)
    dots = "".join(free[:widest])
    for place, (letters, ndim) in enumerate(zip(inputs, ndims)):
        width = ndim - len(letters) + 3
        if "..." in letters and width >= 0:
            letters = inputs[place] = letters.replace("...", dots[len(dots) - width :])
        if len(letters) != ndim or not all(letter in _LETTERS for letter in letters):
            raise RuntimeError(
                f"einsum: operand {place} has {ndim} dimensions, {equation!r} names {letters!r}"
            )
    if not arrow:
        joined = "".join(inputs)
        once = sorted(c for c in set(joined) if joined.count(c) == 1 and c not in dots)
        output = dots + "".join(once)
    return inputs, output.replace("...", dots)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over dimensions of ``a`` and of ``b``.

    Args:
        dims: how many (the last of ``a``, the first of ``b``), or a pair of lists of dimensions.

    >>> import nnlite
    >>> nnlite.tensordot(nnlite.ones(2, 3), nnlite.ones(3, 2), 1)
    tensor([[3., 3.],
            [3., 3.]])
    """
    shape_a, shape_b = array_of("tensordot", a).shape, array_of("tensordot", b).shape
    if isinstance(dims, int):
        over_a = list(range(len(shape_a) - dims, len(shape_a)))
        over_b = list(range(dims))
    else:
        over_a = [d % len(shape_a) for d in dims[0]]
        over_b = [d % len(shape_b) for d in dims[1]]
    if [shape_a[d] for d in over_a] != [shape_b[d] for d in over_b]:
        raise RuntimeError(
            f"tensordot: sizes of dimensions {over_a} of {list(shape_a)} and {over_b} of "
            f"{list(shape_b)} differ"
        )
    rest_a = [d for d in range(len(shape_a)) if d not in over_a]
    rest_b = [d for d in range(len(shape_b)) if d not in over_b]
    inner = 1
    for d in over_a:
        inner *= shape_a[d]
    outer = [shape_a[d] for d in rest_a] + [shape_b[d] for d in rest_b]
    rows = 1
    for d in rest_a:
        rows *= shape_a[d]
    columns = 1
    for d in rest_b:
        columns *= shape_b[d]
    left = reshape(permute(a, *rest_a, *over_a), rows, inner)
    right = reshape(permute(b, *over_b, *rest_b), inner, columns)
    return reshape(matmul(left, right), outer)


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product: every element of ``input`` times the whole of ``other``.

    >>> import nnlite
    >>> nnlite.kron(nnlite.tensor([1, 2]), nnlite.tensor([1, 10]))
    tensor([ 1, 10,  2, 20])
    """
    shape_a, shape_b = array_of("kron", input).shape, array_of("kron", other).shape
    ndim = max(len(shape_a), len(shape_b))
    shape_a = (1,) * (ndim - len(shape_a)) + shape_a
    shape_b = (1,) * (ndim - len(shape_b)) + shape_b
    wide_a = [size for n in shape_a for size in (n, 1)]
    wide_b = [size for n in shape_b for size in (1, n)]
    product = mul(reshape(input, wide_a), reshape(other, wide_b))
    return unsafe_view(product, tuple(m * n for m, n in zip(shape_a, shape_b)))
