"""The Trainer's averages, schedules, limits and splits, and what one tries before a long run."""

import math
import os

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.optim import lr_scheduler
from nnlite.train import (
    EMA,
    Callback,
    CallbackError,
    Checkpoint,
    EarlyStopping,
    History,
    NonFiniteLossError,
    SaveHistory,
    Schedule,
    Trainer,
)
from nnlite.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    TensorDataset,
)

DRAWN = np.random.default_rng(0)
X = DRAWN.standard_normal((60, 4), dtype=np.float32)
Y = (X[:, :1] + 0.5 * X[:, 1:2] > 0).astype(np.float32)


def network(*extra):
    return nn.Sequential(nn.Linear(4, 8), *extra, nn.ReLU(), nn.Linear(8, 1))


def trainer_of(model=None, loss=None, lr=0.1, **options):
    model = network() if model is None else model
    optimizer = nnlite.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    return Trainer(model, optimizer, loss or nn.BCEWithLogitsLoss(), **options)


def loader(generator=None, batch_size=16):
    data = TensorDataset(nnlite.tensor(X), nnlite.tensor(Y))
    return DataLoader(data, batch_size, shuffle=True, generator=generator)


def values(model):
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


class Each(Callback):
    """Do something after each step."""

    def __init__(self, action):
        self.action = action

    def on_step_end(self, trainer):
        self.action(trainer)


# ---- averages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("warmup", [False, True])
def test_the_average_is_that_of_its_equation(warmup):
    seen = []
    ema = EMA(0.8, warmup=warmup)
    trainer = trainer_of(callbacks=[ema, Each(lambda t: seen.append(values(t.model)))])
    trainer.fit((X, Y), epochs=3)
    expected = seen[0]
    for n, theta in enumerate(seen[1:], start=1):
        beta = min(0.8, (1 + n) / (10 + n)) if warmup else 0.8
        expected = {k: beta * expected[k] + (1 - beta) * theta[k] for k in theta}
    for name, average in ema.weights.items():
        np.testing.assert_allclose(average.numpy(), expected[name], rtol=1e-5, atol=1e-7)


