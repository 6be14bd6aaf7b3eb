"""One framework's process: runs a workload when it is told to, and is blocked otherwise.

Requests and answers are lines of JSON on stdin and stdout:

    {"do": "prepare", "program": "…", "threads": 1, "cases": {"": {…sizes…}}} → {"ready": true}
    {"do": "run", "case": ""}                → {"seconds": …, "units": …, "results": […]}

It ends when stdin does. A failure is answered with {"error": "…"}.
"""

import gc
import json
import os
import signal
import sys
import traceback
from importlib import import_module
from time import perf_counter
from typing import Any

from benchmark.frameworks import FRAMEWORKS
from benchmark.frameworks.program import Program


class Worker:
    """What a worker does with each request.

    Args:
        framework: a name in `FRAMEWORKS`.
    """

    def __init__(self, framework: str) -> None:
        self.framework = FRAMEWORKS[framework]
        self.module = import_module(f"benchmark.frameworks.{self.framework.file}")
        self.cases: dict[str, Program] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        if request["do"] == "prepare":
            return self.prepare(request["program"], request["threads"], request["cases"])
        return self.run(request["case"])

    def prepare(
        self, program: str, threads: int, cases: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        """Make the program of each case, its data included, in place of what was there."""
        if hasattr(self.module, "set_threads"):
            self.module.set_threads(self.framework.package, threads)
        make = self.module.PROGRAMS[program]
        self.cases.clear()
        for name, sizes in cases.items():
            self.cases[name] = make(self.framework.package, sizes)
        return {"ready": True}

    def run(self, case: str) -> dict[str, Any]:
        """Start a case afresh and time it.

        The garbage collector stays on, as users have it; what was left over is collected first.
        """
        program = self.cases[case]
        run = program.prepare()
        gc.collect()
        begin = perf_counter()
        results = run()
        seconds = perf_counter() - begin
        return {"seconds": seconds, "units": program.units, "results": results}


def serve(framework: str) -> int:
    """Answer requests until stdin ends; return the exit status.

    What libraries print goes to stderr: stdout belongs to the answers. An interrupt from the
    keyboard is the conductor's to handle: it ends its workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        worker: Worker | None = None
        for line in sys.stdin:
            try:
                worker = worker or Worker(framework)
                answer = worker.answer(json.loads(line))
            except Exception:
                answer = {"error": traceback.format_exc()}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    return 0
