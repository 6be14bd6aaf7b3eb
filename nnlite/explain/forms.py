"""The equation that holds for one node: its options put in, and what it does not use left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from nnlite.autograd.equation import equation
from nnlite.autograd.node import Node
from nnlite.explain.record import record_of

__all__ = ["constants", "equation_of", "mean_of"]


def mean_of(node: Node) -> int | None:
    """Over how many elements a loss is the mean; None when it is none, 0 for a sum."""
    meta = node.meta
    if not isinstance(meta, tuple) or len(meta) < 2 or not isinstance(meta[-2], str):
        return None
    return {"mean": int(meta[-1]), "sum": 0}.get(meta[-2]) if type(meta[-1]) is int else None


def equation_of(node: Node, saved: tuple[Any, ...]) -> str:
    """The equation of a node's derivative, with the terms that are at work in this node.

    Args:
        node: the operation.
        saved: what its derivative reads.
    """
    text = equation(node)
    change = _FORMS.get(type(node).__name__)
    if change is not None:
        text = change(text, node, saved)
    count = mean_of(node)
    return text if count is None else _reduced(text, count)


def _reduced(text: str, count: int) -> str:
    """The equation of a loss that is the sum, or the mean of ``count``."""
    forward, colon, rest = text.partition(":")
    left, equals, right = forward.partition(" = ")
    count = 0 if count == 1 else count  # the mean of one is its sum
    right, comma, definitions = right.partition(", d =")
    choice = " if " in right or " where " in right
    inner = f"({right})" if choice or " - " in right or " + " in right else right
    forward = f"{left}{equals}Σ {inner}{f' / {count}' if count else ''}{comma}{definitions}"
    rules = [
        rule if not count or rule.endswith("= -∂x") else f"{rule} / {count}"
        for rule in rest.replace(",   ∂", ", ∂").split(", ∂")
    ]
    return f"{forward}{colon}{', ∂'.join(rules)}"


def _without(*pairs: tuple[str, str]) -> Callable[[str], str]:
    def change(text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return change


_NO_POSITIVE = _without(
    ("p y ln", "y ln"), ("((1 - y + p y) σ(x) - p y)", "(σ(x) - y)"), ("- p ln", "- ln")
)
_NO_WEIGHT = _without(("-w (", "-("), ("g w ", "g "))


def _with_logits(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    text = text.replace(" (without weights: ∂x = g (σ(x) - y))", "")
    text = text if saved[3] is not None else _NO_POSITIVE(text)
    return text if saved[2] is not None else _NO_WEIGHT(text)


def _bce(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    return text if saved[2] is not None else _NO_WEIGHT(text)


def _batch_norm(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    general, _, running = text.partition("; with running statistics: ")
    if not node.meta[0]:
        start = general.index("∂x = ")
        return _affine(general[:start] + running, node, saved)
    return _affine(general, node, saved)


def _affine(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """A normalisation without weight has no γ."""
    if saved[1] is not None or node.edges[1]:
        return text
    return text.replace("γ ", "").replace(", ∂γ = Σ g x̂", "")


def _linear(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    if node.meta:
        return text
    return text.replace(" + b:", ":").replace(", ∂b = Σ G over the rows", "")


def _attention(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """Without a mask there is no M; a boolean one, and dropout, act on P."""
    if saved[3] is not None or node.edges[3]:
        return text
    return text.replace(" + M:", ":").replace(", ∂M = ∂S", "")


def _addmm(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    _, beta, alpha = node.meta
    text = text.replace("β ", "") if beta == 1 else text
    return text.replace("α ", "") if alpha == 1 else text


def _clamp(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """With one bound only."""
    lo, hi = saved[1:] if len(saved) > 1 else node.meta
    if hi is None:
        text = re.sub(r"min\((.*), hi\)", r"\1", text).replace(", ∂hi = g [x > hi or hi < lo]", "")
        return text.replace("lo ≤ x ≤ hi", "x ≥ lo").replace("x < lo < hi", "x < lo")
    if lo is None:
        text = text.replace("max(x, lo)", "x").replace(", ∂lo = g [x < lo < hi]", "")
        return text.replace("lo ≤ x ≤ hi", "x ≤ hi").replace("x > hi or hi < lo", "x > hi")
    return text


def _nll(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    pull = saved[0]
    values = pull[pull != 0]
    if values.size and bool((values == values[0]).all()):
        size = 1 / abs(float(values[0]))
        over = "" if size == 1 else f" / {size:.6g}"
        return f"l = -Σₙ xₙ[yₙ]{over}: ∂xₙ[c] = -g{over} where c = yₙ, else 0"
    return text


def _softplus(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    return text.replace("βx", "x").replace(" / β", "") if node.meta[0] == 1 else text


def _gelu(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    if node.meta != "tanh":
        return text
    return (
        "y = x (1 + t) / 2, t = tanh u, u = √(2/π) (x + 0.044715 x³): "
        "∂x = g ((1 + t) / 2 + x (1 - t²) √(2/π) (1 + 0.134145 x²) / 2)"
    )


def _times(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """A number is written before what it multiplies."""
    if isinstance(saved[1], (int, float)) and not node.edges[1]:
        return "y = b a: ∂a = b g"
    return text


def _power(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    if node.meta == 2:
        return "y = x²: ∂x = g 2 x"
    if node.meta == 3:
        return "y = x³: ∂x = g 3 x²"
    return text


def _halved(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """Where the two are equal somewhere, each gets half of the gradient."""
    a, b = saved
    rules, _, _ = text.partition("; half each")
    if not np.equal(a, b).any():
        return rules
    sign = ">" if "≥" in rules else "<"
    return (
        f"{rules.partition(':')[0]}: ∂a = g ([a {sign} b] + [a = b] / 2), "
        f"∂b = g ([b {sign} a] + [a = b] / 2)"
    )


def _convolution(text: str, node: Node, saved: tuple[Any, ...]) -> str:
    """A bias that gets no gradient is a constant or there is none; a recording tells which."""
    if node.edges[2] or _has_bias(node):
        return text
    bias = " + b:" if " + b:" in text else ", + b:"
    return text.replace(bias, ":")


def _has_bias(node: Node) -> bool:
    record = record_of(node)
    return record is None or any(call.argument("bias") is not None for call in record.calls)


_FORMS: dict[str, Callable[[str, Node, tuple[Any, ...]], str]] = {
    "AddmmBackward0": _addmm,
    "BinaryCrossEntropyBackward0": _bce,
    "BinaryCrossEntropyWithLogitsBackward0": _with_logits,
    "ClampBackward0": _clamp,
    "ClampBackward1": _clamp,
    "ConvolutionBackward0": _convolution,
    "GeluBackward0": _gelu,
    "LinearBackward0": _linear,
    "MaximumBackward0": _halved,
    "MinimumBackward0": _halved,
    "MulBackward0": _times,
    "NativeBatchNormBackward0": _batch_norm,
    "NativeGroupNormBackward0": _affine,
    "NativeLayerNormBackward0": _affine,
    "NllLossBackward0": _nll,
    "PowBackward0": _power,
    "RmsNormBackward0": _affine,
    "ScaledDotProductAttentionBackward0": _attention,
    "SoftplusBackward0": _softplus,
    "TransposedConvolutionBackward0": _convolution,
}


# ---- the letters that stand for options ---------------------------------------------------------

# For each derivative the letters of the numbers in ``meta``, in its order ("-" for none).
_LETTERS = {
    "AddcdivBackward0": "v", "AddcmulBackward0": "v", "AddmmBackward0": "- β α",
    "AddmvBackward0": "- β α", "BaddbmmBackward0": "- β α", "ClampBackward1": "lo hi",
    "ClampMaxBackward0": "lo hi", "ClampMinBackward0": "lo hi", "DivBackward1": "c",
    "EluBackward0": "a s c", "EluBackward1": "a s c", "CeluBackward0": "a", "CeluBackward1": "a",
    "HardshrinkBackward0": "λ", "HardtanhBackward0": "lo hi", "LeakyReluBackward0": "s",
    "LeakyReluBackward1": "s", "LerpBackward0": "w", "PowBackward0": "n", "PowBackward2": "c",
    "SoftplusBackward0": "β t", "SoftshrinkBackward0": "λ", "ThresholdBackward0": "t",
    "ThresholdBackward1": "t", "SmoothL1LossBackward0": "β", "HuberLossBackward0": "- δ",
    "ScaledDotProductAttentionBackward0": "s",
}  # fmt: skip


def constants(node: Node) -> dict[str, float]:
    """The numbers that letters of the equation stand for: ``{"n": 3.0}`` for a cube."""
    name = type(node).__name__
    letters = _LETTERS.get(name, "").split()
    meta = node.meta if isinstance(node.meta, tuple) else (node.meta,)
    given = [*zip(letters, meta)]
    record = record_of(node) if name in _GIVEN else None
    if record is not None and record.calls:
        given.append(("c", record.calls[0].argument(_GIVEN[name])))
    return {
        letter: float(value)
        for letter, value in given
        if letter != "-" and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


# The argument that c stands for, which only a recording knows.
_GIVEN = {
    "FmodBackward0": "other", "RemainderBackward0": "other", "ThresholdBackward0": "value",
    "ThresholdBackward1": "value", "FillBackward2": "value",
}  # fmt: skip
