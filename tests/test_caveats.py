"""What a Guard says once at start about what it relies on or leaves open, and what it does not fuss about."""

import logging
from typing import Any

import certifi
import pytest

from callerid import Guard, Issuer, Route, firebase, github_actions, gitlab_ci, google, google_chat, iap, service_account
from callerid.caveats import caveats
from callerid.handler import HandlerCheck
from callerid.policy import HandlerList
from callerid.routes import RouteTable
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, FakeIssuer, named

GOOGLE, IDP, KEYS = "https://accounts.google.com", "https://idp.example", "https://idp.example/jwks.json"
GITHUB = "https://token.actions.githubusercontent.com"
GOOGLES_KEYS = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
IDP_ISSUER = Issuer(IDP, jwks_uri=KEYS, email_domains=["example.com"])
WORLD, WIDER = "the whole world", "all other methods fall to"
ON_CLOUD_RUN = {"K_SERVICE": "user-profiles"}


def warnings(caplog: pytest.LogCaptureFixture, **options: Any) -> list[str]:
    caplog.clear()
    Guard(**{"issuers": [google()], "audience": AUDIENCE, "callers": [LOGIN]} | options)
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


def everybody(path: str, *methods: str) -> Route:
    return Route(path, callers=["allUsers"], methods=methods or None)


def editors(path: str, *methods: str) -> Route:
    return Route(path, callers=[SEARCH], methods=methods or None)


