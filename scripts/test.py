"""Pass the tests: one command, from a bare Python to pytest's closing line.

    python3 scripts/test.py                 ruff, mypy and the whole of pytest
    python3 scripts/test.py ARGUMENTS       pytest alone, with these arguments (-k name, -x, a file)

Sets up an environment (the active one, or .venv in the repository) and installs nnlite into it with
what the tests need. ruff (style) and mypy (types, strict) come first and take seconds; pytest runs
whatever they say, and a failure of any of the three fails the command. mypy is left out beside a
NumPy whose annotations it was not tried with. With torch installed, the tests also compare nnlite
with it; without, they say that they did not. A second run finds the environment as it is and needs
no network.
"""

# Any Python can read this file, so that an old one gets as far as the message.
import sys

if sys.version_info < (3, 10):
    sys.stderr.write(
        "nnlite needs Python 3.10 or newer; this is Python %d.%d (%s).\n"
        "Install a newer one (https://www.python.org) and run this file with it:\n"
        "    python3.13 scripts/test.py\n" % (sys.version_info[:2] + (sys.executable,))
    )
    sys.exit(2)

import os

import _environment
from _environment import ROOT, say

# mypy reads NumPy's annotations too, which change with its releases: with these the verdict counts.
NUMPY_FOR_MYPY = ("2.4", "2.5")
NUMPY_VERSION = ["-c", "from importlib.metadata import version; print(version('numpy'))"]
CHECKS = {
    "ruff": ["-m", "ruff", "check"],
    "mypy": ["-m", "mypy"],
}


def main(arguments):  # type: (list[str]) -> int
    """Set up, check and test; return the exit status."""
    if arguments and arguments[0] in ("-h", "--help"):
        say((__doc__ or "").strip())
        return 0
    environment = _environment.prepare(extras=["test"])
    failed = []
    if not arguments:
        numpy = _environment.ask(environment, NUMPY_VERSION)
        for name, command in CHECKS.items():
            if name == "mypy" and ".".join(numpy.split(".")[:2]) not in NUMPY_FOR_MYPY:
                counts = " and ".join(NUMPY_FOR_MYPY)
                say("Not checking with mypy: it counts with NumPy %s, not %s" % (counts, numpy))
                continue
            say("Checking with " + name)
            if _environment.run(environment, command) != 0:
                failed.append(name)
    say("Testing with pytest")
    status = _environment.run(environment, ["-m", "pytest"] + from_root(arguments))
    if failed:
        sys.stderr.write("Failed: %s, above what pytest printed.\n" % " and ".join(failed))
    return status or int(bool(failed))


def from_root(arguments):  # type: (list[str]) -> list[str]
    """Return pytest's arguments with the test files named from here, since it runs in the root."""
    if os.path.realpath(os.curdir) == str(ROOT):
        return list(arguments)
    return [os.path.abspath(part) if names_a_test(part) else part for part in arguments]


def names_a_test(argument):  # type: (str) -> bool
    """Whether a command-line argument is a test file that lies here, or a test in one."""
    path = argument.split("::")[0]
    return path.endswith(".py") and os.path.exists(path)


if __name__ == "__main__":
    _environment.run_main(main)
