"""The engine: what backward and grad compute, accumulate, free, share, refuse and survive."""

import gc
import threading
import weakref

import numpy as np
import pytest

import nnlite
from nnlite import no_grad, ones, tensor
from nnlite.autograd import Node, grad
from nnlite.autograd.node import record


def leaf(*values, **options):
    return tensor(list(values or (1.0, 2.0, 3.0)), requires_grad=True, **options)


def both(torch, program):
    """What a program returns in nnlite and in torch, as nested lists."""
    return [plain(program(library)) for library in (nnlite, torch)]


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


class Spy(Node):
    """y = 1 · x, noting that it ran:   ∂x = g"""

    __slots__ = ()
    lifts = (0,)
    ran: list[str] = []  # noqa: RUF012

    def backward(self, g):
        Spy.ran.append(self.meta)
        return (g * np.ones_like(self.saved[0]),)


def spy(x, label):
    """The values of ``x``; its backward notes ``label``."""
    Spy.ran = []
    return record(x.array * 1, Spy, (x._node,), (x.array,), label)


# ---- accumulation -------------------------------------------------------------------------------


def test_gradients_accumulate():
    x = leaf()
    for times in (1, 2, 3):
        (x * 2).sum().backward()
        assert x.grad.tolist() == [2.0 * times] * 3
    x.grad = None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0] * 3


def test_gradients_accumulate_in_place():
    x = leaf()
    (x * 2).sum().backward()
    first, memory = x.grad, x.grad.array
    (x * 3).sum().backward()
    assert x.grad is first
    assert first.array is memory
    assert first.tolist() == [5.0] * 3


def test_fan_out_and_diamond(torch):
    def program(library):
        x = library.tensor([0.5, -1.0], requires_grad=True)
        a = x * 3
        b = a.tanh()
        c = a * b
        d = (b + c + a + x) * c
        d.sum().backward()
        return x.grad

    ours, theirs = both(torch, program)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_a_tensor_used_twice_in_one_operation():
    x = leaf()
    (x * x + x - x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]
    y = leaf()
    nnlite.cat([y, y, y]).sum().backward()
    assert y.grad.tolist() == [3.0] * 3


def test_a_leaf_can_be_the_root():
    x = tensor(2.0, requires_grad=True)
    x.backward()
    x.backward(tensor(3.0))
    assert x.grad.item() == 4.0


def test_several_roots():
    x, y = leaf(), leaf()
    a, b = (x * 2).sum(), (x * y).sum()
    nnlite.autograd.backward([a, b])
    assert x.grad.tolist() == [3.0, 4.0, 5.0]
    assert y.grad.tolist() == [1.0, 2.0, 3.0]
    a = (x * 2).sum()
    assert grad([a, a], x)[0].tolist() == [4.0] * 3
    c, d = x * 2, x * 3
    vectors = [tensor([1.0, 0.0, 0.0]), tensor([0.0, 1.0, 0.0])]
    assert grad([c, d], x, vectors)[0].tolist() == [2.0, 3.0, 0.0]


def test_one_root_above_another():
    x = leaf()
    a = x * 2
    b = (a * a).sum()
    nnlite.autograd.backward([b, a], [None, ones(3)])
    assert x.grad.tolist() == [8.0 * v + 2 for v in (1, 2, 3)]


def test_frozen_leaves_get_nothing():
    x, y = leaf(), leaf()
    y.requires_grad_(False)
    (x * y).sum().backward()
    assert y.grad is None
    z = leaf()
    loss = (z * 2).sum() + (x * 2).sum()
    z.requires_grad_(False)
    loss.backward()
    assert z.grad is None


# ---- who owns a gradient ------------------------------------------------------------------------


def test_operands_of_a_sum_do_not_share_a_gradient():
    """add hands the same array to both: nothing that one does to its own may reach the other."""
    a, b = leaf(), leaf()
    (a + b).sum().backward()
    a.grad.mul_(100)
    assert b.grad.tolist() == [1.0] * 3
    a, b = leaf(), leaf()
    (a + b).backward(ones(3))
    b.grad[0] = 7.0
    assert a.grad.tolist() == [1.0] * 3