@pytest.mark.parametrize(
    ("options", "words"),
    named(
        # What is switched on
        (
            "trust_cloud_run_iam",
            {"trust_cloud_run_iam": True, "environ": ON_CLOUD_RUN},
            ["trust_cloud_run_iam: tokens without a signature are believed; this relies on Cloud Run IAM"],
        ),
        ("consumer_accounts", {"consumer_accounts": True}, ["consumer_accounts: "]),
        (
            "allow_shared_audience",
            {"audience": "32555940559.apps.googleusercontent.com", "allow_shared_audience": True},
            ["allow_shared_audience: "],
        ),
        # Where keys come from
        ("Google's keys from elsewhere", {"issuers": [google(jwks_uri=KEYS)]}, ["keys for Google's tokens come from idp.example"]),
        (
            "Google's keys from storage",
            {"issuers": [google(jwks_uri="https://storage.googleapis.com/bucket/jwks.json")]},
            ["keys for Google's tokens come from storage.googleapis.com"],
        ),
        (
            "Google's keys from a name that ends alike",
            {"issuers": [google(jwks_uri="https://www.googleapis.com.evil.example/jwks.json")]},
            ["come from www.googleapis.com.evil.example"],
        ),
        (
            "keys of an issuer with Google's authority",
            {"issuers": [Issuer(IDP, jwks_uri=KEYS, has_google_email_authority=True)]},
            [f"issuers: {IDP} is believed for every e-mail address, as Google is"],
        ),
        (
            "Google's keys by authorities of one's own",
            {"issuers": [google(ca_file=certifi.where())]},
            [f"issuers: Google's keys are believed by the authorities in {certifi.where()}; who controls one can be any caller"],
        ),
        *(
            (
                f"keys of an issuer made by hand, {name}",
                {"issuers": [issuer], "callers": [f"principal:{issuer.issuer}/x"]},
                [f"issuers: keys for {issuer.issuer}'s tokens come from idp.example"],
            )
            for name, issuer in (
                ("Google, short", Issuer("accounts.google.com", jwks_uri=KEYS)),
                ("Google as an alias", Issuer(IDP, aliases=[GOOGLE], jwks_uri=KEYS)),
                ("IAP", Issuer("https://cloud.google.com/iap", jwks_uri=KEYS)),
                ("Firebase", Issuer("https://securetoken.google.com/shop", jwks_uri=KEYS)),
                ("Google Chat", Issuer("chat@system.gserviceaccount.com", jwks_uri=KEYS)),
                ("an account", Issuer("batch@shop.iam.gserviceaccount.com", jwks_uri=KEYS)),
                ("GitHub", Issuer(GITHUB, jwks_uri=KEYS)),
            )
        ),
        (
            "keys from elsewhere of an issuer that is believed as Google is",
            {"issuers": [github_actions(jwks_uri=KEYS, has_google_email_authority=True)]},
            [f"keys for {GITHUB}'s tokens come from idp.example", f"issuers: {GITHUB} is believed for every e-mail address"],
        ),
        # Whom it admits
        ("allUsers in callers", {"callers": ["allUsers"]}, [f"callers: allUsers opens whatever no other route says to {WORLD}"]),
        (
            "an audience that is none of IAP's",
            {"issuers": [iap(audience="https://a.example")], "callers": [ANA], "audience": None},
            ["issuers: IAP's audiences begin with /projects/, so one of those that are given can match no token"],
        ),
        ("allUsers on all paths", {"routes": [everybody("/**")]}, ["routes: /**: allUsers opens"]),
        (
            "allUsers on a subtree",
            {"routes": [everybody("/static/**")]},
            [f"routes: /static/**: allUsers opens everything below to {WORLD}; this relies on nothing private"],
        ),
        *(
            (
                f"allAuthenticatedUsers of {name}",
                {"issuers": [issuer], "callers": ["allAuthenticatedUsers"], "audience": None},
                [f"callers: admits everybody to whom {issuer.issuer} gives a token: {WORLD}"],
            )
            for name, issuer in (
                ("Firebase", firebase("shop")),
                ("Firebase, made by hand", Issuer("https://securetoken.google.com/p", jwks_uri=GOOGLES_KEYS, audience="a")),
                ("GitHub Actions", github_actions(audience="a")),
                ("GitLab CI", gitlab_ci(audience="a")),
            )
        ),
        (
            "allAuthenticatedUsers of an issuer that is believed as Google is",
            {"issuers": [Issuer(IDP, jwks_uri=KEYS, has_google_email_authority=True)], "callers": ["allAuthenticatedUsers"]},
            [f"callers: admits everybody to whom {IDP} gives a token: {WORLD}", "is believed for every e-mail address"],
        ),
        *(
            (
                f"keys of {name} from elsewhere",
                {"issuers": [issuer], "callers": [f"principal:{issuer.issuer}/x"], "audience": None},
                [f"issuers: keys for {issuer.issuer}'s tokens come from idp.example; who controls it can be any caller"],
            )
            for name, issuer in (
                ("IAP", iap(audience="/projects/1/apps/a", jwks_uri=KEYS)),
                ("Firebase", firebase("shop", jwks_uri=KEYS)),
                ("Google Chat", google_chat(audience="123", jwks_uri=KEYS)),
                ("an account", service_account("batch@shop.iam.gserviceaccount.com", audience="a", jwks_uri=KEYS)),
                ("GitHub Actions", github_actions(audience="a", jwks_uri=KEYS)),
                ("GitLab CI", gitlab_ci(audience="a", jwks_uri=KEYS)),
            )
        ),
        (
            "an account of Google's that signs for itself",
            {
                "issuers": [google(audience="a"), service_account("login@shop.iam.gserviceaccount.com", audience="a")],
                "audience": None,
            },
            ["callers: serviceAccount:login@shop.iam.gserviceaccount.com is for Google's tokens only", "are principal:login@"],
        ),
        ("allUsers on all paths, one method", {"routes": [everybody("/**", "GET")]}, ["routes: GET,HEAD /**: allUsers opens"]),
        (
            "allAuthenticatedUsers",
            {"callers": ["allAuthenticatedUsers"]},
            [f"callers: admits everybody to whom {GOOGLE} gives a token"],
        ),
        (
            "allAuthenticatedUsers in a group, on a route",
            {"routes": [Route("/a", callers=["group:g"])], "groups": {"g": ["allAuthenticatedUsers"]}},
            [f"routes: /a: admits everybody to whom {GOOGLE} gives a token: {WORLD}"],
        ),
        ("all of Google's principals", {"callers": [f"principal:{GOOGLE}/*"]}, [f"callers: admits everybody to whom {GOOGLE}"]),
        (
            "the same, spelt short",
            {"callers": ["principal:accounts.google.com/*"]},
            [f"callers: admits everybody to whom {GOOGLE}"],
        ),
        *(
            (
                f"all of {name}",
                {"issuers": [issuer], "callers": [f"principal:{issuer.issuer}/{prefix}*"]},
                [f"callers: admits everybody to whom {issuer.issuer} gives a token: {WORLD}"],
            )
            for name, issuer, prefix in (
                ("GitHub's repositories", github_actions(), "repo:"),
                ("gitlab.com's projects", gitlab_ci(), "project_path:"),
            )
        ),
        # Whom it cannot admit
        (
            "service account and no Google",
            {"issuers": [IDP_ISSUER]},
            ["callers: serviceAccount: members can match nobody"],
        ),
        (
            "project and no Google",
            {"issuers": [IDP_ISSUER], "callers": ["*@shop.iam.gserviceaccount.com"]},
            ["callers: serviceAccount: members"],
        ),
        (
            "domain and no Google",
            {"issuers": [IDP_ISSUER], "callers": ["domain:example.com"]},
            ["callers: domain: members can match nobody"],
        ),
        ("service account and only IAP", {"issuers": [iap()]}, ["callers: serviceAccount: members can match nobody"]),
        (
            "person whom no issuer vouches for",
            {"issuers": [IDP_ISSUER], "callers": [ANA, "user:bob@other.example"]},
            ["callers: user:bob@other.example can match nobody", "email_domains"],
        ),
        # What methods are left
        (
            "methods left to the callers",
            {"routes": [editors("/a", "PUT")]},
            [f"routes: PUT /a: {WIDER} callers", "a route for /a without"],
        ),
        (
            "methods left to a wider route",
            {"routes": [editors("/a", "PUT"), everybody("/{x}")]},
            [f"routes: PUT /a: {WIDER} routes: /{{x}}, which admits others"],
        ),
        (
            "methods left by all rules of a path",
            {"routes": [editors("/a", "PUT"), Route("/a", callers=[LOGIN], methods=["DELETE"])]},
            [f"routes: PUT /a: {WIDER} callers"],
        ),
        (
            "methods left to everybody",
            {"routes": [Route("/a", callers=["allAuthenticatedUsers"], methods=["PUT"]), everybody("/{x}")]},
            [f"routes: PUT /a: {WIDER} routes: /{{x}}", f"routes: PUT /a: admits everybody to whom {GOOGLE}"],
        ),
    ),
)
def test_warning_at_start(caplog: pytest.LogCaptureFixture, options: dict[str, Any], words: list[str]) -> None:
    said = warnings(caplog, **options)
    assert all(any(word in warning for warning in said) for word in words)
    assert all(any(word in warning for word in words) for warning in said)


