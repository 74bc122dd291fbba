"""Servers of one process or several: started, asked, and ended with nothing left behind."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample_apps.demo.stage import HOME, free_port

from tests.contract.wire import Answer, exchange
from tests.stacks import clean_environment, without_coverage
from tests.support import AUDIENCE, LOGIN

__all__ = ["ALGORITHM", "Server", "environment", "serving"]

ALGORITHM = "ES256"
AT_ONCE = 8
PATIENCE = 30.0  # seconds for a server to end on a busy machine


@dataclass(frozen=True)
class Server:
    """A server on a port of its own; its output is in `log`."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str, token: str | None = None) -> Answer:
        return exchange(self.port, "GET", path, [("Authorization", f"Bearer {token}")] if token else [])

    def told(self) -> Any:
        """What the process that comes first says of itself."""
        return self.get("/healthz").json

    def statuses(self, token: str, processes: int) -> set[int]:
        """What requests with this token are answered, until so many processes have answered."""
        statuses: set[int] = set()
        pids: set[int] = set()
        while len(pids) < processes and statuses <= {200}:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for answer in pool.map(self.get, ["/whoami"] * AT_ONCE, [token] * AT_ONCE):
                    statuses.add(answer.status)
                    pids.add(answer.json.get("pid"))
        return statuses

    def end(self) -> float:
        """Have it end, as an orchestrator does. The seconds that it took."""
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        return time.monotonic() - began


@contextmanager
def serving(folder: Path, environment: Mapping[str, str], *command: str) -> Iterator[Server]:
    """A server, from the moment that it takes connections. It must end well."""
    if "--worker-class=gevent" in command:
        environment = without_coverage(environment)
    port = free_port()
    log = folder / f"server-{port}.log"
    words = [sys.executable, "-m", *(word.format(port=port) for word in command)]
    with log.open("w") as output, subprocess.Popen(words, cwd=HOME, env=environment, stdout=output, stderr=output) as process:
        server = Server(port, process, log)
        try:
            while not _listens(port):
                assert process.poll() is None, log.read_text()
                time.sleep(0.02)
            yield server
        finally:
            server.end()
    assert "Traceback" not in log.read_text()


def environment(jwks_uri: str, **variables: str) -> dict[str, str]:
    """The whole of a service's configuration, with its keys behind a URL."""
    mine = {
        "CALLERID_AUDIENCE": AUDIENCE,
        "CALLERID_CALLERS": LOGIN,
        "CALLERID_JWKS_URI": jwks_uri,
        "CALLERID_ALGORITHMS": ALGORITHM,
        "PROFILES_EDITORS": LOGIN,
        "METRICS_CALLERS": LOGIN,
    }
    return clean_environment() | mine | variables


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
