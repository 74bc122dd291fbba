"""Keys from a file: what happens to it while it is used, and that no state of it takes good keys away."""

import asyncio
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callerid import Issuer, Unauthenticated, Verifier
from callerid.keys.files import MAX_DOCUMENT_BYTES
from callerid.keys.keyset import parse_jwks, parse_pem_map
from callerid.keys.local import LOOK_AGAIN, REMINDER, FileKeys, StaticKeys
from tests.support import AUDIENCE, LOGIN, Clock, FakeIssuer, complains, named, refuses


@pytest.fixture(scope="module")
def jwk() -> dict[str, Any]:
    """An RSA key, to be published under ids of one's own."""
    with FakeIssuer() as issuer:
        (jwk,) = issuer.jwks()["keys"]
    return {name: jwk[name] for name in ("kty", "n", "e")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jwks.json"


@pytest.fixture
def publish(file: Path, jwk: dict[str, Any]) -> Callable[..., None]:
    """Have the file hold this key under these ids."""
    return lambda *kids: write(file, json.dumps({"keys": [jwk | {"kid": kid} for kid in kids]}).encode())


def write(file: Path, content: bytes) -> None:
    """Put another file in its place, at once, as everybody should."""
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.replace(file)


def delete(file: Path) -> None:
    file.unlink()


def replace_by_a_folder(file: Path) -> None:
    """Not even root can read that."""
    file.unlink()
    file.mkdir()


def replace_by_a_link_to_nowhere(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_suffix(".gone"))


def holding(content: bytes) -> Callable[[Path], None]:
    return lambda file: write(file, content)


def replace_by_a_pipe(file: Path) -> None:
    """One that nobody writes into: whoever opens it as usual waits for ever."""
    file.unlink()
    os.mkfifo(file)


def cut_short(file: Path) -> None:
    """As somebody leaves it who is just writing."""
    os.truncate(file, file.stat().st_size // 2)


BROKEN = named(
    ("deleted", delete, "No such file or directory"),
    ("a folder", replace_by_a_folder, "Is a directory"),
    ("a link to nowhere", replace_by_a_link_to_nowhere, "No such file or directory"),
    ("a pipe", replace_by_a_pipe, "no regular file"),
    ("emptied", holding(b""), "it is not JSON"),
    ("cut short", cut_short, "it is not JSON"),
    ("no JSON", holding(b"<html>secret</html>"), "it is not JSON"),
    ("binary", holding(b"\xff\xfe\x00secret"), "it is not JSON"),
    ("nested too deep", holding(b"[" * 200_000), "it is not JSON"),
    ("a list", holding(b"[]"), "it is no JSON object"),
    ("no JWK Set", holding(b'{"key": "secret"}'), "a JWK Set is"),
    ("an empty set", holding(b'{"keys": []}'), "it holds no usable key"),
    ("no usable key", holding(b'{"keys": [{"kty": "oct", "k": "secret"}]}'), "a private or symmetric key"),
    ("too large", holding(b" " * (MAX_DOCUMENT_BYTES + 1)), "it holds more than 262144 bytes"),
)


def knows(keys: StaticKeys, *kids: str) -> bool:
    """Whether these are the keys, for threads and tasks."""
    found = [keys.find(kid, "RS256") for kid in kids]
    assert [asyncio.run(keys.afind(kid, "RS256")) for kid in kids] == found
    return all(keys.holds(key) for key in found) and keys.status()["key_ids"] == list(kids)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the operator was told of key files since the last call; a key set of another test may still be at work."""
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return [message for message in said if "key file" in message]


@pytest.mark.parametrize(("break_it", "problem"), BROKEN)
def test_a_file_without_keys_at_the_start_is_a_configuration_error_that_repeats_nothing_of_it(
    file: Path, publish: Callable[..., None], break_it: Callable[[Path], None], problem: str
) -> None:
    publish("one")
    break_it(file)
    with complains(f"key file '{file}'", problem) as raised:
        FileKeys(file, parse_jwks)
    assert "secret" not in str(raised.value)


def test_a_file_may_hold_as_many_bytes_as_a_fetched_document(file: Path, publish: Callable[..., None]) -> None:
    publish("one")
    write(file, file.read_bytes().ljust(MAX_DOCUMENT_BYTES))
    assert knows(FileKeys(file, parse_jwks), "one")


def test_a_file_that_is_replaced_is_read_within_a_second(file: Path, publish: Callable[..., None], clock: Clock) -> None:
    publish("one", "two")
    keys = FileKeys(file, parse_jwks, clock=clock)
    assert knows(keys, "one", "two")
    publish("two", "three")
    clock.advance(LOOK_AGAIN - 0.01)
    assert knows(keys, "one", "two")
    clock.advance(0.01)
    assert knows(keys, "two", "three")


def test_a_file_that_is_written_in_place_is_read_when_it_is_whole(
    file: Path, publish: Callable[..., None], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    publish("two")
    whole = file.read_bytes()
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    with file.open("wb", buffering=0) as writing:
        for piece in (b"", whole[:20]):
            writing.write(piece)
            clock.advance(LOOK_AGAIN)
            assert knows(keys, "one")
        writing.write(whole[20:])
    clock.advance(LOOK_AGAIN)
    assert knows(keys, "two")
    assert len(warnings(caplog)) == 1


def test_a_file_that_changes_within_its_times_precision_is_read_again(
    file: Path, publish: Callable[..., None], clock: Clock
) -> None:
    publish("one")
    before = file.stat()
    keys = FileKeys(file, parse_jwks, clock=clock)
    publish("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    clock.advance(LOOK_AGAIN)
    assert knows(keys, "two")


@pytest.mark.parametrize(("break_it", "problem"), BROKEN)
def test_a_file_that_becomes_unfit_takes_no_key_away_and_is_told_once_a_minute(
    file: Path,
    publish: Callable[..., None],
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Path], None],
    problem: str,
) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    break_it(file)
    for expected in ([True], [False] * 59, [True], [False] * 59, [True]):
        for told in expected:
            clock.advance(REMINDER / 60)
            assert knows(keys, "one")
            said = warnings(caplog)
            assert len(said) == told
            assert all(str(file) in line and problem in line and "the last good keys serve on" in line for line in said)
            assert "secret" not in "".join(said)


def test_a_file_that_is_mended_is_read_and_told_no_more(
    file: Path, publish: Callable[..., None], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    delete(file)
    clock.advance(LOOK_AGAIN)
    assert keys.status()["last_error"] == "No such file or directory"
    publish("two")
    clock.advance(REMINDER)
    assert knows(keys, "two")
    assert keys.status()["last_error"] is None
    assert len(warnings(caplog)) == 1


def test_a_file_is_read_once_a_second_and_no_more_while_it_is_used(file: Path, publish: Callable[..., None], clock: Clock) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    for reads in (2, 3, 4):
        for _ in range(100):
            assert knows(keys, "one")
        assert keys.status()["fetches"] == reads  # with the one at the start
        clock.advance(LOOK_AGAIN)


def test_a_file_is_not_read_while_nobody_asks(file: Path, publish: Callable[..., None], clock: Clock) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    clock.advance(3600)
    keys.refresh()
    keys.warm_up(0)
    asyncio.run(keys.awarm_up(0))
    assert keys.ready
    assert keys.status()["fetches"] == 2  # at the start, and for the status


def test_a_key_that_is_asked_for_right_after_it_was_published_is_found(
    file: Path, publish: Callable[..., None], clock: Clock
) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    publish("one", "two")
    assert keys.find("two", "RS256").kid == "two"
    with pytest.raises(Unauthenticated, check=lambda error: error.reason == "unknown_key"):
        keys.find("three", "RS256")


def test_a_file_may_be_a_map_of_pems(file: Path, issuer: FakeIssuer, clock: Clock) -> None:
    write(file, json.dumps(issuer.pem_map()).encode())
    keys = FileKeys(file, parse_pem_map, clock=clock)
    assert keys.find(issuer.kid, "RS256") == StaticKeys(parse_pem_map(issuer.pem_map())).find(issuer.kid, "RS256")
    write(file, b'{"other": "no PEM"}')
    clock.advance(LOOK_AGAIN)
    assert knows(keys, issuer.kid)


def test_a_removed_key_is_gone_and_the_remembered_tokens_with_it(file: Path, clock: Clock) -> None:
    with FakeIssuer(clock=clock) as issuer:
        old = issuer.token(LOGIN, AUDIENCE)
        withdrawn = issuer.kid
        issuer.rotate()
        new = issuer.token(LOGIN, AUDIENCE)
        write(file, json.dumps(issuer.jwks()).encode())
        verifier = Verifier([Issuer(issuer.issuer, keys=FileKeys(file, parse_jwks, clock=clock))], audience=AUDIENCE, clock=clock)
        remembered = verifier.examine(old, None, old)
        verifier.remember(remembered)
        assert verifier.memory.recall(old, None, clock()) is remembered
        issuer.published.remove(withdrawn)
        write(file, json.dumps(issuer.jwks()).encode())
    clock.advance(LOOK_AGAIN)
    assert verifier.memory.recall(old, None, clock()) is None
    with refuses("unknown_key"):
        verifier.verify(old)
    assert verifier.verify(new).issuer == issuer.issuer


def test_the_status_says_what_the_file_holds_and_what_is_wrong_with_it(
    file: Path, publish: Callable[..., None], clock: Clock
) -> None:
    publish("one")
    keys = FileKeys(file, parse_jwks, clock=clock)
    assert knows(keys, "one")
    clock.advance(0.25)
    whole = {
        "state": "fresh",
        "ready": True,
        "key_ids": ["one"],
        "age": 0.25,
        "next_refresh": LOOK_AGAIN - 0.25,
        "last_error": None,
        "fetches": 2,
        "failures": 0,
        "unknown_kids": 0,
    }
    assert json.loads(json.dumps(keys.status())) == whole
    delete(file)
    clock.advance(LOOK_AGAIN)
    broken = whole | {
        "state": "stale",
        "age": LOOK_AGAIN + 0.25,
        "next_refresh": LOOK_AGAIN,
        "last_error": "No such file or directory",
        "fetches": 3,
        "failures": 1,
    }
    assert keys.status() == broken
    publish("one", "two")
    clock.advance(LOOK_AGAIN)
    mended = whole | {"key_ids": ["one", "two"], "age": 0, "next_refresh": LOOK_AGAIN, "fetches": 4, "failures": 1}
    assert keys.status() == mended
    with refuses("unknown_key"):
        keys.find("three", "RS256")
    assert keys.status() == mended | {"fetches": 5, "unknown_kids": 1}


def test_keys_of_the_configuration_have_a_status_that_never_changes(issuer: FakeIssuer) -> None:
    keys = StaticKeys(parse_jwks(issuer.jwks()))
    keys.warm_up(0)
    asyncio.run(keys.awarm_up(0))
    assert keys.ready
    assert json.loads(json.dumps(keys.status())) == {
        "state": "static",
        "ready": True,
        "key_ids": [issuer.kid],
        "age": None,
        "next_refresh": None,
        "last_error": None,
        "fetches": 0,
        "failures": 0,
        "unknown_kids": 0,
    }
