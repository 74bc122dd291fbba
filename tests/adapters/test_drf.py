"""Django REST framework: a caller is a user in its eyes, and a refusal one of its own."""

from collections.abc import Iterator
from typing import Any

from tests.adapters.django_site import GUARD, site  # before REST framework, which reads Django's settings when it is imported

# isort: split
import pytest
from django.core.cache import cache
from django.test import RequestFactory
from django.utils.decorators import method_decorator
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from callerid import Caller, CallerUser, Guard, Route
from callerid.errors import refusal
from callerid_adapters.django import allow_callers
from callerid_adapters.drf import CallerAuthentication, CallerRefused
from tests.adapters.support import SERVERLESS, bearing, guard_for
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, named

PUBLIC = Route("/public", callers=["allUsers"])
middleware_or_alone = pytest.mark.parametrize("middleware", [[GUARD], []], ids=["middleware", "alone"])


def ask(path: str = "/", headers: dict[str, str] | None = None, method: str = "get") -> Any:
    return getattr(APIClient(enforce_csrf_checks=True), method)(path, headers=headers or {})


def told(request: Request) -> Response:
    """Whom a view is given."""
    user, caller = request.user, request.auth
    if caller is None:
        return Response([None, user.is_authenticated, request._request.caller])  # type: ignore[attr-defined]
    assert isinstance(user, CallerUser)
    assert isinstance(caller, Caller)
    assert caller is user.caller is request.caller  # type: ignore[attr-defined]
    return Response([caller.member, user.is_authenticated, str(user)])


class Plain(APIView):
    authentication_classes = (CallerAuthentication,)

    def get(self, request: Request) -> Response:
        return told(request)

    post = get


class Restricted(Plain):
    permission_classes = (IsAuthenticated,)


class Several(ViewSet):
    authentication_classes = (CallerAuthentication,)
    permission_classes = (IsAuthenticated,)

    def list(self, request: Request) -> Response:
        return told(request)


@api_view(["GET"])
@authentication_classes([CallerAuthentication])
@permission_classes([IsAuthenticated])
def function(request: Request) -> Response:
    return told(request)


@api_view(["GET"])
@authentication_classes([CallerAuthentication])
@allow_callers(LOGIN, ANA)  # it gets REST framework's request
def listed(request: Request) -> Response:
    return told(request)


@method_decorator(allow_callers(LOGIN, ANA), name="get")
class Listed(Plain):
    pass


VIEWS = named(
    ("APIView", Restricted.as_view()),
    ("api_view", function),
    ("viewset", Several.as_view({"get": "list"})),
    ("a list around APIView", allow_callers(LOGIN, ANA)(Restricted.as_view())),
    ("a list inside api_view", listed),
    ("a list on a method", Listed.as_view()),
)


@pytest.mark.parametrize("view", VIEWS)
@middleware_or_alone
class TestAuthentication:
    def test_makes_the_caller_the_user(self, issuer: FakeIssuer, middleware: list[str], view: Any) -> None:
        with site(guard_for(issuer), view, middleware=middleware):
            assert ask(headers=bearing(issuer, ANA)).json() == [ANA, True, ANA]

    @pytest.mark.parametrize(
        ("sent", "reason"),
        named(
            ("anonymous", None, "missing_credentials"),
            ("a bad token", "junk", "malformed_token"),
            ("a stranger", STRANGER, "caller_not_allowed"),
        ),
    )
    @pytest.mark.parametrize("path", ["/", "/public"])
    def test_refuses_with_the_guards_status_and_challenge(
        self, issuer: FakeIssuer, middleware: list[str], view: Any, path: str, sent: str | None, reason: str
    ) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), view, middleware=middleware):
            answer = ask(path, bearing(issuer, sent))
        expected = refusal(reason)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (expected.status, expected.challenge)
        told = answer.content.decode()
        assert not any(secret in told for secret in ("mallory", "shop", "junk", "eyJ", AUDIENCE))


