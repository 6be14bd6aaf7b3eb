"""From timed rounds to figures: medians, quartiles, paired ratios, growth, targets, agreement."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, median, quantiles

from benchmark.frameworks import FRAMEWORKS
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
    """What became of a target.

    Args:
        target: the target.
        text: its figure, in words.
        value: its figure, in the target's unit; None where it was not measured.
    """

    target: Target
    text: str
    value: Spread | None

    @property
    def holds(self) -> bool:
        """Whether it was measured and its median is within the limit."""
        return self.value is not None and self.value.median <= self.target.limit


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


def exponents(workload: Workload, measured: Measured) -> dict[str, Spread]:
    """Return with which power of the size each framework's time grows, round by round.

    Empty where the workload has no axis.
    """
    if not workload.axis:
        return {}
    frameworks = dict.fromkeys(framework for _, framework in measured)
    return {name: spread(round_exponents(workload, measured, name)) for name in frameworks}


def round_exponents(workload: Workload, measured: Measured, framework: str) -> list[float]:
    """Return a framework's exponent of growth in each round."""
    sizes = [case.at for case in workload.cases]
    series = [measured[case.name, framework].seconds for case in workload.cases]
    return [exponent(sizes, times) for times in zip(*series, strict=True)]


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """Return the least-squares slope of log time over log size.

    >>> round(exponent([1, 10, 100], [3.0, 300.0, 30_000.0]), 6)
    2.0
    """
    return linear_regression([math.log(s) for s in sizes], [math.log(t) for t in times]).slope


def verdicts(workload: Workload, measured: Measured) -> list[Verdict]:
    """Return what became of each target; none where the subject was not measured.

    Targets of speed are judged in the last case.
    """
    if (workload.cases[-1].name, SUBJECT) not in measured:
        return []
    return [
        Verdict(target, wording(workload, target), figure_of(workload, target, measured))
        for target in workload.targets
    ]


def wording(workload: Workload, target: Target) -> str:
    """Return a target's figure in words.

    >>> from benchmark.workloads import WORKLOADS
    >>> wording(WORKLOADS[0], WORKLOADS[0].targets[0])
    'nnlite / numpy'
    """
    if target.memory:
        return "peak memory, MB"
    if target.growth_from:
        return f"{workload.cases[-1].name} / {target.growth_from}"
    if target.exponent_beyond:
        return f"exponent of growth, {SUBJECT} - {target.exponent_beyond}"
    if target.ratio_to:
        return f"{SUBJECT} / {target.ratio_to}"
    return f"{SUBJECT} - {target.beyond}, ms"


def figure_of(workload: Workload, target: Target, measured: Measured) -> Spread | None:
    """Return a target's figure; None where it was not measured."""
    case = workload.cases[-1].name
    subject = measured[case, SUBJECT]
    if target.memory:
        return spread([peak / 1e6 for peak in subject.peaks]) if subject.peaks else None
    if target.growth_from:
        return paired_ratios(subject.seconds, measured[target.growth_from, SUBJECT].seconds)
    name = target.ratio_to or target.beyond or target.exponent_beyond
    other = measured.get((case, name))
    if other is None:
        return None
    if target.ratio_to:
        return paired_ratios(subject.seconds, other.seconds)
    if target.exponent_beyond:
        above = round_exponents(workload, measured, SUBJECT)
        return paired_differences(above, round_exponents(workload, measured, name))
    above = [seconds * 1e3 for seconds in subject.seconds]
    return paired_differences(above, [seconds * 1e3 for seconds in other.seconds])


def agreement(workload: Workload, measured: Measured) -> Agreement | None:
    """Hold every framework's results of every round against those of the first framework.

    None where there are no results; a framework that computes none is left out.
    """
    trained = {key: series for key, series in measured.items() if FRAMEWORKS[key[1]].trains}
    if not workload.result or not trained:
        return None
    reference = next(iter(trained))[1]
    first, last, deviation = {}, {}, {}
    for (case, framework), series in trained.items():
        expected = trained[case, reference].results[0]
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
