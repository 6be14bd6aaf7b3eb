"""Exact resume: a run that was stopped and taken up again equals one that never was."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import resume_run
from resume_run import make, summary

import nnlite
from nnlite import nn
from nnlite.io import load_checkpoint, save_checkpoint
from nnlite.train import Callback, Checkpoint, EarlyStopping
from nnlite.utils.data import DataLoader, RandomSampler

EPOCHS = 9


def same(one, other):
    """Whether two trees are equal to the last bit, with types."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, nnlite.Tensor):
        one, other = one.numpy(force=True), other.numpy(force=True)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return type(one) is type(other) and (one == other or one != one)


class Stop(Callback):
    """Ends a run for good, in the middle of an epoch, as if the power had failed."""

    class PowerFailure(BaseException):
        pass

    def __init__(self, step=None):
        self.step = step

    def on_step_end(self, trainer):
        if trainer.step == self.step:
            raise self.PowerFailure


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint"
    trainer, train, valid = make(0, Checkpoint(path), Stop())
    trainer.fit(train, valid, epochs=EPOCHS)
    return summary(trainer), load_checkpoint(path)


def test_the_run_has_what_could_be_lost(never_stopped):
    """Otherwise the tests below would say less than they seem to."""
    state, _ = never_stopped
    assert 3 < state["epoch"] < EPOCHS  # stopped early, with an earlier epoch restored
    assert state["stop"]
    assert state["stopping"]["best_epoch"] < state["epoch"]
    assert {"4.weight", "4.bias", "5.running_mean"} <= set(state["frozen"])
    assert len(state["optimizer"]["state"]) == 6
    assert len(state["loaders"][0]["generators"]) == 1


@pytest.mark.parametrize("step", [1, 4, 5, 11, 13, 16])
def test_a_resumed_run_equals_one_never_stopped(never_stopped, tmp_path, step):
    expected, expected_file = never_stopped
    path = tmp_path / "checkpoint"
    trainer, train, valid = make(0, Checkpoint(path), Stop(step))
    with pytest.raises(Stop.PowerFailure):
        trainer.fit(train, valid, epochs=EPOCHS)

    # Another seed: whatever were not taken from the file would differ.
    trainer, train, valid = make(7, Checkpoint(path), Stop())
    trainer.model.unfreeze()
    nnlite.rand(3)
    history = trainer.fit(train, valid, epochs=EPOCHS, resume=path)
    assert same(summary(trainer), expected)
    assert history["epoch"] == list(range(1, expected["epoch"] + 1))
    file = load_checkpoint(path)
    for tree in (file, expected_file):
        tree["history"] = [{**row, "seconds": 0} for row in tree["history"]]
    assert same(file, expected_file)


def test_a_finished_run_is_resumed_without_training(never_stopped, tmp_path):
    expected, file = never_stopped
    path = tmp_path / "checkpoint"
    save_checkpoint(file, path)
    trainer, train, valid = make(7, Checkpoint(path), Stop(1))
    trainer.fit(train, valid, epochs=EPOCHS, resume=path)
    assert same(summary(trainer), expected)


def test_a_run_can_be_made_longer(tmp_path):
    path = tmp_path / "checkpoint"
    longer, train, valid = make(0, patience=99)
    longer.fit(train, valid, epochs=6)
    trainer, train, valid = make(0, Checkpoint(path), patience=99)
    trainer.fit(train, valid, epochs=4)
    trainer, train, valid = make(5, Checkpoint(path), patience=99)
    trainer.fit(train, valid, epochs=6, resume=path)
    assert same(summary(trainer), summary(longer))


def test_a_state_can_be_resumed_without_a_file():
    expected, train, valid = make(0, patience=99)
    expected.fit(train, valid, epochs=5)

    states = []

    class Keep(EarlyStopping):
        def on_checkpoint(self, trainer):
            states.append(nnlite.train.state.copied(trainer.state_dict()))

    trainer, train, valid = make(0)
    trainer.callbacks = [Keep("valid_accuracy", patience=99)]
    trainer.fit(train, valid, epochs=5)
    assert [tree["epoch"] for tree in states] == [0, 1, 2, 3, 4, 5]
    for tree in states:
        trainer, train, valid = make(3)
        trainer.callbacks = [Keep("valid_accuracy", patience=99)]
        trainer.fit(train, valid, epochs=5, resume=tree)
        assert same(summary(trainer), summary(expected))


def test_a_state_can_be_resumed_more_than_once():
    class Average(Callback):
        """Writes into what it was given."""

        def on_fit_start(self, trainer):
            self.values = np.zeros(2)

        def on_step_end(self, trainer):
            self.values += trainer.batch_loss

        def state_dict(self):
            return {"values": self.values.copy()}

        def load_state_dict(self, state):
            self.values = state["values"]

    trainer, train, valid = make(0, Average())
    trainer.fit(train, valid, epochs=2)
    tree = trainer.state_dict()
    ends = []
    for _ in range(2):
        trainer, train, valid = make(3, Average())
        trainer.fit(train, valid, epochs=3, resume=tree)
        ends.append(trainer.callbacks[0].values.tolist())
    assert ends[0] == ends[1]


def test_a_state_can_be_loaded_to_use_the_model(never_stopped):
    _, file = never_stopped
    trainer, _, valid = make(7, Checkpoint("unused"), Stop())
    trainer.load_state_dict(file)
    assert len(trainer.history) == trainer.epoch == file["epoch"]
    assert trainer.evaluate(valid)["accuracy"] == file["history"][-1]["valid_accuracy"]
    file["model"]["0.weight"].fill_(0)
    assert trainer.model[0].weight.abs().sum() > 0


