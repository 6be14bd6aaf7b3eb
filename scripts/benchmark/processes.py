"""Workloads that are whole processes: what to start for each framework, and what it cost."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from benchmark.frameworks import FRAMEWORKS, installed

COLD_START = Path(__file__).resolve().parent / "cold_start"
READING = COLD_START.with_name("reading")
IMPORT_CODE = """\
from time import perf_counter
begin = perf_counter()
import {package}
print(f'{{{{"seconds": {{perf_counter() - begin}}}}}}')
"""

Environment = dict[str, str]


class Cost(NamedTuple):
    """What a finished process cost.

    Args:
        output: what it printed.
        wall: seconds from before its start until it was gone.
        peak: its peak memory in bytes; None where it is not measured (Windows).
    """

    output: str
    wall: float
    peak: int | None


def cold_start(framework: str, sizes: dict[str, Any], folder: Path, env: Environment) -> list[str]:
    """Return the command that trains the breast-cancer model once.

    nnlite and scikit-learn bring the data along; the others read it from a CSV file, made
    once, untimed, by whichever of the two is installed.

    Args:
        framework: a name in `FRAMEWORKS`.
        sizes: `epochs`.
        folder: a temporary folder that lasts for the whole workload.
        env: of the process.
    """
    file = folder / "breast_cancer.csv"
    if not file.exists():
        source = next((name for name in ("sklearn", "nnlite") if installed(name)), "")
        writer = [sys.executable, str(COLD_START / "write_csv.py"), source, str(file)]
        subprocess.run(writer, env=env, check=True)
    entry = FRAMEWORKS[framework]
    program = COLD_START / f"{entry.file}.py"
    return [sys.executable, str(program), entry.package, str(sizes["epochs"]), str(file)]


def import_time(framework: str, sizes: dict[str, Any], folder: Path, env: Environment) -> list[str]:
    """Return the command that imports the framework and prints how long the import took."""
    code = IMPORT_CODE.format(package=FRAMEWORKS[framework].package)
    return [sys.executable, "-c", code]


def read_weights(
    framework: str, sizes: dict[str, Any], folder: Path, env: Environment
) -> list[str]:
    """Return the command that reads a file of weights, which is written once, untimed.

    Args:
        framework: a name in `FRAMEWORKS`.
        sizes: `megabytes`, and `suffix`, which says the format.
        folder: a temporary folder that lasts for the whole workload.
        env: of the process.
    """
    file = folder / f"weights{sizes['suffix']}"
    if not file.exists():
        writer = [sys.executable, str(READING / "write.py"), str(file), str(sizes["megabytes"])]
        subprocess.run(writer, env=env, check=True)
    return [sys.executable, str(READING / "read.py"), FRAMEWORKS[framework].package, str(file)]


PROGRAMS: dict[str, Callable[[str, dict[str, Any], Path, Environment], list[str]]] = {
    "cold_start": cold_start,
    "import_time": import_time,
    "read_weights": read_weights,
}


def run_process(command: list[str], env: Environment) -> Cost:
    """Run a command to its end and return what it cost.

    The peak is `ru_maxrss` of this one child. The kernel never books less than what the parent
    held when it started the child, so the caller must be small (it is: see `benchmark`).

    Raises:
        subprocess.CalledProcessError: its status was not 0. Its stderr was passed through.
    """
    begin = perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    peak = None
    if sys.platform == "win32":
        process.wait()
    else:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = peak_bytes(usage.ru_maxrss, sys.platform)
    wall = perf_counter() - begin
    process.stdout.close()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(output, wall, peak)


def peak_bytes(ru_maxrss: int, system: str) -> int:
    """Return `ru_maxrss` in bytes: macOS counts in bytes, Linux and the BSDs in KiB.

    >>> peak_bytes(1000, "linux"), peak_bytes(1000, "darwin")
    (1024000, 1000)
    """
    return ru_maxrss if system == "darwin" else ru_maxrss * 1024
