"""Record how torch prints some hundreds of tensors, for tests that run where torch is missing.

Needs torch; writes tests/reference/printing.json. Run it again when the cases below change:

    python scripts/record_printing.py

A case is what JSON can hold: ``dtype``, ``shape``, the ``values`` that fill the shape in turn over
and over, the ``strides`` of its memory, ``grad`` and the ``options`` of ``set_printoptions``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = Path(__file__).parents[1] / "tests" / "reference" / "printing.json"
RANDOM_CASES = 180
LONGEST_TEXT = 800  # of a random case; longer ones are left out to keep the file small

Case = dict[str, Any]

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
# The values at which torch changes its mind: about 1e-4, 1e8 and the ratio 1000, and their sides.
NAN, INF = float("nan"), float("inf")
FLOAT_LISTS = (
    [0.0],
    [-0.0],
    [-0.0, 0.0, 1.5],
    [1.0, 2.0],
    [NAN],
    [INF, -INF, NAN, 0.0],
    [1.0, NAN, -INF],
    [0.5, NAN, -INF],
    [0.5, 1e-5, NAN, INF, -0.0],
    [1e8, 1.0e6],
    [100000001.0, 1e7],
    [1e-4, 1.0e-3],
    [0.0000999, 0.001],
    [1.0, 1000.0],
    [1.0, 1001.0],
    [0.25, 250.0, 250.5],
    [0.99995, 9.99995, 0.00005],
    [-1e30, 1e-30],
    [5e-324, 1e308, 1.0],
    [65504.0, 6e-8],
    [123456.0, -7.0, 0.0],
    [0.1, 0.2, 0.30000001192092896],
)
SHAPES = ((), (1,), (4,), (2, 3), (0,), (0, 3), (2, 0, 3), (2, 1, 2, 2), (30,), (1001,), (40, 30))


def fixed_cases() -> Iterator[Case]:
    """The corners: every list of special floats, every shape in every dtype, every option alone."""
    for dtype in FLOATS:
        for values in FLOAT_LISTS:
            yield {"dtype": dtype, "shape": [len(values)], "values": values}
            yield {"dtype": dtype, "shape": [], "values": values[-1:]}
    for shape in SHAPES:
        for dtype in (*FLOATS, *INTEGERS, "bool"):
            yield {"dtype": dtype, "shape": list(shape), "values": [0, 3, 17, 1, 0]}
    wide: Case = {"dtype": "float32", "values": [0.125, -31.0625, 7.0]}
    for option in (
        {"precision": 0},
        {"precision": 8},
        {"threshold": 5},
        {"threshold": 0},
        {"threshold": 0, "edgeitems": 0},
        {"threshold": 12, "edgeitems": 1},
        {"edgeitems": 0},
        {"threshold": 5, "edgeitems": 1},
        {"linewidth": 30},
        {"linewidth": 0},
        {"linewidth": 200},
        {"profile": "short"},
        {"profile": "full"},
        {"profile": "short", "precision": 6},
        {"sci_mode": True},
        {"sci_mode": False},
    ):
        for shape in ((), (12,), (0, 2), (7, 9)):
            yield {**wide, "shape": list(shape), "options": option}
    for profile in ("default", "short"):
        yield {**wide, "shape": [2, 700], "options": {"profile": profile}}
    for linewidth in range(30, 60):
        narrow: Case = {"options": {"linewidth": linewidth}, "values": [-0.5]}
        yield {"dtype": "float64", "shape": [1, 1, 1, 4], "grad": "leaf", **narrow}


def random_case(rng: np.random.Generator) -> Case:
    """A tensor of any dtype, shape up to four axes, layout, values and print options."""
    dtype = str(rng.choice([*FLOATS, "float32", "float32", *INTEGERS, "int64", "bool"]))
    count = int(rng.integers(1, 14))
    values: list[Any]
    if dtype == "bool":
        values = rng.integers(0, 2, count).astype(bool).tolist()
    elif dtype in INTEGERS:
        info = np.iinfo(dtype)
        reach = 10 ** int(rng.integers(0, 19))
        low, high = max(int(info.min), -reach), min(int(info.max), reach)
        values = rng.integers(low, high, count, endpoint=True).tolist()
    else:
        values = [float(f"{value:.5g}") for value in _floats(rng, count)]
    axes = int(rng.integers(0, 5))
    largest = (1, 60, 12, 6, 4)[axes]
    if rng.random() < 0.08:
        largest = (1, 1500, 50, 15, 8)[axes]
    shape = rng.integers(0 if rng.random() < 0.1 else 1, largest, axes, endpoint=True).tolist()
    case: Case = {"dtype": dtype, "shape": shape, "values": values}
    if rng.random() < 0.3:
        case["strides"] = str(rng.choice(["transposed", "stepped", "expanded"]))
    if dtype in FLOATS and rng.random() < 0.4:
        case["grad"] = str(rng.choice(["leaf", "node"]))
    if rng.random() < 0.5:
        case["options"] = _options(rng)
    return case


def _floats(rng: np.random.Generator, count: int) -> list[float]:
    """Values of one of several kinds, with some nan, inf and zeros among them."""
    kind = rng.integers(6)
    normal = rng.standard_normal(count)
    if kind == 0:
        values = normal
    elif kind == 1:
        values = np.round(normal * 10 ** rng.uniform(0, 4))
    elif kind == 2:
        values = normal * 10 ** rng.uniform(-7, 9)
    elif kind == 3:
        values = normal * 10 ** rng.uniform(-4, 4, count)
    elif kind == 4:
        values = np.round(normal * 4) / 4
    else:
        values = rng.choice([1e-4, 1e-3, 1e-5, 1.0, 1000.0, 1e8, 1e4, 1e7, 2e8], count)
    if rng.random() < 0.4:
        special = rng.random(count) < rng.uniform(0, 1)
        values = np.where(special, rng.choice([NAN, INF, -INF, 0.0, -0.0], count), values)
    return [float(value) for value in values]


def _options(rng: np.random.Generator) -> Case:
    """Each option with a chance of one in four."""
    every: Case = {
        "precision": int(rng.integers(0, 9)),
        "threshold": int(rng.choice([0, 5, 20, 100])),
        "edgeitems": int(rng.integers(0, 5)),
        "linewidth": int(rng.integers(10, 140)),
        "profile": str(rng.choice(["default", "short", "full"])),
        "sci_mode": bool(rng.integers(2)),
    }
    return {name: value for name, value in every.items() if rng.random() < 0.25}


def build(case: Case) -> np.ndarray[Any, Any]:
    """The array that a case describes."""
    shape = tuple(case["shape"])
    strides = case.get("strides")
    with np.errstate(over="ignore"):
        values = np.array(case["values"]).astype(case["dtype"])
    if strides == "transposed":
        return np.resize(values, shape[::-1]).T
    if strides == "stepped":
        return np.resize(values, (*shape, 2))[..., 0]
    if strides == "expanded":
        return np.broadcast_to(np.resize(values, shape[1:]), shape)
    return np.resize(values, shape)


def suffixes(case: Case) -> list[str]:
    """What a tensor of this case says about its gradient."""
    grad = {"leaf": "requires_grad=True", "node": "grad_fn=<CloneBackward0>"}
    return [grad[case["grad"]]] if "grad" in case else []


def torch_text(torch: Any, case: Case) -> str:
    """What torch prints for a case."""
    array = build(case)
    tensor = torch.from_numpy(array.copy())
    if "grad" in case:
        tensor.requires_grad_()
    if case.get("grad") == "node":
        tensor = tensor.clone()
    torch.set_printoptions(profile="default")
    torch.set_printoptions(**case.get("options", {}))
    try:
        return repr(tensor)
    finally:
        torch.set_printoptions(profile="default")


def main() -> None:
    """Write the reference file, a case a line."""
    import torch

    rng = np.random.default_rng(20)
    cases = [{**case, "text": torch_text(torch, case)} for case in fixed_cases()]
    for _ in range(RANDOM_CASES):
        case = random_case(rng)
        text = torch_text(torch, case)
        if len(text) <= LONGEST_TEXT:
            cases.append({**case, "text": text})
    lines = [json.dumps(case) for case in cases]
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8", newline="\n")
    print(f"{len(cases)} cases, {REFERENCE.stat().st_size} bytes: {REFERENCE}")


if __name__ == "__main__":
    main()
