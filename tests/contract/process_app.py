"""An application that tells which process answers, and how that process's keys are doing. `/healthz` is for everybody."""

import json
import os
import threading
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from callerid import Guard, Route
from callerid.asgi import ASGIApp
from callerid.asgi import CallerMiddleware as ASGIMiddleware
from callerid.wsgi import CallerMiddleware as WSGIMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def wsgi() -> "WSGIApplication":
    """For `gunicorn tests.contract.process_app:wsgi()`."""
    guard = new_guard()

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [told(guard)]

    return WSGIMiddleware(app, guard=guard)


def asgi() -> ASGIApp:
    """For `uvicorn --factory tests.contract.process_app:asgi`."""
    guard = new_guard()

    async def answer(request: Request) -> Response:
        return Response(told(guard), media_type="application/json")

    return ASGIMiddleware(Starlette(routes=[StarletteRoute("/{path:path}", answer)]), guard=guard)


def new_guard() -> Guard:
    return Guard.from_env(routes=[Route("/healthz", callers=["allUsers"])])


def told(guard: Guard) -> bytes:
    threads = [thread.name for thread in threading.enumerate()]
    return json.dumps({"pid": os.getpid(), "threads": threads.count("callerid-keys"), "status": guard.status()}).encode()
