"""torch and nnlite, from one text: only the package that is imported differs."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from benchmark.data import batches, weights
from benchmark.frameworks.networks import PROGRAMS as NETWORKS
from benchmark.frameworks.program import Program, Step, steps
from benchmark.frameworks.training import trainer_overhead
from benchmark.workloads import SUBJECT


def layered(torch: Any, layers: list[int]) -> Any:
    """Make a ReLU network of linear layers with the shared weights."""
    nn = torch.nn
    modules: list[Any] = []
    state = {}
    for weight, bias in weights(layers):
        state[f"{len(modules)}.weight"] = torch.tensor(weight)
        state[f"{len(modules)}.bias"] = torch.tensor(bias)
        modules += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
    model = nn.Sequential(*modules[:-1])
    model.load_state_dict(state)
    return model


def mlp_step(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of a ReLU network, its first layers frozen (see `workloads`)."""
    torch = import_module(package)
    arrays = batches(sizes["layers"][0], sizes["batch"], sizes["steps"])
    data = [(torch.tensor(x), torch.tensor(y)) for x, y in arrays]

    def make_step() -> Step:
        model = layered(torch, sizes["layers"])
        model[: 2 * sizes.get("frozen", 0)].requires_grad_(False)
        loss_fn = torch.nn.BCEWithLogitsLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=sizes["lr"], momentum=sizes["momentum"])

        def train(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        if sizes.get("captured") and package == SUBJECT:
            train = torch.compile(train, backend=sizes.get("backend"))
        return lambda x, y: train(x, y).item()

    return steps(data, make_step, sizes.get("untimed", 0))


def explain_overhead(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps in a process that has explained a loss before, or has not."""
    if sizes["explain"]:
        lite = import_module(package)
        explain: Any = import_module(f"{package}.explain")
        (x, y), *_ = batches(sizes["layers"][0], sizes["batch"], 1)
        model = layered(lite, sizes["layers"])
        loss = lite.nn.BCEWithLogitsLoss()(model(lite.tensor(x)), lite.tensor(y))
        str(explain(loss))
    return mlp_step(package, sizes)


def one_sample(package: str, sizes: dict[str, Any]) -> Program:
    """Single samples through a ReLU network, as a service answers single requests."""
    torch = import_module(package)
    arrays = batches(sizes["layers"][0], 1, sizes["samples"])
    data = [torch.tensor(x) for x, _ in arrays]

    def prepare() -> Callable[[], list[float]]:
        model = layered(torch, sizes["layers"]).eval()

        def run() -> list[float]:
            logits = []
            for x in data:
                with torch.no_grad():
                    logits.append(model(x).item())
            return logits

        return run

    return Program(sizes["samples"], prepare)


def chain(package: str, sizes: dict[str, Any]) -> Program:
    """`y = y + x`, many times over, and back: what an operation costs beyond its arithmetic.

    `x` holds 32 numbers. Results are the sum of the last `y` and of the gradient: both are
    32 · (additions + 1), without round-off.
    """
    torch = import_module(package)
    additions, repeats = sizes["additions"], sizes["repeats"]

    def prepare() -> Callable[[], list[float]]:
        x = torch.ones(32, requires_grad=True)

        def run() -> list[float]:
            results = []
            for _ in range(repeats):
                x.grad = None
                y = x
                for _ in range(additions):
                    y = y + x
                total = y.sum()
                total.backward()
                results += [total.item(), x.grad.sum().item()]
            return results

        return run

    return Program(additions * repeats, prepare)


def loader(package: str, sizes: dict[str, Any]) -> Program:
    """Epochs of a DataLoader over arrays in memory, shuffled, with nothing done to the batches.

    Results are the number of samples and the sum of the labels.
    """
    torch = import_module(package)
    utils = import_module(f"{package}.utils.data")
    count = sizes["samples"]
    x = np.random.default_rng(0).random((count, sizes["features"]), dtype=np.float32)
    data = utils.TensorDataset(torch.from_numpy(x), torch.from_numpy(np.arange(count) % 10))

    def prepare() -> Callable[[], list[float]]:
        batches = utils.DataLoader(data, batch_size=sizes["batch"], shuffle=True)

        def run() -> list[float]:
            samples = labels = 0
            for xb, yb in batches:
                samples += len(xb)
                labels += int(yb.sum())
            return [float(samples), float(labels)]

        return run

    return Program(-(-count // sizes["batch"]), prepare)


def many_tensors(package: str, sizes: dict[str, Any]) -> Program:
    """Training steps of one linear layer whose weight is kept in many tensors; Adam.

    The products are the same however many there are: only the gradients that are handed out
    and the optimizer's work are divided more finely.
    """
    torch = import_module(package)
    features, tensors = sizes["features"], sizes["tensors"]
    data = [
        (torch.tensor(x), torch.tensor(y))
        for x, y in batches(features, sizes["batch"], sizes["steps"])
    ]
    ((weight, _),) = weights([features, 1])

    def make_step() -> Step:
        parts = [torch.nn.Parameter(torch.tensor(p)) for p in np.split(weight[0], tensors)]
        loss_fn = torch.nn.BCEWithLogitsLoss()
        optimizer = torch.optim.Adam(parts, lr=sizes["lr"])

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = loss_fn((x @ torch.cat(parts)).unsqueeze(1), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    return steps(data, make_step)


def set_threads(package: str, threads: int) -> None:
    """Tell torch how many threads to use; nnlite's are NumPy's, set by the environment."""
    if package == "torch":
        import_module(package).set_num_threads(threads)


PROGRAMS = {
    "mlp_step": mlp_step,
    "trainer_overhead": trainer_overhead,
    "chain": chain,
    "explain_overhead": explain_overhead,
    "many_tensors": many_tensors,
    "loader": loader,
    "one_sample": one_sample,
    **NETWORKS,
}
