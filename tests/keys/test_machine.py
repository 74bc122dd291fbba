"""The rules of key fetching, each a short script of moments, events and answers. Nothing here takes time."""

import json
import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from callerid import KeysUnavailable, Refused
from callerid.keys.keyset import KeyList
from callerid.keys.machine import COLD_BACK_OFF, LOST_AFTER, REMEMBERED_KIDS, Arrival, KeyMachine, WaitUntil
from callerid.keys.material import Key

PATIENCE = 5.0
STALE = 500.0


def key_list(*kids: str) -> KeyList:
    return KeyList(Key(kid, str(kid).encode(), frozenset({"RS256"}), None) for kid in kids)


def unhurried(low: float, high: float) -> float:
    """No jitter: refreshes at 80 %, whole back-offs."""
    return low if low == 0 else high


def hurried(low: float, high: float) -> float:
    """All the jitter there is: both as early as they can be."""
    return high if low == 0 else low


def machine_of(stale_if_error: float = STALE, uniform: Callable[[float, float], float] = unhurried) -> KeyMachine:
    return KeyMachine(stale_if_error=stale_if_error, uniform=uniform)


def look_up(machine: KeyMachine, kid: str, now: float, arrival: Arrival) -> Key | WaitUntil | Refused:
    try:
        return machine.look_up(None if kid == "-" else kid, "RS256", now, PATIENCE, arrival)
    except Refused as refused:
        return refused


def said(answer: Key | WaitUntil | Refused) -> str:
    match answer:
        case Key() as key:
            return f"key {key.kid}"
        case WaitUntil(time):
            return f"wait until {time:g}"
        case KeysUnavailable() as refused:
            return f"keys_unavailable for {refused.retry_after}"
        case refused:
            return refused.reason


class Stage:
    """A machine and the events that may happen to it. `ask` is a request that comes, `again` the last one for that kid, looking
    once more; `got` and `fail` end the last fetch, `late` one that was given up.
    """

    def __init__(self, machine: KeyMachine) -> None:
        self._machine = machine
        self._came: dict[str, Arrival] = {}

    def ask(self, now: float, kid: str) -> str:
        self._came[kid] = self._machine.arrival(now)
        return self.again(now, kid)

    def again(self, now: float, kid: str) -> str:
        return said(look_up(self._machine, kid, now, self._came[kid]))

    def begin(self, now: float) -> None:
        self._machine.begin(now)

    def got(self, now: float, lifetime: str, *kids: str) -> None:
        self._machine.succeeded(self._machine.begun, key_list(*kids), float(lifetime))

    def fail(self, now: float) -> None:
        self._machine.failed(self._machine.begun, now, "down")

    def late(self, now: float, number: str, *kids: str) -> None:
        if kids:
            self._machine.succeeded(int(number), key_list(*kids), 1000)
        else:
            self._machine.failed(int(number), now, "late")

    def fork(self, now: float) -> None:
        self._machine.abandoned()

    def due(self, now: float) -> str:
        return f"{self._machine.due():g}"

    def status(self, now: float, *words: str) -> str:
        status = dict(self._machine.status(now))
        return " ".join(str(status[word]) for word in words)

    def overdue(self, now: float) -> str:
        return str(self._machine.overdue(now))

    def outlook(self, now: float) -> str:
        return self._machine.outlook(now)


def play(machine: KeyMachine, script: str) -> None:
    """Each line is a moment, an event with its words, and behind an arrow what must come of it."""
    stage = Stage(machine)
    for line in filter(str.strip, script.splitlines()):
        event, _, expected = line.partition("->")
        moment, verb, *words = event.split()
        outcome = getattr(stage, verb)(float(moment), *words)
        assert (outcome or "") == expected.strip(), line


WARM = """
    0 begin
    0 got 1000 a b
"""

