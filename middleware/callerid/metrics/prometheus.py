"""Prometheus, through its own client: counters and a histogram of decisions, and the memory and keys as they are when asked.

metrics = PrometheusMetrics()
guard = Guard(…, on_decision=metrics)
metrics.watch(guard)
"""

from collections.abc import Iterator
from itertools import product

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from callerid.errors import REASONS, ConfigurationError
from callerid.guard import Guard
from callerid.metrics.figures import ALLOWED, BOUNDS, FIGURES, Figure, Reading
from callerid.policy import Decision

__all__ = ["PrometheusMetrics"]


class PrometheusMetrics:
    """Counts what it is told as a Guard's `on_decision`, in a registry of the client's, which then reads the watched Guard, too."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._decisions = Counter(
            "callerid_decisions", "requests by what was decided about them, and by whom", ["reason", "by"], registry=registry
        )
        for reason, by in [(ALLOWED, "guard"), *product(REASONS, ("guard", "handler"))]:
            self._decisions.labels(reason, by)  # a series that begins with its first refusal has no rate to alert on
        self._seconds = Histogram(
            "callerid_decision_seconds", "how long a decision took, a wait for keys included", buckets=BOUNDS, registry=registry
        )
        self._watched: Guard | None = None

    def __call__(self, decision: Decision) -> None:
        """Count a decision."""
        self._decisions.labels(decision.reason or ALLOWED, decision.by).inc()
        self._seconds.observe(decision.seconds)

    def watch(self, guard: Guard) -> None:
        """Tell of this Guard's memory and keys, too.

        Raises:
            ConfigurationError: for a second Guard, whose figures would have the same names.
        """
        if self._watched is not None:
            raise ConfigurationError("metrics: one Guard is watched already; give the other a registry of its own")
        self._watched = guard
        self._registry.register(_Watch(guard))


class _Watch(Collector):
    """A Guard's figures, read when somebody scrapes."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def describe(self) -> Iterator[Metric]:
        """The names alone: a registry that asks for the values instead would have a preloading master take the memory's lock."""
        for figure in FIGURES:
            yield _family(figure, [])

    def collect(self) -> Iterator[Metric]:
        reading = Reading(self._guard)
        for figure in FIGURES:
            values = list(figure.values(reading))
            family = _family(figure, list(values[0][1]) if values else ["issuer"])
            for value, by in values:
                family.add_metric(list(by.values()), value)
            yield family


def _family(figure: Figure, labels: list[str]) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if figure.grows else GaugeMetricFamily
    return kind(f"callerid_{figure.name}", figure.what, labels=labels, unit=figure.unit)
