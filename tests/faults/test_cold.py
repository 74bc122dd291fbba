"""A process that has never had keys, until its endpoint is there."""

import asyncio
import time
from contextlib import ExitStack
from typing import NamedTuple

from tests.faults.conftest import NewEndpoint, Record
from tests.faults.endpoint import FAULTS, Fault, KeyEndpoint
from tests.faults.load import ask
from tests.faults.service import sample
from tests.faults.table import Row
from tests.faults.test_crowds import UVICORN
from tests.keys import eventually
from tests.support import AUDIENCE, LOGIN


class Cold(NamedTuple):
    """A fault, how it ends, and how many seconds later callers are served at the latest."""

    name: str
    fault: Fault
    end: Fault
    seconds: float


CASES = [
    Cold("cold, down", FAULTS["down"], KeyEndpoint.recover, 5.5),
    Cold("cold, hangs, is cut", FAULTS["hangs"], KeyEndpoint.restart, 5.5),
    Cold("cold, hangs on", FAULTS["hangs"], KeyEndpoint.recover, 6.0),  # the running fetch has up to 5 s left
    Cold("cold, answers 500", FAULTS["answers 500"], KeyEndpoint.recover, 5.5),  # the last, since its fetches can be counted
]


async def seconds_until_served(case: Cold, endpoint: KeyEndpoint, port: int) -> float:
    case.end(endpoint)
    began, token = time.monotonic(), endpoint.issuer.token(LOGIN, AUDIENCE)
    while (await ask(port, "/whoami", token))[0] != 200:  # noqa: ASYNC110  (nothing else tells)
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def recoveries(endpoints: list[KeyEndpoint], ports: list[int]) -> list[float]:
    return await asyncio.gather(*map(seconds_until_served, CASES, endpoints, ports))


def test_a_cold_process_serves_within_five_seconds_of_its_endpoint(new_endpoint: NewEndpoint, record: Record) -> None:
    endpoints, ports = [new_endpoint() for _ in CASES], []
    with ExitStack() as stack:
        for case, endpoint in zip(CASES, endpoints, strict=True):
            case.fault(endpoint)
            ports.append(stack.enter_context(sample(UVICORN, endpoint)))
        eventually(lambda: len(endpoints[-1].fetches) == 4)  # its back-off is at its longest now
        recovered = asyncio.run(recoveries(endpoints, ports))
    for case, endpoint, seconds in zip(CASES, endpoints, recovered, strict=True):
        record(Row(case.name, None, None, len(endpoint.fetches), recovery=seconds))
    assert [case.name for case, seconds in zip(CASES, recovered, strict=True) if seconds > case.seconds] == []
