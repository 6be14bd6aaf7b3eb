"""Build, differentiate and free very deep and very wide graphs, and see that the cost is linear.

    python3 scripts/deep.py                      a million operations, a fan of a hundred thousand
    python3 scripts/deep.py --operations 10000   smaller (the fan is a tenth of it)

Each graph is built at a quarter of the size and at full size, with the garbage collector off and
Python's recursion limit as it is. The exit status is 1 when a result is wrong, a node survives its
tensor, or an operation costs more than three times as much in the large graph as in the small one.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import nnlite
from nnlite.autograd import Function, detect_anomaly, grad
from nnlite.utils.checkpoint import checkpoint

Times = tuple[float, float, float]  # seconds to build, to differentiate, to free


class Copy(Function):
    """y = x, with a saved value."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        """A copy of the input."""
        ctx.save_for_backward(x)
        return x * 1.0

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        """The gradient as it is."""
        return g * 1.0


def chain(step: Callable[[Any], Any]) -> Callable[[Any, int], Any]:
    """``size`` operations, one after the other."""

    def build(x: Any, size: int) -> Any:
        y = x
        for _ in range(size):
            y = step(y)
        return y

    return build


def in_checkpoints(x: Any, size: int) -> Any:
    """A chain in parts of a thousand operations, each under a checkpoint."""
    for _ in range(size // 1000):
        x = checkpoint(chain(lambda y: y * 1.0), x, 1000)
    return chain(lambda y: y * 1.0)(x, size % 1000)


def under_detection(x: Any, size: int) -> Any:
    """A chain that anomaly detection looks at."""
    with detect_anomaly():
        return chain(lambda y: y * 1.0)(x, size)


def hooked(y: Any) -> Any:
    """One operation whose gradient two hooks see."""
    y = y * 1.0
    y.register_hook(lambda g: None)
    y.grad_fn.register_hook(lambda inputs, outputs: None)
    return y


def twice(x: Any, size: int) -> Any:
    """The derivative of a chain of products, which is a chain of products itself."""
    w = nnlite.ones(1, dtype=x.dtype, requires_grad=True)
    (g,) = grad(chain(lambda y: y * w)(x, size), x, create_graph=True)
    return g * x


def fan(x: Any, size: int) -> Any:
    """One value used ``size`` times, and all uses brought together again."""
    return nnlite.cat([x * 1.0 for _ in range(size)]).sum() / size


# name: (the graph, its part of the full size)
GRAPHS: dict[str, tuple[Callable[[Any, int], Any], float]] = {
    "sums": (chain(lambda y: y + 1.0), 1),
    "products": (chain(lambda y: y * 1.0), 1),
    "views": (chain(lambda y: y.reshape(1)), 1),
    "custom functions": (chain(Copy.apply), 0.25),
    "hooks": (chain(hooked), 0.25),
    "checkpoints": (in_checkpoints, 0.25),
    "anomaly detection": (under_detection, 0.1),
    "second derivatives": (twice, 0.25),
    "fan": (fan, 0.1),
}


def measure(build: Callable[[Any, int], Any], size: int) -> Times:
    """Build a graph whose derivative is 1, differentiate it, and build and drop it once more.

    Raises:
        AssertionError: when the derivative is another one, or a dropped graph lives on.
    """
    x = nnlite.ones(1, dtype=nnlite.float64, requires_grad=True)
    start = time.perf_counter()
    y = build(x, size)
    built = time.perf_counter()
    y.sum().backward()
    differentiated = time.perf_counter()
    assert x.grad is not None
    assert abs(x.grad.item() - 1) < 1e-9, f"the derivative is {x.grad.item()}"
    y = build(x, size)
    node = weakref.ref(y.grad_fn)
    dropped = time.perf_counter()
    del y
    freed = time.perf_counter() - dropped
    assert node() is None, "the graph is still there after its last tensor"
    return built - start, differentiated - built, freed


def run(operations: int, check_times: bool = True) -> bool:
    """Measure all graphs and print a table; whether everything is as it should be."""
    print("graph                    size   build  differentiate   free   µs each   at a quarter")
    good = True
    for name, (build, part) in GRAPHS.items():
        size = max(4, int(operations * part))
        small = sum(measure(build, size // 4)) / (size // 4)
        times = measure(build, size)
        large = sum(times) / size
        linear = large < 3 * small or not check_times
        good = good and linear
        print(
            f"{name:<20} {size:>8}  {times[0]:5.2f}s        {times[1]:5.2f}s  {times[2]:4.2f}s"
            f"     {large * 1e6:5.1f}          {small * 1e6:5.1f}"
            + ("" if linear else "  NOT LINEAR"),
            flush=True,
        )
    return good


def main() -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--operations", type=int, default=1_000_000, help="the full size")
    options = parser.parse_args()
    if options.operations < 100:
        parser.error("--operations must be 100 or more")
    gc.disable()
    return 0 if run(options.operations) else 1


if __name__ == "__main__":
    sys.exit(main())
