"""What the table of workloads is made of: a workload, its cases, its targets."""

from dataclasses import dataclass, field
from typing import Any

SUBJECT = "nnlite"
"""The framework that targets are about, and that every other one is compared with."""


@dataclass(frozen=True)
class Target:
    """An upper limit for one figure of nnlite; the median over the rounds must not exceed it.

    Exactly one of the others says which figure is meant.

    Args:
        limit: the limit: a ratio, milliseconds (`beyond`) or megabytes (`memory`).
        ratio_to: nnlite's time divided by this framework's.
        beyond: nnlite's time minus this framework's, in milliseconds.
        growth_from: nnlite's time per unit in the last case divided by that in this case.
        memory: nnlite's peak memory in MB (10**6 bytes).
        exponent_beyond: nnlite's exponent of growth minus this framework's (see `Workload.axis`).
    """

    limit: float
    ratio_to: str = ""
    beyond: str = ""
    growth_from: str = ""
    memory: bool = False
    exponent_beyond: str = ""


@dataclass(frozen=True)
class Case:
    """One size of a workload.

    Args:
        name: shown in the table; empty where the workload has one case only.
        sizes: what the program receives.
        smoke: entries that replace those of `sizes` under `--smoke`.
        at: its place on the workload's axis, where that has one.
    """

    name: str
    sizes: dict[str, Any]
    smoke: dict[str, Any] = field(default_factory=dict)
    at: float = 0.0


@dataclass(frozen=True)
class Workload:
    """One thing to measure.

    Args:
        name: what `--only` takes.
        title: a few words for the table and the plot.
        details: the rest, in a few words more.
        unit: what one reported time is the time of.
        program: what the frameworks run: a name in `PROGRAMS` of each framework's file, or,
            for whole processes, in `processes.PROGRAMS`.
        frameworks: who can run it.
        cases: its sizes.
        targets: what nnlite must reach.
        rounds: how many rounds, unless `--rounds` says otherwise.
        starts: into how many parts the rounds are divided, each with fresh processes: where a
            process happens to have its arrays can change a short step's time by several percent.
        result: what the compared results are ("loss"); empty where there are none.
        tolerance: how far results may differ between frameworks: absolutely where the result
            is below one in size, relatively above.
        process: whether a run is a whole fresh process rather than a turn of a worker.
        memory: report the peak memory of its processes.
        difference: compare times by difference instead of by ratio.
        apart: each case has a process of its own.
        axis: what grows from case to case ("width"). Time is taken to grow as a power of it,
            whose exponent is the least-squares slope of log time over log size.
        needs: modules besides, without which nnlite cannot run it.
    """

    name: str
    title: str
    details: str
    unit: str
    program: str
    frameworks: tuple[str, ...]
    cases: tuple[Case, ...]
    targets: tuple[Target, ...] = ()
    rounds: int = 15
    starts: int = 3
    result: str = "loss"
    tolerance: float = 1e-5
    process: bool = False
    memory: bool = False
    difference: bool = False
    apart: bool = False
    axis: str = ""
    needs: tuple[str, ...] = ()
