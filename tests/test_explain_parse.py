"""The formulas of docstrings: read, evaluated, and written with numbers."""

import math

import pytest

from nnlite.explain.parse import NotAFormula, definitions, evaluate, parse
from nnlite.explain.show import show

VALUES = {"x": 0.5, "y": 0.25, "g": 2.0, "a": 3.0, "s": 0.1, "t": 2.0, "λ": 0.4, "n": 3.0}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("g y (1 - y)", 2 * 0.25 * 0.75),
        ("-g a / y²", -2 * 3 / 0.0625),
        ("g 2/√π e^(-x²)", 4 / math.sqrt(math.pi) * math.exp(-0.25)),
        ("g (1 if x > 0 else s)", 2.0),
        ("0 if x ≤ -3, 1 if x ≥ 3, else x/3 + 1/2", 0.5 / 3 + 0.5),
        ("g [|x| > λ]", 2.0),
        ("g n xⁿ⁻¹", 2 * 3 * 0.25),
        ("e⁻ˣ", math.exp(-0.5)),
        ("ln σ(x)", math.log(1 / (1 + math.exp(-0.5)))),
        ("x tanh(ln(1 + eˣ))", 0.5 * math.tanh(math.log(1 + math.exp(0.5)))),
        ("min(max(x, 0), 6) / 6", 0.5 / 6),
        ("g ⌊a/t⌋", 2.0),
        ("1 / (1 + e^(-x))", 1 / (1 + math.exp(-0.5))),
        ("0.9^t", 0.81),
        ("-x²", -0.25),
        ("a - x - y", 2.25),
        ("a / (x / y)", 1.5),
    ],
)
def test_evaluated_and_shown(formula, value):
    tree = parse(formula)
    assert float(evaluate(tree, VALUES)) == pytest.approx(value)
    shown = show(tree, VALUES)
    assert not set("xgaλ") & set(shown.replace("max", "").replace("tanh", ""))
    assert float(evaluate(parse(shown), {})) == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["g, repeated to the shape of x", "zeros with g at i", "x[i]", "(g", "max x", ""]
)
def test_words_are_no_formula(text):
    with pytest.raises(NotAFormula):
        evaluate(parse(text), VALUES)


def test_definitions():
    found = definitions("y = x t, t = tanh x")
    assert [letter for letter, _ in found] == ["y", "t"]
    with pytest.raises(NotAFormula):
        definitions("y = x in another shape")
