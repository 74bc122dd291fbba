"""The issuer for tests: its endpoints, its keys, its tokens."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from callerid import Guard, Issuer, Verifier
from callerid.keys.fetch import Fetcher, FetchError
from callerid.keys.lifetime import lifetime_of
from callerid.token import parse_token
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer, complains, reason


@pytest.fixture(params=["RS256", "ES256"])
def fake(request: pytest.FixtureRequest) -> Iterator[FakeIssuer]:
    with FakeIssuer("https://own.example", algorithm=request.param, max_age=120) as fake:
        yield fake


def fetched(url: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Fetcher(url)()[0])
    return document


def test_it_serves_its_published_keys_in_both_forms_and_counts(fake: FakeIssuer) -> None:
    second = fake.add_key()
    assert fetched(fake.jwks_uri) == fake.jwks()
    assert fetched(fake.pem_uri) == fake.pem_map()
    assert [jwk["kid"] for jwk in fake.jwks()["keys"]] == list(fake.pem_map()) == [fake.kid, second]
    assert {jwk["alg"] for jwk in fake.jwks()["keys"]} == {fake.algorithm}
    assert not any("d" in jwk for jwk in fake.jwks()["keys"])
    assert fake.requests == 2


def test_it_says_for_how_long_and_fails_as_it_is_told(fake: FakeIssuer) -> None:
    assert lifetime_of(Fetcher(fake.jwks_uri)()[1]) == 120
    with pytest.raises(FetchError, match="404"):
        Fetcher(f"{fake.url}/other")()
    fake.status = 503
    with pytest.raises(FetchError, match="503"):
        Fetcher(fake.jwks_uri)()


def test_it_serves_nothing_once_it_is_closed() -> None:
    with FakeIssuer(algorithm="ES256") as fake:
        url = fake.jwks_uri
    with pytest.raises(FetchError):
        Fetcher(url)()


@pytest.mark.parametrize("source", ["jwks_uri", "pem_uri"])
def test_its_tokens_are_verified_by_its_keys_in_both_forms(source: str, fake: FakeIssuer) -> None:
    issuer = Issuer(fake.issuer, **{source: getattr(fake, source)}, algorithms=[fake.algorithm], audience=AUDIENCE)
    caller = Verifier([issuer]).verify(fake.token(LOGIN, AUDIENCE))
    assert (caller.issuer, caller.email) == ("https://own.example", None)


def test_as_google_it_vouches_for_addresses_and_as_itself_for_those_it_is_given(fake: FakeIssuer) -> None:
    own = Verifier([fake.profile(email_domains=["example.com"])], audience=AUDIENCE)
    assert own.verify(fake.token(ANA, AUDIENCE)).member == ANA
    google = Verifier([fake.google(audience=AUDIENCE)])
    assert google.verify(fake.token(LOGIN, AUDIENCE, iss="accounts.google.com")).member == LOGIN


def test_a_rotation_signs_with_a_new_key_that_is_published_if_announced(fake: FakeIssuer) -> None:
    first = fake.kid
    second = fake.rotate()
    third = fake.rotate(announce=False)
    assert fake.kid == third
    assert fake.published == [first, second]
    assert parse_token(fake.token(LOGIN, AUDIENCE)).kid == third
    assert reason(Verifier([fake.profile()], audience=AUDIENCE).verify, fake.token(LOGIN, AUDIENCE)) == "unknown_key"


@pytest.mark.parametrize(
    ("member", "email", "hosted"),
    [
        (LOGIN, "login@shop.iam.gserviceaccount.com", None),
        ("login@shop.iam.gserviceaccount.com", "login@shop.iam.gserviceaccount.com", None),
        (ANA, "ana@example.com", "example.com"),
        ("user:bob@gmail.com", "bob@gmail.com", None),
    ],
)
def test_its_claims_are_googles_for_accounts_and_people(member: str, email: str, hosted: str | None, issuer: FakeIssuer) -> None:
    claims = issuer.claims(member, AUDIENCE)
    assert (claims["email"], claims.get("hd"), claims["email_verified"]) == (email, hosted, True)
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - time.time()) < 3600
    assert claims["sub"].isdigit()
    assert claims["sub"] == issuer.claims(member, "other")["sub"]


def test_a_principals_claims_are_its_subject_alone() -> None:
    with FakeIssuer("https://issuer.example") as fake:
        claims = fake.claims("principal:https://issuer.example/repo:shop/login", "me", hd="example.com")
    assert claims.keys() == {"iss", "aud", "sub", "iat", "exp", "hd"}
    assert claims["sub"] == "repo:shop/login"


def test_changes_replace_claims_and_header_members_and_none_takes_one_out(issuer: FakeIssuer) -> None:
    assert "email" not in issuer.claims(LOGIN, AUDIENCE, email=None, own=1)
    token = parse_token(issuer.sign({"a": None}, kid=None, typ="at+jwt"))
    assert (token.kid, token.claims) == (None, {"a": None})
    assert parse_token(issuer.sign(b'{"b": 1}')).claims == {"b": 1}
    assert issuer.headers(LOGIN, AUDIENCE)["Authorization"].startswith("Bearer ")


def test_signatures_can_be_stripped_and_forged(fake: FakeIssuer) -> None:
    verifier = Verifier([fake.profile()], audience=AUDIENCE)
    token = fake.token(LOGIN, AUDIENCE)
    assert reason(verifier.verify, token) is None
    assert reason(verifier.verify, fake.strip_signature(token)) == "signature_removed"
    assert reason(verifier.verify, fake.forge_signature(token)) == "signature_invalid"


def test_iaps_tokens_come_in_its_header_with_its_claims() -> None:
    backend = "/projects/1/apps/shop"
    with FakeIssuer("https://cloud.google.com/iap", algorithm="ES256") as proxy:
        guard = Guard(issuers=[proxy.profile(audience=backend)], callers=[ANA, "domain:example.com"])
        headers = proxy.headers(ANA, backend)
        assert headers.keys() == {"X-Goog-IAP-JWT-Assertion"}
        caller = guard.check("GET", "/", headers)
        assert caller is not None
        assert (caller.member, caller.subject.partition(":")[0]) == (ANA, "accounts.google.com")
        assert "email_verified" not in caller.claims


def test_a_kind_of_member_that_nobody_is(issuer: FakeIssuer) -> None:
    with complains("'domain:example.com' is nobody who calls"):
        issuer.token("domain:example.com", AUDIENCE)
