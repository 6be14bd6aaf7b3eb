"""In-place operations in and around graphs: the gradient is right, or there is an error.

The rule that the random programs check: whatever is done in place, nnlite's gradients are torch's
(and those found by differences), or nnlite refuses. They are never silently something else.
"""

import gc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import HIDES, RECORDED, STEPS, differences, leaves_of, run

import nnlite
from nnlite import nn, no_grad, ones, tensor, zeros
from nnlite.autograd import mutation

repeatable = settings(derandomize=True, deadline=None, database=None)
places = st.integers(0, 11)


def programs(names):
    return st.lists(st.tuples(st.sampled_from(sorted(names)), places, places), max_size=8)


def zeros_for_none(gradients):
    return [np.zeros((2, 2)) if g is None else g for g in gradients]


def assert_gradients(ours, theirs, tolerance=1e-9):
    for a, b in zip(zeros_for_none(ours), zeros_for_none(theirs)):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ---- random programs ----------------------------------------------------------------------------


@settings(repeatable, max_examples=600)
@given(programs(set(RECORDED) - HIDES))
def test_gradients_of_programs_are_what_differences_say(program):
    outcome, _ = run(nnlite, program, leaves_of())
    if outcome.error is None:
        assert_gradients(outcome.gradients, differences(nnlite, program), 2e-4)


def without_checks(torch):
    """torch keeping copies of what its derivatives read: right gradients where it would refuse."""
    return torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t)


@settings(repeatable, max_examples=1500)
@given(programs(STEPS))
def test_programs_do_what_torch_does_or_refuse(torch, program):
    ours, _ = run(nnlite, program, leaves_of())
    if ours.error is not None:
        return
    theirs, _ = run(torch, program, leaves_of())
    if theirs.error is not None:
        with without_checks(torch):
            theirs, _ = run(torch, program, leaves_of())
        if theirs.error is not None:
            return
    assert ours.needs == theirs.needs
    for a, b in zip(ours.values, theirs.values):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert_gradients(ours.gradients, theirs.gradients)


LEGAL = [
    [("mul_", 1, 2)],
    [("add_", 1, 2), ("mul_", 1, 2), ("tanh", 1, 0)],
    [("mul", 1, 2), ("mul_", 5, 2), ("self_", 5, 5)],
    [("set first", 3, 1), ("row", 3, 0)],
    [("set number", 1, 1), ("set last", 1, 2)],
    [("row", 1, 1), ("set first", 2, 5)],
    [("copy_", 3, 1), ("exp", 3, 3)],
    [("zero_", 1, 1), ("add_", 1, 2)],
    [("clamp_", 4, 4), ("div_", 4, 1)],
    [("turn", 1, 1), ("add", 5, 5), ("add_", 6, 2)],
    [("no_grad zero_", 4, 4)],
    [("no_grad add_", 0, 3)],
    [("detach_", 2, 2), ("mul_", 2, 3)],
    [("fill_", 1, 1), ("set some", 1, 4), ("sum", 1, 1)],
]


@pytest.mark.parametrize("program", LEGAL, ids=str)
def test_legal_programs_are_not_refused(program):
    """A refusal is always safe, so the random programs would be satisfied by refusals alone."""
    outcome, _ = run(nnlite, program, leaves_of())
    assert outcome.error is None
    if not HIDES & {name for name, _, _ in program}:
        assert_gradients(outcome.gradients, differences(nnlite, program), 2e-4)


@pytest.mark.parametrize("program", LEGAL, ids=str)
def test_legal_programs_are_legal_in_torch(program, torch):
    ours, _ = run(nnlite, program, leaves_of())
    theirs, _ = run(torch, program, leaves_of())
    assert theirs.error is None
    assert_gradients(ours.gradients, theirs.gradients)


# ---- what raises, and how it says so ------------------------------------------------------------


def leaf(*values):
    return tensor(values or [1.0, 2.0, 3.0], requires_grad=True)


def test_leaf_that_requires_grad():
    x = leaf()
    for change in (
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.copy_(ones(3)),
        lambda: x.clamp_(0, 1),
        lambda: x.__imul__(2),
        lambda: x.fill_(0),
        lambda: nnlite.ops.dropout.dropout(x, 0.5, inplace=True),
    ):
        with pytest.raises(RuntimeError, match=r"leaf .*no_grad\(\)"):
            change()
    assert x.tolist() == [1.0, 2.0, 3.0]
    assert x.requires_grad
    assert x._version == 0