def test_averages_equal_those_of_torch(torch):
    """torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn."""
    theirs = torch.nn.Linear(4, 1)
    averaged = torch.optim.swa_utils.AveragedModel(
        theirs, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    ema = EMA(0.9)

    def follow(trainer):
        with torch.no_grad():
            for name, p in theirs.named_parameters():
                p.copy_(torch.from_numpy(trainer.model.get_parameter(name).numpy(force=True)))
        averaged.update_parameters(theirs)

    trainer_of(nn.Linear(4, 1), callbacks=[ema, Each(follow)]).fit((X, Y), epochs=4)
    for name, p in averaged.module.named_parameters():
        np.testing.assert_allclose(ema.weights[name].numpy(), p.detach().numpy(), rtol=1e-5)


def test_averages_are_swapped_in_and_out_to_the_byte():
    ema = EMA(0.9)
    trainer = trainer_of(network(nn.BatchNorm1d(8)), callbacks=[ema])
    trainer.fit((X, Y), epochs=3)
    before = values(trainer.model)
    with ema.applied(trainer.model):
        inside = values(trainer.model)
        with pytest.raises(RuntimeError, match="in the model already"), ema.applied(trainer.model):
            pass
    assert same(values(trainer.model), before)
    for name in before:
        averaged = name in ema.weights
        assert averaged == ("running" not in name and "num_batches" not in name)
        wanted = ema.weights[name].numpy() if averaged else before[name]
        assert inside[name].tobytes() == wanted.tobytes()
    other = network(nn.BatchNorm1d(8))
    ema.apply_to(other)
    assert values(other)["0.weight"].tobytes() == inside["0.weight"].tobytes()


def test_validation_with_averages_restores_the_weights_and_keeps_the_best_of_them():
    ema = EMA(0.9, evaluate=True)
    stopping = EarlyStopping(patience=99)
    trainer = trainer_of(callbacks=[ema, stopping], metrics="accuracy")
    history = trainer.fit((X, Y), (X, Y), epochs=6)
    assert stopping.best == min(history["valid_loss"])
    assert trainer.evaluate((X, Y))["loss"] == pytest.approx(stopping.best, rel=1e-6)


def test_averages_do_not_change_the_training():
    ends = []
    for callbacks in ([], [EMA(0.9, evaluate=True)]):
        nnlite.manual_seed(5)
        trainer = trainer_of(network(nn.BatchNorm1d(8), nn.Dropout(0.2)), callbacks=callbacks)
        trainer.fit((X, Y), (X, Y), epochs=3)
        ends.append(values(trainer.model))
    assert same(*ends)


def test_averages_leave_frozen_parameters_alone():
    class Freeze(Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 2:
                trainer.model.freeze("0")
                self.held = values(trainer.model)["0.weight"]

    freeze, ema = Freeze(), EMA(0.9, evaluate=True)
    trainer = trainer_of(callbacks=[freeze, ema])
    trainer.fit((X, Y), (X, Y), epochs=4)
    assert set(ema.weights) == {"2.weight", "2.bias"}
    with ema.applied(trainer.model):
        assert values(trainer.model)["0.weight"].tobytes() == freeze.held.tobytes()
    ema.apply_to(trainer.model)
    assert values(trainer.model)["0.weight"].tobytes() == freeze.held.tobytes()


def test_averages_that_cannot_be():
    for decay in (-0.1, 1.0, 2):
        with pytest.raises(ValueError, match="decay must be at least 0 and below 1"):
            EMA(decay)
    with pytest.raises(RuntimeError, match="no averages before the first step"):
        EMA().apply_to(network())


def test_an_error_in_validation_puts_the_weights_back():
    ema = EMA(0.9, evaluate=True)
    calls = []

    def fail(output, target):
        calls.append(len(target))
        if len(calls) == 3:
            calls.append(values(model))
        if len(calls) > 4:
            raise RuntimeError("no")
        return nn.functional.binary_cross_entropy_with_logits(output, target)

    model = network()
    # The first call looks at validation, the second trains, the third validates.
    trainer = trainer_of(model, loss=fail, callbacks=[ema])
    with pytest.raises(RuntimeError, match="no"):
        trainer.fit((X, Y), (X, Y), epochs=2, batch_size=60)
    assert not ema._own


# ---- schedules ----------------------------------------------------------------------------------


def test_schedules_per_epoch_and_per_step():
    trainer = trainer_of()
    schedule = Schedule(lr_scheduler.StepLR(trainer.optimizer, 2, gamma=0.5))
    trainer.callbacks = [schedule]
    assert trainer.fit((X, Y), epochs=5)["lr"] == [0.1, 0.1, 0.05, 0.05, 0.025]

    trainer = trainer_of()
    rates = []
    schedule = Schedule(lr_scheduler.LinearLR(trainer.optimizer, 0.1, total_iters=5), per="step")
    note = Each(lambda t: rates.append(t.optimizer.param_groups[0]["lr"]))
    trainer.callbacks = [note, schedule]
    trainer.fit((X, Y), epochs=2, batch_size=20)
    assert rates == pytest.approx([0.01, 0.028, 0.046, 0.064, 0.082, 0.1])


def test_a_schedule_that_watches_a_figure():
    class Figures(Callback):
        def on_epoch_end(self, trainer):
            trainer.history[-1]["valid_loss"] = [5, 4, 4, 4, 3][trainer.epoch - 1]

    trainer = trainer_of()
    plateau = lr_scheduler.ReduceLROnPlateau(trainer.optimizer, factor=0.1, patience=1)
    trainer.callbacks = [Figures(), Schedule(plateau)]
    lrs = trainer.fit((X, Y), (X, Y), epochs=5)["lr"]
    assert lrs == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01])

    trainer = trainer_of()
    plateau = lr_scheduler.ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=1e9)
    trainer.callbacks = [Schedule(plateau)]  # without validation data: the training loss
    assert trainer.fit((X, Y), epochs=3)["lr"][-1] < 0.1


SCHEDULERS = {
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 3]),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=8),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 2),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 5),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, threshold=0.5),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.5)], [3]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.5)]
    ),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_schedule_goes_on_after_a_resume(name, tmp_path):
    def run(epochs, resume=None):
        nnlite.manual_seed(0)
        trainer = trainer_of()
        saving = Checkpoint(tmp_path / f"{name} {epochs}")
        trainer.callbacks = [Schedule(SCHEDULERS[name](trainer.optimizer)), saving]
        return trainer.fit((X, Y), epochs=epochs, resume=resume)

    expected = run(7)
    run(3)
    resumed = run(7, tmp_path / f"{name} 3")
    for column in ("lr", "train_loss"):
        assert resumed[column] == expected[column]


