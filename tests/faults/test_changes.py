"""A running service whose issuer's keys change, whose clocks jump, and whose waiting requests are given up."""

import asyncio
import threading
from itertools import repeat

import pytest

from tests.faults.conftest import Record
from tests.faults.endpoint import LIFETIME
from tests.faults.load import Answered, ask, later, percentile, steady, timed
from tests.faults.service import BUDGET, Service
from tests.faults.table import Row, compared
from tests.support import AUDIENCE, LOGIN

DAY = 86400
SECONDS = 1.5


@pytest.mark.parametrize(("fault", "rest"), [("rotation", BUDGET), ("rotation 2 s after a load", 2.0)])
def test_a_rotation_announced_by_a_new_kid_fails_no_request(service: Service, record: Record, fault: str, rest: float) -> None:
    service.settle(rest=rest)
    without = service.phase(SECONDS)
    service.settle(rest=rest)
    during = service.phase(SECONDS, later(SECONDS / 2, service.issuer.rotate))
    record(compared(fault, without.load, during.load, during.fetches, memory=during.memory))
    assert during.load.failed == 0
    assert during.fetches == 1


def test_a_removed_key_is_gone_with_the_next_refresh_and_fails_nobody_else(service: Service, record: Record) -> None:
    service.settle()
    removed, token = service.issuer.kid, service.issuer.token(LOGIN, AUDIENCE)
    service.issuer.rotate()
    assert (service.callers_status(), service.status(token)) == (200, 200)
    service.settle()
    without = service.phase(SECONDS)
    service.settle()
    service.issuer.published.remove(removed)
    during = service.phase(SECONDS, moves=[(SECONDS / 2, LIFETIME)])
    record(compared("removal", without.load, during.load, during.fetches, memory=during.memory))
    assert service.status(token) == 401
    assert during.load.failed == 0
    assert during.fetches == 1


def test_a_clock_that_jumps_fails_no_request(service: Service, record: Record) -> None:
    async def jump() -> None:
        for way in (f"wall={-2 * DAY}", "wall=18000", f"advance={2 * DAY}", f"wall={4 * DAY}", "wall=-60"):
            await asyncio.sleep(SECONDS / 6)
            await ask(service.port, f"/control?{way}")

    service.settle()
    without = service.phase(SECONDS)
    service.settle()
    during = service.phase(SECONDS, jump())
    record(compared("clock jumps", without.load, during.load, during.fetches, memory=during.memory))
    assert during.load.failed == 0
    assert 3 <= during.fetches <= 5  # a jump in the middle of a fetch may cause another


def test_requests_that_are_given_up_while_they_wait_leave_the_fetch_to_the_others(service: Service, record: Record) -> None:
    opened = threading.Event()

    async def crowd() -> tuple[list[Answered], list[Answered], list[Answered]]:
        token = service.issuer.token(LOGIN, AUDIENCE)
        async with asyncio.TaskGroup() as group:
            unrelated = group.create_task(steady(service.port, "/healthz", repeat(None), SECONDS))
            patient = [group.create_task(timed(service.port, "/whoami", token)) for _ in range(50)]
            cancelled = [group.create_task(timed(service.port, "/whoami?patience=0.2", token)) for _ in range(50)]
            await asyncio.wait(cancelled)
            opened.set()
        return unrelated.result(), [task.result() for task in patient], [task.result() for task in cancelled]

    service.settle()
    without = service.phase(SECONDS)
    service.settle()
    service.endpoint.serve_after(opened.wait)
    before = service.control(advance=2 * DAY)  # no keys are usable, so callers wait for a fetch
    unrelated, patient, cancelled = asyncio.run(crowd())
    after = service.control()
    fetches, failed = len(after.fetches) - len(before.fetches), sum(answered.status != 200 for answered in patient)
    latencies = (percentile(1, without.load.unrelated), percentile(1, unrelated))
    record(Row("cancelled waits", len(patient), failed, fetches, latencies, memory=after.peak - before.peak))
    assert {answered.status for answered in cancelled} == {504}
    assert failed == 0
    assert fetches == 1
