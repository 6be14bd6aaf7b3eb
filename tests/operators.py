"""The one table of operators: what every test of operators runs over. A new operator is a new row.

A row is a function of a library (nnlite, or torch as the oracle) and of tensors, so the same line
runs on both; samples are the shapes and options that it is tried with.
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

import nnlite
from nnlite.ops import piecewise, recurrent


class Library:
    """nnlite or torch, under the names that both share."""

    def __init__(self, module: ModuleType, functional: Any) -> None:
        self.module = module
        self.F = functional

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


NNLITE = Library(nnlite, nnlite.nn.functional)


class Arg(NamedTuple):
    """A tensor argument: its shape and what its values are drawn from."""

    shape: tuple[int, ...]
    domain: str | int


@dataclass(frozen=True)
class Sample:
    """One way to call a row's function.

    Attributes:
        args: a shape, or an ``Arg`` where the row's domain does not fit; of each tensor.
        options: keyword arguments of the function.
        grad_fn: the name of the node of the (first) result; None: no node.
        torch_grad_fn: torch's name, where it takes the function apart in another way.
        smooth: False at kinks and ties, where differences of the function mean nothing. The
            derivative there is a convention, torch's.
    """

    args: tuple[Any, ...]
    options: dict[str, Any]
    grad_fn: str | None
    torch_grad_fn: str | None
    smooth: bool

    @property
    def differentiable(self) -> bool:
        """Whether nnlite and torch both have a derivative."""
        return self.grad_fn is not None and self.torch_grad_fn != "NotImplemented"


@dataclass(frozen=True)
class Row:
    """An operator.

    Attributes:
        name: the function, as ``family.name``; more names when one row stands for several.
        call: the function of a library and of tensors.
        samples: what it is called with.
        domain: what the values of the arguments are drawn from.
        elementwise: it works on any shape, so also on empty and 0-d tensors.
        broadcasts: it takes two tensors and broadcasts them.
        once: why torch has no second derivative where it has the first (else empty).
        integers: integer and bool tensors are for it, too.
        slack: how much more than the rounding of float64 torch's own derivative is off.
        reads: it looks at values (a comparison for a check), so it cannot run without them.
        differs: dtypes that only one of nnlite and torch takes, or gives results of another dtype
            for, each with the reason.
    """

    name: str
    call: Callable[..., Any]
    samples: list[Sample]
    domain: str | int = "real"
    elementwise: bool = False
    broadcasts: bool = False
    once: str = ""
    slack: int = 1
    integers: bool = True
    reads: bool = False
    differs: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names that this row stands for."""
        return self.name.split()


def on(
    *args: Any,
    grad_fn: str | None = "",
    torch_grad_fn: str | None = "",
    smooth: bool = True,
    **options: Any,
) -> Sample:
    """A sample; names that are not given are the row's, and torch's the same as nnlite's."""
    return Sample(args, options, grad_fn, torch_grad_fn, smooth)


def row(
    name: str, grad_fn: str | None, call: Callable[..., Any], *samples: Sample, **more: Any
) -> Row:
    """A row whose samples have the node ``grad_fn``, where they do not say otherwise."""
    named = []
    for sample in samples:
        ours = grad_fn if sample.grad_fn == "" else sample.grad_fn
        theirs = ours if sample.torch_grad_fn == "" else sample.torch_grad_fn
        named.append(replace(sample, grad_fn=ours, torch_grad_fn=theirs))
    return Row(name, call, named, **more)


# ---- shorthand for the kinds of rows that come in numbers ---------------------------------------

A, B = (2, 3), (3,)
INF = float("inf")
MORE = "torch refuses; the result is the natural one"


ONCE = {"hardsigmoid": "torch has no derivative of hardsigmoid's derivative"}
SLACK = {"hardsigmoid": 1000}  # its slope 1/6 is a float32 constant there
IN_PLACE_NODES = {
    "celu": "CeluBackward1", "elu": "EluBackward1", "leaky_relu": "LeakyReluBackward1",
    "relu6": "HardtanhBackward0", "selu": "EluBackward1", "threshold": "ThresholdBackward1",
}  # fmt: skip


def activations(name: str) -> str:
    """The family of an activation function."""
    return "piecewise" if hasattr(piecewise, name) and name != "relu" else "activation"


def unary(
    name: str,
    grad_fn: str | None,
    call: Callable[..., Any] | None = None,
    *extra: Sample,
    **more: Any,
) -> Row:
    """An elementwise function of one tensor, under its own name where no call is given."""
    function = name.split(".")[1]
    return row(
        name,
        grad_fn,
        call or (lambda lib, x: getattr(lib, function)(x)),
        on(A), on(()), on((0, 3)), *extra, elementwise=True, **more,
    )  # fmt: skip


def binary(
    name: str,
    grad_fn: str | None,
    call: Callable[..., Any] | None = None,
    *extra: Sample,
    **more: Any,
) -> Row:
    """An elementwise function of two tensors, with broadcasting."""
    function = name.split(".")[1]
    return row(
        name,
        grad_fn,
        call or (lambda lib, x, y: getattr(lib, function)(x, y)),
        on(A, A), on(A, B), on((2, 1), (1, 3)), on((), A), on((), ()), on((0, 3), B), *extra,
        elementwise=True, broadcasts=True, **more,
    )  # fmt: skip


def at_kinks(*shapes: Any, **options: Any) -> Sample:
    """Values from -1, 0 and 1, so that kinks and ties are hit."""
    return on(*(Arg(shape, "ties") for shape in shapes), smooth=False, **options)


def changed(x: Any, change: Callable[[Any], Any]) -> Any:
    """A clone of ``x`` after an in-place change."""
    y = x.clone()
    change(y)
    return y


def parts_of(x: Any, *indices: Any) -> tuple[Any, ...]:
    return tuple(x[index] for index in indices)


def set_item(x: Any, index: Any, value: Any) -> Any:
    y = x.clone()
    y[index] = value
    return y


# ---- the table ----------------------------------------------------------------------------------

ARITHMETIC = [
    binary("arithmetic.add", "AddBackward0"),
    binary("arithmetic.plus", "AddBackward0", lambda lib, x, y: x + y),
    row("arithmetic.add", "AddBackward0", lambda lib, x, y: lib.add(x, y, alpha=2), on(A, B),
        on(B, A),
        differs={"bool": "a factor of 2 makes numbers of bools"}),
    row("arithmetic.add", "AddBackward0", lambda lib, x: 1 + (x + 2.5), on(A), on(())),
    binary("arithmetic.sub", "SubBackward0"),
    row(
        "arithmetic.sub", "SubBackward0", lambda lib, x, y: lib.sub(x, y, alpha=2), on(A, B),
        on(B, A),
        differs={"bool": "a factor of 2 makes numbers of bools"},
    ),
    row("arithmetic.rsub", "RsubBackward1", lambda lib, x: 2.5 - x, on(A), on(()),
        differs={"bool": "a number makes numbers of bools"}),
    row(
        "arithmetic.rsub", "RsubBackward1", lambda lib, x: lib.rsub(x, 3, alpha=2), on(A),
        differs={"bool": "a number makes numbers of bools"},
    ),
    binary("arithmetic.mul", "MulBackward0"),
    row("arithmetic.mul", "MulBackward0", lambda lib, x: 2 * x * 1.5, on(A), on(())),
    row("arithmetic.mul", "MulBackward0", lambda lib, x: x * x, on(A), on(())),
    binary("arithmetic.div", "DivBackward0"),
    row("arithmetic.div", "DivBackward0", lambda lib, x: x / 4, on(A), on(())),
    row("power.rdiv", "MulBackward0", lambda lib, x: 2 / x, on(A), on(())),
    unary("arithmetic.neg", "NegBackward0", lambda lib, x: -x),
    unary("arithmetic.abs", "AbsBackward0", None, at_kinks((5,)), differs={"bool": MORE}),
    row(
        "modulo.remainder", "RemainderBackward0", lambda lib, x: lib.remainder(x, 0.75),
        on(A), on(()),
    ),
    row("modulo.remainder", "RemainderBackward0", lambda lib, x: x % 2, on((5,))),
    binary("modulo.remainder", "RemainderBackward1"),
    row("modulo.rremainder", "RemainderBackward1", lambda lib, x: 7 % x,
        on(A, torch_grad_fn="NotImplemented"), differs={"bool": "division by False"}),
    row("arithmetic.rfloor_divide", "DivBackward2", lambda lib, x: 7 // x,
        on(A, torch_grad_fn="NotImplemented"), differs={"bool": "division by False"}),
    row("modulo.fmod", "FmodBackward0", lambda lib, x: lib.fmod(x, 0.75), on(A), on(())),
    binary("modulo.fmod", "FmodBackward1"),
    row(
        "arithmetic.addcmul", "AddcmulBackward0", lambda lib, *t, **o: lib.addcmul(*t, **o),
        on(A, A, A), on(A, B, (), value=3), on((3,), (2, 1), (1, 3)), on((), (), ()),
        on((0, 3), B, (), value=2),
    ),
    row("arithmetic.addcmul", "AddcmulBackward0", lambda lib, *t: t[0].addcmul(*t[1:], value=0.5),
        on(A, A, A)),
    row(
        "arithmetic.addcdiv", "AddcdivBackward0", lambda lib, *t, **o: lib.addcdiv(*t, **o),
        on(A, A, A), on(A, B, (), value=3), on((3,), (2, 1), (1, 3)), on((), (), ()),
        on((0, 3), B, (), value=0.5),
    ),
    row("arithmetic.lerp", "LerpBackward0", lambda lib, x, y: lib.lerp(x, y, 0.3), on(A, A),
        on(B, A), on((), ()), on((0, 3), B)),
    row("arithmetic.lerp", "LerpBackward1", lambda lib, *t: lib.lerp(*t), on(A, A, A),
        on(B, A, ()), on((), (), (2,)), on((0, 3), B, ())),
]  # fmt: skip

POWERS = [
    *(
        row(
            "power.pow", "PowBackward0", lambda lib, x, n: lib.pow(x, n),
            on(A, n=n), on((), n=n), domain="positive",
        )
        for n in (3, 0.5, -1, -2.5, 0, 1)
    ),
    row("power.pow", "PowBackward0", lambda lib, x: x**2, on(A), on((0, 3)), at_kinks((5,))),
    row("power.pow", "PowBackward0", lambda lib, x: x**3, on(A), on((0, 3)), at_kinks((5,))),
    binary("power.pow", "PowBackward1", lambda lib, x, y: lib.pow(x, y), domain="positive"),
    row(
        "power.pow", "PowBackward1", lambda lib, x, y: lib.pow(x, y),
        on(Arg((6,), "zero and one"), Arg((6,), "above two"), smooth=False),
    ),
    row("power.rpow", "PowBackward2", lambda lib, x: 2**x, on(A), on(())),
    row("power.rpow", "PowBackward2", lambda lib, x: 0.5**x, on(A)),
    row("power.rpow", "PowBackward2", lambda lib, x: 0.0**x, on(A, smooth=False),
        domain="positive"),
    unary("power.square", "PowBackward0"),
    unary("power.sqrt", "SqrtBackward0", domain="positive"),
    unary("power.rsqrt", "RsqrtBackward0", domain="positive"),
    unary("power.reciprocal", "ReciprocalBackward0"),
    binary("power.hypot", "HypotBackward0", None, at_kinks((9,), (9,)), domain="positive"),
]  # fmt: skip

TRANSCENDENTAL = [
    unary("exponential.exp", "ExpBackward0"),
    unary("exponential.expm1", "Expm1Backward0"),
    unary("exponential.log", "LogBackward0", domain="positive"),
    unary("exponential.log1p", "Log1PBackward0", domain="positive"),
    unary("exponential.exp2", "Exp2Backward0"),
    unary("exponential.log2", "Log2Backward0", domain="positive"),
    unary("exponential.log10", "Log10Backward0", domain="positive"),
    binary(
        "exponential.logaddexp",
        "LogaddexpBackward0",
        None,
        on(Arg((9,), "wide"), Arg((9,), "wide")),
        on(Arg((9,), "ties"), Arg((9,), "ties")),
    ),
    binary(
        "exponential.xlogy",
        "XlogyBackward0",
        None,
        on(Arg((9,), "ties"), (9,), smooth=False),
        domain="positive",
    ),
    row(
        "exponential.xlogy",
        "XlogyBackward1",
        lambda lib, x: lib.xlogy(2.0, x),
        on(A),
        domain="positive",
    ),
    row(
        "exponential.xlogy", "XlogyBackward2", lambda lib, x: x.xlogy(2.5), on(A), domain="positive"
    ),
    unary("exponential.erf", "ErfBackward0", None, on(Arg((9,), "wide"))),
    *(
        unary(
            f"trigonometric.{name}", f"{name.capitalize()}Backward0", None, on(Arg((9,), "halves"))
        )
        for name in ("sin", "cos", "tan", "atan", "sinh", "cosh", "asinh")
    ),
    *(
        unary(f"trigonometric.{name}", f"{name.capitalize()}Backward0", domain="unit")
        for name in ("asin", "acos", "atanh")
    ),
    unary("trigonometric.acosh", "AcoshBackward0", domain="above two"),
    binary("trigonometric.atan2", "Atan2Backward0", None, on((9,), Arg((9,), "ties"))),
    unary("exponential.sigmoid", "SigmoidBackward0", None, on(Arg((6,), "wide"))),
    unary("trigonometric.tanh", "TanhBackward0", None, on(Arg((6,), "wide"))),
]

