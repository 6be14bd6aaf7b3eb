"""An explanation as Markdown, and its graph as DOT: sane whatever the names and the size are."""

import re

import pytest

import nnlite
from nnlite import nn
from nnlite.explain import explain, recording
from nnlite.explain.layout import arrange
from nnlite.explain.numbers import number, number_texts
from nnlite.explain.page_graph import lines_of


def explained(**options):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    x, y = nnlite.randn(4, 3), nnlite.ones(4, 1)
    with recording():
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.1)
    return explain(loss, model=model, optimizer=optimizer, names={"x": x, "y": y}, **options)


def deep():
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(400)])
    return explain(model(nnlite.ones(1, 2)).sum(), model=model)


def formulas(text):
    """What stands between dollar signs; on a line of its own where there are two."""
    without_code = re.sub(r"(`+)(?:.|\n)*?[^`]\1(?!`)", "", text)
    shown = re.findall(r"^\$\$([^$]+)\$\$$", without_code, re.MULTILINE)
    rest = re.sub(r"^\$\$[^$]+\$\$$", "", without_code, flags=re.MULTILINE)
    assert "$$" not in rest
    assert len(re.findall(r"(?<!\\)\$", rest)) % 2 == 0
    return shown + re.findall(r"(?<!\\)\$([^$\n]+)\$", rest)


def matrix(array):
    inside = r" \cr ".join(" & ".join(number(float(v)) for v in row) for row in array)
    return rf"\begin{{bmatrix}} {inside} \end{{bmatrix}}"


def test_markdown_holds_every_formula_and_every_small_array():
    lesson = explained()
    text = lesson.markdown()
    shown = formulas(text)
    for value in lesson.values:
        if value.kind != "output" and len(value.shape) == 2:
            assert any(found.endswith(f"= {matrix(value.array)}") for found in shown)
    for step in lesson.steps:
        for rule in step.rules:
            assert rule.latex in shown
            for numbers in number_texts(rule):
                assert f"{numbers} = {number(rule.total)}`" in text
            if rule.gradient.ndim == 2:
                assert any(matrix(rule.gradient) in found for found in shown)
    for leaf in lesson.leaves:
        assert f"## Leaf {leaf.value.label}\n" in text
        for line in leaf.update.lines:
            assert f"- {line.mark} `{line.formula} = " in text


def test_formulas_are_such_that_every_viewer_knows_them():
    x = nnlite.randn(2, 3).requires_grad_()
    with recording():
        loss = nnlite.log(nnlite.softmax(x, dim=1)).tanh().sum()
    for lesson in (explained(), explain(loss)):
        for found in formulas(lesson.markdown()):
            assert found.count("{") == found.count("}")
            assert "operatorname" not in found
            # Markdown takes the stroke away before these.
            assert not re.search(r"\\[!-/:-@\[-`{-~]", found), found
            assert found.isascii() or not re.search("[∂Σ√σ]", found)


def test_numbers_are_written_in_powers_of_ten():
    w = nnlite.tensor([1e-9, -3e10, float("inf")], requires_grad=True)
    text = explain((w * 2).sum(), names={"w": w}).markdown()
    row = r"1 \cdot 10^{-9} & -3 \cdot 10^{10} & \infty"
    assert row in text


def test_a_wide_array_is_a_list():
    w = nnlite.ones(12, requires_grad=True)
    text = explain((w * 2).sum(), names={"w": w}).markdown()
    assert f"$w$ = `[{', '.join('1' * 12)}]`" in text


def test_names_and_source_lines_are_no_markup():
    w, v = nnlite.ones(2, requires_grad=True), nnlite.ones(2, requires_grad=True)
    with recording():
        loss = (w * v).sum()  # `code` and ``more`` <b>bold</b> | $x$
    lesson = explain(loss, names={"a|b *c* <i>": w, "_d_ $x$": v})
    text = lesson.markdown()
    formulas(text)
    for row in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        assert len(re.findall(r"(?<!\\)\|", row)) == 5, row
    outside = re.sub(r"(`+)(?:.|\n)*?[^`]\1(?!`)", "", text)
    assert "<i>" not in re.sub(r"\\<", "", outside)
    assert "*c*" not in outside
    assert "`" not in outside
    assert "```(w * v).sum()" not in text
    assert "```loss = (w * v).sum()  # `code` and ``more`` <b>bold</b> | $x$```" in text
    assert "test_explain_markdown.py:" in text
    assert "/test_explain_markdown.py" not in text


def test_markdown_marks_what_is_wrong():
    w = nnlite.ones(2, requires_grad=True)
    lesson = explain((w * w).sum(), names={"w": w})
    assert "✓ w is used 2 times: its gradient is a sum." in lesson.markdown()
    [leaf] = lesson.leaves
    leaf.addends[0].array = leaf.addends[0].array + 1
    lesson.steps[0].rules[0].check.status = "wrong"
    text = lesson.markdown()
    assert "✗ w is used 2 times: its gradient is a sum." in text
    assert "✗ backward" in text


def test_markdown_and_dot_of_a_long_pass_are_short():
    lesson = deep()
    assert len(lesson.leaves) == 800
    text = lesson.markdown()
    assert len(text.splitlines()) < 2000
    assert "and 740 other leaves" in text
    assert len(lesson.dot().splitlines()) < 200


_STRING = r'"(?:[^"\\\n]|\\.)*"'
_LIST = rf"\[\w+=(?:\w+|{_STRING})(?:, \w+=(?:\w+|{_STRING}))*\]"


@pytest.mark.parametrize("make", [explained, deep])
def test_dot_is_the_drawn_graph(make):
    lesson = make()
    drawing = arrange(lesson, lines_of)
    first, *body, last = lesson.dot().splitlines()
    assert [first, last] == ["digraph explanation {", "}"]
    nodes, edges, back = set(), [], []
    for line in body:
        node = re.fullmatch(rf"  ({_STRING}) {_LIST};", line)
        edge = re.fullmatch(rf"  ({_STRING}) -> ({_STRING}) {_LIST};", line)
        if node:
            nodes.add(node[1])
        elif edge:
            (back if "dashed" in line else edges).append(edge.groups())
            # Graphviz ranks by what is not said to be no constraint: forward, from left to right.
            assert ("constraint=false" in line) == ("dashed" in line)
        else:
            assert line in ("  rankdir=LR;", "  node [shape=box];")
    assert nodes == {f'"{box.key}"' for box in drawing.boxes}
    keys = [(f'"{w.source.key}"', f'"{w.target.key}"') for w in drawing.wires]
    assert edges == keys
    expected = [pair for pair, wire in zip(keys, drawing.wires) if wire.has_gradient]
    assert back == [(target, source) for source, target in expected]


def test_dot_quotes_names():
    w = nnlite.ones(2, requires_grad=True)
    text = explain((w * w).sum(), names={'say "hi" \\ bye': w}).dot()
    assert r"say \"hi\" \\ bye" in text
