# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The core, as mypy and pyright see it. A line that must not type has its error named; nothing else may have one."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, assert_type
from wsgiref.simple_server import demo_app

import pytest

from callerid import (
    Caller,
    CallerIDError,
    CallerUser,
    Claims,
    ConfigurationError,
    Guard,
    GuardStatus,
    Header,
    Issuer,
    NoRequestError,
    Refused,
    Route,
    Unauthenticated,
    Verifier,
    current_caller,
    google,
    oidc,
)
from callerid.asgi import ASGIApp, Receive, Scope, Send
from callerid.asgi import CallerMiddleware as ASGIMiddleware
from callerid.keys.status import State
from callerid.wsgi import CallerMiddleware as WSGIMiddleware
from tests.support import AUDIENCE, LOGIN, FakeIssuer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class OwnGuard(Guard):
    """A subclass stays one through the other constructors."""


def test_a_guard(issuer: FakeIssuer) -> None:
    issuers = [assert_type(issuer.google(), Issuer), Issuer("https://issuer.example", audience="a", keys=issuer.jwks())]
    guard = Guard(
        audience=AUDIENCE, callers=[LOGIN], issuers=issuers[:1], headers=["Authorization", Header("X-Other", scheme=None)]
    )
    assert_type(guard.check("GET", "/", issuer.headers(LOGIN, AUDIENCE).items()), Caller | None)
    assert_type(
        asyncio.run(guard.acheck("GET", "/", [(b"authorization", f"Bearer {issuer.token(LOGIN, AUDIENCE)}")])), Caller | None
    )
    assert_type(OwnGuard.from_env({"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": LOGIN}), OwnGuard)
    assert_type(OwnGuard.from_mapping({"AUDIENCE": AUDIENCE, "CALLERS": [LOGIN]}, source="a test"), OwnGuard)
    assert_type(google(), Issuer)
    assert_type(oidc("https://issuer.example", audience=AUDIENCE), Issuer)
    with pytest.raises(TypeError):
        Guard(audience=AUDIENCE, callers=[LOGIN], verify=False)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Route("/healthz")  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError):
        Guard(audience=AUDIENCE, callers=LOGIN)  # a text is an iterable of texts: only the start can tell


def test_keys_before_the_first_request(issuer: FakeIssuer) -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()])
    assert_type(guard.prefetch(), None)
    assert_type(guard.warm_up(30.0), None)
    assert_type(asyncio.run(guard.awarm_up(timeout=30)), None)
    assert_type(guard.ready, bool)
    status = assert_type(guard.status(), dict[str, GuardStatus])["https://accounts.google.com"]
    assert_type(status["state"], State)
    assert_type(status["key_ids"], list[str])
    assert_type(status["age"], float | None)
    assert_type(status["last_error"], str | None)
    assert_type(status["fetches"] + status["failures"] + status["unknown_kids"], int)
    with pytest.raises(KeyError):
        status["keys"]  # type: ignore[typeddict-item]
    with pytest.raises(AttributeError):
        guard.ready = True  # type: ignore[misc]


def test_a_caller(issuer: FakeIssuer) -> None:
    caller = Verifier([issuer.google()], audience=AUDIENCE).verify(issuer.token(LOGIN, AUDIENCE))
    assert_type(caller, Caller)
    assert_type(caller.email, str | None)
    assert_type(caller.subject, str)
    assert_type(caller.claims, Claims)
    assert_type(caller.claims["email"], Any)
    assert_type(caller.to_dict(), dict[str, Any])
    assert_type(CallerUser(caller).is_authenticated, bool)
    claims: Mapping[str, object] = caller.claims
    assert claims == caller.claims
    with pytest.raises(AttributeError):
        caller.subject = "another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        caller.claims["email"] = "another"  # type: ignore[index]
    caller.email.upper()  # type: ignore[union-attr]


def test_the_current_caller() -> None:
    with pytest.raises(NoRequestError):
        assert_type(current_caller(), Caller | None)
    with pytest.raises(CallerIDError):
        print(current_caller().member)  # type: ignore[union-attr]


def test_a_refusal(issuer: FakeIssuer) -> None:
    with pytest.raises(Refused) as raised:
        Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()]).check("GET", "/", [])
    refused = assert_type(raised.value, Refused)
    assert isinstance(refused, Unauthenticated)
    assert_type(refused.status, int)
    assert_type(refused.reason, str)
    assert_type(refused.detail, str)
    assert_type(refused.headers, dict[str, str])
    assert_type(refused.body, bytes)
    assert_type(refused.challenge, str | None)
    assert_type(refused.retry_after, int | None)


def test_middleware_is_an_application_around_one(issuer: FakeIssuer) -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()])
    asgi: ASGIApp = ASGIMiddleware(_asgi_app, guard=guard, close_websockets=False)
    wsgi: WSGIApplication = WSGIMiddleware(demo_app, guard=guard)
    with pytest.raises(TypeError):
        ASGIMiddleware(asgi)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        WSGIMiddleware(wsgi, guard)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError):
        ASGIMiddleware(asgi, guard={"audience": AUDIENCE})  # type: ignore[arg-type]


async def _asgi_app(scope: Scope, receive: Receive, send: Send) -> None: ...
