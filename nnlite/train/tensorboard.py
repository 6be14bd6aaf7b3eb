"""TensorBoard: the figures of a run as event files. The only file that imports tensorboardX."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnlite.train.callbacks import Callback

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

    StrPath = str | os.PathLike[str]

__all__ = ["TensorBoard"]

_PAUSE = 1.0  # seconds between flushes: one to the disk can take longer than an epoch

_GROUPS = {"train_": "train", "valid_": "valid"}


class TensorBoard(Callback):
    """Write every figure of every epoch into event files that TensorBoard shows.

    Tags are ``loss/train``, ``loss/valid``, ``accuracy/valid`` …, ``lr`` and ``seconds``, so that
    training and validation are side by side; the step is the epoch. What was written goes to the
    disk once a second at most, after an epoch, and at the end. A resumed run writes a further file
    into the same folder, and TensorBoard drops what earlier files have from there on.

    It needs tensorboardX (``pip install '.[tensorboard]'`` in nnlite's folder); to look at the
    files, ``tensorboard --logdir DIR`` of the package tensorboard.

    Args:
        folder: where the event files go; it is made if it is not there.

    Raises:
        ImportError: tensorboardX is not installed.

    >>> from nnlite.train import TensorBoard
    >>> TensorBoard("runs/first")  # doctest: +SKIP
    TensorBoard('runs/first')

    In a loop of your own: ``board.write(history[-1])`` after each epoch, ``board.close()`` at the
    end.
    """

    def __init__(self, folder: StrPath) -> None:
        _writer_class()  # fails now rather than when the training starts
        self.folder = os.fsdecode(folder)
        self._writer: Any = None
        self._due = 0.0

    def write(self, row: Mapping[str, float], epoch: int | None = None) -> None:
        """Write the figures of an epoch.

        Args:
            row: column name to number, as a row of a History.
            epoch: its number. Default: the column ``epoch``.

        Raises:
            ValueError: no number of the epoch.
            OSError: the folder or the file cannot be written.
        """
        if epoch is None:
            if "epoch" not in row:
                raise ValueError("TensorBoard.write: the row has no column 'epoch'; give epoch=…")
            epoch = int(row["epoch"])
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        if self._writer is None:
            self._writer = self._open()
            start = SessionLog(status=SessionLog.START)  # drops what other files have from here on
            self._writer.write_event(Event(wall_time=time.time(), step=epoch, session_log=start))
        for name, value in row.items():
            if name != "epoch":
                summary = scalar(_tag(name), float(value))
                event = Event(wall_time=time.time(), step=epoch, summary=summary)
                self._writer.write_event(event)
        if time.monotonic() >= self._due:
            self._writer.flush()
            self._due = time.monotonic() + _PAUSE

    def close(self) -> None:
        """Close the file; a further `write` opens another one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._due = 0.0

    def _open(self) -> Any:
        # Not its SummaryWriter, which starts a thread and whose flush leaves out what is queued.
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, "events")
        return _writer_class()(path, f".{time.time_ns()}")

    def on_fit_start(self, trainer: Trainer) -> None:
        """End the file of an earlier run."""
        self.close()

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write an epoch that is complete."""
        if trainer.history and trainer.history[-1]["epoch"] == trainer.epoch:
            self.write(trainer.history[-1])

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the file."""
        self.close()

    def __repr__(self) -> str:
        return f"TensorBoard({self.folder!r})"


def _tag(column: str) -> str:
    """The name of a column as TensorBoard groups it.

    >>> _tag("valid_roc_auc"), _tag("lr")
    ('roc_auc/valid', 'lr')
    """
    for prefix, group in _GROUPS.items():
        if column.startswith(prefix):
            return f"{column.removeprefix(prefix)}/{group}"
    return column


def _writer_class() -> Any:
    try:
        from tensorboardX.event_file_writer import EventsWriter
    except ImportError as error:
        raise ImportError(
            "TensorBoard needs tensorboardX: install nnlite with its extra, "
            "pip install '.[tensorboard]' in nnlite's folder"
        ) from error
    return EventsWriter
