"""What Starlette and FastAPI route: routers, included ones, mounts, hosts, WebSockets, classes of endpoints."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import StringConvertor
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

from callerid.asgi import CallerMiddleware
from callerid.handler import HandlerCheck
from callerid.inventory import Place, Served
from callerid.templates import MANY, Hole, Template, hole, template_of
from callerid_adapters.inventory import Walk, name_of

__all__ = ["served"]

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"}

Overrides = Mapping[Any, Any]


def served(app: Any, place: Place, walk: Walk) -> Iterator[Served] | None:
    """What an application serves; `None` for one of another kind."""
    if isinstance(app, Starlette):
        for each in app.user_middleware:
            if _is_ours(each.cls):
                ours: Any = each.cls(app.router, *each.args, **each.kwargs)
                place = place.behind(ours.guard)
        return _routed(app.router, place, walk, getattr(app, "dependency_overrides", {}))
    router = app if isinstance(app, Router) else getattr(app, "__self__", None)
    if not isinstance(router, Router) or app not in (router, router.app):
        return None
    around = getattr(router, "middleware_stack", None)
    if app is router and around is not None and around != router.app:  # which is at the end of the middleware
        return walk(around, place)
    return _routed(router, place, walk, {})


def _is_ours(factory: Any) -> bool:
    while isinstance(factory, partial):
        factory = factory.func
    return isinstance(factory, type) and issubclass(factory, CallerMiddleware)


def _routed(router: Router, place: Place, walk: Walk, overrides: Overrides) -> Iterator[Served]:
    for route in _flat(router.routes):
        kind = _original(route)
        if isinstance(kind, Route):
            yield _of_route(route, place, overrides)
        elif isinstance(kind, WebSocketRoute):
            yield _of_websocket(route, place, overrides)
        elif isinstance(kind, Mount):
            inner = place.below(route.path, _template(route, route.path_format.removesuffix("/{path}")))
            yield from walk(route.app, inner)
            yield Served(inner.at("/**", (MANY,)), None, None, may_hide=_matches_as_known(route))
        elif isinstance(kind, Host):
            yield from walk(route.app, replace(place, host=route.host))
        else:
            yield Served(place.at("/**", (MANY,)), None, name_of(kind))
    yield from _frontends(router, place, overrides)
    if getattr(router.default, "__func__", None) is not Router.not_found:
        yield from walk(router.default, place)


def _original(route: Any) -> Any:
    """The route as it was written, where an included router has made another of it."""
    return getattr(route, "original_route", route)


def _matches_as_known(route: Any) -> bool:
    return type(_original(route)).matches.__module__ in ("starlette.routing", "fastapi.routing")


def _flat(routes: Any) -> Iterator[Any]:
    """The routes, those of included routers among them, which newer versions of FastAPI keep apart."""
    try:
        from fastapi.routing import iter_route_contexts  # noqa: PLC0415  (not there for Starlette alone, nor in older ones)
    except ImportError:
        return iter(routes)
    return iter(iter_route_contexts(routes))


def _of_route(route: Any, place: Place, overrides: Overrides) -> Served:
    inner, checks = _at(route, place, overrides)
    methods, endpoint = route.methods or None, route.endpoint  # where there are none, all are
    if isinstance(endpoint, type) and issubclass(endpoint, HTTPEndpoint) and endpoint.dispatch is HTTPEndpoint.dispatch:
        methods = (methods or _METHODS) & {
            each for each in _METHODS if hasattr(endpoint, "get" if each == "HEAD" else each.lower())
        }
    answered = None if methods is None else frozenset(methods)
    return Served(inner, answered, name_of(endpoint), checks, may_hide=_matches_as_known(route))


def _of_websocket(route: Any, place: Place, overrides: Overrides) -> Served:
    inner, checks = _at(route, place, overrides)
    return Served(inner, None, name_of(route.endpoint), checks, is_websocket=True, may_hide=_matches_as_known(route))


def _at(route: Any, place: Place, overrides: Overrides) -> tuple[Place, tuple[HandlerCheck, ...]]:
    """Where a route is, behind the middleware of its own, and the lists among its dependencies."""
    app = getattr(route, "app", None)
    inner = place
    while app is not None:
        if isinstance(app, CallerMiddleware):
            inner = inner.behind(app.guard)
        app = getattr(app, "app", None)
    checks = tuple(_checks(getattr(route, "dependant", None), overrides))
    return inner.at(route.path, _template(route, route.path_format)), checks


def _checks(dependant: Any, overrides: Overrides) -> Iterator[HandlerCheck]:
    for inner in getattr(dependant, "dependencies", ()):
        call = overrides.get(inner.call, inner.call)
        check = getattr(call, "check", None)
        if isinstance(check, HandlerCheck):
            yield check
        if call is inner.call:
            yield from _checks(inner, overrides)


def _template(route: Any, path: str) -> Template:
    """What a path matches, by the convertors of its route."""
    parts = _PLACEHOLDER.split(path)
    return template_of(_hole(part, route.param_convertors[part]) if index % 2 else part for index, part in enumerate(parts))


def _hole(name: str, convertor: Any) -> Hole:
    return hole(name, convertor.regex, is_plain=type(convertor) is StringConvertor)


def _frontends(router: Any, place: Place, overrides: Overrides) -> Iterator[Served]:
    """What newer versions of FastAPI serve where no route matches (`app.frontend`)."""
    for candidate in getattr(router, "_iter_low_priority_routes", partial(iter, ()))():
        group = _original(candidate)
        prefix = getattr(candidate, "frontend_prefix", "")
        for route in getattr(group, "routes", ()):
            inner = place.at(f"{prefix}{route.path}".rstrip("/") + "/**", (*template_of([prefix + route.path]), MANY))
            yield Served(inner, frozenset(route.methods), name_of(route.app), tuple(_checks(candidate.dependant, overrides)))
