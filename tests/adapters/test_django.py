"""Django: one middleware for sync and async sites, lists for single views, and a Guard that follows the settings."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context, copy_context
from functools import partial
from io import BytesIO
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.http import http_date
from django.views import View
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt

from callerid import Caller, Guard, NoRequestError, Route, current_caller
from callerid.asgi import CallerMiddleware as ASGICallerMiddleware
from callerid.asgi import Message
from callerid.errors import refusal
from callerid_adapters.django import allow_callers, configured_guard
from tests.adapters.django_site import ASYNC_ONLY, CORS, CSRF, GUARD, SESSIONS, SYNC_ONLY, USERS, site
from tests.adapters.support import OTHER, SERVERLESS, Headers, ask, bearing, check_prefetch, guard_for
from tests.support import ANA, AUDIENCE, LOGIN, SEARCH, STRANGER, FakeIssuer, complains, named

Ask = Callable[..., Any]

PUBLIC = Route("/public", callers=["allUsers"])
NOT_ITS_KIND = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")


def by_wsgi(path: str = "/", headers: Headers | None = None, method: str = "GET", *, csrf: bool = False, **extra: Any) -> Any:
    return Client(enforce_csrf_checks=csrf, raise_request_exception=False).generic(method, path, headers=headers, **extra)


def by_asgi(path: str = "/", headers: Headers | None = None, method: str = "GET", *, csrf: bool = False, **extra: Any) -> Any:
    async def send() -> Any:
        client = AsyncClient(enforce_csrf_checks=csrf, raise_request_exception=False)
        sent: dict[str, Any] = (headers or {}) | extra  # Django 5.2.0's `headers` would put underscores for hyphens
        return await client.generic(method, path, **sent)

    return asyncio.run(send())


both_faces = pytest.mark.parametrize("ask_by", [by_wsgi, by_asgi])


def member(caller: Caller | None) -> str | None:
    return caller.member if caller else None


def found() -> JsonResponse:
    return JsonResponse(member(current_caller()), safe=False)


def show(request: HttpRequest) -> JsonResponse:
    return found()


async def show_async(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0)
    return found()


class Show(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return found()


class ShowAsync(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return await show_async(request)


def told(request: Any) -> JsonResponse:
    return JsonResponse(member(request.caller), safe=False)


async def told_async(request: Any) -> JsonResponse:
    return told(request)


class Told(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return told(request)


class ToldAsync(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return told(request)


class TestHandsOver:
    @pytest.mark.parametrize(
        "middleware", [[GUARD], [SYNC_ONLY, GUARD], [GUARD, SYNC_ONLY], [ASYNC_ONLY, GUARD], [GUARD, ASYNC_ONLY]]
    )
    @pytest.mark.parametrize("view", [show, show_async, Show.as_view(), ShowAsync.as_view()])
    @both_faces
    def test_a_caller_through_every_kind_of_chain(self, issuer: FakeIssuer, ask_by: Ask, view: Any, middleware: list[str]) -> None:
        with site(guard_for(issuer), view, middleware=middleware):
            assert ask_by(headers=bearing(issuer, ANA)).json() == ANA

    @both_faces
    def test_the_same_caller_in_the_request(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        def same(request: Any) -> JsonResponse:
            return JsonResponse(request.caller is current_caller() is not None, safe=False)

        with site(guard_for(issuer), same):
            assert ask_by(headers=bearing(issuer, ANA)).json() is True

    @pytest.mark.parametrize("sent", [None, "junk", LOGIN])
    @pytest.mark.parametrize("view", [show, told])
    @both_faces
    def test_nobody_on_a_public_route(self, issuer: FakeIssuer, ask_by: Ask, view: Any, sent: str | None) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), view):
            assert ask_by("/public", bearing(issuer, sent)).json() is None

    @pytest.mark.parametrize(("middleware", "expected"), [([GUARD], None), ([GUARD, SESSIONS, USERS], "AnonymousUser")])
    @both_faces
    def test_no_user_to_django(self, issuer: FakeIssuer, ask_by: Ask, middleware: list[str], expected: str | None) -> None:
        def user(request: HttpRequest) -> JsonResponse:
            return JsonResponse(str(request.user) if hasattr(request, "user") else None, safe=False)

        with site(guard_for(issuer), user, middleware=middleware):
            assert ask_by(headers=bearing(issuer, LOGIN)).json() == expected

    def test_nobody_for_somebody_else(self, issuer: FakeIssuer) -> None:
        names = [f"serviceAccount:user-{number}@shop.iam.gserviceaccount.com" for number in range(20)]

        async def all_at_once() -> list[Any]:
            asking = (AsyncClient().get("/", headers=bearing(issuer, name)) for name in names)
            return [answer.json() for answer in await asyncio.gather(*asking)]

        with site(guard_for(issuer, callers=["serviceAccount:*@shop.iam.gserviceaccount.com"]), show_async):
            assert asyncio.run(all_at_once()) == names


REFUSALS: list[Any] = named(
    ("anonymous", None, "missing_credentials"),
    ("a bad token", "junk", "malformed_token"),
    ("a stranger", STRANGER, "caller_not_allowed"),
)


class TestRefuses:
    @pytest.mark.parametrize(("sent", "reason"), REFUSALS)
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "BREW"])
    @both_faces
    def test_before_a_view_runs(self, issuer: FakeIssuer, ask_by: Ask, method: str, sent: str | None, reason: str) -> None:
        with site(guard_for(issuer), pytest.fail):
            answer = ask_by("/nowhere", bearing(issuer, sent), method)
        expected = refusal(reason)
        assert (answer.status_code, answer.content) == (expected.status, b"" if method == "HEAD" else expected.body)
        assert answer.headers.items() >= expected.headers.items()

    @both_faces
    def test_and_says_when_to_come_back_while_there_are_no_keys(self, ask_by: Ask) -> None:
        with FakeIssuer() as issuer:
            issuer.status = 500
            with site(Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[issuer.google()]), pytest.fail):
                answer = ask_by(headers=bearing(issuer, LOGIN))
        assert (answer.status_code, int(answer.headers["Retry-After"]) >= 1) == (503, True)


def steal(contexts: list[Context], end: Callable[[], HttpResponse]) -> Callable[..., HttpResponse]:
    """A view that lets its context out."""

    def view(request: HttpRequest) -> HttpResponse:
        contexts.append(copy_context())
        return end()

    return view


def crash() -> HttpResponse:
    raise KeyError(current_caller())


def lines(seen: list[Context]) -> Iterator[str]:
    for _ in range(3):
        seen.append(copy_context())
        yield f"{member(current_caller())}\n"


async def async_lines(seen: list[Context]) -> AsyncIterator[str]:
    for line in lines(seen):
        await asyncio.sleep(0)
        yield line


def knows_nobody(context: Context) -> bool:
    with pytest.raises(NoRequestError):
        context.run(current_caller)
    return True


class TestCurrentCaller:
    @pytest.mark.parametrize(("end", "status"), [(HttpResponse, 200), (crash, 500)])
    @both_faces
    def test_is_gone_afterwards(self, issuer: FakeIssuer, ask_by: Ask, end: Any, status: int) -> None:
        contexts = [copy_context()]
        with site(guard_for(issuer), steal(contexts, end)):
            assert ask_by(headers=bearing(issuer, LOGIN)).status_code == status
        assert [knows_nobody(context) for context in contexts] == [True, True]

    @both_faces
    def test_is_gone_when_an_exception_leaves_django(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        contexts: list[Context] = []
        with site(guard_for(issuer), steal(contexts, crash), DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(KeyError):
            ask_by(headers=bearing(issuer, LOGIN))
        assert knows_nobody(contexts[0])

    @pytest.mark.parametrize("make", [lines, async_lines])
    @pytest.mark.parametrize("middleware", [[GUARD], [SYNC_ONLY, GUARD], [GUARD, SYNC_ONLY]])
    @NOT_ITS_KIND
    def test_lasts_as_long_as_a_stream_under_asgi(self, issuer: FakeIssuer, middleware: list[str], make: Any) -> None:
        contexts: list[Context] = []
        with site(guard_for(issuer), lambda request: StreamingHttpResponse(make(contexts)), middleware=middleware):
            answer = ask(ASGIHandler(), headers=bearing(issuer, LOGIN))
        assert answer.text.splitlines() == [LOGIN] * 3
        assert all(map(knows_nobody, contexts))

    @pytest.mark.parametrize("make", [lines, async_lines])
    @pytest.mark.parametrize("middleware", [[GUARD], [ASYNC_ONLY, GUARD], [GUARD, ASYNC_ONLY]])
    @NOT_ITS_KIND
    def test_lasts_as_long_as_a_stream_under_wsgi(self, issuer: FakeIssuer, middleware: list[str], make: Any) -> None:
        contexts: list[Context] = []
        with site(guard_for(issuer), lambda request: StreamingHttpResponse(make(contexts)), middleware=middleware):
            response = wsgi_response(bearing(issuer, LOGIN))
            assert [bytes(line).decode().strip() for line in response] == [LOGIN] * 3
            assert contexts[0].run(current_caller) is not None
            response.close()
        assert all(map(knows_nobody, contexts))

    def test_is_gone_when_a_servers_file_wrapper_is_closed(self, issuer: FakeIssuer) -> None:
        contexts: list[Context] = []

        def file(request: HttpRequest) -> FileResponse:
            contexts.append(copy_context())
            return FileResponse(BytesIO(b"a file"))

        with site(guard_for(issuer), file):
            response = wsgi_response(bearing(issuer, LOGIN), **{"wsgi.file_wrapper": FileWrapper})
            assert isinstance(response, FileWrapper)
            assert contexts[0].run(current_caller) is not None
            response.close()
        assert knows_nobody(contexts[0])

    @both_faces
    def test_is_gone_when_a_middleware_outside_answers_in_its_place(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        contexts: list[Context] = []
        since = {"If-Modified-Since": http_date()}

        def file(request: HttpRequest) -> FileResponse:
            contexts.append(copy_context())
            return FileResponse(BytesIO(b"a file"), headers={"Last-Modified": http_date(1)})

        with site(guard_for(issuer), file, middleware=["django.middleware.http.ConditionalGetMiddleware", GUARD]):
            assert ask_by(headers=bearing(issuer, LOGIN) | since).status_code == 304
        gc.collect()
        assert knows_nobody(contexts[0])

    def test_is_gone_when_closing_fails(self, issuer: FakeIssuer) -> None:
        contexts: list[Context] = []

        class Broken(StreamingHttpResponse):
            def close(self) -> None:
                raise KeyError

        with site(guard_for(issuer), lambda request: Broken(lines(contexts))):
            response = wsgi_response(bearing(issuer, LOGIN))
            list(response)
            with pytest.raises(KeyError):
                response.close()
        assert knows_nobody(contexts[0])

    def test_is_gone_when_the_other_side_leaves(self, issuer: FakeIssuer) -> None:
        contexts: list[Context] = []

        async def main() -> None:
            at_work = asyncio.Event()
            messages: Iterator[Message] = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

            async def view(request: HttpRequest) -> HttpResponse:
                contexts.append(copy_context())
                at_work.set()
                return await asyncio.Future()

            async def receive() -> Message:
                message = next(messages)
                if message["type"] == "http.disconnect":
                    await at_work.wait()
                return message

            with site(guard_for(issuer), view):
                headers = [(name.lower().encode(), value.encode()) for name, value in bearing(issuer, LOGIN).items()]
                scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
                handler: Any = ASGIHandler()
                await handler(scope, receive, pytest.fail)

        asyncio.run(main())
        assert knows_nobody(contexts[0])


def wsgi_response(headers: Headers, **more: Any) -> Any:
    """What Django gives a server, which has to be closed."""
    environ: dict[str, Any] = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()} | more
    setup_testing_defaults(environ)
    handler: Any = WSGIHandler()
    return handler(environ, lambda *started: None)


def with_a_list(view: Any, **options: Any) -> Any:
    return allow_callers(LOGIN, SEARCH, **options)(view)


def with_a_list_on(method: str, view: type[View], **options: Any) -> Any:
    @method_decorator(allow_callers(LOGIN, SEARCH, **options), name=method)
    class Listed(view):  # type: ignore[misc, valid-type]
        pass

    return Listed.as_view()


VIEWS = named(
    ("sync", partial(with_a_list, told)),
    ("async", partial(with_a_list, told_async)),
    ("as_view", partial(with_a_list, Told.as_view())),
    ("async as_view", partial(with_a_list, ToldAsync.as_view())),
    ("dispatch", partial(with_a_list_on, "dispatch", Told)),
    ("async dispatch", partial(with_a_list_on, "dispatch", ToldAsync)),
    ("a method", partial(with_a_list_on, "get", Told)),
    ("an async method", partial(with_a_list_on, "get", ToldAsync)),
)

# The Guard admits LOGIN and ANA, the view's list LOGIN and SEARCH.
LISTED = named(
    ("anonymous", None, 401),
    ("a bad token", "junk", 401),
    ("on both lists", LOGIN, 200),
    ("on the Guard's only", ANA, 403),
    ("on none", STRANGER, 403),
)
OPTIONAL = named(
    ("anonymous", None, 200),
    ("a bad token", "junk", 401),
    ("on both lists", LOGIN, 200),
    ("on the Guard's only", ANA, 403),
    ("on none", STRANGER, 403),
)


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.parametrize("middleware", [[GUARD], []], ids=["middleware", "alone"])
@both_faces
class TestAList:
    @pytest.mark.parametrize(("sent", "status"), [*LISTED, pytest.param(SEARCH, 403, id="a list never widens")])
    def test_on_a_private_route(
        self, issuer: FakeIssuer, ask_by: Ask, middleware: list[str], make: Any, sent: str | None, status: int
    ) -> None:
        with site(guard_for(issuer), make(), middleware=middleware):
            self._check(ask_by("/", bearing(issuer, sent)), sent, status)

    @pytest.mark.parametrize(("sent", "status"), LISTED)
    def test_on_a_public_route(
        self, issuer: FakeIssuer, ask_by: Ask, middleware: list[str], make: Any, sent: str | None, status: int
    ) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), make(), middleware=middleware):
            self._check(ask_by("/public", bearing(issuer, sent)), sent, status)

    @pytest.mark.parametrize(("sent", "status"), OPTIONAL)
    def test_optional_on_a_public_route(
        self, issuer: FakeIssuer, ask_by: Ask, middleware: list[str], make: Any, sent: str | None, status: int
    ) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), make(optional=True), middleware=middleware):
            self._check(ask_by("/public", bearing(issuer, sent)), sent, status)

    def test_optional_opens_no_private_route(self, issuer: FakeIssuer, ask_by: Ask, middleware: list[str], make: Any) -> None:
        with site(guard_for(issuer), make(optional=True), middleware=middleware):
            assert ask_by("/").status_code == 401

    @staticmethod
    def _check(answer: Any, sent: str | None, status: int) -> None:
        assert (answer.status_code, status != 200 or answer.json() == sent) == (status, True)


class TestAListElsewhere:
    @both_faces
    def test_alone_runs_the_guards_routes_too(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        with site(guard, allow_callers(LOGIN, ANA)(told), middleware=[]):
            statuses = [ask_by("/admin", bearing(issuer, sent)).status_code for sent in (LOGIN, ANA)]
            ambiguous = ask_by("/x/../admin", bearing(issuer, ANA)).status_code
        assert (statuses, ambiguous) == ([403, 200], 400)

    def test_alone_refuses_as_the_middleware_does(self, issuer: FakeIssuer) -> None:
        answers = []
        for middleware in ([], [GUARD]):
            with site(guard_for(issuer), allow_callers(LOGIN)(pytest.fail), middleware=middleware):
                answers.append(by_wsgi(headers=bearing(issuer, STRANGER)))
        assert answers[0].headers == answers[1].headers
        assert answers[0].content == answers[1].content == refusal("caller_not_allowed").body

    def test_takes_no_other_guards_word(self, issuer: FakeIssuer) -> None:
        another = guard_for(issuer, callers=["allAuthenticatedUsers"], headers=[OTHER])
        with site(guard_for(issuer), allow_callers(LOGIN, ANA)(told), middleware=[]):
            django: Any = ASGIHandler()
            app = ASGICallerMiddleware(django, guard=another)
            by_another = ask(app, headers=bearing(issuer, LOGIN, OTHER))
            by_both = ask(app, headers=bearing(issuer, LOGIN, OTHER) | bearing(issuer, ANA))
        assert (by_another.status_code, by_both.json()) == (401, ANA)

    @both_faces
    def test_tells_current_caller_on_a_public_route(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), allow_callers(LOGIN)(show)):
            assert ask_by("/public", bearing(issuer, LOGIN)).json() == LOGIN

    @both_faces
    def test_follows_the_settings(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        view = allow_callers(LOGIN)(told)
        with site(guard_for(issuer), view, middleware=[]):
            assert ask_by(headers=bearing(issuer, LOGIN)).status_code == 200
        with site(guard_for(issuer, callers=[ANA]), view, middleware=[]):
            assert ask_by(headers=bearing(issuer, LOGIN)).status_code == 403

    @pytest.mark.parametrize(
        ("callers", "words"),
        named(
            ("an empty list", [], ["callers", "empty"]),
            ("a word that is no member", ["serviceAcount:a@b.c"], ["did you mean"]),
            ("everyone", ["allUsers"], ["allUsers", "public in the Guard"]),
        ),
    )
    def test_that_cannot_be_meant_is_refused_at_import(self, callers: list[str], words: list[str]) -> None:
        with complains(*words):
            allow_callers(*callers)

    def test_is_read_later_where_settings_come_later(self) -> None:
        program = (
            "from callerid_adapters.django import allow_callers\n"
            "view = allow_callers('serviceAcount:a@b.c')(print)\n"
            "from django.conf import settings\n"
            f"settings.configure(CALLERID={{'AUDIENCE': {AUDIENCE!r}, 'CALLERS': [{LOGIN!r}]}})\n"
            "from django.http import HttpRequest\n"
            "view(HttpRequest())\n"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout) == (1, "")
        assert "did you mean 'serviceAccount:a@b.c'" in run.stderr


class TestCSRF:
    """A bearer token is no reason to leave Django's check out; a view says so itself."""

    @pytest.mark.parametrize(("exempt", "status"), [(False, 403), (True, 200)])
    @pytest.mark.parametrize("view", [told, allow_callers(LOGIN)(told), allow_callers(LOGIN)(told_async)])
    @both_faces
    def test_stays_where_it_is(self, issuer: FakeIssuer, ask_by: Ask, view: Any, exempt: bool, status: int) -> None:
        with site(guard_for(issuer), csrf_exempt(view) if exempt else view, middleware=[GUARD, CSRF]):
            answer = ask_by("/", bearing(issuer, LOGIN), "PUT", csrf=True)
        assert (answer.status_code, "CSRF" in answer.text) == (status, not exempt)

    def test_an_exemption_inside_a_list_counts(self, issuer: FakeIssuer) -> None:
        with site(guard_for(issuer), allow_callers(LOGIN)(csrf_exempt(told)), middleware=[GUARD, CSRF]):
            assert by_wsgi("/", bearing(issuer, LOGIN), "PUT", csrf=True).status_code == 200


