"""Requests at a steady rate, whatever becomes of the earlier ones, and what each was answered."""

import asyncio
import gc
import math
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any
from uuid import uuid4

from tests.support import AUDIENCE, LOGIN, FakeIssuer

__all__ = ["Answered", "Load", "ask", "callers_tokens", "later", "load", "percentile", "steady", "strangers_token", "timed"]

RATE = 50.0  # requests a second, of callers and for the unrelated route each


@dataclass(frozen=True, slots=True)
class Answered:
    """The status of a response, and the seconds until it had come whole."""

    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """What callers with good tokens were answered, and whoever asked the unrelated route beside them."""

    callers: list[Answered]
    unrelated: list[Answered]

    @property
    def failed(self) -> int:
        return sum(answered.status != 200 for answered in self.callers)


async def ask(port: int, target: str, token: str | None = None) -> tuple[int, bytes]:
    """The status and the body that one GET is answered with, on a connection of its own."""
    lines = [f"GET {target} HTTP/1.1", "Host: user-profiles.example", "Connection: close"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    return int(head.split(b" ", 2)[1]), body


async def timed(port: int, target: str, token: str | None = None) -> Answered:
    """One request."""
    began = time.perf_counter()
    status, _ = await ask(port, target, token)
    return Answered(status, time.perf_counter() - began)


async def steady(port: int, target: str, tokens: Iterator[str | None], seconds: float, *, rate: float = RATE) -> list[Answered]:
    """Requests for one path, each with the next token."""
    now = asyncio.get_running_loop().time
    began = now()
    requests = []
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - now())
            requests.append(group.create_task(timed(port, target, next(tokens))))
    return [request.result() for request in requests]


async def load(port: int, issuer: FakeIssuer, seconds: float, *beside: Coroutine[Any, Any, object]) -> Load:
    """Callers, and requests for the unrelated route, for so long; `beside` runs along."""
    gc.freeze()  # or its collections of all that the tests have imported would count as latency
    async with asyncio.TaskGroup() as group:
        callers = group.create_task(steady(port, "/whoami", callers_tokens(issuer), seconds))
        unrelated = group.create_task(steady(port, "/healthz", repeat(None), seconds))
        for other in beside:
            group.create_task(other)
    gc.unfreeze()
    return Load(callers.result(), unrelated.result())


async def later(seconds: float, act: Callable[[], object]) -> None:
    """Do something in a while."""
    await asyncio.sleep(seconds)
    act()


def callers_tokens(issuer: FakeIssuer) -> Iterator[str]:
    """Good tokens, signed with the key of the moment; each comes twice, so that every other one may be remembered."""
    while True:
        token = issuer.token(LOGIN, AUDIENCE)
        yield token
        yield token


def strangers_token(issuer: FakeIssuer) -> str:
    """A token whose key nobody has."""
    return issuer.sign(issuer.claims(LOGIN, AUDIENCE), kid=uuid4().hex)


def percentile(share: float, answers: list[Answered]) -> float:
    """The latency, in milliseconds, within which this share of the requests was answered."""
    latencies = sorted(answered.seconds for answered in answers)
    return latencies[math.ceil(share * len(latencies)) - 1] * 1000
