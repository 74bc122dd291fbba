"""The ASGI middleware: what it hands over, what it refuses, and that nobody is taken for somebody else."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import granian.server.embed as granian
import httpx
import hypercorn.config
import hypercorn.trio
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from flask import Flask
from granian.constants import Interfaces
from sample_apps.demo.stage import free_port
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.routing import Route as StarletteRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from callerid import Caller, Guard, NoRequestError, Route, current_caller
from callerid.asgi import CallerMiddleware, Message, Receive, Scope, Send, asgi_request
from callerid.handler import HandlerCheck
from tests.adapters.support import OTHER, SERVERLESS, ask, bearing, check_prefetch, guard_for, uvicorn_serving, wait_until
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, Clock, FakeIssuer, complains, named

UNTOUCHABLE: Any = None  # an application that is called fails the test
PUBLIC = Route("/public/**", callers=["allUsers"])
REFUSAL_TABLE = named(
    ("anonymous", None, 401, "missing_credentials", "Bearer"),
    ("a bad token", "junk", 401, "malformed_token", 'Bearer error="invalid_token"'),
    ("a stranger", STRANGER, 403, "caller_not_allowed", 'Bearer error="insufficient_scope"'),
)


def member(caller: Caller | None) -> str | None:
    return caller.member if caller else None


def show(request: Request) -> JSONResponse:
    """All the places where a caller is found."""
    caller = current_caller()
    return JSONResponse(
        {
            "current": member(caller),
            "scope": request.scope["callerid.caller"] == caller,
            "state": request.state.caller == caller,
            "user": request.user.identity,
            "name": request.user.display_name,
            "authenticated": request.user.is_authenticated,
            "scopes": list(request.auth.scopes),
        }
    )


def guarded(guard: Guard, *routes: Any, middleware: Iterable[Middleware] = (), **options: Any) -> Starlette:
    """A Starlette application behind a Guard, with other middleware inside."""
    return Starlette(routes=list(routes), middleware=[Middleware(CallerMiddleware, guard=guard), *middleware], **options)


def http_scope(path: str = "/", headers: dict[str, str] | None = None, **more: Any) -> Scope:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": "http", "method": "GET", "path": path, "headers": raw, **more}


def drive(app: Any, scope: Scope) -> list[Message]:
    """What the application sends, to the byte: clients tidy up."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, UNTOUCHABLE, send))
    return sent


class TestHandsOver:
    def test_a_caller_wherever_starlette_looks(self, issuer: FakeIssuer) -> None:
        app = guarded(guard_for(issuer), StarletteRoute("/", show))
        assert ask(app, headers=bearing(issuer, LOGIN)).json() == {
            "current": LOGIN,
            "scope": True,
            "state": True,
            "user": LOGIN,
            "name": LOGIN,
            "authenticated": True,
            "scopes": ["authenticated"],
        }

    @pytest.mark.parametrize("member", [None, "junk", STRANGER])
    def test_nobody_on_a_public_route(self, issuer: FakeIssuer, member: str | None) -> None:
        app = guarded(guard_for(issuer, routes=[PUBLIC]), StarletteRoute("/public/x", show))
        shown = ask(app, "/public/x", bearing(issuer, member)).json()
        assert (shown["current"], shown["state"], shown["user"], shown["scopes"]) == (None, True, "", [])

    def test_authenticated_to_requires(self, issuer: FakeIssuer) -> None:
        guard = guard_for(issuer, routes=[PUBLIC])
        view = requires("authenticated")(show)
        app = guarded(guard, StarletteRoute("/", view), StarletteRoute("/public/x", view))
        assert (ask(app, headers=bearing(issuer, LOGIN)).status_code, ask(app, "/public/x").status_code) == (200, 403)

    def test_a_user_that_somebody_has_set_stays(self, issuer: FakeIssuer) -> None:
        scope = http_scope(headers=bearing(issuer, LOGIN), user="theirs", auth="theirs")
        drive(CallerMiddleware(JSONResponse(None), guard=guard_for(issuer)), scope)
        assert (scope["user"], scope["auth"], scope["callerid.caller"].member) == ("theirs", "theirs", LOGIN)

    def test_the_inner_guards_caller_to_a_mounted_application(self, issuer: FakeIssuer) -> None:
        inner = guarded(guard_for(issuer, callers=[ANA], headers=[OTHER]), StarletteRoute("/", show))
        outer_saw: list[Caller | None] = []

        class After(BaseHTTPMiddleware):
            async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
                response = await call_next(request)
                outer_saw.append(current_caller())
                return response

        app = guarded(guard_for(issuer), Mount("/inner", inner), middleware=[Middleware(After)])
        both = bearing(issuer, LOGIN) | bearing(issuer, ANA, OTHER)
        shown = ask(app, "/inner/", both).json()
        assert (shown["current"], shown["state"], shown["user"]) == (ANA, True, ANA)
        assert [*map(member, outer_saw)] == [LOGIN]
        assert ask(app, "/inner/", bearing(issuer, LOGIN)).status_code == 401

    def test_lifespan_state_to_the_handler_and_no_caller_to_the_lifespan(self, issuer: FakeIssuer) -> None:
        state: dict[str, Any] = {"pool": "theirs"}
        scope = http_scope(headers=bearing(issuer, LOGIN), state=state.copy())  # the copy is the server's duty
        drive(CallerMiddleware(JSONResponse(None), guard=guard_for(issuer)), scope)
        assert (scope["state"]["pool"], scope["state"]["caller"].member, state) == ("theirs", LOGIN, {"pool": "theirs"})


