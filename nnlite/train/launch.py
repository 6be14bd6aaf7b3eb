"""What comes before a run: reading, splitting, and the comparison with a run to resume.

All that can be wrong with data and settings is found here, before anything is written, and raised
as ``ValueError``, ``KeyError`` or ``OSError`` with the place and the cure in its text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnlite.io.checkpoint import load_checkpoint
from nnlite.io.messages import listed, show
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table, binary_classes, builtin_table, read_csv
from nnlite.ops.random import Generator, manual_seed
from nnlite.train.classifier import TabularClassifier
from nnlite.train.run import CHECKPOINT, FORMAT, UNFINISHED, Run, Settings
from nnlite.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nnlite import nn

    Saved = Mapping[str, Any]

__all__ = ["read_checkpoint", "resumed_settings", "start_finetuning", "start_training"]

_MAY_CHANGE = ("epochs", "data", "base")  # of files the contents are compared, not the names


def start_training(settings: Settings, saved: Saved | None = None) -> Run:
    """Read the data, split them, and make a network with fresh weights.

    Args:
        settings: what is asked for.
        saved: the checkpoint to resume, whose data must be the same.

    Raises:
        OSError, KeyError, ValueError: data or settings that cannot be trained with.

    >>> run = start_training(Settings())
    >>> run.classifier
    TabularClassifier(30 → 64 → 32 → 1, 'diagnosis': 'benign' or 'malignant')
    >>> len(run.train.y), len(run.valid.y)
    (455, 114)
    """
    try:
        table, target = _read(settings)
    except FileNotFoundError as error:
        if saved is None:
            raise
        raise ValueError(
            f"--resume: {error}: if the data were moved, name the file, nnlite train DATA.csv "
            "--resume --out DIR"
        ) from None
    settings = settings._replace(target=target)
    fingerprint = _fingerprint(table)
    _compare(fingerprint, saved)
    _check_epochs(settings, saved)
    rows = _split(table, target, settings)
    preprocessor = Preprocessor.fit(table.take(rows[0]), target, positive=settings.positive)
    manual_seed(settings.seed)
    classifier = TabularClassifier(preprocessor, settings.hidden)
    return Run(settings, table, classifier, rows, fingerprint)


def start_finetuning(settings: Settings, saved: Saved | None = None) -> Run:
    """Load the model ``settings.base``, read data with its columns and classes, and freeze.

    Args:
        settings: what is asked for.
        saved: the checkpoint to resume, whose data and model must be the same.

    Raises:
        OSError, KeyError, ValueError: a model, data or settings that cannot be trained with.
    """
    classifier = TabularClassifier.load(settings.base or "")
    preprocessor, model = classifier.preprocessor, classifier.model
    if settings.data is None:
        table = builtin_table()
        if not {preprocessor.target, *preprocessor.columns} <= set(table.names):
            raise ValueError(
                "DATA.csv is missing: the built-in data, which are read without it, have other "
                "columns than this model"
            )
    else:
        table = preprocessor.read(settings.data, target=True)
    preprocessor.targets(table)
    preprocessor.transform(table)
    binary_classes(table, preprocessor.target)
    fingerprint = {**_fingerprint(table), "the model to start from": _digest(model)}
    _compare(fingerprint, saved)
    _check_epochs(settings, saved)
    if settings.freeze:
        model.freeze(*settings.freeze)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            f"--freeze {' '.join(settings.freeze)} leaves nothing to train, all of "
            f"{listed(name for name, _ in model.named_parameters())} is frozen: "
            "leave the last layer out"
        )
    settings = settings._replace(target=preprocessor.target, hidden=classifier.layers[1:-1])
    rows = _split(table, preprocessor.target, settings)
    manual_seed(settings.seed)
    return Run(settings, table, classifier, rows, fingerprint)


def read_checkpoint(out: str) -> tuple[Saved, Settings]:
    """Read the checkpoint that a run left in its folder, and the settings in it.

    That of a run that has not finished comes before that of one that has.

    Raises:
        ValueError: no run was there, or its checkpoint is damaged or of another version.
        OSError: it cannot be read.
    """
    path = os.path.join(out, UNFINISHED, CHECKPOINT)
    if not os.path.exists(path):
        path = os.path.join(out, CHECKPOINT)
    if not os.path.exists(path):
        raise ValueError(f"{path}: there is no such file, so there is no run to resume in {out}")
    try:
        saved = load_checkpoint(path)
    except ValueError as error:
        raise ValueError(f"{error}: train anew without --resume") from None
    if not isinstance(saved, dict) or "nnlite.run" not in saved:
        raise ValueError(f"{path} is no checkpoint of nnlite train or nnlite finetune")
    if (saved["nnlite.run"], saved["nnlite"]) != (FORMAT, __version__):
        raise ValueError(
            f"{path} was written by nnlite {saved['nnlite']}, this is {__version__}, which may "
            "compute differently: resume it with that version, or train anew without --resume"
        )
    settings = Settings(**saved["settings"])
    if settings.data is not None:
        settings = settings._replace(data=_from_here(settings.data))
    return saved, settings


def _from_here(path: str) -> str:
    """An absolute path as one would write it in this folder: relative if it lies in it."""
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here)


def resumed_settings(then: Settings, given: Mapping[str, Any]) -> Settings:
    """The settings to resume with: those of the run, and of those given the ones that may change.

    Args:
        then: the settings of the run to resume.
        given: those that the user has named.

    Raises:
        ValueError: some of ``given`` differ that must not.

    >>> resumed_settings(Settings(epochs=10), {"epochs": 20}).epochs
    20
    """
    before = then._asdict()
    differ = [name for name in given if given[name] != before[name] and name not in _MAY_CHANGE]
    if differ:
        options = [f"--{name.replace('_', '-')}" for name in differ]
        were = ", ".join(f"{o} {_shown(before[n])}" for o, n in zip(options, differ))
        are = ", ".join(f"{o} {_shown(given[n])}" for o, n in zip(options, differ))
        raise ValueError(
            f"--resume: the run had {were}, not {are}: leave that out to resume it, or leave "
            "--resume out to train anew"
        )
    return then._replace(**given)


def _read(settings: Settings) -> tuple[Table, str]:
    """The data to train on, and the name of the target column."""
    if settings.data is None:
        table = builtin_table()
        table.require(settings.drop)
        kept = {name: table[name] for name in table.names if name not in settings.drop}
        table = Table(kept, source=table.source)
    else:
        table = read_csv(settings.data, target=settings.target, drop=settings.drop)
    if settings.target is not None:
        return table, settings.target
    if not table.names:
        raise ValueError(f"{table.where()}: --drop leaves no column")
    target = table.names[-1]
    try:
        binary_classes(table, target, positive=settings.positive)
    except ValueError as error:
        binary = [name for name in table.names if len(set(table[name].tolist())) == 2]
        cure = f" (two values each: {listed(binary)})" if binary else ""
        raise ValueError(
            f"{error}. Without --target the last column is meant: name another one{cure}"
        ) from None
    return table, target


def _split(
    table: Table, target: str, settings: Settings
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows to learn from and those to hold out, both classes in the same shares."""
    generator = Generator().manual_seed(settings.seed)
    train, valid = table.split(settings.valid, target=target, generator=generator)
    left = set(table.texts(target)[train].tolist())
    if len(left) < 2:
        verb = "is" if len(valid) == 1 else "are"
        raise ValueError(
            f"{table.where(None, target)}: of the {len(table)} rows {len(valid)} {verb} held out "
            f"for validation, and all others are {show(left.pop())}: more rows of the other class "
            "are needed, or a smaller --valid"
        )
    return train, valid


