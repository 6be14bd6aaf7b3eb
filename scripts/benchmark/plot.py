"""The figures as a picture (needs matplotlib): ratios on one axis, growth in panels below."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from benchmark.figures import Spread
from benchmark.frameworks import FRAMEWORKS
from benchmark.report import Outcome, digits, versions
from benchmark.workloads import SUBJECT

COLOURS = {
    "nnlite": "#0072B2",
    "torch": "#D55E00",
    "jax": "#009E73",
    "numpy": "#555555",
    "sklearn": "#E69F00",
    "mlx": "#CC79A7",
    "products": "#56B4E9",
}
TEXT_COLOUR = "#333333"
FAINT_COLOUR = "#777777"
FASTER_COLOUR = "#EAF3F9"
PANELS = 4
LANE = 0.32  # between two points of one workload; the height of a line is 1


class Point(NamedTuple):
    """nnlite's ratio to a framework in one workload, and the target, where there is one."""

    framework: str
    value: Spread
    limit: float | None


def save(path: str, machine: dict[str, Any], outcomes: list[Outcome]) -> None:
    """Draw all figures into a file.

    Args:
        path: the file; its ending (.png, .svg, .pdf) gives the format.
        machine: what `machine.describe` returns, for the line at the bottom.
        outcomes: the workloads; one without another framework has no place in the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    compared = [(o.workload.title, points_of(o)) for o in outcomes if not o.workload.axis]
    lines = [(title, points) for title, points in compared if points]
    growing = [o for o in outcomes if o.workload.axis][:PANELS]
    height = 1.5 + 0.5 * max(sum(map(room, lines)), 2)
    style: Any = {"font.size": 9.5, "text.color": TEXT_COLOUR, "axes.labelcolor": TEXT_COLOUR}
    with pyplot.rc_context(style):
        figure = pyplot.figure(figsize=(11, height + 3.2 * bool(growing)), layout="constrained")
        grid = figure.add_gridspec(
            1 + bool(growing), PANELS, height_ratios=[height, 2.9][: 1 + bool(growing)]
        )
        draw_ratios(figure.add_subplot(grid[0, :]), lines)
        for place, outcome in enumerate(growing):
            draw_growth(figure.add_subplot(grid[1, place]), outcome)
        figure.supxlabel(footer(machine), fontsize=7.5, color=FAINT_COLOUR)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def points_of(outcome: Outcome) -> list[Point]:
    """Return nnlite's ratio to each other framework in a workload's last case."""
    if outcome.workload.difference:
        return []
    limits = {v.target.ratio_to: v.target.limit for v in outcome.verdicts if v.target.ratio_to}
    case = outcome.workload.cases[-1].name
    return [
        Point(row.framework, row.comparison, limits.get(row.framework))
        for row in outcome.rows
        if row.case == case and row.comparison is not None
    ]


def room(line: tuple[str, list[Point]]) -> float:
    """Return the height of a workload's line: 1, and more where many frameworks share it."""
    return max(1.0, LANE * (len(line[1]) + 0.5))


def draw_ratios(axis: Any, lines: Sequence[tuple[str, list[Point]]]) -> None:
    """Draw a line a workload: a dot a framework with its quartiles, a tick at its target."""
    shown = dict.fromkeys(point.framework for _, points in lines for point in points)
    places, edge = [], -0.5
    for line in lines:
        _, points = line
        places.append(edge + room(line) / 2)
        for number, point in enumerate(points):
            draw_point(axis, places[-1] + LANE * (number - (len(points) - 1) / 2), point)
        edge += room(line)
        axis.axhline(edge, color="#EEEEEE", linewidth=0.8)
    for framework in shown:
        title = FRAMEWORKS[framework].title
        axis.plot([], [], "o", color=COLOURS[framework], label=f"÷ {title}")
    axis.plot([], [], "|", color=FAINT_COLOUR, markersize=9, label="target")
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    low, high = min(0.8 * low, 0.5), max(high, 2.0)
    axis.axvspan(low, 1, color=FASTER_COLOUR, zorder=0)
    axis.axvline(1, color=TEXT_COLOUR, linewidth=0.9)
    axis.set_xlim(low, high)
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= t <= high]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_yticks(places, [title for title, _ in lines])
    axis.set_ylim(max(edge, 0.5), -0.5)
    axis.tick_params(length=0)
    axis.set_title(
        f"{SUBJECT}'s time divided by the other's: left of 1, {SUBJECT} is faster",
        loc="left",
        fontsize=11,
        fontweight="bold",
    )
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.35, -0.04), ncols=7, frameon=False, handletextpad=0.2
    )
    frame(axis)


def draw_point(axis: Any, height: float, point: Point) -> None:
    """Draw one ratio with its figure beside it."""
    value, colour = point.value, COLOURS[point.framework]
    axis.plot([value.low, value.high], [height, height], color=colour, linewidth=1.4)
    axis.plot(value.median, height, "o", color=colour, markersize=5)
    before_target = point.limit is not None and point.limit >= value.median
    axis.annotate(
        digits(value.median),
        (value.low if before_target else value.high, height),
        xytext=(-5 if before_target else 5, 0),
        ha="right" if before_target else "left",
        textcoords="offset points",
        va="center",
        fontsize=7.5,
        color=colour,
    )
    if point.limit is not None:
        axis.plot(point.limit, height, "|", color=colour, markersize=9, markeredgewidth=1.2)


def draw_growth(axis: Any, outcome: Outcome) -> None:
    """Draw time against size, both logarithmic, a line a framework."""
    places = {case.name: case.at for case in outcome.workload.cases}
    for framework, power in outcome.exponents.items():
        rows = [row for row in outcome.rows if row.framework == framework]
        axis.plot(
            [places[row.case] for row in rows],
            [row.time.median * 1e3 for row in rows],
            "o-",
            color=COLOURS[framework],
            markersize=4,
            label=f"{FRAMEWORKS[framework].title}, power {digits(power.median)}",
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(list(places.values()), [f"{size:g}" for size in places.values()], fontsize=8)
    axis.minorticks_off()
    axis.set_title(f"ms per step by {outcome.workload.axis}", loc="left", fontsize=9.5)
    axis.legend(frameon=False, fontsize=7.5, loc="upper left")
    axis.margins(y=0.25)
    frame(axis)


def frame(axis: Any) -> None:
    """Leave out the lines above and to the right."""
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(colors=TEXT_COLOUR)


def footer(machine: dict[str, Any]) -> str:
    """Write the machine in one line, the versions in another."""
    threads = "one thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    return (
        f"{machine['cpu']}, {threads} each; {machine['python']}; {machine['date']}; medians and "
        f"quartiles of ratios within rounds\n{versions(machine)}"
    )
