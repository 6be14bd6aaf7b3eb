"""The figures as a text table and as JSON."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.figures import Agreement, Row, Spread, Verdict
from benchmark.frameworks import FRAMEWORKS
from benchmark.workloads import SUBJECT, Workload

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True)
class Outcome:
    """All figures of one workload."""

    workload: Workload
    rounds: int
    rows: list[Row]
    verdicts: list[Verdict]
    agreement: Agreement | None
    exponents: dict[str, Spread]


def digits(value: float) -> str:
    """Write a number with three significant digits, without an exponent.

    >>> digits(0.12345), digits(12.345), digits(1234.5)
    ('0.123', '12.3', '1234')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def quartiles(value: Spread, scale: float = 1.0, unit: str = "") -> str:
    """Write a spread as its median and, in brackets, its quartiles.

    >>> quartiles(Spread(1.5, 1.25, 2.0))
    '1.50 [1.25 2.00]'
    """
    middle, low, high = (digits(x / scale) for x in (value.median, value.low, value.high))
    return f"{middle}{unit} [{low} {high}]"


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the unit to write a time in, as seconds and as a symbol.

    >>> time_unit(0.00005)
    (1e-06, 'µs')
    """
    return next((unit for unit in UNITS if abs(seconds) >= unit[0]), UNITS[-1])


def write_time(value: Spread) -> str:
    """Write a time in the unit that suits its median.

    >>> write_time(Spread(0.0021, 0.002, 0.0022))
    '2.10 ms [2.00 2.20]'
    """
    scale, unit = time_unit(value.median)
    return quartiles(value, scale, f" {unit}")


def versions(machine: dict[str, Any]) -> str:
    """Write the packages and their versions, each once.

    >>> versions({"versions": {"numpy": "2.4.0", "nnlite": "1.0", "products": "2.4.0"}})
    'numpy 2.4.0, nnlite 1.0'
    """
    packages = {
        FRAMEWORKS[name].distribution or name: version
        for name, version in machine["versions"].items()
    }
    return ", ".join(f"{package} {version}" for package, version in packages.items())


def head(machine: dict[str, Any]) -> str:
    """Write where the figures were taken."""
    threads = machine["threads"]
    load = machine["load"]
    busy = "" if load is None else f"; load average at the start {load:g}"
    return (
        f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores, "
        f"{threads} thread{'s' if threads > 1 else ''} each\n"
        f"{machine['system']}, {machine['python']}{busy}\n"
        f"{versions(machine)}\n"
        "Median over the rounds [lower and upper quartile]; comparisons are taken within rounds."
    )


def table(outcome: Outcome) -> str:
    """Write one workload: a line for each framework and case, then the targets and results."""
    workload = outcome.workload
    sign = "-" if workload.difference else "/"
    header = ["", f"time per {workload.unit}", f"{SUBJECT} {sign} it"]
    if workload.memory:
        header.append("peak memory, MB")
    lines = [header]
    for row in outcome.rows:
        cells = [f"{FRAMEWORKS[row.framework].title} {row.case}".rstrip(), write_time(row.time)]
        if row.comparison is None:
            cells.append("")
        elif workload.difference:
            cells.append(write_time(row.comparison))
        else:
            cells.append(quartiles(row.comparison))
        if workload.memory:
            cells.append(quartiles(row.peak, 1e6) if row.peak else "not measured")
        lines.append(cells)
    parts = [title_line(outcome), *align(lines)]
    if outcome.exponents:
        powers = (f"{name} {quartiles(power)}" for name, power in outcome.exponents.items())
        parts.append(f"  grows with {workload.axis} to the power of: {', '.join(powers)}")
    parts += [verdict_line(verdict) for verdict in outcome.verdicts]
    if outcome.agreement is not None:
        parts += agreement_lines(workload, outcome.agreement)
    return "\n".join(parts)


def title_line(outcome: Outcome) -> str:
    """Write what was measured."""
    workload = outcome.workload
    rounds = f"{outcome.rounds} round{'s' if outcome.rounds > 1 else ''}"
    return f"{workload.name}: {workload.title}; {workload.details} ({rounds})"


def align(lines: list[list[str]]) -> list[str]:
    """Pad cells into columns.

    >>> align([["a", "bc"], ["def", "g"]])
    ['  a    bc', '  def  g']
    """
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return [f"  {line}".rstrip() for line in padded]


def verdict_line(verdict: Verdict) -> str:
    """Write one target and whether it holds."""
    limit = f"  target {verdict.text} at most {verdict.target.limit:g}:"
    if verdict.value is None:
        return f"{limit} not measured"
    return f"{limit} {quartiles(verdict.value)} {'holds' if verdict.holds else 'MISSED'}"


def agreement_lines(workload: Workload, agreement: Agreement) -> list[str]:
    """Write the results that were compared: one line, or one a series where they disagree."""
    kind = workload.result
    worst = max(agreement.deviation.values())
    if agreement.holds:
        ends = {
            framework: (f"{agreement.first[case, framework]:.6g}", f"{last:.6g}")
            for (case, framework), last in agreement.last.items()
        }
        said = ", ".join(
            f"{framework} {first}" if first == last else f"{framework} {first} to {last}"
            for framework, (first, last) in ends.items()
        )
        allowed = f"largest deviation {worst:.2g}, allowed {workload.tolerance:g}"
        return [f"  {kind}: {said}", f"  {kind}: agrees; {allowed}"]
    lines = [f"  {kind.upper()} DISAGREES with {agreement.reference}'s:"]
    for (case, framework), deviation in agreement.deviation.items():
        ends_text = f"{agreement.first[case, framework]!r} to {agreement.last[case, framework]!r}"
        lines.append(
            f"    {framework} {case}".rstrip()
            + f": {ends_text}, largest deviation {deviation:.3g}, allowed {workload.tolerance:g}"
        )
    return lines


def as_json(machine: dict[str, Any], outcomes: list[Outcome], smoke: bool) -> dict[str, Any]:
    """Return everything as a tree that `json.dump` takes; times in seconds, memory in bytes."""
    return {"machine": machine, "smoke": smoke, "workloads": [entry(o) for o in outcomes]}


def entry(outcome: Outcome) -> dict[str, Any]:
    """Return one workload as a tree that `json.dump` takes."""
    workload = outcome.workload
    agreement = outcome.agreement
    results = None
    if agreement is not None:
        results = {
            "what": workload.result,
            "reference": agreement.reference,
            "tolerance": workload.tolerance,
            "agree": agreement.holds,
            "series": [
                {
                    "case": case,
                    "framework": framework,
                    "first": finite(agreement.first[case, framework]),
                    "last": finite(agreement.last[case, framework]),
                    "largest_deviation": finite(deviation),
                }
                for (case, framework), deviation in agreement.deviation.items()
            ],
        }
    return {
        "name": workload.name,
        "title": workload.title,
        "details": workload.details,
        "unit": workload.unit,
        "comparison": "difference" if workload.difference else "ratio",
        "rounds": outcome.rounds,
        "rows": [asdict(row) for row in outcome.rows],
        "targets": [{**asdict(v), "holds": v.holds} for v in outcome.verdicts],
        "exponents": {name: asdict(power) for name, power in outcome.exponents.items()},
        "results": results,
    }


def finite(value: float) -> float | None:
    """Return the number, or None where JSON has none for it."""
    return value if math.isfinite(value) else None
