"""Verified tokens, remembered: a caller sends one token for up to an hour, and its signature stays the same."""

import sys
import threading
from dataclasses import dataclass, field

from cachetools import LRUCache

from callerid.bearer import Header
from callerid.caller import Caller, Claims
from callerid.forks import PerProcess
from callerid.keys import KeySet
from callerid.keys.material import Key

__all__ = ["TokenMemory", "Verified", "size_of"]


@dataclass(slots=True, eq=False)
class Verified:
    """A verified token: its caller, and what has to hold for it to be believed again."""

    caller: Caller
    token: str = field(repr=False)
    header: Header | None
    valid_from: float
    valid_until: float
    keys: KeySet = field(repr=False)
    key: Key | None
    remembered: bool = False

    def holds(self, header: Header | None, now: float) -> bool:
        """Whether it is still good at this time, in this header, and its very key is still in use."""
        in_time = self.valid_from <= now < self.valid_until
        return in_time and header == self.header and self.key is not None and self.keys.holds(self.key)


def size_of(value: object) -> int:
    """The bytes that a frozen claim takes, about: a token of small objects takes thirty times its length."""
    if isinstance(value, Claims):
        return 320 + sum(100 + size_of(name) + size_of(inner) for name, inner in value.items())
    inside = sum(map(size_of, value)) if isinstance(value, tuple) else 0
    return sys.getsizeof(value) + inside


class TokenMemory:
    """The last used verified tokens, bounded in number and in bytes. Safe for threads.

    The key is the whole token: a part of it, or a hash that somebody can collide, has let others in (CVE-2026-35030). What is
    remembered is who calls, never what they may.
    """

    def __init__(self, *, entries: int, size: int) -> None:
        self._least = size // max(entries, 1)  # each entry weighs at least this, so one bound is both
        self._size = self._least * entries
        self._remembered: LRUCache[str, tuple[int, Verified]] = LRUCache(self._size, getsizeof=lambda entry: entry[0])
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)

    def __len__(self) -> int:
        return len(self._remembered)

    def get(self, token: str) -> Verified | None:
        """What is remembered of a token; whether it still holds is for `Verified.holds` to say."""
        with self._lock():
            entry = self._remembered.get(token)
        return None if entry is None else entry[1]

    def put(self, verified: Verified) -> None:
        """Remember a token, forgetting those unused for longest. One without a key is never remembered."""
        weight = max(self._least, 2 * len(verified.token) + 1024 + size_of(verified.caller.claims))
        if verified.key is not None and weight <= self._size:
            with self._lock():
                self._remembered[verified.token] = (weight, verified)

    def discard(self, token: str) -> None:
        """Forget a token."""
        with self._lock():
            self._remembered.pop(token, None)
