"""In-place operators: ``add_``, ``mul_``, ``copy_``, ``zero_`` … and ``+=``.

On tensors outside of a graph they are one write. Inside a graph the write is recorded: the tensor
goes on as the result of the operation, and what others saved of it is protected by the log of
writes (``autograd.mutation``). What could not be differentiated correctly raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from nnlite.autograd.modes import grad_enabled
from nnlite.autograd.mutation import DataView, log, memory_owner, note_write
from nnlite.autograd.node import Node, record
from nnlite.ops import (
    activation,
    arithmetic,
    choose,
    compare,
    diagonals,
    exponential,
    lookup,
    matrix,
    modulo,
    power,
    rounding,
    scan,
    trigonometric,
)
from nnlite.ops.operands import kind_rank
from nnlite.tensor import Tensor


def claim(function: str, input: Tensor, *sources: Any) -> bool:
    """Whether writing into ``input`` has to be recorded.

    Raises:
        RuntimeError: for a leaf that requires a gradient, for a view inside a graph, and for memory
            that cannot be written to.
    """
    if not input.array.flags.writeable:
        raise RuntimeError(
            f"{function}: the tensor shows one element at several places (expand, broadcast_to) or "
            "an array that is read-only; write into a clone()"
        )
    if not grad_enabled.get():
        return False
    if input._node and input.is_leaf:
        raise RuntimeError(
            f"{function}: a leaf tensor that requires a gradient must not be changed in place "
            "while operations are recorded; do it under `with nnlite.no_grad():`, or compute a "
            "new tensor (x = x + y)"
        )
    if type(input._node) is DataView:
        input._node.check(math.inf)
    from_graph = any(isinstance(source, Tensor) and source._node for source in sources)
    if not input._node and not from_graph:
        return False
    if getattr(input.array, "base", None) is not None:
        raise RuntimeError(
            f"{function}: the tensor is a view, and changing it in place would have to be recorded "
            "in its base too, which is not supported; index the base (base[i] = …), change a "
            "clone(), or use the out-of-place form"
        )
    if input.array.dtype.kind != "f":
        raise RuntimeError(
            f"{function}: {input.array.dtype} cannot hold a value that requires a gradient; "
            "convert first: tensor.float()"
        )
    return True


def change(input: Tensor, function: str, result: Tensor | None = None) -> Tensor:
    """Note that ``input`` has been written to; it goes on as ``result``, if that was recorded."""
    write = note_write(input.array, function)
    if result is not None:
        if isinstance(input._node, Node):
            log.rebased[input._node] = write
        else:
            log.join(write)
        if isinstance(result._node, Node):
            # The operation happened at the write: views taken later are views of its result.
            result._node.seq = write.seq
        input._node = result._node
    return input


_UFUNCS: dict[str, Any] = {
    "add_": np.add,
    "sub_": np.subtract,
    "mul_": np.multiply,
    "div_": np.true_divide,
    "pow_": np.power,
    "floor_divide_": np.floor_divide,
    "remainder_": np.remainder,
}


def _arithmetic(function: str, operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    ufunc = _UFUNCS[function]

    def in_place(input: Tensor, other: Any, **options: Any) -> Tensor:
        records = claim(function, input, other)
        array = input.array
        if not records and not options:
            value = other.array if isinstance(other, Tensor) else other
            if isinstance(value, float):
                value = float(value)
            try:
                ufunc(array, value, out=array, casting="same_kind")
                return change(input, function)
            except ValueError as error:
                raise RuntimeError(_cannot_hold(function, array, value)) from error
            except TypeError:
                pass  # NumPy keeps signed integers out of unsigned ones; or it does not fit at all
        result = operator(input, other, **options)
        if result.array.shape != array.shape or not _fits(result.array, array):
            raise RuntimeError(_cannot_hold(function, array, result.array))
        return _take_over(input, function, result, records)

    in_place.__name__ = function
    in_place.__doc__ = f"""``{function[:-1]}`` in place; returns the tensor.

    Raises:
        RuntimeError: for a leaf that requires a gradient, a view inside a graph, or a result that
            the tensor's shape or dtype cannot hold.

    >>> import nnlite
    >>> nnlite.tensor([2.0, 4.0]).{function}(2)
    {operator(Tensor([2, 4]), 2)!r}
    """
    return in_place


def _form(function: str, operator: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The in-place form of an operator: its result is written over the first argument."""

    def in_place(input: Tensor, *args: Any, **options: Any) -> Tensor:
        records = claim(function, input, *args, *options.values())
        result = operator(input, *args, **options)
        if result.array.shape != input.array.shape or not _fits(result.array, input.array):
            raise RuntimeError(_cannot_hold(function, input.array, result.array))
        return _take_over(input, function, result, records)

    in_place.__name__ = function
    in_place.__doc__ = f"""``{function[:-1]}`` in place; returns the tensor."""
    return in_place


