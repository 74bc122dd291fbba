"""The targets: each makes an input of any bytes, and asserts what must hold for every input. What escapes is a finding.

Inputs are text, so that seeds can be read and findings kept: lines, JSON or TOML, with `$name` for what no fuzzer guesses. A byte
changed should be another input of that kind, and seldom none at all. What is expected is worked out here once more, in the
plainest way there is.
"""

import dataclasses
import hashlib
import inspect
import ipaddress
import json
import math
import os
import pickle
import re
import socket
import string
import tomllib
import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm
from urllib3 import HTTPHeaderDict
from urllib3.util import parse_url

from callerid import Caller, ConfigurationError, Guard, Header, Issuer, Refused, Route, google
from callerid.bearer import Bearer, HeaderPairs
from callerid.keys.keyset import KeyDocumentError, KeyList, parse_jwks, parse_pem_map
from callerid.keys.lifetime import lifetime_of
from callerid.keys.material import ALGORITHMS, Key, key_from_jwk
from callerid.keys.url import checked_url
from callerid.routes import RouteTable, check_path
from callerid.token import parse_token
from tests.keys.test_material import PRIVATE_KEYS, certificate, jwk, modulus, number, pem, roca_modulus
from tests.support import AUDIENCE, Clock, FakeIssuer
from tests.test_routes import fits

__all__ = ["TARGETS"]

GOOGLE, IDP = "https://accounts.google.com", "https://idp.example"
CLOCK = Clock()

FAKE = FakeIssuer(algorithm="ES256", clock=CLOCK)
FAKE.close()  # its keys are enough
ISSUERS = (
    google(keys=FAKE.jwks(), audience=AUDIENCE, algorithms=["ES256"]),
    Issuer(IDP, keys=FAKE.jwks(), audience=AUDIENCE, algorithms=["ES256"], email_domains=["partner.example"]),
)


def _members(found: Mapping[str, Any]) -> bytes:
    """A JSON object's members, for a place among others."""
    return json.dumps({name: value for name, value in found.items() if name != "kid"})[1:-1].encode()


