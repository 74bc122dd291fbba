"""A handler's own list: a second check behind the Guard, bound to the handler that the router chose.

It narrows and never widens. It believes its own Guard only: where that Guard has not judged this very request, it runs first,
whole. On a public route, where nobody has looked at the token, the check looks at it itself, and without a list of its own
takes the Guard's callers: that a token is good says nothing about who bears it.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from callerid.caller import Caller
from callerid.errors import ConfigurationError, Refused
from callerid.guard import Guard, Judgement
from callerid.members import ALL_USERS
from callerid.memory import Verified
from callerid.policy import HandlerList
from callerid.request import Request

__all__ = ["HandlerCheck", "lists_of", "with_list"]

_LISTS = "callerid_lists"


class HandlerCheck:
    """`callers` may call this handler, or, without a list, every caller that the Guard admits: its `callers` on a public route.

    With `optional`, a request without credentials passes on a public route, as `None`; a bad token is still refused.

    Raises:
        ConfigurationError: for an empty list, or a word that is no member.
    """

    def __init__(self, guard: Guard, callers: Iterable[str] | None = None, *, optional: bool = False) -> None:
        if not isinstance(guard, Guard):
            raise ConfigurationError(f"guard: {guard!r} is no Guard; write CallerGuard(Guard(…))")
        self.guard: Guard = guard
        self.optional: bool = optional
        self.handler_list: HandlerList | None = None if callers is None else guard.handler_list(callers)
        if self.handler_list is not None and guard.policy.handler_rule(self.handler_list).is_public:
            raise ConfigurationError(f"a handler's callers: {ALL_USERS} would widen nothing; make the route public in the Guard")

    def __call__(self, request: Request) -> Caller | None:
        """The caller, who may call this handler. Raises `Refused`."""
        judgement = self.guard.judgement_in(request.state) or self.guard.judge(request)
        judgement.policy.begins(request)
        try:
            return self._decide(request, judgement, judgement.verified or judgement.policy.identify(request))
        except Refused as refused:
            self._excuse(refused, request, judgement)
            return None

    async def acall(self, request: Request) -> Caller | None:
        """The same for a task."""
        judgement = self.guard.judgement_in(request.state) or await self.guard.ajudge(request)
        judgement.policy.begins(request)
        try:
            return self._decide(request, judgement, judgement.verified or await judgement.policy.aidentify(request))
        except Refused as refused:
            self._excuse(refused, request, judgement)
            return None

    def _decide(self, request: Request, judgement: Judgement, verified: Verified) -> Caller:
        if self.handler_list is not None:
            judgement.policy.admit(judgement.policy.handler_rule(self.handler_list), verified)
        elif judgement.is_public:
            judgement.policy.admit(judgement.policy.callers, verified)
        judgement.verified = verified
        if verified.is_private:
            next(self.guard.judgements_in(request.state)).keep_private()
        told: set[Guard] = set()
        for every in self.guard.judgements_in(request.state):  # the handler's caller, wherever the code behind it looks
            if every.guard in told:
                break  # that one is of the request around this one, which has copied its state
            told.add(every.guard)
            every.caller = verified.caller
        return verified.caller

    def _excuse(self, refused: Refused, request: Request, judgement: Judgement) -> None:
        if not (self.optional and refused.reason == "missing_credentials"):
            raise self.guard.told(refused, request, judgement.policy, "handler") from None


def with_list(guarded: Callable[..., Any], own: Any, view: Callable[..., Any]) -> None:
    """Note at a decorated view which list guards it, beside those that it has already, for whoever makes an inventory."""
    setattr(guarded, _LISTS, (own, *lists_of(view)))


def lists_of(view: Any) -> tuple[Any, ...]:
    """The lists that were noted at a view, also where decorators of others, made with `functools.wraps`, are around it."""
    while isinstance(view, partial):
        view = view.func
    lists: tuple[Any, ...] = getattr(view, _LISTS, ())
    return lists
