"""A wrong rule cannot be printed as right: rules of every operator are corrupted, none passes."""

import functools
import re
from collections import Counter

import numpy as np
import pytest
from operators import CASES
from test_explain_operators import explained

from nnlite.explain import reasons
from nnlite.explain.forwards import formula_of
from nnlite.explain.reasons import is_matrix_product
from nnlite.explain.recheck import Line, recheck, recheck_forward
from nnlite.explain.reread import holds

EACH = 2  # lines of each rule that are corrupted, from different cases


def corrupted(right, is_matrix):
    """The right side of a rule with a mistake in it, and what the mistake is."""
    yield "sign", f"-({right})"
    yield "factor", f"2 ({right})"
    yield "addend", f"({right}) + 1"
    yield "word", f"{right} there"
    yield "word", f"{right}, put back in place"
    for place in re.finditer("ᵀ", right):
        yield "transpose", right[: place.start()] + right[place.end() :]
    product = re.fullmatch(r"(\(∂L/∂\S+\)ᵀ?) (\S+)", right) or re.fullmatch(
        r"(\S+) (\(∂L/∂\S+\)ᵀ?)", right
    )
    if product and is_matrix:
        yield "swapped", f"{product[2]} {product[1]}"
    for old, new in (("over the rows", "over axis 1"), ("over axis 0", "over axis 1")):
        if old in right:
            yield "axis", right.replace(old, new)
    for place in re.finditer(r"\)\[(\w)(?=[\],])", right):  # an index of the gradient
        yield "index", f"{right[: place.end()]} + 1{right[place.end() :]}"
    for old, new in ((" + ", " - "), (" - ", " + ")):
        for place in re.finditer(re.escape(old), right):
            yield "sum", right[: place.start()] + new + right[place.end() :]
    for place in re.finditer(r" / (?!1\b)", right):
        yield "quotient", f"{right[: place.start()]} · {right[place.end() :]}"


@functools.cache
def explanations():
    """An explanation for every case of the table that has a gradient."""
    with np.errstate(all="ignore"):
        made = [(case, explained(case)) for case in CASES if case.sample.differentiable]
    return [(case, explanation) for case, explanation in made if explanation is not None]


def lines():
    """Some lines of every rule that the operators of the table have."""
    seen = Counter()
    for case, explanation in explanations():
        if not np.isfinite(explanation.loss.array):
            continue
        for step in explanation.steps:
            for position, given in enumerate(step.inputs):
                gradient = step._sent(position) if given.wanted else None
                rule = type(step._node).__name__, given.role
                if gradient is None or not gradient.size or not np.isfinite(gradient).all():
                    continue
                seen[rule] += 1
                if seen[rule] <= EACH:
                    yield case, step, position, gradient


def mistakes(step, line):
    """The line of a rule with one mistake in it, of each kind that fits; first without."""
    yield "none", line
    is_matrix = is_matrix_product(step.name) and not line.places
    for mistake, text in corrupted(line.right, is_matrix):
        yield mistake, line._replace(right=text)
    for place, equation in enumerate(line.where):
        left, _, right = equation.partition(" = ")
        others = list(line.where)
        others[place] = f"{left} = 2 ({right})"
        yield "where", line._replace(where=tuple(others))
    for symbol, array in line.data.items():
        if array.dtype.kind == "i" and array.size:
            yield "data", line._replace(data={**line.data, symbol: array + 1})


@pytest.fixture(scope="module")
def found():
    """What becomes of every rule of every operator with every mistake."""
    results = []
    for case, step, position, gradient in lines():
        index = (0,) * gradient.ndim
        _, line = step.line_of(position)
        for mistake, wrong in mistakes(step, line):
            with np.errstate(all="ignore"):
                result = recheck(step, wrong, gradient, index)
            results.append((case, step, step.inputs[position].role, mistake, gradient, result))
    return results


def test_no_corrupted_rule_is_right(found):
    """One that gives the very same numbers is not wrong in this pass: a mask of ones left out."""
    same = Counter()
    for case, step, _, mistake, gradient, result in found:
        if mistake == "none":
            assert result.status != "wrong", (case.label, step.name)
        elif result.status == "right":
            size = np.abs(gradient.astype(np.float64)).max()
            assert result.error <= 1e-12 * size, (case.label, step.name, mistake)
            same[mistake] += size > 0
    assert same["word"] == same["sign"] == same["factor"] == same["addend"] == 0
    assert sum(same.values()) < 0.01 * len(found)