def test_view_inside_a_graph():
    y = leaf() * 2
    with pytest.raises(RuntimeError, match=r"is a view.*clone"):
        y[:2].mul_(3)
    with pytest.raises(RuntimeError, match="is a view"):
        y.reshape(3, 1).zero_()
    base = zeros(2, 3)
    with pytest.raises(RuntimeError, match="is a view"):
        base[0].copy_(leaf())
    assert y.tolist() == [2.0, 4.0, 6.0]


def test_view_used_after_its_base_changed():
    y = leaf() * 2
    v = y[1:]
    y.mul_(5)
    with pytest.raises(RuntimeError, match=r"view \(SliceBackward0\).*mul_.*Take the view again"):
        v.sum().backward()
    (y[1:].sum() + y.sum()).backward()


@pytest.mark.parametrize(
    "view",
    [
        lambda y: y[1:][:1],
        lambda y: y.reshape(1, 3).T.unsqueeze(0).expand(2, 3, 1),
        lambda y: y.split(1)[1],
        lambda y: y.split([2, 1])[0][:1].squeeze(),
    ],
)
def test_view_of_a_view_used_after_its_base_changed(view):
    x = leaf()
    y = x * 2
    v = view(y)
    before = v.sum()
    y.mul_(5)
    with pytest.raises(RuntimeError, match=r"used after its base had been changed"):
        (v.sum() + y.sum()).backward()
    (before + y.sum() + view(y).sum()).backward()


def test_view_of_a_tensor_that_left_its_graph():
    x = leaf()
    y = x * 2
    v = y[1:]
    before = v.sum()
    y.detach_()
    y.mul_(5)
    with pytest.raises(RuntimeError, match=r"changed in place by detach_"):
        v.sum().backward()
    before.backward()
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


def test_view_of_data_used_before_it_joined_a_graph():
    buffer = ones(2, 3)
    first, w = buffer[0], leaf()
    before = first + w
    buffer[1] = w
    (before.sum() + buffer.sum()).backward()
    assert w.grad.tolist() == [2.0] * 3


def test_view_of_data_that_joined_a_graph():
    buffer = zeros(2, 3)
    first = buffer[0]
    buffer[1] = leaf()
    for use in (
        lambda: first * 2,
        lambda: first.sum(),
        lambda: first.add_(1),
        lambda: (first * leaf()).sum().backward(),
    ):
        with pytest.raises(RuntimeError, match=r"written into that tensor.*Take the view again"):
            use()
    with no_grad():
        assert (first * 2).tolist() == [0.0, 0.0, 0.0]
    assert first.detach().sum().item() == 0.0
    buffer[0].sum().backward()


def test_memory_that_repeats_elements():
    for x in (zeros(1).expand(3), nnlite.broadcast_to(zeros(()), (2,))):
        with pytest.raises(RuntimeError, match=r"several places.*clone"):
            x.add_(1)
        with pytest.raises(RuntimeError, match="several places"):
            x[0] = 1.0
        with no_grad(), pytest.raises(RuntimeError, match="several places"):
            x.zero_()


def test_results_that_do_not_fit():
    with pytest.raises(RuntimeError, match=r"add_: .*\[2\].*out-of-place"):
        zeros(2).add_(zeros(3, 2))
    with pytest.raises(RuntimeError, match=r"mul_: .*int64.*out-of-place"):
        tensor([1, 2]).mul_(0.5)
    with pytest.raises(RuntimeError, match=r"div_: .*int64"):
        tensor([1, 2]).div_(2)
    with pytest.raises(RuntimeError, match="cannot hold"):
        (leaf() * 2).add_(zeros(2, 3))
    with pytest.raises(RuntimeError, match="int64 cannot hold a value that requires a gradient"):
        tensor([1, 2, 3]).copy_(leaf())


def test_detach_in_place():
    x = leaf()
    y = x * 2
    y.detach_()
    assert y.grad_fn is None
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"use detach\(\)"):
        (x * 2)[0].detach_()
    z = x * 3
    x.detach_()
    z.sum().backward()
    assert x.grad is None
    assert not x.requires_grad


# ---- values that a derivative reads -------------------------------------------------------------


def overwrites(forward, change):
    """Run ``forward`` on a leaf, ``change`` what it returned with it, then backward."""
    x = leaf()
    y, other = forward(x)
    change(other)
    return lambda: y.sum().backward()