def _fits(value: Any, array: Any) -> bool:
    """Whether the kind of a value, bool < integer < float, is not above that of the array."""
    return kind_rank(value.dtype) <= kind_rank(array.dtype)


def _take_over(input: Tensor, function: str, result: Tensor, records: bool) -> Tensor:
    """Write ``result`` into ``input``, which goes on as ``result`` if the write is recorded."""
    node = result._node
    array = input.array
    if records and isinstance(node, Node):
        # The derivative reads the values from before the write: keep copies of them.
        owner = memory_owner(array)
        node.saved = tuple(
            value.copy() if memory_owner(value) is owner else value for value in node.saved
        )
    np.copyto(array, result.array, casting="unsafe")  # float64 into float32, int64 into uint8
    return change(input, function, result if records else None)


def _cannot_hold(function: str, array: Any, value: Any) -> str:
    shape = list(np.shape(value))
    dtype = getattr(value, "dtype", type(value).__name__)
    return (
        f"{function}: a tensor of shape {list(array.shape)} and dtype {array.dtype} cannot hold "
        f"the result with {shape} {dtype}; use the out-of-place form"
    )


add_ = _arithmetic("add_", arithmetic.add)
sub_ = _arithmetic("sub_", arithmetic.sub)
mul_ = _arithmetic("mul_", arithmetic.mul)
div_ = _arithmetic("div_", arithmetic.div)
pow_ = _arithmetic("pow_", power.pow)
floor_divide_ = _arithmetic("floor_divide_", arithmetic.floor_divide)
remainder_ = _arithmetic("remainder_", modulo.remainder)
bitwise_and_ = _form("bitwise_and_", compare.bitwise_and)
bitwise_or_ = _form("bitwise_or_", compare.bitwise_or)
bitwise_xor_ = _form("bitwise_xor_", compare.bitwise_xor)
abs_ = _form("abs_", arithmetic.abs)
acos_ = _form("acos_", trigonometric.acos)
addcdiv_ = _form("addcdiv_", arithmetic.addcdiv)
addcmul_ = _form("addcmul_", arithmetic.addcmul)
addmm_ = _form("addmm_", matrix.addmm)
addmv_ = _form("addmv_", matrix.addmv)
asin_ = _form("asin_", trigonometric.asin)
atan_ = _form("atan_", trigonometric.atan)
atan2_ = _form("atan2_", trigonometric.atan2)
baddbmm_ = _form("baddbmm_", matrix.baddbmm)
ceil_ = _form("ceil_", rounding.ceil)
clamp_ = _form("clamp_", choose.clamp)
clamp_max_ = _form("clamp_max_", choose.clamp_max)
clamp_min_ = _form("clamp_min_", choose.clamp_min)
cos_ = _form("cos_", trigonometric.cos)
cosh_ = _form("cosh_", trigonometric.cosh)
cumprod_ = _form("cumprod_", scan.cumprod)
cumsum_ = _form("cumsum_", scan.cumsum)
erf_ = _form("erf_", exponential.erf)
exp_ = _form("exp_", exponential.exp)
exp2_ = _form("exp2_", exponential.exp2)
expm1_ = _form("expm1_", exponential.expm1)
floor_ = _form("floor_", rounding.floor)
fmod_ = _form("fmod_", modulo.fmod)
frac_ = _form("frac_", rounding.frac)
hypot_ = _form("hypot_", power.hypot)
index_add_ = _form("index_add_", lookup.index_add)
lerp_ = _form("lerp_", arithmetic.lerp)
log_ = _form("log_", exponential.log)
log10_ = _form("log10_", exponential.log10)
log1p_ = _form("log1p_", exponential.log1p)
log2_ = _form("log2_", exponential.log2)
masked_fill_ = _form("masked_fill_", choose.masked_fill)
nan_to_num_ = _form("nan_to_num_", choose.nan_to_num)
neg_ = _form("neg_", arithmetic.neg)
reciprocal_ = _form("reciprocal_", power.reciprocal)
relu_ = _form("relu_", activation.relu)
round_ = _form("round_", rounding.round)
rsqrt_ = _form("rsqrt_", power.rsqrt)
scatter_ = _form("scatter_", lookup.scatter)
scatter_add_ = _form("scatter_add_", lookup.scatter_add)
sigmoid_ = _form("sigmoid_", exponential.sigmoid)
sign_ = _form("sign_", rounding.sign)
sin_ = _form("sin_", trigonometric.sin)
sinh_ = _form("sinh_", trigonometric.sinh)
sqrt_ = _form("sqrt_", power.sqrt)
square_ = _form("square_", power.square)
tan_ = _form("tan_", trigonometric.tan)
tanh_ = _form("tanh_", trigonometric.tanh)
tril_ = _form("tril_", diagonals.tril)
triu_ = _form("triu_", diagonals.triu)
trunc_ = _form("trunc_", rounding.trunc)
xlogy_ = _form("xlogy_", exponential.xlogy)


