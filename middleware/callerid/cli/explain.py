"""Which rule decides about a request, and why somebody may call or may not."""

from typing import Any

from callerid.caller import Caller, Claims
from callerid.cli.check import callers_of
from callerid.cli.remedies import REMEDIES
from callerid.cli.screen import Report
from callerid.errors import ConfigurationError, Refused
from callerid.members import ALL_AUTHENTICATED_USERS, ALL_USERS
from callerid.memory import Verified
from callerid.policy import Policy
from callerid.request import Request

__all__ = ["decision", "report"]

# `sub` of a made-up token: as Google has it, and as IAP has it for somebody of Google's.
_SUBJECTS = ("1", "accounts.google.com:1")


def report(policy: Policy, member: str, method: str, path: str) -> Report:
    """Whether this member may do that.

    Raises:
        ConfigurationError: for a member that is not one caller, or whom no issuer has tokens for.
    """
    caller = _caller(policy, member)
    made = Verified(caller, b"", None, 0.0, 0.0, policy.verifier.issuers[0].key_set, None)
    found = decision(policy, method, path, made)
    return {
        **found,
        "member": caller.member,
        "title": f"{caller.member} {'may' if found['ok'] else 'may not'} {method} {path}",
        "sections": [{"heading": f"{method} {path}", "rows": rows(found)}],
    }


def decision(policy: Policy, method: str, path: str, verified: Verified) -> dict[str, Any]:
    """What the policy says about a caller's request."""
    found: dict[str, Any] = {"ok": False, "method": method, "path": path, "rule": None, "by": [], "reason": None, "why": None}
    try:
        rule = policy.rule_for(Request(method, path, None, (), {}))
        found |= {"rule": rule.name, **callers_of(rule)}
        if not rule.is_public:
            policy.admit(rule, verified)
        return found | {"ok": True, "by": [word for word in rule.words if _admits(policy, word, verified)]}
    except Refused as refused:
        return found | {"reason": refused.reason, "why": refused.note}


def rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """A decision for the screen."""
    shown: list[tuple[Any, ...]] = []
    if found["rule"] is not None:
        shown += [("decided by", found["rule"]), ("which admits", "\n".join(found["callers"]))]
    if found["ok"]:
        return [*shown, ("so", (f"admitted, by {', '.join(found['by'])}", "ok"))]
    return [*shown, ("so", (f"refused, {found['reason']}: {found['why']}", "no")), ("mend", REMEDIES[found["reason"]])]


def _admits(policy: Policy, word: str, verified: Verified) -> bool:
    members = policy.rule("a member", [word]).members
    caller = verified.caller
    names = (ALL_USERS,) if verified.names is None else verified.names
    return not members.names.isdisjoint(names) or members.admit_subject(caller.issuer, caller.subject)


def _caller(policy: Policy, member: str) -> Caller:
    """A caller whom this member names, as a token of an issuer that can would."""
    members = policy.rule("--as", [member]).members
    word = ALL_USERS if member.startswith("group:") else next(iter(members.words))
    kind, _, value = word.partition(":")
    if word in (ALL_USERS, ALL_AUTHENTICATED_USERS) or kind == "domain" or "*" in word:
        raise ConfigurationError(f"--as: {member} is not one caller; name one, like user:ana@example.com")
    for name, subject in members.principals:
        return _new(name, subject, {}, None, word)
    domain = value.partition("@")[2].lower()
    for issuer in policy.verifier.issuers:
        for subject in _SUBJECTS:
            claims = {"sub": subject, "email": value, "email_verified": True}
            if kind == "user" and domain != "gmail.com":
                claims["hd"] = domain
            if issuer.verified_address(claims) is not None:
                return _new(issuer.issuer, subject, claims, value, word)
    raise ConfigurationError(f"--as: no configured issuer vouches for {value}, so nobody can be {word}")


def _new(issuer: str, subject: str, claims: dict[str, Any], email: str | None, member: str) -> Caller:
    return Caller(
        issuer=issuer,
        subject=subject,
        audience="",
        email=email,
        claims=Claims(claims),
        issued_at=0.0,
        expires_at=0.0,
        verified_by="signature",
        member=member,
    )
