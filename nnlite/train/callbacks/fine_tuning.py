"""Fine-tuning: unfreeze a model from its head down, and prove that what is frozen stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnlite.autograd.mutation import log, next_seq
from nnlite.train.callbacks.base import Callback

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.tensor import Tensor
    from nnlite.train.trainer import Trainer

__all__ = ["FreezeAudit", "GradualUnfreezing"]


class GradualUnfreezing(Callback):
    """Unfreeze layer after layer, from the head down to the input.

    The head is trained before what feeds it, so that its first, large gradients do not spoil
    pretrained weights. Source: Howard and Ruder, "Universal Language Model Fine-tuning for Text
    Classification" (arXiv:1801.06146), gradual unfreezing.

    Args:
        schedule: epoch → the patterns (see ``Module.unfreeze``) that are unfrozen as it starts;
            what is frozen at first is up to the model: ``model.freeze_except("head")``. Default:
            the layers as ``optim.param_groups`` finds them; all but the last are frozen when
            training starts, and one more is unfrozen every ``every`` epochs.
        every: epochs between two layers, where there is no schedule.

    Raises:
        ValueError: an epoch or ``every`` below 1. When training starts (as the cause of a
            `CallbackError`), a pattern that matches nothing, or a parameter that the optimizer
            does not have.

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.train import GradualUnfreezing
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    >>> optimizer = nnlite.optim.SGD(nnlite.optim.param_groups(model, 0.1, decay=0.5), lr=0.1)
    >>> unfreezing = GradualUnfreezing(every=2)
    >>> trainer = nnlite.Trainer(model, optimizer, nn.MSELoss(), callbacks=[unfreezing])
    >>> history = trainer.fit((nnlite.ones(8, 3), nnlite.ones(8, 1)), epochs=3)
    >>> unfreezing.schedule, model.frozen
    ({3: ['0']}, [])
    """

    def __init__(
        self, schedule: Mapping[int, str | Sequence[str]] | None = None, *, every: int = 1
    ) -> None:
        if type(every) is not int or every < 1:
            raise ValueError(f"GradualUnfreezing: every must be 1 or more epochs, got {every!r}")
        self.every = every
        self._own = schedule is None
        self.schedule: dict[int, list[str]] = {}
        for epoch, patterns in (schedule or {}).items():
            if type(epoch) is not int or epoch < 1:
                raise ValueError(f"GradualUnfreezing: epochs count from 1, got {epoch!r}")
            if not isinstance(patterns, (str, list, tuple)):
                raise TypeError(
                    f"GradualUnfreezing: epoch {epoch} needs a pattern or a list, got {patterns!r}"
                )
            self.schedule[epoch] = [patterns] if isinstance(patterns, str) else list(patterns)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Check the schedule; without one, make it and freeze all layers but the last."""
        model = trainer.model
        if self._own:
            layers = _layers(model)
            self.schedule = {
                1 + self.every * count: [name] for count, name in enumerate(layers[-2::-1], start=1)
            }
            model.freeze_except(layers[-1])
        held = {
            parameter for group in trainer.optimizer.param_groups for parameter in group["params"]
        }
        frozen = model.frozen
        try:
            for patterns in self.schedule.values():
                model.unfreeze(*patterns)
            lost = [
                name
                for name, parameter in model.named_parameters()
                if parameter.requires_grad and parameter not in held
            ]
        finally:
            model.frozen = frozen
        if lost:
            raise ValueError(
                f"GradualUnfreezing: the optimizer does not have {lost[0]!r}"
                f"{f' and {len(lost) - 1} more' if len(lost) > 1 else ''}, which will be unfrozen: "
                "make it of all parameters, frozen or not (model.parameters(), or "
                "nnlite.optim.param_groups(model, …)); it leaves frozen ones alone"
            )

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Unfreeze what is due."""
        if trainer.epoch in self.schedule:
            trainer.model.unfreeze(*self.schedule[trainer.epoch])


class FreezeAudit(Callback):
    """Prove that what is frozen does not change: its bytes are hashed before and after each epoch.

    Reading a tensor costs what copying it costs; 100 MB take about a tenth of a second.

    Attributes:
        digests: the hash (BLAKE2b, 16 bytes) of each frozen parameter and buffer, by name.

    Raises:
        RuntimeError: naming what has changed while it was frozen, and the operation that
            wrote into it, where that is known.

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.train import FreezeAudit
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).freeze("0")
    >>> optimizer = nnlite.optim.Adam(model.parameters())
    >>> audit = FreezeAudit()
    >>> trainer = nnlite.Trainer(model, optimizer, nn.MSELoss(), callbacks=[audit])
    >>> history = trainer.fit((nnlite.ones(8, 3), nnlite.ones(8, 1)), epochs=3)
    >>> list(audit.digests)
    ['0.weight', '0.bias']
    """

    def __init__(self) -> None:
        self.digests: dict[str, bytes] = {}
        self._compared = -1  # when, in the order of operations

    def on_fit_start(self, trainer: Trainer) -> None:
        """Forget an earlier run."""
        self.digests = {}

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Compare with the end of the last epoch."""
        self._compare(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Compare with the start of the epoch."""
        self._compare(trainer)

    def _compare(self, trainer: Trainer) -> None:
        frozen = set(trainer.model.frozen)
        tensors = {
            name: tensor for name, tensor in _tensors(trainer.model).items() if name in frozen
        }
        digests = {name: _digest(tensor) for name, tensor in tensors.items()}
        changed = [
            name for name, digest in digests.items() if self.digests.get(name, digest) != digest
        ]
        self.digests = digests
        since, self._compared = self._compared, next_seq()
        if changed:
            raise RuntimeError(
                f"FreezeAudit: frozen, and yet changed by epoch {trainer.epoch}: "
                f"{', '.join(name + _writer(tensors[name], since) for name in changed)}"
            )


def _layers(model: Module) -> list[str]:
    from nnlite.optim import param_groups

    layers = list(dict.fromkeys(group["name"] for group in param_groups(model, 1.0)))
    if len(layers) < 2 or "" in layers:
        raise ValueError(
            "GradualUnfreezing: the model has not two layers or more with parameters of their own; "
            "give a schedule: {3: 'encoder.1', 5: 'encoder.0'}"
        )
    return layers


def _tensors(model: Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _digest(tensor: Tensor) -> bytes:
    import hashlib

    array = tensor.array
    data: Any = array if array.flags.c_contiguous else array.copy()
    return hashlib.blake2b(data.reshape(-1).view("u1"), digest_size=16).digest()


def _writer(tensor: Tensor, since: int) -> str:
    """Which operation wrote into the tensor last, where it was one that is noted."""
    write = log.after(since, tensor.array)
    return f" (last written to by {write.what})" if write else ""
