"""What the operator reads: every refusal once, in words that say what to do, and never a token.

Refusals log at INFO. What an operator must act on logs at WARNING, at most once a minute for each reason. There is no
NullHandler: where nobody configured logging, warnings reach standard error.
"""

import threading
import time
from collections.abc import Callable

from callerid.errors import Refused
from callerid.forks import PerProcess

__all__ = ["RefusalLog", "shown"]

MOST_CHARACTERS = 128
PAUSE = 60.0  # seconds between two warnings for one reason

_FOR_THE_OPERATOR = frozenset({"audience_mismatch", "keys_unavailable", "signature_removed"})

# Cloud Run's IAM check answers these itself, so on a service that only IAM's invokers reach none of them can be seen.
_BLOCKED_BY_CLOUD_RUN_IAM = frozenset(
    {
        "missing_credentials",
        "malformed_credentials",
        "malformed_token",
        "algorithm_not_allowed",
        "issuer_not_allowed",
        "token_expired",
        "unknown_key",
        "signature_invalid",
    }
)

_PUBLIC = "this service appears to be public: Cloud Run IAM would not have passed this request; take trust_cloud_run_iam out"


def shown(value: object) -> str:
    """A value from a request, fit for a log: ASCII, on one line, short."""
    text = ascii(value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


class RefusalLog:
    """Writes refusals to the `callerid` logger. `private_service` says that Cloud Run IAM is relied on."""

    def __init__(self, *, private_service: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        from logging import getLogger  # noqa: PLC0415  (it takes a fifth of the time that importing callerid takes)

        self._logger = getLogger("callerid")
        self._private_service = private_service
        self._clock = clock
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)

    def refused(self, refused: Refused, method: str, path: str) -> None:
        """Log one refusal."""
        if self._private_service and refused.reason in _BLOCKED_BY_CLOUD_RUN_IAM:
            self._seldom(self._logger.error, "public", _PUBLIC)
        request = f"unverified_method={shown(method)} unverified_path={shown(path)}"
        message = f"refused {refused.status} {refused.reason}: {refused.note or refused.detail} ({request})"
        if refused.reason in _FOR_THE_OPERATOR:
            self._seldom(self._logger.warning, refused.reason, message)
        else:
            self._logger.info("%s", message, extra={"reason": refused.reason})

    def caveat(self, caveat: str) -> None:
        """A warning at start."""
        self._logger.warning("%s", caveat)

    def seldom(self, subject: str, message: str) -> None:
        """A warning, at most once a minute for each subject."""
        self._seldom(self._logger.warning, subject, message)

    def _seldom(self, log: Callable[..., None], reason: str, message: str) -> None:
        with self._lock():
            now = self._clock()
            if now < self._next.get(reason, now):
                self._left_out[reason] = self._left_out.get(reason, 0) + 1
                return
            self._next[reason] = now + PAUSE
            left_out = self._left_out.pop(reason, 0)
        more = f" (and {left_out} more like it since the last such line)" if left_out else ""
        log("%s%s", message, more, extra={"reason": reason})
