"""NumPy's ufuncs as operators of ONNX."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.export.batch import Size
from nnlite.export.onnx_graph import Graph, unmapped
from nnlite.tracing.calls import Call, Ref

__all__ = ["loop_of", "ufunc"]

_DIRECT = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "matmul": "MatMul", "negative": "Neg", "absolute": "Abs", "fabs": "Abs", "exp": "Exp",
    "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin",
    "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh",
    "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh", "maximum": "Max",
    "minimum": "Min", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less",
    "less_equal": "LessOrEqual", "equal": "Equal", "floor": "Floor", "ceil": "Ceil",
    "rint": "Round", "sign": "Sign", "isnan": "IsNaN", "isinf": "IsInf",
    "reciprocal": "Reciprocal", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
    "logical_not": "Not",
}  # fmt: skip
_OF_BOOLS = {"bitwise_and": "And", "bitwise_or": "Or", "bitwise_xor": "Xor", "invert": "Not",
             "multiply": "And", "add": "Or", "maximum": "Or", "minimum": "And"}  # fmt: skip
_OF_BITS = {"bitwise_and": "BitwiseAnd", "bitwise_or": "BitwiseOr", "bitwise_xor": "BitwiseXor",
            "invert": "BitwiseNot"}  # fmt: skip
_NOT = {"not_equal": "Equal"}


def loop_of(graph: Graph, call: Call) -> tuple[np.dtype[Any], ...]:
    """The dtypes in which NumPy computes: of each operand, then of the result."""
    kinds: list[Any] = []
    for value in call.args:
        if isinstance(value, Ref):
            kinds.append(graph.dtype(value))
        elif isinstance(value, (bool, np.generic)):
            kinds.append(np.asarray(value).dtype)
        else:
            kinds.append(int if isinstance(value, Size) else type(value))
    loop: tuple[np.dtype[Any], ...] = call.target.resolve_dtypes((*kinds, None))
    return loop


def ufunc(graph: Graph, call: Call) -> str:
    """Add the nodes of a ufunc; the name of its result."""
    name = call.target.__name__
    if call.name == "at" and name == "add":
        from nnlite.export.onnx_index import added_at

        return added_at(graph, *call.args)
    if call.name != "__call__" or set(call.kwargs) - {"out", "casting"}:
        raise unmapped(call, f"numpy.{name} with {call.name} or options")
    loop = loop_of(graph, call)
    operands = [graph.operand(value, dtype) for value, dtype in zip(call.args, loop)]
    if name.startswith("logical_"):
        operands = [graph.operand(value, np.bool_) for value in call.args]
    kind = loop[0].kind
    if kind == "b" and name in _OF_BOOLS:
        return str(graph.node(_OF_BOOLS[name], *operands))
    if name in _OF_BITS:
        return str(graph.node(_OF_BITS[name], *operands))
    if name in _NOT:
        return str(graph.node("Not", graph.node(_NOT[name], *operands)))
    if name in _COMPOSED:
        return _COMPOSED[name](graph, loop[0], *operands)
    if name not in _DIRECT:
        raise unmapped(call, f"numpy.{name}")
    return str(graph.node(_DIRECT[name], *operands))


def log1p(graph: Graph, dtype: Any, x: str) -> str:
    """ln(1 + x), exact for small x: ln(u) x / (u - 1) for u = 1 + x (Goldberg 1991, theorem 4)."""
    one = graph.constant(1, dtype)
    u = graph.node("Add", x, one)
    quotient = graph.node("Div", x, graph.node("Sub", u, one))
    precise = graph.node("Mul", graph.node("Log", u), quotient)
    small = graph.node("Less", graph.node("Abs", x), graph.constant(0.5, dtype))
    is_one = graph.node("Equal", u, one)
    return str(
        graph.node("Where", is_one, x, graph.node("Where", small, precise, graph.node("Log", u)))
    )


def expm1(graph: Graph, dtype: Any, x: str) -> str:
    """eˣ - 1, exact for small x: (u - 1) x / ln(u) for u = eˣ (Higham 2002, section 1.14)."""
    one = graph.constant(1, dtype)
    u = graph.node("Exp", x)
    less = graph.node("Sub", u, one)
    precise = graph.node("Mul", less, graph.node("Div", x, graph.node("Log", u)))
    small = graph.node("Less", graph.node("Abs", x), graph.constant(0.5, dtype))
    is_one = graph.node("Equal", u, one)
    return str(graph.node("Where", is_one, x, graph.node("Where", small, precise, less)))


def _scaled(op: str, factor: float) -> Callable[..., str]:
    """f(x) · factor."""

    def composed(graph: Graph, dtype: Any, x: str) -> str:
        return str(graph.node("Mul", graph.node(op, x), graph.constant(factor, dtype)))

    return composed


def _exp2(graph: Graph, dtype: Any, x: str) -> str:
    return str(graph.node("Pow", graph.constant(2, dtype), x))


def _square(graph: Graph, dtype: Any, x: str) -> str:
    return str(graph.node("Mul", x, x))


def _same(graph: Graph, dtype: Any, x: str) -> str:
    return x


def _isfinite(graph: Graph, dtype: Any, x: str) -> str:
    either = graph.node("Or", graph.node("IsNaN", x), graph.node("IsInf", x))
    return str(graph.node("Not", either))


def _trunc(graph: Graph, dtype: Any, x: str) -> str:
    return str(graph.node("Mul", graph.node("Sign", x), graph.node("Floor", graph.node("Abs", x))))


def _remainder(graph: Graph, dtype: Any, x: str, y: str) -> str:
    if dtype.kind != "f":
        return str(graph.node("Mod", x, y))
    whole = graph.node("Floor", graph.node("Div", x, y))
    return str(graph.node("Sub", x, graph.node("Mul", whole, y)))


def _floor_divide(graph: Graph, dtype: Any, x: str, y: str) -> str:
    if dtype.kind == "f":
        return str(graph.node("Floor", graph.node("Div", x, y)))
    return str(graph.node("Div", graph.node("Sub", x, graph.node("Mod", x, y)), y))


def _fmod(graph: Graph, dtype: Any, x: str, y: str) -> str:
    return str(graph.node("Mod", x, y, fmod=1))


def _logaddexp(graph: Graph, dtype: Any, x: str, y: str) -> str:
    gap = graph.node("Neg", graph.node("Abs", graph.node("Sub", x, y)))
    rest = log1p(graph, dtype, graph.node("Exp", gap))
    return str(graph.node("Add", graph.node("Max", x, y), rest))


def _ignoring_nan(op: str) -> Callable[..., str]:
    """The larger or smaller one, or the other one of a NaN."""

    def chosen(graph: Graph, dtype: Any, x: str, y: str) -> str:
        kept = graph.node("Where", graph.node("IsNaN", y), x, graph.node(op, x, y))
        return str(graph.node("Where", graph.node("IsNaN", x), y, kept))

    return chosen


def _hypot(graph: Graph, dtype: Any, x: str, y: str) -> str:
    """|a| √(1 + (b / a)²) for |a| ≥ |b|, which does not overflow."""
    x, y = graph.node("Abs", x), graph.node("Abs", y)
    large, small = graph.node("Max", x, y), graph.node("Min", x, y)
    is_zero = graph.node("Equal", large, graph.constant(0, dtype))
    ratio = graph.node("Div", small, graph.node("Where", is_zero, graph.constant(1, dtype), large))
    square = graph.node("Add", graph.node("Mul", ratio, ratio), graph.constant(1, dtype))
    return str(graph.node("Mul", large, graph.node("Sqrt", square)))


_COMPOSED: dict[str, Callable[..., str]] = {
    "log1p": log1p, "expm1": expm1, "exp2": _exp2, "log2": _scaled("Log", 1 / math.log(2)),
    "log10": _scaled("Log", 1 / math.log(10)), "square": _square, "positive": _same,
    "conjugate": _same, "isfinite": _isfinite, "trunc": _trunc, "remainder": _remainder,
    "floor_divide": _floor_divide, "fmod": _fmod, "logaddexp": _logaddexp,
    "fmax": _ignoring_nan("Max"), "fmin": _ignoring_nan("Min"), "hypot": _hypot,
}  # fmt: skip
