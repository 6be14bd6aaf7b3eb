"""What all tests share: seeds, a plotting backend without a display, and torch as the oracle."""

import os
from types import ModuleType

import hypothesis
import pytest

import nnlite

# Set before anything imports matplotlib.
os.environ["MPLBACKEND"] = "Agg"

# The same examples every time, and no test fails for being slow.
hypothesis.settings.register_profile("nnlite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("nnlite")

TORCH_IS_REQUIRED = os.environ.get("NNLITE_REQUIRE_TORCH") == "1"


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


class LiveComparison:
    """Counts the tests that compared with torch, and says at the end whether any did."""

    def __init__(self) -> None:
        self.ran = 0
        self.skipped = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if "torch" in getattr(item, "fixturenames", ()):
            report.user_properties.append(("compares with", "torch"))
        return report

    def pytest_runtest_logreport(self, report) -> None:
        if ("compares with", "torch") not in report.user_properties:
            return
        if report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.ran += 1

    def pytest_sessionfinish(self, session) -> None:
        if TORCH_IS_REQUIRED and not self.ran and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        if self.ran:
            line = f"live comparison with torch: ran in {self.ran} tests"
        elif TORCH_IS_REQUIRED:
            line = "live comparison with torch: FAILED, no test ran it (NNLITE_REQUIRE_TORCH=1)"
        elif self.skipped:
            line = f"live comparison with torch: skipped in {self.skipped} tests, not installed"
        else:
            line = "live comparison with torch: not part of the tests chosen"
        terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LiveComparison(), "live-comparison")
