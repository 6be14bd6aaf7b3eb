"""Record where torch's optimizers arrive, for where torch is missing.

Needs torch; writes tests/reference/optimizers.json. Run it again when tests/optimizers.py changes:

    python scripts/record_optimizers.py

For each case of the table: the parameters after all steps, in float64.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
REFERENCE = TESTS / "reference" / "optimizers.json"


def main() -> None:
    """Write the file."""
    sys.path.insert(0, str(TESTS))
    import torch
    from optimizers import CASES, STEPS, Run  # type: ignore[import-not-found]

    lines = []
    for case in CASES:
        if case.row.by_hand is None:
            values = [v.ravel().tolist() for v in Run(torch, case).step(STEPS).values()]
            lines.append(f"{json.dumps(case.label)}: {json.dumps(values, separators=(',', ':'))}")
    REFERENCE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(lines)} cases in {REFERENCE}, {REFERENCE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
