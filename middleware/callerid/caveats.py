"""What a configuration relies on or leaves open, said once at start. Nothing here is an error."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from callerid.issuers import GOOGLE, Issuer
from callerid.members import ALL_USERS, Members
from callerid.routes import RouteTable

if TYPE_CHECKING:
    from callerid.guard import Rule

__all__ = ["caveats"]

_OPTIONS = {
    "trust_cloud_run_iam": "tokens without a signature are believed; this relies on Cloud Run IAM before every request, so the "
    "service must never be invokable by allUsers",
    "consumer_accounts": "user: members match addresses that Google does not host; such an account outlives the job",
    "allow_shared_audience": "tokens made for gcloud's own client ids are accepted; such a token is good at many services",
}

# Exactly these: at storage.googleapis.com or sites.google.com anybody may serve anything.
_GOOGLE_KEY_HOSTS = frozenset({"accounts.google.com", "www.googleapis.com", "www.gstatic.com"})


def caveats(
    issuers: Sequence[Issuer],
    callers: "Rule",
    routes: RouteTable,
    rules: Sequence["Rule"],
    options: Mapping[str, bool],
) -> Iterator[str]:
    """One sentence for each thing an operator should know."""
    yield from (f"{name}: {_OPTIONS[name]}" for name, on in options.items() if on)
    for each in issuers:
        yield from _about_issuer(each)
    strangers = [issuer.issuer for issuer in issuers if issuer.has_google_email_authority or issuer.issuer == GOOGLE]
    for rule in (callers, *rules):
        for issuer in strangers:
            if rule.members.all_authenticated or "" in rule.members.principal_prefixes.get(issuer, ()):
                yield f"{rule.name}: admits everybody to whom {issuer} gives a token: the whole world"
        yield from _dead_members(rule.members, rule.name, issuers)
    for rule, whole in ((callers, True), *((r, route.path == "/**") for r, route in zip(rules, routes.routes, strict=True))):
        if whole and rule.members.everyone:
            yield f"{rule.name}: {ALL_USERS} opens whatever no other route says to the whole world"
    yield from _wider_methods(callers, routes, rules)


def _about_issuer(issuer: Issuer) -> Iterator[str]:
    host = issuer.key_host or issuer.jwks_file or issuer.pem_file or "the configuration"
    if issuer.issuer == GOOGLE and host not in _GOOGLE_KEY_HOSTS:
        yield f"issuers: keys for Google's tokens come from {host}; who controls it can be any caller"
    elif issuer.issuer == GOOGLE and issuer.ca_file is not None:
        yield f"issuers: Google's keys are believed by the authorities in {issuer.ca_file}; who controls one can be any caller"
    elif issuer.issuer != GOOGLE and issuer.has_google_email_authority:
        yield f"issuers: {issuer.issuer} is believed for every e-mail address, as Google is"


def _dead_members(members: Members, name: str, issuers: Sequence[Issuer]) -> Iterator[str]:
    if any(issuer.has_google_email_authority for issuer in issuers):
        return
    if members.accounts or members.account_domains or members.domains:
        yield f"{name}: serviceAccount: and domain: members can match nobody, since no issuer is an authority for them"
    vouched = {domain for issuer in issuers for domain in issuer.email_domains}
    dead = sorted(address for address in members.users if address.partition("@")[2] not in vouched)
    if dead:
        yield f"{name}: user:{dead[0]} can match nobody, since no issuer vouches for that domain (Issuer(email_domains=…))"


def _wider_methods(callers: "Rule", routes: RouteTable, rules: Sequence["Rule"]) -> Iterator[str]:
    for index, route in enumerate(routes.routes):
        if route.methods is None:
            continue
        after = routes.fall_through(index)
        while after is not None and routes.routes[after].path == route.path and routes.routes[after].methods is not None:
            after = routes.fall_through(after)
        if after is not None and routes.routes[after].path == route.path:
            continue  # the other methods have a rule of their own: that is meant
        rest = callers if after is None else rules[after]
        if _is_wider(rest.members, rules[index].members):
            yield (
                f"routes: {route}: all other methods fall to {rest.name}, which admits others; add a route for "
                f"{route.path} without methods to say who may call them"
            )


def _is_wider(members: Members, than: Members) -> bool:
    if than.everyone or (than.all_authenticated and not members.everyone):
        return False
    return bool(members.words - than.words)
