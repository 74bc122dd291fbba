import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli import POLICY, report, run, served
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, FakeIssuer, named

ALL = [
    *("well-formed", "issuer and algorithm", "sub", "aud", "iat, exp, nbf", "required claims", "e-mail", "signature there", "key"),
    *("signature", "caller"),
]
BACKEND = "/projects/1/global/backendServices/2"
OLD = {"iat": 1_700_000_000, "exp": 1_700_003_600}


def steps(found: dict[str, Any]) -> dict[str, str | None]:
    """Each check that was made, and why it fails."""
    return {step["step"]: step.get("reason") for step in found["steps"]}


def seen(found: dict[str, Any], name: str) -> str:
    return str(next(step.get("seen") for step in found["steps"] if step["step"] == name))


def test_all_checks_of_a_good_token(tmp_path: Path, issuer: FakeIssuer) -> None:
    asked = ("explain", "--token", "-", "--policy", served(tmp_path, issuer))
    token = issuer.token(LOGIN, AUDIENCE)
    found = report(*asked, typed=token)
    assert steps(found) == dict.fromkeys(ALL)
    assert found["unverified_claims"]["email"] == LOGIN.partition(":")[2]
    assert (found["decision"], seen(found, "caller"), seen(found, "aud")) == (None, LOGIN, AUDIENCE)
    shown = run(*asked, typed=f"Authorization: Bearer {token}\n").stdout
    assert shown.endswith("the token is accepted\n")
    assert shown.count("✓") == len(ALL) + 2, "the header and its credentials, too"
    assert token.rpartition(".")[2] not in shown
    assert token.partition(".")[0] not in shown


@pytest.mark.parametrize(
    ("make", "failing", "mend"),
    named(
        ("nothing", lambda issuer: "", {"well-formed": "malformed_token"}, "send the ID token whole"),
        ("an access token", lambda issuer: "ya29.a0AfH6SMB", {"well-formed": "malformed_token"}, "an access token (ya29.…"),
        (
            "an expired token for another service",
            lambda issuer: issuer.token(LOGIN, f"{AUDIENCE}/", **OLD),
            {"aud": "audience_mismatch", "iat, exp, nbf": "token_expired"},
            "they differ by the final slash alone",
        ),
        (
            "of a clock that is fast",
            lambda issuer: issuer.token(LOGIN, AUDIENCE, iat=int(time.time()) + 300, exp=int(time.time()) + 900),
            {"iat, exp, nbf": "token_not_yet_valid"},
            "compare the clocks",
        ),
        (
            "of somebody else",
            lambda issuer: issuer.token(LOGIN, AUDIENCE, iss="https://idp.example"),
            {"issuer and algorithm": "issuer_not_allowed"},
            "unverified_iss='https://idp.example'",
        ),
        (
            "stripped",
            lambda issuer: issuer.strip_signature(issuer.token(LOGIN, AUDIENCE)),
            {"signature there": "signature_removed"},
            "Cloud Run removed it, or somebody forged the token",
        ),
        (
            "forged",
            lambda issuer: issuer.forge_signature(issuer.token(LOGIN, AUDIENCE)),
            {"signature": "signature_invalid"},
            "changed on the way, or forged",
        ),
        (
            "of a key that is nowhere",
            lambda issuer: issuer.sign(issuer.claims(LOGIN, AUDIENCE), kid="gone"),
            {"key": "unknown_key"},
            "its key has been withdrawn",
        ),
        ("without a subject", lambda issuer: issuer.token(LOGIN, AUDIENCE, sub=None), {"sub": "claim_missing"}, "sub is missing"),
    ),
)
def test_every_check_that_fails_and_what_to_do(
    tmp_path: Path, issuer: FakeIssuer, make: Any, failing: dict[str, str], mend: str
) -> None:
    asked, token = ("explain", "--token", "-", "--policy", served(tmp_path, issuer)), make(issuer)
    found = report(*asked, typed=token)
    assert {step: reason for step, reason in steps(found).items() if reason} == failing
    shown = run(*asked, typed=token)
    assert (shown.exit_code, mend in shown.stdout) == (1, True)
    assert shown.stdout.endswith("the token is refused\n")
    assert not token or token.rpartition(".")[2] not in shown.stdout.replace("an access token (ya29.…", "")


