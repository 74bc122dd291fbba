"""From a token to a caller: every way to fail, in both faces, and what needs no key asks for none."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import Caller, Header, Issuer, Verifier, google
from callerid.keys.keyset import parse_jwks
from callerid.keys.local import StaticKeys
from callerid.token import REMOVED_SIGNATURE
from tests.support import ANA, AUDIENCE, LOGIN, Clock, FakeIssuer, complains, named, reason, refuses

NOW = 1_800_000_000
HOUR, DAY = 3600, 24 * 3600
OTHER = "https://other.example"
GONE = object()

Claims = dict[str, Any]
Verify = Callable[..., Caller]


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeIssuer]:
    """Google's name, keys of its own, and the hour of these tests."""
    with FakeIssuer(algorithm="ES256", clock=lambda: NOW) as signer:
        yield signer


@pytest.fixture(scope="module")
def keys(signer: FakeIssuer) -> Issuer:
    """Google with the signer's keys at hand: nothing is fetched."""
    return google(keys=signer.jwks(), algorithms=["ES256"])


@pytest.fixture
def verifier(keys: Issuer, clock: Clock) -> Verifier:
    return Verifier([keys], audience=AUDIENCE, clock=clock)


@pytest.fixture(params=["verify", "averify"])
def face(request: pytest.FixtureRequest) -> Callable[[Verifier], Verify]:
    """Both faces of a verifier, called alike."""

    def asynchronous(verifier: Verifier) -> Verify:
        return lambda *args, **kwargs: asyncio.run(verifier.averify(*args, **kwargs))

    return asynchronous if request.param == "averify" else lambda verifier: verifier.verify


def changed(signer: FakeIssuer, changes: Claims) -> Claims:
    return {name: value for name, value in (signer.claims(LOGIN, AUDIENCE) | changes).items() if value is not GONE}


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# Claims

EVERY_TIME = ["exp", "iat", "nbf"]


