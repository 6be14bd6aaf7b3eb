"""Forward lines at the edges: what nothing has kept, what jumps, what is a sentence."""

import numpy as np
import pytest

import nnlite


def explained(compute, array):
    """The steps of a sum of what is computed from a leaf that nobody holds on to."""
    with nnlite.explain.recording():
        loss = compute(nnlite.tensor(array, requires_grad=True)).sum()
    return nnlite.explain(loss).steps


def marks(steps):
    return [line.mark for step in steps for line in step.forwards]


GRID = np.linspace(0, 3, 31).astype(np.float32)


@pytest.mark.parametrize(
    "compute",
    [
        lambda a: nnlite.remainder(a, 0.1),
        lambda a: nnlite.div(a, 0.1, rounding_mode="floor"),
        lambda a: nnlite.div(a, 0.1, rounding_mode="trunc"),
        lambda a: nnlite.round(a * 10),
        lambda a: nnlite.where(a > 1, a, 0.5),
        lambda a: nnlite.nn.functional.pad(a, (1, 1), value=3.0),
        lambda a: a.masked_fill(a > 1, 2.0),
        lambda a: a[4:20].reshape(4, 4).T.flip(0),
    ],
)
def test_numbers_that_the_operator_was_given_are_known(compute):
    assert set(marks(explained(compute, GRID))) == {"✓"}


def test_a_value_that_is_overwritten_later_is_known():
    def compute(a):
        b = a * 2
        b[1] = 5.0
        b.add_(1)
        return b

    steps = explained(compute, np.array([1.0, 2.0, 3.0]))
    assert "✗" not in marks(steps)
    assert [line.mark for line in steps[-1].forwards] == ["✓"]


def test_a_function_of_the_users_is_said_to_be_a_sentence():
    class Square(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            return 2 * a * g

    (line,) = explained(Square.apply, np.array([1.0, 2.0]))[-1].forwards
    assert (line.mark, line.note) == ("~", "a sentence: only the numbers were checked")


def test_without_a_recording_the_line_says_what_is_missing():
    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    explanation = nnlite.explain(((x + 1) * 2).sum(), names={"x": x})
    notes = [line.note for step in explanation.steps for line in step.forwards if line.mark == "~"]
    assert notes
    assert all("has not been kept" in note and "recording()" in note for note in notes)
    assert all(note in " ".join(str(explanation).split()) for note in notes)


def test_a_wrong_forward_line_is_marked():
    x = nnlite.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with nnlite.explain.recording():
        loss = (x.exp() * 2).sum()
    step = nnlite.explain(loss).steps[-1]
    step.equation.forward = "y = e^(2 x)"
    (line,) = step.forwards
    assert line.mark == "✗"
    assert line.note.startswith("wrong: ")
