"""Who is on two lists: word by word, and compared with whom each list admits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import Guard, Issuer, google
from callerid.narrowing import EVERYBODY, admitted_by, narrowed
from callerid.pretend import pretended
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, FakeIssuer, named

GITHUB = "https://token.example"
PROJECT = "serviceAccount:*@shop.iam.gserviceaccount.com"
ALL = "allAuthenticatedUsers"
SUBJECT = "principal:https://accounts.google.com/1234"
JOB, JOBS = f"principal:{GITHUB}/repo:shop/a:main", f"principal:{GITHUB}/repo:shop/*"


@pytest.fixture(scope="module")
def guard() -> Guard:
    with FakeIssuer() as issuer:
        keys = issuer.jwks()
    issuers = [google(keys=keys, audience=AUDIENCE), Issuer(GITHUB, keys=keys, audience=AUDIENCE)]
    return Guard(callers=[LOGIN], issuers=issuers, groups={"both": [ANA, LOGIN]})


def both(guard: Guard, first: list[str], second: list[str]) -> list[str]:
    policy = guard.policy
    found = narrowed(*(admitted_by(policy, policy.rule("a list", words)) for words in (first, second)))
    assert found is not None
    return [" and ".join(word.text for word in way) for way in found]


@pytest.mark.parametrize(
    ("first", "second", "left"),
    named(
        ("the same", [LOGIN], [LOGIN], [LOGIN]),
        ("by another spelling", [LOGIN], [LOGIN.upper().replace("SERVICEACCOUNT", "serviceAccount")], [LOGIN]),
        ("others", [LOGIN], [SEARCH], []),
        ("one of several", [LOGIN, ANA], [ANA, SEARCH], [ANA]),
        ("a group", ["group:both"], [ANA], [ANA]),
        ("all", [ALL], [ANA, LOGIN], [LOGIN, ANA]),
        ("all twice", [ALL], [ALL], [ALL]),
        ("a project's account", [PROJECT], [LOGIN, ANA], [LOGIN]),
        ("another project's account", [PROJECT], ["serviceAccount:x@other.iam.gserviceaccount.com"], []),
        ("a project twice", [PROJECT], [PROJECT], [PROJECT]),
        ("a domain's address", [ANA], ["domain:example.com"], [ANA]),
        ("another domain's address", [ANA], ["domain:example.org"], [f"{ANA} and domain:example.org"]),
        ("a domain and an account", ["domain:example.com"], [LOGIN], []),
        ("a person and an account", [ANA], [LOGIN], []),
        ("two domains", ["domain:example.com"], ["domain:example.org"], []),
        ("a subject that may have the address", [SUBJECT], [ANA], [f"{SUBJECT} and {ANA}"]),
        ("a subject that may be the account", [LOGIN], [SUBJECT], [f"{LOGIN} and {SUBJECT}"]),
        ("two subjects", [SUBJECT], ["principal:https://accounts.google.com/5"], []),
        ("two issuers' subjects", [SUBJECT], [JOB], []),
        ("a subject without an address", [JOB], [LOGIN, ANA, "domain:example.com"], []),
        ("a subject of many", [JOBS], [JOB], [JOB]),
        ("many of more", [f"principal:{GITHUB}/repo:*"], [JOBS], [JOBS]),
    ),
)
def test_who_is_on_both(guard: Guard, first: list[str], second: list[str], left: list[str]) -> None:
    assert both(guard, first, second) == left
    assert len(both(guard, second, first)) == len(left)


def test_everybody_narrows_nothing(guard: Guard) -> None:
    some = admitted_by(guard.policy, guard.policy.callers)
    assert narrowed(EVERYBODY, some) is some is narrowed(some, EVERYBODY)
    assert narrowed(EVERYBODY, EVERYBODY) is None


def test_three_lists(guard: Guard) -> None:
    policy = guard.policy
    lists = [admitted_by(policy, policy.rule("a list", [word])) for word in (SUBJECT, "domain:example.com", ANA)]
    found = narrowed(narrowed(lists[0], lists[1]), lists[2])
    assert found is not None
    assert [[word.text for word in way] for way in found] == [[SUBJECT, ANA]]


WORDS = st.lists(st.sampled_from([LOGIN, SEARCH, ANA, PROJECT, ALL, "domain:example.com", "group:both", JOB, JOBS]), min_size=1)
PEOPLE = st.sampled_from([LOGIN, SEARCH, ANA, JOB, "user:bob@example.com", "serviceAccount:x@other.iam.gserviceaccount.com"])


@given(WORDS, WORDS, PEOPLE)
def test_whom_two_lists_admit_is_whom_what_is_left_admits(guard: Guard, first: list[str], second: list[str], member: str) -> None:
    policy = guard.policy
    caller = pretended(policy, member)

    def admits(words: list[str]) -> bool:
        members = policy.rule("a list", words).members
        return not members.names.isdisjoint(policy._reader.names_of(caller)) or members.admit_subject(caller.issuer, caller.subject)

    left = both(guard, first, second)
    assert any(all(admits([word]) for word in way.split(" and ")) for way in left) is (admits(first) and admits(second))
