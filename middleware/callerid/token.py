"""A compact JWS (RFC 7515) taken apart, strictly. Nothing here is trusted yet: the result is called unverified."""

import binascii
import json
import math
from functools import lru_cache
from itertools import chain
from typing import Any, NoReturn

from callerid.errors import Refused, refusal

__all__ = ["MAX_DEPTH", "MAX_TOKEN_BYTES", "REMOVED_SIGNATURE", "UnverifiedToken", "is_kid", "media_type", "parse_token"]

MAX_TOKEN_BYTES = 16 * 1024
MAX_KID_LENGTH = 256
MAX_DEPTH = 32
USUAL_HEADER_BYTES = 512

# Cloud Run puts this where the signature was (Cloud Run documentation, "Identity token signature redacted by Google").
REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"
_REMOVED_SIGNATURE = REMOVED_SIGNATURE.encode()

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_PADDING = (b"", b"", b"==", b"=")  # for the length modulo 4
_LAST = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")  # the last characters whose unused bits are zero
_BLANKS = " \t\n\r"  # RFC 8259 §2


class UnverifiedToken:
    """A well-formed token that nobody has verified.

    `signature_removed` says that Cloud Run's mark stands in the signature's place, `is_plain` that its claims are numbers,
    constants and ASCII texts only, so that they take little more than its length.
    """

    __slots__ = ("alg", "claims", "encoded_signature", "is_plain", "kid", "signature_removed", "signing_input", "typ")

    def __init__(
        self,
        alg: str,
        kid: str | None,
        typ: str | None,
        claims: dict[str, Any],
        signing_input: bytes,
        encoded_signature: bytes,
        *,
        signature_removed: bool,
        is_plain: bool,
    ) -> None:
        self.alg: str = alg
        self.kid: str | None = kid
        self.typ: str | None = typ
        self.claims: dict[str, Any] = claims
        self.signing_input: bytes = signing_input
        self.encoded_signature: bytes = encoded_signature
        self.signature_removed: bool = signature_removed
        self.is_plain: bool = is_plain

    def __repr__(self) -> str:
        return f"UnverifiedToken(alg={self.alg!r}, kid={self.kid!r}, typ={self.typ!r})"

    @property
    def signature(self) -> bytes:
        """Decoded where it is needed, which most of what is refused never comes to."""
        return _base64(self.encoded_signature)


def parse_token(token: str) -> UnverifiedToken:
    """Take a token of at most 16 KiB apart.

    Raises:
        Unauthenticated: `malformed_token` for its shape, encoding or JSON, `crit` (RFC 7515 §4.1.11), `b64` (RFC 7797) or a
            bad `kid` or `typ`; `algorithm_not_allowed` where `alg` is no string.
    """
    header, payload, signature = _segments(token)
    alg, kid, typ = _usual_header(header) if len(header) <= USUAL_HEADER_BYTES else _read_header(header)
    claims, is_plain = _json_object(_base64(payload))
    is_removed = signature == _REMOVED_SIGNATURE
    return UnverifiedToken(
        alg, kid, typ, claims, header + b"." + payload, signature, signature_removed=is_removed, is_plain=is_plain
    )


def _segments(token: str) -> list[bytes]:
    """The three of them, each in unpadded base64url (RFC 7515 §2). Exactly one spelling of its bytes is accepted, or one token
    would have several.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        raise _malformed(f"longer than {MAX_TOKEN_BYTES} bytes, or no text")
    whole = token.encode() if token.isascii() else b""
    if whole.translate(None, _ALPHABET) != b"..":  # before anything is split, however many there are: CVE-2025-30204
        raise _malformed("not three segments of unpadded base64url")
    segments = whole.split(b".")
    for segment in segments:
        rest = len(segment) % 4
        if rest and segment[-1] not in _LAST[rest]:
            raise _malformed("a segment is not strict, unpadded base64url")
    return segments


def is_kid(value: object) -> bool:
    """Whether a key id is one that a token can name."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_KID_LENGTH and value.isascii() and value.isprintable()


def _malformed(note: str) -> Refused:
    return refusal("malformed_token", note)


def media_type(typ: str) -> str:
    """A `typ` as they compare: without regard to case, and to the prefix that is implied (RFC 7515 §4.1.9)."""
    return typ.lower().removeprefix("application/")


def _read_header(segment: bytes) -> tuple[str, str | None, str | None]:
    """`alg`, `kid` and `typ`. A key or the place of one (`jwk`, `jku`, `x5c`, `x5u`) is never used: RFC 8725 §3.10."""
    header, _ = _json_object(_base64(segment))
    if "crit" in header or "b64" in header:
        raise _malformed("crit or b64 in the header: this token asks for an extension that is not supported")
    kid = header.get("kid")
    if "kid" in header and not is_kid(kid):
        raise _malformed(f"kid is not 1 to {MAX_KID_LENGTH} printable ASCII characters")
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise refusal("algorithm_not_allowed", "alg is missing or no string")
    if "typ" in header and not isinstance(header["typ"], str):
        raise _malformed("typ is no string")
    return alg, kid, media_type(header["typ"]) if "typ" in header else None  # none is not the same as an empty one


_usual_header = lru_cache(maxsize=64)(_read_header)  # it is the same in all tokens of one key


def _base64(segment: bytes) -> bytes:
    return binascii.a2b_base64(segment.translate(_TO_BASE64) + _PADDING[len(segment) % 4])


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


def _json_object(raw: bytes) -> tuple[dict[str, Any], bool]:
    """One JSON object that every handler can echo: no duplicate names, no lone surrogates, no deep nesting. And whether it is
    plain: flat, and ASCII.
    """
    try:
        text = raw.decode().strip(_BLANKS)
        value, end = _DECODER.raw_decode(text)
        if end != len(text):
            raise ValueError("more than one value")
        is_flat = "[" not in text and text.rfind("{") == 0
        if not is_flat and _is_deep(value):
            raise ValueError("nested too deep")
        is_escaped = "\\u" in text
        if is_escaped:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        raise _malformed("a segment is not strict UTF-8 JSON") from None
    if not isinstance(value, dict):
        raise _malformed("a segment is no JSON object")
    return value, is_flat and not is_escaped and text.isascii()


def _is_deep(value: Any) -> bool:
    """Whether there are objects and arrays more than `MAX_DEPTH` deep within each other. Strangers may ask, so all at once."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        if not level:
            return False
        level = list(chain.from_iterable(level))
    return True