@middleware_or_alone
class TestAPublicRoute:
    @pytest.mark.parametrize(("sent", "expected"), [(None, [None, False, None]), (LOGIN, [LOGIN, True, LOGIN])])
    def test_takes_everybody_as_who_they_are(
        self, issuer: FakeIssuer, middleware: list[str], sent: str | None, expected: list[Any]
    ) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), Plain.as_view(), middleware=middleware):
            assert ask("/public", bearing(issuer, sent)).json() == expected

    @pytest.mark.parametrize(("sent", "reason"), [("junk", "malformed_token"), (STRANGER, "caller_not_allowed")])
    def test_takes_no_bad_token(self, issuer: FakeIssuer, middleware: list[str], sent: str, reason: str) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), Plain.as_view(), middleware=middleware):
            answer = ask("/public", bearing(issuer, sent))
        expected = refusal(reason)
        assert (answer.status_code, answer.json()) == (expected.status, {"detail": expected.detail})
        assert answer.headers["WWW-Authenticate"] == expected.challenge
        assert answer.headers["Cache-Control"] == "no-store"

    def test_says_when_to_come_back_while_there_are_no_keys(self, middleware: list[str]) -> None:
        with FakeIssuer() as issuer:
            issuer.status = 500
            guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()], routes=[PUBLIC])
            with site(guard, Plain.as_view(), middleware=middleware):
                answer = ask("/public", bearing(issuer, LOGIN))
        assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "WWW-Authenticate" not in answer.headers


class TestAlone:
    def test_runs_the_guards_routes_too(self, issuer: FakeIssuer) -> None:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        with site(guard, Plain.as_view(), middleware=[]):
            assert [ask("/admin", bearing(issuer, sent)).status_code for sent in (LOGIN, ANA)] == [403, 200]

    def test_follows_the_settings(self, issuer: FakeIssuer) -> None:
        statuses = []
        for callers in ([LOGIN], [ANA], [LOGIN]):
            with site(guard_for(issuer, callers=callers), Plain.as_view(), middleware=[]):
                statuses.append(ask(headers=bearing(issuer, LOGIN)).status_code)
        assert statuses == [200, 403, 200]

    def test_refuses_without_a_view_too(self, issuer: FakeIssuer) -> None:
        with site(guard_for(issuer), Plain.as_view()), pytest.raises(CallerRefused) as refused:
            CallerAuthentication().authenticate(Request(RequestFactory().get("/")))
        assert (refused.value.status_code, refused.value.get_codes()) == (401, "missing_credentials")


@pytest.mark.parametrize("view", [Plain.as_view(), allow_callers(LOGIN)(Plain.as_view())])
def test_a_bearer_needs_no_csrf_token(issuer: FakeIssuer, view: Any) -> None:
    """REST framework exempts its views, and the caller comes from no cookie."""
    with site(guard_for(issuer), view, middleware=[GUARD, "django.middleware.csrf.CsrfViewMiddleware"]):
        assert ask(headers=bearing(issuer, LOGIN), method="post").status_code == 200


@middleware_or_alone
def test_shared_caches_are_told_of_the_caller_by_the_middleware(issuer: FakeIssuer, middleware: list[str]) -> None:
    with site(guard_for(issuer, routes=[PUBLIC]), Plain.as_view(), middleware=middleware):
        answer = ask("/public", bearing(issuer, LOGIN, SERVERLESS))
    assert answer.headers.get("Cache-Control") == ("private" if middleware else None)


class OnceADay(UserRateThrottle):
    rate = "1/day"


class Throttled(Plain):
    throttle_classes = (OnceADay,)


@pytest.fixture
def fresh_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("fresh_cache")
def test_throttles_count_each_caller(issuer: FakeIssuer) -> None:
    with site(guard_for(issuer), Throttled.as_view()):
        statuses = [ask(headers=bearing(issuer, sent)).status_code for sent in (LOGIN, LOGIN, ANA, ANA, LOGIN)]
    assert statuses == [200, 429, 200, 429, 429]
