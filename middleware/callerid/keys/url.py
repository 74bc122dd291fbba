"""Where keys may be fetched from: https, or this machine; never where a cloud hands out credentials; through which proxy."""

import ipaddress
import socket
import urllib.request
from urllib.parse import SplitResult, urlsplit

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from callerid.errors import ConfigurationError
from callerid.logs import shown

__all__ = ["checked_url", "hands_out_credentials", "origin_of", "proxy_for"]

MAX_URL = 2048  # characters
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

# Beside all link-local addresses, where clouds answer with credentials: a name, or AWS, Google, Alibaba, Oracle and Azure.
METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog"})
METADATA_ADDRESSES = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::23", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"))
)

# IPv4-compatible, IPv4-mapped, IPv4-translated (RFC 2765) and the well-known prefix of NAT64 (RFC 6052).
_TRANSLATED = frozenset(ipaddress.IPv6Address(prefix).packed[:12] for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"))


def checked_url(url: str) -> SplitResult:
    """The parts of a URL that keys may be fetched from.

    Raises:
        ConfigurationError: for every other.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        parts.port  # noqa: B018  (raises for a port that is none)
    except ValueError:
        parts = urlsplit("")
    if parts.username is not None:
        raise ConfigurationError("key URL: it holds a user name or a password; a key endpoint may have a bearer_token_file")
    if hands_out_credentials(parts.hostname or ""):
        raise ConfigurationError(
            f"key URL {shown(url)} is a link-local or metadata address, and such a server has no keys of an issuer's"
        )
    if not parts.hostname or "%" in parts.netloc or parts.fragment or len(url) > MAX_URL or not _has_one_reading(url, parts):
        raise ConfigurationError(f"key URL {shown(url)} is no URL with a host; write it like https://issuer.example/jwks.json")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ConfigurationError(f"key URL {shown(url)} must be https (plain http is for 127.0.0.1, [::1] and localhost only)")
    return parts


def _has_one_reading(url: str, parts: SplitResult) -> bool:
    """Whether urllib3, which connects, goes where we think: for it a backslash ends the host, and a host may be put into ASCII."""
    if not url.isprintable() or " " in url:
        return False
    try:
        read = parse_url(url)
    except LocationParseError:
        return False
    return (read.scheme, (read.host or "").strip("[]"), read.port) == (parts.scheme, parts.hostname, parts.port)


def hands_out_credentials(host: str) -> bool:
    """Whether this host, or address in any spelling that a connection takes, is one where a cloud answers with credentials."""
    host = host.partition("%")[0].rstrip(".")
    if host in METADATA_HOSTS:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # 2852039166, 0xa9fea9fe, 169.254.43518
        except (OSError, ValueError):
            return False
    if isinstance(address, ipaddress.IPv6Address):
        address = _embedded(address) or address
    return address.is_link_local or address in METADATA_ADDRESSES


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator or a tunnel would go to."""
    return ipaddress.IPv4Address(address.packed[12:]) if address.packed[:12] in _TRANSLATED else address.sixtofour


def origin_of(parts: SplitResult) -> tuple[str, str | None, int]:
    """Scheme, host and port of a URL (RFC 6454 §4)."""
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def proxy_for(parts: SplitResult) -> str | None:
    """The proxy that the environment has for a URL; none for this machine.

    Raises:
        ConfigurationError: for one that cannot be used; the message does not repeat it, since it may hold a password.
    """
    scheme, host = parts.scheme, parts.hostname or ""
    proxy = None if host in LOOPBACK or urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)
    if proxy is None:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_proxy(proxy):
        raise ConfigurationError(f"{scheme}_proxy: no http or https URL with a host; write it like http://proxy.example:3128")
    return proxy


def _is_proxy(url: str) -> bool:
    try:
        parts = parse_url(url)
    except LocationParseError:
        return False
    return bool(parts.host) and parts.scheme in ("http", "https")
