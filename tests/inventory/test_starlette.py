"""FastAPI and Starlette: routers, mounts, WebSockets, middleware wherever it may be, lists among the dependencies."""

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from flask import Flask
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from callerid import Caller, Guard
from callerid import Route as Rule
from callerid.asgi import CallerMiddleware
from callerid_adapters.fastapi import CallerGuard
from callerid_adapters.flask import CallerGuard as FlaskGuard
from tests.adapters.support import ask, guard_for
from tests.inventory import Send, check_by_asking, rows, table
from tests.support import ANA, LOGIN, SEARCH, FakeIssuer

EVERYONE = ["allUsers"]
PLAIN: dict[str, Any] = {"docs_url": None, "redoc_url": None, "openapi_url": None}


def client(app: Any) -> Send:
    return lambda method, path, headers: ask(app, path, headers, method=method).status_code


def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def socket(websocket: WebSocket) -> None: ...


class Endpoint(HTTPEndpoint):
    def get(self, request: Request) -> PlainTextResponse:
        return answer(request)

    def put(self, request: Request) -> PlainTextResponse:
        return answer(request)


class Socket(WebSocketEndpoint): ...


def behind(guard: Guard) -> Middleware:
    return Middleware(CallerMiddleware, guard=guard)


def test_routers_lists_and_rules(issuer: FakeIssuer) -> None:
    rules = [
        Rule("/healthz", callers=EVERYONE),
        Rule("/profiles/me", callers=[ANA]),
        Rule("/profiles/{id}", methods=["PUT"], callers=[ANA, SEARCH]),
    ]
    guard = guard_for(issuer, routes=rules)
    app = FastAPI(**PLAIN)
    app.add_middleware(CallerMiddleware, guard=guard)

    @app.get("/healthz")
    @app.get("/profiles/me")
    @app.get("/profiles/{id:int}")
    def read() -> None:
        pass

    @app.put("/profiles/{id}")
    def write(caller: Annotated[Caller, Security(CallerGuard(guard, callers=[SEARCH, LOGIN]))]) -> None:
        pass

    def inner(caller: Annotated[Caller, Security(CallerGuard(guard, callers=[ANA]))]) -> None:
        pass

    router = APIRouter(prefix="/admin", dependencies=[Depends(inner)])
    router.add_api_route("/jobs", read, methods=["GET", "POST"])
    router.add_api_websocket_route("/jobs/live", socket)
    outer = APIRouter()
    outer.include_router(router, prefix="/v1")
    app.include_router(outer)
    assert table(app) == {
        "GET /healthz": EVERYONE,
        "GET /profiles/me": [ANA],
        "GET /profiles/{id:int}": [LOGIN, ANA],
        "PUT /profiles/me": [],
        "PUT /profiles/{id}": [SEARCH],
        "GET /v1/admin/jobs": [ANA],
        "POST /v1/admin/jobs": [ANA],
        "WEBSOCKET /v1/admin/jobs/live": [ANA],
    }
    check_by_asking(app, issuer, client(app))


@pytest.mark.skipif(not hasattr(fastapi.routing, "iter_route_contexts"), reason="an older FastAPI, which leaves it out")
def test_a_mount_in_a_router(issuer: FakeIssuer) -> None:
    router = APIRouter()
    router.mount("/files", StaticFiles(directory="docs"))
    app = FastAPI(**PLAIN)
    app.include_router(router, prefix="/v1")
    app.add_middleware(CallerMiddleware, guard=guard_for(issuer))
    assert table(app) == {"/v1/files/**": [LOGIN, ANA]}


def test_what_fastapi_adds_by_itself(issuer: FakeIssuer) -> None:
    app = FastAPI()
    app.add_middleware(CallerMiddleware, guard=guard_for(issuer, callers=[ANA]))
    added = ("GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect", "GET /redoc")
    assert table(app) == {name: [ANA] for name in added}
    check_by_asking(app, issuer, client(app))