ACTIVATIONS = [
    unary("activation.relu", "ReluBackward0", None, at_kinks((5,)),
          differs={"bool": MORE}),
    unary(
        "activation.leaky_relu", "LeakyReluBackward0", lambda lib, x: lib.F.leaky_relu(x, 0.1),
        at_kinks((5,)), integers=False,
    ),
    unary("activation.gelu", "GeluBackward0", lambda lib, x: lib.F.gelu(x), on(Arg((8,), "wide")),
          integers=False),
    unary(
        "activation.gelu", "GeluBackward0", lambda lib, x: lib.F.gelu(x, approximate="tanh"),
        integers=False,
    ),
    unary(
        "activation.softplus", "SoftplusBackward0", lambda lib, x: lib.F.softplus(x),
        on(Arg((6,), "wide")), integers=False,
    ),
    unary(
        "activation.softplus", "SoftplusBackward0", lambda lib, x: lib.F.softplus(x, 2, 1),
        integers=False,
    ),
    *(
        unary(f"{activations(name)}.{name}", f"{node or name.capitalize()}Backward0",
              lambda lib, x, f=name, o=options: getattr(lib.F, f)(x, **o), at_kinks((5,)),
              on(Arg((8,), "wide")), on(Arg((9,), "halves"), smooth=False), integers=False,
              once=ONCE.get(name, ""), slack=SLACK.get(name, 1))
        for name, node, options in [
            ("elu", "", {}), ("elu", "", {"alpha": 0.5}), ("celu", "", {}),
            ("celu", "", {"alpha": 2.0}), ("selu", "Elu", {}), ("silu", "", {}), ("mish", "", {}),
            ("logsigmoid", "LogSigmoid", {}), ("hardtanh", "", {}),
            ("hardtanh", "", {"min_val": -0.5, "max_val": 2.0}), ("relu6", "Hardtanh", {}),
            ("hardsigmoid", "", {}), ("hardswish", "", {}), ("softshrink", "", {}),
            ("softshrink", "", {"lambd": 1.0}), ("hardshrink", "", {}),
            ("hardshrink", "", {"lambd": 1.0}), ("threshold", "", {"threshold": 0, "value": 7}),
            ("softsign", "Div", {}), ("tanhshrink", "Sub", {}),
        ]
    ),
    row("activation.glu", "GluBackward0", lambda lib, x, **o: lib.F.glu(x, **o), on((2, 4)),
        on((2, 3), dim=0), on((2, 4, 3), dim=1), on((0, 2)), integers=False),
    row("piecewise.prelu", "PreluKernelBackward0", lambda lib, x, w: lib.F.prelu(x, w),
        on(A, (1,)), on(A, (3,)), on((2, 3, 2), (3,)), on((), (1,)), on((0, 3), (3,)),
        on((4,), ()), integers=False),
    row("piecewise.prelu", "PreluKernelBackward0", lambda lib, x, w: lib.F.prelu(x, w),
        at_kinks((3, 3), (3,)), integers=False,
        once="at 0 torch differentiates the other piece than in the first derivative"),
    *(
        row(f"{activations(name)}.{name}",
            IN_PLACE_NODES.get(name, f"{name.capitalize()}Backward0"),
            lambda lib, x, f=name, o=options: getattr(lib.F, f)(x * 2, inplace=True, **o), on(A),
            integers=False, once=ONCE.get(name, ""), slack=SLACK.get(name, 1))
        for name, options in [
            ("leaky_relu", {}), ("elu", {}), ("celu", {}), ("selu", {}), ("silu", {}),
            ("mish", {}), ("hardtanh", {}), ("relu6", {}), ("hardsigmoid", {}), ("hardswish", {}),
            ("threshold", {"threshold": 0, "value": 7}),
        ]
    ),
]  # fmt: skip

CHOOSING = [
    row(
        "choose.clamp", "ClampBackward1", lambda lib, x, **o: lib.clamp(x, **o),
        on(A, min=-0.5, max=0.7), on(A, min=0.3),
        on(A, max=0.3), on((), min=-1, max=1), on((0, 3), min=0, max=1),
        at_kinks((6,), min=0, max=1), at_kinks((6,), min=0),
        at_kinks((6,), max=0),
        differs={"uint8": "no bounds below 0 for uint8"},
    ),
    row(
        "choose.clamp", "ClampBackward0", lambda lib, x, lo, hi: lib.clamp(x, lo, hi), on(A, A, A),
        on(A, B, ()), on((2, 3), (1, 3), (2, 1)), at_kinks((27,), (27,), (27,)), on((0, 3), B, ()),
    ),
    row("choose.clamp", "ClampBackward0", lambda lib, x, lo: lib.clamp(x, min=lo), on(A, B),
        on(A, ()), at_kinks((9,), (9,))),
    row("choose.clamp", "ClampBackward0", lambda lib, x, hi: lib.clamp(x, max=hi), on(A, B),
        on(A, ()), at_kinks((9,), (9,))),
    row("choose.clamp_min", "ClampMinBackward0", lambda lib, x, b: lib.clamp_min(x, b),
        on(A, b=0.3), at_kinks((6,), b=0)),
    row("choose.clamp_max", "ClampMaxBackward0", lambda lib, x, b: lib.clamp_max(x, b),
        on(A, b=0.3), at_kinks((6,), b=0)),
    binary("choose.maximum", "MaximumBackward0", None, at_kinks((9,), (9,)),
        at_kinks((5, 3), (3,))),
    binary("choose.minimum", "MinimumBackward0", None, at_kinks((9,), (9,)),
        at_kinks((5, 3), (3,))),
    row(
        "choose.where", "WhereBackward0", lambda lib, c, x, y: lib.where(c, x, y),
        *(on(Arg(s, "mask"), x, y) for s, x, y in [(A, A, A), (A, B, ()), ((2, 1), B, A),
                                                   ((), A, B), ((0, 3), (0, 3), B), ((), (), ())]),
    ),
    row(
        "choose.where_method", "WhereBackward0", lambda lib, c, x, y: x.where(c, y),
        on(Arg(A, "mask"), A, B),
    ),
    row("choose.where", None, lambda lib, c: lib.where(c), on(Arg(A, "mask"))),
    row(
        "choose.where", "WhereBackward0",
        lambda lib, c, x: lib.where(c, x, 0.5) + lib.where(c, 2, x),
        on(Arg(A, "mask"), A, grad_fn="AddBackward0"),
    ),
]  # fmt: skip

CHOOSING += [
    *(
        binary(f"choose.{name}", f"{name.capitalize()}Backward0", None, at_kinks((9,), (9,)),
               on(Arg((9,), "special"), (9,), smooth=False),
               on((9,), Arg((9,), "special"), smooth=False))
        for name in ("fmax", "fmin")
    ),
    row("choose.masked_fill", "MaskedFillBackward0", lambda lib, x, m: x.masked_fill(m, 2),
        on(A, Arg(A, "mask")), on(A, Arg(B, "mask")), on(B, Arg(A, "mask")),
        on((), Arg((), "mask")), on((0, 3), Arg(B, "mask"))),
    row("choose.masked_fill", "MaskedFillBackward1",
        lambda lib, x, m, v: lib.masked_fill(x, m, v), on(A, Arg(A, "mask"), ()),
        on(A, Arg(B, "mask"), ()), on((0, 3), Arg(B, "mask"), ())),
    unary("choose.nan_to_num", "NanToNumBackward0"),
    row("choose.nan_to_num", "MulBackward0", lambda lib, x: lib.nan_to_num(x) * 0.5,
        on(Arg((9,), "special"), smooth=False)),
    row("choose.nan_to_num", "NanToNumBackward0",
        lambda lib, x: lib.nan_to_num(x, nan=1.0, posinf=2.0, neginf=-2.0),
        on(Arg((9,), "special"), smooth=False)),
]  # fmt: skip

NOT_DIFFERENTIABLE = [
    unary("rounding.sign", "SignBackward0", None, at_kinks((5,))),
    *(
        binary(f"compare.{name}", None, None, at_kinks((9,), (9,)))
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
    ),
    *(binary(f"compare.logical_{name}", None, None, at_kinks((9,), (9,))) for name in ("and",
        "or", "xor")),
    row("compare.isclose", None, lambda lib, x, y, **o: lib.isclose(x, y, **o),
        on(A, B, rtol=0.5), at_kinks((9,), (9,)), on(Arg((9,), "special"), Arg((9,), "special")),
        on(Arg((9,), "special"), Arg((9,), "special"), equal_nan=True)),
    unary("compare.logical_not", None, None, at_kinks((5,))),
    *(
        row(
            f"compare.bitwise_{name}", None, lambda lib, x, y, f: getattr(lib, f)(x, y),
            on(Arg(A, 9), Arg(A, 9), f=f"bitwise_{name}"),
            on(Arg(A, "mask"), Arg(A, "mask"), f=f"bitwise_{name}"),
            on(Arg(A, 9), Arg(B, 9), f=f"bitwise_{name}"), integers=False,
        )
        for name in ("and", "or", "xor")
    ),
    row(
        "compare.bitwise_not", None, lambda lib, x: ~x, on(Arg(A, 9)), on(Arg(A, "mask")),
        integers=False,
    ),
    *(unary(f"compare.{name}", None, None, on(Arg((6,), "special"))) for name in ("isnan",
        "isinf", "isfinite")),
    *(
        unary(f"rounding.{name}", f"{name.capitalize()}Backward0", None,
            on(Arg((9,), "halves"), smooth=False),
              differs={} if name == "round" else {"bool": MORE})
        for name in ("floor", "ceil", "round", "trunc")
    ),
    row(
        "arithmetic.floor_divide", "DivBackward2", lambda lib, x, y: x // y,
        *(on(*shapes, torch_grad_fn="NotImplemented") for shapes in ((A, A), (A, B), ((), ()),
            ((0, 3), B))),
    ),
    row("arithmetic.div", "DivBackward2", lambda lib, x, y: lib.div(x, y, rounding_mode="trunc"),
        on(A, B)),
    unary("rounding.frac", "FracBackward0"),
    row("rounding.round", "RoundBackward1", lambda lib, x: lib.round(x, decimals=1), on((9,)),
        integers=False),
]  # fmt: skip

REDUCTIONS = [
    row(
        "reduce.sum", "SumBackward1", lambda lib, x, **o: lib.sum(x, **o),
        on((2, 3, 2), dim=1), on((2, 3, 2), dim=(0, 2)), on(A, dim=-1, keepdim=True),
        on((0, 3), dim=0),
        on((0, 3), dim=1), on((), dim=0), on(A, dim=(0, 1)), on(A, dim=()),
    ),
    row("reduce.sum", "SumBackward0", lambda lib, x: x.sum(), on(A), on(()), on((0, 3))),
    row("reduce.sum", "SumBackward1", lambda lib, x: x.sum(axis=0, keepdims=True), on(A)),
    row(
        "reduce.mean", "MeanBackward1", lambda lib, x, **o: lib.mean(x, **o),
        on((2, 3, 2), dim=1), on((2, 3, 2), dim=(0, 2)), on(A, dim=-1, keepdim=True),
        on((2, 0), dim=0),
        on((2, 0), dim=1), on((), dim=0), on(A, dim=(), keepdim=True), integers=False,
    ),
    row("reduce.mean", "MeanBackward0", lambda lib, x: x.mean(), on(A), on(()), on((0, 3)),
        integers=False),
    row(
        "reduce.var", "VarBackward0", lambda lib, x, **o: lib.var(x, **o),
        on(A), on((2, 3, 2), dim=1), on((2, 3, 2), dim=(0, 2), keepdim=True),
        on(A, dim=0, unbiased=False), on((), dim=0, correction=0),
        on(A, dim=-1, correction=0), integers=False,
    ),
    row(
        "reduce.std", "StdBackward0", lambda lib, x, **o: lib.std(x, **o),
        on(A), on((2, 3, 2), dim=1), on((2, 3, 2), dim=(0, 2), keepdim=True),
        on(A, dim=0, unbiased=False),
        integers=False,
    ),
    *(
        row(
            f"extremes.{name}", f"{name.capitalize()}Backward0",
            lambda lib, x, f, **o: getattr(lib, f)(x, **o),
            on(A, f=name, dim=0), on((2, 3, 2), f=name, dim=(0, 2)),
            on(A, f=name, dim=-1, keepdim=True),
            on((2, 0), f=name, dim=0), on((), f=name), at_kinks((4, 4), f=name, dim=1),
            at_kinks((4, 4), f=name),
        )
        for name in ("amax", "amin")
    ),
    *(
        row(
            f"extremes.{name}", f"{name.capitalize()}Backward0",
            lambda lib, x, f, **o: getattr(lib, f)(x, **o),
            on(A, f=name, dim=0), on((2, 3, 2), f=name, dim=1, keepdim=True), on(A, f=name, dim=-1),
            on((2, 0), f=name, dim=0), on((), f=name, dim=0), at_kinks((4, 4), f=name, dim=1),
        )
        for name in ("max", "min")
    ),
    *(
        row(
            f"extremes.{name}", f"{name.capitalize()}Backward1", lambda lib, x, f: getattr(x, f)(),
            on(A, f=name), on((), f=name), at_kinks((4, 4), f=name),
        )
        for name in ("max", "min")
    ),
    row("extremes.max", "MaximumBackward0", lambda lib, x, y: lib.max(x, y), on(A, B)),
    row("extremes.min", "MinimumBackward0", lambda lib, x, y: lib.min(x, y), on(A, B)),
    *(
        row(
            f"extremes.{name}", None, lambda lib, x, f, **o: getattr(lib, f)(x, **o),
            on(A, f=name), on(A, f=name, dim=0), on(A, f=name, dim=1, keepdim=True), on((), f=name),
            at_kinks((4, 4), f=name, dim=1), differs={"bool": MORE},
        )
        for name in ("argmax", "argmin")
    ),
    *(
        row(
            f"reduce.{name}", None, lambda lib, x, f, **o: getattr(lib, f)(x, **o),
            on(Arg(A, "mask"), f=name), on(Arg(A, "mask"), f=name, dim=0), on((0, 3), f=name),
            on(Arg((2, 3, 2), "mask"), f=name, dim=(0, 2), keepdim=True),
            at_kinks((4, 4), f=name, dim=1),
        )
        for name in ("any", "all")
    ),
]  # fmt: skip

