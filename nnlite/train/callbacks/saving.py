"""Checkpoint: files from which a run is resumed, written as it goes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from string import Formatter
from typing import TYPE_CHECKING, Any, Literal

from nnlite.io.atomic import remove_leftovers
from nnlite.train.callbacks.base import Callback
from nnlite.train.metrics import metric_mode

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["Checkpoint"]

_FIELDS = frozenset({"epoch", "step"})


class Checkpoint(Callback):
    """Write to a file what a resumed run needs; ``trainer.fit(…, resume=path)`` goes on from it.

    A file is replaced in one step: a crash at any moment leaves a whole one, and what it may leave
    of the next one is removed when the run goes on (two runs at once need two files). A new run
    (without ``resume``) writes one as it starts, so that a path that cannot be written to is an
    error then. Later a full disk or a folder that is gone is no reason to lose the training: it
    goes on, with one warning, the former file stays as it is, and writing is tried again.

    Args:
        path: the file. With ``{epoch}`` or ``{step}`` in its name (formatted as by ``str.format``:
            ``"run/{epoch:03}.ckpt"``) each checkpoint is a file of its own.
        every: write after every so many epochs, and after the last one.
        every_steps: write also after every so many steps of the optimizer.
        every_seconds: write also after a batch when so many seconds have passed since the last
            time: what a crash can cost at most.
        monitor: write only after an epoch in which this column of the history was the best so far
            (of those that ``keep`` keeps). Not together with ``every…``.
        mode: "min" if lower is better, "max" if higher is; default: known for built-in metrics.
        keep: of files of their own, how many to keep: the latest, or with ``monitor`` the best.
            Default: all.
        weights_only: write only parameters and buffers, for ``nnlite.load`` and
            ``model.load_state_dict`` (safetensors, or npz by its ending); such a file cannot be
            resumed. With `EMA` ``(evaluate=True)`` before it, they are the averages.

    Raises:
        ValueError: a number below 1 (seconds below 0), arguments that exclude each other, another
            field than ``{epoch}`` and ``{step}``.

    >>> import nnlite
    >>> from nnlite.train import Checkpoint
    >>> last = Checkpoint("run/last", every_seconds=60)
    >>> best = Checkpoint("run/best.safetensors", monitor="valid_loss", weights_only=True)
    >>> three = Checkpoint("run/{epoch:03}.ckpt", every=10, keep=3)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        *,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] | None = None,
        keep: int | None = None,
        weights_only: bool = False,
    ) -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every must be 1 or more epochs, got {every}")
        if every_steps is not None and every_steps < 1:
            raise ValueError(f"Checkpoint: every_steps must be 1 or more, got {every_steps}")
        if every_seconds is not None and not every_seconds >= 0:
            raise ValueError(f"Checkpoint: every_seconds must be 0 or more, got {every_seconds}")
        if monitor is not None and (every != 1 or every_steps or every_seconds is not None):
            raise ValueError(
                "Checkpoint: monitor writes when an epoch is the best so far: leave every, "
                "every_steps and every_seconds out, or take two callbacks"
            )
        if mode not in (None, "min", "max"):
            raise ValueError(f"Checkpoint: mode must be 'min' or 'max', not {mode!r}")
        fields = _fields_of(os.fsdecode(path))
        if keep is not None and (keep < 1 or not fields):
            raise ValueError(
                f"Checkpoint: keep={keep} needs a path with {{epoch}} or {{step}}, and at least 1"
            )
        self.path = path
        self.every = every
        self.every_steps = every_steps
        self.every_seconds = every_seconds
        self.monitor = monitor
        self.mode = None if monitor is None else mode or metric_mode(monitor)
        self.keep = keep
        self.weights_only = weights_only
        self._numbered = bool(fields)
        self._forget()

    def _forget(self) -> None:
        self.written: list[tuple[str, float]] = []  # files of their own, with what they count
        self.best: float | None = None
        self._due = 0.0
        self._failed = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        if self.monitor and self.monitor.startswith("valid_") and not trainer.validates:
            raise ValueError(
                f"{self.monitor!r} cannot be monitored without validation data; give fit valid=…, "
                "or monitor='train_loss'"
            )
        self._forget()
        remove_leftovers(self._pattern())  # of this run, killed while it was writing

    def on_batch_end(self, trainer: Trainer) -> None:
        """Write in the middle of an epoch when it is time."""
        counted = self.every_steps is not None and trainer.stepped
        if (counted and trainer.step % (self.every_steps or 1) == 0) or (
            self.every_seconds is not None and time.monotonic() >= self._due
        ):
            self._write(trainer)

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write at the start, and at the end of an epoch when it is its turn."""
        if trainer.epoch == 0:
            self._write(trainer)
        elif self.monitor is not None:
            self._write_if_best(trainer)
        elif trainer.epoch % self.every == 0 or trainer.ends:
            self._write(trainer)

    def latest(self) -> str | None:
        """The newest of its files that is there, for ``fit(…, resume=…)``; None without one."""
        path = os.fsdecode(self.path)
        if not self._numbered:
            return path if os.path.exists(path) else None
        from glob import glob

        found = [name for name in glob(self._pattern()) if os.path.isfile(name)]
        return max(found, key=lambda name: (os.stat(name).st_mtime_ns, name), default=None)

    def _pattern(self) -> str:
        """What ``glob`` finds its files by."""
        path = os.fsdecode(self.path)
        if not self._numbered:
            return _escaped(path)
        return "".join(
            _escaped(text) + ("*" if field is not None else "")
            for text, field, _, _ in Formatter().parse(path)
        )

    def _write_if_best(self, trainer: Trainer) -> None:
        if not trainer.history or trainer.in_epoch:
            return
        row = trainer.history[-1]
        if self.monitor not in row:
            raise ValueError(
                f"the history has no column {self.monitor!r} to monitor; it has {', '.join(row)}"
            )
        value = row[self.monitor] if self.mode == "min" else -row[self.monitor]
        kept = sorted(value for _, value in self.written)
        limit = kept[self.keep - 1] if self.keep and len(kept) >= self.keep else None
        if not self.keep:
            limit = self.best
        if value == value and (limit is None or value < limit):
            self.best = value if self.best is None else min(value, self.best)
            self._write(trainer, value)

    def _write(self, trainer: Trainer, value: float | None = None) -> None:
        path = os.fsdecode(self.path)
        before = list(self.written)
        if self._numbered and not (trainer.epoch == 0 and self.monitor is not None):
            path = path.format(epoch=trainer.epoch, step=trainer.step)
            rank = -float(trainer.step) if value is None else value
            others = [entry for entry in self.written if entry[0] != path]
            self.written = sorted([*others, (path, rank)], key=lambda entry: entry[1])
        elif trainer.epoch == 0 and self.monitor is not None:
            _check_folder(path)
            return
        try:
            self._save(trainer, path)
        except OSError as error:
            self.written = before
            if trainer.epoch == 0:
                raise
            self._warn(error)
        else:
            self._failed = False
            self._prune(path)
        self._due = time.monotonic() + (self.every_seconds or 0.0)

    def _save(self, trainer: Trainer, path: str) -> None:
        if self.weights_only:
            from nnlite.io import save

            save(trainer.copy_weights(), path)
        else:
            from nnlite.io.checkpoint import save_checkpoint

            save_checkpoint(trainer.state_dict(), path)

    def _prune(self, latest: str) -> None:
        """Remove the files beyond ``keep``, now that the latest is there."""
        if self.keep is None:
            return
        for path, _ in self.written[self.keep :]:
            if path != latest:
                with suppress(OSError):
                    os.remove(path)
        self.written = self.written[: self.keep]

    def _warn(self, error: OSError) -> None:
        """Say it once, until a file could be written again."""
        if self._failed:
            return
        self._failed = True
        import warnings

        name = f"{error.filename}: " if error.filename else ""
        warnings.warn(
            f"Checkpoint: {name}{error.strerror or error}. Training goes on, the former checkpoint "
            "is as it was, and writing is tried again; make room, or a copy of the weights",
            RuntimeWarning,
            stacklevel=2,
        )

    def state_dict(self) -> dict[str, Any]:
        """The files that are kept, and the best value."""
        return {"written": [list(entry) for entry in self.written], "best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        self.written = [(path, rank) for path, rank in state["written"]]
        self.best = state["best"]


def _fields_of(path: str) -> set[str]:
    """The names in braces in a path."""
    try:
        fields = {name for _, name, _, _ in Formatter().parse(path) if name is not None}
    except ValueError as error:
        raise ValueError(f"Checkpoint: path {path!r}: {error}; write {{{{ for a brace") from None
    if not fields <= _FIELDS:
        wrong = ", ".join(sorted(fields - _FIELDS)) or "{}"
        raise ValueError(
            f"Checkpoint: path {path!r} has the field {wrong}; use {{epoch}}, {{step}}"
        )
    return fields


def _escaped(text: str) -> str:
    from glob import escape

    return escape(text)


def _check_folder(path: str) -> None:
    folder = os.path.dirname(path) or os.curdir
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, f"there is no folder {folder!r}: create it first", path)
