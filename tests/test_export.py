"""Models as one Python file that needs NumPy alone."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import operators
import pytest
from layers import Row, arrays_of, every_row, made

import nnlite
from nnlite import nn
from nnlite.export import ExportError, classifier_to_numpy, to_numpy
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table, builtin_table
from nnlite.nn import functional as F
from nnlite.train.classifier import TabularClassifier

ROWS = [row for row in every_row() if "eval" in row.modes]

# The rows whose samples lie along dimension 1, and those that do not run for any number of samples:
# lengths or masks are those of the example, or the inputs share no axis.
SECOND = {
    *(row.name for row in ROWS if row.kind in ("RNN", "LSTM", "GRU")),
    "GLU first", "MultiheadAttention without weights", "MultiheadAttention of other sizes",
    "MultiheadAttention causal", "TransformerDecoderLayer",
}  # fmt: skip
FIXED = {
    "BatchNorm1d of the batch", "BatchNorm2d of the batch", "RNN packed", "RNN relu packed",
    "NLLLoss weighted mean",
    "LSTM packed", "GRU packed", "MultiheadAttention masked",
    "MultiheadAttention masked by floats", "MultiheadAttention masked for each head",
    "MultiheadAttention padded", "MultiheadAttention padded, without a batch",
    "MultiheadAttention with more keys", "TransformerEncoderLayer masked", "TransformerEncoder",
    "TransformerDecoderLayer masked", "TransformerDecoder", "Transformer masked",
    "Transformer of given parts", *(row.name for row in ROWS if "unbatched" in row.name),
}  # fmt: skip
FIRST = {
    *(row.name for row in ROWS if row.kind in ("RNN", "LSTM", "GRU")
      and ("batch_first" in row.name)),
    "LSTM by position", "GRU by position", "RNN by position",
}  # fmt: skip


class Called(nn.Module):
    """A layer of the table, called as its row says."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.layer = made(nnlite, row, "eval", "float32")
        self.call = row.call

    def forward(self, *inputs: Any) -> Any:
        return self.call(self.layer, *inputs)


def axis_of(row: Row) -> int | None:
    if row.name in FIXED:
        return None
    return 1 if row.name in SECOND - FIRST else 0


def arrays(value: Any) -> list[np.ndarray]:
    """The arrays in what a model or ``predict`` returns."""
    if hasattr(value, "items"):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in arrays(part)]
    if value is None:
        return []
    return [value.numpy(force=True) if isinstance(value, nnlite.Tensor) else np.asarray(value)]


def exported(model: nn.Module, example: Any, folder: Path, **options: Any) -> dict[str, Any]:
    """The names of an exported file."""
    path = folder / "model.py"
    to_numpy(model, example, path, **options)
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)
    return names


def expected(model: nn.Module, *inputs: np.ndarray) -> list[np.ndarray]:
    """What the model computes in evaluation mode."""
    model.eval()
    with nnlite.no_grad():
        return arrays(model(*map(nnlite.tensor, inputs)))


def body(path: Path) -> str:
    """The lines of ``predict``."""
    text = path.read_text("utf-8")
    return text[text.index("def predict") : text.index("def _checked")]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


# ---- every layer --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_layer(row: Row, tmp_path: Path) -> None:
    model = Called(row)
    example = arrays_of(row, row.inputs, "0", "float32")
    file = exported(model, tuple(example), tmp_path, batch_axis=axis_of(row))
    assert file["self_test"]() < 1e-6
    if row.kind.endswith("Loss"):
        return  # some take other branches for other targets
    others = arrays_of(row, row.inputs, "1", "float32")
    for actual, wanted in zip(arrays(file["predict"](*others)), expected(model, *others)):
        assert actual.dtype == wanted.dtype
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", sorted(FIXED - {"LSTM packed", "GRU packed", "RNN relu packed"}))
def test_what_depends_on_the_number_of_samples_is_refused(name: str, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.name == name)
    example = arrays_of(row, row.inputs, "0", "float32")
    with pytest.raises((ExportError, ValueError), match="batch_axis"):
        to_numpy(Called(row), tuple(example), tmp_path / "model.py")
    assert not (tmp_path / "model.py").exists()


OPERATORS = {c.row.name.rpartition(".")[2]: c for c in reversed(list(operators.cases()))}
OF_VALUES = {"unique", "nonzero", "masked_select"}  # their shape depends on the values


