"""An issuer for tests and development: real keys made on the spot, real tokens, served over loopback HTTP.

with FakeIssuer() as issuer:
    guard = Guard(issuers=[issuer.google()], audience="https://me.example", callers=[LOGIN])
    headers = issuer.headers(LOGIN, "https://me.example")
"""

import base64
import hashlib
import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms

from callerid.address import is_service_account, normal_address
from callerid.bearer import IAP, IAP_HEADER
from callerid.errors import ConfigurationError
from callerid.guard import Guard
from callerid.issuers import Issuer
from callerid.keys import KeySet
from callerid.keys.material import Key
from callerid.memory import TokenMemory, Verified
from callerid.pretend import pretended
from callerid.profiles import GOOGLE, discovery_uri, google, profile
from callerid.snapshot import assert_callers
from callerid.token import REMOVED_SIGNATURE

__all__ = ["FakeIssuer", "assert_callers", "without_cryptography"]

HOUR, IAP_LIFETIME = 3600, 600  # seconds


class FakeIssuer:
    """Signs ID tokens and serves its public keys on 127.0.0.1, at `jwks_uri` as a JWK Set and at `pem_uri` as a PEM map; at
    `discovery_uri` it serves an OpenID configuration, for `oidc(issuer.issuer, discovery_uri=issuer.discovery_uri)`.

    `issuer` is the `iss` of its tokens, Google's unless said otherwise; `algorithm` RS256 or ES256; `max_age` what the
    endpoint's `Cache-Control` says, in seconds. `clock` tells the seconds since the epoch. Use it as a context manager, or
    call `close`.
    """

    def __init__(
        self,
        issuer: str = GOOGLE,
        *,
        algorithm: str = "RS256",
        max_age: int = HOUR,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.algorithm = algorithm
        self.max_age = max_age
        self.status = 200
        self.requests = 0
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self.published: list[str] = []
        self.kid: str = self.add_key()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url: str = f"http://127.0.0.1:{self._server.server_port}"
        self.jwks_uri: str = f"{self.url}/jwks"
        self.pem_uri: str = f"{self.url}/certs"
        self.discovery_uri: str = discovery_uri(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving keys."""
        self._server.shutdown()
        self._server.server_close()

    def google(self, **options: Any) -> Issuer:
        """Google as a Guard knows it, but with this issuer's keys."""
        return google(jwks_uri=self.jwks_uri, algorithms=(self.algorithm,), **options)

    def profile(self, **options: Any) -> Issuer:
        """This issuer as a Guard knows it: one that is known by name is its profile, any other is believed for no address unless
        `options` say so.
        """
        return profile(self.issuer, {"jwks_uri": self.jwks_uri, "algorithms": (self.algorithm,)} | options)

    def add_key(self, kid: str | None = None) -> str:
        """Make a further key and publish it; tokens are signed with the old one until `kid` is set to what this returns."""
        kid = kid or f"key-{len(self._keys) + 1}"
        is_rsa = self.algorithm.startswith(("RS", "PS"))
        self._keys[kid] = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        self.published.append(kid)
        return kid

    def rotate(self, *, announce: bool = True) -> str:
        """Sign with a new key from now on; with `announce` it is published. The old key stays published. Returns its id."""
        self.kid = self.add_key()
        if not announce:
            self.published.remove(self.kid)
        return self.kid

    def jwks(self) -> dict[str, Any]:
        """The published keys as a JWK Set."""
        return {"keys": [self._jwk(kid) for kid in self.published]}

    def configuration(self) -> dict[str, Any]:
        """What `oidc()` reads: the issuer's OpenID configuration."""
        return {"issuer": self.issuer, "jwks_uri": self.jwks_uri}

    def pem_map(self) -> dict[str, str]:
        """The published keys as Google's PEM map: key id → PEM."""
        return {
            kid: self._keys[kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            for kid in self.published
        }

    def claims(self, member: str, audience: str, **changes: Any) -> dict[str, Any]:
        """The claims of a token as Google makes them for a service account or a person (and IAP, for who came through it), or
        those of `principal:ISSUER/SUBJECT`; a change to `None` takes one out.

        Raises:
            ConfigurationError: for a member of another kind.
        """
        now = int(self._clock())
        claims: dict[str, Any] = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + HOUR}
        if member.startswith("principal:"):
            claims["sub"] = member.removeprefix("principal:").removeprefix(f"{self.issuer}/")
        else:
            kind, colon, address = member.partition(":")
            if colon and kind not in ("serviceAccount", "user"):
                raise ConfigurationError(
                    f"{member!r} is nobody who calls; write serviceAccount:…, user:… or principal:ISSUER/SUBJECT"
                )
            claims |= _email_claims(address or member)
            if self.issuer == IAP:
                del claims["email_verified"]
                claims |= {"exp": now + IAP_LIFETIME, "azp": audience, "sub": f"accounts.google.com:{claims['sub']}"}
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def token(self, member: str, audience: str, **changes: Any) -> str:
        """A signed token for a member (`serviceAccount:…`, `user:…` or a bare address); `changes` as for `claims`."""
        return self.sign(self.claims(member, audience, **changes))

    def headers(self, member: str, audience: str, **changes: Any) -> dict[str, str]:
        """Request headers that bear such a token."""
        token = self.token(member, audience, **changes)
        return {IAP_HEADER: token} if self.issuer == IAP else {"Authorization": f"Bearer {token}"}

    def sign(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """Sign claims, or any payload, under a header that `header` changes (`None` takes a member out)."""
        members = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | header
        head = {name: value for name, value in members.items() if value is not None}
        payload = claims if isinstance(claims, bytes) else json.dumps(dict(claims)).encode()
        signing_input = f"{_base64url(json.dumps(head).encode())}.{_base64url(payload)}"
        signature = get_default_algorithms()[self.algorithm].sign(signing_input.encode(), self._keys[self.kid])
        return f"{signing_input}.{_base64url(signature)}"

    @staticmethod
    def strip_signature(token: str) -> str:
        """The token as Cloud Run passes it on: with its signature removed."""
        return f"{token.rpartition('.')[0]}.{REMOVED_SIGNATURE}"

    @staticmethod
    def forge_signature(token: str) -> str:
        """The token with a well-formed signature that is not its own."""
        signing_input, _, signature = token.rpartition(".")
        return f"{signing_input}.{_base64url(bytes(len(base64.urlsafe_b64decode(signature + '==='))))}"

    def _jwk(self, kid: str) -> dict[str, Any]:
        public_key = self._keys[kid].public_key()
        to_jwk: Any = RSAAlgorithm.to_jwk if isinstance(public_key, rsa.RSAPublicKey) else ECAlgorithm.to_jwk
        jwk: dict[str, Any] = to_jwk(public_key, as_dict=True)
        return jwk | {"kid": kid, "alg": self.algorithm, "use": "sig"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents: dict[str, Callable[[], Mapping[str, Any]]] = {
                    issuer.jwks_uri: issuer.jwks,
                    issuer.pem_uri: issuer.pem_map,
                    issuer.discovery_uri: issuer.configuration,
                }
                make = documents.get(f"{issuer.url}{self.path}")
                issuer.requests += 1
                body = json.dumps(make() if make else {}).encode()
                self.send_response(issuer.status if make else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", f"public, max-age={issuer.max_age}")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass  # a test's output is the test's

        return Handler


@contextmanager
def without_cryptography(guard: Guard) -> Iterator[Callable[..., dict[str, str]]]:
    """Request headers of callers whom this Guard takes for verified, for test suites that are to need no keys and no network.

    It gives a function of a member, and further claims, that returns headers. They hold a random word, which the Guard's memory
    knows as a verified token until the context ends, the policy's file has been taken anew, or `remember` others have come; what
    the caller may do is decided as ever. Nothing is switched off: a process in which this is forgotten believes what it has handed
    out itself, and nobody can guess that. What a token must be to be believed is not tested this way; that is what `FakeIssuer` is
    for.

    Raises:
        ConfigurationError: for a member that is not one caller, and for a Guard that remembers nothing.
    """
    keys = _HandedOut()
    known: list[tuple[TokenMemory, bytes]] = []

    def as_caller(member: str, **claims: Any) -> dict[str, str]:
        policy = guard.policy  # which may be another one than at the last call, with another memory
        memory, caller = policy.verifier.memory, pretended(policy, member, claims)
        header = policy.bearer.header_of(caller.issuer)
        value = " ".join(filter(None, (header.scheme, secrets.token_urlsafe())))
        sent: Any = value.encode()
        memory.put(Verified(caller, sent, header, -math.inf, math.inf, cast(KeySet, keys), keys.key))
        known.append((memory, sent))
        if sent not in memory:
            why = "remembers nothing (remember=0)" if memory.keeps_none else "has no room for a single token (remember_bytes)"
            raise ConfigurationError(f"without_cryptography: this Guard {why}, so it has to verify every token")
        return {header.name: value}

    try:
        yield as_caller
    finally:
        keys.are_good = False
        for memory, sent in known:
            memory.discard(sent)


class _HandedOut:
    """In the place of the keys that would have verified what was handed out."""

    def __init__(self) -> None:
        self.key = Key(None, secrets.token_bytes(), frozenset(), None)
        self.are_good = True

    def holds(self, key: Key) -> bool:
        return self.are_good and key is self.key


def _email_claims(address: str) -> dict[str, Any]:
    subject = str(int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big"))
    claims = {"azp": subject, "sub": subject, "email": address, "email_verified": True}
    if not is_service_account(normal_address(address) or "") and not address.endswith("@gmail.com"):
        claims["hd"] = address.partition("@")[2]
    return claims


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
