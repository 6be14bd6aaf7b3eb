"""Every line that is printed bears a mark, and a line that has been made wrong bears ✗."""

import html
import re

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain import numbers, path, show, step, update
from nnlite.nn import functional as F
from nnlite.ops.linalg import LinearBackward0
from nnlite.ops.trigonometric import TanhBackward0

X = [[0.5, -1.0, 2.0], [1.0, 0.0, 0.3], [-0.4, 2.0, 0.1], [0.0, 1.0, -0.5]]
Y = [[1.0], [0.0], [1.0], [0.0]]


def lesson(optimizer=None, **options):
    nnlite.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    x, y = nnlite.tensor(X), nnlite.tensor(Y)
    stepper = getattr(nnlite.optim, optimizer)(model.parameters(), **options) if optimizer else None
    for _ in range(2 if optimizer else 0):
        F.binary_cross_entropy_with_logits(model(x), y).backward()
        stepper.step()
    with nnlite.explain.recording():
        loss = F.binary_cross_entropy_with_logits(model(x), y)
    return nnlite.explain(loss, model=model, optimizer=stepper)


OPTIMIZERS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2, "maximize": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("NAdam", {}),
    ("RAdam", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("Lion", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_the_lines_of_an_update_are_right(name, options):
    explanation = lesson(name, **options)
    for leaf in explanation.leaves:
        assert leaf.update.mark == "✓"
        assert {line.mark for line in leaf.update.lines} == {"✓"}
        assert leaf.update.options["η"] == explanation.optimizer.param_groups[0]["lr"]
    assert "✗" not in str(explanation)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_a_wrong_line_of_an_update_is_marked(monkeypatch, name, options):
    """Each line in turn gets a factor of 1.001 for a few elements of the parameter."""
    call = update._Lines.__call__
    count = len(lesson(name, **options).leaves[0].update.lines)
    for wrong in range(count):
        place = {"now": 0}

        def changed(self, symbol, formula, wrong=wrong, place=place):
            at = len(self.lines)
            call(self, symbol, formula)
            if at == wrong:
                factor = 3 if symbol == "ρ" else 1.001  # a small difference of large numbers
                value = self.values[symbol] * factor
                self.values[symbol] = self.lines[-1].value = value

        monkeypatch.setattr(update._Lines, "__call__", changed)
        explanation = lesson(name, **options)
        assert [leaf.update.mark for leaf in explanation.leaves].count("✗") == 4, wrong
        assert "✗ " in str(explanation)
    monkeypatch.setattr(update._Lines, "__call__", call)


def test_a_wrong_formula_of_an_update_is_marked(monkeypatch):
    def wrong(lines):
        lines.decay()
        lines("w", "w + η g")

    monkeypatch.setitem(update._SPELT, "SGD", wrong)
    assert "✗ w ← w + η g" in str(lesson("SGD", lr=0.1))


def test_what_an_update_keeps_is_compared(monkeypatch):
    """A wrong second moment beside a step that is right: amsgrad's larger one hides it."""
    explanation = lesson("Adam")
    (leaf, *_) = explanation.leaves
    monkeypatch.setitem(leaf.plan.state, "exp_avg_sq", leaf.plan.state["exp_avg_sq"] * 1.001)
    right = update._stepped
    kept = right(leaf.plan, leaf.total)
    kept[1]["exp_avg_sq"] = kept[1]["exp_avg_sq"] * 1.001
    monkeypatch.setattr(update, "_stepped", lambda plan, gradient: kept)
    marks = {line.symbol: line.mark for line in leaf.update.lines}
    assert marks["v"] == "✗"
    assert marks["m"] == "✓"


def test_an_optimizer_of_ones_own_is_not_said_to_be_right():
    class Mine(nnlite.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.5})

        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.array[...] = p.array - group["lr"] * p.grad.array

    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    explanation = nnlite.explain((w * w).sum(), optimizer=Mine([w]), names={"w": w})
    assert "~ w[1]: 2 → 0 (Mine is not spelt out here" in str(explanation)


def test_wrong_numbers_in_a_line_are_marked(monkeypatch):
    right, shown, whole = show._show, step.show, []

    def remember(tree, *others):
        whole.append(tree)
        return shown(tree, *others)

    monkeypatch.setattr(step, "show", remember)

    def wrong(tree, values, outer):
        return right(tree, values, outer) + (" · 1.001" if tree == whole[-1] else "")

    monkeypatch.setattr(show, "_show", wrong)
    rules = [rule for s in lesson().steps for rule in s.rules if rule.numbers]
    assert rules
    assert {rule.check.mark for rule in rules} == {"✗"}


def test_wrong_terms_are_marked(monkeypatch):
    right = numbers.terms_text

    def wrong(rule):
        return right(rule).replace("+", "-", 1)

    monkeypatch.setattr(numbers, "terms_text", wrong)
    rules = [rule for s in lesson().steps for rule in s.rules if len(rule.terms) > 1]
    assert rules
    assert {rule.check.mark for rule in rules} == {"✗"}


def test_numbers_beside_a_jump_have_more_digits():
    x = nnlite.tensor([2.000004, 1.0], requires_grad=True)
    with nnlite.explain.recording():
        loss = F.threshold(x, 2.0, 0.0).sum()
    (rule,) = nnlite.explain(loss).steps[1].rules
    assert rule.numbers == "1 · [2.000004 > 2]"
    assert rule.check.mark == "✓"


def broken(monkeypatch, kind, change):
    """An explanation in which a derivative returns something else than it should."""
    right = kind.backward
    monkeypatch.setattr(kind, "backward", lambda self, g: change(right(self, g), g))
    return str(lesson())


def is_array(value):
    return isinstance(value, np.ndarray)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r, g: (r[0], r[1], g), "the gradient has the shape (4, 2), the value (2,)"),
        (
            lambda r, g: (r[0], r[1] if r[1] is None else r[1].T, r[2]),
            "the gradient has the shape (3, 2), the value (2, 3)",
        ),
        (
            lambda r, g: (r[0], r[1].astype(np.float64) if is_array(r[1]) else r[1], r[2]),
            "the gradient is float64, the value float32",
        ),
    ],
)
def test_a_gradient_that_does_not_fit_is_marked(monkeypatch, change, says):
    text = broken(monkeypatch, LinearBackward0, change)
    assert text.count("✗ wrong") >= 2
    assert says in " ".join(text.split())


