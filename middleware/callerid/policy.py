"""What a Guard goes by: one configuration, compiled, and the steps from a request to a decision. It never changes.

headers → token → Caller → decision. A Guard whose configuration changes takes another Policy, whole.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import Any, Literal, NamedTuple

from callerid.address import normal_address
from callerid.bearer import DEFAULT_HEADERS, IAP_HEADER, Bearer, Header, default_headers, header_text
from callerid.caller import Caller
from callerid.caveats import Named, caveats, named
from callerid.cross_site import HEADERS as CROSS_SITE_HEADERS
from callerid.cross_site import CrossSite
from callerid.errors import ConfigurationError, Refused, refusal
from callerid.issuers import Issuer
from callerid.logs import RefusalLog, shown
from callerid.members import ALL_USERS, MemberReader, Members
from callerid.memory import Verified
from callerid.options import as_flag, as_list
from callerid.problems import Problems
from callerid.profiles import GOOGLE, GOOGLE_ALIAS, google
from callerid.request import Request
from callerid.routes import Route, RouteTable, check_path
from callerid.tally import Tally
from callerid.verifier import Verifier

__all__ = ["DecidedBy", "Decision", "HandlerList", "Policy", "Rule", "Unexamined"]

HANDLERS = "a handler's callers"

USUAL_REQUESTS, USUAL_LENGTH = 1024, 512  # of how many the rule is remembered, and how long method and paths are at most

_UNVOUCHED = (
    ", which has the address; but Google does not host it (no hd claim), so it may outlive the job: name the subject {}, as "
    "principal:, or set consumer_accounts=True"
)


class Rule(NamedTuple):
    """What decides about a request: an allowlist, its name in the log, whether nobody need say who they are, and the words that
    the list was written in.
    """

    name: str
    members: Members
    is_public: bool
    words: tuple[str, ...]


class HandlerList:
    """A handler's own list, as it is written. Every policy reads it in its own way."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words: tuple[str, ...] = words


DecidedBy = Literal["guard", "handler"]


class Decision(NamedTuple):
    """What has been decided about a request: whether it may pass, why not, who calls (`None` on a public route, and where it is
    refused), how many seconds that took, a wait for keys included, and by whom: by "guard" once for each request, and by "handler"
    where the list of one refuses what the Guard has let pass.
    """

    allowed: bool
    reason: str | None
    caller: Caller | None
    seconds: float
    by: DecidedBy


class Unexamined:
    """A token that nobody has looked into, and what it came in."""

    __slots__ = ("header", "sent", "token")

    def __init__(self, token: str, header: Header, sent: bytes) -> None:
        self.token: str = token
        self.header: Header = header
        self.sent: bytes = sent

    def __repr__(self) -> str:
        return f"<an unexamined token in {self.header.name}>"


