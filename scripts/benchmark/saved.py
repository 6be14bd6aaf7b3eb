"""Figures read back from the JSON of an earlier run, to be drawn or written again."""

import json
import math
from pathlib import Path
from typing import Any

from benchmark.figures import Agreement, Row, Spread, Verdict
from benchmark.report import Outcome
from benchmark.workloads import WORKLOADS, Target


def read(path: Path) -> tuple[dict[str, Any], list[Outcome]]:
    """Return the machine and the outcomes that `report.as_json` wrote.

    A workload that the table no longer has is left out.
    """
    tree = json.loads(path.read_text(encoding="utf-8"))
    known = {workload.name: workload for workload in WORKLOADS}
    outcomes = [
        Outcome(
            known[entry["name"]],
            entry["rounds"],
            [read_row(row) for row in entry["rows"]],
            [
                Verdict(Target(**target["target"]), target["text"], read_spread(target["value"]))
                for target in entry["targets"]
            ],
            read_agreement(entry["results"]),
            {name: Spread(**power) for name, power in entry["exponents"].items()},
        )
        for entry in tree["workloads"]
        if entry["name"] in known
    ]
    return tree["machine"], outcomes


def read_row(row: dict[str, Any]) -> Row:
    """Return one line of a workload's table."""
    return Row(
        row["case"],
        row["framework"],
        Spread(**row["time"]),
        read_spread(row["peak"]),
        read_spread(row["comparison"]),
    )


def read_spread(value: dict[str, float] | None) -> Spread | None:
    """Return a median with its quartiles, where there is one."""
    return None if value is None else Spread(**value)


def read_agreement(results: dict[str, Any] | None) -> Agreement | None:
    """Return how far the results lay apart; null stands for a number that is not finite."""
    if results is None:
        return None
    series = {(entry["case"], entry["framework"]): entry for entry in results["series"]}

    def numbers(name: str, missing: float) -> dict[tuple[str, str], float]:
        return {
            key: missing if entry[name] is None else entry[name] for key, entry in series.items()
        }

    return Agreement(
        results["reference"],
        numbers("first", math.nan),
        numbers("last", math.nan),
        numbers("largest_deviation", math.inf),
        results["agree"],
    )
