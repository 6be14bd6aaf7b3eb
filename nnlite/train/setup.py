"""What comes before the first step of a training: arguments are checked and data made ready."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.train import checks, weighting
from nnlite.train.callbacks.base import HOOKS, Callback, CallbackError
from nnlite.train.feed import array_target, as_loader, batch_count, split_off, with_weights
from nnlite.train.measuring import dtype_of
from nnlite.train.weighting import Objective
from nnlite.utils.data.sampler import is_count

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer
    from nnlite.train.using import Using

    Hooks = dict[str, list[Callable[[Trainer], None]]]
    Resume = str | os.PathLike[str] | Mapping[str, Any] | bool | None

__all__ = [
    "bound", "callbacks_of", "check_parts", "failure", "objectives", "prepare", "state_to_resume",
    "weighted", "with_own",
]  # fmt: skip

_WIDER = 4  # batches without gradients may be so many times larger


def check_parts(model: Any, optimizer: Any, loss: Any, accumulate: Any) -> None:
    """Raise TypeError or ValueError for what is no part of a training."""
    for name, value, need in (
        ("model", model, "named_parameters"),
        ("optimizer", optimizer, "param_groups"),
        ("loss", loss, "__call__"),
    ):
        if not hasattr(value, need):
            raise TypeError(f"Trainer: {value!r:.80} is no {name}; it has no {need}")
    if not is_count(accumulate) or accumulate < 1:
        raise ValueError(
            f"Trainer: accumulate must be a whole number of batches from 1 on, got {accumulate!r}"
        )


def callbacks_of(callbacks: Iterable[Any]) -> list[Callback]:
    """The callbacks as a list; TypeError for what is none."""
    found = list(callbacks)
    for callback in found:
        if isinstance(callback, Callback):
            continue
        if hasattr(callback, "step") and hasattr(callback, "state_dict"):
            name = type(callback).__name__
            raise TypeError(
                f"Trainer: {name} is no Callback but a scheduler: give Schedule({name}(…))"
            )
        raise TypeError(f"Trainer: {callback!r:.80} is no Callback: subclass it")
    return found


def with_own(callbacks: list[Callback], doctor: Any, bar: bool) -> list[Callback]:
    """The callbacks, and after them those that the Trainer's own arguments ask for."""
    acting = list(callbacks)
    if doctor is True:
        from nnlite.train.doctor import Doctor

        if not any(isinstance(callback, Doctor) for callback in callbacks):
            acting.append(Doctor())
    elif doctor:
        if not isinstance(doctor, Callback):
            raise TypeError(f"Trainer: doctor must be True, False or a Doctor, got {doctor!r:.60}")
        acting.append(doctor)
    if bar:
        from nnlite.train.callbacks.progress import ProgressBar

        acting.append(ProgressBar())
    return acting


def bound(callbacks: list[Callback]) -> Hooks:
    """For each hook the methods of those callbacks that override it."""
    hooks: Hooks = {}
    for hook in HOOKS:
        idle = getattr(Callback, hook)
        hooks[hook] = [getattr(c, hook) for c in callbacks if getattr(type(c), hook) is not idle]
    hooks["on_validation_end"].reverse()  # the last one to change the weights is the first to undo
    return hooks


def failure(hook: str, method: Any, error: Exception) -> CallbackError:
    """What to raise when a callback has failed."""
    name, kind = type(method.__self__).__name__, type(error).__name__
    return CallbackError(f"{name}.{hook} failed with {kind}: {error}")


def objectives(trainer: Trainer, target: Any = None) -> tuple[Objective, Objective]:
    """What is minimised and what is measured; weights that need targets are left out without."""
    class_weight, pos_weight = trainer.class_weight, trainer.pos_weight
    if target is None:
        class_weight = None if weighting.needs_targets(class_weight) else class_weight
        pos_weight = None if weighting.needs_targets(pos_weight) else pos_weight
    loss, apart = weighting.with_class_weights(trainer.loss, class_weight, pos_weight, target)
    found = weighting.objective(loss, apart)
    return found, found


def weighted(trainer: Using, with_samples: bool) -> Objective:
    """What is measured, with or without weights of samples."""
    plain = trainer.objectives[1]
    if (plain.parts == 2) == with_samples:
        return plain
    return weighting.objective(plain.given, plain.class_weight, with_samples)


def prepare(
    trainer: Trainer,
    train: Any,
    valid: Any,
    epochs: int,
    batch_size: int,
    shuffle: bool,
    sample_weight: Any,
    split_seed: int = 0,
) -> None:
    """Check what can be checked before anything is changed, and give the trainer its loaders."""
    if not is_count(epochs) or epochs < 0:
        raise ValueError(f"fit: epochs must be a whole number from 0 on, got {epochs!r}")
    dtype, loss = dtype_of(trainer.model), trainer.loss
    weights, both = sample_weight is not None, sample_weight is True
    if weights and not both:
        train = with_weights("fit: train", train, sample_weight, dtype)
    if isinstance(valid, (float, np.floating)) and not isinstance(valid, bool):
        if not 0 < valid < 1:
            raise ValueError(f"fit: valid must be a share between 0 and 1, or data, got {valid!r}")
        by_class = checks.kind_of(loss) is not None
        share, parts = float(valid), 1 + weights
        train, valid = split_off("fit: train", train, share, split_seed, dtype, parts, by_class)
        both = weights
    train = as_loader("fit: train", train, batch_size, shuffle, dtype)
    known = checks.targets_are_probabilities(loss, "fit: train", train, 1 + weights)
    if valid is not None:
        valid = as_loader("fit: valid", valid, batch_size * _WIDER, False, dtype)
        checks.targets_are_probabilities(loss, "fit: valid", valid, 1 + both)
    target = None
    if any(map(weighting.needs_targets, (trainer.class_weight, trainer.pos_weight))):
        target = array_target(train, 1 + weights)
        if target is None:
            raise ValueError(
                "fit: weights that are 'balanced' need to see all targets, and these training data "
                "are no arrays: count the classes and give numbers"
            )
    loss_of, apart = weighting.with_class_weights(
        loss, trainer.class_weight, trainer.pos_weight, target
    )
    trainer.objectives = (
        weighting.objective(loss_of, apart, weights),
        weighting.objective(loss_of, apart, both),
    )
    trainer.targets_known = known
    trainer._bind((train, valid), epochs, batch_count(train) or 0)


def state_to_resume(callbacks: list[Callback], resume: Resume) -> Mapping[str, Any] | None:
    """The state to go on from; None to begin.

    Raises:
        ValueError: a file that is no checkpoint; ``resume=True`` without a `Checkpoint`.
        OSError: a file that cannot be read.
    """
    if resume is None or resume is False or isinstance(resume, Mapping):
        return resume or None
    from nnlite.io.checkpoint import load_checkpoint
    from nnlite.train.callbacks.saving import Checkpoint

    path: Any = resume
    if resume is True:
        savers = [c for c in callbacks if isinstance(c, Checkpoint) and not c.weights_only]
        if not savers:
            raise ValueError(
                "fit: resume=True goes on from the file of a Checkpoint, and there is none among "
                "the callbacks; give one, or the path"
            )
        path = savers[0].latest()
        if path is None:
            return None
    tree: Mapping[str, Any] = load_checkpoint(path)
    if not isinstance(tree, Mapping):
        raise ValueError(f"fit: resume={os.fsdecode(path)!r} is no state of a Trainer")
    return tree
