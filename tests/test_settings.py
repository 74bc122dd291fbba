"""A Guard from the environment, a file or a mapping: what each word means, and every mistake with its variable and its mend."""

import dataclasses
import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest

from callerid import Caller, ConfigurationError, Guard, Header, Issuer, Route, google, google_chat, iap
from callerid.settings import FIELDS
from tests.keys.test_fetch import Authority
from tests.support import ANA, AUDIENCE, ENDPOINT_TOKEN, LOGIN, SEARCH, STRANGER, FakeIssuer, complains, named, reason

GOOGLE, IDP, KEYS = "https://accounts.google.com", "https://idp.example", "https://idp.example/jwks.json"
ENVIRON = {"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": LOGIN}
WORDS: dict[str, Any] = {"audience": AUDIENCE, "callers": [LOGIN]}


def guard_from(environ: Mapping[str, str | None], **overrides: Any) -> Guard:
    """A Guard from these variables beside those of a whole environment; `None` takes one out."""
    whole = {"PATH": "/bin", **ENVIRON, **environ}
    return Guard.from_env({name: value for name, value in whole.items() if value is not None}, **overrides)


def guard_from_policy(path: str) -> Guard:
    return Guard.from_env({"CALLERID_POLICY": path})


def call(guard: Guard, token: str, header: str = "Authorization", path: str = "/") -> Caller | None:
    return guard.check("GET", path, [(header, f"Bearer {token}")])


def policy(tmp_path: Path, text: str) -> str:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    return str(file)


# Variables


def test_callers_and_audience(issuer: FakeIssuer) -> None:
    environ = {"CALLERID_CALLERS": f" {LOGIN} ,, {ANA},", "CALLERID_AUDIENCE": f"{AUDIENCE} , other"}
    guard = guard_from(environ, issuers=[google(keys=issuer.jwks())])
    assert [reason(call, guard, issuer.token(who, "other")) for who in (LOGIN, ANA, SEARCH)] == [None, None, "caller_not_allowed"]
    assert reason(call, guard, issuer.token(LOGIN, "third")) == "audience_mismatch"


def test_headers(issuer: FakeIssuer) -> None:
    guard = guard_from({"CALLERID_HEADERS": "X-Token, Authorization"}, issuers=[google(keys=issuer.jwks())])
    assert guard.policy.bearer.headers == (Header("X-Token"), Header("Authorization"))
    assert call(guard, issuer.token(LOGIN, AUDIENCE), "x-token")


@pytest.mark.parametrize(("leeway", "expected"), [("0", "token_expired"), ("59.5", "token_expired"), ("61", None)])
def test_leeway(leeway: str, expected: str | None) -> None:
    now = 1_800_000_000.0
    with FakeIssuer(clock=lambda: now) as issuer:
        guard = guard_from({"CALLERID_LEEWAY": leeway}, issuers=[google(keys=issuer.jwks())], clock=lambda: now)
        assert reason(call, guard, issuer.token(LOGIN, AUDIENCE, iat=now - 3660, exp=now - 60)) == expected


@pytest.mark.parametrize("word", ["1", "true", "yes", "on", "TRUE", " Yes "])
def test_words_for_yes(issuer: FakeIssuer, word: str) -> None:
    environ = {"CALLERID_TRUST_CLOUD_RUN_IAM": word, "K_SERVICE": "user-profiles"}
    guard = guard_from(environ, issuers=[google(keys=issuer.jwks())])
    caller = call(guard, issuer.strip_signature(issuer.token(LOGIN, AUDIENCE)))
    assert caller is not None
    assert caller.verified_by == "cloud_run_iam"


@pytest.mark.parametrize("word", ["0", "false", "no", "off", "OFF"])
def test_words_for_no(issuer: FakeIssuer, word: str) -> None:
    guard = guard_from({"CALLERID_TRUST_CLOUD_RUN_IAM": word}, issuers=[google(keys=issuer.jwks())])
    assert reason(call, guard, issuer.strip_signature(issuer.token(LOGIN, AUDIENCE))) == "signature_removed"


def test_google_is_the_issuer_where_none_is_given() -> None:
    [issuer] = guard_from({}).verifier.issuers
    assert (issuer.spellings, issuer.key_host) == ((GOOGLE, "accounts.google.com"), "www.googleapis.com")


@pytest.mark.parametrize(
    "environ",
    named(
        ("algorithms", {"CALLERID_ALGORITHMS": "RS256, PS256"}),
        ("the name", {"CALLERID_ISSUER": GOOGLE}),
        ("the short name", {"CALLERID_ISSUER": "accounts.google.com", "CALLERID_ALGORITHMS": "RS256, PS256"}),
        ("authority", {"CALLERID_ISSUER_EMAIL_AUTHORITY": "1"}),
    ),
)
def test_google_keeps_its_own_keys_where_none_are_given(environ: dict[str, str]) -> None:
    [issuer] = guard_from(environ).verifier.issuers
    assert (issuer.spellings, issuer.key_host) == ((GOOGLE, "accounts.google.com"), "www.googleapis.com")
    assert issuer.has_google_email_authority
    assert issuer.algorithms == (("RS256", "PS256") if "CALLERID_ALGORITHMS" in environ else ("RS256",))


@pytest.mark.parametrize(
    ("environ", "authority", "algorithms"),
    named(
        ("its name", {}, False, ("RS256",)),
        ("algorithms", {"CALLERID_ALGORITHMS": "ES256"}, False, ("ES256",)),
        ("authority", {"CALLERID_ISSUER_EMAIL_AUTHORITY": "yes"}, True, ("RS256",)),
    ),
)
def test_an_issuer_whose_keys_are_nowhere_is_asked_where_they_are(
    environ: dict[str, str], authority: bool, algorithms: tuple[str, ...]
) -> None:
    [issuer] = guard_from({"CALLERID_ISSUER": IDP} | environ).verifier.issuers
    assert (issuer.spellings, issuer.discovery_uri) == ((IDP,), f"{IDP}/.well-known/openid-configuration")
    assert (issuer.has_google_email_authority, issuer.algorithms) == (authority, algorithms)