@pytest.mark.parametrize(
    ("changes", "why"),
    named(
        *((f"no {name}", {name: GONE}, "claim_missing") for name in ("iss", "aud", "exp", "iat", "sub")),
        *((f"{name} null", {name: None}, "claim_invalid") for name in ("iss", "aud", "exp", "iat", "nbf", "sub")),
        *((f"{name} an object", {name: {}}, "claim_invalid") for name in ("iss", "aud", "exp", "iat", "nbf", "sub")),
        *((f"{name} true", {name: True}, "claim_invalid") for name in ("iss", "aud", "exp", "iat", "nbf", "sub")),
        *((f"{name} a text", {name: str(NOW)}, "claim_invalid") for name in EVERY_TIME),
        *((f"{name} in a list", {name: [NOW]}, "claim_invalid") for name in EVERY_TIME),
        *((f"{name} beyond floats", {name: 10**400}, "claim_invalid") for name in EVERY_TIME),
        *((f"{name} beyond floats below", {name: -(10**400)}, "claim_invalid") for name in EVERY_TIME),
        *((f"{name} beyond integers", {name: 10**4000}, "claim_invalid") for name in EVERY_TIME),
        ("iss a number", {"iss": 5}, "claim_invalid"),
        ("iss a list", {"iss": ["https://accounts.google.com"]}, "claim_invalid"),
        ("iss empty", {"iss": ""}, "issuer_not_allowed"),
        ("iss another", {"iss": "https://evil.example"}, "issuer_not_allowed"),
        ("iss a part", {"iss": "google.com"}, "issuer_not_allowed"),
        ("iss with a slash", {"iss": "https://accounts.google.com/"}, "issuer_not_allowed"),
        ("iss in upper case", {"iss": "https://ACCOUNTS.google.com"}, "issuer_not_allowed"),
        ("iss with a blank", {"iss": " https://accounts.google.com"}, "issuer_not_allowed"),
        ("iss over http", {"iss": "http://accounts.google.com"}, "issuer_not_allowed"),
        ("aud a number", {"aud": 5}, "claim_invalid"),
        ("aud a list with a number", {"aud": [AUDIENCE, 5]}, "claim_invalid"),
        ("aud a list with null", {"aud": [AUDIENCE, None]}, "claim_invalid"),
        ("aud a list in a list", {"aud": [[AUDIENCE]]}, "claim_invalid"),
        ("aud an empty list", {"aud": []}, "audience_mismatch"),
        ("aud empty", {"aud": ""}, "audience_mismatch"),
        ("aud another", {"aud": OTHER}, "audience_mismatch"),
        ("aud others", {"aud": [OTHER, "x"]}, "audience_mismatch"),
        ("aud with a slash", {"aud": AUDIENCE + "/"}, "audience_mismatch"),
        ("aud a part", {"aud": AUDIENCE[:-1]}, "audience_mismatch"),
        ("aud in upper case", {"aud": AUDIENCE.upper()}, "audience_mismatch"),
        ("aud joined", {"aud": f"{AUDIENCE},{OTHER}"}, "audience_mismatch"),
        ("sub empty", {"sub": ""}, "claim_invalid"),
        ("sub a number", {"sub": 5}, "claim_invalid"),
        ("sub a list", {"sub": ["1"]}, "claim_invalid"),
        ("expired", {"iat": NOW - HOUR, "exp": NOW - 30}, "token_expired"),
        ("expired long ago", {"exp": -1e308}, "token_expired"),
        ("issued in the future", {"iat": NOW + 31}, "token_not_yet_valid"),
        ("issued in the future, though valid before", {"iat": NOW + 31, "nbf": NOW}, "token_not_yet_valid"),
        ("issued in a far future", {"iat": 1e308}, "token_not_yet_valid"),
        ("valid in the future", {"nbf": NOW + 31}, "token_not_yet_valid"),
        ("valid in a far future", {"nbf": 1e308}, "token_not_yet_valid"),
        ("a second more than a day", {"exp": NOW + DAY + 1}, "claim_invalid"),
        ("for ever", {"exp": 1e308}, "claim_invalid"),
        ("for ever and since ever", {"iat": -1.7e308, "exp": 1.7e308}, "claim_invalid"),
    ),
)
def test_a_wrong_claim_is_refused_without_a_key(
    changes: Claims, why: str, signer: FakeIssuer, clock: Clock, face: Callable[[Verifier], Verify]
) -> None:
    verifier = Verifier([signer.google()], audience=AUDIENCE, clock=clock)
    before = signer.requests
    with refuses(why) as raised:
        face(verifier)(signer.sign(changed(signer, changes)))
    assert signer.requests == before
    assert raised.value.__cause__ is None
    assert "evil" not in str(raised.value)


@pytest.mark.parametrize(
    ("iat", "exp", "why"),
    named(
        ("the very lifetime", NOW, NOW + 600.5, None),
        ("a fraction more", NOW, NOW + 600.75, "claim_invalid"),
        ("fractions at both ends", NOW - 0.25, NOW + 600.25, None),
        ("fractions that add up", NOW - 0.5, NOW + 600.25, "claim_invalid"),
        ("since the epoch", 0, NOW + 1, "claim_invalid"),
        ("since before it", -NOW, NOW + 1, "claim_invalid"),
    ),
)
def test_an_issuers_lifetime_may_be_a_fraction(iat: float, exp: float, why: str | None, signer: FakeIssuer, clock: Clock) -> None:
    issuer = google(keys=signer.jwks(), algorithms=["ES256"], max_token_lifetime=600.5)
    verifier = Verifier([issuer], audience=AUDIENCE, clock=clock)
    assert reason(verifier.verify, signer.token(LOGIN, AUDIENCE, iat=iat, exp=exp)) == why


