"""Captured steps whose small calls numba compiles: equal to the ordinary run but for rounding.

Where numba or SciPy is absent these tests are skipped; with NNLITE_REQUIRE_NUMBA=1 they fail.
"""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captured import WARM, batch

import nnlite
from nnlite import nn
from nnlite.nn import functional as F
from nnlite.tensor import wrap

NUMBA_IS_REQUIRED = os.environ.get("NNLITE_REQUIRE_NUMBA") == "1"


@pytest.fixture(autouse=True)
def _numba(request: pytest.FixtureRequest) -> None:
    if "without" in request.node.name:
        return
    for name in ("numba", "scipy"):
        if importlib.util.find_spec(name) is None:
            if NUMBA_IS_REQUIRED:
                pytest.fail(f"{name} is required, and not installed")
            pytest.skip(f"{name} is not installed")


def program_of(compiled: Any) -> Any:
    assert compiled.is_captured, compiled.reason
    return compiled._ready[0]


def kernels_of(compiled: Any) -> list[str]:
    return [name for name in program_of(compiled).code.names if name.startswith("kernel")]


def images() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 1),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.Sequential(
        nn.Linear(16, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 1)
    ),
    "others": lambda: nn.Sequential(
        nn.Linear(16, 6), nn.BatchNorm1d(6), nn.Softplus(), nn.Dropout(0.3), nn.Linear(6, 5),
        nn.Tanh(), nn.Linear(5, 3), nn.Sigmoid(), nn.Linear(3, 1),
    ),
    "images": images,
}  # fmt: skip


def trained(name: str, optimizer: Callable[..., Any], steps: int, **how: Any) -> tuple[Any, Any]:
    """The losses and the state of a network after some steps, and what stepped."""
    nnlite.manual_seed(3)
    model = NETWORKS[name]()
    stepper = optimizer(model.parameters())
    loss_of = nn.BCEWithLogitsLoss()

    def step(x: Any, y: Any) -> Any:
        stepper.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        stepper.step()
        return loss

    run = nnlite.compile(step, **how) if how else step
    losses = [run(*batch(i, features=16)).item() for i in range(steps)]
    return (losses, {k: v.array.copy() for k, v in model.state_dict().items()}), run


@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_equal_but_for_rounding(name: str) -> None:
    def sgd(parameters: Any) -> Any:
        return nnlite.optim.SGD(parameters, lr=0.05, momentum=0.9)

    (losses, state), _ = trained(name, sgd, 30)
    (found, left), run = trained(name, sgd, 30, backend="numba")
    assert kernels_of(run)
    np.testing.assert_allclose(found, losses, rtol=1e-4)
    for key, value in state.items():
        np.testing.assert_allclose(left[key], value, rtol=1e-3, atol=1e-5, err_msg=key)


def test_a_whole_small_network_is_one_function() -> None:
    def adam(parameters: Any) -> Any:
        return nnlite.optim.Adam(parameters, lr=0.01)

    _, run = trained("relu", adam, 8, backend="numba")
    assert kernels_of(run) == ["kernel"]
    text = program_of(run).code.text()
    assert "dot" not in text
    assert "maximum" not in text
    assert "h1 = x @" in run.source  # to read, it is NumPy as before