def test_an_application_without_the_middleware(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Rule("/public/**", callers=EVERYONE)])
    app = FastAPI(**PLAIN)

    def show() -> None:
        pass

    def add(path: str, **options: Any) -> None:
        app.add_api_route(path, show, dependencies=[Security(CallerGuard(guard, **options))])

    app.add_api_route("/open", show)
    add("/any")
    add("/mine", callers=[ANA, SEARCH])
    add("/public/any")
    add("/public/mine", callers=[ANA, SEARCH])
    add("/public/optional", callers=[ANA], optional=True)
    assert table(app) == {
        "GET /open": EVERYONE,
        "GET /any": [LOGIN, ANA],
        "GET /mine": [ANA],
        "GET /public/any": [LOGIN, ANA],
        "GET /public/mine": [SEARCH, ANA],
        "GET /public/optional": EVERYONE,
    }
    assert rows(app)[0].rules == ("no Guard",)
    app.router.routes = [route for route in app.router.routes if getattr(route, "path", "") != "/public/optional"]
    check_by_asking(app, issuer, client(app))


def test_a_dependency_that_a_test_has_replaced_guards_nothing(issuer: FakeIssuer) -> None:
    checked = CallerGuard(guard_for(issuer), callers=[ANA])
    app = FastAPI(**PLAIN)
    app.add_api_route("/x", answer, dependencies=[Security(checked)], response_model=None)
    assert table(app) == {"GET /x": [ANA]}
    app.dependency_overrides[checked] = lambda: None
    assert table(app) == {"GET /x": EVERYONE}


def mounted(issuer: FakeIssuer) -> Starlette:
    inner_guard = guard_for(issuer, callers=[ANA, SEARCH], routes=[Rule("/mine", callers=[ANA])])
    inner = FastAPI(**PLAIN)
    inner.add_middleware(CallerMiddleware, guard=inner_guard)
    inner.add_route("/mine", answer)
    inner.add_route("/ours/{id}", answer)
    only_ana = guard_for(issuer, callers=[ANA])
    routes = [
        Route("/", answer),
        Route("/class", Endpoint),
        Route("/guarded", answer, middleware=[behind(only_ana)]),
        Mount("/inner", inner),
        Mount("/group", routes=[Route("/a", answer), WebSocketRoute("/ws", Socket)], middleware=[behind(only_ana)]),
        Mount("/router", Router([Route("/b", answer)], middleware=[Middleware(GZipMiddleware), behind(only_ana)])),
        Mount("/wrapped", CallerMiddleware(GZipMiddleware(Starlette(routes=[Route("/c", answer)])), guard=only_ana)),
        Mount("/files/{kind}", StaticFiles(directory="docs")),
        Mount("/bare", bare),
        Mount("/legacy", legacy(only_ana)),
    ]
    outer = guard_for(issuer, callers=[LOGIN, ANA], routes=[Rule("/inner/mine", callers=[LOGIN, ANA, SEARCH])])
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware), behind(outer)])


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("here")(scope, receive, send)


def legacy(guard: Guard) -> Any:
    """A WSGI application within an ASGI application, as a2wsgi has it."""

    class Bridge:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    app = Flask("legacy", static_folder=None)
    app.add_url_rule("/d", "d", lambda: "here")
    FlaskGuard(guard).init_app(app)
    return Bridge(app)


def test_mounts_and_their_middleware(issuer: FakeIssuer) -> None:
    app = mounted(issuer)
    assert table(app) == {
        "GET /": [LOGIN, ANA],
        "GET /class": [LOGIN, ANA],
        "PUT /class": [LOGIN, ANA],
        "GET /guarded": [ANA],
        "GET /inner/mine": [ANA],
        "GET /inner/ours/{id}": [ANA],
        "GET /group/a": [ANA],
        "WEBSOCKET /group/ws": [ANA],
        "GET /router/b": [ANA],
        "GET /wrapped/c": [ANA],
        "/files/{kind}/**": [LOGIN, ANA],
        "/bare/**": [LOGIN, ANA],
        "GET /legacy/d": [ANA],
    }
    app.router.routes = [route for route in app.router.routes if getattr(route, "path", "") not in ("/files/{kind}", "/legacy")]
    check_by_asking(app, issuer, client(app))


def test_handlers_have_their_names(issuer: FakeIssuer) -> None:
    names = {row.path: row.handler.removeprefix(f"{__name__}.") for row in rows(mounted(issuer))}
    assert names["/"] == "answer"
    assert names["/class"] == "Endpoint"
    assert names["/bare/**"] == "bare"
    assert names["/files/{kind}/**"] == "starlette.staticfiles.StaticFiles"


def test_hosts(issuer: FakeIssuer) -> None:
    routes = [
        Host("api.example", Router([Route("/x", answer)])),
        Host("www.example", Router([Route("/x", answer)])),
        Route("/x", answer),
    ]
    app = Starlette(routes=routes, middleware=[behind(guard_for(issuer, routes=[Rule("/x", callers=EVERYONE)]))])
    assert table(app) == {"GET api.example/x": EVERYONE, "GET www.example/x": EVERYONE, "GET /x": EVERYONE}


