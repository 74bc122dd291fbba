"""The table that the fault suite ends with. How to read it: `tests/faults/__init__.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.load import Load, percentile

__all__ = ["Row", "compared", "rendered"]

HEADINGS = ("fault", "requests", "failed", "fetches", "unrelated ms", "callers p99", "memory MB", "recovery s")


@dataclass(frozen=True)
class Row:
    """One fault and its figures; pairs are without the fault and with it."""

    fault: str
    requests: int | None
    failed: int | None
    fetches: int
    unrelated: tuple[float, float] | None = None
    callers: tuple[float, float] | None = None
    memory: float | None = None
    recovery: float | None = None

    def cells(self) -> tuple[str, ...]:
        """The figures as the table shows them."""
        counts = (self.requests, self.failed, self.fetches)
        return (
            self.fault,
            *map(_count, counts),
            _pair(self.unrelated),
            _pair(self.callers),
            _number(self.memory),
            _number(self.recovery),
        )


def compared(
    fault: str, without: Load, during: Load, fetches: int, *, memory: float | None = None, recovery: float | None = None
) -> Row:
    """The row of two equal phases, one without the fault and one with it."""
    return Row(
        fault,
        len(during.callers),
        during.failed,
        fetches,
        (percentile(1, without.unrelated), percentile(1, during.unrelated)),
        (percentile(0.99, without.callers), percentile(0.99, during.callers)),
        memory,
        recovery,
    )


def rendered(rows: Sequence[Row]) -> list[str]:
    """The lines of the table; none without rows."""
    lines = [HEADINGS, *(row.cells() for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [_aligned(cells, widths) for cells in lines]


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    (fault, width), *figures = zip(cells, widths, strict=True)
    return "  ".join([fault.ljust(width), *(figure.rjust(width) for figure, width in figures)])


def _count(value: int | None) -> str:
    return "–" if value is None else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _pair(values: tuple[float, float] | None) -> str:
    return "–" if values is None else f"{values[0]:.1f} → {values[1]:.1f}"
