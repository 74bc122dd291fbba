"""What a request costs as callers, routes and members grow: it should not depend on them."""

from callerid import Guard, Route
from callerid.asgi import CallerMiddleware
from tests.benchmarks.micro import RS256
from tests.benchmarks.scene import MEMBER, PATH, Scene, member
from tests.benchmarks.shells import asgi_call, bare_asgi
from tests.benchmarks.timing import Call, Effort, Figure, Results, above, rounds

__all__ = ["CALLERS", "MEMBERS", "RELATIVE", "ROUTES", "scaling"]

CALLERS, ROUTES, MEMBERS = "distinct callers", "routes", "members in the list"
SIZES = {
    CALLERS: (1, 10, 100, 1_000, 10_000),
    ROUTES: (1, 10, 100, 1_000),
    MEMBERS: (1, 5, 50, 500),
}
RELATIVE = ", against 1"


def scaling(scene: Scene, effort: Effort) -> Results:
    """For each quantity what the ASGI shell adds to a request with a repeated token, in multiples of bare verification, and in
    multiples of what it adds where there is one of them.
    """
    found: Results = {}
    for quantity, sizes in SIZES.items():
        subjects: dict[str, Call] = {RS256: scene.bare_rs256(), "bare": asgi_call(bare_asgi, PATH, [scene.token])}
        smaller = [size for size in sizes if size * effort.scale <= sizes[-1]]
        subjects |= {str(size): _request(scene, quantity, size) for size in smaller}
        times = rounds(subjects, effort)
        names = [str(size) for size in smaller]
        found[quantity] = {name: above(times[name], times["bare"], times[RS256]) for name in names}
        found[quantity + RELATIVE] = {name: _against_one(times[name], times["1"], times["bare"]) for name in names}
    return found


def _against_one(times: list[float], one: list[float], without: list[float]) -> Figure:
    return Figure.of([(own - bare) / (first - bare) for own, first, bare in zip(times, one, without, strict=True)])


def _request(scene: Scene, quantity: str, size: int) -> Call:
    """A request in a service that has so many of them."""
    if quantity == CALLERS:
        callers = [member(number) for number in range(size)]
        guard = scene.guard(callers=callers, routes=(), remember=2 * size, remember_bytes=size * 100_000)
        return _warm(guard, PATH, scene.tokens(size))
    if quantity == ROUTES:
        routes = [Route(f"/resources-{number}/{{id}}", callers=[MEMBER]) for number in range(size)]
        return _warm(scene.guard(routes=routes), f"/resources-{size - 1}/7", [scene.token])
    others = [member(number) for number in range(1, size)]
    return _warm(scene.guard(callers=[*others, MEMBER], routes=()), PATH, [scene.token])


def _warm(guard: Guard, path: str, tokens: list[str]) -> Call:
    """With every token verified once."""
    request = asgi_call(CallerMiddleware(bare_asgi, guard=guard), path, tokens)
    for _ in tokens:
        request()
    return request
