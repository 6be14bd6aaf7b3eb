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


class WorkerProcess:
    """A framework's process as the conductor sees it.

    Args:
        framework: a name in `FRAMEWORKS`.
        env: its environment.
    """

    def __init__(self, framework: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(COMMAND), "--worker", framework],
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
            raise Failed(f"the process died with status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Workers:
    """The workers that are alive: each is started when it is first asked for.

    Args:
        env: their environment.
    """

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.alive: dict[tuple[str, str], WorkerProcess] = {}

    def __call__(self, framework: str, case: str = "") -> WorkerProcess:
        """Return the worker of a framework, or of one case where cases are kept apart."""
        key = framework, case
        if key not in self.alive:
            self.alive[key] = WorkerProcess(framework, self.env)
        return self.alive[key]

    def close(self) -> None:
        """End them all."""
        for worker in self.alive.values():
            worker.close()
        self.alive.clear()


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
        workers: the processes of those workloads that are not whole processes themselves.
        progress: called with a short text now and then.
    """

    workload: Workload
    frameworks: list[str]
    rounds: int
    threads: int
    smoke: bool
    env: dict[str, str]
    workers: Workers
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


def measure(plan: Plan) -> Measured:
    """Run a workload's rounds, frameworks in turn, and return what they gave.

    The rounds are divided among several starts of the processes. Behind each start one round
    more is run, first and unmeasured: it fills caches and finishes imports. Every other round
    goes through the turns backwards, so that nobody always follows the same neighbour.

    Raises:
        Failed: a framework could not run it.
    """
    workload = plan.workload
    measured = {(case, name): Series() for case in plan.cases() for name in plan.frameworks}
    first = 1 if plan.smoke else 0
    open_turns = process_turns if workload.process else worker_turns
    for rounds in shares(plan.rounds, 1 if workload.process else workload.starts):
        with ExitStack() as stack:
            take_turn = open_turns(plan, stack)
            for number in range(first, rounds + 1):
                done = len(next(iter(measured.values())).seconds)
                plan.progress(f"{workload.name}: {done} of {plan.rounds} rounds done")
                order = list(measured.items())
                for (case, framework), series in order if number % 2 else reversed(order):
                    turn = take_turn(case, framework)
                    if number > 0:
                        series.seconds.append(turn.seconds)
                        series.results.append(turn.results)
                        if turn.peak is not None and workload.memory:
                            series.peaks.append(turn.peak)
                    if plan.threads > 1:
                        time.sleep(SETTLE_SECONDS)
    return measured


def shares(rounds: int, starts: int) -> list[int]:
    """Divide the rounds among the starts as evenly as it goes, none without a round.

    >>> shares(15, 4), shares(2, 3)
    ([4, 4, 4, 3], [1, 1])
    """
    starts = min(rounds, starts)
    return [(rounds + starts - 1 - start) // starts for start in range(starts)]


def worker_turns(plan: Plan, stack: ExitStack) -> TakeTurn:
    """Start a worker for each framework, or for each of its cases.

    They stay until the stack is closed; in a smoke run they stay on for the next workload,
    since most of its time would be spent on starting them.
    """
    if not plan.smoke:
        stack.callback(plan.workers.close)
    workload = plan.workload
    cases = plan.cases()
    parts = (
        {name: {name: sizes} for name, sizes in cases.items()} if workload.apart else {"": cases}
    )

    def ask(framework: str, part: str, **request: Any) -> dict[str, Any]:
        try:
            return plan.workers(framework, part).ask(**request)
        except Failed as failed:
            raise Failed(f"{framework} in {workload.name}: {failed}") from failed

    for framework in plan.frameworks:
        plan.progress(f"{workload.name}: starting {framework}")
        for part, sizes in parts.items():
            request = {"program": workload.program, "threads": plan.threads, "cases": sizes}
            ask(framework, part, do="prepare", **request)

    def take_turn(case: str, framework: str) -> Turn:
        answer = ask(framework, case if workload.apart else "", do="run", case=case)
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