def load_the_middleware() -> None:
    WSGIHandler()


def load_the_middleware_for_asgi() -> None:
    ASGIHandler()


def load_the_application() -> None:
    apps.get_app_config("callerid").ready()


class TestKeys:
    @pytest.mark.parametrize("load", [load_the_middleware, load_the_middleware_for_asgi, load_the_application])
    def test_are_fetched_before_the_first_request(self, load: Callable[[], None]) -> None:
        def begin(guard: Guard) -> None:
            with site(guard, told):
                load()

        check_prefetch(begin)

    @pytest.mark.parametrize("callerid", [None, 7, {}, {"AUDIENC": AUDIENCE}], ids=["missing", "no mapping", "empty", "a typo"])
    def test_of_a_guard_that_cannot_be_built_are_no_matter_of_the_application(self, callerid: object) -> None:
        with site(callerid, told):
            load_the_application()
            assert [message.id for message in checks_found()] == ["callerid.E001"]


def checks_found() -> list[Any]:
    return [message for message in run_checks(tags=[Tags.security]) if str(message.id).startswith("callerid.")]


RIGHT = {"AUDIENCE": AUDIENCE, "CALLERS": [LOGIN]}
CHECKS = named(
    ("all is well", RIGHT, [GUARD], [], []),
    ("CORS outside", RIGHT, [CORS, GUARD, CSRF], [], []),
    ("no configuration", None, [GUARD], ["callerid.E001"], ["settings.CALLERID: missing"]),
    ("a wrong one", {"AUDIENC": AUDIENCE}, [GUARD], ["callerid.E001"], ["settings.CALLERID", "did you mean 'audience'?"]),
    ("twice", RIGHT, [GUARD, GUARD], ["callerid.E002"], ["MIDDLEWARE twice"]),
    ("no middleware", RIGHT, [CORS], ["callerid.W001"], ["only views with allow_callers are guarded", "into MIDDLEWARE"]),
    ("CORS inside", RIGHT, [GUARD, CORS], ["callerid.W002"], ["CORS comes after", f'Put "{CORS}" before']),
    ("two mistakes", {}, [], ["callerid.E001", "callerid.W001"], ["settings.CALLERID"]),
)


