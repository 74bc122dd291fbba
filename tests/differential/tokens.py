"""The tokens: each has a name and a way to make it. The good ones of every sender, and every one that is wrong in one way.

Only what a signer could have signed is signed properly, so that the rest of a token is judged, and not its signature.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.algorithms import ECAlgorithm

from tests.differential.mint import (
    ABSENT,
    EC_KID,
    GOOGLE,
    GOOGLE_ALIAS,
    P256_ORDER,
    RSA_KID,
    Make,
    Mint,
    Sign,
    Signer,
    base64url,
    of_claims,
    of_header,
    raw_ecdsa,
)
from tests.differential.peers import NO_EMAIL
from tests.support import ANA, AUDIENCE, FakeIssuer

__all__ = ["LISTED", "SENDERS", "TOKENS"]

STANDARD = str.maketrans("-_", "+/")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")

# What a claim or a header member may be instead of what it has to be.
WRONG: dict[str, Any] = {
    "missing": ABSENT,
    "null": None,
    "true": True,
    "false": False,
    "0": 0,
    "1.5": 1.5,
    "empty text": "",
    "text": "x",
    "empty list": [],
    "list": ["x"],
    "object": {"x": 1},
}

Claims = dict[str, dict[str, Any]]


def at(seconds: float) -> Callable[[int], float]:
    """A time from now. Leeways of 30 s are tried at half of that and more than that, so that a slow machine changes nothing."""
    return lambda now: now + seconds


def text_of_time(template: str) -> Callable[[int], str]:
    return lambda now: template.format(now + 3600)


SENDERS: Claims = {
    "service account": {},
    "service account without e-mail": {"email": ABSENT, "email_verified": ABSENT, "sub": NO_EMAIL, "azp": NO_EMAIL},
    "service account, azp an address": {"azp": "login@shop.iam.gserviceaccount.com"},
    "service account of an organization": {"google": {"organization_number": 123456}},
    "service account of no organization": {"google": {"organization_number": None}},
    "virtual machine, full format": {
        "google": {
            "compute_engine": {
                "instance_confidentiality": 1,
                "instance_creation_timestamp": 1686491081,
                "instance_id": "4570452845155348778",
                "instance_name": "shop-1",
                "license_id": ["5926592092274602096"],
                "project_id": "shop",
                "project_number": 1071284184436,
                "zone": "us-central1-c",
            }
        }
    },
    "person": {"email": ANA.removeprefix("user:"), "hd": "example.com", "at_hash": "nU3zyQoOaXDIcXxBmb_LdQ"},
    "iss with scheme": {"iss": GOOGLE},
    "iss without scheme": {"iss": GOOGLE_ALIAS},
    "further claims": {"nonce": "n", "auth_time": 1686491081, "amr": ["pwd"], "https://example.com/": {"x": [1, None]}},
    "claims in many scripts": {"name": "Ána Ωmega 李 🦉", "نام": "آنا"},
    "fractional times": {"iat": at(-0.5), "exp": at(3600.25)},
    "nbf passed": {"nbf": at(-60)},
    "jti": {"jti": "7d680d8c"},
    "address in capitals": {"email": "LOGIN@shop.iam.gserviceaccount.com"},
    "24 hours long": {"exp": at(24 * 3600)},
    "12 KB long": {"note": "x" * 9000},
}

TIMES: Claims = {
    "exp: now": {"exp": at(0)},
    "exp: 15 s ago": {"exp": at(-15)},
    "exp: 60 s ago": {"exp": at(-60)},
    "exp: 25 h ahead": {"exp": at(25 * 3600)},
    "exp: before iat": {"iat": at(-5), "exp": at(-10)},
    "exp: 10^20": {"exp": 10**20},
    "exp: 10^400": {"exp": 10**400},
    "exp: negative": {"exp": -1},
    "exp: number in text": {"exp": text_of_time("{}")},
    "exp: number in text with blanks": {"exp": text_of_time(" {} ")},
    "exp: number in text with underscores": {"exp": text_of_time("{:_}")},
    "exp: number in text in Arabic digits": {"exp": lambda now: str(now + 3600).translate(ARABIC)},
    "exp: fraction in text": {"exp": text_of_time("{}.5")},
    "exp: date in text": {"exp": "2999-01-01T00:00:00Z"},
    "exp: list of a number": {"exp": lambda now: [now + 3600]},
    "iat: 15 s ahead": {"iat": at(15)},
    "iat: 60 s ahead": {"iat": at(60), "exp": at(3600)},
    "iat: 25 h ago": {"iat": at(-25 * 3600)},
    "iat: 10^20": {"iat": 10**20},
    "iat: 10^400": {"iat": 10**400},
    "iat: negative": {"iat": -1},
    "iat: number in text": {"iat": str},
    "iat: fraction in text": {"iat": lambda now: f"{now}.5"},
    "nbf: 15 s ahead": {"nbf": at(15)},
    "nbf: 60 s ahead": {"nbf": at(60)},
    "nbf: 10^20": {"nbf": 10**20},
    "nbf: 10^400": {"nbf": 10**400},
    "nbf: negative": {"nbf": -1},
    "nbf: number in text": {"nbf": lambda now: str(now - 60)},
    "nbf: number in text, ahead": {"nbf": lambda now: str(now + 60)},
}

AUDIENCES: Claims = {
    f"aud: {name}": {"aud": value}
    for name, value in {
        "list of it": [AUDIENCE],
        "list with others": ["https://other.example", AUDIENCE],
        "list with a number": [AUDIENCE, 7],
        "list with null": [None, AUDIENCE],
        "list of lists": [[AUDIENCE]],
        "object of it": {AUDIENCE: True},
        "list of others": ["https://other.example", "https://another.example"],
        "another": "https://other.example",
        "with a slash at its end": f"{AUDIENCE}/",
        "a path of it": f"{AUDIENCE}/profiles/7",
        "a beginning of it": AUDIENCE[:-1],
        "with more behind it": f"{AUDIENCE}.evil.example",
        "in capitals": AUDIENCE.upper(),
        "with http": AUDIENCE.replace("https", "http"),
        "with its port": f"{AUDIENCE}:443",
        "with a blank before it": f" {AUDIENCE}",
        "with a line feed behind it": f"{AUDIENCE}\n",
        "with NUL behind it": f"{AUDIENCE}\0",
        "two in one text": f"{AUDIENCE} https://other.example",
        "with a full-width letter": AUDIENCE.replace("u", "ｕ", 1),
        "an asterisk": "*",
        "gcloud's own": "32555940559.apps.googleusercontent.com",
    }.items()
}

ISSUERS: Claims = {
    f"iss: {name}": {"iss": value}
    for name, value in {
        "another": "https://issuer.example",
        "list of it": [GOOGLE],
        "with http": "http://accounts.google.com",
        "with a slash at its end": f"{GOOGLE}/",
        "in capitals": GOOGLE.upper(),
        "a part of it": "accounts.google",
        "one letter of it": "a",
        "with more behind it": f"{GOOGLE}.evil.example",
        "with a blank behind it": f"{GOOGLE} ",
        "with NUL behind it": f"{GOOGLE}\0",
        "of Firebase": "https://securetoken.google.com/shop",
        "of the proxy": "https://cloud.google.com/iap",
        "the account itself": "login@shop.iam.gserviceaccount.com",
    }.items()
}

PEOPLE: Claims = {
    "sub: a blank": {"sub": " "},
    "sub: 300 letters": {"sub": "1" * 300},
    "sub: not ASCII": {"sub": "１１２"},
    "caller: another account": {"email": "mallory@evil.iam.gserviceaccount.com", "sub": "1", "azp": "1"},
    "caller: another person": {"email": "bob@example.com", "hd": "example.com", "sub": "1"},
    "caller: an account without e-mail": {"email": ABSENT, "email_verified": ABSENT, "sub": "1", "azp": "1"},
    "email_verified: 'true'": {"email_verified": "true"},
    "email: with a line feed behind it": {"email": "login@shop.iam.gserviceaccount.com\n"},
    "email: with more behind it": {"email": "login@shop.iam.gserviceaccount.com.evil.example"},
    "email: with more before it": {"email": "x-login@shop.iam.gserviceaccount.com"},
    "email: two": {"email": "login@shop.iam.gserviceaccount.com,mallory@evil.iam.gserviceaccount.com"},
    "email: list of it": {"email": ["login@shop.iam.gserviceaccount.com"]},
    "email: with a Kelvin sign": {"email": "ana@example.\u212aom"},
    "email: with a full-width letter": {"email": "ｌogin@shop.iam.gserviceaccount.com"},
    "email: of a person, no hd": {"email": "ana@example.com"},
    "email: of a person, empty hd": {"email": "ana@example.com", "hd": ""},
    "email: of a person, hd true": {"email": "ana@example.com", "hd": True},
    "email: of a person, hd a list": {"email": "ana@example.com", "hd": ["example.com"]},
}


def of_tables() -> Iterator[tuple[str, Make]]:
    """Whose claims alone are special."""
    for table in (SENDERS, TIMES, AUDIENCES, ISSUERS, PEOPLE):
        yield from ((name, of_claims(**changes)) for name, changes in table.items())
    for claim in ("iss", "aud", "sub", "exp", "iat", "nbf", "jti", "email", "email_verified"):
        for name, value in WRONG.items():
            yield f"{claim}: {name}", of_claims(**{claim: value})
    for claim in ("azp", "hd"):
        yield f"{claim}: 0", of_claims(**{claim: 0})


# --- JSON that json.dumps does not write ---


def raw_member(name: str, template: str, *, drop: bool = True) -> Make:
    """A good token, but for a claim that is written as it stands; with `drop` in place of the claim, else before it."""

    def make(mint: Mint) -> str:
        rest = json.dumps(mint.claims(**({name: ABSENT} if drop else {})))
        raw = template.replace("NOW", str(mint.now)).replace("LATER", str(mint.now + 3600))
        return mint.token(claims=f'{{"{name}": {raw}, {rest[1:]}'.encode())

    return make


def changed_payload(change: Callable[[bytes], bytes], **claims: Any) -> Make:
    """A good token, but for the bytes of its payload."""
    return lambda mint: mint.token(claims=change(json.dumps(mint.claims(**claims)).encode()))


def changed_header(change: Callable[[bytes], bytes]) -> Make:
    """A good token, but for the bytes of its header."""
    return lambda mint: mint.token(change(json.dumps(mint.header()).encode()))


def before(member: bytes) -> Callable[[bytes], bytes]:
    """The object with this member before the others."""
    return lambda raw: b"{" + member + b", " + raw[1:]


def recoded(encoding: str) -> Callable[[bytes], bytes]:
    return lambda raw: raw.decode().encode(encoding)


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + "0" + closing * depth


JSON: dict[str, Make] = {
    "exp: with an exponent": raw_member("exp", "LATERE0"),
    "exp: with a fraction of 0": raw_member("exp", "LATER.0"),
    "exp: 1e400": raw_member("exp", "1e400"),
    "exp: 1e308": raw_member("exp", "1e308"),
    "exp: 10^5000": raw_member("exp", "1" + "0" * 5000),
    "exp: NaN": raw_member("exp", "NaN"),
    "exp: Infinity": raw_member("exp", "Infinity"),
    "exp: hexadecimal": raw_member("exp", "0x7fffffff"),
    "exp: with a plus": raw_member("exp", "+LATER"),
    "iat: NaN": raw_member("iat", "NaN"),
    "iat: -Infinity": raw_member("iat", "-Infinity"),
    "iat: 1e400": raw_member("iat", "1e400"),
    "iat: -1e400": raw_member("iat", "-1e400"),
    "nbf: NaN": raw_member("nbf", "NaN"),
    "nbf: -Infinity": raw_member("nbf", "-Infinity"),
    "nbf: 1e400": raw_member("nbf", "1e400"),
    "a further claim: NaN": raw_member("note", "NaN"),
    "a further claim: Infinity": raw_member("note", "[-Infinity]"),
    "a further claim: 1e400": raw_member("note", "1e400"),
    "a further claim: lone surrogate": of_claims(note="\ud83e"),
    "a further claim: name a lone surrogate": of_claims(**{"\udd89": 1}),
    "a further claim: surrogates, escaped": raw_member("note", '"\\ud83e\\udd89"'),
    "a further claim: NUL": of_claims(note="\0"),
    "a further claim: line feed, raw": raw_member("note", '"\n"'),
    "a further claim: 30 deep": raw_member("note", nested(30)),
    "a further claim: 33 deep": raw_member("note", nested(33)),
    "a further claim: objects 33 deep": raw_member("note", nested(33, '{"x":', "}")),
    "a further claim: 40000 deep": raw_member("note", nested(40_000)),
    "twice: aud, another first": raw_member("aud", '"https://other.example"', drop=False),
    "twice: aud, the same": raw_member("aud", f'"{AUDIENCE}"', drop=False),
    "twice: aud, once spelled with an escape": changed_payload(before(b'"\\u0061ud": "https://other.example"')),
    "twice: iss, another first": raw_member("iss", '"https://issuer.example"', drop=False),
    "twice: sub, another first": raw_member("sub", '"1"', drop=False),
    "twice: email, another first": raw_member("email", '"mallory@evil.iam.gserviceaccount.com"', drop=False),
    "twice: exp, an old one first": raw_member("exp", "1", drop=False),
    "twice: a further claim": changed_payload(before(b'"note": 1, "note": 1')),
    "twice: in a further claim": raw_member("note", '{"x": 1, "x": 2}'),
    "twice: in a list of a further claim": raw_member("note", '[{"x": 1, "x": 2}]'),
    "not twice: names that differ in case": changed_payload(before(b'"Aud": "https://other.example"')),
    "twice: alg, none first": changed_header(before(b'"alg": "none"')),
    "twice: alg, the same": changed_header(before(b'"alg": "RS256"')),
    "twice: kid, another first": changed_header(before(b'"kid": "key-0"')),
    "twice: in the header's jwk": changed_header(before(b'"jwk": {"x": 1, "x": 2}')),
    "payload: pretty": lambda mint: mint.token(claims=json.dumps(mint.claims(), indent=4, sort_keys=True).encode()),
    "payload: a name spelled with escapes": changed_payload(lambda raw: raw.replace(b'"aud"', b'"\\u0061\\u0075\\u0064"')),
    "payload: blanks around": changed_payload(lambda raw: b" \r\n\t" + raw + b"\n"),
    "payload: raw UTF-8": lambda mint: mint.token(claims=json.dumps(mint.claims(name="李 🦉"), ensure_ascii=False).encode()),
    "payload: UTF-8 with BOM": changed_payload(recoded("utf-8-sig")),
    "payload: UTF-16": changed_payload(recoded("utf-16")),
    "payload: UTF-16 without BOM": changed_payload(recoded("utf-16-le")),
    "payload: UTF-32": changed_payload(recoded("utf-32")),
    "payload: Latin-1": changed_payload(lambda raw: raw.replace(b"X", b"\xe9"), name="X"),
    "payload: an encoded surrogate": changed_payload(lambda raw: raw.replace(b"X", b"\xed\xa0\xbe"), name="X"),
    "payload: overlong UTF-8": changed_payload(lambda raw: raw.replace(b"X", b"\xc0\xaf"), name="X"),
    "payload: array": changed_payload(lambda raw: b"[" + raw + b"]"),
    "payload: text": changed_payload(lambda raw: json.dumps(raw.decode()).encode()),
    "payload: number": changed_payload(lambda raw: b"7"),
    "payload: null": changed_payload(lambda raw: b"null"),
    "payload: empty object": changed_payload(lambda raw: b"{}"),
    "payload: no JSON": changed_payload(lambda raw: b"iss=https://accounts.google.com"),
    "payload: cut off": changed_payload(lambda raw: raw[:-1]),
    "payload: two objects": changed_payload(lambda raw: raw + raw),
    "payload: a comma too many": changed_payload(lambda raw: raw[:-1] + b",}"),
    "payload: single quotes": changed_payload(lambda raw: raw.replace(b'"', b"'")),
    "payload: NUL behind it": changed_payload(lambda raw: raw + b"\0"),
    "payload: 13 KB": of_claims(note="x" * 12_800),
    "payload: 130 KB": of_claims(note="x" * 97_000),
    "header: array": changed_header(lambda raw: b"[" + raw + b"]"),
    "header: text": changed_header(lambda raw: json.dumps(raw.decode()).encode()),
    "header: null": changed_header(lambda raw: b"null"),
    "header: empty object": changed_header(lambda raw: b"{}"),
    "header: no JSON": changed_header(lambda raw: b"RS256"),
    "header: UTF-8 with BOM": changed_header(recoded("utf-8-sig")),
    "header: UTF-16": changed_header(recoded("utf-16")),
    "header: NaN": changed_header(before(b'"x5t": NaN')),
    "header: blanks around": changed_header(lambda raw: b"\n" + raw + b" "),
    "header: 100 deep": changed_header(before(b'"jwk": {"x": ' + nested(100).encode() + b"}")),
}

# --- headers ---

ALGORITHMS: dict[str, tuple[str, Sign]] = {
    "alg: ES256, signed so": ("ES256", Signer.es256),
    "alg: ES256, signed with RSA": ("ES256", Signer.rs256),
    "alg: RS256, signed with ECDSA": ("RS256", Signer.es256),
    "alg: PS256, signed so": ("PS256", Signer.ps256),
    "alg: RS256, signed with PSS": ("RS256", Signer.ps256),
    "alg: RS384, signed so": ("RS384", Signer.rs384),
    "alg: RS512, signed so": ("RS512", Signer.rs512),
    "alg: RS256, signed with SHA-512": ("RS256", Signer.rs512),
    "alg: HS256, with the public PEM": ("HS256", Signer.hs256),
    "alg: HS256, with the public DER": ("HS256", Signer.hs256_der),
    "alg: HS256, with nothing": ("HS256", lambda _, __: b""),
    **{f"alg: {alg}": (alg, lambda _, __: b"") for alg in ("none", "None", "NONE", "nOnE")},
    "alg: none, signed with RSA": ("none", Signer.rs256),
    "alg: rs256": ("rs256", Signer.rs256),
    "alg: RS256 and a blank": ("RS256 ", Signer.rs256),
    "alg: RSA": ("RSA", Signer.rs256),
}

HEADERS: dict[str, dict[str, Any]] = {
    "alg: list of it": {"alg": ["RS256"]},
    "alg: list with none": {"alg": ["none", "RS256"]},
    "kid: unknown": {"kid": "key-0"},
    "kid: in capitals": {"kid": RSA_KID.upper()},
    "kid: the other key's": {"kid": EC_KID},
    "kid: with a blank behind it": {"kid": f"{RSA_KID} "},
    "kid: with NUL behind it": {"kid": f"{RSA_KID}\0"},
    "kid: with a line feed behind it": {"kid": f"{RSA_KID}\n"},
    "kid: a path": {"kid": "../../dev/null"},
    "kid: SQL": {"kid": "key-1' OR '1'='1"},
    "kid: 300 letters": {"kid": "k" * 300},
    "kid: not ASCII": {"kid": "kеy-1"},  # a Cyrillic letter
    "typ: jwt": {"typ": "jwt"},
    "typ: at+jwt": {"typ": "at+jwt"},
    "typ: application/at+jwt": {"typ": "application/at+jwt"},
    "typ: secevent+jwt": {"typ": "secevent+jwt"},
    "typ: dpop+jwt": {"typ": "dpop+jwt"},
    "crit: exp": {"crit": ["exp"]},
    "crit: exp, in the header": {"crit": ["exp"], "exp": 1},
    "crit: something unknown": {"crit": ["x"], "x": 1},
    "crit: alg": {"crit": ["alg"]},
    "crit: kid": {"crit": ["kid"]},
    "crit: b64, which is true": {"crit": ["b64"], "b64": True},
    "crit: b64, which is missing": {"crit": ["b64"]},
    "b64: true, not in crit": {"b64": True},
    "b64: false, not in crit": {"b64": False},
    "b64: null": {"b64": None},
    "cty: JWT": {"cty": "JWT"},
    "jku: a stranger's": {"jku": "https://evil.example/jwks"},
    "jku: a file": {"jku": "file:///etc/passwd"},
    "jku: 0": {"jku": 0},
    "x5u: a stranger's": {"x5u": "https://evil.example/cert"},
    "x5c: a certificate": {"x5c": ["MIIB"]},
    "zip: DEF": {"zip": "DEF"},
    "a further header member": {"x": 1},
    "a header of 600 bytes": {"x5t": "x" * 500},
}


def detached(mint: Mint) -> str:
    """RFC 7797: the payload as it is, not encoded. Ours holds a dot or two, so it is sent detached."""
    header = base64url(json.dumps(mint.header(crit=["b64"], b64=False)).encode())
    payload = json.dumps(mint.claims())
    return f"{header}..{mint.sealed(header, payload).rpartition('.')[2]}"


def embedded(sign: Sign, key: Callable[[Signer], EllipticCurvePrivateKey]) -> Make:
    """A token that brings a key along."""

    def make(mint: Mint) -> str:
        jwk = ECAlgorithm.to_jwk(key(mint.signer).public_key(), as_dict=True)
        return mint.token(mint.header(alg="ES256", kid=EC_KID, jwk=jwk), sign=sign)

    return make


def of_headers() -> Iterator[tuple[str, Make]]:
    """Whose header is special."""
    for name, (alg, sign) in ALGORITHMS.items():
        yield name, of_header(sign, alg=alg, kid=EC_KID if alg == "ES256" else RSA_KID)
    for member in ("alg", "kid", "typ"):
        for name, value in WRONG.items():
            yield f"{member}: {name}", of_header(**{member: value})
    for name in ("null", "0", "text", "empty list", "object"):
        yield f"crit: {name}", of_header(crit=WRONG[name])
    yield from ((name, of_header(**changes)) for name, changes in HEADERS.items())
    yield "kid: missing, alg ES256", of_header(Signer.es256, alg="ES256", kid=ABSENT)
    yield "b64: false, detached", detached
    yield "jwk: a stranger's, who signed", embedded(Signer.stranger_es256, lambda signer: signer.strange_ec)
    yield "jwk: a stranger's, not used", embedded(Signer.es256, lambda signer: signer.strange_ec)
    yield "jwk: the issuer's", embedded(Signer.es256, lambda signer: signer.ec)


# --- spelling ---

Change = Callable[[str], str]


def respelled(header: Change = str, payload: Change = str) -> Make:
    """A token whose segments are spelled in another way, and signed in that way.

    Both have bytes that base64url spells with `-` and `_`, and a length that leaves bits over in the last letter.
    """

    def make(mint: Mint) -> str:
        parts = (json.dumps(part).encode() for part in (mint.header(x5t="??>>"), mint.claims(note="????>>>>")))
        first, second = (base64url(part + b" " * ((1 - len(part)) % 3)) for part in parts)
        return mint.sealed(header(first), payload(second))

    return make


def edited(change: Change, **claims: Any) -> Make:
    """A good token that somebody has edited."""
    return lambda mint: change(mint.token(claims=mint.claims(**claims)))


def with_signature(change: Change) -> Make:
    """A good token whose signature somebody has edited."""

    def edit(token: str) -> str:
        signing_input, _, signature = token.rpartition(".")
        return f"{signing_input}.{change(signature)}"

    return edited(edit)


def padded(segment: str) -> str:
    return segment + "=" * (-len(segment) % 4)


def loose(segment: str) -> str:
    """With another last letter, which a lenient decoder reads alike: it drops the four bits that are left over."""
    return segment[:-1] + chr(ord(segment[-1]) + 1)  # A, Q, g or w


def standard(segment: str) -> str:
    return segment.translate(STANDARD)


def with_inside(text: str) -> Change:
    return lambda segment: f"{segment[:8]}{text}{segment[8:]}"


def standard_signature(mint: Mint) -> str:
    """The signature in the alphabet of ordinary base64. Few signatures can be spelled alike in both."""
    tokens = (mint.token(claims=mint.claims(jti=str(number))) for number in range(1000))
    signing_input, _, signature = next(token for token in tokens if {*"-_"} & {*token.rpartition(".")[2]}).rpartition(".")
    return f"{signing_input}.{standard(signature)}"


def as_json(token: str) -> str:
    """The flattened JSON serialization (RFC 7515 §7.2.2)."""
    return json.dumps(dict(zip(("protected", "payload", "signature"), token.split("."), strict=True)))


# Four of each, since some decoders drop them, and count them for the padding.
INSIDE = {
    "blanks": " " * 4,
    "line feeds": "\n" * 4,
    "a tab": "\t",
    "NULs": "\0" * 4,
    "exclamation marks": "!!!!",
    "a padding sign": "=",
    "padding signs": "====",
    "percent signs": "%%%%",
    "full-width digits": "１" * 4,
    "Arabic digits": "١" * 4,
    "soft hyphens": "\u00ad" * 4,
}

SPELLINGS: dict[str, Make] = {
    "spelling: as it should be": respelled(),
    "spelling: header padded": respelled(header=padded),
    "spelling: payload padded": respelled(payload=padded),
    "spelling: signature padded": with_signature(padded),
    "spelling: signature padded too much": with_signature(lambda signature: f"{signature}===="),
    "spelling: header's bits left over": respelled(header=loose),
    "spelling: payload's bits left over": respelled(payload=loose),
    "spelling: signature's bits left over": with_signature(loose),
    "spelling: header in ordinary base64": respelled(header=standard),
    "spelling: payload in ordinary base64": respelled(payload=standard),
    "spelling: signature in ordinary base64": standard_signature,
    "spelling: payload a letter short": respelled(payload=lambda segment: segment[:-1]),
    **{f"header: {name} inside": respelled(header=with_inside(text)) for name, text in INSIDE.items()},
    **{f"payload: {name} inside": respelled(payload=with_inside(text)) for name, text in INSIDE.items()},
    **{f"signature: {name} inside": with_signature(with_inside(text)) for name, text in INSIDE.items()},
    "signature: a surrogate inside": with_signature(with_inside("\ud83e")),
    "around: a blank before": edited(lambda token: f" {token}"),
    "around: a blank behind": edited(lambda token: f"{token} "),
    "around: a tab behind": edited(lambda token: f"{token}\t"),
    "around: a line feed behind": edited(lambda token: f"{token}\n"),
    "around: carriage return and line feed behind": edited(lambda token: f"{token}\r\n"),
    "around: NUL behind": edited(lambda token: f"{token}\0"),
    "around: BOM before": edited(lambda token: f"\ufeff{token}"),
    "around: quotes": edited(lambda token: f'"{token}"'),
    "around: Bearer before": edited(lambda token: f"Bearer {token}"),
    "around: a second token": edited(lambda token: f"{token},{token}"),
    "segments: none": edited(lambda token: ""),
    "segments: one": edited(lambda token: token.partition(".")[0]),
    "segments: two": edited(lambda token: token.rpartition(".")[0]),
    "segments: three empty": edited(lambda token: ".."),
    "segments: four": edited(lambda token: f"{token}.{token.rpartition('.')[2]}"),
    "segments: four, the last empty": edited(lambda token: f"{token}."),
    "segments: four, the first empty": edited(lambda token: f".{token}"),
    "segments: five": edited(lambda token: f"{token}.x.x"),
    "segments: a thousand": edited(lambda token: token + "." * 1000),
    "segments: no header": edited(lambda token: f".{token.partition('.')[2]}"),
    "segments: no payload": edited(lambda token: "..".join(token.split(".")[::2])),
    "segments: JSON serialization": edited(as_json),
}

# --- signatures ---


def changed_signature(change: Callable[[bytes], bytes], sign: Sign = Signer.rs256, **header: Any) -> Make:
    """A good token, but for the bytes of its signature."""
    return of_header(lambda signer, signed: change(sign(signer, signed)), **header)


def changed_ecdsa(change: Callable[[bytes], bytes]) -> Make:
    return changed_signature(change, Signer.es256, alg="ES256", kid=EC_KID)


def spliced(first: Make, second: Make, cut: int) -> Make:
    """So many segments of one token, and the rest of another."""
    return lambda mint: ".".join(first(mint).split(".")[:cut] + second(mint).split(".")[cut:])


GOOD, STRANGERS = of_claims(), of_claims(email="mallory@evil.iam.gserviceaccount.com")

SIGNATURES: dict[str, Make] = {
    "signature: removed by Cloud Run": edited(FakeIssuer.strip_signature),
    "signature: removed, in small letters": edited(lambda token: FakeIssuer.strip_signature(token).replace("_GOOGLE", "_google")),
    "signature: empty": with_signature(lambda _: ""),
    "signature: one bit flipped": changed_signature(lambda raw: bytes([raw[0] ^ 1]) + raw[1:]),
    "signature: last bit flipped": changed_signature(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
    "signature: a byte short": changed_signature(lambda raw: raw[:-1]),
    "signature: half": changed_signature(lambda raw: raw[:128]),
    "signature: one byte": changed_signature(lambda raw: raw[:1]),
    "signature: a zero more": changed_signature(lambda raw: raw + b"\0"),
    "signature: a zero before": changed_signature(lambda raw: b"\0" + raw),
    "signature: twice": changed_signature(lambda raw: raw + raw),
    "signature: zero": changed_signature(lambda raw: bytes(len(raw))),
    "signature: one": changed_signature(lambda raw: bytes(len(raw) - 1) + b"\1"),
    "signature: all ones": changed_signature(lambda raw: b"\xff" * len(raw)),
    "signature: 16 KB": changed_signature(lambda raw: raw * 64),
    "signature: another's": of_header(Signer.stranger_rs256),
    "signature: another's, without kid": of_header(Signer.stranger_rs256, kid=ABSENT),
    "signature: under another header": spliced(of_header(typ=ABSENT), GOOD, 1),
    "signature: under another payload": spliced(STRANGERS, GOOD, 2),
    "ECDSA: the other s": of_header(Signer.es256_other_s, alg="ES256", kid=EC_KID),
    "ECDSA: DER": of_header(Signer.es256_der, alg="ES256", kid=EC_KID),
    "ECDSA: r = s = 0": changed_ecdsa(lambda raw: raw_ecdsa(0, 0)),
    "ECDSA: r = 0": changed_ecdsa(lambda raw: bytes(32) + raw[32:]),
    "ECDSA: s = 0": changed_ecdsa(lambda raw: raw[:32] + bytes(32)),
    "ECDSA: r = s = 1": changed_ecdsa(lambda raw: raw_ecdsa(1, 1)),
    "ECDSA: r = s = the order": changed_ecdsa(lambda raw: raw_ecdsa(P256_ORDER, P256_ORDER)),
    "ECDSA: s and r": changed_ecdsa(lambda raw: raw[32:] + raw[:32]),
    "ECDSA: 33 bytes each": changed_ecdsa(lambda raw: b"\0" + raw[:32] + b"\0" + raw[32:]),
    "ECDSA: a byte short": changed_ecdsa(lambda raw: raw[:-1]),
    "ECDSA: empty": changed_ecdsa(lambda raw: b""),
}

LISTED = [*of_tables(), *JSON.items(), *of_headers(), *SPELLINGS.items(), *SIGNATURES.items()]
TOKENS: dict[str, Make] = dict(LISTED)
