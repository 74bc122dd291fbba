"""A policy file that changes under a running service: taken whole, or not at all and loudly."""

import logging
import os
import threading
import time
from pathlib import Path

import pytest

from callerid import ConfigurationError, Guard
from callerid.handler import HandlerCheck
from callerid.reload import LOOK_AGAIN, MAX_POLICY_BYTES, REMINDER, SETTLED, PolicyFile
from callerid.request import Request
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, Clock, FakeIssuer, complains, reason


class Service:
    """A Guard that goes by a file, whose time is told by the test."""

    def __init__(self, directory: Path, issuer: FakeIssuer, callers: str) -> None:
        self.path, self.issuer = directory / "policy.toml", issuer
        replace(self.path, self.text(callers))
        self.guard = Guard.from_file(self.path)

    def text(self, callers: str, more: str = "") -> str:
        source = f"[[issuers]]\nissuer = '{self.issuer.issuer}'\njwks_uri = '{self.issuer.jwks_uri}'\n"
        return f"audience = '{AUDIENCE}'\ncallers = ['{callers}']\n{source}{more}"

    def change(self, text: str) -> None:
        """Change the file, and have that seen."""
        replace(self.path, text)
        wait_for_a_look()

    def judges(self, member: str, method: str = "GET", path: str = "/") -> str | None:
        return reason(self.guard.check, method, path, self.issuer.headers(member, AUDIENCE))


