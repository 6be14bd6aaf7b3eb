"""Kill a training at random moments, resume it each time, and see that nothing differs at the end.

    python3 scripts/kill.py                two hundred kills, some minutes
    python3 scripts/kill.py --kills 10     fewer
    python3 scripts/kill.py --seed 7       at other moments

Two trainings take turns, one with SGD and momentum, one with Adam. Both have shuffled batches, a
data set with a random generator of its own, dropout, BatchNorm, a frozen part, gradients that are
accumulated over three batches, clipping, a schedule, an average of the weights, early stopping, and
a checkpoint after every batch, so that most kills hit the writing of one. After each kill the
checkpoint must be readable; at the end of each training the weights, the statistics, the
optimizer, the average, the generators and the history must have the bytes of one that was never
disturbed. Exit status 1 when they do not.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nnlite
from nnlite import nn
from nnlite.io import load_checkpoint, save_checkpoint
from nnlite.optim import lr_scheduler
from nnlite.train import EMA, Checkpoint, ClipGradNorm, EarlyStopping, Schedule, Trainer
from nnlite.utils.data import DataLoader, Dataset

EPOCHS = 12
LONGEST = 0.3  # seconds that a training lives before it is killed
KINDS = ("SGD", "Adam")
CHECKPOINT, RESULT = "checkpoint", "result"


class Noisy(Dataset[Any]):
    """Two moons, with noise that is drawn anew each time a sample is fetched."""

    def __init__(self, count: int, seed: int) -> None:
        generator = nnlite.Generator().manual_seed(1)
        self.x, self.y = nnlite.datasets.moons(count, 0.3, generator)
        self.noise = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: Any) -> Any:
        shift = self.noise.standard_normal(2, dtype=np.float32) * np.float32(0.05)
        return self.x[index] + nnlite.tensor(shift), self.y[index]


def make(kind: str, path: str, seed: int) -> tuple[Trainer, DataLoader, Any]:
    """A trainer with its training and validation data.

    Args:
        kind: the name of the optimizer.
        path: where the checkpoint goes.
        seed: of all that is random; whatever a checkpoint did not bring back would differ by it.
    """
    nnlite.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(2, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(16, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Linear(16, 2),
    )
    model.freeze("4", "5")
    optimizer: Any
    if kind == "SGD":
        optimizer = nnlite.optim.SGD(
            model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3
        )
        schedule = Schedule(lr_scheduler.StepLR(optimizer, 5, gamma=0.7))
    else:
        optimizer = nnlite.optim.Adam(model.parameters(), lr=0.01)
        rates = lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=3 * EPOCHS + 1)
        schedule = Schedule(rates, per="step")
    callbacks = [
        Checkpoint(path, every_seconds=0),
        ClipGradNorm(1.0),
        schedule,
        EMA(0.9, warmup=True, evaluate=True),
        EarlyStopping("valid_loss", patience=EPOCHS),
    ]
    order = nnlite.Generator().manual_seed(seed + 1)
    train = DataLoader(Noisy(60, seed + 2), batch_size=8, shuffle=True, generator=order)
    valid = nnlite.datasets.moons(40, 0.3, nnlite.Generator().manual_seed(2))
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    trainer = Trainer(model, optimizer, loss, "accuracy", callbacks, progress=False, accumulate=3)
    return trainer, train, valid


def summary(trainer: Trainer) -> dict[str, Any]:
    """The state of a run, without the time that it took and what is seeded by the system."""
    state = trainer.state_dict()
    for row in state["history"]:
        del row["seconds"]
    del state["random"]["global"]
    return state


def train(folder: Path, kind: str) -> None:
    """Train in a folder, from where an earlier process was killed if there was one."""
    path = folder / CHECKPOINT
    trainer, data, valid = make(kind, str(path), seed=100 if path.exists() else 0)
    print("ready", flush=True)
    trainer.fit(data, valid, epochs=EPOCHS, resume=True)
    save_checkpoint(summary(trainer), folder / RESULT)


class Found(NamedTuple):
    """Where a killed training was, by its checkpoint."""

    epoch: int
    batch: int
    waiting: int
    cut: bool  # a temporary file was left: it was killed while it wrote


def start(folder: Path, kind: str) -> subprocess.Popen[str]:
    """A process that trains."""
    command = [sys.executable, __file__, "--train", str(folder), kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(folder: Path, kind: str) -> bytes:
    """Train to the end; the bytes of the result.

    Raises:
        RuntimeError: the training failed.
    """
    process = start(folder, kind)
    process.communicate()
    if process.returncode:
        raise RuntimeError(f"the training ended with status {process.returncode}")
    return (folder / RESULT).read_bytes()


def kill_once(folder: Path, kind: str, delay: float) -> Found | None:
    """Train for ``delay`` seconds, kill, and read the checkpoint; None if it had finished.

    Raises:
        ValueError: the checkpoint cannot be read.
        RuntimeError: the training ended by itself, with an error.
    """
    with start(folder, kind) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
    if (folder / RESULT).exists() and process.returncode == 0:
        return None
    if process.returncode > 0 and os.name != "nt":
        raise RuntimeError(f"the training ended with status {process.returncode}")
    left = list(folder.glob(".tmp-*"))
    for file in left:
        file.unlink()
    path = folder / CHECKPOINT
    if not path.exists():
        return Found(0, 0, 0, bool(left))
    tree = load_checkpoint(path)
    tally = tree["tally"] or {"batch": 0, "waiting": 0}
    return Found(tree["epoch"], tally["batch"], tally["waiting"], bool(left))


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """The places in which two trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {**one, **other}
            for found in differences(one.get(key), other.get(key), f"{where}[{key!r}]")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            d
            for i, (a, b) in enumerate(zip(one, other))
            for d in differences(a, b, f"{where}[{i}]")
        ]
    if isinstance(one, nnlite.Tensor) and isinstance(other, nnlite.Tensor):
        one, other = one.numpy().tobytes(), other.numpy().tobytes()
    return [] if repr(one) == repr(other) else [where]


