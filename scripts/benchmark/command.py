"""The command line of the benchmark."""

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark import machine, markdown, saved
from benchmark.conductor import Failed, Plan, Workers, measure
from benchmark.figures import agreement, exponents, rows, verdicts, wording
from benchmark.frameworks import FRAMEWORKS, installed
from benchmark.report import Outcome, as_json, head, table
from benchmark.workloads import WORKLOADS, Workload

SCRIPTS = Path(__file__).resolve().parents[1]

DESCRIPTION = (
    "Measure nnlite against torch, JAX, MLX, scikit-learn, hand-written NumPy and, as the limit "
    "that the machine sets, the matrix products alone."
)
EPILOG = """\
how it measures:
  Each framework has a process of its own. They take turns, round by round: one runs, the others
  wait, blocked. Each turn starts from the same weights and goes through the same data, made by
  NumPy from a seed, in the same number of steps; the losses of every step are compared, and the
  command fails when they differ by more than round-off. Figures are medians over the rounds with
  both quartiles; nnlite is compared with the others within each round, so that a disturbance
  that lasts longer than a turn cancels out. The processes are started afresh several times, since
  where a process has its arrays makes a difference to short steps; the first round behind each
  start is not counted.

  A step is all of: zero_grad, forward, loss, backward, optimizer step, and the loss read as a
  float. torch and nnlite run the very same text; JAX runs the step as one jitted function with
  donated parameters, MLX as one compiled function. Python's garbage collector stays on.

  All are held to one thread unless --threads says otherwise: OpenBLAS, MKL and OpenMP by their
  variables, torch by set_num_threads, JAX by NPROC; MLX computes in one thread on a CPU.

  cold_start and import_time run whole fresh processes. cold_start is the time from the start
  of the process to its end, and its peak memory as the system counts it (not on Windows).

  Targets are upper limits for the median. A missed target is shown and does not fail the
  command: times depend on the machine. A target about a framework that is not installed is
  shown as not measured. Close other programs; on a laptop, plug it in. All of it takes about
  a quarter of an hour.

exit status:
  0  measured, and all results agree
  1  results disagree, or a framework failed; the figures are shown
  2  wrong usage

examples:
  python scripts/bench.py
  python scripts/bench.py --only tiny_step --frameworks numpy,nnlite --rounds 50
  python scripts/bench.py --json figures.json --markdown table.md --plot bench.png --plot bench.svg
  python scripts/bench.py --figures figures.json --plot bench.png
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    result = argparse.ArgumentParser(
        prog="bench.py",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--only", type=names_of("workload"), metavar="NAME[,NAME]", help="these workloads alone")
    add(
        "--frameworks",
        type=names_of("framework"),
        metavar="NAME[,NAME]",
        help=f"these of {', '.join(FRAMEWORKS)} alone (default: all that are installed)",
    )
    add("--rounds", type=positive, metavar="N", help="measured rounds (default: each its own)")
    add("--threads", type=positive, default=1, metavar="N", help="for each framework (default: 1)")
    add("--smoke", action="store_true", help="run all of it small; the figures mean nothing")
    add("--json", type=Path, metavar="FILE", help="write the figures to FILE as JSON")
    add("--markdown", type=Path, metavar="FILE", help="write the table that the README shows")
    add(
        "--plot",
        type=Path,
        action="append",
        metavar="FILE",
        help="draw the figures (.png, .svg or .pdf); may be given several times",
    )
    add(
        "--figures",
        type=Path,
        metavar="FILE",
        help="measure nothing: take the figures from what --json wrote",
    )
    add("--list", action="store_true", help="list workloads, targets and frameworks, then end")
    return result


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the arguments; end with status 2 where the files could not be written later."""
    reader = parser()
    args = reader.parse_args(arguments)
    for file in (args.json, args.markdown, *(args.plot or [])):
        if file and not file.resolve().parent.is_dir():
            reader.error(f"{file}: there is no folder {file.resolve().parent}")
    if args.figures and not args.figures.is_file():
        reader.error(f"--figures: there is no file {args.figures}")
    if args.plot and find_spec("matplotlib") is None:
        reader.error("--plot needs matplotlib, which is not installed")
    return args


def positive(text: str) -> int:
    """Read a whole number from one up.

    >>> positive("3")
    3
    """
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


class names_of:
    """Read names separated by commas, each of a workload or of a framework."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.known = [w.name for w in WORKLOADS] if kind == "workload" else list(FRAMEWORKS)

    def __call__(self, text: str) -> list[str]:
        """Return the names in the table's order; unknown ones raise."""
        given = text.split(",")
        for name in given:
            if name not in self.known:
                known = ", ".join(self.known)
                raise argparse.ArgumentTypeError(f"no {self.kind} {name!r}; there are {known}")
        return [name for name in self.known if name in given]


