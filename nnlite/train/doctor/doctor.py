"""Doctor: when training is examined, and what is done with what the checks find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.train.callbacks import Callback
from nnlite.train.doctor.activity import DeadReLU
from nnlite.train.doctor.check import Check, DoctorWarning, tell
from nnlite.train.doctor.gradients import (
    ExplodingGradients,
    NoGradient,
    NonFinite,
    VanishingGradients,
    ZeroGrad,
)
from nnlite.train.doctor.graph import KeptGraph
from nnlite.train.doctor.losses import (
    LogitsAsProbabilities,
    SigmoidTwice,
    SoftmaxTwice,
    TargetRange,
    TargetShape,
)
from nnlite.train.doctor.patient import Operation, Patient
from nnlite.train.doctor.progress import LearningRateTooLarge, LearningRateTooSmall, StuckLoss
from nnlite.train.doctor.setup import EvalMode, NoStep, NothingToTrain, NotInOptimizer, OtherModel

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer

__all__ = ["Doctor"]

CHECKS: tuple[type[Check], ...] = (
    NothingToTrain,
    OtherModel,
    NotInOptimizer,
    NoStep,
    ZeroGrad,
    NoGradient,
    EvalMode,
    KeptGraph,
    SigmoidTwice,
    LogitsAsProbabilities,
    SoftmaxTwice,
    TargetRange,
    TargetShape,
    DeadReLU,
    VanishingGradients,
    ExplodingGradients,
    NonFinite,
    LearningRateTooSmall,
    LearningRateTooLarge,
    StuckLoss,
)

_DENSE = 4  # so many steps at the beginning are all examined
_RAREST = 4096  # steps between two visits in a long run


class Doctor(Callback):
    """Watches a training run and warns of mistakes, each once, with the cure.

    The Trainer calls one in by itself (``Trainer(doctor=False)`` does without); one with other
    arguments is given to it, or put around a loop of one's own, in which nothing changes:

    >>> import nnlite
    >>> from nnlite import nn
    >>> from nnlite.train import Doctor
    >>> model = nn.Linear(2, 1)
    >>> optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    >>> with Doctor(model, optimizer):
    ...     for _ in range(10):
    ...         optimizer.zero_grad()
    ...         loss = nn.functional.mse_loss(model(nnlite.randn(8, 2)), nnlite.ones(8, 1))
    ...         loss.backward()
    ...         optimizer.step()

    The first four steps are examined, steps 8, 16, 32 … 4096 and then every 4096th; at all others
    there is only counting. Nothing is changed: parameters, gradients and random numbers are the
    same to the byte. Each warning is a `DoctorWarning` with the ``name`` of its check; silence one
    here, or with ``warnings.filterwarnings("ignore", "dead-relu")``. Two models that are trained in
    turn need a doctor each; of a model with several optimizers it watches the one that it is given.

    Args:
        model, optimizer: what is trained and by what; for a loop of one's own.
        silence: names of checks that are left out; ``Doctor.checks()`` lists all.

    Attributes:
        findings: the warnings that were given.

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
        self.findings: list[DoctorWarning] = []
        for name in self.silence:
            _require_check(name, self.checks())
        self._patient: Patient | None = None
        self._handle: Any = None
        self._asked: dict[str, list[Check]] = {}
        self._step = 0  # the next one that is examined, or whose eve is waited for
        self._idle = 0  # steps until something is to be done
        self._is_open = False

    @classmethod
    def checks(cls) -> dict[str, str]:
        """The names of all checks, each with what it means when it finds something.

        >>> for name, meaning in Doctor.checks().items():
        ...     print(f"{name}: {meaning}")
        nothing-to-train: all parameters are frozen, or there are none
        other-model: the optimizer holds parameters of another model, or of layers replaced since
        not-in-optimizer: gradients are computed for parameters that no optimizer updates
        no-step: backward passes were run, but never a step
        zero-grad: the gradients of a step are added to those of the steps before
        no-gradient: a parameter that the optimizer holds never gets a gradient
        eval-mode: the model is trained in evaluation mode: dropout and batch statistics are off
        kept-graph: the graph of earlier steps is kept alive, as by total += loss
        sigmoid-twice: a binary cross-entropy of logits is given probabilities
        logits-as-probabilities: a loss of probabilities is given what a linear layer returns
        softmax-twice: a cross-entropy, which applies softmax itself, is given probabilities
        target-range: targets of a binary cross-entropy lie outside of [0, 1]
        target-shape: a difference of predictions (n, 1) and targets (n,) was broadcast to (n, n)
        dead-relu: almost all units of a ReLU are 0 for every sample
        vanishing-gradients: the gradients of some layers are tiny beside those of later ones
        exploding-gradients: the gradients and the loss grow out of all proportion
        non-finite: the loss, a gradient or a parameter is nan or infinite
        lr-too-small: the steps are so small that the weights stay as they are
        lr-too-large: a step changes the weights by half of themselves, and the loss does not fall
        stuck-loss: the loss does not move
        """
        return {check.name: check.meaning() for check in CHECKS}

    # ---- around a loop of one's own --------------------------------------------------------------

    def __enter__(self) -> Doctor:
        if self.model is None or self.optimizer is None:
            raise TypeError("Doctor: give it what is trained: with Doctor(model, optimizer): …")
        self._begin(self.model, self.optimizer)
        if self._patient is not None:
            self._ask("at_start", self._patient)
        self._handle = self.optimizer.register_step_post_hook(self._on_step)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        patient = self._patient
        self._end()
        if error is None and patient is not None:
            self._ask("at_end", patient)

    def _on_step(self, *arguments: Any) -> None:
        if self._idle:
            self._idle -= 1
        else:
            self._after_step()

    # ---- as a callback of the Trainer ------------------------------------------------------------

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to watch; the Trainer itself refuses what `Check.at_start` warns of."""
        self._begin(trainer.model, trainer.optimizer)

    def on_step_end(self, trainer: Trainer) -> None:
        """Examine a step now and then."""
        if self._idle:
            self._idle -= 1
        else:
            self._after_step()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """See whether the loss goes down."""
        if self._patient is not None:
            self._patient.epoch_losses.append(trainer.history[-1]["train_loss"])
            self._ask("on_epoch_end", self._patient)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Stop watching."""
        self._end()

    # ---- visits ----------------------------------------------------------------------------------

    def _begin(self, model: Module, optimizer: Any) -> None:
        self._end()
        left_out = {*self.silence, *(finding.name for finding in self.findings)}
        checks = [check() for check in CHECKS if check.name not in left_out]
        for hook in (
            "at_start",
            "on_operation",
            "on_backward",
            "after_step",
            "on_epoch_end",
            "at_end",
        ):
            idle = getattr(Check, hook)
            self._asked[hook] = [c for c in checks if getattr(type(c), hook) is not idle]
        self._patient = patient = Patient(model, optimizer, self._on_operation, self._on_backward)
        self._step, self._idle, self._is_open = 1, 0, True
        patient.open(1)

    def _end(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._patient is not None:
            self._patient.close()
            self._patient = None

    def _after_step(self) -> None:
        """The eve of a step that is to be examined, or its end."""
        patient = self._patient
        if patient is None:
            return
        if self._is_open:
            patient.visits += 1
            self._ask("after_step", patient)
            patient.close()
            before, self._step = self._step, _next_visit(self._step)
            self._idle = max(0, self._step - before - 2)
            self._is_open = self._step == before + 1
        else:
            self._is_open = True
        if self._is_open:
            patient.open(self._step)

    def _on_operation(self, operation: Operation) -> None:
        if self._asked["on_operation"] and self._patient is not None:
            self._ask("on_operation", self._patient, operation)

    def _on_backward(self) -> None:
        if self._patient is not None:
            self._ask("on_backward", self._patient)

    def _ask(self, hook: str, patient: Patient, *more: Any) -> None:
        found: list[DoctorWarning] = []
        done: list[Check] = []
        with np.errstate(all="ignore"):
            for check in self._asked[hook]:
                method: Callable[..., str | None] = getattr(check, hook)
                try:
                    text = method(patient, *more)
                except Exception as error:  # a check must never end the training
                    kind = type(error).__name__
                    text = (
                        f"the check {check.name!r} failed with {kind}: {error}; training goes on "
                        "without it"
                    )
                    found.append(DoctorWarning("doctor", text))
                else:
                    if text is None:
                        continue
                    found.append(DoctorWarning(check.name, text))
                done.append(check)
        for checks in self._asked.values() if done else ():
            checks[:] = [check for check in checks if check not in done]
        for finding in found:
            self.findings.append(finding)
            tell(finding)


def _next_visit(step: int) -> int:
    """The step that is examined after ``step``."""
    if step < _DENSE:
        return step + 1
    return step * 2 if step < _RAREST else step + _RAREST


def _require_check(name: str, checks: dict[str, str]) -> None:
    if name in checks:
        return
    from difflib import get_close_matches

    near = get_close_matches(name, checks, 1)
    cure = f"did you mean {near[0]!r}?" if near else f"the checks are {', '.join(checks)}"
    raise ValueError(f"Doctor: silence has the unknown check {name!r}; {cure}")
