"""Every operator of the table on the page and in the quiz, and how lines are written."""

import numpy as np
import pytest
from operators import CASES
from test_explain_operators import explained

import nnlite
from nnlite import nn
from nnlite.explain import check
from nnlite.explain.layout import arrange
from nnlite.explain.mathml import from_text
from nnlite.explain.numbers import array_text, number_texts
from nnlite.explain.page_graph import lines_of
from nnlite.explain.quiz import Quiz
from nnlite.explain.recheck import Recheck

# One case for each row.
FIRST = {id(case.row): case for case in reversed(CASES) if case.sample.differentiable}


@pytest.mark.parametrize("case", FIRST.values(), ids=lambda case: case.label)
def test_an_operator(case):
    with np.errstate(all="ignore"):
        explanation = explained(case)
        if explanation is None:
            return
        page = explanation.html()
        questions = Quiz(explanation).questions
    for step in explanation.steps:
        for text in (*(line.text for line in step.forwards), *(rule.text for rule in step.rules)):
            assert from_text(text) in page
    for question in questions:
        assert question.is_right(question.answer), question.text
        assert not question.is_right("q₇"), question.text
        assert not question.is_right(""), question.text


def test_equal_values_share_the_gradient_of_a_maximum_and_the_line_says_so() -> None:
    a = nnlite.tensor([2.0, 1.0], requires_grad=True)
    b = nnlite.tensor([2.0, 0.0], requires_grad=True)
    for choose, sign in ((nnlite.maximum, ">"), (nnlite.minimum, "<")):
        step = nnlite.explain(choose(a, b).sum(), names={"a": a, "b": b}).steps[1]
        for position, (own, other) in enumerate(("ab", "ba")):
            for index in ((0,), (1,)):
                assert step.rule_for(position, index).check.status == "kink"
            assert step.rules[position].right == f"(∂L/∂u₁) ([{own} {sign} {other}] + [a = b] / 2)"
    apart = nnlite.explain(nnlite.maximum(a, b + 2).sum(), names={"a": a}).steps[1]
    assert apart.rules[0].right == "(∂L/∂u₂) [a ≥ u₁]"


def test_a_rule_of_what_was_broadcast_has_the_sum_in_it() -> None:
    x, b = nnlite.ones(2, 3), nnlite.ones(3, requires_grad=True)
    with nnlite.explain.recording():
        added, multiplied = x + b, x * b
    for result, wanted in (
        (added, "Σ (∂L/∂u₁) over the rows"),
        (multiplied, "Σ ((∂L/∂u₁) c) over the rows"),
    ):
        rule = nnlite.explain(result.sum(), names={"b": b}).steps[1].rules[0]
        assert rule.right == wanted
        assert rule.check.status == "right"


def test_one_row_is_said_of_a_batch_of_one() -> None:
    layer = nnlite.nn.Linear(2, 1)
    text = str(nnlite.explain(layer(nnlite.ones(1, 2)).sum(), model=layer))
    assert "broadcast over 1 row of (1, 1)" in text


def test_a_convolution_without_bias_has_none_in_its_line() -> None:
    x = nnlite.ones(1, 1, 4)
    w = nnlite.ones(1, 1, 2, requires_grad=True)
    b = nnlite.ones(1)
    for convolution, plain in (
        (nnlite.nn.functional.conv1d, "⋆"),
        (nnlite.nn.functional.conv_transpose1d, "spread by"),
    ):
        for bias in (None, b):
            with nnlite.explain.recording():
                loss = convolution(x, w, bias).sum()
            step = nnlite.explain(loss, names={"x": x, "w": w}).steps[-1]
            assert step.forward.startswith(f"z₁ = x {plain} w")
            assert step.forward.endswith("b") == (bias is not None)
            assert step.rules[0].places == "[i, j, k]"
            assert step.rules[0].check.status == "right"


def test_intermediate_results_are_called_by_their_names() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    lesson = nnlite.explain((y * y).sum(), names={"w": w, "y": y})
    assert lesson.steps[-1].forward == "y = 3 w"
    assert lesson.value_of("y") is lesson.value_of(y)


def test_a_tensor_called_l_is_not_taken_for_the_loss() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    lesson = nnlite.explain((w * 3).sum(), names={"L": w})
    assert [value.symbol for value in lesson.values] == ["L₁", "u₁", "L"]


def test_data_that_no_derivative_reads_are_shown_by_a_recording() -> None:
    x, b = nnlite.ones(2, 3), nnlite.ones(3, requires_grad=True)
    for compute, forward in (
        (lambda: x + b, "u₁ = x + b"),
        (lambda: b - x, "u₁ = b - x"),
        (lambda: x - b, "u₁ = x - b"),
        (lambda: b + 3, "u₁ = b + 3"),
    ):
        with nnlite.explain.recording():
            loss = compute().sum()
        step = nnlite.explain(loss, names={"x": x, "b": b}).steps[-1]
        assert step.forward == forward
        assert step.rules[0].check.status == "right"


