"""Every derivative carries its equation, as text and as LaTeX."""

import importlib
import pkgutil

import pytest
from matplotlib.mathtext import MathTextParser

import nnlite
import nnlite.ops
from nnlite.autograd import Node, equation, latex


def derivatives():
    for module in pkgutil.iter_modules(nnlite.ops.__path__):
        importlib.import_module(f"nnlite.ops.{module.name}")
    found, stack = [], [Node]
    while stack:
        for kind in stack.pop().__subclasses__():
            stack.append(kind)
            if kind.__module__.startswith("nnlite.ops."):
                found.append(kind)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def test_there_are_derivatives():
    assert len(derivatives()) > 50


@pytest.mark.parametrize("kind", derivatives(), ids=lambda kind: kind.__name__)
def test_equation(kind):
    assert "__doc__" in vars(kind), "its own equation, not that of its base class"
    text = equation(kind)
    value, _, gradients = text.partition(":")
    assert "=" in value, text
    assert "∂" in gradients, text
    assert "=" in gradients or "is an error" in gradients, text


@pytest.mark.parametrize("kind", derivatives(), ids=lambda kind: kind.__name__)
def test_latex(kind):
    formula = latex(kind)
    assert formula.isascii(), formula
    assert r"\partial" in formula
    # A parser that is not ours reads it: commands are known, braces are closed.
    MathTextParser("path").parse(f"${formula}$")


@pytest.mark.parametrize(
    ("function", "text", "formula"),
    [
        (nnlite.sigmoid,
         "y = σ(x) = 1 / (1 + e⁻ˣ): ∂x = g y (1 - y)",
         r"y = \sigma (x) = 1 / (1 + e^{-x}): \partial x = g y (1 - y)"),
        (nnlite.sqrt,
         "y = √x: ∂x = g / (2 y)",
         r"y = \sqrt{x}: \partial x = g / (2 y)"),
        (nnlite.log,
         "y = ln x: ∂x = g / x",
         r"y = \operatorname{ln} x: \partial x = g / x"),
    ],
)  # fmt: skip
def test_of_a_node(function, text, formula):
    node = function(nnlite.ones(2, requires_grad=True)).grad_fn
    assert equation(node) == equation(type(node)) == text
    assert latex(node) == formula


def test_nested_roots_and_powers():
    class Odd(Node):
        r"""y = √(a² + √(b + e^(-x²/2))):   ∂x = gᵢ x̂"""

    assert latex(Odd) == (r"y = \sqrt{a^{2} + \sqrt{b + e^{-x^{2}/2}}}: \partial x = g_{i} \hat{x}")
