"""The runner around the machine: the thread that fetches, and everybody who waits for it."""

import asyncio
import logging
import math
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio

from callerid import KeysUnavailable, Unauthenticated, Verifier
from callerid.keys.background import MOST_THREADS, background
from callerid.keys.fetch import Fetcher, FetchError
from callerid.keys.keyset import KeyDocumentError, parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.material import Key
from callerid.keys.remote import A_MOMENT, MEND, RemoteKeys
from tests.keys import Endpoint, Gate, eventually, hang, keys_of, send
from tests.support import AUDIENCE, LOGIN, Clock, FakeIssuer

ALG = "ES256"


@pytest.fixture
def rotating() -> Iterator[FakeIssuer]:
    """An issuer whose keys a test may change."""
    with FakeIssuer(algorithm=ALG) as issuer:
        yield issuer


def remote(url: str, clock: Callable[[], float] | None = None, *, stale_if_error: float = 3600, source: str = "keys") -> RemoteKeys:
    return RemoteKeys(Fetcher(url), parse_jwks, lifetime_of, stale_if_error=stale_if_error, source=source, clock=clock)


def find_in_thread(keys: RemoteKeys, kid: str) -> Key:
    return keys.find(kid, ALG)


def find_in_asyncio(keys: RemoteKeys, kid: str) -> Key:
    return asyncio.run(keys.afind(kid, ALG))


def find_in_trio(keys: RemoteKeys, kid: str) -> Key:
    found: Key = trio.run(keys.afind, kid, ALG)
    return found


def warm_up_in_thread(keys: RemoteKeys, seconds: float) -> None:
    keys.warm_up(seconds)


def warm_up_in_asyncio(keys: RemoteKeys, seconds: float) -> None:
    asyncio.run(keys.awarm_up(seconds))


def warm_up_in_trio(keys: RemoteKeys, seconds: float) -> None:
    trio.run(keys.awarm_up, seconds)


Find = Callable[[RemoteKeys, str], Key]
WarmUp = Callable[[RemoteKeys, float], None]
in_every_world = pytest.mark.parametrize("find", [find_in_thread, find_in_asyncio, find_in_trio])
warm_in_every_world = pytest.mark.parametrize("warm_up", [warm_up_in_thread, warm_up_in_asyncio, warm_up_in_trio])
on_both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def refused(find: Find, keys: RemoteKeys, kid: str) -> tuple[str, int | None]:
    with pytest.raises((Unauthenticated, KeysUnavailable)) as raised:
        find(keys, kid)
    return raised.value.reason, raised.value.retry_after


# Who waits, and for how long


def test_a_hundred_cold_lookups_of_threads_and_tasks_make_one_fetch(rotating: FakeIssuer, clock: Clock) -> None:
    waiting = threading.Barrier(52)

    def find_after_the_others() -> Key:
        waiting.wait()
        return keys.find(rotating.kid, ALG)

    async def fifty_tasks() -> list[Key]:
        tasks = [asyncio.create_task(keys.afind(rotating.kid, ALG)) for _ in range(50)]
        await asyncio.sleep(0)
        waiting.wait()
        return await asyncio.gather(*tasks)

    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint, ThreadPoolExecutor(51) as pool:
        keys = remote(endpoint.url, clock)
        found = [pool.submit(find_after_the_others) for _ in range(50)]
        found_by_tasks = pool.submit(asyncio.run, fifty_tasks())
        waiting.wait()
        eventually(lambda: endpoint.requests)
        gate.open()
        assert {key.result().kid for key in found} | {key.kid for key in found_by_tasks.result()} == {rotating.kid}
        assert len(endpoint.requests) == 1


@in_every_world
def test_a_cold_outage_is_503_until_the_endpoint_recovers(find: Find, rotating: FakeIssuer, clock: Clock) -> None:
    rotating.status = 500
    keys = remote(rotating.jwks_uri, clock)
    assert refused(find, keys, rotating.kid) == ("keys_unavailable", 1)
    assert refused(find, keys, rotating.kid) == ("keys_unavailable", 1)
    assert rotating.requests == 1
    rotating.status = 200
    clock.advance(5)
    assert find(keys, rotating.kid).kid == rotating.kid
    assert rotating.requests == 2


