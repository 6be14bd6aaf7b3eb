"""explain: what is printed is true, complete enough to be redone by hand, and changes nothing."""

import gc
import re
import weakref

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain.parse import NotAFormula, evaluate, parse
from nnlite.ops.linalg import LinearBackward0
from nnlite.ops.trigonometric import TanhBackward0

X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-1.0, 0.5, 0.125], [0.75, 1.0, -0.5]]
Y = [[1.0], [0.0], [1.0], [0.0]]


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))


def explained(model=None, recorded=False, **options):
    model = model or network()
    x, y = nnlite.tensor(X), nnlite.tensor(Y)
    with nnlite.explain.recording():
        loss = nn.BCEWithLogitsLoss()(model(x), y)
    if not recorded:
        loss = nn.BCEWithLogitsLoss()(model(x), y)
    return nnlite.explain(loss, model=model, names={"x": x, "y": y}, **options)


def test_equations_of_a_network():
    explanation = explained()
    assert [step.name for step in explanation.steps] == [
        "BinaryCrossEntropyWithLogits", "Linear", "Tanh", "Linear",
    ]  # fmt: skip
    assert [step.forward for step in explanation.steps] == [
        "L = Σ (-(y ln σ(z₂) + (1 - y) ln(1 - σ(z₂)))) / 4",
        "z₂ = a₁ W₂ᵀ + b₂",
        "a₁ = tanh z₁",
        "z₁ = x W₁ᵀ + b₁",
    ]
    assert [rule.text for step in explanation.steps for rule in step.rules] == [
        "∂L/∂z₂ = (∂L/∂L) (σ(z₂) - y) / 4",
        "∂L/∂a₁ = (∂L/∂z₂) W₂",
        "∂L/∂W₂ = (∂L/∂z₂)ᵀ a₁",
        "∂L/∂b₂ = Σ (∂L/∂z₂) over the rows",
        "∂L/∂z₁ = (∂L/∂a₁) (1 - a₁²)",
        "∂L/∂W₁ = (∂L/∂z₁)ᵀ x",
        "∂L/∂b₁ = Σ (∂L/∂z₁) over the rows",
    ]
    assert [step.module for step in explanation.steps] == ["", "2 (Linear)", "", "0 (Linear)"]
    assert {rule.check.status for s in explanation.steps for rule in s.rules} == {"right"}


def test_reasons():
    weights, bias = explained().steps[3].rules
    assert weights.reasons == [
        "∂L/∂z₁ is transposed so that the product sums over the 4 terms through which each element "
        "acts: (2, 4) times (4, 3) is (2, 3), the shape of W₁"
    ]
    assert bias.reasons == [
        "b₁ of shape (2,) was broadcast over 4 rows of (4, 2), so its gradient sums over them"
    ]


def test_lines_and_modules_of_a_recording():
    model = network()
    with nnlite.explain.recording():
        loss = model(nnlite.tensor(X)).sum()  # this line
    steps = nnlite.explain(loss, model=model).steps
    assert [step.module for step in steps] == ["", "2 (Linear)", "1 (Tanh)", "0 (Linear)"]
    assert all(step.place.text.endswith("# this line") for step in steps)
    assert steps[0].place.function == "test_lines_and_modules_of_a_recording"


def arrays_in(text):
    """The arrays that a text shows, by their labels (the first of each)."""
    found = {}
    pattern = (
        r"^ +(?P<name>\S+) = (?P<array>\[.*?\])$"
        r"|^  (?P<value>\S+) = [^\n]*float32\n +(?P<of>\[.*?\])$"
    )
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        name, array = match["name"] or match["value"], match["array"] or match["of"]
        if re.fullmatch(r"[-\[\],\s\d.e+]*", array):
            found.setdefault(name, np.array(eval(array)))
    return found


