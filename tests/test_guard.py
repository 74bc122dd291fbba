"""The Guard's one question, asked by threads and by tasks: the answers, their order, and what the operator is told."""

import asyncio
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from callerid import Caller, Forbidden, Guard, Header, Issuer, KeysUnavailable, Route, google
from callerid.bearer import HeaderPairs
from callerid.errors import refusal
from callerid.keys.keyset import KeyList, parse_jwks
from callerid.keys.local import StaticKeys
from callerid.profiles import GOOGLE
from callerid.request import Request
from tests.adapters.support import check_prefetch
from tests.keys import Endpoint, Gate, answer, eventually, keys_of
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, Clock, FakeIssuer, complains, named, reason, refuses

ROUTES = [
    Route("/healthz", callers=["allUsers"]),
    Route("/profiles/{id}", methods=["PUT"], callers=["group:admins"]),
    Route("/anybody/**", callers=["allAuthenticatedUsers"]),
]
OWN = Issuer("https://own.example", jwks_uri="https://own.example/jwks", audience=AUDIENCE)
CLOUD_RUN = {"K_SERVICE": "user-profiles"}

Check = Callable[[Guard, str, str, HeaderPairs], Caller | None]


def check(guard: Guard, method: str, path: str, headers: HeaderPairs) -> Caller | None:
    return guard.check(method, path, headers)


def acheck(guard: Guard, method: str, path: str, headers: HeaderPairs) -> Caller | None:
    return asyncio.run(guard.acheck(method, path, headers))


on_both_faces = pytest.mark.parametrize("check", [check, acheck])


@pytest.fixture(scope="module")
def google_at_hand(issuer: FakeIssuer) -> Issuer:
    """The issuer's keys without a fetch."""
    return google(keys=issuer.jwks())


def build(at_hand: Issuer, **changes: Any) -> Guard:
    return Guard(**{"issuers": [at_hand], "audience": AUDIENCE, "callers": [LOGIN]} | changes)


@pytest.fixture
def guard(google_at_hand: Issuer, caplog: pytest.LogCaptureFixture) -> Guard:
    """One with several rules, which has said all that it says at start."""
    guard = build(google_at_hand, callers=[LOGIN, SEARCH], routes=ROUTES, groups={"admins": [ANA]})
    caplog.clear()
    return guard


@pytest.fixture
def rotating() -> Iterator[FakeIssuer]:
    with FakeIssuer(algorithm="ES256") as issuer:
        yield issuer


def headers(issuer: FakeIssuer, pattern: str) -> list[tuple[str, str]]:
    """Header lines, in which a member in angle brackets stands for its token, and `…|name=value` changes a claim."""
    found = []
    for line in filter(None, pattern.split("\n")):
        name, _, value = line.partition(": ")
        before, bracket, member = value.partition("<")
        member, *changes = member.removesuffix(">").split("|")
        claims: dict[str, Any] = dict(change.split("=") for change in changes)
        found.append((name, before + issuer.token(member, claims.pop("aud", AUDIENCE), **claims) if bracket else value))
    return found


