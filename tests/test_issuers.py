"""Issuers: whose tokens, with which keys, believed for which addresses, and every mistake in stating it."""

from pathlib import Path
from typing import Any

import pytest

from callerid import Guard, Header, Issuer, Verifier, google
from callerid.keys import StaticKeys
from callerid.keys.keyset import parse_jwks
from callerid.testing import FakeIssuer
from tests.support import AUDIENCE, LOGIN, complains, named, reason

GOOGLE, IDP, KEYS = "https://accounts.google.com", "https://idp.example", "https://idp.example/jwks.json"
IAP, ASSERTION = "https://cloud.google.com/iap", "X-Goog-IAP-JWT-Assertion"


def test_google_is_known() -> None:
    issuer = google()
    assert issuer.spellings == (GOOGLE, "accounts.google.com")
    assert (issuer.key_host, issuer.algorithms, issuer.audience) == ("www.googleapis.com", ("RS256",), None)
    assert issuer.has_google_email_authority


@pytest.mark.parametrize("spelling", [GOOGLE, "accounts.google.com"])
def test_google_is_one_issuer_in_both_spellings(issuer: FakeIssuer, spelling: str) -> None:
    caller = Verifier([google(keys=issuer.jwks())], audience=AUDIENCE).verify(issuer.token(LOGIN, AUDIENCE, iss=spelling))
    assert caller.issuer == GOOGLE


@pytest.mark.parametrize("source", ["jwks_uri", "pem_uri", "keys", "key set"])
def test_keys_from_each_source_verify(issuer: FakeIssuer, source: str) -> None:
    sources: dict[str, dict[str, Any]] = {
        "jwks_uri": {"jwks_uri": issuer.jwks_uri},
        "pem_uri": {"pem_uri": issuer.pem_uri},
        "keys": {"keys": issuer.jwks()},
        "key set": {"keys": StaticKeys(parse_jwks(issuer.jwks()))},
    }
    caller = Verifier([google(**sources[source])], audience=AUDIENCE).verify(issuer.token(LOGIN, AUDIENCE))
    assert caller.member == LOGIN


@pytest.mark.parametrize(
    ("options", "host"),
    named(
        ("JWK Set", {"jwks_uri": "https://Keys.example:8443/jwks.json"}, "keys.example"),
        ("PEM map", {"pem_uri": "https://pem.example/certs"}, "pem.example"),
    ),
)
def test_host_of_the_keys(options: dict[str, Any], host: str) -> None:
    assert Issuer(IDP, **options).key_host == host


def test_keys_of_the_configuration_have_no_host(issuer: FakeIssuer) -> None:
    assert Issuer(IDP, keys=issuer.jwks()).key_host is None


def test_issuers_are_told_apart_by_identity_and_show_no_key(issuer: FakeIssuer) -> None:
    one, other = Issuer(IDP, jwks_uri=KEYS), Issuer(IDP, jwks_uri=KEYS)
    assert (one == other, len({one, other, one})) == (False, 2)
    assert "key_set" not in repr(one)


@pytest.mark.parametrize(
    ("options", "email", "claimed"),
    named(
        ("Google's authority", {"has_google_email_authority": True}, "Ana@Example.com", "Ana@Example.com"),
        (
            "Google's authority, service account",
            {"has_google_email_authority": True},
            LOGIN.partition(":")[2],
            LOGIN.partition(":")[2],
        ),
        ("Google's authority, no address", {"has_google_email_authority": True}, "ana", None),
        ("Google's authority, no e-mail", {"has_google_email_authority": True}, None, None),
        ("no authority", {}, "ana@example.com", None),
        ("its domain", {"email_domains": ["other.example", "example.com"]}, "ana@EXAMPLE.com", "ana@EXAMPLE.com"),
        ("a domain below", {"email_domains": ["example.com"]}, "ana@sub.example.com", None),
        ("a domain that ends alike", {"email_domains": ["example.com"]}, "ana@notexample.com", None),
        ("a domain above all service accounts", {"email_domains": ["com"]}, LOGIN.partition(":")[2], None),
    ),
)
def test_address_that_an_issuer_is_an_authority_for(options: dict[str, Any], email: str | None, claimed: str | None) -> None:
    assert Issuer(IDP, jwks_uri=KEYS, **options).claimed_email({"email": email}) == claimed


@pytest.mark.parametrize(
    ("audience", "kept"),
    named(
        ("one", AUDIENCE, (AUDIENCE,)),
        ("several", [AUDIENCE, "other"], (AUDIENCE, "other")),
    ),
)
def test_audience_is_one_or_several(audience: Any, kept: tuple[str, ...]) -> None:
    assert google(audience=audience).audience == kept