FAILED_OFTEN = WARM + 7 * "800 begin\n 800 fail\n"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("0 due -> -inf", id="the first load is due at once"),
        pytest.param(
            """
              0 begin
              3 got 1000 a
              3 ask a     -> key a
              3 due       -> 800
            800 begin
            800 ask a     -> key a
            801 got 2000 a
            801 due       -> 2400
            """,
            id="a document is fresh from its fetch's start on and refreshed at 80 % of that",
        ),
        pytest.param(
            """
              0 ask a     -> wait until 5
            0.1 begin
              3 ask a     -> wait until 5.1
              5 again a   -> wait until 5.1
            5.1 again a   -> keys_unavailable for 1
            5.1 ask -     -> keys_unavailable for 1
              6 got 1000 a
              6 again a   -> key a
            """,
            id="with no keys yet everybody waits, until the fetch's start + patience",
        ),
        pytest.param(
            """
              0 begin
            0.3 ask a     -> wait until 5
            4.9 fail
            4.9 again a   -> wait until 5.3
            4.9 begin
            4.9 again a   -> wait until 5.3
            5.3 again a   -> keys_unavailable for 1
            5.3 ask a     -> wait until 9.9
            """,
            id="and not longer than its patience, however many fetches begin meanwhile",
        ),
        pytest.param(
            """
              0 begin
            0.5 ask new   -> wait until 5
              1 got 1000 a
              1 again new -> wait until 1.5
              1 begin
              1 got 1000 a
              1 again new -> unknown_key
            """,
            id="a first load that lacks the kid does not decide: it began before the request came",
        ),
        pytest.param(
            """
              0 ask new   -> wait until 5
              0 begin
              1 got 1000 a
              1 again new -> unknown_key
              1 due       -> 800
            """,
            id="a first load that began after the request came does",
        ),
        pytest.param(
            """
              0 begin
              0 fail
              0 due       -> 1
              0 ask a     -> keys_unavailable for 1
              0 ask -     -> keys_unavailable for 1
              1 begin
              1 ask a     -> wait until 6
              1 fail
              1 due       -> 3
              1 again a   -> keys_unavailable for 2
              3 begin
              3 fail
              3 due       -> 7
              7 begin
              8 fail
              8 due       -> 11.5
            8.5 ask a     -> keys_unavailable for 3
           11.5 begin
           16.5 fail
           16.5 due       -> 16
           16.5 ask a     -> wait until 21.5
           16.5 begin
             18 got 1000 a
             18 again a   -> key a
            """,
            id="while there are no keys the back-off grows to 4.5 s from each attempt's begin, and nobody waits in it",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            800 fail
            800 due       -> 801
            801 begin
            801 fail
            801 due       -> 803
            803 begin
            803 fail
            803 due       -> 807
            807 begin
            807 fail
            807 due       -> 815
            815 begin
            815 fail
            815 due       -> 831
            831 begin
            831 fail
            831 due       -> 863
            863 begin
            863 fail
            863 due       -> 923
            923 ask a     -> key a
            923 begin
            923 fail
            923 due       -> 983
            983 begin
            983 got 1000 a
            983 due       -> 1783
           1783 begin
           1783 fail
           1783 due       -> 1784
            """,
            id="while keys serve on it grows to 60 s, and a success ends it",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            800 fail
           1499 ask a     -> key a
           1499 ask -     -> unknown_key
           1500 ask a     -> wait until 1505
           1500 begin
           1501 fail
           1501 due       -> 1502
           1501 ask -     -> keys_unavailable for 1
           1502 begin
           1502 got 1000 a
           1502 ask a     -> key a
            """,
            id="the last good keys serve on past their lifetime for the stale window and no longer",
        ),
        pytest.param(
            FAILED_OFTEN
            + """
           1430 begin
           1430 fail
           1430 due       -> 1490
           1470 begin
           1470 fail
           1470 due       -> 1500
            """,
            id="an attempt begins at the very end of the stale window",
        ),
        pytest.param(
            FAILED_OFTEN
            + """
           1498 begin
           1498 fail
           1498 due       -> 1502.5
           1502 ask a     -> keys_unavailable for 1
         1502.5 begin
           1504 fail
           1504 due       -> 1507
         1504.5 ask a     -> keys_unavailable for 3
           1507 begin
           1507 got 1000 a
           1507 ask a     -> key a
            """,
            id="expired keys are retried within 5 s, however long the outage",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 due       -> -inf
           10.5 begin
           10.9 again new -> wait until 11
             11 again new -> keys_unavailable for 1
           11.2 ask a     -> key a
           11.4 ask other -> wait until 11.5
           11.5 again new -> keys_unavailable for 1
           11.6 ask third -> keys_unavailable for 1
             12 got 1000 a new third
             12 again new -> key new
             12 due       -> 25.5
           25.5 begin
           25.5 got 1000 a new
           25.5 due       -> 825.5
           25.5 again other -> unknown_key
            """,
            id="for an unknown kid one fetch begins at once and is waited for until its start + 1 s, by later comers not at all",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             10 got 1000 a b
             10 again new -> unknown_key
             10 due       -> 810
             11 ask newer -> unknown_key
             11 due       -> 25
             25 begin
             25 got 1000 a newer
             25 ask newer -> key newer
             25 due       -> 825
             26 ask third -> unknown_key
             26 due       -> 40
             40 begin
             40 got 1000 a third
             40 ask third -> key third
            """,
            id="the next one begins 15 s later, in the background for whom there was no budget",
        ),
        pytest.param(
            WARM
            + """
             10 ask early -> wait until 11
             10 begin
             10 got 1000 a b
             10 again early -> unknown_key
             12 ask early -> unknown_key
             12 due       -> 25
             25 begin
             25 got 1000 a b early
             25 ask early -> key early
            """,
            id="a kid asked for before it was published is accepted at most 15 s after its publication",
        ),
        pytest.param(
            WARM
            + """
             10 ask early -> wait until 11
             10 begin
             10 got 1000 a b
             10 again early -> unknown_key
             25 ask early -> wait until 26
             25 begin
             25 got 1000 a b early
             25 again early -> key early
            """,
            id="at once where the budget is free",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             10 fail
             10 again new -> keys_unavailable for 15
             12 ask other -> keys_unavailable for 13
             12 due       -> 25
             24 ask other -> keys_unavailable for 1
             25 begin
             25 fail
             25 again other -> keys_unavailable for 15
             39 ask new   -> keys_unavailable for 1
             40 begin
             40 got 1000 a
             40 again new -> unknown_key
             41 ask other -> unknown_key
            """,
            id="a failed fetch takes from the budget too, and is a 503 for an unknown kid until one succeeds",
        ),
        pytest.param(
            WARM
            + """
             10 ask x     -> wait until 11
             10 begin
             10 got 1000 a b
            810 ask new   -> wait until 811
            810 begin
            810 got 1000 a
            810 again new -> unknown_key
            811 ask newer -> wait until 812
            """,
            id="a scheduled fetch decides about who came before it, and takes nothing from the budget",
        ),
        pytest.param(
            WARM
            + """
             10 ask x     -> wait until 11
             10 begin
             10 got 1000 a b
            810 ask new   -> wait until 811
            810 begin
            811 again new -> keys_unavailable for 1
            812 fail
            812 again new -> keys_unavailable for 1
            812 ask new   -> wait until 813
            """,
            id="while it runs and when it has failed they get 503, and the next request another fetch",
        ),
        pytest.param(
            WARM
            + """
            800 ask new   -> wait until 801
            800 begin
            800 fail
            800 again new -> keys_unavailable for 1
            """,
            id="also where no kid has ever caused a fetch",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            800 fail
          800.2 ask new   -> wait until 801.2
          800.2 begin
          800.5 fail
          800.5 due       -> 802.5
          800.5 again new -> keys_unavailable for 2
          800.5 ask other -> keys_unavailable for 2
            """,
            id="Retry-After tells the next attempt of any cause",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          800.1 ask new   -> wait until 801
          800.5 got 1000 a
          800.5 again new -> wait until 801.1
          800.5 begin
          800.6 got 1000 a new
          800.6 again new -> key new
            """,
            id="a kid asked for while a scheduled fetch runs gets a fetch of its own",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          800.1 ask new   -> wait until 801
          800.5 got 1000 a new
          800.5 again new -> key new
          800.5 due       -> 1600
            """,
            id="unless that one brings it",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          800.1 ask new   -> wait until 801
          800.5 fail
          800.5 again new -> wait until 801.1
          800.5 begin
          800.6 got 1000 a
          800.6 again new -> unknown_key
            """,
            id="also when that one fails",
        ),
        pytest.param(
            WARM
            + """
             10 ask gone  -> wait until 11
             10 begin
             10 got 1000 b
             10 ask b     -> key b
             11 ask a     -> unknown_key
            """,
            id="a removed key is gone at the next success of any cause",
        ),
        pytest.param(
            WARM
            + """
             10 ask -     -> unknown_key
             10 due       -> 800
             10 ask new   -> wait until 11
             10 begin
             10 got 1000 a
             11 ask -     -> key a
            """,
            id="without a kid the only key that fits is taken, and no newer document is asked for",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            800 due       -> 805.5
            805 status fetches failures last_error -> 2 0 None
            806 ask a     -> key a
            806 ask new   -> wait until 807
            806 begin
            806 status fetches failures last_error -> 3 1 no answer, nor an end of the attempt
          806.5 got 1000 a new
          806.5 again new -> key new
          806.5 due       -> 1606
            807 ask newer -> wait until 808
            """,
            id="a fetch that does not end within 5.5 s is given up, and another begins at once",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          805.5 begin
          805.5 due       -> 812
            812 begin
            812 due       -> inf
          812.5 ask new   -> wait until 813
            820 ask new   -> keys_unavailable for 1
            820 ask a     -> key a
            820 late 2
            820 due       -> 819.5
            820 begin
            820 due       -> inf
            821 late 3 a
            821 got 1000 a new
            821 due       -> 1620
            """,
            id="one that follows a given-up one is given time as the back-off has it, and there are never more than three",
        ),
        pytest.param(
            """
              0 begin
              5 ask a     -> keys_unavailable for 1
            5.5 ask a     -> wait until 10.5
            5.5 begin
             10 again a   -> wait until 10.5
           10.5 again a   -> keys_unavailable for 1
             11 fail
             11 ask a     -> wait until 16
            """,
            id="a first load is given up, too",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             11 again new -> keys_unavailable for 1
             16 due       -> 800
             16 ask other -> keys_unavailable for 1
             16 due       -> 25
             25 ask other -> wait until 26
             25 begin
             25 got 1000 a b
             25 again other -> unknown_key
             26 ask third -> unknown_key
             26 due       -> 40
            """,
            id="one that only strangers asked for is followed for strangers, and only when the budget allows",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            806 begin
            807 late 2
            807 status failures next_refresh -> 1 0.0
            808 late 2 old
            808 status key_ids -> ['a', 'b']
            809 got 1000 a new
            810 late 2 old
            811 late 2
            811 status key_ids failures last_error age -> ['a', 'new'] 1 None 5.0
            811 due       -> 1606
            """,
            id="what comes of a given-up fetch is ignored, during the next one and after it",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            840 late 2 late
            840 ask late  -> key late
            840 due       -> 1600
            """,
            id="the late answer of one that no other has followed is taken",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             25 begin
             25 got 1000 a b
             26 ask other -> unknown_key
             26 due       -> 40
            """,
            id="so does one that follows a fetch of the budget's",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             11 fork
             11 due       -> 800
             11 ask a     -> key a
             11 ask new   -> wait until 12
             11 begin
             11 got 1000 a new
             11 fork
             11 ask newer -> unknown_key
             11 due       -> 26
            """,
            id="a forked process has its keys, and neither the running fetch nor what that took from the budget",
        ),
        pytest.param(
            """
              0 begin
              1 fork
              1 due       -> -inf
              1 ask a     -> wait until 6
            """,
            id="one that forks during its first load begins anew",
        ),
        pytest.param(
            """
              0 status state ready key_ids age next_refresh last_error -> cold False [] None 0.0 None
              1 begin
              1 fail
              1 status state ready next_refresh last_error             -> cold False 1.0 down
              2 begin
              2 status next_refresh                                    -> 0.0
              3 got 1000 a b
              5 status state ready key_ids age next_refresh last_error -> fresh True ['a', 'b'] 3.0 797.0 None
              6 ask new                                                -> wait until 7
              6 status next_refresh                                    -> 0.0
              6 begin
              6 got 1000 a
              6 again new                                              -> unknown_key
              7 ask new                                                -> unknown_key
              7 status fetches failures unknown_kids key_ids           -> 3 1 2 ['a']
           1005 status state ready                                     -> fresh True
           1006 status state ready                                     -> stale True
           1506 status state ready key_ids                             -> expired False ['a']
            """,
            id="status tells the state, the keys and what has happened",
        ),
        pytest.param(
            """
              0 overdue -> False
              0 begin
              0 fail
              0 overdue -> True
              1 begin
              1 overdue -> False
              1 got 1000 a
              1 overdue -> False
              2 ask new -> wait until 3
              2 begin
              2 fail
              2 overdue -> False
            800 overdue -> False
            801 overdue -> True
            801 begin
            815 overdue -> False
            816 begin
            830 overdue -> False
            830 fail
            830 overdue -> True
            832 begin
            832 got 1000 a
            832 overdue -> False
            """,
            id="keys are overdue when their refresh has failed, or the first load, and none runs",
        ),
        pytest.param(
            "0 outlook -> tokens are answered 503"
            + WARM
            + """
            900 outlook -> the last good keys serve on, for at most 0 h 10 min
           1499 outlook -> the last good keys serve on, for at most 0 h 1 min
           1500 outlook -> tokens are answered 503
            """,
            id="the outlook is what an outage means for requests",
        ),
    ],
)
def test_rule(script: str) -> None:
    play(machine_of(), script)


