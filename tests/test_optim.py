"""SGD step by step, and what all optimizers share: groups, state, saving, errors."""

import copy
import itertools
import pickle

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.optim import SGD, Optimizer
from nnlite.optim.plan import SLICE, SMALL

COMBINATIONS = [
    {
        "momentum": momentum,
        "dampening": dampening,
        "weight_decay": weight_decay,
        "nesterov": nesterov,
        "maximize": maximize,
    }
    for momentum, dampening, weight_decay, nesterov, maximize in itertools.product(
        (0, 0.5), (0, 0.5), (0, 0.25), (False, True), (False, True)
    )
    if not nesterov or (momentum and not dampening)
]
SHAPES = [(3, 4), (4,), (), (2, 1, 3), (0,), (1,)]


def name_of(options):
    return " ".join(f"{key}={value}" for key, value in options.items() if value) or "plain"


def by_the_paper(theta, gradients, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
    """The parameter after each step, by the lines of the docstring, in plain NumPy."""
    b = None
    path = []
    kind = theta.dtype.type
    for g in gradients:
        g = -g if maximize else g
        if weight_decay:
            g = g + kind(weight_decay) * theta
        if momentum:
            b = g if b is None else kind(momentum) * b + kind(1 - dampening) * g
            g = g + kind(momentum) * b if nesterov else b
        theta = theta - kind(lr) * g
        path.append(theta)
    return path


def steps(shapes, dtype, count, seed=0):
    """Start values, and gradients for each step."""
    rng = np.random.default_rng(seed)
    values = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    gradients = [
        [rng.standard_normal(shape).astype(dtype) for shape in shapes] for _ in range(count)
    ]
    return values, gradients


def run(lib, values, gradients, dtype, lr, **options):
    """The parameters after each step of ``lib``'s SGD."""
    params = [lib.tensor(value, requires_grad=True) for value in values]
    optimizer = lib.optim.SGD(params, lr=lr, **options)
    path = []
    for of_step in gradients:
        for p, g in zip(params, of_step):
            p.grad = lib.tensor(g)
        optimizer.step()
        path.append([p.detach().numpy().copy() for p in params])
    return path


# ---- SGD ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", COMBINATIONS, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_follows_the_paper_to_the_last_bit(options, dtype):
    values, gradients = steps(SHAPES, dtype, 20)
    path = run(nnlite, values, gradients, dtype, lr=0.1, **options)
    for i, value in enumerate(values):
        expected = by_the_paper(value, [of_step[i] for of_step in gradients], lr=0.1, **options)
        for mine, theirs in zip(path, expected):
            assert mine[i].dtype == dtype
            assert mine[i].tobytes() == np.asarray(theirs).tobytes()


@pytest.mark.parametrize("options", COMBINATIONS, ids=name_of)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_is_torchs(torch, options, dtype):
    # torch multiplies and adds in one rounding; where the factors are powers of two that rounding
    # is the only one here too, and the results are equal to the last bit.
    values, gradients = steps(SHAPES, dtype, 20)
    mine = run(nnlite, values, gradients, dtype, lr=0.125, **options)
    theirs = run(torch, values, gradients, dtype, lr=0.125, **options)
    for a, b in zip(itertools.chain(*mine), itertools.chain(*theirs)):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("options", COMBINATIONS, ids=name_of)
def test_sgd_is_torchs_for_any_options(torch, options):
    changed = {
        **options,
        "momentum": options["momentum"] * 1.8,
        "weight_decay": options["weight_decay"] * 0.3,
        "dampening": options["dampening"] * 0.7,
    }
    values, gradients = steps(SHAPES, "float64", 20)
    mine = run(nnlite, values, gradients, "float64", lr=0.013, **changed)
    theirs = run(torch, values, gradients, "float64", lr=0.013, **changed)
    for a, b in zip(itertools.chain(*mine), itertools.chain(*theirs)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_sgd_recorded():
    # From torch 2.13, float64.
    w = nnlite.tensor([1.0, -2.0, 0.5], dtype=nnlite.float64, requires_grad=True)
    optimizer = SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
    for _ in range(3):
        optimizer.zero_grad()
        (w**3).sum().backward()
        optimizer.step()
    recorded = [-0.1890060032796373, -160.7544762737515, 0.10745561700114473]
    np.testing.assert_allclose(w.detach().numpy(), recorded, rtol=1e-13)


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, SLICE + 3, 2 * SLICE])
@pytest.mark.parametrize("options", COMBINATIONS[-3:], ids=name_of)
def test_large_parameters_take_the_same_steps(size, options):
    values, gradients = steps([(size,), (5, 3)], "float32", 3)
    path = run(nnlite, values, gradients, "float32", lr=0.1, **options)
    for i, value in enumerate(values):
        expected = by_the_paper(value, [of_step[i] for of_step in gradients], lr=0.1, **options)
        assert path[-1][i].tobytes() == expected[-1].tobytes()


