"""Which rule a request falls under: path templates and methods, first match decides.

Paths are matched as the router behind sees them, so a path that two parties could read differently is refused before it is
matched: every way to spell one path as another has been somebody's bypass.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from callerid.errors import ConfigurationError, refusal
from callerid.options import as_list, as_texts
from callerid.problems import Problems

__all__ = ["Route", "RouteTable", "check_path"]

# Control characters (Python's `$` matches before a line feed, so `/admin%0A` reaches `/admin`), `\`, `;` (path parameters),
# lone surrogates and U+FFFD (undecodable UTF-8), empty segments, dot segments.
_AMBIGUOUS = re.compile(r"[\x00-\x1f\x7f-\x9f\\;\ufffd\ud800-\udfff]|//|/\.{1,2}(?:/|\Z)")
_AMBIGUOUS_RAW = re.compile(r"%2f|%5c|/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
_METHOD = re.compile(r"[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*")
_NAME = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


def check_path(path: str, raw_path: bytes | str | None) -> None:
    """Refuse a path that could be read in more than one way. `raw_path` is it before percent-decoding, if the server tells.

    Raises:
        BadRequest: `ambiguous_path`.
    """
    if not path.startswith("/") or _AMBIGUOUS.search(path):
        raise refusal("ambiguous_path", "empty or dot segments, ';', a backslash, a control character, or not UTF-8")
    if raw_path:
        raw = (raw_path if isinstance(raw_path, str) else raw_path.decode("latin-1")).partition("?")[0]
        if "%" in raw and (_AMBIGUOUS_RAW.search(raw) or not _is_utf8(unquote_to_bytes(raw.encode(errors="surrogatepass")))):
            raise refusal("ambiguous_path", "an encoded slash, backslash or dot segment, or not UTF-8")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, init=False)
class Route:
    """A rule for some paths: who may call them.

    `path` is a template as OpenAPI writes them (`/profiles/{id}`: one non-empty segment) or a subtree (`/static/**`).
    `methods` are the methods it covers, `None` all; GET covers HEAD. `callers` are members as everywhere.

    Raises:
        ConfigurationError: for a template or method that can match no request.
    """

    path: str
    methods: frozenset[str] | None
    callers: tuple[str, ...]

    def __init__(self, path: str, *, callers: Iterable[str], methods: Iterable[str] | None = None) -> None:
        _check_template(path)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "methods", _methods(path, methods))
        object.__setattr__(self, "callers", tuple(as_list(f"routes: {path}: callers", callers)))

    def __str__(self) -> str:
        return self.path if self.methods is None else f"{','.join(sorted(self.methods))} {self.path}"

    def covers_method(self, method: str) -> bool:
        """Whether it covers a method, given in upper case."""
        return self.methods is None or method in self.methods

    def covers_methods_of(self, other: "Route") -> bool:
        """Whether it covers every method that the other one covers."""
        return self.methods is None or (other.methods is not None and other.methods <= self.methods)

    @property
    def is_subtree(self) -> bool:
        """Whether it is for everything below its path, too."""
        return self.path.endswith("/**")

    @property
    def segments(self) -> list[str]:
        """The template's segments, `""` for a placeholder, without the `**` of a subtree."""
        return ["" if _NAME.fullmatch(segment) else segment for segment in _template_segments(self.path)]


class _Node:
    """A place in the tree of templates: the segments that lead on, and the rules that end here."""

    __slots__ = ("exact", "literals", "placeholder", "subtree")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.placeholder: _Node | None = None
        self.exact: list[int] = []
        self.subtree: list[int] = []

    def child(self, segment: str) -> "_Node":
        if segment:
            return self.literals.setdefault(segment, _Node())
        self.placeholder = self.placeholder or _Node()
        return self.placeholder

    def next(self, segment: str) -> Iterator["_Node"]:
        if segment in self.literals:
            yield self.literals[segment]
        if self.placeholder is not None:
            yield self.placeholder


class RouteTable:
    """The routes in order, compiled into a tree, so that a thousand routes cost what a path's segments cost.

    Raises:
        ConfigurationError: for a route that an earlier one covers wholly.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: tuple[Route, ...] = tuple(as_list("routes", routes))
        self._root = _Node()
        problems = Problems()
        for index, route in enumerate(self.routes):
            with problems.at("routes", index):
                self._add(index, route)
        problems.tell()

    def __bool__(self) -> bool:
        return bool(self.routes)

    def match(self, method: str, path: str) -> int | None:
        """The index of the first route for this request, whose path has been checked."""
        method = method.upper()  # Django and Werkzeug do so before they route
        found = self._for_segments(_segments(path))
        return min((index for index in found if self.routes[index].covers_method(method)), default=None)

    def fall_through(self, index: int) -> int | None:
        """The next route for all of this one's paths: where its other methods go; `None` for the Guard's callers."""
        return min((later for later in self._covering(self.routes[index]) if later > index), default=None)

    def _add(self, index: int, route: Route) -> None:
        if not isinstance(route, Route):
            raise ConfigurationError(f"routes: {route!r} is no Route; write Route('/path', callers=[…])")
        self._refuse_if_covered(route)
        node = self._root
        for segment in route.segments:
            node = node.child(segment)
        (node.subtree if route.is_subtree else node.exact).append(index)

    def _for_segments(self, segments: list[str], *, subtree: bool = False) -> list[int]:
        """The routes for these segments, or for the whole subtree below them."""
        nodes = [self._root]
        found = list(self._root.subtree)
        for segment in segments:
            nodes = [inner for node in nodes for inner in node.next(segment)]
            for node in nodes:
                found += node.subtree
        if not subtree:
            for node in nodes:
                found += node.exact
        return found

    def _covering(self, route: Route) -> list[int]:
        # A placeholder's segment is "", which no literal equals: only another placeholder covers it.
        return self._for_segments(route.segments, subtree=route.is_subtree)

    def _refuse_if_covered(self, route: Route) -> None:
        for earlier in map(self.routes.__getitem__, self._covering(route)):
            if earlier.covers_methods_of(route):
                raise ConfigurationError(f"routes: {route} can never match, since {earlier} comes first; put it before that one")


def _segments(path: str) -> list[str]:
    """The segments of a path, one final slash left out."""
    return path.removesuffix("/").split("/")[1:]


def _template_segments(path: str) -> list[str]:
    return _segments(path.removesuffix("/**"))


def _check_template(path: object) -> None:
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigurationError(f"routes: path {path!r} does not begin with '/'")
    if _AMBIGUOUS.search(path) or "?" in path or "#" in path:
        raise ConfigurationError(f"routes: path {path!r} can match no request (empty or dot segments, ';', '?', '#', backslash)")
    if re.search("%[0-9A-Fa-f]{2}", path):
        raise ConfigurationError(f"routes: path {path!r} is percent-encoded; write the characters themselves")
    for segment in _template_segments(path):
        if re.search("[*<>{}]", segment) and not _NAME.fullmatch(segment):
            raise ConfigurationError(
                f"routes: path {path!r}: {segment!r} is neither plain text nor one {{name}}; a subtree ends in '/**'"
            )


def _methods(path: str, methods: Iterable[str] | None) -> frozenset[str] | None:
    if methods is None:
        return None
    upper = {method.upper() for method in as_texts(f"routes: {path}: methods", methods)}
    if not upper or not all(map(_METHOD.fullmatch, upper)):
        raise ConfigurationError(f"routes: {path}: methods: {sorted(upper)} is empty or holds what is no HTTP method")
    return frozenset(upper | {"HEAD"} if "GET" in upper else upper)
