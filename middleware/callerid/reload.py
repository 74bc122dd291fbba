"""A policy file that may be replaced under a running service."""

import logging
import os
import threading
import time
from collections.abc import Callable

from callerid.errors import ConfigurationError
from callerid.forks import PerProcess
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.files import read_file, why_unread
from callerid.options import PathLike, as_path

__all__ = ["PolicyFile"]

MAX_POLICY_BYTES = 4 * 1024 * 1024
LOOK_AGAIN = 1.0  # seconds
SETTLED = 1.0  # seconds that nobody has written into it: half of a policy may be valid, and wider than the whole
REMINDER = 60.0  # seconds between two errors

_logger = logging.getLogger("callerid")


class PolicyFile:
    """A file that is looked at, by requests, once a second. `clock` tells seconds that never go back, `wall_clock` those that
    files are dated by.

    Raises:
        ConfigurationError: for a file that cannot be read.
    """

    def __init__(
        self, path: PathLike, *, clock: Callable[[], float] | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.path: str = os.path.abspath(as_path("policy file", path))
        self.problem: str | None = None
        self._clock, self._wall_clock = clock or SuspendAwareClock(), wall_clock
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._look_at, self._remind_at = self._clock() + LOOK_AGAIN, 0.0
        self.content: bytes | None = self._read()

    def renew(self, take: Callable[[bytes], None]) -> None:
        """Have a changed file taken, all of it or, where `take` raises `ConfigurationError`, nothing. Never fails."""
        now = self._clock()
        if now < self._look_at or not self._lock().acquire(blocking=False):
            return
        try:
            self._look_at = now + LOOK_AGAIN
            self._look(take, now)
        finally:
            self._lock().release()

    def _look(self, take: Callable[[bytes], None], now: float) -> None:
        """What is wrong is tried once, told at once, and told again each minute."""
        before = self.problem
        try:
            content = self._read()
            if content != self.content and self._is_settled():
                self.content, self.problem = content, None
                take(content)
                _logger.warning("callerid goes by the changed policy in %s", self.path)
        except ConfigurationError as error:
            self.problem = str(error)
        if self.problem is not None and (self.problem != before or now >= self._remind_at):
            self._remind_at = now + REMINDER
            _logger.error("callerid keeps to the policy that it has: %s", self.problem)

    def _read(self) -> bytes:
        try:
            return read_file(self.path, MAX_POLICY_BYTES)
        except (OSError, ValueError) as error:
            self.content = None  # so that whatever comes next is another
            raise ConfigurationError(f"{self.path}: cannot be read: {why_unread(error)}") from None

    def _is_settled(self) -> bool:
        try:
            age = self._wall_clock() - os.stat(self.path).st_mtime
        except OSError:
            return False
        return not 0 <= age < SETTLED  # a file from the future will not settle soon
