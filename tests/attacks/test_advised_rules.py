"""Advisories about rules: how others have read a path, a header or an address so that it let a stranger pass."""

import http.client
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route as Path

from callerid import Caller, Guard, Issuer, Route, google
from callerid.asgi import CallerMiddleware
from callerid_adapters.fastapi import CallerGuard
from tests.adapters.support import ask, guard_for, uvicorn_serving
from tests.attacks import GOOGLE, PARTNER, asked, proves
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, complains, named, reason

NOBODY, STRANGERS = "missing_credentials", "caller_not_allowed"
PUBLIC = [
    Route("/healthz", callers=["allUsers"]),
    Route("/public/**", callers=["allUsers"]),
    Route("/foo/{name}/bar", callers=["allUsers"]),
]


# Requests that say something else about themselves


@pytest.mark.parametrize(
    ("name", "value"),
    named(
        ("CVE-2026-34457 Google's probe", "User-Agent", "GoogleHC/1.0"),
        ("CVE-2026-34457 Kubernetes' probe", "User-Agent", "kube-probe/1.30"),
        ("CVE-2026-34457 the load balancer's probe", "User-Agent", "GoogleStackdriverMonitoring-UptimeChecks"),
        *(
            (f"CVE-2026-40575 oauth2-proxy/oauth2-proxy#3506 {name}", name, "/healthz")
            for name in (
                "X-Forwarded-Uri",
                "X-Original-URI",
                "X-Original-URL",
                "X-Rewrite-URL",
                "X-Envoy-Original-Path",
                "X-Forwarded-Path",
            )
        ),
        ("X-Forwarded-Prefix", "X-Forwarded-Prefix", "/public"),
        ("X-HTTP-Method-Override", "X-HTTP-Method-Override", "OPTIONS"),
        (
            "X-Goog-Authenticated-User-Email",
            "X-Goog-Authenticated-User-Email",
            "accounts.google.com:ana@example.com",
        ),
        ("X-Forwarded-Email", "X-Forwarded-Email", "ana@example.com"),
    ),
)
def test_no_other_header_opens_a_route(name: str, value: str, issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, routes=PUBLIC)
    assert reason(guard.check, "GET", "/admin", {name: value}) == NOBODY
    assert reason(guard.check, "GET", "/admin", issuer.headers(STRANGER, AUDIENCE) | {name: value}) == STRANGERS


# Paths that are read in two ways


def say(text: str) -> Any:
    async def handler(request: Request) -> PlainTextResponse:
        return PlainTextResponse(text)

    return handler


@pytest.fixture(scope="module")
def address(issuer: FakeIssuer) -> Iterator[str]:
    """A service on a real server: all is secret but what `PUBLIC` says, for the Guard and for the router alike."""
    routes = [
        Path("/public/{rest:path}", say("public")),
        Path("/foo/{name}/bar", say("public")),
        Path("/{rest:path}", say("secret")),
    ]
    guarded = Starlette(routes=routes, middleware=[Middleware(CallerMiddleware, guard=guard_for(issuer, routes=PUBLIC))])
    with uvicorn_serving(guarded) as address:
        yield address


