"""The fixtures that users get, with the clients that they use."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from flask import Flask, g

from callerid import Guard, current_caller
from callerid.asgi import CallerMiddleware
from callerid_adapters.flask import CallerGuard
from tests.stacks import clean_environment
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, reason

AsCaller = Callable[..., dict[str, str]]


@pytest.fixture
def callerid_audience() -> str:
    return AUDIENCE


@pytest.fixture
def guard(callerid_issuer: FakeIssuer) -> Guard:
    return Guard(audience=AUDIENCE, callers=[LOGIN, ANA], issuers=[callerid_issuer.google()])


@pytest.mark.filterwarnings("ignore")  # of old Starlette about newer anyio, of new Starlette about httpx
def test_as_caller_with_fastapis_client(guard: Guard, as_caller: AsCaller) -> None:
    from fastapi.testclient import TestClient  # noqa: PLC0415

    app = FastAPI()
    app.add_middleware(CallerMiddleware, guard=guard)

    @app.get("/who")
    async def who() -> str | None:
        caller = current_caller()
        return None if caller is None else caller.member

    client = TestClient(app)
    assert client.get("/who", headers=as_caller(LOGIN)).json() == LOGIN
    assert client.get("/who", headers=as_caller(STRANGER)).status_code == 403
    assert client.get("/who", headers=as_caller(LOGIN, email_verified=False)).json()["reason"] == "email_not_verified"


def test_as_caller_with_flasks_client(guard: Guard, as_caller: AsCaller) -> None:
    app = Flask(__name__)
    CallerGuard(guard, app=app)
    app.add_url_rule("/who", view_func=lambda: g.caller.member)
    client = app.test_client()
    assert client.get("/who", headers=as_caller(ANA)).text == ANA
    assert client.get("/who", headers=as_caller(STRANGER)).status_code == 403


def test_a_token_alone(guard: Guard, caller_token: Callable[..., str]) -> None:
    assert guard.verifier.verify(caller_token(LOGIN)).member == LOGIN
    assert reason(guard.verifier.verify, caller_token(LOGIN, aud="other")) == "audience_mismatch"


def test_where_nobody_says_what_the_audience_is_a_test_fails_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test(as_caller):\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False)
    assert "write a fixture of this name in conftest.py that returns your Guard's audience" in ended.stdout
    assert ended.returncode == 1
