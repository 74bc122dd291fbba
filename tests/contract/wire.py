"""HTTP/1.1 with nothing tidied up: what a test writes is what goes over the wire."""

import io
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """A response, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason in a problem document; empty for any other body."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return str(self.json["reason"]) if is_problem and self.body else ""

    @property
    def verdict(self) -> str | int:
        """The reason if callerid gives one, and the status otherwise."""
        return self.reason or self.status


def exchange(
    port: int,
    method: str,
    target: str,
    headers: Headers = (),
    *,
    version: str = "HTTP/1.1",
    body: str = "",
    connection: str = "close",
) -> Answer:
    """Send one request, as it is written, and read the answer."""
    lines = [f"{method} {target} {version}", "Host: user-profiles.example", f"Connection: {connection}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return send(port, "\r\n".join([*lines, "", body]), method)


def send(port: int, text: str, method: str = "GET") -> Answer:
    """Send what is written, and read one answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(text.encode("latin-1"))
        return _answer(connection, method)


def converse(port: int, texts: Iterable[str]) -> list[Answer]:
    """Send one text after the other on one connection, each when the one before it has been answered."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for text in texts:
            connection.sendall(text.encode("latin-1"))
            answers.append(_answer(connection))
    return answers


def talk(port: int, text: str) -> list[Answer]:
    """Send what is written, and read answers until the server closes the connection."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, suppress(ConnectionError):
        connection.sendall(text.encode("latin-1"))
        while piece := connection.recv(65536):
            received += piece
    source, answers = _Received(received), []
    while source.tell() < len(received):
        answers.append(_answer(source))
    return answers


class _Received(io.BytesIO):
    """All that a server has sent, as a socket from which one response is read after the other."""

    def makefile(self, mode: str) -> "_Received":
        return self

    def close(self) -> None:
        """Nothing, since a response closes what it has read to its end."""


def _answer(source: "socket.socket | _Received", method: str = "GET") -> Answer:
    response = HTTPResponse(source, method=method)  # type: ignore[arg-type]
    response.begin()
    fields = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, fields, response.read())
