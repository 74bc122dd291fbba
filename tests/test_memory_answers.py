"""Memory changes no answer: a Guard that remembers, and one that does not, are asked the same, and say the same."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callerid import Caller, Guard, Header, Issuer, Refused, Route, google
from callerid.keys.keyset import parse_jwks
from callerid.request import Request
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, Clock, FakeIssuer, named
from tests.test_memory import Shelf

NOW, HOUR = 1_800_000_000, 3600
IDP = "https://idp.example"
BATCH = f"principal:{IDP}/batch"

AUTHORIZATION, SERVERLESS = Header("Authorization"), Header("X-Serverless-Authorization")
COOKIE, PARTNER = Header("X-Cookie", scheme=None, cookie_borne=True), Header("X-Partner", issuers=(IDP,))
HEADERS = [SERVERLESS, AUTHORIZATION, COOKIE, PARTNER]
ROUTES = [
    Route("/public/**", callers=["allUsers"]),
    Route("/admin", callers=[SEARCH]),
    Route("/notes/{id}", methods=["GET"], callers=["allAuthenticatedUsers"]),
]


class World:
    """Who signs, with which keys, and the tokens that there are. Signed once: no two signatures of ES256 are equal."""

    def __init__(self, first: FakeIssuer, second: FakeIssuer, idp: FakeIssuer) -> None:
        self.tokens = [
            *(first.token(member, AUDIENCE) for member in (LOGIN, SEARCH, STRANGER, ANA)),
            first.token(LOGIN, AUDIENCE, exp=NOW + 2 * HOUR),
            first.token(LOGIN, AUDIENCE, nbf=NOW + HOUR),
            first.token(LOGIN, "https://other.example"),
            second.token(LOGIN, AUDIENCE),
            idp.token(BATCH, AUDIENCE),
            idp.token(BATCH, AUDIENCE, iss="https://accounts.google.com"),
        ]
        first.rotate()
        self.tokens += [first.token(LOGIN, AUDIENCE), first.sign(first.claims(LOGIN, AUDIENCE), kid="key-1")]
        self.tokens += [first.forge_signature(self.tokens[0]), first.strip_signature(self.tokens[0]), self.tokens[0][:-1]]
        self.tokens += [first.sign(first.claims(LOGIN, AUDIENCE), kid=None)]  # of the second key, and it does not say so
        self.keys = [key for issuer in (first, second) for key in parse_jwks(issuer.jwks())]
        self.idp_keys = idp.jwks()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Two makers of Google's keys, who both call their first one key-1, and an issuer of another name."""
    first, second, idp = issuers = [FakeIssuer(iss, algorithm="ES256", clock=lambda: NOW) for iss in (GOOGLE, GOOGLE, IDP)]
    yield World(first, second, idp)
    for issuer in issuers:
        issuer.close()


GOOGLE = "https://accounts.google.com"


@dataclass
class Pair:
    """Two Guards that differ in nothing but their memory, and the world around them."""

    world: World
    options: dict[str, int]
    clock: Clock = field(default_factory=lambda: Clock(NOW))
    shelf: Shelf = field(default_factory=Shelf)

    def __post_init__(self) -> None:
        self.put({0})
        self.remembering, self.forgetful = self.guard(**self.options), self.guard(remember=0)

    def guard(self, **options: Any) -> Guard:
        issuers = [
            google(keys=self.shelf, algorithms=["ES256"], audience=AUDIENCE),
            Issuer(IDP, keys=self.world.idp_keys, algorithms=["ES256"], audience=AUDIENCE),
        ]
        return Guard(issuers=issuers, callers=[LOGIN, BATCH], routes=ROUTES, headers=HEADERS, clock=self.clock, **options)

    def put(self, places: set[int]) -> None:
        self.shelf.put(*(self.world.keys[place] for place in places))

    def answers(self, ask: Callable[[Guard], Caller | None]) -> list[object]:
        """What both say: who calls, or why not."""
        found: list[object] = []
        for guard in (self.remembering, self.forgetful):
            try:
                found.append(ask(guard))
            except Refused as refused:
                found.append((refused.status, refused.reason, refused.headers, refused.body))
        return found


Step = Callable[[Pair], list[object]]

VALUES = ["{}", "Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", " Bearer {}", "Bearer {} ", "\tBearer {}\t", " {} "]
VALUES += [
    "Bearer{}",
    "Bearer\t{}",
    "Bearer {},",
    "Bearer {}=",
    "Basic {}",
    "Bearer {0} {0}",
    "Bearer {0},Bearer {0}",
    "Bearer \xe9{}",
]
PATHS = ["/", "/public/x", "/admin", "/Admin", "/admin/", "/notes/1", "//admin", "/public/../admin"]
RAW_PATHS = [None, b"/", b"/x/%2e%2e/admin", b"/%61dmin", b"/notes/%31"]


TOKENS = st.sampled_from([*[0] * 10, *range(15)])
NAMES = st.sampled_from([header.name for header in HEADERS])
ASPECTS: dict[str, st.SearchStrategy[Any]] = {
    "method": st.sampled_from(["HEAD", "POST", "get"]),
    "path": st.sampled_from(PATHS),
    "raw_path": st.sampled_from(RAW_PATHS),
    "name": NAMES,
    "value": st.sampled_from(VALUES),
    "site": st.just("https://evil.example"),
    "place": TOKENS,
    "other": st.tuples(NAMES, st.sampled_from(VALUES), TOKENS),
}
PLAIN: dict[str, Any] = {"method": "GET", "path": "/", "raw_path": None, "name": "Authorization", "value": "Bearer {}"}
PLAIN |= {"site": None, "place": 0, "other": None}


