"""The WSGI middleware: what it hands over, what it refuses, and that it keeps to PEP 3333."""

import contextvars
import io
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import httpx
import pytest
from fastapi import FastAPI
from gunicorn.http.wsgi import FileWrapper as GunicornFileWrapper  # type: ignore[import-untyped]
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from callerid import NoRequestError, Route, current_caller
from callerid.wsgi import CallerMiddleware
from tests.adapters.support import OTHER, SERVERLESS, Headers, bearing, check_prefetch, guard_for
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, complains, named

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNTOUCHABLE: Any = None  # an application that is called fails the test
PUBLIC = Route("/public", callers=["allUsers"])


class Answer:
    """What a server gets from an application: it calls, iterates and closes as PEP 3333 has it."""

    def __init__(self, app: Any, path: str = "/", headers: Headers | None = None, method: str = "GET", **more: Any) -> None:
        self.environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""} | more
        setup_testing_defaults(self.environ)
        for name, value in (headers or {}).items():
            self.environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        self.status = ""
        self.headers = httpx.Headers()
        self.written = b""
        body = app(self.environ, self._start)
        try:
            self.items = list(body)
        finally:
            if hasattr(body, "close"):
                body.close()
        self.body = self.written + b"".join(self.items)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        assert exc_info is not None or not self.status  # only an error may start a response anew
        self.status, self.headers = status, httpx.Headers(headers)
        return self._write

    def _write(self, data: bytes) -> None:
        self.written += data


def show(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    """Both places where a caller is found."""
    found = environ["callerid.caller"], current_caller()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([caller.member if caller else None for caller in found]).encode()]


def nobody_is_left() -> bool:
    with pytest.raises(NoRequestError):
        current_caller()
    return True


class TestHandsOver:
    @pytest.mark.parametrize(
        ("path", "member", "expected"), [("/", LOGIN, LOGIN), ("/public", LOGIN, None), ("/public", "junk", None)]
    )
    def test_a_caller_where_wsgi_looks(self, issuer: FakeIssuer, path: str, member: str, expected: str | None) -> None:
        app = validator(CallerMiddleware(validator(show), guard=guard_for(issuer, routes=[PUBLIC])))
        answer = Answer(app, path, bearing(issuer, member))
        assert json.loads(answer.body) == [expected, expected]
        assert nobody_is_left()

    def test_the_inner_guards_caller_to_a_mounted_application(self, issuer: FakeIssuer) -> None:
        inner = CallerMiddleware(show, guard=guard_for(issuer, callers=[ANA], headers=[OTHER]))
        app = CallerMiddleware(DispatcherMiddleware(show, {"/inner": inner}), guard=guard_for(issuer))
        both = bearing(issuer, LOGIN) | bearing(issuer, ANA, OTHER)
        assert [json.loads(Answer(app, path, both).body) for path in ("/inner", "/")] == [[ANA, ANA], [LOGIN, LOGIN]]
        assert Answer(app, "/inner", bearing(issuer, LOGIN)).status == "401 Unauthorized"


class TestRefuses:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "BREW"])
    @pytest.mark.parametrize(
        ("member", "status", "reason", "challenge"),
        named(
            ("anonymous", None, "401 Unauthorized", "missing_credentials", "Bearer"),
            ("a bad token", "junk", "401 Unauthorized", "malformed_token", 'Bearer error="invalid_token"'),
            ("a stranger", STRANGER, "403 Forbidden", "caller_not_allowed", 'Bearer error="insufficient_scope"'),
        ),
    )
    def test_before_the_application_runs(
        self, issuer: FakeIssuer, method: str, member: str | None, status: str, reason: str, challenge: str
    ) -> None:
        app = CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer))
        answer = Answer(app if method == "BREW" else validator(app), headers=bearing(issuer, member), method=method)
        assert (answer.status, answer.headers["www-authenticate"]) == (status, challenge)
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/problem+json", "no-store")
        assert bool(answer.body) == (method != "HEAD")
        assert not answer.body or json.loads(answer.body)["reason"] == reason
        assert not answer.body or answer.headers["content-length"] == str(len(answer.body))
        told = answer.body.decode() + str(answer.headers)
        assert not any(secret in told for secret in ("mallory", "shop", "junk", "eyJ", AUDIENCE))

    def test_lines_that_the_server_has_joined(self, issuer: FakeIssuer) -> None:
        token = issuer.token(LOGIN, AUDIENCE)
        answer = Answer(
            CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer)), headers={"Authorization": f"Bearer {token},Bearer x"}
        )
        assert (answer.status, answer.headers["www-authenticate"]) == ("400 Bad Request", 'Bearer error="invalid_request"')

    def test_with_an_item_even_if_there_is_nothing_to_say(self, issuer: FakeIssuer) -> None:
        answer = Answer(CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer)), method="HEAD")
        assert answer.items == [b""]  # for none hypercorn answers 500 (pgjones/hypercorn#331)

    def test_to_be_put_around_what_is_no_wsgi_application(self, issuer: FakeIssuer) -> None:
        async def function(scope: object, receive: object, send: object) -> None: ...

        for app in (function, FastAPI()):
            with complains("it is an ASGI application", "callerid.asgi"):
                CallerMiddleware(app, guard=guard_for(issuer))  # type: ignore[arg-type]

    def test_to_be_built_without_a_guard(self) -> None:
        with complains("guard: None is no Guard"):
            CallerMiddleware(UNTOUCHABLE, guard=None)  # type: ignore[arg-type]


