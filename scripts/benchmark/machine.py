"""Where the figures were taken: processor, system, versions."""

import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.frameworks import FRAMEWORKS

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",
    "PJRT_NPROC",
)
"""What linear-algebra libraries and OpenMP heed; the last two are for XLA, which JAX runs on."""


def environment(threads: int, paths: list[Path]) -> dict[str, str]:
    """Return the environment of every measured process.

    Args:
        threads: what each linear-algebra library and OpenMP may use.
        paths: put before what `PYTHONPATH` holds.
    """
    result = dict(os.environ)
    result.update({name: str(threads) for name in THREAD_VARIABLES})
    before = [result["PYTHONPATH"]] if result.get("PYTHONPATH") else []
    result["PYTHONPATH"] = os.pathsep.join([str(path) for path in paths] + before)
    result["PYTHONHASHSEED"] = "0"
    result["JAX_PLATFORMS"] = "cpu"
    result.pop("PYTHONDONTWRITEBYTECODE", None)
    return result


def describe(frameworks: list[str], threads: int, env: dict[str, str]) -> dict[str, Any]:
    """Return the machine, the system and the versions, for the table's head and the JSON."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "threads": threads,
        "date": date.today().isoformat(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": {name: framework_version(name, env) for name in frameworks},
    }


def cpu_model() -> str:
    """Return the processor's name as its system tells it."""
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def framework_version(name: str, env: dict[str, str]) -> str:
    """Return a framework's version, from the installer's records or from the module itself."""
    entry = FRAMEWORKS[name]
    if entry.distribution:
        try:
            return version(entry.distribution)
        except PackageNotFoundError:
            pass
    code = f"import {entry.package} as p; print(getattr(p, '__version__', 'unknown'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
