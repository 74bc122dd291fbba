"""The cast of the attacks, and a Guard for them to deceive."""

from collections.abc import Iterator

import pytest

from callerid import Guard
from tests.attacks import NOW, PARTNER, Cast
from tests.support import FakeIssuer


@pytest.fixture(scope="session")
def cast() -> Iterator[Cast]:
    """Issuers whose keys nobody changes, and whose hour is that of these tests."""
    with (
        FakeIssuer(algorithm="ES256", clock=lambda: NOW) as google,
        FakeIssuer(PARTNER, clock=lambda: NOW) as partner,
        FakeIssuer(algorithm="ES256", clock=lambda: NOW) as mallory,
    ):
        yield Cast(google, partner, mallory)


@pytest.fixture
def guard(cast: Cast) -> Guard:
    return cast.guard()


@pytest.fixture
def advisory() -> None:
    """Stands for the ids of what a test proves (`proves`)."""