def test_the_users_gradient_is_not_taken_over():
    a, b = leaf(), leaf()
    v = tensor([1.0, 10.0, 100.0])
    for y in (a + b, a, a.reshape(3), (a + 0).clone()):
        y.backward(v)
    a.grad.zero_()
    b.grad.zero_()
    assert v.tolist() == [1.0, 10.0, 100.0]
    v.fill_(5)
    assert a.grad.tolist() == b.grad.tolist() == [0.0] * 3


def test_results_of_grad_are_the_callers():
    a, b = leaf(), leaf()
    v = ones(3)
    y = a + b
    one, two, again = *grad(y, [a, b], v, retain_graph=True), grad(y, y, v, retain_graph=True)[0]
    one.mul_(2)
    two.mul_(3)
    again.mul_(4)
    assert (one.tolist(), two.tolist(), again.tolist()) == ([2.0] * 3, [3.0] * 3, [4.0] * 3)
    assert v.tolist() == [1.0] * 3


def test_gradients_seen_by_hooks_stay_as_they_were():
    x = leaf()
    seen = []
    y = x * 2
    y.register_hook(seen.append)
    x.register_hook(seen.append)
    (y + y * 3).sum().backward()
    kept = [g.tolist() for g in seen]
    (x * 50).sum().backward()
    x.grad.zero_()
    assert [g.tolist() for g in seen[:2]] == kept == [[4.0] * 3, [8.0] * 3]


def test_sums_do_not_go_into_what_somebody_else_knows():
    """Several uses of one value: the later ones are added to the first, wherever that is from."""
    x = leaf()
    v = ones(3)
    y = x * 1
    total = (y + y) + (y + y)
    total.backward(v)
    assert v.tolist() == [1.0] * 3
    assert x.grad.tolist() == [4.0] * 3


def test_a_derivative_may_return_one_array_twice():
    class Twice(Node):
        """y = a + b:   ∂a = g,   ∂b = g"""

        __slots__ = ()

        def backward(self, g):
            new = g * 1.0
            return new, new

    a, b = leaf(), leaf()
    y = record(a.array + b.array, Twice, (a._node, b._node))
    ((y + a * 1) + b * 2).sum().backward()
    a.grad.mul_(10)
    assert a.grad.tolist() == [20.0] * 3
    assert b.grad.tolist() == [3.0] * 3
    c, d = leaf(), leaf()
    p, q = c * 1, d * 1
    y = record(p.array + q.array, Twice, (p._node, q._node))
    ((p * 5 + q * 7) + y).sum().backward()
    assert c.grad.tolist() == [6.0] * 3
    assert d.grad.tolist() == [8.0] * 3


# ---- freeing ------------------------------------------------------------------------------------


def test_second_backward_names_cause_and_cure():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time.*retain_graph=True.*detach\(\)"):
        y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_retain_graph():
    x = leaf()
    y = (x * x).sum()
    for times in (1, 2, 3):
        y.backward(retain_graph=True)
        assert x.grad.tolist() == [2.0 * times * v for v in (1, 2, 3)]
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_graphs_that_saved_nothing_can_be_run_again(torch):
    """As in torch: a sum reads no values, so there is nothing that could have been freed."""

    def program(library):
        x = library.ones(3, requires_grad=True)
        y = (x + 1).sum()
        y.backward()
        y.backward()
        return x.grad

    ours, theirs = both(torch, program)
    assert ours == theirs == [2.0] * 3


def test_a_part_that_was_freed_stops_only_those_who_need_it():
    x = leaf()
    shared = x * x
    a, b = shared.sum(), (shared * 2).sum()
    a.backward()
    with pytest.raises(RuntimeError, match="MulBackward0 has already given up"):
        b.backward()


def test_saved_values_are_freed_by_backward():
    x = leaf()
    y = x.exp()
    saved = weakref.ref(y.array)
    z = y.sum()
    del y
    assert saved() is not None
    z.backward()
    assert saved() is None