@in_every_world
def test_a_new_kid_is_accepted_after_one_fetch(find: Find, rotating: FakeIssuer) -> None:
    keys = remote(rotating.jwks_uri)
    find(keys, rotating.kid)
    rotating.rotate()
    assert find(keys, rotating.kid).kid == rotating.kid
    assert rotating.requests == 2


@in_every_world
def test_a_kid_that_does_not_exist_is_401_after_one_fetch_for_everybody(find: Find, rotating: FakeIssuer, clock: Clock) -> None:
    keys = remote(rotating.jwks_uri, clock)
    find(keys, rotating.kid)
    for bogus in ("bogus-1", "bogus-1", "bogus-2"):
        assert refused(find, keys, bogus) == ("unknown_key", None)
    assert rotating.requests == 2


@in_every_world
def test_a_kid_that_a_failed_fetch_would_decide_about_is_503(find: Find, rotating: FakeIssuer, clock: Clock) -> None:
    keys = remote(rotating.jwks_uri, clock)
    find(keys, rotating.kid)
    rotating.status = 500
    assert refused(find, keys, "bogus") == ("keys_unavailable", 15)
    assert find(keys, rotating.kid).kid == rotating.kid


def test_threads_wait_two_seconds_for_the_first_keys_and_tasks_five(rotating: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url, clock)
        keys.refresh()
        eventually(lambda: endpoint.requests)
        clock.advance(2)
        assert refused(find_in_thread, keys, rotating.kid) == ("keys_unavailable", 1)
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(keys.afind(rotating.kid, ALG), 0.05))
        clock.advance(3)
        assert refused(find_in_asyncio, keys, rotating.kid) == ("keys_unavailable", 1)


@in_every_world
def test_known_keys_are_served_while_a_refresh_hangs_and_strangers_do_not_wait_for_it(
    find: Find, rotating: FakeIssuer, clock: Clock
) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(send(keys_of(rotating))) as endpoint:
        keys = remote(endpoint.url, clock)
        key = find(keys, rotating.kid)
        endpoint.script = gate
        clock.advance(800)
        assert find(keys, rotating.kid) is key
        eventually(lambda: len(endpoint.requests) == 2)
        clock.advance(1)
        assert find(keys, rotating.kid) is key
        assert keys.holds(key)
        assert refused(find, keys, "bogus") == ("keys_unavailable", 1)


@on_both_loops
def test_a_cancelled_waiter_cancels_neither_the_fetch_nor_another_waiter(backend: str, rotating: FakeIssuer, clock: Clock) -> None:
    found = []

    async def find() -> None:
        found.append(await keys.afind(rotating.kid, ALG))

    async def cancel_a_waiter() -> None:
        async with anyio.create_task_group() as others, anyio.create_task_group() as cancelled:
            others.start_soon(find)
            cancelled.start_soon(find)
            await anyio.to_thread.run_sync(eventually, lambda: endpoint.requests)
            cancelled.cancel_scope.cancel()
            others.start_soon(anyio.to_thread.run_sync, gate.open)

    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url, clock)
        anyio.run(cancel_a_waiter, backend=backend)
        assert [key.kid for key in found] == [rotating.kid]
        assert len(endpoint.requests) == 1


