"""When to fetch keys, how long to trust them, and what a look-up is answered meanwhile. Pure: every method is told the time.

The runner in `remote.py` calls `begin`, `succeeded` and `failed` around each fetch, when `due` says so. Requests call
`look_up`, which answers with a `Key`, with the time until which waiting is worth it, or by refusing. Times are seconds of one
monotonic clock. Fetches are numbered, so that one that was given up cannot end another.
"""

import math
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from callerid.errors import Refused, refusal
from callerid.keys.keyset import KeyList
from callerid.keys.material import Key
from callerid.keys.status import KeyStatus, State

__all__ = ["Arrival", "KeyMachine", "WaitUntil"]

REFRESH_AT = 0.8  # of the lifetime, up to 5 % of it earlier, so that a fleet does not refresh as one
JITTER = 0.05
UNKNOWN_KID_SPACING = 15.0  # seconds between fetches that strangers can cause
UNKNOWN_KID_PATIENCE = 1.0  # seconds after the running fetch's start
FIRST_BACK_OFF = 1.0
COLD_BACK_OFF = 4.5  # the most, while no key is usable: with the fetch itself, keys are here within 5 s of the endpoint
WARM_BACK_OFF = 60.0
LOST_AFTER = 5.5  # seconds, more than a fetch may take: the process stood still under it, or its name server hangs
MOST_RUNNING = 3  # given up or not: each holds a thread
REMEMBERED_KIDS = 1024

_UNIFORM = random.SystemRandom().uniform  # not the application's: it may seed that one alike in every process


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """A fetch runs or is about to; look again when it has ended, or at this time."""

    time: float


class Arrival(NamedTuple):
    """When a request came, and how many fetches had begun by then."""

    time: float
    begun: int


