"""Django REST framework: `CallerAuthentication`, an authentication class over Django's request and `settings.CALLERID`."""

from functools import lru_cache

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request as RESTRequest

from callerid import Caller, CallerUser, Guard, Refused
from callerid.handler import HandlerCheck
from callerid_adapters.django import configured_guard, django_request

__all__ = ["CallerAuthentication", "CallerRefused"]


class CallerRefused(APIException):
    """A refusal as REST framework knows refusals: its `APIException`, with our status, challenge and headers."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(detail=refused.detail, code=refused.reason)
        self.status_code: int = refused.status
        self.auth_header: str | None = refused.challenge
        self.wait: int | None = refused.retry_after


class CallerAuthentication(BaseAuthentication):
    """`request.user` becomes a `CallerUser`, `request.auth` the `Caller`.

    On a public route a request without credentials stays anonymous, as REST framework has it, and a bad token is refused.
    """

    def authenticate(self, request: RESTRequest) -> tuple[CallerUser, Caller] | None:
        """Who calls. Raises `CallerRefused`."""
        guard = configured_guard()
        plain = request._request
        try:
            caller = check_for(guard)(django_request(guard, plain))
        except Refused as refused:
            _add_headers(request, refused)
            raise CallerRefused(refused) from None
        plain.caller = caller  # type: ignore[attr-defined]
        return None if caller is None else (CallerUser(caller), caller)

    def authenticate_header(self, request: RESTRequest) -> str:
        """The challenge; without it REST framework answers 403 where 401 is meant."""
        return "Bearer"


@lru_cache(maxsize=1)
def check_for(guard: Guard) -> HandlerCheck:
    """What every view asks that has this authentication."""
    return HandlerCheck(guard, optional=True)


def _add_headers(request: RESTRequest, refused: Refused) -> None:
    """REST framework's handler knows `WWW-Authenticate` and `Retry-After` only; the rest goes through its view."""
    view = (request.parser_context or {}).get("view")
    if view is not None:
        view.headers["Cache-Control"] = refused.headers["Cache-Control"]
