"""Keys that need no network: those of the configuration, and those of a file."""

import logging
import os
import threading
import time
from collections.abc import Callable

from callerid.errors import ConfigurationError
from callerid.forks import PerProcess
from callerid.keys.files import MAX_DOCUMENT_BYTES, read_file, why_unread
from callerid.keys.keyset import KeyList
from callerid.keys.material import Key
from callerid.keys.status import KeyStatus
from callerid.options import PathLike

__all__ = ["FileKeys", "StaticKeys"]

LOOK_AGAIN = 1.0  # seconds
REMINDER = 60.0  # seconds between two warnings

_logger = logging.getLogger("callerid")


class StaticKeys:
    """Keys that the configuration holds."""

    ready = True

    def __init__(self, keys: KeyList) -> None:
        self._keys = keys
        self._unknown_kids = 0

    def find(self, kid: str | None, alg: str) -> Key:
        keys = self._current(kid)
        self._unknown_kids += not keys.knows(kid)
        return keys.select(kid, alg)

    async def afind(self, kid: str | None, alg: str) -> Key:
        return self.find(kid, alg)

    def holds(self, key: Key) -> bool:
        return self._keys.holds(key)

    def status(self) -> KeyStatus:
        return KeyStatus(
            state="static",
            ready=True,
            key_ids=self._keys.ids,
            age=None,
            next_refresh=None,
            last_error=None,
            fetches=0,
            failures=0,
            unknown_kids=self._unknown_kids,
        )

    def refresh(self) -> None:
        pass

    def warm_up(self, seconds: float) -> None:
        pass

    async def awarm_up(self, seconds: float) -> None:
        pass

    def _current(self, kid: str | None = None) -> KeyList:
        return self._keys


class FileKeys(StaticKeys):
    """Keys from a file, which is read again when it may have changed: while it is used once a second, and for an unknown kid.

    A file that cannot be read, or holds no usable key, never takes the place of one that did.

    Raises:
        ConfigurationError: when it cannot be read, or holds no usable key, at the start.
    """

    def __init__(self, path: PathLike, parse: Callable[[bytes], KeyList], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._parse, self._clock = os.fspath(path), parse, clock
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._problem: str | None = None
        self._fetches = self._failures = 0
        self._warn_at = float("-inf")
        self._look_at = self._read_at = clock()
        try:
            self._document = self._read()
            super().__init__(parse(self._document))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"key file {self._path!r}: {why_unread(error)}") from None

    def holds(self, key: Key) -> bool:
        return self._current().holds(key)

    def status(self) -> KeyStatus:
        keys, now = self._current(), self._clock()
        return KeyStatus(
            state="stale" if self._problem else "fresh",
            ready=True,
            key_ids=keys.ids,
            age=now - self._read_at,
            next_refresh=max(0.0, self._look_at - now),
            last_error=self._problem,
            fetches=self._fetches,
            failures=self._failures,
            unknown_kids=self._unknown_kids,
        )

    def _current(self, kid: str | None = None) -> KeyList:
        now = self._clock()
        if now >= self._look_at or not self._keys.knows(kid):
            with self._lock():
                self._look_at = now + LOOK_AGAIN
                self._look(now)
        return self._keys

    def _look(self, now: float) -> None:
        """Read the file, and parse it if it is not as it was: also one that is no good is parsed once."""
        before, self._document = self._document, b""
        try:
            self._document = self._read()
            if self._document != before:
                self._keys, self._read_at, self._problem = self._parse(self._document), now, None
        except (OSError, ValueError) as error:
            self._failures += 1
            self._problem = why_unread(error)
        if self._problem is not None and now >= self._warn_at:
            self._warn_at = now + REMINDER
            _logger.warning("callerid cannot read the key file %r: %s; the last good keys serve on", self._path, self._problem)

    def _read(self) -> bytes:
        self._fetches += 1
        return read_file(self._path, MAX_DOCUMENT_BYTES)
