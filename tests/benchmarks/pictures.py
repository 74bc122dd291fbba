"""SVG pictures of the figures: bars on a logarithmic or linear scale, and lines. The same figures make the same file."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Bar", "bars", "lines", "number"]

STYLE = """
    text { font: 13px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #424a53 }
    .group { font-weight: 600; fill: #1f2328 }
    .label, .right { text-anchor: end }
    .middle { text-anchor: middle }
    .grid { stroke: #8c959f; stroke-opacity: .35 }
    .line { fill: none; stroke-width: 2 }
    .reference { fill: #8c959f; stroke: #8c959f }
    .ours { fill: #0969da; stroke: #0969da }
    .other { fill: #bc8f4b; stroke: #bc8f4b }
    .third { fill: #1a7f37; stroke: #1a7f37 }
    .line.reference, .line.ours, .line.other, .line.third { fill: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #b3bcc6 }
      .group { fill: #e6edf3 }
      .ours { fill: #58a6ff; stroke: #58a6ff }
      .other { fill: #d4a55c; stroke: #d4a55c }
      .third { fill: #3fb950; stroke: #3fb950 }
    }
"""
WIDTH, ROW, TOP = 860, 22, 34
LEFT, RIGHT = 300, 780  # of the scale
HEIGHT = 240  # of lines
KINDS = ("ours", "other", "third", "reference")


class Bar(NamedTuple):
    """One row; without a value it is a heading."""

    label: str
    value: float | None = None
    kind: str = "other"


def bars(title: str, rows: Sequence[Bar], *, unit: str = "×", logarithmic: bool = False) -> str:
    """Horizontal bars, one below the other."""
    values = [row.value for row in rows if row.value is not None]
    ticks = _powers(min(values), max(values)) if logarithmic else _steps(max(values))
    bottom = TOP + ROW * len(rows)
    inner = [_grid(_place(tick, ticks, logarithmic), TOP, bottom, f"{tick:g}{unit}") for tick in ticks]
    for index, row in enumerate(rows):
        inner += _row(row, TOP + ROW * index, lambda value: _place(value, ticks, logarithmic), unit)
    return _svg(title, bottom + 30, inner)


def lines(title: str, series: Mapping[str, Mapping[int, float]], *, unit: str = "×") -> str:
    """A line for each series over a logarithmic scale of counts."""
    counts = sorted({count for points in series.values() for count in points})
    ticks = _steps(max(value for points in series.values() for value in points.values()))
    bottom, left = TOP + HEIGHT, 70

    def x(count: int) -> float:
        return left + (RIGHT - 170 - left) * math.log10(count) / max(1.0, math.log10(counts[-1]))

    def y(value: float) -> float:
        return bottom - HEIGHT * value / ticks[-1]

    inner = [
        f'<path class="grid" d="M{left} {y(tick):.1f}H{RIGHT - 170}"/>'
        f'<text class="right" x="{left - 8}" y="{y(tick) + 4:.1f}">{tick:g}{unit}</text>'
        for tick in ticks
    ]
    inner += [
        f'<text class="middle" x="{x(count):.1f}" y="{bottom + 20}">{count:,}</text>'
        for count in map(round, _powers(1, counts[-1]))
    ]
    for index, (name, points) in enumerate(series.items()):
        path = "L".join(f"{x(count):.1f} {y(value):.1f}" for count, value in points.items())
        inner.append(f'<path class="line {KINDS[index]}" d="M{path}"/>')
        inner += [f'<circle class="{KINDS[index]}" cx="{x(at):.1f}" cy="{y(value):.1f}" r="3"/>' for at, value in points.items()]
        label = TOP + 20 * index
        inner.append(f'<rect class="{KINDS[index]}" x="{RIGHT - 140}" y="{label}" width="12" height="12"/>')
        inner.append(f'<text x="{RIGHT - 122}" y="{label + 11}">{escape(name)}</text>')
    return _svg(title, bottom + 30, inner)


def number(value: float) -> str:
    """With as many digits as say something."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 0.1 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _row(row: Bar, top: int, place: Callable[[float], float], unit: str) -> Iterator[str]:
    base = top + ROW - 7
    if row.value is None:
        yield f'<text class="group" x="{LEFT - 8}" y="{base}" text-anchor="end">{escape(row.label)}</text>'
        return
    end = place(row.value)
    yield f'<text class="label" x="{LEFT - 8}" y="{base}">{escape(row.label)}</text>'
    yield f'<rect class="{row.kind}" x="{LEFT}" y="{top + 4}" width="{max(1, end - LEFT):.1f}" height="{ROW - 8}"/>'
    yield f'<text x="{max(LEFT, end) + 6:.1f}" y="{base}">{number(row.value)}{unit}</text>'


def _place(value: float, ticks: Sequence[float], logarithmic: bool) -> float:
    if logarithmic:
        least, most, at = (math.log10(each) for each in (ticks[0], ticks[-1], value))
    else:
        least, most, at = 0, ticks[-1], value
    return LEFT + (RIGHT - LEFT) * (at - least) / (most - least)


def _powers(least: float, most: float) -> list[float]:
    """The powers of ten around."""
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _steps(most: float) -> list[float]:
    """From nothing to beyond the largest value, in steps of 1, 2 or 5."""
    size = 10.0 ** math.floor(math.log10(most))
    step = next(factor * size for factor in (0.2, 0.5, 1, 2) if most <= 5 * factor * size)
    return [step * index for index in range(math.ceil(most / step - 1e-9) + 1)]


def _grid(x: float, top: int, bottom: int, label: str) -> str:
    return f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/><text class="middle" x="{x:.1f}" y="{bottom + 20}">{label}</text>'


def _svg(title: str, height: int, inner: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
    body = "\n  ".join([f"<title>{escape(title)}</title>", f"<style>{STYLE}  </style>", *inner])
    return f"{head}\n  {body}\n</svg>\n"