@pytest.mark.parametrize(
    ("forward", "names"),
    [
        (lambda x: ((c := x * 1) * c, c), r"MulBackward0 needs input 0"),
        (lambda x: ((c := x * 1).log(), c), r"LogBackward0 needs input 0"),
        (lambda x: ((y := x.exp()), y.detach()), r"ExpBackward0 needs its output"),
        (lambda x: ((y := x.tanh()) * 1, y.detach()), r"TanhBackward0 needs its output"),
        (lambda x: ((c := x * 1)[1:].sqrt(), c), r"SqrtBackward0"),
        (lambda x: ((c := x * 1)[1:] ** 2, c), r"PowBackward0 needs input 0"),
        (lambda x: ((c := ones(3, 3)) @ x, c[0]), r"MvBackward0 needs input 0"),
        (lambda x: (nnlite.where(c := x > 1, x, 0), c), r"WhereBackward0 needs a constant"),
    ],
)
@pytest.mark.parametrize("under_no_grad", [False, True])
def test_overwritten_values_are_noticed(forward, names, under_no_grad):
    def change(other):
        if other._node and not under_no_grad:
            other.mul_(1)
        else:
            with no_grad():
                other.zero_()

    run_backward = overwrites(forward, change)
    if "Sqrt" in names:  # it reads its output, which has memory of its own
        run_backward()
        return
    with pytest.raises(RuntimeError, match=names + r".*in-place operation since: (mul_|zero_)"):
        run_backward()


def test_the_error_names_the_cure():
    x = leaf()
    y = x.exp()
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match=r"x = x \+ y instead of x \+= y.*clone\(\)"):
        y.sum().backward()


def test_output_of_no_dimensions():
    """The derivative reads the value from before the change, or refuses: never the new one."""
    for change in (lambda t: t.mul_(3), lambda t: t.detach().mul_(3)):
        x = leaf()
        y = x.sum().exp()
        expected = y.item()
        z = y * 1
        change(y)
        try:
            z.backward()
        except RuntimeError:
            continue
        np.testing.assert_allclose(x.grad.numpy(), np.full(3, expected), rtol=1e-6)


def test_input_of_no_dimensions():
    x = tensor(3.0, requires_grad=True)
    c = x * 1
    y = c * c
    c.detach().mul_(7)
    with pytest.raises(RuntimeError, match="MulBackward0 needs input"):
        y.backward()


def test_write_through_another_tensor_of_the_same_memory():
    memory = np.array([1.0, 2.0, 3.0])
    x = nnlite.from_numpy(memory).requires_grad_()
    y = x * x
    nnlite.from_numpy(memory[1:]).zero_()
    with pytest.raises(RuntimeError, match="MulBackward0 needs input 0"):
        y.sum().backward()


def test_optimizer_between_forward_and_backward():
    """A step between the two passes changes the weights that backward reads."""
    layer = nn.Linear(3, 2)
    hidden = layer(ones(4, 3, requires_grad=True))
    with no_grad():
        for p in layer.parameters():
            p.sub_(p * 0.1)
    with pytest.raises(RuntimeError, match="AddmmBackward0 needs input 1"):
        hidden.sum().backward()


def test_writes_that_no_derivative_reads_are_allowed():
    x = leaf()
    y = (x * 2).relu() + 1
    y.add_(1)
    y[0] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 2.0]


def test_writes_before_the_graph_was_made_are_allowed():
    x = zeros(3)
    x.add_(2)
    w = leaf()
    (x * w).sum().backward()
    assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_retained_graph_notices_a_write_between_two_passes():
    x = leaf()
    c = x * 1
    y = (c * c).sum()
    y.backward(retain_graph=True)
    c.detach().zero_()
    with pytest.raises(RuntimeError, match="zero_"):
        y.backward()


def test_index_changed_after_indexing():
    x = leaf()
    index = tensor([0, 0])
    mask = tensor([True, False, False])
    y = x[index].sum() + x[mask].sum()
    z = x * 1
    z[index] = 7.0
    index.fill_(2)
    mask.fill_(True)
    (y + z.sum()).backward()
    assert x.grad.tolist() == [3.0, 1.0, 1.0]


def test_operand_that_shares_memory_with_the_target():
    for change, derivative in [
        (lambda y: y.mul_(y), lambda v: [18 * v[0], 18 * v[1], 18 * v[2]]),
        (lambda y: y.mul_(y[:1]), lambda v: [9 * (2 * v[0] + v[1] + v[2]), 9 * v[0], 9 * v[0]]),
        (lambda y: y.add_(y.flatten()), lambda v: [6.0, 6.0, 6.0]),
    ]:
        x = leaf()
        y = x * 3
        change(y)
        y.sum().backward()
        assert x.grad.tolist() == pytest.approx(derivative([1.0, 2.0, 3.0]))


# ---- what changes keep --------------------------------------------------------------------------


