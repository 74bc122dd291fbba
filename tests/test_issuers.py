"""Issuers: whose tokens, with which keys, believed for which addresses, and every mistake in stating it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from callerid import Guard, Header, Issuer, KeysUnavailable, Verifier, google, google_chat, oidc, service_account
from callerid.issuers import KEY_SOURCES
from callerid.keys.keyset import parse_jwks
from callerid.keys.local import StaticKeys
from tests.keys import Endpoint, answer, send
from tests.support import AUDIENCE, ENDPOINT_TOKEN, LOGIN, FakeIssuer, complains, named, reason


class BytesPath:
    """A path that is no text."""

    def __fspath__(self) -> bytes:
        return b"/jwks.json"


PRIVATE_KEY = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
WEAK_KEY = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)

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


@pytest.mark.parametrize(
    "source", ["jwks_uri", "pem_uri", "discovery_uri", "jwks_file", "pem_file", "jwks_file as a Path", "keys", "key set"]
)
def test_keys_from_each_source_verify(issuer: FakeIssuer, tmp_path: Path, source: str) -> None:
    jwks_file, pem_file = tmp_path / "jwks.json", tmp_path / "certs.json"
    jwks_file.write_text(json.dumps(issuer.jwks()))
    pem_file.write_text(json.dumps(issuer.pem_map()))
    sources: dict[str, dict[str, Any]] = {
        "jwks_uri": {"jwks_uri": issuer.jwks_uri},
        "pem_uri": {"pem_uri": issuer.pem_uri},
        "discovery_uri": {"discovery_uri": issuer.discovery_uri},
        "jwks_file": {"jwks_file": str(jwks_file)},
        "jwks_file as a Path": {"jwks_file": jwks_file},
        "pem_file": {"pem_file": str(pem_file)},
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
        ("OpenID configuration", {"discovery_uri": "https://openid.example/configuration"}, "openid.example"),
    ),
)
def test_host_of_the_keys(options: dict[str, Any], host: str) -> None:
    assert Issuer(IDP, **options).key_host == host


def test_keys_of_the_configuration_and_of_a_file_have_no_host(issuer: FakeIssuer, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(issuer.jwks()))
    assert [Issuer(IDP, keys=issuer.jwks()).key_host, Issuer(IDP, jwks_file=file).key_host] == [None, None]


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        (IDP, f"{IDP}/.well-known/openid-configuration"),
        (f"{IDP}/", f"{IDP}/.well-known/openid-configuration"),
        (f"{IDP}/realms/x", f"{IDP}/realms/x/.well-known/openid-configuration"),
    ],
)
def test_the_configuration_of_an_oidc_issuer_is_below_it(name: str, uri: str) -> None:
    issuer = oidc(name, email_domains=["example.com"], algorithms=["ES256"], aliases=["x"])
    assert (issuer.discovery_uri, issuer.spellings, issuer.key_host) == (uri, (name, "x"), "idp.example")
    assert (issuer.algorithms, issuer.email_domains, issuer.has_google_email_authority) == (("ES256",), ("example.com",), False)


def test_tokens_of_an_oidc_issuer_verify_with_the_keys_that_its_configuration_names() -> None:
    with FakeIssuer(IDP) as issuer:
        profile = oidc(IDP, discovery_uri=issuer.discovery_uri)
        caller = Verifier([profile], audience=AUDIENCE).verify(issuer.token(LOGIN, AUDIENCE))
        assert (caller.issuer, issuer.requests) == (IDP, 2)


def test_keys_that_another_issuers_configuration_names_are_not_believed(issuer: FakeIssuer) -> None:
    profile = oidc(IDP, discovery_uri=issuer.discovery_uri)
    with pytest.raises(KeysUnavailable) as raised:
        profile.key_set.warm_up(1.0)
    assert any("the two must be equal" in note for note in raised.value.__notes__)


def test_the_endpoints_token_goes_with_the_fetch_and_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{ENDPOINT_TOKEN}\n")
    with FakeIssuer(IDP) as issuer, Endpoint(send(answer(json.dumps(issuer.jwks()).encode()))) as endpoint:
        profile = Issuer(IDP, jwks_uri=endpoint.url, bearer_token_file=file)
        profile.key_set.warm_up(10)
    assert f"\r\nAuthorization: Bearer {ENDPOINT_TOKEN}\r\n" in endpoint.requests[0].decode()
    assert "secret" not in f"{profile!r} {profile.key_set!r} {profile.key_set.status()}"


def test_issuers_are_told_apart_by_identity_and_show_no_key(issuer: FakeIssuer) -> None:
    one, other = Issuer(IDP, jwks_uri=KEYS), Issuer(IDP, jwks_uri=KEYS)
    assert (one == other, len({one, other, one})) == (False, 2)
    assert "key_set" not in repr(one)


@pytest.mark.parametrize(
    ("options", "email", "claimed"),
    named(
        ("Google's authority", {"has_google_email_authority": True}, "Ana@Example.com", "ana@example.com"),
        (
            "Google's authority, service account",
            {"has_google_email_authority": True},
            LOGIN.partition(":")[2],
            LOGIN.partition(":")[2],
        ),
        ("Google's authority, no address", {"has_google_email_authority": True}, "ana", None),
        ("Google's authority, no e-mail", {"has_google_email_authority": True}, None, None),
        ("no authority", {}, "ana@example.com", None),
        ("its domain", {"email_domains": ["other.example", "example.com"]}, "ana@EXAMPLE.com", "ana@example.com"),
        ("a domain below", {"email_domains": ["example.com"]}, "ana@sub.example.com", None),
        ("a domain that ends alike", {"email_domains": ["example.com"]}, "ana@notexample.com", None),
        ("a domain above all service accounts", {"email_domains": ["com"]}, LOGIN.partition(":")[2], None),
    ),
)
def test_address_that_an_issuer_is_an_authority_for(options: dict[str, Any], email: str | None, claimed: str | None) -> None:
    assert Issuer(IDP, jwks_uri=KEYS, **options).claimed_address({"email": email}) == claimed


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
        ("keys twice", {"pem_uri": "https://idp.example/certs"}, ["jwks_uri and pem_uri say", "exactly one", f"oidc('{IDP}')"]),
        ("URL and file", {"jwks_file": "/jwks.json"}, ["jwks_uri and jwks_file say", "exactly one"]),
        ("URL and configuration", {"discovery_uri": IDP}, ["jwks_uri and discovery_uri say", "exactly one"]),
        (
            "keys everywhere",
            dict.fromkeys(KEY_SOURCES, "x"),
            ["jwks_uri and pem_uri and discovery_uri and jwks_file and pem_file and keys say"],
        ),
        ("configuration over http", {"jwks_uri": None, "discovery_uri": "http://idp.example/"}, ["must be https"]),
        ("configuration that is no URL", {"jwks_uri": None, "discovery_uri": "idp.example"}, ["no URL with a host"]),
        ("link-local URL", {"jwks_uri": "https://169.254.169.254/jwks"}, ["link-local or metadata"]),
        ("file that is missing", {"jwks_uri": None, "jwks_file": "/no/such"}, ["key file '/no/such'", "No such file"]),
        ("PEM file that is missing", {"jwks_uri": None, "pem_file": "/no/such"}, ["key file '/no/such'", "No such file"]),
        ("folder for a file", {"jwks_uri": None, "jwks_file": "/"}, ["key file '/'", "Is a directory"]),
        ("empty file name", {"jwks_uri": None, "jwks_file": ""}, ["jwks_file: '' is no path"]),
        ("file name that is a number", {"jwks_uri": None, "jwks_file": 0}, ["jwks_file: 0 is no path"]),
        ("PEM file name in bytes", {"jwks_uri": None, "pem_file": b"/x"}, ["pem_file: b'/x' is no path"]),
        ("Path in bytes", {"jwks_uri": None, "jwks_file": BytesPath()}, ["jwks_file: ", "is no path"]),
        ("NUL in a file name", {"jwks_uri": None, "pem_file": "a\0b"}, ["pem_file: 'a\\x00b' is no path"]),
        ("ca_file that is missing", {"ca_file": "/no/such"}, ["ca_file '/no/such'", "No such file"]),
        ("empty ca_file", {"ca_file": ""}, ["ca_file: '' is no path"]),
        ("ca_file that is a number", {"ca_file": 0}, ["ca_file: 0 is no path"]),
        ("token file that is missing", {"bearer_token_file": "/no/such"}, ["bearer_token_file '/no/such'", "No such file"]),
        ("empty name of a token file", {"bearer_token_file": ""}, ["bearer_token_file: '' is no path"]),
        ("token file that is a number", {"bearer_token_file": 0}, ["bearer_token_file: 0 is no path"]),
        ("token file that is a switch", {"bearer_token_file": True}, ["bearer_token_file: True is no path"]),
        (
            "ca_file for keys",
            {"jwks_uri": None, "keys": {"keys": []}, "ca_file": "/ca"},
            ["ca_file", "for a key endpoint", "keys is none"],
        ),
        (
            "token for keys",
            {"jwks_uri": None, "keys": {"keys": []}, "bearer_token_file": "/t"},
            ["bearer_token_file", "for a key endpoint", "keys is none"],
        ),
        (
            "ca_file for a file",
            {"jwks_uri": None, "jwks_file": "/jwks.json", "ca_file": "/ca"},
            ["ca_file", "for a key endpoint", "jwks_file is none"],
        ),
        (
            "token for a PEM file",
            {"jwks_uri": None, "pem_file": "/pem.json", "bearer_token_file": "/t"},
            ["bearer_token_file", "for a key endpoint", "pem_file is none"],
        ),
        ("keys as a list", {"jwks_uri": None, "keys": [{"kty": "RSA"}]}, ["keys: ", "JWK Set as a mapping"]),
        ("keys that are a text", {"jwks_uri": None, "keys": "x"}, ["keys: "]),
        ("an alias that is empty", {"aliases": [""]}, ["aliases: "]),
        ("keys that are no JWK Set", {"jwks_uri": None, "keys": {"kty": "RSA"}}, ["keys: ", 'a list of "keys"']),
        ("no usable key", {"jwks_uri": None, "keys": {"keys": [{"kty": "oct", "k": "AA"}]}}, ["keys: ", "no usable key"]),
        ("no key", {"jwks_uri": None, "keys": {"keys": []}}, ["keys: ", "no usable key"]),
        ("a private key", {"jwks_uri": None, "keys": {"keys": [PRIVATE_KEY]}}, ["keys: ", "a private or symmetric key"]),
        ("a weak key", {"jwks_uri": None, "keys": {"keys": [WEAK_KEY]}}, ["keys: ", "no usable key"]),
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
        ("a subject's beginning that is no text", {"subject_prefix": 7}, ["subject_prefix: 7"]),
        ("a lifetime of nothing", {"max_token_lifetime": 0}, ["max_token_lifetime: 0", "from 1 to 86400"]),
        ("a lifetime of days", {"max_token_lifetime": 86_401}, ["max_token_lifetime: 86401"]),
        ("no types", {"token_types": []}, ["token_types: empty"]),
        ("an empty type", {"token_types": ["JWT", ""]}, ["token_types: empty"]),
        ("types as text", {"token_types": "JWT"}, ["token_types: 'JWT' is no list"]),
        ("a type that is no text", {"token_types": [7]}, ["token_types: 7 is no text"]),
        ("a required claim without a value", {"require": {"hd": []}}, ["require: hd: empty"]),
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


@pytest.mark.parametrize(
    ("name", "options", "words"),
    named(
        ("keys as well", IDP, {"jwks_uri": KEYS}, ["jwks_uri and discovery_uri say where its keys are"]),
        ("a file as well", IDP, {"jwks_file": "/jwks.json"}, ["discovery_uri and jwks_file say where its keys are"]),
        ("no configuration", IDP, {"discovery_uri": None}, ["nothing says where its keys are"]),
        ("a host alone", "idp.example", {}, ["issuer 'idp.example'", "sought below its URL", "jwks_file"]),
        ("its configuration", f"{IDP}/.well-known/openid-configuration", {}, ["sought below its URL"]),
        ("plain http", "http://idp.example", {}, ["must be https"]),
        ("metadata", "https://metadata.google.internal", {}, ["link-local or metadata"]),
        ("empty", "", {}, ["issuer: empty"]),
        ("no text", 5, {}, ["issuer: empty"]),
        ("nothing", None, {}, ["issuer: empty"]),
    ),
)
def test_an_oidc_issuer_that_cannot_be_meant_is_a_configuration_error(name: Any, options: dict[str, Any], words: list[str]) -> None:
    with complains(*words):
        oidc(name, **options)


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
        (
            "Google beside Chat's tokens of Google's",
            [google(audience="a"), google_chat(audience="https://a.example/chat")],
            {},
            [f"'{GOOGLE}' belongs to two issuers"],
        ),
        (
            "Chat beside its own account",
            [google_chat(audience="1"), service_account("chat@system.gserviceaccount.com", audience="a")],
            {},
            ["'chat@system.gserviceaccount.com' belongs to two issuers"],
        ),
        (
            "Google's name as another's alias",
            [google(audience="a"), Issuer(IDP, aliases=[GOOGLE], jwks_uri=KEYS, audience="a")],
            {},
            [f"'{GOOGLE}' belongs to two issuers"],
        ),
        ("no audience", [google()], {}, ["audience: missing", GOOGLE, "this service's URL"]),
        ("no audience for one of two", [google(audience="a"), Issuer(IDP, jwks_uri=KEYS)], {}, ["audience: missing", IDP]),
        (
            "audience here and there",
            [google(audience="a")],
            {"audience": "a"},
            [f"audience: {GOOGLE} states its own already", "take it out here"],
        ),
        (
            "one audience for two issuers",
            [google(), Issuer(IDP, jwks_uri=KEYS)],
            {"audience": "a"},
            ["audience: there are several issuers: give each its own, like google(audience=…)"],
        ),
        ("empty audience", [google()], {"audience": ""}, ["audience: empty"]),
        ("audience with a blank", [google()], {"audience": "a "}, ["audience: 'a ' has blanks around it"]),
        ("audience in quotes", [google()], {"audience": '"a"'}, ["has quotes around it; take them out"]),
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
        (
            "IAP without its header",
            ["Authorization"],
            IAP,
            [f"headers: {IAP} is accepted in {ASSERTION} only", "leave headers out"],
        ),
        ("a header for nobody known", [Header("X-Token", issuers=(IAP,))], IDP, [f"headers: X-Token is for '{IAP}'"]),
    ),
)
def test_headers_and_issuers_that_do_not_go_together_are_a_configuration_error(headers: Any, name: str, words: list[str]) -> None:
    with complains(*words):
        Guard(issuers=[Issuer(name, jwks_uri=KEYS)], audience=AUDIENCE, callers=["allAuthenticatedUsers"], headers=headers)
