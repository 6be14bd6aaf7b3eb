"""Every optimizer of the table with each option: torch's steps, state, freezing, memory, errors."""

import copy
import importlib
import inspect
import itertools
import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from optimizers import CASES, ELEMENTWISE, ROWS, SHAPES, STEPS, Run, plain, tensors

import nnlite
from nnlite.io.checkpoint import load_checkpoint, save_checkpoint
from nnlite.optim import plan
from nnlite.optim.line_search import Point, strong_wolfe

REFERENCE = Path(__file__).parent / "reference" / "optimizers.json"


def weight_of(case):
    """How much a case has to do: with how many options that are not off."""
    return sum(map(bool, case.options.values()))


IN_TORCH = [case for case in CASES if case.row.by_hand is None]
EACH = [next(case for case in reversed(CASES) if case.row is row) for row in ROWS]

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
cases_in_torch = pytest.mark.parametrize("case", IN_TORCH, ids=lambda case: case.label)
elementwise = pytest.mark.parametrize("case", ELEMENTWISE, ids=lambda case: case.label)
RICHEST = [max((case for case in CASES if case.row is row), key=weight_of) for row in ROWS]

richest_in_torch = pytest.mark.parametrize(
    "case", [case for case in RICHEST if case in IN_TORCH], ids=lambda case: case.row.name
)
richest_elementwise = pytest.mark.parametrize(
    "case", [case for case in RICHEST if case in ELEMENTWISE], ids=lambda case: case.row.name
)
richest = pytest.mark.parametrize("case", RICHEST, ids=lambda case: case.row.name)
one_each = pytest.mark.parametrize("case", EACH, ids=lambda case: case.row.name)


