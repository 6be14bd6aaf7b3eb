"""The figures as the Markdown table that the README shows."""

from collections.abc import Iterable
from typing import Any

from benchmark.figures import Verdict
from benchmark.frameworks import FRAMEWORKS
from benchmark.report import Outcome, digits, time_unit, versions
from benchmark.workloads import SUBJECT

OTHER = "other"


def table(machine: dict[str, Any], outcomes: list[Outcome]) -> str:
    """Write all workloads as a table, with the machine, the versions and the command below it.

    A cell is nnlite's time divided by the framework's; in brackets stands the target.
    """
    measured = [outcome for outcome in outcomes if subject_time(outcome)]
    columns = [name for name in FRAMEWORKS if any(ratio(o, name) for o in measured)]
    header = ["workload", SUBJECT, *(f"÷ {FRAMEWORKS[name].title}" for name in columns), OTHER]
    lines = [line(header), line(["---"] * len(header))]
    for outcome in measured:
        workload = outcome.workload
        cells = [f"{workload.title}", f"**{subject_time(outcome)}**"]
        cells += [ratio(outcome, name) for name in columns]
        others = (v for v in outcome.verdicts if not v.target.ratio_to)
        cells.append(", ".join(f"{v.text}: {judged(v)}" for v in others))
        lines.append(line(cells))
    return "\n".join([*lines, "", legend(machine, measured)]) + "\n"


def line(cells: Iterable[str]) -> str:
    """Write one line of a table.

    >>> line(["a", "b"])
    '| a | b |'
    """
    return f"| {' | '.join(cells)} |"


def subject_time(outcome: Outcome) -> str:
    """Write nnlite's time in the last case; empty where it was not measured."""
    case = outcome.workload.cases[-1].name
    for row in outcome.rows:
        if (row.case, row.framework) == (case, SUBJECT):
            scale, unit = time_unit(row.time.median)
            return f"{digits(row.time.median / scale)} {unit}"
    return ""


def ratio(outcome: Outcome, framework: str) -> str:
    """Write nnlite's ratio to a framework in the last case, with its target; empty if neither."""
    for verdict in outcome.verdicts:
        if verdict.target.ratio_to == framework:
            return judged(verdict)
    if outcome.workload.difference:
        return ""
    case = outcome.workload.cases[-1].name
    for row in outcome.rows:
        if (row.case, row.framework) == (case, framework) and row.comparison is not None:
            return digits(row.comparison.median)
    return ""


def judged(verdict: Verdict) -> str:
    """Write a figure, its target, and a cross where it is missed.

    >>> from benchmark.figures import Spread
    >>> from benchmark.workloads import Target
    >>> value = Spread(0.25, 0.24, 0.26)
    >>> judged(Verdict(Target(0.2, ratio_to="torch"), "nnlite / torch", value))
    '0.250 ✗ (≤ 0.2)'
    >>> judged(Verdict(Target(0.2, ratio_to="jax"), "nnlite / jax", None))
    'not measured (≤ 0.2)'
    """
    limit = f"(≤ {verdict.target.limit:g})"
    if verdict.value is None:
        return f"not measured {limit}"
    return f"{digits(verdict.value.median)} {'✓' if verdict.holds else '✗'} {limit}"


def legend(machine: dict[str, Any], outcomes: list[Outcome]) -> str:
    """Write what the figures are, and where and how they were taken."""
    judged_ones = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    hold = sum(verdict.holds for verdict in judged_ones)
    threads = machine["threads"]
    return (
        f"{SUBJECT}'s time, and that time divided by the other's, less is faster: medians of "
        "ratios within rounds; in brackets the target, ✓ reached or ✗ missed "
        f"({hold} of {len(judged_ones)} reached). {machine['cpu']}, {machine['usable_cores']} "
        f"cores, {threads} thread{'s' if threads > 1 else ''} each; {machine['system']}, "
        f"{machine['python']}, {versions(machine)}; {machine['date']}; made by "
        f"`python scripts/{machine['command']}`."
    )
