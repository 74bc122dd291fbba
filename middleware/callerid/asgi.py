"""Any ASGI application behind a Guard: http, websocket and lifespan."""

import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

from callerid.caller import Caller, CallerAuth, CallerUser
from callerid.errors import ConfigurationError, Refused
from callerid.guard import Guard, Judgement
from callerid.keys.waiting import Signal, call_later, within
from callerid.request import Request

__all__ = ["CallerMiddleware", "asgi_request", "hand_over"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


_CALLER, _NOBODY = CallerAuth(authenticated=True), (CallerUser(None), CallerAuth(authenticated=False))

# What a regular expression reads as more than text. Starlette before 0.40 takes `root_path` off as one.
_PATTERN = re.compile(r"[\\^$*+?{}\[\]|()]")


def asgi_request(scope: Scope) -> Request:
    """What a Guard has to know of an HTTP or WebSocket scope. A WebSocket handshake is a GET."""
    handshake = scope["type"] == "websocket"
    method = "GET" if handshake else scope["method"]
    path, other_path, root_path = scope["path"], None, scope.get("root_path")
    if root_path:
        path, other_path = _routing_paths(path, root_path)
    return Request(method, path, scope.get("raw_path"), scope["headers"], scope, other_path, is_handshake=handshake)


def _routing_paths(path: str, root_path: str) -> tuple[str, str | None]:
    """The path that a router matches, without `root_path`; and how another router is known to read it, if differently."""
    if root_path == "/" or not path.startswith("/"):
        return path, None
    if _PATTERN.search(root_path):
        return "", None  # refused as ambiguous
    if path.startswith(root_path):
        return path[len(root_path) :] or "/", None  # off a segment boundary it begins with no "/", and is refused
    if root_path in path:  # Litestar cuts it wherever it stands
        return path, f"/{path.partition(root_path)[2].lstrip('/')}"
    if "." in root_path and re.match(re.escape(root_path).replace(r"\.", "."), path):
        return path, path[len(root_path) :] or "/"
    return path, None


def hand_over(scope: Scope, caller: Caller | None) -> None:
    """Put the caller where applications look, instead of one that a Guard around this one has put there."""
    scope["callerid.caller"] = caller
    state = scope.get("state")
    if state is None:
        scope["state"] = {"caller": caller}
    else:
        state["caller"] = caller
    if ("user" not in scope and "auth" not in scope) or isinstance(scope.get("user"), CallerUser):
        scope["user"], scope["auth"] = (CallerUser(caller), _CALLER) if caller is not None else _NOBODY


class CallerMiddleware:
    """Judges every request before the application sees it.

    The caller is then in `callerid.current_caller()`, `scope["callerid.caller"]`, `request.state.caller`, and in Starlette's
    `request.user` and `request.auth` where nobody has set them. An accepted WebSocket is closed with 1008 when its caller's
    token ends, unless `close_websockets` is off.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard, close_websockets: bool = True) -> None:
        if not isinstance(guard, Guard):
            raise ConfigurationError(f"guard: {guard!r} is no Guard; write CallerMiddleware(app, guard=Guard(…))")
        if hasattr(app, "wsgi_app"):
            raise ConfigurationError("app: it is a WSGI application, and this is ASGI's middleware; callerid.wsgi has the other")
        if guard.may_have_routes and getattr(app, "root_path", None):
            # FastAPI puts it into the scope when this middleware has judged the path without it.
            raise ConfigurationError("app: it sets a root_path of its own; write app.add_middleware(CallerMiddleware, guard=guard)")
        self.app = app
        self.guard = guard
        self._close_websockets = close_websockets

    # Written `async def`: uvicorn takes an object whose __call__ is not for an ASGI 2 application.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._other(kind, scope, receive, send)
            return
        try:
            request = asgi_request(scope)
            found = self.guard.decide(request)
            judgement = found if isinstance(found, Judgement) else await self.guard.asettle(request, *found)
        except Refused as refused:
            await (_refuse_http if kind == "http" else _refuse_websocket)(refused, scope, receive, send)
            return
        hand_over(scope, judgement.caller)
        judgement.begin()
        try:
            if kind == "websocket" and self._close_websockets:
                await self._websocket(judgement, scope, receive, send)
            elif judgement.is_public or judgement.is_private:
                await self.app(scope, receive, partial(_send_private, judgement, send))
            else:
                await self.app(scope, receive, send)
        finally:
            judgement.end()

    async def _other(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        if kind != "lifespan":
            raise ConfigurationError(f"ASGI scope type {kind!r} cannot be judged; route it around callerid on purpose")
        self.guard.prefetch()
        await self.app(scope, receive, send)

    async def _websocket(self, judgement: Judgement, scope: Scope, receive: Receive, send: Send) -> None:
        def seconds_left() -> float:
            caller = judgement.caller  # on a public route only a handler may have found it
            return math.inf if caller is None else judgement.policy.seconds_left(caller)

        socket = _Socket(receive, send, seconds_left)
        await call_later(0, socket.end_in_time, lambda: self.app(scope, socket.receive, socket.send))


class _Socket:
    """An application's WebSocket, which is closed under it when the time is over."""

    def __init__(self, receive: Receive, send: Send, seconds_left: Callable[[], float]) -> None:
        self._receive, self._send, self._seconds_left = receive, send, seconds_left
        self._accepted = Signal()
        self._is_open = self._ended = False

    async def receive(self) -> Message:
        seconds = self._seconds_left() if self._is_open else math.inf
        message = None if self._ended else await within(seconds, self._receive)
        if message is None:  # said here, since not every server says so after a close of our own
            await self._end()
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        if message["type"] == "websocket.disconnect":
            self._is_open = False
        return message

    async def send(self, message: Message) -> None:
        closes = message["type"] == "websocket.close"
        if self._ended:
            if closes:
                return
            raise ConnectionAbortedError("the socket is closed: its caller's token has expired")  # an OSError, as servers do
        if closes:
            self._is_open = False
        await self._send(message)
        if message["type"] == "websocket.accept":
            self._is_open = True
            self._accepted.set()

    async def end_in_time(self) -> None:
        """Wait until the time is over, and close."""
        await self._accepted.wait_async(math.inf)
        await Signal().wait_async(max(0.0, self._seconds_left()))
        await self._end()

    async def _end(self) -> None:
        if self._is_open:
            self._is_open, self._ended = False, True
            with suppress(OSError):  # the other side has gone, and the application has not looked
                await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "the token has expired"})


def _send_private(judgement: Judgement, send: Send, message: Message) -> Awaitable[None]:
    """Add `Cache-Control: private` where the deciding header is one that shared caches do not know, and the app says nothing.

    On a public route only a handler finds out, so it is asked when the response starts.
    """
    if message["type"] == "http.response.start" and judgement.is_private:
        headers = list(message.get("headers", ()))
        if not any(name.lower() == b"cache-control" for name, _ in headers):
            headers.append((b"cache-control", b"private"))
        message = {**message, "headers": headers}  # they may be an iterator, which is at its end now
    return send(message)


async def _refuse_http(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await _respond(refused, "http.response", b"" if scope["method"] == "HEAD" else refused.body, send)


async def _refuse_websocket(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _respond(refused, "websocket.http.response", refused.body, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refused.reason})


async def _respond(refused: Refused, kind: str, body: bytes, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
    headers.append((b"content-length", str(len(refused.body)).encode()))
    await send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