def assert_close(mine, theirs, dtype, case=None):
    # In float32 an element near 0 is the small difference of large steps, and L-BFGS estimates
    # curvature from the differences of gradients near the minimum.
    rtol, atol = (1e-11, 1e-13) if dtype == "float64" else (2e-5, 2e-5)
    if case is not None and case.row.needs_closure:
        rtol, atol = 10 * rtol, 10 * atol
    for a, b in zip(mine, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def in_bytes(values):
    return [value.tobytes() for value in values]


# ---- the steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@cases_in_torch
def test_twenty_steps_are_torchs(torch, case, dtype):
    mine, theirs = Run(nnlite, case, dtype), Run(torch, case, dtype)
    for _ in range(STEPS):
        assert_close(mine.step().values(), theirs.step().values(), dtype, case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_twenty_steps_as_recorded_or_by_hand(case):
    run = Run(nnlite, case)
    if case.row.by_hand is None:
        found = json.loads(REFERENCE.read_text(encoding="utf-8"))[case.label]
        expected = [np.array(values).reshape(shape) for values, shape in zip(found, SHAPES)]
    else:
        gradients = zip(*(run.gradients(step) for step in range(STEPS)))
        expected = [
            np.asarray(case.row.by_hand(value, of_all_steps, **case.options))
            for value, of_all_steps in zip(run.values(), gradients)
        ]
    assert_close(run.step(STEPS).values(), expected, "float64")


def test_every_recorded_case_is_in_the_table():
    recorded = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert list(recorded) == [case.label for case in IN_TORCH]


@elementwise
def test_gathered_separate_and_in_slices_are_equal_to_the_last_bit(case, monkeypatch):
    gathered = Run(nnlite, case, "float32").step(5)
    monkeypatch.setattr(plan, "SMALL", -1)
    separate = Run(nnlite, case, "float32").step(5)
    monkeypatch.setattr(plan, "SLICE", 5)
    sliced = Run(nnlite, case, "float32").step(5)
    assert {type(c) for c in gathered.optimizer._plans[0].chunks} == {plan.Gathered}
    assert {type(c) for c in separate.optimizer._plans[0].chunks} == {plan.Chunk}
    assert len(sliced.optimizer._plans[0].chunks) > len(separate.optimizer._plans[0].chunks)
    for other in (separate, sliced):
        assert in_bytes(gathered.values()) == in_bytes(other.values())
        state, wanted = (run.optimizer.state_dict()["state"] for run in (other, gathered))
        for number, entry in plain(wanted).items():
            assert list(entry) == list(state[number])
            for key, value in entry.items():
                assert value.tobytes() == state[number][key].numpy().tobytes()


@richest_in_torch
def test_parameters_whose_gradients_come_later(torch, case):
    if case.row.needs_closure:
        return
    runs = [Run(lib, case) for lib in (nnlite, torch)]
    for run in runs:
        for step in range(8):
            for i, (p, g) in enumerate(zip(run.params, run.gradients(step))):
                p.grad = run.lib.tensor(g) if i % 2 == 0 or step in (2, 5, 6) else None
            run.optimizer.step()
    assert_close(runs[0].values(), runs[1].values(), "float64")
    if "step" in runs[0].optimizer.state[runs[0].params[0]]:
        counts = [float(runs[0].optimizer.state[p]["step"]) for p in runs[0].params]
        assert counts == [8, 3, 8, 3, 8, 3]


@richest_elementwise
def test_a_step_allocates_nothing_of_the_parameters_size(case):
    run = Run(nnlite, case, "float32", shapes=[(400, 500), (5000,), (30, 20), (20,)])
    for p, g in zip(run.params, run.gradients(0)):
        p.grad = nnlite.tensor(g)
    for _ in range(2):
        run.optimizer.step()
    tracemalloc.start()
    try:
        for _ in range(3):
            run.optimizer.step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8192


@richest_elementwise
def test_numbers_of_numpy_in_a_group_do_not_change_a_bit(case):
    # As a schedule may leave them: they would promote float32 arrays.
    runs = [Run(nnlite, case, "float32") for _ in range(2)]
    group = runs[0].optimizer.param_groups[0]
    for key, value in group.items():
        if type(value) is float:
            group[key] = np.float64(value)
        elif type(value) is tuple:
            group[key] = tuple(map(np.float64, value))
    assert in_bytes(runs[0].step(5).values()) == in_bytes(runs[1].step(5).values())


# ---- the state ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@richest_in_torch
def test_torchs_state_goes_on_in_nnlite_and_back(torch, case, dtype):
    middle = STEPS // 2
    for first, second in ((torch, nnlite), (nnlite, torch)):
        whole = Run(first, case, dtype).step(middle)
        other = Run(second, case, dtype)
        for p, value in zip(other.params, whole.values()):
            with other.lib.no_grad():
                p.copy_(other.lib.tensor(value))
        saved = tensors(plain(whole.optimizer.state_dict()), second)
        other.optimizer.load_state_dict(saved)
        other.count = middle
        assert_close(other.step(5).values(), whole.step(5).values(), dtype, case)


def ignoring(entry, *keys):
    return {key: value for key, value in entry.items() if key not in keys}


@richest_in_torch
def test_the_state_is_laid_out_as_torchs(torch, case):
    mine, theirs = (Run(lib, case, "float32").step(3) for lib in (nnlite, torch))
    ours, wanted = (plain(run.optimizer.state_dict()) for run in (mine, theirs))
    assert ours["param_groups"] == wanted["param_groups"]
    assert list(ours["param_groups"][0]) == list(wanted["param_groups"][0])
    assert list(ours["state"]) == list(wanted["state"])
    for number, entry in wanted["state"].items():
        # Scratch of torch's L-BFGS.
        entry = ignoring(entry, "al")
        assert list(ours["state"][number]) == list(entry)
        for key, value in entry.items():
            if isinstance(value, np.ndarray) and key != "t":
                assert ours["state"][number][key].dtype == value.dtype
                assert ours["state"][number][key].shape == value.shape
    assert repr(mine.optimizer) == repr(theirs.optimizer)


@pytest.mark.parametrize("way", ["copied", "file", "pickled"])
@richest
def test_a_loaded_state_goes_on_to_the_last_bit(case, way, tmp_path):
    run = Run(nnlite, case, "float32").step(5)
    values = run.values()
    state = run.optimizer.state_dict()
    if way == "copied":
        state = copy.deepcopy(state)
    elif way == "file":
        save_checkpoint(state, tmp_path / "state")
        state = load_checkpoint(tmp_path / "state")
    else:
        state = pickle.loads(pickle.dumps(state))
    run.step(5)
    twin = Run(nnlite, case, "float32", seed=1).step(2)
    twin.seed, twin.count, twin.targets = run.seed, 5, run.targets
    for p, value in zip(twin.params, values):
        p.data = nnlite.tensor(value)
    twin.optimizer.load_state_dict(state)
    assert in_bytes(twin.step(5).values()) == in_bytes(run.values())


@richest
def test_a_copy_goes_on_by_itself(case):
    run = Run(nnlite, case, "float32").step(3)
    twin = copy.copy(run)
    twin.params, twin.optimizer = copy.deepcopy((run.params, run.optimizer))
    before = run.values()
    twin.step(3)
    assert in_bytes(run.values()) == in_bytes(before)
    assert in_bytes(run.step(3).values()) == in_bytes(twin.values())


@one_each
def test_a_state_of_another_model_is_refused(case):
    run = Run(nnlite, case).step()
    state = copy.deepcopy(run.optimizer.state_dict())
    arrays = {key: value for key, value in state["state"][0].items() if hasattr(value, "shape")}
    key = next((key for key, value in arrays.items() if value.ndim), None)
    if key is None:
        return
    state["state"][0][key] = nnlite.ones(7)
    with pytest.raises(ValueError, match=rf"'{key}'.*has the shape \[7\]"):
        run.optimizer.load_state_dict(state)


def test_counters_that_were_changed_by_hand_count():
    case = CASES[3]
    run = Run(nnlite, case).step(3)
    one = run.params[1]
    run.optimizer.state[one]["step"].zero_()
    run.step()
    assert [float(run.optimizer.state[p]["step"]) for p in run.params] == [4, 1, 4, 4, 4, 4]
    # Moments of three steps, corrected as those of the first.
    twin = Run(nnlite, case).step(3)
    state = twin.optimizer.state_dict()
    state["state"][1]["step"] = 0
    twin.optimizer.load_state_dict(state)
    assert in_bytes(twin.step().values()) == in_bytes(run.values())


def test_amsgrad_may_be_turned_on_later():
    run = Run(nnlite, CASES[3]).step(3)
    before = run.optimizer.state[run.params[0]]["exp_avg_sq"].numpy().copy()
    run.optimizer.param_groups[0]["amsgrad"] = True
    run.step()
    largest = run.optimizer.state[run.params[0]]["max_exp_avg_sq"].numpy()
    assert largest.tobytes() == run.optimizer.state[run.params[0]]["exp_avg_sq"].numpy().tobytes()
    assert not np.array_equal(largest, before)


def test_counters_follow_the_default_dtype(torch):
    for dtype in ("float64", "float32"):
        found = []
        for lib in (nnlite, torch):
            before = lib.get_default_dtype()
            lib.set_default_dtype(getattr(lib, dtype))
            try:
                run = Run(lib, CASES[3], "float32").step()
            finally:
                lib.set_default_dtype(before)
            found.append(run.optimizer.state[run.params[0]]["step"].numpy().dtype)
        assert found[0] == found[1] == dtype


def test_adams_state_in_adamw_keeps_the_decay_decoupled():
    w = nnlite.ones(2, requires_grad=True)
    saved = nnlite.optim.Adam([w], weight_decay=0.1).state_dict()
    optimizer = nnlite.optim.AdamW([w])
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


# ---- freezing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", ["left", "zero", "none"])
@pytest.mark.parametrize("when", ["before it was made", "after steps"])
@richest
def test_what_is_frozen_does_not_change_by_a_bit(case, when, gradient):
    run = Run(nnlite, case, "float32")
    frozen = run.params[0]
    if when == "before it was made":
        frozen.requires_grad_(False)
        run.optimizer = getattr(nnlite.optim, case.row.name)(run.params, **case.options)
    else:
        run.step(3)
    before, others = frozen.numpy(force=True).tobytes(), run.values()[1:]
    state = pickle.dumps(plain(dict(run.optimizer.state.get(frozen, {}))))
    for _ in range(3):
        if case.row.needs_closure:
            frozen.requires_grad_(False)
            run.step()
            continue
        # Between backward and step, and from then on.
        for p, g in zip(run.params, run.gradients(run.count)):
            p.grad = nnlite.tensor(g)
        frozen.requires_grad_(False)
        if gradient != "left":
            frozen.grad = nnlite.zeros(3, 4) if gradient == "zero" else None
        run.optimizer.step()
        run.count += 1
    assert frozen.numpy().tobytes() == before
    if not case.row.needs_closure:  # L-BFGS keeps the state of all with the first
        assert pickle.dumps(plain(dict(run.optimizer.state.get(frozen, {})))) == state
    assert in_bytes(run.values()[1:]) != in_bytes(others)


@richest_elementwise
def test_the_rest_goes_on_as_if_the_frozen_were_not_there(case):
    whole, part = Run(nnlite, case), Run(nnlite, case)
    part.params[0].requires_grad_(False)
    assert in_bytes(whole.step(5).values()[1:]) == in_bytes(part.step(5).values()[1:])
    part.params[0].requires_grad_(True)
    part.step()
    assert part.params[0].detach().numpy().tobytes() != Run(nnlite, case).values()[0].tobytes()


def test_lbfgs_moves_on_without_what_was_frozen():
    case = CASES[-5]
    run = Run(nnlite, case).step(1)
    before = float(run.loss())
    frozen = run.params[0].requires_grad_(False).numpy().tobytes()
    after = float(run.step(5).loss())
    assert run.params[0].numpy().tobytes() == frozen
    assert after < before


# ---- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in ROWS if row.by_hand is None], ids=lambda r: r.name)
def test_arguments_and_defaults_are_torchs(torch, row):
    mine, theirs = (
        inspect.signature(getattr(lib.optim, row.name).__init__).parameters.values()
        for lib in (nnlite, torch)
    )
    assert [(p.name, p.kind, p.default) for p in mine] == [
        (p.name, p.kind, p.default) for p in theirs
    ]


# For each option: what is wrong, what the message shows of it, and the error.
NEGATIVE = [(-0.1, "-0.1", ValueError)]
OUTSIDE_OF_0_TO_1 = [*NEGATIVE, (1.1, "1.1", ValueError)]
WRONG = {
    "lr": [
        *NEGATIVE,
        (float("nan"), "nan", ValueError),
        ("0.1", "'0.1'", TypeError),
        (None, "None", TypeError),
    ],
    "eps": NEGATIVE,
    "weight_decay": NEGATIVE,
    "betas": [
        ((1.0, 0.9), "1.0", ValueError),
        ((0.9, -0.1), "-0.1", ValueError),
        ((0.9,), r"\(0.9,\)", ValueError),
        (0.9, "0.9", ValueError),
        ((0.9, "0.8"), "'0.8'", TypeError),
    ],
    "alpha": OUTSIDE_OF_0_TO_1,
    "momentum": NEGATIVE,
    "rho": OUTSIDE_OF_0_TO_1,
    "lr_decay": NEGATIVE,
    "initial_accumulator_value": NEGATIVE,
    "momentum_decay": NEGATIVE,
    "max_iter": [(0, "0", ValueError), ("20", "'20'", TypeError)],
    "max_eval": [(0, "0", ValueError)],
    "history_size": [(0, "0", ValueError)],
    "line_search_fn": [("wolfe", "'wolfe'", RuntimeError)],
    "capturable": [(True, "True", NotImplementedError)],
    "differentiable": [(True, "True", NotImplementedError)],
}


@pytest.mark.parametrize(
    ("row", "name", "value", "shown", "error"),
    [
        (row, name, *wrong)
        for row in ROWS
        for name in inspect.signature(getattr(nnlite.optim, row.name)).parameters
        for wrong in WRONG.get(name, [])
    ],
    ids=lambda x: x.name if hasattr(x, "name") else str(x),
)
def test_an_option_out_of_its_range_is_named(row, name, value, shown, error):
    w = nnlite.ones(2, requires_grad=True)
    with pytest.raises(error, match=rf"{row.name}: {name}.*{shown}"):
        getattr(nnlite.optim, row.name)([w], **{name: value})


@one_each
def test_wrong_parameters_are_named(case):
    w = nnlite.ones(2, requires_grad=True)
    make = getattr(nnlite.optim, case.row.name)
    name = case.row.name
    for params, error, message in (
        ([], ValueError, f"{name}: there are no parameters"),
        (w, TypeError, f"{name}: params must be an iterable"),
        ([w, w], ValueError, f"{name}: parameter 1 has been given twice"),
        ([w * 2], ValueError, f"{name}: parameter 0 is not a leaf"),
        ([w, 1.0], TypeError, f"{name}: parameter 1 must be a Tensor, got float"),
    ):
        with pytest.raises(error, match=message):
            make(params, **case.options)


def test_lbfgs_needs_a_closure_and_one_group():
    a, b = nnlite.ones(1, requires_grad=True), nnlite.ones(1, requires_grad=True)
    with pytest.raises(TypeError, match="needs a closure"):
        nnlite.optim.LBFGS([a]).step()
    with pytest.raises(ValueError, match="one parameter group only"):
        nnlite.optim.LBFGS([{"params": [a]}, {"params": [b]}])


def test_groups_have_options_of_their_own(torch):
    def run(lib):
        a, b, c = (lib.ones(2, requires_grad=True) for _ in range(3))
        groups = [{"params": [a], "lr": 0.5}, {"params": [b], "betas": (0.5, 0.5)}]
        optimizer = lib.optim.Adam(groups, lr=0.1)
        optimizer.add_param_group({"params": [c], "weight_decay": 0.5, "amsgrad": True})
        for step in range(3):
            for p in (a, b, c):
                p.grad = lib.ones(2) * (step - 0.5)
            optimizer.step()
        return [a.tolist(), b.tolist(), c.tolist()], repr(optimizer)

    mine, theirs = run(nnlite), run(torch)
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-6)
    assert mine[1] == theirs[1]


# ---- hooks --------------------------------------------------------------------------------------


def hooked(lib):
    """What the hooks of an optimizer see, in order."""
    seen = []
    w = lib.ones(1, requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.5)
    w.grad = lib.ones(1)

    def note(when):
        def hook(o, args, kwargs):
            seen.append((when, o is args[0] is optimizer, args[1:], kwargs, w.item()))

        return hook

    first = optimizer.register_step_pre_hook(note("before"))
    optimizer.register_step_post_hook(note("after"))
    optimizer.step()
    first.remove()
    optimizer.step(closure=None)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, None), {}))
    optimizer.step()
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_state_dict_post_hook(lambda o, state: state.update(first=True), prepend=True)
    state = optimizer.state_dict()
    seen.append(sorted(state))
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(sorted(state)))
    optimizer.register_load_state_dict_pre_hook(
        lambda o, state: {key: state[key] for key in ("state", "param_groups")}
    )
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    optimizer.load_state_dict(state)
    return seen