def test_the_gradient_can_be_redone_by_hand():
    """With NumPy from the printed numbers alone: data and parameters in, every gradient out."""
    shown = arrays_in(str(explained()))
    x, y = shown["x"], shown["y"]
    z1 = x @ shown["W₁"].T + shown["b₁"]
    a1 = np.tanh(z1)
    z2 = a1 @ shown["W₂"].T + shown["b₂"]
    g_z2 = (1 / (1 + np.exp(-z2)) - y) / 4
    g_a1 = g_z2 @ shown["W₂"]
    g_z1 = g_a1 * (1 - a1**2)
    by_hand = {
        "z₁": z1, "a₁": a1, "z₂": z2, "∂L/∂z₂": g_z2, "∂L/∂a₁": g_a1, "∂L/∂z₁": g_z1,
        "∂L/∂W₂": g_z2.T @ a1, "∂L/∂b₂": g_z2.sum(axis=0),
        "∂L/∂W₁": g_z1.T @ x, "∂L/∂b₁": g_z1.sum(axis=0),
    }  # fmt: skip
    for name, value in by_hand.items():
        np.testing.assert_allclose(shown[name], value, rtol=2e-5, atol=3e-6, err_msg=name)


def number_lines(text):
    """``(expression, value)`` of every line that works something out in numbers."""
    joined = re.sub(r"\n {8,}(?=\S)", " ", text)
    for line in joined.splitlines():
        parts = line.strip().split(" = ")
        if len(parts) > 2 and re.fullmatch(r"\(?-?[\d.e+-]+\)?", parts[-1]):
            yield parts[-2], float(parts[-1].strip("()"))


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}), ("Adam", {"lr": 0.01})],
)
def test_every_line_of_numbers_is_true(optimizer, options):
    model = network()
    stepper = getattr(nnlite.optim, optimizer)(model.parameters(), **options)
    for _ in range(2):
        text = str(explained(model, optimizer=stepper))
        stepper.zero_grad()
        nn.BCEWithLogitsLoss()(model(nnlite.tensor(X)), nnlite.tensor(Y)).backward()
        stepper.step()
    checked = 0
    for expression, value in number_lines(text):
        try:
            result = float(evaluate(parse(expression), {}))
        except NotAFormula:
            continue
        assert result == pytest.approx(value, rel=1e-4, abs=1e-6), (expression, value)
        checked += 1
    assert checked >= 15


def test_optional_names_and_symbols():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    explanation = nnlite.explain((w * w).sum(), names={"w": w})
    assert [rule.text for rule in explanation.steps[1].rules] == [
        "∂L/∂w via u₁ as a = (∂L/∂u₁) w",
        "∂L/∂w via u₁ as b = (∂L/∂u₁) w",
    ]
    assert "w is used 2 times, so its gradient is a sum:" in str(explanation)
    assert "∂L/∂w[1] = 2 + 2 = 4" in str(explanation)


def test_a_value_that_fans_out():
    x = nnlite.tensor([0.5, 2.0], requires_grad=True)
    y = x.exp()
    explanation = nnlite.explain((y * 3 + y.sin()).sum(), names={"x": x})
    step = explanation.steps[-1]
    assert step.name == "Exp"
    assert len(step.addends) == 2
    total = step.addends[0].array + step.addends[1].array
    np.testing.assert_array_equal(total, step.output.gradient)
    np.testing.assert_allclose(total, 3 + np.cos(np.exp([0.5, 2.0])), rtol=1e-6)


@pytest.mark.parametrize("state", ["before", "after", "accumulated"])
def test_what_grad_holds(state):
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    if state == "accumulated":
        (w * 5).sum().backward()
    loss = (w * w).sum()
    if state == "after":
        loss.backward(retain_graph=True)
    explanation = nnlite.explain(loss, names={"w": w})
    (leaf,) = explanation.leaves
    assert leaf.has_run == (state == "after")
    expected = [7.0, 9.0] if state == "accumulated" else [2.0, 4.0]
    np.testing.assert_array_equal(leaf.total, expected)
    says = {"before": "is None", "after": "exactly this", "accumulated": "5 + 4 = 9"}[state]
    assert says in str(explanation)


def test_a_freed_graph_is_named_with_the_cure():
    w = nnlite.ones(2, requires_grad=True)
    loss = w.exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"freed by backward\(\).*retain_graph=True"):
        nnlite.explain(loss)
    with pytest.raises(RuntimeError, match="explain: the tensor does not require a gradient"):
        nnlite.explain(nnlite.ones(1))


