"""`user-profiles` on Django: `gunicorn sample_apps.user_profiles.django_app:wsgi_app`, or `uvicorn …django_app:app`."""

import secrets

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from callerid import Guard, Route
from callerid.metrics.prometheus import PrometheusMetrics
from callerid_adapters.django import allow_callers

from .setup import editors, scrapers

metrics = PrometheusMetrics()
guard = Guard.from_env(
    routes=[Route("/healthz", callers=["allUsers"]), Route("/metrics", callers=scrapers())],
    on_decision=metrics,
)
metrics.watch(guard)

settings.configure(
    ALLOWED_HOSTS=["*"],
    CALLERID=guard,
    INSTALLED_APPS=["callerid_adapters.django.CallerIDConfig"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["callerid_adapters.django.CallerMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_hex(),
)
django.setup()


@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@require_GET
def tell_prometheus(request: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


@require_GET
def whoami(request: HttpRequest) -> HttpResponse:
    return JsonResponse(request.caller.to_dict())  # type: ignore[attr-defined]


@require_http_methods(["GET", "PUT", "DELETE"])
def profile(request: HttpRequest, id: str) -> HttpResponse:
    if request.method == "GET":
        return JsonResponse({"id": id, "caller": request.caller.email})  # type: ignore[attr-defined]
    return edit(request, id)


@allow_callers(*editors())
def edit(request: HttpRequest, id: str) -> HttpResponse:
    if request.method == "DELETE":
        return HttpResponse(status=204)
    return JsonResponse({"id": id, "caller": request.caller.email})  # type: ignore[attr-defined]


urlpatterns = [
    path("healthz", healthz),
    path("metrics", tell_prometheus),
    path("whoami", whoami),
    path("profiles/<str:id>", profile),
]

app = get_asgi_application()
wsgi_app = get_wsgi_application()