@pytest.mark.parametrize(
    "changes",
    named(
        ("as it is", {}),
        ("Google's other spelling", {"iss": "accounts.google.com"}),
        ("aud a list of one", {"aud": [AUDIENCE]}),
        ("aud among others", {"aud": [OTHER, AUDIENCE]}),
        ("fractions of seconds", {"iat": NOW - 0.5, "exp": NOW + 0.5, "nbf": NOW + 0.1}),
        ("a day", {"exp": NOW + DAY}),
        ("expired within the leeway", {"iat": NOW - HOUR, "exp": NOW - 29}),
        ("issued within the leeway", {"iat": NOW + 30}),
        ("valid within the leeway", {"nbf": NOW + 30}),
        ("nbf before iat", {"nbf": 0}),
        ("claims of its own", {"x": {"deep": [1, None, {"y": 1.5}]}, "azp": None, "jti": 5}),
    ),
)
def test_a_good_token_is_its_caller(
    changes: Claims, signer: FakeIssuer, verifier: Verifier, face: Callable[[Verifier], Verify]
) -> None:
    claims = changed(signer, changes)
    caller = face(verifier)(signer.sign(claims))
    assert caller.issuer == "https://accounts.google.com"
    assert caller.audience == AUDIENCE
    assert caller.subject == claims["sub"]
    assert caller.email == "login@shop.iam.gserviceaccount.com"
    assert caller.member == LOGIN
    assert caller.verified_by == "signature"
    assert (caller.issued_at, caller.expires_at) == (claims["iat"], claims["exp"])
    assert caller.claims.to_dict() == claims


@pytest.mark.parametrize(
    ("leeway", "moment", "why"),
    named(
        ("the last moment", 30, NOW + HOUR + 29.9, None),
        ("over", 30, NOW + HOUR + 30, "token_expired"),
        ("the first moment", 30, NOW - 30, None),
        ("too early", 30, NOW - 30.1, "token_not_yet_valid"),
        ("the last moment without leeway", 0, NOW + HOUR - 0.1, None),
        ("over without leeway", 0, NOW + HOUR, "token_expired"),
        ("the first moment without leeway", 0, NOW, None),
        ("too early without leeway", 0, NOW - 0.1, "token_not_yet_valid"),
        ("the last moment of the most leeway", 300, NOW + HOUR + 299.9, None),
        ("over with the most leeway", 300, NOW + HOUR + 300, "token_expired"),
    ),
)
def test_leeway_is_given_at_both_ends(leeway: float, moment: float, why: str | None, signer: FakeIssuer, keys: Issuer) -> None:
    clock = Clock(moment)
    verifier = Verifier([keys], audience=AUDIENCE, leeway=leeway, clock=clock)
    assert reason(verifier.verify, signer.token(LOGIN, AUDIENCE)) == why


@pytest.mark.parametrize(
    ("claims", "email", "member"),
    named(
        ("verified", {"email_verified": True}, "ana@example.com", ANA),
        ("as it was written", {"email": "Ana@Example.com"}, "Ana@Example.com", ANA),
        ("not verified", {"email_verified": False}, None, "principal:https://accounts.google.com/1"),
        ("verified, a text", {"email_verified": "true"}, None, "principal:https://accounts.google.com/1"),
        ("verified, a number", {"email_verified": 1}, None, "principal:https://accounts.google.com/1"),
        ("nothing said", {"email_verified": GONE}, None, "principal:https://accounts.google.com/1"),
        ("no address", {"email": GONE}, None, "principal:https://accounts.google.com/1"),
        ("an address that is none", {"email": "ana"}, None, "principal:https://accounts.google.com/1"),
        ("an address in another script", {"email": "ana@example.\u212aom"}, None, "principal:https://accounts.google.com/1"),
        ("an address that is no text", {"email": ["ana@example.com"]}, None, "principal:https://accounts.google.com/1"),
    ),
)
def test_an_address_counts_only_if_the_boolean_says_that_it_is_verified(
    claims: Claims, email: str | None, member: str, signer: FakeIssuer, verifier: Verifier
) -> None:
    claims = changed(signer, {"sub": "1", "email": "ana@example.com"} | claims)
    caller = verifier.verify(signer.sign(claims))
    assert (caller.email, caller.member) == (email, member)
    assert caller.claims.get("email") == (tuple(claims["email"]) if isinstance(claims.get("email"), list) else claims.get("email"))


# Header and signature


def unsigned(signer: FakeIssuer, header: Claims, signature: str = "") -> str:
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(changed(signer, {})).encode())}.{signature}"


