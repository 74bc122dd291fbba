"""The setting of every measurement: an issuer on loopback, tokens as Google makes them, and a Guard with a policy."""

import base64
import json
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from jwt.algorithms import get_default_algorithms

from callerid import Guard, Issuer, Route, google
from tests.benchmarks.timing import Call

if TYPE_CHECKING:
    from callerid.testing import FakeIssuer  # noqa: TID251  (a type; which class it is, the caller says)

__all__ = ["AUDIENCE", "CALLER", "GOOGLE", "MEMBER", "PATH", "POLICY", "PUBLIC", "Scene", "member", "policy"]

GOOGLE = "https://accounts.google.com"
AUDIENCE = "https://user-profiles-production-123456789012.us-central1.run.app"
CALLER = "login-frontend-service@shop-production-471623.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{CALLER}"
KEY_IDS = ("5dba0ac4a4b6b6e7ae8e7d3d8c6e1b2f9a70c351", "c8ab71530972bba20b49f78a09c9852c43ff9118")  # as long as Google's

# A policy of 20 routes. The request that is timed is for the last of them.
NOUNS = ("accounts", "addresses", "baskets", "catalog", "discounts", "exports", "invoices", "labels", "orders")
PATH, PUBLIC = "/tenants/7/profiles/1234", "/healthz"
POLICY = (
    PUBLIC,
    *(f"/{noun}/{{id}}" for noun in NOUNS),
    *(f"/tenants/{{tenant}}/{noun}/{{id}}" for noun in NOUNS),
    "/tenants/{tenant}/profiles/{id}",
)


def member(number: int) -> str:
    """The member that bears the token of this number. Number 0 is the one that the policy admits."""
    return MEMBER if number == 0 else f"serviceAccount:caller-{number:05}@shop-production-471623.iam.gserviceaccount.com"


def policy(callers: Iterable[str] = (MEMBER,)) -> list[Route]:
    """The twenty routes."""
    callers = list(callers)
    return [Route(path, callers=["allUsers"] if path == PUBLIC else callers) for path in POLICY]


class Scene:
    """Two issuers under Google's name, one that signs with RS256 as Google does, one with ES256, and what they sign."""

    def __init__(self, make: "Callable[..., FakeIssuer]") -> None:
        self.issuer = _with_two_keys(make(GOOGLE, max_age=20_000))
        self.es256 = _with_two_keys(make(GOOGLE, max_age=20_000, algorithm="ES256"))
        self._tokens: list[str] = []

    def close(self) -> None:
        """Stop serving keys."""
        self.issuer.close()
        self.es256.close()

    @cached_property
    def token(self) -> str:
        """The caller's token, as long as Google's."""
        return self.tokens(1)[0]

    def tokens(self, count: int) -> list[str]:
        """So many distinct callers' tokens."""
        while len(self._tokens) < count:
            self._tokens.append(self.sign(self.issuer, member(len(self._tokens))))
        return self._tokens[:count]

    def sign(self, issuer: "FakeIssuer", whose: str = MEMBER, **changes: Any) -> str:
        """A token with the claims that Google's have, without blanks in its JSON."""
        claims = issuer.claims(whose, changes.pop("aud", AUDIENCE), **changes)
        return issuer.sign(json.dumps(claims, separators=(",", ":")).encode())

    def guard(self, **keywords: Any) -> Guard:
        """A Guard with the twenty routes and the keys at hand."""
        return Guard(**{"audience": AUDIENCE, "callers": [MEMBER], "routes": policy(), "issuers": [self.keys()]} | keywords)

    def keys(self) -> Issuer:
        """Google, with the RS256 keys at hand."""
        return google(keys=self.issuer.jwks())

    def es256_keys(self) -> Issuer:
        """Google, if it signed with ES256."""
        return google(keys=self.es256.jwks(), algorithms=("ES256",))

    def bare_rs256(self) -> Call:
        """The reference of everything: one RSA signature verified, everything else made ready beforehand."""
        signed, signature = _parts(self.token)
        key = get_default_algorithms()["RS256"].from_jwk(self.issuer.jwks()["keys"][0])
        assert isinstance(key, rsa.RSAPublicKey)
        pad, digest = padding.PKCS1v15(), hashes.SHA256()
        return lambda: key.verify(signature, signed, pad, digest)

    def bare_es256(self) -> Call:
        """The same for ES256."""
        signed, raw = _parts(self.sign(self.es256))
        key = get_default_algorithms()["ES256"].from_jwk(self.es256.jwks()["keys"][0])
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        scheme = ec.ECDSA(hashes.SHA256())
        return lambda: key.verify(signature, signed, scheme)


def _with_two_keys(issuer: "FakeIssuer") -> "FakeIssuer":
    """As Google publishes them: the one in use and the next."""
    issuer.published.clear()
    issuer.kid, _ = map(issuer.add_key, KEY_IDS)
    return issuer


def _parts(token: str) -> tuple[bytes, bytes]:
    """What is signed, and the signature."""
    signed, _, signature = token.rpartition(".")
    return signed.encode(), base64.urlsafe_b64decode(f"{signature}==")