def test_hooks_are_torchs(torch):
    assert hooked(nnlite) == hooked(torch)


def test_a_pre_hook_that_returns_nonsense():
    optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)])
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_a_watched_optimizer_dies_with_its_last_name():
    import gc
    import weakref

    optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)])
    optimizer.register_step_post_hook(lambda *_: None)
    there = weakref.ref(optimizer)
    gc.disable()
    try:
        del optimizer
        assert there() is None
    finally:
        gc.enable()


def test_a_copy_of_a_watched_optimizer_steps_its_own_parameters():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = nnlite.optim.SGD([w], lr=1.0)
    seen = []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(o))
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        (v,) = twin.param_groups[0]["params"]
        v.grad = nnlite.ones(2)
        twin.step()
        assert v.tolist() == [0.0, 0.0]
        assert twin._opt_called
    assert w.tolist() == [1.0, 1.0]
    # Hooks belong to the optimizer that they were given to.
    assert not seen
    assert not optimizer._opt_called


# ---- what single optimizers take care of --------------------------------------------------------


def test_a_variance_that_rounding_made_negative_is_none():
    w = nnlite.ones(2, requires_grad=True)
    optimizer = nnlite.optim.RMSprop([w], lr=1e-3, alpha=1.0, eps=0.5, centered=True)
    mean = nnlite.tensor([1.0001, 1.0])
    optimizer.state[w].update(step=3, square_avg=nnlite.ones(2), grad_avg=mean)
    w.grad = nnlite.ones(2)
    optimizer.step()
    np.testing.assert_allclose(w.detach().numpy(), [0.998, 0.998], rtol=1e-6)


