"""What Django routes: URLconfs within each other, function views and classes of them, REST framework's viewsets."""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandlerMixin
from django.core.handlers.base import BaseHandler
from django.urls import URLPattern, get_resolver
from django.urls.converters import StringConverter
from django.urls.resolvers import LocalePrefixPattern, RoutePattern
from django.utils.module_loading import import_string

from callerid.handler import HandlerCheck, lists_of
from callerid.inventory import Place, Served
from callerid.templates import MANY, Hole, hole, is_exact, template_of
from callerid_adapters.django import CallerMiddleware, configured_guard
from callerid_adapters.inventory import Walk, alike, name_of
from callerid_adapters.inventory.expressions import tokens_of

__all__ = ["served"]

Tokens = tuple[str | Hole, ...]

_PLACEHOLDER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")


def served(app: Any, place: Place, walk: Walk) -> Iterator[Served] | None:
    """What an application serves; `None` for one of another kind."""
    if isinstance(app, StaticFilesHandlerMixin):
        return _with_files(app, place, walk)
    if not isinstance(app, BaseHandler):
        return None
    if any(_is_ours(import_string(name)) for name in settings.MIDDLEWARE):
        place = place.behind(configured_guard())
    return _routed(get_resolver().url_patterns, place, "/", ("/",))


def _with_files(app: Any, place: Place, walk: Walk) -> Iterator[Served]:
    """What serves static files in development, before every middleware of Django's."""
    path = app.base_url.path
    files = place.at(f"{path}**", (*template_of([path]), MANY))
    yield Served(files, None, name_of(app))
    yield Served(files, None, None)
    yield from walk(app.application, place)


def _is_ours(middleware: Any) -> bool:
    return isinstance(middleware, type) and issubclass(middleware, CallerMiddleware)


def _routed(patterns: Iterable[Any], place: Place, path: str, before: Tokens) -> Iterator[Served]:
    for each in patterns:
        is_endpoint = isinstance(each, URLPattern)
        for shown, tokens in _readings(each.pattern, is_endpoint=is_endpoint):
            if is_endpoint:
                yield from _of_view(each.callback, place.at(path + shown, template_of(before + tokens)))
            else:
                yield from _routed(each.url_patterns, place, path + shown, before + tokens)


def _readings(pattern: Any, *, is_endpoint: bool) -> Iterator[tuple[str, Tokens]]:
    """How a pattern is shown, and what it is made of."""
    if isinstance(pattern, RoutePattern):
        route = str(pattern)
        parts = _PLACEHOLDER.split(route)
        yield route, tuple(_hole(part, pattern.converters[part]) if index % 2 else part for index, part in enumerate(parts))
    elif isinstance(pattern, LocalePrefixPattern):
        yield "<language>/", (hole("language", "[A-Za-z0-9-]+"), "/")
        if not pattern.prefix_default_language:
            yield "", ()
    else:
        tokens = tuple(tokens_of(str(pattern), is_endpoint=is_endpoint))
        yield "".join(token if isinstance(token, str) else f"<{token.name}>" for token in tokens), tokens


def _hole(name: str, converter: Any) -> Hole:
    return hole(name, converter.regex, is_plain=type(converter) is StringConverter)


def _of_view(view: Any, place: Place) -> Iterator[Served]:
    """A view; where it is of a class, a part for the methods that are guarded alike. No later pattern is looked at."""
    of_class = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if of_class is None:
        yield Served(place, None, name_of(view), _checks(lists_of(view)))
        return
    around = (*_authenticated(view, of_class), *lists_of(view), *lists_of(of_class.dispatch))
    guarded = ((method, _checks((*around, *lists_of(handler)))) for method, handler in _handlers(view, of_class))
    yield from alike(place, name_of(of_class), guarded)
    if not all(_is_the_frameworks(getattr(of_class, name)) for name in ("dispatch", "http_method_not_allowed")):
        yield Served(place, None, name_of(of_class), _checks(around))
    yield Served(place, None, None, may_hide=is_exact(place.template))


def _handlers(view: Any, of_class: Any) -> Iterator[tuple[str, Any]]:
    """The methods that a class answers, each with what does it."""
    names = _given(view).get("http_method_names", of_class.http_method_names)
    actions = getattr(view, "actions", None) or {name: name for name in names}
    if "get" in actions and not hasattr(of_class, "head"):
        actions = actions | {"head": actions["get"]}  # Django answers it so
    for name, action in actions.items():
        handler = getattr(of_class, action, None)
        if handler is not None and not (name == "options" and _is_the_frameworks(handler)):
            yield name.upper(), _inside_api_view(handler)


def _given(view: Any) -> dict[str, Any]:
    """What `as_view(…)` was given."""
    given: dict[str, Any] = getattr(view, "initkwargs", None) or getattr(view, "view_initkwargs", None) or {}
    return given


def _is_the_frameworks(method: Any) -> bool:
    return str(method.__module__).partition(".")[0] in ("django", "rest_framework")


def _inside_api_view(handler: Any) -> Any:
    """REST framework's `api_view` makes a class, whose methods call the function."""
    if getattr(handler, "__module__", None) == "rest_framework.decorators" and handler.__closure__:
        return inspect.getclosurevars(handler).nonlocals.get("func", handler)
    return handler


def _authenticated(view: Any, of_class: Any) -> Iterator[Any]:
    """REST framework asks its first authentication class about every request; ours asks the Guard."""
    classes = _given(view).get("authentication_classes", getattr(of_class, "authentication_classes", ()))
    ours = sys.modules.get("callerid_adapters.drf")
    if ours is None or not classes or not issubclass(next(iter(classes)), ours.CallerAuthentication):
        return
    if all(_is_the_frameworks(getattr(of_class, name)) for name in ("initial", "perform_authentication", "get_authenticators")):
        yield ours.check_for


def _checks(lists: Iterable[Any]) -> tuple[HandlerCheck, ...]:
    return tuple(check_for(configured_guard()) for check_for in dict.fromkeys(lists))
