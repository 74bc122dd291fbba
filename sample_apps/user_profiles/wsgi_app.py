"""`user-profiles` as a bare WSGI application: `gunicorn sample_apps.user_profiles.wsgi_app:app`."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from callerid.wsgi import CallerMiddleware

from .bare import answer, bare_guard

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def user_profiles(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Route by hand what a framework would."""
    path = environ["PATH_INFO"].encode("latin-1").decode()
    status, content = answer(environ["REQUEST_METHOD"], path)
    body = b"" if content is None else json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))] if body else []
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


app = CallerMiddleware(user_profiles, guard=bare_guard())
