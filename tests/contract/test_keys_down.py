"""A dead key endpoint, or one that hangs: 503 for what might be good, 401 for what is bad, and public routes as ever."""

from collections.abc import Iterator

import pytest
from sample_apps.demo.stage import free_port

from tests.contract.wire import exchange
from tests.keys import Endpoint, hang
from tests.stacks import ONE_SERVER_EACH, Start
from tests.support import AUDIENCE, LOGIN, FakeIssuer


@pytest.fixture(scope="session")
def uris() -> Iterator[dict[str, str]]:
    with Endpoint(hang) as endpoint:
        yield {"dead": f"http://127.0.0.1:{free_port()}/jwks", "hanging": endpoint.url}


@pytest.mark.parametrize("endpoint", ["dead", "hanging"])
@pytest.mark.parametrize("stack", ONE_SERVER_EACH)
def test_keys_down(start: Start, issuer: FakeIssuer, uris: dict[str, str], stack: str, endpoint: str) -> None:
    port = start(stack, uris[endpoint])
    good = exchange(port, "GET", "/profiles/7", issuer.headers(LOGIN, AUDIENCE).items())
    expired = exchange(port, "GET", "/profiles/7", issuer.headers(LOGIN, AUDIENCE, iat=1, exp=2).items())
    assert (good.status, good.reason, expired.reason) == (503, "keys_unavailable", "token_expired")
    assert 1 <= int(good.headers["retry-after"]) <= 5
    assert "www-authenticate" not in good.headers
    assert exchange(port, "GET", "/healthz").status == 200
