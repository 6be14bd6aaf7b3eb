"""Training steps of a CNN, a deeper CNN, a transformer and an LSTM, for torch and nnlite.

Each network is made by a function of the package's name, data by another; the step around them
is one text for all four. Their parameters come from NumPy, in the order in which the model
gives them.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data import DIFFERENT_BATCHES, Array
from benchmark.frameworks.program import Program, Step, steps

CLASSES = 10


def lenet(torch: Any) -> tuple[Any, Any]:
    """Two convolutions with pooling, three linear layers; SGD with momentum."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, CLASSES),
    )
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def vgg(torch: Any) -> tuple[Any, Any]:
    """Six convolutions with BatchNorm, a pooling behind each pair; SGD with momentum."""
    nn = torch.nn
    layers: list[Any] = []
    channels = 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, CLASSES))
    return model, torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)


def transformer(torch: Any) -> tuple[Any, Any]:
    """Two encoder blocks over 64 tokens and a linear layer on their mean; AdamW."""
    nn = torch.nn

    class Classifier(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            block = nn.TransformerEncoderLayer(
                d_model=128,
                nhead=4,
                dim_feedforward=512,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
            self.head = nn.Linear(128, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(dim=1))

    model = Classifier()
    return model, torch.optim.AdamW(model.parameters(), lr=1e-3)


def lstm(torch: Any) -> tuple[Any, Any]:
    """One LSTM and a linear layer on its last hidden state; Adam."""
    nn = torch.nn

    class Classifier(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(16, 64, batch_first=True)
            self.head = nn.Linear(64, CLASSES)

        def forward(self, x: Any) -> Any:
            _, (hidden, _) = self.lstm(x)
            return self.head(hidden[-1])

    model = Classifier()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


NETWORKS: dict[str, tuple[Callable[[Any], tuple[Any, Any]], tuple[int, ...]]] = {
    "lenet": (lenet, (1, 28, 28)),
    "vgg": (vgg, (3, 32, 32)),
    "transformer": (transformer, (64, 128)),
    "lstm": (lstm, (32, 16)),
}
"""From a name to the function that makes model and optimizer, and the shape of one sample."""


def samples(
    shape: tuple[int, ...], batch: int, steps: int
) -> list[tuple[Array, NDArray[np.int64]]]:
    """Return one batch a step of standard normal inputs; the classes follow a random direction.

    Args:
        shape: of one sample.
        batch: samples in a batch.
        steps: how many batches are returned, at most 64 of them different.

    Returns:
        pairs of inputs (batch, *shape), float32, and classes (batch,), int64, 0 to 9.
    """
    rng = np.random.default_rng(0)
    different = min(steps, DIFFERENT_BATCHES)
    x = rng.standard_normal((different, batch, *shape), dtype=np.float32)
    direction = rng.standard_normal((int(np.prod(shape)), CLASSES), dtype=np.float32)
    y = (x.reshape(different, batch, -1) @ direction).argmax(axis=-1)
    return [(x[i % different], y[i % different]) for i in range(steps)]


def initialise(torch: Any, model: Any) -> None:
    """Fill matrices and kernels with numbers in ±1/√(inputs), biases with 0, scales with 1."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            shape = tuple(parameter.shape)
            if len(shape) > 1:
                bound = 1 / np.sqrt(np.prod(shape[1:]))
                values = rng.uniform(-bound, bound, shape).astype(np.float32)
            else:
                values = np.full(shape, 0.0 if "bias" in name else 1.0, np.float32)
            parameter.copy_(torch.tensor(values))


def steps_of(network: str) -> Callable[[str, dict[str, Any]], Program]:
    """Return the program that trains a network, cross-entropy its loss."""
    build, shape = NETWORKS[network]

    def program(package: str, sizes: dict[str, Any]) -> Program:
        torch = import_module(package)
        arrays = samples(shape, sizes["batch"], sizes["steps"])
        data = [(torch.tensor(x), torch.tensor(y)) for x, y in arrays]
        loss_fn = torch.nn.CrossEntropyLoss()

        def make_step() -> Step:
            model, optimizer = build(torch)
            initialise(torch, model)

            def step(x: Any, y: Any) -> Any:
                optimizer.zero_grad()
                loss = loss_fn(model(x), y)
                loss.backward()
                optimizer.step()
                return loss.item()

            return step

        return steps(data, make_step)

    return program


PROGRAMS = {name: steps_of(name) for name in NETWORKS}
