"""A policy file that changes under a running service: taken whole, or not at all and loudly."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from callerid import ConfigurationError, Guard
from callerid.handler import HandlerCheck
from callerid.logs import MOST_LINES
from callerid.policy import HandlerList
from callerid.reload import LOOK_AGAIN, MAX_POLICY_BYTES, REMINDER, PolicyFile
from callerid.request import Request
from callerid.wsgi import wsgi_request
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, Clock, FakeIssuer, complains, named, reason


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
        look(self.guard)

    def judges(self, member: str, method: str = "GET", path: str = "/") -> str | None:
        return reason(self.guard.check, method, path, self.issuer.headers(member, AUDIENCE))


def replace(path: Path, text: str) -> None:
    """As `mv` does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def look(guard: Guard) -> None:
    """Have the guard look at its file, as it does each second; twice, since a change counts when it has settled."""
    assert guard._file is not None
    for _ in range(2):
        guard._file._look_at = 0.0
        guard._file.renew(guard._take)


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
    assert len(service.guard._handler_lists) == 1, again


def test_a_handlers_list_that_nobody_can_pass_any_more_is_told(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    HandlerCheck(service.guard, [LOGIN])
    assert "so nobody may call that handler" not in caplog.text
    service.change(service.text(SEARCH))
    assert [line for line in caplog.messages if line.endswith("so nobody may call that handler; such a list never widens")]


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
    look(service.guard)
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
    look(service.guard)
    assert [service.judges(LOGIN), service.judges(SEARCH)] == [None, "caller_not_allowed"]


def test_a_file_that_is_gone_changes_nothing_and_may_come_back(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    text = service.path.read_text()
    service.path.unlink()
    look(service.guard)
    assert service.judges(LOGIN) is None
    assert "cannot be read: No such file" in caplog.text
    service.change(text)
    assert service.judges(LOGIN) is None
    assert not any("older than its file" in each for each in service.guard.status()[service.issuer.issuer]["caveats"])


def test_a_change_counts_within_three_seconds(service: Service) -> None:
    replace(service.path, service.text(SEARCH))
    ends_at = time.monotonic() + 30
    while service.judges(SEARCH) is not None:
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def test_the_first_request_after_an_idle_time_is_judged_by_the_file_as_it_has_been_meanwhile(service: Service) -> None:
    assert service.judges(LOGIN) is None
    replace(service.path, service.text(SEARCH))
    time.sleep(LOOK_AGAIN + 0.1)
    assert [service.judges(LOGIN), service.judges(SEARCH)] == ["caller_not_allowed", None]


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


def test_a_new_issuers_files_are_beside_the_policy_wherever_the_process_runs_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, issuer: FakeIssuer
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()))
    text = f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n[[issuers]]\nissuer = '{issuer.issuer}'\njwks_file = 'keys.json'\n"
    replace(tmp_path / "policy.toml", text)
    monkeypatch.chdir(tmp_path)
    guard = Guard.from_file("policy.toml")
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = guard.verifier.issuers
    replace(tmp_path / "policy.toml", f"{text}algorithms = ['RS256', 'PS256']\n")
    look(guard)
    assert guard.verifier.issuers != before
    assert reason(guard.check, "GET", "/", issuer.headers(LOGIN, AUDIENCE)) is None