REDUCTIONS += [
    *(
        row(f"reduce.{name}", grad_fn, lambda lib, x, f=name, **o: getattr(lib, f)(x, **o),
            on(A), on((2, 3, 2), dim=1), on((2, 3, 2), dim=(0, 2), keepdim=True),
            on(A, dim=0, unbiased=False), on(A, dim=-1, correction=0), integers=False)
        for name, grad_fn in [("var_mean", "VarMeanBackward0"), ("std_mean", "StdMeanBackward0")]
    ),
    row("reduce.var_mean", "MulBackward0", lambda lib, x: lib.var_mean(x, 0)[1] * 2, on(A),
        integers=False),
    *(
        row(f"scan.{name}", f"{name.capitalize()}Backward0",
            lambda lib, x, f=name, **o: getattr(lib, f)(x, **o),
            on((4,), dim=0), on((2, 3, 2), dim=1), on(A, dim=-1), on((), dim=0), on((0, 3), dim=0),
            on((0, 3), dim=1), on(Arg((4, 3), "zero and one"), dim=0), on((1, 2), dim=0))
        for name in ("cumsum", "cumprod")
    ),
    row("scan.prod", "ProdBackward0", lambda lib, x: lib.prod(x), on(A), on(()), on((0, 3)),
        on(Arg((2, 2), "zero and one"))),
    row("scan.prod", "ProdBackward1", lambda lib, x, **o: x.prod(**o), on(A, dim=0),
        on((2, 3, 2), dim=1, keepdim=True), on((2, 0), dim=0), on((2, 0), dim=1), on((), dim=0),
        on(Arg((3, 4), "zero and one"), dim=-1)),
    row("vector_norm.vector_norm", "LinalgVectorNormBackward0",
        lambda lib, x, **o: lib.linalg.vector_norm(x, **o), on(A),
        *(on(A, ord=p, dim=1) for p in (0, 0.5, 1, 1.5, 2, 3, INF, -INF)),
        on((2, 3, 2), ord=3, dim=(0, 2), keepdim=True), on((0, 3)), on((), ord=2),
        *(at_kinks((3, 3), ord=p, dim=1) for p in (1, 1.5, 2, 3)), integers=False),
    row("vector_norm.vector_norm", "LinalgVectorNormBackward0",
        lambda lib, x: lib.linalg.vector_norm(x, INF, dim=1), at_kinks((3, 3)), integers=False,
        slack=1000),  # torch shares among ties in float32
    row("vector_norm.norm", "LinalgVectorNormBackward0", lambda lib, x, **o: lib.norm(x, **o),
        on(A), on(A, dim=1), on(A, p=1), on(A, p=3, dim=0, keepdim=True), on(A, dim=(0, 1)),
        integers=False),
    row("vector_norm.linalg_norm", "LinalgVectorNormBackward0",
        lambda lib, x, **o: lib.linalg.norm(x, **o), on(A), on(A, ord=2, dim=1), on((3,), ord=1),
        on(A, ord="fro"), on(A, ord=1, grad_fn="AmaxBackward0"),
        on((2, 3, 2), dim=(0, 2)), integers=False),
    row("vector_norm.matrix_norm", "LinalgVectorNormBackward0",
        lambda lib, x, **o: lib.linalg.matrix_norm(x, **o), on(A), on((2, 3, 2)),
        *(on((2, 3, 2), ord=p, grad_fn=f)
          for p, f in [(1, "AmaxBackward0"), (-1, "AminBackward0"), (INF, "AmaxBackward0")]),
        on(A, ord=-INF, keepdim=True, grad_fn="AminBackward0"), integers=False),
    row("order.sort", "SortBackward0", lambda lib, x, **o: lib.sort(x, **o), on((5,)),
        on((2, 3, 2), dim=1), on(A, dim=0, descending=True), on(()), on((0, 3), dim=1),
        at_kinks((9,), stable=True, grad_fn="SortBackward1"),
        at_kinks((9,), stable=True, grad_fn="SortBackward1", descending=True),
        on(Arg((6,), "special"), stable=True, grad_fn="SortBackward1", smooth=False),
        on(Arg((6,), "special"), stable=True, grad_fn="SortBackward1", descending=True,
           smooth=False)),
    row("order.argsort", None, lambda lib, x, **o: lib.argsort(x, **o), on((5,)), on(A, dim=0),
        at_kinks((9,), stable=True, descending=True)),
    row("order.topk", "TopkBackward0", lambda lib, x, k, **o: lib.topk(x, k, **o), on((5,), k=2),
        on((2, 3, 2), k=2, dim=1), on(A, k=1, dim=0, largest=False), on((), k=1), on(A, k=0),
        integers=False),
    row("order.median", "MedianBackward0", lambda lib, x: lib.median(x), on(A), on((5,)), on(()),
        at_kinks((9,)), on(Arg((6,), "special"), smooth=False)),
    row("order.median", "MedianBackward1", lambda lib, x, **o: lib.median(x, **o), on(A, dim=1),
        on((2, 4, 2), dim=1, keepdim=True), on((), dim=0), on(A, dim=0), integers=False),
    row("order.unique", None, lambda lib, x, **o: lib.unique(x, **o),
        *(at_kinks((9,), torch_grad_fn="Unique2Backward0", **o) for o in (
            {}, {"return_inverse": True}, {"return_inverse": True, "return_counts": True})),
        at_kinks((5, 2), dim=0, torch_grad_fn="UniqueDimBackward0")),
    row("order.nonzero", None, lambda lib, x: lib.nonzero(x), at_kinks((9,)), at_kinks((3, 3)),
        on(()), on((0, 3))),
    row("order.nonzero", None, lambda lib, x: lib.nonzero(x, as_tuple=True), at_kinks((3, 3))),
    row("order.count_nonzero", None, lambda lib, x, **o: lib.count_nonzero(x, **o),
        at_kinks((9,)), at_kinks((9,), dim=()), at_kinks((3, 3), dim=1),
        at_kinks((3, 3, 2), dim=(0, 2)), on((0, 3))),
]  # fmt: skip

SOFTMAX = [
    *(
        row(
            f"softmax.{name}", grad_fn, lambda lib, x, f, dim: getattr(lib, f)(x, dim=dim),
            on(A, f=name, dim=1), on(A, f=name, dim=0), on((2, 3, 2), f=name, dim=1),
            on((), f=name, dim=0),
            on((0, 3), f=name, dim=1), on(Arg((2, 4), "wide"), f=name, dim=-1), integers=False,
        )
        for name, grad_fn in [("softmax", "SoftmaxBackward0"),
            ("log_softmax", "LogSoftmaxBackward0")]
    ),
    row(
        "softmax.logsumexp", "LogsumexpBackward0", lambda lib, x, **o: lib.logsumexp(x, **o),
        on(A, dim=1), on((2, 3, 2), dim=(0, 2)), on(A, dim=-1, keepdim=True),
        on(Arg((2, 4), "wide"), dim=1),
        integers=False,
    ),
]  # fmt: skip

PRODUCTS = [
    row(
        "linalg.matmul", "MmBackward0", lambda lib, x, y: x @ y,
        on((2, 3), (3, 2)), on((1, 3), (3, 4)), on((0, 3), (3, 2)), on((2, 0), (0, 3)),
        on((2, 3), (3, 0)),
        on((2, 3), (3,), grad_fn="MvBackward0"), on((3,), (3, 2), grad_fn="SqueezeBackward4"),
        on((3,), (3,), grad_fn="DotBackward0"), on((0,), (0,), grad_fn="DotBackward0"),
        on((2, 2, 3), (2, 3, 2), grad_fn="UnsafeViewBackward0"),
        on((2, 2, 3), (3, 2), grad_fn="UnsafeViewBackward0"),
        on((2, 3), (2, 3, 2), grad_fn="CloneBackward0"),
        on((2, 1, 2, 3), (1, 2, 3, 2), grad_fn="UnsafeViewBackward0"),
        on((1, 2, 3), (2, 3, 2), grad_fn="CloneBackward0"),
        on((1, 3), (2, 3, 2), grad_fn="TransposeBackward0"),
        on((0, 2, 3), (3, 2), grad_fn="UnsafeViewBackward0"),
        on((2, 2, 3), (3,), grad_fn="UnsafeViewBackward0"),
        on((3,), (2, 3, 2), grad_fn="UnsafeViewBackward0"),
        differs={"bool": MORE},
    ),
    row("linalg.matmul", "MmBackward0", lambda lib, x: x @ x, on((3, 3)), integers=False),
    row("linalg.mm", "MmBackward0", lambda lib, x, y: lib.mm(x, y), on((2, 3), (3, 2)),
        integers=False),
    row("linalg.mv", "MvBackward0", lambda lib, x, y: lib.mv(x, y), on((2, 3), (3,)),
        integers=False),
    row("linalg.dot", "DotBackward0", lambda lib, x, y: lib.dot(x, y), on((3,), (3,)),
        integers=False),
    row("linalg.bmm", "BmmBackward0", lambda lib, x, y: lib.bmm(x, y), on((2, 2, 3), (2, 3, 2)),
        on((0, 2, 3), (0, 3, 2)), integers=False),
    row("linalg.inner", "ViewBackward0", lambda lib, x, y: lib.inner(x, y),
        on((2, 3), (4, 3)), on((2, 3), (3,)), on((3,), (2, 2, 3)),
        on((3,), (3,)), on((), (3,), grad_fn="MulBackward0"),
        on((2, 0), (3, 0)), integers=False),
    row("linalg.rmatmul", "MmBackward0", lambda lib, x, y: y.__rmatmul__(x), on((2, 3), (3, 2)),
        integers=False),
    row("linalg.outer", "MulBackward0", lambda lib, x, y: lib.outer(x, y), on((2,), (3,)),
        on((0,), (3,))),
    row(
        "linalg.linear", "AddmmBackward0", lambda lib, *t: lib.F.linear(*t),
        on((4, 3), (2, 3), (2,)), on((1, 3), (1, 3), (1,)), on((0, 3), (2, 3), (2,)),
        on((4, 3), (2, 3), grad_fn="MmBackward0"), on((3,), (2, 3), (2,), grad_fn="ViewBackward0"),
        on((3,), (2, 3), grad_fn="SqueezeBackward4"),
        on((2, 4, 3), (2, 3), (2,), grad_fn="ViewBackward0"),
        on((2, 4, 3), (2, 3), grad_fn="UnsafeViewBackward0"),
        integers=False,
    ),
]  # fmt: skip

MATRICES = [
    row("matrix.addmm", "AddmmBackward0", lambda lib, *t, **o: lib.addmm(*t, **o),
        on((2, 2), (2, 3), (3, 2)), on((2,), (2, 3), (3, 2), beta=2, alpha=3),
        on((), (1, 3), (3, 2), beta=0), on((2, 1), (2, 0), (0, 2)), integers=False),
    row("matrix.addmv", "AddmvBackward0", lambda lib, *t, **o: lib.addmv(*t, **o),
        on((2,), (2, 3), (3,)), on((), (2, 3), (3,), beta=2, alpha=3), integers=False),
    row("matrix.baddbmm", "BaddbmmBackward0", lambda lib, *t, **o: lib.baddbmm(*t, **o),
        on((2, 2, 2), (2, 2, 3), (2, 3, 2)), on((2,), (2, 2, 3), (2, 3, 2), beta=2, alpha=3),
        integers=False),
    *(
        row("matrix.einsum", grad_fn, lambda lib, *t, e: lib.einsum(e, *t),
            on(*shapes, e=equation), integers=False)
        for equation, shapes, grad_fn in [
            ("ij,jk->ik", ((2, 3), (3, 2)), "ViewBackward0"),
            ("ij,jk", ((2, 3), (3, 2)), "ViewBackward0"),
            ("i,i", ((3,), (3,)), "ViewBackward0"), ("i,j->ij", ((2,), (3,)), "MulBackward0"),
            ("bij,bjk->bik", ((2, 2, 3), (2, 3, 2)), "ViewBackward0"),
            ("...ij,...jk->...ik", ((2, 2, 3), (3, 2)), "ViewBackward0"),
            ("ij->i", ((2, 3),), "SumBackward1"), ("ij->ji", ((2, 3),), "PermuteBackward0"),
            ("ii->i", ((3, 3),), "PermuteBackward0"), ("ii", ((3, 3),), "SumBackward1"),
            ("ij,ij->ij", ((2, 3), (2, 3)), "MulBackward0"),
            ("ij,k->ik", ((2, 3), (2,)), "ViewBackward0"),
            ("ijk,jl,l->il", ((2, 3, 2), (3, 2), (2,)), "ViewBackward0"),
            ("ij,jk->ik", ((2, 1), (3, 2)), "ViewBackward0"),
        ]
    ),
    row("matrix.tensordot", "ViewBackward0", lambda lib, x, y, d: lib.tensordot(x, y, d),
        on((2, 3), (3, 2), d=1), on((2, 3), (2, 3), d=2), on((2, 3, 2), (2, 2, 3), d=([1], [2])),
        on((2,), (3,), d=0), integers=False),
    row("matrix.kron", "UnsafeViewBackward0", lambda lib, x, y: lib.kron(x, y), on(A, A),
        on((2,), A), on((), B)),
    row("diagonals.trace", "TraceBackward0", lambda lib, x: lib.trace(x), on(A), on((3, 3)),
        on((0, 3)), differs={"bool": MORE}),
    *(
        row(f"diagonals.{name}", f"{name.capitalize()}Backward0",
            lambda lib, x, f=name, **o: getattr(lib, f)(x, **o), on((3, 3)), on(A, diagonal=1),
            on((2, 3, 3), diagonal=-1), on((0, 3)))
        for name in ("tril", "triu")
    ),
    row("diagonals.diagonal", "DiagonalBackward0", lambda lib, x, **o: lib.diagonal(x, **o), on(A),
        on((3, 3), offset=1), on((2, 3, 3), offset=-1, dim1=-1, dim2=-2),
        on((2, 3, 2), dim1=0, dim2=2), on((3, 3), offset=5)),
    row("diagonals.diag", "DiagonalBackward0_copy", lambda lib, x, **o: lib.diag(x, **o), on(A),
        on((3, 3), diagonal=1), on((3,), grad_fn="DiagEmbedBackward0"),
        on((2,), diagonal=-1, grad_fn="DiagEmbedBackward0")),
]  # fmt: skip

