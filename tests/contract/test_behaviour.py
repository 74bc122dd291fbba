"""The table of refusals, the header rule, methods and paths, against every stack."""

import concurrent.futures
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.wire import Answer, Headers, exchange
from tests.stacks import STACKS, Start
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer

Make = Callable[[FakeIssuer], Headers]

AUTHORIZATION = "Authorization"
SERVERLESS = "X-Serverless-Authorization"
INVALID_TOKEN = 'Bearer error="invalid_token"'
INVALID_REQUEST = 'Bearer error="invalid_request"'
INSUFFICIENT = 'Bearer error="insufficient_scope"'


def bearer(member: str = LOGIN, audience: str = AUDIENCE, *, header: str = AUTHORIZATION, **changes: Any) -> Make:
    """A header that bears a token of this member."""
    return lambda issuer: [(header, f"Bearer {issuer.token(member, audience, **changes)}")]


def raw(*values: str, header: str = AUTHORIZATION) -> Make:
    """Header lines as they are; `TOKEN` stands for a good token."""
    return lambda issuer: [(header, value.replace("TOKEN", issuer.token(LOGIN, AUDIENCE))) for value in values]


def changed(change: Callable[[str], str]) -> Make:
    """A good token, changed as text."""
    return lambda issuer: [(AUTHORIZATION, f"Bearer {change(issuer.token(LOGIN, AUDIENCE))}")]


def both(first: Make, second: Make) -> Make:
    return lambda issuer: [*first(issuer), *second(issuer)]


REFUSED: dict[str, tuple[Make, int, str, str]] = {
    "no header": (raw(), 401, "missing_credentials", "Bearer"),
    "another scheme": (raw("Basic dXNlcjpwYXNz"), 401, "missing_credentials", "Bearer"),
    "digest with commas": (raw('Digest username="a", realm="b"'), 401, "missing_credentials", "Bearer"),
    "another scheme in the serverless header": (raw("Basic abc", header=SERVERLESS), 400, "malformed_credentials", INVALID_REQUEST),
    "scheme alone": (raw("Bearer"), 400, "malformed_credentials", INVALID_REQUEST),
    "inner space": (raw("Bearer TOKEN x"), 400, "malformed_credentials", INVALID_REQUEST),
    "comma": (raw("Bearer TOKEN,x"), 400, "malformed_credentials", INVALID_REQUEST),
    "twice": (raw("Bearer TOKEN", "Bearer TOKEN"), 400, "malformed_credentials", INVALID_REQUEST),
    "twice, first another scheme": (raw("Basic abc", "Bearer TOKEN"), 400, "malformed_credentials", INVALID_REQUEST),
    "not ASCII": (raw("Bearer TOK\xe9N"), 400, "malformed_credentials", INVALID_REQUEST),
    "broken first header, perfect second": (
        both(raw("Bearer", header=SERVERLESS), raw("Bearer TOKEN")),
        400,
        "malformed_credentials",
        INVALID_REQUEST,
    ),
    "bad token first, perfect second": (
        both(raw("Bearer x.y.z", header=SERVERLESS), raw("Bearer TOKEN")),
        401,
        "malformed_token",
        INVALID_TOKEN,
    ),
    "no JWT": (raw("Bearer abc"), 401, "malformed_token", INVALID_TOKEN),
    "two segments": (changed(lambda token: token.rpartition(".")[0]), 401, "malformed_token", INVALID_TOKEN),
    "a word more": (changed(lambda token: f"{token}=="), 401, "malformed_token", INVALID_TOKEN),
    "too large": (changed(lambda token: token + "A" * 5000), 401, "signature_invalid", INVALID_TOKEN),
    "alg none": (lambda issuer: _signed(issuer, alg="none"), 401, "algorithm_not_allowed", INVALID_TOKEN),
    "alg HS256": (lambda issuer: _signed(issuer, alg="HS256"), 401, "algorithm_not_allowed", INVALID_TOKEN),
    "alg ES256 for an RSA key": (lambda issuer: _signed(issuer, alg="ES256"), 401, "algorithm_not_allowed", INVALID_TOKEN),
    "another issuer": (bearer(iss="https://evil.example"), 401, "issuer_not_allowed", INVALID_TOKEN),
    "another audience": (bearer(audience="https://search.example"), 401, "audience_mismatch", INVALID_TOKEN),
    "the audience with a slash": (bearer(audience=f"{AUDIENCE}/"), 401, "audience_mismatch", INVALID_TOKEN),
    "expired": (bearer(iat=1_700_000_000, exp=1_700_003_600), 401, "token_expired", INVALID_TOKEN),
    "from the future": (bearer(iat=4_000_000_000, exp=4_000_003_600), 401, "token_not_yet_valid", INVALID_TOKEN),
    "without exp": (bearer(exp=None), 401, "claim_missing", INVALID_TOKEN),
    "sub a number": (bearer(sub=7), 401, "claim_invalid", INVALID_TOKEN),
    "key unknown": (lambda issuer: _signed(issuer, kid="nobody's"), 401, "unknown_key", INVALID_TOKEN),
    "signature of another": (changed(FakeIssuer.forge_signature), 401, "signature_invalid", INVALID_TOKEN),
    "signature empty": (changed(lambda token: token.rpartition(".")[0] + "."), 401, "signature_invalid", INVALID_TOKEN),
    "signature removed": (changed(FakeIssuer.strip_signature), 401, "signature_removed", INVALID_TOKEN),
    "a stranger": (bearer(STRANGER), 403, "caller_not_allowed", INSUFFICIENT),
    "address not verified": (bearer(email_verified=False), 403, "email_not_verified", INSUFFICIENT),
    "address verified in words only": (bearer(email_verified="true"), 403, "email_not_verified", INSUFFICIENT),
}