CASES = named(
    ("a public route", "GET", "/healthz", "", None),
    ("a public route, any method", "purge", "/healthz/", "", None),
    ("a public route, junk credentials", "GET", "/healthz", "Authorization: Bearer , ,", None),
    ("a public route, a stranger's token", "GET", "/healthz", f"Authorization: Bearer <{STRANGER}>", None),
    ("a caller", "GET", "/", f"Authorization: Bearer <{LOGIN}>", LOGIN),
    ("another caller", "DELETE", "/profiles/1", f"Authorization: Bearer <{SEARCH}>", SEARCH),
    ("a caller, in the header that comes first", "GET", "/", f"X-Serverless-Authorization: Bearer <{LOGIN}>", LOGIN),
    (
        "a caller in the deciding header, junk in the other",
        "GET",
        "/",
        f"Authorization: junk\nX-Serverless-Authorization: Bearer <{LOGIN}>",
        LOGIN,
    ),
    (
        "junk in the deciding header, a caller in the other",
        "GET",
        "/",
        f"Authorization: Bearer <{LOGIN}>\nX-Serverless-Authorization: junk",
        "malformed_credentials",
    ),
    ("nobody", "GET", "/", "", "missing_credentials"),
    ("another scheme", "GET", "/", "Authorization: Basic YTpi", "missing_credentials"),
    ("a scheme alone", "GET", "/", "Authorization: Bearer", "malformed_credentials"),
    ("a caller twice", "GET", "/", "\n".join([f"Authorization: Bearer <{LOGIN}>"] * 2), "malformed_credentials"),
    ("no token", "GET", "/", "Authorization: Bearer junk", "malformed_token"),
    ("a stranger", "GET", "/", f"Authorization: Bearer <{STRANGER}>", "caller_not_allowed"),
    ("a stranger where every token is good", "GET", "/anybody/x", f"Authorization: Bearer <{STRANGER}>", STRANGER),
    ("nobody where every token is good", "GET", "/anybody", "", "missing_credentials"),
    ("a route admits whom callers do not", "PUT", "/profiles/1", f"Authorization: Bearer <{ANA}>", ANA),
    ("and is alone to decide", "PUT", "/profiles/1", f"Authorization: Bearer <{LOGIN}>", "caller_not_allowed"),
    ("for its methods, however written", "put", "/profiles/1/", f"Authorization: Bearer <{LOGIN}>", "caller_not_allowed"),
    ("and no others", "GET", "/profiles/1", f"Authorization: Bearer <{ANA}>", "caller_not_allowed"),
    ("another's audience", "GET", "/", f"Authorization: Bearer <{LOGIN}|aud=https://other.example>", "audience_mismatch"),
    ("an address that nobody verified", "GET", "/", f"Authorization: Bearer <{LOGIN}|email_verified=>", "email_not_verified"),
    ("a stranger's that nobody verified", "GET", "/", f"Authorization: Bearer <{STRANGER}|email_verified=>", "caller_not_allowed"),
    ("an ambiguous path, nobody", "GET", "//healthz", "", "ambiguous_path"),
    ("an ambiguous path, a caller", "GET", "/x/../healthz", f"Authorization: Bearer <{LOGIN}>", "ambiguous_path"),
    ("an ambiguous path, junk credentials", "GET", "healthz", "Authorization: Bearer", "ambiguous_path"),
)


@on_both_faces
@pytest.mark.parametrize(("method", "path", "pattern", "expected"), CASES)
def test_the_answer(
    method: str,
    path: str,
    pattern: str,
    expected: str | None,
    check: Check,
    guard: Guard,
    issuer: FakeIssuer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "callerid")
    sent = headers(issuer, pattern)
    if expected is None or ":" in expected:
        caller = check(guard, method, path, sent)
        assert (caller.member if caller else None) == expected
        assert caplog.records == []
        return
    with refuses(expected) as raised:
        check(guard, method, path, sent)
    (record,) = caplog.records
    assert expected in record.getMessage()
    assert repr(path) in record.getMessage()
    assert "eyJ" not in record.getMessage() + str(raised.value) + repr(raised.value)  # how every token begins


@on_both_faces
def test_headers_may_be_bytes_and_come_from_a_generator(check: Check, guard: Guard, issuer: FakeIssuer) -> None:
    pairs = ((name.encode(), value.encode()) for name, value in headers(issuer, f"authorization: bearer  <{LOGIN}>"))
    caller = check(guard, "GET", "/", pairs)
    assert caller is not None
    assert caller.member == LOGIN


@on_both_faces
def test_everything_may_be_bytes_and_a_rule_holds_all_the_same(check: Check, guard: Guard, issuer: FakeIssuer) -> None:
    sent: Any = dict(headers(issuer, f"Authorization: Bearer <{LOGIN}>"))
    method: Any = b"PUT"
    path: Any = b"/profiles/1"
    with refuses("caller_not_allowed"):
        check(guard, method, path, sent)


