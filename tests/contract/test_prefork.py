"""Servers that fork, patch or spawn: every process has keys, has them anew after a rotation, and ends when it is told to."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from sample_apps.demo.stage import HOME

from tests.contract.processes import ALGORITHM, Server, environment, serving
from tests.keys import Endpoint, Gate, Script, answer, eventually, hang, keys_of
from tests.keys.test_fetch import LOOPBACK, Authority
from tests.stacks import clean_environment, without_coverage
from tests.support import AUDIENCE, LOGIN, FakeIssuer, named

WSGI, ASGI = "tests.contract.process_app:wsgi", "tests.contract.process_app:asgi"
TWO, PRELOAD = "--workers=2", "--preload"
GUNICORN = ["gunicorn", f"{WSGI}()", "--bind=127.0.0.1:{port}"]
THREADS = [*GUNICORN, "--threads=4"]
GEVENT = [*GUNICORN, "--worker-class=gevent"]
UVICORN = ["uvicorn", "--factory", ASGI, "--host=127.0.0.1", "--port={port}"]
GRANIAN = ["granian", "--factory", "--host=127.0.0.1", "--port={port}", TWO]

OF_TWO_PROCESSES = named(
    ("gunicorn, preloaded", [*GUNICORN, PRELOAD, TWO]),
    ("threads", [*THREADS, TWO]),
    ("gevent", [*GEVENT, TWO]),
    ("gevent, preloaded", [*GEVENT, PRELOAD, TWO]),
    ("uvicorn", [*UVICORN, TWO]),
    ("hypercorn with trio", ["hypercorn", f"{ASGI}()", "--bind=127.0.0.1:{port}", "--worker-class=trio", TWO]),
    ("granian", [*GRANIAN, "--interface=asgi", ASGI]),
    ("granian for WSGI", [*GRANIAN, "--interface=wsgi", WSGI]),
)
OF_ONE_PROCESS = named(
    ("threads", THREADS),
    ("threads, preloaded", [*THREADS, PRELOAD]),
    ("gevent", GEVENT),
    ("gevent, preloaded", [*GEVENT, PRELOAD]),
    ("uvicorn", UVICORN),
)
SAMPLES = [f"sample_apps.user_profiles.{app}" for app in ("flask_app:app", "wsgi_app:app", "django_app:wsgi_app")]


@pytest.fixture
def rotating() -> Iterator[FakeIssuer]:
    with FakeIssuer(algorithm=ALGORITHM) as issuer:
        yield issuer


def serve(issuer: FakeIssuer) -> Script:
    """The script of an endpoint in good health."""
    return lambda connection: connection.sendall(answer(json.dumps(issuer.jwks()).encode()))


def login(issuer: FakeIssuer) -> str:
    return issuer.token(LOGIN, AUDIENCE)


# Keys in every process


@pytest.mark.parametrize("command", OF_TWO_PROCESSES)
def test_every_process_verifies_and_does_so_again_after_a_rotation(
    tmp_path: Path, rotating: FakeIssuer, command: list[str]
) -> None:
    with serving(tmp_path, environment(rotating.jwks_uri), *command) as server:
        check_two_processes(server, rotating)
    assert rotating.requests == 4


def test_twenty_starts_of_a_preloading_master_end_in_two_workers_that_verify(tmp_path: Path, rotating: FakeIssuer) -> None:
    environ = without_coverage(environment(rotating.jwks_uri))  # it doubles the time that a start takes
    for _ in range(20):
        with serving(tmp_path, environ, *THREADS, PRELOAD, TWO) as server:
            check_two_processes(server, rotating)
    assert rotating.requests == 20 * 4


def check_two_processes(server: Server, issuer: FakeIssuer) -> None:
    """See that both verify, the first request included, and again after a rotation."""
    assert server.statuses(login(issuer), processes=2) == {200}
    issuer.rotate()
    assert server.statuses(login(issuer), processes=2) == {200}


@pytest.mark.parametrize("app", SAMPLES)
def test_a_preloading_master_fetches_nothing_and_a_worker_does_so_for_its_first_request(
    tmp_path: Path, rotating: FakeIssuer, app: str
) -> None:
    command = ["gunicorn", app, "--bind=127.0.0.1:{port}", PRELOAD, TWO]
    with serving(tmp_path, environment(rotating.jwks_uri), *command) as server:
        eventually(lambda: server.log.read_text().count("Booting worker") == 2)
        assert rotating.requests == 0
        assert server.get("/healthz").status == 200
        eventually(lambda: rotating.requests)
    assert rotating.requests == 1


@pytest.mark.parametrize("app", SAMPLES)
def test_a_worker_that_loads_the_application_itself_fetches_before_any_request(
    tmp_path: Path, rotating: FakeIssuer, app: str
) -> None:
    with serving(tmp_path, environment(rotating.jwks_uri), "gunicorn", app, "--bind=127.0.0.1:{port}", TWO):
        eventually(lambda: rotating.requests == 2)


# What a master holds, and what a child inherits

MASTER = """
import json, sys, threading
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter
from tests.contract.held import guards, held, sockets

