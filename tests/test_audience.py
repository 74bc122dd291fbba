"""Audiences: several, custom ones, and the final slash that callers and services disagree about."""

import logging
from typing import Any

import pytest

from callerid import Guard, Issuer, Verifier, google
from callerid.audience import with_other_slash
from tests.support import LOGIN, FakeIssuer, complains, named, reason, refuses

URL = "https://user-profiles.example"


@pytest.mark.parametrize(
    ("configured", "sent", "exact", "ignored"),
    named(
        ("as it is", URL, URL, True, True),
        ("a slash more", URL, f"{URL}/", False, True),
        ("a slash less", f"{URL}/", URL, False, True),
        ("with a slash", f"{URL}/", f"{URL}/", True, True),
        ("two slashes", URL, f"{URL}//", False, False),
        ("a port", f"{URL}:8443", f"{URL}:8443/", False, True),
        ("another port", URL, f"{URL}:443/", False, False),
        ("a path", f"{URL}/push", f"{URL}/push/", False, False),
        ("a path less a slash", f"{URL}/push/", f"{URL}/push", False, False),
        ("a path more", URL, f"{URL}/push", False, False),
        ("a query", URL, f"{URL}/?", False, False),
        ("a fragment", URL, f"{URL}/#", False, False),
        ("another scheme", URL, "http://user-profiles.example/", False, False),
        ("another case", URL, "https://User-Profiles.example/", False, False),
        ("a longer name", URL, f"{URL}.evil/", False, False),
        ("a name in front", URL, "https://evil@user-profiles.example/", False, False),
        ("a custom audience", "user-profiles", "user-profiles", True, True),
        ("a custom audience and a slash", "user-profiles", "user-profiles/", False, False),
        ("a path alone", "/projects/1/apps/a", "/projects/1/apps/a/", False, False),
    ),
)
def test_the_final_slash(configured: str, sent: str, exact: bool, ignored: bool, issuer: FakeIssuer) -> None:
    for mode, passes in (("exact", exact), ("ignore", ignored)):
        verifier = Verifier([google(keys=issuer.jwks())], audience=configured, audience_trailing_slash=mode)
        assert reason(verifier.verify, issuer.token(LOGIN, sent)) == (None if passes else "audience_mismatch"), mode


def test_the_caller_has_the_audience_that_its_token_says(issuer: FakeIssuer) -> None:
    verifier = Verifier([google(keys=issuer.jwks())], audience=URL, audience_trailing_slash="ignore")
    assert verifier.verify(issuer.token(LOGIN, f"{URL}/")).audience == f"{URL}/"


@pytest.mark.parametrize(
    "audience", ["https://a.example", "https://a.example/", "http://127.0.0.1:8080", "https://a.example/x", "a", ""]
)
def test_the_other_ending_of_the_other_ending_is_the_audience(audience: str) -> None:
    assert with_other_slash(with_other_slash(audience)) == audience


def test_several_audiences_and_custom_ones(issuer: FakeIssuer) -> None:
    names = [URL, "https://user-profiles-abc-uc.a.run.app", "user-profiles"]
    verifier = Verifier([google(keys=issuer.jwks())], audience=names)
    assert [verifier.verify(issuer.token(LOGIN, name)).audience for name in names] == names
    assert reason(verifier.verify, issuer.token(LOGIN, "search")) == "audience_mismatch"


def test_it_holds_for_every_issuers_audience(issuer: FakeIssuer) -> None:
    with FakeIssuer("https://idp.example") as other:
        issuers = [google(keys=issuer.jwks(), audience="https://a.example"), other.profile(audience="https://b.example/")]
        guard = Guard(issuers=issuers, callers=["allAuthenticatedUsers"], audience_trailing_slash="ignore")
        told = [
            reason(guard.check, "GET", "/", who.headers("principal:x", name))
            for who in (issuer, other)
            for name in ("https://a.example/", "https://b.example")
        ]
    assert told == [None, "audience_mismatch", "audience_mismatch", None]


@pytest.mark.parametrize(
    ("sent", "hint"), [(f"{URL}/", True), ("https://search.example", False), (f"{URL}/push", False), (["x", f"{URL}/"], True)]
)
def test_a_mismatch_shows_both_and_names_the_slash(
    sent: Any, hint: bool, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks())], audience=URL, callers=[LOGIN])
    with caplog.at_level(logging.INFO), refuses("audience_mismatch"):
        guard.check("GET", "/", issuer.headers(LOGIN, sent))
    said = caplog.messages[-1]
    assert f"configured: {URL}" in said
    assert str(sent if isinstance(sent, str) else sent[-1]) in said
    assert ("audience_trailing_slash='ignore'" in said) is hint


@pytest.mark.parametrize("value", ["Ignore", "yes", True, None, 7])
def test_anything_else_is_a_configuration_error(value: Any) -> None:
    with complains("audience_trailing_slash: ", "neither 'exact' nor 'ignore'"):
        Verifier([Issuer("https://a.example", jwks_uri="https://a.example/jwks")], audience="a", audience_trailing_slash=value)
