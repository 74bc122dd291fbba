"""Every spelling at every router: the rule of whatever handler the router takes has judged the request, or its path is refused."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callerid import Route
from tests.adapters.support import guard_for
from tests.paths.clients import Answer, bearing
from tests.paths.conftest import Record
from tests.paths.routers import EXAMPLES, RULES, SITES, Site, write_files
from tests.paths.servers import Server, told
from tests.paths.spellings import SPELLINGS, requests
from tests.paths.table import JUDGED, REFUSED, UNROUTED, WRONG
from tests.support import AUDIENCE, LOGIN, FakeIssuer

MEMBERS = {rule: f"serviceAccount:rule-{number}@shop.iam.gserviceaccount.com" for number, rule in enumerate(RULES)}
SPELT = ("/", "/admin", "PUT /profiles/{id}", "/reports/", "/files/**", "/static/private/**", "/v1/teams/{team}/members/{id}")
ANY_METHOD = ("HEAD", "OPTIONS", "TRACE", "post", "PURGE")
REFUSALS = (Answer(400, None, True), Answer(403, None, True))


class Asked(NamedTuple):
    """A request behind a server: the router's answer, and if a handler gave it, the Guard's to LOGIN and to the rule's member."""

    server: Server
    method: str
    target: str
    plain: Answer
    guarded: tuple[Answer, ...] = ()

    @property
    def outcome(self) -> str:
        """What the Guard has done about the handler that the router takes without one."""
        if self.plain.rule is None:
            return UNROUTED
        refusals = [answer.status for answer in self.guarded if answer.is_refusal]
        if refusals == [400, 400]:
            return REFUSED
        return JUDGED if refusals == [403] and self.guarded[1] == self.plain else WRONG


class Stage:
    """A site with a Guard and without one. LOGIN is in `callers` and in no rule; each rule has a member of its own."""

    def __init__(self, name: str, site: Site, issuer: FakeIssuer, folder: Path) -> None:
        routes = [Route(rule.split(" ")[-1], methods=rule.split(" ")[:-1] or None, callers=[MEMBERS[rule]]) for rule in RULES]
        guard = guard_for(issuer, callers=[LOGIN], routes=routes)
        self.router = name.partition(",")[0]
        self.site = site
        self._plain, self._guarded = site.open(None, folder), site.open(guard, folder)
        self._tokens = {member: issuer.token(member, AUDIENCE) for member in (LOGIN, *MEMBERS.values())}

    def ask(self, requests: Iterable[tuple[str, str]]) -> list[Asked]:
        every = [(server, method, target) for method, target in requests for server in self.site.servers]
        distinct = list({told(server(method, target)): (server, method, target) for server, method, target in every}.values())
        plain = self._plain(server(method, target) for server, method, target in distinct)
        asked = [Asked(*request, answer) for request, answer in zip(distinct, plain, strict=True)]
        handled = [one for one in asked if one.plain.rule is not None]
        guarded = iter(zip(self.answers(handled, LOGIN), self.answers(handled), strict=True))
        return [one if one.plain.rule is None else one._replace(guarded=next(guarded)) for one in asked]

    def answers(self, asked: Iterable[Asked], member: str | None = None) -> list[Answer]:
        """The guarded site's answers, to this member or to each rule's own."""
        return self._guarded(
            bearing(one.server(one.method, one.target), self._tokens[member or MEMBERS[str(one.plain.rule)]]) for one in asked
        )


@pytest.fixture(scope="module", params=SITES)
def stage(request: pytest.FixtureRequest, issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("static")
    write_files(folder)
    logging.disable()  # it takes longer than everything else
    yield Stage(request.param, SITES[request.param], issuer, folder)
    logging.disable(logging.NOTSET)


def wrong(asked: Iterable[Asked]) -> list[Asked]:
    return [one for one in asked if one.outcome == WRONG]


def test_the_router_reaches_every_handler_and_each_has_a_rule_of_its_own(stage: Stage) -> None:
    asked = stage.ask((method, stage.site.prefix + path) for method, path in EXAMPLES.values())
    assert wrong(asked) == []
    assert {one.plain.rule for one in asked if one.outcome == JUDGED} >= set(RULES)


def test_no_spelling_leads_around_the_rule_and_no_ordinary_one_is_refused(stage: Stage, record: Record) -> None:
    for name, spelling in SPELLINGS.items():
        examples = map(EXAMPLES.__getitem__, SPELT)
        asked = stage.ask((method, target) for method, path in examples for target in spelling.variants(stage.site.prefix + path))
        ordinary = [one for one in asked if spelling.is_ordinary and one.target.startswith(f"{stage.site.prefix}/")]
        assert wrong(asked) == []
        assert [one for one in ordinary if one.outcome == REFUSED] == []
        record(name, stage.router, (one.outcome for one in asked))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_method_and_no_heap_of_spellings_leads_around_the_rule(stage: Stage, data: st.DataObject) -> None:
    asked = stage.ask(data.draw(requests(stage.site.prefix)))
    assert wrong(asked) == []
    unrouted = [one for one in asked if one.outcome == UNROUTED]
    answers = stage.answers(unrouted, LOGIN)
    assert [(one, answer) for one, answer in zip(unrouted, answers, strict=True) if answer not in (one.plain, *REFUSALS)] == []


def test_no_spelling_of_a_method_leads_around_the_rule(stage: Stage) -> None:
    examples = [(method, stage.site.prefix + path) for method, path in EXAMPLES.values()]
    assert wrong(stage.ask((spelt, path) for method, path in examples for spelt in (method.lower(), method.title(), "HEAD"))) == []


def test_what_a_router_answers_of_itself_is_under_the_rule_too(stage: Stage) -> None:
    judged = [one for one in stage.ask([("POST", f"{stage.site.prefix}/admin")]) if one.outcome == JUDGED]
    answers = stage.answers([one._replace(method=method) for one in judged for method in ANY_METHOD], LOGIN)
    assert {answer.status for answer in answers} == {403}
