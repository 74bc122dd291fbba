"""The arguments of the `callerid` command, and its exit codes."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import click

from callerid import ConfigurationError, Guard
from callerid.cli import check as checking
from callerid.cli import explain as explaining
from callerid.cli import keys as keeping
from callerid.cli import routes as routing
from callerid.cli import tokens
from callerid.cli.issuer import serve
from callerid.cli.loading import load
from callerid.cli.screen import Report, all_written, plain, show

__all__ = ["callerid"]

YES, NO, CANNOT_TELL = 0, 1, 2

CODES = """\b
Exit codes: 0 yes, or all is well; 1 no: refused, or something is wrong;
2 cannot tell: the configuration or the arguments are wrong.
"""

_policy = click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="A policy file, in place of the CALLERID_ variables.",
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON on standard output, for programs.")


def _quiet() -> None:
    logging.getLogger("callerid").addHandler(logging.NullHandler())  # what start warns of is in the report


def _guard(policy: str | None) -> Guard:
    _quiet()
    return Guard.from_env() if policy is None else Guard.from_file(policy, reload=False)


def _ends(report: Report, as_json: bool) -> None:
    show(report, as_json=as_json)
    sys.exit(YES if report["ok"] else NO)


def _typed() -> str:
    try:
        return sys.stdin.read(tokens.MOST_CHARACTERS)
    except (AttributeError, OSError, ValueError):  # it is closed, a directory, or not text
        raise ConfigurationError("standard input cannot be read; send the token there") from None


def _served(path: str) -> str:
    """The path as a server has it, of what is in a browser's address line."""
    return re.split("[?#]", path, maxsplit=1)[0] or "/"


def _kinds(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(kind.strip() for kind in value.split(",") if kind.strip()))
    for kind in kinds:
        if kind not in routing.KINDS:
            raise click.BadParameter(f"{kind!r} is none of {', '.join(routing.KINDS)}")
    return kinds


@contextmanager
def _untold() -> Iterator[None]:
    """What is wrong with the arguments is said without the tokens among them."""
    try:
        yield
    except click.UsageError as error:
        message = error.format_message()
        if plain(message) == message:
            raise
        raise click.UsageError(plain(message), error.ctx) from None


class _Group(click.Group):
    """One that repeats no token: not everybody sends it to standard input."""

    @_untold()
    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        return super().make_context(*arguments, **options)

    @_untold()
    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx)


class _Command(click.Command):
    """One that cannot tell where the configuration is wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            click.echo(plain(f"callerid: {error}"), err=True)
            sys.exit(CANNOT_TELL)


@click.group(cls=_Group, epilog=CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callerid")
def callerid() -> None:
    """Who may call a service, and why somebody may not."""


@callerid.command(cls=_Command)
@_policy
@_json
def check(policy: str | None, as_json: bool) -> None:
    """Validate the configuration, and show who may call what."""
    try:
        report = checking.report(_guard(policy).policy)
    except ConfigurationError as error:
        report = checking.wrong(error)
    _ends(report, as_json)


@callerid.command(cls=_Command)
@click.argument("app", metavar="MODULE:APP")
@click.option(
    "--fail-on", metavar="KINDS", default="", callback=_kinds, help=f"Of {', '.join(routing.KINDS)}, with commas between."
)
@click.option(
    "--expect-public", metavar="PATH", multiple=True, help="A path that may be open to everyone; several times for several."
)
@click.option("--app-dir", metavar="DIR", default=".", help="Where modules are looked for; here unless said otherwise.")
@_json
def routes(app: str, fail_on: tuple[str, ...], expect_public: tuple[str, ...], app_dir: str, as_json: bool) -> None:
    """Import an application, and show who may call each route that it serves.

    MODULE:APP is as for a server; MODULE:make_app() is what that function returns. FastAPI, Starlette, Flask, Django and REST
    framework are looked into; any other ASGI or WSGI application serves every path, as far as can be told.
    """
    _quiet()
    _ends(routing.report(load(app, app_dir), fail_on, expect_public), as_json)


@callerid.command(cls=_Command)
@click.option("--as", "member", metavar="MEMBER", help="Who calls, as an allowlist names them.")
@click.option("--token", "source", metavar="-", help="A token on standard input ('-'), or the header that bears it.")
@click.option("--method", default="GET", show_default=True)
@click.option("--path", metavar="PATH", help="What is called, without ?, # and what follows; / unless a token alone is looked at.")
@_policy
@_json
def explain(member: str | None, source: str | None, method: str, path: str | None, policy: str | None, as_json: bool) -> None:
    """Say which rule decides about a request, and why; or which of a token's checks fail, and what to do.

    A token is read from standard input and never shown: arguments end in shell histories and process lists.
    """
    if (member is None) == (source is None):
        raise click.UsageError("give either --as MEMBER or --token -")
    if source not in (None, "-"):
        raise click.UsageError("--token takes - alone: the token is read from standard input, never from the command line")
    guard, path = _guard(policy), path and _served(path)
    if member is not None:
        _ends(explaining.report(guard.policy, member, method, path or "/"), as_json)
    _ends(tokens.report(guard.policy, _typed(), method, path), as_json)


@callerid.command(cls=_Command)
@_policy
@_json
def keys(policy: str | None, as_json: bool) -> None:
    """Fetch the issuers' keys now, and show them."""
    _ends(keeping.report(_guard(policy).policy), as_json)


@callerid.command(cls=_Command)
@click.option("--as", "members", metavar="MEMBER", multiple=True, help="Who gets a token; several times for several callers.")
@click.option("--audience", default="http://127.0.0.1:8000", show_default=True, help="What the tokens are for.")
@click.option("--url", help="What the curl line calls; the audience unless said otherwise.")
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True)
def issuer(members: tuple[str, ...], audience: str, url: str | None, port: int) -> None:
    """Serve keys on this machine, for development: what to export, and tokens to call with.

    Keys are made on the spot and end with the process; nobody but this machine can reach them. A service that is to believe them
    has to be told so by the CALLERID_ variables that are printed.
    """
    serve(members or ("user:you@example.com",), audience, url or audience, port)


@callerid.command(cls=_Command)
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    with all_written():
        click.echo((resources.files("callerid") / "callerid.schema.json").read_text("utf-8"), nl=False)
