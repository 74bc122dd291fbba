"""What Flask routes (and Quart, which routes alike): rules, blueprints, classes of views; and what Werkzeug's dispatcher mounts."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import Map

from callerid.handler import HandlerCheck, lists_of
from callerid.inventory import Place, Served
from callerid.templates import MANY, Template, hole, template_of
from callerid_adapters.inventory import Walk, alike, name_of

__all__ = ["served"]

_OWN = ("wsgi_app", "asgi_app")  # the method that is at the end of the middleware around an application


def served(app: Any, place: Place, walk: Walk) -> Iterator[Served] | None:
    """What an application serves; `None` for one of another kind."""
    if isinstance(app, DispatcherMiddleware):
        return _dispatched(app, place, walk)
    itself = getattr(app, "__self__", app) if getattr(app, "__name__", "") in _OWN else app
    if not isinstance(getattr(itself, "url_map", None), Map) or not hasattr(itself, "view_functions"):
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
    for rule, template in sorted(rules, key=lambda each: not _is_text(each[1])):
        inner = replace(place, host=rule.host or rule.subdomain or None).at(rule.rule, template)
        for served in _of_rule(app, rule, inner):
            yield replace(served, may_hide=_is_text(template))  # Werkzeug takes it first, and the others in an order of its own


def _is_text(template: Template) -> bool:
    return all(part.is_literal for part in template)


def _of_rule(app: Any, rule: Any, place: Place) -> Iterator[Served]:
    view = app.view_functions.get(rule.endpoint)
    of_class = getattr(view, "view_class", None)
    name = name_of(of_class or view or rule.endpoint)
    around = (*_blueprints_lists(app, str(rule.endpoint)), *lists_of(view))
    if rule.methods is None:
        yield Served(place, None, name, _checks(app, around))
        return
    methods = set(rule.methods)
    if getattr(rule, "provide_automatic_options", False):
        methods.discard("OPTIONS")  # Flask's own answer, for which no view is asked
    guarded = ((method, _checks(app, (*around, *lists_of(_handler(of_class, method))))) for method in sorted(methods))
    yield from alike(place, name, guarded, is_websocket=bool(rule.websocket))


def _handler(of_class: Any, method: str) -> Any:
    """What a class of views answers a method with."""
    dispatch = getattr(of_class, "dispatch_request", None)
    if getattr(dispatch, "__module__", "") not in ("flask.views", "quart.views"):
        return dispatch
    return getattr(of_class, method.lower(), None) or (getattr(of_class, "get", None) if method == "HEAD" else None)


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


def _template(rule: Any) -> Template:
    """What a rule's path matches, as Werkzeug has taken it apart: its host, a bar, its path."""
    path = rule._trace[[*rule._trace].index((False, "|")) + 1 :]
    return template_of(hole(data, rule._converters[data].regex) if is_placeholder else data for is_placeholder, data in path)
