"""The folders of runs, on the command line."""

from __future__ import annotations

import os

from nnlite.cli.output import InputError, blame_input

__all__ = ["BUILT_IN", "check_finished", "check_order", "name_of"]


BUILT_IN = "wisconsin"  # the name of a run on the built-in data


def check_order(model: str, data: str | None) -> None:
    """Refuse DATA.csv DIR."""
    if data is not None and os.path.isdir(data) and not os.path.isdir(model):
        raise InputError(f"{data} is a folder: DIR comes first, then DATA.csv: {data} {model}")


def check_finished(folder: str) -> None:
    """Refuse a folder in which a run has begun and none has finished."""
    from nnlite.train.classifier import FILE_NAME

    if os.path.exists(os.path.join(folder, FILE_NAME)) or not os.path.isdir(folder):
        return
    from nnlite.train import launch, summary
    from nnlite.train.run import CHECKPOINT, UNFINISHED

    if not os.path.exists(os.path.join(folder, UNFINISHED, CHECKPOINT)):
        return
    with blame_input():
        _, settings = launch.read_checkpoint(folder)
    raise InputError(
        f"{folder}: there is no {FILE_NAME} in it, since the training there has not finished: go "
        f"on with it first: {summary.resuming(settings, folder)}"
    )


def name_of(data: str | None) -> str:
    """What the run on a file is called: the file's name without its ending."""
    return BUILT_IN if data is None else os.path.splitext(os.path.basename(data))[0] or "run"