@on_both_faces
@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [(None, "/", []), ("GET", None, []), ("GET", "/", [(None, "x")]), ("GET", "/", [("x", 1)])],
    ids=["method", "path", "name", "value"],
)
def test_what_is_neither_text_nor_bytes_is_the_programs_mistake(
    check: Check, guard: Guard, method: Any, path: Any, sent: Any
) -> None:
    with complains("neither text nor bytes"):
        check(guard, method, path, sent)


@on_both_faces
@pytest.mark.parametrize("pair", [("Host",), ("Host", "a", "b"), 1, ""])
def test_headers_that_are_no_pairs_are_a_configuration_error(check: Check, guard: Guard, pair: Any) -> None:
    with complains("check: headers: they are neither a mapping nor pairs"):
        check(guard, "GET", "/", [pair])


@on_both_faces
def test_a_remembered_caller_is_judged_by_each_route_anew(check: Check, guard: Guard, issuer: FakeIssuer) -> None:
    sent = headers(issuer, f"Authorization: Bearer <{LOGIN}>")
    assert check(guard, "GET", "/", sent) is check(guard, "GET", "/", sent)
    with refuses("caller_not_allowed"):
        check(guard, "PUT", "/profiles/1", sent)


@on_both_faces
def test_without_routes_no_path_is_looked_at(check: Check, google_at_hand: Issuer, issuer: FakeIssuer) -> None:
    guard = build(google_at_hand)
    assert check(guard, "GET", "//x/../y;z", headers(issuer, f"Authorization: Bearer <{LOGIN}>")) is not None


@on_both_faces
def test_a_public_route_needs_no_keys_and_every_other_is_503_without_them(check: Check, rotating: FakeIssuer) -> None:
    rotating.status = 500
    guard = build(rotating.google(), routes=ROUTES[:1])
    sent = headers(rotating, f"Authorization: Bearer <{LOGIN}>")
    assert check(guard, "GET", "/healthz", sent) is None
    assert rotating.requests == 0
    with refuses("keys_unavailable") as raised:
        check(guard, "GET", "/", sent)
    assert raised.value.headers["Retry-After"] == "1"
    assert check(guard, "GET", "/healthz", sent) is None


# Keys before the first request


class Preloading(BaseApplication):  # type: ignore[misc]
    """What `gunicorn --preload` loads in its master."""

    def __init__(self, load: Callable[[], object]) -> None:
        self.load = load
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("preload_app", True)


def test_a_prefetch_returns_at_once_and_brings_the_keys_in_the_background() -> None:
    check_prefetch(Guard.prefetch)


def test_a_second_prefetch_fetches_nothing(rotating: FakeIssuer) -> None:
    guard = build(rotating.google())
    guard.prefetch()
    eventually(lambda: guard.ready)
    guard.prefetch()
    assert guard.check("GET", "/", headers(rotating, f"Authorization: Bearer <{LOGIN}>")) is not None
    assert rotating.requests == 1


def test_a_prefetch_in_a_master_that_preloads_waits_for_the_first_request_whatever_it_is(rotating: FakeIssuer) -> None:
    guard = build(rotating.google(), routes=ROUTES[:1])
    Arbiter(Preloading(guard.prefetch))
    assert guard.status()[GOOGLE]["fetches"] == 0
    assert guard.check("GET", "/healthz", []) is None
    eventually(lambda: guard.ready)
    assert rotating.requests == 1


