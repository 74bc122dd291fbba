"""The runner around the machine: one thread that fetches, and everybody who waits for it."""

import asyncio
import json
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from callerid import KeysUnavailable, Unauthenticated, Verifier
from callerid.keys.fetch import Fetcher, FetchError, lifetime_of
from callerid.keys.keyset import KeyDocumentError, parse_jwks
from callerid.keys.material import Key
from callerid.keys.remote import RemoteKeys, SuspendAwareClock
from callerid.testing import FakeIssuer
from tests.keys import Endpoint, answer, eventually, send
from tests.support import AUDIENCE, LOGIN, Clock

ALG = "ES256"


@pytest.fixture
def rotating() -> Iterator[FakeIssuer]:
    """An issuer whose keys a test may change."""
    with FakeIssuer(algorithm=ALG) as issuer:
        yield issuer


def remote(url: str, clock: Callable[[], float] | None = None, *, stale_if_error: float = 3600) -> RemoteKeys:
    return RemoteKeys(Fetcher(url), parse_jwks, lifetime_of, stale_if_error=stale_if_error, clock=clock)


def serving(issuer: FakeIssuer) -> bytes:
    return answer(json.dumps(issuer.jwks()).encode(), "Cache-Control: max-age=1000")


def find_in_thread(keys: RemoteKeys, kid: str) -> Key:
    return keys.find(kid, ALG)


def find_in_asyncio(keys: RemoteKeys, kid: str) -> Key:
    return asyncio.run(keys.afind(kid, ALG))


def find_in_trio(keys: RemoteKeys, kid: str) -> Key:
    found: Key = trio.run(keys.afind, kid, ALG)
    return found


Find = Callable[[RemoteKeys, str], Key]
in_every_world = pytest.mark.parametrize("find", [find_in_thread, find_in_asyncio, find_in_trio])


class Gate:
    """An endpoint's script that answers once it is opened."""

    def __init__(self, response: bytes) -> None:
        self._open = threading.Event()
        self._response = response

    def __call__(self, connection: Any) -> None:
        self._open.wait()
        connection.sendall(self._response)

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *exception: object) -> None:
        self.open()

    def open(self) -> None:
        self._open.set()


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

    with Gate(serving(rotating)) as gate, Endpoint(gate) as endpoint, ThreadPoolExecutor(51) as pool:
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
    with Gate(serving(rotating)) as gate, Endpoint(gate) as endpoint:
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
    with Gate(serving(rotating)) as gate, Endpoint(send(serving(rotating))) as endpoint:
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


def test_a_cancelled_waiter_does_not_cancel_the_fetch(rotating: FakeIssuer, clock: Clock) -> None:
    async def cancel_a_waiter() -> None:
        waiter = asyncio.create_task(keys.afind(rotating.kid, ALG))
        await asyncio.to_thread(eventually, lambda: endpoint.requests)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter

    with Gate(serving(rotating)) as gate, Endpoint(gate) as endpoint:
        keys = remote(endpoint.url, clock)
        asyncio.run(cancel_a_waiter())
        gate.open()
        assert keys.find(rotating.kid, ALG).kid == rotating.kid
        assert len(endpoint.requests) == 1


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


# The thread


@contextmanager
def new_threads() -> Iterator[Callable[[], list[str]]]:
    before = set(threading.enumerate())
    yield lambda: [thread.name for thread in threading.enumerate() if thread not in before and thread.name == "callerid-keys"]


def test_there_is_one_thread_and_it_starts_on_first_need(rotating: FakeIssuer) -> None:
    with new_threads() as names:
        keys = remote(rotating.jwks_uri)
        assert names() == []
        assert not keys.holds(Key("other", b"", frozenset(), None))
        assert names() == ["callerid-keys"]
        keys.refresh()
        keys.find(rotating.kid, ALG)
        rotating.rotate()
        keys.find(rotating.kid, ALG)
        assert names() == ["callerid-keys"]


def test_a_prefetch_makes_the_first_request_wait_less(rotating: FakeIssuer) -> None:
    keys = remote(rotating.jwks_uri)
    keys.refresh()
    eventually(lambda: rotating.requests)
    keys.find(rotating.kid, ALG)
    assert rotating.requests == 1


class Failing:
    """A step of a load that raises, until it is told to work."""

    def __init__(self, error: BaseException, works: Callable[[Any], Any]) -> None:
        self.error: BaseException | None = error
        self._works = works

    def __call__(self, *argument: Any) -> Any:
        if self.error is not None:
            raise self.error
        return self._works(*argument)


