"""``nnlite finetune``: train a trained network further, with parts of it frozen."""

from __future__ import annotations

import argparse
import os
from typing import Any

from nnlite.cli.arguments import add_command, given_of, path_name
from nnlite.cli.fitting import add_training, fit
from nnlite.cli.folders import check_finished, check_order
from nnlite.cli.output import InputError, blame_input

__all__ = ["add_to", "run"]


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from nnlite.train import launch
    from nnlite.train.run import Settings

    given = given_of(options, Settings._fields)
    folder = options.base if os.path.isdir(options.base) else os.path.dirname(options.base)
    check_order(options.base, options.data)
    check_finished(folder)
    out = options.out or _beside(folder)
    if os.path.realpath(out) == os.path.realpath(folder):
        raise InputError(
            f"--out {out} is the folder of the model to start from: choose another one, so that it "
            "stays"
        )
    for pattern in options.freeze or ():
        if pattern.lower().endswith(".csv") or os.path.isfile(pattern):
            raise InputError(
                f"--freeze {pattern} is a file: data come first, DIR DATA.csv --freeze PATTERN, "
                "and a pattern with * needs quotes"
            )
    saved = None
    settings = Settings(**given)
    with blame_input():
        if options.resume:
            saved, then = launch.read_checkpoint(out)
            if then.base is None:
                raise ValueError(f"--resume: the run in {out} is one of nnlite train")
            settings = launch.resumed_settings(then, given)
        run = launch.start_finetuning(settings, saved)
    return fit(run, out, saved, options)


def _beside(folder: str) -> str:
    """Where the fine-tuned model goes if nothing else is said: next to the one it starts from."""
    name = os.path.normpath(folder)
    if os.path.basename(name) in ("", os.curdir, os.pardir):
        name = os.path.abspath(name)
    return name + "_finetuned"


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "finetune",
        run,
        "train a trained network further, with parts of it frozen",
        """
        Start from the network in DIR and train it on other rows with the same columns and classes.

        What --freeze names keeps its weights, byte for byte. The layers with weights are called 0,
        2, 4 ... (those between are the ReLUs); a layer has a weight and a bias: 0.weight, 0.bias.
        The preprocessing stays that of DIR. It writes the same files as nnlite train.
        """,
        """
        examples:
          nnlite finetune runs/data new.csv --freeze 0 2        train the last layer alone
          nnlite finetune runs/data new.csv --freeze "0.*" --lr 0.001 --out runs/tuned
        """,
    )
    parser.add_argument(
        "base", type=path_name, metavar="DIR", help="the folder of a run of nnlite train"
    )
    parser.add_argument(
        "data",
        type=path_name,
        nargs="?",
        metavar="DATA.csv",
        help="the file to learn from; without it: the built-in breast-cancer data",
    )
    training = parser.add_argument_group("freezing and training")
    training.add_argument(
        "--freeze",
        nargs="+",
        action="extend",
        metavar="PATTERN",
        help="names of what stays as it is; * stands for any characters (default: all is trained)",
    )
    add_training(parser, training, "DIR_finetuned")
