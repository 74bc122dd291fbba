"""`user-profiles` on Flask: `gunicorn sample_apps.user_profiles.flask_app:app`."""

from flask import Flask, Response, g
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from callerid import Guard, Route
from callerid.metrics.prometheus import PrometheusMetrics
from callerid_adapters.flask import CallerGuard

from .setup import editors, scrapers

metrics = PrometheusMetrics()
guard = Guard.from_env(
    routes=[Route("/healthz", callers=["allUsers"]), Route("/metrics", callers=scrapers())],
    on_decision=metrics,
)
metrics.watch(guard)
callers = CallerGuard(guard)

app = Flask(__name__)
callers.init_app(app)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/metrics")
def tell_prometheus() -> Response:
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@app.get("/whoami")
def whoami() -> dict[str, object]:
    caller: dict[str, object] = g.caller.to_dict()
    return caller


@app.get("/profiles/<id>")
def read(id: str) -> dict[str, str | None]:
    return {"id": id, "caller": g.caller.email}


@app.put("/profiles/<id>")
@callers.allow(*editors())
def write(id: str) -> dict[str, str | None]:
    return {"id": id, "caller": g.caller.email}


@app.delete("/profiles/<id>")
@callers.allow(*editors())
def delete(id: str) -> tuple[str, int]:
    return "", 204
