import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from callerid import Guard
from callerid.errors import REASONS
from callerid.guard import GuardStatus
from callerid.metrics.figures import FIGURES
from callerid.metrics.prometheus import PrometheusMetrics
from tests.metrics import worked
from tests.support import FakeIssuer, complains
from tests.test_reload import look


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """The exposition, as Prometheus reads it."""
    text = generate_latest(registry).decode()
    return {name: float(value) for name, value in re.findall(r"^(callerid\S+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_decisions_memory_and_keys(issuer: FakeIssuer, registry: CollectorRegistry) -> None:
    metrics = PrometheusMetrics(registry)
    metrics.watch(worked(issuer, metrics))
    found = scraped(registry)
    google = 'issuer="https://accounts.google.com"'
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert found["callerid_decision_seconds_count"] == 7
    assert 0 < found["callerid_decision_seconds_sum"] < 60
    assert 0 <= found[f"callerid_keys_age_seconds{{{google}}}"] < 60
    assert found["callerid_memory_size_bytes"] > 1000


def test_every_reason_is_told_before_it_has_come(registry: CollectorRegistry) -> None:
    PrometheusMetrics(registry)
    found = scraped(registry)
    for reason in ("allowed", *REASONS):
        assert found[f'callerid_decisions_total{{by="guard",reason="{reason}"}}'] == 0
    for reason in REASONS:
        assert found[f'callerid_decisions_total{{by="handler",reason="{reason}"}}'] == 0


EXPECTED = {
    'callerid_decisions_total{by="guard",reason="allowed"}': 4,
    'callerid_decisions_total{by="guard",reason="missing_credentials"}': 1,
    'callerid_decisions_total{by="guard",reason="caller_not_allowed"}': 1,
    'callerid_decisions_total{by="handler",reason="caller_not_allowed"}': 1,
    "callerid_policy_current": 1,
    "callerid_memory_entries": 1,
    'callerid_memory_lookups_total{result="hit"}': 2,
    'callerid_memory_lookups_total{result="miss"}': 2,
    'callerid_memory_lookups_total{result="lapsed"}': 0,
    "callerid_memory_evictions_total": 0,
    'callerid_keys{issuer="https://accounts.google.com"}': 1,
    'callerid_keys_ready{issuer="https://accounts.google.com"}': 1,
    'callerid_key_fetches_total{issuer="https://accounts.google.com"}': 1,
    'callerid_key_fetch_failures_total{issuer="https://accounts.google.com"}': 0,
    'callerid_unknown_kids_total{issuer="https://accounts.google.com"}': 0,
}


def test_keys_that_have_no_age(registry: CollectorRegistry) -> None:
    with FakeIssuer() as issuer:
        issuer.status = 500
        metrics = PrometheusMetrics(registry)
        metrics.watch(Guard(audience="a", callers=["allAuthenticatedUsers"], issuers=[issuer.google()], on_decision=metrics))
        assert not any(name.startswith("callerid_keys_age") for name in scraped(registry))


def test_a_policy_that_is_older_than_its_file(tmp_path: Path, registry: CollectorRegistry) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("audience = 'a'\ncallers = ['allAuthenticatedUsers']")
    guard = Guard.from_file(path)
    PrometheusMetrics(registry).watch(guard)
    assert scraped(registry)["callerid_policy_current"] == 1
    path.write_text("audience = 'a'\ncallers = []")
    look(guard)
    assert scraped(registry)["callerid_policy_current"] == 0
    path.write_text("audience = 'a'\ncallers = ['allUsers']")
    look(guard)
    assert scraped(registry)["callerid_policy_current"] == 1


class Counting(Guard):
    """One that knows how often its status has been asked for."""

    asked = 0

    def status(self) -> dict[str, GuardStatus]:
        self.asked += 1
        return super().status()


def test_a_scrape_asks_for_the_status_once(issuer: FakeIssuer, registry: CollectorRegistry) -> None:
    guard = Counting(audience="a", callers=["allAuthenticatedUsers"], issuers=[issuer.google()])
    PrometheusMetrics(registry).watch(guard)
    scraped(registry)
    assert guard.asked == 1


def test_one_guard_for_each_registry(issuer: FakeIssuer, registry: CollectorRegistry) -> None:
    metrics = PrometheusMetrics(registry)
    guard = worked(issuer, metrics)
    metrics.watch(guard)
    with complains("metrics: one Guard is watched already"):
        metrics.watch(guard)


def test_the_documentation_names_every_figure() -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    told = {row[0]: row[1] for row in re.findall(r"^\| `(callerid_\w+)[^|]*\| `(callerid[.\w]+)`", page, re.MULTILINE)}
    known = {
        f"callerid_{each.name}{'_' * bool(each.unit)}{each.unit}{'_total' if each.grows else ''}": f"callerid.{each.name}"
        for each in FIGURES
    }
    known |= {"callerid_decisions_total": "callerid.decisions", "callerid_decision_seconds": "callerid.decision.duration"}
    assert told == known
