"""The plot of a run: what is in the figure, the files it writes, what it refuses."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnlite.train import metrics
from nnlite.train.history import History
from nnlite.train.plot import (
    plot_calibration,
    plot_confusion_matrix,
    plot_gradient_norms,
    plot_history,
    plot_lr_find,
    plot_precision_recall,
    plot_roc,
    plot_schedule,
    plot_weight_histograms,
)
from nnlite.train.plot.canvas import spread as _spread
from nnlite.train.plot.layers import Histogram

NAN = math.nan
PNG = b"\x89PNG\r\n\x1a\n"


def run(epochs: int = 6, scale: float = 1.0, **columns: Callable[[int], float]) -> History:
    """Make a run whose validation loss is least in epoch 4 (or the last one)."""
    return History(
        {
            "epoch": n,
            "train_loss": scale / n,
            "valid_loss": scale * (0.3 + abs(n - 4) / 10),
            **{name: value(n) for name, value in columns.items()},
            "lr": 0.1,
        }
        for n in range(1, epochs + 1)
    )


def scored(epochs: int = 6) -> History:
    """Make a run with three scores and a log loss."""
    return run(
        epochs,
        valid_accuracy=lambda n: 1 - 0.5 / n,
        valid_roc_auc=lambda n: 1 - 0.4 / n,
        train_f1=lambda n: 1 - 0.2 / n,
        valid_f1=lambda n: 1 - 0.3 / n,
        valid_log_loss=lambda n: 1 / n,
    )


def titles(figure: Any) -> list[str]:
    """Read the titles of the panels, from above."""
    return [axes.get_title(loc="left") for axes in figure.axes]


def texts(axes: Any) -> list[str]:
    """Read the words inside and beside a panel."""
    return [text.get_text() for text in axes.texts]


def lines(axes: Any) -> list[Any]:
    """Select the curves of a panel: neither the marks of the best epoch nor its line."""
    return [
        line for line in axes.lines if line.get_markersize() == 4.0 and line.get_marker() != "None"
    ]


def ring(axes: Any) -> list[tuple[float, float]]:
    """Read where the marks of the best epoch are."""
    marks = [line for line in axes.lines if line.get_markersize() == 7]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in marks]


def test_one_run_with_metrics() -> None:
    figure = scored().plot(title="A run")
    assert titles(figure) == ["Loss", "Metrics", "Log loss"]
    loss, metrics, log_loss = figure.axes
    train, valid = lines(loss)
    assert list(train.get_xdata()) == [1, 2, 3, 4, 5, 6]
    assert list(train.get_ydata()) == [1 / n for n in range(1, 7)]
    assert list(valid.get_ydata()) == scored()["valid_loss"]
    assert train.get_linestyle() != valid.get_linestyle() == "-"
    assert train.get_color() != valid.get_color()
    assert sorted(texts(loss)) == ["best validation loss 0.3 at epoch 4", "training", "validation"]
    assert ring(loss) == [(4, 0.3)]
    assert sorted(texts(metrics)) == ["F1 0.925", "ROC AUC 0.900", "accuracy 0.875"]
    assert metrics.get_title(loc="right") == "values at epoch 4, dashed: training"
    assert [point[0] for point in ring(metrics)] == [4, 4, 4]
    assert texts(log_loss) == ["validation 0.25"]
    assert figure.get_suptitle() == "A run"
    assert figure.axes[-1].get_xlabel() == "epoch"


def test_chosen_metrics() -> None:
    assert titles(scored().plot(metrics=["f1"])) == ["Loss", "F1"]
    assert titles(plot_history(scored(), metrics="f1")) == ["Loss", "F1"]
    assert titles(scored().plot(metrics=["f1", "roc_auc", "lr"])) == [
        "Loss",
        "Metrics",
        "Learning rate",
    ]
    assert titles(scored().plot(metrics=[])) == ["Loss"]


def test_monitor_decides_the_best_epoch() -> None:
    figure = plot_history(scored(), monitor="valid_accuracy")
    assert "best validation accuracy 0.9167 at epoch 6" in texts(figure.axes[0])
    assert ring(figure.axes[0]) == [(6, 0.5)]
    figure = plot_history(scored(), monitor="lr", mode="max")
    assert "best learning rate 0.1 at epoch 1" in texts(figure.axes[0])
    with pytest.raises(KeyError, match="no column 'valid_mae'"):
        plot_history(scored(), monitor="valid_mae")


def test_without_validation_the_training_curve_is_solid_and_marked() -> None:
    history = History({"epoch": n, "train_loss": 1 / n} for n in range(1, 5))
    figure = history.plot()
    assert sorted(texts(figure.axes[0])) == ["best training loss 0.25 at epoch 4", "training"]
    assert [line.get_linestyle() for line in lines(figure.axes[0])] == ["-"]
    assert ring(figure.axes[0]) == [(4, 0.25)]


def test_metrics_without_losses() -> None:
    history = History([{"valid_f1": 0.5}, {"valid_f1": 0.6}])
    assert titles(history.plot()) == ["F1"]


@pytest.mark.parametrize("epochs", [1, 2, 7, 31, 300])
def test_epochs_are_integers(epochs: int) -> None:
    figure = run(epochs).plot()
    axes = figure.axes[-1]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(tick == int(tick) and 1 <= tick <= epochs for tick in ticks)
    assert len(ticks) <= 12


def test_epochs_of_a_continued_run() -> None:
    rows = [{**row, "epoch": row["epoch"] + 20} for row in run()]
    figure = History(rows).plot()
    assert ring(figure.axes[0]) == [(24, 0.3)]
    assert "best validation loss 0.3 at epoch 24" in texts(figure.axes[0])


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([1.0, 0.1, 0.02], "linear"),
        ([1.0, 0.1, 0.005], "log"),
        ([1.0, 0.1, 0.0], "linear"),
        ([1.0, -5.0, 500.0], "linear"),
        ([1.0, 1e20, 1e90, math.inf, NAN], "log"),
    ],
)
def test_log_scale_when_losses_span_decades(losses: list[float], scale: str) -> None:
    figure = History({"train_loss": loss} for loss in losses).plot()
    assert figure.axes[0].get_yscale() == scale
    figure.draw_without_rendering()


def test_scores_stay_below_one() -> None:
    axes = run(valid_accuracy=lambda n: min(1.0, n / 4)).plot().axes[1]
    low, high = axes.get_ylim()
    assert 1.0 < high < 1.03
    assert 0.1 < low < 0.25


def test_a_loss_that_leaves_the_numbers() -> None:
    history = run(8)
    for row in history[5:]:
        row.update(train_loss=NAN, valid_loss=math.inf)
    rows = history[:5].to_list() + [
        {**r, "train_loss": NAN, "valid_loss": math.inf} for r in history[5:]
    ]
    axes = History(rows).plot().axes[0]
    assert axes.get_title(loc="right") == "the training loss is not finite from epoch 6 on"
    for line in lines(axes):
        assert [math.isnan(y) for y in line.get_ydata()] == [False] * 5 + [True] * 3
    assert ring(axes) == [(4, 0.3)]
    rows[-1]["train_loss"] = 0.1
    assert History(rows).plot().axes[0].get_title(loc="right") == ""


def test_no_finite_loss_at_all() -> None:
    figure = History([{"train_loss": NAN, "valid_loss": NAN, "valid_f1": 0.5}] * 3).plot()
    assert texts(figure.axes[0]) == ["no value is a finite number"]
    assert texts(figure.axes[1]) == ["validation"]
    figure.draw_without_rendering()


def test_gaps_and_lonely_points() -> None:
    loss = [1.0, NAN, 0.8, NAN, *[0.5] * 60]
    axes = History({"train_loss": value} for value in loss).plot().axes[0]
    assert lines(axes)[0].get_markevery() == [0, 2]
    assert math.isnan(lines(axes)[0].get_ydata()[1])


def test_validation_every_few_epochs_is_a_line() -> None:
    rows = run(50).to_list()
    for n, row in enumerate(rows):
        if n % 5:
            del row["valid_loss"]
    valid = lines(History(rows).plot().axes[0])[1]
    assert list(valid.get_xdata()) == list(range(1, 51, 5))
    assert not any(map(math.isnan, valid.get_ydata()))


def labels(figure: Any) -> list[str]:
    """Read the entries of the legend."""
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_several_runs() -> None:
    long = "runs/" + "x" * 80
    runs = {"small": scored(), long: run(9, scale=2.0), "_no $valid$": run(3)}
    figure = plot_history(runs, title="Three runs")
    assert titles(figure) == ["Loss", "Accuracy", "ROC AUC", "F1", "Log loss"]
    assert labels(figure) == [
        "small: best validation loss 0.3 at epoch 4",
        f"{long}:\nbest validation loss 0.6 at epoch 4",
        " _no $valid$: best validation loss 0.4 at epoch 3",
    ]
    assert figure.legends[0].get_title().get_text() == "Three runs"
    drawn = lines(figure.axes[0])
    assert [line.get_color() for line in drawn[::2]] == [line.get_color() for line in drawn[1::2]]
    assert len({line.get_color() for line in drawn}) == 3
    assert all(line.get_linestyle() != "-" for line in drawn[::2])
    assert all(line.get_linestyle() == "-" for line in drawn[1::2])
    assert ring(figure.axes[0]) == [(4, 0.3), (4, 0.6), (3, 0.4)]
    assert len(lines(figure.axes[1])) == 1
    figure.draw_without_rendering()


def test_more_runs_than_colours_differ_by_marker() -> None:
    figure = plot_history({f"seed {n}": run(40, scale=n + 1.0) for n in range(9)})
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    looks = {(line.get_color(), line.get_marker()) for line in solid if line.get_markersize() == 4}
    assert len(looks) == 9
    figure.draw_without_rendering()


def test_a_run_that_diverged_says_so_in_the_legend() -> None:
    broken = History([{"train_loss": 1.0}, {"train_loss": math.inf}])
    never = History([{"train_loss": NAN}])
    assert labels(plot_history({"a": broken, "b": never})) == [
        "a: best training loss 1 at epoch 1, not finite from epoch 2 on",
        "b: no finite loss, not finite from epoch 1 on",
    ]


def test_a_mapping_with_one_run_is_one_run() -> None:
    figure = plot_history({"seed 0": run()})
    assert figure.get_suptitle() == "seed 0"
    assert figure.legends == []


def test_text_is_taken_as_it_is() -> None:
    figure = History([{"train_loss": 1.0, "valid_$x_{$": 1.0}]).plot(title="$\\frac{$")
    figure.draw_without_rendering()
    assert figure.get_suptitle() == "$\\frac{$"


@pytest.mark.parametrize(
    "heights", [[], [0.5], [0.1, 0.11, 0.12, 0.9], [0.97, 0.98, 1.0], [0.5] * 4]
)
def test_labels_are_spread_without_overlap(heights: list[float]) -> None:
    spread = _spread(heights, 0.1)
    assert len(spread) == len(heights)
    assert all(b - a > 0.1 - 1e-12 for a, b in pairwise(spread))
    assert all(height <= 1.0 for height in spread)
    if len(heights) == 4:
        assert sum(spread) == pytest.approx(sum(heights))


def test_png_and_svg(tmp_path: Path) -> None:
    png = tmp_path / "loss.PNG"
    svg = tmp_path / "loss.svg"
    figure = scored().plot(png)
    assert png.read_bytes().startswith(PNG)
    scored().plot(str(svg))
    assert ElementTree.fromstring(svg.read_text()).tag.endswith("svg")
    assert sorted(tmp_path.iterdir()) == [png, svg]
    shown: Any = figure
    assert shown._repr_png_() == png.read_bytes()  # what a notebook shows
    assert titles(pickle.loads(pickle.dumps(figure))) == titles(figure)


ELSEWHERE = """
import sys
import nnlite.train.plot
from nnlite.train.history import History