def with_hmac(signer: FakeIssuer, algorithm: str) -> str:
    """A token whose secret is what everybody knows: the public key."""
    secret = signer.pem_map()[signer.kid].encode()
    signing_input = unsigned(signer, {"alg": algorithm, "kid": signer.kid}).removesuffix(".")
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


@pytest.mark.parametrize(
    ("make", "why"),
    named(
        ("no text", lambda _: 5, "malformed_token"),
        ("null", lambda _: None, "malformed_token"),
        ("a list", lambda _: ["a.b.c"], "malformed_token"),
        ("bytes", lambda signer: signer.token(LOGIN, AUDIENCE).encode(), "malformed_token"),
        ("empty", lambda _: "", "malformed_token"),
        ("too large", lambda signer: signer.token(LOGIN, AUDIENCE, x="x" * 16384), "malformed_token"),
        ("two segments", lambda signer: signer.token(LOGIN, AUDIENCE).rpartition(".")[0], "malformed_token"),
        ("crit", lambda signer: signer.sign(changed(signer, {}), crit=["exp"]), "malformed_token"),
        ("b64", lambda signer: signer.sign(changed(signer, {}), b64=False), "malformed_token"),
        ("kid a number", lambda signer: signer.sign(changed(signer, {}), kid=5), "malformed_token"),
        ("payload a list", lambda signer: signer.sign(b"[]"), "malformed_token"),
        ("NaN", lambda signer: signer.sign(b'{"exp": NaN}'), "malformed_token"),
        ("a number beyond all bounds", lambda signer: signer.sign(b'{"exp": 1e400}'), "malformed_token"),
        ("a name twice", lambda signer: signer.sign(b'{"sub": "1", "sub": "2"}'), "malformed_token"),
        ("alg none", lambda signer: unsigned(signer, {"alg": "none"}), "algorithm_not_allowed"),
        ("alg None with a signature", lambda signer: unsigned(signer, {"alg": "None"}, "AAAA"), "algorithm_not_allowed"),
        ("alg missing", lambda signer: unsigned(signer, {"kid": "key-1"}, "AAAA"), "algorithm_not_allowed"),
        ("alg a list", lambda signer: unsigned(signer, {"alg": ["ES256"]}, "AAAA"), "algorithm_not_allowed"),
        ("alg HS256 with the public key", lambda signer: with_hmac(signer, "HS256"), "algorithm_not_allowed"),
        ("alg ES256 with a HMAC's length", lambda signer: with_hmac(signer, "ES512"), "algorithm_not_allowed"),
        ("alg in lower case", lambda signer: signer.sign(changed(signer, {}), alg="es256"), "algorithm_not_allowed"),
        ("alg not on the issuer's list", lambda signer: signer.sign(changed(signer, {}), alg="RS256"), "algorithm_not_allowed"),
        ("signature removed", lambda signer: signer.strip_signature(signer.token(LOGIN, AUDIENCE)), "signature_removed"),
        ("no signature", lambda signer: unsigned(signer, {"alg": "ES256", "kid": "key-1"}), "signature_invalid"),
        (
            "signature removed from an expired token",
            lambda signer: signer.strip_signature(signer.token(LOGIN, AUDIENCE, exp=NOW - 30)),
            "token_expired",
        ),
        (
            "no signature on an expired token",
            lambda signer: signer.token(LOGIN, AUDIENCE, exp=NOW - 30).rpartition(".")[0] + ".",
            "token_expired",
        ),
    ),
)
def test_what_is_wrong_by_itself_is_refused_without_a_key(
    make: Callable[[FakeIssuer], str], why: str, signer: FakeIssuer, clock: Clock, face: Callable[[Verifier], Verify]
) -> None:
    verifier = Verifier([signer.google()], audience=AUDIENCE, clock=clock)
    before = signer.requests
    with refuses(why):
        face(verifier)(make(signer))
    assert signer.requests == before


