"""Which line of a TOML file says something: for errors only. The standard library's parser tells no lines."""

import re
import tomllib
from collections.abc import Iterator

from callerid.errors import Place

__all__ = ["Lines"]

# What a line break, a bracket or a "#" can be hidden in (TOML 1.0: strings, comments), and what goes on over line breaks.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}|" r'"(?:\\.|[^"\\])*"|' r"'[^']*'|#[^\n]*|[\[{]|[\]}]|\n", re.DOTALL
)


class Lines:
    """A valid document, and where in it things are."""

    def __init__(self, toml: str) -> None:
        self._places = _places(_TOKEN.sub(_unless_comment, toml))

    def of(self, place: Place, problem: str) -> int | None:
        """The line, from 1, that a problem is about. `place` says where that is, at least about (a key, an index, at last an item
        of a list), and the problem's own words where exactly.
        """
        places = self._places
        found: Place = ()
        for step in place:
            if (*found, step) in places:
                found = (*found, step)
        for word in re.findall(r"[^\s:,;'\"()\[\]]+", problem):
            if (*found, word) in places:
                found = (*found, word)
        if not found:
            return None
        line, _ = places[found]
        within = dict.fromkeys(said for place, said in places.items() if place[: len(found)] == found)
        item = [step for step in place[-1:] if isinstance(step, str) and step != "callers" and place[-1:] != found[-1:]]
        quoted = [*item, *re.findall(r"'([^']+)'", problem)]
        forms = [form for text in quoted for form in (f"'{text}'", f'"{text}"', text) if len(form) > 1]
        inside = [each for begin, statement in within for each in enumerate(statement.split("\n"), begin)]
        return next((number for form in forms for number, text in inside if form in text), line)


def _unless_comment(token: re.Match[str]) -> str:
    return "" if token[0].startswith("#") else token[0]


def _places(toml: str) -> dict[Place, tuple[int, str]]:
    """Where each key is first written: the line and the statement."""
    places: dict[Place, tuple[int, str]] = {}
    tables: dict[Place, int] = {}  # how many an array of tables has
    header: Place = ()
    for line, statement in _statements(toml):
        is_header = statement.lstrip().startswith("[")
        place = () if is_header else header
        value: object = tomllib.loads(statement)
        while isinstance(value, dict) and len(value) == 1:
            ((key, value),) = value.items()
            place = (*place, key)
            places.setdefault(place, (line, statement))
            if is_header and isinstance(value, list):
                tables[place] = tables.get(place, 0) + 1
            if place in tables:
                place = (*place, tables[place] - 1)
                places.setdefault(place, (line, statement))
        if is_header:
            header = place
    return places


def _statements(toml: str) -> Iterator[tuple[int, str]]:
    """A document cut up where a line break ends a statement, each with the number of its first line."""
    begin, line, depth = 0, 1, 0
    for token in _TOKEN.finditer(toml + "\n"):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and not depth:
            statement = toml[begin : token.end()]
            yield line, statement
            begin, line = token.end(), line + statement.count("\n")
