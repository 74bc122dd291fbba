"""The sites: small applications of every framework that callerid guards, each in the framework's own words.

Each handler says which rule of `RULES` it is under. A static tree says it in its files.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import flask
import flask.views
import litestar
import quart
import quart.views
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from django.views import View
from django.views.decorators.http import require_http_methods
from django.views.static import serve
from fastapi import APIRouter, FastAPI
from litestar.static_files import create_static_files_router
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import callerid.asgi
import callerid.wsgi
from callerid import Guard
from callerid_adapters.flask import CallerGuard
from tests.adapters import django_site
from tests.paths.clients import Ask, asgi, mark, wsgi
from tests.paths.servers import Server, granian, granian_wsgi, gunicorn, hypercorn, uvicorn, without_raw_path

__all__ = ["EXAMPLES", "RULES", "SITES", "Site", "write_files"]

# Each handler's own rule, and a request that reaches it.
EXAMPLES = {
    "/": ("GET", "/"),
    "/admin": ("POST", "/admin"),
    "GET /profiles/{id}": ("GET", "/profiles/7"),
    "PUT /profiles/{id}": ("PUT", "/profiles/7"),
    "GET /settings": ("GET", "/settings"),
    "PUT /settings": ("PUT", "/settings"),
    "/items/{number}": ("GET", "/items/42"),
    "/reports/": ("GET", "/reports/"),
    "/files/**": ("GET", "/files/a/b.txt"),
    "/static/private/**": ("GET", "/static/private/secret.txt"),
    "/static/**": ("GET", "/static/site.css"),
    "/v1/admin": ("GET", "/v1/admin"),
    "/v1/teams/{team}/members/{id}": ("GET", "/v1/teams/blue/members/7"),
}
RULES = tuple(EXAMPLES)
MANY = ["GET", "POST", "PUT", "DELETE"]


def write_files(folder: Path) -> None:
    """The static tree."""
    for name, rule in {"site.css": "/static/**", "private/secret.txt": "/static/private/**"}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps([rule, name]))


def starlette_app(guard: Guard | None, folder: Path) -> Starlette:
    def on(rule: str) -> Callable[[Request], Awaitable[Response]]:
        async def handler(request: Request) -> Response:
            return Response(headers=mark(rule, **request.path_params))

        return handler

    class Settings(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return await on("GET /settings")(request)

        async def put(self, request: Request) -> Response:
            return await on("PUT /settings")(request)

    return Starlette(
        routes=[
            Route("/", on("/")),
            Route("/admin", on("/admin"), methods=MANY),
            Route("/profiles/{id}", on("PUT /profiles/{id}"), methods=["PUT"]),
            Route("/profiles/{id}", on("GET /profiles/{id}")),
            Route("/settings", Settings),
            Route("/items/{number:int}", on("/items/{number}")),
            Route("/reports/", on("/reports/")),
            Route("/files/{path:path}", on("/files/**")),
            Mount("/static", StaticFiles(directory=folder)),
            Mount(
                "/v1",
                routes=[
                    Route("/admin", on("/v1/admin")),
                    Mount("/teams", routes=[Route("/{team}/members/{id}", on("/v1/teams/{team}/members/{id}"))]),
                ],
            ),
        ],
        middleware=[] if guard is None else [Middleware(callerid.asgi.CallerMiddleware, guard=guard)],
    )


def mounted_starlette_app(guard: Guard | None, folder: Path) -> Starlette:
    """The whole site below a prefix that the client chooses."""
    return Starlette(routes=[Mount("/{tenant}", starlette_app(guard, folder))])


def fastapi_app(guard: Guard | None, folder: Path, *, root_path: str = "", **options: Any) -> FastAPI:
    app, v1 = FastAPI(**options), FastAPI()
    app.root_path = root_path  # the parameter is deprecated in newer versions
    profiles, teams = APIRouter(prefix="/profiles"), APIRouter(prefix="/teams")

    def add(router: FastAPI | APIRouter, path: str, rule: str, methods: Iterable[str] = ("GET",)) -> None:
        async def handler(request: Request) -> Response:
            return Response(headers=mark(rule, **request.path_params))

        router.add_api_route(path, handler, methods=list(methods))

    add(app, "/", "/")
    add(app, "/admin", "/admin", MANY)
    add(profiles, "/{id}", "PUT /profiles/{id}", ["PUT"])
    add(profiles, "/{id}", "GET /profiles/{id}")
    add(app, "/settings", "PUT /settings", ["PUT"])
    add(app, "/settings", "GET /settings")
    add(app, "/items/{number:int}", "/items/{number}")
    add(app, "/reports/", "/reports/")
    add(app, "/files/{path:path}", "/files/**")
    add(v1, "/admin", "/v1/admin")
    add(teams, "/{team}/members/{id}", "/v1/teams/{team}/members/{id}")
    v1.include_router(teams)
    app.include_router(profiles)
    app.mount("/v1", v1)
    app.mount("/static", StaticFiles(directory=folder))
    if guard is not None:
        app.add_middleware(callerid.asgi.CallerMiddleware, guard=guard)
    return app


def add_in_flasks_words(words: ModuleType, app: Any, respond: Callable[..., Any], *, strict_slashes: bool) -> None:
    """Flask's words are Quart's, too; `respond` is a function there, and here a coroutine function."""
    app.url_map.strict_slashes = strict_slashes
    v1, teams = words.Blueprint("v1", __name__, url_prefix="/v1"), words.Blueprint("teams", __name__, url_prefix="/teams")
    by_method = {method: staticmethod(partial(respond, f"{method.upper()} /settings")) for method in ("get", "put")}
    settings = type("Settings", (words.views.MethodView,), by_method)

    def add(scaffold: Any, path: str, rule: str, methods: Iterable[str] = ("GET",)) -> None:
        scaffold.add_url_rule(path, rule.translate(str.maketrans("/.", "__")), partial(respond, rule), methods=methods)

    add(app, "/", "/")
    add(app, "/admin", "/admin", MANY)
    add(app, "/profiles/<id>", "PUT /profiles/{id}", ["PUT"])
    add(app, "/profiles/<id>", "GET /profiles/{id}")
    app.add_url_rule("/settings", view_func=settings.as_view("settings"))  # type: ignore[attr-defined]
    add(app, "/items/<int:number>", "/items/{number}")
    add(app, "/reports/", "/reports/")
    add(app, "/files/<path:path>", "/files/**")
    add(v1, "/admin", "/v1/admin")
    add(teams, "/<team>/members/<id>", "/v1/teams/{team}/members/{id}")
    v1.register_blueprint(teams)
    app.register_blueprint(v1)


def flask_app(guard: Guard | None, folder: Path, *, strict_slashes: bool = True) -> flask.Flask:
    def respond(rule: str, **found: object) -> flask.Response:
        return flask.Response(headers=mark(rule, **found))

    app = flask.Flask(__name__, static_folder=folder, static_url_path="/static")
    add_in_flasks_words(flask, app, respond, strict_slashes=strict_slashes)
    if guard is not None:
        CallerGuard(guard, app=app)
    return app


def shelled_flask_app(guard: Guard | None, folder: Path) -> Any:
    """Flask behind the WSGI middleware."""
    app = flask_app(None, folder)
    return app if guard is None else callerid.wsgi.CallerMiddleware(app, guard=guard)


def dispatched_flask_app(guard: Guard | None, folder: Path) -> Any:
    """The whole site below a prefix."""
    return DispatcherMiddleware(NotFound(), {"/api": flask_app(guard, folder)})


def quart_app(guard: Guard | None, folder: Path) -> Any:
    async def respond(rule: str, **found: object) -> quart.Response:
        return quart.Response("", headers=mark(rule, **found))

    app: Any = quart.Quart(__name__, static_folder=str(folder), static_url_path="/static")
    add_in_flasks_words(quart, app, respond, strict_slashes=True)
    if guard is not None:
        app.asgi_app = callerid.asgi.CallerMiddleware(app.asgi_app, guard=guard)
    return app


def litestar_app(guard: Guard | None, folder: Path) -> Any:
    def on(rule: str, path: str, methods: Iterable[Any] = ("GET",)) -> Any:
        @litestar.route(path, http_method=list(methods), status_code=200)
        async def handler(request: litestar.Request[Any, Any, Any]) -> litestar.Response[None]:
            return litestar.Response(None, headers=mark(rule, **request.path_params))

        return handler

    members = on("/v1/teams/{team}/members/{id}", "/{team:str}/members/{id:str}")
    profiles = [on(f"{method} /profiles/{{id}}", "/{id:str}", [method]) for method in ("GET", "PUT")]
    app: Any = litestar.Litestar(
        [
            on("/", "/"),
            on("/admin", "/admin", MANY),
            litestar.Router("/profiles", route_handlers=profiles),
            on("PUT /settings", "/settings", ["PUT"]),
            on("GET /settings", "/settings"),
            on("/items/{number}", "/items/{number:int}"),
            on("/reports/", "/reports/"),
            on("/files/**", "/files/{path:path}"),
            create_static_files_router("/static", [folder]),
            litestar.Router("/v1", route_handlers=[on("/v1/admin", "/admin"), litestar.Router("/teams", route_handlers=[members])]),
        ],
        logging_config=None,
        openapi_config=None,
    )
    return app if guard is None else callerid.asgi.CallerMiddleware(app, guard=guard)


def django_urls(folder: Path) -> tuple[Any, ...]:
    def on(rule: str) -> Callable[..., HttpResponse]:
        return lambda request, **found: HttpResponse(headers=mark(rule, **found))

    class Settings(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return on("GET /settings")(request)

        def put(self, request: HttpRequest) -> HttpResponse:
            return on("PUT /settings")(request)

    def profile(request: HttpRequest, **found: str) -> HttpResponse:
        rule = "PUT /profiles/{id}" if request.method == "PUT" else "GET /profiles/{id}"
        return on(rule)(request, **found)

    def static(request: HttpRequest, path: str) -> HttpResponse:
        served: Any = serve(request, path, str(folder))
        with served.file_to_stream as file:  # under ASGI, Django warns of streams that are not asynchronous
            return HttpResponse(file.read())

    teams = [path("<team>/members/<slug:id>", on("/v1/teams/{team}/members/{id}"))]
    return (
        path("", on("/")),
        path("admin", on("/admin")),
        path("profiles/<id>", require_http_methods(["GET", "HEAD", "PUT"])(profile)),
        path("settings", Settings.as_view()),
        path("items/<int:number>", on("/items/{number}")),
        path("reports/", on("/reports/")),
        re_path(r"^files/(?P<path>.+)$", on("/files/**")),
        re_path(r"^static/(?P<path>.*)$", static),  # as django.conf.urls.static does it
        path("v1/", include([path("admin", on("/v1/admin")), path("teams/", include(teams))])),
    )


class StraightHandler(ASGIHandler):
    """Without Django's signals, each of which is a thread of its own for each request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Any = self.create_request(scope, BytesIO())[0]
        await self.send_response(await self.get_response_async(request), send)


