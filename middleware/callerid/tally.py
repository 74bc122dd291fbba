"""What has been counted since a Guard's start: its memory and its issuers' keys may be others by now, and no count goes back."""

from collections.abc import Iterable

from callerid.issuers import Issuer
from callerid.keys.status import KeyStatus
from callerid.memory import MemoryStatus, TokenMemory

__all__ = ["Tally"]


class Tally:
    """The memory and the keys of one policy, and what those of the policies before it have counted."""

    def __init__(self, memory: TokenMemory, issuers: Iterable[Issuer]) -> None:
        self._memory = memory
        self._issuers = tuple(issuers)
        self._memory_before: MemoryStatus | None = None
        self._keys_before: dict[str, KeyStatus] = {}  # also of issuers that are gone: they may come again

    def follow(self, before: "Tally") -> None:
        """Go on from what another has counted, but for the keys that both have."""
        gone = set(before._issuers).difference(self._issuers)
        self._memory_before = before.of_memory()
        self._keys_before = before._keys_before | {issuer.issuer: before._of_keys(issuer) for issuer in gone}

    def of_memory(self) -> MemoryStatus:
        """How the memory is used now, and what has been found in it and in those before."""
        now, before = self._memory.status(), self._memory_before
        if before is None:
            return now
        return {
            **now,
            "hits": now["hits"] + before["hits"],
            "misses": now["misses"] + before["misses"],
            "lapsed": now["lapsed"] + before["lapsed"],
            "evicted": now["evicted"] + before["evicted"],
        }

    def of_keys(self) -> dict[str, KeyStatus]:
        """Each issuer's keys as they are now, and what has been counted of them and of those before."""
        return {issuer.issuer: self._of_keys(issuer) for issuer in self._issuers}

    def _of_keys(self, issuer: Issuer) -> KeyStatus:
        now, before = issuer.key_set.status(), self._keys_before.get(issuer.issuer)
        if before is None:
            return now
        return {
            **now,
            "fetches": now["fetches"] + before["fetches"],
            "failures": now["failures"] + before["failures"],
            "unknown_kids": now["unknown_kids"] + before["unknown_kids"],
        }
