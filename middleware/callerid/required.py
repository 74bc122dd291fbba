"""Claims that a token must have beside those of every ID token: each exactly one value, or one of several."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from callerid.errors import ConfigurationError, Refused, refusal
from callerid.options import as_list
from callerid.token import MAX_DEPTH

__all__ = ["RequiredClaims"]

_Path = tuple[str, ...]


class RequiredClaims:
    """`{"hd": "example.com", "google.compute_engine.project_id": ["shop", "shop-batch"]}`: a value, or several to choose from.

    A dot leads into an object. Where a claim's own name has dots, nest instead: `{"kubernetes.io": {"namespace": "shop"}}`.
    Values compare as JSON does, type and all: `1` is neither `"1"` nor `true`.

    Raises:
        ConfigurationError: for what is no mapping, an empty name or list, a claim said in two ways, and a value that is no text,
            whole number or boolean.
    """

    def __init__(self, field: str, required: object) -> None:
        self._required: dict[_Path, frozenset[tuple[type, object]]] = {}
        for path, value in _paths(field, required):
            name = f"{field}: {'.'.join(path)}"
            if path in self._required:
                raise ConfigurationError(f"{name}: given twice; nothing is merged, so take one out")
            self._required[path] = _allowed(name, value)

    def __bool__(self) -> bool:
        return bool(self._required)

    def check(self, claims: Mapping[str, Any]) -> None:
        """Refuse a token that lacks one of them.

        Raises:
            Unauthenticated: `claim_missing`, or `claim_invalid` for another value. The note never holds the token's value.
        """
        for path, allowed in self._required.items():
            _check(path, allowed, claims)

    def unmet(self, claims: Mapping[str, Any]) -> dict[tuple[str, ...], list[Any]]:
        """Those that the claims lack, or have with another value, and the values that each may have."""
        found: dict[_Path, list[Any]] = {}
        for path, allowed in self._required.items():
            try:
                _check(path, allowed, claims)
            except Refused:
                found[path] = sorted((value for _, value in allowed), key=repr)
        return found


def _check(path: _Path, allowed: frozenset[tuple[type, object]], claims: Mapping[str, Any]) -> None:
    found: Any = claims
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            raise refusal("claim_missing", f"{'.'.join(path)} is required and missing")
        found = found[name]
    if isinstance(found, list | dict) or (type(found), found) not in allowed:
        wanted = ", ".join(sorted(repr(value) for _, value in allowed))
        raise refusal("claim_invalid", f"{'.'.join(path)} is not what is required: {wanted}")


def _paths(field: str, required: object, within: _Path = ()) -> Iterator[tuple[_Path, object]]:
    if not isinstance(required, Mapping) or (within and not required) or len(within) > MAX_DEPTH:
        raise ConfigurationError(
            f"{field}: {required!r} names no claim; write the value that each must have, like {{'hd': 'example.com'}}"
        )
    for name, value in required.items():
        names = _names(field, name)
        if isinstance(value, Mapping):
            yield from _paths(field, value, (*within, name))
        else:
            yield ((*within, name) if within else names), value  # inside an object a name's dots are its own


def _names(field: str, name: object) -> _Path:
    if not isinstance(name, str) or not all(name.split(".")):
        raise ConfigurationError(f"{field}: {name!r} is no claim's name; write one like 'hd' or 'google.compute_engine.project_id'")
    return tuple(name.split("."))


def _allowed(field: str, value: object) -> frozenset[tuple[type, object]]:
    values: list[Any] = as_list(field, value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not values:
        raise ConfigurationError(f"{field}: empty, so no token would do; name at least one value")
    for each in values:
        if not isinstance(each, str | int):  # a boolean is an int
            raise ConfigurationError(f"{field}: {each!r} is no text, whole number or boolean")
    return frozenset((_json_type(each), each) for each in values)


def _json_type(value: str | int) -> type:
    """The type that JSON would read it as: an enumeration's member is a text or a number, too."""
    return next(kind for kind in (bool, int, str) if isinstance(value, kind))