def test_schedules_that_cannot_be():
    trainer = trainer_of()
    step = lr_scheduler.StepLR(trainer.optimizer, 2)
    plateau = lr_scheduler.ReduceLROnPlateau(trainer.optimizer)
    with pytest.raises(TypeError, match="is no scheduler, it has no method step"):
        Schedule("cosine")
    with pytest.raises(ValueError, match="per must be 'epoch' or 'step', got 'batch'"):
        Schedule(step, per="batch")
    with pytest.raises(ValueError, match="StepLR watches nothing, leave monitor='valid_loss' out"):
        Schedule(step, monitor="valid_loss")
    with pytest.raises(ValueError, match="watches a figure of the epoch: leave per='step' out"):
        Schedule(plateau, per="step")
    with pytest.raises(TypeError, match=r"StepLR is no Callback but a scheduler: give Schedule"):
        trainer_of(callbacks=[step])
    with pytest.raises(CallbackError, match="StepLR was made for another optimizer"):
        trainer_of(callbacks=[Schedule(step)]).fit((X, Y), epochs=1)
    trainer.callbacks = [Schedule(plateau, monitor="valid_f1")]
    with pytest.raises(CallbackError, match="cannot be watched without validation data"):
        trainer.fit((X, Y), epochs=1)
    with pytest.raises(CallbackError, match="the history has no column 'valid_f1' to watch"):
        trainer.fit((X, Y), (X, Y), epochs=1)


# ---- splits, streams, limits --------------------------------------------------------------------


def test_a_share_is_held_out_of_each_class():
    y = np.zeros((60, 1), dtype=np.float32)
    y[:15] = 1
    trainer = trainer_of(metrics="accuracy")
    trainer.fit((X, y), 0.2, epochs=1)
    train, valid = (loader.dataset for loader in trainer.loaders)
    assert (len(train), len(valid)) == (48, 12)
    assert sorted([*train.indices, *valid.indices]) == list(range(60))
    assert sum(y[valid.indices]) == 3
    again = trainer_of()
    nnlite.manual_seed(99)
    again.fit((X, y), 0.2, epochs=0)
    assert again.loaders[1].dataset.indices == valid.indices
    again.fit((X, y), 0.2, epochs=0, split_seed=1)
    assert again.loaders[1].dataset.indices != valid.indices
    weighted = trainer_of()
    weighted.fit((X, y), 0.2, epochs=1, sample_weight=np.arange(60) + 1)
    for loader, part in zip(weighted.loaders, (train, valid)):
        assert loader.dataset.indices == part.indices
        *_, weights = loader.dataset.dataset.tensors
        assert weights.tolist() == list(range(1, 61))


class Samples(Dataset):
    def __len__(self):
        return 60

    def __getitem__(self, index):
        return X[index], Y[index]


def test_a_share_of_other_data():
    trainer = trainer_of(loss=nn.MSELoss())
    history = trainer.fit(Samples(), 0.25, epochs=1)
    assert len(trainer.loaders[1].dataset) == 15
    assert "valid_loss" in history.columns
    with pytest.raises(TypeError, match=r"valid=0.2 splits data that have numbers, not DataLoader"):
        trainer.fit(DataLoader(Samples()), 0.2, epochs=1)
    for share in (0.0, 1.0, -0.5, math.nan):
        with pytest.raises(ValueError, match="valid must be a share between 0 and 1"):
            trainer.fit(Samples(), share, epochs=1)
    with pytest.raises(ValueError, match="leaves 60 to train on and 0 to validate on"):
        trainer.fit(Samples(), 0.001, epochs=1)


