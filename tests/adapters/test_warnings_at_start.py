"""What is dangerous is said once at start and shown in the status, however a Guard is made and wherever it runs."""

import tomllib
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from django.apps import apps
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client
from fastapi import FastAPI, Security
from flask import Blueprint, Flask
from werkzeug.test import Client as WSGIClient
from werkzeug.wrappers import Response

from callerid import Caller, Guard, wsgi
from callerid.asgi import CallerMiddleware
from callerid.profiles import GOOGLE
from callerid_adapters.django import allow_callers, configured_guard
from callerid_adapters.fastapi import CallerGuard
from callerid_adapters.flask import CallerGuard as FlaskCallerGuard
from tests.adapters.django_site import site
from tests.adapters.support import uvicorn_serving
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer

DANGEROUS = """
audience = ["https://user-profiles.example", "32555940559.apps.googleusercontent.com"]
callers = ["serviceAccount:login@shop.iam.gserviceaccount.com", "user:ana@example.com"]
trust_cloud_run_iam = true
consumer_accounts = true
allow_shared_audience = true

[[routes]]
path = "/static/**"
callers = ["allUsers"]

[[issuers]]
issuer = "https://accounts.google.com"
jwks_uri = "JWKS_URI"
"""
SAID = [
    "trust_cloud_run_iam: tokens without a signature are believed; this relies on Cloud Run IAM before every request",
    "consumer_accounts: user: members match addresses that Google does not host; such an account outlives the job",
    "allow_shared_audience: tokens made for gcloud's own client ids are accepted; such a token is good at many services",
    "issuers: keys for Google's tokens come from 127.0.0.1; who controls it can be any caller",
    "routes: /static/**: allUsers opens everything below to the whole world; this relies on nothing private",
]

Words = dict[str, Any]
Make = Callable[[str], Guard]
Run = Callable[[Words, dict[str, str]], Guard]


def by_variables(path: str) -> Guard:
    """With the variables that there are, and a file for the rest."""
    text = Path(path).read_text()
    rest, _, issuer = text.replace("trust_cloud_run_iam = true\n", "").partition("[[issuers]]")
    Path(path).write_text(rest)
    variables = {"CALLERID_JWKS_URI": issuer.split('"')[3], "CALLERID_TRUST_CLOUD_RUN_IAM": "1", "CALLERID_POLICY": path}
    return Guard.from_env(variables | {"K_SERVICE": "user-profiles"})


def by_policy(path: str) -> Guard:
    return Guard.from_env({"CALLERID_POLICY": path, "K_SERVICE": "user-profiles"})


def by_mapping(path: str) -> Guard:
    return Guard.from_mapping(tomllib.loads(Path(path).read_text()), source="settings.CALLERID")


def in_asgi(words: Words, headers: dict[str, str]) -> Guard:
    """A middleware around another over the same Guard, and handlers with lists."""
    guard = Guard.from_mapping(words, source="test")
    app = FastAPI()

    @app.get("/")
    async def one(caller: Annotated[Caller, Security(CallerGuard(guard, callers=[LOGIN]))]) -> str:
        return caller.member

    @app.get("/static/two")
    async def two(caller: Annotated[Caller, Security(CallerGuard(guard, callers=[LOGIN, ANA]))]) -> str:
        return caller.member

    app.add_middleware(CallerMiddleware, guard=guard)
    for _ in range(2):  # an application whose lifespan begins anew
        with uvicorn_serving(CallerMiddleware(app, guard=guard), lifespan="on") as address:
            assert [httpx.get(f"http://{address}{path}", headers=headers).json() for path in ("/", "/static/two")] == [LOGIN, LOGIN]
    return guard


def in_wsgi(words: Words, headers: dict[str, str]) -> Guard:
    guard = Guard.from_mapping(words, source="test")
    app = wsgi.CallerMiddleware(wsgi.CallerMiddleware(Response("fine"), guard=guard), guard=guard)
    assert [WSGIClient(app).get(path, headers=headers).status_code for path in ("/", "/static/x")] == [200, 200]
    return guard


def in_flask(words: Words, headers: dict[str, str]) -> Guard:
    """One Guard for two applications, with lists for views and a blueprint; and its words in the application's config."""
    configured = Flask(__name__, static_folder=None)
    configured.config["CALLERID"] = words
    callers = FlaskCallerGuard()
    pages = Blueprint("pages", __name__)
    callers.protect(pages, [LOGIN])
    pages.add_url_rule("/pages", view_func=lambda: "fine")
    configured.register_blueprint(pages)
    configured.add_url_rule("/", "one", callers.allow(LOGIN)(lambda: "fine"))
    configured.add_url_rule("/static/two", "two", callers.allow(LOGIN, ANA)(lambda: "fine"))
    callers.init_app(configured)
    guard = callers.guard_for(configured)
    another = Flask(__name__)
    FlaskCallerGuard(guard).init_app(another)
    paths = ("/", "/static/two", "/pages")
    assert [configured.test_client().get(path, headers=headers).status_code for path in paths] == [200, 200, 200]
    return guard


def in_django(words: Words, headers: dict[str, str]) -> Guard:
    """The system checks, both handlers, and two lists around one view."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("fine")

    with site(words, view):
        apps.get_app_config("callerid").ready()
        call_command("check")
        listed = allow_callers(LOGIN)(allow_callers(LOGIN, ANA)(view))
        with site(configured_guard(), listed):
            WSGIHandler()
            ASGIHandler()
            assert Client().get("/", headers=headers).status_code == 200
            return configured_guard()


@pytest.fixture
def on_cloud_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a Guard looks that is not given an environment."""
    monkeypatch.setenv("K_SERVICE", "user-profiles")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def text(issuer: FakeIssuer, on_cloud_run: None) -> str:
    return DANGEROUS.replace("JWKS_URI", issuer.jwks_uri)


def check_said_once(guard: Guard, messages: list[str]) -> None:
    """Each of them, in this order, nothing else, and the very same in the status."""
    assert [said for said, message in zip(SAID, messages, strict=True) if message.startswith(said)] == SAID
    assert guard.status()[GOOGLE]["caveats"] == messages


@pytest.mark.parametrize("make", [Guard.from_file, by_policy, by_variables, by_mapping])
def test_what_is_dangerous_is_said_once_however_the_guard_is_made(
    make: Make, text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    check_said_once(make(str(path)), caplog.messages)


@pytest.mark.parametrize("run", [in_asgi, in_wsgi, in_flask, in_django])
def test_what_is_dangerous_is_said_once_wherever_the_guard_runs(
    run: Run, text: str, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = copy_context().run(
        run, tomllib.loads(text), issuer.headers(LOGIN, AUDIENCE)
    )  # a response that nobody closes has a caller
    check_said_once(guard, caplog.messages)
