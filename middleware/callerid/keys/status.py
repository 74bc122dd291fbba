"""What a probe and an operator may know of an issuer's keys."""

from typing import Literal, TypedDict

__all__ = ["KeyStatus", "State"]

State = Literal["static", "cold", "fresh", "stale", "expired"]


class KeyStatus(TypedDict):
    """One issuer's keys, in plain JSON types.

    `state` is `static` (from the configuration), `cold` (none yet), `fresh`, `stale` (past their lifetime, and serving on
    while the endpoint or file fails) or `expired` (past that, too). `ready` says whether tokens can be verified. `age` is how
    long ago the fetch of these keys began, `next_refresh` how long until the next one, both in seconds; `None` where there is
    none. `last_error` is what the last fetch failed with, `None` if it brought keys. `fetches`, `failures` (of those) and
    `unknown_kids` (tokens refused since no key has their id) are counters.
    """

    state: State
    ready: bool
    key_ids: list[str]
    age: float | None
    next_refresh: float | None
    last_error: str | None
    fetches: int
    failures: int
    unknown_kids: int
