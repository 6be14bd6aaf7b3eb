"""The one table of Tensor's methods and operators: which function each of them is.

Type checkers read it as a base class of Tensor; at run time ``nnlite.ops`` binds it to Tensor when
all families are loaded, which is where the circle of Tensor and its operators is cut.
"""

from __future__ import annotations

from typing import Any

from nnlite.autograd import engine, mutation
from nnlite.ops import (
    activation,
    arithmetic,
    choose,
    compare,
    convert,
    create,
    diagonals,
    exponential,
    extremes,
    index,
    inplace,
    join,
    linalg,
    lookup,
    matrix,
    modulo,
    order,
    piecewise,
    power,
    random,
    rearrange,
    reduce,
    rounding,
    scan,
    shape,
    softmax,
    trigonometric,
    vector_norm,
)


class Methods:
    """The methods that Tensor gets from the families of operators."""

    __slots__ = ()

    # elementwise
    abs = arithmetic.abs
    acos = trigonometric.acos
    acosh = trigonometric.acosh
    add = arithmetic.add
    addcdiv = arithmetic.addcdiv
    addcmul = arithmetic.addcmul
    allclose = compare.allclose
    asin = trigonometric.asin
    asinh = trigonometric.asinh
    atan = trigonometric.atan
    atan2 = trigonometric.atan2
    atanh = trigonometric.atanh
    bitwise_and = compare.bitwise_and
    bitwise_not = compare.bitwise_not
    bitwise_or = compare.bitwise_or
    bitwise_xor = compare.bitwise_xor
    ceil = rounding.ceil
    clamp = choose.clamp
    cos = trigonometric.cos
    cosh = trigonometric.cosh
    div = arithmetic.div
    eq = compare.eq
    equal = compare.equal
    erf = exponential.erf
    exp = exponential.exp
    exp2 = exponential.exp2
    expm1 = exponential.expm1
    floor = rounding.floor
    floor_divide = arithmetic.floor_divide
    fmax = choose.fmax
    fmin = choose.fmin
    fmod = modulo.fmod
    frac = rounding.frac
    ge = compare.ge
    gt = compare.gt
    hardshrink = piecewise.hardshrink
    hypot = power.hypot
    isclose = compare.isclose
    isfinite = compare.isfinite
    isinf = compare.isinf
    isnan = compare.isnan
    le = compare.le
    lerp = arithmetic.lerp
    log = exponential.log
    log10 = exponential.log10
    log1p = exponential.log1p
    log2 = exponential.log2
    logaddexp = exponential.logaddexp
    logical_and = compare.logical_and
    logical_not = compare.logical_not
    logical_or = compare.logical_or
    logical_xor = compare.logical_xor
    lt = compare.lt
    masked_fill = choose.masked_fill
    maximum = choose.maximum
    minimum = choose.minimum
    mul = arithmetic.mul
    nan_to_num = choose.nan_to_num
    ne = compare.ne
    neg = arithmetic.neg
    pow = power.pow
    prelu = piecewise.prelu
    reciprocal = power.reciprocal
    relu = activation.relu
    remainder = modulo.remainder
    round = rounding.round
    rsqrt = power.rsqrt
    sigmoid = exponential.sigmoid
    sign = rounding.sign
    sin = trigonometric.sin
    sinh = trigonometric.sinh
    sqrt = power.sqrt
    square = power.square
    sub = arithmetic.sub
    tan = trigonometric.tan
    tanh = trigonometric.tanh
    trunc = rounding.trunc
    xlogy = exponential.xlogy
    where = choose.where_method
    clamp_max = choose.clamp_max
    clamp_min = choose.clamp_min
    arccos = trigonometric.acos
    arccosh = trigonometric.acosh
    arcsin = trigonometric.asin
    arcsinh = trigonometric.asinh
    arctan = trigonometric.atan
    arctan2 = trigonometric.atan2
    arctanh = trigonometric.atanh
    greater = compare.gt
    greater_equal = compare.ge
    less = compare.lt
    less_equal = compare.le
    not_equal = compare.ne
    absolute = arithmetic.abs
    clip = choose.clamp
    divide = arithmetic.div
    multiply = arithmetic.mul
    negative = arithmetic.neg
    subtract = arithmetic.sub
    true_divide = arithmetic.div

    # reductions
    all = reduce.all
    amax = extremes.amax
    amin = extremes.amin
    any = reduce.any
    argmax = extremes.argmax
    argmin = extremes.argmin
    log_softmax = softmax.log_softmax
    logsumexp = softmax.logsumexp
    max = extremes.max
    mean = reduce.mean
    min = extremes.min
    softmax = softmax.softmax
    std = reduce.std
    sum = reduce.sum
    var = reduce.var

    cumsum = scan.cumsum
    cumprod = scan.cumprod
    prod = scan.prod
    sort = order.sort
    argsort = order.argsort
    topk = order.topk
    median = order.median
    unique = order.unique
    nonzero = order.nonzero
    count_nonzero = order.count_nonzero
    norm = vector_norm.norm

    # shape and dtype
    astype = convert.astype
    broadcast_to = shape.broadcast_to
    chunk = join.chunk
    clone = convert.clone
    contiguous = convert.contiguous
    double = convert.double
    short = convert.short
    expand = shape.expand
    flatten = shape.flatten
    float = convert.float
    half = convert.half
    long = convert.long
    permute = shape.permute
    reshape = shape.reshape
    split = join.split
    squeeze = shape.squeeze
    t = shape.t
    to = convert.to
    transpose = shape.transpose
    type_as = convert.type_as
    unsqueeze = shape.unsqueeze
    view = shape.view
    bool = convert.bool_
    copy = convert.clone
    int = convert.int_
    swapaxes = shape.transpose
    swapdims = shape.transpose

    # products
    bmm = linalg.bmm
    dot = linalg.dot
    inner = linalg.inner
    matmul = linalg.matmul
    mm = linalg.mm
    mv = linalg.mv
    outer = linalg.outer

    addmm = matrix.addmm
    addmv = matrix.addmv
    baddbmm = matrix.baddbmm
    kron = matrix.kron
    trace = diagonals.trace
    tril = diagonals.tril
    triu = diagonals.triu
    diag = diagonals.diag
    diagonal = diagonals.diagonal
    unflatten = rearrange.unflatten
    ravel = rearrange.ravel
    movedim = rearrange.movedim
    moveaxis = rearrange.movedim
    tile = rearrange.tile
    repeat_interleave = rearrange.repeat_interleave
    unbind = join.unbind
    narrow = rearrange.narrow
    select = rearrange.select
    flip = rearrange.flip
    roll = rearrange.roll
    view_as = rearrange.view_as
    reshape_as = rearrange.reshape_as
    expand_as = rearrange.expand_as
    repeat = rearrange.repeat
    index_select = lookup.index_select
    gather = lookup.gather
    scatter = lookup.scatter
    scatter_add = lookup.scatter_add
    index_add = lookup.index_add
    take_along_dim = lookup.take_along_dim
    masked_select = lookup.masked_select

    # in place
    abs_ = inplace.abs_
    acos_ = inplace.acos_
    add_ = inplace.add_
    addcdiv_ = inplace.addcdiv_
    addcmul_ = inplace.addcmul_
    addmm_ = inplace.addmm_
    addmv_ = inplace.addmv_
    asin_ = inplace.asin_
    atan2_ = inplace.atan2_
    atan_ = inplace.atan_
    baddbmm_ = inplace.baddbmm_
    bitwise_and_ = inplace.bitwise_and_
    bitwise_or_ = inplace.bitwise_or_
    bitwise_xor_ = inplace.bitwise_xor_
    ceil_ = inplace.ceil_
    clamp_ = inplace.clamp_
    clamp_max_ = inplace.clamp_max_
    clamp_min_ = inplace.clamp_min_
    clip_ = inplace.clamp_
    copy_ = inplace.copy_
    cos_ = inplace.cos_
    cosh_ = inplace.cosh_
    cumprod_ = inplace.cumprod_
    cumsum_ = inplace.cumsum_
    detach_ = inplace.detach_
    div_ = inplace.div_
    erf_ = inplace.erf_
    exp2_ = inplace.exp2_
    exp_ = inplace.exp_
    expm1_ = inplace.expm1_
    fill_ = inplace.fill_
    floor_ = inplace.floor_
    floor_divide_ = inplace.floor_divide_
    fmod_ = inplace.fmod_
    frac_ = inplace.frac_
    hypot_ = inplace.hypot_
    index_add_ = inplace.index_add_
    lerp_ = inplace.lerp_
    log10_ = inplace.log10_
    log1p_ = inplace.log1p_
    log2_ = inplace.log2_
    log_ = inplace.log_
    masked_fill_ = inplace.masked_fill_
    mul_ = inplace.mul_
    nan_to_num_ = inplace.nan_to_num_
    neg_ = inplace.neg_
    pow_ = inplace.pow_
    reciprocal_ = inplace.reciprocal_
    relu_ = inplace.relu_
    remainder_ = inplace.remainder_
    round_ = inplace.round_
    rsqrt_ = inplace.rsqrt_
    scatter_ = inplace.scatter_
    scatter_add_ = inplace.scatter_add_
    sigmoid_ = inplace.sigmoid_
    sign_ = inplace.sign_
    sin_ = inplace.sin_
    sinh_ = inplace.sinh_
    sqrt_ = inplace.sqrt_
    square_ = inplace.square_
    sub_ = inplace.sub_
    tan_ = inplace.tan_
    tanh_ = inplace.tanh_
    tril_ = inplace.tril_
    triu_ = inplace.triu_
    true_divide_ = inplace.div_
    trunc_ = inplace.trunc_
    xlogy_ = inplace.xlogy_
    zero_ = inplace.zero_

    # new tensors like this one
    new_empty = create.new_empty
    new_full = create.new_full
    new_ones = create.new_ones
    new_tensor = create.new_tensor
    new_zeros = create.new_zeros

    # random
    bernoulli = random.bernoulli
    multinomial = random.multinomial
    normal_ = random.normal_
    uniform_ = random.uniform_

    # graph
    register_hook = engine.register_hook
    register_post_accumulate_grad_hook = engine.register_post_accumulate_grad_hook
    retain_grad = engine.retain_grad
    backward = engine.backward_method

    # Python's operators
    __abs__ = arithmetic.abs
    __add__ = arithmetic.plus
    __radd__ = arithmetic.plus
    __iadd__ = inplace.add_
    __sub__ = arithmetic.sub
    __rsub__ = arithmetic.rsub
    __isub__ = inplace.sub_
    __mul__ = arithmetic.mul
    __rmul__ = arithmetic.mul
    __imul__ = inplace.mul_
    __truediv__ = arithmetic.div
    __rtruediv__ = power.rdiv
    __itruediv__ = inplace.div_
    __floordiv__ = arithmetic.floor_divide
    __mod__ = modulo.remainder
    __pow__ = power.pow
    __rpow__ = power.rpow
    __ipow__ = inplace.pow_
    __rfloordiv__ = arithmetic.rfloor_divide
    __ifloordiv__ = inplace.floor_divide_
    __rmod__ = modulo.rremainder
    __imod__ = inplace.remainder_
    __iand__ = inplace.bitwise_and_
    __ior__ = inplace.bitwise_or_
    __ixor__ = inplace.bitwise_xor_
    __neg__ = arithmetic.neg
    __matmul__ = linalg.matmul
    __rmatmul__ = linalg.rmatmul
    __eq__ = compare.eq  # type: ignore[assignment]
    __ne__ = compare.ne  # type: ignore[assignment]
    __lt__ = compare.lt
    __le__ = compare.le
    __gt__ = compare.gt
    __ge__ = compare.ge
    __and__ = compare.bitwise_and
    __rand__ = compare.bitwise_and
    __or__ = compare.bitwise_or
    __ror__ = compare.bitwise_or
    __xor__ = compare.bitwise_xor
    __rxor__ = compare.bitwise_xor
    __invert__ = compare.bitwise_not
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