PATHS = named(
    ("the rule's path", {"PATH_INFO": "/admin"}, 403),
    ("a slash more", {"PATH_INFO": "/admin/"}, 403),
    ("under a SCRIPT_NAME", {"SCRIPT_NAME": "/api", "PATH_INFO": "/admin"}, 403),
    ("another", {"PATH_INFO": "/api/admin"}, 200),
    ("empty, which is the root", {"SCRIPT_NAME": "/admin", "PATH_INFO": ""}, 200),
    ("UTF-8", {"PATH_INFO": "/caf\xc3\xa9"}, 200),
    ("its rule in UTF-8", {"PATH_INFO": "/gar\xc3\xa7on"}, 403),
    ("not UTF-8", {"PATH_INFO": "/adm\xffin"}, 400),
    ("not bytes at all", {"PATH_INFO": "/\u20ac"}, 400),
    ("without a slash before it", {"PATH_INFO": "admin"}, 400),
    ("an empty segment", {"PATH_INFO": "//admin"}, 400),
    ("an encoded slash in RAW_URI", {"PATH_INFO": "/x/admin", "RAW_URI": "/x%2Fadmin"}, 400),
    ("an encoded slash in REQUEST_URI", {"PATH_INFO": "/x/admin", "REQUEST_URI": "/x%2fadmin?y"}, 400),
    ("an encoded slash in the query", {"PATH_INFO": "/x", "RAW_URI": "/x?y=%2f"}, 200),
    ("an encoded dot segment", {"PATH_INFO": "/x", "RAW_URI": "/x/%2e"}, 400),
    ("an encoded letter", {"PATH_INFO": "/admin", "RAW_URI": "/%61dmin"}, 403),
)


class TestMatchesThePathThatTheRouterMatches:
    @pytest.mark.parametrize(("environ", "status"), PATHS)
    def test_spelled(self, issuer: FakeIssuer, environ: dict[str, str], status: int) -> None:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA]), Route("/garçon", callers=[ANA])])
        answer = Answer(CallerMiddleware(show, guard=guard), headers=bearing(issuer, LOGIN), **environ)
        assert answer.status.startswith(str(status))

    @pytest.mark.parametrize(("path", "status"), [("/inner/admin", 403), ("/inner", 200), ("/admin", 200)])
    def test_in_a_mounted_application(self, issuer: FakeIssuer, path: str, status: int) -> None:
        inner = CallerMiddleware(show, guard=guard_for(issuer, routes=[Route("/admin", callers=[ANA])]))
        app = CallerMiddleware(DispatcherMiddleware(show, {"/inner": inner}), guard=guard_for(issuer))
        assert Answer(app, path, bearing(issuer, LOGIN)).status.startswith(str(status))


