"""FastAPI: a handler's list that only its own Guard can satisfy, in the shape that FastAPI's users know."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket
from fastapi.responses import JSONResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callerid import Caller, Guard, NoRequestError, Route, current_caller, google
from callerid.asgi import CallerMiddleware
from callerid.keys.keyset import parse_jwks
from callerid.keys.local import StaticKeys
from callerid.keys.material import Key
from callerid_adapters.fastapi import CallerGuard, CallerRefused
from tests.adapters.support import OTHER, SERVERLESS, Headers, ask, bearing, guard_for, uvicorn_serving
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, FakeIssuer, complains, named

PUBLIC = Route("/public", callers=["allUsers"])
Layout = Callable[[Guard, Guard, FastAPI], FastAPI]


def service(dependency: CallerGuard) -> FastAPI:
    """A private and a public handler with the same dependency; each tells whom it was given, and who is found elsewhere."""
    app = FastAPI()

    @app.get("/")
    @app.get("/public")
    async def handler(request: Request, caller: Annotated[Caller | None, Security(dependency)]) -> list[str | None]:
        found = (caller, request.state.caller, request.scope["callerid.caller"], request.user.caller)
        return [one.member if one else None for one in found]

    return app


def alone(guard: Guard, another: Guard, app: FastAPI) -> FastAPI:
    return app


def behind_its_own_middleware(guard: Guard, another: Guard, app: FastAPI) -> FastAPI:
    app.add_middleware(CallerMiddleware, guard=guard)
    return app


def behind_another_guards_middleware(guard: Guard, another: Guard, app: FastAPI) -> FastAPI:
    app.add_middleware(CallerMiddleware, guard=another)
    return app


def mounted_behind_both(guard: Guard, another: Guard, app: FastAPI) -> FastAPI:
    outer = FastAPI()
    outer.mount("/", behind_its_own_middleware(guard, another, app))
    outer.add_middleware(CallerMiddleware, guard=another)
    return outer


def inside_out(guard: Guard, another: Guard, app: FastAPI) -> FastAPI:
    """The Guard is outside, another between it and the handler."""
    return behind_its_own_middleware(guard, another, behind_another_guards_middleware(guard, another, app))


LAYOUTS = [alone, behind_its_own_middleware, behind_another_guards_middleware, mounted_behind_both, inside_out]

# The Guard admits LOGIN and ANA, the handler's list LOGIN and SEARCH.
PRIVATE = named(
    ("anonymous", None, 401),
    ("a bad token", "junk", 401),
    ("on both lists", LOGIN, 200),
    ("on the Guard's only", ANA, 403),
    ("on the handler's only: a list never widens", SEARCH, 403),
    ("on none", STRANGER, 403),
)
ON_A_PUBLIC_ROUTE = named(
    ("anonymous", None, 401),
    ("a bad token", "junk", 401),
    ("on both lists", LOGIN, 200),
    ("on the Guard's only", ANA, 403),
    ("on none", STRANGER, 403),
)


@pytest.mark.parametrize("layout", LAYOUTS)
class TestAListIsBoundToItsOwnGuard:
    @pytest.mark.parametrize(("member", "status"), PRIVATE)
    def test_on_a_private_route(self, issuer: FakeIssuer, layout: Layout, member: str | None, status: int) -> None:
        answer = self._ask(issuer, layout, "/", member, callers=[LOGIN, SEARCH])
        assert (answer.status_code, status != 200 or answer.json() == [LOGIN] * 4) == (status, True)

    @pytest.mark.parametrize(("member", "status"), ON_A_PUBLIC_ROUTE)
    def test_on_a_public_route(self, issuer: FakeIssuer, layout: Layout, member: str | None, status: int) -> None:
        answer = self._ask(issuer, layout, "/public", member, callers=[LOGIN, SEARCH])
        assert (answer.status_code, status != 200 or answer.json() == [LOGIN] * 4) == (status, True)

    @pytest.mark.parametrize(("member", "status"), [(None, 401), (LOGIN, 200), (ANA, 200), (STRANGER, 403)])
    @pytest.mark.parametrize("path", ["/", "/public"])
    def test_without_a_list_of_its_own(
        self, issuer: FakeIssuer, layout: Layout, path: str, member: str | None, status: int
    ) -> None:
        assert self._ask(issuer, layout, path, member).status_code == status

    @pytest.mark.parametrize(("member", "status"), [(None, 200), ("junk", 401), (LOGIN, 200), (STRANGER, 403)])
    def test_optional_on_a_public_route(self, issuer: FakeIssuer, layout: Layout, member: str | None, status: int) -> None:
        answer = self._ask(issuer, layout, "/public", member, optional=True)
        assert (answer.status_code, status != 200 or answer.json() == [member] * 4) == (status, True)

    def test_optional_opens_no_private_route(self, issuer: FakeIssuer, layout: Layout) -> None:
        assert self._ask(issuer, layout, "/", None, optional=True).status_code == 401

    @staticmethod
    def _ask(issuer: FakeIssuer, layout: Layout, path: str, member: str | None, **options: Any) -> httpx.Response:
        """What matters is the caller in `Authorization`. Another Guard knows a caller of its own, who may do all in its eyes."""
        guard = guard_for(issuer, routes=[PUBLIC])
        another = guard_for(issuer, callers=["allAuthenticatedUsers"], headers=[OTHER])
        app = layout(guard, another, service(CallerGuard(guard, **options)))
        return ask(app, path, bearing(issuer, member) | bearing(issuer, LOGIN, OTHER))


def test_the_guards_routes_hold_without_its_middleware_too(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[Route("/", callers=[ANA])])
    app = service(CallerGuard(guard))
    assert [ask(app, "/", bearing(issuer, member)).status_code for member in (LOGIN, ANA)] == [403, 200]


def test_a_dependency_alone_has_no_current_caller(issuer: FakeIssuer) -> None:
    app = FastAPI(dependencies=[Security(CallerGuard(guard_for(issuer)))])
    app.get("/")(lambda: str(current_caller()))
    with pytest.raises(NoRequestError):
        ask(app, "/", bearing(issuer, LOGIN))


def test_current_caller_is_the_one_that_the_handler_found_on_a_public_route(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[PUBLIC])
    app = FastAPI(dependencies=[Security(CallerGuard(guard))])
    app.get("/public")(lambda: getattr(current_caller(), "member", None))
    app.add_middleware(CallerMiddleware, guard=guard)
    assert ask(app, "/public", bearing(issuer, ANA)).json() == ANA


class TestIdioms:
    def test_the_scheme_is_in_openapi_and_nothing_else_is(self, issuer: FakeIssuer) -> None:
        app = service(CallerGuard(guard_for(issuer), description="Who calls."))
        document = app.openapi()
        assert document["components"]["securitySchemes"] == {
            "CallerID": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Who calls."}
        }
        operation = document["paths"]["/"]["get"]
        assert operation["security"] == [{"CallerID": []}]
        assert operation.keys() & {"parameters", "requestBody"} == set()

    def test_two_schemes_keep_two_names(self, issuer: FakeIssuer) -> None:
        guard = guard_for(issuer)
        app = FastAPI(dependencies=[Security(CallerGuard(guard, scheme_name=name)) for name in ("One", "Two")])
        app.get("/")(lambda: None)
        assert app.openapi()["components"]["securitySchemes"].keys() == {"One", "Two"}

    def test_dependency_overrides(self, issuer: FakeIssuer) -> None:
        dependency = CallerGuard(guard_for(issuer), callers=[ANA])
        app = FastAPI()

        @app.get("/")
        async def handler(caller: Annotated[str, Security(dependency)]) -> str:
            return caller

        app.dependency_overrides[dependency] = lambda: "a double"
        assert ask(app).json() == "a double"

    @pytest.mark.parametrize("where", ["application", "router", "inclusion", "route", "depends"])
    def test_dependencies_of_a_whole_group(self, issuer: FakeIssuer, where: str) -> None:
        dependency = Security(CallerGuard(guard_for(issuer), callers=[ANA]))
        if where == "depends":
            where, dependency = "route", Depends(dependency.dependency)

        def put(here: str) -> list[Any]:
            return [dependency] if where == here else []

        app = FastAPI(dependencies=put("application"))
        router = APIRouter(dependencies=put("router"))
        router.get("/", dependencies=put("route"))(lambda: "passed")
        app.include_router(router, dependencies=put("inclusion"))
        assert [ask(app, "/", bearing(issuer, member)).status_code for member in (None, LOGIN, ANA)] == [401, 403, 200]

    def test_threads_find_the_caller(self, issuer: FakeIssuer) -> None:
        app = FastAPI()
        app.get("/")(lambda: getattr(current_caller(), "member", None))  # no coroutine: it runs in a thread
        app.add_middleware(CallerMiddleware, guard=guard_for(issuer))
        assert ask(app, "/", bearing(issuer, LOGIN)).json() == LOGIN

    @pytest.mark.parametrize(
        ("options", "words"),
        named(
            ("an empty list", {"callers": []}, ["callers", "empty"]),
            ("a word that is no member", {"callers": ["serviceAcount:a@b.c"]}, ["did you mean"]),
            ("a text for a list", {"callers": LOGIN}, ["brackets"]),
            ("everyone", {"callers": ["allUsers"]}, ["allUsers", "public in the Guard"]),
        ),
    )
    def test_a_list_that_cannot_be_meant_is_refused_at_start(
        self, issuer: FakeIssuer, options: dict[str, Any], words: list[str]
    ) -> None:
        with complains(*words):
            CallerGuard(guard_for(issuer), **options)

    def test_what_is_no_guard_is_refused_at_start(self) -> None:
        with complains("guard: ", "is no Guard"):
            CallerGuard(FastAPI())  # type: ignore[arg-type]


class CountingKeys(StaticKeys):
    """Keys that count how often a signature is verified with them."""

    verified = 0

    async def afind(self, kid: str | None, alg: str) -> Key:
        self.verified += 1
        return await super().afind(kid, alg)


@pytest.mark.parametrize("path", ["/", "/public"])
def test_middleware_and_dependencies_verify_a_token_once(issuer: FakeIssuer, path: str) -> None:
    keys = CountingKeys(parse_jwks(issuer.jwks()))
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(keys=keys)], routes=[PUBLIC], remember=0)
    app = FastAPI(dependencies=[Security(CallerGuard(guard)), Security(CallerGuard(guard, callers=[LOGIN]))])
    app.get(path)(lambda: None)
    app.add_middleware(CallerMiddleware, guard=guard)
    assert ask(app, path, bearing(issuer, LOGIN)).status_code == 200
    assert keys.verified == 1


REFUSALS: list[Any] = named(
    ("missing_credentials", lambda issuer: {}),
    ("malformed_credentials", lambda issuer: {"Authorization": "Bearer a b"}),
    ("malformed_token", lambda issuer: bearing(issuer, "junk")),
    ("token_expired", lambda issuer: bearing(issuer, LOGIN, iat=1, exp=2)),
    ("caller_not_allowed", lambda issuer: bearing(issuer, STRANGER)),
    ("email_not_verified", lambda issuer: bearing(issuer, LOGIN, email_verified=False)),
)


class TestRefusals:
    @pytest.mark.parametrize("make", REFUSALS)
    def test_are_the_middlewares_in_status_and_headers(self, issuer: FakeIssuer, make: Callable[[FakeIssuer], Headers]) -> None:
        guard, headers = guard_for(issuer), make(issuer)
        by_dependency = ask(service(CallerGuard(guard)), "/", headers)
        by_middleware = ask(behind_its_own_middleware(guard, guard, FastAPI()), "/", headers)
        assert by_dependency.status_code == by_middleware.status_code
        assert self._headers(by_dependency) == self._headers(by_middleware)
        assert by_dependency.json() == {"detail": by_middleware.json()["detail"]}
        assert not any(secret in by_dependency.text for secret in ("shop", "mallory", "eyJ", AUDIENCE))

    def test_say_when_to_come_back_while_there_are_no_keys(self) -> None:
        with FakeIssuer() as issuer:
            issuer.status = 500
            guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()])
            answer = ask(service(CallerGuard(guard)), "/", bearing(issuer, LOGIN))
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
        assert int(answer.headers["retry-after"]) >= 1
        assert "www-authenticate" not in answer.headers

    @pytest.mark.parametrize("key", [CallerRefused, 403])
    def test_go_to_the_applications_own_handler(self, issuer: FakeIssuer, key: Any) -> None:
        app = service(CallerGuard(guard_for(issuer)))

        async def own(request: Request, refused: Any) -> JSONResponse:
            return JSONResponse({"mine": refused.reason}, refused.status_code, refused.headers)

        app.add_exception_handler(key, own)
        answer = ask(app, "/", bearing(issuer, STRANGER))
        assert (answer.status_code, answer.json()) == (403, {"mine": "caller_not_allowed"})
        assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'

    @staticmethod
    def _headers(answer: httpx.Response) -> dict[str, str]:
        return {name: value for name, value in answer.headers.items() if name not in ("content-type", "content-length")}


def test_shared_caches_are_told_of_a_caller_that_only_the_handler_knows(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=[PUBLIC])
    app = behind_its_own_middleware(guard, guard, service(CallerGuard(guard, optional=True)))
    private, shared = (ask(app, "/public", headers) for headers in (bearing(issuer, LOGIN, SERVERLESS), {}))
    assert (private.headers.get("cache-control"), shared.headers.get("cache-control")) == ("private", None)


class TestAmongOtherMiddleware:
    ORIGIN = "https://shop.example"

    def test_cors_is_outside_so_that_preflights_pass_and_refusals_are_readable(self, issuer: FakeIssuer) -> None:
        app = self._app(issuer, CORSMiddleware, allow_origins=[self.ORIGIN], allow_headers=["Authorization"])
        origin = {"Origin": self.ORIGIN}
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        with uvicorn_serving(app) as address:
            preflight = httpx.options(f"http://{address}/", headers=origin | asked)
            refused = httpx.get(f"http://{address}/", headers=origin)
            passed = httpx.get(f"http://{address}/", headers=origin | bearing(issuer, LOGIN))
        assert [answer.status_code for answer in (preflight, refused, passed)] == [200, 401, 200]
        assert {answer.headers["access-control-allow-origin"] for answer in (preflight, refused, passed)} == {self.ORIGIN}
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()

    def test_sessions_live_beside_it(self, issuer: FakeIssuer) -> None:
        app = self._app(issuer, SessionMiddleware, secret_key="a secret of the test's")

        @app.get("/session")
        async def session(request: Request, caller: Annotated[Caller, Security(CallerGuard(guard_for(issuer)))]) -> None:
            request.session["caller"] = caller.member

        answer = ask(app, "/session", bearing(issuer, LOGIN))
        assert (answer.status_code, "session" in answer.cookies) == (200, True)

    @staticmethod
    def _app(issuer: FakeIssuer, middleware: Any, **options: Any) -> FastAPI:
        guard = guard_for(issuer)
        app = behind_its_own_middleware(guard, guard, service(CallerGuard(guard)))
        app.add_middleware(middleware, **options)
        return app


class TestPrefixes:
    """The Guard's route is `/admin`, for ANA alone."""

    @pytest.mark.filterwarnings("ignore:The `root_path` parameter is deprecated")
    @pytest.mark.parametrize("path", ["/admin", "/api/admin", "/admin/", "/api/admin/", "/api//admin", "/api/./admin", "/%61dmin"])
    @pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "dependency"])
    def test_a_root_path_opens_no_way_around_a_rule(self, issuer: FakeIssuer, path: str, middleware: bool) -> None:
        app = self._app(issuer, middleware, root_path="/api")
        with uvicorn_serving(app) as address, httpx.Client(follow_redirects=True) as client:
            answer = client.get(f"http://{address}{path}", headers=bearing(issuer, LOGIN))
        assert answer.status_code in (403, 400) or (answer.status_code == 404 and not middleware)

    @pytest.mark.parametrize("middleware", [True, False], ids=["middleware", "dependency"])
    def test_a_mount_has_its_own_paths(self, issuer: FakeIssuer, middleware: bool) -> None:
        outer = FastAPI()
        outer.mount("/sub", self._app(issuer, middleware))
        outer.mount("/other/{tenant}", self._app(issuer, middleware))
        for path in ("/sub/admin", "/other/t/admin"):
            assert [ask(outer, path, bearing(issuer, member)).status_code for member in (LOGIN, ANA)] == [403, 200]

    @staticmethod
    def _app(issuer: FakeIssuer, middleware: bool, **options: Any) -> FastAPI:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        app = FastAPI(**options)
        app.get("/admin", dependencies=[Security(CallerGuard(guard))])(lambda: "passed")
        if middleware:
            app.add_middleware(CallerMiddleware, guard=guard)
        return app


class TestWebSockets:
    @pytest.mark.parametrize(("member", "passes"), [(None, False), (ANA, False), (LOGIN, True)])
    @pytest.mark.parametrize("layout", [alone, behind_its_own_middleware, behind_another_guards_middleware])
    def test_are_refused_before_they_are_accepted(
        self, issuer: FakeIssuer, layout: Layout, member: str | None, passes: bool
    ) -> None:
        guard = guard_for(issuer)
        app = layout(guard, guard_for(issuer, callers=["allAuthenticatedUsers"], headers=[OTHER]), FastAPI())

        @app.websocket("/")
        async def events(websocket: WebSocket, caller: Annotated[Caller, Security(CallerGuard(guard, callers=[LOGIN]))]) -> None:
            await websocket.accept()
            await websocket.send_text(caller.member)

        headers = bearing(issuer, member) | bearing(issuer, LOGIN, OTHER)
        ends = nullcontext() if passes else pytest.raises(InvalidStatus)
        with (
            uvicorn_serving(app) as address,
            ends,
            connect(f"ws://{address}/", additional_headers=headers, proxy=None) as websocket,
        ):
            assert websocket.recv() == LOGIN
