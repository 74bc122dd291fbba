"""What is remembered of verified tokens, and what it takes to be believed again."""

import asyncio
import json
import string
import sys
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callerid import Caller, Claims, Guard, Header, Issuer, google
from callerid.keys import KeySet
from callerid.keys.keyset import KeyList, parse_jwks
from callerid.keys.local import StaticKeys
from callerid.keys.material import Key
from callerid.memory import TokenMemory, Verified, size_of
from tests.support import AUDIENCE, LOGIN, STRANGER, Clock, FakeIssuer, named, reason

KEY = Key("key-1", b"1", frozenset({"RS256"}), None)
KEYS = StaticKeys(KeyList([KEY]))
AUTHORIZATION, ASSERTION = Header("Authorization"), Header("X-Assertion", scheme=None)
MEGABYTE = 1024 * 1024
NOW, HOUR = 1_800_000_000, 3600


class Shelf(StaticKeys):
    """Keys that a test puts there and takes away."""

    def __init__(self) -> None:
        super().__init__(KeyList([]))

    def put(self, *keys: Key) -> None:
        self._keys = KeyList(keys)


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeIssuer]:
    """Google's name, six keys of its own, and the hour of these tests."""
    with FakeIssuer(algorithm="ES256", clock=lambda: NOW) as signer:
        for _ in range(5):
            signer.add_key()
        yield signer


def keys_of(signer: FakeIssuer) -> list[Key]:
    return list(parse_jwks(signer.jwks()))


def build(signer: FakeIssuer, **options: Any) -> Guard:
    at_hand = google(keys=signer.jwks(), algorithms=["ES256"])
    settings: dict[str, Any] = {"issuers": [at_hand], "audience": AUDIENCE, "callers": [LOGIN], "clock": Clock(NOW)}
    return Guard(**settings | options)


def ask(guard: Guard, token: str, name: str = "Authorization", value: str = "Bearer {}") -> str | None:
    return reason(guard.check, "GET", "/", {name: value.format(token)})


def verified(token: str, *, key: Key | None = KEY, header: Header | None = AUTHORIZATION, keys: KeySet = KEYS) -> Verified:
    caller = Caller(
        issuer="https://issuer.example",
        subject="1",
        audience=AUDIENCE,
        email=None,
        claims=Claims({}),
        issued_at=100,
        expires_at=200,
        verified_by="signature",
        member="principal:https://issuer.example/1",
    )
    return Verified(caller, token, header, 100, 200, keys, key)


def recall(memory: TokenMemory, token: str) -> Verified | None:
    return memory.recall(token, AUTHORIZATION, 150)


def remembered(memory: TokenMemory, tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if recall(memory, token) is not None]


def test_a_token_is_found_whole_and_only_whole() -> None:
    memory = TokenMemory(entries=10, size=MEGABYTE)
    entry = verified("header.payload.signature")
    memory.put(entry)
    assert recall(memory, "header.payload.signature") is entry
    assert remembered(memory, ["header.payload.signatur", "header.payload.other", "header.payload.signature ", ""]) == []
    memory.discard("header.payload.signature")
    memory.discard("header.payload.signature")
    assert len(memory) == 0


@pytest.mark.parametrize(("entries", "size"), [(1, MEGABYTE), (7, 100_000), (1000, 1_999_999), (3, 10**12)])
def test_never_more_entries_are_kept_than_said(entries: int, size: int) -> None:
    memory = TokenMemory(entries=entries, size=size)
    tokens = [f"token-{number}" for number in range(entries + 5)]
    for token in tokens:
        memory.put(verified(token))
    assert remembered(memory, tokens) == tokens[5:]


def test_the_least_recently_used_is_forgotten_first() -> None:
    memory = TokenMemory(entries=2, size=MEGABYTE)
    for token in ("a", "b"):
        memory.put(verified(token))
    recall(memory, "a")
    memory.put(verified("c"))
    assert remembered(memory, ["a", "b", "c"]) == ["a", "c"]


def test_no_more_bytes_are_kept_than_said() -> None:
    memory = TokenMemory(entries=1000, size=45_000)
    tokens = [f"{number:010000}" for number in range(10)]
    for token in tokens:
        memory.put(verified(token))
    assert remembered(memory, tokens) == tokens[-2:]
    memory.put(verified("x" * 30_000))  # larger than all memory: nothing is forgotten for it
    assert remembered(memory, tokens) == tokens[-2:]


def test_small_objects_weigh_what_they_take() -> None:
    claims = Claims({"x": [{"y": {}} for _ in range(1000)]})
    tracemalloc.start()
    Claims(claims.to_dict())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_of(claims) > most / 4


