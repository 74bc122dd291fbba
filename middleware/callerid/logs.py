"""What the operator reads: every refusal once, in words that say what to do, and never a token.

Refusals log at INFO, at most a hundred a minute for each reason. What an operator must act on logs at WARNING, once a minute. There
is no NullHandler: where nobody configured logging, warnings reach standard error.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from callerid.errors import Refused
from callerid.forks import PerProcess

if TYPE_CHECKING:
    from callerid.request import Request

__all__ = ["RefusalLog", "shown"]

MOST_CHARACTERS = 128
PAUSE = 60.0  # seconds between two warnings for one reason
MOST_LINES = 100  # at INFO for one reason in that time: a flood must not fill a disk

_KNOWN = ("issuer", "member", "rule", "unverified_issuer", "unverified_kid")  # none of which is a record's own
_INFO = 20  # logging's own
_Line = tuple[str, dict[str, Any]]  # a message, and further attributes of its record

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
    """A value from a request or a configuration, fit for a log: ASCII, on one line, short."""
    text = ascii(value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


class RefusalLog:
    """Writes refusals to the `callerid` logger. `private_service` says that Cloud Run IAM is relied on."""

    def __init__(self, *, private_service: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        from logging import getLogger  # noqa: PLC0415  (it takes a fifth of the time that importing callerid takes)

        self._logger = getLogger("callerid")
        self._private_service = private_service
        self._clock = clock
        self._written: dict[str, tuple[float, int]] = {}  # since when, and how many lines, for each reason
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)

    def follow(self, before: "RefusalLog") -> None:
        """Go on with another's limits: what it has written counts."""
        self._written, self._lock = before._written, before._lock

    def refused(self, refused: Refused, request: "Request") -> None:
        """Log one refusal: a sentence, and what is known as the record's attributes, for filters and counters."""
        if self._private_service and refused.reason in _BLOCKED_BY_CLOUD_RUN_IAM:
            self._tell(self._logger.error, "public", lambda: (_PUBLIC, {}))
        if refused.reason in _FOR_THE_OPERATOR:
            self._tell(self._logger.warning, refused.reason, partial(_sentence, refused, request))
        elif self._logger.isEnabledFor(_INFO):
            self._tell(self._logger.info, refused.reason, partial(_sentence, refused, request), MOST_LINES)

    def caveats(self, caveats: Iterable[str]) -> None:
        """Warnings at start, and when a file has changed. A handler may fail: the policy counts all the same."""
        for caveat in caveats:
            with suppress(Exception):
                self._logger.warning("%s", caveat)

    def seldom(self, subject: str, message: str) -> None:
        """A warning, at most once a minute for each subject."""
        self._tell(self._logger.warning, subject, lambda: (message, {}))

    def _tell(self, log: Callable[..., None], reason: str, make: Callable[[], _Line], most: int = 1) -> None:
        """Write at most so many lines a minute for one reason; the first of the next minute tells how many were left out."""
        with self._lock():
            now = self._clock()
            began, lines = self._written.get(reason, (now, 0))
            left_out = 0
            if now >= began + PAUSE:
                began, lines, left_out = now, 0, max(0, lines - most)
            self._written[reason] = began, lines + 1
        if lines < most:
            message, fields = make()
            more = f" (and {left_out} more like it since the last such line)" if left_out else ""
            try:
                log("%s%s", message, more, extra={"reason": reason, **fields})
            except KeyError:  # a record factory of the application's own has set one of these names
                log("%s%s", message, more)


def _sentence(refused: Refused, request: "Request") -> _Line:
    said = {"unverified_method": request.method, "unverified_path": request.path}
    if (sent_id := request.unverified_id) is not None:
        said["unverified_request_id"] = sent_id
    what = " ".join(f"{name}={shown(text)}" for name, text in said.items())
    known = {name: refused.about[name] for name in _KNOWN if name in refused.about}
    fields = {name: shown(text)[1:-1] for name, text in {**known, **said}.items()}
    message = f"refused {refused.status} {refused.reason}: {refused.note or refused.detail} ({what})"
    return message, {"status": refused.status, **fields}
