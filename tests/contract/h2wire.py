"""HTTP/2 without TLS (RFC 9113 section 3.3, RFC 7540 section 3.2) with nothing tidied up, and many requests on one connection."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from tests.contract.wire import Answer, Headers

AUTHORITY = "user-profiles.example"


class Stream(NamedTuple):
    """What is sent on one stream: all of its fields, pseudo-header fields included, and what follows them."""

    fields: Headers
    body: bytes = b""
    trailers: Headers = ()
    ends: bool = True


def exchange(port: int, method: str, target: str, headers: Headers = ()) -> Answer:
    """Send one request and read the answer."""
    return ask(port, request(method, target, headers).fields)


def request(method: str, target: str, headers: Headers = ()) -> Stream:
    """An ordinary request: names in lower case, since nothing else is HTTP/2."""
    return Stream([*pseudo(method, target), *((name.lower(), value) for name, value in headers)])


def pseudo(method: str, target: str) -> list[tuple[str, str]]:
    """The pseudo-header fields of a request."""
    return [(":method", method), (":scheme", "http"), (":authority", AUTHORITY), (":path", target)]


def ask(port: int, fields: Headers) -> Answer:
    """Send one request of these fields, pseudo-header fields included, and read the answer."""
    (answer,) = together(port, [Stream(fields)])
    return answer


def together(port: int, streams: Iterable[Stream]) -> list[Answer]:
    """Send everything on one connection before reading anything. A stream that the server does not answer has the status 0."""
    connection = _connection()
    connection.initiate_connection()
    replies = {_send(connection, stream): _Reply() for stream in streams}
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        _read(peer, connection, replies)
    return [reply.answer for reply in replies.values()]


def upgraded(port: int, method: str, target: str, headers: Headers = ()) -> Answer:
    """Offer HTTP/2 in an HTTP/1.1 request, and read the answer to that request in HTTP/2."""
    connection, reply = _connection(), _Reply()
    settings = (connection.initiate_upgrade_connection() or b"").decode()
    offer = [("Host", AUTHORITY), ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", settings)]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in [*offer, *headers]), "", ""]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as peer:
        peer.sendall("\r\n".join(lines).encode("latin-1"))
        received = b""
        while b"\r\n\r\n" not in received:
            received += peer.recv(65536)
        head, _, frames = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        _take(connection, frames, {1: reply})
        _read(peer, connection, {1: reply})
    return reply.answer


@dataclass
class _Reply:
    """What has come of an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_open: bool = True

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self.headers, self.body)

    def take(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=fields):
                self.headers = {str(name): str(value) for name, value in fields or ()}
                self.status = int(self.headers[":status"])
            case DataReceived(data=data):
                self.body += data or b""
            case StreamEnded() | StreamReset():
                self.is_open = False


def _connection() -> H2Connection:
    as_it_is = H2Configuration(header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False)
    return H2Connection(as_it_is)


def _send(connection: H2Connection, stream: Stream) -> int:
    number = connection.get_next_available_stream_id()
    follows = bool(stream.body or stream.trailers) or not stream.ends
    connection.send_headers(number, _encoded(stream.fields), end_stream=not follows)
    if stream.body:
        connection.send_data(number, stream.body, end_stream=not stream.trailers)
    if stream.trailers:
        connection.send_headers(number, _encoded(stream.trailers), end_stream=True)
    return number


def _encoded(fields: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def _read(peer: socket.socket, connection: H2Connection, replies: Mapping[int, _Reply]) -> None:
    """Send what is waiting, and read until all is answered or the server hangs up."""
    with suppress(ConnectionError):
        peer.sendall(connection.data_to_send())
        while any(reply.is_open for reply in replies.values()) and (received := peer.recv(65536)):
            _take(connection, received, replies)
            peer.sendall(connection.data_to_send())


def _take(connection: H2Connection, received: bytes, replies: Mapping[int, _Reply]) -> None:
    for event in connection.receive_data(received):
        replies.get(getattr(event, "stream_id", None) or 0, _Reply()).take(event)
