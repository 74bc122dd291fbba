"""Memory for each remembered token; what an import costs; how long a new process takes to its first verified request."""

import gc
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Mapping, Sequence

from callerid.asgi import CallerMiddleware
from tests.benchmarks.scene import AUDIENCE, GOOGLE, MEMBER, PATH, Scene, member
from tests.benchmarks.shells import asgi_call, bare_asgi
from tests.benchmarks.timing import Effort, Figure, Results

__all__ = ["ABOVE_PYJWT", "BYTES", "IMPORTS", "IMPORT_PYJWT", "MEMORY", "START", "footprint"]

MEMORY, IMPORTS, START = "memory", "imports", "cold start"
BYTES = "bytes for each token"
IMPORT_PYJWT, IMPORT_CALLERID, ABOVE_PYJWT = "import jwt", "import callerid", "import callerid, above PyJWT's own"
STATEMENTS = (
    "import cryptography.hazmat.primitives.asymmetric.rsa",
    "import urllib3",
    IMPORT_PYJWT,
    IMPORT_CALLERID,
    "import callerid.asgi",
    "import callerid.wsgi",
    "import google.oauth2.id_token, google.auth.transport.requests",
)
TIMED = "import time; begun = time.perf_counter()\n{}\nprint(time.perf_counter() - begun)"

# New processes that verify one token, each in the way of its library, with the keys from the loopback issuer.
STARTS = {
    "python alone": "",
    "callerid": """
from callerid import Guard, google
guard = Guard(audience={audience!r}, callers=[{member!r}], issuers=[google(jwks_uri={jwks_uri!r})])
assert guard.check("GET", "/", [("Authorization", "Bearer " + {token!r})])
""",
    "PyJWT with PyJWKClient": """
import jwt
keys = jwt.PyJWKClient({jwks_uri!r})
key = keys.get_signing_key_from_jwt({token!r})
assert jwt.decode({token!r}, key, algorithms=["RS256"], audience={audience!r}, issuer={issuer!r})
""",
    "google-auth, Google's sample": """
from google.auth.transport import requests
from google.oauth2 import id_token
assert id_token.verify_token({token!r}, requests.Request(), audience={audience!r}, certs_url={pem_uri!r})
""",
}


def footprint(scene: Scene, effort: Effort) -> Results:
    """All three."""
    return {MEMORY: memory(scene, effort), IMPORTS: imports(effort), START: starts(scene, effort)}


def memory(scene: Scene, effort: Effort) -> dict[str, Figure | str]:
    """What stays allocated after requests of so many callers, by all that callerid keeps of them."""
    count = effort.tokens
    tokens = scene.tokens(count + 1)
    guard = scene.guard(callers=[member(number) for number in range(count + 1)], routes=(), remember=2 * count)
    request = asgi_call(CallerMiddleware(bare_asgi, guard=guard), PATH, tokens)  # which makes the first request
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(count):
        request()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {BYTES: Figure.with_range([(after - before) / count])}


def imports(effort: Effort, statements: Sequence[str] = STATEMENTS) -> dict[str, Figure | str]:
    """Milliseconds in a new process, one statement after the other in each round; all that is imported has been compiled."""
    seconds: dict[str, list[float]] = {statement: [] for statement in statements}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as compiled:
        for each in range(1 + effort.processes):
            for statement in statements:
                run = _python(TIMED.format(statement), compiled)
                if run.returncode:
                    missing[statement] = "not installed"
                elif each > 0:
                    seconds[statement].append(float(run.stdout))
    rounds = zip(seconds[IMPORT_CALLERID], seconds[IMPORT_PYJWT], strict=True)
    taken = seconds | {ABOVE_PYJWT: [ours - theirs for ours, theirs in rounds]}
    return {**{name: Figure.of(times).times(1000) for name, times in taken.items() if times}, **missing}


def starts(scene: Scene, effort: Effort, programs: Mapping[str, str] = STARTS) -> dict[str, Figure | str]:
    """Milliseconds from nothing to a verified token, and to the end of the process."""
    words = {
        "audience": AUDIENCE,
        "issuer": GOOGLE,
        "member": MEMBER,
        "token": scene.token,
        "jwks_uri": scene.issuer.jwks_uri,
        "pem_uri": scene.issuer.pem_uri,
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as compiled:
        for each in range(1 + effort.processes):
            for name, program in programs.items():
                begun = time.perf_counter()
                if _python(program.format(**words), compiled).returncode:
                    missing[name] = "not installed"
                elif each > 0:
                    seconds[name].append(time.perf_counter() - begun)
    return {name: missing.get(name) or Figure.of(times).times(1000) for name, times in seconds.items()}


def _python(program: str, compiled: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process that keeps its byte code in this folder, as an installed service has its own."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = compiled
    return subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
