"""RFC 8725, JSON Web Token Best Current Practices, section by section: what it demands, the attack, and why that is refused.

Each attack goes to the verifier and to a Guard, in threads and in tasks, and all four give the same reason.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from callerid import Guard, Header, Issuer, google
from tests.attacks import GOOGLE, HOUR, NOW, PARTNER, Cast, asked, reasons, verifies
from tests.attacks.forge import (
    ALGORITHM,
    AUDIENCE_MISMATCH,
    INVALID,
    ISSUER,
    MALFORMED,
    MISSING,
    SIGNATURE,
    UNKNOWN,
    Make,
    claiming,
    compact,
    deflated,
    encoded,
    mallorys,
    number,
    of_size,
    places_of_her_key,
    relabelled,
    resigned,
    resigned_by_partner,
    saying,
    spliced,
    unsigned,
    with_header,
    with_her_key,
    with_mac,
    with_password,
)
from tests.support import AUDIENCE, LOGIN, STRANGER, FakeIssuer, complains, named, reason

DEMANDS = {
    "2.1": "a weak or missing signature is not accepted",
    "2.2": "no symmetric key is guessed, for none is used",
    "2.3": "encryption is no substitute for a signature",
    "2.4": "nothing that was compressed is read",
    "2.5": "no key is agreed on with what a token brings",
    "2.6": "JSON has one encoding",
    "2.7": "a token for somebody else is not accepted",
    "2.8": "a token of another kind is not accepted",
    "2.9": "a header leads to no other server",
    "3.1": "the algorithm is one of the issuer's, and the key's own",
    "3.2": "only algorithms that are still good can be used",
    "3.3": "every signature is checked, over all that was sent",
    "3.4": "signatures and keys are well-formed",
    "3.5": "keys are strong, and none is a password",
    "3.6": "nothing is compressed",
    "3.7": "JSON is UTF-8",
    "3.8": "the issuer is known, the key is its own, and the subject is somebody",
    "3.9": "the audience is this service",
    "3.10": "nothing in the header finds a key, or anything else",
    "3.11": "a token says of which kind it is",
    "3.12": "no other kind of token passes for an ID token",
}

ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EPHEMERAL = {"kty": "EC", "crv": "P-256"}
ENCRYPTED = compact({"alg": "ECDH-ES", "enc": "A128GCM", "zip": "DEF", "epk": EPHEMERAL}, b"", b"iv") + ".e30.e30"


def with_the_public_key(algorithm: str) -> Make:
    return lambda cast: with_mac(
        algorithm, cast.partner.pem_map()[cast.partner.kid].encode(), {"kid": cast.partner.kid}, cast.partner_claims()
    )


def in_der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


Attack = tuple[str, str, Make, str]

ATTACKS: list[Attack] = [
    ("2.1", "no signature, and alg says so", unsigned("none"), ALGORITHM),
    ("2.1", "a public key for the secret", with_the_public_key("HS256"), ALGORITHM),
    ("2.2", "a secret out of a dictionary", with_password("HS256", b"secret"), ALGORITHM),
    ("2.2", "an empty secret", with_password("HS512", b""), ALGORITHM),
    ("2.3", "encrypted to whomever", lambda _: ENCRYPTED, MALFORMED),
    ("2.3", "a token within a token", lambda cast: cast.google.sign(cast.signed().encode(), cty="JWT"), MALFORMED),
    ("2.4", "encrypted and compressed", lambda _: ENCRYPTED, MALFORMED),
    ("2.5", "an ephemeral key in the header", relabelled(alg="ECDH-ES", epk=EPHEMERAL), ALGORITHM),
    ("2.6", "UTF-16", saying(lambda raw: raw.decode().encode("utf-16")), MALFORMED),
    ("2.6", "UTF-32", saying(lambda raw: raw.decode().encode("utf-32-be")), MALFORMED),
    ("2.6", "a name twice", saying(lambda raw: raw[:-1] + b', "aud": "x"}'), MALFORMED),
    ("2.6", "a name twice, once in escapes", saying(lambda raw: raw[:-1] + b', "\\u0061ud": "x"}'), MALFORMED),
    ("2.7", "for another service", claiming(aud="https://other.example"), AUDIENCE_MISMATCH),
    ("2.8", "an access token, which has no audience", claiming(aud=None, scope="openid"), MISSING),
    ("2.9", "a jku", lambda cast: cast.mallory.sign(cast.claims(), jku=cast.mallory.jwks_uri), SIGNATURE),
    ("2.9", "a kid that is a URL", lambda cast: cast.mallory.sign(cast.claims(), kid=cast.mallory.jwks_uri), UNKNOWN),
    *(
        ("3.1", f"alg {alg!r}", unsigned(alg), ALGORITHM)
        for alg in ("none", "None", "NONE", "nOnE", "none ", "", None, 0, ["ES256"])
    ),
    ("3.1", "alg none beside a signature", unsigned("none", b"\1" * 64), ALGORITHM),
    ("3.1", "alg none under the issuer's own signature", relabelled(alg="none"), ALGORITHM),
    ("3.1", "no alg", relabelled(alg=None), ALGORITHM),
    ("3.1", "alg in lower case", relabelled(alg="es256"), ALGORITHM),
    *(("3.1", f"{alg} with the public key", with_the_public_key(alg), ALGORITHM) for alg in ("HS256", "HS384", "HS512")),
    ("3.1", "another issuer's algorithm", relabelled(alg="RS256"), ALGORITHM),
    ("3.1", "another algorithm of the key's type", lambda cast: cast.partner_signed(alg="PS256"), ALGORITHM),
    ("3.1", "another curve's algorithm", relabelled(alg="ES384"), ALGORITHM),
    *(("3.2", f"alg {alg}", relabelled(alg=alg), ALGORITHM) for alg in ("RS1", "ES256K", "HS1", "MD5", "RSA1_5", "A128KW")),
    ("3.3", "one bit of the signature changed", resigned(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])), SIGNATURE),
    ("3.3", "no signature", resigned(of_size(0)), SIGNATURE),
    (
        "3.3",
        "another token's signature",
        lambda cast: spliced(cast.signed(), cast.google.token(STRANGER, AUDIENCE), header=0, payload=0, signature=1),
        SIGNATURE,
    ),
    (
        "3.3",
        "another token's header",
        lambda cast: spliced(cast.signed(), cast.signed(x=1), header=1, payload=0, signature=0),
        SIGNATURE,
    ),
    (
        "3.3",
        "another token's payload",
        lambda cast: spliced(cast.google.token(STRANGER, AUDIENCE), cast.signed(), header=0, payload=1, signature=0),
        SIGNATURE,
    ),
    ("3.4", "r and s are 0 (CVE-2022-21449)", resigned(number(0)), SIGNATURE),
    ("3.4", "0 and 0 in DER (CVE-2022-21449)", resigned(lambda _: encode_dss_signature(0, 0)), SIGNATURE),
    ("3.4", "r is 0", resigned(lambda raw: bytes(32) + raw[32:]), SIGNATURE),
    ("3.4", "s is 0", resigned(lambda raw: raw[:32] + bytes(32)), SIGNATURE),
    ("3.4", "r and s are 1", resigned(number((1 << 256) + 1)), SIGNATURE),
    ("3.4", "r and s are the order", resigned(number((ORDER_OF_P256 << 256) + ORDER_OF_P256)), SIGNATURE),
    ("3.4", "r and s are beyond the order", resigned(number((1 << 512) - 1)), SIGNATURE),
    ("3.4", "ES256 in DER", resigned(in_der), SIGNATURE),
    *(("3.4", f"ES256 of {size} bytes", resigned(of_size(size)), SIGNATURE) for size in (1, 32, 63, 65, 96, 128)),
    ("3.4", "ES256 with zeros before r and s", resigned(lambda raw: b"\0" + raw[:32] + b"\0" + raw[32:]), SIGNATURE),
    *(("3.4", f"RS256 of {size} bytes", resigned_by_partner(of_size(size)), SIGNATURE) for size in (1, 64, 255, 257, 512)),
    ("3.4", "RS256 with a zero before", resigned_by_partner(lambda raw: b"\0" + raw), SIGNATURE),
    ("3.4", "RS256, the number 0", resigned_by_partner(number(0)), SIGNATURE),
    ("3.4", "RS256, the number 1", resigned_by_partner(number(1)), SIGNATURE),
    ("3.4", "RS256, a number beyond the modulus", resigned_by_partner(number((1 << 2048) - 1)), SIGNATURE),
    ("3.5", "a password for the secret", with_password("HS256", b"password"), ALGORITHM),
    ("3.6", "the payload compressed", saying(deflated, zip="DEF"), MALFORMED),
    ("3.6", "the payload compressed, and nothing said", saying(deflated), MALFORMED),
    ("3.7", "UTF-8 with a mark before", saying(lambda raw: b"\xef\xbb\xbf" + raw), MALFORMED),
    ("3.7", "Latin-1", saying(lambda raw: raw[:-1] + b', "name": "Jos\xe9"}'), MALFORMED),
    ("3.7", "UTF-16", saying(lambda raw: raw.decode().encode("utf-16-le")), MALFORMED),
    ("3.7", "overlong UTF-8", saying(lambda raw: raw.replace(b"/", b"\xc0\xaf")), MALFORMED),
    ("3.7", "half a character, escaped", saying(lambda raw: raw[:-1] + b', "name": "\\ud800"}'), MALFORMED),
    ("3.7", "a header in UTF-16", with_header('{"alg": "ES256", "kid": "key-1"}'.encode("utf-16")), MALFORMED),
    ("3.7", "a header with a name twice", with_header(b'{"alg": "ES256", "kid": "key-1", "alg": "none"}'), MALFORMED),
    ("3.8", "an issuer that nobody knows", claiming(iss="https://evil.example"), ISSUER),
    ("3.8", "no issuer", claiming(iss=None), MISSING),
    ("3.8", "a part of the issuer", claiming(iss=GOOGLE[:-1]), ISSUER),
    ("3.8", "the issuer and more", claiming(iss=f"{GOOGLE}.evil.example"), ISSUER),
    ("3.8", "both issuers", claiming(iss=[GOOGLE, PARTNER]), INVALID),
    ("3.8", "the partner's key for Google's token", lambda cast: cast.partner.sign(cast.claims()), ALGORITHM),
    ("3.8", "Google's key for the partner's token", lambda cast: cast.google.sign(cast.partner_claims()), ALGORITHM),
    ("3.8", "a key of nobody's with the issuer's kid", mallorys(), SIGNATURE),
    ("3.8", "no subject", claiming(sub=None), MISSING),
    ("3.8", "an empty subject", claiming(sub=""), INVALID),
    ("3.8", "a subject that is a list", claiming(sub=["1", "2"]), INVALID),
    ("3.9", "no audience", claiming(aud=None), MISSING),
    ("3.9", "another audience", claiming(aud="https://other.example"), AUDIENCE_MISMATCH),
    ("3.9", "a part of the audience", claiming(aud=AUDIENCE[:-1]), AUDIENCE_MISMATCH),
    ("3.9", "the audience and more", claiming(aud=f"{AUDIENCE}.evil.example"), AUDIENCE_MISMATCH),
    ("3.9", "the audience in another case", claiming(aud=AUDIENCE.upper()), AUDIENCE_MISMATCH),
    ("3.9", "an empty list", claiming(aud=[]), AUDIENCE_MISMATCH),
    ("3.9", "a list of others", claiming(aud=["https://other.example", ""]), AUDIENCE_MISMATCH),
    ("3.9", "an object with the audience's name", claiming(aud={AUDIENCE: True}), INVALID),
    ("3.9", "an audience of another issuer", claiming(aud="https://for-partners.example"), AUDIENCE_MISMATCH),
    *(
        ("3.10", f"kid {kid!r}", mallorys(kid=kid), UNKNOWN)
        for kid in (
            "../../../../../../dev/null",
            "/proc/sys/kernel/randomize_va_space",
            "x' UNION SELECT 'key';--",
            "key-1' OR '1'='1",
            "| touch /tmp/pwned",
            "${jndi:ldap://127.0.0.1/a}",
            "{{7*7}}",
            "KEY-1",
            "key-1 ",
            "__class__",
            "*",
        )
    ),
    *(
        ("3.10", f"kid {kid!r}", mallorys(kid=kid), MALFORMED)
        for kid in ("key-1\n", "key-1\0", "key-1\r\nX-Admin: 1", "", "k\xe9y", ["key-1"], {"$ne": ""}, 1, True)
    ),
    ("3.10", "a kid of 257 characters", mallorys(kid="k" * 257), MALFORMED),
    ("3.10", "Mallory's key, under the issuer's kid", with_her_key("key-1"), SIGNATURE),
    ("3.10", "Mallory's key, under a kid of her own", with_her_key("mallory"), UNKNOWN),
    ("3.10", "Mallory's key, without a kid", with_her_key(None), SIGNATURE),
    ("3.12", "an access token for a resource", claiming(aud="https://api.example", client_id="x", scope="read"), AUDIENCE_MISMATCH),
    ("3.12", "a logout token, which names a session", claiming(sub=None, sid="1", events={"logout": {}}), MISSING),
    ("3.12", "a security event, which has no end", claiming(exp=None, events={"revoked": {}}), MISSING),
    ("3.12", "a proof of possession", lambda cast: cast.google.sign({"htm": "GET", "htu": AUDIENCE, "iat": NOW}), MISSING),
    ("3.12", "a client's assertion", claiming(iss="client-1", sub="client-1"), ISSUER),
    ("3.12", "an assertion that a service account signs itself", claiming(iss="login@shop.iam.gserviceaccount.com"), ISSUER),
    ("3.12", "a token that ends after years", claiming(exp=NOW + 10 * 365 * 24 * HOUR), INVALID),
]

# A token without `typ` is taken for an ID token: Google's, and most others', say JWT or nothing.
OTHER_KINDS: list[Attack] = [
    ("3.11", f"typ {typ!r}", relabelled(typ=typ), MALFORMED)
    for typ in (
        "at+jwt",
        "application/at+jwt",
        "AT+JWT",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "oauth-authz-req+jwt",
        "JOSE",
        "",
    )
]


def rows(attacks: list[Attack]) -> list[Any]:
    return named(*((f"{section} {DEMANDS[section]}: {what}", make, why) for section, what, make, why in attacks))


def test_every_section_is_attacked() -> None:
    assert {section for section, *_ in ATTACKS + OTHER_KINDS} == DEMANDS.keys()


@pytest.mark.parametrize("make", [Cast.signed, Cast.partner_signed], ids=["Google's", "the partner's"])
@pytest.mark.parametrize("header", [{}, {"typ": None}], ids=["typ JWT", "no typ"])
def test_what_nobody_attacks_passes(make: Callable[..., str], header: dict[str, Any], cast: Cast, guard: Guard) -> None:
    assert reasons(guard, make(cast, **header)) == {None}


@pytest.mark.parametrize(("make", "why"), rows(ATTACKS))
def test_an_attack_is_refused_and_leads_to_no_server(make: Make, why: str, cast: Cast, guard: Guard) -> None:
    before = [issuer.requests for issuer in cast]
    assert reasons(guard, make(cast)) == {why}
    assert [issuer.requests for issuer in cast] == before


@pytest.mark.parametrize(("make", "why"), rows(OTHER_KINDS))
def test_a_token_of_another_kind_is_refused_whatever_its_claims(make: Make, why: str, cast: Cast, guard: Guard) -> None:
    assert reasons(guard, make(cast)) == {why}


def test_3_1_a_key_is_used_with_its_own_algorithm_only(cast: Cast) -> None:
    accepted = []
    with FakeIssuer(PARTNER) as issuer:
        (key,) = issuer.jwks()["keys"]
        for own, said, used in itertools.product(("RS256", "PS256"), repeat=3):
            issuer.algorithm = used
            if verifies(key | {"alg": own}, issuer.sign(cast.partner_claims(), alg=said)):
                accepted.append((own, said, used))
    assert accepted == [("RS256",) * 3, ("PS256",) * 3]


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "HS512", "RS1", "ES256K", "RSA1_5", "A128KW", "*", ""])
def test_3_2_an_algorithm_that_is_not_good_cannot_be_configured(algorithm: str, cast: Cast) -> None:
    with complains("algorithms", repr(algorithm)):
        google(keys=cast.google.jwks(), algorithms=["ES256", algorithm])


MakeKey = Callable[[Cast], dict[str, Any]]


def rsa(**changes: Any) -> MakeKey:
    return lambda cast: cast.partner.jwks()["keys"][0] | changes


def ec(**changes: Any) -> MakeKey:
    return lambda cast: cast.google.jwks()["keys"][0] | changes


def point(x: int, y: int) -> MakeKey:
    return ec(x=encoded(x.to_bytes(32)), y=encoded(y.to_bytes(32)))


PASSWORD = b"password" * 8


@pytest.mark.parametrize(
    "make",
    named(
        ("3.4 a point that is not on the curve", point(1, 1)),
        ("3.4 the point at infinity", point(0, 0)),
        ("3.4 a coordinate that is too long", ec(x=encoded(b"\1" * 33))),
        ("3.4 a coordinate that is missing", ec(y=None)),
        ("3.4 another curve's name", ec(crv="P-384")),
        ("3.4 a curve that is not accepted", ec(crv="secp256k1")),
        ("3.4 no modulus", rsa(n="")),
        ("3.4 an exponent of 1", rsa(e=encoded(b"\1"))),
        ("3.4 an even exponent", rsa(e=encoded(b"\2"))),
        ("3.5 a modulus of 1024 bits", rsa(n=encoded(((1 << 1023) + 0x10001).to_bytes(128)))),
        ("3.5 a symmetric key", lambda cast: {"kty": "oct", "kid": cast.google.kid, "k": encoded(PASSWORD)}),
        ("3.12 a key for encryption", rsa(use="enc")),
        ("3.12 a key for other operations", rsa(key_ops=["encrypt", "wrapKey"])),
        ("3.12 a key for another algorithm", rsa(alg="RSA-OAEP")),
    ),
)
def test_a_key_that_is_not_good_is_never_used(make: MakeKey, cast: Cast) -> None:
    key = make(cast)
    tokens = [cast.signed(), cast.partner_signed(), with_password("HS256", PASSWORD)(cast)]
    assert [verifies(key, token) for token in tokens] == [False] * 3
    with complains("keys", "no usable key"):
        google(keys={"keys": [key]})


def test_3_8_one_kid_is_another_key_for_each_issuer(cast: Cast) -> None:
    with FakeIssuer(PARTNER, algorithm="ES256", clock=lambda: NOW) as twin:
        partner = Issuer(PARTNER, keys=twin.jwks(), algorithms=["ES256"], audience=AUDIENCE)
        guard = cast.guard(issuers=[cast.issuers()[0], partner])
        assert twin.kid == cast.google.kid
        assert reasons(guard, twin.sign(cast.partner_claims())) == {None}
        assert reasons(guard, twin.sign(cast.claims())) == {SIGNATURE}
        assert reasons(guard, cast.google.sign(cast.partner_claims())) == {SIGNATURE}


def test_3_8_a_subject_whom_nobody_named_gets_no_further_than_the_verifier(cast: Cast, guard: Guard) -> None:
    token = cast.google.token(STRANGER, AUDIENCE)
    assert guard.verifier.verify(token).member == STRANGER
    assert asked(guard, token) == ["caller_not_allowed"]


@pytest.mark.parametrize("place", ["jwk", "jku", "x5u", "x5c"])
def test_3_10_a_key_in_the_header_is_no_key_even_where_the_issuers_cannot_be_had(place: str, cast: Cast) -> None:
    with FakeIssuer(algorithm="ES256") as down:
        down.status = 500
        guard = cast.guard(issuers=[down.google(audience=AUDIENCE)], callers=[LOGIN])
        before = cast.mallory.requests
        assert reasons(guard, cast.mallory.sign(cast.claims(), **{place: places_of_her_key(cast)[place]})) == {"keys_unavailable"}
        assert cast.mallory.requests == before


def test_3_12_a_token_that_comes_in_another_issuers_header_is_refused(cast: Cast) -> None:
    guard = cast.guard(headers=["Authorization", Header("X-Partner", scheme=None, issuers=(PARTNER,))])
    assert asked(guard, cast.signed(), cast.partner_signed()) == [None, ISSUER]
    assert reason(guard.check, "GET", "/", {"X-Partner": cast.partner_signed()}) is None
    assert reason(guard.check, "GET", "/", {"X-Partner": cast.signed()}) == ISSUER
