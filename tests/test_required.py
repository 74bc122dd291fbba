"""Claims that a token must have: which values do, which are missing, and what cannot be meant."""

from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import Guard, Verifier, google
from callerid.required import RequiredClaims
from tests.support import AUDIENCE, LOGIN, FakeIssuer, complains, named, reason


class Stage(StrEnum):
    LIVE = "live"


class Level(IntEnum):
    HIGH = 3


NODE = {"google": {"compute_engine": {"project_id": "shop", "project_number": 7, "preemptible": False}}}
POD = {"kubernetes.io": {"namespace": "shop", "pod.name": "login"}}


@pytest.mark.parametrize(
    ("required", "claims", "why"),
    named(
        ("nothing", {}, {}, None),
        ("a value", {"hd": "example.com"}, {"hd": "example.com"}, None),
        ("another value", {"hd": "example.com"}, {"hd": "evil.example"}, "claim_invalid"),
        ("a value in another case", {"hd": "example.com"}, {"hd": "Example.com"}, "claim_invalid"),
        ("a longer value", {"hd": "example.com"}, {"hd": "example.com.evil"}, "claim_invalid"),
        ("no value", {"hd": "example.com"}, {}, "claim_missing"),
        ("the same letters, composed otherwise", {"team": "caf\u00e9"}, {"team": "cafe\u0301"}, "claim_invalid"),
        ("a blank more", {"hd": "example.com"}, {"hd": "example.com "}, "claim_invalid"),
        ("an empty text", {"hd": "example.com"}, {"hd": ""}, "claim_invalid"),
        ("its name in another case", {"hd": "example.com"}, {"HD": "example.com"}, "claim_missing"),
        ("a number beyond floats", {"n": 1}, {"n": 10**400}, "claim_invalid"),
        ("null", {"hd": "example.com"}, {"hd": None}, "claim_invalid"),
        ("one of several", {"azp": ["1", "2"]}, {"azp": "2"}, None),
        ("none of several", {"azp": ["1", "2"]}, {"azp": "3"}, "claim_invalid"),
        ("a list that holds it", {"azp": "1"}, {"azp": ["1"]}, "claim_invalid"),
        ("an object", {"azp": "1"}, {"azp": {"1": "1"}}, "claim_invalid"),
        ("two claims", {"hd": "a", "azp": "b"}, {"hd": "a", "azp": "b"}, None),
        ("one of two claims", {"hd": "a", "azp": "b"}, {"hd": "a"}, "claim_missing"),
        ("deep", {"google.compute_engine.project_id": "shop"}, NODE, None),
        ("deep, nested", {"google": {"compute_engine": {"project_id": ["x", "shop"]}}}, NODE, None),
        ("deep, another", {"google.compute_engine.project_id": "other"}, NODE, "claim_invalid"),
        ("deep, missing at the end", {"google.compute_engine.zone": "a"}, NODE, "claim_missing"),
        ("deep, missing at the start", {"google.compute_engine.project_id": "shop"}, {"sub": "1"}, "claim_missing"),
        ("deep, through a text", {"google.compute_engine.project_id.x": "shop"}, NODE, "claim_missing"),
        ("deep, through a list", {"a.b": "x"}, {"a": [{"b": "x"}]}, "claim_missing"),
        ("deep, through null", {"a.b": "x"}, {"a": None}, "claim_missing"),
        ("deep, a part of a text", {"a.b": "x"}, {"a": "b"}, "claim_missing"),
        ("deep, a list's index", {"a.0": "x"}, {"a": ["x"]}, "claim_missing"),
        ("deep, an object at the end", {"google.compute_engine": "shop"}, NODE, "claim_invalid"),
        ("a flat name that looks deep", {"a.b": "x"}, {"a.b": "x"}, "claim_missing"),
        ("dots of a name's own", {"kubernetes.io": {"namespace": "shop"}}, POD, None),
        ("dots of a name's own within", {"kubernetes.io": {"pod.name": "login"}}, POD, None),
        ("dots that are no path", {"kubernetes.io.namespace": "shop"}, POD, "claim_missing"),
        ("a number", {"google.compute_engine.project_number": 7}, NODE, None),
        ("a number as text", {"google.compute_engine.project_number": "7"}, NODE, "claim_invalid"),
        ("a number as a fraction", {"n": 7}, {"n": 7.0}, "claim_invalid"),
        ("false", {"google.compute_engine.preemptible": False}, NODE, None),
        ("true for one", {"n": 1}, {"n": True}, "claim_invalid"),
        ("one for true", {"n": True}, {"n": 1}, "claim_invalid"),
        ("an enumeration's text", {"stage": Stage.LIVE}, {"stage": "live"}, None),
        ("an enumeration's number", {"level": [Level.HIGH]}, {"level": 3}, None),
        ("an enumeration's number as a fraction", {"level": Level.HIGH}, {"level": 3.0}, "claim_invalid"),
        ("zero for false", {"n": False}, {"n": 0}, "claim_invalid"),
    ),
)
def test_a_claim_is_what_is_required(required: Any, claims: dict[str, Any], why: str | None) -> None:
    assert reason(RequiredClaims("require", required).check, claims) == why


