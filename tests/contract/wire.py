"""HTTP/1.1 with nothing tidied up: what a test writes is what goes over the wire."""

import json
import socket
from collections.abc import Iterable
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


def exchange(port: int, method: str, target: str, headers: Headers = (), *, version: str = "HTTP/1.1", body: str = "") -> Answer:
    """Send one request, as it is written, and read the answer."""
    lines = [f"{method} {target} {version}", "Host: user-profiles.example", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode("latin-1"))
        response = HTTPResponse(connection, method=method)
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
