"""autograd.Function: the same definitions run in torch, and what nnlite refuses beyond torch."""

import copy
import gc
import weakref

import numpy as np
import pytest

import nnlite
from nnlite.autograd import Function, grad, gradcheck, gradgradcheck
from nnlite.autograd.function import once_differentiable

X = np.array([0.5, -1.25, 2.0])
Y = np.array([1.5, 0.75, -0.25])


def from_input(base):
    class Cube(base):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    return Cube.apply, (X,)


def from_output(base):
    class Exp(base):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    return Exp.apply, (X,)


def two_of_both(base):
    class ProductAndSum(base):
        @staticmethod
        def forward(ctx, x, factor, y):
            ctx.save_for_backward(x, y)
            ctx.factor = factor
            return x * y * factor, x + y

        @staticmethod
        def backward(ctx, g_product, g_sum):
            x, y = ctx.saved_tensors
            g = g_product * ctx.factor
            return g * y + g_sum, None, g * x + g_sum

    return lambda x, y: ProductAndSum.apply(x, 2.5, y), (X, Y)


def saved_outputs(base):
    """Second derivatives go through both outputs, each at its own place in the graph."""

    class ExpAndSquare(base):
        @staticmethod
        def forward(ctx, x):
            outputs = x.exp(), x * x
            ctx.save_for_backward(x, *outputs)
            return outputs

        @staticmethod
        def backward(ctx, g_exp, g_square):
            x, exp, square = ctx.saved_tensors
            return g_exp * exp + g_square * 2 * square / x

    return ExpAndSquare.apply, (X,)


def with_setup_context(base):
    class Scale(base):
        @staticmethod
        def forward(x, y, factor=2.0):
            return x * y * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y, ctx.factor = inputs
            ctx.save_for_backward(x, y)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y * ctx.factor, g * x * ctx.factor, None

    return lambda x, y: Scale.apply(x, y) + Scale.apply(x, y=y, factor=3.0), (X, Y)


def only_what_is_needed(base):
    class Product(base):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, y)
            return x * y

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y, g * x if ctx.needs_input_grad[1] else None

    return Product.apply, (X, Y)


def too_large_gradients(base):
    """torch sums a gradient that is as large as a broadcast input."""

    class Add(base):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g, g, None

    return lambda x, y: Add.apply(x, y[:1]), (X, Y)


def identity(base):
    class Reverse(base):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -g

    return Reverse.apply, (X,)


def with_indices(base):
    class Sort(base):
        @staticmethod
        def forward(ctx, x):
            order = x > 0
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(order)
            return x * 2, order

        @staticmethod
        def backward(ctx, g, g_order):
            assert g_order.shape == g.shape
            assert not g_order.any()
            return g * 2

    return lambda x: Sort.apply(x)[0], (X,)


def unmaterialized(base):
    class Split(base):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            assert first is None
            return second * 3

    return lambda x: Split.apply(x)[1], (X,)


def in_place(base):
    class Triple(base):
        @staticmethod
        def forward(ctx, x):
            x.mul_(3)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    def run(x):
        h = x * 1
        y = Triple.apply(h)
        assert y is h
        return y * y

    return run, (X,)


def in_place_and_saved(base):
    class Exp(base):
        @staticmethod
        def forward(ctx, x):
            x.copy_(x.exp())
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    return lambda x: Exp.apply(x * 1) * 1, (X,)


def without_derivative(base):
    class Mean(base):
        @staticmethod
        def forward(ctx, x):
            mean = x.mean()
            ctx.mark_non_differentiable(mean)
            return x * 2, mean

        @staticmethod
        def backward(ctx, g, g_mean):
            assert g_mean.item() == 0
            h = g.clone()
            h.mul_(2)
            return h

    def run(x):
        y, mean = Mean.apply(x)
        assert not mean.requires_grad
        return y + mean

    return run, (X,)


def through_captured_tensor(base):
    """A saved tensor that is neither input nor output but has a graph of its own keeps it."""

    class Times(base):
        @staticmethod
        def forward(ctx, x, holder):
            ctx.save_for_backward(x, holder[0])
            return x * holder[0]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[1], None

    return lambda x, y: Times.apply(x, [y * 2]), (X, Y)