GOOD_KEYS = {name.lower(): jwk(key) for name, key in PRIVATE_KEYS.items() if name != "PS"}
OTHER_KEYS = {
    "rsa1024": jwk(PRIVATE_KEYS["RS"]) | {"n": number(modulus(1024))},
    "roca": jwk(PRIVATE_KEYS["RS"]) | {"n": number(roca_modulus())},
    "secp256k1": jwk(ec.generate_private_key(ec.SECP256K1())),
    "ed448": jwk(ed448.Ed448PrivateKey.generate()),
    "oct": {"kty": "oct", "k": "c2VjcmV0"},
    "private": ECAlgorithm.to_jwk(PRIVATE_KEYS["ES256"], as_dict=True),
}
PEMS = {
    "pem_rs": pem(PRIVATE_KEYS["RS"].public_key()),
    "pem_es": pem(PRIVATE_KEYS["ES256"].public_key()),
    "pem_ed": pem(PRIVATE_KEYS["EdDSA"].public_key()),
    "certificate": certificate(PRIVATE_KEYS["ES256"]),
    "pem_weak": pem(rsa.RSAPublicNumbers(65537, modulus(1024)).public_key()),
    "pem_private": PRIVATE_KEYS["ES256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
}
GOOD_PEMS = {
    PEMS[name]: key_from_jwk(GOOD_KEYS[key]).material
    for name, key in (("pem_rs", "rs"), ("pem_es", "es256"), ("pem_ed", "eddsa"), ("certificate", "es256"))
}
MACROS: dict[bytes, bytes] = {
    b"long": b"k" * 17_000,
    b"deep": b"[" * 31 + b"]" * 31,
    b"digits": b"9" * 5_000,
    b"hex": b"0x" + b"f" * 4_000,
    **{name.encode(): _members(found) for name, found in (GOOD_KEYS | OTHER_KEYS).items()},
    **{name.encode(): json.dumps(text).encode() for name, text in PEMS.items()},
    b"toml_keys": re.sub(rb'"(\w+)": ', rb"\1 = ", json.dumps(FAKE.jwks()).encode()),
}


_Result = TypeVar("_Result")
_Error = TypeVar("_Error", bound=Exception)


def _attempt(allowed: type[_Error], call: Callable[..., _Result], *arguments: Any, **keywords: Any) -> _Result | _Error:
    """What the call returns, or the only kind of exception that may escape from it."""
    try:
        return call(*arguments, **keywords)
    except allowed as error:
        return error


def _expanded(data: bytes) -> bytes:
    return re.sub(rb"\$([a-z0-9_]+)", lambda found: MACROS.get(found[1], found[0]), data)


def _json(data: bytes, of: Callable[[bytes], Any]) -> bytes:
    """The JSON document of what the lines say; behind `=` is the document itself."""
    return _expanded(data[1:]) if data.startswith(b"=") else json.dumps(of(data)).encode()


def _object(lines: bytes) -> dict[str, Any]:
    """An object whose members are lines, `name=value` with JSON or else plain text for the value, or `$name` of a key."""
    found: dict[str, Any] = {}
    for line in lines.split(b"\n"):
        name, is_member, value = line.partition(b"=")
        found |= {_text(name): _value(_expanded(value))} if is_member else _stated(b"{%b}" % _expanded(line))
    return found


def _value(text: bytes) -> Any:
    found = _attempt(Exception, json.loads, text[:1000])  # what is nested deeper could not be written again
    return _text(text) if isinstance(found, Exception) else found


def _stated(document: bytes) -> dict[str, Any]:
    found = _attempt(Exception, json.loads, document)
    return found if isinstance(found, dict) else {}


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


# Which header decides: the order on the first line (a name, with another scheme or `-` for none behind it), then header lines.


def bearer(data: bytes) -> None:
    order, *lines = _expanded(data).split(b"\n")
    reader = _attempt(ConfigurationError, _reader, order.decode("latin-1"))
    if isinstance(reader, ConfigurationError):
        assert str(reader).startswith("headers: ")
        return
    pairs = [(name, value) for name, _, value in (line.partition(b":") for line in lines)]
    found = _outcome(reader, pairs)
    assert found == _outcome(reader, [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs])
    deciding = next((each for each in reader.headers if _values(pairs, each)), None)
    if deciding is None:
        assert found == "nothing"
        return
    assert found == _outcome(reader, [pair for pair in pairs if pair[0].lower() == deciding.name.lower().encode()])
    assert found == _plainly_borne(deciding, _values(pairs, deciding))


def _reader(order: str) -> Bearer:
    return Bearer([_header(*item.split()) for item in order.split(",")]) if order.strip() else Bearer()


def _header(name: str = "", scheme: str = "Bearer", *more: str) -> Header:
    return Header(name, scheme=None if scheme == "-" else scheme, issuers=more or None)


def _outcome(reader: Bearer, pairs: HeaderPairs) -> str:
    found = _attempt(Refused, _token_of, reader, pairs)
    if isinstance(found, Refused):
        assert found.reason == "malformed_credentials"
        return "refused"
    return "nothing" if found is None else f"token {found}"


def _token_of(reader: Bearer, pairs: HeaderPairs) -> str | None:
    deciding = reader.deciding(pairs)
    return None if deciding is None else reader.token(*deciding)


def _values(pairs: list[tuple[bytes, bytes]], header: Header) -> list[bytes]:
    return [value.strip(b" \t") for name, value in pairs if name.lower() == header.name.lower().encode()]


def _plainly_borne(header: Header, values: list[bytes]) -> str:
    """RFC 6750 §2.1, as one expression."""
    if len(values) > 1:
        return "refused"
    scheme = b"" if header.scheme is None else re.escape(header.scheme.encode())
    token = re.fullmatch((scheme and scheme + rb" +") + rb"([A-Za-z0-9._~+/-]+=*)", values[0], re.IGNORECASE)
    if token:
        return f"token {token[1].decode()}"
    other = re.fullmatch(rb"(?!%b(?: |\Z))([!#$%%&'*+.^_`|~0-9A-Za-z-]+)(?: ([\0-\x7f]*))?" % scheme, values[0], re.IGNORECASE)
    if header.name.lower() != "authorization" or not scheme or not other:
        return "refused"
    second = re.search(rb",[ \t]*(%b|%b)([ \t]|$)" % (scheme, re.escape(other[1])), other[2] or b"", re.IGNORECASE)
    return "refused" if second else "nothing"


# A token: a line for each segment, which is encoded here unless it begins with `=`.


def token(data: bytes) -> None:
    text = ".".join(map(_segment, _expanded(data).split(b"\n")))
    expected = _plainly_parsed(text)
    parsed = _attempt(Refused, parse_token, text)
    if isinstance(parsed, Refused):
        assert parsed.reason in {"malformed_token", "algorithm_not_allowed"}
        assert expected is None, "a lost good token"
        return
    assert (parsed.alg, parsed.kid, parsed.claims) == expected
    head, _, tail = text.rpartition(".")
    assert (parsed.signing_input.decode(), _base64url(parsed.signature)) == (head, tail)
    assert parsed.signature_removed == (tail == "SIGNATURE_REMOVED_BY_GOOGLE")
    echo = json.dumps(parsed.claims, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(echo) == parsed.claims


def _segment(line: bytes) -> str:
    return _text(line[1:]) if line.startswith(b"=") else _base64url(line)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


# RFC 4648 §3.5: the bits that are left over are zero, so bytes have one spelling.
_BASE64URL = re.compile(r"(?:[\w-]{4})*(?:[\w-][AQgw]|[\w-]{2}[AEIMQUYcgkosw048])?", re.ASCII)


def _plainly_parsed(text: str) -> tuple[str, str | None, dict[str, Any]] | None:
    segments = text.split(".")
    if len(text) > 16_384 or len(segments) != 3 or not all(map(_BASE64URL.fullmatch, segments)):
        return None
    try:
        header, claims = (_plain_object(urlsafe_b64decode(segment + "==")) for segment in segments[:2])
    except (ValueError, RecursionError):
        return None
    alg = header.get("alg")
    if not isinstance(alg, str) or not _is_kid(header.get("kid", "absent")) or header.keys() & {"crit", "b64"}:
        return None
    return alg, header.get("kid"), claims


def _plain_object(raw: bytes) -> Any:
    """A JSON object that a token may hold (RFC 7519 §4, and what every handler can echo); else a ValueError."""
    if raw.startswith(b"\xef\xbb\xbf"):
        raise ValueError
    found = json.loads(raw.decode(), object_pairs_hook=_pairs, parse_constant=int)
    if not isinstance(found, dict) or not _is_plain(found, 32):
        raise ValueError
    return found


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _is_plain(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return levels > 0 and all(_is_plain(item, levels - 1) for item in value)
    if isinstance(value, str):
        return not re.search("[\ud800-\udfff]", value)
    return not isinstance(value, float) or math.isfinite(value)


# A payload in lines, signed here: which claims make a caller.

REASONS = {
    *("malformed_token", "issuer_not_allowed", "audience_mismatch", "token_expired", "token_not_yet_valid"),
    *("claim_missing", "claim_invalid", "caller_not_allowed", "email_not_verified"),
}
ANYBODY = Guard(issuers=ISSUERS, callers=["allAuthenticatedUsers"], clock=CLOCK)


def claims(data: bytes) -> None:
    text = FAKE.sign(_json(data, _object))
    caller = _called(ANYBODY, text)
    assert caller == _called(ANYBODY, text), "what is remembered differs"
    parsed = _plainly_parsed(text)
    expected = None if parsed is None else _plain_claims(parsed[2])
    assert expected == (caller and (caller.issuer, caller.subject, caller.audience, caller.email, caller.expires_at))
    if parsed is not None and caller is not None:
        assert caller.to_dict()["claims"] == parsed[2]
        assert json.dumps(caller.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        assert hash(caller) == hash(pickle.loads(pickle.dumps(caller)))


def _called(guard: Guard, text: str) -> Caller | None:
    found = _attempt(Refused, guard.check, "GET", "/", [("Authorization", f"Bearer {text}")])
    if isinstance(found, Refused):
        assert found.reason in REASONS
        return None
    return found


def _plain_claims(found: dict[str, Any]) -> tuple[object, ...] | None:
    audience = found.get("aud")
    audience = audience if isinstance(audience, list) else [audience]
    times = [found.get("iat"), found.get("exp"), *([found["nbf"]] if "nbf" in found else [])]
    if not all(type(value) in {int, float} and abs(value) < 10**300 for value in times):
        return None
    issued_at, expires_at = times[:2]
    early, late = CLOCK() - 30, CLOCK() + 30
    lasts = max(times[:1] + times[2:]) <= late and expires_at > early and expires_at - issued_at <= 86_400
    issuer = {GOOGLE: GOOGLE, GOOGLE.removeprefix("https://"): GOOGLE, IDP: IDP}.get(str(found.get("iss")))
    subject = found.get("sub")
    if not (lasts and issuer and subject and isinstance(subject, str)):
        return None
    if AUDIENCE not in audience or not all(isinstance(value, str) for value in audience):
        return None
    vouched = found.get("email_verified") is True and _is_vouched(issuer, _address(found.get("email")))
    return issuer, subject, AUDIENCE, found["email"] if vouched else None, expires_at


# Key documents in lines, with an empty line between two keys.


def jwks(data: bytes) -> None:
    document = _json(data, lambda keys: {"keys": list(map(_object, keys.split(b"\n\n")))})
    keys = list(_key_list(parse_jwks, document))
    stated = _stated(document).get("keys")
    entries = [entry for entry in stated if isinstance(entry, dict)] if isinstance(stated, list) else []
    assert all(any(_is_of_entry(key, entry) for entry in entries) for key in keys)
    assert all(any(_is_of_entry(key, entry) for key in keys) for entry in entries if _is_fit(entry)), "a lost good key"


def pem_map(data: bytes) -> None:
    document = _json(data, _object)
    keys = {(key.kid, key.material) for key in _key_list(parse_pem_map, document)}
    stated = _stated(document)
    assert {kid for kid, _ in keys} <= stated.keys()
    fit = {(kid, GOOD_PEMS[text]) for kid, text in stated.items() if _is_kid(kid) and isinstance(text, str) and text in GOOD_PEMS}
    assert fit <= keys or isinstance(stated.get("keys"), list), "a lost good key"


def _key_list(parse: Callable[[bytes], KeyList], document: bytes) -> Iterable[Key]:
    keys = _attempt(KeyDocumentError, parse, document)
    if isinstance(keys, KeyDocumentError):
        assert re.fullmatch(r"[ -~]{1,500}", str(keys)), "the message holds something of the document"
        return ()
    assert list(keys)
    for key in keys:
        assert key in keys
        _check_key(key)
    for kid in (None, "unknown", *keys.ids):
        for alg in (*ALGORITHMS, "none", "HS256"):
            _check_selection(keys, kid, alg)
    return keys


def _check_key(key: Key) -> None:
    public = key.public_key
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        assert 2048 <= numbers.n.bit_length() <= 8192
        assert numbers.e >= 3
        assert numbers.e % 2
        fitting = {alg for alg in ALGORITHMS if alg[1:2] == "S" and alg[0] in "RP"}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        fitting = {{"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}[public.curve.name]}
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)
        fitting = {"EdDSA", "Ed25519"}
    assert key.kid is None or _is_kid(key.kid)
    assert key.material == hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    assert key.algorithms == fitting or (len(key.algorithms) == 1 and key.algorithms < fitting)
    assert not any(key.verifies(min(key.algorithms), b"head.body", bytes(size)) for size in (0, 64, 256))


def _check_selection(keys: KeyList, kid: str | None, alg: str) -> None:
    fitting = [key for key in keys if kid in {None, key.kid} and alg in key.algorithms]
    key = _attempt(Refused, keys.select, kid, alg)
    if isinstance(key, Refused):
        assert key.reason in {"unknown_key", "algorithm_not_allowed"}
        assert len({key.material for key in fitting}) != 1, "a lost good key"
        return
    assert key in fitting
    assert {other.material for other in fitting} == {key.material}


def _is_of_entry(key: Key, entry: dict[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("kid") == key.kid
        and not entry.keys() & {"d", "k"}
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and ("alg" not in entry or list(key.algorithms) == [entry["alg"]])
    )


def _is_fit(entry: dict[str, Any]) -> bool:
    material = {name: value for name, value in entry.items() if name not in {"kid", "use"}} | {"kid": "k"}
    kid = entry.get("kid")
    return material in GOOD_KEYS.values() and (kid is None or _is_kid(kid)) and entry.get("use", "sig") == "sig"


def _is_kid(kid: object) -> bool:
    return isinstance(kid, str) and re.fullmatch("[ -~]{1,256}", kid) is not None


# Header lines of a key endpoint's answer.


def cache_control(data: bytes) -> None:
    headers = HTTPHeaderDict()
    for line in _expanded(data).decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        headers.add(name, value.strip())
    lifetime = lifetime_of(headers)
    assert 60 <= lifetime <= 86_400
    stated = filter(None, map(_max_age, headers.get("Cache-Control", "").split(",")))
    age = re.fullmatch("[0-9]+", headers.get("Age", "").strip())
    max_age = next(stated, None)
    assert lifetime == (600 if max_age is None else min(max(_number(max_age[1]) - _number(age[0] if age else "0"), 60), 86_400))


def _max_age(directive: str) -> re.Match[str] | None:
    return re.fullmatch(r'\s*max-age\s*=\s*"?([0-9]+)"?\s*', directive, re.IGNORECASE)


def _number(digits: str) -> int:
    return min(int(digits.lstrip("0")[:20] or "0"), 10**10)


# A policy file: TOML, where `keys = $toml_keys` are an issuer's.

FIELDS = {field.name for kind in (Issuer, Header, Route) for field in dataclasses.fields(kind)} | inspect.signature(
    Guard
).parameters.keys()
NAMED = re.compile(rf"\b({'|'.join(FIELDS)}|key URL|key file|no TOML|unknown word)\b")


def policy(data: bytes) -> None:
    document = _expanded(data)
    with open(os.memfd_create("policy"), "wb", buffering=0) as file:
        file.write(document)
        path = f"/proc/self/fd/{file.fileno()}"
        guard = _attempt(ConfigurationError, Guard.from_file, path)
    if isinstance(guard, ConfigurationError):
        assert NAMED.search(str(guard).removeprefix(path)), "the message names no field"
        return
    words = {name.lower(): value for name, value in tomllib.loads(document.decode()).items()}
    assert isinstance(words["callers"], list)
    assert words["callers"]
    reasons = {"missing_credentials", None} if "allUsers" in repr(words) else {"missing_credentials"}
    for method, where in (("GET", "/"), ("PUT", "/profiles/7"), ("POST", "/a/b")):
        assert _reason(guard, method, where) in reasons
    assert _reason(guard, "GET", "//") == "ambiguous_path" or not guard.policy.has_routes


def _reason(guard: Guard, method: str, path: str) -> str | None:
    found = _attempt(Refused, guard.check, method, path, [])
    return found.reason if isinstance(found, Refused) else None


# A member on the first line; then callers: e-mail address, hd, issuer (`idp` or Google), subject, with tabs between them.


def members(data: bytes) -> None:
    word, *lines = _expanded(data).decode(errors="replace").split("\n")
    guard = _attempt(ConfigurationError, Guard, issuers=ISSUERS, callers=[word], clock=CLOCK)
    if isinstance(guard, ConfigurationError):
        assert str(guard).startswith("callers: ")
        return
    value = word.strip().partition(":")[2] or word.strip()
    for line in (*lines[:3], value, value.replace("k", "\u212a"), value.replace("s", "\u017f")):
        email, hd, issuer, subject = (*line.split("\t"), "", "", "")[:4]
        issuer = IDP if issuer == "idp" else GOOGLE
        found = FAKE.sign(
            {"iss": issuer, "aud": AUDIENCE, "iat": CLOCK(), "exp": CLOCK() + 60, "sub": subject or "7"}
            | {"email": email, "email_verified": True}
            | ({"hd": hd} if hd else {})
        )
        admitted = word.strip() == "allUsers" or _called(guard, found) is not None
        assert admitted == _plainly_admits(word.strip(), issuer, subject or "7", email, hd)


_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _address(email: object) -> str | None:
    """An address, folded as ASCII; `None` for what is none."""
    found = re.fullmatch("[\0-?A-\x7f]+@[\0-?A-\x7f]+", email) if isinstance(email, str) else None
    return found and found[0].translate(_FOLD)


def _is_account(address: str) -> bool:
    return address.endswith(("@gserviceaccount.com", ".gserviceaccount.com"))


def _is_vouched(issuer: str, address: str | None) -> bool:
    return address is not None and (issuer == GOOGLE or address.endswith("@partner.example"))


def _plainly_admits(word: str, issuer: str, subject: str, email: str, hd: str) -> bool:
    kind, _, value = word.partition(":")
    if kind in {"allUsers", "allAuthenticatedUsers"}:
        return True
    if kind == "principal":
        spellings = [issuer, "accounts.google.com"] if issuer == GOOGLE else [issuer]
        return any(
            f"{name}/{subject}" == value
            or (value.endswith("*") and f"{name}/{subject}".startswith(value[:-1]) and len(f"{name}/{subject}") >= len(value))
            for name in spellings
        )
    address = _address(email)
    if address is None or not _is_vouched(issuer, address):
        return False
    value = (value or word).translate(_FOLD)
    if _is_account(address):
        same_project = value.startswith("*@") and address.partition("@")[2] == value[2:]
        return issuer == GOOGLE and (address == value or same_project) and kind != "domain"
    if kind == "domain":
        return issuer == GOOGLE and hd.translate(_FOLD) == value
    hosted = bool(hd) and hd.isascii()
    return address == value and (issuer != GOOGLE or hosted or address.endswith("@gmail.com"))


# A request line, with the path as it was sent; then routes (`GET,PUT /path`, or `/path` for all methods).


def path(data: bytes) -> None:
    request_line, *rules = _expanded(data).split(b"\n")
    method, _, raw = request_line.decode("latin-1").partition(" ")
    sent = raw.partition("?")[0]
    decoded = unquote_to_bytes(sent.encode("latin-1")).decode(errors="replace")
    refused = _attempt(Refused, check_path, decoded, raw.encode("latin-1"))
    if refused is not None:
        assert refused.reason == "ambiguous_path"
        assert not _has_one_reading(sent, decoded), "a lost good path"
        return
    assert _has_one_reading(sent, decoded)
    table = RouteTable([])
    for rule in rules:
        longer = _attempt(ConfigurationError, _with_rule, table, rule.decode(errors="replace"))
        table = table if isinstance(longer, ConfigurationError) else longer
    first = next((index for index, route in enumerate(table.routes) if fits(route, method, decoded)), None)
    assert table.match(method, decoded) == first


def _with_rule(table: RouteTable, rule: str) -> RouteTable:
    methods, _, template = rule.rpartition(" ")
    route = Route(template, callers=["allUsers"], methods=methods.split(",") if methods else None)
    return RouteTable([*table.routes, route])


def _has_one_reading(sent: str, decoded: str) -> bool:
    """Whether to split it and then decode it is as good as the other way round, and nothing in it means more than itself."""
    raw = sent.encode("latin-1")
    try:
        raw.decode()  # or a character may be half as it is and half encoded
        segments = [unquote_to_bytes(segment).decode() for segment in raw.split(b"/")]
    except UnicodeDecodeError:
        return False
    return (
        segments == decoded.split("/")
        and len(segments) > 1
        and segments[0] == ""
        and "" not in segments[1:-1]
        and not {".", ".."} & set(segments)
        and not any(character in "\\;\ufffd" or unicodedata.category(character) == "Cc" for character in decoded)
    )


# A URL to fetch keys from, and who would be asked.


def url(data: bytes) -> None:
    text = _text(_expanded(data))
    parts = _attempt(ConfigurationError, checked_url, text)
    if isinstance(parts, ConfigurationError):
        assert str(parts).startswith("key URL")
        return
    host = parts.hostname or ""
    assert parts.scheme == "https" or (parts.scheme == "http" and host in {"127.0.0.1", "::1", "localhost"})
    dialled = parse_url(text)
    assert (dialled.scheme, dialled.port, dialled.auth, dialled.fragment or None) == (parts.scheme, parts.port, None, None)
    assert (dialled.host or "").strip("[]") == host
    assert not re.fullmatch(r"metadata(\.google\.internal|\.goog)?\.?", host)
    assert not any(map(_is_link_local, _addresses(host)))


def _addresses(host: str) -> list[str]:
    """What the system would connect to without asking anybody."""
    found = _attempt(Exception, socket.getaddrinfo, host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [] if isinstance(found, Exception) else [str(address[0]) for *_, address in found]


def _is_link_local(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_link_local


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (bearer, token, claims, jwks, pem_map, cache_control, policy, members, path, url)
}
