"""Training does not let the process grow: scripts/memory.py at a small size, and what it counts."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "memory.py"


@pytest.fixture(scope="module")
def memory():
    spec = spec_from_file_location("memory", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*options):
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_short_run():
    done = run("--steps", "100")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["mlp", "trainer", "loop", "cnn"]
    assert all(line.endswith("MB, ok") for line in lines)


def test_bad_arguments():
    done = run("--steps", "0")
    assert done.returncode == 2
    assert "--steps must be 1 or more" in done.stderr


def test_a_leak_is_noticed(memory, monkeypatch, capsys):
    kept = []

    def leaky(tick, steps):
        for _ in range(steps):
            kept.append(bytearray(b"x" * 1_000_000))  # more than the process has to spare
            tick()

    monkeypatch.setitem(memory.TRAININGS, "mlp", leaky)
    assert memory.growth("mlp", 100) >= memory.LIMIT


def test_more_than_the_limit_fails(memory, monkeypatch, capsys):
    answers = iter(["999999", "1000000"])
    answer = lambda *_, **__: subprocess.CompletedProcess((), 0, next(answers))  # noqa: E731
    monkeypatch.setattr(memory.subprocess, "run", answer)
    monkeypatch.setattr(sys, "argv", ["memory.py", "--only", "mlp", "--only", "cnn"])
    assert memory.main() == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("+1.000 MB, ok")
    assert second.endswith("more than 1 MB")
