"""History: rows, columns, the best epoch, the printed table, exact CSV files."""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.train import Checkpoint, GradientNorms, SaveHistory, Trainer, WeightHistograms
from nnlite.train.history import History, learning_rates

NAN = math.nan

ROWS = [
    {"epoch": 1, "train_loss": 0.7, "valid_loss": 0.65, "valid_accuracy": 0.5, "lr": 0.1},
    {"epoch": 2, "train_loss": 0.5, "valid_loss": 0.4, "valid_accuracy": 0.9, "lr": 0.1},
    {"epoch": 3, "train_loss": 0.3, "valid_loss": 0.45, "valid_accuracy": 0.95, "lr": 0.01},
]


def test_rows_as_a_list() -> None:
    history = History()
    assert len(history) == 0
    assert not history
    for row in ROWS:
        history.append(row)
    assert history
    assert len(history) == 3
    assert history[-1]["valid_loss"] == 0.45
    assert history[np.int64(0)] == ROWS[0]
    assert list(history) == ROWS
    assert history[1:] == History(ROWS[1:])
    assert type(history[1:]) is History
    assert history == History(ROWS)
    with pytest.raises(IndexError):
        history[3]


def test_columns_by_name() -> None:
    history = History(ROWS)
    history.append({"epoch": 4, "grad_norm": 2.5})
    assert history.columns == [*ROWS[0], "grad_norm"]
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["valid_loss"][:3] == [0.65, 0.4, 0.45]
    assert math.isnan(history["valid_loss"][3])
    assert [math.isnan(value) for value in history["grad_norm"]] == [True, True, True, False]
    with pytest.raises(KeyError, match="no column 'loss'; it has epoch, train_loss, valid_loss"):
        history["loss"]
    with pytest.raises(KeyError, match="no column 'loss'; it has none, it is empty"):
        History()["loss"]


class Scalar:
    """Something that can only be turned into a float, as a Tensor of one element."""

    def __float__(self) -> float:
        return 1.5


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (3, 3),
        (True, 1),
        (np.int32(3), 3),
        (np.array(3), 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.array(0.25), 0.25),
        (np.bool_(True), 1),
        (Scalar(), 1.5),
    ],
)
def test_numbers_become_python_numbers(value: Any, stored: float) -> None:
    history = History([{"x": value}])
    assert history[0]["x"] == stored
    assert type(history[0]["x"]) is type(stored)


@pytest.mark.parametrize("value", ["0.5", None, [0.5], 1j, np.ones(2)])
def test_a_value_must_be_a_number(value: Any) -> None:
    history = History()
    with pytest.raises(TypeError, match="'x' must be a number, not"):
        history.append({"x": value})
    assert len(history) == 0


def test_a_column_name_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="a column name must be a string, not 1"):
        History([{1: 0.5}])  # type: ignore[dict-item]


def test_the_given_rows_are_copied_and_so_is_the_list() -> None:
    given = {"train_loss": 0.5}
    history = History([given])
    given["train_loss"] = 7.0
    history.to_list()[0]["train_loss"] = 8.0
    assert history[0] == {"train_loss": 0.5}
    history[-1]["grad_norm"] = 2.0
    assert history["grad_norm"] == [2.0]


def test_equality_takes_nan_as_equal() -> None:
    one, other = (History([{"a": float("nan"), "b": 1.0}]) for _ in range(2))
    assert one == other
    assert one != History([{"a": 1.0, "b": 1.0}])
    assert History([{"a": 1.0}]) != one
    assert History([{"a": NAN, "c": 1.0}]) != one
    assert one != History()
    assert one != [{"a": NAN, "b": 1.0}]
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_it_travels() -> None:
    history = History([*ROWS, {"epoch": 4, "train_loss": NAN}])
    assert pickle.loads(pickle.dumps(history)) == history
    assert copy.deepcopy(history) == history
    assert History(json.loads(json.dumps(history.to_list()))) == history


def test_best_epoch() -> None:
    history = History(ROWS)
    assert history.best == ROWS[1]
    assert history.best_epoch() == 2
    assert history.best_epoch("train_loss") == 3
    assert history.best_epoch("valid_accuracy") == 3
    assert history.best_epoch("valid_accuracy", "min") == 1
    assert history.best_epoch("lr", "max") == 1  # the first of equal ones
    assert history.best_epoch("lr", "min") == 3