assert "matplotlib" not in sys.modules
import matplotlib

matplotlib.rcParams["lines.linewidth"] = float(sys.argv[2])
settings = matplotlib.rcParams.copy()
history = History([{"train_loss": 1.0, "valid_f1": 0.5}, {"train_loss": 0.5, "valid_f1": 0.7}])
for ending in (".png", ".svg"):
    history.plot(sys.argv[1] + ending)
assert "matplotlib.pyplot" not in sys.modules
assert matplotlib.rcParams.copy() == settings
"""


def test_the_same_bytes_everywhere_and_nothing_global_touched(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    for number in ("1", "9"):  # the user's own settings are kept and do not count
        environment["PYTHONHASHSEED"] = number
        command = [sys.executable, "-W", "error", "-c", ELSEWHERE, str(tmp_path / number), number]
        subprocess.run(command, env=environment, check=True)
    for ending in (".png", ".svg"):
        contents = [(tmp_path / (number + ending)).read_bytes() for number in ("1", "9")]
        assert contents[0] == contents[1]
        assert not any(mark in contents[0] for mark in (b"tIME", b"Software", b"<dc:date>"))


@pytest.mark.parametrize("name", ["loss.pdf", "loss", "loss.png.txt", ".png"])
def test_another_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"must end in \.png or \.svg, not '.*" + name):
        run().plot(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_places_that_do_not_work(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no folder") as caught:
        run().plot(tmp_path / "none" / "loss.png")
    assert "\n" not in str(caught.value)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match="folder"):
        run().plot(tmp_path / "folder.png")


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "loss.svg"
    run().plot(path)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="no metric"):
        run().plot(path, metrics=["f1"])
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (History(), "the history has no epochs"),
        ({"a": run(), "b": History()}, "the history of 'b' has no epochs"),
        ({}, "no history is given"),
        (History([{"epoch": 1, "lr": 0.1}]), "there is nothing to draw"),
    ],
)
def test_nothing_to_draw(history: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_history(history)


def test_an_unknown_metric() -> None:
    with pytest.raises(ValueError, match="no metric 'auc'; the history has accuracy, roc_auc"):
        scored().plot(metrics=["auc"])


def test_metrics_of_validation_alone_say_so() -> None:
    rows = [{"epoch": n, "train_loss": 1 / n, "valid_loss": 1 / n, "valid_f1": 0.5} for n in (1, 2)]
    alone = History(rows).plot().axes
    assert alone[0].get_title(loc="right") == ""
    assert alone[1].get_title(loc="right") == "validation, values at epoch 2"
    both = plot_history({"a": History(rows), "b": History(rows)}).axes
    assert both[1].get_title(loc="right") == "validation"


def test_markers_do_not_hide_the_dashes_of_a_short_run() -> None:
    rows = [{"epoch": n, "train_loss": 1 / n, "valid_loss": 1 / n} for n in range(1, 26)]
    train, valid, *_ = History(rows).plot().axes[0].get_lines()
    assert train.get_linestyle() == "--"
    assert train.get_markevery() == []
    assert valid.get_markevery() is None
    few = History(rows[:4]).plot().axes[0].get_lines()[0]
    assert few.get_markevery() is None


RANDOM = np.random.default_rng(0)
TARGET = RANDOM.integers(2, size=80)
SCORES = RANDOM.normal(size=80) + TARGET
CLASS = RANDOM.integers(3, size=90)
LOGITS = RANDOM.normal(size=(90, 3)) + 2.0 * np.eye(3)[CLASS]
CHANCES = 1.0 / (1.0 + np.exp(-SCORES))
RATES = np.geomspace(1e-5, 10.0, 60)
LOSSES = 1.0 / (1.0 + 50.0 * RATES) + RATES**2

FIGURES: dict[str, Callable[..., Any]] = {
    "lr_find": lambda path, **options: plot_lr_find(RATES, LOSSES, 0.05, path, **options),
    "roc": lambda path, **options: plot_roc(SCORES, TARGET, path, **options),
    "roc of classes": lambda path, **options: plot_roc(LOGITS, CLASS, path, **options),
    "precision and recall": lambda path, **options: plot_precision_recall(
        SCORES, TARGET, path, **options
    ),
    "confusion": lambda path, **options: plot_confusion_matrix(LOGITS, CLASS, path, **options),
    "calibration": lambda path, **options: plot_calibration(CHANCES, TARGET, path, **options),
    "schedule": lambda path, **options: plot_schedule(timed(), path, **options),
    "gradient norms": lambda path, **options: plot_gradient_norms(
        [1, 2, 3], {"0": [1.0, 0.5, 0.1], "2": [2.0, NAN, 0.0]}, path, **options
    ),
    "weight histograms": lambda path, **options: plot_weight_histograms(
        {"0.weight": distributions(3), "0.bias": distributions(3)}, path, **options
    ),
}


def timed(groups: int = 1) -> History:
    """Make a run with learning rates and times."""
    names = ["lr", *(f"lr_{place}" for place in range(1, groups))]
    return History(
        {"epoch": n, **dict.fromkeys(names, 0.1 / n), "seconds": 2.0 + n % 2} for n in range(1, 8)
    )


def distributions(count: int) -> list[Histogram]:
    """Make histograms of values that spread."""
    values = np.linspace(-1.0, 1.0, 50)
    return [Histogram(n, *np.histogram(values * n, 10)) for n in range(1, count + 1)]


def legend(figure: Any) -> list[str]:
    """Read the legend of the first panel."""
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_file_if_asked(name: str, tmp_path: Path) -> None:
    draw = FIGURES[name]
    path = tmp_path / "figure.png"
    figure = draw(path, title="A $title$")
    assert path.read_bytes().startswith(PNG)
    assert figure._repr_png_() == path.read_bytes()
    assert figure.get_suptitle() == "A $title$"
    assert all(titles_of([axes for axes in figure.axes if axes.get_label() != "<colorbar>"]))
    svg = tmp_path / "figure.svg"
    draw(svg)
    assert ElementTree.fromstring(svg.read_text(encoding="utf-8")).tag.endswith("svg")
    with pytest.raises(ValueError, match=r"must end in \.png or \.svg, not '.*figure\.pdf'"):
        draw(tmp_path / "figure.pdf")
    assert len(list(tmp_path.iterdir())) == 2
    pickle.loads(pickle.dumps(figure))


def test_lr_find_marks_the_suggestion_and_cuts_the_divergence() -> None:
    losses = LOSSES.copy()
    losses[-1] = NAN
    axes = plot_lr_find(RATES, losses, 0.05).axes[0]
    assert axes.get_xscale() == "log"
    curve, line, mark = axes.lines
    assert list(curve.get_xdata()) == list(RATES[:-1])
    assert list(line.get_xdata()) == [0.05, 0.05]
    nearest = int(np.argmin(abs(np.log(RATES / 0.05))))
    assert list(mark.get_ydata()) == [LOSSES[nearest]]
    assert "suggested: 0.05" in texts(axes)
    assert axes.get_ylim()[1] < 3
    note = axes.get_title(loc="right")
    assert note.startswith("losses above ")
    assert note.endswith("are cut off, 1 losses are not finite")
    alone = plot_lr_find([0.1], [1.0], None).axes[0]
    assert texts(alone) == []
    assert alone.get_title(loc="right") == ""


@pytest.mark.parametrize(
    ("rates", "losses", "suggestion", "message"),
    [
        ([0.1, 0.2], [1.0], None, "2 learning rates and 1 losses"),
        ([0.1, 0.0], [1.0, 1.0], None, "must be positive, got 0.0"),
        ([0.1], [1.0], -0.5, "must be positive, got -0.5"),
        ([0.1, 0.2], [NAN, math.inf], 0.1, "no loss is a finite number"),
        ([], [], None, "no loss is a finite number"),
    ],
)
def test_lr_find_refuses(rates: Any, losses: Any, suggestion: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"plot_lr_find: .*{message}"):
        plot_lr_find(rates, losses, suggestion)


def test_roc_draws_the_curve_and_says_its_area() -> None:
    weight = RANDOM.random(80)
    figure = plot_roc(SCORES, TARGET, sample_weight=weight)
    curve = metrics.roc_curve(SCORES, TARGET, sample_weight=weight)
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == list(curve.fpr)
    assert list(line.get_ydata()) == list(curve.tpr)
    area = metrics.roc_auc(SCORES, TARGET, sample_weight=weight)
    assert legend(figure) == [f"AUC {area:.3f}", "guessing, AUC 0.5"]


def test_curves_of_classes_labels_and_models() -> None:
    figure = plot_roc(LOGITS, CLASS, classes=["cat", "dog", "ship"])
    named = [text.split(":")[0] for text in legend(figure)]
    assert named == ["cat", "dog", "ship", "guessing, AUC 0.5"]
    areas = [float(text.rsplit(" ", 1)[1]) for text in legend(figure)[:3]]
    assert np.mean(areas) == pytest.approx(metrics.roc_auc(LOGITS, CLASS), abs=1e-3)
    labels = np.eye(3, dtype=int)[CLASS]
    figure = plot_precision_recall(LOGITS, labels)
    assert [text.split(":")[0] for text in legend(figure)] == ["class 0", "class 1", "class 2"]
    assert "(guessing 0." in legend(figure)[0]
    figure = plot_precision_recall({"one": SCORES, "two": -SCORES}, TARGET)
    assert [text.split(":")[0] for text in legend(figure)[:2]] == ["one", "two"]
    assert legend(figure)[2] == f"guessing, precision {TARGET.mean():.3g}"
    many = plot_roc({f"model {n}": SCORES + n for n in range(12)}, TARGET)
    assert len({tuple(np.ravel(line.get_color())) for line in many.axes[0].lines[:12]}) == 12
    with pytest.raises(ValueError, match="plot_roc: 2 names are given for 3 classes"):
        plot_roc(LOGITS, CLASS, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="plot_roc: no scores are given"):
        plot_roc({}, TARGET)
    with pytest.raises(metrics.UndefinedMetricError, match="one class only"):
        plot_roc(SCORES, np.ones(80))


def test_the_area_below_the_steps_is_the_average_precision() -> None:
    line = plot_precision_recall(SCORES, TARGET).axes[0].lines[0]
    assert line.get_drawstyle() == "steps-pre"
    x, y = np.array(line.get_xdata()), np.array(line.get_ydata())
    assert np.diff(x) @ y[1:] == pytest.approx(metrics.average_precision(SCORES, TARGET))


def test_confusion_has_counts_and_rates() -> None:
    figure = plot_confusion_matrix(SCORES, TARGET, classes=["no", "yes"], threshold=0.5)
    axes = figure.axes[0]
    matrix = metrics.confusion_matrix(SCORES, TARGET, threshold=0.5)
    for text, count, row in zip(axes.texts, matrix.ravel(), (0, 0, 1, 1), strict=True):
        number, share = text.get_text().split("\n")
        assert int(number) == count
        assert float(share.removesuffix(" %")) == pytest.approx(
            100 * count / matrix[row].sum(), abs=0.051
        )
    assert [label.get_text() for label in axes.get_yticklabels()] == ["no", "yes"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    with pytest.raises(ValueError, match="3 names are given for 2 classes"):
        plot_confusion_matrix(SCORES, TARGET, classes=["a", "b", "c"])


@pytest.mark.parametrize(("count", "texts_expected"), [(4, 16), (14, 196), (30, 0)])
def test_confusion_of_many_classes(count: int, texts_expected: int) -> None:
    target = np.arange(4 * count) % count
    logits = np.eye(count)[target] + RANDOM.normal(size=(4 * count, count))
    names = [f"class with a long name {n}" for n in range(count)]
    figure = plot_confusion_matrix(logits, target, classes=names)
    assert len(figure.axes[0].texts) == texts_expected
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert max(width, height) < 16


def test_calibration_marks_the_best_threshold() -> None:
    figure = plot_calibration(CHANCES, TARGET, n_bins=5, false_positive=2.0, false_negative=3.0)
    above, middle, below = figure.axes
    curve = metrics.calibration_curve(CHANCES, TARGET, n_bins=5)
    points = next(line for line in above.lines if line.get_marker() == "o")
    assert list(points.get_xdata()) == list(curve.prob_pred)
    assert list(points.get_ydata()) == list(curve.prob_true)
    assert sum(bar.get_height() for bar in middle.patches) == 80
    best = metrics.best_threshold(CHANCES, TARGET, false_positive=2.0, false_negative=3.0)
    for axes in (above, middle, below):
        assert any(list(line.get_xdata()) == [best.threshold] * 2 for line in axes.lines)
    assert texts(below) == [f"least cost {best.cost:.3g} at {best.threshold:.3g}"]
    costs = metrics.cost_curve(CHANCES, TARGET, false_positive=2.0, false_negative=3.0).costs
    assert list(below.lines[0].get_ydata()) == list(costs)
    assert below.get_title(loc="right") == "false positive 2, false negative 3"
    weighted = plot_calibration(CHANCES, TARGET, sample_weight=RANDOM.random(80))
    assert not weighted.axes[0].collections  # no intervals where the count is not known
    with pytest.raises(ValueError, match=r"outside \[0, 1\]; give probabilities"):
        plot_calibration(SCORES, TARGET)


@pytest.mark.parametrize(
    ("costs", "words"), [((1.0, 0.0), "predicting 0 always"), ((0.0, 1.0), "predicting 1 always")]
)
def test_no_threshold_is_worth_it(costs: tuple[float, float], words: str) -> None:
    below = plot_calibration(
        [0.2, 0.4, 0.6], [1, 0, 0], false_positive=costs[0], false_negative=costs[1]
    ).axes[2]
    assert texts(below) == [f"least cost 0 {words}"]


def test_the_interval_of_wilson() -> None:
    from nnlite.train.plot.calibration import _wilson

    low, high = _wilson(np.array([0.1, 0.0]), np.array([50.0, 10.0]))
    # Values of the published formula, worked out apart.
    assert low == pytest.approx([0.0434752, 0.0], abs=1e-6)
    assert high == pytest.approx([0.2136024, 0.2775328], abs=1e-6)


def test_schedule() -> None:
    rates, times = plot_schedule(timed(2)).axes
    assert list(rates.lines[0].get_ydata()) == [0.1 / n for n in range(1, 8)]
    assert legend(plot_schedule(timed(2))) == ["parameter group 0", "parameter group 1"]
    assert times.get_title(loc="right") == "median 3 s, together 18 s"
    assert times.get_ylim()[0] == 0
    compared = plot_schedule({"a": timed(), "b": timed()})
    assert legend(compared) == ["a", "b"]
    assert titles(plot_schedule(History([{"seconds": 1.0}]))) == ["Time per epoch"]
    for nothing in (History(), History([{"epoch": 1, "lr": NAN}]), {}):
        with pytest.raises(ValueError, match="plot_schedule: there is nothing to draw"):
            plot_schedule(nothing)


def test_gradient_norms_keep_zeros_and_gaps() -> None:
    norms = {"0": [1.0, 0.0, 3.0], "2": [NAN, 4.0, 4.0], "4": [NAN] * 3}
    axes = plot_gradient_norms([1, 2, 3], norms).axes[0]
    zero = axes.lines[0].get_ydata()
    assert zero[1] == pytest.approx(4e-12)
    assert math.isnan(axes.lines[1].get_ydata()[0])
    assert list(axes.lines[3].get_ydata()) == [1.0, 4.0, 5.0]
    assert axes.get_yscale() == "log"
    many = {str(n): [1.0, 2.0, 3.0] for n in range(20)}
    plot_gradient_norms([1, 2, 3], many).draw_without_rendering()
    plot_gradient_norms([1], {"0": [0.0]}).draw_without_rendering()
    with pytest.raises(ValueError, match="2 norms of '0' and 3 steps"):
        plot_gradient_norms([1, 2, 3], {"0": [1.0, 2.0]})
    for nothing in ({}, {"0": [NAN, NAN]}):
        with pytest.raises(ValueError, match=r"no norm is a finite number; record after"):
            plot_gradient_norms([1, 2], nothing)


def test_weight_histograms_are_densities() -> None:
    figure = plot_weight_histograms({"w": distributions(9), "b": distributions(1), "n": []})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert titles_of(shown) == ["w", "b"]
    assert len(shown[0].lines) == 5
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["1", "3", "5", "7", "9"]
    for line in shown[0].lines:
        x, y = np.array(line.get_xdata()), np.array(line.get_ydata())
        assert np.diff(x) @ y[1:] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no histogram was recorded"):
        plot_weight_histograms({"w": []})


def titles_of(panels: list[Any]) -> list[str]:
    """Read the titles of some panels."""
    return [axes.get_title(loc="left") for axes in panels]
