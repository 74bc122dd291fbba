"""The table of refusals: what each tells the caller, word for word, whatever led to it."""

import json
import pickle

import pytest

from callerid import (
    BadRequest,
    CallerIDError,
    ConfigurationError,
    Forbidden,
    KeysUnavailable,
    NoRequestError,
    Refused,
    Unauthenticated,
    errors,
)
from callerid.errors import refusal
from tests.support import complains, named

INVALID_REQUEST = 'Bearer error="invalid_request"'
INVALID_TOKEN = 'Bearer error="invalid_token"'
INSUFFICIENT_SCOPE = 'Bearer error="insufficient_scope"'

REFUSALS: dict[str, tuple[type[Refused], int, str | None, str]] = {
    "missing_credentials": (Unauthenticated, 401, "Bearer", "This resource needs a bearer token."),
    "malformed_credentials": (BadRequest, 400, INVALID_REQUEST, "The credentials are not one well-formed bearer token."),
    "ambiguous_path": (BadRequest, 400, None, "The path can be read in more than one way."),
    "malformed_token": (Unauthenticated, 401, INVALID_TOKEN, "The token is malformed."),
    "algorithm_not_allowed": (Unauthenticated, 401, INVALID_TOKEN, "The token's algorithm is not accepted."),
    "issuer_not_allowed": (Unauthenticated, 401, INVALID_TOKEN, "The token's issuer is not accepted."),
    "audience_mismatch": (Unauthenticated, 401, INVALID_TOKEN, "The token is meant for another audience."),
    "token_expired": (Unauthenticated, 401, INVALID_TOKEN, "The token has expired."),
    "token_not_yet_valid": (Unauthenticated, 401, INVALID_TOKEN, "The token is not valid yet."),
    "claim_missing": (Unauthenticated, 401, INVALID_TOKEN, "The token lacks a required claim."),
    "claim_invalid": (Unauthenticated, 401, INVALID_TOKEN, "A claim of the token is invalid."),
    "unknown_key": (Unauthenticated, 401, INVALID_TOKEN, "The token's key is unknown."),
    "signature_invalid": (Unauthenticated, 401, INVALID_TOKEN, "The token's signature is invalid."),
    "signature_removed": (Unauthenticated, 401, INVALID_TOKEN, "The token's signature has been removed."),
    "caller_not_allowed": (Forbidden, 403, INSUFFICIENT_SCOPE, "The caller may not do this."),
    "email_not_verified": (Forbidden, 403, INSUFFICIENT_SCOPE, "The caller's e-mail address is not verified."),
    "cross_site": (Forbidden, 403, None, "A page of another site may not do this in the caller's name."),
    "keys_unavailable": (KeysUnavailable, 503, None, "The token cannot be verified at the moment."),
}
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 503: "Service Unavailable"}


def test_the_table_is_whole() -> None:
    assert REFUSALS.keys() == errors._REASONS.keys()


@pytest.mark.parametrize(
    ("kind", "reason"),
    named(
        ("none of them", Forbidden, "mine"),
        ("another class's", Forbidden, "token_expired"),
        ("the root", Refused, "caller_not_allowed"),
        ("empty", Unauthenticated, ""),
    ),
)
def test_a_reason_that_is_none_of_the_class_is_the_programs_mistake(kind: type[Refused], reason: str) -> None:
    with complains(f"{reason!r} is no reason of {kind.__name__}"):
        kind(reason)


def test_an_applications_own_class_has_its_parents_reasons() -> None:
    class Revoked(Forbidden):
        pass

    assert (Revoked("caller_not_allowed").status, Revoked("caller_not_allowed").challenge) == (403, INSUFFICIENT_SCOPE)


@pytest.mark.parametrize("reason", REFUSALS)
@pytest.mark.parametrize("note", ["", "unverified_secret='x'"])
def test_refusal_is_exactly_its_row_whatever_the_note(reason: str, note: str) -> None:
    kind, status, challenge, detail = REFUSALS[reason]
    refused = refusal(reason, note)
    assert (type(refused), refused.reason, refused.status, refused.challenge) == (kind, reason, status, challenge)
    assert (refused.title, refused.detail, str(refused)) == (TITLES[status], detail, f"{reason}: {detail}")
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    assert refused.headers == (headers | {"WWW-Authenticate": challenge} if challenge else headers)
    problem = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail, "reason": reason}
    assert json.loads(refused.body) == problem


def test_keys_unavailable_says_when_to_come_again() -> None:
    assert refusal("keys_unavailable", retry_after=7).headers["Retry-After"] == "7"


@pytest.mark.parametrize("reason", REFUSALS)
def test_refusal_survives_pickling(reason: str) -> None:
    refused = refusal(reason, "note", retry_after=7)
    again = pickle.loads(pickle.dumps(refused))
    assert type(again) is type(refused)
    assert vars(again) == vars(refused)


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (ConfigurationError, CallerIDError),
        (NoRequestError, CallerIDError),
        (Refused, CallerIDError),
        (BadRequest, Refused),
        (Unauthenticated, Refused),
        (Forbidden, Refused),
        (KeysUnavailable, Refused),
    ],
)
def test_tree_is_closed(kind: type[CallerIDError], parent: type[CallerIDError]) -> None:
    assert kind.__bases__ == (parent,)