def test_the_history_of_lbfgs_takes_the_parameters_dtype():
    case = CASES[-1]
    saved = plain(Run(nnlite, case, "float64").step(2).optimizer.state_dict())
    run = Run(nnlite, case, "float32")
    run.optimizer.load_state_dict(tensors(saved, nnlite))
    state = run.optimizer.state[run.params[0]]
    kept = [*state["old_dirs"], *state["old_stps"], *state["ro"], state["d"], state["H_diag"]]
    assert len(kept) > 4
    assert {tensor.dtype for tensor in kept} == {np.dtype("float32")}


CURVES = {
    "quartic": (lambda t: (t - 1.7) ** 4 + 0.1 * t, lambda t: 4 * (t - 1.7) ** 3 + 0.1),
    "wavy": (lambda t: np.cos(3 * t) - t, lambda t: -3 * np.sin(3 * t) - 1),
    "steep": (lambda t: np.exp(t) - 20 * t, lambda t: np.exp(t) - 20),
    "flat": (lambda t: -np.log1p(t), lambda t: -1 / (1 + t)),
    "late": (lambda t: (t - 60) ** 2, lambda t: 2 * (t - 60)),
    "bumpy": (
        lambda t: t**2 - 8 * t + 5 * np.sin(4 * t),
        lambda t: 2 * t - 8 + 20 * np.cos(4 * t),
    ),
}