@pytest.mark.parametrize(
    ("make", "why"),
    named(
        ("another's signature", lambda signer: signer.forge_signature(signer.token(LOGIN, AUDIENCE)), "signature_invalid"),
        ("a signature of one byte", lambda signer: unsigned(signer, {"alg": "ES256", "kid": "key-1"}, "AA"), "signature_invalid"),
        ("another's kid", lambda signer: signer.sign(changed(signer, {}), kid="key-2"), "unknown_key"),
    ),
)
def test_a_signature_that_is_not_the_keys_is_refused(
    make: Callable[[FakeIssuer], str], why: str, signer: FakeIssuer, verifier: Verifier, face: Callable[[Verifier], Verify]
) -> None:
    with refuses(why):
        face(verifier)(make(signer))


def test_a_token_without_kid_gets_the_only_key(signer: FakeIssuer, verifier: Verifier) -> None:
    assert verifier.verify(signer.sign(changed(signer, {}), kid=None)).member == LOGIN


@pytest.mark.parametrize("kid", ["key-1", "mallory", None])
def test_a_key_that_the_token_brings_along_is_never_used(
    kid: str | None, signer: FakeIssuer, verifier: Verifier, face: Callable[[Verifier], Verify]
) -> None:
    with FakeIssuer(algorithm="ES256") as mallory:
        places = {"jwk": mallory.jwks()["keys"][0], "jku": mallory.jwks_uri, "x5u": mallory.pem_uri, "x5c": ["AAAA"]}
        token = mallory.sign(changed(signer, {}), kid=kid, **places)
        with refuses("unknown_key" if kid == "mallory" else "signature_invalid"):
            face(verifier)(token)
        assert mallory.requests == 0


def test_a_key_of_another_type_than_the_headers_algorithm_is_refused(signer: FakeIssuer, issuer: FakeIssuer, clock: Clock) -> None:
    both = google(keys=signer.jwks(), algorithms=["ES256", "RS256"])
    verifier = Verifier([both], audience=AUDIENCE, clock=clock)
    token = issuer.sign(changed(signer, {}), kid=signer.kid)
    with refuses("algorithm_not_allowed"):
        verifier.verify(token)


# Several issuers


@pytest.fixture(scope="module")
def others() -> Iterator[FakeIssuer]:
    """A second issuer, whose key has the id of the signer's, and whose algorithm is another."""
    with FakeIssuer(OTHER, clock=lambda: NOW) as others:
        yield others


@pytest.fixture
def both(keys: Issuer, signer: FakeIssuer, others: FakeIssuer, clock: Clock) -> Verifier:
    first = google(keys=signer.jwks(), algorithms=["ES256"], audience=[AUDIENCE, "https://second.example"])
    second = Issuer(OTHER, keys=others.jwks(), audience="theirs")
    return Verifier([first, second], clock=clock)


@pytest.mark.parametrize(
    ("signed_by", "changes", "why"),
    named(
        ("the first's", "signer", {}, None),
        ("the first's for its second audience", "signer", {"aud": "https://second.example"}, None),
        ("the second's", "others", {"iss": OTHER, "aud": "theirs"}, None),
        ("the first's for the second's audience", "signer", {"aud": "theirs"}, "audience_mismatch"),
        ("the second's for the first's audience", "others", {"iss": OTHER}, "audience_mismatch"),
        ("the first's by the second's key", "others", {}, "algorithm_not_allowed"),
        ("the second's by the first's key", "signer", {"iss": OTHER, "aud": "theirs"}, "algorithm_not_allowed"),
    ),
)
def test_audiences_and_algorithms_never_cross_issuers(
    signed_by: str, changes: Claims, why: str | None, both: Verifier, signer: FakeIssuer, others: FakeIssuer
) -> None:
    token = {"signer": signer, "others": others}[signed_by].sign(changed(signer, changes))
    assert reason(both.verify, token) == why


@pytest.mark.parametrize(("signed_by", "changes"), [("others", {}), ("signer", {"iss": OTHER, "aud": "theirs"})])
def test_another_issuers_algorithm_is_refused_before_the_key_is_looked_for(
    signed_by: str, changes: Claims, both: Verifier, signer: FakeIssuer, others: FakeIssuer
) -> None:
    token = {"signer": signer, "others": others}[signed_by].sign(changed(signer, changes), kid="nobody's")
    with refuses("algorithm_not_allowed"):
        both.verify(token)


