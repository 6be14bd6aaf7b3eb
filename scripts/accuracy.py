"""Measure what `nnlite train` reaches with its defaults on the breast-cancer data.

    python3 scripts/accuracy.py                  seeds 0 to 4
    python3 scripts/accuracy.py --seeds 20       more of them
    python3 scripts/accuracy.py --check          fail below the figures that are promised

For each seed a fifth of the rows is set aside as test data, both classes in the same shares. The
rest goes to `nnlite train`, which holds out its validation rows from that, and `nnlite predict`
gets the test rows. Where scikit-learn is installed, its MLPClassifier learns from the same rows,
standardised alike, with the same layers and its own defaults otherwise. nnlite must be installed
in the Python that runs this (`pip install .`).
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import warnings
from typing import Any

import numpy as np

from nnlite import Generator
from nnlite.io.table import Table, builtin_table

TARGET = "diagnosis"
PROMISED = 0.965


def main() -> int:
    """Measure, print the table, compare with what is promised; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, from 0 (default: 5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 below what is promised")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error("--seeds must be 1 or more")

    columns: dict[str, list[float]] = {"nnlite": [], "scikit-learn": []}
    has_sklearn = scikit_learn_is_there()
    print("seed  nnlite  scikit-learn" if has_sklearn else "seed  nnlite")
    for seed in range(options.seeds):
        train, test = split(seed)
        columns["nnlite"].append(with_nnlite(train, test, seed))
        line = f"{seed:4}  {columns['nnlite'][-1]:.4f}"
        if has_sklearn:
            columns["scikit-learn"].append(with_scikit_learn(train, test, seed))
            line += f"  {columns['scikit-learn'][-1]:.4f}"
        print(line, flush=True)
    means = {name: float(np.mean(values)) for name, values in columns.items() if values}
    print("mean  " + "  ".join(f"{mean:.4f}" for mean in means.values()))
    if not has_sklearn:
        print("(scikit-learn is not installed: nothing to compare with)")

    missed = []
    if means["nnlite"] < PROMISED:
        missed.append(f"nnlite is below {PROMISED}")
    if means["nnlite"] < means.get("scikit-learn", 0.0):
        missed.append("nnlite is below scikit-learn")
    if missed:
        print("Missed: " + " and ".join(missed))
    return int(options.check and bool(missed))


def split(seed: int) -> tuple[Table, Table]:
    """The rows to learn from, and the test rows, a fifth of all."""
    table = builtin_table()
    generator = Generator().manual_seed(seed)
    train, test = table.split(0.2, target=TARGET, generator=generator)
    return table.take(train), table.take(test)


def with_nnlite(train: Table, test: Table, seed: int) -> float:
    """The test accuracy of the command with its defaults, from CSV file to CSV file."""
    with tempfile.TemporaryDirectory() as folder:
        train_csv, test_csv, run, predictions = (
            os.path.join(folder, name) for name in ("train.csv", "test.csv", "run", "out.csv")
        )
        train.write_csv(train_csv)
        # The command never sees the answers to the test rows.
        Table({name: test[name] for name in test.names if name != TARGET}).write_csv(test_csv)
        nnlite("train", train_csv, "--target", TARGET, "--seed", str(seed), "--out", run)
        nnlite("predict", run, test_csv, "--out", predictions)
        with open(predictions, encoding="utf-8", newline="") as file:
            predicted = [row["prediction"] for row in csv.DictReader(file)]
    return float(np.mean(test.texts(TARGET) == np.array(predicted, dtype=object)))


def nnlite(*arguments: str) -> None:
    """Run the command; its errors go to the terminal."""
    subprocess.run([sys.executable, "-m", "nnlite", *arguments, "--quiet"], check=True)


def scikit_learn_is_there() -> bool:
    """Whether scikit-learn can be imported."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return False
    return True


def with_scikit_learn(train: Table, test: Table, seed: int) -> float:
    """The test accuracy of scikit-learn's MLPClassifier."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def parts(table: Table) -> tuple[Any, Any]:
        x = np.stack([table.numbers(name) for name in table.names if name != TARGET], axis=1)
        return x, table.texts(TARGET).astype(str)

    network = MLPClassifier(hidden_layer_sizes=(64, 32), random_state=seed)
    model = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says when 200 epochs were not enough for it
        model.fit(*parts(train))
    return float(model.score(*parts(test)))


if __name__ == "__main__":
    sys.exit(main())
