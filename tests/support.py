"""Words and tools that the tests share."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import settings

from callerid import ConfigurationError, Refused, testing
from tests.leaks import SECRETS, TOKENS, private_forms

LOGIN = "serviceAccount:login@shop.iam.gserviceaccount.com"
SEARCH = "serviceAccount:search@shop.iam.gserviceaccount.com"
PROMETHEUS = "serviceAccount:prometheus@shop.iam.gserviceaccount.com"
STRANGER = "serviceAccount:mallory@evil.iam.gserviceaccount.com"
ANA = "user:ana@example.com"
AUDIENCE = "https://user-profiles.example"

ENDPOINT_TOKEN = "secret-7Zk3vQx9LmTb2Rw8"  # for `bearer_token_file`
SECRETS.add(ENDPOINT_TOKEN)

settings.register_profile("callerid", deadline=None)  # a slow machine is no failure
settings.load_profile("callerid")


def refuses(reason: str) -> pytest.RaisesExc[Refused]:
    """Expect a refusal for this reason."""
    return pytest.raises(Refused, check=lambda refused: refused.reason == reason)


def reason(call: Callable[..., object], *arguments: object) -> str | None:
    """Why this call refuses, `None` where it does not. Everything but a refusal escapes."""
    try:
        call(*arguments)
    except Refused as refused:
        return refused.reason
    return None


def complains(*words: str) -> pytest.RaisesExc[ConfigurationError]:
    """Expect a configuration error whose sentence holds these words."""
    return pytest.raises(ConfigurationError, check=lambda error: all(word in str(error) for word in words))


def named(*cases: tuple[Any, ...]) -> list[Any]:
    """Parameter sets, each of which begins with its name."""
    return [pytest.param(*values, id=name) for name, *values in cases]


class FakeIssuer(testing.FakeIssuer):
    """callerid's own. What it signs, and signs with, is remembered: no log may hold it."""

    def add_key(self, kid: str | None = None) -> str:
        kid = super().add_key(kid)
        SECRETS.update(private_forms(self._keys[kid]))
        return kid

    def sign(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        token = super().sign(claims, **header)
        TOKENS.update(token.split(".")[1:])
        return token


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
