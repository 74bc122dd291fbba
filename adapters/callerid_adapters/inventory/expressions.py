"""The regular expressions of Django's `re_path`, taken for what they match: text, and placeholders for all else."""

import re
from collections.abc import Iterator

from callerid.templates import Hole, hole

__all__ = ["tokens_of"]

# One thing after the other: an escape, a class, a character that is for itself or stands for others. Groups hold each other.
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})[?+]?")
_NAME = re.compile(r"\(\?P<([A-Za-z_]\w*)>")
_EDGES = frozenset({"^", "$", r"\A", r"\Z", r"\b", r"\B"})

_REST = Hole("rest", is_many=True)


def tokens_of(expression: str, *, is_endpoint: bool) -> Iterator[str | Hole]:
    """Text and placeholders, in a row. `is_endpoint` is for one behind which nothing follows: without `$` anything may."""
    atoms = list(_atoms(expression))
    if "|" in atoms:
        yield _REST
        return
    if atoms[:1] not in (["^"], [r"\A"]):
        yield _REST  # Django searches, so it may begin anywhere
    ends = atoms[-1:] in (["$"], [r"\Z"])
    atoms = [atom for atom in atoms if atom not in _EDGES]
    if ends and atoms[-1:] == ["/?"]:
        atoms[-1] = "/"
    yield from map(_token, atoms)
    if is_endpoint and not ends and expression:
        yield _REST


def _atoms(expression: str) -> Iterator[str]:
    """The parts at the top of an expression, each with its quantifier."""
    at = 0
    while at < len(expression):
        end = _group_end(expression, at) if expression[at] == "(" else _ATOM.match(expression, at).end()  # type: ignore[union-attr]
        quantifier = _QUANTIFIER.match(expression, end)
        end = quantifier.end() if quantifier else end
        yield expression[at:end]
        at = end


def _group_end(expression: str, at: int) -> int:
    depth = 0
    while True:
        match = _ATOM.match(expression, at)
        if match is None:  # no expression that compiles
            return at
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        at = match.end()
        if depth == 0:
            return at


def _token(atom: str) -> str | Hole:
    if len(atom) == 1 and atom != ".":
        return atom
    if len(atom) == 2 and atom[0] == "\\" and not atom[1].isalnum():
        return atom[1]
    named = _NAME.match(atom)
    return hole(named[1] if named else atom.strip("()"), atom)
