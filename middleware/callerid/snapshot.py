"""Who may call what, as a table in a test."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from callerid.errors import ConfigurationError
from callerid.inventory import who_may_call
from callerid.members import ALL_USERS, checked_word
from callerid.options import as_list

__all__ = ["assert_callers"]


def assert_callers(app: Any, expected: Mapping[str, str | Iterable[str]]) -> None:
    """Check who may call each route that an ASGI or WSGI application serves: a FastAPI, Starlette, Flask or Django application, or
    any that is around one.

    `expected` has the members, groups resolved, for each `"GET /profiles/{id}"`, with the path as the framework writes it; for
    `"/static/**"` where every method is served, `"WEBSOCKET /ws"`, and several methods with commas between. A route that is open
    to everyone has `"allUsers"`, one that nobody may call `[]`. Every route has to be there, and nothing else.

    Raises:
        AssertionError: with what differs, and the table as it is.
        ConfigurationError: for what is no member, and where the inventory cannot be made.
    """
    __tracebackhide__ = True  # pytest shows what differs, and not this
    actual = dict(_actual(app))
    wanted = dict(_wanted(expected))
    differences = [
        f"  {name}: {_said(wanted, name, 'not in the table')}; is {_said(actual, name, 'not served')}"
        for name in dict.fromkeys([*actual, *wanted])
        if actual.get(name) != wanted.get(name)
    ]
    if differences:
        table = "".join(f"    {name!r}: {sorted(members)!r},\n" for name, members in actual.items())
        raise AssertionError("\n".join(["who may call what is not as expected:", *differences, f"as it is:\n{{\n{table}}}"]))


def _actual(app: Any) -> Iterator[tuple[str, frozenset[str]]]:
    from callerid_adapters.inventory import inventory  # noqa: PLC0415  (the core loads no adapter, unless one is asked for)

    found: dict[str, frozenset[str]] = {}
    for row in who_may_call(inventory(app)).rows:
        callers = frozenset([ALL_USERS] if row.callers is None else row.callers)
        for name in row.names:
            found[name] = found.get(name, frozenset()) | callers
    yield from found.items()


def _wanted(expected: Mapping[str, str | Iterable[str]]) -> Iterator[tuple[str, frozenset[str]]]:
    given: set[str] = set()
    for names, callers in expected.items():
        if not isinstance(names, str):
            raise ConfigurationError(f"assert_callers: {names!r} names no route; write one like 'GET /profiles/{{id}}'")
        words = as_list("assert_callers", [callers] if isinstance(callers, str) else callers)
        members = frozenset(word if " and " in str(word) else checked_word("assert_callers", word) for word in words)
        methods, _, path = names.rpartition(" ")
        for name in [f"{method.strip()} {path}".strip() for method in methods.split(",")]:
            if name in given:
                raise ConfigurationError(f"assert_callers: {name} is there twice; take one out")
            given.add(name)
            yield name, members


def _said(table: Mapping[str, frozenset[str]], name: str, absent: str) -> str:
    return str(sorted(table[name])) if name in table else absent