@pytest.mark.parametrize(("name", "spelling"), [(None, GOOGLE), ("accounts.google.com", GOOGLE), (IDP, IDP)])
def test_keys_may_be_in_a_file(tmp_path: Path, name: str | None, spelling: str) -> None:
    file = tmp_path / "jwks.json"
    with FakeIssuer(spelling) as issuer:
        file.write_text(json.dumps(issuer.jwks()))
        everybody = {"CALLERID_CALLERS": "allAuthenticatedUsers"}
        guard = guard_from({"CALLERID_ISSUER": name, "CALLERID_JWKS_FILE": str(file)} | everybody)
        assert call(guard, issuer.token(LOGIN, AUDIENCE))
        assert issuer.requests == 0


@pytest.mark.parametrize("source", [{"CALLERID_JWKS_URI": KEYS}, {}], ids=["key URL", "discovery"])
def test_the_endpoints_files_are_given_to_the_issuer(tmp_path: Path, source: dict[str, str]) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(ENDPOINT_TOKEN)
    ca_file = Authority(tmp_path).ca_file
    environ = {"CALLERID_ISSUER": IDP, "CALLERID_CA_FILE": ca_file, "CALLERID_BEARER_TOKEN_FILE": str(token_file)}
    [issuer] = guard_from(environ | source).verifier.issuers
    assert (issuer.ca_file, issuer.bearer_token_file, issuer.jwks_uri) == (
        ca_file,
        str(token_file),
        source.get("CALLERID_JWKS_URI"),
    )


@pytest.mark.parametrize(
    ("environ", "spellings", "authority", "algorithms"),
    named(
        ("keys alone are for Google's tokens", {}, (GOOGLE, "accounts.google.com"), True, ("RS256",)),
        ("Google", {"CALLERID_ISSUER": GOOGLE}, (GOOGLE, "accounts.google.com"), True, ("RS256",)),
        ("Google, short", {"CALLERID_ISSUER": "accounts.google.com"}, (GOOGLE, "accounts.google.com"), True, ("RS256",)),
        ("another issuer", {"CALLERID_ISSUER": IDP}, (IDP,), False, ("RS256",)),
        ("with authority", {"CALLERID_ISSUER": IDP, "CALLERID_ISSUER_EMAIL_AUTHORITY": "1"}, (IDP,), True, ("RS256",)),
        ("without authority", {"CALLERID_ISSUER": IDP, "CALLERID_ISSUER_EMAIL_AUTHORITY": "no"}, (IDP,), False, ("RS256",)),
        ("algorithms", {"CALLERID_ISSUER": IDP, "CALLERID_ALGORITHMS": "ES256, EdDSA"}, (IDP,), False, ("ES256", "EdDSA")),
    ),
)
def test_one_issuer_in_googles_place(
    environ: dict[str, str], spellings: tuple[str, ...], authority: bool, algorithms: tuple[str, ...]
) -> None:
    [issuer] = guard_from({"CALLERID_JWKS_URI": KEYS} | environ).verifier.issuers
    assert (issuer.spellings, issuer.has_google_email_authority, issuer.algorithms) == (spellings, authority, algorithms)
    assert issuer.jwks_uri == KEYS


def test_keys_alone_verify_googles_tokens(issuer: FakeIssuer) -> None:
    assert call(guard_from({"CALLERID_JWKS_URI": issuer.jwks_uri}), issuer.token(LOGIN, AUDIENCE, iss="accounts.google.com"))


@pytest.mark.parametrize(
    "environ",
    [
        {"CALLERID_SERVICE_HOST": "10.0.0.1", "CALLERID_SERVICE_PORT": "80", "CALLERID_SERVICE_PORT_HTTP": "80"},
        {"CALLERID_PORT": "tcp://10.0.0.1:80", "CALLERID_PORT_80_TCP_ADDR": "10.0.0.1"},
        {"NOT_CALLERID_AUDIENCE": "x", "CALLERIDENTITY": "x"},
    ],
    ids=["service link", "port link", "other names"],
)
def test_variables_of_others_are_ignored(environ: Mapping[str, str]) -> None:
    assert guard_from(environ).policy.bearer.headers == guard_from({}).policy.bearer.headers


def test_environment_is_read_once(issuer: FakeIssuer) -> None:
    environ = dict(ENVIRON)
    guard = Guard.from_env(environ, issuers=[google(keys=issuer.jwks())])
    environ["CALLERID_CALLERS"] = STRANGER
    assert call(guard, issuer.token(LOGIN, AUDIENCE))
    assert reason(call, guard, issuer.token(STRANGER, AUDIENCE)) == "caller_not_allowed"


