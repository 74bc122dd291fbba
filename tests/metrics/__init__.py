"""What monitoring systems are told, read as they read it."""

from typing import Any

from callerid import Guard, Route
from callerid.handler import HandlerCheck
from callerid.request import Request
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, reason


def worked(issuer: FakeIssuer, metrics: Any) -> Guard:
    """A Guard that has let four requests pass, one of them public, and refused two; a handler has refused one of the four."""
    guard = Guard(
        audience=AUDIENCE,
        callers=[LOGIN],
        issuers=[issuer.google()],
        routes=[Route("/public", callers=["allUsers"])],
        on_decision=metrics,
    )
    guard.warm_up()
    headers = issuer.headers(LOGIN, AUDIENCE)
    for path, sent in (
        ("/", headers),
        ("/", headers),
        ("/public", {}),
        ("/", {}),
        ("/", issuer.headers(STRANGER, AUDIENCE)),
    ):
        reason(guard.check, "GET", path, sent)
    reason(HandlerCheck(guard, [ANA]), Request("GET", "/", None, list(headers.items()), {}))
    return guard
