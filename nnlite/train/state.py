"""The state of a run: all that its next epoch depends on, copied, compared and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.tensor import Tensor, wrap
from nnlite.train.feed import batch_count, checksum, sample_count
from nnlite.train.tally import Tally

if TYPE_CHECKING:
    from nnlite.nn import Module
    from nnlite.train.trainer import Trainer

    Tree = dict[str, Any]

__all__ = [
    "accumulated", "check_fits", "contents", "copied", "copy_weights", "differing_tensors",
    "divide_gradients", "frozen_parts",
    "parts_of", "put_back", "save_point",
    "whole",
]  # fmt: skip

_FORMAT = 2


def whole(trainer: Trainer, point: Tree | None = None) -> Tree:
    """The state with history and description; it holds the tensors themselves, not copies.

    Args:
        trainer: whose state.
        point: the save point whose state is meant; default: as it is now.
    """
    if point is None:
        tree = _small_parts(trainer)
        tree["rows"] = len(trainer.history)
        tree["frozen"] = trainer.model.frozen
        tree["model"] = dict(trainer.model.state_dict())
        tree["optimizer"] = trainer.optimizer.state_dict()
    else:
        tree = dict(point)
    tree["history"] = trainer.history.to_list()[: tree.pop("rows")]
    tree["format"] = _FORMAT
    tree["run"] = _describe(trainer)
    return tree


def save_point(trainer: Trainer, before: Tree) -> Tree:
    """The state to go back to: copied, without history.

    Args:
        trainer: whose state.
        before: the save point before this one, or an empty dict.
    """
    tree = _small_parts(trainer)
    tree["rows"] = len(trainer.history)
    tree["frozen"] = trainer.model.frozen
    tree["model"] = copy_weights(parts_of(trainer.model), before.get("model", {}))
    tree["optimizer"] = copied(trainer.optimizer.state_dict())
    tree["gradients"] = copied(tree["gradients"])
    return tree


def put_back(trainer: Trainer, tree: Tree) -> None:
    """Make all as it was when ``tree`` was taken, except for the history."""
    trainer.model.load_state_dict(tree["model"])
    trainer.model.frozen = tree["frozen"]
    trainer.optimizer.load_state_dict(tree["optimizer"])
    # Steps of a former process count: a scheduler asks whether there was one.
    trainer.optimizer._opt_called = tree["step"] > 0
    trainer.optimizer.zero_grad()
    for number, parameter in enumerate(_held(trainer.optimizer)):
        if str(number) in tree["gradients"]:
            parameter.grad = wrap(tree["gradients"][str(number)].array.copy())
    for loader, its_state in zip(trainer.loaders, tree["loaders"]):
        if its_state is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(its_state)
    for callback, its_state in zip(trainer.callbacks, tree["callbacks"]):
        callback.load_state_dict(its_state)
    trainer.streams.restore(tree["random"])
    trainer.epoch, trainer.step, trainer.stop = tree["epoch"], tree["step"], tree["stop"]
    trainer.tally = Tally.of(tree["tally"])


def _small_parts(trainer: Trainer) -> Tree:
    tally = trainer.tally
    return {
        "epoch": trainer.epoch,
        "step": trainer.step,
        "stop": trainer.stop,
        "tally": None if tally is None else tally.state_dict(),
        "gradients": accumulated(trainer.optimizer) if tally is not None and tally.waiting else {},
        "random": trainer.streams.state(),
        "loaders": [
            loader.state_dict() if hasattr(loader, "state_dict") else None
            for loader in trainer.loaders
        ],
        "callbacks": [callback.state_dict() for callback in trainer.callbacks],
    }


def accumulated(optimizer: Any) -> dict[str, Tensor]:
    """The gradients themselves, by the numbers of their parameters in the optimizer."""
    return {
        str(number): p.grad
        for number, p in enumerate(_held(optimizer))
        if p.requires_grad and p.grad is not None
    }


def divide_gradients(optimizer: Any, divisor: float) -> None:
    """Divide all gradients that the optimizer is going to use."""
    for parameter in _held(optimizer):
        if parameter.requires_grad and parameter.grad is not None:
            parameter.grad = wrap(parameter.grad.array / divisor)


def _held(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


_PLAIN = frozenset((float, int, bool, str, type(None)))


def copied(tree: Any) -> Any:
    """A tree of dicts, lists and tuples with copies of its tensors and arrays."""
    if type(tree) in _PLAIN:
        return tree
    if isinstance(tree, Tensor):
        return wrap(tree.array.copy())
    if isinstance(tree, np.ndarray):
        return tree.copy()
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)([copied(value) for value in tree])
    return tree


def parts_of(model: Module) -> list[tuple[str, Tensor]]:
    """The parameters and buffers themselves, with their names."""
    return list(model.state_dict(keep_vars=True).items())


def frozen_parts(model: Module) -> Tree:
    """The frozen parameters and the held statistics themselves, under all their names."""
    parts = parts_of(model)
    frozen = set(model.frozen)
    held = {id(tensor) for name, tensor in parts if name in frozen}
    return {name: tensor for name, tensor in parts if id(tensor) in held}


def copy_weights(
    parts: list[tuple[str, Tensor]], before: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Copies of parameters and buffers as they are now.

    Args:
        parts: from `parts_of`.
        before: an earlier copy. What is frozen and has not changed since is shared with it, so that
            a large frozen part is held once.
    """
    weights = {}
    for name, tensor in parts:
        old = None if tensor._node else before.get(name)
        if old is not None and np.array_equal(old.array, tensor.array):
            weights[name] = old
        else:
            weights[name] = wrap(tensor.array.copy())
    return weights


