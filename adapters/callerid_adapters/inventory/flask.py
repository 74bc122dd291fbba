"""What Flask routes (and Quart, which routes alike): rules, blueprints, classes of views; and what Werkzeug's dispatcher mounts."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Map, Rule

from callerid.handler import HandlerCheck, lists_of
from callerid.inventory import Place, Served
from callerid.templates import MANY, Part, Template, hole, template_of
from callerid_adapters.inventory import Walk, alike, name_of

__all__ = ["served"]

_OWN = ("wsgi_app", "asgi_app")  # the method that is at the end of the middleware around an application
_PLACEHOLDER = re.compile(r"<(?:[^<>]*:)?([A-Za-z_][A-Za-z0-9_]*)>")


def served(app: Any, place: Place, walk: Walk) -> Iterator[Served] | None:
    """What an application serves; `None` for one of another kind."""
    if isinstance(app, DispatcherMiddleware):
        return _dispatched(app, place, walk)
    itself = getattr(app, "__self__", app) if getattr(app, "__name__", "") in _OWN else app
    if not isinstance(getattr(itself, "url_map", None), Map):
        return None
    around = getattr(itself, "wsgi_app", None) or itself.asgi_app
    if app is itself and getattr(around, "__self__", None) is not itself:
        return walk(around, place)
    extension = itself.extensions.get("callerid")
    return _routed(itself, place if extension is None else place.behind(extension.guard))


def _dispatched(dispatcher: DispatcherMiddleware, place: Place, walk: Walk) -> Iterator[Served]:
    for path, app in sorted(dispatcher.mounts.items(), key=lambda mount: -len(mount[0])):  # the longest is looked for first
        inner = place.below(path, template_of([path]))
        yield from walk(app, inner)
        yield Served(inner.at("/**", (MANY,)), None, None)
    yield from walk(dispatcher.app, place)


def _routed(app: Any, place: Place) -> Iterator[Served]:
    rules = [(rule, _template(rule)) for rule in app.url_map.iter_rules() if not rule.build_only]
    for rule, template in sorted(rules, key=lambda each: _precedence(each[1])):
        host = rule.host or rule.subdomain or None
        yield from _of_rule(app, rule, replace(place, host=host).at(rule.rule, template))


def _precedence(template: Template) -> list[int]:
    """Werkzeug looks for text before placeholders, segment by segment, and for those that take everything last."""
    return [_weight(part) for part in template]


def _weight(part: Part) -> int:
    return 0 if part.is_literal else 2 if part is MANY else 1


def _of_rule(app: Any, rule: Any, place: Place) -> Iterator[Served]:
    view = app.view_functions.get(rule.endpoint)
    of_class = getattr(view, "view_class", None)
    around = (*_blueprints_lists(app, rule.endpoint), *lists_of(view))
    methods = set(rule.methods)
    if rule.provide_automatic_options:
        methods.remove("OPTIONS")  # Flask's own answer, for which no view is asked
    guarded = ((method, _checks(app, (*around, *lists_of(_handler(of_class, method))))) for method in sorted(methods))
    yield from alike(place, name_of(of_class or view), guarded, is_websocket=bool(rule.websocket))


def _handler(of_class: Any, method: str) -> Any:
    """What a class of views answers a method with."""
    named = getattr(of_class, method.lower(), None) or (getattr(of_class, "get", None) if method == "HEAD" else None)
    return named or getattr(of_class, "dispatch_request", None)


def _checks(app: Any, lists: Iterable[Any]) -> tuple[HandlerCheck, ...]:
    return tuple(allow_list.check_in(app) for allow_list in dict.fromkeys(lists))


def _blueprints_lists(app: Any, endpoint: str) -> Iterator[Any]:
    """The lists that protect the blueprints around a view, the outermost first."""
    parts = endpoint.split(".")
    for name in (None, *(".".join(parts[:length]) for length in range(1, len(parts)))):
        for function in app.before_request_funcs.get(name, ()):
            owner = getattr(function, "__self__", None)
            if hasattr(owner, "check_in"):
                yield owner


def _template(rule: Rule) -> Template:
    parts = _PLACEHOLDER.split(rule.rule)
    return template_of(hole(part, rule._converters[part].regex) if index % 2 else part for index, part in enumerate(parts))
