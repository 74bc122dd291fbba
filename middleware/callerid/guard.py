"""The Guard: what every shell and adapter asks about a request.

`judge` decides by the route, as the Guard's policy says: first `decide`, which waits for nothing, and where a token has to be
verified, `settle`. What it found is kept with the request under this Guard, so that a handler's own list (`handler.py`) can tell
whether this very Guard has run.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from callerid import settings
from callerid.bearer import Header, HeaderPairs
from callerid.caller import Caller, Occasion
from callerid.errors import ConfigurationError, Refused
from callerid.forks import PerProcess, may_still_fork
from callerid.issuers import Issuer
from callerid.keys.status import KeyStatus
from callerid.memory import MemoryStatus, Verified
from callerid.options import as_flag, as_list, as_number
from callerid.policy import HANDLERS, DecidedBy, Decision, HandlerList, Policy, Rule, Unexamined
from callerid.request import Request
from callerid.routes import Route
from callerid.verifier import LEEWAY, Verifier

if TYPE_CHECKING:
    from callerid.reload import PolicyFile

__all__ = ["Guard", "GuardStatus", "Judgement"]

WARM_UP = 30.0  # seconds

_JUDGEMENT = "callerid.judgement"


class GuardStatus(KeyStatus):
    """What a probe and an operator may know of an issuer: its keys, and in `caveats` what start has warned of."""

    caveats: list[str]


class Judgement(Occasion):
    """What a Guard found out about a request that it let pass: on a public route nothing, unless a handler asked. It is kept in
    the request's state, before those of other Guards.

    `is_private` says that a shared cache could hand the answer to somebody else: a caller was found, by whatever Guard, in a header
    that such caches do not know.
    """

    verified: Verified | None
    caller: Caller | None
    is_public: bool = True
    is_private: bool = False

    def __init__(self, guard: "Guard", policy: Policy, verified: Verified | None, state: MutableMapping[str, Any]) -> None:
        self.guard: Guard = guard
        self.policy: Policy = policy
        self.before: Judgement | None = state.get(_JUDGEMENT)
        state[_JUDGEMENT] = self
        if verified is not None:
            self.verified, self.caller = verified, verified.caller
            self.is_public = False
            if verified.is_private:
                self.keep_private()

    def keep_private(self) -> None:
        """Have every Guard around know that the answer is one caller's."""
        each: Judgement | None = self
        while each is not None:
            each.is_private = True
            each = each.before


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
    has to return `True`, asked when a list has admitted the caller; it must not block. `on_decision` is a function that is told
    each `Decision`; it must not block either, and what it raises is logged, no more. `origins` are this service's own, beside
    that of the `Host` header, for tokens that a cookie brought (IAP's).

    `trust_cloud_run_iam` believes tokens whose signature Cloud Run has removed, `consumer_accounts` lets `user:` match
    addresses that Google does not host, `allow_shared_audience` accepts gcloud's own client ids as audience. Each of the three
    weakens the Guard; SECURITY.md says how. `clock` tells the seconds since the epoch, `environ` is where the platform is
    recognised.

    Raises:
        ConfigurationError: for everything that cannot be meant, at once and before any request.
    """

    _is_draft = False  # whether it is only made for its policy, which another Guard may take

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
        on_decision: Callable[[Decision], object] | None = None,
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
        self.policy: Policy = Policy(
            callers=callers,
            audience=audience,
            audience_trailing_slash=audience_trailing_slash,
            routes=routes,
            groups=groups,
            issuers=issuers,
            headers=headers,
            require=require,
            refuse_unless=refuse_unless,
            on_decision=on_decision,
            origins=origins,
            leeway=leeway,
            trust_cloud_run_iam=trust_cloud_run_iam,
            consumer_accounts=consumer_accounts,
            allow_shared_audience=allow_shared_audience,
            remember=remember,
            remember_bytes=remember_bytes,
            clock=clock,
            environ=environ,
        )
        self.header_names: frozenset[str] = self.policy.header_names
        self._file: PolicyFile | None = None
        self._source: settings.Source
        self._read_again: Callable[[bytes], Guard]
        self._handler_lists: dict[tuple[str, ...], HandlerList] = {}
        self._lists_lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108  (gevent puts another in its place)
        self._prefetch_is_due = False
        if not self._is_draft:
            self.policy.log.caveats(self.policy.caveats)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Self:
        """A Guard from the `CALLERID_…` variables; `overrides` are this class's keywords. A policy file that changes is taken
        anew, as in `from_file`, unless `CALLERID_RELOAD` says no.

        Raises:
            ConfigurationError: also for an unknown `CALLERID_…` name, and for a field that two sources give.
        """
        environ = dict(environ)
        source = settings.Environment(environ, overrides)
        return cls._of(source, follow=source.follows, environ=environ)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, reload: bool = True, **overrides: Any) -> Self:
        """A Guard from a TOML file with this class's keywords as its words; `overrides` are keywords again.

        With `reload`, requests look at the file once a second, and a change that has settled for a second is taken by the request
        that finds it, which is the first one to be judged by it, also after an hour without any: two seconds after a change none
        is judged by the old policy, but those that began before, or run beside the one that builds the new. Where the file
        system's clock does not tell when the change was, two looks that read the same, a second apart, take its place. It is
        taken whole: where anything in the file is wrong, the policy stays as it is, and the log says why. Replace the file
        (rename another over it) rather than write into it.

        Raises:
            ConfigurationError: also for an unreadable file, an unknown word, and a field that two sources give.
        """
        return cls._of(settings.File(path, overrides), follow=as_flag("reload", reload))

    @classmethod
    def _of(cls, source: settings.Source, *, follow: bool, **keywords: Any) -> Self:
        file = source.open_file()
        guard = cls._read(source, keywords, None if file is None else file.content)
        if file is not None and follow:
            guard._file, guard._source, guard._read_again = file, source, partial(cls._read, source, keywords, is_draft=True)
        return guard

    @classmethod
    def _read(cls, source: settings.Source, keywords: Mapping[str, Any], content: bytes | None, *, is_draft: bool = False) -> Self:
        read, origins = source.read(content)
        guard = cls.__new__(cls)
        guard._is_draft = is_draft
        with settings.naming_fields(origins):
            cls.__init__(guard, **read, **keywords)
        return guard

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
    def verifier(self) -> Verifier:
        """What verifies the tokens, of the issuers that count now."""
        return self.policy.verifier

    @property
    def may_have_routes(self) -> bool:
        """Whether paths matter, or may matter when the policy file changes."""
        return self.policy.has_routes or self._file is not None

    @property
    def ready(self) -> bool:
        """Whether there are keys of every issuer, so that tokens can be verified. For probes: it never waits."""
        return all(issuer.key_set.ready for issuer in self.verifier.issuers)

    @property
    def policy_is_current(self) -> bool:
        """Whether the policy is what its file says: not where the file is wrong, and the policy before it stays."""
        return self._file is None or self._file.problem is None

    def status(self) -> dict[str, GuardStatus]:
        """Each issuer's keys, by the issuer's name, and what start has warned of, in plain JSON types. It is for operators, not
        for the public.
        """
        caveats = self._caveats()
        return {name: GuardStatus(**keys, caveats=list(caveats)) for name, keys in self.policy.tally.of_keys().items()}

    def memory_status(self) -> MemoryStatus:
        """How the memory of verified tokens is used, in plain JSON types: `remember` and `remember_bytes` bound it."""
        return self.policy.verifier.memory.status()

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

    def decide(self, request: Request) -> Judgement | tuple[Policy, Rule, Unexamined]:
        """The judgement, where nothing may have to be waited for: on a public route, and for a token that is remembered. Else
        what `settle` or `asettle` goes on with. Raises `Refused`.
        """
        if self._prefetch_is_due:
            self.prefetch()
        if self._file is not None:
            self._file.renew(self._take)
        policy = self.policy  # one for the whole request
        if policy.on_decision is not None:
            request.began = time.perf_counter()
        try:
            rule = policy.rule_for(request)
            if rule.is_public:
                return self._judged(request, policy, None)
            found = policy.found(request)
            if isinstance(found, Unexamined):
                return policy, rule, found
            return self._judged(request, policy, policy.admit(rule, found))
        except Refused as refused:
            raise self.told(refused, request, policy) from None

    def settle(self, request: Request, policy: Policy, rule: Rule, found: Unexamined) -> Judgement:
        """Decide about a token that nobody has looked into. Raises `Refused`."""
        try:
            return self._judged(request, policy, policy.admit(rule, policy.examined(request, found)))
        except Refused as refused:
            raise self.told(refused, request, policy) from None

    async def asettle(self, request: Request, policy: Policy, rule: Rule, found: Unexamined) -> Judgement:
        """The same for a task."""
        try:
            return self._judged(request, policy, policy.admit(rule, await policy.aexamined(request, found)))
        except Refused as refused:
            raise self.told(refused, request, policy) from None

    def _judged(self, request: Request, policy: Policy, verified: Verified | None) -> Judgement:
        judgement = Judgement(self, policy, verified, request.state)
        if policy.on_decision is not None:
            policy.decided(request, judgement.caller, None, "guard")
        return judgement

    @staticmethod
    def judgements_in(state: Mapping[str, Any]) -> Iterator[Judgement]:
        """What each Guard has found about the request that has this state, the last one first."""
        judgement: Judgement | None = state.get(_JUDGEMENT)
        while judgement is not None:
            yield judgement
            judgement = judgement.before

    def judgement_in(self, state: Mapping[str, Any]) -> Judgement | None:
        """What this very Guard has found about the request that has this state, and that has not ended; another Guard's word does
        not count.
        """
        for each in self.judgements_in(state):
            if each.guard is self and not each.over:
                return each
        return None

    @staticmethod
    def told(refused: Refused, request: Request, policy: Policy, by: DecidedBy = "guard") -> Refused:
        """The refusal, of which the operator has been told, without the frames it came through: their variables hold the token,
        and error reporters show variables. Nor what was caught on the way: a parser's exception holds what it parsed.
        """
        policy.log.refused(refused, request)
        policy.decided(request, None, refused.reason, by)
        refused.__context__ = None
        return refused.with_traceback(None)

    def _caveats(self) -> list[str]:
        problem = None if self._file is None else self._file.problem
        handler_lists = list(self._handler_lists.values())  # first: a policy can read all that were there before it
        policy = self.policy
        return [
            *policy.caveats,
            *policy.handler_caveats(handler_lists),
            *([] if problem is None else [f"the policy is older than its file, which is wrong: {problem}"]),
        ]

    def handler_list(self, callers: Iterable[str]) -> HandlerList:
        """Have a handler's own list read, now and with every change of the policy.

        Raises:
            ConfigurationError: for an empty list, or a word that is no member.
        """
        words = tuple(as_list(HANDLERS, callers))
        if not words:
            raise ConfigurationError(
                f"{HANDLERS}: empty, so nobody could call; name some, or leave the list out for every caller that the Guard admits"
            )
        # A process that only loads the application serves nobody, so no policy comes meanwhile.
        with nullcontext() if may_still_fork() else self._lists_lock():
            policy = self.policy
            policy.rule(HANDLERS, words)  # first: what is no text may have no hash
            is_new = words not in self._handler_lists
            handler_list = self._handler_lists.setdefault(words, HandlerList(words))
        policy.log.caveats(policy.handler_caveats([handler_list] if is_new else []))
        return handler_list

    def _take(self, content: bytes) -> None:
        """Go by what the policy file holds now, all of it or, where something in it is wrong, nothing."""
        try:
            policy = self._read_again(content).policy
            policy.follow(self.policy)
            with self._lists_lock():  # a list that comes meanwhile is read by this policy, or refused
                handler_lists = list(self._handler_lists.values())
                self._read_lists(policy, handler_lists)
                self.header_names |= policy.header_names  # first: a request that is underway may be judged by either
                self.policy = policy
        finally:
            self._source.issuers.keep(self.verifier.issuers)
        policy.log.caveats([*policy.caveats, *policy.handler_caveats(handler_lists)])
        self.prefetch()

    @staticmethod
    def _read_lists(policy: Policy, handler_lists: Iterable[HandlerList]) -> None:
        with settings.naming_source("its file has changed, and so has a group"):
            for handler_list in handler_lists:
                policy.handler_rule(handler_list)


def _pairs(headers: HeaderPairs | Mapping[str, str]) -> HeaderPairs:
    pairs: Any = list(headers.items() if isinstance(headers, Mapping) else headers)
    for pair in pairs:
        if not isinstance(pair, Sequence) or len(pair) != 2:
            raise ConfigurationError("check: headers: they are neither a mapping nor pairs of a name and a value")
        for text in pair:
            _text("headers", text)
    return cast(HeaderPairs, pairs)


def _text(what: str, value: object) -> str:
    """A text, also from a server that has it as bytes: a rule for PUT is for b"PUT", too."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise ConfigurationError(f"check: {what}: a {type(value).__name__} is neither text nor bytes")
    return value
