"""The quiz: what it asks, what it accepts, how it goes in the terminal."""

import random

import formulas
import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain import explain, recording
from nnlite.explain.answer import NotAFormula, is_same, number_of, plain
from nnlite.explain.quiz import BLANK, Quiz, Score


def explained(**options):
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1))
    x, y = nnlite.randn(5, 3), nnlite.ones(5, 1)
    with recording():
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    return explain(loss, model=model, names={"x": x, "y": y}, **options)


@pytest.mark.parametrize(("right", "ordered", "given", "is_right"), formulas.SYMBOLS)
def test_formulas(right, ordered, given, is_right):
    assert is_same(given, right, ordered=ordered) is is_right


@pytest.mark.parametrize(("right", "tolerance", "given", "is_right"), formulas.NUMBERS)
def test_numbers(right, tolerance, given, is_right):
    try:
        assert (abs(number_of(given) - right) <= tolerance) is is_right
    except NotAFormula:
        assert not is_right


def test_one_spelling():
    assert plain(" ( d L/dz_12 ).T @ x₂² ") == "( ∂L/∂z12 )ᵀ·x2^2"


def test_answers_that_cannot_be_read_leave_no_trace():
    for text in ("(" * 5000, "9" * 5000, "-" * 5000, "2^" * 60 + "2", "", "^", "ᵀ", "()"):
        is_same(text, "x", ordered=True)
        assert not is_same(text, "x", ordered=True)


@pytest.mark.parametrize("seed", range(5))
def test_every_blank_accepts_its_answer_and_no_other(seed):
    quiz = Quiz(explained(), seed)
    assert len(quiz.questions) == 14
    for question in quiz.questions:
        assert question.text.count(BLANK) == 1
        assert question.is_right(question.answer)
        assert not question.is_right("q₇")
        assert not question.is_right("")
        whole = f"{question.before}{question.answer}{question.after}"
        if question.kind == "symbol":
            assert whole == question.rule.text
        else:
            rounded = question.value * (1 + random.Random(seed).uniform(-0.005, 0.005))
            assert question.is_right(f"{rounded:.6g}")
            assert not question.is_right(f"{question.value * 1.1:.6g}")
        assert question.hints


def test_the_terminal_shows_lines_that_fit_and_negative_factors_in_brackets():
    said = []
    quiz = Quiz(explained())
    answers = iter(["h", "h", "h", "s"] * 14)
    quiz.ask(lambda prompt: next(answers), said.append)
    assert max(map(len, said)) <= 100
    negative = [
        question
        for seed in range(9)
        for question in Quiz(explained(), seed).questions
        if question.after and question.value < 0
    ]
    assert negative
    for question in negative:
        assert f" · ({question.value:.6g}) = " in question.whole
        assert question.is_right(question.answer)


def test_numbers_are_those_of_the_pass():
    explanation = explained()
    for question in Quiz(explanation).questions:
        if question.kind == "number":
            term = question.rule.terms[0]
            gradient = question.rule.gradient[question.rule.index]
            assert question.value in (question.rule.total, term.local)
            np.testing.assert_allclose(question.rule.total, gradient, rtol=1e-5)


def test_seeds_leave_other_blanks_and_the_random_state_alone():
    state = random.getstate()
    texts = {str(Quiz(explained(), seed)) for seed in range(4)}
    assert len(texts) > 1
    nnlite.manual_seed(0)
    first = str(Quiz(explained(), 3))
    nnlite.manual_seed(0)
    assert str(Quiz(explained(), 3)) == first
    assert random.getstate() == state


def test_remarks_on_wrong_answers():
    questions = Quiz(explained()).questions
    number = next(q for q in questions if q.kind == "number")
    assert number.remark(f"{-number.value}") == "Only the sign is wrong."
    assert number.remark("x") == "That is no number."
    assert number.remark(f"{number.value * 2}") == ""
    product = next(q for q in questions if q.kind == "symbol" and q.ordered)
    assert "transpose" in product.remark(f"({product.answer})ᵀ")


def ask(explanation, answers):
    lines = []
    given = iter(answers)

    def read(prompt):
        assert prompt == f"  {BLANK} = "
        try:
            return next(given)
        except StopIteration:
            raise EOFError from None

    score = explanation.quiz(read, lines.append)
    return score, lines


def test_all_right_in_the_terminal():
    explanation = explained()
    answers = [q.answer for q in Quiz(explanation).questions]
    score, lines = ask(explanation, answers)
    assert score == Score(right=14, total=14)
    assert score.points == 14
    assert lines[-1] == "14 of 14 points: 14 right at once, 0 with help, 0 shown"
    assert "  forward   z₂ = a₁ W₂ᵀ + b₂" in lines


def test_hints_tries_and_the_answer_shown():
    explanation = explained()
    first, second, third, *_ = Quiz(explanation).questions
    answers = ["h", first.answer, "wrong", "", second.answer, "no", "no", "no", "s", "q"]
    score, lines = ask(explanation, answers)
    assert score == Score(helped=2, shown=2, total=14)
    assert score.points == 1
    assert f"  {first.hints[0]}" in lines
    assert lines.count("  ✗ Not yet.") + lines.count("  ✗ Not yet. That is no number.") == 4
    assert f"  The answer: {third.before}{third.answer}{third.after}" in lines
    assert lines[-1].endswith("2 shown, 10 left out")


def test_the_end_of_the_input_ends_the_quiz():
    score, lines = ask(explained(), [])
    assert score == Score(total=14)
    assert lines[-1].endswith("14 left out")


def test_more_hints_than_there_are():
    _, lines = ask(explained(), ["h"] * 9)
    assert "  There are no more hints: s shows the answer." in lines


def test_an_explanation_with_blanks_prints_the_questions():
    explanation = explained(quiz=True)
    text = str(explanation)
    assert text == str(Quiz(explanation))
    assert text.startswith("14 blanks to fill in")
    assert text.count(BLANK) == 14
    assert BLANK not in str(explained())


def test_a_rule_in_index_notation_is_asked_with_its_indices_and_what_its_letters_are():
    logits = nnlite.rand(2, 3, requires_grad=True)
    lesson = nnlite.explain(nnlite.nn.functional.cross_entropy(logits, nnlite.tensor([0, 2])))
    for seed in range(8):
        questions = [q for q in Quiz(lesson, seed).questions if q.kind == "symbol"]
        assert [q.before.partition(" = ")[0] for q in questions] == [
            "∂L/∂a₁[i, j]",
            "∂L/∂W₁[j, k]",
        ]
        assert not {q.answer for q in questions} & {"i", "j", "k", "e", "Σ"}
    said = []
    lesson.quiz(lambda prompt: "s", said.append)
    assert any("t is the class of each row" in line for line in said)