def test_best_epoch_without_validation_or_numbers() -> None:
    assert History([{"train_loss": 2.0}, {"train_loss": 1.0}]).best_epoch() == 2
    broken = [{"valid_loss": NAN}, {"valid_loss": 2.0}, {"valid_loss": 1.0}, {"valid_loss": NAN}]
    assert History(broken).best_epoch() == 3
    only_nan = History([{"train_loss": 2.0, "valid_loss": NAN}])
    assert only_nan.best_epoch() == 1
    with pytest.raises(ValueError, match="best_epoch: 'valid_loss' is nan in every epoch"):
        only_nan.best_epoch("valid_loss")
    with pytest.raises(ValueError, match=r"history\.best: no epoch has a loss yet"):
        _ = History().best
    with pytest.raises(KeyError, match="no column 'valid_f1'"):
        only_nan.best_epoch("valid_f1")
    with pytest.raises(ValueError, match="mode must be 'min' or 'max', not 'lowest'"):
        only_nan.best_epoch(mode="lowest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whether a higher 'lr' is better; give mode"):
        History(ROWS).best_epoch("lr")


def test_epoch_numbers_of_a_continued_run() -> None:
    continued = History([{"epoch": 21, "train_loss": 2.0}, {"epoch": 22, "train_loss": 1.0}])
    assert continued.epochs() == [21, 22]
    assert continued.best_epoch() == 22
    assert History([{"train_loss": 2.0}] * 2).epochs() == [1, 2]


def test_printed_table() -> None:
    history = History([*ROWS, {"epoch": 4, "train_loss": 0.123456, "valid_loss": NAN}])
    assert str(history) == repr(history)
    assert repr(history).splitlines() == [
        "History: 4 epochs, best valid_loss 0.4 at epoch 2",
        "  epoch  train_loss  valid_loss  valid_accuracy    lr",
        "      1         0.7        0.65             0.5   0.1",
        "*     2         0.5         0.4             0.9   0.1",
        "      3         0.3        0.45            0.95  0.01",
        "      4      0.1235         nan",
    ]
    assert repr(History()) == "History: no epochs yet"
    assert (
        repr(History([{"epoch": 1, "lr": 0.1}])) == "History: 1 epoch\n  epoch   lr\n      1  0.1"
    )


def test_a_long_table_is_cut_in_the_middle() -> None:
    history = History({"epoch": n, "train_loss": 1 / n} for n in range(1, 301))
    lines = repr(history).splitlines()
    assert lines[0] == "History: 300 epochs, best train_loss 0.003333 at epoch 300"
    shown = [line.replace("*", "").split()[0] for line in lines[2:]]
    assert shown == [*"12345", "…", *map(str, range(291, 301))]


AWKWARD = [
    {"epoch": 1, "train_loss": 0.1 + 0.2, "tiny": 5e-324, "big": 1.7976931348623157e308},
    {"epoch": 2, "train_loss": NAN, "tiny": -0.0},
    {"epoch": 3, "train_loss": math.inf, "tiny": -math.inf, "big": 1.0, 'odd, "name"\nü': 1e22},
    {"epoch": 10**20},
]


@pytest.mark.parametrize("rows", [ROWS, AWKWARD, [], [{}], [{"a": 1.0}, {}], ROWS[:1]])
def test_csv_is_exact(tmp_path: Path, rows: list[dict[str, float]]) -> None:
    path = tmp_path / "history.csv"
    history = History(rows)
    history.to_csv(path)
    again = History.from_csv(str(path))
    assert again == history
    assert [list(map(type, row.values())) for row in again] == [
        list(map(type, row.values())) for row in history
    ]
    assert repr(again.to_list()) == repr(history.to_list())  # the sign of zero too
    content = path.read_bytes()
    again.to_csv(path)
    assert path.read_bytes() == content