@pytest.mark.parametrize(
    ("environ", "words"),
    named(
        ("no audience", {"CALLERID_AUDIENCE": None}, ["CALLERID_AUDIENCE", "audience: missing", "this service's URL"]),
        ("empty audience", {"CALLERID_AUDIENCE": " , "}, ["CALLERID_AUDIENCE", "audience: empty"]),
        (
            "gcloud's audience",
            {"CALLERID_AUDIENCE": "32555940559.apps.googleusercontent.com"},
            ["CALLERID_AUDIENCE", "gcloud's own"],
        ),
        ("no callers", {"CALLERID_CALLERS": None}, ["CALLERID_CALLERS", "callers: empty", "nobody could call"]),
        ("empty callers", {"CALLERID_CALLERS": ""}, ["CALLERID_CALLERS", "callers: empty"]),
        (
            "typo in a member",
            {"CALLERID_CALLERS": "usr:ana@example.com"},
            ["CALLERID_CALLERS", "did you mean 'user:ana@example.com'?"],
        ),
        ("no header", {"CALLERID_HEADERS": ","}, ["CALLERID_HEADERS", "at least one"]),
        ("header that is none", {"CALLERID_HEADERS": "X Token"}, ["CALLERID_HEADERS", "'X Token' is no HTTP token"]),
        ("leeway that is no number", {"CALLERID_LEEWAY": "30s"}, ["CALLERID_LEEWAY", "'30s' is no number of seconds"]),
        (
            "a slash of another kind",
            {"CALLERID_AUDIENCE_TRAILING_SLASH": "yes"},
            ["CALLERID_AUDIENCE_TRAILING_SLASH", "'yes' is neither"],
        ),
        ("empty leeway", {"CALLERID_LEEWAY": ""}, ["CALLERID_LEEWAY", "no number"]),
        ("leeway below 0", {"CALLERID_LEEWAY": "-1"}, ["CALLERID_LEEWAY", "from 0 to 300"]),
        ("leeway above 300", {"CALLERID_LEEWAY": "300.5"}, ["CALLERID_LEEWAY", "from 0 to 300"]),
        ("leeway nan", {"CALLERID_LEEWAY": "nan"}, ["CALLERID_LEEWAY", "from 0 to 300"]),
        ("neither yes nor no", {"CALLERID_TRUST_CLOUD_RUN_IAM": "maybe"}, ["CALLERID_TRUST_CLOUD_RUN_IAM", "1, true, yes, on"]),
        ("empty yes or no", {"CALLERID_TRUST_CLOUD_RUN_IAM": ""}, ["CALLERID_TRUST_CLOUD_RUN_IAM", "0, false, no, off"]),
        ("issuer that is no URL", {"CALLERID_ISSUER": "idp.example"}, ["CALLERID_ISSUER", "sought below its URL"]),
        ("issuer over http", {"CALLERID_ISSUER": "http://idp.example"}, ["CALLERID_ISSUER", "must be https"]),
        (
            "Chat without an audience",
            {"CALLERID_ISSUER": "chat@system.gserviceaccount.com", "CALLERID_AUDIENCE": None},
            ["CALLERID_AUDIENCE", "audience: missing for chat@system.gserviceaccount.com"],
        ),
        ("issuer empty and alone", {"CALLERID_ISSUER": ""}, ["CALLERID_ISSUER", "issuer: empty"]),
        (
            "URL and file",
            {"CALLERID_JWKS_URI": KEYS, "CALLERID_JWKS_FILE": "/jwks.json"},
            ["CALLERID_JWKS_URI and CALLERID_JWKS_FILE: ", "jwks_uri and jwks_file say", "exactly one"],
        ),
        ("empty key file", {"CALLERID_JWKS_FILE": ""}, ["CALLERID_JWKS_FILE", "jwks_file: '' is no path"]),
        ("no such key file", {"CALLERID_JWKS_FILE": "/no/such"}, ["CALLERID_JWKS_FILE", "key file '/no/such'", "No such file"]),
        ("empty ca_file", {"CALLERID_CA_FILE": ""}, ["CALLERID_CA_FILE", "ca_file: '' is no path"]),
        ("no such ca_file", {"CALLERID_CA_FILE": "/no/such"}, ["CALLERID_CA_FILE", "ca_file '/no/such'", "No such file"]),
        (
            "empty token file",
            {"CALLERID_BEARER_TOKEN_FILE": ""},
            ["CALLERID_BEARER_TOKEN_FILE", "bearer_token_file: '' is no path"],
        ),
        (
            "no such token file",
            {"CALLERID_BEARER_TOKEN_FILE": "/no/such"},
            ["CALLERID_BEARER_TOKEN_FILE", "bearer_token_file '/no/such'", "No such file"],
        ),
        (
            "ca_file for a key file",
            {"CALLERID_JWKS_FILE": "/jwks.json", "CALLERID_CA_FILE": "/ca"},
            ["CALLERID_JWKS_FILE and CALLERID_CA_FILE: ", "for a key endpoint", "jwks_file is none"],
        ),
        (
            "token for a key file",
            {"CALLERID_JWKS_FILE": "/jwks.json", "CALLERID_BEARER_TOKEN_FILE": "/t"},
            ["CALLERID_JWKS_FILE and CALLERID_BEARER_TOKEN_FILE: ", "for a key endpoint", "jwks_file is none"],
        ),
        ("empty issuer", {"CALLERID_ISSUER": "", "CALLERID_JWKS_URI": KEYS}, ["CALLERID_ISSUER", "issuer: empty"]),
        ("empty key URL", {"CALLERID_JWKS_URI": ""}, ["CALLERID_JWKS_URI", "write it like https://"]),
        ("http key URL", {"CALLERID_JWKS_URI": "http://idp.example/jwks.json"}, ["CALLERID_JWKS_URI", "must be https"]),
        (
            "unknown algorithm",
            {"CALLERID_JWKS_URI": KEYS, "CALLERID_ALGORITHMS": "HS256"},
            ["CALLERID_ALGORITHMS", "'HS256'", "RS256"],
        ),
        ("no algorithm", {"CALLERID_JWKS_URI": KEYS, "CALLERID_ALGORITHMS": ""}, ["CALLERID_ALGORITHMS", "algorithms: empty"]),
        (
            "authority neither yes nor no",
            {"CALLERID_JWKS_URI": KEYS, "CALLERID_ISSUER": IDP, "CALLERID_ISSUER_EMAIL_AUTHORITY": "2"},
            ["CALLERID_ISSUER_EMAIL_AUTHORITY: '2'"],
        ),
        ("typo in a name", {"CALLERID_AUDIENCES": "x"}, ["CALLERID_AUDIENCES is no variable", "did you mean CALLERID_AUDIENCE?"]),
        (
            "no typo",
            {"CALLERID_STALE_IF_ERROR": "60"},
            ["CALLERID_STALE_IF_ERROR is no variable", "known are CALLERID_A"],
        ),
        ("typo in another", {"CALLERID_CALER": "x"}, ["did you mean CALLERID_CALLERS?"]),
        ("typo in a file", {"CALLERID_JWKS_FIEL": "x"}, ["did you mean CALLERID_JWKS_FILE?"]),
        ("typo in the authorities", {"CALLERID_CAFILE": "x"}, ["did you mean CALLERID_CA_FILE?"]),
        ("token in place of its file", {"CALLERID_BEARER_TOKEN": "x"}, ["did you mean CALLERID_BEARER_TOKEN_FILE?"]),
        (
            "routes",
            {"CALLERID_ROUTES": "/"},
            ["CALLERID_ROUTES is no variable", "[[routes]] in the file that CALLERID_POLICY names"],
        ),
        ("switch that does not exist", {"CALLERID_ZZZ": "1"}, ["CALLERID_ZZZ is no variable", "CALLERID_"]),
        ("no such policy", {"CALLERID_POLICY": "/no/such.toml"}, ["CALLERID_POLICY", "/no/such.toml", "cannot be read"]),
        ("empty policy", {"CALLERID_POLICY": ""}, ["CALLERID_POLICY: empty; give the path"]),
    ),
)
def test_mistake_in_a_variable_names_it_and_the_mend(environ: Mapping[str, str | None], words: list[str]) -> None:
    with complains(*words):
        guard_from(environ)