class TestStatus:
    def test_tells_of_every_issuer_in_plain_json(self, rotating: FakeIssuer, issuer: FakeIssuer, tmp_path: Path) -> None:
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps(issuer.jwks()))
        guard = several(
            google(jwks_uri=rotating.jwks_uri, audience=AUDIENCE),
            Issuer("https://static.example", keys=issuer.jwks(), audience=AUDIENCE),
            Issuer("https://file.example", jwks_file=str(file), audience=AUDIENCE),
        )
        before = guard.status()
        assert {name: status["state"] for name, status in before.items()} == {
            GOOGLE: "cold",
            "https://static.example": "static",
            "https://file.example": "fresh",
        }
        guard.warm_up()
        after = guard.status()
        assert json.loads(json.dumps(after)) == after
        assert after[GOOGLE]["state"] == "fresh"
        assert [status["key_ids"] for status in after.values()] == [[rotating.kid], [issuer.kid], [issuer.kid]]
        assert all(status["ready"] for status in after.values())

    def test_counts_fetches_failures_and_strangers_keys(self, rotating: FakeIssuer) -> None:
        guard = build(rotating.google())
        guard.warm_up()
        stranger = rotating.sign(rotating.claims(LOGIN, AUDIENCE), kid="nobody's")
        for expected in ("unknown_key", "unknown_key"):
            assert reason(guard.check, "GET", "/", [("Authorization", f"Bearer {stranger}")]) == expected
        status = guard.status()[GOOGLE]
        assert (status["fetches"], status["failures"], status["unknown_kids"], status["last_error"]) == (2, 0, 2, None)

    def test_says_what_is_wrong(self, rotating: FakeIssuer) -> None:
        rotating.status = 500
        guard = build(rotating.google())
        guard.prefetch()
        eventually(lambda: guard.status()[GOOGLE]["last_error"])
        status = guard.status()[GOOGLE]
        assert status["last_error"] == f"{rotating.jwks_uri}: it answered 500"
        assert (status["state"], status["ready"], status["fetches"], status["failures"]) == ("cold", False, 1, 1)
        assert (status["age"], status["key_ids"]) == (None, [])

    def test_is_ready_when_every_issuer_is(self, rotating: FakeIssuer, issuer: FakeIssuer) -> None:
        guard = several(google(keys=issuer.jwks(), audience=AUDIENCE), rotating_profile(rotating))
        assert not guard.ready
        guard.prefetch()
        eventually(lambda: guard.ready)


def rotating_profile(rotating: FakeIssuer) -> Issuer:
    return Issuer("https://rotating.example", jwks_uri=rotating.jwks_uri, audience=AUDIENCE)


def several(*issuers: Issuer) -> Guard:
    return Guard(issuers=issuers, callers=[LOGIN])


def warm_up(guard: Guard, seconds: float) -> None:
    guard.warm_up(seconds)


def awarm_up(guard: Guard, seconds: float) -> None:
    asyncio.run(guard.awarm_up(seconds))


def awarm_up_in_trio(guard: Guard, seconds: float) -> None:
    trio.run(guard.awarm_up, seconds)


WarmUp = Callable[[Guard, float], None]


