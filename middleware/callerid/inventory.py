"""What an application serves, and who may call each part of it.

An adapter enumerates what its framework routes, as `Served`, in the order in which the router looks. From that and from the Guards'
policies, `who_may_call` makes rows: where a rule is for some of a route's paths only, those are a row of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from callerid.errors import Refused
from callerid.guard import Guard
from callerid.handler import HandlerCheck
from callerid.narrowing import EVERYBODY, admitted_by, narrowed
from callerid.policy import Policy, Rule
from callerid.routes import check_path
from callerid.templates import MANY, Template, covers, in_common, is_exact, text_of, whole

__all__ = ["NO_GUARD", "Found", "Place", "Row", "Served", "who_may_call"]

NO_GUARD = "no Guard"


class Before(NamedTuple):
    """A Guard that is asked before the handler, and how many parts of the template mounts have taken off before it looks."""

    guard: Guard
    depth: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an application something is served: below which template, as its framework writes it, and behind which Guards."""

    path: str = ""
    template: Template = ()
    guards: tuple[Before, ...] = ()
    depth: int = 0
    host: str | None = None

    def at(self, path: str, template: Template) -> "Place":
        """The place of a route."""
        return replace(self, path=f"{self.path.rstrip('/')}{path}", template=self.template + template)

    def below(self, path: str, template: Template) -> "Place":
        """The place of what is mounted, which sees paths without what they begin with."""
        return replace(self.at(path, template), depth=len(self.template) + len(template))

    def behind(self, guard: Guard) -> "Place":
        """The same place behind a further Guard."""
        return replace(self, guards=(*self.guards, Before(guard, self.depth)))


@dataclass(frozen=True, slots=True)
class Served:
    """One thing that is served: where, for which methods (`None`: all), by what, and what its handler's own lists are.

    Without a `handler` nothing is: the router comes to an end there, so what it would look at later is never reached. Where that is
    not sure, it may hide nothing.
    """

    place: Place
    methods: frozenset[str] | None
    handler: str | None
    checks: tuple[HandlerCheck, ...] = ()
    is_websocket: bool = False
    may_hide: bool = True

    def hides(self, template: Template, method: str | None, later: "Served") -> bool:
        """Whether the router, which comes to this first, never comes to those paths of a later one, for sure."""
        own = self.place.template
        if self.handler is None and own[-1:] == (MANY,):  # a mount, which need not take its own path, without what is below
            own = own[:-1]
            if template[len(own) : len(own) + 1] in ((), (MANY,)):
                return False
            template = template[: len(own)]
        elif self.place.path.endswith("/") != later.place.path.endswith("/"):
            return False
        return (
            self.may_hide
            and self.place.host == later.place.host
            and (self.handler is None or self.is_websocket == later.is_websocket)
            and (self.methods is None or method in self.methods)
            and "//" not in self.place.path + later.place.path
            and is_exact(own)
            and covers(own, template)
        )


class Row(NamedTuple):
    """Who may call what. `methods` are `None` for all of which no other row for this path tells; `callers` are `None` where nobody
    is asked who they are, and empty where nobody may call.
    """

    methods: tuple[str, ...] | None
    path: str
    host: str | None
    is_websocket: bool
    handler: str
    rules: tuple[str, ...]
    callers: tuple[str, ...] | None

    @property
    def shown_methods(self) -> str:
        """The methods, for a person."""
        return "WEBSOCKET" if self.is_websocket else "all" if self.methods is None else ", ".join(self.methods)

    @property
    def names(self) -> list[str]:
        """How a table names it: each method with the path, or the path alone."""
        path = f"{self.host or ''}{self.path}"
        methods = ["WEBSOCKET"] if self.is_websocket else self.methods
        return [path] if methods is None else [f"{method} {path}" for method in methods]

    @property
    def is_public(self) -> bool:
        """Whether it is open to everyone."""
        return self.callers is None

    @property
    def is_dead(self) -> bool:
        """Whether nobody may call it."""
        return self.callers == ()

    def to_dict(self) -> dict[str, Any]:
        """In plain JSON types."""
        return {
            "methods": None if self.methods is None else list(self.methods),
            "path": self.path,
            "host": self.host,
            "websocket": self.is_websocket,
            "handler": self.handler,
            "rules": list(self.rules),
            "callers": None if self.callers is None else list(self.callers),
            "public": self.is_public,
            "dead": self.is_dead,
        }


class Found(NamedTuple):
    """Who may call what, and the Guards' rules that decide about nothing that is served."""

    rows: list[Row]
    unused_rules: list[str]


class _Region(NamedTuple):
    """Paths that are all judged alike, and by what; the rules in their order, each with the policy that it is of."""

    template: Template
    judges: tuple[tuple[Policy, Rule], ...] = ()
    is_refused: bool = False


