"""The command line: what it writes, what it says, and that bad input ends in one line."""

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnlite
from nnlite import cli
from nnlite.io.atomic import write_bytes
from nnlite.io.table import Table
from nnlite.train import launch
from nnlite.train import run as runs
from nnlite.train.classifier import TabularClassifier
from nnlite.train.history import History

ROOT = Path(__file__).resolve().parent.parent
FILES = ["checkpoint", "history.csv", "loss.png", "model.safetensors", "report.json"]
QUICK = ["--hidden", "6,4", "--batch-size", "16", "--lr", "0.05"]


def patients(rows, seed, shift=0.0):
    """Two numbers and a text, which decide the target but for some noise."""
    rng = np.random.default_rng(seed)
    age = rng.normal(50 + shift, 12, rows).round(1)
    dose = rng.normal(3, 1, rows).round(2)
    colour = np.where(rng.random(rows) < 0.5, "red", "blue")
    score = (age - 50) / 12 + (dose - 3) + 1.5 * (colour == "red") - 0.75
    ill = np.where(score + 0.3 * rng.normal(size=rows) > 0, "yes", "no")
    return Table({"age": age, "dose": dose, "colour": colour, "ill": ill})


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with data.csv and the run on it, for tests that only read."""
    folder = tmp_path_factory.mktemp("trained")
    patients(160, 0).write_csv(folder / "data.csv")
    data, out = str(folder / "data.csv"), str(folder / "run")
    assert cli.main(["train", data, "--out", out, "--epochs", "8", "--quiet", *QUICK]) == 0
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with data.csv in it; the plot of a training is not really drawn there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(History, "plot", lambda self, path, **options: write_bytes(path, b"plot"))
    patients(160, 0).write_csv("data.csv")
    return tmp_path


@pytest.fixture
def command(capsys):
    """Runs the command in this process; gives status, output and errors."""

    def call(*arguments):
        capsys.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def refused(command):
    """Runs the command, which must refuse its input in one line; gives that line."""

    def call(*arguments):
        status, _, errors = command(*arguments)
        assert status == 2, errors
        assert errors.startswith("nnlite: error: "), errors
        assert errors.count("\n") == 1
        assert errors.endswith("\n")
        return errors.removeprefix("nnlite: error: ").rstrip()

    return call


def in_a_process(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-m", "nnlite", *map(str, arguments)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        **options,
    )


def files_in(folder):
    return sorted(os.listdir(folder))


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def without_seconds(folder):
    history = History.from_csv(os.path.join(folder, "history.csv"))
    return [{name: row[name] for name in row if name != "seconds"} for row in history]


def predictions(text):
    return list(csv.DictReader(io.StringIO(text)))


# ---- train -----------------------------------------------------------------------------------


def test_train_writes_five_files_and_says_what_to_do_next(here, command):
    status, said, errors = command("train", "data.csv", "--epochs", 8, *QUICK)
    assert (status, errors) == (0, "")
    assert files_in("runs/data") == FILES
    assert "128 rows to learn from, 32 held out" in said
    assert "'ill': 'no' or 'yes' (class 1), predicted from 4 features" in said
    assert "4-6-4-1" in said
    for title in ("accuracy", "ROC AUC", "F1", "loss"):
        assert f"\n  {title} " in said
    assert "always guessing" in said
    for line in said.split("What to do next:\n")[1].splitlines():
        status, _, errors = command(*line.split()[1:])
        assert status == 0, (line, errors)
    assert (here / "predictions.csv").exists()
    assert files_in("runs") == ["data", "data_finetuned"]


def test_the_figures_are_those_of_the_saved_model_on_the_held_out_rows(trained):
    report = json.loads((trained / "run/report.json").read_text(encoding="utf-8"))
    assert report["seed"] == report["configuration"]["seed"] == 0
    assert report["configuration"]["hidden"] == [6, 4]
    assert report["versions"]["nnlite"] == nnlite.__version__
    assert report["data"]["classes"] == ["no", "yes"]

    table = patients(160, 0)
    generator = nnlite.Generator().manual_seed(0)
    train, valid = table.split(0.2, target="ill", generator=generator)
    classifier = TabularClassifier.load(trained / "run")
    age = classifier.preprocessor.features[0]
    assert age.mean == pytest.approx(table["age"][train].mean())  # of the training part alone
    held_out = table.take(valid)
    right = classifier.predict(held_out) == held_out["ill"]
    assert report["validation"]["accuracy"] == pytest.approx(right.mean())
    common = report["baseline"]["always"]
    assert (table["ill"][train] == common).mean() > 0.5
    assert report["baseline"]["accuracy"] == pytest.approx((held_out["ill"] == common).mean())
    assert right.mean() > report["baseline"]["accuracy"]

    history = History.from_csv(trained / "run/history.csv")
    assert report["training"] == {
        "epochs": 8,
        "best_epoch": history.best_epoch(),
        "ended": "complete",
    }
    assert report["validation"]["loss"] == pytest.approx(min(history["valid_loss"]))


def test_the_same_command_gives_the_same_bytes(trained, here, command):
    assert command("train", "data.csv", "--out", "again", "--epochs", 8, *QUICK)[0] == 0
    ours = (here / "again/model.safetensors").read_bytes()
    assert ours == (trained / "run/model.safetensors").read_bytes()
    command("train", "data.csv", "--out", "other", "--epochs", 8, "--seed", 1, *QUICK)
    assert (here / "other/model.safetensors").read_bytes() != ours


def test_the_seed_decides_the_split_too(here):
    first, again, other = (
        launch.start_training(runs.Settings(data="data.csv", seed=seed)).valid.x.numpy()
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_early_stopping_keeps_the_best_epoch(here, command):
    status, said, _ = command("train", "data.csv", "--patience", 3, "--lr", 0.3, "--epochs", 200)
    assert status == 0
    history = History.from_csv("runs/data/history.csv")
    best = history.best_epoch()
    assert len(history) == best + 3
    assert f"Stopped after epoch {best + 3}: no better validation loss for 3 epochs" in said
    report = json.loads((here / "runs/data/report.json").read_text(encoding="utf-8"))
    assert report["validation"]["loss"] == pytest.approx(history.best["valid_loss"])
    assert report["training"]["ended"] == "early"


def test_without_a_file_it_trains_on_the_built_in_data(here, command):
    status, said, _ = command("train", "--epochs", 4)
    assert status == 0
    assert "breast cancer data: 455 rows to learn from, 114 held out" in said
    assert files_in("runs/wisconsin") == FILES
    status, said, errors = command("predict", "runs/wisconsin")
    assert status == 0
    assert len(predictions(said)) == 569
    assert "569 rows predicted; compared with the column 'diagnosis': accuracy 0.9" in errors


def test_the_accuracy_that_is_promised(here):
    """One of the five seeds of scripts/accuracy.py, from CSV file to CSV file."""
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "scripts" / "accuracy.py")
    accuracy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(accuracy)
    accuracy.nnlite = lambda *arguments: cli.main([*arguments, "--quiet"])
    train, test = accuracy.split(0)
    assert len(test) == 114
    assert accuracy.with_nnlite(train, test, 0) >= accuracy.PROMISED


def test_target_positive_and_drop(here, command):
    table = patients(80, 1)
    columns = {"ill": table["ill"], "id": np.arange(80), "age": table["age"], "dose": table["dose"]}
    Table(columns).write_csv("other.csv")
    options = ["--target", "ill", "--positive", "no", "--drop", "id", "--epochs", 2, "--out", "out"]
    status, said, _ = command("train", "other.csv", *options)
    assert status == 0
    classifier = TabularClassifier.load("out")
    assert classifier.classes == ("yes", "no")
    assert classifier.preprocessor.feature_names == ("age", "dose")
    assert "'ill': 'yes' or 'no' (class 1)" in said


def test_quiet_says_nothing(here, command):
    assert command("train", "data.csv", "--epochs", 2, "--quiet", *QUICK) == (0, "", "")
    assert command("predict", "runs/data", "data.csv", "--out", "p.csv", "--quiet") == (0, "", "")
    assert command("plot", "runs/data", "--quiet") == (0, "", "")


def test_names_that_no_console_can_print(here, command):
    table = patients(60, 1)
    columns = {"größe→": table["age"], "klasse": np.where(table["ill"] == "yes", "✓", "\u0416")}
    Table(columns).write_csv("daten.csv")
    assert command("train", "daten.csv", "--epochs", 2)[0] == 0
    done = in_a_process("predict", "runs/daten", "daten.csv", cwd=here)
    assert done.returncode == 0
    assert {row["prediction"] for row in predictions(done.stdout)} <= {"✓", "Ж"}


# ---- resume and Ctrl-C -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    """A shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_at(monkeypatch, step):
    """Press Ctrl-C in the middle of the optimizer's step of this number."""
    plain = nnlite.optim.SGD.step
    count = 0

    def interrupted(self, *arguments):
        nonlocal count
        count += 1
        if count == step:
            signal.raise_signal(signal.SIGINT)
        return plain(self, *arguments)

    monkeypatch.setattr(nnlite.optim.SGD, "step", interrupted)


