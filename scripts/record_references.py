"""Record what torch gives for every row of the table of operators, for where torch is missing.

Needs torch; writes tests/reference/operators.json. Run it again when tests/operators.py changes:

    python scripts/record_references.py

For each case: outputs, first and second derivatives (as dtype, shape and values) and the name of
the node; for the first of each row the dtypes of its outputs for other dtypes of its inputs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
REFERENCE = TESTS / "reference" / "operators.json"


def listed(arrays: list[Any]) -> list[Any]:
    """Arrays as JSON can hold them; 8 digits are what the tests compare."""
    return [
        [str(a.dtype), list(a.shape), [shortened(v) for v in a.ravel().tolist()]] for a in arrays
    ]


def shortened(value: Any) -> Any:
    """A float with fewer digits; -0.0 and whole numbers briefly."""
    if not isinstance(value, float):
        return value
    short = float(f"{value:.8g}")
    return int(short) if short.is_integer() and abs(short) < 1e9 and str(short)[0] != "-" else short


def main() -> None:
    """Write the file."""
    sys.path.insert(0, str(TESTS))
    import torch
    from operators import (  # type: ignore[import-not-found]
        CASES,
        Library,
        dtypes_of,
        results,
    )

    library = Library(torch, torch.nn.functional)
    lines = []
    for case in CASES:
        found = results(library, case, torch.tensor)
        entry = {key: value if key == "grad_fn" else listed(value) for key, value in found.items()}
        if case.sample is case.row.samples[0]:
            entry["dtypes"] = dtypes_of(library, case, torch.tensor)
        lines.append(f"{json.dumps(case.label)}: {json.dumps(entry, separators=(',', ':'))}")
    REFERENCE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(lines)} cases in {REFERENCE}, {REFERENCE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
