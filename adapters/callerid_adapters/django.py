"""Django: `CallerMiddleware` for the whole site, `allow_callers` for single views, system checks. Sync and async alike.

`settings.CALLERID` is a Guard, or a dict of Guard's keywords. To have `manage.py check` look at it, put
`"callerid_adapters.django.CallerIDConfig"` into `INSTALLED_APPS`.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache, wraps
from typing import Any, TypeVar, cast
from weakref import finalize

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from callerid import ConfigurationError, Guard, Refused
from callerid.guard import Judgement
from callerid.handler import HandlerCheck, with_list
from callerid.request import Request
from callerid.wsgi import WSGIHeaders, wsgi_raw_path

__all__ = ["CallerIDConfig", "CallerMiddleware", "allow_callers", "configured_guard", "django_request"]

_MIDDLEWARE = "callerid_adapters.django.CallerMiddleware"
_CORS = "corsheaders.middleware.CorsMiddleware"

View = TypeVar("View", bound=Callable[..., Any])


@cache
def configured_guard() -> Guard:
    """The Guard of `settings.CALLERID`.

    Raises:
        ConfigurationError: when it is missing or wrong.
    """
    configured = getattr(settings, "CALLERID", None)
    if configured is None:
        raise ConfigurationError('settings.CALLERID: missing; set it to {"AUDIENCE": …, "CALLERS": […]} or to a Guard')
    return configured if isinstance(configured, Guard) else Guard.from_mapping(configured, source="settings.CALLERID")


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == "CALLERID":
        configured_guard.cache_clear()


setting_changed.connect(_on_setting_changed)  # override_settings in tests


def django_request(guard: Guard, request: HttpRequest) -> Request:
    """What a Guard has to know of a Django request. `path_info` is what Django's URL resolver matches."""
    method = request.method or ""
    path = request.path_info or "/"  # under ASGI it is empty for a prefix alone, which no URL matches and Django redirects
    if isinstance(request, ASGIRequest):  # its META merges headers that differ in `-` and `_` only
        scope = request.scope
        return Request(method, path, scope.get("raw_path"), scope["headers"], vars(request))
    return Request(method, path, wsgi_raw_path(request.META), WSGIHeaders(guard, request.META), vars(request))


