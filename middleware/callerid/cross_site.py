"""Whether a page of another site sends this request. A cookie comes along with it, and so does what a proxy makes of the cookie.

Browsers say where a request comes from in `Sec-Fetch-Site` (Fetch Metadata) and `Origin` (RFC 6454, Fetch standard), which no page
can forge. Whoever is no browser has no cookie of somebody else's.
"""

import re
from collections.abc import Iterable

from callerid.bearer import HeaderPairs, header_text
from callerid.errors import ConfigurationError
from callerid.options import as_texts

__all__ = ["HEADERS", "CrossSite"]

HEADERS = ("sec-fetch-site", "origin", "host", "upgrade")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1
_PORTS = {"http": 80, "https": 443}

_AUTHORITY = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?")  # in lower case; RFC 3986 §3.2 without a user

_Place = tuple[str, int]  # a host and a port


class CrossSite:
    """Judges requests whose credentials a browser adds of itself. `origins` are this service's own beside that of its `Host`.

    Raises:
        ConfigurationError: for an origin that is none.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(map(_configured, as_texts("origins", origins)))

    def refuses(self, method: str, headers: HeaderPairs, *, handshake: bool) -> bool:
        """Whether it changes something, or opens a WebSocket, and a page of another site asks for that."""
        found: dict[str, list[str]] = {name: [] for name in HEADERS}
        for name, value in headers:
            found.get(header_text(name).lower(), []).append(header_text(value).strip(" \t").lower())
        handshake = handshake or any("websocket" in value for value in found["upgrade"])
        if method.upper() in _SAFE_METHODS and not handshake:
            return False
        sites = {site.strip(" \t") for value in found["sec-fetch-site"] for site in value.split(",")}
        is_foreign = "cross-site" in sites
        if not found["origin"]:
            return is_foreign
        if found["origin"] == ["null"] and sites == {"same-origin"}:  # a page with Referrer-Policy: no-referrer
            return False
        hosts = [] if is_foreign else found["host"]  # what `origins` names is own, whatever site the browser takes it for
        return not all(self._is_own(origin, hosts) for origin in found["origin"])

    def _is_own(self, origin: str, hosts: list[str]) -> bool:
        parsed = _parse(origin)
        if parsed is None:
            return False
        scheme, place = parsed
        return (scheme, place) in self._origins or [place] == [_place(host, scheme) for host in hosts]


def _configured(origin: str) -> tuple[str, _Place]:
    parsed = _parse(origin.lower())
    if parsed is None:
        raise ConfigurationError(f"origins: {origin!r} is no origin; write one like 'https://shop.example'")
    return parsed


def _parse(origin: str) -> tuple[str, _Place] | None:
    """The scheme and place of an origin; `None` for `null` and for what is no origin of a web page."""
    scheme, _, authority = origin.partition("://")
    place = _place(authority, scheme) if scheme in _PORTS else None
    return None if place is None else (scheme, place)


def _place(authority: str, scheme: str) -> _Place | None:
    """A host and its port, which is the scheme's where none is said."""
    parsed = _AUTHORITY.fullmatch(authority)
    return None if parsed is None else (parsed[1], int(parsed[2] or _PORTS[scheme]))
