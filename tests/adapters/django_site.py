"""The one Django of all tests, since its settings can be configured once in a process. What a test needs beside, it overrides."""

from collections.abc import Callable, Iterable
from typing import Any

import django
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import re_path
from django.utils.decorators import async_only_middleware, sync_only_middleware

from callerid import google
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer

GUARD = "callerid_adapters.django.CallerMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
SYNC_ONLY = f"{__name__}.sync_only"
ASYNC_ONLY = f"{__name__}.async_only"

View = Callable[..., Any]

with FakeIssuer() as issuer:  # Django's setup begins to fetch keys: here they are at hand
    google_at_hand = google(keys=issuer.jwks())

settings.configure(
    ALLOWED_HOSTS=["*"],
    CALLERID={"AUDIENCE": AUDIENCE, "CALLERS": [LOGIN, ANA], "ISSUERS": [google_at_hand]},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "callerid_adapters.django.CallerIDConfig"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[GUARD],
    ROOT_URLCONF=(),
    SECRET_KEY="of no use to anybody",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()


def site(callerid: object, view: View, *, middleware: Iterable[str] = (GUARD,), **others: Any) -> override_settings:
    """A site with this one view at every path, while the context lasts."""
    urls = (re_path("", view),)
    return override_settings(CALLERID=callerid, MIDDLEWARE=list(middleware), **{"ROOT_URLCONF": urls} | others)


@sync_only_middleware
def sync_only(get_response: View) -> View:
    """A middleware of the old kind: what is outside it runs in a thread."""
    assert not iscoroutinefunction(get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = get_response(request)
        return response

    return middleware


@async_only_middleware
def async_only(get_response: View) -> View:
    """A middleware of the new kind: under WSGI a loop is started for it."""
    assert iscoroutinefunction(get_response)

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await get_response(request)
        return response

    return middleware