def test_parameters_stay_parameters_under_no_grad():
    """Each of these once took the tensor out of training, or made a new graph of it."""
    w = leaf()
    with no_grad():
        for change in (
            lambda: w.add_(ones(3), alpha=-0.1),
            lambda: w.sub_(ones(3), alpha=2),
            lambda: w.clamp_(0, 1),
            lambda: w.mul_(0.9),
            lambda: w.copy_(ones(3)),
            lambda: w.__setitem__(0, 2.0),
            lambda: w.__iadd__(1),
            lambda: w.fill_(2),
            lambda: w.zero_(),
        ):
            change()
            assert w.requires_grad
            assert w.is_leaf
    w.sum().backward()
    assert w.grad.tolist() == [1.0, 1.0, 1.0]


def test_in_place_returns_the_tensor_and_keeps_its_memory():
    x = zeros(3)
    memory = x.array
    for change in (
        lambda: x.add_(1),
        lambda: x.sub_(1),
        lambda: x.mul_(2),
        lambda: x.div_(2),
        lambda: x.copy_(ones(3)),
        lambda: x.fill_(1),
        lambda: x.zero_(),
        lambda: x.clamp_(0, 1),
        lambda: x.detach_(),
    ):
        assert change() is x
    same = x
    same += 1
    same -= 2
    same *= 3
    same /= 2
    assert same is x
    assert x.array is memory
    assert x.dtype == np.float32
    assert x.tolist() == [-1.5, -1.5, -1.5]


def test_names_of_nodes_after_in_place(torch):
    def names(library):
        x = library.ones(3, requires_grad=True)
        y = x * 2
        found = []
        for change in (
            lambda: y.add_(1),
            lambda: y.mul_(y.detach()),
            lambda: y.div_(2),
            lambda: y.zero_(),
            lambda: y.fill_(2),
            lambda: y.clamp_(0, 1),
            lambda: y.__setitem__(0, 1.0),
        ):
            change()
            name = y.grad_fn.name().removeprefix("torch::autograd::")
            found.append((name, len(y.grad_fn.next_functions), y.requires_grad, y.is_leaf))
        return found

    assert [n[0] for n in names(nnlite)] == [n[0] for n in names(torch)]
    assert [n[2:] for n in names(nnlite)] == [n[2:] for n in names(torch)]


def test_version_counts_writes(torch):
    def versions(library):
        x = library.zeros(4)
        view = x[1:]
        found = [x._version]
        for change in (
            lambda: x.add_(1),
            lambda: view.mul_(2),
            lambda: x.__setitem__(0, 1.0),
            lambda: x.detach().zero_(),
            lambda: x.copy_(library.ones(4)),
            lambda: x + 1,
            lambda: view.fill_(2),
        ):
            change()
            found.append((x._version, view._version))
        w = library.ones(2, requires_grad=True)
        with library.no_grad():
            w.add_(1)
        y = w * 2
        y.add_(1)
        return [*found, w._version, y._version]

    assert versions(nnlite) == versions(torch)


def test_notes_of_writes_vanish_with_the_memory():
    gc.collect()
    before = len(mutation.log.writes), len(mutation.log.rebased)
    for _ in range(5):
        x = leaf()
        y = x * 2
        y.add_(1)
        y[0] = 3.0
        y.sum().backward()
        zeros(3).add_(1)
    del x, y
    gc.collect()
    assert (len(mutation.log.writes), len(mutation.log.rebased)) == before


# ---- typical uses -------------------------------------------------------------------------------


def test_buffer_filled_step_by_step(torch):
    """The usual way to collect the states of a recurrent net."""

    def gradients(library):
        w = library.tensor([[0.5, -0.2], [0.1, 0.3]], requires_grad=True)
        states = library.zeros(5, 2)
        h = library.ones(2)
        for t in range(5):
            h = (w @ h).tanh()
            states[t] = h
        (states * states).sum().backward()
        return w.grad.numpy()

    np.testing.assert_allclose(gradients(nnlite), gradients(torch), rtol=1e-5)


def test_residual_added_in_place(torch):
    def gradients(library):
        x = library.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
        h = x * 2
        h += x
        h *= 0.5
        h.relu().sum().backward()
        return x.grad.numpy()

    np.testing.assert_allclose(gradients(nnlite), gradients(torch))


def test_gradient_descent_by_hand(torch):
    def trained(library):
        w = library.tensor([0.3, -0.4], requires_grad=True)
        data = library.tensor([[1.0, 2.0], [3.0, -1.0]])
        for _ in range(5):
            loss = ((data @ w - 1) ** 2).mean()
            loss.backward()
            with library.no_grad():
                w -= 0.05 * w.grad
            w.grad.zero_()
        return w.detach().numpy()

    np.testing.assert_allclose(trained(nnlite), trained(torch), rtol=1e-5)
