"""How much memory what is remembered takes, whatever strangers send: tokens, their headers, and paths."""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from callerid import Guard, Route, google
from callerid.policy import USUAL_LENGTH, USUAL_REQUESTS
from callerid.request import Request
from tests.attacks.forge import compact
from tests.support import AUDIENCE, LOGIN, STRANGER, Clock, FakeIssuer, named, reason

NOW = 1_800_000_000
HOUR = 3600
MEGABYTE = 1_000_000
NOTHING = {"entries": 0, "bytes": 0, "hits": 0, "lapsed": 0, "evicted": 0}

Claims = dict[str, Any]


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeIssuer]:
    """Google's name, keys of its own, and the hour of these tests."""
    with FakeIssuer(algorithm="ES256", clock=lambda: NOW) as signer:
        yield signer


@pytest.fixture
def guard(signer: FakeIssuer) -> Guard:
    return build(signer)


def build(signer: FakeIssuer, **options: Any) -> Guard:
    at_hand = google(keys=signer.jwks(), algorithms=["ES256"])
    routes = [Route("/admin/**", callers=[STRANGER]), Route("/notes/{id}", methods=["GET"], callers=["allUsers"])]
    settings: dict[str, Any] = {"audience": AUDIENCE, "callers": [LOGIN], "routes": routes, "clock": Clock(NOW)}
    return Guard(issuers=[at_hand], **settings | options)


def growth(send: Callable[[], object]) -> int:
    """How many bytes are taken afterwards that were not before."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    send()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


def ask(guard: Guard, tokens: Iterable[str], path: str = "/") -> set[str | None]:
    """Why the tokens are refused. What bears them is made anew, as by a server."""
    return {reason(guard.check, "GET", path, [("Authorization", f"Bearer {token}")]) for token in tokens}


# Invalid tokens

FLOOD = 500


def unsigned(signer: FakeIssuer, header: Claims | None = None, **changes: Any) -> str:
    """A token of LOGIN's that nobody has signed."""
    claims = signer.claims(LOGIN, AUDIENCE) | changes
    return compact({"alg": "ES256", "kid": signer.kid, "typ": "JWT"} | (header or {}), claims, b"\1" * 64)


INVALID: list[Any] = named(
    ("a signature of nobody's", "signature_invalid", lambda signer, n: unsigned(signer, jti=n)),
    ("another audience", "audience_mismatch", lambda signer, n: unsigned(signer, aud=f"https://service-{n}.example")),
    ("too old", "token_expired", lambda signer, n: unsigned(signer, iat=NOW - 2 * HOUR - n, exp=NOW - HOUR - n)),
    ("too early", "token_not_yet_valid", lambda signer, n: unsigned(signer, iat=NOW + HOUR + n, exp=NOW + 2 * HOUR)),
    ("another issuer", "issuer_not_allowed", lambda signer, n: unsigned(signer, iss=f"https://issuer-{n}.example")),
    ("a key that nobody knows", "unknown_key", lambda signer, n: unsigned(signer, {"kid": f"key-{n + 1000}"})),
    ("long names of keys", "unknown_key", lambda signer, n: unsigned(signer, {"kid": f"{n:0256}"})),
    ("headers as long as are remembered", "signature_invalid", lambda signer, n: unsigned(signer, {"x": f"{n:0300}"})),
    ("headers that are longer", "signature_invalid", lambda signer, n: unsigned(signer, {"x": f"{n:09000}"})),
    ("a signature removed", "signature_removed", lambda signer, n: signer.strip_signature(unsigned(signer, jti=n))),
    ("no JSON", "malformed_token", lambda signer, n: compact({"alg": "ES256"}, f"{{{n}", b"\1" * 64)),
    ("no token", "malformed_token", lambda signer, n: f"token-{n}"),
    ("no bearer token", "malformed_credentials", lambda signer, n: f"token {n}"),
    ("long", "malformed_token", lambda signer, n: f"{n:017000}"),
)