@pytest.fixture
def no_collector():
    """The garbage collector is off: what is freed is freed by reference counts alone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_graph_dies_with_its_last_tensor():
    x = leaf()
    y = x * 2
    z = y.exp()
    loss = (z * y + x.reshape(3, 1).sum() + nnlite.where(z > 1, z, 0)).sum()
    nodes = [weakref.ref(t._node) for t in (y, z, loss)]
    arrays = [weakref.ref(t.array) for t in (y, z)]
    del y, z
    assert all(node() for node in nodes)
    del loss
    assert not any(ref() for ref in nodes + arrays)


@pytest.mark.usefixtures("no_collector")
def test_graph_with_hooks_and_create_graph_dies_too():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 1)
    loss = (y * y).sum()
    (g,) = grad(loss, x, create_graph=True)
    (second,) = grad((g * g).sum(), x, create_graph=True)
    nodes = [weakref.ref(t._node) for t in (y, loss, g, second)]
    loss.backward()
    del y, loss, g, second
    assert not any(node() for node in nodes)


@pytest.mark.usefixtures("no_collector")
def test_a_leaf_and_its_gradient_die():
    x = leaf()
    (x * x).sum().backward()
    refs = [weakref.ref(x), weakref.ref(x.array), weakref.ref(x.grad)]
    del x
    assert not any(ref() for ref in refs)


@pytest.mark.usefixtures("no_collector")
def test_training_steps_leave_nothing_behind():
    w = leaf()

    def step():
        loss = ((w * 2).tanh() ** 2).sum()
        loss.backward()
        with no_grad():
            w.sub_(w.grad, alpha=0.1)
        w.grad = None

    step()
    before = len(gc.get_objects())
    for _ in range(20):
        step()
    assert len(gc.get_objects()) <= before + 5


# ---- long and wide graphs -----------------------------------------------------------------------


def test_chain_of_a_hundred_thousand_operations():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x
    for _ in range(50_000):
        y = (y + 1.0) * 1.0
    y.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [1.0, 1.0]
    (g,) = grad((y * y).sum(), x)
    np.testing.assert_allclose(g.numpy(), 2 * y.detach().numpy())


def test_each_node_of_a_chain_runs_once():
    """Work grows with the number of operations, not with the number of paths."""
    x = leaf()
    y = x
    for i in range(40):  # 2⁴⁰ paths
        y = spy(y, i) if i % 2 else y + y
    Spy.ran = []
    y.sum().backward()
    assert sorted(Spy.ran, reverse=True) == Spy.ran == [*range(39, 0, -2)]


def test_deep_graph_is_freed_without_recursion():
    """Dropped without a backward pass, from its end and in the middle of being built."""
    for operation in (lambda y: y * 1.0, lambda y: y.reshape(2), lambda y: y.split(1)[0].expand(2)):
        y = tensor([1.0, 2.0], requires_grad=True)
        for _ in range(30_000):
            y = operation(y)
        node = weakref.ref(y._node)
        del y
        assert node() is None


def test_deep_graph_of_gradients():
    x = tensor([1.0], requires_grad=True)
    y = x
    for _ in range(3_000):
        y = y * 1.0001
    (g,) = grad(y, x, create_graph=True, grad_outputs=ones(1, requires_grad=True))
    assert g.requires_grad
    del g, y


def test_fan_in_and_fan_out_of_ten_thousand():
    x = tensor([1.0], dtype=nnlite.float64, requires_grad=True)
    parts = [x * float(i) for i in range(10_000)]
    nnlite.cat(parts).sum().backward()
    assert x.grad.tolist() == [sum(range(10_000))]
    y = tensor([1.0, 1.0], dtype=nnlite.float64, requires_grad=True)
    total = y * 0
    for _ in range(10_000):
        total = total + y
    total.sum().backward()
    assert y.grad.tolist() == [10_000.0] * 2


# ---- errors -------------------------------------------------------------------------------------


def test_backward_of_more_than_one_element():
    x = leaf()
    with pytest.raises(RuntimeError, match=r"scalar.*\[3\].*loss\.mean\(\).*gradient=v"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match=r"grad: .*scalar"):
        grad(x * 2, x)
    (x * 2).reshape(3, 1)[:1].backward()
    assert x.grad.tolist() == [2.0, 0.0, 0.0]


def test_gradient_of_another_shape():
    x = leaf()
    with pytest.raises(RuntimeError, match=r"shape \[1\], the tensor \[3\]"):
        (x * 2).backward(ones(1))
    with pytest.raises(TypeError, match="must be a Tensor, got ndarray"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="2 tensors need as many gradient vectors, got 1"):
        nnlite.autograd.backward([x * 2, x * 3], [ones(3)])


def test_gradient_of_another_dtype_is_converted():
    x = leaf()
    (x * 2).backward(tensor([1.0, 2.0, 3.0], dtype=nnlite.float64))
    assert x.grad.dtype == nnlite.float32
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def no_graph_under_no_grad():
    with no_grad():
        return (leaf() * 2).sum()


NO_GRAPH = {
    "plain data": (lambda: ones(3).sum(), r"no tensor that it was computed from.*nn\.Parameter"),
    "a leaf": (lambda: tensor(1.0), "no tensor that it was computed from"),
    "no_grad": (no_graph_under_no_grad, "under no_grad"),
    "detached": (lambda: (leaf() * 2).detach().sum() + 1, r"detach\(\), \.data"),
    "data": (lambda: leaf().data.sum(), r"detach\(\), \.data"),
    "frozen": (lambda: (leaf().requires_grad_(False) * 2).sum(), r"frozen.*unfreeze"),
    "frozen among data": (
        lambda: (ones(3) * leaf().requires_grad_(False) + ones(3)).sum(),
        "frozen",
    ),
    "integers": (lambda: (leaf() > 1).sum(), r"no tensor|comparison"),
}


@pytest.mark.parametrize("name", NO_GRAPH)
def test_no_graph_names_its_cause(name):
    make, message = NO_GRAPH[name]
    y = make()
    for function in (lambda: y.backward(), lambda: grad(y, leaf())):
        with pytest.raises(RuntimeError, match=r"does not require a gradient.*" + message):
            function()


def test_inputs_that_do_not_require_gradients():
    x = leaf()
    y = (x * 2).sum()
    with pytest.raises(RuntimeError, match="one of the inputs does not require a gradient"):
        grad(y, ones(3))
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        y.backward(inputs=[ones(3)])
    with pytest.raises(TypeError, match="inputs must be tensors, got int"):
        grad(y, [3])
    with pytest.raises(RuntimeError, match="inputs is empty"):
        y.backward(inputs=[])
    with pytest.raises(RuntimeError, match="register_hook"):
        ones(3).register_hook(print)
    with pytest.raises(RuntimeError, match="retain_grad"):
        ones(3).retain_grad()


def test_gradients_of_what_cannot_have_them():
    with pytest.raises(RuntimeError, match=r"only floating point.*int64"):
        tensor([1, 2]).requires_grad_()
    with pytest.raises(RuntimeError, match="only floating point"):
        tensor([True], requires_grad=True)
    y = leaf() * 2
    with pytest.raises(RuntimeError, match=r"only leaf tensors.*MulBackward0.*detach\(\)"):
        y.requires_grad_(False)
    y.requires_grad_()
    assert y.requires_grad


def test_grad_attribute_takes_gradients_only():
    x = leaf()
    with pytest.raises(TypeError, match="expected a Tensor or None, got list"):
        x.grad = [1.0, 2.0, 3.0]
    with pytest.raises(RuntimeError, match=r"\[3\] float32; got \[2\] float32"):
        x.grad = ones(2)
    with pytest.raises(RuntimeError, match=r"got .* float64"):
        x.grad = ones(3, dtype=nnlite.float64)
    with pytest.raises(RuntimeError, match="its own gradient"):
        x.grad = x
    x.grad = ones(3)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 3


# ---- backward(inputs=…) and grad ----------------------------------------------------------------


def test_backward_into_chosen_inputs():
    x, y = leaf(), leaf()
    mid = x * y
    loss = (mid * mid).sum()
    loss.backward(inputs=[x], retain_graph=True)
    assert y.grad is None
    assert x.grad.tolist() == [2.0, 16.0, 54.0]
    loss.backward(inputs=y, retain_graph=True)
    assert y.grad.tolist() == [2.0, 16.0, 54.0]
    assert x.grad.tolist() == [2.0, 16.0, 54.0]
    loss.backward(inputs=[mid, x])
    assert mid.grad.tolist() == [2.0, 8.0, 18.0]
    assert x.grad.tolist() == [4.0, 32.0, 108.0]


def test_grad_leaves_grad_alone():
    x = leaf()
    y = (x * x).sum()
    assert grad(y, x, retain_graph=True)[0].tolist() == [2.0, 4.0, 6.0]
    assert x.grad is None
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_grad_of_unused_inputs():
    x, z = leaf(), tensor([[1.0]], dtype=nnlite.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"input 1 was not used.*allow_unused=True.*zeros"):
        grad((x * 2).sum(), [x, z])
    g, unused = grad((x * 2).sum(), [x, z], allow_unused=True)
    assert unused is None
    assert g.tolist() == [2.0] * 3
    g, zero = grad((x * 2).sum(), [x, z], materialize_grads=True)
    assert zero.dtype == nnlite.float64
    assert zero.tolist() == [[0.0]]


def test_grad_with_respect_to_intermediate_results():
    x = leaf()
    a = x * 2
    b = a * a
    gb, ga, gx = grad((b * 3).sum(), [b, a, x])
    assert gb.tolist() == [3.0] * 3
    assert ga.tolist() == [12.0, 24.0, 36.0]
    assert gx.tolist() == [24.0, 48.0, 72.0]


def test_grad_of_one_input_given_twice():
    x = leaf()
    assert plain(grad((x * x).sum(), [x, x])) == [[2.0, 4.0, 6.0]] * 2


def test_grad_runs_only_what_lies_between():
    x, y = leaf(), leaf()
    on_the_way = spy(x * 1, "wanted")
    beside = spy(y * 1, "beside")
    above = spy(on_the_way * beside, "above")
    loss = above.sum()
    Spy.ran = []
    grad(loss, x, retain_graph=True)
    assert Spy.ran == ["above", "wanted"]
    Spy.ran = []
    grad(loss, above, retain_graph=True)
    assert Spy.ran == []
    loss.backward(inputs=[y], retain_graph=True)
    assert Spy.ran == ["above", "beside"]
    Spy.ran = []
    loss.backward()
    assert sorted(Spy.ran) == ["above", "beside", "wanted"]


def test_frozen_branches_are_not_run():
    x, y = leaf(), leaf()
    y.requires_grad_(False)
    loss = (spy(x, "x") * spy(y, "y")).sum()
    Spy.ran = []
    loss.backward()
    assert Spy.ran == ["x"]


def test_graph_is_freed_by_grad_along_its_way():
    x, y = leaf(), leaf()
    a, b = x * x, y * y
    loss = (a + b).sum()
    grad(loss, x)
    with pytest.raises(RuntimeError, match="second time"):
        grad(loss, x)
    assert grad(loss, y)[0].tolist() == [2.0, 4.0, 6.0]


# ---- higher derivatives -------------------------------------------------------------------------


def test_derivatives_up_to_the_third(torch):
    def program(library):
        x = library.tensor([0.5, -0.3, 1.2], dtype=library.float64, requires_grad=True)
        y = library.tensor([0.1, 0.7, -0.4], dtype=library.float64, requires_grad=True)
        f = (x.exp() * y.tanh() + (x * y) ** 3 + (x * x + 1).log() / (y * y + 2)).sum()
        found = []
        for _ in range(3):
            gx, gy = library.autograd.grad(f, [x, y], create_graph=True)
            found += [gx.detach(), gy.detach()]
            f = (gx * gx).sum() + (gx * gy).sum()
        f.backward()
        return [*found, x.grad, y.grad]

    ours, theirs = both(torch, program)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_gradient_penalty(torch):
    """A loss that contains a gradient, differentiated with respect to the weights."""

    def program(library):
        w = library.tensor([[0.3, -0.2], [0.5, 0.1]], requires_grad=True)
        x = library.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True)
        out = ((x @ w).tanh() ** 2).sum()
        (g,) = library.autograd.grad(out, x, create_graph=True)
        (out + ((g * g).sum(1).sqrt() - 1).square().mean()).backward()
        return [w.grad, x.grad]

    ours, theirs = both(torch, program)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_backward_with_create_graph():
    x = leaf()
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    first = x.grad
    x.grad = None
    first.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0, 18.0]


def test_gradients_with_and_without_graph_add_up():
    x = leaf()
    (x**2).sum().backward(create_graph=True)
    (x**2).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0, 12.0]
    (x**2).sum().backward(create_graph=True)
    assert x.grad.tolist() == [6.0, 12.0, 18.0]
    x.grad = None


def test_create_graph_keeps_the_graph_by_default():
    x = leaf()
    y = (x * x).sum()
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True)
    grad(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="second time"):
        grad(y, x)


def test_gradient_with_respect_to_the_vector():
    """grad_outputs may require gradients: the product vᵀ J is linear in v."""
    x = leaf()
    v = tensor([1.0, 1.0, 1.0], requires_grad=True)
    (g,) = grad(x * x, x, v, create_graph=True)
    assert grad(g.sum(), v)[0].tolist() == [2.0, 4.0, 6.0]


def test_constant_derivatives_have_no_graph():
    x = leaf()
    (g,) = grad((x * 2).sum(), x, create_graph=True)
    assert g.tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        g.sum().backward()


# ---- hooks and retained gradients ---------------------------------------------------------------


def test_retain_grad():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [4.0, 8.0, 12.0]
    (y * y).sum().backward()
    assert y.grad.tolist() == [8.0, 16.0, 24.0]
    x.retain_grad()
    assert not x.grad.requires_grad


def test_retained_gradient_is_nobody_elses():
    x = leaf()
    y = x * 1
    y.retain_grad()
    z = y + 0
    z.retain_grad()
    z.sum().backward()
    y.grad.mul_(10)
    assert z.grad.tolist() == x.grad.tolist() == [1.0] * 3


def test_non_leaf_without_retain_grad():
    x = leaf()
    y = x * 2
    y.sum().backward()
    assert y.grad is None


def test_hooks_see_and_replace(torch):
    def program(library):
        x = library.ones(2, requires_grad=True)
        y = x * 2
        seen = []
        y.register_hook(lambda g: seen.append(g.tolist()))
        y.register_hook(lambda g: g * 10)
        y.register_hook(lambda g: seen.append(g.tolist()))
        x.register_hook(lambda g: g + 1)
        (y * 3).sum().backward()
        return [seen, x.grad]

    ours, theirs = both(torch, program)
    assert ours == theirs == [[[3.0, 3.0], [30.0, 30.0]], [61.0, 61.0]]


def test_hook_is_called_once_with_the_whole_gradient():
    x = leaf()
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    (y * 2 + y * 3 + y).sum().backward()
    assert seen == [[6.0] * 3]


def test_hooks_can_be_removed():
    x = leaf()
    seen = []
    first = x.register_hook(lambda g: seen.append(1))
    second = x.register_hook(lambda g: seen.append(2))
    first.remove()
    first.remove()
    third = x.register_hook(lambda g: seen.append(3))
    (x * 2).sum().backward()
    assert seen == [2, 3]
    second.remove()
    with third:
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [2, 3, 3]


def test_hooks_that_return_the_wrong_thing():
    x = leaf()
    with x.register_hook(lambda g: 3), pytest.raises(TypeError, match="Tensor or None, got int"):
        (x * 2).sum().backward()
    with x.register_hook(lambda g: ones(2)), pytest.raises(RuntimeError, match=r"\[2\].*\[3\]"):
        (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0] * 3


def test_hooks_in_grad_and_create_graph(torch):
    def program(library):
        x = library.tensor([1.0, 2.0, 3.0], requires_grad=True)
        y = x * 2
        y.register_hook(lambda g: g * g)
        (g,) = library.autograd.grad((y * y).sum(), x, create_graph=True)
        (second,) = library.autograd.grad(g.sum(), x)
        return [g, second]

    ours, theirs = both(torch, program)
    assert ours == theirs


def test_hook_runs_without_recording():
    x = leaf()
    recorded = []
    x.register_hook(lambda g: recorded.append(nnlite.is_grad_enabled()))
    (x * 2).sum().backward()
    (x * 2).sum().backward(create_graph=True)
    assert recorded == [False, True]
    x.grad = None


# ---- the graph as it can be seen ----------------------------------------------------------------


def short(node):
    """The node's name without torch's namespace."""
    return node.name().removeprefix("torch::autograd::")


def names_below(node):
    """The names of a graph, from its end: (name, [names of what it came from])."""
    if node is None:
        return None
    return (short(node), [names_below(n) for n, _ in node.next_functions])


def test_graph_of_the_tutorial(torch):
    def graph(library):
        x = library.ones(5)
        y = library.zeros(3)
        w = library.ones(5, 3, requires_grad=True)
        b = library.ones(3, requires_grad=True)
        z = library.matmul(x, w) + b
        loss = library.nn.functional.binary_cross_entropy_with_logits(z, y)
        return names_below(loss.grad_fn), repr(z.grad_fn).split(" ")[0]

    ours, theirs = graph(nnlite)[0], graph(torch)[0]
    assert ours[0] == theirs[0] == "BinaryCrossEntropyWithLogitsBackward0"
    assert ours[1][0][0] == theirs[1][0][0] == "AddBackward0"
    assert [branch[0] for branch in ours[1][0][1]] == [branch[0] for branch in theirs[1][0][1]]
    assert graph(nnlite)[1] == graph(torch)[1] == "<AddBackward0"


def test_graph_of_a_network(torch):
    def graph(library):
        w = [library.ones(4, 3, requires_grad=True), library.ones(1, 4, requires_grad=True)]
        b = [library.ones(4, requires_grad=True), library.ones(1, requires_grad=True)]
        h = library.nn.functional.linear(library.ones(2, 3), w[0], b[0]).relu()
        out = library.nn.functional.linear(h, w[1], b[1]).sigmoid()
        return h, out, (out - 0.5).pow(2).mean()

    for ours, theirs in zip(graph(nnlite), graph(torch)):
        assert ours.grad_fn.name() == theirs.grad_fn.name()
        assert type(ours.grad_fn).__name__ == type(theirs.grad_fn).__name__
    names, branch = [], names_below(graph(nnlite)[2].grad_fn)
    while branch:
        names.append(branch[0])
        branch = branch[1][0] if branch[1] else None
    assert names[:3] == ["MeanBackward0", "PowBackward0", "SubBackward0"]
    assert names[3:5] == ["SigmoidBackward0", "AddmmBackward0"]


def test_next_functions(torch):
    def program(library):
        x = library.ones(2, requires_grad=True)
        y = library.ones(2)
        a = x * y
        first, second = (a + x).split(1)
        return [
            [(n and short(n), i) for n, i in a.grad_fn.next_functions],
            [(short(n), i) for n, i in (second * 2).grad_fn.next_functions if n],
            a.grad_fn.next_functions[0][0].variable is x,
            first.grad_fn.name(),
        ]

    assert program(nnlite) == program(torch)


def test_leaves_and_results(torch):
    def program(library):
        x = library.ones(2, requires_grad=True)
        c = library.ones(2)
        y = x * c
        tensors = [x, c, y, c * 2, y.detach(), x.detach(), x.data, y > 1, x.clone()]
        frozen = library.ones(2, requires_grad=True).requires_grad_(False)
        tensors += [frozen, frozen * 2, frozen + x]
        return [(t.is_leaf, t.requires_grad, t.grad_fn is None) for t in tensors]

    assert program(nnlite) == program(torch)


def test_requires_grad_can_be_switched():
    x = ones(2)
    x.requires_grad = True
    (x * 2).sum().backward()
    x.requires_grad = False
    assert x.grad.tolist() == [2.0, 2.0]
    assert not (x * 2).requires_grad
    x.requires_grad_()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_result_can_be_made_a_leaf():
    x = (leaf() * 2).detach().requires_grad_()
    assert x.is_leaf
    x.sum().backward()
    assert x.grad.tolist() == [1.0] * 3


def test_graph_is_made_afresh_each_time():
    x = leaf()
    results = [(x * 2 if i % 2 else x.exp()).grad_fn.name() for i in range(4)]
    assert results == ["ExpBackward0", "MulBackward0"] * 2


# ---- what goes wrong in the middle --------------------------------------------------------------


class Broken(Node):
    """y = x:   ∂x = an error"""

    __slots__ = ()

    def backward(self, g):
        raise ArithmeticError("broken derivative")


def test_exception_in_a_derivative_leaves_things_usable():
    x, y = leaf(), leaf()
    bad = record(x.array * 1, Broken, (x._node,))
    loss = (bad * 2).sum() + (y * 3).sum()
    for create_graph in (False, True):
        with pytest.raises(ArithmeticError, match="broken derivative"):
            loss.backward(retain_graph=True, create_graph=create_graph)
        assert nnlite.is_grad_enabled()
    assert x.grad is None
    y.grad = None
    (x * y).sum().backward()
    assert x.grad.tolist() == y.grad.tolist() == [1.0, 2.0, 3.0]


def test_exception_in_a_hook_leaves_things_usable():
    x = leaf()

    def hook(g):
        raise KeyError("hook")

    y = x * x
    handle = y.register_hook(hook)
    loss = y.sum()
    for mode in (nnlite.enable_grad, no_grad):
        with mode():
            enabled = nnlite.is_grad_enabled()
            with pytest.raises(KeyError, match="hook"):
                loss.backward(retain_graph=True)
            assert nnlite.is_grad_enabled() == enabled
    handle.remove()
    loss.backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_backward_inside_a_hook():
    x, inner = leaf(), leaf()

    def hook(g):
        with nnlite.enable_grad():
            (inner * inner).sum().backward()

    x.register_hook(hook)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0] * 3
    assert inner.grad.tolist() == [2.0, 4.0, 6.0]


# ---- threads ------------------------------------------------------------------------------------


def run_in_threads(count, work):
    errors = []
    start = threading.Barrier(count)

    def guarded(number):
        try:
            start.wait(10)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_threads_build_and_differentiate_at_once():
    def work(number):
        for i in range(60):
            x = leaf(1.0, 2.0, float(number))
            y = x
            for _ in range(10):
                y = (y * 1.5 + x).tanh() + 1
            y[0] = 0.0
            loss = (y * y).sum()
            (g,) = grad(loss, x, create_graph=True)
            loss.backward()
            np.testing.assert_array_equal(g.detach().numpy(), x.grad.numpy())
            assert nnlite.is_grad_enabled() is True
            if i % 3 == 0:
                with no_grad():
                    assert not (x * 2).requires_grad

    run_in_threads(4, work)


def test_threads_share_leaves():
    """Graphs of their own over common weights: no gradient mixes with another's."""
    w = leaf()
    found = {}

    def work(number):
        for _ in range(50):
            (found[number],) = grad((w * float(number)).tanh().sum() * 2, w)

    run_in_threads(4, work)
    for number, g in found.items():
        expected = 2 * number * (1 - np.tanh(w.detach().numpy() * number) ** 2)
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_graph_made_in_one_thread_is_differentiated_in_another():
    x = leaf()
    loss = (x * x).sum()
    run_in_threads(1, lambda number: loss.backward())
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["max", "min"])
def test_extreme_of_a_vector_along_its_dimension(name, keepdim):
    x = nnlite.tensor([2.0, 3.0, 1.0], requires_grad=True)
    values, indices = getattr(x, name)(0, keepdim)
    (values**2).sum().backward()
    expected = [0.0, 6.0, 0.0] if name == "max" else [0.0, 0.0, 2.0]
    assert x.grad.tolist() == expected
    assert indices.shape == values.shape


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_an_element_set_to_a_tensor_of_one_element(shape):
    z = nnlite.zeros(3)
    v = nnlite.full(shape, 6.0, requires_grad=True)
    z[0] = v
    (z * z).sum().backward()
    assert v.grad.tolist() == nnlite.full(shape, 12.0).tolist()


def test_second_derivative_through_an_assignment_with_leading_ones():
    y = nnlite.ones(1, 1, 3, requires_grad=True)
    z = nnlite.zeros(1, 3)
    z[[0]] = y[:1]
    (g,) = nnlite.autograd.grad((z**3).sum(), y, create_graph=True)
    assert nnlite.autograd.grad(g.sum(), y)[0].tolist() == [[[6.0, 6.0, 6.0]]]


def test_grad_takes_torchs_arguments_in_torchs_order():
    x = nnlite.tensor([1.0, -2.0], requires_grad=True)
    y = x**3
    ones = nnlite.ones_like(y)
    (dx,) = nnlite.autograd.grad(y, x, ones, True, True, True, False)
    penalty = nnlite.autograd.grad(dx.norm(), x, only_inputs=True)[0]
    assert dx.tolist() == [3.0, 12.0]
    assert penalty.shape == (2,)
