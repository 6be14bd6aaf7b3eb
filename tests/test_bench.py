"""The benchmark's logic: figures, targets, agreement, tables. No time is asserted."""

import doctest
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmark import command, conductor, figures, markdown, plot, report  # noqa: E402
from benchmark.conductor import Failed, WorkerProcess  # noqa: E402
from benchmark.figures import Series, Spread  # noqa: E402
from benchmark.frameworks import FRAMEWORKS  # noqa: E402
from benchmark.machine import environment  # noqa: E402
from benchmark.processes import PROGRAMS, run_process  # noqa: E402
from benchmark.workloads import WORKLOADS, Case, Target, Workload  # noqa: E402

MODULES = [
    "command", "conductor", "data", "figures", "frameworks", "machine", "markdown", "processes",
    "report", "worker",
]  # fmt: skip
MACHINE = {
    "cpu": "a processor",
    "cores": 4,
    "usable_cores": 2,
    "system": "a system",
    "python": "CPython 3.12.0",
    "threads": 1,
    "date": "2026-01-31",
    "command": "bench.py",
    "load": 0.25,
    "versions": {"numpy": "2.0.0"},
}


def workload(**changes: Any) -> Workload:
    """A workload of one case that numpy, nnlite and torch run."""
    entries: dict[str, Any] = {
        "name": "made_up",
        "title": "made up",
        "details": "for the tests",
        "unit": "step",
        "program": "mlp_step",
        "frameworks": ("numpy", "nnlite", "torch"),
        "cases": (Case("", {}),),
    }
    return Workload(**{**entries, **changes})


def series(*seconds: float, results: list[float] | None = None, peak: int = 0) -> Series:
    """Rounds with these times, the same results in each."""
    peaks = [peak] * len(seconds) if peak else []
    return Series(list(seconds), peaks, [results or [0.5, 0.25] for _ in seconds])


def outcome_of(made: Workload, measured: figures.Measured) -> report.Outcome:
    return report.Outcome(
        made,
        3,
        figures.rows(made, measured),
        figures.verdicts(made, measured),
        figures.agreement(made, measured),
        figures.exponents(made, measured),
    )


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    assert doctest.testmod(import_module(f"benchmark.{name}")).failed == 0


def test_spread_of_one_round_is_that_round() -> None:
    assert figures.spread([2.0]) == Spread(2.0, 2.0, 2.0)


def test_ratios_are_paired_within_rounds() -> None:
    # The second round was ten times slower for both: a ratio of medians would not see it.
    nnlite, numpy = [2.0, 20.0, 3.0], [1.0, 10.0, 2.0]
    assert figures.paired_ratios(nnlite, numpy) == Spread(2.0, 1.75, 2.0)


def test_rows_compare_with_the_subject_and_leave_itself_out() -> None:
    measured = {("", "numpy"): series(1.0, 2.0, 1.0), ("", "nnlite"): series(3.0, 3.0, 3.0)}
    numpy, nnlite = figures.rows(workload(), measured)
    assert numpy.comparison is not None
    assert numpy.comparison.median == 3.0
    assert nnlite.comparison is None


def test_rows_without_the_subject_compare_nothing() -> None:
    measured = {("", "numpy"): series(1.0), ("", "torch"): series(2.0)}
    assert [row.comparison for row in figures.rows(workload(), measured)] == [None, None]
    assert figures.verdicts(workload(targets=(Target(1.0, ratio_to="torch"),)), measured) == []


@pytest.mark.parametrize(("limit", "holds"), [(1.99, False), (2.0, True)])
@pytest.mark.parametrize(
    ("target", "factor"),
    [
        ({"ratio_to": "numpy"}, 1.0),
        ({"beyond": "torch"}, 1000.0),
        ({"growth_from": "small"}, 1.0),
        ({"memory": True}, 1.0),
    ],
)
def test_each_kind_of_target_holds_up_to_its_limit(
    target: dict[str, Any], factor: float, limit: float, holds: bool
) -> None:
    made = workload(
        cases=(Case("small", {}), Case("large", {})), targets=(Target(limit * factor, **target),)
    )
    measured = {
        ("small", "nnlite"): series(2.0, 2.0, 1.0),
        ("large", "numpy"): series(2.0, 2.0, 2.0),
        ("large", "torch"): series(2.0, 1.0, 2.0),
        ("large", "nnlite"): series(4.0, 3.0, 4.0, peak=2_000_000),
    }
    (verdict,) = figures.verdicts(made, measured)
    assert verdict.value.median == 2.0 * factor
    assert verdict.holds is holds