def check_fits(trainer: Trainer, tree: Any) -> None:
    """Raise ValueError, saying what differs, when ``tree`` is no state of such a run."""
    form = tree.get("format") if isinstance(tree, Mapping) else None
    if type(form) is not int:
        raise ValueError(
            "load_state_dict: this is no state of a Trainer; weights alone are loaded with "
            "model.load_state_dict"
        )
    if form != _FORMAT:
        raise ValueError(
            f"load_state_dict: the state has format {form}, this version of nnlite reads format "
            f"{_FORMAT}: resume it with the version that wrote it"
        )
    here = _describe(trainer)
    if trainer.loaders[0] is None:
        here |= {part: tree["run"][part] for part in _DATA}
    found = []
    for part, theirs in tree["run"].items():
        ours = here.get(part)
        if theirs == ours:
            continue
        if part == "model":
            found += differing_tensors(theirs, ours)
        else:
            found.append(f"{part}: {theirs} there, {ours} here")
    if found:
        raise ValueError(f"load_state_dict: the state is of another run: {'; '.join(found)}")


_DATA = ("training data", "validation data", "contents of the data", "random generators")


def _describe(trainer: Trainer) -> Tree:
    """What must be alike for a state to fit, in plain words."""
    groups = [len(group["params"]) for group in trainer.optimizer.param_groups]
    optimizer = f"{type(trainer.optimizer).__name__} of {', '.join(map(str, groups))} parameters"
    return {
        "model": {
            name: f"{list(tensor.array.shape)} {tensor.array.dtype}"
            for name, tensor in trainer.model.state_dict().items()
        },
        "optimizer": optimizer,
        "loss": _name_of(trainer.loss),
        "accumulate": f"{trainer.accumulate} batches a step",
        "callbacks": ", ".join(type(callback).__name__ for callback in trainer.callbacks) or "none",
        "training data": _sizes(trainer.loaders[0]),
        "validation data": _sizes(trainer.loaders[1]),
        "contents of the data": contents(trainer),
        "random generators": ", ".join(trainer.streams.names) or "the default one",
    }


def _name_of(loss: Any) -> str:
    while hasattr(loss, "func") and hasattr(loss, "keywords"):  # functools.partial
        loss = loss.func
    return str(getattr(loss, "__name__", type(loss).__name__))


def contents(trainer: Trainer) -> str:
    """A text that changes when the samples of this ``fit`` do, found once."""
    text: str = trainer.once("samples", lambda: _checksums(trainer.loaders))
    return text


def _checksums(loaders: tuple[Any, Any]) -> str:
    """A text that changes when samples do, as far as they are arrays."""
    sums = [checksum(loader) for loader in loaders if loader is not None]
    return ", ".join(f"{value:08x}" for value in sums if value is not None) or "not compared"


def _sizes(loader: Any) -> str:
    if loader is None:
        return "none"
    batch_size = getattr(loader, "batch_size", None)
    if batch_size is None:
        batch_size = getattr(getattr(loader, "batch_sampler", None), "batch_size", None)
    batches = batch_count(loader)
    parts = {"samples": sample_count(loader), "batches": batches, "a batch": batch_size}
    return ", ".join(f"{count} {name}" for name, count in parts.items() if count is not None)


def differing_tensors(there: Tree, here: Any) -> list[str]:
    """In words, how two models differ, given the shapes and dtypes of their tensors by name."""
    found = []
    for name in [*there, *(name for name in here if name not in there)]:
        if name not in here:
            found.append(f"the model here has no {name}")
        elif name not in there:
            found.append(f"the model there has no {name}")
        elif there[name] != here[name]:
            found.append(f"{name} is {there[name]} there, {here[name]} here")
    return found[:5] + ([f"{len(found) - 5} more"] if len(found) > 5 else [])
