"""Key sets: where an issuer's public keys come from. The only room that does any I/O.

`machine.py` decides when to fetch and who waits (pure); `remote.py` runs it, on the thread of `background.py`, for the threads and
tasks of `waiting.py`. `fetch.py` is one GET, `url.py` where from, `lifetime.py` for how long, `discovery.py` an issuer that
says where. `keyset.py` and `material.py` read documents and keys. `local.py` has keys that need no network.
"""

from typing import Protocol, runtime_checkable

from callerid.keys.material import Key
from callerid.keys.status import KeyStatus

__all__ = ["KeySet"]


@runtime_checkable
class KeySet(Protocol):
    """What a Guard asks of an issuer's keys."""

    def find(self, kid: str | None, alg: str) -> Key:
        """The key for a token's header; may block. Raises `Unauthenticated` or `KeysUnavailable`."""
        ...

    async def afind(self, kid: str | None, alg: str) -> Key:
        """The same for a task; may suspend, never blocks."""
        ...

    def holds(self, key: Key) -> bool:
        """Whether this very key, id and material, may verify now. Never waits."""
        ...

    def refresh(self) -> None:
        """Let a fetch that is due begin in the background. Returns at once."""
        ...

    @property
    def ready(self) -> bool:
        """Whether there are keys that may verify now."""
        ...

    def status(self) -> KeyStatus:
        """What a probe may know."""
        ...

    def warm_up(self, seconds: float) -> None:
        """Wait until there are keys. Raises `KeysUnavailable` when there are none after so many seconds."""
        ...

    async def awarm_up(self, seconds: float) -> None:
        """The same for a task."""
        ...
