"""The table of workloads: what is measured, by whom it can be run, and the targets.

A workload's `program` names what the frameworks run. Where a framework's file has that program
already (another size of network, say), a new entry below is all that a new workload needs;
otherwise each framework that takes part gets one function of that name.
"""

from dataclasses import dataclass, field
from typing import Any

SUBJECT = "nnlite"
"""The framework that targets are about, and that every other one is compared with."""


@dataclass(frozen=True)
class Target:
    """An upper limit for one figure of nnlite; the median over the rounds must not exceed it.

    Exactly one of the last four says which figure is meant.

    Args:
        limit: the limit: a ratio, milliseconds (`beyond`) or megabytes (`memory`).
        ratio_to: nnlite's time divided by this framework's.
        beyond: nnlite's time minus this framework's, in milliseconds.
        growth_from: nnlite's time per unit in the last case divided by that in this case.
        memory: nnlite's peak memory in MB (10**6 bytes).
    """

    limit: float
    ratio_to: str = ""
    beyond: str = ""
    growth_from: str = ""
    memory: bool = False


@dataclass(frozen=True)
class Case:
    """One size of a workload.

    Args:
        name: shown in the table; empty where the workload has one case only.
        sizes: what the program receives.
        smoke: entries that replace those of `sizes` under `--smoke`.
    """

    name: str
    sizes: dict[str, Any]
    smoke: dict[str, Any] = field(default_factory=dict)


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
        result: what the compared results are ("loss"); empty where there are none.
        tolerance: how far results may differ between frameworks: absolutely where the result
            is below one in size, relatively above.
        process: whether a run is a whole fresh process rather than a turn of a worker.
        memory: report the peak memory of its processes.
        difference: compare times by difference instead of by ratio.
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
    result: str = "loss"
    tolerance: float = 1e-5
    process: bool = False
    memory: bool = False
    difference: bool = False


ALL = ("numpy", "nnlite", "torch", "sklearn")
SGD = {"lr": 0.05, "momentum": 0.9}
TRAINING = {"layers": [30, 64, 32, 1], "batch": 32, "steps": 128, "epochs": 24, **SGD}
TEN_LAYERS = {"layers": [256] * 10 + [1], "batch": 128, "steps": 20, **SGD}
CACHED = {**TEN_LAYERS, "frozen": 9, "epochs": 20, "trainer": True}


def reading(name: str, suffix: str) -> Workload:
    """Return the workload of reading weights in one format."""
    return Workload(
        name=name,
        title=f"reading 1 GB of weights, {suffix}",
        details="numpy: the file's bytes alone, into one array; the file lies in the page cache",
        unit="file",
        program="read_weights",
        frameworks=("numpy", "nnlite"),
        cases=(Case("", {"megabytes": 1000, "suffix": suffix}, {"megabytes": 9}),),
        targets=(Target(1.2, ratio_to="numpy"), Target(1100.0, memory=True)),
        rounds=9,
        result="share of the file",
        tolerance=1e-3,
        process=True,
        memory=True,
    )


