"""Where an issuer's keys are, by its own word: OpenID Connect Discovery 1.0 §4."""

import logging
import math
import time
from collections.abc import Callable, Mapping

from callerid.errors import ConfigurationError
from callerid.keys.clock import SuspendAwareClock
from callerid.keys.fetch import DEADLINE, Fetcher, FetchError
from callerid.keys.keyset import KeyDocumentError, json_object, parse_jwks
from callerid.keys.lifetime import lifetime_of
from callerid.keys.url import origin_of
from callerid.logs import shown
from callerid.options import PathLike

__all__ = ["Discovery"]

ASK_AGAIN = 60.0  # seconds between two questions while the last configuration holds

_logger = logging.getLogger("callerid")


class Discovery:
    """Fetches the key document that an issuer's configuration names.

    The configuration, from `url`, is believed for its own lifetime, as `lifetime` reads it from the headers, and `stale_if_error`
    seconds longer while it cannot be had. `renew`, after each fetch, asks for it again: the keys do not wait for that. The
    bearer token goes to the origin of `url`, and to no other that the configuration may name.

    Raises:
        ConfigurationError: as `Fetcher`.
    """

    def __init__(
        self,
        url: str,
        issuer: str,
        *,
        ca_file: PathLike | None = None,
        bearer_token_file: PathLike | None = None,
        lifetime: Callable[[Mapping[str, str]], float] = lifetime_of,
        stale_if_error: float = 0.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._configuration = Fetcher(url, ca_file=ca_file, bearer_token_file=bearer_token_file)
        self._issuer = issuer
        self._ca_file, self._bearer_token_file = ca_file, bearer_token_file
        self._lifetime, self._stale_if_error = lifetime, stale_if_error
        self._clock = clock or SuspendAwareClock()
        self._keys: Fetcher | None = None
        self._ask_at = self._usable_until = -math.inf

    @property
    def url(self) -> str:
        """Where the keys are; before that is known, where that will be said."""
        return (self._keys or self._configuration).url

    def __call__(self) -> tuple[bytes, Mapping[str, str]]:
        """The key document and its headers.

        Raises:
            FetchError: also for a configuration that is another issuer's, or names no URL to fetch keys from.
            KeyDocumentError: when it is no document of usable keys.
        """
        ends_at = time.monotonic() + DEADLINE
        keys = self._keys
        if keys is None or self._clock() >= self._usable_until:
            keys = self._discover()
        try:
            document, headers = keys(ends_at - time.monotonic())
            parse_jwks(document)
        except (FetchError, KeyDocumentError):
            self._ask_at = -math.inf  # the issuer may have moved them, and left a page behind
            raise
        return document, headers

    def renew(self) -> bool:
        """Ask for the configuration again, if it was not a moment ago. Whether it has the keys elsewhere now."""
        before = self._keys
        if before is None or self._clock() < self._ask_at:
            return False
        try:
            return self._discover().url != before.url
        except FetchError as error:
            _logger.warning("callerid cannot renew the configuration of %s: %s; the last one holds", self._issuer, error)
            return False

    def _discover(self) -> Fetcher:
        now = self._clock()
        self._ask_at = now + ASK_AGAIN
        document, headers = self._configuration()
        keys = self._keys = self._named_by(document)
        self._usable_until = now + self._lifetime(headers) + self._stale_if_error
        return keys

    def _named_by(self, document: bytes) -> Fetcher:
        where = f"the configuration at {self._configuration.url}"
        try:
            configuration = json_object(document)
        except KeyDocumentError as error:
            raise FetchError(f"{where}: {error}") from None
        issuer, jwks_uri = configuration.get("issuer"), configuration.get("jwks_uri")
        if issuer != self._issuer:
            raise FetchError(f"{where} is that of the issuer {shown(issuer)}, not of {self._issuer!r}; the two must be equal")
        try:
            url = jwks_uri if isinstance(jwks_uri, str) else ""
            keys = Fetcher(url, ca_file=self._ca_file)
            if origin_of(keys.parts) == origin_of(self._configuration.parts):
                keys = Fetcher(url, ca_file=self._ca_file, bearer_token_file=self._bearer_token_file)
        except ConfigurationError as error:
            raise FetchError(f"{where}, jwks_uri: {error}") from None
        if keys.parts.scheme != "https" and self._configuration.parts.scheme == "https":
            raise FetchError(f"{where}, jwks_uri: {shown(jwks_uri)} must be https")
        return keys
