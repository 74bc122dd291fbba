"""FastAPI: `CallerGuard`, a security dependency, behind (or without) `callerid.asgi.CallerMiddleware`."""

from collections.abc import Iterable

from fastapi.openapi.models import HTTPBearer
from fastapi.openapi.models import SecurityBase as SecurityScheme
from fastapi.security.base import SecurityBase
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection

from callerid import Caller, Guard, Refused
from callerid.asgi import POLICY_VIOLATION, asgi_request, hand_over
from callerid.handler import HandlerCheck

__all__ = ["CallerGuard", "CallerRefused"]


class CallerRefused(HTTPException):
    """A refusal as FastAPI knows refusals: its `HTTPException`, with our status, challenge and headers."""

    def __init__(self, refused: Refused) -> None:
        # FastAPI's handler renders the body, so its type is FastAPI's to say.
        headers = {name: value for name, value in refused.headers.items() if name != "Content-Type"}
        super().__init__(refused.status, detail=refused.detail, headers=headers)
        self.reason: str = refused.reason


class CallerGuard(SecurityBase):
    """The caller of this handler: `caller: Annotated[Caller, Security(CallerGuard(guard, callers=[…]))]`.

    `callers` may call the handler, beside what the Guard says of its route; without them, every caller whom the Guard admits.
    With `optional`, a request without credentials to a public route passes as `None`. One instance is one dependency: key
    `app.dependency_overrides` by it.

    A dependency protects its own handlers only. Every other route, `/docs` and every mount is open without the middleware.

    Raises:
        ConfigurationError: for an empty list, or a word that is no member.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        callers: Iterable[str] | None = None,
        optional: bool = False,
        scheme_name: str = "CallerID",
        description: str | None = "An OpenID Connect ID token of the calling service or person.",
    ) -> None:
        self.model: SecurityScheme = HTTPBearer(bearerFormat="JWT", description=description)
        self.scheme_name = scheme_name
        self.check: HandlerCheck = HandlerCheck(guard, callers, optional=optional)

    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        """The caller. Raises `CallerRefused`, or `WebSocketException` (1008) during a handshake."""
        scope = connection.scope
        try:
            caller = await self.check.acall(asgi_request(scope))
        except Refused as refused:
            if scope["type"] == "websocket":
                raise WebSocketException(POLICY_VIOLATION, refused.reason) from None
            raise CallerRefused(refused) from None
        hand_over(scope, caller)
        return caller