def django(handler: type[ASGIHandler | WSGIHandler], guard: Guard | None, folder: Path, **settings: Any) -> Ask:
    """Its settings hold while requests run, too. Slashes are appended under WSGI alone: under ASGI that costs two threads more."""
    guards = [] if guard is None else [django_site.GUARD]
    appends = ["django.middleware.common.CommonMiddleware"] if handler is WSGIHandler else []
    urls = django_urls(folder)
    site = partial(override_settings, CALLERID=guard, MIDDLEWARE=[*guards, *appends], ROOT_URLCONF=urls, **settings)
    with site():
        app = handler()
    ask = wsgi(app) if handler is WSGIHandler else asgi(app)

    def within_settings(requests: Iterable[Any]) -> Any:
        with site():
            return ask(requests)

    return within_settings


def bare(method: str, path: str) -> dict[str, str]:  # noqa: C901  (a table)
    """Dispatch by hand, as the samples do it."""
    match method, path.split("/")[1:]:
        case _, [""]:
            return mark("/")
        case _, ["admin"]:
            return mark("/admin")
        case "PUT" | "GET", ["profiles", id] if id:
            return mark(f"{method} /profiles/{{id}}", id=id)
        case "PUT" | "GET", ["settings"]:
            return mark(f"{method} /settings")
        case _, ["items", number] if number.isdecimal():
            return mark("/items/{number}", number=int(number))
        case _, ["reports", ""]:
            return mark("/reports/")
        case _, ["files", *rest]:
            return mark("/files/**", rest=rest)
        case _, ["static", "private", *rest]:
            return mark("/static/private/**", rest=rest)
        case _, ["static", *rest]:
            return mark("/static/**", rest=rest)
        case _, ["v1", "admin"]:
            return mark("/v1/admin")
        case _, ["v1", "teams", team, "members", id] if team and id:
            return mark("/v1/teams/{team}/members/{id}", team=team, id=id)
        case _:
            return {}


