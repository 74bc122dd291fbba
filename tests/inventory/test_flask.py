"""Flask and Quart: rules, blueprints within each other, classes of views; Werkzeug's dispatcher; WSGI middleware."""

from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView, View
from quart import Quart
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, Map
from werkzeug.routing import Rule as WerkzeugRule
from werkzeug.test import Client

from callerid import Guard
from callerid import Route as Rule
from callerid.asgi import CallerMiddleware as ASGIMiddleware
from callerid.wsgi import CallerMiddleware
from callerid_adapters.flask import CallerGuard
from tests.adapters.support import guard_for
from tests.inventory import Send, check_by_asking, rows, table
from tests.support import ANA, LOGIN, SEARCH, FakeIssuer, complains

EVERYONE = ["allUsers"]


def client(app: Any) -> Send:
    asked = Client(app)

    def send(method: str, path: str, headers: dict[str, str]) -> int:
        with asked.open(path, method=method, headers=headers) as response:
            return response.status_code

    return send


def show(**_: Any) -> str:
    return "here"


def flask_app(guard: Guard | None = None) -> Flask:
    app = Flask("shop", static_folder=None)
    if guard is not None:
        CallerGuard(guard).init_app(app)
    return app


def test_rules_lists_and_blueprints(issuer: FakeIssuer) -> None:
    rules = [Rule("/healthz", callers=EVERYONE), Rule("/profiles/me", callers=[ANA]), Rule("/o/**", callers=EVERYONE)]
    callers = CallerGuard(guard_for(issuer, callers=[LOGIN, ANA, SEARCH], routes=rules))
    app = flask_app()
    callers.init_app(app)
    app.add_url_rule("/healthz", "healthz", show)
    app.add_url_rule("/profiles/<int:id>", "read", show)
    app.add_url_rule("/profiles/<id>", "write", callers.allow(ANA, SEARCH)(show), methods=["PUT", "DELETE"])
    app.add_url_rule("/o/any", "any", callers.allow(LOGIN, optional=True)(show))
    app.add_url_rule("/twice", "twice", callers.allow(ANA, LOGIN)(callers.allow(SEARCH, LOGIN)(show)))
    app.add_url_rule("/options", "options", show, methods=["OPTIONS", "GET"])
    outer, inner, sibling = (Blueprint(name, name, url_prefix=f"/{name}") for name in ("outer", "inner", "sibling"))
    callers.protect(outer, [LOGIN, ANA])
    callers.protect(inner, [ANA, SEARCH])
    inner.add_url_rule("/x", "x", show)
    inner.add_url_rule("/y", "y", callers.allow(SEARCH)(show))
    outer.add_url_rule("/z", "z", show)
    sibling.add_url_rule("/w/<path:rest>", "w", show)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(sibling)
    assert table(app) == {
        "GET /healthz": EVERYONE,
        "GET /profiles/<int:id>": [LOGIN, SEARCH, ANA],
        "PUT /profiles/me": [ANA],
        "DELETE /profiles/me": [ANA],
        "PUT /profiles/<id>": [SEARCH, ANA],
        "DELETE /profiles/<id>": [SEARCH, ANA],
        "GET /o/any": EVERYONE,
        "GET /twice": [LOGIN],
        "GET /options": [LOGIN, SEARCH, ANA],
        "OPTIONS /options": [LOGIN, SEARCH, ANA],
        "GET /outer/inner/x": [ANA],
        "GET /outer/inner/y": [],
        "GET /outer/z": [LOGIN, ANA],
        "GET /sibling/w/<path:rest>": [LOGIN, SEARCH, ANA],
    }
    app.view_functions["any"] = callers.allow(LOGIN)(show)  # with somebody's token an optional list is as any other
    check_by_asking(app, issuer, client(app))