def test_without_a_stale_window_keys_end_with_their_lifetime() -> None:
    script = """
        970 begin
        970 fail
        970 due       -> 1000
        999 ask a     -> key a
       1000 ask a     -> wait until 1005
    """
    play(machine_of(stale_if_error=0), FAILED_OFTEN + script)


def test_jitter_brings_refreshes_forward_by_5_percent_of_the_lifetime_and_retries_by_a_fifth() -> None:
    script = """
          0 due       -> 750
        750 begin
        750 fail
        750 due       -> 750.8
    """
    play(machine_of(uniform=hurried), WARM + script)


def test_jitter_is_random_whatever_the_application_seeds() -> None:
    state = random.getstate()
    due = set()
    for _ in range(20):
        machine = KeyMachine(stale_if_error=STALE)
        play(machine, WARM)
        due.add(machine.due())
    assert len(due) > 1
    assert all(750 <= moment <= 800 for moment in due)
    assert random.getstate() == state


@pytest.mark.parametrize(("asked_for", "due"), [(REMEMBERED_KIDS, 25), (REMEMBERED_KIDS + 1, 810)])
def test_no_more_kids_are_remembered_than_the_bound(asked_for: int, due: float) -> None:
    machine = machine_of()
    play(machine, WARM + "10 begin")
    kids = [f"bogus-{number}" for number in range(asked_for)]
    for kid in kids:
        look_up(machine, kid, 10, machine.arrival(10))
    machine.succeeded(machine.begun, key_list(*kids[1:]), 1000)
    assert machine.due() == due  # the first kid, if it is remembered, needs a further fetch


