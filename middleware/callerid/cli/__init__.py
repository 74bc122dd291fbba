"""The `callerid` command: for the operator at a terminal, and for CI.

`commands.py` reads the arguments; `check.py`, `explain.py`, `tokens.py`, `issuer.py` and `keys.py` each make one report of plain
JSON types; `screen.py` shows it.
"""

import sys
from contextlib import suppress
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    try:
        from callerid.cli.commands import callerid  # noqa: PLC0415  (click and rich are an extra's)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit("callerid: this command needs click and rich; install them with: pip install 'callerid[cli]'")
    streams: Any = (sys.stdout, sys.stderr)
    for stream in streams:
        with suppress(AttributeError):  # it is closed
            stream.reconfigure(errors="backslashreplace")  # for a terminal that has no "✓"
    callerid(prog_name="callerid")
