"""The documents say what is true: their examples run, their tables are complete, their links lead somewhere."""

import base64
import inspect
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from sample_apps.demo.stage import free_port
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callerid import Guard, GuardStatus, Issuer, asgi, errors, members, oidc, pytest_plugin, settings, testing, wsgi
from callerid.metrics import opentelemetry, prometheus
from callerid_adapters import django, drf, fastapi, flask
from tests.contract.wire import Headers, exchange
from tests.keys import Endpoint, answer
from tests.keys.test_fetch import Authority
from tests.senders import GOOGLES, KINDS, Kind, of_account, of_google
from tests.support import ANA, LOGIN, STRANGER, FakeIssuer, refuses
from tests.test_exports import NAMES

ROOT = Path(__file__).parents[1]
PAGES = {page.name: page.read_text() for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]}
AUDIENCE = "https://user-profiles-123456.us-central1.run.app"
ORIGIN = ("Origin", "https://shop.example")


def blocks(page: str, language: str) -> list[str]:
    """The page's fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)


def programs(page: str) -> list[dict[str, str]]:
    """The page's examples, as files.

    A block that begins with `# name.py` is that file, and one that does not goes on with the file before it. A file that comes
    again begins the next program, which keeps the other files.
    """
    found: list[dict[str, str]] = []
    new: set[str] = set()
    name = "main.py"
    for code in blocks(page, "python"):
        named = re.match(r"# (\w+\.py)\n", code)
        name = named[1] if named else name
        if not found or (named and name in new):
            found.append(dict(found[-1]) if found else {})
            new = set()
        found[-1][name] = code if named or name not in found[-1] else f"{found[-1][name]}\n\n{code}"
        new.add(name)
    return found


PROGRAMS = {
    f"{page} {number}": files
    for page in PAGES
    if page != "tutorial.md"  # test_tutorial.py follows it
    for number, files in enumerate(programs(page), 1)
}

UVICORN = "uvicorn main:app --port {port}"
GUNICORN = "gunicorn main:app --bind 127.0.0.1:{port} --threads 4"
DJANGO = "gunicorn django.core.wsgi:get_wsgi_application() --bind 127.0.0.1:{port} --threads 4"
DJANGO_ASYNC = "uvicorn --factory django.core.asgi:get_asgi_application --port {port}"

NOBODY = ""
ONLY_CALLERS = [(LOGIN, "GET /profiles/7", 200), (STRANGER, "GET /profiles/7", 403), (NOBODY, "GET /profiles/7", 401)]
ONLY_ANA = [(LOGIN, "PUT /profiles/7", 403), (ANA, "PUT /profiles/7", 200)]
PUBLIC = [
    (NOBODY, "GET /catalog", 200),
    (LOGIN, "GET /catalog", 200),
    (STRANGER, "GET /catalog", 403),
    ("forged", "GET /catalog", 401),
]
HEALTH = [(NOBODY, "GET /healthz", 200), (NOBODY, "GET /nowhere", 401)]
STREAM = [(ANA, "GET /export", 200), (NOBODY, "GET /export", 401)]
WEBSOCKET = [(LOGIN, "WS /events", 101), (NOBODY, "WS /events", 401)]

REVOKED = "107517467455664443765"
TENANT = "https://shop.eu.auth0.com/"
GCLOUD = "32555940559.apps.googleusercontent.com"

# The senders of the page on them: what each sends, as it is known to send it.
SENT = GOOGLES | KINDS | {
    "a node of another project": of_account(AUDIENCE, google={"compute_engine": {"project_id": "other"}}),
    "gcloud": of_google(ANA, GCLOUD, email="ana@example.com", hd="example.com", azp=GCLOUD, at_hash="nU3z", sub="106"),
    "the gateway": of_account(AUDIENCE),
    "a revoked account": of_google(f"principal:https://accounts.google.com/{REVOKED}", AUDIENCE, azp=REVOKED, sub=REVOKED),
    "a tenant's machine": Kind(
        lambda **keys: oidc(TENANT, audience="user-profiles", **keys),
        {"iss": TENANT, "aud": "user-profiles", "sub": "crm@clients", "scope": "read:profiles write:profiles"},
        f"principal:{TENANT}/crm@clients",
    ),
    "a GKE pod": Kind(
        KINDS["Kubernetes"].profile,
        KINDS["Kubernetes"].claims | {"iss": "https://container.googleapis.com/v1/projects/shop/locations/europe-west1/clusters/main"},
        KINDS["Kubernetes"].member,
        header={"typ": None},
    ),
}  # fmt: skip
SENDERS_READ = [(NOBODY, "GET /profiles/7", 401), (STRANGER, "GET /profiles/7", 403)]
PUSH = "POST /pubsub/push"
PUSHES = [("Pub/Sub push", PUSH, 204), ("metadata server, full", PUSH, 204), (LOGIN, PUSH, 403), ("later", PUSH, 503)]

# How each example that serves is started; who then asks for what, and gets which status.
SERVED = {
    "README.md 1": (UVICORN, [*ONLY_CALLERS, (ANA, "GET /profiles/7", 403), (NOBODY, "GET /docs", 401)]),
    "index.md 1": (UVICORN, [*HEALTH, (LOGIN, "GET /whoami", 200), (NOBODY, "GET /whoami", 401)]),
    "fastapi.md 1": (UVICORN, [*ONLY_CALLERS, *ONLY_ANA, (NOBODY, "GET /openapi.json", 401)]),
    "fastapi.md 2": (UVICORN, [*HEALTH, *PUBLIC, *WEBSOCKET, (LOGIN, "GET /export", 200)]),
    "fastapi.md 3": (UVICORN, ONLY_CALLERS),
    "flask.md 1": (GUNICORN, [*ONLY_CALLERS, *ONLY_ANA, (LOGIN, "GET /admin/export", 403), (ANA, "GET /admin/export", 200)]),
    "flask.md 2": (GUNICORN.replace(":app", ":create_app()"), [*HEALTH, *PUBLIC, *STREAM]),
    "flask.md 3": (GUNICORN, [*ONLY_CALLERS, *ONLY_ANA]),
    "django.md 1": (DJANGO_ASYNC, [*ONLY_CALLERS, *HEALTH]),
    "django.md 2": (
        DJANGO,
        [*ONLY_CALLERS, *ONLY_ANA, *HEALTH, *PUBLIC, *STREAM, (LOGIN, "GET /report", 403), (ANA, "GET /report", 200)],
    ),
    "django.md 3": (
        DJANGO,
        [*ONLY_CALLERS, (LOGIN, "POST /notes", 403), (ANA, "POST /notes", 200), (ANA, "POST /profiles/7", 403)],  # CSRF
    ),
    "django.md 4": (DJANGO, [*ONLY_CALLERS, *PUBLIC, (LOGIN, "POST /notes", 403), (ANA, "POST /notes", 200)]),
    "asgi-and-wsgi.md 1": (UVICORN, ONLY_CALLERS),
    "asgi-and-wsgi.md 2": (GUNICORN, [*ONLY_CALLERS, *ONLY_ANA]),
    "asgi-and-wsgi.md 3": (UVICORN, [*ONLY_CALLERS, *WEBSOCKET]),
    "asgi-and-wsgi.md 4": (UVICORN, ONLY_CALLERS),
    "asgi-and-wsgi.md 5": (UVICORN, ONLY_CALLERS),
    "asgi-and-wsgi.md 6": ("main", ONLY_CALLERS),
    "asgi-and-wsgi.md 7": (UVICORN, ONLY_CALLERS),
    "command.md 1": (
        UVICORN,
        [*HEALTH, (ANA, "GET /profiles/me", 200), (LOGIN, "GET /profiles/me", 403), (LOGIN, "PUT /profiles/7", 200)],
    ),
    "monitoring.md 1": (
        GUNICORN,
        [(NOBODY, "GET /metrics", 401), (LOGIN, "GET /metrics", 403), (LOGIN.replace("login", "prometheus"), "GET /metrics", 200)],
    ),
    "migration.md 1": (GUNICORN, [*ONLY_CALLERS, *HEALTH]),
    "keys.md 1": (UVICORN, [*HEALTH, (NOBODY, "GET /readyz", 200), (NOBODY, "GET /keys", 401)]),
}
SENDERS = {
    "senders.md 1": (
        UVICORN,
        [
            ("metadata server, full", "GET /profiles/7", 200),
            ("a node of another project", "GET /profiles/7", 401),
            ("Workflows", "GET /profiles/7", 401),
            *SENDERS_READ[:1],
        ],
    ),
    "senders.md 2": (UVICORN, [*PUSHES, ("Cloud Tasks", PUSH, 401)]),
    "django.md 5": (DJANGO, [*PUSHES, (NOBODY, PUSH, 401)]),
    "senders.md 3": (
        GUNICORN,
        [
            ("Cloud Tasks", "POST /tasks/resize?size=2", 204),
            ("Cloud Scheduler", "POST /jobs/nightly", 204),
            ("Pub/Sub push", "POST /jobs/nightly", 401),
            (LOGIN, "POST /jobs/nightly", 403),
            (NOBODY, "POST /tasks/resize", 401),
        ],
    ),
    "senders.md 4": (UVICORN, [("Eventarc", "POST /", 200), ("Workflows", "POST /", 200), (STRANGER, "POST /", 403)]),
    "senders.md 5": (UVICORN, [("gcloud", "GET /profiles/7", 200), (ANA, "GET /profiles/7", 200), *SENDERS_READ]),
    "senders.md 6": (
        UVICORN,
        [
            ("firebase through the gateway", "GET /profiles/7", 200),
            ("firebase beside nobody", "GET /profiles/7", 401),
            ("firebase", "GET /profiles/7", 401),
            ("the gateway", "GET /profiles/7", 401),
            *SENDERS_READ,
        ],
    ),
    "senders.md 7": (
        UVICORN,
        [("iap", "GET /profiles/7", 200), ("iap", "PUT /profiles/7", 200), ("iap, cross-site", "PUT /profiles/7", 403)],
    ),
    "senders.md 8": (UVICORN, [("firebase", "GET /profiles/7", 200), ("google", "GET /profiles/7", 401), *SENDERS_READ[:1]]),
    "senders.md 9": (UVICORN, [("Chat for a number", "POST /chat", 200), ("Chat for a URL", "POST /chat", 401)]),
    "senders.md 10": (UVICORN, [("signed by an account itself", "GET /profiles/7", 200), ("google", "GET /profiles/7", 401)]),
    "senders.md 11": (UVICORN, [("GitHub Actions", "POST /deployments", 200), ("GitLab CI", "POST /deployments", 200)]),
    "senders.md 12": (UVICORN, [("a GKE pod", "GET /profiles/7", 200), ("Kubernetes", "GET /profiles/7", 401)]),
    "senders.md 13": (
        UVICORN,
        [
            ("google", "GET /profiles/7", 200),
            ("iap", "GET /profiles/7", 200),
            ("GitHub Actions", "GET /profiles/7", 403),
            ("GitHub Actions", "POST /deployments", 200),
            ("iap", "POST /deployments", 403),
            *SENDERS_READ,
        ],
    ),
    "migration.md 2": (
        UVICORN,
        [("a tenant's machine", "GET /profiles/7", 200), (LOGIN, "GET /profiles/7", 401), *SENDERS_READ[:1]],
    ),
    "senders.md 14": (UVICORN, [("google", "GET /profiles/7", 200), ("a revoked account", "GET /profiles/7", 403), *SENDERS_READ]),
}
WITH_CORS = [name for name, files in PROGRAMS.items() if re.search("CORS|corsheaders", "".join(files.values()))]
TESTS = [name for name, files in PROGRAMS.items() if any(file.startswith("test_") for file in files)]
SCRIPTS = [name for name in PROGRAMS if name not in SERVED | SENDERS and name not in TESTS]

Serve = Callable[[str], int]


KEY_HOSTS = (
    "www.googleapis.com",
    "www.gstatic.com",
    "token.actions.githubusercontent.com",
    "gitlab.com",
    "container.googleapis.com",
    "shop.eu.auth0.com",
)


@pytest.fixture(scope="session")
def proxy_issuer() -> Iterator[FakeIssuer]:
    """Signs as Identity-Aware Proxy does."""
    with FakeIssuer("https://cloud.google.com/iap", algorithm="ES256") as issuer:
        yield issuer


@pytest.fixture(scope="session")
def environment(issuer: FakeIssuer, proxy_issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which the issuers' keys are found where they are: behind a proxy, with a certificate for the host."""
    authority = Authority(tmp_path_factory.mktemp("google"))
    tls = authority.server(*map(x509.DNSName, KEY_HOSTS))
    keys = json.dumps({"keys": issuer.jwks()["keys"] + proxy_issuer.jwks()["keys"]}).encode()

    def google(connection: socket.socket) -> None:
        connection.sendall(answer(b"", "Connection: keep-alive"))
        with tls.wrap_socket(connection, server_side=True) as line:
            path, host = re.match(rb"GET (\S+)(?s:.*)\r\nHost: (\S+)", line.recv(65536)).groups()  # type: ignore[union-attr]
            name = f"https://{host.decode()}{path.decode()}".removesuffix("/.well-known/openid-configuration")
            configuration = json.dumps({"issuer": TENANT if host in TENANT.encode() else name, "jwks_uri": f"{name}/jwks"}).encode()
            line.sendall(answer(configuration if path.endswith(b"configuration") else keys))

    outside = ("CALLERID_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(outside)}
    with Endpoint(google) as proxy:
        yield clean | {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": authority.ca_file,
            "DJANGO_SETTINGS_MODULE": "settings",
        }


def variables(page: str) -> dict[str, str]:
    """What the page tells to put into the environment."""
    return dict(re.findall(r"^(CALLERID_\w+)=(\S+)$", "".join(blocks(page, "sh")), re.MULTILINE))


def write(name: str, folder: Path) -> Path:
    for file, code in PROGRAMS[name].items():
        (folder / file).write_text(code)
    return folder


@pytest.fixture(scope="session")
def serve(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts an example, once, and tells its port."""
    ports: dict[str, int] = {}
    with ExitStack() as stack:

        def started(name: str) -> int:
            if name not in ports:
                ports[name] = port = free_port()
                folder = write(name, tmp_path_factory.mktemp("example"))
                own = {"PORT": str(port), **variables(name.split(maxsplit=1)[0])}
                command = (SERVED | SENDERS)[name][0].format(port=port).split()
                stack.enter_context(server(command, folder, environment | own, port))
            return ports[name]

        yield started


@contextmanager
def server(command: list[str], folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    """A server in a process of its own, from the time on that it listens."""
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            while not _listens(port):
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def bearing(issuer: FakeIssuer, who: str) -> Headers:
    if who == NOBODY:
        return []
    token = issuer.forge_signature(issuer.token(LOGIN, AUDIENCE)) if who == "forged" else issuer.token(who, AUDIENCE)
    return [("Authorization", f"Bearer {token}")]


def handshake(port: int, path: str, headers: Headers) -> int:
    try:
        with connect(f"ws://127.0.0.1:{port}{path}", additional_headers=list(headers), proxy=None) as websocket:
            assert "login@shop" in str(websocket.recv())
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_every_application_in_the_documents_is_served() -> None:
    assert {name for name, files in PROGRAMS.items() if "CallerMiddleware" in str(files)} - set(TESTS) <= set(SERVED | SENDERS)
    assert set(SERVED | SENDERS) <= set(PROGRAMS)


@pytest.mark.parametrize("name", SERVED)
def test_an_example_serves_whom_it_says(name: str, serve: Serve, issuer: FakeIssuer) -> None:
    port = serve(name)
    for who, what, status in SERVED[name][1]:
        method, path = what.split()
        headers = bearing(issuer, who)
        if method == "WS":
            assert handshake(port, path, headers) == status, (who, what)
            continue
        answered = exchange(port, method, path, headers)
        assert answered.status == status, (who, what, answered)
        assert status != 200 or path == "/metrics" or who.partition(":")[2] in answered.body.decode()


def sent(issuer: FakeIssuer, proxy_issuer: FakeIssuer, who: str) -> Headers:
    """The headers in which a sender's token comes."""

    def token(name: str) -> str:
        return SENT[name].token(proxy_issuer if name == "iap" else issuer, int(time.time()))

    assertion, client = ("X-Goog-IAP-JWT-Assertion", token("iap")), ("X-Forwarded-Authorization", f"Bearer {token('firebase')}")
    special = {
        "iap": [assertion],
        "iap, cross-site": [assertion, ("Sec-Fetch-Site", "cross-site")],
        "firebase beside nobody": [client],
        "firebase through the gateway": [client, ("Authorization", f"Bearer {token('the gateway')}")],
        "later": [("Authorization", f"Bearer {token('Pub/Sub push')}")],
    }
    if who in special:
        return special[who]
    return [("Authorization", f"Bearer {token(who)}")] if who in SENT else bearing(issuer, who)


@pytest.mark.parametrize("name", SENDERS)
def test_a_recipe_lets_its_sender_in_and_no_other(name: str, serve: Serve, issuer: FakeIssuer, proxy_issuer: FakeIssuer) -> None:
    port = serve(name)
    for who, what, status in SENDERS[name][1]:
        method, path = what.split()
        message = {"data": base64.b64encode(who.encode()).decode(), "messageId": "136969346945"}
        body = json.dumps({"message": message, "subscription": "projects/shop/subscriptions/orders"})
        about = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        answered = exchange(port, method, path, [*sent(issuer, proxy_issuer, who), *about], body=body)
        assert answered.status == status, (who, what, answered)


@pytest.mark.parametrize("name", WITH_CORS)
def test_a_page_of_another_origin_gets_preflights_and_refusals(name: str, serve: Serve, issuer: FakeIssuer) -> None:
    port = serve(name)
    wish = [("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")]
    preflight = exchange(port, "OPTIONS", "/profiles/7", [ORIGIN, *wish])
    assert preflight.status in (200, 204)
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    refused = [exchange(port, "GET", "/profiles/7", [ORIGIN, *bearing(issuer, who)]) for who in (NOBODY, STRANGER)]
    passed = exchange(port, "GET", "/profiles/7", [ORIGIN, *bearing(issuer, LOGIN)])
    assert [response.status for response in (*refused, passed)] == [401, 403, 200]
    assert {response.headers["access-control-allow-origin"] for response in (preflight, *refused, passed)} == {ORIGIN[1]}


def test_every_framework_page_shows_the_order_with_cors() -> None:
    assert {name.split()[0] for name in WITH_CORS} == {"fastapi.md", "flask.md", "django.md", "asgi-and-wsgi.md"}


@pytest.mark.parametrize(
    ("name", "command"),
    [*((name, ["main.py"]) for name in SCRIPTS), *((name, ["-m", "pytest", "-q", "-p", "no:randomly", "."]) for name in TESTS)],
)
def test_an_example_runs(name: str, command: list[str], environment: dict[str, str], tmp_path: Path) -> None:
    own = variables(name.split(maxsplit=1)[0])
    run = subprocess.run(
        [sys.executable, *command], cwd=write(name, tmp_path), env=environment | own, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("policy", [policy for page in PAGES for policy in blocks(page, "toml")])
def test_a_policy_loads(policy: str, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(policy)
    Guard.from_file(tmp_path / "policy.toml")


def test_the_readmes_console_shows_what_the_demo_answers() -> None:
    pairs = [
        re.match(r"\$ (.*\n)((?s:.*))", step).groups()  # type: ignore[union-attr]
        for block in blocks("README.md", "console")
        for step in re.split(r"^(?=\$ )", block, flags=re.MULTILINE)[1:]
    ]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-m", "sample_apps.demo"]
    with subprocess.Popen(command, cwd=ROOT, env=clean | {"HOLD": "1"}, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        try:
            assert any(line.startswith("Tokens:") for line in demo.stdout), "the demo does not hold; is its port 8100 taken?"
            script = "".join(f"{command}printf '\\0'\n" for command, _ in pairs)
            shown = subprocess.run(["bash", "-c", script], env=clean, capture_output=True, text=True, check=True).stdout
        finally:
            demo.terminate()
    assert shown.split("\0")[:-1] == [output for _, output in pairs]


def section(page: str, heading: str) -> str:
    return re.split(r"^#+ ", PAGES[page].partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def cells(text: str) -> list[list[str]]:
    """The rows of a table that begin with a word in code, without the quotes."""
    return [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", text, re.MULTILINE)]


def test_the_table_of_refusals_is_the_codes() -> None:
    table = [row for row in cells(PAGES["refusals.md"]) if len(row) == 5]
    told = {reason: (status, challenge, detail) for reason, status, challenge, detail, _ in table}
    refusals = map(errors.refusal, errors._REASONS)
    assert told == {refused.reason: (str(refused.status), refused.challenge or "none", refused.detail) for refused in refusals}


def test_troubleshooting_has_every_reason_and_quotes_what_is_logged() -> None:
    table = cells(section("troubleshooting.md", "By reason"))
    assert sorted(row[0] for row in table) == sorted(errors._REASONS)
    sources = "".join(path.read_text() for path in (ROOT / "middleware" / "callerid").rglob("*.py"))
    written = re.sub(r'"\s*f?"', "", sources)  # sentences that go on in the next line
    quoted = re.findall(r'"([a-z][^"]*)"', "".join(row[2] for row in table) + section("troubleshooting.md", "Without a reason"))
    assert [words for words in quoted if words not in written] == []


@pytest.mark.parametrize(
    ("page", "heading", "words"),
    [
        ("configuration.md", "Environment", settings._KNOWN),
        ("configuration.md", "Guard", inspect.signature(Guard).parameters),
        ("configuration.md", "Issuer", inspect.signature(Issuer).parameters),
        ("keys.md", "What a probe sees", GuardStatus.__annotations__),
        ("members.md", "The members", ("allUsers", "allAuthenticatedUsers", *members._KINDS)),
    ],
)
def test_a_table_of_words_is_whole(page: str, heading: str, words: list[str]) -> None:
    assert {first.partition(":")[0] for first, *_ in cells(section(page, heading))} == set(words)


def test_the_refusal_that_is_shown_is_what_is_sent(issuer: FakeIssuer, caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()])
    with caplog.at_level(logging.INFO, "callerid"), refuses("caller_not_allowed") as refused:
        guard.check("GET", "/profiles/7", bearing(issuer, STRANGER))
    headers = "".join(f"{name}: {value}\n" for name, value in refused.value.headers.items())
    message = f"HTTP/1.1 {refused.value.status} {refused.value.title}\n{headers}\n{refused.value.body.decode()}\n"
    assert blocks("refusals.md", "http") == [message]
    assert blocks("refusals.md", "text") == [f"{caplog.messages[-1]}\n"]


def test_contributors_are_told_of_every_room() -> None:
    rooms = {module.name for module in (ROOT / "middleware" / "callerid").glob("[a-z]*.py")}
    assert rooms <= set(re.findall(r"\w+\.py", PAGES["CONTRIBUTING.md"]))


def test_the_reference_has_every_name() -> None:
    shown = re.findall(r"^<!-- ::: ([\w.]+)", "".join(PAGES[name] for name in PAGES if name.startswith("api")), re.MULTILINE)
    modules = (asgi, wsgi, testing, pytest_plugin, prometheus, opentelemetry, django, drf, fastapi, flask)
    public = [f"callerid.{name}" for name in NAMES]
    public += [f"{module.__name__}.{name}" for module in modules for name in module.__all__]
    for_adapters = {name for name in public if re.search(r"_request$|_raw_path$|\.WSGIHeaders$|\.hand_over$", name)}
    assert sorted(shown) == sorted(set(public) - for_adapters)


def test_every_page_is_in_the_sites_navigation() -> None:
    nav = (ROOT / ".mkdocs.yml").read_text().partition("\nnav:")[2]
    named = re.findall(r": ([\w-]+\.md)$", nav, re.MULTILINE)
    assert sorted(named) == sorted(set(PAGES) - {"README.md"})


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes them."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    folder = ROOT / "docs" if (ROOT / "docs" / page).exists() else ROOT
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", PAGES[page]):
        file, _, anchor = target.partition("#")
        assert (folder / file).exists(), target
        headings = re.findall(r"^#+ (.*)$", PAGES[Path(file).name or page], re.MULTILINE) if anchor else []
        assert not anchor or anchor in map(slug, headings), target
