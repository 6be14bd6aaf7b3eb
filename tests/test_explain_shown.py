"""Every operator of the table on the page and in the quiz."""

import numpy as np
import pytest
from operators import CASES
from test_explain_operators import explained

from nnlite.explain.mathml import from_text
from nnlite.explain.quiz import Quiz

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
        for text in (step.forward, *(rule.text for rule in step.rules)):
            assert from_text(text) in page
    for question in questions:
        assert question.is_right(question.answer), question.text
        assert not question.is_right("q₇"), question.text
        assert not question.is_right(""), question.text
