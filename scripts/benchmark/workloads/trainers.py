"""nnlite's Trainer beside the loop that it takes the place of, and what its extras cost."""

from benchmark.workloads.kinds import Case, Target, Workload
from benchmark.workloads.layered import SGD, TEN_LAYERS

TRAINING = {"layers": [30, 64, 32, 1], "batch": 32, "steps": 128, "epochs": 24, **SGD}
CACHED = {**TEN_LAYERS, "frozen": 9, "epochs": 20, "trainer": True}

TRAINERS = (
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
)
