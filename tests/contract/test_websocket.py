"""WebSockets: judged as a GET, before they are accepted."""

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.stacks import WEBSOCKET_STACKS, Start
from tests.support import AUDIENCE, LOGIN, STRANGER, FakeIssuer


def _connect(port: int, headers: dict[str, str], path: str = "/events") -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}{path}", additional_headers=headers, proxy=None)


@pytest.mark.parametrize("stack", WEBSOCKET_STACKS)
def test_a_caller_gets_through(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    with _connect(port, issuer.headers(LOGIN, AUDIENCE)) as websocket:
        assert json.loads(websocket.recv()) == {"caller": "login@shop.iam.gserviceaccount.com"}


@pytest.mark.parametrize("stack", WEBSOCKET_STACKS)
@pytest.mark.parametrize(("member", "status"), [(STRANGER, 403), (None, 401)])
def test_a_stranger_is_refused_before_the_handshake_ends(
    start: Start, issuer: FakeIssuer, stack: str, member: str | None, status: int
) -> None:
    headers = {} if member is None else issuer.headers(member, AUDIENCE)
    with pytest.raises(InvalidStatus) as refused:
        _connect(start(stack, issuer.jwks_uri), headers)
    assert refused.value.response.status_code in (status, 403)  # 403 where a server offers no response of ours


@pytest.mark.parametrize("stack", WEBSOCKET_STACKS)
def test_there_is_no_other_websocket(start: Start, issuer: FakeIssuer, stack: str) -> None:
    with pytest.raises(InvalidStatus):
        _connect(start(stack, issuer.jwks_uri), issuer.headers(LOGIN, AUDIENCE), "/whoami")
