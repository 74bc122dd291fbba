"""Requests that a page of another site sends with a cookie's credentials: refused where they change something."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import Guard, Header, Route
from callerid.asgi import asgi_request
from callerid.cross_site import CrossSite
from callerid.handler import HandlerCheck
from callerid.request import Request
from tests.senders import KINDS, NOW
from tests.support import AUDIENCE, LOGIN, FakeIssuer, complains, named, reason, refuses

HOST = ("Host", "shop.example")
OWN = ("Origin", "https://shop.example")
EVIL = ("Origin", "https://evil.example")
NULL = ("Origin", "null")
ASSERTION = "X-Goog-IAP-JWT-Assertion"


def site(value: str) -> tuple[str, str]:
    return ("Sec-Fetch-Site", value)


@pytest.mark.parametrize(
    ("headers", "refused"),
    named(
        ("no browser", [HOST], False),
        ("the same origin", [HOST, OWN, site("same-origin")], False),
        ("the same origin, by an old browser", [HOST, OWN], False),
        ("the address bar", [HOST, site("none")], False),
        ("another site", [HOST, EVIL, site("cross-site")], True),
        ("another site, by an old browser", [HOST, EVIL], True),
        ("another site that hides its origin", [HOST, NULL, site("cross-site")], True),
        ("another site without an origin", [HOST, site("cross-site")], True),
        ("another site in capitals", [HOST, ("SEC-FETCH-SITE", "Cross-Site")], True),
        ("another site, blanks around", [HOST, site(" cross-site\t")], True),
        ("another site, said twice", [HOST, site("same-origin"), site("cross-site")], True),
        ("another site, joined with commas", [HOST, site("same-origin, cross-site")], True),
        ("own origin, and yet another site", [HOST, OWN, site("cross-site")], True),
        ("a foreign origin, and yet the same", [HOST, EVIL, site("same-origin")], True),
        ("a sister site", [HOST, ("Origin", "https://other.shop.example"), site("same-site")], True),
        ("no origin from a sister site", [HOST, site("same-site")], False),
        ("an origin that ends alike", [HOST, ("Origin", "https://evilshop.example")], True),
        ("an origin that begins alike", [HOST, ("Origin", "https://shop.example.evil")], True),
        ("an origin with somebody's name", [HOST, ("Origin", "https://shop.example@evil.example")], True),
        ("an origin with the host as a name", [HOST, ("Origin", "https://evil@shop.example")], True),
        ("an origin with a path", [HOST, ("Origin", "https://shop.example/")], True),
        ("an origin of another port", [HOST, ("Origin", "https://shop.example:8443")], True),
        ("an origin whose port is the scheme's", [HOST, ("Origin", "https://shop.example:443")], False),
        ("a host whose port is the scheme's", [("Host", "shop.example:443"), OWN], False),
        ("a host of another port", [("Host", "shop.example:8443"), OWN], True),
        ("both of another port", [("Host", "shop.example:8443"), ("Origin", "https://shop.example:8443")], False),
        ("an origin without TLS", [HOST, ("Origin", "http://shop.example")], False),
        ("an origin with TLS for a port without", [("Host", "shop.example:80"), OWN], True),
        ("another case", [("HOST", "Shop.Example"), ("ORIGIN", "HTTPS://shop.EXAMPLE")], False),
        ("an origin of no web page", [HOST, ("Origin", "chrome-extension://shop.example")], True),
        ("an origin that is junk", [HOST, ("Origin", "https://[")], True),
        ("an origin with a junk port", [HOST, ("Origin", "https://shop.example:x")], True),
        ("an empty origin", [HOST, ("Origin", "")], True),
        ("no host", [OWN], True),
        ("two hosts", [HOST, ("Host", "evil.example"), OWN], True),
        ("two origins", [HOST, OWN, EVIL], True),
        ("two hosts, joined with commas", [("Host", "shop.example,evil.example"), OWN], True),
        ("two origins, joined with commas", [HOST, ("Origin", "https://shop.example,https://evil.example")], True),
        ("the same origin, which says nothing of itself", [HOST, NULL, site("same-origin")], False),
        ("nobody says so", [HOST, NULL], True),
        ("the same origin, said twice", [HOST, NULL, site("same-origin,same-origin")], False),
        ("nobody says so, from two sites", [HOST, NULL, site("same-origin, none")], True),
        ("nobody says so, from nowhere", [HOST, NULL, site("none")], True),
        ("one of one's own", [HOST, ("Origin", "https://app.example")], False),
        ("one of one's own, on another site", [HOST, ("Origin", "https://app.example"), site("cross-site")], False),
        ("one of one's own, on a sister site", [HOST, ("Origin", "https://app.example"), site("same-site")], False),
        ("one of one's own, and another", [HOST, ("Origin", "https://app.example"), EVIL, site("cross-site")], True),
        ("one of one's own without TLS, on another site", [HOST, ("Origin", "http://app.example"), site("cross-site")], True),
        ("one of one's own, another port", [HOST, ("Origin", "https://app.example:8443")], True),
        ("one of one's own, without TLS", [HOST, ("Origin", "http://app.example")], True),
        ("as bytes", [(b"host", b"shop.example"), (b"origin", b"https://evil.example")], True),
        ("as bytes, one's own", [(b"host", b"shop.example"), (b"origin", b"https://shop.example")], False),
    ),
)
def test_who_asks_for_a_change(headers: list[Any], refused: bool) -> None:
    cross_site = CrossSite(["https://app.example"])
    assert cross_site.refuses("POST", headers, handshake=False) is refused
    assert cross_site.refuses("GET", headers, handshake=True) is refused
    assert cross_site.refuses("GET", [*headers, ("Upgrade", "WebSocket")], handshake=False) is refused
    assert not cross_site.refuses("GET", headers, handshake=False)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "PROPFIND", "CONNECT", "BREW", ""])
def test_methods_that_may_change_something(method: str) -> None:
    assert CrossSite([]).refuses(method, [HOST, EVIL], handshake=False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "get"])
def test_methods_that_change_nothing(method: str) -> None:
    assert not CrossSite([]).refuses(method, [HOST, EVIL, site("cross-site")], handshake=False)


@given(st.text() | st.from_regex(r"https?://[\[\]a-z0-9.:@/-]*", fullmatch=True))
def test_no_origin_is_too_odd(origin: str) -> None:
    assert CrossSite([]).refuses("POST", [HOST, ("Origin", origin)], handshake=False) is (
        origin.strip(" \t").lower() not in {f"{scheme}://shop.example{port}" for scheme in ("http", "https") for port in ("", ":")}
        and origin.strip(" \t").lower() not in {"https://shop.example:443", "http://shop.example:80"}
    )


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://", "https://shop.example/", "ftp://shop.example", "null", "*", "https://a b"]
)
def test_an_origin_that_is_none_is_a_configuration_error(origin: str) -> None:
    with complains(f"origins: {origin!r} is no origin"):
        CrossSite([origin])


def test_origins_are_a_list() -> None:
    with complains("origins: 'https://shop.example' is no list"):
        CrossSite("https://shop.example")


# In a Guard

IAP = KINDS["iap"]


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as signer:
        yield signer


def test_what_iap_brings_is_a_cookies_doing(signer: FakeIssuer) -> None:
    guard = IAP.guard(signer, origins=["https://app.example"])
    token = (ASSERTION, IAP.token(signer, NOW))
    told = [
        reason(guard.check, method, "/", [token, HOST, *headers])
        for method, headers in (
            ("GET", [EVIL, site("cross-site")]),
            ("POST", [EVIL, site("cross-site")]),
            ("DELETE", [EVIL]),
            ("POST", [OWN]),
            ("POST", [("Origin", "https://app.example")]),
            ("GET", [EVIL, ("Upgrade", "websocket")]),
        )
    ]
    assert told == [None, "cross_site", "cross_site", None, None, "cross_site"]


def test_the_answer_is_403_without_a_challenge(signer: FakeIssuer) -> None:
    with refuses("cross_site") as refused:
        IAP.guard(signer).check("POST", "/", [(ASSERTION, IAP.token(signer, NOW)), HOST, EVIL])
    assert (refused.value.status, "WWW-Authenticate" in refused.value.headers) == (403, False)


def test_a_bearer_token_is_no_cookies_doing(signer: FakeIssuer) -> None:
    google = KINDS["google"]
    headers = [("Authorization", f"Bearer {google.token(signer, NOW)}"), HOST, EVIL, site("cross-site")]
    assert reason(google.guard(signer).check, "POST", "/", headers) is None


def test_another_header_may_be_a_cookies_doing(issuer: FakeIssuer) -> None:
    header = Header("Cf-Access-Jwt-Assertion", scheme=None, cookie_borne=True)
    guard = Guard(issuers=[issuer.google()], audience=AUDIENCE, callers=[LOGIN], headers=[header])
    token = (header.name, issuer.token(LOGIN, AUDIENCE))
    assert [reason(guard.check, "POST", "/", [token, HOST, origin]) for origin in (OWN, EVIL)] == [None, "cross_site"]


def test_a_handshake_is_one_without_an_upgrade_header_as_in_http_2(signer: FakeIssuer) -> None:
    headers = [(b"x-goog-iap-jwt-assertion", IAP.token(signer, NOW).encode()), (b"host", b"shop.example")]
    for origin, expected in ((b"https://shop.example", None), (b"https://evil.example", "cross_site"), (b"null", "cross_site")):
        scope = {"type": "websocket", "path": "/", "headers": [*headers, (b"origin", origin)]}
        assert reason(IAP.guard(signer).judge, asgi_request(scope)) == expected


def test_on_a_public_route_a_handlers_list_looks(signer: FakeIssuer) -> None:
    guard = IAP.guard(signer, routes=[Route("/public", callers=["allUsers"])])
    headers = [(ASSERTION, IAP.token(signer, NOW)), HOST, EVIL]

    def request() -> Request:
        return Request("POST", "/public", None, headers, {})

    assert guard.judge(request()).caller is None
    with refuses("cross_site"):
        HandlerCheck(guard, [IAP.member])(request())
    with refuses("cross_site"):
        HandlerCheck(guard, [IAP.member], optional=True)(request())


def test_origins_without_a_cookie_are_a_configuration_error(issuer: FakeIssuer) -> None:
    with complains("origins: no header is borne by a cookie"):
        Guard(issuers=[issuer.google()], audience=AUDIENCE, callers=[LOGIN], origins=["https://shop.example"])
