"""Doctor: when training is examined, and what is done with what the checks find."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from nnlite.train.callbacks import Callback
from nnlite.train.doctor.check import Check
from nnlite.train.doctor.patient import Patient

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer

__all__ = ["Doctor"]

CHECKS: tuple[type[Check], ...] = ()

_RAREST = 1024  # steps between two visits in a long run


class Doctor(Callback):
    """Watches a training run and warns of mistakes, each once, with the cure.

    As a callback of the Trainer, or around a loop of one's own, in which nothing changes:

        with Doctor(model, optimizer):
            for xb, yb in loader:
                optimizer.zero_grad()
                loss = loss_of(model(xb), yb)
                loss.backward()
                optimizer.step()

    It looks at the first four steps, at steps 8, 16, 32 … 1024 and then at every 1024th; at all
    others it only counts. It changes nothing: parameters, gradients and random numbers are the
    same to the byte. Each warning is a `DoctorWarning` with the ``name`` of its check; silence one
    here, or with ``warnings.filterwarnings("ignore", "dead-relu")``.

    Args:
        model, optimizer: what is trained and by what; for a loop of one's own.
        silence: names of checks that are left out; ``Doctor.checks()`` lists all.

    Raises:
        ValueError: an unknown name in ``silence``.
        TypeError: a ``with`` block without model and optimizer.
    """

    def __init__(
        self,
        model: Module | None = None,
        optimizer: Any = None,
        *,
        silence: Iterable[str] = (),
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.silence = frozenset([silence] if isinstance(silence, str) else silence)
        for name in self.silence:
            if name not in self.checks():
                from difflib import get_close_matches

                near = get_close_matches(name, self.checks(), 1)
                cure = (
                    f"did you mean {near[0]!r}?"
                    if near
                    else f"there are {', '.join(self.checks())}"
                )
                raise ValueError(f"Doctor: silence has the unknown check {name!r}; {cure}")
        self._checks = [check() for check in CHECKS if check.name not in self.silence]
        self._patient: Patient | None = None
        self._idle = 0

    @classmethod
    def checks(cls) -> dict[str, str]:
        """The names of all checks, each with what it means when it finds something."""
        return {check.name: check.meaning() for check in CHECKS}

    # ---- around a loop of one's own --------------------------------------------------------------

    def __enter__(self) -> Doctor:
        if self.model is None or self.optimizer is None:
            raise TypeError("Doctor: give it what is trained: with Doctor(model, optimizer): …")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    # ---- as a callback of the Trainer ------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to watch."""

    def on_step_end(self, trainer: Trainer) -> None:
        """Examine a step now and then."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """See whether the loss goes down."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """Stop watching."""