def test_every_rule_of_the_table_has_been_corrupted_and_caught(found):
    every, caught = set(), set()
    for _, step, role, _, _, result in found:
        rule = type(step._node).__name__, role
        every.add(rule)
        if result.status == "wrong":
            caught.add(rule)
    assert len(every) > 250
    assert every - caught == set()


def test_every_kind_of_mistake_was_made(found):
    made = Counter(mistake for *_, mistake, _, _ in found)
    for mistake in ("transpose", "swapped", "axis", "index", "sum", "quotient", "where", "data"):
        assert made[mistake] >= 10, mistake


def test_the_rules_in_words_are_known(found):
    """Rules that only a sentence states, whose numbers alone are checked: this list may shrink."""
    words = set()
    for _, step, role, mistake, _, result in found:
        if mistake == "none" and result.status == "words":
            words.add((type(step._node).__name__, role))
    assert words == set()
    assert sum(mistake == "none" for *_, mistake, _, _ in found) > 400


def reasons_of_the_table():
    for _, explanation in explanations():
        for step in explanation.steps:
            for position, given in enumerate(step.inputs):
                if not given.wanted or step._sent(position) is None:
                    continue
                right = step.line_of(position)[1].right
                found = reasons.of(step, given, step.equation.rule_of(given.role), right)
                for reason in found:
                    yield step, given, right, reason


def wrong_reasons(reason):
    """A sentence with another number, another shape, or another word in it."""
    for number in re.finditer(r"\d+", reason):
        yield f"{reason[: number.start()]}{int(number[0]) + 1}{reason[number.end() :]}"
    for old, new in (("rows", "columns"), ("kernel", "bias"), ("sum", "product"), ("mean", "sum"),
                     ("sums over", "is spread over"), ("transposed", "reversed")):  # fmt: skip
        if old in reason:
            yield reason.replace(old, new, 1)
    shapes = re.findall(r"\(\d[\d, ]*\)", reason)
    if len(set(shapes)) > 1:
        yield reason.replace(shapes[0], "¤").replace(shapes[-1], shapes[0]).replace("¤", shapes[-1])


def test_no_corrupted_reason_is_printed():
    kinds = Counter()
    for step, given, right, reason in reasons_of_the_table():
        kind = re.sub(r"[\d(),]+|\S*[₀-₉]+", "", reason)
        kinds[kind] += 1
        if kinds[kind] > 20:
            continue
        assert holds(reason, step, given, right), (step.name, reason, right)
        for wrong in set(wrong_reasons(reason)) - {reason}:
            assert not holds(wrong, step, given, right), (reason, wrong)
    assert len(kinds) >= 7


def forward_lines_of_the_table():
    """Forward lines with their step and output, and the formula that each is made from."""
    for case, explanation in explanations():
        for step in explanation.steps:
            with np.errstate(all="ignore"):
                lines = zip(sorted(step.outputs), step.forwards)
                for which, line in lines:
                    yield case, step, which, line


def test_every_forward_line_is_checked():
    """None is unmarked, none of the table's is in words alone, and none is wrong."""
    found = Counter()
    for case, _, _, line in forward_lines_of_the_table():
        found[line.check.status] += 1
        assert line.check.status in ("right", "missing", "convention"), (case.label, line)
        assert line.note or line.mark == "✓"
        if line.check.status == "missing":
            assert "recording" in line.note
    assert found["right"] > 5000
    assert found["missing"] < 40
    assert found["convention"] < 20


def test_no_corrupted_forward_line_is_right():
    """Each kind of operation is corrupted in every way that fits its formula, and is caught."""
    seen, made = Counter(), Counter()
    caught = set()
    for case, step, which, line in forward_lines_of_the_table():
        kind = type(step._node).__name__, which
        value = step.outputs[which]
        known = value.array
        if line.check.status != "right" or not np.prod(value.shape) or seen[kind] == EACH:
            continue
        if known is not None and (not np.isfinite(known).all() or not known.any()):
            continue
        seen[kind] += 1
        formula = formula_of(step, which)
        data = {letter: array for letter, (_, array) in formula.data.items()}
        right = Line(step.written(formula.right), formula.places,
                     tuple(map(step.written, formula.where)), data)  # fmt: skip
        for mistake, wrong in mistakes(step, right):
            with np.errstate(all="ignore"):
                result = recheck_forward(step, wrong, which)
            made[mistake] += 1
            if mistake == "none":
                assert result.status == "right"
            elif result.status == "wrong":
                caught.add(kind)
            elif mistake in ("sign", "factor", "addend", "word"):
                assert result.status != "right", (case.label, mistake, wrong)
    assert len(seen) > 190
    assert set(seen) - caught == set()
    assert sum(made.values()) > 1500
