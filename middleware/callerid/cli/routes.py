"""What an application serves, and who may call each route of it."""

from collections.abc import Collection, Sequence
from typing import Any

from callerid.cli.screen import Report, counted
from callerid.errors import ConfigurationError
from callerid.inventory import Row, Served, who_may_call
from callerid.members import ALL_USERS

__all__ = ["KINDS", "report"]

KINDS = ("public", "dead", "unused")  # what a report may fail on


def report(served: Sequence[Served], fail_on: Collection[str], meant_to_be_public: Collection[str]) -> Report:
    """Every route with its effective callers; and those that are open to everyone, those that nobody may call, and the rules that
    match no route.

    Raises:
        ConfigurationError: for an application that serves nothing, and for a path that is meant to be public and is not.
    """
    rows, unused = who_may_call(served)
    if not rows:
        raise ConfigurationError("it serves no route; is it the application that a server is given?")
    for path in meant_to_be_public:
        if not any(row.is_public and row.path == path for row in rows):
            raise ConfigurationError(f"--expect-public {path}: no route of that path is open to everyone; take it out")
    found = {
        "public": [name for row in rows if row.is_public and row.path not in meant_to_be_public for name in row.names],
        "dead": [name for row in rows if row.is_dead for name in row.names],
        "unused": unused,
    }
    public, dead = sum(row.is_public for row in rows), sum(row.is_dead for row in rows)
    return {
        "ok": not any(found[kind] for kind in fail_on),
        "routes": [row.to_dict() for row in rows],
        "unused": unused,
        "failed": {kind: found[kind] for kind in fail_on if found[kind]},
        "title": f"{counted(len(rows), 'route')}, {public} open to everyone, {dead} that nobody may call, "
        f"{counted(len(unused), 'rule')} without a route",
        "sections": [
            {
                "heading": "Who may call",
                "columns": ("methods", "path", "callers", "decided by", "handler"),
                "rows": map(_row, rows),
            },
            *([{"heading": "Rules that match no route", "rows": [((rule, "warning"),) for rule in unused]}] if unused else []),
            *({"heading": f"Failed: {kind}", "rows": [((each, "no"),) for each in found[kind]]} for kind in fail_on if found[kind]),
        ],
    }


def _row(row: Row) -> tuple[Any, ...]:
    callers: Any = "\n".join(row.callers or ())
    if row.callers is None:
        callers = (ALL_USERS, "warning")
    elif not row.callers:
        callers = ("nobody", "no")
    return row.shown_methods, f"{row.host or ''}{row.path}", callers, "\n".join(row.rules), row.handler
