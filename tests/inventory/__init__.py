"""What an application is said to serve, and what it does when it is asked."""

import re
from collections.abc import Callable
from typing import Any

from callerid.inventory import Row, who_may_call
from callerid_adapters.inventory import inventory
from tests.adapters.support import bearing
from tests.support import ANA, LOGIN, SEARCH, STRANGER, FakeIssuer

Send = Callable[[str, str, dict[str, str]], int]

MEMBERS = (None, LOGIN, ANA, SEARCH, STRANGER)


def rows(app: Any) -> list[Row]:
    return who_may_call(inventory(app)).rows


def table(app: Any) -> dict[str, list[str]]:
    """The rows as a snapshot has them."""
    return {name: ["allUsers"] if row.callers is None else list(row.callers) for row in rows(app) for name in row.names}


def check_by_asking(app: Any, issuer: FakeIssuer, send: Send) -> None:
    """Ask for each row's path as everybody, and see that they pass whom the row names, and nobody else."""
    for row in rows(app):
        if row.is_websocket:
            continue
        path = re.sub(r"\*\*$", "deep/down", re.sub(r"\{[^}]*\}|<[^>]*>", "7", row.path))
        for method in row.methods or ("GET", "POST"):
            for member in MEMBERS:
                may = row.callers is None or member in row.callers
                status = send(method, path, bearing(issuer, member))
                assert status not in (404, 405, 500), (method, path)
                assert (status not in (400, 401, 403)) is may, (method, path, member, status)
