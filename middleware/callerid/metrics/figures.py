"""What there is to tell of a Guard beside its decisions, by the names that both systems use."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from callerid.guard import Guard, GuardStatus
from callerid.memory import MemoryStatus

__all__ = ["ALLOWED", "BOUNDS", "FIGURES", "Figure", "Reading"]

ALLOWED = "allowed"  # in the place of a reason

# Seconds: a remembered token takes microseconds, a new one a tenth of a millisecond, a wait for keys up to five seconds.
BOUNDS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 0.1, 1.0, 5.0)

Values = Iterator[tuple[float, Mapping[str, str]]]  # with their labels


class Reading:
    """What a Guard tells at one time, asked for once."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @cached_property
    def memory(self) -> MemoryStatus:
        """How its memory is used."""
        return self._guard.memory_status()

    @cached_property
    def issuers(self) -> dict[str, GuardStatus]:
        """Its issuers' keys."""
        return self._guard.status()

    @property
    def policy_is_current(self) -> bool:
        """Whether it goes by what its file says."""
        return self._guard.policy_is_current


class Figure(NamedTuple):
    """A figure of a Guard: its name below `callerid_`, what it is, its unit, whether it only grows, and its values now."""

    name: str
    what: str
    unit: str
    grows: bool
    values: Callable[[Reading], Values]


def _of_policy(reading: Reading) -> Values:
    yield reading.policy_is_current, {}


def _of_memory(*read: tuple[str, Callable[[MemoryStatus], int]]) -> Callable[[Reading], Values]:
    def values(reading: Reading) -> Values:
        for result, each in read:
            yield each(reading.memory), {"result": result} if result else {}

    return values


def _of_issuers(read: Callable[[GuardStatus], float | None]) -> Callable[[Reading], Values]:
    def values(reading: Reading) -> Values:
        for issuer, status in reading.issuers.items():
            value = read(status)
            if value is not None:
                yield value, {"issuer": issuer}

    return values


FIGURES = (
    Figure("policy_current", "1 where the policy is what its file says, 0 where that is wrong", "", False, _of_policy),
    Figure("memory_entries", "verified tokens that are remembered now", "", False, _of_memory(("", lambda s: s["entries"]))),
    Figure("memory_size", "what they take, an estimate", "bytes", False, _of_memory(("", lambda s: s["bytes"]))),
    Figure(
        "memory_lookups",
        "look-ups by what they found",
        "",
        True,
        _of_memory(("hit", lambda s: s["hits"]), ("miss", lambda s: s["misses"]), ("lapsed", lambda s: s["lapsed"])),
    ),
    Figure("memory_evictions", "tokens forgotten to make room", "", True, _of_memory(("", lambda s: s["evicted"]))),
    Figure("keys", "usable keys of an issuer", "", False, _of_issuers(lambda s: len(s["key_ids"]))),
    Figure("keys_ready", "1 where an issuer's tokens can be verified, else 0", "", False, _of_issuers(lambda s: s["ready"])),
    Figure("keys_age", "how long ago the fetch of an issuer's keys began", "seconds", False, _of_issuers(lambda s: s["age"])),
    Figure("key_fetches", "fetches of an issuer's keys", "", True, _of_issuers(lambda s: s["fetches"])),
    Figure("key_fetch_failures", "those that failed", "", True, _of_issuers(lambda s: s["failures"])),
    Figure("unknown_kids", "tokens refused since no key has their id", "", True, _of_issuers(lambda s: s["unknown_kids"])),
)
