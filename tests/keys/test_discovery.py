"""Keys from where an issuer says they are: what counts as its word, how long it counts, and who sees a token on the way."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callerid import KeysUnavailable, oidc
from callerid.keys.discovery import ASK_AGAIN, Discovery
from callerid.keys.fetch import DEADLINE, FetchError
from callerid.keys.files import MAX_DOCUMENT_BYTES
from callerid.keys.keyset import parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.remote import RemoteKeys
from callerid.profiles import discovery_uri
from tests.keys import Endpoint, Script, answer, eventually, hang, send
from tests.keys.test_fetch import LOOPBACK, Authority
from tests.support import ENDPOINT_TOKEN, Clock, FakeIssuer, complains, named

CONFIGURATION = "/.well-known/openid-configuration"
NOT_FOUND = send(answer(status="404 Not Found"))
KEY = {  # RFC 7517 A.1
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
KEYS, OTHER_KEYS = (json.dumps({"keys": [KEY | {"kid": kid}]}).encode() for kid in ("one", "other"))


class Provider(Endpoint):
    """A server with pages that a test may change. Its issuer is at `path`; its configuration is fresh for ten minutes."""

    def __init__(self, path: str = "", tls: Any = None) -> None:
        super().__init__(self._show, tls=tls)
        self.origin = self.url.removesuffix("/jwks")
        self.issuer = self.origin + path
        self.discovery_uri = discovery_uri(self.issuer)
        self.pages: dict[str, Script] = {"/jwks": send(answer(KEYS, "Cache-Control: max-age=300"))}
        self.configure()

    def configure(self, *headers: str, **changes: Any) -> None:
        """Have the configuration say something else; a change to `None` takes a member out."""
        members = {"issuer": self.issuer, "jwks_uri": self.url} | changes
        body = json.dumps({name: value for name, value in members.items() if value is not None}).encode()
        self.break_with(send(answer(body, *headers)))

    def break_with(self, script: Script) -> None:
        """Have another script in place of the configuration."""
        self.pages[self.discovery_uri.removeprefix(self.origin)] = script

    def discovery(self, **options: Any) -> Discovery:
        return Discovery(self.discovery_uri, self.issuer, **options)

    def asked(self) -> list[str]:
        """The paths that were asked for since the last call."""
        paths = [request.split()[1].decode() for request in self.requests]
        self.requests.clear()
        return paths

    def _show(self, connection: socket.socket) -> None:
        self.pages.get(self.requests[-1].split()[1].decode(), NOT_FOUND)(connection)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.mark.parametrize(
    ("issuer", "uri"),
    [
        ("https://issuer.example", "https://issuer.example/.well-known/openid-configuration"),
        ("https://issuer.example/", "https://issuer.example/.well-known/openid-configuration"),
        ("https://issuer.example/realms/x", "https://issuer.example/realms/x/.well-known/openid-configuration"),
        ("https://issuer.example/realms/x/", "https://issuer.example/realms/x/.well-known/openid-configuration"),
        ("https://issuer.example:8443//", "https://issuer.example:8443//.well-known/openid-configuration"),
    ],
)
def test_a_configuration_is_below_its_issuer(issuer: str, uri: str) -> None:
    assert discovery_uri(issuer) == uri


@pytest.mark.parametrize("path", ["", "/", "/realms/x", "/realms/x/"])
def test_the_keys_are_fetched_from_where_the_issuers_configuration_says(path: str) -> None:
    with Provider(path) as provider:
        document, headers = provider.discovery()()
        assert provider.asked() == [f"{path.removesuffix('/')}{CONFIGURATION}", "/jwks"]
    assert document == KEYS
    assert lifetime_of(headers) == 300  # the keys', not the configuration's


def test_both_are_fetched_over_tls_with_the_authorities_of_one_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Provider(tls=authority.server(LOOPBACK)) as provider:
        assert provider.discovery(ca_file=authority.ca_file)()[0] == KEYS


def test_keys_over_tls_may_be_named_by_a_configuration_of_this_machine(tmp_path: Path, provider: Provider) -> None:
    authority = Authority(tmp_path)
    with Endpoint(send(answer(OTHER_KEYS)), tls=authority.server(LOOPBACK)) as elsewhere:
        provider.configure(jwks_uri=elsewhere.url)
        assert provider.discovery(ca_file=authority.ca_file)()[0] == OTHER_KEYS


# What a configuration has to say


@pytest.mark.parametrize(
    "change",
    named(
        ("a slash more", lambda issuer: issuer + "/"),
        ("a slash less", lambda issuer: issuer.removesuffix("/")),
        ("in upper case", lambda issuer: issuer.upper()),
        ("in another scheme", lambda issuer: issuer.replace("http", "https")),
        ("a blank behind", lambda issuer: issuer + " "),
        ("another", lambda issuer: "https://issuer.example"),
        ("empty", lambda issuer: ""),
        ("missing", lambda issuer: None),
        ("a number", lambda issuer: 5),
        ("a list of it", lambda issuer: [issuer]),
        ("an object", lambda issuer: {"issuer": issuer}),
        ("true", lambda issuer: True),
    ),
)
def test_a_configuration_of_another_issuer_is_refused_and_its_keys_are_not_fetched(change: Any) -> None:
    with Provider("/realms/x/") as provider:
        provider.configure(issuer=change(provider.issuer))
        with pytest.raises(FetchError, match="the two must be equal") as raised:
            provider.discovery()()
        assert provider.asked() == [f"/realms/x{CONFIGURATION}"]
    assert provider.discovery_uri in str(raised.value)


def test_only_the_beginning_of_another_issuers_name_is_told(provider: Provider) -> None:
    provider.configure(issuer="\n\x1b" + "x" * 100_000)
    with pytest.raises(FetchError) as raised:
        provider.discovery()()
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("jwks_uri", "words"),
    named(
        ("missing", None, "no URL with a host"),
        ("a number", 5, "no URL with a host"),
        ("a list", ["https://issuer.example/jwks"], "no URL with a host"),
        ("empty", "", "no URL with a host"),
        ("a path", "/jwks", "no URL with a host"),
        ("a host alone", "issuer.example/jwks", "no URL with a host"),
        ("with credentials", "https://user:password@issuer.example/jwks", "a user name or a password"),
        ("with a fragment", "https://issuer.example/jwks#keys", "no URL with a host"),
        ("with a line's end", "https://issuer.example/\r\nX-Admin: 1", "no URL with a host"),
        ("a file", "file:///etc/jwks.json", "no URL with a host"),
        ("http elsewhere", "http://issuer.example/jwks", "must be https"),
        ("ftp", "ftp://127.0.0.1/jwks", "must be https"),
        ("link-local", "https://169.254.169.254/jwks", "link-local or metadata"),
        ("link-local, as a number", "https://2852039166/jwks", "link-local or metadata"),
        ("link-local, IPv6", "https://[fe80::1%25eth0]/jwks", "link-local or metadata"),
        ("metadata", "https://metadata.google.internal/computeMetadata/v1/", "link-local or metadata"),
        ("metadata over http", "http://169.254.169.254/latest/meta-data/", "link-local or metadata"),
    ),
)
def test_a_configuration_that_names_no_url_to_fetch_keys_from_is_refused(provider: Provider, jwks_uri: Any, words: str) -> None:
    provider.configure(jwks_uri=jwks_uri)
    with pytest.raises(FetchError, match=f"jwks_uri: .*{words}"):
        provider.discovery()()
    assert provider.asked() == [CONFIGURATION]


def test_a_configuration_over_tls_may_not_name_keys_in_plain_text(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Provider(tls=authority.server(LOOPBACK)) as provider, Endpoint(send(answer(KEYS))) as plain:
        provider.configure(jwks_uri=plain.url)
        with pytest.raises(FetchError, match="must be https"):
            provider.discovery(ca_file=authority.ca_file)()
    assert plain.requests == []


BROKEN = named(
    ("down", send(b"")),
    ("404", NOT_FOUND),
    ("500", send(answer(status="500 Internal Server Error"))),
    ("no JSON", send(answer(b"<html>"))),
    ("empty", send(answer(b""))),
    ("a list", send(answer(b"[]"))),
    ("null", send(answer(b"null"))),
    ("nested too deep", send(answer(b"[" * 100_000))),
    ("too large", send(answer(b" " * (MAX_DOCUMENT_BYTES + 1)))),
    ("of 50 MB", send(answer(b" " * 50_000_000))),
    ("another issuer's", send(answer(b'{"issuer": "https://issuer.example", "jwks_uri": "https://issuer.example/jwks"}'))),
    ("redirected", send(answer(b"", "Location: /elsewhere", status="302 Found"))),
)


@pytest.mark.parametrize("broken", BROKEN)
def test_without_a_configuration_no_keys_are_fetched(provider: Provider, broken: Script) -> None:
    provider.break_with(broken)
    with pytest.raises(FetchError, match=provider.discovery_uri) as raised:
        provider.discovery()()
    assert provider.asked() == [CONFIGURATION]
    assert len(str(raised.value)) < 500


def test_keys_that_are_redirected_are_not_fetched(provider: Provider) -> None:
    provider.pages["/jwks"] = send(answer(b"", f"Location: {provider.origin}/elsewhere", status="301 Moved Permanently"))
    with pytest.raises(FetchError, match=f"{provider.url}: it answered 301"):
        provider.discovery()()
    assert provider.asked() == [CONFIGURATION, "/jwks"]


@pytest.mark.parametrize(
    ("url", "word"), [("http://issuer.example/configuration", "must be https"), ("https://169.254.169.254/", "link-local")]
)
def test_a_configuration_is_asked_for_under_the_rules_of_keys(url: str, word: str) -> None:
    with complains("key URL", word):
        Discovery(url, "https://issuer.example")


@pytest.mark.parametrize("option", ["ca_file", "bearer_token_file"])
def test_a_file_that_cannot_be_read_is_a_configuration_error(option: str) -> None:
    options: dict[str, Any] = {option: "/no/such/file"}
    with complains(option, "/no/such/file"):
        Discovery("https://issuer.example/configuration", "https://issuer.example", **options)


# For how long it counts


def fetched(discovery: Discovery) -> bytes:
    """The key document, and then what follows when nobody waits."""
    try:
        return discovery()[0]
    finally:
        discovery.renew()


def test_a_configuration_is_asked_for_again_after_the_keys_and_once_a_minute_at_most(provider: Provider, clock: Clock) -> None:
    discovery = provider.discovery(clock=clock)
    assert not discovery.renew()  # what has never been asked for is asked for first
    for passed, asked in [(0, [CONFIGURATION, "/jwks"]), (ASK_AGAIN - 1, ["/jwks"]), (1, ["/jwks", CONFIGURATION])]:
        clock.advance(passed)
        fetched(discovery)
        assert provider.asked() == asked


def test_without_a_clock_of_ones_own_time_is_real(provider: Provider) -> None:
    discovery = provider.discovery()
    fetched(discovery)
    fetched(discovery)
    assert provider.asked() == [CONFIGURATION, "/jwks", "/jwks"]


@pytest.mark.parametrize("broken", BROKEN)
def test_while_a_configuration_is_broken_the_last_one_counts_and_is_asked_for_each_minute(
    provider: Provider, clock: Clock, broken: Script, caplog: pytest.LogCaptureFixture
) -> None:
    discovery = provider.discovery(clock=clock, stale_if_error=3600)
    fetched(discovery)
    provider.asked()
    provider.break_with(broken)
    provider.pages["/jwks"] = send(answer(OTHER_KEYS))
    for passed, asked in [(600, ["/jwks", CONFIGURATION]), (ASK_AGAIN - 1, ["/jwks"]), (1, ["/jwks", CONFIGURATION])]:
        clock.advance(passed)
        assert fetched(discovery) == OTHER_KEYS
        assert provider.asked() == asked
    assert caplog.text.count(f"cannot renew the configuration of {provider.issuer}") == 2


@pytest.mark.parametrize("stale_if_error", [0, 3600])
def test_a_configuration_that_stays_broken_counts_no_longer_than_the_stale_window(
    provider: Provider, clock: Clock, stale_if_error: float
) -> None:
    discovery = provider.discovery(clock=clock, stale_if_error=stale_if_error)
    fetched(discovery)
    provider.break_with(NOT_FOUND)
    clock.advance(600 + stale_if_error)
    provider.asked()
    with pytest.raises(FetchError, match=f"{CONFIGURATION}: it answered 404"):
        discovery()
    assert provider.asked() == [CONFIGURATION]


def test_keys_that_have_moved_are_found_at_the_next_attempt(provider: Provider, clock: Clock) -> None:
    discovery = provider.discovery(clock=clock)
    fetched(discovery)
    provider.pages |= {"/jwks": NOT_FOUND, "/new": send(answer(OTHER_KEYS))}
    provider.configure(jwks_uri=f"{provider.origin}/new")
    provider.asked()
    with pytest.raises(FetchError, match=f"{provider.url}: it answered 404"):
        fetched(discovery)
    assert fetched(discovery) == OTHER_KEYS
    assert provider.asked() == ["/jwks", CONFIGURATION, "/new"]


def test_keys_that_have_moved_and_left_a_page_behind_are_found_at_the_next_attempt(provider: Provider, issuer: FakeIssuer) -> None:
    provider.pages["/jwks"] = send(answer(b"<html>We have moved.</html>"))
    keys = oidc(provider.issuer).key_set
    with pytest.raises(KeysUnavailable) as raised:
        keys.warm_up(0.5)
    assert raised.value.__notes__ == [f"keys of {provider.issuer}: {provider.url}: it is not JSON"]
    provider.pages["/new"] = send(answer(json.dumps(issuer.jwks()).encode()))
    provider.configure(jwks_uri=f"{provider.origin}/new")
    keys.warm_up(10)
    assert provider.asked()[-1] == "/new"


def test_a_slow_configuration_that_names_another_place_has_the_keys_fetched_from_there_at_once(
    provider: Provider, issuer: FakeIssuer, clock: Clock
) -> None:
    """The old place still serves a key that the issuer has withdrawn."""
    keys = answer(json.dumps(issuer.jwks()).encode(), "Cache-Control: max-age=86400")
    provider.pages |= {"/jwks": send(keys), "/new": send(answer(KEYS))}
    discovery = provider.discovery(clock=clock)
    remote = RemoteKeys(discovery, parse_jwks, lifetime_of, stale_if_error=0, follow_up=discovery.renew, clock=clock)
    withdrawn = remote.find(issuer.kid, "RS256")
    provider.configure(jwks_uri=f"{provider.origin}/new")
    provider.break_with(slowly(provider.pages[CONFIGURATION]))
    clock.advance(80_000)
    assert remote.holds(withdrawn)  # and this wakes the refresh
    eventually(lambda: not remote.holds(withdrawn))
    assert remote.find("one", "ES256").kid == "one"


def test_keys_that_have_moved_are_not_sought_elsewhere_while_the_configuration_is_broken(provider: Provider, clock: Clock) -> None:
    discovery = provider.discovery(clock=clock, stale_if_error=3600)
    fetched(discovery)
    provider.pages["/jwks"] = NOT_FOUND
    provider.break_with(NOT_FOUND)
    provider.asked()
    for _ in range(3):
        with pytest.raises(FetchError, match=f"{provider.url}: it answered 404"):
            fetched(discovery)
    assert provider.asked() == ["/jwks", CONFIGURATION] * 3


def test_a_configuration_is_believed_no_longer_than_a_key_may_live(provider: Provider, clock: Clock) -> None:
    provider.pages["/new"] = send(answer(OTHER_KEYS))
    provider.configure("Cache-Control: max-age=86400")
    discovery = provider.discovery(lifetime=lambda headers: min(60.0, lifetime_of(headers)), clock=clock)
    discovery()
    provider.configure(jwks_uri=f"{provider.origin}/new")
    clock.advance(60)
    assert discovery()[0] == OTHER_KEYS


def slowly(script: Script) -> Script:
    """A script that begins when half of the deadline is over."""

    def later(connection: socket.socket) -> None:
        time.sleep(DEADLINE / 2)
        script(connection)

    return later


def test_the_configuration_and_the_keys_share_one_deadline(provider: Provider) -> None:
    configuration = provider.pages[CONFIGURATION]
    provider.break_with(slowly(configuration))
    provider.pages["/jwks"] = hang
    began_at = time.monotonic()
    with pytest.raises(FetchError, match=provider.url):
        provider.discovery()()
    assert provider.asked() == [CONFIGURATION, "/jwks"]
    assert time.monotonic() - began_at < 1.4 * DEADLINE  # two deadlines would be one and a half


# Who sees the bearer token


def credentials(request: bytes) -> bool:
    return b"\r\nAuthorization: Bearer %s\r\n" % ENDPOINT_TOKEN.encode() in request


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{ENDPOINT_TOKEN}\n")
    return file


def test_the_bearer_token_goes_to_the_configurations_origin(provider: Provider, token_file: Path) -> None:
    provider.discovery(bearer_token_file=str(token_file))()
    assert [credentials(request) for request in provider.requests] == [True, True]


def test_the_bearer_token_goes_to_no_other_port(provider: Provider, token_file: Path) -> None:
    with Endpoint(send(answer(KEYS))) as elsewhere:
        provider.configure(jwks_uri=elsewhere.url)
        provider.discovery(bearer_token_file=str(token_file))()
    assert [credentials(request) for request in provider.requests] == [True]
    assert b"authorization" not in elsewhere.requests[0].lower()


def test_the_bearer_token_goes_to_no_other_name_of_this_host(provider: Provider, token_file: Path) -> None:
    provider.configure(jwks_uri=provider.url.replace("127.0.0.1", "localhost"))
    provider.discovery(bearer_token_file=str(token_file))()
    assert [credentials(request) for request in provider.requests] == [True, False]


def test_the_bearer_token_goes_to_no_other_scheme(tmp_path: Path, provider: Provider, token_file: Path) -> None:
    authority = Authority(tmp_path)
    with Endpoint(send(answer(KEYS)), tls=authority.server(LOOPBACK)) as elsewhere:
        provider.configure(jwks_uri=elsewhere.url)
        provider.discovery(bearer_token_file=str(token_file), ca_file=authority.ca_file)()
    assert b"authorization" not in elsewhere.requests[0].lower()


def test_a_token_that_vanishes_between_the_two_is_a_fetch_error(provider: Provider, token_file: Path) -> None:
    configuration = provider.pages[CONFIGURATION]

    def vanish(connection: socket.socket) -> None:
        token_file.unlink()
        configuration(connection)

    provider.break_with(vanish)
    with pytest.raises(FetchError, match="bearer_token_file"):
        provider.discovery(bearer_token_file=str(token_file))()
    assert provider.asked() == [CONFIGURATION]
