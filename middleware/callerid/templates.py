"""The paths that a router's template is for, and how they lie to those of a rule: apart, in common, within.

A router knows more kinds of template than `Route` does, so a template here is a sequence of parts: text, one segment (perhaps only
such as match a pattern), or any number of segments. What is not known exactly is taken for more paths, never for fewer.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from callerid.routes import Route

__all__ = ["MANY", "Hole", "Part", "Template", "covers", "hole", "in_common", "is_exact", "template_of", "text_of", "whole"]


class Hole(NamedTuple):
    """A placeholder in a router's template: its name, what it matches (`None`: any one segment), and whether that may hold `/`."""

    name: str
    pattern: str | None = None
    is_many: bool = False


class Part(NamedTuple):
    """One segment: as it is shown, and what matches it, where that is not the text itself. `MANY` is any number of them."""

    text: str
    matches: re.Pattern[str] | None = None

    @property
    def is_literal(self) -> bool:
        """Whether one text alone matches."""
        return self.matches is None


Template = tuple[Part, ...]

_ANY, _PERHAPS_ANY = re.compile(r"[^/]+"), re.compile(r"[^/]+", re.DOTALL)  # for sure, and as far as is known
_ATOMS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[./]", re.DOTALL)  # what a character is matched by
MANY = Part("**", re.compile(".*"))
MOST_OF_MANY = 2  # in one template: the ways to lay it over another are as many as the products of their lengths


def hole(name: str, pattern: str, *, is_plain: bool = False) -> Hole:
    """A placeholder whose router has this regular expression for it; `is_plain` where that is all, and any segment matches it."""
    if any(atom == "/" or _compiled(atom).fullmatch("/") for atom in _ATOMS.findall(pattern)):
        return Hole(name, is_many=True)
    return Hole(name, None if is_plain else pattern)


def template_of(tokens: Iterable[str | Hole]) -> Template:
    """The template that these make in a row: text, with slashes, and placeholders."""
    segments: list[list[str | Hole]] = [[]]
    for token in tokens:
        if isinstance(token, Hole):
            segments[-1].append(token)
            continue
        for index, text in enumerate(token.split("/")):
            if index:
                segments.append([])
            if text:
                segments[-1].append(text)
    parts = [part for segment in segments if segment for part in _parts(segment)]
    if parts.count(MANY) > MOST_OF_MANY:
        parts = parts[: parts.index(MANY) + 1]
    return tuple(parts)


def _parts(segment: list[str | Hole]) -> Iterator[Part]:
    before = list(takewhile(lambda token: isinstance(token, str) or not token.is_many, segment))
    is_many = before != segment  # and what comes behind in the same segment is not looked at
    if all(isinstance(token, str) for token in segment):
        yield Part("".join(map(str, segment)))
    elif not is_many and len(segment) == 1 and isinstance(segment[0], Hole) and segment[0].pattern is None:
        yield Part(_text(segment), _ANY)
    else:
        part = Part(_text(before), _compiled("".join(map(_pattern, before)) + "[^/]*" * is_many))
        may_be_none = part.matches is not None and part.matches.fullmatch("") is not None
        yield from () if may_be_none else (part,)
        yield from (MANY,) if is_many or may_be_none else ()


def _text(segment: list[str | Hole]) -> str:
    return "".join(token if isinstance(token, str) else f"{{{token.name}}}" for token in segment)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:  # it refers to a group of the router's whole expression
        return _PERHAPS_ANY


def _pattern(token: str | Hole) -> str:
    return re.escape(token) if isinstance(token, str) else f"(?:{token.pattern or _ANY.pattern})"


@cache
def whole(route: Route) -> Template:
    """A rule's own template."""
    parts = template_of(
        token
        for segment in route.path.removesuffix("/**").split("/")
        for token in ("/", Hole(segment[1:-1]) if segment.startswith("{") else segment)
    )
    return (*parts, MANY) if route.is_subtree else parts


def text_of(template: Template) -> str:
    """As a person reads it."""
    return "/" + "/".join(part.text for part in template)


def in_common(rule: Template, served: Template) -> Iterator[Template]:
    """Templates for the paths that both match. `rule` has `MANY` at its end, if at all."""
    if rule == (MANY,):
        yield served
    elif not rule or not served:
        if all(part is MANY for part in (*rule, *served)):
            yield ()
    elif served[0] is MANY:
        yield from in_common(rule, served[1:])
        for rest in in_common(rule[1:], served):
            yield rule[0], *rest
    else:
        part = _both(rule[0], served[0])
        if part is not None:
            for rest in in_common(rule[1:], served[1:]):
                yield part, *rest


def is_exact(template: Template) -> bool:
    """Whether it is known which paths match: those, and no fewer."""
    return all(part.is_literal or part.matches is _ANY for part in template)


def covers(wide: Template, narrow: Template) -> bool:
    """Whether every path of the second is one of the first, as far as can be told."""
    if wide in ((MANY,), narrow):
        return True
    if not wide or not narrow or wide[0] is MANY or narrow[0] is MANY:
        return False
    return _has(wide[0], narrow[0]) and covers(wide[1:], narrow[1:])


def _both(one: Part, other: Part) -> Part | None:
    if _has(one, other):
        return other
    if _has(other, one):
        return one
    return None if one.is_literal or other.is_literal else other


def _has(wide: Part, narrow: Part) -> bool:
    """Whether what the second matches is matched by the first."""
    if wide.matches is None:
        return narrow.matches is None and wide.text == narrow.text
    if narrow.matches is None:
        return wide.matches.fullmatch(narrow.text) is not None
    return wide.matches is _ANY or wide.matches.pattern == narrow.matches.pattern
