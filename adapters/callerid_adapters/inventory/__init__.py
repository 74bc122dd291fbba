"""What an application serves: `inventory(app)` goes through its middleware, routers and mounts, whatever framework each is of."""

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from inspect import isfunction, signature
from typing import Any

from callerid.asgi import CallerMiddleware as ASGIMiddleware
from callerid.errors import ConfigurationError
from callerid.handler import HandlerCheck
from callerid.inventory import Place, Served
from callerid.templates import MANY
from callerid.wsgi import CallerMiddleware as WSGIMiddleware

__all__ = ["Walk", "alike", "inventory", "name_of"]

# The name of a framework, and what says of an application what it serves, or `None` where it is no such application.
_FRAMEWORKS = {
    "starlette": "callerid_adapters.inventory.starlette",
    "werkzeug": "callerid_adapters.inventory.flask",
    "django": "callerid_adapters.inventory.django",
}
_INNER = ("app", "application", "wsgi_app", "wsgi_application")  # what middleware calls the application that it is around

_ARGUMENTS = (2, 3)  # of WSGI, ASGI

Walk = Callable[[Any, Place], Iterator[Served]]


def inventory(app: Any) -> list[Served]:
    """Everything that an ASGI or WSGI application serves, in the order in which its routers look.

    An application of an unknown kind is one thing that serves every path.

    Raises:
        ConfigurationError: for a handler's list that has no Guard, or that its Guard cannot read; for a function that is no
            application.
    """
    if not callable(app):
        raise ConfigurationError(f"a {type(app).__name__} is no ASGI or WSGI application; write module:app, as for a server")
    if isfunction(app) and not any(_takes(app, number) for number in _ARGUMENTS):
        raise ConfigurationError(f"{name_of(app)} is no ASGI or WSGI application; if it makes one, call it: {app.__name__}()")
    return list(_walk(app, Place()))


def _takes(function: Any, number: int) -> bool:
    try:
        signature(function).bind(*range(number))
    except TypeError:
        return False
    return True


def name_of(handler: Any) -> str:
    """How a handler is called, for a person."""
    handler = getattr(handler, "func", handler)
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return f"{named.__module__}.{named.__qualname__}"


def alike(
    place: Place, name: str, guarded: Iterable[tuple[str, tuple[HandlerCheck, ...]]], *, is_websocket: bool = False
) -> Iterator[Served]:
    """What is served by a handler of which each method may have lists of its own: a part for those that have the same."""
    by_checks: dict[tuple[HandlerCheck, ...], set[str]] = {}
    for method, checks in guarded:
        by_checks.setdefault(checks, set()).add(method)
    for checks, methods in by_checks.items():
        yield Served(place, frozenset(methods), name, checks, is_websocket)


def _walk(app: Any, place: Place) -> Iterator[Served]:
    if isinstance(app, ASGIMiddleware | WSGIMiddleware):
        yield from _walk(app.app, place.behind(app.guard))
        return
    for framework, module in _FRAMEWORKS.items():
        if framework in sys.modules:
            served = import_module(module).served(app, place, _walk)
            if served is not None:
                yield from served
                return
    inner = next((getattr(app, name) for name in _INNER if callable(getattr(app, name, None))), None)
    if inner is not None and getattr(inner, "__self__", None) is not app:
        yield from _walk(inner, place)
    else:
        yield Served(place.at("/**", (MANY,)), None, name_of(app))
