"""``nnlite export``: write a trained model as a file for other programs."""

from __future__ import annotations

import argparse
import os
from typing import Any

from nnlite.cli.arguments import add_command, path_name
from nnlite.cli.folders import check_finished
from nnlite.cli.output import InputError, blame_input, say

__all__ = ["add_to", "run"]


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    if options.numpy is None and options.onnx is None:
        options.parser.error("say what to write: --numpy MODEL.py, --onnx MODEL.onnx, or both")
    _check_ending("--numpy", options.numpy, ".py")
    _check_ending("--onnx", options.onnx, ".onnx")
    check_finished(options.model)
    from nnlite.export.tabular import classifier_to_numpy, classifier_to_onnx
    from nnlite.train.classifier import TabularClassifier

    with blame_input():
        classifier = TabularClassifier.load(options.model)
        if options.numpy is not None:
            classifier_to_numpy(classifier, options.numpy)
        if options.onnx is not None:
            try:
                classifier_to_onnx(classifier, options.onnx)
            except ImportError as error:
                raise InputError(str(error).removeprefix("to_onnx: ")) from error
    if not options.quiet:
        if options.numpy is not None:
            say(f"Wrote {options.numpy}; to predict: python {options.numpy} DATA.csv\n")
        if options.onnx is not None:
            say(f"Wrote {options.onnx}\n")
    return 0


def _check_ending(option: str, path: str | None, ending: str) -> None:
    if path is not None and os.path.splitext(path)[1].lower() != ending:
        raise InputError(f"{option} {path}: the name must end in {ending}")


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "export",
        run,
        "write a trained model as a file for other programs",
        """
        Write the network and its preprocessing as one Python file that needs NumPy alone and no
        nnlite, which predicts from CSV files and tests itself, or the network as an ONNX file
        (the preprocessing is then in its metadata).
        """,
        """
        examples:
          nnlite export runs/data --numpy model.py
          python model.py new.csv
          python model.py --self-test
          nnlite export runs/data --onnx model.onnx
        """,
    )
    parser.add_argument(
        "model", type=path_name, metavar="DIR", help="the folder of a run, or a model.safetensors"
    )
    parser.add_argument(
        "--numpy", type=path_name, metavar="MODEL.py", help="the Python file to write"
    )
    parser.add_argument(
        "--onnx",
        type=path_name,
        metavar="MODEL.onnx",
        help="the ONNX file to write (needs the extra onnx)",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
