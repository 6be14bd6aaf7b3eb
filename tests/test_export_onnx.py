"""Models as ONNX files, run by onnxruntime.

Where onnx or onnxruntime is absent these tests are skipped; with NNLITE_REQUIRE_ONNX=1 they fail.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from layers import Row, arrays_of
from test_export import (
    OF_VALUES,
    OPERATORS,
    ROWS,
    TRAIN,
    Called,
    Operator,
    Tokens,
    arrays,
    axis_of,
    doing,
    drawn,
    expected,
    network,
)

import nnlite
from nnlite import nn
from nnlite.export import ExportError, classifier_to_onnx, to_onnx
from nnlite.io.preprocess import Preprocessor
from nnlite.nn import functional as F
from nnlite.train.classifier import TabularClassifier

ONNX_IS_REQUIRED = os.environ.get("NNLITE_REQUIRE_ONNX") == "1"


@pytest.fixture(scope="session")
def onnx() -> ModuleType:
    """onnx, where onnxruntime is there, too."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        if ONNX_IS_REQUIRED:
            pytest.fail(f"NNLITE_REQUIRE_ONNX=1, but it cannot be imported: {error}")
        pytest.skip("onnx or onnxruntime is not installed: nothing is exported to it")
    return onnx


def run(path: Path, *inputs: np.ndarray) -> list[np.ndarray]:
    """What onnxruntime computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def operators(onnx: ModuleType, path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def same(actual: list[np.ndarray], wanted: list[np.ndarray], tolerance: float = 1e-6) -> None:
    for a, b in zip(actual, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_layer(row: Row, onnx: ModuleType, tmp_path: Path) -> None:
    model = Called(row)
    path = tmp_path / "model.onnx"
    example = arrays_of(row, row.inputs, "0", "float32")
    to_onnx(model, tuple(example), path, batch_axis=axis_of(row))
    onnx.checker.check_model(path, full_check=True)
    if row.kind.endswith("Loss"):
        return  # some take other branches for other targets; to_onnx has compared the example
    others = arrays_of(row, row.inputs, "1", "float32")
    same(run(path, *others), expected(model, *others), 3e-6)


# What has no counterpart; every other operator has one.
WITHOUT = {
    "atan2", "atan2_", "cumprod", "cumprod_", "diag", "diagonal", "isclose", "nan_to_num",
    "nan_to_num_", "trace", *OF_VALUES,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator(name: str, onnx: ModuleType, tmp_path: Path) -> None:
    model = Operator(OPERATORS[name])
    example, path = model.example(), tmp_path / "model.onnx"
    if not example:
        return
    if name in WITHOUT:
        with pytest.raises(ExportError, match=r"no counterpart in ONNX|depends on the values"):
            to_onnx(model, example, path, batch_axis=None)
        return
    to_onnx(model, example, path, batch_axis=None)
    same(run(path, *example), expected(model, *example), 3e-6)


@pytest.mark.parametrize("n", [1, 2, 5, 17])
def test_batches_of_any_size(n: int, onnx: ModuleType, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "model.onnx"
    to_onnx(model, drawn(2, 1, 9, 9), path)
    x = drawn(n, 1, 9, 9)
    same(run(path, x), expected(model, x))
    assert {"Conv", "BatchNormalization", "MaxPool", "LogSoftmax"} <= set(operators(onnx, path))


def test_several_inputs_and_outputs(onnx: ModuleType, tmp_path: Path) -> None:
    model, path = Tokens(), tmp_path / "model.onnx"
    tokens = np.arange(21).reshape(3, 7) % 11
    names = {"input_names": ["tokens", "scale"], "output_names": ["states", "last", "mean"]}
    to_onnx(model, (tokens, drawn(3, 1)), path, **names)
    given = tokens[::-1].copy(), drawn(3, 1) + 1
    same(run(path, *given), expected(model, *given), 3e-6)
    graph = onnx.load(path).graph
    assert [value.name for value in graph.input] == names["input_names"]
    assert [value.name for value in graph.output] == names["output_names"]
    sizes = graph.input[0].type.tensor_type.shape.dim
    assert (sizes[0].dim_param, sizes[1].dim_value) == ("batch", 7)
    assert {"LSTM", "GRU", "LayerNormalization", "Erf"} <= set(operators(onnx, path))
    assert "embed.weight" in [constant.name for constant in graph.initializer]


def test_every_opset(onnx: ModuleType, tmp_path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    model, path = network(), tmp_path / "model.onnx"
    for opset in (18, 20, 21):
        to_onnx(model, drawn(2, 1, 9, 9), path, opset=opset)
        assert onnx.load(path).opset_import[0].version == opset
    for opset in (17, newest + 1):
        with pytest.raises(ValueError, match=f"opset must lie between 18 and {newest}"):
            to_onnx(model, drawn(2, 1, 9, 9), path, opset=opset)


def test_functions_of_tensors(onnx: ModuleType, tmp_path: Path) -> None:
    def forward(x: nnlite.Tensor) -> Any:
        index = (x > 0).long().cumsum(1)
        written = x.clone()
        written[:, 1:3] = 0.5
        written[:, 4] *= 2
        return (
            F.softmax(x.cumsum(1), -1), x.flip(1), x.std(1), x.gather(1, index % 6), x.norm(dim=1),
            x.clamp(-1, 1), nnlite.einsum("ni,nj->nij", x, x), x.log1p(), x.expm1(), x.erf(),
            x.argmax(1), x.all(1), nnlite.where(x > 0, x, -1.0), x[:, [0, 2]], x[:, None, ::2],
            x // 0.3, x % 0.3, x.trunc(), nnlite.logaddexp(x, x * x), x.masked_fill(x < 0, 9.0),
            x[:, -1], x.triu(), F.one_hot(index, 7), nnlite.zeros(len(x), 2) + x[:, :2], written,
            x.isnan(), (index & 1) | 2, nnlite.cat([x, x.double()], 1), len(x) * x,
        )  # fmt: skip

    model, path = doing(forward), tmp_path / "model.onnx"
    to_onnx(model, 0.5 * np.abs(drawn(2, 6)), path)
    x = np.tanh(drawn(5, 6))
    same(run(path, x), expected(model, x), 2e-6)


def test_small_arguments_keep_their_precision(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    x = np.float32([[1e-12, -1e-9, 3e-5, -0.4, 0.49, 0.51, 20.0]])
    to_onnx(doing(lambda x: (x.log1p(), x.expm1())), x, path)
    for actual, wanted in zip(run(path, x), (np.log1p(x), np.expm1(x)), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=3e-7)


def test_classifier(onnx: ModuleType, tmp_path: Path) -> None:
    classifier = TabularClassifier(Preprocessor.fit(TRAIN, "ill"), hidden=[8, 4])
    path = tmp_path / "model.onnx"
    classifier_to_onnx(classifier, path)
    features = classifier.preprocessor.transform(TRAIN)
    same([run(path, features)[0][:, 0]], [classifier.logits(TRAIN)])
    stored = {item.key: json.loads(item.value) for item in onnx.load(path).metadata_props}
    assert Preprocessor.from_dict(stored["nnlite.preprocessing"]) == classifier.preprocessor
    assert tuple(stored["nnlite.features"]) == classifier.preprocessor.feature_names


def test_command_line(onnx: ModuleType, tmp_path: Path) -> None:
    from nnlite.cli import main

    classifier = TabularClassifier(Preprocessor.fit(TRAIN, "ill"), hidden=[2])
    classifier.save(tmp_path)
    path = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path), "--onnx", str(path), "--quiet"]) == 0
    assert operators(onnx, path).count("MatMul") == 2


# ---- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "a function": (lambda x: x.cumprod(1), r"numpy's cumprod has no counterpart in ONNX"),
    "a ufunc": (lambda x: nnlite.atan2(x, x), r"numpy.arctan2 has no counterpart"),
    "a branch": (lambda x: x if x.sum() > 0 else -x, "asks for the value"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, onnx: ModuleType, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        to_onnx(doing(function), drawn(2, 3), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_wrong_names(onnx: ModuleType, tmp_path: Path) -> None:
    for options in ({"input_names": ["a", "b"]}, {"output_names": []}):
        with pytest.raises(ValueError, match="must be 1 different names"):
            to_onnx(nn.Linear(3, 1), drawn(2, 3), tmp_path / "model.onnx", **options)


def test_without_onnx(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'the extra onnx.*pip install "\.\[onnx\]"'):
        to_onnx(nn.Linear(3, 1), drawn(2, 3), tmp_path / "model.onnx")


def test_a_wrong_translation_is_noticed(
    onnx: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from nnlite.export import onnx_ufuncs

    monkeypatch.setitem(onnx_ufuncs._DIRECT, "maximum", "Min")
    with pytest.raises(ExportError, match=r"differs from the model for \d samples"):
        to_onnx(nn.ReLU(), drawn(2, 3), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_model_stays_as_it_is(onnx: ModuleType, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Sigmoid(), nn.Softmax(1))
    functions = F.softmax, nnlite.Tensor.softmax, nnlite.ops.exponential.sigmoid_of
    to_onnx(model, drawn(2, 3), tmp_path / "model.onnx")
    assert functions == (F.softmax, nnlite.Tensor.softmax, nnlite.ops.exponential.sigmoid_of)
    assert model.training
    assert all(type(value) is np.ndarray for value in arrays(list(model.parameters())))