@pytest.mark.parametrize("rotation", [0.0, 0.1, 3.0, 14.9, 15.0, 15.1, 29.9, 44.0])
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_in_a_flood_of_bogus_kids_a_rotated_key_is_accepted_within_15_seconds_more_only_by_fetches_that_do_not_end(
    rotation: float, lost: int
) -> None:
    machine = machine_of()
    published = ["a"]
    play(machine, WARM)
    accepted_at, lost_ones = math.inf, list[int]()
    for tick in range(1000):  # ten strangers a second
        now = 1 + tick / 10
        look_up(machine, f"bogus-{tick}", now, machine.arrival(now))
        assert said(look_up(machine, "a", now, machine.arrival(now))) == "key a"
        if now > 1 + rotation:
            published = ["a", "rotated"]
            if said(look_up(machine, "rotated", now, machine.arrival(now))) == "key rotated":
                accepted_at = min(accepted_at, now)
        if machine.due() <= now:
            number = machine.begin(now)
            if now > 1 + rotation and len(lost_ones) < lost:
                lost_ones.append(number)
            else:
                machine.succeeded(number, key_list(*published), 1000)
        for number in lost_ones:
            if number < machine.begun:
                machine.succeeded(number, key_list("a"), 1000)
    assert accepted_at - (1 + rotation) <= 15 * (1 + lost) + 0.2  # two ticks of this test's own
    assert said(look_up(machine, "rotated", 101, machine.arrival(101))) == "key rotated"


