"""nnlite's Trainer beside the loop of five lines that it takes the place of."""

import io
import os
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from importlib import import_module
from typing import Any

from benchmark.data import batches, weights
from benchmark.frameworks.program import Program


class Terminal(io.TextIOBase):
    """What a progress bar takes for a terminal: a pseudo-terminal where the system has them."""

    def __init__(self) -> None:
        self.ends: tuple[int, int] | None = None
        with suppress(ImportError, OSError):
            import pty

            self.ends = pty.openpty()
            os.set_blocking(self.ends[0], False)

    def write(self, text: str) -> int:
        """Write, and read at the other end, as whoever watches does."""
        if self.ends is not None:
            os.write(self.ends[1], text.encode())
            with suppress(BlockingIOError):
                os.read(self.ends[0], 1 << 16)
        return len(text)

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


def trainer_overhead(package: str, sizes: dict[str, Any]) -> Program:
    """Epochs over array data, by a loop of one's own or by the Trainer with its progress bar.

    Both get the same loader and do the same steps; the Trainer also measures the mean loss, keeps
    a history, can go back to the end of each epoch, and draws its bar on a terminal.
    """
    lite = import_module(package)
    train = import_module(f"{package}.train")
    arrays = batches(sizes["layers"][0], sizes["batch"], sizes["steps"])
    x = lite.cat([lite.tensor(x) for x, _ in arrays])
    y = lite.cat([lite.tensor(y) for _, y in arrays])
    data = import_module(f"{package}.utils.data").TensorDataset(x, y)
    loader_of = import_module(f"{package}.utils.data").DataLoader
    terminal = Terminal()

    def prepare() -> Callable[[], list[float]]:
        lite.manual_seed(0)
        modules: list[Any] = []
        for weight, bias in weights(sizes["layers"]):
            layer = lite.nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": lite.tensor(weight), "bias": lite.tensor(bias)})
            modules += [layer, lite.nn.ReLU()]
        model = lite.nn.Sequential(*modules[:-1])
        model[: 2 * sizes.get("frozen", 0)].requires_grad_(False)
        loss_fn = lite.nn.BCEWithLogitsLoss()
        optimizer = lite.optim.SGD(model.parameters(), lr=sizes["lr"], momentum=sizes["momentum"])
        loader = loader_of(data, sizes["batch"], shuffle=True)

        def loop() -> list[float]:
            for _ in range(sizes["epochs"]):
                for xb, yb in loader:
                    optimizer.zero_grad()
                    loss = loss_fn(model(xb), yb)
                    loss.backward()
                    optimizer.step()
            return [loss.item()]

        def fit() -> list[float]:
            trainer = train.Trainer(
                model, optimizer, loss_fn, progress=True, doctor=sizes.get("doctor", False),
                cache_frozen=sizes.get("cache", False),
            )  # fmt: skip
            with redirect_stderr(terminal):
                trainer.fit(loader, epochs=sizes["epochs"])
            return [trainer.batch_loss]

        return fit if sizes["trainer"] else loop

    return Program(sizes["epochs"] * sizes["steps"], prepare)
