"""A handler's own list, behind its Guard, without it, behind another one, and on a public route."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from callerid import Caller, Guard, Issuer, Route, current_caller, google
from callerid.guard import Judgement
from callerid.handler import HandlerCheck
from callerid.request import Request
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, FakeIssuer, complains, named, refuses

Call = Callable[[HandlerCheck, Request], Caller | None]


def in_thread(check: HandlerCheck, request: Request) -> Caller | None:
    return check(request)


def in_task(check: HandlerCheck, request: Request) -> Caller | None:
    return asyncio.run(check.acall(request))


on_both_faces = pytest.mark.parametrize("call", [in_thread, in_task])


@pytest.fixture(scope="module")
def google_at_hand(issuer: FakeIssuer) -> Issuer:
    return google(keys=issuer.jwks())


@pytest.fixture
def guard(google_at_hand: Issuer) -> Guard:
    routes = [Route("/public", callers=["allUsers"]), Route("/ana", callers=[ANA])]
    return Guard(issuers=[google_at_hand], audience=AUDIENCE, callers=[LOGIN, SEARCH], routes=routes)


@pytest.fixture
def lax(google_at_hand: Issuer) -> Guard:
    """Another Guard, which lets everybody pass."""
    return Guard(issuers=[google_at_hand], audience=AUDIENCE, callers=["allAuthenticatedUsers"])


def request(issuer: FakeIssuer, path: str, credentials: str) -> Request:
    """A request whose credentials are a member's token, or what stands there."""
    sent = f"Bearer {issuer.token(credentials, AUDIENCE)}" if "@" in credentials else credentials
    return Request("GET", path, None, [("Authorization", sent)] if sent else [], {})


@contextmanager
def begun(guard: Guard, request: Request) -> Iterator[Judgement]:
    """This request's judgement, while the request is served."""
    judgement = guard.judge(request)
    judgement.begin()
    try:
        yield judgement
    finally:
        judgement.end()


@on_both_faces
def test_the_handlers_caller_is_current_also_behind_another_guard(call: Call, guard: Guard, lax: Guard, issuer: FakeIssuer) -> None:
    outer, inner = request(issuer, "/", LOGIN), request(issuer, "/ana", ANA)
    with begun(lax, outer):
        inner.state = outer.state
        assert call(HandlerCheck(guard, [ANA]), inner) == current_caller()


@on_both_faces
def test_the_caller_of_a_request_is_not_that_of_one_that_it_makes_within(call: Call, guard: Guard, issuer: FakeIssuer) -> None:
    """As a handler for batches does, which calls its own application with a copy of the scope."""
    outer, inner = request(issuer, "/", LOGIN), request(issuer, "/ana", ANA)
    with begun(guard, outer) as judgement:
        inner.state = dict(outer.state)
        guard.judge(inner)
        assert call(HandlerCheck(guard, [ANA]), inner) != current_caller()
        assert current_caller() is judgement.caller is call(HandlerCheck(guard, [LOGIN]), outer)


@on_both_faces
def test_a_judgement_that_has_ended_lets_nobody_pass(call: Call, guard: Guard, issuer: FakeIssuer) -> None:
    first = request(issuer, "/", LOGIN)
    with begun(guard, first):
        pass
    later = request(issuer, "/", STRANGER)
    later.state = first.state
    with refuses("caller_not_allowed"):
        call(HandlerCheck(guard), later)


CASES = named(
    ("a caller on the list", "/", LOGIN, [LOGIN], False, LOGIN),
    ("a caller who is not", "/", SEARCH, [LOGIN], False, "caller_not_allowed"),
    ("no list: whom the Guard admits", "/", SEARCH, None, False, SEARCH),
    ("no list: whom a route admits", "/ana", ANA, None, False, ANA),
    ("a list never widens", "/", STRANGER, [STRANGER], False, "caller_not_allowed"),
    ("a list never widens a route", "/ana", LOGIN, [LOGIN], False, "caller_not_allowed"),
    ("nobody", "/", "", [LOGIN], False, "missing_credentials"),
    ("nobody, optional", "/", "", [LOGIN], True, "missing_credentials"),
    ("junk", "/", "Bearer", None, False, "malformed_credentials"),
    ("an ambiguous path", "//public", LOGIN, [LOGIN], True, "ambiguous_path"),
    ("public: a caller on the list", "/public", LOGIN, [LOGIN], False, LOGIN),
    ("public: a caller who is not", "/public", SEARCH, [LOGIN], False, "caller_not_allowed"),
    ("public: a caller whom only the list knows", "/public", STRANGER, [STRANGER], False, STRANGER),
    ("public: every verified caller, if it says so", "/public", STRANGER, ["allAuthenticatedUsers"], False, STRANGER),
    ("public, no list: one of the Guard's", "/public", LOGIN, None, False, LOGIN),
    ("public, no list: a stranger", "/public", STRANGER, None, False, "caller_not_allowed"),
    ("public: nobody", "/public", "", [LOGIN], False, "missing_credentials"),
    ("public: another scheme", "/public", "Basic YTpi", [LOGIN], False, "missing_credentials"),
    ("public, optional: nobody", "/public", "", [LOGIN], True, None),
    ("public, optional: another scheme", "/public", "Basic YTpi", [LOGIN], True, None),
    ("public, optional: nobody, no list", "/public", "", None, True, None),
    ("public, optional: a caller on the list", "/public", LOGIN, [LOGIN], True, LOGIN),
    ("public, optional: a caller who is not", "/public", SEARCH, [LOGIN], True, "caller_not_allowed"),
    ("public, optional: a stranger, no list", "/public", STRANGER, None, True, "caller_not_allowed"),
    ("public, optional: a bad token", "/public", "Bearer junk", [LOGIN], True, "malformed_token"),
    ("public, optional: junk", "/public", "Bearer", [LOGIN], True, "malformed_credentials"),
)


