"""A compact JWS (RFC 7515) taken apart, strictly. Nothing here is trusted yet: the result is called unverified."""

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from callerid.errors import Refused, refusal

__all__ = ["MAX_DEPTH", "MAX_TOKEN_BYTES", "REMOVED_SIGNATURE", "UnverifiedToken", "is_kid", "media_type", "parse_token"]

MAX_TOKEN_BYTES = 16 * 1024
MAX_KID_LENGTH = 256
MAX_DEPTH = 32

# Cloud Run puts this where the signature was (Cloud Run documentation, "Identity token signature redacted by Google").
REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token that nobody has verified."""

    alg: str
    kid: str | None
    typ: str | None
    claims: dict[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    signature_removed: bool


def parse_token(token: str) -> UnverifiedToken:
    """Take a token of at most 16 KiB apart.

    Raises:
        Unauthenticated: `malformed_token` for its shape, encoding or JSON, `crit` (RFC 7515 §4.1.11), `b64` (RFC 7797) or a
            bad `kid` or `typ`; `algorithm_not_allowed` where `alg` is no string.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise _malformed(f"longer than {MAX_TOKEN_BYTES} bytes, or no text")
    if not token.isascii() or token.count(".") != 2:  # counted before it is split: CVE-2025-30204
        raise _malformed("not three segments of ASCII text")
    signing_input, _, signature = token.rpartition(".")
    header, _, payload = signing_input.partition(".")
    members = _json_object(_decode(header))
    alg, kid = _read_header(members)
    return UnverifiedToken(
        alg=alg,
        kid=kid,
        typ=_read_typ(members),
        claims=_json_object(_decode(payload)),
        signing_input=signing_input.encode(),
        signature=_decode(signature),
        signature_removed=signature == REMOVED_SIGNATURE,
    )


def is_kid(value: object) -> bool:
    """Whether a key id is one that a token can name."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_KID_LENGTH and value.isascii() and value.isprintable()


def _malformed(note: str) -> Refused:
    return refusal("malformed_token", note)


def media_type(typ: str) -> str:
    """A `typ` as they compare: without regard to case, and to the prefix that is implied (RFC 7515 §4.1.9)."""
    return typ.lower().removeprefix("application/")


def _read_header(header: dict[str, Any]) -> tuple[str, str | None]:
    """`alg` and `kid`. A key or the place of one (`jwk`, `jku`, `x5c`, `x5u`) is never used: RFC 8725 §3.10."""
    if "crit" in header or "b64" in header:
        raise _malformed("crit or b64 in the header: this token asks for an extension that is not supported")
    kid = header.get("kid")
    if "kid" in header and not is_kid(kid):
        raise _malformed(f"kid is not 1 to {MAX_KID_LENGTH} printable ASCII characters")
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise refusal("algorithm_not_allowed", "alg is missing or no string")
    return alg, kid


def _read_typ(header: dict[str, Any]) -> str | None:
    if "typ" in header and not isinstance(header["typ"], str):
        raise _malformed("typ is no string")
    return media_type(header["typ"]) if "typ" in header else None  # which is not the same as an empty one


def _decode(segment: str) -> bytes:
    """Unpadded base64url (RFC 7515 §2). Exactly one spelling of the bytes is accepted, or one token would have several."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise _malformed("a segment is not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != segment.encode():
        raise _malformed("a segment is not strict, unpadded base64url")
    return decoded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate name")  # RFC 7519 §4: parsers that differ on which one wins are a way in
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError("NaN or Infinity is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


def _json_object(raw: bytes) -> dict[str, Any]:
    """One JSON object that every handler can echo: no duplicate names, no lone surrogates, no deep nesting."""
    try:
        text = raw.decode()
        value = _DECODER.decode(text)
        if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise ValueError("nested too deep")
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        raise _malformed("a segment is not strict UTF-8 JSON") from None
    if not isinstance(value, dict):
        raise _malformed("a segment is no JSON object")
    return value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)
