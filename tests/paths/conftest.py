"""The table at the end."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

import pytest

from tests.paths.table import rendered

OUTCOMES = pytest.StashKey[defaultdict[tuple[str, str], Counter[str]]]()

Record = Callable[[str, str, Iterable[str]], None]


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Counts outcomes for a spelling and a router."""
    outcomes: defaultdict[tuple[str, str], Counter[str]] = request.config.stash.setdefault(OUTCOMES, defaultdict(Counter))
    return lambda spelling, router, found: outcomes[spelling, router].update(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of the spellings that were tried."""
    outcomes: defaultdict[tuple[str, str], Counter[str]] = config.stash.get(OUTCOMES, defaultdict(Counter))
    for line in rendered(outcomes):
        terminalreporter.write_line(line)