@pytest.mark.parametrize(("why", "make"), INVALID)
def test_a_flood_of_invalid_tokens_leaves_nothing_behind(
    why: str, make: Callable[[FakeIssuer, int], str], guard: Guard, signer: FakeIssuer
) -> None:
    assert ask(guard, [make(signer, FLOOD)]) == {why}
    assert growth(lambda: ask(guard, (make(signer, number) for number in range(FLOOD)))) < 200_000
    assert guard.memory_status() == NOTHING | {"misses": FLOOD + 1}


def test_a_flood_of_every_invalid_token_on_paths_of_its_own_leaves_nothing_behind(guard: Guard, signer: FakeIssuer) -> None:
    kinds = [case.values for case in INVALID]

    def send() -> None:
        for number in range(3000):
            why, make = kinds[number % len(kinds)]
            assert ask(guard, [make(signer, number)], path=f"/{number:0200}") == {why}

    assert growth(send) < MEGABYTE
    assert guard.memory_status() == NOTHING | {"misses": 3000}


def test_a_flood_of_callers_who_may_not_pass_leaves_nothing_behind(guard: Guard, signer: FakeIssuer) -> None:
    tokens = [signer.token(STRANGER, AUDIENCE, jti=str(number)) for number in range(500)]
    assert growth(lambda: ask(guard, tokens)) < 100_000
    assert ask(guard, tokens) == {"caller_not_allowed"}
    assert guard.memory_status() == NOTHING | {"misses": 1000}


# Valid tokens

SHAPES: list[Any] = named(
    ("as Google makes them", {}, 300),
    ("many small objects", {"x": [{"y": {}}] * 100}, 15),
    ("objects of some members", {"x": [{f"{inner}{outer}": 1.5 for inner in range(6)} for outer in range(100)]}, 10),
    ("many members", {f"member-{number}": 1000 + number for number in range(400)}, 15),
    ("many arrays", {"x": [[]] * 2000}, 12),
    ("deep arrays", {"x": json.loads("[" * 30 + "]" * 30)}, 200),
    ("large numbers", {"x": [10**4000]}, 70),
    ("long wide names", {"sub": "s" * 9000 + "\N{WHALE}", "email": None}, 15),
)


@pytest.mark.parametrize(("claims", "count"), SHAPES)
@pytest.mark.parametrize("face", ["guard", "verifier"])
def test_remembered_tokens_take_no_more_than_they_may(face: str, claims: Claims, count: int, signer: FakeIssuer) -> None:
    guard = build(signer, remember_bytes=MEGABYTE, callers=["allAuthenticatedUsers"])
    tokens = [signer.token(LOGIN, AUDIENCE, jti=str(number), **claims).encode() for number in range(count)]
    names = [sys.intern(name) for name in claims]  # or the interpreter's table of them may grow meanwhile, by a megabyte
    assert len(names) == len(claims)

    def send() -> None:
        for token in tokens:
            if face == "guard":
                assert ask(guard, [token.decode()]) == {None}
            else:
                guard.verifier.verify(token.decode())

    assert growth(send) < MEGABYTE
    status = guard.memory_status()
    assert status["entries"] + status["evicted"] == status["misses"] == count
    assert status["bytes"] <= MEGABYTE
    assert status["evicted"] > 0


def test_a_flood_of_valid_tokens_leaves_as_many_as_may_be_kept(signer: FakeIssuer) -> None:
    guard = build(signer, remember=100)
    tokens = [signer.token(LOGIN, AUDIENCE, jti=str(number)) for number in range(500)]
    assert growth(lambda: ask(guard, tokens)) < 100 * 5000
    status = guard.memory_status()
    assert status["bytes"] < 100 * 5000
    assert (status["entries"], status["evicted"]) == (100, 400)


# Paths


def judged(guard: Guard, method: str, path: str, raw_path: bytes | str | None = None, headers: Any = ()) -> str | None:
    return reason(guard.judge, Request(method, path, raw_path, headers, {}))


LONG = 10_000


