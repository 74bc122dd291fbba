"""What a rule cannot follow, since only the router knows of it: ways past it are open, and nobody shall take them for closed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastapi
import litestar
import pytest
from hypercorn.middleware import DispatcherMiddleware

from callerid import Guard, Route
from callerid.asgi import CallerMiddleware
from tests.adapters.support import guard_for
from tests.paths.clients import Ask, asgi, bearing, mark, wsgi
from tests.paths.routers import flask_app, litestar_app, quart_app
from tests.paths.servers import Server, gunicorn, uvicorn
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer, named


def litestars_mount(guard: Guard, folder: Path) -> Ask:
    """It begins wherever its path does, on a segment's boundary or not."""

    @litestar.asgi("/mounted", is_mount=True, copy_scope=True)
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        headers = [(name.encode(), value.encode()) for name, value in mark("/mounted/**", path=scope["path"]).items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    app: Any = litestar.Litestar([mounted], logging_config=None, openapi_config=None)
    return asgi(CallerMiddleware(app, guard=guard))


def hypercorns_dispatcher(app: Callable[[None, Path], Any]) -> Callable[[Guard, Path], Ask]:
    """So does Hypercorn's, and these routers put the slash in."""

    def site(guard: Guard, folder: Path) -> Ask:
        dispatcher: Any = DispatcherMiddleware({"/v1": app(None, folder)})
        return asgi(CallerMiddleware(dispatcher, guard=guard))

    return site


def fastapis_numbers(guard: Guard, folder: Path) -> Ask:
    """A number has many spellings, and the rule for one of them knows no other."""
    app = fastapi.FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> fastapi.Response:
        return fastapi.Response(headers=mark("/items/42", number=number))

    return asgi(CallerMiddleware(app, guard=guard))


@pytest.mark.parametrize(
    ("site", "server", "rule", "plain", "other"),
    named(
        ("Litestar's mount", litestars_mount, uvicorn, "/mounted/**", "/mounted/x", "/mountedx"),
        ("Litestar dispatched", hypercorns_dispatcher(litestar_app), uvicorn, "/v1/admin", "/v1/admin", "/v1admin"),
        ("Quart dispatched", hypercorns_dispatcher(quart_app), uvicorn, "/v1/admin", "/v1/admin", "/v1admin"),
        ("FastAPI's number", fastapis_numbers, uvicorn, "/items/42", "/items/42", "/items/+42.0"),
        ("Flask's number", lambda *site: wsgi(flask_app(*site)), gunicorn, "/items/42", "/items/42", "/items/042"),
    ),
)
def test_known_limit(
    issuer: FakeIssuer, tmp_path: Path, site: Callable[[Guard, Path], Ask], server: Server, rule: str, plain: str, other: str
) -> None:
    ask = site(guard_for(issuer, callers=[LOGIN], routes=[Route(rule, callers=[ANA])]), tmp_path)
    by_rule, past_it = ask(bearing(server("GET", target), issuer.token(LOGIN, AUDIENCE)) for target in (plain, other))
    assert (by_rule.status, past_it.status) == (403, 200)
    assert past_it.handled is not None
