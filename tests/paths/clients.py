"""Sends what a server hands over to an application in this process, and looks at what comes back."""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from tests.paths.servers import Received

__all__ = ["Answer", "Ask", "asgi", "bearing", "mark", "wsgi"]

MARK = "x-handled"


class Answer(NamedTuple):
    """An answer: its status, what `mark` has written into it, and whether it is a refusal of callerid's."""

    status: int
    handled: str | None = None
    is_refusal: bool = False

    @property
    def rule(self) -> str | None:
        """The rule that the handler says it is under."""
        return None if self.handled is None else json.loads(self.handled)[0]


Ask = Callable[[Iterable[Received]], list[Answer]]


def mark(rule: str, **found: object) -> dict[str, str]:
    """The header by which a handler says which rule it is under, and what the router found in the path."""
    return {MARK: json.dumps([rule, found], default=str)}


def bearing(received: Received, token: str) -> Received:
    """The same request with a token."""
    if received is None:
        return None
    if "headers" in received:
        return received | {"headers": [*received["headers"], (b"authorization", f"Bearer {token}".encode())]}
    return received | {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def asgi(app: Any) -> Ask:
    """A client of an ASGI application."""

    async def each(requests: Iterable[Received]) -> list[Answer]:
        return [Answer(500) if scope is None else await _asgi_answer(app, scope) for scope in requests]

    return lambda requests: asyncio.run(each(requests))


def wsgi(app: Any) -> Ask:
    """A client of a WSGI application."""
    return lambda requests: [Answer(500) if environ is None else _wsgi_answer(app, dict(environ)) for environ in requests]


async def _asgi_answer(app: Any, scope: dict[str, Any]) -> Answer:
    sent: list[dict[str, Any]] = []
    coming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return coming.pop() if coming else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with suppress(Exception):  # some routers fail at some paths
        await app(scope | {"state": {}}, receive, send)
    if not sent:
        return Answer(500)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return _answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def _wsgi_answer(app: Any, environ: dict[str, Any]) -> Answer:
    started: list[Any] = []
    response = app(environ, lambda *arguments: started.append(arguments))
    body = b"".join(response)
    getattr(response, "close", list)()  # a list has none
    ((status, headers, *_),) = started
    return _answer(int(status.split()[0]), dict(headers), body)


def _answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    fields = {name.lower(): value for name, value in headers.items()}
    in_file = body.decode() if body.startswith(b'["/') else None  # a file says it for itself
    return Answer(status, fields.get(MARK, in_file), fields.get("content-type") == "application/problem+json")
