"""What a Guard has to know of a request, whatever framework it came through."""

from collections.abc import MutableMapping
from typing import Any

from callerid.bearer import HeaderPairs, header_text
from callerid.logs import shown

__all__ = ["Request"]

_IDS = ("traceparent", "x-cloud-trace-context", "x-request-id")


class Request:
    """What a Guard has to know of a request, whatever framework it came through.

    `path` is the path that the router behind will match, decoded; `raw_path` the path as it was sent, if the server tells;
    `headers` pairs of name and value; `state` a mapping that lives as long as the request and belongs to the server's side;
    `other_path` how another router would read the path, if differently; `is_handshake` whether a WebSocket is to be opened.
    """

    __slots__ = ("began", "headers", "is_handshake", "method", "other_path", "path", "raw_path", "state")

    def __init__(
        self,
        method: str,
        path: str,
        raw_path: bytes | str | None,
        headers: HeaderPairs,
        state: MutableMapping[str, Any],
        other_path: str | None = None,
        *,
        is_handshake: bool = False,
    ) -> None:
        self.method: str = method
        self.path: str = path
        self.raw_path: bytes | str | None = raw_path
        self.headers: HeaderPairs = headers
        self.state: MutableMapping[str, Any] = state
        self.other_path: str | None = other_path
        self.is_handshake: bool = is_handshake
        self.began: float = 0.0  # by `time.perf_counter`, where somebody wants to know how long it takes

    @property
    def unverified_id(self) -> str | None:
        """What tells this request from others, as whoever sent it says: W3C's trace, Google Cloud's, or a proxy's id."""
        find = getattr(self.headers, "find", self._find)
        return next((found for found in map(find, _IDS) if found is not None), None)

    def _find(self, wanted: str) -> str | None:
        return next((header_text(value) for name, value in self.headers if header_text(name).lower() == wanted), None)

    def __repr__(self) -> str:
        return f"<{shown(self.method)} request>"  # its headers bear the token
