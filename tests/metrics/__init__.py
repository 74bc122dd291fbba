"""What monitoring systems are told, read as they read it."""

from typing import Any

from callerid import Guard, Route
from tests.support import AUDIENCE, LOGIN, STRANGER, FakeIssuer, reason


def worked(issuer: FakeIssuer, metrics: Any) -> Guard:
    """A Guard that has let three requests pass, one of them public, and refused two."""
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
    return guard
