"""Make the data files of ``nnlite/datasets/data`` from the copies that scikit-learn carries.

python scripts/make_datasets.py            writes the files
python scripts/make_datasets.py --check    only says whether they are as it would write them
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "nnlite" / "datasets" / "data"


def arrays() -> Iterator[tuple[str, np.ndarray[Any, np.dtype[Any]]]]:
    """Each file's name and what it holds; nothing is lost by the smaller types.

    Raises:
        ValueError: scikit-learn's copy holds other values than the types can.
    """
    from sklearn.datasets import load_breast_cancer, load_digits

    cancer = load_breast_cancer()
    features = cancer.data.astype(np.float32)
    if any(float(str(short)) != exact for short, exact in zip(features.flat, cancer.data.flat)):
        raise ValueError("breast cancer: a float32 does not print as the decimal of the source")
    yield "breast_cancer_x", features
    yield "breast_cancer_y", _bytes(cancer.target)
    digits = load_digits()
    yield "digits_x", _bytes(digits.images)
    yield "digits_y", _bytes(digits.target)


def main() -> int:
    """Write or check the files; the exit status is 1 where the check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check: bool = parser.parse_args().check
    differing = 0
    for name, array in arrays():
        path = FOLDER / f"{name}.npy"
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        if check:
            same = path.exists() and path.read_bytes() == buffer.getvalue()
            differing += not same
            print(f"{path.name}: {'as it should be' if same else 'differs'}")
        else:
            path.write_bytes(buffer.getvalue())
            print(f"{path.name}: {len(buffer.getvalue()):,} bytes")
    return 1 if differing else 0


def _bytes(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    small = values.astype(np.uint8)
    if not np.array_equal(small, values):
        raise ValueError("a value is no whole number from 0 to 255")
    return small


if __name__ == "__main__":
    sys.exit(main())