class KeyMachine:
    """The state of one issuer's remote keys. `begun` is how many fetches have begun, `problem` what the last one failed with."""

    def __init__(self, *, stale_if_error: float, uniform: Callable[[float, float], float] = _UNIFORM) -> None:
        self._stale_if_error = stale_if_error
        self._uniform = uniform
        self.keys: KeyList | None = None
        self.refresh_at: float = -math.inf  # before that only an unknown kid makes a fetch due
        self._fetched_at = self._fresh_until = self._usable_until = -math.inf
        self.begun: int = 0
        self._in_flight = False
        self._running = 0  # those that were given up included
        self._began_at = -math.inf
        self.problem: str | None = None
        self._failures = self._failures_ever = self._unknown_kids = 0
        self._retry_at = -math.inf
        self._unknown_kid_fetch_at = -math.inf  # when the next one may begin
        self._sought: OrderedDict[str, None] = OrderedDict()  # asked for, and no fetch begun since

    def usable(self, now: float) -> bool:
        """Whether the keys at hand may still verify."""
        return now < self._usable_until

    def overdue(self, now: float) -> bool:
        """Whether the endpoint fails, and newer keys should have been here by now; while a fetch runs, that has yet to be seen."""
        return self.problem is not None and now >= self.refresh_at and not self._in_flight

    def outlook(self, now: float) -> str:
        """What an outage means for requests."""
        if not self.usable(now):
            return "tokens are answered 503"
        hours, minutes = divmod(math.ceil((self._usable_until - now) / 60), 60)
        return f"the last good keys serve on, for at most {hours} h {minutes} min"

    def due(self) -> float:
        """When the next fetch should begin; while one runs, when that one is given up."""
        if self._running >= MOST_RUNNING:
            return math.inf
        due = min(self._scheduled, self._unknown_kid_fetch_at) if self._sought else self._scheduled
        return max(due, self._began_at + LOST_AFTER + self._back_off(COLD_BACK_OFF)) if self._in_flight else due

    def begin(self, now: float) -> int:
        """A fetch begins. Its number is for `succeeded` or `failed`."""
        if now < self._scheduled:  # only an unknown kid asked for it
            self._unknown_kid_fetch_at = now + UNKNOWN_KID_SPACING
        if self._in_flight:
            self._fail("no answer, nor an end of the attempt")
        self._in_flight, self._began_at = True, now
        self._sought.clear()
        self._running += 1
        self.begun += 1
        return self.begun

    def succeeded(self, number: int, keys: KeyList, lifetime: float) -> None:
        """It brought keys, good for `lifetime` seconds from its start."""
        self._running -= 1
        if number != self.begun:
            return
        self.keys, self._fetched_at = keys, self._began_at
        self.refresh_at = self._began_at + lifetime * (REFRESH_AT - self._uniform(0, JITTER))
        self._fresh_until = self._began_at + lifetime
        self._usable_until = self._fresh_until + self._stale_if_error
        self._sought = OrderedDict((kid, None) for kid in self._sought if not keys.knows(kid))
        self._in_flight, self.problem, self._failures, self._retry_at = False, None, 0, -math.inf

    def failed(self, number: int, now: float, problem: str) -> None:
        """It brought nothing; what is at hand stays."""
        self._running -= 1
        if number != self.begun:
            return
        self._in_flight = False
        self._fail(problem)
        jitter = self._uniform(0.8, 1)
        warm = now + jitter * self._back_off(WARM_BACK_OFF)
        cold = self._began_at + jitter * self._back_off(COLD_BACK_OFF)  # while nobody is served, one that hung is followed at once
        self._retry_at = min(warm, max(cold, self._usable_until))

    def outdated(self) -> None:
        """There are other keys to be had."""
        self.refresh_at = -math.inf

    def abandoned(self) -> None:
        """The process forked: the fetch that ran is the parent's, and so is what it took from the budget."""
        self._running = 0
        if self._in_flight:
            self._in_flight, self._unknown_kid_fetch_at = False, -math.inf

    def arrival(self, now: float) -> Arrival:
        """That of a request that comes now."""
        return Arrival(now, self.begun)

    def look_up(self, kid: str | None, alg: str, now: float, patience: float, arrival: Arrival) -> Key | WaitUntil:
        """The key for a token. `patience` is how long after a fetch's start, and after its own arrival, a request may wait while
        there are no keys.

        Raises:
            Unauthenticated: `unknown_key`, `algorithm_not_allowed`.
            KeysUnavailable: when the keys that would decide cannot be had now.
        """
        if self.keys is None or not self.usable(now):
            return self._without_keys(now, patience, arrival)
        if kid is None or self.keys.knows(kid):
            return self.keys.select(kid, alg)
        unasked = arrival.begun == self.begun  # no fetch has begun since the request came
        if unasked:
            self._seek(kid)
        if self._in_flight or (unasked and self.due() <= now):
            return self._wait(now, UNKNOWN_KID_PATIENCE, arrival)
        raise self._verdict(now)

    def status(self, now: float) -> KeyStatus:
        """What a probe may know."""
        return KeyStatus(
            state=self._state(now),
            ready=self.usable(now),
            key_ids=[] if self.keys is None else self.keys.ids,
            age=None if self.keys is None else now - self._fetched_at,
            next_refresh=0.0 if self._in_flight else max(0.0, self.due() - now),
            last_error=self.problem,
            fetches=self.begun,
            failures=self._failures_ever,
            unknown_kids=self._unknown_kids,
        )

    @property
    def _scheduled(self) -> float:
        return max(self.refresh_at, self._retry_at)

    def _back_off(self, most: float) -> float:
        return min(most, FIRST_BACK_OFF * 2.0 ** min(self._failures - 1, 16)) if self._failures else 0.0

    def _state(self, now: float) -> State:
        if self.keys is None:
            return "cold"
        if now < self._fresh_until:
            return "fresh"
        return "stale" if self.usable(now) else "expired"

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self._failures += 1
        self._failures_ever += 1

    def _without_keys(self, now: float, patience: float, arrival: Arrival) -> WaitUntil:
        if not self._in_flight and now < self._retry_at:
            raise _unavailable("there are no keys that may verify", now, self._retry_at)
        return self._wait(now, patience, arrival)

    def _wait(self, now: float, patience: float, arrival: Arrival) -> WaitUntil:
        runs = self._in_flight and now < self.due()
        until = patience + min(self._began_at if runs else now, arrival.time)
        if now >= until:
            raise _unavailable("no answer yet from the key endpoint", now, now)
        return WaitUntil(until)

    def _verdict(self, now: float) -> Refused:
        """On a kid that is unknown: no fetch is to be had now, or the one that was has ended, and the last one's word stands."""
        if self._failures:
            next_attempt = min(self._scheduled, self._unknown_kid_fetch_at)
            return _unavailable("no key has this kid, and the key endpoint fails, so it may be new", now, next_attempt)
        self._unknown_kids += 1
        return refusal(
            "unknown_key", "no key has this kid, and the key endpoint was asked a moment ago; callerid keys shows those that it has"
        )

    def _seek(self, kid: str) -> None:
        self._sought[kid] = None
        if len(self._sought) > REMEMBERED_KIDS:
            self._sought.popitem(last=False)


def _unavailable(note: str, now: float, next_attempt: float) -> Refused:
    return refusal("keys_unavailable", note, retry_after=math.ceil(max(1.0, next_attempt - now)))