class Operator(nn.Module):
    """An operator of the table, with the options of its first sample."""

    def __init__(self, case: operators.Case) -> None:
        super().__init__()
        self.case = case

    def forward(self, *inputs: nnlite.Tensor) -> Any:
        return self.case.row.call(operators.NNLITE, *inputs, **self.case.sample.options)

    def example(self) -> tuple[np.ndarray, ...]:
        drawn = map(np.asarray, operators.arrays_of(self.case))
        return tuple(a.astype(np.float32) if a.dtype == np.float64 else a for a in drawn)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator(name: str, tmp_path: Path) -> None:
    model = Operator(OPERATORS[name])
    example = model.example()
    if not example:
        return
    if name in OF_VALUES:
        with pytest.raises(ExportError, match="depends on the values of the input"):
            to_numpy(model, example, tmp_path / "model.py", batch_axis=None)
        return
    file = exported(model, example, tmp_path, batch_axis=None)
    for actual, wanted in zip(arrays(file["predict"](*example)), expected(model, *example)):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1e-6)


class Tokens(nn.Module):
    """Embedded tokens, read by an encoder and a recurrent layer; two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.lstm = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(10, 3, batch_first=True)

    def forward(self, tokens: nnlite.Tensor, scale: nnlite.Tensor) -> Any:
        x = self.encoder(self.embed(tokens)) * scale.unsqueeze(1)
        states, _ = self.lstm(x)
        _, last = self.gru(states)
        return {"states": states, "last": (last[0], last.mean())}


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2), nn.GroupNorm(2, 6), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 3), nn.LogSoftmax(1),
    )  # fmt: skip


@pytest.mark.parametrize("n", [1, 2, 3, 5, 17])
def test_batches_of_any_size_bit_for_bit(n: int, tmp_path: Path) -> None:
    model = network()
    file = exported(model, drawn(2, 1, 9, 9), tmp_path)
    x = drawn(n, 1, 9, 9)
    np.testing.assert_array_equal(file["predict"](x), expected(model, x)[0])


def test_several_inputs_and_nested_outputs(tmp_path: Path) -> None:
    model = Tokens()
    tokens = np.arange(21).reshape(3, 7) % 11
    file = exported(model, (tokens, drawn(3, 1)), tmp_path)
    given = tokens[::-1].astype(np.int32), drawn(3, 1) + 1
    result = file["predict"](*given)
    assert list(result) == ["states", "last"]
    assert isinstance(result["last"], tuple)
    for actual, wanted in zip(arrays(result), expected(model, *given), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1e-6)
    with pytest.raises(ValueError, match="different numbers of samples"):
        file["predict"](tokens, drawn(2, 1))


# ---- what the file looks like -------------------------------------------------------------------


def test_the_lines_of_a_small_network(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(), nn.Linear(4, 1))
    exported(model, drawn(2, 3), tmp_path)
    lines = body(tmp_path / "model.py").splitlines()
    assert lines[2:16] == [
        "    x = _checked(x, 'x', np.float32, (\"n\", 3))",
        "    n = x.shape[0]",
        "    w = _WEIGHTS",
        "",
        "    # 0: Linear(in_features=3, out_features=4, bias=True)",
        "    h = x.dot(w['0.weight'].T)",
        "    h += w['0.bias']",
        "",
        "    # 1: Tanh()",
        "    h = np.tanh(h)",
        "",
        "    # 3: Linear(in_features=4, out_features=1, bias=True)",
        "    h = h.dot(w['3.weight'].T)",
        "    h += w['3.bias']",
    ]


def test_what_is_unused_or_constant_is_not_computed(tmp_path: Path) -> None:
    class Wasteful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(nnlite.ones(3, 3))

        def forward(self, x: nnlite.Tensor) -> nnlite.Tensor:
            x.exp()
            return x @ (self.weight.sigmoid() + 1).tanh()

    exported(Wasteful(), drawn(2, 3), tmp_path)
    text = body(tmp_path / "model.py")
    assert "exp" not in text
    assert "tanh" not in text
    assert "w['weight (1)']" in text


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    model = network()
    for name in ("a.py", "b.py"):
        to_numpy(model, drawn(2, 1, 9, 9), tmp_path / name)
    assert (tmp_path / "a.py").read_bytes() == (tmp_path / "b.py").read_bytes()


def test_a_file_of_its_own(tmp_path: Path) -> None:
    """Another Python runs it that does not know where nnlite is."""
    model = network()
    path = tmp_path / "model.py"
    to_numpy(model, drawn(2, 1, 9, 9), path)
    assert "nnlite" not in [
        line.split()[1] for line in path.read_text("utf-8").splitlines() if "import " in line
    ]
    np.save(tmp_path / "x.npy", drawn(5, 1, 9, 9))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", path.name, *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert run("x.npy", "y.npy").returncode == 0
    wanted = expected(model, drawn(5, 1, 9, 9))[0]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, rtol=1e-6, atol=1e-6)
    assert run("--self-test").stdout.startswith("passed")
    assert run().returncode == 2
    path.write_text(path.read_text("utf-8").replace("np.maximum(h", "np.minimum(h", 1), "utf-8")
    changed = run("--self-test")
    assert changed.returncode == 1
    assert "differs from the stored one" in changed.stderr


def test_the_input_is_checked_and_not_written_to(tmp_path: Path) -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(3, 1))
    predict = exported(model, drawn(2, 3), tmp_path)["predict"]
    x = drawn(4, 3)
    before = x.copy()
    predict(x)
    np.testing.assert_array_equal(x, before)
    assert predict(x.astype(np.float64).tolist()).dtype == np.float32
    with pytest.raises(ValueError, match=r"x must have the shape \('n', 3\), got \(4, 2\)"):
        predict(x[:, :2])
    with pytest.raises(TypeError, match="x must be float32, got complex128"):
        predict(x.astype(complex))


def test_what_nnlite_checks_in_values_is_checked(tmp_path: Path) -> None:
    predict = exported(nn.Embedding(5, 2), np.array([[0, 4]]), tmp_path)["predict"]
    with pytest.raises(ValueError, match=r"fails a check of nnlite \(embedding.py"):
        predict([[5, 0]])


def test_weights_that_a_forward_changes_stay_in_the_file(tmp_path: Path) -> None:
    model = nn.Embedding(5, 3, max_norm=0.5)
    before = model.weight.numpy(force=True).copy()
    predict = exported(model, np.arange(5), tmp_path)["predict"]
    np.testing.assert_array_equal(model.weight.numpy(force=True), before)
    np.testing.assert_array_equal(predict(np.arange(5)), predict(np.arange(5)))


# ---- what export leaves alone -------------------------------------------------------------------


def test_the_model_stays_as_it_is(tmp_path: Path) -> None:
    model = network()
    model.train()
    model[1].eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    identities = [id(parameter.array) for parameter in model.parameters()]
    random = nnlite.get_rng_state()
    to_numpy(model, drawn(2, 1, 9, 9), tmp_path / "model.py")
    assert [module.training for module in model[:3]] == [True, False, True]
    assert [id(parameter.array) for parameter in model.parameters()] == identities
    assert repr(nnlite.get_rng_state()) == repr(random)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    model(nnlite.tensor(drawn(2, 1, 9, 9))).sum().backward()
    assert all(module._hooks is None or not module._hooks.before for module in model.modules())


def test_the_model_stays_as_it_is_after_an_error(tmp_path: Path) -> None:
    class Failing(nn.Linear):
        def forward(self, input: nnlite.Tensor) -> nnlite.Tensor:
            raise KeyError("no")

    model = nn.Sequential(nn.Linear(3, 3), Failing(3, 3))
    with pytest.raises(ExportError, match="does not run with"):
        to_numpy(model, drawn(2, 3), tmp_path / "model.py")
    assert model.training
    assert all(type(parameter.array) is np.ndarray for parameter in model.parameters())


# ---- what is refused ----------------------------------------------------------------------------


def doing(function: Any) -> nn.Module:
    """A module whose forward is a function."""

    class Doing(nn.Module):
        def forward(self, x: nnlite.Tensor) -> Any:
            return function(x)

    return Doing()


REFUSED = {
    "a branch": (lambda x: x if x.sum() > 0 else -x, r"test_export.py, line \d+, in <lambda> asks"),
    "item": (lambda x: x * x.max().item(), "asks for the value"),
    "a number": (lambda x: x * float(x.max()), r"value .* \(item\)"),
    "an index": (lambda x: x[int(x[0, 0] > 0)], "asks for the value"),
    "NumPy": (lambda x: nnlite.tensor(np.exp(np.asarray(x))), "makes a NumPy array of a tensor"),
    "a mask": (lambda x: x[x > 0], r"use nnlite.where or masked_fill"),
    "nonzero": (lambda x: x.nonzero(), "numpy.nonzero|numpy.flatnonzero|numpy.argwhere"),
    "random numbers": (lambda x: x + nnlite.rand(3), "draws random numbers"),
    "no tensor": (lambda x: 3.0, "returns no tensor"),
    "an object": (lambda x: object(), "returns a object"),
    "the number of samples": (lambda x: x * (0.5 ** len(x)), "size of the batch"),
    "rows one by one": (lambda x: nnlite.stack([row * 2 for row in x]), "size of the batch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        to_numpy(doing(function), drawn(2, 3), tmp_path / "model.py")
    assert not list(tmp_path.iterdir())


def test_number_of_samples_in_a_product_and_a_shape(tmp_path: Path) -> None:
    def forward(x: nnlite.Tensor) -> nnlite.Tensor:
        n = len(x)
        start = nnlite.full((n, 3), 0.5)
        return start + x * n + (nnlite.arange(2 * n)[:n].float() @ x) / nnlite.ones(n, 1)

    model = doing(forward)
    predict = exported(model, drawn(2, 3), tmp_path)["predict"]
    np.testing.assert_array_equal(predict(drawn(7, 3)), expected(model, drawn(7, 3))[0])


WRONG = {
    "list": ([[1.0]], {}, TypeError, "must be a tensor"),
    "nothing": ((), {}, TypeError, "example_input is empty"),
    "axis": (drawn(2, 3), {"batch_axis": 2}, ValueError, "batch_axis=2 for an input"),
    "axes": (drawn(2, 3), {"batch_axis": (0, 1)}, ValueError, "2 entries for 1 inputs"),
    "sizes": ((drawn(2, 3), drawn(4, 3)), {}, ValueError, "batches of different sizes"),
    "empty": (drawn(0, 3), {}, ValueError, "no sample"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(name: str, tmp_path: Path) -> None:
    example, options, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        to_numpy(nn.Linear(3, 1), example, tmp_path / "model.py", **options)


def test_fixed_shape(tmp_path: Path) -> None:
    model = doing(lambda x: nnlite.stack([row * 2 for row in x]))
    predict = exported(model, drawn(2, 3), tmp_path, batch_axis=None)["predict"]
    np.testing.assert_array_equal(predict(drawn(2, 3)), drawn(2, 3) * 2)
    with pytest.raises(ValueError, match="must have the shape"):
        predict(drawn(3, 3))


def test_functions_of_tensors(tmp_path: Path) -> None:
    def forward(x: nnlite.Tensor) -> Any:
        top, where = x.topk(2, dim=1)
        return (
            F.softmax(x.cumsum(1), -1), top, where, x.sort(dim=1)[0].flip(1), x.std(1),
            x.roll(1, 1),
            nnlite.einsum("ni,nj->nij", x, x), x.gather(1, where), x.norm(dim=1), x.clamp(-1, 1),
        )  # fmt: skip

    model = doing(forward)
    predict = exported(model, drawn(2, 6), tmp_path)["predict"]
    x = drawn(5, 6)
    for actual, wanted in zip(arrays(predict(x)), expected(model, x), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1e-6)


# ---- what nnlite train has made -----------------------------------------------------------------

TRAIN = Table(
    {
        "age": [30, 50, 41, 22],
        "grade": ["1", "2", "1", "3"],
        "a, \"quoted\" $name 'of' \\n": ["ü", "€uro", 'say "x"', "ü"],
        "ill": ["no", "yes", "no", "yes"],
    }
)


def tabular(folder: Path) -> tuple[TabularClassifier, dict[str, Any]]:
    classifier = TabularClassifier(Preprocessor.fit(TRAIN, "ill"), hidden=[8, 4])
    path = folder / "model.py"
    classifier_to_numpy(classifier, path)
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), names)
    return classifier, names


def test_classifier(tmp_path: Path) -> None:
    classifier, file = tabular(tmp_path)
    columns = {name: TRAIN[name].tolist() for name in TRAIN.names}
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    path = tmp_path / "data.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(row.values() for row in rows)
    for data in (columns, rows, path, str(path)):
        np.testing.assert_array_equal(
            file["features"](data), classifier.preprocessor.transform(TRAIN)
        )
        np.testing.assert_array_equal(file["logits"](file["features"](data))[:, 0],
                                      classifier.logits(TRAIN))  # fmt: skip
        np.testing.assert_array_equal(file["predict_proba"](data), classifier.predict_proba(TRAIN))
        assert file["predict"](data) == classifier.predict(TRAIN).tolist()


FAULTY = {
    "column": ("age;grade\n1;1\n", KeyError, "no column"),
    "number": ("age,grade,a\n1,1,ü\nold,1,ü\n", ValueError, "line 3, column 'age': 'old'"),
    "missing": ("age,grade,a\n1,,ü\n", ValueError, "line 2, column 'grade': the value is missing"),
    "category": ("age,grade,a\n1,9,ü\n", ValueError, "'9' is none of"),
    "short": ("age,grade,a\n1,1\n", ValueError, "line 2: 2 values for 3 columns"),
    "infinite": ("age,grade,a\ninf,1,ü\n", ValueError, "no finite number"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_classifier_on_faulty_data(name: str, tmp_path: Path) -> None:
    text, kind, message = FAULTY[name]
    table = Table({"age": [1, 2], "grade": ["1", "2"], "a": ["ü", "x"], "ill": [0, 1]})
    table = Table({**table.columns, "grade": ["1", "x"]})
    classifier_to_numpy(
        TabularClassifier(Preprocessor.fit(table, "ill"), hidden=[2]), tmp_path / "model.py"
    )
    (tmp_path / "data.csv").write_text(text, "utf-8")
    names: dict[str, Any] = {"__name__": "model"}
    exec((tmp_path / "model.py").read_text("utf-8"), names)
    with pytest.raises(kind, match=message):
        names["predict"](tmp_path / "data.csv")
    assert names["main"]([str(tmp_path / "data.csv")]) == 2


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nnlite.cli import main

    run, path = tmp_path / "run", tmp_path / "model.py"
    assert main(["train", "--out", str(run), "--epochs", "1", "--quiet"]) == 0
    assert main(["export", str(run), "--numpy", str(path)]) == 0
    assert "python" in capsys.readouterr().out
    table = builtin_table()
    with open(tmp_path / "data.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.names)
        writer.writerows(zip(*(table[name].tolist() for name in table.names)))
    assert main(["predict", str(run), str(tmp_path / "data.csv"), "--quiet"]) == 0
    wanted = capsys.readouterr().out
    command = [sys.executable, "-I", str(path)]
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "timeout": 60}
    assert subprocess.run([*command, str(tmp_path / "data.csv")], **options).stdout == wanted
    assert subprocess.run([*command, "--self-test"], **options).stdout.startswith("passed")


@pytest.mark.skipif(os.name == "nt", reason="pipes are closed in another way")
def test_a_reader_that_has_had_enough(tmp_path: Path) -> None:
    from nnlite.cli import main

    run, path = tmp_path / "run", tmp_path / "model.py"
    assert main(["train", "--out", str(run), "--epochs", "1", "--quiet"]) == 0
    assert main(["export", str(run), "--numpy", str(path)]) == 0
    table = builtin_table()
    with open(tmp_path / "data.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.names)
        writer.writerows(zip(*(table[name].tolist() for name in table.names)))
    command = [sys.executable, "-I", str(path), str(tmp_path / "data.csv")]
    end, begin = os.pipe()
    os.close(end)  # nobody reads
    try:
        done = subprocess.run(
            command, stdout=begin, stderr=subprocess.PIPE, encoding="utf-8", timeout=60
        )
    finally:
        os.close(begin)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_name_of_a_class_is_text(tmp_path: Path) -> None:
    kind = type('A"""\nraise SystemExit\n"""', (nn.Tanh,), {})
    path = tmp_path / "model.py"
    to_numpy(kind(), nnlite.ones(2, 3), path)
    assert path.read_text("utf-8").startswith('"""A model, as a file that needs NumPy alone.')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to write"),
        (("--numpy", "model.txt"), "must end in .py"),
        (("--onnx", "model.py"), "must end in .onnx"),
        (("--numpy", "model.py"), "there is no such file or folder"),
    ],
)
def test_command_line_errors(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nnlite.cli import main

    try:
        status = main(["export", str(tmp_path / "none"), *arguments])
    except SystemExit as exit:
        status = exit.code
    assert status == 2
    assert message in capsys.readouterr().err


def test_no_module(tmp_path):
    with pytest.raises(TypeError, match="export: expected a Module, got int"):
        nnlite.export.to_numpy(3, nnlite.ones(1), tmp_path / "model.py")
    assert list(tmp_path.iterdir()) == []
