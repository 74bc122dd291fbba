"""The service under test: a bare ASGI application behind the middleware, and a way around it to move the clock of its keys.

`/whoami` is for callers, `/healthz` for everybody. `/control?advance=SECONDS&wall=SECONDS` moves the keys' clock, or the wall
clock alone, and answers with figures. A request with `?patience=SECONDS` is cancelled when they have passed.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from callerid import Guard, Route, current_caller, google
from callerid.asgi import CallerMiddleware, Receive, Scope, Send
from callerid.issuers import STALE_IF_ERROR
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.fetch import Fetcher
from callerid.keys.keyset import parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.remote import RemoteKeys

__all__ = ["app"]


class KeyClock:
    """A process's clock for keys, which can be moved: as time passes, or as somebody sets the wall clock."""

    def __init__(self) -> None:
        self._ahead = self._wall_ahead = 0.0
        self._clock = SuspendAwareClock(wall=lambda: time.time() + self._wall_ahead)

    def __call__(self) -> float:
        return self._clock() + self._ahead

    def move(self, advance: float, wall: float) -> None:
        self._ahead += advance
        self._wall_ahead += wall


class Counted:
    """A fetch that knows when each of its runs began, and how many have not ended."""

    def __init__(self, fetch: Callable[[], tuple[bytes, Mapping[str, str]]], clock: Callable[[], float]) -> None:
        self._fetch, self._clock = fetch, clock
        self.begun: list[float] = []
        self.running = 0

    def __call__(self) -> tuple[bytes, Mapping[str, str]]:
        self.running += 1
        self.begun.append(self._clock())
        try:
            return self._fetch()
        finally:
            self.running -= 1


def peak_memory() -> float:
    """The most memory that this process has ever had, in megabytes."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


def figures() -> dict[str, Any]:
    return {"now": clock(), "fetches": fetch.begun, "running": fetch.running, "peak": peak_memory()}


async def respond(send: Send, status: int, content: object) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def service(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the caller's name, a turn of the event loop later."""
    await asyncio.sleep(0)
    caller = current_caller()
    await respond(send, 200, caller and caller.email)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    query = {name: float(value) for name, value in parse_qsl(scope["query_string"].decode())}
    if scope["path"] == "/control":
        clock.move(query.get("advance", 0.0), query.get("wall", 0.0))
        await respond(send, 200, figures())
        return
    try:
        async with asyncio.timeout(query.get("patience")):
            await guarded(scope, receive, send)
    except TimeoutError:
        await respond(send, 504, "cancelled")


clock = KeyClock()
fetch = Counted(Fetcher(os.environ["FAULTS_JWKS_URI"]), clock)
keys = RemoteKeys(fetch, parse_jwks, lifetime_of, stale_if_error=STALE_IF_ERROR, clock=clock)
guard = Guard.from_env(
    issuers=[google(keys=keys, algorithms=["ES256"])],
    routes=[Route("/healthz", callers=["allUsers"])],
)
guarded = CallerMiddleware(service, guard=guard)
