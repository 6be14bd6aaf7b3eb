"""A run of ``nnlite train`` or ``nnlite finetune``: a classifier on its way to a folder of files.

``checkpoint`` and ``history.csv`` are written as the training goes, and ``model.safetensors``,
``loss.png`` and ``report.json`` at its end. Until then all are in the subfolder ``unfinished``, so
that an earlier run in the folder stays whole; `nnlite.train.launch` prepares a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from glob import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnlite import nn, optim
from nnlite.io.atomic import move, remove_leftovers
from nnlite.io.checkpoint import save_checkpoint
from nnlite.io.messages import show
from nnlite.tensor import Tensor, wrap
from nnlite.train.callbacks import Callback, EarlyStopping
from nnlite.train.trainer import Trainer
from nnlite.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nnlite.io.preprocess import Preprocessor
    from nnlite.io.table import Table
    from nnlite.train.classifier import TabularClassifier
    from nnlite.train.history import History

__all__ = [
    "CHECKPOINT",
    "FORMAT",
    "HISTORY",
    "PLOT",
    "UNFINISHED",
    "Part",
    "Run",
    "Settings",
    "discard",
]

FORMAT = 1
_METRICS = ("accuracy", "roc_auc", "f1")

CHECKPOINT = "checkpoint"
HISTORY = "history.csv"
PLOT = "loss.png"
UNFINISHED = "unfinished"
_REPORT = "report.json"
_MODEL = "model.safetensors"
_AT_THE_END = (_MODEL, PLOT, _REPORT)
_PAUSE = 1.0  # seconds between checkpoints: flushing one to the disk can take longer than an epoch


class Settings(NamedTuple):
    """What a run depends on besides the contents of its files, named as the command's options are.

    ``data`` is a CSV file, or None for the built-in data; ``target`` None is the last column.
    ``base`` (the model to start from) and ``freeze`` are of fine-tuning alone, where ``target``,
    ``positive``, ``drop`` and ``hidden`` come with the model.
    """

    data: str | None = None
    target: str | None = None
    positive: str | None = None
    drop: tuple[str, ...] = ()
    hidden: tuple[int, ...] = (64, 32)
    epochs: int = 100
    batch_size: int = 32
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    patience: int = 20
    valid: float = 0.2
    seed: int = 0
    base: str | None = None
    freeze: tuple[str, ...] = ()


class Part(NamedTuple):
    """Some rows: their features, float32 (rows, features), and targets, float32 (rows, 1)."""

    x: Tensor
    y: Tensor


class Run:
    """One training, from its start to its files.

    Args:
        settings: what was asked for.
        table: all rows.
        classifier: what is to be trained; what is frozen in it stays as it is.
        rows: the places of the rows to learn from and of those held out.
        fingerprint: texts that change when the data (or the model to start from) do.

    Attributes:
        train, valid: the rows to learn from and the rows held out.
        trainer: the loop.
        before: figures on the held-out rows at the start of fine-tuning; else empty.
        result: figures on the held-out rows with the weights that were kept; empty before `fit`.
        folder: where the files are after `finish`; empty before.
        replaced: whether those of another run were there.
    """

    def __init__(
        self,
        settings: Settings,
        table: Table,
        classifier: TabularClassifier,
        rows: tuple[NDArray[np.intp], NDArray[np.intp]],
        fingerprint: Mapping[str, str],
    ) -> None:
        self.settings = settings
        self.table = table
        self.classifier = classifier
        self.fingerprint = fingerprint
        preprocessor = classifier.preprocessor
        self.train, self.valid = (_part(preprocessor, table.take(part)) for part in rows)
        self.frozen = _frozen_bytes(classifier.model)
        self.stopping = EarlyStopping("valid_loss", patience=settings.patience or settings.epochs)
        optimizer = optim.SGD(
            classifier.model.parameters(),
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        loss = nn.BCEWithLogitsLoss()
        self.trainer = Trainer(classifier.model, optimizer, loss, metrics=_METRICS)
        self.result: dict[str, float] = {}
        self.folder = ""
        self.replaced = False
        self._resumed = False
        self.before: dict[str, float] = {}
        if settings.base is not None:
            self.before = self.trainer.evaluate(self.valid)

    def fit(
        self, out: str, *, resume: Mapping[str, Any] | None = None, progress: bool | None = None
    ) -> None:
        """Train until done, stopped early or interrupted; keep the weights of the best epoch.

        Args:
            out: the folder of the run; checkpoint and history go to ``unfinished`` in it, from the
                first epoch's end on.
            resume: what `checkpoint` gave, to go on from there.
            progress: whether to show a bar; None: if stderr is a terminal.

        Raises:
            NonFiniteLossError: the training diverged.
            CallbackError: a file could not be written; its ``__cause__`` is the OSError.
        """
        # The recorder comes first: at the end it must see the weights of the last epoch, after
        # which EarlyStopping puts those of the best one in their place.
        self._resumed = resume is not None
        folder = os.path.join(out, UNFINISHED)
        self.trainer.callbacks = [_Recorder(self, folder), self.stopping]
        self.trainer.progress = progress
        with np.errstate(over="ignore", invalid="ignore"):  # the Trainer says when it diverges
            self.trainer.fit(
                self.train,
                self.valid,
                epochs=self.settings.epochs,
                batch_size=self.settings.batch_size,
                resume=None if resume is None else resume["trainer"],
            )
        self.result = self.trainer.evaluate(self.valid)
        if _frozen_bytes(self.classifier.model) != self.frozen:
            raise AssertionError("the training has changed frozen weights")

    def finish(self, out: str) -> None:
        """Write model, plot and report, and put all files into the place of an earlier run's.

        After Ctrl-C they stay in ``unfinished`` if an earlier run is in ``out``.

        Raises:
            OSError: a file cannot be written.
        """
        self.folder = os.path.join(out, UNFINISHED)
        os.makedirs(self.folder, exist_ok=True)
        self.classifier.save(self.folder)
        self.history.plot(os.path.join(self.folder, PLOT), title=self._title())
        _write_json(self.report(), os.path.join(self.folder, _REPORT))
        earlier = os.path.exists(os.path.join(out, _MODEL))
        if earlier and self.ended == "interrupted":
            return
        # The checkpoint comes last: cut off in between, --resume finds it and does this again.
        for name in (*_AT_THE_END, HISTORY, CHECKPOINT):
            with suppress(FileNotFoundError):  # nothing was left to do for --resume
                move(os.path.join(self.folder, name), os.path.join(out, name))
        with suppress(OSError):  # it stays if something else was put there
            os.rmdir(self.folder)
        self.folder = out
        self.replaced = earlier and not self._resumed

    @property
    def history(self) -> History:
        """What was measured in each epoch."""
        return self.trainer.history

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights were kept."""
        return self.stopping.best_epoch or 0

    @property
    def ended(self) -> str:
        """How the training ended: "interrupted", "early" (no improvement) or "complete"."""
        if self.trainer.interrupted:
            return "interrupted"
        return "early" if self.trainer.epoch < self.settings.epochs else "complete"

    @property
    def baseline(self) -> tuple[str, float]:
        """The class of most training rows, and the accuracy of always guessing it."""
        common = int(self.train.y.array.mean() > 0.5)
        return self.classifier.classes[common], float((self.valid.y.array == common).mean())

    def checkpoint(self) -> dict[str, Any]:
        """All that `fit` needs to go on, and what it must be compared with."""
        return {
            "nnlite.run": FORMAT,
            "nnlite": __version__,
            "settings": self._absolute()._asdict(),
            "fingerprint": dict(self.fingerprint),
            "trainer": self.trainer.state_dict(),
        }

    def _absolute(self) -> Settings:
        """The settings, with the data where they are found from any folder."""
        data = self.settings.data
        return self.settings if data is None else self.settings._replace(data=os.path.abspath(data))

    def report(self) -> dict[str, Any]:
        """Configuration, versions, seed and final figures, as JSON holds them."""
        import platform

        classifier = self.classifier
        common, accuracy = self.baseline
        report: dict[str, Any] = {
            "command": "train" if self.settings.base is None else "finetune",
            "configuration": self.settings._asdict(),
            "seed": self.settings.seed,
            "versions": {
                "nnlite": __version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
            },
            "data": {
                "source": self.table.where(),
                "training_rows": len(self.train.y),
                "validation_rows": len(self.valid.y),
                "features": len(classifier.preprocessor.feature_names),
                "target": classifier.preprocessor.target,
                "classes": list(classifier.classes),
            },
            "model": {
                "layers": list(classifier.layers),
                "weights": sum(p.numel() for p in classifier.model.parameters()),
                "frozen": list(self.frozen),
            },
            "training": {
                "epochs": self.trainer.epoch,
                "best_epoch": self.best_epoch,
                "ended": self.ended,
            },
            "validation": _finite(self.result),
            "baseline": {"always": common, "accuracy": accuracy},
        }
        if self.before:
            report["validation_before"] = _finite(self.before)
            report["model"]["frozen_bytes_unchanged"] = True
        return report

    def _title(self) -> str:
        source = os.path.basename(self.table.where()).encode("utf-8", "replace").decode("utf-8")
        return f"{source}: {show(self.classifier.preprocessor.target)}"


