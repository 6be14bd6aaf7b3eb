"""The TensorBoard callback: its event files, read back; the error without its library."""

from __future__ import annotations

import importlib.util
import struct
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import nnlite
from nnlite import nn
from nnlite.train import Checkpoint, TensorBoard, Trainer

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("tensorboardX") is None,
    reason="tensorboardX is not installed: event files are not tested",
)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read the event files in the order in which they were written."""
    from tensorboardX.proto.event_pb2 import Event

    found = defaultdict(list)
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        content = path.read_bytes()
        while content:  # length, checksum, event, checksum
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            content = content[16 + length :]
            for value in event.summary.value:
                found[value.tag].append((event.step, value.simple_value))
    return dict(found)


def trained(callbacks: list[Any], epochs: int = 3, **options: Any) -> Any:
    nnlite.manual_seed(0)
    x = nnlite.randn(32, 2)
    y = (x[:, :1] > 0).float()
    model = nn.Linear(2, 1)
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(
        model, optimizer, nn.BCEWithLogitsLoss(), metrics=["accuracy"], callbacks=callbacks
    )
    return trainer.fit((x, y), (x, y), epochs=epochs, **options)


@needs_library
def test_every_figure_is_there(tmp_path: Path) -> None:
    history = trained([TensorBoard(tmp_path / "run")])
    found = scalars(tmp_path / "run")
    tags = {"loss/train": "train_loss", "loss/valid": "valid_loss", "accuracy/valid": ""}
    tags |= {"accuracy/valid": "valid_accuracy", "lr": "lr", "seconds": "seconds"}
    assert set(found) == set(tags)
    for tag, column in tags.items():
        assert [step for step, _ in found[tag]] == [1, 2, 3]
        assert [value for _, value in found[tag]] == pytest.approx(history[column], rel=1e-6)


@needs_library
def test_an_epoch_is_on_the_disk_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnlite.train.tensorboard._PAUSE", 0.0)
    board = TensorBoard(tmp_path)
    board.write({"epoch": 1, "train_loss": 0.5})
    assert scalars(tmp_path) == {"loss/train": [(1, 0.5)]}
    board.write({"train_loss": float("nan")}, epoch=7)
    assert scalars(tmp_path)["loss/train"][1][0] == 7
    with pytest.raises(ValueError, match="no column 'epoch'; give epoch="):
        board.write({"train_loss": 0.5})
    board.close()
    board.close()


@needs_library
def test_a_resumed_run_goes_on_in_the_same_folder(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    trained([TensorBoard(tmp_path / "run"), Checkpoint(checkpoint)], epochs=2)
    trained([TensorBoard(tmp_path / "run"), Checkpoint(checkpoint)], epochs=4, resume=checkpoint)
    assert [step for step, _ in scalars(tmp_path / "run")["loss/train"]] == [1, 2, 3, 4]


def test_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorboardX", "tensorboardX.event_file_writer"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"needs tensorboardX: .*pip install '\.\[tensorboard\]'"):
        TensorBoard("runs/first")