X = np.array([[-2.0, -0.0, 0.5, 3.0], [1e-8, -1.0, 88.0, -90.0]])
Y = np.array([1.5, -0.25, 2.0, -1.0])
HARD = np.array([[np.nan, np.inf, -np.inf, 0.0], [-0.0, 1.0, -1.0, 2.0]])
FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: y - x,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "by zero": lambda x, y: y / (x * 0),
    "numbers": lambda x, y: (x + 2) * 0.5 - 1 / (y + 3),
    "negative": lambda x, y: -x,
    "absolute": lambda x, y: x.abs(),
    "square": lambda x, y: x.square(),
    "sqrt": lambda x, y: x.abs().sqrt(),
    "maximum": lambda x, y: nnlite.maximum(x, y),
    "minimum": lambda x, y: nnlite.minimum(x, y),
    "relu": lambda x, y: F.relu(x),
    "clamp": lambda x, y: x.clamp(-1, 1),
    "exp": lambda x, y: x.exp(),
    "expm1": lambda x, y: x.expm1(),
    "log": lambda x, y: x.abs().log(),
    "log1p": lambda x, y: x.abs().log1p(),
    "tanh": lambda x, y: x.tanh(),
    "sin": lambda x, y: x.sin() + y.cos(),
    "compare": lambda x, y: x < y,
    "mask": lambda x, y: x * (x != 0),
    "sum": lambda x, y: x.sum(),
    "sum of rows": lambda x, y: x.sum(1),
    "sum of columns": lambda x, y: x.sum(0, keepdim=True) + y,
    "mean": lambda x, y: x.mean(),
    "mean of rows": lambda x, y: x.mean(-1, keepdim=True) * y,
    "max": lambda x, y: x.amax(0),
    "min": lambda x, y: x.amin(1),
    "matmul": lambda x, y: x @ x.T,
    "vector": lambda x, y: x @ y,
    "vectors": lambda x, y: x[0] @ y,
    "transposed": lambda x, y: (x.T + 1) * x.T,
    "strided": lambda x, y: x[:, ::2] * 2 + y[::-2] if isinstance(x, np.ndarray) else x[:, ::2] * 2,
    "softmax": lambda x, y: F.softmax(x, dim=1),
    "log softmax": lambda x, y: F.log_softmax(x, dim=0),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_loop_gives_what_numpy_gives(dtype: Any) -> None:
    def formulas(x: Any, y: Any) -> Any:
        with nnlite.no_grad():
            return {name: formula(x, y) for name, formula in FORMULAS.items()}

    run = nnlite.compile(formulas, backend="numba")
    y = nnlite.tensor(Y.astype(dtype))
    eps = np.finfo(dtype).eps
    with np.errstate(all="ignore"):
        for array in (X, X, X, X, HARD, X[::-1].copy()):
            x = nnlite.tensor(array.astype(dtype))
            found = run(x, y)
            for name, expected in formulas(x, y).items():
                got = found[name].array
                assert got.dtype == expected.array.dtype, name
                # Some are sums in which 88 and -90 nearly cancel.
                np.testing.assert_allclose(
                    got, expected.array, rtol=8 * eps, atol=200 * eps, err_msg=name
                )
    assert run.reason == ""
    assert kernels_of(run) == ["kernel"]
    lines = program_of(run).code.text().splitlines()
    assert len(lines) == 7  # make, run, two arguments, the kernel, return, return


def test_a_short_run_of_calls_stays_with_numpy() -> None:
    run = nnlite.compile(lambda x: (x * 2 + 1).detach(), backend="numba")
    for _ in range(WARM):
        run(nnlite.ones(3))
    assert kernels_of(run) == []
    assert run.reason == ""


def test_what_is_large_stays_with_numpy() -> None:
    @nnlite.compile(backend="numba")
    def run(x: Any) -> Any:
        with nnlite.no_grad():
            return (x @ x.T).exp() + 1

    for _ in range(WARM):
        run(nnlite.ones(200, 200) / 1000)
    assert kernels_of(run) == []
    assert run.reason == ""


def test_what_no_loop_can_do_stays_with_numpy() -> None:
    numbers = np.zeros(10)
    odd = wrap(numbers.view(np.float32)[1:13].reshape(2, 6))  # begins within a number
    odd.array[...] = 0.5

    def step(x: Any) -> Any:
        with nnlite.no_grad():
            return (x > 1).amax(1), (odd + x) * 2 - x

    run = nnlite.compile(step, backend="numba")
    for low in (2, 2, 2, 2, 0):  # of masks that are all True the maximum is easy
        x = nnlite.tensor([[low] * 6, [3] * 6], dtype=nnlite.float32)
        for got, expected in zip(run(x), step(x)):
            np.testing.assert_array_equal(got.array, expected.array)
    assert run.reason == ""
    assert kernels_of(run)


def test_sums_are_as_good_as_those_of_numpy() -> None:
    @nnlite.compile(backend="numba")
    def run(x: Any) -> Any:
        with nnlite.no_grad():
            return x.sum(1), x.mean(1), x.sum()

    for _ in range(WARM):
        rows, means, whole = run(nnlite.full((2, 1000), 0.1))
    assert kernels_of(run) == ["kernel"]
    for got, expected in ((rows, 100), (means, 0.1), (whole, 200)):
        np.testing.assert_allclose(got.array, expected, rtol=2e-7)


def test_errors_that_are_to_be_raised_are() -> None:
    run = nnlite.compile(lambda x: (x * x + 1 - x).detach(), backend="numba")
    with np.errstate(all="raise"):
        for _ in range(WARM):
            run(nnlite.ones(3))
        assert run.reason == ""
        with pytest.raises(FloatingPointError):
            run(nnlite.ones(3) * 3e38)