def _fingerprint(table: Table) -> dict[str, str]:
    """A text for the number of rows, and one for each column that changes when a value does."""
    import hashlib

    prints = {"rows": str(len(table))}
    for name, values in table.columns.items():
        data = values.tobytes() if values.dtype.kind == "f" else repr(values.tolist()).encode()
        prints[f"column {show(name)}"] = hashlib.sha256(data).hexdigest()
    return prints


def _digest(model: nn.Module) -> str:
    import hashlib

    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.array.tobytes())
    return digest.hexdigest()


def _compare(now: Mapping[str, str], saved: Saved | None) -> None:
    """``ValueError`` unless the data are those that the run to resume began with."""
    if saved is None or saved["fingerprint"] == now:
        return
    then: Mapping[str, str] = saved["fingerprint"]
    changed = sorted(name for name in {**then, **now} if then.get(name) != now.get(name))
    if "rows" in changed:
        words = f"{then['rows']} rows then, {now['rows']} now"
    else:
        words = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" * (len(changed) > 3))
        words += " changed"
    raise ValueError(
        f"--resume: the data are not those of the run ({words}): "
        "resume it with the same data, or leave --resume out to train anew"
    )


def _check_epochs(settings: Settings, saved: Saved | None) -> None:
    """``ValueError`` if the run to resume has more epochs than it shall have."""
    done: int = 0 if saved is None else saved["trainer"]["epoch"]
    if settings.epochs < done:
        epochs = f"{done} epoch{'s' * (done != 1)}"
        raise ValueError(
            f"--resume --epochs {settings.epochs}: the run has {epochs} already: give a number "
            "above that to go on, or leave --resume out to train anew"
        )


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
