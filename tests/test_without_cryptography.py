"""Callers without tokens, for test suites: the policy decides as ever, and nobody else can be one."""

import threading
from pathlib import Path

import pytest

from callerid import Guard, Route, google, iap
from callerid.testing import without_cryptography
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, complains, reason
from tests.test_reload import look

BACKEND = "/projects/1/global/backendServices/2"
NOWHERE = "http://127.0.0.1:9/jwks"


@pytest.fixture
def guard() -> Guard:
    """Its keys can never be had."""
    routes = [Route("/profiles/{id}", methods=["PUT"], callers=[ANA])]
    return Guard(
        audience=AUDIENCE,
        callers=[LOGIN, ANA, "principal:https://accounts.google.com/7"],
        issuers=[google(jwks_uri=NOWHERE)],
        routes=routes,
    )


def test_the_policy_decides_and_no_key_is_needed(guard: Guard) -> None:
    with without_cryptography(guard) as as_caller:
        for member, method, why in (
            (LOGIN, "GET", None),
            (LOGIN, "PUT", "caller_not_allowed"),
            (ANA, "PUT", None),
            (STRANGER, "GET", "caller_not_allowed"),
            ("principal:https://accounts.google.com/7", "GET", None),
        ):
            assert reason(guard.check, method, "/profiles/7", as_caller(member)) == why
        caller = guard.check("GET", "/", as_caller(ANA, picture="p"))
        assert caller is not None
        assert (caller.member, caller.email, caller.audience, caller.claims["picture"]) == (ANA, "ana@example.com", AUDIENCE, "p")
    assert guard.status()["https://accounts.google.com"]["fetches"] == 0


def test_nobody_is_one_any_more_when_it_ends(guard: Guard) -> None:
    with without_cryptography(guard) as as_caller:
        headers = as_caller(LOGIN)
        assert reason(guard.check, "GET", "/", headers) is None
    assert reason(guard.check, "GET", "/", headers) == "malformed_token"
    assert guard.memory_status()["entries"] == 0


def test_what_is_handed_out_cannot_be_guessed_and_is_good_for_one_guard(guard: Guard) -> None:
    other = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(jwks_uri=NOWHERE)])
    with without_cryptography(guard) as as_caller:
        first, second = as_caller(LOGIN), as_caller(LOGIN)
        assert first != second
        assert len(first["X-Serverless-Authorization"]) > 40
        assert reason(other.check, "GET", "/", first) == "malformed_token"
        cut = {name: value[:-1] for name, value in first.items()}
        assert reason(guard.check, "GET", "/", cut) == "malformed_token"


def test_a_header_that_holds_the_token_alone(guard: Guard) -> None:
    behind = Guard(
        issuers=[iap(audience=BACKEND, jwks_uri=NOWHERE), google(audience=AUDIENCE, jwks_uri=NOWHERE)], callers=[ANA, LOGIN]
    )
    with without_cryptography(behind) as as_caller:
        assert list(as_caller(ANA)) == ["X-Goog-IAP-JWT-Assertion"]
        assert list(as_caller(LOGIN)) == ["X-Serverless-Authorization"]
        assert [reason(behind.check, "GET", "/", as_caller(member)) for member in (ANA, LOGIN)] == [None, None]


def test_another_thread_that_serves_sees_the_same(guard: Guard) -> None:
    seen: list[str | None] = []
    with without_cryptography(guard) as as_caller:
        headers = as_caller(LOGIN)
        thread = threading.Thread(target=lambda: seen.append(reason(guard.check, "GET", "/", headers)))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.parametrize("member", ["allUsers", "group:x", "usr:ana@example.com"])
def test_whoever_is_not_one_caller(guard: Guard, member: str) -> None:
    with without_cryptography(guard) as as_caller, complains():
        as_caller(member)


def test_a_guard_that_remembers_nothing() -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(jwks_uri=NOWHERE)], remember=0)
    with without_cryptography(guard) as as_caller, complains("without_cryptography: this Guard remembers nothing"):
        as_caller(LOGIN)


def test_a_memory_that_is_too_small_for_one() -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(jwks_uri=NOWHERE)], remember_bytes=500)
    with (
        without_cryptography(guard) as as_caller,
        complains("without_cryptography: ", "no room for a single token", "remember_bytes"),
    ):
        as_caller(LOGIN)


def test_a_policy_that_is_taken_anew_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n")
    guard = Guard.from_file(tmp_path / "policy.toml")
    with without_cryptography(guard) as as_caller:
        before = as_caller(LOGIN)
        (tmp_path / "policy.toml").write_text(f"audience = '{AUDIENCE}'\ncallers = ['{ANA}']\nleeway = 5\n")
        look(guard)
        after, ana = as_caller(LOGIN), as_caller(ANA)
        assert [reason(guard.check, "GET", "/", each) for each in (after, ana)] == ["caller_not_allowed", None]
    assert [reason(guard.check, "GET", "/", each) for each in (before, after, ana)] == ["malformed_token"] * 3
    assert guard.memory_status()["entries"] == 0


def test_no_more_callers_than_the_guard_remembers() -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(jwks_uri=NOWHERE)], remember=2)
    with without_cryptography(guard) as as_caller:
        headers = [as_caller(LOGIN) for _ in range(3)]
        assert [reason(guard.check, "GET", "/", each) for each in headers] == ["malformed_token", None, None]


def test_a_caller_is_as_a_token_would_have_it(guard: Guard) -> None:
    with without_cryptography(guard) as as_caller:
        caller = guard.check("GET", "/", as_caller("user:Ana@Example.com"))
        assert caller is not None
        assert caller.member == ANA
        with complains("says what sub is"):
            as_caller("principal:https://accounts.google.com/7", sub="8")
