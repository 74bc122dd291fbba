"""Verified tokens, remembered: a caller sends one token for up to an hour, and its signature stays the same."""

import sys
import threading
from collections import OrderedDict
from typing import TypedDict

from callerid.bearer import Header
from callerid.caller import Caller, Claims
from callerid.forks import PerProcess
from callerid.keys import KeySet
from callerid.keys.material import Key

__all__ = ["MemoryStatus", "TokenMemory", "Verified", "size_of", "weight_of"]


class Verified:
    """A verified token: its caller, and what has to hold for it to be believed again.

    `sent` is what bore it, whole: the header's value, or the token alone. `is_plain` says that its claims are as small as they
    look (`UnverifiedToken`), `names` are those that its Guard knows the caller by, `weight` is what it takes in memory, in bytes.
    """

    __slots__ = (
        *("caller", "header", "is_plain", "key", "keys", "names", "remembered", "sent", "valid_from", "valid_until", "weight"),
    )

    def __init__(
        self,
        caller: Caller,
        sent: str | bytes,
        header: Header | None,
        valid_from: float,
        valid_until: float,
        keys: KeySet,
        key: Key | None,
        *,
        is_plain: bool = False,
    ) -> None:
        self.caller: Caller = caller
        self.sent: str | bytes = sent
        self.header: Header | None = header
        self.valid_from: float = valid_from
        self.valid_until: float = valid_until
        self.keys: KeySet = keys
        self.key: Key | None = key
        self.is_plain: bool = is_plain
        self.names: tuple[str, ...] | None = None
        self.remembered: bool = False
        self.weight: int = 0

    def __repr__(self) -> str:
        return f"<a verified token of {self.caller.member}>"

    @property
    def is_private(self) -> bool:
        """Whether it came in a header that shared caches do not know."""
        return self.header is not None and self.header.is_unknown_to_caches

    def holds(self, header: Header | None, now: float) -> bool:
        """Whether it is still good at this time, in this header, and its very key is still in use."""
        return (
            self.valid_from <= now < self.valid_until
            and (header is self.header or header == self.header)
            and self.key is not None
            and self.keys.holds(self.key)
        )


def weight_of(verified: Verified) -> int:
    """The bytes that a remembered token takes, at most: what it was sent as, its claims, and what is around them."""
    caller = verified.caller
    claims, around = caller.claims, 800 + sys.getsizeof(caller.member) + 2 * len(caller.email or "")
    return around + 2 * len(verified.sent) + (192 * len(claims) if verified.is_plain else size_of(claims))


def size_of(value: object) -> int:
    """The bytes that a frozen claim takes, about: a token of small objects takes thirty times its length."""
    if isinstance(value, Claims):
        inside = list(value.values())
        size = 320 + 100 * len(inside) + sum(map(sys.getsizeof, value)) + sum(map(sys.getsizeof, inside))
    else:
        inside = list(value) if isinstance(value, tuple) else []
        size = sum(map(sys.getsizeof, inside))
    return size + sum(size_of(each) for each in inside if isinstance(each, Claims | tuple))


class MemoryStatus(TypedDict):
    """What is remembered now, and what look-ups have found since the start of the process (threads may lose a count).

    `bytes` is an estimate. `hits` were verified before and still hold; `misses` are not there; `lapsed` are there and do not
    hold any more; `evicted` had to make room.
    """

    entries: int
    bytes: int
    hits: int
    misses: int
    lapsed: int
    evicted: int


class _Counts:
    """What look-ups have found, in a memory and in those before it."""

    __slots__ = ("evicted", "hits", "lapsed", "misses")

    def __init__(self) -> None:
        self.hits = self.misses = self.lapsed = self.evicted = 0


class TokenMemory:
    """The last used verified tokens, bounded in number and in bytes. Safe for threads.

    The key is the whole of what was sent: a part of it, or a hash that somebody can collide, has let others in (CVE-2026-35030).
    What is remembered is who calls, never what they may.
    """

    def __init__(self, *, entries: int, size: int) -> None:
        self._most, self._size, self._bytes = entries, size, 0
        self._remembered: OrderedDict[str | bytes, Verified] = OrderedDict()  # the last used last
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._counts = _Counts()

    def __contains__(self, sent: object) -> bool:
        return sent in self._remembered

    def __len__(self) -> int:
        return len(self._remembered)

    def follow(self, before: "TokenMemory") -> None:
        """Go on with another's counts, which requests that still have that one go on with, too."""
        self._counts = before._counts

    @property
    def keeps_none(self) -> bool:
        """Whether not even the smallest token is remembered, however much room there is."""
        return not self._most

    def recall(self, sent: str | bytes, header: Header | None, now: float) -> Verified | None:
        """What is remembered of what came in this header, if it still holds at this time. It takes no lock."""
        remembered = self._remembered
        verified = remembered.get(sent)
        if verified is None:
            self._counts.misses += 1
            return None
        if not verified.holds(header, now):
            self._counts.lapsed += 1
            self.discard(sent)
            return None
        try:  # noqa: SIM105  (`suppress` takes longer than the look-up)
            remembered.move_to_end(sent)
        except KeyError:
            pass  # another thread has forgotten it meanwhile; it is as good as it was
        self._counts.hits += 1
        return verified

    def put(self, verified: Verified) -> None:
        """Remember a token, forgetting those unused for longest. One without a key is never remembered."""
        sent, weight = verified.sent, weight_of(verified)
        if verified.key is None or not self._most or weight > self._size:
            return
        verified.weight = weight
        verified.caller.claims.share_names()
        with self._lock():
            self._forget(sent)
            self._remembered[sent] = verified
            self._bytes += weight
            while self._bytes > self._size or len(self._remembered) > self._most:
                _, least_recent = self._remembered.popitem(last=False)  # in one go: `recall` moves entries meanwhile
                self._bytes -= least_recent.weight
                self._counts.evicted += 1

    def discard(self, sent: str | bytes) -> None:
        """Forget a token."""
        with self._lock():
            self._forget(sent)

    def _forget(self, sent: str | bytes) -> None:
        forgotten = self._remembered.pop(sent, None)
        if forgotten is not None:
            self._bytes -= forgotten.weight

    def status(self) -> MemoryStatus:
        """How it is used."""
        counts = self._counts
        with self._lock():  # between two changes, or there would be one entry too many
            return MemoryStatus(
                entries=len(self),
                bytes=self._bytes,
                hits=counts.hits,
                misses=counts.misses,
                lapsed=counts.lapsed,
                evicted=counts.evicted,
            )