def bare_asgi_app(guard: Guard | None, folder: Path) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        found = bare(scope["method"], scope["path"])
        headers = [(name.encode(), value.encode()) for name, value in found.items()]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return app if guard is None else callerid.asgi.CallerMiddleware(app, guard=guard)


def bare_wsgi_app(guard: Guard | None, folder: Path) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        found = bare(environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode(errors="replace"))
        start_response("200 OK" if found else "404 Not Found", list(found.items()))
        return []

    return app if guard is None else callerid.wsgi.CallerMiddleware(app, guard=guard)


@dataclass(frozen=True)
class Site:
    """An application, with or without a Guard, and what may stand before it. `prefix` is what clients write before each path."""

    open: Callable[[Guard | None, Path], Ask]
    servers: tuple[Server, ...]
    prefix: str = ""


def _asgi(build: Callable[..., Any], **options: Any) -> Callable[[Guard | None, Path], Ask]:
    return lambda guard, folder: asgi(build(guard, folder, **options))


def _wsgi(build: Callable[..., Any], **options: Any) -> Callable[[Guard | None, Path], Ask]:
    return lambda guard, folder: wsgi(build(guard, folder, **options))


def _django(handler: type[ASGIHandler | WSGIHandler], **settings: Any) -> Callable[[Guard | None, Path], Ask]:
    return lambda guard, folder: django(handler, guard, folder, **settings)


