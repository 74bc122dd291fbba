"""Where keys are fetched from, and where never."""

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callerid import ConfigurationError
from callerid.keys.fetch import Fetcher
from callerid.keys.url import origin_of
from tests.support import complains


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/jwks",
        "https://127.0.0.1/",
        "http://127.0.0.1:8080/jwks",
        "http://[::1]/",
        "HTTP://LOCALHOST/jwks?a=b",
        "https://xn--bcher-kva.example:0443/jwks?a=\\b",
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
        "https://metadata.google.internal\\.issuer.example/",  # urllib3 would ask the host before the backslash
        "https://issuer.example\\/jwks",
        "https://b\u00fccher.example/",  # to be written as xn--bcher-kva.example, since not every urllib3 can
        "https://metadata\u3002google.internal/",
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
        "https://\ud800/",
        f"https://issuer.example/{'k' * 2048}",
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


# Where clouds hand out credentials


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1",
        "169.254.169.254.",
        "169.254.169.254:443",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "[fe80::1]",
        "[FEBF::1]",
        "[fe80::a9fe:a9fe%25eth0]",
        "[fe80::a9fe:a9fe%eth0]",
        "[::ffff:169.254.169.254]",
        "[::FFFF:A9FE:A9FE]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::ffff:169.254.169.254%251]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "100.100.100.200",
        "0x646464c8",
        "192.0.0.192",
        "168.63.129.16",
        "[::ffff:168.63.129.16]",
        "[::169.254.169.254]",
        "[::ffff:0:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fd00:ec2::23]",
        "metadata",
        "metadata.google.internal",
        "METADATA.Google.Internal.",
        "metadata.goog",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_link_local_or_metadata_host_is_a_configuration_error(scheme: str, host: str) -> None:
    with complains("key URL", host, "link-local or metadata address"):
        Fetcher(f"{scheme}://{host}/latest/meta-data/")


def spelled(number: int, digits: str) -> str:
    return format(number, {"decimal": "d", "octal": "#o", "hex": "#x", "HEX": "#X"}[digits]).replace("0o", "0")


@st.composite
def ipv4_spellings(draw: st.DrawFn, addresses: st.SearchStrategy[ipaddress.IPv4Address]) -> str:
    """An address in one to four parts, each in a base of its own: all that inet_aton(3) takes."""
    address = int(draw(addresses))
    sizes = draw(st.sampled_from([(32,), (8, 24), (8, 8, 16), (8, 8, 8, 8)]))
    parts: list[str] = []
    for size in reversed(sizes):
        parts.insert(0, spelled(address % 2**size, draw(st.sampled_from(["decimal", "octal", "hex", "HEX"]))))
        address >>= size
    return ".".join(parts)


@st.composite
def ipv6_spellings(draw: st.DrawFn, addresses: st.SearchStrategy[ipaddress.IPv6Address]) -> str:
    """An address long or short, in either case, its end as an IPv4 address or not, with a zone or without."""
    address = draw(addresses)
    groups = address.exploded.split(":")
    dotted = ":".join([*groups[:6], str(ipaddress.IPv4Address(int(address) % 2**32))])
    text = draw(st.sampled_from([address.exploded, address.compressed, dotted]))
    zone = draw(st.sampled_from(["", "%1"]))
    return draw(st.sampled_from([text, text.upper()])) + zone


def mapped(address: ipaddress.IPv4Address) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(0xFFFF << 32 | int(address))


LINK_LOCAL = ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fe80::/10")
IPV4 = st.one_of(st.ip_addresses(v=4), st.ip_addresses(network=LINK_LOCAL[0])).map(ipaddress.IPv4Address)
IPV6 = st.one_of(st.ip_addresses(v=6), st.ip_addresses(network=LINK_LOCAL[1]), IPV4.map(mapped)).map(ipaddress.IPv6Address)


@given(st.one_of(ipv4_spellings(IPV4), ipv6_spellings(IPV6)))
@example("169.254.1.1")
@example("8.8.8.8")
def test_an_address_is_refused_in_every_spelling_that_a_connection_takes_if_it_is_link_local_and_in_none_if_not(host: str) -> None:
    ((*_, (resolved, *_rest)),) = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    address: Any = ipaddress.ip_address(str(resolved).partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = ipaddress.IPv4Address(int(address) % 2**32)
        wrapped = int(address) >> 32 in (0, 0xFFFF, 0xFFFF0000, 0x64FF9B << 64)
        address = inner if wrapped else address.sixtofour or address
    url = f"https://[{host}]/" if ":" in host else f"https://{host}/"
    try:
        Fetcher(url)
    except ConfigurationError as error:
        refused = "link-local" in str(error)
    else:
        refused = False
    assert refused == (address in LINK_LOCAL[0] or address in LINK_LOCAL[1])


@pytest.mark.parametrize("host", ["%31%36%39.254.169.254", "0xa9fea9f%65", "100%2e100.100.200"])
def test_a_host_that_would_have_to_be_decoded_is_a_configuration_error(host: str) -> None:
    with complains("no URL with a host"):
        Fetcher(f"https://{host}/")


# Origins


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://issuer.example/jwks", ("https", "issuer.example", 443)),
        ("HTTPS://Issuer.Example:443", ("https", "issuer.example", 443)),
        ("https://issuer.example:8443/", ("https", "issuer.example", 8443)),
        ("http://localhost/", ("http", "localhost", 80)),
        ("http://[::1]:8080/", ("http", "::1", 8080)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(Fetcher(url).parts) == origin


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:secret@[proxy.example:3128",
        "http://me:secret@proxy.example:port",
        "http://me:secret@proxy.example:99999",
        "http://me:secret@",
        "http://",
        "socks5://me:secret@proxy.example",
        "secret:port",
    ],
)
def test_a_proxy_that_cannot_be_used_is_complained_of_and_not_repeated(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with complains("https_proxy: no http or https URL with a host") as raised:
        Fetcher("https://issuer.example/jwks")
    assert "secret" not in str(raised.value)
    Fetcher("https://localhost/jwks")
