"""From timed rounds to figures: medians and quartiles, paired ratios, targets, agreement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmark.workloads import SUBJECT, Target, Workload


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    low: float
    high: float


@dataclass
class Series:
    """What the rounds of one framework gave in one case.

    Args:
        seconds: per unit, one entry a round.
        peaks: peak memory in bytes, one entry a round; empty where it is not measured.
        results: the numbers to agree on, one list a round.
    """

    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    results: list[list[float]] = field(default_factory=list)


Measured = dict[tuple[str, str], Series]
"""From (case, framework) to its series, in the order of cases and turns."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        case: its name.
        framework: its name.
        time: seconds per unit.
        peak: bytes, where measured.
        comparison: the subject's time divided by this one's, or minus it in seconds where the
            workload says so, round by round; None for the subject itself.
    """

    case: str
    framework: str
    time: Spread
    peak: Spread | None
    comparison: Spread | None


@dataclass(frozen=True)
class Verdict:
    """Whether a target holds: its median, in the target's unit, is within the limit."""

    text: str
    limit: float
    value: Spread
    holds: bool


@dataclass(frozen=True)
class Agreement:
    """How far the frameworks' results lie apart.

    Args:
        reference: the framework that the others were held against, in each case.
        first: of the first round, (case, framework) to the first result, where there are any.
        last: the same for the last result.
        deviation: (case, framework) to the largest deviation from the reference over all rounds.
        holds: all are within the workload's tolerance.
    """

    reference: str
    first: dict[tuple[str, str], float]
    last: dict[tuple[str, str], float]
    deviation: dict[tuple[str, str], float]
    holds: bool


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles.

    >>> spread([1.0, 2.0, 3.0, 4.0, 50.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high)


def paired_ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Return the spread of ratios taken within each round, so that a slow round cancels out.

    >>> paired_ratios([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]).median
    2.0
    """
    return spread([a / b for a, b in zip(above, below, strict=True)])


def paired_differences(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Return the spread of differences taken within each round."""
    return spread([a - b for a, b in zip(above, below, strict=True)])


def rows(workload: Workload, measured: Measured) -> list[Row]:
    """Return the table's lines, each compared with the subject of its case."""
    result = []
    for (case, framework), series in measured.items():
        subject = measured.get((case, SUBJECT))
        comparison = None
        if subject is not None and subject is not series:
            compare = paired_differences if workload.difference else paired_ratios
            comparison = compare(subject.seconds, series.seconds)
        peak = spread(series.peaks) if series.peaks else None
        result.append(Row(case, framework, spread(series.seconds), peak, comparison))
    return result


def verdicts(workload: Workload, measured: Measured) -> list[Verdict]:
    """Return what became of each target that the measured frameworks allow to be judged.

    Targets of speed are judged in the last case.
    """
    case = workload.cases[-1].name
    subject = measured.get((case, SUBJECT))
    if subject is None:
        return []
    result = []
    for target in workload.targets:
        judged = judge(target, subject, case, measured)
        if judged is not None:
            text, value = judged
            result.append(Verdict(text, target.limit, value, value.median <= target.limit))
    return result


def judge(
    target: Target, subject: Series, case: str, measured: Measured
) -> tuple[str, Spread] | None:
    """Return a target's wording and its figure; None where it cannot be judged."""
    if target.memory:
        if not subject.peaks:
            return None
        return "peak memory, MB", spread([peak / 1e6 for peak in subject.peaks])
    if target.growth_from:
        small = measured[target.growth_from, SUBJECT]
        ratio = paired_ratios(subject.seconds, small.seconds)
        return f"time at {case} / at {target.growth_from}", ratio
    other = measured.get((case, target.ratio_to or target.beyond))
    if other is None:
        return None
    if target.ratio_to:
        return f"{SUBJECT} / {target.ratio_to}", paired_ratios(subject.seconds, other.seconds)
    above = [seconds * 1e3 for seconds in subject.seconds]
    below = [seconds * 1e3 for seconds in other.seconds]
    return f"{SUBJECT} - {target.beyond}, ms", paired_differences(above, below)


def agreement(workload: Workload, measured: Measured) -> Agreement | None:
    """Hold every framework's results of every round against those of the first framework."""
    if not workload.result:
        return None
    reference = next(iter(measured))[1]
    first, last, deviation = {}, {}, {}
    for (case, framework), series in measured.items():
        expected = measured[case, reference].results[0]
        first[case, framework] = series.results[0][0]
        last[case, framework] = series.results[0][-1]
        deviation[case, framework] = max(largest_deviation(r, expected) for r in series.results)
    holds = all(value <= workload.tolerance for value in deviation.values())
    return Agreement(reference, first, last, deviation, holds)


def largest_deviation(results: Sequence[float], expected: Sequence[float]) -> float:
    """Return how far results lie from what was expected: absolutely below one, relatively above.

    Infinite where a result is not finite or their numbers differ.

    >>> largest_deviation([0.5, 101.0], [0.25, 100.0])
    0.25
    """
    if len(results) != len(expected) or not all(math.isfinite(r) for r in results):
        return math.inf
    pairs = zip(results, expected, strict=True)
    return max(abs(result - e) / max(1.0, abs(e)) for result, e in pairs)
