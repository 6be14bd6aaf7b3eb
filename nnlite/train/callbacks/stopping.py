"""EarlyStopping: end a training that no longer improves, and keep its best weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nnlite.tensor import Tensor
from nnlite.train.callbacks.base import Callback
from nnlite.train.metrics import metric_mode

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, and go back to the best weights.

    Args:
        monitor: a column of the history.
        patience: epochs in a row without improvement after which training stops, 1 or more.
        min_delta: what counts as an improvement must be better by more than this.
        mode: "min" if lower is better, "max" if higher is. Default: known for the losses and the
            built-in metrics.
        restore_best: at the end, however training ended, the model gets the parameters and buffers
            of the best epoch. What is frozen then stays as it is, also where it was frozen after
            that epoch (unfreeze it in ``on_fit_end`` of a callback before this one to restore it).

    Attributes:
        best: the best value so far (None before the first epoch).
        best_epoch: its epoch.

    Raises:
        ValueError: a patience below 1, a negative ``min_delta``, an unknown mode.

    >>> import nnlite
    >>> from nnlite.train import EarlyStopping
    >>> EarlyStopping(patience=5, monitor="valid_roc_auc").mode
    'max'
    """

    best: float | None
    best_epoch: int | None

    def __init__(
        self,
        monitor: str = "valid_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] | None = None,
        restore_best: bool = True,
    ) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience must be 1 or more epochs, got {patience}")
        if not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta must not be negative, got {min_delta}")
        if mode not in (None, "min", "max"):
            raise ValueError(f"EarlyStopping: mode must be 'min' or 'max', not {mode!r}")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode or metric_mode(monitor)
        self.restore_best = restore_best
        self._forget()

    def _forget(self) -> None:
        self.best = None
        self.best_epoch = None
        self._waited = 0
        self._weights: dict[str, Tensor] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        if self.monitor.startswith("valid_") and not trainer.validates:
            raise ValueError(
                f"{self.monitor!r} cannot be monitored without validation data; give fit valid=…, "
                "or monitor='train_loss'"
            )
        self._forget()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare the epoch with the best one."""
        row = trainer.history[-1]
        if self.monitor not in row:
            raise ValueError(
                f"the history has no column {self.monitor!r} to monitor; it has {', '.join(row)}"
            )
        value = row[self.monitor]
        if self._is_better(value):
            self.best = value
            self.best_epoch = trainer.epoch
            self._waited = 0
            if self.restore_best:
                self._weights = trainer.copy_weights()
            return
        self._waited += 1
        if self._waited >= self.patience:
            trainer.stop = True

    def _is_better(self, value: float) -> bool:
        if self.best is None:
            return value == value  # nan is no improvement
        gain = self.best - value if self.mode == "min" else value - self.best
        return gain > self.min_delta

    def on_fit_end(self, trainer: Trainer) -> None:
        """Go back to the best weights, except for what is frozen now."""
        if self._weights is not None:
            from nnlite.train.state import frozen_parts

            trainer.model.load_state_dict({**self._weights, **frozen_parts(trainer.model)})

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch and weights, and the epochs waited since."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "waited": self._waited,
            "weights": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]
        self._waited = state["waited"]
        self._weights = state["weights"]
