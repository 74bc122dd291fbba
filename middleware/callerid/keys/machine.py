"""When to fetch keys, how long to trust them, and what a look-up is answered meanwhile. Pure: every method is told the time.

The runner in `remote.py` calls `begin`, `succeeded` and `failed` around each fetch, when `due` says so. Requests call
`look_up`, which answers with a `Key`, with the time until which waiting is worth it, or by refusing. Times are seconds of one
monotonic clock.
"""

import math
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from callerid.errors import Refused, refusal
from callerid.keys.keyset import KeyList
from callerid.keys.material import Key

__all__ = ["KeyMachine", "WaitUntil"]

REFRESH_AT = 0.8  # of the lifetime, up to 5 % of it earlier, so that a fleet does not refresh as one
JITTER = 0.05
UNKNOWN_KID_SPACING = 15.0  # seconds between fetches that strangers can cause
UNKNOWN_KID_PATIENCE = 1.0  # seconds after the running fetch's start
FIRST_BACK_OFF = 1.0
COLD_BACK_OFF = 5.0  # the most, while there have never been keys
WARM_BACK_OFF = 60.0
REMEMBERED_KIDS = 1024

_UNIFORM = random.SystemRandom().uniform  # not the application's: it may seed that one alike in every process


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """A fetch runs or is about to; look again when it has ended, or at this time."""

    time: float


class KeyMachine:
    """The state of one issuer's remote keys."""

    def __init__(self, *, stale_if_error: float, uniform: Callable[[float, float], float] = _UNIFORM) -> None:
        self._stale_if_error = stale_if_error
        self._uniform = uniform
        self.keys: KeyList | None = None
        self._usable_until = self._refresh_at = -math.inf
        self._in_flight = False
        self._began_at = -math.inf
        self._failures = 0
        self._retry_at = -math.inf
        self._unknown_kid_fetch_at = -math.inf  # when the next one may begin
        self._sought: OrderedDict[str, None] = OrderedDict()  # asked for, and no fetch begun since
        self._sought_by_fetch: tuple[str, ...] = ()
        self._absent: frozenset[str] = frozenset()  # the last good document lacks them for certain

    def usable(self, now: float) -> bool:
        """Whether the keys at hand may still verify."""
        return now < self._usable_until

    def due(self) -> float:
        """When the next fetch should begin; never while one runs."""
        if self._in_flight:
            return math.inf
        scheduled = max(self._refresh_at, self._retry_at)
        return min(scheduled, self._unknown_kid_fetch_at) if self._sought and self.keys is not None else scheduled

    def begin(self, now: float) -> None:
        """A fetch begins."""
        if now < max(self._refresh_at, self._retry_at):  # only an unknown kid asked for it
            self._unknown_kid_fetch_at = now + UNKNOWN_KID_SPACING
        self._in_flight, self._began_at = True, now
        self._sought_by_fetch = tuple(self._sought)
        self._sought.clear()

    def succeeded(self, keys: KeyList, lifetime: float) -> None:
        """It brought keys, good for `lifetime` seconds from its start."""
        began, self._in_flight = self._began_at, False
        self.keys = keys
        self._refresh_at = began + lifetime * (REFRESH_AT - self._uniform(0, JITTER))
        self._usable_until = began + lifetime + self._stale_if_error
        self._absent = frozenset(kid for kid in self._sought_by_fetch if not keys.knows(kid))
        self._sought = OrderedDict((kid, None) for kid in self._sought if not keys.knows(kid))
        self._failures, self._retry_at = 0, -math.inf

    def failed(self, now: float) -> None:
        """It brought nothing; what is at hand stays."""
        self._failures += 1
        most = COLD_BACK_OFF if self.keys is None else WARM_BACK_OFF
        delay = min(most, FIRST_BACK_OFF * 2.0 ** min(self._failures - 1, 16))
        self._retry_at = now + delay * self._uniform(0.8, 1)
        self._in_flight = False

    def abandoned(self) -> None:
        """The process forked: the fetch that ran is the parent's, and so is what it took from the budget."""
        if self._in_flight:
            self._in_flight, self._unknown_kid_fetch_at = False, -math.inf

    def look_up(self, kid: str | None, alg: str, now: float, patience: float) -> Key | WaitUntil:
        """The key for a token. `patience` is how long after a fetch's start a request may wait while there are no keys.

        Raises:
            Unauthenticated: `unknown_key`, `algorithm_not_allowed`.
            KeysUnavailable: when the keys that would decide cannot be had now.
        """
        if not self.usable(now) or self.keys is None:
            return self._without_keys(kid, now, patience)
        if kid is None or self.keys.knows(kid) or kid in self._absent:
            return self.keys.select(kid, alg)
        return self._unknown_kid(kid, now)

    def _without_keys(self, kid: str | None, now: float, patience: float) -> WaitUntil:
        if kid is not None:
            self._seek(kid)
        if not self._in_flight and now < self._retry_at:
            raise self._unavailable(now)
        return self._wait(now, patience)

    def _unknown_kid(self, kid: str, now: float) -> WaitUntil:
        self._seek(kid)
        if self._in_flight or self.due() <= now:
            return self._wait(now, UNKNOWN_KID_PATIENCE)
        if self._failures:
            raise self._unavailable(now)
        raise refusal("unknown_key", "no key has this kid, and the key endpoint was asked a moment ago")

    def _wait(self, now: float, patience: float) -> WaitUntil:
        until = patience + (self._began_at if self._in_flight else now)
        if now >= until:
            raise self._unavailable(now)
        return WaitUntil(until)

    def _seek(self, kid: str) -> None:
        self._sought[kid] = None
        if len(self._sought) > REMEMBERED_KIDS:
            self._sought.popitem(last=False)

    def _unavailable(self, now: float) -> Refused:
        due = self.due()
        seconds = math.ceil(due - now) if math.isfinite(due) else 1
        return refusal("keys_unavailable", "no answer from the key endpoint that would decide", retry_after=max(1, seconds))
