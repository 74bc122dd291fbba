"""Run the story, print it, and fail when any answer is not the designed one.

With `HOLD=1` the services stay up afterwards. `DEMO_LOGS` names a folder in which all that they say is kept.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table

from callerid.testing import FakeIssuer

from ..login.__main__ import call
from .cast import SEARCH, token_for
from .stage import SERVERS, free_port, services, token_desk

STACKS = ("FastAPI", "Flask", "Django")
HOLD_PORTS = {"desk": 8100, "FastAPI": 8101, "Flask": 8102, "Django": 8103, "search": 8104}


class Scene(NamedTuple):
    """Who does what, what is to be answered, and why."""

    who: str
    method: str
    path: str
    status: int
    reason: str
    why: str
    header: str = "Authorization"


SCENES = [
    Scene("login", "GET", "/profiles/7", 200, "", "is in CALLERID_CALLERS"),
    Scene("login", "GET", "/whoami", 200, "", "is in CALLERID_CALLERS"),
    Scene("login", "GET", "/profiles/7", 200, "", "the header Cloud Run looks at first", "X-Serverless-Authorization"),
    Scene("login", "PUT", "/profiles/7", 403, "caller_not_allowed", "known, but no editor"),
    Scene("editor", "PUT", "/profiles/7", 200, "", "is in PROFILES_EDITORS"),
    Scene("editor", "DELETE", "/profiles/7", 204, "", "is in PROFILES_EDITORS"),
    Scene(
        "stranger",
        "GET",
        "/profiles/7",
        403,
        "caller_not_allowed",
        "true token, right audience, another project's account",
    ),
    Scene("stranger", "GET", "/nowhere", 403, "caller_not_allowed", "does not even learn what exists"),
    Scene("expired", "GET", "/profiles/7", 401, "token_expired", "login's token of yesterday"),
    Scene("wrong-audience", "GET", "/profiles/7", 401, "audience_mismatch", "login's token for another service"),
    Scene("stripped", "GET", "/profiles/7", 401, "signature_removed", "anybody can write SIGNATURE_REMOVED_BY_GOOGLE"),
    Scene("forged", "PUT", "/profiles/7", 401, "signature_invalid", "says editor, signed by nobody"),
    Scene("anonymous", "GET", "/profiles/7", 401, "missing_credentials", "no token"),
    Scene("anonymous", "GET", "/healthz", 200, "", "allUsers may"),
    Scene("prometheus", "GET", "/metrics", 200, "", "is in METRICS_CALLERS"),
    Scene("prometheus", "GET", "/profiles/7", 403, "caller_not_allowed", "may read /metrics, and that is all"),
    Scene("login", "GET", "/metrics", 403, "caller_not_allowed", "what is refused, and why, is for operators"),
]


def main(scenes: Sequence[Scene] = SCENES) -> int:
    """Play the story; 0 when every answer was the designed one."""
    hold = os.environ.get("HOLD", "0") not in ("", "0")
    ports = HOLD_PORTS if hold else {name: free_port() for name in HOLD_PORTS}
    console = Console(width=None if sys.stdout.isatty() else 150)
    with FakeIssuer() as issuer, token_desk(issuer, ports["desk"]) as desk, services(issuer, ports) as urls:
        wrong = _play(console, issuer, urls, scenes) + _play_login(console, desk, urls)
        if wrong:
            console.print(f"[bold red]{wrong} answers are not the designed ones.[/]")
            return 1
        console.print("[bold green]Every answer is the designed one.[/]")
        if hold:
            _hold(console, ports)
    return 0


def _play(console: Console, issuer: FakeIssuer, urls: Mapping[str, str], scenes: Sequence[Scene]) -> int:
    table = Table("who", "what", *STACKS, "why", title="user-profiles, three times", row_styles=["", "on grey11"])
    wrong = 0
    with httpx.Client(trust_env=False) as client:
        for scene in scenes:
            answers = [_ask(client, issuer, urls[stack], scene) for stack in STACKS]
            right = [answer == (scene.status, scene.reason) for answer in answers]
            wrong += right.count(False)
            what = f"{scene.method} {scene.path}" + (f"\n{scene.header}" if scene.header != "Authorization" else "")
            cells = [_cell(status, reason, ok) for (status, reason), ok in zip(answers, right, strict=True)]
            table.add_row(scene.who, what, *cells, f"{scene.reason}: {scene.why}" if scene.reason else scene.why)
    console.print(table)
    return wrong


def _ask(client: httpx.Client, issuer: FakeIssuer, url: str, scene: Scene) -> tuple[int, str]:
    headers = {}
    if scene.who != "anonymous":
        headers[scene.header] = f"Bearer {token_for(issuer, scene.who, 'https://user-profiles.example')}"
    response = client.request(scene.method, url + scene.path, headers=headers)
    return response.status_code, _reason(response)


def _reason(response: httpx.Response) -> str:
    """The refusal's reason; FastAPI renders its own body where a handler's list refuses, so there the challenge has to do."""
    if response.headers.get("Content-Type") == "application/problem+json":
        return str(response.json()["reason"])
    return "caller_not_allowed" if "insufficient_scope" in response.headers.get("WWW-Authenticate", "") else ""


def _play_login(console: Console, desk: str, urls: Mapping[str, str]) -> int:
    """The service `login`, with tokens from the desk, as it would run on Cloud Run."""
    os.environ["GCE_METADATA_HOST"] = desk
    table = Table("service", "calls", "answer", "why", title="login, with a token from its metadata server")
    profiles = call("https://user-profiles.example", f"{urls['FastAPI']}/profiles/7")
    search = call(SEARCH, f"{urls['search']}/search?q=shoes")
    right = [profiles.status_code == 200, (search.status_code, _reason(search)) == (403, "caller_not_allowed")]
    table.add_row("login", "user-profiles", _cell(profiles.status_code, "", right[0]), "may call user-profiles")
    table.add_row("login", "search", _cell(search.status_code, "", right[1]), "caller_not_allowed: may not call search")
    console.print(table)
    return right.count(False)


def _cell(status: int, reason: str, right: bool) -> str:
    if not right:
        return f"[bold white on red]{status} {reason} ?[/]"
    return f"[green]{status}[/]" if status < 400 else f"[yellow]{status}[/]"


def _hold(console: Console, ports: Mapping[str, int]) -> None:
    console.print("The services stay up until Ctrl-C:", *(f"{name} http://127.0.0.1:{ports[name]}" for name in SERVERS), sep="\n  ")
    console.print(f"Tokens: curl -s http://127.0.0.1:{ports['desk']}/token/login")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the services are ended, too
    sys.exit(main())
