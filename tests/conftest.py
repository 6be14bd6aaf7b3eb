"""What all tests share: seeds, plots without a display, torch as the oracle, a browser."""

import os
from types import ModuleType

import browser
import hypothesis
import pytest

import nnlite

# Set before anything imports matplotlib.
os.environ["MPLBACKEND"] = "Agg"

# The same examples every time, and no test fails for being slow.
hypothesis.settings.register_profile("nnlite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("nnlite")

TORCH_IS_REQUIRED = os.environ.get("NNLITE_REQUIRE_TORCH") == "1"
BROWSER_IS_REQUIRED = os.environ.get("NNLITE_REQUIRE_BROWSER") == "1"


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start every test from the same random state."""
    nnlite.manual_seed(0)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """torch, on one thread. Where it is absent the test is skipped, or fails if it is required."""
    try:
        import torch
    except ImportError as error:
        if TORCH_IS_REQUIRED:
            pytest.fail(f"NNLITE_REQUIRE_TORCH=1, but torch cannot be imported: {error}")
        pytest.skip("torch is not installed: not compared with it")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def chromium():
    """A real browser. Where none is installed the test is skipped, or fails if it is required."""
    found = browser.programs()
    if found is None:
        reason = "no browser: Debian's packages chromium and chromium-driver have one"
        if BROWSER_IS_REQUIRED:
            pytest.fail(f"NNLITE_REQUIRE_BROWSER=1, but there is {reason}")
        pytest.skip(reason)
    started = browser.Browser(*found)
    yield started
    started.close()


class Tally:
    """Counts the tests that need something from outside, and says at the end whether any ran.

    Args:
        what: what such tests do.
        fixture: by which they are known.
        variable: of the environment; 1 says that they must run.
    """

    def __init__(self, what: str, fixture: str, variable: str) -> None:
        self.what = what
        self.fixture = fixture
        self.variable = variable
        self.is_required = os.environ.get(variable) == "1"
        self.ran = 0
        self.skipped = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if self.fixture in getattr(item, "fixturenames", ()):
            report.user_properties.append(("needs", self.fixture))
        return report

    def pytest_runtest_logreport(self, report) -> None:
        if ("needs", self.fixture) not in report.user_properties:
            return
        if report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.ran += 1

    def pytest_sessionfinish(self, session) -> None:
        if self.is_required and not self.ran and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.ran:
            line = f"ran in {self.ran} tests"
        elif self.is_required:
            line = f"FAILED, no test ran it ({self.variable}=1)"
        elif self.skipped:
            line = f"skipped in {self.skipped} tests, not installed"
        else:
            line = "not part of the tests chosen"
        terminalreporter.write_line(f"{self.what}: {line}")


def pytest_configure(config: pytest.Config) -> None:
    for what, fixture, variable in (
        ("live comparison with torch", "torch", "NNLITE_REQUIRE_TORCH"),
        ("pages in a real browser", "chromium", "NNLITE_REQUIRE_BROWSER"),
    ):
        config.pluginmanager.register(Tally(what, fixture, variable), f"tally-{fixture}")
