"""Advisories about tokens: what others have taken for a signed ID token, and what they broke on."""

import itertools
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from callerid import Guard, Issuer
from tests.attacks import BATCH, GOOGLE, NOW, PARTNER, Cast, asked, bearing, proves, reasons, verifies
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
    encoded,
    number,
    of_size,
    relabelled,
    resigned,
    saying,
    with_header,
    with_her_key,
    with_mac,
)
from tests.support import AUDIENCE, FakeIssuer, named, reason

Secret = Callable[[FakeIssuer], bytes]


def public_key(encoding: Encoding, form: PublicFormat) -> Secret:
    """The public key of an issuer, as everybody can have it."""
    return lambda issuer: load_pem_public_key(issuer.pem_map()[issuer.kid].encode()).public_bytes(encoding, form)


pem = public_key(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(issuer: FakeIssuer) -> bytes:
    return json.dumps(issuer.jwks()["keys"][0]).encode()


# Libraries that take any key for any algorithm have tried to tell public keys from secrets by their looks, again and again.
@pytest.mark.parametrize(
    "secret",
    named(
        ("CVE-2022-29217 GHSA-ffqj-6fqr-9h24 CVE-2024-33663 OpenSSH", public_key(Encoding.OpenSSH, PublicFormat.OpenSSH)),
        ("CVE-2024-37568 mpdavis/python-jose#419 PEM", pem),
        ("GHSA-p4g4-x82p-q773 DER", public_key(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        ("GHSA-ffc3-869f-jxw9 PEM with its lines indented", lambda issuer: pem(issuer).replace(b"\n", b"\n ")),
        ("CVE-2026-34950 PEM after a blank", lambda issuer: b" " + pem(issuer)),
        ("GHSA-ww5h-9m49-7xx4 PEM after a comment", lambda issuer: b"# public\n" + pem(issuer)),
        ("CVE-2026-48526 GHSA-xgmm-8j9v-c9wx JWK", jwk),
        ("GHSA-r6x4-923q-g947 JWK after a byte order mark", lambda issuer: b"\xef\xbb\xbf" + jwk(issuer)),
        ("GHSA-w2cx-738m-mc7w JWK Set", lambda issuer: json.dumps(issuer.jwks()).encode()),
        ("GHSA-w2cx-738m-mc7w list of JWKs", lambda issuer: json.dumps(issuer.jwks()["keys"]).encode()),
        ("GHSA-9j54-fg26-wv3r GHSA-8wpc-h4q6-8fxv nothing", lambda _: b""),
    ),
)
def test_a_mac_is_refused_whatever_the_secret_and_though_a_key_set_has_it(secret: Secret, cast: Cast, guard: Guard) -> None:
    for issuer, claims in ((cast.google, cast.claims()), (cast.partner, cast.partner_claims())):
        key = {"kty": "oct", "kid": issuer.kid, "k": encoded(secret(issuer))}
        for algorithm in ("HS256", "HS384", "HS512"):
            token = with_mac(algorithm, secret(issuer), {"kid": issuer.kid}, claims)
            assert reasons(guard, token) == {ALGORITHM}
            assert not verifies(key, token)


RSA = ("RS256", "PS256")


@proves("CVE-2026-48523", "GHSA-jq35-7prp-9v3f")
def test_header_list_and_key_have_to_name_one_algorithm(cast: Cast) -> None:
    """Whatever another issuer has, and whichever of the two the signature was made with."""
    with FakeIssuer(PARTNER, clock=lambda: NOW) as issuer:
        (key,) = issuer.jwks()["keys"]
        del key["alg"]
        other = Issuer("https://other.example", keys=issuer.jwks(), algorithms=RSA, audience=AUDIENCE)
        for said, used in itertools.product(RSA, RSA):
            issuer.algorithm = used
            token = issuer.sign(cast.partner_claims(), alg=said)
            for own, listed in itertools.product(({}, {"alg": "RS256"}, {"alg": "PS256"}), (RSA[:1], RSA[1:], RSA)):
                partner = Issuer(PARTNER, keys={"keys": [key | own]}, algorithms=listed, audience=AUDIENCE)
                guard = cast.guard(issuers=[partner, other], callers=[BATCH])
                assert (asked(guard, token) == [None]) is (own.get("alg", said) == said == used and said in listed)


@proves("CVE-2026-22817", "CVE-2026-22818")
def test_a_key_that_names_no_algorithm_takes_none_from_the_header(cast: Cast) -> None:
    key = {name: value for name, value in cast.partner.jwks()["keys"][0].items() if name != "alg"}
    guard = cast.guard(issuers=[Issuer(PARTNER, keys={"keys": [key]}, audience=AUDIENCE)], callers=[BATCH])
    assert reasons(guard, cast.partner_signed()) == {None}
    assert reasons(guard, with_mac("HS256", pem(cast.partner), {"kid": cast.partner.kid}, cast.partner_claims())) == {ALGORITHM}
    for algorithm in ("RS384", "PS256", "ES256", "none"):
        assert reasons(guard, cast.partner_signed(alg=algorithm)) == {ALGORITHM}


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def header_of(more: bytes) -> Make:
    return with_header(b'{"alg": "ES256", "kid": "key-1", "x": ' + more + b"}")


def payload_of(more: bytes) -> Make:
    return saying(lambda raw: raw[:-1] + b', "x": ' + more + b"}")


def unencoded(payload: str) -> Make:
    """RFC 7797: a payload that is not encoded."""
    header = {"alg": "ES256", "kid": "key-1", "b64": False, "crit": ["b64"]}
    return lambda cast: f"{encoded(header)}.{payload}.{encoded(bytes(64))}"


@pytest.mark.parametrize(
    ("make", "why"),
    named(
        ("GHSA-752w-5fwx-jx9f CVE-2026-32597 CVE-2025-59420 an unknown extension", relabelled(crit=["bork"], bork=True), MALFORMED),
        ("GHSA-752w-5fwx-jx9f CVE-2026-32597 an extension that the header lacks", relabelled(crit=["cnf"]), MALFORMED),
        ("CVE-2025-59420 an empty list of extensions", relabelled(crit=[]), MALFORMED),
        ("CVE-2026-48525 GHSA-w7vc-732c-9m39 b64 and no payload", unencoded(""), MALFORMED),
        ("CVE-2026-48525 GHSA-w7vc-732c-9m39 b64 and a long payload", unencoded("A" * 15_000), MALFORMED),
        ("CVE-2026-48525 GHSA-w7vc-732c-9m39 b64 true", relabelled(b64=True), MALFORMED),
        ("CVE-2025-61920 a header of a megabyte", relabelled(x="x" * 1_000_000), MALFORMED),
        ("CVE-2025-61920 a payload of a megabyte", claiming(x="x" * 1_000_000), MALFORMED),
        ("CVE-2025-61920 a signature of a megabyte", resigned(of_size(1_000_000)), MALFORMED),
        ("GHSA-8wjv-2p76-3863 CVE-2025-53864 a header of 33 levels", header_of(nested(32)), MALFORMED),
        ("GHSA-8wjv-2p76-3863 a header of 5000 levels", header_of(nested(5000)), MALFORMED),
        ("GHSA-8wjv-2p76-3863 a header of 10000 levels that does not end", header_of(b"[" * 10_000), MALFORMED),
        ("GHSA-42vr-xj54-vc7v CVE-2025-53864 a payload of 33 levels", payload_of(nested(32)), MALFORMED),
        ("GHSA-42vr-xj54-vc7v a payload of 5000 levels", payload_of(nested(5000)), MALFORMED),
        ("GHSA-42vr-xj54-vc7v 2000 objects within each other", payload_of(b'{"":' * 2000 + b"1" + b"}" * 2000), MALFORMED),
        ("CVE-2025-30204 CVE-2025-27144 dots alone", lambda _: "." * 16_000, MALFORMED),
        ("CVE-2025-30204 CVE-2025-27144 a megabyte of dots", lambda _: "." * 1_000_000, MALFORMED),
        ("CVE-2025-30204 CVE-2025-27144 a good token and dots", lambda cast: cast.signed() + "." * 10_000, MALFORMED),
        ("google/jwt_verify_lib an empty segment between", lambda cast: cast.signed().replace(".", "..", 1), MALFORMED),
        ("google/jwt_verify_lib exp of 0 is no end", claiming(exp=0), "token_expired"),
        ("google/jwt_verify_lib the audience without scheme", claiming(aud=AUDIENCE.removeprefix("https://")), AUDIENCE_MISMATCH),
        ("google/jwt_verify_lib the audience over http", claiming(aud=AUDIENCE.replace("https", "http")), AUDIENCE_MISMATCH),
        ("google/jwt_verify_lib the audience and a slash", claiming(aud=AUDIENCE + "/"), AUDIENCE_MISMATCH),
        ("CVE-2026-27962 the key in the header", with_her_key(None), SIGNATURE),
        ("CVE-2026-27962 the key in the header, and the issuer's kid", with_her_key("key-1"), SIGNATURE),
        ("CVE-2026-27962 the key in the header, and its kid", with_her_key("mallory"), UNKNOWN),
        ("haproxy/haproxy@648b0e7beac4 more than its buffer holds", resigned(of_size(11_500)), SIGNATURE),
        ("CVE-2022-21449 a psychic signature", resigned(number(0)), SIGNATURE),
        (
            "googleapis/google-api-go-client#2248 googleapis/google-api-go-client#2422 Google, but not its ID tokens",
            claiming(iss="https://securetoken.google.com/project"),
            ISSUER,
        ),
        ("googleapis/google-api-go-client#484 expired", claiming(iat=NOW - 7200, exp=NOW - 3600), "token_expired"),
        ("googleapis/google-api-go-client#484 an empty audience", claiming(aud=""), AUDIENCE_MISMATCH),
        ("NodeDB-Lab/nodedb#61 no issuer", claiming(iss=None), MISSING),
    ),
)
def test_a_token_that_deceived_or_broke_others_is_refused(make: Make, why: str, cast: Cast, guard: Guard) -> None:
    assert reasons(guard, make(cast)) == {why}


@proves("CVE-2024-53861", "GHSA-75c5-xw7c-p5pm")
def test_a_part_of_an_issuers_name_is_nobodys(cast: Cast, guard: Guard) -> None:
    parts = {GOOGLE[:end] for end in range(len(GOOGLE))} | {GOOGLE[start:] for start in range(1, len(GOOGLE))}
    for part in parts - {"accounts.google.com"}:  # Google's other spelling
        assert asked(guard, cast.google.sign(cast.claims(iss=part))) == [ISSUER]


@proves("NodeDB-Lab/nodedb#61")
def test_where_there_is_one_issuer_it_is_not_taken_for_granted(cast: Cast) -> None:
    guard = cast.guard(issuers=[cast.issuers()[0]], callers=[f"principal:{GOOGLE}/*"])
    for iss, why in (("https://tenant.example", ISSUER), ("", ISSUER), (None, MISSING), ([GOOGLE], INVALID)):
        assert reasons(guard, cast.google.sign(cast.claims(iss=iss))) == {why}


@proves("GHSA-hxm8-2xgr-2p9m")
def test_one_token_has_one_spelling(cast: Cast, guard: Guard) -> None:
    token = cast.signed()
    assert asked(guard, token) == [None]  # and it is remembered
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bits = alphabet[alphabet.index(token[-1]) // 16 * 16 :][:16].replace(token[-1], "")  # 64 bytes leave four bits over
    spellings = [token[:-1] + other for other in same_bits] + [token + "=", token + "=="]
    assert {why for spelling in spellings for why in reasons(guard, spelling)} == {MALFORMED}
    for spelling in (token + "!!!!", token[:-1] + "!" + token[-1], token + "\u0661", token.replace(".", "\r\n.", 1)):
        assert reason(guard.verifier.verify, spelling) == MALFORMED
        assert reason(guard.check, "GET", "/", bearing(spelling)) == "malformed_credentials"


@proves(
    "googleapis/google-cloud-go#19956",
    "googleapis/google-cloud-go#19970",
    "googleapis/google-cloud-go#20294",
    "googleapis/google-api-go-client#3668",
)
def test_a_signature_of_any_other_size_is_refused_and_nothing_breaks(cast: Cast, guard: Guard) -> None:
    for size in (*range(64), *range(65, 200)):
        assert asked(guard, resigned(of_size(size))(cast)) == [SIGNATURE]


@proves("CVE-2026-35041")
def test_a_claim_is_compared_and_never_matched(cast: Cast, guard: Guard) -> None:
    """No claim meets a regular expression, so none can make one run for hours."""
    evil = "a" * 10_000 + "!"
    for changes, why in (
        ({"iss": evil}, ISSUER),
        ({"aud": evil}, AUDIENCE_MISMATCH),
        ({"sub": evil, "email": "x@y.example"}, "caller_not_allowed"),
        ({"email": f"{evil}@{evil[:1000]}"}, "caller_not_allowed"),
        ({"hd": evil, "email": "ana@example.com"}, "caller_not_allowed"),
    ):
        assert asked(guard, cast.google.sign(cast.claims(**changes))) == [why]
    assert reason(guard.check, "GET", "/", {"Authorization": "Bearer " + " " * 15_000 + "!"}) == "malformed_credentials"
    assert reason(guard.check, "GET", "/", {"Authorization": f"Basic {',' * 15_000}"}) == "malformed_credentials"


def test_a_token_of_three_empty_segments_is_malformed(guard: Guard) -> None:
    assert reasons(guard, "..") == {MALFORMED} == reasons(guard, compact(b"", b""))
