"""Who may call what: the effective policy."""

from typing import Any

from callerid.cli.screen import Report, counted
from callerid.errors import ConfigurationError
from callerid.policy import Policy, Rule

__all__ = ["callers_of", "report", "wrong"]

OTHER = "everything else"


def report(policy: Policy) -> Report:
    """The routes in their order and who may call them, the issuers, and what start warns of."""
    rules = [
        {"methods": None if route.methods is None else sorted(route.methods), "path": route.path, **callers_of(rule)}
        for route, rule in zip(policy.routes.routes, policy.rules, strict=True)
    ]
    other = {"methods": None, "path": None, **callers_of(policy.callers)}
    issuers = [
        {"issuer": issuer.issuer, "keys": issuer.key_source, "algorithms": list(issuer.algorithms), "audience": audience}
        for issuer in policy.verifier.issuers
        for audience in [sorted(policy.verifier.audiences_of(issuer))]
    ]
    headers = [header.name for header in policy.bearer.headers]
    return {
        "ok": True,
        "rules": [*rules, other],
        "issuers": issuers,
        "headers": headers,
        "caveats": policy.caveats,
        "title": f"valid: {counted(len(rules), 'route')}, {counted(len(policy.caveats), 'warning')}",
        "sections": [
            {"heading": "Who may call", "columns": ("methods", "path", "callers"), "rows": map(_row, [*rules, other])},
            {
                "heading": "Whose tokens count",
                "columns": ("issuer", "audience", "keys"),
                "rows": [(each["issuer"], "\n".join(each["audience"]), each["keys"]) for each in issuers],
            },
            {"heading": "Which header decides: the first of", "rows": [(header,) for header in headers]},
            *([{"heading": "Warnings", "rows": [((caveat, "warning"),) for caveat in policy.caveats]}] if policy.caveats else []),
        ],
    }


def callers_of(rule: Rule) -> dict[str, Any]:
    """A rule's callers as they are written, and whom that means, groups resolved."""
    return {"callers": list(rule.words), "members": sorted(rule.members.words), "public": rule.is_public}


def wrong(error: ConfigurationError) -> Report:
    """What is wrong with a configuration."""
    problems = list(dict.fromkeys(text for _, text in error.problems))
    return {
        "ok": False,
        "problems": problems,
        "title": f"not valid: {counted(len(problems), 'problem')}",
        "sections": [{"heading": "Problems", "rows": [((problem, "no"),) for problem in problems]}],
    }


def _row(rule: dict[str, Any]) -> tuple[Any, ...]:
    callers = "\n".join(rule["callers"])
    resolved = [member for member in rule["members"] if member not in rule["callers"]]
    if any(word.startswith("group:") for word in rule["callers"]):
        callers += "".join(f"\n  {member}" for member in resolved)
    return ", ".join(rule["methods"] or ["all"]), rule["path"] or OTHER, (callers, "warning" if rule["public"] else "")
