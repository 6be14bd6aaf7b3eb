"""Train a first network: one command, from a bare Python to plots and predictions.

    python3 scripts/quickstart.py

Sets up an environment (the active one, or .venv in the repository), installs nnlite into it and
runs examples/breast_cancer.py: it trains on the Wisconsin breast-cancer data that comes with
nnlite, plots the loss curves, freezes the body, fine-tunes the head and predicts. Results go to
runs/breast_cancer. A second run finds the environment as it is and needs no network.
"""

# Any Python can read this file, so that an old one gets as far as the message.
import sys

if sys.version_info < (3, 10):
    sys.stderr.write(
        "nnlite needs Python 3.10 or newer; this is Python %d.%d (%s).\n"
        "Install a newer one (https://www.python.org) and run this file with it:\n"
        "    python3.13 scripts/quickstart.py\n" % (sys.version_info[:2] + (sys.executable,))
    )
    sys.exit(2)

import argparse

import _environment
from _environment import ROOT, say

EXAMPLE = ROOT / "examples" / "breast_cancer.py"
RESULTS = ROOT / "runs" / "breast_cancer"
# Runs a file as `python FILE` does, except that Ctrl-C prints no traceback.
RUN_FILE = """
import runpy, sys
del sys.argv[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except KeyboardInterrupt:
    sys.exit(130)
"""


def main(arguments):  # type: (list[str]) -> int
    """Set up, run the example, say what to look at next; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="quickstart.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    environment = _environment.prepare()
    say("Running examples/%s\n" % EXAMPLE.name)
    status = _environment.run(environment, ["-c", RUN_FILE, str(EXAMPLE)])
    if status != 0:
        sys.stderr.write("\nThe example failed; what it printed above says why.\n")
        return status
    say("\n" + what_next(environment))
    return 0


def what_next(environment):  # type: (_environment.Environment) -> str
    """Return the closing text: the files to look at, and the commands to try."""
    lines = ["What to look at next", "  What the run wrote:"]
    for path in sorted(RESULTS.rglob("*")):
        if path.is_file():
            lines.append("    " + _environment.shown(path))
    lines.append("  The code that did it:")
    lines.append("    " + _environment.shown(EXAMPLE))
    lines.append("  Your own data (a CSV file with a column that has two values to tell apart):")
    activation = _environment.activation(environment)
    if activation is not None:
        lines.append("    " + activation)
    lines.append("    nnlite train your.csv --target COLUMN")
    lines.append("    nnlite --help")
    return "\n".join(lines)


if __name__ == "__main__":
    _environment.run_main(main)