PASSED: dict[str, Make] = {
    "Authorization": bearer(),
    "X-Serverless-Authorization": bearer(header=SERVERLESS),
    "a scheme in another case, and spaces": raw("bEARER   TOKEN"),
    "Google's other spelling": bearer(iss="accounts.google.com"),
    "good first header, broken second": both(bearer(header=SERVERLESS), raw("Bearer")),
    "good first header, second twice": both(bearer(header=SERVERLESS), raw("Bearer a", "Bearer b")),
    "audience among several": bearer(audience=["https://search.example", AUDIENCE]),  # type: ignore[arg-type]
}


def _signed(issuer: FakeIssuer, **header: str) -> Headers:
    return [(AUTHORIZATION, f"Bearer {issuer.sign(issuer.claims(LOGIN, AUDIENCE), **header)}")]


@pytest.mark.parametrize("case", REFUSED)
def test_refused_alike(port: int, issuer: FakeIssuer, case: str) -> None:
    check_refusal(case, exchange(port, "GET", "/profiles/7", REFUSED[case][0](issuer)))


def check_refusal(case: str, answer: Answer) -> None:
    """See that the answer is the one refusal of this case, to the header."""
    _, status, reason, challenge = REFUSED[case]
    assert (answer.status, answer.reason) == (status, reason)
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json.keys() == {"type", "title", "status", "detail", "reason"}
    assert not any(secret in answer.body.decode() for secret in ("shop", "mallory", "example", "eyJ"))


@pytest.mark.parametrize("case", PASSED)
def test_passed_alike(port: int, issuer: FakeIssuer, case: str) -> None:
    answer = exchange(port, "GET", "/profiles/7", PASSED[case](issuer))
    assert (answer.status, answer.json) == (200, {"id": "7", "caller": "login@shop.iam.gserviceaccount.com"})


def test_whoami_is_the_same_everywhere(port: int, issuer: FakeIssuer) -> None:
    claims = issuer.claims(ANA, AUDIENCE, note={"list": [1, "é", None]})
    answer = exchange(port, "GET", "/whoami", [(AUTHORIZATION, f"Bearer {issuer.sign(claims)}")])
    assert answer.json == {
        "email": "ana@example.com",
        "subject": claims["sub"],
        "issuer": "https://accounts.google.com",
        "audience": AUDIENCE,
        "member": ANA,
        "verified_by": "signature",
        "claims": claims,
    }


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_editors_edit_and_nobody_else(port: int, issuer: FakeIssuer, method: str) -> None:
    by_editor = exchange(port, method, "/profiles/7", bearer(ANA)(issuer))
    by_login = exchange(port, method, "/profiles/7", bearer()(issuer))
    assert (by_editor.status, by_login.status) == ({"PUT": 200, "DELETE": 204}[method], 403)
    assert (by_login.headers["www-authenticate"], by_login.headers["cache-control"]) == (INSUFFICIENT, "no-store")
    assert exchange(port, method, "/profiles/7").status == 401


