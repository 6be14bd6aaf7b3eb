"""The command ``nnlite``: train, fine-tune, predict, plot, explain and export, from CSV.

A file for each command reads its arguments, words the errors and prints; the work is done in
`nnlite.train`. What goes wrong because of the input (`output.blame_input`), the disk or the memory
ends with one line and status 2. Anything else is a fault of nnlite, and shows its traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from nnlite.cli import explain, export, finetune, plot, predict, train
from nnlite.cli.arguments import Parser, dedented
from nnlite.cli.output import (
    BAD_INPUT,
    INTERRUPTED,
    PIPE_CLOSED,
    InputError,
    fail,
    make_printable,
    say,
    text_of,
)
from nnlite.version import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (default: those of the process).

    Returns:
        The exit status: 0; 2 for bad input; 130 after Ctrl-C; 141 when nobody reads the output.

    >>> main(["--version"])
    nnlite ...
    0
    """
    make_printable()
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        print("nnlite: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED
    except MemoryError as error:
        return fail(f"out of memory: {error}" if str(error) else "out of memory")
    except InputError as error:
        return fail(str(error))
    except OSError as error:
        return fail(text_of(error))


def _run(arguments: list[str]) -> int:
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    try:
        options, rest = parser.parse_known_args(arguments)
    except SystemExit:  # after --help and --version
        say("")
        return 0
    # argparse sees DIR --option DATA.csv as DIR without DATA.csv, and a file too many.
    if len(rest) == 1 and not rest[0].startswith("-") and getattr(options, "data", "") is None:
        options.data = rest.pop()
    if rest:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="nnlite",
        description=dedented(
            """
            Train a small neural network on a CSV file and use it: which of two classes does a row
            belong to?
            """
        ),
        epilog=dedented(
            """
            first steps:
              nnlite train                            train on the built-in breast-cancer data
              nnlite train data.csv --target COLUMN   train on your own file
              nnlite predict runs/data new.csv        the classes of new rows
              nnlite train --help                     all about one command

            A CSV file has the names of its columns in the first line. Columns of numbers are
            standardised, columns of text become categories; a value may not be missing.
            """
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"nnlite {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (train, finetune, predict, plot, explain, export):
        command.add_to(commands)
    return parser
