"""Callbacks: what else happens during training, each a small class with hooks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from nnlite.tensor import Tensor
from nnlite.train.metrics import metric_mode

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = [
    "Callback",
    "CallbackError",
    "Checkpoint",
    "ClipGradNorm",
    "EarlyStopping",
    "ProgressBar",
]


class CallbackError(RuntimeError):
    """A callback failed: the message says which one and where, ``__cause__`` is its error."""


class Callback:
    """Subclass it and override the hooks that are needed; the others cost nothing.

    Each hook gets the trainer and may read and change what it holds: ``model``, ``optimizer``,
    ``history``, ``epoch`` and ``batch`` (from 1), ``epochs``, ``batches`` (of an epoch), ``step``
    (counted through all epochs), ``batch_loss``; ``trainer.stop = True`` ends the training after
    this epoch. Callbacks are called in the order in which the trainer got them.

    One that remembers something between epochs defines ``state_dict``, which returns plain values,
    tensors and arrays that later training does not change, and ``load_state_dict``; then a resumed
    run goes on as if it had never been stopped.

    >>> import nnlite
    >>> from nnlite.train import Callback
    >>> class HalveRate(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         for group in trainer.optimizer.param_groups:
    ...             group["lr"] /= 2
    >>> class Misspelt(Callback):
    ...     def on_epoch_ends(self, trainer):
    ...         pass
    Traceback (most recent call last):
    TypeError: Misspelt.on_epoch_ends is no hook; did you mean on_epoch_end?
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name.startswith("on_") and name not in HOOKS:
                _refuse_hook(cls, name)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch (and before a resumed run's state is put back)."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before an epoch's first batch."""

    def on_backward_end(self, trainer: Trainer) -> None:
        """After the gradients of a batch are there, before the optimizer's step."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After the optimizer's step."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After training and validation; the epoch's figures are ``trainer.history[-1]``."""

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Where a run can be resumed: at the start, and after ``on_epoch_end`` of all callbacks."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """When training ends, however it ends: finished, stopped, interrupted or by an error."""

    def state_dict(self) -> dict[str, Any]:
        """What the callback remembers between epochs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def _refuse_hook(cls: type[Callback], name: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(name, HOOKS, n=1)
    cure = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(HOOKS)}"
    raise TypeError(f"{cls.__name__}.{name} is no hook; {cure}")


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


class Checkpoint(Callback):
    """Write to a file what a resumed run needs; ``trainer.fit(…, resume=path)`` goes on from it.

    The file is replaced in one step: a crash at any moment leaves a whole one. A new run (without
    ``resume``) replaces it as it starts, so that a path that cannot be written to is noticed then.

    Args:
        path: the file.
        every: write after every so many epochs, and after the last one.

    Raises:
        ValueError: ``every`` below 1.

    >>> import nnlite
    >>> from nnlite.train import Checkpoint
    >>> Checkpoint("run/checkpoint", every=5).every
    5
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every must be 1 or more epochs, got {every}")
        self.path = path
        self.every = every

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write the file."""
        if trainer.epoch % self.every == 0 or trainer.stop or trainer.epoch >= trainer.epochs:
            from nnlite.io.checkpoint import save_checkpoint

            save_checkpoint(trainer.state_dict(), self.path)


class ClipGradNorm(Callback):
    """Scale the gradients of a step down to a norm where they exceed it, all by one factor.

    Args:
        max_norm: the norm that they may have together.
        norm_type: which norm: 2 for the Euclidean one, ``inf`` for the largest entry.

    Raises:
        ValueError: a norm that is not positive.

    >>> import nnlite
    >>> from nnlite.train import ClipGradNorm
    >>> ClipGradNorm(1.0).max_norm
    1.0
    """

    def __init__(self, max_norm: float, norm_type: float = 2.0) -> None:
        if not max_norm > 0:
            raise ValueError(f"ClipGradNorm: max_norm must be positive, got {max_norm}")
        self.max_norm = max_norm
        self.norm_type = norm_type

    def on_backward_end(self, trainer: Trainer) -> None:
        """Clip the gradients of the parameters that train."""
        from nnlite.nn.utils import clip_grad_norm_

        trained = [p for p in trainer.model.parameters() if p.requires_grad]
        clip_grad_norm_(trained, self.max_norm, self.norm_type)


class ProgressBar(Callback):
    """A bar over all batches of all epochs, with the epoch and its figures (tqdm, on stderr).

    ``Trainer(progress=…)`` adds one; it need not be given as a callback.
    """

    def __init__(self) -> None:
        self._bar: Any = None

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Open the bar, and name the epoch."""
        if self._bar is None:
            from tqdm import tqdm

            done = (trainer.epoch - 1) * trainer.batches
            total = trainer.epochs * trainer.batches
            self._bar = tqdm(total=total, initial=done, unit="batch", dynamic_ncols=True)
        name = f"epoch {trainer.epoch}/{trainer.epochs}"
        self._bar.set_description_str(name, refresh=False)

    def on_step_end(self, trainer: Trainer) -> None:
        """Count the batch; during a long first epoch show the loss of batches."""
        if self._bar.update(1) and trainer.epoch == 1:
            self._bar.set_postfix_str(f"loss {trainer.batch_loss:.4g}", refresh=False)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the losses and the first metric of the epoch."""
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
