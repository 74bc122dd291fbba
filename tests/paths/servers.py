"""What servers hand to an application for a request line: the path decoded, and the path as it was sent, where they tell it.

A target is text with one character for each byte on the wire. `None`: the server answers for itself.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults

from gunicorn.util import split_request_uri, unquote_to_wsgi_str  # type: ignore[import-untyped]

__all__ = ["Received", "Server", "granian", "granian_wsgi", "gunicorn", "hypercorn", "told", "uvicorn", "without_raw_path"]

Received = dict[str, Any] | None
Server = Callable[[str, str], Received]

HOST = "user-profiles.example"
_TOLD = [
    *("method", "path", "raw_path", "root_path", "query_string"),
    *("REQUEST_METHOD", "PATH_INFO", "RAW_URI", "REQUEST_URI", "SCRIPT_NAME", "QUERY_STRING"),
]


def uvicorn(method: str, target: str, *, root_path: str = "") -> Received:
    """With h11. It puts the root path before the path."""
    raw_path, _, query = target.partition("?")
    return _scope(method, root_path + unquote(raw_path), root_path + raw_path, query, root_path)


def hypercorn(method: str, target: str, *, root_path: str = "") -> Received:
    """It leaves the path alone: a client writes the root path, or a proxy has taken it off."""
    raw_path, _, query = target.partition("?")
    return _scope(method.upper(), unquote(raw_path), raw_path, query, root_path)


def granian(method: str, target: str, *, root_path: str = "") -> Received:
    """It reads the target as a URI. What has neither scheme nor slash is an authority, without a path."""
    raw_path, query = _granian_path(target)
    return _scope(method, unquote(raw_path), raw_path, query, root_path)


def without_raw_path(method: str, target: str, *, root_path: str = "") -> Received:
    """A server that keeps undecodable bytes, as Python does in file names, and does not tell the raw path."""
    raw_path, _, query = target.partition("?")
    path = unquote(raw_path, errors="surrogateescape")
    return {name: value for name, value in _scope(method, path, "", query, root_path).items() if name != "raw_path"}


def gunicorn(method: str, target: str, *, script_name: str = "") -> Received:
    """`RAW_URI` is the target. What is not below `SCRIPT_NAME` it answers with 500."""
    url = split_request_uri(target)
    if not url.path.startswith(script_name):
        return None
    path_info = unquote_to_wsgi_str(url.path.removeprefix(script_name))
    return _environ(method, path_info, url.query, script_name) | {"RAW_URI": target}


def granian_wsgi(method: str, target: str, *, script_name: str = "") -> Received:
    """It tells no raw path, and cuts off as many characters as the prefix has, whichever they are."""
    raw_path, query = _granian_path(target)
    path_info = unquote_to_bytes(raw_path).decode("latin-1")
    return _environ(method, path_info[len(script_name) :] or "/" if script_name else path_info, query, script_name)


def told(received: Received) -> str:
    """What an application is told about the request line."""
    return repr(received and {name: received[name] for name in _TOLD if name in received})


def _granian_path(target: str) -> tuple[str, str]:
    path, _, query = re.sub("^[a-z]+://[^/?#]*", "", target.partition("#")[0]).partition("?")
    return (path if path[:1] in ("/", "*") else ""), query


def _scope(method: str, path: str, raw_path: str, query: str, root_path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": raw_path.encode("latin-1"),
        "root_path": root_path,
        "query_string": query.encode("latin-1"),
        "headers": [(b"host", HOST.encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


def _environ(method: str, path_info: str, query: str, script_name: str) -> dict[str, Any]:
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "SCRIPT_NAME": script_name,
        "HTTP_HOST": HOST,
    }
    setup_testing_defaults(environ)
    return environ