def test_csv_text(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": NAN, "lr": 0.1}]).to_csv(path)
    assert path.read_bytes() == b"epoch,loss,lr\n1,0.5,\n2,nan,0.1\n"
    path.write_bytes(b"\xef\xbb\xbfepoch,loss\r\n1,0.5\r\n")  # as a spreadsheet saves it
    assert History.from_csv(path) == History([{"epoch": 1, "loss": 0.5}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: the file is empty"),
        (b"epoch,loss\n1,0.5\n2,0.", "line 3: the line has no end, so it may be cut short"),
        (b"epoch,loss\n1,0.5\n2\n", "line 3: 1 cells under 2 column names"),
        (b"epoch,loss\n1,0.5,7\n", "line 2: 3 cells under 2 column names"),
        (b"epoch,loss\n1,0.5\n2,high\n", "line 3: 'high' is not a number"),
        (b"epoch,loss\n1,1_0\n", "line 2: '1_0' is not a number"),
        (b"epoch,loss,loss\n1,1,1\n", "line 1: column 'loss' occurs twice"),
        (b"epoch,loss\n1,\xff\n", "line 2: not UTF-8 text"),
        (b"epoch,loss\n1,0.5\n\0\0\n", "line 3: a zero byte"),
        (b'epoch,loss\n1,"0.5\n', "line 2: unexpected end of data"),
    ],
)
def test_damaged_csv(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "history.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        History.from_csv(path)
    assert str(caught.value).startswith(f"{path}, line ")


def test_csv_places_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        History.from_csv(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        History(ROWS).to_csv(tmp_path / "none" / "history.csv")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    History(ROWS).to_csv(path)
    content = path.read_bytes()
    broken = History(ROWS)
    broken[0]["\ud800"] = 1.0  # cannot be written as UTF-8
    with pytest.raises(UnicodeEncodeError):
        broken.to_csv(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rows", [ROWS, AWKWARD, [], [{}], [{"a": 1.0}, {}], ROWS[:1]])
def test_json_is_exact(tmp_path: Path, rows: list[dict[str, float]]) -> None:
    path = tmp_path / "history.json"
    history = History(rows)
    history.to_json(path)
    again = History.from_json(str(path))
    assert repr(again.to_list()) == repr(history.to_list())  # types and the sign of zero too
    strict = {"parse_constant": pytest.fail}  # nan and infinity are no JSON
    assert len(json.loads(path.read_text(encoding="utf-8"), **strict)) == len(rows)
    content = path.read_bytes()
    again.to_json(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ", line 1: the file is empty"),
        (b'[\n{"epoch": 1},\n{"epo', ", line 3: Unterminated string"),
        (b'[\n{"epoch": 1}\n', ", line 3: Expecting"),
        (b'{"epoch": 1}', ": this is no list of rows"),
        (b"[1, 2]", ": this is no list of rows"),
        (b'[{"loss": "high"}]', ": 'high' is not a number"),
        (b'[{"loss": true}]', ": True is not a number"),
        (b'[{"loss": [1]}]', r": \[1\] is not a number"),
        (b'[{"loss": NaN, "loss": 1}]', ": column 'loss' occurs twice"),
        (b"\xff", ", line 1: not UTF-8 text"),
    ],
)
def test_damaged_json(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "history.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        History.from_json(path)
    assert str(caught.value).startswith(str(path))


def test_append_takes_names() -> None:
    history = History()
    history.append(epoch=1, train_loss=np.float32(0.5))
    history.append({"epoch": 2}, train_loss=0.25)
    assert history.to_list() == [
        {"epoch": 1, "train_loss": 0.5},
        {"epoch": 2, "train_loss": 0.25},
    ]
    with pytest.raises(TypeError, match="'epoch' is given twice"):
        history.append({"epoch": 3}, epoch=3)
    assert len(history) == 2


def read(path: Path) -> History:
    """Read a history of either kind."""
    return History.from_csv(path) if path.suffix == ".csv" else History.from_json(path)


@pytest.fixture(params=["history.csv", "history.json"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that a history is kept in."""
    path: Path = tmp_path / request.param
    return path


def test_a_file_that_grows(kept: Path) -> None:
    history = History(path=kept)
    if kept.suffix == ".json":
        assert len(read(kept)) == 0
    inode = None
    for number, row in enumerate([*ROWS, *AWKWARD, {}, {"epoch": 9}]):
        history.append(row)
        assert read(kept) == history
        if number in (1, 2):  # the columns are known: added at the end, not written afresh
            assert inode in (None, kept.stat().st_ino)
            inode = kept.stat().st_ino
    whole = kept.read_bytes()
    history.to_csv(kept) if kept.suffix == ".csv" else history.to_json(kept)
    assert kept.read_bytes() == whole
    assert list(kept.parent.iterdir()) == [kept]


def test_a_history_goes_on_in_its_file(kept: Path) -> None:
    History(ROWS, path=kept)
    history = History(read(kept)[:2], path=kept)
    assert read(kept) == History(ROWS[:2])
    history.append(ROWS[2])
    assert read(kept) == History(ROWS)


def test_copies_have_no_file(kept: Path) -> None:
    history = History(ROWS, path=kept)
    for other in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history), history[:]):
        assert other == history
        other.append(epoch=4)
    assert read(kept) == history == History(ROWS)


def test_a_file_that_others_touch_is_written_afresh(kept: Path) -> None:
    history = History(ROWS[:1], path=kept)
    kept.write_bytes(b"something else")
    history.append(ROWS[1])
    assert read(kept) == history
    kept.unlink()
    history.append(ROWS[2])
    assert read(kept) == history


def test_a_place_that_fails_later_is_warned_of_once(kept: Path) -> None:
    history = History(ROWS[:1], path=kept)
    kept.unlink()
    kept.mkdir()
    with pytest.warns(UserWarning, match="goes on in memory") as caught:
        history.append(ROWS[1])
    assert kept.name in str(caught[0].message)
    assert caught[0].filename == __file__
    history.append(epoch=3)
    kept.rmdir()
    history.append(epoch=4)
    assert read(kept) == history
    assert len(history) == 4


def test_places_that_never_work(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        History(path=tmp_path / "none" / "history.csv")
    for name in ("history.txt", "history", "history.csv.gz"):
        with pytest.raises(ValueError, match=rf"must end in \.csv or \.json, not '.*{name}'"):
            History(path=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


APPENDING = """
import sys
from nnlite.train.history import History

history = History(path=sys.argv[1])
print("ready", flush=True)
n = 0
while True:
    n += 1
    history.append(epoch=n, train_loss=1 / n, lr=0.1)
"""


def test_a_killed_process_leaves_a_whole_file(kept: Path) -> None:
    for moment in (0, 1, 20):
        command = [sys.executable, "-c", APPENDING, str(kept)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            while kept.stat().st_size < 300 * moment:
                assert process.poll() is None
            process.kill()
        history = read(kept)
        assert history["epoch"] == list(range(1, len(history) + 1)) if history else moment == 0
        assert all(
            row == {"epoch": n, "train_loss": 1 / n, "lr": 0.1}
            for n, row in enumerate(history, start=1)
        )


def test_learning_rates_of_all_groups() -> None:
    one, two = nn.Linear(2, 2), nn.Linear(2, 1)
    groups = [{"params": one.parameters(), "lr": 0.5}, {"params": two.parameters()}]
    optimizer = nnlite.optim.SGD(groups, lr=0.25)
    assert learning_rates(optimizer) == {"lr": 0.5, "lr_1": 0.25}
    del optimizer.param_groups[1]["lr"]
    assert math.isnan(learning_rates(optimizer)["lr_1"])


def trained(callbacks: list[Any], epochs: int = 3, **options: Any) -> Trainer:
    """Train a small network."""
    nnlite.manual_seed(0)
    x = nnlite.randn(24, 2)
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(model, optimizer, nn.MSELoss(), callbacks=callbacks)
    trainer.fit((x, x[:, :1]), epochs=epochs, batch_size=8, **options)
    return trainer


def test_the_trainer_saves_its_history(kept: Path) -> None:
    callback = SaveHistory(kept)
    history = trained([callback]).history
    assert read(kept) == history
    assert len(history) == 3
    history = trained([callback], epochs=1).history  # a further run replaces it
    assert read(kept) == history
    with pytest.raises(ValueError, match="must end in"):
        SaveHistory("history.txt")


def test_a_resumed_run_goes_on_in_the_file(kept: Path) -> None:
    checkpoint = kept.parent / "checkpoint"
    trained([SaveHistory(kept), Checkpoint(checkpoint)], epochs=2)
    history = trained([SaveHistory(kept), Checkpoint(checkpoint)], 4, resume=checkpoint).history
    assert read(kept) == history
    assert history["epoch"] == [1, 2, 3, 4]


def test_gradient_norms_of_layers() -> None:
    norms = GradientNorms()
    trainer = trained([norms], epochs=2)
    assert norms.steps == [1, 2, 3, 4, 5, 6]
    assert list(norms.norms) == ["0", "2"]
    layer = trainer.model[2]  # type: ignore[index]
    squares = sum(float((p.grad.array.astype(float) ** 2).sum()) for p in layer.parameters())
    assert norms.norms["2"][-1] == pytest.approx(math.sqrt(squares), rel=1e-6)
    figure = norms.plot()
    assert len(figure.axes[0].lines) == 3
    trained([norms], epochs=1)  # a further run begins anew
    assert norms.steps == [1, 2, 3]


def test_gradient_norms_that_overflow_or_are_missing() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1, bias=False))
    model.freeze("0")
    norms = GradientNorms()
    model[1].weight.grad = nnlite.full((1, 1), 1e30)
    norms.record(model)
    model[1].weight.grad = nnlite.full((1, 1), math.inf)
    norms.record(model, step=10)
    assert norms.steps == [1, 10]
    assert all(map(math.isnan, norms.norms["0"]))
    assert norms.norms["1"] == [pytest.approx(1e30), math.inf]


def test_records_are_bounded() -> None:
    model = nn.Linear(2, 1)
    model.weight.grad = nnlite.ones(1, 2)
    norms, weights = GradientNorms(every=2, keep=8), WeightHistograms(keep=4)
    for _ in range(100):
        norms.record(model)
        weights.record(model)
        assert len(norms.steps) == len(norms.norms["model"]) < 8
        assert len(weights.histograms["weight"]) < 4
    gaps = set(np.diff(norms.steps).tolist())
    assert len(gaps) == 1
    assert norms.steps[0] == 1
    assert 100 - norms.steps[-1] < gaps.pop()
    times = [it.time for it in weights.histograms["weight"]]
    assert times[0] == 0
    assert len(set(np.diff(times).tolist())) == 1


def test_histograms_of_the_weights() -> None:
    weights = WeightHistograms()
    trainer = trained([weights])
    assert list(weights.histograms) == [name for name, _ in trainer.model.named_parameters()]
    for name, parameter in trainer.model.named_parameters():
        times = weights.histograms[name]
        assert [it.time for it in times] == [0, 1, 2, 3]
        assert all(it.counts.sum() == parameter.numel() for it in times)
        values = parameter.array
        last = times[-1].edges
        assert (last[0], last[-1]) == pytest.approx((values.min(), values.max())) or (
            values.size == 1
        )
    assert weights.plot().axes[0].get_title(loc="left") == "0.weight"
    model = nn.Linear(2, 1, bias=False)
    model.weight.array[...] = [[math.nan, 1.0]]
    weights.record(model, 7)
    assert weights.histograms["weight"][0].counts.sum() == 1
    model.weight.array[...] = math.inf
    weights.record(model, 8)
    assert len(weights.histograms["weight"]) == 1


@pytest.mark.parametrize("kind", [GradientNorms, WeightHistograms])
def test_recorders_go_on_with_a_resumed_run(kind: Any, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    trained([kind(keep=6), Checkpoint(checkpoint)], epochs=4)
    resumed, whole = kind(keep=6), kind(keep=6)
    trained([resumed, Checkpoint(checkpoint)], epochs=9, resume=checkpoint)
    trained([whole], epochs=9)
    assert str(resumed.state_dict()) == str(whole.state_dict())
    for options in ({"every": 0}, {"keep": 1}):
        with pytest.raises(ValueError, match=f"{kind.__name__}: (every|keep) must be"):
            kind(**options)


def test_import_is_lean() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import nnlite.train.history; "
        "print({'matplotlib', 'csv', 'json', 'dataclasses'} & (set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
