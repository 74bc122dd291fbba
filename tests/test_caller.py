"""The caller as a value, and where the code behind the guard finds it."""

import asyncio
import copy
import json
import pickle
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from callerid import Caller, CallerUser, Claims, NoRequestError, current_caller
from callerid.caller import CallerAuth, Occasion

RAW: dict[str, Any] = {
    "email": "ana@example.com",
    "secret": "s3cret",
    "roles": ["a", ["b"], {"c": [1, 2.5, None, True]}],
    "nested": {"deep": {"list": []}},
}
MEMBER = "user:ana@example.com"


def caller(**changes: Any) -> Caller:
    return replace(
        Caller(
            issuer="https://accounts.google.com",
            subject="s-1234",
            audience="https://audience.example",
            email="Ana@example.com",
            claims=Claims(RAW),
            issued_at=1_800_000_000.0,
            expires_at=1_800_003_600.0,
            verified_by="signature",
            member=MEMBER,
        ),
        **changes,
    )


def test_caller_is_frozen() -> None:
    for field in fields(Caller):
        with pytest.raises(FrozenInstanceError):
            setattr(caller(), field.name, None)


def test_callers_are_comparable_and_hashable() -> None:
    assert len({caller(), caller(), caller(claims=Claims({})), caller(subject="other")}) == 3