@pytest.mark.parametrize("bias", [True, False])
def test_data_of_a_layer_with_a_frozen_weight_are_shown_by_a_recording(bias: bool) -> None:
    x = nnlite.randn(2, 3)
    model = nnlite.nn.Sequential(nnlite.nn.Linear(3, 4), nnlite.nn.Linear(4, 2, bias=bias))
    model[0].weight.requires_grad_(False)
    model[1].weight.requires_grad_(False)
    with nnlite.explain.recording():
        loss = model(x).sum()
    lesson = nnlite.explain(loss, model=model, names={"x": x})
    assert lesson.unkept == []
    assert [step.forward for step in lesson.steps[1:]] == [
        f"z₂ = z₁ W₂ᵀ{' + b₂' * bias}",
        "z₁ = x W₁ᵀ + b₁",
    ]
    assert {line.mark for step in lesson.steps for line in step.forwards} == {"✓"}
    assert {rule.check.status for step in lesson.steps for rule in step.rules} == {"right"}
    [given] = [value for value in lesson.constants if value.name == "x"]
    np.testing.assert_array_equal(given.array, x.numpy())


def test_data_that_nothing_kept_are_not_mistaken_for_something_else() -> None:
    x, a = nnlite.ones(2, 3), nnlite.ones(3, requires_grad=True)
    step = nnlite.explain((x + a).sum(), names={"a": a}).steps[-1]
    assert step.forward == "u₁ = c + a"
    assert step.rules[0].check.status == "right"


def test_data_that_nothing_kept_stand_in_the_graph_and_are_said_to_be_missing() -> None:
    x, b = nnlite.ones(2, 3), nnlite.ones(3, requires_grad=True)
    w = nnlite.ones(4, 3)
    loss = (x + b).sum() + nnlite.nn.functional.linear(b, w).sum()
    lesson = nnlite.explain(loss, names={"b": b})
    symbols = [value.symbol for value in lesson.unkept]
    assert "c" in symbols
    drawing = arrange(lesson, lines_of)
    unkept = [box for box in drawing.boxes if box.lines[-1] == "not kept"]
    assert [box.value for box in unkept] == lesson.unkept
    assert all(any(wire.source is box for wire in drawing.wires) for box in unkept)
    assert "is not known: no derivative reads it, so nothing has kept it" in str(lesson)
    assert "nothing has kept it" in lesson.html()
    with nnlite.explain.recording():
        loss = (x + b).sum()
    lesson = nnlite.explain(loss, names={"b": b, "x": x})
    assert lesson.unkept == []
    assert ["x (2, 3)"] in [box.lines for box in arrange(lesson, lines_of).boxes]
    assert nnlite.explain(nnlite.nn.Linear(2, 1, bias=False)(x[:, :2]).sum()).unkept == []


def test_the_share_of_equal_values_in_a_median_is_a_convention_and_a_wrong_share_is_wrong() -> None:
    for values in ([1.0, 1.0, 1.0], [2.0, 1.0, 1.0, 1.0, 0.0]):
        for median in (nnlite.Tensor.median, lambda x: x.median(dim=0).values):
            x = nnlite.tensor(values, requires_grad=True)
            with nnlite.explain.recording():
                loss = median(x)
            step = nnlite.explain(loss).steps[-1]
            rule = step.rules[0]
            assert rule.check.status == "kink"
            again = check.of_rule(
                step, step._node, step.saved, np.ones((), np.float32), 0, rule.index,
                rule.gradient * 1.01, None, None, Recheck("right", 0.0, 1),
            )  # fmt: skip
            assert again.status == "wrong"