@pytest.mark.parametrize(
    ("required", "words"),
    named(
        ("a text", "hd", ["require: 'hd' names no claim"]),
        ("a list", ["hd"], ["names no claim"]),
        ("an empty name", {"": "x"}, ["require: '' is no claim's name"]),
        ("an empty part of a name", {"a..b": "x"}, ["'a..b' is no claim's name"]),
        ("a name that is no text", {7: "x"}, ["7 is no claim's name"]),
        ("an empty object", {"google": {}}, ["require: {} names no claim"]),
        ("an empty list", {"hd": []}, ["require: hd: empty, so no token would do"]),
        ("null", {"hd": None}, ["require: hd: None is no text, whole number or boolean"]),
        ("a fraction", {"hd": 1.5}, ["require: hd: 1.5 is no text, whole number or boolean"]),
        ("a fraction among others", {"hd": [1.5]}, ["require: hd: 1.5 is no text, whole number or boolean"]),
        ("an object among others", {"hd": [{}]}, ["require: hd: {} is no text"]),
        ("a claim in two ways", {"a.b": "x", "a": {"b": "y"}}, ["require: a.b: given twice"]),
        ("a claim in two ways, equal", {"a": {"b": "x"}, "a.b": "x"}, ["require: a.b: given twice"]),
        ("a name within that is no text", {"a": {7: "x"}}, ["7 is no claim's name"]),
    ),
)
def test_what_cannot_be_meant_is_a_configuration_error(required: Any, words: list[str]) -> None:
    with complains(*words):
        RequiredClaims("require", required)


@pytest.mark.parametrize("required", ["", "hd", [], 0, False, ["hd"]])
def test_what_a_guard_requires_is_a_mapping_also_where_it_is_empty(required: Any) -> None:
    with complains(f"require: {required!r} names no claim"):
        Guard(audience=AUDIENCE, callers=[LOGIN], require=required)
    with complains(f"require: {required!r} names no claim"):
        google(require=required)


def test_an_object_without_end_is_a_configuration_error() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with complains("names no claim"):
        RequiredClaims("require", endless)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    claims=st.dictionaries(st.sampled_from(["a", "b", "a.b"]), json_values),
    value=st.text(max_size=3) | st.integers() | st.booleans(),
)
def test_whatever_the_claims_are_only_the_very_value_passes(claims: dict[str, Any], value: str | int) -> None:
    found = claims.get("a", "nothing")
    passes = type(found) is type(value) and found == value and "a" in claims
    assert (reason(RequiredClaims("require", {"a": value}).check, claims) is None) == passes


def test_a_token_without_it_is_refused_before_any_key_is_fetched(issuer: FakeIssuer) -> None:
    for options in ({"issuers": [google(jwks_uri=issuer.jwks_uri, require={"hd": "a"})]}, {"require": {"hd": "a"}}):
        guard = Guard(**{"issuers": [issuer.google()], "audience": AUDIENCE, "callers": [LOGIN]} | options)
        told = [reason(guard.check, "GET", "/", issuer.headers(LOGIN, AUDIENCE, hd=hd)) for hd in (None, "b", "a")]
        assert told == ["claim_missing", "claim_invalid", None]
    before = issuer.requests
    verifier = Verifier([google(jwks_uri=issuer.jwks_uri, require={"hd": "a"})], audience=AUDIENCE)
    assert reason(verifier.verify, issuer.token(LOGIN, AUDIENCE)) == "claim_missing"
    assert issuer.requests == before


def test_both_the_issuers_and_the_guards_are_required(issuer: FakeIssuer) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks(), require={"a": "1"})], require={"b": "2"}, audience=AUDIENCE, callers=[LOGIN])
    told = [reason(guard.check, "GET", "/", issuer.headers(LOGIN, AUDIENCE, a=a, b=b)) for a in ("1", None) for b in ("2", None)]
    assert told == [None, "claim_missing", "claim_missing", "claim_missing"]


def test_the_note_names_the_claim_and_what_is_required_and_never_the_tokens_value() -> None:
    with pytest.raises(Exception, match="claim_invalid") as refused:
        RequiredClaims("require", {"hd": ["b", "a"]}).check({"hd": "secret"})
    assert getattr(refused.value, "note", "") == "hd is not what is required: 'a', 'b'"
