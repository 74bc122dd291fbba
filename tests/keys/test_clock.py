"""The clock that goes on while the process stands still."""

import pytest

from callerid import KeysUnavailable
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.fetch import Fetcher
from callerid.keys.keyset import parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.remote import RemoteKeys
from tests.keys import eventually
from tests.support import FakeIssuer


class Hands:
    """The two hands that a SuspendAwareClock reads."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 100.0, 1_800_000_000.0
        self.clock = SuspendAwareClock(lambda: self.monotonic, lambda: self.wall)

    def passed(self, monotonic: float, wall: float) -> float:
        """What the clock says has passed, when so much has by either hand."""
        before = self.clock()
        self.monotonic += monotonic
        self.wall += wall
        return self.clock() - before


@pytest.mark.parametrize(
    ("monotonic", "wall", "passed"),
    [
        pytest.param(10, 10, 10, id="both alike"),
        pytest.param(10, 10 + 3 * 3600, 10 + 3 * 3600, id="frozen for hours"),
        pytest.param(0, 3 * 3600, 3 * 3600, id="frozen for hours, at once"),
        pytest.param(10, 10.9, 10, id="the wall clock is slewed"),
        pytest.param(10, -3600, 10, id="the wall clock steps back"),
        pytest.param(10, 0, 10, id="the wall clock stands still"),
    ],
)
def test_as_much_passes_as_the_faster_hand_says_and_never_less_than_nothing(monotonic: float, wall: float, passed: float) -> None:
    assert Hands().passed(monotonic, wall) == pytest.approx(passed)


def test_a_step_back_is_made_up_for_by_nothing() -> None:
    hands = Hands()
    assert hands.passed(1, 1 - 7200) == pytest.approx(1)
    assert hands.passed(1, 1 + 3600) == pytest.approx(3601)


def test_short_freezes_add_up() -> None:
    hands = Hands()
    passed = sum(hands.passed(0.1, 0.6) for _ in range(1000))
    assert passed == pytest.approx(600, abs=1)


def test_a_process_that_stood_still_serves_its_first_request_with_old_keys_and_refreshes_behind() -> None:
    hands = Hands()
    with FakeIssuer(algorithm="ES256") as issuer:
        keys = RemoteKeys(Fetcher(issuer.jwks_uri), parse_jwks, lifetime_of, stale_if_error=7200, clock=hands.clock)
        key = keys.find(issuer.kid, "ES256")
        hands.wall += 2 * 3600
        assert keys.find(issuer.kid, "ES256") is key
        eventually(lambda: keys.status()["fetches"] == issuer.requests == 2 and keys.status()["state"] == "fresh")
        hands.wall -= 24 * 3600
        assert keys.find(issuer.kid, "ES256") == key
        hands.wall += 4 * 3600
        issuer.status = 500
        with pytest.raises(KeysUnavailable):
            keys.find(issuer.kid, "ES256")
        assert issuer.requests == 3