def run(kills: int, seed: int, folder: Path, show: bool = True) -> bool:
    """Kill so often, in as many trainings as that takes; whether all ended with the same bytes."""
    drawn = random.Random(seed)
    expected: dict[str, bytes] = {}
    found: list[Found] = []
    same = True
    number = 0
    while len(found) < kills or number < len(KINDS):
        kind = KINDS[number % len(KINDS)]
        number += 1
        if kind not in expected:
            undisturbed = folder / f"undisturbed {kind}"
            undisturbed.mkdir()
            expected[kind] = finish(undisturbed, kind)
        here = folder / f"run {number}"
        here.mkdir()
        quota = kills - len(found) if number >= len(KINDS) else (kills + 1) // len(KINDS)
        while quota > 0:
            place = kill_once(here, kind, drawn.uniform(0, LONGEST))
            if place is None:
                break
            found.append(place)
            quota -= 1
            if show:
                print(_line(len(found), kills, kind, place), flush=True)
        equal = finish(here, kind) == expected[kind]
        same = same and equal
        if show:
            print(
                f"{kind}: killed and resumed, the end has {'the same' if equal else 'OTHER'} bytes"
            )
        if not equal:
            trees = [load_checkpoint(f / RESULT) for f in (folder / f"undisturbed {kind}", here)]
            print("they differ at " + ", ".join(differences(*trees)[:10]))
    if show:
        writing = sum(place.cut for place in found)
        inside = sum(place.batch > 0 for place in found)
        waiting = sum(place.waiting > 0 for place in found)
        print(
            f"{len(found)} kills in {number} trainings: {writing} left a file half written, "
            f"{inside} runs went on inside of an epoch, {waiting} with gradients accumulated. "
            + ("All ended with the bytes of undisturbed ones." if same else "NOT ALL ARE EQUAL.")
        )
    return same


def _line(count: int, kills: int, kind: str, place: Found) -> str:
    cut = ", while it wrote" if place.cut else ""
    return (
        f"kill {count} of {kills}: {kind}, epoch {place.epoch}, batch {place.batch}, "
        f"{place.waiting} waiting{cut}"
    )


def main() -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=200, metavar="N", help="how many (default: 200)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    parser.add_argument("--train", nargs=2, metavar=("FOLDER", "KIND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(Path(options.train[0]), options.train[1])
        return 0
    if options.kills < 1:
        parser.error("--kills must be 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(options.kills, options.seed, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