def test_what_was_computed_without_a_gradient_is_called_so() -> None:
    """With a recording it is said where; without one what may be meant."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3, 2))
    model.freeze("0")
    x = nnlite.randn(4, 2)
    with nnlite.explain.recording():
        loss = model(x).sum()
    lesson = nnlite.explain(loss, model=model)
    assert "x = the result of 1 (Tanh), where no gradient goes, (4, 3) float32" in str(lesson)
    assert "the result of 1 (Tanh), where no gradient goes" in lesson.html()
    assert "the result of 1 (Tanh), where no gradient goes" in lesson.markdown()
    lesson = nnlite.explain(model(x).sum(), model=model)
    assert "x = data, or the result of frozen layers, (4, 3) float32" in str(lesson)
    model.unfreeze("0")
    with nnlite.explain.recording():
        loss = model(x).sum()
    assert "x = data, (4, 2) float32" in str(nnlite.explain(loss, model=model))


def test_detached_results_and_prepared_data_are_told_from_data() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    data = nnlite.tensor([[3.0, 4.0], [5.0, 6.0]])
    with nnlite.explain.recording():
        loss = (w * data[0]).sum() + (w * (w * 2).detach()).sum() + (w * (data - 1)[1]).sum()
    abouts = {value.array.tolist()[0]: value.about for value in nnlite.explain(loss).constants}
    assert abouts[3.0] == "data"
    assert abouts[2.0].startswith("the result of mul in test_explain_shown.py:")
    assert abouts[4.0].startswith("the result of sub in test_explain_shown.py:")


def test_frozen_parameters_are_called_like_others() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)).freeze("1")
    lesson = nnlite.explain(model(nnlite.ones(1, 2)).sum(), model=model)
    assert "W₂ = 1.weight, frozen, (1, 2) float32" in str(lesson)
    with nnlite.explain.recording():
        loss = nn.functional.linear(model[0](nnlite.ones(1, 2)), nnlite.ones(2, 2)).sum()
    assert nnlite.explain(loss).steps[1].forward == "z₂ = z₁ W₂ᵀ"


def test_named_data_keep_their_letters() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    b, big = nnlite.tensor([3.0, 4.0]), nnlite.tensor([5.0, 6.0])
    lesson = nnlite.explain((w * b * big).sum(), names={"w": w, "b": b, "X": big})
    assert [step.forward for step in lesson.steps[1:]] == ["u₂ = u₁ X", "u₁ = w b"]
    assert "b = data, (2,) float32" in str(lesson)
    assert "w = a leaf, (2,) float32" in str(lesson)


@pytest.mark.parametrize(
    ("call", "forward", "rule"),
    [
        (lambda w: w * 2, "u₁ = 2 w", "2 (∂L/∂u₁)"),
        (lambda w: -1.5 * w, "u₁ = -1.5 w", "-1.5 (∂L/∂u₁)"),
        (lambda w: w * 1e-7, "u₁ = 1e-07 w", "1e-07 (∂L/∂u₁)"),
    ],
)
def test_a_number_stands_before_what_it_multiplies(call, forward, rule) -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    with nnlite.explain.recording():
        loss = call(w).sum()
    lesson = nnlite.explain(loss, names={"w": w})
    assert lesson.steps[1].forward == forward
    assert lesson.steps[1].rules[0].right == rule
    assert lesson.steps[1].rules[0].check.status == "right"
    assert number_texts(lesson.steps[1].rules[0])[1:] == []
    assert "✗" not in str(lesson)


def test_operations_are_called_so_that_one_knows_what_they_do() -> None:
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    lesson = nnlite.explain((w @ nnlite.ones(2, 2)).sum())
    assert repr(lesson) == "<Explanation of 2 operations and 1 leaf>"
    assert "Step 2 · Matmul (vector times matrix)" in str(lesson)
    for text in (lesson.html(), lesson.markdown(), lesson.dot(), str(lesson)):
        assert "Matmul" in text
        assert "Vm" not in text
    assert "1 operation from the last" in str(nnlite.explain(w.sum()))


def test_words_beside_a_formula_have_no_letters_that_are_not_there() -> None:
    w = nnlite.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    lesson = nnlite.explain(nn.functional.glu(w).sum(), names={"W": w})
    words = "a₁ is the first half of W times the sigmoid of the second half"
    assert f"in words: {words} (not checked)" in str(lesson)
    assert f"in words: {words} (not checked)" in lesson.html()
    assert f"in words: {words} (not checked)" in lesson.markdown()


def test_the_mean_of_one_is_not_divided() -> None:
    x = nnlite.tensor([[0.5]], requires_grad=True)
    text = str(nnlite.explain(nn.functional.mse_loss(x, nnlite.ones(1, 1)), names={"x": x}))
    assert "∂L/∂x = 2 (∂L/∂L) (x - y)\n" in text
    assert "divided by" not in text
    logits = nnlite.tensor([[0.5, 1.0]], requires_grad=True)
    text = str(nnlite.explain(nn.functional.cross_entropy(logits, nnlite.tensor([1]))))
    assert "t is the class of each row\n" in text
    target = nnlite.tensor([1, -100])
    with nnlite.explain.recording():
        loss = nn.functional.cross_entropy(nnlite.cat([logits, logits]), target)
    assert "t is the class of each row (-1: it does not count)\n" in str(nnlite.explain(loss))


def test_arrays_of_more_dimensions_have_no_empty_lines() -> None:
    lines = array_text(np.arange(16.0).reshape(2, 2, 2, 2))
    assert len(lines) == 8
    assert all(line == line.rstrip() for line in lines)


def test_what_a_recurrent_layer_computes_is_said_without_letters() -> None:
    layer = nn.LSTM(2, 2)
    with nnlite.explain.recording():
        loss = layer(nnlite.ones(3, 2))[0].sum()
    words = "is what an LSTM makes of x: at each step a new state from the input and the state"
    assert words in " ".join(str(nnlite.explain(loss, model=layer)).split())