def test_a_derivative_that_sends_nothing_is_marked(monkeypatch):
    text = broken(monkeypatch, TanhBackward0, lambda r, g: (None,))
    assert "✗ nothing goes back to x: x acts on the result" in text


def everywhere(explanation):
    """The text, the Markdown and what is read on the page, without the breaks of lines."""
    page = html.unescape(re.sub("<[^>]+>", "", explanation.html()))
    texts = str(explanation), explanation.markdown(), page
    return [" ".join(text.split()) for text in texts]


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ("✓", "nothing goes back to x: x does not count here"),
        ("✗", "nothing goes back to x: x acts on the result"),
        ("≈", "nothing goes back to x: x acts on the result to one side only"),
        ("~", "nothing goes back to x: whether it acts on the result could not be worked out"),
    ],
)
def test_that_nothing_is_sent_back_is_told_everywhere(monkeypatch, mark, says):
    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.copy_(nnlite.tensor([3.0, 4.0], requires_grad=True))
    explanation = nnlite.explain(y.sum())
    monkeypatch.setattr(step.Step, "silent", [("x", mark)])
    for text in everywhere(explanation):
        assert f"{mark} {says}" in text


def test_the_marks_of_ways_are_on_the_page(monkeypatch):
    right = TanhBackward0.backward
    monkeypatch.setattr(
        TanhBackward0, "backward", lambda self, g: tuple(1.001 * r for r in right(self, g))
    )
    explanation = lesson()
    _, _, page = everywhere(explanation)
    lines = [line.strip() for line in explanation.to("0.weight", (0, 1)).lines]
    marked = [line for line in lines if line[0] in "✓✗≈~"]
    assert "".join(line[0] for line in marked) == "✓✗✓✓✓✓✓✓✓"
    for line in marked:
        assert line in page


