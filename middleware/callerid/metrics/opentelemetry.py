"""OpenTelemetry, through its own API: the same figures as instruments, and who calls as an attribute of the span at hand.

metrics = OpenTelemetryMetrics()
guard = Guard(…, on_decision=metrics)
metrics.watch(guard)
"""

from collections.abc import Callable, Iterable

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from callerid.guard import Guard
from callerid.metrics.figures import ALLOWED, BOUNDS, FIGURES, Figure, Reading
from callerid.policy import Decision

__all__ = ["OpenTelemetryMetrics"]

# OpenTelemetry semantic conventions, "General identity attributes": who sends the request.
_ENDUSER_ID = "enduser.id"


class OpenTelemetryMetrics:
    """Counts what it is told as a Guard's `on_decision`, and marks the current span, if it is recorded, with the caller and the
    reason. `meter_provider` is the global one unless given.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        self._meter = metrics.get_meter("callerid", meter_provider=meter_provider)
        self._decisions = self._meter.create_counter(
            "callerid.decisions", description="requests by what was decided about them, and by whom"
        )
        self._seconds = self._meter.create_histogram(
            "callerid.decision.duration",
            unit="s",
            description="how long a decision took, a wait for keys included",
            explicit_bucket_boundaries_advisory=BOUNDS,
        )

    def __call__(self, decision: Decision) -> None:
        """Count a decision, and tell the span."""
        reason = decision.reason or ALLOWED
        self._decisions.add(1, {"callerid.reason": reason, "callerid.by": decision.by})
        self._seconds.record(decision.seconds)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("callerid.reason", reason)
            if decision.caller is not None:
                span.set_attribute(_ENDUSER_ID, decision.caller.member)

    def watch(self, guard: Guard) -> None:
        """Tell of this Guard's memory and keys, too."""
        for figure in FIGURES:
            create = self._meter.create_observable_counter if figure.grows else self._meter.create_observable_gauge
            create(f"callerid.{figure.name}", [_reader(figure, guard)], unit=figure.unit, description=figure.what)


def _reader(figure: Figure, guard: Guard) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(options: CallbackOptions) -> Iterable[Observation]:
        values = figure.values(Reading(guard))
        return [Observation(value, {f"callerid.{name}": text for name, text in by.items()}) for value, by in values]

    return read