@pytest.mark.parametrize(
    ("options", "words"),
    named(
        ("empty issuer", {"issuer": ""}, ["issuer: empty", "exact value of the tokens' iss claim"]),
        ("issuer that is no text", {"issuer": 5}, ["issuer: empty"]),
        ("no keys", {"jwks_uri": None}, [f"issuer '{IDP}'", "nothing says where its keys are", "exactly one of jwks_uri"]),
        ("keys twice", {"pem_uri": "https://idp.example/certs"}, ["jwks_uri and pem_uri", "exactly one"]),
        ("keys as a list", {"jwks_uri": None, "keys": [{"kty": "RSA"}]}, ["keys: ", "JWK Set as a mapping"]),
        ("keys that are a text", {"jwks_uri": None, "keys": "x"}, ["keys: "]),
        ("an alias that is empty", {"aliases": [""]}, ["aliases: "]),
        ("keys that are no JWK Set", {"jwks_uri": None, "keys": {"kty": "RSA"}}, ["keys: ", 'a list of "keys"']),
        ("no usable key", {"jwks_uri": None, "keys": {"keys": [{"kty": "oct", "k": "AA"}]}}, ["keys: ", "no usable key"]),
        ("no URL", {"jwks_uri": "jwks.json"}, ["'jwks.json'", "write it like https://"]),
        ("empty URL", {"jwks_uri": ""}, ["''", "write it like https://"]),
        ("URL that is no text", {"jwks_uri": 5}, ["5", "write it like https://"]),
        ("http off loopback", {"jwks_uri": "http://idp.example/jwks.json"}, ["must be https", "127.0.0.1"]),
        ("http that begins like loopback", {"jwks_uri": "http://127.0.0.1.evil.example/"}, ["must be https"]),
        ("http in the PEM map", {"jwks_uri": None, "pem_uri": "http://idp.example/certs"}, ["must be https"]),
        ("other scheme", {"jwks_uri": "ftp://idp.example/jwks.json"}, ["must be https"]),
        ("file", {"jwks_uri": "file:///etc/jwks.json"}, ["no URL with a host"]),
        ("unknown algorithm", {"algorithms": ["RS257"]}, ["algorithms: 'RS257'", "RS256"]),
        ("HMAC", {"algorithms": ["HS256"]}, ["algorithms: 'HS256' is not accepted"]),
        ("none", {"algorithms": ["none"]}, ["algorithms: 'none' is not accepted"]),
        ("no algorithm", {"algorithms": []}, ["algorithms: empty", "RS256"]),
        ("algorithms as text", {"algorithms": "RS256"}, ["algorithms: 'RS256' is no list"]),
        ("algorithm that is no text", {"algorithms": [256]}, ["algorithms: 256 is no text"]),
        ("aliases as text", {"aliases": "idp.example"}, ["aliases: ", "no list"]),
        ("empty audience", {"audience": ""}, ["audience: empty", "this service's URL"]),
        ("no audience in the list", {"audience": []}, ["audience: empty"]),
        ("empty audience in the list", {"audience": [AUDIENCE, ""]}, ["audience: empty"]),
        ("audience that is no text", {"audience": [5]}, ["audience: 5 is no text"]),
        ("audience that is no list", {"audience": 5}, ["audience: 5 is no list"]),
        ("gserviceaccount.com", {"email_domains": ["gserviceaccount.com"]}, ["email_domains: ", "nobody but Google"]),
        ("a project's domain", {"email_domains": ["shop.iam.gserviceaccount.com"]}, ["email_domains: ", "nobody but Google"]),
        ("domain in capitals", {"email_domains": ["Example.com"]}, ["email_domains: 'Example.com'", "lower-case ASCII"]),
        ("domain not ASCII", {"email_domains": ["\u212aiosk.example"]}, ["email_domains: ", "lower-case ASCII"]),
        ("domain with @", {"email_domains": ["@example.com"]}, ["email_domains: "]),
        ("domain with a star", {"email_domains": ["*.example.com"]}, ["email_domains: "]),
        ("domain with a blank", {"email_domains": ["example.com "]}, ["email_domains: "]),
        ("empty domain", {"email_domains": [""]}, ["email_domains: ''"]),
        ("domains as text", {"email_domains": "example.com"}, ["email_domains: ", "no list"]),
        ("authority as text", {"has_google_email_authority": "no"}, ["has_google_email_authority: 'no'"]),
        ("stale_if_error as text", {"stale_if_error": "6h"}, ["stale_if_error: '6h'", "86400"]),
        ("stale_if_error below 0", {"stale_if_error": -1}, ["stale_if_error: -1"]),
        ("stale_if_error for days", {"stale_if_error": 86_401}, ["stale_if_error: 86401"]),
        ("stale_if_error not a number", {"stale_if_error": float("nan")}, ["stale_if_error: nan"]),
        ("stale_if_error true", {"stale_if_error": True}, ["stale_if_error: True"]),
        ("max_key_age too short", {"max_key_age": 59}, ["max_key_age: 59", "60", "86400"]),
        ("max_key_age too long", {"max_key_age": 86_401}, ["max_key_age: 86401"]),
        ("no such file of authorities", {"ca_file": "/no/such/file.pem"}, ["ca_file", "/no/such/file.pem"]),
    ),
)
def test_issuer_that_cannot_be_meant_is_a_configuration_error(options: dict[str, Any], words: list[str]) -> None:
    with complains(*words):
        Issuer(**{"issuer": IDP, "jwks_uri": KEYS} | options)