KINDS = [
    from_input, from_output, two_of_both, saved_outputs, with_setup_context, only_what_is_needed,
    too_large_gradients, identity, with_indices, unmaterialized, in_place, in_place_and_saved,
    without_derivative, through_captured_tensor,
]  # fmt: skip


def results(library, make, kind, computed):
    """Outputs, their names, first derivatives, and second derivatives of one kind of Function."""
    call, values = kind(library.autograd.Function)
    xs = [make(v).requires_grad_() for v in values]
    outputs = call(*(x * 1 for x in xs) if computed else xs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = sum((y * y).sum() for y in outputs)
    first = library.autograd.grad(loss, xs, create_graph=True, allow_unused=True)
    penalty = sum((g * g).sum() for g in first if g is not None)
    second = library.autograd.grad(penalty, xs, allow_unused=True)
    values = [t.detach().numpy() for t in (*outputs, *first, *second) if t is not None]
    missing = [t is None for t in (*first, *second)]
    return values, missing, [y.grad_fn.name() for y in outputs]


@pytest.mark.parametrize("computed", [False, True], ids=["leaves", "computed inputs"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_does_what_torch_does(kind, computed, torch):
    ours, our_missing, our_names = results(nnlite, nnlite.tensor, kind, computed)
    theirs, their_missing, their_names = results(torch, torch.tensor, kind, computed)
    assert our_names == their_names
    assert our_missing == their_missing
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize(
    "kind",
    [k for k in KINDS if k not in (identity, without_derivative)],
    ids=lambda kind: kind.__name__,
)
def test_differences(kind):
    """Where ``backward`` is the true derivative, the checker finds it so (two of them lie)."""
    call, values = kind(Function)
    xs = [nnlite.tensor(v, requires_grad=True) for v in values]
    if kind is through_captured_tensor:
        xs = [xs[0], xs[1].detach()]  # its first derivative ignores the captured tensor, as torch's
    assert gradcheck(call, xs)
    assert gradgradcheck(call, xs)


def test_gradients_are_accumulated_like_others():
    cube, _ = from_input(Function)
    x = nnlite.tensor(X, requires_grad=True)
    (cube(x) + x).sum().backward()
    (cube(x) * 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 9 * X**2 + 1)


def test_printed_form():
    exp, _ = from_output(Function)
    y = exp(nnlite.tensor([0.0], requires_grad=True))
    assert repr(y) == "tensor([1.], grad_fn=<ExpBackward>)"
    assert repr(y.grad_fn).startswith("<nnlite.autograd.function.ExpBackward object at 0x")
    assert type(y.grad_fn).__name__ == "ExpBackward"


def test_what_forward_set_on_ctx_can_be_read_from_grad_fn():
    product, _ = two_of_both(Function)
    x = nnlite.tensor(X, requires_grad=True)
    y, _ = product(x, nnlite.tensor(Y))
    assert y.grad_fn.factor == 2.5
    assert y.grad_fn.saved_tensors[0] is x
    assert y.grad_fn.needs_input_grad == (True, False, False)
    with pytest.raises(AttributeError, match="unheard_of"):
        y.grad_fn.unheard_of  # noqa: B018


def test_input_that_needs_no_gradient_gets_none():
    seen = []

    class Sum(Function):
        @staticmethod
        def forward(ctx, x, y):
            seen.append(ctx.needs_input_grad)
            return x + y

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return g, g

    x, y = nnlite.ones(1, requires_grad=True), nnlite.ones(1)
    Sum.apply(x, y).backward()
    assert y.grad is None
    y.requires_grad_()
    grad(Sum.apply(x, y), y)
    assert seen == [(True, False), (True, False), (True, True), (False, True)]


def test_nothing_is_recorded_in_forward_or_without_need():
    class Look(Function):
        @staticmethod
        def forward(ctx, x):
            assert not nnlite.is_grad_enabled()
            return x * 2

        @staticmethod
        def backward(ctx, g):
            assert not nnlite.is_grad_enabled()
            return g * 2

    x = nnlite.ones(1, requires_grad=True)
    assert not Look.apply(x.detach()).requires_grad
    with nnlite.no_grad():
        assert not Look.apply(x).requires_grad
    Look.apply(x).backward()
    assert x.grad.item() == 2


def test_outputs_that_are_no_tensors_pass_through():
    class Several(Function):
        @staticmethod
        def forward(ctx, x):
            return "name", x * 2, None, x > 0

        @staticmethod
        def backward(ctx, name, g, nothing, mask):
            assert name is None
            assert nothing is None
            return g * 2

    x = nnlite.ones(2, requires_grad=True)
    name, y, nothing, mask = Several.apply(x)
    assert (name, nothing, mask.requires_grad) == ("name", None, False)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_output_does_not_share_changes_with_the_input():
    """A result that is its input is a view of it: changing it in place is refused as for views."""
    reverse, _ = identity(Function)
    x = nnlite.tensor(X, requires_grad=True) * 1
    y = reverse(x)
    assert y is not x
    with pytest.raises(RuntimeError, match="view"):
        y.mul_(2)

    class Second(Function):
        @staticmethod
        def forward(ctx, x, y):
            return y

        @staticmethod
        def backward(ctx, g):
            return None, g

    z = Second.apply(nnlite.ones(3, requires_grad=True), x)
    z.mul_(2)
    np.testing.assert_array_equal(x.detach().numpy(), X)


def test_without_a_graph_too_the_output_is_another_tensor():
    reverse, _ = identity(Function)
    x = nnlite.tensor(X)
    assert reverse(x) is not x
    assert apply(changes_and_marks, x) is x
    assert x.tolist() == (2 * X).tolist()


def test_forward_may_change_what_needs_no_gradient():
    """Running statistics, say. A count beside them does not disturb."""

    class Track(Function):
        @staticmethod
        def forward(ctx, x, running, count):
            running.add_(x)
            return x * count

        @staticmethod
        def backward(ctx, g):
            return g * 2, None, None

    x, running = nnlite.tensor(X, requires_grad=True), nnlite.zeros(3, dtype=nnlite.float64)
    Track.apply(x, running, 2).sum().backward()
    assert running.tolist() == X.tolist()
    assert x.grad.tolist() == [2, 2, 2]


def test_views_of_what_is_changed_in_place_are_refused():
    def used(base):
        view = base[:2]
        y = apply(changes_and_marks, base)
        (view * y[:2]).sum().backward()

    with pytest.raises(RuntimeError, match=r"BasicIndexBackward0|SliceBackward0|view"):
        used(nnlite.tensor(X, requires_grad=True) * 1)
    factor = nnlite.tensor(X, requires_grad=True)
    data = nnlite.tensor(Y)
    view = data[:2]

    def write(ctx, x, y):
        ctx.mark_dirty(x)
        return x.copy_(y)

    y = simple(write, lambda ctx, g: (None, g)).apply(data, factor)
    assert y is data
    with pytest.raises(RuntimeError, match="view of a tensor was used after"):
        (view * factor[:2]).sum().backward()


def test_view_of_a_base_that_changes_later_is_refused():
    reverse, _ = identity(Function)
    base = nnlite.tensor(X, requires_grad=True) * 1
    view = reverse(base)
    base.add_(1)
    with pytest.raises(RuntimeError, match="ReverseBackward"):
        (view * 2).sum().backward()


def test_gradient_may_be_the_saved_tensor_or_one_for_two():
    """What backward returns may be known to others: the engine must not write into it."""

    class Square(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x)
            return x * x / 2 + y

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return x, x

    x = nnlite.tensor(X, requires_grad=True)
    y = nnlite.tensor(Y, requires_grad=True)
    (Square.apply(x, y).sum() + (x * 10).sum() + y.sum()).backward()
    np.testing.assert_array_equal(x.detach().numpy(), X)
    np.testing.assert_allclose(x.grad.numpy(), X + 10)
    np.testing.assert_allclose(y.grad.numpy(), X + 1)
    assert not np.shares_memory(x.grad.numpy(), x.detach().numpy())


def test_gradient_that_is_a_saved_tensor_is_copied():
    class Line(Function):
        @staticmethod
        def forward(ctx, x, slope):
            ctx.save_for_backward(slope)
            return x * slope

        @staticmethod
        def backward(ctx, g):
            return ctx.saved_tensors[0], None

    x, slope = nnlite.tensor(X, requires_grad=True), nnlite.tensor(Y)
    Line.apply(x, slope).sum().backward()
    assert x.grad.tolist() == Y.tolist()
    assert not np.shares_memory(x.grad.numpy(), slope.numpy())


def test_saved_values_are_freed_by_backward():
    freed = []

    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            freed.append(weakref.ref(y.array))
            ctx.save_for_backward(y.detach())
            return y + 1

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    y = Exp.apply(nnlite.tensor(X, requires_grad=True))
    assert freed[0]() is not None
    y.sum().backward()
    assert freed[0]() is None


def test_saved_leaf_whose_data_was_exchanged():
    """The value is the one of the forward pass, its place in the graph is the leaf's."""
    cube, _ = from_input(Function)
    x = nnlite.tensor(X, requires_grad=True)
    y = cube(x)
    x.data = nnlite.tensor(Y)
    (saved,) = y.grad_fn.saved_tensors
    assert saved.tolist() == X.tolist()
    assert saved.is_leaf
    (g,) = grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), 3 * X**2)
    (h,) = grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), 6 * X)
    saved.grad = nnlite.ones(3, dtype=nnlite.float64)
    assert x.grad is saved.grad


