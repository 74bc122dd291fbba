"""What a Guard makes of one token: every check, and what to do about those that fail."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NoReturn

from callerid.bearer import AUTHORIZATION, Header
from callerid.cli.explain import decision, rows
from callerid.cli.remedies import REMEDIES
from callerid.cli.screen import Report
from callerid.errors import Refused, refusal
from callerid.issuers import Issuer
from callerid.logs import shown
from callerid.memory import Verified
from callerid.policy import Policy
from callerid.token import UnverifiedToken, parse_token
from callerid.verifier import audience_values, times_of

__all__ = ["MOST_CHARACTERS", "report"]

MOST_CHARACTERS = 64 * 1024

# What may be a header's name, and is hardly a part of a token.
_NAME = re.compile(r"[A-Za-z-]{1,40}")
_TOKEN = re.compile(r"(?<![\w-])[\w-]{8,}+\.[\w-]++\.[\w-]*", re.ASCII)

# Claims that tell who calls and what for; the others are nobody's business here.
_TOLD = ("iss", "aud", "azp", "sub", "email", "email_verified", "hd")

_NO_EMAIL = "the token has no e-mail claim, so no serviceAccount: or user: can match; ask for one (gcloud: --include-email)"


class _Steps:
    """The checks that were made, in their order."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.ok = True

    def take(self, name: str, check: Callable[[], Any], shown: Callable[[Any], str] = str) -> Any:
        """What a check finds, `None` where it refuses."""
        try:
            seen = check()
        except Refused as refused:
            self.ok = False
            mend = REMEDIES[refused.reason]
            self.taken.append({"step": name, "ok": False, "reason": refused.reason, "why": refused.note, "mend": mend})
            return None
        self.taken.append({"step": name, "ok": True, "seen": shown(seen)})
        return seen


def report(policy: Policy, text: str, method: str, path: str | None) -> Report:
    """All checks of the token in `text`, which may be the whole header's line; with `path` also whether its caller may do that."""
    steps = _Steps()
    header, token, unverified = _taken(policy, steps, text)
    if unverified is not None and token is not None:
        issuer = steps.take(
            "issuer and algorithm", lambda: policy.verifier.issuer_of(unverified, header), lambda issuer: issuer.issuer
        )
        if issuer is not None:
            _check(policy, steps, unverified, issuer)
    verified = steps.take("caller", lambda: policy.verifier.examine(str(token), header, ""), _member) if steps.ok else None
    found = None if path is None else decision(policy, method, path, verified)
    claims = {} if unverified is None else {name: unverified.claims[name] for name in _TOLD if name in unverified.claims}
    sections = [
        {"heading": "What the token says of itself", "rows": list(claims.items())},
        {"heading": "Checks", "rows": [_row(step) for step in steps.taken]},
        *([{"heading": f"{method} {path}", "rows": rows(found)}] if found is not None else []),
    ]
    return {
        "ok": steps.ok if found is None else found["ok"],
        "unverified_claims": claims,
        "steps": steps.taken,
        "decision": found,
        "title": _title(steps.ok, found),
        "sections": sections,
    }


def _title(accepted: bool, found: dict[str, Any] | None) -> str:
    """What became of the token, and of the request, which are not the same: on a public route the Guard looks at no token."""
    token = "the token is accepted" if accepted else "the token is refused"
    if found is None:
        return token
    request = f"{found['method']} {found['path']}"
    if accepted:
        return f"{token}, and its caller may {request}" if found["ok"] else f"{token}, but its caller may not {request}"
    return f"{token}, but anybody may {request}, where none is asked for" if found["ok"] else f"{token}, and so is {request}"


def _taken(policy: Policy, steps: _Steps, text: str) -> tuple[Header | None, str | None, UnverifiedToken | None]:
    """The header that bears the token, the token, and what it says: of what was pasted, alone, behind its scheme, or as a line."""
    name, colon, value = text.strip().partition(":")
    header: Header | None = None
    token: str | None = text.strip()
    if colon:
        header = steps.take("header", lambda: _header(policy, name), lambda header: header.name)
    elif len(text.split()) > 1:
        header, value = _usual_header(policy, text), text.strip()
    if header is not None:
        token = steps.take("credentials", partial(_credentials, policy, header, value), _all_well) or _token_in(value)
    elif colon:
        token = None
    if token is None:
        return None, None, None
    unverified = steps.take("well-formed", lambda: parse_token(token), lambda token: f"{token.alg}, key {token.kid}")
    if header is None and unverified is not None:
        header = policy.bearer.header_of(str(unverified.claims.get("iss")))  # as nobody says in which it came
    return header, token, unverified


