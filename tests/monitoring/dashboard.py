"""What is in docs/monitoring/: the dashboard's panels, the alert rules, and the series that their expressions ask for."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = [
    "ALERTS",
    "ALERT_TESTS",
    "DOCS",
    "PICTURE",
    "Panel",
    "Query",
    "dashboard",
    "filled",
    "panels",
    "rules",
    "selectors",
]

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD, PICTURE = DOCS / "monitoring" / "dashboard.json", DOCS / "monitoring" / "dashboard.svg"
ALERTS, ALERT_TESTS = DOCS / "monitoring" / "alerts.yml", DOCS / "monitoring" / "alerts_test.yml"

_SELECTOR = re.compile(r"\b(?:callerid_\w+|up|ALERTS)\b(?:\{[^}]*\})?")


class Query(NamedTuple):
    """An expression, and what its series are called."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """A panel as far as it can be drawn; `place` is the left column of 24, the top row, columns and rows."""

    title: str
    kind: str
    unit: str
    place: tuple[int, int, int, int]
    queries: tuple[Query, ...]
    words: dict[str, str]
    is_stacked: bool
    is_logarithmic: bool


def dashboard() -> Any:
    """The dashboard, as Grafana imports it."""
    return json.loads(DASHBOARD.read_text())


def panels() -> list[Panel]:
    """The dashboard's panels."""
    return [_panel(each) for each in dashboard()["panels"]]


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def filled(expression: str, interval: str) -> str:
    """The expression with everything selected, as Grafana sends it."""
    return expression.replace("$__rate_interval", interval).replace("$job", ".+").replace("$instance", ".+")


def selectors(expression: str) -> list[str]:
    """The series that an expression asks for."""
    return _SELECTOR.findall(expression)


def _panel(panel: dict[str, Any]) -> Panel:
    at, defaults = panel["gridPos"], panel["fieldConfig"]["defaults"]
    custom = defaults.get("custom", {})
    mappings = defaults.get("mappings", [])
    return Panel(
        panel["title"],
        panel["type"],
        defaults["unit"],
        (at["x"], at["y"], at["w"], at["h"]),
        tuple(Query(target["expr"], target["legendFormat"]) for target in panel["targets"]),
        {value: shown["text"] for mapping in mappings for value, shown in mapping["options"].items()},
        custom.get("stacking", {}).get("mode") == "normal",
        custom.get("scaleDistribution", {}).get("type") == "log",
    )
