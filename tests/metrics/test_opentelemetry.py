from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from callerid.metrics.opentelemetry import OpenTelemetryMetrics
from tests.metrics import worked
from tests.support import AUDIENCE, LOGIN, STRANGER, FakeIssuer, reason

GOOGLE = "https://accounts.google.com"


def points(reader: InMemoryMetricReader) -> dict[tuple[Any, ...], Any]:
    """Each measurement by its name and what its attributes say."""
    data: Any = reader.get_metrics_data()
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {(metric.name, *point.attributes.values()): point for metric in scope.metrics for point in metric.data.data_points}


def test_decisions_memory_and_keys(issuer: FakeIssuer) -> None:
    reader = InMemoryMetricReader()
    metrics = OpenTelemetryMetrics(MeterProvider([reader]))
    metrics.watch(worked(issuer, metrics))
    found = points(reader)
    assert {name: found[name].value for name in EXPECTED} == EXPECTED
    assert found["callerid.decision.duration",].count == 7
    assert found["callerid.keys_age", GOOGLE].value >= 0


EXPECTED = {
    ("callerid.decisions", "allowed", "guard"): 4,
    ("callerid.decisions", "caller_not_allowed", "guard"): 1,
    ("callerid.decisions", "caller_not_allowed", "handler"): 1,
    ("callerid.decisions", "missing_credentials", "guard"): 1,
    ("callerid.policy_current",): 1,
    ("callerid.memory_entries",): 1,
    ("callerid.memory_lookups", "hit"): 2,
    ("callerid.memory_lookups", "miss"): 2,
    ("callerid.keys_ready", GOOGLE): 1,
    ("callerid.key_fetches", GOOGLE): 1,
}


def test_the_span_knows_who_calls(issuer: FakeIssuer) -> None:
    guard = worked(issuer, OpenTelemetryMetrics(MeterProvider()))
    tracer = TracerProvider().get_tracer("test")

    def attributes(member: str) -> dict[str, Any]:
        with tracer.start_as_current_span("request") as span:
            reason(guard.check, "GET", "/", issuer.headers(member, AUDIENCE))
        recorded: Any = span
        return dict(recorded.attributes)

    assert attributes(LOGIN) == {"callerid.reason": "allowed", "enduser.id": LOGIN}
    assert attributes(STRANGER) == {"callerid.reason": "caller_not_allowed"}
