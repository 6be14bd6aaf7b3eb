"""What ``nnlite train`` and ``nnlite finetune`` have in common."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nnlite.cli.arguments import (
    below_one,
    fraction,
    not_negative,
    path_name,
    positive,
    whole,
    whole_or_zero,
)
from nnlite.cli.output import INTERRUPTED, InputError, say, text_of, warnings_in_one_line

if TYPE_CHECKING:
    from nnlite.train.run import Run

__all__ = ["add_training", "fit"]


def fit(run: Run, out: str, saved: Any, options: argparse.Namespace) -> int:
    """Train, write the files, and print what came of it."""
    from nnlite.train import summary
    from nnlite.train.callbacks import CallbackError
    from nnlite.train.run import CHECKPOINT, UNFINISHED, discard
    from nnlite.train.trainer import NonFiniteLossError

    made = [os.path.join(out, UNFINISHED), *_make_folders(out)]
    try:
        if not options.quiet:
            say(summary.opening(run) + "\n")
            for line in summary.warnings(run):
                print(f"nnlite: warning: {line}", file=sys.stderr)
        with warnings_in_one_line():
            run.fit(out, resume=saved, progress=False if options.quiet else None)
        if run.history:
            run.finish(out)
    except KeyboardInterrupt:
        if not os.path.exists(os.path.join(out, UNFINISHED, CHECKPOINT)) or not run.history:
            raise
        print(summary.cut_off(run, out), file=sys.stderr)
        return INTERRUPTED
    except NonFiniteLossError as error:
        if run.history:  # else what is there is of an earlier run
            discard(out)  # --resume would diverge again
        what = text_of(error).split(". ")[0].removeprefix("fit: ")
        raise InputError(
            f"the training diverged, {what}: choose a smaller --lr (it is {run.settings.lr:g})"
        ) from error
    except CallbackError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    finally:
        for folder in made:
            with suppress(OSError):  # it stays unless it is empty
                os.rmdir(folder)
    if run.ended == "interrupted":
        print(summary.interrupted(run, out), file=sys.stderr)
        return INTERRUPTED
    if not options.quiet:
        say(summary.closing(run, out) + "\n")
    return 0


def _make_folders(path: str) -> list[str]:
    """Make a folder and those above it; returns those that were not there, innermost first."""
    made = []
    above = os.path.abspath(path)
    while not os.path.exists(above) and above != os.path.dirname(above):
        made.append(above)
        above = os.path.dirname(above)
    if os.path.exists(above) and not os.path.isdir(above):
        raise InputError(f"--out {path}: {above} is a file, not a folder: choose another name")
    os.makedirs(path, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"--out {path}: the folder may not be written to: choose another one")
    return made


def add_training(parser: argparse.ArgumentParser, training: Any, out: str) -> None:
    """Add what train and finetune have in common."""
    number = training.add_argument
    number("--epochs", type=whole, metavar="N", help="most passes over the data (default: 100)")
    number("--batch-size", type=whole, metavar="N", help="rows in each step (default: 32)")
    number("--lr", type=positive, metavar="X", help="learning rate of SGD (default: 0.01)")
    number("--momentum", type=below_one, metavar="X", help="momentum of SGD (default: 0.9)")
    number(
        "--weight-decay",
        type=not_negative,
        metavar="X",
        help="how strongly weights are drawn towards 0 (default: 0.0001)",
    )
    number(
        "--patience",
        type=whole_or_zero,
        metavar="N",
        help="stop after so many epochs without a better validation loss; 0: never (default: 20)",
    )
    number(
        "--valid",
        type=fraction,
        metavar="X",
        help="share of the rows held out for validation (default: 0.2)",
    )
    number("--seed", type=whole_or_zero, metavar="N", help="of all that is random (default: 0)")
    files = parser.add_argument_group("files and output")
    files.add_argument(
        "--out", type=path_name, metavar="DIR", help=f"the folder to write to (default: {out})"
    )
    files.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, to the same bytes as if it had never been stopped; data "
        "and settings are those of that run, and --epochs may be raised",
    )
    files.add_argument("--quiet", action="store_true", help="print errors only")