class CopyBackwards(Node):
    """y = v, in place:   ∂x = 0,   ∂v = g"""

    __slots__ = ()

    def backward(self, g: Any) -> tuple[Any, ...]:
        return None, g


class ZeroBackward0(Node):
    """y = c, in place:   ∂x = 0"""

    __slots__ = ()

    def backward(self, g: Any) -> tuple[Any, ...]:
        return (np.zeros_like(g),)


class FillBackward2(ZeroBackward0):
    """y = c, in place:   ∂x = 0"""

    __slots__ = ()


def copy_(input: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """The elements of ``other`` written over this tensor's; returns it.

    >>> import nnlite
    >>> nnlite.zeros(2).copy_(nnlite.tensor([1, 2]))
    tensor([1., 2.])
    """
    source = other if isinstance(other, Tensor) else Tensor(other)
    records = claim("copy_", input, source)
    if not records:
        try:
            np.copyto(input.array, source.array, casting="unsafe")
        except ValueError as error:
            raise RuntimeError(_cannot_hold("copy_", input.array, source.array)) from error
        return change(input, "copy_")
    if source.array.shape != input.array.shape or source.array.dtype != input.array.dtype:
        source = source.to(input.array.dtype).broadcast_to(input.array.shape)
    result = record(input.array, CopyBackwards, (input._node, source._node))
    np.copyto(input.array, source.array)
    return change(input, "copy_", result)


def fill_(input: Tensor, value: float) -> Tensor:
    """Every element set to ``value``; returns the tensor.

    >>> import nnlite
    >>> nnlite.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    records = claim("fill_", input)
    result = record(input.array, FillBackward2, (input._node,)) if records else None
    input.array.fill(value)
    return change(input, "fill_", result)


def zero_(input: Tensor) -> Tensor:
    """Every element set to 0; returns the tensor.

    >>> import nnlite
    >>> nnlite.ones(2).zero_()
    tensor([0., 0.])
    """
    records = claim("zero_", input)
    result = record(input.array, ZeroBackward0, (input._node,)) if records else None
    input.array.fill(0)
    return change(input, "zero_", result)


def detach_(input: Tensor) -> Tensor:
    """Take the tensor out of its graph, in place; a leaf is frozen. Returns the tensor.

    Raises:
        RuntimeError: for a view.

    >>> import nnlite
    >>> (nnlite.ones(2, requires_grad=True) * 2).detach_()
    tensor([2., 2.])
    """
    if input.is_leaf:
        return input.requires_grad_(False)
    node = cast(Node, input._node)
    if node.is_view:
        raise RuntimeError("detach_: a view cannot leave the graph without its base; use detach()")
    log.leave(node, "detach_")
    input._node = input.detach()._node
    return input
