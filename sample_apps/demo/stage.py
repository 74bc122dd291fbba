"""The demo's processes: the services on real servers, and a desk that hands out tokens as Google's metadata server does."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, urlsplit

import httpx

from callerid.testing import FakeIssuer

from ..login.__main__ import IDENTITY
from .cast import EDITOR, FRONTEND, LOGIN, PROMETHEUS, SEARCH, USER_PROFILES, token_for

PACKAGE = __package__.rpartition(".")[0]
HOME = Path(__file__).parents[PACKAGE.count(".") + 2]
PATIENCE = 60.0  # seconds for a server to start on a busy machine

SERVERS = {
    "FastAPI": ["uvicorn", f"{PACKAGE}.user_profiles.fastapi_app:app", "--host=127.0.0.1", "--port={port}"],
    "Flask": ["gunicorn", f"{PACKAGE}.user_profiles.flask_app:app", "--bind=127.0.0.1:{port}", "--threads=4"],
    "Django": ["gunicorn", f"{PACKAGE}.user_profiles.django_app:wsgi_app", "--bind=127.0.0.1:{port}", "--threads=4"],
    "search": ["uvicorn", f"{PACKAGE}.search.app:app", "--host=127.0.0.1", "--port={port}"],
}


def audience_of(service: str) -> str:
    """The audience that callers of a service ask tokens for."""
    return SEARCH if service == "search" else USER_PROFILES


@contextmanager
def services(issuer: FakeIssuer, ports: Mapping[str, int]) -> Iterator[dict[str, str]]:
    """All services, started and answering; the URL of each."""
    urls = {service: f"http://127.0.0.1:{ports[service]}" for service in SERVERS}
    with ExitStack() as stack:
        for service, command in SERVERS.items():
            words = [word.format(port=ports[service]) for word in command]
            stack.enter_context(server(words, _environment(issuer, service), urls[service]))
        yield urls


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(issuer: FakeIssuer, service: str) -> dict[str, str]:
    """The whole of a service's configuration: what a deployment would set, and where the loopback issuer's keys are."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}
    return clean | {
        "CALLERID_AUDIENCE": audience_of(service),
        "CALLERID_CALLERS": FRONTEND if service == "search" else f"{LOGIN}, {EDITOR}",
        "CALLERID_JWKS_URI": issuer.jwks_uri,
        "PROFILES_EDITORS": EDITOR,
        "METRICS_CALLERS": PROMETHEUS,
    }


@contextmanager
def server(command: list[str], environment: Mapping[str, str], url: str) -> Iterator[IO[str]]:
    """A server in a process of its own, from its first healthy answer on, and its log, a file in the folder `DEMO_LOGS` if set."""
    folder = os.environ.get("DEMO_LOGS")
    with tempfile.NamedTemporaryFile("w+", suffix=".log", dir=folder, delete=folder is None) as log:
        process = subprocess.Popen([sys.executable, "-m", *command], cwd=HOME, env=environment, stdout=log, stderr=log)
        try:
            if not _becomes_healthy(process, url):
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} did not start:\n{log.read()}")
            yield log
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _becomes_healthy(process: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False, verify=False) as client:  # for http:// no authorities need be read
        while time.monotonic() < deadline and process.poll() is None:
            try:
                return client.get(f"{url}/healthz").status_code == 200
            except httpx.TransportError:
                time.sleep(0.05)
    return False


@contextmanager
def token_desk(issuer: FakeIssuer, port: int) -> Iterator[str]:
    """Serves `/token/ROLE[?audience=…]`, and the identity path of Google's metadata server for the workload `login`."""

    class Desk(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            audience = parse_qs(url.query).get("audience", [USER_PROFILES])[0]
            role = "login" if url.path == IDENTITY else url.path.removeprefix("/token/")
            try:
                status, body = 200, token_for(issuer, role, audience)
            except KeyError:
                status, body = 404, "nobody plays that role"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Desk)
    except OSError as error:
        raise SystemExit(f"127.0.0.1:{port}: {error.strerror}; end what listens there, another demo perhaps") from None
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
