"""One GET of a key document, with everything about it bounded: place (`url.py`), time and size.

No redirects, one deadline over connecting, headers and body, 256 KiB. What goes wrong ends in `FetchError`, whose text is safe
to log.
"""

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import SplitResult, unquote

import urllib3
from urllib3.util import parse_url

from callerid.bearer import B64TOKEN
from callerid.errors import ConfigurationError
from callerid.keys.files import MAX_DOCUMENT_BYTES, read_file, why_unread
from callerid.keys.url import checked_url, hands_out_credentials, proxy_for
from callerid.options import PathLike

__all__ = ["DEADLINE", "FetchError", "Fetcher", "reason_of"]

DEADLINE = 5.0  # seconds
ADDRESS_PATIENCE = 0.25  # seconds for each address at first, where there are others (RFC 8305 §5)
MOST_ADDRESSES = 8
MAX_ANSWER_BYTES = 2 * MAX_DOCUMENT_BYTES  # headers, interim answers and the encoding of chunks included
MAX_TOKEN_BYTES = 16 * 1024

_TimeLeft = Callable[[], float]


class FetchError(Exception):
    """The key document could not be had."""


class Fetcher:
    """Fetches one URL.

    `ca_file` is a PEM file of certificate authorities in place of the system's, `bearer_token_file` a file whose bearer token
    goes to that URL's origin; both are read anew for each fetch.

    Raises:
        ConfigurationError: for a URL that is neither https nor loopback http, or a file that cannot be read.
    """

    def __init__(self, url: str, *, ca_file: PathLike | None = None, bearer_token_file: PathLike | None = None) -> None:
        self.url = url
        self._ca_file, self._bearer_token_file = ca_file, bearer_token_file
        self.parts: SplitResult = checked_url(url)
        try:
            if ca_file is not None:
                self._tls()
            self._credentials()
        except FetchError as error:
            raise ConfigurationError(str(error)) from None
        self._proxy = proxy_for(self.parts)

    def __call__(self, seconds: float = DEADLINE) -> tuple[bytes, Mapping[str, str]]:
        """The body and the headers of a 200, which has to be here within so many seconds.

        Raises:
            FetchError: for everything else.
        """
        try:
            return self._get(_countdown(max(seconds, 0.001)))
        except FetchError as error:
            raise FetchError(f"{self.url}: {error}") from None
        except Exception as error:  # noqa: BLE001  (urllib3, ssl, http.client, socket: a fetch must not end its thread)
            way = self.url if self._proxy is None else f"{self.url} by way of the proxy {parse_url(self._proxy).host}"
            raise FetchError(f"{way}: {reason_of(error)}") from None

    def _get(self, time_left: _TimeLeft) -> tuple[bytes, Mapping[str, str]]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "callerid"} | self._credentials()
        with self._manager(time_left()) as manager:
            _bound(manager.connection_from_url(self.url), time_left)
            response = manager.request("GET", self.url, headers=headers, redirect=False, preload_content=False)
            with contextlib.closing(response):
                if response.status != 200:
                    raise FetchError(f"it answered {response.status}")
                if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                    raise FetchError("it answered with an encoding that was not asked for")
                body = response.read(MAX_DOCUMENT_BYTES + 1, decode_content=False)
        if len(body) > MAX_DOCUMENT_BYTES:
            raise FetchError(f"its document is longer than {MAX_DOCUMENT_BYTES} bytes")
        if response.length_remaining:  # http.client takes the end of the connection for the end of the answer
            raise FetchError("it did not answer in full")
        return body, response.headers

    def _manager(self, seconds: float) -> urllib3.PoolManager:
        settings: dict[str, Any] = {"ssl_context": self._tls(), "timeout": urllib3.Timeout(total=seconds), "retries": False}
        if self._proxy is None:
            return urllib3.PoolManager(**settings)
        credentials = parse_url(self._proxy).auth  # urllib3 does not send it of itself
        proxy_headers = urllib3.make_headers(proxy_basic_auth=credentials and unquote(credentials))
        return urllib3.ProxyManager(self._proxy, proxy_headers=proxy_headers, **settings)

    def _tls(self) -> ssl.SSLContext | None:
        if self.parts.scheme != "https":
            return None
        if self._ca_file is None:
            return _system_tls(ssl.SSLContext)
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise FetchError(f"ca_file {self._ca_file!r} cannot be read as PEM certificates: {error}") from None

    def _credentials(self) -> dict[str, str]:
        if self._bearer_token_file is None:
            return {}
        try:
            token = read_file(self._bearer_token_file, MAX_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            problem = "it is no text in ASCII" if isinstance(error, UnicodeError) else why_unread(error)
            raise FetchError(f"bearer_token_file {self._bearer_token_file!r} cannot be read: {problem}") from None
        if not B64TOKEN.fullmatch(token):
            raise FetchError(f"bearer_token_file {self._bearer_token_file!r} holds no bearer token")
        return {"Authorization": f"Bearer {token}"}


def reason_of(error: BaseException) -> str:
    """What the operating system or OpenSSL said, in their own constant words; urllib3 wraps it."""
    for _ in range(8):
        inner = [inside for inside in (*error.args, error.__cause__, error.__context__) if isinstance(inside, Exception)]
        if not inner:
            break
        error = inner[0]
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "no whole answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _countdown(seconds: float) -> _TimeLeft:
    ends_at = time.monotonic() + seconds
    return lambda: max(0.0, ends_at - time.monotonic())


def _bound(pool: urllib3.HTTPConnectionPool, time_left: _TimeLeft) -> None:
    """Have this pool's connections keep to one deadline: socket timeouts begin anew with each address, and with each byte."""
    connect: Any = pool.ConnectionCls

    def bounded(*args: object, **kwargs: object) -> object:
        connection = connect(*args, **kwargs)
        connection._new_conn = lambda: _dial(connection, time_left)
        connection.response_class = partial(_Response, time_left)
        return connection

    pool.ConnectionCls = bounded  # type: ignore[assignment]  # it is only ever called


def _dial(connection: Any, time_left: _TimeLeft) -> socket.socket:
    """Connect to one of the host's addresses: a request may wait, so each gets a moment, and only then what time there is."""
    found = socket.getaddrinfo(connection._dns_host, connection.port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_, address in found[:MOST_ADDRESSES]]
    if connection.proxy is None and any(map(hands_out_credentials, addresses)):
        raise FetchError("its name is that of a link-local or metadata address")
    problem = OSError()
    attempts = addresses * 2 if len(addresses) > 1 else addresses
    for others, address in zip(reversed(range(len(attempts))), attempts, strict=True):
        seconds = ADDRESS_PATIENCE if others >= len(addresses) else time_left() / (others + 1)
        try:
            dialled = socket.create_connection((address, connection.port), min(seconds, time_left()))
        except OSError as error:
            problem = error
        else:
            dialled.settimeout(time_left())
            return dialled
    raise problem


@cache
def _system_tls(kind: type[ssl.SSLContext]) -> ssl.SSLContext:
    """The system's authorities, of which there are many: read once, and once more if gevent has put its own kind in place."""
    return ssl.create_default_context()


class _Response(http.client.HTTPResponse):
    """A response that is read within a deadline."""

    def __init__(self, time_left: _TimeLeft, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Stream(self.fp.detach(), sock, time_left))

    def begin(self) -> None:
        super().begin()
        self.msg.defects.clear()  # urllib3 would log what it could not read of the headers, at any length
        self.msg.set_payload("")


class _Stream(io.RawIOBase):
    """A socket's bytes, so many and for so long."""

    def __init__(self, stream: io.RawIOBase, sock: socket.socket, time_left: _TimeLeft) -> None:
        self._stream, self._sock, self._time_left = stream, sock, time_left
        self._bytes_left = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # When the time is over, what has come already still counts: the process may have stood still.
        self._sock.settimeout(self._time_left())
        try:
            count = self._stream.readinto(buffer)
        except ssl.SSLWantReadError:
            count = None
        if count is None:
            raise TimeoutError
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise FetchError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        return count

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.settimeout(self._time_left())  # a proxy has answered, and a TLS handshake follows
        self._stream.close()
        super().close()
