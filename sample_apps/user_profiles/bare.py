"""What the two bare stacks share: their Guard, with the editors' rule in its routes, and what they answer."""

from typing import Any

from callerid import Guard, Route, current_caller

from .setup import editors


def bare_guard() -> Guard:
    """Without a framework there is no handler to put a list on, so the editors' rule is a route."""
    healthz = Route("/healthz", callers=["allUsers"])
    return Guard.from_env(routes=[healthz, Route("/profiles/{id}", methods=["PUT", "DELETE"], callers=editors())])


def answer(method: str, path: str) -> tuple[int, Any]:
    """The status and the JSON of a response."""
    caller = current_caller()
    match method, path.split("/")[1:]:
        case (("GET" | "HEAD"), ["healthz"]):
            return 200, {"status": "ok"}
        case (("GET" | "HEAD"), ["whoami"]) if caller:
            return 200, caller.to_dict()
        case (("GET" | "HEAD" | "PUT"), ["profiles", id]) if caller and id:
            return 200, {"id": id, "caller": caller.email}
        case "DELETE", ["profiles", id] if id:
            return 204, None
        case _, ["healthz" | "whoami"] | ["profiles", _]:
            return 405, {"detail": "Method Not Allowed"}
        case _:
            return 404, {"detail": "Not Found"}
