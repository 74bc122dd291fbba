"""A report on the screen: as JSON, or as tables that a person reads."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callerid.errors import ConfigurationError, without_secrets

__all__ = ["Report", "Section", "all_written", "counted", "plain", "show"]

NO_END = 10_000  # characters on a line that nobody folds

# "ok" is the answer; "title" and "sections" are what a person is shown of the rest, which a program reads.
Report = dict[str, Any]
Section = Mapping[str, Any]

_STYLES = {"ok": "green", "no": "bold red", "warning": "yellow", "dim": "dim", "": ""}


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        """Not an end of its own, with the exit code of a no."""
        raise  # noqa: PLE0704  (it is called where that is handled)


@contextmanager
def all_written() -> Iterator[None]:
    """What is printed here reaches standard output.

    Raises:
        ConfigurationError: where it does not.
    """
    out: Any = sys.stdout
    if out is None:
        raise ConfigurationError("standard output cannot be written: it is closed")
    try:
        yield
        out.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or the interpreter tries once more when it ends, and complains
        raise ConfigurationError(f"standard output cannot be written: {error.strerror}") from None


@all_written()
def show(report: Report, *, as_json: bool) -> None:
    """Print a report on standard output. Raises as `all_written`."""
    if as_json:
        found = {name: value for name, value in report.items() if name not in ("title", "sections")}
        print(json.dumps(_without_secrets(found), indent=2))
        return
    to_a_program = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    console = _Console(highlight=False, soft_wrap=True, width=NO_END if to_a_program else None)
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