def test_classes_of_views(issuer: FakeIssuer) -> None:
    callers = CallerGuard(guard_for(issuer))

    class Profiles(MethodView):
        def get(self) -> str:
            return show()

        @callers.allow(ANA)
        def put(self) -> str:
            return show()

    class Decorated(Profiles):
        decorators = (callers.allow(LOGIN),)  # type: ignore[assignment]

    class Plain(View):
        methods = frozenset({"GET", "POST"})

        @callers.allow(ANA)
        def dispatch_request(self) -> str:
            return show()

    app = flask_app()
    callers.init_app(app)
    for view in (Profiles, Decorated, Plain):
        app.add_url_rule(f"/{view.__name__.lower()}", view_func=view.as_view(view.__name__))
    assert table(app) == {
        "GET /profiles": [LOGIN, ANA],
        "PUT /profiles": [ANA],
        "GET /decorated": [LOGIN],
        "PUT /decorated": [],
        "GET /plain": [ANA],
        "POST /plain": [ANA],
    }
    assert rows(app)[0].handler.endswith("Profiles")
    check_by_asking(app, issuer, client(app))


def test_text_goes_before_placeholders_whatever_was_written_first(issuer: FakeIssuer) -> None:
    app = flask_app(guard_for(issuer, routes=[Rule("/a/me", callers=[SEARCH]), Rule("/a/x/y", callers=[SEARCH])]))
    app.add_url_rule("/a/<path:rest>", "rest", show)
    app.add_url_rule("/a/<id>", "id", show)
    app.add_url_rule("/a/me", "me", show)
    assert [(row.path, row.handler, row.callers) for row in rows(app)] == [
        ("/a/me", f"{__name__}.show", (SEARCH,)),
        ("/a/x/y", f"{__name__}.show", (SEARCH,)),
        ("/a/<path:rest>", f"{__name__}.show", (LOGIN, ANA)),
        ("/a/<id>", f"{__name__}.show", (LOGIN, ANA)),
    ]
    check_by_asking(app, issuer, client(app))


def test_middleware_and_what_it_mounts(issuer: FakeIssuer) -> None:
    inner, outer, legacy = flask_app(guard_for(issuer, routes=[Rule("/x", callers=[SEARCH])])), flask_app(), flask_app()
    for each in (inner, outer, legacy):
        each.add_url_rule("/x", "x", show)
    outer.add_url_rule("/inner/late", "late", show)
    outer.wsgi_app = ProxyFix(CallerMiddleware(outer.wsgi_app, guard=guard_for(issuer, callers=[ANA])))  # type: ignore[method-assign]
    app = DispatcherMiddleware(outer, {"/inner": inner, "/inner/old": legacy, "/bare": bare})
    assert table(app) == {
        "GET /inner/old/x": EVERYONE,
        "GET /inner/x": [SEARCH],
        "/bare/**": EVERYONE,
        "GET /x": [ANA],
    }
    check_by_asking(app, issuer, client(app))
    assert table(CallerMiddleware(app, guard=guard_for(issuer, callers=[ANA, SEARCH]))) == {
        "GET /inner/old/x": [SEARCH, ANA],
        "GET /inner/x": [SEARCH],
        "/bare/**": [SEARCH, ANA],
        "GET /x": [ANA],
    }


def bare(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"here"]


def test_hosts(issuer: FakeIssuer) -> None:
    app = Flask("shop", static_folder=None, subdomain_matching=True)
    CallerGuard(guard_for(issuer)).init_app(app)
    app.add_url_rule("/x", "x", show, subdomain="api")
    app.add_url_rule("/x", "other", show)
    assert table(app) == {"GET api/x": [LOGIN, ANA], "GET /x": [LOGIN, ANA]}


def test_a_rule_that_is_for_building_only_serves_nothing(issuer: FakeIssuer) -> None:
    app = flask_app(guard_for(issuer))
    app.add_url_rule("/x", "x", show, build_only=True)
    assert table(app) == {}


def test_a_list_without_a_guard(issuer: FakeIssuer) -> None:
    app = flask_app()
    app.add_url_rule("/x", "x", CallerGuard().allow(ANA)(show))
    with complains("a view has a list of callers, but no Guard"):
        rows(app)


