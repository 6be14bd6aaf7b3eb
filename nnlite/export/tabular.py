"""A model of ``nnlite train`` as a file for other programs, its preprocessing included."""

from __future__ import annotations

import json
import os
import pprint
from typing import TYPE_CHECKING, Any

import numpy as np

from nnlite.export.check import check_sizes
from nnlite.export.numpy_file import network_source, template
from nnlite.io.atomic import write_bytes
from nnlite.io.messages import MISSING
from nnlite.io.table import Table

if TYPE_CHECKING:
    from nnlite.train.classifier import TabularClassifier

__all__ = ["classifier_to_numpy", "classifier_to_onnx"]

StrPath = str | os.PathLike[str]

_ROWS = 4  # of the example

_USAGE = """\
    python model.py data.csv                the class of each row, as `nnlite predict` prints it
    python model.py --self-test             compare with the outputs stored in this file
    from model import predict               predict("data.csv"), predict([{"age": 31, …}])"""


def classifier_to_numpy(classifier: TabularClassifier, path: StrPath) -> None:
    """Write what ``nnlite train`` has made as one Python file that needs NumPy alone.

    It reads CSV files and rows as nnlite does: ``predict(data)`` gives the classes,
    ``predict_proba(data)`` the probabilities, ``logits(features(data))`` the network's output;
    ``python model.py data.csv`` prints what ``nnlite predict`` prints, and ``python model.py
    --self-test`` compares with stored outputs.

    Args:
        classifier: network and preprocessing (``nnlite.train.TabularClassifier``).
        path: the file, which is written in one step.

    Raises:
        OSError: the file cannot be written.

    >>> import os, runpy, tempfile
    >>> from nnlite.io.preprocess import Preprocessor
    >>> from nnlite.io.table import Table
    >>> from nnlite.train.classifier import TabularClassifier
    >>> train = Table({"age": [30, 50], "colour": ["red", "blue"], "ill": ["no", "yes"]})
    >>> classifier = TabularClassifier(Preprocessor.fit(train, "ill"), hidden=[4])
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "model.py")
    >>> classifier_to_numpy(classifier, path)
    >>> model = runpy.run_path(path)
    >>> model["predict"]([{"age": 31, "colour": "red"}]) == classifier.predict(train)[:1].tolist()
    True
    >>> folder.cleanup()
    """
    preprocessor = classifier.preprocessor
    described: Any = preprocessor.to_dict()
    example = _example(classifier)
    main = template("tabular.txt").substitute(
        columns=pprint.pformat(described["columns"], width=100, sort_dicts=False),
        target=repr(preprocessor.target),
        classes=repr(preprocessor.classes),
        missing=repr(sorted(MISSING)),
        example=pprint.pformat(example, width=100, compact=True, sort_dicts=False),
    )
    arrays = [preprocessor.transform(Table(example))]
    title = "A classifier of the rows of a table"
    source = network_source(classifier.model, arrays, (0,), title, "logits", _USAGE, main)
    source = source.replace(
        "import base64\n", "import base64\nimport csv\nimport io\nimport os\n", 1
    )
    program: dict[str, Any] = {"__name__": "exported"}
    exec(compile(source, "exported", "exec"), program)
    check_sizes(classifier.model, arrays, (0,), program["logits"])
    write_bytes(path, source.encode("utf-8"))


def classifier_to_onnx(classifier: TabularClassifier, path: StrPath, *, opset: int = 18) -> None:
    """Write the network of what ``nnlite train`` has made as an ONNX file.

    Its input ``features`` has a row of ``preprocessor.feature_names`` for each sample, as
    ``preprocessor.transform`` gives them; its output ``logit`` is above 0 for class 1. How columns
    become features is in the model's metadata, as JSON under ``nnlite.preprocessing``.

    Args:
        classifier, path: as for `classifier_to_numpy`.
        opset: as for `to_onnx`.

    Raises:
        ImportError, OSError, ValueError: as `to_onnx`.

    >>> from nnlite.train.classifier import TabularClassifier
    >>> classifier = TabularClassifier.load("runs/wisconsin")  # doctest: +SKIP
    >>> classifier_to_onnx(classifier, "model.onnx")  # doctest: +SKIP
    """
    from nnlite.export.onnx_file import to_onnx

    preprocessor = classifier.preprocessor
    to_onnx(
        classifier.model,
        preprocessor.transform(Table(_example(classifier))),
        path,
        opset=opset,
        input_names=["features"],
        output_names=["logit"],
        metadata={
            "nnlite.preprocessing": json.dumps(preprocessor.to_dict(), ensure_ascii=False),
            "nnlite.features": json.dumps(preprocessor.feature_names, ensure_ascii=False),
        },
    )


def _example(classifier: TabularClassifier) -> dict[str, list[Any]]:
    """Columns of some rows: numbers around their mean, categories in turn."""
    columns: dict[str, list[Any]] = {}
    described: Any = classifier.preprocessor.to_dict()
    for place, column in enumerate(described["columns"]):
        if column["kind"] == "number":
            steps = np.resize([-1.0, 0.5, 0.0, 2.0], _ROWS + place)[place:]
            columns[column["name"]] = [
                column["mean"] + step * column["std"] for step in steps.tolist()
            ]
        else:
            given = column["categories"]
            columns[column["name"]] = [given[(place + i) % len(given)] for i in range(_ROWS)]
    return columns
