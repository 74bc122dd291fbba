"""The service under test, key endpoints, and the table at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import certifi
import pytest

from tests.faults.endpoint import KeyEndpoint, Trust
from tests.faults.service import Service, running
from tests.faults.table import Row, rendered
from tests.keys.test_fetch import LOOPBACK, Authority
from tests.support import FakeIssuer

ROWS = pytest.StashKey[list[Row]]()

Record = Callable[[Row], None]
NewEndpoint = Callable[[], KeyEndpoint]


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    """Services trust our authority among the public ones: reading as many as a real system has takes its time."""
    authority, stranger = (Authority(tmp_path_factory.mktemp("authority")) for _ in range(2))
    bundle = tmp_path_factory.mktemp("bundle") / "ca.pem"
    bundle.write_text(certifi.contents() + Path(authority.ca_file).read_text())
    return Trust(str(bundle), authority.server(LOOPBACK), stranger.server(LOOPBACK))


@pytest.fixture(scope="session")
def new_endpoint(trust: Trust) -> Iterator[NewEndpoint]:
    """Makes a key endpoint with an issuer of its own."""
    with ExitStack() as stack:

        def make() -> KeyEndpoint:
            issuer = stack.enter_context(FakeIssuer(algorithm="ES256"))
            return stack.enter_context(closing(KeyEndpoint(issuer, trust)))

        yield make


@pytest.fixture(scope="session")
def service(new_endpoint: NewEndpoint) -> Iterator[Service]:
    """The service under test: one process for all faults that a running service can meet."""
    endpoint = new_endpoint()
    command = "uvicorn tests.faults.app:app --host=127.0.0.1 --port={port} --lifespan=off --no-access-log"
    with running(command, endpoint, FAULTS_JWKS_URI=endpoint.url) as port:
        yield Service(port, endpoint.issuer, endpoint)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Puts a row into the table."""
    return request.config.stash.setdefault(ROWS, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of the faults that ran."""
    rows: list[Row] = config.stash.get(ROWS, [])
    for line in rendered(rows):
        terminalreporter.write_line(line)
