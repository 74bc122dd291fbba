"""Which rule decides about a request, and why somebody may call or may not."""

from typing import Any, NoReturn
from urllib.parse import unquote

from callerid.cli.check import callers_of
from callerid.cli.remedies import REMEDIES
from callerid.cli.screen import Report
from callerid.errors import Refused, refusal
from callerid.members import ALL_USERS
from callerid.memory import Verified
from callerid.policy import Policy
from callerid.pretend import pretended
from callerid.request import Request

__all__ = ["decision", "report"]


def report(policy: Policy, member: str, method: str, path: str) -> Report:
    """Whether this member may do that.

    Raises:
        ConfigurationError: for a member that is not one caller, or whom no issuer has tokens for.
    """
    caller = pretended(policy, member)
    made = Verified(caller, b"", None, 0.0, 0.0, policy.verifier.issuers[0].key_set, None)
    found = decision(policy, method, path, made)
    return {
        **found,
        "member": caller.member,
        "title": f"{caller.member} {'may' if found['ok'] else 'may not'} {method} {path}",
        "sections": [{"heading": f"{method} {path}", "rows": rows(found)}],
    }


def nobody() -> NoReturn:
    """There is no verified caller."""
    raise refusal("missing_credentials", "the token is refused")


def decision(policy: Policy, method: str, path: str, verified: Verified | None) -> dict[str, Any]:
    """What the policy says about a caller's request."""
    found: dict[str, Any] = {"ok": False, "method": method, "path": path, "rule": None, "by": [], "reason": None, "why": None}
    try:
        rule = policy.rule_for(Request(method, unquote(path, errors="surrogateescape"), path, (), {}))
        found |= {"rule": rule.name, **callers_of(rule)}
        if not rule.is_public:
            policy.admit(rule, verified or nobody())
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


def _admits(policy: Policy, word: str, verified: Verified | None) -> bool:
    members = policy.rule("a member", [word]).members
    if verified is None or verified.names is None:  # on a public route
        return ALL_USERS in members.names
    caller, names = verified.caller, verified.names
    return not members.names.isdisjoint(names) or members.admit_subject(caller.issuer, caller.subject)
