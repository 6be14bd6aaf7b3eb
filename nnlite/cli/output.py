"""What is printed: messages of one line, and output that may be cut off."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

__all__ = [
    "BAD_INPUT",
    "INTERRUPTED",
    "PIPE_CLOSED",
    "InputError",
    "blame_input",
    "fail",
    "make_printable",
    "say",
    "text_of",
    "to_output",
    "warnings_in_one_line",
]


BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE

# Names of functions at the head of their messages, which say nothing to who calls the command.
_INTERNAL = re.compile(
    r"(?:^|(?<=: ))(?:read_csv|read_metadata|load|load_checkpoint|freeze|fit|plot|split|Table"
    r"|TabularClassifier(?:\.load)?|Preprocessor\.from_dict|History\.from_csv): "
)


class InputError(Exception):
    """Something that the user can mend; the text is the line to print."""


@contextmanager
def blame_input() -> Iterator[None]:
    """What fails in this block fails because of what it was given."""
    try:
        yield
    except (ValueError, KeyError, NotImplementedError) as error:
        raise InputError(text_of(error)) from error


def text_of(error: BaseException) -> str:
    """The message of an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif type(error) is KeyError and error.args:
        text = str(error.args[0])  # str(error) puts it in quotes
    else:
        text = str(error)
    return _INTERNAL.sub("", " ".join(text.split()))


def fail(message: str) -> int:
    """Print an error; returns the exit status."""
    print(f"nnlite: error: {message}", file=sys.stderr)
    return BAD_INPUT


def make_printable() -> None:
    """Print names from the data whatever the locale: to a file or a pipe exactly, in UTF-8."""
    with suppress(AttributeError, OSError, ValueError):
        stream: Any = sys.stdout
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def say(text: str) -> None:
    """Print to standard output, at once; where that is closed, to nobody."""
    if sys.stdout is None:
        return
    with to_output() as file:
        file.write(text)


@contextmanager
def to_output() -> Iterator[TextIO]:
    """Write to standard output, or fail now rather than at Python's exit."""
    if sys.stdout is None:
        raise InputError("standard output is closed")
    try:
        try:
            yield sys.stdout
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        raise
    except OSError as error:
        _drop_output()
        raise InputError(f"standard output: {error.strerror}") from error


def _drop_output() -> None:
    """Keep Python from trying again, at its exit, to write what could not be written."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print what is warned of as the other messages are, above the progress bar."""
    import warnings

    def show(message: Warning | str, *place: Any, **more: Any) -> None:
        text = " ".join(f"nnlite: warning: {message}".split())
        bars = sys.modules.get("tqdm")
        if bars is None:
            print(text, file=sys.stderr)
        else:
            bars.tqdm.write(text, file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
