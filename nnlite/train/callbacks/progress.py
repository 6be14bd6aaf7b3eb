"""ProgressBar: how far the training is, on one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A bar over all batches of all epochs, with the epoch and its figures (tqdm, on stderr).

    ``Trainer(progress=…)`` adds one; it need not be given as a callback.
    """

    def __init__(self) -> None:
        self._bar: Any = None

    def _open(self, trainer: Trainer, done: int) -> None:
        from tqdm import tqdm

        total = trainer.epochs * trainer.batches or None
        self._bar = tqdm(total=total, initial=done, unit="batch", dynamic_ncols=True)

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Open the bar, and name the epoch."""
        if self._bar is None:
            self._open(trainer, (trainer.epoch - 1) * trainer.batches)
        name = f"epoch {trainer.epoch}/{trainer.epochs}"
        self._bar.set_description_str(name, refresh=False)

    def on_batch_end(self, trainer: Trainer) -> None:
        """Count the batch; during a long first epoch show the loss of batches."""
        if self._bar is None:  # taken up in the middle of an epoch
            self._open(trainer, (trainer.epoch - 1) * trainer.batches + trainer.batch - 1)
        if self._bar.update(1) and trainer.epoch == 1:
            self._bar.set_postfix_str(f"loss {trainer.batch_loss:.4g}", refresh=False)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the losses and the first metric of the epoch."""
        if self._bar is None:
            return
        row = trainer.history[-1]
        names = ["train_loss", "valid_loss", *(f"valid_{name}" for name in trainer.metrics)][:3]
        shown = [f"{name} {row[name]:.4g}" for name in names if name in row]
        self._bar.set_postfix_str(", ".join(shown), refresh=False)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None