@pytest.mark.parametrize("duplicate", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_caller_survives_pickling_and_copying(duplicate: Callable[[Caller], Caller]) -> None:
    assert duplicate(caller()) == caller()


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_caller_shows_its_member_only(show: Callable[[Caller], str]) -> None:
    assert show(caller()) == f"Caller(member={MEMBER!r})"


def test_claims_show_no_name_and_no_value() -> None:
    assert repr(caller().claims) == "<Claims of 4 names>"


def set_item(claims: Any) -> None:
    claims["email"] = "mallory@example.com"


def delete_item(claims: Any) -> None:
    del claims["email"]


def set_attribute(claims: Any) -> None:
    claims._members = {}


def delete_attribute(claims: Any) -> None:
    del claims._members


def set_inner_item(claims: Any) -> None:
    claims["roles"][2]["c"] = ()


def append_to_list(claims: Any) -> None:
    claims["roles"][1].append("x")


def set_deep_item(claims: Any) -> None:
    claims["nested"]["deep"]["list"] = ()


def update(claims: Any) -> None:
    claims.update({})


@pytest.mark.parametrize(
    "change",
    [set_item, delete_item, set_attribute, delete_attribute, set_inner_item, append_to_list, set_deep_item, update],
)
def test_claims_are_deeply_immutable(change: Callable[[Any], None]) -> None:
    claims = Claims(RAW)
    with pytest.raises((AttributeError, TypeError)):
        change(claims)
    assert claims.to_dict() == RAW


def test_claims_do_not_follow_what_they_were_made_from() -> None:
    raw: dict[str, Any] = {"list": [1], "object": {"a": 1}}
    claims = Claims(raw)
    raw["list"].append(2)
    raw["object"]["b"] = 2
    assert claims.to_dict() == {"list": [1], "object": {"a": 1}}


def test_claims_are_a_mapping() -> None:
    claims = Claims(RAW)
    assert (list(claims), len(claims), claims["email"], claims.get("absent")) == (list(RAW), 4, "ana@example.com", None)
    assert (claims == Claims(copy.deepcopy(RAW)), claims == Claims({})) == (True, False)
    assert Claims(claims) == claims


def test_to_dict_is_fresh_plain_json() -> None:
    described = caller().to_dict()
    assert (
        json.loads(json.dumps(described))
        == described
        == {
            "email": "Ana@example.com",
            "subject": "s-1234",
            "issuer": "https://accounts.google.com",
            "audience": "https://audience.example",
            "member": MEMBER,
            "verified_by": "signature",
            "claims": RAW,
        }
    )
    described["claims"]["roles"][2]["c"].clear()
    assert caller().to_dict()["claims"] == RAW


def test_user_and_auth_of_a_caller() -> None:
    user = CallerUser(caller())
    assert (user.caller, user.is_authenticated, user.is_anonymous, user.is_active) == (caller(), True, False, True)
    assert {user.identity, user.display_name, user.pk, str(user)} == {MEMBER}
    assert repr(user) == f"<CallerUser {MEMBER}>"
    assert CallerAuth(authenticated=True).scopes == ["authenticated"]


def test_user_and_auth_of_nobody() -> None:
    user = CallerUser(None)
    assert (user.caller, user.is_authenticated, user.is_anonymous, str(user)) == (None, False, True, "")
    assert CallerAuth(authenticated=False).scopes == []


def begun(who: Caller | None) -> Occasion:
    """The occasion of a request that has begun."""
    occasion = Occasion()
    occasion.caller = who
    occasion.begin()
    return occasion


def sees_no_request() -> bool:
    with pytest.raises(NoRequestError, match="CallerMiddleware"):
        current_caller()
    return True


def test_no_request_outside_of_one() -> None:
    assert sees_no_request()


@pytest.mark.parametrize("who", [caller(), None], ids=["caller", "public route"])
def test_current_caller_until_the_end(who: Caller | None) -> None:
    occasion = begun(who)
    assert current_caller() is who
    occasion.end()
    assert sees_no_request()
    assert occasion.caller is None


def test_caller_found_later_on_a_public_route_is_seen() -> None:
    occasion = begun(None)
    occasion.caller = caller()
    assert current_caller() == caller()
    occasion.end()


def test_nested_request_gives_back_the_outer() -> None:
    outer = begun(caller())
    inner = begun(None)
    assert current_caller() is None
    inner.end()
    assert current_caller() == caller()
    outer.end()
    assert sees_no_request()


def test_ending_twice_or_out_of_order_brings_nobody_back() -> None:
    outer, inner = begun(caller()), begun(caller(subject="inner"))
    outer.end()
    assert current_caller() == caller(subject="inner")
    inner.end()
    inner.end()
    assert sees_no_request()


def test_request_that_ended_in_another_context_is_let_go() -> None:
    def serve_two() -> None:
        first = begun(caller())
        copy_context().run(first.end)
        begun(caller()).end()

    context = copy_context()
    context.run(serve_two)
    assert not [value for value in context.values() if isinstance(value, Occasion)]


def test_task_that_outlives_the_request_sees_no_caller() -> None:
    async def serve() -> bool:
        go_on = asyncio.Event()

        async def outlive() -> tuple[Caller | None, bool]:
            before = current_caller()
            await go_on.wait()
            return before, sees_no_request()

        occasion = begun(caller())
        task = asyncio.create_task(outlive())
        await asyncio.sleep(0)
        occasion.end()
        go_on.set()
        return await task == (caller(), True)

    assert asyncio.run(serve())


def test_thread_that_outlives_the_request_sees_no_caller() -> None:
    ended = threading.Event()

    def outlive() -> tuple[Caller | None, bool]:
        before = current_caller()
        started.set()
        ended.wait()
        return before, sees_no_request()

    async def serve() -> tuple[Caller | None, bool]:
        occasion = begun(caller())
        work = asyncio.create_task(asyncio.to_thread(outlive))
        await asyncio.to_thread(started.wait)
        occasion.end()
        ended.set()
        return await work

    started = threading.Event()
    assert asyncio.run(serve()) == (caller(), True)


def test_concurrent_requests_see_their_own_caller() -> None:
    async def serve(subject: str, barrier: asyncio.Barrier) -> str:
        occasion = begun(caller(subject=subject))
        await barrier.wait()
        seen = current_caller()
        occasion.end()
        return "" if seen is None else seen.subject

    async def serve_all(subjects: list[str]) -> list[str]:
        barrier = asyncio.Barrier(len(subjects))
        return await asyncio.gather(*(serve(subject, barrier) for subject in subjects))

    subjects = [f"s-{number}" for number in range(20)]
    assert asyncio.run(serve_all(subjects)) == subjects
