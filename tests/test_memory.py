"""What is remembered of verified tokens, and what it takes to be believed again."""

import threading
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from callerid import Caller, Claims, Guard, Header, Issuer, google
from callerid.keys import KeySet
from callerid.keys.keyset import KeyList
from callerid.keys.local import StaticKeys
from callerid.keys.material import Key
from callerid.memory import TokenMemory, Verified, size_of
from tests.support import AUDIENCE, LOGIN, STRANGER, FakeIssuer, named, reason

KEY = Key("key-1", b"1", frozenset({"RS256"}), None)
KEYS = StaticKeys(KeyList([KEY]))
AUTHORIZATION, ASSERTION = Header("Authorization"), Header("X-Assertion", scheme=None)
MEGABYTE = 1024 * 1024


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
    memory = guard.verifier._memory
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
