"""Hooks of tensors, leaves and nodes: when they are called, what they see, what they may change."""

import gc
import weakref

import numpy as np
import pytest

import nnlite
from nnlite.autograd import grad
from nnlite.autograd.hooks import marked


def everything(library):
    """A log of all kinds of hooks on one small graph, through several kinds of passes."""
    log = []

    def seen(name):
        def hook(*args):
            log.append((name, plain(args)))

        return hook

    def plain(value):
        if isinstance(value, tuple):
            return tuple(plain(v) for v in value)
        return value if value is None else value.detach().numpy().tolist()

    x = library.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = y * y
    y.register_hook(seen("y, first"))
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.register_hook(seen("y, last"))
    y.grad_fn.register_prehook(seen("node of y, before"))
    y.grad_fn.register_hook(seen("node of y, after"))
    z.grad_fn.register_hook(seen("node of z, after"))
    x.register_hook(seen("x"))
    leaf = y.grad_fn.next_functions[0][0]
    leaf.register_hook(seen("leaf, after"))
    leaf.register_prehook(seen("leaf, before"))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("accumulated", p.grad.tolist())))
    loss = z.sum()
    loss.backward(retain_graph=True)
    log.append(("y.grad", y.grad.tolist()))
    log.append(("grad of y", plain(library.autograd.grad(loss, y, retain_graph=True))))
    log.append(("grad of x", plain(library.autograd.grad(loss, x, retain_graph=True))))
    loss.backward(inputs=[x], retain_graph=True)
    (g,) = library.autograd.grad(loss, x, create_graph=True)
    log.append(("second", plain(library.autograd.grad(g.sum(), x))))
    return log


def test_all_hooks_as_in_torch(torch):
    assert everything(nnlite) == everything(torch)


def test_order_of_one_pass():
    names = [name for name, _ in everything(nnlite)]
    assert names[: names.index("y.grad")] == [
        "node of z, after",
        "y, first",
        "y, last",
        "node of y, before",
        "node of y, after",
        "x",
        "leaf, before",
        "accumulated",
        "leaf, after",
    ]


def leaves_in_between(library):
    """The order in which a mixed graph's tensors and leaves are called."""
    log = []
    x, w, v = (library.ones(2, requires_grad=True) for _ in range(3))
    y = x * w
    z = y + v
    u = z.exp() + v
    for name, tensor in {"x": x, "w": w, "v": v, "y": y, "z": z, "u": u}.items():
        tensor.register_hook(lambda g, name=name: log.append(name))
        if tensor.is_leaf:
            tensor.register_post_accumulate_grad_hook(lambda t, n=name: log.append(f"{n} done"))
    u.sum().backward()
    return log


def test_a_leaf_is_called_as_soon_as_it_is_complete(torch):
    ours = leaves_in_between(nnlite)
    assert ours == leaves_in_between(torch)
    assert ours == ["u", "z", "v", "v done", "y", "x", "x done", "w", "w done"]


def test_step_in_the_backward_pass():
    """An optimizer that steps in the hook: each gradient is gone before the next one is made."""
    layers = [nnlite.full((2, 2), 0.5).requires_grad_() for _ in range(4)]
    alive = []

    def step(weight):
        alive.append(sum(layer.grad is not None for layer in layers))
        with nnlite.no_grad():
            weight -= 0.1 * weight.grad
        weight.grad = None

    for layer in layers:
        layer.register_post_accumulate_grad_hook(step)
    h = nnlite.ones(1, 2)
    reference = [layer.detach().clone().requires_grad_() for layer in layers]
    g = h
    for layer, same in zip(layers, reference):
        h = h @ layer
        g = g @ same
    g.sum().backward()
    h.sum().backward()
    assert alive == [1, 1, 1, 1]
    for layer, same in zip(layers, reference):
        np.testing.assert_array_equal(
            layer.detach().numpy(), (same - 0.1 * same.grad).detach().numpy()
        )


def test_a_weight_changed_in_a_hook_before_its_other_use_is_refused():
    """The hook of one leaf writes into another one, whose value is still to be read."""
    x, w = nnlite.ones(2, requires_grad=True), nnlite.ones(2, requires_grad=True)
    late = nnlite.ones(2, requires_grad=True)

    def write(_):
        with nnlite.no_grad():
            w.mul_(2)

    late.register_post_accumulate_grad_hook(write)
    y = (x * w) + late
    with pytest.raises(RuntimeError, match=r"MulBackward0 needs input 1 .* mul_"):
        y.sum().backward()


