"""Freed memory stays with the process between training steps."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Page faults of 20 rounds that allocate 32 MB in pieces of 1 MB and free them in reverse.
FAULTS = """
import resource
import numpy as np
import nnlite

def rounds(count):
    for _ in range(count):
        pieces = [np.ones(1 << 17) for _ in range(32)]
        while pieces:
            pieces.pop()

optimizer = nnlite.optim.SGD([nnlite.ones(1, requires_grad=True)], lr=0.1)
rounds(2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
rounds(20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(**settings: str) -> int:
    own = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    result = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={**environment, "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_an_optimizer_has_memory_kept_unless_told_otherwise() -> None:
    pages = 20 * (32 << 20) // 4096
    assert faults() < pages / 50
    assert faults(NNLITE_KEEP_MEMORY="0") > pages / 4
    assert faults(MALLOC_TRIM_THRESHOLD_="131072") > pages / 4
