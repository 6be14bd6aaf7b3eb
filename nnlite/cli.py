"""The command ``nnlite``: train, fine-tune, predict and plot, from CSV files.

This file reads the arguments, words the errors and prints; the work is done in `nnlite.train`.
What goes wrong because of the input (`_blame_input`), the disk or the memory ends with one line and
status 2. Anything else is a fault of nnlite, and shows its traceback.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from nnlite.version import __version__

if TYPE_CHECKING:
    from nnlite.io.table import Table
    from nnlite.train.classifier import TabularClassifier
    from nnlite.train.history import History
    from nnlite.train.run import Run

__all__ = ["main"]

BAD_INPUT = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count
PIPE_CLOSED = 141  # 128 + SIGPIPE

# Names of functions at the head of their messages, which say nothing to who calls the command.
_INTERNAL = re.compile(
    r"(?:^|(?<=: ))(?:read_csv|read_metadata|load|load_checkpoint|freeze|fit|plot|split|Table"
    r"|TabularClassifier(?:\.load)?|Preprocessor\.from_dict|History\.from_csv): "
)

_WIDE = 1000  # from this width on a layer can be the cause when there is too little memory

BUILT_IN = "wisconsin"  # the name of a run on the built-in data


class InputError(Exception):
    """Something that the user can mend; the text is the line to print."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (default: those of the process).

    Returns:
        The exit status: 0; 2 for bad input; 130 after Ctrl-C; 141 when nobody reads the output.

    >>> main(["--version"])
    nnlite ...
    0
    """
    _make_printable()
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        print("nnlite: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return PIPE_CLOSED
    except MemoryError as error:
        return _fail(f"out of memory: {error}" if str(error) else "out of memory")
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_text_of(error))


def _run(arguments: list[str]) -> int:
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return BAD_INPUT
    try:
        options, rest = parser.parse_known_args(arguments)
    except SystemExit:  # after --help and --version
        _say("")
        return 0
    # argparse sees DIR --option DATA.csv as DIR without DATA.csv, and a file too many.
    if len(rest) == 1 and not rest[0].startswith("-") and getattr(options, "data", "") is None:
        options.data = rest.pop()
    if rest:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


# ---- the commands --------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    from nnlite.train import launch
    from nnlite.train.run import Settings

    given = _given(options, Settings._fields)
    out = options.out or os.path.join("runs", _name_of(options.data))
    saved = None
    settings = Settings(**given)
    with _blame_input():
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
    return _fit(run, out, saved, options)


def _finetune(options: argparse.Namespace) -> int:
    from nnlite.train import launch
    from nnlite.train.run import Settings

    given = _given(options, Settings._fields)
    folder = options.base if os.path.isdir(options.base) else os.path.dirname(options.base)
    _check_order(options.base, options.data)
    _check_finished(folder)
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
    with _blame_input():
        if options.resume:
            saved, then = launch.read_checkpoint(out)
            if then.base is None:
                raise ValueError(f"--resume: the run in {out} is one of nnlite train")
            settings = launch.resumed_settings(then, given)
        run = launch.start_finetuning(settings, saved)
    return _fit(run, out, saved, options)


def _fit(run: Run, out: str, saved: Any, options: argparse.Namespace) -> int:
    """Train, write the files, and print what came of it."""
    from nnlite.train import summary
    from nnlite.train.callbacks import CallbackError
    from nnlite.train.run import CHECKPOINT, UNFINISHED, discard
    from nnlite.train.trainer import NonFiniteLossError

    made = [os.path.join(out, UNFINISHED), *_make_folders(out)]
    try:
        if not options.quiet:
            _say(summary.opening(run) + "\n")
            for line in summary.warnings(run):
                print(f"nnlite: warning: {line}", file=sys.stderr)
        with _warnings_in_one_line():
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
        what = _text_of(error).split(". ")[0].removeprefix("fit: ")
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
        _say(summary.closing(run, out) + "\n")
    return 0


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Print what is warned of as the other messages are."""
    import warnings

    def show(message: Any, *place: Any) -> None:
        print(f"nnlite: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = show
        yield


def _beside(folder: str) -> str:
    """Where the fine-tuned model goes if nothing else is said: next to the one it starts from."""
    name = os.path.normpath(folder)
    if os.path.basename(name) in ("", os.curdir, os.pardir):
        name = os.path.abspath(name)
    return name + "_finetuned"


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


def _name_of(data: str | None) -> str:
    """What the run on a file is called: the file's name without its ending."""
    return BUILT_IN if data is None else os.path.splitext(os.path.basename(data))[0] or "run"


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """The options of these names that were given on the command line."""
    values = {name: getattr(options, name, None) for name in names}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None
    }


