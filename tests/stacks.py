"""The servers: each is started when the first test asks for it and stays up for the others."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from sample_apps.demo.stage import free_port, server

from callerid.testing import FakeIssuer
from tests.support import ANA, AUDIENCE, LOGIN

PACKAGE = "sample_apps.user_profiles"
_UVICORN = ["uvicorn", "{app}", "--host=127.0.0.1", "--port={port}"]
_HYPERCORN = ["hypercorn", "{app}", "--bind=127.0.0.1:{port}"]
_TRIO = [*_HYPERCORN, "--worker-class=trio"]
_GUNICORN = ["gunicorn", "{app}", "--bind=127.0.0.1:{port}", "--threads=4"]
_PRELOADED = [*_GUNICORN, "--preload", "--workers=2"]

STACKS = {
    "fastapi-uvicorn": [f"{PACKAGE}.fastapi_app:app", *_UVICORN],
    "fastapi-hypercorn": [f"{PACKAGE}.fastapi_app:app", *_HYPERCORN],
    "asgi-uvicorn": [f"{PACKAGE}.asgi_app:app", *_UVICORN],
    "asgi-hypercorn-trio": [f"{PACKAGE}.asgi_app:app", *_TRIO],
    "asgi-granian": [f"{PACKAGE}.asgi_app:app", "granian", "{app}", "--interface=asgi", "--host=127.0.0.1", "--port={port}"],
    "django-uvicorn": [f"{PACKAGE}.django_app:app", *_UVICORN],
    "django-gunicorn": [f"{PACKAGE}.django_app:wsgi_app", *_GUNICORN],
    "flask-gunicorn": [f"{PACKAGE}.flask_app:app", *_GUNICORN],
    "flask-gunicorn-preloaded": [f"{PACKAGE}.flask_app:app", *_PRELOADED],
    "wsgi-gunicorn": [f"{PACKAGE}.wsgi_app:app", *_GUNICORN],
    "wsgi-granian": [f"{PACKAGE}.wsgi_app:app", "granian", "{app}", "--interface=wsgi", "--host=127.0.0.1", "--port={port}"],
}
WEBSOCKET_STACKS = [name for name in STACKS if name.startswith(("fastapi", "asgi"))]
ONE_SERVER_EACH = ["fastapi-uvicorn", "asgi-uvicorn", "django-uvicorn", "django-gunicorn", "flask-gunicorn", "wsgi-gunicorn"]

Start = Callable[[str, str], int]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts a stack with keys from a URL, once, and tells its port."""
    ports: dict[tuple[str, str], int] = {}
    with ExitStack() as running:

        def started(stack: str, jwks_uri: str) -> int:
            if (stack, jwks_uri) not in ports:
                ports[stack, jwks_uri] = port = free_port()
                app, *command = STACKS[stack]
                words = [word.format(app=app, port=port) for word in command]
                running.enter_context(server(words, _environment(jwks_uri), f"http://127.0.0.1:{port}"))
            return ports[stack, jwks_uri]

        yield started


@pytest.fixture(params=STACKS)
def port(request: pytest.FixtureRequest, start: Start, issuer: FakeIssuer) -> int:
    """The port of each stack in turn."""
    return start(request.param, issuer.jwks_uri)


def _environment(jwks_uri: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}
    return clean | {
        "CALLERID_AUDIENCE": AUDIENCE,
        "CALLERID_CALLERS": f"{LOGIN}, {ANA}",
        "CALLERID_JWKS_URI": jwks_uri,
        "PROFILES_EDITORS": ANA,
    }
