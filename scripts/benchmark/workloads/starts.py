"""Whole processes: starting, importing, reading files of weights."""

from benchmark.workloads.kinds import Case, Target, Workload

ALL = ("numpy", "nnlite", "torch", "sklearn", "jax")


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


STARTS = (
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
            Target(0.12, ratio_to="torch"),
            Target(0.3, ratio_to="sklearn"),
            Target(0.5, ratio_to="jax"),
            Target(45.0, memory=True),
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
        frameworks=(*ALL, "mlx"),
        cases=(Case("", {}),),
        targets=(Target(40.0, beyond="numpy"),),
        rounds=15,
        result="",
        process=True,
        difference=True,
    ),
)
