"""What guards the service, by variant."""

import importlib
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt

from callerid import Guard, Route, google
from tests.benchmarks.scene import AUDIENCE, GOOGLE

__all__ = ["VARIANT", "guard", "verifier"]

VARIANT = os.environ["BENCH_VARIANT"]
JWKS_URI, PEM_URI = os.environ["BENCH_JWKS_URI"], os.environ["BENCH_PEM_URI"]
CALLERS = os.environ["BENCH_CALLERS"].split()

Verify = Callable[[str], object]


@cache
def guard() -> Guard | None:
    """callerid's, in its variants."""
    if VARIANT not in ("callerid", "callerid, first", "list"):
        return None
    made = Guard(
        audience=AUDIENCE,
        callers=CALLERS,
        routes=[Route("/healthz", callers=["allUsers"])],
        issuers=[google(jwks_uri=JWKS_URI)],
        remember=64 if VARIANT == "callerid, first" else 4096,
    )
    made.warm_up()
    return made


@cache
def verifier() -> Verify | None:
    """What the others put into a dependency or a middleware of their own; it takes the value of `Authorization`."""
    make = {"pyjwt": _pyjwt, "google": _google}.get(VARIANT)
    return make() if make else None


def _pyjwt() -> Verify:
    keys = jwt.PyJWKClient(JWKS_URI)

    def verify(authorization: str) -> object:
        token = authorization.removeprefix("Bearer ")
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=GOOGLE)

    return verify


def _google() -> Verify:
    id_token: Any = importlib.import_module("google.oauth2.id_token")
    transport: Any = importlib.import_module("google.auth.transport.requests")

    def verify(authorization: str) -> object:
        token = authorization.removeprefix("Bearer ")
        return id_token.verify_token(token, transport.Request(), audience=AUDIENCE, certs_url=PEM_URI)

    return verify
