"""The Guard: one service's configuration, and the one call that every shell and adapter makes.

headers → token → Caller → decision. `judge` decides about a request by its route; what it found is kept with the request under
this Guard, so that a handler's own list (`handler.py`) can tell whether this very Guard has run.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import Any, ClassVar, NamedTuple, Self, cast

from callerid import settings
from callerid.address import normal_address
from callerid.bearer import (
    DEFAULT_HEADERS,
    IAP_HEADER,
    Bearer,
    Header,
    HeaderPairs,
    default_headers,
    header_text,
)
from callerid.caller import Caller, Occasion
from callerid.caveats import caveats
from callerid.cross_site import HEADERS as CROSS_SITE_HEADERS
from callerid.cross_site import CrossSite
from callerid.errors import ConfigurationError, Refused, refusal
from callerid.forks import may_still_fork
from callerid.issuers import Issuer
from callerid.keys.status import KeyStatus
from callerid.logs import RefusalLog, shown
from callerid.members import ALL_USERS, MemberReader, Members
from callerid.memory import MemoryStatus, Verified
from callerid.options import as_flag, as_list, as_number
from callerid.profiles import GOOGLE, GOOGLE_ALIAS, google
from callerid.routes import Route, RouteTable, check_path
from callerid.verifier import LEEWAY, Verifier

__all__ = ["Guard", "GuardStatus", "Judgement", "Request", "Rule"]

WARM_UP = 30.0  # seconds
USUAL_REQUESTS, USUAL_LENGTH = 1024, 512  # of how many the rule is remembered, and how long method and paths are at most

_JUDGEMENT = "callerid.judgement"
_UNVOUCHED = (
    ", which has the address; but Google does not host it (no hd claim), so it may outlive the job: name the subject {}, as "
    "principal:, or set consumer_accounts=True"
)


class Request:
    """What a Guard has to know of a request, whatever framework it came through.

    `path` is the path that the router behind will match, decoded; `raw_path` the path as it was sent, if the server tells;
    `headers` pairs of name and value; `state` a mapping that lives as long as the request and belongs to the server's side;
    `other_path` how another router would read the path, if differently; `is_handshake` whether a WebSocket is to be opened.
    """

    __slots__ = ("headers", "is_handshake", "method", "other_path", "path", "raw_path", "state")

    def __init__(
        self,
        method: str,
        path: str,
        raw_path: bytes | str | None,
        headers: HeaderPairs,
        state: MutableMapping[str, Any],
        other_path: str | None = None,
        *,
        is_handshake: bool = False,
    ) -> None:
        self.method: str = method
        self.path: str = path
        self.raw_path: bytes | str | None = raw_path
        self.headers: HeaderPairs = headers
        self.state: MutableMapping[str, Any] = state
        self.other_path: str | None = other_path
        self.is_handshake: bool = is_handshake

    def __repr__(self) -> str:
        return f"<{shown(self.method)} request>"  # its headers bear the token


class GuardStatus(KeyStatus):
    """What a probe and an operator may know of an issuer: its keys, and in `caveats` what start has warned of."""

    caveats: list[str]


class Rule(NamedTuple):
    """What decides about a request: an allowlist, its name in the log, and whether nobody need say who they are."""

    name: str
    members: Members
    is_public: bool


class Judgement(Occasion):
    """What a Guard found out about a request that it let pass: on a public route nothing, unless a handler asked. It is kept in
    the request's state, before those of other Guards.
    """

    verified: Verified | None
    caller: Caller | None
    is_public: bool = True

    def __init__(self, guard: "Guard", verified: Verified | None, state: MutableMapping[str, Any]) -> None:
        self.guard: Guard = guard
        self.before: Judgement | None = state.get(_JUDGEMENT)
        state[_JUDGEMENT] = self
        if verified is None:
            self.may_be_private: bool = Guard.handlers_may_ask and guard.bearer.may_be_private
        else:
            self.verified, self.caller = verified, verified.caller
            self.is_public = False
            self.may_be_private = verified.is_private

    @property
    def is_private(self) -> bool:
        """Whether a shared cache could hand this caller's answer to another: only `Authorization` keeps it from that. It
        `may_be` so where it is, and on a public route where a handler's check may yet find out.
        """
        return self.verified is not None and self.verified.is_private


class Unexamined:
    """A token that nobody has looked into, and what it came in."""

    __slots__ = ("header", "sent", "token")

    def __init__(self, token: str, header: Header, sent: bytes) -> None:
        self.token: str = token
        self.header: Header = header
        self.sent: bytes = sent

    def __repr__(self) -> str:
        return f"<an unexamined token in {self.header.name}>"


class Guard:
    """Who may call this service, and each route of it.

    `audience` is the exact `aud` that callers ask tokens for, one or several. `callers` are the members that may call what no
    route says otherwise about. `routes` are rules for some paths; the first that matches decides alone. `groups` are lists of
    members by name. `issuers` are those whose tokens count, by default Google alone. `headers` are the headers that may bear
    the token, by name or as `Header`; the first that is present decides. By default they are those that the issuers' tokens come
    in. `leeway` is the clock skew allowed, in seconds (0 to 300). `remember` is how many verified tokens are kept (0: none),
    `remember_bytes` the memory for them.

    `audience_trailing_slash` "ignore" accepts an audience that is an origin alone with a final slash and without. `require` are
    claims that a token must have, each with its value or a list of values. `refuse_unless` is a function of the `Caller` that
    has to return `True`, asked when a list has admitted the caller; it must not block. `origins` are this service's own, beside
    that of the `Host` header, for tokens that a cookie brought (IAP's).

    `trust_cloud_run_iam` believes tokens whose signature Cloud Run has removed, `consumer_accounts` lets `user:` match
    addresses that Google does not host, `allow_shared_audience` accepts gcloud's own client ids as audience. Each of the three
    weakens the Guard; SECURITY.md says how. `clock` tells the seconds since the epoch, `environ` is where the platform is
    recognised.

    Raises:
        ConfigurationError: for everything that cannot be meant, at once and before any request.
    """

    handlers_may_ask: ClassVar[bool] = False  # who calls on a public route; whether `handler.py` is there for any of them

    def __init__(
        self,
        *,
        callers: Iterable[str] = (),
        audience: str | Iterable[str] | None = None,
        audience_trailing_slash: str = "exact",
        routes: Iterable[Route] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        issuers: Iterable[Issuer] | None = None,
        headers: Iterable[str | Header] | None = None,
        require: Mapping[str, Any] | None = None,
        refuse_unless: Callable[[Caller], object] | None = None,
        origins: Iterable[str] = (),
        leeway: float = LEEWAY,
        trust_cloud_run_iam: bool = False,
        consumer_accounts: bool = False,
        allow_shared_audience: bool = False,
        remember: int = 4096,
        remember_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        issuers = [google()] if issuers is None else as_list("issuers", issuers)
        self.bearer: Bearer = Bearer(_headers_of(issuers) if headers is None else headers)
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
        self._memory = self.verifier.memory
        self.header_names: frozenset[str] = frozenset({*(header.key for header in self.bearer.headers), IAP_HEADER.lower()}).union(
            CROSS_SITE_HEADERS if any(header.cookie_borne for header in self.bearer.headers) else ()
        )
        self._cross_site = CrossSite(origins)
        if origins and not any(header.cookie_borne for header in self.bearer.headers):
            raise ConfigurationError("origins: no header is borne by a cookie, so nothing looks at them; they are not for CORS")
        self._refuse_unless = _function("refuse_unless", refuse_unless)
        self._leeway = leeway
        if not callable(clock):
            raise ConfigurationError(f"clock: {clock!r} is no function; leave it out for time.time")
        self._clock = clock
        self._reader = MemberReader(
            self.verifier.issuers, groups, consumer_accounts=as_flag("consumer_accounts", consumer_accounts)
        )
        self.callers: Rule = self.rule("callers", callers)
        self._routes = RouteTable(routes)
        self._rules = [self.rule(f"routes: {route}", route.callers) for route in self._routes.routes]
        if trust_cloud_run_iam:
            _check_cloud_run(self, environ)
        self.has_routes: bool = bool(self._routes)  # whether paths matter
        self._find_rule = partial(_find_rule, self._routes, self._rules, self.callers)
        self._usual_rule = lru_cache(USUAL_REQUESTS)(self._find_rule)  # of nothing else, so it stays the same
        self._prefetch_is_due = False
        self._log = RefusalLog(private_service=trust_cloud_run_iam)
        options = {
            "trust_cloud_run_iam": trust_cloud_run_iam,
            "consumer_accounts": consumer_accounts,
            "allow_shared_audience": allow_shared_audience,
        }
        self._caveats = list(caveats(self.verifier.issuers, self.callers, self._routes, self._rules, options))
        for caveat in self._caveats:
            self._log.caveat(caveat)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Self:
        """A Guard from the `CALLERID_…` variables; `overrides` are this class's keywords.

        Raises:
            ConfigurationError: also for an unknown `CALLERID_…` name, and for a field that two sources give.
        """
        keywords, origins = settings.from_env(environ, overrides)
        with settings.naming_fields(origins):
            return cls(environ=environ, **keywords)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **overrides: Any) -> Self:
        """A Guard from a TOML file with this class's keywords as its words; `overrides` are keywords again.

        Raises:
            ConfigurationError: also for an unreadable file, an unknown word, and a field that two sources give.
        """
        keywords, origins = settings.from_file(path, overrides)
        with settings.naming_fields(origins):
            return cls(**keywords)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, source: str) -> Self:
        """A Guard from a mapping of this class's keywords, in any case; `source` names it in errors.

        Raises:
            ConfigurationError: also for an unknown word.
        """
        with settings.naming_source(source):
            return cls(**settings.from_mapping(mapping))

    def check(self, method: str, path: str, headers: HeaderPairs | Mapping[str, str]) -> Caller | None:
        """Who sends this request; `None` on an `allUsers` route. May block while keys are fetched.

        `path` is the path that the router will match, percent-decoded; `headers` are pairs of name and value, text or
        bytes, or a mapping where a name cannot come twice.

        Raises:
            Refused: when it may not pass; `status`, `headers` and `body` are a complete answer.
        """
        return self.judge(Request(_text("method", method), _text("path", path), None, _pairs(headers), {})).caller

    async def acheck(self, method: str, path: str, headers: HeaderPairs | Mapping[str, str]) -> Caller | None:
        """The same for a task; never blocks the loop. Raises as `check`."""
        return (await self.ajudge(Request(_text("method", method), _text("path", path), None, _pairs(headers), {}))).caller

    def prefetch(self) -> None:
        """Begin to fetch the keys that are not there yet, in the background. Returns at once and never fails.

        In a process that only loads the application for others to serve (`gunicorn --preload`) it waits for the first request
        that one of those serves, whatever it is: a health check will do.
        """
        self._prefetch_is_due = may_still_fork()
        if not self._prefetch_is_due:
            for issuer in self.verifier.issuers:
                issuer.key_set.refresh()

    def warm_up(self, timeout: float = WARM_UP) -> None:
        """Wait until every issuer's keys are there: for a start that is to wait, or a readiness gate.

        `timeout` is in seconds; a fetch that runs when they are over is waited for, up to 5 seconds.

        Raises:
            KeysUnavailable: when some are not; its notes name the issuer and what is wrong.
            ConfigurationError: for a `timeout` that is no number.
        """
        ends_at = time.monotonic() + as_number("timeout", timeout, 0)
        self.prefetch()
        for issuer in self.verifier.issuers:
            issuer.key_set.warm_up(ends_at - time.monotonic())

    async def awarm_up(self, timeout: float = WARM_UP) -> None:  # noqa: ASYNC109  (no cancel scope: it raises what `warm_up` does)
        """The same for a task; never blocks the loop. Raises as `warm_up`."""
        ends_at = time.monotonic() + as_number("timeout", timeout, 0)
        self.prefetch()
        for issuer in self.verifier.issuers:
            await issuer.key_set.awarm_up(ends_at - time.monotonic())

    @property
    def ready(self) -> bool:
        """Whether there are keys of every issuer, so that tokens can be verified. For probes: it never waits."""
        return all(issuer.key_set.ready for issuer in self.verifier.issuers)

    def status(self) -> dict[str, GuardStatus]:
        """Each issuer's keys, by the issuer's name, and what start has warned of, in plain JSON types. It is for operators, not
        for the public.
        """
        return {
            issuer.issuer: GuardStatus(**issuer.key_set.status(), caveats=list(self._caveats)) for issuer in self.verifier.issuers
        }

    def memory_status(self) -> MemoryStatus:
        """How the memory of verified tokens is used, in plain JSON types: `remember` and `remember_bytes` bound it."""
        return self.verifier.memory_status()

    def judge(self, request: Request) -> Judgement:
        """Decide about a request by its route, and keep the judgement in its state.

        Raises:
            Refused: when it may not pass.
        """
        found = self.decide(request)
        return found if isinstance(found, Judgement) else self.settle(request, *found)

    async def ajudge(self, request: Request) -> Judgement:
        """The same for a task."""
        found = self.decide(request)
        return found if isinstance(found, Judgement) else await self.asettle(request, *found)

    def decide(self, request: Request) -> Judgement | tuple[Rule, Unexamined]:
        """The judgement, where nothing may have to be waited for: on a public route, and for a token that is remembered. Else
        the rule and the token, for `settle` or `asettle`. Raises `Refused`.
        """
        if self._prefetch_is_due:
            self.prefetch()
        try:
            rule = self._rule(request) if self.has_routes else self.callers
            if rule.is_public:
                return Judgement(self, None, request.state)
            found = self._found(request)
            if isinstance(found, Unexamined):
                return rule, found
            return Judgement(self, self.admit(rule, found), request.state)
        except Refused as refused:
            raise self.told(refused, request) from None

    def settle(self, request: Request, rule: Rule, found: Unexamined) -> Judgement:
        """Decide about a token that nobody has looked into. Raises `Refused`."""
        try:
            return Judgement(self, self.admit(rule, self._examined(request, found)), request.state)
        except Refused as refused:
            raise self.told(refused, request) from None

    async def asettle(self, request: Request, rule: Rule, found: Unexamined) -> Judgement:
        """The same for a task."""
        try:
            return Judgement(self, self.admit(rule, await self._aexamined(request, found)), request.state)
        except Refused as refused:
            raise self.told(refused, request) from None

    @staticmethod
    def judgements_in(state: Mapping[str, Any]) -> Iterator[Judgement]:
        """What each Guard has found about the request that has this state, the last one first."""
        judgement: Judgement | None = state.get(_JUDGEMENT)
        while judgement is not None:
            yield judgement
            judgement = judgement.before

    @staticmethod
    def is_private(state: Mapping[str, Any]) -> bool:
        """Whether a shared cache could hand the answer to the request that has this state to somebody else: for any Guard."""
        judgement: Judgement | None = state.get(_JUDGEMENT)
        while judgement is not None:
            if judgement.is_private:
                return True
            judgement = judgement.before
        return False

    def judgement_in(self, state: Mapping[str, Any]) -> Judgement | None:
        """What this very Guard has found about the request that has this state, and that has not ended; another Guard's word does
        not count.
        """
        for each in self.judgements_in(state):
            if each.guard is self and not each.over:
                return each
        return None

    def rule(self, name: str, callers: Iterable[str]) -> Rule:
        """An allowlist in this Guard's words.

        Raises:
            ConfigurationError: for an empty list, or a word that is no member.
        """
        members = self._reader.read(name, callers)
        return Rule(name, members, members.everyone)

    def identify(self, request: Request) -> Verified:
        """Whose token the request bears, whatever its route. Raises `Refused`."""
        found = self._found(request)
        return found if isinstance(found, Verified) else self._examined(request, found)

    async def aidentify(self, request: Request) -> Verified:
        """The same for a task."""
        found = self._found(request)
        return found if isinstance(found, Verified) else await self._aexamined(request, found)

    def admit(self, rule: Rule, verified: Verified) -> Verified:
        """Let a verified caller pass that the rule admits. Raises `Forbidden`."""
        caller = verified.caller
        if verified.names is None:
            verified.names = self._reader.names_of(caller)
        if rule.members.names.isdisjoint(verified.names) and not rule.members.admit_subject(caller.issuer, caller.subject):
            raise self._not_admitted(rule, caller)
        if self._refuse_unless is not None:
            self._ask_further(self._refuse_unless, caller)
        if not verified.remembered:
            self.verifier.remember(verified)
        return verified

    def told(self, refused: Refused, request: Request) -> Refused:
        """The refusal, of which the operator has been told, without the frames it came through: their variables hold the token,
        and error reporters show variables. Nor what was caught on the way: a parser's exception holds what it parsed.
        """
        self._log.refused(refused, request.method, request.path)
        refused.__context__ = None
        return refused.with_traceback(None)

    def seconds_left(self, caller: Caller) -> float:
        """For how many seconds from now this caller's token is still good."""
        return caller.expires_at + self._leeway - self._clock()

    def _rule(self, request: Request) -> Rule:
        method, path, raw_path = request.method, request.path, request.raw_path
        if request.other_path is None and len(method) + len(path) + len(raw_path or "") <= USUAL_LENGTH:
            return self._usual_rule(method, path, raw_path)
        return self._find_rule(method, path, raw_path, request.other_path)

    def _examined(self, request: Request, found: Unexamined) -> Verified:
        return self._vouched(request, self.verifier.examine(found.token, found.header, found.sent))

    async def _aexamined(self, request: Request, found: Unexamined) -> Verified:
        return self._vouched(request, await self.verifier.aexamine(found.token, found.header, found.sent))

    def _vouched(self, request: Request, verified: Verified) -> Verified:
        """Beside IAP's header Cloud Run has checked the token of IAP's own account, and not this one."""
        beside_iap = verified.caller.verified_by == "cloud_run_iam" and any(map(_is_iap, request.headers))
        if beside_iap:
            raise refusal("signature_removed", f"beside {IAP_HEADER}, so Cloud Run has not checked this token")
        return verified

    def _found(self, request: Request) -> Verified | Unexamined:
        """Whose token the request bears, if that is remembered, or else the token."""
        deciding = self.bearer.deciding(request.headers)
        if deciding is None:
            raise refusal("missing_credentials", f"there is no {' and no '.join(each.name for each in self.bearer.headers)} header")
        header, sent = deciding
        found = self._memory.recall(sent, header, self._clock()) or self._taken(header, sent)
        if header.cookie_borne and self._cross_site.refuses(request.method, request.headers, handshake=request.is_handshake):
            raise refusal("cross_site", f"{header.name} is a cookie's doing, and another site's page sent this request")
        return found

    def _taken(self, header: Header, sent: bytes) -> Unexamined:
        token = self.bearer.token(header, sent)
        if token is None:
            raise refusal("missing_credentials", f"{header.name} is there with another scheme")
        return Unexamined(token, header, sent)

    def _not_admitted(self, rule: Rule, caller: Caller) -> Refused:
        verified = self._reader.names_if_verified(caller)
        reason = "caller_not_allowed" if rule.members.names.isdisjoint(verified) else "email_not_verified"
        is_listed = f"user:{normal_address(caller.email)}" in rule.members.names  # and nobody vouches for the address
        hint = _UNVOUCHED.format(shown(caller.subject)) if is_listed else ""
        return refusal(reason, f"{shown(caller.member)} by the rule {rule.name!r}{hint}")

    def _ask_further(self, refuse_unless: Callable[[Caller], object], caller: Caller) -> None:
        try:
            granted = refuse_unless(caller)
        except Refused:
            raise
        except Exception as error:  # noqa: BLE001  (the application's own; what it cannot tell, it does not grant)
            self._log.warn("refuse_unless", f"refuse_unless raised {type(error).__name__}; every caller it fails for is refused")
            granted = False
        if granted is not True:
            raise refusal("caller_not_allowed", f"{shown(caller.member)} by refuse_unless")


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


def _pairs(headers: HeaderPairs | Mapping[str, str]) -> HeaderPairs:
    pairs: Any = list(headers.items() if isinstance(headers, Mapping) else headers)
    for name, value in pairs:
        _text("headers", name)
        _text("headers", value)
    return cast(HeaderPairs, pairs)


def _text(what: str, value: object) -> str:
    """A text, also from a server that has it as bytes: a rule for PUT is for b"PUT", too."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise ConfigurationError(f"check: {what}: a {type(value).__name__} is neither text nor bytes")
    return value


def _headers_of(issuers: Iterable[Any]) -> tuple[Header, ...]:
    return default_headers(issuer.issuer for issuer in issuers if isinstance(issuer, Issuer))  # Verifier says what the others are


def _function(field: str, value: Any) -> Any:
    if value is not None and (not callable(value) or iscoroutinefunction(value)):
        raise ConfigurationError(f"{field}: {value!r} is no plain function of a Caller that returns True or False")
    return value


def _is_iap(header: tuple[str | bytes, str | bytes]) -> bool:
    return header_text(header[0]).lower() == IAP_HEADER.lower()


def _opens_all(route: Route, rule: Rule) -> bool:
    """Whether everybody may call any path there is, and not just ask for its OPTIONS."""
    return rule.members.everyone and route.is_subtree and not any(route.segments) and route.methods != frozenset({"OPTIONS"})


def _check_cloud_run(guard: Guard, environ: Mapping[str, str]) -> None:
    """`trust_cloud_run_iam` is safe only where Cloud Run's IAM check, and nothing else, stands before every request."""
    problem = None
    if not environ.get("K_SERVICE") or environ.get("KUBERNETES_SERVICE_HOST"):
        problem = "this is not Cloud Run (K_SERVICE set, KUBERNETES_SERVICE_HOST not), and nothing else checks those tokens"
    elif guard.bearer.headers != DEFAULT_HEADERS:
        problem = "the header order is not the default, and Cloud Run checks only the header that the default takes"
    elif [issuer.spellings for issuer in guard.verifier.issuers] != [(GOOGLE, GOOGLE_ALIAS)]:
        problem = "google() is not the only issuer, and Cloud Run vouches for Google's tokens only"
    elif guard.callers.members.everyone or any(_opens_all(*pair) for pair in zip(guard._routes.routes, guard._rules, strict=True)):
        problem = f"{ALL_USERS} is in callers, or may call /**, so nobody checks"
    if problem:
        raise ConfigurationError(f"trust_cloud_run_iam: {problem}; take it out, and let callers send a signed token")
