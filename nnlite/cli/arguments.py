"""The arguments of the commands: their types, and a parser that says what is wrong in one line."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from nnlite.cli.output import InputError, say

__all__ = [
    "Parser",
    "add_command",
    "below_one",
    "dedented",
    "fraction",
    "given_of",
    "not_negative",
    "path_name",
    "positive",
    "whole",
    "whole_or_zero",
    "widths",
]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and does not swallow errors of the output."""

    def error(self, message: str) -> NoReturn:
        if self.prog.endswith("finetune") and "required: DIR" in message:
            message += ": data come first, DIR DATA.csv --freeze PATTERN"
        raise InputError(f"{message} (see {self.prog} --help)")

    def print_help(self, file: Any = None) -> None:
        if file is None:
            say(self.format_help())
        else:
            file.write(self.format_help())


def add_command(
    commands: Any,
    name: str,
    function: Callable[[argparse.Namespace], int],
    title: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: the subparsers of the parser of ``nnlite``.
        name: of the command.
        function: what runs it; gets the options, gives the exit status.
        title, description, examples: for ``--help``.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=title,
        description=dedented(description),
        epilog=dedented(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


def dedented(indented: str) -> str:
    """A text without the indentation that it has in the code."""
    return textwrap.dedent(indented).strip()


def given_of(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """The options of these names that were given on the command line."""
    values = {name: getattr(options, name, None) for name in names}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def whole(text: str) -> int:
    """A whole number from 1 on."""
    return _whole_from(1, text)


def whole_or_zero(text: str) -> int:
    """A whole number from 0 on."""
    return _whole_from(0, text)


def _whole_from(least: int, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= least:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")


def positive(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda value: value > 0, "above 0")


def not_negative(text: str) -> float:
    """A number from 0 on."""
    return _number(text, lambda value: value >= 0, "from 0 on")


def below_one(text: str) -> float:
    """A number from 0 to below 1."""
    return _number(text, lambda value: 0 <= value < 1, "from 0 to below 1")


def fraction(text: str) -> float:
    """A number between 0 and 1."""
    return _number(text, lambda value: 0 < value < 1, "between 0 and 1, such as 0.2")


def _number(text: str, fits: Callable[[float], bool], what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and fits(value):
        return value
    finite = "finite " if math.isinf(value) else ""
    raise argparse.ArgumentTypeError(f"{text!r} is no {finite}number {what}")


def widths(text: str) -> tuple[int, ...]:
    """Widths of layers with commas between them."""
    try:
        return tuple(whole(width.strip()) for width in text.split(","))
    except argparse.ArgumentTypeError:
        message = f"{text!r}: give whole numbers from 1 on with commas between, such as 64,32"
        raise argparse.ArgumentTypeError(message) from None


def path_name(text: str) -> str:
    """A name of a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text