opened = sockets()
sys.argv = ["gunicorn", "--preload", sys.argv[1]]
Arbiter(WSGIApplication())
(guard,) = guards()
print(json.dumps([held(), threading.active_count(), len(sockets() - opened)]))
guard.warm_up()
print(json.dumps(held()))
"""


@pytest.mark.parametrize("app", SAMPLES)
def test_a_preloading_master_makes_no_lock_no_thread_and_no_socket(rotating: FakeIssuer, app: str) -> None:
    master = [sys.executable, "-c", MASTER, app]
    loaded = subprocess.run(master, cwd=HOME, env=environment(rotating.jwks_uri), stdout=subprocess.PIPE, check=True, timeout=60)
    before, after_use = map(json.loads, loaded.stdout.splitlines())
    assert before == [[], 1, 0]
    assert "lock" in after_use  # so this is how one would be found


FORK = """
import os, signal
from callerid import Guard

guard = Guard.from_env()

def check():
    signal.alarm(30)  # to hang is to fail
    caller = guard.check("GET", "/", [("Authorization", f"Bearer {input()}")])
    print(os.getpid(), caller.member, flush=True)

check()
child = os.fork()
if child:
    os.waitpid(child, 0)
else:
    check()
check()
"""


def test_a_process_that_forks_after_first_use_verifies_on_both_sides_and_takes_a_rotated_key(rotating: FakeIssuer) -> None:
    pids: list[str] = []

    def ask() -> None:
        forking.stdin.write(f"{login(rotating)}\n")
        forking.stdin.flush()
        pid, member = forking.stdout.readline().split()
        assert member == LOGIN
        pids.append(pid)

    forking: Any
    command = [sys.executable, "-c", FORK]
    with subprocess.Popen(
        command, env=environment(rotating.jwks_uri), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forking:
        ask()
        ask()
        assert rotating.requests == 1  # the child has its parent's keys
        rotating.rotate()
        ask()
        ask()
        assert rotating.requests == 3
    parent, child, *_ = pids
    assert pids == [parent, child, child, parent]
    assert forking.returncode == 0


# Threads


@pytest.mark.parametrize("command", OF_ONE_PROCESS)
class TestOneThread:
    def test_fetches_the_keys_of_one_issuer(self, tmp_path: Path, rotating: FakeIssuer, command: list[str]) -> None:
        with serving(tmp_path, environment(rotating.jwks_uri), *command) as server:
            for _ in range(2):
                assert server.statuses(login(rotating), processes=1) == {200}
                assert server.told()["threads"] == 1
                rotating.rotate()

    def test_fetches_while_the_endpoint_hangs_and_requests_wait(
        self, tmp_path: Path, rotating: FakeIssuer, command: list[str]
    ) -> None:
        with Endpoint(hang) as endpoint, serving(tmp_path, environment(endpoint.url), *command) as server:
            assert server.get("/healthz").status == 200
            eventually(lambda: endpoint.requests)
            assert server.told()["threads"] == 1
            assert server.statuses(login(rotating), processes=1) == {503}
            assert server.told()["threads"] == 1

    def test_that_hangs_holds_up_no_other_issuer_and_one_is_left_in_the_end(
        self, tmp_path: Path, rotating: FakeIssuer, command: list[str]
    ) -> None:
        with (
            Gate(keys_of(rotating)) as gate,
            Endpoint(gate) as slow,
            FakeIssuer("https://prompt.example", algorithm=ALGORITHM) as prompt,
        ):
            rotating.issuer = "https://slow.example"
            with serving(tmp_path, policy(tmp_path, slow=slow.url, prompt=prompt.jwks_uri), *command) as server:
                assert server.get("/healthz").status == 200
                eventually(lambda: slow.requests)
                assert server.statuses(login(prompt), processes=1) == {200}
                assert server.told()["threads"] <= 2
                assert not server.told()["status"]["https://slow.example"]["ready"]
                gate.open()
                assert server.statuses(login(rotating), processes=1) == {200}
                eventually(lambda: server.told()["threads"] == 1)


def policy(folder: Path, **urls: str) -> dict[str, str]:
    """The environment of a service with several issuers."""
    lines = ['callers = ["allAuthenticatedUsers"]']
    for name, url in urls.items():
        lines += ["[[issuers]]", f'issuer = "https://{name}.example"', f'jwks_uri = "{url}"', f'audience = "{AUDIENCE}"']
        lines.append(f'algorithms = ["{ALGORITHM}"]')
    file = folder / "policy.toml"
    file.write_text("\n".join(lines))
    return clean_environment() | {"CALLERID_POLICY": str(file)}


# gevent, TLS, and strangers


@pytest.mark.parametrize("command", [GEVENT, [*GEVENT, PRELOAD]], ids=["gevent", "gevent, preloaded"])
def test_gevent_fetches_over_tls_from_a_private_authority_and_strangers_stop_nobody(
    tmp_path: Path, rotating: FakeIssuer, command: list[str]
) -> None:
    authority = Authority(tmp_path)
    with (
        Endpoint(serve(rotating), tls=authority.server(LOOPBACK)) as endpoint,
        serving(tmp_path, environment(endpoint.url, CALLERID_CA_FILE=authority.ca_file), *command) as server,
    ):
        assert server.statuses(login(rotating), processes=1) == {200}
        rotating.rotate()
        assert server.statuses(login(rotating), processes=1) == {200}
    with (
        Endpoint(serve(rotating), tls=authority.server(LOOPBACK)) as endpoint,
        serving(tmp_path, environment(endpoint.url, CALLERID_CA_FILE=authority.ca_file), *command) as server,
    ):
        check_strangers_stop_nobody(server, endpoint, rotating)


def test_strangers_stop_nobody_on_eight_threads_while_the_endpoint_hangs(tmp_path: Path, rotating: FakeIssuer) -> None:
    with Endpoint(serve(rotating)) as endpoint, serving(tmp_path, environment(endpoint.url), *GUNICORN, "--threads=8") as server:
        check_strangers_stop_nobody(server, endpoint, rotating)


STRANGERS = 32
SECONDS = 2.5  # that they knock: for longer than any of them may wait


def check_strangers_stop_nobody(server: Server, endpoint: Endpoint, issuer: FakeIssuer) -> None:
    """See that /healthz and known callers are answered in time beside strangers, each with a key that nobody knows."""
    assert server.statuses(login(issuer), processes=1) == {200}
    endpoint.script = hang
    tokens = [issuer.sign(issuer.claims(LOGIN, AUDIENCE), kid=uuid4().hex) for _ in range(STRANGERS)]
    ends_at = time.monotonic() + SECONDS
    with ThreadPoolExecutor(STRANGERS + 2) as pool:
        strangers = [pool.submit(repeated, server, ends_at, "/whoami", token) for token in tokens]
        healthz, known = (pool.submit(repeated, server, ends_at, *asked) for asked in (["/healthz"], ["/whoami", login(issuer)]))
    assert set().union(*(stranger.result().statuses for stranger in strangers)) == {503}
    assert healthz.result().statuses == known.result().statuses == {200}
    assert healthz.result().slowest < 1.5
    assert known.result().slowest < 2


class Asked(NamedTuple):
    """What requests were answered, and the seconds that the slowest took."""

    statuses: set[int]
    slowest: float


def repeated(server: Server, ends_at: float, path: str, token: str | None = None) -> Asked:
    statuses, slowest = set(), 0.0
    while (began := time.monotonic()) < ends_at:
        statuses.add(server.get(path, token).status)
        slowest = max(slowest, time.monotonic() - began)
    return Asked(statuses, slowest)


# The end


@pytest.mark.parametrize("command", OF_ONE_PROCESS)
def test_a_server_ends_when_it_is_told_to_while_the_endpoint_hangs(tmp_path: Path, command: list[str]) -> None:
    with Endpoint(hang) as endpoint, serving(tmp_path, environment(endpoint.url), *command) as server:
        assert server.get("/healthz").status == 200
        eventually(lambda: endpoint.requests)
        assert server.end() < A_SECOND_OR_SO


A_SECOND_OR_SO = 3.5  # the fetch would take five

SCRIPT = """
import signal, sys
from callerid import Guard, Issuer

signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
signal.alarm(30)  # to hang is to fail
issuer = Issuer("https://issuer.example", jwks_uri=sys.argv[1])
guard = Guard(audience="https://me.example", callers=["principal:https://issuer.example/7"], issuers=[issuer])
{at_work}
"""
AT_WORK = {
    "while the background fetches": "guard.prefetch()\nsignal.pause()",
    "in a warm-up": "guard.warm_up()",
    "in a task's warm-up": "import asyncio\nasyncio.run(guard.awarm_up())",
    "at its end": "guard.prefetch()\nsys.stdin.read(1)\nsys.exit(3)",
}


@pytest.mark.parametrize("at_work", AT_WORK)
def test_a_script_ends_when_it_is_told_to_while_the_endpoint_hangs_without_a_traceback(at_work: str) -> None:
    with Endpoint(hang) as endpoint:
        command = [sys.executable, "-c", SCRIPT.format(at_work=AT_WORK[at_work]), endpoint.url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as script:
            eventually(lambda: endpoint.requests)
            began = time.monotonic()
            script.terminate()
            said, _ = script.communicate()
            assert time.monotonic() - began < A_SECOND_OR_SO
    assert script.returncode == 3
    assert b"Traceback" not in said
