"""Many at once: strangers with keys that nobody has, and callers of a process that has no keys yet."""

import asyncio
import time
from functools import partial

import pytest

from tests.faults.conftest import NewEndpoint, Record
from tests.faults.load import Answered, ask, load, percentile, steady, strangers_token, timed
from tests.faults.service import Service, sample
from tests.faults.table import Row, compared
from tests.keys import hang
from tests.support import AUDIENCE, LOGIN

GUNICORN = "gunicorn sample_apps.user_profiles.wsgi_app:app --bind=127.0.0.1:{port} --threads=8"
UVICORN = "uvicorn sample_apps.user_profiles.asgi_app:app --host=127.0.0.1 --port={port} --no-access-log"


def test_a_thousand_unknown_kids_in_half_a_minute_cost_two_fetches_and_no_caller_anything(service: Service, record: Record) -> None:
    seconds, moves = 5.0, [(number * 0.2, 1.0) for number in range(1, 24)]
    expired = [service.issuer.token(LOGIN, AUDIENCE, iat=1, exp=2) for _ in range(1000)]  # as much work, and nothing to fetch
    unknown = [strangers_token(service.issuer) for _ in range(1000)]
    refused: list[Answered] = []

    async def crowd(tokens: list[str]) -> None:
        refused.extend(await steady(service.port, "/whoami", iter(tokens), seconds, rate=200))

    service.settle()
    without = service.phase(seconds, crowd(expired), moves=moves)
    service.settle()
    during = service.phase(seconds, crowd(unknown), moves=moves)
    record(compared("1,000 unknown kids", without.load, during.load, during.fetches, memory=during.memory))
    assert len(refused) == 2000
    assert {answered.status for answered in refused} <= {401, 503}
    assert during.load.failed == 0
    assert 1 <= during.fetches <= 2


@pytest.mark.parametrize("stack", [f"{UVICORN} --lifespan=off", GUNICORN], ids=["uvicorn", "gunicorn"])
def test_two_hundred_callers_of_a_cold_process_wait_for_one_fetch(new_endpoint: NewEndpoint, record: Record, stack: str) -> None:
    endpoint = new_endpoint()
    endpoint.serve_after(partial(time.sleep, 0.5))  # so that all of them come while it runs

    async def crowd(port: int) -> list[Answered]:
        token = endpoint.issuer.token(LOGIN, AUDIENCE)
        return await asyncio.gather(*(timed(port, "/whoami", token) for _ in range(200)))

    with sample(stack, endpoint) as port:
        answers = asyncio.run(crowd(port))
    failed = sum(answered.status != 200 for answered in answers)
    record(Row(f"200 cold, {stack.partition(' ')[0]}", len(answers), failed, len(endpoint.fetches)))
    assert failed == 0
    assert len(endpoint.fetches) == 1


def test_strangers_and_an_endpoint_that_hangs_leave_a_server_of_eight_threads_to_its_callers(
    new_endpoint: NewEndpoint, record: Record
) -> None:
    endpoint, seconds = new_endpoint(), 6.0

    async def stranger(port: int) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            await ask(port, "/whoami", strangers_token(endpoint.issuer))
            await asyncio.sleep(0.2)

    with sample(GUNICORN, endpoint) as port:
        assert asyncio.run(timed(port, "/whoami", endpoint.issuer.token(LOGIN, AUDIENCE))).status == 200
        without = asyncio.run(load(port, endpoint.issuer, seconds))
        endpoint.script = hang
        during = asyncio.run(load(port, endpoint.issuer, seconds, *(stranger(port) for _ in range(32))))
    record(compared("32 strangers, gunicorn", without, during, len(endpoint.fetches) - 1))
    assert during.failed == 0
    assert percentile(1, during.unrelated) < 1500
    assert percentile(1, during.callers) < 2000
