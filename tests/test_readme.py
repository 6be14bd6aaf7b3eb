"""Every code block of the README runs, in order, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nnlite
from nnlite.io.table import builtin_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
# The two commands that set everything up; .ci/run calls them on a bare Python.
SETUP = ["python3 scripts/quickstart.py", "python3 scripts/test.py"]


def commands():
    return [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_blocks_are_of_known_kinds():
    assert {kind for kind, _ in BLOCKS} == {"python", "sh", "text"}


def test_python_blocks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nnlite.manual_seed(0)
    namespace = {}
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "README.md", "exec"), namespace)
    assert (tmp_path / "loss.png").stat().st_size > 10_000
    saved = nnlite.load(tmp_path / "model.safetensors")
    assert set(saved) == {f"{layer}.{name}" for layer in (0, 2, 4) for name in ("weight", "bias")}
    assert namespace["history"][-1]["valid_accuracy"] > 0.9
    printed = capsys.readouterr().out
    assert "['0.weight', '0.bias', '2.weight', '2.bias']" in printed
    for line in "".join(text for kind, text in BLOCKS if kind == "text").splitlines():
        assert line in printed


def test_ten_line_example_is_ten_lines():
    first = next(text for kind, text in BLOCKS if kind == "python")
    assert len([line for line in first.splitlines() if line and "import" not in line]) <= 10


def test_setup_commands():
    setup = [line for line in commands() if line.startswith("python3")]
    assert setup == SETUP
    for line in setup:
        assert (ROOT / line.split()[1]).is_file()
    ci = (ROOT / ".ci" / "run").read_text()
    assert "python3 scripts/test.py" in ci
    assert "quickstart.py" in ci


def test_command_line_blocks(tmp_path):
    table = builtin_table()
    rows = np.random.default_rng(0).permutation(len(table))
    for name, part in [
        ("patients.csv", rows[:300]),
        ("new_patients.csv", rows[300:400]),
        ("more_patients.csv", rows[400:]),
    ]:
        table.take(part).write_csv(tmp_path / name)
    lines = [line for line in commands() if line.startswith("nnlite")]
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line)
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 101
    assert (tmp_path / "both.png").stat().st_size > 10_000


def test_the_files_that_it_names_exist():
    for name in re.findall(r"`((?:nnlite|examples|scripts|tests)/[\w./]*)`", README):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("place", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_its_links_lead_somewhere(place):
    assert (ROOT / place).exists()
