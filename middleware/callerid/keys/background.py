"""The one thread of this process that keeps keys fresh.

It starts on first need, because a process that loads an application may still fork. A key set whose fetch is due while another's
runs, and whose requests wait, gets a further thread that ends with that fetch: a hanging issuer delays nobody else's.
"""

import encodings.idna  # noqa: F401  (getaddrinfo imports it; a fork during that import hangs the child: import it before any thread)
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from callerid.forks import PerProcess

__all__ = ["Background", "Job", "background"]

MOST_THREADS = 32  # a name server that never answers holds one for each attempt

Work = Callable[[], None]


class Job(Protocol):
    """What is to be done again and again."""

    def seconds_until_due(self) -> float:
        """How long until `take` has something to do; none or fewer: now."""
        ...

    def take(self) -> Work | None:
        """What is to be done now, by whoever asks first; `None` if it is not due."""
        ...


class Background:
    """Does the work of its jobs when that is due, for as long as somebody else holds them."""

    def __init__(self) -> None:
        self._jobs: weakref.WeakSet[Job] = weakref.WeakSet()
        self._changed = threading.Condition()
        self._threads = self._free = 0  # free: waiting for work, or about to look for it

    def wake(self, job: Job) -> bool:
        """Have this job's work done when it is due. Returns at once; `False` if no thread can be had for that."""
        with self._changed:
            self._jobs.add(job)
            self._changed.notify()
            due = sum(other.seconds_until_due() <= 0 for other in self._jobs)
            return (self._threads > 0 and self._free >= due) or self._start() or self._free > 0

    def _start(self) -> bool:
        if self._threads >= MOST_THREADS:
            return False
        try:
            threading.Thread(target=self._run, name="callerid-keys", daemon=True).start()
        except RuntimeError:  # the system gives no more, or the interpreter is about to exit
            return False
        self._threads += 1
        self._free += 1
        return True

    def _run(self) -> None:
        try:
            while work := self._next():
                work()
                del work  # or this thread, waiting, would hold the job
                with self._changed:
                    self._free += 1
                    self._changed.notify()  # one thread stays, and should know when this job is due again
        finally:
            with self._changed:
                self._threads -= 1

    def _next(self) -> Work | None:
        """Wait for work; `None` if another thread does so, or if there is no job left."""
        with self._changed:
            try:
                while not (work := self._take()) and self._free == 1 and self._jobs:
                    self._changed.wait(self._pause())
                return work
            finally:
                self._free -= 1

    def _take(self) -> Work | None:
        for job in self._jobs:
            if work := job.take():
                return work
        return None

    def _pause(self) -> float:
        soonest = min((job.seconds_until_due() for job in self._jobs), default=0.0)
        return min(max(soonest, 0.0), threading.TIMEOUT_MAX)


background: PerProcess[Background] = PerProcess(Background)
