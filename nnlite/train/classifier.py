"""TabularClassifier: a network and the preprocessing of its inputs, saved and served as one.

Its file, ``model.safetensors``, holds the weights, and in its metadata under ``nnlite.classifier``
a JSON object: the number of this format, the version of nnlite that wrote it, the layers, what
the preprocessor learnt, and a SHA-256. Nothing else is needed to predict.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnlite import nn
from nnlite.autograd.modes import no_grad
from nnlite.io import weights
from nnlite.io.messages import show
from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table
from nnlite.ops.random import default_generator
from nnlite.tensor import Tensor, wrap
from nnlite.version import __version__

__all__ = ["TabularClassifier", "probabilities"]

StrPath = str | os.PathLike[str]

FILE_NAME = "model.safetensors"
FORMAT = 1

_KEY = "nnlite.classifier"
_CURE = ": train again, or let nnlite train --resume write it anew"
_ROWS = 8192  # predicted at once, so that a long table needs little memory


class TabularClassifier:
    """Tells two classes apart by the columns of a table.

    The network is ``Linear → ReLU → … → Linear(…, 1)``; its output is the logit of class 1.

    Args:
        preprocessor: what turns a table into features, fitted on the training rows.
        hidden: the width of each hidden layer.

    Attributes:
        model: the ``nn.Sequential``, with fresh random weights.
        preprocessor: as given.
        layers: the number of features, the widths of the hidden layers, and 1.

    Raises:
        ValueError: no hidden layer, or a width that is no whole number from 1 on.

    >>> from nnlite.io.preprocess import Preprocessor
    >>> from nnlite.io.table import Table
    >>> train = Table({"age": [30, 50], "colour": ["red", "blue"], "ill": ["no", "yes"]})
    >>> classifier = TabularClassifier(Preprocessor.fit(train, "ill"), hidden=[4])
    >>> classifier
    TabularClassifier(3 → 4 → 1, 'ill': 'no' or 'yes')
    >>> classifier.predict_proba(train).shape
    (2, 2)
    """

    __slots__ = ("layers", "model", "preprocessor")

    layers: tuple[int, ...]
    model: nn.Sequential
    preprocessor: Preprocessor

    def __init__(self, preprocessor: Preprocessor, hidden: Sequence[int] = (64, 32)) -> None:
        layers = (len(preprocessor.feature_names), *hidden, 1)
        fault = _fault_of_layers(list(layers))
        if fault:
            raise ValueError(f"TabularClassifier: {fault}: give widths such as hidden=(64, 32)")
        self.preprocessor = preprocessor
        self.layers = layers
        self.model = _network(layers)

    @property
    def classes(self) -> tuple[str, str]:
        """The names of class 0 and class 1."""
        return self.preprocessor.classes

    @property
    def body(self) -> tuple[str, ...]:
        """The names of the layers with weights, all but the last: what fine-tuning can freeze.

        >>> from nnlite.io.preprocess import Preprocessor
        >>> from nnlite.io.table import Table
        >>> train = Table({"age": [30, 50], "ill": ["no", "yes"]})
        >>> TabularClassifier(Preprocessor.fit(train, "ill"), hidden=(64, 32)).body
        ('0', '2')
        """
        return tuple(str(2 * place) for place in range(len(self.layers) - 2))

    def logits(self, table: Table) -> NDArray[np.float32]:
        """The logit of class 1 for each row, float32 (rows,).

        Args:
            table: the columns of the training data, in any order; others do not matter.

        Raises:
            KeyError: a column is not there.
            ValueError: a value that the preprocessor cannot take; the message names its place.
        """
        features = self.preprocessor.transform(table)
        out = np.empty(len(features), dtype=np.float32)
        training = self.model.training
        self.model.eval()
        try:
            with no_grad():
                for start in range(0, len(features), _ROWS):
                    logits = self.model(wrap(features[start : start + _ROWS]))
                    out[start : start + _ROWS] = logits.array[:, 0]
        finally:
            self.model.train(training)
        return out

    def predict_proba(self, table: Table) -> NDArray[np.float64]:
        """The probability of each class for each row, float64 (rows, 2), in the order of `classes`.

        Args:
            table: as for `logits`.

        Raises:
            KeyError, ValueError: as `logits`.
        """
        return probabilities(self.logits(table))

    def predict(self, table: Table) -> NDArray[np.object_]:
        """The name of the more probable class for each row, an object array (rows,).

        Args:
            table: as for `logits`.

        Raises:
            KeyError, ValueError: as `logits`.
        """
        names = np.array(self.classes, dtype=object)
        return names[(self.logits(table) > 0).astype(np.intp)]

    def save(self, path: StrPath) -> None:
        """Write network and preprocessing to one file, in one step; equal ones give equal bytes.

        Args:
            path: a file that ends in ``.safetensors``, or a folder that is there: the file in it
                is called ``model.safetensors``.

        Raises:
            ValueError: another ending.
            OSError: the file cannot be written; the message names it and the cause.

        >>> import tempfile
        >>> from nnlite.io.preprocess import Preprocessor
        >>> from nnlite.io.table import Table
        >>> train = Table({"age": [30, 50], "ill": ["no", "yes"]})
        >>> folder = tempfile.TemporaryDirectory()
        >>> TabularClassifier(Preprocessor.fit(train, "ill")).save(folder.name)
        >>> TabularClassifier.load(folder.name)
        TabularClassifier(1 → 64 → 32 → 1, 'ill': 'no' or 'yes')
        >>> folder.cleanup()
        """
        import json

        if os.path.isdir(path):
            path = os.path.join(os.fsdecode(path), FILE_NAME)
        _check_suffix(path, "save")
        about: dict[str, Any] = {
            "format": FORMAT,
            "nnlite": __version__,
            "layers": list(self.layers),
            "activation": "ReLU",
            "preprocessing": self.preprocessor.to_dict(),
        }
        about["sha256"] = _digest(about, self.model.state_dict())
        weights.save(self.model, path, metadata={_KEY: json.dumps(about, ensure_ascii=False)})

    @classmethod
    def load(cls, path: StrPath) -> TabularClassifier:
        """Read what `save` wrote; the random state stays as it is.

        Args:
            path: the file, or the folder that holds it (that of a run of ``nnlite train``).

        Raises:
            ValueError: the file is truncated, damaged, of another format, or no classifier; the
                message names the file and the cause.
            OSError: it is not there or cannot be read.
        """
        path = _find(path)
        try:
            return cls._from_file(path)
        except (_FaultError, ValueError) as fault:
            cure = _CURE if "truncated" in str(fault) or "damaged" in str(fault) else ""
            where = f"{path}: " if isinstance(fault, _FaultError) else ""
            raise ValueError(f"TabularClassifier.load: {where}{fault}{cure}") from None

    @classmethod
    def _from_file(cls, path: str) -> TabularClassifier:
        about = _read_about(weights.read_metadata(path))
        layers = about.get("layers")
        fault = _fault_of_layers(layers)
        if fault or not isinstance(layers, list):
            raise _FaultError(f"it is damaged ({fault})")
        if about.get("activation") != "ReLU":
            raise _FaultError(f"it is damaged (the activation is {show(about.get('activation'))})")
        try:
            preprocessor = Preprocessor.from_dict(about.get("preprocessing") or {})
        except ValueError as error:
            raise _FaultError(str(error)) from None
        count = len(preprocessor.feature_names)
        if count != layers[0]:
            raise _FaultError(
                f"it is damaged (the network reads {layers[0]} features, the columns make {count})"
            )
        state = weights.load(path)
        _check_state(state, layers)  # before a network of a size that a file claims is made
        if about.get("sha256") != _digest(about, state):
            raise _FaultError("it is damaged (its contents do not match its checksum)")
        before = default_generator.get_state()
        classifier = cls(preprocessor, layers[1:-1])
        default_generator.set_state(before)
        classifier.model.load_state_dict(state)
        return classifier

    def __repr__(self) -> str:
        shape = " → ".join(map(str, self.layers))
        target = show(self.preprocessor.target)
        return f"TabularClassifier({shape}, {target}: {' or '.join(map(show, self.classes))})"


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities of class 0 and class 1, float64 (rows, 2), of logits (rows,).

    σ(z) = 1 / (1 + e⁻ᶻ), to full relative precision where it is tiny.

    >>> probabilities(np.float32([0.0, -100.0]))[:, 1]
    array([5.00000000e-01, 3.72007598e-44])
    """
    z = logits.astype(np.float64)
    signed = np.stack((-z, z), axis=1)
    small = np.exp(-np.abs(signed))
    return np.where(signed < 0, small, 1.0) / (1.0 + small)


