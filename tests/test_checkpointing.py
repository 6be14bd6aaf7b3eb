"""utils.checkpoint: the same bytes as without, less memory, and nothing silently wrong."""

import gc
import weakref

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd import grad
from nnlite.autograd.hooks import marked
from nnlite.utils.checkpoint import checkpoint, checkpoint_sequential


class Block(nn.Module):
    """Everything that has to be the same again: dropout, running statistics, in place, keywords."""

    def __init__(self, size):
        super().__init__()
        self.first = nn.Linear(size, size)
        self.norm = nn.BatchNorm1d(size)
        self.drop = nn.Dropout(0.4)
        self.second = nn.Linear(size, size)

    def forward(self, x, scale=1.0):
        h = self.norm(self.first(x)).tanh()
        h = self.drop(h)
        h *= scale
        return x + self.second(h)


def trained(run, steps=3):
    """Parameters, buffers, gradients and outputs of a few steps of training."""
    nnlite.manual_seed(3)
    blocks = nn.ModuleList([Block(6) for _ in range(4)])
    optimizer = nnlite.optim.SGD(blocks.parameters(), lr=0.1, momentum=0.9)
    seen = []
    for _ in range(steps):
        x = nnlite.randn(5, 6, requires_grad=True)
        optimizer.zero_grad()
        y = run(blocks, x)
        y.square().mean().backward()
        optimizer.step()
        seen += [y.detach(), x.grad, *(p.grad.clone() for p in blocks.parameters())]
    seen += [t for _, t in sorted(blocks.state_dict().items())]
    return [t.numpy().tobytes() for t in seen], nnlite.get_rng_state()


def plainly(blocks, x):
    for block in blocks:
        x = block(x, scale=0.5)
    return x


def each_block(blocks, x):
    for block in blocks:
        x = checkpoint(block, x, scale=0.5, use_reentrant=False)
    return x


def all_as_one(blocks, x):
    return checkpoint(lambda x: plainly(blocks, x), x)


def nested(blocks, x):
    def inner(x):
        return checkpoint(lambda x: blocks[1](blocks[0](x, scale=0.5), scale=0.5), x)

    def outer(x):
        return checkpoint(blocks[2], inner(x), scale=0.5)

    return blocks[3](checkpoint(outer, x), scale=0.5)


@pytest.mark.parametrize("run", [each_block, all_as_one, nested])
def test_training_gives_the_same_bytes(run):
    assert trained(run) == trained(plainly)


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_sequential_gives_the_same_bytes(segments):
    results = []
    for run in (lambda m, x: m(x), lambda m, x: checkpoint_sequential(m, segments, x)):
        nnlite.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4), nn.Dropout(0.5)
        )
        x = nnlite.randn(3, 4, requires_grad=True)
        run(model, x).sum().backward()
        results.append([t.grad.numpy().tobytes() for t in (x, *model.parameters())])
    assert results[0] == results[1]


def by_hand(library):
    """Two blocks with a shared weight, under checkpoints in either library."""
    x = library.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    w = library.tensor([[1.0, -0.5], [0.25, 2.0]], requires_grad=True)

    def block(h, power=2):
        return ((h @ w).tanh() ** power, h)

    run = library.utils.checkpoint.checkpoint
    y, same = run(block, x, use_reentrant=False, power=3)
    z, _ = run(block, y, use_reentrant=False)
    (z.sum() + (same * y).sum()).backward()
    return x.grad.numpy(), w.grad.numpy()


