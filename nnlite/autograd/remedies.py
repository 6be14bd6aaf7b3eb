"""What to do about a NaN or an infinity: the stable form of the computation that made it.

One function for each kind of operation, in the table at the end; each looks at the values and at
the operations that the values came from, and says in a sentence what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.node import Edge, Node

__all__ = ["Finding", "remedy"]

F = "nnlite.nn.functional"

# What changes the shape or the place of values, but not the values.
_MOVES = frozenset((
    "BasicIndex", "Cat", "Clone", "Expand", "Gather", "Index", "IndexSelect", "Output", "Permute",
    "Reshape", "Select", "Slice", "Split", "SplitWithSizes", "Squeeze", "Stack", "T", "ToCopy",
    "Transpose", "UnsafeView", "Unsqueeze", "View",
))  # fmt: skip


class Finding:
    """An operation with a bad result: in the forward pass its output, in backward a gradient.

    Attributes:
        direction: "forward" or "backward".
        name: the operation, as its node is called, without ``Backward0``.
        edges: the nodes of its inputs.
        inputs: the arrays that it was given (in backward: that its derivative read).
        result: the bad array.
        gradient: in backward, the gradient that arrived.
    """

    def __init__(
        self,
        direction: str,
        node_class: type[Node],
        edges: tuple[Edge, ...],
        inputs: list[Any],
        result: Any,
        gradient: Any = None,
    ) -> None:
        self.direction = direction
        self.name = _name(node_class)
        self.edges = edges
        self.inputs = inputs
        self.result = result
        self.gradient = gradient

    def largest(self) -> float:
        """The largest finite absolute value among the inputs."""
        sizes = [np.abs(a[np.isfinite(a)]).max() for a in self.floats() if np.isfinite(a).any()]
        return float(max(sizes, default=0.0))

    def floats(self) -> list[Any]:
        """The inputs that are of a floating point type."""
        return [a for a in self.inputs if a.dtype.kind == "f"]

    def any_input(self, test: Callable[[Any], Any]) -> bool:
        """Whether an element of an input passes the test."""
        return any(bool(np.any(test(a))) for a in self.floats())

    def came_from(self, position: int, *names: str) -> bool:
        """Whether an input was computed by these operations, the last of them named first."""
        edges = self.edges[position : position + 1]
        for name in names:
            made = [source(edge) for edge in edges if edge]
            edges = tuple(e for found in made if _name(type(found)) == name for e in found.edges)
            if not any(_name(type(found)) == name for found in made):
                return False
        return True


def _name(node_class: type[Any]) -> str:
    return re.sub(r"Backwards?\d*$", "", node_class.__name__)


def source(edge: Edge) -> Edge:
    """The operation that computed a value, past those that only moved it."""
    while _name(type(edge)) in _MOVES:
        before = next((e for e in edge.edges if e), None)
        if before is None:
            break
        edge = before
    return edge


def remedy(finding: Finding) -> str | None:
    """What to do about a finding."""
    if finding.direction == "backward" and _is_masked(finding):
        return (
            "the gradient that arrives is 0 where the bad one is, and 0 · ∞ is NaN: a where() or "
            "mask after the operation does not help; make its input harmless before it: "
            "x = where(ok, x, 1), then the operation, then where(ok, …)"
        )
    find = _TABLE.get(finding.name)
    return (None if find is None else find(finding)) or _growth(finding)


def _is_masked(finding: Finding) -> bool:
    g, r = finding.gradient, finding.result
    if g is None or g.shape != r.shape:
        return False
    bad = np.isnan(r)
    return bool(bad.any()) and bool((g[bad] == 0).all())


def _growth(finding: Finding) -> str | None:
    """Values that are finite but huge."""
    half = any(a.dtype == np.float16 for a in [*finding.floats(), finding.result])
    if half:
        return "float16 ends at 65504: compute in float32 (tensor.float()), store in float16"
    if finding.largest() > 1e15 or (
        finding.gradient is not None and float(np.abs(finding.gradient).max(initial=0)) > 1e15
    ):
        return (
            "the values have grown too large: lower the learning rate, clip gradients "
            "(nnlite.nn.utils.clip_grad_norm_), or normalise the inputs of the layer"
        )
    return None


def _log(f: Finding) -> str | None:
    if f.came_from(0, "Softmax"):
        return (
            f"log of a softmax: {F}.log_softmax(x, dim) computes both at once and never reaches "
            f"-inf; for a loss {F}.cross_entropy takes the logits themselves"
        )
    if f.came_from(0, "Sigmoid"):
        return (
            f"log of a sigmoid: {F}.logsigmoid(x) computes both at once; for a loss "
            f"{F}.binary_cross_entropy_with_logits takes the logits themselves"
        )
    if f.came_from(0, "Rsub", "Sigmoid"):
        return (
            f"log(1 - sigmoid(x)) is logsigmoid(-x): {F}.logsigmoid(-x); for a loss "
            f"{F}.binary_cross_entropy_with_logits takes the logits themselves"
        )
    if f.came_from(0, "Sum", "Exp") or f.came_from(0, "Add", "Exp"):
        return "log of a sum of exponentials: nnlite.logsumexp(x, dim) cannot overflow"
    if f.came_from(0, "Exp"):
        return "log(exp(x)) is x"
    if f.came_from(0, "Prod"):
        return "log of a product: sum the logarithms, x.log().sum(dim)"
    if f.any_input(lambda a: a < 0):
        return (
            "the logarithm of a negative number is not defined: find out why the input is "
            "negative, or x.clamp(min=…) with a small positive bound"
        )
    return "the logarithm of 0 is -inf: x.clamp(min=1e-8).log(), or log(x + eps)"


def _exp(f: Finding) -> str | None:
    limit = 11.09 if f.result.dtype == np.float16 else 88.72
    limit = 709.78 if f.result.dtype == np.float64 else limit
    return (
        f"exp overflows {f.result.dtype} above {limit}: use the function that the exponential is "
        f"part of, which does not: {F}.softmax, log_softmax, logsumexp, sigmoid, softplus, tanh; "
        f"or bound the input: x.clamp(max={int(limit)})"
    )


def _div(f: Finding) -> str | None:
    if f.came_from(0, "Exp") and (f.came_from(1, "Sum", "Exp") or f.came_from(1, "Sum")):
        return f"this is a softmax: {F}.softmax(x, dim) cannot overflow, nor divide by 0"
    if f.came_from(1, "LinalgVectorNorm") or f.came_from(1, "Sqrt", "Sum"):
        return "a vector divided by its norm, which is 0: bound the norm, x / norm.clamp(min=1e-12)"
    if f.came_from(1, "Std") or f.came_from(1, "Sqrt", "Var"):
        return (
            "division by a standard deviation of 0 (all values equal): add a small number, "
            f"x / (std + 1e-5), or use {F}.layer_norm, batch_norm, which do"
        )
    if f.came_from(1, "Add", "Exp") or f.came_from(1, "Add", "Exp", "Neg"):
        return "this is a sigmoid: x.sigmoid() cannot overflow"
    if f.came_from(1, "Sum") or f.came_from(1, "Mean"):
        return (
            "division by a sum of 0 (nothing selected, or all values 0): bound it from below: "
            "x / total.clamp(min=1), or another positive number"
        )
    if f.any_input(lambda a: a == 0):
        return (
            "division by 0: add a small number to the denominator (x / (y + 1e-8)), or put a "
            "harmless one in first: x / where(y == 0, 1, y)"
        )
    if f.direction == "backward":
        return "1/y² overflows: bound the denominator from below: x / y.clamp(min=1e-8)"
    return _growth(f)


def _root(f: Finding) -> str | None:
    if f.direction == "forward" and f.name == "Sqrt":
        return (
            "the square root of a negative number is not defined; if rounding made it negative, "
            "x.clamp(min=0).sqrt()"
        )
    if f.came_from(0, "Sum", "Pow") or f.came_from(0, "Sum", "Mul"):
        return (
            "the derivative of a square root is infinite at 0: for the length of a vector use "
            "nnlite.linalg.norm(x, dim=…), whose gradient is 0 there"
        )
    if f.came_from(0, "Var"):
        return "the derivative of √variance is infinite at 0: (var + 1e-5).sqrt()"
    return (
        f"{f.name.lower()} is steep at 0: add a small number inside: (x + 1e-8).{f.name.lower()}()"
    )


def _variance(f: Finding) -> str | None:
    if f.direction == "forward":
        return (
            "the unbiased variance of a single value is 0/0: use correction=0 (unbiased=False), or "
            "more values"
        )
    return _growth(f)


def _pow(f: Finding) -> str | None:
    if f.any_input(lambda a: a == 0):
        return (
            "a power of 0 with an exponent below 1 has an infinite derivative (below 0: an "
            "infinite value): add a small number, (x + 1e-8) ** p"
        )
    if f.any_input(lambda a: a < 0) and _has_nan(f.result):
        return "a broken power of a negative number is not defined: x.abs() ** p, or clamp(min=0)"
    return _growth(f) or "the power overflows: bound its base or its exponent with clamp()"


def _mul(f: Finding) -> str | None:
    if f.any_input(np.isinf) and f.any_input(lambda a: a == 0):
        return (
            "0 · ∞ is NaN: a product with a mask does not take infinities out; use "
            "x.masked_fill(mask == 0, 0) or where(mask, x, 0)"
        )
    return _growth(f)


def _add(f: Finding) -> str | None:
    if f.any_input(np.isposinf) and f.any_input(np.isinf):
        return "∞ - ∞ is NaN: find out where the infinities come from; mask with a large number"
    return _growth(f)


def _mean(f: Finding) -> str | None:
    if any(a.size == 0 for a in f.inputs):
        return "the mean of no elements is 0/0: check for an empty batch or selection first"
    return _growth(f)


def _loss_mean(f: Finding) -> str | None:
    if f.direction == "forward" and not f.any_input(lambda a: ~np.isfinite(a)):
        return (
            "the mean is over no elements (an empty batch, or every target ignored): skip such "
            'a batch, or use reduction="sum" and divide by a count that is clamped to 1'
        )
    return _growth(f)


def _bce(f: Finding) -> str | None:
    if f.came_from(0, "Sigmoid"):
        return (
            "binary_cross_entropy of a sigmoid: "
            f"{F}.binary_cross_entropy_with_logits (nn.BCEWithLogitsLoss) takes the logits"
        )
    return _loss_mean(f)


def _softmax(f: Finding) -> str | None:
    if f.any_input(np.isneginf):
        return (
            "a row that is all -inf has no softmax: leave at least one position unmasked, or mask "
            "with a large negative number (-1e9) instead of -inf"
        )
    if f.any_input(np.isposinf):
        return "a softmax of +inf is ∞ - ∞: bound the input"
    return _growth(f)


def _domain(low: str, high: str, bounds: str) -> Callable[[Finding], str | None]:
    def find(f: Finding) -> str | None:
        return (
            f"{f.name.lower()} is defined between {low} and {high}, and steep at the ends: "
            f"x.clamp({bounds})"
        )

    return find


def _reciprocal(f: Finding) -> str | None:
    return f"division by 0: add a small number: (x + 1e-8).{f.name.lower()}()"


def _log1p(f: Finding) -> str | None:
    return "log1p needs values above -1: x.clamp(min=-1 + 1e-6)"


def _has_nan(array: Any) -> bool:
    return bool(np.isnan(array).any())


_TABLE: dict[str, Callable[[Finding], str | None]] = {
    "Acos": _domain("-1", "1", "-1 + 1e-6, 1 - 1e-6"),
    "Acosh": _domain("1", "infinity", "min=1 + 1e-6"),
    "Add": _add,
    "Asin": _domain("-1", "1", "-1 + 1e-6, 1 - 1e-6"),
    "Atanh": _domain("-1", "1", "-1 + 1e-6, 1 - 1e-6"),
    "BinaryCrossEntropy": _bce,
    "BinaryCrossEntropyWithLogits": _loss_mean,
    "Cosh": _exp,
    "Div": _div,
    "Exp": _exp,
    "Exp2": _exp,
    "Expm1": _exp,
    "Log": _log,
    "Log10": _log,
    "Log1P": _log1p,
    "Log2": _log,
    "LogSoftmax": _softmax,
    "Mean": _mean,
    "MseLoss": _loss_mean,
    "Mul": _mul,
    "NllLoss": _loss_mean,
    "Pow": _pow,
    "Reciprocal": _reciprocal,
    "Rsqrt": _root,
    "Sinh": _exp,
    "Softmax": _softmax,
    "Sqrt": _root,
    "Std": _variance,
    "Sub": _add,
    "Var": _variance,
}
