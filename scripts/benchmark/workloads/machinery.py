"""What an operation, a graph and a loader cost beyond the arithmetic."""

from benchmark.workloads.kinds import Case, Target, Workload
from benchmark.workloads.layered import TINY

MACHINERY = (
    Workload(
        name="chain",
        title="chain of 1,000 additions",
        details="y = y + x, forward and backward",
        unit="addition",
        program="chain",
        frameworks=("numpy", "nnlite", "torch"),
        cases=(Case("", {"additions": 1_000, "repeats": 20}, {"repeats": 2}),),
        targets=(Target(0.4, ratio_to="torch"),),
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
        frameworks=("numpy", "nnlite", "torch"),
        cases=(Case("", {"samples": 60_000, "features": 784, "batch": 128}, {"samples": 2_000}),),
        targets=(Target(0.1, ratio_to="torch"),),
        result="samples, labels",
        tolerance=0.0,
    ),
    Workload(
        name="explain",
        title="training step after nnlite.explain",
        details="30-64-32-1, batch 32; a process each, in one a loss was explained before",
        unit="step",
        program="explain_overhead",
        frameworks=("nnlite",),
        cases=(
            Case("without", {**TINY, "explain": False}, {"steps": 60}),
            Case("with", {**TINY, "explain": True}, {"steps": 60}),
        ),
        targets=(Target(1.02, growth_from="without"),),
        rounds=96,
        starts=12,
        apart=True,
    ),
)
