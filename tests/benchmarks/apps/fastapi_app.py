"""On FastAPI; the other libraries are in a dependency."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from callerid.asgi import CallerMiddleware
from callerid_adapters.fastapi import CallerGuard
from tests.benchmarks.apps.checks import CALLERS, VARIANT, guard, verifier

app = FastAPI()
if (guarding := guard()) is not None:
    app.add_middleware(CallerMiddleware, guard=guarding)
verify = verifier()


async def verified(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> Any:
    assert verify is not None
    return verify(bearer.credentials)


def dependencies() -> list[Any]:
    if VARIANT == "list" and guarding is not None:
        return [Security(CallerGuard(guarding, callers=CALLERS))]
    return [] if verify is None else [Depends(verified)]


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/profiles/{id}", dependencies=dependencies())
async def read(id: str) -> dict[str, str]:  # noqa: A002  (the route's word)
    return {"id": id}
