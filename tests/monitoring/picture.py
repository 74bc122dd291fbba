"""The dashboard's panels with what Prometheus has found, as one SVG: a likeness that matplotlib draws, and says so."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from callerid.errors import REASONS
from tests.monitoring.dashboard import Panel
from tests.monitoring.prometheus import Series
from tests.monitoring.story import Chapter

__all__ = ["LABEL", "draw"]

LABEL = (
    "Drawn by matplotlib from what the dashboard's queries find in Prometheus, which scrapes the demo. Not a Grafana screenshot."
)

COLUMN, ROW = 0.56, 0.36  # inches
HEAD, FOOT = 0.95, 0.1
INK, FAINT, LINE, GROUND = "#1f2328", "#59636e", "#d1d9e0", "#f6f8fa"
SHADES = {"the key endpoint fails": "#ffd8d3", "each kind of refusal": "#dbe9ff"}
COLOURS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989"]
OF_REASON: dict[str, Any] = dict(zip(REASONS, mpl.color_sequences["tab20"], strict=False))
OF_REASON |= {"allowed": "#2da44e", "keys_unavailable": "#cf222e"}
WIDE = 60  # letters of all names; more stand beside the panel

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "callerid",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 7,
    "axes.edgecolor": LINE,
    "axes.labelcolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "text.color": INK,
}


def draw(
    path: Path,
    panels: Sequence[Panel],
    found: Mapping[str, Sequence[Sequence[Series]]],
    chapters: Sequence[Chapter],
    span: tuple[float, float],
) -> None:
    """Write the picture; `span` is the time that it shows, in seconds since the epoch."""
    rows = max(panel.place[1] + panel.place[3] for panel in panels)
    size = (24 * COLUMN, rows * ROW + HEAD + FOOT)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, facecolor=GROUND)
        _head(figure, size, chapters, span)
        for panel in panels:
            _Drawn(figure, size, panel, found[panel.title], span[0]).draw(chapters, span[1])
        figure.savefig(path, format="svg", facecolor=GROUND, metadata={"Date": None, "Title": f"callerid's dashboard. {LABEL}"})
    path.write_text(re.sub(r'(?<= d=")[^"]+', _rounded, path.read_text()))


def _head(figure: Figure, size: tuple[float, float], chapters: Sequence[Chapter], span: tuple[float, float]) -> None:
    def write(x: float, inches: float, text: str, **style: Any) -> None:
        figure.text(x / size[0], 1 - inches / size[1], text, **style)

    write(0.1, 0.3, "callerid", fontsize=13, fontweight="bold")
    write(0.1, 0.55, LABEL, fontsize=8.5, color=FAINT)
    write(0.1, 0.79, f"{span[1] - span[0]:.0f} seconds of three services on FastAPI, Flask and Django.", fontsize=8, color=FAINT)
    for number, chapter in enumerate(chapters):
        box = {"facecolor": SHADES[chapter.name], "edgecolor": "none", "boxstyle": "round,pad=0.3"}
        write(5.2 + 1.9 * number, 0.79, chapter.name, fontsize=8, bbox=box)


class _Drawn:
    """One panel on its white card."""

    def __init__(
        self, figure: Figure, size: tuple[float, float], panel: Panel, found: Sequence[Sequence[Series]], zero: float
    ) -> None:
        self._figure, self._size, self._panel, self._zero = figure, size, panel, zero
        self._series = [
            (_name(query.legend, each.labels), {at - zero: value for at, value in each.values.items()})
            for query, several in zip(panel.queries, found, strict=True)
            for each in several
        ]

    def draw(self, chapters: Sequence[Chapter], end: float) -> None:
        """The card, the title, and what is in it."""
        card = self._axes(0.06, 0.06, 0.06, 0.06)
        card.set(xticks=[], yticks=[], facecolor="white")
        x, y, *_ = self._panel.place
        at = ((x * COLUMN + 0.16) / self._size[0], 1 - (y * ROW + HEAD + 0.26) / self._size[1])
        self._figure.text(*at, self._panel.title, fontsize=8.5, fontweight="bold")
        if self._panel.kind == "stat":
            self._draw_stat()
        else:
            self._draw_lines(chapters, end)

    def _axes(self, left: float, right: float, top: float, bottom: float) -> Axes:
        """Axes with these margins within the panel, in inches."""
        x, y, columns, rows = self._panel.place
        width, height = self._size
        box = (
            (x * COLUMN + left) / width,
            1 - ((y + rows) * ROW + HEAD - bottom) / height,
            (columns * COLUMN - left - right) / width,
            (rows * ROW - top - bottom) / height,
        )
        return self._figure.add_axes(box)

    def _draw_stat(self) -> None:
        (_, values) = self._series[0]
        axes = self._axes(0.16, 0.16, 0.85, 0.12)
        axes.set_axis_off()
        axes.fill_between(list(values), list(values.values()), color="#2da44e", alpha=0.25, linewidth=0)
        axes.plot(list(values), list(values.values()), color="#2da44e", linewidth=1)
        axes.set_ylim(bottom=0)
        last = list(values.values())[-1]
        x, y, columns, _ = self._panel.place
        middle = ((x + columns / 2) * COLUMN / self._size[0], 1 - (y * ROW + HEAD + 0.68) / self._size[1])
        shown = self._panel.words.get(f"{last:g}", _number(last, self._panel.unit))
        self._figure.text(*middle, shown, fontsize=19, fontweight="bold", color="#1a7f37", ha="center")

    def _draw_lines(self, chapters: Sequence[Chapter], end: float) -> None:
        many = sum(len(name) for name, _ in self._series) > WIDE
        axes = self._axes(0.62, 1.75 if many else 0.2, 0.4, 0.32 if many else 0.52)
        for chapter in chapters:
            axes.axvspan(chapter.begin - self._zero, chapter.end - self._zero, color=SHADES[chapter.name], linewidth=0)
        if self._panel.is_stacked:
            self._stack(axes)
        else:
            for number, (name, values) in enumerate(self._series):
                style = "--" if self._hidden(number) else "-"
                axes.plot(list(values), list(values.values()), style, label=name, color=_colour(name, number), linewidth=1.2)
        axes.set_xlim(0, end - self._zero)
        if self._panel.is_logarithmic:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
        axes.set_axisbelow(True)
        axes.grid(color=LINE, linewidth=0.5)
        axes.tick_params(which="both", length=0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
        axes.yaxis.set_major_formatter(lambda value, _: _number(value, self._panel.unit))
        axes.spines[:].set_visible(False)
        side: Any = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "fontsize": 6.3, "labelspacing": 0.25}
        below: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.13), "ncols": 5, "fontsize": 7}
        axes.legend(frameon=False, handlelength=1, handletextpad=0.5, borderpad=0, **(side if many else below))

    def _hidden(self, number: int) -> bool:
        """Whether a line that is drawn before has the same values."""
        values = self._series[number][1]
        return any(values == before for _, before in self._series[:number])

    def _stack(self, axes: Axes) -> None:
        ordered = sorted(self._series, key=lambda each: (each[0] != "allowed", each[0]))
        times = sorted({at for _, values in ordered for at in values})
        heights = [[values.get(at, 0.0) for at in times] for _, values in ordered]
        colours = [_colour(name, number) for number, (name, _) in enumerate(ordered)]
        axes.stackplot(times, heights, labels=[name for name, _ in ordered], colors=colours, linewidth=0)


def _rounded(path: re.Match[str]) -> str:
    """Points to a tenth of a pixel, for a smaller file."""
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.1f}", path[0])


def _name(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels[match[1]].removeprefix("https://"), legend)


def _colour(name: str, number: int) -> Any:
    return OF_REASON.get(name, COLOURS[number % len(COLOURS)])


def _number(value: float, unit: str) -> str:
    match unit:
        case "percentunit":
            return f"{100 * value:.3g} %"
        case "s" if 0 < value < 0.9e-3:
            return f"{1e6 * value:.3g} µs"
        case "s" if 0 < value < 0.9:
            return f"{1e3 * value:.3g} ms"
        case "s":
            return f"{value:g} s"
        case "decbytes":
            return f"{value / 1000:.3g} kB"
        case "reqps" | "ops":
            return f"{value:g}/s"
    return f"{value:g}"
