"""What the signs in an explanation mean, for those that occur in it."""

from __future__ import annotations

import re

__all__ = ["notation_of"]

_SIGNS = (
    (r"σ\(", "σ(t) = 1 / (1 + e^(-t)), the sigmoid"),
    (r"Φ\(", "Φ(t) = (1 + erf(t / √2)) / 2, the distribution function of the normal distribution"),
    (r"φ\(", "φ(t) = e^(-t² / 2) / √(2π), its density"),
    (r"\[[^\[\],]* [<>=≤≥≠] [^\[\],]*\]", "[a > b] is 1 where that is so, and 0 elsewhere"),
    (r"ᵀ", "Aᵀ is A with its rows as columns"),
    (r"⋆", "y = x ⋆ k slides k over x"),
    (r"⌊", "⌊t⌋ is t rounded down"),
    (r"\bsign\(|\bsign ", "sign(t) is 1, 0 or -1"),
    (r"‖|\bnorm\b", "a norm is the root of the sum of the squares of all elements"),
    (r" via ", "∂L/∂a via z is what the use of a in z contributes to ∂L/∂a"),
    (r"\[[a-z, ]*[a-z] [-+] ", "an element whose index lies outside of the array counts as 0"),
    (
        r"SGD\.step",
        "in SGD's step g is the gradient, η lr, λ weight_decay, μ momentum, τ dampening, v the "
        "momentum_buffer",
    ),
    (
        r"(Adam\w*|NAdam|RAdam)\.step",
        "in Adam's step g is the gradient, η lr, λ weight_decay, β₁ and β₂ betas, ε eps, t the "
        "number of the step, m exp_avg, v exp_avg_sq, u exp_inf",
    ),
    (r" · ", "terms that are 0 are left out of sums with numbers"),
)
_MARKS = (
    ("✓", "checked and right"),
    ("✗", "wrong"),
    ("≈", "a convention, since no derivative exists there"),
    ("~", "not decided"),
)
_ROUNDED = (
    "numbers have six digits, more where a calculation needs them; by hand the last may differ"
)


def notation_of(text: str) -> list[str]:
    """What the signs in a text mean, in a phrase each.

    Args:
        text: of the explanation.

    >>> notation_of("  ✓ p = σ(z)")[:2]
    ['✓ checked and right', 'σ(t) = 1 / (1 + e^(-t)), the sigmoid']
    """
    marks = [
        f"{mark} {about}"
        for mark, about in _MARKS
        if re.search(rf"^ +(?:forward +|check: )?{mark} ", text, re.MULTILINE)
    ]
    found = [", ".join(marks)] if marks else []
    found += [meaning for sign, meaning in _SIGNS if re.search(sign, text)]
    return [*found, _ROUNDED]
