"""Every schedule of the table over its whole course: torch's rates, state, warnings, errors."""

import copy
import inspect
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from schedulers import ROWS, STEPS, Course, Decay, in_lists

import nnlite
from nnlite.io.checkpoint import load_checkpoint, save_checkpoint
from nnlite.optim import lr_scheduler

REFERENCE = Path(__file__).parent / "reference" / "schedulers.json"
COMBINED = ("SequentialLR", "ChainedScheduler")

rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@rows
def test_the_whole_course_is_torchs_to_the_last_bit(torch, row, optimizer):
    # The options of the groups (rates, momenta, betas), the state dict and the last rates.
    mine, theirs = (Course(lib, row, optimizer) for lib in (nnlite, torch))
    for _ in range(STEPS):
        assert mine.seen() == theirs.seen()
        mine.step()
        theirs.step()
    assert mine.seen() == theirs.seen()


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.label.startswith(COMBINED)], ids=lambda row: row.label
)
def test_steps_to_an_epoch_are_torchs(torch, row):
    mine, theirs = (Course(lib, row) for lib in (nnlite, torch))
    for step in range(STEPS):
        epoch = step // 2 if step % 7 == 3 else None
        mine.step(epoch)
        theirs.step(epoch)
        assert mine.seen() == theirs.seen()


@rows
def test_the_whole_course_as_recorded(row):
    course = Course(nnlite, row)
    rates = [course.rates()] + [course.step().rates() for _ in range(STEPS)]
    recorded = json.loads(REFERENCE.read_text(encoding="utf-8"))[row.label]
    np.testing.assert_allclose(rates, recorded, rtol=1e-12, atol=1e-17)


def test_what_is_recorded_is_the_table():
    assert list(json.loads(REFERENCE.read_text(encoding="utf-8"))) == [row.label for row in ROWS]


@pytest.mark.parametrize("way", ["copied", "file"])
@rows
def test_a_loaded_schedule_goes_on_to_the_last_bit(row, way, tmp_path):
    course = Course(nnlite, row)
    for _ in range(11):
        course.step()
    state = (course.schedule.state_dict(), course.optimizer.state_dict())
    if way == "file":
        save_checkpoint(state, tmp_path / "state")
        state = load_checkpoint(tmp_path / "state")
    state = copy.deepcopy(state)
    kept = copy.deepcopy(state[0])
    twin = Course(nnlite, row)
    twin.count = course.count
    twin.schedule.load_state_dict(state[0])
    twin.optimizer.load_state_dict(state[1])
    for _ in range(STEPS - 11):
        assert twin.seen() == course.seen()
        course.step()
        twin.step()
    # What was loaded is as it was.
    assert state[0] == kept


@rows
def test_states_are_exchanged_with_torch(torch, row):
    for first, second in ((torch, nnlite), (nnlite, torch)):
        course, twin = Course(first, row), Course(second, row)
        for _ in range(11):
            course.step()
        twin.count = course.count
        twin.schedule.load_state_dict(copy.deepcopy(course.schedule.state_dict()))
        twin.optimizer.load_state_dict(course.optimizer.state_dict())
        for _ in range(STEPS - 11):
            assert twin.seen() == course.seen()
            course.step()
            twin.step()


@rows
def test_a_copy_goes_on_by_itself(row):
    course = Course(nnlite, row).step()
    twin = copy.copy(course)
    twin.optimizer, twin.schedule = copy.deepcopy((course.optimizer, course.schedule))
    before = course.seen()
    for _ in range(5):
        twin.step()
    assert course.seen() == before
    for _ in range(5):
        course.step()
    assert course.seen() == twin.seen()