def test_does_what_torch_does(torch):
    import torch.utils.checkpoint

    for ours, theirs in zip(by_hand(nnlite), by_hand(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_runs_once_forward_and_once_backward():
    calls = []

    def part(x):
        calls.append(nnlite.is_grad_enabled())
        return x.exp().tanh()

    x = nnlite.ones(2, requires_grad=True)
    y = checkpoint(part, x)
    assert calls == [True]
    y.sum().backward()
    assert calls == [True, True]
    with nnlite.no_grad():
        checkpoint(part, x)
    assert calls == [True, True, False]
    checkpoint(part, x.detach())
    assert calls[3:] == [True]


def test_values_in_between_are_given_up():
    alive = []

    def part(x):
        h = x.exp()
        alive.append(weakref.ref(h.array))
        return h.tanh()

    gc.disable()
    try:
        x = nnlite.ones(1000, requires_grad=True)
        kept = part(x)
        assert alive[0]() is not None
        y = checkpoint(part, x)
        assert alive[1]() is None
        y.sum().backward()
        assert alive[2]() is None
        kept.sum().backward()
    finally:
        gc.enable()


def test_graph_dies_with_its_last_tensor():
    gc.disable()
    try:
        x = nnlite.ones(3, requires_grad=True)
        y = checkpoint(lambda x: x.exp().tanh(), x)
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
        y = checkpoint(lambda x: x.exp().tanh(), x)
        key = id(y.grad_fn)
        assert key in marked
        y.sum().backward()
        del y
        assert key not in marked
    finally:
        gc.enable()


def part_of(x):
    return x.exp().tanh() * x


def test_higher_derivatives():
    values = np.array([0.5, -1.0, 0.25])
    found = []
    for run in (part_of, lambda x: checkpoint(part_of, x)):
        x = nnlite.tensor(values, requires_grad=True)
        (first,) = grad(run(x).sum(), x, create_graph=True)
        (second,) = grad((first**2).sum(), x)
        found.append([first.detach().numpy().tobytes(), second.numpy().tobytes()])
    assert found[0] == found[1]
    x = nnlite.tensor(values, requires_grad=True)
    assert nnlite.autograd.gradcheck(lambda x: checkpoint(part_of, x), x)
    assert nnlite.autograd.gradgradcheck(lambda x: checkpoint(part_of, x), x)


def test_grad_hooks_and_chosen_inputs():
    x, w = nnlite.ones(2, requires_grad=True), nnlite.ones(2, requires_grad=True)
    seen = []

    def part(x):
        h = x * w
        h.register_hook(lambda g: seen.append(g.tolist()))
        return h.exp()

    y = checkpoint(part, x).sum()
    (g,) = grad(y, w, retain_graph=True)
    np.testing.assert_allclose(g.numpy(), np.e, rtol=1e-6)
    y.backward(inputs=[x])
    np.testing.assert_allclose(x.grad.numpy(), np.e, rtol=1e-6)
    assert w.grad is None
    assert len(seen) == 2


def test_again_with_and_without_retain_graph():
    x = nnlite.ones(2, requires_grad=True)
    y = checkpoint(part_of, x).sum()
    (first,) = grad(y, x, retain_graph=True)
    (second,) = grad(y, x)
    assert first.tolist() == second.tolist()
    with pytest.raises(RuntimeError, match="second time"):
        grad(y, x)


def test_results_may_be_nested_and_partly_used():
    x = nnlite.ones(2, requires_grad=True)

    def part(x):
        return {"a": x.exp(), "b": [x.tanh(), (x.sigmoid(), "name")]}

    result = checkpoint(part, x)
    assert result["b"][1][1] == "name"
    b = result["b"][1][0]
    del result
    b.sum().backward()
    s = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(x.grad.numpy(), s * (1 - s), rtol=1e-6)


def test_custom_functions_and_several_outputs():
    class Product(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y, x + y

        @staticmethod
        def backward(ctx, g, h):
            x, y = ctx.saved_tensors
            return g * y + h, g * x + h

    def part(x):
        a, b = x.split(2)
        p, s = Product.apply(a.exp(), b.exp())
        return p * s

    found = []
    for run in (part, lambda x: checkpoint(part, x)):
        x = nnlite.tensor([0.5, -1.0, 2.0, 0.25], requires_grad=True)
        run(x).sum().backward()
        found.append(x.grad.tolist())
    assert found[0] == found[1]


def test_random_state_is_left_as_it_was():
    x = nnlite.ones(100, requires_grad=True)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5), x)
    nnlite.rand(3)
    state = nnlite.get_rng_state()
    y.sum().backward()
    assert nnlite.get_rng_state() == state
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_buffers_are_written_once():
    norm = nn.BatchNorm1d(2)
    x = nnlite.tensor([[0.5, -1.0], [2.0, 0.25]], requires_grad=True)
    y = checkpoint(norm, x)
    after_forward = [b.clone() for b in norm.buffers()]
    versions = [b._version for b in norm.buffers()]
    (y * y[0].detach()).sum().backward()
    for before, buffer in zip(after_forward, norm.buffers()):
        assert nnlite.equal(before, buffer)
    assert [b._version for b in norm.buffers()] == versions


# ---- errors -------------------------------------------------------------------------------------


def test_a_function_that_changes_its_argument_is_refused():
    h = nnlite.ones(2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match=r"checkpoint: .* shape \[2\] .*in place: mul_"):
        checkpoint(lambda x: x.mul_(2).exp(), h)


def test_an_argument_that_changes_before_backward_is_refused():
    x = nnlite.ones(2, requires_grad=True)
    h = x.detach().clone()
    y = checkpoint(lambda h: (h * x).exp(), h)
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"changed in place between .* add_"):
        y.sum().backward()


def test_a_weight_that_changes_before_backward_is_refused():
    layer = nn.Linear(2, 2)
    y = checkpoint(layer, nnlite.ones(1, 2))
    with nnlite.no_grad():
        layer.weight.mul_(2)
    with pytest.raises(RuntimeError, match=r"changed in place between .* mul_"):
        y.sum().backward()


def test_a_captured_tensor_that_changes_before_backward_is_refused():
    x = nnlite.ones(2, requires_grad=True)
    factor = nnlite.ones(2)
    y = checkpoint(lambda x: x * factor, x)
    factor.add_(1)
    with pytest.raises(RuntimeError, match=r"MulBackward0 needs a value .* add_"):
        y.sum().backward()


def test_a_function_that_computes_something_else_is_refused():
    x = nnlite.ones(2, requires_grad=True)
    times = []

    def other_operation(x):
        times.append(1)
        return x.exp() if len(times) % 2 else x.tanh()

    def other_shape(x):
        times.append(1)
        return (x[: len(times)]).exp().sum()

    def more(x):
        times.append(1)
        for _ in times:
            x = x.exp()
        return x

    for function, words in (
        (other_operation, "TanhBackward0 .* instead of ExpBackward0"),
        (other_shape, r"ExpBackward0 \(\[2\].* instead of ExpBackward0 \(\[1\]"),
        (more, "ExpBackward0 .* instead of nothing"),
    ):
        times.clear()
        y = checkpoint(function, x)
        with pytest.raises(RuntimeError, match=f"something else .* {words}"):
            y.sum().backward()


def test_wrong_arguments():
    x = nnlite.ones(2)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(part_of, x, determinism_check="sometimes")
    with pytest.raises(ValueError, match="from 1 to the 2 functions, got 3"):
        checkpoint_sequential([part_of, part_of], 3, x)
    with pytest.raises(ValueError, match="'scale'"):
        checkpoint_sequential([part_of, part_of], 1, x, scale=2)
    with pytest.raises(TypeError, match="unheard_of"):
        checkpoint(part_of, x, unheard_of=1)