@in_every_world
def test_a_hanging_issuer_delays_no_others_first_load_rotation_or_refresh(find: Find, rotating: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        hanging, keys = remote(endpoint.url), remote(rotating.jwks_uri, clock)
        hanging.refresh()
        eventually(lambda: endpoint.requests)
        first = find(keys, rotating.kid)
        rotating.rotate()
        find(keys, rotating.kid)
        clock.advance(3600)
        assert find(keys, first.kid or "") == first
        eventually(lambda: rotating.requests == 3)
        assert hanging.status()["state"] == "cold"


def test_a_fetch_that_does_not_end_is_given_up_and_its_late_answer_ignored(rotating: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url, clock)
        keys.refresh()
        eventually(lambda: endpoint.requests)
        rotating.rotate()
        endpoint.script = send(keys_of(rotating))
        clock.advance(15)
        assert keys.find(rotating.kid, ALG).kid == rotating.kid
        gate.open()
        eventually(lambda: background()._threads == 1)
        assert keys.status()["key_ids"] == rotating.published
        assert keys.status()["failures"] == 1


# What is held


def test_a_removed_key_is_gone_at_the_next_refresh_and_remembered_tokens_with_it(rotating: FakeIssuer) -> None:
    verifier = Verifier([rotating.google()], audience=AUDIENCE)
    old, old_kid = rotating.token(LOGIN, AUDIENCE), rotating.kid
    assert verifier.verify(old) is verifier.verify(old)
    rotating.rotate()
    rotating.published.remove(old_kid)
    verifier.verify(rotating.token(LOGIN, AUDIENCE))
    with pytest.raises(Unauthenticated) as raised:
        verifier.verify(old)
    assert raised.value.reason == "unknown_key"


def test_other_material_under_the_same_kid_is_another_key(rotating: FakeIssuer, clock: Clock) -> None:
    keys = remote(rotating.jwks_uri, clock)
    key = keys.find(rotating.kid, ALG)
    assert keys.holds(key)
    rotating.published.clear()
    rotating.add_key(rotating.kid)
    clock.advance(3600)
    assert keys.holds(key)  # stale, and this wakes the refresh
    eventually(lambda: not keys.holds(key))
    assert keys.find(rotating.kid, ALG).material != key.material


def test_nothing_is_held_before_the_first_load_or_after_the_stale_window(rotating: FakeIssuer, clock: Clock) -> None:
    keys, others = remote(rotating.jwks_uri, clock, stale_if_error=100), remote(rotating.jwks_uri, clock)
    key = keys.find(rotating.kid, ALG)
    rotating.status = 500
    assert not others.holds(key)
    clock.advance(3600 + 99)
    assert keys.holds(key)
    clock.advance(1)
    assert not keys.holds(key)


def test_status_and_ready_tell_what_is_held(rotating: FakeIssuer, clock: Clock) -> None:
    keys = remote(rotating.jwks_uri, clock, stale_if_error=100)
    assert (keys.ready, keys.status()["state"]) == (False, "cold")
    keys.find(rotating.kid, ALG)
    clock.advance(60)
    assert (keys.ready, keys.status()["state"], keys.status()["age"]) == (True, "fresh", 60)
    clock.advance(3600 + 40)
    assert (keys.ready, keys.status()["state"]) == (False, "expired")


# The thread


PROCESS = """
    import os, sys, threading
    from callerid.keys.fetch import Fetcher
    from callerid.keys.keyset import parse_jwks
    from callerid.keys.lifetime import lifetime_of
    from callerid.keys.remote import A_MOMENT, RemoteKeys

    def remote(url):
        return RemoteKeys(lambda: Fetcher(url)(60), parse_jwks, lifetime_of, stale_if_error=0)

    def say(word):
        print(word, flush=True)
        return sys.stdin.readline().strip()
"""


@contextmanager
def process(code: str, *arguments: str, options: tuple[str, ...] = (), measured: bool = True) -> Iterator[Callable[..., None]]:
    """A process that runs this code and ends well, with nothing on standard error. Yields how to await a word and answer it."""
    environ = {name: value for name, value in os.environ.items() if measured or not name.startswith("COVERAGE_")}
    command = [sys.executable, *options, "-c", textwrap.dedent(PROCESS) + textwrap.dedent(code), *arguments]
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, text=True, env=environ, **pipes) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        words, answers = running.stdout, running.stdin

        def expect(word: str, reply: Callable[[], str] = str) -> None:
            assert words.readline().strip() == word
            print(reply(), file=answers, flush=True)

        yield expect
        assert running.stderr.read() == ""
        assert running.wait(30) == 0


ONE_THREAD = """
    from callerid.keys.material import Key

    def names():
        return [thread.name for thread in threading.enumerate()][1:]

    def settle():
        while len(names()) > 1:
            pass

    several = [remote(url) for url in sys.argv[1:]]
    assert names() == []
    for keys in several:
        assert not keys.holds(Key("other", b"", frozenset(), None))
        settle()
    assert names() == ["callerid-keys"]
    for word in ("kid", "rotated kid"):
        for keys in several:
            kid = say(word)
            assert keys.find(kid, "ES256").kid == kid
            settle()
    assert names() == ["callerid-keys"]
"""


