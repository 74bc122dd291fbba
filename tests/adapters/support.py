"""What the tests of shells and adapters share: a Guard over the session's issuer, its tokens, an in-process client, a server."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from callerid import Guard, google
from callerid.profiles import GOOGLE
from tests.keys import Endpoint, Gate, keys_of, send
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer

SERVERLESS = "X-Serverless-Authorization"
OTHER = "X-Other"

Headers = dict[str, str]


def guard_for(issuer: FakeIssuer, *, callers: Iterable[str] = (LOGIN, ANA), **options: Any) -> Guard:
    """A Guard that has the issuer's keys at hand: no thread, no network."""
    return Guard(audience=AUDIENCE, callers=callers, issuers=[google(keys=issuer.jwks())], **options)


def check_prefetch(begin: Callable[[Guard], object]) -> None:
    """See that this begins to fetch a Guard's keys, once and in the background, and neither waits nor fails."""
    with FakeIssuer() as issuer, Gate(keys_of(issuer)) as gate, Endpoint(gate) as endpoint:
        guard = _fetching_guard(endpoint.url)
        begin(guard)
        wait_until(lambda: bool(endpoint.requests))
        assert guard.status()[GOOGLE]["failures"] == 0  # so the fetch still runs
        gate.open()
        wait_until(lambda: guard.ready)
        assert len(endpoint.requests) == 1
    with Endpoint(send(b"")) as endpoint:
        failing = _fetching_guard(endpoint.url)
        begin(failing)
        wait_until(lambda: failing.status()[GOOGLE]["failures"] > 0)


def _fetching_guard(jwks_uri: str) -> Guard:
    return Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(jwks_uri=jwks_uri)])


def bearing(issuer: FakeIssuer, member: str | None, header: str = "Authorization", **changes: Any) -> Headers:
    """A header with a token of this member; none for `None`, and a bad token for "junk"."""
    if member is None:
        return {}
    return {header: f"Bearer {'junk' if member == 'junk' else issuer.token(member, AUDIENCE, **changes)}"}


def ask(app: Any, path: str = "/", headers: Headers | None = None, *, method: str = "GET", root_path: str = "") -> httpx.Response:
    """Send one request to an ASGI application, in this process."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, root_path=root_path)
        async with httpx.AsyncClient(transport=transport, base_url="http://user-profiles.example") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


def wait_until(reached: Callable[[], bool]) -> None:
    """Look until it is so; pytest's timeout is the bound."""
    while not reached():
        time.sleep(0.01)


@contextmanager
def uvicorn_serving(app: Any, **options: Any) -> Iterator[str]:
    """An ASGI application under uvicorn; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # wsproto: the one WebSocket implementation that every supported uvicorn has without a warning
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="wsproto", **options))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
