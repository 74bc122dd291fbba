"""What a forked process must make anew: a lock that another thread held at the fork is held in the child for ever."""

import os
import weakref
from typing import Protocol

__all__ = ["renew_after_fork"]


class _Renewable(Protocol):
    def renew(self) -> None:
        """Make new locks, and forget what ran in the parent."""
        ...


_renewables: "weakref.WeakSet[_Renewable]" = weakref.WeakSet()


def renew_after_fork(owner: _Renewable) -> None:
    """Call `owner.renew()` in every child that this process forks, for as long as the owner lives."""
    _renewables.add(owner)


def _in_child() -> None:
    for owner in list(_renewables):
        owner.renew()


os.register_at_fork(after_in_child=_in_child)
