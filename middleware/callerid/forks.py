"""What a process that forks needs: locks of its own in the child, and nothing begun in a parent that only loads the application."""

import os
import sys
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Generic, Protocol, TypeVar

__all__ = ["PerProcess", "may_still_fork", "renew_after_fork"]

_Thing = TypeVar("_Thing")


class _Renewable(Protocol):
    def renew(self) -> None:
        """Forget what belongs to the parent process."""
        ...


_renewables: "weakref.WeakSet[_Renewable]" = weakref.WeakSet()


def renew_after_fork(owner: _Renewable) -> None:
    """Call `owner.renew()` in every child that this process forks, for as long as the owner lives."""
    _renewables.add(owner)


def _in_child() -> None:
    for owner in list(_renewables):
        owner.renew()


os.register_at_fork(after_in_child=_in_child)


class PerProcess(Generic[_Thing]):
    """Something that is made when it is first needed, and made anew in a forked child.

    A lock that another thread held at the fork would be held in the child for ever; and one made before gevent has patched
    `threading` would block every greenlet of its process.
    """

    def __init__(self, make: Callable[[], _Thing]) -> None:
        self._make = make
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Forget what the parent process made."""
        self._made: list[_Thing] = []

    def __call__(self) -> _Thing:
        if not self._made:
            self._made.append(self._make())  # of two threads that race here, both take the first
        return self._made[0]


def may_still_fork() -> bool:
    """Whether this process only loads the application, as the master of `gunicorn --preload` does, and others will serve.

    Nothing tells them apart from outside: gunicorn's master is the one that loads it from the arbiter's `setup`.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "setup" and frame.f_globals.get("__name__") == "gunicorn.arbiter":
            return True
        frame = frame.f_back
    return False