def get(address: str, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(address)
    connection.request("GET", target)
    with connection.getresponse() as response:
        answered = response.status, response.read()
    connection.close()
    return answered


@pytest.mark.parametrize(
    ("target", "status"),
    named(
        ("GHSA-7rh7-c77v-6434 CVE-2025-54576 a query that ends as a public path does", "/foo/secret?param=/bar", 401),
        ("GHSA-7rh7-c77v-6434 CVE-2025-54576 a query that is a public path", "/admin?/healthz", 401),
        ("GHSA-7rh7-c77v-6434 CVE-2025-54576 a query with an address", "/admin?next=http://x/public/a", 401),
        ("CVE-2021-39156 CVE-2026-41059 a fragment", "/admin#/public/a", 401),
        ("CVE-2026-41059 a fragment, encoded", "/admin%23/public/a", 401),
        ("CVE-2021-39156 CVE-2026-41059 an empty fragment", "/foo/secret#", 401),
        ("CVE-2019-9901 dot segments", "/public/../admin", 400),
        ("CVE-2019-9901 dot segments, encoded", "/public/%2e%2e/admin", 400),
        ("CVE-2021-29492 CVE-2021-31920 an encoded slash", "/public%2f..%2fadmin", 400),
        ("CVE-2026-73511 a path parameter", "/public/..;/admin", 400),
        ("a line feed, before which `$` matches", "/admin%0a", 400),
        ("CVE-2021-31920 two slashes", "//admin", 400),
        ("another case", "/PUBLIC/a", 401),
    ),
)
def test_no_spelling_of_a_target_opens_what_its_path_does_not(target: str, status: int, address: str) -> None:
    assert get(address, target)[0] == status


@proves("CVE-2026-41059", "GHSA-7rh7-c77v-6434", "CVE-2025-54576")
@pytest.mark.parametrize("target", ["/foo/secret%23/bar", "/foo/secret%3Fx=/bar", "/foo/secret#/bar", "/foo/secret/bar?x"])
def test_what_the_guard_lets_pass_is_what_the_router_finds(target: str, address: str) -> None:
    """`#` and `?` that are encoded are characters of a name, for both of them; one that is not ends the path, for both."""
    assert get(address, target) in {(200, b"public"), get(address, "/foo/secret")}
    assert get(address, "/foo/secret")[0] == 401


# Addresses


@pytest.mark.parametrize(
    "email",
    named(
        ("CVE-2026-40574 two domains", "attacker@evil.example@example.com"),
        ("CVE-2026-40574 two domains, the first a member's", "ana@example.com@evil.example"),
        ("CVE-2026-40574 a domain in quotes", '"attacker@example.com"@evil.example'),
        ("CVE-2026-40574 a domain in a comment", "attacker@evil.example(@example.com)"),
        ("a subdomain", "ana@example.com.evil.example"),
        ("a longer domain", "ana@notexample.com"),
        ("a list", "attacker@evil.example,ana@example.com"),
        ("CVE-2026-40574 a name before", "ana@example.com <attacker@evil.example>"),
        ("a line feed", "ana@example.com\n"),
        ("a letter that folds to another", "ana@example.\u212aom"),
    ),
)
def test_an_address_is_one_address_and_compared_whole(email: str, issuer: FakeIssuer) -> None:
    members = [ANA, "domain:example.com", "ana@example.com"]
    claims = issuer.claims(ANA, AUDIENCE, email=email, hd="evil.example")
    assert asked(guard_for(issuer, callers=members), issuer.sign(claims)) == [STRANGERS]
    partner = Issuer(PARTNER, keys=issuer.jwks(), email_domains=["example.com"])
    guard = Guard(issuers=[partner], audience=AUDIENCE, callers=[ANA])
    token = issuer.sign(claims | {"iss": PARTNER})
    assert asked(guard, token) == [STRANGERS]
    assert guard.verifier.verify(token).email is None


@pytest.mark.parametrize(
    ("member", "theirs", "evil"),
    named(
        ("CVE-2026-39350 an account", LOGIN, {}, {"email": "login@shop-iam.gserviceaccount.com"}),
        (
            "CVE-2026-39350 a project",
            "serviceAccount:*@shop.example.iam.gserviceaccount.com",
            {"email": "login@shop.example.iam.gserviceaccount.com"},
            {"email": "login@shop-example.iam.gserviceaccount.com"},
        ),
        ("CVE-2026-39350 a person", "user:a.na@gmail.com", {"email": "a.na@gmail.com"}, {"email": "axna@gmail.com"}),
        ("CVE-2026-39350 a domain", "domain:a.example", {"email": "ana@a.example", "hd": "a.example"}, {"hd": "axexample"}),
        ("CVE-2026-39350 a subject", f"principal:{GOOGLE}/a.b", {"sub": "a.b"}, {"sub": "axb"}),
        ("CVE-2026-39350 a subject's beginning", f"principal:{GOOGLE}/a.b:*", {"sub": "a.b:c"}, {"sub": "axb:c"}),
    ),
)
def test_a_dot_is_a_dot(member: str, theirs: dict[str, str], evil: dict[str, str], issuer: FakeIssuer) -> None:
    guard = guard_for(issuer, callers=[member])
    tokens = [issuer.token(LOGIN, AUDIENCE, **changes) for changes in (theirs, theirs | evil)]
    assert asked(guard, *tokens) == [None, STRANGERS]


# Headers, and what stands in them


@proves("CVE-2026-26308")
def test_a_header_that_is_there_twice_is_neither_of_them(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer)
    ours, theirs = (issuer.headers(member, AUDIENCE)["Authorization"] for member in (LOGIN, STRANGER))
    for first, second in ((ours, theirs), (theirs, ours), (ours, ours), (ours, "Basic eDp5"), (ours, "")):
        for headers in ([("Authorization", first), ("authorization", second)], [("Authorization", f"{first},{second}")]):
            assert reason(guard.check, "GET", "/", headers) == "malformed_credentials"


SERVERLESS, AUTHORIZATION = "X-Serverless-Authorization", "Authorization"


@proves(
    "na0fu3y/ochakai#740",
    "na0fu3y/ochakai#9",
    "pomerium/pomerium#6268",
    "pomerium/pomerium#6677",
    "pomerium/pomerium#6681",
    "owainlewis/machinist#277",
    "GoogleCloudPlatform/cloud-run-proxy#25",
)
def test_of_cloud_runs_two_headers_the_first_decides_and_a_removed_signature_is_told_as_that(
    issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = guard_for(issuer)
    login, ana, stranger = (f"Bearer {issuer.token(member, AUDIENCE)}" for member in (LOGIN, ANA, STRANGER))
    removed = issuer.strip_signature(login)
    caller = guard.check("GET", "/", {AUTHORIZATION: ana, SERVERLESS: login})
    assert caller is not None
    assert caller.member == LOGIN
    assert reason(guard.check, "GET", "/", {AUTHORIZATION: login, SERVERLESS: stranger}) == STRANGERS
    assert reason(guard.check, "GET", "/", {AUTHORIZATION: login, SERVERLESS: removed}) == "signature_removed"
    assert reason(guard.check, "GET", "/", {AUTHORIZATION: removed}) == "signature_removed"
    assert "Cloud Run removed this signature" in caplog.text
    other_way = guard_for(issuer, headers=[AUTHORIZATION])
    assert reason(other_way.check, "GET", "/", {AUTHORIZATION: login, SERVERLESS: removed}) is None


# Rules that are none


@proves("google/adk-go#1241", "google/clusterfuzz#5389", "almo/Machine-Learning#35")
def test_neither_the_audience_nor_the_address_alone_admits_anybody(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer)
    assert asked(guard, issuer.token(STRANGER, AUDIENCE)) == [STRANGERS]
    assert asked(guard, issuer.token(LOGIN, "https://other.example")) == ["audience_mismatch"]
    with complains("callers", "empty"):
        guard_for(issuer, callers=[])


@pytest.mark.parametrize(
    ("arguments", "words"),
    named(
        ("GHSA-8wpc-h4q6-8fxv no keys", {"issuers": [None]}, ["issuers"]),
        ("googleapis/google-api-go-client#484 an empty audience", {"audience": ""}, ["audience", "empty"]),
        ("googleapis/google-api-go-client#484 no audience", {"audience": None}, ["audience", "missing"]),
        ("googleapis/google-api-go-client#484 one empty audience", {"audience": [AUDIENCE, ""]}, ["audience", "empty"]),
    ),
)
def test_what_switches_a_check_off_elsewhere_stops_the_start(
    arguments: dict[str, Any], words: list[str], issuer: FakeIssuer
) -> None:
    with complains(*words):
        Guard(**{"issuers": [google(keys=issuer.jwks())], "audience": AUDIENCE, "callers": [LOGIN]} | arguments)


@proves("GHSA-8wpc-h4q6-8fxv")
@pytest.mark.parametrize("keys", ["", [], {}, {"keys": []}, {"keys": None}, {"keys": [""]}, b"", 0, False])
def test_a_key_that_is_nothing_stops_the_start(keys: Any) -> None:
    with complains("keys"):
        Issuer(GOOGLE, keys=keys)


@proves("CVE-2021-21378")
def test_a_handler_to_which_credentials_are_optional_takes_no_bad_ones(issuer: FakeIssuer) -> None:
    app = FastAPI()
    check = CallerGuard(guard_for(issuer, routes=PUBLIC), optional=True)

    @app.get("/public/who")
    def who(caller: Annotated[Caller | None, Security(check)]) -> str | None:
        return caller.member if caller else None

    good = issuer.claims(LOGIN, AUDIENCE)
    assert ask(app, "/public/who").json() is None
    assert ask(app, "/public/who", issuer.headers(LOGIN, AUDIENCE)).json() == LOGIN
    for token, status in (
        (issuer.sign(good | {"iss": "https://evil.example"}), 401),
        (issuer.sign(good | {"exp": 1}), 401),
        (issuer.forge_signature(issuer.sign(good)), 401),
        ("junk", 401),
        ("", 400),
        (issuer.token(STRANGER, AUDIENCE), 403),
    ):
        assert ask(app, "/public/who", {"Authorization": f"Bearer {token}"}).status_code == status


def test_no_setting_of_a_dependency_is_a_clients_to_choose(issuer: FakeIssuer) -> None:
    """FastAPI makes a query parameter of each argument of a dependency that it does not know."""
    app = FastAPI()
    check = CallerGuard(guard_for(issuer), callers=[ANA])

    @app.post("/", dependencies=[Security(check)])
    def act() -> str:
        return "done"

    operation = app.openapi()["paths"]["/"]["post"]
    assert operation.keys() & {"parameters", "requestBody"} == set()
    knobs = "/?" + "&".join(f"{name}=allUsers" for name in ("callers", "optional", "guard", "auto_error", "scopes", "self"))
    assert ask(app, knobs, method="POST").status_code == 401
    assert ask(app, knobs, issuer.headers(LOGIN, AUDIENCE), method="POST").status_code == 403
    assert ask(app, knobs, issuer.headers(ANA, AUDIENCE), method="POST").json() == "done"