def test_keys_that_cannot_be_had(tmp_path: Path, issuer: FakeIssuer) -> None:
    path = served(tmp_path, issuer).replace("x", "x")
    Path(path).write_text(Path(path).read_text().replace(issuer.jwks_uri, "http://127.0.0.1:9/jwks"))
    found = report("explain", "--token", "-", "--policy", path, typed=issuer.token(LOGIN, AUDIENCE))
    assert {step: reason for step, reason in steps(found).items() if reason} == {"key": "keys_unavailable"}


def test_a_token_without_an_address(tmp_path: Path, issuer: FakeIssuer) -> None:
    asked = ("explain", "--token", "-", "--policy", served(tmp_path, issuer))
    found = report(*asked, "--path", "/", typed=issuer.token(LOGIN, AUDIENCE, email=None, email_verified=None))
    assert "--include-email" in seen(found, "e-mail")
    assert found["decision"]["reason"] == "caller_not_allowed"
    unverified = report(*asked, typed=issuer.token(LOGIN, AUDIENCE, email_verified=False))
    assert "does not say that it is verified" in seen(unverified, "e-mail")


def test_a_token_without_an_address_of_an_issuer_that_has_none(tmp_path: Path, issuer: FakeIssuer) -> None:
    text = POLICY.replace("https://accounts.google.com", "https://idp.example").replace("[[routes]]", "[[routes]]", 1)
    path = served(tmp_path, issuer, text)
    claims = issuer.claims(LOGIN, AUDIENCE, iss="https://idp.example", email=None)
    assert seen(report("explain", "--token", "-", "--policy", path, typed=issuer.sign(claims)), "e-mail") == "none"


def test_a_clock_that_is_a_little_fast(tmp_path: Path, issuer: FakeIssuer) -> None:
    now = int(time.time())
    token = issuer.token(LOGIN, AUDIENCE, iat=now + 20, exp=now + 80)
    found = report("explain", "--token", "-", "--policy", served(tmp_path, issuer), typed=token)
    assert "the caller's clock is" in seen(found, "iat, exp, nbf")
    assert "seconds left" in seen(found, "iat, exp, nbf")


def test_a_time_that_no_calendar_has(tmp_path: Path, issuer: FakeIssuer) -> None:
    text = POLICY.replace(
        'issuer = "https://accounts.google.com"', 'issuer = "https://accounts.google.com"\nmax_token_lifetime = 86400'
    )
    token = issuer.token(LOGIN, AUDIENCE, iat=1e300, exp=1e300)
    found = report("explain", "--token", "-", "--policy", served(tmp_path, issuer, text), typed=token)
    assert steps(found)["iat, exp, nbf"] == "token_not_yet_valid"


@pytest.mark.parametrize(
    ("member", "method", "ok"), [(LOGIN, "GET", True), (LOGIN, "PUT", False), (ANA, "PUT", True), (SEARCH, "GET", False)]
)
def test_what_its_caller_may_do(tmp_path: Path, issuer: FakeIssuer, member: str, method: str, ok: bool) -> None:
    asked = ("explain", "--token", "-", "--method", method, "--path", "/profiles/7", "--policy", served(tmp_path, issuer))
    found = report(*asked, typed=issuer.token(member, AUDIENCE))
    assert (found["ok"], found["decision"]["ok"]) == (ok, ok)
    assert f"{method} /profiles/7" in run(*asked, typed=issuer.token(member, AUDIENCE)).stdout