def _token_in(text: str) -> str | None:
    """What looks like a token in credentials that are refused, so that it is looked at all the same."""
    found = _TOKEN.search(text)
    return None if found is None else found[0]


def _usual_header(policy: Policy, text: str) -> Header:
    """The header that a scheme and a token are as a rule the value of."""
    issuer = None
    with suppress(Refused):
        issuer = parse_token(_token_in(text) or "").claims.get("iss")
    header = policy.bearer.header_of(str(issuer))
    return AUTHORIZATION if header.issuers is None and AUTHORIZATION in policy.bearer.headers else header


def _header(policy: Policy, name: str) -> Header:
    for header in policy.bearer.headers:
        if header.key == name.strip().lower():
            return header
    known = ", ".join(header.name for header in policy.bearer.headers)
    what = name.strip() if _NAME.fullmatch(name.strip()) else "what stands before the colon"
    raise refusal("missing_credentials", f"{shown(what)} is not looked at, only {known}")


def _credentials(policy: Policy, header: Header, value: str) -> str:
    token = policy.bearer.token(header, value.encode("utf-8", "surrogateescape"))
    if token is None:
        raise refusal("missing_credentials", f"{header.name} has another scheme than {header.scheme}")
    return token


def _check(policy: Policy, steps: _Steps, token: UnverifiedToken, issuer: Issuer) -> None:
    """The claims, each by itself, so that a token that has expired is still told about its audience; then the signature."""
    verifier, claims = policy.verifier, token.claims
    steps.take("sub", lambda: issuer.subject_of(claims))
    steps.take("aud", lambda: verifier.accepted_audience(audience_values(claims), issuer))
    steps.take("iat, exp, nbf", lambda: _times(policy, claims, issuer))
    steps.take("required claims", lambda: verifier.check_required(claims, issuer), _all_well)
    steps.take("e-mail", lambda: _address(claims, issuer))
    there = steps.take("signature there", lambda: verifier.is_present(token), _all_well)
    if there and not token.signature_removed:  # where it is removed and accepted, Cloud Run IAM is relied on
        key = steps.take("key", lambda: issuer.key_set.find(token.kid, token.alg), lambda key: str(key.kid))
        if key is not None:
            steps.take("signature", lambda: key.verifies(token.alg, token.signing_input, token.signature) or _forged(), _all_well)


def _times(policy: Policy, claims: Any, issuer: Issuer) -> str:
    issued_at, expires_at, not_before = times_of(claims)
    span = f"from {_date(not_before)} to {_date(expires_at)}"
    try:
        policy.verifier.check_times(issued_at, expires_at, not_before, issuer)
    except Refused as refused:
        raise refusal(refused.reason, f"{refused.note}; it is good {span}, and it is {_date(time.time())}") from None
    ahead = issued_at - time.time()
    skew = f"; the caller's clock is {ahead:.0f} seconds ahead" if ahead > 1 else ""
    return f"{span}, {_duration(expires_at - time.time())} left{skew}"


def _address(claims: Any, issuer: Issuer) -> str:
    address = issuer.verified_address(claims)
    if address is not None:
        return address
    if "email" not in claims:
        return _NO_EMAIL if issuer.has_google_email_authority else "none"
    return f"none that counts: {issuer.issuer} does not say that it is verified, or is no authority for it"


def _member(verified: Verified) -> str:
    return verified.caller.member


def _all_well(found: object) -> str:
    return ""


def _forged() -> NoReturn:
    raise refusal("signature_invalid", "it is not that key's")


def _row(step: dict[str, Any]) -> tuple[Any, ...]:
    if step["ok"]:
        return ("✓", "ok"), step["step"], step["seen"]
    return ("✗", "no"), step["step"], (f"{step['reason']}: {step['why']}\n→ {step['mend']}", "no")


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:.0f}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds > 120 else f"{seconds:.0f} seconds"
