"""Measure by how much 10,000 training steps let the process grow: by less than 1 MB each.

    python3 scripts/memory.py                    10,000 steps of each kind of training
    python3 scripts/memory.py --steps 500        fewer
    python3 scripts/memory.py --only cnn         one kind

Each kind of training runs in a process of its own: after a warm-up of a tenth of the steps (at
least 200) its memory is read, and again after the steps, both times after a garbage collection.
The exit status is 1 where one has grown by more. nnlite must be installed in the Python that runs
this (`pip install .`).
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import nnlite
from nnlite import nn
from nnlite.nn import functional as F
from nnlite.train import Callback, Checkpoint, ClipGradNorm, Doctor, EarlyStopping, Trainer

LIMIT = 1_000_000  # bytes
LEAST_WARM_UP = 200  # steps

Tick = Callable[[], None]


def main() -> int:
    """Measure each kind of training, print the figures, return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=10_000, help="after warm-up (default: 10000)")
    parser.add_argument("--only", choices=TRAININGS, action="append", help="this kind; repeatable")
    parser.add_argument("--worker", choices=TRAININGS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps must be 1 or more, got {options.steps}")
    if options.worker:
        print(growth(options.worker, options.steps))
        return 0
    failed = False
    for name in options.only or TRAININGS:
        command = [sys.executable, __file__, "--worker", name, "--steps", str(options.steps)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        grown = int(done.stdout)
        verdict = "ok" if grown < LIMIT else f"more than {LIMIT / 1e6:g} MB"
        print(f"{name:10} {options.steps} steps: {grown / 1e6:+.3f} MB, {verdict}", flush=True)
        failed |= grown >= LIMIT
    return int(failed)


def growth(name: str, steps: int) -> int:
    """The bytes by which the process has grown in ``steps`` steps after the warm-up.

    Raises:
        RuntimeError: the training ended too early.
    """
    warm_up = max(LEAST_WARM_UP, steps // 10)
    done = 0
    sizes = []

    def tick() -> None:
        nonlocal done
        done += 1
        if done in (warm_up, warm_up + steps):
            gc.collect()
            sizes.append(resident())

    nnlite.manual_seed(0)
    TRAININGS[name](tick, warm_up + steps)
    if len(sizes) != 2:
        raise RuntimeError(f"{name}: {done} steps instead of {warm_up + steps}")
    return sizes[1] - sizes[0]


def resident() -> int:
    """The memory of this process in bytes: what it has now, or where that is unknown its peak."""
    if sys.platform == "win32":
        return working_set()
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def working_set() -> int:
    """The working set of this process on Windows, in bytes."""
    import ctypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS of psapi.h."""

        _fields_ = [
            ("cb", ctypes.c_uint32),
            ("faults", ctypes.c_uint32),
            *((name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "e", "f")),
        ]

    counters = Counters(cb=ctypes.sizeof(Counters))
    windll = getattr(ctypes, "windll")  # noqa: B009  elsewhere there is none
    process = ctypes.c_void_p(windll.kernel32.GetCurrentProcess())
    windll.psapi.GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb)
    return int(counters.now)


def breast_cancer() -> tuple[nnlite.Tensor, nnlite.Tensor]:
    """The built-in data, standardised."""
    x, y = nnlite.datasets.breast_cancer()
    return (x - x.mean(dim=0)) / x.std(dim=0), y.unsqueeze(1).float()


def network() -> nn.Module:
    """A network of 30-64-32-1 units."""
    return nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
    )


def mlp(tick: Tick, steps: int) -> None:
    """A network with Adam, batches drawn at random."""
    x, y = breast_cancer()
    model = network()
    optimizer = nnlite.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        chosen = nnlite.randint(0, len(x), (32,))
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
        tick()


class Ticker(Callback):
    """Counts the steps of a Trainer."""

    def __init__(self, tick: Tick) -> None:
        self.tick = tick

    def on_step_end(self, trainer: Trainer) -> None:
        """Count one."""
        self.tick()


def trainer(tick: Tick, steps: int) -> None:
    """The Trainer with callbacks, metrics, validation and checkpoints; epochs of 100 steps."""
    x, y = breast_cancer()
    model = network()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [
            ClipGradNorm(1.0),
            EarlyStopping(patience=steps),
            Checkpoint(os.path.join(folder, "checkpoint"), every=10),
            Doctor(),
            Ticker(tick),
        ]
        loss = nn.BCEWithLogitsLoss()
        trained = Trainer(model, optimizer, loss, ["accuracy"], callbacks, progress=False)
        epochs = -(-steps // 100)
        trained.fit((x[:400], y[:400]), (x[400:], y[400:]), epochs=epochs, batch_size=4)


def loop(tick: Tick, steps: int) -> None:
    """A loop of one's own over a DataLoader, watched by a Doctor; the losses are summed up."""
    x, y = breast_cancer()
    data = nnlite.utils.data.TensorDataset(x, y)
    loader = nnlite.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    model = network()
    optimizer = nnlite.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    done = 0
    with Doctor(model, optimizer):
        while done < steps:
            total = 0.0
            for xb, yb in loader:
                optimizer.zero_grad()
                loss = F.binary_cross_entropy_with_logits(model(xb), yb)
                loss.backward()
                optimizer.step()
                total += loss.item()
                done += 1
                tick()


def cnn(tick: Tick, steps: int) -> None:
    """Two convolutions by their functions, pooling and dropout, on the digits."""
    x, y = nnlite.datasets.digits()
    x = x.reshape(-1, 1, 8, 8)
    first = nn.Parameter(nnlite.randn(4, 1, 3, 3) * 0.3)
    second = nn.Parameter(nnlite.randn(8, 4, 3, 3) * 0.2)
    head = nn.Linear(32, 10)
    optimizer = nnlite.optim.SGD([first, second, *head.parameters()], lr=0.01, momentum=0.9)
    for _ in range(steps):
        chosen = nnlite.randint(0, len(x), (8,))
        h = F.max_pool2d(F.relu(F.conv2d(x[chosen], first, padding=1)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, second, padding=1)), 2)
        optimizer.zero_grad()
        F.cross_entropy(head(F.dropout(h.flatten(1), 0.2)), y[chosen]).backward()
        optimizer.step()
        tick()


TRAININGS: dict[str, Callable[[Tick, int], None]] = {
    "mlp": mlp,
    "trainer": trainer,
    "loop": loop,
    "cnn": cnn,
}


if __name__ == "__main__":
    sys.exit(main())