@pytest.mark.parametrize("shape", [(4, 6), (200, 300)])
@pytest.mark.parametrize("options", COMBINATIONS[-3:], ids=name_of)
def test_any_layout_in_memory(shape, options):
    values, gradients = steps([shape], "float32", 3)
    expected = by_the_paper(values[0], [g[0] for g in gradients], lr=0.1, **options)[-1]
    turned = nnlite.from_numpy(np.asfortranarray(values[0])).requires_grad_()
    strided = nnlite.from_numpy(np.repeat(values[0], 2, axis=1)[:, ::2]).requires_grad_()
    plain = nnlite.tensor(values[0], requires_grad=True)
    optimizer = SGD([turned, strided, plain], lr=0.1, **options)
    for (g,) in gradients:
        for p, layout in ((turned, g), (strided, np.asfortranarray(g)), (plain, g[::-1][::-1])):
            p.grad = nnlite.from_numpy(layout)
        optimizer.step()
    for p in (turned, strided, plain):
        assert np.array_equal(p.detach().numpy(), expected)


def test_a_loaded_state_of_another_layout():
    (value,), gradients = steps([(200, 300)], "float32", 3)
    options = COMBINATIONS[-1]
    w = nnlite.tensor(value, requires_grad=True)
    optimizer = SGD([w], lr=0.1, **options)
    for (g,) in gradients:
        w.grad = nnlite.tensor(g)
        optimizer.step()
        state = optimizer.state[w]
        turned = np.asfortranarray(state["momentum_buffer"].numpy())
        state["momentum_buffer"] = nnlite.from_numpy(turned)
    expected = by_the_paper(value, [g for (g,) in gradients], lr=0.1, **options)[-1]
    assert w.detach().numpy().tobytes() == expected.tobytes()


def test_dtypes_side_by_side():
    single = nnlite.ones(3, requires_grad=True)
    double = nnlite.ones(3, dtype=nnlite.float64, requires_grad=True)
    optimizer = SGD([single, double], lr=0.1, momentum=0.9)
    for _ in range(2):
        optimizer.zero_grad()
        (single.sum() + double.sum()).backward()
        optimizer.step()
    assert single.dtype == optimizer.state[single]["momentum_buffer"].dtype == nnlite.float32
    assert double.dtype == optimizer.state[double]["momentum_buffer"].dtype == nnlite.float64
    assert double.tolist() == [1 - 0.1 - 0.1 * (0.9 + 1)] * 3


def test_parameters_whose_gradients_come_later():
    # Each has its first step (which sets the momentum without dampening) when it first has one.
    values, gradients = steps([(2,), (3,)], "float64", 6)
    a, b = (nnlite.tensor(value, requires_grad=True) for value in values)
    options = {**COMBINATIONS[0], "momentum": 0.5, "dampening": 0.5}
    optimizer = SGD([a, b], lr=0.1, momentum=0.5, dampening=0.5)
    seen = {0: [], 1: []}
    for step, of_step in enumerate(gradients):
        optimizer.zero_grad()
        for i, p in enumerate((a, b)):
            if i == 0 or step in (2, 4, 5):
                p.grad = nnlite.tensor(of_step[i])
                seen[i].append(of_step[i])
        optimizer.step()
    for i, p in enumerate((a, b)):
        expected = by_the_paper(values[i], seen[i], lr=0.1, **options)[-1]
        assert p.detach().numpy().tobytes() == expected.tobytes()


def test_options_may_change_between_steps():
    values, gradients = steps([(3, 2), (2,)], "float32", 4)
    params = [nnlite.tensor(value, requires_grad=True) for value in values]
    optimizer = SGD(params, lr=0.1)
    theta = values[0]
    b = None
    for step, of_step in enumerate(gradients):
        group = optimizer.param_groups[0]
        group["lr"] = np.float64(0.1 / (step + 1))  # as a schedule may leave it
        group["momentum"] = 0.0 if step < 2 else 0.9
        for p, g in zip(params, of_step):
            p.grad = nnlite.tensor(g)
        optimizer.step()
        g = of_step[0]
        if step >= 2:
            b = g if b is None else np.float32(0.9) * b + g
            g = b
        theta = theta - np.float32(0.1 / (step + 1)) * g
    assert params[0].dtype == nnlite.float32
    assert params[0].detach().numpy().tobytes() == theta.tobytes()


