"""``nnlite explain``: every equation of the backward pass of one row of the data."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nnlite.cli.arguments import add_command, path_name, whole
from nnlite.cli.folders import check_finished, check_order
from nnlite.cli.output import InputError, blame_input, say

if TYPE_CHECKING:
    from nnlite.explain import Explanation
    from nnlite.io.table import Table
    from nnlite.train.classifier import TabularClassifier

__all__ = ["add_to", "run"]

_ENDINGS = (".html", ".png", ".svg", ".md", ".dot", ".txt")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from nnlite.train.classifier import TabularClassifier

    out = options.out
    if out is not None and os.path.splitext(out)[1].lower() not in _ENDINGS:
        raise InputError(
            f"--out {out}: give it the ending .html for the page, .png or .svg for a picture, "
            ".md, .dot or .txt for text"
        )
    check_order(options.model, options.data)
    check_finished(options.model)
    with blame_input():
        classifier = TabularClassifier.load(options.model)
        data = options.data or _data_of_run(options.model)
        with suppress(OSError):
            if out and data and os.path.samefile(out, data):
                raise InputError(f"--out {out} is the file of the data: choose another name")
        table = _read_row(classifier, data, options.row)
        explanation = _explained(classifier, table, options.quiz)
    if out is not None:
        explanation.save(out)
        if not options.quiet:
            say(f"Wrote {out}\n")
    elif options.quiz:
        explanation.quiz(_ask, lambda line: say(f"{line}\n"))
    else:
        heading = "" if options.quiet else f"{_heading(classifier, table, options.row)}\n\n"
        say(f"{heading}{explanation}\n")
    return 0


def _data_of_run(model: str) -> str | None:
    """The file that the run in a folder has learnt from; None for the built-in data.

    Raises:
        InputError: it is no longer there.
    """
    from nnlite.train import launch

    folder = model if os.path.isdir(model) else os.path.dirname(model)
    try:
        data = launch.read_checkpoint(folder)[1].data
    except (OSError, ValueError):  # a model that came without the rest of its run
        return None
    if data is not None and not os.path.exists(data):
        raise InputError(
            f"{data}, from which the run in {folder} has learnt, is not there: name the data, "
            f"nnlite explain {model} DATA.csv"
        )
    return data


def _read_row(classifier: TabularClassifier, path: str | None, row: int) -> Table:
    """One row of the data, with its target."""
    from nnlite.io.table import builtin_table
    from nnlite.train.summary import count

    preprocessor = classifier.preprocessor
    table = builtin_table() if path is None else preprocessor.read(path, target=True)
    if path is None and not set(preprocessor.columns) <= set(table.names):
        raise ValueError(
            "DATA.csv is missing: nothing tells from which file this model has learnt, and the "
            "built-in data have other columns"
        )
    if row > len(table):
        raise ValueError(f"--row {row}: the data have {count(len(table), 'row')}")
    return table.take([row - 1])


def _heading(classifier: TabularClassifier, table: Table, row: int) -> str:
    """Which row it is, what the network says of it, and which column is which element of x."""
    from textwrap import fill

    from nnlite.train.classifier import probabilities

    preprocessor = classifier.preprocessor
    answer = int(preprocessor.targets(table)[0])
    chance = float(probabilities(classifier.logits(table))[0, 1])
    names = preprocessor.feature_names
    features = preprocessor.transform(table)[0].tolist()
    columns = ", ".join(f"{name} = {value:.6g}" for name, value in zip(names, features))
    lines = [
        f"Row {row} of {table.where()}: {preprocessor.target} is {classifier.classes[answer]}, so "
        f"y = {answer}; the network gives {classifier.classes[1]} the probability {chance:.6g}",
        f"x is the row as the network gets it, numbers standardised: {columns}",
    ]
    return "\n".join(fill(line, 100, subsequent_indent="  ") for line in lines)


def _explained(classifier: TabularClassifier, table: Table, quiz: bool) -> Explanation:
    """The backward pass of the loss that the network was trained with, on these rows."""
    from nnlite.explain import explain, recording
    from nnlite.nn import functional
    from nnlite.tensor import wrap

    features = wrap(classifier.preprocessor.transform(table))
    targets = wrap(classifier.preprocessor.targets(table)[:, None].astype("float32"))
    model = classifier.model.eval()
    with recording():
        logits = model(features)
        loss = functional.binary_cross_entropy_with_logits(logits, targets)
    explanation = explain(loss, model=model, names={"x": features, "y": targets}, quiz=quiz)
    for step in explanation.steps:
        step.place = None  # no line of the user's has called it
    return explanation


def _ask(prompt: str) -> str:
    """A line from standard input; the prompt goes to standard output."""
    say(prompt)
    line = sys.stdin.readline() if sys.stdin is not None else ""
    if not line:
        raise EOFError
    return line


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "explain",
        run,
        "show every equation of back-propagation for one row",
        """
        Show the backward pass of the loss for one row of DATA.csv, from the loss back to the
        weights: for each operation its equation, its derivative, and the same with the numbers of
        this row. Every line is checked against the engine and against a finite difference.
        DATA.csv needs the columns that the network learnt from and the target: the loss compares
        the network's output with it. Without DATA.csv it reads the data that the run learnt from.
        """,
        """
        examples:
          nnlite explain runs/data --row 5 --out page.html
          nnlite explain runs/data other.csv --row 5 | less
          nnlite explain runs/data --quiz
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
        help="the data (default: those that the run in DIR has learnt from)",
    )
    parser.add_argument(
        "--row",
        type=whole,
        default=1,
        metavar="N",
        help="which row, the first below the names is 1 (default: 1)",
    )
    parser.add_argument(
        "--out",
        type=path_name,
        metavar="FILE",
        help="the file to write: .html for a page to open in a browser, .png or .svg for a "
        "picture of the graph, .md, .dot or .txt (default: text on standard output)",
    )
    parser.add_argument(
        "--quiz",
        action="store_true",
        help="leave blanks in the equations and check what is filled in, on the page or here",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="print nothing but the explanation and errors"
    )
