"""The servers: each is started when the first test asks for it and stays up for the others."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import IO

import pytest
from sample_apps.demo.stage import free_port, server

from tests.support import ANA, AUDIENCE, LOGIN, PROMETHEUS, FakeIssuer

PACKAGE = "sample_apps.user_profiles"
# uvicorn's access log quotes a request's target, and with it a token that somebody has put into the query.
_UVICORN = ["uvicorn", "{app}", "--host=127.0.0.1", "--port={port}", "--no-access-log"]
_HYPERCORN = ["hypercorn", "{app}", "--bind=127.0.0.1:{port}"]
_TRIO = [*_HYPERCORN, "--worker-class=trio"]
_GUNICORN = ["gunicorn", "{app}", "--bind=127.0.0.1:{port}", "--threads=4"]
_PRELOADED = [*_GUNICORN, "--preload", "--workers=2"]
_GEVENT = ["gunicorn", "{app}", "--bind=127.0.0.1:{port}", "--worker-class=gevent"]
_GRANIAN = ["granian", "{app}", "--host=127.0.0.1", "--port={port}"]

STACKS = {
    "fastapi-uvicorn": [f"{PACKAGE}.fastapi_app:app", *_UVICORN],
    "fastapi-uvicorn-workers": [f"{PACKAGE}.fastapi_app:app", *_UVICORN, "--workers=2"],
    "fastapi-hypercorn": [f"{PACKAGE}.fastapi_app:app", *_HYPERCORN],
    "asgi-uvicorn": [f"{PACKAGE}.asgi_app:app", *_UVICORN],
    "asgi-hypercorn-trio": [f"{PACKAGE}.asgi_app:app", *_TRIO],
    "asgi-granian": [f"{PACKAGE}.asgi_app:app", *_GRANIAN, "--interface=asgi"],
    "django-uvicorn": [f"{PACKAGE}.django_app:app", *_UVICORN],
    "django-gunicorn": [f"{PACKAGE}.django_app:wsgi_app", *_GUNICORN],
    "flask-gunicorn": [f"{PACKAGE}.flask_app:app", *_GUNICORN],
    "flask-gunicorn-preloaded": [f"{PACKAGE}.flask_app:app", *_PRELOADED],
    "flask-gunicorn-gevent": [f"{PACKAGE}.flask_app:app", *_GEVENT],
    "flask-gunicorn-gevent-preloaded": [f"{PACKAGE}.flask_app:app", *_GEVENT, "--preload", "--workers=2"],
    "wsgi-gunicorn": [f"{PACKAGE}.wsgi_app:app", *_GUNICORN],
    "wsgi-granian": [f"{PACKAGE}.wsgi_app:app", *_GRANIAN, "--interface=wsgi"],
}
# The behaviour table runs on those above. Beside them: a way to every framework for HTTP/2 (`wsgi:` is hypercorn's word for its own
# WSGI wrapper), and uvicorn's other parser.
MORE_STACKS = {
    "fastapi-uvicorn-h11": [f"{PACKAGE}.fastapi_app:app", *_UVICORN, "--http=h11", "--ws=wsproto"],
    "django-hypercorn": [f"{PACKAGE}.django_app:app", *_HYPERCORN],
    "django-wsgi-hypercorn": [f"wsgi:{PACKAGE}.django_app:wsgi_app", *_HYPERCORN],
    "flask-hypercorn": [f"wsgi:{PACKAGE}.flask_app:app", *_HYPERCORN],
    "flask-granian": [f"{PACKAGE}.flask_app:app", *_GRANIAN, "--interface=wsgi"],
    "wsgi-hypercorn": [f"wsgi:{PACKAGE}.wsgi_app:app", *_HYPERCORN],
}
ALL_STACKS = STACKS | MORE_STACKS
_ALIKE = ("-workers", "-preloaded", "asgi-uvicorn", "flask-granian")  # others here parse as they do, and judge as they do
PARSERS = [name for name in ALL_STACKS if not name.endswith(_ALIKE)]
HTTP2_STACKS = [name for name in ALL_STACKS if "hypercorn" in name or "granian" in name]
WEBSOCKET_STACKS = [name for name in STACKS if name.startswith(("fastapi", "asgi"))]
WITH_METRICS = ["fastapi-uvicorn", "flask-gunicorn", "django-gunicorn", "django-uvicorn"]
ONE_SERVER_EACH = [
    "fastapi-uvicorn",
    "asgi-uvicorn",
    "django-uvicorn",
    "django-gunicorn",
    "flask-gunicorn",
    "flask-gunicorn-gevent",
    "wsgi-gunicorn",
]

Start = Callable[[str, str], int]

_TRACEBACK = re.compile(r"(?<!:\n\n)Traceback \(most recent call last\):")  # not one of those that it says were its cause
_FRAME = re.compile(r'File "(.+)"')
_OURS = re.compile("/callerid(_adapters)?/")
_OTHERS = re.compile("/(h11|hypercorn|starlette|trio|uvicorn|websockets|wsproto)/")


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts a stack with keys from a URL, once, and tells its port."""
    ports: dict[tuple[str, str], int] = {}
    logs: dict[str, IO[str]] = {}
    with ExitStack() as running:

        def started(stack: str, jwks_uri: str) -> int:
            if (stack, jwks_uri) not in ports:
                ports[stack, jwks_uri] = port = free_port()
                app, *command = ALL_STACKS[stack]
                words = [word.format(app=app, port=port) for word in command]
                environment = _environment(jwks_uri)
                if "gevent" in stack:
                    environment = without_coverage(environment)
                logs[f"{stack} on {port}"] = running.enter_context(server(words, environment, f"http://127.0.0.1:{port}"))
            return ports[stack, jwks_uri]

        yield started
        assert [(stack, failed) for stack, log in logs.items() for failed in failures(log)] == []


@pytest.fixture(params=STACKS)
def port(request: pytest.FixtureRequest, start: Start, issuer: FakeIssuer) -> int:
    """The port of each stack in turn."""
    return start(request.param, issuer.jwks_uri)


def clean_environment() -> dict[str, str]:
    """This process's environment without callerid's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}


def without_coverage(environment: Mapping[str, str]) -> dict[str, str]:
    """For servers that coverage cannot follow: it keeps one stack for each thread, and greenlets take turns on one."""
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_")}


def _environment(jwks_uri: str) -> dict[str, str]:
    return clean_environment() | {
        "CALLERID_AUDIENCE": AUDIENCE,
        "CALLERID_CALLERS": f"{LOGIN}, {ANA}",
        "CALLERID_JWKS_URI": jwks_uri,
        "PROFILES_EDITORS": ANA,
        "METRICS_CALLERS": PROMETHEUS,
    }


def failures(log: IO[str]) -> list[str]:
    """Tracebacks of exceptions in callerid or in what it calls, but for those it lets through: a server raises them, and Starlette
    after it, when somebody has gone."""
    told = os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode()  # the place where the server writes stays its own
    tracebacks = [(text, _FRAME.findall(text)) for text in _TRACEBACK.split(told)[1:]]
    return [text for text, frames in tracebacks if any(map(_OURS.search, frames)) and not _OTHERS.search(frames[-1])]