def test_quart_routes_alike(issuer: FakeIssuer) -> None:
    app = Quart("shop", static_folder=None)

    @app.websocket("/ws")
    async def socket() -> None: ...

    @app.get("/profiles/<name>")
    async def read(name: str) -> str: ...  # type: ignore[empty-body]

    app.asgi_app = ASGIMiddleware(app.asgi_app, guard=guard_for(issuer, callers=[ANA]))  # type: ignore[assignment,arg-type]
    assert table(app) == {"WEBSOCKET /ws": [ANA], "GET /profiles/<name>": [ANA]}


@pytest.mark.parametrize("path", ["/x", "/<any(x, y):kind>"])
def test_a_rule_with_arguments_of_its_converter(issuer: FakeIssuer, path: str) -> None:
    app = flask_app(guard_for(issuer, routes=[Rule("/z", callers=EVERYONE), Rule("/y", callers=EVERYONE)]))
    app.add_url_rule(path, "x", show)
    assert table(app) == {f"GET {path}": [LOGIN, ANA]} | ({} if path == "/x" else {"GET /y": EVERYONE})


@pytest.mark.parametrize(
    "paths",
    [
        ("/p/<name>", "/p/<int:i>"),
        ("/<path:p>", "/<path:p>/edit"),
        ("/a/<p>", "/a/<p>.json"),
        ("/a/<p>", "/a/pre-<p>"),
        ("/a/<p>", "/a/<q>"),
    ],
)
def test_nothing_is_left_out_that_werkzeug_may_prefer(issuer: FakeIssuer, paths: tuple[str, str]) -> None:
    app = flask_app(guard_for(issuer))
    for path in paths:
        app.add_url_rule(path, path.replace(".", "-"), show)
    assert set(table(app)) == {f"GET {path}" for path in paths}


def test_a_host_hides_nothing_of_another(issuer: FakeIssuer) -> None:
    app = Flask("shop", static_folder=None, subdomain_matching=True)
    CallerGuard(guard_for(issuer)).init_app(app)
    app.add_url_rule("/x", "other", show)
    app.add_url_rule("/x", "x", show, subdomain="api")
    assert table(app) == {"GET api/x": [LOGIN, ANA], "GET /x": [LOGIN, ANA]}


def test_rules_that_are_put_into_the_map(issuer: FakeIssuer) -> None:
    app = flask_app(guard_for(issuer))
    app.url_map.add(WerkzeugRule("/x", endpoint="x"))
    app.url_map.add(WerkzeugRule("/y", endpoint="y", methods=["GET"]))
    app.view_functions["x"] = show
    app.add_url_rule("/z", "z", show, provide_automatic_options=True)
    assert table(app) == {"/x": [LOGIN, ANA], "GET /y": [LOGIN, ANA], "GET /z": [LOGIN, ANA]}
    assert {row.path: row.handler for row in rows(app)} == {
        "/x": f"{__name__}.show",
        "/y": "builtins.str",
        "/z": f"{__name__}.show",
    }


class Expression(BaseConverter):
    def __init__(self, url_map: Map, expression: str) -> None:
        super().__init__(url_map)
        self.regex = expression


def test_a_converter_with_brackets_in_its_expression(issuer: FakeIssuer) -> None:
    app = flask_app(guard_for(issuer, routes=[Rule("/r/k", callers=EVERYONE)]))
    app.url_map.converters["rx"] = Expression
    app.add_url_rule('/r/<rx("[^<>]+"):y>', "r", show)
    assert table(app)["GET /r/k"] == EVERYONE


def test_a_class_of_views_with_a_dispatch_of_its_own(issuer: FakeIssuer) -> None:
    callers = CallerGuard(guard_for(issuer))

    class Helper(View):
        @callers.allow(ANA)
        def get(self) -> None: ...

        def dispatch_request(self) -> str:
            return show()

    app = flask_app()
    callers.init_app(app)
    app.add_url_rule("/x", view_func=Helper.as_view("x"))
    assert table(app) == {"GET /x": [LOGIN, ANA]}
    check_by_asking(app, issuer, client(app))


class Shortly:
    """An application of Werkzeug's tutorial."""

    url_map = Map()

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


def test_a_map_of_urls_makes_no_flask(issuer: FakeIssuer) -> None:
    assert table(CallerMiddleware(Shortly(), guard=guard_for(issuer))) == {"/**": [LOGIN, ANA]}
