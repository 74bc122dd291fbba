"""Applications that answer with what their server has told them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.paths.servers import told

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    body = told(scope).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    body = told(environ).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
