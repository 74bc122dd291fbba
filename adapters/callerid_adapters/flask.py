"""Flask: `CallerGuard`, an extension that guards the whole application, with decorators for single views and blueprints."""

import sys
from collections.abc import Callable, Iterable
from functools import cache, wraps
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, current_app, g, request

from callerid import ConfigurationError, Guard, Refused
from callerid.guard import Judgement
from callerid.handler import HandlerCheck, with_list
from callerid.request import Request
from callerid.wsgi import wsgi_request

__all__ = ["CallerGuard"]

View = TypeVar("View", bound=Callable[..., Any])

_EXTENSION, _JUDGEMENT = "callerid", "callerid_judgement"
_STREAMS = "callerid.streams"


class CallerGuard:
    """Guards a Flask application: `CallerGuard(guard).init_app(app)`, or `callers = CallerGuard()` and `init_app` later.

    Without a Guard, `init_app` builds one from `app.config["CALLERID"]`, a dict of Guard's keywords. The caller is then in
    `flask.g.caller` and `callerid.current_caller()`. Refusals are raised as `callerid.Refused` and answered as problem
    documents, unless the application has an `errorhandler` for them.
    """

    def __init__(self, guard: Guard | None = None, *, app: Flask | None = None) -> None:
        self._guard = None if guard is None else _checked(guard)
        self._lists: list[_AllowList] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, guard: Guard | None = None) -> None:
        """Guard every request of this application, and begin to fetch keys in the background.

        Raises:
            ConfigurationError: without a Guard, for a second one, or for a mistake in a view's list.
        """
        if _EXTENSION in app.extensions:
            raise ConfigurationError("this Flask application has a callerid Guard already; give it one")
        guard = _checked(guard or self._guard or _configured(app))
        for allow_list in self._lists:
            allow_list.check_for(guard)
        app.extensions[_EXTENSION] = guarded = _Guarded(self, guard)
        _first(app, guarded.judge)
        app.after_request_funcs.setdefault(None, []).insert(0, guarded.finish)  # the last to run
        app.teardown_request(guarded.forget)
        _answer_refusals(app)
        guard.prefetch()

    def allow(self, *callers: str, optional: bool = False) -> Callable[[View], View]:
        """Only these members may call the view, beside what the Guard says of its route. Works for sync and async views.

        Raises:
            ConfigurationError: for an empty list, or a word that is no member; before `init_app`, `init_app` raises it.
        """
        allow_list = self._allow_list(callers, optional)

        def decorate(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                allow_list.enforce()
                return current_app.ensure_sync(view)(*args, **kwargs)

            with_list(guarded, allow_list, view)
            return guarded  # type: ignore[return-value]

        return decorate

    def protect(self, blueprint: Blueprint, callers: Iterable[str], *, optional: bool = False) -> None:
        """Only these members may call the blueprint's views. Raises as `allow`, and for a blueprint registered already."""
        allow_list = self._allow_list(callers, optional)
        try:
            _first(blueprint, allow_list.enforce)
        except AssertionError:  # Flask has copied the blueprint's functions; one more would never be called
            message = f"protect: blueprint {blueprint.name!r} is registered already; protect it before that"
            raise ConfigurationError(message) from None

    def guard_for(self, app: Flask) -> Guard:
        """The Guard that this extension has in an application.

        Raises:
            ConfigurationError: when it has none, since a list without a Guard that ran must not pass.
        """
        guarded = app.extensions.get(_EXTENSION)
        guard = guarded.guard if guarded is not None and guarded.extension is self else self._guard
        if guard is None:
            raise ConfigurationError("a view has a list of callers, but no Guard: call init_app(app) on this CallerGuard")
        return guard

    def _allow_list(self, callers: Iterable[str], optional: bool) -> "_AllowList":
        allow_list = _AllowList(self, callers, optional)
        if self._guard is not None:
            allow_list.check_for(self._guard)
        self._lists.append(allow_list)
        return allow_list


class _Guarded:
    """A Guard at work in one application."""

    def __init__(self, extension: CallerGuard, guard: Guard) -> None:
        self.extension = extension
        self.guard = guard

    def judge(self) -> None:
        """Before everything else: nothing of the application runs for a request that is refused."""
        g.pop("caller", None)  # an application context around several requests keeps `g`
        judgement = self.guard.judge(_request(self.guard))
        judgement.begin()
        setattr(request, _JUDGEMENT, judgement)  # not in the environment, which another application may be called with
        g.caller = judgement.caller

    def finish(self, response: Response) -> Response:
        """The last look at a response, a refusal's too."""
        judgement = self._judgement()
        if judgement is not None:
            if judgement.is_private and "Cache-Control" not in response.headers:
                response.headers["Cache-Control"] = "private"
            # A generator of the application's runs after the request, until `close`; for a file Werkzeug calls no `close`.
            if response.is_streamed and not response.direct_passthrough:
                request.environ[_STREAMS] = True
                response.call_on_close(judgement.end)
        return response

    def forget(self, error: BaseException | None) -> None:
        """At the request's end, unless a response is still to be streamed: then its `close` does it."""
        if error is None and sys.exception() is None and request.environ.get(_STREAMS):
            return
        g.pop("caller", None)
        judgement = self._judgement()
        if judgement is not None:
            judgement.end()

    def _judgement(self) -> Judgement | None:
        judgement: Judgement | None = getattr(request, _JUDGEMENT, None)
        return judgement


class _AllowList:
    """A view's list, compiled for the Guard of whichever application the view runs in."""

    def __init__(self, extension: CallerGuard, callers: Iterable[str], optional: bool) -> None:
        words = callers if isinstance(callers, str) else list(callers)
        self._extension = extension
        self.check_for = cache(lambda guard: HandlerCheck(guard, words, optional=optional))

    def check_in(self, app: Flask) -> HandlerCheck:
        """What is asked in this application. Raises `ConfigurationError` where it has no Guard."""
        return self.check_for(self._extension.guard_for(app))

    def enforce(self) -> None:
        _answer_refusals(current_app)  # it may have had no init_app
        check = self.check_in(current_app)
        g.caller = check(_request(check.guard))


def _checked(guard: Guard) -> Guard:
    if not isinstance(guard, Guard):  # `CallerGuard(app)`, as other extensions have it, would guard nothing
        raise ConfigurationError(f"guard: {guard!r} is no Guard; write CallerGuard(guard, app=app), or init_app(app)")
    return guard


def _configured(app: Flask) -> Guard:
    configured = app.config.get("CALLERID")
    if configured is None:
        raise ConfigurationError('init_app: no Guard; pass one, or set app.config["CALLERID"] to a dict of Guard\'s keywords')
    return configured if isinstance(configured, Guard) else Guard.from_mapping(configured, source='app.config["CALLERID"]')


def _first(scaffold: Flask | Blueprint, function: Callable[[], None]) -> None:
    """Run this before every other `before_request` function."""
    scaffold.before_request(function)
    functions = scaffold.before_request_funcs[None]
    functions.insert(0, functions.pop())


def _request(guard: Guard) -> Request:
    return wsgi_request(guard, request.environ)


def _answer_refusals(app: Flask) -> None:
    app.error_handler_spec[None][None].setdefault(Refused, _answer)


def _answer(refused: Refused) -> Response:
    return Response(refused.body, refused.status, refused.headers)