@on_both_faces
@pytest.mark.parametrize("before", ["nobody", "its own Guard", "another Guard"])
@pytest.mark.parametrize(("path", "credentials", "callers", "optional", "expected"), CASES)
def test_the_answer_is_the_same_whoever_has_run_before(
    path: str,
    credentials: str,
    callers: list[str] | None,
    optional: bool,
    expected: str | None,
    before: str,
    call: Call,
    guard: Guard,
    lax: Guard,
    issuer: FakeIssuer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "callerid")
    check = HandlerCheck(guard, callers, optional=optional)
    sent = request(issuer, path, credentials)

    def serve() -> Caller | None:
        if before == "its own Guard":
            guard.judge(sent)
        elif before == "another Guard" and "@" in credentials:
            lax.judge(sent)
        return call(check, sent)

    caplog.clear()
    if expected is None or "@" in expected:
        caller = serve()
        assert (caller.member if caller else None) == expected
        assert caplog.records == []
    else:
        with refuses(expected):
            serve()
        (record,) = caplog.records
        assert expected in record.getMessage()


@on_both_faces
def test_what_a_check_finds_on_a_public_route_is_the_requests_caller(call: Call, guard: Guard, issuer: FakeIssuer) -> None:
    sent = request(issuer, "/public", LOGIN)
    with begun(guard, sent) as judgement:
        assert current_caller() is None
        with refuses("caller_not_allowed"):
            call(HandlerCheck(guard, [SEARCH]), sent)
        assert current_caller() is judgement.caller is None
        caller = call(HandlerCheck(guard, [LOGIN]), sent)
        assert current_caller() is judgement.caller is caller is not None


@on_both_faces
def test_a_token_is_verified_once_for_its_guard_and_all_checks(call: Call, google_at_hand: Issuer, issuer: FakeIssuer) -> None:
    guard = Guard(issuers=[google_at_hand], audience=AUDIENCE, callers=[LOGIN], remember=0)
    sent = request(issuer, "/", LOGIN)
    found = guard.judge(sent).caller
    for _ in range(2):
        assert call(HandlerCheck(guard), sent) is found is not None


@on_both_faces
def test_every_check_of_a_request_counts(call: Call, guard: Guard, issuer: FakeIssuer) -> None:
    sent = request(issuer, "/public", LOGIN)
    assert call(HandlerCheck(guard, [LOGIN]), sent) is not None
    with refuses("caller_not_allowed"):
        call(HandlerCheck(guard, [SEARCH]), sent)
    assert call(HandlerCheck(guard, [LOGIN, SEARCH]), sent) is not None


@on_both_faces
def test_a_caller_whom_a_list_refused_is_not_remembered(call: Call, guard: Guard, issuer: FakeIssuer) -> None:
    with refuses("caller_not_allowed"):
        call(HandlerCheck(guard, [SEARCH]), request(issuer, "/public", LOGIN))
    assert len(guard.verifier.memory) == 0


@pytest.mark.parametrize(
    ("callers", "words"),
    named(
        ("empty", [], ["empty, so nobody could call", "leave the list out for every caller that the Guard admits"]),
        ("a text", LOGIN, ["list"]),
        ("a typo", ["serviceacount:a@b.iam.gserviceaccount.com"], ["did you mean"]),
        ("everybody", ["allUsers"], ["allUsers", "public"]),
        ("everybody among others", [LOGIN, "allUsers"], ["allUsers"]),
        ("an unknown group", ["group:admins"], ["admins"]),
    ),
)
def test_a_list_that_cannot_be_meant_is_named_at_start(callers: Any, words: list[str], guard: Guard) -> None:
    with complains("a handler's callers", *words):
        HandlerCheck(guard, callers)


def test_what_is_no_guard_is_named_at_start() -> None:
    not_a_guard: Any = "guard"
    with complains("guard", "no Guard"):
        HandlerCheck(not_a_guard)
