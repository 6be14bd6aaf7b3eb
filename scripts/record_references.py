"""Record what torch gives for every row of the tables of operators and layers, for where torch is
missing.

Needs torch; writes tests/reference/operators.json and layers.json. Run it again when a table
changes:

    python scripts/record_references.py [operators] [layers]

Of operators, for each case: outputs, first and second derivatives (as dtype, shape and values) and
the name of the node; for the first of each row the dtypes of its outputs for other dtypes of its
inputs. Of layers, for each row: what the second step gives in each mode (of the state only what
has changed; in the second mode only the outputs, if they differ), the names, dtypes and shapes of
the state, and the printed form; and the arguments of every constructor.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"


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


def nested(found: Any) -> Any:
    """Arrays in dicts and lists as JSON can hold them."""
    if isinstance(found, dict):
        return {key: nested(value) for key, value in found.items()}
    if isinstance(found, list):
        return [nested(value) for value in found]
    return None if found is None else listed([found])[0]


def write(name: str, entries: dict[str, Any]) -> None:
    """Write a file, with an entry a line."""
    lines = (f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in entries.items())
    path = TESTS / "reference" / f"{name}.json"
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(entries)} entries in {path}, {path.stat().st_size:,} bytes")


def operators() -> None:
    """Record the table of operators."""
    import torch
    from operators import (  # type: ignore[import-not-found]
        CASES,
        Library,
        dtypes_of,
        results,
    )

    library = Library(torch, torch.nn.functional)
    entries = {}
    for case in CASES:
        found = results(library, case, torch.tensor)
        entry = {key: value if key == "grad_fn" else listed(value) for key, value in found.items()}
        if case.sample is case.row.samples[0]:
            entry["dtypes"] = dtypes_of(library, case, torch.tensor)
        entries[case.label] = entry
    write("operators", entries)


def layers() -> None:
    """Record the table of layers."""
    import torch
    from layers import (  # type: ignore[import-not-found]
        Namespace,
        constructor,
        course,
        every_row,
        made,
        state_of,
    )

    entries: dict[str, Any] = {}
    for row in every_row():
        start = made(torch, row).state_dict()
        entry: dict[str, Any] = {}
        for mode in row.modes:
            found = course(torch, row, mode, steps=2)[1]
            changed = (k for k, v in found["state"].items() if (v != start[k].numpy()).any())
            found["state"] = {name: found["state"][name] for name in changed}
            outputs = nested(found["outputs"])
            if not entry:
                entry[mode] = nested(found)
            elif outputs != entry[row.modes[0]]["outputs"]:
                entry[mode] = {"outputs": outputs}
        module = row.make(Namespace(torch))
        entries[row.name] = {**entry, "state": state_of(module), "repr": repr(module)}
    kinds = dict.fromkeys(row.kind for row in every_row())
    entries["constructors"] = {kind: constructor(torch.nn, kind) for kind in kinds}
    write("layers", entries)


def main() -> None:
    """Write the files that are named, or both."""
    sys.path.insert(0, str(TESTS))
    record = {"operators": operators, "layers": layers}
    for name in sys.argv[1:] or record:
        record[name]()


if __name__ == "__main__":
    main()