SHAPES = [
    row("shape.reshape", "ViewBackward0", lambda lib, x, s: lib.reshape(x, s), on(A, s=(3, 2)),
        on(A, s=(-1,)),
        on((), s=(1, 1)), on((0, 3), s=(3, 0)), on((1,), s=())),
    row("shape.reshape", "UnsafeViewBackward0", lambda lib, x: x.t().reshape(6), on(A)),
    row("shape.view", "ViewBackward0", lambda lib, x, s: x.view(*s), on(A, s=(3, -1)),
        on((2, 3, 2), s=(6, 2))),
    row("shape.flatten", "ViewBackward0", lambda lib, x, **o: lib.flatten(x, **o), on(A),
        on((2, 3, 2), start_dim=1),
        on((2, 3, 2), end_dim=1), on(())),
    row("shape.permute", "PermuteBackward0", lambda lib, x, d: x.permute(d),
        on((2, 3, 4), d=(2, 0, 1)),
        on((2, 3, 4), d=(-1, 0, 1)), on((), d=())),
    row("shape.permute", "PermuteBackward0", lambda lib, x: x.permute(1, 2, 0), on((2, 3, 4))),
    row("shape.transpose", "TransposeBackward0", lambda lib, x: lib.transpose(x, 0, -1), on(A),
        on((2, 3, 4)), on(())),
    row("shape.t", "TBackward0", lambda lib, x: x.t(), on(A), on((3,))),
    row("shape.reverse_dims", "PermuteBackward0", lambda lib, x: x.T, on(A)),
    row("shape.matrix_transpose", "TransposeBackward0", lambda lib, x: x.mT, on(A), on((2, 3, 4))),
    row("shape.unsqueeze", "UnsqueezeBackward0", lambda lib, x, dim: lib.unsqueeze(x, dim),
        on(A, dim=0),
        on(A, dim=-1), on(A, dim=1), on((), dim=0), on((0, 3), dim=1)),
    row("shape.squeeze", "SqueezeBackward0", lambda lib, x: lib.squeeze(x), on((2, 1, 3, 1)), on(A),
        on((1, 1))),
    row("shape.squeeze", "SqueezeBackward1", lambda lib, x, dim: lib.squeeze(x, dim),
        on((2, 1, 3), dim=1),
        on((2, 1, 3), dim=0), on((2, 3, 1), dim=-1)),
    row("shape.squeeze", "SqueezeBackward2", lambda lib, x, dim: lib.squeeze(x, dim),
        on((2, 1, 3, 1), dim=(1, 2))),
    row("shape.expand", "ExpandBackward0", lambda lib, x, s: x.expand(*s), on((2, 1), s=(2, 3)),
        on((2, 1), s=(-1, 3)),
        on((3,), s=(2, 3)), on((), s=(2, 2)), on((1, 3), s=(0, 3))),
    row("shape.broadcast_to", "ExpandBackward0", lambda lib, x, s: lib.broadcast_to(x, s),
        on((2, 1), s=(2, 3)),
        on((), s=(2,))),
    row("join.cat", "CatBackward0", lambda lib, *t, dim=0: lib.cat(t, dim=dim), on((2, 3), (1, 3)),
        on((2, 1), (2, 3), (2, 2), dim=1), on((2, 1), (2, 3), dim=-1), on((0, 3), (2, 3)),
        on((2, 3))),
    row("join.cat", "CatBackward0", lambda lib, x: lib.cat([x, x, x]), on((2, 3))),
    row("join.stack", "StackBackward0", lambda lib, *t, dim=0: lib.stack(t, dim=dim),
        on((2, 3), (2, 3)),
        on((2, 3), (2, 3), dim=1), on((2,), (2,), (2,), dim=-1), on((), ()), on((0,), (0,))),
    row("join.split", "SplitBackward0", lambda lib, x, s, **o: lib.split(x, s, **o),
        on((5, 2), s=2),
        on((2, 5), s=[1, 0, 4], dim=1, grad_fn="SplitWithSizesBackward0"), on((2, 3), s=5, dim=-1),
        on((0, 2), s=1)),
    row("join.split", "MulBackward0", lambda lib, x: x.split(2)[1] * 2, on((5, 2))),
    row("join.chunk", "SplitBackward0", lambda lib, x, n: x.chunk(n), on((5, 2), n=2),
        on((6,), n=3), on((2,), n=5)),
    row("convert.clone", "CloneBackward0", lambda lib, x: x.clone(), on(A), on(()), on((0, 3))),
    row("convert.contiguous", "CloneBackward0", lambda lib, x: x.t().contiguous(), on(A)),
    row("convert.to", "ToCopyBackward0", lambda lib, x: x.to(lib.float32).to(lib.float64),
        on(A, smooth=False), on((), smooth=False)),
    row("convert.float convert.double", "ToCopyBackward0", lambda lib, x: x.float().double(),
        on(A, smooth=False)),
    row("convert.half convert.astype", "MulBackward0", lambda lib, x: x.half().double() * 2,
        on(A, smooth=False)),
    row("convert.type_as", "ToCopyBackward0", lambda lib, x: x.type_as(lib.zeros(1)),
        on(A, smooth=False)),
    row("convert.long", None, lambda lib, x: x.long(), on(A)),
    row("convert.short", None, lambda lib, x: x.short(), on(A)),
    row("convert.int_", None, lambda lib, x: x.int(), on(A)),
    row("convert.bool_", None, lambda lib, x: x.bool(), on(A), at_kinks((5,))),
]  # fmt: skip

SHAPES += [
    row("rearrange.view_as", "ViewBackward0", lambda lib, x: x.view_as(lib.zeros(3, 2)), on(A)),
    row("rearrange.reshape_as", "ViewBackward0", lambda lib, x: x.reshape_as(lib.zeros(6)), on(A)),
    row("rearrange.expand_as", "ExpandBackward0", lambda lib, x: x.expand_as(lib.zeros(2, 3)),
        on(B)),
    row("rearrange.unflatten", "ViewBackward0", lambda lib, x, d, s: lib.unflatten(x, d, s),
        on((2, 6), d=1, s=(2, 3)), on((2, 6), d=-1, s=(3, -1))),
    row("rearrange.ravel", "ViewBackward0", lambda lib, x: lib.ravel(x), on(A), on((0, 3))),
    row("rearrange.ravel", "ViewBackward0", lambda lib, x: lib.ravel(x.t()), on(A)),
    row("rearrange.movedim", "PermuteBackward0", lambda lib, x, a, b: lib.movedim(x, a, b),
        on((2, 3, 4), a=0, b=-1), on((2, 3, 4), a=(0, 1), b=(2, 0))),
    row("rearrange.repeat", "RepeatBackward0", lambda lib, x, n: x.repeat(*n), on(A, n=(2, 1)),
        on(A, n=(2, 1, 3)), on((), n=(3,)), on((0, 3), n=(2, 2)), on(A, n=(0, 1))),
    row("rearrange.tile", "RepeatBackward0", lambda lib, x, n: lib.tile(x, n), on(A, n=(2,)),
        on(B, n=(2, 2))),
    row("rearrange.repeat_interleave", "ViewBackward0",
        lambda lib, x, **o: lib.repeat_interleave(x, 2, **o), on(A), on(A, dim=1), on(A, dim=0)),
    row("rearrange.repeat_interleave", "IndexSelectBackward0",
        lambda lib, x, **o: lib.repeat_interleave(x, lib.tensor([1, 0, 2]), **o), on(A, dim=1),
        on((3,))),
    row("rearrange.flip", "FlipBackward0", lambda lib, x, d: lib.flip(x, d), on(A, d=(0,)),
        on((2, 3, 2), d=(0, -1)), on((0, 3), d=(1,)), on((), d=())),
    row("rearrange.roll", "RollBackward0", lambda lib, x, **o: lib.roll(x, **o), on(A, shifts=1),
        on(A, shifts=-1, dims=1), on((2, 3, 2), shifts=(1, 2), dims=(0, -2))),
    row("join.unbind", "UnbindBackward0", lambda lib, x, **o: lib.unbind(x, **o), on(A),
        on((2, 3, 2), dim=1), on(A, dim=-1)),
    row("join.unbind", "MulBackward0", lambda lib, x: lib.unbind(x)[1] * 2, on(A)),
    row("rearrange.narrow", "SliceBackward0", lambda lib, x: lib.narrow(x, 1, 1, 2), on(A)),
    row("rearrange.narrow", "SliceBackward0", lambda lib, x: lib.narrow(x, 1, 0, 3), on(A)),
    row("rearrange.narrow", "SliceBackward0", lambda lib, x: lib.narrow(x, 0, 1, 0), on(A)),
    row("rearrange.select", "SelectBackward0", lambda lib, x: lib.select(x, 1, -1), on(A)),
    row("join.hstack", "CatBackward0", lambda lib, *t: lib.hstack(t), on(A, A), on(B, B),
        on((), (2,))),
    row("join.vstack", "CatBackward0", lambda lib, *t: lib.vstack(t), on(A, A), on(B, A),
        on((), ())),
    *(
        row("rearrange.meshgrid", "StackBackward0",
            lambda lib, *t, indexing: lib.stack(lib.meshgrid(*t, indexing=indexing)),
            on((2,), (3,), indexing=indexing), on((2,), (3,), (), indexing=indexing))
        for indexing in ("ij", "xy")
    ),
]  # fmt: skip

INDICES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "[0]": ("SelectBackward0", lambda lib: 0),
    "[-1]": ("SelectBackward0", lambda lib: -1),
    "[1:3]": ("SliceBackward0", lambda lib: slice(1, 3)),
    "[::2]": ("SliceBackward0", lambda lib: slice(None, None, 2)),
    "[:]": ("SliceBackward0", lambda lib: slice(None)),
    "[...]": ("AliasBackward0", lambda lib: ...),
    "[None]": ("UnsqueezeBackward0", lambda lib: None),
    "[:, 1]": ("SelectBackward0", lambda lib: (slice(None), 1)),
    "[..., 1]": ("SelectBackward0", lambda lib: (..., 1)),
    "[1, 2]": ("SelectBackward0", lambda lib: (1, 2)),
    "[:, None, 1:]": ("SliceBackward0", lambda lib: (slice(None), None, slice(1, None))),
    "[0:0]": ("SliceBackward0", lambda lib: slice(0, 0)),
    "[tensor(1)]": ("SelectBackward0", lambda lib: lib.tensor(1)),
    "[[0, 2, 0]]": ("IndexBackward0", lambda lib: [0, 2, 0]),
    "[tensor]": ("IndexBackward0", lambda lib: lib.tensor([[2, 0], [-1, 0]])),
    "[tensor, tensor]": (
        "IndexBackward0",
        lambda lib: (lib.tensor([0, 1, 0]), lib.tensor([1, 2, 1])),
    ),
    "[:, tensor]": ("IndexBackward0", lambda lib: (slice(None), lib.tensor([1, 1]))),
    "[tensor, 1:]": ("IndexBackward0", lambda lib: (lib.tensor([1, 1]), slice(1, None))),
    "[:, [2, 0]]": ("IndexBackward0", lambda lib: (slice(None), [2, 0])),
    "[[2, 0], [1, 1]]": ("IndexBackward0", lambda lib: (lib.tensor([2, 0]), lib.tensor([1, 1]))),
    "[1, tensor]": ("IndexBackward0", lambda lib: (1, lib.tensor([0, 0, 2]))),
    "[mask]": ("IndexBackward0", lambda lib: lib.tensor([True, False, True, True])),
    "[mask of all]": ("IndexBackward0", lambda lib: lib.arange(12).reshape(4, 3) % 2 == 0),
    "[0, ..., tensor]": ("IndexBackward0", lambda lib: (0, ..., lib.tensor([1, 1]))),
    "[tensor, ..., 1]": ("IndexBackward0", lambda lib: (lib.tensor([0, 3]), ..., 1)),
    "[None, tensor, ..., tensor]": (
        "IndexBackward0",
        lambda lib: (None, lib.tensor([0, 3]), ..., lib.tensor([1, 1])),
    ),
    "[:4]": ("SliceBackward0", lambda lib: slice(None, 4)),
    "[:4, ...]": ("AliasBackward0", lambda lib: (slice(None, 4), ...)),
    "[True]": ("IndexBackward0", lambda lib: True),
    "[()]": ("AliasBackward0", lambda lib: ()),
    "[no index]": ("IndexBackward0", lambda lib: lib.tensor([], dtype=lib.int64)),
}