def test_gradients_are_the_engines():
    model = network()
    explanation = explained(model)
    nn.BCEWithLogitsLoss()(model(nnlite.tensor(X)), nnlite.tensor(Y)).backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(explanation.value_of(name).gradient, parameter.grad.numpy())


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("factor", [1.0005, -1.0, 0.0])
def test_a_broken_derivative_is_marked(monkeypatch, recorded, factor):
    right = TanhBackward0.backward
    monkeypatch.setattr(
        TanhBackward0, "backward", lambda self, g: tuple(factor * r for r in right(self, g))
    )
    explanation = explained(recorded=recorded)
    (rule,) = explanation.steps[2].rules
    assert rule.check.status == "wrong"
    assert "✗ ∂L/∂z₁ =" in str(explanation)
    assert "✓ ∂L/∂W₁ =" in str(explanation)


def test_a_broken_sum_is_marked(monkeypatch):
    right = LinearBackward0.backward

    def backward(self, g):
        x, w, b = right(self, g)
        return x, w, None if b is None else b * 0.75

    monkeypatch.setattr(LinearBackward0, "backward", backward)
    marks = [rule.check.mark for rule in explained().steps[3].rules]
    assert marks == ["✓", "✗"]


def test_a_wrong_equation_is_marked(monkeypatch):
    monkeypatch.setattr(TanhBackward0, "__doc__", "y = tanh x:   ∂x = g (1 - y)")
    assert explained().steps[2].rules[0].check.status == "wrong"
    monkeypatch.setattr(TanhBackward0, "__doc__", "y = sinh x:   ∂x = g (1 - y²)")
    assert explained().steps[2].rules[0].check.status != "right"


def test_another_element_is_worked_out():
    step = explained().steps[3]
    rule = step.rule_for(1, index=(0, 2))
    assert rule.index == (0, 2)
    assert [term.output_index for term in rule.terms] == [(n, 0) for n in range(4)]
    np.testing.assert_allclose([t.local for t in rule.terms], np.array(X)[:, 2])
    assert rule.total == pytest.approx(float(rule.gradient[0, 2]), abs=1e-7)


def test_a_long_graph_is_folded():
    x = nnlite.tensor([0.5, 1.0], requires_grad=True)
    w = nnlite.tensor([0.999, 1.0], requires_grad=True)
    y = x
    for _ in range(3333):
        y = (y * w).tanh() + x
    explanation = nnlite.explain(y.sum(), names={"x": x, "w": w})
    assert len(explanation.steps) == 10_000
    text = str(explanation)
    assert len(text.splitlines()) < 200
    (fold,) = [part for part in explanation.parts if hasattr(part, "steps")]
    assert fold.title == "3332 more times the same 3"
    assert fold.name == "5-10000"
    opened = explanation.open("5-10000")
    pieces = opened.parts
    assert len(pieces) == 60
    assert [step.number for piece in pieces for step in piece.steps] == [*range(1, 10_001)]
    assert [step.number for step in opened.open(pieces[1].name).parts[1:-58]] == [*range(168, 335)]
    worked = [s for s in explanation.steps if "rules" in vars(s)]
    assert len(worked) == 4


def test_markdown_and_dot():
    explanation = explained()
    text = explanation.markdown()
    assert r"$$\partial L/\partial W_{1} = (\partial L/\partial z_{1})^{T} x$$" in text
    assert "## Step 4: Linear · 0 (Linear)" in text
    dot = explanation.dot()
    assert dot.startswith("digraph")
    assert 'label="∂L/∂a₁", style=dashed' in dot


def test_checkpointed_layers():
    from nnlite.utils.checkpoint import checkpoint

    model = network()
    loss = checkpoint(model, nnlite.tensor(X)).sum()
    explanation = nnlite.explain(loss, model=model)
    names = [step.name for step in explanation.steps]
    assert names == ["Sum", "Linear", "Tanh", "Linear"]
    loss.backward()
    gradient = explanation.value_of("0.weight").gradient
    np.testing.assert_array_equal(gradient, model[0].weight.grad.numpy())


