"""FastAPI and Starlette: routers, mounts, WebSockets, middleware wherever it may be, lists among the dependencies."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import fastapi.routing
import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from flask import Flask
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
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
from callerid.inventory import who_may_call
from callerid_adapters.fastapi import CallerGuard
from callerid_adapters.flask import CallerGuard as FlaskGuard
from callerid_adapters.inventory import inventory
from tests.adapters.support import ask, guard_for
from tests.inventory import Send, check_by_asking, rows, table
from tests.support import ANA, LOGIN, SEARCH, FakeIssuer, complains, named

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
    alone = FastAPI(**PLAIN)
    alone.add_api_route("/public/a;b", answer, response_model=None, dependencies=[Security(CallerGuard(guard))])
    assert table(alone) == {"GET /public/a;b": []}
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


class Halves(Route):
    """Versions of one path, by a header."""

    def matches(self, scope: Any) -> Any: ...


class Slow(StringConvertor):
    """It may refuse what it matches."""


register_url_convertor("slow", Slow())


@pytest.mark.parametrize(
    ("first", "later"),
    named(
        ("a mount, its own path", Mount("/a", bare), Route("/a", answer)),
        ("a path of any length", Route("/a/{p:path}", answer), Route("/a", answer)),
        ("a path and more", Route("/a/{p:path}.json", answer), Route("/a/{id}", answer)),
        ("a convertor of one's own", Route("/a/{p:slow}", answer), Route("/a/{id}", answer)),
        ("a route of one's own", Halves("/a", answer), Route("/a", answer)),
        ("a route of an unknown kind", Odd(), Route("/a", answer)),
        ("empty segments", Route("/a/{x}", answer), Route("/a//{x}", answer)),
        ("another final slash", Route("/a/{x}", answer), Route("/a/{x}/", answer)),
        ("other methods", Route("/a", answer, methods=["PUT"]), Route("/a", answer)),
        ("a host", Host("a.example", Router([Route("/a", answer)])), Route("/a", answer)),
    ),
)
def test_nothing_is_left_out_that_may_be_reached(issuer: FakeIssuer, first: BaseRoute, later: Route) -> None:
    """A row too many shows nobody an open door that is not there."""
    app = Starlette(routes=[first, later], middleware=[behind(guard_for(issuer))])
    assert f"GET {later.path}" in table(app)


def test_head_is_a_method_of_its_own_where_a_rule_says_so(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Rule("/a", methods=["HEAD"], callers=EVERYONE)])
    app = FastAPI(**PLAIN)
    app.add_middleware(CallerMiddleware, guard=guard)
    app.add_api_route("/get", answer, response_model=None)
    app.router.routes.append(Route("/get", answer))
    app.router.routes.append(Route("/a", answer))
    assert table(app) == {"GET /get": [LOGIN, ANA], "HEAD /get": [LOGIN, ANA], "GET /a": [LOGIN, ANA], "HEAD /a": EVERYONE}
    assert who_may_call(inventory(app)).unused_rules == []


def test_placeholders_of_mounts(issuer: FakeIssuer) -> None:
    rules = [Rule("/7/m/x", callers=EVERYONE), Rule("/7/y", callers=[SEARCH])]
    inner = Starlette(routes=[Route("/x", answer)], middleware=[behind(guard_for(issuer, routes=[Rule("/x", callers=[ANA])]))])
    routes = [Mount("/{t:int}/m", Router([Route("/x", answer)])), Mount("/{p:path}", inner)]
    found = [
        (row.path, row.callers) for row in rows(Starlette(routes=routes, middleware=[behind(guard_for(issuer, routes=rules))]))
    ]
    assert found[:2] == [("/7/m/x", None), ("/{t:int}/m/x", (LOGIN, ANA))]
    assert found[-1] == ("/{p:path}/x", (ANA,))


def test_a_route_without_methods_takes_all(issuer: FakeIssuer) -> None:
    app = Starlette(routes=[Route("/x", answer, methods=[])], middleware=[behind(guard_for(issuer))])
    assert table(app) == {"/x": [LOGIN, ANA]}
    check_by_asking(app, issuer, client(app))


class Everything(HTTPEndpoint):
    async def dispatch(self) -> None: ...


class Own(CallerMiddleware):
    """A subclass that brings its Guard."""

    made: Guard

    def __init__(self, app: Any) -> None:
        super().__init__(app, guard=self.made)


def test_middleware_that_is_made_otherwise(issuer: FakeIssuer) -> None:
    Own.made = guard_for(issuer, callers=[ANA])
    assert table(Starlette(routes=[Route("/x", answer)], middleware=[Middleware(Own)])) == {"GET /x": [ANA]}
    bound: Any = partial(CallerMiddleware, guard=guard_for(issuer, callers=[LOGIN]))
    assert table(Starlette(routes=[Route("/x", answer)], middleware=[Middleware(bound)])) == {"GET /x": [LOGIN]}


def test_what_answers_beside_the_routes(issuer: FakeIssuer) -> None:
    app = Starlette(routes=[Route("/x", Everything)], middleware=[behind(guard_for(issuer))])
    app.router.default = bare
    assert table(app) == {"/x": [LOGIN, ANA], "/**": [LOGIN, ANA]}


def test_one_guard_around_twice_judges_twice(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, callers=[ANA], routes=[Rule("/m/x", callers=EVERYONE), Rule("/x", callers=[SEARCH, ANA])])
    checked = CallerGuard(guard, optional=True)
    app = FastAPI(**PLAIN)
    inner = FastAPI(**PLAIN, dependencies=[Security(checked)])
    inner.add_api_route("/x", answer, response_model=None)
    app.mount("/m", CallerMiddleware(inner, guard=guard))
    app.add_middleware(CallerMiddleware, guard=guard)
    assert table(app) == {"GET /m/x": [SEARCH, ANA]}
    check_by_asking(app, issuer, client(app))


@pytest.mark.parametrize("app", [None, 3, "app", lambda: None, lambda options: None])
def test_what_is_no_application(app: Any) -> None:
    with complains("is no ASGI or WSGI application"):
        inventory(app)


def test_many_placeholders_of_any_length_take_no_time(issuer: FakeIssuer) -> None:
    path = "/" + "/x/".join(f"{{p{number}:path}}" for number in range(12))
    guard = guard_for(issuer, callers=[ANA], routes=[Rule("/a/b/c/**", callers=[LOGIN])])
    assert table(CallerMiddleware(Starlette(routes=[Route(path, answer)]), guard=guard))[f"GET {path}"] == [ANA]


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
