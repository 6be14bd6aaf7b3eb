"""The MathML of every equation: well formed, of known elements, and saying what the text says."""

import importlib
import pkgutil
import re
from xml.etree import ElementTree

import pytest

import nnlite.ops
from nnlite.autograd import Node, equation, latex
from nnlite.autograd.equation import to_latex
from nnlite.explain.mathml import from_text, to_mathml

NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
# How many children each element has; None: any number.
ELEMENTS = {
    "math": None, "mrow": None, "msqrt": None, "mi": 0, "mn": 0, "mo": 0, "mtext": 0, "mspace": 0,
    "mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mover": 2,
}  # fmt: skip
PLAIN = dict(
    zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇⁿᵖˣᵀ₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₘₙₛₜᵥ", "0123456789+-abnpxT0123456789+-ijkmnstv")
)


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


def checked(markup):
    tree = ElementTree.fromstring(markup)
    for element in tree.iter():
        name = element.tag.removeprefix(NAMESPACE)
        assert element.tag.startswith(NAMESPACE)
        assert name in ELEMENTS, name
        assert ELEMENTS[name] in (None, len(element)), ElementTree.tostring(element)
        if ELEMENTS[name] != 0:
            assert not (element.text or "").strip(), "text stands in tokens only"
        assert not (element.tail or "").strip()
    return tree


def letters(text):
    """What is written, without brackets and strokes that the layout has instead, in any order."""
    text = "".join(PLAIN.get(letter, letter) for letter in text)
    text = text.replace("Σ", "∑").replace("Π", "∏").replace("−", "-")
    text = text.replace("\u0302", "^").replace("\u0304", "¯")
    return sorted(re.sub(r"[\s()/√^¯]", "", text))


@pytest.mark.parametrize("kind", derivatives(), ids=lambda kind: kind.__name__)
def test_every_derivative(kind):
    text = equation(kind)
    tree = checked(to_mathml(latex(kind), alttext=text))
    assert tree.get("alttext") == text
    assert letters("".join(tree.itertext())) == letters(text)
    assert from_text(text) == to_mathml(latex(kind), alttext=text)


def body(text):
    return from_text(text).partition(">")[2].removesuffix("</math>")


def test_a_gradient_is_a_fraction():
    assert body("∂L/∂W₁") == (
        '<mrow><mfrac><mrow><mo lspace="0" rspace="0">∂</mo><mi>L</mi></mrow>'
        '<mrow><mo lspace="0" rspace="0">∂</mo><msub><mi>W</mi><mn>1</mn></msub></mrow></mfrac>'
        "</mrow>"
    )


def test_a_transposed_bracket_is_the_base_of_its_exponent():
    tree = checked(from_text("(∂L/∂z₁)ᵀ x"))
    power = tree.find(f".//{NAMESPACE}msup")
    assert power[0].tag == f"{NAMESPACE}mrow"
    assert power[0].find(f"{NAMESPACE}mrow/{NAMESPACE}mfrac") is not None
    assert power[1].text == "T"


def test_exponent_and_index_of_one_letter():
    assert "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>" in body("xᵢ²")


def test_signs_and_differences():
    assert body("-x") == '<mrow><mo form="prefix">−</mo><mi>x</mi></mrow>'
    assert body("1 - x") == "<mrow><mn>1</mn><mo>−</mo><mi>x</mi></mrow>"
    assert '<mo>=</mo><mo form="prefix">−</mo>' in body("y = -x")


def test_a_space_stays_between_factors_only():
    assert body("a b").count("mspace") == 2  # opening and closing tag
    assert "mspace" not in body("a + b")


def test_numbers_are_one_token():
    assert "<mn>0.25</mn>" in body("0.25 x")
    assert "<mn>1e-09</mn>" in body("1e-09 x")


def test_brackets_that_do_not_match_are_plain_signs():
    tree = checked(from_text("x in (0, 1]"))
    assert "".join(tree.itertext()).endswith("(0,1]")


def test_markup_in_a_formula_is_text():
    markup = to_mathml("a < b & c", alttext='"<script>')
    assert "<script>" not in markup
    assert "".join(checked(markup).itertext()) == "a<b&c"


@pytest.mark.parametrize("formula", [r"\frac{a}{b}", "x^{2"])
def test_what_is_not_of_the_subset_is_refused(formula):
    with pytest.raises(ValueError, match=r"to_mathml: .* in "):
        to_mathml(formula)


def test_parentheses_are_as_high_as_the_fraction_in_them():
    markup = from_text("(∂L/∂z₁)ᵀ (a + b)")
    assert markup.count("<mo>(</mo>") == 1
    assert "<mo>(</mo><mrow><mfrac>" in markup
    assert markup.count('<mo stretchy="false">(</mo>') == 1


def test_the_root_of_an_accented_letter():
    assert "<msqrt><mrow><mover" in from_text("w ← w - η m̂ / (√v̂ + ε)")
    assert to_latex("√v̂₁") == r"\sqrt{\hat{v}_{1}}"