@pytest.mark.parametrize(
    "options",
    named(
        ("Google and a service account", {}),
        ("Google's keys as PEM", {"issuers": [google(pem_uri="https://www.googleapis.com/oauth2/v1/certs")]}),
        ("Google's keys from gstatic", {"issuers": [google(jwks_uri="https://WWW.gstatic.com/jwks.json")]}),
        ("person whom the issuer vouches for", {"issuers": [IDP_ISSUER], "callers": [ANA]}),
        ("principal of any issuer", {"issuers": [IDP_ISSUER], "callers": [f"principal:{IDP}/*"]}),
        ("everybody with a token of one's own issuer", {"issuers": [IDP_ISSUER], "callers": ["allAuthenticatedUsers"]}),
        (
            "Google beside another issuer",
            {"issuers": [google(audience="a"), Issuer(IDP, jwks_uri=KEYS, audience="a")], "audience": None},
        ),
        ("public route", {"routes": [everybody("/healthz"), everybody("/profiles/{id}")]}),
        ("a subtree that is guarded", {"routes": [editors("/admin/**")]}),
        ("IAP and whom it lets through", {"issuers": [iap()], "callers": ["allAuthenticatedUsers"]}),
        ("IAP and whom it vouches for", {"issuers": [iap()], "callers": [ANA, "domain:example.com"]}),
        (
            "Chat and nobody else",
            {"issuers": [google_chat(audience="https://x")], "callers": ["allAuthenticatedUsers"], "audience": None},
        ),
        ("keys of GitHub's", {"issuers": [github_actions()], "callers": [f"principal:{GITHUB}/repo:shop/x:ref:refs/heads/main"]}),
        ("an owner's repositories", {"issuers": [github_actions()], "callers": [f"principal:{GITHUB}/repo:shop/*"]}),
        (
            "all projects of one's own GitLab",
            {"issuers": [gitlab_ci("https://git.example")], "callers": ["principal:https://git.example/project_path:*"]},
        ),
        ("public to read, guarded else", {"routes": [everybody("/a", "GET")]}),
        ("methods left to narrower callers", {"routes": [Route("/a", callers=[LOGIN, SEARCH], methods=["PUT"])]}),
        ("methods left to a narrower route", {"routes": [everybody("/a", "PUT"), editors("/{x}")]}),
        ("all methods said", {"routes": [editors("/a", "PUT"), everybody("/a")]}),
        ("all methods said in three rules", {"routes": [editors("/a", "PUT"), editors("/a", "DELETE"), everybody("/a")]}),
    ),
)
def test_no_warning_at_start(caplog: pytest.LogCaptureFixture, options: dict[str, Any]) -> None:
    assert warnings(caplog, **options) == []


