"""A policy file that may be replaced under a running service."""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from callerid.errors import ConfigurationError
from callerid.forks import PerProcess
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.files import read_file_and_change, why_unread
from callerid.options import PathLike, as_path

__all__ = ["PolicyFile"]

MAX_POLICY_BYTES = 4 * 1024 * 1024
LOOK_AGAIN = 1.0  # seconds
REMINDER = 60.0  # seconds between two errors, and between two attempts at what was wrong
MOST_CHARACTERS = 4000  # of a problem

_logger = logging.getLogger("callerid")


class PolicyFile:
    """A file that is looked at, by requests, once a second. A change counts when it has settled: half of a policy may be valid, and
    wider than the whole. It has when nothing has changed in the file for a second, or when two looks have read the same.

    `clock` tells seconds that never go back, `wall` those that the file system tells, too.

    Raises:
        ConfigurationError: for a file that cannot be read.
    """

    def __init__(self, path: PathLike, *, clock: Callable[[], float] | None = None, wall: Callable[[], float] = time.time) -> None:
        self.path: str = os.path.abspath(as_path("policy file", path))
        self.problem: str | None = None
        self._clock, self._wall = clock or SuspendAwareClock(), wall
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._look_at, self._remind_at = self._clock() + LOOK_AGAIN, 0.0
        self._looked_at = wall()
        self.content: bytes = self._read()[0]
        self._seen: bytes | None = self.content
        self._wrong: bytes | None = None

    def renew(self, take: Callable[[bytes], None]) -> None:
        """Have a changed file taken, all of it or, where `take` raises, nothing. No exception leaves it."""
        now = self._clock()
        if now < self._look_at or not self._lock().acquire(blocking=False):
            return
        try:
            self._look_at = now + LOOK_AGAIN
            self._look(take, now)
        finally:
            self._lock().release()

    def _look(self, take: Callable[[bytes], None], now: float) -> None:
        """What is wrong is told at once, and tried and told again each minute: what it names may come later."""
        before = self.problem
        content: bytes | None = None
        try:
            seen, (content, settled) = self._seen, self._read()
            self._seen = content
            if content == self.content:
                self.problem = self._wrong = None
            elif (settled or content == seen) and (content != self._wrong or now >= self._remind_at):
                take(content)
                self.content, self.problem, self._wrong = content, None, None
                _tell(_logger.warning, "callerid goes by the changed policy in %s", self.path)
        except ConfigurationError as error:
            self._wrong, self.problem = content, str(error)[:MOST_CHARACTERS]
        except Exception as error:  # noqa: BLE001  (whatever it is, this request is judged by the policy that there is)
            self._wrong, self.problem = content, f"{self.path} cannot be taken: {type(error).__name__}"
        if self.problem is not None and (self.problem != before or now >= self._remind_at):
            self._remind_at = now + REMINDER
            _tell(_logger.error, "callerid keeps to the policy that it has: %s", self.problem)

    def _read(self) -> tuple[bytes, bool]:
        """The content, and whether it is known to have settled since the last look.

        A change before the last look, which that look did not see, is one of a clock that went wrong, or of a link that leads to
        another file now: only a second look tells.
        """
        looked_before, self._looked_at = self._looked_at, self._wall()
        try:
            content, changed_at = read_file_and_change(self.path, MAX_POLICY_BYTES)
            return content, looked_before < changed_at <= self._looked_at - LOOK_AGAIN
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.path}: cannot be read: {why_unread(error)}") from None


def _tell(log: Callable[[str, str], None], message: str, what: str) -> None:
    with suppress(Exception):  # a handler may fail, and the request must go on
        log(message, what)