def test_file_without_authorities_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("junk")
    with complains("ca_file", str(file)):
        Issuer(IDP, jwks_uri=KEYS, ca_file=str(file))


@pytest.mark.parametrize("field", ["issuer", "aliases", "has_google_email_authority"])
def test_what_google_states_itself_cannot_be_given(field: str) -> None:
    with complains(f"{field}: ", "write Issuer"):
        google(**{field: ()})


@pytest.mark.parametrize("seconds", [0, 0.5, 86_400])
def test_bounds_of_stale_if_error(seconds: float) -> None:
    assert Issuer(IDP, jwks_uri=KEYS, stale_if_error=seconds).stale_if_error == seconds


@pytest.mark.parametrize(("max_key_age", "lifetime"), [(60, 60), (600, 600), (86_400, 7200)])
def test_max_key_age_bounds_what_the_endpoint_says(max_key_age: float, lifetime: float) -> None:
    issuer = Issuer(IDP, jwks_uri=KEYS, max_key_age=max_key_age)
    assert issuer._lifetime({"Cache-Control": "max-age=7200"}) == lifetime


@pytest.mark.parametrize(
    ("issuers", "options", "words"),
    named(
        ("none", [], {}, ["issuers: empty", "leave it out for Google's"]),
        ("no Issuer", [GOOGLE], {}, ["issuers: ", GOOGLE, "no Issuer", "google()"]),
        ("one in place of a list", google(), {}, ["issuers: ", "no list"]),
        (
            "the same issuer twice",
            [google(audience="a"), google(audience="b")],
            {},
            ["issuers: ", GOOGLE, "belongs to two issuers"],
        ),
        (
            "an alias that is another issuer",
            [google(audience="a"), Issuer("accounts.google.com", jwks_uri=KEYS, audience="a")],
            {},
            ["'accounts.google.com' belongs to two issuers"],
        ),
        ("no audience", [google()], {}, ["audience: missing", GOOGLE, "this service's URL"]),
        ("no audience for one of two", [google(audience="a"), Issuer(IDP, jwks_uri=KEYS)], {}, ["audience: missing", IDP]),
        ("audience here and there", [google(audience="a")], {"audience": "a"}, ["audience: say it once"]),
        (
            "one audience for two issuers",
            [google(), Issuer(IDP, jwks_uri=KEYS)],
            {"audience": "a"},
            ["audience: say it once", "at each Issuer(audience=…)"],
        ),
        ("empty audience", [google()], {"audience": ""}, ["audience: empty"]),
        ("gcloud's client id", [google()], {"audience": "32555940559.apps.googleusercontent.com"}, ["allow_shared_audience=True"]),
        (
            "gcloud's other client id among several",
            [google(audience=["a", "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"])],
            {},
            ["audience: 764086051850", "gcloud's own client id"],
        ),
    ),
)
def test_issuers_that_cannot_be_meant_together_are_a_configuration_error(
    issuers: Any, options: dict[str, Any], words: list[str]
) -> None:
    with complains(*words):
        Verifier(issuers, **options)


@pytest.mark.parametrize(
    ("spelling", "header", "expected"),
    [
        (IAP, ASSERTION, None),
        (IAP, "Authorization", "issuer_not_allowed"),
        (GOOGLE, ASSERTION, "issuer_not_allowed"),
        (GOOGLE, "Authorization", None),
    ],
)
def test_iap_is_accepted_in_its_header_only_and_nobody_else_there(
    issuer: FakeIssuer, spelling: str, header: str, expected: str | None
) -> None:
    issuers = [google(keys=issuer.jwks(), audience=AUDIENCE), Issuer(IAP, keys=issuer.jwks(), audience=AUDIENCE)]
    headers: list[str | Header] = ["Authorization", Header(ASSERTION, scheme=None)]
    guard = Guard(issuers=issuers, callers=["allAuthenticatedUsers"], headers=headers)
    token = issuer.token(LOGIN, AUDIENCE, iss=spelling)
    value = token if header == ASSERTION else f"Bearer {token}"
    assert reason(guard.check, "GET", "/", [(header, value)]) == expected


@pytest.mark.parametrize(
    ("headers", "name", "words"),
    named(
        (
            "IAP's header without IAP",
            [Header(ASSERTION, scheme=None)],
            IDP,
            [f"headers: {ASSERTION} is for '{IAP}'", "no configured"],
        ),
        ("IAP without its header", ["Authorization"], IAP, [f"headers: {IAP} is accepted in {ASSERTION} only", "scheme=None"]),
        ("a header for nobody known", [Header("X-Token", issuers=(IAP,))], IDP, [f"headers: X-Token is for '{IAP}'"]),
    ),
)
def test_headers_and_issuers_that_do_not_go_together_are_a_configuration_error(headers: Any, name: str, words: list[str]) -> None:
    with complains(*words):
        Guard(issuers=[Issuer(name, jwks_uri=KEYS)], audience=AUDIENCE, callers=["allAuthenticatedUsers"], headers=headers)