@pytest.mark.parametrize(
    "make",
    [
        lambda S, o, last: S.StepLR(o, 3, last_epoch=last),
        lambda S, o, last: S.CosineAnnealingLR(o, 9, last_epoch=last),
        lambda S, o, last: S.LinearLR(o, last_epoch=last),
        lambda S, o, last: S.CosineAnnealingWarmRestarts(o, 3, last_epoch=last),
        lambda S, o, last: S.LambdaLR(o, lambda t: 0.9**t, last_epoch=last),
        lambda S, o, last: S.MultiplicativeLR(o, lambda t: 0.9, last_epoch=last),
    ],
)
def test_going_on_from_an_epoch(torch, make):
    found = []
    for lib in (nnlite, torch):
        optimizer = lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=0.3)
        with pytest.raises(KeyError, match="initial_lr"):
            make(lib.optim.lr_scheduler, optimizer, 4)
        optimizer.param_groups[0]["initial_lr"] = 0.7
        scheduler = make(lib.optim.lr_scheduler, optimizer, 4)
        rates = [scheduler.get_last_lr()]
        for _ in range(9):
            optimizer.step()
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        found.append(in_lists(rates))
    assert found[0] == found[1]


def test_the_momentum_reaches_the_steps(torch):
    def run(lib):
        w = lib.tensor([1.0, -2.0], dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.SGD([w], lr=0.1, momentum=0.9)
        scheduler = lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=15)
        for _ in range(15):
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()
            scheduler.step()
        return w.tolist()

    np.testing.assert_allclose(run(nnlite), run(torch), rtol=1e-12)


# ---- warnings -----------------------------------------------------------------------------------


def sgd(lib=nnlite, **options):
    return lib.optim.SGD([lib.ones(1, requires_grad=True)], lr=1.0, **options)


