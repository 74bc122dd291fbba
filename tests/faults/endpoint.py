"""The key endpoint of a service under test: over TLS, on a port that stays its own, switched from one behaviour to another."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sample_apps.demo.stage import free_port

from tests.keys import Script, answer, hang, send
from tests.keys.test_fetch import drip
from tests.support import FakeIssuer

__all__ = ["FAULTS", "LIFETIME", "Fault", "KeyEndpoint", "Trust"]

LIFETIME = 3600.0  # of the keys it serves, in seconds
CACHED = "Cache-Control: max-age=86400"  # a failed answer may say so, and counts for nothing
SEND_AT_ONCE = 65536


@dataclass(frozen=True)
class Trust:
    """A certificate whose authority, in `ca_file`, is trusted, and one of an authority that is not."""

    ca_file: str
    tls: ssl.SSLContext
    strange_tls: ssl.SSLContext


class KeyEndpoint:
    """Serves an issuer's keys until it is told to fail. `fetches` holds the time of each request that reached it."""

    def __init__(self, issuer: FakeIssuer, trust: Trust) -> None:
        self.issuer, self.trust = issuer, trust
        self.fetches: list[float] = []
        self.script: Script = self.serve
        self.tls: ssl.SSLContext | None = trust.tls
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", free_port()))  # by number: a socket bound to port 0 loses it when it stops listening
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/jwks"
        self._thread = threading.Thread()
        self._connections: list[socket.socket] = []
        self.begin_listening()

    def serve(self, connection: socket.socket) -> None:
        """The script of an endpoint in good health."""
        document = json.dumps(self.issuer.jwks()).encode()
        connection.sendall(answer(document, "Content-Type: application/json", f"Cache-Control: max-age={LIFETIME:.0f}"))

    def serve_after(self, wait: Callable[[], object]) -> None:
        """Serve well from now on, but only when `wait` has returned."""

        def script(connection: socket.socket) -> None:
            wait()
            self.serve(connection)

        self.script = script

    def recover(self) -> None:
        """Serve well from now on. A connection that hangs is left to."""
        self.script, self.tls = self.serve, self.trust.tls
        if not self._thread.is_alive():
            self.begin_listening()

    def restart(self) -> None:
        """Serve well from now on, as a new process would: what the old one held open is cut."""
        held, self._connections = self._connections, []
        self.recover()
        for connection in held:
            with contextlib.suppress(OSError):  # the client has hung up long since
                connection.shutdown(socket.SHUT_RDWR)

    def begin_listening(self) -> None:
        """Accept connections."""
        self._listener.listen(1024)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop_listening(self) -> None:
        """Refuse connections."""
        self._listener.shutdown(socket.SHUT_RDWR)  # once: a second one would outlast the next time it listens
        self._thread.join()

    def close(self) -> None:
        """Go, and let the port go."""
        with contextlib.suppress(OSError):  # it is down
            self.stop_listening()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it stopped listening
            while True:
                threading.Thread(target=self._answer, args=self._listener.accept()[:1], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:  # the client has hung up
            stack.callback(connection.close)
            if self.tls is not None:
                connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
            self._connections.append(connection)
            connection.recv(SEND_AT_ONCE)
            self.fetches.append(time.monotonic())
            self.script(connection)


Fault = Callable[[KeyEndpoint], object]


def playing(script: Script) -> Fault:
    """The fault of an endpoint that does this on each connection."""

    def begin(endpoint: KeyEndpoint) -> None:
        endpoint.script = script

    return begin


def fifty_megabytes(connection: socket.socket) -> None:
    connection.sendall(answer(b"", CACHED, "Content-Length: 50000000"))
    while True:  # until the client has had enough
        connection.sendall(b" " * SEND_AT_ONCE)


def redirect(endpoint: KeyEndpoint) -> None:
    endpoint.script = send(answer(b"", f"Location: {endpoint.url}", CACHED, status="302 Found"))


def call_it_html(endpoint: KeyEndpoint) -> None:
    endpoint.script = send(answer(json.dumps(endpoint.issuer.jwks()).encode(), "Content-Type: text/html", CACHED))


def lose_trust(endpoint: KeyEndpoint) -> None:
    endpoint.tls = endpoint.trust.strange_tls


def speak_plainly(endpoint: KeyEndpoint) -> None:
    endpoint.tls = None


UNUSABLE = [{"kty": "oct", "kid": "1", "k": "c2VjcmV0"}, {"kty": "EC", "crv": "P-256", "kid": "2"}, {"kid": "3"}, None, 7]
DEEP = b"[" * 100_000 + b"]" * 100_000

FAULTS: dict[str, Fault] = {
    "down": KeyEndpoint.stop_listening,
    "answers 500": playing(send(answer(b"{}", CACHED, status="500 Internal Server Error"))),
    "hangs": playing(hang),
    "drips its header": playing(drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")),
    "drips its body": playing(drip(answer(b"{", CACHED, "Content-Length: 100000"))),
    "redirects": redirect,
    "sends 50 MB": playing(fifty_megabytes),
    "sends no JSON": playing(send(answer(b'{"keys": [', CACHED))),
    "sends deep JSON": playing(send(answer(DEEP, CACHED))),
    "sends an empty set": playing(send(answer(b'{"keys": []}', CACHED))),
    "sends unusable keys": playing(send(answer(json.dumps({"keys": UNUSABLE}).encode(), CACHED))),
    "sends a page": playing(send(answer(b"<html>Moved</html>", "Content-Type: text/html", CACHED))),
    "says text/html for keys": call_it_html,
    "strange certificate": lose_trust,
    "no TLS": speak_plainly,
}
