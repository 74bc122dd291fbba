"""Tokens put together by hand, and ways to make them of good ones."""

import base64
import hmac
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from tests.attacks import Cast, Claims

ALGORITHM, MALFORMED, SIGNATURE, UNKNOWN = "algorithm_not_allowed", "malformed_token", "signature_invalid", "unknown_key"
ISSUER, AUDIENCE_MISMATCH, MISSING, INVALID = "issuer_not_allowed", "audience_mismatch", "claim_missing", "claim_invalid"

Make = Callable[[Cast], str]
Change = Callable[[bytes], bytes]


def encoded(raw: bytes | str | Mapping[str, Any]) -> str:
    """Bytes, a text or a JSON object in base64url."""
    text = json.dumps(raw) if isinstance(raw, Mapping) else raw
    return base64.urlsafe_b64encode(text.encode() if isinstance(text, str) else text).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    """A segment's bytes."""
    return base64.urlsafe_b64decode(segment + "===")


def compact(header: bytes | str | Mapping[str, Any], payload: bytes | str | Mapping[str, Any], signature: bytes = b"") -> str:
    """A compact JWS of these parts, whatever they are."""
    return ".".join(map(encoded, (header, payload, signature)))


def with_mac(algorithm: str, secret: bytes, header: Claims, payload: Claims) -> str:
    """A token under a MAC, like HS256, whose secret somebody knows."""
    signing_input = compact(header | {"alg": algorithm}, payload).removesuffix(".")
    return f"{signing_input}.{encoded(hmac.digest(secret, signing_input.encode(), algorithm.replace('HS', 'sha')))}"


def with_signature(token: str, change: Change) -> str:
    """A token with another signature in its own one's place."""
    signing_input, _, signature = token.rpartition(".")
    return f"{signing_input}.{encoded(change(decoded(signature)))}"


def spliced(first: str, second: str, *, header: int, payload: int, signature: int) -> str:
    """A token of two tokens' parts, each from the first (0) or the second (1)."""
    parts = first.split("."), second.split(".")
    return ".".join(parts[choice][place] for place, choice in enumerate((header, payload, signature)))


def unsigned(alg: Any, signature: bytes = b"") -> Make:
    """A token that says how it is signed, and is not."""
    return lambda cast: compact({"alg": alg, "kid": cast.google.kid}, cast.claims(), signature)


def with_password(algorithm: str, secret: bytes) -> Make:
    """A token whose secret was guessed."""
    return lambda cast: with_mac(algorithm, secret, {"kid": cast.google.kid}, cast.claims())


def relabelled(**header: Any) -> Make:
    """A token whose signature is good, under another header."""
    return lambda cast: cast.signed(**header)


def with_header(raw: bytes) -> Make:
    """A token whose header is as it stands here."""
    return lambda cast: compact(raw, cast.claims(), b"\1" * 64)


def claiming(**changes: Any) -> Make:
    """Google's own token, with other claims."""
    return lambda cast: cast.google.sign(cast.claims(**changes))


def saying(change: Change, **header: Any) -> Make:
    """Google's own token, with its payload in other bytes."""
    return lambda cast: cast.google.sign(change(json.dumps(cast.claims()).encode()), **header)


def resigned(change: Change) -> Make:
    """Google's token (ES256) with another signature."""
    return lambda cast: with_signature(cast.signed(), change)


def resigned_by_partner(change: Change) -> Make:
    """The partner's token (RS256) with another signature."""
    return lambda cast: with_signature(cast.partner_signed(), change)


def of_size(size: int) -> Change:
    """A signature cut, or repeated, to so many bytes."""
    return lambda raw: (raw * (size // len(raw) + 1))[:size]


def number(value: int) -> Change:
    """A signature that is this number."""
    return lambda raw: value.to_bytes(len(raw))


def deflated(payload: bytes) -> bytes:
    """What `zip` stands for in RFC 7516."""
    return zlib.compress(payload, wbits=-15)


def mallorys(**header: Any) -> Make:
    """What Mallory has signed."""
    return lambda cast: cast.mallory.sign(cast.claims(), **header)


def places_of_her_key(cast: Cast) -> dict[str, Any]:
    """Every way for a header to lead to Mallory's key."""
    certificate = base64.b64encode(b"a certificate").decode()
    return {"jwk": cast.mallory.jwks()["keys"][0], "jku": cast.mallory.jwks_uri, "x5u": cast.mallory.pem_uri, "x5c": [certificate]}


def with_her_key(kid: str | None) -> Make:
    """What Mallory has signed, and her key with it."""
    return lambda cast: cast.mallory.sign(cast.claims(), kid=kid, **places_of_her_key(cast))
