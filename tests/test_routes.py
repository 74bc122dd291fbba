"""Which rule a request falls under, and which paths are refused because two readers could differ on them."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import ConfigurationError, Guard, Route, google
from callerid.routes import RouteTable, check_path
from tests.support import AUDIENCE, LOGIN, FakeIssuer, complains, named, reason, refuses

ALL = ["allUsers"]


def table(*rules: str) -> RouteTable:
    """Routes written like `GET,PUT /path`, or `/path` for all methods."""
    return RouteTable(route(rule) for rule in rules)


def route(rule: str) -> Route:
    methods, _, path = rule.rpartition(" ")
    return Route(path, callers=ALL, methods=methods.split(",") if methods else None)


@pytest.mark.parametrize(
    ("rules", "request_line", "index"),
    named(
        ("literal", ["/a/b"], "GET /a/b", 0),
        ("literal with a final slash", ["/a/b"], "GET /a/b/", 0),
        ("template with a final slash", ["/a/b/"], "GET /a/b", 0),
        ("above", ["/a/b"], "GET /a", None),
        ("below", ["/a/b"], "GET /a/b/c", None),
        ("longer", ["/a/b"], "GET /a/bc", None),
        ("other case", ["/a/b"], "GET /a/B", None),
        ("root", ["/"], "GET /", 0),
        ("root is not all", ["/"], "GET /a", None),
        ("placeholder", ["/profiles/{id}"], "GET /profiles/7", 0),
        ("placeholder with a final slash", ["/profiles/{id}"], "GET /profiles/7/", 0),
        ("placeholder is not empty", ["/profiles/{id}"], "GET /profiles/", None),
        ("placeholder is one segment", ["/profiles/{id}"], "GET /profiles/7/8", None),
        ("placeholder holds anything", ["/profiles/{id}"], "GET /profiles/{id}.%2F ä*", 0),
        ("placeholder in the middle", ["/a/{x}/c"], "GET /a/b/c", 0),
        ("placeholder falls short", ["/a/{x}/c"], "GET /a/b/d", None),
        ("placeholder and literal both lead on", ["/a/b/d", "/a/{x}/c"], "GET /a/b/c", 1),
        ("subtree itself", ["/static/**"], "GET /static", 0),
        ("subtree itself with a slash", ["/static/**"], "GET /static/", 0),
        ("subtree below", ["/static/**"], "GET /static/css/site.css", 0),
        ("subtree beside", ["/static/**"], "GET /statics", None),
        ("subtree under a placeholder", ["/{tenant}/files/**"], "GET /acme/files/x", 0),
        ("whole tree", ["/**"], "GET /", 0),
        ("whole tree, deep", ["/**"], "GET /a/b/c", 0),
        ("characters of patterns are themselves", ["/a.b+(c)"], "GET /a.b+(c)", 0),
        ("characters of patterns match nothing else", ["/a.b"], "GET /axb", None),
        ("percent sign", ["/100%"], "GET /100%", 0),
        ("not ASCII", ["/straße"], "GET /straße", 0),
        ("the first that matches", ["/a", "/**"], "GET /a", 0),
        ("the first that matches, subtree first", ["GET /**", "/a"], "GET /a", 0),
        ("the first, not the longest", ["GET /a/**", "/a/b/c"], "GET /a/b/c", 0),
        ("the first, not the literal", ["GET /{x}", "/a"], "GET /a", 0),
        ("method", ["PUT /a"], "PUT /a", 0),
        ("other method", ["PUT /a"], "POST /a", None),
        ("other method, next rule", ["PUT /a", "/a"], "POST /a", 1),
        ("other method, wider rule", ["PUT /a", "/**"], "OPTIONS /a", 1),
        ("method sent in lower case", ["PUT /a"], "put /a", 0),
        ("method written in lower case", ["put /a"], "PUT /a", 0),
        ("GET covers HEAD", ["GET /a"], "HEAD /a", 0),
        ("HEAD does not cover GET", ["HEAD /a"], "GET /a", None),
        ("POST does not cover HEAD", ["POST /a"], "HEAD /a", None),
        ("method nobody knows", ["PURGE /a"], "PURGE /a", 0),
        ("method nobody knows, all methods", ["/a"], "PURGE /a", 0),
        ("no rules", [], "GET /", None),
    ),
)
def test_first_route_that_matches(rules: list[str], request_line: str, index: int | None) -> None:
    method, _, path = request_line.partition(" ")
    assert table(*rules).match(method, path) == index


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("/a", "/a"),
        ("/a", "/a/"),
        ("/a", "GET /a"),
        ("GET,PUT /a", "PUT /a"),
        ("GET /a", "HEAD /a"),
        ("/{x}", "/a"),
        ("/{x}", "/{y}"),
        ("/a/{x}", "/a/b"),
        ("/**", "/"),
        ("/**", "/a/{x}"),
        ("/**", "/a/**"),
        ("/a/**", "/a"),
        ("/a/**", "/a/b/c"),
        ("/a/**", "/a/**"),
        ("/a/**", "/a/{x}/**"),
        ("/{x}/**", "/a/b/**"),
    ],
)
def test_route_that_an_earlier_one_covers_is_a_configuration_error(earlier: str, later: str) -> None:
    with complains("routes: ", str(route(later)), "can never match", str(route(earlier)), "put it before"):
        table(earlier, later)


@pytest.mark.parametrize(
    "rules",
    [
        ["/a", "/{x}"],
        ["PUT /a", "/a"],
        ["HEAD /a", "GET /a"],
        ["/a/b", "/a/**"],
        ["/a/**", "/b/**", "/**"],
        ["/{x}/b", "/a/{y}"],
        ["/{x}", "/a/**"],
        ["/a/{x}", "/a"],
    ],
)
def test_routes_that_overlap_are_no_error(rules: list[str]) -> None:
    assert len(table(*rules).routes) == len(rules)


def test_table_is_true_when_it_has_routes() -> None:
    assert (bool(table()), bool(table("/a"))) == (False, True)


TEMPLATES = st.builds(
    lambda segments, tail: ("/" + "/".join(segments)).removesuffix("/") + tail,
    st.lists(st.sampled_from(["a", "b", "{x}", "{y}", "a.b"]), max_size=3),
    st.sampled_from(["/", "/**"]),
)
METHODS = st.none() | st.sets(st.sampled_from(["GET", "put", "HEAD", "PURGE"]), min_size=1)
ROUTES = st.builds(lambda path, methods: Route(path, callers=ALL, methods=methods), TEMPLATES, METHODS)
REQUESTS = st.tuples(
    st.sampled_from(["GET", "get", "HEAD", "PUT", "PURGE", "POST"]),
    st.builds(
        lambda segments, tail: ("/" + "/".join(segments)).removesuffix("/") + tail or "/",
        st.lists(st.sampled_from(["a", "b", "c", "a.b", "axb", "**", "{x}"]), max_size=4),
        st.sampled_from(["", "/"]),
    ),
)


def fits(rule: Route, method: str, path: str) -> bool:
    """The plain reading of one rule."""
    stem = [segment for segment in rule.path.removesuffix("/**").split("/") if segment]
    pattern = "".join("/[^/]+" if segment.startswith("{") else "/" + re.escape(segment) for segment in stem)
    whole = re.fullmatch(pattern + ("(/.*)?" if rule.path.endswith("/**") else "/?"), path)
    return bool(whole) and (rule.methods is None or method.upper() in rule.methods)


def is_refused(routes: list[Route]) -> bool:
    try:
        RouteTable(routes)
    except ConfigurationError:
        return True
    return False


@given(st.lists(ROUTES, max_size=8), st.lists(REQUESTS, min_size=1))
def test_match_agrees_with_reading_the_rules_in_order(candidates: list[Route], requests: list[tuple[str, str]]) -> None:
    routes: list[Route] = []
    for candidate in candidates:
        if is_refused([*routes, candidate]):
            reached = [request for request in requests if fits(candidate, *request)]
            assert all(any(fits(rule, *request) for rule in routes) for request in reached)
        else:
            routes.append(candidate)
    compiled = RouteTable(routes)
    for request in requests:
        assert compiled.match(*request) == next((index for index, rule in enumerate(routes) if fits(rule, *request)), None)


@pytest.mark.parametrize(
    "path",
    named(
        ("empty", ""),
        ("no slash first", "a"),
        ("asterisk form", "*"),
        ("absolute form", "http://host/a"),
        ("two slashes first", "//a"),
        ("two slashes inside", "/a//b"),
        ("two slashes at the end", "/a//"),
        ("dot", "/."),
        ("dot inside", "/a/./b"),
        ("dot at the end", "/a/."),
        ("dot dot", "/.."),
        ("dot dot inside", "/a/../b"),
        ("dot dot at the end", "/a/.."),
        ("semicolon", "/a;x=1"),
        ("semicolon alone", "/;"),
        ("backslash", "/a\\b"),
        ("NUL", "/a\0"),
        ("tab", "/a\tb"),
        ("line feed at the end", "/admin\n"),
        ("carriage return", "/a\r"),
        ("unit separator", "/a\x1f"),
        ("DEL", "/a\x7f"),
        ("C1 control", "/a\x85"),
        ("lone surrogate", "/a\udcff"),
        ("replacement character", "/a\ufffd"),
    ),
)
def test_ambiguous_path_is_refused(path: str) -> None:
    with refuses("ambiguous_path"):
        check_path(path, None)


@pytest.mark.parametrize(
    ("path", "raw"),
    named(
        ("encoded slash", "/a/b", "/a%2Fb"),
        ("encoded slash in lower case", "/a/b", "/a%2fb"),
        ("encoded slash before the query", "/a/b", "/a%2Fb?x"),
        ("encoded backslash left alone", "/ab", "/a%5Cb"),
        ("encoded backslash in lower case", "/ab", "/a%5cb"),
        ("encoded dot, resolved by the server", "/a/b", "/a/%2e/b"),
        ("encoded dot dot, resolved by the server", "/b", "/a/%2E%2e/b"),
        ("half encoded dot dot", "/b", "/a/.%2e/b"),
        ("other half", "/b", "/a/%2e./b"),
        ("encoded dot dot at the end", "/", "/a/%2e%2e"),
        ("encoded dot dot before the query", "/", "/a/%2e%2e?x"),
        ("plain dot dot beside an encoding", "/%", "/a/../%25"),
        ("not UTF-8", "/ab", "/a%FFb"),
        ("overlong slash", "/ab", "/a%C0%AFb"),
        ("encoded surrogate", "/ab", "/a%ED%A0%80b"),
        ("half a character", "/ab", "/a%C3"),
    ),
)
@pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "bytes"])
def test_ambiguous_raw_path_is_refused(path: str, raw: str, kind: Any) -> None:
    with refuses("ambiguous_path"):
        check_path(path, kind(raw))


def test_raw_path_with_a_lone_surrogate_is_refused() -> None:
    with refuses("ambiguous_path"):
        check_path("/ab", "/%61\udcff")


@pytest.mark.parametrize(
    ("path", "raw"),
    named(
        ("plain", "/a/b", b"/a/b"),
        ("no raw path", "/a/b", None),
        ("empty raw path", "/a/b", b""),
        ("root", "/", b"/"),
        ("final slash", "/a/", b"/a/"),
        ("encoded percent sign", "/100%", b"/100%25"),
        ("encoded percent sign before hex digits", "/a%2fb", b"/a%252fb"),
        ("encoded percent sign and dots", "/%2e%2e", b"/%252e%252e"),
        ("encoded blank", "/a b", b"/a%20b"),
        ("UTF-8", "/ä", b"/%C3%A4"),
        ("UTF-8 as text", "/ä", "/%C3%A4"),
        ("UTF-8 not encoded", "/ä", "/ä".encode()),
        ("UTF-8 not encoded beside an encoding", "/ä b", "/ä%20b"),
        ("percent sign that encodes nothing", "/100%", b"/100%"),
        ("encoded slash in the query", "/a", b"/a?next=%2Fb%2F..%5c"),
        ("dots that are no segment", "/a/...", b"/a/..."),
        ("dots at the end of a name", "/a../b", b"/a../b"),
        ("dots before a name", "/a/..b/.c", b"/a/..b/.c"),
        ("encoded dot in a name", "/a.b", b"/a%2eb"),
        ("comma, colon, at sign, star", "/a,b:c@d*", None),
    ),
)
def test_ordinary_path_passes(path: str, raw: bytes | str | None) -> None:
    check_path(path, raw)


ANY_TEXT = st.text(st.characters())  # lone surrogates included


@given(ANY_TEXT | ANY_TEXT.map("/{}".format), st.none() | ANY_TEXT.map("/%{}".format) | st.binary())
def test_only_our_error_escapes_any_path(path: str, raw: str | bytes | None) -> None:
    assert reason(check_path, path, raw) in {None, "ambiguous_path"}


@pytest.mark.parametrize(
    ("routes", "expected"),
    named(
        ("routes", [Route("/healthz", callers=ALL)], "ambiguous_path"),
        ("no routes", [], "missing_credentials"),
    ),
)
def test_guard_with_routes_refuses_an_ambiguous_path_before_it_looks_at_credentials(
    issuer: FakeIssuer, routes: list[Route], expected: str
) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks())], audience=AUDIENCE, callers=[LOGIN], routes=routes)
    with refuses(expected):
        guard.check("GET", "//healthz", [])


@pytest.mark.parametrize(
    ("path", "words"),
    named(
        ("no text", 5, ["5", "begin with '/'"]),
        ("empty", "", ["begin with '/'"]),
        ("no slash first", "a", ["begin with '/'"]),
        ("two slashes", "/a//b", ["can match no request"]),
        ("dot dot", "/a/..", ["can match no request"]),
        ("semicolon", "/a;b", ["can match no request"]),
        ("backslash", "/a\\b", ["can match no request"]),
        ("control character", "/a\n", ["can match no request"]),
        ("query", "/a?b", ["can match no request"]),
        ("fragment", "/a#b", ["can match no request"]),
        ("encoded", "/a%20b", ["percent-encoded", "write the characters themselves"]),
        ("star", "/a/*", ["'*'", "a subtree ends in '/**'"]),
        ("star in a name", "/a*", ["'a*'"]),
        ("subtree in the middle", "/a/**/b", ["'**'"]),
        ("subtree with a slash behind", "/a/**/", ["'**'"]),
        ("name without a name", "/{}", ["'{}'", "one {name}"]),
        ("Flask's placeholder", "/profiles/<id>", ["'<id>'", "one {name}"]),
        ("name that is a number", "/{1}", ["'{1}'"]),
        ("two names in a segment", "/{a}{b}", ["'{a}{b}'"]),
        ("name and text in a segment", "/{a}.json", ["'{a}.json'"]),
        ("converter", "/{a:path}", ["'{a:path}'"]),
        ("brace that opens", "/{a", ["'{a'"]),
        ("brace that closes", "/a}", ["'a}'"]),
    ),
)
def test_path_that_cannot_be_meant_is_a_configuration_error(path: Any, words: list[str]) -> None:
    with complains("routes: path", *words):
        Route(path, callers=ALL)


@pytest.mark.parametrize(
    ("methods", "words"),
    named(
        ("text", "GET", ["no list"]),
        ("nothing that can be listed", 5, ["no list"]),
        ("empty", [], ["empty"]),
        ("empty word", [""], ["no HTTP method"]),
        ("no word", ["GET PUT"], ["no HTTP method"]),
        ("star", ["*"], ["no HTTP method"]),
        ("no text", [5], ["no text"]),
    ),
)
def test_methods_that_cannot_be_meant_are_a_configuration_error(methods: Any, words: list[str]) -> None:
    with complains("routes: /a: methods", *words):
        Route("/a", callers=ALL, methods=methods)


@pytest.mark.parametrize("callers", [LOGIN, None, 5])
def test_callers_of_a_route_that_are_no_list_are_a_configuration_error(callers: Any) -> None:
    with complains("routes: /a: callers", "no list"):
        Route("/a", callers=callers)


@pytest.mark.parametrize(
    ("routes", "words"),
    named(
        ("nobody", [Route("/a", callers=[])], ["routes: /a: empty"]),
        ("no member", [Route("/a", callers=["usr:ana@example.com"], methods=["PUT"])], ["routes: PUT /a: ", "did you mean 'user:"]),
        ("no Route", ["/a"], ["routes: '/a' is no Route", "Route('/path', callers=[…])"]),
        ("one Route", Route("/a", callers=ALL), ["routes: ", "no list"]),
        ("covered", [Route("/**", callers=ALL), Route("/a", callers=[LOGIN])], ["routes: /a can never match"]),
    ),
)
def test_routes_that_cannot_be_meant_are_a_configuration_error(issuer: FakeIssuer, routes: Any, words: list[str]) -> None:
    with complains(*words):
        Guard(issuers=[google(keys=issuer.jwks())], audience=AUDIENCE, callers=[LOGIN], routes=routes)