def test_the_gradient_and_the_memory_stay_as_they_are():
    w = nnlite.ones(3, requires_grad=True)
    memory = w.data_ptr()
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}
    optimizer = SGD([w], nesterov=True, **options)
    for _ in range(3):
        w.grad = nnlite.tensor([1.0, 2.0, 3.0])
        optimizer.step()
        assert w.grad.tolist() == [1.0, 2.0, 3.0]
        assert w.data_ptr() == memory
        assert w.requires_grad
        assert w.is_leaf
        buffer = optimizer.state[w]["momentum_buffer"]
    assert optimizer.state[w]["momentum_buffer"] is buffer


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}])
def test_a_step_allocates_nothing_of_the_parameters_size(options):
    import tracemalloc

    params = [nnlite.ones(400, 500, requires_grad=True), nnlite.ones(5000, requires_grad=True)]
    for p in params:
        p.grad = nnlite.ones(*p.shape)
    optimizer = SGD(params, lr=0.1, **options)
    optimizer.step()
    tracemalloc.start()
    try:
        for _ in range(3):
            optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096


def test_a_backward_that_would_read_updated_weights_is_refused():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = SGD([w], lr=0.1)
    loss = (w * w).sum()
    for _ in range(2):
        w.grad = nnlite.ones(2)
        optimizer.step()
        before = w._version
        with pytest.raises(RuntimeError, match="the step of an optimizer"):
            loss.backward(retain_graph=True)
        loss = (w * w).sum()
        w.grad = None
        loss.backward(retain_graph=True)
        optimizer.step()
        assert w._version == before + 1


def test_replaced_memory_is_noticed():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = SGD([w], lr=1.0, momentum=0.5)

    def step():
        w.grad = nnlite.ones(2)
        optimizer.step()
        return w.tolist()[0]

    assert step() == 0
    w.data = nnlite.tensor([10.0, 10.0])
    assert step() == 8.5
    optimizer.state[w]["momentum_buffer"] = nnlite.tensor([4.0, 4.0])
    assert step() == 5.5
    optimizer.state.clear()
    assert step() == 4.5
    optimizer.state[w]["momentum_buffer"] = nnlite.ones(3)
    with pytest.raises(ValueError, match=r"'momentum_buffer' has the shape \[3\]"):
        step()


def test_a_model_that_changes_its_dtype():
    model = nn.Linear(2, 1)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    for dtype in (nnlite.float32, nnlite.float64, nnlite.float32):
        model.to(dtype)
        optimizer.zero_grad()
        model(nnlite.ones(1, 2, dtype=dtype)).sum().backward()
        optimizer.step()
        assert optimizer.state[model.weight]["momentum_buffer"].dtype == dtype
        assert model.weight.dtype == dtype


def test_the_closure():
    w = nnlite.tensor([3.0], requires_grad=True)
    optimizer = SGD([w], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with nnlite.no_grad():
        assert optimizer.step(closure).item() == 9
    assert w.item() == pytest.approx(2.4)


# ---- groups -------------------------------------------------------------------------------------


def test_groups_have_their_own_options():
    a, b, c = (nnlite.ones(2, requires_grad=True) for _ in range(3))
    optimizer = SGD([{"params": [a], "lr": 1.0}, {"params": b, "name": "b"}], lr=0.5)
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    for p in (a, b, c):
        p.grad = nnlite.ones(2)
    optimizer.step()
    assert [p.tolist()[0] for p in (a, b, c)] == [0.0, 0.5, 0.0]
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.5, 0.5]
    assert optimizer.param_groups[1]["name"] == "b"


def test_named_parameters():
    model = nn.Linear(2, 1)
    optimizer = SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.param_groups[0]["params"][0] is model.weight
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    with pytest.raises(ValueError, match="either all groups"):
        optimizer.add_param_group({"params": [nnlite.ones(1, requires_grad=True)]})


def test_zero_grad():
    w, other = nnlite.ones(2, requires_grad=True), nnlite.ones(1, requires_grad=True)
    optimizer = SGD([w, other])
    w.grad = kept = nnlite.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0.0, 0.0]
    assert np.shares_memory(w.grad.numpy(), kept.numpy())
    assert other.grad is None
    optimizer.zero_grad()
    assert w.grad is None