def test_a_stream_has_no_number_of_batches(tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter([(x, y) for x, y in zip(X, Y)])

    def run(epochs, resume=None, **limits):
        nnlite.manual_seed(0)
        saving = Checkpoint(tmp_path / "stream", every_steps=1)
        trainer = trainer_of(callbacks=[saving], progress=True)
        trainer.fit(Stream(), epochs=epochs, batch_size=16, resume=resume, **limits)
        return trainer

    whole = run(3)
    assert (whole.batches, whole.step) == (0, 12)
    assert len(run(3, max_steps=6).history) == 2
    again = run(3, tmp_path / "stream")
    assert again.history["train_loss"] == whole.history["train_loss"]
    assert same(values(again.model), values(whole.model))


@pytest.mark.parametrize("steps", [1, 4, 6, 8, 11])
def test_a_limit_of_steps_cuts_an_epoch_short_and_resume_finishes_it(steps, tmp_path):
    def run(max_steps=None, resume=None):
        nnlite.manual_seed(0 if resume is None else 7)
        model = network(nn.BatchNorm1d(8), nn.Dropout(0.2))
        trainer = trainer_of(model, callbacks=[Checkpoint(tmp_path / "run")], accumulate=2)
        data = loader(nnlite.Generator().manual_seed(3 + (resume is not None)), batch_size=10)
        history = trainer.fit(data, (X, Y), epochs=4, max_steps=max_steps, resume=resume)
        return trainer, history

    whole, expected = run()
    assert whole.step == 12
    cut, history = run(steps)
    assert cut.step == steps
    assert len(history) == -(-steps // 3)
    assert not cut.interrupted
    again, resumed = run(resume=tmp_path / "run")
    for column in ("epoch", "train_loss", "valid_loss"):
        assert resumed[column] == expected[column]
    assert same(values(again.model), values(whole.model))
    same_limit, _ = run(steps, resume=tmp_path / "run")
    assert same_limit.step == 12


def test_a_limit_of_time(monkeypatch):
    import nnlite.train.interrupt as module

    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])

    def tick(trainer):
        now[0] += 1

    trainer = trainer_of(callbacks=[Each(tick)])
    history = trainer.fit((X, Y), epochs=9, batch_size=20, max_seconds=4.5)
    assert (trainer.step, len(history)) == (5, 2)
    with pytest.raises(ValueError, match=r"max_steps must be 1 or more .* got max_steps=0"):
        trainer.fit((X, Y), epochs=1, max_steps=0)
    with pytest.raises(ValueError, match="max_seconds above 0"):
        trainer.fit((X, Y), epochs=1, max_seconds=-1)


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_the_state_after_a_limit_is_that_at_the_limit(steps):
    """Not that after the epoch's end: a schedule has gone on there, the best weights are back."""

    def run(**options):
        nnlite.manual_seed(0)
        trainer = trainer_of(network(nn.Dropout(0.5)), accumulate=2)
        schedule = Schedule(lr_scheduler.ExponentialLR(trainer.optimizer, 0.5))
        trainer.callbacks = [schedule, EMA(0.5, evaluate=True), EarlyStopping(patience=1)]
        trainer.fit((X, Y), (X, -1 * Y + 1), epochs=3, batch_size=16, **options)
        return trainer

    whole = run()
    state = run(max_steps=steps).state_dict()
    assert len(state["history"]) == (steps - 1) // 2
    resumed = run(resume=state)
    assert resumed.history["train_loss"] == whole.history["train_loss"]
    assert resumed.history["lr"] == whole.history["lr"]
    assert same(values(resumed.model), values(whole.model))


@pytest.mark.parametrize("in_batches", [False, True])
def test_a_distributed_sampler_is_told_each_epoch(in_batches):
    """As by hand: another order in each epoch, in the middle of one that is taken up, too."""

    class Noted(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 1)

        def forward(self, x):
            if self.training:
                seen.extend(x[:, 0].tolist())
            return self.linear(x)

    x = nnlite.arange(20).float().unsqueeze(1) / 20

    def run(**options):
        nnlite.manual_seed(0)
        sampler = DistributedSampler(range(20), num_replicas=2, rank=1)
        data = TensorDataset(x, x)
        loader = (
            DataLoader(data, batch_sampler=BatchSampler(sampler, 4, False))
            if in_batches
            else DataLoader(data, 4, sampler=sampler)
        )
        trainer = trainer_of(Noted(), nn.MSELoss(), doctor=False)
        trainer.fit(loader, epochs=3, **options)
        return trainer.state_dict()

    seen = []
    whole = run()
    expected = []
    sampler = DistributedSampler(range(20), num_replicas=2, rank=1)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        expected += [i / 20 for i in sampler]
    assert seen == pytest.approx(expected)
    seen.clear()
    state = run(max_steps=5)
    resumed = run(resume=state)
    assert seen == pytest.approx(expected)
    for name, tensor in whole["model"].items():
        assert tensor.tolist() == resumed["model"][name].tolist()


def test_the_history_file_has_the_epoch_that_a_limit_cut_short(tmp_path):
    path = tmp_path / "history.csv"
    saving = Checkpoint(tmp_path / "run")
    trainer = trainer_of(callbacks=[SaveHistory(path), saving])
    history = trainer.fit((X, Y), epochs=5, batch_size=20, max_steps=7)
    assert len(history) == 3
    assert History.from_csv(path) == history
    again = trainer_of(callbacks=[SaveHistory(path), Checkpoint(tmp_path / "run")])
    history = again.fit((X, Y), epochs=5, batch_size=20, resume=True)
    assert len(history) == 5
    assert History.from_csv(path) == history


# ---- before a long run --------------------------------------------------------------------------


def everything(trainer, data):
    state = trainer.state_dict()
    del state["run"]
    return str(state) + str(data.state_dict()) + str(trainer.model.training)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("what", ["check", "overfit_one_batch", "lr_find"])