def who_may_call(all_served: Sequence[Served]) -> Found:
    """A row for each thing that is served, and each part of it that other rules are for; and the rules that are for none of it."""
    rows: list[Row] = []
    rules = {id(rule): rule.name for served in all_served for before in _guards(served) for rule in before.guard.policy.rules}
    for index, served in enumerate(all_served):
        if served.handler is None:
            continue
        for region, methods in _reached(served, all_served[:index]).items():
            rows.append(_row(served, region, methods))
            for _, rule in region.judges:
                rules.pop(id(rule), None)
    return Found(rows, list(rules.values()))


def _reached(served: Served, earlier: Sequence[Served]) -> dict[_Region, list[str | None]]:
    """The parts of what is served that the router comes to, each with the methods that are judged so there."""
    found: dict[_Region, list[str | None]] = {}
    for method in _methods_that_matter(served):
        for region in _regions(served, method):
            if not any(each.hides(region.template, method, served) for each in earlier):
                found.setdefault(region, []).append(method)
    return found


def _guards(served: Served) -> list[Before]:
    """Those before the handler; a handler's own list brings its Guard, where that has not been asked."""
    guards = list(dict.fromkeys(served.place.guards))
    asked = {before.guard for before in guards}
    own = {check.guard: Before(check.guard, served.place.depth) for check in served.checks if check.guard not in asked}
    return [*guards, *own.values()]


def _methods_that_matter(served: Served) -> list[str | None]:
    """Its methods; or those that some rule names, and `None` for the others."""
    if served.is_websocket:
        return ["GET"]  # its handshake
    if served.methods is not None:
        return [*sorted(served.methods)]
    named = {method for before in _guards(served) for route in before.guard.policy.routes.routes for method in route.methods or ()}
    return [*sorted(named), None]


def _regions(served: Served, method: str | None) -> list[_Region]:
    regions = [_Region(served.place.template)]
    for guard, depth in _guards(served):
        unsure = served.place.template[depth:] if MANY in served.place.template[:depth] else None
        regions = [inner for region in regions for inner in _cut(region, guard.policy, depth, method, unsure)]
    return regions


def _cut(region: _Region, policy: Policy, depth: int, method: str | None, unsure: Template | None) -> Iterator[_Region]:
    """The parts of a region that this policy has different rules for, in the order of the rules. `unsure` is what it sees where
    nobody knows how much of the path is before that.
    """
    seen: list[Template] = []
    outer, inner = region.template[:depth], region.template[depth:]
    if unsure is not None:
        outer, inner = (), unsure
    if policy.has_routes and _is_ambiguous(inner):
        yield region._replace(is_refused=True)
        return
    for route, rule in zip(policy.routes.routes, policy.rules, strict=True):
        if route.methods is not None and method not in route.methods:
            continue
        for common in in_common(whole(route), inner):
            if not any(covers(each, common) for each in seen):
                seen.append(common)
                where = region.template if unsure is not None else outer + common
                yield region._replace(template=where, judges=(*region.judges, (policy, rule)))
        if covers(whole(route), inner):
            return
    yield region._replace(judges=(*region.judges, (policy, policy.callers)))


def _is_ambiguous(template: Template) -> bool:
    """Whether every request for these paths is refused, however good its token is."""
    try:
        check_path(text_of(tuple(part if part.is_literal else part._replace(text="x") for part in template)), None)
    except Refused:
        return True
    return False


def _row(served: Served, region: _Region, methods: Sequence[str | None]) -> Row:
    rules, callers = (("ambiguous_path",), ()) if region.is_refused else _effective(served, region)
    named = [method for method in methods if method is not None and (method != "HEAD" or "GET" not in methods)]  # they are one
    slash = "/" if served.place.path.endswith("/") and MANY not in region.template else ""
    return Row(
        methods=None if None in methods else tuple(named),
        path=served.place.path if region.template == served.place.template else text_of(region.template) + slash,
        host=served.place.host,
        is_websocket=served.is_websocket,
        handler=served.handler or "",
        rules=rules,
        callers=callers,
    )


def _effective(served: Served, region: _Region) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names of all that is asked, and whom it admits, all of it."""
    lists = list(region.judges)
    for check in served.checks:
        lists += [(check.guard.policy, rule) for rule in _handlers_rules(check, region)]
    admitted = EVERYBODY
    for policy, rule in lists:
        admitted = narrowed(admitted, admitted_by(policy, rule))
    names = tuple(dict.fromkeys(rule.name for _, rule in lists)) or (NO_GUARD,)
    return names, None if admitted is None else tuple(" and ".join(word.text for word in way) for way in admitted)


def _handlers_rules(check: HandlerCheck, region: _Region) -> Iterator[Rule]:
    """What a handler's check adds to what the routes say. An optional one lets a public route be public."""
    policy = check.guard.policy
    *_, is_public = (rule.is_public for judge, rule in region.judges if judge is policy)  # the last one that has judged
    if is_public and check.optional:
        return
    if check.handler_list is not None:
        yield policy.handler_rule(check.handler_list)
    elif is_public:
        yield policy.callers
