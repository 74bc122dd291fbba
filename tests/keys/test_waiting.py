"""Waiting in three worlds: threads, asyncio, trio."""

import threading
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from callerid.keys.waiting import Signal, call_later, within

LONG = 60.0  # seconds that no test waits out

on_both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def in_thread(signal: Signal, seconds: float) -> None:
    signal.wait(seconds)


def in_asyncio(signal: Signal, seconds: float) -> None:
    anyio.run(signal.wait_async, seconds, backend="asyncio")


def in_trio(signal: Signal, seconds: float) -> None:
    anyio.run(signal.wait_async, seconds, backend="trio")


@pytest.mark.parametrize("wait", [in_thread, in_asyncio, in_trio])
class TestWait:
    def test_ends_at_once_when_the_signal_is_set(self, wait: Callable[[Signal, float], None]) -> None:
        signal = Signal()
        signal.set()
        wait(signal, LONG)

    def test_ends_quietly_when_the_time_is_over(self, wait: Callable[[Signal, float], None]) -> None:
        wait(Signal(), 0.01)

    def test_ends_when_another_thread_sets_the_signal(self, wait: Callable[[Signal, float], None]) -> None:
        signal = Signal()
        setter = threading.Timer(0.05, signal.set)
        setter.start()
        wait(signal, LONG)
        setter.join()

    def test_leaves_nothing_that_disturbs_the_signal_when_its_loop_has_ended(self, wait: Callable[[Signal, float], None]) -> None:
        signal = Signal()
        wait(signal, 0.01)
        signal.set()
        wait(signal, LONG)


def test_one_signal_wakes_all_worlds() -> None:
    signal = Signal()
    waiters = [threading.Thread(target=wait, args=(signal, LONG)) for wait in (in_thread, in_asyncio, in_trio) * 3]
    for waiter in waiters:
        waiter.start()
    signal.set()
    for waiter in waiters:
        waiter.join(LONG)
    assert not any(waiter.is_alive() for waiter in waiters)


@on_both_loops
def test_a_cancelled_wait_disturbs_no_other(backend: str) -> None:
    signal = Signal()

    async def main() -> None:
        async with anyio.create_task_group() as others, anyio.create_task_group() as cancelled:
            others.start_soon(signal.wait_async, LONG)
            cancelled.start_soon(signal.wait_async, LONG)
            await anyio.wait_all_tasks_blocked()
            cancelled.cancel_scope.cancel()
            others.start_soon(anyio.to_thread.run_sync, signal.set)

    anyio.run(main, backend=backend)


class Stage:
    """A run that ends when it is told to, and a callback that notes that it came."""

    def __init__(self) -> None:
        self.called = anyio.Event()
        self.calls = 0

    async def callback(self) -> None:
        self.calls += 1
        self.called.set()

    async def failing_callback(self) -> None:
        await self.callback()
        raise OSError("the other side has gone")

    async def until_called(self) -> None:
        await self.called.wait()
        await anyio.sleep(0.01)


async def at_once() -> None:
    await anyio.lowlevel.checkpoint()


async def failing() -> None:
    raise KeyError("the application's own")


@on_both_loops
class TestCallLater:
    def test_calls_nothing_when_the_run_ends_before(self, backend: str) -> None:
        async def main() -> None:
            stage = Stage()
            await call_later(LONG, stage.callback, at_once)
            assert stage.calls == 0

        anyio.run(main, backend=backend)

    @pytest.mark.parametrize("seconds", [0.01, 0.0, -1.0])
    def test_calls_once_beside_the_run(self, backend: str, seconds: float) -> None:
        async def main() -> None:
            stage = Stage()
            await call_later(seconds, stage.callback, stage.until_called)
            assert stage.calls == 1

        anyio.run(main, backend=backend)

    def test_lets_the_runs_exception_through_as_it_is(self, backend: str) -> None:
        async def main() -> None:
            with pytest.raises(KeyError, match="the application's own"):
                await call_later(LONG, Stage().callback, failing)

        anyio.run(main, backend=backend)

    def test_lets_the_run_go_on_when_the_callback_fails(self, backend: str) -> None:
        async def main() -> None:
            stage = Stage()
            await call_later(0, stage.failing_callback, stage.until_called)
            assert stage.calls == 1

        anyio.run(main, backend=backend)

    def test_can_be_cancelled(self, backend: str) -> None:
        async def main() -> None:
            stage = Stage()
            with anyio.move_on_after(0.01) as scope:
                await call_later(LONG, stage.callback, anyio.sleep_forever)
            assert scope.cancelled_caught
            assert stage.calls == 0

        anyio.run(main, backend=backend)


@on_both_loops
class TestWithin:
    @pytest.mark.parametrize("seconds", [LONG, 0.01])
    def test_gives_what_the_run_returns_in_time(self, backend: str, seconds: float) -> None:
        async def run() -> str:
            return "returned"

        assert anyio.run(within, seconds, run, backend=backend) == "returned"

    @pytest.mark.parametrize("seconds", [0.01, 0.0, -1.0])
    def test_gives_nothing_when_the_time_is_over(self, backend: str, seconds: float) -> None:
        assert anyio.run(within, seconds, anyio.sleep_forever, backend=backend) is None

    @pytest.mark.parametrize("error", [KeyError, TimeoutError])
    def test_lets_the_runs_exception_through_as_it_is(self, backend: str, error: type[Exception]) -> None:
        async def run() -> None:
            raise error("the application's own")

        with pytest.raises(error, match="the application's own"):
            anyio.run(within, LONG, run, backend=backend)