INDEXING = [
    *(
        row(
            "index.getitem", grad_fn, lambda lib, x, index: x[INDICES[index][1](lib)],
            on((4, 3), index=index),
        )
        for index, (grad_fn, _) in INDICES.items()
    ),
    row("index.getitem", "IndexBackward0", lambda lib, x: x[x > 0], on(A), integers=False),
    *(
        row(
            "index.setitem", "CopySlices",
            lambda lib, x, y, index: set_item(x, INDICES[index][1](lib), y),
            on((4, 3), shape, index=index),
        )
        for index, shape in [
            ("[0]", (3,)), ("[1:3]", (2, 3)), ("[::2]", (3,)), ("[:, 1]", (4,)), ("[:, 1]", (1,)),
            ("[1, 2]", ()),
            ("[:, None, 1:]", (4, 1, 2)), ("[0:0]", (0, 3)),
        ]
    ),
    *(
        row(
            "index.setitem", "IndexPutBackward0",
            lambda lib, x, y, index: set_item(x, INDICES[index][1](lib), y),
            on((4, 3), shape, index=index),
        )
        for index, shape in [
            ("[mask]", (3, 3)), ("[mask]", ()), ("[:, [2, 0]]", (4, 1)), ("[[2, 0], [1, 1]]", (2,)),
        ]
    ),
    row(
        "index.setitem", "IndexPutBackward0", lambda lib, x, y: set_item(x, lib.tensor([0, 3]), y),
        on((4, 3), (2, 3)), on((4, 3), (3,)),
    ),
    row("index.setitem", "CopyBackwards", lambda lib, x, y: set_item(x, ..., y), on((4, 3), (4, 3)),
        on((4, 3), (), grad_fn="FillBackward3"), on((), ())),
    row("index.setitem", "CopySlices", lambda lib, x, y: set_item(x, (0, ..., [2, 0]), y),
        on((4, 2, 3), (2, 2)), on((4, 3), ())),
    row("index.setitem", "CopySlices", lambda lib, x: set_item(x, 0, 2.5), on((4, 3)),
        integers=False),
]  # fmt: skip

INDEXING += [
    row("lookup.index_select", "IndexSelectBackward0",
        lambda lib, x, i, d: lib.index_select(x, d, i), on(A, Arg((4,), 2), d=0),
        on(A, Arg((2,), 3), d=-1), on((3,), Arg((), 3), d=0), on(A, Arg((0,), 3), d=1)),
    row("lookup.gather", "GatherBackward0", lambda lib, x, i, d: lib.gather(x, d, i),
        on(A, Arg((2, 4), 3), d=1), on(A, Arg((1, 3), 2), d=0), on(A, Arg((2, 0), 3), d=-1)),
    row("lookup.take_along_dim", "GatherBackward0",
        lambda lib, x, i, **o: lib.take_along_dim(x, i, **o), on(A, Arg((2, 1), 3), dim=1),
        on((1, 3), Arg((2, 2), 3), dim=1), on(A, Arg((4,), 6))),
    row("lookup.scatter", "ScatterBackward0",
        lambda lib, x, y, d: lib.scatter(x, d, lib.tensor([[0, 2], [1, 0]]), y),
        on((2, 3), (2, 2), d=1), on((3, 2), (2, 2), d=-2)),
    row("lookup.scatter", "ScatterBackward1",
        lambda lib, x: x.scatter(1, lib.tensor([[0, 2], [1, 1]]), 2), on(A)),
    row("lookup.scatter_add", "ScatterAddBackward0",
        lambda lib, x, i, y, d: lib.scatter_add(x, d, i, y),
        on(A, Arg((2, 4), 3), (2, 4), d=1), on(A, Arg((3, 2), 2), (3, 2), d=0)),
    row("lookup.index_add", "IndexAddBackward0",
        lambda lib, x, i, y, d, **o: lib.index_add(x, d, i, y, **o),
        on(A, Arg((4,), 2), (4, 3), d=0), on(A, Arg((2,), 3), (2, 2), d=1, alpha=2)),
    row("lookup.masked_select", "MaskedSelectBackward0", lambda lib, x, m: lib.masked_select(x, m),
        on(A, Arg(A, "mask")), on(A, Arg(B, "mask")), on(B, Arg(A, "mask"))),
]  # fmt: skip

CREATION = [
    row("create.new_zeros", None, lambda lib, x: x.new_zeros(2, 3), on(A)),
    row("create.new_ones", None, lambda lib, x: x.new_ones((2, 0), dtype=lib.int64), on(A)),
    row("create.new_full", None, lambda lib, x: x.new_full((2,), 1), on(A)),
    row("create.new_empty", None, lambda lib, x: lib.zeros_like(x.new_empty(3)), on(A)),
    row("create.new_tensor", None, lambda lib, x: x.new_tensor([[1, 2]]), on(A)),
]

IN_PLACE = [
    *(
        row(
            f"inplace.{name}", f"{name[:-1].capitalize()}Backward0",
            lambda lib, x, y, f: changed(x, lambda t: getattr(t, f)(y)),
            on(A, A, f=name), on(A, B, f=name), on(A, (), f=name), on((), (), f=name),
            on((0, 3), B, f=name),
        )
        for name in ("add_", "sub_", "mul_", "div_")
    ),
    row("inplace.add_", "AddBackward0", lambda lib, x, y: changed(x, lambda t: t.add_(y, alpha=3)),
        on(A, B),
        integers=False),
    row("inplace.mul_", "AddBackward0", lambda lib, x: changed(x, lambda t: t.mul_(2).add_(t)),
        on(A)),
    row("inplace.copy_", "CopyBackwards", lambda lib, x, y: changed(x, lambda t: t.copy_(y)),
        on(A, A), on(A, B)),
    row("inplace.fill_", "FillBackward2", lambda lib, x: changed(x, lambda t: t.fill_(3)), on(A)),
    row("inplace.zero_", "ZeroBackward0", lambda lib, x: changed(x, lambda t: t.zero_()), on(A)),
    row("inplace.clamp_", "ClampBackward1",
        lambda lib, x: changed(x, lambda t: t.clamp_(-0.5, 0.5)), on(A),
        integers=False),
    row("inplace.clamp_min_", "ClampMinBackward0",
        lambda lib, x: changed(x, lambda t: t.clamp_min_(0.5)), on(A), integers=False),
    row("inplace.clamp_max_", "ClampMaxBackward0",
        lambda lib, x: changed(x, lambda t: t.clamp_max_(0.5)), on(A), integers=False),
    *(
        row(f"inplace.{name}_", f"{node or name.capitalize()}Backward0",
            lambda lib, x, f=f"{name}_": changed(x, lambda t: getattr(t, f)()), on(A),
            domain=domain,
            differs={"bool": MORE} if name in ("abs", "ceil", "floor", "trunc") else {})
        for domain, names in [
            ("real", """abs atan cos cosh erf exp exp2 expm1 neg reciprocal relu sigmoid sin
                sinh square:Pow tan tanh ceil floor frac nan_to_num:NanToNum round sign trunc"""),
            ("positive", "log log10 log1p:Log1P log2 rsqrt sqrt"), ("unit", "acos asin"),
        ]
        for name, _, node in (word.partition(":") for word in names.split())
    ),
    *(
        row(f"inplace.{name}_", f"{name.capitalize()}Backward{end}",
            lambda lib, x, y, f=f"{name}_": changed(x, lambda t: getattr(t, f)(y)), on(A, B),
            domain="positive")
        for name, end in [("atan2", 0), ("hypot", 0), ("xlogy", 0), ("fmod", 1)]
    ),
    *(
        row(f"inplace.{name}_", f"{name.capitalize()}Backward0",
            lambda lib, *t, f=f"{name}_": changed(t[0], lambda x: getattr(x, f)(*t[1:])),
            on(*shapes), integers=False)
        for name, shapes in [
            ("addcdiv", (A, B, A)), ("addcmul", (A, B, A)), ("addmm", (A, (2, 4), (4, 3))),
            ("addmv", (B, (3, 2), (2,))), ("baddbmm", ((2, 2, 2), (2, 2, 3), (2, 3, 2))),
        ]
    ),
    row("inplace.lerp_", "LerpBackward0", lambda lib, x, y: changed(x, lambda t: t.lerp_(y, 0.3)),
        on(A, B), integers=False),
    row("inplace.masked_fill_", "MaskedFillBackward0",
        lambda lib, x, m: changed(x, lambda t: t.masked_fill_(m, 2)), on(A, Arg(B, "mask"))),
    *(
        row(f"inplace.{name}_", f"{name.capitalize()}Backward0",
            lambda lib, x, f=f"{name}_", **o: changed(x, lambda t: getattr(t, f)(**o)),
            on((3, 3), **o), integers=False)
        for name, o in [("tril", {}), ("triu", {"diagonal": 1}), ("cumsum", {"dim": 1}),
                        ("cumprod", {"dim": 0})]
    ),
    row("inplace.scatter_", "ScatterBackward0",
        lambda lib, x, y: changed(x, lambda t: t.scatter_(1, lib.tensor([[0, 2], [1, 0]]), y)),
        on(A, (2, 2))),
    row("inplace.scatter_", "ScatterBackward1",
        lambda lib, x: changed(x, lambda t: t.scatter_(1, lib.tensor([[0], [1]]), 1.0)), on(A),
        integers=False),
    row("inplace.scatter_add_", "ScatterAddBackward0",
        lambda lib, x, i, y: changed(x, lambda t: t.scatter_add_(1, i, y)),
        on(A, Arg((2, 4), 3), (2, 4))),
    row("inplace.index_add_", "IndexAddBackward0",
        lambda lib, x, i, y: changed(x, lambda t: t.index_add_(0, i, y)),
        on(A, Arg((4,), 2), (4, 3))),
    row("inplace.pow_", "PowBackward0", lambda lib, x: changed(x, lambda t: t.pow_(2)), on(A)),
    row("inplace.floor_divide_", "DivBackward2",
        lambda lib, x: changed(x, lambda t: t.floor_divide_(2)),
        on(A, torch_grad_fn="NotImplemented")),
    row("inplace.remainder_", "RemainderBackward0",
        lambda lib, x: changed(x, lambda t: t.remainder_(2)), on(A)),
    *(
        row(
            f"inplace.{name}", None, lambda lib, x, y, f: changed(x, lambda t: getattr(t, f)(y)),
            on(Arg(A, 9), Arg(A, 9), f=name), on(Arg(A, "mask"), Arg(B, "mask"), f=name),
            integers=False,
        )
        for name in ("bitwise_and_", "bitwise_or_", "bitwise_xor_")
    ),
    row("inplace.detach_", "MulBackward0", lambda lib, x: x * (x * 2).detach_(),
        on(A, smooth=False)),
]  # fmt: skip

PAIR = (on((4,), (4,)), on(A, A), on((0,), (0,)), on((), ()))
PAIRS = tuple(
    on(*s.args, reduction=reduction) for reduction in ("mean", "sum", "none") for s in PAIR
)


def with_weight(lib: Library, x: Any, y: Any, w: Any, p: Any, reduction: str) -> Any:
    return lib.F.binary_cross_entropy_with_logits(
        x, y, weight=w.detach(), pos_weight=p.detach(), reduction=reduction
    )


def targets(sample: Sample, domain: str | int) -> Sample:
    """The sample with its second argument from ``domain``."""
    first, second, *rest = sample.args
    return replace(sample, args=(first, Arg(second, domain), *rest))