def test_ctrl_c_keeps_the_last_finished_epoch_and_resume_goes_on_to_the_same_bytes(
    here, command, monkeypatch
):
    # 8 steps in an epoch
    arguments = ["train", "data.csv", "--epochs", 12, *QUICK, "--lr", 1.0]
    assert command(*arguments, "--out", "whole")[0] == 0
    # The best weights go into the model, the last ones into the checkpoint.
    assert History.from_csv("whole/history.csv")[:5].best_epoch() < 5
    with monkeypatch.context() as patch:
        interrupt_at(patch, step=8 * 5 + 3)
        status, _, errors = command(*arguments, "--out", "cut")
    assert status == 130
    assert errors.count("\n") == 1
    assert errors.startswith("nnlite: interrupted after epoch 5 of 12, which is kept in cut; ")
    assert files_in("cut") == FILES
    assert without_seconds("cut") == without_seconds("whole")[:5]
    report = json.loads((here / "cut/report.json").read_text(encoding="utf-8"))
    assert report["training"]["ended"] == "interrupted"
    again = errors.split("go on with: nnlite ")[1].split()
    assert again == ["train", "--resume", "--out", "cut"]
    assert command(*again)[0] == 0
    assert without_seconds("cut") == without_seconds("whole")
    model = (here / "cut/model.safetensors").read_bytes()
    assert model == (here / "whole/model.safetensors").read_bytes()


