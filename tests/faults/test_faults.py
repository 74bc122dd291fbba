"""A running service while its key endpoint fails, for as long as the stale window."""

import pytest

from tests.faults.conftest import Record
from tests.faults.endpoint import FAULTS
from tests.faults.service import OUTAGE, Service
from tests.faults.table import compared
from tests.keys import eventually

QUICK = 1.5, (0.2, 0.5, 0.8, 1.1)  # the length of a phase, and when the clock moves in it, in real seconds
SLOW = 7.0, (0.2, 0.4, 5.8, 6.4)  # one fetch comes to its deadline, others are given up as in a process that was frozen
HOLDING = {"hangs", "drips its header", "drips its body"}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_caller_notices_a_fault_within_the_stale_window_and_a_new_key_is_taken_soon_after_it(
    service: Service, record: Record, fault: str
) -> None:
    seconds, times = SLOW if fault in HOLDING else QUICK
    service.settle()
    without = service.phase(seconds, moves=zip(times, OUTAGE, strict=True))
    service.settle()
    FAULTS[fault](service.endpoint)
    reached_before = len(service.endpoint.fetches)
    during = service.phase(seconds, moves=zip(times, OUTAGE, strict=True))
    reached = len(service.endpoint.fetches) - reached_before
    recovery = service.recovery()
    record(compared(fault, without.load, during.load, during.fetches, memory=during.memory, recovery=recovery))
    assert during.load.failed == without.load.failed == 0
    assert reached <= during.fetches  # nothing is followed, nothing tried twice
    assert during.fetches > 0
    assert during.memory < 25
    assert recovery <= 31


def test_past_the_stale_window_callers_are_told_when_to_come_back_and_are_served_soon_after_the_fault(service: Service) -> None:
    service.settle()
    service.endpoint.stop_listening()
    service.control(advance=sum(OUTAGE) + 1000)
    eventually(lambda: service.callers_status() == 503)
    assert service.recovery() <= 31
