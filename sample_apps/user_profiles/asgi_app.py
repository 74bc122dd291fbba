"""`user-profiles` as a bare ASGI application: `uvicorn sample_apps.user_profiles.asgi_app:app`."""

import json

from callerid import current_caller
from callerid.asgi import CallerMiddleware, Receive, Scope, Send

from .bare import answer, bare_guard


async def user_profiles(scope: Scope, receive: Receive, send: Send) -> None:
    """Route by hand what a framework would."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await events(scope, receive, send)
    else:
        await respond(send, scope["method"], *answer(scope["method"], scope["path"]))


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    caller = current_caller()
    if scope["path"] == "/events" and caller:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps({"caller": caller.email})})
    await send({"type": "websocket.close"})


async def respond(send: Send, method: str, status: int, content: object) -> None:
    body = b"" if content is None else json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers if body else []})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


async def lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


app = CallerMiddleware(user_profiles, guard=bare_guard())