def test_keys_never_cross_issuers_though_they_have_one_id(signer: FakeIssuer, clock: Clock) -> None:
    with FakeIssuer(OTHER, algorithm="ES256") as twin:
        assert twin.kid == signer.kid
        first = google(keys=signer.jwks(), algorithms=["ES256"], audience=AUDIENCE)
        second = Issuer(OTHER, keys=twin.jwks(), algorithms=["ES256"], audience=AUDIENCE)
        verifier = Verifier([first, second], clock=clock)
        assert reason(verifier.verify, twin.sign(changed(signer, {"iss": OTHER}))) is None
        assert reason(verifier.verify, twin.sign(changed(signer, {}))) == "signature_invalid"
        assert reason(verifier.verify, signer.sign(changed(signer, {"iss": OTHER}))) == "signature_invalid"


BOUND = Header("X-Theirs", scheme=None, issuers=(OTHER,))
FREE = Header("Authorization")


@pytest.mark.parametrize(
    ("signed_by", "header", "why"),
    named(
        ("the first's where all may come", "signer", FREE, None),
        ("the first's where the second's must", "signer", BOUND, "issuer_not_allowed"),
        ("the second's where it must", "others", BOUND, None),
        ("the second's where all may come", "others", FREE, "issuer_not_allowed"),
        ("the first's anywhere", "signer", None, None),
        ("the second's anywhere", "others", None, None),
    ),
)
def test_an_issuer_bound_to_a_header_is_accepted_there_only_and_nobody_else_there(
    signed_by: str, header: Header | None, why: str | None, signer: FakeIssuer, others: FakeIssuer, clock: Clock
) -> None:
    first = google(keys=signer.jwks(), algorithms=["ES256"], audience=AUDIENCE)
    second = Issuer(OTHER, keys=others.jwks(), audience=AUDIENCE)
    verifier = Verifier([first, second], headers=[FREE, BOUND], clock=clock)
    token = {"signer": signer, "others": others}[signed_by].sign(
        changed(signer, {"iss": "https://accounts.google.com" if signed_by == "signer" else OTHER})
    )
    for _ in range(2):  # the second time from memory
        assert reason(lambda: verifier.verify(token, header=header)) == why
    assert reason(lambda: verifier.verify(token, header=FREE)) == ("issuer_not_allowed" if signed_by == "others" else None)


# Signatures that Cloud Run removed


@pytest.fixture
def trusting(signer: FakeIssuer, clock: Clock) -> Verifier:
    """Believes a removed signature, and would have to fetch keys."""
    required = {"email_verified": True}
    return Verifier([signer.google()], audience=AUDIENCE, require=required, trust_cloud_run_iam=True, clock=clock)


def test_a_trusted_removed_signature_is_told_by_the_caller_and_never_remembered(
    trusting: Verifier, signer: FakeIssuer, face: Callable[[Verifier], Verify]
) -> None:
    before = signer.requests
    token = signer.strip_signature(signer.token(LOGIN, AUDIENCE))
    caller = face(trusting)(token)
    assert (caller.member, caller.verified_by) == (LOGIN, "cloud_run_iam")
    assert face(trusting)(token) is not caller
    assert signer.requests == before