def test_targets_about_a_missing_framework_are_not_measured_and_do_not_hold() -> None:
    targets = (Target(1.0, ratio_to="torch"), Target(1.0, memory=True))
    made = workload(targets=targets)
    outcome = outcome_of(made, {("", "nnlite"): series(1.0)})
    assert [(v.value, v.holds) for v in outcome.verdicts] == [(None, False), (None, False)]
    assert "target nnlite / torch at most 1: not measured" in report.table(outcome)
    assert "0 of 2 hold" in command.summary([outcome], [])
    assert "not measured (≤ 1)" in markdown.table(MACHINE, [outcome])


def test_growth_is_compared_by_its_exponents_round_by_round() -> None:
    cases = (Case("10", {}, at=10.0), Case("100", {}, at=100.0))
    made = workload(cases=cases, axis="width", targets=(Target(0.5, exponent_beyond="torch"),))
    measured = {
        ("10", "nnlite"): series(1.0, 2.0),
        ("100", "nnlite"): series(100.0, 200.0),
        ("10", "torch"): series(1.0, 1.0),
        ("100", "torch"): series(10.0, 10.0),
    }
    powers = figures.exponents(made, measured)
    assert powers["nnlite"].median == pytest.approx(2.0)
    assert powers["torch"].median == pytest.approx(1.0)
    (verdict,) = figures.verdicts(made, measured)
    assert verdict.value is not None
    assert verdict.value.median == pytest.approx(1.0)
    assert not verdict.holds


def test_what_trains_nothing_has_no_results_to_agree_on() -> None:
    silent = series(1.0)
    silent.results = [[]]
    measured = {("", "nnlite"): series(1.0), ("", "products"): silent}
    agreement = figures.agreement(workload(), measured)
    assert agreement is not None
    assert list(agreement.deviation) == [("", "nnlite")]


def test_figures_read_back_are_the_figures_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {("", "numpy"): series(2.0), ("", "nnlite"): series(1.0)}
    monkeypatch.setattr(command, "measure", FakeMeasure(measured))
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    command.main(["--only", "tiny_step", "--frameworks", "numpy,nnlite", "--json", str(first)])
    before = capsys.readouterr().out
    page = tmp_path / "table.md"
    again = ["--figures", str(first), "--json", str(second), "--markdown", str(page)]
    assert command.main(again) == 0
    assert capsys.readouterr().out == before
    assert second.read_text(encoding="utf-8") == first.read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    assert "| training step, 30-64-32-1 | **1.00 s** | 0.500 ✓ (≤ 1.1) | not measured" in text
    assert "python scripts/bench.py --only tiny_step" in text


@pytest.mark.parametrize(
    "text", ["no JSON", "{}", '{"machine": {}, "workloads": [{"name": "tiny_step"}]}']
)
def test_figures_of_another_kind_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    assert command.main(["--figures", str(path)]) == 2
    assert "was not written by --json of this version" in capsys.readouterr().err


@pytest.mark.parametrize(
    "results", [[0.5, 0.2502], [0.5], [0.5, float("nan")], [0.5, float("inf")]]
)
def test_results_that_differ_disagree(results: list[float]) -> None:
    measured = {("", "numpy"): series(1.0, 1.0), ("", "torch"): series(1.0, 1.0, results=results)}
    agreement = figures.agreement(workload(tolerance=1e-4), measured)
    assert agreement is not None
    assert not agreement.holds
    text = report.table(outcome_of(workload(tolerance=1e-4), measured))
    assert "LOSS DISAGREES with numpy's" in text
    assert f"torch: 0.5 to {results[-1]!r}" in text


def test_a_single_disagreeing_round_is_seen() -> None:
    odd = series(1.0, 1.0, 1.0)
    odd.results[2] = [0.5, 0.3]
    agreement = figures.agreement(workload(), {("", "numpy"): odd})
    assert agreement is not None
    assert not agreement.holds


