"""Any WSGI application (PEP 3333) behind a Guard."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from callerid.caller import Occasion
from callerid.errors import ConfigurationError, Refused
from callerid.guard import Guard, Judgement
from callerid.request import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CallerMiddleware", "WSGIHeaders", "wsgi_raw_path", "wsgi_request"]


def wsgi_request(guard: Guard, environ: "WSGIEnvironment") -> Request:
    """What a Guard has to know of a WSGI environment."""
    path = environ.get("PATH_INFO") or "/"
    if not path.isascii():
        path = _decoded(path)
    return Request(environ["REQUEST_METHOD"], path, wsgi_raw_path(environ), WSGIHeaders(guard, environ), environ)


def _decoded(path: str) -> str:
    try:
        return path.encode("latin-1").decode()  # PEP 3333: native strings hold bytes as latin-1
    except UnicodeError:
        return "\ufffd"  # undecodable, and so refused where paths matter


def wsgi_raw_path(environ: "WSGIEnvironment") -> str | None:
    """The path as it was sent, where the server tells. The query may hold secrets, and decides nothing."""
    target: str | None = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    return target and target.partition("?")[0]


class WSGIHeaders:
    """The headers that a Guard looks at, taken from the environment when it does; a server has joined duplicates with commas."""

    __slots__ = ("_environ", "_guard")

    def __init__(self, guard: Guard, environ: "WSGIEnvironment") -> None:
        self._guard, self._environ = guard, environ

    def __iter__(self) -> Iterator[tuple[str, str]]:
        environ, names = self._environ, self._guard.header_names  # as they are now: a policy that has come since may look at more
        return iter([(name, environ[variable]) for name, variable in _variables(names) if variable in environ])

    def find(self, name: str) -> str | None:
        """Any header, by its name in lower case."""
        value: str | None = self._environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return value


@cache
def _variables(names: frozenset[str]) -> list[tuple[str, str]]:
    return [(name, f"HTTP_{name.upper().replace('-', '_')}") for name in names]


class CallerMiddleware:
    """Judges every request before the application sees it, and begins to fetch keys in the background.

    The caller is then in `callerid.current_caller()` and `environ["callerid.caller"]`, until the response is closed.
    """

    def __init__(self, app: "WSGIApplication", *, guard: Guard) -> None:
        if not isinstance(guard, Guard):
            raise ConfigurationError(f"guard: {guard!r} is no Guard; write CallerMiddleware(app, guard=Guard(…))")
        if iscoroutinefunction(app) or iscoroutinefunction(getattr(app, "__call__", None)):  # noqa: B004
            raise ConfigurationError("app: it is an ASGI application, and this is WSGI's middleware; callerid.asgi has the other")
        self.app = app
        self.guard = guard
        guard.prefetch()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            judgement = self.guard.judge(wsgi_request(self.guard, environ))
        except Refused as refused:
            return _refuse(refused, environ, start_response)
        judgement.begin()
        environ["callerid.caller"] = judgement.caller
        if judgement.is_public or judgement.is_private:
            start_response = partial(_start_private, judgement, start_response)
        try:
            return _Response(self.app(environ, start_response), judgement)
        except BaseException:
            judgement.end()
            raise


class _Response:
    """The application's response, at whose end the caller is forgotten."""

    def __init__(self, body: Iterable[bytes], occasion: Occasion) -> None:
        self._body = body
        self._occasion = occasion

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._occasion.end()


def _start_private(
    judgement: Judgement, start_response: "StartResponse", status: str, headers: list[tuple[str, str]], exc_info: Any = None
) -> Callable[[bytes], object]:
    """Add `Cache-Control: private`, as the ASGI middleware does."""
    if judgement.is_private and not any(name.lower() == "cache-control" for name, _ in headers):
        headers = [*headers, ("Cache-Control", "private")]
    return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)


def _refuse(refused: Refused, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    body = refused.body
    start_response(f"{refused.status} {refused.title}", [*refused.headers.items(), ("Content-Length", str(len(body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]  # not none: pgjones/hypercorn#331
