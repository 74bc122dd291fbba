"""A dead key endpoint: 503 for what might be good, 401 for what is bad, and public routes as ever."""

import pytest
from sample_apps.demo.stage import free_port

from callerid.testing import FakeIssuer
from tests.contract.wire import exchange
from tests.stacks import ONE_SERVER_EACH, Start
from tests.support import AUDIENCE, LOGIN


@pytest.fixture(scope="session")
def dead_uri() -> str:
    return f"http://127.0.0.1:{free_port()}/jwks"


@pytest.mark.parametrize("stack", ONE_SERVER_EACH)
def test_keys_down(start: Start, issuer: FakeIssuer, dead_uri: str, stack: str) -> None:
    port = start(stack, dead_uri)
    good = exchange(port, "GET", "/profiles/7", issuer.headers(LOGIN, AUDIENCE).items())
    expired = exchange(port, "GET", "/profiles/7", issuer.headers(LOGIN, AUDIENCE, iat=1, exp=2).items())
    assert (good.status, good.reason, expired.reason) == (503, "keys_unavailable", "token_expired")
    assert 1 <= int(good.headers["retry-after"]) <= 5
    assert "www-authenticate" not in good.headers
    assert exchange(port, "GET", "/healthz").status == 200
