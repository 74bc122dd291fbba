"""Fixtures for the tests of a service that callerid guards; pytest finds them once the package is installed.

    def test_profiles(client, as_caller):
        assert client.get("/profiles/7", headers=as_caller("user:ana@example.com")).status_code == 200

The application under test has to believe `callerid_issuer`: `Guard(issuers=[callerid_issuer.google()])`.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from callerid.testing import FakeIssuer

__all__ = ["as_caller", "caller_token", "callerid_audience", "callerid_issuer"]


@pytest.fixture(scope="session")
def callerid_issuer() -> "Iterator[FakeIssuer]":
    """An issuer with a key of this run, which it serves on loopback. What a test does to it, all later tests see."""
    from callerid.testing import FakeIssuer  # noqa: PLC0415  (pytest loads plugins whether they are needed or not)

    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def callerid_audience() -> str:
    """What the tokens are for. Have a fixture of this name in your conftest.py that returns your Guard's audience."""
    pytest.fail("callerid_audience: write a fixture of this name in conftest.py that returns your Guard's audience", pytrace=False)


@pytest.fixture
def caller_token(callerid_issuer: "FakeIssuer", callerid_audience: str) -> Callable[..., str]:
    """A function of a member (and claims that differ: `exp=…`, `None` leaves one out) that returns a signed token."""

    def token(member: str, **claims: object) -> str:
        return callerid_issuer.token(member, callerid_audience, **claims)

    return token


@pytest.fixture
def as_caller(callerid_issuer: "FakeIssuer", callerid_audience: str) -> Callable[..., dict[str, str]]:
    """The same, as request headers: for FastAPI's and Starlette's TestClient, httpx, Flask's and Django's test clients."""

    def headers(member: str, **claims: object) -> dict[str, str]:
        return callerid_issuer.headers(member, callerid_audience, **claims)

    return headers