WORKLOADS = (
    Workload(
        name="tiny_step",
        title="training step, 30-64-32-1",
        details="batch 32, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=ALL,
        cases=(
            Case("", {"layers": [30, 64, 32, 1], "batch": 32, "steps": 500, **SGD}, {"steps": 60}),
        ),
        targets=(Target(1.3, ratio_to="numpy"), Target(0.3, ratio_to="torch")),
    ),
    Workload(
        name="medium_step",
        title="training step, 784-512-256-1",
        details="batch 128, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=ALL,
        cases=(
            Case(
                "", {"layers": [784, 512, 256, 1], "batch": 128, "steps": 20, **SGD}, {"steps": 4}
            ),
        ),
    ),
    Workload(
        name="frozen",
        title="training step, nine of ten layers frozen",
        details="256 wide, batch 128, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=("nnlite", "torch"),
        cases=(
            Case("none frozen", TEN_LAYERS, {"steps": 4}),
            Case("nine frozen", {**TEN_LAYERS, "frozen": 9}, {"steps": 4}),
        ),
        targets=(Target(0.45, growth_from="none frozen"),),
    ),
    Workload(
        name="cached",
        title="Trainer with cached features, nine of ten layers frozen",
        details="256 wide, batch 128, 20 steps an epoch, 20 epochs; the cache's making included",
        unit="step",
        program="trainer_overhead",
        frameworks=("nnlite",),
        cases=(
            Case("without", CACHED, {"epochs": 1}),
            Case("cached", {**CACHED, "cache": True}, {"epochs": 1}),
        ),
        targets=(Target(0.25, growth_from="without"),),
    ),
    Workload(
        name="trainer_overhead",
        title="Trainer beside a five-line loop",
        details="30-64-32-1, batch 32, 128 steps an epoch, progress bar on a terminal",
        unit="step",
        program="trainer_overhead",
        frameworks=("nnlite",),
        cases=(
            Case("loop", {**TRAINING, "trainer": False}, {"epochs": 1}),
            Case("Trainer", {**TRAINING, "trainer": True}, {"epochs": 1}),
        ),
        targets=(Target(1.1, growth_from="loop"),),
        rounds=21,
    ),
    Workload(
        name="doctor_overhead",
        title="Trainer watched by its doctor",
        details="30-64-32-1, batch 32, 128 steps an epoch, 20,480 steps",
        unit="step",
        program="trainer_overhead",
        frameworks=("nnlite",),
        cases=(
            Case("without", {**TRAINING, "epochs": 160, "trainer": True}, {"epochs": 1}),
            Case(
                "with", {**TRAINING, "epochs": 160, "trainer": True, "doctor": True}, {"epochs": 1}
            ),
        ),
        targets=(Target(1.02, growth_from="without"),),
        rounds=21,
    ),
    Workload(
        name="chain",
        title="chain of 1,000 additions",
        details="y = y + x, forward and backward",
        unit="addition",
        program="chain",
        frameworks=("nnlite", "torch"),
        cases=(Case("", {"additions": 1_000, "repeats": 20}, {"repeats": 2}),),
        targets=(Target(0.45, ratio_to="torch"),),
        result="value, gradient",
        tolerance=1e-6,
    ),
    Workload(
        name="chain_growth",
        title="chain of additions as it grows",
        details="y = y + x, forward and backward",
        unit="addition",
        program="chain",
        frameworks=("nnlite",),
        cases=(
            Case("1,000", {"additions": 1_000, "repeats": 20}, {"repeats": 2}),
            Case("10,000", {"additions": 10_000, "repeats": 5}, {"additions": 2_000, "repeats": 1}),
            Case("100,000", {"additions": 100_000, "repeats": 1}, {"additions": 4_000}),
        ),
        targets=(Target(1.25, growth_from="1,000"),),
        result="value, gradient",
        tolerance=1e-6,
    ),
    Workload(
        name="loader",
        title="batches of a DataLoader",
        details="60,000 × 784 float32 in memory, batch 128, shuffled, without training",
        unit="batch",
        program="loader",
        frameworks=("nnlite", "torch"),
        cases=(Case("", {"samples": 60_000, "features": 784, "batch": 128}, {"samples": 2_000}),),
        targets=(Target(0.1, ratio_to="torch"),),
        result="samples, labels",
        tolerance=0.0,
    ),
    reading("read_safetensors", ".safetensors"),
    reading("read_pytorch", ".pt"),
    Workload(
        name="cold_start",
        title="cold start to a trained model",
        details="import, 100 epochs on breast cancer, test accuracy, exit",
        unit="process",
        program="cold_start",
        frameworks=ALL,
        cases=(Case("", {"epochs": 100}, {"epochs": 20}),),
        targets=(
            Target(0.15, ratio_to="torch"),
            Target(0.35, ratio_to="sklearn"),
            Target(60.0, memory=True),
        ),
        rounds=7,
        result="test accuracy",
        tolerance=0.05,
        process=True,
        memory=True,
    ),
    Workload(
        name="import_time",
        title="import",
        details="the import statement in a fresh process",
        unit="import",
        program="import_time",
        frameworks=ALL,
        cases=(Case("", {}),),
        targets=(Target(40.0, beyond="numpy"),),
        rounds=25,
        result="",
        process=True,
        difference=True,
    ),
)
