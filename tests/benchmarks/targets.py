"""What callerid is meant to reach, and which of the figures says whether it does."""

from typing import NamedTuple

from tests.benchmarks import end_to_end, footprint, micro, scaling, shells
from tests.benchmarks.timing import Figure, Results

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """A bound for the median of one figure."""

    what: str
    table: str
    row: str
    bound: float
    at_least: bool = False
    unit: str = "×"

    def figure(self, results: Results) -> Figure | None:
        """The figure; `None` where it has not been measured."""
        found = results.get(self.table, {}).get(self.row)
        return found if isinstance(found, Figure) else None

    def verdict(self, results: Results) -> str:
        """Whether it is met."""
        figure = self.figure(results)
        if figure is None:
            return "not measured"
        is_met = figure.median >= self.bound if self.at_least else figure.median <= self.bound
        return "met" if is_met else "**missed**"


def _of_shell(shell: str) -> list[Target]:
    return [
        Target(f"{shell}: repeated token, above the bare callable", shells.ABOVE, f"{shell}, {shells.REPEATED}", 0.15),
        Target(f"{shell}: public route, above the bare callable", shells.ABOVE, f"{shell}, {shells.PUBLIC_ROUTE}", 0.03),
    ]


def _of_framework(framework: str, bound: float) -> list[Target]:
    row = end_to_end.CALLERID
    return [
        Target(f"{framework}, repeated tokens: requests a second", framework + end_to_end.RELATIVE, row, bound, at_least=True),
        Target(f"{framework}, repeated tokens: 99th percentile", framework + end_to_end.LATENCY, row, 1.1),
    ]


FRAMEWORKS = ("FastAPI", "Flask gthread", "Django ASGI", "Django WSGI")
AGAINST = f"FastAPI{end_to_end.AGAINST}"

TARGETS = [
    *(target for shell in ("ASGI", "WSGI") for target in _of_shell(shell)),
    Target("`Verifier.verify`, repeated token", micro.RATIOS, micro.REPEATED, 0.05),
    Target("`Verifier.verify`, first token, RS256", micro.RATIOS, micro.FIRST, 1.4),
    Target("`Verifier.verify`, first token, ES256", micro.RATIOS, micro.FIRST_ES256, 1.15),
    *(Target(f"`Verifier.verify`, {name.removeprefix('callerid, ')}", micro.RATIOS, name, 0.3) for name in micro.REFUSALS),
    *(target for framework in FRAMEWORKS for target in _of_framework(framework, 0.97)),
    _of_framework("Starlette", 0.88)[0],
    Target("FastAPI: requests a second against a PyJWKClient dependency", AGAINST, end_to_end.PYJWT, 2.5, at_least=True),
    Target("FastAPI: requests a second against Google's sample", AGAINST, end_to_end.GOOGLE, 9, at_least=True),
    Target("a request with 500 members in the list, against 1", scaling.MEMBERS + scaling.RELATIVE, "500", 1.2),
    Target("a request with 1,000 routes, against 1", scaling.ROUTES + scaling.RELATIVE, "1000", 2),
    Target("memory for each remembered token", footprint.MEMORY, footprint.BYTES, 2500, unit=" bytes"),
    Target("`import callerid` above `import jwt`", footprint.IMPORTS, footprint.ABOVE_PYJWT, 15, unit=" ms"),
]
