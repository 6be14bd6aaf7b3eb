"""The run that test_resume.py stops and takes up again; as a program it is one that gets killed.

It has everything that a resumed run could lose. `make` takes a seed, so that whatever the
checkpoint did not bring back would differ.
"""

import os
import signal
import sys

import nnlite
from nnlite import nn
from nnlite.io import atomic, save_checkpoint
from nnlite.train import Checkpoint, EarlyStopping, Trainer
from nnlite.utils.data import DataLoader, TensorDataset

EPOCHS = 30


def make(seed, *callbacks, patience=3, samples=60):
    """A trainer, its training and its validation data."""
    data = nnlite.datasets.moons(80, 0.3, nnlite.Generator().manual_seed(1))
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
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    train = DataLoader(
        TensorDataset(data.x[:samples], data.y[:samples]),
        batch_size=16,
        shuffle=True,
        generator=nnlite.Generator().manual_seed(seed + 1),
    )
    stopping = EarlyStopping("valid_accuracy", patience=patience)
    trainer = Trainer(model, optimizer, nn.CrossEntropyLoss(), ["accuracy"], [*callbacks, stopping])
    return trainer, train, (data.x[60:], data.y[60:])


def summary(trainer):
    """The state of a run without what may differ: the time it took, and who watched."""
    state = trainer.state_dict()
    state["history"] = [{**row, "seconds": 0.0} for row in state["history"]]
    for name in ("callbacks", "run"):
        del state[name]
    del state["random"]["global"]  # nothing here draws from it, and it is seeded by the system
    state["stopping"] = trainer.callbacks[-1].state_dict()
    return state


def die_at(name, number):
    """Be killed in the so-many-th call of a function of ``os`` by the writer of files."""
    before = getattr(os, name)
    left = number

    def die(*arguments):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return before(*arguments)

    setattr(atomic.os, name, die)


def main(path, result, victim, number):
    """Train, or go on training, and write the summary of the finished run."""
    if victim:
        die_at(victim, int(number))
    begun = os.path.exists(path)
    trainer, train, valid = make(5 if begun else 0, Checkpoint(path), patience=99)
    print("ready", flush=True)
    trainer.fit(train, valid, epochs=EPOCHS, resume=path if begun else None)
    save_checkpoint(summary(trainer), result)


if __name__ == "__main__":
    main(*sys.argv[1:])
