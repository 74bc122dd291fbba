"""The closed error tree: everything callerid raises, and what each refusal tells whom.

CallerIDError
├── ConfigurationError        a mistake of the operator's, found at start
├── NoRequestError            current_caller() outside a guarded request
└── Refused                   this request goes no further
    ├── BadRequest       400
    ├── Unauthenticated  401
    ├── Forbidden        403
    └── KeysUnavailable  503

A refusal has two audiences. The caller gets constant texts (`status`, `headers`, `body`) that hold nothing of the token, the
rule or an exception. The operator gets `note`, in the log only.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar, Self

__all__ = [
    "BadRequest",
    "CallerIDError",
    "ConfigurationError",
    "Forbidden",
    "KeysUnavailable",
    "NoRequestError",
    "Place",
    "REASONS",
    "Refused",
    "Unauthenticated",
    "refusal",
    "without_secrets",
]


Place = tuple[str | int, ...]


class CallerIDError(Exception):
    """The root of every exception that callerid raises."""


# A token, a PEM or a JWK that somebody gave for something else: whole, or cut, or as `repr` writes it.
_NOT_FOR_LOGS = (
    r"(?<![\w-])(?=[\w-]*eyJ)[\w-]++\.[\w-]+(?:\.[\w-]*)?|ya29\.[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY.*?(?:END [A-Z ]*PRIVATE KEY-----|$)"
    r"""|(?<=["'])(?:d|p|q|dp|dq|qi|k)\\*["']\s*:\s*\\*["'][^"']*"""
)


class ConfigurationError(CallerIDError):
    """The configuration is wrong; the message names the field and the mend. Raised at start, never for a request's content.

    `problems` are the things that are wrong, each with its place in the configuration: `("routes", 3)` is the fourth route; `more`
    is how many more there are.
    What is wrong may be that a secret is where none belongs, and messages end in logs: tokens and private keys are left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_told(message))
        self.problems: tuple[tuple[Place, str], ...] = (((), str(self)),)
        self.more = 0

    @classmethod
    def of(cls, problems: Iterable[tuple[Place, str]], more: int = 0) -> Self:
        """One error of several problems, and of `more` that are not told."""
        found = tuple((place, _told(text)) for place, text in problems)
        texts = list(dict.fromkeys(text for _, text in found))
        error = cls(texts[0])
        error.problems, error.more = found, more
        if len(texts) + more > 1:
            error.args = ("\n  ".join([f"{len(texts) + more} problems", *texts, *([f"and {more} more"] if more else [])]),)
        return error


def _told(text: str) -> str:
    """Without secrets, and without what would act on a terminal or begin a line in a log."""
    text = without_secrets(text)
    return text if text.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def without_secrets(text: str) -> str:
    """A text without what looks like a token or a private key."""
    return re.sub(_NOT_FOR_LOGS, "(a secret)", text, flags=re.ASCII | re.DOTALL)


class NoRequestError(CallerIDError):
    """There is no guarded request here, or it has ended."""


class Refused(CallerIDError):
    """This request is refused.

    `reason` is one of the words of the refusal table, `status` the HTTP status, `detail` a constant sentence for the caller,
    `headers` and `body` a complete problem response (RFC 9457). `note` is for the operator's log and never for the caller, and so
    is `about`: issuer, member, rule and key id, as far as they are known.

    Raises:
        ConfigurationError: for a `reason` that is none of this class's.
    """

    status: ClassVar[int]

    def __init__(self, reason: str, note: str = "", retry_after: int | None = None) -> None:
        kind, _ = _REASONS.get(reason, (None, ""))
        if kind is None or not isinstance(self, kind):
            raise ConfigurationError(f"{reason!r} is no reason of {type(self).__name__}; the table of refusals has them all")
        super().__init__(reason, note, retry_after)
        self.reason = reason
        self.note = note
        self.retry_after = retry_after
        self.about: dict[str, str] = {}

    def knowing(self, **about: str | None) -> Self:
        """The same, with what the operator may know of it."""
        self.about |= {name: text for name, text in about.items() if text is not None}
        return self

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    @property
    def detail(self) -> str:
        return _REASONS[self.reason][1]

    @property
    def challenge(self) -> str | None:
        """The `WWW-Authenticate` value (RFC 6750 §3): bare where no credentials came, else with the error code."""
        return _CHALLENGES.get(self.reason, _CHALLENGES.get(self.status))  # `None` is an answer, too

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers, the body's `Content-Type` included."""
        headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
        if self.challenge is not None:
            headers["WWW-Authenticate"] = self.challenge
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

    @property
    def body(self) -> bytes:
        """The problem document as UTF-8 JSON."""
        return json.dumps(
            {
                "type": "about:blank",
                "title": self.title,
                "status": self.status,
                "detail": self.detail,
                "reason": self.reason,
            }
        ).encode()


class BadRequest(Refused):
    """400: the request cannot be judged as it stands."""

    status = HTTPStatus.BAD_REQUEST.value


class Unauthenticated(Refused):
    """401: no credentials, or none that hold."""

    status = HTTPStatus.UNAUTHORIZED.value


class Forbidden(Refused):
    """403: the caller is known and may not."""

    status = HTTPStatus.FORBIDDEN.value


class KeysUnavailable(Refused):
    """503: the token may be good, but the issuer's keys cannot be had now. `retry_after` is in seconds."""

    status = HTTPStatus.SERVICE_UNAVAILABLE.value


_REASONS: dict[str, tuple[type[Refused], str]] = {
    "missing_credentials": (Unauthenticated, "This resource needs a bearer token."),
    "malformed_credentials": (BadRequest, "The credentials are not one well-formed bearer token."),
    "ambiguous_path": (BadRequest, "The path can be read in more than one way."),
    "malformed_token": (Unauthenticated, "The token is malformed."),
    "algorithm_not_allowed": (Unauthenticated, "The token's algorithm is not accepted."),
    "issuer_not_allowed": (Unauthenticated, "The token's issuer is not accepted."),
    "audience_mismatch": (Unauthenticated, "The token is meant for another audience."),
    "token_expired": (Unauthenticated, "The token has expired."),
    "token_not_yet_valid": (Unauthenticated, "The token is not valid yet."),
    "claim_missing": (Unauthenticated, "The token lacks a required claim."),
    "claim_invalid": (Unauthenticated, "A claim of the token is invalid."),
    "unknown_key": (Unauthenticated, "The token's key is unknown."),
    "signature_invalid": (Unauthenticated, "The token's signature is invalid."),
    "signature_removed": (Unauthenticated, "The token's signature has been removed."),
    "caller_not_allowed": (Forbidden, "The caller may not do this."),
    "email_not_verified": (Forbidden, "The caller's e-mail address is not verified."),
    "cross_site": (Forbidden, "A page of another site may not do this in the caller's name."),
    "keys_unavailable": (KeysUnavailable, "The token cannot be verified at the moment."),
}

REASONS = tuple(_REASONS)

_CHALLENGES: dict[str | int, str | None] = {
    "cross_site": None,
    "missing_credentials": "Bearer",
    "malformed_credentials": 'Bearer error="invalid_request"',
    Unauthenticated.status: 'Bearer error="invalid_token"',
    Forbidden.status: 'Bearer error="insufficient_scope"',
}


def refusal(reason: str, note: str = "", *, retry_after: int | None = None) -> Refused:
    """The refusal of the right class for a reason of the table."""
    return _REASONS[reason][0](reason, note, retry_after)
