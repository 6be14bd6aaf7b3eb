"""What a check is, and how its finding is told."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from nnlite.train.doctor.patient import Operation, Patient

__all__ = ["Check", "DoctorWarning", "listed", "tell"]


class DoctorWarning(UserWarning):
    """A mistake that the training doctor has found: ``name: what is wrong, and the cure``.

    Args:
        name: of the check, as in ``Doctor.checks()``; the attribute ``name``.
        text: the finding and its cure; the attribute ``text``.

    >>> import warnings
    >>> from nnlite.train import DoctorWarning
    >>> warnings.filterwarnings("ignore", "dead-relu", DoctorWarning)  # silences one by its name
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


class Check:
    """Looks for one mistake (abstract): each method returns what is wrong and the cure, or None.

    The first line of a subclass's docstring is its meaning. Once it has found something it is not
    asked again.
    """

    name: ClassVar[str]

    def at_start(self, patient: Patient) -> str | None:
        """Before the first step."""
        return None

    def on_operation(self, patient: Patient, operation: Operation) -> str | None:
        """After each recorded operation of a step that is examined."""
        return None

    def on_backward(self, patient: Patient) -> str | None:
        """Where a backward pass of a step that is examined begins."""
        return None

    def after_step(self, patient: Patient) -> str | None:
        """After the optimizer's step; the gradients are still there."""
        return None

    def on_epoch_end(self, patient: Patient) -> str | None:
        """After an epoch of the Trainer."""
        return None

    def at_end(self, patient: Patient) -> str | None:
        """When training has ended without an error."""
        return None

    @classmethod
    def meaning(cls) -> str:
        """What it means when this check finds something."""
        line = (cls.__doc__ or "").partition("\n")[0].rstrip(".")
        return line[:1].lower() + line[1:]


_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep


def tell(warning: DoctorWarning) -> None:
    """Warn, at the line of the user's program that led here."""
    level = 1
    frame: FrameType | None = sys._getframe(0)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level += 1
        frame = frame.f_back
    warnings.warn(warning, stacklevel=level)


def listed(names: Iterable[str], most: int = 4) -> str:
    """The names, or the first of them and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    all_names = list(names)
    shown = ", ".join(all_names[:most])
    more = len(all_names) - most
    return f"{shown} and {more} more" if more > 0 else shown
