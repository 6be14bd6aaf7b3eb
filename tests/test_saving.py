"""Checkpoints inside of epochs, of every random generator, on full disks; loops of one's own."""

import errno
import functools
import os
import random
import shutil
import sys
import threading

import numpy as np
import pytest
from resume_run import make, summary

import nnlite
from nnlite import nn
from nnlite.io import load_checkpoint, save_checkpoint
from nnlite.train import (
    EMA,
    Callback,
    CallbackError,
    Checkpoint,
    EarlyStopping,
    History,
    Schedule,
    Trainer,
    load_state,
    save_state,
)
from nnlite.train.randomness import Streams
from nnlite.utils.data import DataLoader, Dataset, Sampler, TensorDataset

DRAWN = np.random.default_rng(0)
X = DRAWN.standard_normal((40, 4), dtype=np.float32)
Y = (X[:, :1] + 0.5 * X[:, 1:2] > 0).astype(np.float32)


def network():
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))


def trainer_of(*callbacks, **options):
    model = network()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Trainer(model, optimizer, nn.BCEWithLogitsLoss(), callbacks=callbacks, **options)


def values(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


class Kill(Callback):
    """Ends a run after a batch, as if the power had failed."""

    class PowerFailure(BaseException):
        pass

    def __init__(self, batches=None):
        self.left = batches

    def on_batch_end(self, trainer):
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise self.PowerFailure


# ---- inside of an epoch -------------------------------------------------------------------------


class Noisy(Dataset):
    """Draws from every generator that there is."""

    def __init__(self, seed):
        self.transforms = [np.random.default_rng(seed), {"python": random.Random(seed)}]
        self.old = np.random.RandomState(seed)

    def __len__(self):
        return 40

    def __getitem__(self, index):
        noise = self.transforms[0].standard_normal(4, dtype=np.float32)
        noise += np.float32(self.transforms[1]["python"].gauss(0, 1) + random.random())
        noise += np.float32(self.old.standard_normal() + np.random.randn())  # noqa: NPY002
        return X[index] + 0.1 * noise, Y[index]


class Drawing(Sampler):
    """Draws each index when it is asked for, from a generator that no loader knows."""

    def __init__(self, seed):
        self.source = np.random.default_rng(seed)

    def __len__(self):
        return 40

    def __iter__(self):
        for _ in range(40):
            yield int(self.source.integers(40))


class Loader:
    """A loader of somebody else's."""

    def __init__(self, seed):
        self.state = random.Random(seed)

    def __len__(self):
        return 5

    def __iter__(self):
        order = list(range(40))
        self.state.shuffle(order)
        for start in range(0, 40, 8):
            places = order[start : start + 8]
            yield nnlite.tensor(X[places]), nnlite.tensor(Y[places])


def shuffled(seed):
    data = TensorDataset(nnlite.tensor(X), nnlite.tensor(Y))
    generator = nnlite.Generator().manual_seed(seed)
    return DataLoader(data, 8, shuffle=True, generator=generator)


DATA = {
    "arrays": lambda seed: (X, Y),
    "shuffled": shuffled,
    "noisy": lambda seed: DataLoader(Noisy(seed), 8, shuffle=True),
    "drawing": lambda seed: DataLoader(Noisy(seed), 8, sampler=Drawing(seed)),
    "somebody else's": Loader,
    "threads": lambda seed: DataLoader(
        TensorDataset(nnlite.tensor(X), nnlite.tensor(Y)),
        8,
        shuffle=True,
        num_workers=2,
        worker_type="thread",
    ),
}


def run(data, path, batches=None, resume=False, seed=0, accumulate=2, **limits):
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    nnlite.manual_seed(seed)
    ema = EMA(0.8, evaluate=True)
    saving = Checkpoint(path, every_seconds=0)
    trainer = trainer_of(
        saving, ema, EarlyStopping(patience=9), Kill(batches), accumulate=accumulate
    )
    if seed:
        nnlite.rand(seed)
    options = {"epochs": 3, "batch_size": 8, "resume": path if resume else None}
    try:
        history = trainer.fit(DATA[data](seed), (X, Y), **options, **limits)
    except Kill.PowerFailure:
        return None
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in history]
    return rows, summary(trainer), values(trainer.model)


