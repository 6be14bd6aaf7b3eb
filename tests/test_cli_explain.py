"""``nnlite explain``: the row that it shows, where it gets it from, and what it refuses."""

import io
import re
import shutil

import pytest

import nnlite
from nnlite import nn
from nnlite.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with data.csv and the run on it."""
    folder = tmp_path_factory.mktemp("trained")
    rows = [f"{i},{'red' if i % 5 else 'blue'},{'yes' if i % 3 else 'no'}" for i in range(30)]
    (folder / "data.csv").write_text("\n".join(["age,colour,ill", *rows, ""]))
    data, out = str(folder / "data.csv"), str(folder / "run")
    assert main(["train", data, "--epochs", "1", "--hidden", "4", "--out", out, "--quiet"]) == 0
    return folder


@pytest.fixture
def here(run, tmp_path, monkeypatch):
    """The same in a folder to be in, so that files can be changed."""
    shutil.copytree(run, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def explained(capsys):
    """Runs the command, which must succeed; gives what it prints."""

    def call(*arguments):
        assert main(["explain", *map(str, arguments)]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        return said.out

    return call


@pytest.fixture
def refused(capsys):
    """Runs the command, which must refuse its input in one line; gives that line."""

    def call(*arguments):
        assert main(["explain", *map(str, arguments)]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("nnlite: error: ")
        assert said.err.count("\n") == 1
        return said.err

    return call


def test_the_text_begins_with_what_the_row_says(run, explained):
    said = explained(run / "run", run / "data.csv", "--row", 5)
    head, equations = said.split("\n\n", 1)
    first, features = " ".join(head.split()).split(" x is ")
    assert first.startswith("Row 5 of ")
    assert "ill is yes, so y = 1; the network gives yes the probability 0." in first
    assert "data.csv" in first
    assert equations.startswith("The backward pass of L, ")
    assert "✗" not in equations
    assert max(map(len, said.splitlines())) <= 100

    logit = float(re.search(r"σ\((-?[\d.]+)\)", equations)[1])
    chance = nnlite.sigmoid(nnlite.tensor(logit)).item()
    assert float(first.split()[-1]) == pytest.approx(chance, abs=1e-5)
    numbers = re.findall(r"(age|colour=blue|colour=red) = (\S+?)(?:,|$)", features)
    shown = re.search(r"  x = data, \(1, 3\) float32\n +\[\[(.*)\]\]", equations)[1]
    assert ", ".join(number for _, number in numbers) == shown


def test_rows_differ_and_no_line_of_the_program_is_named(run, explained):
    texts = [explained(run / "run", run / "data.csv", "--row", row, "--quiet") for row in (4, 5)]
    assert all(text.startswith("The backward pass of L, ") for text in texts)
    targets = [re.search(r"y = data, \(1, 1\) float32\n\s+\[\[(\d)\]\]", text)[1] for text in texts]
    assert targets == ["0", "1"]
    assert "  line " not in texts[0]


def test_without_data_it_reads_what_the_run_has_learnt_from(here, explained):
    by_name = explained("run", "data.csv", "--row", 7)
    assert explained(here / "run", "--row", 7).partition("\n\n")[2] == by_name.partition("\n\n")[2]
    weights = here / "run" / "model.safetensors"
    assert explained(weights, "--row", 7, "--quiet") == by_name.partition("\n\n")[2]


def test_without_data_it_says_which_are_missing(run, tmp_path, refused, monkeypatch):
    shutil.copytree(run, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    arguments = ["train", "data.csv", "--epochs", "1", "--hidden", "4", "--out", "own", "--quiet"]
    assert main(arguments) == 0
    (tmp_path / "here" / "data.csv").unlink()
    said = refused("own")
    assert "data.csv, from which the run in own has learnt, is not there: name the data" in said
    (tmp_path / "here" / "own" / "checkpoint").unlink()
    assert "nothing tells from which file this model has learnt" in refused("own")


def test_the_built_in_data(tmp_path, explained, refused, capsys):
    out = str(tmp_path / "run")
    assert main(["train", "--epochs", "1", "--hidden", "2", "--out", out, "--quiet"]) == 0
    capsys.readouterr()
    assert "diagnosis is malignant, so y = 1" in " ".join(explained(out, "--row", 5).split())
    assert "--row 570: the data have 569 rows" in refused(out, "--row", 570)


@pytest.mark.parametrize("ending", ["html", "svg", "md", "dot", "txt"])
def test_it_writes_files(here, explained, ending):
    out = here / f"made.{ending}"
    assert explained("run", "data.csv", "--out", out) == f"Wrote {out}\n"
    assert out.stat().st_size > 500
    if ending in ("html", "md", "txt"):
        assert "0.weight" in out.read_text(encoding="utf-8")
    assert explained("run", "data.csv", "--out", out, "--quiet") == ""


def test_it_asks(run, explained, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("nothing\ns\nq\n"))
    printed = explained(run / "run", run / "data.csv", "--quiz")
    assert "✗ Not yet." in printed
    assert "1 shown" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "data.csv", "--row", "31"], "--row 31: the data have 30 rows"),
        (["run", "data.csv", "--row", "0"], "'0' is no whole number from 1 on"),
        (["run", "data.csv", "--out", "page.pdf"], "--out page.pdf: give it the ending .html"),
        (["run", "data.csv", "--out", "nowhere/page.html"], "there is no folder"),
        (["run", "gone.csv"], "gone.csv: there is no such file"),
        (["run", "bare.csv"], "no column 'ill'"),
        (["run", "new.csv", "--row", "2"], "line 3, column 'ill': 'perhaps' is neither"),
        (["data.csv", "run"], "run is a folder: DIR comes first"),
        (["nowhere", "data.csv"], "nowhere: there is no such file or folder"),
        (["empty", "data.csv"], "empty: there is no model.safetensors in it"),
        (["damaged", "data.csv"], "cannot read 'damaged"),
        ([], "the following arguments are required: DIR"),
    ],
)
def test_what_it_refuses(here, refused, arguments, message):
    (here / "bare.csv").write_text("age,colour\n1,red\n")
    (here / "new.csv").write_text("age,colour,ill\n1,red,yes\n2,red,perhaps\n")
    (here / "empty").mkdir()
    (here / "damaged").mkdir()
    weights = (here / "run" / "model.safetensors").read_bytes()
    (here / "damaged" / "model.safetensors").write_bytes(weights[:100])
    assert message in refused(*arguments)


def test_it_does_not_write_over_the_data(here, refused):
    text = (here / "data.csv").read_text()
    (here / "data.txt").write_text(text)
    arguments = ["data.txt", "--epochs", "1", "--hidden", "2", "--out", "second", "--quiet"]
    assert main(["train", *arguments]) == 0
    assert "is the file of the data" in refused("run", "data.txt", "--out", "data.txt")
    assert "is the file of the data" in refused("second", "--out", "data.txt")
    assert (here / "data.txt").read_text() == text


def test_of_one_row_no_unit_is_called_dead():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    with nnlite.no_grad():
        model[0].weight[:] = nnlite.tensor([[1.0], [-1.0]])
        model[0].bias.zero_()
    one = str(nnlite.explain(model(nnlite.ones(1, 1)).sum(), model=model))
    assert "1 of 2 units of the ReLU that follows give 0 for this one row" in one
    assert "lower the learning rate" not in one
    two = str(nnlite.explain(model(nnlite.ones(2, 1)).sum(), model=model))
    assert "1 of 2 units of the ReLU that follows are dead in this batch" in two