@pytest.mark.parametrize(
    ("request_of", "most"),
    named(
        ("paths", lambda n: ("GET", f"/notes/{n:0480}", None), 2500 * USUAL_REQUESTS),
        ("paths as they were sent", lambda n: ("GET", "/notes/1", f"/notes/1?{n:0480}".encode()), 2500 * USUAL_REQUESTS),
        ("methods", lambda n: (f"METHOD-{n}", "/notes/1", None), 2500 * USUAL_REQUESTS),
        ("long paths", lambda n: ("GET", f"/notes/{n:0{LONG}}", None), 20 * LONG),
        ("long paths as they were sent", lambda n: ("GET", "/notes/1", f"/notes/1?{n:0{LONG}}".encode()), 20 * LONG),
        ("long methods", lambda n: (f"METHOD-{n:0{LONG}}", "/notes/1", None), 20 * LONG),
        ("ambiguous paths", lambda n: ("GET", f"//{n:0480}", None), 20 * LONG),
    ),
)
def test_a_flood_of_paths_grows_nothing_beyond_its_bound(
    request_of: Callable[[int], tuple[str, str, bytes | None]], most: int, guard: Guard
) -> None:
    judged(guard, *request_of(0))
    assert growth(lambda: [judged(guard, *request_of(number)) for number in range(2500)]) < most


@pytest.mark.parametrize(
    ("method", "path", "raw_path", "why"),
    named(
        ("a public route", "GET", "/notes/1", None, None),
        ("its HEAD", "HEAD", "/notes/1", None, None),
        ("in lower case", "get", "/notes/1", b"/notes/1", None),
        ("another method", "PUT", "/notes/1", b"/notes/1", "missing_credentials"),
        ("another method in lower case", "put", "/notes/1", b"/notes/1", "missing_credentials"),
        ("with a final slash", "GET", "/notes/1/", b"/notes/1/", None),
        ("a path in another case", "GET", "/Notes/1", b"/Notes/1", "missing_credentials"),
        ("encoded, harmless", "GET", "/notes/1", b"/notes/%31", None),
        ("encoded, harmless, as text", "GET", "/notes/1", "/notes/%31", None),
        ("encoded, ambiguous", "GET", "/notes/1", b"/x/%2e%2e/notes/1", "ambiguous_path"),
        ("encoded, ambiguous, as text", "GET", "/notes/1", "/x/%2e%2e/notes/1", "ambiguous_path"),
        ("an ambiguous path", "GET", "/notes//1", b"/notes/1", "ambiguous_path"),
        ("the longest usual path", "GET", f"/notes/{'1' * (USUAL_LENGTH - 10)}", None, None),
        ("an unusual path", "GET", f"/notes/{'1' * (USUAL_LENGTH - 9)}", None, None),
        ("an unusual path as it was sent", "GET", "/notes/1", b"/notes/1?" + b"1" * USUAL_LENGTH, None),
        ("the longest usual method", "M" * (USUAL_LENGTH - 8), "/notes/1", None, "missing_credentials"),
        ("an unusual method", "M" * (USUAL_LENGTH - 7), "/notes/1", None, "missing_credentials"),
    ),
)
def test_a_path_is_judged_the_same_at_first_and_ever_after(
    method: str, path: str, raw_path: bytes | str | None, why: str | None, guard: Guard
) -> None:
    """Whichever like it have been remembered before and between."""
    for before in (("GET", "/notes/1", None), ("GET", "/notes/1", b"/notes/1"), ("PUT", "/notes/1", None)):
        assert judged(guard, method, path, raw_path) == why
        judged(guard, *before)
        assert judged(guard, method, path, raw_path) == why


def test_what_is_remembered_of_a_path_admits_nobody_else(guard: Guard, signer: FakeIssuer) -> None:
    login, stranger = (list(signer.headers(member, AUDIENCE).items()) for member in (LOGIN, STRANGER))
    asked = [("/", login), ("/admin/x", login), ("/", stranger), ("/admin/x", stranger)]
    expected = [None, "caller_not_allowed", "caller_not_allowed", None]
    assert [judged(guard, "GET", path, None, headers) for path, headers in asked * 3] == expected * 3


def test_a_rule_is_found_anew_where_routers_differ_on_the_path(guard: Guard) -> None:
    assert judged(guard, "GET", "/notes/1") is None
    request = Request("GET", "/notes/1", None, (), {}, other_path="/admin/1")
    assert [reason(guard.judge, request), judged(guard, "GET", "/notes/1")] == ["ambiguous_path", None]