def test_google_keeps_its_keys_where_nothing_says_who_the_issuer_is(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    replace(path, f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']")
    guard = Guard.from_env({"CALLERID_POLICY": str(path)})
    before = guard.verifier.issuers
    replace(path, f"audience = '{AUDIENCE}'\ncallers = ['{SEARCH}']")
    look(guard)
    assert reason(guard.check, "GET", "/", {}) == "missing_credentials"
    assert "search" in str(guard.policy.callers.members.names)
    assert guard.verifier.issuers == before


def test_no_count_goes_back(service: Service, issuer: FakeIssuer) -> None:
    """Monitoring takes one that does for a process that has begun anew, and OpenTelemetry has no word for it."""
    sent = issuer.headers(LOGIN, AUDIENCE)
    gone = {"Authorization": f"Bearer {issuer.sign(issuer.claims(LOGIN, AUDIENCE), kid='gone')}"}

    def counted() -> tuple[int, ...]:
        assert [reason(service.guard.check, "GET", "/", each) for each in (sent, sent, gone)] == [None, None, "unknown_key"]
        memory, keys = service.guard.memory_status(), service.guard.status()[issuer.issuer]
        return memory["entries"], memory["hits"], memory["misses"], keys["unknown_kids"], keys["fetches"]

    seen = [counted()]
    for more in ("# changed", "max_key_age = 3600", "max_key_age = 3600  # changed", "max_key_age = 3601"):
        service.change(service.text(LOGIN, more))
        seen.append(counted())
    assert [each[:4] for each in seen] == [(1, n, 2 * n, n) for n in range(1, 6)]
    fetches = [each[4] for each in seen]
    assert fetches == sorted(fetches)
    assert fetches[-1] > fetches[0]


def test_what_goes_on_by_the_old_policy_is_counted_too(service: Service) -> None:
    """A request that has taken the old policy looks into its memory when the new one has begun."""
    before = service.guard.policy
    service.change(service.text(SEARCH))
    counted = service.guard.memory_status()["misses"]
    assert before is not service.guard.policy
    assert before.verifier.memory.recall("a token", None, 0.0) is None
    assert service.guard.memory_status()["misses"] == counted + 1


def test_an_issuer_that_comes_again_goes_on_counting(service: Service, issuer: FakeIssuer) -> None:
    text = service.path.read_text()
    with FakeIssuer("https://idp.example") as other:
        service.guard.warm_up()
        between = text.replace(issuer.issuer, other.issuer).replace(issuer.jwks_uri, other.jwks_uri)
        service.change(between)
        assert list(service.guard.status()) == [other.issuer]
        service.change(text)
        service.guard.warm_up()
    assert service.guard.status()[issuer.issuer]["fetches"] == 2


def test_the_limits_of_the_log_outlive_a_change(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    for callers in (LOGIN, SEARCH, LOGIN):
        service.change(service.text(callers))
        for _ in range(MOST_LINES // 2 + 1):
            service.judges(STRANGER)
    assert len([line for line in caplog.messages if "refused 403" in line]) == MOST_LINES


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
    look(guard)
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


class Unwell(logging.Handler):
    """As one that sends logs to a service which is down."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError


@pytest.fixture
def unwell() -> Iterator[None]:
    handler = Unwell()
    logging.getLogger("callerid").addHandler(handler)
    yield
    logging.getLogger("callerid").removeHandler(handler)


@pytest.mark.usefixtures("unwell")
def test_a_log_that_fails_keeps_no_change_from_being_taken(tmp_path: Path, issuer: FakeIssuer) -> None:
    service = Service(tmp_path, issuer, LOGIN)
    HandlerCheck(service.guard, [LOGIN])
    service.change(service.text(SEARCH))  # its issuer and the handler's list have caveats
    assert service.judges(SEARCH) is None
    assert service.guard._file is not None
    assert service.guard._file.problem is None


@pytest.mark.usefixtures("unwell")
def test_a_log_that_fails_is_nothing_to_the_request_that_finds_a_broken_file(service: Service) -> None:
    service.change("callers = [")
    assert service.guard.status()[service.issuer.issuer]["caveats"][-1].startswith("the policy is older than its file")


def test_warnings_are_of_the_policy_that_is_taken_and_come_with_it(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.change(service.text("group:readers", f"[groups]\nreaders = ['{LOGIN}']"))
    HandlerCheck(service.guard, ["group:readers"])
    caplog.clear()
    service.change(service.text("allUsers"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR], (
        "no warning of a policy that the handler's list forbids"
    )
    service.change(service.text("allUsers", f"[groups]\nreaders = ['{LOGIN}']"))
    assert "callers: allUsers opens whatever no other route says to the whole world" in caplog.messages


def test_a_handlers_list_that_comes_while_a_file_is_taken_is_read_or_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view is imported by one request while another takes a file without the group that the view names."""
    service.change(service.text(LOGIN, f"[groups]\nreaders = ['{LOGIN}']"))
    refused: list[str] = []

    def register() -> None:
        with complains("group 'readers' is not defined") as complaint:
            HandlerCheck(service.guard, ["group:readers"])
        refused.append(str(complaint))

    importing = threading.Thread(target=register)

    class Slow(dict[tuple[str, ...], HandlerList]):
        """The lists that the Guard knows, while they are looked through."""

        def values(self) -> Any:
            if not importing.ident:
                importing.start()
                importing.join(0.2)  # it waits for the end, when the new policy is there
            return super().values()

    monkeypatch.setattr(service.guard, "_handler_lists", Slow())
    service.change(service.text(SEARCH))
    importing.join()
    assert service.guard.status()
    assert (len(refused), service.judges(SEARCH)) == (1, None)


def test_an_emptied_file_is_not_taken(tmp_path: Path, issuer: FakeIssuer, caplog: pytest.LogCaptureFixture) -> None:
    """As a full disk leaves one behind. The rest is in the environment, and the file has the routes that narrow it."""
    path = tmp_path / "policy.toml"
    replace(path, f"[[routes]]\npath = '/admin/**'\ncallers = ['{ANA}']")
    environ = {"CALLERID_POLICY": str(path), "CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": LOGIN}
    guard = Guard.from_env(environ | {"CALLERID_JWKS_URI": issuer.jwks_uri})
    for emptied in ("", "# to be written\n"):
        replace(path, emptied)
        look(guard)
        assert reason(guard.check, "DELETE", "/admin/users", issuer.headers(LOGIN, AUDIENCE)) == "caller_not_allowed"
        assert "policy.toml): empty; write Guard's keywords" in caplog.text


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
    return PolicyFile(path, clock=clock, wall=lambda: 0.0)  # so its own clock tells nothing, as fast as the test may be


def test_it_is_looked_at_once_a_second_and_taken_when_two_looks_agree(file: PolicyFile, clock: Clock) -> None:
    taken: list[bytes] = []
    replace(Path(file.path), "second")
    file.renew(taken.append)
    clock.advance(LOOK_AGAIN - 0.01)
    file.renew(taken.append)
    for text in ("second", "second and more", "second and more"):
        replace(Path(file.path), text)
        assert taken == []
        clock.advance(LOOK_AGAIN)
        file.renew(taken.append)
        file.renew(taken.append)
    clock.advance(LOOK_AGAIN)
    file.renew(taken.append)
    assert taken == [b"second and more"]


WRONG_CLOCKS = named(  # the look before and the look now, as seconds after the change that the file's clock tells
    ("the file's clock is ahead by an hour", -3660.0, -3600.0),
    ("the file's clock is behind by an hour", 3540.0, 3600.0),
    ("the process's clock has gone back by an hour", 3600.0, 60.0),
    ("the change is less than a second old", -60.0, 0.9),
)


@pytest.fixture
def wall() -> Clock:
    return Clock()


@pytest.fixture
def idle(tmp_path: Path, clock: Clock, wall: Clock) -> PolicyFile:
    """One that nobody has looked at for a minute."""
    replace(tmp_path / "policy.toml", "first")
    wall.now = time.time() - 60
    file = PolicyFile(tmp_path / "policy.toml", clock=clock, wall=wall)
    clock.advance(60)
    return file


def test_what_has_settled_while_nobody_called_is_taken_at_the_first_look(idle: PolicyFile, wall: Clock) -> None:
    taken: list[bytes] = []
    replace(Path(idle.path), "second")
    wall.now = time.time() + LOOK_AGAIN + 0.1
    idle.renew(taken.append)
    assert taken == [b"second"]


@pytest.mark.parametrize(("before", "now"), WRONG_CLOCKS)
def test_where_clocks_do_not_tell_that_it_has_settled_two_looks_do(
    idle: PolicyFile, clock: Clock, wall: Clock, before: float, now: float
) -> None:
    taken: list[bytes] = []
    replace(Path(idle.path), "second")
    changed_at = Path(idle.path).stat().st_ctime
    idle._looked_at, wall.now = changed_at + before, changed_at + now
    idle.renew(taken.append)
    assert taken == []
    clock.advance(LOOK_AGAIN)
    idle.renew(taken.append)
    assert taken == [b"second"]


def test_a_file_that_is_still_written_is_not_taken_whenever_it_was_begun(idle: PolicyFile, wall: Clock) -> None:
    taken: list[bytes] = []
    with Path(idle.path).open("w") as writing:
        writing.write("sec")
        writing.flush()
        wall.now = time.time() + LOOK_AGAIN / 2
        idle.renew(taken.append)
    assert taken == []


def test_one_thread_looks_while_the_others_go_on(file: PolicyFile, clock: Clock) -> None:
    replace(Path(file.path), "second")
    taken: list[bytes] = []

    def take(content: bytes) -> None:
        clock.advance(LOOK_AGAIN)
        other = threading.Thread(target=file.renew, args=(taken.append,))
        other.start()
        other.join(timeout=5)
        assert not other.is_alive()

    for _ in range(2):
        clock.advance(LOOK_AGAIN)
        file.renew(take)
    assert (taken, file.content) == ([], b"second")


def test_what_is_wrong_is_tried_and_told_each_minute_until_it_is_mended(
    file: PolicyFile, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    replace(Path(file.path), "second")
    tried: list[bytes] = []
    take: Callable[[bytes], None] = wrong

    def trying(content: bytes) -> None:
        tried.append(content)
        take(content)

    def seconds(number: float) -> None:
        for _ in range(int(number)):
            clock.advance(LOOK_AGAIN)
            file.renew(trying)

    seconds(2 * REMINDER - 1)
    assert tried == [b"second"] * 2
    assert len(caplog.messages) == 2
    replace(Path(file.path), "third")
    seconds(2)
    assert "callers: third" in caplog.messages[-1], "another mistake is told at once"
    take = lambda content: None  # noqa: E731  (what it names has come)
    seconds(REMINDER)
    assert (file.content, file.problem) == (b"third", None)
    assert "goes by the changed policy" in caplog.messages[-1]


@pytest.mark.parametrize("error", [RecursionError, MemoryError, KeyError, TimeoutError])
def test_whatever_happens_in_it_the_request_goes_on_and_the_change_is_not_lost(
    file: PolicyFile, clock: Clock, error: type[Exception]
) -> None:
    replace(Path(file.path), "second")
    tried: list[bytes] = []

    def take(content: bytes) -> None:
        tried.append(content)
        if len(tried) == 1:
            raise error

    for _ in range(int(REMINDER) + 3):
        clock.advance(LOOK_AGAIN)
        file.renew(take)
        assert len(tried) != 1 or error.__name__ in str(file.problem)
    assert (len(tried), file.content, file.problem) == (2, b"second", None)


def test_a_request_that_is_broken_off_leaves_the_change_for_the_next(file: PolicyFile, clock: Clock) -> None:
    replace(Path(file.path), "second")

    def interrupted(content: bytes) -> None:
        raise KeyboardInterrupt

    clock.advance(LOOK_AGAIN)
    file.renew(interrupted)
    clock.advance(LOOK_AGAIN)
    with pytest.raises(KeyboardInterrupt):
        file.renew(interrupted)
    taken: list[bytes] = []
    clock.advance(LOOK_AGAIN)
    file.renew(taken.append)
    assert taken == [b"second"]


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(bytes(MAX_POLICY_BYTES + 1))
    with complains(str(path), "cannot be read: it holds more than"):
        PolicyFile(path)


# What an attack has found


def test_a_handlers_list_belongs_to_the_policy_that_judged_the_request(service: Service, issuer: FakeIssuer) -> None:
    """The request is judged, then its body takes its time, and meanwhile the file changes."""
    service.change(service.text(LOGIN, f"[groups]\nstaff = ['{ANA}']"))
    check = HandlerCheck(service.guard, ["group:staff"])
    request = Request("GET", "/", None, list(issuer.headers(LOGIN, AUDIENCE).items()), {})
    service.guard.judge(request)
    service.change(service.text(ANA, f"[groups]\nstaff = ['{LOGIN}', '{ANA}']"))
    assert reason(check, request) == "caller_not_allowed"
    assert service.judges(LOGIN) == "caller_not_allowed"


def test_lists_that_come_while_the_file_changes_are_their_handlers_own(service: Service, issuer: FakeIssuer) -> None:
    members = [f"serviceAccount:h{number}@shop.iam.gserviceaccount.com" for number in range(60)]
    groups = "[groups]\n" + "".join(f"g{number} = ['{member}']\n" for number, member in enumerate(members))
    service.change(service.text("allAuthenticatedUsers", groups))
    checks: list[HandlerCheck] = []

    def change() -> None:
        while len(checks) < len(members):
            service.change(service.text("allAuthenticatedUsers", groups + f"more = ['{LOGIN}']\n"))
            service.change(service.text("allAuthenticatedUsers", groups))

    changing = threading.Thread(target=change)
    changing.start()
    checks.extend(HandlerCheck(service.guard, [f"group:g{number}"]) for number in range(len(members)))
    changing.join()
    policy = service.guard.policy
    for check, member in zip(checks, members, strict=True):
        assert check.handler_list is not None
        assert policy.handler_rule(check.handler_list).members.words == {member}


def test_the_request_that_brings_the_change_shows_all_headers_that_it_looks_at(service: Service, issuer: FakeIssuer) -> None:
    """In WSGI headers are taken from the environment, by name."""
    replace(service.path, "headers = ['X-Token', 'Authorization']\n" + service.text(LOGIN))
    assert service.guard._file is not None
    service.guard._file._look_at = 0.0
    assert service.judges(LOGIN) is None
    service.guard._file._look_at = 0.0
    token = issuer.token(LOGIN, AUDIENCE)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_TOKEN": "junk", "HTTP_AUTHORIZATION": f"Bearer {token}"}
    assert reason(service.guard.judge, wsgi_request(service.guard, environ)) == "malformed_credentials"
