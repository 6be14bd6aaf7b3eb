#!/usr/bin/env python3
"""Run the examples on real data in full, and check the accuracy that each has to reach.

Takes about four minutes. The plots lie in folders below runs/ afterwards, or below --out. The
example finetune_minilm needs packages, which it names where they are missing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The text before the figure, and the limit: at least so much (at most, for an error).
PROMISED = {
    "digits_cnn": ("Test accuracy: ", 0.985),
    "digits_lstm": ("Test accuracy: ", 0.97),
    "digits_transformer": ("Test accuracy: ", 0.97),
    "digits_autoencoder": ("the same digit for ", 0.8),
    "finetune_digits": ("Test accuracy: ", 0.58),
    "finetune_minilm": ("Test accuracy: ", 0.88),
}


def main() -> int:
    """Run them one after the other; 0 when all reach what is promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PROMISED, []], help="which (default: all)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs", help="folder for the plots")
    arguments = parser.parse_args()
    missed = 0
    for name in arguments.names or PROMISED:
        text, limit = PROMISED[name]
        start = time.perf_counter()
        command = [sys.executable, ROOT / "examples" / f"{name}.py", "--out", arguments.out / name]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        found = re.search(f"{text}([0-9.]+)", ended.stdout)
        if ended.returncode or found is None:
            print(f"{name}: failed\n{ended.stdout}")
            missed += 1
            continue
        value = float(found.group(1))
        verdict = "holds" if value >= limit else "MISSED"
        missed += value < limit
        took = time.perf_counter() - start
        print(f"{name:20} {text}{value:.4f}, at least {limit}: {verdict}  ({took:.0f} s)")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
