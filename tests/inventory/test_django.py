"""Django and REST framework: URLconfs within each other, both kinds of pattern, classes of views, viewsets."""

from typing import Any

from tests.adapters.django_site import GUARD, site  # before REST framework, which reads Django's settings when it is imported

# isort: split
import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import action, api_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from callerid import Route as Rule
from callerid_adapters.django import allow_callers
from callerid_adapters.drf import CallerAuthentication
from tests.adapters.support import guard_for
from tests.inventory import Send, check_by_asking, rows, table
from tests.support import ANA, LOGIN, SEARCH, FakeIssuer, named

EVERYONE = ["allUsers"]
only_ana, only_login = allow_callers(ANA), allow_callers(LOGIN)


def show(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse("here")


class Profiles(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return show(request)

    @method_decorator(only_ana)
    def put(self, request: HttpRequest) -> HttpResponse:
        return show(request)


@method_decorator(only_login, name="dispatch")
class Restricted(Profiles):
    pass


class Plain(APIView):
    authentication_classes = (CallerAuthentication,)

    def get(self, request: Request) -> Response:
        return Response()


class Items(ViewSet):
    def list(self, request: Request) -> Response:
        return Response()

    def retrieve(self, request: Request, pk: str) -> Response:
        return Response()

    @method_decorator(only_ana)
    def create(self, request: Request) -> Response:
        return Response()

    @method_decorator(only_login)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: str) -> Response:
        return Response()


@api_view(["GET", "POST"])
@only_ana
def listed(request: Request) -> Response:
    return Response()


def client() -> Send:
    asked = Client(raise_request_exception=False)
    return lambda method, path, headers: asked.generic(method, path, headers=headers).status_code


def guarded(guard: Any, *urls: Any, **others: Any) -> override_settings:
    return override_settings(**{"CALLERID": guard, "ROOT_URLCONF": urls, "MIDDLEWARE": [GUARD]} | others)


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_urls_within_urls(issuer: FakeIssuer, handler: Any) -> None:
    rules = [Rule("/healthz", callers=EVERYONE), Rule("/v1/profiles/{id}", methods=["PUT"], callers=[ANA])]
    inner = [path("profiles/<int:id>/", show), path("mine/", only_ana(show)), re_path(r"^old/(?P<slug>[\w-]+)/?$", show)]
    urls = [
        path("healthz", show),
        path("v1/", include(inner)),
        re_path(r"^(?P<tenant>[0-9]+)/", include([path("", only_login(only_ana(show))), path("files/<path:rest>", show)])),
    ]
    with guarded(guard_for(issuer, callers=[LOGIN, ANA, SEARCH], routes=rules), *urls):
        app = handler()
        assert table(app) == {
            "/healthz": EVERYONE,
            "PUT /v1/profiles/<int:id>/": [ANA],
            "/v1/profiles/<int:id>/": [LOGIN, SEARCH, ANA],
            "/v1/mine/": [ANA],
            "/v1/old/<slug>/": [LOGIN, SEARCH, ANA],
            "/<tenant>/": [],
            "/<tenant>/files/<path:rest>": [LOGIN, SEARCH, ANA],
        }
        check_by_asking(app, issuer, client())


def test_classes_of_views(issuer: FakeIssuer) -> None:
    urls = [
        path("profiles", Profiles.as_view()),
        path("restricted", Restricted.as_view()),
        path("around", only_ana(Profiles.as_view())),
    ]
    with guarded(guard_for(issuer), *urls):
        app = WSGIHandler()
        assert table(app) == {
            "GET /profiles": [LOGIN, ANA],
            "PUT /profiles": [ANA],
            "GET /restricted": [LOGIN],
            "PUT /restricted": [],
            "GET /around": [ANA],
            "PUT /around": [ANA],
        }
        assert rows(app)[0].handler == f"{__name__}.Profiles"
        check_by_asking(app, issuer, client())


def test_viewsets_and_functions_of_rest_framework(issuer: FakeIssuer) -> None:
    router = SimpleRouter()
    router.register("items", Items, basename="item")
    urls = [path("api/", include(router.urls)), path("listed", listed), path("around", only_login(listed))]
    others = {"REST_FRAMEWORK": {"UNAUTHENTICATED_USER": None}}
    with guarded(guard_for(issuer, callers=[LOGIN, ANA, SEARCH]), *urls, **others):
        app = WSGIHandler()
        assert table(app) == {
            "GET /api/items/": [LOGIN, SEARCH, ANA],
            "POST /api/items/": [ANA],
            "GET /api/items/<pk>/": [LOGIN, SEARCH, ANA],
            "POST /api/items/<pk>/hold/": [LOGIN],
            "GET /listed": [ANA],
            "POST /listed": [ANA],
            "GET /around": [],
            "POST /around": [],
        }
        check_by_asking(app, issuer, client())


def test_rest_frameworks_authentication_without_the_middleware(issuer: FakeIssuer) -> None:
    basic = (BasicAuthentication, CallerAuthentication)
    urls = [
        path("ours", Plain.as_view()),
        path("ours-first", Plain.as_view(authentication_classes=[CallerAuthentication, BasicAuthentication])),
        path("others-first", Plain.as_view(authentication_classes=basic)),
        path("public", Plain.as_view()),
        path("none", show),
    ]
    guard = guard_for(issuer, routes=[Rule("/public", callers=EVERYONE)])
    with guarded(guard, *urls, MIDDLEWARE=["django.middleware.common.CommonMiddleware"]):
        assert table(WSGIHandler()) == {
            "GET /ours": [LOGIN, ANA],
            "GET /ours-first": [LOGIN, ANA],
            "GET /others-first": EVERYONE,
            "GET /public": EVERYONE,
            "/none": EVERYONE,
        }
    with guarded(guard, *urls[:2], urls[4], MIDDLEWARE=[], REST_FRAMEWORK={"UNAUTHENTICATED_USER": None}):
        check_by_asking(WSGIHandler(), issuer, client())


@pytest.mark.parametrize(("prefixes_all", "paths"), [(True, ["/<language>/x"]), (False, ["/<language>/x", "/x"])])
def test_languages(issuer: FakeIssuer, prefixes_all: bool, paths: list[str]) -> None:
    urls = i18n_patterns(path("x", show), prefix_default_language=prefixes_all)
    with guarded(guard_for(issuer), *urls):
        assert list(table(WSGIHandler())) == paths


def test_static_files_in_development_are_before_every_middleware(issuer: FakeIssuer) -> None:
    with guarded(guard_for(issuer), path("x", show), path("static/y", show), STATIC_URL="/static/"):
        assert table(StaticFilesHandler(WSGIHandler())) == {"/static/**": EVERYONE, "/x": [LOGIN, ANA]}


def test_what_an_earlier_pattern_takes_is_left_out(issuer: FakeIssuer) -> None:
    rules = [Rule("/a/me", callers=[SEARCH])]
    urls = [path("a/me", show), path("a/<str:id>", show), path("a/<slug:other>", show)]
    with guarded(guard_for(issuer, routes=rules), *urls):
        app = WSGIHandler()
        assert table(app) == {"/a/me": [SEARCH], "/a/<str:id>": [LOGIN, ANA]}
        check_by_asking(app, issuer, client())


def test_a_middleware_that_is_a_function(issuer: FakeIssuer) -> None:
    with site(guard_for(issuer), show, middleware=[f"{site.__module__}.sync_only", GUARD]):
        assert table(WSGIHandler()) == {"/<rest>": [LOGIN, ANA]}


class Picky(StringConverter):
    """It may refuse what it matches."""


register_converter(Picky, "picky")


@pytest.mark.parametrize(
    ("first", "later"),
    named(
        ("alternatives", re_path("^foo$|^bar$", show), "a/<int:i>/"),
        ("no beginning", re_path("foo$", show), "a/pub"),
        ("another case", re_path("(?i)^x$", show), "a/pub"),
        ("what may be left out", re_path("^(?:v1/)?x/$", show), "x/"),
        ("what may not follow", re_path("^(?!pub).*$", show), "pub"),
        ("everything below", re_path("", include([path("x", show)])), "pub"),
        ("a class that has the slash", re_path(r"^a/(?P<x>[\d/]+)$", show), "a/pub"),
        ("a path of any length", path("a/<path:p>", show), "a"),
        ("a converter of one's own", path("a/<picky:p>", show), "a/<str:s>"),
        ("a final slash", path("a/<str:p>", show), "a/<str:p>/"),
        ("an empty segment", path("a/<str:p>", show), "a//<str:p>"),
    ),
)
def test_nothing_is_left_out_that_may_be_reached(issuer: FakeIssuer, first: Any, later: str) -> None:
    with guarded(guard_for(issuer), first, path(later, show)):
        assert f"/{later}" in table(WSGIHandler())


def test_a_language_hides_no_other_first_segment(issuer: FakeIssuer) -> None:
    with guarded(guard_for(issuer), *i18n_patterns(path("x", show)), path("<str:tenant>/x", show)):
        assert list(table(WSGIHandler())) == ["/<language>/x", "/<str:tenant>/x"]


def test_a_pattern_takes_every_method(issuer: FakeIssuer) -> None:
    with guarded(guard_for(issuer), path("x", Profiles.as_view()), path("x", show)):
        assert table(WSGIHandler()) == {"GET /x": [LOGIN, ANA], "PUT /x": [ANA]}


@method_decorator(only_ana, name="get")
class Head(Profiles):
    def head(self, request: HttpRequest) -> HttpResponse:
        return show(request)


def test_a_head_of_its_own(issuer: FakeIssuer) -> None:
    with guarded(guard_for(issuer), path("x", Head.as_view())):
        app = WSGIHandler()
        assert table(app) == {"GET /x": [ANA], "HEAD /x": [LOGIN, ANA], "PUT /x": [ANA]}
        check_by_asking(app, issuer, client())


class Lenient(Plain):
    def perform_authentication(self, request: Request) -> None:
        pass


class Everything(View):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return show(request)


class Asked(View):
    http_method_names = ["get"]  # noqa: RUF012

    def get(self, request: HttpRequest) -> HttpResponse:
        return show(request)

    post = options = get


def test_rest_frameworks_authentication_that_is_taken_away(issuer: FakeIssuer) -> None:
    urls = [path("none", Plain.as_view(authentication_classes=[])), path("lenient", Lenient.as_view())]
    with guarded(guard_for(issuer), *urls, MIDDLEWARE=[], REST_FRAMEWORK={"UNAUTHENTICATED_USER": None}):
        app = WSGIHandler()
        assert table(app) == {"GET /none": EVERYONE, "GET /lenient": EVERYONE}
        check_by_asking(app, issuer, client())


def test_classes_that_answer_more_than_their_methods(issuer: FakeIssuer) -> None:
    urls = [path("everything", Everything.as_view()), path("asked", Asked.as_view(http_method_names=["get", "post", "options"]))]
    with guarded(guard_for(issuer), *urls):
        app = WSGIHandler()
        asked = {f"{method} /asked": [LOGIN, ANA] for method in ("GET", "OPTIONS", "POST")}
        assert table(app) == {"/everything": [LOGIN, ANA]} | asked
        check_by_asking(app, issuer, client())
