"""Behind Identity-Aware Proxy, in every framework: its header, and pages of other sites, which have its cookie's credentials."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import pytest
from sample_apps.demo.stage import free_port, server
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.contract.wire import Headers, exchange
from tests.senders import BACKEND
from tests.stacks import STACKS, clean_environment
from tests.support import ANA, FakeIssuer, named

HOST = "user-profiles.example"  # what `exchange` asks for
CROSS_SITE, EVIL = ("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")
WITH_WEBSOCKETS = ["fastapi-uvicorn", "asgi-uvicorn", "asgi-hypercorn-trio"]
BEHIND_IAP = [*WITH_WEBSOCKETS, "django-uvicorn", "django-gunicorn", "flask-gunicorn", "wsgi-gunicorn"]


@pytest.fixture(scope="module")
def proxy() -> Iterator[FakeIssuer]:
    """Signs as IAP does."""
    with FakeIssuer("https://cloud.google.com/iap", algorithm="ES256") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def ports(proxy: FakeIssuer) -> Iterator[dict[str, int]]:
    """Those of the stacks that have been asked for."""
    with _Started(proxy) as ports:
        yield ports


@pytest.fixture(params=BEHIND_IAP)
def port(request: pytest.FixtureRequest, ports: dict[str, int]) -> int:
    return ports[request.param]


class _Started(dict[str, int]):
    """Starts a stack when its port is asked for, configured by the environment alone."""

    def __init__(self, proxy: FakeIssuer) -> None:
        super().__init__()
        self._environment = clean_environment() | {
            "CALLERID_ISSUER": proxy.issuer,
            "CALLERID_JWKS_URI": proxy.jwks_uri,
            "CALLERID_AUDIENCE": BACKEND,
            "CALLERID_CALLERS": ANA,
            "PROFILES_EDITORS": ANA,
            "METRICS_CALLERS": ANA,
        }
        self._running = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def __missing__(self, stack: str) -> int:
        self[stack] = port = free_port()
        app, *command = STACKS[stack]
        words = [word.format(app=app, port=port) for word in command]
        self._running.enter_context(server(words, self._environment, f"http://127.0.0.1:{port}"))
        return port


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    named(
        ("a look from another site", "GET", [CROSS_SITE, EVIL], 200),
        ("a change by no browser", "PUT", [], 200),
        ("a change from the site itself", "PUT", [("Origin", f"https://{HOST}"), ("Sec-Fetch-Site", "same-origin")], 200),
        ("a change from the site itself, by an old browser", "PUT", [("Origin", f"https://{HOST}")], 200),
        ("a change from another site", "PUT", [CROSS_SITE, EVIL], 403),
        ("a change from another site, by an old browser", "PUT", [EVIL], 403),
        ("a change from another site that hides itself", "DELETE", [CROSS_SITE], 403),
        ("a change from a page without an origin", "DELETE", [("Origin", "null")], 403),
        ("a change from a sister site", "PUT", [("Origin", f"https://evil.{HOST}"), ("Sec-Fetch-Site", "same-site")], 403),
        ("a change from two sites at once", "PUT", [("Origin", f"https://{HOST}"), EVIL], 403),
        ("two words on the site", "PUT", [("Sec-Fetch-Site", "same-origin"), CROSS_SITE], 403),
        ("a WebSocket from another site", "GET", [("Upgrade", "websocket"), EVIL], 403),
    ),
)
def test_a_page_of_another_site_changes_nothing(port: int, proxy: FakeIssuer, method: str, headers: Headers, status: int) -> None:
    answer = exchange(port, method, "/profiles/7", [*proxy.headers(ANA, BACKEND).items(), *headers])
    assert answer.status == status
    assert answer.reason == ("cross_site" if status == 403 else "")
    assert "www-authenticate" not in answer.headers


def test_the_assertion_counts_in_its_header_alone(port: int, proxy: FakeIssuer) -> None:
    token = proxy.token(ANA, BACKEND)
    told = [
        exchange(port, "GET", "/profiles/7", headers).reason
        for headers in (
            [("Authorization", f"Bearer {token}")],
            [("X-Goog-IAP-JWT-Assertion", f"Bearer {token}")],
            [("X-Goog-IAP-JWT-Assertion", token), ("X-Goog-IAP-JWT-Assertion", token)],
            [("X-Goog-Authenticated-User-Email", "accounts.google.com:ana@example.com")],
        )
    ]
    assert told == ["missing_credentials", "malformed_credentials", "malformed_credentials", "missing_credentials"]


@pytest.mark.parametrize(("origin", "status"), [(None, 101), (f"http://{HOST}", 101), ("https://evil.example", 403), ("null", 403)])
@pytest.mark.parametrize("stack", WITH_WEBSOCKETS)
def test_a_page_of_another_site_opens_no_websocket(
    ports: dict[str, int], proxy: FakeIssuer, stack: str, origin: str | None, status: int
) -> None:
    headers = [*proxy.headers(ANA, BACKEND).items(), *([("Origin", origin)] if origin else [])]
    assert handshake(ports[stack], headers) == status


def handshake(port: int, headers: Headers) -> int:
    try:
        with connect(
            f"ws://{HOST}/events", sock=socket.create_connection(("127.0.0.1", port)), additional_headers=list(headers)
        ) as ws:
            assert "ana@example.com" in str(ws.recv())
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code