def waves(seed):
    """A sum of waves with a random shape, and its slope."""
    a, w, p = np.random.default_rng(seed).uniform(0.2, 3.0, (3, 4))

    def f(t):
        return 0.05 * t**2 + (a * np.sin(w * t + p)).sum()

    def slope(t):
        return 0.1 * t + (a * w * np.cos(w * t + p)).sum()

    return f, slope


@pytest.mark.parametrize("first", [0.01, 1.0, 5.0])
@pytest.mark.parametrize("name", [*CURVES, "waves"])
def test_the_line_search_is_torchs(torch, name, first):
    curves = map(waves, range(40)) if name == "waves" else [CURVES[name]]
    theirs = importlib.import_module("torch.optim.lbfgs")._strong_wolfe
    for (f, slope), limit in itertools.product(curves, (1, 3, 25)):
        sign = -np.sign(slope(0.0))  # downhill, either way

        def evaluate(t, f=f, slope=slope, sign=sign):
            return Point(t, float(f(sign * t)), None, float(sign * slope(sign * t)))

        def objective(x, t, d, f=f, slope=slope, sign=sign):
            gradient = torch.tensor([slope(float(sign * t))], dtype=torch.float64)
            return float(f(float(sign * t))), gradient

        mine, count = strong_wolfe(evaluate, evaluate(0.0), first, 1.0, 1e-9, limit)
        start, g = objective(None, 0.0, None)
        d = torch.tensor([sign], dtype=torch.float64)
        loss, _, t, evaluations = theirs(
            objective, None, first, d, start, g, g.dot(d), max_ls=limit
        )
        assert count == evaluations
        np.testing.assert_allclose([mine.t, mine.loss], [float(t), loss], rtol=1e-7, atol=1e-9)