@pytest.mark.parametrize("headers", [[], [(AUTHORIZATION, "Bearer junk, junk")], [(SERVERLESS, "")]], ids=["none", "junk", "empty"])
def test_a_public_route_looks_at_no_credentials(port: int, headers: Headers) -> None:
    answer = exchange(port, "GET", "/healthz", headers)
    assert (answer.status, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/nowhere", "/", "/profiles/", "/docs", "/openapi.json", "/static/x", "/healthz/x"])
def test_anonymous_learns_nothing_about_paths(port: int, path: str) -> None:
    assert exchange(port, "GET", path).reason == "missing_credentials"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PATCH", "TRACE", "PROPFIND", "BREW"])
def test_every_method_is_judged(port: int, method: str) -> None:
    answer = exchange(port, method, "/profiles/7")
    # 501 and 405 are a server's own, before any application: granian knows no other methods.
    assert answer.status == 401 or (answer.status in (400, 405, 501) and not answer.reason)
    assert method != "HEAD" or not answer.body


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/profiles/7", 405), ("POST", "/healthz", 405)]
)
def test_who_may_call_gets_the_routers_own_answers(port: int, issuer: FakeIssuer, method: str, path: str, status: int) -> None:
    assert exchange(port, method, path, bearer()(issuer)).status == status


SPELLINGS = [
    "//profiles/7",
    "/profiles//7",
    "/./profiles/7",
    "/x/../profiles/7",
    "/profiles/%2e%2e/profiles/7",
    "/profiles/.%2E/profiles/7",
    "/profiles%2F7",
    "/profiles%2f7",
    "/profiles/7%2F",
    "/profiles/7%0A",
    "/profiles/7%0a/",
    "/profiles/7%00",
    "/profiles/7;v=1",
    "/profiles/7%3Bv=1",
    "/profiles;a/7",
    "/profiles%5C7",
    "/profiles/7%5c",
    "/profiles/7%7F",
    "/profiles/%ff",
    "/profiles/%C0%AF7",
    "/profiles/%ED%A0%80",
    "/%70rofiles/7/.",
    "profiles/7",
    "*",
    "/healthz/../profiles/7",
    "/healthz/%2e%2e/profiles/7",
    "/healthz;/../profiles/7",
    "/healthz%2F..%2Fprofiles%2F7",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_of_a_path_gets_past_its_rule(port: int, issuer: FakeIssuer, path: str) -> None:
    answer = exchange(port, "PUT", path, bearer()(issuer))
    assert answer.status >= 400
    anonymous = exchange(port, "GET", path)
    assert anonymous.status >= 400
    assert anonymous.reason in ("ambiguous_path", "missing_credentials", "")


@pytest.mark.parametrize("path", ["/%70rofiles/7", "/profiles/%37", "/profiles/7?x=/../y;z//", "/profiles/7%25"])
def test_ordinary_spellings_reach_the_rule(port: int, issuer: FakeIssuer, path: str) -> None:
    assert exchange(port, "PUT", path, bearer()(issuer)).status == 403
    assert exchange(port, "PUT", path, bearer(ANA)(issuer)).status == 200


@pytest.mark.parametrize("method", ["put", "Put", "pUT"])
def test_a_method_in_another_case_gets_past_no_rule(port: int, issuer: FakeIssuer, method: str) -> None:
    assert exchange(port, method, "/profiles/7", bearer()(issuer)).status >= 400


def test_http_1_0(port: int, issuer: FakeIssuer) -> None:
    assert exchange(port, "GET", "/profiles/7", bearer()(issuer), version="HTTP/1.0").status == 200
    assert exchange(port, "GET", "/profiles/7", version="HTTP/1.0").status == 401


@pytest.mark.parametrize("stack", [name for name in STACKS if name != "wsgi-granian"])  # its environ cannot tell `_` from `-`
def test_underscores_make_no_header(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    answer = exchange(port, "GET", "/profiles/7", bearer(header="X_Serverless_Authorization")(issuer))
    assert answer.status == 401 or (answer.status == 400 and not answer.reason)


def test_callers_are_never_mixed_up(port: int, issuer: FakeIssuer) -> None:
    def ask(number: int) -> tuple[str, str]:
        address = ("login@shop.iam.gserviceaccount.com", "ana@example.com")[number % 2]
        token = issuer.token(address, AUDIENCE, number=number)
        return address, exchange(port, "GET", f"/profiles/{number}", [(AUTHORIZATION, f"Bearer {token}")]).json["caller"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(asked == answered for asked, answered in pool.map(ask, range(100)))


def test_a_shared_cache_is_told_where_the_header_does_not_tell_it(port: int, issuer: FakeIssuer) -> None:
    by_serverless = exchange(port, "GET", "/profiles/7", bearer(header=SERVERLESS)(issuer))
    by_authorization = exchange(port, "GET", "/profiles/7", bearer()(issuer))
    assert by_serverless.headers["cache-control"] == "private"
    assert "cache-control" not in by_authorization.headers


def test_a_large_header_ends_in_a_refusal_or_the_servers_own(port: int) -> None:
    answer = exchange(port, "GET", "/profiles/7", [(AUTHORIZATION, "Bearer " + "a.b." * 5000)])
    assert answer.status in (400, 401, 431)
    assert json.dumps("a.b.a.b") not in answer.body.decode()
