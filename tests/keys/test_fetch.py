"""One GET: what comes back, what is refused, and that nothing makes it last."""

import base64
import ipaddress
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from callerid.keys.fetch import DEADLINE, Fetcher, FetchError, _dial, _Response, reason_of
from callerid.keys.files import MAX_DOCUMENT_BYTES
from callerid.keys.lifetime import MAX_LIFETIME, MIN_LIFETIME, lifetime_of
from tests.keys import Endpoint, Script, answer, eventually, hang, send
from tests.support import ENDPOINT_TOKEN, complains, named

SHORT = 0.3  # seconds, for those that would never end
NOT_LONG = 4.0  # seconds: more than SHORT, even on a busy machine, and less than the deadline where none is told


def fails_soon(fetch: Fetcher, *words: str) -> None:
    """Expect this fetch to be cut at a short deadline, if not before, with an error that holds these words."""
    began_at = time.monotonic()
    with pytest.raises(FetchError, check=lambda error: all(word in str(error) for word in words)) as raised:
        fetch(SHORT)
    assert time.monotonic() - began_at < NOT_LONG
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def drip(*before: bytes) -> Script:
    """Begin, and then send a blank now and then until the client hangs up."""

    def script(connection: socket.socket) -> None:
        send(*before)(connection)
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    return script


