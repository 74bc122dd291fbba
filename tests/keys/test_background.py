"""The one thread that does the work of all key sets, and when it is not the only one."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from callerid.keys.background import MOST_THREADS, Background, Work
from tests.keys import eventually

LATER = 60.0  # seconds that no test waits out


class Chore:
    """A job that is due when a test says so, and whose work lasts until the test lets it end."""

    def __init__(self, *, seconds: float = 0.0, lasts: threading.Event | None = None) -> None:
        self.due_at = time.monotonic() + seconds
        self.workers: list[threading.Thread] = []
        self._lasts = lasts
        self.done = 0

    def seconds_until_due(self) -> float:
        return self.due_at - time.monotonic()

    def take(self) -> Work | None:
        if self.seconds_until_due() > 0:
            return None
        self.due_at = time.monotonic() + LATER
        return self.work

    def work(self) -> None:
        self.workers.append(threading.current_thread())
        if self._lasts is not None:
            self._lasts.wait()
        self.done += 1


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.wake(Chore())  # discarded at once: the thread that looks for it finds no job left, and ends


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Ends the work that waits for it."""
    end = threading.Event()
    yield end
    end.set()


def begun(background: Background, chore: Chore) -> threading.Thread:
    """The thread that has begun this chore's work."""
    assert background.wake(chore)
    eventually(lambda: chore.workers)
    return chore.workers[-1]


def redone(background: Background, chore: Chore) -> threading.Thread:
    """The thread that does this chore's work once more."""
    done, chore.due_at = chore.done, time.monotonic()
    assert background.wake(chore)
    eventually(lambda: chore.done > done)
    return chore.workers[-1]


def test_one_thread_does_the_work_of_all_jobs_and_lets_the_process_exit(background: Background) -> None:
    workers = set()
    for chore in [Chore(), Chore(), Chore()] * 3:
        workers.add(redone(background, chore))
        eventually(lambda: background._free == 1)
    assert [(worker.name, worker.daemon) for worker in workers] == [("callerid-keys", True)]


def test_work_is_done_when_it_falls_due_without_a_further_word(background: Background) -> None:
    chore = Chore(seconds=0.05)
    assert background.wake(chore)
    assert chore.done == 0
    eventually(lambda: chore.done == 1)


def test_work_that_falls_due_sooner_is_not_kept_waiting_by_what_is_due_later(background: Background) -> None:
    later, soon = Chore(seconds=LATER), Chore(seconds=0.05)
    assert background.wake(later)
    assert background.wake(soon)
    eventually(lambda: soon.done == 1)
    assert later.done == 0


def test_work_that_hangs_delays_no_other(background: Background, end: threading.Event) -> None:
    hanging, other = Chore(lasts=end), Chore()
    stuck = begun(background, hanging)
    threads = {redone(background, other) for _ in range(3)}
    assert stuck not in threads
    assert hanging.done == 0


def test_further_threads_end_with_the_work_that_they_are_for(background: Background, end: threading.Event) -> None:
    chores = [Chore(lasts=end) for _ in range(5)]
    threads = {begun(background, chore) for chore in chores}
    assert len(threads) == 5
    end.set()
    eventually(lambda: sum(thread.is_alive() for thread in threads) == 1)
    assert redone(background, chores[0]).is_alive()
    eventually(lambda: background._threads == 1)


def test_work_that_falls_due_later_starts_no_further_thread_and_is_done_by_one_that_comes_free(
    background: Background, end: threading.Event
) -> None:
    hanging, other = Chore(lasts=end), Chore(seconds=LATER)
    thread = begun(background, hanging)
    assert background.wake(other)
    assert background._threads == 1
    other.due_at = time.monotonic()
    end.set()
    eventually(lambda: other.done)
    assert other.workers == [thread]


def test_the_thread_that_stays_learns_when_the_work_of_one_that_ends_falls_due_again(
    background: Background, end: threading.Event
) -> None:
    hanging, other = Chore(lasts=end), Chore()
    ending = begun(background, hanging)
    begun(background, other)
    eventually(lambda: background._free == 1)
    hanging.due_at = time.monotonic() + 0.1  # as after a failure
    end.set()
    ending.join()
    too_late = time.monotonic() + 2
    eventually(lambda: hanging.done == 2 or time.monotonic() > too_late)
    assert hanging.done == 2


def test_a_discarded_job_is_held_by_nobody_and_its_thread_goes_on_for_others(background: Background) -> None:
    chore = Chore()
    thread = redone(background, chore)
    held = weakref.ref(chore)
    chore.workers.clear()
    eventually(lambda: background._free == 1)
    del chore
    assert held() is None
    assert redone(background, Chore()) is thread


def test_the_thread_ends_when_its_last_job_is_discarded_during_its_work_and_another_takes_its_place(
    background: Background, end: threading.Event
) -> None:
    chore = Chore(lasts=end)
    thread = begun(background, chore)
    held = weakref.ref(chore)
    del chore
    end.set()
    thread.join()
    gc.collect()
    assert held() is None
    assert redone(background, Chore()) is not thread


def test_a_free_thread_will_do_where_no_further_one_can_be_had(background: Background) -> None:
    redone(background, Chore())
    eventually(lambda: background._free == 1)
    first, second = Chore(seconds=LATER), Chore()
    assert background.wake(first)
    first.due_at = time.monotonic()
    size = threading.stack_size(1 << 48)
    try:
        assert background.wake(second)
    finally:
        threading.stack_size(size)
    eventually(lambda: first.done and second.done)


def test_there_are_never_more_threads_than_the_bound(background: Background, end: threading.Event) -> None:
    chores = [Chore(lasts=end) for _ in range(MOST_THREADS)]
    for chore in chores:
        begun(background, chore)
    refused = Chore()
    assert not background.wake(refused)
    assert background._threads == MOST_THREADS
    end.set()
    eventually(lambda: refused.done)  # by a thread that came free
    eventually(lambda: background._threads == 1)


@pytest.fixture
def no_room_for_threads() -> Iterator[Callable[[], None]]:
    """The system gives no thread until the test calls this."""

    def give() -> None:
        threading.stack_size(0)

    threading.stack_size(1 << 48)
    yield give
    give()


def test_a_system_that_gives_no_thread_is_asked_again(background: Background, no_room_for_threads: Callable[[], None]) -> None:
    chore = Chore()
    assert not background.wake(chore)
    no_room_for_threads()
    assert background.wake(chore)
    eventually(lambda: chore.done)
    assert len(chore.workers) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_work_ends_is_followed_by_another(background: Background) -> None:
    class Exiting(Chore):
        def work(self) -> None:
            super().work()
            raise SystemExit

    first, other = Exiting(), Chore()
    thread = begun(background, first)
    thread.join()
    assert redone(background, other) is not thread


def test_no_wake_is_lost_whoever_calls_it(background: Background) -> None:
    def wake_often(chore: Chore) -> int:
        for _ in range(200):
            redone(background, chore)
        return chore.done

    chores = [Chore(seconds=LATER) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wake_often, chores)) == [200] * 8
    eventually(lambda: background._threads == background._free == 1)
