"""Backward hooks of modules, compared with torch's, and what they leave alone."""

import collections
import copy
import gc
import weakref

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.autograd.hooks import marked


def pair(torch, make):
    """The same module in both libraries, in float64."""
    mine, theirs = make(nn).double(), make(torch.nn).double()
    state = {name: nnlite.tensor(value.numpy()) for name, value in theirs.state_dict().items()}
    mine.load_state_dict(state)
    return (nnlite, mine), (torch, theirs)


def arrays(values):
    return [None if v is None else v.detach().numpy().copy() for v in values]


def same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


class TwoInTwoOut:
    """Makes a module of each library with several inputs and outputs."""

    def __new__(cls, nn):
        class Module(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(3, 2)

            def forward(self, x, number, y):
                return self.fc(x) * number, [x], (x * y).sum()

        return Module()


@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_hooks_see_what_torchs_see(torch, needs):
    seen = []
    for lib, module in pair(torch, TwoInTwoOut):
        calls = []
        module.register_full_backward_hook(
            lambda m, gi, go, calls=calls: calls.append(("after", arrays(gi), arrays(go)))
        )
        module.register_full_backward_pre_hook(
            lambda m, go, calls=calls: calls.append(("before", arrays(go), []))
        )
        x = lib.arange(6.0).double().reshape(2, 3).requires_grad_(needs[0])
        y = lib.ones(3).double().requires_grad_(needs[1])
        out, _, total = module(x * 1, 2.0, y * 1)
        (out.sum() + 3 * total).backward()
        seen.append((calls, [x.grad, y.grad, module.fc.weight.grad]))
    (mine, grads), (theirs, expected) = seen
    assert [call[0] for call in mine] == [call[0] for call in theirs]
    for a, b in zip(mine, theirs):
        same(a[1], b[1])
        same(a[2], b[2])
    same(arrays(grads), arrays(expected))


def test_hooks_replace_gradients_as_torchs(torch):
    results = []
    for lib, module in pair(torch, lambda nn: nn.Sequential(nn.Linear(3, 2), nn.Tanh())):
        module[0].register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
        module[1].register_full_backward_pre_hook(lambda m, go: (go[0] + 1,))
        module[1].register_full_backward_hook(lambda m, gi, go: None)
        module.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
        x = lib.arange(6.0).double().reshape(2, 3).requires_grad_()
        module(x).sum().backward()
        results.append([x.grad, *(p.grad for p in module.parameters())])
    same(*map(arrays, results))


def test_order_and_removal():
    layer, calls = nn.Tanh(), []
    handles = [
        layer.register_full_backward_hook(lambda *_: calls.append("first")),
        layer.register_full_backward_hook(lambda *_: calls.append("second"), prepend=True),
        layer.register_full_backward_pre_hook(lambda *_: calls.append("before")),
    ]
    x = nnlite.ones(2, requires_grad=True)
    layer(x).sum().backward()
    assert calls == ["before", "second", "first"]
    for handle in handles:
        handle.remove()
    layer(x).sum().backward()
    assert len(calls) == 3
    with nnlite.no_grad(), layer.register_full_backward_hook(lambda *_: calls.append("no")):
        assert layer(x).grad_fn is None


def test_called_several_times_and_in_a_second_pass():
    layer, seen = nn.Linear(1, 1, bias=False), []
    nn.init.constant_(layer.weight, 2.0)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].item(), go[0].item())))
    x = nnlite.ones(1, 1, requires_grad=True)
    y = layer(layer(x))
    y.backward(retain_graph=True)
    assert seen == [(2.0, 1.0), (4.0, 2.0)]
    y.backward()
    assert seen[2:] == seen[:2]


def test_second_derivatives_go_through_hooks():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
    x = nnlite.tensor(0.5, dtype=nnlite.float64, requires_grad=True)
    (dx,) = nnlite.autograd.grad(layer(x), x, create_graph=True)
    (ddx,) = nnlite.autograd.grad(dx, x)
    t = np.tanh(0.5)
    assert dx.item() == pytest.approx(2 * (1 - t * t))
    assert ddx.item() == pytest.approx(2 * -2 * t * (1 - t * t))


def test_outputs_of_any_kind():
    Pair = collections.namedtuple("Pair", "a b")
    for make in (lambda x: Pair(x, 1), lambda x: [x, None], lambda x: {"a": x}, lambda x: x):

        class Module(nn.Module):
            def forward(self, x, make=make):
                return make(x * 2)

        module, seen = Module(), []
        module.register_full_backward_hook(lambda m, gi, go, seen=seen: seen.append((gi, go)))
        x = nnlite.ones(2, requires_grad=True)
        out = module(x)
        assert type(out) is type(make(x))
        y = out if isinstance(out, nnlite.Tensor) else out["a"] if isinstance(out, dict) else out[0]
        y.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        ((grad_input, grad_output),) = seen
        assert grad_input[0].tolist() == [2.0, 2.0]
        assert grad_output[0].tolist() == [1.0, 1.0]


def test_gradients_stay_apart():
    """Two inputs that get the same gradient do not share it with leaves."""

    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b

    module = Sum()
    module.register_full_backward_hook(lambda *_: None)
    a, b = (nnlite.ones(2, requires_grad=True) for _ in range(2))
    module(a, b).sum().backward()
    a.grad.array[:] = 7
    assert b.grad.tolist() == [1.0, 1.0]


def test_a_change_in_place_raises():
    first, second = nn.Linear(2, 2), nn.ReLU(inplace=True)
    first.register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match="view"):
        second(first(nnlite.ones(1, 2)))


def test_wrong_results():
    layer = nn.Tanh()
    x = nnlite.ones(2, requires_grad=True)
    with layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0])):
        y = layer(x).sum()
        with pytest.raises(RuntimeError, match="returned 2 gradients, expected 1"):
            y.backward()
    fixed = nn.Linear(2, 1)
    with fixed.register_full_backward_hook(lambda m, gi, go: (go[0],)):
        y = fixed(nnlite.ones(1, 2))
        with pytest.raises(RuntimeError, match="no input requires a gradient"):
            y.backward()


def test_nothing_is_left_behind():
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda *_: None)
    before = len(marked)
    gc.disable()
    try:
        y = layer(nnlite.ones(2, requires_grad=True))
        node = weakref.ref(y.grad_fn)
        assert len(marked) > before
        del y
        assert node() is None
        assert len(marked) == before
    finally:
        gc.enable()


def test_a_module_without_hooks_has_none():
    layer = nn.Tanh()
    assert layer._hooks is None
    layer.register_full_backward_hook(lambda *_: None)
    assert copy.deepcopy(nn.Tanh())._hooks is None