@pytest.mark.parametrize(("entries", "size"), [(0, MEGABYTE), (100, 0), (0, 0)])
def test_no_entries_or_no_bytes_are_no_memory(entries: int, size: int) -> None:
    memory = TokenMemory(entries=entries, size=size)
    memory.put(verified("token"))
    assert len(memory) == 0


def test_what_no_key_has_verified_is_never_remembered() -> None:
    memory = TokenMemory(entries=10, size=MEGABYTE)
    memory.put(verified("token", key=None))
    assert len(memory) == 0


def test_threads_may_use_it_together() -> None:
    memory = TokenMemory(entries=10, size=MEGABYTE)
    begin = threading.Barrier(8)

    def use(thread: int) -> None:
        begin.wait()
        for number in range(500):
            token = f"token-{(thread * number) % 30}"
            entry = recall(memory, token)
            assert entry is None or entry.sent == token
            memory.put(verified(token))
            memory.discard(f"token-{number % 30}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    assert len(memory) <= 10


@pytest.mark.parametrize(
    ("entry", "header", "now", "holds"),
    named(
        ("as it was", verified("t"), AUTHORIZATION, 150, True),
        ("the first moment", verified("t"), AUTHORIZATION, 100, True),
        ("too early", verified("t"), AUTHORIZATION, 99.9, False),
        ("the last moment", verified("t"), AUTHORIZATION, 199.9, True),
        ("over", verified("t"), AUTHORIZATION, 200, False),
        ("in an equal header", verified("t"), Header("Authorization"), 150, True),
        ("in another header", verified("t"), ASSERTION, 150, False),
        ("in no header", verified("t"), None, 150, False),
        ("in no header as before", verified("t", header=None), None, 150, True),
        ("without a key", verified("t", key=None), AUTHORIZATION, 150, False),
        ("the key gone", verified("t", key=Key("key-2", b"1", frozenset({"RS256"}), None)), AUTHORIZATION, 150, False),
        (
            "other material under its kid",
            verified("t", key=Key("key-1", b"2", frozenset({"RS256"}), None)),
            AUTHORIZATION,
            150,
            False,
        ),
        ("other algorithms for it", verified("t", key=Key("key-1", b"1", frozenset({"PS256"}), None)), AUTHORIZATION, 150, False),
    ),
)
def test_a_remembered_token_holds_in_time_in_its_header_and_with_its_key(
    entry: Verified, header: Header | None, now: float, holds: bool
) -> None:
    assert entry.holds(header, now) is holds


def test_only_callers_who_were_let_pass_are_remembered(issuer: FakeIssuer) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks())], audience=AUDIENCE, callers=[LOGIN])
    memory = guard.verifier.memory
    for token in (
        issuer.token(STRANGER, AUDIENCE),
        issuer.token(LOGIN, "https://other.example"),
        issuer.forge_signature(issuer.token(LOGIN, AUDIENCE)),
        issuer.strip_signature(issuer.token(LOGIN, AUDIENCE)),
    ):
        assert reason(guard.check, "GET", "/", [("Authorization", f"Bearer {token}")]) is not None
    assert len(memory) == 0
    guard.check("GET", "/", issuer.headers(LOGIN, AUDIENCE).items())
    assert len(memory) == 1


def test_a_token_that_is_remembered_from_one_header_is_judged_in_another_by_that_headers_rules(issuer: FakeIssuer) -> None:
    """Whether it may come there, and whether a cookie brings it."""
    cookie = Header("X-Cookie", scheme=None, cookie_borne=True)
    elsewhere = Header("X-Elsewhere", scheme=None, issuers=("https://idp.example",))
    issuers = [google(keys=issuer.jwks(), audience=AUDIENCE), Issuer("https://idp.example", keys=issuer.jwks(), audience=AUDIENCE)]
    guard = Guard(issuers=issuers, callers=[LOGIN], headers=["Authorization", cookie, elsewhere])
    token = issuer.token(LOGIN, AUDIENCE)
    from_another_site = [("Host", "user-profiles.example"), ("Origin", "https://evil.example")]
    in_authorization, in_cookie, in_elsewhere = ("Authorization", f"Bearer {token}"), ("X-Cookie", token), ("X-Elsewhere", token)
    steps = [
        ("POST", in_authorization, None),
        ("POST", in_cookie, "cross_site"),
        ("GET", in_elsewhere, "issuer_not_allowed"),
        ("GET", in_cookie, None),
        ("POST", in_cookie, "cross_site"),
        ("GET", in_elsewhere, "issuer_not_allowed"),
        ("POST", in_authorization, None),
    ]
    assert [reason(guard.check, method, "/", [sent, *from_another_site]) for method, sent, _ in steps] == [why for *_, why in steps]