def listing() -> str:
    """Write the workloads with their targets, and the frameworks with whether they are here."""
    lines = []
    for workload in WORKLOADS:
        lines.append(f"{workload.name}: {workload.title}; {workload.details}")
        lines.append(f"  frameworks {', '.join(workload.frameworks)}")
        for target in workload.targets:
            lines.append(f"  target {wording(workload, target)} at most {target.limit:g}")
    here = [f"{name}{'' if installed(name) else ' (not installed)'}" for name in FRAMEWORKS]
    return "\n".join([*lines, f"frameworks: {', '.join(here)}"])


def show_progress(text: str) -> None:
    """Overwrite one line of stderr, where that is a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def run(
    workload: Workload, frameworks: list[str], args: argparse.Namespace, workers: Workers
) -> Outcome:
    """Measure one workload."""
    rounds = args.rounds or (1 if args.smoke else workload.rounds)
    plan = Plan(
        workload, frameworks, rounds, args.threads, args.smoke, workers.env, workers, show_progress
    )
    measured = measure(plan)
    show_progress("")
    return Outcome(
        workload,
        rounds,
        rows(workload, measured),
        verdicts(workload, measured),
        agreement(workload, measured),
        exponents(workload, measured),
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    args = read_arguments(arguments)
    if args.list:
        print(listing())
        return 0
    if args.figures:
        try:
            where, outcomes = saved.read(args.figures)
        except (KeyError, TypeError, ValueError):
            wrong = f"--figures: {args.figures} was not written by --json of this version"
            print(f"bench.py: error: {wrong}", file=sys.stderr)
            return 2
        print(head(where))
        for outcome in outcomes:
            print(f"\n{table(outcome)}")
        failures: list[str] = []
    else:
        where, outcomes, failures = measure_all(args, " ".join(["bench.py", *arguments]))
    print(f"\n{summary(outcomes, failures)}")
    if args.json:
        text = json.dumps(as_json(where, outcomes, args.smoke), indent=1)
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(markdown.table(where, outcomes), encoding="utf-8")
    for path in args.plot or []:
        from benchmark.plot import save

        save(str(path), where, outcomes)
    agree = all(o.agreement is None or o.agreement.holds for o in outcomes)
    return 0 if agree and not failures else 1


def measure_all(
    args: argparse.Namespace, command: str
) -> tuple[dict[str, Any], list[Outcome], list[str]]:
    """Measure and print what was asked for; return the machine, the figures and the failures."""
    asked = args.frameworks or list(FRAMEWORKS)
    frameworks = [name for name in asked if installed(name)]
    missing = [name for name in asked if name not in frameworks]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}; targets about them: not measured")
    env = machine.environment(args.threads, [SCRIPTS.parent, SCRIPTS])
    where = {**machine.describe(frameworks, args.threads, env), "command": command}
    print(head(where))
    if args.smoke:
        print("A smoke run: it shows that everything works; its figures mean nothing.")
    outcomes = []
    failures = []
    workers = Workers(env)
    try:
        for workload in WORKLOADS:
            takes_part = [name for name in workload.frameworks if name in frameworks]
            if (args.only and workload.name not in args.only) or not takes_part:
                continue
            absent = [module for module in workload.needs if find_spec(module) is None]
            if absent:
                print(f"\n{workload.name}: left out, {' and '.join(absent)} not installed")
                continue
            try:
                outcomes.append(run(workload, takes_part, args, workers))
            except Failed as failed:
                show_progress("")
                failures.append(f"FAILED: {failed}")
                print(f"\n{failures[-1]}", flush=True)
                workers.close()
            else:
                print(f"\n{table(outcomes[-1])}", flush=True)
    finally:
        workers.close()
    return where, outcomes, failures


def summary(outcomes: list[Outcome], failures: list[str]) -> str:
    """Write how many targets hold, which do not, and which workloads' results disagree."""
    judged = [(o.workload.name, verdict) for o in outcomes for verdict in o.verdicts]
    measured = [(name, v) for name, v in judged if v.value is not None]
    missed = [f"{name} ({v.text})" for name, v in measured if not v.holds]
    absent = [f"{name} ({v.text})" for name, v in judged if v.value is None]
    lines = [f"targets: {len(measured) - len(missed)} of {len(judged)} hold"]
    if not judged:
        lines = ["no target could be judged"]
    if missed:
        lines.append(f"missed: {', '.join(missed)}")
    if absent:
        lines.append(f"not measured: {', '.join(absent)}")
    apart = [o.workload.name for o in outcomes if o.agreement and not o.agreement.holds]
    if apart:
        lines.append(f"RESULTS DISAGREE in {', '.join(apart)}: its times compare unlike things")
    if failures:
        lines.append(f"{len(failures)} of {len(outcomes) + len(failures)} workloads FAILED")
    return "\n".join(lines)
