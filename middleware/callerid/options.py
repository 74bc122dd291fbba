"""One option's value as a user may have written it: the value that was meant, or an error that names the field and the mend."""

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

from callerid.errors import ConfigurationError
from callerid.logs import shown

__all__ = ["PathLike", "as_flag", "as_list", "as_number", "as_path", "as_texts", "closest"]

MOST_KNOWN = 200  # words among which a likely one is looked for
MOST_CHARACTERS = 128  # of a word that may be a typo

PathLike = str | os.PathLike[str]


def as_flag(field: str, value: object) -> bool:
    """True or False; a text is neither, or "false" would switch something on."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{field}: {value!r} is neither True nor False")
    return value


def as_number(field: str, value: Any, least: float, most: float = math.inf) -> float:
    """A number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        bounds = f"from {least:g} to {most:.0f}" if math.isfinite(most) else f"of at least {least:g}"
        raise ConfigurationError(f"{field}: {value!r} is no number {bounds}")
    return value


def as_path(field: str, value: Any) -> str:
    """A file's path; a number would be somebody's open file."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigurationError(f"{field}: {value!r} is no path of a file")
    return path


def as_list(field: str, value: Any) -> list[Any]:
    """Several values; a text is one, not a list of its letters."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        brackets = "[[…]], if this is a table of a TOML file" if isinstance(value, Mapping) else "brackets"
        raise ConfigurationError(f"{field}: {shown(value)} is no list; write it in {brackets}")
    return list(value)


def as_texts(field: str, value: Any) -> tuple[str, ...]:
    """Several texts."""
    texts = tuple(as_list(field, value))
    for text in texts:
        if not isinstance(text, str):
            raise ConfigurationError(f"{field}: {text!r} is no text; write it in quotes")
    return texts


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant; `None` if none is like it."""
    known = list(known)
    if len(known) > MOST_KNOWN:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  (for a mistake only, and no start should take longer for it)

    return next(iter(get_close_matches(word[:MOST_CHARACTERS], known, n=1, cutoff=cutoff)), None)
