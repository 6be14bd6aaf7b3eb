"""What the command line says about a run: at its start, at its end, and when it was interrupted.

ASCII, so that every console and every log file shows it; names from the data stay as they are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nnlite.io.features import Category
from nnlite.io.messages import drop_option, show
from nnlite.io.table import held_out

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nnlite.train.run import Run, Settings

__all__ = [
    "closing",
    "command",
    "count",
    "cut_off",
    "figures",
    "interrupted",
    "one_class",
    "opening",
    "resuming",
    "warnings",
]

_MANY = 20  # categories in a column
_FEW = 30  # held-out rows

_TITLES = {"accuracy": "accuracy", "roc_auc": "ROC AUC", "f1": "F1", "loss": "loss"}
_ALIASES = {"log_loss": "loss"}
_FILES = {
    "loss.png": "loss and metrics over the epochs, to look at",
    "history.csv": "the same as numbers",
    "report.json": "configuration, versions, seed, final metrics",
    "model.safetensors": "network and preprocessing, all that predict needs",
    "checkpoint": "all that --resume needs",
}


def opening(run: Run) -> str:
    """The data, the network and what is frozen, in a line each."""
    preprocessor = run.classifier.preprocessor
    features = count(len(preprocessor.feature_names), "feature")
    classes = " or ".join(map(show, run.classifier.classes))
    lines = [
        f"Data     {run.table.where()}: {count(len(run.train.y), 'row')} to learn from, "
        f"{len(run.valid.y):,} held out for validation",
        f"Target   {show(preprocessor.target)}: {classes} (class 1), predicted from {features}",
        f"Network  {'-'.join(map(str, run.classifier.layers))}, ReLU between the layers, "
        f"{count(_weights(run), 'weight')}",
    ]
    if run.settings.base is not None:
        held = ", ".join(run.frozen) or "nothing, all weights train"
        lines.append(f"Frozen   {held}")
    return "\n".join(lines)


def warnings(run: Run) -> list[str]:
    """What is odd about the data although they can be learnt from, in a line each."""
    lines = []
    if run.settings.base is None:
        lines = [
            f"column {show(feature.name)} is text with {len(feature.categories)} different "
            "values, of which each is a category (dates and 57%, too): "
            f"{drop_option(feature.name)} leaves it out"
            for feature in run.classifier.preprocessor.features
            if isinstance(feature, Category) and _is_odd(feature.categories)
        ]
    rows = len(run.table)
    asked = held_out(run.settings.valid, rows)
    if len(run.valid.y) < asked:
        lines.append(
            f"{len(run.valid.y):,} of {count(rows, 'row')} are held out, not {asked:,}: the others "
            "have a text that no other row has"
        )
    return lines


def _is_odd(categories: Sequence[str]) -> bool:
    """Whether there are many categories, or more than two that begin like numbers."""
    if len(categories) > _MANY:
        return True
    return len(categories) > 2 and all(text.lstrip("+-$€£")[:1].isdigit() for text in categories)


def closing(run: Run, out: str) -> str:
    """How training ended, the figures, the files, and the commands to go on with."""
    return "\n".join(
        [
            "",
            _ending(run),
            "",
            *_table(run),
            "",
            *_frozen(run),
            *([f"The run that was in {out} is replaced.", ""] if run.replaced else []),
            f"In {out}:",
            *(f"  {name:<19}{what}" for name, what in _FILES.items()),
            "",
            "What to do next:",
            *(f"  {line}" for line in _next(run, out)),
        ]
    )


def interrupted(run: Run, out: str) -> str:
    """One line after Ctrl-C: what was kept, and how to go on."""
    if not run.history:
        return "nnlite: interrupted before the first epoch was finished: nothing was written"
    kept = f"kept in {run.folder}"
    if run.folder != out:
        kept += f" (the earlier run in {out} is as it was)"
    return (
        f"nnlite: interrupted after epoch {run.trainer.epoch} of {run.settings.epochs}, which is "
        f"{kept}; go on with: {resuming(run.settings, out)}"
    )


def cut_off(run: Run, out: str) -> str:
    """One line after a second Ctrl-C, when only the checkpoint was kept."""
    from nnlite.train.run import UNFINISHED

    folder = os.path.join(out, UNFINISHED)
    return f"nnlite: interrupted; {folder} is kept; go on with: {resuming(run.settings, out)}"


def resuming(settings: Settings, out: str) -> str:
    """The command that goes on with a run in the folder ``out``."""
    parts = ["train"] if settings.base is None else ["finetune", settings.base]
    return command(*parts, "--resume", "--out", out)


def figures(values: Mapping[str, float]) -> str:
    """Metrics in a line of text.

    >>> figures({"accuracy": 0.98245614, "roc_auc": 0.5})
    'accuracy 0.9825, ROC AUC 0.5000'
    """
    return ", ".join(
        f"{_TITLES[_ALIASES.get(name, name)]} {_figure(value)}" for name, value in values.items()
    )


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def command(*arguments: str) -> str:
    """A command to copy: ``nnlite`` as it was called, and the arguments, quoted for the shell."""
    words = [*_program(), *arguments]
    if os.name == "nt":
        import subprocess

        return subprocess.list2cmdline(words)
    import shlex

    return shlex.join(words)


def _program() -> list[str]:
    """How this program was started: by its name, by its path, or as a module."""
    import shutil

    path = sys.argv[0]
    module = path.replace(os.sep, "/").endswith("nnlite/__main__.py")
    if module:
        path = sys.executable
    name = os.path.basename(path)
    found = shutil.which(name)
    if found and os.path.abspath(found) == os.path.abspath(path):
        path = name
    if module:
        return [path, "-m", "nnlite"]
    stem, ending = os.path.splitext(name)
    if stem.lower() != "nnlite" or ending.lower() not in ("", ".exe"):
        return ["nnlite"]  # called by another program
    return [path]


def _weights(run: Run) -> int:
    return sum(p.numel() for p in run.classifier.model.parameters())


def _ending(run: Run) -> str:
    epochs = run.trainer.epoch
    kept = f"The weights of epoch {run.best_epoch} are kept, the best on the held-out rows."
    if run.ended == "early":
        waited = count(epochs - run.best_epoch, "epoch")
        return f"Stopped after epoch {epochs}: no better validation loss for {waited}.\n{kept}"
    return f"Trained for {count(epochs, 'epoch')}.\n{kept}"


def _table(run: Run) -> list[str]:
    """The figures on the held-out rows, those before fine-tuning beside them."""
    common, accuracy = run.baseline
    notes = {
        "accuracy": f"always guessing {show(common)} would give {accuracy:.4f}",
        "roc_auc": "0.5 is guessing, 1 is perfect",
        "f1": f"of {show(run.classifier.classes[1])}",
        "loss": "binary cross-entropy",
    }
    heading = f"On the {count(len(run.valid.y), 'held-out row')}"
    lines = [heading + (": before and after" if run.before else ":")]
    for name, title in _TITLES.items():
        before = f"{_figure(run.before[name]):<9}" if run.before else ""
        lines.append(f"  {title:<10}{before}{_figure(run.result[name]):<9}({notes[name]})")
    return lines + _cautions(run)


def _cautions(run: Run) -> list[str]:
    """Why figures are missing, or are not to be trusted."""
    rows = len(run.valid.y)
    lines = []
    missing = one_class(run.classifier.classes, run.valid.y.array)
    if missing:
        lines.append(f"  {missing}; a larger --valid or another --seed may hold out both classes.")
    if rows < _FEW:
        lines.append(f"  These figures are rough: one row counts {1 / rows:.2g} of the accuracy.")
    return lines


def one_class(classes: tuple[str, str], targets: NDArray[np.generic]) -> str:
    """Which figures are missing since all rows are of one class; empty if they are of both."""
    ones = int(targets.sum())
    if 0 < ones < targets.size:
        return ""
    what = "ROC AUC tells nothing" if ones else "ROC AUC and F1 tell nothing"
    return f"all these rows are {show(classes[ones > 0])}, of which {what}"


def _figure(value: float) -> str:
    return f"{value:.4f}" if value == value else "-"


def _frozen(run: Run) -> list[str]:
    if not run.frozen:
        return []
    held = sum(map(len, run.frozen.values()))
    names = ", ".join(run.frozen)
    return [f"Frozen: {names}: all {held:,} bytes are as they were.", ""]


def _next(run: Run, out: str) -> Sequence[str]:
    data = [] if run.settings.data is None else [run.settings.data]
    return [
        command("predict", out, *data, "--out", "predictions.csv"),
        command("finetune", out, *data, "--freeze", *run.classifier.body),
        command("plot", *([] if run.settings.base is None else [_folder(run.settings.base)]), out),
    ]


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or os.curdir
