"""The rules of key fetching, each a short script of moments, events and answers. Nothing here takes time."""

import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from callerid import KeysUnavailable, Refused
from callerid.keys.keyset import KeyList
from callerid.keys.machine import REMEMBERED_KIDS, KeyMachine, WaitUntil
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


def look_up(machine: KeyMachine, kid: str, now: float) -> Key | WaitUntil | Refused:
    try:
        return machine.look_up(None if kid == "-" else kid, "RS256", now, PATIENCE)
    except Refused as refused:
        return refused


def ask(machine: KeyMachine, kid: str, now: float) -> str:
    match look_up(machine, kid, now):
        case Key() as key:
            return f"key {key.kid}"
        case WaitUntil(time):
            return f"wait until {time:g}"
        case KeysUnavailable() as refused:
            return f"keys_unavailable for {refused.retry_after}"
        case refused:
            return refused.reason


def play(machine: KeyMachine, script: str) -> None:
    """Each line is a moment, an event with its words, and behind an arrow what must come of it."""
    for line in filter(str.strip, script.splitlines()):
        event, _, expected = line.partition("->")
        moment, verb, *words = event.split()
        now = float(moment)
        outcome = ""
        match verb:
            case "ask":
                outcome = ask(machine, words[0], now)
            case "due":
                outcome = f"{machine.due():g}"
            case "begin":
                machine.begin(now)
            case "got":
                machine.succeeded(key_list(*words[1:]), float(words[0]))
            case "fail":
                machine.failed(now)
            case _:
                assert verb == "fork"
                machine.abandoned()
        assert outcome == expected.strip(), line


WARM = """
    0 begin
    0 got 1000 a b
"""


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
              5 ask a     -> wait until 5.1
            5.1 ask a     -> keys_unavailable for 1
              6 got 1000 a
              6 ask a     -> key a
            """,
            id="with no keys yet everybody waits, until the fetch's start + patience",
        ),
        pytest.param(
            """
              0 begin
            0.5 ask new   -> wait until 5
              1 got 1000 a
              1 ask new   -> wait until 2
              1 begin
              1 got 1000 a
              1 ask new   -> unknown_key
            """,
            id="a first load that lacks the kid does not decide: it began before the kid was asked for",
        ),
        pytest.param(
            """
              0 ask new   -> wait until 5
              0 begin
              1 got 1000 a
              1 ask new   -> unknown_key
              1 due       -> 800
            """,
            id="a first load that began after the kid was asked for does",
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
              1 ask a     -> keys_unavailable for 2
              3 begin
              3 fail
              3 due       -> 7
              7 begin
             12 fail
             12 due       -> 17
           12.5 ask a     -> keys_unavailable for 5
             17 begin
             17 fail
             17 due       -> 22
             22 begin
             22 got 1000 a
             22 ask a     -> key a
            """,
            id="before there are keys the back-off grows to 5 s, counts from the failure, and nobody waits in it",
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
            id="after that it grows to 60 s, and a success ends it",
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
           1501 ask -     -> keys_unavailable for 2
           1503 begin
           1503 got 1000 a
           1503 ask a     -> key a
            """,
            id="the last good keys serve on past their lifetime for the stale window and no longer",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 due       -> -inf
           10.5 begin
             11 ask new   -> wait until 11.5
           11.2 ask a     -> key a
           11.4 ask other -> wait until 11.5
           11.5 ask new   -> keys_unavailable for 1
             12 got 1000 a new
             12 ask new   -> key new
             12 due       -> 25.5
           25.5 begin
           25.5 got 1000 a new
           25.5 due       -> 825.5
           25.5 ask other -> unknown_key
            """,
            id="for an unknown kid one fetch begins at once and is waited for until its start + 1 s",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             10 got 1000 a b
             10 ask new   -> unknown_key
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
             10 ask new   -> wait until 11
             10 begin
             10 fail
             10 ask new   -> keys_unavailable for 15
             10 due       -> 25
             12 ask other -> keys_unavailable for 13
             25 begin
             25 fail
             25 ask new   -> keys_unavailable for 15
             40 begin
             40 got 1000 a
             40 ask new   -> unknown_key
             40 ask other -> unknown_key
            """,
            id="a failed fetch takes from the budget too, and is a 503 for an unknown kid",
        ),
        pytest.param(
            WARM
            + """
            800 begin
            800 got 1000 a
            801 ask new   -> wait until 802
            801 begin
            801 got 1000 a new
            801 ask new   -> key new
            """,
            id="a scheduled fetch takes nothing from it",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          800.1 ask new   -> wait until 801
          800.5 got 1000 a
          800.5 ask new   -> wait until 801.5
          800.5 begin
          800.6 got 1000 a new
          800.6 ask new   -> key new
            """,
            id="a kid asked for while a scheduled fetch runs gets a fetch of its own",
        ),
        pytest.param(
            WARM
            + """
            800 begin
          800.1 ask new   -> wait until 801
          800.5 got 1000 a new
          800.5 ask new   -> key new
          800.5 due       -> 1600
            """,
            id="unless that one brings it",
        ),
        pytest.param(
            WARM
            + """
             10 ask new   -> wait until 11
             10 begin
             10 got 1000 a
             11 ask new   -> unknown_key
             30 ask new   -> unknown_key
             30 due       -> 810
            810 begin
            810 fail
            810 ask new   -> unknown_key
            811 begin
            811 got 1000 a
            812 ask new   -> wait until 813
            """,
            id="a kid that a successful fetch lacked is unknown until the next generation, without a fetch",
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
    ],
)
def test_rule(script: str) -> None:
    play(KeyMachine(stale_if_error=STALE, uniform=unhurried), script)


