"""Training steps of networks with convolutions, attention and recurrence."""

from benchmark.workloads.kinds import Case, Target, Workload


def network(
    name: str, title: str, details: str, batch: int, steps: int, limit: float, rounds: int
) -> Workload:
    """Return the workload of a network in `frameworks/networks.py`, which torch runs, too."""
    return Workload(
        name=name,
        title=title,
        details=details,
        unit="step",
        program=name,
        frameworks=("nnlite", "torch"),
        cases=(Case("", {"batch": batch, "steps": steps}, {"batch": 4, "steps": 2}),),
        targets=(Target(limit, ratio_to="torch"),),
        rounds=rounds,
        tolerance=1e-3,
    )


NETWORKS = (
    network(
        "lenet",
        "LeNet-5-like CNN, 28 × 28",
        "batch 64, 6 and 16 kernels 5 × 5, max pooling, 400-120-84-10, ReLU, SGD with momentum",
        batch=64, steps=10, limit=1.0, rounds=15,
    ),
    network(
        "vgg",
        "VGG-like CNN with BatchNorm, 3 × 32 × 32",
        "batch 32, 64-64-pool-128-128-pool-256-256-pool-10, kernels 3 × 3, SGD with momentum",
        batch=32, steps=2, limit=1.2, rounds=9,
    ),
    network(
        "transformer",
        "two transformer blocks, d 128",
        "4 heads, 64 tokens, batch 16, 512 features inside, GELU, norm first, 10 classes, AdamW",
        batch=16, steps=6, limit=1.1, rounds=15,
    ),
    network(
        "lstm",
        "LSTM, 64 hidden, 32 steps",
        "batch 32, 16 features, the last state to 10 classes, Adam",
        batch=32, steps=20, limit=1.0, rounds=15,
    ),
)  # fmt: skip
