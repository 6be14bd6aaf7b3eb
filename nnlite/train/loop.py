"""Exact resume for loops of one's own: save and load all that the rest of a run depends on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnlite.train import state
from nnlite.train.history import History
from nnlite.train.randomness import Streams

if TYPE_CHECKING:
    Tree = dict[str, Any]

__all__ = ["load_state", "save_state"]

_FORMAT = 1
_KEY = "nnlite.loop"


def save_state(path: str | os.PathLike[str], **parts: Any) -> None:
    """Write everything that a loop of one's own needs to go on, to one file in one step.

    Args:
        path: the file.
        parts: what to save, by names of one's choice: whatever has a ``state_dict`` (model,
            optimizer, scheduler, DataLoader, callbacks), a `History`, a Generator, and plain values
            (the number of the epoch). What is frozen in a model is saved with it, and so are the
            random generators that any part holds, and the default ones.

    Inside of a loop over a DataLoader the state holds its place: the next pass over the loader
    gives the batches that are left.

    Raises:
        TypeError: a part that cannot be saved.
        OSError: the file cannot be written; the former one is as it was.

    >>> import nnlite, os, tempfile
    >>> from nnlite import nn
    >>> from nnlite.train import History, load_state, save_state
    >>> from nnlite.utils.data import DataLoader, TensorDataset
    >>> def run(path, epochs):
    ...     model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.Linear(8, 1))
    ...     optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    ...     data = TensorDataset(nnlite.ones(64, 2), nnlite.zeros(64, 1))
    ...     loader = DataLoader(data, batch_size=16, shuffle=True)
    ...     loss_fn, history = nn.MSELoss(), History()
    ...     parts = {"model": model, "optimizer": optimizer, "loader": loader, "history": history}
    ...     if os.path.exists(path):
    ...         load_state(path, **parts)
    ...     for epoch in range(len(history) + 1, epochs + 1):
    ...         for xb, yb in loader:
    ...             optimizer.zero_grad()
    ...             loss = loss_fn(model(xb), yb)
    ...             loss.backward()
    ...             optimizer.step()
    ...         history.append({"epoch": epoch, "train_loss": loss.item()})
    ...         save_state(path, **parts)
    ...     return history
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "state")
    >>> at_once = run(path + " 2", epochs=4) if nnlite.manual_seed(0) else None
    >>> stopped = run(path, epochs=2) if nnlite.manual_seed(0) else None
    >>> run(path, epochs=4) == at_once
    True
    >>> folder.cleanup()
    """
    from nnlite.io.checkpoint import save_checkpoint

    trees = {name: _state_of(name, part) for name, part in parts.items()}
    save_checkpoint({_KEY: _FORMAT, "random": Streams(parts).state(), "parts": trees}, path)


def load_state(path: str | os.PathLike[str], **parts: Any) -> Tree:
    """Put back what `save_state` wrote.

    Args:
        path: the file.
        parts: the same names, with the objects to put their states into. Of plain values the names
            may be left out.

    Returns:
        The plain values, by their names.

    Raises:
        ValueError: a file that is damaged or something else, or of other parts; the message says
            what differs, and nothing has been changed.
        OSError: the file cannot be read.

    See `save_state` for an example.
    """
    from nnlite.io.checkpoint import load_checkpoint

    tree = load_checkpoint(path)
    name = os.fsdecode(path)
    if not isinstance(tree, Mapping) or _KEY not in tree:
        raise ValueError(f"load_state: {name} was not written by save_state")
    if tree[_KEY] != _FORMAT:
        raise ValueError(
            f"load_state: {name} has format {tree[_KEY]}, this version of nnlite reads format "
            f"{_FORMAT}: use the version that wrote it"
        )
    saved: Tree = tree["parts"]
    plain = {key: value for key, (kind, value) in saved.items() if kind == "value"}
    faults = [f"{key} is not in it" for key in parts if key not in saved]
    faults += [
        f"{key} is in it and not given" for key in saved if key not in parts and key not in plain
    ]
    for key, part in parts.items():
        if key in saved and key not in plain:
            faults += _faults_of(key, part, *saved[key])
    if faults:
        raise ValueError(f"load_state: {name} is of another run: {'; '.join(faults)}")
    for key, part in parts.items():
        if key not in plain:
            _put_back(part, *saved[key])
    Streams(parts).restore(tree["random"])
    return plain


def _state_of(name: str, part: Any) -> tuple[str, Any]:
    """What kind of part it is, and its state."""
    if isinstance(part, History):
        return "History", part.to_list()
    if hasattr(part, "named_parameters"):
        return "model", {"weights": dict(part.state_dict()), "frozen": part.frozen}
    if hasattr(part, "state_dict"):
        return "state", part.state_dict()
    if hasattr(part, "get_state") and hasattr(part, "set_state"):
        return "generator", part.get_state()
    if callable(part):
        raise TypeError(f"save_state: {name} is {part!r:.60}, which has no state_dict")
    return "value", part


def _faults_of(key: str, part: Any, kind: str, saved: Any) -> list[str]:
    """What keeps a state from being put into a part."""
    found, now = _state_of(key, part)
    if found != kind:
        return [f"{key} is a {kind} there, a {type(part).__name__} here"]
    if kind == "model":
        return state.differing_tensors(_shapes(saved["weights"]), _shapes(now["weights"]))
    if "param_groups" in saved:
        counts = [[len(group["params"]) for group in tree["param_groups"]] for tree in (saved, now)]
        if counts[0] != counts[1]:
            return [f"{key} has groups of {counts[0]} parameters there, of {counts[1]} here"]
    return []


def _shapes(weights: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{list(tensor.array.shape)} {tensor.array.dtype}" for name, tensor in weights.items()
    }


def _put_back(part: Any, kind: str, saved: Any) -> None:
    if kind == "History":
        part._rows[:] = History(saved)
        if part._file is not None:
            part._file.update(part._rows)
    elif kind == "model":
        part.load_state_dict(saved["weights"])
        part.frozen = saved["frozen"]
    elif kind == "generator":
        part.set_state(saved)
    else:
        part.load_state_dict(saved)
        if "param_groups" in saved:
            part._opt_called = True  # by a former process: a scheduler asks
