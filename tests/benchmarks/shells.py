"""A whole request within a process: the ASGI and the WSGI shell, above the bare callable, in multiples of bare verification.

A request has twelve header lines; the policy has twenty routes, of which the last one is asked for. As with a server, each request
brings new strings and a new scope. No event loop is paid for: nothing is waited for.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from callerid import Guard, asgi, wsgi
from tests.benchmarks.micro import RS256
from tests.benchmarks.scene import PATH, PUBLIC, Scene, member, policy
from tests.benchmarks.timing import Call, Effort, Results, above, in_turn, rounds

__all__ = ["ABOVE", "FIRST", "PUBLIC_ROUTE", "REPEATED", "asgi_call", "bare_asgi", "shells", "wsgi_call"]

ABOVE = "a whole request"
REPEATED, FIRST, PUBLIC_ROUTE = "repeated token", "first token", "public route"

UNSEEN, REMEMBERED = 32, 4

HEADERS = (
    ("host", "user-profiles-production-123456789012.us-central1.run.app"),
    ("user-agent", "python-httpx/0.28.1"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, deflate"),
    ("content-type", "application/json"),
    ("content-length", "2"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("forwarded", 'for="203.0.113.7";proto=https'),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("x-cloud-trace-context", "4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1"),
)

Answer = Callable[[], str]


def shells(scene: Scene, effort: Effort) -> Results:
    """What the Guard adds to a request, for both shells."""
    token, many = scene.token, scene.tokens(UNSEEN)
    subjects: dict[str, Call] = {RS256: scene.bare_rs256()}
    call: Any
    bare: Any
    guarded: Any
    for shell, call, bare, guarded in (
        ("ASGI", asgi_call, bare_asgi, asgi.CallerMiddleware),
        ("WSGI", wsgi_call, bare_wsgi, wsgi.CallerMiddleware),
    ):
        subjects |= {
            f"{shell}, bare": call(bare, PATH, [token]),
            f"{shell}, bare, no token": call(bare, PUBLIC, [None]),
            f"{shell}, {REPEATED}": call(guarded(bare, guard=scene.guard()), PATH, [token]),
            f"{shell}, {FIRST}": call(guarded(bare, guard=everybodys(scene, remember=REMEMBERED)), PATH, many),
            f"{shell}, {PUBLIC_ROUTE}": call(guarded(bare, guard=scene.guard()), PUBLIC, [None]),
        }
    times = rounds(subjects, effort)
    return {
        ABOVE: {
            f"{shell}, {what}": above(times[f"{shell}, {what}"], times[f"{shell}, {bare}"], times[RS256])
            for shell in ("ASGI", "WSGI")
            for what, bare in ((REPEATED, "bare"), (PUBLIC_ROUTE, "bare, no token"), (FIRST, "bare"))
        }
    }


def everybodys(scene: Scene, **keywords: Any) -> Guard:
    """A Guard that all these callers may pass."""
    callers = [member(number) for number in range(UNSEEN)]
    return scene.guard(callers=callers, routes=policy(callers), **keywords)


async def bare_asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


def bare_wsgi(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def asgi_call(app: Any, path: str, tokens: Sequence[str | None]) -> Call:
    """One request after the other, with these tokens in turn; the first one is looked at more closely."""
    headers = [(name.encode(), value.encode()) for name, value in HEADERS]
    fixed = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8080),
        "client": ("203.0.113.7", 40000),
        "scheme": "https",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
    }
    following = in_turn([None if token is None else token.encode() for token in tokens])

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def ignore(message: Any) -> None:
        pass

    def request(send: Callable[[Any], Any] = ignore) -> None:
        token = following()
        own = (b"x-request-id", b"7") if token is None else (b"authorization", b"Bearer " + token)
        running = app({**fixed, "headers": [*headers, own], "state": {}}, None, send)
        try:
            running.send(None)
        except StopIteration:
            return
        raise AssertionError("it waits for something")

    statuses: list[int | None] = []
    request(send)
    assert statuses[0] == 200, statuses
    return request


def wsgi_call(app: Any, path: str, tokens: Sequence[str | None]) -> Call:
    """The same for WSGI; the response is read and closed."""
    fixed = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS},
    }
    following = in_turn(tokens)
    statuses: list[str] = []

    def note(status: str, headers: Any, exc_info: Any = None) -> None:
        statuses.append(status)

    def ignore(status: str, headers: Any, exc_info: Any = None) -> None:
        pass

    def request(start_response: Callable[..., object] = ignore) -> None:
        token = following()
        own = {"HTTP_X_REQUEST_ID": "7"} if token is None else {"HTTP_AUTHORIZATION": "Bearer " + token}
        body = app({**fixed, **own}, start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()

    request(note)
    assert statuses == ["200 OK"]
    return request