class TestChecks:
    @pytest.mark.parametrize(("callerid", "middleware", "ids", "words"), CHECKS)
    def test_find_each_mistake_once(self, callerid: Any, middleware: list[str], ids: list[str], words: list[str]) -> None:
        with site(callerid, told, middleware=middleware):
            messages = checks_found()
        assert sorted(message.id for message in messages) == ids
        assert all(word in "".join(f"{message.msg} {message.hint}" for message in messages) for word in words)

    def test_stop_manage_py(self) -> None:
        with site(None, told), pytest.raises(SystemCheckError, match=r"settings\.CALLERID: missing"):
            call_command("check")


class TestConfiguration:
    @pytest.mark.parametrize(
        ("callerid", "words"),
        named(
            ("missing", None, ["settings.CALLERID: missing", "AUDIENCE"]),
            ("neither a Guard nor a mapping", 7, ["settings.CALLERID: 7 is neither a Guard nor a mapping"]),
            ("no audience", {"CALLERS": [LOGIN]}, ["settings.CALLERID: audience: missing"]),
            ("no callers", {"AUDIENCE": AUDIENCE}, ["settings.CALLERID: callers: empty"]),
            ("an unknown word", RIGHT | {"CALERS": []}, ["settings.CALLERID: unknown word 'calers'", "did you mean 'callers'?"]),
            ("a word in two cases", RIGHT | {"callers": [ANA]}, ["settings.CALLERID: callers: given twice"]),
            ("a typo in a member", RIGHT | {"CALLERS": ["usr:a@b.c"]}, ["settings.CALLERID: callers: ", "did you mean"]),
        ),
    )
    @pytest.mark.parametrize("start", [WSGIHandler, ASGIHandler, configured_guard])
    def test_a_mistake_stops_the_start(self, start: Callable[[], object], callerid: object, words: list[str]) -> None:
        with site(callerid, told), complains(*words):
            start()

    def test_a_setting_that_is_not_there_is_missing(self) -> None:
        with override_settings():
            del settings.CALLERID
            with complains("settings.CALLERID: missing"):
                configured_guard()

    def test_is_read_once_and_again_when_the_setting_changes(self) -> None:
        with override_settings(CALLERID=RIGHT):
            first = configured_guard()
            with override_settings(DEBUG=True):
                assert configured_guard() is first
            with override_settings(CALLERID=RIGHT):
                assert configured_guard() is not first

    @both_faces
    def test_a_mapping_is_enough(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        keys = {"issuer": "https://accounts.google.com", "keys": issuer.jwks()}
        routes = [{"path": "/public", "callers": ["allUsers"]}]
        with site(RIGHT | {"issuers": [keys], "ROUTES": routes}, show):
            answers = [ask_by(path, bearing(issuer, LOGIN)).json() for path in ("/", "/public")]
        assert answers == [LOGIN, None]


PREFIXES = named(
    ("none", by_wsgi, "", None, "/admin", 403),
    ("a server's", by_wsgi, "/api", None, "/admin", 403),
    ("a server's, elsewhere", by_wsgi, "/api", None, "/", 200),
    ("a server's, twice", by_wsgi, "/api", None, "/api/admin", 404),
    ("the settings'", by_wsgi, "", "/api", "/admin", 403),
    ("none, ASGI", None, "", None, "/admin", 403),
    ("a server's, ASGI", None, "/api", None, "/api/admin", 403),
    ("a server's, taken off, ASGI", None, "/api", None, "/admin", 403),
    ("a server's, elsewhere, ASGI", None, "/api", None, "/api/", 200),
    ("a server's alone, ASGI", None, "/api", None, "/api", 404),  # with CommonMiddleware a redirect to "/api/"
    ("a server's, twice, ASGI", None, "/api", None, "/api/api/admin", 404),
    ("a server's, off a segment boundary, ASGI", None, "/api", None, "/apiadmin", 400),
    ("the settings', ASGI", None, "", "/api", "/api/admin", 403),
)


class TestMatchesThePathThatDjangoMatches:
    """The Guard's route is `/admin`, for ANA alone."""

    @pytest.mark.parametrize(("client", "prefix", "forced", "at", "status"), PREFIXES)
    def test_under_a_prefix(
        self, issuer: FakeIssuer, client: Ask | None, prefix: str, forced: str | None, at: str, status: int
    ) -> None:
        headers = bearing(issuer, LOGIN)
        with self._site(issuer, FORCE_SCRIPT_NAME=forced):
            asked = client(at, headers, SCRIPT_NAME=prefix) if client else ask(ASGIHandler(), at, headers, root_path=prefix)
        assert asked.status_code == status

    @pytest.mark.parametrize("at", ["/admin/", "/x/../admin", "/admin;x", "/%61dmin", "/admin%0A", "/admin%00"])
    @both_faces
    def test_in_every_spelling(self, issuer: FakeIssuer, ask_by: Ask, at: str) -> None:
        with self._site(issuer):
            assert ask_by(at, bearing(issuer, LOGIN)).status_code in (400, 403)

    @pytest.mark.parametrize(
        "environ",
        [
            {"PATH_INFO": "//admin"},  # the client takes it for a host
            *({name: raw} for name in ("RAW_URI", "REQUEST_URI") for raw in ("/x%2Fadmin", "/x/%2e%2e/admin", "/admin%FF")),
        ],
        ids=str,
    )
    def test_and_refuses_what_it_hides_in_wsgi(self, issuer: FakeIssuer, environ: Any) -> None:
        with self._site(issuer):
            assert by_wsgi("/x", bearing(issuer, LOGIN), **environ).status_code == 400

    def test_and_refuses_what_it_hides_in_asgi(self, issuer: FakeIssuer) -> None:
        with self._site(issuer):
            assert ask(ASGIHandler(), "/x%2Fadmin", bearing(issuer, LOGIN)).status_code == 400

    @pytest.mark.parametrize("method", ["PUT", "put", "Put"])
    @both_faces
    def test_whatever_the_methods_case(self, issuer: FakeIssuer, ask_by: Ask, method: str) -> None:
        routes = [Route("/admin", methods=["PUT"], callers=[ANA])]
        with site(guard_for(issuer, routes=routes), told):
            statuses = [ask_by("/admin", bearing(issuer, sent), method).status_code for sent in (LOGIN, ANA)]
        assert statuses == [403, 200]

    @staticmethod
    def _site(issuer: FakeIssuer, **others: Any) -> override_settings:
        guard = guard_for(issuer, routes=[Route("/admin", callers=[ANA])])
        return site(guard, told, ROOT_URLCONF=(path("admin", told), path("", told)), **others)


class TestHeaders:
    @both_faces
    def test_the_first_header_decides(self, issuer: FakeIssuer, ask_by: Ask) -> None:
        with site(guard_for(issuer), told):
            good = ask_by(headers=bearing(issuer, LOGIN) | bearing(issuer, ANA, SERVERLESS))
            broken = ask_by(headers=bearing(issuer, LOGIN) | {SERVERLESS: "Bearer a b"})
        assert (good.json(), broken.status_code) == (ANA, 400)

    @pytest.mark.parametrize("middleware", [[GUARD], []], ids=["middleware", "alone"])
    def test_underscores_are_no_dashes_in_asgi(self, issuer: FakeIssuer, middleware: list[str]) -> None:
        spoofed = bearing(issuer, LOGIN, "X_Serverless_Authorization")
        with site(guard_for(issuer), allow_callers(LOGIN, ANA)(told), middleware=middleware):
            alone = ask(ASGIHandler(), headers=spoofed)
            beside = ask(ASGIHandler(), headers=spoofed | bearing(issuer, ANA))
        assert (alone.status_code, beside.json()) == (401, ANA)

    def test_a_header_twice_is_malformed_in_asgi(self, issuer: FakeIssuer) -> None:
        twice = bearing(issuer, LOGIN) | {name.lower(): value for name, value in bearing(issuer, LOGIN).items()}
        with site(guard_for(issuer), told):
            assert ask(ASGIHandler(), headers=twice).status_code == 400


def caching(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Cache-Control": "max-age=5"})


class TestSharedCaches:
    @pytest.mark.parametrize(
        ("header", "at", "view", "expected"),
        named(
            ("in Authorization", "Authorization", "/", told, None),
            ("in X-Serverless-Authorization", SERVERLESS, "/", told, "private"),
            ("in a stream", SERVERLESS, "/", lambda request: FileResponse(BytesIO()), "private"),
            ("where the view says something", SERVERLESS, "/", caching, "max-age=5"),
            ("on a public route", SERVERLESS, "/public", told, None),
            ("on a public route with a list", SERVERLESS, "/public", allow_callers(LOGIN, optional=True)(told), "private"),
        ),
    )
    @NOT_ITS_KIND
    @both_faces
    def test_are_told_of_a_token(
        self, issuer: FakeIssuer, ask_by: Ask, header: str, at: str, view: Any, expected: str | None
    ) -> None:
        with site(guard_for(issuer, routes=[PUBLIC]), view):
            answer = ask_by(at, bearing(issuer, LOGIN, header))
            answer.close()
        assert answer.headers.get("Cache-Control") == expected


@both_faces
def test_a_views_cache_hands_nobody_the_answer_of_somebody_on_its_list(issuer: FakeIssuer, ask_by: Ask) -> None:
    path = f"/cached-{ask_by.__name__}"
    with site(guard_for(issuer), cache_page(60)(allow_callers(ANA)(told))):
        statuses = [ask_by(path, bearing(issuer, who, SERVERLESS)).status_code for who in (ANA, LOGIN, ANA)]
    assert statuses == [200, 403, 200]


@both_faces
def test_cors_is_outside_so_that_preflights_pass_and_refusals_are_readable(issuer: FakeIssuer, ask_by: Ask) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    with site(guard_for(issuer), told, middleware=[CORS, GUARD], CORS_ALLOWED_ORIGINS=[origin["Origin"]]):
        preflight = ask_by(headers=origin | asked, method="OPTIONS")
        others = [ask_by(headers=origin | bearing(issuer, sent)) for sent in (None, STRANGER, LOGIN)]
    assert [answer.status_code for answer in (preflight, *others)] == [200, 401, 403, 200]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (preflight, *others)} == {origin["Origin"]}
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