def test_a_repr_holds_no_token() -> None:
    assert "secret" not in repr(verified("secret"))


# How it is used


def counted(guard: Guard) -> tuple[int, int, int, int, int]:
    status = guard.memory_status()
    return status["entries"], status["hits"], status["misses"], status["lapsed"], status["evicted"]


def test_the_status_counts_what_becomes_of_each_look_up(signer: FakeIssuer, clock: Clock) -> None:
    shelf, keys, tokens = Shelf(), keys_of(signer), [signer.token(LOGIN, AUDIENCE, jti=str(number)) for number in range(3)]
    guard = build(signer, issuers=[google(keys=shelf, algorithms=["ES256"])], clock=clock, remember=2)
    shelf.put(*keys)
    first, second, third = tokens
    steps = [
        (first, "Authorization", (1, 0, 1, 0, 0)),  # a miss
        (first, "Authorization", (1, 1, 1, 0, 0)),  # a hit
        (first, "X-Serverless-Authorization", (1, 1, 1, 1, 0)),  # lapsed, in another header
        (second, "Authorization", (2, 1, 2, 1, 0)),  # a miss
        (first, "X-Serverless-Authorization", (2, 2, 2, 1, 0)),  # a hit
        (third, "Authorization", (2, 2, 3, 1, 1)),  # a miss, for which the second has to go
        (second, "Authorization", (2, 2, 4, 1, 2)),  # a miss, for which the first has to go
    ]
    assert counted(guard) == (0, 0, 0, 0, 0)
    for token, name, expected in steps:
        assert (ask(guard, token, name), counted(guard)) == (None, expected)
    shelf.put(*keys[1:])
    assert (ask(guard, second), counted(guard)) == ("unknown_key", (1, 2, 4, 2, 2))
    shelf.put(*keys)
    clock.advance(HOUR + 30)
    assert (ask(guard, third), counted(guard)) == ("token_expired", (0, 2, 4, 3, 2))
    assert (ask(guard, third), counted(guard)) == ("token_expired", (0, 2, 5, 3, 2))
    assert guard.memory_status()["bytes"] == 0


def test_the_status_counts_what_is_evicted_for_its_bytes(signer: FakeIssuer) -> None:
    tokens = [signer.token(LOGIN, AUDIENCE, jti=str(number)) for number in range(3)]
    guard = build(signer)
    ask(guard, tokens[0])
    each = guard.memory_status()["bytes"]
    small, smaller = build(signer, remember_bytes=2 * each), build(signer, remember_bytes=each - 1)
    for token in tokens:
        assert [ask(small, token), ask(smaller, token)] == [None, None]
    assert small.memory_status() == {"entries": 2, "bytes": 2 * each, "hits": 0, "misses": 3, "lapsed": 0, "evicted": 1}
    assert smaller.memory_status() == {"entries": 0, "bytes": 0, "hits": 0, "misses": 3, "lapsed": 0, "evicted": 0}


def test_the_status_is_plain_json(signer: FakeIssuer) -> None:
    guard = build(signer)
    ask(guard, signer.token(LOGIN, AUDIENCE))
    status = guard.memory_status()
    assert {type(value) for value in status.values()} == {int}
    assert json.loads(json.dumps(status)) == status


def test_a_token_that_is_replaced_weighs_once() -> None:
    memory = TokenMemory(entries=2, size=MEGABYTE)
    memory.put(verified("token"))
    once = memory.status()["bytes"]
    for _ in range(1000):
        memory.put(verified("token"))
        assert memory.status()["bytes"] == once > 0
    memory.discard("token")
    memory.discard("token")
    assert memory.status()["bytes"] == 0


@pytest.mark.parametrize("options", [{"remember": 0}, {"remember_bytes": 0}, {"remember": 0, "remember_bytes": 0}], ids=str)
def test_switched_off_it_lets_every_token_be_verified_anew(options: dict[str, int], signer: FakeIssuer) -> None:
    guard, headers = build(signer, **options), signer.headers(LOGIN, AUDIENCE)
    callers = [guard.check("GET", "/", headers) for _ in range(2)]
    callers += [asyncio.run(guard.acheck("GET", "/", headers)) for _ in range(2)]
    assert len(set(map(id, callers))) == 4
    assert guard.memory_status() == {"entries": 0, "bytes": 0, "hits": 0, "misses": 4, "lapsed": 0, "evicted": 0}


# What is like a remembered value, and is not it


