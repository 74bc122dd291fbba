"""The servers themselves tell applications what `servers.py` says that they tell."""

import re
from functools import partial

import pytest
from sample_apps.demo.stage import free_port, server

from tests.contract.wire import exchange
from tests.paths.servers import Server, granian, granian_wsgi, gunicorn, hypercorn, told, uvicorn
from tests.paths.spellings import SPELLINGS
from tests.stacks import clean_environment

ASGI, WSGI = "tests.paths.process_app:asgi", "tests.paths.process_app:wsgi"
HERE = "--host=127.0.0.1 --port={port}"

COMMANDS: dict[str, tuple[str, Server]] = {
    "uvicorn": (f"uvicorn {ASGI} {HERE} --http=h11 --lifespan=off --root-path=/api", partial(uvicorn, root_path="/api")),
    "hypercorn": (f"hypercorn {ASGI} --bind=127.0.0.1:{{port}} --root-path=/api", partial(hypercorn, root_path="/api")),
    "granian": (f"granian {ASGI} {HERE} --interface=asginl --url-path-prefix=/api", partial(granian, root_path="/api")),
    "granian wsgi": (f"granian {WSGI} {HERE} --interface=wsgi --url-path-prefix=/api", partial(granian_wsgi, script_name="/api")),
    "gunicorn": (f"gunicorn {WSGI} --bind=127.0.0.1:{{port}}", partial(gunicorn, script_name="/api")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_server_tells(name: str) -> None:
    command, expected = COMMANDS[name]
    spelt = {target for spelling in SPELLINGS.values() for target in spelling.variants("/api/a")}
    requests = [("pUt", "/api/a"), *(("GET", target) for target in spelt if re.fullmatch("[!-~]+", target))]
    port = free_port()
    with server(command.format(port=port).split(), clean_environment() | {"SCRIPT_NAME": "/api"}, f"http://127.0.0.1:{port}/api"):
        answers = [(request, exchange(port, *request)) for request in requests]
    answered = [(request, answer.body.decode()) for request, answer in answers if answer.status == 200]
    assert len(answered) > 100
    assert [(request, body) for request, body in answered if body != told(expected(*request))] == []