class CallerMiddleware:
    """Judges every request before the views see it. The caller is then in `request.caller` and `callerid.current_caller()`.

    `request.user` is left alone.

    Raises:
        ConfigurationError: when `settings.CALLERID` is missing or wrong.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.guard: Guard = configured_guard()
        self.guard.prefetch()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self.__acall__(request)
        try:
            judgement = self.guard.judge(django_request(self.guard, request))
        except Refused as refused:
            return _answer(refused)
        _hand_over(request, judgement)
        try:
            return _finish(judgement, self.get_response(request))
        except BaseException:
            judgement.end()
            raise

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            judgement = await self.guard.ajudge(django_request(self.guard, request))
        except Refused as refused:
            return _answer(refused)
        _hand_over(request, judgement)
        try:
            return _finish(judgement, await self.get_response(request))
        except BaseException:
            judgement.end()
            raise


def allow_callers(*callers: str, optional: bool = False) -> Callable[[View], View]:
    """Only these members may call the view, beside what the Guard says of its route. For sync and async function views, for what
    `as_view()` returns, and through `method_decorator` for `dispatch`.

    Raises:
        ConfigurationError: for an empty list, or a word that is no member.
    """
    check_for = cache(lambda guard: HandlerCheck(guard, callers, optional=optional))
    if settings.configured:
        check_for(configured_guard())  # so that a typo is found when the view is imported

    def decorate(view: View) -> View:
        if _is_awaited(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                plain, guard = _plain(request), configured_guard()
                try:
                    plain.caller = await check_for(guard).acall(django_request(guard, plain))  # type: ignore[attr-defined]
                except Refused as refused:
                    return _answer(refused)
                return _kept_private(plain, await view(request, *args, **kwargs))

            with_list(guarded_async, check_for, view)
            return guarded_async  # type: ignore[return-value]

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            plain, guard = _plain(request), configured_guard()
            try:
                plain.caller = check_for(guard)(django_request(guard, plain))  # type: ignore[attr-defined]
            except Refused as refused:
                return _answer(refused)
            return _kept_private(plain, view(request, *args, **kwargs))

        with_list(guarded, check_for, view)
        return guarded  # type: ignore[return-value]

    return decorate


class CallerIDConfig(AppConfig):
    """Registers the system checks, and begins to fetch keys in the background."""

    name = "callerid_adapters.django"
    label = "callerid"

    def ready(self) -> None:
        checks.register(_check_guard, checks.Tags.security)
        checks.register(_check_middleware, checks.Tags.security)
        with suppress(ConfigurationError):  # that is for the checks to say, and for the middleware
            configured_guard().prefetch()


def _check_guard(**_: Any) -> list[checks.CheckMessage]:
    try:
        configured_guard()
    except ConfigurationError as error:
        return [checks.Error(str(error), id="callerid.E001")]
    return []


def _check_middleware(**_: Any) -> list[checks.CheckMessage]:
    order = list(settings.MIDDLEWARE)
    if _MIDDLEWARE not in order:
        hint = f'Put "{_MIDDLEWARE}" into MIDDLEWARE, after security and CORS, before everything else.'
        return [checks.Warning("No callerid middleware: only views with allow_callers are guarded.", hint=hint, id="callerid.W001")]
    if order.count(_MIDDLEWARE) > 1:
        return [checks.Error("The callerid middleware is in MIDDLEWARE twice.", id="callerid.E002")]
    if _CORS in order[order.index(_MIDDLEWARE) :]:
        hint = f'Put "{_CORS}" before "{_MIDDLEWARE}": preflights carry no credentials, and refusals need its headers.'
        return [checks.Warning("CORS comes after the callerid middleware.", hint=hint, id="callerid.W002")]
    return []


def _is_awaited(view: Callable[..., Any]) -> bool:
    """An async class-based view's `dispatch` is no coroutine function, and yet Django awaits what it returns."""
    owner = getattr(getattr(view, "func", view), "__self__", None)  # method_decorator hands over a partial of the bound method
    return iscoroutinefunction(view) or bool(getattr(owner, "view_is_async", False))


def _plain(request: HttpRequest) -> HttpRequest:
    """Django's own request: REST framework's views get a wrapper around it."""
    return cast(HttpRequest, getattr(request, "_request", request))


def _kept_private(request: HttpRequest, response: Any) -> Any:
    """Keep a cache between the list and the middleware, as `cache_page` is, from handing one caller's answer to another."""
    judgement = next(Guard.judgements_in(vars(request)), None)
    if judgement is not None and judgement.is_private and isinstance(response, HttpResponseBase):
        response.setdefault("Cache-Control", "private")
    return response


def _hand_over(request: HttpRequest, judgement: Judgement) -> None:
    request.caller = judgement.caller  # type: ignore[attr-defined]
    judgement.begin()


def _finish(judgement: Judgement, response: HttpResponseBase) -> HttpResponseBase:
    if judgement.is_private:
        response.setdefault("Cache-Control", "private")
    if not response.streaming:  # nothing of it is still to be made, and a middleware outside may put another in its place
        judgement.end()
        return response
    close = response.close

    def close_and_forget() -> None:
        try:
            close()
        finally:
            judgement.end()

    response.close = close_and_forget  # type: ignore[method-assign]  # the server calls it when the last byte is out
    finalize(response, judgement.end)  # a middleware outside that answers 304 in its place never closes it
    return response


def _answer(refused: Refused) -> HttpResponse:
    return HttpResponse(refused.body, status=refused.status, headers=refused.headers)