@st.composite
def requests(draw: st.DrawFn) -> Step:
    """A plain request, but for a thing or two."""
    start = draw(st.sampled_from([{}, {}, {"name": "X-Cookie", "value": "{}"}]))
    varied = {aspect: draw(ASPECTS[aspect]) for aspect in draw(st.sets(st.sampled_from(list(ASPECTS)), max_size=2))}
    return request(**start | varied)


def request(**changes: Any) -> Step:
    """A plain request, but for these."""
    it = PLAIN | changes
    lines = [(it["name"], it["value"], it["place"]), *([it["other"]] if it["other"] else [])]

    def step(pair: Pair) -> list[object]:
        headers: list[tuple[str | bytes, str | bytes]] = [("Host", "me.example")]
        headers += [("Origin", it["site"])] if it["site"] else []
        headers += [(name, value.format(pair.world.tokens[place]).encode("latin-1")) for name, value, place in lines]
        return pair.answers(lambda guard: guard.judge(Request(it["method"], it["path"], it["raw_path"], headers, {})).caller)

    return step


@st.composite
def verifications(draw: st.DrawFn) -> Step:
    """Code of its own verifies a token, or what is none."""
    header = draw(st.sampled_from([*[AUTHORIZATION] * 4, None, *HEADERS]))
    value, place = draw(st.sampled_from([*["{}"] * 4, "Bearer {}", " {}", "{} "])), draw(TOKENS)
    return lambda pair: pair.answers(lambda guard: guard.verifier.verify(value.format(pair.world.tokens[place]), header=header))


def passing(seconds: float) -> Step:
    """Time passes, or the clock is put back."""

    def step(pair: Pair) -> list[object]:
        pair.clock.advance(seconds)
        return []

    return step


def publishing(places: set[int]) -> Step:
    """Google publishes these keys alone: two of the first maker's, and another of its own under the first one's id."""

    def step(pair: Pair) -> list[object]:
        pair.put(places)
        return []

    return step


STEPS = st.one_of(
    *[requests()] * 6,
    *[verifications()] * 2,
    st.builds(passing, st.sampled_from([*[0.5] * 4, 30, 31, HOUR - 1, HOUR, -1, -31, -HOUR])),
    st.builds(publishing, st.sampled_from([*[{0}, {0, 1}] * 3, set(), {1}, {2}, {1, 2}])),
)
OPTIONS = st.fixed_dictionaries({"remember": st.sampled_from([1, 3, 4096]), "remember_bytes": st.sampled_from([15_000, 10**6])})
AS_EVER = {"remember": 4096}


@settings(max_examples=200)
@given(options=OPTIONS, steps=st.lists(STEPS, min_size=10, max_size=40))
@example(options=AS_EVER, steps=[request(), passing(HOUR + 29), request(), passing(1), request()])
@example(options=AS_EVER, steps=[request(), passing(-30), request(), passing(-1), request(), passing(1), request()])
@example(options=AS_EVER, steps=[request(), publishing({1}), request(), publishing({2}), request(), publishing({0}), request()])
@example(options=AS_EVER, steps=[request(), request(name="X-Partner"), request(name="X-Cookie", value="{}"), request()])
@example(options=AS_EVER, steps=[request(name="X-Cookie", value="{}", method=method, site="x") for method in ("GET", "POST")])
@example(options=AS_EVER, steps=[request(), request(path="/admin"), request(place=1, path="/admin"), request(place=1)])
def test_a_guard_that_remembers_and_one_that_does_not_say_the_same(
    world: World, options: dict[str, int], steps: list[Step]
) -> None:
    pair = Pair(world, options)
    for step in steps:
        remembering, forgetful = step(pair) or [None, None]
        assert remembering == forgetful
        status = pair.remembering.memory_status()
        assert status["entries"] <= options["remember"]
        assert (status["bytes"] > 0) == (status["entries"] > 0)
    assert pair.forgetful.memory_status()["entries"] == 0


@pytest.mark.parametrize("value", VALUES)
def test_each_spelling_of_a_remembered_value_is_judged_on_its_own(value: str, world: World) -> None:
    pair = Pair(world, {"remember": 9})
    for step in (request(), request(value=value), request(), request(value=value)):
        remembering, forgetful = step(pair)
        assert remembering == forgetful
    is_good = isinstance(remembering, Caller)
    entries = pair.remembering.memory_status()["entries"]
    assert entries == (2 if is_good and not value.strip().startswith("Bearer") else 1), (
        "the scheme's case is all that makes another"
    )


@pytest.mark.parametrize(
    ("place", "before", "after"),
    named(("a token without kid, and a second key", 15, {1}, {0, 1}), ("two keys of one id", 0, {0}, {0, 2})),
)
def test_a_remembered_token_stays_good_while_its_key_does_though_a_newer_key_makes_it_ambiguous(
    place: int, before: set[int], after: set[int], world: World
) -> None:
    """The one answer that memory changes: the key that has verified it is known, and is still one of the issuer's."""
    pair = Pair(world, AS_EVER)
    pair.put(before)
    first, _ = request(place=place)(pair)
    pair.put(after)
    remembering, forgetful = request(place=place)(pair)
    assert remembering is first
    assert isinstance(forgetful, tuple)
    assert "unknown_key" in forgetful