def test_a_stripped_token_where_cloud_run_is_relied_on(tmp_path: Path, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", "user-profiles")
    path = served(tmp_path, issuer, "trust_cloud_run_iam = true\n" + POLICY)
    found = report("explain", "--token", "-", "--policy", path, typed=issuer.strip_signature(issuer.token(LOGIN, AUDIENCE)))
    assert steps(found) == dict.fromkeys(name for name in ALL if name not in ("key", "signature"))


@pytest.mark.parametrize(
    ("sender", "line", "failing"),
    named(
        ("IAP's in its header", "IAP", "X-Goog-IAP-JWT-Assertion: {}", {}),
        ("IAP's alone", "IAP", "{}", {}),
        ("IAP's in another", "IAP", "Authorization: Bearer {}", {"issuer and algorithm": "issuer_not_allowed"}),
        ("Google's in IAP's", "Google", "X-Goog-IAP-JWT-Assertion: {}", {"issuer and algorithm": "issuer_not_allowed"}),
        ("Google's in its header", "Google", "authorization: bearer {}", {}),
        ("another scheme", "Google", "Authorization: Token {}", {"credentials": "missing_credentials"}),
        ("credentials that are broken", "Google", "Authorization: Bearer {},x", {"credentials": "malformed_credentials"}),
        ("a header that nobody looks at", "Google", "X-Token: {}", {"header": "missing_credentials"}),
        ("a token where a name belongs", "Google", "{}: x", {"header": "missing_credentials"}),
    ),
)
def test_it_is_judged_by_the_header_that_it_came_in(
    tmp_path: Path, issuer: FakeIssuer, sender: str, line: str, failing: dict[str, str]
) -> None:
    with FakeIssuer("https://cloud.google.com/iap", algorithm="ES256") as proxy:
        path = tmp_path / "both.toml"
        google = f"[[issuers]]\nissuer = 'https://accounts.google.com'\naudience = '{AUDIENCE}'\njwks_uri = '{issuer.jwks_uri}'\n"
        iap = f"[[issuers]]\nissuer = '{proxy.issuer}'\naudience = '{BACKEND}'\njwks_uri = '{proxy.jwks_uri}'\n"
        path.write_text(f"callers = ['{LOGIN}', '{ANA}']\n{google}{iap}")
        token = proxy.token(ANA, BACKEND) if sender == "IAP" else issuer.token(LOGIN, AUDIENCE)
        asked = ("explain", "--token", "-", "--policy", str(path))
        found = report(*asked, typed=line.format(token))
        assert {step: reason for step, reason in steps(found).items() if reason} == failing
        assert token[:40] not in run(*asked, typed=line.format(token)).stdout


@pytest.mark.parametrize(
    ("line", "failing"),
    named(
        ("the token", "{}", {}),
        ("blanks around it", "  {} \n", {}),
        ("behind its scheme", "Bearer {}", {}),
        ("in another case", "bearer  {}", {}),
        ("another scheme", "Basic {}", {"credentials": "missing_credentials"}),
        ("the scheme twice", "Bearer Bearer {}", {"credentials": "malformed_credentials"}),
        ("other words", "X Y Z {}", {"credentials": "missing_credentials"}),
        ("a tab", "Bearer\t{}", {"credentials": "malformed_credentials"}),
        ("two lines", "Bearer {0}\n{0}", {"credentials": "malformed_credentials"}),
        ("more behind it", "Bearer {} x", {"credentials": "malformed_credentials"}),
        ("a scheme alone", "Bearer", {"well-formed": "malformed_token"}),
        ("a line with another scheme", "Authorization: Basic {}", {"credentials": "missing_credentials"}),
        ("a line that is broken", "Authorization: Bearer Bearer {}", {"credentials": "malformed_credentials"}),
    ),
)
def test_what_stands_before_a_token_is_judged_as_a_guard_does(
    tmp_path: Path, issuer: FakeIssuer, line: str, failing: dict[str, str]
) -> None:
    asked, token = ("explain", "--token", "-", "--policy", served(tmp_path, issuer)), issuer.token(LOGIN, AUDIENCE)
    found = report(*asked, typed=line.format(token))
    assert {step: reason for step, reason in steps(found).items() if reason} == failing
    assert ("sub" in steps(found)) == ("well-formed" not in failing), "the token is looked at all the same"
    assert run(*asked, "--path", "/healthz", typed=line.format(token)).exit_code == 0


@pytest.mark.parametrize("line", ["Bearer junk and more", "Basic dXNlcjpwYXNz", "Authorization: Basic dXNlcjpwYXNz"])
def test_credentials_without_a_token(tmp_path: Path, issuer: FakeIssuer, line: str) -> None:
    found = report("explain", "--token", "-", "--policy", served(tmp_path, issuer), typed=line)
    assert [step["step"] for step in found["steps"] if not step["ok"]] == ["credentials"]


def test_a_scheme_before_a_token_whose_header_has_none(tmp_path: Path) -> None:
    with FakeIssuer("https://cloud.google.com/iap", algorithm="ES256") as proxy:
        path = tmp_path / "iap.toml"
        path.write_text(
            f"callers = ['{ANA}']\n[[issuers]]\nissuer = '{proxy.issuer}'\naudience = '{BACKEND}'\njwks_uri = '{proxy.jwks_uri}'\n"
        )
        found = report("explain", "--token", "-", "--policy", str(path), typed=f"Bearer {proxy.token(ANA, BACKEND)}")
        assert steps(found)["credentials"] == "malformed_credentials"


PASTED = named(
    ("a colon in it", lambda token: f"{token[:30]}:{token[30:]}"),
    ("colons for dots", lambda token: token.replace(".", ":")),
    ("a part of the signature before it", lambda token: f"{token[-50:]}:{token}"),
    ("less of it", lambda token: f"{token[-40:]}: {token}"),
    ("a part of the claims before it", lambda token: f"{token.split('.')[1][:39]}: x"),
    ("twice", lambda token: f"{token}: {token}"),
    ("of a shell", lambda token: f"curl -H 'Authorization: Bearer {token}'"),
    ("in quotes", lambda token: f'"{token}"'),
    ("on two lines", lambda token: f"{token[:100]}\n{token[100:]}"),
)


@pytest.mark.parametrize("more", [(), ("--json",), ("--path", "/")])
@pytest.mark.parametrize("paste", PASTED)
def test_a_paste_that_is_mangled_is_not_repeated(tmp_path: Path, issuer: FakeIssuer, paste: Any, more: tuple[str, ...]) -> None:
    token = issuer.token(LOGIN, AUDIENCE)
    shown = run("explain", "--token", "-", *more, "--policy", served(tmp_path, issuer), typed=paste(token))
    assert shown.exit_code == 1
    assert [token[begin : begin + 25] for begin in range(len(token) - 25) if token[begin : begin + 25] in shown.output] == []


@pytest.mark.parametrize("more", [(), ("--json",), ("--path", "/")])
@pytest.mark.parametrize("claim", ["azp", "sub", "aud", "hd", "iss"])
def test_a_token_in_a_claim_is_not_shown(tmp_path: Path, issuer: FakeIssuer, claim: str, more: tuple[str, ...]) -> None:
    asked, inner = ("explain", "--token", "-", *more, "--policy", served(tmp_path, issuer)), issuer.token(ANA, AUDIENCE)
    for value in (inner, [AUDIENCE, inner], {"a": {inner: [inner]}}):
        shown = run(*asked, typed=issuer.sign(issuer.claims(LOGIN, AUDIENCE) | {claim: value}))
        assert [part for part in inner.split(".")[1:] if part in shown.output] == []
        assert "(a secret)" in shown.output


def test_a_public_route_takes_any_token(tmp_path: Path, issuer: FakeIssuer) -> None:
    asked = ("explain", "--token", "-", "--path", "/healthz", "--policy", served(tmp_path, issuer))
    assert report(*asked, typed="junk")["decision"]["by"] == ["allUsers"]


@pytest.mark.parametrize(
    ("member", "path", "last", "code"),
    named(
        ("a good token, a caller on the list", LOGIN, "/", "the token is accepted, and its caller may GET /", 0),
        ("a good token, a stranger", SEARCH, "/", "the token is accepted, but its caller may not GET /", 1),
        ("a good token, everybody", SEARCH, "/healthz", "the token is accepted, and its caller may GET /healthz", 0),
        ("a good token, two readings", LOGIN, "//", "the token is accepted, but its caller may not GET //", 1),
        ("a bad token", None, "/", "the token is refused, and so is GET /", 1),
        (
            "a bad token, everybody",
            None,
            "/healthz",
            "the token is refused, but anybody may GET /healthz, where none is asked for",
            0,
        ),
        ("a bad token, two readings", None, "//", "the token is refused, and so is GET //", 1),
    ),
)
def test_the_last_line_is_about_what_was_asked(
    tmp_path: Path, issuer: FakeIssuer, member: str | None, path: str, last: str, code: int
) -> None:
    token = "junk" if member is None else issuer.token(member, AUDIENCE)
    shown = run("explain", "--token", "-", "--path", path, "--policy", served(tmp_path, issuer), typed=token)
    assert (shown.stdout.splitlines()[-1], shown.exit_code) == (last, code)


def test_a_bad_token_and_a_route_that_is_not_public(tmp_path: Path, issuer: FakeIssuer) -> None:
    asked = ("explain", "--token", "-", "--path", "/x", "--policy", served(tmp_path, issuer))
    assert report(*asked, typed="junk")["decision"]["reason"] == "missing_credentials"
