"""``nnlite plot``: draw the loss curves of runs."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from nnlite.cli.arguments import add_command, path_name
from nnlite.cli.output import blame_input, say

if TYPE_CHECKING:
    from nnlite.train.history import History

__all__ = ["add_to", "run"]


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from nnlite.train.history import History
    from nnlite.train.plot import plot_history
    from nnlite.train.run import HISTORY, PLOT, UNFINISHED

    histories: dict[str, History] = {}
    with blame_input():
        for folder in options.runs:
            path = os.path.join(folder, HISTORY)
            begun = os.path.join(folder, UNFINISHED)
            if not os.path.exists(path) and os.path.exists(os.path.join(begun, HISTORY)):
                folder, path = begun, os.path.join(begun, HISTORY)
            if not os.path.isdir(folder):
                raise ValueError(f"{folder}: there is no such folder")
            if not os.path.exists(path):
                raise ValueError(f"{folder}: there is no {HISTORY} in it: name the folder of a run")
            histories[folder] = History.from_csv(path)
        out = options.out
        if out is None:
            out = os.path.join(*histories, PLOT) if len(histories) == 1 else "comparison.png"
        title = f"{len(histories)} runs compared" if len(histories) > 1 else None
        plot_history(histories, out, title=title)
    if not options.quiet:
        say(f"Wrote {out}\n")
    return 0


def add_to(commands: Any) -> None:
    """Add the command and its options."""
    parser = add_command(
        commands,
        "plot",
        run,
        "draw the loss curves of one run, or of several to compare",
        """
        Draw loss and metrics over the epochs, from the history.csv of each run. This works while
        a run is still going on; where an earlier one is in DIR, name DIR/unfinished.
        """,
        """
        examples:
          nnlite plot runs/data
          nnlite plot runs/data runs/wider --out comparison.svg
        """,
    )
    parser.add_argument(
        "runs", type=path_name, nargs="+", metavar="DIR", help="the folder of a run"
    )
    parser.add_argument(
        "--out",
        type=path_name,
        metavar="FILE",
        help="the file to write, .png or .svg (default: DIR/loss.png, of several runs "
        "comparison.png)",
    )
    parser.add_argument("--quiet", action="store_true", help="print errors only")