def test_printing(torch):
    def build(lib):
        a, b = (lib.ones(1, requires_grad=True) for _ in range(2))
        return lib.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], momentum=0.9)

    assert repr(build(nnlite)) == repr(build(torch))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda w: SGD([]), ValueError, r"SGD: there are no parameters.*model\.parameters\(\)"),
        (lambda w: SGD(w), TypeError, "got one Tensor; put it into a list"),
        (lambda w: SGD({"params": [w]}), TypeError, "got one dict"),
        (lambda w: SGD({w}), TypeError, "set"),
        (lambda w: SGD(3), TypeError, "iterable of tensors or dicts, got int"),
        (lambda w: SGD([w, w]), ValueError, "parameter 1 has been given twice"),
        (lambda w: SGD([("a", w), ("b", w)]), ValueError, "parameter 'b' has been given twice"),
        (lambda w: SGD([{"params": [w]}, {"params": [w]}]), ValueError, "twice"),
        (lambda w: SGD([w * 2]), ValueError, "parameter 0 is not a leaf.*MulBackward0"),
        (lambda w: SGD([w, 1.0]), TypeError, "parameter 1 must be a Tensor, got float"),
        (lambda w: SGD([("a", w), nnlite.ones(1)]), ValueError, "either all parameters"),
        (lambda w: SGD([{"parms": [w]}]), TypeError, "a dict with 'params'"),
        (lambda w: SGD([{"params": [w]}, 3]), TypeError, "a dict with 'params', got 3"),
        (lambda w: SGD([{"params": [w], "weight_decy": 1}]), ValueError, "'weight_decay' meant"),
        (lambda w: SGD([w], lr=-1), ValueError, "SGD: lr must be a number of at least 0, got -1"),
        (lambda w: SGD([w], lr=float("nan")), ValueError, "lr .* got nan"),
        (lambda w: SGD([w], lr="0.1"), TypeError, "lr must be a Python number, got '0.1'"),
        (lambda w: SGD([w], momentum=-0.1), ValueError, "momentum"),
        (lambda w: SGD([w], weight_decay=-0.1), ValueError, "weight_decay"),
        (lambda w: SGD([{"params": [w], "lr": -1}]), ValueError, "lr"),
        (lambda w: SGD([w], nesterov=True), ValueError, "nesterov needs a momentum above 0"),
        (lambda w: SGD([w], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov"),
        (lambda w: SGD([w], differentiable=True), NotImplementedError, "differentiable"),
        (lambda w: SGD([w], learning_rate=0.1), TypeError, "learning_rate"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(nnlite.ones(2, requires_grad=True))


def test_a_group_that_is_refused_is_not_added():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = SGD([w])
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": [nnlite.ones(1, requires_grad=True)], "lr": -1})
    assert len(optimizer.param_groups) == 1


def test_numpys_numbers_become_pythons():
    optimizer = SGD([nnlite.ones(2, requires_grad=True)], lr=np.float32(0.5))
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_an_optimizer_of_ones_own():
    class SignDescent(Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with nnlite.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.add_(p.grad.sign(), alpha=-group["lr"])
                        self.state[p]["step"] = self.state[p].get("step", 0) + 1

    w = nnlite.tensor([1.0, -1.0], requires_grad=True)
    optimizer = SignDescent([w], lr=0.5)
    (w * w).sum().backward()
    optimizer.step()
    assert w.tolist() == [0.5, -0.5]
    assert optimizer.state_dict()["state"] == {0: {"step": 1}}
    with pytest.raises(NotImplementedError, match="step is missing"):
        Optimizer([w], {}).step()


# ---- saving and loading -------------------------------------------------------------------------


def model_and_optimizer(seed, **options):
    nnlite.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.02}]
    return model, SGD(groups, lr=0.1, **options)


def train(model, optimizer, first, last):
    for step in range(first, last):
        x = nnlite.randn(5, 3, generator=nnlite.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def bytes_of(model):
    return [p.detach().numpy().tobytes() for p in model.parameters()]


def test_the_format_is_torchs(torch):
    def save(lib):
        w, b = lib.ones(2, requires_grad=True), lib.ones(1, requires_grad=True)
        optimizer = lib.optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.5}], momentum=0.9)
        w.grad = lib.ones(2)
        b.grad = lib.ones(1)
        optimizer.step()
        return optimizer.state_dict()

    mine, theirs = save(nnlite), save(torch)
    # Newer versions of torch have more keys.
    for group, other in zip(mine["param_groups"], theirs["param_groups"]):
        assert {key: other[key] for key in group} == group
    assert [
        {number: {key: value.tolist() for key, value in entry.items()}}
        for number, entry in mine["state"].items()
    ] == [
        {number: {key: value.tolist() for key, value in entry.items()}}
        for number, entry in theirs["state"].items()
    ]


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "weight_decay": 0.1}])
def test_a_loaded_optimizer_goes_on_to_the_last_bit(options):
    model, optimizer = model_and_optimizer(0, **options)
    train(model, optimizer, 0, 5)
    saved = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    train(model, optimizer, 5, 10)
    twin, other = model_and_optimizer(1)
    train(twin, other, 0, 2)
    twin.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    assert other.param_groups[0].keys() == optimizer.param_groups[0].keys()
    train(twin, other, 5, 10)
    assert bytes_of(model) == bytes_of(twin)
    # What was loaded is copied: the saved state is as it was.
    third, fresh = model_and_optimizer(2)
    third.load_state_dict(saved[0])
    fresh.load_state_dict(saved[1])
    train(third, fresh, 5, 10)
    assert bytes_of(model) == bytes_of(third)


