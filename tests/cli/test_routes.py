"""callerid routes: what an application serves, as an operator and as CI asks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli import report, run
from tests.support import named

APP = """\
from callerid import Guard, Route
from callerid.asgi import CallerMiddleware
from callerid_adapters.fastapi import CallerGuard
from fastapi import FastAPI, Security, WebSocket

print("hello from the module")
LOGIN = "serviceAccount:login@shop.iam.gserviceaccount.com"
ANA = "user:ana@example.com"
guard = Guard(
    audience="https://user-profiles.example",
    callers=[LOGIN],
    routes=[Route("/healthz", callers=["allUsers"]), Route("/old", callers=[ANA])],
)
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
app.add_middleware(CallerMiddleware, guard=guard)


@app.get("/healthz")
def healthz(): ...


@app.put("/profiles/{id}", dependencies=[Security(CallerGuard(guard, callers=[ANA]))])
def write(): ...


@app.websocket("/ws")
async def ws(websocket: WebSocket): ...


def make_app():
    return app


def make_broken():
    raise RuntimeError("no database")


def make_misconfigured():
    Guard(callers=[])


class nested:
    inner = app


class Hidden:
    @property
    def app(self):
        raise RuntimeError("no")


class Loop:
    app = property(lambda self: Loop())

    def __call__(self): ...


hidden, loop = Hidden(), Loop()
empty = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
"""

NUMBER = iter(range(100))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that no test has imported, in the folder where the command runs."""
    name = f"service_{next(NUMBER)}"
    (tmp_path / f"{name}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # and what the command puts before it goes, too
    return name


def test_every_route_with_its_callers(module: str) -> None:
    found = report("routes", f"{module}:app")
    assert [(each["methods"], each["path"], each["callers"], each["public"], each["dead"]) for each in found["routes"]] == [
        (["GET"], "/healthz", None, True, False),
        (["PUT"], "/profiles/{id}", [], False, True),
        (["GET"], "/ws", ["serviceAccount:login@shop.iam.gserviceaccount.com"], False, False),
    ]
    assert [each["websocket"] for each in found["routes"]] == [False, False, True]
    assert found["routes"][1]["rules"] == ["callers", "a handler's callers"]
    assert found["routes"][1]["handler"] == f"{module}.write"
    assert found["unused"] == ["routes: /old"]


def test_what_a_person_is_shown(module: str) -> None:
    shown = run("routes", module)
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["GET", "/healthz", "allUsers", "routes:", "/healthz", f"{module}.healthz"] in lines
    assert lines[lines.index(["Rules", "that", "match", "no", "route"]) + 1] == ["routes:", "/old"]
    assert shown.stdout.endswith("3 routes, 1 open to everyone, 1 that nobody may call, 1 rule without a route\n")


def test_what_the_module_prints_is_no_part_of_the_report(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "callerid", "routes", module, "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert len(json.loads(ended.stdout)["routes"]) == 3
    assert ended.stderr == "hello from the module\n"


@pytest.mark.parametrize(
    ("arguments", "failed"),
    named(
        ("nothing", [], {}),
        ("public", ["--fail-on", "public"], {"public": ["GET /healthz"]}),
        ("public that is meant so", ["--fail-on", "public", "--expect-public", "/healthz"], {}),
        ("dead", ["--fail-on", "dead"], {"dead": ["PUT /profiles/{id}"]}),
        ("unused", ["--fail-on", "unused"], {"unused": ["routes: /old"]}),
        ("two", ["--fail-on", "public, dead"], {"public": ["GET /healthz"], "dead": ["PUT /profiles/{id}"]}),
    ),
)
def test_what_ci_can_fail_on(module: str, arguments: list[str], failed: dict[str, list[str]]) -> None:
    asked = ("routes", f"{module}:app", *arguments)
    assert report(*asked)["failed"] == failed
    shown = run(*asked)
    assert shown.exit_code == (1 if failed else 0)
    assert [line.removeprefix("Failed: ") for line in shown.stdout.splitlines() if line.startswith("Failed: ")] == list(failed)


@pytest.mark.parametrize("name", [":make_app()", ":nested.inner", ""])
def test_ways_to_name_an_application(module: str, name: str) -> None:
    assert len(report("routes", module + name)["routes"]) == 3


def test_a_folder_of_modules(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert report("routes", module, "--app-dir", str(tmp_path))["unused"] == ["routes: /old"]


@pytest.mark.parametrize(
    ("name", "said"),
    named(
        ("no module", "missing_module:app", "missing_module: cannot be imported: ModuleNotFoundError"),
        ("no such name", "{}:ap", "{}: it has no 'ap'; write module:app"),
        ("no application", "{}:LOGIN", "str is no ASGI or WSGI application"),
        ("a factory", "{}:make_app", "{0}.make_app is no ASGI or WSGI application; if it makes one, call it: make_app()"),
        ("a factory that fails", "{}:make_broken()", "it failed: RuntimeError: no database ("),
        ("a wrong Guard", "{}:make_misconfigured()", "callers"),
        ("nothing that is called", "{}:LOGIN()", "it failed: TypeError"),
        ("what cannot be looked at", "{}:hidden.app", "it cannot be looked at: RuntimeError: no"),
        ("what cannot be looked into", "{}:loop", "it cannot be looked into: RecursionError"),
        ("nothing that is served", "{}:empty", "it serves no route"),
    ),
)
def test_what_cannot_be_looked_into(module: str, name: str, said: str) -> None:
    told = run("routes", name.format(module))
    assert (told.exit_code, told.stdout) == (2, "")
    assert said.format(module) in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    named(
        ("an error", "import callerid\nx = 1 / 0\n", "broken.py, line 2"),
        ("a wrong syntax", "def\n", "SyntaxError"),
        ("an exit", "raise SystemExit(0)\n", "SystemExit: 0"),
        ("a wrong Guard", "from callerid import Guard\nGuard(callers=['allUser'])\n", "did you mean 'allUsers'?"),
    ),
)
def test_a_module_that_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    told = run("routes", "broken:app", "--app-dir", str(tmp_path))
    assert (told.exit_code, told.stdout) == (2, "")
    assert said in told.stderr


def test_a_path_that_is_not_public(module: str) -> None:
    told = run("routes", module, "--expect-public", "/ws")
    assert (told.exit_code, "--expect-public /ws: no route of that path is open to everyone" in told.stderr) == (2, True)


def test_an_unknown_kind(module: str) -> None:
    told = run("routes", module, "--fail-on", "public,ded")
    assert told.exit_code == 2
    assert "'ded' is none of public, dead, unused" in told.stderr