def caught(what, lib):
    """The warnings of a function of a library, each as its category and first words."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        what(lib)
    if lib is nnlite:
        assert all(Path(w.filename).name == Path(__file__).name for w in found)
    return [(w.category, " ".join(str(w.message).split()[:8])) for w in found]


def in_the_wrong_order(lib):
    optimizer = sgd(lib)
    scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1)
    scheduler.step()
    optimizer.step()
    scheduler.step()


def in_the_right_order(lib):
    optimizer = sgd(lib)
    scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step()
    scheduler.step()


def with_another_step(lib):
    optimizer = sgd(lib)
    scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1)
    optimizer.step = lambda: None
    scheduler.step()


def with_an_epoch(lib):
    optimizer = sgd(lib)
    scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step(3)
    lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer).step(1.0, 3)


def asking_outside_of_a_step(lib):
    optimizer = sgd(lib, momentum=0.9)
    for make in (
        lambda S: S.StepLR(optimizer, 1),
        lambda S: S.CyclicLR(optimizer, 0.1, 0.2),
        lambda S: S.CosineAnnealingWarmRestarts(optimizer, 2),
    ):
        make(lib.optim.lr_scheduler).get_lr()


@pytest.mark.parametrize(
    "what",
    [
        in_the_wrong_order,
        in_the_right_order,
        with_another_step,
        with_an_epoch,
        asking_outside_of_a_step,
    ],
)
def test_warnings_are_torchs(torch, what):
    mine, theirs = caught(what, nnlite), caught(what, torch)
    assert [category for category, _ in mine] == [category for category, _ in theirs]
    for (_, words), (_, wanted) in zip(mine, theirs):
        assert words[:30] == wanted[:30]


def test_the_wrong_order_is_noticed_without_torch_too():
    for what, count in ((in_the_wrong_order, 1), (in_the_right_order, 0), (with_another_step, 1)):
        assert len(caught(what, nnlite)) == count


def test_a_loss_that_is_a_tensor_and_a_group_that_comes_later():
    optimizer = sgd()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    listed = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.1])
    optimizer.add_param_group({"params": [nnlite.ones(1, requires_grad=True)], "lr": 4.0})
    for _ in range(2):
        scheduler.step(nnlite.tensor(1.0))
    assert scheduler.get_last_lr() == [0.5, 2.0]
    listed.step(1.0)
    with pytest.raises(RuntimeError, match="2 parameter groups now, but min_lrs has 1"):
        listed.step(1.0)


def test_a_factor_of_nothing_ends():
    optimizer = sgd()
    scheduler = lr_scheduler.ConstantLR(optimizer, factor=0, total_iters=2)
    rates = []
    for _ in range(3):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    assert rates == [0.0, 0.0, 1.0]


def test_milestones_from_a_file():
    # JSON makes a dict with text for keys of a Counter.
    optimizer = sgd()
    scheduler = lr_scheduler.MultiStepLR(optimizer, [2, 2, 4], gamma=0.5)
    scheduler.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    assert sorted(scheduler.milestones.elements()) == [2, 2, 4]
    optimizer.step()
    with pytest.warns(UserWarning, match="The epoch parameter"):
        scheduler.step(3)
    assert scheduler.get_last_lr() == [0.25]


def test_functions_of_the_state():
    scheduler = lr_scheduler.LambdaLR(sgd(), Decay())
    state = copy.deepcopy(scheduler.state_dict())
    assert state["lr_lambdas"] == [{"rate": 0.9}]
    state["lr_lambdas"][0]["rate"] = 0.5
    scheduler.load_state_dict(state)
    assert scheduler.lr_lambdas[0].rate == 0.5
    plain = lr_scheduler.LambdaLR(sgd(), lambda t: 1.0)
    assert plain.state_dict()["lr_lambdas"] == [None]


def test_a_scheduler_of_ones_own():
    class Inverse(lr_scheduler._LRScheduler):
        def get_lr(self):
            return [rate / (1 + self.last_epoch) for rate in self.base_lrs]

    optimizer = sgd()
    scheduler = Inverse(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5]
    with pytest.raises(NotImplementedError, match="get_lr is missing"):
        lr_scheduler.LRScheduler(optimizer)


# ---- wrong arguments ----------------------------------------------------------------------------


S = lr_scheduler
WRONG = [
    (lambda o: S.StepLR(3, 1), TypeError, "int is not an Optimizer"),
    (lambda o: S.ReduceLROnPlateau(3), TypeError, "int is not an Optimizer"),
    (lambda o: S.OneCycleLR(3, 1, 1), TypeError, "int is not an Optimizer"),
    (lambda o: S.CyclicLR(3, 1, 1), TypeError, "int is not an Optimizer"),
    (lambda o: S.LambdaLR(3, 1), TypeError, "int is not an Optimizer"),
    (lambda o: S.StepLR(o, 0), ValueError, "StepLR: step_size .* at least 1, got 0"),
    (lambda o: S.StepLR(o, 2.5), ValueError, "step_size .* got 2.5"),
    (lambda o: S.StepLR(o, 1, "0.1"), TypeError, "gamma .* got '0.1'"),
    (lambda o: S.MultiStepLR(o, [1], None), TypeError, "gamma .* got None"),
    (lambda o: S.ConstantLR(o, 1.5), ValueError, r"factor .* \[0, 1\], got 1.5"),
    (lambda o: S.LinearLR(o, 0), ValueError, "start_factor must be above 0"),
    (lambda o: S.LinearLR(o, 1.5), ValueError, "start_factor .* got 1.5"),
    (lambda o: S.LinearLR(o, 1, -0.1), ValueError, "end_factor .* got -0.1"),
    (lambda o: S.ExponentialLR(o, "1"), TypeError, "gamma"),
    (lambda o: S.PolynomialLR(o, 3, "2"), TypeError, "power"),
    (lambda o: S.LambdaLR(o, 0.9), TypeError, "lr_lambda must be a function .* got 0.9"),
    (lambda o: S.LambdaLR(o, [abs, abs]), ValueError, "LambdaLR: lr_lambda .* 1; got 2"),
    (lambda o: S.MultiplicativeLR(o, 0.9), TypeError, "lr_lambda must be a function"),
    (lambda o: S.CosineAnnealingLR(o, 0), ValueError, "T_max must not be 0"),
    (lambda o: S.CosineAnnealingLR(o, "9"), TypeError, "T_max .* got '9'"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 .* got 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 1.5), ValueError, "T_0 .* got 1.5"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 1, 0), ValueError, "T_mult .* got 0"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 1, 1, "0"), ValueError, "eta_min .* got '0'"),
    (lambda o: S.CosineAnnealingWarmRestarts(o, 1).step(-1), ValueError, "epoch .* got -1"),
    (lambda o: S.CyclicLR(o, 0.1, [1, 2]), ValueError, "max_lr .* 1; got 2"),
    (lambda o: S.CyclicLR(o, 0.1, 1, mode="square"), ValueError, "mode .* got 'square'"),
    (lambda o: S.CyclicLR(o, 0.1, 1, 0), ValueError, "step_size_up .* got 0"),
    (lambda o: S.CyclicLR(o, 0.1, 1), ValueError, "Adagrad has not; set cycle_momentum=False"),
    (lambda o: S.OneCycleLR(o, 1, 9), ValueError, "Adagrad has not; set cycle_momentum=False"),
    (lambda o: S.OneCycleLR(o, 1), ValueError, "give total_steps, or epochs and steps_per_epoch"),
    (lambda o: S.OneCycleLR(o, 1, 0), ValueError, "total_steps .* got 0"),
    (lambda o: S.OneCycleLR(o, 1, epochs=0, steps_per_epoch=1), ValueError, "epochs .* got 0"),
    (lambda o: S.OneCycleLR(o, 1, 9, pct_start=1.5), ValueError, "pct_start .* got 1.5"),
    (lambda o: S.OneCycleLR(o, 1, 9, anneal_strategy="exp"), ValueError, "anneal_strategy .*'exp'"),
    (lambda o: S.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be below 1, got 1.0"),
    (lambda o: S.ReduceLROnPlateau(o, "least"), ValueError, "mode .* got 'least'"),
    (lambda o: S.ReduceLROnPlateau(o, threshold_mode="x"), ValueError, "threshold_mode"),
    (lambda o: S.ReduceLROnPlateau(o, min_lr=[1, 2]), ValueError, "min_lr .* 1; got 2"),
    (lambda o: S.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
    (lambda o: S.SequentialLR(o, [3], []), TypeError, r"schedulers\[0\] \(int\) is no scheduler"),
    (lambda o: S.SequentialLR(o, [S.StepLR(o, 1)], [1]), ValueError, "milestones must be 0"),
    (
        lambda o: S.SequentialLR(o, [S.StepLR(o, 1) for _ in range(3)], [3, 1]),
        ValueError,
        r"milestones must rise, got \[3, 1\]",
    ),
    (lambda o: S.SequentialLR(o, [S.StepLR(sgd(), 1)], []), ValueError, "another optimizer"),
    (lambda o: S.ChainedScheduler([]), ValueError, "at least one scheduler"),
    (lambda o: S.ChainedScheduler([S.ReduceLROnPlateau(o)]), ValueError, "needs a metric"),
    (
        lambda o: S.ChainedScheduler([S.StepLR(o, 1), S.StepLR(sgd(), 1)]),
        ValueError,
        r"schedulers\[1\] \(StepLR\) belongs to another optimizer",
    ),
    (lambda o: lr_scheduler.MultiStepLR(o, 3), TypeError, "milestones must be a list .* got 3"),
    (
        lambda o: lr_scheduler.PolynomialLR(o, total_iters=-1),
        ValueError,
        "PolynomialLR: total_iters must be a number of at least 0, got -1",
    ),
    (lambda o: lr_scheduler.LinearLR(o, total_iters=-1), ValueError, "LinearLR: total_iters"),
    (lambda o: lr_scheduler.ConstantLR(o, total_iters=-1), ValueError, "ConstantLR: total_iters"),
    (
        lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=-1),
        ValueError,
        "patience must be a number of at least 0, got -1",
    ),
    (
        lambda o: lr_scheduler.ReduceLROnPlateau(o, cooldown=-1),
        ValueError,
        "cooldown must be a number of at least 0, got -1",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG, ids=lambda x: None)
def test_wrong_arguments(make, error, message):
    optimizer = nnlite.optim.Adagrad([nnlite.ones(1, requires_grad=True)])
    with pytest.raises(error, match=message):
        make(optimizer)


def test_a_step_after_the_last():
    optimizer = sgd(momentum=0.9)
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=3)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match="called for step 4, but the schedule ends with step 3"):
        scheduler.step()


def test_arguments_and_defaults_are_torchs(torch):
    for name in lr_scheduler.__all__:
        mine, theirs = (
            inspect.signature(getattr(lib.optim.lr_scheduler, name)).parameters.values()
            for lib in (nnlite, torch)
        )
        assert [(p.name, p.kind, p.default) for p in mine] == [
            (p.name, p.kind, p.default) for p in theirs
        ], name