class Policy:
    """A Guard's keywords, which `Guard` explains, made into what decides.

    Raises:
        ConfigurationError: for everything that cannot be meant.
    """

    def __init__(
        self,
        *,
        callers: Iterable[str],
        audience: str | Iterable[str] | None,
        audience_trailing_slash: str,
        routes: Iterable[Route],
        groups: Mapping[str, Sequence[str]] | None,
        issuers: Iterable[Issuer] | None,
        headers: Iterable[str | Header] | None,
        require: Mapping[str, Any] | None,
        refuse_unless: Callable[[Caller], object] | None,
        on_decision: Callable[[Decision], object] | None,
        origins: Iterable[str],
        leeway: float,
        trust_cloud_run_iam: bool,
        consumer_accounts: bool,
        allow_shared_audience: bool,
        remember: int,
        remember_bytes: int,
        clock: Callable[[], float],
        environ: Mapping[str, str],
    ) -> None:
        self._handler_rules: dict[HandlerList, Rule] = {}
        self._handler_caveats: dict[HandlerList, str | None] = {}
        problems = Problems()
        issuers = [google()] if issuers is None else as_list("issuers", issuers)
        self.bearer: Bearer = Bearer(_headers_of(issuers) if headers is None else headers)
        with problems.at():
            self.verifier: Verifier = Verifier(
                issuers,
                audience=audience,
                audience_trailing_slash=audience_trailing_slash,
                require=require,
                headers=self.bearer.headers,
                leeway=leeway,
                trust_cloud_run_iam=trust_cloud_run_iam,
                allow_shared_audience=allow_shared_audience,
                remember=remember,
                remember_bytes=remember_bytes,
                clock=clock,
            )
        with problems.at():
            self._cross_site = CrossSite(origins)
            if origins and not any(header.cookie_borne for header in self.bearer.headers):
                raise ConfigurationError("origins: no header is borne by a cookie, so nothing looks at them; they are not for CORS")
        with problems.at():
            self._refuse_unless = _function("refuse_unless", refuse_unless, "of a Caller that returns True or False")
        with problems.at():
            self.on_decision: Callable[[Decision], object] | None = _function("on_decision", on_decision, "of a Decision")
        with problems.at():
            if not callable(clock):
                raise ConfigurationError(f"clock: {clock!r} is no function; leave it out for time.time")
        with problems.at():
            self._read_lists(
                MemberReader(issuers, groups, consumer_accounts=as_flag("consumer_accounts", consumer_accounts)), callers, routes
            )
        problems.tell()
        self._leeway, self._clock, self._memory = leeway, clock, self.verifier.memory
        self.tally: Tally = Tally(self.verifier.issuers)
        self.header_names: frozenset[str] = frozenset({*(header.key for header in self.bearer.headers), IAP_HEADER.lower()}).union(
            CROSS_SITE_HEADERS if any(header.cookie_borne for header in self.bearer.headers) else ()
        )
        if trust_cloud_run_iam:
            _check_cloud_run(self, environ)
        self.has_routes: bool = bool(self.routes)  # whether paths matter
        self._find_rule = partial(_find_rule, self.routes, self.rules, self.callers)
        self._usual_rule = lru_cache(USUAL_REQUESTS)(self._find_rule)  # of nothing else, so it stays the same
        self.log: RefusalLog = RefusalLog(private_service=trust_cloud_run_iam)
        options = {
            "trust_cloud_run_iam": trust_cloud_run_iam,
            "consumer_accounts": consumer_accounts,
            "allow_shared_audience": allow_shared_audience,
        }
        self._admitted = named(rule.members for rule in (self.callers, *self.rules))
        self.caveats: list[str] = list(caveats(self.verifier.issuers, self.callers, self.routes, self.rules, options))

    def follow(self, before: "Policy") -> None:
        """Go on from what the policy before has counted and logged; to be called before anybody goes by this one."""
        self.tally.follow(before.tally)
        self._memory.follow(before._memory)
        self.log.follow(before.log)

    def _read_lists(self, reader: MemberReader, callers: Iterable[str], routes: Iterable[Route]) -> None:
        self._reader = reader
        problems = Problems()
        with problems.at("callers"):
            self.callers: Rule = self.rule("callers", callers)
        self.routes: RouteTable = RouteTable([])
        with problems.at():
            self.routes = RouteTable(routes)
        self.rules: list[Rule] = []
        for index, route in enumerate(self.routes.routes):
            with problems.at("routes", index, "callers"):
                self.rules.append(self.rule(f"routes: {route}", route.callers))
        problems.tell()

    def rule(self, name: str, callers: Iterable[str]) -> Rule:
        """An allowlist in this policy's words.

        Raises:
            ConfigurationError: for an empty list, or a word that is no member.
        """
        words = as_list(name, callers)
        members = self._reader.read(name, words)
        return Rule(name, members, members.everyone, tuple(words))

    def handler_rule(self, handler_list: HandlerList) -> Rule:
        """A handler's own list in this policy's words. Raises as `rule`."""
        rule = self._handler_rules.get(handler_list)
        if rule is None:
            rule = self._handler_rules[handler_list] = self.rule(HANDLERS, handler_list.words)
        return rule

    def handler_caveats(self, handler_lists: Iterable[HandlerList]) -> list[str]:
        """One sentence for each handler's list that nobody can pass, where that is certain."""
        told = map(self._handler_caveat, handler_lists)
        return [caveat for caveat in told if caveat is not None]

    def _handler_caveat(self, handler_list: HandlerList) -> str | None:
        if handler_list not in self._handler_caveats:
            caveat = None
            if self._admits_none_of(named([self.handler_rule(handler_list).members])):
                caveat = (
                    f"{HANDLERS}: no rule of the Guard admits any of {shown(list(handler_list.words))}, so nobody may call that "
                    "handler; such a list never widens"
                )
            self._handler_caveats[handler_list] = caveat
        return self._handler_caveats[handler_list]

    def _admits_none_of(self, listed: Named | None) -> bool:
        return listed is not None and self._admitted is not None and listed.share_nobody(self._admitted)

    def rule_for(self, request: Request) -> Rule:
        """What decides about a request. Raises `Refused` where its path could be read in two ways."""
        if not self.has_routes:
            return self.callers
        method, path, raw_path = request.method, request.path, request.raw_path
        if request.other_path is None and len(method) + len(path) + len(raw_path or "") <= USUAL_LENGTH:
            return self._usual_rule(method, path, raw_path)
        return self._find_rule(method, path, raw_path, request.other_path)

    def found(self, request: Request) -> Verified | Unexamined:
        """Whose token the request bears, if that is remembered, or else the token. Raises `Refused`."""
        deciding = self.bearer.deciding(request.headers)
        if deciding is None:
            raise refusal("missing_credentials", f"there is no {' and no '.join(each.name for each in self.bearer.headers)} header")
        header, sent = deciding
        found = self._memory.recall(sent, header, self._clock()) or self._taken(header, sent)
        if header.cookie_borne and self._cross_site.refuses(request.method, request.headers, handshake=request.is_handshake):
            raise refusal("cross_site", f"{header.name} is a cookie's doing, and another site's page sent this request")
        return found

    def examined(self, request: Request, found: Unexamined) -> Verified:
        """Whose token it is. May block while keys are fetched. Raises `Refused`."""
        return self._vouched(request, self.verifier.examine(found.token, found.header, found.sent))

    async def aexamined(self, request: Request, found: Unexamined) -> Verified:
        """The same for a task."""
        return self._vouched(request, await self.verifier.aexamine(found.token, found.header, found.sent))

    def identify(self, request: Request) -> Verified:
        """Whose token the request bears, whatever its route. Raises `Refused`."""
        found = self.found(request)
        return found if isinstance(found, Verified) else self.examined(request, found)

    async def aidentify(self, request: Request) -> Verified:
        """The same for a task."""
        found = self.found(request)
        return found if isinstance(found, Verified) else await self.aexamined(request, found)

    def admit(self, rule: Rule, verified: Verified) -> Verified:
        """Let a verified caller pass that the rule admits. Raises `Forbidden`."""
        caller = verified.caller
        if verified.names is None:
            verified.names = self._reader.names_of(caller)
        if rule.members.names.isdisjoint(verified.names) and not rule.members.admit_subject(caller.issuer, caller.subject):
            raise self._not_admitted(rule, caller).knowing(issuer=caller.issuer, member=caller.member, rule=rule.name)
        if self._refuse_unless is not None:
            self._ask_further(self._refuse_unless, rule, caller)
        if not verified.remembered:
            self.verifier.remember(verified)
        return verified

    def begins(self, request: Request) -> None:
        """Note when a decision begins, where somebody is told how long it takes."""
        if self.on_decision is not None:
            request.began = time.perf_counter()

    def decided(self, request: Request, caller: Caller | None, reason: str | None, by: DecidedBy) -> None:
        """Tell whoever wants to know of each decision. What they make of it is no business of the request's."""
        if self.on_decision is None:
            return
        try:
            self.on_decision(Decision(reason is None, reason, caller, time.perf_counter() - request.began, by))
        except Exception as error:  # noqa: BLE001  (the application's own)
            self.log.seldom("on_decision", f"on_decision raised {type(error).__name__}; that decision is not counted")

    def seconds_left(self, caller: Caller) -> float:
        """For how many seconds from now this caller's token is still good."""
        return caller.expires_at + self._leeway - self._clock()

    def _vouched(self, request: Request, verified: Verified) -> Verified:
        """Beside IAP's header Cloud Run has checked the token of IAP's own account, and not this one."""
        beside_iap = verified.caller.verified_by == "cloud_run_iam" and any(map(_is_iap, request.headers))
        if beside_iap:
            raise refusal("signature_removed", f"beside {IAP_HEADER}, so Cloud Run has not checked this token")
        return verified

    def _taken(self, header: Header, sent: bytes) -> Unexamined:
        token = self.bearer.token(header, sent)
        if token is None:
            raise refusal(
                "missing_credentials", f"{header.name} is there with another scheme than {header.scheme}, or without that word"
            )
        return Unexamined(token, header, self.bearer.as_sent(header, sent, token))

    def _not_admitted(self, rule: Rule, caller: Caller) -> Refused:
        verified = self._reader.names_if_verified(caller)
        reason = "caller_not_allowed" if rule.members.names.isdisjoint(verified) else "email_not_verified"
        is_listed = f"user:{normal_address(caller.email)}" in rule.members.names  # and nobody vouches for the address
        hint = _UNVOUCHED.format(shown(caller.subject)) if is_listed else ""
        if self._reader.could_have_an_address(caller) and "email" not in caller.claims:
            hint = "; the token has no e-mail claim: let the caller ask for one (gcloud: --include-email), or name its principal:"
        if reason == "email_not_verified":
            hint = "; its address is on that list, but its token has no email_verified: name the principal:, or have it verified"
        return refusal(reason, f"{shown(caller.member)} is not admitted by the rule {rule.name!r}{hint}")

    def _ask_further(self, refuse_unless: Callable[[Caller], object], rule: Rule, caller: Caller) -> None:
        try:
            granted = refuse_unless(caller)
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001  (the application's own; what it cannot tell, it does not grant)
            self.log.seldom("refuse_unless", f"refuse_unless raised {type(error).__name__}; every caller it fails for is refused")
            granted = False
        if granted is not True:
            refused = refusal("caller_not_allowed", f"{shown(caller.member)} is not admitted by refuse_unless")
            raise refused.knowing(issuer=caller.issuer, member=caller.member, rule=rule.name)


def _find_rule(
    routes: RouteTable,
    rules: Sequence[Rule],
    callers: Rule,
    method: str,
    path: str,
    raw_path: bytes | str | None,
    other_path: str | None = None,
) -> Rule:
    """The rule of the first route for this request, whose path is only to be read in one way; else that of `callers`."""
    check_path(path, raw_path)
    index = routes.match(method, path)
    if other_path is not None and index != routes.match(method, other_path):
        raise refusal("ambiguous_path", "routers differ on where root_path ends, and so does the rule")
    return callers if index is None else rules[index]


def _headers_of(issuers: Iterable[Any]) -> tuple[Header, ...]:
    return default_headers(issuer.issuer for issuer in issuers if isinstance(issuer, Issuer))  # Verifier says what the others are


def _function(field: str, value: Any, of_what: str) -> Any:
    if value is not None and (not callable(value) or iscoroutinefunction(value)):
        raise ConfigurationError(f"{field}: {value!r} is no plain function {of_what}")
    return value


def _is_iap(header: tuple[str | bytes, str | bytes]) -> bool:
    return header_text(header[0]).lower() == IAP_HEADER.lower()


def _opens_all(route: Route, rule: Rule) -> bool:
    """Whether everybody may call any path there is, and not just ask for its OPTIONS."""
    return rule.members.everyone and route.is_subtree and not any(route.segments) and route.methods != frozenset({"OPTIONS"})


def _check_cloud_run(policy: Policy, environ: Mapping[str, str]) -> None:
    """`trust_cloud_run_iam` is safe only where Cloud Run's IAM check, and nothing else, stands before every request."""
    problem = None
    if not environ.get("K_SERVICE") or environ.get("KUBERNETES_SERVICE_HOST"):
        problem = "this is not Cloud Run (K_SERVICE set, KUBERNETES_SERVICE_HOST not), and nothing else checks those tokens"
    elif policy.bearer.headers != DEFAULT_HEADERS:
        problem = "the header order is not the default, and Cloud Run checks only the header that the default takes"
    elif [issuer.spellings for issuer in policy.verifier.issuers] != [(GOOGLE, GOOGLE_ALIAS)]:
        problem = "google() is not the only issuer, and Cloud Run vouches for Google's tokens only"
    elif policy.callers.members.everyone or any(_opens_all(*pair) for pair in zip(policy.routes.routes, policy.rules, strict=True)):
        problem = f"{ALL_USERS} is in callers, or may call /**, so nobody checks"
    if problem:
        raise ConfigurationError(f"trust_cloud_run_iam: {problem}; take it out, and let callers send a signed token")