@pytest.mark.parametrize("scale", [1, 1e6])
def test_gradients_that_are_rounding_need_not_agree(scale: float) -> None:
    nnlite.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))

    @nnlite.compile(backend="numba")
    def run(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = ((model(x) - y) ** 2).sum() * scale
        loss.backward()
        return loss

    for i in range(WARM):
        run(*batch(i, 16))
    assert run.reason == ""
    assert kernels_of(run)


def test_what_differs_is_seen_beside_what_is_rounding() -> None:
    from nnlite.capture.compiled import CompiledCode

    a, large = np.array([1e-3, 2e-3], np.float32), np.array([1e6], np.float32)
    assert not CompiledCode.same(a, -a)
    assert CompiledCode.same(a, -a, [a, large])
    assert not CompiledCode.same(a, -a, [a, large / 1e6])
    assert not CompiledCode.same(large, large * 1.01, [a, large])


def test_equal_kernels_are_compiled_once() -> None:
    def sgd(parameters: Any) -> Any:
        return nnlite.optim.SGD(parameters, lr=0.05)

    runs = [trained("relu", sgd, WARM, backend="numba")[1] for _ in range(2)]
    one, other = (program_of(run).code.names["kernel"] for run in runs)
    assert one is other
    assert len(one.signatures) == 1


def test_a_check_stays_with_what_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of one call each, run by Python."""
    import numba

    from nnlite.capture import compiled, loops

    monkeypatch.setattr(compiled, "_LONGEST", 0)
    monkeypatch.setattr(compiled, "_FEWEST", 1)
    monkeypatch.setattr(loops, "_compiled", loops._compiled.__wrapped__)

    def plain(function: Any) -> Any:
        function.compile = lambda types: None
        return function

    monkeypatch.setattr(numba, "njit", lambda **_: plain)
    _, run = trained("relu", nnlite.optim.SGD, WARM, backend="numba")
    assert run.reason == ""
    assert len(kernels_of(run)) > 10


def test_compiling_leaves_nothing_that_refers_to_gradients() -> None:
    gc.disable()
    try:
        _, run = trained("relu", nnlite.optim.SGD, WARM, backend="numba")
    finally:
        gc.enable()
    assert kernels_of(run)
    assert run.reason == ""


def test_a_check_that_fails_takes_the_ordinary_path() -> None:
    nnlite.manual_seed(3)
    model = NETWORKS["relu"]()

    @nnlite.compile(backend="numba")
    def run(x: Any, scale: Any) -> Any:
        model.zero_grad()
        loss = (model(x) * scale).sum()
        loss.backward()
        return loss

    one = nnlite.ones(6, 1)
    for i in range(WARM):
        run(batch(i, features=16)[0], one)
    assert kernels_of(run)
    assert run.reason == ""
    with np.errstate(all="ignore"):
        run(batch(9, features=16)[0], one * 3e38)
    assert "check" in run.reason
    run(batch(9, features=16)[0], one)
    assert run.reason == ""


def test_a_wrong_loop_is_found_in_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnlite.capture import compiled

    monkeypatch.setitem(compiled._ARITHMETIC, "multiply", "{} * {} * np.float32(1.01)")
    (losses, _), _ = trained("relu", nnlite.optim.SGD, 8)
    (found, _), run = trained("relu", nnlite.optim.SGD, 8, backend="numba")
    assert found == losses
    assert "the replay gave other values" in run.reason


def test_what_numba_cannot_compile_is_run_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnlite.capture import compiled

    monkeypatch.setitem(compiled._ARITHMETIC, "multiply", "{} * {} * 'no number'")
    (losses, _), _ = trained("relu", nnlite.optim.SGD, 8)
    (found, _), run = trained("relu", nnlite.optim.SGD, 8, backend="numba")
    assert found == losses
    assert "numba cannot compile it" in run.reason


def test_a_copy_has_the_same_backend() -> None:
    import copy

    run = nnlite.compile(lambda x: (x * 2 + 1 - x).detach(), backend="numba")
    again = copy.copy(run)
    for _ in range(WARM):
        again(nnlite.ones(3))
    assert kernels_of(again)


def test_names_of_backends() -> None:
    for name in (None, "numpy", "inductor", "eager"):
        nnlite.compile(len, backend=name)
    with pytest.raises(ValueError, match="no backend 'nunba'; there are 'numpy' and 'numba'"):
        nnlite.compile(len, backend="nunba")


def test_without_numba_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    own = importlib.util.find_spec
    others = {"numba": None, "scipy": object()}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: others[name] if name in others else own(name)
    )
    with pytest.raises(ImportError, match=r"needs numba: pip install numba scipy"):
        nnlite.compile(len, backend="numba")