class TestRefuses:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "head", "OPTIONS", "BREW"])
    @pytest.mark.parametrize(("member", "status", "reason", "challenge"), REFUSAL_TABLE)
    def test_before_the_application_runs(
        self, issuer: FakeIssuer, method: str, member: str | None, status: int, reason: str, challenge: str
    ) -> None:
        headers = bearing(issuer, member)
        start, body = drive(CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer)), http_scope(headers=headers, method=method))
        fields = dict(start["headers"])
        assert start["status"] == status
        assert fields[b"www-authenticate"].decode() == challenge
        assert (fields[b"content-type"], fields[b"cache-control"]) == (b"application/problem+json", b"no-store")
        assert bool(body["body"]) == (method != "HEAD")
        assert not body["body"] or json.loads(body["body"])["reason"] == reason
        told = str([start, body])
        assert not any(secret in told for secret in ("mallory", "shop", "junk", "eyJ", AUDIENCE))

    def test_a_content_length_that_is_true(self, issuer: FakeIssuer) -> None:
        start, body = drive(CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer)), http_scope())
        assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()

    def test_a_scope_type_that_it_does_not_know(self, issuer: FakeIssuer) -> None:
        with complains("'telepathy'", "cannot be judged"):
            drive(CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer)), {"type": "telepathy"})

    def test_to_be_put_around_what_sets_a_root_path_of_its_own(self, issuer: FakeIssuer) -> None:
        app = FastAPI()
        app.root_path = "/api"
        with complains("root_path", "app.add_middleware"):
            CallerMiddleware(app, guard=guard_for(issuer, routes=[Route("/admin", callers=[ANA])]))

    def test_to_be_put_around_what_is_no_asgi_application(self, issuer: FakeIssuer) -> None:
        with complains("it is a WSGI application", "callerid.wsgi"):
            CallerMiddleware(Flask(__name__), guard=guard_for(issuer))  # type: ignore[arg-type]

    def test_to_be_put_around_an_application_with_a_root_path_where_routes_may_yet_come(
        self, issuer: FakeIssuer, tmp_path: Path
    ) -> None:
        app = FastAPI()
        app.root_path = "/api"
        policy = tmp_path / "policy.toml"
        policy.write_text(f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n")
        with complains("root_path", "app.add_middleware"):
            CallerMiddleware(app, guard=Guard.from_file(policy, issuers=[issuer.google()]))
        CallerMiddleware(app, guard=Guard.from_file(policy, reload=False, issuers=[issuer.google()]))

    def test_to_be_built_without_a_guard(self) -> None:
        with complains("guard: None is no Guard"):
            CallerMiddleware(UNTOUCHABLE, guard=None)  # type: ignore[arg-type]


PREFIXED = named(
    ("no root_path", "", "/admin", 403),
    ("a slash more", "", "/admin/", 403),
    ("root_path in the path", "/api", "/api/admin", 403),
    ("root_path taken off by a proxy", "/api", "/admin", 403),
    ("root_path alone", "/api", "/api", 200),
    ("the rule's path under no root_path", "", "/api/admin", 200),
    ("root_path twice: only the first counts", "/api", "/api/api/admin", 200),
    ("off a segment boundary", "/api", "/apiadmin", 400),
    ("further in, where Litestar cuts", "/api", "/x/api/admin", 400),
    ("further in, where that changes no rule", "/api", "/users/api-keys", 200),
    ("a slash alone", "/", "/admin", 403),
    ("none, and no slash in the path", "api", "api/admin#", 400),
    ("what an old Starlette reads as any character", "/v1.0", "/v1x0/admin", 400),
    ("a full stop, in the path", "/v1.0", "/v1.0/admin", 403),
    ("a full stop, taken off by a proxy", "/v1.0", "/admin", 403),
    ("a pattern for an old Starlette", "/.{8}", "/.{8}/foo/admin", 400),
    ("further in, behind an empty segment", "/api", "//api/admin", 400),
    ("a final slash", "/api/", "/api/admin", 400),
)


class TestMatchesThePathThatTheRouterMatches:
    @pytest.mark.parametrize(("root_path", "path", "status"), PREFIXED)
    def test_under_a_root_path(self, issuer: FakeIssuer, root_path: str, path: str, status: int) -> None:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        scope = http_scope(path, bearing(issuer, LOGIN), root_path=root_path)
        start, _ = drive(CallerMiddleware(PlainTextResponse("passed"), guard=guard), scope)
        assert start["status"] == status

    @pytest.mark.parametrize(("path", "status"), [("/inner/admin", 403), ("/inner/", 200), ("/admin", 404)])
    def test_in_a_mounted_application(self, issuer: FakeIssuer, path: str, status: int) -> None:
        inner = guarded(
            guard_for(issuer, routes=[Route("/admin", callers=[ANA])]), StarletteRoute("/admin", show), StarletteRoute("/", show)
        )
        app = guarded(guard_for(issuer), Mount("/inner", inner))
        assert ask(app, path, bearing(issuer, LOGIN)).status_code == status

    def test_under_uvicorns_root_path(self, issuer: FakeIssuer) -> None:
        app = guarded(guard_for(issuer, routes=[Route("/admin", callers=[ANA])]), StarletteRoute("/admin", show))
        with uvicorn_serving(app, root_path="/api") as address:
            by_login, by_ana = (httpx.get(f"http://{address}/admin", headers=bearing(issuer, who)) for who in (LOGIN, ANA))
        assert (by_login.status_code, by_ana.status_code) == (403, 200)

    @pytest.mark.parametrize("raw_path", [b"/x%2Fadmin", b"/x/%2e%2e/admin", b"/x%5cadmin", b"/admin%ff"])
    def test_and_refuses_what_the_raw_path_hides(self, issuer: FakeIssuer, raw_path: bytes) -> None:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        scope = http_scope("/x", bearing(issuer, LOGIN), raw_path=raw_path)
        assert drive(CallerMiddleware(UNTOUCHABLE, guard=guard), scope)[0]["status"] == 400


CACHES = named(
    ("in Authorization", "Authorization", [], None),
    ("in X-Serverless-Authorization", SERVERLESS, [], "private"),
    ("in a header of another name", OTHER, [], "private"),
    ("where the application says something", SERVERLESS, [(b"Cache-Control", b"max-age=5")], "max-age=5"),
    ("where its headers are an iterator", SERVERLESS, ((b"x-n", b"%d" % n) for n in range(2)), "private"),
)


class TestSharedCaches:
    @pytest.mark.parametrize(("header", "headers", "expected"), CACHES)
    def test_are_told_of_a_token(
        self, issuer: FakeIssuer, header: str, headers: Iterable[tuple[bytes, bytes]], expected: str | None
    ) -> None:
        start = self._start(issuer, bearing(issuer, LOGIN, header), headers, "/")
        assert httpx.Headers(start["headers"]).get("cache-control") == expected

    def test_are_told_nothing_on_a_public_route(self, issuer: FakeIssuer) -> None:
        start = self._start(issuer, bearing(issuer, LOGIN, SERVERLESS), iter([(b"x-y", b"z")]), "/public/x")
        assert list(start["headers"]) == [(b"x-y", b"z")]

    @pytest.mark.parametrize("headers", [None, ["Authorization"]], ids=["", "where the middleware's looks at Authorization only"])
    def test_are_told_of_a_token_that_another_guards_check_has_found(self, issuer: FakeIssuer, headers: list[str] | None) -> None:
        check = HandlerCheck(guard_for(issuer))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await check.acall(asgi_request(scope))
            await send({"type": "http.response.start", "status": 200})

        scope = http_scope("/public/x", bearing(issuer, LOGIN, SERVERLESS))
        start = drive(CallerMiddleware(app, guard=guard_for(issuer, routes=[PUBLIC], headers=headers)), scope)[0]
        assert start["headers"] == [(b"cache-control", b"private")]

    @staticmethod
    def _start(issuer: FakeIssuer, request: dict[str, str], headers: Iterable[tuple[bytes, bytes]], path: str) -> Message:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body"})

        guard = guard_for(issuer, headers=[SERVERLESS, OTHER, "Authorization"], routes=[PUBLIC])
        return drive(CallerMiddleware(app, guard=guard), http_scope(path, request))[0]


class TestCurrentCaller:
    def test_in_tasks_threads_streams_and_background_tasks_and_gone_afterwards(self, issuer: FakeIssuer) -> None:
        seen: dict[str, str | None] = {}
        late: list[asyncio.Task[None]] = []

        def look(where: str) -> None:
            seen[where] = member(current_caller())

        async def look_soon(where: str) -> None:
            await asyncio.sleep(0)
            look(where)

        async def outlive() -> None:
            await over.wait()
            look("a task that outlives the request")

        async def stream() -> AsyncIterator[str]:
            await look_soon("stream")
            yield "streamed"

        async def view(request: Request) -> StreamingResponse:
            await asyncio.create_task(look_soon("task"))
            await run_in_threadpool(look, "thread pool")
            await asyncio.to_thread(look, "asyncio thread")
            late.append(asyncio.create_task(outlive()))
            return StreamingResponse(stream(), background=BackgroundTask(look_soon, "background task"))

        app = guarded(guard_for(issuer), StarletteRoute("/", view))
        over = asyncio.Event()

        async def main() -> dict[str, str | None]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
                assert (await client.get("http://x/", headers=bearing(issuer, LOGIN))).text == "streamed"
            with pytest.raises(NoRequestError):
                current_caller()
            over.set()
            with pytest.raises(NoRequestError):
                await late[0]
            return seen

        places = ("task", "thread pool", "asyncio thread", "stream", "background task")
        assert asyncio.run(main()) == dict.fromkeys(places, LOGIN)

    def test_is_gone_when_the_application_fails(self, issuer: FakeIssuer) -> None:
        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            raise KeyError(current_caller())

        async def main() -> None:
            scope = http_scope(headers=bearing(issuer, LOGIN))
            with pytest.raises(KeyError):
                await CallerMiddleware(failing, guard=guard_for(issuer))(scope, UNTOUCHABLE, UNTOUCHABLE)
            with pytest.raises(NoRequestError):
                current_caller()

        asyncio.run(main())

    @pytest.mark.parametrize("middleware", [[], [Middleware(BaseHTTPMiddleware, dispatch=lambda request, call: call(request))]])
    def test_is_never_another_requests(self, issuer: FakeIssuer, middleware: list[Middleware]) -> None:
        async def view(request: Request) -> JSONResponse:
            seen = []
            for _ in range(5):
                await asyncio.sleep(0)
                seen += [current_caller(), await run_in_threadpool(current_caller), request.state.caller, request.user.caller]
            return JSONResponse(sorted({caller.email for caller in seen}))

        app = guarded(guard_for(issuer, callers=["allAuthenticatedUsers"]), StarletteRoute("/", view), middleware=middleware)
        addresses = [f"user-{number}@shop.iam.gserviceaccount.com" for number in range(50)]

        async def main() -> list[Any]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
                answers = await asyncio.gather(*(client.get("/", headers=bearing(issuer, address)) for address in addresses))
                return [answer.json() for answer in answers]

        assert asyncio.run(main()) == [[address] for address in addresses]


class Peer:
    """The server's side of a WebSocket: what it tells the application, and what it hears."""

    def __init__(self, *events: str, fails_to_close: bool = False) -> None:
        self.events = ["connect", *events]
        self.sent: list[Message] = []
        self._fails_to_close = fails_to_close

    async def receive(self) -> Message:
        if not self.events:
            await anyio.sleep_forever()
        return {"type": f"websocket.{self.events.pop(0)}"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if self._fails_to_close and message["type"] == "websocket.close":
            raise ConnectionResetError

    @property
    def heard(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]


Step = Callable[[Receive, Send], Awaitable[None]]


def say(kind: str) -> Step:
    async def step(receive: Receive, send: Send) -> None:
        await send({"type": f"websocket.{kind}"})

    return step


async def listen(receive: Receive, send: Send) -> None:
    await receive()


async def take_turns(receive: Receive, send: Send) -> None:
    await anyio.lowlevel.checkpoint()


async def linger(receive: Receive, send: Send) -> None:
    await anyio.wait_all_tasks_blocked()


async def fail_to_speak(receive: Receive, send: Send) -> None:
    with pytest.raises(OSError, match="token has expired"):
        await send({"type": "websocket.send", "text": "still there?"})


ENDS = named(
    ("while the application listens", [say("accept"), listen], [], ["accept", "close"]),
    (
        "while it only speaks, which ends in the error of a closed socket",
        [say("accept"), linger, fail_to_speak],
        [],
        ["accept", "close"],
    ),
    ("and stays ended for one that listens again", [say("accept"), listen, listen], [], ["accept", "close"]),
    ("and the application closes it, too", [say("accept"), linger, say("close")], [], ["accept", "close"]),
    ("after the application has closed it", [say("accept"), say("close"), linger], [], ["accept", "close"]),
    ("after the peer has gone", [say("accept"), listen, linger], ["disconnect"], ["accept"]),
    ("before anything is accepted", [linger, say("close")], [], ["close"]),
    ("after the application has refused", [say("http.response.start"), linger], [], ["http.response.start"]),
)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
class TestWebSocketAtTheTokensEnd:
    @pytest.mark.parametrize(("steps", "events", "heard"), ENDS)
    def test_ends(self, issuer: FakeIssuer, backend: str, steps: list[Step], events: list[str], heard: list[str]) -> None:
        peer = self._converse(issuer, backend, steps, *events)
        assert peer.heard == heard

    def test_says_why(self, issuer: FakeIssuer, backend: str) -> None:
        closed = self._converse(issuer, backend, [say("accept"), listen]).sent[-1]
        assert closed == {"type": "websocket.close", "code": 1008, "reason": "the token has expired"}

    def test_bears_that_the_peer_has_gone_unseen(self, issuer: FakeIssuer, backend: str) -> None:
        peer = self._converse(issuer, backend, [say("accept"), linger], fails_to_close=True)
        assert peer.heard == ["accept", "close"]

    @pytest.mark.parametrize("turns", range(5))
    def test_is_not_waited_for_by_a_socket_that_is_over_soon(self, issuer: FakeIssuer, backend: str, turns: int) -> None:
        steps = [say("accept"), *[take_turns] * turns]
        assert self._converse(issuer, backend, steps, seconds=0).heard == ["accept"]

    def test_stays_open_where_the_switch_is_off(self, issuer: FakeIssuer, backend: str) -> None:
        peer = self._converse(issuer, backend, [say("accept"), linger, say("send")], close_websockets=False)
        assert peer.heard == ["accept", "send"]

    @pytest.mark.parametrize(("checked", "heard"), [(True, ["accept", "close"]), (False, ["accept", "send"])])
    def test_ends_on_a_public_route_only_where_a_handler_has_asked_who_calls(
        self, issuer: FakeIssuer, backend: str, checked: bool, heard: list[str]
    ) -> None:
        steps = [say("accept"), linger, fail_to_speak if checked else say("send")]
        assert self._converse(issuer, backend, steps, path="/public/x", checked=checked).heard == heard

    @staticmethod
    def _converse(
        issuer: FakeIssuer,
        backend: str,
        steps: list[Step],
        *events: str,
        path: str = "/",
        checked: bool = False,
        fails_to_close: bool = False,
        seconds: float = 7200,
        **options: Any,
    ) -> Peer:
        """Let the application take these steps so many seconds after a handshake with a token that is good for an hour."""
        clock = Clock()
        guard = guard_for(issuer, clock=clock, routes=[PUBLIC])
        check = HandlerCheck(guard)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            if checked:
                await check.acall(asgi_request(scope))
            clock.advance(seconds)
            for step in steps:
                await step(receive, send)

        async def main() -> Peer:
            peer = Peer(*events, fails_to_close=fails_to_close)
            headers = bearing(issuer, LOGIN, iat=clock.now, exp=clock.now + 3600)
            scope = http_scope(path, headers, type="websocket", method="CONNECT")
            await CallerMiddleware(app, guard=guard, **options)(scope, peer.receive, peer.send)
            return peer

        return anyio.run(main, backend=backend)


class TestWebSocketRefusals:
    @pytest.mark.parametrize(("member", "status", "reason", "challenge"), REFUSAL_TABLE)
    def test_are_responses_where_the_server_offers_that(
        self, issuer: FakeIssuer, member: str | None, status: int, reason: str, challenge: str
    ) -> None:
        start, body = self._refusal(issuer, member, {"websocket.http.response": {}})
        assert (start["type"], body["type"]) == ("websocket.http.response.start", "websocket.http.response.body")
        assert (start["status"], json.loads(body["body"])["reason"]) == (status, reason)
        assert dict(start["headers"])[b"www-authenticate"] == challenge.encode()

    @pytest.mark.parametrize("extensions", [None, {}])
    @pytest.mark.parametrize(("member", "status", "reason", "challenge"), REFUSAL_TABLE)
    def test_close_before_they_accept_elsewhere(
        self, issuer: FakeIssuer, extensions: Any, member: str | None, status: int, reason: str, challenge: str
    ) -> None:
        assert self._refusal(issuer, member, extensions) == [{"type": "websocket.close", "code": 1008, "reason": reason}]

    def test_follow_the_rule_for_get(self, issuer: FakeIssuer) -> None:
        get, rest = Route("/", methods=["GET"], callers=[ANA]), Route("/", callers=[LOGIN])
        (closed,) = self._refusal(issuer, LOGIN, None, method="CONNECT", routes=[get, rest])
        assert closed["reason"] == "caller_not_allowed"

    @staticmethod
    def _refusal(
        issuer: FakeIssuer, member: str | None, extensions: Any, routes: Iterable[Route] = (), **more: Any
    ) -> list[Message]:
        async def main() -> list[Message]:
            peer = Peer()
            scope = http_scope("/", bearing(issuer, member), type="websocket", extensions=extensions, **more)
            await CallerMiddleware(UNTOUCHABLE, guard=guard_for(issuer, routes=routes))(scope, peer.receive, peer.send)
            assert peer.events == []  # the handshake was waited for
            return peer.sent

        return anyio.run(main)


@contextmanager
def hypercorn_serving(app: Any) -> Iterator[str]:
    """An ASGI application under Hypercorn on trio; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = hypercorn.config.Config.from_mapping(bind=[f"fd://{listener.detach()}"], loglevel="ERROR")
    with start_blocking_portal("trio") as portal:
        over = portal.call(anyio.Event)
        served = portal.start_task_soon(partial(hypercorn.trio.serve, app, config, shutdown_trigger=over.wait))
        try:
            yield f"127.0.0.1:{port}"
        finally:
            portal.call(over.set)
            served.result()


@contextmanager
def granian_serving(app: Any) -> Iterator[str]:
    """An ASGI application under granian; its address."""
    port = free_port()
    with start_blocking_portal() as portal:
        server = portal.call(lambda: granian.Server(app, port=port, interface=Interfaces.ASGI, log_enabled=False))
        served = portal.start_task_soon(server.serve)
        try:
            wait_until(lambda: _listens(port))
            yield f"127.0.0.1:{port}"
        finally:
            portal.call(server.stop)
            served.result()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def real_app(issuer: FakeIssuer, clock: Clock) -> tuple[Starlette, dict[str, Any]]:
    """An application with lifespan state and a WebSocket; the state, as the lifespan keeps it."""
    state: dict[str, Any] = {"pool": "theirs"}

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        yield state

    async def view(request: Request) -> JSONResponse:
        await anyio.lowlevel.checkpoint()
        return JSONResponse([request.state.pool, request.state.caller.member, member(await run_in_threadpool(current_caller))])

    async def socket(websocket: WebSocket) -> None:
        clock.advance(7200)
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            await websocket.receive_text()

    guard = guard_for(issuer, callers=["allAuthenticatedUsers"], clock=clock)
    return guarded(guard, StarletteRoute("/", view), WebSocketRoute("/ws", socket), lifespan=lifespan), state


def test_the_lifespan_passes_and_fetches_keys_before_the_first_request() -> None:
    def serve(guard: Guard) -> None:
        with uvicorn_serving(guarded(guard), lifespan="on"):
            pass

    check_prefetch(serve)


@pytest.mark.parametrize("serving", [uvicorn_serving, hypercorn_serving, granian_serving])
class TestOnRealServers:
    def test_callers_are_never_mixed_up_and_the_lifespan_keeps_none(self, issuer: FakeIssuer, clock: Clock, serving: Any) -> None:
        app, state = real_app(issuer, clock)

        def call(name: str) -> Any:
            return client.get("/", headers=bearing(issuer, name, iat=clock.now, exp=clock.now + 60)).json()

        names = [f"serviceAccount:user-{number}@shop.iam.gserviceaccount.com" for number in range(50)]
        with serving(app) as address, httpx.Client(base_url=f"http://{address}") as client, ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(call, names))
        assert answers == [["theirs", name, name] for name in names]
        assert "caller" not in state

    def test_a_websocket_is_closed_when_the_token_ends(self, issuer: FakeIssuer, clock: Clock, serving: Any) -> None:
        app, _ = real_app(issuer, clock)
        headers = bearing(issuer, LOGIN, iat=clock.now, exp=clock.now + 60)
        with serving(app) as address, connect(f"ws://{address}/ws", additional_headers=headers, proxy=None) as websocket:
            with pytest.raises(ConnectionClosed):
                websocket.recv()
            assert (websocket.close_code, websocket.close_reason) == (1008, "the token has expired")

    def test_a_websocket_is_refused_before_it_is_accepted(self, issuer: FakeIssuer, clock: Clock, serving: Any) -> None:
        app, _ = real_app(issuer, clock)
        with serving(app) as address, pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{address}/ws", proxy=None)
        assert refused.value.response.status_code in (401, 403)  # 403 where a server has no way to send a response