class Model:
    """A machine in the hands of a runner, and all that a bystander can know of it."""

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self._machine = machine_of(uniform=jitter)
        self._jitter = jitter
        self._running: int | None = None
        self._lost: list[int] = []
        self._failures = 0
        self._began = self._refresh_at = self._retry_at = self._usable_until = -math.inf
        self._kids: tuple[str, ...] = ()
        self.for_strangers: list[list[float]] = [[]]  # in each process
        self.given_up = 0

    def ask(self, now: float, kid: str, fetches_ago: str = "0") -> None:
        answer = look_up(self._machine, kid, now, Arrival(now, self._machine.begun - int(fetches_ago)))
        usable = now < self._usable_until
        if kid in self._kids and usable:
            assert isinstance(answer, Key)
        elif isinstance(answer, Key):
            assert kid == "-"
            assert usable
        elif isinstance(answer, WaitUntil):
            assert now < answer.time <= now + PATIENCE
        elif isinstance(answer, KeysUnavailable):
            assert 1 <= (answer.retry_after or 0) <= 15
            assert self._running is not None or self._failures
        else:
            assert answer.reason == "unknown_key"
            assert usable
            assert not self._failures or kid == "-"

    def run(self, now: float) -> None:
        json.dumps(self._machine.status(now), allow_nan=False)
        scheduled, due = max(self._refresh_at, self._retry_at), self._machine.due()
        if self._running is not None:
            assert self._began + LOST_AFTER <= due <= max(scheduled, self._began + LOST_AFTER + COLD_BACK_OFF)
        else:
            assert due <= scheduled
        if due <= now:
            self._begin(now, scheduled)

    def _begin(self, now: float, scheduled: float) -> None:
        if self._running is not None:
            self._lost.append(self._running)
            self._failures += 1
            self.given_up += 1
        if now < scheduled:
            self.for_strangers[-1].append(now)
        number = self._machine.begin(now)
        assert number > (self._running or 0)
        self._running, self._began = number, now

    def end(self, now: float, *kids: str) -> None:
        number, self._running = self._running, None
        if number is not None and kids:
            self._machine.succeeded(number, key_list(*kids), 1000)
            self._kids, self._failures, self._retry_at = kids, 0, -math.inf
            self._refresh_at = self._began + 1000 * (0.8 - self._jitter(0, 0.05))
            self._usable_until = self._began + 1000 + STALE
        elif number is not None:
            self._machine.failed(number, now, "down")
            warm, cold = (self._jitter(0.8, 1) * min(most, 2**self._failures) for most in (60, 5))
            self._retry_at = min(now + warm, max(self._began + cold, self._usable_until))
            self._failures += 1

    def late(self, now: float, *kids: str) -> None:
        for number in self._lost:
            self._machine.succeeded(number, key_list(*kids), 1000)
            self._machine.failed(number, now, "down")

    def fork(self, now: float) -> None:
        self._machine.abandoned()
        self._running = None
        self.for_strangers.append([])


@pytest.mark.parametrize("jitter", [hurried, unhurried])
@pytest.mark.parametrize("seed", range(10))
def test_no_sequence_of_events_breaks_a_promise(seed: int, jitter: Callable[[float, float], float]) -> None:
    chance = random.Random(seed)
    asked = ["ask a", "ask b", "ask c", "ask d", "ask -", "ask c 1", "ask d 1", "ask d 2"]
    others = ["run", "run", "end a", "end a b", "end b c", "end", "end", "late a x", "fork"]
    weights = [2] * (len(asked) + len(others) - 1) + [0.1]
    pauses = [0.0, 0.1, 0.5, 1.0, 3.0, 10.0, 15.0, 100.0, 2000.0]
    model, now = Model(jitter), 0.0
    for verb, *words in map(str.split, chance.choices(asked + others, weights, k=4000)):
        now += chance.choices(pauses, weights=range(len(pauses), 0, -1))[0]
        getattr(model, verb)(now, *words)
    assert sum(map(len, model.for_strangers)) > 50
    assert model.given_up > 20
    assert all(later - earlier >= 15 for each in model.for_strangers for earlier, later in pairwise(each))
