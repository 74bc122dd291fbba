"""How much time has passed, also for a process that stood still."""

import time
from collections.abc import Callable

__all__ = ["SuspendAwareClock"]

FREEZE = 1.0  # seconds that the wall clock may run ahead before it means that the process stood still


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