@pytest.mark.parametrize(
    ("changes", "why"),
    named(
        ("expired", {"exp": NOW - 30}, "token_expired"),
        ("too early", {"nbf": NOW + 31}, "token_not_yet_valid"),
        ("another audience", {"aud": OTHER}, "audience_mismatch"),
        ("another issuer", {"iss": OTHER}, "issuer_not_allowed"),
        ("no sub", {"sub": GONE}, "claim_missing"),
        ("what is required", {"email_verified": False}, "claim_invalid"),
        ("what is required missing", {"email_verified": GONE}, "claim_missing"),
    ),
)
def test_a_trusted_removed_signature_excuses_no_claim(changes: Claims, why: str, trusting: Verifier, signer: FakeIssuer) -> None:
    with refuses(why):
        trusting.verify(signer.strip_signature(signer.sign(changed(signer, changes))))


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    ("signature", "why"),
    named(
        ("nothing", "", "signature_invalid"),
        ("something", "AAAA", "signature_invalid"),
        ("a letter less", REMOVED_SIGNATURE[:-1], "malformed_token"),
        ("a letter more", REMOVED_SIGNATURE + "A", "signature_invalid"),
        ("another last letter", REMOVED_SIGNATURE[:-1] + "A", "signature_invalid"),
        ("the same bytes in another spelling", REMOVED_SIGNATURE[:-1] + "F", "malformed_token"),
        ("padded", REMOVED_SIGNATURE + "=", "malformed_token"),
        ("in lower case", REMOVED_SIGNATURE.lower(), "malformed_token"),
    ),
)
def test_no_other_text_is_the_marker(signature: str, why: str, trust: bool, signer: FakeIssuer, keys: Issuer, clock: Clock) -> None:
    verifier = Verifier([keys], audience=AUDIENCE, trust_cloud_run_iam=trust, clock=clock)
    with refuses(why):
        verifier.verify(unsigned(signer, {"alg": "ES256", "kid": signer.kid}, signature))


def test_a_signed_token_is_verified_by_its_signature_all_the_same(trusting: Verifier, signer: FakeIssuer) -> None:
    assert trusting.verify(signer.token(LOGIN, AUDIENCE)).verified_by == "signature"
    with refuses("signature_invalid"):
        trusting.verify(signer.forge_signature(signer.token(LOGIN, AUDIENCE)))


# Memory


def test_a_remembered_token_is_the_same_caller_until_its_time_is_over(
    signer: FakeIssuer, verifier: Verifier, clock: Clock, face: Callable[[Verifier], Verify]
) -> None:
    token = signer.token(LOGIN, AUDIENCE)
    caller = face(verifier)(token)
    assert face(verifier)(token) is caller
    clock.now = NOW + HOUR + 29
    assert face(verifier)(token) is caller
    clock.now = NOW + HOUR + 30
    assert reason(face(verifier), token) == "token_expired"
    clock.now = NOW - 31
    assert reason(face(verifier), token) == "token_not_yet_valid"
    clock.now = NOW
    assert face(verifier)(token) is not caller


def test_without_memory_every_token_is_verified_anew(signer: FakeIssuer, keys: Issuer, clock: Clock) -> None:
    verifier = Verifier([keys], audience=AUDIENCE, remember=0, clock=clock)
    token = signer.token(LOGIN, AUDIENCE)
    caller = verifier.verify(token)
    assert verifier.verify(token) == caller
    assert verifier.verify(token) is not caller


# Whatever comes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from([NOW, AUDIENCE])
JSON = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
NAMES = st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "sub", "email", "email_verified", "hd"]) | st.text()


