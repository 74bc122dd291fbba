"""Which rule decides about a request, and why somebody may call or may not."""

from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import unquote

from callerid.caller import Caller
from callerid.cli.check import callers_of
from callerid.cli.remedies import REMEDIES
from callerid.cli.screen import Report
from callerid.errors import Refused, refusal
from callerid.members import ALL_USERS
from callerid.memory import Verified
from callerid.policy import Policy
from callerid.pretend import Pretended, every_pretended
from callerid.request import Request

__all__ = ["decision", "report"]


def report(policy: Policy, member: str, method: str, path: str) -> Report:
    """Whether this member may do that, with some token of any issuer that vouches for it.

    Raises:
        ConfigurationError: for a member that is not one caller, or whom no issuer has tokens for.
    """
    tried = [(made, decision(policy, method, path, _verified(policy, made.caller))) for made in every_pretended(policy, member)]
    admitted = [made for made, answer in tried if answer["ok"]]
    same_issuer = [each for each in tried if each[1]["ok"] and each[0].caller.issuer == admitted[0].caller.issuer]
    made, found = (same_issuer or tried)[-1]
    only_with = [] if not found["ok"] or found["public"] else _only_with(policy, [each for each, _ in tried], admitted)
    shown = rows(found) + ([("only with", "a token that has " + "\nand ".join(only_with))] if only_with else [])
    title = f"{made.caller.member} {'may' if found['ok'] else 'may not'} {method} {path}"
    return {
        **found,
        "only_with": only_with,
        "member": made.caller.member,
        "title": f"{title}, with such a token" if only_with else title,
        "sections": [{"heading": f"{method} {path}", "rows": shown}],
    }


def _verified(policy: Policy, caller: Caller) -> Verified:
    return Verified(caller, b"", None, 0.0, 0.0, policy.verifier.issuers[0].key_set, None)


def _only_with(policy: Policy, tried: Sequence[Pretended], admitted: Sequence[Pretended]) -> list[str]:
    """What the answer depends on, of the token: its issuer, where another's is refused, and claims that not every token has."""
    issuer = admitted[0].caller.issuer
    refused = {each.caller.issuer for each in tried} - {each.caller.issuer for each in admitted}
    domains = [each.hd for each in admitted if each.caller.issuer == issuer]
    bound = [header.name for header in policy.bearer.headers if issuer in (header.issuers or ())]
    return [
        *([f"iss = {issuer!r}"] if refused else []),
        *([f"hd = {' or '.join(map(repr, domains))}"] if None not in domains else []),
        *admitted[0].needs,
        *([f"its place in the header {' or '.join(bound)}"] if bound else []),
    ]


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