def pour(connection: socket.socket) -> None:
    """A document without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def headers_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Endless: %s\r\n" % (b" " * 60_000))


def extensions_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1;%s\r\n{\r\n" % (b"x" * 60_000))


def interim(connection: socket.socket) -> None:
    """Say again and again that an answer will come."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def test_a_200_gives_its_body_and_headers() -> None:
    with Endpoint(send(answer(b'{"keys": []}', "Cache-Control: max-age=61"))) as endpoint:
        body, headers = Fetcher(endpoint.url)()
    assert body == b'{"keys": []}'
    assert lifetime_of(headers) == 61
    (request,) = endpoint.requests
    assert request.startswith(b"GET /jwks HTTP/1.1\r\n")
    assert b"Accept-Encoding: identity" in request


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(send(answer(b"{}", "Connection: close")), id="ended by the connection"),
        pytest.param(send(answer(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked")), id="chunked"),
        pytest.param(send(answer(b"{}", "Content-Encoding: Identity")), id="identity said"),
        pytest.param(send(answer(b"{}" + b" " * (MAX_DOCUMENT_BYTES - 2))), id="just not too large"),
    ],
)
def test_every_way_to_send_a_document_is_understood(script: Script) -> None:
    with Endpoint(script) as endpoint:
        assert Fetcher(endpoint.url)()[0].strip() == b"{}"


FAULTY: dict[str, Script] = {
    "404": send(answer(status="404 Not Found")),
    "500": send(answer(status="500 Internal Server Error")),
    "204": send(answer(status="204 No Content")),
    "gzip": send(answer(b"", "Content-Encoding: gzip")),
    "300 KiB": send(answer(b" " * (300 * 1024))),
    "300 KiB of untold length": send(answer(b" " * (300 * 1024), "Connection: close")),
    "no end": pour,
    "truncated": send(answer(b'{"keys"', "Content-Length: 100")),
    "truncated and closed": send(answer(b'{"keys"', "Content-Length: 100", "Connection: close")),
    "truncated chunk": send(answer(b"10\r\n{", "Transfer-Encoding: chunked")),
    "no HTTP": send(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "junk": send(b"\x00" * 100_000),
    "closed at once": send(b""),
    "hangs before headers": hang,
    "drips before the status": drip(),
    "drips headers": drip(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "drips a chunk's length": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "drips a chunk": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"),
    "drips after a 100": drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drips after a 103": drip(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "100s without end": interim,
    "headers without end": headers_without_end,
    "extensions of a chunk without end": extensions_without_end,
    "drips the body": drip(answer(b"{}", "Content-Length: 1000000")),
    "drips a body of untold length": drip(answer(b"{}", "Connection: close")),
    "drips a body and will close": drip(answer(b"{}", "Connection: close", "Content-Length: 1000000")),
    "drips HTTP/1.0": drip(b"HTTP/1.0 200 OK\r\n\r\n{}"),
}
FAULTS = [pytest.param(script, id=name) for name, script in FAULTY.items()]


@pytest.mark.parametrize("script", FAULTS)
def test_everything_but_a_whole_small_200_in_time_is_a_fetch_error(script: Script) -> None:
    with Endpoint(script) as endpoint:
        fails_soon(Fetcher(endpoint.url), endpoint.url)


LEFTOVERS = """
import gc, json, os, stat, sys
from contextlib import suppress
from callerid.keys.fetch import Fetcher, FetchError

def sockets():
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(int(fd)).st_mode)
    return found

threads = []
sys.addaudithook(lambda event, arguments: threads.append(event) if event == "_thread.start_new_thread" else None)
before, failed = sockets(), 0
gc.disable()
for url in sys.argv[1:]:
    try:
        Fetcher(url)(0.3)
    except FetchError:
        failed += 1
print(json.dumps([failed, threads, sockets() - before]))
gc.collect()
"""


def test_no_fetch_however_it_ends_starts_a_thread_or_leaves_a_socket_open() -> None:
    with ExitStack() as stack:
        good = stack.enter_context(Endpoint(send(answer()))).url
        urls = [stack.enter_context(Endpoint(script)).url for script in FAULTY.values()]
        command = [sys.executable, "-W", "error::ResourceWarning", "-c", LEFTOVERS, good, *urls, good.replace("http:", "https:")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert json.loads(done.stdout) == [len(FAULTS) + 1, [], 0]
    assert done.stderr == ""


def test_an_answer_is_not_read_on_and_on() -> None:
    with Endpoint(interim) as endpoint:
        began_at = time.monotonic()
        with pytest.raises(FetchError, match="its answer is longer than 524288 bytes"):
            Fetcher(endpoint.url)()
        assert time.monotonic() - began_at < DEADLINE


def test_what_cannot_be_read_of_the_headers_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with Endpoint(send(answer(b"{}", "Content-Length: 2", "secret secret"))) as endpoint, caplog.at_level(logging.INFO):
        assert Fetcher(endpoint.url)()[0] == b"{}"
    assert "secret" not in caplog.text


def test_what_has_come_when_the_time_is_over_still_counts() -> None:
    """A process that stood still for longer than the deadline finds the answer there."""
    with Endpoint(send(answer(b"{}"))) as endpoint, socket.create_connection(("127.0.0.1", endpoint.port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        eventually(lambda: len(line.recv(100, socket.MSG_PEEK)) == len(answer(b"{}")))
        response = _Response(lambda: 0.0, line)
        response.begin()
        assert response.read() == b"{}"
        response.close()


def test_a_redirect_is_not_followed() -> None:
    with Endpoint(send(answer())) as elsewhere, Endpoint(hang) as endpoint:
        endpoint.script = send(answer(b"", f"Location: {elsewhere.url}", status="302 Found"))
        with pytest.raises(FetchError, match="answered 302"):
            Fetcher(endpoint.url)()
    assert elsewhere.requests == []


def test_a_refused_connection_is_a_fetch_error() -> None:
    with Endpoint(hang) as endpoint:
        pass
    fails_soon(Fetcher(endpoint.url), endpoint.url, "Connection refused")


@pytest.mark.parametrize("script", [hang, drip(answer(b"{}", "Connection: close"))], ids=["hangs", "drips"])
def test_an_answer_that_does_not_come_in_time_is_told_as_that(script: Script) -> None:
    with Endpoint(script) as endpoint:
        fails_soon(Fetcher(endpoint.url), endpoint.url, "no whole answer in time")


def chain(length: int) -> Exception:
    """An error with its cause, which has one in turn, and so on."""
    return OSError(chain(length - 1)) if length else ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(("length", "reason"), [(0, "Connection refused"), (3, "Connection refused"), (100, "OSError")])
def test_the_first_cause_is_told_if_it_is_not_too_far(length: int, reason: str) -> None:
    assert reason_of(chain(length)) == reason


# TLS


class Authority:
    """A certificate authority of our own."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An authority")])
        self._folder = folder
        self.ca_file = str(folder / "ca.pem")
        (folder / "ca.pem").write_bytes(self._issue(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def server(self, *names: x509.GeneralName) -> ssl.SSLContext:
        """What a server of these names serves with."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A server")])
        file = self._folder / "server.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(pem + self._issue(subject, key, x509.SubjectAlternativeName(names)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


HANDSHAKE = b"\x16\x03\x03\x40\x00"  # begins a long message of the server's
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls_endpoint(authority: Authority) -> Iterator[Endpoint]:
    with Endpoint(send(answer()), tls=authority.server(LOOPBACK)) as endpoint:
        yield endpoint


def test_a_private_authority_is_trusted_where_its_file_is_given(authority: Authority, tls_endpoint: Endpoint) -> None:
    assert Fetcher(tls_endpoint.url, ca_file=authority.ca_file)()[0] == b"{}"


def test_an_untrusted_certificate_ends_the_fetch_before_the_request(tls_endpoint: Endpoint) -> None:
    fails_soon(Fetcher(tls_endpoint.url), tls_endpoint.url, "its certificate is not accepted")
    assert tls_endpoint.requests == []


def test_a_certificate_for_another_host_ends_the_fetch(authority: Authority) -> None:
    tls = authority.server(x509.DNSName("other.example"))
    with Endpoint(hang, tls=tls) as endpoint:
        fails_soon(Fetcher(endpoint.url, ca_file=authority.ca_file), "its certificate is not accepted")
    assert endpoint.requests == []


@pytest.mark.parametrize(
    "script",
    named(
        ("hangs", hang),
        ("drips headers", drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")),
        ("drips the body", drip(answer(b"{}", "Connection: close"))),
    ),
)
def test_the_deadline_holds_over_tls(authority: Authority, script: Script) -> None:
    with Endpoint(script, tls=authority.server(LOOPBACK)) as endpoint:
        fails_soon(Fetcher(endpoint.url, ca_file=authority.ca_file))


@pytest.mark.parametrize(
    "script", named(("hangs", hang), ("drips", drip(HANDSHAKE)), ("is none", drip(b"HTTP/1.1 400 Bad Request\r\n")))
)
def test_a_tls_handshake_is_within_the_deadline(script: Script) -> None:
    with Endpoint(script) as endpoint:
        fails_soon(Fetcher(endpoint.url.replace("http:", "https:")))


@pytest.mark.parametrize("over_tls", [False, True])
def test_what_has_not_come_by_then_does_not(authority: Authority, over_tls: bool) -> None:
    tls = ssl.create_default_context(cafile=authority.ca_file)
    with Endpoint(hang, tls=authority.server(LOOPBACK) if over_tls else None) as endpoint, ExitStack() as stack:
        line = stack.enter_context(socket.create_connection(("127.0.0.1", endpoint.port)))
        if over_tls:
            line = stack.enter_context(tls.wrap_socket(line, server_hostname="127.0.0.1"))
        response = stack.enter_context(closing(_Response(lambda: 0.0, line)))
        with pytest.raises(TimeoutError):
            response.begin()


def test_nothing_written_beside_tls_is_read_not_even_behind_a_genuine_head(authority: Authority) -> None:
    """Whoever sits on the line can write there."""
    planted = b'{"keys": ["planted"]}'

    def plant(connection: socket.socket) -> None:
        connection.sendall(answer(b"", f"Content-Length: {len(planted)}"))
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.sendall(planted)
            line.recv(1)

    with Endpoint(plant, tls=authority.server(LOOPBACK)) as endpoint:
        fails_soon(Fetcher(endpoint.url, ca_file=authority.ca_file), endpoint.url)


UNREADABLE_CA_FILES = named(("missing", None), ("empty", b""), ("junk", b"no PEM"))


def write(file: Path, content: bytes | None) -> None:
    """Have a file hold this; `None`: have none."""
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize("content", UNREADABLE_CA_FILES)
def test_an_unreadable_ca_file_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    write(file, content)
    with complains("ca_file", str(file)):
        Fetcher("https://issuer.example/jwks", ca_file=str(file))


@pytest.mark.parametrize("content", UNREADABLE_CA_FILES)
def test_a_ca_file_that_becomes_unreadable_is_a_fetch_error(
    authority: Authority, tls_endpoint: Endpoint, content: bytes | None
) -> None:
    fetch = Fetcher(tls_endpoint.url, ca_file=authority.ca_file)
    write(Path(authority.ca_file), content)
    fails_soon(fetch, "ca_file", authority.ca_file)
    assert tls_endpoint.requests == []


def test_authorities_are_replaced_between_fetches(tmp_path: Path, authority: Authority, tls_endpoint: Endpoint) -> None:
    (tmp_path / "other").mkdir()
    theirs, others = Path(authority.ca_file).read_bytes(), Path(Authority(tmp_path / "other").ca_file).read_bytes()
    file = tmp_path / "bundle.pem"
    write(file, others)
    fetch = Fetcher(tls_endpoint.url, ca_file=str(file))
    fails_soon(fetch, "its certificate is not accepted")
    write(file, theirs)
    assert fetch()[0] == b"{}"
    write(file, others)
    fails_soon(fetch, "its certificate is not accepted")


# A bearer token for the endpoint

UNFIT_TOKENS = named(
    ("missing", None),
    ("empty", b""),
    ("blank", b" \r\n\t"),
    ("of two lines", b"secret\nsecret"),
    ("of two words", b"Bearer secret"),
    ("with a header behind it", b"secret\r\nX-Admin: 1"),
    ("not ASCII", "sécret".encode()),
    ("binary", b"\xffsecret\0"),
    ("too long", b"secret" * 10_000),
)


def with_token(endpoint: Endpoint, file: Path, content: bytes | None = ENDPOINT_TOKEN.encode()) -> Fetcher:
    write(file, content)
    return Fetcher(endpoint.url, bearer_token_file=str(file))


def test_the_bearer_token_is_read_anew_for_each_fetch(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with Endpoint(send(answer())) as endpoint:
        fetch = with_token(endpoint, file, b"first")
        fetch()
        write(file, b"  second.-_~+/==\r\n")
        fetch()
    assert [request.count(b"\r\nAuthorization: ") for request in endpoint.requests] == [1, 1]
    first, second = endpoint.requests
    assert b"\r\nAuthorization: Bearer first\r\n" in first
    assert b"\r\nAuthorization: Bearer second.-_~+/==\r\n" in second


def test_without_a_token_file_no_credentials_are_sent() -> None:
    with Endpoint(send(answer())) as endpoint:
        Fetcher(endpoint.url)()
    assert b"authorization" not in endpoint.requests[0].lower()


@pytest.mark.parametrize("content", UNFIT_TOKENS)
def test_a_file_without_one_bearer_token_is_a_configuration_error_that_does_not_repeat_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    with Endpoint(hang) as endpoint, complains("bearer_token_file", str(file)) as raised:
        with_token(endpoint, file, content)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("content", UNFIT_TOKENS)
def test_a_token_that_becomes_unfit_ends_the_fetch_before_the_request_and_is_not_repeated(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    with Endpoint(send(answer())) as endpoint:
        fetch = with_token(endpoint, file)
        write(file, content)
        with pytest.raises(FetchError, match="bearer_token_file") as raised:
            fetch()
    assert str(file) in str(raised.value)
    assert "secret" not in str(raised.value)
    assert endpoint.requests == []


@pytest.mark.parametrize("script", FAULTS)
def test_no_error_repeats_the_bearer_token(tmp_path: Path, script: Script) -> None:
    with Endpoint(script) as endpoint:
        fetch = with_token(endpoint, tmp_path / "token")
        with pytest.raises(FetchError) as raised:
            fetch(SHORT)
    assert "secret" not in f"{raised.value!r} {fetch!r} {fetch}"


def test_the_bearer_token_follows_no_redirect(tmp_path: Path) -> None:
    with Endpoint(send(answer())) as elsewhere, Endpoint(hang) as endpoint:
        endpoint.script = send(answer(b"", f"Location: {elsewhere.url}", status="307 Temporary Redirect"))
        fails_soon(with_token(endpoint, tmp_path / "token"), "answered 307")
    assert elsewhere.requests == []


def test_a_token_file_that_is_no_file_or_too_large_is_told_as_that(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "large", b"a" * (16 * 1024 + 1))
    for name, problem in [("pipe", "it is no regular file"), ("large", "it holds more than 16384 bytes")]:
        with complains("bearer_token_file", problem):
            Fetcher("https://issuer.example/jwks", bearer_token_file=tmp_path / name)


# Where it goes

FETCH = """
import json, sys
from callerid.keys.fetch import Fetcher, FetchError
connections = []
sys.addaudithook(lambda event, arguments: connections.append(event) if event == "socket.connect" else None)
fetch = Fetcher(sys.argv[1], **json.loads(sys.argv[2]))
try:
    print(fetch(float(sys.argv[3]))[0].decode())
except FetchError as error:
    print(error)
print(len(connections))
"""


def fetch_with(environ: dict[str, str], url: str, seconds: float = 5.0, **options: str) -> tuple[str, int]:
    """What a process with this environment gets from there, and to how many addresses it connects for it."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | environ
    command = [sys.executable, "-c", FETCH, url, json.dumps(options), str(seconds)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20)
    said, connections = done.stdout.splitlines()
    return said, int(connections)


@pytest.mark.parametrize(
    ("proxy", "headers"),
    [
        pytest.param("http://127.0.0.1:{port}", b"", id="by URL"),
        pytest.param("127.0.0.1:{port}", b"", id="by host and port"),
        pytest.param(
            "http://me%40here:secret@127.0.0.1:{port}",
            b"proxy-authorization: Basic " + base64.b64encode(b"me@here:secret"),
            id="with credentials",
        ),
    ],
)
def test_the_environments_proxy_is_used(proxy: str, headers: bytes) -> None:
    with Endpoint(send(answer(status="403 Forbidden"))) as server:
        said, _ = fetch_with({"https_proxy": proxy.format(port=server.port)}, "https://issuer.example/jwks")
    assert said.startswith("https://issuer.example/jwks by way of the proxy 127.0.0.1: ")
    assert "secret" not in said
    (request,) = server.requests
    assert request.partition(b"\r\n")[0].startswith(b"CONNECT issuer.example:443 HTTP/1.")
    assert headers in request
    assert (b"authorization" in request.lower()) is bool(headers)


def test_a_proxy_sees_no_bearer_token(tmp_path: Path) -> None:
    write(tmp_path / "token", ENDPOINT_TOKEN.encode())
    with Endpoint(send(answer(status="403 Forbidden"))) as server:
        environ = {"https_proxy": f"http://127.0.0.1:{server.port}"}
        fetch_with(environ, "https://issuer.example/jwks", bearer_token_file=str(tmp_path / "token"))
    (request,) = server.requests
    assert b"secret" not in request
    assert b"authorization" not in request.lower()


def tunnel(then: Script) -> Script:
    """A proxy that says it is connected, and what is at the other end of that."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.recv(65536)
        then(connection)

    return script


@pytest.mark.parametrize(
    ("scheme", "script"),
    named(
        *((f"{scheme} hangs", scheme, hang) for scheme in ("http", "https")),
        *((f"{scheme} drips before its answer", scheme, drip()) for scheme in ("http", "https")),
        *((f"{scheme} drips its answer", scheme, drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")) for scheme in ("http", "https")),
        *((f"{scheme} tunnels to what hangs", scheme, tunnel(hang)) for scheme in ("http", "https")),
        ("http tunnels to what drips", "http", tunnel(drip(HANDSHAKE))),
    ),
)
def test_the_deadline_holds_through_a_proxy(authority: Authority, scheme: str, script: Script) -> None:
    with Endpoint(script, tls=authority.server(LOOPBACK) if scheme == "https" else None) as server:
        environ = {"https_proxy": f"{scheme}://127.0.0.1:{server.port}", "SSL_CERT_FILE": authority.ca_file}
        began_at = time.monotonic()
        assert fetch_with(environ, "https://issuer.example/jwks", SHORT)[0] == (
            "https://issuer.example/jwks by way of the proxy 127.0.0.1: no whole answer in time"
        )
    assert time.monotonic() - began_at < 2 * NOT_LONG  # a process has to start, too
    assert server.requests[0].startswith(b"CONNECT issuer.example:443 ")


def test_hosts_that_the_environment_excepts_are_asked_directly() -> None:
    with Endpoint(send(answer(status="403 Forbidden"))) as server:
        environ = {"https_proxy": f"http://127.0.0.1:{server.port}", "no_proxy": "issuer.invalid"}
        said, connections = fetch_with(environ, "https://issuer.invalid/jwks")
    assert said.startswith("https://issuer.invalid/jwks: ")
    assert connections == 0  # there is no such name
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(host: str) -> None:
    with Endpoint(send(answer(status="403 Forbidden"))) as server, Endpoint(send(answer(b"direct"))) as endpoint:
        proxy = f"http://127.0.0.1:{server.port}"
        environ = {"http_proxy": proxy, "https_proxy": proxy}
        assert fetch_with(environ, f"http://{host}:{endpoint.port}/jwks") == ("direct", 1)
    assert server.requests == []


# A host of several addresses


def connection_to(host: str | None, port: int, *, proxy: object = None) -> SimpleNamespace:
    """What of a connection says where to; no host is this machine, at `::1` and at 127.0.0.1."""
    return SimpleNamespace(host=host, _dns_host=host, port=port, proxy=proxy)


def left(seconds: float) -> Callable[[], float]:
    ends_at = time.monotonic() + seconds
    return lambda: max(0.0, ends_at - time.monotonic())


def test_an_address_that_refuses_gives_way_to_the_next() -> None:
    with Endpoint(hang) as endpoint, _dial(connection_to(None, endpoint.port), left(5.0)) as dialled:
        assert dialled.getpeername() == ("127.0.0.1", endpoint.port)


def test_an_address_that_does_not_answer_leaves_time_for_the_next() -> None:
    with Endpoint(hang) as endpoint, socket.socket(socket.AF_INET6) as silent, ExitStack() as stack:
        silent.bind(("::1", endpoint.port))
        silent.listen(0)
        for _ in range(8):  # more than such a listener has room for, so that whoever comes then gets no answer
            waiting = stack.enter_context(socket.socket(socket.AF_INET6))
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        began_at = time.monotonic()
        with _dial(connection_to(None, endpoint.port), left(1.0)) as dialled:
            assert dialled.getpeername() == ("127.0.0.1", endpoint.port)
            assert 0 < (dialled.gettimeout() or 0) <= 1.0
        assert time.monotonic() - began_at > 0.25  # it was asked, and first


def test_when_no_address_answers_the_last_ones_problem_is_told() -> None:
    with Endpoint(hang) as endpoint:
        pass
    with pytest.raises(ConnectionRefusedError):
        _dial(connection_to(None, endpoint.port), left(5.0))


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "100.100.100.200"])
def test_no_connection_is_made_to_where_credentials_are(host: str) -> None:
    with pytest.raises(FetchError, match="is that of a link-local or metadata address"):
        _dial(connection_to(host, 443), left(0.0))


def test_a_proxy_may_be_anywhere() -> None:
    with pytest.raises(OSError, check=lambda error: not isinstance(error, FetchError)):
        _dial(connection_to("fe80::1", 3128, proxy="http://[fe80::1]:3128"), left(0.0))


# For how long


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Cache-Control": "public, max-age=3600"}, 3600, id="max-age"),
        pytest.param({"Cache-Control": "MAX-AGE=3600, must-revalidate"}, 3600, id="upper case"),
        pytest.param({"Cache-Control": 'max-age="3600"'}, 3600, id="quoted"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "600"}, 3000, id="less Age"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": " 600 "}, 3000, id="Age among blanks"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "-600"}, 3600, id="negative Age"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "soon"}, 3600, id="junk Age"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "\u0663"}, 3600, id="Age in other digits"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "4000"}, 60, id="older than max-age"),
        pytest.param({"Cache-Control": "max-age=3600", "Age": "9" * 5000}, 60, id="absurd Age"),
        pytest.param({"Age": "100"}, 600, id="Age alone"),
        pytest.param({}, 600, id="absent"),
        pytest.param({"Cache-Control": ""}, 600, id="empty"),
        pytest.param({"Cache-Control": "max-age=0"}, 60, id="zero"),
        pytest.param({"Cache-Control": "max-age=59"}, 60, id="too short"),
        pytest.param({"Cache-Control": "max-age=86401"}, 86400, id="too long"),
        pytest.param({"Cache-Control": "max-age=" + "9" * 5000}, 86400, id="absurd"),
        pytest.param({"Cache-Control": "max-age=-5"}, 600, id="negative"),
        pytest.param({"Cache-Control": "max-age=1e9"}, 600, id="no integer"),
        pytest.param({"Cache-Control": "max-age"}, 600, id="without a value"),
        pytest.param({"Cache-Control": "s-maxage=7200"}, 600, id="s-maxage is for shared caches"),
        pytest.param({"Cache-Control": "x-max-age=7200"}, 600, id="another directive's end"),
        pytest.param({"Cache-Control": "no-store"}, 600, id="no-store"),
        pytest.param({"Cache-Control": "no-cache, no-store, max-age=900"}, 900, id="no-store beside max-age"),
        pytest.param({"Cache-Control": "max-age=900, max-age=1000"}, 900, id="twice"),
        pytest.param({"Cache-Control": "max-age=00000000900", "Age": "00000000100"}, 800, id="zeros first"),
    ],
)
def test_the_lifetime_is_max_age_less_age_within_bounds(headers: dict[str, str], seconds: float) -> None:
    assert lifetime_of(headers) == seconds


@given(
    st.dictionaries(st.sampled_from(["Cache-Control", "Age"]), st.text() | st.from_regex(r"[ ,]*(max-age *= *)?\"?-?\d*\"?[ ,]*"))
)
def test_whatever_the_headers_say_the_lifetime_is_within_bounds(headers: dict[str, str]) -> None:
    assert MIN_LIFETIME <= lifetime_of(headers) <= MAX_LIFETIME
