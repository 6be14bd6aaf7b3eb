"""The command line in rough use: training again where a run is, and data that are not tidy."""

import os
from pathlib import Path

import numpy as np
import pytest

import nnlite
from nnlite import cli
from nnlite.io.atomic import write_bytes
from nnlite.io.table import Table
from nnlite.train.history import History
from nnlite.train.trainer import NonFiniteLossError

TRAIN = ["train", "data.csv", "--out", "run", "--hidden", "4", "--quiet"]


def patients(rows, seed):
    """A number and a text, which decide the target but for some noise."""
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 12, rows).round(1)
    colour = np.where(rng.random(rows) < 0.5, "red", "blue")
    score = (age - 50) / 12 + 1.5 * (colour == "red") - 0.75
    ill = np.where(score + 0.3 * rng.normal(size=rows) > 0, "yes", "no")
    return Table({"age": age, "colour": colour, "ill": ill})


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to be in, with data.csv in it; the plot of a training is not really drawn there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(History, "plot", lambda self, path, **options: write_bytes(path, b"plot"))
    patients(80, 0).write_csv("data.csv")
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
        return errors.removeprefix("nnlite: error: ").rstrip()

    return call


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def write(name, *lines):
    Path(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


# ---- training again into a folder that holds a run -----------------------------------------------


def stop_at(monkeypatch, step, error):
    """Raise an error in the optimizer's step of this number."""
    plain = nnlite.optim.SGD.step
    count = 0

    def stopped(self, *arguments):
        nonlocal count
        count += 1
        if count == step:
            raise error
        return plain(self, *arguments)

    monkeypatch.setattr(nnlite.optim.SGD, "step", stopped)


class Killed(BaseException):
    """Ends the training where nothing is prepared for it."""


def test_a_killed_run_leaves_the_finished_one_and_resumes(command, monkeypatch):
    assert command(*TRAIN, "--epochs", 3)[0] == 0
    before = contents("run")
    assert command(*TRAIN, "--epochs", 6, "--seed", 1, "--out", "whole")[0] == 0
    monkeypatch.setattr("nnlite.train.run._PAUSE", 0.0)
    with monkeypatch.context() as patch:
        stop_at(patch, 8, Killed())  # two steps in an epoch
        with pytest.raises(Killed):
            command(*TRAIN, "--epochs", 6, "--seed", 1)
    assert contents("run") == before
    assert sorted(contents("run/unfinished")) == ["checkpoint", "history.csv"]
    assert command("predict", "run", "data.csv")[0] == 0
    status, said, _ = command("train", "--resume", "--out", "run")
    assert status == 0
    assert "is replaced" not in said
    assert contents("run")["model.safetensors"] == contents("whole")["model.safetensors"]
    assert not os.path.exists("run/unfinished")


def test_a_run_that_diverges_leaves_the_finished_one(command, refused, monkeypatch):
    monkeypatch.setattr("nnlite.train.run._PAUSE", 0.0)
    assert command(*TRAIN, "--epochs", 3)[0] == 0
    before = contents("run")
    stop_at(monkeypatch, 6, NonFiniteLossError("fit: the loss is nan in epoch 3. Lower it"))
    assert "diverged, the loss is nan in epoch 3: " in refused(*TRAIN, "--epochs", 5)
    assert contents("run") == before
    assert os.listdir("run").count("unfinished") == 0


def test_a_run_that_diverges_at_once_leaves_an_unfinished_one(command, refused, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 6, Killed())
        with pytest.raises(Killed):
            command(*TRAIN, "--epochs", 6)
    before = contents("run/unfinished")
    stop_at(monkeypatch, 1, NonFiniteLossError("fit: the loss is nan. Lower it"))
    assert "diverged" in refused(*TRAIN)
    assert contents("run/unfinished") == before


def test_an_interrupted_run_stays_beside_the_finished_one(command, monkeypatch):
    assert command(*TRAIN, "--epochs", 3)[0] == 0
    before = contents("run")
    with monkeypatch.context() as patch:
        stop_at(patch, 6, KeyboardInterrupt())
        status, _, errors = command(*TRAIN, "--epochs", 6, "--seed", 1)
    assert status == 130
    unfinished = os.path.join("run", "unfinished")
    assert f"kept in {unfinished} (the earlier run in run is as it was)" in errors
    assert contents("run") == before
    assert contents(unfinished).keys() == before.keys()
    assert command("predict", unfinished, "data.csv")[0] == 0


def test_a_run_that_replaces_another_says_so(command):
    arguments = [argument for argument in TRAIN if argument != "--quiet"]
    assert "is replaced" not in command(*arguments, "--epochs", 1)[1]
    _, said, _ = command(*arguments, "--epochs", 1, "--seed", 1)
    assert "\nThe run that was in run is replaced.\n" in said
    assert "is replaced" not in command(*arguments, "--epochs", 2, "--seed", 1, "--resume")[1]


def test_a_folder_with_an_unfinished_run_alone(command, refused, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 6, Killed())
        with pytest.raises(Killed):
            command(*TRAIN, "--epochs", 6)
    for arguments in (["predict"], ["finetune"]):
        line = refused(*arguments, "run", "data.csv")
        assert "has not finished" in line
        assert line.endswith(": nnlite train --resume --out run")
    assert command("plot", "run")[0] == 0
    assert os.path.exists("run/unfinished/loss.png")
    assert command("train", "--resume", "--out", "run")[0] == 0
    assert command("predict", "run", "data.csv")[0] == 0


# ---- columns of text ---------------------------------------------------------------------------


def with_column(name, texts):
    table = patients(len(texts), 1)
    Table({name: texts, **table.columns}).write_csv("odd.csv")


def test_a_column_of_names_is_named_with_the_cure(command, refused):
    with_column("id", [f"P{number}" for number in range(80)])
    line = refused("train", "odd.csv")
    assert "column 'id': 80 different texts in 80 rows" in line
    assert "(--drop id)" in line
    assert command("train", "odd.csv", "--drop", "id", "--epochs", 1)[0] == 0
    with_column("row name", [f"P{min(number, 140)}" for number in range(160)])
    line = refused("train", "odd.csv")
    assert "column 'row name'" in line
    assert "(--drop 'row name')" in line


@pytest.mark.parametrize("form", ["2024-01-{:02}", "{}%"])
def test_many_categories_are_warned_of(command, form):
    with_column("when", [form.format(number // 4 + 1) for number in range(80)])
    status, _, errors = command("train", "odd.csv", "--epochs", 1)
    assert status == 0
    assert errors.startswith("nnlite: warning: column 'when' is text with 20 different values, ")
    assert errors.endswith("--drop when leaves it out\n")
    assert command("train", "odd.csv", "--epochs", 1, "--quiet") == (0, "", "")
    assert command("train", "data.csv", "--epochs", 1)[2] == ""


def test_fewer_rows_held_out_than_asked_for_are_mentioned(command):
    texts = ["red"] * 40 + [f"c{number}" for number in range(19)] + ["blue"] * 21
    with_column("colour of car", texts)
    errors = command("train", "odd.csv", "--epochs", 1, "--valid", 0.5)[2]
    assert "of 80 rows are held out, not 40: the others have a text that no other row has" in errors


# ---- figures that tell little --------------------------------------------------------------------


def test_held_out_rows_of_one_class_explain_the_missing_figures(command):
    rows = [f"{number},{'yes' if number < 2 else 'no'}" for number in range(50)]
    write("rare.csv", "age,ill", *rows)
    said = command("train", "rare.csv", "--epochs", 1, "--valid", 0.1)[1]
    assert "\n  ROC AUC   -  " in said
    assert "all these rows are 'no', of which ROC AUC and F1 tell nothing; a larger --valid" in said
    assert "These figures are rough: one row counts 0.2 of the accuracy." in said
    said = command("train", "data.csv", "--epochs", 1, "--valid", 0.5)[1]
    assert "tell" not in said
    assert "rough" not in said
    write("sick.csv", "age,ill", "30,yes", "60,yes")
    errors = command("predict", "runs/rare", "sick.csv")[2]
    assert errors.endswith("(all these rows are 'yes', of which ROC AUC tells nothing)\n")


# ---- resume ------------------------------------------------------------------------------------


def test_resume_with_fewer_epochs_than_there_are(command, refused):
    assert command(*TRAIN, "--epochs", 4)[0] == 0
    before = contents("run")
    line = refused("train", "--resume", "--out", "run", "--epochs", 3)
    assert line.startswith("--resume --epochs 3: the run has 4 epochs already: ")
    assert contents("run") == before


def test_resume_from_another_folder(here, command, refused, monkeypatch):
    assert command(*TRAIN, "--epochs", 2)[0] == 0
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    out = os.path.join(os.pardir, "run")
    resume = ["train", "--resume", "--out", out, "--epochs"]
    status, said, _ = command(*resume, 3)
    assert status == 0
    assert str(here / "data.csv") in said
    (here / "data.csv").rename("moved.csv")
    line = refused(*resume, 4)
    assert "data.csv: there is no such file: if the data were moved, name the file" in line
    assert command("train", "moved.csv", *resume[1:], 4)[0] == 0


# ---- damaged files -----------------------------------------------------------------------------


def test_a_damaged_model_or_checkpoint_is_noticed(command, refused):
    assert command(*TRAIN, "--epochs", 2)[0] == 0
    model = Path("run/model.safetensors")
    whole = model.read_bytes()
    mean = whole.index(b"mean") + len(b'mean\\": ')
    for place in (len(whole) - 3, mean):  # in the weights; in the preprocessing
        changed = bytearray(whole)
        changed[place] ^= 1
        model.write_bytes(changed)
        line = refused("predict", "run", "data.csv")
        assert line.startswith("run")
        assert "model.safetensors: it is damaged (its contents do not match its checksum)" in line
        assert line.endswith(": train again, or let nnlite train --resume write it anew")
    model.write_bytes(whole[:-7])
    assert refused("predict", "run", "data.csv").endswith("--resume write it anew")
    assert command("train", "--resume", "--out", "run", "--quiet")[0] == 0
    assert model.read_bytes() == whole
    checkpoint = Path("run/checkpoint")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-20])
    assert refused("train", "--resume", "--out", "run").endswith(": train anew without --resume")


# ---- messages ----------------------------------------------------------------------------------


def test_arguments_in_the_wrong_order(command, refused):
    assert command(*TRAIN, "--epochs", 1)[0] == 0
    for name in ("predict", "finetune"):
        line = refused(name, "data.csv", "run")
        assert line == "run is a folder: DIR comes first, then DATA.csv: run data.csv"
    line = refused("finetune", "--freeze", "0", "run", "data.csv")
    assert "data come first, DIR DATA.csv --freeze PATTERN" in line
    expected = refused("predict", "run")
    assert expected.startswith("DATA.csv is missing: ")
    assert refused("finetune", "run") == expected
    assert "(see nnlite train --help)" in refused("train", "--bogus")
    assert "(see nnlite predict --help)" in refused("predict", "run", "--bogus")


def test_messages_name_no_functions(command, refused):
    assert command(*TRAIN, "--epochs", 1)[0] == 0
    assert refused("finetune", "run", "data.csv", "--freeze", "9").startswith("no module, ")
    line = refused("train", "data.csv", "--target", "ill", "--drop", "ill")
    assert line.startswith("the target column 'ill' is among those to drop")
    Path("run/model.safetensors").write_bytes(b"0" * 100)
    line = refused("predict", "run", "data.csv")
    assert "load:" not in line
    assert "read_metadata" not in line


def test_odd_values_of_options(refused):
    assert "the name is empty" in refused("train", "")
    assert "the name is empty" in refused("predict", "", "data.csv")
    assert "'inf' is no finite number above 0" in refused("train", "data.csv", "--lr", "inf")
    line = refused("train", "data.csv", "--hidden", "100000000,100000000")
    assert line.startswith("out of memory for a network with --hidden 100000000,100000000: ")


def test_a_second_ctrl_c_names_the_checkpoint(command, monkeypatch):
    def pressed(self, out):
        raise KeyboardInterrupt

    monkeypatch.setattr("nnlite.train.run.Run.finish", pressed)
    status, _, errors = command(*TRAIN, "--epochs", 2)
    assert status == 130
    folder = os.path.join("run", "unfinished")
    again = "nnlite train --resume --out run"
    assert errors == f"nnlite: interrupted; {folder} is kept; go on with: {again}\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["age|ill", "30|yes", "40|no"], "is '|' the separator?"),
        (["age,ill", '"30,yes', "40,no"], "never closed: close it"),
        (["age,ill", "30,yes", "None,no"], "line 3, column 'age': the value is missing ('None')"),
        (["age,cost", *(f"{n},{n * 1.5}" for n in range(20))], "it looks continuous, and two"),
        (["age,ill", "30,yes", "40,no", "50,maybe"], "keep the rows of two classes"),
    ],
)
def test_data_that_are_nearly_right(refused, lines, message):
    write("odd.csv", *lines)
    assert message in refused("train", "odd.csv")


def test_a_comparison_has_a_title(command):
    for seed in (0, 1):
        assert command(*TRAIN[:3], f"run{seed}", "--epochs", 2, "--seed", seed)[0] == 0
    assert command("plot", "run0", "run1", "--out", "both.svg")[0] == 0
    assert "<!-- 2 runs compared -->" in Path("both.svg").read_text(encoding="utf-8")
