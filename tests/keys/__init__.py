"""What the tests of this room share: a loopback endpoint that answers exactly as a test wants."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.support import FakeIssuer

__all__ = ["Endpoint", "Gate", "Script", "answer", "eventually", "hang", "send", "keys_of"]

Script = Callable[[socket.socket], None]


class Endpoint:
    """A server on 127.0.0.1 that reads each connection's request and then plays a script on it."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/jwks"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                threading.Thread(target=self._serve, args=self._listener.accept()[:1], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has hung up
            connection = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with connection:
                self.requests.append(connection.recv(65536))
                self.script(connection)


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """A whole response, its length told unless `headers` have another way to tell its end."""
    if not any(header.startswith(("Connection", "Content-Length", "Transfer-Encoding")) for header in headers):
        headers = (*headers, f"Content-Length: {len(body)}")
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def send(*pieces: bytes) -> Script:
    """A script that sends these bytes and closes."""

    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return script


def hang(connection: socket.socket) -> None:
    """A script that says nothing until the client hangs up."""
    connection.recv(1)


class Gate:
    """A script that answers once it is opened, at the end of its context at the latest."""

    def __init__(self, response: bytes) -> None:
        self._open = threading.Event()
        self._response = response

    def __call__(self, connection: socket.socket) -> None:
        self._open.wait()
        connection.sendall(self._response)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.open()

    def open(self) -> None:
        """Answer whoever waits, and from now on everybody at once."""
        self._open.set()


def keys_of(issuer: FakeIssuer) -> bytes:
    """The response of an endpoint with an issuer's keys."""
    return answer(json.dumps(issuer.jwks()).encode(), "Cache-Control: max-age=1000")


def eventually(condition: Callable[[], object]) -> None:
    """Wait for what another thread will bring about."""
    while not condition():  # pytest-timeout ends what never comes
        time.sleep(0.005)