def test_a_copied_optimizer_goes_on_by_itself():
    model, optimizer = model_and_optimizer(0, momentum=0.9)
    train(model, optimizer, 0, 3)
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        twin, other = copied((model, optimizer))
        assert other.param_groups[0]["params"][0] is twin[0].weight
        before = bytes_of(model)
        train(twin, other, 3, 5)
        assert bytes_of(model) == before
        third, last = copied((model, optimizer))
        train(third, last, 3, 5)
        assert bytes_of(third) == bytes_of(twin)
    train(model, optimizer, 3, 5)
    assert bytes_of(model) == bytes_of(twin)


def test_loading_what_does_not_fit():
    model, optimizer = model_and_optimizer(0, momentum=0.9)
    train(model, optimizer, 0, 1)
    state = copy.deepcopy(optimizer.state_dict())
    other = SGD(model.parameters())
    with pytest.raises(ValueError, match=r"groups of \[2, 2\] parameters, this one of \[4\]"):
        other.load_state_dict(state)
    with pytest.raises(TypeError, match="'state' and 'param_groups'"):
        other.load_state_dict({"weight": 1})
    bad = copy.deepcopy(state)
    bad["state"][1]["momentum_buffer"] = nnlite.ones(7)
    with pytest.raises(ValueError, match=r"'momentum_buffer' of parameter 1 has the shape \[7\]"):
        optimizer.load_state_dict(bad)
    bad = copy.deepcopy(state)
    bad["param_groups"][1]["lr"] = -1
    bad["param_groups"][0]["lr"] = 7
    with pytest.raises(ValueError, match="lr"):
        optimizer.load_state_dict(bad)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_loading_takes_the_parameters_dtype_and_nothing_for_none():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = SGD([w], momentum=0.9)
    saved = optimizer.state_dict()
    double = nnlite.ones(2, dtype=nnlite.float64)
    count = nnlite.tensor(3)
    state = {"momentum_buffer": double, "x": None, "count": count, "step": double.sum()}
    optimizer.load_state_dict({**saved, "state": {0: state}})
    count += 1
    assert optimizer.state[w]["count"].item() == 3
    assert optimizer.state[w]["step"].dtype == nnlite.float64
    assert optimizer.state[w]["momentum_buffer"].dtype == nnlite.float32
    assert optimizer.state[w]["x"] is None
    optimizer.load_state_dict({**saved, "state": {0: {"momentum_buffer": None}}})
    w.grad = nnlite.ones(2)
    optimizer.step()
    assert optimizer.state[w]["momentum_buffer"].tolist() == [1.0, 1.0]


def test_a_parameter_replaced_after_backward_is_named_and_leaves_no_state():
    w, v = nnlite.ones(3, requires_grad=True), nnlite.ones(2, requires_grad=True)
    optimizer = SGD([w, v], lr=0.1, momentum=0.9)
    (w.sum() + v.sum()).backward()
    w.data = nnlite.ones(4)
    with pytest.raises(ValueError, match=r"shape \[3\], its parameter now \[4\]"):
        optimizer.step()
    assert not optimizer.state[w]
    assert not optimizer.state[v]
    assert v.tolist() == [1.0, 1.0]
