"""What the demo's services meet while Prometheus looks: a usual day, an outage of the key endpoint, and each kind of refusal."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from tests.contract.test_behaviour import REFUSED, bearer
from tests.contract.wire import Headers, exchange
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer

__all__ = ["FULL", "QUICK", "REASONS", "Chapter", "Story", "tell"]

TICK = 0.1  # seconds
REASONS = {reason for _, _, reason, _ in REFUSED.values()} | {"ambiguous_path", "keys_unavailable"}  # that the story meets


class Story(NamedTuple):
    """How long each of its chapters takes, in seconds. After an outage a key that is new is asked for again within 15."""

    usual: float
    outage: float
    recovery: float
    refusals: float
    calm: float


FULL = Story(usual=20, outage=18, recovery=16, refusals=26, calm=10)
QUICK = Story(usual=4, outage=5, recovery=12, refusals=8, calm=0)


class Chapter(NamedTuple):
    """A chapter that is worth a mark in the picture, and from when to when it was, in seconds since the epoch."""

    name: str
    begin: float
    end: float


class Wrong(NamedTuple):
    """An answer that is not as it was to be."""

    what: str
    answer: object


def tell(story: Story, issuer: FakeIssuer, ports: Sequence[int]) -> tuple[list[Chapter], list[Wrong]]:
    """Send it all; the chapters, and the answers that are not the designed ones."""
    caller = _Caller(issuer, ports)
    caller.goes_on(story.usual, [caller.usual])
    began = time.time()
    issuer.status = 500
    issuer.rotate()
    caller.goes_on(story.outage, [caller.usual, caller.with_new_key])
    outage = Chapter("the key endpoint fails", began, time.time())
    issuer.status = 200
    caller.goes_on(story.recovery, [caller.usual, caller.with_new_key])
    caller.renew()
    began = time.time()
    caller.goes_on(story.refusals, [caller.usual, caller.refused, caller.strange])
    refusals = Chapter("each kind of refusal", began, time.time())
    caller.goes_on(story.calm, [caller.usual])
    return [outage, refusals], caller.wrong


class _Caller:
    """Everybody who calls the services in turn."""

    def __init__(self, issuer: FakeIssuer, ports: Sequence[int]) -> None:
        self._issuer, self._ports = issuer, ports
        self._ticks = count()
        self._cases: Iterator[str] = _over_and_over(REFUSED)
        self.wrong: list[Wrong] = []
        self.renew()

    def renew(self) -> None:
        """Have other tokens for the callers that keep theirs."""
        self._login, self._ana = (list(self._issuer.headers(member, AUDIENCE).items()) for member in (LOGIN, ANA))

    def goes_on(self, seconds: float, deeds: Sequence[Callable[[int, int], None]]) -> None:
        """Do all of these, tick by tick."""
        ends_at = time.monotonic() + seconds
        while (begun := time.monotonic()) < ends_at:
            tick = next(self._ticks)
            for service, port in enumerate(self._ports):
                for deed in deeds:
                    deed(tick + 3 * service, port)
            time.sleep(max(0.0, begun + TICK - time.monotonic()))

    def usual(self, tick: int, port: int) -> None:
        """Callers with tokens that they keep, in waves."""
        for _ in range(round(1.5 + math.sin(tick / 25))):
            self._sees(port, "GET", "/profiles/7", self._login, 200)
        if tick % 6 == 0:
            self._sees(port, "PUT", "/profiles/7", self._ana, 200)
        if tick % 10 == 0:
            self._sees(port, "GET", "/healthz", [], 200)
        if tick % 40 == 0:
            self._sees(port, "GET", "/profiles/7", [], 401)

    def with_new_key(self, tick: int, port: int) -> None:
        """A caller whose tokens are signed with the new key: 503 until it can be had."""
        if tick % 2 == 0:
            self._sees(port, "GET", "/profiles/7", bearer()(self._issuer), 200, 503)

    def refused(self, tick: int, port: int) -> None:
        """One kind of refusal after another."""
        if tick % 20 == 0:
            self._sees(port, "GET", "/profiles//7", self._login, 400)
        make, status, *_ = REFUSED[next(self._cases)]
        self._sees(port, "GET", "/profiles/7", make(self._issuer), status)

    def strange(self, tick: int, port: int) -> None:
        """A deployment under the wrong account, and Cloud Run that takes signatures away."""
        if tick % 2 == 0:
            self._sees(port, "GET", "/profiles/7", bearer(STRANGER)(self._issuer), 403)
        else:
            make, status, *_ = REFUSED["signature removed"]
            self._sees(port, "GET", "/profiles/7", make(self._issuer), status)

    def _sees(self, port: int, method: str, path: str, headers: Headers, *statuses: int) -> None:
        answer = exchange(port, method, path, headers)
        if answer.status not in statuses:
            self.wrong.append(Wrong(f"{method} {path}, to be answered {statuses}", answer))


def _over_and_over(cases: Mapping[str, object]) -> Iterator[str]:
    while True:
        yield from cases
