"""What the plot of a training run shows: its panels and curves, and their words. Draws nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from nnlite.train.metrics import is_share
from nnlite.train.plot.canvas import COLORS, MARKERS

if TYPE_CHECKING:
    from nnlite.train.history import History

    Mode = Literal["min", "max"]

_METRIC_COLORS = (*COLORS[2:], *COLORS[:2])

_NAMES = {
    "roc_auc": "ROC AUC",
    "f1": "F1",
    "brier": "Brier score",
    "lr": "learning rate",
    "seconds": "seconds per epoch",
    "mse": "mean squared error",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
    "r2": "R²",
}
_PREFIXES = {"train_": "training ", "valid_": "validation "}
_HUGE = 1e100  # beyond this the arithmetic of the axis may overflow


class Run(NamedTuple):
    """A History with its name and its best epoch."""

    name: str
    history: History
    monitor: str
    best: int | None  # the place of the best row; None when no value is a number


class Curve(NamedTuple):
    """One line of the plot; nan is a gap."""

    label: str
    epochs: list[int]
    values: list[float]
    color: str
    marker: str
    dashed: bool
    alone: list[int]  # places of the numbers that need a marker, having no neighbour
    best: tuple[int, float] | None  # the point to mark


class Panel(NamedTuple):
    """The curves that share one pair of axes."""

    title: str
    note: str
    curves: list[Curve]
    scores: bool  # values from 0 to 1


def read_run(name: str, history: History, monitor: str | None, mode: Mode | None) -> Run:
    """Find the best epoch of a run: by ``monitor``, or by the first loss that has a number.

    Raises:
        ValueError: no epochs, or as `History.best_epoch`.
        KeyError: no row has the column ``monitor``.
    """
    if not history:
        which = f" of {name!r}" if name else ""
        raise ValueError(f"plot: the history{which} has no epochs")
    name = " ".join(name.split())
    if monitor is None:
        losses = [column for column in ("valid_loss", "train_loss") if column in history.columns]
        numbers = [column for column in losses if any(map(math.isfinite, history[column]))]
        if not numbers:
            return Run(name, history, losses[0] if losses else "", None)
        monitor = numbers[0]
    return Run(name, history, monitor, history.epochs().index(history.best_epoch(monitor, mode)))


def choose_metrics(runs: list[Run], wanted: Sequence[str] | None) -> list[str]:
    """List the metrics to show: those wanted, else all, in the order of the columns.

    Raises:
        ValueError: a wanted metric that no run has.
    """
    columns = list(dict.fromkeys(column for run in runs for column in run.history.columns))
    found = [column[6:] for column in columns if column.startswith(tuple(_PREFIXES))]
    known = [metric for metric in dict.fromkeys(found) if metric != "loss"]
    if wanted is None:
        return known
    wanted = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
    for metric in wanted:
        if metric not in known and metric not in columns:
            there = ", ".join(known) or "none"
            raise ValueError(f"plot: there is no metric {metric!r}; the history has {there}")
    return wanted


def make_panels(runs: list[Run], metrics: list[str]) -> list[Panel]:
    """Arrange the losses, then the metrics; the scores of a single run share a panel.

    Raises:
        ValueError: there is no curve at all.
    """
    groups = [["loss"]]
    if len(runs) == 1:
        groups.append([metric for metric in metrics if is_share(metric)])
        groups += [[metric] for metric in metrics if not is_share(metric)]
    else:
        groups += [[metric] for metric in metrics]
    panels = []
    for group in groups:
        curves = [curve for metric in group for curve in _curves(runs, metric, group)]
        if curves:
            name = _pretty(group[0]) if len(group) == 1 else "metrics"
            title = name[0].upper() + name[1:]
            panels.append(Panel(title, _note(runs, group), curves, is_share(group[0])))
    if not panels:
        raise ValueError("plot: there is nothing to draw: no train_loss, no valid_loss, no metric")
    return panels


def _curves(runs: list[Run], metric: str, group: list[str]) -> list[Curve]:
    """Training and validation curves of one metric of the group that shares a panel."""
    curves = []
    for number, run in enumerate(runs):
        columns = _columns(run, metric)
        for column in columns:
            train = column.startswith("train_")
            last = column == columns[-1]
            if len(runs) > 1:
                label, place, colors = "", number, COLORS
            elif len(group) > 1:
                label = _pretty(metric) if last else ""
                place, colors = group.index(metric), _METRIC_COLORS
            else:
                label = "" if column == metric else _pretty(column).split()[0]
                place, colors = int(not train), COLORS
            if label and last and metric != "loss":
                label += _value_at_best(run, column)
            color = colors[place % len(colors)]
            marker = MARKERS[place // len(colors) % len(MARKERS)]
            dashed = train and _validated(runs)
            curves.append(_curve(run, column, label, color, marker, dashed=dashed, mark=last))
    return curves


def _curve(
    run: Run, column: str, label: str, color: str, marker: str, *, dashed: bool, mark: bool
) -> Curve:
    epochs = run.history.epochs()
    values = [value if is_number(value) else math.nan for value in run.history[column]]
    best = None
    if mark and run.best is not None and is_number(values[run.best]):
        best = (epochs[run.best], values[run.best])
    numbers = [place for place, value in enumerate(values) if is_number(value)]
    gap = [True, *map(math.isnan, values), True]
    alone = [place for place in numbers if gap[place] and gap[place + 2]]
    if alone == numbers:  # measured every few epochs: the gaps mean nothing, so bridge them
        epochs = [epochs[place] for place in numbers]
        values = [values[place] for place in numbers]
        alone = list(range(len(numbers)))
    return Curve(label, epochs, values, color, marker, dashed, alone, best)


def is_number(value: float) -> bool:
    """Whether a value can be drawn: neither nan nor infinite nor beyond what an axis can hold."""
    return abs(value) < _HUGE


def _columns(run: Run, metric: str) -> list[str]:
    names = ("train_" + metric, "valid_" + metric)
    there = [name for name in names if name in run.history.columns]
    return there or [name for name in (metric,) if name in run.history.columns]


def _validated(runs: list[Run]) -> bool:
    return any(name.startswith("valid_") for run in runs for name in run.history.columns)


def _value_at_best(run: Run, column: str) -> str:
    value = run.history[column][run.best] if run.best is not None else math.nan
    if not is_number(value):
        return ""
    return f" {value:.3f}" if is_share(column) else f" {value:.4g}"


def _note(runs: list[Run], group: list[str]) -> str:
    """What the reader of a panel must know besides its curves."""
    run = runs[0]
    if len(runs) > 1:
        if group == ["loss"] and _validated(runs):
            return "dashed: training, solid: validation"
        return "validation" if all(_validation_alone(its, group) for its in runs) else ""
    if group == ["loss"]:
        since = diverged(run)
        return f"the training loss is not finite from epoch {since} on" if since else ""
    notes = ["validation"] if _validation_alone(run, group) else []
    if run.best is not None and _columns(run, group[0]) != group:
        notes.append(f"values at epoch {run.history.epochs()[run.best]}")
    if len(group) > 1 and any(len(_columns(run, metric)) > 1 for metric in group):
        notes.append("dashed: training")
    return ", ".join(notes)


def _validation_alone(run: Run, group: list[str]) -> bool:
    """Whether these metrics were measured on the validation data alone."""
    columns = [column for metric in group for column in _columns(run, metric)]
    return bool(columns) and all(column.startswith("valid_") for column in columns)


def diverged(run: Run) -> int | None:
    """Find the epoch since which the training loss has been infinite or nan, if it ended so."""
    losses = [row.get("train_loss", 0.0) for row in run.history]
    broken = len(losses)
    while broken > 0 and not is_number(losses[broken - 1]):
        broken -= 1
    return run.history.epochs()[broken] if broken < len(losses) else None


def _pretty(column: str) -> str:
    for prefix, word in _PREFIXES.items():
        if column.startswith(prefix):
            return word + _pretty(column.removeprefix(prefix))
    return _NAMES.get(column, column.replace("_", " "))


def best_text(run: Run) -> str:
    """Say which epoch was the best and what was measured in it."""
    if run.best is None:
        return "no finite loss"
    value = f"{run.history[run.monitor][run.best]:.4g}"
    return f"best {_pretty(run.monitor)} {value} at epoch {run.history.epochs()[run.best]}"