def discard(out: str) -> None:
    """Remove what an unfinished run has written to the folder ``out``."""
    folder = os.path.join(out, UNFINISHED)
    for name in (*_AT_THE_END, HISTORY, CHECKPOINT):
        with suppress(OSError):
            os.remove(os.path.join(folder, name))
    with suppress(OSError):
        os.rmdir(folder)


class _Recorder(Callback):
    """Writes checkpoint and history after the first epoch and the last, and at times in between."""

    def __init__(self, run: Run, folder: str) -> None:
        self.run = run
        self.folder = folder
        self._due = 0.0
        self._warned = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Remove what a killed run left of the files that it was writing."""
        for name in (*_AT_THE_END, HISTORY, CHECKPOINT):
            remove_leftovers(os.path.join(escape(self.folder), name))

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write when it is time again, and when training is over."""
        if not trainer.epoch or (not trainer.ends and time.monotonic() < self._due):
            return
        try:
            self._write(trainer)
        except OSError as error:
            if trainer.ends:
                raise
            self._warn(error)

    def on_fit_end(self, trainer: Trainer) -> None:
        """After Ctrl-C, write the last epoch that was finished."""
        if trainer.interrupted and trainer.epoch:
            self._write(trainer)

    def _warn(self, error: OSError) -> None:
        """A full disk in the middle of a training is no reason to lose it; say so once."""
        self._due = time.monotonic() + _PAUSE
        if self._warned:
            return
        self._warned = True
        import warnings

        warnings.warn(
            f"{error.filename}: {error.strerror}. Training goes on, what was written before is as "
            "it was, and writing is tried again: make room",
            RuntimeWarning,
            stacklevel=2,
        )

    def _write(self, trainer: Trainer) -> None:
        os.makedirs(self.folder, exist_ok=True)
        for name in _AT_THE_END:  # of a run that Ctrl-C ended
            with suppress(FileNotFoundError):
                os.remove(os.path.join(self.folder, name))
        save_checkpoint(self.run.checkpoint(), os.path.join(self.folder, CHECKPOINT))
        trainer.history.to_csv(os.path.join(self.folder, HISTORY))
        self._due = time.monotonic() + _PAUSE


def _part(preprocessor: Preprocessor, table: Table) -> Part:
    targets = preprocessor.targets(table).astype(np.float32)
    return Part(wrap(preprocessor.transform(table)), wrap(targets[:, np.newaxis]))


def _frozen_bytes(model: nn.Module) -> dict[str, bytes]:
    return {name: p.array.tobytes() for name, p in model.named_parameters() if not p.requires_grad}


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no nan."""
    return {name: value if np.isfinite(value) else None for name, value in figures.items()}


def _write_json(tree: object, path: str) -> None:
    import json

    from nnlite.io.atomic import write_bytes

    text = json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # as JSON writes lone surrogates