# ---- hooks of nodes -----------------------------------------------------------------------------


def changed(kind, result):
    x = nnlite.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    getattr(y.grad_fn, kind)(lambda *args: result)
    y.sum().backward()
    return None if x.grad is None else x.grad.tolist()


def test_node_hooks_replace_gradients():
    new = nnlite.tensor([5.0, 7.0])
    assert changed("register_prehook", None) == [3, 3]
    assert changed("register_prehook", (new,)) == [15, 21]
    assert changed("register_prehook", (None,)) is None
    assert changed("register_hook", None) == [3, 3]
    assert changed("register_hook", (new, None)) == [5, 7]
    assert changed("register_hook", (None, None)) is None


@pytest.mark.parametrize(
    ("kind", "result", "error", "words"),
    [
        ("register_hook", nnlite.ones(2), TypeError, "expected a tuple of 2 .* got Tensor"),
        ("register_hook", [None, None], TypeError, "expected a tuple of 2 .* got list"),
        ("register_hook", (nnlite.ones(2),), RuntimeError, "returned 1 gradients, expected 2"),
        ("register_hook", (nnlite.ones(2),) * 2, RuntimeError, "where there is none"),
        ("register_hook", (3, None), TypeError, "a Tensor or None, got int"),
        ("register_prehook", (3,), TypeError, "prehook .* a Tensor or None, got int"),
        ("register_prehook", nnlite.ones(2), TypeError, "expected a tuple of 1 .* got Tensor"),
        ("register_prehook", (nnlite.ones(3),), RuntimeError, r"of shape \[3\] for .* \[2\]"),
        ("register_hook", (nnlite.ones(3), None), RuntimeError, r"of shape \[3\] for .* \[2\]"),
    ],
)
def test_wrong_results_are_named(kind, result, error, words):
    with pytest.raises(error, match=words):
        changed(kind, result)


def several_outputs(library):
    log = []
    x = library.arange(4.0, requires_grad=True)
    first, second = x.split(2)
    node = first.grad_fn
    assert node is second.grad_fn
    node.register_prehook(lambda gs: log.append([None if g is None else g.tolist() for g in gs]))
    node.register_prehook(lambda gs: (None, gs[1] * 5))
    node.register_hook(lambda xs, gs: log.append([xs[0].tolist(), len(gs)]))
    (second * 2).sum().backward()
    return log, x.grad.tolist()


def test_nodes_with_several_outputs(torch):
    assert several_outputs(nnlite) == several_outputs(torch)
    assert several_outputs(nnlite) == ([[None, [2, 2]], [[0, 0, 10, 10], 2]], [0, 0, 10, 10])


