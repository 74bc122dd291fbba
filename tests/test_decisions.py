"""`on_decision`: whoever counts is told of each decision, and can stop none."""

import asyncio
import logging
from typing import Any

import pytest

from callerid import Decision, Guard, Route, google
from callerid.handler import HandlerCheck
from callerid.request import Request
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, complains, reason


class Counter:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[Decision] = []

    def __call__(self, decision: Decision) -> None:
        self.told.append(decision)

    def last(self) -> tuple[bool, str | None, str | None]:
        """What it was told last: allowed, reason, member."""
        decision = self.told[-1]
        assert 0 < decision.seconds < 60
        return decision.allowed, decision.reason, None if decision.caller is None else decision.caller.member


@pytest.fixture
def counter() -> Counter:
    return Counter()


def guard_for(issuer: FakeIssuer, counter: Any, **keywords: Any) -> Guard:
    routes = [Route("/public/**", callers=["allUsers"])]
    return Guard(
        audience=AUDIENCE, callers=[LOGIN], issuers=[google(keys=issuer.jwks())], routes=routes, on_decision=counter, **keywords
    )


def request(issuer: FakeIssuer, member: str | None, path: str = "/") -> Request:
    headers = {} if member is None else issuer.headers(member, AUDIENCE)
    return Request("GET", path, None, list(headers.items()), {})


def test_every_decision_is_told(issuer: FakeIssuer, counter: Counter) -> None:
    guard = guard_for(issuer, counter)
    first = request(issuer, LOGIN)
    for asked, told in (
        (first, (True, None, LOGIN)),
        (Request("GET", "/", None, first.headers, {}), (True, None, LOGIN)),
        (request(issuer, STRANGER), (False, "caller_not_allowed", None)),
        (request(issuer, None), (False, "missing_credentials", None)),
        (request(issuer, None, "/public/x"), (True, None, None)),
        (request(issuer, None, "//"), (False, "ambiguous_path", None)),
    ):
        reason(guard.judge, asked)
        assert counter.last() == told
    assert len(counter.told) == 6


def test_for_tasks_too(issuer: FakeIssuer, counter: Counter) -> None:
    asyncio.run(guard_for(issuer, counter).ajudge(request(issuer, LOGIN)))
    assert counter.last() == (True, None, LOGIN)


def test_a_handlers_list_tells_what_it_refuses(issuer: FakeIssuer, counter: Counter) -> None:
    guard = guard_for(issuer, counter)
    asked = request(issuer, LOGIN)
    assert reason(HandlerCheck(guard, [ANA]), asked) == "caller_not_allowed"
    assert [(decision.allowed, decision.by) for decision in counter.told] == [(True, "guard"), (False, "handler")]
    assert counter.last() == (False, "caller_not_allowed", None)


def test_the_guards_decisions_are_as_many_as_the_requests(issuer: FakeIssuer, counter: Counter) -> None:
    guard = guard_for(issuer, counter)
    check, public = HandlerCheck(guard, [ANA]), HandlerCheck(guard, [LOGIN], optional=True)
    asked = [request(issuer, LOGIN), request(issuer, STRANGER), request(issuer, None), request(issuer, ANA)]
    assert [reason(check, each) for each in asked] == [
        "caller_not_allowed",
        "caller_not_allowed",
        "missing_credentials",
        "caller_not_allowed",
    ]
    asked += [request(issuer, member, "/public/x") for member in (None, LOGIN, ANA)]
    assert [reason(public, each) for each in asked[4:]] == [None, None, "caller_not_allowed"]
    assert [decision.by for decision in counter.told].count("guard") == len(asked)
    assert [decision.reason for decision in counter.told if decision.by == "handler"] == ["caller_not_allowed"] * 2


def test_what_it_raises_is_logged_and_stops_nobody(issuer: FakeIssuer, caplog: pytest.LogCaptureFixture) -> None:
    def fails(decision: Decision) -> None:
        raise KeyError(decision.caller)

    guard = guard_for(issuer, fails)
    for _ in range(3):
        guard.judge(request(issuer, LOGIN))
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [line for line in told if "on_decision" in line] == ["on_decision raised KeyError; that decision is not counted"]


def test_it_is_a_plain_function(issuer: FakeIssuer) -> None:
    async def later(decision: Decision) -> None: ...

    for wrong in (later, "count", 1):
        with complains("on_decision: ", "is no plain function of a Decision"):
            guard_for(issuer, wrong)