def test_ctrl_c_before_the_first_epoch_has_ended_writes_nothing(here, command, monkeypatch):
    interrupt_at(monkeypatch, step=3)
    status, _, errors = command("train", "data.csv", "--out", "deep/out", *QUICK)
    assert status == 130
    assert errors == (
        "nnlite: interrupted before the first epoch was finished: nothing was written\n"
    )
    assert files_in(".") == ["data.csv"]


def test_ctrl_c_while_reading(here, command, monkeypatch):
    def press(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnlite.train.launch.read_csv", press)
    assert command("train", "data.csv") == (130, "", "nnlite: interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_killed_run_resumes_to_the_same_bytes(here, command):
    arguments = ["train", "data.csv", "--epochs", "7", *QUICK]
    assert command(*arguments, "--out", "whole")[0] == 0
    program = f"""
import os, signal
from nnlite import cli, optim
from nnlite.train import run
run._PAUSE = 0.0
plain = optim.SGD.step
left = 8 * 4 + 2
def step(self, *arguments):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, *arguments)
optim.SGD.step = step
cli.main({[*arguments, "--out", "cut", "--quiet"]})
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert files_in("cut/unfinished") == ["checkpoint", "history.csv"]
    assert command("train", "--resume", "--out", "cut")[0] == 0
    assert without_seconds("cut") == without_seconds("whole")
    model = (here / "cut/model.safetensors").read_bytes()
    assert model == (here / "whole/model.safetensors").read_bytes()


def test_a_finished_run_resumes_with_more_epochs(here, command):
    arguments = ["train", "data.csv", *QUICK]
    assert command(*arguments, "--epochs", 6, "--out", "whole")[0] == 0
    assert command(*arguments, "--epochs", 4, "--out", "cut")[0] == 0
    assert command(*arguments, "--epochs", 6, "--out", "cut", "--resume")[0] == 0
    assert without_seconds("cut") == without_seconds("whole")
    before = contents("cut")["model.safetensors"]
    assert command("train", "--resume", "--out", "cut")[0] == 0  # nothing is left to do
    assert contents("cut")["model.safetensors"] == before


def test_resume_refuses_other_settings_and_other_data(trained, here, refused):
    out = ["--out", trained / "run", "--resume"]
    before = contents(trained / "run")
    line = refused("train", *out, "--lr", 0.5, "--hidden", "9")
    assert "the run had --hidden 6,4, --lr 0.05, not --hidden 9, --lr 0.5" in line
    assert "resume it" in line

    table = patients(160, 0)
    table.take(range(150)).write_csv("fewer.csv")
    assert "(160 rows then, 150 now)" in refused("train", "fewer.csv", *out)
    columns = {name: table[name].copy() for name in table.names}
    columns["dose"][7] += 0.01
    Table(columns).write_csv("changed.csv")
    assert "(column 'dose' changed)" in refused("train", "changed.csv", *out)
    assert "there is no run to resume" in refused("train", "--resume", "--out", "nowhere")
    assert contents(trained / "run") == before


def test_resume_refuses_a_damaged_checkpoint_and_that_of_another_version(
    here, command, refused, monkeypatch
):
    assert command("train", "data.csv", "--epochs", 2, *QUICK)[0] == 0
    monkeypatch.setattr("nnlite.train.launch.__version__", "9.9.9")
    line = refused("train", "data.csv", "--resume")
    assert f"was written by nnlite {nnlite.__version__}, this is 9.9.9" in line
    path = here / "runs/data/checkpoint"
    path.write_bytes(path.read_bytes()[:-20])
    assert "truncated or damaged" in refused("train", "data.csv", "--resume")


# ---- finetune ----------------------------------------------------------------------------------


def test_finetune_trains_what_is_not_frozen_and_nothing_else(trained, here, command):
    patients(120, 5, shift=6.0).write_csv("new.csv")
    before = contents(trained / "run")
    status, said, errors = command(
        "finetune",
        trained / "run",
        "new.csv",
        "--freeze",
        "0",
        "2.*",
        "--out",
        "tuned",
        "--epochs",
        5,
    )
    assert (status, errors) == (0, "")
    assert contents(trained / "run") == before
    assert files_in("tuned") == FILES
    old = TabularClassifier.load(trained / "run")
    new = TabularClassifier.load("tuned")
    assert new.preprocessor == old.preprocessor
    for name, tensor in old.model.state_dict().items():
        same = tensor.numpy().tobytes() == new.model.state_dict()[name].numpy().tobytes()
        assert same == (not name.startswith("4."))
    held = "0.weight, 0.bias, 2.weight, 2.bias"
    assert f"Frozen   {held}\n" in said
    assert f"Frozen: {held}: all {4 * (4 * 6 + 6 + 6 * 4 + 4)} bytes are as they were." in said
    assert "held-out rows: before and after" in said
    report = json.loads((here / "tuned/report.json").read_text(encoding="utf-8"))
    assert report["command"] == "finetune"
    assert report["model"]["frozen"] == held.split(", ")
    assert report["model"]["frozen_bytes_unchanged"] is True
    assert report["configuration"]["freeze"] == ["0", "2.*"]
    assert report["configuration"]["hidden"] == [6, 4]
    assert report["validation"]["loss"] < report["validation_before"]["loss"]


def test_frozen_weights_that_change_are_noticed(trained, here, monkeypatch):
    """As a fault of nnlite it is no input error: it shows its traceback."""
    plain = nnlite.optim.SGD.step

    def careless(self, *arguments):
        self.param_groups[0]["params"][0].array[0, 0] += 1
        return plain(self, *arguments)

    monkeypatch.setattr(nnlite.optim.SGD, "step", careless)
    with pytest.raises(AssertionError, match="changed frozen weights"):
        cli.main(["finetune", str(trained / "run"), "data.csv", "--freeze", "0", "--out", "tuned"])
    assert "model.safetensors" not in files_in("tuned")


def test_finetune_starts_from_the_weights_and_may_freeze_nothing(trained, here, command):
    model = trained / "run" / "model.safetensors"
    options = ["--epochs", 1, "--lr", 1e-12, "--out", "tuned"]
    status, said, _ = command("finetune", model, "data.csv", *options)
    assert status == 0
    assert "Frozen   nothing, all weights train" in said
    old, new = (TabularClassifier.load(path) for path in (model, "tuned"))
    table = patients(50, 9)
    np.testing.assert_allclose(new.logits(table), old.logits(table), rtol=1e-4, atol=1e-6)


def test_finetune_resumes(trained, here, command, refused, monkeypatch):
    arguments = ["finetune", trained / "run", "data.csv", "--freeze", "0", "--epochs", 9]
    assert command(*arguments, "--out", "whole")[0] == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, step=14)
        status, _, errors = command(*arguments, "--out", "cut")
    assert status == 130
    again = errors.split("go on with: nnlite ")[1].split()
    assert "is one of nnlite finetune" in refused("train", "--resume", "--out", "cut")
    patients(160, 1).write_csv("other.csv")
    assert "column 'age', column 'colour', column 'dose'" in refused(*again, "other.csv")
    command("train", "data.csv", "--epochs", 1, "--seed", 4, "--out", "base", *QUICK)
    line = refused("finetune", "base", "--resume", "--out", "cut")
    assert "(the model to start from changed)" in line
    assert "is one of nnlite train" in refused("finetune", "cut", "--resume", "--out", "base")
    assert command(*again)[0] == 0
    assert without_seconds("cut") == without_seconds("whole")
    assert contents("cut")["model.safetensors"] == contents("whole")["model.safetensors"]


def test_finetune_refuses(trained, here, refused):
    base = trained / "run"
    before = contents(base)

    def tune(*arguments):
        return refused("finetune", base, *arguments)

    line = tune("data.csv", "--freeze", "6")
    assert "matches '6'" in line
    assert "'0'" in line
    assert "leaves nothing to train" in tune("data.csv", "--freeze", "*")
    assert "leaves nothing to train" in tune("data.csv", "--freeze", "0", "2", "4.*")
    assert "data come first" in tune("--freeze", "0", "data.csv")
    assert "choose another one, so that it stays" in tune("data.csv", "--out", base)
    assert "choose another one" in refused(
        "finetune", base / "model.safetensors", "data.csv", "--out", base
    )
    table = patients(40, 3)
    table.take(table["ill"] == "yes").write_csv("sick.csv")
    assert "every value is 'yes'" in tune("sick.csv")
    columns = {name: table[name] for name in table.names}
    Table({**columns, "ill": np.where(table["ill"] == "yes", "ill", "well")}).write_csv("other.csv")
    line = tune("other.csv")
    assert "column 'ill'" in line
    assert "is neither 'no' nor 'yes'" in line
    del columns["dose"]
    Table(columns).write_csv("fewer.csv")
    assert "no column 'dose'" in tune("fewer.csv")
    assert "DATA.csv is missing" in tune()
    assert refused("finetune", "nowhere", "data.csv") == "nowhere: there is no such file or folder"
    assert contents(base) == before
    assert files_in(".") == ["data.csv", "fewer.csv", "other.csv", "sick.csv"]


# ---- predict -----------------------------------------------------------------------------------


def test_predict_writes_a_line_for_each_row_in_order(trained, here, command):
    table = patients(50, 7)
    table.write_csv("new.csv")
    status, said, errors = command("predict", trained / "run", "new.csv")
    assert status == 0
    rows = predictions(said)
    classifier = TabularClassifier.load(trained / "run")
    assert list(rows[0]) == ["prediction", "probability_yes"]
    assert [row["prediction"] for row in rows] == classifier.predict(table).tolist()
    chances = [float(row["probability_yes"]) for row in rows]
    np.testing.assert_allclose(chances, classifier.predict_proba(table)[:, 1], rtol=1e-6)
    accuracy = np.mean(classifier.predict(table) == table["ill"])
    assert f"50 rows predicted; compared with the column 'ill': accuracy {accuracy:.4f}, " in errors
    assert errors.count("\n") == 1

    assert command("predict", trained / "run", "new.csv", "--out", "p.csv")[:2] == (0, "")
    assert (here / "p.csv").read_text(encoding="utf-8") == said
    assert command("predict", trained / "run", "--quiet", "new.csv") == (0, said, "")


def test_predict_needs_no_target_and_takes_columns_in_any_order(trained, here, command):
    table = patients(30, 7)
    table.write_csv("new.csv")
    expected = command("predict", trained / "run", "new.csv")[1]
    columns = {"extra": np.arange(30), **{n: table[n] for n in ("colour", "dose", "age")}}
    Table(columns).write_csv("moved.csv")
    status, said, errors = command("predict", trained / "run", "moved.csv")
    assert (status, said, errors) == (0, expected, "nnlite: 30 rows predicted\n")


@pytest.mark.parametrize(
    ("targets", "reason"),
    [([""] * 3, "the value is missing"), (["maybe", "no", "yes"], "'maybe' is neither")],
)
def test_a_target_that_cannot_be_compared_does_not_keep_from_predicting(
    trained, here, command, targets, reason
):
    lines = [f"50,3,red,{target}" for target in targets]
    (here / "new.csv").write_text("\n".join(["age,dose,colour,ill", *lines]) + "\n")
    status, said, errors = command("predict", trained / "run", "new.csv")
    assert status == 0
    assert len(predictions(said)) == 3
    assert "3 rows predicted; not compared with the target: new.csv, line 2" in errors
    assert reason in errors


def test_predict_refuses(trained, here, refused):
    model = trained / "run"
    (here / "p.csv").write_text("earlier\n")

    def predict(text):
        (here / "new.csv").write_text(text)
        return refused("predict", model, "new.csv", "--out", "p.csv")

    assert "no column 'colour'" in predict("age,dose\n50,3\n")
    line = predict("age,dose,colour\n50,3,red\n50,3,green\n")
    assert "new.csv, line 3, column 'colour': 'green' was not in the training data" in line
    assert "'blue', 'red'" in line
    assert "new.csv, line 2, column 'dose'" in predict("age,dose,colour\n50,high,red\n")
    assert "missing" in predict("age,dose,colour\n50,,red\n")
    assert "no rows" in predict("age,dose,colour\n")
    assert "is empty" in predict("")
    assert "is the file of the data" in refused("predict", model, "new.csv", "--out", "new.csv")
    assert "DATA.csv is missing" in refused("predict", model)
    assert (here / "p.csv").read_text() == "earlier\n"


def test_predict_refuses_what_is_no_model(trained, here, refused):
    assert refused("predict", "nowhere") == "nowhere: there is no such file or folder"
    os.mkdir("empty")
    assert "empty: there is no model.safetensors in it" in refused("predict", "empty", "data.csv")
    whole = (trained / "run/model.safetensors").read_bytes()
    path = here / "model.safetensors"
    path.write_bytes(whole[:-7])
    assert "model.safetensors" in refused("predict", path, "data.csv")
    path.write_bytes(b"\0" * 1000)
    refused("predict", path, "data.csv")
    path.write_bytes(whole.replace(b'\\"format\\": 1', b'\\"format\\": 7'))
    line = refused("predict", path, "data.csv")
    assert "in format 7, written by nnlite" in line
    assert "no folder and does not end in .safetensors" in refused("predict", "data.csv")


@pytest.mark.skipif(os.name == "nt", reason="needs a shell's pipe")
def test_a_reader_that_leaves_early_ends_it_silently(trained, here):
    patients(20_000, 2).write_csv("long.csv")
    command = [sys.executable, "-m", "nnlite", "predict", trained / "run", "long.csv"]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"prediction,probability_yes\n"
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")


# ---- plot --------------------------------------------------------------------------------------


def test_plot_draws_one_run_or_several(trained, here, command):
    run = trained / "run"
    assert command("plot", run, "--out", "one.svg") == (0, "Wrote one.svg\n", "")
    assert b"</svg>" in (here / "one.svg").read_bytes()
    before = (run / "loss.png").read_bytes()
    (run / "loss.png").unlink()
    assert command("plot", run)[0] == 0
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    (run / "loss.png").write_bytes(before)
    os.mkdir("second")
    (here / "second/history.csv").write_bytes((run / "history.csv").read_bytes())
    assert command("plot", run, "second") == (0, "Wrote comparison.png\n", "")
    assert (here / "comparison.png").stat().st_size > len(before) // 2


def test_plot_refuses(trained, here, refused):
    run = trained / "run"
    assert refused("plot", "nowhere") == "nowhere: there is no such folder"
    os.mkdir("empty")
    assert "empty: there is no history.csv in it" in refused("plot", "empty")
    assert "must end in .png or .svg" in refused("plot", run, "--out", "plot.pdf")
    assert "there is no folder" in refused("plot", run, "--out", "absent/plot.png")
    (here / "empty/history.csv").write_text("epoch,train_loss\n1,0.5\n2,0")
    assert "history.csv, line 3" in refused("plot", "empty")
    (here / "empty/history.csv").write_text("epoch,train_loss\n")
    assert "no epochs" in refused("plot", "empty")


# ---- bad input, full disks, help ---------------------------------------------------------------


GOOD = [f"{age},{'red' if age % 3 else 'blue'},{int(age > 40)}" for age in range(30, 50)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["age,colour,ill"], "there are no rows below the column names"),
        (["age,age,ill", *GOOD], "columns 1 and 2 have the same name 'age'"),
        (["age,colour,ill", *GOOD, "41,red"], "line 22: 2 values for 3 columns"),
        (["age,colour,ill", *GOOD, "old,red,1"], "line 22, column 'age': 'old' is text"),
        (["age,colour,ill", *GOOD, "inf,red,1"], "line 22, column 'age': 'inf' is no finite"),
        (["age,colour,ill", *GOOD, "nan,red,1"], "line 22, column 'age': the value is missing"),
        (["age,colour,ill", *GOOD, ",red,1"], "line 22, column 'age': the value is missing"),
        (["age,colour,ill", *GOOD[:11]], "column 'ill': every value is '0'"),
        (["age,colour,ill", *GOOD, "41,red,2"], "exactly two different values, this column 3"),
        (["ill", "0", "1", "0", "1"], "'ill' is the only column: others must predict it"),
        (["age,ill", "30,0", "31,1"], "rows of the other class|held out"),
        (["1,2,0", *GOOD], "numbers stand where the column names belong"),
    ],
)
def test_train_refuses_data(here, refused, lines, message):
    (here / "bad.csv").write_text("".join(line + "\n" for line in lines))
    line = (
        refused("train", "bad.csv", "--target", "ill")
        if lines and "ill" in lines[0]
        else (refused("train", "bad.csv"))
    )
    assert "bad.csv" in line
    assert any(part in line for part in message.split("|")), line
    assert files_in(".") == ["bad.csv", "data.csv"]


def test_train_names_the_columns_that_could_be_the_target(here, refused):
    (here / "bad.csv").write_text("ill,age\n0,30\n1,41\n0,32\n1,43\n")
    line = refused("train", "bad.csv")
    assert "Without --target the last column is meant: name another one" in line
    assert "(two values each: 'ill')" in line
    assert "did you mean 'ill'" in refused("train", "bad.csv", "--target", "il")
    assert "no column 'x'" in refused("train", "bad.csv", "--target", "ill", "--drop", "x")
    assert "the classes are '0', '1'" in refused(
        "train", "bad.csv", "--target", "ill", "--positive", "yes"
    )
    assert refused("train", "absent.csv") == "absent.csv: there is no such file"
    assert "is a directory" in refused("train", ".")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hidden", "0"],
        ["--hidden", "64,"],
        ["--hidden", "64;32"],
        ["--hidden", "-64"],
        ["--epochs", "0"],
        ["--epochs", "1e3"],
        ["--batch-size", "-1"],
        ["--lr", "-1"],
        ["--lr", "0"],
        ["--lr", "nan"],
        ["--lr", "inf"],
        ["--lr", "fast"],
        ["--momentum", "1"],
        ["--momentum", "-0.1"],
        ["--weight-decay", "-1"],
        ["--patience", "-1"],
        ["--valid", "0"],
        ["--valid", "1"],
        ["--valid", "1.5"],
        ["--seed", "-1"],
        ["--seed", "1.5"],
        ["--out", ""],
        ["--nonsense"],
        ["--epoch", "3"],
        ["--target"],
    ],
)
def test_train_refuses_options(here, refused, arguments):
    line = refused("train", "data.csv", *arguments)
    assert arguments[0] in line
    assert "nnlite train --help" in line or "nnlite --help" in line
    assert files_in(".") == ["data.csv"]


def test_commands_and_places_that_are_not_there(here, refused, command):
    assert "invalid choice: 'trian'" in refused("trian")
    assert "required: DIR" in refused("predict")
    assert "data.csv is a file, not a folder" in refused("train", "data.csv", "--out", "data.csv")
    assert "is a file, not a folder" in refused("train", "data.csv", "--out", "data.csv/deep/out")
    status, said, errors = command()
    assert (status, said) == (2, "")
    assert "nnlite train data.csv --target COLUMN" in errors


def test_a_learning_rate_that_is_too_large(here, refused):
    line = refused("train", "data.csv", "--lr", "1e30", "--out", "deep/out", "--quiet")
    assert "the training diverged, the loss is" in line
    assert "choose a smaller --lr (it is 1e+30)" in line
    assert files_in(".") == ["data.csv"]


def test_the_doctor_speaks_in_one_line(here, command):
    status, _, errors = command("train", "data.csv", "--epochs", 3, *QUICK, "--lr", "1e-12")
    assert status == 0
    assert re.fullmatch(
        r"nnlite: warning: lr-too-small: the weights change by less [^\n]+\n", errors
    )


def test_a_disk_that_is_full_for_a_while_costs_one_warning(here, command, monkeypatch):
    plain = nnlite.io.atomic._sync
    count = 0

    def full_for_a_while(descriptor):
        nonlocal count
        count += 1
        if 3 <= count <= 6:
            raise OSError(28, "No space left on device")
        plain(descriptor)

    monkeypatch.setattr("nnlite.io.atomic._sync", full_for_a_while)
    monkeypatch.setattr(runs, "_PAUSE", 0.0)
    status, _, errors = command("train", "data.csv", "--epochs", 9, *QUICK)
    assert status == 0
    path = os.path.join("runs", "data", "unfinished", "checkpoint")
    assert errors == (
        f"nnlite: warning: {path}: cannot write: No space left on device. Training goes on, what "
        "was written before is as it was, and writing is tried again: make room\n"
    )
    assert files_in("runs/data") == FILES
    assert len(History.from_csv("runs/data/history.csv")) == 9


def test_what_a_killed_run_left_half_written_is_removed(here, command):
    left = here / "runs" / "data" / "unfinished" / ".tmp-0123456789ab-checkpoint"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert command("train", "data.csv", "--epochs", 1, *QUICK)[0] == 0
    assert files_in("runs/data") == FILES


@pytest.mark.parametrize("number", range(1, 5))
def test_a_disk_that_gets_full_leaves_earlier_output(here, command, refused, monkeypatch, number):
    """Writing fails at the checkpoint, the history, the model, the plot."""
    assert command("train", "data.csv", "--epochs", 2, *QUICK)[0] == 0
    before = contents("runs/data")
    count = 0

    def full(descriptor):
        nonlocal count
        count += 1
        if count >= number:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnlite.io.atomic._sync", full)
    monkeypatch.setattr(runs, "_PAUSE", 1000.0)
    line = refused("train", "data.csv", "--epochs", 1, "--seed", 5, "--quiet", *QUICK)
    names = ["checkpoint", "history.csv", "model.safetensors", "loss.png"]
    path = os.path.join("runs", "data", "unfinished", names[number - 1])
    assert line == f"{path}: cannot write: No space left on device"
    left = files_in("runs/data/unfinished") if number > 1 else []
    assert left == names[: number - 1]  # no temporary file stays
    shutil.rmtree("runs/data/unfinished", ignore_errors=True)
    assert contents("runs/data") == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written(trained, here, refused):
    predict = ["predict", trained / "run", "data.csv"]
    assert "/dev/full: cannot write" in refused(*predict, "--out", "/dev/full")
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in (["--help"], predict):
            done = subprocess.run(
                [sys.executable, "-m", "nnlite", *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=full,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                timeout=60,
            )
            assert done.returncode == 2
            assert done.stderr.startswith("nnlite: error: standard output: No space left")
            assert done.stderr.count("\n") == 1


def test_too_little_memory(here, refused):
    assert "out of memory" in refused("train", "data.csv", "--hidden", "1000000000000")


def test_a_fault_of_nnlite_shows_its_traceback(here, monkeypatch):
    def fault(self, *arguments):
        raise ValueError("a fault")

    monkeypatch.setattr(nnlite.optim.SGD, "step", fault)
    with pytest.raises(ValueError, match="a fault"):
        cli.main(["train", "data.csv", "--quiet"])
    assert files_in(".") == ["data.csv"]


@pytest.mark.parametrize("name", ["train", "finetune", "predict", "plot"])
def test_help_of_a_command(command, name):
    status, said, _ = command(name, "--help")
    assert status == 0
    assert said.startswith(f"usage: nnlite {name} ")
    assert "examples:\n" in said
    assert max(map(len, said.splitlines())) <= 100
    for option, value in runs.Settings._field_defaults.items():
        option = f"--{option.replace('_', '-')}"
        if name == "train" and isinstance(value, (int, float)):
            assert option in said
            assert f"(default: {value:g})" in " ".join(said.split())


def test_the_module_is_the_command(here):
    done = in_a_process("--version", cwd=here)
    assert (done.returncode, done.stdout) == (0, f"nnlite {nnlite.__version__}\n")
    done = in_a_process("train", "data.csv", "--epochs", "1", cwd=here)
    assert done.returncode == 0
    assert done.stderr == ""  # no progress bar where there is no terminal
    assert " -m nnlite predict " in done.stdout
    assert (here / "runs/data/loss.png").read_bytes().startswith(b"\x89PNG")


def test_no_plotting_before_it_is_needed(trained):
    code = (
        "import sys; from nnlite.cli import main; "
        f"main(['predict', {str(trained / 'run')!r}, {str(trained / 'data.csv')!r}, '--quiet']); "
        "unwanted = {'matplotlib', 'tqdm', 'nnlite.train.trainer'} & set(sys.modules); "
        "sys.exit(f'imported: {unwanted}' if unwanted else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


# ---- the example -------------------------------------------------------------------------------


def test_the_breast_cancer_example(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "breast_cancer.py"), "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"},
        cwd=tmp_path,
        capture_output=True,
        encoding="cp1252",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert files_in(tmp_path / "out") == ["fine_tuning.png", "loss.png", "model.safetensors"]
    assert "The 16,256 bytes of the body are unchanged." in done.stdout
    accuracies = [float(text) for text in re.findall(r"Test accuracy.*: (\S+)", done.stdout)]
    assert len(accuracies) == 3
    assert min(accuracies[0], accuracies[2]) > 0.95 > accuracies[1]
