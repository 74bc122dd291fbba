"""Keys behind a URL: the runner around `KeyMachine`. It fetches in the background and wakes who waits.

Requests with a known key read an attribute and go; they take no lock and wait for nobody.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from callerid.errors import refusal
from callerid.forks import PerProcess, renew_after_fork
from callerid.keys.background import background
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.fetch import FetchError
from callerid.keys.keyset import KeyDocumentError, KeyList
from callerid.keys.machine import Arrival, KeyMachine
from callerid.keys.material import Key
from callerid.keys.status import KeyStatus
from callerid.keys.waiting import Signal

__all__ = ["RemoteKeys"]

ASYNC_PATIENCE = 5.0  # seconds after the first load's start that a task waits for it
THREAD_PATIENCE = 2.0  # a WSGI server's threads are few, and /healthz needs one
REMINDER = 60.0  # seconds between two warnings
A_MOMENT = 0.1  # seconds
MEND = "; `callerid keys` tries the same from a terminal: look at the network, the proxy, the name server and the certificates"

_logger = logging.getLogger("callerid")


class _Wait(NamedTuple):
    """Until a fetch has ended, or for so many seconds."""

    ended: Signal
    seconds: float


class Fetched(NamedTuple):
    """What a fetch has brought: usable keys, for how many seconds they are good, and the headers that say so."""

    keys: KeyList
    lifetime: float
    headers: Mapping[str, str]


class RemoteKeys:
    """The keys of one issuer, fetched from its endpoint.

    `fetch` returns a document and its headers, `parse` makes keys of it, `lifetime` reads the headers: all three may fail.
    `follow_up` is called after each fetch, when nobody waits, and says whether another should follow. `source` is what the log
    calls the keys.
    """

    def __init__(
        self,
        fetch: Callable[[], tuple[bytes, Mapping[str, str]]],
        parse: Callable[[bytes], KeyList],
        lifetime: Callable[[Mapping[str, str]], float],
        *,
        stale_if_error: float,
        follow_up: Callable[[], bool] = lambda: False,
        source: str = "keys",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._fetch, self._parse, self._lifetime = fetch, parse, lifetime
        self._follow_up, self._source = follow_up, source
        self._clock = clock or SuspendAwareClock()
        self._machine = KeyMachine(stale_if_error=stale_if_error)
        self._warn_at = float("-inf")
        self._warned = False  # of an outage that goes on
        self._ending = False
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._ended: Signal | None = None  # of the fetch that somebody waits for
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: the running fetch and who waits for it are the parent's; its keys are as good as ever."""
        self._ended, self._ending = None, False
        self._machine.abandoned()

    def find(self, kid: str | None, alg: str) -> Key:
        """The key for a token; may block this thread while a fetch decides. Raises as `KeyMachine.look_up`."""
        if (keys := self._at_hand(kid)) is not None:
            return keys.select(kid, alg)
        arrival = self._machine.arrival(self._clock())
        while not isinstance(found := self._look_up(kid, alg, THREAD_PATIENCE, arrival), Key):
            found.ended.wait(found.seconds)
        return found

    async def afind(self, kid: str | None, alg: str) -> Key:
        """The key for a token; may suspend this task while a fetch decides. Raises as `KeyMachine.look_up`."""
        if (keys := self._at_hand(kid)) is not None:
            return keys.select(kid, alg)
        arrival = self._machine.arrival(self._clock())
        while not isinstance(found := self._look_up(kid, alg, ASYNC_PATIENCE, arrival), Key):
            await found.ended.wait_async(found.seconds)
        return found

    def holds(self, key: Key) -> bool:
        """Whether this very key, id and material, may verify now."""
        now, machine = self._clock(), self._machine
        keys = machine.keys if now < machine.refresh_at else self._at_hand(None)
        return keys is not None and keys.holds(key)

    @property
    def ready(self) -> bool:
        """Whether there are keys that may verify now."""
        return self._machine.usable(self._clock())

    def status(self) -> KeyStatus:
        """What a probe may know."""
        return self._machine.status(self._clock())

    def refresh(self) -> None:
        """Let the background see what is due. Returns at once."""
        background().wake(self)

    def warm_up(self, seconds: float) -> None:
        """Wait until there are keys. It fetches in this very thread, whose process may still fork.

        Raises:
            KeysUnavailable: when there are none after so many seconds.
        """
        ends_at = self._clock() + seconds
        while (pause := self._pause(ends_at)) is not None:
            if (number := self._begin()) is not None:
                self._run(number)
            else:
                pause.ended.wait(pause.seconds)

    async def awarm_up(self, seconds: float) -> None:
        """The same for a task; the fetches run in the background."""
        ends_at = self._clock() + seconds
        while (pause := self._pause(ends_at)) is not None:
            self.refresh()
            await pause.ended.wait_async(pause.seconds)

    def fetch_here(self) -> Fetched:
        """Fetch once in this thread, for somebody who looks at the endpoint; what is in use stays as it is.

        Raises:
            FetchError: when there is no answer, or none that counts.
            KeyDocumentError: when it is no document of usable keys.
        """
        document, headers = self._fetch()
        return Fetched(self._parse(document), self._lifetime(headers), headers)

    def seconds_until_due(self) -> float:
        """How long until there is something to fetch, or to tell the operator."""
        if self._ending:  # whoever ends a fetch looks for what is due next, as a rule: it needs no further thread
            return A_MOMENT
        now, machine = self._clock(), self._machine
        return (min(machine.due(), self._warn_at) if machine.overdue(now) else machine.due()) - now

    def take(self) -> Callable[[], None] | None:
        """The fetch that is due, or the reminder; `None` if neither is."""
        if (number := self._begin()) is not None:
            return partial(self._run, number)
        return self._warning() if self._machine.overdue(self._clock()) else None

    def _at_hand(self, kid: str | None) -> KeyList | None:
        """The keys that may verify now, if they know this id. Takes no lock, and has what is due done in the background."""
        machine, now = self._machine, self._clock()
        if now >= machine.refresh_at:
            if machine.due() <= now:
                self.refresh()
            if not machine.usable(now):
                return None
        keys = machine.keys
        return keys if keys is not None and keys.knows(kid) else None

    def _look_up(self, kid: str | None, alg: str, patience: float, arrival: Arrival) -> Key | _Wait:
        now = self._clock()
        try:
            with self._lock():
                answer = self._machine.look_up(kid, alg, now, patience, arrival)
                return answer if isinstance(answer, Key) else self._wait(answer.time - now)
        finally:
            if not background().wake(self) and (number := self._begin()) is not None:
                self._end(number, "no thread can be started")

    def _wait(self, seconds: float) -> _Wait:
        self._ended = self._ended or Signal()
        return _Wait(self._ended, seconds)

    def _pause(self, ends_at: float) -> _Wait | None:
        """What a warm-up waits for; `None` if there are keys."""
        with self._lock():
            now, due = self._clock(), self._machine.due()
            if self._machine.usable(now):
                return None
            if now < ends_at:
                return self._wait((due if now < due < ends_at else ends_at) - now)
        error = refusal("keys_unavailable", f"{self._source}: {self._machine.problem or 'no answer yet'}")
        error.add_note(error.note)
        raise error

    def _begin(self) -> int | None:
        with self._lock():
            now = self._clock()
            return self._machine.begin(now) if self._machine.due() <= now else None

    def _run(self, number: int) -> None:
        loaded: tuple[KeyList, float] | str = "interrupted"  # a signal's exception, or gevent's Timeout, in a warm-up
        try:
            loaded = self._load()
        finally:
            self._end(number, loaded)
        if self._follow_up():
            with self._lock():
                self._machine.outdated()

    def _load(self) -> tuple[KeyList, float] | str:
        """The keys and their lifetime, or what was wrong."""
        try:
            fetched = self.fetch_here()
            return fetched.keys, fetched.lifetime
        except FetchError as error:
            return str(error)
        except KeyDocumentError as error:
            return f"{getattr(self._fetch, 'url', 'the document')}: {error}"
        except Exception as error:  # noqa: BLE001  (whatever it is, the thread that fetches must live)
            return f"unexpected {type(error).__name__}"

    def _end(self, number: int, loaded: tuple[KeyList, float] | str) -> None:
        with self._lock():
            if isinstance(loaded, str):
                self._machine.failed(number, self._clock(), loaded)
            else:
                self._machine.succeeded(number, *loaded)
            ended, self._ended = self._ended, None
            self._ending = True
        try:
            if ended is not None:
                ended.set()
            if warn := self._warning():
                warn()
        finally:
            self._ending = False

    def _warning(self) -> Callable[[], None] | None:
        """What the operator should read now: at once that an outage begins, each minute that it goes on, and that it has ended."""
        now, problem = self._clock(), self._machine.problem
        if problem is None and self._warned:
            self._warned = False
            return partial(_warn, f"callerid fetches {self._source} again")
        if problem is None or now < self._warn_at:
            return None
        self._warn_at, self._warned = now + REMINDER, True
        return partial(_warn, f"callerid cannot fetch {self._source}: {problem}; {self._machine.outlook(now)}{MEND}")


def _warn(text: str) -> None:
    with contextlib.suppress(Exception):  # a handler may fail, and the thread that fetches must live
        _logger.warning("%s", text)
