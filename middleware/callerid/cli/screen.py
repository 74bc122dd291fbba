"""A report on the screen: as JSON, or as tables that a person reads."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callerid.errors import without_secrets

__all__ = ["Report", "Section", "counted", "plain", "show"]

NO_END = 10_000  # characters on a line that nobody folds

# "ok" is the answer; "title" and "sections" are what a person is shown of the rest, which a program reads.
Report = dict[str, Any]
Section = Mapping[str, Any]

_STYLES = {"ok": "green", "no": "bold red", "warning": "yellow", "dim": "dim", "": ""}


def show(report: Report, *, as_json: bool) -> None:
    """Print a report on standard output."""
    if as_json:
        found = {name: value for name, value in report.items() if name not in ("title", "sections")}
        print(json.dumps(_without_secrets(found), indent=2))
        return
    to_a_program = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    console = Console(highlight=False, soft_wrap=True, width=NO_END if to_a_program else None)
    for section in report["sections"]:
        _section(console, section)
    console.print(Text(plain(report["title"]), _STYLES["ok" if report["ok"] else "no"]))


def plain(text: str) -> str:
    """Without tokens, and without what a terminal would act on."""
    text = without_secrets(text)
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def counted(number: int, thing: str) -> str:
    """So many things."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_without_secrets(name): _without_secrets(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(inside) for inside in value]
    return without_secrets(value) if isinstance(value, str) else value


def _section(console: Console, section: Section) -> None:
    table = Table(
        title=Text(plain(section["heading"]), "bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in section.get("columns", ()):
        table.add_column(Text(column, "dim"), overflow="fold")
    if not section.get("columns"):
        table.show_header = False
    for row in section["rows"]:
        table.add_row(*_cells(row))
    console.print(table)
    console.print()


def _cells(row: Iterable[Any]) -> Iterable[Text]:
    """Text only, so that nothing in a token or a file is read as markup."""
    for cell in row:
        text, style = cell if isinstance(cell, tuple) else (cell, "")
        yield Text(plain(str(text)), _STYLES[style])
