# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The adapters, as mypy and pyright see them: what a list is put on keeps its type, and middleware fits where it goes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, assert_type

from tests.adapters.django_site import site  # before REST framework, which reads Django's settings when it is imported

# isort: split
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from fastapi import FastAPI, Security
from flask import Blueprint, Flask
from rest_framework.request import Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from callerid import Caller, CallerUser, Guard
from callerid.asgi import CallerMiddleware
from callerid_adapters.django import allow_callers, configured_guard
from callerid_adapters.drf import CallerAuthentication
from callerid_adapters.fastapi import CallerGuard as FastAPICallerGuard
from callerid_adapters.flask import CallerGuard as FlaskCallerGuard
from tests.adapters.support import bearing, guard_for
from tests.support import LOGIN, FakeIssuer


def number_view(number: int) -> str:
    return str(number)


async def async_number_view(number: int) -> str:
    return str(number)


def django_view(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(str(number))


async def async_django_view(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(str(number))


def test_fastapi(issuer: FakeIssuer) -> None:
    guard = guard_for(issuer)
    dependency = FastAPICallerGuard(guard, callers=[LOGIN], optional=True)
    app = FastAPI(dependencies=[Security(dependency)])
    app.add_middleware(CallerMiddleware, guard=guard, close_websockets=False)
    app.add_middleware(CallerMiddleware, guards=guard)  # type: ignore[call-arg]
    Starlette(middleware=[Middleware(CallerMiddleware, guard=guard)])

    async def read(caller: Annotated[Caller, Security(dependency)]) -> str:
        return assert_type(caller, Caller).member

    app.get("/")(read)
    headers = [(name.lower().encode(), value.encode()) for name, value in bearing(issuer, LOGIN).items()]
    connection = HTTPConnection({"type": "http", "method": "GET", "path": "/", "headers": headers})
    caller = assert_type(asyncio.run(dependency(connection)), Caller | None)
    assert caller is not None
    assert asyncio.run(read(caller)) == LOGIN
    with pytest.raises(TypeError):
        FastAPICallerGuard(guard, [LOGIN])  # type: ignore[call-arg]


def test_flask(issuer: FakeIssuer) -> None:
    callers, app = FlaskCallerGuard(), Flask("typing")
    assert_type(callers.init_app(app, guard_for(issuer)), None)
    assert_type(callers.guard_for(app), Guard)
    assert_type(callers.protect(Blueprint("typing", __name__), [LOGIN]), None)
    kept: Callable[[int], str] = callers.allow(LOGIN)(number_view)
    kept_async: Callable[[int], Coroutine[Any, Any, str]] = callers.allow(LOGIN, optional=True)(async_number_view)
    changed: Callable[[str], str] = callers.allow(LOGIN)(number_view)  # type: ignore[assignment]
    with app.test_request_context(headers=bearing(issuer, LOGIN)):
        assert [kept(7), kept_async(7), changed("7")] == ["7", "7", "7"]  # Flask runs coroutines


def test_django(issuer: FakeIssuer) -> None:
    with site(guard_for(issuer), django_view):
        assert_type(configured_guard(), Guard)
        kept: Callable[[HttpRequest, int], HttpResponse] = allow_callers(LOGIN)(django_view)
        kept_async: Callable[[HttpRequest, int], Coroutine[Any, Any, HttpResponse]]
        kept_async = allow_callers(LOGIN, optional=True)(async_django_view)
        changed: Callable[[HttpRequest, str], HttpResponse] = allow_callers(LOGIN)(django_view)  # type: ignore[assignment]
        request = RequestFactory().get("/", headers=bearing(issuer, LOGIN))
        answers = kept(request, 7), asyncio.run(kept_async(request, 7)), changed(request, "7")
    assert [answer.content for answer in answers] == [b"7"] * 3


def test_rest_framework(issuer: FakeIssuer) -> None:
    with site(guard_for(issuer), django_view):
        found = CallerAuthentication().authenticate(Request(RequestFactory().get("/", headers=bearing(issuer, LOGIN))))
    assert_type(found, tuple[CallerUser, Caller] | None)
    assert found is not None
    assert found[0].caller is found[1]