LOSSES = [
    row(
        "binary_loss.binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0",
        lambda lib, x, y, **o: lib.F.binary_cross_entropy_with_logits(x, y, **o),
        *(targets(s, "unit") for s in PAIRS),
        on(Arg((6,), "wide"), Arg((6,), "unit"), reduction="none"),
        integers=False, reads=True,
    ),
    row(
        "binary_loss.binary_cross_entropy_with_logits", "BinaryCrossEntropyWithLogitsBackward0",
        with_weight,
        *(on((2, 3), Arg((2, 3), "unit"), Arg(w, "unit"), Arg((3,), "unit"), reduction=reduction,
            smooth=False)
          for reduction in ("mean", "none") for w in ((2, 3), (2, 1))),
        integers=False, reads=True,
    ),
    row(
        "binary_loss.binary_cross_entropy", "BinaryCrossEntropyBackward0",
        lambda lib, x, y, **o: lib.F.binary_cross_entropy(x, y, **o), *PAIRS, domain="unit",
        integers=False,
        reads=True,
    ),
    row(
        "binary_loss.binary_cross_entropy", "BinaryCrossEntropyBackward0",
        lambda lib, x, y, w: lib.F.binary_cross_entropy(x, y, weight=w.detach()),
        on(A, A, A, smooth=False), domain="unit", integers=False, reads=True,
    ),
    *(
        row(f"regression_loss.{name}", "",
            lambda lib, x, y, w, f=name, **o: getattr(lib.F, f)(x, y, weight=w, **o),
            *(on(A, A, A, reduction=r, grad_fn=f"{node}Backward0")
              for r, node in [("mean", "Div"), ("sum", "Sum"), ("none", "Mul")]), integers=False)
        for name in ("mse_loss", "l1_loss")
    ),
    row("regression_loss.mse_loss", "MseLossBackward0",
        lambda lib, x, y, **o: lib.F.mse_loss(x, y, **o),
        *PAIRS,
        integers=False),
    row(
        "regression_loss.l1_loss", "MeanBackward0", lambda lib, x, y, **o: lib.F.l1_loss(x, y, **o),
        *(replace(s, grad_fn=name) for s in PAIRS
          for r, name in [("mean", "MeanBackward0"), ("sum", "SumBackward0"),
              ("none", "AbsBackward0")]
          if s.options["reduction"] == r),
        integers=False,
    ),
    row(
        "class_loss.nll_loss", "NllLossBackward0", lambda lib, x, y, **o: lib.F.nll_loss(x, y, **o),
        *(on((4, 3), Arg((4,), 3), reduction=r, ignore_index=i) for r in ("mean", "sum",
            "none") for i in (-100, 1)),
        on((3,), Arg((), 3)), on((2, 3, 2), Arg((2, 2), 3), grad_fn="NllLoss2DBackward0"),
        on((4, 3), Arg((4,), 1), ignore_index=0, smooth=False),
        on((2, 3, 2), Arg((2, 2), 3), reduction="none", grad_fn="ViewBackward0"),
        on((2, 3, 2, 2), Arg((2, 2, 2), 3), reduction="none", grad_fn="NllLoss2DBackward0"),
        integers=False, reads=True,
    ),
    row(
        "class_loss.nll_loss", "NllLossBackward0",
        lambda lib, x, y, w, **o: lib.F.nll_loss(x, y, weight=w.detach(), **o),
        *(on((4, 3), Arg((4,), 3), Arg((3,), "unit"), reduction=r, smooth=False) for r in ("mean",
            "sum", "none")),
        integers=False, reads=True,
    ),
    row(
        "class_loss.cross_entropy", "NllLossBackward0",
        lambda lib, x, y, **o: lib.F.cross_entropy(x, y, **o),
        *(on((4, 3), Arg((4,), 3), reduction=r) for r in ("mean", "sum", "none")),
        *(on((4, 3), Arg((4,), 3), reduction=r, label_smoothing=0.2,
            grad_fn="AddBackward0") for r in ("mean", "sum", "none")),
        on((4, 3), Arg((4,), 1), label_smoothing=0.2, ignore_index=0, grad_fn="AddBackward0",
           smooth=False),
        *(on((4, 3), Arg((4,), 3), reduction=r, label_smoothing=0.2, ignore_index=1,
            grad_fn="AddBackward0") for r in ("mean", "none")),
        *(on((4, 3), Arg((4, 3), "unit"), reduction=r, grad_fn="NegBackward0") for r in ("sum",
            "none")),
        *(on((4, 3), Arg((4, 3), "unit"), label_smoothing=s, grad_fn="DivBackward1")
          for s in (0.0, 0.2)),
        on((3,), Arg((), 3)), on((2, 3, 2), Arg((2, 2), 3), grad_fn="NllLoss2DBackward0"),
        on((2, 3, 2), Arg((2, 2), 3), label_smoothing=0.2, grad_fn="AddBackward0"),
        on((2, 3, 2), Arg((2, 3, 2), "unit"), grad_fn="DivBackward1"), integers=False, reads=True,
    ),
    row(
        "class_loss.cross_entropy", "NllLossBackward0",
        lambda lib, x, y, w, **o: lib.F.cross_entropy(x, y, weight=w.detach(), **o),
        *(on((4, 3), Arg((4,), 3), Arg((3,), "unit"), reduction=r, label_smoothing=s, smooth=False,
             grad_fn="AddBackward0" if s else "NllLossBackward0")
          for r in ("mean", "sum", "none") for s in (0.0, 0.2)),
        on((4, 3), Arg((4, 3), "unit"), Arg((3,), "unit"), smooth=False, grad_fn="DivBackward1"),
        integers=False, reads=True,
    ),
]  # fmt: skip


def batch_norm(lib: Library, x: Any, mean: Any, var: Any, *affine: Any, training: bool) -> Any:
    """batch_norm with running statistics that it may change; they have no gradients."""
    statistics = mean.detach().clone(), var.detach().clone()
    y = lib.F.batch_norm(x, *statistics, *affine, training=training)
    return (y, *statistics)


NORMS = [
    row(
        "batch_norm.batch_norm", "NativeBatchNormBackward0", batch_norm,
        *(on(shape, (3,), Arg((3,), "positive"), *affine, training=training, smooth=False)
          for shape in ((4, 3), (2, 3, 2)) for affine in ((), ((3,), (3,))) for training in (True,
              False)),
        integers=False,
    ),
    row(
        "batch_norm.batch_norm", "NativeBatchNormBackward0",
        lambda lib, x, *affine: lib.F.batch_norm(x, None, None, *affine, training=True),
        on((4, 3)), on((4, 3), (3,), (3,)), on((2, 3, 2), (3,), (3,)), on((4, 3), (3,)),
        integers=False,
    ),
    row("dropout.dropout", "MulBackward0", lambda lib, x: lib.F.dropout(x, 1.0), on(A),
        integers=False),
]  # fmt: skip


def convolution(lib: Library, *t: Any, f: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch mentions that it copies for an even kernel
        return getattr(lib.F, f)(*t, **options)


CONVOLUTIONS = [
    row(
        "conv.conv2d", "ConvolutionBackward0", convolution,
        *(on(*shapes, f="conv2d", **options) for shapes, options in [
            (((2, 2, 4, 5), (3, 2, 3, 2), (3,)), {}),
            (((2, 2, 4, 5), (3, 2, 3, 2)), {"stride": 2}),
            (((2, 1, 5, 5), (2, 1, 3, 3), (2,)), {"stride": (1, 3), "padding": (2, 1)}),
            (((1, 2, 6, 5), (1, 2, 2, 3), (1,)), {"padding": 1, "dilation": (3, 2)}),
            (((2, 4, 3, 3), (6, 2, 2, 2), (6,)), {"groups": 2, "padding": 1}),
            (((1, 3, 4, 4), (6, 1, 3, 3)), {"groups": 3, "stride": 2, "padding": 1}),
            (((2, 2, 4, 5), (1, 2, 3, 3), (1,)), {"padding": "same"}),
            (((1, 1, 4, 5), (2, 1, 2, 4), (2,)), {"padding": "same", "dilation": (1, 2)}),
            (((1, 2, 3, 3), (2, 2, 2, 2)), {"padding": "valid"}),
            (((2, 3, 3, 2), (4, 3, 1, 1), (4,)), {}),
            (((2, 2, 5, 5), (2, 2, 1, 1)), {"stride": 2}),
            (((1, 1, 1, 1), (1, 1, 3, 3), (1,)), {"padding": 3, "stride": 2}),
            (((0, 2, 3, 3), (2, 2, 2, 2), (2,)), {}),
        ]),
        on((2, 4, 5), (3, 2, 3, 3), (3,), f="conv2d", grad_fn="SqueezeBackward1"),
        integers=False,
    ),
    row(
        "conv.conv1d", "ConvolutionBackward0", convolution,
        on((2, 3, 6), (4, 3, 3), (4,), f="conv1d"),
        on((2, 4, 6), (2, 2, 2), f="conv1d", stride=2, padding=1, groups=2),
        on((1, 1, 6), (2, 1, 4), (2,), f="conv1d", padding="same", dilation=1),
        on((2, 6), (3, 2, 3), (3,), f="conv1d", dilation=2, grad_fn="SqueezeBackward1"),
        integers=False,
    ),
    row(
        "conv.conv_transpose2d", "ConvolutionBackward0", convolution,
        *(on(*shapes, f="conv_transpose2d", **options) for shapes, options in [
            (((2, 2, 3, 4), (2, 3, 3, 2), (3,)), {}),
            (((1, 2, 3, 3), (2, 1, 2, 2)), {"stride": 2}),
            (((1, 2, 3, 2), (2, 2, 3, 3), (2,)),
                {"stride": (3, 2), "padding": 1, "output_padding": (2, 1)}),
            (((2, 4, 2, 3), (4, 3, 2, 2), (6,)), {"groups": 2, "dilation": 2}),
            (((1, 1, 2, 2), (1, 2, 1, 2)), {"stride": 3, "output_padding": 1}),
        ]),
        on((2, 2, 3), (2, 3, 2, 2), (3,), f="conv_transpose2d", grad_fn="SqueezeBackward1"),
        integers=False,
    ),
    row(
        "conv.conv_transpose1d", "ConvolutionBackward0", convolution,
        on((2, 2, 4), (2, 3, 3), (3,), f="conv_transpose1d"),
        on((1, 4, 3), (4, 1, 3), f="conv_transpose1d", stride=2, padding=1, output_padding=1,
            groups=2),
        on((2, 3), (2, 3, 2), f="conv_transpose1d", grad_fn="SqueezeBackward1"),
        integers=False,
    ),
    row(
        "fold.unfold", "Im2ColBackward0", lambda lib, x, **o: lib.F.unfold(x, **o),
        on((2, 2, 3, 4), kernel_size=2), on((2, 3, 4), kernel_size=(2, 3)),
        on((1, 2, 4, 5), kernel_size=(2, 3), padding=(1, 2), stride=2, dilation=(2, 1)),
        integers=False,
    ),
    row(
        "fold.fold", "Col2ImBackward0", lambda lib, x, **o: lib.F.fold(x, **o),
        on((2, 8, 6), output_size=(3, 4), kernel_size=2),
        on((4, 9), output_size=4, kernel_size=2),
        on((1, 6, 9), output_size=(4, 5), kernel_size=(2, 3), padding=1, stride=2, dilation=(1, 1)),
        integers=False,
    ),
]  # fmt: skip


def pooled(lib: Library, x: Any, f: str, **options: Any) -> Any:
    return getattr(lib.F, f)(x, **options)


POOLS = [
    row(
        "pool.max_pool2d", "MaxPool2DWithIndicesBackward0", pooled,
        *(on(Arg(shape, domain), f="max_pool2d", smooth=domain == "real", **options)
          for domain in ("real", "ties") for shape, options in [
            ((2, 2, 4, 6), {"kernel_size": 2}),
            ((2, 5, 4), {"kernel_size": (3, 2), "return_indices": True}),
            ((1, 2, 5, 5), {"kernel_size": 3, "stride": (1, 2), "padding": 1}),
            ((1, 1, 6, 5), {"kernel_size": 2, "stride": 1, "dilation": (3, 2)}),
            ((1, 2, 5, 6), {"kernel_size": 2, "ceil_mode": True, "return_indices": True}),
            ((1, 1, 4, 5), {"kernel_size": (3, 4), "stride": (2, 4), "padding": (1, 2),
                            "ceil_mode": True, "dilation": (2, 1)}),
            ((0, 2, 4, 4), {"kernel_size": 2}),
        ]),
        on(Arg((1, 2, 4, 4), "special"), f="max_pool2d", kernel_size=2, padding=1,
            return_indices=True, smooth=False),
        integers=False,
    ),
    row(
        "pool.max_pool1d", "SqueezeBackward1", pooled,
        on((2, 2, 6), f="max_pool1d", kernel_size=2),
        on((2, 6), f="max_pool1d", kernel_size=3, stride=1, padding=1, return_indices=True),
        on((1, 1, 7), f="max_pool1d", kernel_size=2, stride=3, dilation=2, ceil_mode=True),
        integers=False,
    ),
    row(
        "pool.avg_pool2d", "AvgPool2DBackward0", pooled,
        on((2, 2, 4, 6), f="avg_pool2d", kernel_size=2),
        on((2, 5, 4), f="avg_pool2d", kernel_size=(3, 2), stride=(1, 2)),
        *(on((1, 2, 5, 5), f="avg_pool2d", kernel_size=3, stride=2, padding=1, ceil_mode=c,
            count_include_pad=i) for c in (False, True) for i in (False, True)),
        on((1, 1, 4, 5), f="avg_pool2d", kernel_size=2, ceil_mode=True),
        on((1, 1, 4, 5), f="avg_pool2d", kernel_size=2, stride=3, divisor_override=3),
        on((0, 1, 4, 5), f="avg_pool2d", kernel_size=2),
        integers=False,
    ),
    row(
        "pool.avg_pool1d", "SqueezeBackward1", pooled,
        on((2, 2, 6), f="avg_pool1d", kernel_size=2),
        on((2, 7), f="avg_pool1d", kernel_size=3, stride=2, padding=1, ceil_mode=True,
            count_include_pad=False),
        integers=False,
    ),
    row(
        "adaptive_pool.adaptive_avg_pool2d", "AdaptiveAvgPool2DBackward0", pooled,
        *(on((2, 2, 4, 5), f="adaptive_avg_pool2d", output_size=n)
          for n in (2, (3, 5), (None, 2), (6, 1))),
        on((2, 4, 6), f="adaptive_avg_pool2d", output_size=(2, 3)),
        on((2, 2, 4, 5), f="adaptive_avg_pool2d", output_size=1, grad_fn="MeanBackward1"),
        integers=False,
    ),
    row(
        "adaptive_pool.adaptive_avg_pool1d", "SqueezeBackward1", pooled,
        on((2, 2, 5), f="adaptive_avg_pool1d", output_size=3),
        on((2, 5), f="adaptive_avg_pool1d", output_size=1), integers=False,
    ),
    row(
        "adaptive_pool.adaptive_max_pool2d", "AdaptiveMaxPool2DBackward0", pooled,
        *(on((2, 2, 4, 5), f="adaptive_max_pool2d", output_size=n)
          for n in (1, 2, (3, 5), (None, 2), (6, 1))),
        on(Arg((2, 4, 6), "ties"), f="adaptive_max_pool2d", output_size=(2, 3),
            return_indices=True, smooth=False),
        on(Arg((1, 1, 5, 5), "ties"), f="adaptive_max_pool2d", output_size=(2, 3), smooth=False),
        integers=False,
    ),
    row(
        "adaptive_pool.adaptive_max_pool1d", "SqueezeBackward1", pooled,
        on((2, 2, 5), f="adaptive_max_pool1d", output_size=3),
        on((2, 5), f="adaptive_max_pool1d", output_size=1, return_indices=True), integers=False,
    ),
]  # fmt: skip


def instance_norm(lib: Library, x: Any, mean: Any, var: Any, *affine: Any, train: bool) -> Any:
    """instance_norm with running statistics that it may change; they have no gradients."""
    statistics = mean.detach().clone(), var.detach().clone()
    y = lib.F.instance_norm(x, *statistics, *affine, use_input_stats=train)
    return (y, *statistics)


LAYER_NORMS = [
    row(
        "norm.layer_norm", "NativeLayerNormBackward0",
        lambda lib, x, *t, n, **o: lib.F.layer_norm(x, n, *t, **o),
        on((4, 3), n=(3,)), on((4, 3), (3,), (3,), n=(3,)), on((2, 3, 2), (3, 2), n=(3, 2)),
        on((3,), (3,), (3,), n=(3,), eps=0.5), on((0, 3), (3,), (3,), n=(3,)), integers=False,
    ),
    row(
        "norm.rms_norm", "MulBackward0",
        lambda lib, x, *t, n, **o: lib.F.rms_norm(x, n, *t, **o),
        on((4, 3), n=(3,)), on((4, 3), (3,), n=(3,)), on((2, 3, 2), (3, 2), n=(3, 2), eps=0.5),
        on((0, 3), (3,), n=(3,)), integers=False,
    ),
    row(
        "norm.group_norm", "NativeGroupNormBackward0",
        lambda lib, x, *t, n, **o: lib.F.group_norm(x, n, *t, **o),
        on((2, 4), n=2), on((2, 4, 3), (4,), (4,), n=2), on((2, 4, 2, 2), (4,), n=1),
        on((2, 3, 2), (3,), (3,), n=3, eps=0.5), integers=False,
    ),
    row(
        "batch_norm.instance_norm", "ViewBackward0",
        lambda lib, x, **o: lib.F.instance_norm(x, **o),
        on((2, 3, 4)), on((1, 2, 2, 3), eps=0.5), integers=False,
    ),
    row(
        "batch_norm.instance_norm", "ViewBackward0", instance_norm,
        *(on((2, 3, 4), (3,), Arg((3,), "positive"), (3,), (3,), train=t, smooth=False)
          for t in (True, False)),
        integers=False,
    ),
]  # fmt: skip

PADS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((1, 4), (2, 1)), ((1, 2, 3), (1, 2)), ((1, 3, 4), (1, 2, 0, 1)), ((1, 1, 3, 3), (2, 1, -1, 2)),
    ((1, 1, 4, 3), (-1, 0, 2, 3)), ((1, 2, 2, 3), (1, 1, 1, 0, 1, 1)), ((2, 3, 3), (0, 0)),
]  # fmt: skip
SCALINGS: list[dict[str, Any]] = [
    {"scale_factor": 2}, {"scale_factor": (1.2, 2.1)}, {"size": (5, 3)}, {"size": 2},
    {"scale_factor": (1.5, 0.6)},
    {"scale_factor": (1.4, 2.3), "recompute_scale_factor": True},
]  # fmt: skip