def _predict(options: argparse.Namespace) -> int:
    from nnlite.train.classifier import TabularClassifier, probabilities
    from nnlite.train.summary import count

    with suppress(OSError):
        if options.out and options.data and os.path.samefile(options.out, options.data):
            raise InputError(f"--out {options.out} is the file of the data: choose another name")
    _check_order(options.model, options.data)
    _check_finished(options.model)
    with _blame_input():
        classifier = TabularClassifier.load(options.model)
        table, note = _read_rows(classifier, options.data)
        logits = classifier.logits(table)
    if note is None:
        note = _scores(classifier, table, logits)
    chances = probabilities(logits)[:, 1]
    if options.out is None:
        with _to_output() as file:
            _write_predictions(file, classifier, logits, chances)
    else:
        from nnlite.io.atomic import atomic_write

        with atomic_write(options.out, "w") as file:
            _write_predictions(file, classifier, logits, chances)
    if not options.quiet:
        print(f"nnlite: {count(len(table), 'row')} predicted{note}", file=sys.stderr)
    return 0


def _check_order(model: str, data: str | None) -> None:
    """Refuse DATA.csv DIR."""
    if data is not None and os.path.isdir(data) and not os.path.isdir(model):
        raise InputError(f"{data} is a folder: DIR comes first, then DATA.csv: {data} {model}")


def _check_finished(folder: str) -> None:
    """Refuse a folder in which a run has begun and none has finished."""
    from nnlite.train.classifier import FILE_NAME

    if os.path.exists(os.path.join(folder, FILE_NAME)) or not os.path.isdir(folder):
        return
    from nnlite.train import launch, summary
    from nnlite.train.run import CHECKPOINT, UNFINISHED

    if not os.path.exists(os.path.join(folder, UNFINISHED, CHECKPOINT)):
        return
    with _blame_input():
        _, settings = launch.read_checkpoint(folder)
    raise InputError(
        f"{folder}: there is no {FILE_NAME} in it, since the training there has not finished: go "
        f"on with it first: {summary.resuming(settings, folder)}"
    )


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
        note = f"; not compared with the target: {_text_of(error)}"
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


def _plot(options: argparse.Namespace) -> int:
    from nnlite.train.history import History
    from nnlite.train.plot import plot_history
    from nnlite.train.run import HISTORY, PLOT, UNFINISHED

    histories: dict[str, History] = {}
    with _blame_input():
        for folder in options.runs:
            path = os.path.join(folder, HISTORY)
            begun = os.path.join(folder, UNFINISHED)
            if not os.path.exists(path) and os.path.exists(os.path.join(begun, HISTORY)):
                folder, path = begun, os.path.join(begun, HISTORY)
            if not os.path.isdir(folder):
                raise ValueError(f"{folder}: there is no such folder")
            if not os.path.exists(path):
                raise ValueError(f"{folder}: there is no {HISTORY} in it: name the folder of a run")
            histories[folder] = History.from_csv(path)
        out = options.out
        if out is None:
            out = os.path.join(*histories, PLOT) if len(histories) == 1 else "comparison.png"
        title = f"{len(histories)} runs compared" if len(histories) > 1 else None
        plot_history(histories, out, title=title)
    if not options.quiet:
        _say(f"Wrote {out}\n")
    return 0


# ---- errors and output ---------------------------------------------------------------------------


@contextmanager
def _blame_input() -> Iterator[None]:
    """What fails in this block fails because of what it was given."""
    try:
        yield
    except (ValueError, KeyError, NotImplementedError) as error:
        raise InputError(_text_of(error)) from error


