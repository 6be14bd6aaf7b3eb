"""The gradient of the tutorial's network, worked out again from the printed text alone."""

import ast
import html
import re

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain.numbers import terms_text


def printed():
    """The text that a reader gets; nothing else is used below."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    x = nnlite.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    y = nnlite.tensor([[1.0], [1.0], [0.0]])
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with nnlite.explain.recording():
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    names = {"x": x, "y": y}
    return str(nnlite.explain(loss, model=model, optimizer=optimizer, names=names))


def arrays_of(text):
    """Every array of the text by its symbol, of those printed twice the last."""
    found = {}
    symbol = inside = ""
    for line in text.splitlines():
        named = re.match(r"\s+(\S+) = (\[.*|[-+.e\d]+)$", line)
        begun = re.match(r"\s+(\S+) = .*, \([\d, ]+\) float32$", line)
        if begun:
            symbol, inside = begun[1], ""
            continue
        if named:
            symbol, inside = named.groups()
        elif symbol and re.fullmatch(r"[\s\[\]\d.,e+-]+", line):
            inside += line.strip()
        else:
            symbol = ""
            continue
        if symbol and inside.count("[") == inside.count("]"):
            found[symbol] = np.array(ast.literal_eval(inside))
            symbol = ""
    return found


def test_every_array_follows_from_those_before():
    a = arrays_of(printed())
    sigmoid = 1 / (1 + np.exp(-a["z₂"]))
    slope = (sigmoid - a["y"]) / 3
    back = slope @ a["W₂"]
    inner = back * (1 - a["a₁"] ** 2)
    losses = a["y"] * np.log(sigmoid) + (1 - a["y"]) * np.log(1 - sigmoid)
    by_hand = {
        "z₁": a["x"] @ a["W₁"].T + a["b₁"],
        "a₁": np.tanh(a["z₁"]),
        "z₂": a["a₁"] @ a["W₂"].T + a["b₂"],
        "L": -losses.mean(),
        "∂L/∂z₂": slope,
        "∂L/∂W₂": slope.T @ a["a₁"],
        "∂L/∂b₂": slope.sum(axis=0),
        "∂L/∂a₁": back,
        "∂L/∂z₁": inner,
        "∂L/∂W₁": inner.T @ a["x"],
        "∂L/∂b₁": inner.sum(axis=0),
    }
    for symbol, value in by_hand.items():
        np.testing.assert_allclose(a[symbol], value, atol=1e-5, err_msg=symbol)
    assert len(a) == len(by_hand) + len(["∂L/∂L", "x", "y", "W₁", "b₁", "W₂", "b₂"])


def test_every_calculation_gives_what_stands_behind_it():
    """Each line ``name = calculation = number``, as a calculator does it."""
    lines = re.sub(r"\n {8,}= ", " = ", printed()).splitlines()
    count = 0
    for line in lines:
        parts = line.split(" = ")
        if len(parts) != 3 or not re.fullmatch(r"[-+.e\d]+", parts[2]):
            continue
        calculation = parts[1].replace("·", "*").replace("^", "**")
        allowed = {"σ": lambda z: 1 / (1 + np.exp(-z)), "__builtins__": {}}
        assert re.fullmatch(r"[-+*/().e\dσ ]+", calculation), line
        assert eval(calculation, allowed) == pytest.approx(float(parts[2]), rel=1.1e-5), line
        count += 1
    assert count == 13


def test_the_layer_of_the_autograd_tutorial():
    """x (5,), w (5, 3) and b (3,), without a model and without names."""
    x, y = nnlite.ones(5), nnlite.zeros(3)
    w = nnlite.randn(5, 3, requires_grad=True)
    b = nnlite.randn(3, requires_grad=True)
    with nnlite.explain.recording():
        z = nnlite.matmul(x, w) + b
        loss = nn.functional.binary_cross_entropy_with_logits(z, y)
    a = arrays_of(str(nnlite.explain(loss)))
    sigmoid = 1 / (1 + np.exp(-a["u₁"]))
    slope = (sigmoid - a["y"]) / 3
    by_hand = {
        "z₁": a["x"] @ a["W₁"],
        "u₁": a["z₁"] + a["b₁"],
        "L": -np.log(1 - sigmoid).mean(),
        "∂L/∂u₁": slope,
        "∂L/∂z₁": slope,
        "∂L/∂b₁": slope,
        "∂L/∂W₁": np.outer(a["x"], slope),
    }
    for symbol, value in by_hand.items():
        np.testing.assert_allclose(a[symbol], value, atol=1e-5, err_msg=symbol)
    assert len(a) == len(by_hand) + len(["∂L/∂L", "x", "y", "W₁", "b₁"])


def test_signs_are_explained_where_they_occur():
    text = printed()
    assert "           σ(t) = 1 / (1 + e^(-t)), the sigmoid\n" in text
    assert "[a > b] is 1" not in text
    w = nnlite.tensor([1.0, -2.0], requires_grad=True)
    text = str(nnlite.explain(w.relu().sum()))
    assert "[a > b] is 1 where that is so, and 0 elsewhere" in text
    assert "σ" not in text


def test_numbers_have_the_digits_that_a_calculator_needs():
    """Terms that cancel, and a slope 1 - a² with a near 1."""
    w = nnlite.tensor([3.0, 0.5, 4.5], requires_grad=True)
    c = nnlite.tensor([1.0000001, -1.0, 0.3])
    explanation = nnlite.explain((w.tanh() * c).sum(), names={"w": w, "c": c})
    for index in range(3):
        rule = explanation.steps[2].rule_for(0, (index,))
        by_hand = eval(rule.numbers.replace("·", "*").replace("^", "**"))
        assert by_hand == pytest.approx(rule.total, rel=1.1e-5), rule.numbers
    b = nnlite.tensor(0.0, requires_grad=True)
    weights = nnlite.tensor([0.1234567, -0.1234561, 0.0])
    terms = terms_text(nnlite.explain(((b + c) * weights).sum()).steps[2].rules[0])
    assert eval(terms.replace("·", "*")) == pytest.approx(6e-7, rel=0.01)
    assert "0.1234567" in terms


def test_signs_are_explained_in_every_output():
    x = nnlite.tensor([[0.5, -1.0]], requires_grad=True)
    with nnlite.explain.recording():
        lesson = nnlite.explain(nn.functional.prelu(x, nnlite.tensor([0.25])).sigmoid().sum())
    page = html.unescape(re.sub("<[^>]+>", "", lesson.html()))
    for text in (str(lesson), lesson.markdown(), page):
        assert "✓ checked and right" in text
        assert "✗ wrong" not in text
        assert "σ(t) = 1 / (1 + e^(-t)), the sigmoid" in text
        assert "Φ(t)" not in text
    x = nnlite.tensor([0.0, 1.0], requires_grad=True)
    for text in (str(lesson := nnlite.explain(x.abs().sum())), lesson.markdown(), lesson.html()):
        assert "✓ checked and right, ≈ a convention, since no derivative exists there" in text