def test_hooks_of_a_custom_function():
    class Double(nnlite.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    x = nnlite.ones(2, requires_grad=True)
    y, z = Double.apply(x)
    seen = []
    y.grad_fn.register_hook(lambda xs, gs: seen.append((len(xs), len(gs), gs[1])))
    y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [20, 20]
    z.sum().backward()
    assert [entry[:2] for entry in seen] == [(1, 2), (1, 2)]
    assert seen[0][2] is None


def test_what_a_hook_has_seen_stays_as_it_is():
    """The engine adds gradients up in place, but not in arrays that a hook may have kept."""
    x = nnlite.ones(2, requires_grad=True)
    y = x * 2
    seen = []
    y.grad_fn.register_hook(lambda xs, gs: seen.append(xs[0]))
    y.grad_fn.register_prehook(lambda gs: seen.append(gs[0]))
    (y.sum() + (x * 5).sum() + (x * 7).sum()).backward()
    assert [s.tolist() for s in seen] == [[1, 1], [2, 2]]
    assert x.grad.tolist() == [14, 14]


def test_hooks_record_only_for_higher_derivatives():
    x = nnlite.tensor([2.0], requires_grad=True)
    modes = []

    def hook(xs, gs):
        modes.append((nnlite.is_grad_enabled(), xs[0].requires_grad))
        return (xs[0] * x,)

    y = x * x
    z = y * 1
    z.grad_fn.register_hook(lambda xs, gs: (*hook(xs, gs), None))
    (g,) = grad(z, x, create_graph=True)
    assert modes == [(True, False)]
    assert g.item() == 2 * 2 * 2
    assert grad(g, x)[0].item() == 2 * 2 * 2  # (2x · x)' = 4x
    z = (x * x) * 1
    z.grad_fn.register_hook(lambda xs, gs: (*hook(xs, gs), None))
    z.backward()
    assert modes[1:] == [(False, False)]


def test_hooks_off_the_way_are_not_called(torch):
    calls = []
    for library in (nnlite, torch):
        x, y = (library.ones(1, requires_grad=True) for _ in range(2))
        h = y * 2
        for tensor in (y, h):
            tensor.register_hook(lambda g, where=library.__name__: calls.append(where))
        library.autograd.grad(x + h, x)
    assert calls == []


# ---- taking hooks back, and what they keep alive ------------------------------------------------


@pytest.mark.parametrize(
    "register",
    [
        lambda x, y, hook: x.register_hook(hook),
        lambda x, y, hook: y.register_hook(hook),
        lambda x, y, hook: x.register_post_accumulate_grad_hook(hook),
        lambda x, y, hook: y.grad_fn.register_hook(hook),
        lambda x, y, hook: y.grad_fn.register_prehook(hook),
    ],
    ids=["leaf", "tensor", "accumulated", "node", "node, before"],
)
def test_removed_hooks_are_not_called_and_cost_nothing(register):
    x = nnlite.ones(1, requires_grad=True)
    y = x * 2
    calls = []

    def hook(*args):
        calls.append(args)

    def are_marked():
        return sum(id(node) in marked for node in (y.grad_fn, *y.grad_fn.edges))

    with register(x, y, hook):
        y.backward(retain_graph=True)
        assert len(calls) == 1
        assert are_marked() == 1
    y.backward(retain_graph=True)
    assert len(calls) == 1
    assert are_marked() == 0


def test_a_handle_removes_its_own_hook_only():
    x = nnlite.ones(1, requires_grad=True)
    calls = []
    first = x.register_hook(lambda g: calls.append("first"))
    first.remove()
    x.register_hook(lambda g: calls.append("second"))
    first.remove()
    (x * 2).backward()
    assert calls == ["second"]


def test_hooks_may_remove_themselves():
    x = nnlite.ones(1, requires_grad=True)
    calls = []
    handles = [x.register_hook(lambda g, i=i: (calls.append(i), handles[i].remove())[2:] or None)
               for i in range(3)]  # fmt: skip
    (x * 2).backward()
    (x * 2).backward()
    assert calls == [0, 1, 2]


def test_a_hook_that_refers_to_its_tensor_is_no_leak():
    """Such a graph is a circle: the garbage collector can free it."""
    nodes = []
    for _ in range(3):
        x = nnlite.ones(2, requires_grad=True)
        y = x * 2
        y.register_hook(lambda g, y=y: None)
        y.grad_fn.register_hook(lambda xs, gs, y=y: None)
        x.register_post_accumulate_grad_hook(lambda leaf, x=x: None)
        y.sum().backward()
        nodes.append((weakref.ref(y.grad_fn), weakref.ref(x)))
    del x, y
    gc.collect()
    assert [(a(), b()) for a, b in nodes] == [(None, None)] * 3


def test_hooks_die_with_their_graph():
    gc.disable()
    try:
        x = nnlite.ones(2, requires_grad=True)
        y = x * 2
        y.register_hook(lambda g: None)
        key = id(y.grad_fn)
        assert key in marked
        del y
        assert key not in marked
    finally:
        gc.enable()


LEAF = nnlite.ones(1, requires_grad=True)


@pytest.mark.parametrize(
    ("register", "words"),
    [
        (lambda: nnlite.ones(1).register_hook(print), "register_hook: .* not require"),
        (
            lambda: nnlite.ones(1).register_post_accumulate_grad_hook(print),
            "register_post_accumulate_grad_hook: .* not require",
        ),
        (
            lambda: LEAF.exp().register_post_accumulate_grad_hook(print),
            "only leaf tensors .* use register_hook",
        ),
    ],
)
def test_hooks_where_there_is_no_gradient(register, words):
    with pytest.raises(RuntimeError, match=words):
        register()