@pytest.fixture
def quick_disk(monkeypatch):
    """Many checkpoints, of which none has to survive a power failure."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.parametrize("data", DATA)
def test_a_run_goes_on_inside_of_an_epoch(data, tmp_path):
    expected = run(data, tmp_path / "whole")
    for batches in (1, 4, 5, 13):
        path = tmp_path / f"killed {batches}"
        assert run(data, path, batches) is None
        tally = load_checkpoint(path)["tally"]
        place = (batches - 1) % 5  # the checkpoint of the last batch comes before the kill
        assert tally["batch"] == place + 1
        assert tally["waiting"] == (place + 1) % 2
        found = run(data, path, resume=True, seed=9)
        assert str(found) == str(expected)


@pytest.mark.usefixtures("quick_disk")
def test_a_run_may_be_cut_at_every_batch(tmp_path):
    """One batch a process, with nothing but the file between them."""
    expected = run("noisy", tmp_path / "whole")
    path = tmp_path / "cut"
    assert run("noisy", path, 1) is None
    for seed in range(1, 15):
        assert run("noisy", path, 1, resume=True, seed=seed) is None
    assert str(run("noisy", path, resume=True, seed=99)) == str(expected)


def test_hooks_of_the_epoch_in_progress_are_not_called_again(tmp_path):
    calls = []

    class Log(Callback):
        def on_epoch_start(self, trainer):
            calls.append(trainer.epoch)

    path = tmp_path / "file"
    with pytest.raises(Kill.PowerFailure):
        trainer_of(Checkpoint(path, every_steps=1), Log(), Kill(7)).fit(shuffled(0), epochs=3)
    trainer_of(Checkpoint(path), Log(), Kill()).fit(shuffled(0), epochs=3, resume=path)
    assert calls == [1, 2, 3]


def test_a_bar_of_a_resumed_run(tmp_path, capsys):
    path = tmp_path / "file"
    with pytest.raises(Kill.PowerFailure):
        trainer_of(Checkpoint(path, every_steps=1), Kill(7)).fit(shuffled(0), epochs=3)
    trainer = trainer_of(Checkpoint(path), Kill(), progress=True)
    trainer.fit(shuffled(0), epochs=3, resume=path)
    assert "15/15" in capsys.readouterr().err


def test_ctrl_c_after_a_resume_goes_back_to_where_it_was_taken_up(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(Kill.PowerFailure):
        trainer_of(Checkpoint(path, every_steps=1), Kill(7)).fit(shuffled(0), epochs=3)
    before = load_checkpoint(path)

    class Stop(Kill):
        def on_batch_end(self, trainer):
            raise KeyboardInterrupt

    Stop.__name__ = "Kill"
    trainer = trainer_of(Checkpoint(path), Stop())
    trainer.fit(shuffled(0), epochs=3, resume=path)
    assert trainer.interrupted
    state = trainer.state_dict()
    for part in ("epoch", "step", "model", "optimizer", "loaders"):
        assert str(state[part]) == str(before[part])
    assert state["tally"]["batch"] == before["tally"]["batch"] == 2


# ---- random generators --------------------------------------------------------------------------


def test_generators_are_found_wherever_they_are_held():
    g = nnlite.Generator()
    own = np.random.default_rng(1)

    class Slotted:
        __slots__ = ("inner", "unset")

        def __init__(self):
            self.inner = random.Random(2)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.noise = [g, {"deep": Slotted()}]
            self.loop = self.noise
            self.noise.append(self.noise)

    def collate(samples):
        return own.permutation(samples)

    roots = {
        "model": Model(),
        "loader": functools.partial(collate, 3),
        "bound": g.manual_seed,
        "large": list(range(5000)),
    }
    streams = Streams(roots)
    assert streams.names == ["loader.func.own", "model.noise.0", "model.noise.1.deep.inner"]
    before = streams.state()
    inner = roots["model"].noise[1]["deep"].inner

    def draw():
        return (
            nnlite.rand(1).item(),
            nnlite.rand(1, generator=g).item(),
            own.random(),
            inner.random(),
            random.random(),
            np.random.random(),  # noqa: NPY002
        )

    first = draw()
    assert draw() != first
    streams.restore(before)
    assert draw() == first


def test_global_generators_come_through_a_file(tmp_path):
    streams = Streams({"a": random.Random(3), "b": np.random.RandomState(3)})
    random.gauss(0, 1)
    np.random.standard_normal()  # noqa: NPY002  (leaves a second number for later)
    save_checkpoint(streams.state(), tmp_path / "file")
    first = random.gauss(0, 1), np.random.standard_normal()  # noqa: NPY002
    streams.restore(load_checkpoint(tmp_path / "file"))
    assert (random.gauss(0, 1), np.random.standard_normal()) == first  # noqa: NPY002


# ---- which files are written --------------------------------------------------------------------


def test_files_of_their_own_and_how_many_are_kept(tmp_path):
    saving = Checkpoint(tmp_path / "{epoch:02}.ckpt", keep=2)
    trainer = trainer_of(saving)
    trainer.fit((X, Y), epochs=4, batch_size=40)
    assert sorted(os.listdir(tmp_path)) == ["03.ckpt", "04.ckpt"]
    assert saving.latest() == str(tmp_path / "04.ckpt")
    again = trainer_of(Checkpoint(tmp_path / "{epoch:02}.ckpt", keep=2))
    again.fit((X, Y), epochs=6, batch_size=40, resume=True)
    assert sorted(os.listdir(tmp_path)) == ["05.ckpt", "06.ckpt"]


def test_every_so_many_steps(tmp_path):
    trainer = trainer_of(Checkpoint(tmp_path / "{step}", every=2, every_steps=3))
    trainer.fit((X, Y), epochs=3, batch_size=20)
    assert sorted(os.listdir(tmp_path)) == ["0", "3", "4", "6"]


class Figures(Callback):
    def __init__(self, figures):
        self.figures = figures

    def on_epoch_end(self, trainer):
        trainer.history[-1]["valid_accuracy"] = self.figures[trainer.epoch - 1]


def test_the_best_epochs_are_kept(tmp_path):
    figures = Figures([0.5, 0.9, 0.7, 0.95, float("nan"), 0.6])
    best = Checkpoint(tmp_path / "best", monitor="valid_accuracy")
    two = Checkpoint(tmp_path / "best {epoch}", monitor="valid_accuracy", keep=2)
    trainer = trainer_of(figures, best, two)
    trainer.fit((X, Y), (X, Y), epochs=6)
    assert load_checkpoint(tmp_path / "best")["epoch"] == 4
    assert sorted(os.listdir(tmp_path)) == ["best", "best 2", "best 4"]
    assert best.best == -0.95


def test_weights_alone(tmp_path):
    ema = EMA(0.5, evaluate=True)
    path = tmp_path / "best.safetensors"
    saving = Checkpoint(path, monitor="train_loss", weights_only=True)
    trainer = trainer_of(ema, saving)
    trainer.fit((X, Y), epochs=3)
    loaded = nnlite.load(path)
    assert loaded.keys() == trainer.model.state_dict().keys()
    with ema.applied(trainer.model):
        best = trainer.model.state_dict()
        if trainer.history.best["epoch"] == 3:
            assert nnlite.equal(loaded["0.weight"], best["0.weight"])
    with pytest.raises(ValueError, match="there is none among the callbacks"):
        trainer.fit((X, Y), epochs=3, resume=True)


def test_resume_true_begins_where_there_is_nothing(tmp_path):
    path = tmp_path / "run"
    for epochs in (2, 4):
        trainer = trainer_of(Checkpoint(path))
        history = trainer.fit((X, Y), epochs=epochs, resume=True)
        assert history["epoch"] == list(range(1, epochs + 1))
    assert trainer.step == 4 * 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"every": 0}, "every must be 1 or more epochs, got 0"),
        ({"every_steps": 0}, "every_steps must be 1 or more, got 0"),
        ({"every_seconds": -1}, "every_seconds must be 0 or more, got -1"),
        ({"monitor": "valid_loss", "every_steps": 3}, "leave every, every_steps"),
        ({"monitor": "mine"}, "not known whether a higher 'mine'"),
        ({"mode": "least"}, "mode must be 'min' or 'max'"),
        ({"keep": 2}, r"keep=2 needs a path with \{epoch\} or \{step\}"),
        ({"path": "{epok}"}, r"has the field epok; use \{epoch\}, \{step\}"),
        ({"path": "run{"}, r"Checkpoint: path 'run\{'"),
    ],
)
def test_checkpoints_that_cannot_be(options, text):
    with pytest.raises(ValueError, match=text):
        Checkpoint(**{"path": "run", **options})


def test_a_figure_that_is_not_there_cannot_be_monitored(tmp_path):
    saving = Checkpoint(tmp_path / "best", monitor="valid_loss")
    with pytest.raises(CallbackError, match="without validation data"):
        trainer_of(saving).fit((X, Y), epochs=1)
    saving = Checkpoint(tmp_path / "best", monitor="valid_f1")
    with pytest.raises(CallbackError, match="no column 'valid_f1' to monitor"):
        trainer_of(saving).fit((X, Y), (X, Y), epochs=1)
    saving = Checkpoint(tmp_path / "none" / "best", monitor="train_loss")
    with pytest.raises(CallbackError, match="there is no folder"):
        trainer_of(saving).fit((X, Y), epochs=1)


# ---- full disks ---------------------------------------------------------------------------------


class At(Callback):
    def __init__(self, **actions):
        self.actions = actions

    def on_epoch_start(self, trainer):
        self.actions.get(f"epoch{trainer.epoch}", lambda: None)()


def checked(path, at, epochs=6):
    """Train past a fault: one warning, and the former file stays whole."""
    seen = []

    class Look(Callback):
        def on_checkpoint(self, trainer):
            seen.append(load_checkpoint(path)["epoch"] if path.exists() else None)

    trainer = trainer_of(at, Checkpoint(path), Look())
    with pytest.warns(RuntimeWarning) as warned:
        history = trainer.fit((X, Y), epochs=epochs)
    assert len(history) == epochs
    return seen, [str(w.message) for w in warned]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_disk_that_is_full_for_a_while(tmp_path, monkeypatch, step):
    path = tmp_path / "checkpoint"
    at = At()

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return fail if name == "write" else getattr(self.file, name)

    def begin():
        if step == "write":
            monkeypatch.setattr(
                "nnlite.io.atomic.open",
                lambda *a, **k: Full(open(*a, **k)),  # noqa: SIM115
                raising=False,
            )
        else:
            monkeypatch.setattr(os, step, fail)

    at.actions = {"epoch3": begin, "epoch5": monkeypatch.undo}
    seen, warned = checked(path, at)
    assert seen == [0, 1, 2, 2, 2, 5, 6]
    assert warned == [
        f"Checkpoint: {path}: cannot write: No space left on device. Training goes on, the former "
        "checkpoint is as it was, and writing is tried again; make room, or a copy of the weights"
    ]
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of the size of files")
def test_a_file_that_may_not_grow(tmp_path):
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        at = At(
            epoch2=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1])),
            epoch4=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before),
        )
        seen, warned = checked(tmp_path / "checkpoint", at)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert seen == [0, 1, 1, 1, 4, 5, 6]
    assert len(warned) == 1
    assert "File too large" in warned[0]


def test_a_folder_that_is_gone(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    at = At(epoch2=lambda: shutil.rmtree(folder), epoch4=folder.mkdir)
    seen, warned = checked(folder / "checkpoint", at)
    assert seen == [0, 1, None, None, 4, 5, 6]
    assert len(warned) == 1
    assert "there is no folder" in warned[0]


def test_a_fault_at_the_start_is_an_error(tmp_path):
    with pytest.raises(CallbackError, match="there is no folder"):
        trainer_of(Checkpoint(tmp_path / "none" / "file")).fit((X, Y), epochs=1)


# ---- another run's state ------------------------------------------------------------------------


def refused(tree, trainer, data, text):
    before = values(trainer.model)
    with pytest.raises(ValueError, match=text) as caught:
        trainer.fit(data, epochs=3, resume=tree)
    assert "\n" not in str(caught.value)
    assert values(trainer.model) == before


def test_what_differs_is_said(tmp_path):
    path = tmp_path / "file"
    trainer_of(Checkpoint(path)).fit((X, Y), epochs=1)
    tree = load_checkpoint(path)
    refused(path, trainer_of(Checkpoint(path)), (X + 1, Y), "contents of the data: .* there, .* he")
    one = trainer_of(Checkpoint(path), accumulate=3)
    refused(path, one, (X, Y), "accumulate: 1 batches a step there, 3 batches a step here")
    other = trainer_of(Checkpoint(path))
    other.loss = nn.MSELoss()
    refused(path, other, (X, Y), "loss: BCEWithLogitsLoss there, MSELoss here")
    noisy = DataLoader(Noisy(0), 32)
    refused(path, trainer_of(Checkpoint(path)), noisy, "random generators: .* there, train.dataset")
    refused({**tree, "format": 1}, trainer_of(Checkpoint(path)), (X, Y), "has format 1, this vers")
    refused({**tree, "format": 99}, trainer_of(Checkpoint(path)), (X, Y), "has format 99")
    refused({"a": 1}, trainer_of(Checkpoint(path)), (X, Y), "this is no state of a Trainer")
    save_checkpoint([1], path)
    refused(path, trainer_of(Checkpoint(path)), (X, Y), "is no state of a Trainer")


def test_the_run_of_the_other_tests_has_the_new_parts(tmp_path):
    trainer, train, valid = make(0, Checkpoint(tmp_path / "file"))
    trainer.fit(train, valid, epochs=1)
    state = load_checkpoint(tmp_path / "file")
    assert list(state["random"]["own"]) == ["train.sampler.generator"]
    assert {"python", "numpy"} <= set(state["random"]["global"])
    assert state["tally"] is None


# ---- loops of one's own -------------------------------------------------------------------------


def parts_of(seed):
    nnlite.manual_seed(seed)
    model = network()
    optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
    scheduler = nnlite.optim.lr_scheduler.StepLR(optimizer, 2)
    generator = nnlite.Generator().manual_seed(seed)
    return {
        "model": model,
        "optimizer": optimizer,
        "scheduler": scheduler,
        "loader": shuffled(seed),
        "history": History(),
        "noise": generator,
    }


def own_loop(path, seed, stop=None, epochs=4):
    """Five lines, the records of the Trainer, and a state after each batch."""
    parts = parts_of(seed)
    model, optimizer, scheduler, loader, history, noise = parts.values()
    loss_fn, batches, total = nn.BCEWithLogitsLoss(), 0, 0.0
    if os.path.exists(path):
        plain = load_state(path, **parts)
        batches, total = plain["batches"], plain["total"]
    for epoch in range(len(history) + 1, epochs + 1):
        for xb, yb in loader:
            xb = xb + 0.01 * nnlite.randn(*xb.shape, generator=noise)
            optimizer.zero_grad()
            loss = loss_fn(model(xb), yb)
            loss.backward()
            optimizer.step()
            batches, total = batches + 1, total + loss.item()
            save_state(path, **parts, batches=batches, total=total)
            if batches == stop:
                return None
        scheduler.step()
        history.append(epoch=epoch, train_loss=total, lr=optimizer.param_groups[0]["lr"])
        total = 0.0
    return history, values(model), str(optimizer.state_dict()), batches


@pytest.mark.usefixtures("quick_disk")
def test_a_loop_of_ones_own_goes_on_to_the_same_bytes(tmp_path):
    expected = own_loop(tmp_path / "whole", 0)
    for stop in (1, 5, 7, 13):
        path = tmp_path / f"stopped {stop}"
        assert own_loop(path, 0, stop) is None
        if stop == 5:  # after the last batch of an epoch its row is still to come
            assert len(load_checkpoint(path)["parts"]["history"][1]) == 0
        assert own_loop(path, 7) == expected
    history = expected[0]
    assert history.best_epoch() in history["epoch"]
    figure = history.plot(tmp_path / "loss.png")
    import matplotlib.pyplot as plt

    plt.close(figure)


def test_what_is_frozen_comes_back_with_a_model(tmp_path):
    model = network()
    model.freeze("1")
    save_state(tmp_path / "state", model=model, epoch=3)
    other = network()
    assert load_state(tmp_path / "state", model=other) == {"epoch": 3}
    assert other.frozen == model.frozen
    assert values(other) == values(model)


def test_states_of_other_loops_are_refused(tmp_path):
    path = tmp_path / "state"
    parts = parts_of(0)
    save_state(path, **parts, epoch=2)

    def message(**changed):
        given = {name: part for name, part in {**parts, **changed}.items() if part is not None}
        with pytest.raises(ValueError, match="load_state: ") as caught:
            load_state(path, **given)
        return str(caught.value)

    assert "0.weight is [8, 4] float32 there, [3, 4] float32 here" in message(
        model=nn.Sequential(nn.Linear(4, 3))
    )
    few = nnlite.optim.Adam([nnlite.ones(2, requires_grad=True)])
    assert "optimizer has groups of [6] parameters there, of [1] here" in message(optimizer=few)
    assert "history is in it and not given" in message(history=None)
    assert "more is not in it" in message(more=network())
    assert "scheduler is a state there, a History here" in message(scheduler=History())
    save_checkpoint({"nnlite.loop": 99}, path)
    assert "has format 99, this version of nnlite reads format 1" in message()
    save_checkpoint({"a": 1}, path)
    assert "was not written by save_state" in message()
    with pytest.raises(TypeError, match=r"step is .*, which has no state_dict"):
        save_state(path, step=len)


def test_saving_in_a_thread_is_not_needed_for_ctrl_c_to_be_safe(tmp_path):
    """A run outside of the main thread saves and resumes as any other."""
    found = []

    def work():
        found.append(run("arrays", tmp_path / "thread", 3))
        found.append(run("arrays", tmp_path / "thread", resume=True, seed=4))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] is None
    assert str(found[1]) == str(run("arrays", tmp_path / "whole"))


def test_a_schedule_does_not_take_a_resumed_run_for_one_without_steps(tmp_path):
    """Its first step comes before any of the optimizer's in this process."""
    path = tmp_path / "file"

    def make_trainer(*callbacks):
        trainer = trainer_of(Checkpoint(path, every_steps=1))
        scheduler = nnlite.optim.lr_scheduler.StepLR(trainer.optimizer, 1)
        trainer.callbacks += [Schedule(scheduler), *callbacks]
        return trainer

    with pytest.raises(Kill.PowerFailure):
        make_trainer(Kill(5)).fit(shuffled(0), epochs=2)
    assert load_checkpoint(path)["tally"]["batch"] == 5
    history = make_trainer(Kill()).fit(shuffled(0), epochs=2, resume=path)
    assert history["lr"] == [0.1, 0.1 * 0.1]


@pytest.mark.parametrize("name", ["run", "{epoch:03}.ckpt", "[run]"])
def test_what_a_killed_run_left_half_written_is_removed(tmp_path, name):
    own = tmp_path / f".tmp-0123456789ab-{name.format(epoch=7)}"
    others = [tmp_path / ".tmp-0123456789ab-weights", tmp_path / "notes"]
    for path in (own, *others):
        path.write_bytes(b"half")
    trainer_of(Checkpoint(tmp_path / name)).fit((X, Y), epochs=1)
    assert not own.exists()
    assert all(path.exists() for path in others)