def test_round_off_agrees_and_is_reported() -> None:
    measured = {
        ("", "numpy"): series(1.0),
        ("", "torch"): series(1.0, results=[0.5, 0.25000003]),
    }
    agreement = figures.agreement(workload(), measured)
    assert agreement is not None
    assert agreement.holds
    assert agreement.deviation["", "torch"] == pytest.approx(3e-8)


def test_table() -> None:
    made = workload(targets=(Target(1.3, ratio_to="numpy"), Target(0.3, ratio_to="torch")))
    measured = {
        ("", "numpy"): series(50e-6, 50e-6, 52e-6),
        ("", "nnlite"): series(60e-6, 60e-6, 60e-6),
        ("", "torch"): series(150e-6, 150e-6, 160.2e-6),
    }
    assert report.table(outcome_of(made, measured)).splitlines() == [
        "made_up: made up; for the tests (3 rounds)",
        "                 time per step        nnlite / it",
        "  NumPy by hand  50.0 µs [50.0 51.0]  1.20 [1.18 1.20]",
        "  nnlite         60.0 µs [60.0 60.0]",
        "  torch          150 µs [150 155]     0.400 [0.387 0.400]",
        "  target nnlite / numpy at most 1.3: 1.20 [1.18 1.20] holds",
        "  target nnlite / torch at most 0.3: 0.400 [0.387 0.400] MISSED",
        "  loss: numpy 0.5 to 0.25, nnlite 0.5 to 0.25, torch 0.5 to 0.25",
        "  loss: agrees; largest deviation 0, allowed 1e-05",
    ]


def test_head_says_where_and_how() -> None:
    text = report.head(MACHINE)
    assert text.startswith("a processor, 2 of 4 cores, 1 thread each\na system, CPython 3.12.0")
    assert "load average at the start 0.25" in text
    assert "numpy 2.0.0" in text


def test_differences_are_written_as_times() -> None:
    measured = {("", "numpy"): series(0.1), ("", "nnlite"): series(0.13)}
    text = report.table(outcome_of(workload(difference=True), measured))
    assert "nnlite - it" in text
    assert "30.0 ms [30.0 30.0]" in text


def test_json_is_strict_json() -> None:
    measured = {
        ("", "numpy"): series(1.0),
        ("", "nnlite"): series(2.0, results=[0.5, float("nan")], peak=1000),
    }
    tree = report.as_json(MACHINE, [outcome_of(workload(), measured)], smoke=False)
    read = json.loads(json.dumps(tree, allow_nan=False))
    (entry,) = read["workloads"]
    assert entry["rows"][0]["comparison"]["median"] == 2.0
    assert entry["results"]["agree"] is False
    assert entry["results"]["series"][1]["last"] is None


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(tmp_path: Path, ending: str) -> None:
    measured = {("", "numpy"): series(1.0, peak=1000), ("", "nnlite"): series(2.0, peak=900)}
    path = tmp_path / f"bench.{ending}"
    plot.save(str(path), MACHINE, [outcome_of(workload(memory=True), measured)])
    begin = path.read_bytes()[:5]
    assert begin == (b"\x89PNG\r" if ending == "png" else b"<?xml")


def test_every_entry_of_the_table_can_run() -> None:
    for entry in WORKLOADS:
        for name in entry.frameworks:
            file = FRAMEWORKS[name].file
            programs = import_module(f"benchmark.frameworks.{file}").PROGRAMS
            assert entry.program in (PROGRAMS if entry.process else programs)
        cases = [case.name for case in entry.cases]
        for target in entry.targets:
            others = [target.ratio_to, target.beyond, target.exponent_beyond]
            assert sum(map(bool, [*others, target.growth_from, target.memory])) == 1
            assert set(others) <= {"", *entry.frameworks}
            assert target.growth_from in ("", *cases)


class FakeMeasure:
    """Stands in for `conductor.measure`."""

    def __init__(self, measured: figures.Measured | Failed) -> None:
        self.measured = measured

    def __call__(self, plan: object) -> figures.Measured:
        if isinstance(self.measured, Failed):
            raise self.measured
        return self.measured


