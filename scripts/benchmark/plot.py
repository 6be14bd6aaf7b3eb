"""The figures as a picture: one panel a workload, a bar a framework (needs matplotlib)."""

from typing import Any, NamedTuple

from benchmark.figures import Row, Spread
from benchmark.frameworks import FRAMEWORKS
from benchmark.report import Outcome, digits, time_unit
from benchmark.workloads import SUBJECT

SUBJECT_COLOUR = "#0072B2"
OTHER_COLOUR = "#B8BDC4"
TEXT_COLOUR = "#333333"
FAINT_COLOUR = "#666666"
COLUMNS = 2
SLOTS = 3
"""A panel has room for at least as many bars, so that a single one is not a wall."""


def save(path: str, machine: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Draw all panels into a file.

    Args:
        path: the file; its ending (.png, .svg, .pdf) gives the format.
        machine: what `machine.describe` returns, for the line at the bottom.
        outcomes: the workloads.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = [panel for outcome in outcomes for panel in panels_of(outcome)]
    lines = -(-len(panels) // COLUMNS)
    style: Any = {"font.size": 9.5, "text.color": TEXT_COLOUR, "axes.labelcolor": TEXT_COLOUR}
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(
            lines,
            COLUMNS,
            figsize=(11, 0.6 + 1.75 * lines),
            layout=ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12),
            squeeze=False,
        )
        for axis, panel in zip(axes.flat, panels, strict=False):
            draw(axis, panel)
        for axis in axes.flat[len(panels) :]:
            axis.set_axis_off()
        figure.supxlabel(footer(machine), fontsize=8, color=FAINT_COLOUR)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


class Bar(NamedTuple):
    """One bar: its name, its value with quartiles, what stands beside it, whose it is."""

    name: str
    value: Spread
    label: str
    is_subject: bool


class Panel(NamedTuple):
    """One panel: its title, the line below it, its bars."""

    title: str
    subtitle: str
    bars: list[Bar]


def panels_of(outcome: Outcome) -> list[Panel]:
    """Return a workload's panels: the times, and the peak memory where it was measured."""
    workload = outcome.workload
    subtitle = f"time per {workload.unit}; {workload.details}"
    times = [
        Bar(bar_name(outcome, r), r.time, time_label(outcome, r), is_subject(r))
        for r in outcome.rows
    ]
    panels = [Panel(workload.title, subtitle, times)]
    peaks = [
        Bar(bar_name(outcome, r), r.peak, f"{digits(r.peak.median / 1e6)} MB", is_subject(r))
        for r in outcome.rows
        if r.peak is not None
    ]
    if peaks:
        panels.append(Panel(workload.title, "peak memory of the same processes", peaks))
    return panels


def is_subject(row: Row) -> bool:
    """Say whether a row is the subject's."""
    return row.framework == SUBJECT


def bar_name(outcome: Outcome, row: Row) -> str:
    """Return a bar's name: the framework, and the case where there are several."""
    title = FRAMEWORKS[row.framework].title
    return f"{title}, {row.case}" if len(outcome.workload.cases) > 1 else title


def time_label(outcome: Outcome, row: Row) -> str:
    """Return a time and how it compares with the subject's."""
    scale, unit = time_unit(row.time.median)
    label = f"{digits(row.time.median / scale)} {unit}"
    if row.comparison is None or outcome.workload.difference:
        return label
    return f"{label}   {digits(1 / row.comparison.median)} ×"


def draw(axis: Any, panel: Panel) -> None:
    """Draw one panel: horizontal bars from the top down, quartiles as a thin line.

    The bars carry their values, so the axis itself is left out.
    """
    longest = max(bar.value.high for bar in panel.bars)
    for place, bar in enumerate(panel.bars):
        value = bar.value
        axis.barh(place, value.median, color=colour(bar), height=0.68)
        axis.plot([value.low, value.high], [place, place], color=TEXT_COLOUR, linewidth=1)
        weight = "bold" if bar.is_subject else "normal"
        axis.text(
            max(value.high, value.median) + 0.015 * longest,
            place,
            bar.label,
            va="center",
            fontweight=weight,
        )
    axis.set_yticks(range(len(panel.bars)), [bar.name for bar in panel.bars])
    axis.set_ylim(max(len(panel.bars), SLOTS) - 0.5, -0.5)
    axis.set_xlim(0, longest * 1.35)
    axis.set_xticks([])
    axis.tick_params(length=0, colors=TEXT_COLOUR)
    axis.axvline(0, color=TEXT_COLOUR, linewidth=0.8)
    axis.set_title(f"{panel.title}\n", loc="left", fontsize=10.5, fontweight="bold")
    axis.text(0, 1.03, panel.subtitle, transform=axis.transAxes, fontsize=8.5, color=FAINT_COLOUR)
    for side in ("top", "right", "bottom", "left"):
        axis.spines[side].set_visible(False)


def colour(bar: Bar) -> str:
    """Return a bar's colour: the subject stands out, the others are alike."""
    return SUBJECT_COLOUR if bar.is_subject else OTHER_COLOUR


def footer(machine: dict[str, Any]) -> str:
    """Write the machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    threads = "one thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    return (
        f"{machine['cpu']}, {threads}; {machine['python']}, {versions}; "
        f"medians and quartiles; × is time over {SUBJECT}'s"
    )