def pad_node(mode: str, sides: tuple[int, ...]) -> str:
    if mode == "circular":
        return "CopySlices"
    return f"{'Reflection' if mode == 'reflect' else 'Replication'}Pad{len(sides) // 2}DBackward0"


RESIZED = [
    row(
        "embedding.embedding", "EmbeddingBackward0",
        lambda lib, i, w, **o: lib.F.embedding(i, w, **o),
        on(Arg((3,), 4), (4, 2)), on(Arg((), 4), (4, 3)),
        on(Arg((2, 3), 4), (4, 2), padding_idx=1, smooth=False),
        on(Arg((2, 4), 3), (3, 1), padding_idx=-1, smooth=False),
        integers=False, reads=True,
    ),
    row(
        "embedding.embedding", None,
        lambda lib, i, w, **o: lib.F.embedding(i, w.detach().clone(), **o),
        on(Arg((3,), 4), (4, 2), max_norm=1.0),
        on(Arg((2, 2), 4), (4, 2), max_norm=2.0, norm_type=3.0),
        integers=False, reads=True,
    ),
    row(
        "embedding.one_hot", None, lambda lib, i, **o: lib.F.one_hot(i, **o),
        on(Arg((5,), 4)), on(Arg((2, 3), 4), num_classes=5), on(Arg((), 4)),
        on(Arg((0,), 4), num_classes=2), integers=False, reads=True,
    ),
    row(
        "pad.pad", "ConstantPadNdBackward0", lambda lib, x, **o: lib.F.pad(x, **o),
        *(on(shape, pad=sides) for shape, sides in PADS), on((3,), pad=(1, 0), value=2.5),
        on((2, 2), pad=(1, 0, 0, 1), mode="constant", value=-1.0),
        integers=False,
    ),
    row(
        "pad.pad", "", lambda lib, x, **o: lib.F.pad(x, **o),
        *(on(shape, pad=sides, mode=mode, grad_fn=pad_node(mode, sides))
          for mode in ("reflect", "replicate", "circular") for shape, sides in PADS),
        integers=False,
    ),
    row(
        "resample.interpolate", "", lambda lib, x, **o: lib.F.interpolate(x, **o),
        *(on((1, 2, 3, 4), mode=mode, grad_fn=f"Upsample{kind}2DBackward0", **scaling)
          for mode, kind in [("nearest", "Nearest"), ("nearest-exact", "NearestExact"),
                             ("bilinear", "Bilinear")]
          for scaling in SCALINGS),
        *(on((1, 2, 3, 4), mode="bilinear", align_corners=True, **scaling,
             grad_fn="UpsampleBilinear2DBackward0")
          for scaling in [*SCALINGS, {"size": (1, 4)}]),
        on((2, 1, 5), scale_factor=1.7, grad_fn="UpsampleNearest1DBackward0"),
        on((2, 1, 5), size=3, mode="nearest-exact", grad_fn="UpsampleNearestExact1DBackward0"),
        on((2, 1, 5), size=8, mode="linear", grad_fn="UpsampleLinear1DBackward0"),
        on((1, 1, 4, 6), scale_factor=0.5, mode="area", grad_fn="AdaptiveAvgPool2DBackward0"),
        on((1, 1, 6), size=4, mode="area", grad_fn="SqueezeBackward1"),
        integers=False,
    ),
    row("pad.pixel_shuffle", "PixelShuffleBackward0", lambda lib, x, r: lib.F.pixel_shuffle(x, r),
        on((2, 8, 1, 3), r=2), on((9, 2, 1), r=3), integers=False),
    row("pad.pixel_unshuffle", "PixelUnshuffleBackward0",
        lambda lib, x, r: lib.F.pixel_unshuffle(x, r), on((2, 1, 4, 2), r=2), on((2, 3, 3), r=3),
        integers=False),
    *(
        row(
            f"dropout.{name}", "MulBackward0",
            lambda lib, x, f: getattr(lib.F, f)(x, 1.0, training=True),
            on((2, 3, 2, 2) if name == "dropout2d" else (2, 3, 4), f=name), integers=False,
        )
        for name in ("dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout")
    ),
]  # fmt: skip


def attend(lib: Library, q: Any, k: Any, v: Any, m: Any = None, **options: Any) -> Any:
    """torch's fast kernel has no second derivative; its plain one has."""
    if lib.module is nnlite:
        return lib.F.scaled_dot_product_attention(q, k, v, m, **options)
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        return lib.F.scaled_dot_product_attention(q, k, v, m, **options)


FLASH: Any = {
    "grad_fn": "ScaledDotProductFlashAttentionForCpuBackward0",
    "torch_grad_fn": "UnsafeViewBackward0",
}
HEADS = ((2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4))
ATTENTION = [
    row(
        "attention.scaled_dot_product_attention", "UnsafeViewBackward0", attend,
        on(*HEADS, **FLASH), on(*HEADS, is_causal=True, **FLASH), on(*HEADS, scale=0.7, **FLASH),
        on((1, 4, 3, 2), (1, 2, 4, 2), (1, 2, 4, 2), enable_gqa=True, **FLASH),
        on((2, 3, 4), (2, 5, 4), (2, 5, 4)), on((3, 4), (5, 4), (5, 2), grad_fn="MmBackward0"),
        on(*HEADS, Arg((3, 5), "mask"), **FLASH), on(*HEADS, Arg((2, 1, 3, 5), "mask"), **FLASH),
        on(*HEADS, Arg((3, 1), "mask"), **FLASH),  # queries that may see no key
        on(*HEADS, (3, 5)), on(*HEADS, (2, 1, 1, 5)),
        on((3, 4), (5, 4), (5, 2), (3, 5), grad_fn="MmBackward0"), integers=False,
    ),
    row(
        "attention.cosine_similarity", "SumBackward1",
        lambda lib, x, y, **o: lib.F.cosine_similarity(x, y, **o),
        on(A, A), on(A, B), on((2, 3, 2), (2, 3, 2), dim=-1), on((3,), (3,), dim=0),
        on(A, A, eps=2.0, smooth=False), integers=False,
    ),
    row(
        "attention.pairwise_distance", "NormBackward1",
        lambda lib, x, y, **o: lib.F.pairwise_distance(x, y, **o),
        *(on(*shapes, **o) for shapes, o in [
            ((A, A), {}), ((A, B), {"p": 1, "keepdim": True}), ((B, B), {"p": 3.0}),
            ((A, A), {"p": float("inf")}),
        ]),
        integers=False,
    ),
    row(
        "attention.normalize", "DivBackward0", lambda lib, x, **o: lib.F.normalize(x, **o),
        on(A), on((2, 3, 2), p=1, dim=2), on((2, 3, 2), p=3.0, dim=(1, 2)),
        on(A, p=float("inf"), dim=0), on(A, eps=9.0), integers=False,
    ),
    row(
        "attention.bilinear", "AddBackward0", lambda lib, *t: lib.F.bilinear(*t),
        on((4, 2), (4, 3), (2, 2, 3), (2,)),
        on((4, 2), (4, 3), (2, 2, 3), grad_fn="ViewBackward0"),
        on((2, 2, 2), (2, 2, 3), (1, 2, 3), (1,)), on((2,), (3,), (2, 2, 3), (2,)),
        integers=False,
    ),
]  # fmt: skip


