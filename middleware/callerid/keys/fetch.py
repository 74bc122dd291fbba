"""One GET of a key document, with everything about it bounded: place, time and size.

No redirects, https only (plain http to this machine alone, and never through a proxy), one deadline over connecting, headers
and body, 256 KiB. What goes wrong ends in `FetchError`, whose text is safe to log.
"""

import contextlib
import re
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3.util import parse_url

from callerid.errors import ConfigurationError

__all__ = ["MAX_LIFETIME", "FetchError", "Fetcher", "lifetime_of"]

DEADLINE = 5.0  # seconds
MAX_DOCUMENT_BYTES = 256 * 1024
MIN_LIFETIME, DEFAULT_LIFETIME, MAX_LIFETIME = 60.0, 600.0, 24 * 3600.0  # seconds
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_MAX_AGE = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?([0-9]+)"?\s*(?=,|$)', re.IGNORECASE)


class FetchError(Exception):
    """The key document could not be had."""


class Fetcher:
    """Fetches one URL. `deadline` is how long that may take in all, in seconds.

    Raises:
        ConfigurationError: for a URL that is neither https nor loopback http, or an unreadable `ca_file`.
    """

    def __init__(self, url: str, *, ca_file: str | None = None, deadline: float = DEADLINE) -> None:
        self.url = url
        self._deadline = deadline
        parts = _checked(url)
        self._tls = None
        if parts.scheme == "https":
            try:
                self._tls = ssl.create_default_context(cafile=ca_file)
            except OSError as error:  # ssl.SSLError is one
                raise ConfigurationError(f"ca_file {ca_file!r} cannot be read as PEM certificates: {error}") from None
        self._proxy = None if parts.hostname in LOOPBACK else _proxy_for(parts.scheme, parts.hostname or "")

    def __call__(self) -> tuple[bytes, Mapping[str, str]]:
        """The body and the headers of a 200.

        Raises:
            FetchError: for everything else.
        """
        try:
            return self._get()
        except FetchError:
            raise
        except Exception as error:  # noqa: BLE001  (urllib3, ssl, http.client, socket: a fetch must not end its thread)
            raise FetchError(f"{type(error).__name__} while asking {self.url}") from None

    def _get(self) -> tuple[bytes, Mapping[str, str]]:
        manager = self._manager()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "callerid"}
        with manager, _hang_up_after(self._deadline, manager.connection_from_url(self.url)) as over:
            response = manager.request("GET", self.url, headers=headers, redirect=False, preload_content=False)
            with contextlib.closing(response):
                if response.status != 200:
                    raise FetchError(f"{self.url} answered {response.status}")
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise FetchError(f"{self.url} answered with an encoding that was not asked for")
                body = response.read(MAX_DOCUMENT_BYTES + 1, decode_content=False)
        if len(body) > MAX_DOCUMENT_BYTES:
            raise FetchError(f"{self.url} answered more than {MAX_DOCUMENT_BYTES} bytes")
        if over.is_set() or response.length_remaining:  # http.client takes the end of the connection for the end of the answer
            raise FetchError(f"{self.url} did not answer in full")
        return body, response.headers

    def _manager(self) -> urllib3.PoolManager:
        settings: dict[str, Any] = {"ssl_context": self._tls, "timeout": urllib3.Timeout(total=self._deadline), "retries": False}
        if self._proxy is None:
            return urllib3.PoolManager(**settings)
        credentials = parse_url(self._proxy).auth  # urllib3 does not send it of itself
        proxy_headers = urllib3.make_headers(proxy_basic_auth=credentials and unquote(credentials))
        return urllib3.ProxyManager(self._proxy, proxy_headers=proxy_headers, **settings)


def lifetime_of(headers: Mapping[str, str]) -> float:
    """Seconds for which a document is fresh: `max-age` less `Age` (RFC 9111 §4.2), within bounds."""
    max_age = _MAX_AGE.search(headers.get("Cache-Control", ""))
    if max_age is None:
        return DEFAULT_LIFETIME
    age = headers.get("Age", "0").strip()
    seconds = _seconds(max_age[1]) - (_seconds(age) if age.isascii() and age.isdigit() else 0)
    return min(max(float(seconds), MIN_LIFETIME), MAX_LIFETIME)


def _seconds(digits: str) -> int:
    return int(digits) if len(digits) <= 10 else 10**10


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        parts.port  # noqa: B018  (raises for a port that is none)
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.username is not None or parts.fragment or not url.isprintable() or " " in url:
        raise ConfigurationError(f"key URL {url!r} is no URL with a host; write it like https://issuer.example/jwks.json")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ConfigurationError(f"key URL {url!r} must be https (plain http is for 127.0.0.1, [::1] and localhost only)")
    return parts


def _proxy_for(scheme: str, host: str) -> str | None:
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(scheme)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


@contextlib.contextmanager
def _hang_up_after(seconds: float, pool: urllib3.HTTPConnectionPool) -> Iterator[threading.Event]:
    """Cut the pool's connections after that time: socket timeouts begin anew with each byte of a dripping answer.

    They are cut by a duplicate of each socket, since http.client lets go of its own before the body ends, and since a TLS
    socket that is shut down goes on in plain text.
    """
    over = threading.Event()
    sockets: list[socket.socket] = []
    connect: Any = pool.ConnectionCls

    def tracked(*args: object, **kwargs: object) -> object:
        connection = connect(*args, **kwargs)
        dial = connection._new_conn

        def dial_tracked() -> socket.socket:
            dialled: socket.socket = dial()
            sockets.append(dialled.dup())
            if over.is_set():  # it had several addresses to try, or a slow name server
                hang_up()
            return dialled

        connection._new_conn = dial_tracked
        return connection

    def hang_up() -> None:
        over.set()
        for duplicate in sockets:
            with contextlib.suppress(OSError):
                duplicate.shutdown(socket.SHUT_RDWR)

    pool.ConnectionCls = tracked  # type: ignore[assignment]  # it is only ever called
    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
        timer.join()
        for duplicate in sockets:
            duplicate.close()
