"""Three libraries and callerid, each used as its documentation tells a receiving service to.

All get the same keys, audience, issuers and, where they take one, a leeway of 30 s. They read the system's clock.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import google.auth.exceptions
import jwt
from google.auth import transport
from google.oauth2 import id_token
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from packaging.version import Version

import callerid
from tests.differential.mint import GOOGLE, GOOGLE_ALIAS, Signer
from tests.support import ANA, AUDIENCE, LOGIN

__all__ = ["ALGORITHMS", "CALLERID", "NO_EMAIL", "OTHERS", "Peer", "Verdict", "are_old", "peers", "versions"]

ALGORITHMS = ("RS256", "ES256")
ISSUERS = [GOOGLE, GOOGLE_ALIAS]
LEEWAY = 30
REQUIRED = ("iss", "aud", "exp", "iat", "sub")

# The subject of a permitted service account whose token holds no address.
NO_EMAIL = "107517467455664443765"

CALLERID = "callerid"
OTHERS = ("google-auth", "google-auth, JWKs", "PyJWT", "joserfc")
OLDEST = {"google-auth": "2.62.2", "PyJWT": "2.15.1", "joserfc": "1.8"}

CERTIFICATES_URL, JWKS_URL = "https://www.googleapis.com/oauth2/v1/certs", "https://www.googleapis.com/oauth2/v3/certs"


@dataclass(frozen=True)
class Verdict:
    """What one of them made of a token: the exception it raised, if any, and whether that is one that it documents."""

    error: str = ""
    is_documented: bool = True

    @property
    def accepted(self) -> bool:
        return not self.error

    @property
    def word(self) -> str:
        """The verdict in a word; an exception that nobody expects is the word."""
        if self.accepted:
            return "accepts"
        return "refuses" if self.is_documented else f"`{self.error}`"


@dataclass(frozen=True)
class Peer:
    """One way to verify a token, and the errors that its documentation prepares for (callerid's is `Refused`)."""

    verify: Callable[[str], object]
    errors: tuple[type[Exception], ...]

    def judge(self, token: str) -> Verdict:
        try:
            self.verify(token)
        except callerid.Refused as refused:
            return Verdict(refused.reason)
        except Exception as error:  # noqa: BLE001  (which one is the question)
            return Verdict(type(error).__name__, isinstance(error, self.errors))
        return Verdict()


def peers(signer: Signer) -> dict[str, Peer]:
    """All of them, by name."""
    keys = Documents({CERTIFICATES_URL: signer.certificates(), JWKS_URL: signer.jwks()})
    google_errors = (ValueError, google.auth.exceptions.GoogleAuthError)
    return {
        "google-auth": Peer(_google_auth(keys), google_errors),
        # Its own documentation names no error for this way; PyJWT's are what it raises.
        "google-auth, JWKs": Peer(_google_auth_jwks(keys), (*google_errors, jwt.PyJWTError)),
        "PyJWT": Peer(_pyjwt(signer), (jwt.PyJWTError,)),
        "joserfc": Peer(_joserfc(signer), (JoseError,)),
        CALLERID: Peer(_callerid(signer), ()),
    }


def versions() -> str:
    """Which versions these are, for people."""
    return ", ".join(f"{name} {version(name)}" for name in ("google-auth", "PyJWT", "joserfc", "cryptography"))


def are_old() -> bool:
    """Whether one of them is older than those that the page is about; they decide otherwise about many a token."""
    return any(Version(version(name)) < Version(oldest) for name, oldest in OLDEST.items())


class Documents(transport.Request):
    """google-auth's transport, without a network."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._documents = documents

    def __call__(self, url: str, *_: Any, **__: Any) -> transport.Response:
        return Document(self._documents[url])


class Document(transport.Response):
    """An answer of that transport."""

    status = 200
    headers: Mapping[str, str] = {}
    data = b""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.data = json.dumps(document).encode()


def _google_auth(keys: Documents) -> Callable[[str], object]:
    """With X.509 certificates, which is its default."""
    verify: Any = id_token.verify_oauth2_token
    return lambda token: verify(token, keys, AUDIENCE, clock_skew_in_seconds=LEEWAY)


def _google_auth_jwks(keys: Documents) -> Callable[[str], object]:
    """With a JWK Set; the issuer is left to who calls it."""
    verify_token: Any = id_token.verify_token

    def verify(token: str) -> None:
        claims = verify_token(token, keys, AUDIENCE, certs_url=JWKS_URL, clock_skew_in_seconds=LEEWAY)
        if claims.get("iss") not in ISSUERS:
            raise ValueError("another issuer")

    return verify


class Keys(jwt.PyJWKClient):
    """PyJWT's client for a JWK Set, without a network."""

    def __init__(self, jwks: dict[str, Any]) -> None:
        super().__init__(JWKS_URL)
        self._jwks = jwks

    def fetch_data(self) -> Any:
        return self._jwks


def _pyjwt(signer: Signer) -> Callable[[str], object]:
    keys = Keys(signer.jwks())

    def verify(token: str) -> None:
        jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=ALGORITHMS,
            audience=AUDIENCE,
            issuer=ISSUERS,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
        )

    return verify


def _joserfc(signer: Signer) -> Callable[[str], object]:
    jwks: Any = signer.jwks()
    keys = jwk.KeySet.import_key_set(jwks)
    essential: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
    values: dict[str, Any] = {"iss": {"essential": True, "values": ISSUERS}, "aud": {"essential": True, "value": AUDIENCE}}
    claims = joserfc_jwt.JWTClaimsRegistry(leeway=LEEWAY, **essential | values)
    return lambda token: claims.validate(joserfc_jwt.decode(token, keys, algorithms=ALGORITHMS).claims)


def _callerid(signer: Signer) -> Callable[[str], object]:
    issuer = callerid.google(keys=signer.jwks(), algorithms=ALGORITHMS)
    guard = callerid.Guard(audience=AUDIENCE, callers=[LOGIN, ANA, f"principal:{GOOGLE}/{NO_EMAIL}"], issuers=[issuer])
    return lambda token: guard.check("GET", "/", [("Authorization", f"Bearer {token}")])
