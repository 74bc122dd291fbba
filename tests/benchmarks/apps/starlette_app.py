"""On Starlette."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from callerid.asgi import CallerMiddleware
from tests.benchmarks.apps.checks import guard, verifier

guarding, verify = guard(), verifier()


async def healthz(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def read(request: Request) -> JSONResponse:
    if verify is not None:
        verify(request.headers["authorization"])
    return JSONResponse({"id": request.path_params["id"]})


app = Starlette(
    routes=[Route("/healthz", healthz), Route("/profiles/{id}", read)],
    middleware=[] if guarding is None else [Middleware(CallerMiddleware, guard=guarding)],
)