ERRORS = [FetchError("down"), KeyDocumentError("junk"), RuntimeError("secret"), RecursionError("secret"), MemoryError("secret")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("step", ["fetch", "parse", "lifetime"])
def test_no_exception_ends_the_fetching(
    step: str, error: Exception, rotating: FakeIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    steps: dict[str, Any] = {"fetch": Fetcher(rotating.jwks_uri), "parse": parse_jwks, "lifetime": lifetime_of}
    failing = steps[step] = Failing(error, steps[step])
    keys = RemoteKeys(**steps, stale_if_error=0, clock=clock)
    with new_threads() as names:
        assert refused(find_in_thread, keys, rotating.kid) == ("keys_unavailable", 1)
        failing.error = None
        clock.advance(1)
        keys.find(rotating.kid, ALG)
        assert len(names()) == 1
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


def test_failures_are_told_at_most_once_a_minute_with_what_they_mean(
    rotating: FakeIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def messages() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    keys = remote(rotating.jwks_uri, clock)
    rotating.status = 503
    for _ in range(10):
        refused(find_in_thread, keys, rotating.kid)
        clock.advance(5.9)
    assert messages() == [f"callerid cannot fetch keys: {rotating.jwks_uri} answered 503; tokens are answered 503"]
    clock.advance(5)
    refused(find_in_thread, keys, rotating.kid)
    assert len(messages()) == 2

    rotating.status = 200
    clock.advance(5)
    keys.find(rotating.kid, ALG)
    rotating.status = 404
    clock.advance(3600)
    keys.find(rotating.kid, ALG)
    eventually(lambda: len(messages()) == 3)
    assert messages()[-1] == f"callerid cannot fetch keys: {rotating.jwks_uri} answered 404; the last good keys serve on"


# Forks


FORK = """
    import os, sys
    from callerid.issuers import Issuer

    url, kid = sys.argv[1:]
    keys = Issuer("https://issuer.example", jwks_uri=url, algorithms=["ES256"]).key_set

    def say(word):
        print(word, flush=True)
        return sys.stdin.readline().strip()

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
    """A process that does something, forks, and does another thing in the child. Yields how to await a word and answer it."""
    code = textwrap.dedent(FORK).format(before=before, after=after)
    command = [sys.executable, "-c", code, url, kid]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        words, answers = process.stdout, process.stdin

        def expect(word: str, reply: Callable[[], str] = str) -> None:
            assert words.readline().strip() == word
            print(reply(), file=answers, flush=True)

        yield expect
    assert process.returncode == 0


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


def test_a_forked_child_does_not_wait_for_its_parents_fetch(rotating: FakeIssuer) -> None:
    with Gate(serving(rotating)) as gate, Endpoint(gate) as endpoint:
        with forking(
            endpoint.url,
            rotating.kid,
            before='keys.refresh(); say("begun")',
            after='assert keys.find(kid, "ES256").kid == kid',
        ) as expect:
            eventually(lambda: endpoint.requests)
            endpoint.script = send(serving(rotating))
            expect("begun")
            expect("child is done")
        assert len(endpoint.requests) == 2


# The clock


class Hands:
    """The two hands that a SuspendAwareClock reads."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 100.0, 1_800_000_000.0
        self.clock = SuspendAwareClock(lambda: self.monotonic, lambda: self.wall)

    def passed(self, monotonic: float, wall: float) -> float:
        """What the clock says has passed, when so much has by either hand."""
        before = self.clock()
        self.monotonic += monotonic
        self.wall += wall
        return self.clock() - before


@pytest.mark.parametrize(
    ("monotonic", "wall", "passed"),
    [
        pytest.param(10, 10, 10, id="both alike"),
        pytest.param(10, 10 + 3 * 3600, 10 + 3 * 3600, id="frozen for hours"),
        pytest.param(0, 3 * 3600, 3 * 3600, id="frozen for hours, at once"),
        pytest.param(10, 10.9, 10, id="the wall clock is slewed"),
        pytest.param(10, -3600, 10, id="the wall clock steps back"),
        pytest.param(10, 0, 10, id="the wall clock stands still"),
    ],
)
def test_as_much_passes_as_the_faster_hand_says_and_never_less_than_nothing(monotonic: float, wall: float, passed: float) -> None:
    assert Hands().passed(monotonic, wall) == pytest.approx(passed)


def test_a_step_back_is_made_up_for_by_nothing() -> None:
    hands = Hands()
    assert hands.passed(1, 1 - 7200) == pytest.approx(1)
    assert hands.passed(1, 1 + 3600) == pytest.approx(3601)


def test_short_freezes_add_up() -> None:
    hands = Hands()
    passed = sum(hands.passed(0.1, 0.6) for _ in range(1000))
    assert passed == pytest.approx(600, abs=1)


def test_a_process_that_stood_still_serves_its_first_request_with_old_keys_and_refreshes_behind(rotating: FakeIssuer) -> None:
    hands = Hands()
    keys = remote(rotating.jwks_uri, hands.clock, stale_if_error=7200)
    keys.find(rotating.kid, ALG)
    hands.wall += 2 * 3600
    keys.find(rotating.kid, ALG)
    eventually(lambda: rotating.requests == 2)
    hands.wall -= 24 * 3600
    keys.find(rotating.kid, ALG)
    hands.wall += 4 * 3600
    rotating.status = 500
    assert refused(find_in_thread, keys, rotating.kid) == ("keys_unavailable", 1)
