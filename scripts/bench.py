"""Measure nnlite against other frameworks and hand-written NumPy; `--help` says how.

The command only: `benchmark/` beside it holds the workloads, the frameworks and the measuring.
"""

import sys
from io import TextIOWrapper
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run as the conductor or, when called with `--worker`, as one framework's process."""
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--worker"]:
        from benchmark.worker import serve

        return serve(*sys.argv[2:])
    from benchmark.command import main as command

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a console that cannot write µ
    try:
        return command(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
