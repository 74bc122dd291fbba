"""Advisories about remembered tokens: how others have taken one for another, or for as good as it once was."""

from collections.abc import Iterator

import pytest

from callerid import Guard, Header, Route, google
from tests.attacks import BATCH, HOUR, NOW, PARTNER, Cast, asked, proves
from tests.attacks.forge import SIGNATURE, number, spliced, with_signature
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, Clock, FakeIssuer, named, reason

ADMIN, REFUSED = "/admin", "caller_not_allowed"


@pytest.fixture(scope="module")
def good(cast: Cast) -> str:
    """Login's token. Signed once: no two signatures of ES256 are equal."""
    return cast.signed()


@pytest.fixture
def remembering(cast: Cast, clock: Clock, good: str) -> Guard:
    """A Guard that has let login's token pass a moment ago."""
    clock.now = NOW
    guard = cast.guard(clock=clock, callers=[LOGIN, SEARCH, BATCH], routes=[Route(ADMIN, callers=[SEARCH])])
    assert asked(guard, good) == [None]
    return guard


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    """An issuer whose keys a test may change."""
    with FakeIssuer(algorithm="ES256") as issuer:
        yield issuer


def similar(cast: Cast, good: str) -> dict[str, str]:
    """Tokens that are like a good one in one way or another, and have no signature of Google's."""
    other = cast.google.token(ANA, AUDIENCE)
    return {
        "its header": spliced(good, with_signature(other, number(1)), header=0, payload=1, signature=1),
        "its header and payload": with_signature(good, number(1)),
        "its header and signature": spliced(good, other, header=0, payload=1, signature=0),
        "its payload and signature": spliced(good, cast.signed(x=1), header=1, payload=0, signature=0),
        "all but its end": good[:-2] + ("AA" if good[-2:] != "AA" else "BA"),
        "its claims, in another order": cast.mallory.sign(dict(reversed(cast.claims().items()))),
        "its claims, and more": cast.mallory.sign(cast.claims(x=1)),
    }


@proves("CVE-2026-35030")
def test_the_beginning_of_a_remembered_token_is_not_the_token(cast: Cast, good: str, remembering: Guard) -> None:
    forged = similar(cast, good)["its header"]
    assert forged[:20] == good[:20]
    assert asked(remembering, forged, good) == [SIGNATURE, None]


@pytest.mark.parametrize(
    "what",
    named(
        *(
            (f"CVE-2026-35039 GHSA-rp9m-7r4c-75qg {what}", what)
            for what in (
                "its header and payload",
                "its header and signature",
                "its payload and signature",
                "all but its end",
                "its claims, in another order",
                "its claims, and more",
            )
        )
    ),
)
def test_a_token_that_is_like_a_remembered_one_is_not_it(what: str, cast: Cast, good: str, remembering: Guard) -> None:
    assert asked(remembering, similar(cast, good)[what], good) == [SIGNATURE, None]


@proves("CVE-2026-35039", "GHSA-rp9m-7r4c-75qg")
def test_tokens_that_share_ids_are_their_own_callers_still(cast: Cast, remembering: Guard) -> None:
    same = {"jti": "1", "sub": "1", "azp": "1", "nonce": "1"}
    members = [LOGIN, SEARCH, LOGIN]
    tokens = [cast.google.token(member, AUDIENCE, **same) for member in members]
    callers = [remembering.check("GET", "/", {"Authorization": f"Bearer {token}"}) for token in tokens]
    assert [caller.member if caller else None for caller in callers] == members


@proves("zmartzone/lua-resty-openidc#399", "zmartzone/lua-resty-openidc#569", "googleapis/mcp-toolbox-sdk-python#675")
def test_a_token_remembered_for_one_audience_is_not_for_another(cast: Cast, good: str) -> None:
    issuer = google(keys=cast.google.jwks(), algorithms=["ES256"])
    guards = [Guard(issuers=[issuer], audience=aud, callers=[LOGIN], clock=Clock(NOW)) for aud in (AUDIENCE, "https://b.example")]
    assert [asked(guard, good) for guard in guards * 2] == [[None], ["audience_mismatch"]] * 2


@proves("zmartzone/lua-resty-openidc#399", "zmartzone/lua-resty-openidc#569")
def test_a_token_remembered_on_one_route_is_judged_anew_on_another(cast: Cast, good: str, remembering: Guard) -> None:
    assert asked(remembering, good, cast.google.token(SEARCH, AUDIENCE), good, path=ADMIN) == [REFUSED, None, REFUSED]


@proves("zmartzone/lua-resty-openidc#399")
def test_a_token_remembered_from_one_header_is_judged_anew_in_another(cast: Cast, good: str) -> None:
    guard = cast.guard(headers=["Authorization", Header("X-Partner", scheme=None, issuers=(PARTNER,))])
    assert asked(guard, good) == [None]
    assert reason(guard.check, "GET", "/", {"X-Partner": good}) == "issuer_not_allowed"
    assert asked(guard, good) == [None]


@proves("envoyproxy/envoy@jwt_cache", "nearform/fast-jwt#5")
def test_a_token_is_forgotten_with_its_key(issuer: FakeIssuer) -> None:
    guard = Guard(issuers=[issuer.google()], audience=AUDIENCE, callers=[LOGIN])
    old = issuer.token(LOGIN, AUDIENCE)
    assert asked(guard, old, old) == [None, None]
    issuer.published.clear()
    issuer.rotate()
    assert asked(guard, issuer.token(LOGIN, AUDIENCE), old) == [None, "unknown_key"]


@proves("envoyproxy/envoy@jwt_cache", "nearform/fast-jwt#5")
def test_a_token_is_forgotten_when_its_kid_is_another_key(issuer: FakeIssuer) -> None:
    guard = Guard(issuers=[issuer.google()], audience=AUDIENCE, callers=[LOGIN])
    old = issuer.token(LOGIN, AUDIENCE)
    assert asked(guard, old) == [None]
    issuer.add_key("key-1")
    issuer.rotate()
    assert asked(guard, issuer.token(LOGIN, AUDIENCE), old) == [None, SIGNATURE]


@proves("google/jwt_verify_lib", "PrefectHQ/fastmcp#5193")
def test_a_remembered_token_ends_when_it_says(good: str, remembering: Guard, clock: Clock) -> None:
    clock.advance(HOUR + 29)
    assert asked(remembering, good) == [None]
    clock.advance(1)
    assert asked(remembering, good) == ["token_expired"]
