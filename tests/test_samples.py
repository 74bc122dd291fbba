"""The demo and the sample services beside what the contract test shows of them: the login caller, and mistakes at start."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from sample_apps.demo.__main__ import Scene, main
from sample_apps.demo.cast import FRONTEND, SEARCH
from sample_apps.demo.stage import SERVERS, free_port, server, services, token_desk

from tests.contract.wire import Answer, exchange
from tests.stacks import WITH_METRICS, Start
from tests.support import ANA, AUDIENCE, LOGIN, PROMETHEUS, FakeIssuer

ROOT = Path(__file__).parents[1]


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False)


def test_the_demo_shows_every_answer_as_designed() -> None:
    demo = _run("sample_apps.demo")
    assert (demo.returncode, demo.stderr) == (0, "")
    assert "Every answer is the designed one." in demo.stdout
    assert {"login", "editor", "stranger", "signature_removed", "FastAPI", "Flask", "Django"} <= set(
        demo.stdout.replace(":", " ").split()
    )


def test_the_demo_fails_for_another_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", "")  # the demo sets it; so it is put back
    assert main([Scene("login", "GET", "/nowhere", 200, "", "is not there")]) == 1
    assert "3 answers are not the designed ones." in capsys.readouterr().out


def test_login_calls_with_a_token_from_its_metadata_server(start: Start, issuer: FakeIssuer) -> None:
    port = start("fastapi-uvicorn", issuer.jwks_uri)
    with token_desk(issuer, 0) as desk:
        login = _run("sample_apps.login", AUDIENCE, f"http://127.0.0.1:{port}/profiles/7", GCE_METADATA_HOST=desk)
        nobody = httpx.get(f"http://{desk}/token/nobody", trust_env=False)
    assert login.stdout == '200 {"id":"7","caller":"login@shop.iam.gserviceaccount.com"}\n'
    assert nobody.status_code == 404


def test_a_port_that_is_taken_is_told(issuer: FakeIssuer) -> None:
    port = int(issuer.url.rpartition(":")[2])
    with (
        pytest.raises(SystemExit, match=f"127.0.0.1:{port}: Address already in use; end what listens there"),
        token_desk(issuer, port),
    ):
        ...


def test_search_answers_whom_it_knows(issuer: FakeIssuer) -> None:
    ports = {name: free_port() for name in SERVERS}
    with services(issuer, ports) as urls:
        found = httpx.get(f"{urls['search']}/search?q=shoes", headers=issuer.headers(FRONTEND, SEARCH), trust_env=False)
    assert found.json() == {"query": "shoes", "found": []}


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(SystemExit, match="No module named"), server(["no.such.module"], dict(os.environ), "http://127.0.0.1:1"):
        pytest.fail("it started")  # pragma: no cover


@pytest.mark.parametrize("stack", WITH_METRICS)
def test_prometheus_is_told_what_was_decided_and_nobody_else_is(stack: str, start: Start, issuer: FakeIssuer) -> None:
    port = start(stack, issuer.jwks_uri)

    def asks(member: str, path: str) -> Answer:
        return exchange(port, "GET", path, list(issuer.headers(member, AUDIENCE).items()))

    told = asks(PROMETHEUS, "/metrics")
    assert (told.status, told.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert 'callerid_decisions_total{by="guard",reason="allowed"}' in told.body.decode()
    assert "callerid_keys_ready{" in told.body.decode()
    assert exchange(port, "GET", "/metrics").status == 401
    assert [asks(LOGIN, "/metrics").status, asks(PROMETHEUS, "/profiles/7").status] == [403, 403]


def test_without_anybody_to_read_its_metrics_a_service_does_not_start() -> None:
    right = {"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": ANA, "PROFILES_EDITORS": ANA}
    started = _run("sample_apps.user_profiles.flask_app", **right)
    assert started.returncode == 1
    assert "METRICS_CALLERS: unset" in started.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PROFILES_EDITORS": ""}, "PROFILES_EDITORS: unset"),
        ({"PROFILES_EDITORS": "user:bob@example.com"}, "user:bob@example.com is not in CALLERID_CALLERS"),
        ({"CALLERID_AUDIENCE": ""}, "CALLERID_AUDIENCE: audience: empty"),
        ({"CALLERID_CALLERS": " , "}, "CALLERID_CALLERS: callers: empty"),
        ({"CALLERID_AUDIENCES": AUDIENCE}, "did you mean CALLERID_AUDIENCE?"),
    ],
    ids=["no editors", "an editor who may not call", "no audience", "no callers", "a typo"],
)
@pytest.mark.parametrize("stack", ["fastapi_app", "flask_app", "django_app", "asgi_app", "wsgi_app"])
def test_a_mistake_stops_the_start(stack: str, environment: Mapping[str, str], message: str) -> None:
    right = {"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": ANA, "PROFILES_EDITORS": ANA, "METRICS_CALLERS": PROMETHEUS}
    started = _run(f"sample_apps.user_profiles.{stack}", **(right | dict(environment)))
    assert started.returncode == 1
    assert message in started.stderr
