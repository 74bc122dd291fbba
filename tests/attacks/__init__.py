"""Attacks that somebody has published: the examples of the RFCs, RFC 8725 section by section, and every advisory that we know of.

What they share is here: the signature layer alone, who plays, and how often the same question is asked. `forge.py` makes tokens.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from callerid import Guard, Issuer, Refused, google
from callerid.keys.keyset import KeyList
from callerid.keys.material import UnusableKey, key_from_jwk
from callerid.token import _base64, _read_header, _segments
from tests.support import AUDIENCE, LOGIN, Clock, FakeIssuer, reason

NOW = 1_800_000_000
HOUR = 3600
GOOGLE, PARTNER = "https://accounts.google.com", "https://partner.example"
BATCH = f"principal:{PARTNER}/batch"

Claims = dict[str, Any]


def verifies(jwk: dict[str, Any], jws: str) -> bool:
    """What the verifier does from splitting to signature, without the claims."""
    try:
        header, payload, signature = _segments(jws)
        alg, kid, _ = _read_header(header)
        key = KeyList([key_from_jwk(jwk)]).select(kid, alg)
        return key.verifies(alg, header + b"." + payload, _base64(signature))
    except (Refused, UnusableKey):
        return False


class Cast(NamedTuple):
    """Who plays: Google (ES256), a partner (RS256), and Mallory, whose key has the same id as theirs, and who wants in."""

    google: FakeIssuer
    partner: FakeIssuer
    mallory: FakeIssuer

    def claims(self, **changes: Any) -> Claims:
        """The claims of the caller whom everybody wants to be; a change to `None` takes one out."""
        return self.google.claims(LOGIN, AUDIENCE, **changes)

    def partner_claims(self, **changes: Any) -> Claims:
        """The claims of a caller of the partner's."""
        return self.partner.claims(BATCH, AUDIENCE, **changes)

    def signed(self, **header: Any) -> str:
        """Google's own token; what `header` says of its header was so before it was signed."""
        return self.google.sign(self.claims(), **header)

    def partner_signed(self, **header: Any) -> str:
        """The same of the partner's."""
        return self.partner.sign(self.partner_claims(), **header)

    def issuers(self) -> list[Issuer]:
        """Both issuers, with their keys at hand."""
        first = google(keys=self.google.jwks(), algorithms=["ES256"], audience=AUDIENCE)
        return [first, Issuer(PARTNER, keys=self.partner.jwks(), audience=[AUDIENCE, "https://for-partners.example"])]

    def guard(self, **options: Any) -> Guard:
        """A Guard that lets one caller of each issuer pass, unless `options` say otherwise."""
        settings: dict[str, Any] = {"issuers": self.issuers(), "callers": [LOGIN, BATCH], "clock": Clock(NOW)}
        return Guard(**settings | options)


def bearing(token: str) -> list[tuple[str, str]]:
    """The headers of a request that bears this token."""
    return [("Authorization", f"Bearer {token}")]


def asked(guard: Guard, *tokens: str, path: str = "/") -> list[str | None]:
    """Why a Guard refuses requests with these tokens, one after the other."""
    return [reason(guard.check, "GET", path, bearing(token)) for token in tokens]


def reasons(guard: Guard, token: str) -> set[str | None]:
    """Why a token is refused, by the verifier and by the Guard, in threads and in tasks: for one reason, if all is well."""
    verifier = guard.verifier
    return {
        reason(verifier.verify, token),
        reason(lambda: asyncio.run(verifier.averify(token))),
        reason(guard.check, "GET", "/", bearing(token)),
        reason(lambda: asyncio.run(guard.acheck("GET", "/", bearing(token)))),
    }


def proves(*advisories: str) -> Callable[[Any], pytest.MarkDecorator]:
    """Put the ids of what a test proves into its name: `-k CVE-2024-53861` finds it."""
    name = pytest.mark.parametrize("advisory", [pytest.param(None, id=" ".join(advisories))], indirect=True)
    return lambda test: pytest.mark.usefixtures("advisory")(name(test))
