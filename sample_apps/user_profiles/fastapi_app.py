"""`user-profiles` on FastAPI: `uvicorn sample_apps.user_profiles.fastapi_app:app`."""

from typing import Annotated

from fastapi import FastAPI, Response, Security, WebSocket
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from callerid import Caller, Guard, Route
from callerid.asgi import CallerMiddleware
from callerid.metrics.prometheus import PrometheusMetrics
from callerid_adapters.fastapi import CallerGuard

from .setup import editors, scrapers

metrics = PrometheusMetrics()
guard = Guard.from_env(
    routes=[Route("/healthz", callers=["allUsers"]), Route("/metrics", callers=scrapers())],
    on_decision=metrics,
)
metrics.watch(guard)
any_caller = CallerGuard(guard)
editors_only = CallerGuard(guard, callers=editors())

app = FastAPI(title="user-profiles")
app.add_middleware(CallerMiddleware, guard=guard)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics")
async def tell_prometheus() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/whoami")
async def whoami(caller: Annotated[Caller, Security(any_caller)]) -> dict[str, object]:
    return caller.to_dict()


@app.get("/profiles/{id}")
async def read(id: str, caller: Annotated[Caller, Security(any_caller)]) -> dict[str, str | None]:
    return {"id": id, "caller": caller.email}


@app.put("/profiles/{id}")
async def write(id: str, caller: Annotated[Caller, Security(editors_only)]) -> dict[str, str | None]:
    return {"id": id, "caller": caller.email}


@app.delete("/profiles/{id}", status_code=204)
async def delete(id: str, caller: Annotated[Caller, Security(editors_only)]) -> Response:
    return Response(status_code=204)


@app.websocket("/events")
async def events(websocket: WebSocket, caller: Annotated[Caller, Security(any_caller)]) -> None:
    await websocket.accept()
    await websocket.send_json({"caller": caller.email})
    await websocket.close()
