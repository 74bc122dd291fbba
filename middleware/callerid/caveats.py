"""What a configuration relies on or leaves open, said once at start. Nothing here is an error."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from callerid.address import normal_address
from callerid.bearer import IAP
from callerid.issuers import Issuer
from callerid.members import ALL_USERS, Members
from callerid.profiles import GOOGLE, kind_of
from callerid.routes import RouteTable

if TYPE_CHECKING:
    from callerid.policy import Rule

__all__ = ["Named", "caveats", "named"]

# What the subjects of all of GitHub's and gitlab.com's jobs begin with, unless somebody has customized them.
_EVERYBODY = frozenset({"", "repo:", "project_path:"})

_OPTIONS = {
    "trust_cloud_run_iam": "tokens without a signature are believed; this relies on Cloud Run IAM before every request, so the "
    "service must never be invokable by allUsers",
    "consumer_accounts": "user: members match addresses that Google does not host; such an account outlives the job",
    "allow_shared_audience": "tokens made for gcloud's own client ids are accepted; such a token is good at many services",
}


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
    strangers = [issuer.issuer for issuer in issuers if _is_open(issuer)]
    for rule in (callers, *rules):
        for issuer in strangers:
            prefixes = rule.members.principal_prefixes.get(issuer, ())
            if rule.members.all_authenticated or not _EVERYBODY.isdisjoint(prefixes):
                yield f"{rule.name}: admits everybody to whom {issuer} gives a token: the whole world"
        yield from _dead_members(rule.members, rule.name, issuers)
    if callers.members.everyone:
        yield f"{callers.name}: {ALL_USERS} opens whatever no other route says to the whole world"
    for rule, route in zip(rules, routes.routes, strict=True):
        if route.is_subtree and rule.members.everyone:
            yield (
                f"{rule.name}: {ALL_USERS} opens everything below to the whole world; this relies on nothing private ever being "
                "put there"
            )
    yield from _wider_methods(callers, routes, rules)


class Named(NamedTuple):
    """Whom allowlists admit, where their words tell that: accounts, projects, people; and those with the accounts' projects."""

    words: frozenset[str]
    wider: frozenset[str]

    def share_nobody(self, others: "Named") -> bool:
        """Whether no caller is one of both."""
        return self.words.isdisjoint(others.wider) and others.words.isdisjoint(self.wider)


def named(lists: Iterable[Members]) -> Named | None:
    """Whom these admit; `None` where one does not tell: a subject may have any address, and so may somebody of a domain."""
    every = list(lists)
    words = frozenset[str]().union(*(members.names for members in every))
    accounts = {word for word in words if word.startswith("serviceAccount:")}
    by_subject = any(members.principals or members.principal_prefixes for members in every)
    if by_subject or not all(word.startswith("user:") for word in words - accounts):
        return None
    return Named(words, words | {f"serviceAccount:*@{account.partition('@')[2]}" for account in accounts})


def _is_open(issuer: Issuer) -> bool:
    by_hand = type(issuer) is Issuer and issuer.has_google_email_authority
    return by_hand or kind_of(issuer).open_to_strangers


def _about_issuer(issuer: Issuer) -> Iterator[str]:
    host = issuer.key_host or issuer.jwks_file or issuer.pem_file or "the configuration"
    name = "Google" if issuer.issuer == GOOGLE else issuer.issuer
    hosts = kind_of(issuer).key_hosts
    if hosts and host not in hosts:
        yield f"issuers: keys for {name}'s tokens come from {host}; who controls it can be any caller"
    elif hosts and issuer.ca_file is not None:
        yield f"issuers: {name}'s keys are believed by the authorities in {issuer.ca_file}; who controls one can be any caller"
    if issuer.issuer == IAP and not all(audience.startswith("/projects/") for audience in issuer.audience or ()):
        yield "issuers: IAP's audiences begin with /projects/, so one of those that are given can match no token"
    if issuer.issuer != GOOGLE and issuer.has_google_email_authority:
        yield f"issuers: {issuer.issuer} is believed for every e-mail address, as Google is"


def _dead_members(members: Members, name: str, issuers: Sequence[Issuer]) -> Iterator[str]:
    for account in (issuer.issuer for issuer in issuers if f"serviceAccount:{normal_address(issuer.issuer)}" in members.names):
        yield (
            f"{name}: serviceAccount:{account} is for Google's tokens only; those that the account signs itself are "
            f"principal:{account}/{account}"
        )
    if any(issuer.has_google_email_authority for issuer in issuers):
        return
    if members.of_kind("serviceAccount"):
        yield f"{name}: serviceAccount: members can match nobody, since no issuer is an authority for them"
    if any(issuer.vouches_for_people for issuer in issuers):
        return
    if members.of_kind("domain"):
        yield f"{name}: domain: members can match nobody, since no issuer is an authority for them"
    vouched = {domain for issuer in issuers for domain in issuer.email_domains}
    dead = sorted(address for address in members.of_kind("user") if address.partition("@")[2] not in vouched)
    if dead:
        yield f"{name}: user:{dead[0]} can match nobody, since no issuer vouches for that domain (Issuer(email_domains=…))"


def _wider_methods(callers: "Rule", routes: RouteTable, rules: Sequence["Rule"]) -> Iterator[str]:
    falls_to = _where_methods_fall(routes)
    for index, route in enumerate(routes.routes):
        if route.methods is None:
            continue
        after = falls_to[index]
        if after is not None and routes.routes[after].path == route.path:
            continue  # the other methods have a rule of their own: that is meant
        rest = callers if after is None else rules[after]
        if _is_wider(rest.members, rules[index].members):
            yield (
                f"routes: {route}: all other methods fall to {rest.name}, which admits others; add a route for "
                f"{route.path} without methods to say who may call them"
            )


def _where_methods_fall(routes: RouteTable) -> dict[int, int | None]:
    """Behind the routes for some of its methods, the route that has the others of each one's paths."""
    falls_to: dict[int, int | None] = {}
    for index, route in reversed(list(enumerate(routes.routes))):
        after = routes.fall_through(index)
        if after is not None and routes.routes[after].path == route.path and routes.routes[after].methods is not None:
            after = falls_to[after]
        falls_to[index] = after
    return falls_to


def _is_wider(members: Members, than: Members) -> bool:
    if than.everyone or (than.all_authenticated and not members.everyone):
        return False
    return not members.words <= than.words
