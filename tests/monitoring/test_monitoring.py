"""The dashboard and the alert rules are what Grafana and Prometheus take, and ask for what is told. No Prometheus is needed."""

import re
import shutil
import subprocess
from itertools import combinations, pairwise
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from callerid import Guard
from callerid.metrics.prometheus import PrometheusMetrics
from tests.monitoring.dashboard import ALERT_TESTS, ALERTS, DOCS, PICTURE, dashboard, filled, panels, rules, selectors
from tests.support import AUDIENCE, LOGIN, FakeIssuer, named

OF_EVERY_TARGET = {"job", "instance"}
PROMTOOL = shutil.which("promtool")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')

EXPRESSIONS = [(panel.title, query.expression) for panel in panels() for query in panel.queries] + [
    (rule["alert"], rule["expr"]) for rule in rules()
]


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, set[str]]]:
    """Every series that is told to Prometheus: the values of each of its labels."""
    with FakeIssuer() as issuer:
        registry = CollectorRegistry()
        metrics = PrometheusMetrics(registry)
        guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()], on_decision=metrics)
        guard.warm_up()
        metrics.watch(guard)
        exposed = generate_latest(registry).decode()
    found: dict[str, dict[str, set[str]]] = {"up": {}}
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def unknown(expression: str, told: dict[str, dict[str, set[str]]]) -> list[str]:
    """What an expression asks for and nobody tells."""
    found = []
    labels = set(OF_EVERY_TARGET)
    for selector in selectors(expression):
        name = selector.partition("{")[0]
        known = told.get(name, {})
        labels |= known.keys()
        found += [] if name in told else [name]
        for label, _, value in MATCHER.findall(selector):
            words = set() if label in OF_EVERY_TARGET else set(value.split("|"))
            found += [f"{label}={word}" for word in sorted(words - known.get(label, set()))]
    grouped = {label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")}
    return found + sorted(grouped - labels)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_expression_asks_for_what_is_told(where: str, expression: str, told: dict[str, dict[str, set[str]]]) -> None:
    assert selectors(expression)
    assert unknown(expression, told) == []


@pytest.mark.parametrize(
    ("expression", "what"),
    named(
        ("a metric", "rate(callerid_decision_total[5m])", ["callerid_decision_total"]),
        ("a label", 'callerid_keys_ready{key="1"}', ["key=1"]),
        ("a value", 'callerid_decisions_total{reason=~"allowed|refused"}', ["reason=refused"]),
        ("a label that is summed by", "sum by (job, issuer) (callerid_memory_entries)", ["issuer"]),
    ),
)
def test_what_is_not_told_is_found(expression: str, what: list[str], told: dict[str, dict[str, set[str]]]) -> None:
    assert unknown(expression, told) == what


def test_the_dashboard_shows_everything_that_is_told(told: dict[str, dict[str, set[str]]]) -> None:
    shown = {selector.partition("{")[0] for _, expression in EXPRESSIONS[: -len(rules())] for selector in selectors(expression)}
    assert {name for name in told if not name.endswith(("_created", "_seconds_sum", "_seconds_count"))} == shown


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    board = dashboard()
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["datasource"]["query"] == "prometheus"
    assert board["schemaVersion"] >= 39
    sources = [*board["panels"], *board["annotations"]["list"], *list(variables.values())[1:]]
    sources += [target for panel in board["panels"] for target in panel["targets"]]
    assert {tuple(each["datasource"].items()) for each in sources} == {(("type", "prometheus"), ("uid", "${datasource}"))}
    asked = set(re.findall(r"\$(\w+)", str(board["panels"]) + str(board["annotations"])))
    assert asked == {"__rate_interval", "job", "instance"}
    assert "$" not in filled("".join(expression for _, expression in EXPRESSIONS), "5s")


def test_panels_have_names_of_their_own_say_what_they_show_and_fill_their_rows() -> None:
    board = dashboard()["panels"]
    assert len({panel["id"] for panel in board}) == len({panel["title"] for panel in board}) == len(board)
    assert all(panel["description"].endswith((".", "CalleridKeysNotReady.")) for panel in board)
    cells = [
        {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        for x, y, width, height in (panel.place for panel in panels())
    ]
    assert not any(one & other for one, other in combinations(cells, 2))
    rows = sorted({row for each in cells for _, row in each})
    assert set().union(*cells) == {(column, row) for column in range(24) for row in rows}
    assert all(after == before + 1 for before, after in pairwise(rows))


def test_legends_name_labels_that_their_series_have(told: dict[str, dict[str, set[str]]]) -> None:
    labels = OF_EVERY_TARGET | {label for known in told.values() for label in known}
    assert {name for panel in panels() for query in panel.queries for name in re.findall(r"\{\{(\w+)\}\}", query.legend)} <= labels


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in rules()])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Callerid")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert all(rule["annotations"].values())


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in rules()])
def test_an_alerts_runbook_is_a_page_here_and_a_heading_on_it(rule: dict[str, Any]) -> None:
    file, _, heading = rule["annotations"]["runbook"].partition("#")
    page = (DOCS.parent / file).read_text()
    headings = [line.lstrip("# ").lower().replace(" ", "-") for line in page.splitlines() if line.startswith("#")]
    assert heading in ("", *headings)


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    tests = [alert for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"] for alert in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {alert["alertname"] for alert in tests if alert.get("exp_alerts")} == names
    among_others = {"CalleridCallersRefused"}  # it fires for two of the jobs there, and for two it does not
    assert {alert["alertname"] for alert in tests if not alert.get("exp_alerts")} | among_others == names


def test_the_documentation_tells_of_every_alert() -> None:
    page = (DOCS / "monitoring.md").read_text()
    rows = re.findall(r"^\| `(Callerid\w+)` \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"], rule["for"]) for rule in rules()]


def test_the_picture_is_of_this_dashboard_and_says_what_it_is() -> None:
    picture, page = PICTURE.read_text(), (DOCS / "monitoring.md").read_text()
    assert [panel.title for panel in panels() if f">{panel.title}</text>" not in picture] == []
    for told in (picture, page):
        assert "matplotlib" in told
        assert "Not a Grafana screenshot" in told


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; `make monitoring` needs it")
@pytest.mark.parametrize("words", [("check", "rules", str(ALERTS)), ("test", "rules", str(ALERT_TESTS))], ids=" ".join)
def test_promtool_finds_no_fault(words: tuple[str, ...]) -> None:  # pragma: no cover  (CI may have none at that time)
    assert PROMTOOL is not None
    run = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
