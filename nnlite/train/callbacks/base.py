"""What a callback is: hooks that the Trainer calls, and a state that a checkpoint keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = ["HOOKS", "Callback", "CallbackError"]


class CallbackError(RuntimeError):
    """A callback failed: the message says which one and where, ``__cause__`` is its error."""


class Callback:
    """Subclass it and override the hooks that are needed; the others cost nothing.

    Each hook gets the trainer and may read and change what it holds: ``model``, ``optimizer``,
    ``history``, ``epoch`` and ``batch`` (from 1), ``epochs``, ``batches`` (of an epoch), ``step``
    (counted through all epochs), ``batch_loss``; ``trainer.stop = True`` ends the training after
    this epoch. Callbacks are called in the order in which the trainer got them.

    One that remembers something between batches or epochs defines ``state_dict``, which returns
    plain values, tensors and arrays that later training does not change, and ``load_state_dict``;
    then a resumed run goes on as if it had never been stopped.

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
        """Before an epoch's first batch (not where a run is resumed in the middle of one)."""

    def on_backward_end(self, trainer: Trainer) -> None:
        """After the gradients of a step are there, before the optimizer's step."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After the optimizer's step."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After a batch, whether it ended in a step or its gradients are still accumulated.

        Here ``trainer.state_dict()`` is whole: a run goes on from it in the middle of the epoch.
        """

    def on_validation_start(self, trainer: Trainer) -> None:
        """Before the model is measured on validation data, or its weights are copied as the best:
        other weights may be put in its parameters."""

    def on_validation_end(self, trainer: Trainer) -> None:
        """After that, in reverse order of the callbacks: what was changed there is put back."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After training and validation; the epoch's figures are ``trainer.history[-1]``."""

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Where a run can be resumed: at the start, after ``on_epoch_end`` of all callbacks, and
        where a limit of steps or of time ends it."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """When training ends, however it ends: finished, stopped, interrupted or by an error.

        It is called for each callback, even if that of another one fails.
        """

    def state_dict(self) -> dict[str, Any]:
        """What the callback remembers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` returned."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def _refuse_hook(cls: type[Callback], name: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(name, HOOKS, n=1)
    cure = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(HOOKS)}"
    raise TypeError(f"{cls.__name__}.{name} is no hook; {cure}")