@given(st.dictionaries(NAMES, JSON, max_size=5), st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk"]), JSON))
def test_nothing_but_a_refusal_escapes_whatever_is_signed(
    keys: Issuer, signer: FakeIssuer, changes: Claims, header: Claims
) -> None:
    verifier = Verifier([keys], audience=AUDIENCE, clock=lambda: NOW)
    reason(verifier.verify, signer.sign(signer.claims(LOGIN, AUDIENCE) | changes, **header))


@given(st.text() | st.binary().map(encode) | st.lists(st.binary().map(encode), min_size=3, max_size=3).map(".".join))
def test_nothing_but_a_refusal_escapes_whatever_the_text(keys: Issuer, text: str) -> None:
    verifier = Verifier([keys], audience=AUDIENCE, clock=lambda: NOW)
    assert reason(verifier.verify, text) is not None


@given(st.data())
def test_no_changed_character_leaves_a_token_good(keys: Issuer, signer: FakeIssuer, data: st.DataObject) -> None:
    verifier = Verifier([keys], audience=AUDIENCE, clock=lambda: NOW)
    token = signer.token(LOGIN, AUDIENCE)
    verifier.verify(token)
    index = data.draw(st.integers(0, len(token) - 1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\u0660"
    character = data.draw(st.sampled_from(alphabet.replace(token[index], "")))
    assert reason(verifier.verify, token[:index] + character + token[index + 1 :]) is not None


# Configuration

GCLOUD = "32555940559.apps.googleusercontent.com"


@pytest.mark.parametrize(
    ("arguments", "words"),
    named(
        ("no issuer", {"issuers": []}, ["issuers", "empty"]),
        ("no Issuer", {"issuers": ["https://accounts.google.com"]}, ["issuers", "google()"]),
        ("one issuer twice", {"issuers": [google(audience="a"), google(audience="b")]}, ["issuers", "two issuers"]),
        (
            "another's alias",
            {"issuers": [google(audience="a"), Issuer("accounts.google.com", jwks_uri=OTHER, audience="b")]},
            ["issuers", "accounts.google.com"],
        ),
        ("no audience", {"audience": None}, ["audience", "missing"]),
        ("an empty audience", {"audience": ""}, ["audience", "empty"]),
        ("no audiences", {"audience": []}, ["audience", "empty"]),
        ("an audience that is no text", {"audience": [5]}, ["audience", "5"]),
        ("two places for audiences", {"issuers": [google(audience="a")]}, ["audience", "states its own already"]),
        (
            "one audience for two issuers",
            {"issuers": [google(), Issuer(OTHER, jwks_uri="https://other.example/jwks")]},
            ["audience", "google(audience=…)"],
        ),
        (
            "an audience for one of two issuers",
            {"issuers": [google(audience="a"), Issuer(OTHER, jwks_uri="https://other.example/jwks")], "audience": None},
            ["audience", OTHER],
        ),
        ("gcloud's own audience", {"audience": [AUDIENCE, GCLOUD]}, ["audience", GCLOUD, "allow_shared_audience"]),
        ("too much leeway", {"leeway": 301}, ["leeway", "300"]),
        ("negative leeway", {"leeway": -1}, ["leeway"]),
        ("leeway without end", {"leeway": float("nan")}, ["leeway"]),
        ("leeway, a boolean", {"leeway": True}, ["leeway"]),
        ("leeway, a text", {"leeway": "30"}, ["leeway"]),
        ("negative memory", {"remember": -1}, ["remember"]),
        (
            "IAP in no header of its own",
            {"issuers": [Issuer("https://cloud.google.com/iap", jwks_uri=OTHER)], "headers": [FREE]},
            ["headers", "X-Goog-IAP-JWT-Assertion"],
        ),
        ("a header for nobody", {"headers": [Header("X-Theirs", issuers=(OTHER,))]}, ["headers", "X-Theirs", OTHER]),
    ),
)
def test_a_mistake_is_named_at_start(arguments: dict[str, Any], words: list[str]) -> None:
    with complains(*words):
        Verifier(**{"issuers": [google()], "audience": AUDIENCE} | arguments)


class NoKeys(StaticKeys):
    """A key set of somebody's own, which returns nothing where it should refuse."""

    def find(self, kid: str | None, alg: str) -> Any:
        return None


@pytest.mark.parametrize("trust_cloud_run_iam", [False, True])
def test_a_key_set_that_finds_nothing_lets_nobody_in(
    trust_cloud_run_iam: bool, face: Callable[[Verifier], Verify], signer: FakeIssuer, clock: Clock
) -> None:
    keyless = google(keys=NoKeys(parse_jwks(signer.jwks())), algorithms=["ES256"])
    verifier = Verifier([keyless], audience=AUDIENCE, trust_cloud_run_iam=trust_cloud_run_iam, clock=clock)
    with refuses("signature_invalid"):
        face(verifier)(signer.token(LOGIN, AUDIENCE))
    assert len(verifier.memory) == 0


def test_gclouds_audience_has_to_be_asked_for(signer: FakeIssuer, keys: Issuer, clock: Clock) -> None:
    verifier = Verifier([keys], audience=GCLOUD, allow_shared_audience=True, clock=clock)
    assert verifier.verify(signer.token(LOGIN, GCLOUD)).audience == GCLOUD
