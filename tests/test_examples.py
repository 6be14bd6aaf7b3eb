"""The examples run, briefly, and leave what they promise; scripts/examples.py runs them in full."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LESSONS = sorted((EXAMPLES / "lessons").glob("*.py"))
FILES = {
    "digits_cnn": ["confusion.png", "loss.png"],
    "digits_lstm": ["loss.png", "opinions.png"],
    "digits_transformer": ["attention.png", "loss.png"],
    "digits_autoencoder": ["loss.png", "map.png", "reconstructions.png"],
    "finetune_digits": ["accuracy.png"],
}


@pytest.mark.parametrize("name", FILES)
def test_an_example_runs(name, tmp_path):
    command = [sys.executable, EXAMPLES / f"{name}.py", "--epochs", "1", "--out", tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "MPLBACKEND": "agg"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES[name]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
    assert "Test " in ended.stdout.splitlines()[-2 if "autoenc" not in name else -3]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs(path):
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "PYTHONIOENCODING": "utf-8"}
    ended = subprocess.run([sys.executable, path], capture_output=True, env=environment)
    assert ended.stderr == b""
    said = ended.stdout.decode("utf-8")
    assert ended.returncode == 0, said
    assert said.rsplit("\n--- ", 1)[1].startswith("What was learnt\n- ")
    assert "Step 1 · " in said  # an explanation is printed
    assert "✓ ∂L/∂" in said
    assert not set(said) & set("✗~")
    assert max(map(len, said.splitlines())) <= 100


def test_there_are_five_lessons():
    texts = [path.read_text(encoding="utf-8") for path in LESSONS]
    assert sorted(text[3:12] for text in texts) == [f"Lesson {number}:" for number in range(1, 6)]
    assert max(text.count("\n") for text in texts) < 80


def test_each_example_is_short_enough_to_be_read():
    for path in EXAMPLES.glob("digits_*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 100, path.name
