"""A training that is killed at any moment and resumed ends with the same bytes, at small size."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

import kill

import nnlite


@pytest.fixture(autouse=True)
def _from_here(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(nnlite.__file__).parents[1]))


def test_kills_leave_no_trace(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kill, "LONGEST", 0.15)
    assert kill.run(3, 0, tmp_path)
    said = capsys.readouterr().out
    assert said.count("the end has the same bytes") == 2
    assert "SGD, epoch" in said
    assert "Adam, epoch" in said
    assert "3 kills in 2 trainings" in said


def test_a_difference_is_found(tmp_path, monkeypatch, capsys):
    """One bit of one weight."""
    weights = nnlite.ones(2, 2)

    def finish(folder, kind):
        kill.save_checkpoint({"model": {"a": nnlite.zeros(1), "b": weights}}, folder / kill.RESULT)
        weights[0, 1] += 1e-7
        return (folder / kill.RESULT).read_bytes()

    monkeypatch.setattr(kill, "KINDS", ("SGD",))
    monkeypatch.setattr(kill, "finish", finish)
    monkeypatch.setattr(kill, "kill_once", lambda *_: kill.Found(1, 1, 1, False))
    assert not kill.run(1, 0, tmp_path)
    said = capsys.readouterr().out
    assert "OTHER bytes" in said
    assert "they differ at ['model']['b']\n" in said


def test_the_run_has_what_could_be_lost(tmp_path):
    for kind in kill.KINDS:
        trainer, train, valid = kill.make(kind, str(tmp_path / kind), 0)
        trainer.fit(train, valid, epochs=2)
        state = kill.summary(trainer)
        names = [type(callback).__name__ for callback in trainer.callbacks]
        assert names == ["Checkpoint", "ClipGradNorm", "Schedule", "EMA", "EarlyStopping"]
        assert {"4.weight", "4.bias", "5.running_mean"} <= set(state["frozen"])
        assert set(state["random"]["own"]) == {"train.dataset.noise", "train.sampler.generator"}
        assert "1.running_var" in state["model"]
        assert trainer.step == 2 * 3
        tally = kill.load_checkpoint(tmp_path / kind)["tally"]
        assert tally is None