def test_checkpoints_may_be_fewer(tmp_path):
    path = tmp_path / "checkpoint"
    written = []

    class Look(Callback):
        def on_checkpoint(self, trainer):
            written.append(load_checkpoint(path)["epoch"])

    trainer, train, valid = make(0, Checkpoint(path, every=3), Look(), patience=99)
    trainer.fit(train, valid, epochs=5)
    assert written == [0, 0, 0, 3, 3, 5]
    with pytest.raises(ValueError, match="every must be 1 or more"):
        Checkpoint(path, every=0)


def test_a_checkpoint_holds_what_callbacks_after_it_learnt(tmp_path):
    """EarlyStopping stands after Checkpoint, and must be in the file as of the same epoch."""
    path = tmp_path / "checkpoint"
    trainer, train, valid = make(0, Checkpoint(path), patience=99)
    trainer.fit(train, valid, epochs=1)
    assert load_checkpoint(path)["callbacks"][1]["best_epoch"] == 1


def test_a_path_that_cannot_be_written_is_noticed_at_the_start(tmp_path):
    trainer, train, valid = make(0, Checkpoint(tmp_path / "none" / "file"), Stop(1))
    with pytest.raises(nnlite.train.CallbackError, match=r"Checkpoint.on_checkpoint.*no folder"):
        trainer.fit(train, valid, epochs=2)


def test_resuming_from_nothing(tmp_path):
    trainer, train, valid = make(0)
    with pytest.raises(FileNotFoundError, match="missing"):
        trainer.fit(train, valid, epochs=1, resume=tmp_path / "missing")
    with pytest.raises(ValueError, match="no state of a Trainer"):
        trainer.fit(train, valid, epochs=1, resume=trainer.model.state_dict())
    (tmp_path / "damaged").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="damaged"):
        trainer.fit(train, valid, epochs=1, resume=tmp_path / "damaged")


# ---- another run's state is refused -------------------------------------------------------------


def other_model(trainer):
    trainer.model[0] = nn.Linear(2, 8)
    trainer.model[7] = nn.Sequential(nn.Linear(16, 2))


def other_optimizer(trainer):
    class Other(nnlite.optim.SGD):
        pass

    trainer.optimizer = Other(trainer.model.parameters(), lr=0.1)


def fewer_parameters(trainer):
    trainer.optimizer = nnlite.optim.SGD(trainer.model[0].parameters(), lr=0.1)


def no_callbacks(trainer):
    trainer.callbacks = []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            other_model,
            [
                r"0.weight is \[16, 2\] float32 there, \[8, 2\] float32 here",
                "the model here has no 7.weight",
                "the model there has no 7.0.weight",
            ],
        ),
        (other_optimizer, ["SGD of 10 parameters there, Other of 10 parameters here"]),
        (fewer_parameters, ["SGD of 10 parameters there, SGD of 2 parameters here"]),
        (no_callbacks, ["callbacks: Checkpoint, Stop, EarlyStopping there, none here"]),
    ],
)
def test_another_run_is_refused_before_anything_changes(never_stopped, change, words):
    _, file = never_stopped
    trainer, _, _ = make(7, Checkpoint("unused"), Stop())
    change(trainer)
    before = nnlite.train.state.copied(summary(trainer)) if change is not no_callbacks else None
    for word in words:
        with pytest.raises(ValueError, match=f"the state is of another run: .*{word}"):
            trainer.load_state_dict(file)
    assert before is None or same(summary(trainer), before)


def test_other_data_are_refused(never_stopped):
    _, file = never_stopped
    trainer, train, valid = make(7, Checkpoint("unused"), Stop(), samples=50)
    with pytest.raises(
        ValueError,
        match="training data: 60 samples, 4 batches, 16 a batch there, 50 samples, 4 batches",
    ):
        trainer.fit(train, valid, epochs=EPOCHS, resume=file)
    trainer, train, valid = make(7, Checkpoint("unused"), Stop())
    with pytest.raises(ValueError, match=r"validation data: 20 samples.* there, 19 samples"):
        trainer.fit(train, (valid[0][1:], valid[1][1:]), epochs=EPOCHS, resume=file)
    loader = DataLoader(train.dataset, batch_size=20, sampler=RandomSampler(range(60)))
    with pytest.raises(ValueError, match=r"16 a batch there, .* 20 a batch here"):
        trainer.fit(loader, valid, epochs=EPOCHS, resume=file)


# ---- killed -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def never_killed():
    trainer, train, valid = make(0, Checkpoint(os.devnull), patience=99)
    trainer.fit(train, valid, epochs=resume_run.EPOCHS)
    return summary(trainer)


def start(folder, victim="", number=0):
    arguments = [str(folder / "checkpoint"), str(folder / "result"), victim, str(number)]
    return subprocess.Popen(
        [sys.executable, resume_run.__file__, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(nnlite.__file__))},
    )


def finish(folder):
    process = start(folder)
    process.communicate()
    assert process.returncode == 0
    return load_checkpoint(folder / "result")


def test_killed_at_random_moments(never_killed, tmp_path):
    drawn = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    for _ in range(3):
        with start(tmp_path) as process:
            said = process.stdout.readline()
            time.sleep(drawn.uniform(0.005, 0.1))
            process.kill()
        assert said == "ready\n"
    assert same(finish(tmp_path), never_killed)


@pytest.mark.parametrize("victim", ["fsync", "replace"])
def test_killed_while_a_checkpoint_is_written(never_killed, tmp_path, victim):
    for number in (2, 9):
        process = start(tmp_path, victim, number)
        process.communicate()
        assert process.returncode == -getattr(signal, "SIGKILL", -signal.SIGTERM)
    assert any(name.name.startswith(".tmp-") for name in tmp_path.iterdir())
    assert load_checkpoint(tmp_path / "checkpoint")["epoch"] > 0
    assert same(finish(tmp_path), never_killed)