def test_gradient_takes_the_dtype_of_its_input():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x.double()

        @staticmethod
        def backward(ctx, g):
            assert g.dtype == nnlite.float64
            return g

    x = nnlite.ones(2, requires_grad=True)
    (g,) = grad(Double.apply(x).sum(), x)
    assert g.dtype == nnlite.float32


def test_backward_may_record_for_itself():
    """A derivative may be computed with autograd itself (as checkpoints do)."""

    class Through(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.tanh()

        @staticmethod
        def backward(ctx, g):
            with nnlite.enable_grad():
                x = ctx.saved_tensors[0].detach().requires_grad_()
                y = x.tanh()
            return grad(y, x, g)

    x = nnlite.tensor(X, requires_grad=True)
    Through.apply(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 - np.tanh(X) ** 2)


# ---- second derivatives that cannot be ----------------------------------------------------------


def saves_an_intermediate(detach):
    class Sigmoid(Function):
        @staticmethod
        def forward(ctx, x):
            e = (-x).exp()
            ctx.save_for_backward(e.detach() if detach else e)
            return 1 / (1 + e)

        @staticmethod
        def backward(ctx, g):
            (e,) = ctx.saved_tensors
            return g * e / (1 + e) ** 2

    return Sigmoid.apply


def test_saved_intermediate_has_first_derivatives_only():
    """torch gives a wrong second derivative here without a word."""
    x = nnlite.tensor(X, requires_grad=True)
    y = saves_an_intermediate(False)(x)
    (g,) = grad(y.sum(), x, create_graph=True)
    s = 1 / (1 + np.exp(-X))
    np.testing.assert_allclose(g.detach().numpy(), s * (1 - s))
    with pytest.raises(RuntimeError, match=r"Sigmoid: a second derivative .* save value.detach"):
        g.sum().backward()
    x = nnlite.tensor(X, requires_grad=True)
    (g,) = grad(saves_an_intermediate(True)(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.numpy(), s * (1 - s))


def test_constants_may_be_saved():
    """What was not computed from the inputs (a mask, say) is a constant for all derivatives."""

    class Dropout(Function):
        @staticmethod
        def forward(ctx, x):
            mask = nnlite.rand(x.shape, dtype=x.dtype) + 0.5
            ctx.save_for_backward(x, mask)
            return x * x * mask

        @staticmethod
        def backward(ctx, g):
            x, mask = ctx.saved_tensors
            return g * 2 * x * mask

    x = nnlite.tensor(X, requires_grad=True)
    (g,) = grad(Dropout.apply(x).sum(), x, create_graph=True)
    (h,) = grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy() * X, g.detach().numpy())


class Doubled(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return nnlite.from_numpy(g.numpy() * 2)


def test_once_differentiable():
    x = nnlite.tensor(X, requires_grad=True)
    Doubled.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    (g,) = grad((Doubled.apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"Doubled: differentiated twice.*once_differentiable"):
        grad(g.sum(), x)
    (g,) = grad(Doubled.apply(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="Doubled: differentiated twice"):
        g.sum().backward()


def test_once_differentiable_with_several_inputs():
    class Product(Function):
        @staticmethod
        def forward(ctx, x, y, factor):
            ctx.save_for_backward(x, y)
            return x * y * factor

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return g * y * 2, g * x * 2, None

    x, y = nnlite.tensor(X, requires_grad=True), nnlite.tensor(Y, requires_grad=True)
    to_x, to_y = grad(Product.apply(x, y, 2).sum(), (x, y), create_graph=True)
    assert to_x.tolist() == (2 * Y).tolist()
    assert to_y.tolist() == (2 * X).tolist()
    with pytest.raises(RuntimeError, match="Product: differentiated twice"):
        to_y.sum().backward()


def test_once_differentiable_does_not_disturb_others():
    x, w = (nnlite.tensor(v, requires_grad=True) for v in (X, Y))
    loss = Doubled.apply(x).sum() + (w**3).sum()
    g_x, g_w = grad(loss, (x, w), create_graph=True)
    (second,) = grad(g_w.sum() + g_x.detach().sum(), w)
    np.testing.assert_allclose(second.numpy(), 6 * Y)


# ---- the graph ----------------------------------------------------------------------------------


def test_freed_values_are_refused():
    cube, _ = from_input(Function)
    x = nnlite.tensor(X, requires_grad=True)
    y = cube(x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time: CubeBackward"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="Cube: the saved tensors have been freed"):
        y.grad_fn.saved_tensors  # noqa: B018


def test_in_place_change_of_a_saved_tensor_is_noticed():
    cube, _ = from_input(Function)
    exp, _ = from_output(Function)
    h = nnlite.tensor(X, requires_grad=True) * 1
    y = cube(h)
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"CubeBackward needs input 0 .* add_"):
        y.sum().backward()
    y = exp(nnlite.tensor(X, requires_grad=True))
    y.mul_(2)
    with pytest.raises(RuntimeError, match=r"ExpBackward needs its output .* mul_"):
        y.sum().backward()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_graph_dies_with_its_last_tensor(kind):
    call, values = kind(Function)
    gc.disable()
    try:
        xs = [nnlite.tensor(v, requires_grad=True) for v in values]
        outputs = call(*xs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        nodes = [weakref.ref(y.grad_fn) for y in outputs]
        loss = sum((y * y).sum() for y in outputs)
        firsts = grad(loss, xs, create_graph=True, allow_unused=True)
        loss.backward()
        assert all(node() is not None for node in nodes)
        del outputs, loss, firsts
        assert [node() for node in nodes] == [None] * len(nodes)
    finally:
        gc.enable()


def test_hooks_of_outputs_see_second_derivatives():
    """A saved output is the very output: gradients that arrive through it are seen by its hook."""
    call, _ = saved_outputs(Function)
    x = nnlite.tensor(X, requires_grad=True)
    exp, square = call(x)
    (g,) = grad(exp.sum() + square.sum(), x, create_graph=True)
    to_exp, to_square = grad(g.sum(), (exp, square))
    assert to_exp.tolist() == [1, 1, 1]
    np.testing.assert_allclose(to_square.numpy(), 2 / X)


def test_node_can_be_copied():
    cube, _ = from_input(Function)
    node = cube(nnlite.tensor(X, requires_grad=True)).grad_fn
    for same in (copy.copy(node), node.copy()):
        assert same.saved_tensors[0].tolist() == X.tolist()


# ---- errors -------------------------------------------------------------------------------------


def simple(forward=lambda ctx, x, y: x * y, backward=lambda ctx, g: (g, g)):
    return type(
        "Mine",
        (Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward)},
    )


def back(backward):
    x, y = nnlite.ones(2, requires_grad=True), nnlite.ones(2, requires_grad=True)
    (simple(backward=backward).apply(x, y) * 2).sum().backward()


@pytest.mark.parametrize(
    ("backward", "error", "words"),
    [
        (lambda ctx, g: g, RuntimeError, "Mine.backward: returned 1 gradients, expected 2"),
        (lambda ctx, g: (g, g, g), RuntimeError, "returned 3 gradients, expected 2"),
        (lambda ctx, g: [g, g], RuntimeError, "returned 1 gradients, expected 2"),
        (
            lambda ctx, g: (g[:1], g),
            RuntimeError,
            r"Mine.backward: gradient 0 has shape \[1\], its input \[2\]",
        ),
        (lambda ctx, g: (g, g[0]), RuntimeError, r"gradient 1 has shape \[\], its input \[2\]"),
        (lambda ctx, g: (g.numpy(), g), TypeError, "gradient 0 must be a Tensor .* got ndarray"),
        (
            lambda ctx, g: (g.add_(g), g),
            RuntimeError,
            "Mine.backward: changed a gradient .* clone",
        ),
    ],
)
def test_wrong_gradients_are_named(backward, error, words):
    with pytest.raises(error, match=words):
        back(backward)


def apply(forward, *args, backward=lambda ctx, *g: g):
    return simple(forward, backward).apply(*args)


LEAF = nnlite.ones(2, requires_grad=True)


def changes_input(ctx, x):
    return x.mul_(2) * 1


def marks_but_keeps(ctx, x):
    ctx.mark_dirty(x)
    return x * 1


def changes_and_marks(ctx, x):
    ctx.mark_dirty(x)
    return x.mul_(2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: simple()(LEAF), TypeError, "call Mine.apply"),
        (lambda: simple().apply(LEAF, y=LEAF), TypeError, r"no keyword arguments, got \['y'\]"),
        (
            lambda: type("Empty", (Function,), {}).apply(LEAF),
            NotImplementedError,
            "Empty.forward is missing",
        ),
        (
            lambda: (
                type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2)})
                .apply(LEAF)
                .sum()
                .backward()
            ),
            NotImplementedError,
            "Half.backward is missing",
        ),
        (lambda: apply(lambda ctx, x: [x * 2], LEAF), TypeError, "tensors in a list.* tuple"),
        (lambda: apply(lambda ctx, x: {"y": x * 2}, LEAF), TypeError, "tensors in a dict"),
        (
            lambda: apply(lambda ctx, x: ctx.save_for_backward(x, 3), LEAF),
            TypeError,
            "argument 1 is of type int",
        ),
        (
            lambda: apply(lambda ctx, x, n: x * n, LEAF, 3).sum().backward(),
            RuntimeError,
            "returned 1 gradients, expected 2",
        ),
        (
            lambda: (
                apply(lambda ctx, x, n: x * n, LEAF, 3, backward=lambda ctx, g: (g, g))
                .sum()
                .backward()
            ),
            RuntimeError,
            "a gradient for input 1, which is no tensor",
        ),
        (lambda: apply(changes_input, LEAF * 1), RuntimeError, r"input 0 in place \(mul_\)"),
        (lambda: apply(marks_but_keeps, LEAF * 1), RuntimeError, "marked dirty is not returned"),
        (lambda: apply(changes_and_marks, LEAF), RuntimeError, "changed a leaf tensor"),
        (lambda: apply(changes_and_marks, (LEAF * 1)[:1]), RuntimeError, "changed a view"),
    ],
)
def test_errors_name_the_function_and_the_cure(call, error, words):
    before = LEAF.detach().clone()
    try:
        with pytest.raises(error, match=words):
            call()
    finally:
        LEAF.detach().copy_(before)


def test_errors_in_backward_leave_the_function_usable():
    fail = [True]

    def backward(ctx, g):
        if fail.pop():
            raise ValueError("not now")
        return g * ctx.saved_tensors[0]

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x / 2

    x = nnlite.tensor(X, requires_grad=True)
    y = apply(forward, x, backward=backward)
    with pytest.raises(ValueError, match="not now"):
        y.sum().backward(retain_graph=True)
    fail.append(False)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), X)
