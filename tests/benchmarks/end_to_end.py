"""Requests a second and latency of real servers over loopback, with and without a guard. `wrk` sends the requests."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sample_apps.demo.stage import free_port, server

from tests.benchmarks.scene import Scene, member
from tests.benchmarks.timing import Effort, Figure, Results

__all__ = [
    "AGAINST",
    "BARE",
    "CALLERID",
    "FIRST",
    "GOOGLE",
    "LATENCY",
    "LIST",
    "PER_SECOND",
    "PYJWT",
    "RELATIVE",
    "SERVERS",
    "WRK",
    "end_to_end",
]

WRK = "wrk"
HOW_TO_GET_IT = "wrk is not installed, so nothing is measured end to end; Debian has it as the package wrk"
CONNECTIONS, UNSEEN, WARM_UP = 32, 1000, 1

UVICORN = ("uvicorn", "--host=127.0.0.1", "--port={port}", "--no-access-log", "--log-level=warning")
GTHREAD = ("gunicorn", "--bind=127.0.0.1:{port}", "--worker-class=gthread", "--threads=4", "--log-level=warning")
SERVERS = {
    "Starlette": (*UVICORN, "starlette_app:app"),
    "FastAPI": (*UVICORN, "fastapi_app:app"),
    "Flask gthread": (*GTHREAD, "flask_app:app"),
    "Django ASGI": (*UVICORN, "django_app:app"),
    "Django WSGI": (*GTHREAD, "django_app:wsgi_app"),
}

BARE, CALLERID, FIRST, LIST = "bare", "callerid, repeated tokens", "callerid, first tokens", "callerid, and a handler's list"
PYJWT, GOOGLE = "PyJWKClient", "Google's sample"
VARIANTS = {BARE: "bare", CALLERID: "callerid", LIST: "list", FIRST: "callerid, first", PYJWT: "pyjwt", GOOGLE: "google"}

AGAINST = ", requests a second of callerid with repeated tokens against"
PER_SECOND, RELATIVE, LATENCY = ", requests a second", ", requests a second against bare", ", 99th percentile against bare"


class Load(NamedTuple):
    """What wrk has to say about one round."""

    per_second: float
    latency: float


def end_to_end(scene: Scene, effort: Effort) -> Results:
    """For each framework the requests a second, and both figures against the bare application of the same round."""
    if shutil.which(WRK) is None:
        print(HOW_TO_GET_IT, file=sys.stderr, flush=True)
        return {}
    found: Results = {}
    for framework in effort.frameworks or SERVERS:
        loads = _loads(scene, effort, framework)
        bare = loads[BARE]
        for name, own in loads.items():
            pairs = list(zip(own, bare, strict=True))
            figures = {
                PER_SECOND: [load.per_second for load in own],
                RELATIVE: [load.per_second / other.per_second for load, other in pairs],
                LATENCY: [load.latency / other.latency for load, other in pairs],
            }
            for what, values in figures.items():
                found.setdefault(framework + what, {})[name] = Figure.with_range(values)
        found[framework + AGAINST] = {
            name: Figure.with_range([ours.per_second / other.per_second for ours, other in zip(loads[CALLERID], own, strict=True)])
            for name, own in loads.items()
            if name in (PYJWT, GOOGLE)
        }
    return found


def _loads(scene: Scene, effort: Effort, framework: str) -> dict[str, list[Load]]:
    """The rounds of one framework. All its servers run; one at a time has something to do.

    Each round has servers of its own: two processes that do the same differ in speed for as long as they live.
    """
    variants = {name: variant for name, variant in VARIANTS.items() if name != LIST or framework == "FastAPI"}
    loads: dict[str, list[Load]] = {name: [] for name in variants}
    with _tokens(scene) as files:
        for number in range(effort.loads):
            with ExitStack() as running:
                with _on_processor(0):
                    ports = {
                        name: running.enter_context(_running(scene, framework, variant, UNSEEN if name == FIRST else 1))
                        for name, variant in variants.items()
                    }
                for name in variants:
                    _load(ports[name], files[name == FIRST], WARM_UP)
                for name in variants if number % 2 else reversed(variants):
                    loads[name].append(_load(ports[name], files[name == FIRST], effort.load_seconds))
    return loads


@contextmanager
def _tokens(scene: Scene) -> Iterator[tuple[Path, Path]]:
    """A file with one token, and one with many."""
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one"), Path(folder, "many")
        one.write_text(scene.token)
        many.write_text("\n".join(scene.tokens(UNSEEN)))
        yield one, many


@contextmanager
def _on_processor(number: int) -> Iterator[None]:
    """What is started meanwhile stays there: servers and wrk would take turns on both, and the latencies would be about that."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[number % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _running(scene: Scene, framework: str, variant: str, callers: int) -> Iterator[int]:
    """A server of the framework's with one worker; its port."""
    port = free_port()
    *command, app = SERVERS[framework]
    words = [word.format(port=port) for word in (*command, f"tests.benchmarks.apps.{app}")]
    with server(words, _environment(scene, framework, variant, callers), f"http://127.0.0.1:{port}"):
        yield port


def _environment(scene: Scene, framework: str, variant: str, callers: int) -> Mapping[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLERID_")}
    return clean | {
        "BENCH_VARIANT": variant,
        "BENCH_INTERFACE": "asgi" if framework == "Django ASGI" else "wsgi",
        "BENCH_CALLERS": " ".join(member(number) for number in range(callers)),
        "BENCH_JWKS_URI": scene.issuer.jwks_uri,
        "BENCH_PEM_URI": scene.issuer.pem_uri,
        "NO_PROXY": "127.0.0.1",
    }


def _load(port: int, tokens: Path, seconds: int) -> Load:
    command = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout=30s", "-s", str(Path(__file__).with_name("load.lua"))]
    words = [*command, f"http://127.0.0.1:{port}/profiles/7", "--", str(tokens)]
    with _on_processor(1):
        run = subprocess.run(words, capture_output=True, text=True, check=True)
    requests, microseconds, latency, failed = map(
        int, re.findall(r"^figures (\d+) (\d+) (\d+) (\d+)$", run.stdout, re.MULTILINE)[0]
    )
    if failed or not requests:
        raise SystemExit(f"{failed} of {requests} requests have failed:\n{run.stdout}")
    return Load(requests / microseconds * 1e6, latency)