def test_name_unlike_all_others_is_told_all_of_them() -> None:
    with complains("CALLERID_", "known are CALLERID_ALGORITHMS, CALLERID_AUDIENCE"):
        guard_from({"CALLERID_" + "🦊" * 60: "1"})


# Several sources


def test_arguments_and_variables_complete_each_other(issuer: FakeIssuer) -> None:
    guard = guard_from({}, issuers=[google(keys=issuer.jwks())], routes=[Route("/open", callers=["allUsers"])])
    assert guard.check("GET", "/open", []) is None
    assert reason(guard.check, "GET", "/", []) == "missing_credentials"


@pytest.mark.parametrize(
    ("environ", "overrides", "words"),
    named(
        (
            "audience",
            {},
            {"audience": AUDIENCE},
            ["audience: given by CALLERID_AUDIENCE and by the argument audience", "nothing is merged"],
        ),
        ("callers", {}, {"callers": [LOGIN]}, ["callers: given by CALLERID_CALLERS and by the argument callers"]),
        (
            "issuers",
            {"CALLERID_JWKS_URI": KEYS},
            {"issuers": [google()]},
            ["issuers: given by CALLERID_JWKS_URI and by the argument"],
        ),
        (
            "issuers by two variables",
            {"CALLERID_JWKS_URI": KEYS, "CALLERID_ISSUER": IDP},
            {"issuers": [google()]},
            ["issuers: given by CALLERID_ISSUER and CALLERID_JWKS_URI and by the argument issuers"],
        ),
        ("unknown argument", {}, {"audiance": AUDIENCE}, ["argument", "'audiance'", "did you mean 'audience'?"]),
        ("mistake in an argument", {}, {"leeway": -1}, ["the argument leeway", "from 0 to 300"]),
    ),
)
def test_two_sources_or_a_wrong_argument(environ: dict[str, str], overrides: dict[str, Any], words: list[str]) -> None:
    with complains(*words):
        guard_from(environ, **overrides)


def test_file_and_variable_for_one_field(tmp_path: Path) -> None:
    path = policy(tmp_path, f"callers = ['{LOGIN}']")
    with complains("callers: given by CALLERID_CALLERS and by CALLERID_POLICY", path):
        guard_from({"CALLERID_POLICY": path})


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    named(
        (
            "issuers",
            f"[[issuers]]\nissuer = '{IDP}'",
            {"CALLERID_ISSUER_EMAIL_AUTHORITY": "0"},
            ["issuers: given by CALLERID_ISSUER_EMAIL_AUTHORITY and by CALLERID_POLICY"],
        ),
        ("leeway", "leeway = 30", {"CALLERID_LEEWAY": "30"}, ["leeway: given by CALLERID_LEEWAY and by CALLERID_POLICY"]),
        (
            "trust",
            "trust_cloud_run_iam = false",
            {"CALLERID_TRUST_CLOUD_RUN_IAM": "0"},
            ["trust_cloud_run_iam: given by CALLERID_TRUST_CLOUD_RUN_IAM and by CALLERID_POLICY"],
        ),
        (
            "the final slash",
            "audience_trailing_slash = 'exact'",
            {"CALLERID_AUDIENCE_TRAILING_SLASH": "exact"},
            ["audience_trailing_slash: given by CALLERID_AUDIENCE_TRAILING_SLASH and by CALLERID_POLICY"],
        ),
    ),
)
def test_file_and_variable_for_one_field_though_they_agree(
    tmp_path: Path, text: str, environ: dict[str, str], words: list[str]
) -> None:
    with complains(*words):
        guard_from({"CALLERID_POLICY": policy(tmp_path, text)} | environ)


def test_file_and_argument_for_one_field(tmp_path: Path) -> None:
    path = policy(tmp_path, f"callers = ['{LOGIN}']")
    with complains("callers: given by ", path, "and by the argument callers"):
        Guard.from_file(path, audience=AUDIENCE, callers=[LOGIN])


# Files

WHOLE = """
audience = ["https://user-profiles.example"]
callers = ["serviceAccount:login@shop.iam.gserviceaccount.com", "group:admins"]
headers = ["X-Token", {name = "X-Other", scheme = "Token"}, "Authorization"]
leeway = 60
consumer_accounts = true
remember = 10
remember_bytes = 100000

[groups]
admins = ["user:ana@example.com"]

[[routes]]
path = "/healthz"
callers = ["allUsers"]

[[routes]]
path = "/profiles/{id}"
methods = ["PUT"]
callers = ["group:admins"]

[[issuers]]
issuer = "https://accounts.google.com"
jwks_uri = "JWKS_URI"
"""


