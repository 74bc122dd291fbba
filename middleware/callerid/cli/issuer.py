"""A loopback issuer for development, in place of every switch that turns verification off."""

import secrets
import shlex
import signal
import threading
from collections.abc import Sequence

from rich.console import Console

from callerid.errors import ConfigurationError
from callerid.members import checked_word
from callerid.testing import FakeIssuer

__all__ = ["serve"]


def serve(members: Sequence[str], audience: str, url: str, port: int) -> None:
    """Print what a service needs to believe this issuer, and a call for each member; then serve keys until interrupted.

    Raises:
        ConfigurationError: for a port that is taken, and for a member that nobody can be.
    """
    members = [checked_word("--as", member) for member in members]
    try:
        issuer = FakeIssuer(port=port)
    except OSError as error:
        raise ConfigurationError(f"--port {port}: {error.strerror}; give another one, or 0 for any that is free") from None
    issuer.published.clear()
    issuer.kid = issuer.add_key(secrets.token_hex(4))  # so that a service which has the keys of another run asks for these
    with issuer:
        out = Console(highlight=False, soft_wrap=True, markup=False)
        calls = [(member, issuer.headers(member, audience)) for member in members]
        ended = _end()
        out.print("# For the service, in its shell:", style="dim")
        for name, value in _variables(issuer, audience, members):
            out.print(f"export {name}={shlex.quote(value)}")
        for member, headers in calls:
            out.print(f"\n# As {member}, for an hour:", style="dim")
            out.print(
                " ".join(["curl", *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()), shlex.quote(url)])
            )
        out.print(
            f"\n# Serving keys at {issuer.jwks_uri}, to this machine only, until Ctrl-C. Never use it where others call.",
            style="dim",
        )
        ended.wait()


def _end() -> threading.Event:
    """Set by Ctrl-C and SIGTERM, also where a shell has had a background process ignore the first."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def _variables(issuer: FakeIssuer, audience: str, members: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("CALLERID_JWKS_URI", issuer.jwks_uri),
        ("CALLERID_AUDIENCE", audience),
        ("CALLERID_CALLERS", ",".join(members)),
    ]
