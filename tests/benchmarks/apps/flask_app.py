"""On Flask; the other libraries are in a function before each request."""

from flask import Flask, request

from callerid_adapters.flask import CallerGuard
from tests.benchmarks.apps.checks import guard, verifier

app = Flask(__name__)
if (guarding := guard()) is not None:
    CallerGuard(guarding).init_app(app)
verify = verifier()


def verified() -> None:
    if verify is not None and request.path != "/healthz":
        verify(request.headers["Authorization"])


if verify is not None:
    app.before_request(verified)


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/profiles/<id>")
def read(id: str) -> dict[str, str]:  # noqa: A002  (the route's word)
    return {"id": id}