@pytest.mark.parametrize("build", [Guard.from_file, guard_from_policy])
def test_file_has_the_words_of_a_guard(issuer: FakeIssuer, tmp_path: Path, build: Callable[[str], Guard]) -> None:
    guard = build(policy(tmp_path, WHOLE.replace("JWKS_URI", issuer.jwks_uri)))
    assert guard.policy.bearer.headers == (Header("X-Token"), Header("X-Other", "Token"), Header("Authorization"))
    assert guard.check("GET", "/healthz", []) is None
    ana = [("X-Token", f"Bearer {issuer.token(ANA, AUDIENCE, hd=None)}")]
    login = [("X-Other", f"Token {issuer.token(LOGIN, AUDIENCE, iss='accounts.google.com')}")]
    assert [reason(guard.check, "PUT", "/profiles/7", headers) for headers in (ana, login)] == [None, "caller_not_allowed"]
    assert [reason(guard.check, "GET", "/profiles/7", headers) for headers in (ana, login)] == [None, None]


@pytest.mark.parametrize(
    ("name", "spellings"),
    [(GOOGLE, (GOOGLE, "accounts.google.com")), ("accounts.google.com", (GOOGLE, "accounts.google.com")), (IDP, (IDP,))],
)
def test_issuer_in_a_mapping(name: str, spellings: tuple[str, ...]) -> None:
    guard = Guard.from_mapping(WORDS | {"issuers": [{"issuer": name, "jwks_uri": KEYS}]}, source="test")
    assert [issuer.spellings for issuer in guard.verifier.issuers] == [spellings]


def test_issuers_of_a_file_without_a_source_are_asked_where_their_keys_are(tmp_path: Path) -> None:
    path = policy(
        tmp_path,
        f"callers = ['{LOGIN}']\n"
        f"[[issuers]]\nissuer = '{IDP}'\naudience = '{AUDIENCE}'\nalgorithms = ['ES256']\n"
        f"[[issuers]]\nissuer = '{GOOGLE}'\naudience = '{AUDIENCE}'\n"
        f"[[issuers]]\nissuer = '{IDP}/x'\naudience = '{AUDIENCE}'\ndiscovery_uri = '{IDP}/configuration'\n",
    )
    idp, googles, other = Guard.from_file(path).verifier.issuers
    assert (idp.discovery_uri, idp.algorithms) == (f"{IDP}/.well-known/openid-configuration", ("ES256",))
    assert (googles.discovery_uri, googles.key_host) == (None, "www.googleapis.com")
    assert other.discovery_uri == f"{IDP}/configuration"


SENDERS = """
audience_trailing_slash = "ignore"
origins = ["https://shop.example"]
callers = ["principal:https://cloud.google.com/iap/accounts.google.com:1", "principal:https://idp.example/1"]

[require]
google.compute_engine.project_id = ["shop", "shop-batch"]
"kubernetes.io".namespace = "shop"

[[headers]]
name = "X-Goog-IAP-JWT-Assertion"

[[headers]]
name = "Cf-Access-Jwt-Assertion"
scheme = ""
cookie_borne = true

[[issuers]]
issuer = "https://cloud.google.com/iap"
audience = "/projects/1/apps/shop"

[[issuers]]
issuer = "https://securetoken.google.com/shop"

[[issuers]]
issuer = "https://idp.example"
jwks_uri = "https://idp.example/jwks"
audience = "https://user-profiles.example"
subject_prefix = "service-"
max_token_lifetime = 600
token_types = ["at+jwt"]
require = { tenant = 7 }
"""


def test_a_file_may_know_every_sender(tmp_path: Path) -> None:
    guard = Guard.from_file(policy(tmp_path, SENDERS))
    proxy, firebase_, idp = guard.verifier.issuers
    assert guard.policy.bearer.headers == (
        Header("X-Goog-IAP-JWT-Assertion", scheme=None, issuers=("https://cloud.google.com/iap",), cookie_borne=True),
        Header("Cf-Access-Jwt-Assertion", scheme=None, cookie_borne=True),
    )
    assert (proxy.algorithms, proxy.max_token_lifetime, firebase_.audience) == (("ES256",), 660, ("shop",))
    assert (idp.subject_prefix, idp.max_token_lifetime, set(idp.token_types), idp.require) == (
        "service-",
        600,
        {"at+jwt"},
        {"tenant": 7},
    )


def test_one_known_sender_in_googles_place() -> None:
    guard = guard_from({"CALLERID_ISSUER": "https://cloud.google.com/iap", "CALLERID_CALLERS": "allAuthenticatedUsers"})
    assert [header.name for header in guard.policy.bearer.headers] == ["X-Goog-IAP-JWT-Assertion"]
    assert guard.verifier.issuers[0].algorithms == ("ES256",)


def test_chat_in_googles_place_has_the_guards_audience() -> None:
    chat = "chat@system.gserviceaccount.com"
    environ = {"CALLERID_ISSUER": chat, "CALLERID_AUDIENCE": "1234567890", "CALLERID_CALLERS": f"principal:{chat}/{chat}"}
    with FakeIssuer(chat) as signer:
        guard = guard_from(environ | {"CALLERID_JWKS_URI": signer.jwks_uri})
        caller = call(guard, signer.token("principal:x", "1234567890", sub=None))
    assert caller is not None
    assert caller.member == f"principal:{chat}/{chat}"


@pytest.mark.parametrize(("word", "expected"), [("ignore", None), (" Ignore ", None), ("exact", "audience_mismatch")])
def test_the_final_slash(issuer: FakeIssuer, word: str, expected: str | None) -> None:
    guard = guard_from({"CALLERID_AUDIENCE_TRAILING_SLASH": word}, issuers=[google(keys=issuer.jwks())])
    assert reason(call, guard, issuer.token(LOGIN, f"{AUDIENCE}/")) == expected


