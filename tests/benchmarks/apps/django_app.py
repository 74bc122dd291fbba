"""On Django, `app` for ASGI and `wsgi_app` for WSGI; the other libraries are in a middleware."""

import os
import secrets
from collections.abc import Callable
from typing import Any

import django
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from tests.benchmarks.apps.checks import guard, verifier

verify = verifier()
is_async = os.environ["BENCH_INTERFACE"] == "asgi"


@sync_and_async_middleware
def verifying(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    def check(request: HttpRequest) -> None:
        if verify is not None and request.path != "/healthz":
            verify(request.headers["Authorization"])

    async def verified_async(request: HttpRequest) -> Any:
        check(request)
        return await get_response(request)

    def verified(request: HttpRequest) -> Any:
        check(request)
        return get_response(request)

    return verified_async if iscoroutinefunction(get_response) else verified


guarded = ["callerid_adapters.django.CallerMiddleware"] if guard() is not None else []
settings.configure(
    ALLOWED_HOSTS=["*"],
    CALLERID=guard(),
    LOGGING_CONFIG=None,
    MIDDLEWARE=guarded or ([f"{__name__}.verifying"] if verify is not None else []),
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
)
django.setup()


async def healthz_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


async def read_async(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002  (the route's word)
    return JsonResponse({"id": id})


def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def read(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002  (the route's word)
    return JsonResponse({"id": id})


urlpatterns = [
    path("healthz", healthz_async if is_async else healthz),
    path("profiles/<str:id>", read_async if is_async else read),
]

app = get_asgi_application()
wsgi_app = get_wsgi_application()
