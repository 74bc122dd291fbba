"""The who-may-call-what table as a snapshot."""

from typing import Any

import pytest
from fastapi import FastAPI, WebSocket

from callerid import Route
from callerid.asgi import CallerMiddleware
from callerid.testing import assert_callers
from tests.adapters.support import guard_for
from tests.support import ANA, LOGIN, FakeIssuer, complains


def show() -> None: ...


@pytest.fixture
def app(issuer: FakeIssuer) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    routes = [Route("/healthz", callers=["allUsers"]), Route("/profiles/{id}", methods=["PUT"], callers=[ANA])]
    app.add_middleware(CallerMiddleware, guard=guard_for(issuer, routes=routes))
    app.add_api_route("/healthz", show)
    app.add_api_route("/profiles/{id}", show, methods=["GET", "PUT", "DELETE"])

    @app.websocket("/ws")
    async def ws(websocket: WebSocket) -> None: ...

    app.mount("/static", FastAPI(docs_url=None, redoc_url=None, openapi_url=None).router.default)
    return app


TABLE = {
    "GET /healthz": "allUsers",
    "GET, DELETE /profiles/{id}": [ANA, LOGIN],
    "PUT /profiles/{id}": ["ana@example.com"],
    "WEBSOCKET /ws": (LOGIN, ANA),
    "/static/**": {LOGIN, ANA},
}


def test_a_table_that_is_right(app: FastAPI) -> None:
    assert_callers(app, TABLE)


def test_what_differs_is_told_with_the_table_as_it_is(app: FastAPI) -> None:
    wrong = {name: callers for name, callers in TABLE.items() if name != "WEBSOCKET /ws"} | {
        "GET /healthz": [ANA],
        "GET /gone": LOGIN,
    }
    with pytest.raises(AssertionError) as told:
        assert_callers(app, wrong)
    first, *differences = str(told.value).partition("\nas it is:")[0].splitlines()
    assert first == "who may call what is not as expected:"
    assert differences == [
        f"  GET /healthz: ['{ANA}']; is ['allUsers']",
        f"  WEBSOCKET /ws: not in the table; is ['{LOGIN}', '{ANA}']",
        f"  GET /gone: ['{LOGIN}']; is not served",
    ]
    assert f"    'PUT /profiles/{{id}}': ['{ANA}'],\n" in str(told.value)


def test_a_word_that_is_no_member(app: FastAPI) -> None:
    with complains("assert_callers: 'allUser' is no member; did you mean 'allUsers'?"):
        assert_callers(app, {"GET /healthz": "allUser"})


def test_nobody(issuer: FakeIssuer) -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/x", show)
    inner = CallerMiddleware(app, guard=guard_for(issuer, callers=[ANA]))
    outer = CallerMiddleware(inner, guard=guard_for(issuer, callers=[LOGIN]))
    assert_callers(outer, {"GET /x": []})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"GET,POST /x": [ANA], "POST /x": [LOGIN]}, "assert_callers: POST /x is there twice; take one out"),
        ({"GET /x": ANA, "GET  /x": ANA}, "GET /x is there twice"),
        ({3: ANA}, "3 names no route"),
        ({"GET /x": None}, "assert_callers"),
        ({"GET /x": [b"allUsers"]}, "is no member"),
    ],
)
def test_a_table_that_cannot_be_meant(app: FastAPI, table: Any, said: str) -> None:
    with complains(said):
        assert_callers(app, table)
