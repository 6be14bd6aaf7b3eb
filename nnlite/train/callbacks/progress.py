"""ProgressBar: how far the training is, on one line."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["ProgressBar"]

_PAUSE = 0.2  # seconds between two drawings


class ProgressBar(Callback):
    """A bar over all batches of all epochs, with the epoch and its figures (tqdm, on stderr).

    ``Trainer(progress=…)`` adds one; it need not be given as a callback.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._counted = 0
        self._due = 0.0

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Open the bar, and name the epoch."""
        self._open(trainer, 0)
        name = f"epoch {trainer.epoch}/{trainer.epochs}"
        self._bar.set_description_str(name, refresh=False)

    def _open(self, trainer: Trainer, batch: int) -> None:
        if self._bar is not None:
            return
        from tqdm import tqdm

        total = trainer.epochs * trainer.batches or None
        done = (trainer.epoch - 1) * trainer.batches + batch
        # How often it is drawn is decided here, where the question costs the least.
        self._bar = tqdm(
            total=total, initial=done, unit="batch", dynamic_ncols=True, mininterval=0, miniters=0
        )

    def on_batch_end(self, trainer: Trainer) -> None:
        """Count the batch; during a long first epoch show the loss of batches."""
        self._counted += 1
        now = perf_counter()
        if now < self._due:
            return
        self._due = now + _PAUSE
        self._open(trainer, trainer.batch - 1)  # if it was taken up in the middle of an epoch
        if trainer.epoch == 1:
            self._bar.set_postfix_str(f"loss {trainer.batch_loss:.4g}", refresh=False)
        self._count()

    def _count(self) -> None:
        self._bar.update(self._counted)
        self._counted = 0

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the losses and the first metric of the epoch."""
        row = trainer.history[-1]
        names = ["train_loss", "valid_loss", *(f"valid_{name}" for name in trainer.metrics)][:3]
        shown = [f"{name} {row[name]:.4g}" for name in names if name in row]
        self._open(trainer, trainer.batch)
        self._bar.set_postfix_str(", ".join(shown), refresh=False)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._count()
            self._bar.close()
            self._bar = None
