"""What every test may use: one issuer with real keys, and a clock that stands still until it is told to move.

Everything that is logged meanwhile is kept, by whichever process, for the test that looks through it at the end.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.leaks import Everything
from tests.support import Clock, FakeIssuer

pytest_plugins = ["tests.stacks"]

EVERY_LEVEL = 1
CALLERS_SIDE = ("websockets.client", "hpack")  # which say what they send

_output = logging.getLogger("tests.output")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for all logs comes last, however the others have been shuffled."""
    items.sort(key=lambda item: "all_logs" in getattr(item, "fixturenames", ()))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what was printed, too. Warnings are errors, so none is."""
    _output.debug("%s%s", report.capstdout, report.capstderr)


@pytest.fixture(scope="session", autouse=True)
def everything_is_logged(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[None]:
    """Keep what this process logs, at every level, and prints, and what the servers of `sample_apps.demo.stage` do.

    `caplog` sees what it would see without that.
    """
    folder = tmp_path_factory.mktemp("logs")
    os.environ["DEMO_LOGS"] = str(folder)
    root, plugin = logging.getLogger(), pytestconfig.pluginmanager.get_plugin("logging-plugin")
    assert plugin is not None
    for shown in (plugin.caplog_handler, plugin.report_handler):
        shown.addFilter(_is_asked_for)
    kept = logging.FileHandler(folder / "tests.log", errors="backslashreplace")
    kept.setFormatter(Everything())
    kept.addFilter(lambda record: not record.name.startswith(CALLERS_SIDE))
    root.addHandler(kept)
    root.setLevel(EVERY_LEVEL)
    yield
    root.removeHandler(kept)
    kept.close()


def _is_asked_for(record: logging.LogRecord) -> bool:
    level = logging.getLogger(record.name).getEffectiveLevel()
    return record.levelno >= (logging.WARNING if level == EVERY_LEVEL else level)


@pytest.fixture
def all_logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every file that this session has logged to, those of servers in tests' own folders included."""
    return list(tmp_path_factory.getbasetemp().rglob("*.log"))


@pytest.fixture(scope="session")
def issuer() -> Iterator[FakeIssuer]:
    """An issuer under Google's name, shared by all tests: do not rotate its keys or take it down."""
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()