def test_without_a_stale_window_keys_end_with_their_lifetime() -> None:
    script = """
        999 ask a     -> key a
       1000 ask a     -> wait until 1005
    """
    play(KeyMachine(stale_if_error=0, uniform=unhurried), WARM + script)


def test_jitter_brings_refreshes_forward_by_5_percent_of_the_lifetime_and_retries_by_a_fifth() -> None:
    script = """
          0 due       -> 750
        750 begin
        750 fail
        750 due       -> 750.8
    """
    play(KeyMachine(stale_if_error=STALE, uniform=hurried), WARM + script)


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


def test_no_more_kids_are_remembered_than_the_bound() -> None:
    machine = KeyMachine(stale_if_error=STALE, uniform=unhurried)
    play(machine, WARM)
    for number in range(REMEMBERED_KIDS + 1):
        ask(machine, f"bogus-{number}", 1)
    script = f"""
          1 begin
          1 got 1000 a
          2 ask bogus-{REMEMBERED_KIDS} -> unknown_key
          2 ask bogus-1  -> unknown_key
          2 due          -> 801
          2 ask bogus-0  -> unknown_key
          2 due          -> 16
    """
    play(machine, script)


@pytest.mark.parametrize("rotation", [0.0, 0.1, 3.0, 14.9, 15.0, 15.1, 29.9, 44.0])
def test_after_a_flood_of_bogus_kids_a_rotated_key_is_accepted_within_15_seconds(rotation: float) -> None:
    machine = KeyMachine(stale_if_error=STALE, uniform=unhurried)
    published = ["a"]
    play(machine, WARM)
    accepted_at = math.inf
    for tick in range(1000):  # ten strangers a second
        now = 1 + tick / 10
        ask(machine, f"bogus-{tick}", now)
        assert ask(machine, "a", now) == "key a"
        if now > 1 + rotation:
            published = ["a", "rotated"]
            if ask(machine, "rotated", now) == "key rotated":
                accepted_at = min(accepted_at, now)
        if machine.due() <= now:
            machine.begin(now)
            machine.succeeded(key_list(*published), 1000)
    assert accepted_at - (1 + rotation) <= 15.2  # two ticks of this test's own


class Model:
    """A machine in the hands of a runner, and all that a bystander can know of it."""

    def __init__(self, jitter: Callable[[float, float], float]) -> None:
        self._machine = KeyMachine(stale_if_error=STALE, uniform=jitter)
        self._jitter = jitter
        self._running = False
        self._failures = 0
        self._began = self._refresh_at = self._retry_at = self._usable_until = -math.inf
        self._kids: tuple[str, ...] = ()
        self.for_strangers: list[float] = []

    def ask(self, now: float, kid: str) -> None:
        answer = look_up(self._machine, kid, now)
        if kid in self._kids and now < self._usable_until:
            assert isinstance(answer, Key)
        elif isinstance(answer, Key):
            assert kid == "-"
            assert now < self._usable_until
        elif isinstance(answer, WaitUntil):
            assert now < answer.time <= now + PATIENCE
        else:
            assert answer.reason == "unknown_key" or (answer.retry_after or 0) >= 1

    def run(self, now: float) -> None:
        due = self._machine.due()
        assert not math.isnan(due)
        assert not (self._running and due <= now)
        if due <= now:
            if now < max(self._refresh_at, self._retry_at):
                self.for_strangers.append(now)
            self._machine.begin(now)
            self._running, self._began = True, now

    def end(self, now: float, *kids: str) -> None:
        running, self._running = self._running, False
        if running and kids:
            self._machine.succeeded(key_list(*kids), 1000)
            self._kids, self._failures, self._retry_at = kids, 0, -math.inf
            self._refresh_at = self._began + 1000 * (0.8 - self._jitter(0, 0.05))
            self._usable_until = self._began + 1000 + STALE
        elif running:
            self._machine.failed(now)
            self._retry_at = now + min(60 if self._kids else 5, 2**self._failures) * self._jitter(0.8, 1)
            self._failures += 1


@pytest.mark.parametrize("jitter", [hurried, unhurried])
@pytest.mark.parametrize("seed", range(10))
def test_no_sequence_of_events_breaks_a_promise(seed: int, jitter: Callable[[float, float], float]) -> None:
    chance = random.Random(seed)
    steps = ["ask a", "ask b", "ask c", "ask d", "ask -", "run", "run", "end a", "end a b", "end b c", "end", "end"]
    pauses = [0.0, 0.1, 0.5, 1.0, 3.0, 10.0, 15.0, 100.0, 2000.0]
    model, now = Model(jitter), 0.0
    for verb, *words in map(str.split, chance.choices(steps, k=3000)):
        now += chance.choices(pauses, weights=range(len(pauses), 0, -1))[0]
        getattr(model, verb)(now, *words)
    assert len(model.for_strangers) > 50
    assert all(later - earlier >= 15 for earlier, later in pairwise(model.for_strangers))
