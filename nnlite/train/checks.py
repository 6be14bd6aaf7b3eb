"""What is checked before the first step, so that a mistake costs seconds and names its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nnlite import nn
from nnlite.autograd.anomaly import AnomalyError, detect_anomaly
from nnlite.nn import functional as F
from nnlite.tensor import Tensor
from nnlite.train.feed import array_target
from nnlite.train.modes import evaluating, training
from nnlite.utils.data import DataLoader

if TYPE_CHECKING:
    from nnlite.train.trainer import Trainer

__all__ = [
    "NonFiniteLossError",
    "check_model",
    "check_probabilities",
    "check_validation",
    "diverged",
    "divisor_of",
    "is_sum",
    "kind_of",
    "looked_at",
    "mean",
    "option",
    "split",
    "targets_are_probabilities",
    "why_not_finite",
]

_KINDS = {
    "logits of two classes": (nn.BCEWithLogitsLoss, F.binary_cross_entropy_with_logits),
    "probabilities": (nn.BCELoss, F.binary_cross_entropy),
    "logits of classes": (nn.CrossEntropyLoss, F.cross_entropy),
    "log-probabilities of classes": (nn.NLLLoss, F.nll_loss),
}


def kind_of(loss: Any) -> str | None:
    """What a known loss takes the model's output for; None for another loss."""
    while hasattr(loss, "func") and hasattr(loss, "keywords"):  # functools.partial
        loss = loss.func
    for kind, (module, function) in _KINDS.items():
        if isinstance(loss, module) or loss is function:
            return kind
    return None


def is_sum(loss: Any) -> bool:
    """Whether a loss is a sum over the samples rather than their mean."""
    return bool(option(loss, "reduction", "mean") == "sum")


def option(loss: Any, name: str, default: Any) -> Any:
    """What a loss was made with: a module's attribute, or a keyword of functools.partial."""
    options: dict[str, Any] = getattr(loss, "keywords", {})
    return options.get(name, getattr(loss, name, default))


def divisor_of(loss: Any) -> Callable[[Any], float]:
    """How much the figure of a batch counts in the mean of a pass, as a function of the target.

    The number of samples; for cross-entropies of class indices what their mean divides by: the
    number of targets that are not ``ignore_index``, or the sum of their class weights.
    """
    function = getattr(loss, "func", loss)
    known = function in (F.cross_entropy, F.nll_loss) or getattr(
        type(function), "forward", None
    ) in (nn.CrossEntropyLoss.forward, nn.NLLLoss.forward)
    if not known or is_sum(loss):
        return len
    weight, ignored = option(loss, "weight", None), option(loss, "ignore_index", -100)

    def divisor(target: Any) -> float:
        if not isinstance(target, Tensor) or target.array.dtype.kind not in "iu":
            return len(target)  # probabilities of classes
        counted = target.array != ignored
        if weight is None:
            return int(np.count_nonzero(counted))
        return float(weight.array[target.array[counted]].sum(dtype=np.float64))

    return divisor


def check_model(model: nn.Module, optimizer: Any) -> None:
    """Raise ValueError when training would change nothing."""
    named = dict(model.named_parameters())
    if not named:
        raise ValueError("fit: the model has no parameters, there is nothing to train")
    trainable = {id(p) for p in named.values() if p.requires_grad}
    if not trainable:
        raise ValueError(
            f"fit: all {len(named)} parameters of the model are frozen, there is nothing to train; "
            f"unfreeze what should learn: model.unfreeze({list(named)[-1].rpartition('.')[0]!r})"
        )
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if held & trainable:
        return
    name = type(optimizer).__name__
    if held & {id(p) for p in named.values()}:
        names = ", ".join(name for name, p in named.items() if id(p) in trainable)
        raise ValueError(
            f"fit: all parameters that {name} holds are frozen; those that are not are {names}: "
            f"give them to it, or unfreeze those that it holds"
        )
    raise ValueError(
        f"fit: {name} holds no parameter of this model (of another one, or of an earlier "
        f"copy?); make it from the model that is trained: {name}(model.parameters(), …)"
    )


def split(role: str, batch: Any, parts: int = 1) -> tuple[list[Any], list[Any]]:
    """The inputs of a batch, and what is behind them: the target, and with 2 parts its weights.

    Raises:
        TypeError: a batch that does not have both.
    """
    if not isinstance(batch, (list, tuple)) or len(batch) <= parts:
        what = type(batch).__name__
        if isinstance(batch, (list, tuple)):
            what += f" of {len(batch)}"
        form, names = ("(xb, yb)", "inputs and target")
        if parts == 2:
            form, names = ("(xb, yb, weights)", "inputs, target and weights (sample_weight)")
        raise TypeError(
            f"{role}: a batch must be {names}, {form}, got a {what}; put them side by "
            "side in a TensorDataset(x, y), or give the loader a collate_fn"
        )
    return list(batch[:-parts]), list(batch[-parts:])


def targets_are_probabilities(loss: Any, role: str, loader: Any, parts: int = 1) -> bool:
    """Check all targets of array data for a loss that needs them in [0, 1].

    Returns:
        False when they are not known before the batches come.

    Raises:
        ValueError: a target outside of [0, 1].
    """
    if kind_of(loss) not in ("logits of two classes", "probabilities"):
        return True
    target = array_target(loader, parts) if isinstance(loader, DataLoader) else None
    if target is None:
        return False
    _check_target(role, target)
    return True


