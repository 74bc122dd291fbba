"""`user-profiles` on Flask: `gunicorn sample_apps.user_profiles.flask_app:app`."""

from flask import Flask, g

from callerid import Guard, Route
from callerid_adapters.flask import CallerGuard

from .setup import editors

callers = CallerGuard(Guard.from_env(routes=[Route("/healthz", callers=["allUsers"])]))

app = Flask(__name__)
callers.init_app(app)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


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
