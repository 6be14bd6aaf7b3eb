"""Gives the frameworks their turns: one process runs, the others wait."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.figures import Measured, Series
from benchmark.processes import PROGRAMS, run_process
from benchmark.workloads import Workload

COMMAND = Path(__file__).resolve().parents[1] / "bench.py"
SETTLE_SECONDS = 0.1
"""Pause between turns with several threads: idle pool threads spin before they sleep."""

Progress = Callable[[str], None]


class Failed(Exception):
    """A framework could not run a workload; the text says which and why."""


@dataclass(frozen=True)
class Plan:
    """How a workload is to be measured.

    Args:
        workload: what to run.
        frameworks: who runs it, in the order of turns.
        rounds: measured rounds.
        threads: how many each framework may use.
        smoke: take the small sizes and go without the unmeasured first round.
        env: the environment of every process.
        progress: called with a short text now and then.
    """

    workload: Workload
    frameworks: list[str]
    rounds: int
    threads: int
    smoke: bool
    env: dict[str, str]
    progress: Progress

    def cases(self) -> dict[str, dict[str, Any]]:
        """Return the sizes of each case by its name."""
        cases = self.workload.cases
        return {c.name: {**c.sizes, **c.smoke} if self.smoke else c.sizes for c in cases}


class Turn(NamedTuple):
    """What one turn of a framework gave: seconds per unit, results, peak memory in bytes."""

    seconds: float
    results: list[float]
    peak: int | None


TakeTurn = Callable[[str, str], Turn]
"""Lets a framework run a case once; called with the case and the framework."""


class WorkerProcess:
    """A framework's process as the conductor sees it.

    Args:
        framework: a name in `FRAMEWORKS`.
        workload: the name of a workload.
        env: its environment.
    """

    def __init__(self, framework: str, workload: str, env: dict[str, str]) -> None:
        self.name = f"{framework} in {workload}"
        self.process = subprocess.Popen(
            [sys.executable, str(COMMAND), "--worker", framework, workload],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request, wait for the answer and return it.

        Raises:
            Failed: the worker answered with an error, or died.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{self.name}: the process died with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.name}:\n{answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def measure(plan: Plan) -> Measured:
    """Run a workload's rounds, frameworks in turn, and return what they gave.

    One round more is run, first and unmeasured: it fills caches and finishes imports.

    Raises:
        Failed: a framework could not run it.
    """
    measured = {(case, name): Series() for case in plan.cases() for name in plan.frameworks}
    first = 1 if plan.smoke else 0
    with ExitStack() as stack:
        open_turns = process_turns if plan.workload.process else worker_turns
        take_turn = open_turns(plan, stack)
        for number in range(first, plan.rounds + 1):
            plan.progress(f"{plan.workload.name}: round {number} of {plan.rounds}")
            for (case, framework), series in measured.items():
                turn = take_turn(case, framework)
                if number > 0:
                    series.seconds.append(turn.seconds)
                    series.results.append(turn.results)
                    if turn.peak is not None and plan.workload.memory:
                        series.peaks.append(turn.peak)
                if plan.threads > 1:
                    time.sleep(SETTLE_SECONDS)
    return measured


def worker_turns(plan: Plan, stack: ExitStack) -> TakeTurn:
    """Start a worker for each framework, to stay until the stack is closed."""
    workers = {}
    for framework in plan.frameworks:
        plan.progress(f"{plan.workload.name}: starting {framework}")
        workers[framework] = WorkerProcess(framework, plan.workload.name, plan.env)
        stack.callback(workers[framework].close)
        workers[framework].ask(do="prepare", threads=plan.threads, cases=plan.cases())

    def take_turn(case: str, framework: str) -> Turn:
        answer = workers[framework].ask(do="run", case=case)
        return Turn(answer["seconds"] / answer["units"], answer["results"], None)

    return take_turn


def process_turns(plan: Plan, stack: ExitStack) -> TakeTurn:
    """Make each turn a fresh process; a temporary folder stays until the stack is closed."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    cases = plan.cases()
    make_command = PROGRAMS[plan.workload.program]

    def take_turn(case: str, framework: str) -> Turn:
        try:
            cost = run_process(make_command(framework, cases[case], folder, plan.env), plan.env)
        except subprocess.SubprocessError as error:
            raise Failed(f"{framework} in {plan.workload.name}: {error}") from error
        printed = json.loads(cost.output.splitlines()[-1])
        return Turn(printed.get("seconds", cost.wall), printed.get("results", []), cost.peak)

    return take_turn
