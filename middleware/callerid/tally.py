"""What has been counted of issuers' keys since a Guard's start, some of which may be gone by now.

No count goes back, but by what is counted of an issuer in the moment in which a file that says something else of it is taken.
"""

from collections.abc import Iterable

from callerid.issuers import Issuer
from callerid.keys.status import KeyStatus

__all__ = ["Tally"]


class Tally:
    """The keys of one policy, and what those of the policies before it have counted."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = tuple(issuers)
        self._before: dict[str, KeyStatus] = {}  # also of issuers that are gone: they may come again

    def follow(self, before: "Tally") -> None:
        """Go on from what another has counted, but for the keys that both have."""
        gone = set(before._issuers).difference(self._issuers)
        self._before = before._before | {issuer.issuer: before._of(issuer) for issuer in gone}

    def of_keys(self) -> dict[str, KeyStatus]:
        """Each issuer's keys as they are now, and what has been counted of them and of those before."""
        return {issuer.issuer: self._of(issuer) for issuer in self._issuers}

    def _of(self, issuer: Issuer) -> KeyStatus:
        now, before = issuer.key_set.status(), self._before.get(issuer.issuer)
        if before is None:
            return now
        return {
            **now,
            "fetches": now["fetches"] + before["fetches"],
            "failures": now["failures"] + before["failures"],
            "unknown_kids": now["unknown_kids"] + before["unknown_kids"],
        }