@pytest.mark.parametrize(
    ("measured", "status", "said"),
    [
        ({("", "numpy"): series(1.0), ("", "nnlite"): series(9.0)}, 0, "0 of 5 hold\nmissed"),
        (
            {("", "numpy"): series(1.0), ("", "nnlite"): series(1.0, results=[0.5, 0.3])},
            1,
            "RESULTS DISAGREE in tiny_step",
        ),
        (Failed("nnlite in tiny_step: why"), 1, "FAILED: nnlite in tiny_step: why"),
    ],
)
def test_exit_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    measured: figures.Measured | Failed,
    status: int,
    said: str,
) -> None:
    monkeypatch.setattr(command, "measure", FakeMeasure(measured))
    assert command.main(["--only", "tiny_step", "--frameworks", "numpy"]) == status
    assert said in capsys.readouterr().out


def test_a_missing_framework_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "installed", lambda name: name != "torch")
    monkeypatch.setattr(command, "measure", FakeMeasure({("", "numpy"): series(1.0)}))
    assert command.main(["--only", "tiny_step", "--frameworks", "numpy,torch"]) == 0
    assert "not installed, left out: torch" in capsys.readouterr().out


def test_a_workload_that_needs_what_is_absent_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    monkeypatch.setattr(command, "measure", FakeMeasure({("", "nnlite"): series(1.0)}))
    assert command.main(["--only", "tiny_compiled", "--frameworks", "nnlite"]) == 0
    assert "tiny_compiled: left out, numba and scipy not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "tiny"], "no workload 'tiny'; there are tiny_step"),
        (["--frameworks", "caffe"], "no framework 'caffe'"),
        (["--json", "no/such/folder/f.json"], "there is no folder"),
        (["--rounds", "0"], "'0' is not a whole number from 1 up"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_rounds_are_divided_among_fresh_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each start has an unmeasured round first; cases kept apart have a process each."""
    started: list[str] = []
    ran: list[str] = []

    class Fake:
        def __init__(self, framework: str, env: dict[str, str]) -> None:
            started.append(framework)

        def ask(self, **request: Any) -> dict[str, Any]:
            if request["do"] == "run":
                ran.append(request["case"])
            return {"seconds": 6.0, "units": 2, "results": [1.0]}

        def close(self) -> None:
            started.append("closed")

    monkeypatch.setattr(conductor, "WorkerProcess", Fake)
    made = workload(cases=(Case("a", {}), Case("b", {})), starts=2, apart=True)
    workers = conductor.Workers({})
    plan = conductor.Plan(made, ["nnlite"], 3, 1, False, {}, workers, lambda text: None)
    measured = conductor.measure(plan)
    assert started == ["nnlite", "nnlite", "closed", "closed"] * 2
    assert ran == [*"ba", *"ab", *"ba", *"ba", *"ab"]
    assert measured["b", "nnlite"].seconds == [3.0, 3.0, 3.0]


def test_list_names_every_workload(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    text = capsys.readouterr().out
    assert all(f"{entry.name}: " in text for entry in WORKLOADS)


def test_environment_sets_threads_and_puts_paths_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONPATH", "old")
    env = environment(3, [Path("new")])
    assert env["OMP_NUM_THREADS"] == env["OPENBLAS_NUM_THREADS"] == "3"
    assert env["PYTHONPATH"].startswith("new")
    assert env["PYTHONPATH"].endswith("old")


def test_a_failed_process_raises() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="status 3"):
        run_process([sys.executable, "-S", "-c", "raise SystemExit(3)"], environment(1, []))


def test_a_worker_that_fails_says_why() -> None:
    worker = WorkerProcess("numpy", environment(1, [SCRIPTS]))
    try:
        with pytest.raises(Failed, match="KeyError: 'no such case'"):
            worker.ask(do="run", case="no such case")
    finally:
        worker.close()


def test_smoke_run_agrees(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Hand-written NumPy and nnlite, in their own processes, reach the same losses."""
    file = tmp_path / "figures.json"
    arguments = ["--smoke", "--only", "tiny_step", "--frameworks", "numpy,nnlite"]
    status = command.main([*arguments, "--json", str(file)])
    assert status == 0, capsys.readouterr().out
    (entry,) = json.loads(file.read_text(encoding="utf-8"))["workloads"]
    assert [row["framework"] for row in entry["rows"]] == ["numpy", "nnlite"]
    assert entry["results"]["agree"] is True
