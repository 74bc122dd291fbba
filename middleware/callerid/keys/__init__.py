"""Key sets: where an issuer's public keys come from. The only room that does any I/O."""

from typing import Protocol

from callerid.keys.keyset import KeyList
from callerid.keys.material import Key

__all__ = ["KeySet", "StaticKeys"]


class KeySet(Protocol):
    """What the verifier asks of an issuer's keys."""

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


class StaticKeys:
    """Keys that the configuration holds."""

    def __init__(self, keys: KeyList) -> None:
        self._keys = keys

    def find(self, kid: str | None, alg: str) -> Key:
        return self._keys.select(kid, alg)

    async def afind(self, kid: str | None, alg: str) -> Key:
        return self._keys.select(kid, alg)

    def holds(self, key: Key) -> bool:
        return key in self._keys

    def refresh(self) -> None:
        pass
