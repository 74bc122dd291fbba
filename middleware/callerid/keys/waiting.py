"""Waiting in the three worlds: a thread, an asyncio task, a trio task."""

import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["Signal", "call_later", "within"]

_Result = TypeVar("_Result")
_Step = Callable[[], Awaitable[None]]


class Signal:
    """An event that one thread sets and a thread or a task of any loop waits for. Cancelling a wait disturbs nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set = threading.Event()
        self._wakers: list[Callable[[], object]] = []

    def set(self) -> None:
        """Wake every waiter, now and later."""
        with self._lock:
            self._set.set()
            wakers, self._wakers = self._wakers, []
        for wake in wakers:
            wake()

    def wait(self, seconds: float) -> None:
        """Block this thread until the signal or for so long."""
        self._set.wait(seconds)

    async def wait_async(self, seconds: float) -> None:
        """Suspend this task until the signal or for so long."""
        trio = _running_trio()
        if trio is not None:
            await self._wait_trio(trio, seconds)
            return
        import asyncio  # noqa: PLC0415  (here it is loaded; a service without a loop does without)

        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        self._on_set(lambda: _call_soon(loop.call_soon_threadsafe, event.set))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # not wait_for: Python 3.11's loses a cancellation that comes with the signal
                await event.wait()

    async def _wait_trio(self, trio: Any, seconds: float) -> None:
        event = trio.Event()
        token = trio.lowlevel.current_trio_token()
        self._on_set(lambda: _call_soon(token.run_sync_soon, event.set))
        with trio.move_on_after(seconds):
            await event.wait()

    def _on_set(self, wake: Callable[[], object]) -> None:
        with self._lock:
            if not self._set.is_set():
                self._wakers.append(wake)
                return
        wake()


def _call_soon(schedule: Callable[[Callable[[], object]], object], callback: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # that loop has ended, and with it who waited
        schedule(callback)


def _running_trio() -> Any:
    """The trio module where this task is one of trio's, without importing it for anybody else."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


async def within(seconds: float, run: Callable[[], Awaitable[_Result]]) -> _Result | None:
    """What `run` returns; `None` if it has not returned when so many seconds have passed."""
    trio = _running_trio()
    if trio is not None:
        with trio.move_on_after(max(0.0, seconds)):
            return await run()
        return None
    import asyncio  # noqa: PLC0415  (as above)

    timer = asyncio.timeout(seconds)
    try:
        async with timer:
            return await run()
    except TimeoutError:
        if not timer.expired():
            raise
    return None


async def call_later(seconds: float, callback: _Step, run: _Step) -> None:
    """Run `run`; await `callback` beside it once `seconds` have passed, unless `run` has ended by then."""
    trio = _running_trio()
    if trio is not None:
        await _call_later_trio(trio, seconds, callback, run)
        return
    import asyncio  # noqa: PLC0415  (as above)

    async def timer() -> None:
        await asyncio.sleep(seconds)
        await callback()

    task = asyncio.create_task(timer())
    try:
        await run()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _call_later_trio(trio: Any, seconds: float, callback: _Step, run: _Step) -> None:
    failure: Exception | None = None

    async def timer() -> None:
        await trio.sleep(max(0.0, seconds))
        with contextlib.suppress(Exception):  # as asyncio's timer: it must not end `run`
            await callback()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timer)
        try:
            await run()
        except Exception as error:  # noqa: BLE001  (raised below: a nursery would wrap it in a group that nobody expects)
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
