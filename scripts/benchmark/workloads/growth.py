"""How the time of a step grows with the network's depth, width, batch and number of tensors.

The sizes begin where the arithmetic of a step outweighs the calls in both frameworks: below
that a framework with dearer calls starts higher, and so seems to grow more slowly.
"""

from collections.abc import Iterable
from typing import Any

from benchmark.workloads.kinds import Case, Target, Workload
from benchmark.workloads.layered import SGD

NOISE = 0.03
"""By how much an exponent may lie above torch's: it is uncertain by about that much."""


def growth(
    axis: str, details: str, program: str, cases: Iterable[tuple[int, dict[str, Any]]]
) -> Workload:
    """Return the workload of one axis; its cases are sizes and what the program receives."""
    smoke = {"steps": 2}
    return Workload(
        name=f"growth_{axis}",
        title=f"growth with {axis}",
        details=details,
        unit="step",
        program=program,
        frameworks=("nnlite", "torch"),
        cases=tuple(Case(f"{size:,}", sizes, smoke, at=size) for size, sizes in cases),
        targets=(Target(NOISE, exponent_beyond="torch"),),
        rounds=9,
        axis=axis,
    )


def layers(widths: list[int], batch: int, steps: int) -> dict[str, Any]:
    """Return the sizes of a training step of linear layers."""
    return {"layers": widths, "batch": batch, "steps": steps, **SGD}


GROWTH = (
    growth(
        "depth",
        "linear layers 128 wide with ReLU, batch 128, SGD with momentum",
        "mlp_step",
        [(n, layers([128] * n + [1], 128, max(2, 128 // n))) for n in (4, 16, 64, 256)],
    ),
    growth(
        "width",
        "three linear layers with ReLU, batch 128, SGD with momentum",
        "mlp_step",
        [(n, layers([n, n, n, 1], 128, 4096 // n)) for n in (256, 512, 1024, 2048)],
    ),
    growth(
        "batch",
        "784-512-256-1, SGD with momentum",
        "mlp_step",
        [(n, layers([784, 512, 256, 1], n, 2048 // n + 1)) for n in (128, 512, 2048)],
    ),
    growth(
        "tensors",
        "4,096 parameters in so many tensors, joined by cat, batch 32, Adam",
        "many_tensors",
        [
            (n, {"features": 4096, "batch": 32, "tensors": n, "steps": 20, "lr": 1e-3})
            for n in (4, 16, 64, 256, 1024)
        ],
    ),
)
