"""Networks of linear layers: training steps, one sample, frozen layers."""

from benchmark.workloads.kinds import Case, Target, Workload

SGD = {"lr": 0.05, "momentum": 0.9}
TINY = {"layers": [30, 64, 32, 1], "batch": 32, "steps": 300, **SGD}
CALLS = {**TINY, "layers": [1, 1, 1, 1], "batch": 1}
MEDIUM = {"layers": [784, 512, 256, 1], "batch": 128, "steps": 20, **SGD}
LARGE = {"layers": [1024, 2048, 2048, 1], "batch": 512, "steps": 2, **SGD}
COMPILED = {"captured": True, "backend": "numba", "untimed": 8}
CAPTURED = {"captured": True, "untimed": 8}
TINY_CAPTURED = (
    Target(0.75, ratio_to="numpy"),
    Target(0.14, ratio_to="torch"),
    Target(0.5, ratio_to="jax"),
)
TEN_LAYERS = {"layers": [256] * 10 + [1], "batch": 128, "steps": 20, **SGD}

LAYERED = (
    Workload(
        name="tiny_step",
        title="training step, 30-64-32-1",
        details="batch 32, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "sklearn", "jax", "mlx"),
        cases=(Case("", TINY, {"steps": 60}),),
        targets=(
            Target(1.1, ratio_to="numpy"),
            Target(0.2, ratio_to="torch"),
            Target(0.06, ratio_to="sklearn"),
            Target(0.8, ratio_to="jax"),
            Target(0.27, ratio_to="mlx"),
        ),
        rounds=24,
        starts=6,
    ),
    Workload(
        name="tiny_captured",
        title="captured training step, 30-64-32-1",
        details="the same step inside nnlite.compile; the first steps, which record it, untimed",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "jax"),
        cases=(Case("", {**TINY, **CAPTURED}, {"steps": 60}),),
        targets=TINY_CAPTURED,
        rounds=24,
        starts=6,
    ),
    Workload(
        name="tiny_compiled",
        title="captured training step by numba, 30-64-32-1",
        details="inside nnlite.compile(backend='numba'); the first steps, which compile, untimed",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "jax"),
        cases=(Case("", {**TINY, **COMPILED}, {"steps": 60}),),
        targets=TINY_CAPTURED,
        rounds=12,
        starts=4,
        needs=("numba", "scipy"),
    ),
    Workload(
        name="calls",
        title="training step, 1-1-1-1",
        details="batch 1, there is next to nothing to compute: what the calls cost",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "jax"),
        cases=(Case("", CALLS, {"steps": 60}),),
    ),
    Workload(
        name="calls_captured",
        title="captured training step, 1-1-1-1",
        details="the same step inside nnlite.compile; the first steps, which record it, untimed",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "jax"),
        cases=(Case("", {**CALLS, **CAPTURED}, {"steps": 60}),),
    ),
    Workload(
        name="medium_step",
        title="training step, 784-512-256-1",
        details="batch 128, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "sklearn", "jax", "products"),
        cases=(Case("", MEDIUM, {"steps": 4}),),
        targets=(
            Target(0.7, ratio_to="numpy"),
            Target(1.0, ratio_to="torch"),
            Target(0.9, ratio_to="jax"),
            Target(1.25, ratio_to="products"),
        ),
    ),
    Workload(
        name="medium_captured",
        title="captured training step, 784-512-256-1",
        details="the same step inside nnlite.compile; the first steps, which record it, untimed",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "products"),
        cases=(Case("", {**MEDIUM, **CAPTURED}, {"steps": 12}),),
    ),
    Workload(
        name="large_step",
        title="training step, 1024-2048-2048-1",
        details="batch 512, BCE with logits, SGD with momentum",
        unit="step",
        program="mlp_step",
        frameworks=("numpy", "nnlite", "torch", "jax", "products"),
        cases=(Case("", LARGE, {"layers": [64, 128, 128, 1], "batch": 32}),),
        targets=(
            Target(1.0, ratio_to="numpy"),
            Target(1.0, ratio_to="torch"),
            Target(1.0, ratio_to="jax"),
            Target(1.1, ratio_to="products"),
        ),
        rounds=12,
    ),
    Workload(
        name="one_sample",
        title="one sample through 30-64-32-1",
        details="no_grad entered, forward, the result read as a float",
        unit="sample",
        program="one_sample",
        frameworks=("numpy", "nnlite", "torch", "jax"),
        cases=(Case("", {"layers": [30, 64, 32, 1], "samples": 2_000}, {"samples": 50}),),
        targets=(Target(0.3, ratio_to="torch"), Target(1.0, ratio_to="jax")),
        result="logit",
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
)
