"""One GET: what comes back, what is refused, and that nothing makes it last."""

import base64
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from callerid import ConfigurationError
from callerid.keys.fetch import MAX_DOCUMENT_BYTES, Fetcher, FetchError, _hang_up_after, lifetime_of
from tests.keys import Endpoint, Script, answer, hang, send

SHORT = 0.3  # seconds, for those that would never end


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


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(send(answer(status="404 Not Found")), id="404"),
        pytest.param(send(answer(status="500 Internal Server Error")), id="500"),
        pytest.param(send(answer(status="204 No Content")), id="204"),
        pytest.param(send(answer(b"", "Content-Encoding: gzip")), id="gzip"),
        pytest.param(send(answer(b" " * (300 * 1024))), id="300 KiB"),
        pytest.param(send(answer(b" " * (300 * 1024), "Connection: close")), id="300 KiB of untold length"),
        pytest.param(pour, id="no end"),
        pytest.param(send(answer(b'{"keys"', "Content-Length: 100")), id="truncated"),
        pytest.param(send(answer(b'{"keys"', "Content-Length: 100", "Connection: close")), id="truncated and closed"),
        pytest.param(send(answer(b"10\r\n{", "Transfer-Encoding: chunked")), id="truncated chunk"),
        pytest.param(send(b"SSH-2.0-OpenSSH_9.9\r\n"), id="no HTTP"),
        pytest.param(send(b"\x00" * 100_000), id="junk"),
        pytest.param(send(b""), id="closed at once"),
        pytest.param(hang, id="hangs before headers"),
        pytest.param(drip(), id="drips before the status"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), id="drips headers"),
        pytest.param(drip(b"HTTP/1.1 100 Continue\r\n\r\n"), id="drips after a 100"),
        pytest.param(drip(answer(b"{}", "Content-Length: 1000000")), id="drips the body"),
        pytest.param(drip(answer(b"{}", "Connection: close")), id="drips a body of untold length"),
        pytest.param(drip(answer(b"{}", "Connection: close", "Content-Length: 1000000")), id="drips a body and will close"),
        pytest.param(drip(b"HTTP/1.0 200 OK\r\n\r\n{}"), id="drips HTTP/1.0"),
    ],
)
def test_everything_but_a_whole_small_200_in_time_is_a_fetch_error(script: Script) -> None:
    with Endpoint(script) as endpoint, pytest.raises(FetchError, match=endpoint.url):
        Fetcher(endpoint.url, deadline=SHORT)()


def test_a_redirect_is_not_followed() -> None:
    with Endpoint(send(answer())) as elsewhere, Endpoint(hang) as endpoint:
        endpoint.script = send(answer(b"", f"Location: {elsewhere.url}", status="302 Found"))
        with pytest.raises(FetchError, match="answered 302"):
            Fetcher(endpoint.url)()
    assert elsewhere.requests == []


def test_a_refused_connection_is_a_fetch_error_without_a_cause() -> None:
    with Endpoint(hang) as endpoint:
        pass
    with pytest.raises(FetchError, match=endpoint.url) as raised:
        Fetcher(endpoint.url)()
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_connection_that_came_about_too_late_is_cut_at_once() -> None:
    with (
        Endpoint(hang) as endpoint,
        urllib3.PoolManager(retries=False) as manager,
        _hang_up_after(0.0, manager.connection_from_url(endpoint.url)) as over,
    ):
        assert over.wait(60)
        with pytest.raises(urllib3.exceptions.HTTPError):
            manager.request("GET", endpoint.url)


# TLS


class Authority:
    """A certificate authority of our own."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An authority")])
        self._folder = folder
        self.ca_file = str(folder / "ca.pem")
        (folder / "ca.pem").write_bytes(self._issue(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def server(self, name: x509.GeneralName) -> ssl.SSLContext:
        """What a server of this name serves with."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A server")])
        file = self._folder / "server.pem"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(pem + self._issue(subject, key, x509.SubjectAlternativeName([name])))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return builder.add_extension(extension, critical=True).sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


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
    with pytest.raises(FetchError, match="SSLError"):
        Fetcher(tls_endpoint.url)()
    assert tls_endpoint.requests == []


def test_a_certificate_for_another_host_ends_the_fetch(authority: Authority) -> None:
    tls = authority.server(x509.DNSName("other.example"))
    with Endpoint(hang, tls=tls) as endpoint, pytest.raises(FetchError, match="SSLError"):
        Fetcher(endpoint.url, ca_file=authority.ca_file)()
    assert endpoint.requests == []


