"""nnlite: PyTorch's way of training a neural network, in one readable NumPy package.

>>> import nnlite
>>> x = nnlite.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4., 6.])
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

import numpy as _np

from nnlite import autograd, cuda, linalg, nn, optim, utils
from nnlite import ops as _ops  # noqa: F401  binds the operators to Tensor
from nnlite.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from nnlite.device import device
from nnlite.missing import no_attribute as _no_attribute
from nnlite.ops.activation import celu, relu, selu
from nnlite.ops.arithmetic import (
    abs,
    add,
    addcdiv,
    addcmul,
    div,
    floor_divide,
    lerp,
    mul,
    neg,
    rsub,
    sub,
)
from nnlite.ops.arithmetic import abs as absolute
from nnlite.ops.arithmetic import div as divide
from nnlite.ops.arithmetic import div as true_divide
from nnlite.ops.arithmetic import mul as multiply
from nnlite.ops.arithmetic import neg as negative
from nnlite.ops.arithmetic import sub as subtract
from nnlite.ops.choose import (
    clamp,
    clamp_max,
    clamp_min,
    fmax,
    fmin,
    masked_fill,
    maximum,
    minimum,
    nan_to_num,
    where,
)
from nnlite.ops.choose import clamp as clip
from nnlite.ops.compare import (
    allclose,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from nnlite.ops.compare import ge as greater_equal
from nnlite.ops.compare import gt as greater
from nnlite.ops.compare import le as less_equal
from nnlite.ops.compare import lt as less
from nnlite.ops.compare import ne as not_equal
from nnlite.ops.convert import clone
from nnlite.ops.create import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from nnlite.ops.diagonals import diag, diagonal, trace, tril, triu
from nnlite.ops.exponential import (
    erf,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    sigmoid,
    xlogy,
)
from nnlite.ops.extremes import amax, amin, argmax, argmin, max, min
from nnlite.ops.inplace import (
    abs_,
    acos_,
    addmv_,
    asin_,
    atan_,
    ceil_,
    clamp_,
    clamp_max_,
    clamp_min_,
    cos_,
    cosh_,
    erf_,
    exp2_,
    exp_,
    expm1_,
    fill_,
    floor_,
    frac_,
    log1p_,
    log2_,
    log10_,
    log_,
    nan_to_num_,
    neg_,
    reciprocal_,
    relu_,
    round_,
    rsqrt_,
    sigmoid_,
    sin_,
    sinh_,
    sqrt_,
    square_,
    tan_,
    tanh_,
    trunc_,
    xlogy_,
    zero_,
)
from nnlite.ops.join import cat, chunk, hstack, split, stack, unbind, vstack
from nnlite.ops.join import cat as concat
from nnlite.ops.join import cat as concatenate
from nnlite.ops.linalg import (
    bmm,
    dot,
    inner,
    matmul,
    mm,
    mv,
    outer,
)
from nnlite.ops.lookup import (
    gather,
    index_add,
    index_select,
    masked_select,
    scatter,
    scatter_add,
    take_along_dim,
)
from nnlite.ops.matrix import (
    addmm,
    addmv,
    baddbmm,
    einsum,
    kron,
    tensordot,
)
from nnlite.ops.modulo import fmod, remainder
from nnlite.ops.operands import get_default_dtype, set_default_dtype
from nnlite.ops.order import (
    argsort,
    count_nonzero,
    median,
    nonzero,
    sort,
    topk,
    unique,
)
from nnlite.ops.piecewise import hardshrink, prelu, threshold
from nnlite.ops.power import (
    hypot,
    pow,
    reciprocal,
    rsqrt,
    sqrt,
    square,
)
from nnlite.ops.random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from nnlite.ops.rearrange import (
    flip,
    meshgrid,
    movedim,
    narrow,
    ravel,
    repeat_interleave,
    roll,
    select,
    tile,
    unflatten,
)
from nnlite.ops.rearrange import movedim as moveaxis
from nnlite.ops.reduce import all, any, mean, std, std_mean, sum, var, var_mean
from nnlite.ops.rounding import (
    ceil,
    floor,
    frac,
    round,
    sign,
    trunc,
)
from nnlite.ops.scan import (
    cumprod,
    cumsum,
    prod,
)
from nnlite.ops.shape import (
    broadcast_to,
    flatten,
    permute,
    reshape,
    squeeze,
    t,
    transpose,
    unsqueeze,
)
from nnlite.ops.shape import transpose as swapaxes
from nnlite.ops.shape import transpose as swapdims
from nnlite.ops.softmax import log_softmax, logsumexp, softmax
from nnlite.ops.trigonometric import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    cosh,
    sin,
    sinh,
    tan,
    tanh,
)
from nnlite.ops.trigonometric import acos as arccos
from nnlite.ops.trigonometric import acosh as arccosh
from nnlite.ops.trigonometric import asin as arcsin
from nnlite.ops.trigonometric import asinh as arcsinh
from nnlite.ops.trigonometric import atan as arctan
from nnlite.ops.trigonometric import atan2 as arctan2
from nnlite.ops.trigonometric import atanh as arctanh
from nnlite.ops.vector_norm import (
    norm,
)
from nnlite.printing import set_printoptions
from nnlite.tensor import Size, Tensor
from nnlite.version import __version__

if TYPE_CHECKING:
    from nnlite import datasets, export, io, train
    from nnlite.capture.step import compile
    from nnlite.explain import explain
    from nnlite.io import load, save
    from nnlite.nn.summary import summary
    from nnlite.train import EarlyStopping, History, Trainer

float16 = half = _np.dtype(_np.float16)
float32 = float = _np.dtype(_np.float32)
float64 = double = _np.dtype(_np.float64)
int8 = _np.dtype(_np.int8)
int16 = short = _np.dtype(_np.int16)
int32 = int = _np.dtype(_np.int32)
int64 = long = _np.dtype(_np.int64)
uint8 = _np.dtype(_np.uint8)
bool = _np.dtype(_np.bool_)

# What a program may never use, or only later, is imported when it is first asked for.
_LAZY = {
    "compile": "nnlite.capture.step",
    "datasets": "nnlite.datasets",
    "explain": "nnlite.explain",
    "export": "nnlite.export",
    "io": "nnlite.io",
    "train": "nnlite.train",
    "load": "nnlite.io",
    "save": "nnlite.io",
    "summary": "nnlite.nn.summary",
    "EarlyStopping": "nnlite.train",
    "History": "nnlite.train",
    "Trainer": "nnlite.train",
}


def is_tensor(obj: _Any) -> _Any:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


def __getattr__(name: str) -> _Any:
    where_from = _LAZY.get(name)
    if where_from is not None:
        module = _import_module(where_from)
        value = module if where_from == f"nnlite.{name}" else getattr(module, name)
        globals()[name] = value
        return value
    raise _no_attribute("nnlite", name, __all__)


__all__ = [
    "EarlyStopping",
    "Generator",
    "History",
    "Size",
    "Tensor",
    "Trainer",
    "__version__",
    "abs",
    "abs_",
    "absolute",
    "acos",
    "acos_",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addmv_",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argsort",
    "as_tensor",
    "asin",
    "asin_",
    "asinh",
    "atan",
    "atan2",
    "atan_",
    "atanh",
    "autograd",
    "baddbmm",
    "bernoulli",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bmm",
    "bool",
    "broadcast_to",
    "cat",
    "ceil",
    "ceil_",
    "celu",
    "chunk",
    "clamp",
    "clamp_",
    "clamp_max",
    "clamp_max_",
    "clamp_min",
    "clamp_min_",
    "clip",
    "clone",
    "compile",
    "concat",
    "concatenate",
    "cos",
    "cos_",
    "cosh",
    "cosh_",
    "count_nonzero",
    "cuda",
    "cumprod",
    "cumsum",
    "datasets",
    "default_generator",
    "device",
    "diag",
    "diagonal",
    "div",
    "divide",
    "dot",
    "double",
    "einsum",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "erf_",
    "exp",
    "exp2",
    "exp2_",
    "exp_",
    "explain",
    "expm1",
    "expm1_",
    "export",
    "eye",
    "fill_",
    "flatten",
    "flip",
    "float",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "frac_",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_default_dtype",
    "get_rng_state",
    "greater",
    "greater_equal",
    "gt",
    "half",
    "hardshrink",
    "hstack",
    "hypot",
    "index_add",
    "index_select",
    "inference_mode",
    "initial_seed",
    "inner",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "io",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kron",
    "le",
    "lerp",
    "less",
    "less_equal",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log1p_",
    "log2",
    "log2_",
    "log10",
    "log10_",
    "log_",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_select",
    "matmul",
    "max",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "moveaxis",
    "movedim",
    "mul",
    "multinomial",
    "multiply",
    "mv",
    "nan_to_num",
    "nan_to_num_",
    "narrow",
    "ne",
    "neg",
    "neg_",
    "negative",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "not_equal",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "pow",
    "prelu",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "reciprocal",
    "reciprocal_",
    "relu",
    "relu_",
    "remainder",
    "repeat_interleave",
    "reshape",
    "roll",
    "round",
    "round_",
    "rsqrt",
    "rsqrt_",
    "rsub",
    "save",
    "scatter",
    "scatter_add",
    "seed",
    "select",
    "selu",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sigmoid",
    "sigmoid_",
    "sign",
    "sin",
    "sin_",
    "sinh",
    "sinh_",
    "softmax",
    "sort",
    "split",
    "sqrt",
    "sqrt_",
    "square",
    "square_",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "subtract",
    "sum",
    "summary",
    "swapaxes",
    "swapdims",
    "t",
    "take_along_dim",
    "tan",
    "tan_",
    "tanh",
    "tanh_",
    "tensor",
    "tensordot",
    "threshold",
    "tile",
    "topk",
    "trace",
    "train",
    "transpose",
    "tril",
    "triu",
    "true_divide",
    "trunc",
    "trunc_",
    "uint8",
    "unbind",
    "unflatten",
    "unique",
    "unsqueeze",
    "utils",
    "var",
    "var_mean",
    "vstack",
    "where",
    "xlogy",
    "xlogy_",
    "zero_",
    "zeros",
    "zeros_like",
]  # fmt: skip
