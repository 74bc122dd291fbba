"""The service under test with its key endpoint: what may be done to them, and what can be read off."""

import asyncio
import os
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sample_apps.demo.stage import free_port, server

from tests.contract.wire import exchange
from tests.faults.endpoint import LIFETIME, KeyEndpoint
from tests.faults.load import Load, ask, load, strangers_token
from tests.keys import eventually
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer

__all__ = ["BUDGET", "OUTAGE", "Phase", "Service", "running", "sample"]

OUTAGE = (3000.0, 1000.0, 10_500.0, 10_500.0)  # until a refresh is overdue, the keys' lifetime is over, the stale window nearly is
BUDGET = 31.0  # seconds after which a stranger's unknown key may cause a fetch again, whatever was before


Move = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the service says of itself: its keys' clock, when fetches began, how many run, and its highest memory in MB."""

    now: float
    fetches: list[float]
    running: int
    peak: float


@dataclass(frozen=True, slots=True)
class Phase:
    """What a load was answered, and what the service did meanwhile."""

    load: Load
    fetches: int
    memory: float


@dataclass(frozen=True, slots=True)
class Service:
    """The service of `tests.faults.app` on a real server."""

    port: int
    issuer: FakeIssuer
    endpoint: KeyEndpoint

    def control(self, *, advance: float = 0, wall: float = 0) -> Figures:
        """Move the clocks, and read the figures."""
        return Figures(**exchange(self.port, "GET", f"/control?advance={advance}&wall={wall}").json)

    def status(self, token: str) -> int:
        """What a request with this token is answered."""
        return exchange(self.port, "GET", "/whoami", [("Authorization", f"Bearer {token}")]).status

    def callers_status(self) -> int:
        return self.status(self.issuer.token(LOGIN, AUDIENCE))

    def settle(self, *, rest: float = BUDGET) -> None:
        """Have the endpoint serve well and the keys loaded anew on schedule; then let so many seconds pass.

        A new key tells that they are: a fetch whose keys are not in use yet would be given up when the clock moves.
        """
        self.endpoint.recover()
        self.issuer.rotate()
        self.control(advance=LIFETIME)
        eventually(lambda: self.callers_status() == 200)
        self.control(advance=rest)

    def phase(self, seconds: float, *beside: Coroutine[Any, Any, object], moves: Iterable[Move] = ()) -> Phase:
        """Put load on the service for so long. A move is a time in the phase and by how much its keys' clock then jumps ahead."""
        before = self.control()
        answered = asyncio.run(load(self.port, self.issuer, seconds, *beside, *(self._move(*move) for move in moves)))
        after = self.control()
        return Phase(answered, len(after.fetches) - len(before.fetches), after.peak - before.peak)

    async def _move(self, at: float, advance: float) -> None:
        await asyncio.sleep(at)
        await ask(self.port, f"/control?advance={advance}")

    def recovery(self) -> float:
        """End the fault. How long, on the keys' clock, until the service takes a token whose key it has never seen.

        A stranger has used up the fetch that an unknown key may cause at any time.
        """
        self.status(strangers_token(self.issuer))
        self.endpoint.recover()
        self.issuer.rotate()
        began = self.control().now
        eventually(self._takes_the_new_key)
        return self.control().now - began

    def _takes_the_new_key(self) -> bool:
        if self.callers_status() == 200:
            return True
        self.control(advance=0 if self.control().running else 1)  # what hangs does so in real seconds
        return False


@contextmanager
def running(command: str, endpoint: KeyEndpoint, **variables: str) -> Iterator[int]:
    """A server in a process of its own that trusts the endpoint's certificate; its port."""
    port = free_port()
    with server(command.format(port=port).split(), _environment(endpoint) | variables, f"http://127.0.0.1:{port}"):
        yield port


@contextmanager
def sample(stack: str, endpoint: KeyEndpoint) -> Iterator[int]:
    """A sample with the endpoint's keys, on a server that is given as a command."""
    with running(stack, endpoint, CALLERID_JWKS_URI=endpoint.url, CALLERID_ALGORITHMS=endpoint.issuer.algorithm) as port:
        yield port


def _environment(endpoint: KeyEndpoint) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}
    mine = {"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": f"{LOGIN}, {ANA}", "PROFILES_EDITORS": ANA}
    return clean | mine | {"SSL_CERT_FILE": endpoint.trust.ca_file}