def replace(path: Path, text: str, age: float = 60.0) -> None:
    """As `mv` does, of a file that is so many seconds old."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.utime(new, (time.time() - age,) * 2)
    new.rename(path)


def wait_for_a_look() -> None:
    time.sleep(LOOK_AGAIN + 0.05)


@pytest.fixture
def service(tmp_path: Path, issuer: FakeIssuer) -> Service:
    return Service(tmp_path, issuer, LOGIN)


def test_the_callers_of_a_changed_file_may_call(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    assert service.judges(SEARCH) == "caller_not_allowed"
    service.change(service.text(SEARCH))
    assert [service.judges(SEARCH), service.judges(LOGIN)] == [None, "caller_not_allowed"]
    assert f"callerid goes by the changed policy in {service.path}" in caplog.messages


def test_so_do_its_routes_and_groups(service: Service) -> None:
    assert service.judges(LOGIN, "PUT") is None
    service.change(
        service.text(
            "group:readers", f"[groups]\nreaders = ['{LOGIN}']\n[[routes]]\npath = '/**'\nmethods = ['PUT']\ncallers = ['{ANA}']"
        )
    )
    assert [service.judges(LOGIN), service.judges(LOGIN, "PUT"), service.judges(ANA, "PUT")] == [None, "caller_not_allowed", None]
    assert service.judges(LOGIN, "GET", "//") == "ambiguous_path"


def test_a_handlers_list_has_the_groups_of_the_changed_file(service: Service, issuer: FakeIssuer) -> None:
    service.change(service.text(LOGIN, f"[groups]\nreaders = ['{SEARCH}']"))
    assert service.judges(LOGIN) is None
    check = HandlerCheck(service.guard, ["group:readers"])
    again = HandlerCheck(service.guard, ["group:readers"])

    def handle() -> str | None:
        return reason(check, Request("GET", "/", None, list(issuer.headers(LOGIN, AUDIENCE).items()), {}))

    assert handle() == "caller_not_allowed"
    service.change(service.text(LOGIN, f"[groups]\nreaders = ['{LOGIN}']"))
    assert handle() is None
    assert len(service.guard.handler_rules) == 1, again


def test_a_file_without_a_handlers_group_is_not_taken(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.change(service.text(LOGIN, f"[groups]\nreaders = ['{SEARCH}']"))
    assert service.judges(LOGIN) is None
    HandlerCheck(service.guard, ["group:readers"])
    service.change(service.text(SEARCH))
    assert service.judges(SEARCH) == "caller_not_allowed"
    assert "its file has changed, and so has a group: a handler's callers: group 'readers' is not" in caplog.messages[-1]


def test_a_broken_file_changes_nothing_and_is_told(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.change(service.text(SEARCH, "[[routes]]\npath = '/'\n"))
    assert service.judges(LOGIN) is None
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told.startswith(f"callerid keeps to the policy that it has: {service.path}, line 7: routes: 'callers' is missing")
    assert "the policy is older than its file, which is wrong" in service.guard.status()[service.issuer.issuer]["caveats"][-1]
    wait_for_a_look()
    assert service.judges(SEARCH) == "caller_not_allowed"
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1, "once a minute"
    service.change(service.text(SEARCH))
    assert service.judges(SEARCH) is None
    assert not any("older than its file" in each for each in service.guard.status()[service.issuer.issuer]["caveats"])


@pytest.mark.parametrize(
    "text", ["", "callers = [", "callers = ['\udcff']", "callers = []", f"callers = ['{SEARCH}']\nleeway = 1e9"]
)
def test_nothing_that_is_wrong_is_taken(service: Service, text: str) -> None:
    service.path.write_bytes(text.encode(errors="surrogateescape"))
    os.utime(service.path, (0, 0))
    wait_for_a_look()
    assert [service.judges(LOGIN), service.judges(SEARCH)] == [None, "caller_not_allowed"]


def test_a_file_that_is_gone_changes_nothing_and_may_come_back(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    text = service.path.read_text()
    service.path.unlink()
    wait_for_a_look()
    assert service.judges(LOGIN) is None
    assert "cannot be read: No such file" in caplog.text
    service.change(text)
    assert service.judges(LOGIN) is None
    assert "goes by the changed policy" in caplog.text


def test_a_file_that_is_being_written_is_left_until_it_has_settled(service: Service) -> None:
    replace(service.path, service.text(SEARCH), age=-LOOK_AGAIN)
    wait_for_a_look()
    assert service.judges(SEARCH) == "caller_not_allowed"
    wait_for_a_look()
    assert service.judges(SEARCH) is None


def test_issuers_that_stay_the_same_keep_their_keys(service: Service, issuer: FakeIssuer) -> None:
    assert service.judges(LOGIN) is None
    fetches, before = issuer.requests, service.guard.verifier.issuers
    service.change(service.text(SEARCH))
    assert service.judges(SEARCH) is None
    assert service.guard.verifier.issuers == before
    assert issuer.requests == fetches
    service.change(service.text(SEARCH, "max_key_age = 3600"))
    assert service.judges(SEARCH) is None
    assert service.guard.verifier.issuers != before
    assert issuer.requests > fetches


def test_google_keeps_its_keys_where_nothing_says_who_the_issuer_is(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    replace(path, f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']")
    guard = Guard.from_env({"CALLERID_POLICY": str(path)})
    before = guard.verifier.issuers
    replace(path, f"audience = '{AUDIENCE}'\ncallers = ['{SEARCH}']")
    wait_for_a_look()
    assert reason(guard.check, "GET", "/", {}) == "missing_credentials"
    assert "search" in str(guard.policy.callers.members.names)
    assert guard.verifier.issuers == before


def test_headers_of_the_changed_file_are_looked_at(service: Service, issuer: FakeIssuer) -> None:
    token = issuer.token(LOGIN, AUDIENCE)
    service.change("headers = ['X-Token']\n" + service.text(LOGIN))
    assert reason(service.guard.check, "GET", "/", {"X-Token": f"Bearer {token}"}) is None
    assert reason(service.guard.check, "GET", "/", {"Authorization": f"Bearer {token}"}) == "missing_credentials"
    assert {"x-token", "authorization"} <= service.guard.header_names


@pytest.mark.parametrize("how", ["keyword", "variable"])
def test_a_file_that_is_not_to_be_followed_is_read_once(service: Service, how: str) -> None:
    by_variable = {"CALLERID_POLICY": str(service.path), "CALLERID_RELOAD": "off"}
    guard = Guard.from_file(service.path, reload=False) if how == "keyword" else Guard.from_env(by_variable)
    service.change(service.text(SEARCH))
    assert reason(guard.check, "GET", "/", service.issuer.headers(LOGIN, AUDIENCE)) is None


def test_what_says_whether_to_follow_it_is_checked(service: Service) -> None:
    with complains("reload: 'no' is neither"):
        Guard.from_file(service.path, reload="no")  # type: ignore[arg-type]
    with complains("CALLERID_RELOAD: 'never' is neither"):
        Guard.from_env({"CALLERID_POLICY": str(service.path), "CALLERID_RELOAD": "never"})


def test_keywords_beside_the_file_stay(service: Service, issuer: FakeIssuer) -> None:
    replace(service.path, f"audience = '{AUDIENCE}'")
    issuers = (each for each in [issuer.google()])
    guard = Guard.from_file(service.path, callers=iter([LOGIN]), issuers=issuers)
    replace(service.path, f"audience = '{AUDIENCE}'\nleeway = 0")
    wait_for_a_look()
    assert reason(guard.check, "GET", "/", issuer.headers(LOGIN, AUDIENCE)) is None


def test_threads_see_one_policy_or_the_other(service: Service, issuer: FakeIssuer) -> None:
    """In each of them only one of two callers may do what it asks for, by another rule."""
    route = f"[[routes]]\npath = '/**'\ncallers = ['{SEARCH}']"
    headers = {member: issuer.headers(member, AUDIENCE) for member in (LOGIN, SEARCH)}
    seen: list[tuple[str, str | None]] = []
    ends_at = time.monotonic() + 4 * LOOK_AGAIN

    def call(member: str) -> None:
        while time.monotonic() < ends_at:
            seen.append((member, reason(service.guard.check, "GET", "/", headers[member])))

    threads = [threading.Thread(target=call, args=(member,)) for member in headers for _ in range(2)]
    for thread in threads:
        thread.start()
    while time.monotonic() < ends_at:
        service.change(service.text(ANA, route))
        service.change(service.text(LOGIN))
    for thread in threads:
        thread.join()
    assert {answer for _, answer in seen} == {None, "caller_not_allowed"}


# The file by itself, whose clock the tests set


def wrong(content: bytes) -> None:
    raise ConfigurationError(f"callers: {content.decode()}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> PolicyFile:
    path = tmp_path / "policy.toml"
    replace(path, "first")
    return PolicyFile(path, clock=clock)


def test_it_is_looked_at_once_a_second(file: PolicyFile, clock: Clock) -> None:
    taken: list[bytes] = []
    replace(Path(file.path), "second")
    file.renew(taken.append)
    clock.advance(LOOK_AGAIN - 0.01)
    file.renew(taken.append)
    assert taken == []
    clock.advance(0.02)
    file.renew(taken.append)
    file.renew(taken.append)
    clock.advance(LOOK_AGAIN)
    file.renew(taken.append)
    assert taken == [b"second"]


def test_one_thread_looks_while_the_others_go_on(file: PolicyFile, clock: Clock) -> None:
    replace(Path(file.path), "second")
    clock.advance(LOOK_AGAIN)
    taken: list[bytes] = []

    def take(content: bytes) -> None:
        clock.advance(LOOK_AGAIN)
        other = threading.Thread(target=file.renew, args=(taken.append,))
        other.start()
        other.join(timeout=5)
        assert not other.is_alive()

    file.renew(take)
    assert taken == []


def test_what_is_wrong_is_tried_once_and_told_each_minute(file: PolicyFile, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    replace(Path(file.path), "second")
    tried: list[bytes] = []

    def take(content: bytes) -> None:
        tried.append(content)
        wrong(content)

    for _ in range(int(2 * REMINDER)):
        clock.advance(LOOK_AGAIN)
        file.renew(take)
    assert tried == [b"second"]
    assert len(caplog.messages) == 2
    replace(Path(file.path), "third")
    clock.advance(LOOK_AGAIN)
    file.renew(take)
    assert "callers: third" in caplog.messages[-1], "another mistake is told at once"


def test_a_file_from_the_future_is_taken(file: PolicyFile, clock: Clock) -> None:
    taken: list[bytes] = []
    replace(Path(file.path), "second", age=-3600)
    clock.advance(LOOK_AGAIN)
    file.renew(taken.append)
    assert taken == [b"second"]


def test_a_file_that_goes_while_it_is_looked_at_is_not_taken(file: PolicyFile, clock: Clock) -> None:
    path = Path(file.path)

    def gone() -> float:
        path.unlink(missing_ok=True)
        return time.time()

    replace(path, "second")
    vanishing = PolicyFile(path, clock=clock, wall_clock=gone)
    replace(path, "third")
    clock.advance(LOOK_AGAIN)
    vanishing.renew(wrong)
    assert vanishing.problem is None
    clock.advance(LOOK_AGAIN)
    vanishing.renew(wrong)
    assert "cannot be read" in str(vanishing.problem)


@pytest.mark.parametrize(("age", "taken"), [(0.0, []), (SETTLED - 0.1, []), (SETTLED + 0.1, [b"second"])])
def test_settled_is_a_second_old(tmp_path: Path, clock: Clock, age: float, taken: list[bytes]) -> None:
    path = tmp_path / "policy.toml"
    replace(path, "first")
    file = PolicyFile(path, clock=clock, wall_clock=lambda: path.stat().st_mtime + age)
    replace(path, "second")
    clock.advance(LOOK_AGAIN)
    found: list[bytes] = []
    file.renew(found.append)
    assert found == taken


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(bytes(MAX_POLICY_BYTES + 1))
    with complains(str(path), "cannot be read: it holds more than"):
        PolicyFile(path)
