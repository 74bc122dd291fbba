"""The `callerid` command: for the operator at a terminal, and for CI.

`commands.py` reads the arguments; `check.py`, `explain.py`, `tokens.py`, `issuer.py` and `keys.py` each make one report of plain
JSON types; `screen.py` shows it.
"""

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    try:
        from callerid.cli.commands import callerid  # noqa: PLC0415  (click and rich are an extra's)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit("callerid: this command needs click and rich; install them with: pip install 'callerid[cli]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no "✓"
    callerid(prog_name="callerid")
