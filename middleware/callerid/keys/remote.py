"""Keys behind a URL: the runner around `KeyMachine`. It fetches on one background thread and wakes who waits.

Requests with a known key read an attribute and go; they take no lock and wait for nobody. The thread starts on first need,
because a process that loads an application may still fork.
"""

import contextlib
import encodings.idna  # noqa: F401  (getaddrinfo imports it; a fork during that import hangs the child: import it before any thread)
import logging
import threading
import time
from collections.abc import Callable, Mapping

from callerid.forks import renew_after_fork
from callerid.keys.fetch import FetchError
from callerid.keys.keyset import KeyDocumentError, KeyList
from callerid.keys.machine import KeyMachine, WaitUntil
from callerid.keys.material import Key
from callerid.keys.waiting import Signal

__all__ = ["RemoteKeys", "SuspendAwareClock"]

ASYNC_PATIENCE = 5.0  # seconds after the first load's start that a task waits for it
THREAD_PATIENCE = 2.0  # a WSGI server's threads are few, and /healthz needs one
FREEZE = 1.0  # seconds that the wall clock may run ahead before it means that the process stood still

_logger = logging.getLogger("callerid")


class SuspendAwareClock:
    """Seconds that never go backwards and go on while the process is frozen, as Cloud Run does to it between requests."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic, self._wall = monotonic, wall
        self._lead_and_frozen = (wall() - monotonic(), 0.0)  # one tuple: threads that race store the same

    def __call__(self) -> float:
        monotonic = self._monotonic()
        lead = self._wall() - monotonic
        lead_before, frozen = self._lead_and_frozen
        if not lead_before <= lead <= lead_before + FREEZE:  # short freezes add up until they count
            frozen += max(0.0, lead - lead_before)
            self._lead_and_frozen = (lead, frozen)
        return monotonic + frozen


class RemoteKeys:
    """The keys of one issuer, fetched from its endpoint.

    `fetch` returns a document and its headers, `parse` makes keys of it, `lifetime` reads the headers: all three may fail.
    """

    def __init__(
        self,
        fetch: Callable[[], tuple[bytes, Mapping[str, str]]],
        parse: Callable[[bytes], KeyList],
        lifetime: Callable[[Mapping[str, str]], float],
        *,
        stale_if_error: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._fetch, self._parse, self._lifetime = fetch, parse, lifetime
        self._clock = clock or SuspendAwareClock()
        self._machine = KeyMachine(stale_if_error=stale_if_error)
        self._last_warning = float("-inf")
        self._thread: threading.Thread | None
        self._ended: Signal
        self.renew()
        renew_after_fork(self)

    def find(self, kid: str | None, alg: str) -> Key:
        """The key for a token; may block this thread while a fetch decides. Raises as `KeyMachine.look_up`."""
        while True:
            answer, signal, now = self._look_up(kid, alg, THREAD_PATIENCE)
            if isinstance(answer, Key):
                return answer
            signal.wait(answer.time - now)

    async def afind(self, kid: str | None, alg: str) -> Key:
        """The key for a token; may suspend this task while a fetch decides. Raises as `KeyMachine.look_up`."""
        while True:
            answer, signal, now = self._look_up(kid, alg, ASYNC_PATIENCE)
            if isinstance(answer, Key):
                return answer
            await signal.wait_async(answer.time - now)

    def holds(self, key: Key) -> bool:
        """Whether this very key, id and material, may verify now."""
        machine = self._machine
        now = self._clock()
        if machine.due() <= now:
            self.refresh()
        return machine.keys is not None and machine.usable(now) and key in machine.keys

    def refresh(self) -> None:
        """Let the background thread see what is due. Returns at once."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="callerid-keys", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _look_up(self, kid: str | None, alg: str, patience: float) -> tuple[Key | WaitUntil, Signal, float]:
        now = self._clock()
        machine = self._machine
        keys = machine.keys
        if keys is not None and machine.usable(now) and keys.knows(kid):
            if machine.due() <= now:
                self.refresh()
            return keys.select(kid, alg), self._ended, now
        with self._changed:
            try:
                return machine.look_up(kid, alg, now, patience), self._ended, now
            finally:
                self.refresh()

    def _run(self) -> None:
        while True:
            with self._changed:
                while (delay := self._machine.due() - self._clock()) > 0:
                    self._changed.wait(min(delay, threading.TIMEOUT_MAX))
                self._machine.begin(self._clock())
            loaded = None
            with contextlib.suppress(Exception):  # a logging handler may fail, too, and this thread must live
                loaded = self._load()
            with self._changed:
                if loaded is None:
                    self._machine.failed(self._clock())
                else:
                    self._machine.succeeded(*loaded)
                ended, self._ended = self._ended, Signal()
            ended.set()

    def _load(self) -> tuple[KeyList, float] | None:
        try:
            document, headers = self._fetch()
            return self._parse(document), self._lifetime(headers)
        except (FetchError, KeyDocumentError) as error:
            self._warn(str(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, the thread that fetches must live)
            self._warn(f"unexpected {type(error).__name__}")
        return None

    def _warn(self, problem: str) -> None:
        now = self._clock()
        if now - self._last_warning >= 60:
            self._last_warning = now
            state = "the last good keys serve on" if self._machine.usable(now) else "tokens are answered 503"
            _logger.warning("callerid cannot fetch keys: %s; %s", problem, state)

    def renew(self) -> None:
        """Locks, thread and running fetch of a parent process are not ours; its keys are as good as ever."""
        self._changed = threading.Condition(threading.RLock())
        self._ended = Signal()
        self._thread = None
        self._machine.abandoned()