def test_trying_out_leaves_no_trace(what, fitted):
    model = network(nn.BatchNorm1d(8), nn.Dropout(0.2))
    model.freeze("0.bias")
    ema = EMA(0.9)
    trainer = trainer_of(model, callbacks=[ema])
    data = loader(nnlite.Generator().manual_seed(1))
    if fitted:
        trainer.fit(data, (X, Y), epochs=2)
    model[2].eval()
    before, weights, attributes = everything(trainer, data), values(model), dict(vars(trainer))
    gradients = [p.grad for p in model.parameters()]
    getattr(trainer, what)(data)
    assert everything(trainer, data) == before
    assert same(values(model), weights)
    assert vars(trainer) == attributes
    assert [p.grad for p in model.parameters()] == gradients
    assert [module.training for module in model] == [True, True, False, True, True]


def test_check_says_what_one_batch_looks_like():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(4, 1), nn.Linear(4, 1)

        def forward(self, x):
            return self.used(x)

    model = Net()
    optimizer = nnlite.optim.SGD(model.used.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, nn.BCEWithLogitsLoss(), metrics="accuracy")
    found = trainer.check((X, Y), (X, Y), batch_size=8)
    assert (found.inputs, found.target, found.output) == (
        "[8, 4] float32",
        "[8, 1] float32",
        "[8, 1] float32",
    )
    assert (found.trained, found.frozen, found.batches) == (10, 0, 8)
    text = str(found)
    assert "note: no gradient reaches idle.weight, idle.bias: forward does not use them" in text
    assert "note: the optimizer does not hold idle.weight, idle.bias" in text


def test_check_raises_what_training_would():
    with pytest.raises(ValueError, match=r"\[32, 1\], target \[32\].*unsqueeze\(-1\)"):
        trainer_of().check((X, Y[:, 0]))
    with pytest.raises(ValueError, match="fit: valid, first batch"):
        trainer_of().check((X, Y), (X, Y[:, 0]))
    with pytest.raises(ValueError, match=r"found values from -1 to 1"):
        trainer_of().check((X, 2 * Y - 1))
    model = network()
    trainer = trainer_of(model)
    model.freeze()
    with pytest.raises(ValueError, match="nothing to train"):
        trainer.check((X, Y))


def test_one_batch_is_learnt_by_heart():
    history = trainer_of(lr=0.5).overfit_one_batch((X, Y), steps=150)
    assert len(history) == 150
    assert history["train_loss"][-1] < 0.02 < history["train_loss"][0]
    with pytest.raises(ValueError, match="steps must be 1 or more"):
        trainer_of().overfit_one_batch((X, Y), steps=0)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteLossError, match=r"loss is .* in step"):
        trainer_of(loss=nn.MSELoss(), lr=1e30).overfit_one_batch((X, Y))


def test_the_rate_test_finds_where_the_loss_falls(tmp_path):
    trainer = trainer_of(lr=1e-3)
    test = trainer.lr_find((X, Y), start=1e-5, end=100, steps=60, batch_size=30)
    assert len(test.rates) == len(test.losses) <= 60
    assert test.rates[:3] == pytest.approx([1e-5 * 1e7 ** (n / 59) for n in range(3)])
    assert 1e-3 < test.suggestion < 100
    figure = test.plot(tmp_path / "test.png")
    assert os.path.getsize(tmp_path / "test.png") > 0
    assert figure.axes
    import matplotlib.pyplot as plt

    plt.close("all")


def test_the_rate_test_keeps_the_ratio_of_groups():
    seen = []

    class Watch(nnlite.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    model = network()
    groups = [
        {"params": model[0].parameters(), "lr": 0.01},
        {"params": model[2].parameters(), "lr": 0.1},
    ]
    Trainer(model, Watch(groups), nn.BCEWithLogitsLoss()).lr_find((X, Y), steps=10)
    assert all(small == pytest.approx(large / 10) for small, large in seen)
    for options, text in [
        ({"start": 1.0, "end": 0.1}, "rates must rise"),
        ({"start": 0.0}, "rates must rise"),
        ({"steps": 3}, "steps must be 10 or more"),
    ]:
        with pytest.raises(ValueError, match=text):
            trainer_of().lr_find((X, Y), **options)


def test_the_doctor_is_called_in():
    from nnlite.train.doctor import Doctor

    trainer = trainer_of(doctor=True)
    trainer.fit((X, Y), epochs=1)
    assert any(isinstance(m.__self__, Doctor) for ms in trainer._hooks.values() for m in ms)
    with pytest.raises(TypeError, match="doctor must be True, False or a Doctor, got 'yes'"):
        trainer_of(doctor="yes").fit((X, Y), epochs=1)
