"""README's list of differences from torch: each is shown, and there are no others in the table."""

import os
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from operators import ROWS

import nnlite
import nnlite.nn.functional as ours
from nnlite import nn

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Differences from torch")[1].split("\n## ")[0]
BULLETS = [
    " ".join(words.split()) for words in re.findall(r"^- \*\*(.*?)\*\*", SECTION, re.M | re.S)
]
SHOWN = {}


def shows(bullet):
    """Register what shows a bullet: a function of torch, or of None where it is absent."""

    def register(show):
        SHOWN[bullet] = show
        return show

    return register


@pytest.fixture(scope="session")
def torch_or_none(request):
    try:
        return request.getfixturevalue("torch")
    except pytest.skip.Exception:
        return None


def test_every_bullet_is_shown_and_nothing_else():
    assert sorted(BULLETS) == sorted(SHOWN)


@pytest.mark.parametrize("bullet", BULLETS)
def test_difference(bullet, torch_or_none, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SHOWN[bullet](torch_or_none)


def raises(error, function, *args, **options):
    with pytest.raises(error):
        function(*args, **options)


@shows("Convolutions choose how their results lie in memory,")
def layouts_of_convolutions(torch):
    def strides_of(lib):
        x, w = lib.ones(8, 16, 12, 12), lib.ones(16, 16, 3, 3)
        return lib.nn.functional.conv2d(x, w, padding=1).stride()

    def written_through(lib):
        y = lib.nn.functional.conv2d(lib.ones(8, 16, 12, 12), lib.ones(16, 16, 3, 3), padding=1)
        y[1:3].view(-1)[0] = 7
        return bool(y[1, 0, 0, 0] == 7)

    row_major = (16 * 144, 144, 12, 1)
    assert strides_of(nnlite) != row_major
    assert not written_through(nnlite)
    if torch:
        assert strides_of(torch) == row_major
        assert written_through(torch)


@shows("What a captured step returns has no graph:")
def captured_results(torch):
    w = nnlite.ones(2, requires_grad=True)

    @nnlite.compile
    def step(x):
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    for _ in range(6):
        loss = step(nnlite.ones(2))
    assert step.is_captured
    raises(RuntimeError, loss.backward)
    raises(TypeError, nnlite.compile, nn.Linear(1, 1))
    if torch:
        assert callable(torch.compile(torch.nn.Linear(1, 1)))  # compiled when it is first called


@shows("A loss whose prediction and target differ in shape raises.")
def _(torch):
    raises(ValueError, ours.mse_loss, nnlite.zeros(3, 1), nnlite.ones(3))
    if torch:
        loss = torch.nn.functional.mse_loss(torch.zeros(3, 1), torch.ones(3), reduction="none")
        assert loss.shape == (3, 3)


@shows("A target takes the dtype of the prediction.")
def _(torch):
    loss = ours.mse_loss(nnlite.zeros(3), nnlite.ones(3, dtype=nnlite.float64))
    assert loss.dtype == nnlite.float32
    if torch:
        loss = torch.nn.functional.mse_loss(torch.zeros(3), torch.ones(3, dtype=torch.float64))
        assert loss.dtype == torch.float64


@shows("BCE targets may be ints or bools, and must lie in [0, 1].")
def _(torch):
    x = nnlite.tensor([-2.0, 3.0])
    exact = ours.binary_cross_entropy_with_logits(x, nnlite.tensor([0.0, 1.0]))
    for target in (nnlite.tensor([0, 1]), nnlite.tensor([False, True])):
        assert nnlite.equal(ours.binary_cross_entropy_with_logits(x, target), exact)
    raises(ValueError, ours.binary_cross_entropy_with_logits, x, nnlite.tensor([-3.0, 3.0]))
    if torch:
        theirs = torch.nn.functional.binary_cross_entropy_with_logits
        x = torch.tensor([-2.0, 3.0])
        raises(RuntimeError, theirs, x, torch.tensor([0, 1]))
        assert theirs(x, torch.tensor([-3.0, 3.0])) < 0


@shows("A module in a plain list, tuple or dict attribute is found.")
def _(torch):
    for library in filter(None, (nnlite, torch)):
        for container in (list, tuple, lambda modules: dict(enumerate(modules))):
            model = library.nn.Module()
            model.parts = container([library.nn.Linear(2, 1)])
            assert len(list(model.parameters())) == (2 if library is nnlite else 0)


@shows("A frozen module is frozen.")
def _(torch):
    def mean_after_a_batch(library, freeze):
        norm = library.nn.BatchNorm1d(2)
        freeze(norm)
        norm(library.ones(4, 2) * 7)
        return float(norm.running_mean[0])

    assert mean_after_a_batch(nnlite, lambda norm: norm.freeze()) == 0
    if torch:
        assert mean_after_a_batch(torch, lambda norm: norm.requires_grad_(False)) > 0.5


class Touch:
    """Unpickled it makes a file: what a hostile weight file could do."""

    def __reduce__(self):
        return (open, ("touched", "w"))


@shows("`load` never runs code from a file.")
def _(torch):
    Path("weights.pt").write_bytes(pickle.dumps({"weight": Touch()}))
    for weights_only in (True, False):
        raises(ValueError, nnlite.load, "weights.pt", weights_only=weights_only)
    assert not os.path.exists("touched")
    if torch:
        torch.save({"weight": Touch()}, "theirs.pt")
        torch.load("theirs.pt", weights_only=False)["weight"].close()
        assert os.path.exists("touched")


@shows("Changing a view inside a graph in place raises,")
def _(torch):
    def change_a_view(library):
        x = library.ones(3, requires_grad=True)
        y = x * 1
        y[:2].mul_(5)
        y.sum().backward()
        return x.grad

    raises(RuntimeError, change_a_view, nnlite)
    if torch:
        assert change_a_view(torch).tolist() == [5, 5, 1]


@shows("softmax without `dim` raises.")
def _(torch):
    raises(TypeError, ours.softmax, nnlite.zeros(2, 4))
    if torch:
        assert torch.nn.functional.softmax(torch.zeros(2, 4))[0, 0] == 0.25


@shows("A recurrent layer over a whole sequence is one node of the graph.")
def _(torch):
    def nodes(library):
        y, _ = library.nn.RNN(2, 3)(library.ones(5, 1, 2))
        seen, waiting = set(), [y.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in seen and not node.name().startswith("Accumulate"):
                seen.add(node)
                waiting.extend(edge for edge, _ in node.next_functions)
        return [node.name() for node in seen]

    assert sum(name == "RnnBackward0" for name in nodes(nnlite)) == 1
    assert len(nodes(nnlite)) < 5
    if torch:
        assert len(nodes(torch)) > 10


@shows("Every derivative can be differentiated again.")
def _(torch):
    def twice(library):
        x = library.tensor([0.5], requires_grad=True)
        y = library.nn.functional.hardsigmoid(x) * x
        (g,) = library.autograd.grad(y.sum(), x, create_graph=True)
        return library.autograd.grad(g.sum(), x)[0]

    assert float(twice(nnlite)) == pytest.approx(1 / 3)
    if torch:
        raises(RuntimeError, twice, torch)
    # The table says of no other operator that torch has the first derivative alone, but for
    # prelu, where torch takes another piece at 0.
    assert {row.names[0] for row in ROWS if row.once} == {
        "piecewise.hardsigmoid",
        "piecewise.prelu",
    }


@shows("`//` has the derivative 0.")
def _(torch):
    def slope(library):
        x = library.tensor([7.0, 8.0], requires_grad=True)
        (x // 2).sum().backward()
        return x.grad

    assert slope(nnlite).tolist() == [0, 0]
    if torch:
        raises(RuntimeError, slope, torch)


@shows("What torch refuses gives the plain result where there is one:")
def _(torch):
    plain = [
        lambda lib, x: lib.maximum(x, 0),
        lambda lib, x: x - (x > 0),
        lambda lib, x: x[::-1],
    ]
    expected = [[0, 2], [-1, 1], [2, -1]]
    for function, result in zip(plain, expected):
        assert function(nnlite, nnlite.tensor([-1.0, 2.0])).tolist() == result
        if torch:
            with pytest.raises((TypeError, RuntimeError, ValueError)):
                function(torch, torch.tensor([-1.0, 2.0]))


@shows("Python's integers are taken at their value.")
def _(torch):
    x = nnlite.tensor([1, 2], dtype=nnlite.uint8)
    raises(OverflowError, lambda: x + 300)
    assert (x < -1).tolist() == [False, False]
    if torch:
        x = torch.tensor([1, 2], dtype=torch.uint8)
        assert (x + 300).tolist() == [45, 46]
        assert (x < -1).tolist() == [True, True]


@shows("Arguments for other devices and memory layouts are missing,")
def _(torch):
    x = nnlite.ones(2)
    raises(TypeError, nnlite.exp, x, out=x)
    raises(TypeError, ours.mse_loss, x, x, size_average=False)
    raises(TypeError, ours.mse_loss, x, x, reduce=True)
    raises(TypeError, nnlite.zeros, 2, layout=None)
    raises(NotImplementedError, nnlite.zeros, 2, device="cuda")
    if torch:
        x = torch.ones(2)
        torch.exp(x, out=x)
        torch.nn.functional.mse_loss(x, x, size_average=False)
        torch.zeros(2, layout=torch.strided)


@shows("`unique` has no graph.")
def _(torch):
    assert not nnlite.ones(2, requires_grad=True).unique().requires_grad
    if torch:
        values = torch.ones(2, requires_grad=True).unique()
        raises(NotImplementedError, values.sum().backward)


@shows("Matrix norms that need singular values raise:")
def _(torch):
    for order in (2, -2, "nuc"):
        raises(NotImplementedError, nnlite.linalg.matrix_norm, nnlite.eye(2), order)
        if torch:
            torch.linalg.matrix_norm(torch.eye(2), order)


@shows("NumPy's warnings stay on.")
def _(torch):
    with pytest.warns(RuntimeWarning, match="log"):
        assert nnlite.tensor(-1.0).log().isnan()
    if torch:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert torch.tensor(-1.0).log().isnan()


@shows("Random numbers come from NumPy's PCG64,")
def _(torch):
    nnlite.manual_seed(7)
    drawn = nnlite.rand(3, dtype=nnlite.float64)
    expected = np.random.Generator(np.random.PCG64(7)).random(3)
    np.testing.assert_array_equal(drawn.numpy(), expected)
    if torch:
        torch.manual_seed(7)
        assert torch.rand(3, dtype=torch.float64).tolist() != drawn.tolist()


@shows("dtypes are NumPy's,")
def _(torch):
    assert isinstance(nnlite.float32, np.dtype)
    x = np.linspace(-3, 3, 50, dtype=np.float16)
    step_by_step = ours.gelu(nnlite.from_numpy(x), approximate="tanh")
    assert step_by_step.dtype == nnlite.float16
    if torch:
        assert not isinstance(torch.float32, np.dtype)
        rounded = torch.nn.functional.gelu(torch.from_numpy(x), approximate="tanh").numpy()
        assert 0 < np.abs(step_by_step.numpy() - rounded).max() < 4e-3


# ---- the exceptions in the table of operators ---------------------------------------------------


def test_names_of_nodes_that_are_not_torchs():
    """All others are torch's, for every sample."""
    others = {
        row.names[0]
        for row in ROWS
        for sample in row.samples
        if sample.torch_grad_fn not in (sample.grad_fn, "NotImplemented")
    }
    assert others == {
        # The test has torch compute attention step by step, for its second derivative. Without
        # being asked torch takes the fast kernel, of the name that nnlite's node has.
        "attention.scaled_dot_product_attention",
        "recurrent.rnn_layer",
        "recurrent.lstm_layer",
        "recurrent.gru_layer",
        "order.unique",  # a node that raises when it is asked for the derivative
    }


def test_attention_has_the_name_of_torchs_fast_kernel(torch):
    def node(library):
        q = library.ones(1, 1, 2, 4, requires_grad=True)
        return library.nn.functional.scaled_dot_product_attention(q, q, q).grad_fn.name()

    assert node(nnlite) == node(torch)


def test_what_is_differentiated_here_alone():
    alone = {
        row.names[0]
        for row in ROWS
        for sample in row.samples
        if sample.torch_grad_fn == "NotImplemented"
    }
    assert alone == {
        "arithmetic.floor_divide",
        "arithmetic.rfloor_divide",
        "modulo.rremainder",
        "inplace.floor_divide_",
    }


def test_dtypes_that_one_of_both_refuses():
    """torch refuses more: README's plain results. What only nnlite refuses are bools as numbers."""
    found = {reason for row in ROWS for reason in row.differs.values()}
    assert found == {
        "torch refuses; the result is the natural one",
        "a factor of 2 makes numbers of bools",
        "a number makes numbers of bools",
        "division by False",
        "no bounds below 0 for uint8",
    }


def test_modules_are_where_torch_has_them():
    """A name of a layer or function that torch has not would be a difference, too."""
    assert nn.functional is ours
