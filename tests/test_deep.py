"""scripts/deep.py at a small size: deep and wide graphs of every kind are right, and are freed."""

import gc
import importlib
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture
def deep(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("deep")


def test_every_graph(deep, capsys):
    """Deeper than Python's stack: recursion anywhere would fail."""
    gc.disable()
    try:
        assert deep.run(12 * sys.getrecursionlimit(), check_times=False)
    finally:
        gc.enable()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines[1:]] == list(deep.GRAPHS)


def test_a_wrong_derivative_is_noticed(deep):
    with pytest.raises(AssertionError, match="derivative is 2"):
        deep.measure(lambda x, size: x * 2, 1)


def test_a_graph_that_lives_on_is_noticed(deep):
    kept = []

    def build(x, size):
        kept.append(x * 1.0)
        return kept[-1]

    with pytest.raises(AssertionError, match="still there"):
        deep.measure(build, 1)
