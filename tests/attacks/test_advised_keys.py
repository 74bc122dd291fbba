"""Advisories about keys: where others have fetched them, what they took for keys, and what an outage or a stranger did to them.

Real sockets, real keys. Only the clock of the keys is the test's.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callerid import Guard, Issuer, google, oidc
from callerid.keys.background import background
from callerid.keys.fetch import Fetcher
from callerid.keys.keyset import parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.remote import RemoteKeys
from tests.attacks import GOOGLE, PARTNER, asked, bearing, proves
from tests.attacks.forge import compact, with_mac
from tests.keys import Endpoint, Gate, answer, eventually, keys_of, send
from tests.support import AUDIENCE, LOGIN, Clock, FakeIssuer, complains, named, refuses

UNAVAILABLE, UNKNOWN = "keys_unavailable", "unknown_key"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    """An issuer whose keys a test may change."""
    with FakeIssuer(algorithm="ES256") as issuer:
        yield issuer


def fetching(url: str, clock: Clock) -> Guard:
    """A Guard that fetches its keys, good for 1000 s and for 1000 s more in an outage."""
    keys = RemoteKeys(Fetcher(url), parse_jwks, lifetime_of, stale_if_error=1000, clock=clock)
    return Guard(issuers=[google(keys=keys, algorithms=["ES256"])], audience=AUDIENCE, callers=[LOGIN])


def token(issuer: FakeIssuer, **header: Any) -> str:
    return issuer.sign(issuer.claims(LOGIN, AUDIENCE), **header)


def another_failure(guard: Guard) -> Callable[[], bool]:
    """Whether a fetch has failed since this was made."""
    before = guard.status()[GOOGLE]["failures"]
    return lambda: guard.status()[GOOGLE]["failures"] > before


# Where from

URLS = named(
    ("CVE-2026-48522 GHSA-993g-76c3-p5m4 a file", "file:///etc/passwd"),
    ("CVE-2026-48522 GHSA-993g-76c3-p5m4 FTP", "ftp://127.0.0.1/jwks"),
    ("CVE-2026-48522 GHSA-993g-76c3-p5m4 data", 'data:application/json,{"keys":[]}'),
    ("CVE-2026-48522 a file in upper case", "FILE:///etc/passwd"),
    ("CVE-2026-48522 a path", "/etc/passwd"),
    ("CVE-2026-48522 plain http", "http://keys.example/jwks"),
    ("NodeDB-Lab/nodedb#61 istio/istio@jwks-ssrf-default-block credentials of a cloud", "https://169.254.169.254/latest/meta-data"),
    ("NodeDB-Lab/nodedb#61 istio/istio@jwks-ssrf-default-block its name", "https://metadata.google.internal/computeMetadata/v1"),
    ("NodeDB-Lab/nodedb#61 the address as a number", "https://2852039166/"),
    ("NodeDB-Lab/nodedb#61 the address in hexadecimal", "https://0xa9fea9fe/"),
    ("NodeDB-Lab/nodedb#61 the address in IPv6", "https://[::ffff:169.254.169.254]/"),
    ("NodeDB-Lab/nodedb#61 a link-local address", "https://[fe80::1]/"),
)


@pytest.mark.parametrize("url", URLS)
def test_a_place_that_has_no_keys_cannot_be_configured(url: str) -> None:
    for field in ("jwks_uri", "pem_uri", "discovery_uri"):
        place: dict[str, Any] = {field: url}
        with complains("key URL"):
            Issuer(GOOGLE, **place)


@pytest.mark.parametrize("url", URLS)
def test_an_openid_configuration_leads_to_no_such_place(url: str, issuer: FakeIssuer) -> None:
    document = json.dumps({"issuer": GOOGLE, "jwks_uri": url}).encode()
    with Endpoint(send(answer(document))) as endpoint:
        believer = oidc(GOOGLE, discovery_uri=endpoint.url, algorithms=["ES256"])
        guard = Guard(issuers=[believer], audience=AUDIENCE, callers=[f"principal:{GOOGLE}/*"])
        assert asked(guard, token(issuer)) == [UNAVAILABLE]
        assert "jwks_uri" in (guard.status()[GOOGLE]["last_error"] or "")


@proves("GHSA-9v7f-9g4p-ffgj", "CVE-2026-48522")
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_leads_to_nobodys_keys(status: str, issuer: FakeIssuer, clock: Clock) -> None:
    for place in (issuer.jwks_uri, "file:///etc/passwd", "/jwks"):
        with Endpoint(send(answer(b"", f"Location: {place}", status=status))) as endpoint:
            guard = fetching(endpoint.url, clock)
            assert asked(guard, token(issuer)) == [UNAVAILABLE]
            assert len(endpoint.requests) == 1
    assert issuer.requests == 0


# What is taken for keys


def one_odd(entry: Any) -> Callable[[FakeIssuer], bytes]:
    return lambda issuer: json.dumps({"keys": [entry, *issuer.jwks()["keys"]]}).encode()


@pytest.mark.parametrize(
    "document",
    named(
        ("GHSA-w6j9-cwv2-h6wq null", one_odd(None)),
        ("GHSA-w6j9-cwv2-h6wq a number", one_odd(5)),
        ("GHSA-w6j9-cwv2-h6wq a list", one_odd([[]])),
        ("GHSA-w6j9-cwv2-h6wq an empty object", one_odd({})),
        ("GHSA-w6j9-cwv2-h6wq a type that is a list", one_odd({"kty": ["RSA"]})),
        ("GHSA-w6j9-cwv2-h6wq no modulus", one_odd({"kty": "RSA", "kid": "x", "e": "AQAB"})),
        ("GHSA-w6j9-cwv2-h6wq a coordinate that is an object", one_odd({"kty": "EC", "crv": "P-256", "x": {}, "y": {}})),
        ("GHSA-w6j9-cwv2-h6wq an id that is an object", one_odd({"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": {}})),
        ("coreos/go-oidc#491 a type of tomorrow", one_odd({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"})),
        ("coreos/go-oidc#491 a curve of tomorrow", one_odd({"kty": "EC", "crv": "P-1024", "x": "AA", "y": "AA"})),
        ("GHSA-9j54-fg26-wv3r an empty secret", one_odd({"kty": "oct", "kid": "key-1", "k": ""})),
    ),
)
def test_one_odd_key_takes_no_good_one_away_and_is_no_key(
    document: Callable[[FakeIssuer], bytes], issuer: FakeIssuer, clock: Clock
) -> None:
    with Endpoint(send(answer(document(issuer)))) as endpoint:
        guard = fetching(endpoint.url, clock)
        claims = issuer.claims(LOGIN, AUDIENCE)
        assert asked(guard, token(issuer), with_mac("HS256", b"", {"kid": "key-1"}, claims)) == [None, "algorithm_not_allowed"]
        assert guard.status()[GOOGLE]["key_ids"] == issuer.published


BROKEN = named(
    ("an error", answer(status="500 Internal Server Error")),
    ("an error that lasts", answer(b"{}", "Cache-Control: max-age=86400", status="503 Service Unavailable")),
    ("nothing", b""),
    ("an empty body", answer(b"")),
    ("no keys", answer(b'{"keys": []}')),
    ("an empty object", answer(b"{}")),
    ("no object", answer(b"[]")),
    ("unusable keys", answer(b'{"keys": [{"kty": "oct", "k": "AA", "kid": "key-1"}]}')),
    ("a page", answer(b"<html>Sign in</html>", "Content-Type: text/html")),
    ("half of it", answer(b'{"keys": [', "Content-Length: 1000")),
)


@proves("CVE-2026-48524", "GHSA-fhv5-28vv-h8m8", "auth0/node-jwks-rsa#385", "jpadilla/pyjwt#1162")
@pytest.mark.parametrize("broken", BROKEN)
def test_a_failed_fetch_takes_no_key_away_until_the_stale_window_is_over(broken: bytes, issuer: FakeIssuer, clock: Clock) -> None:
    with Endpoint(send(keys_of(issuer))) as endpoint:
        guard = fetching(endpoint.url, clock)
        good = token(issuer)
        assert asked(guard, good) == [None]
        endpoint.script = send(broken)
        for seconds in (800, 300, 800):  # due, past their lifetime, nearly over
            another = another_failure(guard)
            clock.advance(seconds)
            assert asked(guard, good) == [None]
            eventually(another)
            assert asked(guard, good) == [None]
        clock.advance(100)
        assert asked(guard, good) == [UNAVAILABLE]
        endpoint.script = send(keys_of(issuer))
        clock.advance(60)
        assert asked(guard, good) == [None]


@proves("CVE-2026-31837")
@pytest.mark.parametrize("broken", BROKEN)
def test_without_the_issuers_keys_there_are_no_others(broken: bytes, issuer: FakeIssuer, clock: Clock) -> None:
    with Endpoint(send(broken)) as endpoint, FakeIssuer(algorithm="ES256") as mallory:
        guard = fetching(endpoint.url, clock)
        anybodys = [token(signer, kid=kid) for signer in (issuer, mallory) for kid in ("key-1", "other", None)]
        assert set(asked(guard, *anybodys)) == {UNAVAILABLE}
        assert set(asked(guard, *(mallory.forge_signature(each) for each in anybodys))) == {UNAVAILABLE}
        assert guard.status()[GOOGLE]["key_ids"] == []
        assert not guard.ready


@pytest.mark.parametrize(
    "document",
    named(
        ("ovumcy/ovumcy-web#780 more than 256 KiB", b'{"keys": [' + b" " * 300_000 + b"]}"),
        ("CVE-2025-53864 GHSA-8wjv-2p76-3863 5000 levels", b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        ("CVE-2025-53864 GHSA-8wjv-2p76-3863 100000 levels", b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ),
)
def test_a_document_that_exhausts_others_is_no_keys(document: bytes, issuer: FakeIssuer, clock: Clock) -> None:
    with Endpoint(send(answer(document))) as endpoint:
        assert asked(fetching(endpoint.url, clock), token(issuer)) == [UNAVAILABLE]


# Whose keys


@proves("Cyoda/cyoda-go#97", "CVE-2025-59936")
def test_no_kid_of_one_issuer_finds_a_key_of_another(issuer: FakeIssuer) -> None:
    """Where issuer and kid are joined to one text, "a:b" and "c" are "a" and "b:c"."""
    with FakeIssuer(PARTNER, algorithm="ES256") as partner, FakeIssuer(f"{PARTNER}:8", algorithm="ES256") as evil:
        partner.kid, evil.kid = partner.add_key("8:k"), evil.add_key("k")
        guard = Guard(
            issuers=[each.profile(audience=AUDIENCE) for each in (partner, evil)],
            callers=[f"principal:{PARTNER}/*", f"principal:{PARTNER}:8/*"],
        )
        claims = {each: each.claims("principal:x", AUDIENCE) for each in (partner, evil)}
        assert asked(guard, evil.sign(claims[evil]), partner.sign(claims[partner])) == [None, None]
        for kid, why in (("key-1", "signature_invalid"), ("k", UNKNOWN), ("8:k", "signature_invalid")):
            assert asked(guard, evil.sign(claims[partner], kid=kid)) == [why]
        for kid, why in (("key-1", "signature_invalid"), ("k", "signature_invalid"), ("8:k", UNKNOWN)):
            assert asked(guard, partner.sign(claims[evil], kid=kid)) == [why]


# Strangers

FLOOD = [f"bogus-{number}" for number in range(30)]


@proves(
    "GHSA-2gx3-rcp4-g85q",
    "coreos/go-oidc#482",
    "kubernetes/kubernetes#139769",
    "kubernetes/kubernetes#142012",
    "LeanerCloud/CUDly#1387",
    "cleanenergyexchange/fastapi-zitadel-auth#149",
    "cleanenergyexchange/fastapi-zitadel-auth#156",
    "auth0/jwks-rsa-java#173",
    "wundergraph/cosmo#2216",
)
def test_a_flood_of_kids_is_one_fetch_and_neither_known_nor_new_keys_suffer(issuer: FakeIssuer, clock: Clock) -> None:
    guard = fetching(issuer.jwks_uri, clock)
    good = token(issuer)
    assert asked(guard, good) == [None]
    assert set(asked(guard, *(token(issuer, kid=kid) for kid in FLOOD))) == {UNKNOWN}
    assert issuer.requests == 2
    issuer.rotate()
    assert asked(guard, good, token(issuer)) == [None, UNKNOWN]
    clock.advance(15)
    assert asked(guard, token(issuer), good) == [None, None]
    assert issuer.requests == 3


@proves("GHSA-2gx3-rcp4-g85q")
def test_a_flood_of_kids_is_one_fetch_while_the_endpoint_fails_too(issuer: FakeIssuer, clock: Clock) -> None:
    guard = fetching(issuer.jwks_uri, clock)
    good = token(issuer)
    assert asked(guard, good) == [None]
    issuer.status = 500
    assert set(asked(guard, *(token(issuer, kid=kid) for kid in FLOOD))) == {UNAVAILABLE}
    assert asked(guard, good) == [None]
    assert issuer.requests == 2


@proves(
    "spring-projects/spring-security#9395",
    "spring-projects/spring-security#10818",
    "dotnet/aspnetcore#53692",
    "ogx-ai/ogx#5701",
    "dam-agents/dam#2863",
    "hmcts/ccd-data-store-api#3020",
)
def test_while_there_are_no_keys_a_good_token_is_503_and_a_bad_one_401_and_no_fetch(issuer: FakeIssuer, clock: Clock) -> None:
    issuer.status = 500
    guard = fetching(issuer.jwks_uri, clock)
    claims = issuer.claims(LOGIN, AUDIENCE)
    bad = {
        "malformed_token": "a.b.c",
        "algorithm_not_allowed": compact({"alg": "none"}, claims),
        "issuer_not_allowed": issuer.sign(claims | {"iss": "https://evil.example"}),
        "audience_mismatch": issuer.token(LOGIN, "https://other.example"),
        "token_expired": issuer.token(LOGIN, AUDIENCE, iat=1, exp=2),
        "signature_invalid": token(issuer).rpartition(".")[0] + ".",
    }
    assert asked(guard, *bad.values()) == list(bad)
    assert issuer.requests == 0
    with refuses(UNAVAILABLE) as refused:
        guard.check("GET", "/", bearing(token(issuer)))
    assert refused.value.status == 503
    assert int(refused.value.headers["Retry-After"]) >= 1
    assert asked(guard, *bad.values()) == list(bad)
    assert issuer.requests == 1


# New keys, old keys, slow keys


@proves(
    "auth0/go-jwt-middleware#288",
    "googleapis/google-auth-library-nodejs#1418",
    "googleapis/google-auth-library-nodejs#2041",
    "AzureAD/azure-activedirectory-identitymodel-extensions-for-dotnet#3040",
    "envoyproxy/envoy#14557",
    "envoyproxy/envoy#39643",
    "envoyproxy/gateway#4180",
    "istio/istio#10547",
    "istio/istio#41588",
    "istio/istio#49044",
)
def test_the_first_tokens_under_a_new_key_all_pass_after_one_fetch(issuer: FakeIssuer, clock: Clock) -> None:
    guard = fetching(issuer.jwks_uri, clock)
    assert asked(guard, token(issuer)) == [None]
    issuer.rotate()
    new = token(issuer)
    together = threading.Barrier(8)

    def ask() -> list[str | None]:
        together.wait()
        return asked(guard, new)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask) for _ in range(8)]
        assert [each.result() for each in answers] == [[None]] * 8
    assert issuer.requests == 2


@proves("auth0/jwks-rsa-java#69", "jpadilla/pyjwt#1051")
def test_a_withdrawn_key_ends_with_the_next_fetch(issuer: FakeIssuer, clock: Clock) -> None:
    guard = fetching(issuer.jwks_uri, clock)
    old = token(issuer)
    assert asked(guard, old) == [None]
    issuer.published.clear()
    issuer.rotate()
    assert asked(guard, token(issuer), old) == [None, UNKNOWN]


@proves("panva/jose@6.2.10")
def test_an_older_answer_takes_no_newer_ones_place(issuer: FakeIssuer, clock: Clock) -> None:
    withdrawn = token(issuer)
    with Gate(keys_of(issuer)) as gate, Endpoint(gate) as endpoint:
        guard = fetching(endpoint.url, clock)
        guard.prefetch()
        eventually(lambda: endpoint.requests)
        issuer.published.clear()
        issuer.rotate()
        endpoint.script = send(keys_of(issuer))
        clock.advance(15)
        assert asked(guard, token(issuer)) == [None]
        gate.open()
        eventually(lambda: background()._threads == 1)  # the late answer has been read
        assert asked(guard, withdrawn, token(issuer)) == [UNKNOWN, None]


@proves("lestrrat-go/httprc@v3")
def test_an_error_says_nothing_about_when_to_come_again(issuer: FakeIssuer, clock: Clock) -> None:
    error = answer(b"", "Cache-Control: max-age=86400", "Expires: Fri, 31 Dec 2100 00:00:00 GMT", status="503 Service Unavailable")
    with Endpoint(send(error)) as endpoint:
        guard = fetching(endpoint.url, clock)
        assert asked(guard, token(issuer)) == [UNAVAILABLE]
        endpoint.script = send(keys_of(issuer))
        clock.advance(5)
        assert asked(guard, token(issuer)) == [None]


@proves("spring-projects/spring-security#18196")
def test_while_a_fetch_hangs_known_keys_serve_and_another_fetch_takes_its_place(issuer: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(issuer)) as gate, Endpoint(send(keys_of(issuer))) as endpoint:
        guard = fetching(endpoint.url, clock)
        good = token(issuer)
        assert asked(guard, good) == [None]
        endpoint.script = gate
        clock.advance(800)
        assert asked(guard, good) == [None]
        eventually(lambda: len(endpoint.requests) == 2)
        assert asked(guard, good) == [None]
        issuer.rotate()
        endpoint.script = send(keys_of(issuer))
        clock.advance(15)
        assert asked(guard, token(issuer), good) == [None, None]


@proves("spring-projects/spring-security#19643")
def test_keys_are_renewed_before_they_end_and_no_request_waits(issuer: FakeIssuer, clock: Clock) -> None:
    with Gate(keys_of(issuer)) as gate, Endpoint(send(keys_of(issuer))) as endpoint:
        guard = fetching(endpoint.url, clock)
        good = token(issuer)
        assert asked(guard, good) == [None]
        endpoint.script = gate
        clock.advance(800)
        assert asked(guard, good) == [None]
        eventually(lambda: len(endpoint.requests) == 2)
        gate.open()
        eventually(lambda: guard.status()[GOOGLE]["age"] == 0)


@proves("CVE-2024-45809", "CVE-2025-64527")
def test_who_goes_and_who_bears_no_token_during_the_first_fetch_harms_nobody(issuer: FakeIssuer, clock: Clock) -> None:
    async def ask() -> str | None:
        leaving = asyncio.create_task(guard.acheck("GET", "/", bearing(token(issuer))))
        staying = asyncio.create_task(guard.acheck("GET", "/", bearing(token(issuer))))
        await asyncio.to_thread(eventually, lambda: endpoint.requests)
        with refuses("missing_credentials"):
            await guard.acheck("GET", "/", [])
        leaving.cancel()
        await asyncio.wait([leaving])
        gate.open()
        caller = await staying
        return caller.member if caller else None

    with Gate(keys_of(issuer)) as gate, Endpoint(gate) as endpoint:
        guard = fetching(endpoint.url, clock)
        assert asyncio.run(ask()) == LOGIN
        assert len(endpoint.requests) == 1