PROJECT = "serviceAccount:*@shop.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("admitted", "routes", "listed", "dead"),
    named(
        ("another account", [LOGIN], [], [SEARCH], True),
        ("a person", [LOGIN, PROJECT], [], [ANA], True),
        ("another project", [LOGIN], [], ["serviceAccount:*@other.iam.gserviceaccount.com"], True),
        ("somebody whom no route admits either", [LOGIN], [editors("/a")], [ANA], True),
        ("the same among others", [LOGIN, ANA], [], [SEARCH, LOGIN], False),
        ("somebody whom a route admits", [LOGIN], [editors("/a")], [SEARCH], False),
        ("one of a project", [PROJECT], [], [SEARCH], False),
        ("a project of one", [SEARCH], [], [PROJECT], False),
        ("anybody, on a public route", [LOGIN], [everybody("/a")], [SEARCH], False),
        ("everybody with a token", [LOGIN], [], ["allAuthenticatedUsers"], False),
        ("anybody of everybody with a token", ["allAuthenticatedUsers"], [], [ANA], False),
        ("who may have the address", [ANA], [], [f"principal:{GOOGLE}/1234"], False),
        ("whose subject may be meant", [f"principal:{GOOGLE}/*"], [], [ANA], False),
        ("who may be of the domain", [ANA], [], ["domain:other.example"], False),
        ("whose domain may be meant", ["domain:other.example"], [], [ANA], False),
    ),
)
def test_a_handlers_list_that_nobody_can_pass_is_told_once_where_that_is_certain(
    caplog: pytest.LogCaptureFixture, admitted: list[str], routes: list[Route], listed: list[str], dead: bool
) -> None:
    guard = Guard(issuers=[google()], audience=AUDIENCE, callers=admitted, routes=routes)
    caplog.clear()
    for _ in range(2):
        HandlerCheck(guard, listed)
    told = ["no rule of the Guard admits any of" in warning for warning in caplog.messages]
    assert told == [True] * dead
    assert any("no rule of the Guard" in caveat for caveat in guard.status()[GOOGLE]["caveats"]) is dead


def test_tokens_for_everybody_with_a_google_token_are_told_though_google_has_no_authority(
    issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    said = warnings(caplog, issuers=[Issuer(GOOGLE, keys=issuer.jwks())], callers=["allAuthenticatedUsers"])
    assert [WORLD in warning for warning in said] == [False, True]
    assert "come from the configuration" in said[0]


class Counting(RouteTable):
    """Routes that know how often somebody has asked where methods fall."""

    asked = 0

    def fall_through(self, index: int) -> int | None:
        self.asked += 1
        return super().fall_through(index)


def test_many_routes_of_one_path_are_looked_at_once_each(issuer: FakeIssuer) -> None:
    methods = [Route("/profiles/{id}", methods=[f"M{number}"], callers=[LOGIN]) for number in range(30)]
    guard = Guard(audience=AUDIENCE, callers=[SEARCH], routes=methods, issuers=[issuer.profile()])
    routes = Counting(methods)
    told = list(caveats([], guard.policy.callers, routes, guard.policy.rules, {}))
    assert (len([line for line in told if WIDER in line]), routes.asked) == (30, 30)


def test_what_nobody_can_pass_is_looked_into_once(issuer: FakeIssuer) -> None:
    policy = Guard(audience=AUDIENCE, callers=[SEARCH], issuers=[issuer.profile()]).policy
    lists = [HandlerList((LOGIN,)), HandlerList((SEARCH,))]
    (first,), (again,) = policy.handler_caveats(lists), policy.handler_caveats(lists)
    assert first is again
