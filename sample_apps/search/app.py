"""`search` on FastAPI: `uvicorn sample_apps.search.app:app`. Without a list on its handlers, the middleware says it all."""

import logging

from fastapi import FastAPI

from callerid import Guard, Route
from callerid.asgi import CallerMiddleware

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

app = FastAPI(title="search")
app.add_middleware(CallerMiddleware, guard=Guard.from_env(routes=[Route("/healthz", callers=["allUsers"])]))


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/search")
async def search(q: str = "") -> dict[str, object]:
    return {"query": q, "found": []}
