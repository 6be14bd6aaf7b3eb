"""``nnlite predict``: predict the classes of the rows of a CSV file."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from nnlite.cli.arguments import add_command, path_name
from nnlite.cli.folders import check_finished, check_order
from nnlite.cli.output import InputError, blame_input, text_of, to_output

if TYPE_CHECKING:
    from nnlite.io.table import Table
    from nnlite.train.classifier import TabularClassifier

__all__ = ["add_to", "run"]


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from nnlite.train.classifier import TabularClassifier, probabilities
    from nnlite.train.summary import count

    with suppress(OSError):
        if options.out and options.data and os.path.samefile(options.out, options.data):
            raise InputError(f"--out {options.out} is the file of the data: choose another name")
    check_order(options.model, options.data)
    check_finished(options.model)
    with blame_input():
        classifier = TabularClassifier.load(options.model)
        table, note = _read_rows(classifier, options.data)
        logits = classifier.logits(table)
    if note is None:
        note = _scores(classifier, table, logits)
    chances = probabilities(logits)[:, 1]
    if options.out is None:
        with to_output() as file:
            _write_predictions(file, classifier, logits, chances)
    else:
        from nnlite.io.atomic import atomic_write

        with atomic_write(options.out, "w") as file:
            _write_predictions(file, classifier, logits, chances)
    if not options.quiet:
        print(f"nnlite: {count(len(table), 'row')} predicted{note}", file=sys.stderr)
    return 0


def _read_rows(classifier: TabularClassifier, path: str | None) -> tuple[Table, str | None]:
    """The rows to predict; and None if they have a target to compare with, else a note on it."""
    from nnlite.io.table import builtin_table

    preprocessor = classifier.preprocessor
    try:
        table = builtin_table() if path is None else preprocessor.read(path, target=True)
        preprocessor.targets(table)
        return table, None
    except KeyError:
        note = ""
    except ValueError as error:
        note = f"; not compared with the target: {text_of(error)}"
    if path is not None:
        return preprocessor.read(path), note
    if not set(preprocessor.columns) <= set(table.names):
        raise ValueError(
            "DATA.csv is missing: the built-in data, which are read without it, have other columns "
            "than this model"
        )
    return table, note


def _write_predictions(
    file: TextIO, classifier: TabularClassifier, logits: Any, chances: Any
) -> None:
    import csv

    names = [classifier.classes[logit > 0] for logit in logits.tolist()]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["prediction", f"probability_{classifier.classes[1]}"])
    writer.writerows((name, f"{p:.7g}") for name, p in zip(names, chances.tolist()))


def _scores(classifier: TabularClassifier, table: Table, logits: Any) -> str:
    """How good the predictions are, where the target is known."""
    from nnlite.train import metrics, summary

    chosen = metrics.resolve(["accuracy", "roc_auc", "f1", "log_loss"])
    targets = classifier.preprocessor.targets(table)
    scores = metrics.evaluate(chosen, logits, targets)
    missing = summary.one_class(classifier.classes, targets)
    target = classifier.preprocessor.target
    compared = f"; compared with the column {target!r}: {summary.figures(scores)}"
    return f"{compared} ({missing})" if missing else compared


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "predict",
        run,
        "predict the classes of the rows of a CSV file",
        """
        Write a CSV file with a line for each row of DATA.csv, in the same order: the predicted
        class, and the probability of class 1. DATA.csv needs the columns that the network learnt
        from, in any order; others do not matter. If it has the target column, it is not read for
        the predictions, but compared with them, and the scores go to standard error.
        """,
        """
        examples:
          nnlite predict runs/data new.csv --out predictions.csv
          nnlite predict runs/data new.csv | head
        """,
    )
    parser.add_argument(
        "model", type=path_name, metavar="DIR", help="the folder of a run, or a model.safetensors"
    )
    parser.add_argument(
        "data",
        type=path_name,
        nargs="?",
        metavar="DATA.csv",
        help="the rows to predict; without it: the built-in breast-cancer data",
    )
    parser.add_argument(
        "--out",
        type=path_name,
        metavar="FILE.csv",
        help="the file to write (default: standard output)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but the predictions")