def test_the_contributions_to_several_outputs_are_told_everywhere():
    x = nnlite.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x.chunk(2)
    for text in everywhere(nnlite.explain((a * a).sum() + (b * 3).sum(), names={"x": x})):
        assert len(re.findall("(is|was) used 2 times", text)) == 1


def test_what_was_written_over_gets_nothing():
    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    with nnlite.explain.recording():
        y = x * 2
        y.copy_(nnlite.tensor([3.0, 4.0], requires_grad=True))
        loss = y.sum()
    assert "✓ nothing goes back to x: x does not count here" in str(nnlite.explain(loss))


def fan_out():
    x = nnlite.tensor([0.5, 2.0], requires_grad=True)
    y = x.exp()
    return nnlite.explain((y * 3 + y.sin()).sum(), names={"x": x})


def test_a_wrong_sum_of_contributions_is_marked():
    explanation = fan_out()
    text = str(explanation)
    assert text.count("✓ ∂L/∂u₁ = (∂L/∂u₁ via") == text.count("✓ ∂L/∂u₁[1] =") == 1
    value = explanation.steps[-1].output
    value.gradient = value.gradient * np.array([1.001, 1.0], np.float32)
    assert "✗ ∂L/∂u₁ = (∂L/∂u₁ via" in str(explanation)
    value.gradient = value.gradient * 2
    assert "✗ ∂L/∂u₁[1] =" in str(explanation)


def test_contributions_to_several_outputs_are_told_apart():
    x = nnlite.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    with nnlite.explain.recording():
        a, b = x.chunk(2)
        loss = (a * a).sum() + (b * 3).sum()
    text = str(nnlite.explain(loss, names={"x": x}))
    assert text.count("is used 2 times") == 1
    assert "✗" not in text


def marks_of_paths(paths):
    return {hop.mark for way in paths.paths for hop in way.hops}


def test_ways_are_marked():
    found = lesson().to("0.weight", (0, 1))
    assert [hop.mark for hop in found.paths[0].hops] == ["✓"] * 4
    assert [product.mark for product in found.products] == ["✓"] * 3
    text = str(found)
    assert len(re.findall("✓ step", text)) == 4
    assert "✓ sum: " in text
    assert re.search("✓ ∂L/∂W₁.0, 1. of the engine", text)


def test_a_way_through_a_wrong_derivative_is_marked(monkeypatch):
    right = TanhBackward0.backward
    monkeypatch.setattr(
        TanhBackward0, "backward", lambda self, g: tuple(1.001 * r for r in right(self, g))
    )
    found = lesson().to("0.weight", (0, 1))
    assert [hop.mark for hop in found.paths[0].hops] == ["✓", "✗", "✓", "✓"]


@pytest.mark.parametrize("most", [64, 0])
def test_a_wrong_way_is_marked(monkeypatch, most):
    """What is carried along is not what the derivatives give: in one place by a thousandth."""
    monkeypatch.setattr(path, "_MOST", most)
    right = path._pushed

    def wrong(explanation, step, position, tangent):
        found = right(explanation, step, position, tangent)
        return {w: a * (1.001 if step.name == "Tanh" else 1) for w, a in found.items()}

    monkeypatch.setattr(path, "_pushed", wrong)
    found = lesson().to("0.weight", (0, 1))
    assert found.merged == (most == 0)
    assert [hop.mark for hop in found.paths[0].hops] == ["✓", "✗", "✓", "✓"]
    assert found.mark == "✗"
    assert "✗ ∂L/∂W₁[0, 1] of the engine" in str(found)


def test_a_way_that_is_left_out_is_marked(monkeypatch):
    right = path._products
    monkeypatch.setattr(path, "_products", lambda *args: (right(*args)[0][1:], 0.0))
    assert "✗ sum: " in str(lesson().to("0.weight", (0, 1)))


def test_a_gradient_that_backward_would_add_again_is_not_said_to_be_of_this_pass():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    text = " ".join(
        str(nnlite.explain((w * w).sum(), names={"w": w})).split()
    )  # another pass, equal to the first
    assert "holds exactly this gradient, from this backward() or from one like it" in text
    assert "another one would add it again: at [1] ✓ 4 + 4 = 8" in text
