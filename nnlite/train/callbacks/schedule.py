"""Schedule: a learning rate that follows one of ``nnlite.optim.lr_scheduler``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["Schedule"]


class Schedule(Callback):
    """Call a scheduler's ``step`` after each epoch, or after each step of the optimizer.

    Args:
        scheduler: one of ``nnlite.optim.lr_scheduler``, made for the trainer's optimizer, or
            anything else with ``step``, ``state_dict`` and ``load_state_dict``.
        per: ``"epoch"`` or ``"step"``: which of them its ``step`` counts. Those that are counted
            in steps (`OneCycleLR`, `CyclicLR`, a warm-up) need ``"step"``.
        monitor: the column of the history that `ReduceLROnPlateau` watches. Default:
            ``valid_loss``, or ``train_loss`` without validation.

    The column ``lr`` of the history is the rate that an epoch ended with. Give it before
    `EarlyStopping` or after, as you like; of several schedules each follows its own scheduler.

    Raises:
        TypeError: something that is no scheduler.
        ValueError: an unknown ``per``; a ``monitor`` for a scheduler that watches nothing, or
            ``per="step"`` for one that watches a figure of the epoch.

    >>> from nnlite import nn, optim
    >>> class Halving:
    ...     def __init__(self, optimizer):
    ...         self.optimizer = optimizer
    ...     def step(self):
    ...         self.optimizer.param_groups[0]["lr"] /= 2
    ...     def state_dict(self):
    ...         return {}
    ...     def load_state_dict(self, state):
    ...         pass
    >>> from nnlite.train import Schedule, Trainer
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> trainer = Trainer(model, optimizer, nn.MSELoss(), callbacks=[Schedule(Halving(optimizer))])
    >>> trainer.fit(([[1.0, 2.0]], [[3.0]]), epochs=3)["lr"]
    [0.1, 0.05, 0.025]
    """

    def __init__(
        self,
        scheduler: Any,
        per: Literal["epoch", "step"] = "epoch",
        monitor: str | None = None,
    ) -> None:
        for need in ("step", "state_dict", "load_state_dict"):
            if not callable(getattr(scheduler, need, None)):
                raise TypeError(
                    f"Schedule: {scheduler!r:.80} is no scheduler, it has no method {need}; take "
                    "one of nnlite.optim.lr_scheduler"
                )
        if per not in ("epoch", "step"):
            raise ValueError(f"Schedule: per must be 'epoch' or 'step', got {per!r}")
        self.scheduler = scheduler
        self.per = per
        # By name, since it takes another scheduler's place only in what its step expects.
        self.watches = any(kind.__name__ == "ReduceLROnPlateau" for kind in type(scheduler).__mro__)
        if monitor is not None and not self.watches:
            name = type(scheduler).__name__
            raise ValueError(f"Schedule: {name} watches nothing, leave monitor={monitor!r} out")
        if self.watches and per == "step":
            raise ValueError(
                "Schedule: ReduceLROnPlateau watches a figure of the epoch: leave per='step' out"
            )
        self.monitor = monitor

    def on_fit_start(self, trainer: Trainer) -> None:
        """See that the scheduler belongs to this training."""
        theirs = getattr(self.scheduler, "optimizer", trainer.optimizer)
        if theirs is not trainer.optimizer:
            name = type(self.scheduler).__name__
            raise ValueError(
                f"{name} was made for another optimizer: make it for that of the trainer"
            )
        if self.watches and self._column(trainer).startswith("valid_") and not trainer.validates:
            raise ValueError(
                f"{self.monitor!r} cannot be watched without validation data; give fit valid=…, or "
                "monitor='train_loss'"
            )

    def on_step_end(self, trainer: Trainer) -> None:
        """Count the step."""
        if self.per == "step":
            self.scheduler.step()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Count the epoch, or look at its figure."""
        if self.watches:
            row, column = trainer.history[-1], self._column(trainer)
            if column not in row:
                raise ValueError(
                    f"the history has no column {column!r} to watch; it has {', '.join(row)}"
                )
            self.scheduler.step(row[column])
        elif self.per == "epoch":
            self.scheduler.step()

    def _column(self, trainer: Trainer) -> str:
        return self.monitor or ("valid_loss" if trainer.validates else "train_loss")

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's state."""
        from nnlite.train.state import copied

        return {"scheduler": copied(self.scheduler.state_dict())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""
        from nnlite.train.state import copied

        self.scheduler.load_state_dict(copied(state["scheduler"]))