@pytest.mark.parametrize("warm_up", [warm_up, awarm_up, awarm_up_in_trio])
class TestAWarmUp:
    def test_ends_when_the_keys_of_every_issuer_are_there(self, warm_up: WarmUp, rotating: FakeIssuer, issuer: FakeIssuer) -> None:
        guard = several(rotating.google(audience=AUDIENCE), Issuer("https://own.example", jwks_uri=issuer.jwks_uri, audience="a"))
        warm_up(guard, 30)
        assert guard.ready
        warm_up(guard, 0)
        assert rotating.requests == 1

    def test_ends_in_an_error_that_names_issuer_and_problem(
        self, warm_up: WarmUp, rotating: FakeIssuer, issuer: FakeIssuer
    ) -> None:
        rotating.status = 500
        guard = several(google(keys=issuer.jwks(), audience=AUDIENCE), rotating_profile(rotating))
        with pytest.raises(KeysUnavailable) as raised:
            warm_up(guard, 0.5)
        (note,) = raised.value.__notes__
        assert note == f"keys of https://rotating.example: {rotating.jwks_uri}: it answered 500"
        assert raised.value.note == note
        assert "rotating" not in raised.value.body.decode()

    def test_without_any_time_says_that_there_is_no_answer_yet(self, warm_up: WarmUp, rotating: FakeIssuer) -> None:
        with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint, pytest.raises(KeysUnavailable) as raised:
            warm_up(build(google(jwks_uri=endpoint.url)), 0)
        assert raised.value.__notes__ == [f"keys of {GOOGLE}: no answer yet"]

    def test_goes_on_through_failures(self, warm_up: WarmUp, rotating: FakeIssuer) -> None:
        responses = [answer(json.dumps(rotating.jwks()).encode()), answer(status="500 Oh")]
        with Endpoint(lambda connection: connection.sendall(responses.pop())) as endpoint:
            warm_up(build(google(jwks_uri=endpoint.url, algorithms=["ES256"])), 30)
            assert len(endpoint.requests) == 2

    def test_has_one_time_for_all_issuers(self, warm_up: WarmUp, issuer: FakeIssuer) -> None:
        given: list[float] = []
        keys = TimedKeys(parse_jwks(issuer.jwks()), given)
        guard = several(*(Issuer(f"https://{name}.example", keys=keys, audience=AUDIENCE) for name in ("one", "another")))
        warm_up(guard, 30)
        one, another = given
        assert 30 >= one > another > 0


class TimedKeys(StaticKeys):
    """Keys that write down how long they may take."""

    def __init__(self, keys: KeyList, given: list[float]) -> None:
        super().__init__(keys)
        self._given = given

    def warm_up(self, seconds: float) -> None:
        self._given.append(seconds)

    async def awarm_up(self, seconds: float) -> None:
        self._given.append(seconds)


def test_a_warm_up_never_blocks_the_loop_and_can_be_cancelled(rotating: FakeIssuer) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await build(google(jwks_uri=endpoint.url)).awarm_up()

    with Gate(keys_of(rotating)) as gate, Endpoint(gate) as endpoint:
        asyncio.run(main())


# What is kept with the request


def request(path: str, headers: HeaderPairs = ()) -> Request:
    return Request("GET", path, None, list(headers), {})


def test_a_judgement_is_kept_for_its_own_guard_only(guard: Guard, google_at_hand: Issuer, issuer: FakeIssuer) -> None:
    another = build(google_at_hand)
    judged = request("/", headers(issuer, f"Authorization: Bearer <{LOGIN}>"))
    assert guard.judgement_in(judged.state) is None
    judgement = guard.judge(judged)
    assert guard.judgement_in(judged.state) is judgement
    assert another.judgement_in(judged.state) is None
    assert another.judge(judged) is not judgement
    assert guard.judgement_in(judged.state) is judgement


def test_a_refused_request_keeps_no_judgement(guard: Guard) -> None:
    refused = request("/")
    with refuses("missing_credentials"):
        guard.judge(refused)
    assert guard.judgement_in(refused.state) is None


@pytest.mark.parametrize(
    ("path", "name", "private"),
    named(
        ("the header that caches know", "/", "Authorization", False),
        ("another header", "/", "X-Serverless-Authorization", True),
        ("a public route, where nobody has looked", "/healthz", "X-Serverless-Authorization", False),
    ),
)
def test_an_answer_is_private_where_caches_do_not_know_the_header(
    path: str, name: str, private: bool, guard: Guard, issuer: FakeIssuer
) -> None:
    judgement = guard.judge(request(path, headers(issuer, f"{name}: Bearer <{LOGIN}>")))
    assert judgement.is_private is private
    assert judgement.is_public is (path == "/healthz")
    assert (judgement.caller is None) is judgement.is_public


def test_a_caller_has_until_the_tokens_end_and_the_leeway(google_at_hand: Issuer, issuer: FakeIssuer) -> None:
    clock = Clock()
    guard = build(google_at_hand, leeway=10, clock=clock)
    sent = issuer.headers(LOGIN, AUDIENCE, iat=clock.now, exp=clock.now + 100)
    caller = guard.check("GET", "/", sent.items())
    assert caller is not None
    clock.advance(60)
    assert guard.policy.seconds_left(caller) == 50