class TestSharedCaches:
    @pytest.mark.parametrize(
        ("path", "header", "headers", "expected"),
        named(
            ("in Authorization", "/", "Authorization", [], None),
            ("in X-Serverless-Authorization", "/", SERVERLESS, [], "private"),
            ("where the application says something", "/", SERVERLESS, [("cache-control", "max-age=5")], "max-age=5"),
            ("on a public route", "/public", SERVERLESS, [], None),
        ),
    )
    @pytest.mark.parametrize("failing", [False, True], ids=["", "after an error"])
    def test_are_told_of_a_token(
        self, issuer: FakeIssuer, path: str, header: str, headers: list[tuple[str, str]], expected: str | None, failing: bool
    ) -> None:
        def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
            write = start_response("200 OK", headers)
            if failing:
                try:
                    raise KeyError
                except KeyError:
                    write = start_response("500 Oh", headers, sys.exc_info())
            write(b"written, ")
            return [b"returned"]

        answer = Answer(CallerMiddleware(app, guard=guard_for(issuer, routes=[PUBLIC])), path, bearing(issuer, LOGIN, header))
        assert (answer.status, answer.body) == ("500 Oh" if failing else "200 OK", b"written, returned")
        assert answer.headers.get("cache-control") == expected


class Body:
    """A response that counts how often it is closed, and may fail."""

    def __init__(self, *, fails: bool = False, fails_to_close: bool = False) -> None:
        self.fails, self.fails_to_close = fails, fails_to_close
        self.closed = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Body":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        yield str(current_caller()).encode()
        if self.fails:
            raise KeyError

    def close(self) -> None:
        assert current_caller() is not None
        self.closed += 1
        if self.fails_to_close:
            raise KeyError


def generator(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
    start_response("200 OK", [])
    yield str(current_caller()).encode()


def file_of(wrapper: Any) -> "WSGIApplication":
    """An application that leaves its file to the server's wrapper; one of them has `__getitem__` only."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        body: Iterable[bytes] = wrapper(io.BytesIO(str(current_caller()).encode()))
        return body

    return app


BODIES = named(
    ("a body", Body()),
    ("a generator", generator),
    ("a file for wsgiref", file_of(FileWrapper)),
    ("a file for gunicorn", file_of(GunicornFileWrapper)),
)
FAILURES = named(
    ("in the call", lambda environ, start_response: environ["no such name"]),
    ("underway", Body(fails=True)),
    ("in close", Body(fails_to_close=True)),
)


class TestTheResponse:
    @pytest.mark.parametrize("app", BODIES)
    def test_is_passed_on_and_the_caller_forgotten_at_its_end(self, issuer: FakeIssuer, app: Any) -> None:
        answer = Answer(CallerMiddleware(app, guard=guard_for(issuer)), headers=bearing(issuer, LOGIN))
        assert answer.body.decode() == f"Caller(member={LOGIN!r})"
        assert nobody_is_left()

    def test_is_closed_once(self, issuer: FakeIssuer) -> None:
        body = Body()
        Answer(validator(CallerMiddleware(body, guard=guard_for(issuer))), headers=bearing(issuer, LOGIN))
        assert body.closed == 1

    @pytest.mark.parametrize("app", FAILURES)
    def test_may_fail_and_the_caller_is_forgotten(self, issuer: FakeIssuer, app: Any) -> None:
        with pytest.raises(KeyError):
            Answer(CallerMiddleware(app, guard=guard_for(issuer)), headers=bearing(issuer, LOGIN))
        assert nobody_is_left()


def test_a_thread_finds_the_caller_in_its_context_and_nobody_after_the_request(issuer: FakeIssuer) -> None:
    contexts: list[contextvars.Context] = []

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        contexts.append(contextvars.copy_context())
        start_response("200 OK", [])
        with ThreadPoolExecutor(1) as pool:
            return [str(pool.submit(contexts[0].run, current_caller).result()).encode()]

    answer = Answer(CallerMiddleware(app, guard=guard_for(issuer)), headers=bearing(issuer, LOGIN))
    assert answer.body.decode() == f"Caller(member={LOGIN!r})"
    assert contexts[0].run(nobody_is_left)


def test_keys_are_fetched_before_the_first_request() -> None:
    check_prefetch(lambda guard: CallerMiddleware(UNTOUCHABLE, guard=guard))


def test_callers_are_never_mixed_up_on_a_real_server(issuer: FakeIssuer) -> None:
    app = CallerMiddleware(show, guard=guard_for(issuer, callers=["allAuthenticatedUsers"]))
    names = [f"serviceAccount:user-{number}@shop.iam.gserviceaccount.com" for number in range(50)]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: client.get("/", headers=bearing(issuer, name)).json(), names))
    server.shutdown()
    thread.join()
    server.server_close()
    assert answers == [[name, name] for name in names]