@pytest.mark.parametrize("field", ["jwks_file", "pem_file"])
def test_issuer_of_a_file_may_have_its_keys_in_one(issuer: FakeIssuer, tmp_path: Path, field: str) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(issuer.jwks() if field == "jwks_file" else issuer.pem_map()))
    text = f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n[[issuers]]\nissuer = '{GOOGLE}'\n{field} = '{keys}'"
    assert call(Guard.from_file(policy(tmp_path, text)), issuer.token(LOGIN, AUDIENCE))


@pytest.mark.parametrize("build", [Guard.from_file, guard_from_policy])
@pytest.mark.parametrize("field", ["jwks_file", "pem_file", "ca_file", "bearer_token_file"])
def test_a_path_in_a_file_begins_at_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: FakeIssuer, build: Callable[[str], Guard], field: str
) -> None:
    (tmp_path / "etc").mkdir()
    held = {
        "jwks_file": json.dumps(issuer.jwks()),
        "pem_file": json.dumps(issuer.pem_map()),
        "ca_file": Path(certifi.where()).read_text(),
        "bearer_token_file": ENDPOINT_TOKEN,
    }
    (tmp_path / "etc" / "beside").write_text(held[field])
    keys = "" if field in ("jwks_file", "pem_file") else f"jwks_uri = '{KEYS}'\n"
    policy(tmp_path / "etc", f"audience = 'a'\ncallers = ['{ANA}']\n[[issuers]]\nissuer = '{GOOGLE}'\n{keys}{field} = 'beside'")
    monkeypatch.chdir(tmp_path)
    (made,) = build("etc/policy.toml").verifier.issuers
    assert getattr(made, field) == str(tmp_path / "etc" / "beside")


def test_a_path_in_a_variable_begins_where_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: FakeIssuer
) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()))
    monkeypatch.chdir(tmp_path)
    assert call(guard_from({"CALLERID_JWKS_FILE": "keys.json"}), issuer.token(LOGIN, AUDIENCE))


def test_mapping_may_be_in_capitals_and_hold_objects(issuer: FakeIssuer) -> None:
    mapping = {
        "AUDIENCE": AUDIENCE,
        "CALLERS": [LOGIN],
        "ROUTES": [Route("/open", callers=["allUsers"])],
        "ISSUERS": [google(keys=issuer.jwks())],
        "HEADERS": [Header("X-Token")],
    }
    guard = Guard.from_mapping(mapping, source="settings.CALLERID")
    assert guard.check("GET", "/open", []) is None
    assert call(guard, issuer.token(LOGIN, AUDIENCE), "X-Token")


TWICE = f"[[issuers]]\nissuer = '{GOOGLE}'\n[[issuers]]\nissuer = 'accounts.google.com'"
BOTH = f"[[issuers]]\nissuer = '{GOOGLE}'\n[[issuers]]\nissuer = '{IDP}'"

