"""Frameworks without an adapter of their own: bare Starlette, Quart and Litestar behind the ASGI middleware."""

from functools import partial
from typing import Any

import pytest
from litestar import Litestar
from litestar import get as litestar_get
from quart import Quart, websocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callerid import Guard, Route, current_caller
from callerid.asgi import CallerMiddleware
from tests.adapters.support import ask, bearing, guard_for, uvicorn_serving
from tests.support import ANA, LOGIN, STRANGER, FakeIssuer, named

PATHS = ("/", "/admin", "/public")


def member() -> str:
    caller = current_caller()
    return caller.member if caller else "nobody"


def starlette(guard: Guard) -> Any:
    def view(request: Request) -> PlainTextResponse:  # in a thread
        return PlainTextResponse(member())

    return Starlette(routes=[StarletteRoute(path, view) for path in PATHS], middleware=[Middleware(CallerMiddleware, guard=guard)])


def quart(guard: Guard) -> Any:
    app = Quart("user-profiles")
    for path in PATHS:
        app.add_url_rule(path, path, member)  # in a thread

    @app.websocket("/")
    async def events() -> None:
        await websocket.send(member())

    guarded: Any = app
    guarded.asgi_app = CallerMiddleware(guarded.asgi_app, guard=guard)
    return guarded


def litestar(guard: Guard) -> Any:
    @litestar_get(list(PATHS))
    async def view() -> str:
        return member()

    app: Any = Litestar([view], logging_config=None, openapi_config=None)
    return CallerMiddleware(app, guard=guard)


frameworks = pytest.mark.parametrize("framework", [starlette, quart, litestar])


@frameworks
@pytest.mark.parametrize(
    ("path", "sent", "expected"),
    named(
        ("anonymous", "/", None, 401),
        ("anonymous, nowhere", "/nowhere", None, 401),
        ("a bad token", "/", "junk", 401),
        ("a stranger", "/", STRANGER, 403),
        ("a caller", "/", LOGIN, LOGIN),
        ("a caller, nowhere", "/nowhere", LOGIN, 404),
        ("a caller on another's route", "/admin", LOGIN, 403),
        ("its caller", "/admin", ANA, ANA),
        ("anonymous on a public route", "/public", None, "nobody"),
    ),
)
def test_a_framework_behind_the_guard(issuer: FakeIssuer, framework: Any, path: str, sent: str | None, expected: str | int) -> None:
    answer = ask(framework(_guard(issuer)), path, bearing(issuer, sent))
    assert expected == (answer.text if answer.status_code == 200 else answer.status_code)


@frameworks
@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize(
    "path", ["/admin", "/admin/", "//admin", "/x/../admin", "/%61dmin", "/admin%0A", "/admin;x", "/ADMIN", "/admin//"]
)
def test_no_spelling_of_a_path_leads_around_its_rule(issuer: FakeIssuer, framework: Any, path: str, root_path: str) -> None:
    app = framework(_guard(issuer))
    for asked in {path, root_path + path}:
        answer = ask(app, f"http://user-profiles.example{asked}", bearing(issuer, LOGIN), root_path=root_path)
        assert answer.status_code in (400, 403, 404)


def test_quarts_websockets(issuer: FakeIssuer) -> None:
    with uvicorn_serving(quart(_guard(issuer))) as address:
        handshake = partial(connect, f"ws://{address}/", proxy=None)
        with handshake(additional_headers=bearing(issuer, LOGIN)) as socket:
            assert socket.recv() == LOGIN
        with pytest.raises(InvalidStatus) as refused:
            handshake()
    assert refused.value.response.status_code in (401, 403)  # 403 where a server has no way to send a response


def _guard(issuer: FakeIssuer) -> Guard:
    return guard_for(issuer, routes=[Route("/admin", callers=[ANA]), Route("/public", callers=["allUsers"])])