@pytest.mark.parametrize("script", [hang, drip(answer(b"{}", "Connection: close"))], ids=["hangs", "drips the body"])
def test_the_deadline_holds_over_tls(authority: Authority, script: Script) -> None:
    with Endpoint(script, tls=authority.server(LOOPBACK)) as endpoint, pytest.raises(FetchError):
        Fetcher(endpoint.url, ca_file=authority.ca_file, deadline=SHORT)()


def test_a_tls_handshake_that_drips_is_cut() -> None:
    with Endpoint(drip(b"\x16\x03\x03\x40\x00")) as endpoint, pytest.raises(FetchError):
        Fetcher(endpoint.url.replace("http:", "https:"), deadline=SHORT)()


def test_a_tls_connection_that_is_cut_reads_no_plain_text(authority: Authority) -> None:
    """Whoever sits on the line can write there. It counts for nothing, not even behind a genuine head of a response."""
    planted = b'{"keys": ["planted"]}'
    cut = threading.Event()

    def plant(connection: socket.socket) -> None:
        connection.sendall(answer(b"", f"Content-Length: {len(planted)}"))
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.sendall(planted)
            line.recv(1)
        cut.set()

    context = ssl.create_default_context(cafile=authority.ca_file)
    with (
        Endpoint(plant, tls=authority.server(LOOPBACK)) as endpoint,
        urllib3.PoolManager(ssl_context=context, retries=False) as manager,
        _hang_up_after(2.0, manager.connection_from_url(endpoint.url)),
    ):
        response = manager.request("GET", endpoint.url, preload_content=False)
        assert cut.wait(60)
        with pytest.raises(urllib3.exceptions.HTTPError):
            response.read(len(planted))


@pytest.mark.parametrize("content", [None, b"", b"no PEM"], ids=["missing", "empty", "junk"])
def test_an_unreadable_ca_file_is_a_configuration_error(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="ca_file"):
        Fetcher("https://issuer.example/jwks", ca_file=str(file))


# Where it goes

FETCH = """
import sys
from callerid.keys.fetch import Fetcher, FetchError
try:
    print(Fetcher(sys.argv[1])()[0].decode())
except FetchError as error:
    print(error)
"""


def fetch_with(environ: dict[str, str], url: str) -> str:
    """What a process with this environment gets from there."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")} | environ
    done = subprocess.run([sys.executable, "-c", FETCH, url], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


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
        out = fetch_with({"https_proxy": proxy.format(port=server.port)}, "https://issuer.example/jwks")
    assert out == "ProxyError while asking https://issuer.example/jwks"
    (request,) = server.requests
    assert request.partition(b"\r\n")[0].startswith(b"CONNECT issuer.example:443 HTTP/1.")
    assert headers in request
    assert (b"authorization" in request.lower()) is bool(headers)


def test_hosts_that_the_environment_excepts_are_asked_directly() -> None:
    with Endpoint(send(answer(status="403 Forbidden"))) as server:
        environ = {"https_proxy": f"http://127.0.0.1:{server.port}", "no_proxy": "issuer.invalid"}
        assert fetch_with(environ, "https://issuer.invalid/jwks") == "NameResolutionError while asking https://issuer.invalid/jwks"
    assert server.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_asked_through_a_proxy(host: str) -> None:
    with Endpoint(send(answer(status="403 Forbidden"))) as server, Endpoint(send(answer(b"direct"))) as endpoint:
        proxy = f"http://127.0.0.1:{server.port}"
        assert fetch_with({"http_proxy": proxy, "https_proxy": proxy}, f"http://{host}:{endpoint.port}/jwks") == "direct"
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/jwks",
        "https://127.0.0.1/",
        "http://127.0.0.1:8080/jwks",
        "http://[::1]/",
        "HTTP://LOCALHOST/jwks?a=b",
    ],
)
def test_https_and_loopback_http_are_accepted(url: str) -> None:
    assert Fetcher(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "http://127.0.0.1.evil.example/",
        "http://127.1/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://localhost:80\\@evil.example/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "data:application/json,{}",
        "https:///jwks",
        "https://user:secret@issuer.example/",
        "https://issuer.example/#keys",
        "https://issuer.example:99999/",
        "https://issuer.example:port/",
        "https://[::1/",
        "https://issuer.example/\r\nHost: evil.example",
        "https://issuer.example/a b",
        "issuer.example/jwks",
        "",
        b"https://issuer.example/jwks",
        None,
        5,
    ],
    ids=repr,
)
def test_every_other_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="key URL"):
        Fetcher(url)


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
    ],
)
def test_the_lifetime_is_max_age_less_age_within_bounds(headers: dict[str, str], seconds: float) -> None:
    assert lifetime_of(headers) == seconds
