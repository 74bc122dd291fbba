"""Flask: one extension for application, views and blueprints; a list without its Guard is an error, never a pass."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, g, redirect, request, send_file, stream_with_context
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask.views import MethodView
from flask_cors import CORS
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse, create_environ, run_wsgi_app

from callerid import Caller, Forbidden, Guard, NoRequestError, Refused, Route, current_caller, google
from callerid.wsgi import CallerMiddleware
from callerid_adapters.flask import CallerGuard
from tests.adapters.support import OTHER, SERVERLESS, Headers, bearing, check_prefetch, guard_for
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, FakeIssuer, complains, named

PUBLIC = Route("/public/**", callers=["allUsers"])
PREFLIGHTS = Route("/**", methods=["OPTIONS"], callers=["allUsers"])


def name(caller: Caller | None) -> str:
    return caller.member if caller else "nobody"


def who() -> str:
    """A view: the caller in both places."""
    return " ".join((name(g.caller), name(current_caller())))


def fail() -> str:
    raise KeyError


def flask_app(**views: Callable[..., Any]) -> Flask:
    """An application with these views at `/NAME` and `/public/NAME`."""
    app = Flask(__name__, static_folder=str(Path(__file__).parent))
    for path, view in views.items():
        app.add_url_rule(f"/{path}", path, view)
        app.add_url_rule(f"/public/{path}", f"public-{path}", view)
    return app


def guarded(guard: Guard, **views: Callable[..., Any]) -> FlaskClient:
    """A client of an application behind a Guard."""
    app = flask_app(**views)
    CallerGuard(guard).init_app(app)
    return app.test_client()


def nobody_is_left() -> bool:
    with pytest.raises(NoRequestError):
        current_caller()
    return True


def get(client: Client, path: str, headers: Headers | None = None, *, method: str = "GET") -> TestResponse:
    """Ask, and close the response, as servers do."""
    return client.open(path, headers=headers, method=method, buffered=True)


class TestTheWholeApplication:
    def test_a_view_finds_its_caller(self, issuer: FakeIssuer) -> None:
        client = guarded(guard_for(issuer), who=who)
        assert get(client, "/who", bearing(issuer, LOGIN)).text == f"{LOGIN} {LOGIN}"
        assert nobody_is_left()

    @pytest.mark.parametrize("member", [None, "junk", LOGIN])
    def test_nobody_is_looked_for_on_a_public_route(self, issuer: FakeIssuer, member: str | None) -> None:
        client = guarded(guard_for(issuer, routes=[PUBLIC]), who=who)
        assert get(client, "/public/who", bearing(issuer, member)).text == "nobody nobody"

    @pytest.mark.parametrize("path", ["/who", "/nowhere", "/static/test_flask.py", "/who/"])
    @pytest.mark.parametrize(
        ("member", "status", "reason"), [(None, 401, "missing_credentials"), (STRANGER, 403, "caller_not_allowed")]
    )
    def test_refuses_before_it_says_what_there_is(
        self, issuer: FakeIssuer, path: str, member: str | None, status: int, reason: str
    ) -> None:
        answer = get(guarded(guard_for(issuer), who=who), path, bearing(issuer, member))
        assert (answer.status_code, answer.get_json(force=True)["reason"]) == (status, reason)
        assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/problem+json", "no-store")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert not any(secret in answer.text for secret in ("shop", "mallory", "eyJ", AUDIENCE))

    def test_runs_nothing_of_the_application_first(self, issuer: FakeIssuer) -> None:
        app = flask_app(who=who)
        app.before_request(lambda: "answered by a function that was there before")
        CallerGuard(guard_for(issuer)).init_app(app)
        client = app.test_client()
        assert get(client, "/who").status_code == 401
        assert get(client, "/who", bearing(issuer, LOGIN)).text.startswith("answered")

    def test_a_head_refusal_has_no_body(self, issuer: FakeIssuer) -> None:
        answer = get(guarded(guard_for(issuer), who=who), "/who", method="HEAD")
        assert (answer.status_code, answer.data) == (401, b"")

    @pytest.mark.parametrize(
        ("path", "member", "header", "expected"),
        named(
            ("in Authorization", "/who", LOGIN, "Authorization", None),
            ("in X-Serverless-Authorization", "/who", LOGIN, SERVERLESS, "private"),
            ("where the view says something", "/cached", LOGIN, SERVERLESS, "max-age=5"),
            ("on a public route", "/public/who", LOGIN, SERVERLESS, None),
            ("for a view that asked on a public route", "/public/asking", LOGIN, SERVERLESS, "private"),
            ("in a refusal", "/who", STRANGER, SERVERLESS, "no-store"),
        ),
    )
    def test_tells_shared_caches_of_a_token(
        self, issuer: FakeIssuer, path: str, member: str, header: str, expected: str | None
    ) -> None:
        callers = CallerGuard(guard_for(issuer, routes=[PUBLIC]))
        app = flask_app(who=who, asking=callers.allow(LOGIN)(who), cached=lambda: ("", 200, {"Cache-Control": "max-age=5"}))
        callers.init_app(app)
        assert get(app.test_client(), path, bearing(issuer, member, header)).headers.get("Cache-Control") == expected


def test_tells_shared_caches_of_a_token_that_another_guards_list_has_found(issuer: FakeIssuer) -> None:
    lists = CallerGuard(guard_for(issuer))
    app = flask_app(asking=lists.allow(LOGIN)(who))
    CallerGuard(guard_for(issuer, routes=[PUBLIC], headers=["Authorization"]), app=app)
    response = get(app.test_client(), "/public/asking", bearing(issuer, LOGIN, SERVERLESS))
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "private")


def test_an_application_that_a_view_calls_with_its_own_environment_is_a_request_of_its_own(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer)
    inner = guarded(guard, who=who)

    def call() -> str:
        shared = run_wsgi_app(inner.application.wsgi_app, request.environ, buffered=True)
        return f"{shared[1]}, {who()}"

    response = get(guarded(guard, call=call), "/call", bearing(issuer, LOGIN, SERVERLESS))
    assert response.text == f"404 NOT FOUND, {LOGIN} {LOGIN}"
    assert response.headers["Cache-Control"] == "private"
    assert nobody_is_left()


# The Guard admits LOGIN and ANA, the view's list LOGIN and SEARCH.
LISTED = named(
    ("anonymous", None, 401),
    ("a bad token", "junk", 401),
    ("on both lists", LOGIN, 200),
    ("on the Guard's only", ANA, 403),
    ("on the view's only: a list never widens", SEARCH, 403),
    ("on none", STRANGER, 403),
)
Layout = Callable[[CallerGuard, Guard, Flask], Any]


def alone(callers: CallerGuard, another: Guard, app: Flask) -> Any:
    return app


def initialised(callers: CallerGuard, another: Guard, app: Flask) -> Any:
    callers.init_app(app)
    return app


def under_another_extension(callers: CallerGuard, another: Guard, app: Flask) -> Any:
    CallerGuard(another, app=app)
    return app


def behind_another_guards_middleware(callers: CallerGuard, another: Guard, app: Flask) -> Any:
    return CallerMiddleware(app, guard=another)


def mounted_behind_another(callers: CallerGuard, another: Guard, app: Flask) -> Any:
    callers.init_app(app)
    outer = Flask("outer")
    CallerGuard(another, app=outer)
    return CallerMiddleware(DispatcherMiddleware(outer, {"/sub": app}), guard=another)


LAYOUTS = [alone, initialised, under_another_extension, behind_another_guards_middleware, mounted_behind_another]


@pytest.mark.parametrize("layout", LAYOUTS)
class TestAListIsBoundToItsOwnGuard:
    @pytest.mark.parametrize(("member", "status"), LISTED)
    def test_on_a_private_route(self, issuer: FakeIssuer, layout: Layout, member: str | None, status: int) -> None:
        assert self._ask(issuer, layout, "/listed", member) == (status, LOGIN if status == 200 else None)

    @pytest.mark.parametrize(("member", "status"), [case for case in LISTED if SEARCH not in case.values])
    def test_on_a_public_route(self, issuer: FakeIssuer, layout: Layout, member: str | None, status: int) -> None:
        assert self._ask(issuer, layout, "/public/listed", member) == (status, LOGIN if status == 200 else None)

    @pytest.mark.parametrize(
        ("path", "member", "status", "found"),
        named(
            ("anonymous on a public route", "/public/listed", None, 200, "nobody"),
            ("a bad token", "/public/listed", "junk", 401, None),
            ("a caller", "/public/listed", LOGIN, 200, LOGIN),
            ("a stranger", "/public/listed", STRANGER, 403, None),
            ("anonymous elsewhere", "/listed", None, 401, None),
        ),
    )
    def test_optional(
        self, issuer: FakeIssuer, layout: Layout, path: str, member: str | None, status: int, found: str | None
    ) -> None:
        assert self._ask(issuer, layout, path, member, optional=True) == (status, found)

    @staticmethod
    def _ask(issuer: FakeIssuer, layout: Layout, path: str, member: str | None, **options: Any) -> tuple[int, str | None]:
        """What matters is the caller in `Authorization`. Another Guard knows a caller of its own, who may do all in its eyes."""
        callers = CallerGuard(guard_for(issuer, routes=[PUBLIC]))
        another = guard_for(issuer, callers=["allAuthenticatedUsers"], headers=[OTHER])
        app = layout(callers, another, flask_app(listed=callers.allow(LOGIN, SEARCH, **options)(lambda: name(g.caller))))
        prefix = "/sub" if layout is mounted_behind_another else ""
        answer = get(Client(app), prefix + path, bearing(issuer, member) | bearing(issuer, LOGIN, OTHER))
        assert nobody_is_left()
        return answer.status_code, answer.text if answer.status_code == 200 else None


class TestAListWithoutAGuard:
    def test_is_an_error_and_never_passes(self, issuer: FakeIssuer) -> None:
        app = flask_app(listed=CallerGuard().allow(LOGIN)(who))
        with complains("no Guard", "init_app"):
            get(self._raising(app), "/listed", bearing(issuer, LOGIN))

    def test_is_an_error_in_an_application_that_has_another_extension(self, issuer: FakeIssuer) -> None:
        callers = CallerGuard()
        callers.init_app(Flask("elsewhere"), guard_for(issuer))
        app = flask_app(listed=callers.allow(LOGIN)(who))
        CallerGuard(guard_for(issuer), app=app)
        with complains("no Guard", "init_app"):
            get(self._raising(app), "/listed", bearing(issuer, LOGIN))

    @staticmethod
    def _raising(app: Flask) -> FlaskClient:
        app.testing = True
        return app.test_client()


class TestMistakesAtStart:
    def test_two_extensions_on_one_application(self, issuer: FakeIssuer) -> None:
        app = Flask(__name__)
        CallerGuard(guard_for(issuer), app=app)
        with complains("has a callerid Guard already"):
            CallerGuard(guard_for(issuer), app=app)

    def test_the_application_in_the_guards_place(self) -> None:
        with complains("guard: <Flask", "is no Guard", "app=app"):
            CallerGuard(Flask(__name__))  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("configured", "words"),
        named(
            ("nothing", None, ["no Guard", 'app.config["CALLERID"]']),
            ("no mapping", "yes", ['app.config["CALLERID"]', "neither a Guard nor a mapping"]),
            ("a typo", {"AUDIENCE": AUDIENCE, "CALLER": [LOGIN]}, ['app.config["CALLERID"]', "did you mean 'callers'"]),
        ),
    )
    def test_a_configuration_that_cannot_be_meant(self, configured: Any, words: list[str]) -> None:
        app = Flask(__name__)
        app.config["CALLERID"] = configured
        with complains(*words):
            CallerGuard(app=app)

    @pytest.mark.parametrize("early", [True, False], ids=["when the list is made", "in init_app"])
    @pytest.mark.parametrize("members", [[], ["serviceAcount:a@b.c"], ["allUsers"]], ids=["empty", "typo", "everyone"])
    def test_a_list_that_cannot_be_meant(self, issuer: FakeIssuer, members: list[str], early: bool) -> None:
        callers = CallerGuard(guard_for(issuer) if early else None)
        with complains("a handler's callers"):
            callers.allow(*members)
            callers.init_app(Flask(__name__), guard_for(issuer))

    def test_a_text_for_a_list(self, issuer: FakeIssuer) -> None:
        with complains("brackets"):
            CallerGuard(guard_for(issuer)).protect(Blueprint("admin", __name__), LOGIN)

    def test_a_blueprint_that_is_registered_already(self, issuer: FakeIssuer) -> None:
        blueprint = Blueprint("admin", __name__)
        flask_app().register_blueprint(blueprint)
        with complains("'admin' is registered already"):
            CallerGuard(guard_for(issuer)).protect(blueprint, [LOGIN])


class TestViewsOfEveryKind:
    @pytest.mark.parametrize("kind", ["function", "coroutine", "class", "method", "async method"])
    def test_take_a_list(self, issuer: FakeIssuer, kind: str) -> None:
        callers = CallerGuard(guard_for(issuer))
        allow = callers.allow(ANA)

        async def coroutine() -> str:
            return who()

        class Decorated(MethodView):
            decorators = [allow]  # noqa: RUF012  (as Flask's documentation has it)

            def get(self) -> str:
                return who()

        class Method(MethodView):
            @allow
            def get(self) -> str:
                return who()

        class AsyncMethod(MethodView):
            @allow
            async def get(self) -> str:
                return who()

        views: dict[str, Callable[..., Any]] = {
            "function": allow(who),
            "coroutine": allow(coroutine),
            "class": Decorated.as_view("class"),
            "method": Method.as_view("method"),
            "async method": AsyncMethod.as_view("async"),
        }
        app = flask_app(view=views[kind])
        callers.init_app(app)
        client = app.test_client()
        assert get(client, "/view", bearing(issuer, ANA)).text == f"{ANA} {ANA}"
        assert get(client, "/view", bearing(issuer, LOGIN)).status_code == 403

    def test_keep_their_name(self, issuer: FakeIssuer) -> None:
        assert CallerGuard(guard_for(issuer)).allow(LOGIN)(who).__name__ == "who"

    @pytest.mark.parametrize("path", ["/outer/x", "/outer/inner/x"])
    def test_in_blueprints_are_protected_with_those_inside(self, issuer: FakeIssuer, path: str) -> None:
        client = self._blueprints(issuer, outer=[ANA])
        assert [get(client, path, bearing(issuer, member)).status_code for member in (None, LOGIN, ANA)] == [401, 403, 200]
        assert get(client, "/who", bearing(issuer, LOGIN)).status_code == 200

    def test_in_an_inner_blueprint_are_protected_alone(self, issuer: FakeIssuer) -> None:
        client = self._blueprints(issuer, inner=[ANA])
        assert [get(client, path, bearing(issuer, LOGIN)).status_code for path in ("/outer/x", "/outer/inner/x")] == [200, 403]

    def test_optional_in_a_public_blueprint(self, issuer: FakeIssuer) -> None:
        callers = CallerGuard(guard_for(issuer, routes=[PUBLIC]))
        blueprint = Blueprint("public", __name__, url_prefix="/public")
        callers.protect(blueprint, [ANA], optional=True)
        blueprint.add_url_rule("/x", view_func=who)
        app = flask_app()
        callers.init_app(app)
        app.register_blueprint(blueprint)
        answers = [get(app.test_client(), "/public/x", bearing(issuer, member)) for member in (None, ANA, LOGIN)]
        assert [answer.status_code for answer in answers] == [200, 200, 403]
        assert answers[1].text == f"{ANA} {ANA}"

    def test_in_a_blueprint_are_protected_before_its_own_functions_run(self, issuer: FakeIssuer) -> None:
        callers = CallerGuard(guard_for(issuer))
        blueprint = Blueprint("admin", __name__)
        blueprint.before_request(lambda: "answered by a function that was there before")
        callers.protect(blueprint, [ANA])
        blueprint.add_url_rule("/x", view_func=who)
        app = flask_app()
        callers.init_app(app)
        app.register_blueprint(blueprint)
        assert [get(app.test_client(), "/x", bearing(issuer, who)).status_code for who in (LOGIN, ANA)] == [403, 200]

    @staticmethod
    def _blueprints(issuer: FakeIssuer, **lists: list[str]) -> FlaskClient:
        callers = CallerGuard(guard_for(issuer))
        outer, inner = (Blueprint(each, __name__, url_prefix=f"/{each}") for each in ("outer", "inner"))
        for blueprint in (outer, inner):
            if blueprint.name in lists:
                callers.protect(blueprint, lists[blueprint.name])
            blueprint.add_url_rule("/x", view_func=who)
        outer.register_blueprint(inner)
        app = flask_app(who=who)
        callers.init_app(app)
        app.register_blueprint(outer)
        return app.test_client()


class TestErrorHandlers:
    @pytest.mark.parametrize(
        ("exception", "reasons"),
        [(Refused, ["missing_credentials", "caller_not_allowed"]), (Forbidden, [None, "caller_not_allowed"])],
    )
    @pytest.mark.parametrize("before", [True, False], ids=["registered before", "registered after"])
    def test_of_the_application_answer(
        self, issuer: FakeIssuer, exception: type[Refused], reasons: list[str | None], before: bool
    ) -> None:
        def own(refused: Refused) -> ResponseReturnValue:
            return {"mine": refused.reason}, refused.status, {"WWW-Authenticate": refused.challenge or ""}

        app = flask_app(who=who)
        if before:
            app.register_error_handler(exception, own)
        CallerGuard(guard_for(issuer), app=app)
        if not before:
            app.register_error_handler(exception, own)
        answers = [get(app.test_client(), "/who", bearing(issuer, member)) for member in (None, STRANGER)]
        assert [answer.status_code for answer in answers] == [401, 403]
        assert [answer.get_json(force=True).get("mine") for answer in answers] == reasons

    def test_for_everything_do_not_take_refusals(self, issuer: FakeIssuer) -> None:
        app = flask_app(who=who)
        app.register_error_handler(Exception, lambda error: ("all is well", 200))
        CallerGuard(guard_for(issuer), app=app)
        assert get(app.test_client(), "/who").status_code == 401

    def test_get_what_a_view_raises_and_know_the_caller(self, issuer: FakeIssuer) -> None:
        app = flask_app(fails=fail)
        app.register_error_handler(KeyError, lambda error: who())
        CallerGuard(guard_for(issuer), app=app)
        assert get(app.test_client(), "/fails", bearing(issuer, LOGIN)).text == f"{LOGIN} {LOGIN}"
        assert nobody_is_left()


def streaming() -> Response:
    def body() -> Iterator[str]:
        yield name(current_caller())

    return Response(body())


def streaming_with_context() -> Response:
    def body() -> Iterator[str]:
        yield f"{name(current_caller())} {name(g.caller)} {request.path}"

    return Response(stream_with_context(body()))


def failing_stream() -> Response:
    def body() -> Iterator[str]:
        yield "so far"
        raise KeyError

    return Response(body())


class TestTheCallerIsGoneAfterwards:
    @pytest.mark.parametrize(
        ("view", "text"),
        named(
            ("a text", who, f"{LOGIN} {LOGIN}"),
            ("a stream", streaming, LOGIN),
            ("a stream with its context", streaming_with_context, f"{LOGIN} {LOGIN} /view"),
            ("a file, which Werkzeug does not close", lambda: send_file(__file__), Path(__file__).read_text()),
            ("no content", lambda: ("", 204), ""),
            ("a redirect", lambda: redirect("/elsewhere"), None),
            ("an HTTP exception", lambda: NotFound().get_response(), None),
        ),
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_after(self, issuer: FakeIssuer, view: Callable[..., Any], text: str | None, method: str) -> None:
        answer = get(guarded(guard_for(issuer), view=view), "/view", bearing(issuer, LOGIN), method=method)
        assert text is None or answer.text == (text if method == "GET" else "")
        assert nobody_is_left()

    @pytest.mark.parametrize("testing", [True, False])
    def test_after_an_exception_in_a_view(self, issuer: FakeIssuer, testing: bool) -> None:
        app = flask_app(fails=fail)
        app.config["PROPAGATE_EXCEPTIONS"] = testing
        CallerGuard(guard_for(issuer), app=app)
        with pytest.raises(KeyError) if testing else nullcontext():
            assert get(app.test_client(), "/fails", bearing(issuer, LOGIN)).status_code == 500
        assert nobody_is_left()

    @pytest.mark.parametrize("view", [who, streaming, streaming_with_context])
    def test_after_a_response_that_nobody_gets(self, issuer: FakeIssuer, view: Callable[..., Any]) -> None:
        app = flask_app(view=view)
        CallerGuard(guard_for(issuer), app=app)

        def refuse_headers(*_: Any) -> Any:
            raise ValueError("a header that the server does not take")

        with pytest.raises(ValueError, match="a header"):
            app(create_environ("/view", headers=bearing(issuer, LOGIN)), refuse_headers)
        assert nobody_is_left()

    def test_after_an_exception_in_a_stream(self, issuer: FakeIssuer) -> None:
        with pytest.raises(KeyError):
            get(guarded(guard_for(issuer), view=failing_stream), "/view", bearing(issuer, LOGIN))
        assert nobody_is_left()

    def test_between_requests_in_one_application_context(self, issuer: FakeIssuer) -> None:
        client = guarded(guard_for(issuer), who=who)
        with client.application.app_context():
            get(client, "/who", bearing(issuer, LOGIN))
            assert "caller" not in g
            get(client, "/who", bearing(issuer, STRANGER))
            assert "caller" not in g


class TestTheExtension:
    @pytest.mark.parametrize("configured", [False, True], ids=["given a guard", "configured"])
    def test_fetches_keys_before_the_first_request(self, configured: bool) -> None:
        def begin(guard: Guard) -> None:
            app = Flask(__name__)
            app.config["CALLERID"] = guard
            CallerGuard(None if configured else guard).init_app(app)

        check_prefetch(begin)

    def test_serves_several_applications_each_with_its_own_guard(self, issuer: FakeIssuer) -> None:
        callers = CallerGuard()
        view = callers.allow(LOGIN, ANA)(who)

        def create_app(member: str) -> FlaskClient:
            app = flask_app(view=view)
            app.config["CALLERID"] = {"AUDIENCE": AUDIENCE, "CALLERS": [member], "ISSUERS": [google(keys=issuer.jwks())]}
            callers.init_app(app)
            return app.test_client()

        clients = [create_app(member) for member in (LOGIN, ANA)]
        answers = [[get(client, "/view", bearing(issuer, member)).status_code for member in (LOGIN, ANA)] for client in clients]
        assert answers == [[200, 403], [403, 200]]

    def test_takes_a_guard_from_the_configuration(self, issuer: FakeIssuer) -> None:
        app = flask_app(who=who)
        app.config["CALLERID"] = guard_for(issuer)
        CallerGuard().init_app(app)
        assert get(app.test_client(), "/who", bearing(issuer, LOGIN)).status_code == 200

    def test_works_in_a_request_context_without_a_server(self, issuer: FakeIssuer) -> None:
        app = guarded(guard_for(issuer), who=who).application
        with app.test_request_context("/who", headers=bearing(issuer, LOGIN)):
            assert app.preprocess_request() is None
            assert who() == f"{LOGIN} {LOGIN}"
        assert nobody_is_left()
        with app.test_request_context("/who"), pytest.raises(Refused):
            app.preprocess_request()

    def test_matches_the_path_that_flask_matches(self, issuer: FakeIssuer) -> None:
        """The rule is on `/view`, for ANA alone."""
        app = flask_app(view=who)
        CallerGuard(guard_for(issuer, routes=[Route("/view", callers=[ANA])]), app=app)
        mounted = Client(DispatcherMiddleware(NotFound(), {"/sub": app}))
        paths = ["/sub/view", "/sub/%76iew", "/sub/view/", "/sub//view", "/sub/x/../view", "/sub/view;x"]
        answers = [get(mounted, path, bearing(issuer, LOGIN), method=method) for path in paths for method in ("GET", "HEAD", "get")]
        assert {answer.status_code for answer in answers} == {400, 403}
        assert get(mounted, "/sub/view", bearing(issuer, ANA)).status_code == 200


def test_cors_beside_it_answers_preflights_and_makes_refusals_readable(issuer: FakeIssuer) -> None:
    callers = CallerGuard(guard_for(issuer, routes=[PREFLIGHTS]))
    app = flask_app(who=callers.allow(LOGIN)(who))
    CORS(app, origins=["https://shop.example"], allow_headers=["Authorization"])
    callers.init_app(app)
    origin = {"Origin": "https://shop.example"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    client = app.test_client()
    preflight = get(client, "/who", origin | asked, method="OPTIONS")
    refused = get(client, "/who", origin)
    passed = get(client, "/who", origin | bearing(issuer, LOGIN))
    assert [answer.status_code for answer in (preflight, refused, passed)] == [200, 401, 200]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (preflight, refused, passed)} == {"https://shop.example"}
    assert preflight.headers["Access-Control-Allow-Headers"].lower() == "authorization"
