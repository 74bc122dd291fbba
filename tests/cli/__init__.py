"""The command, as an operator types it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callerid.cli.commands import callerid
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer

POLICY = f"""\
audience = "{AUDIENCE}"
callers = ["{LOGIN}"]

[groups]
admins = ["{ANA}"]

[[routes]]
path = "/healthz"
callers = ["allUsers"]

[[routes]]
path = "/profiles/{{id}}"
methods = ["PUT", "DELETE"]
callers = ["group:admins"]

[[issuers]]
issuer = "https://accounts.google.com"
"""


def policy(directory: Path, keys: str = "", text: str = POLICY) -> str:
    """A policy file whose last line says where the keys are."""
    path = directory / "callerid.toml"
    path.write_text(text + (keys or "jwks_uri = 'http://127.0.0.1:9/jwks'\n"))
    return str(path)


def served(directory: Path, issuer: FakeIssuer, text: str = POLICY) -> str:
    return policy(directory, f"jwks_uri = '{issuer.jwks_uri}'\n", text)


def run(*arguments: str, typed: str = "", environ: Mapping[str, str] | None = None) -> Result:
    """What the command shows and how it ends; nothing but an exit may leave it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        for name, value in (environ or {}).items():
            patch.setenv(name, value)
        result = CliRunner().invoke(callerid, arguments, input=typed)
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    return result


def report(*arguments: str, typed: str = "") -> dict[str, Any]:
    """The same for a program."""
    result = run(*arguments, "--json", typed=typed)
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["ok"] is (result.exit_code == 0)
    return found
