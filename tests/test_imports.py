"""What is loaded, and when: a start should take no longer than it must, and a thread that fetches must import nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keys import Endpoint, answer, send
from tests.keys.test_fetch import LOOPBACK, Authority
from tests.stacks import clean_environment, without_coverage
from tests.support import FakeIssuer

FRAMEWORKS = {"asgiref", "callerid_adapters", "django", "fastapi", "flask", "rest_framework", "starlette", "trio", "werkzeug"}

# What callerid needs of itself. `jwt` brings most of it: json, re, dataclasses, http.client, ssl, cryptography.
NEEDED = "import sys, jwt, contextvars"


def modules(*lines: str, arguments: tuple[str, ...] = ()) -> set[str]:
    """The modules that a fresh process has loaded in the last of these lines beside those that it had before."""
    *before, last = lines
    code = "\n".join(["import sys", *before, "before = set(sys.modules)", last, "print(*set(sys.modules) - before)"])
    environ = without_coverage(clean_environment())  # it loads half the standard library
    command = [sys.executable, "-c", code, *arguments]
    return set(subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True, timeout=60).stdout.split())


def packages(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_core_loads_no_framework() -> None:
    loaded = modules("import callerid, callerid.asgi, callerid.wsgi, callerid.testing")
    assert "callerid.guard" in loaded
    assert not FRAMEWORKS & packages(loaded)


@pytest.mark.parametrize("name", ["callerid", "callerid.asgi", "callerid.wsgi"])
def test_callerid_loads_pyjwt_and_itself(name: str) -> None:
    assert packages(modules(NEEDED, f"import {name}")) == {"callerid"}


def test_callerid_alone_loads_nothing_that_is_needed_later() -> None:
    later = {"anyio", "asyncio", "difflib", "google", "httpx", "requests", "tomllib", "urllib3"}
    assert not later & packages(modules("import callerid"))


GUARD = 'callerid.Guard(audience="https://me.example", callers=["allAuthenticatedUsers"], issuers=[{}])'
AT_HAND = {
    "in the configuration": 'callerid.Issuer("https://issuer.example", keys=json.loads(sys.argv[1]))',
    "in a file": 'callerid.Issuer("https://issuer.example", jwks_file=sys.argv[2])',
}


@pytest.mark.parametrize("where", AT_HAND)
def test_a_guard_whose_keys_are_at_hand_loads_nothing_more(tmp_path: Path, where: str) -> None:
    with FakeIssuer() as issuer:
        keys = json.dumps(issuer.jwks())
    file = tmp_path / "keys.json"
    file.write_text(keys)
    loaded = modules(f"{NEEDED}, logging, callerid, json", GUARD.format(AT_HAND[where]), arguments=(keys, str(file)))
    assert packages(loaded) <= {"callerid"}


def test_a_guard_that_fetches_loads_an_http_client_when_it_is_made_and_no_event_loop() -> None:
    loaded = modules("import callerid", GUARD.format("callerid.google()"))
    assert {"urllib3.connectionpool", "encodings.idna"} <= loaded
    assert "asyncio" not in loaded


FETCH = """
import callerid, time

def fetch(guard):
    guard.prefetch()
    while not all(status["ready"] for status in guard.status().values()):
        time.sleep(0.01)
"""
URLS = {
    "a JWK Set": 'callerid.google(jwks_uri="{0.jwks_uri}")',
    "a PEM map": 'callerid.google(pem_uri="{0.pem_uri}")',
    "an OpenID configuration": 'callerid.oidc("{0.issuer}", discovery_uri="{0.discovery_uri}")',
}


@pytest.mark.parametrize("what", URLS)
def test_the_thread_that_fetches_imports_nothing(what: str) -> None:
    with FakeIssuer() as issuer:
        guard = GUARD.format(URLS[what].format(issuer))
        assert modules(FETCH, f"guard = {guard}", "fetch(guard)") == set()
    assert issuer.requests


def test_the_thread_that_fetches_over_tls_imports_nothing(tmp_path: Path) -> None:
    with FakeIssuer() as issuer:
        keys = send(answer(json.dumps(issuer.jwks()).encode(), "Cache-Control: max-age=3600"))
    authority = Authority(tmp_path)
    with Endpoint(keys, tls=authority.server(LOOPBACK)) as endpoint:
        guard = GUARD.format("callerid.google(jwks_uri=sys.argv[1], ca_file=sys.argv[2])")
        assert modules(FETCH, f"guard = {guard}", "fetch(guard)", arguments=(endpoint.url, authority.ca_file)) == set()
    assert len(endpoint.requests) == 1
