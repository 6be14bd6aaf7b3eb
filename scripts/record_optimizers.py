"""Record where torch's optimizers and schedules arrive, for where torch is missing.

Needs torch; writes optimizers.json and schedulers.json in tests/reference. Run it again when
tests/optimizers.py or tests/schedulers.py changes:

    python scripts/record_optimizers.py

For each case of the tables: the parameters after all steps, in float64; the rates at every step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"


def write(name: str, values: dict[str, Any]) -> None:
    """Write a file of reference values, a line for each case."""
    path = TESTS / "reference" / name
    lines = [
        f"{json.dumps(label)}: {json.dumps(value, separators=(',', ':'))}"
        for label, value in values.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(lines)} cases in {path}, {path.stat().st_size:,} bytes")


def main() -> None:
    """Write the files."""
    sys.path.insert(0, str(TESTS))
    import optimizers  # type: ignore[import-not-found]
    import schedulers  # type: ignore[import-not-found]
    import torch

    arrived = {}
    for case in optimizers.CASES:
        if case.row.by_hand is None:
            run = optimizers.Run(torch, case).step(optimizers.STEPS)
            arrived[case.label] = [values.ravel().tolist() for values in run.values()]
    write("optimizers.json", arrived)
    rates = {}
    for row in schedulers.ROWS:
        course = schedulers.Course(torch, row)
        later = [course.step().rates() for _ in range(schedulers.STEPS)]
        rates[row.label] = [schedulers.Course(torch, row).rates(), *later]
    write("schedulers.json", rates)


if __name__ == "__main__":
    main()
