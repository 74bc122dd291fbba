"""Rounds in which every subject is timed once, and the figures that come out of them."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, repeat
from typing import NamedTuple, TypeVar

__all__ = ["Call", "Effort", "Figure", "Results", "Times", "above", "in_turn", "ratios", "rounds"]

T = TypeVar("T")

Call = Callable[[], object]
Times = dict[str, list[float]]  # the seconds of each subject, round by round


class Effort(NamedTuple):
    """How much is done for a figure."""

    rounds: int  # of calls within a process
    seconds: float  # for each subject in each of them
    processes: int  # rounds of new processes
    loads: int  # rounds of load on servers
    load_seconds: int  # for each application in each of them
    tokens: int  # that are verified for the memory's size
    scale: int  # by which the largest of a scale is divided
    frameworks: tuple[str, ...] = ()  # on servers; all unless named


class Figure(NamedTuple):
    """A median, and what it lies between: the quartiles, or the extremes where there are few rounds."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """With the quartiles."""
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))

    @classmethod
    def with_range(cls, values: Sequence[float]) -> "Figure":
        """With the least and the largest."""
        return cls(min(values), statistics.median(values), max(values))

    def times(self, factor: float) -> "Figure":
        """In another unit."""
        return Figure(self.low * factor, self.median * factor, self.high * factor)


# Tables of rows; a row without a figure says why there is none.
Results = dict[str, dict[str, Figure | str]]


def rounds(subjects: Mapping[str, Call], effort: Effort) -> Times:
    """The seconds that one call of each subject takes, in each round. Every other round goes the other way."""
    loops = {name: _loops(call, effort.seconds) for name, call in subjects.items()}
    times: Times = {name: [] for name in subjects}
    order = list(subjects)
    with _no_collection():
        for _ in range(effort.rounds):
            for name in order:
                times[name].append(_seconds(subjects[name], loops[name]))
            order.reverse()
    return times


def ratios(times: Sequence[float], reference: Sequence[float]) -> Figure:
    """How many times as long as the reference, round by round."""
    return Figure.of([own / other for own, other in zip(times, reference, strict=True)])


def above(times: Sequence[float], without: Sequence[float], reference: Sequence[float]) -> Figure:
    """How much longer than without, in units of the reference, round by round."""
    return Figure.of([(own - bare) / unit for own, bare, unit in zip(times, without, reference, strict=True)])


def _seconds(call: Call, loops: int) -> float:
    turns = repeat(None, loops)
    begun = time.perf_counter_ns()
    for _ in turns:
        call()
    return (time.perf_counter_ns() - begun) / loops / 1e9


def _loops(call: Call, seconds: float) -> int:
    """How many calls take about so long. The first ones only warm up."""
    loops, taken = 1, 0.0
    call()
    while (taken := _seconds(call, loops) * loops) < seconds / 4:
        loops *= 2
    return max(1, round(loops * seconds / taken))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage is collected at a time of its own choosing, which would be some subject's bad luck."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_turn(values: Iterable[T]) -> Callable[[], T]:
    """The next one of these, for ever."""
    return cycle(list(values)).__next__