def test_no_value_that_differs_in_a_character_is_recalled(signer: FakeIssuer) -> None:
    guard, good = build(signer), f"Bearer {signer.token(LOGIN, AUDIENCE)}".encode()
    guard.check("GET", "/", [("Authorization", good)])
    alphabet = [bytes([character]) for character in (string.ascii_letters + string.digits + "-_. ").encode()]
    places = range(len(good))
    changed = {good[:place] + letter + good[place + 1 :] for place in places for letter in alphabet}
    changed |= {good[:place] + good[place + 1 :] for place in places} | {good[:place] for place in places}
    changed -= {good}
    assert len(changed) > 20_000
    assert not any(guard.verifier.memory.recall(value, AUTHORIZATION, guard.policy._clock()) for value in changed)
    some = (value for value in sorted(changed)[::50] if value[:7].lower() != b"bearer " or value[7:] != good[7:])
    assert None not in {reason(guard.check, "GET", "/", [("Authorization", value)]) for value in some}
    assert guard.verifier.memory.recall(good, AUTHORIZATION, guard.policy._clock()) is not None
    assert guard.memory_status()["entries"] == 1


def test_a_text_is_not_taken_for_bytes_of_the_same_hash(signer: FakeIssuer) -> None:
    """A verifier is given tokens as text, a Guard whole values as bytes."""
    token, bare = signer.token(LOGIN, AUDIENCE), Header("X-Bare", scheme=None)
    guard = build(signer, headers=[AUTHORIZATION, bare])
    verifier = guard.verifier
    assert hash(token) == hash(token.encode())
    assert [ask(guard, token), ask(guard, token, "X-Bare", "{}")] == [None, None]
    wrong: list[Any] = [f"Bearer {token}", f"Bearer {token}".encode(), token.encode(), bytearray(token.encode()), None]
    for header in (None, AUTHORIZATION, bare):
        for value in wrong:
            assert reason(lambda value, header: verifier.verify(value, header=header), value, header) == "malformed_token"
            assert (
                reason(lambda value, header: asyncio.run(verifier.averify(value, header=header)), value, header)
                == "malformed_token"
            )
    verifier.verify(token, header=bare)
    assert counted(guard)[:2] == (3, 0)


# Threads


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("hasty")
def test_who_looks_up_does_not_disturb_who_makes_room() -> None:
    memory, begin = TokenMemory(entries=2, size=MEGABYTE), threading.Barrier(4)
    entries = [verified(f"token-{number}") for number in range(4)]
    memory.put(entries[0])
    one = memory.status()["bytes"]

    def put() -> None:
        begin.wait()
        for number in range(20_000):
            memory.put(entries[number % 4])

    def look_up() -> None:
        begin.wait()
        for number in range(40_000):
            recall(memory, f"token-{number % 4}")

    def tell() -> None:
        begin.wait()
        for _ in range(5000):
            status = memory.status()
            assert (status["entries"], status["bytes"]) in ((1, one), (2, 2 * one))

    with ThreadPoolExecutor(4) as pool:
        for running in [pool.submit(each) for each in (put, look_up, look_up, tell)]:
            running.result()


@pytest.mark.usefixtures("hasty")
def test_no_thread_is_let_pass_by_a_key_that_was_gone_before_it_asked(signer: FakeIssuer) -> None:
    shelf, keys, tokens = Shelf(), keys_of(signer), []
    guard = build(signer, issuers=[google(keys=shelf, algorithms=["ES256"])], remember=2)
    for key in keys:
        signer.kid = str(key.kid)
        tokens.append(signer.token(LOGIN, AUDIENCE))
    signer.kid = str(keys[0].kid)
    shelf.put(*keys)
    begin, asked, gone = threading.Barrier(5), threading.Semaphore(0), 0  # how many keys are gone: the first ones

    def use(thread: int) -> None:
        begin.wait()
        turn = thread
        while (were_gone := gone) < len(keys):
            turn += 1
            place = turn % len(keys)
            why = ask(guard, tokens[place])
            assert why == "unknown_key" if place < were_gone else why in {None, "unknown_key"}
            status = guard.memory_status()
            assert 0 <= status["entries"] <= 2
            assert (status["bytes"] > 0) == (status["entries"] > 0)
            asked.release()

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(use, thread) for thread in range(4)]
        begin.wait()
        for number in range(1, len(keys) + 1):
            for _ in range(50):
                assert asked.acquire(timeout=30)
            shelf.put(*keys[number:])
            gone = number
        for each in running:
            each.result()
    assert [ask(guard, token) for token in tokens] == ["unknown_key"] * len(keys)
    assert guard.memory_status()["entries"] == guard.memory_status()["bytes"] == 0