_BELOW_API = (partial(uvicorn, root_path="/api"), partial(hypercorn, root_path="/api"))

# A prefix is what clients have to write; where there is none below a root path, uvicorn writes it, or a proxy has taken it off.
SITES = {
    "starlette": Site(_asgi(starlette_app), (uvicorn, granian, without_raw_path)),
    "starlette, root_path": Site(_asgi(starlette_app), _BELOW_API),
    "starlette, mounted": Site(_asgi(mounted_starlette_app), (uvicorn,), "/acme"),
    "starlette, mounted, root_path": Site(_asgi(mounted_starlette_app), _BELOW_API[:1], "/acme"),
    "fastapi": Site(_asgi(fastapi_app), (uvicorn, granian)),
    "fastapi, root_path": Site(_asgi(fastapi_app, root_path="/api"), (hypercorn,), "/api"),
    "quart": Site(_asgi(quart_app), (uvicorn, granian)),
    "quart, root_path": Site(_asgi(quart_app), _BELOW_API, "/api"),
    "litestar": Site(_asgi(litestar_app), (uvicorn, granian)),
    "litestar, root_path": Site(_asgi(litestar_app), _BELOW_API),
    "bare asgi": Site(_asgi(bare_asgi_app), (uvicorn, granian, without_raw_path)),
    "django asgi": Site(_django(StraightHandler), (granian,)),
    "django asgi, root_path": Site(_django(StraightHandler), _BELOW_API[:1]),
    "django asgi, forced name": Site(_django(StraightHandler, FORCE_SCRIPT_NAME="/api"), (uvicorn,)),
    "django wsgi": Site(_django(WSGIHandler), (granian_wsgi,)),
    "django wsgi, script name": Site(_django(WSGIHandler), (partial(gunicorn, script_name="/api"),), "/api"),
    "flask": Site(_wsgi(flask_app), (gunicorn,)),
    "flask, script name": Site(_wsgi(flask_app), (partial(granian_wsgi, script_name="/api"),), "/api"),
    "flask, lax slashes": Site(_wsgi(flask_app, strict_slashes=False), (gunicorn,)),
    "flask, wsgi middleware": Site(_wsgi(shelled_flask_app), (granian_wsgi,)),
    "flask, dispatched": Site(_wsgi(dispatched_flask_app), (gunicorn,), "/api"),
    "bare wsgi": Site(_wsgi(bare_wsgi_app), (gunicorn, granian_wsgi)),
}
