"""Any ASGI application behind a Guard: http, websocket and lifespan."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from callerid.caller import CallerAuth, CallerUser, Occasion
from callerid.errors import ConfigurationError, Refused
from callerid.guard import Guard, Judgement, Request
from callerid.keys.waiting import call_later

__all__ = ["CallerMiddleware", "asgi_request"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1


def asgi_request(scope: Scope) -> Request:
    """What a Guard has to know of an HTTP or WebSocket scope. A WebSocket handshake is a GET."""
    return Request(scope.get("method", "GET"), _routing_path(scope), scope.get("raw_path"), scope["headers"], scope)


def _routing_path(scope: Scope) -> str:
    """The path that a router matches: without `root_path`, which Starlette takes off likewise."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if not root_path or not path.startswith(root_path):
        return path
    # Off a segment boundary what is left begins with no "/", which the Guard refuses as ambiguous.
    return path[len(root_path) :] or "/"


class CallerMiddleware:
    """Judges every request before the application sees it.

    The caller is then in `callerid.current_caller()`, `scope["callerid.caller"]`, `request.state.caller`, and in Starlette's
    `request.user` and `request.auth` where nobody has set them. An accepted WebSocket is closed with 1008 when its caller's
    token ends, unless `close_websockets` is off.
    """

    def __init__(self, app: ASGIApp, *, guard: Guard, close_websockets: bool = True) -> None:
        if not isinstance(guard, Guard):
            raise ConfigurationError(f"guard: {guard!r} is no Guard; write CallerMiddleware(app, guard=Guard(…))")
        self.app = app
        self.guard = guard
        self._close_websockets = close_websockets

    # Written `async def`: uvicorn takes an object whose __call__ is not for an ASGI 2 application.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            self.guard.prefetch()
            await self.app(scope, receive, send)
            return
        if kind not in ("http", "websocket"):
            raise ConfigurationError(f"ASGI scope type {kind!r} cannot be judged; route it around callerid on purpose")
        try:
            judgement = await self.guard.ajudge(asgi_request(scope))
        except Refused as refused:
            await (_refuse_http if kind == "http" else _refuse_websocket)(refused, scope, receive, send)
            return
        occasion = judgement.occasion = Occasion(judgement.caller)
        _hand_over(scope, judgement)
        try:
            if kind == "websocket":
                await self._websocket(judgement, scope, receive, send)
            elif judgement.verified is None or judgement.is_private:
                await self.app(scope, receive, _keeping_private(judgement, send))
            else:
                await self.app(scope, receive, send)
        finally:
            occasion.end()

    async def _websocket(self, judgement: Judgement, scope: Scope, receive: Receive, send: Send) -> None:
        caller = judgement.caller
        if caller is None or not self._close_websockets:
            await self.app(scope, receive, send)
            return
        ended = False

        async def send_until_end(message: Message) -> None:
            if not ended:
                await send(message)

        async def end() -> None:
            nonlocal ended
            ended = True
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "the token has expired"})

        await call_later(self.guard.seconds_left(caller), end, lambda: self.app(scope, receive, send_until_end))


def _hand_over(scope: Scope, judgement: Judgement) -> None:
    caller = judgement.caller
    scope["callerid.caller"] = caller
    scope.setdefault("state", {})["caller"] = caller
    if "user" not in scope and "auth" not in scope:
        scope["user"], scope["auth"] = CallerUser(caller), CallerAuth(caller)


def _keeping_private(judgement: Judgement, send: Send) -> Send:
    """Add `Cache-Control: private` where the deciding header is one that shared caches do not know, and the app says nothing.

    On a public route only a handler finds out, so it is asked when the response starts.
    """

    async def send_private(message: Message) -> None:
        if message["type"] == "http.response.start" and judgement.is_private:
            headers = list(message.get("headers", ()))
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                message = {**message, "headers": [*headers, (b"cache-control", b"private")]}
        await send(message)

    return send_private


async def _refuse_http(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await _respond(refused, "http.response", b"" if scope["method"].upper() == "HEAD" else refused.body, send)


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
