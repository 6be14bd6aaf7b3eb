"""``nnlite train``: train a network on a CSV file."""

from __future__ import annotations

import argparse
import os
from typing import Any

from nnlite.cli.arguments import add_command, given_of, path_name, widths
from nnlite.cli.fitting import add_training, fit
from nnlite.cli.folders import name_of
from nnlite.cli.output import blame_input

__all__ = ["add_to", "run"]


_WIDE = 1000  # from this width on a layer can be the cause when there is too little memory


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from nnlite.train import launch
    from nnlite.train.run import Settings

    given = given_of(options, Settings._fields)
    out = options.out or os.path.join("runs", name_of(options.data))
    saved = None
    settings = Settings(**given)
    with blame_input():
        if options.resume:
            saved, then = launch.read_checkpoint(out)
            if then.base is not None:
                raise ValueError(f"--resume: the run in {out} is one of nnlite finetune")
            settings = launch.resumed_settings(then, given)
        try:
            run = launch.start_training(settings, saved)
        except MemoryError as error:
            if max(settings.hidden) < _WIDE:
                raise
            hidden = ",".join(map(str, settings.hidden))
            raise ValueError(
                f"out of memory for a network with --hidden {hidden}: choose smaller numbers"
            ) from error
    return fit(run, out, saved, options)


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a network on a CSV file",
        """
        Train a network to tell the two classes of a target column apart by the other columns.

        A part of the rows is held out for validation. Training stops when the loss on them gets no
        better, and the weights of the best epoch are kept. Into the folder --out it writes, at the
        end (until then into --out/unfinished, and an earlier run in the folder stays as it is):
          loss.png           loss and metrics over the epochs
          history.csv        the same as numbers
          report.json        configuration, versions, seed, final metrics
          model.safetensors  network and preprocessing, all that predict needs
          checkpoint         all that --resume needs
        """,
        """
        examples:
          nnlite train
          nnlite train data.csv --target outcome --drop id
          nnlite train data.csv --target outcome --hidden 128,64 --lr 0.003 --out runs/wider
          nnlite train --resume --out runs/wider     go on after Ctrl-C or a crash
        """,
    )
    parser.add_argument(
        "data",
        type=path_name,
        nargs="?",
        metavar="DATA.csv",
        help="the file to learn from; without it: the built-in Wisconsin breast-cancer data",
    )
    columns = parser.add_argument_group("columns")
    columns.add_argument(
        "--target",
        metavar="COL",
        help="the column to predict; it has exactly two different values (default: the last one)",
    )
    columns.add_argument(
        "--positive",
        metavar="VALUE",
        help="the value of the target that is class 1, the one whose probability is predicted "
        "(default: the greater number, or the text that comes last in the alphabet)",
    )
    columns.add_argument(
        "--drop",
        action="append",
        metavar="COL",
        help="a column to leave out, such as a row number or a name; may be given several times",
    )
    training = parser.add_argument_group("network and training")
    training.add_argument(
        "--hidden",
        type=widths,
        metavar="N,N",
        help="width of each hidden layer (default: 64,32)",
    )
    add_training(parser, training, "runs/NAME, after DATA.csv")