def test_several_key_sets_have_one_thread_and_it_starts_on_first_need(rotating: FakeIssuer) -> None:
    with (
        FakeIssuer(algorithm=ALG) as second,
        process(ONE_THREAD, rotating.jwks_uri, second.jwks_uri) as expect,
    ):
        for issuer in (rotating, second):
            expect("kid", lambda issuer=issuer: issuer.kid)
        for issuer in (rotating, second):
            expect("rotated kid", issuer.rotate)


def test_a_fetch_that_ends_while_the_next_is_due_needs_no_further_thread(
    rotating: FakeIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Looking(logging.Handler):
        """Looks for work while the thread that has fetched tells of it."""

        def emit(self, record: logging.LogRecord) -> None:
            if not due and "these keys" in record.getMessage():
                clock.advance(60)
                due.append(keys.seconds_until_due())

    due: list[float] = []
    keys = remote(rotating.jwks_uri, clock, source="these keys")
    keys.find(rotating.kid, ALG)
    rotating.status = 500
    clock.advance(20_000)
    monkeypatch.setattr(logging.getLogger("callerid"), "handlers", [Looking()])
    keys.refresh()
    eventually(lambda: due)
    eventually(lambda: rotating.requests == 3)
    assert due == [A_MOMENT]


def test_a_prefetch_makes_the_first_request_wait_less(rotating: FakeIssuer) -> None:
    keys = remote(rotating.jwks_uri)
    keys.refresh()
    eventually(lambda: rotating.requests)
    keys.find(rotating.kid, ALG)
    assert rotating.requests == 1


def test_nobody_holds_a_discarded_key_set_when_its_fetch_has_ended(rotating: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        warm, cold = remote(rotating.jwks_uri, clock), remote(endpoint.url, clock)
        warm.find(rotating.kid, ALG)
        cold.refresh()
        eventually(lambda: endpoint.requests)
        held = [weakref.ref(warm), weakref.ref(cold)]
        del warm, cold
        eventually(lambda: held[0]() is None)
        gate.open()
        eventually(lambda: held[1]() is None)


class Endless:
    """A job that keeps a thread of the background."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._is_due = True
        self.runs = threading.Event()

    def seconds_until_due(self) -> float:
        return 0.0 if self._is_due else 3600.0

    def take(self) -> Callable[[], None] | None:
        is_due, self._is_due = self._is_due, False
        return self._work if is_due else None

    def _work(self) -> None:
        self.runs.set()
        self._end.wait()

    def end(self) -> None:
        self._is_due = False
        self._end.set()


@contextmanager
def no_thread_to_be_had() -> Iterator[None]:
    """Every thread that the background may have is at work."""
    eventually(lambda: background()._threads <= 1)
    endless = [Endless() for _ in range(MOST_THREADS)]
    try:
        for job in endless:
            background().wake(job)
            job.runs.wait()
        yield
    finally:
        for job in endless:
            job.end()
    eventually(lambda: background()._threads <= 1)


@in_every_world
def test_where_no_thread_can_be_had_a_request_finds_that_the_attempt_has_failed(
    find: Find, rotating: FakeIssuer, clock: Clock
) -> None:
    keys = remote(rotating.jwks_uri, clock)
    with no_thread_to_be_had():
        keys.refresh()
        for _ in range(2):
            assert refused(find, keys, rotating.kid) == ("keys_unavailable", 1)
            assert (keys.status()["failures"], keys.status()["last_error"]) == (1, "no thread can be started")
    clock.advance(1)
    assert find(keys, rotating.kid).kid == rotating.kid
    assert rotating.requests == 1


# A start that waits


class Ticking(Clock):
    """A clock that goes on by a millisecond whenever somebody looks."""

    def __call__(self) -> float:
        self.advance(0.001)
        return self.now


@warm_in_every_world
def test_a_warm_up_ends_when_there_are_keys_and_makes_one_fetch(warm_up: WarmUp, rotating: FakeIssuer, clock: Clock) -> None:
    keys = remote(rotating.jwks_uri, clock)
    warm_up(keys, 60)
    assert keys.ready
    warm_up(keys, 0)
    assert rotating.requests == 1


@warm_in_every_world
def test_a_warm_up_waits_for_the_fetch_that_runs(warm_up: WarmUp, rotating: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint, ThreadPoolExecutor(1) as pool:
        keys = remote(endpoint.url, clock)
        keys.refresh()
        eventually(lambda: endpoint.requests)
        warm = pool.submit(warm_up, keys, 60)
        eventually(lambda: keys._ended)
        gate.open()
        warm.result()
        assert keys.ready
        assert len(endpoint.requests) == 1


@warm_in_every_world
def test_a_warm_up_waits_for_the_next_attempt(warm_up: WarmUp, rotating: FakeIssuer) -> None:
    clock = Ticking()
    keys = remote(rotating.jwks_uri, clock)
    rotating.status = 500
    refused(find_in_thread, keys, rotating.kid)
    rotating.status = 200
    clock.advance((keys.status()["next_refresh"] or 0) - 0.02)
    warm_up(keys, 60)
    assert keys.ready
    assert rotating.requests == 2


def said_when_the_time_is_over(warm_up: WarmUp, keys: RemoteKeys) -> str:
    with pytest.raises(KeysUnavailable) as raised:
        warm_up(keys, 0.05)
    assert raised.value.__notes__ == [raised.value.note]
    return raised.value.note


@warm_in_every_world
def test_a_warm_up_says_what_is_wrong_when_its_time_is_over(warm_up: WarmUp, rotating: FakeIssuer) -> None:
    keys = remote(rotating.jwks_uri)
    rotating.status = 500
    refused(find_in_thread, keys, rotating.kid)
    assert said_when_the_time_is_over(warm_up, keys) == f"keys: {keys.status()['last_error']}"


@warm_in_every_world
def test_a_warm_up_whose_time_is_over_leaves_the_fetch_alone(warm_up: WarmUp, rotating: FakeIssuer) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url)
        keys.refresh()
        eventually(lambda: endpoint.requests)
        assert said_when_the_time_is_over(warm_up, keys) == "keys: no answer yet"
        gate.open()
        eventually(lambda: keys.ready)
        assert len(endpoint.requests) == 1


@on_both_loops
def test_a_cancelled_warm_up_leaves_the_fetch_alone(backend: str, rotating: FakeIssuer, clock: Clock) -> None:
    async def cancel_a_warm_up() -> None:
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(keys.awarm_up, 60)
            await anyio.to_thread.run_sync(eventually, lambda: endpoint.requests)
            cancelled.cancel_scope.cancel()

    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url, clock)
        anyio.run(cancel_a_warm_up, backend=backend)
        gate.open()
        eventually(lambda: keys.ready)
        assert len(endpoint.requests) == 1


class Prompt(RemoteKeys):
    """Keys that are here as soon as somebody asks that they be fetched."""

    def refresh(self) -> None:
        super().refresh()
        eventually(lambda: self.ready)


@on_both_loops
def test_a_warm_up_ends_with_a_fetch_that_ends_before_it_begins_to_wait(backend: str, rotating: FakeIssuer) -> None:
    async def warm_up() -> None:
        with anyio.fail_after(2):
            await keys.awarm_up(60)

    keys = Prompt(Fetcher(rotating.jwks_uri), parse_jwks, lifetime_of, stale_if_error=0)
    anyio.run(warm_up, backend=backend)


WARM_UP = """
    keys = remote(sys.argv[1])
    keys.warm_up(30)
    assert keys.ready
    assert threading.enumerate() == [threading.main_thread()]
"""


def test_a_warm_up_starts_no_thread(rotating: FakeIssuer) -> None:
    with process(WARM_UP, rotating.jwks_uri):
        pass
    assert rotating.requests == 1


# Failures


class Failing:
    """A step of a load that raises, until it is told to work."""

    def __init__(self, error: BaseException, works: Callable[[Any], Any]) -> None:
        self.error: BaseException | None = error
        self._works = works

    def __call__(self, *argument: Any) -> Any:
        if self.error is not None:
            raise self.error
        return self._works(*argument)


class Interruption(BaseException):
    """What a signal's handler may raise."""


def test_an_interrupted_warm_up_is_a_failed_attempt(rotating: FakeIssuer, clock: Clock) -> None:
    failing = Failing(Interruption(), Fetcher(rotating.jwks_uri))
    keys = RemoteKeys(failing, parse_jwks, lifetime_of, stale_if_error=0, clock=clock)
    with pytest.raises(Interruption):
        keys.warm_up(60)
    assert keys.status()["last_error"] == "interrupted"
    failing.error = None
    clock.advance(1)
    assert keys.find(rotating.kid, ALG).kid == rotating.kid


ERRORS = [FetchError("down"), KeyDocumentError("junk"), RuntimeError("secret"), RecursionError("secret"), MemoryError("secret")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("step", ["fetch", "parse", "lifetime"])
def test_no_exception_ends_the_fetching(
    step: str, error: Exception, rotating: FakeIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    steps: dict[str, Any] = {"fetch": Fetcher(rotating.jwks_uri), "parse": parse_jwks, "lifetime": lifetime_of}
    failing = steps[step] = Failing(error, steps[step])
    keys = RemoteKeys(**steps, stale_if_error=0, clock=clock)
    assert refused(find_in_thread, keys, rotating.kid) == ("keys_unavailable", 1)
    failing.error = None
    clock.advance(1)
    keys.find(rotating.kid, ALG)
    assert "secret" not in caplog.text


def test_a_logging_handler_that_fails_does_not_end_the_fetching(rotating: FakeIssuer, clock: Clock) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError

    keys = remote(rotating.jwks_uri, clock)
    rotating.status = 500
    logger = logging.getLogger("callerid")
    logger.addFilter(fail)
    try:
        assert refused(find_in_thread, keys, rotating.kid) == ("keys_unavailable", 1)
    finally:
        logger.removeFilter(fail)
    rotating.status = 200
    clock.advance(1)
    assert keys.find(rotating.kid, ALG).kid == rotating.kid


class Told:
    """What the operator reads, and when, while a test plays the background."""

    def __init__(self, keys: RemoteKeys, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "callerid")
        self._keys, self._clock, self._caplog = keys, clock, caplog
        self._began = clock.now

    def messages(self) -> list[str]:
        """Those about this test's keys: another's, discarded, may be told of behind its back."""
        return [message for message in self._caplog.messages if "this test's keys" in message]

    def until(self, moment: float) -> list[tuple[float, str]]:
        """The moments and the messages from now on, with every attempt and reminder in its time."""
        told: list[tuple[float, str]] = []
        while (seconds := max(0.0, self._keys.seconds_until_due())) <= self._began + moment - self._clock.now:
            self._clock.advance(seconds)
            self._caplog.clear()
            work = self._keys.take()
            assert work is not None
            work()
            told.extend((self._clock.now - self._began, message) for message in self.messages())
        self._clock.now = self._began + moment
        return told


def test_an_outage_is_told_at_once_and_each_minute_that_it_goes_on_with_what_it_means(
    rotating: FakeIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = remote(rotating.jwks_uri, clock, stale_if_error=120, source="this test's keys")
    told = Told(keys, clock, caplog)
    rotating.max_age = 1000
    rotating.status = 503
    problem, meaning = "callerid cannot fetch this test's keys: ", f"; tokens are answered 503{MEND}"
    warnings = told.until(150)
    assert [moment for moment, _ in warnings] == [0, 60, 120]
    assert {message for _, message in warnings} == {f"{problem}{keys.status()['last_error']}{meaning}"}

    rotating.status = 200
    [(recovery, message)] = told.until(700)
    assert recovery <= 155
    assert message == "callerid fetches this test's keys again"

    rotating.status = 404
    warnings = told.until(1400)
    first = warnings[0][0]
    assert recovery + 750 <= first <= recovery + 800
    assert [moment - first for moment, _ in warnings] == pytest.approx([60 * minute for minute in range(len(warnings))])
    ends = recovery + 1000 + 120
    problem += keys.status()["last_error"] or ""
    assert {message for moment, message in warnings if moment >= ends} == {problem + meaning}
    for moment, message in warnings:
        hours, minutes = divmod(math.ceil((ends - moment) / 60), 60)
        assert moment >= ends or message == f"{problem}; the last good keys serve on, for at most {hours} h {minutes} min{MEND}"


def test_a_failure_while_keys_are_fresh_is_told_once(rotating: FakeIssuer, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    keys = remote(rotating.jwks_uri, clock, source="this test's keys")
    keys.find(rotating.kid, ALG)
    rotating.status = 500
    told = Told(keys, clock, caplog)
    refused(find_in_thread, keys, "bogus")
    eventually(lambda: len(told.messages()) == 1)
    assert told.until(2600) == []


# Forks


FORK = """
    from callerid.issuers import Issuer

    url, kid = sys.argv[1:]
    keys = Issuer("https://issuer.example", jwks_uri=url, algorithms=["ES256"]).key_set
    {before}
    child = os.fork()
    if not child:
        {after}
        say("child is done")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    sys.exit(status)
"""


@contextmanager
def forking(url: str, kid: str, *, before: str, after: str) -> Iterator[Callable[..., None]]:
    """A process that does something, forks, and does another thing in the child."""
    with process(FORK.format(before=before, after=after), url, kid) as expect:
        yield expect


def test_a_forked_child_has_the_keys_and_fetches_a_rotated_one_by_itself(rotating: FakeIssuer) -> None:
    first = rotating.kid
    with forking(
        rotating.jwks_uri,
        first,
        before='keys.find(kid, "ES256"); new = say("warm")',
        after='assert keys.find(kid, "ES256").kid == kid; say("known"); assert keys.find(new, "ES256").kid == new',
    ) as expect:
        expect("warm", rotating.rotate)
        expect("known")
        assert rotating.requests == 1
        expect("child is done")
    assert rotating.requests == 2


def test_a_forked_child_ends_no_fetch_of_its_parent(rotating: FakeIssuer) -> None:
    keys = remote(rotating.jwks_uri)
    keys._ending = True  # as at a fork in that very moment
    keys.renew()
    assert keys.seconds_until_due() < 0


def test_a_forked_child_does_not_wait_for_its_parents_fetch(rotating: FakeIssuer) -> None:
    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        with forking(
            endpoint.url,
            rotating.kid,
            before='keys.refresh(); say("begun")',
            after='assert keys.find(kid, "ES256").kid == kid',
        ) as expect:
            eventually(lambda: endpoint.requests)
            endpoint.script = send(keys_of(rotating))
            expect("begun")
            expect("child is done")
        assert len(endpoint.requests) == 2


def test_a_forked_child_has_the_keys_that_its_parent_has_warmed_up(rotating: FakeIssuer) -> None:
    with forking(
        rotating.jwks_uri, rotating.kid, before="keys.warm_up(30)", after='assert keys.find(kid, "ES256").kid == kid'
    ) as expect:
        expect("child is done")
    assert rotating.requests == 1


# The end of the process


EXITS = {
    "thread": """
        keys.refresh()
        say("begun")
    """,
    "asyncio": """
        import asyncio

        async def main():
            asyncio.get_running_loop().slow_callback_duration = 60
            waiting = asyncio.create_task(keys.afind("kid", "ES256"))
            await asyncio.to_thread(say, "begun")

        asyncio.run(main(), debug=True)
    """,
    "trio": """
        import trio

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keys.afind, "kid", "ES256")
                await trio.to_thread.run_sync(say, "begun")
                nursery.cancel_scope.cancel()

        trio.run(main)
    """,
}


@pytest.mark.parametrize("world", EXITS)
def test_a_process_ends_during_a_fetch_without_waiting_and_without_a_word(world: str) -> None:
    code = "    keys = remote(sys.argv[1])\n" + textwrap.indent(textwrap.dedent(EXITS[world]), "    ")
    with Endpoint(hang) as endpoint, process(code, endpoint.url, options=("-X", "dev"), measured=False) as expect:
        eventually(lambda: endpoint.requests)
        expect("begun")