def check_probabilities(role: str, target: Any) -> None:
    """Raise ValueError when a target lies outside of [0, 1]."""
    if isinstance(target, Tensor):
        _check_target(role, target.array)


def _check_target(role: str, target: Any) -> None:
    low, high = (target.min(), target.max()) if target.size else (0, 1)
    if low >= 0 and high <= 1:  # false for nan, too
        return
    if low != low:
        raise ValueError(f"{role}: the target holds nan; leave these samples out")
    raise ValueError(
        f"{role}: the target must lie in [0, 1] for a binary cross-entropy, found values from "
        f"{low:g} to {high:g}. For labels -1 and 1 use (y + 1) / 2, for 1 and 2 use y - 1; "
        "for more than two classes use CrossEntropyLoss"
    )


def check_validation(trainer: Trainer) -> None:
    """Run one batch of validation, so that a misfit is not found only after the first epoch."""
    loader = trainer.loaders[1]
    before = trainer.streams.state()
    states = loader.state_dict() if hasattr(loader, "state_dict") else None
    objective = trainer.objectives[1]
    for batch in loader:
        inputs, rest = split("fit: valid", batch, objective.parts)
        break
    else:
        raise ValueError("fit: valid has no samples; check how it was read or split")
    with evaluating(trainer.model):
        try:
            objective.loss(trainer.model(*inputs), *rest)
        except (ValueError, TypeError, RuntimeError, IndexError) as error:
            known = type(error) in (ValueError, TypeError, IndexError)
            kind = type(error) if known else RuntimeError
            raise kind(f"fit: valid, first batch: {error}") from error
    if states is not None:
        loader.load_state_dict(states)
    trainer.streams.restore(before)


def mean(role: str, total: float, divisor: float, samples: int) -> float:
    """The mean of one pass, nan if nothing counted; ValueError when there were no samples."""
    if samples == 0:
        raise ValueError(
            f"{role}: the loader gave no samples in this pass; its __iter__ must start anew each "
            "time (a generator can be gone through only once)"
        )
    return total / divisor if divisor else float("nan")


class NonFiniteLossError(FloatingPointError):
    """The loss became nan or infinite; the message names epoch, batch and the likely cure."""


def diverged(trainer: Trainer, value: float, inputs: list[Any], target: Any) -> NoReturn:
    """Raise NonFiniteLossError for a loss of this value."""
    why = why_not_finite(trainer, inputs, target)
    raise NonFiniteLossError(
        f"fit: the loss is {value} in epoch {trainer.epoch}, batch {trainer.batch}. {why}"
    )


def looked_at(batches: Iterator[Any], parts: int, known: bool) -> Iterator[Any]:
    """The batches, each checked before it is trained on.

    Args:
        batches: of training data.
        parts: how many of their parts are no inputs.
        known: whether the targets have been checked already.
    """
    for batch in batches:
        _, rest = split("fit: train", batch, parts)
        if not known:
            check_probabilities("fit: train", rest[0])
        yield batch


def why_not_finite(trainer: Trainer, inputs: list[Any], target: Any) -> str:
    """The likely cause of a loss that is no number, and what to do about it."""
    for name, values in [("inputs", inputs), ("targets", [target])]:
        for value in values:
            if isinstance(value, Tensor) and not np.isfinite(value.array).all():
                return f"The {name} of this batch hold nan or infinity: clean the data"
    if divisor_of(trainer.loss)(target) == 0:
        return (
            "No target of this batch counts, so that its mean is 0/0: each is ignore_index or of a "
            "class of weight 0. Leave such samples out, take larger or shuffled batches, or "
            'reduction="sum"'
        )
    rates = ", ".join(f"{group.get('lr')}" for group in trainer.optimizer.param_groups)
    if trainer.step == 0:
        return (
            "It overflowed before the first step: scale the inputs (mean 0, variance 1), and take "
            "a loss of logits (BCEWithLogitsLoss, CrossEntropyLoss)"
            + _where_it_began(trainer, inputs, target)
        )
    return (
        f"The steps made the weights too large: lower the learning rate (lr={rates}), clip the "
        "gradients (callbacks=[ClipGradNorm(1.0)]), and scale the inputs (mean 0, variance 1)"
        + _where_it_began(trainer, inputs, target)
    )


def _where_it_began(trainer: Trainer, inputs: list[Any], target: Any) -> str:
    """What anomaly detection says when the batch is run again; "" if it finds nothing.

    The model, its statistics and the random generators are not as they were afterwards: it is for
    a run that has failed, which goes back to its last save point.
    """
    broken = [
        name for name, p in trainer.model.named_parameters() if not np.isfinite(p.array).all()
    ]
    if broken:
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        return (
            f". {', '.join(broken[:3])}{more} held nan or infinity before this batch: to see where "
            "that begins, train again inside of `with nnlite.autograd.detect_anomaly():`"
        )
    try:
        with detect_anomaly(), training(trainer.model):
            trainer.loss(trainer.model_for(0)(*inputs), target).backward()
    except AnomalyError as error:
        return f".\n{error}"
    except (ValueError, TypeError, RuntimeError, IndexError):
        return ""  # the loss alone is the mistake
    return ""