def quietly(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Without torch's warning that the mean of kl_div is no mean over the batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


def reductions(
    *args: Any, none: str, mean: str = "Mean", total: str = "Sum", **options: Any
) -> list[Sample]:
    """Samples for the three reductions, with the name of the last step of each."""
    return [
        on(*args, reduction=reduction, grad_fn=f"{name}Backward{int(name == 'Clamp')}",
           **options)
        for reduction, name in [("mean", mean), ("sum", total), ("none", none)]
    ]  # fmt: skip


LABEL = Arg((2, 3), "label")
MORE_LOSSES = [
    *(
        row(
            f"regression_loss.{name}", "",
            lambda lib, x, y, f=name, **o: getattr(lib.F, f)(x, y, **o),
            *reductions(A, A, none=node, mean=node, total=node),
            *reductions(A, A, none=node, mean=node, total=node, **{option: 0.6}),
            on((0,), (0,), grad_fn=f"{node}Backward0"), on((), (), grad_fn=f"{node}Backward0"),
            integers=False,
        )
        for name, node, option in [("smooth_l1_loss", "SmoothL1Loss", "beta"),
                                   ("huber_loss", "HuberLoss", "delta")]
    ),
    row("regression_loss.smooth_l1_loss", "",
        lambda lib, x, y, **o: lib.F.smooth_l1_loss(x, y, beta=0.0, **o),
        *reductions(A, A, none="Abs"), integers=False),
    row("regression_loss.huber_loss", "",
        lambda lib, x, y, w, **o: lib.F.huber_loss(x, y, weight=w, **o),
        *reductions(A, A, A, none="Mul"), integers=False),
    row(
        "regression_loss.kl_div", "",
        lambda lib, x, y, **o: quietly(lib.F.kl_div, x, y, **o),
        *reductions(A, Arg(A, "unit"), none="Sub"), *reductions(A, A, none="Mul", log_target=True),
        on(A, Arg(A, "unit"), reduction="batchmean", grad_fn="DivBackward0"), integers=False,
    ),
    row(
        "regression_loss.gaussian_nll_loss", "",
        lambda lib, x, y, v, **o: lib.F.gaussian_nll_loss(x, y, v, **o),
        *reductions(A, A, Arg(A, "positive"), none="Mul"),
        *reductions(A, A, Arg((2, 1), "positive"), none="Add", full=True),
        *reductions(A, A, Arg((2,), "unit"), none="Mul", eps=0.5, smooth=False),
        integers=False, reads=True,
    ),
    row(
        "regression_loss.poisson_nll_loss", "",
        lambda lib, x, y, **o: lib.F.poisson_nll_loss(x, y, **o),
        *reductions(A, Arg(A, "positive"), none="Sub"),
        *reductions(A, Arg(A, "positive"), none="Add", full=True),
        *reductions(Arg(A, "positive"), Arg(A, "positive"), none="Sub", log_input=False, eps=0.1),
        integers=False,
    ),
    row(
        "margin_loss.soft_margin_loss", "",
        lambda lib, x, y, **o: lib.F.soft_margin_loss(x, y.detach(), **o),
        *(replace(s, smooth=False) for s in reductions(
            A, LABEL, none="SoftMarginLoss", mean="SoftMarginLoss", total="SoftMarginLoss")),
        integers=False,
    ),
    row(
        "margin_loss.hinge_embedding_loss", "",
        lambda lib, x, y, **o: lib.F.hinge_embedding_loss(x, y.detach(), **o),
        *reductions(A, LABEL, none="Add", smooth=False),
        *reductions(A, LABEL, none="Add", margin=1.7, smooth=False), integers=False,
    ),
    row(
        "margin_loss.margin_ranking_loss", "",
        lambda lib, x, y, t, **o: lib.F.margin_ranking_loss(x, y, t.detach(), **o),
        *reductions(A, A, LABEL, none="ClampMin", smooth=False, margin=0.5),
        integers=False,
    ),
    row(
        "margin_loss.triplet_margin_loss", "",
        lambda lib, *t, **o: lib.F.triplet_margin_loss(*t, **o),
        *reductions(A, A, A, none="ClampMin", margin=2.0),
        *reductions(A, A, A, none="ClampMin", margin=2.0, swap=True, p=3.0),
        integers=False,
    ),
    row(
        "margin_loss.cosine_embedding_loss", "",
        lambda lib, x, y, t, **o: lib.F.cosine_embedding_loss(x, y, t.detach(), **o),
        *reductions((5, 3), (5, 3), Arg((5,), "label"), none="Add", smooth=False, margin=-0.3),
        on((3,), (3,), Arg((), "label"), grad_fn="MeanBackward0", smooth=False), integers=False,
    ),
    row(
        "margin_loss.multilabel_soft_margin_loss", "",
        lambda lib, x, y, **o: lib.F.multilabel_soft_margin_loss(x, y, **o),
        *reductions(A, Arg(A, "unit"), none="Div"), integers=False,
    ),
    row(
        "margin_loss.multilabel_soft_margin_loss", "",
        lambda lib, x, y, w, **o: lib.F.multilabel_soft_margin_loss(x, y, weight=w, **o),
        *reductions(A, Arg(A, "unit"), Arg(B, "unit"), none="Div"), integers=False,
    ),
]  # fmt: skip


def recur(lib: Library, x: Any, *states_and_weights: Any, f: str, reverse: bool = False) -> Any:
    """A layer over a sequence: its states, and the last cell of an LSTM."""
    count = 2 if f == "lstm" else 1
    states, weights = states_and_weights[:count], states_and_weights[count:]
    if lib.module is nnlite:
        layer = recurrent.rnn_layer if f.startswith("rnn") else getattr(recurrent, f"{f}_layer")
        options = {"nonlinearity": f[4:]} if f.startswith("rnn") else {}
        biases = weights[2:] or (None, None)
        out = layer(x, *states, (*weights[:2], *biases), reverse=reverse, **options)
        return (out[0], out[1][0 if reverse else -1]) if f == "lstm" else out
    hx = tuple(state[None] for state in states)
    out = getattr(lib.module, f)(
        x.flip(0) if reverse else x, hx if f == "lstm" else hx[0], weights, len(weights) > 2, 1,
        0.0, True, False, False,
    )  # fmt: skip
    y = out[0].flip(0) if reverse else out[0]
    return (y, out[2][0]) if f == "lstm" else y


def layers_of(f: str, gates: int) -> list[Sample]:
    """Samples of a layer: both directions, without biases, one step, no samples."""
    states = 2 if f == "lstm" else 1
    samples = []
    for steps, batch, options in (
        (3, 2, {}), (3, 2, {"reverse": True}), (1, 2, {"bias": False}), (2, 0, {}),
    ):  # fmt: skip
        shapes: list[Any] = [(steps, batch, 3), *[(batch, 2)] * states, (2 * gates, 3)]
        shapes += [(2 * gates, 2), *[(2 * gates,)] * (2 * options.pop("bias", True))]
        theirs = "FlipBackward0" if "reverse" in options else "StackBackward0"
        samples.append(on(*shapes, f=f, torch_grad_fn=theirs, **options))
    return samples


RECURRENT = [
    # torch takes the layers apart; for float32 an LSTM has a node named for a library (mkldnn).
    row("recurrent.rnn_layer", "RnnBackward0", recur, *layers_of("rnn_tanh", 1), integers=False),
    row("recurrent.rnn_layer", "RnnBackward0", recur, *layers_of("rnn_relu", 1), integers=False),
    row("recurrent.lstm_layer", "LstmBackward0", recur, *layers_of("lstm", 4), integers=False),
    row("recurrent.gru_layer", "GruBackward0", recur, *layers_of("gru", 3), integers=False),
]  # fmt: skip

ROWS = [
    *ARITHMETIC, *POWERS, *TRANSCENDENTAL, *ACTIVATIONS, *CHOOSING, *NOT_DIFFERENTIABLE,
    *REDUCTIONS,
    *SOFTMAX, *PRODUCTS, *MATRICES, *SHAPES, *INDEXING, *CREATION, *IN_PLACE, *LOSSES, *NORMS,
    *CONVOLUTIONS,
    *POOLS,
    *LAYER_NORMS,
    *RESIZED,
    *ATTENTION,
    *MORE_LOSSES,
    *RECURRENT,
]  # fmt: skip


class Case(NamedTuple):
    """A row with one of its samples, under a name that is unique and stays the same."""

    label: str
    row: Row
    sample: Sample


def cases() -> Iterator[Case]:
    """Every sample of every row."""
    seen: dict[str, int] = {}
    for r in ROWS:
        for sample in r.samples:
            shapes = " ".join(
                f"{tuple(a.shape)}:{a.domain}" if isinstance(a, Arg) else str(a)
                for a in sample.args
            )
            options = " ".join(f"{k}={v}" for k, v in sample.options.items() if k != "f")
            label = f"{r.names[0].split('.')[1]} {shapes} {options}".replace(", ", ",").strip()
            seen[label] = seen.get(label, 0) + 1
            yield Case(label if seen[label] == 1 else f"{label} #{seen[label]}", r, sample)


CASES = list(cases())


def each_case(*, differentiable: bool = False, smooth: bool = False) -> Callable[..., Any]:
    """Make a test of one case a test of all: one for each row, whose failure names the case."""
    groups: dict[int, list[Case]] = {}
    for case in CASES:
        fits = case.sample.differentiable or not differentiable
        if fits and (case.sample.smooth or not smooth):
            groups.setdefault(id(case.row), []).append(case)
    rows = pytest.mark.parametrize("group", groups.values(), ids=lambda group: group[0].row.name)

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        def run(group: list[Case], **fixtures: Any) -> None:
            for case in group:
                try:
                    check(case, **fixtures)
                except Exception as error:
                    raise AssertionError(f"{case.label}: {error}") from error

        def test(group: list[Case]) -> None:
            run(group)

        def test_with_torch(group: list[Case], torch: Any) -> None:
            run(group, torch=torch)

        wants_torch = "torch" in inspect.signature(check).parameters
        return rows(test_with_torch if wants_torch else test)

    return decorate


# ---- values -------------------------------------------------------------------------------------


def draw(domain: str | int, rng: random.Random) -> float:
    """One value. Python's ``random()`` gives the same numbers in every version."""
    u = rng.random()
    sign = 1 if rng.random() < 0.5 else -1
    if isinstance(domain, int):
        return int(u * domain)
    return {
        "real": sign * (0.2 + 1.8 * u),
        "positive": 0.3 + 2.7 * u,
        "unit": 0.05 + 0.9 * u,
        "wide": sign * 40 * u,
        "ties": int(3 * u) - 1,
        "halves": (int(12 * u) - 6) / 2,
        "mask": u < 0.5,
        "label": sign,
        "zero and one": int(2 * u),
        "above two": 2 + 2 * u,
        "special": [float("nan"), float("inf"), -float("inf"), 0.0, 1.5, -1e30][int(6 * u)],
    }[domain]


def arrays_of(case: Case, dtype: str = "float64") -> list[np.ndarray[Any, Any]]:
    """The arguments of a case; the same at each call. Masks and classes keep their dtype."""
    rng = random.Random(case.label)
    arrays = []
    for arg in case.sample.args:
        shape, domain = arg if isinstance(arg, Arg) else (arg, case.row.domain)
        values = [draw(domain, rng) for _ in range(int(np.prod(shape)))]
        kind = "bool" if domain == "mask" else "int64" if isinstance(domain, int) else "float64"
        array = np.array(values, dtype=kind).reshape(shape)
        if kind == "float64" and dtype != "float64":
            with np.errstate(over="ignore"):
                floats = dtype.startswith("float")
                array = array.astype(dtype) if floats else as_integers(array, dtype)
        arrays.append(array)
    return arrays


def as_integers(array: np.ndarray[Any, Any], dtype: str) -> np.ndarray[Any, Any]:
    """Small positive integers (or bools) in place of floats."""
    if dtype == "bool":
        return array > 0.5
    return (np.abs(np.nan_to_num(array, posinf=3, neginf=4) * 2) % 5 + 1).astype(dtype)


def cotangents(like: list[np.ndarray[Any, Any]], seed: str) -> list[np.ndarray[Any, Any]]:
    """Vectors for vector-Jacobian products, of the given shapes; the same at each call."""
    rng = random.Random(seed)
    return [
        np.array([draw("real", rng) for _ in range(a.size)], dtype=a.dtype).reshape(a.shape)
        for a in like
    ]


def outputs(result: Any) -> list[Any]:
    """What a call returned, as a list of tensors."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


# ---- what is compared ---------------------------------------------------------------------------

DTYPES = ("float32", "float16", "int64", "int32", "uint8", "bool")


def result_or_error(library: Any, case: Case, make: Callable[[Any], Any], dtype: str) -> Any:
    """The outputs of a case in another dtype, as arrays, or the class of the error."""
    inputs = [make(a) for a in arrays_of(case, dtype)]
    try:
        with np.errstate(all="ignore"):
            ys = outputs(case.row.call(library, *inputs, **case.sample.options))
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        return type(error)
    return [y.numpy() for y in ys]


def dtypes_of(library: Any, case: Case, make: Callable[[Any], Any]) -> dict[str, list[str] | None]:
    """The dtypes of the outputs for each dtype of the inputs; None where there is an error."""
    found: dict[str, list[str] | None] = {}
    for dtype in DTYPES:
        if dtype.startswith("float") or case.row.integers:
            ys = result_or_error(library, case, make, dtype)
            found[dtype] = [str(y.dtype) for y in ys] if isinstance(ys, list) else None
    return found


def results(library: Any, case: Case, make: Callable[[Any], Any], dtype: str = "float64") -> Any:
    """Outputs, first and second derivatives of a case as arrays, and the name of its node.

    Args:
        library: nnlite or torch.
        make: makes a tensor of an array.
    """
    inputs = [make(a) for a in arrays_of(case, dtype)]
    wanted = [x.requires_grad_() for x in inputs if "float" in str(x.dtype)]
    ys = outputs(case.row.call(library, *inputs, **case.sample.options))
    ends = [y for y in ys if y.requires_grad]
    firsts, seconds = [], []
    if ends and case.sample.differentiable:
        firsts, seconds = differentiate(library, ends, wanted, make, twice=not case.row.once)
    node = ys[0].grad_fn
    name = None if node is None else node.name().removeprefix("torch::autograd::")
    y = [t.detach().numpy() for t in ys]
    return {"y": y, "first": firsts, "second": seconds, "grad_fn": name}


def differentiate(
    library: Any, ends: list[Any], wanted: list[Any], make: Callable[[Any], Any], twice: bool
) -> list[list[Any]]:
    """First derivatives in given directions v, and those of v and the inputs in turn."""
    vs = [make(v).requires_grad_() for v in cotangents([y.detach().numpy() for y in ends], "v")]
    options = {"materialize_grads": True, "allow_unused": True}
    firsts = library.autograd.grad(ends, wanted, vs, create_graph=True, **options)
    if not twice:
        return [[g.detach().numpy(force=True) for g in firsts], []]
    us = cotangents([g.detach().numpy(force=True) for g in firsts], "u")
    ends = [g for g in firsts if g.requires_grad]
    us = [make(u) for u, g in zip(us, firsts) if g.requires_grad]
    if ends:
        seconds = library.autograd.grad(ends, [*wanted, *vs], us, **options)
    else:
        seconds = [library.zeros_like(t) for t in (*wanted, *vs)]
    # torch may return zeros without memory.
    return [[g.detach().numpy(force=True) for g in found] for found in (firsts, seconds)]
