"""The one table of Tensor's methods and operators: which function each of them is.

Type checkers read it as a base class of Tensor; at run time ``nnlite.ops`` binds it to Tensor when
all families are loaded, which is where the circle of Tensor and its operators is cut.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd import engine, mutation
from nnlite.ops import elementwise, index, inplace, linalg, random, reduce, shape


class Methods:
    """The methods that Tensor gets from the families of operators."""

    __slots__ = ()

    # elementwise
    abs = elementwise.abs
    add = elementwise.add
    allclose = elementwise.allclose
    bitwise_and = elementwise.bitwise_and
    bitwise_not = elementwise.bitwise_not
    bitwise_or = elementwise.bitwise_or
    bitwise_xor = elementwise.bitwise_xor
    ceil = elementwise.ceil
    clamp = elementwise.clamp
    div = elementwise.div
    eq = elementwise.eq
    equal = elementwise.equal
    exp = elementwise.exp
    expm1 = elementwise.expm1
    floor = elementwise.floor
    floor_divide = elementwise.floor_divide
    ge = elementwise.ge
    gt = elementwise.gt
    isfinite = elementwise.isfinite
    isinf = elementwise.isinf
    isnan = elementwise.isnan
    le = elementwise.le
    log = elementwise.log
    log1p = elementwise.log1p
    logical_and = elementwise.logical_and
    logical_not = elementwise.logical_not
    logical_or = elementwise.logical_or
    lt = elementwise.lt
    maximum = elementwise.maximum
    minimum = elementwise.minimum
    mul = elementwise.mul
    ne = elementwise.ne
    neg = elementwise.neg
    pow = elementwise.pow
    reciprocal = elementwise.reciprocal
    relu = elementwise.relu
    remainder = elementwise.remainder
    round = elementwise.round
    rsqrt = elementwise.rsqrt
    sigmoid = elementwise.sigmoid
    sign = elementwise.sign
    sqrt = elementwise.sqrt
    square = elementwise.square
    sub = elementwise.sub
    tanh = elementwise.tanh
    absolute = elementwise.abs
    clip = elementwise.clamp
    divide = elementwise.div
    multiply = elementwise.mul
    negative = elementwise.neg
    subtract = elementwise.sub
    true_divide = elementwise.div

    # reductions
    all = reduce.all
    amax = reduce.amax
    amin = reduce.amin
    any = reduce.any
    argmax = reduce.argmax
    argmin = reduce.argmin
    log_softmax = reduce.log_softmax
    logsumexp = reduce.logsumexp
    max = reduce.max
    mean = reduce.mean
    min = reduce.min
    softmax = reduce.softmax
    std = reduce.std
    sum = reduce.sum
    var = reduce.var

    # shape and dtype
    astype = shape.astype
    broadcast_to = shape.broadcast_to
    chunk = shape.chunk
    clone = shape.clone
    contiguous = shape.contiguous
    double = shape.double
    expand = shape.expand
    flatten = shape.flatten
    float = shape.float
    half = shape.half
    long = shape.long
    permute = shape.permute
    reshape = shape.reshape
    split = shape.split
    squeeze = shape.squeeze
    t = shape.t
    to = shape.to
    transpose = shape.transpose
    type_as = shape.type_as
    unsqueeze = shape.unsqueeze
    view = shape.view
    bool = shape.bool_
    copy = shape.clone
    int = shape.int_
    swapaxes = shape.transpose

    # products
    bmm = linalg.bmm
    dot = linalg.dot
    matmul = linalg.matmul
    mm = linalg.mm
    mv = linalg.mv
    outer = linalg.outer

    # in place
    add_ = inplace.add_
    clamp_ = inplace.clamp_
    copy_ = inplace.copy_
    detach_ = inplace.detach_
    div_ = inplace.div_
    fill_ = inplace.fill_
    mul_ = inplace.mul_
    sub_ = inplace.sub_
    zero_ = inplace.zero_

    # random
    bernoulli = random.bernoulli
    normal_ = random.normal_
    uniform_ = random.uniform_

    # graph
    register_hook = engine.register_hook
    retain_grad = engine.retain_grad
    backward = engine.backward_method

    # Python's operators
    __abs__ = elementwise.abs
    __add__ = elementwise.add
    __radd__ = elementwise.add
    __iadd__ = inplace.add_
    __sub__ = elementwise.sub
    __rsub__ = elementwise.rsub
    __isub__ = inplace.sub_
    __mul__ = elementwise.mul
    __rmul__ = elementwise.mul
    __imul__ = inplace.mul_
    __truediv__ = elementwise.div
    __rtruediv__ = elementwise.rdiv
    __itruediv__ = inplace.div_
    __floordiv__ = elementwise.floor_divide
    __mod__ = elementwise.remainder
    __pow__ = elementwise.pow
    __rpow__ = elementwise.rpow
    __neg__ = elementwise.neg
    __matmul__ = linalg.matmul
    __eq__ = elementwise.eq  # type: ignore[assignment]
    __ne__ = elementwise.ne  # type: ignore[assignment]
    __lt__ = elementwise.lt
    __le__ = elementwise.le
    __gt__ = elementwise.gt
    __ge__ = elementwise.ge
    __and__ = elementwise.bitwise_and
    __rand__ = elementwise.bitwise_and
    __or__ = elementwise.bitwise_or
    __ror__ = elementwise.bitwise_or
    __xor__ = elementwise.bitwise_xor
    __rxor__ = elementwise.bitwise_xor
    __invert__ = elementwise.bitwise_not
    __getitem__ = index.getitem
    __setitem__ = index.setitem

    @property
    def T(self: Any) -> Any:
        """The dimensions in reverse order (a view)."""
        return shape.reverse_dims(self)

    @property
    def mT(self: Any) -> Any:
        """The last two dimensions exchanged (a view)."""
        return shape.matrix_transpose(self)

    @property
    def _version(self: Any) -> Any:
        """How often the tensor's memory has been changed in place."""
        return mutation.version(self.array)