def test_a_function_of_ones_own():
    class Cube(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    with nnlite.explain.recording():
        loss = Cube.apply(x).sum()
    step = nnlite.explain(loss, names={"x": x}).steps[1]
    assert step.name == "Cube"
    (rule,) = step.rules
    assert rule.total == 12
    # Nothing says what it computes: its numbers agree with a difference, its line is a sentence.
    assert rule.check.status == "words"
    assert "only its numbers were checked" in str(nnlite.explain(loss))


def test_it_stays_what_it_was():
    """Its lines are worked out when they are asked for, maybe after the next steps."""
    model = network()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.5)
    x, y = nnlite.tensor(X), nnlite.tensor(Y)
    loss = nn.BCEWithLogitsLoss()(model(x), y)
    first, second = (nnlite.explain(loss, model=model, optimizer=optimizer) for _ in range(2))
    text = str(first)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    assert str(second) == text
    assert "✗" not in text


def test_frozen_and_hooked_leaves_are_said_to_be():
    w = nnlite.ones(2, requires_grad=True)
    v = nnlite.ones(2, requires_grad=True)
    v.register_hook(lambda g: g * 0)
    loss = (w * v).sum()
    w.requires_grad_(False)
    text = str(nnlite.explain(loss, names={"w": w, "v": v}))
    assert "w has been frozen since the forward pass" in text
    assert "a hook that may change this gradient was not called" in text


def test_a_recording_leaves_nothing_behind():
    from nnlite.autograd.node import lookers

    w = nnlite.ones(3, requires_grad=True)
    with nnlite.explain.recording():
        changed = nnlite.zeros(3)
        changed.add_(w)
        loss = (w * 2).exp().sum()
        assert lookers
    assert not lookers
    nodes = [weakref.ref(t.grad_fn) for t in (loss, changed)]
    gc.disable()
    try:
        del loss, changed
        assert [node() for node in nodes] == [None, None]  # no cycle holds the graph
    finally:
        gc.enable()


def test_the_engine_pays_nothing():
    """Outside of recordings an operation leaves the same node and looks for nobody."""
    with nnlite.explain.recording():
        recorded = (nnlite.ones(2, requires_grad=True) * 2).grad_fn
    plain = (nnlite.ones(2, requires_grad=True) * 2).grad_fn
    assert type(recorded.edges) is type(plain.edges) is tuple
    assert recorded.saved[1:] == plain.saved[1:]


def test_a_number_is_no_loss():
    with pytest.raises(TypeError, match=r"expected the loss as a Tensor, got float; .*item"):
        nnlite.explain(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "net"}, "model is of type str: give a module"),
        ({"optimizer": "SGD"}, "optimizer is of type str: give an optimizer"),
        ({"names": {"x": 3}}, r"names\['x'\] is of type int: give a Tensor"),
    ],
)
def test_arguments_of_another_type(arguments, message):
    loss = nnlite.ones(2, requires_grad=True).sum()
    with pytest.raises(TypeError, match=message):
        nnlite.explain(loss, **arguments)


def test_the_loss_of_a_captured_step_is_refused_with_the_cure():
    gc.collect()  # hooks that earlier tests have left keep a step from being captured
    model, x, y = network(), nnlite.tensor(X), nnlite.tensor(Y)
    criterion = nn.BCEWithLogitsLoss()

    @nnlite.compile
    def evaluate_step(x, y):
        with nnlite.enable_grad():
            loss = criterion(model(x), y)
            loss.backward()
        model.zero_grad()
        return loss

    for _ in range(6):
        loss = evaluate_step(x, y)
    assert evaluate_step.reason == ""
    for captured in (loss, loss * 2, loss.detach() + 0 * loss):
        with pytest.raises(RuntimeError, match=r"captured step.*loss = step\.__wrapped__\(x, y\)"):
            nnlite.explain(captured)
    with pytest.raises(RuntimeError, match=r"Call explain\(loss\) before loss\.backward"):
        nnlite.explain(evaluate_step.__wrapped__(x, y))


def test_a_loss_whose_weights_have_moved_is_refused_with_the_cure():
    model, x = network(), nnlite.tensor(X)
    loss = model(x).sum()
    loss.backward(retain_graph=True)
    nnlite.optim.SGD(model.parameters(), lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"^explain: .*call explain\(loss\) before it"):
        nnlite.explain(loss)
