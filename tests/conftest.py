"""What every test may use: one issuer with real keys, and a clock that stands still until it is told to move."""

from collections.abc import Iterator

import pytest

from tests.support import Clock, FakeIssuer

pytest_plugins = ["tests.stacks"]


@pytest.fixture(scope="session")
def issuer() -> Iterator[FakeIssuer]:
    """An issuer under Google's name, shared by all tests: do not rotate its keys or take it down."""
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()