def test_what_a_router_never_comes_to_is_left_out(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Rule("/a/me", callers=[SEARCH]), Rule("/m/**", callers=EVERYONE)])
    routes = [
        Route("/a/me", answer),
        Route("/a/{id}", answer, methods=["GET", "POST"]),
        Route("/a/{other}", answer),
        Route("/s", answer),
        Route("/s/", answer),
        Mount("/m", Starlette(routes=[Route("/in", answer)])),
        Route("/m/late", answer),
    ]
    app = Starlette(routes=routes, middleware=[behind(guard)])
    assert table(app) == {
        "GET /a/me": [SEARCH],
        "POST /a/me": [SEARCH],
        "GET /a/{id}": [LOGIN, ANA],
        "POST /a/{id}": [LOGIN, ANA],
        "GET /s": [LOGIN, ANA],
        "GET /s/": [LOGIN, ANA],
        "GET /m/in": EVERYONE,
    }
    check_by_asking(app, issuer, client(app))


def test_a_mount_is_cut_by_the_rules(issuer: FakeIssuer) -> None:
    rules = [
        Rule("/m/public/**", callers=EVERYONE),
        Rule("/m/{x}/mine", methods=["POST"], callers=[ANA]),
        Rule("/m/a/mine", methods=["POST", "PUT"], callers=[SEARCH]),
        Rule("/elsewhere", callers=EVERYONE),
    ]
    app = CallerMiddleware(Starlette(routes=[Mount("/m", bare)]), guard=guard_for(issuer, routes=rules))
    assert table(app) == {"/m/public/**": EVERYONE, "/m/**": [LOGIN, ANA], "POST /m/{x}/mine": [ANA], "PUT /m/a/mine": [SEARCH]}
    check_by_asking(app, issuer, client(app))


class Odd(BaseRoute): ...


def test_a_route_of_an_unknown_kind_may_serve_everything(issuer: FakeIssuer) -> None:
    assert table(Starlette(routes=[Odd()], middleware=[behind(guard_for(issuer))])) == {"/**": [LOGIN, ANA]}


def test_a_path_that_no_request_may_have(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Rule("/public/**", callers=EVERYONE)])
    app = Starlette(routes=[Route("/public/a;b", answer)], middleware=[behind(guard)])
    (row,) = rows(app)
    assert (row.is_dead, row.rules) == (True, ("ambiguous_path",))
    check_by_asking(app, issuer, client(app))
    assert table(Starlette(routes=[Route("/a;b", answer)], middleware=[behind(guard_for(issuer))])) == {"GET /a;b": [LOGIN, ANA]}


@pytest.mark.skipif(not hasattr(FastAPI, "frontend"), reason="an older FastAPI")
def test_a_frontend_is_what_is_served_when_nothing_else_is(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Rule("/app/**", callers=EVERYONE)])
    app: Any = FastAPI(**PLAIN)
    app.add_middleware(CallerMiddleware, guard=guard)
    app.frontend("/app", directory="docs")
    router: Any = APIRouter(prefix="/v1", dependencies=[Security(CallerGuard(guard, callers=[ANA]))])
    router.frontend("/", directory="docs")
    app.include_router(router)
    assert table(app) == {"GET /app/**": EVERYONE, "GET /v1/**": [ANA]}


def test_an_application_of_another_kind_serves_every_path(issuer: FakeIssuer) -> None:
    app: Callable[..., Any] = CallerMiddleware(bare, guard=guard_for(issuer, routes=[Rule("/x", callers=EVERYONE)]))
    assert table(app) == {"/x": EVERYONE, "/**": [LOGIN, ANA]}
    check_by_asking(app, issuer, client(app))


WITHOUT = """
import sys
sys.modules["fastapi"] = None
from callerid_adapters.inventory import inventory

async def bare(scope, receive, send): ...

(served,) = inventory(bare)
assert (served.place.path, served.handler) == ("/**", "__main__.bare")
from starlette.routing import Route, Router

(served,) = inventory(Router([Route("/x", bare)]))
assert (served.place.path, served.handler) == ("/x", "__main__.bare")
"""


def test_no_framework_is_needed_but_the_applications_own() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, timeout=60)