def _text_of(error: BaseException) -> str:
    """The message of an error, on one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif type(error) is KeyError and error.args:
        text = str(error.args[0])  # str(error) puts it in quotes
    else:
        text = str(error)
    return _INTERNAL.sub("", " ".join(text.split()))


def _fail(message: str) -> int:
    print(f"nnlite: error: {message}", file=sys.stderr)
    return BAD_INPUT


def _make_printable() -> None:
    """Print names from the data whatever the locale: to a file or a pipe exactly, in UTF-8."""
    with suppress(AttributeError, OSError, ValueError):
        stream: Any = sys.stdout
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _say(text: str) -> None:
    """Print to standard output, at once; where that is closed, to nobody."""
    if sys.stdout is None:
        return
    with _to_output() as file:
        file.write(text)


@contextmanager
def _to_output() -> Iterator[TextIO]:
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


# ---- the arguments -------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and does not swallow errors of the output."""

    def error(self, message: str) -> NoReturn:
        if self.prog.endswith("finetune") and "required: DIR" in message:
            message += ": data come first, DIR DATA.csv --freeze PATTERN"
        raise InputError(f"{message} (see {self.prog} --help)")

    def print_help(self, file: Any = None) -> None:
        if file is None:
            _say(self.format_help())
        else:
            file.write(self.format_help())


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="nnlite",
        description=_text(
            """
            Train a small neural network on a CSV file and use it: which of two classes does a row
            belong to?
            """
        ),
        epilog=_text(
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
    _add_train(commands)
    _add_finetune(commands)
    _add_predict(commands)
    _add_plot(commands)
    return parser


def _add_train(commands: Any) -> None:
    parser = _add(
        commands,
        "train",
        _train,
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
        type=_path,
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
        type=_widths,
        metavar="N,N",
        help="width of each hidden layer (default: 64,32)",
    )
    _add_training(parser, training, "runs/NAME, after DATA.csv")


def _add_finetune(commands: Any) -> None:
    parser = _add(
        commands,
        "finetune",
        _finetune,
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
        "base", type=_path, metavar="DIR", help="the folder of a run of nnlite train"
    )
    parser.add_argument(
        "data",
        type=_path,
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
    _add_training(parser, training, "DIR_finetuned")


def _add_training(parser: argparse.ArgumentParser, training: Any, out: str) -> None:
    """Add what train and finetune have in common."""
    number = training.add_argument
    number("--epochs", type=_whole, metavar="N", help="most passes over the data (default: 100)")
    number("--batch-size", type=_whole, metavar="N", help="rows in each step (default: 32)")
    number("--lr", type=_positive, metavar="X", help="learning rate of SGD (default: 0.01)")
    number("--momentum", type=_below_one, metavar="X", help="momentum of SGD (default: 0.9)")
    number(
        "--weight-decay",
        type=_not_negative,
        metavar="X",
        help="how strongly weights are drawn towards 0 (default: 0.0001)",
    )
    number(
        "--patience",
        type=_whole_or_zero,
        metavar="N",
        help="stop after so many epochs without a better validation loss; 0: never (default: 20)",
    )
    number(
        "--valid",
        type=_fraction,
        metavar="X",
        help="share of the rows held out for validation (default: 0.2)",
    )
    number("--seed", type=_whole_or_zero, metavar="N", help="of all that is random (default: 0)")
    files = parser.add_argument_group("files and output")
    files.add_argument(
        "--out", type=_path, metavar="DIR", help=f"the folder to write to (default: {out})"
    )
    files.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out, to the same bytes as if it had never been stopped; data "
        "and settings are those of that run, and --epochs may be raised",
    )
    files.add_argument("--quiet", action="store_true", help="print errors only")


def _add_predict(commands: Any) -> None:
    parser = _add(
        commands,
        "predict",
        _predict,
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
        "model", type=_path, metavar="DIR", help="the folder of a run, or a model.safetensors"
    )
    parser.add_argument(
        "data",
        type=_path,
        nargs="?",
        metavar="DATA.csv",
        help="the rows to predict; without it: the built-in breast-cancer data",
    )
    parser.add_argument(
        "--out", type=_path, metavar="FILE.csv", help="the file to write (default: standard output)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but the predictions")


def _add_plot(commands: Any) -> None:
    parser = _add(
        commands,
        "plot",
        _plot,
        "draw the loss curves of one run, or of several to compare",
        """
        Draw loss and metrics over the epochs, from the history.csv of each run. This works while
        a run is still going on; where an earlier one is in DIR, name DIR/unfinished.
        """,
        """
        examples:
          nnlite plot runs/data
          nnlite plot runs/data runs/wider --out comparison.svg
        """,
    )
    parser.add_argument("runs", type=_path, nargs="+", metavar="DIR", help="the folder of a run")
    parser.add_argument(
        "--out",
        type=_path,
        metavar="FILE",
        help="the file to write, .png or .svg (default: DIR/loss.png, of several runs "
        "comparison.png)",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def _add(
    commands: Any,
    name: str,
    function: Callable[[argparse.Namespace], int],
    title: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=title,
        description=_text(description),
        epilog=_text(examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


def _text(indented: str) -> str:
    return textwrap.dedent(indented).strip()


def _whole(text: str) -> int:
    """A whole number from 1 on."""
    return _whole_from(1, text)


def _whole_or_zero(text: str) -> int:
    """A whole number from 0 on."""
    return _whole_from(0, text)


def _whole_from(least: int, text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) >= least:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")


def _positive(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda value: value > 0, "above 0")


def _not_negative(text: str) -> float:
    """A number from 0 on."""
    return _number(text, lambda value: value >= 0, "from 0 on")


def _below_one(text: str) -> float:
    """A number from 0 to below 1."""
    return _number(text, lambda value: 0 <= value < 1, "from 0 to below 1")


def _fraction(text: str) -> float:
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


def _widths(text: str) -> tuple[int, ...]:
    """Widths of layers with commas between them."""
    try:
        return tuple(_whole(width.strip()) for width in text.split(","))
    except argparse.ArgumentTypeError:
        message = f"{text!r}: give whole numbers from 1 on with commas between, such as 64,32"
        raise argparse.ArgumentTypeError(message) from None


def _path(text: str) -> str:
    """A name of a file or folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text
