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

from nnlite import autograd, linalg, nn, optim, utils
from nnlite import ops as _ops  # noqa: F401  binds the operators to Tensor
from nnlite.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from nnlite.ops.activation import (
    celu,
    hardshrink,
    prelu,
    relu,
    selu,
    threshold,
)
from nnlite.ops.arithmetic import (
    abs,
    add,
    addcdiv,
    addcmul,
    div,
    floor_divide,
    fmod,
    lerp,
    mul,
    neg,
    remainder,
    rsub,
    sub,
)
from nnlite.ops.choose import (
    clamp,
    fmax,
    fmin,
    masked_fill,
    maximum,
    minimum,
    nan_to_num,
    where,
)
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
from nnlite.ops.linalg import bmm, dot, matmul, mm, mv, outer
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
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from nnlite.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    softmax,
    std,
    std_mean,
    sum,
    var,
    var_mean,
)
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
    cat,
    chunk,
    clone,
    flatten,
    permute,
    reshape,
    split,
    squeeze,
    stack,
    t,
    transpose,
    unsqueeze,
)
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
from nnlite.ops.vector_norm import (
    norm,
)
from nnlite.printing import set_printoptions
from nnlite.tensor import Size, Tensor
from nnlite.version import __version__

if TYPE_CHECKING:
    from nnlite import datasets, io, train
    from nnlite.io import load, save
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
    "datasets": "nnlite.datasets",
    "io": "nnlite.io",
    "train": "nnlite.train",
    "load": "nnlite.io",
    "save": "nnlite.io",
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
    from difflib import get_close_matches

    near = get_close_matches(name, [n for n in globals() if not n.startswith("_")], 3)
    hint = f"; the nearest it has: {', '.join(near)}" if near else ""
    raise AttributeError(f"nnlite has no {name!r}{hint}")


__all__ = [
    "EarlyStopping",
    "Generator",
    "History",
    "Size",
    "Tensor",
    "Trainer",
    "__version__",
    "abs",
    "acos",
    "acosh",
    "add",
    "addcdiv",
    "addcmul",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "as_tensor",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "autograd",
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
    "celu",
    "chunk",
    "clamp",
    "clone",
    "cos",
    "cosh",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "datasets",
    "default_generator",
    "div",
    "dot",
    "double",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "eye",
    "flatten",
    "float",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "frac",
    "from_numpy",
    "full",
    "full_like",
    "ge",
    "get_default_dtype",
    "get_rng_state",
    "gt",
    "half",
    "hardshrink",
    "hypot",
    "inference_mode",
    "initial_seed",
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
    "le",
    "lerp",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
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
    "matmul",
    "max",
    "maximum",
    "mean",
    "median",
    "min",
    "minimum",
    "mm",
    "mul",
    "mv",
    "nan_to_num",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
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
    "randn",
    "randn_like",
    "randperm",
    "reciprocal",
    "relu",
    "remainder",
    "reshape",
    "round",
    "rsqrt",
    "rsub",
    "save",
    "seed",
    "selu",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "sum",
    "t",
    "tan",
    "tanh",
    "tensor",
    "threshold",
    "topk",
    "train",
    "transpose",
    "trunc",
    "uint8",
    "unique",
    "unsqueeze",
    "utils",
    "var",
    "var_mean",
    "where",
    "xlogy",
    "zeros",
    "zeros_like",
]  # fmt: skip