MISTAKES = named(
    ("an integer too long to be shown", f"leeway = 0x{'f' * 4000}", ["no TOML: an integer that does not fit into 64 bits"]),
    ("a key of a thousand parts", f"require.{'.'.join(['a'] * 1000)} = 1", ["more than 32 deep"]),
    ("an integer of 65 bits, deep within", "[require]\na.b = [9223372036854775808]", ["an integer that does not fit into 64 bits"]),
    ("no TOML", "callers = [", ["no TOML"]),
    ("nested too deep", f"a = {'[' * 5000}", ["no TOML"]),
    ("a word twice", "callers = []\ncallers = []", ["no TOML"]),
    ("a word in two cases", f"callers = ['{LOGIN}']\nCallers = ['{LOGIN}']", ["callers: given twice"]),
    ("unknown word", "caller = []", ["unknown word 'caller'", "did you mean 'callers'?"]),
    ("word unlike all others", "zzz = 1", ["unknown word 'zzz'", "known are audience, callers"]),
    (
        "unknown word of a route",
        "[[routes]]\npath = '/'\ncaller = []",
        ["routes: unknown word 'caller'", "did you mean 'callers'?"],
    ),
    ("word of a route in two cases", "[[routes]]\npath = '/'\nPath = '/'\ncallers = []", ["routes: path: given twice"]),
    ("route without callers", "[[routes]]\npath = '/'", ["routes: 'callers' is missing"]),
    ("route without a path", "[[routes]]\ncallers = ['allUsers']", ["routes: 'path' is missing"]),
    ("route that is no table", "routes = ['/a']", ["routes: '/a' is no Route"]),
    ("routes as one table", "[routes]\npath = '/'", ["routes: ", "no list"]),
    ("path of a route", "[[routes]]\npath = 'a'\ncallers = ['allUsers']", ["routes: path 'a'", "begin with '/'"]),
    ("caller of a route", "[[routes]]\npath = '/a'\ncallers = ['x']", ["routes: /a: 'x' is no member"]),
    ("unknown word of an issuer", "[[issuers]]\nissuer = 'x'\njwks_url = 'y'", ["issuers: unknown word 'jwks_url'", "'jwks_uri'"]),
    ("issuer without a name", f"[[issuers]]\njwks_uri = '{KEYS}'", ["issuers: 'issuer' is missing"]),
    ("issuer that is no text", "[[issuers]]\nissuer = 5", ["issuer: empty"]),
    ("issuer that is no URL", "[[issuers]]\nissuer = 'idp.example'", ["'idp.example'", "sought below its URL"]),
    (
        "two sources of an issuer",
        f"[[issuers]]\nissuer = '{IDP}'\njwks_uri = '{KEYS}'\njwks_file = '/jwks.json'",
        ["jwks_uri and jwks_file say where its keys are"],
    ),
    (
        "two sources of Google's",
        f"[[issuers]]\nissuer = '{GOOGLE}'\npem_file = '/certs'\ndiscovery_uri = '{IDP}'",
        ["discovery_uri and pem_file say where its keys are"],
    ),
    ("key file that is missing", f"[[issuers]]\nissuer = '{IDP}'\njwks_file = '/no/such'", ["key file '/no/such'"]),
    ("key file of no name", f"[[issuers]]\nissuer = '{IDP}'\npem_file = ''", ["pem_file: '' is no path"]),
    ("key file as a number", f"[[issuers]]\nissuer = '{IDP}'\npem_file = 0", ["pem_file: 0 is no path"]),
    (
        "token file as a number",
        f"[[issuers]]\nissuer = '{IDP}'\nbearer_token_file = 0",
        ["bearer_token_file: 0 is no path"],
    ),
    ("ca_file as a switch", f"[[issuers]]\nissuer = '{IDP}'\nca_file = true", ["ca_file: True is no path"]),
    (
        "authorities for a key file",
        f"[[issuers]]\nissuer = '{IDP}'\njwks_file = '/jwks.json'\nca_file = '/ca'",
        ["ca_file", "for a key endpoint", "jwks_file is none"],
    ),
    ("typo in a source", f"[[issuers]]\nissuer = '{IDP}'\ndiscovery = '{IDP}'", ["did you mean 'discovery_uri'?"]),
    ("token in place of its file", f"[[issuers]]\nissuer = '{IDP}'\nbearer_token = 'x'", ["did you mean 'bearer_token_file'?"]),
    ("issuer that is no table", "issuers = ['https://idp.example']", ["issuers: ", "no Issuer"]),
    ("alias of Google's", f"[[issuers]]\nissuer = '{GOOGLE}'\naliases = ['x']", ["aliases: google() states it"]),
    (
        "stale_if_error of an issuer",
        f"[[issuers]]\nissuer = 'x'\njwks_uri = '{KEYS}'\nstale_if_error = '6h'",
        ["stale_if_error: '6h'"],
    ),
    ("unknown word of a header", "headers = [{nam = 'X-Token'}]", ["headers: unknown word 'nam'", "did you mean 'name'?"]),
    ("header without a name", "headers = [{scheme = 'Token'}]", ["headers: 'name' is missing"]),
    ("header that is no text", "headers = [5]", ["headers: 5 is no header"]),
    (
        "header for an unknown issuer",
        "headers = [{name = 'X-Token', issuers = ['x']}]",
        ["headers: X-Token is for 'x'", "no configured"],
    ),
    ("headers as text", "headers = 'Authorization'", ["headers: 'Authorization' is no list"]),
    ("headers as a long text", f"headers = 'ä{'x' * 200}'", [f"headers: '\\xe4{'x' * 123}... is no list"]),
    ("groups as a list", "groups = ['admins']", ["groups: ", "no mapping"]),
    ("switch as text", "trust_cloud_run_iam = 'false'", ["trust_cloud_run_iam: 'false' is neither True nor False"]),
    ("another switch as text", "consumer_accounts = 'no'", ["consumer_accounts: 'no' is neither"]),
    ("yet another as a number", "allow_shared_audience = 1", ["allow_shared_audience: 1 is neither"]),
    ("leeway as text", "leeway = '30'", ["leeway: '30' is no number"]),
    ("leeway as a switch", "leeway = true", ["leeway: True is no number"]),
    ("remember as text", "remember = 'many'", ["remember: 'many' is no number"]),
    ("remember below 0", "remember = -1", ["remember: -1 is no number"]),
    ("remember_bytes below 0", "remember_bytes = -1", ["remember_bytes: -1 is no number"]),
    ("require as text", "require = ''", ["require: '' names no claim"]),
    ("a function as text", "refuse_unless = 'not_revoked'", ["refuse_unless: 'not_revoked' is no plain function"]),
    ("another function as text", "on_decision = 'count'", ["on_decision: 'count' is no plain function"]),
    ("origins as text", "origins = 'https://shop.example'", ["origins: 'https://shop.example' is no list"]),
    ("the final slash as a switch", "audience_trailing_slash = true", ["audience_trailing_slash: True is neither"]),
    ("two issuers of a name", TWICE, [f"'{GOOGLE}' belongs to two issuers"]),
    ("two issuers and one audience", BOTH, ["audience: there are several issuers: give each its own"]),
    ("issuers that are one table", "[issuers]\nissuer = 'https://idp.example'", ["issuers: ", "is no list; write it in [[…]]"]),
    ("remember_bytes as text", "remember_bytes = '16M'", ["remember_bytes: '16M' is no number"]),
)


@pytest.mark.parametrize(("text", "words"), MISTAKES)
@pytest.mark.parametrize(("build", "source"), [(Guard.from_file, ""), (guard_from_policy, "CALLERID_POLICY")])
def test_mistake_in_a_file_names_it_and_the_mend(
    tmp_path: Path, build: Callable[[str], Guard], source: str, text: str, words: list[str]
) -> None:
    defaults = [f"{word} = {value!r}" for word, value in WORDS.items() if f"{word} = " not in text.partition("[[")[0]]
    path = policy(tmp_path, "\n".join([*defaults, text]))
    with complains(source, path, *words):
        build(path)


def test_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(b"audience = '\xff'")
    with complains(str(file), "no TOML"):
        Guard.from_file(file)


@pytest.mark.parametrize("path", ["no-such-file.toml", "."])
def test_file_that_cannot_be_read_is_told(tmp_path: Path, path: str) -> None:
    with complains(str(tmp_path / path), "cannot be read"):
        Guard.from_file(tmp_path / path)


@pytest.mark.parametrize(
    ("mapping", "words"),
    named(
        ("no mapping", ["AUDIENCE"], ["neither a Guard nor a mapping"]),
        ("unknown word", WORDS | {"AUDIENCES": AUDIENCE}, ["unknown word 'audiences'", "did you mean 'audience'?"]),
        ("word that is no text", WORDS | {5: AUDIENCE}, ["unknown word '5'"]),
        ("a word in two cases", WORDS | {"AUDIENCE": AUDIENCE}, ["audience: given twice"]),
        ("no callers", {"AUDIENCE": AUDIENCE}, ["callers: empty", "nobody could call"]),
        ("no audience", {"CALLERS": [LOGIN]}, ["audience: missing"]),
    ),
)
def test_mistake_in_a_mapping_names_its_source_and_the_mend(mapping: Any, words: list[str]) -> None:
    with complains("settings.CALLERID: ", *words):
        Guard.from_mapping(mapping, source="settings.CALLERID")