class _FaultError(Exception):
    """What is wrong with a file, in words that follow its name."""


def _digest(about: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """The SHA-256 of the description (but for the digest itself) and of the weights."""
    import hashlib
    import json

    described = {name: value for name, value in about.items() if name != "sha256"}
    text = json.dumps(described, sort_keys=True)
    digest = hashlib.sha256(text.encode("ascii"))
    for name in sorted(state):
        digest.update(state[name].array.astype("<f4").tobytes())
    return digest.hexdigest()


def _network(layers: Sequence[int]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(layers):
        modules += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def _fault_of_layers(layers: object) -> str:
    """What is wrong with the sizes of the layers, in words; empty if nothing is."""
    if not isinstance(layers, list) or not all(type(size) is int for size in layers):
        return f"the sizes of the layers are {show(layers)}, not whole numbers"
    if len(layers) < 3 or min(layers) < 1 or layers[-1] != 1:
        return f"the sizes of the layers are {show(layers)}"
    return ""


def _check_suffix(path: StrPath, function: str) -> None:
    if not os.fsdecode(path).lower().endswith(".safetensors"):
        raise ValueError(
            f"TabularClassifier.{function}: {os.fsdecode(path)!r} is no folder and does not end "
            "in .safetensors"
        )


def _find(path: StrPath) -> str:
    """The file, for a file or for the folder of a run."""
    path = os.fsdecode(path)
    if os.path.isdir(path):
        file = os.path.join(path, FILE_NAME)
        if not os.path.exists(file):
            raise FileNotFoundError(
                errno.ENOENT, f"there is no {FILE_NAME} in it: no training has ended there", path
            )
        return file
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, "there is no such file or folder", path)
    _check_suffix(path, "load")
    return path


def _read_about(metadata: Mapping[str, str]) -> dict[str, Any]:
    import json

    if _KEY not in metadata:
        raise _FaultError(
            "it holds weights, but no classifier that nnlite saved: nnlite.load reads the weights"
        )
    try:
        about = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise _FaultError(f"it is damaged ({error})") from None
    if not isinstance(about, dict):
        raise _FaultError("it is damaged (its description is no JSON object)")
    if about.get("format") != FORMAT:
        raise _FaultError(
            f"it is in format {show(about.get('format'))}, written by nnlite "
            f"{show(about.get('nnlite'))}; nnlite {__version__} reads format {FORMAT}: "
            "use the version that wrote it"
        )
    return about


def _check_state(state: Mapping[str, Tensor], layers: Sequence[int]) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    for place, (inputs, outputs) in enumerate(pairwise(layers)):
        expected[f"{2 * place}.weight"] = (outputs, inputs)
        expected[f"{2 * place}.bias"] = (outputs,)
    if state.keys() != expected.keys():
        differ = sorted(state.keys() ^ expected.keys())
        raise _FaultError(f"it is damaged (weights missing or too many: {show(differ)})")
    for name, tensor in state.items():
        if tuple(tensor.shape) != expected[name] or tensor.dtype != np.float32:
            raise _FaultError(
                f"it is damaged ({name} is {tensor.dtype} of shape {tuple(tensor.shape)}, the "
                f"network has float32 of shape {expected[name]})"
            )
        if not np.isfinite(tensor.array).all():
            raise _FaultError(f"it is damaged ({name} holds values that are no finite numbers)")