# Signatures that Cloud Run removed


@pytest.fixture
def trusting(google_at_hand: Issuer) -> Guard:
    return build(google_at_hand, trust_cloud_run_iam=True, environ=CLOUD_RUN)


@on_both_faces
def test_a_removed_signature_is_refused_and_the_operator_told_why(
    check: Check, guard: Guard, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    token = issuer.strip_signature(issuer.token(LOGIN, AUDIENCE))
    with refuses("signature_removed"):
        check(guard, "GET", "/", [("Authorization", f"Bearer {token}")])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "either Cloud Run removed this signature or someone forged this token" in record.getMessage()


@on_both_faces
@pytest.mark.parametrize(
    ("beside", "why"),
    named(
        ("alone", [], None),
        ("beside IAP's header", [("X-Goog-IAP-JWT-Assertion", "x")], "signature_removed"),
        ("beside IAP's header in bytes", [(b"x-goog-iap-jwt-assertion", b"x")], "signature_removed"),
        ("beside other headers", [("X-Goog-IAP-JWT", "x"), (b"accept", b"*/*")], None),
    ),
)
def test_a_trusted_removed_signature_is_believed_unless_iap_stands_before(
    beside: list[tuple[str, str]], why: str | None, check: Check, trusting: Guard, issuer: FakeIssuer
) -> None:
    token = issuer.strip_signature(issuer.token(LOGIN, AUDIENCE))
    assert reason(check, trusting, "GET", "/", [*beside, ("Authorization", f"Bearer {token}")]) == why


def test_trust_in_cloud_run_excuses_no_stranger(trusting: Guard, issuer: FakeIssuer) -> None:
    token = issuer.strip_signature(issuer.token(STRANGER, AUDIENCE))
    with refuses("caller_not_allowed"):
        trusting.check("GET", "/", [("Authorization", f"Bearer {token}")])


def test_trust_in_cloud_run_is_told_at_start_and_found_out_when_it_is_misplaced(
    google_at_hand: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = build(google_at_hand, trust_cloud_run_iam=True, environ=CLOUD_RUN)
    assert any("trust_cloud_run_iam" in record.getMessage() for record in caplog.records)
    caplog.clear()
    for _ in range(3):
        assert reason(guard.check, "GET", "/", []) == "missing_credentials"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "this service appears to be public" in record.getMessage()


@pytest.mark.parametrize(
    ("arguments", "words"),
    named(
        ("nowhere", {"environ": {}}, ["K_SERVICE"]),
        ("a nameless service", {"environ": {"K_SERVICE": ""}}, ["K_SERVICE"]),
        ("Knative", {"environ": CLOUD_RUN | {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}}, ["KUBERNETES_SERVICE_HOST"]),
        ("another order of headers", {"headers": ["Authorization", "X-Serverless-Authorization"]}, ["header order"]),
        ("fewer headers", {"headers": ["Authorization"]}, ["header order"]),
        ("more headers", {"headers": ["X-Serverless-Authorization", "Authorization", Header("X-More")]}, ["header order"]),
        ("a second issuer", {"issuers": [google(audience="a"), OWN], "audience": None}, ["google()"]),
        (
            "Google's name alone",
            {"issuers": [Issuer("https://accounts.google.com", jwks_uri=OWN.jwks_uri)]},
            ["google()"],
        ),
        ("another issuer", {"issuers": [OWN], "audience": None}, ["google()"]),
        ("everybody", {"callers": ["allUsers"]}, ["allUsers"]),
        ("a text for a switch", {"trust_cloud_run_iam": "true"}, ["neither True nor False"]),
    ),
)
def test_cloud_run_is_trusted_only_where_nothing_else_can_be_before_the_service(
    arguments: dict[str, Any], words: list[str]
) -> None:
    with complains("trust_cloud_run_iam", *words):
        build(google(), **{"trust_cloud_run_iam": True, "environ": CLOUD_RUN} | arguments)


# Configuration


@pytest.mark.parametrize(
    ("arguments", "words"),
    named(
        ("no callers", {"callers": []}, ["callers", "empty"]),
        ("callers left out", {}, ["callers", "empty"]),
        ("no list", {"callers": LOGIN}, ["callers", "list"]),
        ("no audience", {"callers": [LOGIN], "audience": None}, ["audience"]),
        ("a route's member", {"callers": [LOGIN], "routes": [Route("/x", callers=["usr:a@b.example"])]}, ["routes: /x", "user:"]),
        ("no route", {"callers": [LOGIN], "routes": ["/x"]}, ["routes"]),
        ("a clock that is none", {"callers": [LOGIN], "clock": 5}, ["clock", "time.time"]),
        ("a switch that is none", {"callers": [LOGIN], "consumer_accounts": "no"}, ["consumer_accounts"]),
    ),
)
def test_a_mistake_is_named_at_start(arguments: dict[str, Any], words: list[str]) -> None:
    with complains(*words):
        Guard(**{"audience": AUDIENCE} | arguments)


def test_a_guard_is_built_from_the_environment_a_file_or_a_mapping(tmp_path: Path, issuer: FakeIssuer) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'audience = "{AUDIENCE}"\ncallers = ["{LOGIN}"]\n')
    own: dict[str, Any] = {"issuers": [google(keys=issuer.jwks())]}
    sent = headers(issuer, f"Authorization: Bearer <{LOGIN}>")
    for guard in (
        Guard.from_env({"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": LOGIN}, **own),
        Guard.from_env({"CALLERID_POLICY": str(policy)}, **own),
        Guard.from_file(policy, **own),
        Guard.from_mapping({"AUDIENCE": AUDIENCE, "CALLERS": [LOGIN], **own}, source="settings.CALLERID"),
    ):
        caller = guard.check("GET", "/", sent)
        assert caller is not None
        assert caller.member == LOGIN
    with complains("settings.CALLERID", "caller"):
        Guard.from_mapping({"AUDIENCE": AUDIENCE, "CALLER": [LOGIN]}, source="settings.CALLERID")
    with complains("audience"):
        Guard.from_file(policy, audience=AUDIENCE)
    with complains("CALLERID_AUDIENCE"):
        Guard.from_env({"CALLERID_AUDIENCE": " ", "CALLERID_CALLERS": LOGIN})


# A check of the application's own


def asked(at_hand: Issuer, issuer: FakeIssuer, check: Check, function: Callable[[Caller], object]) -> str | None:
    guard = build(at_hand, refuse_unless=function)
    return reason(check, guard, "GET", "/", issuer.headers(LOGIN, AUDIENCE).items())


def fail(error: BaseException) -> Callable[[Caller], object]:
    def function(caller: Caller) -> object:
        raise error

    return function


@on_both_faces
@pytest.mark.parametrize(
    ("function", "why"),
    named(
        ("true", lambda caller: caller.member == LOGIN, None),
        ("false", lambda caller: caller.member == ANA, "caller_not_allowed"),
        ("nothing", lambda caller: None, "caller_not_allowed"),
        ("what only looks true", lambda caller: "yes", "caller_not_allowed"),
        ("a failure", fail(LookupError("secret")), "caller_not_allowed"),
        ("a refusal", fail(refusal("email_not_verified")), "email_not_verified"),
        ("a refusal for no known reason", lambda caller: Forbidden("revoked"), "caller_not_allowed"),
    ),
)
def test_a_function_of_the_caller_can_only_refuse(
    check: Check, function: Callable[[Caller], object], why: str | None, google_at_hand: Issuer, issuer: FakeIssuer
) -> None:
    assert asked(google_at_hand, issuer, check, function) == why


def test_what_the_function_fails_with_is_told_by_its_name_alone_and_once(
    google_at_hand: Issuer, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = build(google_at_hand, refuse_unless=fail(LookupError("secret")))
    caplog.clear()
    for _ in range(3):
        assert reason(guard.check, "GET", "/", issuer.headers(LOGIN, AUDIENCE)) == "caller_not_allowed"
    assert [message for message in caplog.messages if "raised" in message] == [
        "refuse_unless raised LookupError; every caller it fails for is refused"
    ]
    assert "secret" not in caplog.text


def test_the_function_is_asked_each_time_and_about_no_stranger(google_at_hand: Issuer, issuer: FakeIssuer) -> None:
    seen: list[str] = []

    def known(caller: Caller) -> bool:
        seen.append(caller.member)
        return len(seen) < 2

    guard = build(google_at_hand, refuse_unless=known, routes=[Route("/healthz", callers=["allUsers"])])
    told = [reason(guard.check, "GET", "/", issuer.headers(who, AUDIENCE)) for who in (STRANGER, LOGIN, LOGIN)]
    assert told == ["caller_not_allowed", None, "caller_not_allowed"]
    assert guard.check("GET", "/healthz", []) is None
    assert seen == [LOGIN, LOGIN]


@pytest.mark.parametrize("function", [asyncio.sleep, True, "callers", ["a"]])
def test_what_is_no_function_of_a_caller_is_a_configuration_error(function: Any, google_at_hand: Issuer) -> None:
    with complains("refuse_unless: "):
        build(google_at_hand, refuse_unless=function)


def test_a_status_tells_what_the_configuration_relies_on(issuer: FakeIssuer) -> None:
    guard = Guard(
        issuers=[issuer.google()],
        audience=[AUDIENCE, "32555940559.apps.googleusercontent.com"],
        callers=[LOGIN],
        routes=[Route("/static/**", callers=["allUsers"])],
        consumer_accounts=True,
        allow_shared_audience=True,
        trust_cloud_run_iam=True,
        environ=CLOUD_RUN,
    )
    caveats = json.loads(json.dumps(guard.status()))[GOOGLE]["caveats"]
    assert [caveat.partition(": ")[0] for caveat in caveats] == [
        "trust_cloud_run_iam",
        "consumer_accounts",
        "allow_shared_audience",
        "issuers",
        "routes",
    ]
    guard.status()[GOOGLE]["caveats"].clear()
    assert guard.status()[GOOGLE]["caveats"] == caveats


def test_a_request_shows_none_of_its_headers(issuer: FakeIssuer) -> None:
    request = Request("GET", "/", None, list(issuer.headers(LOGIN, AUDIENCE).items()), {})
    assert repr(request) == "<'GET' request>"


@on_both_faces
def test_a_refusal_brings_no_frames_that_hold_the_token(check: Check, guard: Guard, issuer: FakeIssuer) -> None:
    with refuses("audience_mismatch") as raised:
        check(guard, "GET", "/", issuer.headers(LOGIN, "https://other.example").items())
    functions = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert functions[-1] in ("settle", "asettle")


def test_the_log_says_what_is_amiss_with_an_address_that_is_listed(
    google_at_hand: Issuer, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    guard = build(google_at_hand, callers=[ANA])
    with caplog.at_level(logging.INFO), refuses("caller_not_allowed"):
        guard.check("GET", "/", issuer.headers(ANA, AUDIENCE, hd=None, sub="7"))
    assert "which has the address; but Google does not host it (no hd claim)" in caplog.messages[-1]
    assert "name the subject '7', as principal:, or set consumer_accounts=True" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("headers", "note"),
    [
        ([], "there is no X-Serverless-Authorization and no Authorization header"),
        ([("Authorization", "Basic x")], "another scheme"),
    ],
)
def test_the_log_says_which_headers_were_looked_at(
    headers: HeaderPairs, note: str, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), refuses("missing_credentials"):
        guard.check("GET", "/", headers)
    assert note in caplog.messages[-1]