# Whatever the value

ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, math.nan, 10**400, 1j, "", "x", "a b", "\udcff", "\0", "https://[", "https://x:99999", "x" * 5000),
    *(b"x", [], [""], [None], [[]], [{}], [math.nan], ["\udcff"], ["x", "x"], (), {}, {"": 1}, {"a": {}}, {1: 2}, {"a": math.nan}),
    *({"x"}, object(), range(2), len, Issuer, memoryview(b"x")),
]
NAMES = [GOOGLE, "https://cloud.google.com/iap", "https://securetoken.google.com/shop", "chat@system.gserviceaccount.com"]
NAMES += ["batch@shop.iam.gserviceaccount.com", "https://token.actions.githubusercontent.com", "https://gitlab.com", IDP]


def words_of(name: str, jwks: dict[str, Any]) -> list[dict[str, Any]]:
    """Every word of a Guard, and of what is within, with each of those values."""
    guard = WORDS | {"issuers": [{"issuer": GOOGLE, "keys": jwks}]}
    places: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
        "routes": ({"path": "/a", "callers": ["allUsers"]}, ("path", "methods", "callers")),
        "headers": ({"name": "X-Token"}, ("name", "scheme", "issuers", "cookie_borne")),
        "issuers": ({"issuer": name, "keys": jwks}, tuple(field.name for field in dataclasses.fields(Issuer) if field.init)),
    }
    found = [guard | {field: value} for field in FIELDS for value in ODD]
    for place, (item, fields) in places.items():
        found += [guard | {place: [item | {field: value}]} for field in fields for value in ODD]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_any_word_is_too_odd(name: str, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "callerid")
    outcomes = set()
    for words in words_of(name, issuer.jwks()):
        try:
            Guard.from_mapping(words, source="test")
            outcomes.add("a Guard")
        except ConfigurationError:
            outcomes.add("a configuration error")
    assert outcomes == {"a Guard", "a configuration error"}


# Where Cloud Run's word may be taken for a signature

CLOUD_RUN = {"K_SERVICE": "user-profiles"}


@pytest.mark.parametrize(
    ("environ", "options", "words"),
    named(
        ("not on Cloud Run", {}, {}, ["not Cloud Run", "K_SERVICE"]),
        ("K_SERVICE empty", {"K_SERVICE": ""}, {}, ["not Cloud Run"]),
        ("Knative", CLOUD_RUN | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, ["not Cloud Run", "KUBERNETES_SERVICE_HOST"]),
        ("other headers", CLOUD_RUN, {"headers": ["Authorization"]}, ["header order is not the default"]),
        (
            "other order",
            CLOUD_RUN,
            {"headers": ["Authorization", "X-Serverless-Authorization"]},
            ["header order is not the default"],
        ),
        (
            "another issuer",
            CLOUD_RUN,
            {"issuers": [Issuer(IDP, jwks_uri=KEYS, has_google_email_authority=True)]},
            ["google() is not the only issuer"],
        ),
        (
            "a further issuer",
            CLOUD_RUN,
            {"issuers": [google(audience="a"), Issuer(IDP, jwks_uri=KEYS, audience="a")], "audience": None},
            ["google() is not the only issuer"],
        ),
        ("allUsers in callers", CLOUD_RUN, {"callers": ["allUsers"]}, ["allUsers is in callers"]),
        ("allUsers who read", CLOUD_RUN, {"routes": [Route("/**", methods=["GET"], callers=["allUsers"])]}, ["may call /**"]),
        ("allUsers by a name", CLOUD_RUN, {"routes": [Route("/{x}/**", callers=["allUsers"])]}, ["may call /**"]),
        ("allUsers on all paths", CLOUD_RUN, {"routes": [Route("/**", callers=["allUsers"])]}, ["allUsers", "may call /**"]),
        (
            "allUsers on the paths that are left",
            CLOUD_RUN,
            {"routes": [Route("/admin/**", callers=[LOGIN]), Route("/**", callers=["allUsers"])]},
            ["allUsers", "may call /**"],
        ),
        (
            "IAP beside Google",
            CLOUD_RUN,
            {"issuers": [google(audience="a"), iap(audience="b")], "audience": None},
            ["header order is not the default"],
        ),
        (
            "Chat beside Google",
            CLOUD_RUN,
            {"issuers": [google(audience="a"), google_chat(audience="1")], "audience": None},
            ["google() is not the only issuer"],
        ),
    ),
)
def test_trust_in_cloud_run_iam_where_it_would_be_misplaced_is_a_configuration_error(
    environ: dict[str, str], options: dict[str, Any], words: list[str]
) -> None:
    with complains("trust_cloud_run_iam: ", *words):
        Guard(**WORDS | {"trust_cloud_run_iam": True, "environ": environ} | options)


@pytest.mark.parametrize(
    "route",
    named(
        ("a health check", Route("/healthz", callers=["allUsers"])),
        ("a subtree", Route("/static/**", callers=["allUsers"])),
        ("preflights", Route("/**", methods=["OPTIONS"], callers=["allUsers"])),
        ("callers on all paths", Route("/**", callers=[LOGIN])),
    ),
)
def test_trust_in_cloud_run_iam_beside_routes_that_leave_paths_to_the_callers(route: Route) -> None:
    assert Guard(**WORDS | {"trust_cloud_run_iam": True, "environ": CLOUD_RUN, "routes": [route]}).policy.has_routes


def test_audience_alone_admits_nobody() -> None:
    with complains("callers: empty", "nobody could call"):
        Guard(audience=AUDIENCE)
